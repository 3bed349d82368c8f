/* What a fitted network knows about one head: its outputs calibrated on validation rows, its loss
 * on test rows against the prior's, and whether that could be chance. The arithmetic behind
 * train/signal.h; nothing here trains.
 *
 * Why calibrate. Class weights, focal losses and losses other than squared error make outputs that
 * are no probabilities (or means) on purpose, and an overfitted net is too sure of itself: its raw
 * log loss can be far above the prior's while it tells the classes apart well. So the outputs are
 * turned into a forecast in two steps that cannot invent an edge. The sharpness a ≥ 0 that
 * multiplies the outputs is fitted to the labels of the validation rows (temperature scaling, Guo
 * et al. 2017), and 0 is allowed: then the forecast is the prior itself and its skill exactly 0.
 * The offset of each class is not fitted to labels at all: it makes the mean forecast over the
 * validation rows equal to the training prior (Saerens et al. 2002), so that knowing newer class
 * frequencies than the prior does is no skill.
 * What was never wrong in n validation rows may be wrong once in n + 1, so the prior has at least
 * that share of the forecast: where a few rows are told apart without an error no sharpness would
 * be too great, and one wrong test row would cost more than all the others gain. Value heads alike,
 * without the share: prior mean + a·(output − its mean).
 *
 * C is the number of classes (2 for binary), K of values, W either. */
#ifndef BAL_TRAIN_SIGNAL_SCORE_H
#define BAL_TRAIN_SIGNAL_SCORE_H

#include "train/dataset.h"
#include "train/shuffle.h"

/** The rows of a split that have a label of a head, and the prior that is to be beaten. */
typedef struct bal_signal_truth {
    const bal_head_data *head;
    int32_t width;   /* W */
    int64_t n;       /* rows with a label */
    int64_t *index;  /* [n] their places in the split */
    int32_t *labels; /* [n]; NULL for values */
    float *targets;  /* [n, K] for values, else NULL */
    double *prior; /* [W] training frequencies, (n_c + 1/2)/(n + C/2) so that none is 0 (Krichevsky
                    * & Trofimov 1981); training means */
    double *prior_loss; /* [n] −log prior of the label, nats; squared error of the mean */
    double *row;        /* [W] scratch */
    double *mean;       /* [W] scratch */
} bal_signal_truth;

BAL_WARN_UNUSED bal_status bal_signal_truth_init(bal_signal_truth *truth, const bal_head_data *head,
                                                 const int64_t *rows, int64_t n_rows,
                                                 bal_error *err);
void bal_signal_truth_release(bal_signal_truth *truth);

/** How outputs become a forecast. */
typedef struct bal_calibration {
    double sharpness; /* 0: the prior, whatever the outputs */
    double share;     /* of the prior in the forecast */
    double *offset;   /* [W] added to a·output; values: subtracted from the output */
} bal_calibration;

/** Fit to the validation rows. outputs: those of the whole split, [n_rows, outputs of the head];
 *  offset: room for W. Returns the skill on those rows, 0 or more; NaN when an output is not
 *  finite or no row has a label (then the calibration is the prior). */
double bal_calibrate(const bal_signal_truth *truth, const float *outputs, double *offset,
                     bal_calibration *ret_calibration);

/** The forecast of the truth's rows [n, W]: log probabilities, or values. A row whose outputs are
 *  not finite is answered by the prior. */
void bal_forecast(const bal_signal_truth *truth, const bal_calibration *calibration,
                  const float *outputs, float *ret_forecast);

/** 1 − Σ loss / Σ prior loss; NaN without rows. ret_loss [n], per row, may be NULL. */
double bal_forecast_skill(const bal_signal_truth *truth, const float *forecast, double *ret_loss);

/** Bootstrap interval of the skill at a level, and the p-value of the loss under permutations of
 * the labels: (1 + those with a loss as small or smaller)/(1 + permutations) (Phipson & Smyth
 * 2010). cancel may be NULL; BAL_ECANCELED when it returns other than 0. */
typedef struct bal_chance {
    double low, high, p;
    int64_t permutations;
} bal_chance;
BAL_WARN_UNUSED bal_status bal_forecast_chance(const bal_signal_truth *truth, const float *forecast,
                                               bal_shuffle *shuffle, double level, uint64_t seed,
                                               int (*cancel)(void *user), void *user,
                                               bal_chance *ret_chance, bal_error *err);

/** The smallest skill that these rows could show to be more than chance four times in five, even
 * for the best possible forecast: the likelihood ratio must reach (z_level + z_0.8)². */
double bal_detectable_skill(const bal_signal_truth *truth, int64_t units);

#endif
