/* Differentiation: reverse accumulation over the node list (Baur & Strassen 1983; Griewank &
 * Walther, "Evaluating Derivatives", 2008, ch. 3).
 *
 * Nodes are in execution order, so one walk from the loss back to the first node sees every value
 * after all its users. Only nodes between `wrt` and the loss are visited: labels, masks and frozen
 * parts get no gradient nodes. Where a value has several users, their contributions are summed in
 * the order of the walk, which is fixed, so that the sum is always rounded alike. Op gradients may
 * give more than is asked for (the gradient of the first layer's input): pruning removes it. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "graph/graph_impl.h"

/* The state of one walk. Arrays are by id of the values there were at its start. */
typedef struct walk {
    bal_graph *graph;
    size_t n_values;
    bool *depends;     /* on some wrt */
    bal_value *grad;   /* d loss / d value so far, or BAL_NO_VALUE */
    bal_value *per_in; /* what an op's gradient function gave, room for the widest node */
} walk;

/* Mark what depends on wrt, node by node up to `last`. */
static void mark_dependents(walk *w, const bal_value *wrt, int32_t n_wrt, int32_t last) {
    for (int32_t i = 0; i < n_wrt; i++)
        w->depends[wrt[i].id] = true;
    for (int32_t i = 0; i <= last; i++) {
        const bal_node *node = w->graph->nodes[i];
        if (!node->op) continue;
        bool any = false;
        for (int32_t k = 0; k < node->n_in; k++)
            any |= bal_value_is_some(node->in[k]) && w->depends[node->in[k].id];
        for (int32_t k = 0; any && k < node->n_out; k++)
            w->depends[node->out[k].id] = true;
    }
}

/* A gradient must look like its value, or a shape rule of a gradient op is wrong. */
static bool fits(walk *w, const bal_node *node, int32_t input, bal_value grad) {
    const bal_value_info *wanted = bal_graph_info(w->graph, node->in[input]);
    const bal_value_info *found = bal_graph_info(w->graph, grad);
    if (wanted->dtype == found->dtype && bal_shape_equal(&wanted->shape, &found->shape))
        return true;
    char wanted_text[128], found_text[128];
    bal_graph_fail(w->graph, BAL_EINTERNAL, "input %d needs a gradient %s%s, the op gives %s%s",
                   input, bal_dtype_name(wanted->dtype),
                   bal_shape_text(&wanted->shape, wanted_text, sizeof wanted_text),
                   bal_dtype_name(found->dtype),
                   bal_shape_text(&found->shape, found_text, sizeof found_text));
    return false;
}

static void accumulate(walk *w, bal_value value, bal_value contribution) {
    bal_value *sum = &w->grad[value.id];
    if (!bal_value_is_some(*sum)) {
        *sum = contribution;
        return;
    }
    const bal_op *add = bal_graph_find_op(w->graph, "add");
    if (!add) {
        bal_graph_fail(w->graph, BAL_EINTERNAL, "the op table lacks 'add', which sums gradients");
        return;
    }
    *sum = bal_graph_add(w->graph, add, (bal_value[]){*sum, contribution}, 2, NULL);
}

static void visit(walk *w, const bal_node *node) {
    bool wanted = false, reached = false;
    for (int32_t k = 0; k < node->n_in; k++)
        wanted |= bal_value_is_some(node->in[k]) && w->depends[node->in[k].id];
    bal_value grad_out[BAL_OUT_MAX];
    for (int32_t k = 0; k < BAL_OUT_MAX; k++) {
        grad_out[k] = k < node->n_out ? w->grad[node->out[k].id] : BAL_NO_VALUE;
        reached |= bal_value_is_some(grad_out[k]);
    }
    if (!wanted || !reached) return;
    if (!node->op->grad) {
        bal_graph_fail(w->graph, BAL_EUNSUPPORTED,
                       "'%s' has no gradient, yet the loss depends through it on a value to train",
                       node->op->name);
        return;
    }
    for (int32_t k = 0; k < node->n_in; k++)
        w->per_in[k] = BAL_NO_VALUE;
    node->op->grad(w->graph, node, grad_out, w->per_in);
    for (int32_t k = 0; k < node->n_in && !bal_graph_failed(w->graph); k++) {
        if (!bal_value_is_some(node->in[k]) || !bal_value_is_some(w->per_in[k])) continue;
        if (w->depends[node->in[k].id] && fits(w, node, k, w->per_in[k]))
            accumulate(w, node->in[k], w->per_in[k]);
    }
}

static void walk_back(walk *w, int32_t last) {
    for (int32_t i = last; i >= 0 && !bal_graph_failed(w->graph); i--) {
        const bal_node *node = w->graph->nodes[i];
        if (!node->op) continue;
        w->graph->differentiating = node;
        visit(w, node);
    }
    w->graph->differentiating = NULL;
}

static bool check_arguments(bal_graph *graph, bal_value loss, const bal_value *wrt, int32_t n_wrt) {
    if (bal_graph_failed(graph)) return false;
    const bal_value_info *info = bal_graph_info(graph, loss);
    if (!bal_graph_has(graph, loss) || info->dtype != graph->float_type || info->shape.rank != 1 ||
        info->shape.dim[0] != 1) {
        char text[128];
        bal_graph_fail(graph, BAL_EINVAL, "the loss must be %s[1], is %s%s",
                       bal_dtype_name(graph->float_type), bal_dtype_name(info->dtype),
                       bal_shape_text(&info->shape, text, sizeof text));
        return false;
    }
    for (int32_t i = 0; i < n_wrt; i++)
        if (!bal_graph_has(graph, wrt[i])) {
            bal_graph_fail(graph, BAL_EINVAL, "value %d to differentiate by is not of this graph",
                           i);
            return false;
        }
    return true;
}

void bal_graph_differentiate(bal_graph *graph, bal_value loss, const bal_value *wrt, int32_t n_wrt,
                             bal_value *ret_grads) {
    for (int32_t i = 0; i < n_wrt; i++)
        ret_grads[i] = BAL_NO_VALUE;
    if (!check_arguments(graph, loss, wrt, n_wrt)) return;

    size_t widest = 1;
    for (size_t i = 0; i < graph->n_nodes; i++)
        if ((size_t)graph->nodes[i]->n_in > widest) widest = (size_t)graph->nodes[i]->n_in;
    walk w = {.graph = graph, .n_values = graph->n_values};
    w.depends = bal_calloc(w.n_values, sizeof *w.depends);
    w.grad = bal_calloc(w.n_values, sizeof *w.grad);
    w.per_in = bal_calloc(widest, sizeof *w.per_in);
    if (!w.depends || !w.grad || !w.per_in) {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory to differentiate %zu values", w.n_values);
        goto out;
    }
    for (size_t i = 0; i < w.n_values; i++)
        w.grad[i] = BAL_NO_VALUE;

    int32_t last = graph->values[loss.id]->node;
    mark_dependents(&w, wrt, n_wrt, last);
    if (!w.depends[loss.id]) goto out;
    w.grad[loss.id] = bal_graph_scalar(graph, 1.0);
    walk_back(&w, last);
    for (int32_t i = 0; i < n_wrt && !bal_graph_failed(graph); i++)
        ret_grads[i] = w.grad[wrt[i].id];
out:
    bal_free(w.depends);
    bal_free(w.grad);
    bal_free(w.per_in);
}
