/* Values of the ops from arithmetic to softmax against numbers worked out by hand (transcendental
 * ones from Python's math module), among them what each op does with NaN, infinities and zeros. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/op_table.h"
#include "ops/values.h"

/* A gradient op of (g, x or y). */
static bal_value grad_op(bal_graph *g, const bal_op *op, bal_value grad, bal_value other,
                         const bal_attr *attr) {
    return bal_graph_add(g, op, (bal_value[]){grad, other}, 2, attr);
}

/* ---- arithmetic ---- */

static void test_add_broadcasts(void **state) {
    bal_graph *g = values_graph();
    bal_value a = MATRIX(g, 2, 3, 1, 2, 3, 4, 5, 6);
    EXPECT(g, bal_add(g, a, VECTOR(g, 10, 20, 30)), BAL_SHAPE2(2, 3), 11, 22, 33, 14, 25, 36);
    g = values_graph();
    a = MATRIX(g, 2, 2, 1, 2, 3, INFINITY);
    EXPECT(g, bal_add(g, a, VECTOR(g, -INFINITY)), BAL_SHAPE2(2, 2), -INFINITY, -INFINITY,
           -INFINITY, NAN);
}

static void test_sub(void **state) {
    bal_graph *g = values_graph();
    bal_value a = MATRIX(g, 2, 2, 1, 2, 3, 4);
    EXPECT(g, bal_sub(g, a, VECTOR(g, 1, 5)), BAL_SHAPE2(2, 2), 0.0, -3, 2, -1);
}

static void test_mul(void **state) {
    bal_graph *g = values_graph();
    bal_value a = MATRIX(g, 2, 2, 1, 2, 3, 0);
    EXPECT(g, bal_mul(g, a, MATRIX(g, 2, 2, 5, -6, 0.5, INFINITY)), BAL_SHAPE2(2, 2), 5, -12, 1.5,
           NAN);
}

static void test_div(void **state) {
    bal_graph *g = values_graph();
    bal_value a = VECTOR(g, 3, 1, -1, 0, 1);
    EXPECT(g, bal_div(g, a, VECTOR(g, 4, 0, 0, 0, INFINITY)), BAL_SHAPE1(5), 0.75, INFINITY,
           -INFINITY, NAN, 0.0);
}

static void test_neg_and_scale(void **state) {
    bal_graph *g = values_graph();
    EXPECT(g, bal_neg(g, VECTOR(g, 1.5, 0.0, -INFINITY, NAN)), BAL_SHAPE1(4), -1.5, -0.0, INFINITY,
           NAN);
    g = values_graph();
    EXPECT(g, bal_scale(g, VECTOR(g, 1, -2, 0, NAN), -2.0, 0.5), BAL_SHAPE1(4), -1.5, 4.5, 0.5,
           NAN);
    g = values_graph(); /* a factor of 0 does not hide what is broken */
    EXPECT(g, bal_scale(g, VECTOR(g, 7, NAN, INFINITY), 0.0, 1.0), BAL_SHAPE1(3), 1, NAN, NAN);
}

static void test_exp_log_sqrt(void **state) {
    bal_graph *g = values_graph();
    EXPECT(g, bal_exp(g, VECTOR(g, 0, 1, -0.5, 1000, -INFINITY, NAN)), BAL_SHAPE1(6), 1,
           2.718281828459045, 0.6065306597126334, INFINITY, 0.0, NAN);
    g = values_graph();
    EXPECT(g, bal_log(g, VECTOR(g, 1, 2, 0, -1, INFINITY)), BAL_SHAPE1(5), 0.0, 0.6931471805599453,
           -INFINITY, NAN, INFINITY);
    g = values_graph();
    EXPECT(g, bal_sqrt(g, VECTOR(g, 4, 2, 0.0, -1, INFINITY)), BAL_SHAPE1(5), 2, 1.4142135623730951,
           0.0, NAN, INFINITY);
}

