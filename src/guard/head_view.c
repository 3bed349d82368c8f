/* The figures of one head's evaluation, computed once for all who look: O(classes), and one pass
 * over the rows for what probabilities say. */
#include <math.h>

#include "guard/detector.h"

static double entropy_of_counts(const int64_t *counts, int32_t classes) {
    double total = 0, sum = 0;
    for (int32_t c = 0; c < classes; c++)
        total += (double)counts[c];
    for (int32_t c = 0; c < classes; c++) {
        double share = (double)counts[c] / total;
        if (share > 0) sum -= share * log(share);
    }
    return sum;
}

double bal_prior_entropy(const bal_guard_head *head) {
    double sum = 0;
    for (int32_t c = 0; head->kind != BAL_HEAD_VALUE && c < head->classes; c++) {
        if (head->prior[c] > 0) sum -= head->prior[c] * log(head->prior[c]);
    }
    return sum;
}

/* Few or unluckily split rows cannot show all the classes that the prior has: the histogram of a
 * perfect predictor is that of the labels, so the smaller of the two entropies is the yardstick. */
static double entropy_ratio(const bal_head_view *view, double prior_entropy) {
    double reference = fmin(prior_entropy, entropy_of_counts(view->support, view->classes));
    if (!(reference > 0)) return NAN;
    return entropy_of_counts(view->predicted, view->classes) / reference;
}

/* Cohen's test of agreement: how far the right predictions are above those that the two histograms,
 * of labels and of predictions, would share if they had nothing to do with each other. Exactly 0
 * when everything is predicted as one class. */
static double agreement(const bal_head_view *view) {
    double right = 0, chance = 0, n = (double)view->rows;
    for (int32_t c = 0; c < view->classes; c++) {
        right += (double)view->confusion[c * (int64_t)view->classes + c];
        chance += (double)view->support[c] / n * ((double)view->predicted[c] / n);
    }
    double error = sqrt(chance * (1 - chance) / n);
    return error > 0 ? (right / n - chance) / error : 0;
}

/* The best single answer for all rows is the labels' own histogram. Its skill over the training
 * prior is what the split happens to differ by, not something learned. */
static double constant_skill(const bal_head_view *view) {
    double cross = 0;
    for (int32_t c = 0; c < view->classes; c++) {
        double share = (double)view->support[c] / (double)view->rows;
        if (share > 0) cross -= share * log(view->head->prior[c]);
    }
    bool known = isfinite(cross) && cross > 0;
    return known ? 1 - entropy_of_counts(view->support, view->classes) / cross : NAN;
}

static void fill_classes(bal_head_view *view, double prior_entropy, const bal_scores *scores) {
    view->has_classes = true;
    view->support = bal_scores_support(scores);
    view->predicted = bal_scores_predicted(scores);
    view->confusion = bal_scores_confusion(scores);
    view->top = 0;
    for (int32_t c = 1; c < view->classes; c++) {
        if (view->predicted[c] > view->predicted[view->top]) view->top = c;
    }
    double finite = (double)(view->rows - view->nonfinite);
    view->top_share = (double)view->predicted[view->top] / finite;
    view->top_prior = view->head->prior[view->top];
    view->top_truth = (double)view->support[view->top] / (double)view->rows;
    view->entropy_ratio = entropy_ratio(view, prior_entropy);

    view->constant_skill = constant_skill(view);
    view->agreement = agreement(view);

    double of_mean, mean;
    bal_scores_entropies(scores, &of_mean, &mean);
    view->information = prior_entropy > 0 ? fmax(0, of_mean - mean) / prior_entropy : NAN;
    view->skill = bal_metric_find("skill")->compute(scores, -1, NULL);
}

void bal_head_view_fill(bal_head_view *view, const bal_guard_head *head, double prior_entropy,
                        const bal_scores *scores, double loss) {
    *view = (bal_head_view){.head = head,
                            .classes = head->classes,
                            .entropy_ratio = NAN,
                            .information = NAN,
                            .skill = NAN,
                            .loss = loss,
                            .train_loss = NAN,
                            .scores = scores};
    if (!scores) return;
    view->rows = bal_scores_rows(scores);
    view->nonfinite = bal_scores_nonfinite(scores);
    view->bad_loss = isinf(loss) || (isnan(loss) && view->rows > 0);
    bool fits = head->kind != BAL_HEAD_VALUE && bal_scores_kind(scores) == head->kind &&
                bal_scores_classes(scores) == head->classes;
    if (fits && view->rows > view->nonfinite) fill_classes(view, prior_entropy, scores);
}

/* The correlation of n independent pairs has a standard error of 1 / sqrt(n) about 0 (Fisher 1915).
 */
static bool any_output_correlates(const bal_head_view *view) {
    bal_value_moments moments;
    for (int32_t k = 0; view->scores && k < view->classes; k++) {
        if (!bal_scores_value_moments(view->scores, k, &moments)) continue;
        if (moments.correlation * sqrt(moments.rows) >= 4) return true;
    }
    return false;
}

bool bal_head_knows(const bal_head_view *view) {
    if (view->head->kind == BAL_HEAD_VALUE) return any_output_correlates(view);
    return view->skill >= 0.02 + view->constant_skill || view->agreement >= 4;
}

double bal_head_power(const bal_head_view *view) {
    double chance = 0, n = (double)view->rows;
    if (view->head->kind == BAL_HEAD_VALUE) return sqrt(n);
    for (int32_t c = 0; view->has_classes && c < view->classes; c++)
        chance += (double)view->support[c] / n * ((double)view->support[c] / n);
    return chance > 0 && chance < 1 ? (1 - chance) / sqrt(chance * (1 - chance) / n) : 0;
}
