/* Runs from the outside: train a recipe, resume a folder. What the program and the public API call.
 */
#ifndef BAL_TRAIN_RUN_H
#define BAL_TRAIN_RUN_H

#include "train/shuffle.h"
#include "train/trainer.h"

typedef struct bal_run_options {
    const char *folder;  /* where; "" or NULL: runs/<name>-NNN */
    const char *command; /* for command.txt; NULL: none */
    int threads;         /* 0: all */
    const char *isa;     /* NULL: best */
    bal_train_hooks hooks;
    /** Looks at recipe, data and machine before a new run claims its folder; NULL: nobody. A
     *  failure of it is the run's. That of `ballast train` is bal_check_before_run. */
    bal_status (*inspect)(const bal_recipe *recipe, const bal_dataset *dataset,
                          const bal_device_facts *facts, const bal_log_sink *log, bal_error *err);
} bal_run_options;

typedef struct bal_run_result {
    bal_outcome outcome;
    int cancelled;    /* what the cancel hook returned, when outcome is INTERRUPTED */
    char *folder;     /* of the run */
    bal_text summary; /* one JSON object, as `train --json` prints it */
} bal_run_result;

/** Train a recipe from the start. Outcomes are results, not errors: check result->outcome. On an
 * error after the folder was claimed, its path is in the message. */
BAL_WARN_UNUSED bal_status bal_run_train(const bal_recipe *recipe, const bal_run_options *options,
                                         bal_run_result *ret_result, bal_error *err);

/** Go on from the last checkpoint of a run. A run that is complete gives its result again. */
BAL_WARN_UNUSED bal_status bal_run_resume(const char *folder, const bal_run_options *options,
                                          bal_run_result *ret_result, bal_error *err);

void bal_run_result_release(bal_run_result *result);

/* ---- finish.c ---- */

/** What a finished run leaves behind: best weights restored, model.safetensors, evaluation of
 * validation and test rows, training_log.json, diversity_history.json, responsiveness.json,
 * predictions.npz, health.json, summary.json. Appends the summary to `summary`. */
BAL_WARN_UNUSED bal_status bal_trainer_finish(bal_trainer *trainer, bal_text *summary,
                                              bal_error *err);

/** The summary of a run that will go on: no model yet, "val" and "test" are empty. */
void bal_trainer_interrupted(const bal_trainer *trainer, bal_text *summary);

/** Metrics of all heads of an evaluated set as one JSON object {"label": {"accuracy": …}}:
 * per-class values under "per_class", undefined ones with their reason under "undefined". */
void bal_eval_set_json(const bal_eval_set *set, bool per_class, bal_json_out *out);

typedef struct bal_interval_options {
    int resamples;
    double level; /* 0.95 */
    uint64_t seed;
    bal_shuffle_kind unit; /* what is drawn */
    const int64_t *rank;   /* [table rows] their groups or places in time; NULL: as they come */
    int64_t block;         /* rows of a block */
} bal_interval_options;

/** How long blocks must be for the rows of an evaluated set: what the labels of every head ask for,
 *  and what its errors do (bal_shuffle_block_length). 1 for other units. */
BAL_WARN_UNUSED bal_status bal_eval_set_block(const bal_eval_set *set,
                                              const bal_interval_options *options,
                                              int64_t *ret_block, bal_error *err);

/** Bootstrap intervals over the rows of an evaluated set, of the metrics that every row of the logs
 *  has: {"label": {"accuracy": [low, high]}}; null where no resample defines the metric. */
BAL_WARN_UNUSED bal_status bal_eval_set_intervals_json(const bal_eval_set *set,
                                                       const bal_interval_options *options,
                                                       bal_json_out *out, bal_error *err);

#endif
