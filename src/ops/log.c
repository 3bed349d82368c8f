/* log: y = ln x. ln 0 is −Inf and the logarithm of a negative number NaN: a model that may meet
 * them has to say itself what it wants instead.
 *
 * Gradient: dy/dx = 1/x. */
#include <math.h>

#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

static double apply(double x, const bal_attr *attr) {
    return log(x);
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] = bal_div(graph, grad_out[0], node->in[0]);
}

const bal_op bal_op_log = {
    .name = "log",
    .summary = "natural logarithm",
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

bal_value bal_log(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &bal_op_log, &x, 1, NULL);
}
