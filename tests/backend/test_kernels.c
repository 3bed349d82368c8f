/* Every CPU kernel against the reference of its op in f64, over the case table of tests/ops: each
 * instruction set this machine can run, sizes around the widths of vectors and blocks, operands
 * that are aligned to their element only, ordinary numbers and NaN and infinities among them.
 * Operands lie between sentinels, so that a kernel that writes beside them, or lets what lies
 * beside them into its result, is seen. And results must be the same bytes with any number of
 * lanes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/isa.h"
#include "ops/cases.h"
#include "support/interpreter.h"

enum { MARGIN = 256, SENTINEL = 0xFF }; /* bytes around an operand; NaN as floats, -1 as integers */

/* How a case is run. */
typedef struct setting {
    bal_backend *backend;
    const char *isa;
    int64_t size;
    bool poison;
    size_t shift; /* elements off alignment */
} setting;

/* A trial with its operands in device buffers, compiled and run. */
typedef struct device_run {
    op_trial trial;
    bal_buffer *buffers[OP_OPERANDS_MAX];
    bal_program *program;
} device_run;

static size_t value_bytes(const bal_graph *graph, bal_value value) {
    const bal_value_info *info = bal_graph_info(graph, value);
    return (size_t)bal_shape_count(&info->shape) * bal_dtype_size(info->dtype);
}

static double *operand_numbers(const op_trial *trial, int32_t i, const setting *s) {
    const bal_value_info *info = bal_graph_info(trial->graph, trial->operands[i].value);
    bool real = info->dtype == BAL_F32 || info->dtype == BAL_F64;
    double *numbers = op_trial_numbers(trial, i, 11);
    if (s->poison && real) op_numbers_poison(numbers, bal_shape_count(&info->shape), (uint64_t)i);
    return numbers;
}

static void convert(void *to, bal_dtype dtype, const double *numbers, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        switch (dtype) {
        case BAL_F32:
            ((float *)to)[i] = (float)numbers[i];
            break;
        case BAL_F64:
            ((double *)to)[i] = numbers[i];
            break;
        case BAL_I32:
            ((int32_t *)to)[i] = (int32_t)numbers[i];
            break;
        case BAL_I64:
            ((int64_t *)to)[i] = (int64_t)numbers[i];
            break;
        default:
            ((uint8_t *)to)[i] = (uint8_t)numbers[i];
            break;
        }
    }
}

static double number_at(const void *from, bal_dtype dtype, int64_t i) {
    switch (dtype) {
    case BAL_F32:
        return (double)((const float *)from)[i];
    case BAL_F64:
        return ((const double *)from)[i];
    case BAL_I32:
        return (double)((const int32_t *)from)[i];
    case BAL_I64:
        return (double)((const int64_t *)from)[i];
    default:
        return (double)((const uint8_t *)from)[i];
    }
}

static size_t operand_offset(const op_trial *trial, int32_t i, const setting *s) {
    const bal_value_info *info = bal_graph_info(trial->graph, trial->operands[i].value);
    return MARGIN + s->shift * bal_dtype_size(info->dtype);
}

static void fill_operand(device_run *run, int32_t i, const setting *s) {
    bal_value value = run->trial.operands[i].value;
    const bal_value_info *info = bal_graph_info(run->trial.graph, value);
    size_t bytes = value_bytes(run->trial.graph, value), offset = operand_offset(&run->trial, i, s);
    assert_int_equal(bal_buffer_new(s->backend, offset + bytes + MARGIN, &run->buffers[i], NULL),
                     BAL_OK);
    double *numbers = operand_numbers(&run->trial, i, s);
    void *data = malloc(bytes ? bytes : 1);
    assert_non_null(data);
    convert(data, info->dtype, numbers, bal_shape_count(&info->shape));
    memset(bal_buffer_host(run->buffers[i]), SENTINEL, offset + bytes + MARGIN);
    assert_int_equal(bal_buffer_upload(run->buffers[i], offset, data, bytes, NULL), BAL_OK);
    free(data);
    free(numbers);
}

static void check_sentinels(const device_run *run, int32_t i, const setting *s) {
    size_t bytes = value_bytes(run->trial.graph, run->trial.operands[i].value);
    size_t offset = operand_offset(&run->trial, i, s);
    const unsigned char *data = bal_buffer_host(run->buffers[i]);
    for (size_t k = 0; k < offset + bytes + MARGIN; k++) {
        if (k >= offset && k < offset + bytes) continue;
        if (data[k] != SENTINEL)
            fail_msg("%s on %s: wrote beside operand %d", op_trial_name(&run->trial), s->isa,
                     (int)i);
    }
}

