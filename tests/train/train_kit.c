/* See train_kit.h. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "scratch.h"
#include "train_kit.h"

enum { ROWS = 140 };

/* ---- table and recipe ---- */

static const char recipe_text[] =
    "name: tiny\n"
    "seed: 1\n"
    "data:\n"
    "  kind: csv\n"
    "  path: table.csv\n"
    "  features: [x0, x1, x2, x3]\n"
    "  target: label\n"
    "  split: {kind: stratified, train: 0.8, val: 0.1, test: 0.1}\n"
    "  scale: standard\n"
    "model: {kind: mlp, hidden: [16, 8], activation: relu, norm: batch, dropout: [0.2, 0.1]}\n"
    "heads:\n"
    "  - name: label\n"
    "    kind: classes\n"
    "    loss: cross_entropy\n"
    "    class_weights: {kind: balanced}\n"
    "optimizer: {kind: adam, lr: 0.02}\n"
    "train: {epochs: 4, batch_size: 15}\n"
    "monitor: val.label.accuracy\n";

static void write_table(const char *path) {
    static const char *const names[] = {"a", "b", "c"};
    static const double centre[3][4] = {{0, 0, 0, 5}, {2, 0, 1, 5}, {0, 2, -1, 5}};
    bal_random random;
    bal_text text = {0};
    bal_random_init(&random, 7, 7);
    bal_text_puts(&text, "x0,x1,x2,x3,label,yes,value,group\n");
    for (int row = 0; row < ROWS; row++) {
        int class_id = row % 7 < 3 ? 0 : row % 7 < 5 ? 1 : 2;
        double x[4];
        for (int i = 0; i < 4; i++) {
            x[i] = centre[class_id][i] + 0.8 * bal_random_normal(&random);
            bal_text_printf(&text, "%.6f,", x[i]);
        }
        bal_text_printf(&text, "%s,%s,%.6f,g%d\n", names[class_id], x[0] > 0.5 ? "y" : "n",
                        x[0] - 2 * x[1], row % 11);
    }
    assert_false(bal_text_failed(&text));
    kit_write(path, text.data, text.length);
    bal_text_release(&text);
}

void kit_init(kit *k) {
    /* Runs sync each of their files; in memory that costs nothing. */
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
    *k = (kit){.folder = scratch_new(), .stop_after = -1, .fail_memory = -1};
    write_table(kit_path(k, "table.csv"));
}

void kit_release(kit *k) {
    scratch_free(k->folder);
    k->folder = NULL;
}

bal_recipe *kit_recipe(const kit *k) {
    enum { MOST = 16 };
    bal_error err = {0};
    bal_recipe *recipe = NULL;
    const char *overrides[MOST];
    int32_t n = 0;
    char *copy = strdup(k->overrides ? k->overrides : ""), *rest = NULL;
    for (char *at = strtok_r(copy, "|", &rest); at; at = strtok_r(NULL, "|", &rest)) {
        assert_in_range(n, 0, MOST - 1);
        overrides[n++] = at;
    }
    if (bal_recipe_parse(recipe_text, "tiny.yaml", k->folder, overrides, n, &recipe, &err) !=
        BAL_OK)
        fail_msg("%s", err.message);
    free(copy);
    return recipe;
}

/* ---- running ---- */

static int ask_cancel(void *user) {
    kit *k = user;
    return k->stop_after >= 0 && k->polls++ >= k->stop_after ? 15 : 0;
}

static void note_progress(void *user, const bal_progress *progress) {
    kit *k = user;
    k->incidents += progress->kind == BAL_PROGRESS_INCIDENT;
    k->rollbacks += progress->kind == BAL_PROGRESS_ROLLBACK;
    if (progress->kind != BAL_PROGRESS_EVALUATION || k->evaluations >= 256) return;
    k->monitored[k->evaluations] = progress->monitored;
    k->improved[k->evaluations] = progress->improved;
    k->eligible[k->evaluations++] = progress->eligible;
}

static void note_log(void *user, bal_log_level level, const char *message) {
    kit *k = user;
    size_t used = strlen(k->log);
    k->warnings += level >= BAL_LOG_WARN;
    snprintf(k->log + used, sizeof k->log - used, "%s\n", message);
}

bal_run_options kit_options(kit *k, char *path) {
    k->polls = 0;
    return (bal_run_options){
        .folder = path,
        .command = "test",
        .threads = k->threads ? k->threads : 1,
        .hooks = {.progress = note_progress,
                  .cancel = ask_cancel,
                  .user = k,
                  .log = {.write = note_log, .user = k}},
    };
}

char *kit_path(const kit *k, const char *name) {
    static char paths[4][1024];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", k->folder, name);
    return path;
}

