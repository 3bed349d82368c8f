/* Building the timed nets from the library's own models, losses and optimisers; see nets.h. */
#include "nets.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "loss/loss.h"
#include "nn/model.h"
#include "optim/optimizer.h"

enum { BATCHES = 4, PARAMETERS_MAX = 64 };

const bench_net_kind bench_net_kinds[] = {
    {"residual",
     "640-3000-3x3000-320-256-64-4, batch norm, leaky relu, dropout, AdamW, clipped",
     640,
     4,
     {256}},
    {"mlp", "126-512-256-128-197, batch norm, relu, dropout, Adam", 126, 197, {32, 64, 256}},
    {0},
};

const bench_net_kind *bench_net_find(const char *name) {
    for (const bench_net_kind *kind = bench_net_kinds; kind->name; kind++)
        if (strcmp(kind->name, name) == 0) return kind;
    return NULL;
}

struct bench_net {
    const bench_net_kind *kind;
    int32_t batch;
    bal_backend *backend;
    bal_store store;
    bal_net net;
    bal_graph *graph;
    bal_program *program;
    bal_buffer *inputs, *controls;
    size_t labels_offset, batch_stride;
    bal_value x, labels, rng, hyper, loss, norm;
    bal_value parameters[PARAMETERS_MAX], gradients[PARAMETERS_MAX];
    int32_t n_parameters;
    bal_optimizer_options optimizer;
    int64_t steps;
};

/* ---- graph ---- */

static bal_value build_model(bench_net *bench) {
    static const double residual_dropout[] = {.3, .3, .3}, mlp_dropout[] = {.4, .3, .2};
    static const int32_t head[] = {256, 64}, hidden[] = {512, 256, 128};
    bal_model_options options = {.norm = BAL_NORM_BATCH, .init = BAL_INIT_KAIMING_UNIFORM};
    bool residual = strcmp(bench->kind->name, "residual") == 0;
    if (residual) {
        options.width = 3000;
        options.blocks = 3;
        options.out = 320;
        options.activation = BAL_ACT_LEAKY_RELU;
        options.slope = .01;
        options.dropout = residual_dropout;
    } else {
        options.hidden = hidden;
        options.n_hidden = 3;
        options.activation = BAL_ACT_RELU;
        options.dropout = mlp_dropout;
    }
    options.n_dropout = 3;
    const bal_model *model = bal_model_find(bench->kind->name);
    bal_value features = model->build(&bench->net, bench->x, &options);
    return bal_head_build(&bench->net, features, "main", &options, head, residual ? 2 : 0,
                          residual_dropout, residual ? 2 : 0, bench->kind->classes);
}

static void list_parameters(bench_net *bench) {
    for (int32_t id = 0; id < bal_graph_value_count(bench->graph); id++) {
        if (bal_graph_info(bench->graph, (bal_value){id})->kind != BAL_VALUE_PARAMETER) continue;
        if (bench->n_parameters == PARAMETERS_MAX) {
            bal_graph_fail(bench->graph, BAL_EINTERNAL, "more than %d parameters", PARAMETERS_MAX);
            return;
        }
        bench->parameters[bench->n_parameters++] = (bal_value){id};
    }
}

static bal_status build_update(bench_net *bench, bal_error *err) {
    bal_graph *g = bench->graph;
    const bal_optimizer *optimizer = bal_optimizer_find(bench->optimizer.kind);
    bal_value moments[2][PARAMETERS_MAX];
    list_parameters(bench);
    bal_graph_differentiate(g, bench->loss, bench->parameters, bench->n_parameters,
                            bench->gradients);
    bench->norm = bal_global_norm(g, bench->gradients, bench->n_parameters);
    for (int32_t i = 0; i < bench->n_parameters; i++) {
        const bal_value_info *info = bal_graph_info(g, bench->parameters[i]);
        for (int k = 0; k < 2; k++) {
            char name[256];
            snprintf(name, sizeof name, "%s.%s", info->name, optimizer->moment_suffix[k]);
            moments[k][i] = bal_graph_state(g, name, BAL_F32, info->shape);
            BAL_TRY(
                bal_store_declare(&bench->store, name, BAL_ROLE_MOMENT, BAL_F32, info->shape, err));
        }
    }
    const bal_value *lists[2] = {moments[0], moments[1]};
    optimizer->build(g, bench->hyper, bench->norm, bench->parameters, lists, bench->gradients,
                     bench->n_parameters, &bench->optimizer);
    bal_net_update_statistics(&bench->net, bench->norm);
    return bal_graph_check(g, err);
}

