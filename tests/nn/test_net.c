/* nn/net.c: what a dense block declares and computes, the list of running statistics, tracking of
 * activity, starting values in a store, and what fails. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "net_fixture.h"
#include "ops/draw.h"
#include "support/fake_backend.h"

enum { B = 6, D = 4, C = 5 };

static float x[B * D];

static void fill_x(void) {
    bal_random random;
    bal_random_init(&random, 1, 0);
    for (int i = 0; i < B * D; i++)
        x[i] = (float)bal_random_normal(&random);
}

static bal_value build_dense(bal_net *net, bal_value value, const void *options) {
    return bal_net_dense(net, value, "block", options);
}

static bal_value build_output(bal_net *net, bal_value value, const void *unused) {
    return bal_net_output(net, value, "output", C);
}

typedef struct wanted_entry {
    const char *name;
    bal_role role;
    bal_shape shape;
} wanted_entry;

static void assert_entries(const bal_store *store, const wanted_entry *wanted, size_t count) {
    assert_int_equal(store->n_entries, count);
    for (size_t i = 0; i < count; i++) {
        const bal_store_entry *entry = &store->entries[i];
        assert_string_equal(entry->name, wanted[i].name);
        assert_int_equal(entry->role, wanted[i].role);
        assert_int_equal(entry->dtype, BAL_F32);
        assert_true(bal_shape_equal(&entry->shape, &wanted[i].shape));
    }
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- declarations ---- */

static void entries_of_a_batch_norm_block(void **state) {
    const bal_dense_options options = {C, BAL_NORM_BATCH, BAL_ACT_RELU, 0, .5, BAL_INIT_ONE};
    const wanted_entry wanted[] = {
        {"block.linear.weight", BAL_ROLE_PARAMETER, BAL_SHAPE2(C, D)},
        {"block.norm.weight", BAL_ROLE_PARAMETER, BAL_SHAPE1(C)},
        {"block.norm.bias", BAL_ROLE_PARAMETER, BAL_SHAPE1(C)},
        {"block.norm.running_mean", BAL_ROLE_STATISTIC, BAL_SHAPE1(C)},
        {"block.norm.running_var", BAL_ROLE_STATISTIC, BAL_SHAPE1(C)},
        {"block.activity", BAL_ROLE_SCRATCH, BAL_SHAPE1(C)},
    };
    net_fixture f;
    net_fixture_init(&f, B, D, build_dense, &options);
    assert_entries(&f.store, wanted, COUNT(wanted));
    for (int i = 0; i < C; i++) {
        assert_true(net_fixture_entry(&f, "block.norm.weight")[i] == 1);
        assert_true(net_fixture_entry(&f, "block.norm.bias")[i] == 0);
        assert_true(net_fixture_entry(&f, "block.norm.running_mean")[i] == 0);
        assert_true(net_fixture_entry(&f, "block.norm.running_var")[i] == 1);
    }
    for (int i = 0; i < C * D; i++)
        assert_true(net_fixture_entry(&f, "block.linear.weight")[i] == 1);
    net_fixture_release(&f);
}

static void entries_of_other_blocks(void **state) {
    const bal_dense_options layer = {C, BAL_NORM_LAYER, BAL_ACT_GELU, 0, 0, BAL_INIT_ONE};
    const bal_dense_options plain = {C, BAL_NORM_NONE, BAL_ACT_TANH, 0, 0, BAL_INIT_ONE};
    const wanted_entry with_norm[] = {
        {"block.linear.weight", BAL_ROLE_PARAMETER, BAL_SHAPE2(C, D)},
        {"block.norm.weight", BAL_ROLE_PARAMETER, BAL_SHAPE1(C)},
        {"block.norm.bias", BAL_ROLE_PARAMETER, BAL_SHAPE1(C)},
    };
    const wanted_entry without[] = {
        {"block.linear.weight", BAL_ROLE_PARAMETER, BAL_SHAPE2(C, D)},
        {"block.linear.bias", BAL_ROLE_PARAMETER, BAL_SHAPE1(C)},
    };
    const wanted_entry output[] = {
        {"output.weight", BAL_ROLE_PARAMETER, BAL_SHAPE2(C, D)},
        {"output.bias", BAL_ROLE_PARAMETER, BAL_SHAPE1(C)},
    };
    net_fixture f;
    net_fixture_init(&f, B, D, build_dense, &layer);
    assert_entries(&f.store, with_norm, COUNT(with_norm));
    net_fixture_release(&f);
    net_fixture_init(&f, B, D, build_dense, &plain);
    assert_entries(&f.store, without, COUNT(without));
    for (int i = 0; i < C; i++)
        assert_true(net_fixture_entry(&f, "block.linear.bias")[i] == 0);
    net_fixture_release(&f);
    net_fixture_init(&f, B, D, build_output, NULL);
    assert_entries(&f.store, output, COUNT(output));
    net_fixture_release(&f);
}