static void device_run_init(device_run *run, const op_case *c, const setting *s) {
    bal_error err = {0};
    *run = (device_run){0};
    op_trial_init(&run->trial, c, s->size, BAL_F32);
    bal_binding bindings[OP_OPERANDS_MAX];
    for (int32_t i = 0; i < run->trial.n_operands; i++) {
        fill_operand(run, i, s);
        bindings[i] = (bal_binding){run->trial.operands[i].value, run->buffers[i],
                                    operand_offset(&run->trial, i, s)};
    }
    const bal_node *node = bal_graph_node(run->trial.graph, run->trial.node);
    if (bal_program_compile(s->backend, run->trial.graph, bindings, (size_t)run->trial.n_operands,
                            node->out, (size_t)node->n_out, &run->program, &err) != BAL_OK)
        fail_msg("%s on %s: %s", op_trial_name(&run->trial), s->isa, err.message);
    assert_int_equal(bal_program_run(run->program, &err), BAL_OK);
    for (int32_t i = 0; i < run->trial.n_operands; i++)
        check_sentinels(run, i, s);
}

static void device_run_release(device_run *run) {
    bal_program_free(run->program);
    for (int32_t i = 0; i < run->trial.n_operands; i++)
        bal_buffer_free(run->buffers[i]);
    op_trial_release(&run->trial);
}

/* Bytes of an output, or of an operand, after the run; free with free(). */
static void *result_bytes(const device_run *run, bal_value value, const setting *s) {
    size_t bytes = value_bytes(run->trial.graph, value);
    void *data = malloc(bytes ? bytes : 1);
    assert_non_null(data);
    if (bal_graph_info(run->trial.graph, value)->kind == BAL_VALUE_COMPUTED) {
        assert_int_equal(bal_program_read(run->program, value, data, bytes, NULL), BAL_OK);
        return data;
    }
    int32_t i = 0;
    while (run->trial.operands[i].value.id != value.id)
        i++;
    assert_int_equal(
        bal_buffer_download(run->buffers[i], operand_offset(&run->trial, i, s), data, bytes, NULL),
        BAL_OK);
    return data;
}

/* Values a node gives: outputs, then inputs it writes. Returns how many. */
static int32_t results_of(const op_trial *trial, bal_value *ret) {
    const bal_node *node = bal_graph_node(trial->graph, trial->node);
    int32_t n = 0;
    for (int32_t k = 0; k < node->n_out; k++)
        ret[n++] = node->out[k];
    for (int32_t i = 0; i < node->n_in; i++)
        if (node->op->mutates && node->op->mutates(node, i) && bal_value_is_some(node->in[i]))
            ret[n++] = node->in[i];
    return n;
}

enum { RESULTS_MAX = BAL_OUT_MAX + OP_OPERANDS_MAX };

static void compare(const device_run *run, const interpreter *want_it, bal_value value,
                    const setting *s) {
    const bal_op *op = bal_graph_node(run->trial.graph, run->trial.node)->op;
    const bal_value_info *info = bal_graph_info(run->trial.graph, value);
    int64_t count = bal_shape_count(&info->shape), worst = 0;
    void *data = result_bytes(run, value, s);
    double *got = calloc((size_t)count + 1, sizeof *got),
           *want = calloc((size_t)count + 1, sizeof *want);
    assert_non_null(got);
    assert_non_null(want);
    for (int64_t i = 0; i < count; i++) {
        got[i] = number_at(data, info->dtype, i);
        want[i] = interpreter_number(want_it, value, i);
    }
    double difference = op_numbers_difference(got, want, count, BAL_F32, &worst);
    if (!(difference <= op->tolerance))
        fail_msg(
            "%s on %s%s, shifted by %zu: element %lld of value %d is %.9g, wanted %.17g (off by "
            "%.2g, allowed %.2g)",
            op_trial_name(&run->trial), s->isa, s->poison ? ", with NaN" : "", s->shift,
            (long long)worst, (int)value.id, got[worst], want[worst], difference, op->tolerance);
    free(got);
    free(want);
    free(data);
}

static void check_case(const op_case *c, const setting *s) {
    device_run run;
    op_trial wide;
    interpreter it;
    device_run_init(&run, c, s);
    op_trial_init(&wide, c, s->size, BAL_F64);
    interpreter_init(&it, wide.graph);
    for (int32_t i = 0; i < wide.n_operands; i++) {
        double *numbers = operand_numbers(&wide, i, s);
        interpreter_set_numbers(&it, wide.operands[i].value, numbers);
        free(numbers);
    }
    interpreter_run(&it);
    bal_value results[RESULTS_MAX];
    int32_t n = results_of(&run.trial, results);
    for (int32_t k = 0; k < n; k++)
        compare(&run, &it, results[k], s);
    interpreter_release(&it);
    op_trial_release(&wide);
    device_run_release(&run);
}

static bal_backend *open_backend(const char *isa, int threads) {
    bal_backend *backend = NULL;
    bal_error err = {0};
    bal_backend_options options = {.threads = threads, .isa = isa};
    if (bal_backend_open("cpu", &options, &backend, &err) != BAL_OK) fail_msg("%s", err.message);
    return backend;
}

