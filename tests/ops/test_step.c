/* Three full training steps on the reference kernels equal PyTorch's: in double and in single
 * precision, op by op and with the fused ops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/step_net.h"
#include "support/interpreter.h"

static void write_numbers(void *context, bal_value value, const double *numbers) {
    interpreter_set_numbers(context, value, numbers);
}

static void write_labels(void *context, bal_value value, const int32_t *labels) {
    interpreter_set(context, value, labels);
}

static void run(void *context) {
    interpreter_run(context);
}

static void read_numbers(void *context, bal_value value, double *ret_numbers) {
    const interpreter *it = context;
    bal_shape shape = bal_graph_shape(it->graph, value);
    for (int64_t i = 0; i < bal_shape_count(&shape); i++)
        ret_numbers[i] = interpreter_number(it, value, i);
}

static void check(bal_dtype dtype, bool fused) {
    step_net net;
    interpreter it;
    step_net_init(&net, dtype, fused);
    interpreter_init(&it, net.graph);
    const step_device device = {&it, write_numbers, write_labels, run, read_numbers};
    step_net_check(&net, &device);
    interpreter_release(&it);
    step_net_release(&net);
}

static void test_double(void **state) {
    check(BAL_F64, false);
}

static void test_double_fused(void **state) {
    check(BAL_F64, true);
}

static void test_single(void **state) {
    check(BAL_F32, false);
}

static void test_single_fused(void **state) {
    check(BAL_F32, true);
}

/* The fusion pass must have had something to do, or the fused tests say nothing. */
static void test_the_net_is_fused(void **state) {
    int fused = 0;
    step_net net;
    step_net_init(&net, BAL_F32, true);
    for (int32_t i = 0; i < bal_graph_node_count(net.graph); i++) {
        const bal_op *op = bal_graph_node(net.graph, i)->op;
        fused += op && (op->flags & BAL_OP_FUSED);
    }
    assert_int_equal(fused, STEP_NORMS);
    step_net_release(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_double),           cmocka_unit_test(test_double_fused),
        cmocka_unit_test(test_single),           cmocka_unit_test(test_single_fused),
        cmocka_unit_test(test_the_net_is_fused),
    };
    return cmocka_run_group_tests_name("step", tests, NULL, NULL);
}
