/* Calibration, skill, chance. See train/signal_score.h. */
#include "train/signal_score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum {
    RESAMPLES = 2000,
    PERMUTATIONS_MOST = 9999,
    PERMUTATIONS_LEAST = 999,
    MATCHING_ROUNDS = 30, /* of the offsets, at most */
    NARROWING = 12        /* golden sections of the sharpness */
};
static const double gathers_at_most = 1e8; /* rows × permutations: about a second */
static const double matched = 1e-5;        /* relative, of mean forecast and prior */

/* ---- truth ---- */

static bool is_known(const bal_head_data *head, int64_t row) {
    if (head->labels) return head->labels[row] >= 0;
    for (int32_t k = 0; k < head->outputs; k++)
        if (isnan(head->targets[row * head->outputs + k])) return false;
    return true;
}

static void fill_prior(bal_signal_truth *truth) {
    const bal_head_data *head = truth->head;
    double total = 0;
    for (int32_t c = 0; c < truth->width; c++)
        total += (double)head->train_counts[c];
    for (int32_t c = 0; c < truth->width; c++)
        truth->prior[c] = head->labels ? ((double)head->train_counts[c] + 0.5) /
                                             (total + 0.5 * (double)truth->width)
                                       : head->prior[c];
}

/** Rounded as a forecast is, so that a forecast that is the prior has a skill of exactly 0. */
static void fill_rows(bal_signal_truth *truth, const int64_t *rows, int64_t n_rows) {
    const bal_head_data *head = truth->head;
    size_t width = (size_t)truth->width;
    int64_t at = 0;
    for (int64_t i = 0; i < n_rows; i++) {
        if (!is_known(head, rows[i])) continue;
        truth->index[at] = i;
        if (head->labels) {
            truth->labels[at] = head->labels[rows[i]];
            truth->prior_loss[at] = -(double)(float)log(truth->prior[truth->labels[at]]);
        } else {
            const float *target = head->targets + (size_t)rows[i] * width;
            memcpy(truth->targets + (size_t)at * width, target, width * sizeof *target);
            for (size_t k = 0; k < width; k++) {
                double error = (double)(float)truth->prior[k] - (double)target[k];
                truth->prior_loss[at] += error * error;
            }
        }
        at++;
    }
}

bal_status bal_signal_truth_init(bal_signal_truth *truth, const bal_head_data *head,
                                 const int64_t *rows, int64_t n_rows, bal_error *err) {
    *truth = (bal_signal_truth){
        .head = head,
        .width = head->labels ? head->classes.count : head->outputs,
    };
    for (int64_t i = 0; i < n_rows; i++)
        truth->n += is_known(head, rows[i]);
    size_t n = (size_t)truth->n, width = (size_t)truth->width;
    truth->index = bal_calloc(n, sizeof *truth->index);
    if (head->labels)
        truth->labels = bal_calloc(n, sizeof *truth->labels);
    else
        truth->targets = bal_calloc(n * width, sizeof *truth->targets);
    truth->prior = bal_calloc(width, sizeof *truth->prior);
    truth->prior_loss = bal_calloc(n, sizeof *truth->prior_loss);
    truth->row = bal_calloc(width, sizeof *truth->row);
    truth->mean = bal_calloc(width, sizeof *truth->mean);
    if (!truth->index || (!truth->labels && !truth->targets) || !truth->prior ||
        !truth->prior_loss || !truth->row || !truth->mean) {
        bal_signal_truth_release(truth);
        return bal_fail_memory(err, n * width * sizeof(double));
    }
    fill_prior(truth);
    fill_rows(truth, rows, n_rows);
    return BAL_OK;
}

void bal_signal_truth_release(bal_signal_truth *truth) {
    bal_free(truth->index);
    bal_free(truth->labels);
    bal_free(truth->targets);
    bal_free(truth->prior);
    bal_free(truth->prior_loss);
    bal_free(truth->row);
    bal_free(truth->mean);
    *truth = (bal_signal_truth){0};
}

/* ---- forecasts ---- */

/** Log probabilities of one row: softmax of a·z + offset, where a binary head's z is {0, z}, with
 * the prior's share mixed in. */
