/* slice: the elements start .. start + length − 1 along an axis, and its gradient op slice_grad.
 * slice works on every element type.
 *
 * Gradient: an element inside the slice passes its gradient, one outside has no part in y. So
 * slice_grad puts the incoming gradient where the slice came from, into zeros of the size of x. */
#include <string.h>

#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

enum {
    ATTR_AXIS,
    ATTR_START,
    ATTR_LENGTH, /* slice: of the slice; slice_grad: of x along the axis */
    ATTR_COUNT
};

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_AXIS] = {"axis", BAL_ATTR_INT},
    [ATTR_START] = {"start", BAL_ATTR_INT},
    [ATTR_LENGTH] = {"length", BAL_ATTR_INT},
};

static bal_status infer(BAL_INFER_PARAMS) {
    int64_t start = node->attr[ATTR_START].i, length = node->attr[ATTR_LENGTH].i;
    bal_shape shape = bal_input_shape(graph, node, 0);
    BAL_TRY(bal_rule_axis(node->attr[ATTR_AXIS].i, &shape, err));
    int64_t *dim = &shape.dim[node->attr[ATTR_AXIS].i];
    if (start < 0 || length < 1 || start > *dim || length > *dim - start) {
        return bal_fail(err, BAL_EINVAL,
                        "%lld elements from %lld on must lie inside the axis of %lld",
                        (long long)length, (long long)start, (long long)*dim);
    }
    *dim = length;
    *ret_shape = shape;
    *ret_dtype = bal_input_dtype(graph, node, 0);
    return BAL_OK;
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_attr attr[ATTR_COUNT] = {node->attr[ATTR_AXIS], node->attr[ATTR_START]};
    attr[ATTR_LENGTH].i = bal_input_shape(graph, node, 0).dim[attr[ATTR_AXIS].i];
    ret_grad_in[0] = bal_graph_add(graph, &bal_op_slice_grad, grad_out, 1, attr);
}

/* Copy `rows` blocks of `block` bytes between two strides. */
static void copy_blocks(char *to, size_t to_stride, const char *from, size_t from_stride,
                        int64_t rows, size_t block) {
    for (int64_t o = 0; o < rows; o++)
        memcpy(to + (size_t)o * to_stride, from + (size_t)o * from_stride, block);
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[0], *y = &args->out[0];
    const bal_attr *attr = args->node->attr;
    bal_axis_view view = bal_axis_view_of(&x->shape, (int32_t)attr[ATTR_AXIS].i);
    size_t line = (size_t)view.inner * bal_dtype_size(x->dtype);
    size_t block = (size_t)attr[ATTR_LENGTH].i * line;
    copy_blocks(y->data, block, (const char *)x->data + (size_t)attr[ATTR_START].i * line,
                (size_t)view.length * line, view.outer, block);
}

const bal_op bal_op_slice = {
    .name = "slice",
    .summary = "a range of elements along an axis",
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

static bal_status infer_grad(BAL_INFER_PARAMS) {
    int64_t start = node->attr[ATTR_START].i, length = node->attr[ATTR_LENGTH].i;
    BAL_TRY(bal_rule_real(graph, node, 0, "the gradient", err));
    bal_shape shape = bal_input_shape(graph, node, 0);
    BAL_TRY(bal_rule_axis(node->attr[ATTR_AXIS].i, &shape, err));
    int64_t *dim = &shape.dim[node->attr[ATTR_AXIS].i];
    if (start < 0 || start > length || *dim > length - start) {
        return bal_fail(err, BAL_EINVAL,
                        "%lld elements from %lld on must lie inside the axis of %lld",
                        (long long)*dim, (long long)start, (long long)length);
    }
    *dim = length;
    *ret_shape = shape;
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

static void reference_grad(const bal_kernel_args *args) {
    const bal_operand *g = &args->in[0], *dx = &args->out[0];
    const bal_attr *attr = args->node->attr;
    bal_axis_view view = bal_axis_view_of(&g->shape, (int32_t)attr[ATTR_AXIS].i);
    size_t line = (size_t)view.inner * bal_dtype_size(g->dtype);
    size_t block = (size_t)view.length * line;
    memset(dx->data, 0, (size_t)bal_operand_count(dx) * bal_dtype_size(dx->dtype));
    copy_blocks((char *)dx->data + (size_t)attr[ATTR_START].i * line,
                (size_t)attr[ATTR_LENGTH].i * line, g->data, block, view.outer, block);
}

const bal_op bal_op_slice_grad = {
    .name = "slice_grad",
    .summary = "g at its place in zeros",
    .source = "",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 0.0,
};

bal_value bal_slice(bal_graph *g, bal_value x, int32_t axis, int64_t start, int64_t length) {
    bal_attr attr[ATTR_COUNT] = {
        [ATTR_AXIS].i = axis, [ATTR_START].i = start, [ATTR_LENGTH].i = length};
    return bal_graph_add(g, &bal_op_slice, &x, 1, attr);
}
