/* cross_entropy: softmax cross-entropy on the logits of a head with classes, weighted by class id.
 */
#include "loss/loss_table.h"
#include "ops/ops.h"

static bal_value build(bal_graph *graph, bal_value output, bal_value target, bal_value class_weight,
                       const bal_loss_options *options) {
    return bal_cross_entropy(graph, output, target, class_weight, options->label_smoothing);
}

const bal_loss bal_loss_cross_entropy = {
    .name = "cross_entropy",
    .summary = "softmax cross-entropy on logits; the weighted mean divides by the sum of weights",
    .source = "Bridle 1990; label smoothing: Szegedy et al. 2016",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_CLASSES),
    .metric = "log_loss",
    .build = build,
};
