/* From the outputs of single rows to predictions, probabilities and entropies.
 *
 * Probabilities come from logits by the shifted softmax, p_c = e^(z_c − max) / Σ e^(z − max), in
 * double; losses from its logarithm, never from the logarithm of a rounded probability, so that a
 * confident wrong answer costs what it should and nothing has to be clipped. Everything that needs
 * the exponentials is taken in the one pass that computes them: on 197 classes it is most of the
 * cost of an evaluation. */
#include "metric/scores_row.h"

#include "base/logistic.h"
#include "base/memory.h"

double bal_entropy(const double *p, int32_t classes) {
    double sum = 0;
    for (int32_t c = 0; c < classes; c++) {
        if (p[c] > 0) sum -= p[c] * log(p[c]);
    }
    return sum;
}

double bal_count_entropy(const int64_t *counts, int32_t classes) {
    int64_t total = 0;
    double sum = 0;
    for (int32_t c = 0; c < classes; c++)
        total += counts[c];
    if (total == 0) return NAN;
    for (int32_t c = 0; c < classes; c++) {
        if (counts[c] == 0) continue;
        double share = (double)counts[c] / (double)total;
        sum -= share * log(share);
    }
    return sum;
}

/* ---- predicted classes ---- */

static int32_t first_largest(const float *z, int32_t classes) {
    int32_t best = 0;
    bool finite = true;
    for (int32_t c = 0; c < classes; c++) {
        finite &= isfinite(z[c]) != 0;
        if (z[c] > z[best]) best = c;
    }
    return finite ? best : -1;
}

/* The logit of a probability: σ(z) ≥ threshold is asked as z ≥ cut, which has no rounding at .5. */
static double cut_of(double threshold) {
    return log(threshold) - log1p(-threshold);
}

static int32_t side_of_cut(float z, double cut) {
    if (!isfinite(z)) return -1;
    return (double)z >= cut;
}

int32_t bal_predict_class(bal_head_kind kind, const float *logits, int32_t classes,
                          double threshold) {
    if (kind == BAL_HEAD_BINARY) return side_of_cut(logits[0], cut_of(threshold));
    return first_largest(logits, classes);
}

/* ---- rows ---- */

/* Σ (p − [label])² as the plain sum over classes has it, or halved for two classes: Brier's score
 * counts both, the usual binary form only the positive one. */
static double brier_scale(int32_t classes) {
    return classes == 2 ? 0.5 : 1;
}

/* Shapes  z [C]; e [C] scratch; mean [C] gets the row's probabilities added. */
static void fill_classes_row(bal_scores *scores, int64_t i, double *e) {
    int32_t classes = scores->classes, label = scores->labels[i];
    const float *z = scores->outputs + i * classes;
    int32_t best = first_largest(z, classes);
    scores->prediction[i] = best;
    if (best < 0) return;

    double max = z[best], sum = 0, shifted = 0, squares = 0;
    for (int32_t c = 0; c < classes; c++) {
        double d = (double)z[c] - max;
        e[c] = exp(d);
        sum += e[c];
        shifted += e[c] * d;
        squares += e[c] * e[c];
    }
    double scale = 1 / sum, p = e[label] * scale;
    double others = fmax(squares - e[label] * e[label], 0) * scale * scale;
    double log_sum = log(sum);
    scores->row[i] = (bal_row_score){
        .log_sum = log_sum,
        .nll = log_sum - ((double)z[label] - max),
        .square = brier_scale(classes) * (others + (1 - p) * (1 - p)),
        .top = scale,
        /* −Σ p log p with log p = d − log Σ and Σ p = 1 */
        .entropy = log_sum - shifted * scale,
        .top_right = best == label,
    };
    for (int32_t c = 0; c < classes; c++)
        scores->mean->p[c] += e[c] * scale;
}

static void fill_binary_row(bal_scores *scores, int64_t i, double cut) {
    scores->prediction[i] = side_of_cut(scores->outputs[i], cut);
    if (scores->prediction[i] < 0) return;
    double z = scores->outputs[i], p1 = bal_sigmoid_of(z), p0 = bal_sigmoid_of(-z);
    int32_t label = scores->labels[i];
    double wrong = label == 1 ? p0 : p1; /* probability of the class that is not the label */
    scores->row[i] = (bal_row_score){
        .nll = bal_softplus_of(label == 1 ? -z : z),
        .square = wrong * wrong,
        .top = fmax(p0, p1),
        .entropy = p1 * bal_softplus_of(-z) + p0 * bal_softplus_of(z),
        .top_right = (z >= 0) == (label == 1),
    };
    scores->mean->p[0] += p0;
    scores->mean->p[1] += p1;
}

