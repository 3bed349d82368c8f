/* constant: the base rate throughout (warm-up still applies). */
#include "optim/schedule_table.h"

static double factor(const bal_schedule_options *options, const bal_schedule_state *state,
                     int64_t epoch, double progress) {
    return 1;
}

const bal_schedule bal_schedule_constant = {
    .name = "constant",
    .summary = "the base rate throughout",
    .source = "",
    .floor = BAL_FLOOR_NONE,
    .factor = factor,
};
