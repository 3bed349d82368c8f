/* Averages of precision, recall and F1 over classes.
 *
 * As scikit-learn averages over the labels it meets: classes in neither truth nor prediction are
 * left out (absent_classes counts them), and for the others a 0/0 counts as 0, so that never
 * predicting a class costs its full share. */
#include "metric/metric_table.h"
#include "metric/scores.h"

/* One class's counts. */
typedef struct class_counts {
    double right, truth, predicted;
} class_counts;

static class_counts counts_of(const bal_scores *scores, int32_t c) {
    return (class_counts){
        .right = (double)bal_scores_right(scores, c),
        .truth = (double)scores->support[c],
        .predicted = (double)scores->predicted[c],
    };
}

static double ratio(double part, double whole) {
    return whole > 0 ? part / whole : 0;
}

static double precision_of(const class_counts *n) {
    return ratio(n->right, n->predicted);
}

static double recall_of(const class_counts *n) {
    return ratio(n->right, n->truth);
}

static double f1_of(const class_counts *n) {
    return ratio(2 * n->right, n->truth + n->predicted);
}

static double macro(const bal_scores *scores, double (*of)(const class_counts *),
                    const char **ret_reason) {
    if (!bal_scores_has_classes(scores, ret_reason)) return NAN;
    double sum = 0;
    int32_t present = 0;
    for (int32_t c = 0; c < scores->classes; c++) {
        class_counts n = counts_of(scores, c);
        if (n.truth + n.predicted == 0) continue;
        sum += of(&n);
        present++;
    }
    return sum / present;
}

static double macro_f1(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    return macro(scores, f1_of, ret_reason);
}

const bal_metric bal_metric_macro_f1 = {
    .name = "macro_f1",
    .summary = "mean F1 over the classes in truth or prediction",
    .source = "Opitz & Burst 2019 (the averaged form)",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .cheap = true,
    .compute = macro_f1,
};

static double macro_precision(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    return macro(scores, precision_of, ret_reason);
}

const bal_metric bal_metric_macro_precision = {
    .name = "macro_precision",
    .summary = "mean precision over the classes in truth or prediction",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .cheap = true,
    .compute = macro_precision,
};

static double macro_recall(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    return macro(scores, recall_of, ret_reason);
}

const bal_metric bal_metric_macro_recall = {
    .name = "macro_recall",
    .summary = "mean recall over the classes in truth or prediction",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .cheap = true,
    .compute = macro_recall,
};

static double weighted_f1(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_classes(scores, ret_reason)) return NAN;
    double sum = 0;
    for (int32_t c = 0; c < scores->classes; c++) {
        class_counts n = counts_of(scores, c);
        sum += n.truth * f1_of(&n);
    }
    return sum / (double)scores->rows;
}

const bal_metric bal_metric_weighted_f1 = {
    .name = "weighted_f1",
    .summary = "mean F1 over classes, weighted by their rows",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .cheap = true,
    .compute = weighted_f1,
};

/* 2·TP / (2·TP + FP + FN) with the counts summed over classes: accuracy, unless rows are predicted
 * as no class, which miss a truth without claiming one. */
static double micro_f1(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_classes(scores, ret_reason)) return NAN;
    double claimed = (double)(scores->rows - scores->nonfinite);
    return 2 * (double)scores->correct / ((double)scores->rows + claimed);
}

const bal_metric bal_metric_micro_f1 = {
    .name = "micro_f1",
    .summary = "F1 of the counts summed over classes",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .cheap = true,
    .compute = micro_f1,
};

static double absent_classes(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_classes(scores, ret_reason)) return NAN;
    int32_t absent = 0;
    for (int32_t c = 0; c < scores->classes; c++)
        absent += scores->support[c] + scores->predicted[c] == 0;
    return absent;
}

const bal_metric bal_metric_absent_classes = {
    .name = "absent_classes",
    .summary = "classes in neither truth nor prediction, which averages over classes leave out",
    .source = "",
    .kinds = BAL_METRIC_CLASSES,
    .better = 0,
    .cheap = true,
    .compute = absent_classes,
};
