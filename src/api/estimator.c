/* Prediction for users of the library. See ballast/ballast.h. */
#include "ballast/ballast.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/model_file.h"
#include "train/run_folder.h"

struct bal_estimator {
    bal_backend *backend;
    bal_predictor *predictor;
};

/* ---- loading ---- */

/** The model file that a path stands for. */
static bal_status find_model(const char *path, char **ret_model, bal_error *err) {
    char *model = bal_path_is_folder(path) ? bal_path_join(path, BAL_RUN_MODEL) : bal_strdup(path);
    if (!model) return bal_fail_memory(err, 0);
    if (!bal_path_exists(model)) {
        bal_status status = bal_fail(err, BAL_ENOTFOUND, "there is no model %s", model);
        bal_free(model);
        return status;
    }
    *ret_model = model;
    return BAL_OK;
}

static bal_status open_parts(bal_estimator *estimator, const char *path, int threads,
                             bal_error *err) {
    const bal_backend_options options = {.threads = threads};
    char *model = NULL;
    if (threads < 0)
        return bal_fail(err, BAL_EINVAL, "%d threads; wanted 0 (all) or more", threads);
    BAL_TRY(find_model(path, &model, err));
    bal_status status = bal_backend_open(NULL, &options, &estimator->backend, err);
    if (status == BAL_OK)
        status = bal_predictor_open(model, estimator->backend, &estimator->predictor, err);
    bal_free(model);
    return status;
}

bal_status bal_estimator_load(const char *path, int threads, bal_estimator **ret_estimator,
                              bal_error *err) {
    if (!path || !ret_estimator)
        return bal_fail(err, BAL_EINVAL, "bal_estimator_load: path and ret_estimator are wanted");
    bal_estimator *estimator = bal_calloc(1, sizeof *estimator);
    if (!estimator) return bal_fail_memory(err, sizeof *estimator);
    bal_status status = open_parts(estimator, path, threads, err);
    if (status == BAL_OK)
        *ret_estimator = estimator;
    else
        bal_estimator_free(estimator);
    return status;
}

void bal_estimator_free(bal_estimator *estimator) {
    if (!estimator) return;
    bal_predictor_close(estimator->predictor);
    bal_backend_close(estimator->backend);
    bal_free(estimator);
}

/* ---- facts ---- */

const char *bal_estimator_name(const bal_estimator *estimator) {
    return bal_predictor_name(estimator->predictor);
}

size_t bal_estimator_features(const bal_estimator *estimator) {
    return (size_t)bal_predictor_features(estimator->predictor);
}

const char *bal_estimator_feature(const bal_estimator *estimator, size_t index) {
    if (index >= bal_estimator_features(estimator)) return NULL;
    return bal_predictor_feature_names(estimator->predictor)[index];
}

size_t bal_estimator_heads(const bal_estimator *estimator) {
    return (size_t)bal_predictor_heads(estimator->predictor);
}

static const bal_model_head *head_at(const bal_estimator *estimator, size_t head) {
    if (head >= bal_estimator_heads(estimator)) return NULL;
    return bal_predictor_head(estimator->predictor, (int32_t)head);
}

const char *bal_estimator_head(const bal_estimator *estimator, size_t head) {
    const bal_model_head *about = head_at(estimator, head);
    return about ? about->name : NULL;
}

size_t bal_estimator_find_head(const bal_estimator *estimator, const char *name) {
    for (size_t h = 0; h < bal_estimator_heads(estimator); h++)
        if (strcmp(head_at(estimator, h)->name, name) == 0) return h;
    return (size_t)-1;
}

size_t bal_estimator_classes(const bal_estimator *estimator, size_t head) {
    const bal_model_head *about = head_at(estimator, head);
    return about ? (size_t)about->classes.count : 0;
}

const char *bal_estimator_class(const bal_estimator *estimator, size_t head, size_t class_id) {
    if (class_id >= bal_estimator_classes(estimator, head)) return NULL;
    return head_at(estimator, head)->classes.names[class_id];
}

size_t bal_estimator_outputs(const bal_estimator *estimator, size_t head) {
    const bal_model_head *about = head_at(estimator, head);
    return about && about->kind == BAL_HEAD_VALUE ? (size_t)about->outputs : 0;
}

/* ---- predicting ---- */

/** Raw outputs of all heads [n_rows, outputs of the head]. */
typedef struct raw_outputs {
    float *head[BAL_HEADS_MAX];
} raw_outputs;

static void release(raw_outputs *raw) {
    for (int h = 0; h < BAL_HEADS_MAX; h++)
        bal_free(raw->head[h]);
}

