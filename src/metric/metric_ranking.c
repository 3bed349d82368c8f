/* What the order of rows by probability is worth: ROC-AUC, average precision, lift.
 *
 * All three walk the rows by falling probability in groups of equal probability, so that ties are
 * exact: a group counts as a whole, never in the accidental order of its rows. For more than two
 * classes each class against the rest is averaged over the classes that have rows on both sides. */
#include "metric/metric_table.h"
#include "metric/scores.h"

/* A walk over groups of equal rank. */
typedef struct rank_walk {
    const bal_scores *scores;
    const uint32_t *order;
    int32_t class_id;
    int64_t next;              /* position in order */
    double positive, negative; /* rows of the group, by weight */
} rank_walk;

static bool next_group(rank_walk *walk) {
    const bal_scores *scores = walk->scores;
    if (walk->next >= scores->rows) return false;
    walk->positive = walk->negative = 0;
    double key = bal_scores_rank_key(scores, walk->order[walk->next], walk->class_id);
    do {
        uint32_t row = walk->order[walk->next++];
        uint32_t weight = bal_row_weight(scores, row);
        if (scores->labels[row] == walk->class_id)
            walk->positive += weight;
        else
            walk->negative += weight;
    } while (walk->next < scores->rows &&
             bal_scores_rank_key(scores, walk->order[walk->next], walk->class_id) == key);
    return true;
}

/* Area under the ROC curve by trapezoids, which gives a tie half a point: Mann-Whitney's U / (P·N).
 */
static double roc_auc_of(rank_walk *walk, double positives, double negatives) {
    double above = 0, area = 0;
    while (next_group(walk)) {
        area += walk->negative * (above + walk->positive / 2);
        above += walk->positive;
    }
    return area / (positives * negatives);
}

/* Σ (recall step) · (precision at its end), no interpolation. */
static double average_precision_of(rank_walk *walk, double positives, double negatives) {
    double right = 0, taken = 0, area = 0;
    while (next_group(walk)) {
        right += walk->positive;
        taken += walk->positive + walk->negative;
        if (walk->positive > 0) area += walk->positive / positives * (right / taken);
    }
    return area;
}

/* How much more frequent positives are in the most probable tenth of the rows (rounded up) than
 * overall. A group of equals on the border is taken in part, with its own share of positives: the
 * expectation over the orders it could have. */
static double lift_of(rank_walk *walk, double positives, double negatives) {
    double rows = positives + negatives, wanted = ceil(rows / 10), taken = 0, right = 0;
    while (taken < wanted && next_group(walk)) {
        double group = walk->positive + walk->negative;
        if (group == 0) continue;
        double part = fmin(1, (wanted - taken) / group);
        right += part * walk->positive;
        taken += part * group;
    }
    return right / wanted / (positives / rows);
}

typedef double (*ranking)(rank_walk *walk, double positives, double negatives);

/* Mean of `of` over the classes from `first` on that have rows on both sides. */
static double mean_ranking(const bal_scores *scores, ranking of, int32_t first,
                           const char **ret_reason) {
    if (!bal_scores_has_probabilities(scores, ret_reason)) return NAN;
    double sum = 0;
    int32_t defined = 0;
    for (int32_t c = first; c < scores->classes; c++) {
        double positives = (double)scores->support[c];
        double negatives = (double)(scores->rows - scores->support[c]);
        if (positives == 0 || negatives == 0) continue;
        rank_walk walk = {.scores = scores, .class_id = c, .order = bal_scores_order(scores, c)};
        if (!walk.order) return bal_undefined(ret_reason, bal_metric_no_memory);
        sum += of(&walk, positives, negatives);
        defined++;
    }
    if (defined == 0) return bal_undefined(ret_reason, "rows of one class only");
    return sum / defined;
}

/* Binary heads rank class 1 alone. */
static int32_t first_ranked(const bal_scores *scores) {
    return scores->kind == BAL_HEAD_BINARY;
}

static double roc_auc(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    return mean_ranking(scores, roc_auc_of, first_ranked(scores), ret_reason);
}

const bal_metric bal_metric_roc_auc = {
    .name = "roc_auc",
    .summary = "area under the ROC curve; classes: mean of each against the rest",
    .source = "Hanley & McNeil 1982; Fawcett 2006",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .compute = roc_auc,
};

static double average_precision(const bal_scores *scores, int32_t class_id,
                                const char **ret_reason) {
    return mean_ranking(scores, average_precision_of, first_ranked(scores), ret_reason);
}

const bal_metric bal_metric_average_precision = {
    .name = "average_precision",
    .summary = "area under the precision-recall steps; classes: mean of each against the rest",
    .source = "Davis & Goadrich 2006 (why not to interpolate)",
    .kinds = BAL_METRIC_CLASSES,
    .better = 1,
    .compute = average_precision,
};

static double lift(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    if (scores->kind != BAL_HEAD_BINARY)
        return bal_undefined(ret_reason, "a metric of binary heads only");
    return mean_ranking(scores, lift_of, 1, ret_reason);
}

const bal_metric bal_metric_lift = {
    .name = "lift",
    .summary = "share of class 1 in the most probable 10 % of rows / its share in all rows",
    .source = "Piatetsky-Shapiro & Masand 1999",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_BINARY),
    .better = 1,
    .compute = lift,
};
