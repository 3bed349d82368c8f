/* log_softmax: y_i = x_i − ln Σ_j e^x_j over the last axis, and its gradient op log_softmax_grad.
 *
 * With m the largest x, ln Σ e^x_j = m + ln Σ e^(x_j − m): nothing overflows, and unlike the
 * logarithm of a softmax a very unlikely class keeps its finite value. A row with a NaN or +Inf, or
 * of nothing but −Inf, becomes NaN; a −Inf beside finite numbers stays −Inf.
 *
 * Gradient. dy_i/dx_j = δ_ij − p_j with p = softmax(x) = e^y, so with g = dL/dy
 *     dL/dx_j = g_j − e^y_j · Σ_i g_i. */
#include <math.h>

#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[0], *y = &args->out[0];
    bal_axis_view rows = bal_last_axis_view(&x->shape);
    for (int64_t r = 0; r < rows.outer; r++) {
        int64_t first = r * rows.length, end = first + rows.length;
        double largest = -INFINITY, sum = 0.0;
        for (int64_t i = first; i < end; i++)
            largest = fmax(largest, bal_get_real(x, i));
        for (int64_t i = first; i < end; i++)
            sum += exp(bal_get_real(x, i) - largest);
        double log_sum = log(sum);
        for (int64_t i = first; i < end; i++)
            bal_set_real(y, i, bal_get_real(x, i) - largest - log_sum);
    }
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] = bal_graph_add(graph, &bal_op_log_softmax_grad,
                                   (bal_value[]){grad_out[0], node->out[0]}, 2, NULL);
}

const bal_op bal_op_log_softmax = {
    .name = "log_softmax",
    .summary = "logarithm of softmax over the last axis",
    .source = "Bridle 1990",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .inplace_in = 1u << 0,
    .infer = bal_infer_same,
    .grad = grad,
    .reference = reference,
    .tolerance = 2e-6,
};

static void reference_grad(const bal_kernel_args *args) {
    const bal_operand *g = &args->in[0], *y = &args->in[1], *dx = &args->out[0];
    bal_axis_view rows = bal_last_axis_view(&y->shape);
    for (int64_t r = 0; r < rows.outer; r++) {
        int64_t first = r * rows.length, end = first + rows.length;
        double sum = 0.0;
        for (int64_t i = first; i < end; i++)
            sum += bal_get_real(g, i);
        for (int64_t i = first; i < end; i++)
            bal_set_real(dx, i, bal_get_real(g, i) - exp(bal_get_real(y, i)) * sum);
    }
}

const bal_op bal_op_log_softmax_grad = {
    .name = "log_softmax_grad",
    .summary = "g - e^y * sum of g",
    .source = "Bridle 1990",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .inplace_in = 1u << 0 | 1u << 1,
    .infer = bal_infer_same,
    .reference = reference_grad,
    .tolerance = 2e-6,
};

bal_value bal_log_softmax(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &bal_op_log_softmax, &x, 1, NULL);
}
