/* The detectors that compare losses and means with what is known of a head: mean_collapse,
 * too_good_loss, loss_explosion, no_skill, overfit, plateau, loss_variance. When each fires, to the
 * evaluation, and what must leave it silent. */
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

enum { ROWS = 400 };

static const int64_t even[] = {200, 200};
static const lab_setup binary = {.kind = BAL_HEAD_BINARY, .classes = 2, .support = even};
static const int64_t four_hundred[] = {ROWS};
static const lab_setup value = {.kind = BAL_HEAD_VALUE, .classes = 1, .support = four_hundred};

/* ---- mean_collapse ---- */

/* A logit per row around `mean`, a little higher where it belongs. */
static bal_decision evaluate_mean(guard_lab *lab, double mean, double lead) {
    for (int64_t i = 0; i < lab->rows; i++)
        lab->logits[i] = (float)(mean + (lab->labels[i] == 1 ? lead : -lead));
    return lab_evaluate_logits(lab);
}

static int64_t binary_collapse_at(double mean, double falling, int n) {
    guard_lab lab;
    lab_init(&lab, &binary);
    int64_t fired_at = 0;
    for (int i = 1; i <= n; i++) {
        lab.loss = 10 * pow(falling, i);
        bal_decision decision = evaluate_mean(&lab, mean, 0.5);
        if (lab_count(&decision, "mean_collapse") == 0) continue;
        assert_int_equal(fired_at, 0);
        assert_string_equal(decision.incidents[decision.n_incidents - 1].head, "label");
        assert_false(decision.healthy);
        fired_at = i;
    }
    lab_release(&lab);
    return fired_at;
}

static void all_foreground_gone(void **state) {
    assert_int_equal(binary_collapse_at(-9, 1, 10), 4);   /* the first does not count, then three */
    assert_int_equal(binary_collapse_at(9, 1, 10), 4);    /* all of it: nothing is background */
    assert_int_equal(binary_collapse_at(-9, 0.9, 10), 0); /* it still learns */
    assert_int_equal(binary_collapse_at(-2, 1, 10), 0);   /* unsure, class weights, … */
    assert_int_equal(binary_collapse_at(0, 1, 10), 0);
}

/* 5 rows of a class: a mean of nothing may be right. */
static void a_rare_class_may_be_missed(void **state) {
    const int64_t rare[] = {395, 5};
    lab_setup setup = binary;
    setup.support = rare;
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 10; i++) {
        bal_decision decision = evaluate_mean(&lab, -12, 0.5);
        assert_int_equal(lab_count(&decision, "mean_collapse"), 0);
    }
    lab_release(&lab);
}

/* Targets 100 ± about 5.8, predictions offset + slope · (target − 100). */
static bal_decision evaluate_line(guard_lab *lab, double offset, double slope) {
    for (int64_t i = 0; i < lab->rows; i++) {
        double x = (double)((i * 37) % 41) - 20;
        lab->targets[i] = (float)(100 + x / 2);
        lab->logits[i] = (float)(offset + slope * x / 2);
    }
    return lab_evaluate_logits(lab);
}

static int64_t value_collapse_at(double offset, double slope, bool learns) {
    guard_lab lab;
    lab_init(&lab, &value);
    int64_t fired_at = 0;
    for (int i = 1; i <= 10; i++) {
        lab.loss = learns ? pow(0.9, i) : 1 + 0.001 * (i % 2);
        bal_decision decision = evaluate_line(&lab, offset, slope);
        if (lab_count(&decision, "mean_collapse") == 0) continue;
        assert_int_equal(fired_at, 0);
        fired_at = i;
    }
    lab_release(&lab);
    return fired_at;
}

static void values_that_collapse(void **state) {
    assert_int_equal(value_collapse_at(100, 0, false), 4);   /* the mean for all */
    assert_int_equal(value_collapse_at(0, 0, false), 4);     /* stuck at the beginning */
    assert_int_equal(value_collapse_at(0, 0, true), 0);      /* at the beginning */
    assert_int_equal(value_collapse_at(400, 1, false), 4);   /* away */
    assert_int_equal(value_collapse_at(100, -30, false), 4); /* all over the place */
    assert_int_equal(value_collapse_at(100, 0.8, false), 0);
    assert_int_equal(value_collapse_at(100, 0.005, false), 0); /* faint, but about the targets */
    assert_int_equal(value_collapse_at(120, 0.3, false), 0);
}

/* ---- too_good_loss ---- */

