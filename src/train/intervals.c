/* Bootstrap intervals of an evaluated set, on request: see bal_eval_set_intervals_json.
 *
 * Rows of a series or a group are no independent draws: drawn one by one, intervals come out too
 * narrow. They are drawn in the units of train/shuffle.h, blocks as long as labels and errors
 * remember what came before. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "train/run.h"

/** Whether row i of the set has a label; scores hold these rows and no others. */
static bool is_labelled(const bal_eval_set *set, int32_t h, int64_t i) {
    int32_t width = set->dataset->heads[h].outputs;
    if (set->labels[h]) return set->labels[h][i] >= 0;
    for (int32_t k = 0; k < width; k++)
        if (!isnan(set->targets[h][i * width + k])) return true;
    return false;
}

/** A shuffle of the labelled rows of a head, as its scores hold them. */
static bal_status make_shuffle(const bal_eval_set *set, int32_t h,
                               const bal_interval_options *options, bal_shuffle *ret_shuffle,
                               bal_error *err) {
    int64_t n = 0, *rank = NULL;
    if (options->rank) {
        rank = bal_calloc((size_t)set->n_rows, sizeof *rank);
        if (!rank) return bal_fail_memory(err, (size_t)set->n_rows * sizeof *rank);
    }
    for (int64_t i = 0; i < set->n_rows; i++) {
        if (!is_labelled(set, h, i)) continue;
        if (rank) rank[n] = options->rank[set->rows[i]];
        n++;
    }
    bal_status status = bal_shuffle_init(ret_shuffle, options->unit, rank, n, err);
    bal_free(rank);
    if (status == BAL_OK) bal_shuffle_set_block(ret_shuffle, options->block);
    return status;
}

/* ---- length of blocks ---- */

/** Labels (a 1 in the column of the class) and errors (a 1 where the prediction is wrong) of a
 *  labelled row; values: targets, and what the outputs miss. Cells of no target stay 0. */
static void put_row(const bal_eval_set *set, int32_t h, int64_t i, int64_t scored, float *label,
                    float *error) {
    const bal_head_data *head = &set->dataset->heads[h];
    if (set->labels[h]) {
        label[set->labels[h][i]] = 1;
        *error = bal_scores_prediction(set->scores[h])[scored] != set->labels[h][i];
        return;
    }
    for (int32_t k = 0; k < head->outputs; k++) {
        int64_t at = i * head->outputs + k;
        float target = set->targets[h][at], output = set->outputs[h][at];
        if (isnan(target)) continue;
        label[k] = target;
        error[k] = isfinite(output) ? target - output : 0;
    }
}

/** Places of the shuffle's positions: the inverse of its order. */
static void invert(const bal_shuffle *shuffle, int64_t *ret_place) {
    for (int64_t place = 0; place < shuffle->n; place++)
        ret_place[shuffle->order ? shuffle->order[place] : place] = place;
}

static bal_status block_of_head(const bal_eval_set *set, int32_t h, const bal_shuffle *shuffle,
                                int64_t *ret_block, bal_error *err) {
    const bal_head_data *head = &set->dataset->heads[h];
    int32_t width = set->labels[h] ? head->classes.count : head->outputs;
    int32_t error_width = set->labels[h] ? 1 : head->outputs;
    size_t n = (size_t)shuffle->n;
    float *labels = bal_calloc(n * (size_t)width, sizeof *labels);
    float *errors = bal_calloc(n * (size_t)error_width, sizeof *errors);
    int64_t *place = bal_calloc(n, sizeof *place), scored = 0;
    bal_status status = BAL_OK;
    if (!labels || !errors || !place) {
        status = bal_fail_memory(err, n * (size_t)width * sizeof *labels);
        goto out;
    }
    invert(shuffle, place);
    for (int64_t i = 0; i < set->n_rows; i++) {
        if (!is_labelled(set, h, i)) continue;
        put_row(set, h, i, scored, labels + place[scored] * width,
                errors + place[scored] * error_width);
        scored++;
    }
    int64_t of_labels = bal_shuffle_block_length(labels, width, NULL, 0, shuffle->n);
    int64_t of_errors = bal_shuffle_block_length(errors, error_width, NULL, 0, shuffle->n);
    *ret_block = of_labels > of_errors ? of_labels : of_errors;
out:
    bal_free(labels);
    bal_free(errors);
    bal_free(place);
    return status;
}

static bool has_rows(const bal_eval_set *set, int32_t h) {
    return set->scores[h] && bal_scores_rows(set->scores[h]) > 0;
}

bal_status bal_eval_set_block(const bal_eval_set *set, const bal_interval_options *options,
                              int64_t *ret_block, bal_error *err) {
    int64_t longest = 1;
    for (int32_t h = 0; h < set->dataset->n_heads && options->unit == BAL_SHUFFLE_BLOCKS; h++) {
        bal_shuffle shuffle;
        int64_t block = 1;
        if (!has_rows(set, h)) continue;
        BAL_TRY(make_shuffle(set, h, options, &shuffle, err));
        bal_status status = block_of_head(set, h, &shuffle, &block, err);
        bal_shuffle_release(&shuffle);
        BAL_TRY(status);
        if (block > longest) longest = block;
    }
    *ret_block = longest;
    return BAL_OK;
}

/* ---- intervals ---- */

static void draw(void *user, bal_random *random, uint32_t *ret_weight) {
    bal_shuffle_resample(user, random, ret_weight);
}

static bal_status write_interval(const bal_metric *metric, const bal_scores *scores,
                                 const bal_bootstrap *how, bal_json_out *out, bal_error *err) {
    double low, high;
    BAL_TRY(bal_metric_bootstrap(metric, scores, -1, how, &low, &high, err));
    bal_json_out_key(out, metric->name);
    bal_json_out_row(out);
    bal_json_out_number(out, low);
    bal_json_out_number(out, high);
    bal_json_out_array_end(out);
    return BAL_OK;
}

/* Metrics that cost a sort per class and resample would take minutes with many classes. */
static bal_status write_head(const bal_eval_set *set, int32_t h,
                             const bal_interval_options *options, bal_json_out *out,
                             bal_error *err) {
    const bal_recipe_head *head = set->dataset->heads[h].recipe;
    bal_status status = BAL_OK;
    bal_shuffle shuffle;
    BAL_TRY(make_shuffle(set, h, options, &shuffle, err));
    const bal_bootstrap how = {options->resamples, options->level, options->seed, draw, &shuffle};
    bal_json_out_key(out, head->name);
    bal_json_out_object(out);
    for (const bal_metric *const *metric = bal_metric_table; *metric && status == BAL_OK; metric++)
        if ((*metric)->cheap && bal_head_has_metric(head, *metric))
            status = write_interval(*metric, set->scores[h], &how, out, err);
    bal_json_out_object_end(out);
    bal_shuffle_release(&shuffle);
    return status;
}

bal_status bal_eval_set_intervals_json(const bal_eval_set *set, const bal_interval_options *options,
                                       bal_json_out *out, bal_error *err) {
    bal_json_out_object(out);
    for (int32_t h = 0; h < set->dataset->n_heads; h++)
        if (has_rows(set, h)) BAL_TRY(write_head(set, h, options, out, err));
    bal_json_out_object_end(out);
    return BAL_OK;
}
