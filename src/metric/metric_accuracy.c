/* Whole-table agreement of truth and prediction: accuracy, balanced accuracy, Matthews correlation.
 *
 * Plain accuracy rewards answering the most frequent class; the other two do not, which is why both
 * stand beside it in every report. */
#include "metric/metric_table.h"
#include "metric/scores.h"

static double accuracy(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_classes(scores, ret_reason)) return NAN;
    return (double)scores->correct / (double)scores->rows;
}

const bal_metric bal_metric_accuracy = {
    .name = "accuracy",
    .summary = "share of rows predicted right",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .cheap = true,
    .compute = accuracy,
};

/* Mean recall over the classes that have rows, as scikit-learn's balanced_accuracy_score. */
static double balanced_accuracy(const bal_scores *scores, int32_t class_id,
                                const char **ret_reason) {
    if (!bal_scores_has_classes(scores, ret_reason)) return NAN;
    double sum = 0;
    int32_t present = 0;
    for (int32_t c = 0; c < scores->classes; c++) {
        if (scores->support[c] == 0) continue;
        sum += (double)bal_scores_right(scores, c) / (double)scores->support[c];
        present++;
    }
    return sum / present;
}

const bal_metric bal_metric_balanced_accuracy = {
    .name = "balanced_accuracy",
    .summary = "mean recall over the classes that have rows",
    .source = "Brodersen et al., ICPR 2010",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .cheap = true,
    .compute = balanced_accuracy,
};

/* Gorodkin's R_K from the counts t_c (truth) and p_c (predicted), n rows, r right:
 *   (r·n − Σ t_c p_c) / √((n² − Σ p_c²)(n² − Σ t_c²)).
 * Rows predicted as no class are one more predicted class, which no row truly has. When every
 * prediction is the same class the quotient is 0/0; the covariance above is 0 for any truth, and 0
 * is what is reported, as scikit-learn does: such a predictor is exactly as good as none, and a
 * guard that watches this number must see it. With a single true class there is nothing to
 * correlate with. */
static double mcc(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_classes(scores, ret_reason)) return NAN;
    double n = (double)scores->rows, none = (double)scores->nonfinite;
    double both = 0, truth = 0, predicted = none * none;
    for (int32_t c = 0; c < scores->classes; c++) {
        double t = (double)scores->support[c], p = (double)scores->predicted[c];
        both += t * p;
        truth += t * t;
        predicted += p * p;
    }
    double spread_truth = n * n - truth, spread_predicted = n * n - predicted;
    if (spread_truth == 0) return bal_undefined(ret_reason, "rows of one class only");
    if (spread_predicted == 0) return 0;
    return ((double)scores->correct * n - both) / (sqrt(spread_truth) * sqrt(spread_predicted));
}

const bal_metric bal_metric_mcc = {
    .name = "mcc",
    .summary = "Matthews correlation of truth and prediction; 0 is no better than guessing",
    .source = "Matthews 1975; Gorodkin 2004 for more than two classes",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .cheap = true,
    .compute = mcc,
};
