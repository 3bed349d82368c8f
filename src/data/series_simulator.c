/* The table of simulators of series, and what they share. */
#include "data/series_simulator.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "data/series_simulators.h"

const bal_series_simulator *const bal_series_simulator_table[] = {
    &bal_series_simulator_bustabit,
    &bal_series_simulator_crash_fair,
    &bal_series_simulator_crash_regimes,
    NULL,
};

const bal_series_simulator *bal_series_simulator_find(const char *name) {
    for (const bal_series_simulator *const *at = bal_series_simulator_table; *at; at++)
        if (strcmp((*at)->name, name) == 0) return *at;
    return NULL;
}

bal_status bal_series_check_options(const char *name, const bal_series_options *options,
                                    bal_error *err) {
    if (options->samples < 1)
        return bal_fail(err, BAL_EDATA,
                        "simulator %s: %" PRId64 " samples were asked for; at least one is needed",
                        name, options->samples);
    if (!(options->noise >= 0) || !isfinite(options->noise))
        return bal_fail(err, BAL_EDATA,
                        "simulator %s: noise %g was asked for; it is a positive factor, 1 for the "
                        "simulator's own noise",
                        name, options->noise);
    return BAL_OK;
}

bal_status bal_crash_hundredths(const char *name, double threshold, int64_t *ret_hundredths,
                                bal_error *err) {
    if (!(threshold > 1) || !(threshold <= 1e12))
        return bal_fail(err, BAL_EDATA,
                        "simulator %s: a threshold of %g does not divide its multipliers; it should"
                        " be above 1 and at most 1e12",
                        name, threshold);
    /* 100 · 1.1 is above 110: the multipliers themselves, k / 100, decide. */
    int64_t k = (int64_t)ceil(threshold * 100);
    if ((double)(k - 1) / 100 >= threshold) k--;
    if ((double)k / 100 < threshold) k++;
    *ret_hundredths = k;
    return BAL_OK;
}

bal_series_ceiling bal_series_ceiling_independent(double above) {
    return (bal_series_ceiling){
        .above = above,
        .accuracy = fmax(above, 1 - above),
        .balanced = .5,
        .recall_below = .5,
        .recall_above = .5,
    };
}
