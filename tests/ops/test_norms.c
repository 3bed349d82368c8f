/* Normalisations (and gelu) with their gradients against PyTorch's, in both precisions; running
 * statistics and when they stand still; batches of one; what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "golden/ops_golden.h"
#include "ops/golden_values.h"
#include "ops/values.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* ---- golden cases ---- */

static bal_value build_norm(bal_graph *g, const golden_norm *c, bal_value x, bal_value gamma,
                            bal_value beta) {
    static const struct {
        const char *name;
        bal_activation activation;
    } fused[] = {
        {"norm_relu", BAL_ACT_RELU}, {"norm_leaky_relu", BAL_ACT_LEAKY_RELU},
        {"norm_gelu", BAL_ACT_GELU}, {"norm_sigmoid", BAL_ACT_SIGMOID},
        {"norm_tanh", BAL_ACT_TANH},
    };
    bal_shape column = BAL_SHAPE1(c->columns);
    for (size_t i = 0; i < LENGTH(fused); i++) {
        if (strcmp(c->name, fused[i].name) == 0)
            return bal_norm_act_dropout(g, x, gamma, beta, BAL_NO_VALUE, c->epsilon,
                                        fused[i].activation, 0.1, 0, 0);
    }
    if (strcmp(c->name, "batch_norm_inference") == 0)
        return bal_batch_norm_inference(g, x, gamma, beta, golden_real(g, column, c->mean_before),
                                        golden_real(g, column, c->variance_before), c->epsilon);
    if (strncmp(c->name, "batch_norm", strlen("batch_norm")) == 0)
        return bal_batch_norm(g, x, gamma, beta, c->epsilon);
    if (strcmp(c->name, "layer_norm") == 0) return bal_layer_norm(g, x, gamma, beta, c->epsilon);
    if (strcmp(c->name, "l2_normalize") == 0) return bal_l2_normalize(g, x, c->epsilon);
    if (strcmp(c->name, "gelu") == 0) return bal_gelu(g, x);
    fail_msg("no builder for %s", c->name);
    return BAL_NO_VALUE;
}

/* Statistics in single precision cost the gradient what their rounding is worth: with a mean of
 * 1000 spreads, 1000 · 2⁻²⁴ = 6e-5. In double, the same mean tells two passes over a column from
 * one. */
static double gradient_tolerance(const golden_norm *c, bal_dtype dtype) {
    if (dtype == BAL_F64) return 1e-11;
    return strcmp(c->name, "batch_norm_offset") == 0 ? 2e-4 : 1e-6;
}

static void check_norm(const golden_norm *c, bal_dtype dtype) {
    double tolerance = golden_tolerance(dtype);
    bal_shape matrix = BAL_SHAPE2(c->rows, c->columns), column = BAL_SHAPE1(c->columns);
    bal_graph *g = golden_graph(dtype);
    bal_value wrt[] = {golden_real(g, matrix, c->x), golden_real(g, column, c->gamma),
                       golden_real(g, column, c->beta)};
    bal_value y = build_norm(g, c, wrt[0], wrt[1], wrt[2]), grads[LENGTH(wrt)];
    bal_value loss = bal_reduce_sum(g, bal_mul(g, y, golden_real(g, matrix, c->dy)), -1);
    bal_graph_differentiate(g, loss, wrt, c->gamma ? 3 : 1, grads);
    golden_check(g, c->name);
    interpreter it;
    interpreter_init(&it, g);
    interpreter_run(&it);
    golden_expect(&it, y, c->y, tolerance, c->name, "y");
    golden_expect(&it, bal_graph_output(g, y, 1), c->first, tolerance, c->name, "output 1");
    golden_expect(&it, bal_graph_output(g, y, 2), c->second, tolerance, c->name, "output 2");
    double grad_tolerance = gradient_tolerance(c, dtype);
    golden_expect(&it, grads[0], c->dx, grad_tolerance, c->name, "dx");
    golden_expect(&it, grads[1], c->dgamma, grad_tolerance, c->name, "dgamma");
    golden_expect(&it, grads[2], c->dbeta, grad_tolerance, c->name, "dbeta");
    interpreter_release(&it);
    bal_graph_free(g);
}

