/* Building and reading graphs: values, nodes, the sticky error.
 *
 * Building checks everything that can be checked without running (arity, types, shapes, sizes), so
 * that passes and backends may rely on it. The contract is in graph.h; names: graph_names.c. */
#include "graph/graph.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "graph/graph_impl.h"

bal_status bal_graph_new(const bal_op *const *ops, bal_dtype float_type, bal_graph **ret_graph,
                         bal_error *err) {
    if (float_type != BAL_F32 && float_type != BAL_F64)
        return bal_fail(err, BAL_EINVAL, "a graph computes in f32 or f64, not in %s",
                        bal_dtype_name(float_type));
    bal_graph *graph = bal_calloc(1, sizeof *graph);
    if (!graph) return bal_fail_memory(err, sizeof *graph);
    graph->ops = ops;
    graph->float_type = float_type;
    *ret_graph = graph;
    return BAL_OK;
}

void bal_graph_free(bal_graph *graph) {
    if (!graph) return;
    bal_arena_release(&graph->arena);
    bal_free(graph->nodes);
    bal_free(graph->values);
    bal_free(graph->names);
    bal_free(graph);
}

bal_dtype bal_graph_float_type(const bal_graph *graph) {
    return graph->float_type;
}

const bal_op *bal_graph_find_op(const bal_graph *graph, const char *name) {
    for (const bal_op *const *op = graph->ops; *op; op++)
        if (strcmp((*op)->name, name) == 0) return *op;
    return NULL;
}

/* ---- errors ---- */

/* Make `error` the sticky one, with where we are put before it. */
static void stick(bal_graph *graph, bal_error *error) {
    if (graph->differentiating) {
        char text[512];
        bal_graph_describe_node(graph, graph->differentiating, text, sizeof text);
        bal_error_prefix(error, "gradient of %s", text);
    }
    const char *prefix = bal_graph_prefix(graph);
    size_t length = strlen(prefix);
    if (length > 0) bal_error_prefix(error, "%.*s", (int)length - 1, prefix);
    graph->error = *error;
}

