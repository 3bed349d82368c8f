/* nonfinite, loss_spike, grad_explosion: when they fire, to the step, and when they must not; and
 * the sliding window behind the last two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/random.h"
#include "guard/step_window.h"
#include "guard_lab.h"

static const int64_t five[] = {40, 40, 40, 40, 40};
static const lab_setup setup = {
    .kind = BAL_HEAD_CLASSES,
    .classes = 5,
    .support = five,
    .options = {.policy = BAL_GUARD_RECOVER, .n_remedies = 4, .max_rollbacks = 4}};

/* ---- window ---- */

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The lower middle one of n values. */
static double middle(double *values, int32_t n) {
    qsort(values, (size_t)n, sizeof *values, by_size);
    return values[(n - 1) / 2];
}

static void window_equals_sorting(void **state) {
    enum { CAPACITY = 11, PUSHES = 500 };
    bal_arena arena = {0};
    bal_step_window window;
    assert_true(bal_step_window_init(&window, &arena, CAPACITY));
    bal_random random;
    bal_random_init(&random, 1, 2);
    double all[PUSHES];
    for (int32_t n = 1; n <= PUSHES; n++) {
        all[n - 1] = floor(10 * bal_random_normal(&random)); /* with equal ones */
        bal_step_window_push(&window, all[n - 1]);
        int32_t held = n < CAPACITY ? n : CAPACITY;
        double values[CAPACITY], median;
        memcpy(values, all + n - held, (size_t)held * sizeof *values);
        median = middle(values, held);
        assert_true(bal_step_window_median(&window) == median);
        for (int32_t i = 0; i < held; i++)
            values[i] = fabs(values[i] - median);
        assert_true(bal_step_window_mad(&window) == middle(values, held));
    }
    bal_arena_release(&arena);
}

/* ---- nonfinite ---- */

static void one_skipped_step_is_noted(void **state) {
    guard_lab lab;
    lab_init(&lab, &setup);
    bal_decision decision;
    for (int i = 0; i < 30; i++) {
        decision = lab_step(&lab, 1, 1);
        assert_silent(decision);
    }
    decision = lab_step(&lab, 1, NAN);
    assert_fires(decision, "nonfinite");
    assert_int_equal(decision.verdict, BAL_VERDICT_WARN);
    assert_int_equal(decision.incidents[0].action, BAL_GUARD_WARN);
    assert_int_equal(decision.incidents[0].step, 30);
    assert_non_null(strstr(decision.incidents[0].message, "gradient"));
    decision = lab_step(&lab, NAN, NAN); /* the second of the same episode is not worth a line */
    assert_silent(decision);
    for (int i = 0; i < 19; i++) {
        decision = lab_step(&lab, 1, 1);
        assert_silent(decision);
    }
    decision = lab_step(&lab, -INFINITY, 1);
    assert_fires(decision, "nonfinite");
    assert_non_null(strstr(decision.incidents[0].message, "loss"));
    assert_int_equal(bal_guard_rollbacks(lab.guard), 0);
    lab_release(&lab);
}

static void many_skipped_steps_are_a_collapse(void **state) {
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 20; i++) {
        bool bad = i % 6 == 1; /* steps 1, 7, 13, 19: four within 20 */
        bal_decision decision = lab_step(&lab, bad ? NAN : 1, 1);
        int want = i == 1 ? BAL_VERDICT_WARN : i == 19 ? BAL_VERDICT_ROLLBACK : BAL_VERDICT_GO;
        assert_int_equal(decision.verdict, want);
    }
    lab_release(&lab);

    lab_init(&lab, &setup);
    for (int i = 0; i < 200; i++) {
        bal_decision decision = lab_step(&lab, i % 7 == 0 ? NAN : 1, 1); /* at most three in 20 */
        assert_int_equal(decision.verdict, i == 0 ? BAL_VERDICT_WARN : BAL_VERDICT_GO);
    }
    lab_release(&lab);
}

static void one_long_episode_is_told_twice(void **state) {
    lab_setup warn = setup;
    warn.options.policy = BAL_GUARD_WARN;
    guard_lab lab;
    lab_init(&lab, &warn);
    for (int i = 0; i < 50; i++)
        lab_step(&lab, NAN, NAN);
    assert_int_equal(bal_guard_incidents(lab.guard),
                     2); /* the first step, and that they are many */
    lab_release(&lab);
}

