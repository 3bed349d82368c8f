/* Dense layers, dropout and embedding: values by hand, dropout masks against an independent Philox,
 * fused ops against the ops they stand for, what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "golden/ops_golden.h"
#include "ops/draw.h"
#include "ops/golden_values.h"
#include "ops/values.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static bal_value rng_of(bal_graph *g, int64_t seed, int64_t step) {
    return bal_graph_constant(g, BAL_I64, BAL_SHAPE1(2), (int64_t[]){seed, step});
}

static bal_value random_real(bal_graph *g, bal_shape shape, uint64_t stream) {
    enum { COUNT_MAX = 512 };
    double numbers[COUNT_MAX];
    int64_t count = bal_shape_count(&shape);
    assert_true(count <= COUNT_MAX);
    bal_random random;
    bal_random_init(&random, 5, stream);
    for (int64_t i = 0; i < count; i++)
        numbers[i] = bal_random_normal(&random);
    return golden_real(g, shape, numbers);
}

/* ---- linear ---- */

static void test_linear(void **state) {
    bal_graph *g = values_graph();
    bal_value x = MATRIX(g, 2, 3, 1, 2, 3, 4, 5, 6), weight = MATRIX(g, 2, 3, 1, 0, -1, 2, 1, 0.5);
    EXPECT(g, bal_linear(g, x, weight, VECTOR(g, 10, 20)), BAL_SHAPE2(2, 2), 8, 25.5, 8, 36);
    g = values_graph();
    x = MATRIX(g, 1, 2, 1, 2), weight = MATRIX(g, 3, 2, 1, 1, 0, 2, -3, 0);
    EXPECT(g, bal_linear(g, x, weight, BAL_NO_VALUE), BAL_SHAPE2(1, 3), 3, 4, -3);
}

static void test_linear_refusals(void **state) {
    bal_graph *g = values_graph();
    bal_linear(g, MATRIX(g, 1, 2, 1, 2), MATRIX(g, 2, 1, 1, 2), BAL_NO_VALUE);
    values_expect_refusal(g, "weight must be [2,2], but is f64[2,1]");
    g = values_graph();
    bal_linear(g, MATRIX(g, 1, 2, 1, 2), MATRIX(g, 1, 2, 1, 2), VECTOR(g, 1, 2));
    values_expect_refusal(g, "bias must be [1], but is f64[2]");
    g = values_graph();
    bal_linear(g, VECTOR(g, 1), MATRIX(g, 1, 1, 1), BAL_NO_VALUE);
    values_expect_refusal(g, "x must have 2 dimensions, but is f64[1]");
    g = values_graph();
    bal_linear_act(g, MATRIX(g, 1, 1, 1), MATRIX(g, 1, 1, 1), BAL_NO_VALUE, BAL_ACT_GELU, 0);
    values_expect_refusal(g, "use linear, then gelu");
    g = values_graph();
    bal_linear_act(g, MATRIX(g, 1, 1, 1), MATRIX(g, 1, 1, 1), BAL_NO_VALUE, (bal_activation)6, 0);
    values_expect_refusal(g, "activation must be a number from 0 to 5, but is 6");
    g = values_graph();
    bal_linear_act(g, MATRIX(g, 1, 1, 1), MATRIX(g, 1, 1, 1), BAL_NO_VALUE, BAL_ACT_LEAKY_RELU,
                   -0.5);
    values_expect_refusal(g, "slope must be a number from 0 to 1e+06, but is -0.5");
}

/* ---- fused ops equal the chains they stand for ---- */

/* Expect two values and their gradients with respect to `wrt` to agree. */
static void expect_equal(bal_graph *g, bal_value fused, bal_value plain, const bal_value *wrt,
                         int32_t n_wrt, double tolerance, const char *name) {
    enum { WRT_MAX = 4 };
    bal_value dy = random_real(g, bal_graph_shape(g, plain), 99), grads[2][WRT_MAX];
    bal_graph_differentiate(g, bal_reduce_sum(g, bal_mul(g, fused, dy), -1), wrt, n_wrt, grads[0]);
    bal_graph_differentiate(g, bal_reduce_sum(g, bal_mul(g, plain, dy), -1), wrt, n_wrt, grads[1]);
    golden_check(g, name);
    interpreter it;
    interpreter_init(&it, g);
    interpreter_run(&it);
    for (int32_t i = -1; i < n_wrt; i++) {
        bal_value a = i < 0 ? fused : grads[0][i], b = i < 0 ? plain : grads[1][i];
        bal_shape shape = bal_graph_shape(g, b);
        int64_t count = bal_shape_count(&shape);
        double *wanted = calloc((size_t)count, sizeof *wanted);
        assert_non_null(wanted);
        for (int64_t e = 0; e < count; e++)
            wanted[e] = interpreter_number(&it, b, e);
        golden_expect(&it, a, wanted, tolerance, name, i < 0 ? "value" : "gradient");
        free(wanted);
    }
    interpreter_release(&it);
    bal_graph_free(g);
}

