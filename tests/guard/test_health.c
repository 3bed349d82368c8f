/* health.json and incident lines: what a reader gets told, and which hypotheses fit which failure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "format/json.h"
#include "guard_lab.h"

static const int64_t four[] = {200, 100, 60, 40};
/* Balanced weights N / (C n_c), and the same moved on by two classes. */
static const double balanced[] = {0.5, 1, 5.0 / 3, 2.5}, moved[] = {5.0 / 3, 2.5, 0.5, 1};

static lab_setup with(bal_guard_policy policy, const double *weights) {
    return (lab_setup){.kind = BAL_HEAD_CLASSES,
                       .classes = 4,
                       .support = four,
                       .class_weights = weights,
                       .options = {.policy = policy, .n_remedies = 2, .max_rollbacks = 2},
                       .off = policy == BAL_GUARD_OFF};
}

static json_t *health_of(const guard_lab *lab, const char *const *tried, int32_t n,
                         const char *outcome) {
    bal_text text = {0};
    bal_guard_health_json(lab->guard, tried, n, outcome, &text);
    assert_false(bal_text_failed(&text));
    assert_null(strstr(text.data, "root cause"));
    json_t *health = NULL;
    bal_error err = {0};
    if (bal_json_parse(text.data, text.length, "health.json", &health, &err) != BAL_OK)
        fail_msg("%s", err.message);
    bal_text_release(&text);
    return health;
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    if (!text) fail_msg("no text \"%s\"", key);
    return text;
}

static int64_t count_of(const json_t *object, const char *key) {
    const json_t *count = json_object_get(object, key);
    assert_true(json_is_integer(count));
    return json_integer_value(count);
}

static const json_t *item_of(const json_t *object, const char *key, size_t i) {
    return json_array_get(json_object_get(object, key), i);
}

static const json_t *hypothesis_of(const json_t *health, const char *name) {
    const json_t *list = json_object_get(health, "hypotheses");
    double before = 1;
    const json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        double fit = json_number_value(json_object_get(one, "fit"));
        assert_true(fit <= before && fit >= 0.3); /* ranked */
        before = fit;
        if (strcmp(text_of(one, "hypothesis"), name) != 0) continue;
        assert_true(*text_of(one, "statement") && *text_of(one, "why") && *text_of(one, "try"));
        assert_true(json_object_size(json_object_get(one, "evidence")) > 0);
        found = one;
    }
    return found;
}

static void assert_best(const json_t *health, const char *name) {
    assert_non_null(hypothesis_of(health, name));
    assert_string_equal(text_of(item_of(health, "hypotheses", 0), "hypothesis"), name);
}

static void collapse(guard_lab *lab, int32_t class_id) {
    lab_predict_all(lab, class_id);
    lab_evaluate(lab, 3);
}

/* ---- verdicts ---- */

static void assert_verdict(const guard_lab *lab, const char *outcome, const char *verdict) {
    json_t *health = health_of(lab, NULL, 0, outcome);
    assert_string_equal(text_of(health, "verdict"), verdict);
    assert_string_equal(text_of(health, "outcome"), outcome);
    assert_true(*text_of(health, "summary"));
    json_decref(health);
}

static void verdicts(void **state) {
    lab_setup setup = with(BAL_GUARD_RECOVER, NULL);
    guard_lab lab;
    lab_init(&lab, &setup);
    lab_recall(&lab, 0.8);
    assert_verdict(&lab, "ok", "healthy");
    assert_verdict(&lab, "interrupted", "healthy");
    lab_step(&lab, 1, NAN);
    assert_verdict(&lab, "ok", "warned");
    collapse(&lab, 3);
    assert_verdict(&lab, "ok", "recovered");
    assert_verdict(&lab, "collapsed", "collapsed");
    assert_verdict(&lab, "stopped", "stopped");
    lab_release(&lab);
}

