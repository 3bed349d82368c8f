/* linear: y = x·weightᵀ + bias, a dense layer. The weight is stored [outputs, inputs] as PyTorch
 * does, so that a row belongs to one output and files can be exchanged. Gradient: see dense.c. */
#include "ops/dense.h"
#include "ops/ops.h"
#include "ops/op_table.h"

static void reference(const bal_kernel_args *args) {
    int64_t B = args->out[0].shape.dim[0], C = args->out[0].shape.dim[1];
    for (int64_t b = 0; b < B; b++)
        for (int64_t c = 0; c < C; c++)
            bal_set_real(&args->out[0], b * C + c, bal_dense_at(args, b, c));
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_dense_grad(graph, node, grad_out[0], ret_grad_in);
}

const bal_op bal_op_linear = {
    .name = "linear",
    .summary = "x * transposed weight + bias",
    .source = "",
    .min_in = BAL_DENSE_N_IN,
    .max_in = BAL_DENSE_N_IN,
    .n_out = 1,
    .optional_in = 1u << BAL_DENSE_BIAS,
    .infer = bal_infer_dense,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

bal_value bal_linear(bal_graph *g, bal_value x, bal_value weight, bal_value bias) {
    return bal_graph_add(g, &bal_op_linear, (bal_value[]){x, weight, bias}, BAL_DENSE_N_IN, NULL);
}
