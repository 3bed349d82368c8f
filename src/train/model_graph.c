/* Graphs in model files. See train/model_graph.h. */
#include "train/model_graph.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"

/* ---- writing ---- */

static void write_shape(const bal_shape *shape, bool open_batch, bal_json_out *out) {
    bal_json_out_key(out, "shape");
    bal_json_out_row(out);
    for (int32_t d = 0; d < shape->rank; d++)
        bal_json_out_integer(out, d == 0 && open_batch ? -1 : shape->dim[d]);
    bal_json_out_array_end(out);
}

static void write_leaves(const bal_graph *graph, bal_value_kind kind, bal_value_kind or_kind,
                         bal_json_out *out) {
    bal_json_out_array(out);
    for (int32_t id = 0; id < bal_graph_value_count(graph); id++) {
        const bal_value_info *info = bal_graph_info(graph, (bal_value){id});
        if (info->kind != kind && info->kind != or_kind) continue;
        bal_json_out_object(out);
        bal_json_out_named_integer(out, "id", id);
        bal_json_out_named_string(out, "name", info->name);
        if (kind == BAL_VALUE_INPUT)
            bal_json_out_named_string(out, "dtype", bal_dtype_name(info->dtype));
        else
            bal_json_out_named_string(out, "kind",
                                      info->kind == BAL_VALUE_PARAMETER ? "parameter" : "state");
        write_shape(&info->shape, kind == BAL_VALUE_INPUT, out);
        bal_json_out_object_end(out);
    }
    bal_json_out_array_end(out);
}

static bal_status write_constants(const bal_graph *graph, bal_json_out *out, bal_error *err) {
    bal_json_out_array(out);
    for (int32_t id = 0; id < bal_graph_value_count(graph); id++) {
        const bal_value_info *info = bal_graph_info(graph, (bal_value){id});
        if (info->kind != BAL_VALUE_CONSTANT) continue;
        if (info->dtype != BAL_F32)
            return bal_fail(err, BAL_EUNSUPPORTED, "a model file cannot hold a %s constant",
                            bal_dtype_name(info->dtype));
        bal_json_out_object(out);
        bal_json_out_named_integer(out, "id", id);
        write_shape(&info->shape, false, out);
        bal_json_out_key(out, "values");
        bal_json_out_row(out);
        for (int64_t i = 0; i < bal_shape_count(&info->shape); i++)
            bal_json_out_number(out, ((const float *)info->constant)[i]);
        bal_json_out_array_end(out);
        bal_json_out_object_end(out);
    }
    bal_json_out_array_end(out);
    return BAL_OK;
}

static void write_node(const bal_node *node, bal_json_out *out) {
    bal_json_out_object(out);
    bal_json_out_named_string(out, "op", node->op->name);
    bal_json_out_key(out, "in");
    bal_json_out_row(out);
    for (int32_t i = 0; i < node->n_in; i++)
        bal_json_out_integer(out, node->in[i].id);
    bal_json_out_array_end(out);
    bal_json_out_key(out, "out");
    bal_json_out_row(out);
    for (int32_t i = 0; i < node->n_out; i++)
        bal_json_out_integer(out, node->out[i].id);
    bal_json_out_array_end(out);
    bal_json_out_key(out, "attrs");
    bal_json_out_object(out);
    for (int32_t i = 0; i < node->op->n_attrs; i++) {
        const bal_attr_spec *spec = &node->op->attrs[i];
        if (spec->kind == BAL_ATTR_INT)
            bal_json_out_named_integer(out, spec->name, node->attr[i].i);
        else
            bal_json_out_named_number(out, spec->name, node->attr[i].f);
    }
    bal_json_out_object_end(out);
    bal_json_out_object_end(out);
}

