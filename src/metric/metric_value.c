/* Errors of value heads. For K outputs each figure is computed per output over its known targets,
 * then averaged over the outputs where it is defined, as scikit-learn's uniform average. */
#include "metric/metric_table.h"
#include "metric/scores.h"

/* Weighted sums of one output, taken in two passes: moments about the means, because differences of
 * raw moments lose the digits that R² and correlation are made of. */
typedef struct value_sums {
    double n;
    double mean_target, mean_output;
    double absolute, squared;                         /* of the errors, summed */
    double spread_target, spread_output, spread_both; /* about the means, summed */
    bool varying_target, varying_output;              /* by comparison: spreads have rounding */
} value_sums;

/* One known pair of a row; false where the target is unknown or the row does not count. */
static bool pair_of(const bal_scores *scores, int64_t row, int32_t k, double *ret_weight,
                    double *ret_target, double *ret_output) {
    *ret_weight = bal_row_weight(scores, row);
    *ret_target = scores->targets[row * scores->columns + k];
    *ret_output = bal_scores_value(scores, row, k);
    return *ret_weight > 0 && !isnan(*ret_target);
}

static void add_errors(const bal_scores *scores, int32_t k, value_sums *s) {
    double weight, target, output, first_target = NAN, first_output = NAN;
    for (int64_t i = 0; i < scores->rows; i++) {
        if (!pair_of(scores, i, k, &weight, &target, &output)) continue;
        if (isnan(first_target)) {
            first_target = target;
            first_output = output;
        }
        s->varying_target |= target != first_target;
        s->varying_output |= output != first_output;
        s->mean_target += weight * target;
        s->mean_output += weight * output;
        s->absolute += weight * fabs(output - target);
        s->squared += weight * (output - target) * (output - target);
    }
    s->mean_target /= s->n;
    s->mean_output /= s->n;
}

static void add_spreads(const bal_scores *scores, int32_t k, value_sums *s) {
    double weight, target, output;
    for (int64_t i = 0; i < scores->rows; i++) {
        if (!pair_of(scores, i, k, &weight, &target, &output)) continue;
        double t = target - s->mean_target, o = output - s->mean_output;
        s->spread_target += weight * t * t;
        s->spread_output += weight * o * o;
        s->spread_both += weight * t * o;
    }
}

static value_sums sums_of(const bal_scores *scores, int32_t k) {
    value_sums s = {.n = (double)scores->support[k]};
    if (s.n == 0) return s;
    add_errors(scores, k, &s);
    add_spreads(scores, k, &s);
    return s;
}

/* Mean over outputs of `of`, which answers NaN where it is not defined. */
static double mean_output(const bal_scores *scores, double (*of)(const value_sums *),
                          const char *undefined, const char **ret_reason) {
    if (!bal_scores_has_values(scores, ret_reason)) return NAN;
    double sum = 0;
    int32_t defined = 0;
    for (int32_t k = 0; k < scores->columns; k++) {
        value_sums s = sums_of(scores, k);
        double value = s.n > 0 ? of(&s) : NAN;
        if (isnan(value)) continue;
        sum += value;
        defined++;
    }
    return defined ? sum / defined : bal_undefined(ret_reason, undefined);
}

static const char constant_target[] = "the targets are constant";

static double mae_of(const value_sums *s) {
    return s->absolute / s->n;
}

static double mse_of(const value_sums *s) {
    return s->squared / s->n;
}

static double rmse_of(const value_sums *s) {
    return sqrt(s->squared / s->n);
}

static double r2_of(const value_sums *s) {
    return s->varying_target ? 1 - s->squared / s->spread_target : NAN;
}

static double correlation_of(const value_sums *s) {
    if (!s->varying_target || !s->varying_output) return NAN;
    return s->spread_both / (sqrt(s->spread_target) * sqrt(s->spread_output));
}

static double mae(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    return mean_output(scores, mae_of, "", ret_reason);
}

const bal_metric bal_metric_mae = {
    .name = "mae",
    .summary = "mean absolute error",
    .source = "",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_VALUE),
    .better = -1,
    .cheap = true,
    .compute = mae,
};

static double mse(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    return mean_output(scores, mse_of, "", ret_reason);
}

const bal_metric bal_metric_mse = {
    .name = "mse",
    .summary = "mean squared error",
    .source = "",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_VALUE),
    .better = -1,
    .cheap = true,
    .compute = mse,
};

static double rmse(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    return mean_output(scores, rmse_of, "", ret_reason);
}

const bal_metric bal_metric_rmse = {
    .name = "rmse",
    .summary = "root of the mean squared error",
    .source = "",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_VALUE),
    .better = -1,
    .cheap = true,
    .compute = rmse,
};

static double r2(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    return mean_output(scores, r2_of, constant_target, ret_reason);
}

const bal_metric bal_metric_r2 = {
    .name = "r2",
    .summary = "1 - squared error / squared deviation of the targets from their mean",
    .source = "",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_VALUE),
    .better = 1,
    .cheap = true,
    .compute = r2,
};

static double correlation(const bal_scores *scores, int32_t class_id, const char **ret_reason) {
    return mean_output(scores, correlation_of, "the targets or the predictions are constant",
                       ret_reason);
}

const bal_metric bal_metric_correlation = {
    .name = "correlation",
    .summary = "Pearson correlation of targets and predictions",
    .source = "Pearson 1895",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_VALUE),
    .better = 1,
    .cheap = true,
    .compute = correlation,
};

bool bal_scores_value_moments(const bal_scores *scores, int32_t output,
                              bal_value_moments *ret_moments) {
    if (!bal_scores_has_values(scores, NULL) || scores->support[output] == 0) return false;
    value_sums s = sums_of(scores, output);
    *ret_moments = (bal_value_moments){
        .rows = s.n,
        .mean_target = s.mean_target,
        .mean_output = s.mean_output,
        .spread_target = s.varying_target ? sqrt(s.spread_target / s.n) : 0,
        .spread_output = s.varying_output ? sqrt(s.spread_output / s.n) : 0,
        .correlation = correlation_of(&s),
    };
    return true;
}