static void broken_outputs_fire_at_once(void **state) {
    guard_lab lab;
    lab_init(&lab, &setup);
    bal_decision decision = lab_recall(&lab, 0.8);
    assert_silent(decision);
    lab.predicted[3] = -1;
    decision = lab_evaluate(&lab, 2);
    assert_fires(decision, "nonfinite");
    assert_int_equal(decision.verdict, BAL_VERDICT_ROLLBACK);
    assert_false(decision.healthy);
    assert_false(decision.eligible);
    assert_non_null(strstr(decision.ineligible_reason, "not finite"));
    for (int64_t i = 0; i < lab.rows; i++)
        lab.predicted[i] = -1;
    decision = lab_evaluate(&lab, 2); /* the same episode */
    assert_int_equal(lab_count(&decision, "nonfinite"), 0);
    assert_false(decision.healthy);
    lab_release(&lab);
}

static void broken_value_heads_fire_too(void **state) {
    const double mean[] = {0};
    bal_guard_head head = {.name = "next", .kind = BAL_HEAD_VALUE, .classes = 1, .prior = mean};
    bal_guard *guard = NULL;
    assert_int_equal(
        bal_guard_new(&(bal_guard_options){.policy = BAL_GUARD_STOP, .heads = &head, .n_heads = 1},
                      &guard, NULL),
        BAL_OK);
    const float targets[] = {1, 2}, fine[] = {1, 1}, broken[] = {1, INFINITY};
    const double losses[] = {1, INFINITY, 1};
    for (int i = 0; i < 3; i++) {
        bal_scores *scores = NULL;
        assert_int_equal(bal_scores_new(&(bal_evaluation){.kind = BAL_HEAD_VALUE,
                                                          .rows = 2,
                                                          .classes = 1,
                                                          .logits = i == 2 ? broken : fine,
                                                          .targets = targets,
                                                          .prior = mean},
                                        &scores, NULL),
                         BAL_OK);
        bal_guard_rebaseline(guard);
        bal_decision decision =
            bal_guard_evaluate(guard, &(bal_eval_signals){.evaluation = i + 1,
                                                          .head_loss = &losses[i],
                                                          .scores = (const bal_scores *[]){scores},
                                                          .monitored = 1,
                                                          .monitored_prior = 2,
                                                          .dead_share = NAN});
        assert_int_equal(decision.verdict, i ? BAL_VERDICT_STOP : BAL_VERDICT_GO);
        assert_int_equal(decision.eligible, i == 0);
        assert_int_equal(decision.healthy, i == 0);
        bal_scores_free(scores);
    }
    bal_guard_free(guard);
}

/* ---- loss_spike ---- */

/* 60 healthy steps: losses around 1. */
static void warm_up(guard_lab *lab, bal_random *random) {
    bal_random_init(random, 3, 1);
    for (int i = 0; i < 60; i++) {
        bal_decision decision = lab_step(lab, 1 + 0.1 * bal_random_normal(random), 2);
        assert_silent(decision);
    }
}

static void lasting_spike_fires_at_the_tenth_step(void **state) {
    guard_lab lab;
    bal_random random;
    lab_init(&lab, &setup);
    warm_up(&lab, &random);
    for (int i = 1; i <= 10; i++) {
        bal_decision decision = lab_step(&lab, 6, 2);
        if (i < 10) {
            assert_silent(decision);
            continue;
        }
        assert_fires(decision, "loss_spike");
        assert_int_equal(decision.verdict, BAL_VERDICT_ROLLBACK);
    }
    lab_release(&lab);
}

static void short_spikes_are_silent(void **state) {
    guard_lab lab;
    bal_random random;
    lab_init(&lab, &setup);
    warm_up(&lab, &random);
    for (int i = 0; i < 500; i++) {
        bal_decision decision = lab_step(&lab, i % 10 ? 40 : 1, 2); /* nine in a row, then one */
        assert_silent(decision);
    }
    lab_release(&lab);
}