static void test_square_and_abs(void **state) {
    bal_graph *g = values_graph();
    EXPECT(g, bal_square(g, VECTOR(g, -3, 0.5, -INFINITY)), BAL_SHAPE1(3), 9, 0.25, INFINITY);
    g = values_graph();
    EXPECT(g, bal_abs(g, VECTOR(g, -3, 0.5, -0.0, -INFINITY, NAN)), BAL_SHAPE1(5), 3, 0.5, 0.0,
           INFINITY, NAN);
    g = values_graph();
    bal_value grad = VECTOR(g, 2, 2, 2, 2);
    EXPECT(g, grad_op(g, &bal_op_abs_grad, grad, VECTOR(g, 3, -3, 0, NAN), NULL), BAL_SHAPE1(4), 2,
           -2, 0.0, NAN);
}

/* ---- activations ---- */

static void test_relu(void **state) {
    bal_graph *g = values_graph();
    EXPECT(g, bal_relu(g, VECTOR(g, 2, -2, 0, -0.0, NAN, INFINITY, -INFINITY)), BAL_SHAPE1(7), 2,
           0.0, 0.0, 0.0, NAN, INFINITY, 0.0);
    g = values_graph();
    bal_value grad = VECTOR(g, 3, 3, NAN, NAN, 3);
    EXPECT(g, grad_op(g, &bal_op_relu_grad, grad, VECTOR(g, 2, 0, 0, 1, NAN), NULL), BAL_SHAPE1(5),
           3, 0.0, 0.0, NAN, 3);
}

static void test_leaky_relu(void **state) {
    bal_graph *g = values_graph();
    EXPECT(g, bal_leaky_relu(g, VECTOR(g, 2, -2, NAN, -INFINITY), 0.25), BAL_SHAPE1(4), 2, -0.5,
           NAN, -INFINITY);
    g = values_graph();
    bal_attr slope = {.f = 0.25};
    bal_value grad = VECTOR(g, 3, 3, 3, NAN);
    EXPECT(g, grad_op(g, &bal_op_leaky_relu_grad, grad, VECTOR(g, 2, -0.5, 0, -1), &slope),
           BAL_SHAPE1(4), 3, 0.75, 0.75, NAN);
}

static void test_gelu(void **state) {
    bal_graph *g = values_graph();
    EXPECT(g, bal_gelu(g, VECTOR(g, 0.0, 1, -1, -10, INFINITY, -INFINITY, NAN)), BAL_SHAPE1(7), 0.0,
           0.8413447460685429, -0.15865525393145707, -7.619853024160593e-23, INFINITY, NAN, NAN);
    g = values_graph();
    bal_value grad = VECTOR(g, 1, 1, 2);
    EXPECT(g, grad_op(g, &bal_op_gelu_grad, grad, VECTOR(g, 1, -1, 0), NULL), BAL_SHAPE1(3),
           1.0833154705876864, -0.08331547058768629, 1);
}

static void test_sigmoid(void **state) {
    bal_graph *g = values_graph();
    EXPECT(g, bal_sigmoid(g, VECTOR(g, 0, 1, -40, -1000, 1000, -INFINITY, INFINITY, NAN)),
           BAL_SHAPE1(8), 0.5, 0.7310585786300049, 4.248354255291589e-18, 0.0, 1, 0.0, 1, NAN);
    g = values_graph();
    bal_value grad = VECTOR(g, 2, 4, 1);
    EXPECT(g, grad_op(g, &bal_op_sigmoid_grad, grad, VECTOR(g, 0.5, 0.25, NAN), NULL),
           BAL_SHAPE1(3), 0.5, 0.75, NAN);
}

static void test_tanh(void **state) {
    bal_graph *g = values_graph();
    EXPECT(g, bal_tanh(g, VECTOR(g, 0.5, -INFINITY, 1000, NAN)), BAL_SHAPE1(4), 0.46211715726000974,
           -1, 1, NAN);
    g = values_graph();
    bal_value grad = VECTOR(g, 2, 2);
    EXPECT(g, grad_op(g, &bal_op_tanh_grad, grad, VECTOR(g, 0.5, 1), NULL), BAL_SHAPE1(2), 1.5,
           0.0);
}

