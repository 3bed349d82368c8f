/* Differentiation: gradients against central differences, and the structure of what is appended. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"
#include "support/interpreter.h"
#include "tiny_ops.h"

static bal_graph *graph_new(void) {
    bal_graph *g = NULL;
    assert_int_equal(bal_graph_new(tiny_table, BAL_F64, &g, NULL), BAL_OK);
    return g;
}

static void assert_good(const bal_graph *g) {
    bal_error err = {0};
    if (bal_graph_check(g, &err) != BAL_OK) fail_msg("%s", err.message);
}

static void assert_fails(const bal_graph *g, bal_status status, const char *text) {
    bal_error err = {0};
    assert_int_equal(bal_graph_check(g, &err), status);
    if (!strstr(err.message, text)) fail_msg("'%s' is not in: %s", text, err.message);
}

static double loss_at(interpreter *it, bal_value loss) {
    interpreter_run(it);
    return interpreter_number(it, loss, 0);
}

/* Compare grad with (loss(x + h) − loss(x − h)) / 2h for every element of the source x. */
static void assert_gradient(interpreter *it, bal_value loss, bal_value x, bal_value grad) {
    bal_shape shape = bal_graph_shape(it->graph, x);
    double *data = interpreter_data(it, x);
    for (int64_t i = 0; i < bal_shape_count(&shape); i++) {
        const double h = 1e-5, kept = data[i];
        data[i] = kept + h;
        double up = loss_at(it, loss);
        data[i] = kept - h;
        double down = loss_at(it, loss);
        data[i] = kept;
        interpreter_run(it);
        double found = interpreter_number(it, grad, i), wanted = (up - down) / (2 * h);
        if (fabs(found - wanted) > 1e-7 * (1 + fabs(wanted)))
            fail_msg("element %d: gradient %.12g, differences give %.12g", (int)i, found, wanted);
    }
}

static void set_sequence(interpreter *it, bal_value x, double first, double step) {
    bal_shape shape = bal_graph_shape(it->graph, x);
    double *data = interpreter_data(it, x);
    for (int64_t i = 0; i < bal_shape_count(&shape); i++)
        data[i] = first + step * (double)i;
}

static void test_gradients_equal_differences(void **state) {
    bal_graph *g = graph_new();
    bal_value x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE2(2, 3));
    bal_value w = bal_graph_parameter(g, "w", BAL_SHAPE2(2, 3));
    bal_value v = bal_graph_parameter(g, "v", BAL_SHAPE2(2, 3));
    /* w is used four times, both parts of an op with two outputs are used */
    bal_value h = tiny_mul(g, tiny_add(g, x, w), w);
    bal_value twice = tiny_parts(g, tiny_mul(g, h, v));
    bal_value both = tiny_mul(g, twice, bal_graph_output(g, twice, 1));
    bal_value skip = tiny_pick(g, x, tiny_add(g, w, w));
    bal_value loss = tiny_sum(g, tiny_add(g, both, tiny_scale(g, skip, -0.5, 3)));
    bal_value wrt[] = {w, v}, grads[2];
    bal_graph_differentiate(g, loss, wrt, 2, grads);
    assert_good(g);
    interpreter it;
    interpreter_init(&it, g);
    set_sequence(&it, x, -1, 0.3);
    set_sequence(&it, w, 0.7, -0.2);
    set_sequence(&it, v, 0.1, 0.25);
    assert_gradient(&it, loss, w, grads[0]);
    assert_gradient(&it, loss, v, grads[1]);
    interpreter_release(&it);
    bal_graph_free(g);
}

static void test_one_output_of_two(void **state) {
    for (int32_t output = 0; output < 2; output++) {
        bal_graph *g = graph_new();
        bal_value w = bal_graph_parameter(g, "w", BAL_SHAPE1(3)), grad;
        bal_value loss = tiny_sum(g, bal_graph_output(g, tiny_parts(g, w), output));
        bal_graph_differentiate(g, loss, &w, 1, &grad);
        assert_good(g);
        interpreter it;
        interpreter_init(&it, g);
        set_sequence(&it, w, -1, 0.7);
        assert_gradient(&it, loss, w, grad);
        interpreter_release(&it);
        bal_graph_free(g);
    }
}

/* Only the path from w to the loss gets nodes, and sums are in a fixed order: the listing is exact.
 */