static void healthy_runs_have_nothing_to_explain(void **state) {
    for (int off = 0; off < 2; off++) {
        lab_setup setup = with(off ? BAL_GUARD_OFF : BAL_GUARD_STOP, moved);
        guard_lab lab;
        lab_init(&lab, &setup);
        for (int i = 0; i < 5; i++)
            lab_recall(&lab, 0.8);
        if (off) collapse(&lab, 1);
        json_t *health = health_of(&lab, NULL, 0, "ok");
        assert_int_equal(count_of(health, "incidents"), 0);
        assert_int_equal(json_array_size(json_object_get(health, "seen")), 0);
        assert_int_equal(json_array_size(json_object_get(health, "hypotheses")), 0);
        assert_int_equal(json_array_size(json_object_get(health, "tried")), 0);
        assert_non_null(strstr(text_of(health, "summary"), off ? "off" : "Nothing was found"));
        json_decref(health);
        lab_release(&lab);
    }
}

/* Upright: never rolled back, or something fit to be kept since. A checkpoint remembers it. */
static void a_run_must_stand_again_to_be_recovered(void **state) {
    lab_setup setup = with(BAL_GUARD_RECOVER, NULL);
    guard_lab lab;
    lab_init(&lab, &setup);
    bal_text memory = {0}, ledger = {0};
    lab_recall(&lab, 0.8);
    bal_guard_save_memory(lab.guard, &memory);
    assert_true(bal_guard_is_upright(lab.guard));
    collapse(&lab, 3);
    assert_false(bal_guard_is_upright(lab.guard));
    json_t *health = health_of(&lab, NULL, 0, "collapsed");
    assert_non_null(strstr(text_of(health, "summary"), "fit to be kept"));
    json_decref(health);

    bal_guard_save_ledger(lab.guard, &ledger);
    bal_guard *twin = lab_twin(&lab, &setup);
    assert_int_equal(bal_guard_load_ledger(twin, ledger.data, ledger.length, NULL), BAL_OK);
    assert_int_equal(bal_guard_load_memory(twin, memory.data, memory.length, NULL), BAL_OK);
    bal_guard_free(lab.guard);
    lab.guard = twin;
    assert_false(bal_guard_is_upright(lab.guard));
    lab_predict_all(&lab, 0);
    lab_evaluate(&lab, 3); /* still one answer for all, the guard's patience or not */
    assert_false(bal_guard_is_upright(lab.guard));
    lab_recall(&lab, 0.8);
    assert_true(bal_guard_is_upright(lab.guard));
    bal_text_release(&memory);
    bal_text_release(&ledger);
    lab_release(&lab);
}

/* ---- what was seen and tried ---- */

static void incidents_of_a_kind_are_grouped(void **state) {
    lab_setup setup = with(BAL_GUARD_WARN, NULL);
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 6; i++) {
        lab_recall(&lab, 0.8);
        collapse(&lab, i < 4 ? 3 : 2);
    }
    json_t *health = health_of(&lab, NULL, 0, "ok");
    assert_int_equal(count_of(health, "incidents"),
                     count_of(json_object_get(health, "incidents_by_detector"), "one_class") +
                         count_of(json_object_get(health, "incidents_by_detector"), "swing"));
    const json_t *first = item_of(health, "seen", 0);
    assert_string_equal(text_of(first, "detector"), "one_class");
    assert_string_equal(text_of(first, "head"), "label");
    assert_string_equal(text_of(first, "class"), "D");
    assert_string_equal(text_of(first, "action"), "warn");
    assert_int_equal(count_of(first, "count"), 4);
    assert_int_equal(count_of(first, "first_epoch"), 2);
    assert_int_equal(count_of(first, "last_epoch"), 8);
    assert_int_equal(count_of(health, "not_listed"), 0);
    json_decref(health);
    for (int i = 0; i < 100; i++) {
        lab_recall(&lab, 0.8);
        collapse(&lab, 3);
    }
    health = health_of(&lab, NULL, 0, "ok");
    assert_int_equal(count_of(health, "not_listed"), count_of(health, "incidents") - 64);
    json_decref(health);
    lab_release(&lab);
}

