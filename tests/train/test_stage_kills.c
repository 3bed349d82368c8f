/* A run killed at every operation on files between the last evaluation of a stage and the first
 * step of the next, and resumed, leaves the same files behind as one that was left alone.
 *
 * The linker puts the functions below in place of write, fsync, rename, link, unlink and ftruncate
 * (see meson.build), which number the calls of a run. A child process kills itself at one of these
 * numbers: before the call, or, of a write, with half of the bytes written. Nothing is left to
 * chance; tests/cli/test_kill.sh has the chance.
 *
 *     test_stage_kills all       every operation of the whole run, not only those at the boundaries
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "train_kit.h"

/* ---- the calls of a run ---- */

static int calls;           /* so far */
static int kill_at = -1;    /* the call that is not made; < 0: none */
static bool half;           /* it is a write, and half of it is made */
static bool is_write[4096]; /* by number, of the run that was counted */

static bool is_last(bool write) {
    if (calls < (int)(sizeof is_write / sizeof *is_write)) is_write[calls] |= write;
    return calls++ == kill_at;
}

static void die(void) {
    raise(SIGKILL);
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size) {
    if (is_last(true)) {
        if (half && __real_write(fd, bytes, size / 2) < 0) abort();
        die();
    }
    return __real_write(fd, bytes, size);
}

#define WRAP(result, name, declared, given)                                                        \
    result __real_##name declared;                                                                 \
    result __wrap_##name declared;                                                                 \
    result __wrap_##name declared {                                                                \
        if (is_last(false)) die();                                                                 \
        return __real_##name given;                                                                \
    }

WRAP(int, fsync, (int fd), (fd))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, link, (const char *from, const char *to), (from, to))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, ftruncate64, (int fd, off_t size), (fd, size))

/* ---- the recipe: every kind of boundary ---- */

/* To the stage after, with patience and other batches; back to the first one's best; to a model
 * file; and to one that goes on for longer than an older checkpoint reaches back. */
static const char recipe[] =
    "train.epochs=2|checkpoint.keep=3|stages=[{name: one, schedule: {kind: plateau, patience: 1}}, "
    "{name: two, train: {epochs: 9, batch_size: 37}, stop: {patience: 2}, optimizer: {kind: "
    "momentum, lr: 0.01}, heads: {label: {class_weights: {kind: inverse}}}}, {name: three, "
    "init_from: one, model: {freeze: ['backbone.0.*']}, monitor: val.label.loss}, {name: four, "
    "init_from: before/model.safetensors}]";

enum { STAGES_MAX = 8 };

/** Numbers of the calls made when a stage's last evaluation was reported, and when the next stage
 *  began. */
typedef struct boundary {
    int from, to;
} boundary;

static boundary boundaries[STAGES_MAX];
static int n_stages, evaluated_at, resumed_in;

static void note_boundaries(void *user, const bal_progress *progress) {
    if (progress->kind == BAL_PROGRESS_EVALUATION) evaluated_at = calls;
    if (progress->kind != BAL_PROGRESS_STAGE) return;
    boundaries[n_stages++] = (boundary){evaluated_at, calls};
}

static void note_stage(void *user, const bal_progress *progress) {
    if (progress->kind == BAL_PROGRESS_STAGE && resumed_in < 0) resumed_in = progress->stage_index;
}

static void train(kit *k, const char *name,
                  void (*progress)(void *user, const bal_progress *progress)) {
    char path[1024];
    bal_error err = {0};
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    bal_run_options options = kit_options(k, path);
    options.hooks.progress = progress;
    bal_recipe *parsed = kit_recipe(k);
    bal_run_result result = {0};
    if (bal_run_train(parsed, &options, &result, &err) != BAL_OK) fail_msg("%s", err.message);
    assert_int_equal(result.outcome, BAL_OUTCOME_DONE);
    bal_recipe_free(parsed);
    bal_run_result_release(&result);
}

static void resume(kit *k, const char *name) {
    char path[1024];
    bal_error err = {0};
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    bal_run_options options = kit_options(k, path);
    options.hooks.progress = note_stage;
    bal_run_result result = {0};
    resumed_in = -1;
    if (bal_run_resume(path, &options, &result, &err) != BAL_OK) fail_msg("%s", err.message);
    assert_int_equal(result.outcome, BAL_OUTCOME_DONE);
    bal_run_result_release(&result);
}

/* ---- what two runs leave behind, file by file ---- */

/** A checkpoint from its data on: the header of the last one tells the time. */
static size_t header_of(const char *bytes, size_t size) {
    uint64_t header = 0;
    assert_true(size > sizeof header);
    memcpy(&header, bytes, sizeof header);
    assert_true(header < size);
    return sizeof header + (size_t)header;
}

