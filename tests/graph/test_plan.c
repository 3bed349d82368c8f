/* The memory plan: reuse really happens, what is needed is never overwritten (checked by replay and
 * by running random graphs in planned memory), and the checker sees broken plans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "support/interpreter.h"
#include "tiny_ops.h"

enum { WIDE = 100 }; /* doubles per value: 800 bytes, 832 with padding */
static const size_t wide_bytes = 832;

static bal_graph *graph_new(void) {
    bal_graph *g = NULL;
    assert_int_equal(bal_graph_new(tiny_table, BAL_F64, &g, NULL), BAL_OK);
    return g;
}

static bal_value wide_input(bal_graph *g) {
    return bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(WIDE));
}

static bal_plan plan_of(const bal_graph *g, const bal_value *keep, int32_t n_keep) {
    bal_plan plan = {0};
    bal_error err = {0};
    if (bal_plan_init(&plan, g, keep, n_keep, NULL, &err) != BAL_OK) fail_msg("%s", err.message);
    if (bal_plan_verify(&plan, g, keep, n_keep, NULL, &err) != BAL_OK) fail_msg("%s", err.message);
    return plan;
}

static void test_empty_graph(void **state) {
    bal_graph *g = graph_new();
    bal_plan plan = plan_of(g, NULL, 0);
    assert_int_equal(plan.bytes, 0);
    bal_plan_release(&plan);
    bal_plan_release(&plan);
    bal_graph_free(g);
}

static void test_a_chain_in_place_needs_one_buffer(void **state) {
    bal_graph *g = graph_new();
    bal_value x = wide_input(g), y = tiny_scale(g, x, 2, 0);
    int32_t first = y.id;
    for (int i = 0; i < 9; i++)
        y = tiny_scale(g, y, 2, 0);
    bal_plan plan = plan_of(g, &y, 1);
    assert_int_equal(plan.bytes, wide_bytes);
    assert_int_equal(plan.bytes_unshared, 10 * wide_bytes);
    assert_true(plan.value_offset[x.id] == SIZE_MAX);
    for (int32_t id = first; id <= y.id; id++)
        assert_int_equal(plan.value_offset[id], 0);
    bal_plan_release(&plan);
    bal_graph_free(g);
}

static void test_a_chain_out_of_place_needs_two_buffers_and_workspace(void **state) {
    bal_graph *g = graph_new();
    bal_value y = wide_input(g);
    for (int i = 0; i < 10; i++)
        y = tiny_opaque(g, y);
    bal_plan plan = plan_of(g, &y, 1);
    assert_int_equal(plan.bytes, 3 * wide_bytes);
    assert_int_equal(plan.bytes_unshared, 20 * wide_bytes);
    bal_plan_release(&plan);
    bal_graph_free(g);
}

static void test_workspace_of_the_backend_takes_the_place_of_the_ops(void **state) {
    bal_graph *g = graph_new();
    bal_value y = tiny_opaque(g, tiny_opaque(g, wide_input(g)));
    const size_t workspace[] = {0, 5000};
    bal_plan plan = {0};
    assert_int_equal(bal_plan_init(&plan, g, &y, 1, workspace, NULL), BAL_OK);
    assert_int_equal(bal_plan_verify(&plan, g, &y, 1, workspace, NULL), BAL_OK);
    assert_true(plan.workspace_offset[0] == SIZE_MAX);
    assert_true(plan.workspace_offset[1] % BAL_PLAN_ALIGN == 0);
    assert_int_equal(plan.bytes, 2 * wide_bytes + 5056);
    bal_plan_release(&plan);
    const size_t huge[] = {SIZE_MAX - 8, 0}, many[] = {SIZE_MAX / 2, SIZE_MAX / 2};
    assert_int_equal(bal_plan_init(&plan, g, &y, 1, huge, NULL), BAL_EOVERFLOW);
    assert_int_equal(bal_plan_init(&plan, g, &y, 1, many, NULL), BAL_EOVERFLOW);
    assert_null(plan.value_offset);
    bal_graph_free(g);
}

