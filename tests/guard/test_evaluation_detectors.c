/* The detectors that look at evaluations: when each fires, to the evaluation, and what must leave
 * it silent. Whole healthy runs are in test_healthy_runs.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "guard_lab.h"

#define COUNT(array) ((int32_t)(sizeof(array) / sizeof *(array)))

static const int64_t five[] = {60, 60, 60, 60, 60};
static const lab_setup five_classes = {.kind = BAL_HEAD_CLASSES, .classes = 5, .support = five};

static lab_setup classes_of(int32_t classes, const int64_t *support) {
    return (lab_setup){.kind = BAL_HEAD_CLASSES, .classes = classes, .support = support};
}

static lab_setup binary_of(const int64_t *support) {
    return (lab_setup){.kind = BAL_HEAD_BINARY, .classes = 2, .support = support};
}

/* ---- one_class ---- */

static void collapse_from_the_start_fires_at_the_second(void **state) {
    guard_lab lab;
    lab_init(&lab, &five_classes);
    lab_predict_all(&lab, 3);
    bal_decision decision = lab_evaluate(&lab, 3);
    assert_silent(decision);
    assert_false(decision.healthy);
    assert_false(decision.eligible);
    assert_non_null(strstr(decision.ineligible_reason, "concentrate"));
    decision = lab_evaluate(&lab, 3);
    assert_fires(decision, "one_class");
    assert_string_equal(decision.incidents[0].head, "label");
    assert_string_equal(decision.incidents[0].class_name, "D");
    assert_int_equal(decision.incidents[0].evaluation, 2);
    assert_non_null(strstr(decision.incidents[0].message, "1 of 5 classes"));
    decision = lab_evaluate(&lab, 3); /* one incident per episode; by now it is seen to be blind */
    assert_int_equal(lab_count(&decision, "one_class"), 0);
    lab_release(&lab);
}

static void collapse_of_a_diverse_run_fires_at_once(void **state) {
    guard_lab lab;
    lab_init(&lab, &five_classes);
    bal_decision decision = lab_recall(&lab, 0.7);
    assert_silent(decision);
    assert_true(decision.healthy && decision.eligible);
    lab_predict_all(&lab, 0);
    lab.predicted[0] = 1;
    decision = lab_evaluate(&lab, 3);
    assert_fires(decision, "one_class");
    decision = lab_recall(&lab, 0.7); /* the episode ends, the next one counts again */
    assert_silent(decision);
    lab_predict_all(&lab, 0);
    decision = lab_evaluate(&lab, 3);
    assert_fires(decision, "one_class");
    lab_release(&lab);
}

/* Entropy ratio .03, .12, .27, .5, ...: a run that finds its classes one after the other. Its
 * second and third evaluation are below the floor, but on the way up. */
static void rising_diversity_is_learning(void **state) {
    guard_lab lab;
    lab_init(&lab, &five_classes);
    const int others[] = {2, 15, 42, 90, 150, 200, 220};
    for (int i = 0; i < COUNT(others); i++) {
        lab_predict_all(&lab, 0);
        for (int k = 0; k < others[i]; k++)
            lab.predicted[60 + k] = 1 + k / 60;
        bal_decision decision = lab_evaluate(&lab, 0.5);
        assert_silent(decision);
    }
    lab_release(&lab);
    lab_init(&lab, &five_classes);
    for (int i = 1; i <= 2; i++) { /* 4 rows of 300, then 10: no clear rise */
        lab_predict_all(&lab, 0);
        for (int k = 0; k < (i == 1 ? 4 : 10); k++)
            lab.predicted[60 + k] = 1;
        bal_decision decision = lab_evaluate(&lab, 0.5);
        assert_int_equal(lab_count(&decision, "one_class"), i == 2);
    }
    lab_release(&lab);
}

