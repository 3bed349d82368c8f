/* Percentile bootstrap intervals (Efron, "Bootstrap methods: another look at the jackknife", 1979).
 *
 * A resample draws as many rows as there are, with replacement, one by one or as the caller draws
 * them: rows that depend on each other must be drawn together, or intervals come out too narrow. It
 * is the same scores with each row weighing as often as it was drawn, so nothing is copied: counts
 * are taken anew, probabilities and rankings stay. Resample number i draws from stream i of the
 * seed, so that more resamples refine an interval and never change the earlier draws. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "metric/scores.h"

/* A view of `scores` with weights and counts of its own in `arena`; everything else is shared. */
static bal_status resample_init(bal_scores *view, bal_arena *arena, const bal_scores *scores,
                                uint32_t **ret_weight, bal_error *err) {
    size_t classes = (size_t)scores->classes, rows = (size_t)scores->rows;
    bool counted = scores->kind != BAL_HEAD_VALUE;
    *view = *scores;
    uint32_t *weight = bal_arena_alloc(arena, rows, sizeof *weight);
    view->support = bal_arena_alloc(arena, classes, sizeof *view->support);
    bool fits = weight && view->support;
    if (fits && counted) {
        view->confusion = bal_arena_alloc(arena, classes * classes, sizeof *view->confusion);
        view->predicted = bal_arena_alloc(arena, classes, sizeof *view->predicted);
        view->mean = bal_arena_alloc(arena, 1, sizeof *view->mean);
        fits = view->confusion && view->predicted && view->mean;
        if (fits) view->mean->p = bal_arena_alloc(arena, classes, sizeof *view->mean->p);
        fits = fits && view->mean->p;
    }
    if (!fits)
        return bal_fail_memory(err, rows * sizeof *weight + classes * classes * sizeof(int64_t));
    view->weight = weight;
    *ret_weight = weight;
    return BAL_OK;
}

static void draw_rows(bal_random *random, uint64_t rows, uint32_t *weight) {
    memset(weight, 0, (size_t)rows * sizeof *weight);
    for (uint64_t i = 0; i < rows; i++)
        weight[bal_random_below(random, rows)]++;
}

static void resample_draw(bal_scores *view, uint32_t *weight, const bal_bootstrap *how,
                          uint64_t number) {
    bal_random random;
    bal_random_init(&random, how->seed, number);
    if (how->draw)
        how->draw(how->user, &random, weight);
    else
        draw_rows(&random, (uint64_t)view->rows, weight);
    if (view->mean) view->mean->known = false;
    bal_scores_count(view);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Quantile of sorted values with linear interpolation between neighbours (Hyndman & Fan's type 7).
 */
static double quantile(const double *sorted, int n, double q) {
    double position = q * (n - 1);
    int below = (int)position;
    if (below >= n - 1) return sorted[n - 1];
    double part = position - below;
    return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

bal_status bal_metric_bootstrap(const bal_metric *metric, const bal_scores *scores,
                                int32_t class_id, const bal_bootstrap *how, double *ret_low,
                                double *ret_high, bal_error *err) {
    int resamples = how->resamples;
    double level = how->level;
    if (resamples < 1)
        return bal_fail(err, BAL_EINVAL, "bootstrap of %s: %d resamples; wanted 1 or more",
                        metric->name, resamples);
    if (!(level >= 0 && level <= 1))
        return bal_fail(err, BAL_EINVAL, "bootstrap of %s: level %g; wanted 0 to 1, such as 0.95",
                        metric->name, level);
    bal_status status = BAL_OK;
    bal_arena arena = {0};
    bal_scores view;
    uint32_t *weight = NULL;
    int n = 0;
    double *values = bal_calloc((size_t)resamples, sizeof *values);
    if (!values) return bal_fail_memory(err, (unsigned long long)resamples * sizeof *values);
    BAL_TRY_OUT(resample_init(&view, &arena, scores, &weight, err));

    for (int i = 0; i < resamples; i++) {
        const char *reason = NULL;
        resample_draw(&view, weight, how, (uint64_t)i);
        double value = metric->compute(&view, class_id, &reason);
        if (reason == bal_metric_no_memory)
            BAL_TRY_OUT(bal_fail_memory(err, (unsigned long long)view.rows * sizeof(uint32_t)));
        if (!isnan(value)) values[n++] = value;
    }
    qsort(values, (size_t)n, sizeof *values, compare_doubles);
    *ret_low = n ? quantile(values, n, (1 - level) / 2) : NAN;
    *ret_high = n ? quantile(values, n, (1 + level) / 2) : NAN;
out:
    bal_arena_release(&arena);
    bal_free(values);
    return status;
}
