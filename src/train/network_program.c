/* The graphs of a run and their programs: the model function builds the forward part of each,
 * losses and updates are appended, the backend compiles what is left after the passes. One program
 * per batch size and mode, made when first needed and kept: all work on the same store of weights.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "loss/loss.h"
#include "train/network_private.h"

/* ---- forward ---- */

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

bal_status bal_network_inference_graph(bal_network *network, int64_t batch, bal_graph **ret_graph,
                                       bal_value *ret_outputs, bal_error *err) {
    bal_graph *graph;
    BAL_TRY(bal_graph_new(bal_op_table, BAL_F32, &graph, err));
    bal_net net = begin_net(network, graph, false);
    build_outputs(network, &net, input_x(network, graph, batch), ret_outputs);
    bal_status status = bal_graph_check(graph, err);
    if (status != BAL_OK) {
        bal_graph_free(graph);
        return status;
    }
    *ret_graph = graph;
    return BAL_OK;
}

bal_status bal_network_declare(bal_network *network, bal_error *err) {
    bal_graph *graph;
    bal_value outputs[BAL_HEADS_MAX];
    BAL_TRY(bal_graph_new(bal_op_table, BAL_F32, &graph, err));
    bal_net net = begin_net(network, graph, false);
    net.declare = true;
    build_outputs(network, &net, input_x(network, graph, 1), outputs);
    /* How entries start was noted in the copy. */
    network->net.inits = net.inits;
    network->net.inits_capacity = net.inits_capacity;
    bal_status status = bal_graph_check(graph, err);
    bal_graph_free(graph);
    return status;
}

/* ---- losses ---- */

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

/** The losses trained on, or (weighted false) raw ones: what the guard and people compare must not
 *  move with class weights and smoothing. */
