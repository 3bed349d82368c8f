/* Building and caching the programs of a run. See train/network.h. */
#include "train/network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "loss/loss.h"
#include "optim/optimizer.h"

/** A compiled program and the values the trainer talks to. */
typedef struct net_program {
    int64_t batch;
    bool training;
    bal_graph *graph;
    bal_program *program;
    bal_value x;
    bal_value target[BAL_HEADS_MAX];
    bal_value output[BAL_HEADS_MAX];
    bal_value loss[BAL_HEADS_MAX];
    bal_value weight[BAL_HEADS_MAX];
    bal_value total;
    bal_value norm;
} net_program;

struct bal_network {
    const bal_recipe *recipe;
    const bal_dataset *dataset;
    bal_backend *backend;
    const bal_log_sink *log;
    bal_store store;
    bal_net net; /* keeps how entries start */
    bal_model_options model;
    bal_optimizer_options *groups;
    int32_t n_groups;
    bal_buffer *controls;
    net_program *programs;
    size_t n_programs, programs_capacity;
};

/* ---- control buffer: rng, then hyper-parameters per group, then class weights per head ---- */

enum { CONTROL_ALIGN = 64 };

static size_t hyper_offset(int32_t group) {
    return (size_t)CONTROL_ALIGN * (size_t)(1 + group);
}

static size_t class_weight_offset(const bal_network *network, int32_t head) {
    size_t offset = hyper_offset(network->n_groups);
    for (int32_t h = 0; h < head; h++)
        offset +=
            ((size_t)network->dataset->heads[h].classes.count * sizeof(float) + CONTROL_ALIGN - 1) /
            CONTROL_ALIGN * CONTROL_ALIGN;
    return offset;
}

static bal_status make_controls(bal_network *network, bal_error *err) {
    size_t bytes = class_weight_offset(network, network->dataset->n_heads) + CONTROL_ALIGN;
    BAL_TRY(bal_buffer_new(network->backend, bytes, &network->controls, err));
    for (int32_t h = 0; h < network->dataset->n_heads; h++)
        if (network->dataset->heads[h].class_weights)
            BAL_TRY(bal_network_set_class_weights(network, h,
                                                  network->dataset->heads[h].class_weights, err));
    return BAL_OK;
}

bal_status bal_network_set_class_weights(bal_network *network, int32_t head, const double *weights,
                                         bal_error *err) {
    size_t offset = class_weight_offset(network, head);
    for (int32_t c = 0; c < network->dataset->heads[head].classes.count; c++) {
        float weight = (float)weights[c];
        BAL_TRY(bal_buffer_upload(network->controls, offset + (size_t)c * sizeof weight, &weight,
                                  sizeof weight, err));
    }
    return BAL_OK;
}

/* ---- parameter groups ---- */

/** The group of a parameter: the first whose pattern matches, else the last, which is the default.
 */
static int32_t group_of(const bal_network *network, const char *name) {
    for (int32_t i = 0; i < network->recipe->n_groups; i++)
        if (bal_text_glob(network->recipe->groups[i].match, name)) return i;
    return network->recipe->n_groups;
}

static bool is_frozen(const bal_network *network, const char *name) {
    const bal_recipe_model *model = &network->recipe->model;
    for (int32_t i = 0; i < model->n_freeze; i++)
        if (bal_text_glob(model->freeze[i], name)) return true;
    return false;
}

