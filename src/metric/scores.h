/* The inside of bal_scores, for the files of this folder only.
 *
 * Three kinds of facts, by how long they hold:
 *  - what was handed over, and what follows from one row alone (bal_row_score): computed once;
 *  - counts over rows (confusion, support, ...): computed by bal_scores_count, again for every
 *    bootstrap resample, which is the same rows with other weights;
 *  - what costs a pass over all probabilities or a sort, and few metrics need: computed at the
 * first question, behind pointers that a const bal_scores may follow. So one bal_scores belongs to
 * one thread at a time.
 *
 * The prior predictor has no outputs: it answers its prior, in double, for every row. Turning that
 * into float logits would cost digits, and could not say that a class has probability 0. */
#ifndef BAL_METRIC_SCORES_H
#define BAL_METRIC_SCORES_H

#include <math.h>

#include "base/arena.h"
#include "metric/metric.h"

/** What one row says about probabilities; meaningless for a row without a prediction. */
typedef struct bal_row_score {
    double log_sum; /* classes: log Σ exp(z − max z), so that log p_c = z_c − max z − log_sum */
    double nll;     /* −log p of the label, nats */
    double square;  /* Σ (p_c − [c is the label])²; half of it for two classes */
    double top;     /* largest probability */
    double entropy; /* −Σ p log p, nats */
    bool top_right; /* the class of the largest probability is the label */
} bal_row_score;

/** E[p] over the rows with a prediction, when known. */
typedef struct bal_mean_probability {
    bool known;
    double *p; /* [C] */
} bal_mean_probability;

/** Rows by falling probability of a class, per class; NULL until asked for. Shared by resamples. */
typedef struct bal_ranks {
    uint32_t **order; /* [C] of [rows] */
} bal_ranks;

struct bal_scores {
    bal_arena arena; /* holds the arrays below, but not what ranks->order points to */
    bal_head_kind kind;
    int32_t classes; /* binary: 2; value: K */
    int32_t columns; /* outputs per row: C, 1 or K */
    int64_t rows;    /* with a label (value: with at least one known target) */
    double threshold;
    double *prior;       /* [classes] or NULL */
    double *payoff;      /* [C, C] truth, predicted; or NULL */
    float *outputs;      /* [rows, columns]; NULL: the prior predictor */
    int32_t *labels;     /* [rows], classes and binary */
    float *targets;      /* [rows, K], value */
    int32_t *prediction; /* [rows]; −1 where an output is not finite; value: else 0 */
    bal_row_score *row;  /* [rows], classes and binary */
    bal_ranks *ranks;    /* classes and binary */

    const uint32_t *weight; /* how often each row counts; NULL: once */
    int64_t *support;       /* [classes]; value: known targets per output */
    int64_t *confusion;     /* [C, C] truth, predicted; NULL for value */
    int64_t *predicted;     /* [C]; NULL for value */
    int64_t correct;
    int64_t nonfinite;
    bal_mean_probability *mean; /* classes and binary */
};

/** Fill support, confusion, predicted, correct and nonfinite from rows and weights. */
void bal_scores_count(bal_scores *scores);

static inline uint32_t bal_row_weight(const bal_scores *scores, int64_t row) {
    return scores->weight ? scores->weight[row] : 1;
}

/** Rows of a class that are predicted as it: the diagonal of the confusion. */
static inline int64_t bal_scores_right(const bal_scores *scores, int32_t class_id) {
    return scores->confusion[class_id * ((int64_t)scores->classes + 1)];
}

/** Number that rises with the probability of a class, equal where the outputs are equal. Binary
 * heads rank class 1 only. */
double bal_scores_rank_key(const bal_scores *scores, int64_t row, int32_t class_id);

/** Rows by falling rank key of a class (rows of equal key in row order); NULL when out of memory.
 */
const uint32_t *bal_scores_order(const bal_scores *scores, int32_t class_id);

/** Output k of a row of a value head. */
static inline double bal_scores_value(const bal_scores *scores, int64_t row, int32_t k) {
    return scores->outputs ? (double)scores->outputs[row * scores->columns + k] : scores->prior[k];
}

/* ---- what a metric asks first: each returns whether the metric is defined, else sets the reason
 * ---- */

/** Classes or binary, with at least one labelled row. */
bool bal_scores_has_classes(const bal_scores *scores, const char **ret_reason);
/** The same, and class_id is one of them. */
bool bal_scores_has_class(const bal_scores *scores, int32_t class_id, const char **ret_reason);
/** The same as has_classes, and every row's outputs are finite. */
bool bal_scores_has_probabilities(const bal_scores *scores, const char **ret_reason);
/** A value head with at least one known target and finite predictions. */
bool bal_scores_has_values(const bal_scores *scores, const char **ret_reason);

/** NaN, with the reason told to whoever asked. */
static inline double bal_undefined(const char **ret_reason, const char *reason) {
    if (ret_reason) *ret_reason = reason;
    return NAN;
}

/** The reason of a metric that needs memory and had none; bootstrap turns it into BAL_ENOMEM. */
extern const char bal_metric_no_memory[];

/** −Σ q log q of the shares q of `counts`, nats; NaN when all are 0. */
double bal_count_entropy(const int64_t *counts, int32_t classes);
/** −Σ p log p, nats. */
double bal_entropy(const double *p, int32_t classes);

#endif
