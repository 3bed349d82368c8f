/* Scores: what one evaluation of one head produced, checked, copied and reduced to what metrics
 * share.
 *
 * Rows without a label are dropped here, once, so that no metric has to think of them. Rows whose
 * outputs are not finite stay: they are predicted as no class (−1), which makes them wrong in every
 * count, and make metrics of probabilities undefined. What follows from single rows is in
 * scores_row.c, rankings are in scores_rank.c. */
#include "metric/scores.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "metric/scores_row.h"

/* ---- checking what is handed over ---- */

static bal_status check_sizes(const bal_evaluation *e, bal_error *err) {
    if ((unsigned)e->kind >= BAL_HEAD_KIND_COUNT)
        return bal_fail(err, BAL_EINVAL, "evaluation: unknown kind of head %d", (int)e->kind);
    if (e->rows < 0 || e->rows > INT32_MAX)
        return bal_fail(err, BAL_EINVAL,
                        "evaluation: %" PRId64 " rows; wanted 0 to 2147483647 (evaluate in parts)",
                        e->rows);
    int32_t least = e->kind == BAL_HEAD_VALUE ? 1 : 2;
    if (e->classes < least || (e->kind == BAL_HEAD_BINARY && e->classes != 2))
        return bal_fail(err, BAL_EINVAL, "evaluation: %d classes; wanted %s", (int)e->classes,
                        e->kind == BAL_HEAD_BINARY  ? "2, as the head is binary"
                        : e->kind == BAL_HEAD_VALUE ? "1 output or more"
                                                    : "2 or more");
    bool truth = e->kind == BAL_HEAD_VALUE ? e->targets != NULL : e->labels != NULL;
    if (e->rows > 0 && (!e->logits || !truth))
        return bal_fail(err, BAL_EINVAL, "evaluation: %" PRId64 " rows, but no %s", e->rows,
                        !e->logits ? "outputs" : "labels or targets");
    if (e->kind == BAL_HEAD_BINARY && !(e->threshold > 0 && e->threshold < 1))
        return bal_fail(
            err, BAL_EINVAL,
            "evaluation: threshold %g; wanted a probability between 0 and 1, such as 0.5",
            e->threshold);
    return BAL_OK;
}

static bal_status check_prior(const bal_evaluation *e, bal_error *err) {
    if (!e->prior) return BAL_OK;
    double sum = 0;
    for (int32_t c = 0; c < e->classes; c++) {
        bool fits = isfinite(e->prior[c]) && (e->kind == BAL_HEAD_VALUE || e->prior[c] >= 0);
        if (!fits)
            return bal_fail(err, BAL_EINVAL, "evaluation: training %s %d is %g",
                            e->kind == BAL_HEAD_VALUE ? "mean of output" : "frequency of class",
                            (int)c, e->prior[c]);
        sum += e->prior[c];
    }
    if (e->kind != BAL_HEAD_VALUE && fabs(sum - 1) > 1e-6)
        return bal_fail(err, BAL_EINVAL,
                        "evaluation: the training prior sums to %g; wanted frequencies with sum 1, "
                        "not counts",
                        sum);
    return BAL_OK;
}

static bal_status check_truth(const bal_evaluation *e, bal_error *err) {
    if (e->kind == BAL_HEAD_VALUE) {
        int64_t n = e->rows * e->classes;
        for (int64_t i = 0; i < n; i++) {
            if (isinf(e->targets[i]))
                return bal_fail(err, BAL_EINVAL,
                                "evaluation: target of row %" PRId64
                                " is infinite; wanted a number, "
                                "or NaN for unknown",
                                i / e->classes);
        }
        return BAL_OK;
    }
    for (int64_t i = 0; i < e->rows; i++) {
        if (e->labels[i] < -1 || e->labels[i] >= e->classes)
            return bal_fail(err, BAL_EINVAL,
                            "evaluation: row %" PRId64 " has label %d; wanted 0 to %d, or -1 for "
                            "unknown",
                            i, (int)e->labels[i], (int)e->classes - 1);
    }
    return BAL_OK;
}

static bool row_is_known(const bal_evaluation *e, int64_t row) {
    if (e->kind != BAL_HEAD_VALUE) return e->labels[row] >= 0;
    const float *target = e->targets + row * e->classes;
    for (int32_t k = 0; k < e->classes; k++) {
        if (!isnan(target[k])) return true;
    }
    return false;
}

/* ---- making ---- */

/* Zeroed array in the scores' arena; false when out of memory. */
#define TAKE(scores, field, count)                                                                 \
    (((scores)->field =                                                                            \
          bal_arena_alloc(&(scores)->arena, (size_t)(count), sizeof *(scores)->field)) != NULL)

