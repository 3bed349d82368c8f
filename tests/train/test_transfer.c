/* Starting from weights that are there already: what is taken over by name and shape, from where,
 * and what is said of the rest. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/safetensors.h"
#include "net_lab.h"
#include "train/transfer.h"

#define BIAS "backbone.0.norm.bias" /* [16] */
#define OUTPUT "head.label.output.bias"

static bal_log_sink log_of(net_lab *lab) {
    lab->k.log[0] = '\0';
    lab->k.warnings = 0;
    return kit_options(&lab->k, NULL).hooks.log;
}

static bal_status take(net_lab *lab, const char *from, bal_transfer *ret_transfer, bal_error *err) {
    const bal_log_sink log = log_of(lab);
    return bal_network_transfer(lab->network, kit_path(&lab->k, from), &log, ret_transfer, err);
}

static bal_transfer must_take(net_lab *lab, const char *from) {
    bal_error err = {0};
    bal_transfer transfer = {0};
    if (take(lab, from, &transfer, &err) != BAL_OK) fail_msg("%s", err.message);
    return transfer;
}

/** Refused, and not a bit of the network changed. */
static void expect_refused(net_lab *lab, const char *from, bal_status wanted, const char *text) {
    bal_error err = {0};
    bal_transfer transfer = {.tensors = -1};
    size_t size;
    char *before = net_lab_snapshot(lab, &size);
    bal_status status = take(lab, from, &transfer, &err);
    if (status != wanted || !strstr(err.message, text))
        fail_msg("%s: %s (wanted %s: %s)", bal_status_name(status), err.message,
                 bal_status_name(wanted), text);
    char *after = net_lab_snapshot(lab, &size);
    assert_memory_equal(before, after, size);
    assert_int_equal(transfer.tensors, -1);
    free(before);
    free(after);
}

static void write_tensors(net_lab *lab, const char *name, const bal_safetensor *tensors, size_t n) {
    bal_error err = {0};
    if (bal_safetensors_write(kit_path(&lab->k, name), tensors, n, NULL, 0, &err) != BAL_OK)
        fail_msg("%s", err.message);
}

/** A file with one tensor: the first layer's bias, all of this value. */
static void write_bias(net_lab *lab, const char *name, float value) {
    float values[16];
    for (int i = 0; i < 16; i++)
        values[i] = value;
    write_tensors(lab, name,
                  &(bal_safetensor){.name = BIAS,
                                    .dtype = BAL_F32,
                                    .shape = BAL_SHAPE1(16),
                                    .data = values,
                                    .bytes = sizeof values},
                  1);
}

static void expect_bias(const net_lab *lab, float value) {
    float *values = net_lab_read(lab, BIAS, NULL);
    for (int i = 0; i < 16; i++)
        assert_near(values[i], value, 0);
    free(values);
}

/* ---- from runs ---- */

/** Entries of the store against the tensors of a file; true when all of the role are the same. */
static bool same_as_file(const net_lab *lab, const char *path, bal_role role) {
    bal_error err = {0};
    bal_safetensors *file;
    bool same = true;
    int64_t seen = 0;
    if (bal_safetensors_open(path, &file, &err) != BAL_OK) fail_msg("%s", err.message);
    const bal_store *store = bal_network_store(lab->network);
    for (size_t i = 0; i < store->n_entries; i++) {
        if (store->entries[i].role != role) continue;
        const bal_safetensor *tensor = bal_safetensors_find(file, store->entries[i].name);
        float *values = net_lab_read(lab, store->entries[i].name, NULL);
        same = same && tensor && memcmp(tensor->data, values, tensor->bytes) == 0;
        free(values);
        seen++;
    }
    assert_in_range(seen, 4, 100);
    bal_safetensors_close(file);
    return same;
}

