/* Features of a series. See data/series_compute.h.
 *
 * Statistics of the last w values, without adding new values to a running sum and taking old ones
 * off, which drifts and lets values from before the window linger in the last bits: the series is
 * cut into blocks of w, and a window is the end of one block and the beginning of the next. Both
 * are known for every place after one sweep backwards and one forwards (van Herk 1992, Gil & Werman
 * 1993, there for maxima), and are joined: count, mean and sum of squared deviations by the rule of
 * Chan, Golub & LeVeque 1979, minima and maxima by themselves. */
#include "data/series_compute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* ---- means, deviations, extremes ---- */

/** What is known of some values. */
typedef struct moments {
    double n, mean, squares, low, high; /* squares: of deviations from the mean, summed */
} moments;

static moments moments_of(double value) {
    return (moments){1, value, 0, value, value};
}

static moments join(moments a, moments b) {
    double n = a.n + b.n, distance = b.mean - a.mean;
    return (moments){n, a.mean + distance * b.n / n,
                     a.squares + b.squares + distance * distance * a.n * b.n / n,
                     fmin(a.low, b.low), fmax(a.high, b.high)};
}

static double statistic(const bal_series_feature *feature, const moments *known) {
    switch (feature->measure) {
    case BAL_SERIES_MEAN:
        return known->mean;
    case BAL_SERIES_STD:
        /* Equal values have none, whatever rounding makes of their mean. */
        return known->low == known->high ? 0 : sqrt(known->squares / known->n);
    case BAL_SERIES_MIN:
        return known->low;
    default:
        return known->high;
    }
}

static bal_status compute_moments(const bal_series_values *values,
                                  const bal_series_feature *feature, int64_t rows, float *x,
                                  int64_t stride, bal_error *err) {
    int64_t n = values->count, w = feature->length;
    moments *head = bal_calloc((size_t)n, sizeof *head); /* of the block up to here */
    moments *tail = bal_calloc((size_t)n, sizeof *tail); /* of the block from here on */
    bal_status status = BAL_OK;
    if (!head || !tail) {
        status = bal_fail_memory(err, (size_t)n * sizeof *head);
        goto out;
    }
    for (int64_t i = 0; i < n; i++) {
        head[i] = moments_of(values->scaled[i]);
        if (i % w != 0) head[i] = join(head[i - 1], head[i]);
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        tail[i] = moments_of(values->scaled[i]);
        if (i % w != w - 1 && i + 1 < n) tail[i] = join(tail[i], tail[i + 1]);
    }
    for (int64_t row = 0; row < rows; row++) {
        int64_t end = values->window + row, start = end - w;
        /* Where the window is a block, or begins one block and ends in the next; the first is
         * whole then, even when the series ends within the other. */
        moments known = start % w == 0 ? head[end - 1] : join(tail[start], head[end - 1]);
        x[row * stride] = (float)statistic(feature, &known);
    }
out:
    bal_free(head);
    bal_free(tail);
    return status;
}

/* ---- quantiles ---- */

/** The values of a window by rank among all values, in a tree of counts (Fenwick 1994). Ranks see
 *  the whole series, answers are values of the window. */
typedef struct rank_tree {
    const double *value;
    int64_t n;
    int64_t *rank;    /* [n] of value i, from 1; equal values by place */
    int64_t *by_rank; /* [n + 1] the value of a rank */
    int64_t *counts;  /* [n + 1] */
    int64_t top;      /* the largest power of 2 up to n */
} rank_tree;

typedef struct ranked_value {
    double value;
    int64_t index;
} ranked_value;

