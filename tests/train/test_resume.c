/* A run interrupted anywhere and resumed leaves the same bytes behind as one that was left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "train_kit.h"

/** Steps that a run of these overrides takes, rolled back ones included. */
static long count_polls(kit *k, const char *name, bal_outcome expected) {
    k->stop_after = 1000000;
    assert_int_equal(kit_must_train(k, name), expected);
    return k->polls;
}

/** Interrupt at every `stride`-th poll and resume once. */
static void check_each_step(const char *overrides, bal_outcome expected, long stride) {
    kit k;
    kit_init(&k);
    k.overrides = overrides;
    long polls = count_polls(&k, "whole", expected);
    assert_in_range(polls, 10, 1000);
    for (long stop = 0; stop < polls; stop += stride) {
        char name[32];
        snprintf(name, sizeof name, "cut-%ld", stop);
        k.stop_after = stop;
        assert_int_equal(kit_must_train(&k, name), BAL_OUTCOME_INTERRUPTED);
        k.stop_after = -1;
        assert_int_equal(kit_must_resume(&k, name), expected);
        kit_assert_same_run(&k, "whole", name);
    }
    kit_release(&k);
}

/** Interrupt after every `pieces` steps, again and again, until the run is over. */
static void check_pieces(const char *overrides, bal_outcome expected, long piece) {
    kit k;
    kit_init(&k);
    k.overrides = overrides;
    long polls = count_polls(&k, "whole", expected);
    k.stop_after = piece;
    bal_outcome outcome = kit_must_train(&k, "pieces");
    for (long resumes = 0; outcome == BAL_OUTCOME_INTERRUPTED; resumes++) {
        assert_in_range(resumes, 0, polls);
        outcome = kit_must_resume(&k, "pieces");
    }
    assert_int_equal(outcome, expected);
    kit_assert_same_run(&k, "whole", "pieces");
    kit_release(&k);
}

static void resumes_from_every_step(void **unused) {
    check_each_step(NULL, BAL_OUTCOME_DONE, 1);
}

static void resumes_in_pieces(void **unused) {
    check_pieces("train.epochs=3", BAL_OUTCOME_DONE, 1);
    check_pieces(NULL, BAL_OUTCOME_DONE, 5);
}

/* Three momenta of the optimisers, partial last batches (of one row, too), a residual net. */
static void resumes_other_recipes(void **unused) {
    check_each_step("optimizer={kind: momentum, lr: 0.01}|train.batch_size=37|train.epochs=5",
                    BAL_OUTCOME_DONE, 3);
    check_each_step("optimizer={kind: adamw, lr: 0.01}|schedule={kind: cosine, warmup_steps: 5}"
                    "|model={kind: residual, width: 12, blocks: 2, norm: layer, dropout: 0.2}",
                    BAL_OUTCOME_DONE, 5);
    check_each_step(
        "optimizer={kind: sgd, lr: 0.05}|train.eval_every=3|train.epochs=5"
        "|checkpoint.every_epochs=2|data.split={kind: random, train: 0.7, val: 0.2, test: 0}",
        BAL_OUTCOME_DONE, 4);
}

static void resumes_schedules_and_early_stopping(void **unused) {
    /* The patience of the schedule and that of the stop both run across the cuts. */
    check_each_step("schedule={kind: plateau, monitor: val.label.loss, factor: 0.5, patience: 1}"
                    "|stop.patience=3|train.epochs=30|optimizer.lr=0.05",
                    BAL_OUTCOME_DONE, 7);
    check_each_step("schedule={kind: step, at: {1: 0.5, 2: 0.1}}", BAL_OUTCOME_DONE, 6);
}

static void resumes_between_timed_checkpoints(void **unused) {
    check_each_step("checkpoint={every_seconds: 1.0e-6, every_epochs: 100, keep: 1}",
                    BAL_OUTCOME_DONE, 5);
    check_pieces("checkpoint={every_seconds: 0.01, keep: 5}", BAL_OUTCOME_DONE, 3);
}

/* From epoch 2 on the rate is so high that weights overflow within steps: incidents in the middle
 * of an epoch, updates left out. Batch size, class weights and clipping do not help; the rate does.
 */
#define OVERFLOW                                                                                   \
    "schedule={kind: step, at: {2: 1.0e30}}|train.epochs=7|guard={policy: recover, "               \
    "max_rollbacks: "                                                                              \
    "4, remedies: [{batch_size: 2.0}, {class_weight_multiplier: 0.5}, {clip_norm: 0.5}, "          \
    "{lr: 1.0e-31}]}"

static void resumes_around_rollbacks_in_mid_epoch(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = OVERFLOW;
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    assert_int_equal(k.rollbacks, 4);
    kit_release(&k);
    check_each_step(OVERFLOW, BAL_OUTCOME_DONE, 1);
    check_pieces(OVERFLOW, BAL_OUTCOME_DONE, 2);
}