static void test_kept_values_are_not_overwritten(void **state) {
    bal_graph *g = graph_new();
    bal_value a = tiny_scale(g, wide_input(g), 2, 0);
    bal_value b = tiny_scale(g, a, 3, 0), c = tiny_scale(g, b, 4, 0);
    bal_plan plan = plan_of(g, (bal_value[]){a, c}, 2);
    assert_int_equal(plan.bytes, 2 * wide_bytes);
    assert_true(plan.value_offset[a.id] != plan.value_offset[b.id]);
    assert_true(plan.value_offset[c.id] == plan.value_offset[b.id]);
    bal_plan_release(&plan);
    bal_graph_free(g);
}

static void test_in_place_only_on_the_last_reader_and_own_memory(void **state) {
    bal_graph *g = graph_new();
    bal_value x = wide_input(g), a = tiny_scale(g, x, 2, 0);
    bal_value b = tiny_scale(g, a, 3, 0); /* a is read again below */
    bal_value c = tiny_add(g, a, b);      /* may take a or b */
    bal_value d = tiny_add(g, c, c);      /* twice the same operand, both allowed */
    bal_value e = tiny_pick(g, d, d);     /* not allowed */
    bal_value f = tiny_add(g, x, e);      /* x is not ours, e is */
    bal_plan plan = plan_of(g, &f, 1);
    assert_true(plan.value_offset[a.id] != plan.value_offset[b.id]);
    assert_true(plan.value_offset[c.id] == plan.value_offset[a.id]);
    assert_true(plan.value_offset[d.id] == plan.value_offset[c.id]);
    assert_true(plan.value_offset[e.id] != plan.value_offset[d.id]);
    assert_true(plan.value_offset[f.id] == plan.value_offset[e.id]);
    assert_int_equal(plan.bytes, 2 * wide_bytes);
    bal_plan_release(&plan);
    bal_graph_free(g);
}

static void test_removed_nodes_take_no_memory(void **state) {
    bal_graph *g = graph_new();
    bal_value x = wide_input(g), a = tiny_opaque(g, x), b = tiny_scale(g, x, 2, 0);
    bal_graph_prune(g, &b, 1);
    bal_plan plan = plan_of(g, &b, 1);
    assert_true(plan.value_offset[a.id] == SIZE_MAX);
    assert_int_equal(plan.bytes, wide_bytes);
    bal_plan_release(&plan);
    bal_graph_free(g);
}

/* The smallest gap that fits is taken: 64 of the hole, not the top. */
static void test_gaps_are_filled(void **state) {
    bal_graph *g = graph_new();
    bal_value x = wide_input(g);
    bal_value a = tiny_pick(g, x, BAL_NO_VALUE), b = tiny_pick(g, x, BAL_NO_VALUE);
    bal_value t = tiny_sum(g, a); /* a dies */
    bal_value c = tiny_pick(g, b, BAL_NO_VALUE);
    bal_plan plan = plan_of(g, (bal_value[]){t, c}, 2);
    assert_int_equal(plan.bytes, 2 * wide_bytes + 64);
    assert_true(plan.value_offset[c.id] == plan.value_offset[a.id]);
    bal_plan_release(&plan);
    bal_graph_free(g);
}

/* Smallest first would put the scalar under both large values and need 64 bytes more. */
static void test_large_values_are_placed_first(void **state) {
    bal_graph *g = graph_new();
    bal_value x = wide_input(g), scalar = bal_graph_input(g, "s", BAL_F64, BAL_SHAPE1(1));
    bal_value small = tiny_pick(g, scalar, BAL_NO_VALUE);
    const bal_op *spread = bal_graph_find_op(g, "spread");
    bal_value large = bal_graph_add(g, spread, (bal_value[]){small, x}, 2, NULL);
    bal_value other = tiny_pick(g, large, BAL_NO_VALUE);
    bal_plan plan = plan_of(g, &other, 1);
    assert_int_equal(plan.bytes, 2 * wide_bytes);
    bal_plan_release(&plan);
    bal_graph_free(g);
}

