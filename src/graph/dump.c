/* Readable listings of graphs, for `show --graph`, error texts and tests.
 *
 *     %0 f32[32,126] = input  # features
 *     %7 f32[32,512], %8 u8[32,512] = dropout(%6, %2, rate=0.1, stream=3)  # encoder.out
 *
 * Left are the values made, in brackets the inputs ("-" for an optional one not given) and then the
 * attributes, after # the names. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "graph/graph_impl.h"

static void put_type(const bal_value_info *info, bal_text *out) {
    char shape[128];
    bal_text_printf(out, "%s%s", bal_dtype_name(info->dtype),
                    bal_shape_text(&info->shape, shape, sizeof shape));
}

static void put_attribute(const bal_attr_spec *spec, bal_attr attr, bal_text *out) {
    if (spec->kind == BAL_ATTR_INT) {
        bal_text_printf(out, "%s=%lld", spec->name, (long long)attr.i);
    } else {
        char number[32];
        bal_text_format_double(attr.f, number);
        bal_text_printf(out, "%s=%s", spec->name, number);
    }
}

static void put_names(const bal_graph *graph, const bal_value *values, int32_t n, bal_text *out) {
    bool first = true;
    for (int32_t i = 0; i < n; i++) {
        const char *name = graph->values[values[i].id]->name;
        if (!name) continue;
        bal_text_printf(out, "%s%s", first ? "  # " : ", ", name);
        first = false;
    }
    bal_text_puts(out, "\n");
}

static void dump_node(const bal_graph *graph, const bal_node *node, bal_text *out) {
    for (int32_t k = 0; k < node->n_out; k++) {
        bal_text_printf(out, "%s%%%d ", k ? ", " : "", node->out[k].id);
        put_type(graph->values[node->out[k].id], out);
    }
    bal_text_printf(out, "%s%s(", node->n_out ? " = " : "", node->op->name);
    for (int32_t i = 0; i < node->n_in; i++) {
        if (i) bal_text_puts(out, ", ");
        if (bal_value_is_some(node->in[i]))
            bal_text_printf(out, "%%%d", node->in[i].id);
        else
            bal_text_puts(out, "-");
    }
    for (int32_t i = 0; i < node->op->n_attrs; i++) {
        if (node->n_in || i) bal_text_puts(out, ", ");
        put_attribute(&node->op->attrs[i], node->attr[i], out);
    }
    bal_text_puts(out, ")");
    put_names(graph, node->out, node->n_out, out);
}

/* The number of a one-element real constant is worth seeing (scales, learning rates). */
static void put_constant(const bal_value_info *info, bal_text *out) {
    bal_text_puts(out, "constant");
    if (bal_shape_count(&info->shape) != 1) return;
    double number = 0;
    if (info->dtype == BAL_F64) {
        memcpy(&number, info->constant, sizeof number);
    } else if (info->dtype == BAL_F32) {
        float single;
        memcpy(&single, info->constant, sizeof single);
        number = (double)single;
    } else {
        return;
    }
    char text[32];
    bal_text_format_double(number, text);
    bal_text_printf(out, " %s", text);
}

static void dump_source(const bal_graph *graph, bal_value value, bal_text *out) {
    static const char *const kinds[] = {[BAL_VALUE_INPUT] = "input",
                                        [BAL_VALUE_PARAMETER] = "parameter",
                                        [BAL_VALUE_STATE] = "state"};
    const bal_value_info *info = graph->values[value.id];
    bal_text_printf(out, "%%%d ", value.id);
    put_type(info, out);
    bal_text_puts(out, " = ");
    if (info->kind == BAL_VALUE_CONSTANT)
        put_constant(info, out);
    else
        bal_text_puts(out, kinds[info->kind]);
    put_names(graph, &value, 1, out);
}

/* Sources made before value `end` and not listed yet; `next` is where the listing stands. */
static void dump_sources(const bal_graph *graph, int32_t *next, int32_t end, bal_text *out) {
    for (; *next < end; ++*next)
        if (graph->values[*next]->kind != BAL_VALUE_COMPUTED)
            dump_source(graph, (bal_value){*next}, out);
}

void bal_graph_dump(const bal_graph *graph, bal_text *out) {
    int32_t next = 0;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const bal_node *node = graph->nodes[i];
        if (!node->op) continue;
        int32_t end = node->n_out ? node->out[0].id : 0;
        for (int32_t k = 0; k < node->n_in; k++)
            if (node->in[k].id >= end) end = node->in[k].id + 1;
        dump_sources(graph, &next, end, out);
        dump_node(graph, node, out);
    }
    dump_sources(graph, &next, (int32_t)graph->n_values, out);
}

/* Text into a fixed buffer, cut where it is full: errors are described without allocating. */
typedef struct fixed_text {
    char *data;
    size_t size, used;
} fixed_text;

static void put(fixed_text *text, const char *format, ...) BAL_PRINTF(2, 3);
static void put(fixed_text *text, const char *format, ...) {
    size_t room = text->size - text->used;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text->data + text->used, room, format, args);
    va_end(args);
    if (length < 0) return;
    text->used += (size_t)length < room ? (size_t)length : room - 1;
}

void bal_graph_describe_node(const bal_graph *graph, const bal_node *node, char *buffer,
                             size_t size) {
    enum { SHOWN_MAX = 6 };
    fixed_text text = {buffer, size, 0};
    put(&text, "%s(", node->op->name);
    for (int32_t i = 0; i < node->n_in && i < SHOWN_MAX; i++) {
        if (i) put(&text, ", ");
        if (!bal_graph_has(graph, node->in[i])) {
            put(&text, "-");
            continue;
        }
        const bal_value_info *info = graph->values[node->in[i].id];
        char shape[128];
        bal_shape_text(&info->shape, shape, sizeof shape);
        if (info->name)
            put(&text, "%s", info->name);
        else
            put(&text, "%%%d", node->in[i].id);
        put(&text, " %s%s", bal_dtype_name(info->dtype), shape);
    }
    put(&text, node->n_in > SHOWN_MAX ? ", ...)" : ")");
}
