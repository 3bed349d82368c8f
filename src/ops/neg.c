/* neg: y = −x.
 *
 * Gradient: dy/dx = −1. */
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

static double apply(double x, const bal_attr *attr) {
    return -x;
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] = bal_neg(graph, grad_out[0]);
}

const bal_op bal_op_neg = {
    .name = "neg",
    .summary = "-x",
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

bal_value bal_neg(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &bal_op_neg, &x, 1, NULL);
}