static void tried_remedies_and_their_results(void **state) {
    static const char *const tried[] = {"learning rate × 0.5", "gradient norm clipped at 1"};
    lab_setup setup = with(BAL_GUARD_RECOVER, NULL);
    guard_lab lab;
    lab_init(&lab, &setup);
    bal_text memory = {0};
    lab_recall(&lab, 0.8);
    bal_guard_save_memory(lab.guard, &memory);
    for (int attempt = 0; attempt < 2; attempt++) {
        lab.evaluation = lab.epoch = 1;
        collapse(&lab, 3);
        assert_int_equal(bal_guard_load_memory(lab.guard, memory.data, memory.length, NULL),
                         BAL_OK);
    }
    json_t *health = health_of(&lab, tried, 2, "ok");
    assert_int_equal(count_of(health, "rollbacks"), 2);
    assert_string_equal(text_of(item_of(health, "tried", 0), "remedy"), tried[0]);
    assert_string_equal(text_of(item_of(health, "tried", 0), "because"), "one_class");
    assert_string_equal(text_of(item_of(health, "tried", 0), "result"),
                        "another incident followed");
    assert_string_equal(text_of(item_of(health, "tried", 1), "remedy"), tried[1]);
    assert_string_equal(text_of(item_of(health, "tried", 1), "result"),
                        "the run ended on probation");
    assert_non_null(strstr(text_of(health, "summary"), "before the last recovery"));
    json_decref(health);
    lab.evaluation = 1;
    for (int i = 0; i < 5; i++)
        lab_recall(&lab, 0.8);
    health = health_of(&lab, tried, 2, "ok");
    assert_string_equal(text_of(item_of(health, "tried", 1), "result"), "accepted");
    assert_null(strstr(text_of(health, "summary"), "before the last recovery"));
    json_decref(health);
    bal_text_release(&memory);
    lab_release(&lab);
}

static void incident_lines(void **state) {
    lab_setup setup = with(BAL_GUARD_STOP, NULL);
    guard_lab lab;
    lab_init(&lab, &setup);
    bal_decision decision = lab_step(&lab, NAN, 3);
    bal_text line = {0};
    bal_incident_json(&decision.incidents[0], "", &line);
    assert_string_equal(
        line.data,
        "{\"detector\": \"nonfinite\", \"head\": \"\", \"class\": \"\", \"epoch\": 0, \"step\": 0, "
        "\"evaluation\": 0, \"action\": \"warn\", \"message\": \"the loss of one step is not a "
        "finite number; the step was skipped, the weights are unharmed\", \"evidence\": "
        "{\"loss\": \"NaN\", \"grad_norm\": 3.0, \"skipped_steps\": 1.0, \"window\": 20.0}}\n");
    bal_text_clear(&line);
    bal_incident_json(&decision.incidents[0], "polish", &line);
    assert_non_null(strstr(line.data, "\"epoch\": 0, \"stage\": \"polish\", \"step\": 0, "));
    bal_text_release(&line);
    lab_release(&lab);
}

/* ---- hypotheses ---- */

static void weights_of_the_wrong_classes(void **state) {
    lab_setup setup = with(BAL_GUARD_WARN, moved);
    guard_lab lab;
    lab_init(&lab, &setup);
    collapse(&lab, 1);
    collapse(&lab, 1);
    json_t *health = health_of(&lab, NULL, 0, "collapsed");
    assert_best(health, "weights_misassigned");
    const json_t *evidence =
        json_object_get(hypothesis_of(health, "weights_misassigned"), "evidence");
    assert_true(json_number_value(json_object_get(evidence, "agreement")) < 0);
    assert_true(json_number_value(json_object_get(evidence, "top_class_weight")) == 2.5);
    assert_true(json_number_value(json_object_get(evidence, "top_class_frequency")) == 0.25);
    json_decref(health);
    lab_release(&lab);

    setup.class_weights = balanced; /* those are where they belong, and even in what they do */
    lab_init(&lab, &setup);
    collapse(&lab, 1);
    collapse(&lab, 1);
    health = health_of(&lab, NULL, 0, "collapsed");
    assert_null(hypothesis_of(health, "weights_misassigned"));
    json_decref(health);
    lab_release(&lab);
}

