/* Model files: what comes out of prediction is what training evaluated, and files that were
 * tampered with are refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/npz.h"
#include "format/safetensors.h"
#include "net_lab.h"
#include "train/file_digest.h"
#include "train/model_eval.h"
#include "train/model_file.h"

/* ---- round trips ---- */

/** The kit's features as they stand in the table, unscaled: [rows, D]; free() it. */
static float *raw_features(const net_lab *lab, int64_t *ret_rows) {
    bal_error err = {0};
    bal_dataset *raw;
    bal_log_sink silent = {0};
    if (bal_dataset_read(lab->recipe, &silent, &raw, &err) != BAL_OK) fail_msg("%s", err.message);
    size_t n = (size_t)raw->table->rows * (size_t)raw->table->features;
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    memcpy(x, raw->table->x, n * sizeof *x);
    *ret_rows = raw->table->rows;
    bal_dataset_free(raw);
    return x;
}

static bal_predictor *open_model(net_lab *lab) {
    bal_error err = {0};
    bal_predictor *predictor = NULL;
    char *path = kit_path(&lab->k, "model.safetensors");
    if (bal_model_write(path, lab->recipe, lab->dataset, lab->network, &err) != BAL_OK ||
        bal_predictor_open(path, lab->backend, &predictor, &err) != BAL_OK)
        fail_msg("%s", err.message);
    return predictor;
}

static void train_a_little(net_lab *lab) {
    for (int i = 0; i < 25; i++) {
        bal_batch batch = net_lab_batch(lab);
        assert_true(net_lab_step(lab, &batch).applied);
    }
}

/** Outputs of every head for x, `piece` rows at a time; outputs[h] is malloc'ed. */
static void predict_in_pieces(bal_predictor *predictor, const float *x, int64_t rows, int64_t piece,
                              float **outputs) {
    int32_t n_heads = bal_predictor_heads(predictor), width = bal_predictor_features(predictor);
    for (int32_t h = 0; h < n_heads; h++)
        outputs[h] =
            calloc((size_t)rows * (size_t)bal_predictor_head(predictor, h)->outputs, sizeof(float));
    for (int64_t first = 0; first < rows; first += piece) {
        bal_error err = {0};
        float *to[BAL_HEADS_MAX];
        int64_t n = rows - first < piece ? rows - first : piece;
        for (int32_t h = 0; h < n_heads; h++)
            to[h] = outputs[h] + first * bal_predictor_head(predictor, h)->outputs;
        if (bal_predictor_run(predictor, x + first * width, n, to, &err) != BAL_OK)
            fail_msg("%s", err.message);
    }
}

static void check_round_trip(const char *overrides) {
    net_lab lab;
    bal_error err = {0};
    bal_eval_set set;
    int64_t rows;
    net_lab_init(&lab, overrides);
    train_a_little(&lab);
    float *x = raw_features(&lab, &rows);
    int64_t *all = malloc((size_t)rows * sizeof *all);
    for (int64_t i = 0; i < rows; i++)
        all[i] = i;
    if (bal_eval_set_init(&set, lab.dataset, lab.backend, all, rows, 33, &err) != BAL_OK ||
        bal_eval_set_run(&set, lab.network, &err) != BAL_OK)
        fail_msg("%s", err.message);

    bal_predictor *predictor = open_model(&lab);
    float *outputs[BAL_HEADS_MAX], *pieces[BAL_HEADS_MAX];
    predict_in_pieces(predictor, x, rows, rows, outputs);
    assert_int_equal(bal_predictor_heads(predictor), lab.dataset->n_heads);
    for (int32_t h = 0; h < lab.dataset->n_heads; h++) {
        const bal_model_head *head = bal_predictor_head(predictor, h);
        const bal_head_data *trained = &lab.dataset->heads[h];
        assert_string_equal(head->name, trained->recipe->name);
        assert_int_equal(head->outputs, trained->outputs);
        assert_int_equal(head->classes.count, trained->classes.count);
        for (int32_t c = 0; c < head->classes.count; c++) {
            assert_string_equal(head->classes.names[c], trained->classes.names[c]);
            assert_near(head->prior[c], trained->prior[c], 0);
        }
        for (int64_t i = 0; i < rows * head->outputs; i++)
            assert_near(outputs[h][i], set.outputs[h][i], 2e-5 * (1 + fabs(outputs[h][i])));
    }
    /* A row's answer does not depend on its company. */
    const int64_t sizes[] = {1, 7, 64, 139};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        predict_in_pieces(predictor, x, rows, sizes[s], pieces);
        for (int32_t h = 0; h < lab.dataset->n_heads; h++) {
            size_t n = (size_t)rows * (size_t)bal_predictor_head(predictor, h)->outputs;
            assert_memory_equal(pieces[h], outputs[h], n * sizeof(float));
            free(pieces[h]);
        }
    }
    for (int32_t h = 0; h < lab.dataset->n_heads; h++)
        free(outputs[h]);
    bal_predictor_close(predictor);
    bal_eval_set_release(&set);
    free(all);
    free(x);
    net_lab_release(&lab);
}