/* The arrays of counts, whose sizes depend on the head alone. */
static bool take_counts(bal_scores *scores) {
    size_t classes = (size_t)scores->classes, cells;
    if (!TAKE(scores, support, classes)) return false;
    if (scores->kind == BAL_HEAD_VALUE) return true;
    return bal_size_mul(classes, classes, &cells) && TAKE(scores, confusion, cells) &&
           TAKE(scores, predicted, classes) && TAKE(scores, mean, 1) &&
           TAKE(scores, mean->p, classes);
}

static bool take_rows(bal_scores *scores) {
    int64_t rows = scores->rows;
    if (!TAKE(scores, prediction, rows)) return false;
    if (scores->kind == BAL_HEAD_VALUE) return TAKE(scores, targets, rows * scores->classes);
    return TAKE(scores, labels, rows) && TAKE(scores, row, rows) && TAKE(scores, ranks, 1) &&
           TAKE(scores, ranks->order, scores->classes);
}

/* Everything allocated but the outputs; labels and rows still to be filled in. */
static bal_status shell_new(const bal_evaluation *e, int64_t rows, bal_scores **ret_scores,
                            bal_error *err) {
    bal_scores *scores = bal_calloc(1, sizeof *scores);
    if (!scores) return bal_fail_memory(err, sizeof *scores);
    scores->kind = e->kind;
    scores->classes = e->classes;
    scores->columns = e->kind == BAL_HEAD_BINARY ? 1 : e->classes;
    scores->rows = rows;
    scores->threshold = e->threshold;
    bool fits = take_counts(scores) && take_rows(scores);
    if (fits && e->prior) {
        fits = TAKE(scores, prior, e->classes);
        if (fits) memcpy(scores->prior, e->prior, (size_t)e->classes * sizeof *e->prior);
    }
    if (fits && e->payoff) {
        size_t cells = (size_t)e->classes * (size_t)e->classes;
        fits = TAKE(scores, payoff, cells);
        if (fits) memcpy(scores->payoff, e->payoff, cells * sizeof *e->payoff);
    }
    if (!fits) {
        bal_scores_free(scores);
        return bal_fail_memory(err, (unsigned long long)rows * sizeof(bal_row_score) +
                                        (unsigned long long)e->classes * (unsigned)e->classes *
                                            sizeof(int64_t));
    }
    *ret_scores = scores;
    return BAL_OK;
}

static void copy_known_rows(bal_scores *scores, const bal_evaluation *e) {
    size_t columns = (size_t)scores->columns;
    int64_t to = 0;
    for (int64_t from = 0; from < e->rows; from++) {
        if (!row_is_known(e, from)) continue;
        memcpy(scores->outputs + (size_t)to * columns, e->logits + (size_t)from * columns,
               columns * sizeof *e->logits);
        if (e->kind == BAL_HEAD_VALUE) {
            memcpy(scores->targets + (size_t)to * columns, e->targets + (size_t)from * columns,
                   columns * sizeof *e->targets);
        } else {
            scores->labels[to] = e->labels[from];
        }
        to++;
    }
}

bal_status bal_scores_new(const bal_evaluation *evaluation, bal_scores **ret_scores,
                          bal_error *err) {
    BAL_TRY(check_sizes(evaluation, err));
    BAL_TRY(check_prior(evaluation, err));
    BAL_TRY(check_truth(evaluation, err));
    int64_t rows = 0;
    for (int64_t i = 0; i < evaluation->rows; i++)
        rows += row_is_known(evaluation, i);

    bal_scores *scores = NULL;
    BAL_TRY(shell_new(evaluation, rows, &scores, err));
    double *scratch = bal_arena_alloc(&scores->arena, (size_t)scores->classes, sizeof *scratch);
    if (!scratch || !TAKE(scores, outputs, rows * scores->columns)) {
        int64_t bytes = rows * scores->columns * (int64_t)sizeof(float);
        bal_scores_free(scores);
        return bal_fail_memory(err, (unsigned long long)bytes);
    }
    copy_known_rows(scores, evaluation);
    bal_scores_fill_rows(scores, scratch);
    bal_scores_count(scores);
    *ret_scores = scores;
    return BAL_OK;
}

bal_status bal_scores_prior(const bal_scores *scores, bal_scores **ret_prior, bal_error *err) {
    if (!scores->prior)
        return bal_fail(err, BAL_EINVAL,
                        "scores of the prior predictor were asked for, but the evaluation came "
                        "without a training prior");
    bal_evaluation like = {.kind = scores->kind,
                           .classes = scores->classes,
                           .prior = scores->prior,
                           .payoff = scores->payoff,
                           .threshold = scores->threshold};
    bal_scores *prior = NULL;
    BAL_TRY(shell_new(&like, scores->rows, &prior, err));
    size_t rows = (size_t)scores->rows;
    if (scores->kind == BAL_HEAD_VALUE) {
        if (rows)
            memcpy(prior->targets, scores->targets,
                   rows * (size_t)scores->columns * sizeof *scores->targets);
    } else {
        if (rows) memcpy(prior->labels, scores->labels, rows * sizeof *scores->labels);
        bal_scores_fill_prior_rows(prior);
    }
    bal_scores_count(prior);
    *ret_prior = prior;
    return BAL_OK;
}

