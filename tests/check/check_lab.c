/* See check_lab.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "check_lab.h"
#include "scratch.h"

enum { ROWS = 1500, OVERRIDES_MAX = 16 };

static const char recipe_text[] =
    "name: healthy\n"
    "data:\n"
    "  kind: csv\n"
    "  path: table.csv\n"
    "  features: [x0, x1, x2]\n"
    "  split: {kind: stratified, train: 0.8, val: 0.1, test: 0.1}\n"
    "  scale: standard\n"
    "model: {kind: mlp, hidden: [16, 8], norm: batch}\n"
    "heads:\n"
    "  - {name: label, kind: classes, target: label, class_weights: {kind: balanced}}\n"
    "  - {name: yes, kind: binary, target: yes, weight: 0.5}\n"
    "  - {name: value, kind: value, target: value, weight: 0.2}\n"
    "optimizer: {kind: adam, lr: 0.01}\n"
    "train: {epochs: 60, batch_size: 32}\n"
    "stop: {patience: 8}\n"
    "monitor: val.label.macro_f1\n";

static void write_row(FILE *file, bal_random *random, int row, int class_id) {
    static const char *const names[] = {"a", "b", "c"};
    double x[3], noise[2];
    bool far = row % 100 == 7;
    char gap[32] = "";
    for (int i = 0; i < 3; i++)
        x[i] = (class_id == i ? 1.5 : 0) + bal_random_normal(random);
    for (int i = 0; i < 2; i++)
        noise[i] = bal_random_normal(random);
    if (row % 5 / 2 == 1) snprintf(gap, sizeof gap, "%.6g", far ? 1e30 : x[1]);
    fprintf(file, "%.6f,%.6f,%.6f,%.6f,%.6f,1,%d,%d,%.3f,%.6f,%s,%s,%.6f,%s,%.6g,%.6g,%g,%s\n",
            x[0], x[1], x[2], noise[0], noise[1], 10 * class_id - 7, row % 5, 5000 + 1000 * x[0],
            class_id + 0.3 * bal_random_uniform(random), names[class_id],
            x[0] + 0.7 * noise[1] > 0.9 ? "y" : "n", x[0] - 2 * x[1] + 0.3 * noise[0],
            row % 10 == 0 ? "rare" : "common", far ? 1e9 : x[1], far ? 1e30 : x[1], far ? 1e30 : 0,
            gap);
}

/* The classes' shares are .5, .3 and .2; sorted: one class after the other. */
static void write_table(const char *folder, const char *name, bool sorted) {
    char path[512];
    bal_random random;
    bal_random_init(&random, 3, 1);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("x0,x1,x2,n0,n1,same,code,few,big,near,label,yes,value,seldom,tail,huge,spike,gaps\n",
          file);
    for (int row = 0; row < ROWS; row++) {
        int tenth = sorted ? row * 10 / ROWS : row % 10;
        write_row(file, &random, row, tenth < 5 ? 0 : tenth < 8 ? 1 : 2);
    }
    assert_int_equal(fclose(file), 0);
}

static void write_series(const char *folder, const char *name, const double *value) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("value\n", file);
    for (int i = 0; i < ROWS; i++)
        fprintf(file, "%.2f\n", value[i]);
    assert_int_equal(fclose(file), 0);
}

/* Series: of a fair game (heavy-tailed, two decimals), the same with long and with short copies in
 * it; and two in which 12 equal values in a row are nothing: a coin, and one that stands still. */
static void write_all_series(const char *folder) {
    double value[ROWS], coin[ROWS], still[ROWS];
    bal_random random;
    bal_random_init(&random, 5, 1);
    for (int i = 0; i < ROWS; i++) {
        value[i] = fmax(1, floor(99 / (1 - bal_random_uniform(&random))) / 100);
        coin[i] = bal_random_uniform(&random) < 0.5 ? 1 : 2;
        still[i] = i % 300 < 100 ? 1 : value[i];
    }
    write_series(folder, "fair.csv", value);
    write_series(folder, "coin.csv", coin);
    write_series(folder, "still.csv", still);
    memcpy(value + 1000, value + 10, 20 * sizeof *value);
    write_series(folder, "hardly.csv", value);
    memcpy(value + 800, value + 300, 100 * sizeof *value);
    memcpy(value + 1259, value + 320, 41 * sizeof *value);
    memcpy(value + 1000, value + 700, 20 * sizeof *value);
    write_series(folder, "copied.csv", value);
}

void lab_init(lab *l) {
    *l = (lab){.folder = scratch_new()};
    write_table(l->folder, "table.csv", false);
    write_table(l->folder, "sorted.csv", true);
    write_all_series(l->folder);
}

static void forget(lab *l) {
    if (l->has_report) bal_check_report_release(&l->report);
    bal_recipe_free(l->recipe);
    l->has_report = false;
    l->recipe = NULL;
}

void lab_release(lab *l) {
    forget(l);
    scratch_free(l->folder);
}

static bal_recipe *parse(const lab *l, const char *text, const char *overrides) {
    bal_error err = {0};
    bal_recipe *recipe = NULL;
    const char *list[OVERRIDES_MAX];
    int32_t n = 0;
    char *copy = strdup(overrides ? overrides : ""), *rest = NULL;
    for (char *at = strtok_r(copy, "|", &rest); at; at = strtok_r(NULL, "|", &rest)) {
        assert_in_range(n, 0, OVERRIDES_MAX - 1);
        list[n++] = at;
    }
    if (bal_recipe_parse(text, "lab.yaml", l->folder, list, n, &recipe, &err) != BAL_OK)
        fail_msg("%s", err.message);
    free(copy);
    return recipe;
}

bal_recipe *lab_recipe(const lab *l, const char *overrides) {
    return parse(l, recipe_text, overrides);
}

bal_dataset *lab_dataset(const bal_recipe *recipe) {
    bal_error err = {0};
    bal_log_sink silent = {0};
    bal_dataset *dataset = NULL;
    if (bal_dataset_new(recipe, &silent, &dataset, &err) != BAL_OK) fail_msg("%s", err.message);
    return dataset;
}

static void check(lab *l) {
    bal_error err = {0};
    const bal_device_facts facts = {.memory_bytes = l->memory_bytes};
    const bal_backend_options options = {.threads = 1};
    bal_dataset *dataset = l->without_data ? NULL : lab_dataset(l->recipe);
    bal_check_stand stand = {.dataset = dataset};
    if (l->rehearse)
        assert_int_equal(bal_backend_open(NULL, &options, &stand.backend, NULL), BAL_OK);
    if (bal_check_run(l->recipe, dataset, &facts, l->rehearse ? &stand : NULL, &l->report, &err) !=
        BAL_OK)
        fail_msg("%s", err.message);
    l->has_report = true;
    bal_backend_close(stand.backend);
    bal_dataset_free(dataset);
}

void lab_check(lab *l, const char *overrides) {
    forget(l);
    l->recipe = lab_recipe(l, overrides);
    check(l);
}

void lab_check_text(lab *l, const char *text) {
    forget(l);
    l->recipe = parse(l, text, NULL);
    check(l);
}

const bal_finding *lab_finding(const lab *l, const char *rule) {
    assert_non_null(bal_check_find_rule(rule));
    for (int32_t i = 0; i < l->report.n_findings; i++)
        if (strcmp(l->report.findings[i].rule->id, rule) == 0) return &l->report.findings[i];
    return NULL;
}
