/* cosine: half a cosine from the base rate at the first step to min_lr at the end of the stage
 * (Loshchilov & Hutter, "SGDR", arXiv 1608.03983, equation 5, one cycle). */
#include <math.h>

#include "optim/schedule_table.h"

static double factor(const bal_schedule_options *options, const bal_schedule_state *state,
                     int64_t epoch, double progress) {
    return 0.5 * (1 + cos(M_PI * progress));
}

const bal_schedule bal_schedule_cosine = {
    .name = "cosine",
    .summary = "half a cosine from the base rate to min_lr over the stage",
    .source = "Loshchilov & Hutter 2017, arXiv 1608.03983",
    .floor = BAL_FLOOR_END,
    .factor = factor,
};
