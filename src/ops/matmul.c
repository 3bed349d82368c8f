/* matmul: y [M,N] = op(a)·op(b), where op transposes the stored matrix or not.
 *
 * Gradient, with g = dL/dy [M,N], A = op(a) [M,K], B = op(b) [K,N]. From y_mn = Σ_k A_mk·B_kn,
 *     dL/dA_mk = Σ_n g_mn·B_kn   or  dA = g·Bᵀ,
 *     dL/dB_kn = Σ_m A_mk·g_mn   or  dB = Aᵀ·g.
 * A stored transposed matrix wants its gradient transposed too: da = dAᵀ = B·gᵀ and db = dBᵀ =
 * gᵀ·A. All four are matmuls whose flags follow from those of the node, so nothing is ever
 * transposed in memory. */
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

enum { ATTR_TRANSPOSE_A, ATTR_TRANSPOSE_B, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_TRANSPOSE_A] = {"transpose_a", BAL_ATTR_INT},
    [ATTR_TRANSPOSE_B] = {"transpose_b", BAL_ATTR_INT},
};

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_real(graph, node, 0, "a", err));
    BAL_TRY(bal_rule_real(graph, node, 1, "b", err));
    BAL_TRY(bal_rule_rank(graph, node, 0, "a", 2, err));
    BAL_TRY(bal_rule_rank(graph, node, 1, "b", 2, err));
    bool transpose_a = node->attr[ATTR_TRANSPOSE_A].i != 0;
    bool transpose_b = node->attr[ATTR_TRANSPOSE_B].i != 0;
    bal_shape a = bal_input_shape(graph, node, 0), b = bal_input_shape(graph, node, 1);
    int64_t k_of_a = a.dim[transpose_a ? 0 : 1], k_of_b = b.dim[transpose_b ? 1 : 0];
    if (k_of_a != k_of_b) {
        char a_text[128], b_text[128];
        return bal_fail(err, BAL_EINVAL,
                        "inner dimensions must agree, but are %lld of a %s%s and %lld of b %s%s",
                        (long long)k_of_a, bal_shape_text(&a, a_text, sizeof a_text),
                        transpose_a ? " transposed" : "", (long long)k_of_b,
                        bal_shape_text(&b, b_text, sizeof b_text),
                        transpose_b ? " transposed" : "");
    }
    *ret_shape = BAL_SHAPE2(a.dim[transpose_a ? 1 : 0], b.dim[transpose_b ? 0 : 1]);
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_value a = node->in[0], b = node->in[1], g = grad_out[0];
    bool transpose_a = node->attr[ATTR_TRANSPOSE_A].i != 0;
    bool transpose_b = node->attr[ATTR_TRANSPOSE_B].i != 0;
    ret_grad_in[0] = transpose_a ? bal_matmul(graph, b, g, transpose_b, true)
                                 : bal_matmul(graph, g, b, false, !transpose_b);
    ret_grad_in[1] = transpose_b ? bal_matmul(graph, g, a, true, transpose_a)
                                 : bal_matmul(graph, a, g, !transpose_a, false);
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *a = &args->in[0], *b = &args->in[1], *y = &args->out[0];
    bool transpose_a = args->node->attr[ATTR_TRANSPOSE_A].i != 0;
    bool transpose_b = args->node->attr[ATTR_TRANSPOSE_B].i != 0;
    int64_t M = y->shape.dim[0], N = y->shape.dim[1], K = a->shape.dim[transpose_a ? 0 : 1];
    for (int64_t m = 0; m < M; m++) {
        for (int64_t n = 0; n < N; n++) {
            double sum = 0.0;
            for (int64_t k = 0; k < K; k++) {
                sum += bal_get_real(a, transpose_a ? k * M + m : m * K + k) *
                       bal_get_real(b, transpose_b ? n * K + k : k * N + n);
            }
            bal_set_real(y, m * N + n, sum);
        }
    }
}

const bal_op bal_op_matmul = {
    .name = "matmul",
    .summary = "product of two matrices, each transposed or not",
    .source = "",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

bal_value bal_matmul(bal_graph *g, bal_value a, bal_value b, bool transpose_a, bool transpose_b) {
    bal_attr attr[ATTR_COUNT] = {
        [ATTR_TRANSPOSE_A].i = transpose_a, [ATTR_TRANSPOSE_B].i = transpose_b};
    return bal_graph_add(g, &bal_op_matmul, (bal_value[]){a, b}, 2, attr);
}
