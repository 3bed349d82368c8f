/* Pruning: what nothing needs goes, what has an effect stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "tiny_ops.h"

typedef struct sample {
    bal_graph *graph;
    bal_value x, sum, unused, square;
} sample;

/* Nodes: add (feeds all), scale (unused), parts, sum of its first part, scale, store of that. */
static sample sample_new(void) {
    sample s = {0};
    assert_int_equal(bal_graph_new(tiny_table, BAL_F64, &s.graph, NULL), BAL_OK);
    s.x = bal_graph_input(s.graph, "x", BAL_F64, BAL_SHAPE1(3));
    bal_value state = bal_graph_state(s.graph, "state", BAL_F64, BAL_SHAPE1(3));
    bal_value a = tiny_add(s.graph, s.x, s.x);
    s.unused = tiny_scale(s.graph, a, 2, 0);
    bal_value twice = tiny_parts(s.graph, a);
    s.square = bal_graph_output(s.graph, twice, 1);
    s.sum = tiny_sum(s.graph, twice);
    tiny_store(s.graph, state, tiny_scale(s.graph, s.x, 3, 0));
    assert_int_equal(bal_graph_check(s.graph, NULL), BAL_OK);
    return s;
}

/* One letter per node: its op's first letter, '-' where removed. */
static void assert_nodes(const bal_graph *g, const char *letters) {
    char found[16] = {0};
    for (int32_t i = 0; i < bal_graph_node_count(g); i++) {
        const bal_op *op = bal_graph_node(g, i)->op;
        found[i] = op ? op->name[0] : '-';
    }
    assert_string_equal(found, letters);
}

static void test_keeps_roots_and_effects_with_what_they_need(void **state) {
    sample s = sample_new();
    assert_nodes(s.graph, "aspsss");
    bal_graph_prune(s.graph, &s.sum, 1);
    assert_nodes(s.graph, "a-psss");
    bal_graph_prune(s.graph, &s.sum, 1);
    assert_nodes(s.graph, "a-psss");
    bal_graph_free(s.graph);
}

static void test_any_output_holds_its_node(void **state) {
    sample s = sample_new();
    bal_graph_prune(s.graph, &s.square, 1);
    assert_nodes(s.graph, "a-p-ss");
    bal_graph_free(s.graph);
}

static void test_without_roots_only_effects_stay(void **state) {
    sample s = sample_new();
    bal_graph_prune(s.graph, (bal_value[]){BAL_NO_VALUE, s.x}, 2);
    assert_nodes(s.graph, "----ss");
    bal_graph_free(s.graph);
}

static void test_failed_allocation_sticks_and_removes_nothing(void **state) {
    sample s = sample_new();
    bal_memory_fail_after(0);
    bal_graph_prune(s.graph, NULL, 0);
    bal_memory_fail_after(-1);
    assert_int_equal(bal_graph_check(s.graph, NULL), BAL_ENOMEM);
    assert_nodes(s.graph, "aspsss");
    bal_graph_free(s.graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_roots_and_effects_with_what_they_need),
        cmocka_unit_test(test_any_output_holds_its_node),
        cmocka_unit_test(test_without_roots_only_effects_stay),
        cmocka_unit_test(test_failed_allocation_sticks_and_removes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