/* A block's weights start by its own rule and gain, an output layer's by Xavier with gain 1. */
static void starting_values(void **state) {
    const bal_dense_options leaky = {C, BAL_NORM_NONE,          BAL_ACT_LEAKY_RELU, .3,
                                     0, BAL_INIT_KAIMING_NORMAL};
    float wanted[C * D];
    const bal_shape shape = BAL_SHAPE2(C, D);
    net_fixture f;
    net_fixture_init(&f, B, D, build_dense, &leaky);
    bal_init_fill((bal_init_spec){BAL_INIT_KAIMING_NORMAL, sqrt(2 / 1.09)}, &shape,
                  "block.linear.weight", 5, wanted);
    assert_memory_equal(net_fixture_entry(&f, "block.linear.weight"), wanted, sizeof wanted);
    net_fixture_release(&f);
    net_fixture_init(&f, B, D, build_output, NULL);
    bal_init_fill((bal_init_spec){BAL_INIT_XAVIER_UNIFORM, 1}, &shape, "output.weight", 5, wanted);
    assert_memory_equal(net_fixture_entry(&f, "output.weight"), wanted, sizeof wanted);
    net_fixture_release(&f);
}

/* ---- computations, by hand ---- */

/* x · weightᵀ + bias */
static void by_hand_linear(const float *weight, const float *bias, double *y) {
    for (int b = 0; b < B; b++)
        for (int c = 0; c < C; c++) {
            y[b * C + c] = bias ? (double)bias[c] : 0;
            for (int d = 0; d < D; d++)
                y[b * C + c] += (double)x[b * D + d] * (double)weight[c * D + d];
        }
}

static double by_hand_mean(const double *y, int start, int stride, int count,
                           double *ret_variance) {
    double sum = 0, squares = 0;
    for (int i = 0; i < count; i++)
        sum += y[start + i * stride];
    for (int i = 0; i < count; i++)
        squares += pow(y[start + i * stride] - sum / count, 2);
    *ret_variance = squares / count;
    return sum / count;
}

static void assert_output(const net_run *run, const double *wanted) {
    for (int i = 0; i < B * C; i++) {
        double found = interpreter_number(&run->it, run->y, i);
        if (fabs(found - wanted[i]) > 1e-5 * fmax(1, fabs(wanted[i])))
            fail_msg("element %d is %g, not %g", i, found, wanted[i]);
    }
}

static double relu(double number) {
    return fmax(0, number);
}

static void set_affine(const net_fixture *f) {
    for (int c = 0; c < C; c++) {
        net_fixture_entry(f, "block.norm.weight")[c] = .5f + (float)c;
        net_fixture_entry(f, "block.norm.bias")[c] = .25f * (float)(c - 2);
    }
}

