/* The training loop. Every step is a pure function of the state (train/state.h), the tensors and
 * the guard's memory; nothing else may influence it, or resume and rollback would not be exact.
 * Clocks decide only when to write a checkpoint or to report, never what is computed. */
#include "train/trainer.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

static const double progress_interval = 0.1; /* seconds between live reports */

const char *bal_outcome_name(bal_outcome outcome) {
    switch (outcome) {
    case BAL_OUTCOME_DONE:
        return "ok";
    case BAL_OUTCOME_STOPPED:
        return "stopped";
    case BAL_OUTCOME_COLLAPSED:
        return "collapsed";
    case BAL_OUTCOME_INTERRUPTED:
        return "interrupted";
    default:
        return "running";
    }
}

double bal_trainer_metric(const bal_trainer *trainer, const bal_metric_path *path) {
    if (strcmp(path->split, "val") == 0) return bal_eval_set_metric(&trainer->val, path);
    for (int32_t h = 0; h < trainer->dataset->n_heads; h++)
        if (strcmp(trainer->dataset->heads[h].recipe->name, path->head) == 0)
            return trainer->state.head_loss_sum[h] / trainer->state.head_weight_sum[h];
    return NAN;
}

/* ---- reporting ---- */

static void report(bal_trainer *trainer, bal_progress_kind kind, bal_progress *progress) {
    if (!trainer->hooks->progress) return;
    const bal_train_state *state = &trainer->state;
    double now = bal_clock_seconds();
    int64_t batches = bal_batcher_batches(trainer->batches);
    int64_t steps_left = (trainer->recipe->train.epochs - state->epoch) * batches - state->batch;
    int64_t steps_done = state->step - trainer->started_step;
    progress->kind = kind;
    progress->run = trainer->folder->path;
    if (!progress->message) progress->message = "";
    progress->monitor = trainer->recipe->monitor;
    progress->epoch = state->epoch;
    progress->epochs = trainer->recipe->train.epochs;
    progress->batch = state->batch;
    progress->batches = batches;
    progress->step = state->step;
    progress->lr = trainer->rates[bal_network_groups(trainer->network) - 1];
    progress->grad_norm = trainer->last_step.grad_norm;
    progress->best = state->best_value;
    progress->seconds = now - trainer->started;
    progress->eta_seconds =
        steps_done > 0 ? progress->seconds / (double)steps_done * (double)steps_left : NAN;
    trainer->hooks->progress(trainer->hooks->user, progress);
}

static void report_step(bal_trainer *trainer) {
    if (!trainer->hooks->progress) return;
    double now = bal_clock_seconds();
    if (now - trainer->last_progress < progress_interval) return;
    trainer->last_progress = now;
    report(trainer, BAL_PROGRESS_STEP, &(bal_progress){.loss = trainer->last_step.loss});
}

static void report_evaluation(bal_trainer *trainer, const bal_decision *decision, double monitored,
                              bool improved) {
    const bal_scores *scores = trainer->val.scores[0];
    bal_progress progress = {
        .loss = trainer->state.loss_sum / (double)trainer->state.samples,
        .val_loss = trainer->val.loss[0],
        .monitored = monitored,
        .improved = improved,
        .eligible = decision->eligible,
        .normalized_entropy = NAN,
        .accuracy = NAN,
    };
    if (scores && bal_scores_kind(scores) != BAL_HEAD_VALUE) {
        const char *reason;
        progress.classes = bal_scores_classes(scores);
        progress.accuracy = bal_metric_find("accuracy")->compute(scores, -1, &reason);
        progress.unique_predictions =
            (int64_t)bal_metric_find("unique_predictions")->compute(scores, -1, &reason);
        progress.normalized_entropy =
            bal_metric_find("normalized_entropy")->compute(scores, -1, &reason);
    }
    report(trainer, BAL_PROGRESS_EVALUATION, &progress);
}

/* ---- decisions ---- */

/** Record what the guard saw and do what it says. True in *ret_rolled_back when the state was
 * replaced. */
