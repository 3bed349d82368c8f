/* Fusion with the real ops: a fused graph gives the numbers, gradients and draws of the unfused
 * one, and chains that must not be fused are left alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "ops/ops.h"
#include "support/interpreter.h"

enum { B = 6, D = 5, C = 4, COMPARED_MAX = 16 };

static bal_graph *graph_new(void) {
    bal_graph *g = NULL;
    assert_int_equal(bal_graph_new(bal_op_table, BAL_F64, &g, NULL), BAL_OK);
    return g;
}

static void assert_good(const bal_graph *g) {
    bal_error err = {0};
    if (bal_graph_check(g, &err) != BAL_OK) fail_msg("%s", err.message);
}

/* The names of the live ops must be these, in order, separated by spaces. */
static void assert_ops(const bal_graph *g, const char *wanted) {
    char found[1024] = "";
    size_t used = 0;
    for (int32_t i = 0; i < bal_graph_node_count(g); i++) {
        const bal_op *op = bal_graph_node(g, i)->op;
        if (!op) continue;
        used +=
            (size_t)snprintf(found + used, sizeof found - used, "%s%s", used ? " " : "", op->name);
        assert_true(used < sizeof found);
    }
    assert_string_equal(found, wanted);
}

/* ---- pieces ---- */

static bal_value features(bal_graph *g) {
    return bal_graph_input(g, "x", BAL_F64, BAL_SHAPE2(B, D));
}

static bal_value rng_input(bal_graph *g) {
    return bal_graph_input(g, "rng", BAL_I64, BAL_SHAPE1(2));
}

static bal_value dense(bal_graph *g, bal_value x, const char *scope, int64_t n_out, bool bias) {
    bal_graph_push_scope(g, "%s", scope);
    int64_t n_in = bal_graph_shape(g, x).dim[1];
    bal_value weight = bal_graph_parameter(g, "weight", BAL_SHAPE2(n_out, n_in));
    bal_value b = bias ? bal_graph_parameter(g, "bias", BAL_SHAPE1(n_out)) : BAL_NO_VALUE;
    bal_value y = bal_linear(g, x, weight, b);
    bal_graph_pop_scope(g);
    return y;
}

static bal_value norm(bal_graph *g, bal_value x, const char *scope) {
    bal_graph_push_scope(g, "%s", scope);
    int64_t n = bal_graph_shape(g, x).dim[1];
    bal_value gamma = bal_graph_parameter(g, "gamma", BAL_SHAPE1(n));
    bal_value beta = bal_graph_parameter(g, "beta", BAL_SHAPE1(n));
    bal_value y = bal_batch_norm(g, x, gamma, beta, 1e-3);
    bal_graph_pop_scope(g);
    return y;
}

/* Loss, and the gradients of all parameters as values named "grad.<parameter>". */
static void add_gradients(bal_graph *g, bal_value y) {
    bal_value wrt[COMPARED_MAX], grads[COMPARED_MAX];
    int32_t n = 0;
    for (int32_t id = 0; id < bal_graph_value_count(g); id++)
        if (bal_graph_info(g, (bal_value){id})->kind == BAL_VALUE_PARAMETER) {
            assert_true(n < COMPARED_MAX);
            wrt[n++] = (bal_value){id};
        }
    bal_value loss = bal_reduce_mean(g, bal_square(g, y), -1);
    bal_graph_differentiate(g, loss, wrt, n, grads);
    assert_good(g);
    for (int32_t i = 0; i < n; i++)
        bal_graph_set_name(g, grads[i], "grad.%s", bal_graph_info(g, wrt[i])->name);
    assert_good(g);
}

/* ---- comparing ---- */

static void fill_sources(interpreter *it) {
    for (int32_t id = 0; id < it->n_values; id++) {
        const bal_value_info *info = bal_graph_info(it->graph, (bal_value){id});
        if (info->kind == BAL_VALUE_COMPUTED || info->kind == BAL_VALUE_CONSTANT) continue;
        bal_random random;
        bal_random_init(&random, bal_hash_name(info->name), 0);
        for (int64_t i = 0; i < bal_shape_count(&info->shape); i++) {
            if (info->dtype == BAL_F64)
                ((double *)interpreter_data(it, (bal_value){id}))[i] = bal_random_normal(&random);
            else
                ((int64_t *)interpreter_data(it, (bal_value){id}))[i] = 42 + i;
        }
    }
}