void bal_scores_free(bal_scores *scores) {
    if (!scores) return;
    if (scores->ranks && scores->ranks->order) {
        for (int32_t c = 0; c < scores->classes; c++)
            bal_free(scores->ranks->order[c]);
    }
    bal_arena_release(&scores->arena);
    bal_free(scores);
}

/* ---- counting ---- */

static void count_values(bal_scores *scores) {
    for (int64_t i = 0; i < scores->rows; i++) {
        uint32_t weight = bal_row_weight(scores, i);
        if (scores->prediction[i] < 0) scores->nonfinite += weight;
        const float *target = scores->targets + i * scores->columns;
        for (int32_t k = 0; k < scores->columns; k++) {
            if (!isnan(target[k])) scores->support[k] += weight;
        }
    }
}

void bal_scores_count(bal_scores *scores) {
    size_t classes = (size_t)scores->classes;
    memset(scores->support, 0, classes * sizeof *scores->support);
    scores->correct = scores->nonfinite = 0;
    if (scores->kind == BAL_HEAD_VALUE) {
        count_values(scores);
        return;
    }
    memset(scores->predicted, 0, classes * sizeof *scores->predicted);
    memset(scores->confusion, 0, classes * classes * sizeof *scores->confusion);
    for (int64_t i = 0; i < scores->rows; i++) {
        uint32_t weight = bal_row_weight(scores, i);
        int32_t truth = scores->labels[i], predicted = scores->prediction[i];
        scores->support[truth] += weight;
        if (predicted < 0) {
            scores->nonfinite += weight;
            continue;
        }
        scores->predicted[predicted] += weight;
        scores->confusion[truth * (int64_t)scores->classes + predicted] += weight;
        if (truth == predicted) scores->correct += weight;
    }
}

/* ---- reading ---- */

int64_t bal_scores_rows(const bal_scores *scores) {
    return scores->rows;
}

int32_t bal_scores_classes(const bal_scores *scores) {
    return scores->classes;
}

bal_head_kind bal_scores_kind(const bal_scores *scores) {
    return scores->kind;
}

const int64_t *bal_scores_confusion(const bal_scores *scores) {
    return scores->confusion;
}

const int64_t *bal_scores_support(const bal_scores *scores) {
    return scores->support;
}

const int64_t *bal_scores_predicted(const bal_scores *scores) {
    return scores->predicted;
}

const double *bal_scores_training_prior(const bal_scores *scores) {
    return scores->prior;
}

const int32_t *bal_scores_prediction(const bal_scores *scores) {
    return scores->kind == BAL_HEAD_VALUE ? NULL : scores->prediction;
}

int64_t bal_scores_nonfinite(const bal_scores *scores) {
    return scores->nonfinite;
}

/* ---- what a metric asks first ---- */

const char bal_metric_no_memory[] = "out of memory";

bool bal_scores_has_classes(const bal_scores *scores, const char **ret_reason) {
    const char *reason = scores->kind == BAL_HEAD_VALUE ? "not a metric of value heads"
                         : scores->rows == 0            ? "no labelled rows"
                                                        : NULL;
    if (reason && ret_reason) *ret_reason = reason;
    return !reason;
}

bool bal_scores_has_class(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (!bal_scores_has_classes(scores, ret_reason)) return false;
    if (class_id >= 0 && class_id < scores->classes) return true;
    if (ret_reason) *ret_reason = "no such class";
    return false;
}

/* Why metrics of probabilities and of values stay away from such rows: one NaN makes the mean NaN
 * anyway, and leaving the row out would reward a model for answering nothing. */
static bool has_finite_outputs(const bal_scores *scores, const char **ret_reason) {
    if (scores->nonfinite == 0) return true;
    if (ret_reason) *ret_reason = "some outputs are not finite";
    return false;
}

bool bal_scores_has_probabilities(const bal_scores *scores, const char **ret_reason) {
    return bal_scores_has_classes(scores, ret_reason) && has_finite_outputs(scores, ret_reason);
}

bool bal_scores_has_values(const bal_scores *scores, const char **ret_reason) {
    const char *reason = scores->kind != BAL_HEAD_VALUE ? "a metric of value heads only"
                         : scores->rows == 0            ? "no rows with a known target"
                                                        : NULL;
    if (reason && ret_reason) *ret_reason = reason;
    return !reason && has_finite_outputs(scores, ret_reason);
}
