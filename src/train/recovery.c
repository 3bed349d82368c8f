/* Rollback and remedies: the transaction of the guard's recovery. A rollback restores everything
 * that a snapshot holds except the controls that remedies set: those add up, or the failure would
 * be replayed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "train/trainer.h"

bal_status bal_trainer_keep_healthy(bal_trainer *trainer, bal_error *err) {
    bal_snapshot *healthy = &trainer->healthy;
    bal_store *store = bal_network_store(trainer->network);
    if (!healthy->tensors) {
        healthy->tensors = bal_calloc(store->bytes, 1);
        if (!healthy->tensors) return bal_fail_memory(err, store->bytes);
        healthy->bytes = store->bytes;
    }
    BAL_TRY(bal_buffer_download(store->buffer, 0, healthy->tensors, store->bytes, err));
    healthy->state = trainer->state;
    bal_text_clear(&healthy->guard_memory);
    bal_guard_save_memory(trainer->guard, &healthy->guard_memory);
    if (bal_text_failed(&healthy->guard_memory)) return bal_fail_memory(err, 0);
    healthy->valid = true;
    return BAL_OK;
}

/** Class weights in force: w^exponent. Exponent 1 is the recipe's, 0 none at all. */
static bal_status apply_class_weights(bal_trainer *trainer, bal_error *err) {
    for (int32_t h = 0; h < trainer->dataset->n_heads; h++) {
        const bal_head_data *head = &trainer->dataset->heads[h];
        if (!head->class_weights) continue;
        double *weights = bal_calloc((size_t)head->classes.count, sizeof *weights);
        if (!weights) return bal_fail_memory(err, sizeof *weights);
        for (int32_t c = 0; c < head->classes.count; c++)
            weights[c] = pow(head->class_weights[c], trainer->state.weight_exponent);
        bal_status status = bal_network_set_class_weights(trainer->network, h, weights, err);
        bal_free(weights);
        if (status != BAL_OK) return status;
    }
    return BAL_OK;
}

static bal_status apply_batches(bal_trainer *trainer, bal_error *err) {
    const bal_dataset *dataset = trainer->dataset;
    const bal_train_state *state = &trainer->state;
    int64_t n_rows = dataset->split.count[BAL_SPLIT_TRAIN];
    bal_batch_field fields[BAL_HEADS_MAX + 1];
    int32_t n_fields = bal_dataset_fields(dataset, fields);
    bal_batcher *batches;
    BAL_TRY(
        bal_batcher_new(trainer->backend, fields, n_fields, dataset->split.rows[BAL_SPLIT_TRAIN],
                        n_rows, state->batch_size < n_rows ? state->batch_size : n_rows, true,
                        (uint64_t)(trainer->recipe->seed + state->shuffle_salt), &batches, err));
    bal_batcher_free(trainer->batches);
    trainer->batches = batches;
    /* Over the run: the next stage sees the rows in other orders than this one. */
    return bal_batcher_seek(batches, bal_trainer_epoch(trainer), state->batch, err);
}

bal_status bal_trainer_apply_controls(bal_trainer *trainer, bal_error *err) {
    BAL_TRY(apply_class_weights(trainer, err));
    bal_network_set_gamma_scale(trainer->network, trainer->state.gamma_scale);
    return apply_batches(trainer, err);
}

static int64_t batch_size_within(double size, int64_t n_rows) {
    return size < 1 ? 1 : size > (double)n_rows ? n_rows : (int64_t)llround(size);
}

/** What the fallback says instead of what is in force. */
static void fall_back(bal_train_state *state, const bal_recipe *recipe,
                      const bal_recipe_remedy *remedy, int64_t n_rows) {
    if (remedy->fallback.lr > 0) state->lr_scale = remedy->fallback.lr / recipe->optimizer.lr;
    if (remedy->fallback.clip_norm > 0) state->clip_norm = remedy->fallback.clip_norm;
    if (remedy->fallback.batch_size > 0)
        state->batch_size = batch_size_within(remedy->fallback.batch_size, n_rows);
}

/** Change the controls by one remedy. */
static void apply_remedy(bal_train_state *state, const bal_recipe *recipe, int32_t number,
                         int64_t n_rows) {
    const bal_recipe_remedy *remedy = &recipe->guard.remedies[number];
    if (strcmp(remedy->kind, "lr") == 0) {
        state->lr_scale *= remedy->factor;
    } else if (strcmp(remedy->kind, "clip_norm") == 0) {
        bool tighter = state->clip_norm == 0 || remedy->factor < state->clip_norm;
        /* Already that tight: halve it, since a remedy must change something. */
        state->clip_norm = tighter ? remedy->factor : state->clip_norm / 2;
    } else if (strcmp(remedy->kind, "class_weight_multiplier") == 0) {
        state->weight_exponent *= remedy->factor;
    } else if (strcmp(remedy->kind, "batch_size") == 0) {
        state->batch_size = batch_size_within((double)state->batch_size * remedy->factor, n_rows);
    } else if (strcmp(remedy->kind, "focal_gamma") == 0) {
        state->gamma_scale *= remedy->factor;
    } else if (strcmp(remedy->kind, "fallback") == 0) {
        fall_back(state, recipe, remedy, n_rows);
    }
    /* Every attempt also sees the rows in another order: otherwise a remedy that happens to change
     * nothing (class weights where there are none) would replay the failure bit by bit. */
    state->shuffle_salt++;
}

