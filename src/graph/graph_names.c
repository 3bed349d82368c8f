/* Names of values and the scopes put before them.
 *
 * Model files, stores and checkpoints find tensors by name, so names are unique within a graph. The
 * table is open-addressed with linear probing and at most half full; nothing is ever removed. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "graph/graph_impl.h"

/* Slot of `name`, or the free slot where it belongs. The table must not be empty or full. */
static bal_graph_name *slot_of(bal_graph_name *names, size_t capacity, const char *name) {
    size_t mask = capacity - 1;
    size_t index = (size_t)bal_hash_name(name) & mask;
    while (names[index].name && strcmp(names[index].name, name) != 0)
        index = (index + 1) & mask;
    return &names[index];
}

static bool grow(bal_graph *graph) {
    size_t capacity = graph->name_capacity ? graph->name_capacity * 2 : 64;
    bal_graph_name *names = bal_calloc(capacity, sizeof *names);
    if (!names) return false;
    for (size_t i = 0; i < graph->name_capacity; i++)
        if (graph->names[i].name) *slot_of(names, capacity, graph->names[i].name) = graph->names[i];
    bal_free(graph->names);
    graph->names = names;
    graph->name_capacity = capacity;
    return true;
}

bool bal_graph_register_name(bal_graph *graph, const char *name, bal_value value) {
    if (2 * (graph->n_names + 1) > graph->name_capacity && !grow(graph)) {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory for the name table of the graph");
        return false;
    }
    bal_graph_name *slot = slot_of(graph->names, graph->name_capacity, name);
    if (slot->name) {
        bal_graph_fail(graph, BAL_EINVAL,
                       "the name '%s' is already taken by value %%%d; names are unique, so put the "
                       "second one into a scope of its own or share the value",
                       name, slot->value.id);
        return false;
    }
    *slot = (bal_graph_name){name, value};
    graph->n_names++;
    return true;
}

bal_value bal_graph_find(const bal_graph *graph, const char *name) {
    if (graph->name_capacity == 0) return BAL_NO_VALUE;
    const bal_graph_name *slot = slot_of(graph->names, graph->name_capacity, name);
    if (!slot->name) return BAL_NO_VALUE;
    const bal_value_info *info = graph->values[slot->value.id];
    bool removed = info->kind == BAL_VALUE_COMPUTED && !graph->nodes[info->node]->op;
    return removed ? BAL_NO_VALUE : slot->value;
}

/* prefix + formatted text in the arena; NULL with the sticky error set when memory is out. */
static char *format_name(bal_graph *graph, const char *prefix, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static char *format_name(bal_graph *graph, const char *prefix, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t prefix_length = strlen(prefix);
    char *name = NULL;
    if (length >= 0) name = bal_arena_alloc(&graph->arena, prefix_length + (size_t)length + 1, 1);
    if (!name) {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory for a name in the graph");
        return NULL;
    }
    memcpy(name, prefix, prefix_length);
    vsnprintf(name + prefix_length, (size_t)length + 1, format, args);
    return name;
}

void bal_graph_set_name(bal_graph *graph, bal_value value, const char *format, ...) {
    if (bal_graph_failed(graph) || !bal_value_is_some(value)) return;
    if (!bal_graph_has(graph, value) || graph->values[value.id]->kind != BAL_VALUE_COMPUTED) {
        bal_graph_fail(graph, BAL_EINVAL,
                       "value %%%d cannot be named: only computed values of this graph can",
                       value.id);
        return;
    }
    va_list args;
    va_start(args, format);
    const char *name = format_name(graph, bal_graph_prefix(graph), format, args);
    va_end(args);
    if (name && bal_graph_register_name(graph, name, value)) graph->values[value.id]->name = name;
}

void bal_graph_push_scope(bal_graph *graph, const char *format, ...) {
    if (bal_graph_failed(graph)) return;
    va_list args;
    va_start(args, format);
    const char *inner = format_name(graph, bal_graph_prefix(graph), format, args);
    va_end(args);
    const char *prefix = inner ? bal_arena_printf(&graph->arena, "%s.", inner) : NULL;
    bal_graph_scope *scope = prefix ? bal_arena_alloc(&graph->arena, 1, sizeof *scope) : NULL;
    if (!scope) {
        bal_graph_fail(graph, BAL_ENOMEM, "no memory for a scope of the graph");
        return;
    }
    *scope = (bal_graph_scope){graph->scope, prefix};
    graph->scope = scope;
}

void bal_graph_pop_scope(bal_graph *graph) {
    if (bal_graph_failed(graph)) return;
    if (!graph->scope) {
        bal_graph_fail(graph, BAL_EINTERNAL, "bal_graph_pop_scope without a matching push");
        return;
    }
    graph->scope = graph->scope->outer;
}