/* Weights and running statistics, but not the optimiser's moments: it begins afresh. */
static void a_run_is_taken_over_whole(void **unused) {
    net_lab lab;
    net_lab_init(&lab, NULL);
    assert_int_equal(kit_must_train(&lab.k, "run"), BAL_OUTCOME_DONE);
    char *last = kit_file(&lab.k, "run", BAL_RUN_LAST);
    bal_transfer transfer = must_take(&lab, "run");
    assert_true(same_as_file(&lab, kit_file(&lab.k, "run", BAL_RUN_MODEL), BAL_ROLE_PARAMETER));
    assert_true(same_as_file(&lab, kit_file(&lab.k, "run", BAL_RUN_MODEL), BAL_ROLE_STATISTIC));
    assert_int_equal(transfer.tensors_taken, transfer.tensors);
    assert_int_equal(transfer.weights_taken, transfer.weights);
    /* Layers of 4 · 16, 16 · 8 and 8 · 3 + 3; four rows of numbers per norm. */
    assert_int_equal(transfer.weights, 64 + 128 + 27 + 4 * (16 + 8));
    assert_non_null(strstr(lab.k.log, "100.0 % of the weights"));
    assert_int_equal(lab.k.warnings, 0);

    /* Also where there are moments to be had. */
    net_lab_restart(&lab);
    assert_int_equal(bal_network_transfer(lab.network, last, &(bal_log_sink){0}, &transfer, NULL),
                     BAL_OK);
    assert_true(same_as_file(&lab, last, BAL_ROLE_STATISTIC));
    assert_false(same_as_file(&lab, last, BAL_ROLE_MOMENT));
    net_lab_release(&lab);
}

/* A run's model, else its best weights, else its last checkpoint. */
static void the_best_file_of_a_run_is_found(void **unused) {
    net_lab lab;
    bal_error err = {0};
    net_lab_init(&lab, NULL);
    assert_int_equal(bal_folder_make(kit_path(&lab.k, "run/checkpoints"), &err), BAL_OK);
    expect_refused(&lab, "run", BAL_ERECIPE, "is a folder without a model or checkpoint");
    write_bias(&lab, "run/" BAL_RUN_LAST, 3);
    must_take(&lab, "run");
    expect_bias(&lab, 3);
    write_bias(&lab, "run/" BAL_RUN_BEST, 2);
    must_take(&lab, "run");
    expect_bias(&lab, 2);
    write_bias(&lab, "run/" BAL_RUN_MODEL, 1);
    must_take(&lab, "run");
    expect_bias(&lab, 1);
    net_lab_release(&lab);
}

/* ---- by name and shape ---- */

static void what_does_not_fit_keeps_its_start(void **unused) {
    static const float floats[64] = {1, 2, 3};
    static const double doubles[8] = {1, 2};
    const bal_safetensor tensors[] = {
        {.name = OUTPUT, .dtype = BAL_F32, .shape = BAL_SHAPE1(3), .data = floats, .bytes = 12},
        /* Another length, another type, the same numbers in another shape, another name. */
        {.name = BIAS, .dtype = BAL_F32, .shape = BAL_SHAPE1(15), .data = floats, .bytes = 60},
        {.name = "backbone.1.norm.bias",
         .dtype = BAL_F64,
         .shape = BAL_SHAPE1(8),
         .data = doubles,
         .bytes = 64},
        {.name = "head.label.output.weight",
         .dtype = BAL_F32,
         .shape = BAL_SHAPE2(8, 3),
         .data = floats,
         .bytes = 96},
        {.name = "head.other.output.bias",
         .dtype = BAL_F32,
         .shape = BAL_SHAPE1(3),
         .data = floats,
         .bytes = 12},
    };
    net_lab lab;
    net_lab_init(&lab, NULL);
    float *bias = net_lab_read(&lab, BIAS, NULL);
    float *weight = net_lab_read(&lab, "head.label.output.weight", NULL);
    write_tensors(&lab, "some.safetensors", tensors, sizeof tensors / sizeof *tensors);
    bal_transfer transfer = must_take(&lab, "some.safetensors");
    assert_int_equal(transfer.tensors_taken, 1);
    assert_int_equal(transfer.weights_taken, 3);
    float *after = net_lab_read(&lab, OUTPUT, NULL);
    assert_memory_equal(after, floats, 12);
    free(after);
    after = net_lab_read(&lab, BIAS, NULL);
    assert_memory_equal(after, bias, 64);
    free(after);
    after = net_lab_read(&lab, "head.label.output.weight", NULL);
    assert_memory_equal(after, weight, 96);
    free(after);
    assert_non_null(strstr(lab.k.log, "1 of 12 tensors taken over"));
    assert_non_null(strstr(lab.k.log, BIAS " [16] starts afresh: there it is F32 [15]"));
    assert_non_null(strstr(lab.k.log, "backbone.1.norm.bias [8] starts afresh: there it is F64"));
    assert_non_null(strstr(lab.k.log, "head.label.output.weight [3,8] starts afresh: there it is "
                                      "F32 [8,3]"));
    assert_non_null(strstr(lab.k.log, "starts afresh: it is not there"));
    free(bias);
    free(weight);
    net_lab_release(&lab);
}