static int compare_ranked(const void *left, const void *right) {
    const ranked_value *a = left, *b = right;
    if (a->value != b->value) return a->value < b->value ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static void ranks_release(rank_tree *ranks) {
    bal_free(ranks->rank);
    bal_free(ranks->by_rank);
    bal_free(ranks->counts);
}

static bal_status ranks_init(rank_tree *ranks, const double *value, int64_t n, bal_error *err) {
    size_t size = (size_t)n + 1;
    ranked_value *sorted = bal_calloc(size, sizeof *sorted);
    ranks->value = value;
    ranks->n = n;
    ranks->rank = bal_calloc(size, sizeof *ranks->rank);
    ranks->by_rank = bal_calloc(size, sizeof *ranks->by_rank);
    ranks->counts = bal_calloc(size, sizeof *ranks->counts);
    for (ranks->top = 1; ranks->top * 2 <= n;)
        ranks->top *= 2;
    bool good = sorted && ranks->rank && ranks->by_rank && ranks->counts;
    for (int64_t i = 0; good && i < n; i++)
        sorted[i] = (ranked_value){value[i], i};
    if (good) qsort(sorted, (size_t)n, sizeof *sorted, compare_ranked);
    for (int64_t r = 1; good && r <= n; r++) {
        ranks->by_rank[r] = sorted[r - 1].index;
        ranks->rank[sorted[r - 1].index] = r;
    }
    bal_free(sorted);
    return good ? BAL_OK : bal_fail_memory(err, size * sizeof *sorted);
}

static void ranks_add(rank_tree *ranks, int64_t index, int64_t by) {
    for (int64_t r = ranks->rank[index]; r <= ranks->n; r += r & -r)
        ranks->counts[r] += by;
}

/** The k-th smallest value in the tree, k from 0. */
static double ranks_find(const rank_tree *ranks, int64_t k) {
    int64_t r = 0;
    for (int64_t step = ranks->top; step > 0; step /= 2)
        if (r + step <= ranks->n && ranks->counts[r + step] <= k) {
            r += step;
            k -= ranks->counts[r];
        }
    return ranks->value[ranks->by_rank[r + 1]];
}

/* Linear between order statistics: type 7 of Hyndman & Fan 1996, the usual one. */
static double quantile(const rank_tree *ranks, double level, int64_t n) {
    double at = level * (double)(n - 1), below = floor(at);
    double low = ranks_find(ranks, (int64_t)below);
    if (at == below) return low;
    double high = ranks_find(ranks, (int64_t)below + 1);
    return low + (at - below) * (high - low);
}

static bal_status compute_quantile(const bal_series_values *values,
                                   const bal_series_feature *feature, int64_t rows, float *x,
                                   int64_t stride, bal_error *err) {
    double level = feature->measure == BAL_SERIES_MEDIAN ? 0.5 : feature->level;
    int64_t w = feature->length, first = values->window - w;
    rank_tree ranks = {0};
    bal_status status = ranks_init(&ranks, values->scaled, values->count, err);
    for (int64_t i = first; status == BAL_OK && i < first + w - 1; i++)
        ranks_add(&ranks, i, 1);
    for (int64_t row = 0; status == BAL_OK && row < rows; row++) {
        if (row > 0) ranks_add(&ranks, first + row - 1, -1);
        ranks_add(&ranks, first + row + w - 1, 1);
        x[row * stride] = (float)quantile(&ranks, level, w);
    }
    ranks_release(&ranks);
    return status;
}

/* ---- lags and thresholds ---- */

static void compute_lag(const bal_series_values *values, const bal_series_feature *feature,
                        int64_t rows, float *x, int64_t stride) {
    for (int64_t row = 0; row < rows; row++)
        x[row * stride] = (float)values->scaled[values->window + row - feature->length];
}

static bool is_on_side(const bal_series_feature *feature, double value) {
    return (value < feature->level) == feature->below;
}

/** How far back the last value is that is on the side, or not; at most `window`, else one more. */
static void compute_last(const bal_series_values *values, const bal_series_feature *feature,
                         bool on_side, int64_t rows, float *x, int64_t stride) {
    int64_t last = -1, window = values->window;
    bool streak = feature->measure == BAL_SERIES_STREAK;
    for (int64_t end = 1; end < window + rows; end++) {
        if (is_on_side(feature, values->value[end - 1]) == on_side) last = end - 1;
        if (end < window) continue;
        int64_t ago = last >= end - window ? end - last : window + 1;
        x[(end - window) * stride] = (float)(streak ? ago - 1 : ago);
    }
}

static void compute_share(const bal_series_values *values, const bal_series_feature *feature,
                          int64_t rows, float *x, int64_t stride) {
    int64_t window = values->window, w = feature->length, n = 0;
    for (int64_t end = 1; end < window + rows; end++) {
        n += is_on_side(feature, values->value[end - 1]);
        if (end > w) n -= is_on_side(feature, values->value[end - 1 - w]);
        if (end >= window) x[(end - window) * stride] = (float)((double)n / (double)w);
    }
}

bal_status bal_series_compute(const bal_series_values *values, const bal_series_feature *feature,
                              int64_t rows, float *ret_x, int64_t stride, bal_error *err) {
    switch (feature->measure) {
    case BAL_SERIES_LAG:
        compute_lag(values, feature, rows, ret_x, stride);
        return BAL_OK;
    case BAL_SERIES_MEDIAN:
    case BAL_SERIES_QUANTILE:
        return compute_quantile(values, feature, rows, ret_x, stride, err);
    case BAL_SERIES_SINCE:
        compute_last(values, feature, true, rows, ret_x, stride);
        return BAL_OK;
    case BAL_SERIES_STREAK:
        compute_last(values, feature, false, rows, ret_x, stride);
        return BAL_OK;
    case BAL_SERIES_SHARE:
        compute_share(values, feature, rows, ret_x, stride);
        return BAL_OK;
    default:
        return compute_moments(values, feature, rows, ret_x, stride, err);
    }
}
