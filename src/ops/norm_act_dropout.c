/* norm_act_dropout: batch_norm, activation and dropout in one pass over memory, and its gradient op
 * norm_act_dropout_grad. Made by the fusion pass; equal to the three ops one after the other, with
 * the same draws for the same stream.
 *
 *     pre = (x − mean)·rstd·gamma + beta,   y = mask·activation(pre)/(1 − rate)     x [B,D]
 *
 * What training keeps is x, the statistics and one byte per element: pre and the activation are
 * computed again in the backward pass, which is cheaper than writing and reading them.
 *
 * Gradient: the chain backwards, dpre = activation'(pre)·mask·dy/(1 − rate), then that of
 * batch_norm (norms.h) with dpre in place of dy. Without rng nothing is dropped, the mask is all 1
 * and the gradient op does without it. */
#include <math.h>

#include "ops/activation_at.h"
#include "ops/draw.h"
#include "ops/drop.h"
#include "ops/norms.h"
#include "ops/ops.h"
#include "ops/op_table.h"

enum { X, GAMMA, BETA, RNG, N_IN };
enum { Y, MEAN, VARIANCE, MASK, N_OUT };
enum { GRAD_X, GRAD_GAMMA, GRAD_BETA, GRAD_MEAN, GRAD_VARIANCE, GRAD_MASK, GRAD_DY, GRAD_N_IN };
enum {
    ATTR_EPSILON,
    ATTR_ACTIVATION,
    ATTR_SLOPE,
    ATTR_RATE,
    ATTR_STREAM,
    ATTR_COUNT,
    ATTR_GRAD_COUNT = ATTR_STREAM
};

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_EPSILON] = {"epsilon", BAL_ATTR_FLOAT}, [ATTR_ACTIVATION] = {"activation", BAL_ATTR_INT},
    [ATTR_SLOPE] = {"slope", BAL_ATTR_FLOAT},     [ATTR_RATE] = {"rate", BAL_ATTR_FLOAT},
    [ATTR_STREAM] = {"stream", BAL_ATTR_INT},
};

/* What both ops have: the attributes, and `randomness` (rng or mask), without which nothing drops.
 */
static bal_status check_attrs(const bal_node *node, int32_t randomness, const char *what,
                              bal_error *err) {
    BAL_TRY(bal_rule_epsilon(node, ATTR_EPSILON, err));
    BAL_TRY(bal_rule_activation(node, ATTR_ACTIVATION, ATTR_SLOPE, err));
    BAL_TRY(bal_rule_rate(node, ATTR_RATE, err));
    if (bal_has_input(node, randomness) || node->attr[ATTR_RATE].f == 0) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "rate must be 0 without %s, but is %g", what,
                    node->attr[ATTR_RATE].f);
}

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_columns(graph, node, GAMMA, 2, (const char *[]){"gamma", "beta"}, err));
    if (bal_has_input(node, RNG)) BAL_TRY(bal_rule_rng(graph, node, RNG, err));
    BAL_TRY(check_attrs(node, RNG, "rng", err));
    BAL_TRY(bal_rule_stream(node, ATTR_STREAM, err));
    ret_shape[Y] = ret_shape[MASK] = bal_input_shape(graph, node, X);
    ret_shape[MEAN] = ret_shape[VARIANCE] = bal_input_shape(graph, node, GAMMA);
    ret_dtype[Y] = ret_dtype[MEAN] = ret_dtype[VARIANCE] = bal_graph_float_type(graph);
    ret_dtype[MASK] = BAL_U8;
    return BAL_OK;
}

