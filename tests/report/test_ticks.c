/* report/ticks.c: known axes, and promises that hold for any range. */
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

#include "base/random.h"
#include "report/ticks.h"

static void assert_labels(const bal_ticks *ticks, const char *wanted) {
    char found[BAL_TICKS_MAX * 25] = "";
    size_t used = 0;
    for (int i = 0; i < ticks->count; i++)
        used += (size_t)snprintf(found + used, sizeof found - used, "%s%s", i > 0 ? " " : "",
                                 ticks->labels[i]);
    assert_string_equal(found, wanted);
}

static void known_linear_axes(void **state) {
    static const struct {
        double low, high;
        const char *labels;
    } cases[] = {
        {0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
        {0.03, 0.97, "0.2 0.4 0.6 0.8"},
        {0, 149, "0 20 40 60 80 100 120 140"},
        {-1.7, 2.3, "-1.5 -1.0 -0.5 0.0 0.5 1.0 1.5 2.0"},
        {0, 9e-5, "0 2e-05 4e-05 6e-05 8e-05"},
        {0.914, 0.916, "0.9140 0.9145 0.9150 0.9155 0.9160"},
        {0, 3e6, "0 5e+05 1e+06 1.5e+06 2e+06 2.5e+06 3e+06"},
        {1000, 1010, "1000 1002 1004 1006 1008 1010"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bal_ticks ticks;
        bal_ticks_linear(cases[i].low, cases[i].high, 6, &ticks);
        assert_labels(&ticks, cases[i].labels);
    }
}

static void known_log_axes(void **state) {
    bal_ticks ticks;
    bal_ticks_log(0.003, 120, 6, &ticks);
    assert_labels(&ticks, "0.01 0.1 1 10 100");
    bal_ticks_log(1e-9, 1e9, 6, &ticks);
    assert_labels(&ticks, "1e-09 1e-05 0.1 1000 1e+07");
    bal_ticks_log(0.15, 12, 6, &ticks);
    assert_labels(&ticks, "0.2 0.5 1 2 5 10");
    bal_ticks_log(0.61, 0.69, 4, &ticks);
    assert_labels(&ticks, "0.62 0.64 0.66 0.68");
}

static void whole_numbers(void **state) {
    bal_ticks ticks;
    bal_ticks_linear(0, 3, 8, &ticks);
    assert_labels(&ticks, "0.0 0.5 1.0 1.5 2.0 2.5 3.0");
    bal_ticks_keep_whole(&ticks);
    assert_labels(&ticks, "0 1 2 3");
    bal_ticks_linear(0, 200000, 8, &ticks);
    bal_ticks_keep_whole(&ticks);
    assert_int_equal(ticks.count, 11);
    bal_ticks_linear(0, 3e6, 6, &ticks);
    bal_ticks_keep_whole(&ticks);
    assert_labels(&ticks, "0 5e+05 1e+06 1.5e+06 2e+06 2.5e+06 3e+06");
}

static void ranges_become_drawable(void **state) {
    static const double values[] = {0,        1,        -1,        1e-320, DBL_MIN, DBL_MAX,
                                    -DBL_MAX, INFINITY, -INFINITY, NAN,    1e300,   0.1};
    size_t count = sizeof values / sizeof *values;
    for (size_t i = 0; i < count * count * 2; i++) {
        double low = values[i % count], high = values[i / count % count];
        bool log = i >= count * count;
        bal_ticks_sane_range(&low, &high, log);
        assert_true(isfinite(low) && low < high && (!log || low > 0));
        assert_true(high / 2 - low / 2 > 0);
    }
}

/* Inside the range, ascending, evenly spaced, different labels that read back as the value. */
static void any_linear_axis(void **state) {
    bal_random random;
    bal_random_init(&random, 1, 1);
    for (int trial = 0; trial < 20000; trial++) {
        double low =
            bal_random_normal(&random) * pow(10, (double)bal_random_below(&random, 40) - 20);
        double high = low + fabs(bal_random_normal(&random)) *
                                pow(10, (double)bal_random_below(&random, 40) - 20);
        bal_ticks_sane_range(&low, &high, false);
        bal_ticks ticks;
        bal_ticks_linear(low, high, 4 + (int)bal_random_below(&random, 40), &ticks);
        assert_in_range(ticks.count, 1, BAL_TICKS_MAX);
        if (ticks.count > 1) /* up to the end */
            assert_true(high - ticks.values[ticks.count - 1] <
                        (ticks.values[1] - ticks.values[0]) * 1.001);
        double span = high - low, step = ticks.count > 1 ? ticks.values[1] - ticks.values[0] : 0;
        for (int i = 0; i < ticks.count; i++) {
            double value = ticks.values[i];
            assert_true(value >= low - span * 1e-6 && value <= high + span * 1e-6);
            assert_true(fabs(strtod(ticks.labels[i], NULL) - value) <=
                        step * 0.06 + fabs(value) * 1e-9);
            if (i == 0) continue;
            assert_true(fabs(value - ticks.values[i - 1] - step) <
                        step * 1e-6 + fabs(value) * 1e-15);
            assert_string_not_equal(ticks.labels[i], ticks.labels[i - 1]);
        }
    }
}

static void any_log_axis(void **state) {
    bal_random random;
    bal_random_init(&random, 1, 2);
    for (int trial = 0; trial < 20000; trial++) {
        double low = pow(10, bal_random_normal(&random) * 10);
        double high = low * pow(10, fabs(bal_random_normal(&random)) * 10);
        bal_ticks_sane_range(&low, &high, true);
        bal_ticks ticks;
        bal_ticks_log(low, high, 6, &ticks);
        assert_in_range(ticks.count, 1, BAL_TICKS_MAX);
        for (int i = 0; i < ticks.count; i++) {
            assert_true(ticks.values[i] >= low * 0.999 && ticks.values[i] <= high * 1.001);
            if (i > 0) assert_true(ticks.values[i] > ticks.values[i - 1]);
        }
    }
}

static void short_numbers(void **state) {
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},         {-0.0, "0"},     {1, "1"},     {0.954, "0.95"},
                 {0.004, "0.004"}, {1234, "1234"},  {1.5, "1.5"}, {123.456, "123"},
                 {1e7, "1e+07"},   {2e-5, "2e-05"}, {NAN, "-"},   {-0.25, "-0.25"}};
    char text[24];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bal_ticks_short(cases[i].value, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_linear_axes), cmocka_unit_test(known_log_axes),
        cmocka_unit_test(whole_numbers),     cmocka_unit_test(ranges_become_drawable),
        cmocka_unit_test(any_linear_axis),   cmocka_unit_test(any_log_axis),
        cmocka_unit_test(short_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