static void majority_may_take_a_lopsided_problem(void **state) {
    const int64_t rare[] = {990, 10};
    lab_setup setup = binary_of(rare);
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 60; i++) { /* AUC .5, yet not its business: see input_blind */
        lab_predict_all(&lab, 0);
        for (int k = 0; k < i % 4; k++)
            lab.predicted[990 + k] = 1;
        bal_decision decision = lab_evaluate(&lab, 4.5);
        assert_int_equal(lab_count(&decision, "one_class"), 0);
    }
    for (int i = 0; i < 5; i++) { /* nor need it be sure: that is what a focal loss does */
        lab_predict_all(&lab, 0);
        bal_decision decision = lab_evaluate(&lab, 1);
        assert_int_equal(lab_count(&decision, "one_class"), 0);
    }
    lab_predict_all(&lab, 1); /* but the rare one may not take it */
    bal_decision decision = lab_evaluate(&lab, 4.5);
    decision = lab_evaluate(&lab, 4.5);
    assert_int_equal(lab_count(&decision, "one_class"), 1);
    lab_release(&lab);
}

static void few_rows_prove_nothing(void **state) {
    const int64_t tiny[] = {2, 2};
    lab_setup setup = classes_of(2, tiny);
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 10; i++) {
        lab_predict_all(&lab, i / 5);
        lab.predicted[0] = 0;
        bal_decision decision = lab_evaluate(&lab, 1 + i);
        assert_int_equal(lab_count(&decision, "one_class"), 0);
    }
    lab_release(&lab);
}

/* A split that shows 2 of 16 classes: predicting those two is right. */
static void labels_that_lack_classes_set_the_yardstick(void **state) {
    const int64_t seen[16] = {100, 100};
    double prior[16];
    for (int c = 0; c < 16; c++)
        prior[c] = 1.0 / 16;
    lab_setup setup = classes_of(16, seen);
    setup.prior = prior;
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 5; i++) {
        bal_decision decision = lab_recall(&lab, 1);
        assert_silent(decision);
    }
    lab_release(&lab);
}

/* Naming the mode with the prior's own probabilities is honest of a model that never knew better.
 * One that did has forgotten it. */
static void the_mode_is_no_excuse_for_forgetting(void **state) {
    const int64_t support[] = {14, 10};
    lab_setup setup = classes_of(2, support);
    for (int knew = 0; knew < 2; knew++) {
        guard_lab lab;
        lab_init(&lab, &setup);
        bal_decision decision = lab_recall(&lab, knew ? 1 : 0.5);
        assert_silent(decision);
        for (int i = 2; i <= 4; i++) {
            lab_predict_all(&lab, 0);
            decision = lab_evaluate(&lab, 0.2);
            assert_int_equal(lab_count(&decision, "one_class"), knew && i == 3);
        }
        lab_release(&lab);
    }
}

/* One of 197 classes takes everything, one row in fifty excepted: the recorded failure. */
static void class_41_takes_it_all(void **state) {
    int64_t ten[197];
    for (int c = 0; c < 197; c++)
        ten[c] = 10;
    lab_setup setup = classes_of(197, ten);
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 1; i <= 2; i++) {
        lab_predict_all(&lab, 41);
        for (int k = 0; k < 40; k++)
            lab.predicted[50 * k] = k % 2 ? 7 : 190;
        bal_decision decision = lab_evaluate(&lab, 4);
        assert_false(decision.healthy || decision.eligible);
        if (i == 1) assert_silent(decision);
        if (i == 2) {
            assert_fires(decision, "one_class");
            assert_string_equal(decision.incidents[0].class_name, "41");
            assert_non_null(strstr(decision.incidents[0].message, "3 of 197 classes"));
        }
    }
    lab_release(&lab);
}

/* ---- class_lost ---- */

/* Recall of class B at one evaluation after the other; when class_lost fired, 0: not at all. */
static int64_t lost_at(const double *recalls, int32_t n) {
    guard_lab lab;
    lab_init(&lab, &five_classes);
    int64_t fired_at = 0;
    for (int32_t i = 0; i < n; i++) {
        const double recall[] = {0.8, recalls[i], 0.8, 0.8, 0.8};
        lab_predict(&lab, recall, -1);
        bal_decision decision = lab_evaluate(&lab, 2);
        if (lab_count(&decision, "class_lost") > 0) fired_at = lab.evaluation;
    }
    lab_release(&lab);
    return fired_at;
}

