/* Prediction from a model file alone: the graph is rebuilt from the file, weights and scaling come
 * with it.
 *
 * Rows are run in batches of a fixed size, the last one filled up with zeros: one program serves
 * any number of rows, and a row's result does not depend on how many others came with it. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "train/model_file.h"
#include "train/model_graph.h"

enum { BATCH = 256 };

struct bal_predictor {
    bal_backend *backend;
    char *name, *data_kind;
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
    int32_t width = head->outputs;
    if (head->kind != BAL_HEAD_VALUE) {
        BAL_TRY(copy_names(json_object_get(item, "classes"), &head->classes.names,
                           &head->classes.count, err));
        width = head->classes.count;
        int32_t wanted = head->kind == BAL_HEAD_BINARY ? 1 : width;
        if (width < 2 || head->outputs != wanted || (head->kind == BAL_HEAD_BINARY && width != 2))
            return bad("a head's classes do not fit its outputs", err);
    }
    const json_t *prior = json_object_get(item, "prior");
    if (json_array_size(prior) != (size_t)width) return bad("a head has no prior", err);
    head->prior = bal_calloc((size_t)width, sizeof *head->prior);
    if (!head->prior) return bal_fail_memory(err, (size_t)width * sizeof *head->prior);
    for (int32_t c = 0; c < width; c++)
        if (!bal_json_number(json_array_get(prior, (size_t)c), &head->prior[c]))
            return bad("a prior is not a number", err);
    return BAL_OK;
}

static bal_status read_description(bal_predictor *predictor, const json_t *root, bal_error *err) {
    const char *format = json_string_value(json_object_get(root, "format"));
    int64_t version = json_integer_value(json_object_get(root, "version"));
    if (!format || strcmp(format, "ballast-model") != 0) return bad("not a model of ours", err);
    if (version != 1)
        return bal_fail(err, BAL_EFORMAT, "model file: version %lld; this program reads 1",
                        (long long)version);
    const json_t *data = json_object_get(root, "data"), *heads = json_object_get(root, "heads");
    BAL_TRY(copy_string(json_object_get(root, "name"), &predictor->name, err));
    BAL_TRY(copy_string(json_object_get(data, "kind"), &predictor->data_kind, err));
    BAL_TRY(
        copy_names(json_object_get(data, "arrays"), &predictor->arrays, &predictor->n_arrays, err));
    BAL_TRY(copy_names(json_object_get(root, "features"), &predictor->features,
                       &predictor->n_features, err));
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

static bal_status compile(bal_predictor *predictor, bal_error *err) {
    bal_graph *graph = predictor->graph;
    size_t bytes = (size_t)BATCH * (size_t)predictor->n_features * sizeof(float);
    bal_value x = bal_graph_find(graph, "x");
    bal_shape shape = bal_graph_shape(graph, x);
    bal_shape wanted = BAL_SHAPE2(BATCH, predictor->n_features);
    if (!bal_value_is_some(x) || !bal_shape_equal(&shape, &wanted))
        return bad("its input does not fit its features", err);
    bal_graph_fuse(graph, predictor->outputs, predictor->n_heads);
    bal_graph_prune(graph, predictor->outputs, predictor->n_heads);
    BAL_TRY(bal_graph_check(graph, err));
    BAL_TRY(bal_buffer_new(predictor->backend, bytes, &predictor->input, err));
    if (!(predictor->batch = bal_calloc(bytes, 1))) return bal_fail_memory(err, bytes);
    bal_binding *bindings = NULL;
    size_t n = 0, capacity = 0;
    bal_status status = bal_store_bind(&predictor->store, graph, &bindings, &n, &capacity, err);
    if (status == BAL_OK && !bal_reserve(bindings, capacity, n + 1))
        status = bal_fail_memory(err, sizeof *bindings);
    if (status == BAL_OK) {
        bindings[n++] = (bal_binding){x, predictor->input, 0};
        status = bal_program_compile(predictor->backend, graph, bindings, n, predictor->outputs,
                                     (size_t)predictor->n_heads, &predictor->program, err);
    }
    bal_free(bindings);
    return status;
}

static bal_status load(bal_predictor *predictor, const bal_safetensors *file, const char *path,
                       bal_error *err) {
    const char *text = bal_safetensors_metadata(file, "ballast");
    json_t *root = NULL;
    if (!text) return bad("it has no 'ballast' metadata, so it is not a model of ours", err);
    BAL_TRY(bal_json_parse(text, strlen(text), path, &root, err));
    bal_status status = read_description(predictor, root, err);
    if (status == BAL_OK) status = read_scaler(predictor, root, file, err);
    if (status == BAL_OK) status = read_graph(predictor, root, err);
    if (status == BAL_OK) status = fill_store(predictor, file, err);
    if (status == BAL_OK) status = compile(predictor, err);
    json_decref(root);
    return status;
}

bal_status bal_predictor_open(const char *path, bal_backend *backend, bal_predictor **ret_predictor,
                              bal_error *err) {
    bal_safetensors *file;
    BAL_TRY(bal_safetensors_open(path, &file, err));
    bal_predictor *predictor = bal_calloc(1, sizeof *predictor);
    bal_status status = predictor ? BAL_OK : bal_fail_memory(err, sizeof *predictor);
    if (status == BAL_OK) {
        predictor->backend = backend;
        status = load(predictor, file, path, err);
    }
    bal_safetensors_close(file);
    if (status == BAL_OK) {
        *ret_predictor = predictor;
        return BAL_OK;
    }
    bal_predictor_close(predictor);
    bal_error_prefix(err, "%s", path);
    return status;
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
    bal_program_free(predictor->program);
    bal_buffer_free(predictor->input);
    bal_store_release(&predictor->store);
    bal_graph_free(predictor->graph);
    bal_scaler_release(&predictor->scaler);
    bal_free(predictor->batch);
    bal_free(predictor);
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
const char *bal_predictor_data_kind(const bal_predictor *predictor) {
    return predictor->data_kind;
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

static bal_status run_batch(bal_predictor *predictor, const float *x, int64_t first, int64_t rows,
                            float *const *ret_outputs, bal_error *err) {
    size_t width = (size_t)predictor->n_features, used = (size_t)rows * width;
    memcpy(predictor->batch, x + (size_t)first * width, used * sizeof(float));
    BAL_TRY(check_finite(predictor, predictor->batch, first, rows, err));
    bal_scaler_apply(&predictor->scaler, predictor->batch, rows);
    memset(predictor->batch + used, 0, (BATCH * width - used) * sizeof(float));
    BAL_TRY(bal_buffer_upload(predictor->input, 0, predictor->batch, BATCH * width * sizeof(float),
                              err));
    BAL_TRY(bal_program_run(predictor->program, err));
    for (int32_t h = 0; h < predictor->n_heads; h++) {
        size_t outputs = (size_t)predictor->heads[h].outputs;
        float *to = ret_outputs[h] + (size_t)first * outputs;
        if (rows == BATCH) {
            BAL_TRY(bal_program_read(predictor->program, predictor->outputs[h], to,
                                     BATCH * outputs * sizeof(float), err));
            continue;
        }
        float *all = bal_calloc(BATCH * outputs, sizeof *all);
        if (!all) return bal_fail_memory(err, BATCH * outputs * sizeof *all);
        bal_status status = bal_program_read(predictor->program, predictor->outputs[h], all,
                                             BATCH * outputs * sizeof(float), err);
        if (status == BAL_OK) memcpy(to, all, (size_t)rows * outputs * sizeof(float));
        bal_free(all);
        if (status != BAL_OK) return status;
    }
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

static void softmax_row(const float *logits, int32_t n, float *ret_row) {
    double most = -INFINITY, sum = 0;
    for (int32_t c = 0; c < n; c++)
        if (logits[c] > most) most = logits[c];
    for (int32_t c = 0; c < n; c++)
        sum += exp(logits[c] - most);
    for (int32_t c = 0; c < n; c++)
        ret_row[c] = (float)(exp(logits[c] - most) / sum);
}

void bal_model_head_probabilities(const bal_model_head *head, const float *outputs, int64_t rows,
                                  float *ret_probabilities) {
    for (int64_t row = 0; row < rows; row++) {
        const float *from = outputs + row * head->outputs;
        if (head->kind == BAL_HEAD_CLASSES) {
            softmax_row(from, head->outputs, ret_probabilities + row * head->outputs);
        } else if (head->kind == BAL_HEAD_BINARY) {
            double positive = 1 / (1 + exp(-(double)from[0]));
            ret_probabilities[2 * row] = (float)(1 - positive);
            ret_probabilities[2 * row + 1] = (float)positive;
        } else {
            memcpy(ret_probabilities + row * head->outputs, from,
                   (size_t)head->outputs * sizeof *from);
        }
    }
}

int32_t bal_probabilities_argmax(const float *probabilities, int32_t classes, double *ret_entropy) {
    int32_t best = -1;
    double entropy = 0;
    for (int32_t c = 0; c < classes; c++) {
        double p = probabilities[c];
        if (isnan(p)) {
            *ret_entropy = NAN;
            return -1;
        }
        if (p > 0) entropy -= p * log(p);
        if (best < 0 || probabilities[c] > probabilities[best]) best = c;
    }
    *ret_entropy = entropy;
    return best;
}

/* ---- trying the model on random inputs ---- */