static void what_is_no_start_is_refused(void **unused) {
    static const float zeros[3];
    net_lab lab;
    net_lab_init(&lab, NULL);
    expect_refused(&lab, "nowhere", BAL_ERECIPE, "nowhere does not exist; wanted a run or a model");
    expect_refused(&lab, "table.csv", BAL_EFORMAT, "table.csv");
    write_tensors(&lab, "other.safetensors",
                  &(bal_safetensor){.name = "conv1.weight",
                                    .dtype = BAL_F32,
                                    .shape = BAL_SHAPE1(3),
                                    .data = zeros,
                                    .bytes = sizeof zeros},
                  1);
    expect_refused(&lab, "other.safetensors", BAL_ERECIPE, "nothing in");
    write_bias(&lab, "cut.safetensors", 1);
    size_t size;
    char *bytes = kit_read(kit_path(&lab.k, "cut.safetensors"), &size);
    kit_write(kit_path(&lab.k, "cut.safetensors"), bytes, size - 1);
    free(bytes);
    expect_refused(&lab, "cut.safetensors", BAL_EFORMAT, "cut.safetensors");
    net_lab_release(&lab);
}

/* The shapes may fit and mean something else. */
static void other_classes_are_warned_of(void **unused) {
    net_lab lab;
    net_lab_init(&lab, NULL);
    assert_int_equal(kit_must_train(&lab.k, "same"), BAL_OUTCOME_DONE);
    must_take(&lab, "same");
    assert_int_equal(lab.k.warnings, 0);
    lab.k.overrides = "heads.label.classes=[c, b, a]";
    assert_int_equal(kit_must_train(&lab.k, "turned"), BAL_OUTCOME_DONE);
    must_take(&lab, "turned");
    assert_int_equal(lab.k.warnings, 1);
    assert_non_null(strstr(lab.k.log, "classes of head 'label' are not those"));
    net_lab_release(&lab);
}

static void every_failing_allocation_is_told(void **unused) {
    net_lab lab;
    net_lab_init(&lab, NULL);
    assert_int_equal(kit_must_train(&lab.k, "run"), BAL_OUTCOME_DONE);
    int failures = 0;
    for (bal_status status = BAL_ENOMEM; status != BAL_OK; failures++) {
        bal_error err = {0};
        bal_transfer transfer;
        bal_memory_fail_after(failures);
        status = take(&lab, "run", &transfer, &err);
        bal_memory_fail_after(-1);
        if (status != BAL_OK && status != BAL_ENOMEM) fail_msg("%s", err.message);
    }
    assert_in_range(failures, 4, 1000);
    net_lab_release(&lab);
}

/* ---- whole runs ---- */

