/* Metrics: numbers from one whole evaluation of one head, never averaged over batches.
 *
 * bal_scores holds what an evaluation produced (logits, labels) and what all metrics share
 * (confusion counts, probabilities, ranks), computed once. Each metric is an entry of
 * bal_metric_table. An undefined metric is NaN with a reason and a support, never 0 or 1.
 *
 * Every metric has a baseline: the value that the prior predictor of the training split (its class
 * frequencies, or mean, for every row) gets on the same rows; bal_scores_prior makes its scores.
 *
 * Conventions equal scikit-learn's where it defines the metric; STABILITY.md, section Metrics. */
#ifndef BAL_METRIC_METRIC_H
#define BAL_METRIC_METRIC_H

#include <stdbool.h>
#include <stdint.h>

#include "ballast/status.h"
#include "base/random.h"
#include "nn/head.h"

/** What an evaluation hands over; nothing is kept but through bal_scores_new, which copies. */
typedef struct bal_evaluation {
    bal_head_kind kind;
    int64_t rows;
    int32_t classes;       /* classes: C ≥ 2; binary: 2; value: K outputs */
    const float *logits;   /* [rows, C]; binary: [rows, 1]; value: [rows, K] predictions */
    const int32_t *labels; /* classes, binary: [rows], −1 = unknown (left out) */
    const float *targets;  /* value: [rows, K], NaN = unknown (left out) */
    const double *prior; /* classes, binary: [C] class frequencies of the training split; value: [K]
                            training means; NULL: unknown, what needs it is undefined */
    const double *payoff; /* classes, binary: [C, C] gain by truth and prediction; NULL: none */
    double threshold;     /* binary: probability of class 1 from which class 1 is predicted; .5 */
} bal_evaluation;

typedef struct bal_scores bal_scores;

BAL_WARN_UNUSED bal_status bal_scores_new(const bal_evaluation *evaluation, bal_scores **ret_scores,
                                          bal_error *err);
/** Scores of the prior predictor on the labels of `scores`. */
BAL_WARN_UNUSED bal_status bal_scores_prior(const bal_scores *scores, bal_scores **ret_prior,
                                            bal_error *err);
void bal_scores_free(bal_scores *scores);

/** The class that one row of outputs predicts, here and wherever a prediction is made: the largest
 *  logit, the first of equals; binary: 1 when its probability reaches the threshold. −1 when an
 *  output is not finite. Not for value heads. */
int32_t bal_predict_class(bal_head_kind kind, const float *logits, int32_t classes,
                          double threshold);

/* What detectors and reports read directly. Arrays live as long as the scores; NULL where the kind
 * of head has none. Scores belong to one thread at a time: rankings are computed when first asked
 * for. */
int64_t bal_scores_rows(const bal_scores *scores);    /* rows with a label */
int32_t bal_scores_classes(const bal_scores *scores); /* 2 for binary */
bal_head_kind bal_scores_kind(const bal_scores *scores);
const int64_t *bal_scores_confusion(const bal_scores *scores); /* [truth, predicted] */
/** [C] rows per true class; value: [K] known targets per output. */
const int64_t *bal_scores_support(const bal_scores *scores);
const int64_t *bal_scores_predicted(const bal_scores *scores); /* [C] rows per predicted class */
const double *bal_scores_training_prior(const bal_scores *scores);
/** Predicted class per labelled row; −1: none. */
const int32_t *bal_scores_prediction(const bal_scores *scores);
/** Rows whose outputs hold a NaN or infinity. They count as wrong and are predicted as no class. */
int64_t bal_scores_nonfinite(const bal_scores *scores);
/** H(E[p]) and E[H(p)] in nats: their difference is the information the outputs carry about which
 *  input they belong to. */
void bal_scores_entropies(const bal_scores *scores, double *ret_of_mean, double *ret_mean);
/** Share of the labelled rows whose negative log-likelihood is above `nats`, those without a finite
 *  prediction included; NaN for value heads and without rows. */
double bal_scores_share_above(const bal_scores *scores, double nats);
/** Mean probability of a class over the rows with a prediction; NaN for value heads and without
 *  rows. */
double bal_scores_mean_probability(const bal_scores *scores, int32_t class_id);

/** Predictions of one output of a value head beside its known targets. */
typedef struct bal_value_moments {
    double rows; /* with a known target */
    double mean_target, mean_output;
    double spread_target, spread_output; /* standard deviations, divided by the rows */
    double correlation;                  /* NaN where one of the two does not vary */
} bal_value_moments;

/** False (nothing written) for other heads, without a known target, and where an output is not
 *  finite. */
bool bal_scores_value_moments(const bal_scores *scores, int32_t output,
                              bal_value_moments *ret_moments);

/** One metric. */
typedef struct bal_metric {
    const char *name;    /* "macro_f1" */
    const char *summary; /* one line */
    const char *source;
    unsigned kinds;    /* BAL_HEAD_BIT mask */
    int better;        /* +1 larger, −1 smaller, 0 neither (diversity) */
    bool per_class;    /* needs a class: recall[A] */
    bool first_class;  /* per class, but of a binary head without a class named it is the first's */
    bool needs_payoff; /* only of heads with a payoff table */
    bool cheap;        /* part of every evaluation row; others at the end and on request */
    /** Value, NaN when undefined; then *ret_reason is a short static phrase. */
    double (*compute)(const bal_scores *scores, int32_t class_id, const char **ret_reason);
} bal_metric;

extern const bal_metric *const bal_metric_table[];
const bal_metric *bal_metric_find(const char *name);
/** Whether it says something of a whole head: of that kind, with or without a payoff table, and no
 *  class named. Then compute takes −1 for the class. */
bool bal_metric_of_head(const bal_metric *metric, bal_head_kind kind, bool has_payoff);

/** How a bootstrap draws. */
typedef struct bal_bootstrap {
    int resamples;
    double level; /* 0.95 */
    uint64_t seed;
    /** A resample: labelled row i of the scores counts ret_weight[i] times. NULL: single rows,
     * drawn with replacement (Efron 1979), which is right where they are independent. */
    void (*draw)(void *user, bal_random *random, uint32_t *ret_weight);
    void *user;
} bal_bootstrap;

/** Percentile bootstrap interval of a metric, deterministic in seed. BAL_EINVAL for resamples < 1
 * or level outside 0..1. NaN resamples are left out; both bounds NaN when none is left. */
BAL_WARN_UNUSED bal_status bal_metric_bootstrap(const bal_metric *metric, const bal_scores *scores,
                                                int32_t class_id, const bal_bootstrap *how,
                                                double *ret_low, double *ret_high, bal_error *err);

/** A reference to a metric in a recipe: SPLIT.HEAD.METRIC or SPLIT.HEAD.METRIC[CLASS]; "loss" is
 *  also allowed as METRIC. */
typedef struct bal_metric_path {
    char split[16];
    char head[64];
    char metric[64];
    char class_name[64]; /* "" when none */
} bal_metric_path;

/** Split the text; BAL_ERECIPE with what is wrong. The split is checked to be train, val or test;
 *  whether head and metric exist is checked elsewhere. */
BAL_WARN_UNUSED bal_status bal_metric_path_parse(const char *text, bal_metric_path *ret_path,
                                                 bal_error *err);

#endif
