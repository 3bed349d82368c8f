/* layer_norm: normalisation over the features of each row (Ba, Kiros & Hinton 2016), and its
 * gradient op layer_norm_grad.
 *
 *     y = (x − mean)·rstd · gamma + beta,   rstd = 1 / √(variance + epsilon)     per row of x
 * [..,D]
 *
 * The variance is biased (divided by D). Gradient: with x̂ = (x − mean)·rstd, g the incoming
 * gradient, h = g·gamma and ⟨·⟩ the mean over the D elements of the row, dx = rstd·(h − ⟨h⟩ −
 * x̂·⟨h·x̂⟩),  dgamma = Σ_rows g·x̂,  dbeta = Σ_rows g, the last two terms of dx because mean and
 * variance depend on every x of the row. */
#include <math.h>

#include "ops/norms.h"
#include "ops/ops.h"
#include "ops/op_table.h"

enum { X, GAMMA, BETA, N_IN };
enum { GRAD_X, GRAD_GAMMA, GRAD_MEAN, GRAD_RSTD, GRAD_DY, GRAD_N_IN };
enum { ATTR_EPSILON, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {[ATTR_EPSILON] = {"epsilon", BAL_ATTR_FLOAT}};

/* x is real; its row length and number of rows as shapes. */
static bal_status check_x(const bal_graph *graph, const bal_node *node, bal_shape *ret_features,
                          bal_shape *ret_rows, bal_error *err) {
    BAL_TRY(bal_rule_real(graph, node, 0, "x", err));
    BAL_TRY(bal_rule_epsilon(node, ATTR_EPSILON, err));
    bal_shape x = bal_input_shape(graph, node, 0);
    bal_axis_view view = bal_last_axis_view(&x);
    *ret_features = BAL_SHAPE1(view.length);
    *ret_rows = BAL_SHAPE1(view.outer);
    return BAL_OK;
}

static bal_status infer(BAL_INFER_PARAMS) {
    bal_shape features, rows;
    BAL_TRY(check_x(graph, node, &features, &rows, err));
    BAL_TRY(bal_rule_real_shape(graph, node, GAMMA, "gamma", features, err));
    BAL_TRY(bal_rule_real_shape(graph, node, BETA, "beta", features, err));
    ret_shape[0] = bal_input_shape(graph, node, X);
    ret_shape[1] = ret_shape[2] = rows;
    ret_dtype[0] = ret_dtype[1] = ret_dtype[2] = bal_graph_float_type(graph);
    return BAL_OK;
}

static void row_moments(const bal_operand *x, int64_t start, int64_t D, double *ret_mean,
                        double *ret_variance) {
    double sum = 0, squares = 0;
    for (int64_t i = start; i < start + D; i++)
        sum += bal_get_real(x, i);
    double mean = sum / (double)D;
    for (int64_t i = start; i < start + D; i++) {
        double d = bal_get_real(x, i) - mean;
        squares += d * d;
    }
    *ret_mean = mean;
    *ret_variance = squares / (double)D;
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[X];
    bal_axis_view view = bal_last_axis_view(&x->shape);
    for (int64_t row = 0; row < view.outer; row++) {
        int64_t start = row * view.length;
        double mean, variance;
        row_moments(x, start, view.length, &mean, &variance);
        double rstd = 1 / sqrt(variance + args->node->attr[ATTR_EPSILON].f);
        for (int64_t d = 0; d < view.length; d++) {
            double unit = (bal_get_real(x, start + d) - mean) * rstd;
            bal_set_real(&args->out[0], start + d,
                         unit * bal_get_real(&args->in[GAMMA], d) +
                             bal_get_real(&args->in[BETA], d));
        }
        bal_set_real(&args->out[1], row, mean);
        bal_set_real(&args->out[2], row, rstd);
    }
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    if (!bal_norm_grad_is_plain(graph, node, grad_out, 1)) return;
    bal_value in[GRAD_N_IN] = {
        [GRAD_X] = node->in[X],     [GRAD_GAMMA] = node->in[GAMMA], [GRAD_MEAN] = node->out[1],
        [GRAD_RSTD] = node->out[2], [GRAD_DY] = grad_out[0],
    };
    bal_value dx = bal_graph_add(graph, &bal_op_layer_norm_grad, in, GRAD_N_IN, node->attr);
    ret_grad_in[X] = dx;
    ret_grad_in[GAMMA] = bal_graph_output(graph, dx, 1);
    ret_grad_in[BETA] = bal_graph_output(graph, dx, 2);
}

const bal_op bal_op_layer_norm = {
    .name = "layer_norm",
    .summary = "normalisation over the last axis",
    .source = "Ba, Kiros & Hinton 2016, arXiv 1607.06450",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 3,
    .inplace_in = 1u << X,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    bal_shape features, rows;
    BAL_TRY(check_x(graph, node, &features, &rows, err));
    BAL_TRY(bal_rule_real_shape(graph, node, GRAD_GAMMA, "gamma", features, err));
    BAL_TRY(bal_rule_real_shape(graph, node, GRAD_MEAN, "mean", rows, err));
    BAL_TRY(bal_rule_real_shape(graph, node, GRAD_RSTD, "rstd", rows, err));
    ret_shape[0] = bal_input_shape(graph, node, GRAD_X);
    BAL_TRY(bal_rule_real_shape(graph, node, GRAD_DY, "dy", ret_shape[0], err));
    ret_shape[1] = ret_shape[2] = features;
    ret_dtype[0] = ret_dtype[1] = ret_dtype[2] = bal_graph_float_type(graph);
    return BAL_OK;
}

/* x̂ of element d of a row. */
static double unit_at(const bal_kernel_args *args, int64_t row, int64_t i) {
    return (bal_get_real(&args->in[GRAD_X], i) - bal_get_real(&args->in[GRAD_MEAN], row)) *
           bal_get_real(&args->in[GRAD_RSTD], row);
}

static void parameter_grads(const bal_kernel_args *args, bal_axis_view view) {
    for (int64_t d = 0; d < view.length; d++) {
        double dgamma = 0, dbeta = 0;
        for (int64_t row = 0; row < view.outer; row++) {
            double g = bal_get_real(&args->in[GRAD_DY], row * view.length + d);
            dgamma += g * unit_at(args, row, row * view.length + d);
            dbeta += g;
        }
        bal_set_real(&args->out[1], d, dgamma);
        bal_set_real(&args->out[2], d, dbeta);
    }
}

static void row_grad(const bal_kernel_args *args, int64_t row, int64_t D) {
    double sum = 0, projection = 0, rstd = bal_get_real(&args->in[GRAD_RSTD], row);
    for (int64_t d = 0; d < D; d++) {
        double h =
            bal_get_real(&args->in[GRAD_DY], row * D + d) * bal_get_real(&args->in[GRAD_GAMMA], d);
        sum += h;
        projection += h * unit_at(args, row, row * D + d);
    }
    for (int64_t d = 0; d < D; d++) {
        int64_t i = row * D + d;
        double h = bal_get_real(&args->in[GRAD_DY], i) * bal_get_real(&args->in[GRAD_GAMMA], d);
        double dx = h - sum / (double)D - unit_at(args, row, i) * projection / (double)D;
        bal_set_real(&args->out[0], i, rstd * dx);
    }
}

/* The sums over rows come first: dx may overwrite x or dy. */
static void reference_grad(const bal_kernel_args *args) {
    bal_axis_view view = bal_last_axis_view(&args->in[GRAD_X].shape);
    parameter_grads(args, view);
    for (int64_t row = 0; row < view.outer; row++)
        row_grad(args, row, view.length);
}

const bal_op bal_op_layer_norm_grad = {
    .name = "layer_norm_grad",
    .summary = "gradients of layer_norm: dx, dgamma, dbeta",
    .source = "Ba, Kiros & Hinton 2016, arXiv 1607.06450",
    .min_in = GRAD_N_IN,
    .max_in = GRAD_N_IN,
    .n_out = 3,
    .inplace_in = 1u << GRAD_X | 1u << GRAD_DY,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-5,
};

bal_value bal_layer_norm(bal_graph *g, bal_value x, bal_value gamma, bal_value beta,
                         double epsilon) {
    return bal_graph_add(g, &bal_op_layer_norm, (bal_value[]){x, gamma, beta}, N_IN,
                         (bal_attr[ATTR_COUNT]){[ATTR_EPSILON].f = epsilon});
}