/** The losses of all rows while training and of the model file, with the run's recipe and without
 *  one. */
static void check_losses(const char *overrides) {
    net_lab lab;
    bal_error err = {0};
    bal_eval_set set;
    bal_log_sink silent = {0};
    int64_t rows[140];
    net_lab_init(&lab, overrides);
    train_a_little(&lab);
    for (int64_t i = 0; i < 140; i++)
        rows[i] = i;
    if (bal_eval_set_init(&set, lab.dataset, lab.backend, rows, 140, 33, &err) != BAL_OK ||
        bal_eval_set_run(&set, lab.network, &err) != BAL_OK)
        fail_msg("%s", err.message);
    bal_predictor *predictor = open_model(&lab);
    bal_recipe *alone = NULL;
    if (bal_model_eval_recipe(predictor, kit_path(&lab.k, "table.csv"), NULL, 0, &alone, &err) !=
        BAL_OK)
        fail_msg("%s", err.message);
    bal_recipe *recipes[] = {lab.recipe, alone};
    for (int i = 0; i < 2; i++) {
        bal_model_eval eval;
        if (bal_model_eval_init(&eval, predictor, recipes[i], "all", &silent, &err) != BAL_OK)
            fail_msg("%s", err.message);
        for (int32_t h = 0; h < lab.dataset->n_heads; h++) {
            assert_true(isfinite(set.loss[h]));
            assert_near(eval.set.loss[h], set.loss[h], 1e-5 * (1 + fabs(set.loss[h])));
        }
        bal_model_eval_release(&eval);
    }
    bal_recipe_free(alone);
    bal_predictor_close(predictor);
    bal_eval_set_release(&set);
    net_lab_release(&lab);
}

static void its_loss_is_that_of_training(void **unused) {
    check_losses(NULL);
    check_losses("heads=[{name: label, kind: classes, loss: {kind: focal, gamma: 3}, "
                 "class_weights: balanced}]");
    check_losses("heads=[{name: yes, kind: binary, target: yes, loss: {kind: focal, gamma: 1.5, "
                 "alpha: 0.8}}, {name: value, kind: value, target: value, loss: {kind: huber, "
                 "delta: 0.3}}]|monitor=val.yes.balanced_accuracy");
    check_losses("heads=[{name: value, kind: value, target: value, loss: {kind: threshold_huber, "
                 "threshold: 0.4, delta: 0.2, margin: 0.1, below_weight: 3, above_weight: 0.5}}]|"
                 "monitor=val.value.rmse");
}

static void a_loss_survives_a_lack_of_memory(void **unused) {
    net_lab lab;
    bal_log_sink silent = {0};
    bal_status status = BAL_ENOMEM;
    net_lab_init(&lab, "heads=[{name: yes, kind: binary, target: yes, loss: focal}]|"
                       "monitor=val.yes.balanced_accuracy");
    bal_predictor *predictor = open_model(&lab);
    for (int64_t at = 0; status != BAL_OK; at += 3) {
        bal_model_eval eval;
        bal_error err = {0};
        bal_memory_fail_after(at);
        status = bal_model_eval_init(&eval, predictor, lab.recipe, "all", &silent, &err);
        bal_memory_fail_after(-1);
        assert_true(status == BAL_OK || status == BAL_ENOMEM);
        if (status == BAL_OK) bal_model_eval_release(&eval);
    }
    bal_predictor_close(predictor);
    net_lab_release(&lab);
}

