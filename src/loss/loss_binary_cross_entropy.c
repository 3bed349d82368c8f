/* binary_cross_entropy: sigmoid cross-entropy on the logit of a binary head, weighted by class id.
 */
#include "loss/loss_table.h"
#include "ops/ops.h"

static bal_value build(bal_graph *graph, bal_value output, bal_value target, bal_value class_weight,
                       const bal_loss_options *options) {
    if (!bal_loss_takes(graph, "binary_cross_entropy", BAL_LOSS_TAKES_WEIGHT, class_weight,
                        options))
        return BAL_NO_VALUE;
    return bal_binary_cross_entropy(graph, output, target, class_weight);
}

const bal_loss bal_loss_binary_cross_entropy = {
    .name = "binary_cross_entropy",
    .summary = "sigmoid cross-entropy on logits; the weighted mean divides by the sum of weights",
    .source = "Good 1952",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_BINARY),
    .metric = "log_loss",
    .build = build,
};