/** A tensor of a run's model; free() it. */
static float *tensor_of(const kit *k, const char *run, const char *name) {
    bal_error err = {0};
    bal_safetensors *file;
    if (bal_safetensors_open(kit_file(k, run, BAL_RUN_MODEL), &file, &err) != BAL_OK)
        fail_msg("%s", err.message);
    const bal_safetensor *tensor = bal_safetensors_find(file, name);
    assert_non_null(tensor);
    float *copy = malloc(tensor->bytes);
    memcpy(copy, tensor->data, tensor->bytes);
    bal_safetensors_close(file);
    return copy;
}

/* With a rate of next to nothing the run ends with the weights that it began with. */
static void a_run_begins_with_the_weights_of_another(void **unused) {
    kit k;
    kit_init(&k);
    assert_int_equal(kit_must_train(&k, "first"), BAL_OUTCOME_DONE);
    char overrides[1200];
    snprintf(overrides, sizeof overrides, "optimizer.lr=1.0e-30|train.epochs=1|model.init_from=%s",
             kit_path(&k, "first"));
    k.overrides = overrides;
    assert_int_equal(kit_must_train(&k, "second"), BAL_OUTCOME_DONE);
    float *first = tensor_of(&k, "first", OUTPUT), *second = tensor_of(&k, "second", OUTPUT);
    assert_memory_equal(first, second, 3 * sizeof *first);
    free(first);
    free(second);
    assert_non_null(strstr(k.log, "init_from"));
    kit_release(&k);
}

/** As if the run had died at step 9, or, without its checkpoints, before the first. */
static void check_resume(kit *k, const char *name, bool with_checkpoints) {
    static const char *const files[] = {BAL_RUN_LAST, BAL_RUN_PREVIOUS};
    k->stop_after = 9;
    assert_int_equal(kit_must_train(k, name), BAL_OUTCOME_INTERRUPTED);
    k->stop_after = -1;
    for (size_t i = 0; !with_checkpoints && i < 2; i++)
        assert_int_equal(remove(kit_file(k, name, files[i])), 0);
    if (with_checkpoints) /* what it began with is not needed any more */
        assert_int_equal(rename(kit_path(k, "first"), kit_path(k, "gone")), 0);
    assert_int_equal(kit_must_resume(k, name), BAL_OUTCOME_DONE);
    kit_assert_same_run(k, "whole", name);
}

static void resuming_keeps_to_that_beginning(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = "train.epochs=2|seed=3";
    assert_int_equal(kit_must_train(&k, "first"), BAL_OUTCOME_DONE);
    char overrides[1100];
    snprintf(overrides, sizeof overrides, "model.init_from=%s", kit_path(&k, "first"));
    k.overrides = overrides;
    assert_int_equal(kit_must_train(&k, "whole"), BAL_OUTCOME_DONE);
    check_resume(&k, "before-the-first-checkpoint", false);
    check_resume(&k, "later", true);
    kit_release(&k);
}

static void a_run_that_cannot_begin_leaves_nothing(void **unused) {
    kit k;
    bal_error err = {0};
    bal_outcome outcome;
    kit_init(&k);
    k.overrides = "model.init_from=nowhere";
    assert_int_equal(kit_train(&k, "run", &outcome, &err), BAL_ERECIPE);
    assert_non_null(strstr(err.message, "nowhere does not exist"));
    assert_false(bal_path_exists(kit_path(&k, "run")));
    kit_release(&k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_taken_over_whole),
        cmocka_unit_test(the_best_file_of_a_run_is_found),
        cmocka_unit_test(what_does_not_fit_keeps_its_start),
        cmocka_unit_test(what_is_no_start_is_refused),
        cmocka_unit_test(other_classes_are_warned_of),
        cmocka_unit_test(every_failing_allocation_is_told),
        cmocka_unit_test(a_run_begins_with_the_weights_of_another),
        cmocka_unit_test(resuming_keeps_to_that_beginning),
        cmocka_unit_test(a_run_that_cannot_begin_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