static void fill_value_row(bal_scores *scores, int64_t i) {
    const float *output = scores->outputs + i * scores->columns;
    scores->prediction[i] = first_largest(output, scores->columns) < 0 ? -1 : 0;
}

static void scale_mean(bal_scores *scores, int64_t rows) {
    for (int32_t c = 0; c < scores->classes; c++)
        scores->mean->p[c] /= (double)rows; /* NaN without rows */
    scores->mean->known = true;
}

void bal_scores_fill_rows(bal_scores *scores, double *scratch) {
    double cut = scores->kind == BAL_HEAD_BINARY ? cut_of(scores->threshold) : 0;
    int64_t predicted = 0;
    for (int64_t i = 0; i < scores->rows; i++) {
        if (scores->kind == BAL_HEAD_CLASSES)
            fill_classes_row(scores, i, scratch);
        else if (scores->kind == BAL_HEAD_BINARY)
            fill_binary_row(scores, i, cut);
        else
            fill_value_row(scores, i);
        predicted += scores->prediction[i] >= 0;
    }
    if (scores->mean) scale_mean(scores, predicted);
}

void bal_scores_fill_prior_rows(bal_scores *scores) {
    const double *prior = scores->prior;
    int32_t classes = scores->classes, best = 0;
    double squares = 0;
    for (int32_t c = 0; c < classes; c++) {
        if (prior[c] > prior[best]) best = c;
        squares += prior[c] * prior[c];
        scores->mean->p[c] = prior[c];
    }
    scores->mean->known = true;
    double entropy = bal_entropy(prior, classes);
    bool positive = prior[1] >= scores->threshold;
    int32_t predicted = scores->kind == BAL_HEAD_BINARY ? positive : best;
    for (int64_t i = 0; i < scores->rows; i++) {
        double p = prior[scores->labels[i]];
        double others = fmax(squares - p * p, 0);
        scores->prediction[i] = predicted;
        scores->row[i] = (bal_row_score){
            .nll = -log(p), /* infinite for a class that training never showed */
            .square = brier_scale(classes) * (others + (1 - p) * (1 - p)),
            .top = prior[best],
            .entropy = entropy,
            .top_right = best == scores->labels[i],
        };
    }
}

/* ---- entropies ---- */

/* Add weight × p of a row to mean [C]. */
static void add_probabilities(const bal_scores *scores, int64_t i, double weight, double *mean) {
    if (!scores->outputs) {
        for (int32_t c = 0; c < scores->classes; c++)
            mean[c] += weight * scores->prior[c];
    } else if (scores->kind == BAL_HEAD_BINARY) {
        mean[0] += weight * bal_sigmoid_of(-(double)scores->outputs[i]);
        mean[1] += weight * bal_sigmoid_of(scores->outputs[i]);
    } else {
        const float *z = scores->outputs + i * scores->classes;
        double max = z[scores->prediction[i]], log_sum = scores->row[i].log_sum;
        for (int32_t c = 0; c < scores->classes; c++)
            mean[c] += weight * exp((double)z[c] - max - log_sum);
    }
}

static void compute_mean(const bal_scores *scores) {
    bal_mean_probability *mean = scores->mean;
    double rows = 0;
    for (int32_t c = 0; c < scores->classes; c++)
        mean->p[c] = 0;
    for (int64_t i = 0; i < scores->rows; i++) {
        double weight = bal_row_weight(scores, i);
        if (weight == 0 || scores->prediction[i] < 0) continue;
        add_probabilities(scores, i, weight, mean->p);
        rows += weight;
    }
    for (int32_t c = 0; c < scores->classes; c++)
        mean->p[c] /= rows;
    mean->known = true;
}

void bal_scores_entropies(const bal_scores *scores, double *ret_of_mean, double *ret_mean) {
    double rows = 0, sum = 0, of_mean = NAN;
    if (scores->kind != BAL_HEAD_VALUE) {
        for (int64_t i = 0; i < scores->rows; i++) {
            if (scores->prediction[i] < 0) continue;
            double weight = bal_row_weight(scores, i);
            sum += weight * scores->row[i].entropy;
            rows += weight;
        }
        if (!scores->mean->known) compute_mean(scores);
        if (rows > 0) of_mean = bal_entropy(scores->mean->p, scores->classes);
    }
    *ret_of_mean = of_mean;
    *ret_mean = rows > 0 ? sum / rows : NAN;
}

double bal_scores_mean_probability(const bal_scores *scores, int32_t class_id) {
    if (scores->kind == BAL_HEAD_VALUE) return NAN;
    if (!scores->mean->known) compute_mean(scores);
    return scores->mean->p[class_id];
}
