/* focal: cross-entropy that turns away from what is already right, −α_y(1 − p_y)^γ log p_y.
 *
 * α is a number per class. It comes from the head's class weights when there are any; a scalar
 * `alpha` is the two-class form {1 − alpha, alpha} of the paper, class 1 being the rare one. Both
 * given multiply: each is a correction for imbalance, and stacking them is a decision that `check`
 * points out, not one that is made here by dropping either. γ and α belong together: γ = 2 with α =
 * .75 is stable for a threshold head, γ = 4 with α = .85 is on record as not.
 *
 * Which form is meant is told by the target: class ids are softmax, numbers are sigmoid. */
#include "loss/loss_table.h"
#include "ops/ops.h"

/* {1 − alpha, alpha} as a constant [2] of the graph's float type. */
static bal_value alpha_pair(bal_graph *graph, double alpha) {
    const double wide[] = {1 - alpha, alpha};
    const float narrow[] = {(float)wide[0], (float)wide[1]};
    bal_dtype type = bal_graph_float_type(graph);
    return bal_graph_constant(graph, type, BAL_SHAPE1(2),
                              type == BAL_F64 ? (const void *)wide : narrow);
}

/* The vector α [C], BAL_NO_VALUE for all ones; false with the graph failed. 0 and 1 are refused:
 * they would take one class out of the loss. */
static bool alpha_of(bal_graph *graph, bal_value class_weight, double alpha, int64_t classes,
                     bal_value *ret_alpha) {
    *ret_alpha = class_weight;
    if (alpha < 0) return true;
    if (classes != 2) {
        bal_graph_fail(
            graph, BAL_ERECIPE,
            "loss focal: the scalar alpha (%g) is for two classes, but the head has %lld; "
            "use class_weights",
            alpha, (long long)classes);
        return false;
    }
    if (!(alpha > 0 && alpha < 1)) {
        bal_graph_fail(
            graph, BAL_ERECIPE,
            "loss focal: alpha is %g; wanted a number between 0 and 1, the share of class 1",
            alpha);
        return false;
    }
    bal_value pair = alpha_pair(graph, alpha);
    *ret_alpha = bal_value_is_some(class_weight) ? bal_mul(graph, class_weight, pair) : pair;
    return true;
}

static bal_value build(bal_graph *graph, bal_value output, bal_value target, bal_value class_weight,
                       const bal_loss_options *options) {
    if (!bal_loss_takes(graph, "focal", BAL_LOSS_TAKES_WEIGHT, class_weight, options))
        return BAL_NO_VALUE;
    bool ids = bal_graph_info(graph, target)->dtype == BAL_I32;
    bal_shape shape = bal_graph_shape(graph, output);
    int64_t classes = ids && shape.rank == 2 ? shape.dim[1] : 2;
    bal_value alpha;
    if (!alpha_of(graph, class_weight, options->alpha, classes, &alpha)) return BAL_NO_VALUE;
    if (ids) return bal_focal(graph, output, target, alpha, options->gamma);
    return bal_binary_focal(graph, output, target, alpha, options->gamma);
}

const bal_loss bal_loss_focal = {
    .name = "focal",
    .summary = "cross-entropy weighted by (1 - p)^gamma; alpha or class weights per class",
    .source = "Lin et al. 2017, arXiv 1708.02002",
    .kinds = BAL_HEAD_BIT(BAL_HEAD_CLASSES) | BAL_HEAD_BIT(BAL_HEAD_BINARY),
    .build = build,
};
