/* binary_cross_entropy: sigmoid cross-entropy on logits, with one weight for the negative and one
 * for the positive class; and its gradient.
 *
 * For a logit x with target t in 0..1 and weight w = t·w₁ + (1−t)·w₀, over the targets that are not
 * NaN:
 *
 *     loss = Σ w·(softplus(x) − t·x) / Σ w
 *
 * since −t·log σ(x) − (1−t)·log(1−σ(x)) = softplus(x) − t·x. Written as max(x,0) − t·x + log(1 +
 * e^−|x|) it neither overflows nor loses a confident right answer to cancellation. Gradient:
 *
 *     d loss / d x = w·(σ(x) − t) / Σ w. */
#include "ops/losses.h"
#include "ops/op_table.h"
#include "ops/ops.h"

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_targets(graph, node, "class_weight", err));
    return bal_infer_loss_outputs(graph, node, ret_shape, ret_dtype, err);
}

/* t·w₁ + (1−t)·w₀, exactly w₀ or w₁ for a hard target. */
static double element_weight(const bal_operand *weight, double t) {
    if (!bal_operand_given(weight)) return 1;
    return t * bal_get_real(weight, 1) + (1 - t) * bal_get_real(weight, 0);
}

static void add_term(const bal_kernel_args *args, double x, double t, double *sum,
                     double *weight_sum) {
    double w = element_weight(&args->in[BAL_LOSS_WEIGHT], t);
    *sum += w * ((x > 0 ? x : 0) - t * x + log1p(exp(-fabs(x))));
    *weight_sum += w;
}

static void reference(const bal_kernel_args *args) {
    bal_loss_over_targets(args, add_term);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_loss_grad(graph, node, &bal_op_binary_cross_entropy_grad, grad_out, ret_grad_in);
}

const bal_op bal_op_binary_cross_entropy = {
    .name = "binary_cross_entropy",
    .summary = "mean sigmoid cross-entropy of logits, weighted by class",
    .source = "",
    .min_in = BAL_LOSS_N_IN,
    .max_in = BAL_LOSS_N_IN,
    .n_out = 2,
    .optional_in = 1u << BAL_LOSS_WEIGHT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_targets(graph, node, "class_weight", err));
    return bal_infer_loss_grad(graph, node, ret_shape, ret_dtype, err);
}

static double slope(const bal_kernel_args *args, double x, double t, double factor) {
    return factor * element_weight(&args->in[BAL_LOSS_WEIGHT], t) * (bal_sigmoid_of(x) - t);
}

static void reference_grad(const bal_kernel_args *args) {
    bal_loss_grad_over_targets(args, slope);
}

const bal_op bal_op_binary_cross_entropy_grad = {
    .name = "binary_cross_entropy_grad",
    .summary = "gradient of binary_cross_entropy with respect to the logits",
    .source = "see binary_cross_entropy",
    .min_in = BAL_LOSS_N_IN + BAL_LOSS_GRAD_EXTRA,
    .max_in = BAL_LOSS_N_IN + BAL_LOSS_GRAD_EXTRA,
    .n_out = 1,
    .optional_in = 1u << BAL_LOSS_WEIGHT,
    .inplace_in = 1u << BAL_LOSS_PREDICTION | 1u << BAL_LOSS_TRUTH,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-5,
};

bal_value bal_binary_cross_entropy(bal_graph *g, bal_value logits, bal_value target,
                                   bal_value class_weight) {
    return bal_graph_add(g, &bal_op_binary_cross_entropy,
                         (bal_value[]){logits, target, class_weight}, BAL_LOSS_N_IN, NULL);
}