static void lost_class_fires_at_the_fourth_zero(void **state) {
    guard_lab lab;
    lab_init(&lab, &five_classes);
    const double well[] = {0.8, 0.5, 0.8, 0.8, 0.8}, lost[] = {0.8, 0, 0.8, 0.8, 0.8};
    for (int i = 0; i < 5; i++) {
        lab_predict(&lab, well, -1);
        bal_decision decision = lab_evaluate(&lab, 2);
        assert_silent(decision);
        assert_true(decision.healthy);
    }
    lab_predict(&lab, lost, -1);
    for (int i = 0; i < 3; i++) {
        bal_decision decision = lab_evaluate(&lab, 2);
        assert_silent(decision);
        assert_false(decision.healthy); /* no rollback leads here */
    }
    bal_decision decision = lab_evaluate(&lab, 2);
    assert_fires(decision, "class_lost");
    assert_string_equal(decision.incidents[0].class_name, "B");
    assert_non_null(strstr(decision.incidents[0].message, "0 of 60 rows for 4 evaluations"));
    decision = lab_evaluate(&lab, 2);
    assert_silent(decision); /* told once */
    lab_predict(&lab, well, -1);
    lab_evaluate(&lab, 2);
    lab_predict(&lab, lost, -1);
    for (int i = 0; i < 3; i++)
        lab_evaluate(&lab, 2);
    decision = lab_evaluate(&lab, 2);
    assert_fires(decision, "class_lost");
    lab_release(&lab);
}

/* A slow healthy run of minimal pairs: one of a pair with half of its rows right, then with none,
 * until the net tells the two apart. */
static void look_alikes_may_lose_each_other_for_a_while(void **state) {
    const double pair[] = {0.5, 0.5, 0.5, 0, 0, 0.6, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0.4, 0.7};
    assert_int_equal(lost_at(pair, COUNT(pair)), 0);
    const double gone[] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0, 0, 0, 0};
    assert_int_equal(lost_at(gone, COUNT(gone)), 10);
}

static void class_that_was_never_alive_cannot_be_lost(void **state) {
    double recalls[60];
    for (int i = 0; i < 60; i++) /* .6 four times in a row, never five times */
        recalls[i] = i % 9 < 4 ? 0.6 : 0;
    assert_int_equal(lost_at(recalls, 60), 0);
    for (int i = 0; i < 60; i++) /* for long, but never with half of its rows */
        recalls[i] = i % 12 < 7 ? 0.45 : 0;
    assert_int_equal(lost_at(recalls, 60), 0);
}

static void small_classes_may_miss_all_rows(void **state) {
    const int64_t support[] = {200, 200, 19};
    lab_setup setup = classes_of(3, support);
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 30; i++) {
        const double recall[] = {0.9, 0.9, i % 10 < 5 ? 1 : 0};
        lab_predict(&lab, recall, -1);
        bal_decision decision = lab_evaluate(&lab, 2);
        assert_int_equal(lab_count(&decision, "class_lost"), 0);
    }
    lab_release(&lab);
}

static void several_lost_classes_are_one_incident(void **state) {
    const int64_t support[] = {60, 80, 60, 60, 60};
    lab_setup setup = classes_of(5, support);
    guard_lab lab;
    lab_init(&lab, &setup);
    const double well[] = {0.8, 0.8, 0.8, 0.8, 0.8}, lost[] = {0, 0, 0, 0.8, 0.8};
    for (int i = 0; i < 5; i++) {
        lab_predict(&lab, well, -1);
        lab_evaluate(&lab, 2);
    }
    lab_predict(&lab, lost, 4);
    for (int i = 0; i < 3; i++) {
        bal_decision decision = lab_evaluate(&lab, 2);
        assert_silent(decision);
    }
    bal_decision decision = lab_evaluate(&lab, 2);
    assert_fires(decision, "class_lost");
    assert_string_equal(decision.incidents[0].class_name, "B"); /* the largest */
    assert_non_null(strstr(decision.incidents[0].message, "2 more classes"));
    lab_release(&lab);
}

