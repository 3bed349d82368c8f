/* Shape rules: what is refused and with which words, and that a failed allocation
 * anywhere while ops and their gradients are appended is reported as such. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "ops/rules.h"
#include "ops/op_table.h"
#include "ops/values.h"

static bal_value input(bal_graph *g, const char *name, bal_shape shape) {
    return bal_graph_input(g, name, BAL_F64, shape);
}

static bal_value integers(bal_graph *g, const char *name, bal_shape shape) {
    return bal_graph_input(g, name, BAL_I32, shape);
}

/* The whole message once: the graph's half and the rule's half. */
static void test_message_names_op_and_operands(void **state) {
    bal_graph *g = values_graph();
    bal_add(g, input(g, "x", BAL_SHAPE2(2, 3)), input(g, "y", BAL_SHAPE1(2)));
    bal_error err = {0};
    assert_int_equal(bal_graph_check(g, &err), BAL_EINVAL);
    assert_string_equal(err.message,
                        "add(x f64[2,3], y f64[2]): b must have the shape of a (f64[2,3]), its "
                        "trailing dimensions, or [1], but is f64[2]");
    bal_graph_free(g);
}

static void test_types(void **state) {
    bal_graph *g = values_graph();
    bal_relu(g, integers(g, "x", BAL_SHAPE1(3)));
    values_expect_refusal(g, ": input 0 must be of type f64, but is i32[3]");
    g = values_graph();
    bal_mul(g, input(g, "x", BAL_SHAPE1(3)), integers(g, "y", BAL_SHAPE1(3)));
    values_expect_refusal(g, ": b must be of type f64, but is i32[3]");
    g = values_graph();
    bal_value parts[] = {input(g, "x", BAL_SHAPE1(3)), integers(g, "y", BAL_SHAPE1(3))};
    bal_concat(g, parts, 2, 0);
    values_expect_refusal(g, ": part 1 must be of type f64, but is i32[3]");
    g = values_graph();
    bal_reduce_sum(g, integers(g, "x", BAL_SHAPE1(3)), 0);
    values_expect_refusal(g, ": x must be of type f64, but is i32[3]");
}

static void test_broadcast(void **state) {
    const bal_shape a = BAL_SHAPE3(2, 3, 4);
    const bal_shape fits[] = {BAL_SHAPE3(2, 3, 4), BAL_SHAPE2(3, 4), BAL_SHAPE1(4), BAL_SHAPE1(1)};
    const bal_shape misfits[] = {BAL_SHAPE3(1, 3, 4), BAL_SHAPE2(2, 3), BAL_SHAPE1(3),
                                 BAL_SHAPE2(1, 1), BAL_SHAPE4(1, 2, 3, 4)};
    for (size_t i = 0; i < sizeof fits / sizeof *fits; i++)
        assert_true(bal_shape_broadcasts(&a, &fits[i]));
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++)
        assert_false(bal_shape_broadcasts(&a, &misfits[i]));
}

static void test_gradient_pair(void **state) {
    bal_graph *g = values_graph();
    bal_value pair[] = {input(g, "g", BAL_SHAPE2(2, 3)), input(g, "y", BAL_SHAPE2(3, 2))};
    bal_graph_add(g, &bal_op_relu_grad, pair, 2, NULL);
    values_expect_refusal(g, ": input 1 must be [2,3], but is f64[3,2]");
}

static void test_leaky_relu_slope(void **state) {
    bal_graph *g = values_graph();
    bal_leaky_relu(g, input(g, "x", BAL_SHAPE1(3)), -0.1);
    values_expect_refusal(g, ": slope must be a number from 0 to 1e+06, but is -0.1");
    g = values_graph();
    bal_leaky_relu(g, input(g, "x", BAL_SHAPE1(3)), NAN);
    bal_error err = {0};
    assert_int_equal(bal_graph_check(g, &err), BAL_EINVAL);
    bal_graph_free(g);
}

