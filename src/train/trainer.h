/* The trainer: steps, evaluations, the guard's decisions, checkpoints. One object per run, shared
 * by the files of this folder: trainer_setup.c (making it), trainer.c (the loop), stage.c (from one
 * stage to the next), recovery.c
 * (rollback and remedies), checkpoint.c (snapshots on disk), history.c (rows of the run folder),
 * finish.c (what a finished run leaves behind). */
#ifndef BAL_TRAIN_TRAINER_H
#define BAL_TRAIN_TRAINER_H

#include "base/sink.h"
#include "guard/guard.h"
#include "train/evaluate.h"
#include "train/network.h"
#include "train/run_folder.h"
#include "train/state.h"

typedef enum bal_outcome {
    BAL_OUTCOME_RUNNING,
    BAL_OUTCOME_DONE,       /* all epochs, or early stopping */
    BAL_OUTCOME_STOPPED,    /* the guard or a rule stopped it (policy stop) */
    BAL_OUTCOME_COLLAPSED,  /* recovery was given up, or led to nothing worth keeping */
    BAL_OUTCOME_INTERRUPTED /* cancelled; a checkpoint was written */
} bal_outcome;

/** "ok", "stopped", "collapsed", "interrupted". */
const char *bal_outcome_name(bal_outcome outcome);

typedef enum bal_progress_kind {
    BAL_PROGRESS_START,
    BAL_PROGRESS_STEP,
    BAL_PROGRESS_EVALUATION,
    BAL_PROGRESS_INCIDENT,
    BAL_PROGRESS_ROLLBACK,
    BAL_PROGRESS_END,
    BAL_PROGRESS_STAGE /* a stage begins, or goes on after a resume */
} bal_progress_kind;

/** What a caller may want to show. Strings are valid during the callback only. */
typedef struct bal_progress {
    bal_progress_kind kind;
    const char *run;             /* folder */
    const char *message;         /* incident or remedy in words, "" otherwise */
    const char *monitor;         /* name */
    bool monitor_is_log;         /* of a head that learns logarithms: not in the data's units */
    const char *stage;           /* name; "" for a recipe without stages */
    int32_t stage_index, stages; /* from 0, of how many; 0 of 0 without */
    /* Epochs are those of the stage. */
    int64_t epoch, epochs, batch, batches, step;
    double loss; /* of the step, or mean training loss since the last evaluation */
    double lr, grad_norm;
    double val_loss; /* EVALUATION: first head, raw */
    double monitored, best;
    bool improved, eligible;
    int64_t unique_predictions, classes; /* first head; classes 0 for value heads */
    double normalized_entropy, accuracy; /* first head; NaN for value heads */
    /* First binary head that is trained; names NULL where there is none. */
    const char *side_name[2];
    double side_recall[2], risk; /* risk: of the first class, 1 - its recall */
    const char *stability;       /* bal_trainer_stability */
    double seconds;              /* since the start or the resume */
    double eta_seconds;          /* at most: early stopping may come first */
} bal_progress;

/** How a caller takes part. All optional. */
typedef struct bal_train_hooks {
    void (*progress)(void *user, const bal_progress *progress);
    /** Polled before every step; non-zero: write a checkpoint and stop. */
    int (*cancel)(void *user);
    void *user;
    bal_log_sink log;
} bal_train_hooks;

/** What a stage came to. */
typedef struct bal_stage_result {
    int64_t epochs;                      /* of the stage */
    int64_t step;                        /* of the run at its end */
    int64_t best_epoch, best_evaluation; /* epoch of the stage; evaluation 0: none eligible */
    double best_value;
} bal_stage_result;

/** The state of a run that a rollback restores, held in memory. */
typedef struct bal_snapshot {
    bool valid;
    bal_train_state state;
    char *tensors; /* the store's buffer */
    size_t bytes;
    bal_text guard_memory;
} bal_snapshot;

/** Logs that grow with every evaluation; their sizes belong to a checkpoint. */
typedef enum bal_log_file {
    BAL_LOG_METRICS,
    BAL_LOG_RESULTS,
    BAL_LOG_INCIDENTS,
    BAL_LOG_COUNT
} bal_log_file;

