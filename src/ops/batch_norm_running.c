/* batch_norm_running: the moving averages that batch_norm_inference uses.
 *
 *     running ← (1 − momentum)·running + momentum·batch
 *
 * with the variance made unbiased first, ·B/(B − 1): PyTorch's rule and momentum (Keras writes
 * 1 − momentum, and keeps the biased variance). A batch of one says nothing about variance, and a
 * step whose gate (loss or gradient norm) is not finite is one the optimiser skips: both leave the
 * averages as they are, so that one bad batch cannot poison every later prediction. */
#include <math.h>

#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

enum { RUNNING_MEAN, RUNNING_VARIANCE, MEAN, VARIANCE, GATE, N_IN };
enum { ATTR_MOMENTUM, ATTR_BATCH, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_MOMENTUM] = {"momentum", BAL_ATTR_FLOAT},
    [ATTR_BATCH] = {"batch", BAL_ATTR_INT},
};

static bal_status infer(BAL_INFER_PARAMS) {
    static const char *const names[] = {"running_mean", "running_variance", "mean", "variance"};
    BAL_TRY(bal_rule_rank(graph, node, RUNNING_MEAN, names[RUNNING_MEAN], 1, err));
    bal_shape column = bal_input_shape(graph, node, RUNNING_MEAN);
    for (int32_t i = RUNNING_MEAN; i <= VARIANCE; i++)
        BAL_TRY(bal_rule_real_shape(graph, node, i, names[i], column, err));
    if (bal_has_input(node, GATE))
        BAL_TRY(bal_rule_real_shape(graph, node, GATE, "gate", BAL_SHAPE1(1), err));
    if (node->attr[ATTR_BATCH].i < 1)
        return bal_fail(err, BAL_EINVAL, "batch must be at least 1, but is %lld",
                        (long long)node->attr[ATTR_BATCH].i);
    return bal_rule_range(node, ATTR_MOMENTUM, 0, 1, err);
}

static void reference(const bal_kernel_args *args) {
    double momentum = args->node->attr[ATTR_MOMENTUM].f;
    double batch = (double)args->node->attr[ATTR_BATCH].i;
    const bal_operand *in = args->in;
    if (batch < 2) return;
    if (bal_operand_given(&in[GATE]) && !isfinite(bal_get_real(&in[GATE], 0))) return;
    int64_t D = bal_operand_count(&in[RUNNING_MEAN]);
    for (int64_t d = 0; d < D; d++) {
        double mean = bal_get_real(&in[MEAN], d);
        double variance = bal_get_real(&in[VARIANCE], d) * batch / (batch - 1);
        double old_mean = bal_get_real(&in[RUNNING_MEAN], d);
        double old_variance = bal_get_real(&in[RUNNING_VARIANCE], d);
        bal_set_real(&in[RUNNING_MEAN], d, (1 - momentum) * old_mean + momentum * mean);
        bal_set_real(&in[RUNNING_VARIANCE], d, (1 - momentum) * old_variance + momentum * variance);
    }
}

static bool mutates(const bal_node *node, int32_t input) {
    return input == RUNNING_MEAN || input == RUNNING_VARIANCE;
}

const bal_op bal_op_batch_norm_running = {
    .name = "batch_norm_running",
    .summary = "move running statistics towards those of the batch",
    .source = "Ioffe & Szegedy 2015, arXiv 1502.03167; rule of PyTorch",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 0,
    .optional_in = 1u << GATE,
    .flags = BAL_OP_EFFECT,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .reference = reference,
    .mutates = mutates,
    .tolerance = 1e-6,
};

void bal_batch_norm_running(bal_graph *g, bal_value running_mean, bal_value running_variance,
                            bal_value mean, bal_value variance, bal_value gate, double momentum,
                            int64_t batch) {
    bal_attr attr[ATTR_COUNT] = {[ATTR_MOMENTUM].f = momentum, [ATTR_BATCH].i = batch};
    bal_graph_add(g, &bal_op_batch_norm_running,
                  (bal_value[]){running_mean, running_variance, mean, variance, gate}, N_IN, attr);
}