static bal_status make_groups(bal_network *network, bal_error *err) {
    const bal_recipe *recipe = network->recipe;
    network->n_groups = recipe->n_groups + 1;
    network->groups = bal_calloc((size_t)network->n_groups, sizeof *network->groups);
    if (!network->groups) return bal_fail_memory(err, sizeof *network->groups);
    for (int32_t i = 0; i < network->n_groups; i++) {
        bal_optimizer_options *group = &network->groups[i];
        *group = recipe->optimizer;
        if (i == recipe->n_groups) continue;
        if (!isnan(recipe->groups[i].lr)) group->lr = recipe->groups[i].lr;
        if (!isnan(recipe->groups[i].l2)) group->l2 = recipe->groups[i].l2;
        if (!isnan(recipe->groups[i].weight_decay))
            group->weight_decay = recipe->groups[i].weight_decay;
    }
    /* A recipe holds defaults also for what its optimiser does not have. */
    bool decoupled = strcmp(recipe->optimizer.kind, "adamw") == 0;
    for (int32_t i = 0; i < network->n_groups; i++) {
        if (decoupled)
            network->groups[i].l2 = 0;
        else
            network->groups[i].weight_decay = 0;
    }
    return BAL_OK;
}

/* ---- graphs ---- */

static bal_net begin_net(bal_network *network, bal_graph *graph, bool training) {
    bal_net net = network->net;
    net.graph = graph;
    net.training = training;
    net.n_norms = 0;
    return net;
}

/** Trunk and heads on input x; outputs are named head.NAME. */
static void build_outputs(bal_network *network, bal_net *net, bal_value x, bal_value *ret_outputs) {
    const bal_model *model = bal_model_find(network->recipe->model.kind);
    bal_value features = model->build(net, x, &network->model);
    for (int32_t h = 0; h < network->dataset->n_heads; h++) {
        const bal_head_data *head = &network->dataset->heads[h];
        ret_outputs[h] = bal_head_build(
            net, features, head->recipe->name, &network->model, head->recipe->hidden,
            head->recipe->n_hidden, head->recipe->dropout, head->recipe->n_dropout, head->outputs);
        bal_graph_set_name(net->graph, ret_outputs[h], "head.%s", head->recipe->name);
    }
}

static bal_value input_x(bal_network *network, bal_graph *graph, int64_t batch) {
    return bal_graph_input(graph, "x", BAL_F32,
                           BAL_SHAPE2(batch, network->dataset->table->features));
}

static bal_value input_target(bal_graph *graph, const bal_head_data *head, int64_t batch) {
    char name[96];
    snprintf(name, sizeof name, "target.%s", head->recipe->name);
    if (head->recipe->kind == BAL_HEAD_CLASSES)
        return bal_graph_input(graph, name, BAL_I32, BAL_SHAPE1(batch));
    return bal_graph_input(graph, name, BAL_F32, BAL_SHAPE2(batch, head->outputs));
}

static bal_value input_class_weight(bal_graph *graph, const bal_head_data *head) {
    char name[96];
    if (!head->class_weights) return BAL_NO_VALUE;
    snprintf(name, sizeof name, "class_weight.%s", head->recipe->name);
    return bal_graph_input(graph, name, BAL_F32, BAL_SHAPE1(head->classes.count));
}

static void build_losses(bal_network *network, net_program *made, bool weighted) {
    for (int32_t h = 0; h < network->dataset->n_heads; h++) {
        const bal_head_data *head = &network->dataset->heads[h];
        bal_loss_options options = head->recipe->loss;
        if (!weighted) {
            options.alpha = -1;
            options.label_smoothing = 0;
        }
        bal_value class_weight = weighted ? input_class_weight(made->graph, head) : BAL_NO_VALUE;
        made->target[h] = input_target(made->graph, head, made->batch);
        made->loss[h] =
            bal_loss_find(options.kind)
                ->build(made->graph, made->output[h], made->target[h], class_weight, &options);
        made->weight[h] = bal_graph_output(made->graph, made->loss[h], 1);
    }
}

static void build_total(bal_network *network, net_program *made) {
    made->total = BAL_NO_VALUE;
    for (int32_t h = 0; h < network->dataset->n_heads; h++) {
        double share = network->dataset->heads[h].recipe->weight;
        bal_value part =
            share == 1 ? made->loss[h] : bal_scale(made->graph, made->loss[h], share, 0);
        made->total =
            bal_value_is_some(made->total) ? bal_add(made->graph, made->total, part) : part;
    }
}

