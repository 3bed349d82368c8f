/* The network of a run: its weights, what may change from step to step, and taking a step. The
 * programs are made in network_program.c. See train/network.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "train/network_private.h"

/* ---- control buffer: rng, then hyper-parameters per group, then class weights per head ---- */

enum { CONTROL_ALIGN = 64 };

size_t bal_network_hyper_offset(int32_t group) {
    return (size_t)CONTROL_ALIGN * (size_t)(1 + group);
}

size_t bal_network_class_weight_offset(const bal_network *network, int32_t head) {
    size_t offset = bal_network_hyper_offset(network->n_groups);
    for (int32_t h = 0; h < head; h++)
        offset +=
            ((size_t)network->dataset->heads[h].classes.count * sizeof(float) + CONTROL_ALIGN - 1) /
            CONTROL_ALIGN * CONTROL_ALIGN;
    return offset;
}

static bal_status make_controls(bal_network *network, bal_error *err) {
    size_t bytes =
        bal_network_class_weight_offset(network, network->dataset->n_heads) + CONTROL_ALIGN;
    BAL_TRY(bal_buffer_new(network->backend, bytes, &network->controls, err));
    for (int32_t h = 0; h < network->dataset->n_heads; h++)
        if (network->dataset->heads[h].class_weights)
            BAL_TRY(bal_network_set_class_weights(network, h,
                                                  network->dataset->heads[h].class_weights, err));
    return BAL_OK;
}

bal_status bal_network_set_class_weights(bal_network *network, int32_t head, const double *weights,
                                         bal_error *err) {
    size_t offset = bal_network_class_weight_offset(network, head);
    for (int32_t c = 0; c < network->dataset->heads[head].classes.count; c++) {
        float weight = (float)weights[c];
        BAL_TRY(bal_buffer_upload(network->controls, offset + (size_t)c * sizeof weight, &weight,
                                  sizeof weight, err));
    }
    return BAL_OK;
}

void bal_network_set_gamma_scale(bal_network *network, double scale) {
    if (scale == network->gamma_scale) return;
    network->gamma_scale = scale;
    size_t kept = 0;
    for (size_t i = 0; i < network->n_programs; i++) {
        if (network->programs[i].training)
            bal_network_program_release(&network->programs[i]);
        else
            network->programs[kept++] = network->programs[i];
    }
    network->n_programs = kept;
}

/* ---- parameter groups ---- */

int32_t bal_network_group_of(const bal_network *network, const char *name) {
    for (int32_t i = 0; i < network->recipe->n_groups; i++)
        if (bal_text_glob(network->recipe->groups[i].match, name)) return i;
    return network->recipe->n_groups;
}

bool bal_network_is_frozen(const bal_network *network, const char *name) {
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
    return BAL_OK;
}

/* ---- running ---- */

static bal_status bind_batch(bal_network *network, bal_network_program *program,
                             const bal_batch *batch, bal_error *err) {
    BAL_TRY(bal_program_rebind(program->program, program->x, batch->buffer,
                               batch->offset[BAL_FIELD_X], err));
    for (int32_t h = 0; h < network->dataset->n_heads; h++)
        BAL_TRY(bal_program_rebind(program->program, program->target[h], batch->buffer,
                                   batch->offset[BAL_FIELD_HEAD + h], err));
    return BAL_OK;
}

static bal_status read_scalar(bal_network_program *program, bal_value value, double *ret_number,
                              bal_error *err) {
    float number;
    BAL_TRY(bal_program_read(program->program, value, &number, sizeof number, err));
    *ret_number = number;
    return BAL_OK;
}

bal_status bal_network_prepare(bal_network *network, const bal_batch *batch, bal_error *err) {
    bal_network_program *program;
    return bal_network_program_get(network, batch, true, &program, err);
}