typedef struct response {
    int64_t unique;
    double most_common, entropy, variance;
} response;

static bal_status measure_response(const bal_model_head *head, const float *outputs, int64_t rows,
                                   response *ret_response, bal_error *err) {
    int32_t width = head->kind == BAL_HEAD_BINARY ? 2 : head->outputs;
    float *p = bal_calloc((size_t)rows * (size_t)width, sizeof *p);
    int64_t *counts = bal_calloc((size_t)width, sizeof *counts);
    if (!p || !counts) {
        bal_free(p);
        bal_free(counts);
        return bal_fail_memory(err, (size_t)rows * (size_t)width * sizeof *p);
    }
    *ret_response = (response){0};
    bal_model_head_probabilities(head, outputs, rows, p);
    for (int64_t row = 0; row < rows; row++) {
        double entropy;
        int32_t best = bal_probabilities_argmax(p + row * width, width, &entropy);
        if (best >= 0) counts[best]++;
    }
    for (int32_t c = 0; c < width; c++) {
        double share = (double)counts[c] / (double)rows, mean = 0, squares = 0;
        ret_response->unique += counts[c] > 0;
        if (share > ret_response->most_common) ret_response->most_common = share;
        if (share > 0) ret_response->entropy -= share * log(share);
        for (int64_t row = 0; row < rows; row++) {
            mean += p[row * width + c];
            squares += (double)p[row * width + c] * p[row * width + c];
        }
        mean /= (double)rows;
        ret_response->variance += (squares / (double)rows - mean * mean) / width;
    }
    if (width > 1) ret_response->entropy /= log(width);
    bal_free(p);
    bal_free(counts);
    return BAL_OK;
}