/* ---- swing ---- */

/* When swing fires on per-class recalls of a threshold head, in per cent. */
static int swing_at(const double *below, const double *above, int n) {
    const int64_t support[] = {370, 670}; /* P(at least 1.5) = .645 */
    lab_setup setup = binary_of(support);
    guard_lab lab;
    lab_init(&lab, &setup);
    int fired_at = 0;
    for (int i = 0; i < n; i++) {
        const double recall[] = {below[i] / 100, above[i] / 100};
        lab_predict(&lab, recall, -1);
        bal_decision decision = lab_evaluate(&lab, 1);
        bool fires = lab_count(&decision, "swing") > 0;
        assert_int_equal(bal_guard_swings(lab.guard, 0), fires || fired_at > 0); /* within 10 */
        if (!fires) continue;
        assert_int_equal(fired_at, 0);
        assert_false(decision.healthy);
        fired_at = i + 1;
    }
    lab_release(&lab);
    return fired_at;
}

/* The recorded trajectory, every 5th epoch. The first swing, 54 to 0, is at evaluation 2 (or 3). */
static void recorded_threshold_swing(void **state) {
    static const double below[] = {0, 54.3, 0, 13, 100, 0}, above[] = {100, 42.9, 99.9, 91, 0, 100};
    assert_int_equal(swing_at(below, above, 6), 5);
    assert_int_equal(swing_at(below + 1, above + 1, 5), 4);
}

static void exchanges_that_are_no_swing(void **state) {
    /* At the beginning; one class after the other; a fall without a rise. */
    static const double early[] = {0, 100, 100, 90, 80, 80}, late[] = {100, 0, 0, 20, 75, 80};
    assert_int_equal(swing_at(early, late, 6), 0);
    static const double rises[] = {0, 0, 0, 0, 50, 75, 80}, falls[] = {99, 99, 99, 98, 90, 60, 75};
    assert_int_equal(swing_at(rises, falls, 7), 0);
    static const double high[] = {90, 90, 90, 90, 20, 20}, still[] = {80, 80, 80, 80, 95, 95};
    assert_int_equal(swing_at(high, still, 6), 0);
}

static int64_t swings_of(const lab_setup *setup, const double *recalls, int32_t evaluations) {
    guard_lab lab;
    lab_init(&lab, setup);
    int64_t swings = 0;
    for (int32_t i = 0; i < evaluations; i++) {
        lab_predict(&lab, recalls + (int64_t)i * setup->classes, -1);
        bal_decision decision = lab_evaluate(&lab, 1);
        swings += lab_count(&decision, "swing");
    }
    lab_release(&lab);
    return swings;
}

