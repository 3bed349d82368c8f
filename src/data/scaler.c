/* Feature scaling. Two passes in double per feature: the textbook one-pass formula loses everything when the
 * mean is large beside the spread. See data/scaler.h. */
#include "data/scaler.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

static bal_status allocate(bal_scaler *scaler, const char *kind, int32_t features, bal_error *err) {
    *scaler = (bal_scaler){.features = features};
    snprintf(scaler->kind, sizeof scaler->kind, "%s", kind);
    scaler->shift = bal_calloc((size_t)features, sizeof(float));
    scaler->scale = bal_calloc((size_t)features, sizeof(float));
    scaler->fill = bal_calloc((size_t)features, sizeof(float));
    if (scaler->shift && scaler->scale && scaler->fill) return BAL_OK;
    bal_scaler_release(scaler);
    return bal_fail_memory(err, (size_t)features * sizeof(float));
}

/** Running sums per feature, swept row by row so that memory is read in order. */
typedef struct column_sums {
    double *sum, *squares, *low, *high;
    int64_t *count;
} column_sums;

static void sweep_means(column_sums *sums, const float *x, int32_t features, const int64_t *rows,
                        int64_t n_rows) {
    for (int64_t i = 0; i < n_rows; i++) {
        const float *row = x + rows[i] * features;
        for (int32_t j = 0; j < features; j++) {
            double value = row[j];
            if (isnan(value)) continue;
            sums->sum[j] += value;
            sums->count[j]++;
            if (value < sums->low[j]) sums->low[j] = value;
            if (value > sums->high[j]) sums->high[j] = value;
        }
    }
}

static void sweep_squares(column_sums *sums, const float *x, int32_t features, const int64_t *rows,
                          int64_t n_rows) {
    for (int64_t i = 0; i < n_rows; i++) {
        const float *row = x + rows[i] * features;
        for (int32_t j = 0; j < features; j++) {
            if (isnan(row[j])) continue;
            double distance = row[j] - sums->sum[j] / (double)sums->count[j];
            sums->squares[j] += distance * distance;
        }
    }
}

static bal_status settle(bal_scaler *scaler, const column_sums *sums, const char *const *names,
                         bal_error *err) {
    for (int32_t j = 0; j < scaler->features; j++) {
        if (sums->count[j] == 0)
            return bal_fail(err, BAL_EDATA,
                            "feature '%s' has no value in the training rows; leave the column out",
                            names ? names[j] : "?");
        double mean = sums->sum[j] / (double)sums->count[j];
        double spread = sqrt(sums->squares[j] / (double)sums->count[j]);
        double range = sums->high[j] - sums->low[j];
        bool constant = range == 0;
        scaler->constant += constant;
        scaler->fill[j] = (float)mean;
        scaler->scale[j] = 1;
        if (strcmp(scaler->kind, "standard") == 0) {
            scaler->shift[j] = (float)mean;
            if (!constant && (float)spread > 0) scaler->scale[j] = (float)spread;
        } else if (strcmp(scaler->kind, "minmax") == 0) {
            scaler->shift[j] = (float)sums->low[j];
            if (!constant && (float)range > 0) scaler->scale[j] = (float)range;
        }
    }
    return BAL_OK;
}

bal_status bal_scaler_fit(bal_scaler *scaler, const char *kind, const float *x, int32_t features,
                          const int64_t *rows, int64_t n_rows, const char *const *names,
                          bal_error *err) {
    bal_scaler fitted;
    size_t n = (size_t)features;
    BAL_TRY(allocate(&fitted, kind, features, err));
    double *block = bal_calloc(n, 4 * sizeof *block);
    int64_t *count = bal_calloc(n, sizeof *count);
    bal_status status = BAL_OK;
    if (!block || !count) {
        status = bal_fail_memory(err, n * 4 * sizeof *block);
        goto out;
    }
    column_sums sums = {block, block + n, block + 2 * n, block + 3 * n, count};
    for (size_t j = 0; j < n; j++) {
        sums.low[j] = INFINITY;
        sums.high[j] = -INFINITY;
    }
    sweep_means(&sums, x, features, rows, n_rows);
    sweep_squares(&sums, x, features, rows, n_rows);
    status = settle(&fitted, &sums, names, err);
out:
    bal_free(block);
    bal_free(count);
    if (status == BAL_OK)
        *scaler = fitted;
    else
        bal_scaler_release(&fitted);
    return status;
}

bal_status bal_scaler_set(bal_scaler *scaler, const char *kind, int32_t features,
                          const float *shift, const float *scale, const float *fill,
                          bal_error *err) {
    size_t bytes = (size_t)features * sizeof(float);
    BAL_TRY(allocate(scaler, kind, features, err));
    memcpy(scaler->shift, shift, bytes);
    memcpy(scaler->scale, scale, bytes);
    memcpy(scaler->fill, fill, bytes);
    return BAL_OK;
}

void bal_scaler_apply(const bal_scaler *scaler, float *x, int64_t n_rows) {
    for (int64_t i = 0; i < n_rows; i++) {
        float *row = x + i * scaler->features;
        for (int32_t j = 0; j < scaler->features; j++) {
            float value = isnan(row[j]) ? scaler->fill[j] : row[j];
            row[j] = (value - scaler->shift[j]) / scaler->scale[j];
        }
    }
}

void bal_scaler_release(bal_scaler *scaler) {
    bal_free(scaler->shift);
    bal_free(scaler->scale);
    bal_free(scaler->fill);
    *scaler = (bal_scaler){0};
}