bal_status bal_model_graph_write(const bal_graph *graph, const char *const *names,
                                 const bal_value *values, int32_t n_outputs, bal_json_out *out,
                                 bal_error *err) {
    bal_json_out_object(out);
    bal_json_out_key(out, "inputs");
    write_leaves(graph, BAL_VALUE_INPUT, BAL_VALUE_INPUT, out);
    bal_json_out_key(out, "parameters");
    write_leaves(graph, BAL_VALUE_PARAMETER, BAL_VALUE_STATE, out);
    bal_json_out_key(out, "constants");
    BAL_TRY(write_constants(graph, out, err));
    bal_json_out_key(out, "nodes");
    bal_json_out_array(out);
    for (int32_t i = 0; i < bal_graph_node_count(graph); i++)
        if (bal_graph_node(graph, i)->op) write_node(bal_graph_node(graph, i), out);
    bal_json_out_array_end(out);
    bal_json_out_key(out, "outputs");
    bal_json_out_array(out);
    for (int32_t i = 0; i < n_outputs; i++) {
        bal_json_out_object(out);
        bal_json_out_named_string(out, "head", names[i]);
        bal_json_out_named_integer(out, "id", values[i].id);
        bal_json_out_object_end(out);
    }
    bal_json_out_array_end(out);
    bal_json_out_object_end(out);
    return BAL_OK;
}

/* ---- reading ---- */

enum { IDS_MAX = 1 << 20, IN_MAX = 4096 };

/* Elements of all values computed for one batch: 1 GiB of f32. A file must not be able to ask for
 * all the memory there is. */
static const int64_t computed_max = 1 << 28;

/** A graph being rebuilt: file ids to values. */
typedef struct graph_reader {
    bal_graph *graph;
    int64_t batch;
    bal_value *value; /* [ids] */
    bool *known;
    int64_t ids;
    int64_t computed; /* elements of computed values so far */
    bal_error *err;
} graph_reader;

static bal_status malformed(const graph_reader *reader, const char *what) {
    return bal_fail(reader->err, BAL_EFORMAT, "model graph: %s", what);
}

static bal_status set_value(graph_reader *reader, const json_t *id, bal_value value) {
    int64_t number = json_is_integer(id) ? json_integer_value(id) : -1;
    if (number < 0 || number >= reader->ids) return malformed(reader, "an id is out of range");
    if (reader->known[number]) return malformed(reader, "an id is given twice");
    reader->known[number] = true;
    reader->value[number] = value;
    return BAL_OK;
}

static bal_status get_value(const graph_reader *reader, const json_t *id, bal_value *ret_value) {
    int64_t number = json_is_integer(id) ? json_integer_value(id) : -2;
    *ret_value = BAL_NO_VALUE;
    if (number == -1) return BAL_OK;
    if (number < 0 || number >= reader->ids || !reader->known[number])
        return malformed(reader, "a node uses an id that is not known yet");
    *ret_value = reader->value[number];
    return BAL_OK;
}

static bal_status read_shape(const graph_reader *reader, const json_t *item, bal_shape *ret_shape) {
    const json_t *dims = json_object_get(item, "shape");
    size_t rank = json_array_size(dims), bytes;
    if (!json_is_array(dims) || rank > BAL_RANK_MAX) return malformed(reader, "no usable shape");
    ret_shape->rank = (int32_t)rank;
    for (size_t d = 0; d < rank; d++) {
        const json_t *dim = json_array_get(dims, d);
        int64_t size = json_is_integer(dim) ? json_integer_value(dim) : -2;
        if (size == -1 && d == 0) size = reader->batch;
        if (size < 1) return malformed(reader, "a dimension is not positive");
        ret_shape->dim[d] = size;
    }
    if (!bal_shape_bytes(ret_shape, BAL_F64, &bytes))
        return malformed(reader, "a shape is too large");
    return BAL_OK;
}

static bal_status read_inputs(graph_reader *reader, const json_t *items) {
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *dtype = json_string_value(json_object_get(item, "dtype"));
        bal_shape shape;
        if (!name || !dtype || strcmp(dtype, "f32") != 0)
            return malformed(reader, "an input is not f32 or has no name");
        BAL_TRY(read_shape(reader, item, &shape));
        BAL_TRY(set_value(reader, json_object_get(item, "id"),
                          bal_graph_input(reader->graph, name, BAL_F32, shape)));
    }
    return BAL_OK;
}

static bal_status read_parameters(graph_reader *reader, const json_t *items) {
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *kind = json_string_value(json_object_get(item, "kind"));
        bal_shape shape;
        if (!name || !kind) return malformed(reader, "a parameter has no name or kind");
        BAL_TRY(read_shape(reader, item, &shape));
        bal_value value = strcmp(kind, "state") == 0
                              ? bal_graph_state(reader->graph, name, BAL_F32, shape)
                              : bal_graph_parameter(reader->graph, name, shape);
        BAL_TRY(set_value(reader, json_object_get(item, "id"), value));
    }
    return BAL_OK;
}