static void test_golden(void **state) {
    for (size_t i = 0; i < LENGTH(golden_norms); i++) {
        check_norm(&golden_norms[i], BAL_F64);
        check_norm(&golden_norms[i], BAL_F32);
    }
}

/* ---- running statistics ---- */

/* Run one step over the golden batch, with `gate` (NULL: none) and as a batch of `batch`, and
 * expect the statistics to be what is wanted. */
static void check_running(bal_dtype dtype, const double *gate, int64_t batch,
                          const double *wanted_mean, const double *wanted_variance) {
    const golden_norm *c = &golden_norms[0];
    assert_string_equal(c->name, "batch_norm");
    bal_shape matrix = BAL_SHAPE2(c->rows, c->columns), column = BAL_SHAPE1(c->columns);
    bal_graph *g = golden_graph(dtype);
    bal_value mean = bal_graph_state(g, "mean", dtype, column);
    bal_value variance = bal_graph_state(g, "variance", dtype, column);
    bal_value y = bal_batch_norm(g, golden_real(g, matrix, c->x), golden_real(g, column, c->gamma),
                                 golden_real(g, column, c->beta), c->epsilon);
    bal_batch_norm_running(g, mean, variance, bal_graph_output(g, y, 1), bal_graph_output(g, y, 2),
                           golden_real(g, BAL_SHAPE1(1), gate), 0.1, batch);
    golden_check(g, "batch_norm_running");
    interpreter it;
    interpreter_init(&it, g);
    interpreter_set_numbers(&it, mean, c->mean_before);
    interpreter_set_numbers(&it, variance, c->variance_before);
    interpreter_run(&it);
    golden_expect(&it, mean, wanted_mean, golden_tolerance(dtype), "running", "mean");
    golden_expect(&it, variance, wanted_variance, golden_tolerance(dtype), "running", "variance");
    interpreter_release(&it);
    bal_graph_free(g);
}

static void test_running_statistics(void **state) {
    const golden_norm *c = &golden_norms[0];
    static const bal_dtype dtypes[] = {BAL_F64, BAL_F32};
    for (size_t i = 0; i < LENGTH(dtypes); i++) {
        check_running(dtypes[i], NULL, c->rows, c->mean_after, c->variance_after);
        check_running(dtypes[i], (double[]){0}, c->rows, c->mean_after, c->variance_after);
        check_running(dtypes[i], (double[]){1e30}, c->rows, c->mean_after, c->variance_after);
    }
}

static void test_running_statistics_stand_still(void **state) {
    const golden_norm *c = &golden_norms[0];
    check_running(BAL_F32, NULL, 1, c->mean_before, c->variance_before);
    check_running(BAL_F32, (double[]){NAN}, c->rows, c->mean_before, c->variance_before);
    check_running(BAL_F64, (double[]){INFINITY}, c->rows, c->mean_before, c->variance_before);
    check_running(BAL_F64, (double[]){-INFINITY}, c->rows, c->mean_before, c->variance_before);
}

/* ---- degenerate inputs ---- */

/* One row has no spread: y is beta, x gets no gradient, beta gets all of it. */
static void test_batch_of_one(void **state) {
    bal_graph *g = values_graph();
    bal_value wrt[] = {MATRIX(g, 1, 2, 3, -4), VECTOR(g, 2, 0.5), VECTOR(g, 0.25, -1)}, grads[3];
    bal_value y = bal_batch_norm(g, wrt[0], wrt[1], wrt[2], 1e-5);
    bal_value loss = bal_reduce_sum(g, bal_mul(g, y, MATRIX(g, 1, 2, 5, 7)), -1);
    bal_graph_differentiate(g, loss, wrt, 3, grads);
    golden_check(g, "batch of one");
    interpreter it;
    interpreter_init(&it, g);
    interpreter_run(&it);
    golden_expect(&it, y, (double[]){0.25, -1}, 0, "batch of one", "y");
    golden_expect(&it, bal_graph_output(g, y, 1), (double[]){3, -4}, 0, "batch of one", "mean");
    golden_expect(&it, bal_graph_output(g, y, 2), (double[]){0, 0}, 0, "batch of one", "variance");
    golden_expect(&it, grads[0], (double[]){0, 0}, 0, "batch of one", "dx");
    golden_expect(&it, grads[1], (double[]){0, 0}, 0, "batch of one", "dgamma");
    golden_expect(&it, grads[2], (double[]){5, 7}, 0, "batch of one", "dbeta");
    interpreter_release(&it);
    bal_graph_free(g);
}

