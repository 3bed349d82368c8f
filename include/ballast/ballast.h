/* Ballast from C and C++: train a recipe, load what came out, predict.
 *
 *     bal_error err = {BAL_OK, ""};
 *     bal_experiment *experiment;
 *     bal_result *result;
 *     if (bal_experiment_load("recipe.yaml", NULL, 0, &experiment, &err) != BAL_OK) ...
 *     if (bal_train(experiment, NULL, &result, &err) != BAL_OK) ...
 *     printf("%s\n", bal_result_model(result));
 *
 * Conventions. Every function that can fail returns a bal_status and takes a bal_error as its last
 * parameter (ballast/status.h), which may be NULL; outputs, called ret_, are untouched on failure.
 * Handles are opaque and made by the library; each is given back once with its own _free, for which
 * NULL is fine. Elsewhere NULL is only what the function says: one that can fail answers BAL_EINVAL
 * to any other, one that cannot must be given a handle. Strings handed out are UTF-8 and live as
 * long as the handle they came from. The library never prints and never ends the program. It writes
 * only to the run folder.
 *
 * Threads. A handle belongs to one thread at a time; different handles are independent. Training
 * and prediction use threads of their own.
 *
 * Compatibility. Structures of this header begin with their size, so that programs and libraries of
 * different versions find out what the other knows; new members are added at the end, new functions
 * anywhere, nothing is taken away within a major version (before 1.0: within a minor one). */
#ifndef BALLAST_BALLAST_H
#define BALLAST_BALLAST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ballast/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version ---- */

#define BAL_VERSION_MAJOR 0
#define BAL_VERSION_MINOR 1
#define BAL_VERSION_PATCH 0

/** 1002003 for 1.2.3, for #if. */
#define BAL_VERSION_NUMBER                                                                         \
    (BAL_VERSION_MAJOR * 1000000 + BAL_VERSION_MINOR * 1000 + BAL_VERSION_PATCH)

/** "0.1.0": of the library in use, which may be newer than this header. */
BAL_API const char *bal_version(void);

/* ---- experiments: a recipe, ready to train ---- */

typedef struct bal_experiment bal_experiment;

/** Load a recipe file (docs/RECIPE.md).
 *  overrides  n_overrides texts "train.epochs=3", as on the command line; NULL with 0.
 *  Errors     BAL_ERECIPE with file:line:column and, for a misspelt key, the nearest one. */
BAL_API BAL_WARN_UNUSED bal_status bal_experiment_load(const char *path,
                                                       const char *const *overrides,
                                                       size_t n_overrides,
                                                       bal_experiment **ret_experiment,
                                                       bal_error *err);

/** The same from text; relative paths in it are relative to `folder` (NULL: the working folder). */
BAL_API BAL_WARN_UNUSED bal_status bal_experiment_parse(const char *text, const char *folder,
                                                        const char *const *overrides,
                                                        size_t n_overrides,
                                                        bal_experiment **ret_experiment,
                                                        bal_error *err);
BAL_API void bal_experiment_free(bal_experiment *experiment);

BAL_API const char *bal_experiment_name(const bal_experiment *experiment);
/** The recipe as YAML with every default filled in. */
BAL_API const char *bal_experiment_resolved(const bal_experiment *experiment);

/* ---- training ---- */

typedef enum bal_event_kind {
    BAL_EVENT_START = 0,
    BAL_EVENT_STEP = 1,       /* not every one: at most some ten per second */
    BAL_EVENT_EVALUATION = 2, /* of the validation rows */
    BAL_EVENT_INCIDENT = 3,   /* the guard saw something; `message` says what */
    BAL_EVENT_ROLLBACK = 4,   /* back to `epoch`; `message` is the remedy */
    BAL_EVENT_END = 5,
    BAL_EVENT_STAGE = 6 /* a stage begins, or goes on after a resume */
} bal_event_kind;