static void what_is_no_swing(void **state) {
    const int64_t many[] = {150, 100, 100, 100, 100}, few[] = {20, 20, 20, 20, 20};
    lab_setup large = classes_of(5, many), small = classes_of(5, few);
#define REST 0.6, 0.6, 0.6, 0.6
    const double first_rise[] = {0.1,  REST, 0.1,  REST, 0.1,  REST, 0.1,  REST, 0.9,
                                 REST, 0.9,  REST, 0.9,  REST, 0.9,  REST, 0.2,  REST};
    assert_int_equal(swings_of(&large, first_rise, 9), 0);
    const double in_between[] = {0.9, REST, 0.9, REST, 0.9, REST, 0.9, REST, 0.35, REST, 0.9, REST};
    assert_int_equal(swings_of(&large, in_between, 6), 0);
    const double early[] = {0.9, REST, 0.1, REST, 0.9, REST, 0.9, REST, 0.1, REST, 0.1, REST};
    assert_int_equal(swings_of(&large, early, 6), 0);
    const double swing[] = {0.9, REST, 0.9, REST, 0.9, REST, 0.1, REST, 0.9, REST, 0.9, REST};
    assert_int_equal(swings_of(&large, swing, 6), 1);
    /* 20 rows: .75 and .25 are within what chance makes of one half. */
#define LOW 0.35, 0.35, 0.35, 0.35
    const double noisy[] = {0.75, LOW, 0.75, LOW, 0.75, LOW, 0.25, LOW, 0.75, LOW, 0.25, LOW};
    assert_int_equal(swings_of(&small, noisy, 6), 0);
    assert_int_equal(swings_of(&large, noisy, 6), 1);
    double apart[20 * 5];
    for (int i = 0; i < 20; i++) {
        const double recall[] = {i == 5 || i >= 15 ? 0.1 : 0.9, REST};
        memcpy(apart + i * 5, recall, sizeof recall);
    }
    assert_int_equal(swings_of(&large, apart, 20), 1); /* down at 6, up at 7 */
    for (int i = 0; i < 20; i++)
        apart[i * 5] = i >= 5 && i < 15 ? 0.1 : 0.9; /* down at 6, up at 16 */
    assert_int_equal(swings_of(&large, apart, 20), 0);
#undef REST
#undef LOW
}

/* Recalls of 26 classes over 20 evaluations: the first `swinging` ones go up and down, in pairs of
 * opposites or all together. */
static int64_t swings_among_26(int swinging, bool trading) {
    int64_t support[26];
    double recalls[20 * 26];
    for (int c = 0; c < 26; c++)
        support[c] = 60;
    for (int i = 0; i < 20; i++)
        for (int c = 0; c < 26; c++) {
            int phase = trading ? i + c : i;
            recalls[i * 26 + c] = c >= swinging ? 0.8 : phase % 2 ? 0.9 : 0.1;
        }
    lab_setup setup = classes_of(26, support);
    return swings_of(&setup, recalls, 20);
}

/* However many pairs trade places, the mean recall stays. Classes that fall together take it along:
 * six of 26 are too few, eight are a swing. */
static void look_alikes_may_trade_places(void **state) {
    for (int swinging = 6; swinging <= 26; swinging += 2)
        assert_int_equal(swings_among_26(swinging, true), 0);
    assert_int_equal(swings_among_26(6, false), 0);
    assert_int_equal(swings_among_26(8, false), 1);
}

/* Six price bands, about equally likely: the answer for most rows hops between neighbours. */
static void hopping_without_harm_is_no_swing(void **state) {
    const int64_t support[] = {200, 180, 220, 300, 150, 60};
    lab_setup setup = classes_of(6, support);
    double recalls[12 * 6];
    for (int i = 0; i < 12; i++) {
        bool other = i % 3 == 1;
        const double recall[] = {0.5, 0.2, other ? 0.75 : 0.15, other ? 0.15 : 0.8, 0.2, 0.3};
        memcpy(recalls + i * 6, recall, sizeof recall);
    }
    assert_int_equal(swings_of(&setup, recalls, 12), 0);
    /* The same, and what the others knew goes with it: from .36 to .22 and back. */
    for (int i = 0; i < 12; i++)
        recalls[i * 6] = recalls[i * 6 + 5] = i % 3 == 1 ? 0 : 0.4;
    assert_int_equal(swings_of(&setup, recalls, 12), 1);
    /* Harm is what the option says. */
    static const char *const option[] = {"fall"};
    static const double none = 0, most = 0.6;
    bal_detector_setting setting = {
        .detector = "swing", .enabled = true, .option = option, .value = &most, .n_options = 1};
    setup.options.settings = &setting;
    setup.options.n_settings = 1;
    assert_int_equal(swings_of(&setup, recalls, 12), 0);
    for (int i = 0; i < 12; i++)
        recalls[i * 6] = recalls[i * 6 + 5] = 0.4;
    setting.value = &none;
    assert_int_equal(swings_of(&setup, recalls, 12), 1);
}