static bal_status read_constants(graph_reader *reader, const json_t *items) {
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const json_t *numbers = json_object_get(item, "values");
        bal_shape shape;
        BAL_TRY(read_shape(reader, item, &shape));
        size_t count = json_array_size(numbers);
        if ((int64_t)count != bal_shape_count(&shape))
            return malformed(reader, "a constant does not fill its shape");
        float *values = bal_calloc(count, sizeof *values);
        if (!values) return bal_fail_memory(reader->err, count * sizeof *values);
        bool fine = true;
        for (size_t k = 0; k < count; k++) {
            double number = 0;
            fine = fine && bal_json_number(json_array_get(numbers, k), &number);
            values[k] = (float)number;
        }
        bal_value value = bal_graph_constant(reader->graph, BAL_F32, shape, values);
        bal_free(values);
        if (!fine) return malformed(reader, "a constant is not a number");
        BAL_TRY(set_value(reader, json_object_get(item, "id"), value));
    }
    return BAL_OK;
}

static bal_status read_attrs(const graph_reader *reader, const bal_op *op, const json_t *attrs,
                             bal_attr *ret_attrs) {
    for (int32_t i = 0; i < op->n_attrs; i++) {
        const json_t *attr = json_object_get(attrs, op->attrs[i].name);
        if (op->attrs[i].kind == BAL_ATTR_INT) {
            if (!json_is_integer(attr)) return malformed(reader, "an attribute is missing");
            ret_attrs[i].i = json_integer_value(attr);
        } else if (!bal_json_number(attr, &ret_attrs[i].f)) {
            return malformed(reader, "an attribute is missing");
        }
    }
    return BAL_OK;
}

/** The op of a node, when it is one that a model may have. */
static bal_status read_op(const graph_reader *reader, const json_t *item, const bal_op **ret_op) {
    const char *name = json_string_value(json_object_get(item, "op"));
    const bal_op *op = name ? bal_op_find(name) : NULL;
    if (!op)
        return bal_fail(reader->err, BAL_EFORMAT,
                        "model graph: unknown op '%.64s'; the file may come from a newer version",
                        name ? name : "");
    if (op->flags & (BAL_OP_EFFECT | BAL_OP_RANDOM))
        return bal_fail(reader->err, BAL_EFORMAT, "model graph: op '%s' has no place in a model",
                        name);
    *ret_op = op;
    return BAL_OK;
}

static bal_status add_node(graph_reader *reader, const bal_op *op, const json_t *in,
                           const bal_attr *attrs, bal_value *ret_first) {
    size_t n_in = json_array_size(in);
    if (n_in > IN_MAX) return malformed(reader, "a node has too many inputs");
    bal_value *values = bal_calloc(n_in, sizeof *values);
    if (!values) return bal_fail_memory(reader->err, n_in * sizeof *values);
    bal_status status = BAL_OK;
    for (size_t i = 0; i < n_in && status == BAL_OK; i++)
        status = get_value(reader, json_array_get(in, i), &values[i]);
    if (status == BAL_OK) {
        *ret_first = bal_graph_add(reader->graph, op, values, (int32_t)n_in, attrs);
        status = bal_graph_check(reader->graph, reader->err);
    }
    bal_free(values);
    return status;
}

static bal_status count_elements(graph_reader *reader, bal_value value) {
    bal_shape shape = bal_graph_shape(reader->graph, value);
    int64_t count = bal_shape_count(&shape);
    if (count > computed_max - reader->computed)
        return malformed(reader, "it asks for more memory than a model may have");
    reader->computed += count;
    return BAL_OK;
}

