/* Prediction from a model file alone: the graph is rebuilt from the file, weights and scaling come
 * with it.
 *
 * Rows are run in batches of a fixed size, the last one filled up with zeros: one program serves
 * any number of rows, and a row's result does not depend on how many others came with it. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "train/file_digest.h"
#include "train/model_file.h"
#include "train/model_graph.h"
#include "train/raw_loss.h"

enum { BATCH = 256 };

struct bal_predictor {
    bal_backend *backend;
    char *name, *data_kind;
    bool is_series;
    bal_model_series series;
    char **arrays;
    int32_t n_arrays;
    char **features;
    int32_t n_features;
    bal_model_head *heads;
    int32_t n_heads;
    bal_scaler scaler;
    bal_graph *graph;
    bal_value outputs[BAL_HEADS_MAX];
    bal_store store;
    bal_buffer *input;
    float *batch; /* [BATCH, features] staging */
    bal_program *program;
};

/* ---- reading the description ---- */

static bal_status bad(const char *what, bal_error *err) {
    return bal_fail(err, BAL_EFORMAT, "model file: %s", what);
}

static bal_status copy_string(const json_t *value, char **ret_copy, bal_error *err) {
    const char *text = json_string_value(value);
    if (!text) return bad("a name is missing", err);
    *ret_copy = bal_strdup(text);
    return *ret_copy ? BAL_OK : bal_fail_memory(err, strlen(text) + 1);
}

static bal_status copy_names(const json_t *list, char ***ret_names, int32_t *ret_count,
                             bal_error *err) {
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > INT32_MAX) return bad("a list of names is missing", err);
    *ret_names = bal_calloc(n, sizeof **ret_names);
    if (!*ret_names) return bal_fail_memory(err, n * sizeof **ret_names);
    *ret_count = (int32_t)n;
    for (size_t i = 0; i < n; i++)
        BAL_TRY(copy_string(json_array_get(list, i), &(*ret_names)[i], err));
    return BAL_OK;
}

static bal_status read_kind(const json_t *value, bal_head_kind *ret_kind, bal_error *err) {
    const char *name = json_string_value(value);
    for (int kind = 0; name && kind < BAL_HEAD_KIND_COUNT; kind++)
        if (strcmp(name, bal_head_kind_name((bal_head_kind)kind)) == 0) {
            *ret_kind = (bal_head_kind)kind;
            return BAL_OK;
        }
    return bad("a head has no known kind", err);
}

static bal_status read_head(bal_model_head *head, const json_t *item, bal_error *err) {
    BAL_TRY(copy_string(json_object_get(item, "name"), &head->name, err));
    BAL_TRY(copy_string(json_object_get(item, "target"), &head->target, err));
    BAL_TRY(read_kind(json_object_get(item, "kind"), &head->kind, err));
    int64_t outputs = json_integer_value(json_object_get(item, "outputs"));
    if (outputs < 1 || outputs > 65536) return bad("a head has no outputs", err);
    head->outputs = (int32_t)outputs;
    const char *transform = json_string_value(json_object_get(item, "transform"));
    head->is_log = transform && strcmp(transform, "log") == 0;
    if (transform && !head->is_log) return bad("a head has a transform that is not known", err);
    int32_t width = head->outputs;
    if (head->kind != BAL_HEAD_VALUE) {
        BAL_TRY(copy_names(json_object_get(item, "classes"), &head->classes.names,
                           &head->classes.count, err));
        width = head->classes.count;
        int32_t wanted = head->kind == BAL_HEAD_BINARY ? 1 : width;
        if (width < 2 || head->outputs != wanted || (head->kind == BAL_HEAD_BINARY && width != 2))
            return bad("a head's classes do not fit its outputs", err);
    }
    BAL_TRY(bal_raw_loss_read(json_object_get(item, "loss"), head->kind, &head->loss, err));
    const json_t *prior = json_object_get(item, "prior");
    if (json_array_size(prior) != (size_t)width) return bad("a head has no prior", err);
    head->prior = bal_calloc((size_t)width, sizeof *head->prior);
    if (!head->prior) return bal_fail_memory(err, (size_t)width * sizeof *head->prior);
    for (int32_t c = 0; c < width; c++)
        if (!bal_json_number(json_array_get(prior, (size_t)c), &head->prior[c]))
            return bad("a prior is not a number", err);
    return BAL_OK;
}

