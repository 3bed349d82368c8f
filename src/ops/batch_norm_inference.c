/* batch_norm_inference: batch normalisation as it predicts, with the running statistics.
 *
 *     y = (x − running_mean) · s + beta,   s = gamma / √(running_variance + epsilon)
 *
 * Statistics are constants of the data here, so every element stands alone. Gradient, by
 * composition, with x̂ = (x − running_mean) / √(running_variance + epsilon) and g the incoming
 * gradient: dx = g·s,  dgamma = Σ_b g·x̂,  dbeta = Σ_b g, and for completeness drunning_mean =
 * −s·dbeta, drunning_variance = −½·gamma·dgamma / (running_variance + epsilon). What nobody wants
 * of it is pruned. */
#include <math.h>

#include "ops/norms.h"
#include "ops/ops.h"
#include "ops/op_table.h"

enum { X, GAMMA, BETA, MEAN, VARIANCE, N_IN };
enum { ATTR_EPSILON, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {[ATTR_EPSILON] = {"epsilon", BAL_ATTR_FLOAT}};

static bal_status infer(BAL_INFER_PARAMS) {
    static const char *const names[] = {"gamma", "beta", "running_mean", "running_variance"};
    BAL_TRY(bal_rule_columns(graph, node, GAMMA, 4, names, err));
    BAL_TRY(bal_rule_epsilon(node, ATTR_EPSILON, err));
    *ret_shape = bal_input_shape(graph, node, X);
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[X];
    double epsilon = args->node->attr[ATTR_EPSILON].f;
    int64_t B = x->shape.dim[0], D = x->shape.dim[1];
    for (int64_t d = 0; d < D; d++) {
        double scale = bal_get_real(&args->in[GAMMA], d) /
                       sqrt(bal_get_real(&args->in[VARIANCE], d) + epsilon);
        double mean = bal_get_real(&args->in[MEAN], d), beta = bal_get_real(&args->in[BETA], d);
        for (int64_t i = d; i < B * D; i += D)
            bal_set_real(&args->out[0], i, (bal_get_real(x, i) - mean) * scale + beta);
    }
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_value g = grad_out[0], gamma = node->in[GAMMA];
    bal_value spread = bal_scale(graph, node->in[VARIANCE], 1, node->attr[ATTR_EPSILON].f);
    bal_value deviation = bal_sqrt(graph, spread);
    bal_value scale = bal_div(graph, gamma, deviation);
    bal_value unit = bal_div(graph, bal_sub(graph, node->in[X], node->in[MEAN]), deviation);
    bal_value dgamma = bal_reduce_sum(graph, bal_mul(graph, g, unit), 0);
    bal_value dbeta = bal_reduce_sum(graph, g, 0);
    bal_value dspread = bal_div(graph, bal_mul(graph, gamma, dgamma), spread);
    ret_grad_in[X] = bal_mul(graph, g, scale);
    ret_grad_in[GAMMA] = dgamma;
    ret_grad_in[BETA] = dbeta;
    ret_grad_in[MEAN] = bal_neg(graph, bal_mul(graph, scale, dbeta));
    ret_grad_in[VARIANCE] = bal_scale(graph, dspread, -0.5, 0);
}

const bal_op bal_op_batch_norm_inference = {
    .name = "batch_norm_inference",
    .summary = "batch normalisation with running statistics",
    .source = "Ioffe & Szegedy 2015, arXiv 1502.03167",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 1,
    .inplace_in = 1u << X,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

bal_value bal_batch_norm_inference(bal_graph *g, bal_value x, bal_value gamma, bal_value beta,
                                   bal_value running_mean, bal_value running_variance,
                                   double epsilon) {
    return bal_graph_add(g, &bal_op_batch_norm_inference,
                         (bal_value[]){x, gamma, beta, running_mean, running_variance}, N_IN,
                         (bal_attr[ATTR_COUNT]){[ATTR_EPSILON].f = epsilon});
}