static bal_status read_node(graph_reader *reader, const json_t *item) {
    const json_t *out = json_object_get(item, "out");
    const bal_op *op = NULL;
    bal_attr attrs[BAL_ATTR_MAX] = {{0}};
    bal_value first = BAL_NO_VALUE;
    BAL_TRY(read_op(reader, item, &op));
    if (json_array_size(out) != (size_t)op->n_out)
        return malformed(reader, "a node has the wrong number of outputs");
    BAL_TRY(read_attrs(reader, op, json_object_get(item, "attrs"), attrs));
    BAL_TRY(add_node(reader, op, json_object_get(item, "in"), attrs, &first));
    for (int32_t i = 0; i < op->n_out; i++) {
        bal_value value = bal_graph_output(reader->graph, first, i);
        BAL_TRY(count_elements(reader, value));
        BAL_TRY(set_value(reader, json_array_get(out, (size_t)i), value));
    }
    return BAL_OK;
}

static bal_status read_outputs(const graph_reader *reader, const json_t *items,
                               const char *const *names, int32_t n_outputs,
                               bal_value *ret_outputs) {
    for (int32_t h = 0; h < n_outputs; h++) {
        ret_outputs[h] = BAL_NO_VALUE;
        for (size_t i = 0; i < json_array_size(items); i++) {
            const json_t *item = json_array_get(items, i);
            const char *name = json_string_value(json_object_get(item, "head"));
            if (name && strcmp(name, names[h]) == 0)
                BAL_TRY(get_value(reader, json_object_get(item, "id"), &ret_outputs[h]));
        }
        const bal_value_info *info = bal_graph_info(reader->graph, ret_outputs[h]);
        if (!bal_value_is_some(ret_outputs[h]) || info->kind != BAL_VALUE_COMPUTED ||
            info->dtype != BAL_F32)
            return malformed(reader, "an output is missing or not computed");
    }
    return BAL_OK;
}

static bal_status read_graph(graph_reader *reader, const json_t *object) {
    const json_t *nodes = json_object_get(object, "nodes");
    BAL_TRY(read_inputs(reader, json_object_get(object, "inputs")));
    BAL_TRY(read_parameters(reader, json_object_get(object, "parameters")));
    BAL_TRY(read_constants(reader, json_object_get(object, "constants")));
    BAL_TRY(bal_graph_check(reader->graph, reader->err));
    for (size_t i = 0; i < json_array_size(nodes); i++)
        BAL_TRY(read_node(reader, json_array_get(nodes, i)));
    return BAL_OK;
}

/** Ids are smaller than all values a file of this many items could make. */
static int64_t count_ids(const json_t *object) {
    static const char *const lists[] = {"inputs", "parameters", "constants", "nodes"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        count += json_array_size(json_object_get(object, lists[i])) * BAL_OUT_MAX;
    return count < IDS_MAX ? (int64_t)count : IDS_MAX;
}

static bal_status read_all(graph_reader *reader, const json_t *object, const char *const *names,
                           int32_t n_outputs, bal_value *ret_outputs) {
    size_t ids = (size_t)reader->ids;
    reader->value = bal_calloc(ids, sizeof *reader->value);
    reader->known = bal_calloc(ids, sizeof *reader->known);
    if (!reader->value || !reader->known)
        return bal_fail_memory(reader->err, ids * sizeof *reader->value);
    BAL_TRY(bal_graph_new(bal_op_table, BAL_F32, &reader->graph, reader->err));
    BAL_TRY(read_graph(reader, object));
    return read_outputs(reader, json_object_get(object, "outputs"), names, n_outputs, ret_outputs);
}

bal_status bal_model_graph_read(const json_t *object, int64_t batch, const char *const *names,
                                int32_t n_outputs, bal_graph **ret_graph, bal_value *ret_outputs,
                                bal_error *err) {
    bal_error why = {0};
    bal_value outputs[BAL_MODEL_OUTPUTS_MAX];
    graph_reader reader = {.batch = batch, .ids = count_ids(object), .err = &why};
    if (reader.ids == 0) return bal_fail(err, BAL_EFORMAT, "model graph: it is empty");
    bal_status status = read_all(&reader, object, names, n_outputs, outputs);
    bal_free(reader.value);
    bal_free(reader.known);
    if (status == BAL_OK) {
        memcpy(ret_outputs, outputs, (size_t)n_outputs * sizeof *outputs);
        *ret_graph = reader.graph;
        return BAL_OK;
    }
    bal_graph_free(reader.graph);
    /* Whatever a builder says to it, it is the file that is wrong. */
    return bal_fail(err, status == BAL_ENOMEM ? BAL_ENOMEM : BAL_EFORMAT, "%s", why.message);
}