static int64_t too_good_at(double train_loss, double lead, const int64_t *support) {
    lab_setup setup = binary;
    setup.support = support;
    guard_lab lab;
    lab_init(&lab, &setup);
    int64_t fired_at = 0;
    for (int i = 1; i <= 8; i++) {
        lab.train_loss = i == 1 ? 0.7 : train_loss;
        for (int64_t k = 0; k < lab.rows;
             k++) /* half of each class either way, and then the lead */
            lab.logits[k] = (float)((k % 2 ? 1 : -1) + (lab.labels[k] == 1 ? lead : -lead));
        bal_decision decision = lab_evaluate_logits(&lab);
        if (lab_count(&decision, "too_good_loss") == 0) continue;
        assert_int_equal(fired_at, 0);
        assert_false(decision.healthy);
        fired_at = i;
    }
    lab_release(&lab);
    return fired_at;
}

static void a_loss_too_good_to_be_true(void **state) {
    const int64_t few[] = {20, 20};
    assert_int_equal(too_good_at(0.001, 0, even), 3);
    assert_int_equal(too_good_at(0.1, 0, even), 0);   /* a loss like any other */
    assert_int_equal(too_good_at(0.001, 2, even), 0); /* and rightly so */
    assert_int_equal(too_good_at(0.001, 0, few), 0);  /* too few rows to say */
    assert_int_equal(too_good_at(NAN, 0, even), 0);
}

/* ---- loss_explosion ---- */

/* Logits of ±size, wrong for every `wrong`-th row, from evaluation `from` on. */
static int64_t explosion_at(double size, int wrong, int from) {
    guard_lab lab;
    lab_init(&lab, &binary);
    int64_t fired_at = 0;
    for (int i = 1; i <= 8; i++) {
        for (int64_t k = 0; k < lab.rows; k++) {
            bool right = i < from || (k * 7) % wrong != 0;
            double logit = i < from ? 1 : size;
            lab.logits[k] = (float)((lab.labels[k] == 1) == right ? logit : -logit);
        }
        bal_decision decision = lab_evaluate_logits(&lab);
        assert_int_equal(decision.healthy,
                         decision.n_incidents == 0 && (i < from || size < 30 || wrong > 4));
        if (lab_count(&decision, "loss_explosion") == 0) continue;
        assert_int_equal(fired_at, 0);
        fired_at = i;
    }
    lab_release(&lab);
    return fired_at;
}

/* 20 · log 2 = 13.9 nats per row: a third of the rows wrong by 45 are 15, by 40 they are 13.3. */
static void a_loss_beyond_all_measure(void **state) {
    assert_int_equal(explosion_at(45, 3, 1), 2);
    assert_int_equal(explosion_at(45, 3, 4), 5);
    assert_int_equal(explosion_at(20, 3, 1), 0); /* wrong with confidence, as by heart */
    assert_int_equal(explosion_at(20, 10, 1), 0);
    assert_int_equal(explosion_at(1000, 10, 1),
                     0); /* a tenth of the rows is none of the net's fault */
    assert_int_equal(explosion_at(1000, 3, 1), 2);
}

/* One evaluation of it is no incident, though no state to go back to. */
static void a_loss_that_comes_down_again(void **state) {
    guard_lab lab;
    lab_init(&lab, &binary);
    for (int i = 0; i < 8; i++) {
        for (int64_t k = 0; k < lab.rows; k++)
            lab.logits[k] =
                (float)((lab.labels[k] == 1) == (k % 3 != 0) ? 1 : -1) * (i % 2 ? 100.0F : 1.0F);
        bal_decision decision = lab_evaluate_logits(&lab);
        assert_int_equal(lab_count(&decision, "loss_explosion"), 0);
        assert_int_equal(decision.healthy, i % 2 == 0);
    }
    lab_release(&lab);
}

/* ---- no_skill ---- */

/* Half of each class is right, and `better` rows more, from evaluation `from` to `to`. */
static int64_t no_skill_at(int better, int from, int to, const int64_t *support, int n) {
    lab_setup setup = binary;
    setup.support = support;
    guard_lab lab;
    lab_init(&lab, &setup);
    int64_t fired_at = 0;
    for (int i = 1; i <= n; i++) {
        lab.train_loss = 0.7 * pow(0.8, i); /* by heart */
        lab.loss = 0.7 + 0.1 * i;
        int more = i >= from && i <= to ? better : 0;
        for (int64_t k = 0; k < lab.rows; k++) {
            bool right = k % 2 == 0 || more-- > 0;
            lab.logits[k] = (lab.labels[k] == 1) == right ? 1 : -1;
        }
        bal_decision decision = lab_evaluate_logits(&lab);
        if (lab_count(&decision, "no_skill") == 0) continue;
        assert_int_equal(fired_at, 0);
        assert_int_equal(decision.incidents[decision.n_incidents - 1].action, BAL_GUARD_WARN);
        fired_at = i;
    }
    lab_release(&lab);
    return fired_at;
}

