/* concat: parts one after the other along an axis; works on every element type.
 *
 * Gradient: part p covers a range of y, so its gradient is that slice of the incoming one. */
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

enum { ATTR_AXIS, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_AXIS] = {"axis", BAL_ATTR_INT},
};

static bal_status infer(BAL_INFER_PARAMS) {
    bal_shape y = bal_input_shape(graph, node, 0);
    BAL_TRY(bal_rule_axis(node->attr[ATTR_AXIS].i, &y, err));
    int32_t axis = (int32_t)node->attr[ATTR_AXIS].i;
    bal_dtype dtype = bal_input_dtype(graph, node, 0);
    for (int32_t p = 1; p < node->n_in; p++) {
        char what[32];
        snprintf(what, sizeof what, "part %d", (int)p);
        bal_shape part = bal_input_shape(graph, node, p), wanted = y;
        if (part.rank == y.rank) wanted.dim[axis] = part.dim[axis];
        BAL_TRY(bal_rule_type(graph, node, p, what, dtype, err));
        BAL_TRY(bal_rule_shape(graph, node, p, what, wanted, err));
        if (!bal_i64_add(y.dim[axis], part.dim[axis], &y.dim[axis]))
            return bal_fail(err, BAL_EINVAL, "the parts are too long together");
    }
    *ret_shape = y;
    *ret_dtype = dtype;
    return BAL_OK;
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    int32_t axis = (int32_t)node->attr[ATTR_AXIS].i;
    int64_t start = 0;
    for (int32_t p = 0; p < node->n_in; p++) {
        int64_t length = bal_input_shape(graph, node, p).dim[axis];
        ret_grad_in[p] = bal_slice(graph, grad_out[0], axis, start, length);
        start += length;
    }
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *y = &args->out[0];
    int32_t axis = (int32_t)args->node->attr[ATTR_AXIS].i;
    size_t size = bal_dtype_size(y->dtype);
    bal_axis_view whole = bal_axis_view_of(&y->shape, axis);
    int64_t start = 0;
    for (int32_t p = 0; p < args->n_in; p++) {
        const bal_operand *part = &args->in[p];
        bal_axis_view view = bal_axis_view_of(&part->shape, axis);
        size_t block = (size_t)(view.length * view.inner) * size;
        for (int64_t o = 0; o < whole.outer; o++) {
            char *to = (char *)y->data + (size_t)((o * whole.length + start) * whole.inner) * size;
            memcpy(to, (const char *)part->data + (size_t)o * block, block);
        }
        start += view.length;
    }
}

const bal_op bal_op_concat = {
    .name = "concat",
    .summary = "parts one after the other along an axis",
    .source = "",
    .min_in = 1,
    .max_in = -1,
    .n_out = 1,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 0.0,
};

bal_value bal_concat(bal_graph *g, const bal_value *parts, int32_t n_parts, int32_t axis) {
    bal_attr attr[ATTR_COUNT] = {[ATTR_AXIS].i = axis};
    return bal_graph_add(g, &bal_op_concat, parts, n_parts, attr);
}
