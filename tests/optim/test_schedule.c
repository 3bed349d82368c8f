/* The definition table of patience and schedules: which call does what, written out value by value,
 * because libraries differ by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "optim/schedule.h"

static void assert_close(double got, double want, const char *what, int64_t at) {
    if (!(fabs(got - want) <= 1e-12 * fmax(1, fabs(want))))
        fail_msg("%s %lld: %.17g, wanted %.17g", what, (long long)at, got, want);
}

/* ---- patience ---- */

/* One evaluation: the value fed, whether it improved, the count after it. */
typedef struct fed {
    double value;
    bool improved;
    int64_t bad;
    double best;
} fed;

static void feed(const char *what, bool larger_is_better, double min_delta, const fed *rows,
                 size_t n) {
    bal_patience patience;
    bal_patience_init(&patience);
    assert_true(isnan(patience.best));
    assert_int_equal(patience.bad, 0);
    for (size_t i = 0; i < n; i++) {
        bool improved = bal_patience_update(&patience, rows[i].value, larger_is_better, min_delta);
        bool same_best = isnan(rows[i].best) ? isnan(patience.best) : patience.best == rows[i].best;
        if (improved != rows[i].improved || patience.bad != rows[i].bad || !same_best)
            fail_msg("%s, row %zu: improved %d, bad %lld, best %g", what, i, improved,
                     (long long)patience.bad, patience.best);
    }
}

#define FEED(what, larger, min_delta, ...)                                                         \
    do {                                                                                           \
        static const fed rows[] = {__VA_ARGS__};                                                   \
        feed(what, larger, min_delta, rows, sizeof rows / sizeof *rows);                           \
    } while (0)

static void patience_counts(void **state) {
    FEED("smaller is better", false, 0, {3, true, 0, 3}, {2, true, 0, 2}, {2, false, 1, 2},
         {2.5, false, 2, 2}, {1.9, true, 0, 1.9}, {1.9, false, 1, 1.9});
    FEED("larger is better", true, 0, {0.1, true, 0, 0.1}, {0.2, true, 0, 0.2},
         {0.2, false, 1, 0.2}, {0.1, false, 2, 0.2}, {0.3, true, 0, 0.3});
    /* Better by more than min_delta: exactly min_delta is not enough, and creeping up in small
     * steps is measured from the best, not from the last value. */
    FEED("min_delta", true, 0.25, {1, true, 0, 1}, {1.25, false, 1, 1}, {1.2, false, 2, 1},
         {1.3125, true, 0, 1.3125});
    FEED("min_delta, smaller", false, 0.25, {1, true, 0, 1}, {0.75, false, 1, 1},
         {0.7, true, 0, 0.7});
}

static void patience_and_nan(void **state) {
    FEED("NaN first", false, 0, {NAN, false, 1, NAN}, {NAN, false, 2, NAN}, {5, true, 0, 5},
         {NAN, false, 1, 5}, {4, true, 0, 4});
    FEED("infinite loss", false, 0, {INFINITY, false, 1, NAN}, {9, true, 0, 9},
         {-INFINITY, false, 1, 9});
    FEED("infinite gain", true, 0, {-INFINITY, false, 1, NAN}, {INFINITY, false, 2, NAN},
         {1, true, 0, 1});
    FEED("the first value needs no margin", true, 1000, {-5, true, 0, -5}, {5, false, 1, -5});
}

/* ---- plateau ---- */

/* One evaluation: the value fed, whether the rate dropped, and the rate after it. */
typedef struct observed {
    double value;
    bool dropped;
    double rate;
} observed;

static void observe(const char *what, const bal_schedule_options *options, double base,
                    const observed *rows, size_t n) {
    const bal_schedule *plateau = bal_schedule_find("plateau");
    assert_non_null(plateau);
    bal_schedule_state state;
    bal_schedule_state_init(&state);
    assert_close(bal_schedule_rate(plateau, options, &state, base, 0, 10, 100), base, what, -1);
    for (size_t i = 0; i < n; i++) {
        bool dropped = bal_schedule_observe(plateau, options, &state, rows[i].value, base);
        if (dropped != rows[i].dropped)
            fail_msg("%s, evaluation %zu: dropped is %d", what, i + 1, dropped);
        double rate = bal_schedule_rate(plateau, options, &state, base, 5, 10, 100);
        assert_close(rate, rows[i].rate, what, (int64_t)i + 1);
    }
}

#define OBSERVE(what, options, base, ...)                                                          \
    do {                                                                                           \
        static const observed rows[] = {__VA_ARGS__};                                              \
        observe(what, options, base, rows, sizeof rows / sizeof *rows);                            \
    } while (0)