static void predicts_what_was_evaluated(void **unused) {
    check_round_trip(NULL);
    check_round_trip("model.norm=layer|model.activation=gelu|data.scale=minmax");
    check_round_trip("model.norm=none|model.activation=leaky_relu|data.scale=none");
    check_round_trip("model={kind: mlp, hidden: [5], activation: sigmoid, l2_input: true}");
    check_round_trip("model={kind: residual, width: 12, blocks: 3, out: 6, norm: batch, "
                     "activation: tanh, dropout: 0.1}");
    check_round_trip("model={kind: residual, width: 8, blocks: 1, norm: layer, l2_input: true}");
    check_round_trip("heads=[{name: yes, kind: binary, target: yes, loss: focal, hidden: [4]}]|"
                     "monitor=val.yes.balanced_accuracy");
    check_round_trip("heads=[{name: value, kind: value, target: value, loss: huber}]|"
                     "monitor=val.value.rmse");
    check_round_trip("heads=[{name: label, kind: classes}, {name: yes, kind: binary, target: yes, "
                     "weight: 0.5}, {name: value, kind: value, target: value, hidden: [6, 3], "
                     "dropout: [0.1, 0]}]");
}

/* ---- answers ---- */

static void probabilities_follow_the_outputs(void **unused) {
    bal_model_head head = {.kind = BAL_HEAD_CLASSES, .outputs = 3};
    const float logits[] = {0, 1, 2, 1000, 1000, -1000, NAN, 0, 0, INFINITY, 0, 0};
    float p[12];
    bal_model_head_probabilities(&head, logits, 4, p);
    double sum = 1 + exp(1) + exp(2);
    for (int c = 0; c < 3; c++)
        assert_near(p[c], exp(c) / sum, 1e-7);
    assert_near(p[3], 0.5, 0);
    assert_near(p[5], 0, 0);
    for (int i = 6; i < 12; i++)
        assert_true(isnan(p[i]));
    /* The first of equals, as evaluation counts; none when the outputs are not finite. */
    assert_int_equal(bal_model_head_class(&head, logits), 2);
    assert_int_equal(bal_model_head_class(&head, logits + 3), 0);
    assert_int_equal(bal_model_head_class(&head, logits + 6), -1);
    assert_near(bal_probabilities_entropy(p + 3, 3), log(2), 1e-12);
    assert_true(isnan(bal_probabilities_entropy(p + 6, 3)));

    head = (bal_model_head){.kind = BAL_HEAD_BINARY, .outputs = 1};
    const float logit[] = {0, 3, -3, 90, -90, NAN};
    bal_model_head_probabilities(&head, logit, 6, p);
    for (int i = 0; i < 5; i++) {
        assert_near(p[2 * i + 1], 1 / (1 + exp(-(double)logit[i])), 1e-7);
        assert_near(p[2 * i] + p[2 * i + 1], 1, 1e-7);
    }
    assert_true(p[6] > 0); /* e⁻⁹⁰, not 1 − 1 */
    assert_true(isnan(p[10]) && isnan(p[11]));
    assert_int_equal(bal_model_head_class(&head, logit), 1);
    assert_int_equal(bal_model_head_class(&head, logit + 2), 0);
}

static void missing_and_infinite_features(void **unused) {
    net_lab lab;
    bal_error err = {0};
    float outputs[6], *to[] = {outputs};
    net_lab_init(&lab, NULL);
    train_a_little(&lab);
    bal_predictor *predictor = open_model(&lab);
    const bal_scaler *scaler = bal_predictor_scaler(predictor);
    /* A missing value counts as the training mean. */
    const float x[] = {0.3f, NAN, 1, 5, 0.3f, scaler->fill[1], 1, 5};
    assert_int_equal(bal_predictor_run(predictor, x, 2, to, &err), BAL_OK);
    assert_memory_equal(outputs, outputs + 3, 3 * sizeof *outputs);
    const float infinite[] = {0, 0, 0, 0, 0, 0, -INFINITY, 0};
    assert_int_equal(bal_predictor_run(predictor, infinite, 2, to, &err), BAL_EDATA);
    assert_non_null(strstr(err.message, "row 2, feature 'x2'"));
    bal_predictor_close(predictor);
    net_lab_release(&lab);
}

