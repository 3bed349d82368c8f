/* Losses and their gradients against golden values (PyTorch; the focal losses from 60-digit
 * arithmetic), logits of ±1e4, one class, one row and nothing to average among them; what is
 * ignored; what is refused. */
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

static bal_value build_loss(bal_graph *g, const golden_loss *c, bal_value prediction) {
    bal_shape shape = BAL_SHAPE2(c->rows, c->columns);
    bal_value weight = golden_real(g, BAL_SHAPE1(c->n_weight), c->weight);
    bal_value truth = c->labels ? bal_graph_constant(g, BAL_I32, BAL_SHAPE1(c->rows), c->labels)
                                : golden_real(g, shape, c->target);
    if (strcmp(c->op, "cross_entropy") == 0)
        return bal_cross_entropy(g, prediction, truth, weight, c->option);
    if (strcmp(c->op, "focal") == 0) return bal_focal(g, prediction, truth, weight, c->option);
    if (strcmp(c->op, "binary_cross_entropy") == 0)
        return bal_binary_cross_entropy(g, prediction, truth, weight);
    if (strcmp(c->op, "binary_focal") == 0)
        return bal_binary_focal(g, prediction, truth, weight, c->option);
    if (strcmp(c->op, "squared_error") == 0) return bal_squared_error(g, prediction, truth);
    if (strcmp(c->op, "huber") == 0) return bal_huber(g, prediction, truth, c->option);
    if (strcmp(c->op, "threshold_huber") == 0) /* sides as in make_ops.py */
        return bal_threshold_huber(g, prediction, truth,
                                   &(bal_threshold_huber_options){0.25, c->option, 0.5, 3, 1.5});
    fail_msg("%s: no builder for %s", c->name, c->op);
    return BAL_NO_VALUE;
}

/* `prediction` stands in for that of the case. */
static void check_loss(const golden_loss *c, bal_dtype dtype, const double *prediction) {
    double tolerance = golden_tolerance(dtype);
    bal_graph *g = golden_graph(dtype);
    bal_value x = golden_real(g, BAL_SHAPE2(c->rows, c->columns), prediction);
    bal_value loss = build_loss(g, c, x), grad = BAL_NO_VALUE;
    bal_graph_differentiate(g, loss, &x, 1, &grad);
    golden_check(g, c->name);
    interpreter it;
    interpreter_init(&it, g);
    interpreter_run(&it);
    golden_expect(&it, loss, &c->loss, tolerance, c->name, "loss");
    golden_expect(&it, bal_graph_output(g, loss, 1), &c->weight_sum, tolerance, c->name,
                  "weight_sum");
    golden_expect(&it, grad, c->gradient, tolerance, c->name, "gradient");
    interpreter_release(&it);
    bal_graph_free(g);
}

static void test_golden(void **state) {
    for (size_t i = 0; i < LENGTH(golden_losses); i++) {
        check_loss(&golden_losses[i], BAL_F64, golden_losses[i].prediction);
        check_loss(&golden_losses[i], BAL_F32, golden_losses[i].prediction);
    }
}

/* What is ignored may be anything: NaN and infinities there change neither loss nor gradient. */
static void test_ignored_rows_may_be_broken(void **state) {
    enum { COUNT_MAX = 64 };
    int32_t tried = 0;
    for (size_t i = 0; i < LENGTH(golden_losses); i++) {
        const golden_loss *c = &golden_losses[i];
        double broken[COUNT_MAX];
        bool any = false;
        assert_true(c->rows * c->columns <= COUNT_MAX);
        for (int64_t e = 0; e < c->rows * c->columns; e++) {
            bool ignored = c->labels ? c->labels[e / c->columns] == -1 : isnan(c->target[e]);
            broken[e] = !ignored ? c->prediction[e] : e % 2 ? (double)INFINITY : (double)NAN;
            any |= ignored;
        }
        if (!any) continue;
        check_loss(c, BAL_F64, broken);
        check_loss(c, BAL_F32, broken);
        tried++;
    }
    assert_true(tried >= 12);
}

/* ---- gradients are scaled by what comes in, and 0 where nothing does ---- */

static void test_incoming_gradient(void **state) {
    bal_graph *g = values_graph();
    bal_value x = MATRIX(g, 2, 2, 0, 0, 0, 0), grad;
    bal_value labels = bal_graph_constant(g, BAL_I32, BAL_SHAPE1(2), (int32_t[]){1, 0});
    bal_value loss = bal_cross_entropy(g, x, labels, BAL_NO_VALUE, 0);
    bal_graph_differentiate(g, bal_scale(g, loss, 8, 1), &x, 1, &grad);
    EXPECT(g, grad, BAL_SHAPE2(2, 2), 2, -2, -2, 2);

    g = values_graph(); /* a loss that only its weight_sum enters */
    x = MATRIX(g, 1, 2, 3, 4);
    labels = bal_graph_constant(g, BAL_I32, BAL_SHAPE1(1), (int32_t[]){1});
    loss = bal_cross_entropy(g, x, labels, BAL_NO_VALUE, 0);
    bal_graph_differentiate(g, bal_graph_output(g, loss, 1), &x, 1, &grad);
    assert_false(bal_value_is_some(grad));
    golden_check(g, "weight_sum alone");
    bal_graph_free(g);
}

