/* Training in stages: what each starts from, what goes on over the run, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "train_kit.h"

/* ---- looking at what a run left ---- */

static json_t *rows_of(const kit *k, const char *run) {
    json_t *rows;
    bal_error err = {0};
    if (bal_json_read_lines(kit_file(k, run, BAL_RUN_METRICS), &rows, &err) != BAL_OK)
        fail_msg("%s", err.message);
    return rows;
}

static json_t *summary_of(const kit *k, const char *run) {
    size_t size;
    char *text = kit_read(kit_file(k, run, BAL_RUN_SUMMARY), &size);
    json_t *summary;
    assert_int_equal(bal_json_parse(text, size, "summary", &summary, NULL), BAL_OK);
    free(text);
    return summary;
}

static json_int_t integer(const json_t *object, const char *key) {
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key) {
    assert_true(json_is_string(json_object_get(object, key)));
    return json_string_value(json_object_get(object, key));
}

/** Largest difference between a tensor of two files; the tensor must be in both. */
static double apart(const kit *k, const char *run, const char *one, const char *other,
                    const char *name) {
    bal_safetensors *a, *b;
    assert_int_equal(bal_safetensors_open(kit_file(k, run, one), &a, NULL), BAL_OK);
    assert_int_equal(bal_safetensors_open(kit_file(k, run, other), &b, NULL), BAL_OK);
    const bal_safetensor *left = bal_safetensors_find(a, name);
    const bal_safetensor *right = bal_safetensors_find(b, name);
    assert_non_null(left);
    assert_non_null(right);
    assert_int_equal(left->bytes, right->bytes);
    double most = 0;
    for (size_t i = 0; i < left->bytes / sizeof(float); i++) {
        float x, y;
        memcpy(&x, (const char *)left->data + i * sizeof x, sizeof x);
        memcpy(&y, (const char *)right->data + i * sizeof y, sizeof y);
        double difference = x > y ? x - y : y - x;
        if (difference > most) most = difference;
    }
    bal_safetensors_close(a);
    bal_safetensors_close(b);
    return most;
}

#define LAYER "backbone.0.linear.weight"
#define OUTPUT "head.label.output.weight"

/* ---- rows and summary ---- */

static void rows_and_summary_name_the_stage(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = "stages=[{name: one, train: {epochs: 3}}, {name: two, train: {epochs: 2, "
                  "batch_size: 16}, monitor: val.label.loss}]";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    json_t *rows = rows_of(&k, "run"), *summary = summary_of(&k, "run");
    static const char *const stages[] = {"one", "one", "one", "two", "two"};
    static const int epochs[] = {1, 2, 3, 1, 2};
    assert_int_equal(json_array_size(rows), 5);
    for (size_t i = 0; i < 5; i++) {
        const json_t *row = json_array_get(rows, i);
        assert_string_equal(text(row, "stage"), stages[i]);
        assert_int_equal(integer(row, "stage_epoch"), epochs[i]);
        assert_int_equal(integer(row, "epoch"), i + 1);
        assert_int_equal(integer(row, "evaluation"), i + 1);
    }
    const json_t *list = json_object_get(summary, "stages");
    const json_t *one = json_array_get(list, 0), *two = json_array_get(list, 1);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(text(one, "name"), "one");
    assert_int_equal(integer(one, "epochs"), 3);
    assert_int_equal(integer(two, "epochs"), 2);
    assert_int_equal(integer(one, "steps") + integer(two, "steps"), integer(summary, "steps"));
    assert_true(json_is_null(json_object_get(one, "from")));
    assert_string_equal(text(json_object_get(two, "from"), "stage"), "one");
    assert_string_equal(text(one, "end"), "epochs");
    assert_string_equal(text(two, "end"), "epochs");
    assert_string_equal(text(json_object_get(two, "monitor"), "name"), "val.label.loss");
    assert_string_equal(text(json_object_get(summary, "monitor"), "name"), "val.label.loss");
    assert_int_equal(integer(summary, "epochs"), 5);
    assert_int_equal(integer(summary, "best_epoch"), 3 + integer(two, "best_epoch"));
    char *log = kit_read(kit_file(&k, "run", BAL_RUN_TRAINING_LOG), NULL);
    assert_non_null(strstr(log, "\"stage\": [\"one\", \"one\", \"one\", \"two\", \"two\"]"));
    assert_non_null(strstr(log, "\"stage_epoch\": [1, 2, 3, 1, 2]"));
    free(log);
    char *csv = kit_read(kit_file(&k, "run", BAL_RUN_RESULTS), NULL);
    assert_int_equal(strncmp(csv, "epoch,step,attempt,stage,stage_epoch,train.loss,", 48), 0);
    free(csv);
    json_decref(rows);
    json_decref(summary);
    kit_release(&k);
}

