/* See interpreter.h. */
#include "support/interpreter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 64-byte aligned block of exactly `bytes`: what lies behind is not ours. */
static void *block_new(size_t bytes) {
    void *block = NULL;
    assert_int_equal(posix_memalign(&block, 64, bytes ? bytes : 1), 0);
    memset(block, 0, bytes);
    return block;
}

static size_t value_bytes(const interpreter *it, bal_value value) {
    const bal_value_info *info = bal_graph_info(it->graph, value);
    size_t bytes = 0;
    assert_true(bal_shape_bytes(&info->shape, info->dtype, &bytes));
    return bytes;
}

void interpreter_init(interpreter *it, const bal_graph *graph) {
    bal_error err = {0};
    if (bal_graph_check(graph, &err) != BAL_OK) fail_msg("%s", err.message);
    *it = (interpreter){.graph = graph,
                        .n_values = bal_graph_value_count(graph),
                        .n_nodes = bal_graph_node_count(graph)};
    it->data = calloc((size_t)it->n_values + 1, sizeof *it->data);
    it->owned = calloc((size_t)it->n_values + 1, sizeof *it->owned);
    assert_non_null(it->data);
    assert_non_null(it->owned);
    for (int32_t i = 0; i < it->n_values; i++) {
        bal_value value = {i};
        const bal_value_info *info = bal_graph_info(graph, value);
        it->data[i] = block_new(value_bytes(it, value));
        it->owned[i] = true;
        if (info->constant) memcpy(it->data[i], info->constant, value_bytes(it, value));
    }
}

void interpreter_release(interpreter *it) {
    for (int32_t i = 0; i < it->n_values; i++)
        if (it->owned[i]) free(it->data[i]);
    free(it->data);
    free(it->owned);
    *it = (interpreter){0};
}

void interpreter_bind(interpreter *it, bal_value value, void *data) {
    assert_in_range(value.id, 0, it->n_values - 1);
    if (it->owned[value.id]) free(it->data[value.id]);
    it->owned[value.id] = false;
    it->data[value.id] = data;
}

void *interpreter_data(const interpreter *it, bal_value value) {
    assert_in_range(value.id, 0, it->n_values - 1);
    return it->data[value.id];
}

void interpreter_set(interpreter *it, bal_value value, const void *bytes) {
    memcpy(interpreter_data(it, value), bytes, value_bytes(it, value));
}

void interpreter_set_numbers(interpreter *it, bal_value value, const double *numbers) {
    const bal_value_info *info = bal_graph_info(it->graph, value);
    void *data = interpreter_data(it, value);
    int64_t count = bal_shape_count(&info->shape);
    for (int64_t i = 0; i < count; i++) {
        switch (info->dtype) {
        case BAL_F32:
            ((float *)data)[i] = (float)numbers[i];
            break;
        case BAL_F64:
            ((double *)data)[i] = numbers[i];
            break;
        case BAL_I32:
            ((int32_t *)data)[i] = (int32_t)numbers[i];
            break;
        case BAL_I64:
            ((int64_t *)data)[i] = (int64_t)numbers[i];
            break;
        case BAL_U8:
            ((uint8_t *)data)[i] = (uint8_t)numbers[i];
            break;
        case BAL_DTYPE_COUNT:
            fail();
        }
    }
}

double interpreter_number(const interpreter *it, bal_value value, int64_t index) {
    const bal_value_info *info = bal_graph_info(it->graph, value);
    const void *data = interpreter_data(it, value);
    assert_true(index >= 0 && index < bal_shape_count(&info->shape));
    switch (info->dtype) {
    case BAL_F32:
        return (double)((const float *)data)[index];
    case BAL_F64:
        return ((const double *)data)[index];
    case BAL_I32:
        return (double)((const int32_t *)data)[index];
    case BAL_I64:
        return (double)((const int64_t *)data)[index];
    case BAL_U8:
        return (double)((const uint8_t *)data)[index];
    case BAL_DTYPE_COUNT:
        break;
    }
    fail();
    return 0;
}

static bal_operand operand(const interpreter *it, bal_value value) {
    if (!bal_value_is_some(value)) return (bal_operand){0};
    const bal_value_info *info = bal_graph_info(it->graph, value);
    return (bal_operand){
        .data = interpreter_data(it, value), .dtype = info->dtype, .shape = info->shape};
}

static void run_node(interpreter *it, const bal_node *node) {
    bal_operand out[BAL_OUT_MAX] = {{0}};
    bal_operand *in = calloc((size_t)node->n_in + 1, sizeof *in);
    assert_non_null(in);
    for (int32_t i = 0; i < node->n_in; i++)
        in[i] = operand(it, node->in[i]);
    for (int32_t k = 0; k < node->n_out; k++) {
        out[k] = operand(it, node->out[k]);
        memset(out[k].data, 0xFF, value_bytes(it, node->out[k]));
    }
    size_t bytes = node->op->workspace ? node->op->workspace(it->graph, node) : 0;
    void *workspace = bytes ? block_new(bytes) : NULL;
    if (workspace) memset(workspace, 0xFF, bytes);
    bal_kernel_args args = {.node = node,
                            .n_in = node->n_in,
                            .n_out = node->n_out,
                            .in = in,
                            .out = out,
                            .workspace = workspace};
    assert_non_null(node->op->reference);
    node->op->reference(&args);
    free(workspace);
    free(in);
}

void interpreter_run(interpreter *it) {
    for (int32_t i = 0; i < it->n_nodes; i++) {
        const bal_node *node = bal_graph_node(it->graph, i);
        if (node->op) run_node(it, node);
    }
}