static void log_probabilities(const bal_signal_truth *truth, const bal_calibration *calibration,
                              const float *output, double *ret_log) {
    bool binary = truth->head->outputs == 1;
    double largest = -INFINITY, sum = 0;
    for (int32_t c = 0; c < truth->width; c++) {
        double z = binary ? (c == 0 ? 0 : (double)output[0]) : (double)output[c];
        ret_log[c] = calibration->sharpness * z + calibration->offset[c];
        if (ret_log[c] > largest) largest = ret_log[c];
    }
    for (int32_t c = 0; c < truth->width; c++) {
        ret_log[c] = exp(ret_log[c] - largest);
        sum += ret_log[c];
    }
    double model = (1 - calibration->share) / sum;
    for (int32_t c = 0; c < truth->width; c++)
        ret_log[c] = log(model * ret_log[c] + calibration->share * truth->prior[c]);
}

static bool is_finite_row(const bal_signal_truth *truth, const float *output) {
    for (int32_t k = 0; k < truth->head->outputs; k++)
        if (!isfinite(output[k])) return false;
    return true;
}

static const float *output_of(const bal_signal_truth *truth, const float *outputs, int64_t i) {
    return outputs + truth->index[i] * truth->head->outputs;
}

void bal_forecast(const bal_signal_truth *truth, const bal_calibration *calibration,
                  const float *outputs, float *ret_forecast) {
    for (int64_t i = 0; i < truth->n; i++) {
        const float *output = output_of(truth, outputs, i);
        float *forecast = ret_forecast + i * truth->width;
        bool usable = calibration->sharpness > 0 && is_finite_row(truth, output);
        if (usable && truth->labels) log_probabilities(truth, calibration, output, truth->row);
        for (int32_t c = 0; c < truth->width; c++) {
            double value;
            if (truth->labels)
                value = usable ? truth->row[c] : log(truth->prior[c]);
            else
                value = truth->prior[c] + (usable ? calibration->sharpness *
                                                        ((double)output[c] - calibration->offset[c])
                                                  : 0);
            forecast[c] = (float)value;
        }
    }
}

/** Loss of forecast row i for the label or target of row `from`. */
static inline double loss_of(const bal_signal_truth *truth, const float *forecast, int64_t i,
                             int64_t from) {
    const float *row = forecast + i * truth->width;
    if (truth->labels) return -(double)row[truth->labels[from]];
    double sum = 0;
    for (int32_t k = 0; k < truth->width; k++) {
        double error = (double)row[k] - (double)truth->targets[from * truth->width + k];
        sum += error * error;
    }
    return sum;
}

double bal_forecast_skill(const bal_signal_truth *truth, const float *forecast, double *ret_loss) {
    double sum = 0, prior = 0;
    for (int64_t i = 0; i < truth->n; i++) {
        double loss = loss_of(truth, forecast, i, i);
        if (ret_loss) ret_loss[i] = loss;
        sum += loss;
        prior += truth->prior_loss[i];
    }
    return prior > 0 ? 1 - sum / prior : NAN;
}

/* ---- calibration of classes ---- */

/** Move the offsets until the mean forecast is the prior: each round multiplies a class by what it
 *  lacks (iterative proportional fitting). Returns the skill on these rows. */
static double match_prior(const bal_signal_truth *truth, bal_calibration *calibration,
                          const float *outputs) {
    double loss = 0, prior = 0;
    for (int round = 0; round < MATCHING_ROUNDS; round++) {
        double off = 0;
        memset(truth->mean, 0, (size_t)truth->width * sizeof *truth->mean);
        loss = prior = 0;
        for (int64_t i = 0; i < truth->n; i++) {
            log_probabilities(truth, calibration, output_of(truth, outputs, i), truth->row);
            loss -= truth->row[truth->labels[i]];
            prior += truth->prior_loss[i];
            for (int32_t c = 0; c < truth->width; c++)
                truth->mean[c] += exp(truth->row[c]) / (double)truth->n;
        }
        for (int32_t c = 0; c < truth->width; c++) {
            double lack = log(truth->prior[c] / fmax(truth->mean[c], 1e-12));
            off = fmax(off, fabs(lack));
            if (round + 1 < MATCHING_ROUNDS) calibration->offset[c] += lack;
        }
        if (off < matched) break;
    }
    return prior > 0 ? 1 - loss / prior : NAN;
}

