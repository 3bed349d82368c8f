/* Programs of the CPU backend as a trainer uses them: whole training steps give the same bytes with
 * any number of lanes, allocate nothing, read the input they are pointed at; bindings and reads
 * that make no sense are refused, and running out of memory at any allocation leaves nothing
 * behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/cpu.h"
#include "backend/store.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "ops/ops.h"

/* Shapes: B rows, D features, H hidden units, C classes; no multiples of a vector. */
enum { B = 50, D = 37, H = 129, C = 11, PARAMS = 5, STEPS = 4, BATCHES = 2 };
enum { W1, GAMMA, BETA, W2, BIAS };

static const char *const param_names[PARAMS] = {"w1", "gamma", "beta", "w2", "bias"};

static bal_shape param_shape(int i) {
    const bal_shape shapes[PARAMS] = {
        [W1] = BAL_SHAPE2(H, D), [GAMMA] = BAL_SHAPE1(H), [BETA] = BAL_SHAPE1(H),
        [W2] = BAL_SHAPE2(C, H), [BIAS] = BAL_SHAPE1(C),
    };
    return shapes[i];
}

/* Dense layer, batch norm, relu, dropout, dense layer, cross-entropy, Adam. */
typedef struct trained_net {
    bal_graph *graph;
    bal_value x, labels, rng, hyper, loss, unbound;
} trained_net;

static void add_updates(trained_net *net, const bal_value *params) {
    bal_graph *g = net->graph;
    bal_value grads[PARAMS], first[PARAMS], second[PARAMS];
    bal_graph_differentiate(g, net->loss, params, PARAMS, grads);
    bal_value norm = bal_global_norm(g, grads, PARAMS);
    for (int i = 0; i < PARAMS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.first", param_names[i]);
        first[i] = bal_graph_state(g, name, BAL_F32, param_shape(i));
        snprintf(name, sizeof name, "%s.second", param_names[i]);
        second[i] = bal_graph_state(g, name, BAL_F32, param_shape(i));
    }
    bal_adam_update(g, net->hyper, norm, params, first, second, grads, PARAMS, .9, .999, 1e-8, 0,
                    0);
}

static void trained_net_init(trained_net *net) {
    bal_error err = {0};
    assert_int_equal(bal_graph_new(bal_op_table, BAL_F32, &net->graph, &err), BAL_OK);
    bal_graph *g = net->graph;
    net->x = bal_graph_input(g, "x", BAL_F32, BAL_SHAPE2(B, D));
    net->labels = bal_graph_input(g, "labels", BAL_I32, BAL_SHAPE1(B));
    net->rng = bal_graph_input(g, "rng", BAL_I64, BAL_SHAPE1(2));
    net->hyper = bal_graph_input(g, "hyper", BAL_F32, BAL_SHAPE1(BAL_HYPER_COUNT));
    net->unbound = bal_graph_input(g, "unbound", BAL_F32, BAL_SHAPE1(1));
    bal_value params[PARAMS];
    for (int i = 0; i < PARAMS; i++)
        params[i] = bal_graph_parameter(g, param_names[i], param_shape(i));
    bal_value y = bal_linear(g, net->x, params[W1], BAL_NO_VALUE);
    y = bal_norm_act_dropout(g, y, params[GAMMA], params[BETA], net->rng, 1e-5, BAL_ACT_RELU, 0, .2,
                             bal_graph_next_stream(g));
    y = bal_linear(g, y, params[W2], params[BIAS]);
    net->loss = bal_cross_entropy(g, y, net->labels, BAL_NO_VALUE, 0);
    add_updates(net, params);
    bal_graph_prune(g, &net->loss, 1);
    if (bal_graph_check(g, &err) != BAL_OK) fail_msg("%s", err.message);
}

/* ---- the net on a device ---- */

