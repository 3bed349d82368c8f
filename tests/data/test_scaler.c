/* data/scaler.c against sums in long double: rows in use only, missing values, constant and extreme
 * features, saved scalers. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "data/scaler.h"

enum { ROWS = 500, FEATURES = 7 };

/* Features of very different size and place; one in seven values missing in the last. */
static float table[ROWS * FEATURES];
static int64_t used[ROWS / 2];

static void fill_table(void) {
    bal_random random;
    bal_random_init(&random, 5, 0);
    for (int i = 0; i < ROWS; i++) {
        float *row = table + i * FEATURES;
        row[0] = (float)bal_random_normal(&random);
        row[1] = (float)(1e6 + bal_random_normal(&random));
        row[2] = (float)(1e-20 * bal_random_normal(&random));
        row[3] = (float)(1e30 * bal_random_uniform(&random));
        row[4] = (float)bal_random_below(&random, 2);
        row[5] = 0.1f;
        row[6] = i % 7 == 3 ? NAN : (float)bal_random_uniform(&random);
        if (i % 2 == 0) continue;
        for (int j = 0; j < FEATURES; j++) /* rows not used must not matter */
            row[j] = j % 2 ? 1e35f : NAN;
    }
    for (int i = 0; i < ROWS / 2; i++)
        used[i] = 2 * i;
}

typedef struct reference {
    double mean, deviation, low, high;
} reference;

static reference reference_of(int feature) {
    long double sum = 0, squares = 0, low = INFINITY, high = -INFINITY;
    int n = 0;
    for (int i = 0; i < ROWS / 2; i++) {
        float value = table[used[i] * FEATURES + feature];
        if (isnan(value)) continue;
        sum += (long double)value;
        low = fminl(low, (long double)value);
        high = fmaxl(high, (long double)value);
        n++;
    }
    for (int i = 0; i < ROWS / 2; i++) {
        float value = table[used[i] * FEATURES + feature];
        if (!isnan(value)) squares += powl((long double)value - sum / n, 2);
    }
    return (reference){(double)(sum / n), (double)sqrtl(squares / n), (double)low, (double)high};
}

static void assert_close(float found, double wanted) {
    double error = fabs((double)found - wanted);
    if (error > fabs(wanted) * FLT_EPSILON) fail_msg("%.9g, not %.9g", (double)found, wanted);
}

static bal_scaler fit(const char *kind) {
    bal_scaler scaler = {0};
    bal_error err = {0};
    bal_status status = bal_scaler_fit(&scaler, kind, table, FEATURES, used, ROWS / 2, NULL, &err);
    if (status != BAL_OK) fail_msg("%s", err.message);
    assert_string_equal(scaler.kind, kind);
    assert_int_equal(scaler.features, FEATURES);
    assert_int_equal(scaler.constant, 1);
    return scaler;
}

static void standard(void **state) {
    bal_scaler scaler = fit("standard");
    for (int j = 0; j < FEATURES; j++) {
        reference wanted = reference_of(j);
        assert_close(scaler.shift[j], j == 5 ? 0.1f : wanted.mean);
        assert_close(scaler.fill[j], j == 5 ? 0.1f : wanted.mean);
        assert_close(scaler.scale[j], j == 5 ? 1 : wanted.deviation);
    }
    bal_scaler_release(&scaler);
    assert_null(scaler.shift);
    bal_scaler_release(&scaler);
}

static void minmax(void **state) {
    bal_scaler scaler = fit("minmax");
    for (int j = 0; j < FEATURES; j++) {
        reference wanted = reference_of(j);
        assert_close(scaler.shift[j], wanted.low);
        assert_close(scaler.scale[j], j == 5 ? 1 : wanted.high - wanted.low);
        assert_close(scaler.fill[j], j == 5 ? 0.1f : wanted.mean);
    }
    bal_scaler_release(&scaler);
}

