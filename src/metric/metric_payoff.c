/* What the answers are worth under a payoff table that the user gives: gains by true and predicted
 * class (Elkan 2001, "The foundations of cost-sensitive learning", with the sign of a gain). */
#include "metric/metric_table.h"
#include "metric/scores.h"

/* Σ over truth and prediction of count · gain, per row. A row without a prediction has no gain that
 * the table could tell. */
static double expected_profit(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_probabilities(scores, ret_reason)) return NAN;
    if (!scores->payoff) return bal_undefined(ret_reason, "the head has no payoff table");
    int64_t cells = (int64_t)scores->classes * scores->classes;
    double sum = 0;
    for (int64_t i = 0; i < cells; i++)
        sum += (double)scores->confusion[i] * scores->payoff[i];
    return sum / (double)scores->rows;
}

const bal_metric bal_metric_expected_profit = {
    .name = "expected_profit",
    .summary = "mean gain per row under the head's payoff table",
    .source = "Elkan 2001",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .needs_payoff = true,
    .cheap = true,
    .compute = expected_profit,
};