/** What happens in a run. Strings live until the callback returns. */
typedef struct bal_event {
    size_t size; /* of this structure, in the library */
    bal_event_kind kind;
    const char *run;     /* folder */
    const char *monitor; /* the metric that makes an epoch the best: "val.label.macro_f1" */
    const char *message; /* "" where there is nothing to say */
    int64_t epoch;       /* finished */
    int64_t epochs;      /* at most */
    int64_t batch;       /* finished of the epoch under way */
    int64_t batches;     /* per epoch */
    int64_t step;        /* optimiser steps so far */
    double loss;         /* STEP: of the step; EVALUATION: mean since the evaluation before */
    double learning_rate;
    double gradient_norm; /* before clipping */
    double val_loss;      /* EVALUATION, of the first head, as all that follows down to entropy */
    double monitored;     /* value of the monitored metric */
    double best;          /* the best so far; NaN before there is one */
    int improved;         /* this evaluation is the best so far */
    int eligible;         /* finite, not collapsed, better than the prior: may be the best */
    int64_t classes;      /* 0: the head predicts numbers */
    int64_t classes_predicted; /* how many of them are predicted at all */
    double accuracy;           /* NaN without classes */
    double entropy;            /* of the histogram of predictions, 1: all classes alike */
    double seconds;            /* since the start, or the resume */
    double seconds_left;       /* at most */
    const char *stage; /* name of the stage under way, "" without stages; epochs are its own */
    int stage_index;   /* from 0 */
    int stages;        /* how many; 0 without */
} bal_event;

typedef enum bal_message_level {
    BAL_MESSAGE_DEBUG = 0,
    BAL_MESSAGE_INFO = 1,
    BAL_MESSAGE_WARNING = 2,
    BAL_MESSAGE_ERROR = 3
} bal_message_level;

/** How to train. Make one with bal_train_options_make, then change what should differ. */
typedef struct bal_train_options {
    size_t size;
    const char *run_folder; /* new or empty; NULL: runs/NAME-001 or the next free number */
    int threads;            /* 0: as many as this process has processors */
    void *user;             /* handed to the callbacks, which are called from the thread of
                             * bal_train and may be NULL */
    void (*on_event)(void *user, const bal_event *event);
    void (*on_message)(void *user, bal_message_level level, const char *message);
    /** Asked before every step: other than 0 ends the run with a checkpoint (bal_resume). */
    int (*should_stop)(void *user);
} bal_train_options;

static inline bal_train_options bal_train_options_make(void) {
    bal_train_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    return options;
}

typedef struct bal_result bal_result;

/** Train an experiment from the start, into a run folder of its own.
 *  options  NULL: all defaults.
 *  Errors   BAL_EDATA for data that cannot be used, BAL_ERECIPE, BAL_EIO when the folder cannot be
 *           written, BAL_ENOMEM. A run that was stopped or has collapsed is a result, not an
 *           error: see bal_result_ending. */
BAL_API BAL_WARN_UNUSED bal_status bal_train(const bal_experiment *experiment,
                                             const bal_train_options *options,
                                             bal_result **ret_result, bal_error *err);

/** Go on from the last checkpoint of a run, to the bit as if it had never been interrupted; a run
 *  that is complete gives its result again. options->run_folder is not looked at.
 *  Errors  BAL_ENOTFOUND when the folder is no run; those of bal_train. */
BAL_API BAL_WARN_UNUSED bal_status bal_resume(const char *run_folder,
                                              const bal_train_options *options,
                                              bal_result **ret_result, bal_error *err);
BAL_API void bal_result_free(bal_result *result);

typedef enum bal_ending {
    BAL_ENDING_DONE = 0,       /* all epochs, or early stopping */
    BAL_ENDING_STOPPED = 1,    /* by the guard, as the recipe asks; the best model was kept */
    BAL_ENDING_COLLAPSED = 2,  /* not recovered; a model is there if one was ever worth keeping */
    BAL_ENDING_INTERRUPTED = 3 /* by should_stop, with a checkpoint */
} bal_ending;