static void test_the_checker_sees_broken_plans(void **state) {
    bal_graph *g = graph_new();
    bal_value x = wide_input(g), a = tiny_opaque(g, x), b = tiny_opaque(g, x);
    bal_value c = tiny_add(g, a, b);
    bal_plan plan = plan_of(g, &c, 1);
    bal_error err = {0};
    const size_t right = plan.value_offset[b.id];

    plan.value_offset[b.id] = plan.value_offset[a.id];
    assert_int_equal(bal_plan_verify(&plan, g, &c, 1, NULL, &err), BAL_EINTERNAL);
    assert_non_null(strstr(err.message, "still needed"));
    plan.value_offset[b.id] = right + 8;
    assert_int_equal(bal_plan_verify(&plan, g, &c, 1, NULL, NULL), BAL_EINTERNAL);
    plan.value_offset[b.id] = plan.bytes;
    assert_int_equal(bal_plan_verify(&plan, g, &c, 1, NULL, NULL), BAL_EINTERNAL);
    plan.value_offset[b.id] = SIZE_MAX;
    assert_int_equal(bal_plan_verify(&plan, g, &c, 1, NULL, NULL), BAL_EINTERNAL);
    plan.value_offset[b.id] = right;
    assert_int_equal(bal_plan_verify(&plan, g, &c, 1, NULL, NULL), BAL_OK);
    /* a is also wanted afterwards: c must not have been put there */
    assert_int_equal(bal_plan_verify(&plan, g, (bal_value[]){a, b, c}, 3, NULL, NULL),
                     BAL_EINTERNAL);
    const size_t workspace = plan.workspace_offset[1];
    plan.workspace_offset[1] = plan.value_offset[a.id];
    assert_int_equal(bal_plan_verify(&plan, g, &c, 1, NULL, NULL), BAL_EINTERNAL);
    plan.workspace_offset[1] = workspace;
    bal_plan_release(&plan);
    bal_graph_free(g);
}

/* ---- random graphs ---- */

/* Values of one size group can be combined; each op picks operands among all made so far. */
static bal_graph *random_graph(bal_random *random, bal_value *ret_keep, int32_t n_keep) {
    enum { GROUPS = 4, SOME = 64 };
    bal_graph *g = graph_new();
    bal_value group[GROUPS][SOME];
    size_t n[GROUPS];
    const char *const names[GROUPS] = {"a", "b", "c", "d"};
    for (int i = 0; i < GROUPS; i++) {
        int64_t size = 1 + (int64_t)bal_random_below(random, 60);
        group[i][0] = bal_graph_input(g, names[i], BAL_F64, BAL_SHAPE1(size));
        n[i] = 1;
    }
    for (int step = 0; step < 60; step++) {
        size_t i = bal_random_below(random, GROUPS);
        bal_value a = group[i][bal_random_below(random, n[i])];
        bal_value b = group[i][bal_random_below(random, n[i])], y = BAL_NO_VALUE;
        switch (bal_random_below(random, 6)) {
        case 0:
            y = tiny_add(g, a, b);
            break;
        case 1:
            y = tiny_mul(g, a, b);
            break;
        case 2:
            y = tiny_opaque(g, a);
            break;
        case 3:
            y = bal_graph_output(g, tiny_parts(g, a), (int32_t)bal_random_below(random, 2));
            break;
        case 4:
            y = tiny_pick(g, a, b);
            break;
        default:
            y = tiny_scale(g, a, 0.5, 1);
            break;
        }
        group[i][n[i]++] = y;
    }
    for (int32_t k = 0; k < n_keep; k++) {
        size_t i = bal_random_below(random, GROUPS);
        ret_keep[k] = group[i][bal_random_below(random, n[i])];
    }
    if (bal_random_below(random, 2)) bal_graph_prune(g, ret_keep, n_keep);
    return g;
}

/* Run the live nodes with every computed value at its planned place. */
static void run_planned(const bal_graph *g, const bal_plan *plan, unsigned char *block,
                        const interpreter *sources) {
    for (int32_t i = 0; i < bal_graph_node_count(g); i++) {
        const bal_node *node = bal_graph_node(g, i);
        if (!node->op) continue;
        bal_operand in[2] = {{0}}, out[BAL_OUT_MAX] = {{0}};
        assert_true(node->n_in <= 2);
        for (int32_t k = 0; k < node->n_in + node->n_out; k++) {
            bool is_in = k < node->n_in;
            bal_value value = is_in ? node->in[k] : node->out[k - node->n_in];
            if (!bal_value_is_some(value)) continue;
            size_t offset = plan->value_offset[value.id];
            const bal_value_info *info = bal_graph_info(g, value);
            void *data = info->kind == BAL_VALUE_COMPUTED ? (void *)(block + offset)
                                                          : interpreter_data(sources, value);
            *(is_in ? &in[k] : &out[k - node->n_in]) =
                (bal_operand){data, info->dtype, info->shape};
        }
        size_t workspace = plan->workspace_offset[i];
        bal_kernel_args args = {.node = node,
                                .n_in = node->n_in,
                                .n_out = node->n_out,
                                .in = in,
                                .out = out,
                                .workspace = workspace == SIZE_MAX ? NULL : block + workspace};
        if (args.workspace) memset(args.workspace, 0xFF, node->op->workspace(g, node));
        node->op->reference(&args);
    }
}