static void assert_same_data(const char *a, const char *b) {
    size_t size_a, size_b;
    char *data_a = kit_read(a, &size_a), *data_b = kit_read(b, &size_b);
    size_t from_a = header_of(data_a, size_a), from_b = header_of(data_b, size_b);
    if (size_a - from_a != size_b - from_b ||
        memcmp(data_a + from_a, data_b + from_b, size_a - from_a) != 0)
        fail_msg("%s is not that of the whole run", b);
    free(data_a);
    free(data_b);
}

static void assert_same_file(const char *name, const char *a, const char *b) {
    if (strcmp(name, BAL_RUN_ENV) == 0) return;     /* when */
    if (strstr(a, "/checkpoints/previous")) return; /* which depends on where it was stopped */
    if (!bal_path_exists(b)) fail_msg("%s is missing", b);
    if (strstr(a, "/" BAL_RUN_LAST)) {
        assert_same_data(a, b);
    } else if (strcmp(name, BAL_RUN_METRICS) == 0 || strcmp(name, BAL_RUN_SUMMARY) == 0) {
        if (!kit_same_lines(a, b)) fail_msg("%s is not that of the whole run", b);
    } else if (!kit_same_file(a, b)) {
        fail_msg("%s is not that of the whole run", b);
    }
}

/** Every file of folder a is in b too; compared, unless `names_only`. */
static void assert_has_files(const char *a, const char *b, bool names_only) {
    DIR *folder = opendir(a);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path_a[1400], path_b[1400];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(path_a, sizeof path_a, "%s/%s", a, entry->d_name);
        snprintf(path_b, sizeof path_b, "%s/%s", b, entry->d_name);
        if (bal_path_is_folder(path_a))
            assert_has_files(path_a, path_b, names_only);
        else if (!names_only)
            assert_same_file(entry->d_name, path_a, path_b);
        else if (!bal_path_exists(path_b) && !strstr(path_a, "/checkpoints/previous"))
            fail_msg("%s should not be there", path_a);
    }
    closedir(folder);
}

/* ---- killing ---- */

/** Train in a child process that kills itself at call number n. */
static void train_killed(kit *k, const char *name, int n, bool in_the_middle) {
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        calls = 0;
        kill_at = n;
        half = in_the_middle;
        train(k, name, note_stage);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("call %d: the child was not killed (status %d)", n, status);
}

/** Kill at call n, resume, compare; which stage the resumed run began in, -1: it had to be begun
 *  again, since it was killed before it was a run. */
static int check_kill(kit *k, int n, bool in_the_middle) {
    char name[64], whole[1024], killed[1024];
    snprintf(name, sizeof name, "killed-%d%s", n, in_the_middle ? "-half" : "");
    train_killed(k, name, n, in_the_middle);
    if (!bal_path_exists(kit_file(k, name, BAL_RUN_RECIPE))) return -1;
    resume(k, name);
    snprintf(whole, sizeof whole, "%s/whole", k->folder);
    snprintf(killed, sizeof killed, "%s/%s", k->folder, name);
    assert_has_files(whole, killed, false);
    assert_has_files(killed, whole, true);
    return resumed_in;
}

/** A run left alone, its calls and boundaries counted. */
static int count_calls(kit *k) {
    char before[1024];
    kit_init(k);
    k->overrides = NULL;
    snprintf(before, sizeof before, "%s", "before");
    train(k, before, note_stage);
    k->overrides = recipe;
    memset(is_write, 0, sizeof is_write);
    calls = n_stages = evaluated_at = 0;
    train(k, "whole", note_boundaries);
    assert_int_equal(n_stages, 4);
    return calls;
}

static void killed_at_every_boundary(void **unused) {
    kit k;
    count_calls(&k);
    for (int stage = 1; stage < n_stages; stage++) {
        const boundary at = boundaries[stage];
        int before = 0, after = 0;
        /* The checkpoint of the last epoch, what the stage leaves, the next one's first. */
        assert_in_range(at.to - at.from, 10, 200);
        for (int n = at.from; n <= at.to; n++)
            for (int middle = 0; middle <= is_write[n]; middle++) {
                int resumed = check_kill(&k, n, middle);
                assert_in_range(resumed, stage - 1, stage);
                before += resumed == stage - 1;
                after += resumed == stage;
            }
        assert_true(before > 5 && after >= 2);
    }
    kit_release(&k);
}

static void killed_anywhere(void **unused) {
    kit k;
    int n_calls = count_calls(&k);
    for (int n = 0; n < n_calls; n++)
        for (int middle = 0; middle <= is_write[n]; middle++)
            check_kill(&k, n, middle);
    kit_release(&k);
}

int main(int argc, char **argv) {
    const struct CMUnitTest boundary_tests[] = {cmocka_unit_test(killed_at_every_boundary)};
    const struct CMUnitTest all_tests[] = {cmocka_unit_test(killed_anywhere)};
    if (argc > 1 && strcmp(argv[1], "all") == 0)
        return cmocka_run_group_tests(all_tests, NULL, NULL);
    return cmocka_run_group_tests(boundary_tests, NULL, NULL);
}