/** One parameter group's worth of values, gathered for its update. */
typedef struct update_lists {
    bal_value *params, *grads, *moments[2];
    bal_value *all_params, *all_grads; /* over all groups */
    int32_t n_all;
} update_lists;

static void append_group_update(bal_network *network, bal_net *net, net_program *made,
                                const update_lists *lists, int32_t group) {
    bal_graph *graph = made->graph;
    const bal_optimizer_options *options = &network->groups[group];
    const bal_optimizer *optimizer = bal_optimizer_find(options->kind);
    int32_t n = 0;
    for (int32_t i = 0; i < lists->n_all; i++) {
        const bal_value_info *info = bal_graph_info(graph, lists->all_params[i]);
        if (group_of(network, info->name) != group || !bal_value_is_some(lists->all_grads[i]))
            continue;
        lists->params[n] = lists->all_params[i];
        lists->grads[n] = lists->all_grads[i];
        for (int32_t k = 0; k < optimizer->n_moments; k++) {
            char name[256];
            snprintf(name, sizeof name, "%s.%s", info->name, optimizer->moment_suffix[k]);
            lists->moments[k][n] = bal_graph_state(graph, name, BAL_F32, info->shape);
        }
        n++;
    }
    if (n == 0) return;
    char name[32];
    snprintf(name, sizeof name, "hyper.%d", (int)group);
    bal_value hyper = bal_graph_input(graph, name, BAL_F32, BAL_SHAPE1(BAL_HYPER_COUNT));
    const bal_value *moments[2] = {lists->moments[0], lists->moments[1]};
    optimizer->build(graph, hyper, made->norm, lists->params, moments, lists->grads, n, options);
    (void)net;
}

/** Gradients, their norm, and the updates of weights and running statistics. */
static bal_status build_update(bal_network *network, bal_net *net, net_program *made,
                               bal_error *err) {
    bal_graph *graph = made->graph;
    int32_t n_values = bal_graph_value_count(graph);
    bal_value *block = bal_calloc((size_t)n_values * 6, sizeof *block);
    if (!block) return bal_fail_memory(err, (size_t)n_values * 6 * sizeof *block);
    update_lists lists = {
        .params = block,
        .grads = block + n_values,
        .moments = {block + 2 * n_values, block + 3 * n_values},
        .all_params = block + 4 * n_values,
        .all_grads = block + 5 * n_values,
    };
    for (int32_t id = 0; id < n_values; id++) {
        const bal_value_info *info = bal_graph_info(graph, (bal_value){id});
        if (info->kind == BAL_VALUE_PARAMETER && !is_frozen(network, info->name))
            lists.all_params[lists.n_all++] = (bal_value){id};
    }
    bal_graph_differentiate(graph, made->total, lists.all_params, lists.n_all, lists.all_grads);
    int32_t n_grads = 0;
    for (int32_t i = 0; i < lists.n_all; i++)
        if (bal_value_is_some(lists.all_grads[i])) lists.grads[n_grads++] = lists.all_grads[i];
    if (n_grads == 0)
        bal_graph_fail(graph, BAL_ERECIPE,
                       "nothing to train: every weight is frozen or every head "
                       "has weight 0");
    made->norm = bal_global_norm(graph, lists.grads, n_grads);
    for (int32_t group = 0; group < network->n_groups; group++)
        append_group_update(network, net, made, &lists, group);
    bal_net_update_statistics(net, made->norm);
    bal_free(block);
    return BAL_OK;
}

static bal_status build_training(bal_network *network, net_program *made, bal_error *err) {
    bal_net net = begin_net(network, made->graph, true);
    net.rng = bal_graph_input(made->graph, "rng", BAL_I64, BAL_SHAPE1(2));
    made->x = input_x(network, made->graph, made->batch);
    build_outputs(network, &net, made->x, made->output);
    build_losses(network, made, true);
    build_total(network, made);
    /* Fusing batch norms replaces their outputs; the values stay the same handles. */
    bal_graph_fuse(made->graph, made->loss, network->dataset->n_heads);
    BAL_TRY(build_update(network, &net, made, err));
    return bal_graph_check(made->graph, err);
}

