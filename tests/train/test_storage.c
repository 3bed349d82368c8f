/* Storage that fails, and files that were damaged: the last checkpoint stays, the run can go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "train/digest.h"
#include "train_kit.h"

/** Nothing half written lies about. */
static void assert_no_temporary_files(const kit *k, const char *name) {
    assert_int_equal(kit_count_files(kit_path(k, name), ".tmp-"), 0);
    assert_int_equal(kit_count_files(kit_file(k, name, "checkpoints"), ".tmp-"), 0);
}

/* Let the N-th write, sync or rename fail, for N = 0, 1, … until a run gets through: each failure
 * is told as one of storage, leaves no half file, and the run resumed ends as one left alone. */
static void every_failing_write_is_survived(void **unused) {
    kit k;
    kit_init(&k);
    k.overrides = "train.epochs=2|checkpoint.every_seconds=1.0e-6";
    assert_int_equal(kit_must_train(&k, "whole"), BAL_OUTCOME_DONE);
    int resumed = 0, n = 0;
    for (bool failed = true; failed; n++) {
        char name[32];
        bal_error err = {0};
        bal_outcome outcome;
        snprintf(name, sizeof name, "run-%d", n);
        bal_file_fail_after(n);
        failed = kit_train(&k, name, &outcome, &err) != BAL_OK;
        bal_file_fail_after(-1);
        if (failed) {
            assert_int_equal(err.status, BAL_EIO);
            assert_non_null(strstr(err.message, "No space left"));
        }
        if (!bal_path_exists(kit_path(&k, name))) continue;
        assert_no_temporary_files(&k, name);
        if (!bal_path_exists(kit_file(&k, name, BAL_RUN_RECIPE))) continue;
        assert_int_equal(kit_must_resume(&k, name), BAL_OUTCOME_DONE);
        kit_assert_same_run(&k, "whole", name);
        resumed++;
    }
    assert_in_range(n, 60, 2000);
    assert_in_range(resumed, 50, 2000);
    kit_release(&k);
}

/** A run interrupted after a few checkpoints. */
static void cut_run(kit *k) {
    kit_init(k);
    k->overrides = "checkpoint.keep=3";
    assert_int_equal(kit_must_train(k, "whole"), BAL_OUTCOME_DONE);
    k->stop_after = 20;
    assert_int_equal(kit_must_train(k, "cut"), BAL_OUTCOME_INTERRUPTED);
    k->stop_after = -1;
}

/* A failed checkpoint leaves the one before it as it was, byte for byte; only when the very last
 * call fails, which makes the rename survive a power cut, the new one is there already. */
static void a_failed_checkpoint_leaves_the_old_one(void **unused) {
    int kept = 0, replaced = 0, n = 0;
    for (bal_status status = BAL_EIO; status != BAL_OK; n++) {
        kit k;
        bal_error err = {0};
        bal_outcome outcome;
        cut_run(&k);
        size_t size, size_now;
        char *before = kit_read(kit_file(&k, "cut", BAL_RUN_LAST), &size);
        k.stop_after = 1; /* one step on: only the checkpoint is written */
        bal_file_fail_after(n);
        status = kit_resume(&k, "cut", &outcome, &err);
        bal_file_fail_after(-1);
        char *now = kit_read(kit_file(&k, "cut", BAL_RUN_LAST), &size_now);
        bool same = size == size_now && memcmp(before, now, size) == 0;
        kept += same;
        replaced += !same;
        if (status != BAL_OK) assert_int_equal(err.status, BAL_EIO);
        free(before);
        free(now);
        assert_no_temporary_files(&k, "cut");
        k.stop_after = -1;
        assert_int_equal(kit_must_resume(&k, "cut"), BAL_OUTCOME_DONE);
        kit_assert_same_run(&k, "whole", "cut");
        kit_release(&k);
    }
    assert_in_range(kept, 5, 100);
    assert_in_range(replaced, 1, 3);
}

static void flip_bit(const char *path, size_t bit) {
    size_t size;
    char *data = kit_read(path, &size);
    bit %= size * 8;
    data[bit / 8] = (char)(data[bit / 8] ^ (1 << bit % 8));
    kit_write(path, data, size);
    free(data);
}

static void cut_file(const char *path, size_t size) {
    char *data = kit_read(path, NULL);
    kit_write(path, data, size);
    free(data);
}

static void check_fallback(kit *k, int warnings) {
    k->log[0] = '\0';
    k->warnings = 0;
    assert_int_equal(kit_must_resume(k, "cut"), BAL_OUTCOME_DONE);
    assert_int_equal(k->warnings, warnings);
    if (warnings > 0) assert_non_null(strstr(k->log, "going on from an older checkpoint"));
    kit_assert_same_run(k, "whole", "cut");
}

/* Any bit of the last checkpoint: its digest or its reader refuses it, and the one before is used.
 */
static void a_flipped_bit_is_noticed(void **unused) {
    for (size_t i = 0; i < 60; i++) {
        kit k;
        cut_run(&k);
        flip_bit(kit_file(&k, "cut", BAL_RUN_LAST), i * 7919 * 13);
        check_fallback(&k, 1);
        kit_release(&k);
    }
}

