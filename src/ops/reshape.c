/* reshape: the same elements in the same order under another shape; works on every element type.
 * One dimension may be -1 and is then what the others leave. The -1 stays in the attribute, so that
 * a model file does not fix the batch size where the model code did not.
 *
 * Gradient: every element moves unchanged, so the incoming gradient is reshaped back. */
#include <string.h>

#include "base/checked.h"
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

static const bal_attr_spec attrs[BAL_SHAPE_ATTRS] = {BAL_SHAPE_ATTR_SPECS};

/* Replace the -1, if there is one, and check that the element counts agree. */
static bool resolve(bal_shape *wanted, int64_t count) {
    int32_t open = -1;
    int64_t known = 1;
    for (int32_t d = 0; d < wanted->rank; d++) {
        if (wanted->dim[d] == -1) {
            if (open >= 0) return false;
            open = d;
        } else if (!bal_i64_mul(known, wanted->dim[d], &known)) {
            return false;
        }
    }
    if (open < 0) return known == count;
    if (known == 0 || count % known != 0) return false;
    wanted->dim[open] = count / known;
    return true;
}

static bal_status infer(BAL_INFER_PARAMS) {
    bal_shape x = bal_input_shape(graph, node, 0), wanted;
    BAL_TRY(bal_rule_shape_attrs(node->attr, &wanted, err));
    bal_shape given = wanted;
    if (!resolve(&wanted, bal_shape_count(&x))) {
        char x_text[128], wanted_text[128];
        return bal_fail(err, BAL_EINVAL, "x %s has %lld elements and cannot become %s",
                        bal_shape_text(&x, x_text, sizeof x_text), (long long)bal_shape_count(&x),
                        bal_shape_text(&given, wanted_text, sizeof wanted_text));
    }
    *ret_shape = wanted;
    *ret_dtype = bal_input_dtype(graph, node, 0);
    return BAL_OK;
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] = bal_reshape(graph, grad_out[0], bal_input_shape(graph, node, 0));
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[0], *y = &args->out[0];
    if (x->data == y->data) return;
    memcpy(y->data, x->data, (size_t)bal_operand_count(y) * bal_dtype_size(y->dtype));
}

const bal_op bal_op_reshape = {
    .name = "reshape",
    .summary = "same elements, other shape",
    .source = "",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .inplace_in = 1u << 0,
    .attrs = attrs,
    .n_attrs = BAL_SHAPE_ATTRS,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 0.0,
};

bal_value bal_reshape(bal_graph *g, bal_value x, bal_shape shape) {
    bal_attr attr[BAL_SHAPE_ATTRS];
    bal_shape_to_attrs(&shape, attr);
    return bal_graph_add(g, &bal_op_reshape, &x, 1, attr);
}
