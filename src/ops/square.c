/* square: y = x².
 *
 * Gradient: dy/dx = 2x. */
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

static double apply(double x, const bal_attr *attr) {
    return x * x;
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_value twice = bal_scale(graph, grad_out[0], 2.0, 0.0);
    ret_grad_in[0] = bal_mul(graph, twice, node->in[0]);
}

const bal_op bal_op_square = {
    .name = "square",
    .summary = "x squared",
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

bal_value bal_square(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &bal_op_square, &x, 1, NULL);
}