static void test_matmul(void **state) {
    bal_graph *g = values_graph();
    bal_matmul(g, input(g, "a", BAL_SHAPE2(2, 3)), input(g, "b", BAL_SHAPE2(2, 4)), false, false);
    values_expect_refusal(g,
                          ": inner dimensions must agree, but are 3 of a [2,3] and 2 of b [2,4]");
    g = values_graph();
    bal_matmul(g, input(g, "a", BAL_SHAPE2(2, 3)), input(g, "b", BAL_SHAPE2(4, 3)), true, true);
    values_expect_refusal(g, ": inner dimensions must agree, but are 2 of a [2,3] transposed and 3 "
                             "of b [4,3] transposed");
    g = values_graph();
    bal_matmul(g, input(g, "a", BAL_SHAPE1(3)), input(g, "b", BAL_SHAPE2(3, 4)), false, false);
    values_expect_refusal(g, ": a must have 2 dimensions, but is f64[3]");
}

static void reshape_refused(bal_shape shape, const char *sentence) {
    bal_graph *g = values_graph();
    bal_reshape(g, input(g, "x", BAL_SHAPE2(2, 3)), shape);
    values_expect_refusal(g, sentence);
}

static void test_reshape(void **state) {
    reshape_refused(BAL_SHAPE2(4, 2), ": x [2,3] has 6 elements and cannot become [4,2]");
    reshape_refused(BAL_SHAPE2(4, -1), ": x [2,3] has 6 elements and cannot become [4,-1]");
    reshape_refused(BAL_SHAPE2(-1, -1), ": x [2,3] has 6 elements and cannot become [-1,-1]");
    reshape_refused(BAL_SHAPE2(0, -1), ": x [2,3] has 6 elements and cannot become [0,-1]");
    reshape_refused(BAL_SHAPE1(-2), ": dimension 0 of the wanted shape must not be -2");
    reshape_refused((bal_shape){.rank = 0}, ": the wanted shape must have 1 to 6 dimensions, but "
                                            "has 0");
    reshape_refused(BAL_SHAPE3(INT64_MAX, INT64_MAX, -1),
                    ": x [2,3] has 6 elements and cannot become "
                    "[9223372036854775807,9223372036854775807,-1]");
}

static void test_concat(void **state) {
    bal_graph *g = values_graph();
    bal_value parts[] = {input(g, "x", BAL_SHAPE2(2, 3)), input(g, "y", BAL_SHAPE2(4, 3))};
    bal_concat(g, parts, 2, 1);
    values_expect_refusal(g, ": part 1 must be [2,3], but is f64[4,3]");
    g = values_graph();
    bal_value ranks[] = {input(g, "x", BAL_SHAPE2(2, 3)), input(g, "y", BAL_SHAPE1(3))};
    bal_concat(g, ranks, 2, 0);
    values_expect_refusal(g, ": part 1 must be [2,3], but is f64[3]");
    g = values_graph();
    bal_value one = input(g, "x", BAL_SHAPE2(2, 3));
    bal_concat(g, &one, 1, 2);
    values_expect_refusal(g, ": axis must be one of 0 to 1, the axes of [2,3], but is 2");
}

static void slice_refused(int32_t axis, int64_t start, int64_t length, const char *sentence) {
    bal_graph *g = values_graph();
    bal_slice(g, input(g, "x", BAL_SHAPE2(2, 3)), axis, start, length);
    values_expect_refusal(g, sentence);
}

static void test_slice(void **state) {
    slice_refused(1, 2, 2, ": 2 elements from 2 on must lie inside the axis of 3");
    slice_refused(1, -1, 2, ": 2 elements from -1 on must lie inside the axis of 3");
    slice_refused(1, 0, 0, ": 0 elements from 0 on must lie inside the axis of 3");
    slice_refused(1, 1, INT64_MAX,
                  ": 9223372036854775807 elements from 1 on must lie inside the axis of 3");
    slice_refused(-1, 0, 1, ": axis must be one of 0 to 1, the axes of [2,3], but is -1");
    bal_graph *g = values_graph();
    bal_value grad = input(g, "g", BAL_SHAPE1(3));
    bal_attr attrs[] = {{.i = 0}, {.i = 2}, {.i = 4}};
    bal_graph_add(g, &bal_op_slice_grad, &grad, 1, attrs);
    values_expect_refusal(g, ": 3 elements from 2 on must lie inside the axis of 4");
}

