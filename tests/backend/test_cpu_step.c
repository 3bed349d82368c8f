/* Three full training steps on the CPU backend equal PyTorch's, on every instruction set this
 * machine has, with one thread and with several, op by op and fused. The net, its data and what is
 * wanted: step_net.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/store.h"
#include "base/memory.h"
#include "ops/step_net.h"

enum { INPUTS = 3 };

/* A step_net compiled for the CPU. */
typedef struct cpu_step {
    step_net net;
    bal_backend *backend;
    bal_store store;
    bal_buffer *inputs[INPUTS]; /* x, labels, hyper */
    bal_program *program;
} cpu_step;

static void require(bal_status status, const bal_error *err) {
    if (status != BAL_OK) fail_msg("%s", err->message);
}

/* ---- what step_net asks of a device ---- */

static bal_buffer *input_of(const cpu_step *step, bal_value value) {
    const bal_value inputs[INPUTS] = {step->net.x, step->net.labels, step->net.hyper};
    for (int i = 0; i < INPUTS; i++)
        if (inputs[i].id == value.id) return step->inputs[i];
    return NULL;
}

static size_t count_of(const cpu_step *step, bal_value value) {
    bal_shape shape = bal_graph_shape(step->net.graph, value);
    return (size_t)bal_shape_count(&shape);
}

static void write_bytes(cpu_step *step, bal_value value, const void *bytes, size_t size) {
    bal_error err = {0};
    bal_buffer *input = input_of(step, value);
    if (input) {
        require(bal_buffer_upload(input, 0, bytes, size, &err), &err);
        return;
    }
    const char *name = bal_graph_info(step->net.graph, value)->name;
    const bal_store_entry *entry = bal_store_find(&step->store, name);
    assert_non_null(entry);
    assert_int_equal(entry->bytes, size);
    require(bal_store_write(&step->store, entry, bytes, &err), &err);
}

static void write_numbers(void *context, bal_value value, const double *numbers) {
    size_t count = count_of(context, value);
    float *single = calloc(count, sizeof *single);
    assert_non_null(single);
    for (size_t i = 0; i < count; i++)
        single[i] = (float)numbers[i];
    write_bytes(context, value, single, count * sizeof *single);
    free(single);
}

static void write_labels(void *context, bal_value value, const int32_t *labels) {
    write_bytes(context, value, labels, count_of(context, value) * sizeof *labels);
}

static void run(void *context) {
    cpu_step *step = context;
    bal_error err = {0};
    require(bal_program_run(step->program, &err), &err);
}

static void read_numbers(void *context, bal_value value, double *ret_numbers) {
    cpu_step *step = context;
    bal_error err = {0};
    size_t count = count_of(step, value), size = count * sizeof(float);
    float *single = calloc(count, sizeof *single);
    assert_non_null(single);
    const bal_value_info *info = bal_graph_info(step->net.graph, value);
    if (info->kind == BAL_VALUE_COMPUTED) {
        require(bal_program_read(step->program, value, single, size, &err), &err);
    } else {
        const bal_store_entry *entry = bal_store_find(&step->store, info->name);
        assert_non_null(entry);
        require(bal_store_read(&step->store, entry, single, &err), &err);
    }
    for (size_t i = 0; i < count; i++)
        ret_numbers[i] = single[i];
    free(single);
}

/* ---- life of a compiled net ---- */

static void declare(cpu_step *step, const bal_value *values, int n, bal_role role) {
    bal_error err = {0};
    for (int i = 0; i < n; i++) {
        const bal_value_info *info = bal_graph_info(step->net.graph, values[i]);
        require(bal_store_declare(&step->store, info->name, role, info->dtype, info->shape, &err),
                &err);
    }
}

static void make_store(cpu_step *step) {
    bal_error err = {0};
    declare(step, step->net.params, STEP_PARAMS, BAL_ROLE_PARAMETER);
    declare(step, step->net.running, 2 * STEP_NORMS, BAL_ROLE_STATISTIC);
    declare(step, step->net.first, STEP_PARAMS, BAL_ROLE_MOMENT);
    declare(step, step->net.second, STEP_PARAMS, BAL_ROLE_MOMENT);
    require(bal_store_allocate(&step->store, step->backend, &err), &err);
}

static void compile(cpu_step *step) {
    bal_error err = {0};
    const bal_value inputs[INPUTS] = {step->net.x, step->net.labels, step->net.hyper};
    bal_value outputs[STEP_PARAMS + 1];
    bal_binding *bindings = NULL;
    size_t n_bindings = 0, capacity = 0;
    require(bal_store_bind(&step->store, step->net.graph, &bindings, &n_bindings, &capacity, &err),
            &err);
    assert_true(bal_reserve(bindings, capacity, n_bindings + INPUTS));
    for (int i = 0; i < INPUTS; i++) {
        size_t bytes = count_of(step, inputs[i]) * 4; /* f32 and i32 */
        require(bal_buffer_new(step->backend, bytes, &step->inputs[i], &err), &err);
        bindings[n_bindings++] = (bal_binding){inputs[i], step->inputs[i], 0};
    }
    outputs[0] = step->net.loss;
    for (int i = 0; i < STEP_PARAMS; i++)
        outputs[1 + i] = step->net.grads[i];
    require(bal_program_compile(step->backend, step->net.graph, bindings, n_bindings, outputs,
                                STEP_PARAMS + 1, &step->program, &err),
            &err);
    bal_free(bindings);
}

static void cpu_step_release(cpu_step *step) {
    bal_program_free(step->program);
    for (int i = 0; i < INPUTS; i++)
        bal_buffer_free(step->inputs[i]);
    bal_store_release(&step->store);
    bal_backend_close(step->backend);
    step_net_release(&step->net);
}

/* False where the machine lacks the instruction set. */
static bool check(const char *isa, int threads, bool fused) {
    cpu_step step = {0};
    bal_error err = {0};
    bal_backend_options options = {.threads = threads, .isa = isa};
    bal_status status = bal_backend_open("cpu", &options, &step.backend, &err);
    if (status == BAL_EUNSUPPORTED) return false;
    require(status, &err);
    step_net_init(&step.net, BAL_F32, fused);
    make_store(&step);
    compile(&step);
    const step_device device = {&step, write_numbers, write_labels, run, read_numbers};
    step_net_check(&step.net, &device);
    cpu_step_release(&step);
    return true;
}

/* ---- the tests ---- */

static void check_isa(const char *isa) {
    static const int threads[] = {1, 2, 3};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        if (!check(isa, threads[i], false)) skip();
        assert_true(check(isa, threads[i], true));
    }
}

static void test_reference(void **state) {
    check_isa("reference");
}

static void test_generic(void **state) {
    check_isa("generic");
}

static void test_avx2(void **state) {
    check_isa("avx2");
}

static void test_avx512(void **state) {
    check_isa("avx512");
}

static void test_best(void **state) {
    assert_true(check(NULL, 0, true));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference), cmocka_unit_test(test_generic),
        cmocka_unit_test(test_avx2),      cmocka_unit_test(test_avx512),
        cmocka_unit_test(test_best),
    };
    return cmocka_run_group_tests_name("cpu_step", tests, NULL, NULL);
}
