/* Evaluation of a fixed set of rows. See train/evaluate.h. */
#include "train/evaluate.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "loss/loss.h"

int32_t bal_dataset_fields(const bal_dataset *dataset, bal_batch_field *ret_fields) {
    ret_fields[BAL_FIELD_X] = (bal_batch_field){
        dataset->table->x, (size_t)dataset->table->features * sizeof *dataset->table->x};
    for (int32_t h = 0; h < dataset->n_heads; h++) {
        const bal_head_data *head = &dataset->heads[h];
        ret_fields[BAL_FIELD_HEAD + h] =
            head->recipe->kind == BAL_HEAD_CLASSES
                ? (bal_batch_field){head->labels, sizeof *head->labels}
                : (bal_batch_field){head->targets, (size_t)head->outputs * sizeof *head->targets};
    }
    return 1 + dataset->n_heads;
}

bal_status bal_head_payoff(const bal_head_data *head, double **ret_payoff, bal_error *err) {
    size_t n = (size_t)head->classes.count;
    *ret_payoff = NULL;
    if (head->recipe->payoff.n == 0) return BAL_OK;
    double *table = bal_calloc(n * n, sizeof *table);
    if (!table) return bal_fail_memory(err, n * n * sizeof *table);
    bal_status status = bal_recipe_payoff_place(
        head->recipe, (const char *const *)head->classes.names, head->classes.count, table, err);
    if (status == BAL_OK)
        *ret_payoff = table;
    else
        bal_free(table);
    return status;
}

bool bal_head_has_metric(const bal_recipe_head *head, const bal_metric *metric) {
    return bal_metric_of_head(metric, head->kind, head->payoff.n > 0);
}

/** Room for a head's outputs, and its labels or targets in the order of the set. */
static bal_status prepare_head(bal_eval_set *set, int32_t h, bal_error *err) {
    const bal_head_data *head = &set->dataset->heads[h];
    size_t n = (size_t)set->n_rows, width = (size_t)head->outputs;
    set->outputs[h] = bal_calloc(n * width, sizeof(float));
    if (!set->outputs[h]) return bal_fail_memory(err, n * width * sizeof(float));
    BAL_TRY(bal_head_payoff(head, &set->payoff[h], err));
    if (head->labels) {
        set->labels[h] = bal_calloc(n, sizeof(int32_t));
        if (!set->labels[h]) return bal_fail_memory(err, n * sizeof(int32_t));
        for (size_t i = 0; i < n; i++)
            set->labels[h][i] = head->labels[set->rows[i]];
        return BAL_OK;
    }
    set->targets[h] = bal_calloc(n * width, sizeof(float));
    if (!set->targets[h]) return bal_fail_memory(err, n * width * sizeof(float));
    for (size_t i = 0; i < n; i++)
        memcpy(set->targets[h] + i * width, head->targets + (size_t)set->rows[i] * width,
               width * sizeof(float));
    return BAL_OK;
}

bal_status bal_eval_set_init(bal_eval_set *set, const bal_dataset *dataset, bal_backend *backend,
                             const int64_t *rows, int64_t n_rows, int64_t batch, bal_error *err) {
    *set = (bal_eval_set){.dataset = dataset, .rows = rows, .n_rows = n_rows};
    for (int32_t h = 0; h < dataset->n_heads; h++)
        set->loss[h] = NAN;
    if (n_rows == 0) return BAL_OK;
    bal_batch_field fields[BAL_HEADS_MAX + 1];
    int32_t n_fields = bal_dataset_fields(dataset, fields);
    bal_status status =
        bal_batcher_new(backend, fields, n_fields, rows, n_rows, batch < n_rows ? batch : n_rows,
                        false, 0, &set->batches, err);
    for (int32_t h = 0; h < dataset->n_heads && status == BAL_OK; h++)
        status = prepare_head(set, h, err);
    if (status != BAL_OK) bal_eval_set_release(set);
    return status;
}

void bal_eval_set_release(bal_eval_set *set) {
    bal_batcher_free(set->batches);
    set->batches = NULL;
    for (int32_t h = 0; h < BAL_HEADS_MAX; h++) {
        bal_free(set->outputs[h]);
        bal_free(set->labels[h]);
        bal_free(set->targets[h]);
        bal_free(set->payoff[h]);
        bal_scores_free(set->scores[h]);
        set->payoff[h] = NULL;
        set->outputs[h] = NULL;
        set->labels[h] = NULL;
        set->targets[h] = NULL;
        set->scores[h] = NULL;
    }
}

