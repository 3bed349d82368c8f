/* leaky_relu: y = x for x > 0, else slope · x, and its gradient op leaky_relu_grad. NaN stays NaN.
 *
 * Gradient: dy/dx = 1 for x > 0, else slope. With slope ≥ 0, y > 0 exactly when x > 0, so the
 * output serves; that is why a negative slope is refused. Where y is NaN the gradient is slope · g.
 */
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

enum { ATTR_SLOPE, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_SLOPE] = {"slope", BAL_ATTR_FLOAT},
};

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_range(node, ATTR_SLOPE, 0.0, 1e6, err));
    return bal_infer_same(graph, node, ret_shape, ret_dtype, err);
}

static double apply(double x, const bal_attr *attr) {
    return x > 0.0 ? x : attr[ATTR_SLOPE].f * x;
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] = bal_graph_add(graph, &bal_op_leaky_relu_grad,
                                   (bal_value[]){grad_out[0], node->out[0]}, 2, node->attr);
}

const bal_op bal_op_leaky_relu = {
    .name = "leaky_relu",
    .summary = "x where x > 0, else slope * x",
    .source = "Maas, Hannun & Ng 2013",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .inplace_in = 1u << 0,
    .flags = BAL_OP_ELEMENTWISE,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 2e-7,
};

static double apply_grad(double g, double y, const bal_attr *attr) {
    return y > 0.0 ? g : attr[ATTR_SLOPE].f * g;
}

static void reference_grad(const bal_kernel_args *args) {
    bal_reference_map2(args, apply_grad);
}

const bal_op bal_op_leaky_relu_grad = {
    .name = "leaky_relu_grad",
    .summary = "g where y > 0, else slope * g",
    .source = "Maas, Hannun & Ng 2013",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .inplace_in = 1u << 0 | 1u << 1,
    .flags = BAL_OP_ELEMENTWISE,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .reference = reference_grad,
    .tolerance = 2e-7,
};

bal_value bal_leaky_relu(bal_graph *g, bal_value x, double slope) {
    bal_attr attr[ATTR_COUNT] = {[ATTR_SLOPE].f = slope};
    return bal_graph_add(g, &bal_op_leaky_relu, &x, 1, attr);
}