static void one_class_with_a_huge_weight(void **state) {
    const double huge[] = {0.5, 1, 5.0 / 3, 250};
    lab_setup setup = with(BAL_GUARD_WARN, huge);
    guard_lab lab;
    lab_init(&lab, &setup);
    collapse(&lab, 3);
    collapse(&lab, 3);
    json_t *health = health_of(&lab, NULL, 0, "collapsed");
    assert_best(health, "weights_skewed");
    assert_null(hypothesis_of(health, "weights_misassigned"));
    json_decref(health);
    lab_release(&lab);
}

static void steps_that_blow_up(void **state) {
    lab_setup setup = with(BAL_GUARD_WARN, NULL);
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 80; i++)
        lab_step(&lab, i < 60 ? 1 : 100, i < 60 ? 1 : 1000);
    json_t *health = health_of(&lab, NULL, 0, "ok");
    assert_best(health, "learning_rate");
    const json_t *evidence = json_object_get(hypothesis_of(health, "learning_rate"), "evidence");
    assert_true(json_number_value(json_object_get(evidence, "loss_first")) == 1);
    assert_true(json_number_value(json_object_get(evidence, "loss_peak")) == 100);
    assert_true(json_number_value(json_object_get(evidence, "norm_peak")) == 1000);
    json_decref(health);
    lab_release(&lab);
}

static void one_bad_batch(void **state) {
    lab_setup setup = with(BAL_GUARD_WARN, NULL);
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 80; i++)
        lab_step(&lab, i == 70 ? NAN : 1, 1);
    json_t *health = health_of(&lab, NULL, 0, "ok");
    assert_best(health, "bad_rows");
    json_decref(health);
    lab_release(&lab);
}

static void nothing_to_learn_and_dead_units(void **state) {
    lab_setup setup = with(BAL_GUARD_WARN, NULL);
    guard_lab lab;
    lab_init(&lab, &setup);
    lab.dead_share = 0.99;
    for (int i = 0; i < 4; i++) {
        lab_predict_all(&lab, 0); /* the prior for every row */
        lab_evaluate(&lab, 0);
    }
    json_t *health = health_of(&lab, NULL, 0, "ok");
    assert_best(health, "dead_units");
    assert_non_null(hypothesis_of(health, "no_signal"));
    json_decref(health);
    lab_release(&lab);
}

static void trained_too_long(void **state) {
    lab_setup setup = with(BAL_GUARD_WARN, NULL);
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 30; i++) {
        lab.monitored = i < 15 ? 0.8 : 0.3;
        lab_recall(&lab, 0.8);
    }
    json_t *health = health_of(&lab, NULL, 0, "ok");
    assert_best(health, "trained_too_long");
    json_decref(health);
    lab_release(&lab);
}

static void majority_takes_over(void **state) {
    lab_setup setup = with(BAL_GUARD_WARN, NULL);
    guard_lab lab;
    lab_init(&lab, &setup);
    lab_recall(&lab, 0.8);
    collapse(&lab, 0);
    json_t *health = health_of(&lab, NULL, 0, "ok");
    assert_best(health, "majority");
    json_decref(health);
    lab_release(&lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(a_run_must_stand_again_to_be_recovered),
        cmocka_unit_test(healthy_runs_have_nothing_to_explain),
        cmocka_unit_test(incidents_of_a_kind_are_grouped),
        cmocka_unit_test(tried_remedies_and_their_results),
        cmocka_unit_test(incident_lines),
        cmocka_unit_test(weights_of_the_wrong_classes),
        cmocka_unit_test(one_class_with_a_huge_weight),
        cmocka_unit_test(steps_that_blow_up),
        cmocka_unit_test(one_bad_batch),
        cmocka_unit_test(nothing_to_learn_and_dead_units),
        cmocka_unit_test(trained_too_long),
        cmocka_unit_test(majority_takes_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
