/* Fusion: chains of ops become one op that reads and writes memory once.
 *
 *     linear → activation                      → linear_act
 *     batch_norm → [activation] → [dropout]    → norm_act_dropout
 *
 * The fused node takes the place of the chain's last node and keeps the value ids of all outputs
 * that stay visible, so no reader changes. A chain is left alone when a value between its nodes is
 * read by anybody else or is in `keep`, and when moving its first nodes to the place of the last
 * would reorder a read and a write. Fused ops say what they take: where their rule refuses (gelu
 * after linear), the chain stays. */
#include <string.h>

#include "base/memory.h"
#include "graph/graph_impl.h"

/* Op names and the numbers that fused ops know them by. */
static const struct {
    const char *op;
    bal_activation activation;
} activations[] = {
    {"relu", BAL_ACT_RELU}, {"leaky_relu", BAL_ACT_LEAKY_RELU},
    {"gelu", BAL_ACT_GELU}, {"sigmoid", BAL_ACT_SIGMOID},
    {"tanh", BAL_ACT_TANH},
};

enum { CHAIN_MAX = 3 };

typedef struct fuser {
    bal_graph *graph;
    const bal_op *linear_act, *norm_act_dropout; /* NULL: not in the graph's table */
    size_t n_values;                             /* before fusion, the size of the arrays */
    int32_t *readers;                            /* by value: how many inputs of live nodes it is */
    int32_t *reader;                             /* by value: the last node that reads it */
    bool *keep;                                  /* by value */
} fuser;

/* Nodes of a chain by index, in order. */
typedef struct chain {
    int32_t node[CHAIN_MAX];
    int32_t length;
} chain;

static bool is_op(const bal_node *node, const char *name) {
    return node->op && strcmp(node->op->name, name) == 0;
}

static bal_activation activation_of(const bal_node *node) {
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (is_op(node, activations[i].op)) return activations[i].activation;
    return BAL_ACT_NONE;
}

/* ---- attributes by name, the contract between unfused and fused ops ---- */

static const bal_attr *find_attr(const bal_node *node, const char *name) {
    for (int32_t i = 0; i < node->op->n_attrs; i++)
        if (strcmp(node->op->attrs[i].name, name) == 0) return &node->attr[i];
    return NULL;
}

/* Copy the attributes of `from` that `to` has too. */
static void copy_attrs(bal_node *to, const bal_node *from) {
    for (int32_t i = 0; i < to->op->n_attrs; i++) {
        const bal_attr *attr = find_attr(from, to->op->attrs[i].name);
        if (attr) to->attr[i] = *attr;
    }
}

static void set_activation(bal_node *to, bal_activation activation) {
    for (int32_t i = 0; i < to->op->n_attrs; i++)
        if (strcmp(to->op->attrs[i].name, "activation") == 0) to->attr[i].i = (int64_t)activation;
}

/* ---- finding chains ---- */

/* The node that alone reads output 0 of `index`; -1 when there is no such. */
static int32_t follower(const fuser *f, int32_t index) {
    bal_value value = f->graph->nodes[index]->out[0];
    if (f->keep[value.id] || f->readers[value.id] != 1) return -1;
    return f->reader[value.id];
}

static chain find_linear_chain(const fuser *f, int32_t first) {
    chain found = {{first}, 1};
    int32_t next = follower(f, first);
    if (next >= 0 && activation_of(f->graph->nodes[next]) != BAL_ACT_NONE)
        found.node[found.length++] = next;
    return found;
}

static chain find_norm_chain(const fuser *f, int32_t first) {
    chain found = {{first}, 1};
    int32_t next = follower(f, first);
    if (next >= 0 && activation_of(f->graph->nodes[next]) != BAL_ACT_NONE) {
        found.node[found.length++] = next;
        next = follower(f, next);
    }
    if (next >= 0 && is_op(f->graph->nodes[next], "dropout")) found.node[found.length++] = next;
    return found;
}