/* The same with a head of focal loss, whose gamma changes the training program, and a fallback,
 * which sets the rate, the norm and the batch size that earlier remedies had changed. */
#define FOCAL                                                                                      \
    "heads=[{name: label, kind: classes, loss: {kind: focal, gamma: 2}}]|"                         \
    "schedule={kind: step, at: {2: 1.0e30}}|train.epochs=7|guard={policy: recover, "               \
    "max_rollbacks: 4, remedies: [{focal_gamma: 0.5}, {lr: 0.5}, {batch_size: 3}, {fallback: "     \
    "{optimizer: {lr: 2.0e-32, clip_norm: 1}, train: {batch_size: 20}}}]}"

static void resumes_around_gamma_and_fallback(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = FOCAL;
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    assert_int_equal(k.rollbacks, 4);
    char *health = kit_read(kit_file(&k, "run", BAL_RUN_HEALTH), NULL);
    assert_non_null(strstr(health, "gamma of focal losses × 0.5"));
    assert_non_null(strstr(health, "fallback: learning rate 2e-32, gradient norm clipped at 1, "
                                   "batch size 20"));
    free(health);
    /* Gamma reaches the loss that is trained on: all else alike, other weights come of it. */
    k.overrides = FOCAL "|guard.remedies=[{reshuffle: 1}, {lr: 0.5}, {batch_size: 3}, {fallback: "
                        "{optimizer: {lr: 2.0e-32, clip_norm: 1}, train: {batch_size: 20}}}]";
    assert_int_equal(kit_must_train(&k, "reshuffled"), BAL_OUTCOME_DONE);
    assert_int_equal(k.rollbacks, 8);
    char *other = strdup(kit_file(&k, "reshuffled", BAL_RUN_MODEL));
    assert_false(kit_same_file(kit_file(&k, "run", BAL_RUN_MODEL), other));
    free(other);
    kit_release(&k);
    check_each_step(FOCAL, BAL_OUTCOME_DONE, 1);
    check_pieces(FOCAL, BAL_OUTCOME_DONE, 2);
}

/* A rule finds the loss too high at the evaluations: incidents at ends of epochs. */
#define RULE                                                                                       \
    "schedule={kind: step, at: {2: 800}}|train.epochs=8|guard={policy: warn, max_rollbacks: 3, "   \
    "rules: ['train.label.loss > 2 -> recover'], remedies: [{batch_size: 2.0}, {lr: 0.001}]}"

static void resumes_around_rollbacks_at_evaluations(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = RULE;
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    assert_int_equal(k.rollbacks, 2);
    kit_release(&k);
    check_each_step(RULE, BAL_OUTCOME_DONE, 1);
}

/* The run is given up, or stopped: resuming must not train on. */
#define HOPELESS                                                                                   \
    "schedule={kind: step, at: {2: 800}}|train.epochs=8|guard={policy: recover, max_rollbacks: "   \
    "2, "                                                                                          \
    "rules: ['train.label.loss > 2'], remedies: [{batch_size: 2.0}, {batch_size: 0.5}]}"
#define STOPPED "schedule={kind: step, at: {1: 1.0e30}}|train.epochs=8|guard={policy: stop}"

static void resumes_runs_that_end_badly(void **unused) {
    check_each_step(HOPELESS, BAL_OUTCOME_COLLAPSED, 3);
    check_each_step(STOPPED, BAL_OUTCOME_STOPPED, 3);
}

/* Three stages: another optimiser, schedule, batch size and class weights, frozen weights, an early
 * stop that counts anew, a start from the first of them; checkpoints that do not fall on ends. */
#define STAGES                                                                                     \
    "train.epochs=2|stages=[{name: one, schedule: {kind: plateau, patience: 1}}, {name: two, "     \
    "train: {epochs: 9, batch_size: 37}, stop: {patience: 2}, optimizer: {kind: momentum, lr: "    \
    "0.01}, heads: {label: {class_weights: {kind: inverse}}}, model: {freeze: "                    \
    "['backbone.0.*']}}, "                                                                         \
    "{name: three, init_from: one, train: {epochs: 3}, monitor: val.label.loss}]"

static void resumes_in_every_stage(void **unused) {
    check_each_step(STAGES, BAL_OUTCOME_DONE, 1);
    check_each_step(STAGES "|checkpoint.every_epochs=2|train.eval_every=2", BAL_OUTCOME_DONE, 3);
    check_each_step(STAGES "|checkpoint={every_seconds: 1.0e-6, every_epochs: 100, keep: 1}",
                    BAL_OUTCOME_DONE, 3);
    check_pieces(STAGES, BAL_OUTCOME_DONE, 1);
}

