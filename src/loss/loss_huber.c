/* huber: squared error near the target, absolute error far from it, so that outliers pull with
 * bounded force. */
#include "loss/loss_table.h"
#include "ops/ops.h"

static bal_value build(bal_graph *graph, bal_value output, bal_value target, bal_value class_weight,
                       const bal_loss_options *options) {
    if (!bal_loss_takes(graph, "huber", 0, class_weight, options)) return BAL_NO_VALUE;
    return bal_huber(graph, output, target, options->delta);
}

const bal_loss bal_loss_huber = {
    .name = "huber",
    .summary = "mean Huber loss: squared up to delta, linear beyond",
    .source = "Huber 1964",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_VALUE),
    .build = build,
};