/* 400 rows of two even classes: the standard error of the right ones is 10. */
static void nothing_that_holds(void **state) {
    const int64_t few[] = {60, 60};
    assert_int_equal(no_skill_at(0, 1, 40, even, 40), 10);
    assert_int_equal(no_skill_at(30, 1, 40, even, 40), 10); /* 3 standard errors: chance */
    assert_int_equal(no_skill_at(50, 1, 40, even, 40), 0);  /* 5: something */
    assert_int_equal(no_skill_at(150, 7, 7, even, 40), 0);  /* having known is enough */
    assert_int_equal(no_skill_at(150, 11, 40, even, 40), 10);
    assert_int_equal(no_skill_at(0, 1, 9, even, 9), 0);
    assert_int_equal(no_skill_at(0, 1, 40, few, 40), 0); /* 120 rows cannot be 16 beyond chance */
}

/* ---- overfit, plateau, loss_variance: from losses ---- */

typedef struct losses {
    double train, validation;
} losses;

/* Evaluation at which a detector notes something about a head whose right share is `recall`; 0:
 * never. */
static int64_t noted_at(const char *detector, losses (*at)(int), int n, double recall) {
    guard_lab lab;
    lab_setup setup = binary;
    setup.options.policy = BAL_GUARD_RECOVER;
    setup.options.n_remedies = setup.options.max_rollbacks = 5;
    lab_init(&lab, &setup);
    int64_t fired_at = 0;
    for (int i = 1; i <= n; i++) {
        losses now = at(i);
        lab.train_loss = now.train;
        lab.loss = now.validation;
        bal_decision decision = lab_recall(&lab, recall);
        if (lab_count(&decision, detector) == 0) continue;
        assert_int_equal(fired_at, 0);
        const bal_incident *incident = &decision.incidents[decision.n_incidents - 1];
        assert_int_equal(incident->action, BAL_GUARD_WARN); /* whatever the policy */
        if (decision.n_incidents == 1) {
            assert_int_equal(decision.verdict, BAL_VERDICT_WARN);
            assert_true(decision.healthy);
        }
        fired_at = i;
    }
    lab_release(&lab);
    return fired_at;
}

/* Noise between −1 and 1 that never repeats. */
static double noise(int i) {
    return sin(12.9898 * i + 78.233 * i * i);
}

static losses gap(int i) {
    return (losses){0.7 * pow(0.9, i), i <= 10 ? 0.7 - 0.03 * i : 0.4 + 0.03 * (i - 10)};
}

static losses gap_within_noise(int i) {
    return (losses){0.7 * pow(0.9, i), 0.5 + 0.1 * noise(i) + (i > 10 ? 0.1 : 0)};
}

static losses both_rise(int i) {
    losses l = gap(i);
    if (i > 10) l.train = 0.7 * pow(0.9, 10) * (1 + 0.02 * (i - 10));
    return l;
}

static losses converged(int i) {
    return (losses){0.1 + 0.6 * exp(-i / 3.0), 0.2 + 0.5 * exp(-i / 3.0) + 0.01 * noise(i)};
}

/* The lowest mean of five is .436 at 12. A quarter of it, .109, is a little more than 4 deviations
 * of .03 / 1.128: the mean is beyond .545 from evaluation 17 on, five in a row. */
static void overfitting_is_noted(void **state) {
    assert_int_equal(noted_at("overfit", gap, 40, 0.9), 21);
    assert_int_equal(noted_at("overfit", gap_within_noise, 60, 0.9), 0);
    assert_int_equal(noted_at("overfit", both_rise, 40, 0.9), 0);
    assert_int_equal(noted_at("overfit", converged, 60, 0.9), 0);
}

static losses stuck(int i) {
    return (losses){0.7 + 0.002 * noise(i), 0.7 + 0.002 * noise(i + 100)};
}

static losses slow(int i) {
    return (losses){0.7 * pow(0.998, i), 0.7 + 0.002 * noise(i)};
}