static bal_status build_graph(bench_net *bench, bal_error *err) {
    bal_graph *g = bench->graph;
    bench->net =
        (bal_net){.graph = g, .store = &bench->store, .declare = true, .training = true, .seed = 1};
    bench->rng = bal_graph_input(g, "rng", BAL_I64, BAL_SHAPE1(2));
    bench->net.rng = bench->rng;
    bench->x = bal_graph_input(g, "x", BAL_F32, BAL_SHAPE2(bench->batch, bench->kind->features));
    bench->labels = bal_graph_input(g, "labels", BAL_I32, BAL_SHAPE1(bench->batch));
    bench->hyper = bal_graph_input(g, "hyper", BAL_F32, BAL_SHAPE1(BAL_HYPER_COUNT));
    bal_value logits = build_model(bench);
    bench->loss = bal_loss_find("cross_entropy")
                      ->build(g, logits, bench->labels, BAL_NO_VALUE, &(bal_loss_options){0});
    bal_graph_fuse(g, &bench->loss, 1);
    BAL_TRY(bal_graph_check(g, err));
    BAL_TRY(build_update(bench, err));
    bal_graph_prune(g, (bal_value[]){bench->loss, bench->norm}, 2);
    return bal_graph_check(g, err);
}

/* ---- memory ---- */

enum { RNG_OFFSET = 0, HYPER_OFFSET = 64, CONTROL_BYTES = 128 };

static bal_status make_batches(bench_net *bench, bal_error *err) {
    size_t rows = (size_t)bench->batch, columns = (size_t)bench->kind->features;
    bench->labels_offset = (rows * columns * sizeof(float) + 63) / 64 * 64;
    bench->batch_stride = bench->labels_offset + (rows * sizeof(int32_t) + 63) / 64 * 64;
    BAL_TRY(bal_buffer_new(bench->backend, BATCHES * bench->batch_stride, &bench->inputs, err));
    char *host = bal_buffer_host(bench->inputs);
    bal_random random;
    bal_random_init(&random, 2, 0);
    for (size_t b = 0; b < BATCHES; b++) {
        float *x = (float *)(void *)(host + b * bench->batch_stride);
        int32_t *labels =
            (int32_t *)(void *)(host + b * bench->batch_stride + bench->labels_offset);
        for (size_t i = 0; i < rows * columns; i++)
            x[i] = (float)bal_random_u32(&random) * 0x1p-31f - 1;
        for (size_t i = 0; i < rows; i++)
            labels[i] = (int32_t)bal_random_below(&random, (uint64_t)bench->kind->classes);
    }
    return BAL_OK;
}

static bal_status compile(bench_net *bench, bal_error *err) {
    bal_binding *bindings = NULL;
    size_t n = 0, capacity = 0;
    const bal_binding inputs[] = {{bench->x, bench->inputs, 0},
                                  {bench->labels, bench->inputs, bench->labels_offset},
                                  {bench->rng, bench->controls, RNG_OFFSET},
                                  {bench->hyper, bench->controls, HYPER_OFFSET}};
    const size_t n_inputs = sizeof inputs / sizeof *inputs;
    bal_status status;
    BAL_TRY_OUT(bal_store_bind(&bench->store, bench->graph, &bindings, &n, &capacity, err));
    if (!bal_reserve(bindings, capacity, n + n_inputs)) {
        status = bal_fail_memory(err, sizeof inputs);
        goto out;
    }
    memcpy(bindings + n, inputs, sizeof inputs);
    BAL_TRY_OUT(bal_program_compile(bench->backend, bench->graph, bindings, n + n_inputs,
                                    (bal_value[]){bench->loss, bench->norm}, 2, &bench->program,
                                    err));
out:
    bal_free(bindings);
    return status;
}

