/* The public interface as its users have it: the header and the shared library, nothing else. */
#include <math.h>
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

enum { ROWS = 240, FEATURES = 3, EPOCHS = 6 };

/* Three features; a class of three, a yes or no, and a number, all plain functions of them. */
static const char recipe_text[] =
    "name: three-heads\n"
    "data: {kind: csv, path: rows.csv, target: colour, ignore: [big, sum],\n"
    "       split: {kind: random, train: 0.7, val: 0.15, test: 0.15}}\n"
    "model: {kind: mlp, hidden: [32]}\n"
    "heads:\n"
    "  - {name: colour, kind: classes}\n"
    "  - {name: big, kind: binary, target: big}\n"
    "  - {name: sum, kind: value, target: sum}\n"
    "optimizer: {kind: adam, lr: 2.0e-2}\n"
    "train: {epochs: 6, batch_size: 16}\n"
    "report: {plots: false}\n";

static char *folder; /* of the group: rows.csv, and the run "whole" */
static bal_estimator *model;

static float feature(int row, int column) {
    unsigned state = (unsigned)(row * FEATURES + column) * 2654435761u + 12345u;
    state ^= state >> 15;
    state *= 2246822519u;
    state ^= state >> 13;
    return (float)(state % 20001) / 10000 - 1;
}

static void write_rows(void) {
    static const char *const colours[] = {"blue", "green", "red"};
    char path[512];
    snprintf(path, sizeof path, "%s/rows.csv", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("a,b,c,colour,big,sum\n", file);
    for (int row = 0; row < ROWS; row++) {
        float a = feature(row, 0), b = feature(row, 1), c = feature(row, 2);
        int colour = a > b ? (a > c ? 2 : 0) : (b > c ? 1 : 0);
        fprintf(file, "%.4f,%.4f,%.4f,%s,%s,%.4f\n", (double)a, (double)b, (double)c,
                colours[colour], a + b > 0 ? "yes" : "no", (double)(a + b + c));
    }
    assert_int_equal(fclose(file), 0);
}

/* ---- what callbacks saw ---- */

typedef struct witness {
    int starts, stages, evaluations, ends, messages, questions;
    int stop_after; /* questions; 0: never */
    int64_t epoch;  /* of the last evaluation */
    char stage[16];
    bool sane;
} witness;

static void see_event(void *user, const bal_event *event) {
    witness *seen = user;
    seen->sane = seen->sane && event->size == sizeof *event && event->run && event->monitor &&
                 event->message && event->epochs == EPOCHS && event->stage &&
                 event->stage_index <= event->stages;
    seen->starts += event->kind == BAL_EVENT_START;
    seen->stages += event->kind == BAL_EVENT_STAGE;
    seen->ends += event->kind == BAL_EVENT_END;
    if (event->kind != BAL_EVENT_EVALUATION) return;
    seen->evaluations++;
    seen->epoch = event->epoch;
    snprintf(seen->stage, sizeof seen->stage, "%s", event->stage);
    seen->sane = seen->sane && isfinite(event->loss) && isfinite(event->val_loss) &&
                 event->classes == 3 && event->classes_predicted >= 1 &&
                 event->classes_predicted <= 3 && event->accuracy >= 0 && event->accuracy <= 1 &&
                 event->learning_rate > 0 && event->seconds >= 0;
}

static void see_message(void *user, bal_message_level level, const char *message) {
    witness *seen = user;
    seen->messages++;
    seen->sane = seen->sane && level <= BAL_MESSAGE_ERROR && message[0];
}

static int ask(void *user) {
    witness *seen = user;
    return ++seen->questions == seen->stop_after;
}

static bal_train_options watched(witness *seen, const char *run) {
    bal_train_options options = bal_train_options_make();
    *seen = (witness){.sane = true};
    options.run_folder = run;
    options.threads = 1;
    options.user = seen;
    options.on_event = see_event;
    options.on_message = see_message;
    options.should_stop = ask;
    return options;
}

static bal_experiment *load(void) {
    bal_experiment *experiment = NULL;
    bal_error err = {BAL_OK, ""};
    if (bal_experiment_parse(recipe_text, folder, NULL, 0, &experiment, &err) != BAL_OK)
        fail_msg("%s", err.message);
    return experiment;
}

static bal_result *train(const char *name, bal_train_options options) {
    char run[512];
    bal_experiment *experiment = load();
    bal_result *result = NULL;
    bal_error err = {BAL_OK, ""};
    snprintf(run, sizeof run, "%s/%s", folder, name);
    options.run_folder = run;
    if (bal_train(experiment, &options, &result, &err) != BAL_OK) fail_msg("%s", err.message);
    bal_experiment_free(experiment);
    return result;
}

/* ---- version and experiments ---- */

static void version_is_that_of_the_header(void **state) {
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", BAL_VERSION_MAJOR, BAL_VERSION_MINOR,
             BAL_VERSION_PATCH);
    assert_string_equal(bal_version(), text);
}