static void plateau_acts_at_the_nth(void **state) {
    bal_schedule_options o = {.kind = "plateau", .factor = 0.5, .patience = 3};
    OBSERVE("patience 3", &o, 8, {1, false, 8}, {1, false, 8}, {1, false, 8}, {1, true, 4},
            {1, false, 4}, {1, false, 4}, {1, true, 2});
    OBSERVE("an improvement clears the count", &o, 8, {1, false, 8}, {2, false, 8}, {2, false, 8},
            {0.5, false, 8}, {2, false, 8}, {2, false, 8}, {2, true, 4});
    OBSERVE("NaN is no improvement", &o, 8, {NAN, false, 8}, {NAN, false, 8}, {NAN, true, 4},
            {3, false, 4}, {NAN, false, 4}, {INFINITY, false, 4}, {3, true, 2});
    o.patience = 1;
    OBSERVE("patience 1", &o, 8, {1, false, 8}, {1, true, 4}, {0.9, false, 4}, {1, true, 2});
    o.patience = 0;
    OBSERVE("patience 0 counts as 1", &o, 8, {1, false, 8}, {1, true, 4});
}

static void plateau_cooldown(void **state) {
    bal_schedule_options o = {
        .kind = "plateau", .factor = 0.5, .patience = 2, .cooldown = 3, .larger_is_better = true};
    /* Three evaluations after the drop count nothing; the second bad one after them acts. */
    OBSERVE("cooldown 3", &o, 8, {1, false, 8}, {1, false, 8}, {1, true, 4}, {1, false, 4},
            {1, false, 4}, {1, false, 4}, {1, false, 4}, {1, true, 2});
    /* A best within the cooldown is remembered. */
    OBSERVE("best in cooldown", &o, 8, {1, false, 8}, {1, false, 8}, {1, true, 4}, {1, false, 4},
            {5, false, 4}, {1, false, 4}, {4, false, 4}, {4, true, 2});
}

static void plateau_floor_and_delta(void **state) {
    bal_schedule_options o = {.kind = "plateau", .factor = 0.1, .patience = 1, .min_lr = 0.05};
    OBSERVE("min_lr", &o, 1, {1, false, 1}, {1, true, 0.1}, {1, true, 0.05}, {1, false, 0.05},
            {1, false, 0.05});
    o.min_lr = 4; /* above the base rate: nothing may rise */
    OBSERVE("min_lr above base", &o, 1, {1, false, 1}, {1, false, 1});
    o = (bal_schedule_options){.kind = "plateau", .factor = 0.5, .patience = 1, .min_delta = 0.1};
    OBSERVE("min_delta", &o, 8, {1, false, 8}, {0.95, true, 4}, {0.85, false, 4}, {0.8, true, 2});
    o = (bal_schedule_options){.kind = "plateau", .factor = NAN, .patience = 1};
    OBSERVE("a factor that is none", &o, 8, {1, false, 8}, {1, false, 8});
    o.factor = 2;
    OBSERVE("a factor that would rise", &o, 8, {1, false, 8}, {1, false, 8});
}

static void only_plateau_reacts(void **state) {
    bal_schedule_options o = {.factor = 0.5, .patience = 1};
    for (size_t i = 0; bal_schedule_table[i]; i++) {
        const bal_schedule *schedule = bal_schedule_table[i];
        bal_schedule_state s;
        bal_schedule_state_init(&s);
        bool dropped = false;
        for (int k = 0; k < 5; k++)
            dropped |= bal_schedule_observe(schedule, &o, &s, 1, 8);
        assert_int_equal(dropped, strcmp(schedule->name, "plateau") == 0);
        assert_int_equal(s.scale != 1, dropped);
    }
}

/* ---- rates over steps ---- */

static double rate_at(const bal_schedule_options *o, double base, int64_t step,
                      int64_t steps_per_epoch, int64_t epochs) {
    const bal_schedule *schedule = bal_schedule_find(o->kind);
    assert_non_null(schedule);
    bal_schedule_state state;
    bal_schedule_state_init(&state);
    return bal_schedule_rate(schedule, o, &state, base, step, steps_per_epoch, epochs);
}

static void constant(void **state) {
    bal_schedule_options o = {.kind = "constant", .min_lr = 99, .factor = 0.1};
    for (int64_t step = 0; step <= 40; step++)
        assert_close(rate_at(&o, 0.25, step, 10, 4), 0.25, "step", step);
}

static void step_table(void **state) {
    static const bal_schedule_step steps[] = {{2, 0.7}, {5, 0.5}, {6, 2}};
    bal_schedule_options o = {.kind = "step", .steps = steps, .n_steps = 3, .min_lr = 99};
    const double by_epoch[] = {1, 1, 0.7, 0.7, 0.7, 0.5, 2, 2};
    for (int64_t epoch = 0; epoch < 8; epoch++) {
        for (int64_t batch = 0; batch < 3; batch++)
            assert_close(rate_at(&o, 10, epoch * 3 + batch, 3, 8), 10 * by_epoch[epoch], "epoch",
                         epoch);
    }
    o.n_steps = 0;
    assert_close(rate_at(&o, 10, 23, 3, 8), 10, "empty table", 0);
    static const bal_schedule_step at_once[] = {{0, 0.5}};
    o.steps = at_once;
    o.n_steps = 1;
    assert_close(rate_at(&o, 10, 0, 3, 8), 5, "from epoch 0", 0);
}