static double skill_at(const bal_signal_truth *truth, bal_calibration *calibration,
                       const float *outputs, double log_sharpness) {
    calibration->sharpness = exp(log_sharpness);
    return match_prior(truth, calibration, outputs);
}

/** The sharpness of the greatest skill: a grid from blunt to sharp, then golden sections around its
 *  best point. Offsets go on from one to the next. */
static double calibrate_classes(const bal_signal_truth *truth, bal_calibration *calibration,
                                const float *outputs) {
    static const double golden = 0.6180339887498949;
    const double first = log(1.0 / 64), last = log(32), step = log(4);
    double best = first, best_skill = -INFINITY;
    for (int32_t c = 0; c < truth->width; c++)
        calibration->offset[c] = log(truth->prior[c]);
    for (double at = first; at <= last; at += step) {
        double skill = skill_at(truth, calibration, outputs, at);
        if (skill > best_skill) {
            best_skill = skill;
            best = at;
        } else if (skill < best_skill - 0.5) {
            break; /* far too sharp already */
        }
    }
    double low = best - step, high = best + step;
    double a = high - golden * (high - low), b = low + golden * (high - low);
    double skill_a = skill_at(truth, calibration, outputs, a);
    double skill_b = skill_at(truth, calibration, outputs, b);
    for (int i = 0; i < NARROWING; i++) {
        if (skill_a > skill_b) {
            high = b, b = a, skill_b = skill_a;
            a = high - golden * (high - low);
            skill_a = skill_at(truth, calibration, outputs, a);
        } else {
            low = a, a = b, skill_a = skill_b;
            b = low + golden * (high - low);
            skill_b = skill_at(truth, calibration, outputs, b);
        }
    }
    return skill_at(truth, calibration, outputs, (low + high) / 2);
}

/* ---- calibration of values ---- */

/** Least squares of targets about the prior on outputs about their mean, over all K together. */
static double calibrate_values(const bal_signal_truth *truth, bal_calibration *calibration,
                               const float *outputs) {
    double both = 0, spread = 0, prior = 0;
    for (int32_t k = 0; k < truth->width; k++) {
        double mean = 0, mean_target = 0;
        for (int64_t i = 0; i < truth->n; i++) {
            mean += (double)output_of(truth, outputs, i)[k] / (double)truth->n;
            mean_target += (double)truth->targets[i * truth->width + k] / (double)truth->n;
        }
        calibration->offset[k] = mean;
        for (int64_t i = 0; i < truth->n; i++) {
            double x = (double)output_of(truth, outputs, i)[k] - mean;
            both += x * ((double)truth->targets[i * truth->width + k] - mean_target);
            spread += x * x;
        }
    }
    for (int64_t i = 0; i < truth->n; i++)
        prior += truth->prior_loss[i];
    if (!(spread > 0) || !(both > 0) || !(prior > 0)) return 0;
    calibration->sharpness = both / spread;
    return both * both / spread / prior;
}

double bal_calibrate(const bal_signal_truth *truth, const float *outputs, double *offset,
                     bal_calibration *ret_calibration) {
    bal_calibration calibration = {.offset = offset, .share = 1 / ((double)truth->n + 1)};
    bool finite = truth->n > 0;
    for (int64_t i = 0; i < truth->n && finite; i++)
        finite = is_finite_row(truth, output_of(truth, outputs, i));
    double skill = NAN;
    if (finite)
        skill = truth->labels ? calibrate_classes(truth, &calibration, outputs)
                              : calibrate_values(truth, &calibration, outputs);
    if (!(skill > 0)) calibration.sharpness = 0;
    *ret_calibration = calibration;
    return finite ? fmax(skill, 0) : NAN;
}

