/* What is read can be written, and what was written reads back as the same tree. */
#include <stdlib.h>
#include <string.h>

#include "format/yaml.h"
#include "fuzz.h"

/* Every accessor on every node, and the structure's promises. */
static void visit(const bal_yaml_node *node, int depth) {
    const char *text;
    bool truth;
    int64_t integer;
    double number;
    if (!node->source || node->line < 1 || node->column < 1 || depth > BAL_YAML_DEPTH_MAX) abort();
    if (bal_yaml_text(node, &text) != (node->kind == BAL_YAML_SCALAR)) abort();
    if (bal_yaml_i64(node, &integer) && !bal_yaml_number(node, &number)) abort();
    if (bal_yaml_bool(node, &truth) && bal_yaml_number(node, &number)) abort();
    if (!bal_yaml_describe(node)) abort();
    size_t count = 0;
    bal_yaml_each (child, node) {
        if (node->kind == BAL_YAML_MAPPING && bal_yaml_get(node, child->key) != child) abort();
        visit(child, depth + 1);
        count++;
    }
    if (count != node->count) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bal_arena arena = {0};
    bal_text text = {0};
    bal_error err = {0};
    bal_yaml_node *root = NULL, *again = NULL;
    bal_status status =
        bal_yaml_parse(&arena, size ? (const char *)data : "", size, "f", &root, &err);
    if (status == BAL_OK) {
        visit(root, 0);
        if (bal_yaml_write(root, &text, NULL) != BAL_OK) abort();
        if (bal_yaml_parse(&arena, text.data, text.length, "w", &again, NULL) != BAL_OK) abort();
        if (!bal_yaml_equal(root, again)) abort();
    } else if (status != BAL_EFORMAT || strncmp(err.message, "f:", 2) != 0) {
        abort();
    }
    bal_text_release(&text);
    bal_arena_release(&arena);
    return 0;
}