static void test_activations_by_number(void **state) {
    static const char *const names[] = {"none", "relu", "leaky_relu", "gelu", "sigmoid", "tanh"};
    for (int i = 0; i < BAL_ACT_COUNT; i++) {
        bal_graph *g = values_graph();
        bal_value x = VECTOR(g, 1.0), y = bal_activate(g, x, (bal_activation)i, 0.1);
        assert_string_equal(bal_activation_name((bal_activation)i), names[i]);
        if (i == BAL_ACT_NONE) {
            assert_int_equal(y.id, x.id);
        } else {
            const bal_node *node = bal_graph_node(g, bal_graph_node_count(g) - 1);
            assert_string_equal(node->op->name, names[i]);
        }
        bal_graph_free(g);
    }
    assert_string_equal(bal_activation_name(BAL_ACT_COUNT), "unknown");
    bal_graph *g = values_graph();
    assert_false(bal_value_is_some(bal_activate(g, VECTOR(g, 1.0), BAL_ACT_COUNT, 0.1)));
    values_expect_refusal(g, "activation must be a number from 0 to 5, but is 6");
}

/* ---- matmul ---- */

static void test_matmul(void **state) {
    static const double a[] = {1, 2, 3, 4, 5, 6}, a_transposed[] = {1, 4, 2, 5, 3, 6};
    static const double b[] = {7, 8, 9, 10, 11, 12}, b_transposed[] = {7, 9, 11, 8, 10, 12};
    for (int flags = 0; flags < 4; flags++) {
        bool transpose_a = flags & 1, transpose_b = flags & 2;
        bal_graph *g = values_graph();
        bal_value left =
            transpose_a ? values_matrix(g, 3, 2, a_transposed) : values_matrix(g, 2, 3, a);
        bal_value right =
            transpose_b ? values_matrix(g, 2, 3, b_transposed) : values_matrix(g, 3, 2, b);
        EXPECT(g, bal_matmul(g, left, right, transpose_a, transpose_b), BAL_SHAPE2(2, 2), 58, 64,
               139, 154);
    }
}

/* NaN reaches exactly the elements it has a part in, also where it meets 0. */
static void test_matmul_nan(void **state) {
    bal_graph *g = values_graph();
    bal_value a = MATRIX(g, 2, 2, 1, NAN, 3, 4), b = MATRIX(g, 2, 2, 1, 0, 0, 0);
    EXPECT(g, bal_matmul(g, a, b, false, false), BAL_SHAPE2(2, 2), NAN, NAN, 3, 0.0);
}

/* ---- shape ---- */

static void test_reshape(void **state) {
    bal_graph *g = values_graph();
    bal_value x = MATRIX(g, 2, 3, 1, 2, 3, 4, 5, 6);
    EXPECT(g, bal_reshape(g, x, BAL_SHAPE3(3, -1, 1)), BAL_SHAPE3(3, 2, 1), 1, 2, 3, 4, 5, 6);
}

static void test_concat(void **state) {
    bal_graph *g = values_graph();
    bal_value parts[] = {MATRIX(g, 2, 1, 1, 2), MATRIX(g, 2, 2, 3, 4, 5, 6)};
    EXPECT(g, bal_concat(g, parts, 2, 1), BAL_SHAPE2(2, 3), 1, 3, 4, 2, 5, 6);
    g = values_graph();
    bal_value rows[] = {MATRIX(g, 1, 2, 1, 2), MATRIX(g, 2, 2, 3, 4, 5, 6)};
    EXPECT(g, bal_concat(g, rows, 2, 0), BAL_SHAPE2(3, 2), 1, 2, 3, 4, 5, 6);
}

static void test_slice(void **state) {
    bal_graph *g = values_graph();
    bal_value x = MATRIX(g, 2, 3, 1, 2, 3, 4, 5, 6);
    EXPECT(g, bal_slice(g, x, 1, 1, 2), BAL_SHAPE2(2, 2), 2, 3, 5, 6);
    g = values_graph();
    bal_value grad = MATRIX(g, 2, 1, 7, 8);
    bal_attr attrs[] = {{.i = 1}, {.i = 1}, {.i = 3}};
    EXPECT(g, bal_graph_add(g, &bal_op_slice_grad, &grad, 1, attrs), BAL_SHAPE2(2, 3), 0.0, 7, 0.0,
           0.0, 8, 0.0);
}

