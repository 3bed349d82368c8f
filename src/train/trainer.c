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

double bal_trainer_head_loss(const bal_trainer *trainer, int32_t head) {
    const bal_train_state *state = &trainer->state;
    if (state->head_weight_sum[head] == 0) return NAN;
    return state->head_loss_sum[head] / state->head_weight_sum[head];
}

double bal_trainer_loss(const bal_trainer *trainer) {
    double total = 0;
    bool any = false;
    for (int32_t h = 0; h < trainer->dataset->n_heads; h++) {
        double share = trainer->dataset->heads[h].recipe->weight;
        if (share == 0 || trainer->state.head_weight_sum[h] == 0) continue;
        total += share * bal_trainer_head_loss(trainer, h);
        any = true;
    }
    return any ? total : NAN;
}

double bal_trainer_seconds(const bal_trainer *trainer) {
    return trainer->seconds_before + bal_clock_seconds() - trainer->started;
}

double bal_trainer_metric(const bal_trainer *trainer, const bal_metric_path *path) {
    if (strcmp(path->split, "val") == 0) return bal_eval_set_metric(&trainer->val, path);
    bool known = strcmp(path->split, "train") == 0 && strcmp(path->metric, "loss") == 0;
    for (int32_t h = 0; known && h < trainer->dataset->n_heads; h++)
        if (strcmp(trainer->dataset->heads[h].recipe->name, path->head) == 0)
            return bal_trainer_head_loss(trainer, h);
    return NAN;
}

/** The prior predictor's value of the monitored metric, the same at every evaluation; unknown for
 *  training losses. */
static bal_status find_monitored_prior(bal_trainer *trainer, bal_error *err) {
    if (trainer->has_prior) return BAL_OK;
    trainer->monitored_prior = NAN;
    if (strcmp(trainer->monitor.split, "val") == 0)
        BAL_TRY(bal_eval_set_prior_metric(&trainer->val, &trainer->monitor,
                                          &trainer->monitored_prior, err));
    trainer->has_prior = true;
    return BAL_OK;
}

/* ---- reporting ---- */

/** Steps of the stages to come. */
static int64_t later_steps(const bal_trainer *trainer) {
    int64_t rows = trainer->dataset->split.count[BAL_SPLIT_TRAIN], steps = 0;
    for (int64_t i = trainer->state.stage + 1; i < trainer->whole->n_stages; i++) {
        const bal_recipe *recipe = trainer->whole->stages[i].recipe;
        int64_t size = recipe->train.batch_size;
        steps += recipe->train.epochs * (rows / size + (rows % size > 0));
    }
    return steps;
}

static bool monitors_log(const bal_trainer *trainer) {
    for (int32_t h = 0; h < trainer->dataset->n_heads; h++) {
        const bal_recipe_head *head = trainer->dataset->heads[h].recipe;
        if (strcmp(head->name, trainer->monitor.head) == 0)
            return strcmp(head->transform, "log") == 0;
    }
    return false;
}

static void report(bal_trainer *trainer, bal_progress_kind kind, bal_progress *progress) {
    if (!trainer->hooks->progress) return;
    const bal_train_state *state = &trainer->state;
    double spent = bal_clock_seconds() - trainer->started;
    int64_t batches = bal_batcher_batches(trainer->batches);
    int64_t steps_left = (trainer->recipe->train.epochs - state->epoch) * batches - state->batch +
                         later_steps(trainer);
    int64_t steps_done = state->step - trainer->started_step;
    progress->kind = kind;
    progress->run = trainer->folder->path;
    if (!progress->message) progress->message = "";
    progress->monitor = trainer->recipe->monitor;
    progress->monitor_is_log = monitors_log(trainer);
    progress->stage = bal_trainer_stage_name(trainer);
    progress->stage_index = (int32_t)state->stage;
    progress->stages = trainer->whole->n_stages;
    progress->epoch = state->epoch;
    progress->epochs = trainer->recipe->train.epochs;
    progress->batch = state->batch;
    progress->batches = batches;
    progress->step = state->step;
    progress->lr = trainer->rates[bal_network_groups(trainer->network) - 1];
    progress->grad_norm = trainer->last_step.grad_norm;
    progress->best = state->best_value;
    progress->seconds = bal_trainer_seconds(trainer);
    progress->eta_seconds = steps_done > 0 ? spent / (double)steps_done * (double)steps_left : NAN;
    trainer->hooks->progress(trainer->hooks->user, progress);
}

static void report_step(bal_trainer *trainer) {
    if (!trainer->hooks->progress) return;
    double now = bal_clock_seconds();
    if (now - trainer->last_progress < progress_interval) return;
    trainer->last_progress = now;
    report(trainer, BAL_PROGRESS_STEP, &(bal_progress){.loss = trainer->last_step.loss});
}