/* Draw the mask; all 1 without rng. */
static void fill_mask(const bal_kernel_args *args) {
    const bal_attr *attr = args->node->attr;
    uint8_t *mask = args->out[MASK].data;
    int64_t count = bal_operand_count(&args->out[MASK]);
    if (!bal_operand_given(&args->in[RNG])) {
        for (int64_t i = 0; i < count; i++)
            mask[i] = 1;
        return;
    }
    bal_draw draw = bal_draw_of(args->in[RNG].data, attr[ATTR_STREAM].i);
    uint64_t threshold = bal_draw_threshold(attr[ATTR_RATE].f);
    for (int64_t i = 0; i < count; i++)
        mask[i] = bal_draw_bits(&draw, (uint64_t)i) >= threshold;
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[X];
    const bal_attr *attr = args->node->attr;
    const uint8_t *mask = args->out[MASK].data;
    bal_activation activation = (bal_activation)attr[ATTR_ACTIVATION].i;
    double factor = 1 / (1 - attr[ATTR_RATE].f);
    int64_t B = x->shape.dim[0], D = x->shape.dim[1];
    fill_mask(args);
    for (int64_t d = 0; d < D; d++) {
        double mean, variance;
        bal_column_moments(x, d, &mean, &variance);
        double gamma = bal_get_real(&args->in[GAMMA], d), beta = bal_get_real(&args->in[BETA], d);
        double rstd = 1 / sqrt(variance + attr[ATTR_EPSILON].f);
        for (int64_t i = d; i < B * D; i += D) {
            double pre = (bal_get_real(x, i) - mean) * rstd * gamma + beta;
            double y = bal_activation_at(activation, attr[ATTR_SLOPE].f, pre);
            bal_set_real(&args->out[Y], i, mask[i] ? factor * y : 0);
        }
        bal_set_real(&args->out[MEAN], d, mean);
        bal_set_real(&args->out[VARIANCE], d, variance);
    }
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    if (!bal_norm_grad_is_plain(graph, node, grad_out, MEAN)) return;
    bal_value in[GRAD_N_IN] = {
        [GRAD_X] = node->in[X],
        [GRAD_GAMMA] = node->in[GAMMA],
        [GRAD_BETA] = node->in[BETA],
        [GRAD_MEAN] = node->out[MEAN],
        [GRAD_VARIANCE] = node->out[VARIANCE],
        [GRAD_MASK] = bal_has_input(node, RNG) ? node->out[MASK] : BAL_NO_VALUE,
        [GRAD_DY] = grad_out[Y],
    };
    bal_value dx = bal_graph_add(graph, &bal_op_norm_act_dropout_grad, in, GRAD_N_IN, node->attr);
    ret_grad_in[X] = dx;
    ret_grad_in[GAMMA] = bal_graph_output(graph, dx, 1);
    ret_grad_in[BETA] = bal_graph_output(graph, dx, 2);
}

const bal_op bal_op_norm_act_dropout = {
    .name = "norm_act_dropout",
    .summary = "batch_norm, activation and dropout in one",
    .source = "Ioffe & Szegedy 2015; Srivastava et al. 2014",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = N_OUT,
    .optional_in = 1u << RNG,
    .flags = BAL_OP_RANDOM | BAL_OP_FUSED,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    static const char *const names[] = {"gamma", "beta", "mean", "variance"};
    BAL_TRY(bal_rule_columns(graph, node, GRAD_GAMMA, 4, names, err));
    bal_shape x = bal_input_shape(graph, node, GRAD_X);
    if (bal_has_input(node, GRAD_MASK)) BAL_TRY(bal_rule_mask(graph, node, GRAD_MASK, x, err));
    BAL_TRY(bal_rule_real_shape(graph, node, GRAD_DY, "dy", x, err));
    BAL_TRY(check_attrs(node, GRAD_MASK, "mask", err));
    ret_shape[0] = x;
    ret_shape[1] = ret_shape[2] = BAL_SHAPE1(x.dim[1]);
    ret_dtype[0] = ret_dtype[1] = ret_dtype[2] = bal_graph_float_type(graph);
    return BAL_OK;
}

static double upstream(const bal_kernel_args *args, int64_t i, double pre) {
    const bal_attr *attr = args->node->attr;
    const uint8_t *mask = args->in[GRAD_MASK].data;
    bal_activation activation = (bal_activation)attr[ATTR_ACTIVATION].i;
    double slope = attr[ATTR_SLOPE].f, g = 0;
    if (!mask || mask[i]) g = bal_get_real(&args->in[GRAD_DY], i) / (1 - attr[ATTR_RATE].f);
    return bal_activation_grad_at(activation, slope, g, pre,
                                  bal_activation_at(activation, slope, pre));
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
            .beta = bal_get_real(&args->in[GRAD_BETA], d),
        };
        bal_column_norm_grad(args, d, &column, upstream);
    }
}

const bal_op bal_op_norm_act_dropout_grad = {
    .name = "norm_act_dropout_grad",
    .summary = "gradients of norm_act_dropout: dx, dgamma, dbeta",
    .source = "Ioffe & Szegedy 2015; Srivastava et al. 2014",
    .min_in = GRAD_N_IN,
    .max_in = GRAD_N_IN,
    .n_out = 3,
    .optional_in = 1u << GRAD_MASK,
    .inplace_in = 1u << GRAD_X | 1u << GRAD_DY,
    .attrs = attrs,
    .n_attrs = ATTR_GRAD_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-5,
};

bal_value bal_norm_act_dropout(bal_graph *g, bal_value x, bal_value gamma, bal_value beta,
                               bal_value rng, double epsilon, bal_activation activation,
                               double slope, double rate, int64_t stream) {
    bal_attr attr[ATTR_COUNT] = {
        [ATTR_EPSILON].f = epsilon, [ATTR_ACTIVATION].i = (int64_t)activation,
        [ATTR_SLOPE].f = slope,     [ATTR_RATE].f = rate,
        [ATTR_STREAM].i = stream,
    };
    return bal_graph_add(g, &bal_op_norm_act_dropout, (bal_value[]){x, gamma, beta, rng}, N_IN,
                         attr);
}