static void test_linear_act_equals_its_chain(void **state) {
    static const bal_activation activations[] = {BAL_ACT_NONE, BAL_ACT_RELU, BAL_ACT_LEAKY_RELU,
                                                 BAL_ACT_SIGMOID, BAL_ACT_TANH};
    for (size_t i = 0; i < LENGTH(activations); i++) {
        bal_activation activation = activations[i];
        bal_graph *g = golden_graph(BAL_F64);
        bal_value wrt[] = {random_real(g, BAL_SHAPE2(7, 5), 1), random_real(g, BAL_SHAPE2(6, 5), 2),
                           random_real(g, BAL_SHAPE1(6), 3)};
        bal_value fused = bal_linear_act(g, wrt[0], wrt[1], wrt[2], activation, 0.2);
        bal_value plain = bal_activate(g, bal_linear(g, wrt[0], wrt[1], wrt[2]), activation, 0.2);
        expect_equal(g, fused, plain, wrt, 3, 1e-13, bal_activation_name(activation));
    }
}

static void check_norm_chain(bal_dtype dtype, bal_activation activation, double rate) {
    bal_graph *g = golden_graph(dtype);
    bal_value wrt[] = {random_real(g, BAL_SHAPE2(33, 7), 1), random_real(g, BAL_SHAPE1(7), 2),
                       random_real(g, BAL_SHAPE1(7), 3)};
    bal_value rng = rng_of(g, 11, 12);
    bal_value plain = bal_batch_norm(g, wrt[0], wrt[1], wrt[2], 1e-5);
    plain = bal_activate(g, plain, activation, 0.2);
    if (rate > 0) plain = bal_dropout(g, plain, rng, rate); /* stream 0, the first of the graph */
    bal_value fused = bal_norm_act_dropout(g, wrt[0], wrt[1], wrt[2], rate > 0 ? rng : BAL_NO_VALUE,
                                           1e-5, activation, 0.2, rate, 0);
    expect_equal(g, fused, plain, wrt, 3, dtype == BAL_F64 ? 1e-12 : 2e-6,
                 bal_activation_name(activation));
}

static void test_norm_act_dropout_equals_its_chain(void **state) {
    for (int a = 0; a < BAL_ACT_COUNT; a++) {
        check_norm_chain(BAL_F64, (bal_activation)a, 0);
        check_norm_chain(BAL_F64, (bal_activation)a, 0.4);
        check_norm_chain(BAL_F32, (bal_activation)a, 0.4);
    }
}

/* ---- dropout ---- */

static void check_mask(const golden_mask *c) {
    bal_graph *g = golden_graph(BAL_F64);
    double ones[64], kept[64];
    assert_true(c->count <= 64);
    for (int64_t i = 0; i < c->count; i++) {
        ones[i] = 3;
        kept[i] = c->mask[i] * 3 / (1 - c->rate);
    }
    bal_value x = golden_real(g, BAL_SHAPE1(c->count), ones), rng = rng_of(g, c->seed, c->step);
    bal_attr attrs[] = {{.f = c->rate}, {.i = c->stream}};
    bal_value y = bal_graph_add(g, bal_op_find("dropout"), (bal_value[]){x, rng}, 2, attrs);
    golden_check(g, "dropout");
    interpreter it;
    interpreter_init(&it, g);
    interpreter_run(&it);
    golden_expect(&it, bal_graph_output(g, y, 1), c->mask, 0, "dropout", "mask");
    golden_expect(&it, y, kept, 1e-15, "dropout", "y");
    interpreter_release(&it);
    bal_graph_free(g);
}

static void test_dropout_masks(void **state) {
    for (size_t i = 0; i < LENGTH(golden_masks); i++)
        check_mask(&golden_masks[i]);
}

/* The share kept of many draws lies within 5 standard deviations of 1 − rate. */
static void test_dropout_rate(void **state) {
    enum { DRAWS = 200000 };
    static const double rates[] = {0.01, 0.2, 0.5, 0.9};
    for (size_t r = 0; r < LENGTH(rates); r++) {
        bal_draw draw = bal_draw_of((int64_t[]){77, 5}, (int64_t)r);
        uint64_t threshold = bal_draw_threshold(rates[r]);
        int64_t dropped = 0;
        for (uint64_t e = 0; e < DRAWS; e++)
            dropped += bal_draw_bits(&draw, e) < threshold;
        double deviation = sqrt(DRAWS * rates[r] * (1 - rates[r]));
        assert_true(fabs((double)dropped - DRAWS * rates[r]) < 5 * deviation);
    }
    assert_true(bal_draw_threshold(0) == 0);
    assert_true(bal_draw_threshold(0.5) == UINT64_C(1) << 31);
    assert_true(bal_draw_threshold(1 - 1e-12) == UINT64_C(1) << 32);
}