/* ---- labels out of range ---- */

typedef bal_value (*labels_loss)(bal_graph *g, bal_value logits, bal_value labels);

static bal_value plain_cross_entropy(bal_graph *g, bal_value logits, bal_value labels) {
    return bal_cross_entropy(g, logits, labels, BAL_NO_VALUE, 0);
}

static bal_value weighted_cross_entropy(bal_graph *g, bal_value logits, bal_value labels) {
    return bal_cross_entropy(g, logits, labels, VECTOR(g, 1, 2), 0.1);
}

static bal_value plain_focal(bal_graph *g, bal_value logits, bal_value labels) {
    return bal_focal(g, logits, labels, VECTOR(g, 1, 2), 2);
}

static void test_unknown_labels_show(void **state) {
    static const labels_loss losses[] = {plain_cross_entropy, weighted_cross_entropy, plain_focal};
    static const int32_t unknown[] = {2, -2, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < LENGTH(losses) * LENGTH(unknown); i++) {
        bal_graph *g = values_graph();
        bal_value x = MATRIX(g, 2, 2, 1, 2, 3, 4), grad;
        bal_value labels = bal_graph_constant(g, BAL_I32, BAL_SHAPE1(2),
                                              (int32_t[]){0, unknown[i / LENGTH(losses)]});
        bal_value loss = losses[i % LENGTH(losses)](g, x, labels);
        bal_graph_differentiate(g, loss, &x, 1, &grad);
        golden_check(g, "unknown label");
        interpreter it;
        interpreter_init(&it, g);
        interpreter_run(&it);
        golden_expect(&it, loss, (double[]){NAN}, 0, "unknown label", "loss");
        golden_expect(&it, bal_graph_output(g, loss, 1), (double[]){NAN}, 0, "unknown label",
                      "weight_sum");
        golden_expect(&it, grad, (double[]){NAN, NAN, NAN, NAN}, 0, "unknown label", "gradient");
        interpreter_release(&it);
        bal_graph_free(g);
    }
}

/* ---- a broken prediction is not hidden ---- */

static void test_broken_logits_show(void **state) {
    bal_graph *g = values_graph();
    bal_value labels = bal_graph_constant(g, BAL_I32, BAL_SHAPE1(2), (int32_t[]){0, 1});
    EXPECT(g, plain_cross_entropy(g, MATRIX(g, 2, 2, 1, 2, NAN, 4), labels), BAL_SHAPE1(1), NAN);
    g = values_graph();
    labels = bal_graph_constant(g, BAL_I32, BAL_SHAPE1(2), (int32_t[]){0, 1});
    EXPECT(g, plain_focal(g, MATRIX(g, 2, 2, 1, NAN, 3, 4), labels), BAL_SHAPE1(1), NAN);
    g = values_graph(); /* a class held to be impossible that is the true one */
    labels = bal_graph_constant(g, BAL_I32, BAL_SHAPE1(1), (int32_t[]){1});
    EXPECT(g, plain_cross_entropy(g, MATRIX(g, 1, 2, 1, -INFINITY), labels), BAL_SHAPE1(1),
           INFINITY);
    g = values_graph();
    EXPECT(g, bal_huber(g, VECTOR(g, 1, NAN), VECTOR(g, 1, 1), 1), BAL_SHAPE1(1), NAN);
}

/* The gradient stays finite where the loss is infinite: p·log p is 0 at p = 0. */
static void test_focal_gradient_of_the_impossible(void **state) {
    bal_graph *g = values_graph();
    bal_value labels = bal_graph_constant(g, BAL_I32, BAL_SHAPE1(1), (int32_t[]){1});
    bal_value x = MATRIX(g, 1, 2, 0, -INFINITY), grad;
    bal_graph_differentiate(g, bal_focal(g, x, labels, BAL_NO_VALUE, 2), &x, 1, &grad);
    EXPECT(g, grad, BAL_SHAPE2(1, 2), 1, -1);
    g = values_graph();
    x = MATRIX(g, 1, 2, -INFINITY, INFINITY);
    bal_value loss = bal_binary_focal(g, x, MATRIX(g, 1, 2, 1, 1), BAL_NO_VALUE, 2);
    bal_graph_differentiate(g, loss, &x, 1, &grad);
    EXPECT(g, grad, BAL_SHAPE2(1, 2), -0.5, 0);
}

/* ---- refusals ---- */

static bal_value labels_of(bal_graph *g, int64_t n) {
    static const int32_t zeros[4];
    return bal_graph_constant(g, BAL_I32, BAL_SHAPE1(n), zeros);
}

