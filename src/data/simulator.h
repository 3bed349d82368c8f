/* Simulators: data with known answers, so that "reached" means something. */
#ifndef BAL_DATA_SIMULATOR_H
#define BAL_DATA_SIMULATOR_H

#include "data/table.h"

typedef struct bal_simulator_options {
    int64_t samples;
    int32_t classes;
    double noise;     /* × the simulator's own; 0 means 1 */
    double imbalance; /* largest class / smallest; 1: equal */
    uint64_t seed;
} bal_simulator_options;

typedef struct bal_simulator {
    const char *name;
    const char *summary;
    bal_simulator_options defaults;
    /** Make a table with features and a column "label" (text "sign_000", …), deterministic in the
     *  options. BAL_EDATA for options that make no sense. */
    bal_status (*make)(const bal_simulator_options *options, bal_table **ret_table, bal_error *err);
    /** The best accuracy that any predictor can reach on this process (Bayes rate, classes as
     *  frequent as sampled), with the standard error of the estimate: computed, not assumed. */
    bal_status (*ceiling)(const bal_simulator_options *options, double *ret_accuracy,
                          double *ret_error, bal_error *err);
} bal_simulator;

extern const bal_simulator *const bal_simulator_table[];
const bal_simulator *bal_simulator_find(const char *name);

#endif