static void batch_norm_in_training(void **state) {
    const bal_dense_options options = {C, BAL_NORM_BATCH,          BAL_ACT_RELU, 0,
                                       0, BAL_INIT_KAIMING_UNIFORM};
    net_fixture f;
    net_fixture_init(&f, B, D, build_dense, &options);
    set_affine(&f);
    net_run run = net_fixture_build(&f, true);
    assert_int_equal(run.net.n_norms, 1);
    assert_int_equal(run.net.norms[0].batch, B);
    interpreter_set(&run.it, run.x, x);
    interpreter_run(&run.it);

    double y[B * C];
    by_hand_linear(net_fixture_entry(&f, "block.linear.weight"), NULL, y);
    for (int c = 0; c < C; c++) {
        double variance, mean = by_hand_mean(y, c, C, B, &variance);
        for (int b = 0; b < B; b++)
            y[b * C + c] =
                relu((y[b * C + c] - mean) / sqrt(variance + 1e-5) * (.5 + c) + .25 * (c - 2));
        double found_mean = (double)net_fixture_entry(&f, "block.norm.running_mean")[c];
        double found_variance = (double)net_fixture_entry(&f, "block.norm.running_var")[c];
        assert_true(fabs(found_mean - .1 * mean) < 1e-6);
        assert_true(fabs(found_variance - (.9 + .1 * variance * B / (B - 1))) < 1e-5);
    }
    assert_output(&run, y);
    assert_false(bal_value_is_some(bal_graph_find(run.graph, "block.activity")));
    net_run_release(&run);
    net_fixture_release(&f);
}

static void batch_norm_in_evaluation(void **state) {
    const bal_dense_options options = {C,  BAL_NORM_BATCH,          BAL_ACT_RELU, 0,
                                       .5, BAL_INIT_KAIMING_UNIFORM};
    net_fixture f;
    net_fixture_init(&f, B, D, build_dense, &options);
    set_affine(&f);
    for (int c = 0; c < C; c++) {
        net_fixture_entry(&f, "block.norm.running_mean")[c] = .1f * (float)c;
        net_fixture_entry(&f, "block.norm.running_var")[c] = 1 + .5f * (float)c;
        net_fixture_entry(&f, "block.activity")[c] = c == 1 ? 100.f : 0;
    }
    net_run run = net_fixture_build(&f, false);
    assert_int_equal(run.net.n_norms, 0);
    interpreter_set(&run.it, run.x, x);
    interpreter_run(&run.it);
    double y[B * C];
    by_hand_linear(net_fixture_entry(&f, "block.linear.weight"), NULL, y);
    for (int c = 0; c < C; c++) {
        double peak = c == 1 ? 100 : 0;
        for (int b = 0; b < B; b++) {
            y[b * C + c] =
                relu((y[b * C + c] - .1 * c) / sqrt(1 + .5 * c + 1e-5) * (.5 + c) + .25 * (c - 2));
            peak = fmax(peak, y[b * C + c]);
        }
        assert_true(fabs((double)net_fixture_entry(&f, "block.activity")[c] - peak) < 1e-5);
        assert_true(net_fixture_entry(&f, "block.norm.running_mean")[c] == .1f * (float)c);
    }
    assert_output(&run, y); /* no dropout either */
    net_run_release(&run);
    net_fixture_release(&f);
}

static void layer_norm_and_tanh(void **state) {
    const bal_dense_options options = {C, BAL_NORM_LAYER,        BAL_ACT_TANH, 0,
                                       0, BAL_INIT_XAVIER_NORMAL};
    net_fixture f;
    net_fixture_init(&f, B, D, build_dense, &options);
    set_affine(&f);
    for (int training = 0; training < 2; training++) {
        net_run run = net_fixture_build(&f, training);
        assert_int_equal(run.net.n_norms, 0);
        interpreter_set(&run.it, run.x, x);
        interpreter_run(&run.it);
        double y[B * C];
        by_hand_linear(net_fixture_entry(&f, "block.linear.weight"), NULL, y);
        for (int b = 0; b < B; b++) {
            double variance, mean = by_hand_mean(y, b * C, 1, C, &variance);
            for (int c = 0; c < C; c++)
                y[b * C + c] =
                    tanh((y[b * C + c] - mean) / sqrt(variance + 1e-5) * (.5 + c) + .25 * (c - 2));
        }
        assert_output(&run, y);
        net_run_release(&run);
    }
    net_fixture_release(&f);
}