/* The head lost a third of its recall long before two classes begin to hop: no harm of theirs. */
static void a_fall_of_long_ago_is_no_harm(void **state) {
    const int64_t support[] = {100, 100, 100, 100};
    lab_setup setup = classes_of(4, support);
    double recalls[40 * 4];
    for (int late = 0; late <= 1; late++) {
        int fall = late ? 28 : 8;
        for (int i = 0; i < 40; i++) {
            double rest = i < fall ? 0.65 : 0.35;
            bool other = i >= 30 && i % 2;
            const double recall[] = {rest, rest, other ? 0.1 : 0.8, other ? 0.8 : 0.1};
            memcpy(recalls + i * 4, recall, sizeof recall);
        }
        assert_int_equal(swings_of(&setup, recalls, 40), late);
    }
}

/* ---- degrading ---- */

static int64_t degraded_at(const double *monitored, int32_t n, double prior, bool smaller) {
    guard_lab lab;
    lab_init(&lab, &five_classes);
    lab.monitored_prior = prior;
    lab.smaller_is_better = smaller;
    int64_t fired_at = 0;
    for (int32_t i = 0; i < n; i++) {
        lab.monitored = monitored[i];
        bal_decision decision = lab_recall(&lab, 0.7);
        if (lab_count(&decision, "degrading") == 0) continue;
        assert_int_equal(fired_at, 0);
        fired_at = i + 1;
    }
    lab_release(&lab);
    return fired_at;
}

static void damage_after_the_peak(void **state) {
    const double peak[] = {0.4,  0.45, 0.5,  0.53, 0.55, 0.56, 0.5,  0.44, 0.4,
                           0.36, 0.34, 0.33, 0.33, 0.32, 0.32, 0.32, 0.32, 0.31};
    /* The best is .56, a quarter of its gain .14, but the decline itself looks like noise of up to
     * .20 at first: that much is lost from evaluation 11 on, five in a row. */
    assert_int_equal(degraded_at(peak, COUNT(peak), 0, false), 15);
    double loss[COUNT(peak)];
    for (int i = 0; i < COUNT(peak); i++)
        loss[i] = 1 - peak[i];
    assert_int_equal(degraded_at(loss, COUNT(peak), 1, true), 15);
    assert_int_equal(degraded_at(peak, COUNT(peak), NAN, false), 0); /* no yardstick */
    assert_int_equal(degraded_at(peak, COUNT(peak), 0.6, false), 0); /* nothing was gained */
}

static void noise_around_nothing_is_no_damage(void **state) {
    double noise[60];
    for (int i = 0; i < 60;
         i++) /* one lucky evaluation at the start, then a coin flip's accuracy */
        noise[i] = i == 3 ? 0.56 : 0.5 + 0.03 * sin(12.9898 * i) + 0.01 * sin(78.233 * i);
    assert_int_equal(degraded_at(noise, 60, 0.5, false), 0);
    for (int i = 0; i < 60; i++) /* a good beginning by chance */
        noise[i] = i < 2 ? 0.9 : 0.6 + 0.001 * (i % 2);
    assert_int_equal(degraded_at(noise, 60, 0.5, false), 0);
    double dips[60]; /* deep, but never five in a row */
    for (int i = 0; i < 60; i++)
        dips[i] = i % 5 == 4 || i < 10 ? 0.9 : 0.3;
    assert_int_equal(degraded_at(dips, 60, 0.1, false), 0);
}

