/* squared_error: mean of d² with d = prediction − target over the targets that are not NaN; and its
 * gradient 2d / count. */
#include "ops/losses.h"
#include "ops/ops.h"
#include "ops/op_table.h"

enum { N_IN = 2 };

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_values(graph, node, err));
    return bal_infer_loss_outputs(graph, node, ret_shape, ret_dtype, err);
}

static void reference(const bal_kernel_args *args) {
    int64_t count = bal_operand_count(&args->in[BAL_LOSS_PREDICTION]);
    double sum = 0, valid = 0;
    for (int64_t i = 0; i < count; i++) {
        double t = bal_get_real(&args->in[BAL_LOSS_TRUTH], i);
        if (isnan(t)) continue;
        double d = bal_get_real(&args->in[BAL_LOSS_PREDICTION], i) - t;
        valid += 1;
        sum += d * d;
    }
    bal_loss_store(args, sum, valid);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_loss_grad(graph, node, &bal_op_squared_error_grad, grad_out, ret_grad_in);
}

const bal_op bal_op_squared_error = {
    .name = "squared_error",
    .summary = "mean squared error",
    .source = "",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 2,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_values(graph, node, err));
    return bal_infer_loss_grad(graph, node, ret_shape, ret_dtype, err);
}

static void reference_grad(const bal_kernel_args *args) {
    int64_t count = bal_operand_count(&args->in[BAL_LOSS_PREDICTION]);
    double factor = bal_loss_grad_factor(args);
    for (int64_t i = 0; i < count; i++) {
        double x = bal_get_real(&args->in[BAL_LOSS_PREDICTION], i);
        double t = bal_get_real(&args->in[BAL_LOSS_TRUTH], i);
        bal_set_real(&args->out[0], i, isnan(t) || factor == 0 ? 0 : factor * 2 * (x - t));
    }
}

const bal_op bal_op_squared_error_grad = {
    .name = "squared_error_grad",
    .summary = "gradient of squared_error with respect to the prediction",
    .source = "",
    .min_in = N_IN + BAL_LOSS_GRAD_EXTRA,
    .max_in = N_IN + BAL_LOSS_GRAD_EXTRA,
    .n_out = 1,
    .inplace_in = 1u << BAL_LOSS_PREDICTION | 1u << BAL_LOSS_TRUTH,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-5,
};

bal_value bal_squared_error(bal_graph *g, bal_value prediction, bal_value target) {
    return bal_graph_add(g, &bal_op_squared_error, (bal_value[]){prediction, target}, N_IN, NULL);
}