/** Number at heads.label.KEY of a response. */
static double response_of(net_lab *lab, const char *key) {
    bal_error err = {0};
    bal_text text = {0};
    bal_json_out out;
    json_t *root = NULL;
    double number = NAN;
    bal_predictor *predictor = open_model(lab);
    bal_json_out_init(&out, &text, 2);
    if (bal_predictor_try(predictor, 100, 1, &out, &err) != BAL_OK ||
        bal_json_parse(text.data, text.length, "response", &root, &err) != BAL_OK)
        fail_msg("%s", err.message);
    const json_t *label = json_object_get(json_object_get(root, "heads"), "label");
    assert_true(bal_json_number(json_object_get(label, key), &number));
    json_decref(root);
    bal_text_release(&text);
    bal_predictor_close(predictor);
    return number;
}

/* A model that does not listen is found out. */
static void random_inputs_tell_a_deaf_model(void **unused) {
    net_lab lab;
    net_lab_init(&lab, NULL);
    train_a_little(&lab);
    assert_near(response_of(&lab, "unique_predictions"), 3, 0);
    assert_true(response_of(&lab, "normalized_entropy") > 0.5);
    assert_true(response_of(&lab, "output_variance") > 1e-3);
    const float silent[24] = {0}, bias[] = {0, 5, 0};
    net_lab_write(&lab, "head.label.output.weight", silent);
    net_lab_write(&lab, "head.label.output.bias", bias);
    assert_near(response_of(&lab, "unique_predictions"), 1, 0);
    assert_near(response_of(&lab, "most_common_share"), 1, 0);
    assert_near(response_of(&lab, "normalized_entropy"), 0, 0);
    assert_near(response_of(&lab, "output_variance"), 0, 1e-15);
    net_lab_release(&lab);
}

/* ---- a summary says what an evaluation of the model says ---- */

/** An array of whole numbers of the archive: its values; free with bal_npy_release. */
static const int32_t *load_ids(bal_npz *npz, const char *name, bal_npy_array *ret_array) {
    bal_error err = {0};
    if (bal_npz_load(npz, name, ret_array, &err) != BAL_OK) fail_msg("%s", err.message);
    assert_int_equal(ret_array->tensor.dtype, BAL_I32);
    return ret_array->tensor.data;
}

static void the_saved_predictions_are_the_model_s(void **unused) {
    kit k;
    bal_error err = {0};
    bal_npz *npz;
    bal_npy_array labels, predictions;
    json_t *summary;
    kit_init(&k);
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    if (bal_npz_open(kit_file(&k, "run", BAL_RUN_PREDICTIONS), 0, &npz, &err) != BAL_OK ||
        bal_json_read(kit_file(&k, "run", BAL_RUN_SUMMARY), 0, &summary, &err) != BAL_OK)
        fail_msg("%s", err.message);
    const int32_t *truth = load_ids(npz, "label.labels", &labels);
    const int32_t *answer = load_ids(npz, "label.predictions", &predictions);
    int64_t n = labels.shape.dim[0], right = 0;
    for (int64_t i = 0; i < n; i++)
        right += truth[i] == answer[i];
    double accuracy = NAN;
    const json_t *test = json_object_get(json_object_get(summary, "test"), "label");
    assert_true(bal_json_number(json_object_get(test, "accuracy"), &accuracy));
    assert_near(accuracy, (double)right / (double)n, 1e-12);
    json_decref(summary);
    bal_npy_release(&labels);
    bal_npy_release(&predictions);
    bal_npz_close(npz);
    kit_release(&k);
}