static void older_checkpoints_stand_in(void **unused) {
    kit k;
    cut_run(&k);
    assert_true(bal_path_exists(kit_file(&k, "cut", "checkpoints/previous-2.safetensors")));
    assert_false(bal_path_exists(kit_file(&k, "cut", "checkpoints/previous-3.safetensors")));
    cut_file(kit_file(&k, "cut", BAL_RUN_LAST), 1000);
    check_fallback(&k, 1);
    kit_release(&k);

    cut_run(&k); /* two damaged */
    cut_file(kit_file(&k, "cut", BAL_RUN_LAST), 0);
    flip_bit(kit_file(&k, "cut", BAL_RUN_PREVIOUS), 80000);
    check_fallback(&k, 1);
    kit_release(&k);

    cut_run(&k); /* the last one not there */
    assert_int_equal(remove(kit_file(&k, "cut", BAL_RUN_LAST)), 0);
    check_fallback(&k, 1);
    kit_release(&k);
}

static void all_checkpoints_damaged_is_told(void **unused) {
    kit k;
    bal_error err = {0};
    bal_outcome outcome;
    cut_run(&k);
    assert_int_equal(remove(kit_file(&k, "cut", BAL_RUN_LAST)), 0);
    flip_bit(kit_file(&k, "cut", BAL_RUN_PREVIOUS), 90000);
    cut_file(kit_file(&k, "cut", "checkpoints/previous-2.safetensors"), 77);
    assert_int_equal(kit_resume(&k, "cut", &outcome, &err), BAL_EFORMAT);
    assert_non_null(strstr(err.message, "previous.safetensors"));
    kit_release(&k);
}

/* Without any checkpoint the run begins again, with empty logs. */
static void no_checkpoint_starts_over(void **unused) {
    static const char *const names[] = {BAL_RUN_LAST, BAL_RUN_PREVIOUS,
                                        "checkpoints/previous-2.safetensors"};
    kit k;
    cut_run(&k);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(remove(kit_file(&k, "cut", names[i])), 0);
    k.log[0] = '\0';
    assert_int_equal(kit_must_resume(&k, "cut"), BAL_OUTCOME_DONE);
    assert_non_null(strstr(k.log, "no checkpoint yet: starting over"));
    kit_assert_same_run(&k, "whole", "cut");
    kit_release(&k);
}

/* Lines written after the checkpoint are cut off; they come again. */
static void lines_after_the_checkpoint_are_cut(void **unused) {
    static const char *const logs[] = {BAL_RUN_METRICS, BAL_RUN_RESULTS, BAL_RUN_INCIDENTS};
    kit k;
    cut_run(&k);
    for (size_t i = 0; i < 3; i++) {
        bal_error err = {0};
        assert_int_equal(bal_file_append(kit_file(&k, "cut", logs[i]), "{\"half a li", 11, &err),
                         BAL_OK);
    }
    check_fallback(&k, 0);
    kit_release(&k);
}

/* A power cut may take the end of a log that the checkpoint knows: whole lines stay, the run goes
 * on, and what is read from the log at the end is still in order. */
static void a_shortened_log_is_cut_to_whole_lines(void **unused) {
    kit k;
    cut_run(&k);
    size_t size;
    char *metrics = kit_read(kit_file(&k, "cut", BAL_RUN_METRICS), &size);
    size_t first = (size_t)(strchr(metrics, '\n') - metrics) + 1;
    assert_true(first < size);
    cut_file(kit_file(&k, "cut", BAL_RUN_METRICS), size - 20);
    assert_int_equal(remove(kit_file(&k, "cut", BAL_RUN_RESULTS)), 0);
    k.warnings = 0;
    assert_int_equal(kit_must_resume(&k, "cut"), BAL_OUTCOME_DONE);
    assert_int_equal(k.warnings, 2);
    assert_true(
        kit_same_file(kit_file(&k, "whole", BAL_RUN_MODEL), kit_file(&k, "cut", BAL_RUN_MODEL)));
    char *now = kit_read(kit_file(&k, "cut", BAL_RUN_METRICS), NULL);
    assert_memory_equal(now, metrics, first);
    assert_memory_equal(now + first, "{\"epoch\": 3", 11);
    char *results = kit_read(kit_file(&k, "cut", BAL_RUN_RESULTS), NULL);
    assert_memory_equal(results, "epoch,step", 10);
    free(metrics);
    free(now);
    free(results);
    kit_release(&k);
}

/* What killed processes left half written goes when the run is taken up again. */
static void half_written_files_are_removed(void **unused) {
    kit k;
    cut_run(&k);
    kit_write(kit_file(&k, "cut", "checkpoints/.last.safetensors.tmp-4711-0"), "half", 4);
    kit_write(kit_file(&k, "cut", ".summary.json.tmp-4711-3"), "half", 4);
    check_fallback(&k, 0);
    assert_no_temporary_files(&k, "cut");
    kit_release(&k);
}