char *kit_file(const kit *k, const char *run, const char *name) {
    char both[256];
    snprintf(both, sizeof both, "%s/%s", run, name);
    return kit_path(k, both);
}

bal_status kit_train(kit *k, const char *name, bal_outcome *ret_outcome, bal_error *err) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    bal_run_options options = kit_options(k, path);
    bal_run_result result = {0};
    bal_recipe *recipe = kit_recipe(k);
    bal_memory_fail_after(k->fail_memory);
    bal_status status = bal_run_train(recipe, &options, &result, err);
    bal_memory_fail_after(-1);
    bal_recipe_free(recipe);
    if (status != BAL_OK) return status;
    *ret_outcome = result.outcome;
    bal_run_result_release(&result);
    return BAL_OK;
}

bal_status kit_resume(kit *k, const char *name, bal_outcome *ret_outcome, bal_error *err) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    bal_run_options options = kit_options(k, path);
    bal_run_result result = {0};
    bal_memory_fail_after(k->fail_memory);
    bal_status status = bal_run_resume(path, &options, &result, err);
    bal_memory_fail_after(-1);
    if (status != BAL_OK) return status;
    *ret_outcome = result.outcome;
    bal_run_result_release(&result);
    return BAL_OK;
}

bal_outcome kit_must_train(kit *k, const char *name) {
    bal_error err = {0};
    bal_outcome outcome;
    if (kit_train(k, name, &outcome, &err) != BAL_OK) fail_msg("%s", err.message);
    return outcome;
}

bal_outcome kit_must_resume(kit *k, const char *name) {
    bal_error err = {0};
    bal_outcome outcome;
    if (kit_resume(k, name, &outcome, &err) != BAL_OK) fail_msg("%s", err.message);
    return outcome;
}

/* ---- files ---- */

char *kit_read(const char *path, size_t *ret_size) {
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s is not there", path);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, size, file), size);
    data[size] = '\0';
    fclose(file);
    if (ret_size) *ret_size = size;
    return data;
}

void kit_write(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

bool kit_same_file(const char *a, const char *b) {
    size_t size_a, size_b;
    char *data_a = kit_read(a, &size_a), *data_b = kit_read(b, &size_b);
    bool same = size_a == size_b && memcmp(data_a, data_b, size_a) == 0;
    free(data_a);
    free(data_b);
    return same;
}

/** Take out the numbers after "seconds": and what stands after "run":, in place. */
static void forget_times(char *text) {
    static const char *const keys[] = {"\"seconds\": ", "\"run\": "};
    for (size_t i = 0; i < 2; i++)
        for (char *at = text; (at = strstr(at, keys[i]));) {
            at += strlen(keys[i]);
            size_t length = strcspn(at, ",}");
            memmove(at, at + length, strlen(at + length) + 1);
        }
}

bool kit_same_lines(const char *a, const char *b) {
    char *text_a = kit_read(a, NULL), *text_b = kit_read(b, NULL);
    forget_times(text_a);
    forget_times(text_b);
    bool same = strcmp(text_a, text_b) == 0;
    free(text_a);
    free(text_b);
    return same;
}

static bool both_have(const kit *k, const char *a, const char *b, const char *name) {
    bool has = bal_path_exists(kit_file(k, a, name));
    if (has != bal_path_exists(kit_file(k, b, name)))
        fail_msg("only one of %s and %s has %s", a, b, name);
    return has;
}

void kit_assert_same_run(const kit *k, const char *a, const char *b) {
    static const char *const exact[] = {
        BAL_RUN_MODEL,     BAL_RUN_RESULTS,  BAL_RUN_INCIDENTS,    BAL_RUN_HEALTH,
        BAL_RUN_DIVERSITY, BAL_RUN_RESPONSE, BAL_RUN_TRAINING_LOG, BAL_RUN_CLASS_WEIGHTS};
    static const char *const timed[] = {BAL_RUN_METRICS, BAL_RUN_SUMMARY};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (both_have(k, a, b, exact[i]) &&
            !kit_same_file(kit_file(k, a, exact[i]), kit_file(k, b, exact[i])))
            fail_msg("%s of %s and %s differ", exact[i], a, b);
    for (size_t i = 0; i < sizeof timed / sizeof *timed; i++)
        if (both_have(k, a, b, timed[i]) &&
            !kit_same_lines(kit_file(k, a, timed[i]), kit_file(k, b, timed[i])))
            fail_msg("%s of %s and %s differ", timed[i], a, b);
}

int kit_count_files(const char *folder, const char *part) {
    int count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strstr(entry->d_name, part) != NULL;
    closedir(dir);
    return count;
}