static void overrides_reach_the_recipe(void **state) {
    const char *const overrides[] = {"train.epochs=17", "name=renamed"};
    bal_experiment *experiment = NULL;
    assert_int_equal(bal_experiment_parse(recipe_text, folder, overrides, 2, &experiment, NULL),
                     BAL_OK);
    assert_string_equal(bal_experiment_name(experiment), "renamed");
    assert_non_null(strstr(bal_experiment_resolved(experiment), "epochs: 17"));
    bal_experiment_free(experiment);
}

static void bad_recipes_are_refused(void **state) {
    const char *const misspelt[] = {"train.epocs=17"}, *const hole[] = {NULL};
    bal_experiment *experiment = (bal_experiment *)&folder;
    bal_error err = {BAL_OK, ""};
    assert_int_equal(bal_experiment_parse(recipe_text, folder, misspelt, 1, &experiment, &err),
                     BAL_ERECIPE);
    assert_non_null(strstr(err.message, "epochs"));
    assert_int_equal(bal_experiment_parse(recipe_text, folder, hole, 1, &experiment, NULL),
                     BAL_EINVAL);
    assert_int_equal(bal_experiment_load("/nowhere/recipe.yaml", NULL, 0, &experiment, NULL),
                     BAL_ERECIPE);
    assert_ptr_equal(experiment, &folder); /* untouched */
}

static void freeing_nothing_is_fine(void **state) {
    bal_experiment_free(NULL);
    bal_result_free(NULL);
    bal_estimator_free(NULL);
}

/* ---- training ---- */

static void training_tells_what_happens(void **state) {
    witness seen;
    bal_result *result = train("watched", watched(&seen, NULL));
    assert_true(seen.sane);
    assert_int_equal(seen.starts, 1);
    assert_int_equal(seen.evaluations, EPOCHS);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.stages, 0);
    assert_string_equal(seen.stage, "");
    assert_int_equal(seen.epoch, EPOCHS);
    assert_true(seen.messages > 0);
    assert_true(seen.questions > EPOCHS);

    assert_int_equal(bal_result_ending(result), BAL_ENDING_DONE);
    assert_int_equal(bal_result_epochs(result), EPOCHS);
    assert_in_range(bal_result_best_epoch(result), 1, EPOCHS);
    assert_int_equal(bal_result_rollbacks(result), 0);
    assert_non_null(strstr(bal_result_run(result), "watched"));
    assert_non_null(strstr(bal_result_model(result), "watched/model.safetensors"));
    assert_true(bal_result_metric(result, "test.colour.accuracy") > 0.5);
    assert_true(bal_result_metric(result, "val.sum.r2") > 0.5);
    assert_true(isnan(bal_result_metric(result, "test.colour.nonsense")));
    assert_true(isnan(bal_result_metric(result, "nonsense")));
    assert_int_equal(bal_result_json(result)[0], '{');
    bal_result_free(result);
}

static void training_tells_of_stages(void **state) {
    static const char *const overrides[] = {"stages=[{name: one}, {name: two}]"};
    witness seen;
    char run[512];
    bal_experiment *experiment = NULL;
    bal_result *result = NULL;
    bal_error err = {BAL_OK, ""};
    snprintf(run, sizeof run, "%s/staged", folder);
    bal_train_options options = watched(&seen, run);
    assert_int_equal(bal_experiment_parse(recipe_text, folder, overrides, 1, &experiment, &err),
                     BAL_OK);
    assert_int_equal(bal_train(experiment, &options, &result, &err), BAL_OK);
    assert_true(seen.sane);
    assert_int_equal(seen.stages, 2);
    assert_int_equal(seen.evaluations, 2 * EPOCHS);
    assert_int_equal(seen.epoch, EPOCHS); /* of its stage */
    assert_string_equal(seen.stage, "two");
    assert_int_equal(bal_result_epochs(result), 2 * EPOCHS);
    bal_result_free(result);
    bal_experiment_free(experiment);
}

static char *read_file(const char *path, size_t *ret_size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *data = malloc(1 << 20);
    assert_non_null(data);
    *ret_size = fread(data, 1, 1 << 20, file);
    assert_in_range(*ret_size, 1, (1 << 20) - 1);
    fclose(file);
    return data;
}

