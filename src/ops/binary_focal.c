/* binary_focal: the focal loss on sigmoid logits with hard or soft targets, and its gradient.
 *
 * With p = σ(x) and the one-sided term f(x) = −(1−p)^γ·log p, a logit x with target t contributes
 *
 *     t·α₁·f(x) + (1−t)·α₀·f(−x)
 *
 * and the loss is the mean over targets that are not NaN (Lin et al. 2017, arXiv 1708.02002; α as a
 * pair {negative, positive}, the paper's scalar α being {1−α, α}). A soft target mixes the two
 * sides.
 *
 * Gradient: dp/dx = p(1−p) gives f'(x) = γ·p·(1−p)^γ·log p − (1−p)^(γ+1), so that an element gets
 * (t·α₁·f'(x) − (1−t)·α₀·f'(−x)) / count. With log p = −softplus(−x) and 1−p = σ(−x) both are
 * accurate for logits of any size. A side with factor 0 is not computed: it may be infinite. */
#include "ops/losses.h"
#include "ops/op_table.h"
#include "ops/ops.h"

enum { ATTR_GAMMA, ATTR_COUNT };
static const bal_attr_spec attrs[ATTR_COUNT] = {{"gamma", BAL_ATTR_FLOAT}};

static bal_status check(const bal_graph *graph, const bal_node *node, bal_error *err) {
    BAL_TRY(bal_rule_targets(graph, node, "alpha", err));
    return bal_rule_range(node, ATTR_GAMMA, 0, BAL_FOCAL_GAMMA_MAX, err);
}

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(check(graph, node, err));
    return bal_infer_loss_outputs(graph, node, ret_shape, ret_dtype, err);
}

/* f(x) and f'(x) */
static double side(double x, double gamma) {
    return pow(bal_sigmoid_of(-x), gamma) * bal_softplus_of(-x);
}

static double side_slope(double x, double gamma) {
    double p = bal_sigmoid_of(x), q = bal_sigmoid_of(-x);
    double p_log_p = p == 0 ? 0 : -p * bal_softplus_of(-x);
    return pow(q, gamma) * (gamma * p_log_p - q);
}

static double alpha_of(const bal_operand *alpha, int64_t positive) {
    return bal_operand_given(alpha) ? bal_get_real(alpha, positive) : 1;
}

static void add_term(const bal_kernel_args *args, double x, double t, double *sum,
                     double *weight_sum) {
    const bal_operand *alpha = &args->in[BAL_LOSS_WEIGHT];
    double gamma = args->node->attr[ATTR_GAMMA].f;
    if (t != 0) *sum += t * alpha_of(alpha, 1) * side(x, gamma);
    if (t != 1) *sum += (1 - t) * alpha_of(alpha, 0) * side(-x, gamma);
    *weight_sum += 1;
}

static void reference(const bal_kernel_args *args) {
    bal_loss_over_targets(args, add_term);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_loss_grad(graph, node, &bal_op_binary_focal_grad, grad_out, ret_grad_in);
}

const bal_op bal_op_binary_focal = {
    .name = "binary_focal",
    .summary = "mean focal loss of sigmoid logits, alpha {negative, positive}",
    .source = "Lin et al. 2017, arXiv 1708.02002",
    .min_in = BAL_LOSS_N_IN,
    .max_in = BAL_LOSS_N_IN,
    .n_out = 2,
    .optional_in = 1u << BAL_LOSS_WEIGHT,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    BAL_TRY(check(graph, node, err));
    return bal_infer_loss_grad(graph, node, ret_shape, ret_dtype, err);
}

static double slope(const bal_kernel_args *args, double x, double t, double factor) {
    const bal_operand *alpha = &args->in[BAL_LOSS_WEIGHT];
    double gamma = args->node->attr[ATTR_GAMMA].f, dx = 0;
    if (t != 0) dx += t * alpha_of(alpha, 1) * side_slope(x, gamma);
    if (t != 1) dx -= (1 - t) * alpha_of(alpha, 0) * side_slope(-x, gamma);
    return factor * dx;
}

static void reference_grad(const bal_kernel_args *args) {
    bal_loss_grad_over_targets(args, slope);
}

const bal_op bal_op_binary_focal_grad = {
    .name = "binary_focal_grad",
    .summary = "gradient of binary_focal with respect to the logits",
    .source = "see binary_focal",
    .min_in = BAL_LOSS_N_IN + BAL_LOSS_GRAD_EXTRA,
    .max_in = BAL_LOSS_N_IN + BAL_LOSS_GRAD_EXTRA,
    .n_out = 1,
    .optional_in = 1u << BAL_LOSS_WEIGHT,
    .inplace_in = 1u << BAL_LOSS_PREDICTION | 1u << BAL_LOSS_TRUTH,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-5,
};

bal_value bal_binary_focal(bal_graph *g, bal_value logits, bal_value target, bal_value alpha,
                           double gamma) {
    return bal_graph_add(g, &bal_op_binary_focal, (bal_value[]){logits, target, alpha},
                         BAL_LOSS_N_IN, (bal_attr[ATTR_COUNT]){[ATTR_GAMMA].f = gamma});
}
