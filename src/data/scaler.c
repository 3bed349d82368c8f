/* Feature scaling. Two passes in double per feature: the textbook one-pass formula loses everything
 * when the mean is large beside the spread. See data/scaler.h. */
#include "data/scaler.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/** What the training rows say of one feature. */
typedef struct feature_facts {
    double mean, deviation, low, high;
} feature_facts;

static void scale_standard(const feature_facts *facts, double *ret_shift, double *ret_scale) {
    *ret_shift = facts->mean;
    *ret_scale = facts->deviation;
}

static void scale_minmax(const feature_facts *facts, double *ret_shift, double *ret_scale) {
    *ret_shift = facts->low;
    *ret_scale = facts->high - facts->low;
}

static void scale_none(const feature_facts *facts, double *ret_shift, double *ret_scale) {
    *ret_shift = 0;
    *ret_scale = 1;
}

typedef void scale_rule(const feature_facts *facts, double *ret_shift, double *ret_scale);

static const struct {
    const char *kind;
    scale_rule *rule;
} rules[] = {{"standard", scale_standard}, {"minmax", scale_minmax}, {"none", scale_none}};

static bal_status find_rule(const char *kind, scale_rule **ret_rule, bal_error *err) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(rules[i].kind, kind) != 0) continue;
        *ret_rule = rules[i].rule;
        return BAL_OK;
    }
    return bal_fail(err, BAL_EDATA, "scaling '%.40s' is none of standard, minmax, none", kind);
}

static bal_status allocate(bal_scaler *scaler, const char *kind, int32_t features, bal_error *err) {
    size_t n = (size_t)features;
    *scaler = (bal_scaler){
        .features = features,
        .shift = bal_calloc(n, sizeof(float)),
        .scale = bal_calloc(n, sizeof(float)),
        .fill = bal_calloc(n, sizeof(float)),
    };
    snprintf(scaler->kind, sizeof scaler->kind, "%s", kind);
    if (scaler->shift && scaler->scale && scaler->fill) return BAL_OK;
    bal_scaler_release(scaler);
    return bal_fail_memory(err, n * sizeof(float));
}

/* ---- fitting ---- */

/** Sums per feature, swept row by row so that memory is read in order. */
typedef struct column_sums {
    double *mean, *squares, *low, *high; /* [features] each, one block; mean is a sum at first */
    int64_t *count;
} column_sums;

static void sweep_means(column_sums *sums, const float *x, size_t features, const int64_t *rows,
                        int64_t n_rows) {
    for (int64_t i = 0; i < n_rows; i++) {
        const float *row = x + (size_t)rows[i] * features;
        for (size_t j = 0; j < features; j++) {
            double value = row[j];
            if (isnan(value)) continue;
            sums->mean[j] += value;
            sums->count[j]++;
            if (value < sums->low[j]) sums->low[j] = value;
            if (value > sums->high[j]) sums->high[j] = value;
        }
    }
    for (size_t j = 0; j < features; j++)
        if (sums->count[j]) sums->mean[j] /= (double)sums->count[j];
}

static void sweep_squares(column_sums *sums, const float *x, size_t features, const int64_t *rows,
                          int64_t n_rows) {
    for (int64_t i = 0; i < n_rows; i++) {
        const float *row = x + (size_t)rows[i] * features;
        for (size_t j = 0; j < features; j++) {
            if (isnan(row[j])) continue;
            double distance = row[j] - sums->mean[j];
            sums->squares[j] += distance * distance;
        }
    }
}

static bal_status settle(bal_scaler *scaler, scale_rule *rule, const column_sums *sums,
                         const char *const *names, bal_error *err) {
    for (int32_t j = 0; j < scaler->features; j++) {
        if (sums->count[j] == 0)
            return bal_fail(err, BAL_EDATA,
                            "feature %d ('%s') has no value in any training row; leave the column "
                            "out (data.ignore)",
                            (int)j + 1, names ? names[j] : "");
        feature_facts facts = {sums->mean[j], sqrt(sums->squares[j] / (double)sums->count[j]),
                               sums->low[j], sums->high[j]};
        double shift, scale;
        bool constant = facts.low == facts.high;
        rule(&facts, &shift, &scale);
        /* A spread below what a float can hold is none. */
        if (constant || scale < (double)FLT_MIN) scale = 1;
        scaler->constant += constant;
        scaler->shift[j] = (float)shift;
        scaler->scale[j] = (float)fmin(scale, (double)FLT_MAX);
        scaler->fill[j] = (float)facts.mean;
    }
    return BAL_OK;
}

/* ---- the interquartile range ---- */

/* Enough rows for an order of magnitude, which is all that is asked of it. */
enum { SAMPLE_MAX = 1000, SAMPLE_MIN = 20 };