static void standing_still_is_noted(void **state) {
    int64_t at = noted_at("plateau", stuck, 60, 0.5);
    assert_in_range(at, 21, 24); /* noise may find a first few new depths */
    assert_int_equal(noted_at("plateau", stuck, 60, 0.8), 0); /* having got somewhere */
    assert_int_equal(noted_at("plateau", slow, 100, 0.5), 0);
    assert_int_equal(noted_at("plateau", converged, 100, 0.9), 0);
}

static losses jumpy(int i) {
    return (losses){i % 2 ? 0.1 : 1.5, 0.5};
}

static losses jumpy_near_nothing(int i) {
    return (losses){i == 1 ? 0.7 : i % 2 ? 0.001 : 0.015, 0.1};
}

static losses steep(int i) {
    return (losses){5 * exp(-i / 2.0), 0.5};
}

static losses one_outlier(int i) {
    return (losses){i == 20 ? 1.2 : 0.5, 0.5};
}

static void a_noisy_loss_is_noted(void **state) {
    assert_int_equal(noted_at("loss_variance", jumpy, 40, 0.9), 12);
    assert_int_equal(noted_at("loss_variance", jumpy_near_nothing, 40, 0.9), 0);
    assert_int_equal(noted_at("loss_variance", steep, 40, 0.9), 0);
    assert_int_equal(noted_at("loss_variance", converged, 60, 0.9), 0);
    assert_int_equal(noted_at("loss_variance", one_outlier, 60, 0.9), 0);
}

/* ---- all of them ---- */

/* A stage that starts elsewhere: what was best before means nothing. */
static void a_new_stage_starts_afresh(void **state) {
    guard_lab lab;
    lab_init(&lab, &binary);
    for (int i = 1; i <= 60; i++) {
        if (i % 15 == 1) bal_guard_rebaseline(lab.guard);
        losses now = gap(1 + (i - 1) % 15);
        lab.train_loss = now.train * (1 + i / 15);
        lab.loss = now.validation * (1 + i / 15);
        bal_decision decision = lab_recall(&lab, 0.9);
        assert_silent(decision);
    }
    lab_release(&lab);
}

/* What a guard remembers goes through a checkpoint: its twin notes the same at the same time. */
static void memory_survives(void **state) {
    guard_lab lab;
    lab_init(&lab, &binary);
    int64_t fired_at = 0;
    for (int i = 1; i <= 30; i++) {
        bal_guard *twin = lab_twin(&lab, &binary);
        bal_text memory = {0};
        bal_error err = {0};
        bal_guard_save_memory(lab.guard, &memory);
        assert_int_equal(bal_guard_load_memory(twin, memory.data, memory.length, &err), BAL_OK);
        bal_text_release(&memory);
        bal_guard_free(lab.guard);
        lab.guard = twin;
        lab.train_loss = gap(i).train;
        lab.loss = gap(i).validation;
        bal_decision decision = lab_recall(&lab, 0.9);
        if (lab_count(&decision, "overfit")) fired_at = i;
    }
    assert_int_equal(fired_at, 21);
    lab_release(&lab);
}

static void an_untrained_head_is_nobodys_fault(void **state) {
    guard_lab lab;
    lab_setup setup = binary;
    lab_init(&lab, &setup);
    lab.head.untrained = true;
    bal_guard_free(lab.guard);
    lab.guard = lab_twin(&lab, &setup);
    for (int i = 1; i <= 40; i++) {
        lab.train_loss = i == 1 ? 0.7 : jumpy(i).train / 1000;
        bal_decision decision = evaluate_mean(&lab, -9, 0);
        assert_silent(decision);
    }
    lab_release(&lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_foreground_gone),
        cmocka_unit_test(a_rare_class_may_be_missed),
        cmocka_unit_test(values_that_collapse),
        cmocka_unit_test(a_loss_too_good_to_be_true),
        cmocka_unit_test(a_loss_beyond_all_measure),
        cmocka_unit_test(a_loss_that_comes_down_again),
        cmocka_unit_test(nothing_that_holds),
        cmocka_unit_test(overfitting_is_noted),
        cmocka_unit_test(standing_still_is_noted),
        cmocka_unit_test(a_noisy_loss_is_noted),
        cmocka_unit_test(a_new_stage_starts_afresh),
        cmocka_unit_test(memory_survives),
        cmocka_unit_test(an_untrained_head_is_nobodys_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