static void an_interrupted_run_goes_on_exactly(void **state) {
    witness seen;
    char whole[512];
    size_t sizes[2];
    bal_train_options options = watched(&seen, NULL);
    seen.stop_after = 25;
    bal_result *stopped = train("stopped", options), *resumed = NULL;
    assert_int_equal(bal_result_ending(stopped), BAL_ENDING_INTERRUPTED);
    assert_null(bal_result_model(stopped));
    assert_in_range(bal_result_best_epoch(stopped), 1, bal_result_epochs(stopped));

    options = watched(&seen, NULL);
    assert_int_equal(bal_resume(bal_result_run(stopped), &options, &resumed, NULL), BAL_OK);
    assert_int_equal(bal_result_ending(resumed), BAL_ENDING_DONE);
    snprintf(whole, sizeof whole, "%s/whole/model.safetensors", folder);
    char *one = read_file(whole, &sizes[0]);
    char *other = read_file(bal_result_model(resumed), &sizes[1]);
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(one, other, sizes[0]);
    free(one);
    free(other);
    bal_result_free(stopped);
    bal_result_free(resumed);
}

static void resuming_what_is_no_run_fails(void **state) {
    bal_result *result = NULL;
    bal_error err = {BAL_OK, ""};
    assert_int_equal(bal_resume(folder, NULL, &result, &err), BAL_ENOTFOUND);
    assert_non_null(strstr(err.message, folder));
}

static void an_older_caller_has_fewer_options(void **state) {
    witness seen;
    bal_train_options options = watched(&seen, NULL);
    seen.stop_after = 1;
    options.size = offsetof(bal_train_options, should_stop); /* it knew no should_stop */
    bal_result *result = train("older", options);
    assert_int_equal(bal_result_ending(result), BAL_ENDING_DONE);
    assert_int_equal(seen.questions, 0);
    assert_int_equal(seen.evaluations, EPOCHS);
    bal_result_free(result);
}

static void options_without_a_size_are_refused(void **state) {
    bal_experiment *experiment = load();
    bal_train_options options;
    bal_result *result = NULL;
    memset(&options, 0, sizeof options);
    assert_int_equal(bal_train(experiment, &options, &result, NULL), BAL_EINVAL);
    options = bal_train_options_make();
    options.threads = -1;
    assert_int_equal(bal_train(experiment, &options, &result, NULL), BAL_EINVAL);
    assert_null(result);
    bal_experiment_free(experiment);
}

/* ---- estimators ---- */

static void an_estimator_knows_its_facts(void **state) {
    assert_string_equal(bal_estimator_name(model), "three-heads");
    assert_int_equal(bal_estimator_features(model), FEATURES);
    assert_string_equal(bal_estimator_feature(model, 1), "b");
    assert_null(bal_estimator_feature(model, FEATURES));
    assert_int_equal(bal_estimator_heads(model), 3);
    assert_string_equal(bal_estimator_head(model, 2), "sum");
    assert_null(bal_estimator_head(model, 3));
    assert_int_equal(bal_estimator_find_head(model, "big"), 1);
    assert_true(bal_estimator_find_head(model, "small") == (size_t)-1);
    assert_int_equal(bal_estimator_classes(model, 0), 3);
    assert_string_equal(bal_estimator_class(model, 0, 2), "red");
    assert_null(bal_estimator_class(model, 0, 3));
    assert_int_equal(bal_estimator_classes(model, 1), 2);
    assert_int_equal(bal_estimator_classes(model, 2), 0);
    assert_int_equal(bal_estimator_outputs(model, 2), 1);
    assert_int_equal(bal_estimator_outputs(model, 0), 0);
}

static void fill(float *x, int rows) {
    for (int i = 0; i < rows * FEATURES; i++)
        x[i] = feature(i / FEATURES, i % FEATURES);
}