void bal_graph_fail(bal_graph *graph, bal_status status, const char *format, ...) {
    if (bal_graph_failed(graph)) return;
    char message[sizeof graph->error.message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    bal_error error = {0};
    bal_status recorded = bal_fail(&error, status, "%s", message);
    assert(recorded != BAL_OK);
    (void)recorded;
    stick(graph, &error);
}

bal_status bal_graph_check(const bal_graph *graph, bal_error *err) {
    if (!bal_graph_failed(graph)) return BAL_OK;
    return bal_fail(err, graph->error.status, "%s", graph->error.message);
}

/* ---- values ---- */

/* Every dimension at least 1 and the byte size within range: kernels never see an empty tensor. */
static bal_status check_shape(const bal_shape *shape, bal_dtype dtype, bal_error *err) {
    size_t bytes;
    char text[128];
    if (shape->rank < 1 || shape->rank > BAL_RANK_MAX)
        return bal_fail(err, BAL_EINVAL, "rank must be 1 to %d, is %d", BAL_RANK_MAX, shape->rank);
    for (int32_t i = 0; i < shape->rank; i++)
        if (shape->dim[i] < 1)
            return bal_fail(err, BAL_EINVAL, "every dimension must be at least 1, shape is %s",
                            bal_shape_text(shape, text, sizeof text));
    if (!bal_shape_bytes(shape, dtype, &bytes))
        return bal_fail(err, BAL_EOVERFLOW, "shape %s is too large to address",
                        bal_shape_text(shape, text, sizeof text));
    return BAL_OK;
}

/* Append a description; the caller has reserved the place. */
static bal_value append_value(bal_graph *graph, bal_value_info *info) {
    bal_value value = {(int32_t)graph->n_values};
    graph->values[graph->n_values++] = info;
    return value;
}

static bool reserve_values(bal_graph *graph, size_t more) {
    size_t wanted = graph->n_values + more;
    return wanted <= INT32_MAX && bal_reserve(graph->values, graph->value_capacity, wanted);
}

/* Input, parameter, state or constant. `prefix` goes before the name (NULL name: none). */
static bal_value add_source(bal_graph *graph, bal_value_info description, const char *prefix) {
    if (bal_graph_failed(graph)) return BAL_NO_VALUE;
    const char *name = description.name;
    bal_error error = {0};
    if (check_shape(&description.shape, description.dtype, &error) != BAL_OK) {
        bal_error_prefix(&error, "'%s'", name ? name : "constant");
        stick(graph, &error);
        return BAL_NO_VALUE;
    }
    bal_value_info *info = bal_arena_alloc(&graph->arena, 1, sizeof *info);
    if (name) name = bal_arena_printf(&graph->arena, "%s%s", prefix, name);
    if (!info || (description.name && !name) || !reserve_values(graph, 1)) {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory for another value of the graph");
        return BAL_NO_VALUE;
    }
    *info = description;
    info->name = name;
    info->node = -1;
    if (name && !bal_graph_register_name(graph, name, (bal_value){(int32_t)graph->n_values}))
        return BAL_NO_VALUE;
    return append_value(graph, info);
}

bal_value bal_graph_input(bal_graph *graph, const char *name, bal_dtype dtype, bal_shape shape) {
    bal_value_info info = {.kind = BAL_VALUE_INPUT, .dtype = dtype, .shape = shape, .name = name};
    return add_source(graph, info, "");
}

bal_value bal_graph_parameter(bal_graph *graph, const char *name, bal_shape shape) {
    bal_value_info info = {
        .kind = BAL_VALUE_PARAMETER, .dtype = graph->float_type, .shape = shape, .name = name};
    return add_source(graph, info, bal_graph_prefix(graph));
}

bal_value bal_graph_state(bal_graph *graph, const char *name, bal_dtype dtype, bal_shape shape) {
    bal_value_info info = {.kind = BAL_VALUE_STATE, .dtype = dtype, .shape = shape, .name = name};
    return add_source(graph, info, bal_graph_prefix(graph));
}

bal_value bal_graph_constant(bal_graph *graph, bal_dtype dtype, bal_shape shape,
                             const void *bytes) {
    bal_value_info info = {.kind = BAL_VALUE_CONSTANT, .dtype = dtype, .shape = shape};
    bal_value value = add_source(graph, info, "");
    if (!bal_value_is_some(value)) return value;
    size_t size;
    bool fits = bal_shape_bytes(&shape, dtype, &size);
    assert(fits);
    void *copy = fits ? bal_arena_alloc(&graph->arena, size, 1) : NULL;
    if (!copy) {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory for a constant of %zu bytes", size);
        return BAL_NO_VALUE;
    }
    memcpy(copy, bytes, size);
    graph->values[value.id]->constant = copy;
    return value;
}

bal_value bal_graph_scalar(bal_graph *graph, double number) {
    float single = (float)number;
    const void *bytes =
        graph->float_type == BAL_F32 ? (const void *)&single : (const void *)&number;
    return bal_graph_constant(graph, graph->float_type, BAL_SHAPE1(1), bytes);
}

/* ---- nodes ---- */

int64_t bal_graph_next_stream(bal_graph *graph) {
    return graph->next_stream++;
}

/* Keep the counter ahead of streams that a rebuilt graph brings along. */
static void note_stream(bal_graph *graph, const bal_node *node) {
    if (!(node->op->flags & BAL_OP_RANDOM)) return;
    for (int32_t i = 0; i < node->op->n_attrs; i++)
        if (strcmp(node->op->attrs[i].name, "stream") == 0 &&
            node->attr[i].i >= graph->next_stream && node->attr[i].i < INT64_MAX)
            graph->next_stream = node->attr[i].i + 1;
}

static bal_status check_inputs(const bal_graph *graph, const bal_node *node, bal_error *err) {
    const bal_op *op = node->op;
    if (node->n_in < op->min_in || (op->max_in >= 0 && node->n_in > op->max_in)) {
        if (op->max_in < 0)
            return bal_fail(err, BAL_EINVAL, "takes at least %d inputs, got %d", op->min_in,
                            node->n_in);
        return bal_fail(err, BAL_EINVAL, "takes %d to %d inputs, got %d", op->min_in, op->max_in,
                        node->n_in);
    }
    for (int32_t i = 0; i < node->n_in; i++) {
        bool optional = i < 32 && (op->optional_in >> i & 1);
        if (!bal_value_is_some(node->in[i])) {
            if (optional) continue;
            return bal_fail(err, BAL_EINVAL, "input %d is missing and not optional", i);
        }
        if (!bal_graph_has(graph, node->in[i]))
            return bal_fail(err, BAL_EINVAL, "input %d is no value of this graph (%%%d)", i,
                            node->in[i].id);
        bal_value_kind kind = graph->values[node->in[i].id]->kind;
        if (op->mutates && op->mutates(node, i) && kind != BAL_VALUE_PARAMETER &&
            kind != BAL_VALUE_STATE)
            return bal_fail(err, BAL_EINVAL, "writes input %d, which is not a parameter or state",
                            i);
    }
    return BAL_OK;
}

bal_status bal_graph_infer(const bal_graph *graph, const bal_node *node, bal_shape *ret_shape,
                           bal_dtype *ret_dtype, bal_error *err) {
    BAL_TRY(check_inputs(graph, node, err));
    BAL_TRY(node->op->infer(graph, node, ret_shape, ret_dtype, err));
    for (int32_t k = 0; k < node->n_out; k++) {
        bal_status status = check_shape(&ret_shape[k], ret_dtype[k], err);
        if (status != BAL_OK) {
            bal_error_prefix(err, "output %d", k);
            return status;
        }
    }
    return BAL_OK;
}

/* The node itself, not yet in the list; NULL when memory is out. */
static bal_node *make_node(bal_graph *graph, const bal_op *op, const bal_value *in, int32_t n_in,
                           const bal_attr *attrs) {
    assert(op->n_attrs <= BAL_ATTR_MAX && op->n_out <= BAL_OUT_MAX && n_in >= 0);
    bal_node *node = bal_arena_alloc(&graph->arena, 1, sizeof *node);
    if (!node) return NULL;
    node->op = op;
    node->n_in = n_in;
    node->n_out = op->n_out;
    node->in = bal_arena_alloc(&graph->arena, (size_t)n_in, sizeof *node->in);
    if (!node->in) return NULL;
    if (n_in > 0) memcpy(node->in, in, (size_t)n_in * sizeof *in);
    if (op->n_attrs > 0) memcpy(node->attr, attrs, (size_t)op->n_attrs * sizeof *attrs);
    for (int32_t k = 0; k < BAL_OUT_MAX; k++)
        node->out[k] = BAL_NO_VALUE;
    return node;
}

bal_value bal_graph_add_output(bal_graph *graph, int32_t node, int32_t output, bal_dtype dtype,
                               bal_shape shape) {
    bal_value_info *info = bal_arena_alloc(&graph->arena, 1, sizeof *info);
    if (!info || !reserve_values(graph, 1)) {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory for another value of the graph");
        return BAL_NO_VALUE;
    }
    *info = (bal_value_info){
        .kind = BAL_VALUE_COMPUTED, .dtype = dtype, .shape = shape, .node = node, .output = output};
    return append_value(graph, info);
}

/* Put a checked node at the end of the list and make its values; all or nothing. */
static bool append_node(bal_graph *graph, bal_node *node, const bal_shape *shape,
                        const bal_dtype *dtype) {
    int32_t index = (int32_t)graph->n_nodes;
    size_t n_values = graph->n_values;
    if (index == INT32_MAX ||
        !bal_reserve(graph->nodes, graph->node_capacity, graph->n_nodes + 1)) {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory for another node of the graph");
        return false;
    }
    for (int32_t k = 0; k < node->n_out; k++) {
        node->out[k] = bal_graph_add_output(graph, index, k, dtype[k], shape[k]);
        if (bal_graph_failed(graph)) {
            graph->n_values = n_values;
            return false;
        }
    }
    graph->nodes[graph->n_nodes++] = node;
    return true;
}

bal_value bal_graph_add(bal_graph *graph, const bal_op *op, const bal_value *in, int32_t n_in,
                        const bal_attr *attrs) {
    if (bal_graph_failed(graph)) return BAL_NO_VALUE;
    bal_node *node = make_node(graph, op, in, n_in, attrs);
    if (!node) {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory for another node of the graph");
        return BAL_NO_VALUE;
    }
    bal_shape shape[BAL_OUT_MAX] = {{0}};
    bal_dtype dtype[BAL_OUT_MAX] = {0};
    bal_error error = {0};
    if (bal_graph_infer(graph, node, shape, dtype, &error) != BAL_OK) {
        char text[512];
        bal_graph_describe_node(graph, node, text, sizeof text);
        bal_error_prefix(&error, "%s", text);
        stick(graph, &error);
        return BAL_NO_VALUE;
    }
    if (!append_node(graph, node, shape, dtype)) return BAL_NO_VALUE;
    note_stream(graph, node);
    return node->out[0];
}

/* ---- reading ---- */

bal_value bal_graph_output(const bal_graph *graph, bal_value first, int32_t index) {
    if (!bal_graph_has(graph, first) || index < 0) return BAL_NO_VALUE;
    const bal_value_info *info = graph->values[first.id];
    if (info->kind != BAL_VALUE_COMPUTED) return BAL_NO_VALUE;
    const bal_node *node = graph->nodes[info->node];
    return index < node->n_out ? node->out[index] : BAL_NO_VALUE;
}

int32_t bal_graph_node_count(const bal_graph *graph) {
    return (int32_t)graph->n_nodes;
}

const bal_node *bal_graph_node(const bal_graph *graph, int32_t index) {
    assert(index >= 0 && (size_t)index < graph->n_nodes);
    return graph->nodes[index];
}

int32_t bal_graph_value_count(const bal_graph *graph) {
    return (int32_t)graph->n_values;
}

const bal_value_info *bal_graph_info(const bal_graph *graph, bal_value value) {
    static const bal_value_info nothing = {.kind = BAL_VALUE_CONSTANT, .node = -1};
    return bal_graph_has(graph, value) ? graph->values[value.id] : &nothing;
}

bal_shape bal_graph_shape(const bal_graph *graph, bal_value value) {
    return bal_graph_info(graph, value)->shape;
}
