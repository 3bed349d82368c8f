/* data/series_compute.c: every feature against its definition, and the promise that the whole data
 * kind stands on: a row knows the values of its window and nothing else, to the last bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "data/series_compute.h"

enum { COUNT = 400, WINDOW = 37, FEATURES_MAX = 200 };

static const int lengths[] = {1, 2, 3, 7, 16, 36, 37};

typedef struct features {
    bal_series_feature items[FEATURES_MAX];
    int n;
} features;

static void add(features *list, bal_series_measure measure, int length, bool below, double level) {
    assert_true(list->n < FEATURES_MAX);
    list->items[list->n++] = (bal_series_feature){NULL, measure, (int32_t)length, below, level};
}

static features all_features(void) {
    features list = {.n = 0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int m = BAL_SERIES_LAG; m <= BAL_SERIES_MEDIAN; m++)
            add(&list, (bal_series_measure)m, lengths[i], false, 0);
        add(&list, BAL_SERIES_QUANTILE, lengths[i], false, 0.05);
        add(&list, BAL_SERIES_QUANTILE, lengths[i], false, 0.9);
        add(&list, BAL_SERIES_SHARE, lengths[i], true, 1.5);
        add(&list, BAL_SERIES_SHARE, lengths[i], false, 1.5);
    }
    for (int side = 0; side < 2; side++)
        for (int level = 0; level < 3; level++) {
            add(&list, BAL_SERIES_SINCE, 0, side, 0.5 + 1.5 * level);
            add(&list, BAL_SERIES_STREAK, 0, side, 0.5 + 1.5 * level);
        }
    return list;
}

/* Crash-like values with ties. */
static void draw(uint64_t seed, double *values, int n) {
    bal_random random;
    bal_random_init(&random, seed, bal_hash_name("series"));
    for (int i = 0; i < n; i++)
        values[i] = floor(0.99 / (1 - bal_random_uniform(&random)) * 10) / 10;
}

static void compute(const double *values, int count, const bal_series_feature *feature, int rows,
                    float *x) {
    const bal_series_values about = {values, values, count, WINDOW};
    assert_int_equal(bal_series_compute(&about, feature, rows, x, 1, NULL), BAL_OK);
}

/* ---- by definition ---- */

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile_of(const double *values, int n, double level) {
    double sorted[WINDOW];
    memcpy(sorted, values, (size_t)n * sizeof *values);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    double at = level * (n - 1);
    int below = (int)at;
    return below + 1 < n ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below])
                         : sorted[below];
}

static double statistic_of(const double *last, int n, bal_series_measure measure) {
    double sum = 0, squares = 0, low = INFINITY, high = -INFINITY;
    for (int i = 0; i < n; i++) {
        sum += last[i];
        low = fmin(low, last[i]);
        high = fmax(high, last[i]);
    }
    for (int i = 0; i < n; i++)
        squares += (last[i] - sum / n) * (last[i] - sum / n);
    return measure == BAL_SERIES_MEAN  ? sum / n
           : measure == BAL_SERIES_STD ? sqrt(squares / n)
           : measure == BAL_SERIES_MIN ? low
                                       : high;
}

static double by_definition(const double *window, const bal_series_feature *feature) {
    int n = feature->length, ago = 1, count = 0;
    const double *end = window + WINDOW;
    switch (feature->measure) {
    case BAL_SERIES_LAG:
        return end[-n];
    case BAL_SERIES_MEDIAN:
        return quantile_of(end - n, n, 0.5);
    case BAL_SERIES_QUANTILE:
        return quantile_of(end - n, n, feature->level);
    case BAL_SERIES_SINCE:
        while (ago <= WINDOW && (end[-ago] < feature->level) != feature->below)
            ago++;
        return ago;
    case BAL_SERIES_STREAK:
        while (ago <= WINDOW && (end[-ago] < feature->level) == feature->below)
            ago++;
        return ago - 1;
    case BAL_SERIES_SHARE:
        for (int i = 1; i <= n; i++)
            count += (end[-i] < feature->level) == feature->below;
        return (double)count / n;
    default:
        return statistic_of(end - n, n, feature->measure);
    }
}

