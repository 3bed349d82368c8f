/* One training run of `ballast signal`: the recipe's network, optimiser, schedule and batches for
 * so many epochs, without guard, checkpoints or files. Private to the signal_*.c files. */
#ifndef BAL_TRAIN_SIGNAL_FIT_H
#define BAL_TRAIN_SIGNAL_FIT_H

#include "train/signal.h"
#include "train/signal_score.h"

/** What is kept of one head: its epoch of greatest skill on the validation rows. */
typedef struct bal_signal_kept {
    int64_t epoch;
    double val_skill; /* NaN: none was finite */
    bal_calibration calibration;
    double *offset;  /* [W] of the calibration kept */
    double *attempt; /* [W] of the one being tried */
    float *outputs;  /* [test rows, outputs of the head] */
    double balanced_accuracy;
} bal_signal_kept;

typedef struct bal_signal_fit {
    bal_signal_kept kept[BAL_HEADS_MAX];
    int32_t n_heads;
} bal_signal_fit;

/** How a run takes part in the whole. */
typedef struct bal_signal_watch {
    const bal_signal_options *options;
    bal_signal_progress progress; /* run and epochs filled in */
    double started;               /* clock */
} bal_signal_watch;

/** Train on the dataset's training rows and look at its validation and test rows after every
 *  evaluation.  Test rows choose nothing. Stages go on from the last weights of the one before,
 * with the class weights of their own, and share the epochs as in the recipe. A run whose loss
 * stops being finite ends early. */
BAL_WARN_UNUSED bal_status bal_signal_fit_run(bal_signal_fit *fit, const bal_recipe *recipe,
                                              int64_t seed, bal_dataset *dataset,
                                              bal_backend *backend, bal_signal_watch *watch,
                                              bal_error *err);
void bal_signal_fit_release(bal_signal_fit *fit);

/** A recipe without stages is its own only stage. */
int32_t bal_signal_stages(const bal_recipe *recipe);
const bal_recipe *bal_signal_stage(const bal_recipe *recipe, int32_t stage);
/** Epochs of all stages. */
int64_t bal_signal_epochs(const bal_recipe *recipe);

/** What an epoch, of all stages by their shares, costs: arithmetic, the same everywhere, from which
 * the budget follows; and seconds, measured here, for the estimate. */
typedef struct bal_signal_cost {
    double work; /* multiplications and additions, steps' overhead as if it were some */
    double seconds;
} bal_signal_cost;
BAL_WARN_UNUSED bal_status bal_signal_measure(const bal_recipe *recipe, bal_dataset *dataset,
                                              bal_backend *backend, bal_signal_cost *ret_cost,
                                              bal_error *err);

#endif
