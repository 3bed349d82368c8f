/* squared_error: mean of d² with d = prediction − target over the targets that are not NaN; and its
 * gradient 2d / count. */
#include "ops/losses.h"
#include "ops/op_table.h"
#include "ops/ops.h"

enum { N_IN = 2 };

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_values(graph, node, err));
    return bal_infer_loss_outputs(graph, node, ret_shape, ret_dtype, err);
}

static void add_term(const bal_kernel_args *args, double x, double t, double *sum,
                     double *weight_sum) {
    double d = x - t;
    *sum += d * d;
    *weight_sum += 1;
}

static void reference(const bal_kernel_args *args) {
    bal_loss_over_targets(args, add_term);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_loss_grad(graph, node, &bal_op_squared_error_grad, grad_out, ret_grad_in);
}

const bal_op bal_op_squared_error = {
    .name = "squared_error",
    .summary = "mean squared error",
    .source = "",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 2,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_values(graph, node, err));
    return bal_infer_loss_grad(graph, node, ret_shape, ret_dtype, err);
}

static double slope(const bal_kernel_args *args, double x, double t, double factor) {
    return factor * 2 * (x - t);
}

static void reference_grad(const bal_kernel_args *args) {
    bal_loss_grad_over_targets(args, slope);
}

const bal_op bal_op_squared_error_grad = {
    .name = "squared_error_grad",
    .summary = "gradient of squared_error with respect to the prediction",
    .source = "",
    .min_in = N_IN + BAL_LOSS_GRAD_EXTRA,
    .max_in = N_IN + BAL_LOSS_GRAD_EXTRA,
    .n_out = 1,
    .inplace_in = 1u << BAL_LOSS_PREDICTION | 1u << BAL_LOSS_TRUTH,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-5,
};

bal_value bal_squared_error(bal_graph *g, bal_value prediction, bal_value target) {
    return bal_graph_add(g, &bal_op_squared_error, (bal_value[]){prediction, target}, N_IN, NULL);
}