static void none(void **state) {
    bal_scaler scaler = fit("none");
    for (int j = 0; j < FEATURES; j++) {
        assert_true(scaler.shift[j] == 0);
        assert_true(scaler.scale[j] == 1);
    }
    float row[FEATURES] = {1, 2, 3, 4, 5, 6, NAN};
    bal_scaler_apply(&scaler, row, 1);
    for (int j = 0; j < 6; j++)
        assert_true(row[j] == (float)(j + 1));
    assert_true(row[6] == scaler.fill[6]); /* missing values are filled all the same */
    bal_scaler_release(&scaler);
}

static void applied(void **state) {
    const char *const kinds[] = {"standard", "minmax"};
    for (int k = 0; k < 2; k++) {
        bal_scaler scaler = fit(kinds[k]);
        float *x = malloc(sizeof table);
        memcpy(x, table, sizeof table);
        bal_scaler_apply(&scaler, x, ROWS);
        for (int j = 0; j < FEATURES; j++) {
            reference facts = reference_of(j);
            double sum = 0, squares = 0, low = INFINITY, high = -INFINITY;
            for (int i = 0; i < ROWS / 2; i++) {
                double before = (double)table[used[i] * FEATURES + j];
                double after = (double)x[used[i] * FEATURES + j];
                assert_true(isfinite(after));
                if (isnan(before)) before = facts.mean;
                double wanted = (before - (double)scaler.shift[j]) / (double)scaler.scale[j];
                assert_true(fabs(after - wanted) <= 1e-6 * fmax(1, fabs(wanted)));
                sum += after;
                squares += after * after;
                low = fmin(low, after);
                high = fmax(high, after);
            }
            if (j == 5) { /* constant: exactly nothing */
                assert_true(low == 0 && high == 0);
            } else if (k == 0 && j < 5) {
                assert_true(fabs(sum / (ROWS / 2)) < .1); /* 1e6 + normal: steps of 1/16 */
                assert_true(fabs(squares / (ROWS / 2) - 1) < .02);
            } else if (k == 1) {
                assert_true(low == 0 && fabs(high - 1) < 1e-6);
            }
        }
        free(x);
        bal_scaler_release(&scaler);
    }
}

/* The widest range there is: the difference of two floats need not be one. */
static void extremes(void **state) {
    const float x[] = {-FLT_MAX, -FLT_MAX, FLT_MAX, FLT_TRUE_MIN, 0, 2 * FLT_TRUE_MIN};
    const int64_t rows[] = {0, 1, 2};
    const float column[3][2] = {{x[0], x[3]}, {x[1], x[4]}, {x[2], x[5]}};
    const char *const kinds[] = {"standard", "minmax"};
    for (int k = 0; k < 2; k++) {
        bal_scaler scaler;
        float scaled[3][2];
        memcpy(scaled, column, sizeof scaled);
        assert_int_equal(bal_scaler_fit(&scaler, kinds[k], column[0], 2, rows, 3, NULL, NULL), 0);
        bal_scaler_apply(&scaler, scaled[0], 3);
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 2; j++)
                assert_true(isfinite(scaled[i][j]) && fabsf(scaled[i][j]) < 3);
        assert_true(scaled[2][0] > scaled[0][0]);
        bal_scaler_release(&scaler);
    }
}

/* Quartiles of the rows in use: outliers and gaps do not move them, whatever scaling leaves. */
static void quartiles(void **state) {
    enum { N = 4000, COLUMNS = 3 };
    static float x[N * COLUMNS];
    static int64_t rows[N];
    for (int i = 0; i < N; i++) {
        float *row = x + i * COLUMNS;
        rows[i] = i;
        row[0] = i % 50 == 0 ? 1e30f : (float)(i % 40);
        row[1] = i % 5 == 0 ? (float)i : 3;
        row[2] = i % 400 == 0 ? (float)i : NAN;
    }
    bal_scaler scaler;
    assert_int_equal(bal_scaler_fit(&scaler, "standard", x, COLUMNS, rows, N, NULL, NULL), BAL_OK);
    assert_in_range(scaler.quartile_range[0], 16, 24);
    assert_true(scaler.quartile_range[1] == 0);
    assert_true(isnan(scaler.quartile_range[2]));
    bal_scaler_release(&scaler);
}

