/* Precision, recall, F1, support and risk of one class.
 *
 * Undefined where the denominator is 0 (scikit-learn answers 0 there and warns): a class without
 * rows has no recall, a class that was never predicted has no precision. */
#include "metric/metric_table.h"
#include "metric/scores.h"

static double precision(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_class(scores, class_id, ret_reason)) return NAN;
    if (scores->predicted[class_id] == 0)
        return bal_undefined(ret_reason, "the class was never predicted");
    return (double)bal_scores_right(scores, class_id) / (double)scores->predicted[class_id];
}

const bal_metric bal_metric_precision = {
    .name = "precision",
    .summary = "share of the rows predicted as the class that are of it",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .per_class = true,
    .cheap = true,
    .compute = precision,
};

static double recall(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_class(scores, class_id, ret_reason)) return NAN;
    if (scores->support[class_id] == 0) return bal_undefined(ret_reason, "no rows of the class");
    return (double)bal_scores_right(scores, class_id) / (double)scores->support[class_id];
}

const bal_metric bal_metric_recall = {
    .name = "recall",
    .summary = "share of the rows of the class that are predicted as it",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .per_class = true,
    .cheap = true,
    .compute = recall,
};

static double f1(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_class(scores, class_id, ret_reason)) return NAN;
    int64_t both = scores->support[class_id] + scores->predicted[class_id];
    if (both == 0) return bal_undefined(ret_reason, "the class is in neither truth nor prediction");
    return 2 * (double)bal_scores_right(scores, class_id) / (double)both;
}

const bal_metric bal_metric_f1 = {
    .name = "f1",
    .summary = "harmonic mean of precision and recall of the class",
    .source = "van Rijsbergen 1979",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .per_class = true,
    .cheap = true,
    .compute = f1,
};

static double support(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_class(scores, class_id, ret_reason)) return NAN;
    return (double)scores->support[class_id];
}

const bal_metric bal_metric_support = {
    .name = "support",
    .summary = "rows of the class",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .better = 0,
    .per_class = true,
    .cheap = true,
    .compute = support,
};

/* Of a binary head without a class named: of the first, which is the one that must not be missed
 * where a decision waits for the second. */
static double risk(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (class_id < 0 && scores->kind == BAL_HEAD_BINARY) class_id = 0;
    return 1 - recall(scores, class_id, ret_reason);
}

const bal_metric bal_metric_risk = {
    .name = "risk",
    .summary = "share of the rows of the class that are predicted as another: 1 - recall; of a "
               "binary head the first class if none is named",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .better = -1,
    .per_class = true,
    .first_class = true,
    .cheap = true,
    .compute = risk,
};
