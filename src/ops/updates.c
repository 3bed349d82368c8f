/* Shared parts of the parameter updates; see updates.h. */
#include "ops/updates.h"

#include <stdio.h>

#include "base/memory.h"

bal_status bal_rule_update(const bal_graph *graph, const bal_node *node, const char *const *names,
                           int32_t group, bal_error *err) {
    BAL_TRY(bal_rule_real_shape(graph, node, BAL_UPDATE_HYPER, "hyper", BAL_SHAPE1(BAL_HYPER_COUNT),
                                err));
    BAL_TRY(bal_rule_real_shape(graph, node, BAL_UPDATE_NORM, "norm", BAL_SHAPE1(1), err));
    if ((node->n_in - BAL_UPDATE_FIRST) % group != 0)
        return bal_fail(err, BAL_EINVAL,
                        "takes hyper, norm and groups of %d tensors, got %d inputs", (int)group,
                        (int)node->n_in);
    for (int32_t i = BAL_UPDATE_FIRST; i < node->n_in; i++) {
        int32_t member = (i - BAL_UPDATE_FIRST) % group;
        char what[64];
        snprintf(what, sizeof what, "%s %d", names[member], (int)((i - BAL_UPDATE_FIRST) / group));
        BAL_TRY(bal_rule_real_shape(graph, node, i, what, bal_input_shape(graph, node, i - member),
                                    err));
    }
    return BAL_OK;
}

bal_status bal_rule_not_negative(const bal_node *node, int32_t first, int32_t count,
                                 bal_error *err) {
    for (int32_t i = first; i < first + count; i++) {
        double value = node->attr[i].f;
        if (isfinite(value) && value >= 0) continue;
        return bal_fail(err, BAL_EINVAL, "%s must be a number of at least 0, but is %g",
                        node->op->attrs[i].name, value);
    }
    return BAL_OK;
}

void bal_update_add(bal_graph *graph, const bal_op *op, bal_value hyper, bal_value norm,
                    const bal_value *const *tensors, int32_t group, int32_t n,
                    const bal_attr *attrs) {
    if (n < 1 || n > (INT32_MAX - BAL_UPDATE_FIRST) / group) {
        bal_graph_fail(graph, BAL_EINVAL, "%s: number of parameters must be 1 to %d, but is %d",
                       op->name, (INT32_MAX - BAL_UPDATE_FIRST) / (int)group, (int)n);
        return;
    }
    int32_t n_in = BAL_UPDATE_FIRST + group * n;
    bal_value *in = bal_calloc((size_t)n_in, sizeof *in);
    if (!in) {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory for the inputs of %s", op->name);
        return;
    }
    in[BAL_UPDATE_HYPER] = hyper;
    in[BAL_UPDATE_NORM] = norm;
    for (int32_t i = 0; i < n; i++)
        for (int32_t k = 0; k < group; k++)
            in[BAL_UPDATE_FIRST + group * i + k] = tensors[k][i];
    bal_graph_add(graph, op, in, n_in, attrs);
    bal_free(in);
}