static bal_status read_series(bal_predictor *predictor, const json_t *item, bal_error *err) {
    bal_model_series *series = &predictor->series;
    if (!item) return BAL_OK;
    BAL_TRY(copy_string(json_object_get(item, "table"), &series->table, err));
    BAL_TRY(copy_string(json_object_get(item, "column"), &series->column, err));
    BAL_TRY(copy_string(json_object_get(item, "order"), &series->order, err));
    BAL_TRY(copy_string(json_object_get(item, "missing"), &series->missing, err));
    int64_t window = json_integer_value(json_object_get(item, "window"));
    if (window < 1 || window > INT32_MAX) return bad("its series has no window", err);
    series->window = (int32_t)window;
    series->log = json_is_true(json_object_get(item, "log"));
    size_t n = (size_t)predictor->n_features;
    series->features = bal_calloc(n, sizeof *series->features);
    if (!series->features) return bal_fail_memory(err, n * sizeof *series->features);
    for (size_t i = 0; i < n; i++)
        if (!bal_series_feature_parse(predictor->features[i], &series->features[i]) ||
            series->features[i].length > window)
            return bad("a feature of its series is not known", err);
    predictor->is_series = true;
    return BAL_OK;
}

static bal_status read_description(bal_predictor *predictor, const json_t *root, bal_error *err) {
    const char *format = json_string_value(json_object_get(root, "format"));
    int64_t version = json_integer_value(json_object_get(root, "version"));
    if (!format || strcmp(format, "ballast-model") != 0) return bad("not a model of ours", err);
    if (version < 1 || version > BAL_MODEL_VERSION)
        return bal_fail(err, BAL_EFORMAT, "model file: version %lld; this program reads 1 to %d",
                        (long long)version, BAL_MODEL_VERSION);
    const json_t *data = json_object_get(root, "data"), *heads = json_object_get(root, "heads");
    BAL_TRY(copy_string(json_object_get(root, "name"), &predictor->name, err));
    BAL_TRY(copy_string(json_object_get(data, "kind"), &predictor->data_kind, err));
    BAL_TRY(
        copy_names(json_object_get(data, "arrays"), &predictor->arrays, &predictor->n_arrays, err));
    BAL_TRY(copy_names(json_object_get(root, "features"), &predictor->features,
                       &predictor->n_features, err));
    BAL_TRY(read_series(predictor, json_object_get(data, "series"), err));
    size_t n_heads = json_array_size(heads);
    if (predictor->n_features < 1 || n_heads < 1 || n_heads > BAL_HEADS_MAX)
        return bad("it has no features or no heads", err);
    predictor->heads = bal_calloc(n_heads, sizeof *predictor->heads);
    if (!predictor->heads) return bal_fail_memory(err, n_heads * sizeof *predictor->heads);
    predictor->n_heads = (int32_t)n_heads;
    for (size_t h = 0; h < n_heads; h++)
        BAL_TRY(read_head(&predictor->heads[h], json_array_get(heads, h), err));
    return BAL_OK;
}

static bal_status read_scaler(bal_predictor *predictor, const json_t *root,
                              const bal_safetensors *file, bal_error *err) {
    static const char *const names[] = {"preprocess.shift", "preprocess.scale", "preprocess.fill"};
    const char *kind = json_string_value(json_object_get(json_object_get(root, "data"), "scale"));
    const float *values[3];
    for (int i = 0; i < 3; i++) {
        const bal_safetensor *tensor = bal_safetensors_find(file, names[i]);
        if (!tensor || tensor->dtype != BAL_F32 || tensor->shape.rank != 1 ||
            tensor->shape.dim[0] != predictor->n_features)
            return bad("its scaling is missing or does not fit its features", err);
        values[i] = tensor->data;
    }
    return bal_scaler_set(&predictor->scaler, kind ? kind : "none", predictor->n_features,
                          values[0], values[1], values[2], err);
}