/* ---- replacing them ---- */

static bool reads(const bal_node *node, bal_value value) {
    for (int32_t i = 0; i < node->n_in; i++)
        if (node->in[i].id == value.id) return true;
    return false;
}

static bool writes(const bal_node *node, bal_value value) {
    if (!node->op->mutates) return false;
    for (int32_t i = 0; i < node->n_in; i++)
        if (node->in[i].id == value.id && node->op->mutates(node, i)) return true;
    return false;
}

/* Whether computing the chain at the place of its last node would change what is read: by others,
 * of its outputs, or by the chain, of its inputs. */
static bool would_reorder(const fuser *f, const chain *c, const bal_node *fused) {
    for (int32_t i = c->node[0] + 1; i < c->node[c->length - 1]; i++) {
        const bal_node *node = f->graph->nodes[i];
        if (!node->op) continue;
        for (int32_t k = 0; k < fused->n_out; k++)
            if (bal_value_is_some(fused->out[k]) && reads(node, fused->out[k])) return true;
        for (int32_t k = 0; k < fused->n_in; k++)
            if (bal_value_is_some(fused->in[k]) && writes(node, fused->in[k])) return true;
    }
    return false;
}

/* Whether the fused op accepts the inputs and makes what the chain made. */
static bool is_equal(const fuser *f, const bal_node *fused, bal_shape *ret_shape,
                     bal_dtype *ret_dtype) {
    if (bal_graph_infer(f->graph, fused, ret_shape, ret_dtype, NULL) != BAL_OK) return false;
    for (int32_t k = 0; k < fused->n_out; k++) {
        if (!bal_value_is_some(fused->out[k])) continue;
        const bal_value_info *info = f->graph->values[fused->out[k].id];
        if (info->dtype != ret_dtype[k] || !bal_shape_equal(&info->shape, &ret_shape[k]))
            return false;
    }
    return true;
}

/* Put `fused` where the chain's last node is; outputs that are BAL_NO_VALUE become new values. */
static bool replace(fuser *f, const chain *c, bal_node *fused) {
    bal_graph *graph = f->graph;
    bal_shape shape[BAL_OUT_MAX] = {{0}};
    bal_dtype dtype[BAL_OUT_MAX] = {0};
    if (would_reorder(f, c, fused) || !is_equal(f, fused, shape, dtype)) return false;
    int32_t last = c->node[c->length - 1];
    for (int32_t k = 0; k < fused->n_out; k++) {
        if (!bal_value_is_some(fused->out[k]))
            fused->out[k] = bal_graph_add_output(graph, last, k, dtype[k], shape[k]);
        if (bal_graph_failed(graph)) return false;
    }
    for (int32_t k = 0; k < fused->n_out; k++) {
        graph->values[fused->out[k].id]->node = last;
        graph->values[fused->out[k].id]->output = k;
    }
    for (int32_t i = 0; i < c->length; i++)
        graph->nodes[c->node[i]]->op = NULL;
    *graph->nodes[last] = *fused;
    return true;
}

/* A node of `op` with room for n_in inputs and no outputs; its inputs live in the arena. */
static bool start_node(fuser *f, const bal_op *op, int32_t n_in, bal_node *ret_node) {
    bal_value *in = bal_arena_alloc(&f->graph->arena, (size_t)n_in, sizeof *in);
    if (!in) {
        bal_graph_fail(f->graph, BAL_ENOMEM, "no memory to fuse nodes");
        return false;
    }
    *ret_node = (bal_node){.op = op, .n_in = n_in, .n_out = op->n_out, .in = in};
    for (int32_t k = 0; k < BAL_OUT_MAX; k++)
        ret_node->out[k] = BAL_NO_VALUE;
    return true;
}

