/* Simulators: data with known answers, so that "reached" means something. */
#ifndef BAL_DATA_SIMULATOR_H
#define BAL_DATA_SIMULATOR_H

#include "data/table.h"

typedef struct bal_simulator_options {
    int64_t samples;
    int32_t classes;
    double noise;     /* 0: the simulator's default */
    double imbalance; /* largest class count / smallest; 1: equal */
    uint64_t seed;
} bal_simulator_options;

typedef struct bal_simulator {
    const char *name;
    const char *summary;
    bal_simulator_options defaults;
    /** Fill a table with features and a column "label" (text "sign_000", …), deterministic in options. */
    bal_status (*make)(const bal_simulator_options *options, bal_table **ret_table, bal_error *err);
    /** The best accuracy any predictor can reach on this process (Bayes rate, uniform over rows as
     *  sampled), with its standard error: computed, not assumed. */
    bal_status (*ceiling)(const bal_simulator_options *options, double *ret_accuracy,
                          double *ret_error, bal_error *err);
} bal_simulator;

extern const bal_simulator *const bal_simulator_table[];
const bal_simulator *bal_simulator_find(const char *name);

#endif