static void a_recipe_without_stages_says_nothing_of_them(void **unused) {
    kit k;
    kit_init(&k);
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    json_t *rows = rows_of(&k, "run"), *summary = summary_of(&k, "run");
    assert_null(json_object_get(json_array_get(rows, 0), "stage"));
    assert_null(json_object_get(json_array_get(rows, 0), "stage_epoch"));
    assert_null(json_object_get(summary, "stages"));
    json_decref(rows);
    json_decref(summary);
    kit_release(&k);
}

/* ---- what a stage starts from ---- */

/* One stage of all is a run without stages, weight by weight. */
static void a_single_stage_is_the_recipe(void **unused) {
    kit k;
    kit_init(&k);
    assert_int_equal(kit_must_train(&k, "plain"), BAL_OUTCOME_DONE);
    k.overrides = "stages=[{name: all}]";
    assert_int_equal(kit_must_train(&k, "staged"), BAL_OUTCOME_DONE);
    assert_true(
        kit_same_file(kit_file(&k, "plain", BAL_RUN_MODEL), kit_file(&k, "staged", BAL_RUN_MODEL)));
    kit_release(&k);
}

/* A rate of next to nothing keeps what the stage began with. With one that ruins the last epochs of
 * the stage before, its best and its last state are far apart. */
#define RUINED                                                                                     \
    "guard=off|stages=[{name: one, train: {epochs: 6}, schedule: {kind: step, at: {3: 300}}}, "    \
    "{name: two, optimizer: {lr: 1.0e-12}, train: {epochs: 1}}, {name: three, init_from: one, "    \
    "optimizer: {lr: 1.0e-12}, train: {epochs: 1}}]"

static void stages_start_from_the_best(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = RUINED;
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    json_t *summary = summary_of(&k, "run");
    assert_in_range(integer(json_array_get(json_object_get(summary, "stages"), 0), "best_epoch"), 1,
                    4);
    json_decref(summary);
    static const char one[] = "checkpoints/stage-one.safetensors";
    static const char two[] = "checkpoints/stage-two.safetensors";
    static const char three[] = "checkpoints/stage-three.safetensors";
    assert_true(apart(&k, "run", one, two, LAYER) < 1e-6);
    assert_true(apart(&k, "run", one, three, LAYER) < 1e-6);
    assert_true(apart(&k, "run", three, BAL_RUN_MODEL, LAYER) == 0);
    kit_release(&k);
}

static void stages_start_from_files(void **unused) {
    kit k;
    char overrides[512];
    kit_init(&k);
    assert_int_equal(kit_must_train(&k, "before"), BAL_OUTCOME_DONE);
    snprintf(overrides, sizeof overrides,
             "stages=[{name: one, train: {epochs: 2}}, {name: two, init_from: %s, optimizer: {lr: "
             "1.0e-12}, train: {epochs: 1}}]",
             kit_file(&k, "before", BAL_RUN_MODEL));
    k.overrides = overrides;
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    assert_true(apart(&k, "run", "checkpoints/stage-two.safetensors", "../before/model.safetensors",
                      LAYER) < 1e-6);
    json_t *summary = summary_of(&k, "run");
    const json_t *two = json_array_get(json_object_get(summary, "stages"), 1);
    assert_string_equal(text(json_object_get(two, "from"), "file"),
                        kit_file(&k, "before", BAL_RUN_MODEL));
    json_decref(summary);
    kit_release(&k);
}

static void frozen_weights_stay_what_they_are(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = "stages=[{name: one}, {name: two, model: {freeze: ['backbone.*']}}]";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    static const char one[] = "checkpoints/stage-one.safetensors";
    assert_true(apart(&k, "run", one, BAL_RUN_LAST, LAYER) == 0);
    assert_true(apart(&k, "run", one, BAL_RUN_LAST, OUTPUT) > 0);
    kit_release(&k);
}

/* The first step of adam with fresh moments goes a rate's length along every weight, whatever the
 * gradient; with those of the stage before it would not. */
static void moments_start_afresh(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = "model.dropout=0|train.batch_size=1000|stages=[{name: one, train: {epochs: 12}}, "
                  "{name: two, train: {epochs: 1}, optimizer: {lr: 1.0e-3, epsilon: 1.0e-12}}]|"
                  "guard=off";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    double moved = apart(&k, "run", "checkpoints/stage-one.safetensors", BAL_RUN_LAST,
                         "head.label.output.bias");
    assert_true(moved > 0.99e-3 && moved < 1.01e-3);
    kit_release(&k);
}