/* All inputs lie in one buffer: BATCHES times x, then the others. */
enum {
    X_BYTES = B * D * 4,
    LABELS_AT = BATCHES * X_BYTES,
    RNG_AT = LABELS_AT + B * 4,
    HYPER_AT = RNG_AT + 16,
    INPUT_BYTES = HYPER_AT + BAL_HYPER_COUNT * 4
};
_Static_assert(RNG_AT % 8 == 0, "rng is i64");

typedef struct device_net {
    trained_net net;
    bal_backend *backend;
    bal_buffer *inputs;
    bal_store store;
    bal_binding *bindings;
    size_t n_bindings, capacity;
    bal_program *program;
} device_net;

static void fill_inputs(bal_buffer *inputs) {
    char *bytes = bal_buffer_host(inputs);
    bal_random random;
    bal_random_init(&random, 3, 1);
    for (int i = 0; i < BATCHES * B * D; i++)
        ((float *)(void *)bytes)[i] = (float)bal_random_normal(&random);
    for (int i = 0; i < B; i++)
        ((int32_t *)(void *)(bytes + LABELS_AT))[i] = i % C;
    memcpy(bytes + RNG_AT, (const int64_t[]){5, 0}, 16);
    memcpy(bytes + HYPER_AT, (const float[BAL_HYPER_COUNT]){.01f, 0, 1, 1}, BAL_HYPER_COUNT * 4);
}

/* Weights at random, and here and there a unit that never answers: the moments of its weights stay
 * 0, beside others that do not. */
static void fill_params(bal_store *store) {
    bal_random random;
    bal_random_init(&random, 3, 2);
    for (int i = 0; i < PARAMS; i++) {
        const bal_store_entry *entry = bal_store_find(store, param_names[i]);
        char *host = bal_buffer_host(store->buffer);
        float *values = (float *)(void *)(host + entry->offset);
        for (size_t k = 0; k < entry->bytes / sizeof *values; k++) {
            values[k] = i == GAMMA ? 1 : .1f * (float)bal_random_normal(&random);
            if (i == BETA && k % 40 == 39) values[k] = -50;
        }
    }
}

static bal_status declare(bal_store *store, const bal_graph *graph, bal_error *err) {
    for (int32_t id = 0; id < bal_graph_value_count(graph); id++) {
        const bal_value_info *info = bal_graph_info(graph, (bal_value){id});
        bal_role role = info->kind == BAL_VALUE_STATE ? BAL_ROLE_MOMENT : BAL_ROLE_PARAMETER;
        if (info->kind != BAL_VALUE_STATE && info->kind != BAL_VALUE_PARAMETER) continue;
        bal_status status =
            bal_store_declare(store, info->name, role, info->dtype, info->shape, err);
        if (status != BAL_OK) return status;
    }
    return BAL_OK;
}

static bal_status bind(device_net *d, bal_error *err) {
    const trained_net *net = &d->net;
    const bal_binding inputs[] = {{net->x, d->inputs, 0},
                                  {net->labels, d->inputs, LABELS_AT},
                                  {net->rng, d->inputs, RNG_AT},
                                  {net->hyper, d->inputs, HYPER_AT}};
    enum { N = sizeof inputs / sizeof *inputs };
    bal_status status =
        bal_store_bind(&d->store, net->graph, &d->bindings, &d->n_bindings, &d->capacity, err);
    if (status != BAL_OK) return status;
    if (!bal_reserve(d->bindings, d->capacity, d->n_bindings + N)) return BAL_ENOMEM;
    memcpy(d->bindings + d->n_bindings, inputs, sizeof inputs);
    d->n_bindings += N;
    return BAL_OK;
}

static bal_status compile(device_net *d, bal_error *err) {
    return bal_program_compile(d->backend, d->net.graph, d->bindings, d->n_bindings, &d->net.loss,
                               1, &d->program, err);
}

