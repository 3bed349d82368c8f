/* What a model's outputs mean: probabilities, entropies, and how it answers random inputs. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "train/model_file.h"

/* ---- probabilities ---- */

static bool all_finite(const float *values, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static void softmax_row(const float *logits, int32_t n, float *ret_row) {
    double most = logits[0], sum = 0;
    for (int32_t c = 1; c < n; c++)
        if (logits[c] > most) most = logits[c];
    for (int32_t c = 0; c < n; c++)
        sum += exp(logits[c] - most);
    for (int32_t c = 0; c < n; c++)
        ret_row[c] = (float)(exp(logits[c] - most) / sum);
}

static void sigmoid_row(float logit, float *ret_row) {
    double small = exp(-fabs((double)logit)); /* of the less likely class, before the division */
    float less = (float)(small / (1 + small)), more = (float)(1 / (1 + small));
    ret_row[0] = logit >= 0 ? less : more;
    ret_row[1] = logit >= 0 ? more : less;
}

static int32_t probability_width(const bal_model_head *head) {
    return head->kind == BAL_HEAD_BINARY ? 2 : head->outputs;
}

void bal_model_head_probabilities(const bal_model_head *head, const float *outputs, int64_t rows,
                                  float *ret_probabilities) {
    int32_t width = probability_width(head);
    for (int64_t row = 0; row < rows; row++) {
        const float *from = outputs + row * head->outputs;
        float *to = ret_probabilities + row * width;
        if (head->kind == BAL_HEAD_VALUE) {
            memcpy(to, from, (size_t)width * sizeof *from);
        } else if (!all_finite(from, head->outputs)) {
            for (int32_t c = 0; c < width; c++)
                to[c] = NAN;
        } else if (head->kind == BAL_HEAD_BINARY) {
            sigmoid_row(from[0], to);
        } else {
            softmax_row(from, width, to);
        }
    }
}

void bal_model_head_undo_transform(const bal_model_head *head, float *outputs, int64_t rows) {
    if (!head->is_log) return;
    for (int64_t i = 0; i < rows * head->outputs; i++)
        outputs[i] = (float)exp(outputs[i]);
}

int32_t bal_model_head_class(const bal_model_head *head, const float *outputs) {
    return bal_predict_class(head->kind, outputs, probability_width(head), 0.5);
}

double bal_probabilities_entropy(const float *probabilities, int32_t classes) {
    double entropy = 0;
    for (int32_t c = 0; c < classes; c++) {
        double p = probabilities[c];
        if (isnan(p)) return NAN;
        if (p > 0) entropy -= p * log(p);
    }
    return entropy;
}

/* ---- trying the model on random inputs ---- */

typedef struct response {
    int64_t unique;
    double most_common, entropy, variance;
} response;

/** Variance over rows of column c of p [rows, width]. */
static double column_variance(const float *p, int64_t rows, int32_t width, int32_t c) {
    double mean = 0, squares = 0;
    for (int64_t row = 0; row < rows; row++)
        mean += p[row * width + c];
    mean /= (double)rows;
    for (int64_t row = 0; row < rows; row++)
        squares += (p[row * width + c] - mean) * (p[row * width + c] - mean);
    return squares / (double)rows;
}

static response summarise(const float *p, const int64_t *counts, int64_t rows, int32_t width) {
    response found = {0};
    for (int32_t c = 0; c < width; c++) {
        double share = (double)counts[c] / (double)rows;
        found.unique += counts[c] > 0;
        if (share > found.most_common) found.most_common = share;
        if (share > 0) found.entropy -= share * log(share);
        found.variance += column_variance(p, rows, width, c) / width;
    }
    if (width > 1) found.entropy /= log(width);
    return found;
}

static bal_status measure_response(const bal_model_head *head, const float *outputs, int64_t rows,
                                   response *ret_response, bal_error *err) {
    int32_t width = probability_width(head);
    float *p = bal_calloc((size_t)rows * (size_t)width, sizeof *p);
    int64_t *counts = bal_calloc((size_t)width, sizeof *counts);
    bal_status status = BAL_OK;
    if (!p || !counts) {
        status = bal_fail_memory(err, (size_t)rows * (size_t)width * sizeof *p);
        goto out;
    }
    bal_model_head_probabilities(head, outputs, rows, p);
    for (int64_t row = 0; head->kind != BAL_HEAD_VALUE && row < rows; row++) {
        int32_t class_id = bal_model_head_class(head, outputs + row * head->outputs);
        if (class_id >= 0) counts[class_id]++;
    }
    *ret_response = summarise(p, counts, rows, width);
out:
    bal_free(p);
    bal_free(counts);
    return status;
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

/** Where the training rows were: standard normal after scaling, or uniform in 0..1. */
static void draw_inputs(const bal_scaler *scaler, int64_t rows, uint64_t seed, float *ret_x) {
    bool unit = strcmp(scaler->kind, "minmax") == 0;
    bal_random random;
    bal_random_init(&random, seed, bal_hash_name("responsiveness"));
    for (int64_t i = 0; i < rows * scaler->features; i++) {
        int64_t j = i % scaler->features;
        double scaled = unit ? bal_random_uniform(&random) : bal_random_normal(&random);
        ret_x[i] = scaler->shift[j] + scaler->scale[j] * (float)scaled;
    }
}

static bal_status answer(bal_predictor *predictor, int64_t rows, uint64_t seed, float *x,
                         float **outputs, bal_error *err) {
    for (int32_t h = 0; h < bal_predictor_heads(predictor); h++) {
        size_t n = (size_t)rows * (size_t)bal_predictor_head(predictor, h)->outputs;
        outputs[h] = bal_calloc(n, sizeof *outputs[h]);
        if (!outputs[h]) return bal_fail_memory(err, n * sizeof *outputs[h]);
    }
    draw_inputs(bal_predictor_scaler(predictor), rows, seed, x);
    return bal_predictor_run(predictor, x, rows, outputs, err);
}

bal_status bal_predictor_try(bal_predictor *predictor, int64_t rows, uint64_t seed,
                             bal_json_out *out, bal_error *err) {
    size_t n = (size_t)rows * (size_t)bal_predictor_features(predictor);
    float *outputs[BAL_HEADS_MAX] = {0};
    float *x = bal_calloc(n, sizeof *x);
    if (!x) return bal_fail_memory(err, n * sizeof *x);
    bal_status status = answer(predictor, rows, seed, x, outputs, err);
    if (status == BAL_OK) {
        bal_json_out_object(out);
        bal_json_out_named_integer(out, "inputs", rows);
        bal_json_out_key(out, "heads");
        bal_json_out_object(out);
        for (int32_t h = 0; h < bal_predictor_heads(predictor) && status == BAL_OK; h++)
            status = write_response(bal_predictor_head(predictor, h), outputs[h], rows, out, err);
        bal_json_out_object_end(out);
        bal_json_out_object_end(out);
    }
    for (int32_t h = 0; h < bal_predictor_heads(predictor); h++)
        bal_free(outputs[h]);
    bal_free(x);
    return status;
}
