/* Shared parts of linear and linear_act; see dense.h.
 *
 * Gradient: from y_bc = Σ_d x_bd·w_cd + β_c, with g = dL/dy [B,C],
 *     dL/dx_bd = Σ_c g_bc·w_cd   or  dx = g·weight,
 *     dL/dw_cd = Σ_b g_bc·x_bd   or  dweight = gᵀ·x,
 *     dL/dβ_c  = Σ_b g_bc.
 * All three are ops that exist, so a backend's matmul serves forward and backward. */
#include "ops/dense.h"

#include "ops/ops.h"

bal_status bal_infer_dense(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_real(graph, node, BAL_DENSE_X, "x", err));
    BAL_TRY(bal_rule_rank(graph, node, BAL_DENSE_X, "x", 2, err));
    BAL_TRY(bal_rule_rank(graph, node, BAL_DENSE_WEIGHT, "weight", 2, err));
    bal_shape x = bal_input_shape(graph, node, BAL_DENSE_X);
    bal_shape weight = bal_input_shape(graph, node, BAL_DENSE_WEIGHT);
    BAL_TRY(bal_rule_real_shape(graph, node, BAL_DENSE_WEIGHT, "weight",
                                BAL_SHAPE2(weight.dim[0], x.dim[1]), err));
    if (bal_has_input(node, BAL_DENSE_BIAS))
        BAL_TRY(bal_rule_real_shape(graph, node, BAL_DENSE_BIAS, "bias", BAL_SHAPE1(weight.dim[0]),
                                    err));
    *ret_shape = BAL_SHAPE2(x.dim[0], weight.dim[0]);
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

double bal_dense_at(const bal_kernel_args *args, int64_t b, int64_t c) {
    const bal_operand *x = &args->in[BAL_DENSE_X], *weight = &args->in[BAL_DENSE_WEIGHT];
    const bal_operand *bias = &args->in[BAL_DENSE_BIAS];
    int64_t D = x->shape.dim[1];
    double sum = bal_operand_given(bias) ? bal_get_real(bias, c) : 0;
    for (int64_t d = 0; d < D; d++)
        sum += bal_get_real(x, b * D + d) * bal_get_real(weight, c * D + d);
    return sum;
}

void bal_dense_grad(bal_graph *graph, const bal_node *node, bal_value dy, bal_value *ret_grad_in) {
    ret_grad_in[BAL_DENSE_X] = bal_matmul(graph, dy, node->in[BAL_DENSE_WEIGHT], false, false);
    ret_grad_in[BAL_DENSE_WEIGHT] = bal_matmul(graph, dy, node->in[BAL_DENSE_X], true, false);
    if (bal_has_input(node, BAL_DENSE_BIAS))
        ret_grad_in[BAL_DENSE_BIAS] = bal_reduce_sum(graph, dy, 0);
}