typedef struct bal_trainer {
    const bal_recipe *whole;  /* as given, with its stages */
    const bal_recipe *recipe; /* of the stage under way; `whole` where there are none */
    bal_dataset *dataset;
    bal_backend *backend;
    bal_network *network;
    bal_guard *guard;
    bal_run_folder *folder;
    const bal_train_hooks *hooks;

    bal_batcher *batches; /* of the batch size in force */
    bal_eval_set val;
    bal_metric_path monitor, plateau_monitor;
    double monitored_prior; /* known from the first evaluation on: has_prior */
    bool has_prior;
    const bal_schedule *schedule;

    bal_train_state state;
    bal_stage_result *ended; /* [stages] of the stages before this one */
    bal_snapshot healthy;
    int64_t log_size[BAL_LOG_COUNT]; /* bytes of the logs that belong to the state */
    bal_outcome outcome;
    int cancelled; /* what the cancel hook returned */

    double *rates;                                  /* [groups] */
    double seconds_before;                          /* spent before the resume */
    double started, last_checkpoint, last_progress; /* clock */
    int64_t started_step;
    bal_step_result last_step;
} bal_trainer;

/* ---- trainer_setup.c ---- */

/** Everything ready for the first step, its program compiled: state fresh, guard fresh, nothing
 *  written. The folder may be claimed later, but before bal_trainer_run. Borrowed pointers must
 *  outlive the trainer. */
BAL_WARN_UNUSED bal_status bal_trainer_init(bal_trainer *trainer, const bal_recipe *recipe,
                                            bal_dataset *dataset, bal_backend *backend,
                                            bal_run_folder *folder, const bal_train_hooks *hooks,
                                            bal_error *err);
void bal_trainer_release(bal_trainer *trainer);
/** Make everything anew for a stage of the recipe (0 where it has none): as after bal_trainer_init,
 *  with a fresh state, weights as they start, and nothing of the stages before. */
BAL_WARN_UNUSED bal_status bal_trainer_enter_stage(bal_trainer *trainer, int32_t stage,
                                                   bal_error *err);

/* ---- stage.c ---- */

/** Name of the stage under way; "" where the recipe has none. */
const char *bal_trainer_stage_name(const bal_trainer *trainer);
/** Epochs finished over all stages. */
int64_t bal_trainer_epoch(const bal_trainer *trainer);
/** Of a stage that has ended, or the one under way as it stands. */
bal_stage_result bal_trainer_stage_result(const bal_trainer *trainer, int32_t stage);
/** Go through all stages once, so that what is wrong with a later one shows before the first step;
 *  ends in the first. */
BAL_WARN_UNUSED bal_status bal_trainer_check_stages(bal_trainer *trainer, bal_error *err);
/** Do for a stage of a recipe (0 where it has none) what a run does before its first step, and
 *  forget it: the failure is the one that a run would end with. Nothing is written or logged, and
 *  the dataset is left as it was. */
BAL_WARN_UNUSED bal_status bal_trainer_rehearse(const bal_recipe *recipe, int32_t stage,
                                                bal_dataset *dataset, bal_backend *backend,
                                                bal_error *err);
/** Weights for the first step of a run: model.init_from, where there is one. */
BAL_WARN_UNUSED bal_status bal_trainer_start_weights(bal_trainer *trainer, bal_error *err);
/** Weights for the first step of the stage under way: those of the stage that it starts from, which
 *  has ended, or model.init_from; without either they stay as they are. */
BAL_WARN_UNUSED bal_status bal_trainer_take_weights(bal_trainer *trainer, bal_error *err);
/** Class weights by class name, so that a wrong mapping can be seen at a glance:
 *  class_weights.json, and a file for each stage after the first. */
BAL_WARN_UNUSED bal_status bal_trainer_write_class_weights(const bal_trainer *trainer,
                                                           bal_error *err);
bool bal_trainer_has_next_stage(const bal_trainer *trainer);
/** The stage under way is done: keep its best, go over to the next, write a checkpoint there. A run
 *  killed in between ends this stage again. */
BAL_WARN_UNUSED bal_status bal_trainer_next_stage(bal_trainer *trainer, bal_error *err);
/** Load the best weights of the run into the store: those of the last stage that had an eligible
 *  evaluation, and of the last stage also into its file. *ret_stage: which, -1: none had any. */
BAL_WARN_UNUSED bal_status bal_trainer_restore_best(bal_trainer *trainer, int32_t *ret_stage,
                                                    bal_error *err);

