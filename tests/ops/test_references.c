/* Properties of every reference kernel, over the case table: the f32 form agrees with the f64 form
 * within the op's tolerance at every size, with ordinary numbers and with NaN and infinities among
 * them; an output in the storage of an input, where the op allows it, changes nothing. Run under a
 * sanitizer this also shows kernels that leave their operands, since every value has a block of its
 * own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/cases.h"
#include "support/interpreter.h"

/* A trial that has run. */
typedef struct finished {
    op_trial trial;
    interpreter it;
} finished;

static void run_case(finished *run, const op_case *c, int64_t size, bal_dtype dtype, bool poison) {
    op_trial_init(&run->trial, c, size, dtype);
    interpreter_init(&run->it, run->trial.graph);
    for (int32_t i = 0; i < run->trial.n_operands; i++) {
        bal_value value = run->trial.operands[i].value;
        const bal_value_info *info = bal_graph_info(run->trial.graph, value);
        double *numbers = op_trial_numbers(&run->trial, i, 7);
        if (poison && info->dtype == dtype)
            op_numbers_poison(numbers, bal_shape_count(&info->shape), (uint64_t)i);
        interpreter_set_numbers(&run->it, value, numbers);
        free(numbers);
    }
    interpreter_run(&run->it);
}

static void release(finished *run) {
    interpreter_release(&run->it);
    op_trial_release(&run->trial);
}

static double *numbers_of(const finished *run, bal_value value, int64_t *ret_count) {
    bal_shape shape = bal_graph_shape(run->trial.graph, value);
    int64_t count = bal_shape_count(&shape);
    double *numbers = calloc((size_t)count, sizeof *numbers);
    assert_non_null(numbers);
    for (int64_t i = 0; i < count; i++)
        numbers[i] = interpreter_number(&run->it, value, i);
    *ret_count = count;
    return numbers;
}

/* `value` is an output or a written state; both graphs number their values alike. */
static void check_value(const finished *single, const finished *wide, bal_value value,
                        const char *what) {
    const bal_op *op = bal_graph_node(single->trial.graph, single->trial.node)->op;
    int64_t count, worst;
    double *got = numbers_of(single, value, &count), *want = numbers_of(wide, value, &count);
    double difference = op_numbers_difference(got, want, count, BAL_F32, &worst);
    if (!(difference <= op->tolerance)) {
        fail_msg("%s: %s, element %lld is %.9g in f32 and %.17g in f64",
                 op_trial_name(&single->trial), what, (long long)worst, got[worst], want[worst]);
    }
    free(got);
    free(want);
}

static void check_agreement(const op_case *c, int64_t size, bool poison) {
    finished single, wide;
    run_case(&single, c, size, BAL_F32, poison);
    run_case(&wide, c, size, BAL_F64, poison);
    const bal_node *node = bal_graph_node(single.trial.graph, single.trial.node);
    for (int32_t k = 0; k < node->n_out; k++)
        check_value(&single, &wide, node->out[k], "an output");
    for (int32_t i = 0; i < node->n_in; i++) {
        if (node->op->mutates && node->op->mutates(node, i) && bal_value_is_some(node->in[i]))
            check_value(&single, &wide, node->in[i], "a written input");
    }
    release(&single);
    release(&wide);
}

static void test_f32_agrees_with_f64(void **state) {
    const op_case *c;
    for (size_t i = 0; (c = op_case_at(i)); i++) {
        for (const int64_t *size = op_case_sizes; *size; size++) {
            check_agreement(c, *size, false);
            check_agreement(c, *size, true);
        }
    }
}

static bool may_share(const bal_graph *graph, const bal_node *node, int32_t i) {
    if (!(node->op->inplace_in >> i & 1) || !bal_value_is_some(node->in[i])) return false;
    const bal_value_info *in = bal_graph_info(graph, node->in[i]);
    const bal_value_info *out = bal_graph_info(graph, node->out[0]);
    return in->dtype == out->dtype && bal_shape_count(&in->shape) == bal_shape_count(&out->shape);
}

static bal_operand operand_of(const finished *run, bal_value value, bal_value shared, void *block) {
    if (!bal_value_is_some(value)) return (bal_operand){0};
    const bal_value_info *info = bal_graph_info(run->trial.graph, value);
    return (bal_operand){.data = value.id == shared.id ? block : interpreter_data(&run->it, value),
                         .dtype = info->dtype,
                         .shape = info->shape};
}

/* Run the node once more with output 0 in a copy of input i, and expect the same bytes. */
static void check_shared(const finished *run, int32_t i) {
    const bal_node *node = bal_graph_node(run->trial.graph, run->trial.node);
    const bal_value_info *info = bal_graph_info(run->trial.graph, node->out[0]);
    size_t bytes = (size_t)bal_shape_count(&info->shape) * bal_dtype_size(info->dtype);
    size_t scratch = node->op->workspace ? node->op->workspace(run->trial.graph, node) : 0;
    bal_operand in[OP_OPERANDS_MAX], out[BAL_OUT_MAX] = {{0}};
    void *block = malloc(bytes), *workspace = malloc(scratch + 1);
    assert_non_null(block);
    assert_non_null(workspace);
    assert_true(node->n_in <= OP_OPERANDS_MAX);
    memcpy(block, interpreter_data(&run->it, node->in[i]), bytes);
    for (int32_t j = 0; j < node->n_in; j++)
        in[j] = operand_of(run, node->in[j], node->in[i], block);
    for (int32_t k = 0; k < node->n_out; k++)
        out[k] = operand_of(run, node->out[k], node->out[0], block);
    bal_kernel_args args = {.node = node,
                            .n_in = node->n_in,
                            .n_out = node->n_out,
                            .in = in,
                            .out = out,
                            .workspace = workspace};
    node->op->reference(&args);
    if (memcmp(block, interpreter_data(&run->it, node->out[0]), bytes) != 0)
        fail_msg("%s: another result in the storage of input %d", op_trial_name(&run->trial),
                 (int)i);
    free(block);
    free(workspace);
}

static void test_outputs_may_share_storage(void **state) {
    const op_case *c;
    for (size_t i = 0; (c = op_case_at(i)); i++) {
        finished run;
        run_case(&run, c, 9, BAL_F32, false);
        const bal_node *node = bal_graph_node(run.trial.graph, run.trial.node);
        for (int32_t k = 0; k < node->n_in && k < 32; k++) {
            if (may_share(run.trial.graph, node, k)) check_shared(&run, k);
        }
        release(&run);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32_agrees_with_f64),
        cmocka_unit_test(test_outputs_may_share_storage),
    };
    return cmocka_run_group_tests_name("references", tests, NULL, NULL);
}
