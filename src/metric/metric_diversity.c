/* Whether the predictions still differ from row to row: what collapse looks like in numbers.
 *
 * The first four look at the histogram of predicted classes (rows predicted as no class are not in
 * it). mutual_information looks at probabilities, and sees outputs that no longer depend on inputs
 * even where the histogram is plausible. None of them says that a model is good: none has a better
 * direction. */
#include "metric/metric_table.h"
#include "metric/scores.h"

static bool has_predictions(const bal_scores *scores, const char **ret_reason) {
    if (!bal_scores_has_classes(scores, ret_reason)) return false;
    if (scores->nonfinite < scores->rows) return true;
    if (ret_reason) *ret_reason = "no row has finite outputs";
    return false;
}

static double unique_predictions(const bal_scores *scores, int32_t class_id,
                                 const char **ret_reason) {
    if (!bal_scores_has_classes(scores, ret_reason)) return NAN;
    int32_t unique = 0;
    for (int32_t c = 0; c < scores->classes; c++)
        unique += scores->predicted[c] > 0;
    return unique;
}

const bal_metric bal_metric_unique_predictions = {
    .name = "unique_predictions",
    .summary = "classes predicted at least once",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .cheap = true,
    .compute = unique_predictions,
};

static double most_common_share(const bal_scores *scores, int32_t class_id,
                                const char **ret_reason) {
    if (!has_predictions(scores, ret_reason)) return NAN;
    int64_t most = 0;
    for (int32_t c = 0; c < scores->classes; c++) {
        if (scores->predicted[c] > most) most = scores->predicted[c];
    }
    return (double)most / (double)(scores->rows - scores->nonfinite);
}

const bal_metric bal_metric_most_common_share = {
    .name = "most_common_share",
    .summary = "share of the predictions that name the class predicted most often",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .cheap = true,
    .compute = most_common_share,
};

static double normalized_entropy(const bal_scores *scores, int32_t class_id,
                                 const char **ret_reason) {
    if (!has_predictions(scores, ret_reason)) return NAN;
    return bal_count_entropy(scores->predicted, scores->classes) / log(scores->classes);
}

const bal_metric bal_metric_normalized_entropy = {
    .name = "normalized_entropy",
    .summary = "entropy of the prediction histogram / log C; 0: one class, 1: all alike",
    .source = "Shannon 1948",
    .kinds = BAL_METRIC_CLASSES,
    .cheap = true,
    .compute = normalized_entropy,
};

/* Compared with the prior and not with the uniform: a 99:1 problem may rightly predict 99:1. */
static double prior_entropy_ratio(const bal_scores *scores, int32_t class_id,
                                  const char **ret_reason) {
    if (!has_predictions(scores, ret_reason)) return NAN;
    if (!scores->prior) return bal_undefined(ret_reason, "no training prior");
    double prior = bal_entropy(scores->prior, scores->classes);
    if (prior <= 0) return bal_undefined(ret_reason, "the training prior holds one class only");
    return bal_count_entropy(scores->predicted, scores->classes) / prior;
}

const bal_metric bal_metric_prior_entropy_ratio = {
    .name = "prior_entropy_ratio",
    .summary = "entropy of the prediction histogram / entropy of the training prior",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .cheap = true,
    .compute = prior_entropy_ratio,
};

/* Both terms are means over the same rows, so the difference is never negative but for rounding. */
static double mutual_information(const bal_scores *scores, int32_t class_id,
                                 const char **ret_reason) {
    if (!bal_scores_has_probabilities(scores, ret_reason)) return NAN;
    double of_mean, mean;
    bal_scores_entropies(scores, &of_mean, &mean);
    return fmax(0, of_mean - mean);
}

const bal_metric bal_metric_mutual_information = {
    .name = "mutual_information",
    .summary = "H(E[p]) - E[H(p)], nats: what the outputs tell about which input they belong to",
    .source = "Bridle, Heading & MacKay 1991",
    .kinds = BAL_METRIC_CLASSES,
    .cheap = true,
    .compute = mutual_information,
};
