/* huber: with d = prediction − target, the mean of ½d² where |d| ≤ delta and of delta·(|d| −
 * ½·delta) beyond, over the targets that are not NaN (Huber 1964); and its gradient, d clamped to
 * ±delta, over the count. (PyTorch's smooth_l1_loss is this divided by delta.) */
#include "ops/losses.h"
#include "ops/ops.h"
#include "ops/op_table.h"

enum { N_IN = 2 };
enum { ATTR_DELTA, ATTR_COUNT };
static const bal_attr_spec attrs[ATTR_COUNT] = {{"delta", BAL_ATTR_FLOAT}};

static bal_status check(const bal_graph *graph, const bal_node *node, bal_error *err) {
    double delta = node->attr[ATTR_DELTA].f;
    BAL_TRY(bal_rule_values(graph, node, err));
    if (isfinite(delta) && delta > 0) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "delta must be a number above 0, but is %g", delta);
}

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(check(graph, node, err));
    return bal_infer_loss_outputs(graph, node, ret_shape, ret_dtype, err);
}

static void reference(const bal_kernel_args *args) {
    int64_t count = bal_operand_count(&args->in[BAL_LOSS_PREDICTION]);
    double delta = args->node->attr[ATTR_DELTA].f, sum = 0, valid = 0;
    for (int64_t i = 0; i < count; i++) {
        double t = bal_get_real(&args->in[BAL_LOSS_TRUTH], i);
        if (isnan(t)) continue;
        double d = fabs(bal_get_real(&args->in[BAL_LOSS_PREDICTION], i) - t);
        valid += 1;
        sum += d <= delta ? 0.5 * d * d : delta * (d - 0.5 * delta);
    }
    bal_loss_store(args, sum, valid);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_loss_grad(graph, node, &bal_op_huber_grad, grad_out, ret_grad_in);
}

const bal_op bal_op_huber = {
    .name = "huber",
    .summary = "mean Huber loss: quadratic up to delta, linear beyond",
    .source = "Huber 1964",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 2,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    BAL_TRY(check(graph, node, err));
    return bal_infer_loss_grad(graph, node, ret_shape, ret_dtype, err);
}

/* d between −delta and delta; NaN stays. */
static double clamp(double d, double delta) {
    return d > delta ? delta : d < -delta ? -delta : d;
}

static void reference_grad(const bal_kernel_args *args) {
    int64_t count = bal_operand_count(&args->in[BAL_LOSS_PREDICTION]);
    double delta = args->node->attr[ATTR_DELTA].f, factor = bal_loss_grad_factor(args);
    for (int64_t i = 0; i < count; i++) {
        double x = bal_get_real(&args->in[BAL_LOSS_PREDICTION], i);
        double t = bal_get_real(&args->in[BAL_LOSS_TRUTH], i);
        bal_set_real(&args->out[0], i, isnan(t) || factor == 0 ? 0 : factor * clamp(x - t, delta));
    }
}

const bal_op bal_op_huber_grad = {
    .name = "huber_grad",
    .summary = "gradient of huber with respect to the prediction",
    .source = "Huber 1964",
    .min_in = N_IN + BAL_LOSS_GRAD_EXTRA,
    .max_in = N_IN + BAL_LOSS_GRAD_EXTRA,
    .n_out = 1,
    .inplace_in = 1u << BAL_LOSS_PREDICTION | 1u << BAL_LOSS_TRUTH,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-5,
};

bal_value bal_huber(bal_graph *g, bal_value prediction, bal_value target, double delta) {
    return bal_graph_add(g, &bal_op_huber, (bal_value[]){prediction, target}, N_IN,
                         (bal_attr[ATTR_COUNT]){[ATTR_DELTA].f = delta});
}