/* Two stages of the same settings must not see the rows in the same order. */
static void orders_do_not_repeat(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = "guard=off|optimizer={kind: sgd, lr: 1.0e-12}|model.dropout=0|model.norm=none|"
                  "train.epochs=1|train.batch_size=100|stages=[{name: one}, {name: two}]";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    json_t *rows = rows_of(&k, "run");
    double one, two;
    /* The mean of batch means weighs rows by their batch. */
    assert_true(bal_json_number(json_object_get(json_array_get(rows, 0), "grad_norm_max"), &one));
    assert_true(bal_json_number(json_object_get(json_array_get(rows, 1), "grad_norm_max"), &two));
    assert_true(one != two);
    json_decref(rows);
    kit_release(&k);
}

/* The remedy of the first stage is on the rate of the second, on top of what its recipe says. */
static void remedies_stay_in_force(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = "train.epochs=5|optimizer.lr=0.01|schedule={kind: step, at: {2: 800}}|"
                  "guard={policy: warn, rules: ['train.label.loss > 2 -> recover'], remedies: "
                  "[{lr: 0.001}]}|stages=[{name: one}, {name: two, schedule: constant, optimizer: "
                  "{lr: 0.5}, train: {epochs: 1}}]";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    assert_int_equal(k.rollbacks, 1);
    json_t *rows = rows_of(&k, "run");
    const json_t *last = json_array_get(rows, json_array_size(rows) - 1);
    double rate;
    assert_string_equal(text(last, "stage"), "two");
    assert_true(bal_json_number(json_object_get(last, "lr"), &rate));
    assert_true(rate > 0.000499 && rate < 0.000501);
    assert_int_equal(integer(last, "attempt"), 1);
    json_decref(rows);
    kit_release(&k);
}

/* Two rollbacks in the second stage: the second, a relapse, goes to what the first stage left, not
 * to weights that know nothing. */
static void a_relapse_starts_the_stage_again(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = "train.epochs=6|guard={policy: recover, remedies: [{batch_size: 0.9}, {lr: "
                  "1.0e-30}]}|stages=[{name: one}, {name: two, schedule: {kind: step, at: {1: "
                  "1.0e30}}, train: {epochs: 3}}]";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    assert_int_equal(k.rollbacks, 2);
    json_t *rows = rows_of(&k, "run");
    size_t n = json_array_size(rows), at = 0;
    while (at < n && !(integer(json_array_get(rows, at), "attempt") == 2))
        at++;
    assert_true(at > 6 && at < n);
    const json_t *again = json_array_get(rows, at);
    assert_string_equal(text(again, "stage"), "two");
    assert_int_equal(integer(again, "stage_epoch"), 1);
    assert_int_equal(integer(again, "epoch"), 7);
    assert_int_equal(integer(again, "evaluation"), 7);
    double untrained, trained;
    assert_true(bal_json_number(
        json_object_get(json_object_get(json_array_get(rows, 0), "train"), "loss"), &untrained));
    assert_true(
        bal_json_number(json_object_get(json_object_get(again, "train"), "loss"), &trained));
    assert_true(trained < 0.8 * untrained);
    json_decref(rows);
    kit_release(&k);
}

static void class_weights_are_those_of_the_stage(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = "stages=[{name: one}, {name: two, heads: {label: {class_weights: {kind: "
                  "explicit, values: {a: 5}}}}}]";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    char *weights = kit_read(kit_file(&k, "run", "class_weights-two.json"), NULL);
    assert_non_null(strstr(weights, "\"weight\": 5.0"));
    free(weights);
    kit_release(&k);
}

/* ---- ends ---- */

static void patience_is_of_the_stage(void **unused) {
    kit k;
    kit_init(&k);
    /* Nothing moves, so that every stage stops as soon as it may: 1 and 2 evaluations after its
     * first. */
    k.overrides = "optimizer.lr=1.0e-15|train.epochs=30|guard=off|stages=[{name: one, stop: "
                  "{patience: 1}}, {name: two, stop: {patience: 2}}]";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    json_t *summary = summary_of(&k, "run");
    const json_t *list = json_object_get(summary, "stages");
    assert_in_range(integer(json_array_get(list, 0), "epochs"), 1, 6);
    assert_in_range(integer(json_array_get(list, 1), "epochs"), 2, 8);
    assert_string_equal(text(json_array_get(list, 0), "end"), "patience");
    assert_string_equal(text(json_array_get(list, 1), "end"), "patience");
    assert_int_equal(integer(json_array_get(list, 0), "epochs") +
                         integer(json_array_get(list, 1), "epochs"),
                     integer(summary, "epochs"));
    json_decref(summary);
    kit_release(&k);
}

