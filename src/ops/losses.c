/* Shared parts of the loss ops; see losses.h. */
#include "ops/losses.h"

bal_status bal_rule_labels(const bal_graph *graph, const bal_node *node, const char *weight_name,
                           bal_error *err) {
    BAL_TRY(bal_rule_real(graph, node, BAL_LOSS_PREDICTION, "logits", err));
    BAL_TRY(bal_rule_rank(graph, node, BAL_LOSS_PREDICTION, "logits", 2, err));
    bal_shape logits = bal_input_shape(graph, node, BAL_LOSS_PREDICTION);
    BAL_TRY(bal_rule_type(graph, node, BAL_LOSS_TRUTH, "labels", BAL_I32, err));
    BAL_TRY(bal_rule_shape(graph, node, BAL_LOSS_TRUTH, "labels", BAL_SHAPE1(logits.dim[0]), err));
    if (!bal_has_input(node, BAL_LOSS_WEIGHT)) return BAL_OK;
    return bal_rule_real_shape(graph, node, BAL_LOSS_WEIGHT, weight_name, BAL_SHAPE1(logits.dim[1]),
                               err);
}

bal_status bal_rule_targets(const bal_graph *graph, const bal_node *node, const char *weight_name,
                            bal_error *err) {
    BAL_TRY(bal_rule_real(graph, node, BAL_LOSS_PREDICTION, "logits", err));
    BAL_TRY(bal_rule_rank(graph, node, BAL_LOSS_PREDICTION, "logits", 2, err));
    bal_shape logits = bal_input_shape(graph, node, BAL_LOSS_PREDICTION);
    BAL_TRY(bal_rule_real_shape(graph, node, BAL_LOSS_TRUTH, "target", logits, err));
    if (!bal_has_input(node, BAL_LOSS_WEIGHT)) return BAL_OK;
    return bal_rule_real_shape(graph, node, BAL_LOSS_WEIGHT, weight_name, BAL_SHAPE1(2), err);
}

bal_status bal_rule_values(const bal_graph *graph, const bal_node *node, bal_error *err) {
    BAL_TRY(bal_rule_real(graph, node, BAL_LOSS_PREDICTION, "prediction", err));
    return bal_rule_real_shape(graph, node, BAL_LOSS_TRUTH, "target",
                               bal_input_shape(graph, node, BAL_LOSS_PREDICTION), err);
}

bal_status bal_infer_loss_outputs(BAL_INFER_PARAMS) {
    ret_shape[0] = ret_shape[1] = BAL_SHAPE1(1);
    ret_dtype[0] = ret_dtype[1] = bal_graph_float_type(graph);
    return BAL_OK;
}

/* Positions of the two extra inputs of a gradient op. */
static int32_t weight_sum_index(int32_t n_in) {
    return n_in - 2;
}

static int32_t dloss_index(int32_t n_in) {
    return n_in - 1;
}

bal_status bal_infer_loss_grad(BAL_INFER_PARAMS) {
    int32_t weight_sum = weight_sum_index(node->n_in), dloss = dloss_index(node->n_in);
    BAL_TRY(bal_rule_real_shape(graph, node, weight_sum, "weight_sum", BAL_SHAPE1(1), err));
    BAL_TRY(bal_rule_real_shape(graph, node, dloss, "dloss", BAL_SHAPE1(1), err));
    *ret_shape = bal_input_shape(graph, node, BAL_LOSS_PREDICTION);
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

void bal_loss_grad(bal_graph *graph, const bal_node *node, const bal_op *grad_op,
                   const bal_value *grad_out, bal_value *ret_grad_in) {
    if (!bal_value_is_some(grad_out[0])) return;
    bal_value in[BAL_LOSS_N_IN + BAL_LOSS_GRAD_EXTRA];
    int32_t n_in = node->n_in + BAL_LOSS_GRAD_EXTRA;
    for (int32_t i = 0; i < node->n_in; i++)
        in[i] = node->in[i];
    in[weight_sum_index(n_in)] = node->out[1];
    in[dloss_index(n_in)] = grad_out[0];
    ret_grad_in[BAL_LOSS_PREDICTION] = bal_graph_add(graph, grad_op, in, n_in, node->attr);
}

void bal_loss_store(const bal_kernel_args *args, double sum, double weight_sum) {
    bal_set_real(&args->out[0], 0, weight_sum == 0 ? 0 : sum / weight_sum);
    bal_set_real(&args->out[1], 0, weight_sum);
}

double bal_loss_grad_factor(const bal_kernel_args *args) {
    double weight_sum = bal_get_real(&args->in[weight_sum_index(args->n_in)], 0);
    double dloss = bal_get_real(&args->in[dloss_index(args->n_in)], 0);
    return weight_sum == 0 ? 0 : dloss / weight_sum;
}

void bal_loss_over_targets(const bal_kernel_args *args, bal_loss_term_fn add_term) {
    int64_t count = bal_operand_count(&args->in[BAL_LOSS_PREDICTION]);
    double sum = 0, weight_sum = 0;
    for (int64_t i = 0; i < count; i++) {
        double x = bal_get_real(&args->in[BAL_LOSS_PREDICTION], i);
        double t = bal_get_real(&args->in[BAL_LOSS_TRUTH], i);
        if (!isnan(t)) add_term(args, x, t, &sum, &weight_sum);
    }
    bal_loss_store(args, sum, weight_sum);
}

void bal_loss_grad_over_targets(const bal_kernel_args *args, bal_loss_slope_fn slope) {
    int64_t count = bal_operand_count(&args->in[BAL_LOSS_PREDICTION]);
    double factor = bal_loss_grad_factor(args);
    for (int64_t i = 0; i < count; i++) {
        double x = bal_get_real(&args->in[BAL_LOSS_PREDICTION], i);
        double t = bal_get_real(&args->in[BAL_LOSS_TRUTH], i);
        bool counts = !isnan(t) && factor != 0;
        bal_set_real(&args->out[0], i, counts ? slope(args, x, t, factor) : 0);
    }
}

void bal_loss_grad_fill_row(const bal_kernel_args *args, int64_t b, double value) {
    int64_t classes = args->out[0].shape.dim[1];
    for (int64_t c = 0; c < classes; c++)
        bal_set_real(&args->out[0], b * classes + c, value);
}

double bal_label_weight(const bal_operand *weight, int32_t label, int64_t classes) {
    if (label < 0 || label >= classes) return NAN;
    return bal_operand_given(weight) ? bal_get_real(weight, label) : 1;
}

bal_softmax_row bal_softmax_row_of(const bal_operand *logits, int64_t row) {
    int64_t classes = logits->shape.dim[1];
    bal_softmax_row ret = {.logits = logits, .start = row * classes, .max = -INFINITY};
    for (int64_t c = 0; c < classes; c++)
        ret.max = fmax(ret.max, bal_get_real(logits, ret.start + c));
    double sum = 0;
    for (int64_t c = 0; c < classes; c++)
        sum += exp(bal_get_real(logits, ret.start + c) - ret.max);
    ret.log_sum = log(sum);
    return ret;
}
