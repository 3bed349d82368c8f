/* scale: y = factor · x + offset, both fixed numbers. One op for what would otherwise be constants
 * of the shape of x: negation of a share, halving, 1 − x.
 *
 * Gradient: dy/dx = factor. */
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

enum { ATTR_FACTOR, ATTR_OFFSET, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_FACTOR] = {"factor", BAL_ATTR_FLOAT},
    [ATTR_OFFSET] = {"offset", BAL_ATTR_FLOAT},
};

static double apply(double x, const bal_attr *attr) {
    return attr[ATTR_FACTOR].f * x + attr[ATTR_OFFSET].f;
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] = bal_scale(graph, grad_out[0], node->attr[ATTR_FACTOR].f, 0.0);
}

const bal_op bal_op_scale = {
    .name = "scale",
    .summary = "factor * x + offset",
    .source = "",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .inplace_in = 1u << 0,
    .flags = BAL_OP_ELEMENTWISE,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = bal_infer_same,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-6,
};

bal_value bal_scale(bal_graph *g, bal_value x, double factor, double offset) {
    bal_attr attr[ATTR_COUNT] = {[ATTR_FACTOR].f = factor, [ATTR_OFFSET].f = offset};
    return bal_graph_add(g, &bal_op_scale, &x, 1, attr);
}