const char *bal_trainer_stability(const bal_trainer *trainer, int32_t head) {
    const int64_t *predicted = bal_scores_predicted(trainer->val.scores[head]);
    if (trainer->recipe->guard.policy == BAL_GUARD_OFF || !predicted) return "";
    if (predicted[0] == 0 || predicted[1] == 0) return "one class";
    return bal_guard_swings(trainer->guard, head) ? "swing" : "steady";
}

/** The two sides of the first decision that is trained. */
static void describe_sides(const bal_trainer *trainer, bal_progress *progress) {
    const bal_metric *recall = bal_metric_find("recall");
    for (int32_t h = 0; h < trainer->dataset->n_heads; h++) {
        const bal_head_data *head = &trainer->dataset->heads[h];
        if (head->recipe->kind != BAL_HEAD_BINARY || head->recipe->weight == 0) continue;
        for (int32_t c = 0; c < 2; c++) {
            progress->side_name[c] = head->classes.names[c];
            progress->side_recall[c] = recall->compute(trainer->val.scores[h], c, NULL);
        }
        progress->risk = 1 - progress->side_recall[0];
        progress->stability = bal_trainer_stability(trainer, h);
        return;
    }
}

static void report_evaluation(bal_trainer *trainer, const bal_decision *decision, double monitored,
                              bool improved) {
    const bal_scores *scores = trainer->val.scores[0];
    bal_progress progress = {
        .loss = bal_trainer_loss(trainer),
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
    describe_sides(trainer, &progress);
    report(trainer, BAL_PROGRESS_EVALUATION, &progress);
}

/* ---- learning rates ---- */

static bal_schedule_state schedule_state(const bal_train_state *state) {
    return (bal_schedule_state){
        .patience = {state->plateau_best, state->plateau_bad},
        .cooldown_left = state->plateau_cooldown,
        .scale = state->plateau_scale,
    };
}

/** The schedule counts in epochs of the batch size in force: after a remedy has changed it, steps
 *  over the run would be steps of another length. */
static void set_rates(bal_trainer *trainer) {
    const bal_train_state *state = &trainer->state;
    const bal_recipe *recipe = trainer->recipe;
    bal_schedule_state schedule = schedule_state(state);
    int64_t batches = bal_batcher_batches(trainer->batches);
    int64_t position = state->epoch * batches + state->batch;
    for (int32_t i = 0; i < bal_network_groups(trainer->network); i++)
        trainer->rates[i] = state->lr_scale *
                            bal_schedule_rate(trainer->schedule, &recipe->schedule.options,
                                              &schedule, bal_network_group(trainer->network, i)->lr,
                                              position, batches, recipe->train.epochs);
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
        BAL_TRY(bal_trainer_roll_back(trainer, decision->remedy, decision->relapse, err));
        set_rates(trainer);
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
    state->norm_max = 0;
    memset(state->head_loss_sum, 0, sizeof state->head_loss_sum);
    memset(state->head_weight_sum, 0, sizeof state->head_weight_sum);
}

/** The schedule sees the evaluation. */
static void observe_plateau(bal_trainer *trainer) {
    bal_train_state *state = &trainer->state;
    if (!trainer->schedule->reacts) return;
    bal_schedule_state schedule = schedule_state(state);
    const bal_schedule_options *options = &trainer->recipe->schedule.options;
    double watched = bal_trainer_metric(trainer, &trainer->plateau_monitor);
    if (bal_schedule_observe(trainer->schedule, options, &schedule, watched,
                             trainer->recipe->optimizer.lr))
        bal_log_printf(&trainer->hooks->log, BAL_LOG_INFO,
                       "epoch %lld: plateau, learning rate × %g", (long long)state->epoch,
                       options->factor);
    state->plateau_best = schedule.patience.best;
    state->plateau_bad = schedule.patience.bad;
    state->plateau_cooldown = schedule.cooldown_left;
    state->plateau_scale = schedule.scale;
}

/** Early stopping sees the evaluation. What may not be kept is no improvement. */
static void observe_stop(bal_trainer *trainer, const bal_decision *decision, double monitored) {
    bal_train_state *state = &trainer->state;
    bal_patience stop = {state->stop_best, state->stop_bad};
    bal_patience_update(&stop, decision->eligible ? monitored : NAN,
                        bal_metric_path_better(&trainer->monitor) > 0,
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
    BAL_TRY(find_monitored_prior(trainer, err));
    state->evaluation++;

    double monitored = bal_trainer_metric(trainer, &trainer->monitor);
    double head_train_loss[BAL_HEADS_MAX];
    for (int32_t h = 0; h < trainer->dataset->n_heads; h++)
        head_train_loss[h] = bal_trainer_head_loss(trainer, h);
    bal_eval_signals signals = {
        .epoch = bal_trainer_epoch(trainer),
        .step = state->step,
        .evaluation = state->evaluation,
        .train_loss = bal_trainer_loss(trainer),
        .head_loss = trainer->val.loss,
        .head_train_loss = head_train_loss,
        .scores = (const bal_scores *const *)trainer->val.scores,
        .monitored = monitored,
        .larger_is_better = bal_metric_path_better(&trainer->monitor) > 0,
        .monitored_prior = trainer->monitored_prior,
        .dead_share = dead_share,
        .lookup = lookup,
        .user = trainer,
    };
    bal_decision decision = bal_guard_evaluate(trainer->guard, &signals);
    bool improved = false;
    BAL_TRY(keep_best(trainer, &decision, monitored, &improved, err));
    observe_plateau(trainer);
    observe_stop(trainer, &decision, monitored);
    BAL_TRY(bal_trainer_write_row(trainer, &decision, monitored, err));
    report_evaluation(trainer, &decision, monitored, improved);
    forget_since_last_evaluation(state);
    BAL_TRY(obey(trainer, &decision, ret_rolled_back, err));
    if (!*ret_rolled_back && decision.healthy && bal_guard_needs_snapshots(trainer->guard))
        BAL_TRY(bal_trainer_keep_healthy(trainer, err));
    return BAL_OK;
}

/* ---- steps ---- */

/** Losses of a step into the means of the epoch. A batch that was not learned from is left out. */
static void count_step(bal_trainer *trainer, const bal_step_result *result) {
    bal_train_state *state = &trainer->state;
    state->step++;
    state->batch++;
    state->updates += result->applied;
    /* Once not finite, it stays so until the next evaluation. */
    if (isfinite(state->norm_max) && !(result->grad_norm <= state->norm_max))
        state->norm_max = result->grad_norm;
    for (int32_t h = 0; result->applied && h < trainer->dataset->n_heads; h++) {
        if (result->head_weight[h] == 0) continue;
        state->head_loss_sum[h] += result->head_loss[h] * result->head_weight[h];
        state->head_weight_sum[h] += result->head_weight[h];
    }
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
                                                       .epoch = bal_trainer_epoch(trainer),
                                                       .step = state->step,
                                                       .loss = result->loss,
                                                       .grad_norm = result->grad_norm,
                                                       .clip_norm = state->clip_norm,
                                                   });
    count_step(trainer, result);
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

/** A step, what the guard says to it, and what comes after the last one of an epoch. */
static bal_status advance(bal_trainer *trainer, bal_error *err) {
    bal_decision decision;
    bool rolled_back;
    BAL_TRY(step(trainer, &decision, err));
    BAL_TRY(obey(trainer, &decision, &rolled_back, err));
    if (trainer->outcome != BAL_OUTCOME_RUNNING) return bal_trainer_write_last(trainer, err);
    if (rolled_back) return BAL_OK;
    report_step(trainer);
    if (trainer->state.batch == bal_batcher_batches(trainer->batches))
        return end_epoch(trainer, err);
    return is_checkpoint_due(trainer) ? bal_trainer_write_last(trainer, err) : BAL_OK;
}

/** Before the first step of a stage, or the first after a resume. */
static bal_status begin_stage(bal_trainer *trainer, bal_error *err) {
    set_rates(trainer);
    if (trainer->whole->n_stages > 0) report(trainer, BAL_PROGRESS_STAGE, &(bal_progress){0});
    if (trainer->healthy.valid || !bal_guard_needs_snapshots(trainer->guard)) return BAL_OK;
    return bal_trainer_keep_healthy(trainer, err);
}

bal_status bal_trainer_run(bal_trainer *trainer, bal_error *err) {
    trainer->started = trainer->last_checkpoint = bal_clock_seconds();
    trainer->started_step = trainer->state.step;
    set_rates(trainer);
    report(trainer, BAL_PROGRESS_START, &(bal_progress){0});
    BAL_TRY(begin_stage(trainer, err));

    while (trainer->outcome == BAL_OUTCOME_RUNNING) {
        if (is_finished(trainer) && bal_trainer_has_next_stage(trainer)) {
            BAL_TRY(bal_trainer_next_stage(trainer, err));
            BAL_TRY(begin_stage(trainer, err));
        } else if (is_finished(trainer)) {
            trainer->outcome =
                bal_guard_is_upright(trainer->guard) ? BAL_OUTCOME_DONE : BAL_OUTCOME_COLLAPSED;
        } else if (is_cancelled(trainer)) {
            BAL_TRY(bal_trainer_write_last(trainer, err));
            trainer->outcome = BAL_OUTCOME_INTERRUPTED;
        } else {
            BAL_TRY(advance(trainer, err));
        }
    }
    report(trainer, BAL_PROGRESS_END, &(bal_progress){.loss = trainer->last_step.loss});
    return BAL_OK;
}