static bal_status upload_controls(bal_network *network, const bal_step_controls *controls,
                                  bal_error *err) {
    int64_t rng[2] = {(int64_t)controls->seed, controls->step};
    BAL_TRY(bal_buffer_upload(network->controls, 0, rng, sizeof rng, err));
    for (int32_t i = 0; i < network->n_groups; i++) {
        bal_optimizer_options group = network->groups[i];
        double values[BAL_HYPER_COUNT];
        float hyper[BAL_HYPER_COUNT];
        group.clip_norm = controls->clip_norm; /* in force: remedies may have changed it */
        bal_optimizer_hyper(&group, controls->rate[i], controls->updates, values);
        for (int k = 0; k < BAL_HYPER_COUNT; k++)
            hyper[k] = (float)values[k];
        BAL_TRY(bal_buffer_upload(network->controls, bal_network_hyper_offset(i), hyper,
                                  sizeof hyper, err));
    }
    return BAL_OK;
}

bal_status bal_network_step(bal_network *network, const bal_batch *batch,
                            const bal_step_controls *controls, bal_step_result *ret_result,
                            bal_error *err) {
    bal_network_program *program;
    BAL_TRY(bal_network_program_get(network, batch, true, &program, err));
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
    bal_network_program *program;
    BAL_TRY(bal_network_program_get(network, batch, false, &program, err));
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

static int64_t count_matches(const bal_network *network, const char *pattern) {
    int64_t matches = 0;
    for (size_t i = 0; i < network->store.n_entries; i++) {
        const bal_store_entry *entry = &network->store.entries[i];
        matches += entry->role == BAL_ROLE_PARAMETER && bal_text_glob(pattern, entry->name);
    }
    return matches;
}

static bal_status fail_pattern(const bal_network *network, const bal_place *place, const char *key,
                               const char *pattern, bal_error *err) {
    const bal_store *store = &network->store;
    size_t last = store->n_entries - 1;
    while (last > 0 && store->entries[last].role != BAL_ROLE_PARAMETER)
        last--;
    return bal_place_fail(err, BAL_ERECIPE, place,
                          "%s: no weight is called '%s'; their names go from %s to %s", key,
                          pattern, store->entries[0].name, store->entries[last].name);
}

/** A pattern that matches nothing is a slip that would go unnoticed. */
static bal_status check_patterns(const bal_network *network, bal_error *err) {
    const bal_recipe *recipe = network->recipe;
    for (int32_t i = 0; i < recipe->model.n_freeze; i++)
        if (count_matches(network, recipe->model.freeze[i]) == 0)
            return fail_pattern(network, &recipe->model.freeze_place, "model.freeze",
                                recipe->model.freeze[i], err);
    for (int32_t i = 0; i < recipe->n_groups; i++)
        if (count_matches(network, recipe->groups[i].match) == 0)
            return fail_pattern(network, &recipe->groups[i].place, "optimizer.groups",
                                recipe->groups[i].match, err);
    return BAL_OK;
}

/** Moments of the optimiser, after the weights they belong to. */
static bal_status declare_moments(bal_network *network, bal_error *err) {
    const bal_optimizer *optimizer = bal_optimizer_find(network->recipe->optimizer.kind);
    size_t n_entries = network->store.n_entries;
    for (int32_t k = 0; k < optimizer->n_moments; k++) {
        for (size_t i = 0; i < n_entries; i++) {
            /* Declaring moves the entries, so nothing of them is kept. */
            const bal_store_entry *entry = &network->store.entries[i];
            if (entry->role != BAL_ROLE_PARAMETER || bal_network_is_frozen(network, entry->name))
                continue;
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
    BAL_TRY(bal_network_declare(network, err));
    BAL_TRY(check_patterns(network, err));
    BAL_TRY(declare_moments(network, err));
    BAL_TRY(bal_store_allocate(&network->store, network->backend, err));
    BAL_TRY(bal_net_initialise(&network->net, err));
    return make_controls(network, err);
}

bal_status bal_network_new(const bal_recipe *recipe, const bal_dataset *dataset,
                           bal_backend *backend, bal_network **ret_network, bal_error *err) {
    bal_network *network = bal_calloc(1, sizeof *network);
    if (!network) return bal_fail_memory(err, sizeof *network);
    network->recipe = recipe;
    network->dataset = dataset;
    network->backend = backend;
    network->gamma_scale = 1;
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
        bal_network_program_release(&network->programs[i]);
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
