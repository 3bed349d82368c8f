/* sigmoid: y = 1/(1 + e⁻ˣ), and its gradient op sigmoid_grad.
 *
 * For x < 0 the equal form eˣ/(1 + eˣ) is used: its exponential cannot overflow, and small results
 * keep their relative accuracy down to the denormals.
 *
 * Gradient: dy/dx = e⁻ˣ/(1 + e⁻ˣ)² = y(1 − y), from the output. */
#include "base/logistic.h"
#include "ops/op_table.h"
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"

static double apply(double x, const bal_attr *attr) {
    return bal_sigmoid_of(x);
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] = bal_graph_add(graph, &bal_op_sigmoid_grad,
                                   (bal_value[]){grad_out[0], node->out[0]}, 2, NULL);
}

const bal_op bal_op_sigmoid = {
    .name = "sigmoid",
    .summary = "1 / (1 + e^-x)",
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
    return g * y * (1.0 - y);
}

static void reference_grad(const bal_kernel_args *args) {
    bal_reference_map2(args, apply_grad);
}

const bal_op bal_op_sigmoid_grad = {
    .name = "sigmoid_grad",
    .summary = "g * y * (1 - y)",
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

bal_value bal_sigmoid(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &bal_op_sigmoid, &x, 1, NULL);
}