static int compare_floats(const void *a, const void *b) {
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

/* Of rows taken at even steps; NaN: too few have a value. */
static double quartile_range_of(const float *column, size_t features, const int64_t *rows,
                                int64_t n_rows, float *sample) {
    int64_t wanted = n_rows < SAMPLE_MAX ? n_rows : SAMPLE_MAX, n = 0;
    for (int64_t i = 0; i < wanted; i++) {
        float value = column[(size_t)rows[i * n_rows / wanted] * features];
        if (isfinite(value)) sample[n++] = value;
    }
    if (n < SAMPLE_MIN) return NAN;
    qsort(sample, (size_t)n, sizeof *sample, compare_floats);
    return (double)sample[n * 3 / 4] - (double)sample[n / 4];
}

static bal_status measure_quartiles(bal_scaler *scaler, const float *x, const int64_t *rows,
                                    int64_t n_rows, bal_error *err) {
    size_t n = (size_t)scaler->features;
    float *sample = bal_calloc(SAMPLE_MAX, sizeof *sample);
    scaler->quartile_range = bal_calloc(n, sizeof *scaler->quartile_range);
    bal_status status = BAL_OK;
    if (sample && scaler->quartile_range) {
        for (size_t j = 0; j < n; j++)
            scaler->quartile_range[j] = quartile_range_of(x + j, n, rows, n_rows, sample);
    } else {
        status = bal_fail_memory(err, n * sizeof *scaler->quartile_range);
    }
    bal_free(sample);
    return status;
}

/* ---- a whole fit ---- */

static bal_status fit(bal_scaler *scaler, scale_rule *rule, const float *x, const int64_t *rows,
                      int64_t n_rows, const char *const *names, bal_error *err) {
    size_t n = (size_t)scaler->features;
    double *block = bal_calloc(n, 4 * sizeof *block);
    int64_t *count = bal_calloc(n, sizeof *count);
    bal_status status;
    if (block && count) {
        column_sums sums = {block, block + n, block + 2 * n, block + 3 * n, count};
        for (size_t j = 0; j < n; j++) {
            sums.low[j] = INFINITY;
            sums.high[j] = -INFINITY;
        }
        sweep_means(&sums, x, n, rows, n_rows);
        sweep_squares(&sums, x, n, rows, n_rows);
        status = settle(scaler, rule, &sums, names, err);
    } else {
        status = bal_fail_memory(err, n * 4 * sizeof *block);
    }
    bal_free(block);
    bal_free(count);
    return status;
}

bal_status bal_scaler_fit(bal_scaler *scaler, const char *kind, const float *x, int32_t features,
                          const int64_t *rows, int64_t n_rows, const char *const *names,
                          bal_error *err) {
    bal_scaler fitted;
    scale_rule *rule;
    BAL_TRY(find_rule(kind, &rule, err));
    BAL_TRY(allocate(&fitted, kind, features, err));
    bal_status status = fit(&fitted, rule, x, rows, n_rows, names, err);
    if (status == BAL_OK) status = measure_quartiles(&fitted, x, rows, n_rows, err);
    if (status == BAL_OK)
        *scaler = fitted;
    else
        bal_scaler_release(&fitted);
    return status;
}

/* ---- saved scalers, and using them ---- */

bal_status bal_scaler_set(bal_scaler *scaler, const char *kind, int32_t features,
                          const float *shift, const float *scale, const float *fill,
                          bal_error *err) {
    bal_scaler made;
    scale_rule *rule;
    BAL_TRY(find_rule(kind, &rule, err));
    for (int32_t j = 0; j < features; j++)
        if (!isfinite(shift[j]) || !isfinite(fill[j]) || !isfinite(scale[j]) || !(scale[j] > 0))
            return bal_fail(err, BAL_EDATA,
                            "feature %d: shift %g, scale %g, fill %g cannot scale; wanted finite "
                            "numbers and a positive scale",
                            (int)j + 1, (double)shift[j], (double)scale[j], (double)fill[j]);
    BAL_TRY(allocate(&made, kind, features, err));
    size_t bytes = (size_t)features * sizeof(float);
    memcpy(made.shift, shift, bytes);
    memcpy(made.scale, scale, bytes);
    memcpy(made.fill, fill, bytes);
    *scaler = made;
    return BAL_OK;
}

/* The difference is taken in double, where it cannot overflow. */
void bal_scaler_apply(const bal_scaler *scaler, float *x, int64_t n_rows) {
    size_t features = (size_t)scaler->features;
    for (int64_t i = 0; i < n_rows; i++) {
        float *row = x + (size_t)i * features;
        for (size_t j = 0; j < features; j++) {
            double value = isnan(row[j]) ? scaler->fill[j] : row[j];
            row[j] = (float)((value - scaler->shift[j]) / scaler->scale[j]);
        }
    }
}

void bal_scaler_release(bal_scaler *scaler) {
    bal_free(scaler->shift);
    bal_free(scaler->scale);
    bal_free(scaler->fill);
    bal_free(scaler->quartile_range);
    *scaler = (bal_scaler){0};
}