static void build_losses(bal_network *network, bal_network_program *made, bool weighted) {
    for (int32_t h = 0; h < network->dataset->n_heads; h++) {
        const bal_head_data *head = &network->dataset->heads[h];
        bal_loss_options options = bal_recipe_head_loss(head->recipe);
        if (weighted) {
            options.gamma *= network->gamma_scale;
        } else {
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

/** A head without a share is left out, not multiplied by 0: nothing of it may reach the weights. */
static void build_total(bal_network *network, bal_network_program *made) {
    made->total = BAL_NO_VALUE;
    for (int32_t h = 0; h < network->dataset->n_heads; h++) {
        double share = network->dataset->heads[h].recipe->weight;
        if (share == 0) continue;
        bal_value part =
            share == 1 ? made->loss[h] : bal_scale(made->graph, made->loss[h], share, 0);
        made->total =
            bal_value_is_some(made->total) ? bal_add(made->graph, made->total, part) : part;
    }
    if (!bal_value_is_some(made->total))
        bal_graph_fail(made->graph, BAL_ERECIPE,
                       "nothing to train: every head has weight 0; give one a share in the loss");
}

/* ---- updates ---- */

/** Trained parameters with their gradients, and room to gather one group of them. */
typedef struct update_lists {
    bal_value *all_params, *all_grads; /* [n_all] */
    int32_t n_all;
    bal_value *params, *grads, *moments[2];
} update_lists;

static void append_group_update(bal_network *network, bal_network_program *made,
                                const update_lists *lists, int32_t group) {
    bal_graph *graph = made->graph;
    const bal_optimizer_options *options = &network->groups[group];
    const bal_optimizer *optimizer = bal_optimizer_find(options->kind);
    int32_t n = 0;
    for (int32_t i = 0; i < lists->n_all; i++) {
        const bal_value_info *info = bal_graph_info(graph, lists->all_params[i]);
        if (bal_network_group_of(network, info->name) != group) continue;
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
}

/** Gradients of the parameters that are trained and that a loss depends on. */
static void differentiate(bal_network *network, bal_network_program *made, update_lists *lists) {
    bal_graph *graph = made->graph;
    int32_t n_values = bal_graph_value_count(graph), n = 0;
    for (int32_t id = 0; id < n_values; id++) {
        const bal_value_info *info = bal_graph_info(graph, (bal_value){id});
        if (info->kind == BAL_VALUE_PARAMETER && !bal_network_is_frozen(network, info->name))
            lists->all_params[n++] = (bal_value){id};
    }
    bal_graph_differentiate(graph, made->total, lists->all_params, n, lists->all_grads);
    for (int32_t i = 0; i < n; i++) {
        if (!bal_value_is_some(lists->all_grads[i])) continue;
        lists->all_params[lists->n_all] = lists->all_params[i];
        lists->all_grads[lists->n_all++] = lists->all_grads[i];
    }
}

static bal_status fail_frozen(const bal_network *network, bal_error *err) {
    return bal_place_fail(err, BAL_ERECIPE, &network->recipe->model.freeze_place,
                          "model.freeze: nothing to train: every weight that a loss depends on is "
                          "frozen; shorten the list");
}

/** Gradients, their norm, and the updates of weights and running statistics. */
static bal_status build_update(bal_network *network, bal_net *net, bal_network_program *made,
                               bal_error *err) {
    size_t n = (size_t)bal_graph_value_count(made->graph);
    bal_value *block = bal_calloc(n * 6, sizeof *block);
    if (!block) return bal_fail_memory(err, n * 6 * sizeof *block);
    update_lists lists = {
        .all_params = block,
        .all_grads = block + n,
        .params = block + 2 * n,
        .grads = block + 3 * n,
        .moments = {block + 4 * n, block + 5 * n},
    };
    differentiate(network, made, &lists);
    if (lists.n_all == 0) {
        bal_free(block);
        BAL_TRY(bal_graph_check(made->graph, err));
        return fail_frozen(network, err);
    }
    made->norm = bal_global_norm(made->graph, lists.all_grads, lists.n_all);
    for (int32_t group = 0; group < network->n_groups; group++)
        append_group_update(network, made, &lists, group);
    bal_net_update_statistics(net, made->norm);
    bal_free(block);
    return BAL_OK;
}

static bal_status build_training(bal_network *network, bal_network_program *made, bal_error *err) {
    bal_net net = begin_net(network, made->graph, true);
    net.rng = bal_graph_input(made->graph, "rng", BAL_I64, BAL_SHAPE1(2));
    made->x = input_x(network, made->graph, made->batch);
    build_outputs(network, &net, made->x, made->output);
    build_losses(network, made, true);
    build_total(network, made);
    /* Fusing comes before differentiation: then the gradient of a fused op is one op too. */
    bal_graph_fuse(made->graph, made->loss, network->dataset->n_heads);
    BAL_TRY(build_update(network, &net, made, err));
    return bal_graph_check(made->graph, err);
}

static bal_status build_evaluation(bal_network *network, bal_network_program *made,
                                   bal_error *err) {
    bal_net net = begin_net(network, made->graph, false);
    net.track_activity = true;
    made->x = input_x(network, made->graph, made->batch);
    build_outputs(network, &net, made->x, made->output);
    build_losses(network, made, false);
    bal_graph_fuse(made->graph, made->output, network->dataset->n_heads);
    return bal_graph_check(made->graph, err);
}

/* ---- programs ---- */

/** Where an input of a graph lies: in the first batch it meets, or in the control buffer for good.
 */
static bal_binding place_input(const bal_network *network, const bal_network_program *made,
                               const bal_batch *batch, bal_value input) {
    const char *name = bal_graph_info(made->graph, input)->name;
    int group;
    if (input.id == made->x.id)
        return (bal_binding){input, batch->buffer, batch->offset[BAL_FIELD_X]};
    if (sscanf(name, "hyper.%d", &group) == 1)
        return (bal_binding){input, network->controls, bal_network_hyper_offset(group)};
    for (int32_t h = 0; h < network->dataset->n_heads; h++) {
        static const char weights[] = "class_weight.";
        const char *head = network->dataset->heads[h].recipe->name;
        if (input.id == made->target[h].id)
            return (bal_binding){input, batch->buffer, batch->offset[BAL_FIELD_HEAD + h]};
        if (strncmp(name, weights, sizeof weights - 1) == 0 &&
            strcmp(name + sizeof weights - 1, head) == 0)
            return (bal_binding){input, network->controls,
                                 bal_network_class_weight_offset(network, h)};
    }
    return (bal_binding){input, network->controls, 0}; /* rng */
}

static bal_status bind_inputs(const bal_network *network, const bal_network_program *made,
                              const bal_batch *batch, bal_binding **bindings, size_t *n,
                              size_t *capacity, bal_error *err) {
    for (int32_t id = 0; id < bal_graph_value_count(made->graph); id++) {
        bal_value value = {id};
        if (bal_graph_info(made->graph, value)->kind != BAL_VALUE_INPUT) continue;
        if (!bal_reserve(*bindings, *capacity, *n + 1))
            return bal_fail_memory(err, (*n + 1) * sizeof **bindings);
        (*bindings)[(*n)++] = place_input(network, made, batch, value);
    }
    return BAL_OK;
}

static int32_t collect_outputs(const bal_network *network, const bal_network_program *made,
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

static bal_status compile(bal_network *network, bal_network_program *made, const bal_batch *batch,
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

void bal_network_program_release(bal_network_program *program) {
    bal_program_free(program->program);
    bal_graph_free(program->graph);
}

bal_status bal_network_program_get(bal_network *network, const bal_batch *batch, bool training,
                                   bal_network_program **ret_program, bal_error *err) {
    for (size_t i = 0; i < network->n_programs; i++) {
        bal_network_program *have = &network->programs[i];
        if (have->batch != batch->size || have->training != training) continue;
        *ret_program = have;
        return BAL_OK;
    }
    if (!bal_reserve(network->programs, network->programs_capacity, network->n_programs + 1))
        return bal_fail_memory(err, sizeof *network->programs);
    bal_network_program made = {.batch = batch->size, .training = training};
    BAL_TRY(bal_graph_new(bal_op_table, BAL_F32, &made.graph, err));
    bal_status status =
        training ? build_training(network, &made, err) : build_evaluation(network, &made, err);
    if (status == BAL_OK) status = compile(network, &made, batch, err);
    if (status != BAL_OK) {
        bal_network_program_release(&made);
        return status;
    }
    network->programs[network->n_programs] = made;
    *ret_program = &network->programs[network->n_programs++];
    return BAL_OK;
}

bal_status bal_network_dump(bal_network *network, int64_t batch, bal_text *out, bal_error *err) {
    for (size_t i = 0; i < network->n_programs; i++) {
        if (!network->programs[i].training || network->programs[i].batch != batch) continue;
        bal_graph_dump(network->programs[i].graph, out);
        return BAL_OK;
    }
    return bal_fail(err, BAL_ENOTFOUND, "no training program for batches of %lld",
                    (long long)batch);
}