static void test_refuses_shapes(void **state) {
    bal_graph *g = values_graph();
    bal_cross_entropy(g, MATRIX(g, 2, 3, 1, 2, 3, 4, 5, 6), labels_of(g, 3), BAL_NO_VALUE, 0);
    values_expect_refusal(g, "labels must be [2], but is i32[3]");
    g = values_graph();
    bal_cross_entropy(g, MATRIX(g, 1, 2, 1, 2), VECTOR(g, 0), BAL_NO_VALUE, 0);
    values_expect_refusal(g, "labels must be of type i32, but is f64[1]");
    g = values_graph();
    bal_focal(g, MATRIX(g, 1, 2, 1, 2), labels_of(g, 1), VECTOR(g, 1, 2, 3), 2);
    values_expect_refusal(g, "alpha must be [2], but is f64[3]");
    g = values_graph();
    bal_cross_entropy(g, VECTOR(g, 1, 2), labels_of(g, 2), BAL_NO_VALUE, 0);
    values_expect_refusal(g, "logits must have 2 dimensions, but is f64[2]");
    g = values_graph();
    bal_binary_cross_entropy(g, MATRIX(g, 1, 2, 1, 2), MATRIX(g, 2, 1, 1, 0), BAL_NO_VALUE);
    values_expect_refusal(g, "target must be [1,2], but is f64[2,1]");
    g = values_graph();
    bal_binary_cross_entropy(g, MATRIX(g, 1, 1, 1), MATRIX(g, 1, 1, 1), VECTOR(g, 1));
    values_expect_refusal(g, "class_weight must be [2], but is f64[1]");
    g = values_graph();
    bal_squared_error(g, VECTOR(g, 1, 2), VECTOR(g, 1));
    values_expect_refusal(g, "target must be [2], but is f64[1]");
}

static void test_refuses_options(void **state) {
    bal_graph *g = values_graph();
    bal_cross_entropy(g, MATRIX(g, 1, 2, 1, 2), labels_of(g, 1), BAL_NO_VALUE, 1.5);
    values_expect_refusal(g, "label_smoothing must be a number from 0 to 1, but is 1.5");
    g = values_graph();
    bal_focal(g, MATRIX(g, 1, 2, 1, 2), labels_of(g, 1), BAL_NO_VALUE, -1);
    values_expect_refusal(g, "gamma must be a number from 0 to 100, but is -1");
    g = values_graph();
    bal_binary_focal(g, MATRIX(g, 1, 1, 1), MATRIX(g, 1, 1, 1), BAL_NO_VALUE, (double)NAN);
    values_expect_refusal(g, "gamma must be a number from 0 to 100, but is nan");
    g = values_graph();
    bal_huber(g, VECTOR(g, 1), VECTOR(g, 1), 0);
    values_expect_refusal(g, "delta must be a number above 0, but is 0");
    static const struct {
        bal_threshold_huber_options options;
        const char *words;
    } wrong[] = {
        {{INFINITY, 1, 0, 1, 1}, "threshold must be a finite number, but is inf"},
        {{0, 0, 0, 1, 1}, "delta must be a number above 0, but is 0"},
        {{0, 1, -1, 1, 1}, "margin must be 0 or a number above it, but is -1"},
        {{0, 1, 0, -2, 1}, "below_weight must be 0 or a number above it, but is -2"},
        {{0, 1, 0, 1, NAN}, "above_weight must be 0 or a number above it, but is nan"},
    };
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        g = values_graph();
        bal_threshold_huber(g, VECTOR(g, 1), VECTOR(g, 1), &wrong[i].options);
        values_expect_refusal(g, wrong[i].words);
    }
}

/* 1.3 has no exact f32: a target that is 1.3 as far as f32 can say is on the threshold 1.3, which
 * is above; a prediction far above it then costs only its error. */
static void test_threshold_is_rounded_like_targets(void **state) {
    bal_error err = {0};
    bal_graph *g;
    assert_int_equal(bal_graph_new(bal_op_table, BAL_F32, &g, &err), BAL_OK);
    bal_value x = golden_real(g, BAL_SHAPE1(1), (double[]){2.3});
    bal_value t = golden_real(g, BAL_SHAPE1(1), (double[]){(double)1.3F});
    bal_value loss = bal_threshold_huber(g, x, t, &(bal_threshold_huber_options){1.3, 1, 0, 9, 9});
    golden_check(g, "on the threshold");
    interpreter it;
    interpreter_init(&it, g);
    interpreter_run(&it);
    golden_expect(&it, loss, (double[]){0.5}, 1e-6, "on the threshold", "loss");
    interpreter_release(&it);
    bal_graph_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_ignored_rows_may_be_broken),
        cmocka_unit_test(test_incoming_gradient),
        cmocka_unit_test(test_unknown_labels_show),
        cmocka_unit_test(test_broken_logits_show),
        cmocka_unit_test(test_focal_gradient_of_the_impossible),
        cmocka_unit_test(test_threshold_is_rounded_like_targets),
        cmocka_unit_test(test_refuses_shapes),
        cmocka_unit_test(test_refuses_options),
    };
    return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