BAL_API bal_ending bal_result_ending(const bal_result *result);
/** The run folder. */
BAL_API const char *bal_result_run(const bal_result *result);
/** Path of the model file; NULL when there is none. */
BAL_API const char *bal_result_model(const bal_result *result);
BAL_API int64_t bal_result_epochs(const bal_result *result);
/** 0: no evaluation was eligible. */
BAL_API int64_t bal_result_best_epoch(const bal_result *result);
BAL_API int64_t bal_result_incidents(const bal_result *result);
BAL_API int64_t bal_result_rollbacks(const bal_result *result);
/** A metric of the model: "test.label.accuracy", "val.label.macro_f1" (`ballast list metrics`). NaN
 *  when it is undefined or there is none of that name. */
BAL_API double bal_result_metric(const bal_result *result, const char *path);
/** Everything, as the JSON object that `ballast train --json` prints. */
BAL_API const char *bal_result_json(const bal_result *result);

/* ---- estimators: a trained model, ready to predict ---- */

typedef struct bal_estimator bal_estimator;

/** Load a model file, or the model of a run folder. Scaling and class names come with it.
 *  threads  0: as many as this process has processors.
 *  Errors   BAL_ENOTFOUND; BAL_EFORMAT says what is wrong with the file; BAL_EIO, BAL_ENOMEM. */
BAL_API BAL_WARN_UNUSED bal_status bal_estimator_load(const char *path, int threads,
                                                      bal_estimator **ret_estimator,
                                                      bal_error *err);
BAL_API void bal_estimator_free(bal_estimator *estimator);

/** Name of the recipe it was trained by. */
BAL_API const char *bal_estimator_name(const bal_estimator *estimator);

/** D, the number of features of a row, and their names; NULL for an index out of range. */
BAL_API size_t bal_estimator_features(const bal_estimator *estimator);
BAL_API const char *bal_estimator_feature(const bal_estimator *estimator, size_t index);

/** What the model predicts: one or more heads, each with classes or with numbers. */
BAL_API size_t bal_estimator_heads(const bal_estimator *estimator);
BAL_API const char *bal_estimator_head(const bal_estimator *estimator, size_t head);
/** Index of a head by its name; (size_t)-1 when there is none. */
BAL_API size_t bal_estimator_find_head(const bal_estimator *estimator, const char *name);

/** C, the number of classes of a head; 0 when it predicts numbers or there is no such head. */
BAL_API size_t bal_estimator_classes(const bal_estimator *estimator, size_t head);
BAL_API const char *bal_estimator_class(const bal_estimator *estimator, size_t head,
                                        size_t class_id);
/** K, the numbers per row of a head that predicts numbers; 0 when it has classes. */
BAL_API size_t bal_estimator_outputs(const bal_estimator *estimator, size_t head);

/** Classes of rows.
 *  Shapes   x [n_rows, n_features], row by row, n_features = D; ret_classes [n_rows];
 *           ret_probabilities [n_rows, C]; ret_entropy [n_rows]. Outputs may be NULL.
 *  Units    x as in the data it was trained on, not scaled; NaN: no value, the training mean is
 *           used. Classes are indices, -1 where the network's outputs are not finite.
 *           Probabilities sum to 1. Entropy in nats: how undecided the model is, 0 to ln C.
 *  Errors   BAL_EINVAL for a head without classes or an n_features other than D; BAL_EDATA names
 *           the row and feature of an infinite value.
 *  A row's answer does not depend on the rows around it, and is that of `ballast predict`. */
BAL_API BAL_WARN_UNUSED bal_status bal_estimator_classify(bal_estimator *estimator, size_t head,
                                                          const float *x, size_t n_rows,
                                                          size_t n_features, int32_t *ret_classes,
                                                          float *ret_probabilities,
                                                          float *ret_entropy, bal_error *err);

/** Numbers for rows, from a head that predicts numbers.
 *  Shapes   x [n_rows, n_features], n_features = D; ret_values [n_rows, K].
 *  Units    x as for bal_estimator_classify; values in the unit of the training targets.
 *  Errors   BAL_EINVAL for a head with classes or an n_features other than D; BAL_EDATA names the
 *           row and feature of an infinite value. */
BAL_API BAL_WARN_UNUSED bal_status bal_estimator_values(bal_estimator *estimator, size_t head,
                                                        const float *x, size_t n_rows,
                                                        size_t n_features, float *ret_values,
                                                        bal_error *err);

#ifdef __cplusplus
}
#endif
#endif
