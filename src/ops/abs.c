/* abs: y = |x|, and its gradient op abs_grad.
 *
 * Gradient: dL/dx = g · sign(x), with sign(0) = 0, the middle of the subgradients at the kink. The
 * sign of NaN is NaN. */
#include <math.h>

#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

static double apply(double x, const bal_attr *attr) {
    return fabs(x);
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] =
        bal_graph_add(graph, &bal_op_abs_grad, (bal_value[]){grad_out[0], node->in[0]}, 2, NULL);
}

const bal_op bal_op_abs = {
    .name = "abs",
    .summary = "absolute value",
    .source = "",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .inplace_in = 1u << 0,
    .flags = BAL_OP_ELEMENTWISE,
    .infer = bal_infer_same,
    .grad = grad,
    .reference = reference,
    .tolerance = 2e-7,
};

static double apply_grad(double g, double x, const bal_attr *attr) {
    if (x > 0.0) return g;
    if (x < 0.0) return -g;
    return x == 0.0 ? 0.0 : x; /* NaN stays NaN */
}

static void reference_grad(const bal_kernel_args *args) {
    bal_reference_map2(args, apply_grad);
}

const bal_op bal_op_abs_grad = {
    .name = "abs_grad",
    .summary = "g * sign(x)",
    .source = "",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .inplace_in = 1u << 0 | 1u << 1,
    .flags = BAL_OP_ELEMENTWISE,
    .infer = bal_infer_same,
    .reference = reference_grad,
    .tolerance = 2e-7,
};

bal_value bal_abs(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &bal_op_abs, &x, 1, NULL);
}