/* Everything but the graph, as far as it gets. */
static bal_status put_on_device(device_net *d, const char *isa, int threads, bal_error *err) {
    const bal_backend_options options = {.threads = threads, .isa = isa};
    bal_status status = bal_backend_open("cpu", &options, &d->backend, err);
    if (status == BAL_OK) status = bal_buffer_new(d->backend, INPUT_BYTES, &d->inputs, err);
    if (status == BAL_OK) status = declare(&d->store, d->net.graph, err);
    if (status == BAL_OK) status = bal_store_allocate(&d->store, d->backend, err);
    if (status == BAL_OK) status = bind(d, err);
    if (status == BAL_OK) status = compile(d, err);
    if (status != BAL_OK) return status;
    fill_inputs(d->inputs);
    fill_params(&d->store);
    return BAL_OK;
}

static void take_from_device(device_net *d) {
    bal_program_free(d->program);
    bal_free(d->bindings);
    bal_store_release(&d->store);
    bal_buffer_free(d->inputs);
    bal_backend_close(d->backend);
    *d = (device_net){.net = d->net};
}

static void device_net_init(device_net *d, const char *isa, int threads) {
    bal_error err = {0};
    *d = (device_net){0};
    trained_net_init(&d->net);
    if (put_on_device(d, isa, threads, &err) != BAL_OK) fail_msg("%s", err.message);
}

static void device_net_release(device_net *d) {
    take_from_device(d);
    bal_graph_free(d->net.graph);
}

static void point_at_batch(device_net *d, int batch) {
    bal_error err = {0};
    if (bal_program_rebind(d->program, d->net.x, d->inputs, (size_t)batch * X_BYTES, &err) !=
        BAL_OK)
        fail_msg("%s", err.message);
}

static void run_steps(void *device) {
    device_net *d = device;
    for (int step = 0; step < STEPS; step++) {
        char *bytes = bal_buffer_host(d->inputs);
        memcpy(bytes + RNG_AT, (const int64_t[]){5, step}, 16);
        point_at_batch(d, step % BATCHES);
        assert_int_equal(bal_program_run(d->program, NULL), BAL_OK);
    }
}

static float read_loss(const device_net *d) {
    float loss = 0;
    assert_int_equal(bal_program_read(d->program, d->net.loss, &loss, sizeof loss, NULL), BAL_OK);
    return loss;
}

/* ---- the same bytes ---- */

/* Everything a run of some steps leaves; free with free(). `elsewhere`: run by another thread than
 * the one that made the program. */
static void *steps_result(const char *isa, int threads, bool elsewhere, size_t *ret_bytes) {
    device_net d;
    device_net_init(&d, isa, threads);
    if (elsewhere) {
        bal_worker *worker = NULL;
        assert_int_equal(bal_worker_new(&worker, NULL), BAL_OK);
        bal_worker_start(worker, run_steps, &d);
        bal_worker_free(worker);
    } else {
        run_steps(&d);
    }
    void *bytes = malloc(d.store.bytes);
    assert_non_null(bytes);
    assert_int_equal(bal_buffer_download(d.store.buffer, 0, bytes, d.store.bytes, NULL), BAL_OK);
    *ret_bytes = d.store.bytes;
    device_net_release(&d);
    return bytes;
}

static bool usable(const char *isa) {
    bal_backend *backend = NULL;
    const bal_backend_options options = {.threads = 1, .isa = isa};
    if (bal_backend_open("cpu", &options, &backend, NULL) != BAL_OK) return false;
    bal_backend_close(backend);
    return true;
}

static void lanes_change_nothing(void **state) {
    static const char *const isas[] = {"reference", "generic", "avx2", "avx512"};
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        if (!usable(isas[i])) continue;
        size_t bytes;
        void *one = steps_result(isas[i], 1, false, &bytes);
        for (int threads = 2; threads <= 9; threads++) {
            void *other = steps_result(isas[i], threads, threads % 2, &bytes);
            if (memcmp(one, other, bytes) != 0)
                fail_msg("%s: %d lanes give other weights than one", isas[i], threads);
            free(other);
        }
        free(one);
    }
}

/* ---- a step ---- */