static bal_status write_response(const bal_model_head *head, const float *outputs, int64_t rows,
                                 bal_json_out *out, bal_error *err) {
    response found = {0};
    BAL_TRY(measure_response(head, outputs, rows, &found, err));
    bal_json_out_key(out, head->name);
    bal_json_out_object(out);
    bal_json_out_named_number(out, "output_variance", found.variance);
    if (head->kind != BAL_HEAD_VALUE) {
        bal_json_out_named_integer(out, "unique_predictions", found.unique);
        bal_json_out_named_integer(out, "classes", head->classes.count);
        bal_json_out_named_number(out, "most_common_share", found.most_common);
        bal_json_out_named_number(out, "normalized_entropy", found.entropy);
    }
    bal_json_out_object_end(out);
    return BAL_OK;
}

bal_status bal_predictor_try(bal_predictor *predictor, int64_t rows, uint64_t seed,
                             bal_json_out *out, bal_error *err) {
    int32_t n = predictor->n_features;
    float *x = bal_calloc((size_t)rows * (size_t)n, sizeof *x);
    float *outputs[BAL_HEADS_MAX] = {0};
    bal_status status = x ? BAL_OK : bal_fail_memory(err, (size_t)rows * (size_t)n * sizeof *x);
    for (int32_t h = 0; h < predictor->n_heads && status == BAL_OK; h++) {
        outputs[h] = bal_calloc((size_t)(rows * predictor->heads[h].outputs), sizeof(float));
        if (!outputs[h]) status = bal_fail_memory(err, (size_t)rows * sizeof(float));
    }
    if (status != BAL_OK) goto out;
    bal_random random;
    bal_random_init(&random, seed, bal_hash_name("responsiveness"));
    for (int64_t i = 0; i < rows * n; i++) {
        int64_t j = i % n;
        x[i] = predictor->scaler.shift[j] +
               predictor->scaler.scale[j] * (float)bal_random_normal(&random);
    }
    BAL_TRY_OUT(bal_predictor_run(predictor, x, rows, outputs, err));
    bal_json_out_object(out);
    bal_json_out_named_integer(out, "inputs", rows);
    bal_json_out_key(out, "heads");
    bal_json_out_object(out);
    for (int32_t h = 0; h < predictor->n_heads && status == BAL_OK; h++)
        status = write_response(&predictor->heads[h], outputs[h], rows, out, err);
    bal_json_out_object_end(out);
    bal_json_out_object_end(out);
out:
    for (int32_t h = 0; h < predictor->n_heads; h++)
        bal_free(outputs[h]);
    bal_free(x);
    return status;
}