static void assert_same_value(const interpreter *a, const interpreter *b, const char *name) {
    bal_value left = bal_graph_find(a->graph, name), right = bal_graph_find(b->graph, name);
    if (!bal_value_is_some(left) || !bal_value_is_some(right)) fail_msg("%s is missing", name);
    bal_shape shape = bal_graph_shape(a->graph, left);
    bool varies = false;
    for (int64_t i = 0; i < bal_shape_count(&shape); i++) {
        double x = interpreter_number(a, left, i), y = interpreter_number(b, right, i);
        if (!(fabs(x - y) <= 1e-12 * (1 + fabs(x))))
            fail_msg("%s[%d]: %.17g unfused, %.17g fused", name, (int)i, x, y);
        varies |= x != interpreter_number(a, left, 0);
    }
    assert_true(varies); /* a comparison of zeros would show nothing */
}

typedef void (*build_fn)(bal_graph *g, int variant);

/* Build twice, fuse one of them, run both; compare what `names` (NULL-terminated) names and the
 * gradients of all parameters. */
static void assert_fusion_changes_nothing(build_fn build, int variant, const char *wanted_ops,
                                          const char *const *names) {
    bal_graph *graphs[2];
    interpreter it[2];
    for (int k = 0; k < 2; k++) {
        bal_graph *g = graphs[k] = graph_new();
        build(g, variant);
        assert_good(g);
        bal_value keep[COMPARED_MAX];
        int32_t n = 0;
        for (; names[n]; n++)
            keep[n] = bal_graph_find(g, names[n]);
        if (k == 1) {
            bal_graph_fuse(g, keep, n);
            assert_good(g);
            assert_ops(g, wanted_ops);
        }
        add_gradients(g, bal_graph_find(g, "y"));
        interpreter_init(&it[k], g);
        fill_sources(&it[k]);
        interpreter_run(&it[k]);
    }
    for (int32_t i = 0; names[i]; i++)
        assert_same_value(&it[0], &it[1], names[i]);
    for (int32_t id = 0; id < bal_graph_value_count(graphs[0]); id++) {
        const char *name = bal_graph_info(graphs[0], (bal_value){id})->name;
        if (name && strncmp(name, "grad.", 5) == 0) assert_same_value(&it[0], &it[1], name);
    }
    for (int k = 0; k < 2; k++) {
        interpreter_release(&it[k]);
        bal_graph_free(graphs[k]);
    }
}

/* ---- equal numbers ---- */

/* linear takes the first four, batch_norm all */
static const bal_activation fusible[] = {BAL_ACT_RELU, BAL_ACT_LEAKY_RELU, BAL_ACT_SIGMOID,
                                         BAL_ACT_TANH, BAL_ACT_GELU};
enum { LINEAR_COUNT = 4, NORM_COUNT = sizeof fusible / sizeof *fusible };

static void build_linear(bal_graph *g, int variant) {
    bal_value h = dense(g, features(g), "dense", C, variant % 2);
    bal_graph_set_name(g, bal_activate(g, h, fusible[variant / 2], 0.2), "y");
}

static void test_linear_and_activation(void **state) {
    for (int variant = 0; variant < 2 * LINEAR_COUNT; variant++)
        assert_fusion_changes_nothing(build_linear, variant, "linear_act",
                                      (const char *const[]){"y", NULL});
}

/* variant / 2: the activation, NORM_COUNT is none; variant % 2: dropout. */
static void build_norm(bal_graph *g, int variant) {
    bal_value x = bal_square(g, features(g)), rng = rng_input(g);
    bal_value y = norm(g, x, "norm");
    bal_graph_set_name(g, bal_graph_output(g, y, 1), "mean");
    bal_graph_set_name(g, bal_graph_output(g, y, 2), "variance");
    bal_dropout(g, x, rng, 0.5); /* takes stream 0, so that the fused one has another */
    if (variant / 2 < NORM_COUNT) y = bal_activate(g, y, fusible[variant / 2], 0.2);
    if (variant % 2) {
        y = bal_dropout(g, y, rng, 0.4);
        bal_graph_set_name(g, bal_graph_output(g, y, 1), "mask");
    }
    bal_graph_set_name(g, y, "y");
}

static void test_norm_activation_dropout(void **state) {
    for (int variant = 0; variant <= 2 * NORM_COUNT + 1; variant++) {
        if (variant == 2 * NORM_COUNT) continue; /* neither activation nor dropout */
        const char *const names[] = {"y", "mean", "variance", variant % 2 ? "mask" : NULL, NULL};
        assert_fusion_changes_nothing(build_norm, variant, "square dropout norm_act_dropout",
                                      names);
    }
}