/* ---- trainer.c ---- */

/** Train until done, stopped, collapsed or interrupted; outcome says which. */
BAL_WARN_UNUSED bal_status bal_trainer_run(bal_trainer *trainer, bal_error *err);

/** Value of a recipe's metric path at the last evaluation: val.* or train.HEAD.loss. */
double bal_trainer_metric(const bal_trainer *trainer, const bal_metric_path *path);
/** Mean training loss of a head since the last evaluation, class weights included, over the batches
 *  that were learned from; NaN without a label. */
double bal_trainer_head_loss(const bal_trainer *trainer, int32_t head);
/** Σ share · mean training loss of the heads that have one. */
double bal_trainer_loss(const bal_trainer *trainer);
/** What a binary head's predictions look like over evaluations: "one class", "swing" or "steady";
 * "" with the guard off. */
const char *bal_trainer_stability(const bal_trainer *trainer, int32_t head);
/** Seconds of training so far, those before a resume included. */
double bal_trainer_seconds(const bal_trainer *trainer);

/* ---- recovery.c ---- */

/** Copy the current state into trainer->healthy. */
BAL_WARN_UNUSED bal_status bal_trainer_keep_healthy(bal_trainer *trainer, bal_error *err);
/** Restore trainer->healthy, or after a relapse the start of the stage, and apply remedy number
 *  `remedy` of the recipe on top of those before. */
BAL_WARN_UNUSED bal_status bal_trainer_roll_back(bal_trainer *trainer, int32_t remedy, bool relapse,
                                                 bal_error *err);
/** Put the controls of the state in force: class weights, batch size. */
BAL_WARN_UNUSED bal_status bal_trainer_apply_controls(bal_trainer *trainer, bal_error *err);
/** "lr × 0.5" for a remedy, into buffer. */
void bal_remedy_text(const bal_recipe_remedy *remedy, char *buffer, size_t size);

/* ---- checkpoint.c, checkpoint_read.c ---- */

/** Write checkpoints/last.safetensors: everything needed to go on bit-exactly. */
BAL_WARN_UNUSED bal_status bal_trainer_write_last(bal_trainer *trainer, bal_error *err);
/** Write checkpoints/best.safetensors: weights and statistics. */
BAL_WARN_UNUSED bal_status bal_trainer_write_best(bal_trainer *trainer, bal_error *err);
/** Read last (or the newest before it that is whole, with a warning) back into a trainer just
 *  initialised; cuts the logs to where the checkpoint stands.
 *  Errors  BAL_ENOTFOUND when the run has no checkpoint yet; BAL_EFORMAT when all are damaged or
 *          belong to another recipe; BAL_EDATA when the data has changed since. */
BAL_WARN_UNUSED bal_status bal_trainer_read_last(bal_trainer *trainer, bal_error *err);
/** Cut the logs to the sizes that belong to the state. */
BAL_WARN_UNUSED bal_status bal_trainer_cut_logs(bal_trainer *trainer, bal_error *err);
/** Write the weights and statistics of the store as the best of the stage under way. */
BAL_WARN_UNUSED bal_status bal_trainer_write_stage(bal_trainer *trainer, bal_error *err);
/** Load the best weights of the stage under way into the store; BAL_ENOTFOUND when none was
 *  written. */
BAL_WARN_UNUSED bal_status bal_trainer_read_best(bal_trainer *trainer, bal_error *err);
/** Load what a stage that has ended left. */
BAL_WARN_UNUSED bal_status bal_trainer_read_stage(bal_trainer *trainer, int32_t stage,
                                                  bal_error *err);

/* ---- history.c ---- */

/** One row of metrics.jsonl and results.csv for the evaluation just made. */
BAL_WARN_UNUSED bal_status bal_trainer_write_row(bal_trainer *trainer, const bal_decision *decision,
                                                 double monitored, bal_error *err);
BAL_WARN_UNUSED bal_status bal_trainer_write_incidents(bal_trainer *trainer,
                                                       const bal_incident *incidents, int32_t n,
                                                       bal_error *err);
/** training_log.json (a list per column, as Keras' History) and diversity_history.json, from
 *  metrics.jsonl. */
BAL_WARN_UNUSED bal_status bal_trainer_write_logs(bal_trainer *trainer, bal_error *err);

#endif
