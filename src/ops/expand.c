/* expand: the shape change of a reduction undone. x is repeated along a new axis, or, axis < 0, its
 * one element fills the shape.
 *
 * Gradient: element x_i appears once for every position j along the axis, so its gradient is the
 * sum of the incoming one over them: reduce_sum along the same axis. */
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

enum { ATTR_AXIS, ATTR_SHAPE, ATTR_COUNT = ATTR_SHAPE + BAL_SHAPE_ATTRS };

static const bal_attr_spec attrs[ATTR_COUNT] = {{"axis", BAL_ATTR_INT}, BAL_SHAPE_ATTR_SPECS};

static bal_status infer(BAL_INFER_PARAMS) {
    bal_shape wanted;
    int64_t axis = node->attr[ATTR_AXIS].i;
    BAL_TRY(bal_rule_real(graph, node, 0, "x", err));
    BAL_TRY(bal_rule_shape_attrs(&node->attr[ATTR_SHAPE], &wanted, err));
    BAL_TRY(bal_rule_axis_or_all(axis, &wanted, err));
    bal_shape source = bal_shape_without(&wanted, (int32_t)axis);
    BAL_TRY(bal_rule_shape(graph, node, 0, "x", source, err));
    *ret_shape = wanted;
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] = bal_reduce_sum(graph, grad_out[0], (int32_t)node->attr[ATTR_AXIS].i);
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[0], *y = &args->out[0];
    bal_axis_view view = bal_axis_view_of(&y->shape, (int32_t)args->node->attr[ATTR_AXIS].i);
    int64_t count = bal_operand_count(y);
    for (int64_t e = 0; e < count; e++) {
        int64_t o = e / (view.length * view.inner), i = e % view.inner;
        bal_set_real(y, e, bal_get_real(x, o * view.inner + i));
    }
}

const bal_op bal_op_expand = {
    .name = "expand",
    .summary = "x repeated along a new axis, or one element to a shape",
    .source = "",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 0.0,
};

bal_value bal_expand(bal_graph *g, bal_value x, int32_t axis, bal_shape shape) {
    bal_attr attr[ATTR_COUNT] = {[ATTR_AXIS].i = axis < 0 ? -1 : axis};
    bal_shape_to_attrs(&shape, &attr[ATTR_SHAPE]);
    return bal_graph_add(g, &bal_op_expand, &x, 1, attr);
}