/* ---- building the program ---- */

static bal_status read_graph(bal_predictor *predictor, const json_t *root, bal_error *err) {
    const char *names[BAL_HEADS_MAX];
    for (int32_t h = 0; h < predictor->n_heads; h++)
        names[h] = predictor->heads[h].name;
    BAL_TRY(bal_model_graph_read(json_object_get(root, "graph"), BATCH, names, predictor->n_heads,
                                 &predictor->graph, predictor->outputs, err));
    for (int32_t h = 0; h < predictor->n_heads; h++) {
        bal_shape shape = bal_graph_shape(predictor->graph, predictor->outputs[h]);
        bal_shape wanted = BAL_SHAPE2(BATCH, predictor->heads[h].outputs);
        if (!bal_shape_equal(&shape, &wanted)) return bad("an output has the wrong shape", err);
    }
    return BAL_OK;
}

static bal_status fill_store(bal_predictor *predictor, const bal_safetensors *file,
                             bal_error *err) {
    const bal_graph *graph = predictor->graph;
    for (int32_t id = 0; id < bal_graph_value_count(graph); id++) {
        const bal_value_info *info = bal_graph_info(graph, (bal_value){id});
        if (info->kind == BAL_VALUE_INPUT && strcmp(info->name, "x") != 0)
            return bad("its network has inputs other than x", err);
        if (info->kind != BAL_VALUE_PARAMETER && info->kind != BAL_VALUE_STATE) continue;
        const bal_safetensor *tensor = bal_safetensors_find(file, info->name);
        if (!tensor || tensor->dtype != BAL_F32 || !bal_shape_equal(&tensor->shape, &info->shape))
            return bal_fail(err, BAL_EFORMAT,
                            "model file: tensor %s is missing or has another shape", info->name);
        BAL_TRY(bal_store_declare(&predictor->store, info->name, BAL_ROLE_PARAMETER, BAL_F32,
                                  info->shape, err));
    }
    BAL_TRY(bal_store_allocate(&predictor->store, predictor->backend, err));
    for (size_t i = 0; i < predictor->store.n_entries; i++) {
        const bal_store_entry *entry = &predictor->store.entries[i];
        BAL_TRY(bal_store_write(&predictor->store, entry,
                                bal_safetensors_find(file, entry->name)->data, err));
    }
    return BAL_OK;
}

static bal_status bind(bal_predictor *predictor, bal_value x, bal_binding **bindings, size_t *n,
                       bal_error *err) {
    size_t capacity = 0;
    BAL_TRY(bal_store_bind(&predictor->store, predictor->graph, bindings, n, &capacity, err));
    if (!bal_reserve(*bindings, capacity, *n + 1)) return bal_fail_memory(err, sizeof **bindings);
    (*bindings)[(*n)++] = (bal_binding){x, predictor->input, 0};
    return BAL_OK;
}

static bal_status compile(bal_predictor *predictor, bal_error *err) {
    bal_graph *graph = predictor->graph;
    size_t bytes = (size_t)BATCH * (size_t)predictor->n_features * sizeof(float);
    bal_value x = bal_graph_find(graph, "x");
    bal_shape shape = bal_graph_shape(graph, x);
    bal_shape wanted = BAL_SHAPE2(BATCH, predictor->n_features);
    if (!bal_value_is_some(x) || bal_graph_info(graph, x)->kind != BAL_VALUE_INPUT ||
        !bal_shape_equal(&shape, &wanted))
        return bad("its input does not fit its features", err);
    bal_graph_fuse(graph, predictor->outputs, predictor->n_heads);
    bal_graph_prune(graph, predictor->outputs, predictor->n_heads);
    BAL_TRY(bal_graph_check(graph, err));
    BAL_TRY(bal_buffer_new(predictor->backend, bytes, &predictor->input, err));
    if (!(predictor->batch = bal_calloc(bytes, 1))) return bal_fail_memory(err, bytes);
    bal_binding *bindings = NULL;
    size_t n = 0;
    bal_status status = bind(predictor, x, &bindings, &n, err);
    if (status == BAL_OK)
        status = bal_program_compile(predictor->backend, graph, bindings, n, predictor->outputs,
                                     (size_t)predictor->n_heads, &predictor->program, err);
    bal_free(bindings);
    return status;
}

