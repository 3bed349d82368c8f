/* What the files of graph/ share: the structure itself. Nobody else includes this.
 *
 * Nodes and value descriptions live in the arena, so that pointers to them survive growth: gradient
 * functions append nodes while they read one. Only the arrays of pointers are reallocated. */
#ifndef BAL_GRAPH_GRAPH_IMPL_H
#define BAL_GRAPH_GRAPH_IMPL_H

#include "base/arena.h"
#include "base/error.h"
#include "graph/graph.h"
#include "graph/op.h"

/** One entry of the open-addressed name table (graph_names.c); name is NULL where free. */
typedef struct bal_graph_name {
    const char *name;
    bal_value value;
} bal_graph_name;

/** One pushed scope; `prefix` is the whole of it, "encoder.block1.". */
typedef struct bal_graph_scope {
    struct bal_graph_scope *outer;
    const char *prefix;
} bal_graph_scope;

struct bal_graph {
    bal_arena arena;
    const bal_op *const *ops;
    bal_dtype float_type;

    bal_node **nodes;
    size_t n_nodes, node_capacity;
    bal_value_info **values;
    size_t n_values, value_capacity;

    bal_graph_name *names;
    size_t n_names, name_capacity; /* capacity is a power of two, or 0 */
    bal_graph_scope *scope;        /* innermost, or NULL */

    int64_t next_stream;
    const bal_node *differentiating; /* whose gradient is being built, for error texts; or NULL */
    bal_error error;                 /* sticky */
};

static inline bool bal_graph_failed(const bal_graph *graph) {
    return graph->error.status != BAL_OK;
}

/** Whether `value` is a handle of this graph. */
static inline bool bal_graph_has(const bal_graph *graph, bal_value value) {
    return value.id >= 0 && (size_t)value.id < graph->n_values;
}

/** Prefix of the innermost scope, "" outside all. */
static inline const char *bal_graph_prefix(const bal_graph *graph) {
    return graph->scope ? graph->scope->prefix : "";
}

/** Enter a full name into the table. False with the sticky error set when it is taken or memory is
 *  out. `name` must live in the arena. */
bool bal_graph_register_name(bal_graph *graph, const char *name, bal_value value);

/** Check a node's inputs and find its outputs' shapes and types (arrays of BAL_OUT_MAX). */
BAL_WARN_UNUSED bal_status bal_graph_infer(const bal_graph *graph, const bal_node *node,
                                           bal_shape *ret_shape, bal_dtype *ret_dtype,
                                           bal_error *err);

/** Append a computed value made by output `output` of node `node`; BAL_NO_VALUE with the sticky
 *  error set when memory is out. */
bal_value bal_graph_add_output(bal_graph *graph, int32_t node, int32_t output, bal_dtype dtype,
                               bal_shape shape);

/** `op(name f32[2,3], %4 f32[3])` for error texts; cut with "..." when there is much. */
void bal_graph_describe_node(const bal_graph *graph, const bal_node *node, char *buffer,
                             size_t size);

#endif
