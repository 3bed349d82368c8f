/* Liveness of values over the node list; see liveness.h. */
#include "graph/liveness.h"

void bal_liveness_last_use(const bal_graph *graph, const bal_value *keep, int32_t n_keep,
                           int32_t *ret_last_use) {
    for (size_t i = 0; i < graph->n_values; i++)
        ret_last_use[i] = -1;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const bal_node *node = graph->nodes[i];
        if (!node->op) continue;
        for (int32_t k = 0; k < node->n_in; k++)
            if (bal_value_is_some(node->in[k])) ret_last_use[node->in[k].id] = (int32_t)i;
        for (int32_t k = 0; k < node->n_out; k++)
            ret_last_use[node->out[k].id] = (int32_t)i;
    }
    for (int32_t i = 0; i < n_keep; i++)
        if (bal_graph_has(graph, keep[i])) ret_last_use[keep[i].id] = (int32_t)graph->n_nodes;
}

bool bal_liveness_may_share(const bal_graph *graph, const int32_t *last_use, int32_t index,
                            int32_t input) {
    const bal_node *node = graph->nodes[index];
    bal_value in = node->in[input];
    if (input >= 32 || node->n_out == 0 || !bal_value_is_some(in)) return false;
    const bal_value_info *from = graph->values[in.id], *to = graph->values[node->out[0].id];
    if (from->kind != BAL_VALUE_COMPUTED || last_use[in.id] != index) return false;
    if (from->dtype != to->dtype || bal_shape_count(&from->shape) != bal_shape_count(&to->shape))
        return false;
    for (int32_t i = 0; i < node->n_in; i++) {
        bool allowed = i < 32 && (node->op->inplace_in >> i & 1);
        if (node->in[i].id == in.id && !allowed) return false;
    }
    return true;
}

size_t bal_liveness_workspace(const bal_graph *graph, const size_t *workspace_bytes,
                              int32_t index) {
    if (workspace_bytes) return workspace_bytes[index];
    const bal_node *node = graph->nodes[index];
    return node->op->workspace ? node->op->workspace(graph, node) : 0;
}