static void test_dropping_hides_nan(void **state) {
    bal_graph *g = values_graph();
    const golden_mask *c = &golden_masks[0]; /* rate 1/2 */
    double broken[64], wanted[64];
    for (int64_t i = 0; i < c->count; i++) {
        broken[i] = c->mask[i] != 0 ? 1 : (double)NAN;
        wanted[i] = c->mask[i] * 2;
    }
    bal_value x = values_vector(g, c->count, broken), grad;
    bal_value y = bal_dropout(g, x, rng_of(g, c->seed, c->step), c->rate);
    bal_graph_differentiate(g, bal_reduce_sum(g, y, -1), &x, 1, &grad);
    interpreter it;
    interpreter_init(&it, g);
    interpreter_run(&it);
    golden_expect(&it, y, wanted, 0, "dropout of NaN", "y");
    golden_expect(&it, grad, wanted, 0, "dropout of NaN", "gradient");
    interpreter_release(&it);
    bal_graph_free(g);
}

static void test_call_sites_draw_apart(void **state) {
    bal_graph *g = values_graph();
    bal_value x = VECTOR(g, 1, 2), rng = rng_of(g, 1, 1);
    bal_value first = bal_dropout(g, x, rng, 0.5), second = bal_dropout(g, x, rng, 0.5);
    golden_check(g, "two dropouts");
    int32_t a = bal_graph_info(g, first)->node, b = bal_graph_info(g, second)->node;
    assert_int_not_equal(bal_graph_node(g, a)->attr[1].i, bal_graph_node(g, b)->attr[1].i);
    bal_graph_free(g);
}

static void test_dropout_refusals(void **state) {
    bal_graph *g = values_graph();
    bal_dropout(g, VECTOR(g, 1), rng_of(g, 1, 1), 1);
    values_expect_refusal(g, "rate must be from 0 to below 1, but is 1");
    g = values_graph();
    bal_dropout(g, VECTOR(g, 1), VECTOR(g, 1, 1), 0.5);
    values_expect_refusal(g, "rng must be of type i64, but is f64[2]");
    g = values_graph();
    bal_norm_act_dropout(g, MATRIX(g, 1, 1, 1), VECTOR(g, 1), VECTOR(g, 1), BAL_NO_VALUE, 1e-5,
                         BAL_ACT_RELU, 0, 0.5, 0);
    values_expect_refusal(g, "rate must be 0 without rng, but is 0.5");
    g = values_graph();
    bal_norm_act_dropout(g, MATRIX(g, 1, 1, 1), VECTOR(g, 1), VECTOR(g, 1), rng_of(g, 1, 1), 1e-5,
                         BAL_ACT_RELU, 0, 0.5, INT64_C(1) << 32);
    values_expect_refusal(g, "stream must be a number from 0 to 4294967295, but is 4294967296");
}

/* ---- embedding ---- */

static void test_embedding(void **state) {
    bal_graph *g = values_graph();
    bal_value table = MATRIX(g, 3, 2, 1, 2, 3, 4, 5, 6), grad;
    bal_value ids =
        bal_graph_constant(g, BAL_I32, BAL_SHAPE1(6), (int32_t[]){2, 0, 2, 3, -1, INT32_MIN});
    bal_value y = bal_embedding(g, table, ids);
    bal_value dy = MATRIX(g, 6, 2, 10, 1, 20, 2, 30, 3, 40, 4, 50, 5, 60, 6);
    bal_graph_differentiate(g, bal_reduce_sum(g, bal_mul(g, y, dy), -1), &table, 1, &grad);
    golden_check(g, "embedding");
    interpreter it;
    interpreter_init(&it, g);
    interpreter_run(&it);
    golden_expect(&it, y, (double[]){5, 6, 1, 2, 5, 6, NAN, NAN, NAN, NAN, NAN, NAN}, 0,
                  "embedding", "y");
    golden_expect(&it, grad, (double[]){20, 2, 0, 0, 40, 4}, 0, "embedding", "gradient");
    interpreter_release(&it);
    bal_graph_free(g);
}

static void test_embedding_refusals(void **state) {
    bal_graph *g = values_graph();
    bal_embedding(g, MATRIX(g, 1, 1, 1), VECTOR(g, 0));
    values_expect_refusal(g, "ids must be of type i32, but is f64[1]");
    g = values_graph();
    bal_value ids = bal_graph_constant(g, BAL_I32, BAL_SHAPE1(1), (int32_t[]){0});
    bal_embedding(g, VECTOR(g, 1), ids);
    values_expect_refusal(g, "table must have 2 dimensions, but is f64[1]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_linear_refusals),
        cmocka_unit_test(test_linear_act_equals_its_chain),
        cmocka_unit_test(test_norm_act_dropout_equals_its_chain),
        cmocka_unit_test(test_dropout_masks),
        cmocka_unit_test(test_dropout_rate),
        cmocka_unit_test(test_dropping_hides_nan),
        cmocka_unit_test(test_call_sites_draw_apart),
        cmocka_unit_test(test_dropout_refusals),
        cmocka_unit_test(test_embedding),
        cmocka_unit_test(test_embedding_refusals),
    };
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