static bal_status obey(bal_trainer *trainer, const bal_decision *decision, bool *ret_rolled_back,
                       bal_error *err) {
    *ret_rolled_back = false;
    if (decision->n_incidents > 0)
        BAL_TRY(
            bal_trainer_write_incidents(trainer, decision->incidents, decision->n_incidents, err));
    for (int32_t i = 0; i < decision->n_incidents; i++)
        report(trainer, BAL_PROGRESS_INCIDENT,
               &(bal_progress){.message = decision->incidents[i].message});
    switch (decision->verdict) {
    case BAL_VERDICT_STOP:
        trainer->outcome = BAL_OUTCOME_STOPPED;
        break;
    case BAL_VERDICT_GIVE_UP:
        trainer->outcome = BAL_OUTCOME_COLLAPSED;
        break;
    case BAL_VERDICT_ROLLBACK: {
        char text[128];
        BAL_TRY(bal_trainer_roll_back(trainer, decision->remedy, err));
        bal_remedy_text(&trainer->recipe->guard.remedies[decision->remedy], text, sizeof text);
        report(trainer, BAL_PROGRESS_ROLLBACK, &(bal_progress){.message = text});
        *ret_rolled_back = true;
        break;
    }
    default:
        break;
    }
    return BAL_OK;
}

/* ---- evaluation ---- */

static double lookup(void *user, const bal_metric_path *path) {
    return bal_trainer_metric(user, path);
}

static void forget_since_last_evaluation(bal_train_state *state) {
    state->samples = 0;
    state->loss_sum = 0;
    state->norm_max = 0;
    memset(state->head_loss_sum, 0, sizeof state->head_loss_sum);
    memset(state->head_weight_sum, 0, sizeof state->head_weight_sum);
}

/** Schedule and early stopping see the evaluation. */
static void observe(bal_trainer *trainer, double monitored) {
    bal_train_state *state = &trainer->state;
    bal_schedule_state schedule = {
        .patience = {state->plateau_best, state->plateau_bad},
        .cooldown_left = state->plateau_cooldown,
        .scale = state->plateau_scale,
    };
    bal_schedule_options options = trainer->recipe->schedule.options;
    if (strcmp(options.kind, "plateau") == 0) {
        options.larger_is_better = bal_metric_path_better(&trainer->plateau_monitor) > 0;
        double watched = bal_trainer_metric(trainer, &trainer->plateau_monitor);
        if (bal_schedule_observe(trainer->schedule, &options, &schedule, watched,
                                 trainer->recipe->optimizer.lr))
            bal_log_printf(&trainer->hooks->log, BAL_LOG_INFO,
                           "epoch %lld: plateau, learning rate × %g", (long long)state->epoch,
                           options.factor);
    }
    state->plateau_best = schedule.patience.best;
    state->plateau_bad = schedule.patience.bad;
    state->plateau_cooldown = schedule.cooldown_left;
    state->plateau_scale = schedule.scale;

    bal_patience stop = {state->stop_best, state->stop_bad};
    bal_patience_update(&stop, monitored, bal_metric_path_better(&trainer->monitor) > 0,
                        trainer->recipe->stop.min_delta);
    state->stop_best = stop.best;
    state->stop_bad = stop.bad;
}

static bool is_better(const bal_trainer *trainer, double value) {
    double best = trainer->state.best_value;
    if (isnan(value)) return false;
    if (trainer->state.best_evaluation == 0 || isnan(best)) return true;
    return bal_metric_path_better(&trainer->monitor) > 0 ? value > best : value < best;
}

/** Keep the weights when this evaluation is the best eligible one so far. */
static bal_status keep_best(bal_trainer *trainer, const bal_decision *decision, double monitored,
                            bool *ret_improved, bal_error *err) {
    *ret_improved = decision->eligible && is_better(trainer, monitored);
    if (!*ret_improved) return BAL_OK;
    trainer->state.best_epoch = trainer->state.epoch;
    trainer->state.best_evaluation = trainer->state.evaluation;
    trainer->state.best_value = monitored;
    return bal_trainer_write_best(trainer, err);
}

