/* How good the probabilities are: log loss, skill over the prior, Brier score, calibration error.
 */
#include "metric/metric_table.h"
#include "metric/scores.h"

/* Mean negative log likelihood, nats; infinite when a label has probability 0. */
static double mean_nll(const bal_scores *scores) {
    double sum = 0;
    for (int64_t i = 0; i < scores->rows; i++) {
        uint32_t weight = bal_row_weight(scores, i);
        if (weight) sum += weight * scores->row[i].nll;
    }
    return sum / (double)scores->rows;
}

double bal_scores_share_above(const bal_scores *scores, double nats) {
    double above = 0;
    if (scores->kind == BAL_HEAD_VALUE || scores->rows == 0) return NAN;
    for (int64_t i = 0; i < scores->rows; i++) {
        if (scores->prediction[i] < 0 || scores->row[i].nll > nats)
            above += bal_row_weight(scores, i);
    }
    return above / (double)scores->rows;
}

static const char never_seen[] = "a class of these rows has no training rows";

static double log_loss(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_probabilities(scores, ret_reason)) return NAN;
    double nll = mean_nll(scores);
    return isfinite(nll) ? nll : bal_undefined(ret_reason, never_seen);
}

const bal_metric bal_metric_log_loss = {
    .name = "log_loss",
    .summary = "mean negative log probability of the true class, nats, without class weights",
    .source = "Good 1952",
    .kinds = BAL_METRIC_CLASSES,
    .better = -1,
    .cheap = true,
    .compute = log_loss,
};

/* 1 − NLL / NLL of the prior predictor: the share of the prior's surprise that the model removes.
 */
static double skill(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_probabilities(scores, ret_reason)) return NAN;
    if (!scores->prior) return bal_undefined(ret_reason, "no training prior");
    double prior = 0;
    for (int32_t c = 0; c < scores->classes; c++) {
        if (scores->support[c]) prior -= (double)scores->support[c] * log(scores->prior[c]);
    }
    prior /= (double)scores->rows;
    if (!isfinite(prior)) return bal_undefined(ret_reason, never_seen);
    if (prior <= 0) return bal_undefined(ret_reason, "the training prior is already certain");
    return 1 - mean_nll(scores) / prior;
}

const bal_metric bal_metric_skill = {
    .name = "skill",
    .summary = "1 - log loss / log loss of the training prior; 0 is nothing learned",
    .source = "Murphy 1988 (skill scores)",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .cheap = true,
    .compute = skill,
};

static double brier(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_probabilities(scores, ret_reason)) return NAN;
    double sum = 0;
    for (int64_t i = 0; i < scores->rows; i++)
        sum += bal_row_weight(scores, i) * scores->row[i].square;
    return sum / (double)scores->rows;
}

const bal_metric bal_metric_brier = {
    .name = "brier",
    .summary = "mean squared error of the probabilities; half the sum over classes for two classes",
    .source = "Brier 1950",
    .kinds = BAL_METRIC_CLASSES,
    .better = -1,
    .cheap = true,
    .compute = brier,
};

enum { ECE_BINS = 15 };

/* Bin b holds confidences in (b/15, (b+1)/15], as in the paper. */
static int bin_of(double confidence) {
    int bin = (int)ceil(confidence * ECE_BINS) - 1;
    return bin < 0 ? 0 : bin >= ECE_BINS ? ECE_BINS - 1 : bin;
}

/* Σ over bins of share · |accuracy − mean confidence|, of the most probable class. */
static double ece(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_probabilities(scores, ret_reason)) return NAN;
    double gap[ECE_BINS] = {0}; /* right answers − confidence, summed */
    for (int64_t i = 0; i < scores->rows; i++) {
        const bal_row_score *row = &scores->row[i];
        gap[bin_of(row->top)] += bal_row_weight(scores, i) * (row->top_right - row->top);
    }
    double sum = 0;
    for (int bin = 0; bin < ECE_BINS; bin++)
        sum += fabs(gap[bin]);
    return sum / (double)scores->rows;
}

const bal_metric bal_metric_ece = {
    .name = "ece",
    .summary = "expected calibration error of the most probable class, 15 equal bins",
    .source = "Guo et al. 2017, arXiv 1706.04599",
    .kinds = BAL_METRIC_CLASSES,
    .better = -1,
    .cheap = true,
    .compute = ece,
};