static bal_status build_evaluation(bal_network *network, net_program *made, bal_error *err) {
    bal_net net = begin_net(network, made->graph, false);
    net.track_activity = true;
    made->x = input_x(network, made->graph, made->batch);
    build_outputs(network, &net, made->x, made->output);
    build_losses(network, made, false);
    bal_graph_fuse(made->graph, made->output, network->dataset->n_heads);
    return bal_graph_check(made->graph, err);
}

/* ---- programs ---- */

/** Where an input of a graph lies before the first batch is bound, or in the control buffer for
 * good. */
static bal_status bind_inputs(bal_network *network, const net_program *made, const bal_batch *batch,
                              bal_binding **bindings, size_t *n, size_t *capacity, bal_error *err) {
    const bal_dataset *dataset = network->dataset;
    for (int32_t id = 0; id < bal_graph_value_count(made->graph); id++) {
        const bal_value_info *info = bal_graph_info(made->graph, (bal_value){id});
        if (info->kind != BAL_VALUE_INPUT) continue;
        bal_binding binding = {{id}, network->controls, 0};
        int group;
        if (id == made->x.id) {
            binding.buffer = batch->buffer;
            binding.offset = batch->offset[BAL_FIELD_X];
        } else if (sscanf(info->name, "hyper.%d", &group) == 1) {
            binding.offset = hyper_offset(group);
        } else if (strncmp(info->name, "class_weight.", 13) == 0) {
            for (int32_t h = 0; h < dataset->n_heads; h++)
                if (strcmp(info->name + 13, dataset->heads[h].recipe->name) == 0)
                    binding.offset = class_weight_offset(network, h);
        } else {
            for (int32_t h = 0; h < dataset->n_heads; h++)
                if (id == made->target[h].id) {
                    binding.buffer = batch->buffer;
                    binding.offset = batch->offset[BAL_FIELD_HEAD + h];
                }
        }
        if (!bal_reserve(*bindings, *capacity, *n + 1)) return bal_fail_memory(err, sizeof binding);
        (*bindings)[(*n)++] = binding;
    }
    return BAL_OK;
}

static int32_t collect_outputs(const bal_network *network, const net_program *made,
                               bal_value *ret_values) {
    int32_t n = 0;
    for (int32_t h = 0; h < network->dataset->n_heads; h++) {
        ret_values[n++] = made->loss[h];
        ret_values[n++] = made->weight[h];
        if (!made->training) ret_values[n++] = made->output[h];
    }
    if (made->training) {
        ret_values[n++] = made->total;
        ret_values[n++] = made->norm;
    }
    return n;
}

static bal_status compile(bal_network *network, net_program *made, const bal_batch *batch,
                          bal_error *err) {
    bal_value outputs[3 * BAL_HEADS_MAX + 2];
    int32_t n_outputs = collect_outputs(network, made, outputs);
    bal_graph_prune(made->graph, outputs, n_outputs);
    bal_binding *bindings = NULL;
    size_t n = 0, capacity = 0;
    bal_status status = bal_store_bind(&network->store, made->graph, &bindings, &n, &capacity, err);
    if (status == BAL_OK) status = bind_inputs(network, made, batch, &bindings, &n, &capacity, err);
    if (status == BAL_OK)
        status = bal_program_compile(network->backend, made->graph, bindings, n, outputs,
                                     (size_t)n_outputs, &made->program, err);
    bal_free(bindings);
    return status;
}

static void release_program(net_program *made) {
    bal_program_free(made->program);
    bal_graph_free(made->graph);
}

