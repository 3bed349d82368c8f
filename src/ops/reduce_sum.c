/* reduce_sum: the sum over one axis, which disappears, or over everything (axis < 0), in double.
 *
 * Gradient: dy/dx_j = 1 for every j of the sum, so the incoming gradient is repeated along the
 * axis. */
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

enum { ATTR_AXIS, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_AXIS] = {"axis", BAL_ATTR_INT},
};

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_shape shape = bal_input_shape(graph, node, 0);
    int32_t axis = (int32_t)node->attr[ATTR_AXIS].i;
    ret_grad_in[0] = bal_expand(graph, grad_out[0], axis, shape);
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[0], *y = &args->out[0];
    bal_axis_view view = bal_axis_view_of(&x->shape, (int32_t)args->node->attr[ATTR_AXIS].i);
    for (int64_t o = 0; o < view.outer; o++) {
        for (int64_t i = 0; i < view.inner; i++) {
            double sum = 0.0;
            for (int64_t j = 0; j < view.length; j++)
                sum += bal_get_real(x, (o * view.length + j) * view.inner + i);
            bal_set_real(y, o * view.inner + i, sum);
        }
    }
}

const bal_op bal_op_reduce_sum = {
    .name = "reduce_sum",
    .summary = "sum over an axis or over everything",
    .source = "",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = bal_infer_reduction,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

bal_value bal_reduce_sum(bal_graph *g, bal_value x, int32_t axis) {
    bal_attr attr[ATTR_COUNT] = {[ATTR_AXIS].i = axis < 0 ? -1 : axis};
    return bal_graph_add(g, &bal_op_reduce_sum, &x, 1, attr);
}
