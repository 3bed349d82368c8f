/* From one stage of a recipe to the next, see "stages" in docs/ARCHITECTURE.md.
 *
 * A stage has its own network, guard, counters of epochs, schedule and early stopping; what goes on
 * over the run are steps, evaluations, epochs as the row order counts them (so that no random
 * stream repeats), the guard's ledger, and what remedies have changed. Going over is one
 * checkpoint, written when the next stage is ready for its first step: before it the run stands at
 * the end of the old stage, after it at the start of the new one. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/checkpoint.h"
#include "train/transfer.h"

/* ---- where we are ---- */

const char *bal_trainer_stage_name(const bal_trainer *trainer) {
    return trainer->whole->n_stages > 0 ? trainer->whole->stages[trainer->state.stage].name : "";
}

int64_t bal_trainer_epoch(const bal_trainer *trainer) {
    return trainer->state.epochs_before + trainer->state.epoch;
}

bal_stage_result bal_trainer_stage_result(const bal_trainer *trainer, int32_t stage) {
    const bal_train_state *state = &trainer->state;
    if (stage < state->stage) return trainer->ended[stage];
    return (bal_stage_result){
        .epochs = state->epoch,
        .step = state->step,
        .best_epoch = state->best_epoch,
        .best_evaluation = state->best_evaluation,
        .best_value = state->best_value,
    };
}

bool bal_trainer_has_next_stage(const bal_trainer *trainer) {
    return trainer->state.stage + 1 < trainer->whole->n_stages;
}

/* ---- before the first step ---- */

/** A run or model file that is not there should not end a run after hours. */
static bal_status check_start(const bal_recipe *recipe, bal_error *err) {
    const bal_recipe_model *model = &recipe->model;
    if (!model->init_from[0] || bal_path_exists(model->init_from)) return BAL_OK;
    return bal_place_fail(
        err, BAL_ERECIPE, &model->init_from_place,
        "init_from: %s does not exist; wanted a stage before this one, a run or a "
        "model file",
        model->init_from);
}

/** Enter a stage as if it were its turn, up to the weights from a file. */
static bal_status try_stage(bal_trainer *trainer, int32_t stage, bal_error *err) {
    const bal_log_sink silent = {0};
    bal_transfer transfer;
    if (trainer->whole->n_stages > 0)
        BAL_TRY(check_start(trainer->whole->stages[stage].recipe, err));
    BAL_TRY(bal_trainer_enter_stage(trainer, stage, err));
    const char *from = trainer->recipe->model.init_from;
    return from[0] ? bal_network_transfer(trainer->network, from, &silent, &transfer, err) : BAL_OK;
}

bal_status bal_trainer_check_stages(bal_trainer *trainer, bal_error *err) {
    for (int32_t stage = trainer->whole->n_stages - 1; stage >= 0; stage--)
        BAL_TRY(try_stage(trainer, stage, err));
    return BAL_OK;
}

bal_status bal_trainer_rehearse(const bal_recipe *recipe, int32_t stage, bal_dataset *dataset,
                                bal_backend *backend, bal_error *err) {
    const bal_train_hooks nobody = {0};
    bal_trainer trainer = {.whole = recipe,
                           .recipe = recipe,
                           .dataset = dataset,
                           .backend = backend,
                           .hooks = &nobody};
    bal_status status = try_stage(&trainer, stage, err);
    bal_trainer_release(&trainer);
    /* What the stage has made of the dataset is undone whatever came of it. */
    bal_status undone = bal_dataset_use(dataset, recipe, status == BAL_OK ? err : NULL);
    return status == BAL_OK ? undone : status;
}

bal_status bal_trainer_start_weights(bal_trainer *trainer, bal_error *err) {
    bal_transfer transfer;
    const char *from = trainer->recipe->model.init_from;
    if (!from[0]) return BAL_OK;
    return bal_network_transfer(trainer->network, from, &trainer->hooks->log, &transfer, err);
}

bal_status bal_trainer_write_class_weights(const bal_trainer *trainer, bal_error *err) {
    const bal_dataset *dataset = trainer->dataset;
    char name[BAL_CHECKPOINT_NAME] = BAL_RUN_CLASS_WEIGHTS;
    bal_text text = {0};
    bal_json_out out;
    bal_json_out_init(&out, &text, 2);
    bal_json_out_object(&out);
    for (int32_t h = 0; h < dataset->n_heads; h++) {
        const bal_head_data *head = &dataset->heads[h];
        if (!head->labels) continue;
        bal_json_out_key(&out, head->recipe->name);
        bal_json_out_object(&out);
        for (int32_t c = 0; c < head->classes.count; c++) {
            bal_json_out_key(&out, head->classes.names[c]);
            bal_json_out_object(&out);
            bal_json_out_named_integer(&out, "id", c);
            bal_json_out_named_integer(&out, "train_rows", head->train_counts[c]);
            bal_json_out_named_number(&out, "weight",
                                      head->class_weights ? head->class_weights[c] : 1);
            bal_json_out_object_end(&out);
        }
        bal_json_out_object_end(&out);
    }
    bal_json_out_object_end(&out);
    bal_text_puts(&text, "\n");
    if (trainer->state.stage > 0)
        snprintf(name, sizeof name, BAL_RUN_STAGE_WEIGHTS, bal_trainer_stage_name(trainer));
    return bal_run_folder_put(trainer->folder, name, &text, err);
}

/* ---- going over ---- */

