/* squared_error: mean squared error of a value head over its known targets. */
#include "loss/loss_table.h"
#include "ops/ops.h"

static bal_value build(bal_graph *graph, bal_value output, bal_value target, bal_value class_weight,
                       const bal_loss_options *options) {
    if (!bal_loss_takes(graph, "squared_error", 0, class_weight, options)) return BAL_NO_VALUE;
    return bal_squared_error(graph, output, target);
}

const bal_loss bal_loss_squared_error = {
    .name = "squared_error",
    .summary = "mean squared error",
    .source = "Gauss 1809",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_VALUE),
    .metric = "mse",
    .build = build,
};