static void plain_block_with_dropout(void **state) {
    const bal_dense_options options = {C,  BAL_NORM_NONE,           BAL_ACT_LEAKY_RELU, .1,
                                       .4, BAL_INIT_KAIMING_UNIFORM};
    net_fixture f;
    net_fixture_init(&f, B, D, build_dense, &options);
    for (int c = 0; c < C; c++)
        net_fixture_entry(&f, "block.linear.bias")[c] = (float)c - 2.5f;
    net_run run = net_fixture_build(&f, true);
    const int64_t rng[2] = {77, 3};
    interpreter_set(&run.it, run.x, x);
    interpreter_set(&run.it, run.rng, rng);
    interpreter_run(&run.it);
    double y[B * C];
    by_hand_linear(net_fixture_entry(&f, "block.linear.weight"),
                   net_fixture_entry(&f, "block.linear.bias"), y);
    bal_draw draw = bal_draw_of(rng, 0);
    int dropped = 0;
    for (int i = 0; i < B * C; i++) {
        bool keep = bal_draw_bits(&draw, (uint64_t)i) >= bal_draw_threshold(.4);
        y[i] = keep ? (y[i] < 0 ? .1 * y[i] : y[i]) / .6 : 0;
        dropped += !keep;
    }
    assert_in_range(dropped, 3, B * C - 3);
    assert_output(&run, y);
    net_run_release(&run);

    run = net_fixture_build(&f, false); /* units of a leaky relu cannot die */
    assert_false(bal_value_is_some(bal_graph_find(run.graph, "block.activity")));
    net_run_release(&run);
    net_fixture_release(&f);
}

static void output_layer(void **state) {
    net_fixture f;
    net_fixture_init(&f, B, D, build_output, NULL);
    for (int c = 0; c < C; c++)
        net_fixture_entry(&f, "output.bias")[c] = (float)c;
    net_run run = net_fixture_build(&f, true);
    interpreter_set(&run.it, run.x, x);
    interpreter_run(&run.it);
    double y[B * C];
    by_hand_linear(net_fixture_entry(&f, "output.weight"), net_fixture_entry(&f, "output.bias"), y);
    assert_output(&run, y);
    net_run_release(&run);
    net_fixture_release(&f);
}

/* ---- lists and gates ---- */

static bal_value build_two_norms(bal_net *net, bal_value value, const void *options) {
    value = bal_net_dense(net, value, "first", options);
    return bal_net_dense(net, value, "second", options);
}

/* A batch whose gradient norm is not finite leaves no trace in any running statistic. */
static void gated_statistics(void **state) {
    const bal_dense_options options = {C, BAL_NORM_BATCH,          BAL_ACT_RELU, 0,
                                       0, BAL_INIT_KAIMING_UNIFORM};
    net_fixture f;
    net_fixture_init(&f, B, D, build_two_norms, &options);
    for (int bad = 1; bad >= 0; bad--) {
        bal_graph *graph = NULL;
        assert_int_equal(bal_graph_new(bal_op_table, BAL_F32, &graph, NULL), BAL_OK);
        bal_net net = f.net;
        net.graph = graph;
        net.declare = false;
        net.training = true;
        bal_value input = bal_graph_input(graph, "x", BAL_F32, BAL_SHAPE2(B, D));
        bal_value gate = bal_graph_input(graph, "gate", BAL_F32, BAL_SHAPE1(1));
        build_two_norms(&net, input, &options);
        assert_int_equal(net.n_norms, 2);
        assert_int_not_equal(net.norms[0].running_mean.id, net.norms[1].running_mean.id);
        bal_net_update_statistics(&net, gate);
        net_run run = {.graph = graph};
        interpreter_init(&run.it, graph);
        interpreter_set(&run.it, input, x);
        interpreter_set(&run.it, gate, (const float[]){bad ? NAN : 1});
        const char *const names[] = {"first.norm.running_mean", "second.norm.running_mean"};
        for (int n = 0; n < 2; n++)
            interpreter_bind(&run.it, bal_graph_find(graph, names[n]),
                             net_fixture_entry(&f, names[n]));
        /* the weights: without them all activations would be 0 */
        const char *const weights[] = {"first.linear.weight", "second.linear.weight",
                                       "first.norm.bias", "second.norm.bias"};
        for (int n = 0; n < 4; n++) {
            for (int i = 0; n > 1 && i < C; i++)
                net_fixture_entry(&f, weights[n])[i] = 1;
            interpreter_bind(&run.it, bal_graph_find(graph, weights[n]),
                             net_fixture_entry(&f, weights[n]));
        }
        interpreter_run(&run.it);
        for (int n = 0; n < 2; n++)
            assert_true((net_fixture_entry(&f, names[n])[0] != 0) == !bad);
        net_run_release(&run);
    }
    net_fixture_release(&f);
}

