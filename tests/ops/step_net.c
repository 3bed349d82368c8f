/* See step_net.h. */
#include "ops/step_net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "golden/step_golden.h"

enum { CLASSES = 197, FEATURES = 126, BATCH = GOLDEN_STEP_BATCH };

_Static_assert(sizeof golden_step_tensors / sizeof *golden_step_tensors == STEP_PARAMS,
               "parameters");

/* ---- the formula of initial weights and data, exact in single precision ---- */

/* Number `index` of a tensor, in [-1, 1): a hash of both, in multiples of 2⁻²³. */
static double unit(uint64_t tensor, int64_t index) {
    uint64_t h = (tensor << 32) + (uint64_t)index + 1;
    h *= UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 32;
    return (double)(h >> 40) * 0x1p-23 - 1.0;
}

static int64_t tensor_count(const golden_step_tensor *tensor) {
    return tensor->rows * (tensor->columns ? tensor->columns : 1);
}

static double initial(int param, int64_t i) {
    const golden_step_tensor *tensor = &golden_step_tensors[param];
    return (float)(tensor->offset + tensor->spread * unit((uint64_t)param, i));
}

/* ---- building ---- */

static void make_parameters(step_net *net, bal_dtype dtype) {
    for (int k = 0; k < STEP_PARAMS; k++) {
        const golden_step_tensor *tensor = &golden_step_tensors[k];
        bal_shape shape =
            tensor->columns ? BAL_SHAPE2(tensor->rows, tensor->columns) : BAL_SHAPE1(tensor->rows);
        char name[64];
        net->params[k] = bal_graph_parameter(net->graph, tensor->name, shape);
        snprintf(name, sizeof name, "%s.m", tensor->name);
        net->first[k] = bal_graph_state(net->graph, name, dtype, shape);
        snprintf(name, sizeof name, "%s.v", tensor->name);
        net->second[k] = bal_graph_state(net->graph, name, dtype, shape);
    }
    for (int k = 0; k < STEP_NORMS; k++) {
        bal_shape column = bal_graph_shape(net->graph, net->params[3 * k + 1]);
        char name[64];
        snprintf(name, sizeof name, "layer%d.running_mean", k);
        net->running[2 * k] = bal_graph_state(net->graph, name, dtype, column);
        snprintf(name, sizeof name, "layer%d.running_variance", k);
        net->running[2 * k + 1] = bal_graph_state(net->graph, name, dtype, column);
    }
}

static bal_value class_weights(bal_graph *graph) {
    double wide[CLASSES];
    float narrow[CLASSES];
    for (int c = 0; c < CLASSES; c++) {
        wide[c] = 0.5 + 0.25 * (c % 5);
        narrow[c] = (float)wide[c];
    }
    bal_dtype dtype = bal_graph_float_type(graph);
    return bal_graph_constant(graph, dtype, BAL_SHAPE1(CLASSES),
                              dtype == BAL_F32 ? (const void *)narrow : (const void *)wide);
}

/* Forward to the loss. The norms' values (output 0) are left in ret_norms. */
static bal_value make_forward(step_net *net, bal_value ret_norms[STEP_NORMS]) {
    bal_graph *g = net->graph;
    const bal_value *p = net->params;
    bal_value h = net->x;
    for (int k = 0; k < STEP_NORMS; k++, p += 3) {
        h = bal_linear(g, h, p[0], BAL_NO_VALUE);
        ret_norms[k] = h = bal_batch_norm(g, h, p[1], p[2], GOLDEN_STEP_NORM_EPSILON);
        h = bal_relu(g, h);
    }
    bal_value logits = bal_linear(g, h, p[0], p[1]);
    return bal_cross_entropy(g, logits, net->labels, class_weights(g), 0);
}