static bal_status get_program(bal_network *network, const bal_batch *batch, bool training,
                              net_program **ret_program, bal_error *err) {
    for (size_t i = 0; i < network->n_programs; i++) {
        net_program *have = &network->programs[i];
        if (have->batch == batch->size && have->training == training) {
            *ret_program = have;
            return BAL_OK;
        }
    }
    if (!bal_reserve(network->programs, network->programs_capacity, network->n_programs + 1))
        return bal_fail_memory(err, sizeof *network->programs);
    net_program made = {.batch = batch->size, .training = training};
    BAL_TRY(bal_graph_new(bal_op_table, BAL_F32, &made.graph, err));
    bal_status status =
        training ? build_training(network, &made, err) : build_evaluation(network, &made, err);
    if (status == BAL_OK) status = compile(network, &made, batch, err);
    if (status != BAL_OK) {
        release_program(&made);
        return status;
    }
    network->programs[network->n_programs] = made;
    *ret_program = &network->programs[network->n_programs++];
    return BAL_OK;
}

static bal_status bind_batch(bal_network *network, net_program *program, const bal_batch *batch,
                             bal_error *err) {
    BAL_TRY(bal_program_rebind(program->program, program->x, batch->buffer,
                               batch->offset[BAL_FIELD_X], err));
    for (int32_t h = 0; h < network->dataset->n_heads; h++)
        BAL_TRY(bal_program_rebind(program->program, program->target[h], batch->buffer,
                                   batch->offset[BAL_FIELD_HEAD + h], err));
    return BAL_OK;
}

static bal_status read_scalar(net_program *program, bal_value value, double *ret_number,
                              bal_error *err) {
    float number;
    BAL_TRY(bal_program_read(program->program, value, &number, sizeof number, err));
    *ret_number = number;
    return BAL_OK;
}

bal_status bal_network_prepare(bal_network *network, const bal_batch *batch, bal_error *err) {
    net_program *program;
    return get_program(network, batch, true, &program, err);
}

static bal_status upload_controls(bal_network *network, const bal_step_controls *controls,
                                  bal_error *err) {
    int64_t rng[2] = {(int64_t)controls->seed, controls->step};
    BAL_TRY(bal_buffer_upload(network->controls, 0, rng, sizeof rng, err));
    for (int32_t i = 0; i < network->n_groups; i++) {
        const bal_optimizer_options *group = &network->groups[i];
        double t = (double)(controls->updates + 1);
        float hyper[BAL_HYPER_COUNT] = {
            [BAL_HYPER_LR] = (float)controls->rate[i],
            [BAL_HYPER_CLIP] = (float)controls->clip_norm,
            [BAL_HYPER_CORRECTION1] = (float)(1 / (1 - pow(group->beta1, t))),
            [BAL_HYPER_CORRECTION2] = (float)(1 / (1 - pow(group->beta2, t))),
        };
        BAL_TRY(bal_buffer_upload(network->controls, hyper_offset(i), hyper, sizeof hyper, err));
    }
    return BAL_OK;
}

bal_status bal_network_step(bal_network *network, const bal_batch *batch,
                            const bal_step_controls *controls, bal_step_result *ret_result,
                            bal_error *err) {
    net_program *program;
    BAL_TRY(get_program(network, batch, true, &program, err));
    BAL_TRY(upload_controls(network, controls, err));
    BAL_TRY(bind_batch(network, program, batch, err));
    BAL_TRY(bal_program_run(program->program, err));
    for (int32_t h = 0; h < network->dataset->n_heads; h++) {
        BAL_TRY(read_scalar(program, program->loss[h], &ret_result->head_loss[h], err));
        BAL_TRY(read_scalar(program, program->weight[h], &ret_result->head_weight[h], err));
    }
    BAL_TRY(read_scalar(program, program->total, &ret_result->loss, err));
    BAL_TRY(read_scalar(program, program->norm, &ret_result->grad_norm, err));
    ret_result->applied = isfinite(ret_result->grad_norm);
    return BAL_OK;
}