static void a_step_allocates_nothing(void **state) {
    device_net d;
    device_net_init(&d, NULL, 2);
    uint64_t before = bal_memory_allocations();
    run_steps(&d);
    read_loss(&d);
    assert_int_equal(bal_memory_allocations(), before);
    assert_true(bal_program_memory(d.program) > 0);
    device_net_release(&d);
}

static void rebinding_moves_an_input(void **state) {
    device_net d;
    device_net_init(&d, NULL, 2);
    float *hyper = (float *)(void *)((char *)bal_buffer_host(d.inputs) + HYPER_AT), loss[3];
    hyper[BAL_HYPER_LR] = 0; /* the same weights for every batch */
    for (int i = 0; i < 3; i++) {
        point_at_batch(&d, i % 2);
        assert_int_equal(bal_program_run(d.program, NULL), BAL_OK);
        loss[i] = read_loss(&d);
    }
    assert_true(loss[0] == loss[2]);
    assert_true(loss[0] != loss[1]);
    /* what is at the place counts, not what was there when it was bound */
    char *bytes = bal_buffer_host(d.inputs);
    memcpy(bytes, bytes + X_BYTES, X_BYTES);
    assert_int_equal(bal_program_run(d.program, NULL), BAL_OK);
    assert_true(read_loss(&d) == loss[1]);
    device_net_release(&d);
}

/* ---- refusals ---- */

#define assert_refused(call, words)                                                                \
    do {                                                                                           \
        bal_error err_ = {0};                                                                      \
        bal_error *err = &err_;                                                                    \
        assert_int_equal((call), BAL_EINVAL);                                                      \
        if (!strstr(err_.message, (words))) fail_msg("%s", err_.message);                          \
    } while (0)

static void refuses_wrong_rebinding(void **state) {
    device_net d;
    device_net_init(&d, NULL, 1);
    bal_value w1 = bal_graph_find(d.net.graph, "w1");
    bal_program *p = d.program;
    assert_refused(bal_program_rebind(p, w1, d.inputs, 0, err), "only inputs");
    assert_refused(bal_program_rebind(p, d.net.loss, d.inputs, 0, err), "only inputs");
    assert_refused(bal_program_rebind(p, BAL_NO_VALUE, d.inputs, 0, err), "only inputs");
    assert_refused(bal_program_rebind(p, d.net.x, d.inputs, INPUT_BYTES - X_BYTES + 4, err),
                   "does not lie inside");
    assert_refused(bal_program_rebind(p, d.net.x, d.inputs, SIZE_MAX - 3, err),
                   "does not lie inside");
    assert_refused(bal_program_rebind(p, d.net.x, d.inputs, 2, err), "no multiple");
    assert_int_equal(bal_program_run(p, NULL), BAL_OK); /* still bound to where it was */
    device_net_release(&d);
}

static void refuses_wrong_reads(void **state) {
    device_net d;
    device_net_init(&d, NULL, 1);
    float loss[2] = {7, 7};
    assert_int_equal(bal_program_run(d.program, NULL), BAL_OK);
    bal_value weight_sum = bal_graph_output(d.net.graph, d.net.loss, 1);
    assert_refused(bal_program_read(d.program, d.net.loss, loss, 8, err), "not the 8 asked for");
    assert_refused(bal_program_read(d.program, weight_sum, loss, 4, err), "no output");
    assert_refused(bal_program_read(d.program, BAL_NO_VALUE, loss, 4, err), "no output");
    assert_true(loss[0] == 7 && loss[1] == 7);
    device_net_release(&d);
}