/* The metrics of a head that learns logarithms are of logarithms, what is saved is not. */
static void saved_values_are_in_the_units_of_the_data(void **unused) {
    kit k;
    bal_npz *npz;
    bal_npy_array rows, targets, predictions;
    json_t *summary;
    kit_init(&k);
    k.overrides = "data.features=[x0, x1, x2]|heads=[{name: x3, kind: value, target: x3, "
                  "transform: log}]|monitor=val.x3.mae|guard=off";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    assert_int_equal(bal_npz_open(kit_file(&k, "run", BAL_RUN_PREDICTIONS), 0, &npz, NULL), BAL_OK);
    assert_int_equal(bal_json_read(kit_file(&k, "run", BAL_RUN_SUMMARY), 0, &summary, NULL),
                     BAL_OK);
    assert_int_equal(bal_npz_load(npz, "rows", &rows, NULL), BAL_OK);
    assert_int_equal(bal_npz_load(npz, "x3.targets", &targets, NULL), BAL_OK);
    assert_int_equal(bal_npz_load(npz, "x3.predictions", &predictions, NULL), BAL_OK);
    const float *wanted = targets.tensor.data, *found = predictions.tensor.data;
    int64_t n = rows.shape.dim[0];
    double error = 0, mae = NAN;
    for (int64_t i = 0; i < n; i++) {
        assert_true(wanted[i] > 2 && wanted[i] < 8); /* around 5 */
        error += fabs(log(found[i]) - log(wanted[i])) / (double)n;
    }
    const json_t *test = json_object_get(json_object_get(summary, "test"), "x3");
    assert_true(bal_json_number(json_object_get(test, "mae"), &mae));
    assert_near(mae, error, 1e-5);
    assert_string_equal(json_string_value(json_object_get(test, "transform")), "log");
    json_decref(summary);
    bal_npy_release(&rows);
    bal_npy_release(&targets);
    bal_npy_release(&predictions);
    bal_npz_close(npz);
    kit_release(&k);
}

/* What a summary says of the test rows is what an evaluation of the model file says of them. */
static void a_summary_is_an_evaluation_of_the_model(void **unused) {
    static const char *const heads[] = {"label", "yes", "value"};
    kit k;
    bal_error err = {0};
    bal_log_sink silent = {0};
    bal_backend *backend;
    bal_predictor *predictor;
    bal_model_eval eval;
    bal_text text = {0};
    bal_json_out out;
    json_t *summary, *evaluated;
    kit_init(&k);
    k.overrides = "heads=[{name: label, kind: classes, loss: {kind: cross_entropy, "
                  "label_smoothing: 0.1}}, {name: yes, kind: binary, target: yes}, "
                  "{name: value, kind: value, target: value}]";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    bal_recipe *recipe = kit_recipe(&k);
    if (bal_json_read(kit_file(&k, "run", BAL_RUN_SUMMARY), 0, &summary, &err) != BAL_OK ||
        bal_backend_open(NULL, &(bal_backend_options){.threads = 1}, &backend, &err) != BAL_OK ||
        bal_predictor_open(kit_file(&k, "run", BAL_RUN_MODEL), backend, &predictor, &err) !=
            BAL_OK ||
        bal_model_eval_init(&eval, predictor, recipe, "test", &silent, &err) != BAL_OK)
        fail_msg("%s", err.message);
    bal_json_out_init(&out, &text, 0);
    bal_eval_set_json(&eval.set, false, &out);
    if (bal_json_parse(text.data, text.length, "evaluation", &evaluated, &err) != BAL_OK)
        fail_msg("%s", err.message);
    for (size_t h = 0; h < 3; h++) {
        json_t *said = json_object_get(json_object_get(summary, "test"), heads[h]);
        assert_non_null(said);
        assert_true(json_equal(said, json_object_get(evaluated, heads[h])));
    }
    json_decref(summary);
    json_decref(evaluated);
    bal_text_release(&text);
    bal_model_eval_release(&eval);
    bal_predictor_close(predictor);
    bal_backend_close(backend);
    bal_recipe_free(recipe);
    kit_release(&k);
}

/* ---- files that were tampered with ---- */

