/* softmax: y_i = e^x_i / Σ_j e^x_j over the last axis, and its gradient op softmax_grad.
 *
 * The largest x is subtracted first, which changes nothing in exact arithmetic and keeps every
 * exponential at 1 or below. A row with a NaN or +Inf, or of nothing but −Inf, has no answer and
 * becomes NaN; a −Inf beside finite numbers gets probability 0.
 *
 * Gradient. dy_i/dx_j = y_i(δ_ij − y_j), so with g = dL/dy
 *     dL/dx_j = Σ_i g_i·y_i(δ_ij − y_j) = y_j(g_j − Σ_i g_i·y_i). */
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
        for (int64_t i = first; i < end; i++)
            bal_set_real(y, i, exp(bal_get_real(x, i) - largest) / sum);
    }
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] = bal_graph_add(graph, &bal_op_softmax_grad,
                                   (bal_value[]){grad_out[0], node->out[0]}, 2, NULL);
}

const bal_op bal_op_softmax = {
    .name = "softmax",
    .summary = "e^x over the last axis, normalised to sum 1",
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
        double dot = 0.0;
        for (int64_t i = first; i < end; i++)
            dot += bal_get_real(g, i) * bal_get_real(y, i);
        for (int64_t i = first; i < end; i++)
            bal_set_real(dx, i, bal_get_real(y, i) * (bal_get_real(g, i) - dot));
    }
}

const bal_op bal_op_softmax_grad = {
    .name = "softmax_grad",
    .summary = "y * (g - sum of g * y)",
    .source = "Bridle 1990",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .inplace_in = 1u << 0 | 1u << 1,
    .infer = bal_infer_same,
    .reference = reference_grad,
    .tolerance = 2e-6,
};

bal_value bal_softmax(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &bal_op_softmax, &x, 1, NULL);
}
