/* Filling in what single rows say (scores_row.c). */
#ifndef BAL_METRIC_SCORES_ROW_H
#define BAL_METRIC_SCORES_ROW_H

#include "metric/scores.h"

/** Predictions and row scores from the outputs, for any kind of head, and the mean probability.
 *  scratch [classes]. */
void bal_scores_fill_rows(bal_scores *scores, double *scratch);

/** The same for the prior predictor of a head with classes. */
void bal_scores_fill_prior_rows(bal_scores *scores);

#endif