static bal_status load(bal_predictor *predictor, const bal_safetensors *file, bal_error *err) {
    const char *text = bal_safetensors_metadata(file, "ballast");
    json_t *root = NULL;
    if (!text) return bad("it has no 'ballast' metadata, so it is not a model of ours", err);
    BAL_TRY(bal_json_parse(text, strlen(text), "description", &root, err));
    int64_t version = json_integer_value(json_object_get(root, "version"));
    bal_status status = bal_file_check_digest(file, text, version > 1, err);
    if (status == BAL_OK) status = read_description(predictor, root, err);
    if (status == BAL_OK) status = read_scaler(predictor, root, file, err);
    if (status == BAL_OK) status = read_graph(predictor, root, err);
    if (status == BAL_OK) status = fill_store(predictor, file, err);
    if (status == BAL_OK) status = compile(predictor, err);
    json_decref(root);
    return status;
}

/** From a file that is open; closes it. */
static bal_status open_file(bal_safetensors *file, const char *name, bal_backend *backend,
                            bal_predictor **ret_predictor, bal_error *err) {
    bal_error why = {0};
    bal_predictor *predictor = bal_calloc(1, sizeof *predictor);
    bal_status status = BAL_ENOMEM;
    if (predictor) {
        predictor->backend = backend;
        status = load(predictor, file, &why);
    } else {
        bal_fail_memory(&why, sizeof *predictor);
    }
    bal_safetensors_close(file);
    if (status == BAL_OK) {
        *ret_predictor = predictor;
        return BAL_OK;
    }
    bal_predictor_close(predictor);
    /* Whatever refuses it, it is the file that is wrong. */
    return bal_fail(err, status == BAL_ENOMEM ? BAL_ENOMEM : BAL_EFORMAT, "%s: %s", name,
                    why.message);
}

bal_status bal_predictor_open(const char *path, bal_backend *backend, bal_predictor **ret_predictor,
                              bal_error *err) {
    bal_safetensors *file;
    BAL_TRY(bal_safetensors_open(path, &file, err));
    return open_file(file, path, backend, ret_predictor, err);
}

bal_status bal_predictor_open_memory(const void *bytes, size_t size, const char *name,
                                     bal_backend *backend, bal_predictor **ret_predictor,
                                     bal_error *err) {
    bal_safetensors *file;
    BAL_TRY(bal_safetensors_open_memory(bytes, size, name, &file, err));
    return open_file(file, name, backend, ret_predictor, err);
}

static void free_names(char **names, int32_t n) {
    for (int32_t i = 0; names && i < n; i++)
        bal_free(names[i]);
    bal_free(names);
}

void bal_predictor_close(bal_predictor *predictor) {
    if (!predictor) return;
    for (int32_t h = 0; predictor->heads && h < predictor->n_heads; h++) {
        bal_free(predictor->heads[h].name);
        bal_free(predictor->heads[h].target);
        bal_free(predictor->heads[h].prior);
        bal_class_list_release(&predictor->heads[h].classes);
    }
    bal_free(predictor->heads);
    free_names(predictor->arrays, predictor->n_arrays);
    free_names(predictor->features, predictor->n_features);
    bal_free(predictor->name);
    bal_free(predictor->data_kind);
    bal_free(predictor->series.table);
    bal_free(predictor->series.column);
    bal_free(predictor->series.order);
    bal_free(predictor->series.missing);
    bal_free(predictor->series.features);
    bal_program_free(predictor->program);
    bal_buffer_free(predictor->input);
    bal_store_release(&predictor->store);
    bal_graph_free(predictor->graph);
    bal_scaler_release(&predictor->scaler);
    bal_free(predictor->batch);
    bal_free(predictor);
}