/* One of twelve rare rows is named now and then, early on; later never again. */
static void one_row_is_no_level(void **state) {
    const int64_t support[] = {388, 12};
    lab_setup setup = binary_of(support);
    for (int rows = 1; rows <= 8; rows += 7) {
        guard_lab lab;
        lab_init(&lab, &setup);
        lab.monitored_prior = 0.5;
        int fired = 0;
        for (int i = 0; i < 60; i++) {
            const double recall[] = {0.99, i == 6 || (rows > 1 && i < 12) ? rows / 12.0 : 0};
            lab_predict(&lab, recall, -1);
            lab.monitored = 0.5 + recall[1] / 2;
            bal_decision decision = lab_evaluate(&lab, 2);
            fired += lab_count(&decision, "degrading");
        }
        assert_int_equal(fired, rows > 1);
        lab_release(&lab);
    }
}

/* ---- input_blind ---- */

/* Everyone gets the prior: the histogram is all in one class, but with such a clear mode that is
 * the answer of a model that knows nothing. */
static void constant_answers_are_blind_at_the_third(void **state) {
    const int64_t support[] = {300, 60, 40};
    lab_setup setup = classes_of(3, support);
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 1; i <= 5; i++) {
        lab_predict_all(&lab, 0);
        bal_decision decision = lab_evaluate(&lab, 0);
        assert_false(decision.healthy || decision.eligible);
        assert_int_equal(decision.n_incidents, i == 3);
        assert_int_equal(lab_count(&decision, "input_blind"), i == 3);
    }
    lab_release(&lab);
}

/* Timid outputs that are right more often than chance are not blind. */
static void timid_outputs_are_not_blind(void **state) {
    guard_lab lab;
    lab_init(&lab, &five_classes);
    for (int i = 0; i < 20; i++) {
        const double recall[] = {0.45, 0.45, 0.45, 0.45, 0.45};
        lab_predict(&lab, recall, -1);
        bal_decision decision = lab_evaluate(&lab, 0.01);
        assert_silent(decision);
        assert_true(decision.eligible);
    }
    for (int i = 1; i <= 2; i++) { /* right as often as chance, .2: blind */
        const double recall[] = {0.2, 0.2, 0.2, 0.2, 0.2};
        lab_predict(&lab, recall, -1);
        bal_decision decision = lab_evaluate(&lab, 0.01);
        assert_int_equal(lab_count(&decision, "input_blind"), i == 2);
    }
    lab_release(&lab);
}

/* ---- dead_units ---- */

static void dead_units_fire_at_the_second(void **state) {
    guard_lab lab;
    lab_init(&lab, &five_classes);
    static const double share[] = {0.95, 0.5, 0.89, NAN, 0.95, 0.95, 0.95, 0.3, 0.99, 0.99};
    for (int i = 0; i < COUNT(share); i++) {
        lab.dead_share = share[i];
        bal_decision decision = lab_recall(&lab, 0.7);
        if (i == 5 || i == 9)
            assert_fires(decision, "dead_units");
        else
            assert_silent(decision);
        assert_int_equal(decision.healthy, !(share[i] > 0.9));
    }
    lab_release(&lab);
    const int64_t few[] = {9, 9, 9, 9, 9}; /* 45 rows wake up few units */
    lab_setup setup = classes_of(5, few);
    lab_init(&lab, &setup);
    lab.dead_share = 0.97;
    for (int i = 0; i < 5; i++) {
        bal_decision decision = lab_recall(&lab, 0.7);
        assert_silent(decision);
    }
    lab_release(&lab);
}

/* ---- rule ---- */

static bal_guard_rule rule_of(const char *text, const char *op, double value, int64_t after) {
    bal_guard_rule rule = {.text = text, .value = value, .after = after};
    snprintf(rule.op, sizeof rule.op, "%s", op);
    assert_int_equal(bal_metric_path_parse("val.label.recall[A]", &rule.path, NULL), BAL_OK);
    return rule;
}