/** The best weights of the stage that is done into its file; without any, the last ones. */
static bal_status keep_stage(bal_trainer *trainer, bal_error *err) {
    const bal_train_state *state = &trainer->state;
    if (state->best_evaluation > 0)
        BAL_TRY(bal_trainer_read_best(trainer, err));
    else
        bal_log_printf(&trainer->hooks->log, BAL_LOG_WARN,
                       "no evaluation of stage %s was eligible: its last state is what it leaves",
                       bal_trainer_stage_name(trainer));
    BAL_TRY(bal_trainer_write_stage(trainer, err));
    trainer->ended[state->stage] = bal_trainer_stage_result(trainer, (int32_t)state->stage);
    return BAL_OK;
}

static double tighter(double a, double b) {
    if (a == 0 || b == 0) return a + b; /* 0: no limit */
    return a < b ? a : b;
}

/** What goes on over the run. Remedies stay in force: the guard's ledger goes on behind them. */
static void carry_state(bal_train_state *state, const bal_train_state *before,
                        const bal_recipe *then, int64_t n_rows) {
    state->epochs_before = before->epochs_before + before->epoch;
    state->step = state->steps_before = before->step;
    state->evaluation = state->evaluations_before = before->evaluation;
    state->attempt = before->attempt;
    state->shuffle_salt = before->shuffle_salt;
    state->lr_scale = before->lr_scale;
    state->gamma_scale = before->gamma_scale;
    state->weight_exponent = before->weight_exponent;
    if (before->clip_norm != then->optimizer.clip_norm)
        state->clip_norm = tighter(state->clip_norm, before->clip_norm);
    double factor = (double)before->batch_size / (double)then->train.batch_size;
    int64_t size = (int64_t)llround((double)state->batch_size * factor);
    state->batch_size = size < 1 ? 1 : size > n_rows ? n_rows : size;
}

bal_status bal_trainer_take_weights(bal_trainer *trainer, bal_error *err) {
    if (trainer->whole->n_stages == 0) return bal_trainer_start_weights(trainer, err);
    const bal_recipe_stage *stage = &trainer->whole->stages[trainer->state.stage];
    if (stage->from < 0) return bal_trainer_start_weights(trainer, err);
    return bal_trainer_read_stage(trainer, stage->from, err);
}

bal_status bal_trainer_next_stage(bal_trainer *trainer, bal_error *err) {
    const bal_train_state before = trainer->state;
    const bal_recipe *then = trainer->recipe;
    bal_text ledger = {0};
    bal_status status;
    BAL_TRY_OUT(keep_stage(trainer, err));
    bal_guard_save_ledger(trainer->guard, &ledger);
    if (bal_text_failed(&ledger)) {
        status = bal_fail_memory(err, ledger.length);
        goto out;
    }
    BAL_TRY_OUT(bal_trainer_enter_stage(trainer, (int32_t)before.stage + 1, err));
    BAL_TRY_OUT(bal_guard_load_ledger(trainer->guard, ledger.data, ledger.length, err));
    carry_state(&trainer->state, &before, then, trainer->dataset->split.count[BAL_SPLIT_TRAIN]);
    BAL_TRY_OUT(bal_trainer_take_weights(trainer, err));
    BAL_TRY_OUT(bal_trainer_apply_controls(trainer, err));
    BAL_TRY_OUT(bal_trainer_write_class_weights(trainer, err));
    status = bal_trainer_write_last(trainer, err);
out:
    bal_text_release(&ledger);
    return status;
}

/* ---- the end ---- */

/** A stage hands on what it made even where that is worse than what it began with, as its recipe
 *  asks; but that should not go unnoticed. */
static void compare_with_earlier(const bal_trainer *trainer, int32_t best) {
    const bal_recipe_stage *stages = trainer->whole->stages;
    double value = bal_trainer_stage_result(trainer, best).best_value;
    bool larger = bal_metric_path_better(&trainer->monitor) > 0;
    for (int32_t i = 0; i < best; i++) {
        const bal_stage_result *earlier = &trainer->ended[i];
        if (earlier->best_evaluation == 0 ||
            strcmp(stages[i].recipe->monitor, stages[best].recipe->monitor) != 0)
            continue;
        if (larger ? earlier->best_value <= value : earlier->best_value >= value) continue;
        bal_log_printf(&trainer->hooks->log, BAL_LOG_WARN,
                       "stage %s reached %s %.6g, better than the %.6g of stage %s, which is the "
                       "model; the weights of the former are in " BAL_RUN_STAGE,
                       stages[i].name, stages[i].recipe->monitor, earlier->best_value, value,
                       stages[best].name, stages[i].name);
    }
}

bal_status bal_trainer_restore_best(bal_trainer *trainer, int32_t *ret_stage, bal_error *err) {
    int32_t now = (int32_t)trainer->state.stage, best = now;
    while (best >= 0 && bal_trainer_stage_result(trainer, best).best_evaluation == 0)
        best--;
    *ret_stage = best;
    if (best < 0) return BAL_OK;
    if (best == now) compare_with_earlier(trainer, best);
    if (best == now) BAL_TRY(bal_trainer_read_best(trainer, err));
    if (best == now && trainer->whole->n_stages > 0) return bal_trainer_write_stage(trainer, err);
    if (best == now) return BAL_OK;
    bal_log_printf(&trainer->hooks->log, BAL_LOG_WARN,
                   "no evaluation of stage %s was eligible: the model is the best of stage %s",
                   bal_trainer_stage_name(trainer), trainer->whole->stages[best].name);
    return bal_trainer_read_stage(trainer, best, err);
}