static bal_status evaluate(bal_trainer *trainer, bool *ret_rolled_back, bal_error *err) {
    bal_train_state *state = &trainer->state;
    double dead_share = NAN;
    BAL_TRY(bal_network_reset_activity(trainer->network, err));
    BAL_TRY(bal_eval_set_run(&trainer->val, trainer->network, err));
    BAL_TRY(bal_network_dead_share(trainer->network, &dead_share, err));
    state->evaluation++;

    double monitored = bal_trainer_metric(trainer, &trainer->monitor);
    bal_eval_signals signals = {
        .epoch = state->epoch,
        .step = state->step,
        .evaluation = state->evaluation,
        .train_loss = state->loss_sum / (double)state->samples,
        .head_loss = trainer->val.loss,
        .scores = (const bal_scores *const *)trainer->val.scores,
        .monitored = monitored,
        .larger_is_better = bal_metric_path_better(&trainer->monitor) > 0,
        .monitored_prior = bal_eval_set_prior_metric(&trainer->val, &trainer->monitor),
        .dead_share = dead_share,
        .lookup = lookup,
        .user = trainer,
    };
    bal_decision decision = bal_guard_evaluate(trainer->guard, &signals);
    bool improved = false;
    BAL_TRY(keep_best(trainer, &decision, monitored, &improved, err));
    observe(trainer, monitored);
    BAL_TRY(bal_trainer_write_row(trainer, &decision, monitored, err));
    report_evaluation(trainer, &decision, monitored, improved);
    forget_since_last_evaluation(state);
    BAL_TRY(obey(trainer, &decision, ret_rolled_back, err));
    if (!*ret_rolled_back && decision.healthy && trainer->recipe->guard.policy == BAL_GUARD_RECOVER)
        BAL_TRY(bal_trainer_keep_healthy(trainer, err));
    return BAL_OK;
}

/* ---- steps ---- */

static void set_rates(bal_trainer *trainer) {
    const bal_train_state *state = &trainer->state;
    bal_schedule_state schedule = {
        .patience = {state->plateau_best, state->plateau_bad},
        .cooldown_left = state->plateau_cooldown,
        .scale = state->plateau_scale,
    };
    for (int32_t i = 0; i < bal_network_groups(trainer->network); i++)
        trainer->rates[i] =
            state->lr_scale *
            bal_schedule_rate(trainer->schedule, &trainer->recipe->schedule.options, &schedule,
                              bal_network_group(trainer->network, i)->lr, state->step,
                              bal_batcher_batches(trainer->batches), trainer->recipe->train.epochs);
}

static bal_status step(bal_trainer *trainer, bal_decision *ret_decision, bal_error *err) {
    bal_train_state *state = &trainer->state;
    bal_batch batch;
    BAL_TRY(bal_batcher_next(trainer->batches, &batch, err));
    set_rates(trainer);
    bal_step_controls controls = {
        .seed = (uint64_t)trainer->recipe->seed,
        .step = state->step,
        .updates = state->updates,
        .rate = trainer->rates,
        .clip_norm = state->clip_norm,
    };
    bal_step_result *result = &trainer->last_step;
    BAL_TRY(bal_network_step(trainer->network, &batch, &controls, result, err));

    *ret_decision = bal_guard_step(trainer->guard, &(bal_step_signals){
                                                       .epoch = state->epoch,
                                                       .step = state->step,
                                                       .loss = result->loss,
                                                       .grad_norm = result->grad_norm,
                                                       .clip_norm = state->clip_norm,
                                                   });
    state->step++;
    state->batch++;
    state->updates += result->applied;
    state->samples += batch.size;
    state->loss_sum += result->loss * (double)batch.size;
    if (!(result->grad_norm <= state->norm_max)) state->norm_max = result->grad_norm;
    for (int32_t h = 0; h < trainer->dataset->n_heads; h++) {
        if (result->head_weight[h] == 0) continue;
        state->head_loss_sum[h] += result->head_loss[h] * result->head_weight[h];
        state->head_weight_sum[h] += result->head_weight[h];
    }
    return BAL_OK;
}

