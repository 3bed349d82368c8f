/* sgd_update: gradient descent, with or without momentum. For each parameter p with velocity v, and
 * g = grad·clip factor + l2·p:
 *
 *     v ← momentum·v + g
 *     p ← p − lr·(nesterov ? g + momentum·v : v) − lr·decay·p
 *
 * PyTorch's SGD without dampening (Sutskever et al. 2013 with the learning rate outside v), with
 * decoupled decay beside it (SGDW, Loshchilov & Hutter 2019); both decays see p before the step.
 * Without momentum there is no velocity and groups are (p, grad). Nothing is written when norm is
 * not finite. */
#include "ops/updates.h"

#include "ops/op_table.h"

enum { ATTR_MOMENTUM, ATTR_NESTEROV, ATTR_L2, ATTR_DECAY, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_MOMENTUM] = {"momentum", BAL_ATTR_FLOAT},
    [ATTR_NESTEROV] = {"nesterov", BAL_ATTR_INT},
    [ATTR_L2] = {"l2", BAL_ATTR_FLOAT},
    [ATTR_DECAY] = {"decay", BAL_ATTR_FLOAT},
};

/* Members of a group: (param, velocity, grad), or (param, grad) without momentum. */
static int32_t group_size(const bal_attr *attr) {
    return attr[ATTR_MOMENTUM].f == 0 ? 2 : 3;
}

static bal_status infer(BAL_INFER_PARAMS) {
    static const char *const plain[] = {"param", "grad"};
    static const char *const heavy[] = {"param", "velocity", "grad"};
    int32_t group = group_size(node->attr);
    BAL_TRY(bal_rule_range(node, ATTR_MOMENTUM, 0, 1, err));
    BAL_TRY(bal_rule_not_negative(node, ATTR_L2, 2, err));
    if (node->attr[ATTR_NESTEROV].i != 0 && group == 2)
        return bal_fail(err, BAL_EINVAL, "nesterov needs a momentum above 0");
    return bal_rule_update(graph, node, group == 2 ? plain : heavy, group, err);
}

static bool mutates(const bal_node *node, int32_t input) {
    int32_t group = group_size(node->attr);
    return input >= BAL_UPDATE_FIRST && (input - BAL_UPDATE_FIRST) % group != group - 1;
}

static void update(const bal_kernel_args *args, const bal_operand *group, int32_t size,
                   double factor) {
    const bal_attr *attr = args->node->attr;
    const bal_operand *param = &group[0], *grad = &group[size - 1];
    const bal_operand *velocity = size == 3 ? &group[1] : NULL;
    double lr = bal_update_hyper(args, BAL_HYPER_LR), momentum = attr[ATTR_MOMENTUM].f;
    int64_t count = bal_operand_count(param);
    for (int64_t i = 0; i < count; i++) {
        double p = bal_get_real(param, i);
        double g = bal_get_real(grad, i) * factor + attr[ATTR_L2].f * p;
        double step = g;
        if (velocity) {
            double v = momentum * bal_get_real(velocity, i) + g;
            bal_set_real(velocity, i, v);
            step = attr[ATTR_NESTEROV].i ? g + momentum * v : v;
        }
        bal_set_real(param, i, p - lr * step - lr * attr[ATTR_DECAY].f * p);
    }
}

static void reference(const bal_kernel_args *args) {
    double norm = bal_update_norm(args);
    if (!isfinite(norm)) return;
    double factor = bal_clip_factor(bal_update_hyper(args, BAL_HYPER_CLIP), norm);
    int32_t group = group_size(args->node->attr);
    for (int32_t i = BAL_UPDATE_FIRST; i < args->n_in; i += group)
        update(args, &args->in[i], group, factor);
}

const bal_op bal_op_sgd_update = {
    .name = "sgd_update",
    .summary = "gradient descent with clipping, momentum and decay",
    .source = "Sutskever et al. 2013; Loshchilov & Hutter 2019; rule of PyTorch",
    .min_in = BAL_UPDATE_FIRST + 2,
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

void bal_sgd_update(bal_graph *g, bal_value hyper, bal_value norm, const bal_value *params,
                    const bal_value *velocities, const bal_value *grads, int32_t n, double momentum,
                    bool nesterov, double l2, double decay) {
    bal_attr attr[ATTR_COUNT] = {
        [ATTR_MOMENTUM].f = momentum,
        [ATTR_NESTEROV].i = nesterov,
        [ATTR_L2].f = l2,
        [ATTR_DECAY].f = decay,
    };
    bool heavy = group_size(attr) == 3;
    if (heavy != (velocities != NULL)) {
        bal_graph_fail(g, BAL_EINVAL, "sgd_update: velocities are needed %s",
                       heavy ? "with a momentum" : "with a momentum only");
        return;
    }
    const bal_value *const tensors[] = {params, heavy ? velocities : grads, grads};
    bal_update_add(g, &bal_op_sgd_update, hyper, norm, tensors, group_size(attr), n, attr);
}
