/* adam_update: Adam (Kingma & Ba 2015), with L2 in the gradient, decoupled decay (AdamW, Loshchilov
 * & Hutter 2019), both or neither. For each parameter p with moments m and v, in PyTorch's order:
 *
 *     p ← p − lr·decay·p
 *     g ← grad·clip factor + l2·p
 *     m ← β₁·m + (1 − β₁)·g,   v ← β₂·v + (1 − β₂)·g²
 *     p ← p − lr·c₁·m / (√(v·c₂) + ε)
 *
 * c₁ = 1/(1 − β₁ᵗ) and c₂ = 1/(1 − β₂ᵗ) undo the bias towards the zeros that m and v start from;
 * they come as hyper-parameters, so that the step count stays with the trainer and a program serves
 * every step. ε is added after the root and the correction. Nothing is written when norm is not
 * finite. */
#include "ops/updates.h"

#include "ops/op_table.h"

enum { PARAM, FIRST, SECOND, GRAD, GROUP };
enum { ATTR_BETA1, ATTR_BETA2, ATTR_EPSILON, ATTR_L2, ATTR_DECAY, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_BETA1] = {"beta1", BAL_ATTR_FLOAT},     [ATTR_BETA2] = {"beta2", BAL_ATTR_FLOAT},
    [ATTR_EPSILON] = {"epsilon", BAL_ATTR_FLOAT}, [ATTR_L2] = {"l2", BAL_ATTR_FLOAT},
    [ATTR_DECAY] = {"decay", BAL_ATTR_FLOAT},
};

static bal_status infer(BAL_INFER_PARAMS) {
    static const char *const names[GROUP] = {"param", "first moment", "second moment", "grad"};
    BAL_TRY(bal_rule_range(node, ATTR_BETA1, 0, 1, err));
    BAL_TRY(bal_rule_range(node, ATTR_BETA2, 0, 1, err));
    BAL_TRY(bal_rule_not_negative(node, ATTR_EPSILON, 3, err));
    return bal_rule_update(graph, node, names, GROUP, err);
}

static bool mutates(const bal_node *node, int32_t input) {
    return input >= BAL_UPDATE_FIRST && (input - BAL_UPDATE_FIRST) % GROUP != GRAD;
}

static void update(const bal_kernel_args *args, const bal_operand *group, double factor) {
    const bal_attr *attr = args->node->attr;
    double beta1 = attr[ATTR_BETA1].f, beta2 = attr[ATTR_BETA2].f;
    double lr = bal_update_hyper(args, BAL_HYPER_LR);
    double correction1 = bal_update_hyper(args, BAL_HYPER_CORRECTION1);
    double correction2 = bal_update_hyper(args, BAL_HYPER_CORRECTION2);
    int64_t count = bal_operand_count(&group[PARAM]);
    for (int64_t i = 0; i < count; i++) {
        double p = bal_get_real(&group[PARAM], i);
        p -= lr * attr[ATTR_DECAY].f * p;
        double g = bal_get_real(&group[GRAD], i) * factor + attr[ATTR_L2].f * p;
        double m = beta1 * bal_get_real(&group[FIRST], i) + (1 - beta1) * g;
        double v = beta2 * bal_get_real(&group[SECOND], i) + (1 - beta2) * g * g;
        p -= lr * correction1 * m / (sqrt(v * correction2) + attr[ATTR_EPSILON].f);
        bal_set_real(&group[FIRST], i, m);
        bal_set_real(&group[SECOND], i, v);
        bal_set_real(&group[PARAM], i, p);
    }
}

static void reference(const bal_kernel_args *args) {
    double norm = bal_update_norm(args);
    if (!isfinite(norm)) return;
    double factor = bal_clip_factor(bal_update_hyper(args, BAL_HYPER_CLIP), norm);
    for (int32_t i = BAL_UPDATE_FIRST; i < args->n_in; i += GROUP)
        update(args, &args->in[i], factor);
}

const bal_op bal_op_adam_update = {
    .name = "adam_update",
    .summary = "Adam or AdamW with clipping",
    .source = "Kingma & Ba 2015, arXiv 1412.6980; Loshchilov & Hutter 2019, arXiv 1711.05101",
    .min_in = BAL_UPDATE_FIRST + GROUP,
    .max_in = -1,
    .n_out = 0,
    .flags = BAL_OP_EFFECT,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .reference = reference,
    .mutates = mutates,
    .tolerance = 1e-6,
};

void bal_adam_update(bal_graph *g, bal_value hyper, bal_value norm, const bal_value *params,
                     const bal_value *first, const bal_value *second, const bal_value *grads,
                     int32_t n, double beta1, double beta2, double epsilon, double l2,
                     double decay) {
    bal_attr attr[ATTR_COUNT] = {
        [ATTR_BETA1].f = beta1, [ATTR_BETA2].f = beta2, [ATTR_EPSILON].f = epsilon,
        [ATTR_L2].f = l2,       [ATTR_DECAY].f = decay,
    };
    const bal_value *const tensors[GROUP] = {
        [PARAM] = params, [FIRST] = first, [SECOND] = second, [GRAD] = grads};
    bal_update_add(g, &bal_op_adam_update, hyper, norm, tensors, GROUP, n, attr);
}