bal_status bal_network_evaluate(bal_network *network, const bal_batch *batch, float *const *outputs,
                                double *ret_loss, double *ret_weight, bal_error *err) {
    net_program *program;
    BAL_TRY(get_program(network, batch, false, &program, err));
    BAL_TRY(bind_batch(network, program, batch, err));
    BAL_TRY(bal_program_run(program->program, err));
    for (int32_t h = 0; h < network->dataset->n_heads; h++) {
        size_t bytes =
            (size_t)batch->size * (size_t)network->dataset->heads[h].outputs * sizeof(float);
        BAL_TRY(bal_program_read(program->program, program->output[h], outputs[h], bytes, err));
        BAL_TRY(read_scalar(program, program->loss[h], &ret_loss[h], err));
        BAL_TRY(read_scalar(program, program->weight[h], &ret_weight[h], err));
    }
    return BAL_OK;
}

/* ---- dead units ---- */

bal_status bal_network_reset_activity(bal_network *network, bal_error *err) {
    for (size_t i = 0; i < network->store.n_entries; i++) {
        const bal_store_entry *entry = &network->store.entries[i];
        if (entry->role != BAL_ROLE_SCRATCH) continue;
        void *zeros = bal_calloc(entry->bytes, 1);
        if (!zeros) return bal_fail_memory(err, entry->bytes);
        bal_status status = bal_store_write(&network->store, entry, zeros, err);
        bal_free(zeros);
        if (status != BAL_OK) return status;
    }
    return BAL_OK;
}

bal_status bal_network_dead_share(bal_network *network, double *ret_share, bal_error *err) {
    int64_t units = 0, dead = 0;
    for (size_t i = 0; i < network->store.n_entries; i++) {
        const bal_store_entry *entry = &network->store.entries[i];
        if (entry->role != BAL_ROLE_SCRATCH) continue;
        float *peaks = bal_calloc(entry->bytes, 1);
        if (!peaks) return bal_fail_memory(err, entry->bytes);
        bal_status status = bal_store_read(&network->store, entry, peaks, err);
        int64_t count = bal_shape_count(&entry->shape);
        for (int64_t unit = 0; status == BAL_OK && unit < count; unit++)
            dead += peaks[unit] == 0;
        units += count;
        bal_free(peaks);
        if (status != BAL_OK) return status;
    }
    *ret_share = units ? (double)dead / (double)units : NAN;
    return BAL_OK;
}

/* ---- making the network ---- */

bal_status bal_network_inference_graph(bal_network *network, int64_t batch, bal_graph **ret_graph,
                                       bal_value *ret_outputs, bal_error *err) {
    bal_graph *graph;
    BAL_TRY(bal_graph_new(bal_op_table, BAL_F32, &graph, err));
    bal_net net = begin_net(network, graph, false);
    net.declare = false;
    build_outputs(network, &net, input_x(network, graph, batch), ret_outputs);
    bal_status status = bal_graph_check(graph, err);
    if (status != BAL_OK) {
        bal_graph_free(graph);
        return status;
    }
    *ret_graph = graph;
    return BAL_OK;
}

bal_status bal_network_dump(bal_network *network, int64_t batch, bal_text *out, bal_error *err) {
    for (size_t i = 0; i < network->n_programs; i++)
        if (network->programs[i].training && network->programs[i].batch == batch) {
            bal_graph_dump(network->programs[i].graph, out);
            return BAL_OK;
        }
    return bal_fail(err, BAL_ENOTFOUND, "no training program for batches of %lld",
                    (long long)batch);
}