static void classes_are_likely_and_right(void **state) {
    static float x[ROWS * FEATURES], p[ROWS * 3], entropy[ROWS];
    static int32_t ids[ROWS];
    int right = 0;
    fill(x, ROWS);
    assert_int_equal(bal_estimator_classify(model, 0, x, ROWS, FEATURES, ids, p, entropy, NULL),
                     BAL_OK);
    for (int row = 0; row < ROWS; row++) {
        const float *own = p + row * 3;
        double sum = (double)own[0] + (double)own[1] + (double)own[2], expected = 0;
        assert_in_range(ids[row], 0, 2);
        assert_true(fabs(sum - 1) < 1e-5);
        for (int c = 0; c < 3; c++) {
            assert_true(own[ids[row]] >= own[c]);
            if (own[c] > 0) expected -= (double)own[c] * log((double)own[c]);
        }
        assert_true(fabs((double)entropy[row] - expected) < 1e-5);
        const float *r = x + row * FEATURES;
        int colour = r[0] > r[1] ? (r[0] > r[2] ? 2 : 0) : (r[1] > r[2] ? 1 : 0);
        right += ids[row] == colour;
    }
    assert_true(right > ROWS * 2 / 3);
}

static void a_row_alone_gets_the_same_answer(void **state) {
    static float x[ROWS * FEATURES], all[ROWS], one;
    fill(x, ROWS);
    assert_int_equal(bal_estimator_values(model, 2, x, ROWS, FEATURES, all, NULL), BAL_OK);
    for (int row = 0; row < ROWS; row += 37) {
        assert_int_equal(
            bal_estimator_values(model, 2, x + row * FEATURES, 1, FEATURES, &one, NULL), BAL_OK);
        assert_memory_equal(&one, &all[row], sizeof one);
        double sum = (double)x[row * 3] + (double)x[row * 3 + 1] + (double)x[row * 3 + 2];
        assert_true(fabs((double)one - sum) < 1);
    }
}

static void both_classes_of_a_yes_or_no_are_told(void **state) {
    const float x[2 * FEATURES] = {0.9f, 0.9f, 0, -0.9f, -0.9f, 0};
    float p[4];
    int32_t ids[2];
    assert_int_equal(bal_estimator_classify(model, 1, x, 2, FEATURES, ids, p, NULL, NULL), BAL_OK);
    assert_string_equal(bal_estimator_class(model, 1, (size_t)ids[0]), "yes");
    assert_string_equal(bal_estimator_class(model, 1, (size_t)ids[1]), "no");
    assert_true(fabs((double)p[0] + (double)p[1] - 1) < 1e-6 && p[1] > p[0] && p[2] > p[3]);
}

static void missing_values_are_filled_infinite_ones_refused(void **state) {
    float x[2 * FEATURES] = {0.1f, 0.2f, 0.3f, 0.1f, NAN, 0.3f};
    int32_t ids[2];
    bal_error err = {BAL_OK, ""};
    assert_int_equal(bal_estimator_classify(model, 0, x, 2, FEATURES, ids, NULL, NULL, &err),
                     BAL_OK);
    assert_in_range(ids[1], 0, 2);
    x[4] = INFINITY;
    assert_int_equal(bal_estimator_classify(model, 0, x, 2, FEATURES, ids, NULL, NULL, &err),
                     BAL_EDATA);
    assert_non_null(strstr(err.message, "row 2"));
    assert_non_null(strstr(err.message, "'b'"));
}

static void wrong_questions_are_refused(void **state) {
    const float x[FEATURES] = {0};
    int32_t id = 77;
    float value = 77;
    bal_error err = {BAL_OK, ""};
    assert_int_equal(bal_estimator_classify(model, 0, x, 1, FEATURES + 1, &id, NULL, NULL, &err),
                     BAL_EINVAL);
    assert_non_null(strstr(err.message, "wants 3"));
    assert_int_equal(bal_estimator_classify(model, 2, x, 1, FEATURES, &id, NULL, NULL, NULL),
                     BAL_EINVAL);
    assert_int_equal(bal_estimator_values(model, 0, x, 1, FEATURES, &value, NULL), BAL_EINVAL);
    assert_int_equal(bal_estimator_classify(model, 9, x, 1, FEATURES, &id, NULL, NULL, NULL),
                     BAL_EINVAL);
    assert_int_equal(
        bal_estimator_classify(model, 0, x, SIZE_MAX / 2, FEATURES, &id, NULL, NULL, NULL),
        BAL_EINVAL);
    assert_int_equal(id, 77);
    assert_true(value == 77);
    assert_int_equal(bal_estimator_classify(model, 0, NULL, 0, FEATURES, NULL, NULL, NULL, NULL),
                     BAL_OK);
}