static void fallback_text(const bal_recipe_remedy *remedy, char *buffer, size_t size) {
    const struct {
        const char *what;
        double value;
    } parts[] = {{"learning rate", remedy->fallback.lr},
                 {"gradient norm clipped at", remedy->fallback.clip_norm},
                 {"batch size", remedy->fallback.batch_size}};
    const char *between = "fallback: ";
    size_t used = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].value == 0 || used >= size) continue;
        used += (size_t)snprintf(buffer + used, size - used, "%s%s %g", between, parts[i].what,
                                 parts[i].value);
        between = ", ";
    }
}

void bal_remedy_text(const bal_recipe_remedy *remedy, char *buffer, size_t size) {
    if (strcmp(remedy->kind, "lr") == 0)
        snprintf(buffer, size, "learning rate × %g", remedy->factor);
    else if (strcmp(remedy->kind, "clip_norm") == 0)
        snprintf(buffer, size, "gradient norm clipped at %g", remedy->factor);
    else if (strcmp(remedy->kind, "class_weight_multiplier") == 0)
        snprintf(buffer, size, "class weights softened (exponent × %g)", remedy->factor);
    else if (strcmp(remedy->kind, "batch_size") == 0)
        snprintf(buffer, size, "batch size × %g", remedy->factor);
    else if (strcmp(remedy->kind, "focal_gamma") == 0)
        snprintf(buffer, size, "gamma of focal losses × %g", remedy->factor);
    else if (strcmp(remedy->kind, "fallback") == 0)
        fallback_text(remedy, buffer, size);
    else
        snprintf(buffer, size, "%s", "rows in another order");
}

static bal_status restore_healthy(bal_trainer *trainer, bal_error *err) {
    const bal_snapshot *healthy = &trainer->healthy;
    bal_store *store = bal_network_store(trainer->network);
    BAL_TRY(bal_buffer_upload(store->buffer, 0, healthy->tensors, healthy->bytes, err));
    BAL_TRY(bal_guard_load_memory(trainer->guard, healthy->guard_memory.data,
                                  healthy->guard_memory.length, err));
    trainer->state = healthy->state;
    return BAL_OK;
}

/** The stage as it was before its first step, made anew; only the guard's ledger stays. */
static bal_status restart_stage(bal_trainer *trainer, bal_error *err) {
    const bal_train_state before = trainer->state;
    bal_text ledger = {0};
    bal_guard_save_ledger(trainer->guard, &ledger);
    bal_status status = bal_text_failed(&ledger) ? bal_fail_memory(err, ledger.length) : BAL_OK;
    if (status == BAL_OK) status = bal_trainer_enter_stage(trainer, (int32_t)before.stage, err);
    if (status == BAL_OK)
        status = bal_guard_load_ledger(trainer->guard, ledger.data, ledger.length, err);
    bal_text_release(&ledger);
    BAL_TRY(status);
    bal_train_state *state = &trainer->state;
    state->epochs_before = before.epochs_before;
    state->step = state->steps_before = before.steps_before;
    state->evaluation = state->evaluations_before = before.evaluations_before;
    return bal_trainer_take_weights(trainer, err);
}

/** What a rollback does not undo: what remedies have changed, and the best weights on disk (an
 * eligible checkpoint stays one). */
static void keep_controls(bal_train_state *state, const bal_train_state *before) {
    state->lr_scale = before->lr_scale;
    state->clip_norm = before->clip_norm;
    state->weight_exponent = before->weight_exponent;
    state->gamma_scale = before->gamma_scale;
    state->batch_size = before->batch_size;
    state->shuffle_salt = before->shuffle_salt;
    state->attempt = before->attempt + 1;
    state->best_epoch = before->best_epoch;
    state->best_evaluation = before->best_evaluation;
    state->best_value = before->best_value;
}

bal_status bal_trainer_roll_back(bal_trainer *trainer, int32_t remedy, bool relapse,
                                 bal_error *err) {
    const bal_train_state before = trainer->state;
    bal_train_state *state = &trainer->state;
    BAL_TRY(relapse ? restart_stage(trainer, err) : restore_healthy(trainer, err));
    double weight_exponent = state->weight_exponent, gamma_scale = state->gamma_scale;
    keep_controls(state, &before);
    apply_remedy(state, trainer->recipe, remedy, trainer->dataset->split.count[BAL_SPLIT_TRAIN]);
    /* Other class weights, another scale of losses: what was usual before means nothing now. */
    if (state->weight_exponent != weight_exponent || state->gamma_scale != gamma_scale)
        bal_guard_rebaseline(trainer->guard);
    BAL_TRY(bal_trainer_apply_controls(trainer, err));
    return relapse ? bal_trainer_keep_healthy(trainer, err) : BAL_OK;
}