static void test_what_is_appended(void **state) {
    bal_graph *g = graph_new();
    bal_value x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(3));
    bal_value w = bal_graph_parameter(g, "w", BAL_SHAPE1(3));
    bal_value target = tiny_opaque(g, x); /* not differentiable, but not on the path */
    bal_value a = tiny_scale(g, w, 2, 0), b = tiny_scale(g, w, 3, 0);
    bal_value c = tiny_mul(g, tiny_scale(g, x, 9, 0), target);
    /* c is read twice, but sums of its gradients are nobody's business */
    bal_value loss = tiny_sum(g, tiny_add(g, c, tiny_add(g, a, tiny_add(g, b, tiny_add(g, c, w)))));
    tiny_scale(g, w, 11, 0); /* not on the path: the loss does not need it */
    bal_value grad;
    bal_graph_differentiate(g, loss, &w, 1, &grad);
    assert_good(g);
    bal_text text = {0};
    bal_graph_dump(g, &text);
    const char *appended = strstr(text.data, "%13 ");
    assert_non_null(appended);
    assert_string_equal(appended, "%13 f64[1] = constant 1\n"
                                  "%14 f64[3] = spread(%13, %10)\n"
                                  "%15 f64[3] = scale(%14, factor=3, plus=0)\n"
                                  "%16 f64[3] = add(%14, %15)\n"
                                  "%17 f64[3] = scale(%14, factor=2, plus=0)\n"
                                  "%18 f64[3] = add(%16, %17)\n");
    assert_int_equal(grad.id, 18);
    bal_text_release(&text);
    bal_graph_free(g);
}

static void test_special_cases(void **state) {
    bal_graph *g = graph_new();
    bal_value w = bal_graph_parameter(g, "w", BAL_SHAPE1(3));
    bal_value v = bal_graph_parameter(g, "v", BAL_SHAPE1(3));
    bal_value hidden = tiny_scale(g, w, 2, 0);
    bal_value loss = tiny_sum(g, hidden);
    bal_value wrt[] = {v, loss, hidden, w, w}, grads[5];
    bal_graph_differentiate(g, loss, wrt, 5, grads);
    assert_good(g);
    assert_int_equal(grads[0].id, -1);
    assert_true(*(const double *)bal_graph_info(g, grads[1])->constant == 1.0);
    assert_int_equal(bal_graph_shape(g, grads[2]).dim[0], 3);
    assert_int_equal(grads[3].id, grads[4].id);

    int32_t nodes = bal_graph_node_count(g), values = bal_graph_value_count(g);
    bal_graph_differentiate(g, loss, &v, 1, grads);
    assert_int_equal(grads[0].id, -1);
    assert_int_equal(bal_graph_node_count(g), nodes);
    assert_int_equal(bal_graph_value_count(g), values);

    bal_value parameter = bal_graph_parameter(g, "p", BAL_SHAPE1(1)); /* a source as the loss */
    bal_graph_differentiate(g, parameter, &parameter, 1, grads);
    assert_good(g);
    assert_true(bal_value_is_some(grads[0]));
    bal_graph_free(g);
}

static void test_removed_nodes_are_not_visited(void **state) {
    bal_graph *g = graph_new();
    bal_value w = bal_graph_parameter(g, "w", BAL_SHAPE1(3));
    tiny_opaque(g, w);
    bal_value loss = tiny_sum(g, w), grad;
    bal_graph_prune(g, &loss, 1);
    bal_graph_differentiate(g, loss, &w, 1, &grad);
    assert_good(g);
    assert_true(bal_value_is_some(grad));
    bal_graph_free(g);
}

static void test_what_cannot_be_differentiated(void **state) {
    bal_graph *g = graph_new();
    bal_value w = bal_graph_parameter(g, "w", BAL_SHAPE1(3)), grad = {99};
    bal_graph_differentiate(g, tiny_sum(g, tiny_opaque(g, w)), &w, 1, &grad);
    assert_fails(g, BAL_EUNSUPPORTED, "opaque(w f64[3]): 'opaque' has no gradient");
    assert_int_equal(grad.id, -1);
    bal_graph_free(g);

    g = graph_new();
    w = bal_graph_parameter(g, "w", BAL_SHAPE1(3));
    bal_graph_differentiate(g, tiny_scale(g, w, 1, 0), &w, 1, &grad);
    assert_fails(g, BAL_EINVAL, "the loss must be f64[1], is f64[3]");
    bal_graph_free(g);

    g = graph_new();
    w = bal_graph_parameter(g, "w", BAL_SHAPE1(3));
    bal_graph_differentiate(g, BAL_NO_VALUE, &w, 1, &grad);
    assert_fails(g, BAL_EINVAL, "the loss must be");
    bal_graph_free(g);

    g = graph_new();
    w = bal_graph_parameter(g, "w", BAL_SHAPE1(3));
    bal_value wrt[] = {w, BAL_NO_VALUE}, grads[2];
    bal_graph_differentiate(g, tiny_sum(g, w), wrt, 2, grads);
    assert_fails(g, BAL_EINVAL, "value 1");
    bal_graph_free(g);

    g = graph_new();
    w = bal_graph_parameter(g, "w", BAL_SHAPE1(3));
    bal_graph_differentiate(g, tiny_sum(g, tiny_misshapen(g, w)), &w, 1, &grad);
    assert_fails(g, BAL_EINTERNAL, "input 0 needs a gradient f64[3], the op gives f64[1]");
    bal_graph_free(g);

    assert_int_equal(bal_graph_new(tiny_table_without_add, BAL_F64, &g, NULL), BAL_OK);
    w = bal_graph_parameter(g, "w", BAL_SHAPE1(3));
    bal_graph_differentiate(g, tiny_sum(g, tiny_mul(g, w, w)), &w, 1, &grad);
    assert_fails(g, BAL_EINTERNAL, "lacks 'add'");
    bal_graph_free(g);
}