static bal_status score_head(bal_eval_set *set, int32_t h, bal_error *err) {
    const bal_head_data *head = &set->dataset->heads[h];
    bal_evaluation evaluation = {
        .kind = head->recipe->kind,
        .rows = set->n_rows,
        .classes = head->labels ? head->classes.count : head->outputs,
        .logits = set->outputs[h],
        .labels = set->labels[h],
        .targets = set->targets[h],
        .prior = head->prior,
        .payoff = set->payoff[h],
        .threshold = 0.5,
    };
    bal_scores *scores;
    BAL_TRY(bal_scores_new(&evaluation, &scores, err));
    bal_scores_free(set->scores[h]);
    set->scores[h] = scores;
    /* Where the loss is a metric too, one of them is computed, as for a model file. */
    const bal_metric *metric = bal_head_loss_metric(head->recipe);
    if (metric) set->loss[h] = metric->compute(scores, -1, NULL);
    return BAL_OK;
}

/** Sums of the heads' losses over the batches seen. */
typedef struct loss_sums {
    double loss[BAL_HEADS_MAX], weight[BAL_HEADS_MAX];
} loss_sums;

/** One batch: its outputs go to their places from row `first` on. */
static bal_status run_batch(bal_eval_set *set, bal_network *network, const bal_batch *batch,
                            int64_t first, loss_sums *sums, bal_error *err) {
    int32_t n_heads = set->dataset->n_heads;
    float *outputs[BAL_HEADS_MAX];
    double loss[BAL_HEADS_MAX], weight[BAL_HEADS_MAX];
    for (int32_t h = 0; h < n_heads; h++)
        outputs[h] = set->outputs[h] + first * set->dataset->heads[h].outputs;
    BAL_TRY(bal_network_evaluate(network, batch, outputs, loss, weight, err));
    for (int32_t h = 0; h < n_heads; h++) {
        if (weight[h] == 0) continue; /* no label in this batch */
        sums->loss[h] += loss[h] * weight[h];
        sums->weight[h] += weight[h];
    }
    return BAL_OK;
}

bal_status bal_eval_set_run(bal_eval_set *set, bal_network *network, bal_error *err) {
    if (set->n_rows == 0) return BAL_OK;
    loss_sums sums = {0};
    BAL_TRY(bal_batcher_seek(set->batches, 0, 0, err));
    for (int64_t done = 0; done < set->n_rows;) {
        bal_batch batch;
        BAL_TRY(bal_batcher_next(set->batches, &batch, err));
        BAL_TRY(run_batch(set, network, &batch, done, &sums, err));
        done += batch.size;
    }
    for (int32_t h = 0; h < set->dataset->n_heads; h++) {
        set->loss[h] = sums.weight[h] > 0 ? sums.loss[h] / sums.weight[h] : NAN;
        BAL_TRY(score_head(set, h, err));
    }
    return BAL_OK;
}

const bal_metric *bal_head_loss_metric(const bal_recipe_head *head) {
    const bal_loss *loss = bal_loss_find(head->loss.kind);
    return loss && loss->metric ? bal_metric_find(loss->metric) : NULL;
}

static int32_t find_head(const bal_eval_set *set, const char *name) {
    for (int32_t h = 0; h < set->dataset->n_heads; h++)
        if (strcmp(set->dataset->heads[h].recipe->name, name) == 0) return h;
    return -1;
}

static double metric_of(const bal_eval_set *set, int32_t h, const bal_scores *scores,
                        const bal_metric_path *path) {
    const bal_metric *metric = bal_metric_find(path->metric);
    if (!metric || !scores) return NAN;
    int32_t class_id = -1;
    if (metric->per_class && path->class_name[0]) {
        class_id = bal_class_list_find(&set->dataset->heads[h].classes, path->class_name);
        if (class_id < 0) return NAN;
    }
    return metric->compute(scores, class_id, NULL);
}

double bal_eval_set_metric(const bal_eval_set *set, const bal_metric_path *path) {
    int32_t h = find_head(set, path->head);
    if (h < 0) return NAN;
    if (strcmp(path->metric, "loss") == 0) return set->loss[h];
    return metric_of(set, h, set->scores[h], path);
}

bal_status bal_eval_set_prior_metric(const bal_eval_set *set, const bal_metric_path *path,
                                     double *ret_value, bal_error *err) {
    int32_t h = find_head(set, path->head);
    bal_scores *prior;
    *ret_value = NAN;
    if (h < 0 || !set->scores[h]) return BAL_OK;
    BAL_TRY(bal_scores_prior(set->scores[h], &prior, err));
    const bal_metric *loss = bal_head_loss_metric(set->dataset->heads[h].recipe);
    if (strcmp(path->metric, "loss") != 0)
        *ret_value = metric_of(set, h, prior, path);
    else if (loss)
        *ret_value = loss->compute(prior, -1, NULL);
    bal_scores_free(prior);
    return BAL_OK;
}

int bal_metric_path_better(const bal_metric_path *path) {
    const bal_metric *metric = bal_metric_find(path->metric);
    return metric && metric->better != 0 ? metric->better : -1;
}
