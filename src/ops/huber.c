/* huber: with d = prediction − target, the mean of ½d² where |d| ≤ delta and of delta·(|d| −
 * ½·delta) beyond, over the targets that are not NaN (Huber 1964); and its gradient, d clamped to
 * ±delta, over the count. (PyTorch's smooth_l1_loss is this divided by delta.) */
#include "ops/losses.h"
#include "ops/op_table.h"
#include "ops/ops.h"

enum { N_IN = 2 };
enum { ATTR_DELTA, ATTR_COUNT };
static const bal_attr_spec attrs[ATTR_COUNT] = {{"delta", BAL_ATTR_FLOAT}};

static bal_status check(const bal_graph *graph, const bal_node *node, bal_error *err) {
    double delta = node->attr[ATTR_DELTA].f;
    BAL_TRY(bal_rule_values(graph, node, err));
    if (isfinite(delta) && delta > 0) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "delta must be a number above 0, but is %g", delta);
}

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(check(graph, node, err));
    return bal_infer_loss_outputs(graph, node, ret_shape, ret_dtype, err);
}

static void add_term(const bal_kernel_args *args, double x, double t, double *sum,
                     double *weight_sum) {
    *sum += bal_huber_of(x - t, args->node->attr[ATTR_DELTA].f);
    *weight_sum += 1;
}

static void reference(const bal_kernel_args *args) {
    bal_loss_over_targets(args, add_term);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_loss_grad(graph, node, &bal_op_huber_grad, grad_out, ret_grad_in);
}

const bal_op bal_op_huber = {
    .name = "huber",
    .summary = "mean Huber loss: quadratic up to delta, linear beyond",
    .source = "Huber 1964",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 2,
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
    return factor * bal_huber_slope_of(x - t, args->node->attr[ATTR_DELTA].f);
}

static void reference_grad(const bal_kernel_args *args) {
    bal_loss_grad_over_targets(args, slope);
}

const bal_op bal_op_huber_grad = {
    .name = "huber_grad",
    .summary = "gradient of huber with respect to the prediction",
    .source = "Huber 1964",
    .min_in = N_IN + BAL_LOSS_GRAD_EXTRA,
    .max_in = N_IN + BAL_LOSS_GRAD_EXTRA,
    .n_out = 1,
    .inplace_in = 1u << BAL_LOSS_PREDICTION | 1u << BAL_LOSS_TRUTH,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-5,
};

bal_value bal_huber(bal_graph *g, bal_value prediction, bal_value target, double delta) {
    return bal_graph_add(g, &bal_op_huber, (bal_value[]){prediction, target}, N_IN,
                         (bal_attr[ATTR_COUNT]){[ATTR_DELTA].f = delta});
}