/** A model file taken apart: its tensors and its description, to be put together differently. */
typedef struct model_parts {
    net_lab lab;
    bal_safetensors *file;
    bal_safetensor tensors[64];
    size_t n_tensors;
    json_t *description;
    char path[1100];
} model_parts;

static void parts_init(model_parts *parts, const char *overrides) {
    bal_error err = {0};
    net_lab_init(&parts->lab, overrides);
    train_a_little(&parts->lab);
    bal_predictor_close(open_model(&parts->lab));
    if (bal_safetensors_open(kit_path(&parts->lab.k, "model.safetensors"), &parts->file, &err) !=
        BAL_OK)
        fail_msg("%s", err.message);
    const char *text = bal_safetensors_metadata(parts->file, "ballast");
    if (bal_json_parse(text, strlen(text), "model", &parts->description, &err) != BAL_OK)
        fail_msg("%s", err.message);
    parts->n_tensors = bal_safetensors_count(parts->file);
    for (size_t i = 0; i < parts->n_tensors; i++)
        parts->tensors[i] = *bal_safetensors_at(parts->file, i);
    snprintf(parts->path, sizeof parts->path, "%s/changed.safetensors", parts->lab.k.folder);
}

static void parts_release(model_parts *parts) {
    json_decref(parts->description);
    bal_safetensors_close(parts->file);
    net_lab_release(&parts->lab);
}

/** Put the file together, with a digest that is right, and open it. An accepted one must also
 * answer. */
static bal_status try_parts(model_parts *parts, const char *description, bal_error *err) {
    bal_predictor *predictor = NULL;
    bal_error writing = {0};
    char digest[BAL_FILE_DIGEST_TEXT];
    bal_file_digest(parts->tensors, parts->n_tensors, description, digest);
    const bal_safetensors_pair pairs[] = {{"ballast", description}, {BAL_FILE_DIGEST, digest}};
    if (bal_safetensors_write(parts->path, parts->tensors, parts->n_tensors, pairs, 2, &writing) !=
        BAL_OK)
        fail_msg("%s", writing.message);
    bal_status status = bal_predictor_open(parts->path, parts->lab.backend, &predictor, err);
    if (status != BAL_OK) return status;
    bal_error trying = {0};
    bal_text text = {0};
    bal_json_out out;
    bal_json_out_init(&out, &text, 0);
    assert_int_equal(bal_predictor_try(predictor, 3, 1, &out, &trying), BAL_OK);
    bal_text_release(&text);
    bal_predictor_close(predictor);
    return BAL_OK;
}

typedef struct mutation_counts {
    int tried, refused;
} mutation_counts;

static void try_description(model_parts *parts, mutation_counts *counts) {
    bal_error err = {0};
    bal_text text = {0};
    if (bal_json_write(parts->description, BAL_JSON_TIGHT, &text, &err) != BAL_OK)
        fail_msg("%s", err.message);
    bal_status status = try_parts(parts, text.data, &err);
    if (status != BAL_OK && status != BAL_EFORMAT)
        fail_msg("%s: %s\n%s", bal_status_name(status), err.message, text.data);
    if (status == BAL_EFORMAT) assert_memory_equal(err.message, parts->path, strlen(parts->path));
    counts->tried++;
    counts->refused += status != BAL_OK;
    bal_text_release(&text);
}

/** What a value may be replaced by. */
static json_t *substitute(int number) {
    switch (number) {
    case 0:
        return json_null();
    case 1:
        return json_integer(-1);
    case 2:
        return json_integer(0);
    case 3:
        return json_integer(1 << 20);
    case 4:
        return json_integer(INT64_MAX);
    case 5:
        return json_string("x");
    case 6:
        return json_array();
    case 7:
        return json_object();
    case 8:
        return json_real(-1e308);
    default:
        return NULL;
    }
}