static void check_isa(bal_isa isa) {
    if (!bal_isa_usable(isa)) return;
    setting s = {.isa = bal_isa_name(isa), .backend = open_backend(bal_isa_name(isa), 2)};
    const op_case *c;
    for (size_t i = 0; (c = op_case_at(i)); i++) {
        for (const int64_t *size = op_case_sizes; *size; size++) {
            s.size = *size;
            for (int variant = 0; variant < 4; variant++) {
                s.poison = variant & 1;
                s.shift = variant >> 1;
                check_case(c, &s);
            }
        }
    }
    bal_backend_close(s.backend);
}

static void test_generic(void **state) {
    check_isa(BAL_ISA_GENERIC);
}
static void test_avx2(void **state) {
    check_isa(BAL_ISA_AVX2);
}
static void test_avx512(void **state) {
    check_isa(BAL_ISA_AVX512);
}

/* ---- lanes ---- */

static void check_lanes(const op_case *c, setting *s, bal_backend *const *backends,
                        int n_backends) {
    device_run first;
    s->backend = backends[0];
    device_run_init(&first, c, s);
    bal_value results[RESULTS_MAX];
    int32_t n = results_of(&first.trial, results);
    for (int b = 1; b < n_backends; b++) {
        device_run other;
        s->backend = backends[b];
        device_run_init(&other, c, s);
        for (int32_t k = 0; k < n; k++) {
            void *want = result_bytes(&first, results[k], s);
            void *got = result_bytes(&other, results[k], s);
            if (memcmp(want, got, value_bytes(first.trial.graph, results[k])) != 0)
                fail_msg("%s on %s: value %d differs between numbers of lanes",
                         op_trial_name(&first.trial), s->isa, (int)results[k].id);
            free(want);
            free(got);
        }
        device_run_release(&other);
    }
    device_run_release(&first);
}

static void test_lanes_change_nothing(void **state) {
    static const int lanes[] = {1, 2, 3, 7};
    enum { N = sizeof lanes / sizeof *lanes };
    for (bal_isa isa = BAL_ISA_GENERIC; isa < BAL_ISA_COUNT; isa++) {
        if (!bal_isa_usable(isa)) continue;
        bal_backend *backends[N];
        for (int b = 0; b < N; b++)
            backends[b] = open_backend(bal_isa_name(isa), lanes[b]);
        setting s = {.isa = bal_isa_name(isa), .size = 333, .shift = 1};
        const op_case *c;
        for (size_t i = 0; (c = op_case_at(i)); i++)
            check_lanes(c, &s, backends, N);
        for (int b = 0; b < N; b++)
            bal_backend_close(backends[b]);
    }
}

/* ---- coverage: what a training step of a dense net runs must not fall back to references ---- */

static void test_hot_ops_have_kernels(void **state) {
    static const char *const hot[] = {"add",
                                      "relu",
                                      "relu_grad",
                                      "leaky_relu",
                                      "leaky_relu_grad",
                                      "gelu",
                                      "gelu_grad",
                                      "linear",
                                      "linear_act",
                                      "matmul",
                                      "batch_norm",
                                      "batch_norm_grad",
                                      "batch_norm_running",
                                      "dropout",
                                      "dropout_grad",
                                      "norm_act_dropout",
                                      "norm_act_dropout_grad",
                                      "layer_norm",
                                      "layer_norm_grad",
                                      "l2_normalize",
                                      "cross_entropy",
                                      "cross_entropy_grad",
                                      "binary_cross_entropy",
                                      "binary_cross_entropy_grad",
                                      "reduce_sum",
                                      "global_norm",
                                      "adam_update",
                                      "sgd_update",
                                      "softmax",
                                      "embedding",
                                      "concat",
                                      "slice"};
    setting s = {.size = 17, .backend = open_backend(NULL, 2), .isa = "best"};
    for (size_t h = 0; h < sizeof hot / sizeof *hot; h++) {
        const op_case *c;
        for (size_t i = 0; (c = op_case_at(i)); i++) {
            if (strcmp(c->op, hot[h]) != 0) continue;
            device_run run;
            device_run_init(&run, c, &s);
            assert_int_equal(bal_cpu_profile(run.program, true, NULL), BAL_OK);
            bal_cpu_profile_row row;
            for (size_t k = 0; bal_cpu_profile_at(run.program, k, &row); k++)
                if (strcmp(row.op, hot[h]) == 0 && strcmp(row.kernel, "reference") == 0)
                    fail_msg("%s runs its reference", op_trial_name(&run.trial));
            device_run_release(&run);
        }
    }
    bal_backend_close(s.backend);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generic),
        cmocka_unit_test(test_avx2),
        cmocka_unit_test(test_avx512),
        cmocka_unit_test(test_lanes_change_nothing),
        cmocka_unit_test(test_hot_ops_have_kernels),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
