/* Dead code removal: nodes that nothing needs.
 *
 * One walk from the last node back: a node stays when it has an effect or when a root or a node
 * that stays reads one of its outputs. */
#include <string.h>

#include "base/memory.h"
#include "graph/graph_impl.h"

static bool is_needed(const bal_node *node, const bool *needed) {
    if (node->op->flags & BAL_OP_EFFECT) return true;
    for (int32_t k = 0; k < node->n_out; k++)
        if (needed[node->out[k].id]) return true;
    return false;
}

void bal_graph_prune(bal_graph *graph, const bal_value *roots, int32_t n_roots) {
    if (bal_graph_failed(graph)) return;
    bool *needed = bal_calloc(graph->n_values, sizeof *needed);
    if (!needed) {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory to prune %zu nodes", graph->n_nodes);
        return;
    }
    for (int32_t i = 0; i < n_roots; i++)
        if (bal_graph_has(graph, roots[i])) needed[roots[i].id] = true;
    for (size_t i = graph->n_nodes; i-- > 0;) {
        bal_node *node = graph->nodes[i];
        if (!node->op) continue;
        if (!is_needed(node, needed)) {
            node->op = NULL;
            continue;
        }
        for (int32_t k = 0; k < node->n_in; k++)
            if (bal_value_is_some(node->in[k])) needed[node->in[k].id] = true;
    }
    bal_free(needed);
}