/* A broken number breaks its own column and no other. */
static void test_nan_stays_in_its_column(void **state) {
    bal_graph *g = values_graph();
    bal_value x = MATRIX(g, 2, 2, 1, NAN, 3, 5);
    bal_value y = bal_batch_norm(g, x, VECTOR(g, 1, 1), VECTOR(g, 0, 0), 1e-30);
    EXPECT(g, y, BAL_SHAPE2(2, 2), -1, NAN, 1, NAN);
}

static void test_normalizing_zeros(void **state) {
    bal_graph *g = values_graph();
    EXPECT(g, bal_l2_normalize(g, MATRIX(g, 3, 2, 3, 4, 0, 0, 3e-13, 4e-13), 1e-12),
           BAL_SHAPE2(3, 2), 0.6, 0.8, 0, 0, 0.3, 0.4);
}

/* ---- refusals ---- */

static void test_statistics_have_no_gradient(void **state) {
    bal_graph *g = values_graph();
    bal_value x = MATRIX(g, 2, 1, 1, 2), grad;
    bal_value y = bal_batch_norm(g, x, VECTOR(g, 1), VECTOR(g, 0), 1e-5);
    bal_value both = bal_add(g, bal_reduce_sum(g, y, -1), bal_graph_output(g, y, 2));
    bal_graph_differentiate(g, both, &x, 1, &grad);
    bal_error err = {0};
    assert_int_equal(bal_graph_check(g, &err), BAL_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "output 2 of batch_norm is a by-product"));
    bal_graph_free(g);
}

static void test_refusals(void **state) {
    bal_graph *g = values_graph();
    bal_batch_norm(g, MATRIX(g, 1, 2, 1, 2), VECTOR(g, 1), VECTOR(g, 1, 2), 1e-5);
    values_expect_refusal(g, "gamma must be [2], but is f64[1]");
    g = values_graph();
    bal_batch_norm(g, VECTOR(g, 1, 2), VECTOR(g, 1, 2), VECTOR(g, 1, 2), 1e-5);
    values_expect_refusal(g, "x must have 2 dimensions, but is f64[2]");
    g = values_graph();
    bal_layer_norm(g, MATRIX(g, 2, 1, 1, 2), VECTOR(g, 1), VECTOR(g, 1, 2), 1e-5);
    values_expect_refusal(g, "beta must be [1], but is f64[2]");
    g = values_graph();
    bal_l2_normalize(g, VECTOR(g, 1), 0);
    values_expect_refusal(g, "epsilon must be a number from 1e-30 to 1, but is 0");
    g = values_graph();
    bal_value mean = bal_graph_state(g, "m", BAL_F64, BAL_SHAPE1(1));
    bal_value variance = bal_graph_state(g, "v", BAL_F64, BAL_SHAPE1(1));
    bal_batch_norm_running(g, mean, variance, VECTOR(g, 1), VECTOR(g, 1), BAL_NO_VALUE, 0.1, 0);
    values_expect_refusal(g, "batch must be at least 1, but is 0");
    g = values_graph();
    variance = bal_graph_state(g, "v", BAL_F64, BAL_SHAPE1(1));
    bal_batch_norm_running(g, VECTOR(g, 1), variance, VECTOR(g, 1), VECTOR(g, 1), BAL_NO_VALUE, 0.1,
                           2);
    values_expect_refusal(g, "writes input 0, which is not a parameter or state");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_running_statistics),
        cmocka_unit_test(test_running_statistics_stand_still),
        cmocka_unit_test(test_batch_of_one),
        cmocka_unit_test(test_nan_stays_in_its_column),
        cmocka_unit_test(test_normalizing_zeros),
        cmocka_unit_test(test_statistics_have_no_gradient),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("norms", tests, NULL, NULL);
}