void step_net_init(step_net *net, bal_dtype float_type, bool fused) {
    bal_error err = {0};
    bal_value norms[STEP_NORMS], mean[STEP_NORMS], variance[STEP_NORMS];
    *net = (step_net){0};
    if (bal_graph_new(bal_op_table, float_type, &net->graph, &err) != BAL_OK)
        fail_msg("%s", err.message);
    bal_graph *g = net->graph;
    net->x = bal_graph_input(g, "x", float_type, BAL_SHAPE2(BATCH, FEATURES));
    net->labels = bal_graph_input(g, "labels", BAL_I32, BAL_SHAPE1(BATCH));
    net->hyper = bal_graph_input(g, "hyper", float_type, BAL_SHAPE1(BAL_HYPER_COUNT));
    make_parameters(net, float_type);
    net->loss = make_forward(net, norms);
    for (int k = 0; k < STEP_NORMS; k++) {
        mean[k] = bal_graph_output(g, norms[k], 1);
        variance[k] = bal_graph_output(g, norms[k], 2);
    }
    if (fused) bal_graph_fuse(g, NULL, 0);
    bal_graph_differentiate(g, net->loss, net->params, STEP_PARAMS, net->grads);
    net->norm = bal_global_norm(g, net->grads, STEP_PARAMS);
    for (int k = 0; k < STEP_NORMS; k++)
        bal_batch_norm_running(g, net->running[2 * k], net->running[2 * k + 1], mean[k],
                               variance[k], net->norm, GOLDEN_STEP_NORM_MOMENTUM, BATCH);
    bal_adam_update(g, net->hyper, net->norm, net->params, net->first, net->second, net->grads,
                    STEP_PARAMS, GOLDEN_STEP_BETA1, GOLDEN_STEP_BETA2, GOLDEN_STEP_EPSILON,
                    GOLDEN_STEP_L2, 0);
    if (bal_graph_check(g, &err) != BAL_OK) fail_msg("%s", err.message);
}

void step_net_release(step_net *net) {
    bal_graph_free(net->graph);
    *net = (step_net){0};
}

/* ---- comparing ---- */

/* Wanted accuracies. Double precision shows that the arithmetic is the same; single precision is
 * what training uses. A change of 1e-3 in a number near 1 keeps 1e-4 of itself in single precision,
 * most of which averages out of its norm. */
#define TOLERANCE_DOUBLE 1e-10
#define TOLERANCE_SINGLE 1e-5
#define TOLERANCE_CHANGE 5e-5

/* Compare with PyTorch in double and, when ours is single, in single precision too. */
static void expect_close(bal_dtype dtype, double got, const double wanted[2], double scale,
                         const char *name, const char *what, int64_t index) {
    double tolerance = dtype == BAL_F64 ? TOLERANCE_DOUBLE : TOLERANCE_SINGLE;
    for (int precision = 0; precision < (dtype == BAL_F64 ? 1 : 2); precision++) {
        if (!(fabs(got - wanted[precision]) <= tolerance * scale))
            fail_msg("%s, %s %lld: %.9g, PyTorch has %.9g in %s precision", name, what,
                     (long long)index, got, wanted[precision], precision ? "single" : "double");
    }
}

static double norm_of(const double *numbers, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += numbers[i] * numbers[i];
    return sqrt(sum);
}

static void check_gradient(bal_dtype dtype, int param, const double *grad) {
    const golden_step_tensor *tensor = &golden_step_tensors[param];
    double norm = norm_of(grad, tensor_count(tensor));
    expect_close(dtype, norm, tensor->grad_norm, tensor->grad_norm[0], tensor->name,
                 "norm of gradient", 0);
    for (int s = 0; s < GOLDEN_STEP_SAMPLES; s++) {
        const golden_step_sample *sample = &tensor->samples[s];
        expect_close(dtype, grad[sample->index], sample->grad, tensor->grad_max, tensor->name,
                     "gradient", sample->index);
    }
}

/* `numbers` is a parameter after `step`; replaced by its change. */
static void check_parameter(bal_dtype dtype, int param, int step, double *numbers) {
    const golden_step_tensor *tensor = &golden_step_tensors[param];
    if (step != 0 && step != GOLDEN_STEPS - 1) return;
    for (int s = 0; s < GOLDEN_STEP_SAMPLES; s++) {
        const golden_step_sample *sample = &tensor->samples[s];
        expect_close(dtype, numbers[sample->index],
                     step == 0 ? sample->after_one : sample->after_all, tensor->param_max,
                     tensor->name, step == 0 ? "after one step" : "after all", sample->index);
    }
    if (step == 0) return;
    int64_t count = tensor_count(tensor);
    for (int64_t i = 0; i < count; i++)
        numbers[i] -= initial(param, i);
    double change = norm_of(numbers, count), wanted = tensor->change_norm[0];
    double tolerance = dtype == BAL_F64 ? TOLERANCE_DOUBLE : TOLERANCE_CHANGE;
    if (!(fabs(change - wanted) <= tolerance * wanted))
        fail_msg("%s: norm of the change is %.9g, PyTorch has %.9g", tensor->name, change, wanted);
}

