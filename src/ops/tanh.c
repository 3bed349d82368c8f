/* tanh: y = tanh x, and its gradient op tanh_grad.
 *
 * Gradient: dy/dx = 1 − tanh² x = 1 − y², from the output. */
#include <math.h>

#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

static double apply(double x, const bal_attr *attr) {
    return tanh(x);
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] =
        bal_graph_add(graph, &bal_op_tanh_grad, (bal_value[]){grad_out[0], node->out[0]}, 2, NULL);
}

const bal_op bal_op_tanh = {
    .name = "tanh",
    .summary = "hyperbolic tangent",
    .source = "",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .inplace_in = 1u << 0,
    .flags = BAL_OP_ELEMENTWISE,
    .infer = bal_infer_same,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-6,
};

static double apply_grad(double g, double y, const bal_attr *attr) {
    return g * (1.0 - y * y);
}

static void reference_grad(const bal_kernel_args *args) {
    bal_reference_map2(args, apply_grad);
}

const bal_op bal_op_tanh_grad = {
    .name = "tanh_grad",
    .summary = "g * (1 - y^2)",
    .source = "",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .inplace_in = 1u << 0 | 1u << 1,
    .flags = BAL_OP_ELEMENTWISE,
    .infer = bal_infer_same,
    .reference = reference_grad,
    .tolerance = 1e-6,
};

bal_value bal_tanh(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &bal_op_tanh, &x, 1, NULL);
}