static void rules_count_from_after(void **state) {
    bal_guard_rule rule = rule_of("val.label.recall[A] < 0.05 after 4", "<", 0.05, 4);
    lab_setup setup = five_classes;
    setup.options = (bal_guard_options){.policy = BAL_GUARD_STOP, .rules = &rule, .n_rules = 1};
    guard_lab lab;
    lab_init(&lab, &setup);
    static const double values[] = {0.01, 0.01, 0.9, 0.01, 0.01, 0.01, NAN, 0.04};
    for (int i = 0; i < COUNT(values); i++) {
        lab.rule_value = values[i];
        bal_decision decision = lab_recall(&lab, 0.7);
        bool fires = i == 4 || i == 7; /* the fifth; then again after it was undefined */
        assert_int_equal(decision.verdict, fires ? BAL_VERDICT_STOP : BAL_VERDICT_GO);
        if (!fires) continue;
        assert_fires(decision, "rule");
        assert_string_equal(decision.incidents[0].class_name, "A");
        assert_non_null(strstr(decision.incidents[0].message, "recall[A] < 0.05 after 4"));
    }
    bal_guard_rebaseline(lab.guard); /* a new stage counts anew */
    for (int i = 1; i <= 5; i++) {
        bal_decision decision = lab_recall(&lab, 0.7);
        assert_int_equal(decision.verdict, i == 5 ? BAL_VERDICT_STOP : BAL_VERDICT_GO);
    }
    lab_release(&lab);
}

static void rules_compare_as_written(void **state) {
    static const struct {
        const char *op;
        bool below, equal, above;
    } cases[] = {{"<", 1, 0, 0},  {"<=", 1, 1, 0}, {">", 0, 0, 1},
                 {">=", 0, 1, 1}, {"==", 0, 1, 0}, {"!=", 1, 0, 1}};
    for (int i = 0; i < COUNT(cases); i++) {
        bal_guard_rule rule = rule_of("a rule", cases[i].op, 0.5, 0);
        lab_setup setup = five_classes;
        setup.options = (bal_guard_options){.rules = &rule, .n_rules = 1};
        const bool want[] = {cases[i].below, cases[i].equal, cases[i].above};
        for (int k = 0; k < 3; k++) {
            guard_lab lab;
            lab_init(&lab, &setup);
            lab.rule_value = 0.4 + 0.1 * k;
            if (k == 1) lab.rule_value = 0.5;
            bal_decision decision = lab_recall(&lab, 0.7);
            assert_int_equal(lab_count(&decision, "rule"), want[k]);
            lab_release(&lab);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collapse_from_the_start_fires_at_the_second),
        cmocka_unit_test(collapse_of_a_diverse_run_fires_at_once),
        cmocka_unit_test(rising_diversity_is_learning),
        cmocka_unit_test(majority_may_take_a_lopsided_problem),
        cmocka_unit_test(few_rows_prove_nothing),
        cmocka_unit_test(labels_that_lack_classes_set_the_yardstick),
        cmocka_unit_test(the_mode_is_no_excuse_for_forgetting),
        cmocka_unit_test(class_41_takes_it_all),
        cmocka_unit_test(lost_class_fires_at_the_fourth_zero),
        cmocka_unit_test(look_alikes_may_lose_each_other_for_a_while),
        cmocka_unit_test(class_that_was_never_alive_cannot_be_lost),
        cmocka_unit_test(small_classes_may_miss_all_rows),
        cmocka_unit_test(several_lost_classes_are_one_incident),
        cmocka_unit_test(recorded_threshold_swing),
        cmocka_unit_test(exchanges_that_are_no_swing),
        cmocka_unit_test(what_is_no_swing),
        cmocka_unit_test(look_alikes_may_trade_places),
        cmocka_unit_test(hopping_without_harm_is_no_swing),
        cmocka_unit_test(a_fall_of_long_ago_is_no_harm),
        cmocka_unit_test(damage_after_the_peak),
        cmocka_unit_test(noise_around_nothing_is_no_damage),
        cmocka_unit_test(one_row_is_no_level),
        cmocka_unit_test(constant_answers_are_blind_at_the_third),
        cmocka_unit_test(timid_outputs_are_not_blind),
        cmocka_unit_test(dead_units_fire_at_the_second),
        cmocka_unit_test(rules_count_from_after),
        cmocka_unit_test(rules_compare_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
