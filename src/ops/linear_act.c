/* linear_act: linear and activation in one op, so that the sums are activated while they are still
 * in registers. Made by the fusion pass.
 *
 * Gradient: every activation taken here has a derivative that is a function of its output y (relu
 * and leaky_relu: y > 0 exactly when the sum was; sigmoid y(1−y); tanh 1−y²). So the gradient of
 * the sum comes from y by the activation's own gradient op, and the rest is that of linear; the sum
 * is never stored. gelu has no such form and is refused. */
#include "ops/activation_at.h"
#include "ops/dense.h"
#include "ops/ops.h"
#include "ops/op_table.h"

enum { ATTR_ACTIVATION, ATTR_SLOPE, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_ACTIVATION] = {"activation", BAL_ATTR_INT},
    [ATTR_SLOPE] = {"slope", BAL_ATTR_FLOAT},
};

static bal_status infer(BAL_INFER_PARAMS) {
    if (node->attr[ATTR_ACTIVATION].i == BAL_ACT_GELU)
        return bal_fail(err, BAL_EINVAL,
                        "gelu cannot be fused, since its gradient needs the value before it; "
                        "use linear, then gelu");
    BAL_TRY(bal_rule_activation(node, ATTR_ACTIVATION, ATTR_SLOPE, err));
    return bal_infer_dense(graph, node, ret_shape, ret_dtype, err);
}

static void reference(const bal_kernel_args *args) {
    bal_activation activation = (bal_activation)args->node->attr[ATTR_ACTIVATION].i;
    double slope = args->node->attr[ATTR_SLOPE].f;
    int64_t B = args->out[0].shape.dim[0], C = args->out[0].shape.dim[1];
    for (int64_t b = 0; b < B; b++)
        for (int64_t c = 0; c < C; c++)
            bal_set_real(&args->out[0], b * C + c,
                         bal_activation_at(activation, slope, bal_dense_at(args, b, c)));
}

/* The gradient of the sum from that of y. */
static bal_value before_activation(bal_graph *graph, const bal_node *node, bal_value dy) {
    bal_value in[2] = {dy, node->out[0]};
    switch ((bal_activation)node->attr[ATTR_ACTIVATION].i) {
    case BAL_ACT_RELU:
        return bal_graph_add(graph, &bal_op_relu_grad, in, 2, NULL);
    case BAL_ACT_LEAKY_RELU:
        return bal_graph_add(graph, &bal_op_leaky_relu_grad, in, 2, &node->attr[ATTR_SLOPE]);
    case BAL_ACT_SIGMOID:
        return bal_graph_add(graph, &bal_op_sigmoid_grad, in, 2, NULL);
    case BAL_ACT_TANH:
        return bal_graph_add(graph, &bal_op_tanh_grad, in, 2, NULL);
    case BAL_ACT_NONE:
    case BAL_ACT_GELU: /* refused by infer */
    case BAL_ACT_COUNT:
        break;
    }
    return dy;
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_dense_grad(graph, node, before_activation(graph, node, grad_out[0]), ret_grad_in);
}

const bal_op bal_op_linear_act = {
    .name = "linear_act",
    .summary = "activation(x * transposed weight + bias)",
    .source = "",
    .min_in = BAL_DENSE_N_IN,
    .max_in = BAL_DENSE_N_IN,
    .n_out = 1,
    .optional_in = 1u << BAL_DENSE_BIAS,
    .flags = BAL_OP_FUSED,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

bal_value bal_linear_act(bal_graph *g, bal_value x, bal_value weight, bal_value bias,
                         bal_activation activation, double slope) {
    bal_attr attr[ATTR_COUNT] = {
        [ATTR_ACTIVATION].i = (int64_t)activation,
        [ATTR_SLOPE].f = slope,
    };
    return bal_graph_add(g, &bal_op_linear_act, (bal_value[]){x, weight, bias}, BAL_DENSE_N_IN,
                         attr);
}
