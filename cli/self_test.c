/* The self-test of `doctor`. See self_test.h. */
#include "self_test.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "run_view.h"
#include "train/run.h"

/* Two moons would do; the simulator that is there has many classes, so a few easy ones of it. */
static const char recipe_text[] =
    "name: self-test\n"
    "data:\n"
    "  kind: simulated\n"
    "  simulator: {name: hand_landmarks, samples: 1200, classes: 4, imbalance: 1.0}\n"
    "model: {kind: mlp, hidden: [32]}\n"
    "heads: [{name: label, kind: classes}]\n"
    "optimizer: {kind: adam, lr: 1.0e-2}\n"
    "train: {epochs: 8, batch_size: 32}\n"
    "report: {plots: false}\n";

enum { STEPS_BEFORE_STOP = 20 };

static const double accuracy_wanted = 0.7; /* chance is 0.25; what comes out is about 0.9 */

static int cancel_after_steps(void *user) {
    int *steps = user;
    return ++*steps > STEPS_BEFORE_STOP;
}

static int remove_entry(const char *path, const struct stat *facts, int type, struct FTW *walk) {
    return remove(path);
}

static void remove_folder(const char *path) {
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bal_status same_file(const char *folder, const char *one, const char *other,
                            bal_error *err) {
    bal_status status = BAL_OK;
    char *data[2] = {0};
    size_t size[2] = {0};
    const char *const runs[2] = {one, other};
    for (int i = 0; status == BAL_OK && i < 2; i++) {
        bal_text path = {0};
        bal_text_printf(&path, "%s/%s/" BAL_RUN_MODEL, folder, runs[i]);
        status = bal_text_failed(&path)
                     ? bal_fail_memory(err, 0)
                     : bal_file_read(path.data, (size_t)1 << 30, &data[i], &size[i], err);
        bal_text_release(&path);
    }
    if (status == BAL_OK && (size[0] != size[1] || memcmp(data[0], data[1], size[0]) != 0))
        status = bal_fail(err, BAL_EINTERNAL,
                          "a run that was stopped and resumed gave another model than one that was "
                          "not");
    bal_free(data[0]);
    bal_free(data[1]);
    return status;
}

/** Train into folder/name; with `steps` stop after some and resume. */
static bal_status train(const bal_recipe *recipe, const char *folder, const char *name, int *steps,
                        bal_run_result *ret_result, bal_error *err) {
    char *path = bal_path_join(folder, name);
    bal_run_options options = {.folder = path};
    if (!path) return bal_fail_memory(err, 0);
    if (steps) {
        options.hooks.cancel = cancel_after_steps;
        options.hooks.user = steps;
    }
    bal_status status = bal_run_train(recipe, &options, ret_result, err);
    if (status == BAL_OK && steps) {
        bal_run_result_release(ret_result);
        const bal_run_options plain = {0};
        status = bal_run_resume(path, &plain, ret_result, err);
    }
    bal_free(path);
    return status;
}

static bal_status check(const bal_run_result *result, double seconds, bal_text *report,
                        bal_error *err) {
    json_t *summary = NULL;
    BAL_TRY(bal_json_parse(result->summary.data, result->summary.length, "summary", &summary, err));
    double accuracy = bal_summary_metric(summary, "test.label.accuracy", "test");
    json_decref(summary);
    if (!(accuracy >= accuracy_wanted))
        return bal_fail(err, BAL_EINTERNAL,
                        "a small training reached accuracy %.2f; at least %.2f was expected",
                        accuracy, accuracy_wanted);
    bal_text_printf(report, "trained, resumed bit-exactly, accuracy %.2f (%.1f s)", accuracy,
                    seconds);
    return BAL_OK;
}

static bal_status train_twice(const char *folder, bal_text *report, bal_error *err) {
    double start = bal_clock_seconds();
    bal_recipe *recipe;
    bal_run_result result;
    int steps = 0;
    BAL_TRY(bal_recipe_parse(recipe_text, "self-test", folder, NULL, 0, &recipe, err));
    bal_status status = train(recipe, folder, "whole", NULL, &result, err);
    if (status == BAL_OK) {
        bal_run_result_release(&result);
        status = train(recipe, folder, "resumed", &steps, &result, err);
    }
    bal_recipe_free(recipe);
    if (status != BAL_OK) return status;
    status = same_file(folder, "whole", "resumed", err);
    if (status == BAL_OK) status = check(&result, bal_clock_seconds() - start, report, err);
    bal_run_result_release(&result);
    return status;
}

bal_status bal_self_test(bal_text *report, bal_error *err) {
    const char *temporary = getenv("TMPDIR");
    char folder[512];
    snprintf(folder, sizeof folder, "%.400s/ballast-doctor-XXXXXX",
             temporary && temporary[0] ? temporary : "/tmp");
    if (!mkdtemp(folder))
        return bal_fail(err, BAL_EIO, "no temporary folder can be made at %s", folder);
    bal_status status = train_twice(folder, report, err);
    remove_folder(folder);
    return status;
}
