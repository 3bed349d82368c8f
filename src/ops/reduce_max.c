/* reduce_max: the largest element over one axis, which disappears, or over everything (axis < 0);
 * and its gradient op reduce_max_grad. A NaN among the elements is the result: it is not smaller
 * than anything.
 *
 * Gradient: y moves with the element that is the maximum and with no other. Of equal maxima the
 * first takes the whole gradient, so that the gradient is a subgradient and does not depend on
 * summation order; of NaNs, too, the first. */
#include <math.h>
#include <string.h>

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
    ret_grad_in[0] = bal_graph_add(graph, &bal_op_reduce_max_grad,
                                   (bal_value[]){grad_out[0], node->in[0]}, 2, node->attr);
}

/* Position of the first maximum (or NaN) of line (o, i). */
static int64_t first_maximum(const bal_operand *x, bal_axis_view view, int64_t o, int64_t i) {
    int64_t first = o * view.length * view.inner + i, best = first;
    for (int64_t j = 1; j < view.length && !isnan(bal_get_real(x, best)); j++) {
        int64_t at = first + j * view.inner;
        double value = bal_get_real(x, at);
        if (isnan(value) || value > bal_get_real(x, best)) best = at;
    }
    return best;
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[0], *y = &args->out[0];
    bal_axis_view view = bal_axis_view_of(&x->shape, (int32_t)args->node->attr[ATTR_AXIS].i);
    for (int64_t o = 0; o < view.outer; o++) {
        for (int64_t i = 0; i < view.inner; i++)
            bal_set_real(y, o * view.inner + i, bal_get_real(x, first_maximum(x, view, o, i)));
    }
}

const bal_op bal_op_reduce_max = {
    .name = "reduce_max",
    .summary = "maximum over an axis or over everything",
    .source = "",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = bal_infer_reduction,
    .grad = grad,
    .reference = reference,
    .tolerance = 0.0,
};

static bal_status infer_grad(BAL_INFER_PARAMS) {
    bal_shape x = bal_input_shape(graph, node, 1);
    int64_t axis = node->attr[ATTR_AXIS].i;
    BAL_TRY(bal_rule_real(graph, node, 0, "the gradient", err));
    BAL_TRY(bal_rule_real(graph, node, 1, "x", err));
    BAL_TRY(bal_rule_axis_or_all(axis, &x, err));
    bal_shape reduced = bal_shape_without(&x, (int32_t)axis);
    BAL_TRY(bal_rule_shape(graph, node, 0, "the gradient", reduced, err));
    *ret_shape = x;
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

static void reference_grad(const bal_kernel_args *args) {
    const bal_operand *g = &args->in[0], *x = &args->in[1], *dx = &args->out[0];
    bal_axis_view view = bal_axis_view_of(&x->shape, (int32_t)args->node->attr[ATTR_AXIS].i);
    memset(dx->data, 0, (size_t)bal_operand_count(dx) * bal_dtype_size(dx->dtype));
    for (int64_t o = 0; o < view.outer; o++) {
        for (int64_t i = 0; i < view.inner; i++) {
            bal_set_real(dx, first_maximum(x, view, o, i), bal_get_real(g, o * view.inner + i));
        }
    }
}

const bal_op bal_op_reduce_max_grad = {
    .name = "reduce_max_grad",
    .summary = "g at the first maximum of x, else 0",
    .source = "",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 0.0,
};

bal_value bal_reduce_max(bal_graph *g, bal_value x, int32_t axis) {
    bal_attr attr[ATTR_COUNT] = {[ATTR_AXIS].i = axis < 0 ? -1 : axis};
    return bal_graph_add(g, &bal_op_reduce_max, &x, 1, attr);
}