static void null_is_refused(void **state) {
    const char *const overrides[] = {"train.epochs=1"};
    const float x[FEATURES] = {0};
    bal_experiment *experiment = NULL;
    bal_estimator *loaded = NULL;
    bal_result *result = NULL;
    int32_t id = 77;
    bal_error err = {BAL_OK, ""};
    assert_int_equal(bal_experiment_load(NULL, NULL, 0, &experiment, &err), BAL_EINVAL);
    assert_non_null(strstr(err.message, "path"));
    assert_int_equal(bal_experiment_load("x.yaml", NULL, 0, NULL, NULL), BAL_EINVAL);
    assert_int_equal(bal_experiment_load("x.yaml", NULL, 1, &experiment, NULL), BAL_EINVAL);
    assert_int_equal(bal_experiment_parse(NULL, NULL, overrides, 1, &experiment, NULL), BAL_EINVAL);
    assert_int_equal(bal_experiment_parse(recipe_text, NULL, NULL, 1, &experiment, NULL),
                     BAL_EINVAL);
    assert_int_equal(bal_experiment_parse(recipe_text, NULL, NULL, 0, NULL, NULL), BAL_EINVAL);
    assert_int_equal(bal_train(NULL, NULL, &result, NULL), BAL_EINVAL);
    assert_int_equal(bal_resume(NULL, NULL, &result, NULL), BAL_EINVAL);
    assert_int_equal(bal_resume(folder, NULL, NULL, NULL), BAL_EINVAL);
    assert_int_equal(bal_estimator_load(NULL, 0, &loaded, NULL), BAL_EINVAL);
    assert_int_equal(bal_estimator_load(folder, 0, NULL, NULL), BAL_EINVAL);
    assert_int_equal(bal_estimator_classify(NULL, 0, x, 1, FEATURES, &id, NULL, NULL, NULL),
                     BAL_EINVAL);
    assert_int_equal(bal_estimator_classify(model, 0, NULL, 1, FEATURES, &id, NULL, NULL, NULL),
                     BAL_EINVAL);
    assert_int_equal(bal_estimator_values(model, 2, x, 1, FEATURES, NULL, NULL), BAL_EINVAL);
    assert_true(!experiment && !loaded && !result && id == 77);
}

static void files_that_are_no_models_are_refused(void **state) {
    char path[512], cut[512];
    bal_estimator *loaded = NULL;
    bal_error err = {BAL_OK, ""};
    size_t size;
    assert_int_equal(bal_estimator_load(folder, 0, &loaded, &err), BAL_ENOTFOUND);
    snprintf(path, sizeof path, "%s/whole/model.safetensors", folder);
    snprintf(cut, sizeof cut, "%s/cut.safetensors", folder);
    char *data = read_file(path, &size);
    FILE *file = fopen(cut, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size / 2, file), size / 2);
    fclose(file);
    free(data);
    err = (bal_error){BAL_OK, ""};
    assert_int_equal(bal_estimator_load(cut, 0, &loaded, &err), BAL_EFORMAT);
    assert_non_null(strstr(err.message, "cut.safetensors"));
    assert_int_equal(bal_estimator_load(path, -1, &loaded, NULL), BAL_EINVAL);
    assert_null(loaded);
}

/* ---- the group ---- */

static int set_up(void **state) {
    char run[512];
    bal_error err = {BAL_OK, ""};
    folder = scratch_new();
    write_rows();
    bal_train_options options = bal_train_options_make();
    options.threads = 1;
    bal_result_free(train("whole", options));
    snprintf(run, sizeof run, "%s/whole", folder);
    if (bal_estimator_load(run, 1, &model, &err) != BAL_OK) fail_msg("%s", err.message);
    return 0;
}

static int tear_down(void **state) {
    bal_estimator_free(model);
    scratch_free(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_is_that_of_the_header),
        cmocka_unit_test(overrides_reach_the_recipe),
        cmocka_unit_test(bad_recipes_are_refused),
        cmocka_unit_test(freeing_nothing_is_fine),
        cmocka_unit_test(training_tells_what_happens),
        cmocka_unit_test(training_tells_of_stages),
        cmocka_unit_test(an_interrupted_run_goes_on_exactly),
        cmocka_unit_test(resuming_what_is_no_run_fails),
        cmocka_unit_test(an_older_caller_has_fewer_options),
        cmocka_unit_test(options_without_a_size_are_refused),
        cmocka_unit_test(an_estimator_knows_its_facts),
        cmocka_unit_test(classes_are_likely_and_right),
        cmocka_unit_test(a_row_alone_gets_the_same_answer),
        cmocka_unit_test(both_classes_of_a_yes_or_no_are_told),
        cmocka_unit_test(missing_values_are_filled_infinite_ones_refused),
        cmocka_unit_test(wrong_questions_are_refused),
        cmocka_unit_test(null_is_refused),
        cmocka_unit_test(files_that_are_no_models_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