bal_backend *bal_predictor_backend(const bal_predictor *predictor) {
    return predictor->backend;
}
const char *bal_predictor_name(const bal_predictor *predictor) {
    return predictor->name;
}
int32_t bal_predictor_features(const bal_predictor *predictor) {
    return predictor->n_features;
}
const char *const *bal_predictor_feature_names(const bal_predictor *predictor) {
    return (const char *const *)predictor->features;
}
int32_t bal_predictor_heads(const bal_predictor *predictor) {
    return predictor->n_heads;
}
const bal_model_head *bal_predictor_head(const bal_predictor *predictor, int32_t head) {
    return &predictor->heads[head];
}
const bal_scaler *bal_predictor_scaler(const bal_predictor *predictor) {
    return &predictor->scaler;
}
const char *bal_predictor_data_kind(const bal_predictor *predictor) {
    return predictor->data_kind;
}
const bal_model_series *bal_predictor_series(const bal_predictor *predictor) {
    return predictor->is_series ? &predictor->series : NULL;
}
const char *const *bal_predictor_arrays(const bal_predictor *predictor, int32_t *ret_count) {
    *ret_count = predictor->n_arrays;
    return (const char *const *)predictor->arrays;
}

/* ---- running ---- */

static bal_status check_finite(const bal_predictor *predictor, const float *x, int64_t first,
                               int64_t rows, bal_error *err) {
    for (int64_t i = 0; i < rows * predictor->n_features; i++)
        if (isinf(x[i]))
            return bal_fail(err, BAL_EDATA, "row %lld, feature '%s' is infinite",
                            (long long)(first + i / predictor->n_features + 1),
                            predictor->features[i % predictor->n_features]);
    return BAL_OK;
}

/** Outputs of a head for the first rows of the batch. */
static bal_status read_rows(bal_predictor *predictor, int32_t h, int64_t rows, float *ret_rows,
                            bal_error *err) {
    size_t width = (size_t)predictor->heads[h].outputs;
    size_t bytes = BATCH * width * sizeof(float);
    bal_value output = predictor->outputs[h];
    if (rows == BATCH) return bal_program_read(predictor->program, output, ret_rows, bytes, err);
    float *all = bal_calloc(bytes, 1);
    if (!all) return bal_fail_memory(err, bytes);
    bal_status status = bal_program_read(predictor->program, output, all, bytes, err);
    if (status == BAL_OK) memcpy(ret_rows, all, (size_t)rows * width * sizeof *all);
    bal_free(all);
    return status;
}

static bal_status run_batch(bal_predictor *predictor, const float *x, int64_t first, int64_t rows,
                            float *const *ret_outputs, bal_error *err) {
    size_t width = (size_t)predictor->n_features, used = (size_t)rows * width;
    BAL_TRY(check_finite(predictor, x + (size_t)first * width, first, rows, err));
    memcpy(predictor->batch, x + (size_t)first * width, used * sizeof(float));
    memset(predictor->batch + used, 0, (BATCH * width - used) * sizeof(float));
    bal_scaler_apply(&predictor->scaler, predictor->batch, rows);
    BAL_TRY(bal_buffer_upload(predictor->input, 0, predictor->batch, BATCH * width * sizeof(float),
                              err));
    BAL_TRY(bal_program_run(predictor->program, err));
    for (int32_t h = 0; h < predictor->n_heads; h++)
        BAL_TRY(read_rows(predictor, h, rows, ret_outputs[h] + first * predictor->heads[h].outputs,
                          err));
    return BAL_OK;
}

bal_status bal_predictor_run(bal_predictor *predictor, const float *x, int64_t rows,
                             float *const *ret_outputs, bal_error *err) {
    for (int64_t first = 0; first < rows; first += BATCH) {
        int64_t n = rows - first < BATCH ? rows - first : BATCH;
        BAL_TRY(run_batch(predictor, x, first, n, ret_outputs, err));
    }
    return BAL_OK;
}