static void refuses_to_fit(const char *kind, int64_t n_rows, const char *const *names,
                           const char *words) {
    float x[6] = {1, NAN, 2, NAN, 3, 4};
    const int64_t rows[] = {0, 1};
    bal_scaler scaler = {.features = 77};
    bal_error err = {0};
    assert_int_equal(bal_scaler_fit(&scaler, kind, x, 2, rows, n_rows, names, &err), BAL_EDATA);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
    assert_int_equal(scaler.features, 77);
    assert_null(scaler.shift);
}

static void refusals(void **state) {
    refuses_to_fit("standard", 2, (const char *const[]){"a", "b"},
                   "feature 2 ('b') has no value in any training row");
    refuses_to_fit("none", 2, NULL, "feature 2 ('')");
    refuses_to_fit("standard", 0, NULL, "feature 1");
    refuses_to_fit("robust", 2, NULL, "scaling 'robust' is none of standard, minmax, none");
}

static void saved(void **state) {
    const float shift[] = {1, -2}, scale[] = {.5f, 4}, fill[] = {3, 2};
    float x[] = {2, NAN, NAN, 6};
    bal_scaler scaler;
    assert_int_equal(bal_scaler_set(&scaler, "standard", 2, shift, scale, fill, NULL), BAL_OK);
    assert_ptr_not_equal(scaler.shift, shift);
    assert_null(scaler.quartile_range);
    bal_scaler_apply(&scaler, x, 2);
    assert_true(x[0] == 2 && x[1] == 1 && x[2] == 4 && x[3] == 2);
    bal_scaler_release(&scaler);

    const float bad[] = {NAN, INFINITY, 0, -1};
    for (int i = 0; i < 4; i++) {
        const float wrong[] = {1, bad[i]};
        bal_error err = {0};
        scaler.features = 77;
        assert_int_equal(bal_scaler_set(&scaler, "standard", 2, shift, wrong, fill, &err),
                         BAL_EDATA);
        assert_non_null(strstr(err.message, "feature 2: shift -2, scale "));
        if (i >= 2) continue;
        assert_int_equal(bal_scaler_set(&scaler, "none", 2, wrong, scale, fill, NULL), BAL_EDATA);
        assert_int_equal(bal_scaler_set(&scaler, "none", 2, shift, scale, wrong, NULL), BAL_EDATA);
        assert_int_equal(scaler.features, 77);
    }
    assert_int_equal(bal_scaler_set(&scaler, "x", 2, shift, scale, fill, NULL), BAL_EDATA);
}

static void failing_memory(void **state) {
    for (int call = 0; call < 2; call++) {
        bal_status status = BAL_ENOMEM;
        for (int n = 0; status != BAL_OK; n++) {
            bal_scaler scaler = {0};
            bal_memory_fail_after(n);
            status = call ? bal_scaler_set(&scaler, "none", 1, table, &table[4], table, NULL)
                          : bal_scaler_fit(&scaler, "standard", table, FEATURES, used, ROWS / 2,
                                           NULL, NULL);
            bal_memory_fail_after(-1);
            if (status != BAL_OK) {
                assert_int_equal(status, BAL_ENOMEM);
                assert_null(scaler.shift);
            }
            bal_scaler_release(&scaler);
        }
    }
}

int main(void) {
    fill_table();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard), cmocka_unit_test(minmax),         cmocka_unit_test(none),
        cmocka_unit_test(applied),  cmocka_unit_test(extremes),       cmocka_unit_test(refusals),
        cmocka_unit_test(saved),    cmocka_unit_test(failing_memory), cmocka_unit_test(quartiles),
    };
    return cmocka_run_group_tests_name("scaler", tests, NULL, NULL);
}
