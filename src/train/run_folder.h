/* The folder of a run: claimed once, only appended to, never overwritten.
 *
 * Names of its files are fixed here; docs/ARCHITECTURE.md lists what they hold. */
#ifndef BAL_TRAIN_RUN_FOLDER_H
#define BAL_TRAIN_RUN_FOLDER_H

#include "base/text.h"
#include "recipe/recipe.h"

#define BAL_RUN_RECIPE "recipe.yaml"
#define BAL_RUN_RESOLVED "recipe.resolved.yaml"
#define BAL_RUN_COMMAND "command.txt"
#define BAL_RUN_ENV "env.json"
#define BAL_RUN_METRICS "metrics.jsonl"
#define BAL_RUN_RESULTS "results.csv"
#define BAL_RUN_INCIDENTS "incidents.jsonl"
#define BAL_RUN_HEALTH "health.json"
#define BAL_RUN_SUMMARY "summary.json"
#define BAL_RUN_TRAINING_LOG "training_log.json"
#define BAL_RUN_CLASS_WEIGHTS "class_weights.json"
#define BAL_RUN_STAGE_WEIGHTS "class_weights-%s.json" /* of the stages after the first */
#define BAL_RUN_DIVERSITY "diversity_history.json"
#define BAL_RUN_RESPONSE "responsiveness.json"
#define BAL_RUN_MEAN "feature_mean.npy"
#define BAL_RUN_STD "feature_std.npy"
#define BAL_RUN_PREDICTIONS "predictions.npz"
#define BAL_RUN_MODEL "model.safetensors"
#define BAL_RUN_LAST "checkpoints/last.safetensors"
#define BAL_RUN_PREVIOUS "checkpoints/previous.safetensors"
#define BAL_RUN_OLDER "checkpoints/previous-%d.safetensors" /* from 2 on */
#define BAL_RUN_BEST "checkpoints/best.safetensors"
#define BAL_RUN_STAGE "checkpoints/stage-%s.safetensors" /* best of a stage that has ended */

typedef struct bal_run_folder {
    char *path;
    int lock; /* file descriptor + 1; 0: not locked, so that a zeroed folder is fine */
} bal_run_folder;

/** Claim a new folder: `wanted` when not "" (an error if it exists and is not empty), else
 *  runs/<name>-001 or the next free number. Makes checkpoints/ inside. */
BAL_WARN_UNUSED bal_status bal_run_folder_claim(bal_run_folder *folder, const char *wanted,
                                                const char *name, bal_error *err);
/** Use an existing run; BAL_ENOTFOUND when it is none. */
BAL_WARN_UNUSED bal_status bal_run_folder_open(bal_run_folder *folder, const char *path,
                                               bal_error *err);
void bal_run_folder_release(bal_run_folder *folder);

/** Keep other processes from training here until the release, and remove what killed ones left half
 *  written. BAL_EINVAL when another one is at it. */
BAL_WARN_UNUSED bal_status bal_run_folder_lock(bal_run_folder *folder, bal_error *err);

/** Whether some process holds that lock at this moment; its owner notices nothing. */
bool bal_run_folder_in_use(const bal_run_folder *folder);

/** Full path of a file in the folder; bal_free; NULL when out of memory. */
char *bal_run_folder_path(const bal_run_folder *folder, const char *name);

/** Replace a file by the text (crash-safe), and release the text whatever happens. */
BAL_WARN_UNUSED bal_status bal_run_folder_put(const bal_run_folder *folder, const char *name,
                                              bal_text *text, bal_error *err);
/** Append the text to a file, add to *size, and release the text whatever happens. */
BAL_WARN_UNUSED bal_status bal_run_folder_append(const bal_run_folder *folder, const char *name,
                                                 bal_text *text, int64_t *size, bal_error *err);
/** Cut a log to *size bytes. A log that has fewer (after a power cut) is cut to its last whole line
 *  and *size to what it has. */
BAL_WARN_UNUSED bal_status bal_run_folder_cut(const bal_run_folder *folder, const char *name,
                                              int64_t *size, bal_error *err);

#endif