bal_status bench_net_new(const bench_net_kind *kind, int32_t batch, bal_backend *backend,
                         bench_net **ret_net, bal_error *err) {
    bench_net *bench = bal_calloc(1, sizeof *bench);
    if (!bench) return bal_fail_memory(err, sizeof *bench);
    bool residual = strcmp(kind->name, "residual") == 0;
    bench->kind = kind;
    bench->batch = batch;
    bench->backend = backend;
    bench->optimizer = (bal_optimizer_options){.kind = residual ? "adamw" : "adam",
                                               .lr = 1e-3,
                                               .weight_decay = residual ? .01 : 0,
                                               .beta1 = .9,
                                               .beta2 = .999,
                                               .epsilon = 1e-8,
                                               .clip_norm = residual ? 1 : 0};
    bal_status status;
    BAL_TRY_OUT(bal_graph_new(bal_op_table, BAL_F32, &bench->graph, err));
    BAL_TRY_OUT(build_graph(bench, err));
    BAL_TRY_OUT(bal_store_allocate(&bench->store, backend, err));
    BAL_TRY_OUT(bal_net_initialise(&bench->net, err));
    BAL_TRY_OUT(make_batches(bench, err));
    BAL_TRY_OUT(bal_buffer_new(backend, CONTROL_BYTES, &bench->controls, err));
    BAL_TRY_OUT(compile(bench, err));
    *ret_net = bench;
    bench = NULL;
out:
    bench_net_free(bench);
    return status;
}

void bench_net_free(bench_net *bench) {
    if (!bench) return;
    bal_program_free(bench->program);
    bal_buffer_free(bench->inputs);
    bal_buffer_free(bench->controls);
    bal_net_release(&bench->net);
    bal_store_release(&bench->store);
    bal_graph_free(bench->graph);
    bal_free(bench);
}

/* ---- running ---- */

bal_status bench_net_step(bench_net *bench, double *ret_loss, bal_error *err) {
    int64_t rng[2] = {1, bench->steps};
    double numbers[BAL_HYPER_COUNT];
    float hyper[BAL_HYPER_COUNT], loss, norm;
    size_t batch = (size_t)(bench->steps % BATCHES) * bench->batch_stride;
    bal_optimizer_hyper(&bench->optimizer, bench->optimizer.lr, bench->steps, numbers);
    for (int i = 0; i < BAL_HYPER_COUNT; i++)
        hyper[i] = (float)numbers[i];
    BAL_TRY(bal_buffer_upload(bench->controls, RNG_OFFSET, rng, sizeof rng, err));
    BAL_TRY(bal_buffer_upload(bench->controls, HYPER_OFFSET, hyper, sizeof hyper, err));
    BAL_TRY(bal_program_rebind(bench->program, bench->x, bench->inputs, batch, err));
    BAL_TRY(bal_program_rebind(bench->program, bench->labels, bench->inputs,
                               batch + bench->labels_offset, err));
    BAL_TRY(bal_program_run(bench->program, err));
    BAL_TRY(bal_program_read(bench->program, bench->loss, &loss, sizeof loss, err));
    BAL_TRY(bal_program_read(bench->program, bench->norm, &norm, sizeof norm, err));
    bench->steps++;
    if (!isfinite(loss) || !isfinite(norm))
        return bal_fail(err, BAL_EINTERNAL, "step %lld: loss %g, gradient norm %g",
                        (long long)bench->steps, (double)loss, (double)norm);
    if (ret_loss) *ret_loss = loss;
    return BAL_OK;
}

bal_program *bench_net_program(bench_net *bench) {
    return bench->program;
}

int64_t bench_net_parameters(const bench_net *bench) {
    int64_t count = 0;
    for (int32_t i = 0; i < bench->n_parameters; i++) {
        bal_shape shape = bal_graph_shape(bench->graph, bench->parameters[i]);
        count += bal_shape_count(&shape);
    }
    return count;
}

double bench_net_flops(const bench_net *bench) {
    double flops = 0, batch = bench->batch;
    for (int32_t i = 0; i < bench->n_parameters; i++) {
        bal_shape shape = bal_graph_shape(bench->graph, bench->parameters[i]);
        if (shape.rank < 2) continue;
        double weights = (double)bal_shape_count(&shape);
        flops += (shape.dim[1] == bench->kind->features ? 4 : 6) * weights * batch;
    }
    return flops;
}