static void build_net(bal_graph *g, int variant) {
    bal_value x = features(g), rng = rng_input(g);
    bal_value h = norm(g, dense(g, x, "l1", D, true), "n1");
    bal_value mean = bal_graph_output(g, h, 1), variance = bal_graph_output(g, h, 2);
    h = bal_dropout(g, bal_relu(g, h), rng, 0.3);
    bal_value skip = h;
    h = bal_dropout(g, bal_leaky_relu(g, norm(g, dense(g, h, "l2", D, false), "n2"), 0.1), rng,
                    0.3);
    h = bal_tanh(g, dense(g, bal_add(g, h, skip), "l3", C, true));
    bal_graph_set_name(g, dense(g, h, "head", 3, true), "y");
    bal_value running_mean = bal_graph_state(g, "running_mean", BAL_F64, BAL_SHAPE1(D));
    bal_value running_variance = bal_graph_state(g, "running_variance", BAL_F64, BAL_SHAPE1(D));
    bal_batch_norm_running(g, running_mean, running_variance, mean, variance, BAL_NO_VALUE, 0.1, B);
}

static void test_a_net_with_running_statistics(void **state) {
    assert_fusion_changes_nothing(
        build_net, 0,
        "linear norm_act_dropout linear norm_act_dropout add linear_act linear batch_norm_running",
        (const char *const[]){"y", "running_mean", "running_variance", NULL});
}

static void test_a_fused_net_can_be_planned(void **state) {
    bal_graph *g = graph_new();
    build_net(g, 0);
    bal_value y = bal_graph_find(g, "y");
    bal_graph_fuse(g, &y, 1);
    add_gradients(g, y);
    bal_plan plan = {0};
    bal_error err = {0};
    assert_int_equal(bal_plan_init(&plan, g, &y, 1, NULL, &err), BAL_OK);
    if (bal_plan_verify(&plan, g, &y, 1, NULL, &err) != BAL_OK) fail_msg("%s", err.message);
    assert_true(plan.bytes < plan.bytes_unshared);
    bal_plan_release(&plan);
    bal_graph_free(g);
}

/* ---- handles ---- */

static void test_value_ids_stay_and_intermediates_go(void **state) {
    bal_graph *g = graph_new();
    bal_value rng = rng_input(g), n = norm(g, features(g), "norm");
    bal_value mean = bal_graph_output(g, n, 1), variance = bal_graph_output(g, n, 2);
    bal_value a = bal_relu(g, n), y = bal_dropout(g, a, rng, 0.5);
    bal_value mask = bal_graph_output(g, y, 1);
    bal_graph_set_name(g, a, "between");
    bal_graph_set_name(g, y, "y");
    bal_graph_fuse(g, &y, 1);
    assert_ops(g, "norm_act_dropout");
    const bal_node *node = bal_graph_node(g, bal_graph_info(g, y)->node);
    const bal_value wanted[] = {y, mean, variance, mask};
    for (int32_t k = 0; k < 4; k++) {
        assert_int_equal(node->out[k].id, wanted[k].id);
        assert_int_equal(bal_graph_output(g, y, k).id, wanted[k].id);
        assert_int_equal(bal_graph_info(g, wanted[k])->output, k);
        assert_int_equal(bal_graph_info(g, wanted[k])->node, bal_graph_info(g, y)->node);
    }
    assert_int_equal(bal_graph_find(g, "y").id, y.id);
    assert_false(bal_value_is_some(bal_graph_find(g, "between")));
    bal_graph_fuse(g, &y, 1);
    assert_ops(g, "norm_act_dropout");
    bal_graph_free(g);
}

/* ---- chains to leave alone ---- */

static void test_gelu_is_not_fused_with_linear(void **state) {
    bal_graph *g = graph_new();
    bal_gelu(g, dense(g, features(g), "dense", D, true));
    bal_graph_fuse(g, NULL, 0);
    assert_ops(g, "linear gelu");
    bal_graph_free(g);
}

static void test_kept_values_break_the_chain(void **state) {
    bal_graph *g = graph_new();
    bal_value x = features(g), rng = rng_input(g);
    bal_value logits = dense(g, x, "dense", D, true);
    bal_value a = bal_relu(g, norm(g, bal_sigmoid(g, logits), "norm"));
    bal_dropout(g, a, rng, 0.5);
    bal_graph_fuse(g, (bal_value[]){logits, a}, 2);
    assert_good(g);
    assert_ops(g, "linear sigmoid norm_act_dropout dropout");
    bal_graph_free(g);
}