/** Every value below `at`, replaced by everything, and left out. */
static void mutate_all(model_parts *parts, json_t *at, mutation_counts *counts) {
    size_t n = json_is_array(at) ? json_array_size(at) : json_object_size(at);
    void *iter = json_object_iter(at);
    for (size_t i = 0; i < n; i++) {
        char key[128] = "";
        if (iter) snprintf(key, sizeof key, "%s", json_object_iter_key(iter));
        json_t *old = json_incref(iter ? json_object_iter_value(iter) : json_array_get(at, i));
        json_t *other;
        for (int s = 0; (other = substitute(s)); s++) {
            if (iter)
                json_object_set_new(at, key, other);
            else
                json_array_set_new(at, i, other);
            try_description(parts, counts);
        }
        if (iter) {
            json_object_set(at, key, old);
        } else {
            json_array_remove(at, i);
            try_description(parts, counts);
            json_array_insert(at, i, old);
            json_array_insert(at, i, old);
            try_description(parts, counts);
            json_array_remove(at, i);
        }
        if (json_is_array(old) || json_is_object(old)) mutate_all(parts, old, counts);
        json_decref(old);
        if (iter) iter = json_object_iter_next(at, json_object_iter_at(at, key));
    }
}

static void tampered_descriptions_are_refused(void **unused) {
    static const char *const overrides[] = {
        "model.hidden=[4]|model.dropout=[0]",
        "model={kind: residual, width: 4, blocks: 1, norm: layer, activation: leaky_relu, "
        "l2_input: true}|heads=[{name: yes, kind: binary, target: yes}, {name: value, kind: value, "
        "target: value}]|monitor=val.yes.accuracy"};
    for (size_t i = 0; i < 2; i++) {
        model_parts parts;
        mutation_counts counts = {0};
        parts_init(&parts, overrides[i]);
        try_description(&parts, &counts);
        assert_int_equal(counts.refused, 0);
        mutate_all(&parts, parts.description, &counts);
        assert_in_range(counts.tried, 500, 100000);
        assert_in_range(counts.refused, counts.tried / 2, counts.tried);
        try_description(&parts, &counts); /* everything is back in its place */
        parts_release(&parts);
    }
}

static char *description_text(const model_parts *parts) {
    bal_error err = {0};
    bal_text text = {0};
    if (bal_json_write(parts->description, BAL_JSON_TIGHT, &text, &err) != BAL_OK)
        fail_msg("%s", err.message);
    return text.data;
}

/* Each tensor left out, in another shape, of another type: refused by name. */
static void tampered_tensors_are_refused(void **unused) {
    model_parts parts;
    parts_init(&parts, NULL);
    char *description = description_text(&parts);
    double zeros[64] = {0};
    for (size_t i = 0; i < parts.n_tensors; i++) {
        bal_safetensor old = parts.tensors[i];
        const bal_safetensor others[] = {
            {.name = "something.else",
             .dtype = BAL_F32,
             .shape = old.shape,
             .data = old.data,
             .bytes = old.bytes},
            {.name = old.name,
             .dtype = BAL_F32,
             .shape = BAL_SHAPE2(1, 3),
             .data = zeros,
             .bytes = 12},
            {.name = old.name,
             .dtype = BAL_F64,
             .shape = BAL_SHAPE1(4),
             .data = zeros,
             .bytes = 32},
        };
        for (size_t o = 0; o < 3; o++) {
            bal_error err = {0};
            parts.tensors[i] = others[o];
            assert_int_equal(try_parts(&parts, description, &err), BAL_EFORMAT);
        }
        parts.tensors[i] = old;
    }
    bal_error err = {0};
    assert_int_equal(try_parts(&parts, description, &err), BAL_OK);
    bal_free(description);
    parts_release(&parts);
}

/* A scale of 0 would make every feature infinite. */
static void scaling_that_cannot_be_is_refused(void **unused) {
    model_parts parts;
    parts_init(&parts, NULL);
    char *description = description_text(&parts);
    const float bad[][4] = {{1, 1, 0, 1}, {1, NAN, 1, 1}, {INFINITY, 1, 1, 1}};
    for (size_t i = 0; i < parts.n_tensors; i++) {
        if (strcmp(parts.tensors[i].name, "preprocess.scale") != 0) continue;
        const void *old = parts.tensors[i].data;
        for (size_t b = 0; b < 3; b++) {
            bal_error err = {0};
            parts.tensors[i].data = bad[b];
            assert_int_equal(try_parts(&parts, description, &err), BAL_EFORMAT);
        }
        parts.tensors[i].data = old;
    }
    bal_free(description);
    parts_release(&parts);
}