/** Declare the weights by building the inference form once, and the moments after them. */
static bal_status declare_entries(bal_network *network, bal_error *err) {
    bal_graph *graph;
    bal_value outputs[BAL_HEADS_MAX];
    BAL_TRY(bal_graph_new(bal_op_table, BAL_F32, &graph, err));
    network->net.declare = true;
    bal_net net = begin_net(network, graph, false);
    build_outputs(network, &net, input_x(network, graph, 1), outputs);
    network->net = net;
    network->net.declare = false;
    bal_status status = bal_graph_check(graph, err);
    bal_graph_free(graph);
    network->net.graph = NULL;
    if (status != BAL_OK) return status;

    const bal_optimizer *optimizer = bal_optimizer_find(network->recipe->optimizer.kind);
    size_t n_entries = network->store.n_entries;
    for (int32_t k = 0; k < optimizer->n_moments; k++) {
        for (size_t i = 0; i < n_entries; i++) {
            const bal_store_entry *entry = &network->store.entries[i];
            if (entry->role != BAL_ROLE_PARAMETER || is_frozen(network, entry->name)) continue;
            char name[256];
            snprintf(name, sizeof name, "%s.%s", entry->name, optimizer->moment_suffix[k]);
            BAL_TRY(bal_store_declare(&network->store, name, BAL_ROLE_MOMENT, BAL_F32, entry->shape,
                                      err));
        }
    }
    return BAL_OK;
}

static void take_model_options(bal_network *network) {
    const bal_recipe_model *model = &network->recipe->model;
    network->model = (bal_model_options){
        .hidden = model->hidden,
        .n_hidden = model->n_hidden,
        .width = model->width,
        .blocks = model->blocks,
        .out = model->out,
        .activation = model->activation,
        .slope = model->slope,
        .norm = strcmp(model->norm, "batch") == 0   ? BAL_NORM_BATCH
                : strcmp(model->norm, "layer") == 0 ? BAL_NORM_LAYER
                                                    : BAL_NORM_NONE,
        .l2_input = model->l2_input,
        .dropout = model->dropout,
        .n_dropout = model->n_dropout,
        .init = bal_init_find(model->init),
    };
}

static bal_status fill_network(bal_network *network, bal_error *err) {
    take_model_options(network);
    network->net.store = &network->store;
    network->net.seed = (uint64_t)network->recipe->seed;
    if (network->dataset->n_heads > BAL_HEADS_MAX)
        return bal_fail(err, BAL_EUNSUPPORTED, "%d heads; at most %d are possible",
                        (int)network->dataset->n_heads, BAL_HEADS_MAX);
    BAL_TRY(make_groups(network, err));
    BAL_TRY(declare_entries(network, err));
    BAL_TRY(bal_store_allocate(&network->store, network->backend, err));
    BAL_TRY(bal_net_initialise(&network->net, err));
    return make_controls(network, err);
}

bal_status bal_network_new(const bal_recipe *recipe, const bal_dataset *dataset,
                           bal_backend *backend, const bal_log_sink *log, bal_network **ret_network,
                           bal_error *err) {
    bal_network *network = bal_calloc(1, sizeof *network);
    if (!network) return bal_fail_memory(err, sizeof *network);
    network->recipe = recipe;
    network->dataset = dataset;
    network->backend = backend;
    network->log = log;
    bal_status status = fill_network(network, err);
    if (status != BAL_OK) {
        bal_network_free(network);
        return status;
    }
    *ret_network = network;
    return BAL_OK;
}

void bal_network_free(bal_network *network) {
    if (!network) return;
    for (size_t i = 0; i < network->n_programs; i++)
        release_program(&network->programs[i]);
    bal_free(network->programs);
    bal_free(network->groups);
    bal_net_release(&network->net);
    bal_store_release(&network->store);
    bal_buffer_free(network->controls);
    bal_free(network);
}

bal_store *bal_network_store(bal_network *network) {
    return &network->store;
}

int64_t bal_network_weights(const bal_network *network) {
    int64_t weights = 0;
    for (size_t i = 0; i < network->store.n_entries; i++)
        if (network->store.entries[i].role == BAL_ROLE_PARAMETER)
            weights += bal_shape_count(&network->store.entries[i].shape);
    return weights;
}

int32_t bal_network_groups(const bal_network *network) {
    return network->n_groups;
}

const bal_optimizer_options *bal_network_group(const bal_network *network, int32_t group) {
    return &network->groups[group];
}