/* A rule of the second stage: it waits for evaluations of its own, and ends the run. */
static void a_rule_that_stops_ends_the_run(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides =
        "train.epochs=3|stages=[{name: one}, {name: two, train: {epochs: 9}, guard: {rules: "
        "['val.label.loss > 0 after 2 -> stop']}}, {name: three}]";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_STOPPED);
    json_t *summary = summary_of(&k, "run");
    const json_t *list = json_object_get(summary, "stages");
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(integer(json_array_get(list, 1), "epochs"), 3);
    assert_string_equal(text(summary, "status"), "stopped");
    assert_string_equal(text(json_array_get(list, 0), "end"), "epochs");
    assert_string_equal(text(json_array_get(list, 1), "end"), "stopped");
    json_decref(summary);
    kit_release(&k);
}

/** "one: message\n" of each incident, the message cut after the rule it is about. */
static const char *incidents_of(const kit *k, const char *run) {
    static char list[2048];
    json_t *lines;
    size_t used = 0;
    bal_error err = {0};
    if (bal_json_read_lines(kit_file(k, run, BAL_RUN_INCIDENTS), &lines, &err) != BAL_OK)
        fail_msg("%s", err.message);
    list[0] = '\0';
    for (size_t i = 0; i < json_array_size(lines) && used < sizeof list; i++) {
        const json_t *incident = json_array_get(lines, i);
        const char *message = text(incident, "message");
        int rule = (int)(strcspn(message, "'") + 1);
        rule += (int)strcspn(message + rule, "'");
        bool is_rule = strcmp(text(incident, "detector"), "rule") == 0;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s %.*s\n",
                                 text(incident, "stage"), is_rule ? rule + 1 : 0, message);
    }
    json_decref(lines);
    return list;
}

#define ONLY(rule) "guard: {rules: ['" rule "']}"

/* The rules of a stage are in place of the recipe's, in that stage only; a rule that was met in one
 * stage is met anew in the next, and `after` counts from the start of each. */
static void rules_are_of_their_stage(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides =
        "train.epochs=3|guard={policy: warn, detectors: {plateau: false}, rules: "
        "['val.label.loss > 0 after 1']}|stages=[{name: one}, {name: two, " ONLY(
            "val.label.accuracy >= 0") "}, {name: three}, {name: four, guard: {rules: []}}]";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    assert_string_equal(incidents_of(&k, "run"), "one rule 'val.label.loss > 0 after 1'\n"
                                                 "two rule 'val.label.accuracy >= 0'\n"
                                                 "three rule 'val.label.loss > 0 after 1'\n");
    json_t *lines;
    assert_int_equal(bal_json_read_lines(kit_file(&k, "run", BAL_RUN_INCIDENTS), &lines, NULL),
                     BAL_OK);
    assert_int_equal(integer(json_array_get(lines, 0), "epoch"), 2);
    assert_int_equal(integer(json_array_get(lines, 1), "epoch"), 3 + 1);
    assert_int_equal(integer(json_array_get(lines, 2), "epoch"), 6 + 2);
    json_decref(lines);
    kit_release(&k);
}

/* Losses that are tiny in the first stage and normal in the second: a spike, if the second were
 * watched by what the first was like. */
#define TINY_THEN_NORMAL                                                                           \
    "train.epochs=8|heads=[{name: label, kind: classes, loss: {kind: focal, gamma: 8}}]|guard="    \
    "{policy: warn, detectors: {loss_spike: {k: 3, steps: 5, ready: 10, window: 20, level: 0}}}|"  \
    "stages=[{name: one}, {name: two, heads: {label: {loss: cross_entropy}}}]"

static void guards_begin_anew_in_each_stage(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = TINY_THEN_NORMAL;
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    json_t *rows = rows_of(&k, "run");
    double tiny, normal;
    assert_true(bal_json_number(
        json_object_get(json_object_get(json_array_get(rows, 7), "train"), "loss"), &tiny));
    assert_true(bal_json_number(
        json_object_get(json_object_get(json_array_get(rows, 8), "train"), "loss"), &normal));
    assert_true(normal > 4 * tiny);
    assert_null(strstr(incidents_of(&k, "run"), "two"));
    json_decref(rows);
    kit_release(&k);
}