static void too_many_norms(void **state) {
    const bal_dense_options options = {2, BAL_NORM_BATCH, BAL_ACT_NONE, 0, 0, BAL_INIT_ONE};
    bal_graph *graph = NULL;
    bal_store store = {0};
    bal_error err = {0};
    assert_int_equal(bal_graph_new(bal_op_table, BAL_F32, &graph, NULL), BAL_OK);
    bal_net net = {.graph = graph, .store = &store, .declare = true, .training = true};
    bal_value value = bal_graph_input(graph, "x", BAL_F32, BAL_SHAPE2(3, 2));
    for (int i = 0; i <= BAL_NET_NORMS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(bal_graph_check(graph, NULL), BAL_OK);
        value = bal_net_dense(&net, value, name, &options);
    }
    assert_int_equal(bal_graph_check(graph, &err), BAL_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "more than 256 batch norms"));
    bal_net_release(&net);
    bal_store_release(&store);
    bal_graph_free(graph);
}

/* ---- what does not fit ---- */

static void refuses(const net_fixture *f, int64_t width, bal_dtype type, const char *words) {
    bal_graph *graph = NULL;
    bal_error err = {0};
    assert_int_equal(bal_graph_new(bal_op_table, type, &graph, NULL), BAL_OK);
    bal_net net = f->net;
    net.graph = graph;
    net.declare = false;
    f->build(&net, bal_graph_input(graph, "x", type, BAL_SHAPE2(B, width)), f->user);
    assert_int_equal(bal_graph_check(graph, &err), BAL_EINTERNAL);
    if (!strstr(err.message, words)) fail_msg("%s", err.message);
    bal_graph_free(graph);
}

static void another_shape_than_declared(void **state) {
    net_fixture f;
    net_fixture_init(&f, B, D, build_output, NULL);
    refuses(&f, D + 1, BAL_F32, "wants \"output.weight\" [5,5]; the store holds [5,4]");
    refuses(&f, D, BAL_F64, "\"output.weight\"");
    net_fixture_release(&f);
    f = (net_fixture){.build = build_output, .net = {.store = &f.store}};
    refuses(&f, D, BAL_F32, "wants \"output.weight\" [5,4]; the store holds nothing");
}

/* A graph that has failed stays as it is; nothing more is declared. */
static void after_a_failure(void **state) {
    bal_graph *graph = NULL;
    bal_store store = {0};
    assert_int_equal(bal_graph_new(bal_op_table, BAL_F32, &graph, NULL), BAL_OK);
    bal_net net = {.graph = graph, .store = &store, .declare = true};
    bal_graph_fail(graph, BAL_EINVAL, "no");
    const bal_dense_options options = {C, BAL_NORM_BATCH, BAL_ACT_RELU, 0, .5, BAL_INIT_ONE};
    assert_false(bal_value_is_some(bal_net_dense(&net, BAL_NO_VALUE, "block", &options)));
    assert_false(bal_value_is_some(bal_net_output(&net, BAL_NO_VALUE, "output", 3)));
    bal_net_update_statistics(&net, BAL_NO_VALUE);
    assert_int_equal(store.n_entries, 0);
    bal_net_release(&net);
    bal_store_release(&store);
    bal_graph_free(graph);
}