static void spike_makes_the_evaluation_suspect(void **state) {
    guard_lab lab;
    bal_random random;
    lab_init(&lab, &setup);
    warm_up(&lab, &random);
    assert_true(lab_recall(&lab, 0.8).healthy);
    for (int i = 1; i <= 3; i++) {
        lab_step(&lab, 6, 2);
        assert_int_equal(lab_recall(&lab, 0.8).healthy, i < 3);
    }
    lab_step(&lab, 1, 2);
    assert_true(lab_recall(&lab, 0.8).healthy);
    lab_release(&lab);
}

static void single_huge_loss_is_noted(void **state) {
    guard_lab lab;
    bal_random random;
    lab_init(&lab, &setup);
    warm_up(&lab, &random);
    bal_decision decision = lab_step(&lab, 1000, 2);
    assert_fires(decision, "loss_spike");
    assert_int_equal(decision.verdict, BAL_VERDICT_WARN);
    decision = lab_step(&lab, 1, 2);
    assert_silent(decision);
    lab_release(&lab);
}

static void nobody_acts_and_the_level_becomes_normal(void **state) {
    lab_setup warn = setup;
    warn.options.policy = BAL_GUARD_WARN;
    guard_lab lab;
    bal_random random;
    lab_init(&lab, &warn);
    warm_up(&lab, &random);
    int incidents = 0;
    for (int i = 0; i < 400; i++)
        incidents += lab_step(&lab, 6 + 0.1 * bal_random_normal(&random), 2).n_incidents;
    assert_int_equal(incidents, 1);
    assert_true(lab_recall(&lab, 0.8).healthy);
    lab_release(&lab);
}

/* Leaps that stay below a quarter of the first losses are no spikes, however large beside a window
 * of losses near zero. */
static void losses_near_zero_may_leap(void **state) {
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 100; i++)
        lab_step(&lab, 2 * exp(-i / 20.0), 2);
    for (int i = 0; i < 200; i++) {
        bal_decision decision = lab_step(&lab, i < 150 ? 1e-6 : 0.14, 2);
        assert_silent(decision);
    }
    lab_release(&lab);
}

static void first_steps_are_silent(void **state) {
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 50; i++) {
        bal_decision decision = lab_step(&lab, pow(1.5, i), pow(1.5, i));
        assert_silent(decision);
    }
    lab_release(&lab);
}

/* ---- grad_explosion ---- */

static void exploding_norms_fire_at_the_tenth_step(void **state) {
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 50; i++)
        lab_step(&lab, 1, 3);
    for (int i = 1; i <= 10; i++) {
        bal_decision decision = lab_step(&lab, 1, 31);
        if (i < 10) {
            assert_silent(decision);
            continue;
        }
        assert_fires(decision, "grad_explosion");
        assert_int_equal(decision.verdict, BAL_VERDICT_ROLLBACK);
    }
    lab_release(&lab);
}

static void large_norms_that_are_normal_are_silent(void **state) {
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 400; i++) {
        bal_decision decision = lab_step(&lab, 1, i % 12 ? 300 : 90); /* class weights do that */
        assert_silent(decision);
    }
    lab_release(&lab);
}

static void small_norms_may_grow(void **state) {
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 400; i++) {
        bal_decision decision = lab_step(&lab, 1, i < 200 ? 1e-3 : 9);
        assert_silent(decision);
    }
    lab_release(&lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_equals_sorting),
        cmocka_unit_test(one_skipped_step_is_noted),
        cmocka_unit_test(many_skipped_steps_are_a_collapse),
        cmocka_unit_test(one_long_episode_is_told_twice),
        cmocka_unit_test(broken_outputs_fire_at_once),
        cmocka_unit_test(broken_value_heads_fire_too),
        cmocka_unit_test(lasting_spike_fires_at_the_tenth_step),
        cmocka_unit_test(short_spikes_are_silent),
        cmocka_unit_test(spike_makes_the_evaluation_suspect),
        cmocka_unit_test(single_huge_loss_is_noted),
        cmocka_unit_test(nobody_acts_and_the_level_becomes_normal),
        cmocka_unit_test(losses_near_zero_may_leap),
        cmocka_unit_test(first_steps_are_silent),
        cmocka_unit_test(exploding_norms_fire_at_the_tenth_step),
        cmocka_unit_test(large_norms_that_are_normal_are_silent),
        cmocka_unit_test(small_norms_may_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
