/* The simulators of series there are, one line each here and in series_simulator.c's table, and
 * what they share. */
#ifndef BAL_DATA_SERIES_SIMULATORS_H
#define BAL_DATA_SERIES_SIMULATORS_H

#include "data/series_simulator.h"

extern const bal_series_simulator bal_series_simulator_crash_regimes;
extern const bal_series_simulator bal_series_simulator_crash_fair;
extern const bal_series_simulator bal_series_simulator_bustabit;

/** What is wrong with options whatever the simulator: fewer than one sample, impossible noise. */
bal_status bal_series_check_options(const char *name, const bal_series_options *options,
                                    bal_error *err);

/** Multipliers are whole hundredths from 1.00 up: the smallest one, in hundredths, that is at least
 *  `threshold`. BAL_EDATA for thresholds that do not divide them: up to 1, beyond 1e12, not a
 *  number. */
bal_status bal_crash_hundredths(const char *name, double threshold, int64_t *ret_hundredths,
                                bal_error *err);

/** The multiplier of a fair round with a house edge of 1 %, from a uniform number in [0, 1) of at
 *  most 53 bits. P(multiplier >= m) = .99 / m for m of whole hundredths above 1. */
double bal_crash_fair_multiplier(double uniform);

/** The ceiling of simulator `name` with rounds like these. */
bal_status bal_crash_fair_ceiling(const char *name, const bal_series_options *options,
                                  double threshold, bal_series_ceiling *ret_ceiling,
                                  bal_error *err);

/** Where rounds are independent nothing before a round tells about it: the best accuracy is that of
 *  always naming the commoner side, and every rule has a balanced accuracy of one half. */
bal_series_ceiling bal_series_ceiling_independent(double above);

#endif