static void cosine_end_points(void **state) {
    bal_schedule_options o = {.kind = "cosine", .min_lr = 0.2};
    assert_close(rate_at(&o, 1, 0, 10, 4), 1, "first step", 0);
    assert_close(rate_at(&o, 1, 10, 10, 4), 0.2 + 0.8 * (2 + sqrt(2)) / 4, "quarter", 10);
    assert_close(rate_at(&o, 1, 20, 10, 4), 0.6, "half", 20);
    assert_close(rate_at(&o, 1, 40, 10, 4), 0.2, "end", 40);
    assert_close(rate_at(&o, 1, 50, 10, 4), 0.2, "beyond", 50);
    double last = rate_at(&o, 1, 39, 10, 4);
    assert_true(last > 0.2 && last < 0.202);
    for (int64_t step = 0; step < 40; step++)
        assert_true(rate_at(&o, 1, step, 10, 4) > rate_at(&o, 1, step + 1, 10, 4));
    o.min_lr = 0;
    assert_close(rate_at(&o, 1, 40, 10, 4), 0, "end without a floor", 40);
    o.min_lr = 5; /* above the base rate: constant, never rising */
    assert_close(rate_at(&o, 1, 30, 10, 4), 1, "floor above base", 30);
    o.min_lr = -1;
    assert_close(rate_at(&o, 1, 40, 10, 4), 0, "negative floor", 40);
}

static void warmup(void **state) {
    bal_schedule_options o = {.kind = "constant", .warmup_steps = 4};
    const double want[] = {0.25, 0.5, 0.75, 1, 1, 1};
    for (int64_t step = 0; step < 6; step++)
        assert_close(rate_at(&o, 1, step, 2, 10), want[step], "step", step);
    /* The larger of epochs and steps counts: 3 epochs of 2 steps are 6. */
    o.warmup_epochs = 3;
    for (int64_t step = 0; step < 8; step++)
        assert_close(rate_at(&o, 1, step, 2, 10), step < 6 ? (double)(step + 1) / 6 : 1, "step",
                     step);
    o.warmup_steps = 8;
    assert_close(rate_at(&o, 1, 6, 2, 10), 7.0 / 8, "step", 6);
    o = (bal_schedule_options){.kind = "constant", .warmup_steps = 1};
    assert_close(rate_at(&o, 1, 0, 2, 10), 1, "warm-up of one step", 0);
}

static void warmup_multiplies_every_kind(void **state) {
    bal_schedule_options plain = {.min_lr = 0.1, .factor = 0.5, .patience = 1};
    for (size_t i = 0; bal_schedule_table[i]; i++) {
        plain.kind = bal_schedule_table[i]->name;
        bal_schedule_options warm = plain;
        warm.warmup_steps = 20;
        assert_close(rate_at(&warm, 1, 0, 4, 10), rate_at(&plain, 1, 0, 4, 10) / 20, "first", 0);
        assert_close(rate_at(&warm, 1, 9, 4, 10), rate_at(&plain, 1, 9, 4, 10) / 2, "half", 9);
        assert_close(rate_at(&warm, 1, 19, 4, 10), rate_at(&plain, 1, 19, 4, 10), "last", 19);
        assert_close(rate_at(&warm, 1, 25, 4, 10), rate_at(&plain, 1, 25, 4, 10), "after", 25);
    }
}

/* Nothing divides by zero or overflows, whatever a stage looks like. */
static void odd_stages(void **state) {
    for (size_t i = 0; bal_schedule_table[i]; i++) {
        bal_schedule_options o = {.kind = bal_schedule_table[i]->name};
        o.warmup_epochs = INT64_MAX;
        double rate = rate_at(&o, 1, INT64_MAX, INT64_MAX, INT64_MAX);
        assert_true(isfinite(rate) && rate >= 0 && rate <= 1);
        o.warmup_epochs = 0;
        assert_true(isfinite(rate_at(&o, 1, 0, 0, 0)));
        assert_true(rate_at(&o, 0, 3, 1, 5) == 0);
    }
}

static void table_is_sound(void **state) {
    const char *names[] = {"constant", "step", "cosine", "plateau"};
    for (size_t i = 0; i < 4; i++) {
        const bal_schedule *schedule = bal_schedule_find(names[i]);
        assert_non_null(schedule);
        assert_string_equal(schedule->name, names[i]);
        assert_true(schedule->summary && *schedule->summary && schedule->source);
    }
    assert_null(bal_schedule_find("cosinus"));
    assert_null(bal_schedule_table[4]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patience_counts),
        cmocka_unit_test(patience_and_nan),
        cmocka_unit_test(plateau_acts_at_the_nth),
        cmocka_unit_test(plateau_cooldown),
        cmocka_unit_test(plateau_floor_and_delta),
        cmocka_unit_test(only_plateau_reacts),
        cmocka_unit_test(constant),
        cmocka_unit_test(step_table),
        cmocka_unit_test(cosine_end_points),
        cmocka_unit_test(warmup),
        cmocka_unit_test(warmup_multiplies_every_kind),
        cmocka_unit_test(odd_stages),
        cmocka_unit_test(table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
