/* step: a table {epoch: factor}. Factors are of the base rate and absolute, so that a table reads
 * as what happens ({100: 0.7, 300: 0.5} is ×.7 from epoch 100 and ×.5, not ×.35, from 300);
 * PyTorch's MultiStepLR multiplies up. */
#include "optim/schedule_table.h"

static double factor(const bal_schedule_options *options, const bal_schedule_state *state,
                     int64_t epoch, double progress) {
    double now = 1;
    for (int32_t i = 0; i < options->n_steps && options->steps[i].epoch <= epoch; i++)
        now = options->steps[i].factor;
    return now;
}

/* Not bal_schedule_step: that is the type of a table's entry. */
const bal_schedule bal_schedule_step_table = {
    .name = "step",
    .summary = "factors of the base rate from given epochs on",
    .source = "",
    .floor = BAL_FLOOR_NONE,
    .factor = factor,
};
