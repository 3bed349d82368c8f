/* What the tests of runs share: a small table of three classes, a recipe on it that takes
 * milliseconds, running and resuming it, and comparing what is left behind. */
#ifndef BAL_TESTS_TRAIN_KIT_H
#define BAL_TESTS_TRAIN_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train/run.h"

/** A run in a folder of its own beside a table. */
typedef struct kit {
    char *folder;          /* scratch; holds table.csv */
    const char *overrides; /* of the recipe below, separated by '|'; NULL: none */
    int threads;           /* 0: 1 */
    long stop_after;       /* polls of the cancel hook before it asks to stop; < 0: never */
    long polls;            /* so far */
    int64_t fail_memory;   /* allocation of a run that fails; < 0: none */
    char log[4096];        /* messages of all levels, newest last, as many as fit */
    int warnings;
    int evaluations, rollbacks, incidents; /* reported */
    double monitored[256];                 /* per reported evaluation */
    bool improved[256], eligible[256];
} kit;

/** 140 rows of four features, rising "v" and noise, three classes `a`, `b`, `c` that overlap a
 *  little, `yes` (n/y), `value` (a number), `group`. */
void kit_init(kit *k);
void kit_release(kit *k);

/** The recipe (one head `label`, 16-8 units, batch norm, dropout, adam, 4 epochs of 8 steps) with
 *  the kit's overrides; fails the test when it is refused. Free with bal_recipe_free. */
bal_recipe *kit_recipe(const kit *k);
/** Options for bal_run_train in kit->folder/NAME. */
bal_run_options kit_options(kit *k, char *path);

/** Path below the kit's folder; four can be in use at a time. */
char *kit_path(const kit *k, const char *name);
/** Path of a file of a run below it. */
char *kit_file(const kit *k, const char *run, const char *name);

/** Train into folder NAME; stops as kit->stop_after says. */
bal_status kit_train(kit *k, const char *name, bal_outcome *ret_outcome, bal_error *err);
bal_status kit_resume(kit *k, const char *name, bal_outcome *ret_outcome, bal_error *err);
/** The same, failing the test on an error. */
bal_outcome kit_must_train(kit *k, const char *name);
bal_outcome kit_must_resume(kit *k, const char *name);

/** Whole file; free() it. */
char *kit_read(const char *path, size_t *ret_size);
void kit_write(const char *path, const void *bytes, size_t size);
bool kit_same_file(const char *a, const char *b);
/** The same lines but for the values of "seconds". */
bool kit_same_lines(const char *a, const char *b);
/** Two runs left the same behind: model, best weights, logs, health, summary. */
void kit_assert_same_run(const kit *k, const char *a, const char *b);
/** |found − wanted| ≤ tolerance; needs cmocka.h and math.h. */
#define assert_near(found, wanted, tolerance)                                                      \
    do {                                                                                           \
        double found_ = (found), wanted_ = (wanted);                                               \
        if (!(fabs(found_ - wanted_) <= (tolerance)))                                              \
            fail_msg("%s is %.9g, wanted %.9g", #found, found_, wanted_);                          \
    } while (0)

/** Files in a folder whose name contains `part`. */
int kit_count_files(const char *folder, const char *part);

#endif
