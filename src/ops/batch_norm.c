/* batch_norm: batch normalisation as it trains (Ioffe & Szegedy 2015), with the statistics of the
 * batch at hand, and its gradient op batch_norm_grad.
 *
 *     y = (x − mean) / √(variance + epsilon) · gamma + beta      per column of x [B,D]
 *
 * The variance is biased (divided by B); running statistics are kept by batch_norm_running from the
 * outputs mean and variance. With B = 1 the variance is 0, so y = beta and dx = 0. Gradient:
 * norms.h. */
#include <math.h>

#include "ops/norms.h"
#include "ops/ops.h"
#include "ops/op_table.h"

enum { X, GAMMA, BETA, N_IN };
enum { GRAD_X, GRAD_GAMMA, GRAD_MEAN, GRAD_VARIANCE, GRAD_DY, GRAD_N_IN };
enum { ATTR_EPSILON, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {[ATTR_EPSILON] = {"epsilon", BAL_ATTR_FLOAT}};

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_columns(graph, node, GAMMA, 2, (const char *[]){"gamma", "beta"}, err));
    BAL_TRY(bal_rule_epsilon(node, ATTR_EPSILON, err));
    ret_shape[0] = bal_input_shape(graph, node, X);
    ret_shape[1] = ret_shape[2] = bal_input_shape(graph, node, GAMMA);
    ret_dtype[0] = ret_dtype[1] = ret_dtype[2] = bal_graph_float_type(graph);
    return BAL_OK;
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[X];
    double epsilon = args->node->attr[ATTR_EPSILON].f;
    int64_t B = x->shape.dim[0], D = x->shape.dim[1];
    for (int64_t d = 0; d < D; d++) {
        double mean, variance;
        bal_column_moments(x, d, &mean, &variance);
        double gamma = bal_get_real(&args->in[GAMMA], d), beta = bal_get_real(&args->in[BETA], d);
        double rstd = 1 / sqrt(variance + epsilon);
        for (int64_t i = d; i < B * D; i += D)
            bal_set_real(&args->out[0], i, (bal_get_real(x, i) - mean) * rstd * gamma + beta);
        bal_set_real(&args->out[1], d, mean);
        bal_set_real(&args->out[2], d, variance);
    }
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    if (!bal_norm_grad_is_plain(graph, node, grad_out, 1)) return;
    bal_value in[GRAD_N_IN] = {
        [GRAD_X] = node->in[X],         [GRAD_GAMMA] = node->in[GAMMA], [GRAD_MEAN] = node->out[1],
        [GRAD_VARIANCE] = node->out[2], [GRAD_DY] = grad_out[0],
    };
    bal_value dx = bal_graph_add(graph, &bal_op_batch_norm_grad, in, GRAD_N_IN, node->attr);
    ret_grad_in[X] = dx;
    ret_grad_in[GAMMA] = bal_graph_output(graph, dx, 1);
    ret_grad_in[BETA] = bal_graph_output(graph, dx, 2);
}

const bal_op bal_op_batch_norm = {
    .name = "batch_norm",
    .summary = "batch normalisation with the batch's statistics",
    .source = "Ioffe & Szegedy 2015, arXiv 1502.03167",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 3,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_columns(graph, node, GRAD_GAMMA, 3,
                             (const char *[]){"gamma", "mean", "variance"}, err));
    bal_shape x = bal_input_shape(graph, node, GRAD_X);
    BAL_TRY(bal_rule_real_shape(graph, node, GRAD_DY, "dy", x, err));
    BAL_TRY(bal_rule_epsilon(node, ATTR_EPSILON, err));
    ret_shape[0] = x;
    ret_shape[1] = ret_shape[2] = BAL_SHAPE1(x.dim[1]);
    ret_dtype[0] = ret_dtype[1] = ret_dtype[2] = bal_graph_float_type(graph);
    return BAL_OK;
}

static double upstream(const bal_kernel_args *args, int64_t i, double pre) {
    return bal_get_real(&args->in[GRAD_DY], i);
}

static void reference_grad(const bal_kernel_args *args) {
    double epsilon = args->node->attr[ATTR_EPSILON].f;
    int64_t D = args->in[GRAD_X].shape.dim[1];
    for (int64_t d = 0; d < D; d++) {
        double variance = bal_get_real(&args->in[GRAD_VARIANCE], d);
        bal_norm_column column = {
            .mean = bal_get_real(&args->in[GRAD_MEAN], d),
            .rstd = 1 / sqrt(variance + epsilon),
            .gamma = bal_get_real(&args->in[GRAD_GAMMA], d),
        };
        bal_column_norm_grad(args, d, &column, upstream);
    }
}

const bal_op bal_op_batch_norm_grad = {
    .name = "batch_norm_grad",
    .summary = "gradients of batch_norm: dx, dgamma, dbeta",
    .source = "Ioffe & Szegedy 2015, arXiv 1502.03167",
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

bal_value bal_batch_norm(bal_graph *g, bal_value x, bal_value gamma, bal_value beta,
                         double epsilon) {
    return bal_graph_add(g, &bal_op_batch_norm, (bal_value[]){x, gamma, beta}, N_IN,
                         (bal_attr[ATTR_COUNT]){[ATTR_EPSILON].f = epsilon});
}
