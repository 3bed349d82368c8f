/* global_norm: the Euclidean length of all gradients taken as one vector, for clipping, for the
 * guard and as the gate of updates: it is not finite as soon as one gradient is not. Summed in
 * double by the blocks of updates.h. */
#include "ops/updates.h"

#include "ops/op_table.h"

static bal_status infer(BAL_INFER_PARAMS) {
    for (int32_t i = 0; i < node->n_in; i++)
        BAL_TRY(bal_rule_real(graph, node, i, "grad", err));
    *ret_shape = BAL_SHAPE1(1);
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

static double block_squares(const bal_operand *grad, int64_t start, int64_t end) {
    double sum = 0;
    for (int64_t i = start; i < end; i++) {
        double g = bal_get_real(grad, i);
        sum += g * g;
    }
    return sum;
}

static void reference(const bal_kernel_args *args) {
    double sum = 0;
    for (int32_t k = 0; k < args->n_in; k++) {
        int64_t count = bal_operand_count(&args->in[k]);
        for (int64_t start = 0; start < count; start += BAL_NORM_BLOCK) {
            int64_t left = count - start;
            sum += block_squares(&args->in[k], start,
                                 start + (left < BAL_NORM_BLOCK ? left : BAL_NORM_BLOCK));
        }
    }
    bal_set_real(&args->out[0], 0, sqrt(sum));
}

const bal_op bal_op_global_norm = {
    .name = "global_norm",
    .summary = "Euclidean length of all gradients together",
    .source = "Pascanu, Mikolov & Bengio 2013",
    .min_in = 1,
    .max_in = -1,
    .n_out = 1,
    .infer = infer,
    .reference = reference,
    .tolerance = 1e-6,
};

bal_value bal_global_norm(bal_graph *g, const bal_value *grads, int32_t n_grads) {
    return bal_graph_add(g, &bal_op_global_norm, grads, n_grads, NULL);
}