/* Labels and ids can be cut and joined too. */
static void test_shape_ops_take_whole_numbers(void **state) {
    static const int32_t labels[] = {3, 1, 4, 1, 5, 9};
    bal_graph *g = values_graph();
    bal_value x = bal_graph_constant(g, BAL_I32, BAL_SHAPE1(6), labels);
    bal_value end = bal_slice(g, x, 0, 4, 2);
    bal_value all = bal_concat(g, (bal_value[]){end, x}, 2, 0);
    bal_value matrix = bal_reshape(g, all, BAL_SHAPE2(2, 4));
    assert_int_equal(bal_graph_info(g, matrix)->dtype, BAL_I32);
    EXPECT(g, matrix, BAL_SHAPE2(2, 4), 5, 9, 3, 1, 4, 1, 5, 9);
}

static void test_expand(void **state) {
    bal_graph *g = values_graph();
    bal_value x = VECTOR(g, 1, 2);
    EXPECT(g, bal_expand(g, x, 0, BAL_SHAPE2(3, 2)), BAL_SHAPE2(3, 2), 1, 2, 1, 2, 1, 2);
    g = values_graph();
    x = VECTOR(g, 1, 2);
    EXPECT(g, bal_expand(g, x, 1, BAL_SHAPE2(2, 3)), BAL_SHAPE2(2, 3), 1, 1, 1, 2, 2, 2);
    g = values_graph();
    EXPECT(g, bal_expand(g, VECTOR(g, NAN), -1, BAL_SHAPE2(1, 2)), BAL_SHAPE2(1, 2), NAN, NAN);
}

/* ---- reductions ---- */

static void test_reduce_sum_and_mean(void **state) {
    static const double x[] = {1, 2, 3, 4, 5, 9};
    bal_graph *g = values_graph();
    EXPECT(g, bal_reduce_sum(g, values_matrix(g, 2, 3, x), 0), BAL_SHAPE1(3), 5, 7, 12);
    g = values_graph();
    EXPECT(g, bal_reduce_sum(g, values_matrix(g, 2, 3, x), 1), BAL_SHAPE1(2), 6, 18);
    g = values_graph();
    EXPECT(g, bal_reduce_sum(g, values_matrix(g, 2, 3, x), -1), BAL_SHAPE1(1), 24);
    g = values_graph();
    EXPECT(g, bal_reduce_mean(g, values_matrix(g, 2, 3, x), 0), BAL_SHAPE1(3), 2.5, 3.5, 6);
    g = values_graph();
    EXPECT(g, bal_reduce_mean(g, values_matrix(g, 2, 3, x), 1), BAL_SHAPE1(2), 2, 6);
    g = values_graph();
    EXPECT(g, bal_reduce_mean(g, VECTOR(g, 1, 2, 6), 0), BAL_SHAPE1(1), 3);
    g = values_graph();
    EXPECT(g, bal_reduce_mean(g, MATRIX(g, 2, 2, 1, NAN, 3, INFINITY), 1), BAL_SHAPE1(2), NAN,
           INFINITY);
}

/* Sums are kept in double: in f32 the 1 would be lost beside 2²⁵. */
static void test_sums_are_double(void **state) {
    static const double x[] = {33554432, 1, -33554432};
    bal_graph *g = values_graph();
    EXPECT(g, bal_reduce_sum(g, values_vector(g, 3, x), 0), BAL_SHAPE1(1), 1);
    g = values_graph();
    EXPECT(g, bal_reduce_mean(g, values_vector(g, 3, x), 0), BAL_SHAPE1(1), 1.0 / 3.0);
    g = values_graph();
    bal_value row = values_matrix(g, 1, 3, x), ones = MATRIX(g, 3, 1, 1, 1, 1);
    EXPECT(g, bal_matmul(g, row, ones, false, false), BAL_SHAPE2(1, 1), 1);
}