/* safetensors has no digest of its own: a bit that flips in a weight is a number like any other. */
static void a_flipped_bit_is_refused(void **unused) {
    net_lab lab;
    bal_error err = {0};
    bal_predictor *predictor = NULL;
    size_t size;
    net_lab_init(&lab, NULL);
    bal_predictor_close(open_model(&lab));
    char *bytes = kit_read(kit_path(&lab.k, "model.safetensors"), &size);
    /* Whatever the file is compared with later: whole it is a model. */
    assert_int_equal(bal_predictor_open_memory(bytes, size, "m", lab.backend, &predictor, &err),
                     BAL_OK);
    bal_predictor_close(predictor);
    for (size_t i = 0; i < 400; i++) {
        size_t at = i * (size / 400);
        bytes[at] ^= (char)(1 << i % 8);
        bal_status status =
            bal_predictor_open_memory(bytes, size, "m", lab.backend, &predictor, &err);
        if (status != BAL_EFORMAT) fail_msg("bit %zu of byte %zu is flipped unseen", i % 8, at);
        bytes[at] ^= (char)(1 << i % 8);
    }
    free(bytes);
    net_lab_release(&lab);
}

static void other_files_are_no_models(void **unused) {
    kit k;
    bal_error err = {0};
    bal_backend *backend;
    bal_predictor *predictor;
    kit_init(&k);
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    if (bal_backend_open(NULL, &(bal_backend_options){.threads = 1}, &backend, &err) != BAL_OK)
        fail_msg("%s", err.message);
    const char *last = kit_file(&k, "run", BAL_RUN_LAST);
    assert_int_equal(bal_predictor_open(last, backend, &predictor, &err), BAL_EFORMAT);
    assert_non_null(strstr(err.message, "not a model of ours"));
    bal_error_clear(&err);
    assert_int_equal(bal_predictor_open(kit_path(&k, "table.csv"), backend, &predictor, &err),
                     BAL_EFORMAT);
    bal_error_clear(&err);
    assert_int_equal(bal_predictor_open(kit_path(&k, "nothing"), backend, &predictor, &err),
                     BAL_ENOTFOUND);
    bal_backend_close(backend);
    kit_release(&k);
}

/* The same run gives the same bytes; no time, path or machine is in them. */
static void model_files_hold_nothing_of_the_machine(void **unused) {
    kit one, two;
    kit_init(&one);
    kit_init(&two);
    two.threads = 2;
    assert_int_equal(kit_must_train(&one, "a"), BAL_OUTCOME_DONE);
    assert_int_equal(kit_must_train(&two, "another-name"), BAL_OUTCOME_DONE);
    assert_true(kit_same_file(kit_file(&one, "a", BAL_RUN_MODEL),
                              kit_file(&two, "another-name", BAL_RUN_MODEL)));
    kit_release(&one);
    kit_release(&two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predicts_what_was_evaluated),
        cmocka_unit_test(its_loss_is_that_of_training),
        cmocka_unit_test(a_loss_survives_a_lack_of_memory),
        cmocka_unit_test(probabilities_follow_the_outputs),
        cmocka_unit_test(missing_and_infinite_features),
        cmocka_unit_test(random_inputs_tell_a_deaf_model),
        cmocka_unit_test(the_saved_predictions_are_the_model_s),
        cmocka_unit_test(saved_values_are_in_the_units_of_the_data),
        cmocka_unit_test(a_summary_is_an_evaluation_of_the_model),
        cmocka_unit_test(tampered_descriptions_are_refused),
        cmocka_unit_test(tampered_tensors_are_refused),
        cmocka_unit_test(scaling_that_cannot_be_is_refused),
        cmocka_unit_test(a_flipped_bit_is_refused),
        cmocka_unit_test(other_files_are_no_models),
        cmocka_unit_test(model_files_hold_nothing_of_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