/* The chain's own node is the last reader here, so that only the count tells. */
static void test_other_readers_break_the_chain(void **state) {
    bal_graph *g = graph_new();
    bal_value h = dense(g, features(g), "dense", D, true);
    bal_value early = bal_square(g, h), r = bal_relu(g, h);
    bal_value n = norm(g, bal_add(g, r, early), "norm"), twice = bal_add(g, n, n);
    bal_add(g, bal_tanh(g, n), twice);
    bal_graph_fuse(g, NULL, 0);
    assert_good(g);
    assert_ops(g, "linear square relu add batch_norm add tanh add");
    bal_graph_free(g);
}

/* What reads mean between the nodes of a chain would come before the fused node that makes it. */
static void test_a_reader_of_the_statistics_inside_the_chain(void **state) {
    bal_graph *g = graph_new();
    bal_value rng = rng_input(g), n = norm(g, features(g), "norm");
    bal_value a = bal_relu(g, n);
    bal_square(g, bal_graph_output(g, n, 1));
    bal_dropout(g, a, rng, 0.5);
    bal_graph_fuse(g, NULL, 0);
    assert_good(g);
    assert_ops(g, "norm_act_dropout square dropout");
    bal_graph_free(g);

    g = graph_new();
    n = norm(g, features(g), "norm");
    bal_square(g, bal_graph_output(g, n, 2));
    bal_relu(g, n);
    bal_graph_fuse(g, NULL, 0);
    assert_ops(g, "batch_norm square relu");
    bal_graph_free(g);
}

static void test_an_update_of_the_weights_inside_the_chain(void **state) {
    bal_graph *g = graph_new();
    bal_value h = dense(g, features(g), "dense", D, true);
    bal_value weight = bal_graph_find(g, "dense.weight");
    bal_value hyper = bal_graph_input(g, "hyper", BAL_F64, BAL_SHAPE1(BAL_HYPER_COUNT));
    bal_value size = bal_graph_input(g, "norm", BAL_F64, BAL_SHAPE1(1));
    bal_value grad = bal_graph_input(g, "grad", BAL_F64, bal_graph_shape(g, weight));
    bal_sgd_update(g, hyper, size, &weight, NULL, &grad, 1, 0, false, 0, 0);
    bal_relu(g, h);
    bal_graph_fuse(g, NULL, 0);
    assert_good(g);
    assert_ops(g, "linear sgd_update relu");
    bal_graph_free(g);
}

static void test_without_fused_ops_in_the_table(void **state) {
    const bal_op *plain[512];
    size_t n = 0;
    for (const bal_op *const *op = bal_op_table; *op; op++)
        if (!((*op)->flags & BAL_OP_FUSED)) plain[n++] = *op;
    assert_true(n < 512);
    plain[n] = NULL;
    bal_graph *g = NULL;
    assert_int_equal(bal_graph_new(plain, BAL_F64, &g, NULL), BAL_OK);
    bal_relu(g, norm(g, bal_relu(g, dense(g, features(g), "dense", D, true)), "norm"));
    bal_graph_fuse(g, NULL, 0);
    assert_good(g);
    assert_ops(g, "linear relu batch_norm relu");
    bal_graph_free(g);
}

static void test_every_allocation_may_fail(void **state) {
    bal_status status = BAL_ENOMEM;
    int failed = 0;
    for (int64_t n = 0; status != BAL_OK; n++) {
        bal_graph *g = graph_new();
        build_net(g, 0);
        bal_memory_fail_after(n);
        bal_graph_fuse(g, NULL, 0);
        bal_memory_fail_after(-1);
        status = bal_graph_check(g, NULL);
        if (status != BAL_OK) {
            assert_int_equal(status, BAL_ENOMEM);
            failed++;
        }
        bal_graph_free(g);
    }
    assert_true(failed >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_and_activation),
        cmocka_unit_test(test_norm_activation_dropout),
        cmocka_unit_test(test_a_net_with_running_statistics),
        cmocka_unit_test(test_a_fused_net_can_be_planned),
        cmocka_unit_test(test_value_ids_stay_and_intermediates_go),
        cmocka_unit_test(test_gelu_is_not_fused_with_linear),
        cmocka_unit_test(test_kept_values_break_the_chain),
        cmocka_unit_test(test_other_readers_break_the_chain),
        cmocka_unit_test(test_a_reader_of_the_statistics_inside_the_chain),
        cmocka_unit_test(test_an_update_of_the_weights_inside_the_chain),
        cmocka_unit_test(test_without_fused_ops_in_the_table),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