/* A rollback in each stage: remedies of the first stay in force, the second goes on behind them. */
#define STAGES_BACK                                                                                \
    "train.epochs=5|schedule={kind: step, at: {2: 800}}|guard={policy: warn, max_rollbacks: 4, "   \
    "rules: ['train.label.loss > 2 -> recover'], remedies: [{batch_size: 2.0}, {lr: 0.001}, "      \
    "{clip_norm: 0.5}, {lr: 0.001}]}|stages=[{name: one}, {name: two, schedule: {at: {1: "         \
    "800000}}}]"

static void resumes_around_rollbacks_of_stages(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = STAGES_BACK;
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    assert_int_equal(k.rollbacks, 4);
    kit_release(&k);
    check_each_step(STAGES_BACK, BAL_OUTCOME_DONE, 3);
}

/** As if the process had died after the last checkpoint, while it was finishing. */
static void unfinish(const kit *k, const char *name) {
    static const char *const files[] = {BAL_RUN_SUMMARY, BAL_RUN_MODEL, BAL_RUN_HEALTH,
                                        BAL_RUN_TRAINING_LOG};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        remove(kit_file(k, name, files[i]));
}

static void finishes_what_was_left_unfinished(void **unused) {
    static const struct {
        const char *overrides;
        bal_outcome outcome;
    } cases[] = {{NULL, BAL_OUTCOME_DONE},
                 {HOPELESS, BAL_OUTCOME_COLLAPSED},
                 {STOPPED, BAL_OUTCOME_STOPPED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit k;
        kit_init(&k);
        k.overrides = cases[i].overrides;
        assert_int_equal(kit_must_train(&k, "whole"), cases[i].outcome);
        assert_int_equal(kit_must_train(&k, "run"), cases[i].outcome);
        unfinish(&k, "run");
        k.evaluations = 0;
        k.stop_after = 0; /* finishing cannot be interrupted, and must not train */
        assert_int_equal(kit_must_resume(&k, "run"), cases[i].outcome);
        assert_int_equal(k.evaluations, 0);
        kit_assert_same_run(&k, "whole", "run");
        kit_release(&k);
    }
}

static void a_complete_run_is_left_alone(void **unused) {
    kit k;
    kit_init(&k);
    assert_int_equal(kit_must_train(&k, "whole"), BAL_OUTCOME_DONE);
    size_t size;
    char *before = kit_read(kit_file(&k, "whole", BAL_RUN_METRICS), &size);
    k.evaluations = 0;
    assert_int_equal(kit_must_resume(&k, "whole"), BAL_OUTCOME_DONE);
    assert_int_equal(k.evaluations, 0);
    char *after = kit_read(kit_file(&k, "whole", BAL_RUN_METRICS), NULL);
    assert_string_equal(before, after);
    free(before);
    free(after);
    kit_release(&k);
}

/* Numbers of threads may change between the pieces: the backend sums in an order of its own. */
static void resumes_with_another_number_of_threads(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = "model.hidden=[96, 64]|train.batch_size=64";
    assert_int_equal(kit_must_train(&k, "whole"), BAL_OUTCOME_DONE);
    k.stop_after = 3;
    k.threads = 2;
    assert_int_equal(kit_must_train(&k, "cut"), BAL_OUTCOME_INTERRUPTED);
    k.stop_after = -1;
    k.threads = 3;
    assert_int_equal(kit_must_resume(&k, "cut"), BAL_OUTCOME_DONE);
    kit_assert_same_run(&k, "whole", "cut");
    kit_release(&k);
}

/* The data are found again from wherever the program is started. */
static void resumes_from_another_folder(void **unused) {
    kit k;
    kit_init(&k);
    char *here = realpath(".", NULL);
    k.stop_after = 9;
    assert_int_equal(kit_must_train(&k, "cut"), BAL_OUTCOME_INTERRUPTED);
    k.stop_after = -1;
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(kit_must_resume(&k, "cut"), BAL_OUTCOME_DONE);
    assert_int_equal(chdir(here), 0);
    free(here);
    kit_release(&k);
}

/* Other rows must not be trained on without a word. */
static void changed_data_are_refused(void **unused) {
    kit k;
    kit_init(&k);
    k.stop_after = 9;
    assert_int_equal(kit_must_train(&k, "cut"), BAL_OUTCOME_INTERRUPTED);
    char *table = kit_read(kit_path(&k, "table.csv"), NULL);
    char *digit = strchr(strchr(table, '\n'), '.') + 3;
    *digit = *digit == '1' ? '2' : '1';
    kit_write(kit_path(&k, "table.csv"), table, strlen(table));
    free(table);
    bal_error err = {0};
    bal_outcome outcome;
    assert_int_equal(kit_resume(&k, "cut", &outcome, &err), BAL_EDATA);
    assert_non_null(strstr(err.message, "table.csv is not what it was"));
    kit_release(&k);
}

/** Replace the first `from` in a run's resolved recipe. */
static void edit_recipe(const kit *k, const char *run, const char *from, const char *to) {
    const char *path = kit_file(k, run, BAL_RUN_RESOLVED);
    size_t size;
    char *text = kit_read(path, &size), *at = strstr(text, from), edited[8192];
    assert_non_null(at);
    int length =
        snprintf(edited, sizeof edited, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    assert_true(length > 0 && length < (int)sizeof edited);
    kit_write(path, edited, (size_t)length);
    free(text);
}

static void changed_recipes_are_told_or_refused(void **unused) {
    kit k;
    kit_init(&k);
    k.stop_after = 9;
    assert_int_equal(kit_must_train(&k, "cut"), BAL_OUTCOME_INTERRUPTED);
    bal_outcome outcome;
    bal_error err = {0};
    edit_recipe(&k, "cut", "monitor: val.label.accuracy", "monitor: val.label.log_loss");
    assert_int_equal(kit_resume(&k, "cut", &outcome, &err), BAL_ERECIPE);
    assert_non_null(strstr(err.message, "recipe.resolved.yaml:"));
    assert_non_null(strstr(err.message, "begun with val.label.accuracy"));
    edit_recipe(&k, "cut", "monitor: val.label.log_loss", "monitor: val.label.accuracy");
    k.warnings = 0;
    k.polls = 0;
    k.stop_after = 3;
    assert_int_equal(kit_must_resume(&k, "cut"), BAL_OUTCOME_INTERRUPTED);
    assert_int_equal(k.warnings, 0);
    edit_recipe(&k, "cut", "epochs: 4", "epochs: 5");
    k.stop_after = -1;
    assert_int_equal(kit_must_resume(&k, "cut"), BAL_OUTCOME_DONE);
    assert_int_equal(k.warnings, 1);
    assert_non_null(strstr(k.log, "recipe.resolved.yaml has changed"));
    kit_release(&k);
}

static void resuming_what_is_no_run_fails(void **unused) {
    kit k;
    kit_init(&k);
    bal_error err = {0};
    bal_outcome outcome;
    assert_int_equal(kit_resume(&k, "nowhere", &outcome, &err), BAL_ENOTFOUND);
    assert_non_null(strstr(err.message, "nowhere is not a run"));
    kit_release(&k);
}

/* Two processes in one folder would write into each other's logs. The lock belongs to an open
 * folder, so that a second one in this process stands for another process. */
static void a_run_in_use_is_refused(void **unused) {
    kit k;
    kit_init(&k);
    k.stop_after = 9;
    assert_int_equal(kit_must_train(&k, "cut"), BAL_OUTCOME_INTERRUPTED);
    bal_error err = {0};
    bal_run_folder folder = {0};
    bal_outcome outcome;
    assert_int_equal(bal_run_folder_open(&folder, kit_path(&k, "cut"), &err), BAL_OK);
    assert_false(bal_run_folder_in_use(&folder));
    assert_int_equal(bal_run_folder_lock(&folder, &err), BAL_OK);
    assert_true(bal_run_folder_in_use(&folder));
    assert_true(bal_run_folder_in_use(&folder)); /* looking takes nothing away */
    assert_int_equal(kit_resume(&k, "cut", &outcome, &err), BAL_EINVAL);
    assert_non_null(strstr(err.message, "another process is training"));
    bal_run_folder_release(&folder);
    k.stop_after = -1;
    assert_int_equal(kit_must_resume(&k, "cut"), BAL_OUTCOME_DONE);
    kit_release(&k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumes_from_every_step),
        cmocka_unit_test(resumes_in_pieces),
        cmocka_unit_test(resumes_other_recipes),
        cmocka_unit_test(resumes_schedules_and_early_stopping),
        cmocka_unit_test(resumes_between_timed_checkpoints),
        cmocka_unit_test(resumes_around_rollbacks_in_mid_epoch),
        cmocka_unit_test(resumes_around_gamma_and_fallback),
        cmocka_unit_test(resumes_around_rollbacks_at_evaluations),
        cmocka_unit_test(resumes_in_every_stage),
        cmocka_unit_test(resumes_around_rollbacks_of_stages),
        cmocka_unit_test(resumes_runs_that_end_badly),
        cmocka_unit_test(finishes_what_was_left_unfinished),
        cmocka_unit_test(a_complete_run_is_left_alone),
        cmocka_unit_test(resumes_with_another_number_of_threads),
        cmocka_unit_test(resumes_from_another_folder),
        cmocka_unit_test(changed_data_are_refused),
        cmocka_unit_test(changed_recipes_are_told_or_refused),
        cmocka_unit_test(resuming_what_is_no_run_fails),
        cmocka_unit_test(a_run_in_use_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
