/* Every allocation behind the public interface failed once: an error each time, nothing lost, and
 * the call after it works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../support/scratch.h"
#include "ballast/ballast.h"
#include "base/memory.h"

static const char recipe_text[] =
    "name: tiny\n"
    "data: {kind: simulated,\n"
    "       simulator: {name: hand_landmarks, samples: 60, classes: 3, imbalance: 1.0}}\n"
    "model: {kind: mlp, hidden: [4]}\n"
    "heads: [{name: label, kind: classes}]\n"
    "train: {epochs: 1, batch_size: 16}\n"
    "report: {plots: false}\n";

enum { TRIES_MAX = 20000 };

static char *folder;

/** Call `attempt` with the N-th allocation failing, N = 0, 1, 2, … until it gets through. */
static void fail_each_allocation(bal_status (*attempt)(bal_error *err), int step) {
    for (int n = 0; n < TRIES_MAX; n += step) {
        bal_error err = {BAL_OK, ""};
        bal_memory_fail_after(n);
        bal_status status = attempt(&err);
        bal_memory_fail_after(-1);
        if (status == BAL_OK) {
            assert_true(n > 0);
            return;
        }
        if (status != BAL_ENOMEM) fail_msg("allocation %d: %s", n, err.message);
        assert_int_equal(err.status, BAL_ENOMEM);
    }
    fail_msg("still failing after %d allocations", TRIES_MAX);
}

static bal_status load_experiment(bal_error *err) {
    bal_experiment *experiment = NULL;
    bal_status status = bal_experiment_parse(recipe_text, folder, NULL, 0, &experiment, err);
    assert_true((status == BAL_OK) == (experiment != NULL));
    bal_experiment_free(experiment);
    return status;
}

static bal_status load_estimator(bal_error *err) {
    char path[512];
    bal_estimator *estimator = NULL;
    snprintf(path, sizeof path, "%s/run", folder);
    bal_status status = bal_estimator_load(path, 1, &estimator, err);
    assert_true((status == BAL_OK) == (estimator != NULL));
    bal_estimator_free(estimator);
    return status;
}

static bal_estimator *loaded;

static bal_status classify(bal_error *err) {
    float x[3 * 126] = {0}, p[3 * 3];
    int32_t ids[3];
    return bal_estimator_classify(loaded, 0, x, 3, 126, ids, p, NULL, err);
}

static void loading_an_experiment(void **state) {
    fail_each_allocation(load_experiment, 1);
}
static void loading_an_estimator(void **state) {
    fail_each_allocation(load_estimator, 1);
}

static void predicting(void **state) {
    char path[512];
    snprintf(path, sizeof path, "%s/run", folder);
    assert_int_equal(bal_estimator_load(path, 1, &loaded, NULL), BAL_OK);
    fail_each_allocation(classify, 1);
    bal_estimator_free(loaded);
}

/* Training into a new folder each time. */
static bal_status train(bal_error *err) {
    static int number;
    char path[512];
    bal_experiment *experiment = NULL;
    bal_result *result = NULL;
    bal_train_options options = bal_train_options_make();
    bal_status status = bal_experiment_parse(recipe_text, folder, NULL, 0, &experiment, err);
    if (status != BAL_OK) return status;
    snprintf(path, sizeof path, "%s/train-%d", folder, number++);
    options.run_folder = path;
    options.threads = 1;
    status = bal_train(experiment, &options, &result, err);
    assert_true((status == BAL_OK) == (result != NULL));
    bal_result_free(result);
    bal_experiment_free(experiment);
    return status;
}

/* A prime step, so that in the long run different places are met. */
static void training(void **state) {
    fail_each_allocation(train, 37);
}

static int set_up(void **state) {
    char path[512];
    bal_experiment *experiment = NULL;
    bal_result *result = NULL;
    bal_train_options options = bal_train_options_make();
    bal_error err = {BAL_OK, ""};
    folder = scratch_new();
    snprintf(path, sizeof path, "%s/run", folder);
    options.run_folder = path;
    options.threads = 1;
    if (bal_experiment_parse(recipe_text, folder, NULL, 0, &experiment, &err) != BAL_OK ||
        bal_train(experiment, &options, &result, &err) != BAL_OK)
        fail_msg("%s", err.message);
    bal_result_free(result);
    bal_experiment_free(experiment);
    return 0;
}

static int tear_down(void **state) {
    scratch_free(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_an_experiment),
        cmocka_unit_test(loading_an_estimator),
        cmocka_unit_test(predicting),
        cmocka_unit_test(training),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