static void check_running(bal_dtype dtype, int index, const double *numbers) {
    const golden_step_running *golden = &golden_step_statistics[index];
    for (int i = 0; i < GOLDEN_STEP_SAMPLES; i++)
        expect_close(dtype, numbers[i], golden->values[i], golden->scale,
                     index % 2 ? "running variance" : "running mean", "column", i);
}

/* ---- training ---- */

/* Room for the largest tensor. */
static double *make_scratch(void) {
    int64_t most = BATCH * FEATURES;
    for (int k = 0; k < STEP_PARAMS; k++) {
        int64_t count = tensor_count(&golden_step_tensors[k]);
        most = count > most ? count : most;
    }
    double *scratch = calloc((size_t)most, sizeof *scratch);
    assert_non_null(scratch);
    return scratch;
}

static void write_start(const step_net *net, const step_device *device, double *scratch) {
    for (int k = 0; k < STEP_PARAMS; k++) {
        int64_t count = tensor_count(&golden_step_tensors[k]);
        for (int64_t i = 0; i < count; i++)
            scratch[i] = initial(k, i);
        device->write(device->context, net->params[k], scratch);
        for (int64_t i = 0; i < count; i++)
            scratch[i] = 0;
        device->write(device->context, net->first[k], scratch);
        device->write(device->context, net->second[k], scratch);
    }
    for (int k = 0; k < 2 * STEP_NORMS; k++) {
        bal_shape column = bal_graph_shape(net->graph, net->running[k]);
        for (int64_t i = 0; i < column.dim[0]; i++)
            scratch[i] = k % 2;
        device->write(device->context, net->running[k], scratch);
    }
}

static void write_inputs(const step_net *net, const step_device *device, int step,
                         double *scratch) {
    double hyper[BAL_HYPER_COUNT] = {
        [BAL_HYPER_LR] = GOLDEN_STEP_LR,
        [BAL_HYPER_CORRECTION1] = 1 / (1 - pow(GOLDEN_STEP_BETA1, step + 1)),
        [BAL_HYPER_CORRECTION2] = 1 / (1 - pow(GOLDEN_STEP_BETA2, step + 1)),
    };
    int32_t labels[BATCH];
    for (int b = 0; b < BATCH; b++)
        labels[b] = (37 * b + 11 * step) % CLASSES;
    for (int64_t i = 0; i < BATCH * FEATURES; i++)
        scratch[i] = (float)(1.75 * unit(100 + (uint64_t)step, i));
    device->write(device->context, net->x, scratch);
    device->write(device->context, net->hyper, hyper);
    device->write_labels(device->context, net->labels, labels);
}

void step_net_check(const step_net *net, const step_device *device) {
    bal_dtype dtype = bal_graph_float_type(net->graph);
    double *scratch = make_scratch();
    write_start(net, device, scratch);
    for (int step = 0; step < GOLDEN_STEPS; step++) {
        write_inputs(net, device, step, scratch);
        device->run(device->context);
        device->read(device->context, net->loss, scratch);
        expect_close(dtype, *scratch, golden_step_losses[step], golden_step_losses[step][0], "loss",
                     "step", step);
        for (int k = 0; step == 0 && k < STEP_PARAMS; k++) {
            device->read(device->context, net->grads[k], scratch);
            check_gradient(dtype, k, scratch);
        }
        for (int k = 0; k < STEP_PARAMS; k++) {
            device->read(device->context, net->params[k], scratch);
            check_parameter(dtype, k, step, scratch);
        }
    }
    for (int k = 0; k < 2 * STEP_NORMS; k++) {
        device->read(device->context, net->running[k], scratch);
        check_running(dtype, k, scratch);
    }
    free(scratch);
}