static void test_reduce_max(void **state) {
    bal_graph *g = values_graph();
    EXPECT(g, bal_reduce_max(g, MATRIX(g, 2, 3, 1, 7, 3, -4, -5, -6), 1), BAL_SHAPE1(2), 7, -4);
    g = values_graph();
    EXPECT(g, bal_reduce_max(g, MATRIX(g, 2, 2, -INFINITY, NAN, -INFINITY, INFINITY), 0),
           BAL_SHAPE1(2), -INFINITY, NAN);
}

/* Ties: the first maximum takes all; of NaNs the first. */
static void test_reduce_max_grad(void **state) {
    bal_graph *g = values_graph();
    bal_value grad = VECTOR(g, 10, 20, 30);
    bal_value x = MATRIX(g, 3, 3, 1, 5, 5, 0, 0, 0, 9, NAN, NAN);
    bal_attr axis = {.i = 1};
    EXPECT(g, grad_op(g, &bal_op_reduce_max_grad, grad, x, &axis), BAL_SHAPE2(3, 3), 0.0, 10, 0.0,
           20, 0.0, 0.0, 0.0, 30, 0.0);
}

/* ---- softmax ---- */

static void test_softmax(void **state) {
    bal_graph *g = values_graph();
    bal_value x = MATRIX(g, 3, 3, 0, 1, 2, 1000, 1001, 1002, -INFINITY, 5, 5);
    EXPECT(g, bal_softmax(g, x), BAL_SHAPE2(3, 3), 0.09003057317038046, 0.24472847105479764,
           0.6652409557748219, 0.09003057317038046, 0.24472847105479764, 0.6652409557748219, 0.0,
           0.5, 0.5);
    g = values_graph(); /* rows without an answer, and a healthy one beside them */
    x = MATRIX(g, 4, 2, 1, NAN, 1, INFINITY, -INFINITY, -INFINITY, 3, 3);
    EXPECT(g, bal_softmax(g, x), BAL_SHAPE2(4, 2), NAN, NAN, NAN, NAN, NAN, NAN, 0.5, 0.5);
    g = values_graph();
    bal_value grad = VECTOR(g, 1, 2, 4), y = VECTOR(g, 0.5, 0.25, 0.25); /* Σ g·y = 2 */
    EXPECT(g, grad_op(g, &bal_op_softmax_grad, grad, y, NULL), BAL_SHAPE1(3), -0.5, 0.0, 0.5);
}

static void test_log_softmax(void **state) {
    bal_graph *g = values_graph();
    bal_value x = MATRIX(g, 3, 3, 0, 1, 2, -5000, 0, -INFINITY, 1, NAN, 1);
    EXPECT(g, bal_log_softmax(g, x), BAL_SHAPE2(3, 3), -2.40760596444438, -1.4076059644443801,
           -0.40760596444438013, -5000, 0.0, -INFINITY, NAN, NAN, NAN);
    g = values_graph();
    bal_value grad = VECTOR(g, 1, 2), y = VECTOR(g, 0.0, -INFINITY); /* p = 1, 0; Σ g = 3 */
    EXPECT(g, grad_op(g, &bal_op_log_softmax_grad, grad, y, NULL), BAL_SHAPE1(2), -2, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_broadcasts),
        cmocka_unit_test(test_sub),
        cmocka_unit_test(test_mul),
        cmocka_unit_test(test_div),
        cmocka_unit_test(test_neg_and_scale),
        cmocka_unit_test(test_exp_log_sqrt),
        cmocka_unit_test(test_square_and_abs),
        cmocka_unit_test(test_relu),
        cmocka_unit_test(test_leaky_relu),
        cmocka_unit_test(test_gelu),
        cmocka_unit_test(test_sigmoid),
        cmocka_unit_test(test_tanh),
        cmocka_unit_test(test_activations_by_number),
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_matmul_nan),
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_shape_ops_take_whole_numbers),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_reduce_sum_and_mean),
        cmocka_unit_test(test_sums_are_double),
        cmocka_unit_test(test_reduce_max),
        cmocka_unit_test(test_reduce_max_grad),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_log_softmax),
    };
    return cmocka_run_group_tests_name("basic ops", tests, NULL, NULL);
}