/* ---- starting values on devices ---- */

static void same_start_on_every_device(void **state) {
    const bal_dense_options options = {C, BAL_NORM_BATCH,          BAL_ACT_RELU, 0,
                                       0, BAL_INIT_KAIMING_UNIFORM};
    net_fixture f;
    net_fixture_init(&f, B, D, build_two_norms, &options);
    bal_store device = {0};
    for (size_t i = 0; i < f.store.n_entries; i++) {
        const bal_store_entry *entry = &f.store.entries[i];
        assert_int_equal(
            bal_store_declare(&device, entry->name, entry->role, entry->dtype, entry->shape, NULL),
            BAL_OK);
    }
    const bal_shape moment = BAL_SHAPE2(100, 100); /* of an optimiser: not ours to fill */
    assert_int_equal(bal_store_declare(&device, "m", BAL_ROLE_MOMENT, BAL_F32, moment, NULL), 0);
    assert_int_equal(bal_store_allocate(&device, &fake_device, NULL), BAL_OK);
    bal_net net = f.net;
    net.store = &device;
    bal_error err = {0};
    fake_backend_fail_after(3);
    assert_int_equal(bal_net_initialise(&net, &err), BAL_EDEVICE);
    fake_backend_fail_after(-1);
    bal_memory_fail_after(0);
    assert_int_equal(bal_net_initialise(&net, NULL), BAL_ENOMEM);
    bal_memory_fail_after(-1);
    assert_int_equal(bal_net_initialise(&net, NULL), BAL_OK);
    char *bytes = malloc(device.bytes);
    assert_int_equal(bal_buffer_download(device.buffer, 0, bytes, device.bytes, NULL), BAL_OK);
    assert_memory_equal(bytes, bal_buffer_host(f.store.buffer), f.store.bytes);
    free(bytes);

    device.entries[0].dtype = BAL_F64;
    assert_int_equal(bal_net_initialise(&net, &(bal_error){0}), BAL_EUNSUPPORTED);
    bal_store_release(&device);
    net_fixture_release(&f);
}

static void failing_memory(void **state) {
    const bal_dense_options options = {C, BAL_NORM_BATCH, BAL_ACT_RELU, 0, .5, BAL_INIT_ONE};
    bal_status status = BAL_ENOMEM;
    for (int n = 0; status != BAL_OK; n++) {
        bal_graph *graph = NULL;
        bal_store store = {0};
        bal_error err = {0};
        assert_true(n < 1000);
        assert_int_equal(bal_graph_new(bal_op_table, BAL_F32, &graph, NULL), BAL_OK);
        bal_value input = bal_graph_input(graph, "x", BAL_F32, BAL_SHAPE2(B, D));
        bal_value rng = bal_graph_input(graph, "rng", BAL_I64, BAL_SHAPE1(2));
        bal_net net = {.graph = graph, .store = &store, .declare = true, .rng = rng};
        bal_memory_fail_after(n);
        build_two_norms(&net, input, &options);
        status = bal_graph_check(graph, &err);
        bal_memory_fail_after(-1);
        if (status != BAL_OK) assert_int_equal(status, BAL_ENOMEM);
        bal_net_release(&net);
        bal_store_release(&store);
        bal_graph_free(graph);
    }
}

int main(void) {
    fill_x();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_of_a_batch_norm_block),
        cmocka_unit_test(entries_of_other_blocks),
        cmocka_unit_test(starting_values),
        cmocka_unit_test(batch_norm_in_training),
        cmocka_unit_test(batch_norm_in_evaluation),
        cmocka_unit_test(layer_norm_and_tanh),
        cmocka_unit_test(plain_block_with_dropout),
        cmocka_unit_test(output_layer),
        cmocka_unit_test(gated_statistics),
        cmocka_unit_test(too_many_norms),
        cmocka_unit_test(another_shape_than_declared),
        cmocka_unit_test(after_a_failure),
        cmocka_unit_test(same_start_on_every_device),
        cmocka_unit_test(failing_memory),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