static bool fuse_linear(fuser *f, const chain *c) {
    const bal_node *linear = f->graph->nodes[c->node[0]];
    const bal_node *act = f->graph->nodes[c->node[1]];
    bal_node fused;
    if (!start_node(f, f->linear_act, linear->n_in, &fused)) return false;
    memcpy(fused.in, linear->in, (size_t)linear->n_in * sizeof *linear->in);
    copy_attrs(&fused, act);
    set_activation(&fused, activation_of(act));
    fused.out[0] = act->out[0];
    return replace(f, c, &fused);
}

static bool fuse_norm(fuser *f, const chain *c) {
    enum { X, GAMMA, BETA, RNG, N_IN };
    enum { Y, MEAN, VARIANCE, MASK };
    const bal_node *norm = f->graph->nodes[c->node[0]];
    const bal_node *last = f->graph->nodes[c->node[c->length - 1]];
    bal_node fused;
    if (!start_node(f, f->norm_act_dropout, N_IN, &fused)) return false;
    memcpy(fused.in, norm->in, RNG * sizeof *norm->in);
    fused.in[RNG] = BAL_NO_VALUE;
    fused.out[Y] = last->out[0];
    fused.out[MEAN] = norm->out[1];
    fused.out[VARIANCE] = norm->out[2];
    for (int32_t i = 0; i < c->length; i++) {
        const bal_node *node = f->graph->nodes[c->node[i]];
        copy_attrs(&fused, node);
        if (activation_of(node) != BAL_ACT_NONE) set_activation(&fused, activation_of(node));
        if (is_op(node, "dropout")) {
            fused.in[RNG] = node->in[1];
            fused.out[MASK] = node->out[1];
        }
    }
    return replace(f, c, &fused);
}

/* Fuse the longest chain from `first` that can be. */
static void fuse_from(fuser *f, int32_t first) {
    const bal_node *node = f->graph->nodes[first];
    chain c = {{first}, 1};
    bool (*fuse)(fuser *, const chain *) = NULL;
    if (f->linear_act && is_op(node, "linear")) {
        c = find_linear_chain(f, first);
        fuse = fuse_linear;
    } else if (f->norm_act_dropout && is_op(node, "batch_norm")) {
        c = find_norm_chain(f, first);
        fuse = fuse_norm;
    }
    for (; c.length > 1 && !bal_graph_failed(f->graph); c.length--)
        if (fuse(f, &c)) return;
}

static void count_readers(fuser *f, const bal_value *keep, int32_t n_keep) {
    for (size_t i = 0; i < f->graph->n_nodes; i++) {
        const bal_node *node = f->graph->nodes[i];
        for (int32_t k = 0; node->op && k < node->n_in; k++) {
            if (!bal_value_is_some(node->in[k])) continue;
            f->readers[node->in[k].id]++;
            f->reader[node->in[k].id] = (int32_t)i;
        }
    }
    for (int32_t i = 0; i < n_keep; i++)
        if (bal_graph_has(f->graph, keep[i])) f->keep[keep[i].id] = true;
}

void bal_graph_fuse(bal_graph *graph, const bal_value *keep, int32_t n_keep) {
    if (bal_graph_failed(graph)) return;
    fuser f = {.graph = graph,
               .linear_act = bal_graph_find_op(graph, "linear_act"),
               .norm_act_dropout = bal_graph_find_op(graph, "norm_act_dropout"),
               .n_values = graph->n_values};
    f.readers = bal_calloc(f.n_values, sizeof *f.readers);
    f.reader = bal_calloc(f.n_values, sizeof *f.reader);
    f.keep = bal_calloc(f.n_values, sizeof *f.keep);
    if (f.readers && f.reader && f.keep) {
        count_readers(&f, keep, n_keep);
        for (int32_t i = 0; i < bal_graph_node_count(graph); i++)
            fuse_from(&f, i);
    } else {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory to fuse %zu nodes", graph->n_nodes);
    }
    bal_free(f.readers);
    bal_free(f.reader);
    bal_free(f.keep);
}
