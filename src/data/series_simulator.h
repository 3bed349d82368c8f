/* Simulators of series: one value per round, oldest first, from processes whose best possible
 * predictions are known, so that "reached" and "nothing to reach" both mean something. Tables with
 * features come from data/simulator.h. */
#ifndef BAL_DATA_SERIES_SIMULATOR_H
#define BAL_DATA_SERIES_SIMULATOR_H

#include <stdint.h>

#include "ballast/status.h"

typedef struct bal_series_options {
    int64_t samples; /* values to make */
    double noise;    /* × the simulator's own; 0 means 1; more noise, less to learn */
    uint64_t seed;   /* ignored by a recorded history (bustabit) */
} bal_series_options;

/** The best that any predictor can do which says before every round whether its value will be at
 *  least `threshold` ("above") or less ("below"), knowing the process and the values before.
 *  Errors are standard errors of the estimates; 0 where the figure is a formula. */
typedef struct bal_series_ceiling {
    double above;                            /* P(value >= threshold) */
    double accuracy, accuracy_error;         /* of the rule with the best accuracy */
    double balanced, balanced_error;         /* of the rule with the best balanced accuracy */
    double recall_below, recall_below_error; /* of that rule; .5 where every rule is as good, */
    double recall_above, recall_above_error; /* and the two only add up to 1 */
} bal_series_ceiling;

typedef struct bal_series_simulator {
    const char *name;
    const char *summary;
    bal_series_options defaults;
    /** Write options->samples values, deterministic in the options. BAL_EDATA for options that make
     *  no sense. */
    bal_status (*make)(const bal_series_options *options, double *ret_values, bal_error *err);
    /** Computed, not assumed: `window` > 0 for predictors that see that many values back, 0 for
     *  those that know the whole past. */
    bal_status (*ceiling)(const bal_series_options *options, double threshold, int32_t window,
                          bal_series_ceiling *ret_ceiling, bal_error *err);
} bal_series_simulator;

/** Ends with NULL. */
extern const bal_series_simulator *const bal_series_simulator_table[];

/** NULL when there is none of that name. */
const bal_series_simulator *bal_series_simulator_find(const char *name);

#endif