/* A damaged best checkpoint must not become a model. */
static void a_damaged_best_is_not_handed_over(void **unused) {
    kit k;
    bal_error err = {0};
    bal_outcome outcome;
    kit_init(&k);
    assert_int_equal(kit_must_train(&k, "run"), BAL_OUTCOME_DONE);
    assert_int_equal(remove(kit_file(&k, "run", BAL_RUN_SUMMARY)), 0);
    flip_bit(kit_file(&k, "run", BAL_RUN_BEST), 30000);
    assert_int_equal(kit_resume(&k, "run", &outcome, &err), BAL_EFORMAT);
    assert_non_null(strstr(err.message, "best.safetensors"));
    kit_release(&k);
}

/* A checkpoint of another network does not fit, whatever its digest says. */
static void a_checkpoint_of_another_recipe_is_refused(void **unused) {
    kit k;
    bal_error err = {0};
    bal_outcome outcome;
    kit_init(&k);
    k.stop_after = 3;
    k.overrides = "checkpoint.keep=1";
    assert_int_equal(kit_must_train(&k, "one"), BAL_OUTCOME_INTERRUPTED);
    k.overrides = "checkpoint.keep=1|model.hidden=[16, 9]";
    assert_int_equal(kit_must_train(&k, "two"), BAL_OUTCOME_INTERRUPTED);
    assert_int_equal(rename(kit_file(&k, "one", BAL_RUN_LAST), kit_file(&k, "two", BAL_RUN_LAST)),
                     0);
    assert_int_equal(kit_resume(&k, "two", &outcome, &err), BAL_EFORMAT);
    assert_non_null(strstr(err.message, "another recipe"));
    kit_release(&k);
}

/* A folder that is in use, or that cannot be made, is refused before any training. */
static void folders_are_never_overwritten(void **unused) {
    kit k;
    bal_error err = {0};
    bal_outcome outcome;
    kit_init(&k);
    kit_write(kit_path(&k, "file"), "", 0);
    assert_int_equal(kit_train(&k, "file/run", &outcome, &err), BAL_EIO);
    bal_error_clear(&err);
    assert_int_equal(mkdir(kit_path(&k, "used"), 0777), 0);
    kit_write(kit_file(&k, "used", "something"), "", 0);
    assert_int_equal(kit_train(&k, "used", &outcome, &err), BAL_ERECIPE);
    assert_non_null(strstr(err.message, "not empty"));
    assert_int_equal(kit_count_files(kit_path(&k, "used"), ""), 3); /* . .. something */
    kit_release(&k);
}

/* What a recipe or its data have wrong shows before a folder is claimed. */
static void nothing_is_left_of_a_run_that_cannot_begin(void **unused) {
    static const char *const overrides[] = {"model.freeze=['*']", "model.freeze=['nothing.*']",
                                            "model.init_from=nowhere",
                                            "data.split={kind: random, train: 1, val: 0, test: 0}"};
    for (size_t i = 0; i < sizeof overrides / sizeof *overrides; i++) {
        kit k;
        bal_error err = {0};
        bal_outcome outcome;
        kit_init(&k);
        k.overrides = overrides[i];
        bal_status status = kit_train(&k, "run", &outcome, &err);
        assert_true(status == BAL_ERECIPE || status == BAL_EDATA);
        assert_false(bal_path_exists(kit_path(&k, "run")));
        kit_release(&k);
    }
}

/* Vectors of the xxHash specification. */
static void digests_are_those_of_the_specification(void **unused) {
    static const char sentence[] = "Nobody inspects the spammish repetition";
    assert_true(bal_digest("", 0, 0) == 0xEF46DB3751D8E999u);
    assert_true(bal_digest("a", 1, 0) == 0xD24EC4F1A98C6E5Bu);
    assert_true(bal_digest("abc", 3, 0) == 0x44BC2CF5AD770999u);
    assert_true(bal_digest(sentence, sizeof sentence - 1, 0) == 0xFBCEA83C8A378BF1u);
    assert_true(bal_digest("abc", 3, 1) != bal_digest("abc", 3, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_write_is_survived),
        cmocka_unit_test(a_failed_checkpoint_leaves_the_old_one),
        cmocka_unit_test(a_flipped_bit_is_noticed),
        cmocka_unit_test(older_checkpoints_stand_in),
        cmocka_unit_test(all_checkpoints_damaged_is_told),
        cmocka_unit_test(no_checkpoint_starts_over),
        cmocka_unit_test(lines_after_the_checkpoint_are_cut),
        cmocka_unit_test(a_shortened_log_is_cut_to_whole_lines),
        cmocka_unit_test(half_written_files_are_removed),
        cmocka_unit_test(a_damaged_best_is_not_handed_over),
        cmocka_unit_test(a_checkpoint_of_another_recipe_is_refused),
        cmocka_unit_test(folders_are_never_overwritten),
        cmocka_unit_test(nothing_is_left_of_a_run_that_cannot_begin),
        cmocka_unit_test(digests_are_those_of_the_specification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
