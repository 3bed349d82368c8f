/* Allocations that fail, one by one, anywhere in a run: each is told as lack of memory, leaks
 * nothing, and the run can be resumed. A second argument of the program is the stride: 1 tries all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "train/model_file.h"
#include "train_kit.h"

static int64_t stride = 1;

/** Let the allocation after `n` others fail while `work` runs; true when it went through. */
static bool survives(kit *k, int64_t n, bal_status (*work)(kit *k, bal_error *err)) {
    bal_error err = {0};
    k->fail_memory = n;
    bal_status status = work(k, &err);
    k->fail_memory = -1;
    if (status != BAL_OK && status != BAL_ENOMEM)
        fail_msg("allocation %lld: %s: %s", (long long)n, bal_status_name(status), err.message);
    assert_int_equal(err.status, status);
    return status == BAL_OK;
}

static bal_status train(kit *k, bal_error *err) {
    bal_outcome outcome;
    bal_status status = kit_train(k, "run", &outcome, err);
    if (status == BAL_OK) assert_int_equal(outcome, BAL_OUTCOME_DONE);
    return status;
}

/* Two heads, two kinds of norm, a rollback and an evaluation of everything. */
#define SMALL                                                                                      \
    "data.split={kind: stratified, train: 0.6, val: 0.2, test: 0.2}|data.dev.samples=60|"          \
    "train={epochs: 2, batch_size: 20}|model.hidden=[4]|model.dropout=[0.1]|"                      \
    "guard={policy: recover, rules: ['train.label.loss > 0 -> recover'], remedies: [{lr: 0.5}],"   \
    " max_rollbacks: 1}|checkpoint.every_seconds=1.0e-6"

/* Going over to another stage. */
#define SMALL_STAGES                                                                               \
    "data.split={kind: stratified, train: 0.6, val: 0.2, test: 0.2}|data.dev.samples=60|"          \
    "train={epochs: 1, batch_size: 20}|model.hidden=[4]|model.dropout=[0.1]|"                      \
    "stages=[{name: one}, {name: two, optimizer: sgd, model: {freeze: ['backbone.*']}}]"

static int64_t count_allocations(kit *k, bal_status (*work)(kit *k, bal_error *err)) {
    bal_error err = {0};
    uint64_t before = bal_memory_allocations();
    if (work(k, &err) != BAL_OK) fail_msg("%s", err.message);
    return (int64_t)(bal_memory_allocations() - before);
}

static bal_status train_small(kit *k, bal_error *err) {
    bal_outcome outcome;
    return kit_train(k, "run", &outcome, err);
}

static void remove_run(const kit *k) {
    char command[1200];
    snprintf(command, sizeof command, "rm -rf '%s/run'", k->folder);
    assert_int_equal(system(command), 0);
}

static void check_training(const char *overrides) {
    kit k;
    kit_init(&k);
    k.overrides = overrides;
    bal_outcome outcome = kit_must_train(&k, "whole");
    int64_t n = count_allocations(&k, train_small);
    assert_in_range(n, 500, 100000);
    int failed = 0;
    for (int64_t i = 0; i < n; i += stride) {
        remove_run(&k);
        failed += !survives(&k, i, train_small);
        if (!bal_path_exists(kit_file(&k, "run", BAL_RUN_RECIPE))) continue;
        assert_int_equal(kit_must_resume(&k, "run"), outcome);
        kit_assert_same_run(&k, "whole", "run");
    }
    assert_true(failed >= 0.9 * (double)n / (double)stride);
    kit_release(&k);
}

static void training_survives_every_failed_allocation(void **unused) {
    check_training(SMALL);
    check_training(SMALL_STAGES);
}

static bal_status resume(kit *k, bal_error *err) {
    bal_outcome outcome;
    return kit_resume(k, "run", &outcome, err);
}

/** Stopped after so many steps, and one step further each time. */
static void check_resuming(const char *overrides, long steps) {
    kit k;
    kit_init(&k);
    k.overrides = overrides;
    bal_outcome outcome = kit_must_train(&k, "whole");
    k.stop_after = steps;
    kit_must_train(&k, "run");
    k.stop_after = 1;
    int64_t n = 4000; /* more than it takes; it ends when one gets through */
    for (int64_t i = 0; i < n; i += stride)
        if (survives(&k, i, resume)) break;
    k.stop_after = -1;
    assert_int_equal(kit_must_resume(&k, "run"), outcome);
    kit_assert_same_run(&k, "whole", "run");
    kit_release(&k);
}

static void resuming_survives_every_failed_allocation(void **unused) {
    check_resuming(SMALL, 5);
    check_resuming(SMALL_STAGES, 1); /* over to the second */
    check_resuming(SMALL_STAGES, 3); /* in the second */
}

static bal_status open_and_try(kit *k, bal_error *err) {
    bal_backend *backend = NULL;
    bal_predictor *predictor = NULL;
    bal_text text = {0};
    bal_json_out out;
    bal_memory_fail_after(k->fail_memory);
    bal_status status = bal_backend_open(NULL, &(bal_backend_options){.threads = 1}, &backend, err);
    if (status == BAL_OK)
        status = bal_predictor_open(kit_file(k, "run", BAL_RUN_MODEL), backend, &predictor, err);
    if (status == BAL_OK) {
        bal_json_out_init(&out, &text, 2);
        status = bal_predictor_try(predictor, 10, 1, &out, err);
        if (status == BAL_OK && bal_text_failed(&text)) {
            status = BAL_ENOMEM;
            err->status = BAL_ENOMEM;
        }
    }
    bal_memory_fail_after(-1);
    bal_text_release(&text);
    bal_predictor_close(predictor);
    bal_backend_close(backend);
    return status;
}

static void predicting_survives_every_failed_allocation(void **unused) {
    kit k;
    kit_init(&k);
    bal_error err = {0};
    if (train(&k, &err) != BAL_OK) fail_msg("%s", err.message);
    int64_t n = count_allocations(&k, open_and_try);
    for (int64_t i = 0; i < n; i++)
        assert_false(survives(&k, i, open_and_try));
    assert_true(survives(&k, n, open_and_try));
    kit_release(&k);
}

int main(int argc, char **argv) {
    if (argc > 1) stride = atoll(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_survives_every_failed_allocation),
        cmocka_unit_test(resuming_survives_every_failed_allocation),
        cmocka_unit_test(predicting_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
