/* threshold_huber: huber, and more for a prediction on the wrong side of a decision threshold. See
 * docs/threshold_huber.md. */
#include "loss/loss_table.h"
#include "ops/ops.h"

static bal_value build(bal_graph *graph, bal_value output, bal_value target, bal_value class_weight,
                       const bal_loss_options *options) {
    if (!bal_loss_takes(graph, "threshold_huber", 0, class_weight, options)) return BAL_NO_VALUE;
    const bal_threshold_huber_options of_op = {
        .threshold = options->threshold,
        .delta = options->delta,
        .margin = options->margin,
        .below_weight = options->below_weight,
        .above_weight = options->above_weight,
    };
    return bal_threshold_huber(graph, output, target, &of_op);
}

const bal_loss bal_loss_threshold_huber = {
    .name = "threshold_huber",
    .summary = "mean Huber loss, and more for landing on the wrong side of a threshold",
    .source = "Huber 1964; Lee & Mangasarian 2001 (squared hinge)",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_VALUE),
    .build = build,
};