/* A net of real ops; each of them is checked on its own with the ops. */
static void test_a_net_of_real_ops(void **state) {
    enum { B = 4, D = 3, V = 5, C = 3 };
    bal_graph *g = NULL;
    assert_int_equal(bal_graph_new(bal_op_table, BAL_F64, &g, NULL), BAL_OK);
    bal_value x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE2(B, D));
    bal_value ids = bal_graph_input(g, "ids", BAL_I32, BAL_SHAPE1(B));
    bal_value labels = bal_graph_input(g, "labels", BAL_I32, BAL_SHAPE1(B));
    bal_value table = bal_graph_parameter(g, "table", BAL_SHAPE2(V, D));
    bal_value weight = bal_graph_parameter(g, "weight", BAL_SHAPE2(C, 2 * D));
    bal_value bias = bal_graph_parameter(g, "bias", BAL_SHAPE1(C));
    bal_value gamma = bal_graph_parameter(g, "gamma", BAL_SHAPE1(C));
    bal_value beta = bal_graph_parameter(g, "beta", BAL_SHAPE1(C));
    bal_value both = bal_concat(g, (bal_value[]){x, bal_embedding(g, table, ids)}, 2, 1);
    bal_value h =
        bal_layer_norm(g, bal_tanh(g, bal_linear(g, both, weight, bias)), gamma, beta, 0.1);
    bal_value again = bal_add(g, h, bal_linear(g, both, weight, BAL_NO_VALUE));
    bal_value loss = bal_cross_entropy(g, again, labels, BAL_NO_VALUE, 0.1);
    bal_value wrt[] = {table, weight, bias, gamma, beta}, grads[5];
    bal_graph_differentiate(g, loss, wrt, 5, grads);
    assert_good(g);
    interpreter it;
    interpreter_init(&it, g);
    set_sequence(&it, x, -1, 0.17);
    interpreter_set_numbers(&it, ids, (const double[]){0, 4, 2, 4});
    interpreter_set_numbers(&it, labels, (const double[]){2, -1, 0, 1});
    for (int i = 0; i < 5; i++)
        set_sequence(&it, wrt[i], 0.5 - 0.2 * i, 0.11);
    for (int i = 0; i < 5; i++)
        assert_gradient(&it, loss, wrt[i], grads[i]);
    interpreter_release(&it);
    bal_graph_free(g);
}

static void test_every_allocation_may_fail(void **state) {
    bal_status status = BAL_ENOMEM;
    int failed = 0;
    for (int64_t n = 0; status != BAL_OK; n++) {
        bal_graph *g = graph_new();
        bal_value w = bal_graph_parameter(g, "w", BAL_SHAPE1(3)), grad = {99};
        bal_value y = w;
        for (int i = 0; i < 40; i++)
            y = tiny_mul(g, y, w);
        bal_value loss = tiny_sum(g, y);
        bal_memory_fail_after(n);
        bal_graph_differentiate(g, loss, &w, 1, &grad);
        bal_memory_fail_after(-1);
        status = bal_graph_check(g, NULL);
        if (status != BAL_OK) {
            assert_int_equal(status, BAL_ENOMEM);
            assert_int_equal(grad.id, -1);
            failed++;
        }
        bal_graph_free(g);
    }
    assert_true(failed >= 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_equal_differences),
        cmocka_unit_test(test_one_output_of_two),
        cmocka_unit_test(test_what_is_appended),
        cmocka_unit_test(test_special_cases),
        cmocka_unit_test(test_removed_nodes_are_not_visited),
        cmocka_unit_test(test_what_cannot_be_differentiated),
        cmocka_unit_test(test_a_net_of_real_ops),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