static void test_random_graphs_compute_the_same_in_planned_memory(void **state) {
    enum { KEEP = 3 };
    bal_random random;
    bal_random_init(&random, 1, 0);
    size_t bytes = 0, bytes_unshared = 0;
    for (int round = 0; round < 300; round++) {
        bal_value keep[KEEP];
        bal_graph *g = random_graph(&random, keep, KEEP);
        bal_plan plan = plan_of(g, keep, KEEP);
        bytes += plan.bytes;
        bytes_unshared += plan.bytes_unshared;
        interpreter it;
        interpreter_init(&it, g);
        for (int32_t id = 0; id < 4; id++)
            for (int64_t i = 0; i < bal_graph_shape(g, (bal_value){id}).dim[0]; i++)
                ((double *)interpreter_data(&it, (bal_value){id}))[i] = bal_random_uniform(&random);
        interpreter_run(&it);
        unsigned char *block = NULL;
        assert_int_equal(posix_memalign((void **)&block, 64, plan.bytes + 1), 0);
        memset(block, 0xFF, plan.bytes);
        run_planned(g, &plan, block, &it);
        for (int32_t k = 0; k < KEEP; k++) {
            if (bal_graph_info(g, keep[k])->kind != BAL_VALUE_COMPUTED) continue;
            assert_memory_equal(block + plan.value_offset[keep[k].id],
                                interpreter_data(&it, keep[k]),
                                (size_t)bal_graph_shape(g, keep[k]).dim[0] * sizeof(double));
        }
        free(block);
        interpreter_release(&it);
        bal_plan_release(&plan);
        bal_graph_free(g);
    }
    assert_true(2 * bytes < bytes_unshared);
}

static void test_every_allocation_may_fail(void **state) {
    bal_graph *g = graph_new();
    bal_value y = tiny_opaque(g, tiny_opaque(g, wide_input(g)));
    bal_plan plan = {0};
    bal_status status = BAL_ENOMEM;
    int failed = 0;
    for (int64_t n = 0; status != BAL_OK; n++) {
        bal_memory_fail_after(n);
        status = bal_plan_init(&plan, g, &y, 1, NULL, NULL);
        bal_memory_fail_after(-1);
        if (status == BAL_OK) break;
        assert_int_equal(status, BAL_ENOMEM);
        assert_null(plan.value_offset);
        failed++;
    }
    assert_true(failed >= 7);
    for (int64_t n = 0; n < 2; n++) {
        bal_memory_fail_after(n);
        assert_int_equal(bal_plan_verify(&plan, g, &y, 1, NULL, NULL), BAL_ENOMEM);
    }
    bal_memory_fail_after(-1);
    bal_plan_release(&plan);
    bal_graph_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_graph),
        cmocka_unit_test(test_a_chain_in_place_needs_one_buffer),
        cmocka_unit_test(test_a_chain_out_of_place_needs_two_buffers_and_workspace),
        cmocka_unit_test(test_workspace_of_the_backend_takes_the_place_of_the_ops),
        cmocka_unit_test(test_kept_values_are_not_overwritten),
        cmocka_unit_test(test_in_place_only_on_the_last_reader_and_own_memory),
        cmocka_unit_test(test_removed_nodes_take_no_memory),
        cmocka_unit_test(test_gaps_are_filled),
        cmocka_unit_test(test_large_values_are_placed_first),
        cmocka_unit_test(test_the_checker_sees_broken_plans),
        cmocka_unit_test(test_random_graphs_compute_the_same_in_planned_memory),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