static bal_status check_call(const bal_estimator *estimator, size_t head, bool wants_classes,
                             const float *x, size_t n_rows, size_t n_features, bal_error *err) {
    if (!estimator) return bal_fail(err, BAL_EINVAL, "the estimator is NULL");
    if (!x && n_rows > 0) return bal_fail(err, BAL_EINVAL, "x is NULL; wanted %zu rows", n_rows);
    const bal_model_head *about = head_at(estimator, head);
    size_t wanted = bal_estimator_features(estimator), cells;
    if (!about)
        return bal_fail(err, BAL_EINVAL, "there is no head %zu; the model has %zu", head,
                        bal_estimator_heads(estimator));
    if ((about->kind != BAL_HEAD_VALUE) != wants_classes)
        return bal_fail(err, BAL_EINVAL, "head '%s' predicts %s", about->name,
                        wants_classes ? "numbers: use bal_estimator_values"
                                      : "classes: use bal_estimator_classify");
    if (n_features != wanted)
        return bal_fail(err, BAL_EINVAL, "%zu features per row; the model wants %zu", n_features,
                        wanted);
    if (!bal_size_mul(n_rows, n_features, &cells) || cells > PTRDIFF_MAX / sizeof(float))
        return bal_fail(err, BAL_EINVAL, "%zu rows of %zu features are more than there can be",
                        n_rows, n_features);
    return BAL_OK;
}

static bal_status run(bal_estimator *estimator, const float *x, size_t n_rows, raw_outputs *raw,
                      bal_error *err) {
    bal_predictor *predictor = estimator->predictor;
    for (int32_t h = 0; h < bal_predictor_heads(predictor); h++) {
        size_t n;
        if (!bal_size_mul(n_rows, (size_t)bal_predictor_head(predictor, h)->outputs, &n) ||
            !(raw->head[h] = bal_calloc(n, sizeof *raw->head[h])))
            return bal_fail_memory(err, n * sizeof *raw->head[h]);
    }
    return bal_predictor_run(predictor, x, (int64_t)n_rows, raw->head, err);
}

static void answer_rows(const bal_model_head *head, const float *outputs, size_t n_rows, float *p,
                        int32_t *ret_classes, float *ret_probabilities, float *ret_entropy) {
    size_t classes = (size_t)head->classes.count;
    for (size_t row = 0; row < n_rows; row++) {
        const float *from = outputs + row * (size_t)head->outputs;
        if (ret_classes) ret_classes[row] = bal_model_head_class(head, from);
        if (!ret_probabilities && !ret_entropy) continue;
        bal_model_head_probabilities(head, from, 1, p);
        if (ret_probabilities) memcpy(ret_probabilities + row * classes, p, classes * sizeof *p);
        if (ret_entropy)
            ret_entropy[row] = (float)bal_probabilities_entropy(p, head->classes.count);
    }
}

bal_status bal_estimator_classify(bal_estimator *estimator, size_t head, const float *x,
                                  size_t n_rows, size_t n_features, int32_t *ret_classes,
                                  float *ret_probabilities, float *ret_entropy, bal_error *err) {
    raw_outputs raw = {0};
    BAL_TRY(check_call(estimator, head, true, x, n_rows, n_features, err));
    const bal_model_head *about = head_at(estimator, head);
    size_t classes = (size_t)about->classes.count;
    float *p = bal_calloc(classes, sizeof *p);
    bal_status status =
        p ? run(estimator, x, n_rows, &raw, err) : bal_fail_memory(err, classes * sizeof *p);
    if (status == BAL_OK)
        answer_rows(about, raw.head[head], n_rows, p, ret_classes, ret_probabilities, ret_entropy);
    release(&raw);
    bal_free(p);
    return status;
}

bal_status bal_estimator_values(bal_estimator *estimator, size_t head, const float *x,
                                size_t n_rows, size_t n_features, float *ret_values,
                                bal_error *err) {
    raw_outputs raw = {0};
    BAL_TRY(check_call(estimator, head, false, x, n_rows, n_features, err));
    if (!ret_values && n_rows > 0) return bal_fail(err, BAL_EINVAL, "ret_values is NULL");
    size_t outputs = (size_t)head_at(estimator, head)->outputs;
    bal_status status = run(estimator, x, n_rows, &raw, err);
    if (status == BAL_OK)
        bal_model_head_undo_transform(head_at(estimator, head), raw.head[head], (int64_t)n_rows);
    if (status == BAL_OK) memcpy(ret_values, raw.head[head], n_rows * outputs * sizeof *ret_values);
    release(&raw);
    return status;
}