/* The second stage learns labels away from the start, and is never fit to be handed over. */
static void a_stage_that_never_was_eligible_hands_over_the_one_before(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = "train.epochs=6|guard=warn|stages=[{name: one}, {name: two, train: {epochs: 2}, "
                  "schedule: {kind: step, at: {0: 1.0e6}}}]";
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    json_t *summary = summary_of(&k, "run");
    const json_t *list = json_object_get(summary, "stages");
    assert_int_equal(integer(json_array_get(list, 1), "best_epoch"), 0);
    assert_int_equal(integer(summary, "best_epoch"),
                     integer(json_array_get(list, 0), "best_epoch"));
    json_decref(summary);
    assert_true(apart(&k, "run", "checkpoints/stage-one.safetensors", BAL_RUN_MODEL, LAYER) == 0);
    assert_non_null(strstr(k.log, "the model is the best of stage one"));
    kit_release(&k);
}

/* ---- what is wrong ---- */

static void refused(const char *overrides, const char *message) {
    kit k;
    bal_error err = {0};
    bal_outcome outcome;
    kit_init(&k);
    k.overrides = overrides;
    assert_int_equal(kit_train(&k, "run", &outcome, &err), BAL_ERECIPE);
    if (!strstr(err.message, message)) fail_msg("wanted '%s', got '%s'", message, err.message);
    assert_false(bal_path_exists(kit_path(&k, "run")));
    kit_release(&k);
}

static void a_later_stage_is_checked_before_the_first_step(void **unused) {
    refused("stages=[{name: one}, {name: two, model: {freeze: ['backbon.*']}}]",
            "no weight is called 'backbon.*'");
    refused("stages=[{name: one}, {name: two, monitor: 'val.label.recall[x]'}]",
            "has no class 'x'");
    refused("stages=[{name: one}, {name: two, init_from: nowhere.safetensors}]",
            "nowhere.safetensors does not exist");
    refused("stages=[{name: one}, {name: two, init_from: .}]",
            "is a folder without a model or checkpoint");
    refused("stages=[{name: one}, {name: two, heads: {label: {class_weights: {kind: explicit, "
            "values: {x: 2}}}}}]",
            "no class is called so");
}

/* ---- going on from an older checkpoint, across a boundary ---- */

static void damage(const kit *k, const char *name) {
    size_t size;
    const char *path = kit_file(k, "cut", name);
    char *bytes = kit_read(path, &size);
    bytes[size - 1] ^= 1;
    kit_write(path, bytes, size);
    free(bytes);
}

/* Back over the start of the second stage, to the end of the first; by then best.safetensors is of
 * the second, and no evaluation of the first comes again. */
static void an_older_checkpoint_may_be_of_the_stage_before(void **unused) {
    static const char *const newer[] = {BAL_RUN_LAST, BAL_RUN_PREVIOUS,
                                        "checkpoints/previous-2.safetensors"};
    kit k;
    kit_init(&k);
    k.overrides = "train.epochs=3|checkpoint.keep=4|stages=[{name: one}, {name: two}]";
    assert_int_equal(kit_must_train(&k, "whole"), BAL_OUTCOME_DONE);
    k.stop_after = (3 + 1) * 8 + 4; /* in the second epoch of the second stage */
    assert_int_equal(kit_must_train(&k, "cut"), BAL_OUTCOME_INTERRUPTED);
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++)
        damage(&k, newer[i]);
    k.stop_after = -1;
    k.evaluations = 0;
    assert_int_equal(kit_must_resume(&k, "cut"), BAL_OUTCOME_DONE);
    assert_int_equal(k.evaluations, 3); /* those of the second stage */
    kit_assert_same_run(&k, "whole", "cut");
    kit_release(&k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_summary_name_the_stage),
        cmocka_unit_test(a_recipe_without_stages_says_nothing_of_them),
        cmocka_unit_test(a_single_stage_is_the_recipe),
        cmocka_unit_test(stages_start_from_the_best),
        cmocka_unit_test(stages_start_from_files),
        cmocka_unit_test(frozen_weights_stay_what_they_are),
        cmocka_unit_test(moments_start_afresh),
        cmocka_unit_test(orders_do_not_repeat),
        cmocka_unit_test(remedies_stay_in_force),
        cmocka_unit_test(a_relapse_starts_the_stage_again),
        cmocka_unit_test(class_weights_are_those_of_the_stage),
        cmocka_unit_test(patience_is_of_the_stage),
        cmocka_unit_test(a_rule_that_stops_ends_the_run),
        cmocka_unit_test(rules_are_of_their_stage),
        cmocka_unit_test(guards_begin_anew_in_each_stage),
        cmocka_unit_test(a_stage_that_never_was_eligible_hands_over_the_one_before),
        cmocka_unit_test(a_later_stage_is_checked_before_the_first_step),
        cmocka_unit_test(an_older_checkpoint_may_be_of_the_stage_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
