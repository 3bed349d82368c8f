/* Evaluating a network on a fixed set of rows: outputs, raw losses, scores per head. */
#ifndef BAL_TRAIN_EVALUATE_H
#define BAL_TRAIN_EVALUATE_H

#include "metric/metric.h"
#include "train/network.h"

/** A set of rows to evaluate on, with room for the outputs; made once, used at every evaluation. */
typedef struct bal_eval_set {
    const bal_dataset *dataset;
    const int64_t *rows; /* table rows; borrowed */
    int64_t n_rows;
    bal_batcher *batches;
    float *outputs[BAL_HEADS_MAX];  /* [n_rows, outputs of head] of the last evaluation */
    int32_t *labels[BAL_HEADS_MAX]; /* [n_rows] or NULL */
    float *targets[BAL_HEADS_MAX];  /* value heads: [n_rows, K] or NULL */
    double *payoff[BAL_HEADS_MAX];  /* [C, C] by class ids, or NULL */
    double loss[BAL_HEADS_MAX];     /* raw: no class weights, no shares; NaN without labels */
    bal_scores *scores[BAL_HEADS_MAX];
} bal_eval_set;

BAL_WARN_UNUSED bal_status bal_eval_set_init(bal_eval_set *set, const bal_dataset *dataset,
                                             bal_backend *backend, const int64_t *rows,
                                             int64_t n_rows, int64_t batch, bal_error *err);
void bal_eval_set_release(bal_eval_set *set);

/** Fill outputs, loss and scores. A set without rows has NULL scores and NaN losses. */
BAL_WARN_UNUSED bal_status bal_eval_set_run(bal_eval_set *set, bal_network *network,
                                            bal_error *err);

/** Value of HEAD.METRIC[CLASS] or HEAD.loss of the last evaluation; NaN when undefined or unknown.
 */
double bal_eval_set_metric(const bal_eval_set *set, const bal_metric_path *path);
/** The prior predictor's value of the same: NaN when undefined, and for losses that are no metric.
 * It depends on the rows alone. */
BAL_WARN_UNUSED bal_status bal_eval_set_prior_metric(const bal_eval_set *set,
                                                     const bal_metric_path *path, double *ret_value,
                                                     bal_error *err);

/** A head's payoff table by class ids; bal_free it. NULL when the recipe gives none. */
BAL_WARN_UNUSED bal_status bal_head_payoff(const bal_head_data *head, double **ret_payoff,
                                           bal_error *err);
/** Whether a metric belongs to what is told of a whole head. */
bool bal_head_has_metric(const bal_recipe_head *head, const bal_metric *metric);

/** The metric that a head's raw loss is; NULL when it is none. */
const bal_metric *bal_head_loss_metric(const bal_recipe_head *head);

/** +1 when larger values of a metric path are better, else −1 ("loss": −1). */
int bal_metric_path_better(const bal_metric_path *path);

/** The batch fields of a dataset: features and one target per head. Returns how many. */
int32_t bal_dataset_fields(const bal_dataset *dataset, bal_batch_field *ret_fields);

#endif