/* The row behind the last value is one of them. */
static void features_are_what_they_say(void **state) {
    double values[COUNT];
    float x[COUNT];
    features list = all_features();
    draw(1, values, COUNT);
    int rows = COUNT - WINDOW + 1;
    for (int j = 0; j < list.n; j++) {
        compute(values, COUNT, &list.items[j], rows, x);
        for (int row = 0; row < rows; row++) {
            double wanted = by_definition(values + row, &list.items[j]);
            if (fabs(x[row] - wanted) > 1e-6 * (fabs(wanted) + 1e-6)) {
                char name[BAL_SERIES_NAME_MAX];
                fail_msg("%s, row %d: %g, by definition %g",
                         bal_series_feature_name(&list.items[j], name), row, (double)x[row],
                         wanted);
            }
        }
    }
}

/* ---- nothing but the window ---- */

static void the_future_changes_no_feature(void **state) {
    double values[COUNT], other[COUNT];
    float x[COUNT], y[COUNT];
    features list = all_features();
    bal_random random;
    bal_random_init(&random, 7, 7);
    for (int trial = 0; trial < 20; trial++) {
        draw((uint64_t)trial, values, COUNT);
        draw((uint64_t)trial + 1000, other, COUNT);
        /* Values before t stay; row r sees those before WINDOW + r. */
        int t = WINDOW + (int)bal_random_below(&random, COUNT - WINDOW);
        memcpy(other, values, (size_t)t * sizeof *values);
        if (trial % 4 == 0) other[t] = 1e300; /* one value that would not go away again */
        int rows = COUNT - WINDOW, same = t - WINDOW + 1;
        for (int j = 0; j < list.n; j++) {
            compute(values, COUNT, &list.items[j], rows, x);
            compute(other, COUNT, &list.items[j], rows, y);
            if (memcmp(x, y, (size_t)(same < rows ? same : rows) * sizeof *x) != 0) {
                char name[BAL_SERIES_NAME_MAX];
                fail_msg("%s sees values from %d on", bal_series_feature_name(&list.items[j], name),
                         t);
            }
        }
    }
}

static void shorter_series_give_the_same_rows(void **state) {
    double values[COUNT];
    float x[COUNT], y[COUNT];
    features list = all_features();
    draw(3, values, COUNT);
    for (int count = WINDOW; count < WINDOW + 90; count += 11)
        for (int j = 0; j < list.n; j++) {
            int rows = count - WINDOW + 1;
            compute(values, COUNT, &list.items[j], rows, x);
            compute(values, count, &list.items[j], rows, y);
            assert_memory_equal(x, y, (size_t)rows * sizeof *x);
        }
}

/* What was before the window lingers nowhere, not even in the last bits. */
static void the_distant_past_changes_no_feature(void **state) {
    double values[COUNT], other[COUNT];
    float x[COUNT], y[COUNT];
    features list = all_features();
    draw(4, values, COUNT);
    memcpy(other, values, sizeof other);
    for (int i = 0; i < 100; i++)
        other[i] = i % 2 ? 1e15 : 1e-15;
    int rows = COUNT - WINDOW + 1;
    for (int j = 0; j < list.n; j++) {
        compute(values, COUNT, &list.items[j], rows, x);
        compute(other, COUNT, &list.items[j], rows, y);
        assert_memory_equal(x + 100, y + 100, (size_t)(rows - 100) * sizeof *x);
    }
}

static void equal_values_have_no_spread(void **state) {
    double values[COUNT];
    float x[COUNT];
    const bal_series_feature spread = {NULL, BAL_SERIES_STD, 7, false, 0};
    for (int i = 0; i < COUNT; i++)
        values[i] = 0.1;
    compute(values, COUNT, &spread, COUNT - WINDOW, x);
    for (int row = 0; row < COUNT - WINDOW; row++)
        assert_true(x[row] == 0);
}

static void running_out_of_memory(void **state) {
    double values[COUNT];
    float x[COUNT];
    features list = all_features();
    draw(5, values, COUNT);
    const bal_series_values about = {values, values, COUNT, WINDOW};
    for (int j = 0; j < list.n; j++)
        for (int i = 0; i < 4; i++) {
            bal_memory_fail_after(i);
            bal_status status = bal_series_compute(&about, &list.items[j], 10, x, 1, NULL);
            bal_memory_fail_after(-1);
            if (status == BAL_OK) break;
            assert_int_equal(status, BAL_ENOMEM);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_what_they_say),
        cmocka_unit_test(the_future_changes_no_feature),
        cmocka_unit_test(shorter_series_give_the_same_rows),
        cmocka_unit_test(the_distant_past_changes_no_feature),
        cmocka_unit_test(equal_values_have_no_spread),
        cmocka_unit_test(running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
