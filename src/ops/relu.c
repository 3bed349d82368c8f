/* relu: y = max(x, 0), and its gradient op relu_grad. relu(NaN) is NaN, not 0: a comparison that
 * loses NaN would hide a broken model from the guard.
 *
 * Gradient: dy/dx = 1 for x > 0 and 0 for x ≤ 0 (0 at the kink, as everyone has it). y > 0 exactly
 * when x > 0, so the output serves and the input need not be kept. Where y ≤ 0 the gradient is
 * exactly 0 whatever came in, NaN included: nothing depends on x there. Where y is NaN the incoming
 * gradient passes. */
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

static double apply(double x, const bal_attr *attr) {
    return x <= 0.0 ? 0.0 : x;
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] =
        bal_graph_add(graph, &bal_op_relu_grad, (bal_value[]){grad_out[0], node->out[0]}, 2, NULL);
}

const bal_op bal_op_relu = {
    .name = "relu",
    .summary = "max(x, 0)",
    .source = "Nair & Hinton 2010",
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

static double apply_grad(double g, double y, const bal_attr *attr) {
    return y <= 0.0 ? 0.0 : g;
}

static void reference_grad(const bal_kernel_args *args) {
    bal_reference_map2(args, apply_grad);
}

const bal_op bal_op_relu_grad = {
    .name = "relu_grad",
    .summary = "g where y > 0, else 0",
    .source = "Nair & Hinton 2010",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .inplace_in = 1u << 0 | 1u << 1,
    .flags = BAL_OP_ELEMENTWISE,
    .infer = bal_infer_same,
    .reference = reference_grad,
    .tolerance = 2e-7,
};

bal_value bal_relu(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &bal_op_relu, &x, 1, NULL);
}