static bal_status end_epoch(bal_trainer *trainer, bal_error *err) {
    const bal_recipe *recipe = trainer->recipe;
    bal_train_state *state = &trainer->state;
    bool rolled_back = false;
    state->epoch++;
    state->batch = 0;
    if (state->epoch % recipe->train.eval_every == 0 || state->epoch == recipe->train.epochs)
        BAL_TRY(evaluate(trainer, &rolled_back, err));
    if (rolled_back || state->epoch % recipe->checkpoint.every_epochs == 0 ||
        trainer->outcome != BAL_OUTCOME_RUNNING)
        return bal_trainer_write_last(trainer, err);
    return BAL_OK;
}

static bool is_finished(const bal_trainer *trainer) {
    const bal_recipe *recipe = trainer->recipe;
    return trainer->state.epoch >= recipe->train.epochs ||
           (recipe->stop.patience > 0 && trainer->state.stop_bad >= recipe->stop.patience);
}

static bool is_cancelled(bal_trainer *trainer) {
    if (trainer->hooks->cancel) trainer->cancelled = trainer->hooks->cancel(trainer->hooks->user);
    return trainer->cancelled != 0;
}

static bool is_checkpoint_due(const bal_trainer *trainer) {
    double every = trainer->recipe->checkpoint.every_seconds;
    return every > 0 && bal_clock_seconds() - trainer->last_checkpoint >= every;
}

bal_status bal_trainer_run(bal_trainer *trainer, bal_error *err) {
    trainer->started = trainer->last_checkpoint = bal_clock_seconds();
    trainer->started_step = trainer->state.step;
    set_rates(trainer);
    report(trainer, BAL_PROGRESS_START, &(bal_progress){0});
    if (!trainer->healthy.valid && trainer->recipe->guard.policy == BAL_GUARD_RECOVER)
        BAL_TRY(bal_trainer_keep_healthy(trainer, err));

    while (trainer->outcome == BAL_OUTCOME_RUNNING) {
        if (is_finished(trainer)) {
            trainer->outcome = BAL_OUTCOME_DONE;
            break;
        }
        if (is_cancelled(trainer)) {
            BAL_TRY(bal_trainer_write_last(trainer, err));
            trainer->outcome = BAL_OUTCOME_INTERRUPTED;
            break;
        }
        bal_decision decision;
        bool rolled_back;
        BAL_TRY(step(trainer, &decision, err));
        BAL_TRY(obey(trainer, &decision, &rolled_back, err));
        if (rolled_back) continue;
        report_step(trainer);
        if (trainer->state.batch == bal_batcher_batches(trainer->batches))
            BAL_TRY(end_epoch(trainer, err));
        else if (is_checkpoint_due(trainer))
            BAL_TRY(bal_trainer_write_last(trainer, err));
    }
    return BAL_OK;
}

/* ---- making a trainer ---- */

