/* A fair crash game: independent rounds, P(X >= m) = .99 / m.
 *
 * The player who leaves at m wins m with that probability: whatever m, .99 comes back for 1. One
 * round in a hundred crashes at once (1.00 would be less than fair), and multipliers are rounded
 * down to whole hundredths, so that 1.98 % of the rounds show 1.00. Games of this kind publish the
 * formula; bustabit's (simulate_bustabit.c) is this one. There is nothing to learn: what a
 * predictor seems to find here, it has made up. */
#include <math.h>

#include "base/error.h"
#include "base/random.h"
#include "data/series_simulators.h"

enum { STREAM_VALUES = 1 };

static const char name[] = "crash_fair";

double bal_crash_fair_multiplier(double uniform) {
    return fmax(1, floor(99 / (1 - uniform)) / 100);
}

static bal_status make(const bal_series_options *options, double *ret_values, bal_error *err) {
    BAL_TRY(bal_series_check_options(name, options, err));
    bal_random random;
    bal_random_init(&random, options->seed, STREAM_VALUES);
    for (int64_t i = 0; i < options->samples; i++)
        ret_values[i] = bal_crash_fair_multiplier(bal_random_uniform(&random));
    return BAL_OK;
}

bal_status bal_crash_fair_ceiling(const char *of, const bal_series_options *options,
                                  double threshold, bal_series_ceiling *ret_ceiling,
                                  bal_error *err) {
    int64_t hundredths;
    BAL_TRY(bal_series_check_options(of, options, err));
    BAL_TRY(bal_crash_hundredths(of, threshold, &hundredths, err));
    *ret_ceiling = bal_series_ceiling_independent(99 / (double)hundredths);
    return BAL_OK;
}

static bal_status ceiling(const bal_series_options *options, double threshold, int32_t window,
                          bal_series_ceiling *ret_ceiling, bal_error *err) {
    return bal_crash_fair_ceiling(name, options, threshold, ret_ceiling, err);
}

const bal_series_simulator bal_series_simulator_crash_fair = {
    .name = "crash_fair",
    .summary = "Multipliers of a fair crash game, independent rounds: nothing can be predicted",
    .defaults = {.samples = 60000, .noise = 1, .seed = 1},
    .make = make,
    .ceiling = ceiling,
};