static void test_reductions(void **state) {
    bal_graph *g = values_graph();
    bal_reduce_mean(g, input(g, "x", BAL_SHAPE2(2, 3)), 2);
    values_expect_refusal(g, ": axis must be one of 0 to 1, the axes of [2,3], but is 2");
    g = values_graph(); /* what a damaged model file may hold */
    bal_value x = input(g, "x", BAL_SHAPE2(2, 3));
    bal_attr axis = {.i = INT64_MIN};
    bal_graph_add(g, &bal_op_reduce_sum, &x, 1, &axis);
    values_expect_refusal(g, "the axes of [2,3], but is -9223372036854775808");
    g = values_graph();
    bal_value pair[] = {input(g, "g", BAL_SHAPE1(2)), input(g, "x", BAL_SHAPE2(2, 3))};
    axis.i = 0;
    bal_graph_add(g, &bal_op_reduce_max_grad, pair, 2, &axis);
    values_expect_refusal(g, ": the gradient must be [3], but is f64[2]");
}

static void test_expand(void **state) {
    bal_graph *g = values_graph();
    bal_expand(g, input(g, "x", BAL_SHAPE1(3)), 0, BAL_SHAPE2(2, 4));
    values_expect_refusal(g, ": x must be [4], but is f64[3]");
    g = values_graph();
    bal_expand(g, input(g, "x", BAL_SHAPE1(3)), -1, BAL_SHAPE2(2, 3));
    values_expect_refusal(g, ": x must be [1], but is f64[3]");
    g = values_graph();
    bal_expand(g, input(g, "x", BAL_SHAPE1(3)), 0, BAL_SHAPE2(-1, 3));
    values_expect_refusal(g, "every dimension must be at least 1, shape is [-1,3]");
}

/* After the first refusal builders do nothing, and the first message stays. */
static void test_first_refusal_stays(void **state) {
    bal_graph *g = values_graph();
    bal_value x = input(g, "x", BAL_SHAPE2(2, 3));
    bal_value bad = bal_slice(g, x, 5, 0, 1);
    bal_value after = bal_softmax(g, bal_add(g, bal_exp(g, bad), x));
    assert_false(bal_value_is_some(after));
    assert_false(bal_value_is_some(bal_reduce_to(g, after, BAL_SHAPE1(3))));
    values_expect_refusal(g, ": axis must be one of 0 to 1, the axes of [2,3], but is 5");
}

/* Build a net of many ops with its gradient; the N-th allocation fails for every N until all
 * succeed. */
static bal_status build_with(bal_error *err) {
    bal_graph *g = NULL;
    bal_status status = bal_graph_new(bal_op_table, BAL_F64, &g, err);
    if (status != BAL_OK) return status;
    bal_value x = input(g, "x", BAL_SHAPE2(4, 3)), w = input(g, "w", BAL_SHAPE2(3, 5));
    bal_value h = bal_gelu(g, bal_div(g, bal_matmul(g, x, w, false, false), VECTOR(g, 2.0)));
    bal_value y = bal_concat(g, (bal_value[]){h, bal_slice(g, h, 1, 1, 2)}, 2, 1);
    bal_value loss = bal_reduce_mean(g, bal_reduce_max(g, bal_log_softmax(g, y), 1), -1), grad;
    bal_graph_differentiate(g, loss, &w, 1, &grad);
    status = bal_graph_check(g, err);
    if (status == BAL_OK) assert_true(bal_value_is_some(grad));
    bal_graph_free(g);
    return status;
}

static void test_failed_allocations(void **state) {
    bal_status status = BAL_ENOMEM;
    for (int64_t n = 0; status != BAL_OK; n++) {
        bal_error err = {0};
        bal_memory_fail_after(n);
        status = build_with(&err);
        bal_memory_fail_after(-1);
        if (status != BAL_OK) assert_int_equal(status, BAL_ENOMEM);
        assert_true(n < 1000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_names_op_and_operands),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_gradient_pair),
        cmocka_unit_test(test_leaky_relu_slope),
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_first_refusal_stays),
        cmocka_unit_test(test_failed_allocations),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