static bal_status make_guard(bal_trainer *trainer, bal_error *err) {
    const bal_recipe_guard *wanted = &trainer->recipe->guard;
    int32_t n_heads = trainer->dataset->n_heads;
    bal_guard_head heads[BAL_HEADS_MAX];
    for (int32_t h = 0; h < n_heads; h++) {
        const bal_head_data *head = &trainer->dataset->heads[h];
        heads[h] = (bal_guard_head){
            .name = head->recipe->name,
            .kind = head->recipe->kind,
            .classes = head->labels ? head->classes.count : head->outputs,
            .class_names = (const char *const *)head->classes.names,
            .prior = head->prior,
            .class_weights = head->class_weights,
        };
    }
    bal_detector_setting *settings = bal_calloc((size_t)wanted->n_detectors + 1, sizeof *settings);
    bal_guard_rule *rules = bal_calloc((size_t)wanted->n_rules + 1, sizeof *rules);
    bal_status status = BAL_OK;
    if (!settings || !rules) {
        status = bal_fail_memory(err, sizeof *settings);
        goto out;
    }
    for (int32_t i = 0; i < wanted->n_detectors; i++) {
        const bal_recipe_detector *detector = &wanted->detectors[i];
        settings[i] = (bal_detector_setting){detector->name, detector->enabled, detector->option,
                                             detector->value, detector->n_options};
    }
    for (int32_t i = 0; i < wanted->n_rules; i++) {
        const bal_recipe_rule *rule = &wanted->rules[i];
        rules[i] = (bal_guard_rule){.text = rule->text,
                                    .value = rule->value,
                                    .after = rule->after,
                                    .has_action = rule->has_action,
                                    .action = rule->action};
        memcpy(rules[i].op, rule->op, sizeof rules[i].op);
        BAL_TRY_OUT(bal_metric_path_parse(rule->path, &rules[i].path, err));
    }
    status = bal_guard_new(
        &(bal_guard_options){
            .policy = wanted->policy,
            .settings = settings,
            .n_settings = wanted->n_detectors,
            .rules = rules,
            .n_rules = wanted->n_rules,
            .n_remedies = wanted->n_remedies,
            .max_rollbacks = wanted->max_rollbacks,
            .heads = heads,
            .n_heads = n_heads,
        },
        &trainer->guard, err);
out:
    bal_free(settings);
    bal_free(rules);
    return status;
}

static bal_status fill_trainer(bal_trainer *trainer, bal_error *err) {
    const bal_recipe *recipe = trainer->recipe;
    const bal_dataset *dataset = trainer->dataset;
    if (dataset->split.count[BAL_SPLIT_VAL] == 0)
        return bal_fail(err, BAL_EDATA,
                        "no validation rows: raise data.split.val; without them "
                        "nothing can be watched");
    BAL_TRY(bal_metric_path_parse(recipe->monitor, &trainer->monitor, err));
    trainer->plateau_monitor = trainer->monitor;
    if (recipe->schedule.monitor[0])
        BAL_TRY(bal_metric_path_parse(recipe->schedule.monitor, &trainer->plateau_monitor, err));
    trainer->schedule = bal_schedule_find(recipe->schedule.options.kind);
    BAL_TRY(bal_network_new(recipe, dataset, trainer->backend, &trainer->network, err));
    trainer->rates = bal_calloc((size_t)bal_network_groups(trainer->network), sizeof(double));
    if (!trainer->rates) return bal_fail_memory(err, sizeof(double));
    BAL_TRY(bal_eval_set_init(&trainer->val, dataset, trainer->backend,
                              dataset->split.rows[BAL_SPLIT_VAL],
                              dataset->split.count[BAL_SPLIT_VAL], recipe->train.eval_batch, err));
    BAL_TRY(make_guard(trainer, err));
    bal_train_state_init(&trainer->state, recipe);
    return bal_trainer_apply_controls(trainer, err);
}

bal_status bal_trainer_init(bal_trainer *trainer, const bal_recipe *recipe,
                            const bal_dataset *dataset, bal_backend *backend,
                            bal_run_folder *folder, const bal_train_hooks *hooks, bal_error *err) {
    *trainer = (bal_trainer){
        .recipe = recipe,
        .dataset = dataset,
        .backend = backend,
        .folder = folder,
        .hooks = hooks,
    };
    bal_status status = fill_trainer(trainer, err);
    if (status != BAL_OK) bal_trainer_release(trainer);
    return status;
}

void bal_trainer_release(bal_trainer *trainer) {
    bal_batcher_free(trainer->batches);
    bal_eval_set_release(&trainer->val);
    bal_guard_free(trainer->guard);
    bal_network_free(trainer->network);
    bal_free(trainer->healthy.tensors);
    bal_text_release(&trainer->healthy.guard_memory);
    bal_free(trainer->rates);
    *trainer = (bal_trainer){0};
}
