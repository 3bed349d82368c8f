/* plateau: the rate drops by a factor when the monitored value has not improved for `patience`
 * evaluations. The counting is in bal_schedule_observe; here the drops so far are applied.
 *
 * Keras acts at the N-th bad evaluation too, but its cooldown is one evaluation shorter; PyTorch's
 * ReduceLROnPlateau acts at the N + 1-st, and its min_delta is relative by default. */
#include "optim/schedule_table.h"

static double factor(const bal_schedule_options *options, const bal_schedule_state *state,
                     int64_t epoch, double progress) {
    return state->scale;
}

const bal_schedule bal_schedule_plateau = {
    .name = "plateau",
    .summary =
        "times `factor` whenever the monitored value has not improved for `patience` evaluations",
    .source = "Keras ReduceLROnPlateau",
    .floor = BAL_FLOOR_CLAMP,
    .reacts = true,
    .factor = factor,
};
