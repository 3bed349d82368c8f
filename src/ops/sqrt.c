/* sqrt: y = √x, NaN for negative numbers.
 *
 * Gradient: dy/dx = 1/(2√x) = (1/2)/y; infinite at 0, as the slope is. */
#include <math.h>

#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

static double apply(double x, const bal_attr *attr) {
    return sqrt(x);
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_value half = bal_scale(graph, grad_out[0], 0.5, 0.0);
    ret_grad_in[0] = bal_div(graph, half, node->out[0]);
}

const bal_op bal_op_sqrt = {
    .name = "sqrt",
    .summary = "square root",
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

bal_value bal_sqrt(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &bal_op_sqrt, &x, 1, NULL);
}