/* ---- chance ---- */

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/** Percentile interval over resamples of the units. */
static void bootstrap(const bal_signal_truth *truth, const double *loss, bal_shuffle *shuffle,
                      double level, uint64_t seed, double *skills, uint32_t *weight,
                      bal_chance *chance) {
    int n = 0;
    for (int r = 0; r < RESAMPLES; r++) {
        bal_random random;
        double sum = 0, prior = 0;
        bal_random_init(&random, seed, (uint64_t)r);
        bal_shuffle_resample(shuffle, &random, weight);
        for (int64_t i = 0; i < truth->n; i++) {
            sum += weight[i] * loss[i];
            prior += weight[i] * truth->prior_loss[i];
        }
        if (prior > 0) skills[n++] = 1 - sum / prior;
    }
    chance->low = chance->high = NAN;
    if (n == 0) return;
    qsort(skills, (size_t)n, sizeof *skills, compare_doubles);
    int tail = (int)floor((1 - level) / 2 * n);
    chance->low = skills[tail];
    chance->high = skills[n - 1 - tail];
}

/** Permute labels under a fixed forecast. */
static bal_status permute(const bal_signal_truth *truth, const float *forecast, double total,
                          bal_shuffle *shuffle, uint64_t seed, int (*cancel)(void *user),
                          void *user, int64_t *source, bal_chance *chance, bal_error *err) {
    double wanted = gathers_at_most / (double)(truth->n > 0 ? truth->n : 1);
    int64_t permutations = wanted > PERMUTATIONS_MOST    ? PERMUTATIONS_MOST
                           : wanted < PERMUTATIONS_LEAST ? PERMUTATIONS_LEAST
                                                         : (int64_t)wanted;
    /* A sum in another order differs in its last digits; equal must count as equal. */
    double reach = total + 1e-9 * fabs(total);
    int64_t as_good = 0;
    for (int64_t r = 0; r < permutations; r++) {
        bal_random random;
        double sum = 0;
        if (cancel && r % 64 == 0 && cancel(user))
            return bal_fail(err, BAL_ECANCELED, "cancelled while permuting labels");
        bal_random_init(&random, seed, ((uint64_t)1 << 32) + (uint64_t)r);
        bal_shuffle_permute(shuffle, &random, source);
        for (int64_t i = 0; i < truth->n; i++)
            sum += loss_of(truth, forecast, i, source[i]);
        as_good += sum <= reach;
    }
    chance->permutations = permutations;
    chance->p = (double)(as_good + 1) / (double)(permutations + 1);
    return BAL_OK;
}

bal_status bal_forecast_chance(const bal_signal_truth *truth, const float *forecast,
                               bal_shuffle *shuffle, double level, uint64_t seed,
                               int (*cancel)(void *user), void *user, bal_chance *ret_chance,
                               bal_error *err) {
    size_t n = (size_t)truth->n;
    double *loss = bal_calloc(n, sizeof *loss), *skills = bal_calloc(RESAMPLES, sizeof *skills);
    uint32_t *weight = bal_calloc(n, sizeof *weight);
    int64_t *source = bal_calloc(n, sizeof *source);
    bal_chance chance = {.low = NAN, .high = NAN, .p = 1};
    bal_status status = BAL_OK;
    if (!loss || !skills || !weight || !source) {
        status = bal_fail_memory(err, n * sizeof *source);
        goto out;
    }
    double total = 0;
    bal_forecast_skill(truth, forecast, loss);
    for (size_t i = 0; i < n; i++)
        total += loss[i];
    bootstrap(truth, loss, shuffle, level, seed, skills, weight, &chance);
    BAL_TRY_OUT(permute(truth, forecast, total, shuffle, seed, cancel, user, source, &chance, err));
    *ret_chance = chance;
out:
    bal_free(loss);
    bal_free(skills);
    bal_free(weight);
    bal_free(source);
    return status;
}

double bal_detectable_skill(const bal_signal_truth *truth, int64_t units) {
    static const double reach = 2.576 + 0.842; /* z of a 99 % interval, and of four in five */
    double nats = 0;
    if (units < 1 || truth->n < 1) return 1;
    for (int64_t i = 0; i < truth->n; i++)
        nats += truth->prior_loss[i] / (double)truth->n;
    /* Gaussian: the log ratio per row is −½ log(1 − skill), about half the skill. */
    double per_unit = truth->labels ? 2 * nats : 1;
    return fmin(1, reach * reach / ((double)units * per_unit));
}