static void refuses_wrong_bindings(void **state) {
    device_net d;
    device_net_init(&d, NULL, 1);
    bal_program_free(d.program);
    d.program = NULL;
    size_t n = d.n_bindings; /* the last are x, labels, rng, hyper */
    bal_binding *last = &d.bindings[n - 1], kept = *last;

    d.n_bindings = n - 1;
    assert_refused(compile(&d, err), "\"hyper\" is read by the graph but not bound");
    d.n_bindings = n;
    *last = d.bindings[n - 2];
    assert_refused(compile(&d, err), "\"rng\" is bound twice");
    *last = kept;
    last->value = d.net.loss;
    assert_refused(compile(&d, err), "is not for an input, parameter or state");
    last->value = BAL_NO_VALUE;
    assert_refused(compile(&d, err), "is not for an input, parameter or state");
    *last = kept;
    last->offset = INPUT_BYTES - 12;
    assert_refused(compile(&d, err), "does not lie inside");
    last->offset = HYPER_AT - 1;
    assert_refused(compile(&d, err), "no multiple of its element size");

    *last = kept; /* bound though nobody reads it: fine */
    assert_true(bal_reserve(d.bindings, d.capacity, n + 1));
    d.bindings[n] = (bal_binding){d.net.unbound, d.inputs, 0};
    d.n_bindings = n + 1;
    assert_int_equal(compile(&d, NULL), BAL_OK);
    assert_int_equal(bal_program_run(d.program, NULL), BAL_OK);
    device_net_release(&d);
}

static void refuses_unknown_devices(void **state) {
    bal_backend *backend = NULL;
    bal_error unknown = {0};
    assert_int_equal(bal_backend_open("abacus", NULL, &backend, &unknown), BAL_EUNSUPPORTED);
    assert_non_null(strstr(unknown.message, "this build has: cpu"));
    const bal_backend_options isa = {.isa = "mmx"}, few = {.threads = -1}, many = {.threads = 5000};
    assert_refused(bal_backend_open(NULL, &isa, &backend, err), "no instruction set");
    assert_refused(bal_backend_open(NULL, &few, &backend, err), "number of threads");
    assert_refused(bal_backend_open(NULL, &many, &backend, err), "number of threads");
    assert_null(backend);
}

static void refuses_ranges_outside_a_buffer(void **state) {
    bal_backend *backend = NULL;
    bal_buffer *buffer = NULL;
    char bytes[16] = "fifteen letters";
    assert_int_equal(bal_backend_open(NULL, NULL, &backend, NULL), BAL_OK);
    assert_int_equal(bal_buffer_new(backend, 16, &buffer, NULL), BAL_OK);
    assert_int_equal(bal_buffer_upload(buffer, 0, bytes, 16, NULL), BAL_OK);
    assert_int_equal(bal_buffer_upload(buffer, 16, NULL, 0, NULL), BAL_OK);
    assert_refused(bal_buffer_upload(buffer, 1, bytes, 16, err), "16 bytes at 1");
    assert_refused(bal_buffer_download(buffer, 17, bytes, 0, err), "0 bytes at 17");
    assert_refused(bal_buffer_download(buffer, SIZE_MAX, bytes, 2, err), "do not lie inside");
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(bal_buffer_download(buffer, 8, bytes, 8, NULL), BAL_OK);
    assert_string_equal(bytes, "letters");
    bal_buffer_free(buffer);
    bal_backend_close(backend);
}

/* ---- memory ---- */

static void survives_lack_of_memory(void **state) {
    device_net d = {0};
    trained_net_init(&d.net);
    bal_status status = BAL_ENOMEM;
    int failures = 0;
    for (int64_t n = 0; status != BAL_OK; n++) {
        bal_error err = {0};
        bal_memory_fail_after(n);
        status = put_on_device(&d, NULL, 2, &err);
        bal_memory_fail_after(-1);
        if (status != BAL_OK) assert_int_equal(status, BAL_ENOMEM);
        failures += status != BAL_OK;
        take_from_device(&d);
    }
    assert_in_range(failures, 10, 1000);
    bal_graph_free(d.net.graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_change_nothing),
        cmocka_unit_test(a_step_allocates_nothing),
        cmocka_unit_test(rebinding_moves_an_input),
        cmocka_unit_test(refuses_wrong_rebinding),
        cmocka_unit_test(refuses_wrong_reads),
        cmocka_unit_test(refuses_wrong_bindings),
        cmocka_unit_test(refuses_unknown_devices),
        cmocka_unit_test(refuses_ranges_outside_a_buffer),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
