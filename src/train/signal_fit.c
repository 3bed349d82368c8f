/* A training run of `ballast signal`. See train/signal_fit.h. */
#include "train/signal_fit.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "train/transfer.h"

enum { WARM_STEPS = 2, TIMED_STEPS = 10 };
static const double step_overhead = 3e6; /* of a step, in multiplications and additions */

/** What training needs, in the order it is made. */
typedef struct loop {
    const bal_recipe *recipe;
    const bal_dataset *dataset;
    bal_network *network;
    bal_batcher *batches;
    bal_eval_set val;
    const bal_schedule *schedule;
    bal_schedule_state schedule_state;
    bal_metric_path plateau_monitor;
    double *rates; /* [groups] */
    int64_t step, updates, epochs;
    bool finite;
} loop;

static void release_loop(loop *l) {
    bal_batcher_free(l->batches);
    bal_eval_set_release(&l->val);
    bal_network_free(l->network);
    bal_free(l->rates);
}

static bal_status init_set(bal_eval_set *set, const loop *l, bal_backend *backend, int part,
                           bal_error *err) {
    const bal_split *split = &l->dataset->split;
    return bal_eval_set_init(set, l->dataset, backend, split->rows[part], split->count[part],
                             l->recipe->train.eval_batch, err);
}

/** A zeroed loop with recipe, dataset and epochs filled in becomes ready; released by the caller,
 * also after a failure. */
static bal_status fill_loop(loop *l, bal_backend *backend, const bal_log_sink *log,
                            bal_error *err) {
    const bal_recipe *recipe = l->recipe;
    const bal_split *split = &l->dataset->split;
    bal_batch_field fields[BAL_HEADS_MAX + 1];
    int32_t n_fields = bal_dataset_fields(l->dataset, fields);
    const char *monitor = recipe->schedule.monitor[0] ? recipe->schedule.monitor : recipe->monitor;
    BAL_TRY(bal_metric_path_parse(monitor, &l->plateau_monitor, err));
    l->schedule = bal_schedule_find(recipe->schedule.options.kind);
    bal_schedule_state_init(&l->schedule_state);
    BAL_TRY(bal_network_new(recipe, l->dataset, backend, &l->network, err));
    if (recipe->model.init_from[0]) {
        bal_transfer transfer;
        BAL_TRY(bal_network_transfer(l->network, recipe->model.init_from, log, &transfer, err));
    }
    l->rates = bal_calloc((size_t)bal_network_groups(l->network), sizeof *l->rates);
    if (!l->rates) return bal_fail_memory(err, sizeof *l->rates);
    BAL_TRY(bal_batcher_new(backend, fields, n_fields, split->rows[BAL_SPLIT_TRAIN],
                            split->count[BAL_SPLIT_TRAIN], recipe->train.batch_size, true,
                            (uint64_t)recipe->seed, &l->batches, err));
    return init_set(&l->val, l, backend, BAL_SPLIT_VAL, err);
}

static bal_status take_step(loop *l, bal_error *err) {
    bal_batch batch;
    bal_step_result result;
    int64_t batches = bal_batcher_batches(l->batches);
    BAL_TRY(bal_batcher_next(l->batches, &batch, err));
    for (int32_t i = 0; i < bal_network_groups(l->network); i++)
        l->rates[i] =
            bal_schedule_rate(l->schedule, &l->recipe->schedule.options, &l->schedule_state,
                              bal_network_group(l->network, i)->lr, l->step, batches, l->epochs);
    const bal_step_controls controls = {
        .seed = (uint64_t)l->recipe->seed,
        .step = l->step,
        .updates = l->updates,
        .rate = l->rates,
        .clip_norm = l->recipe->optimizer.clip_norm,
    };
    BAL_TRY(bal_network_step(l->network, &batch, &controls, &result, err));
    l->step++;
    l->updates += result.applied;
    l->finite = isfinite(result.loss);
    return BAL_OK;
}

/* ---- what is kept ---- */

void bal_signal_fit_release(bal_signal_fit *fit) {
    for (int32_t h = 0; h < fit->n_heads; h++) {
        bal_free(fit->kept[h].offset);
        bal_free(fit->kept[h].attempt);
        bal_free(fit->kept[h].outputs);
    }
    *fit = (bal_signal_fit){0};
}

static bal_status init_fit(bal_signal_fit *fit, const bal_dataset *dataset, bal_error *err) {
    *fit = (bal_signal_fit){.n_heads = dataset->n_heads};
    for (int32_t h = 0; h < dataset->n_heads; h++) {
        const bal_head_data *head = &dataset->heads[h];
        bal_signal_kept *kept = &fit->kept[h];
        size_t width = (size_t)(head->labels ? head->classes.count : head->outputs);
        size_t n = (size_t)dataset->split.count[BAL_SPLIT_TEST] * (size_t)head->outputs;
        kept->offset = bal_calloc(width, sizeof *kept->offset);
        kept->attempt = bal_calloc(width, sizeof *kept->attempt);
        kept->outputs = bal_calloc(n, sizeof *kept->outputs);
        if (!kept->offset || !kept->attempt || !kept->outputs)
            return bal_fail_memory(err, n * sizeof *kept->outputs);
        kept->calibration.offset = kept->offset;
        kept->val_skill = kept->balanced_accuracy = NAN;
    }
    return BAL_OK;
}

/** Everything one run looks at while it trains. */
typedef struct looker {
    bal_eval_set test;
    bal_signal_truth
        truth[BAL_HEADS_MAX]; /* of the validation rows, labels as they are in the run */
} looker;

static void release_looker(looker *look) {
    bal_eval_set_release(&look->test);
    for (int32_t h = 0; h < BAL_HEADS_MAX; h++)
        bal_signal_truth_release(&look->truth[h]);
}

static bal_status init_looker(looker *look, const loop *l, bal_backend *backend, bal_error *err) {
    const bal_dataset *dataset = l->dataset;
    BAL_TRY(init_set(&look->test, l, backend, BAL_SPLIT_TEST, err));
    for (int32_t h = 0; h < dataset->n_heads; h++)
        BAL_TRY(bal_signal_truth_init(&look->truth[h], &dataset->heads[h],
                                      dataset->split.rows[BAL_SPLIT_VAL],
                                      dataset->split.count[BAL_SPLIT_VAL], err));
    return BAL_OK;
}

static void keep(bal_signal_kept *kept, const looker *look, int32_t h, int64_t epoch, double skill,
                 const bal_calibration *calibration) {
    const bal_head_data *head = look->truth[h].head;
    memcpy(kept->offset, calibration->offset, (size_t)look->truth[h].width * sizeof *kept->offset);
    memcpy(kept->outputs, look->test.outputs[h],
           (size_t)look->test.n_rows * (size_t)head->outputs * sizeof *kept->outputs);
    kept->calibration.sharpness = calibration->sharpness;
    kept->calibration.share = calibration->share;
    kept->epoch = epoch;
    kept->val_skill = skill;
    kept->balanced_accuracy =
        head->labels ? bal_metric_find("balanced_accuracy")->compute(look->test.scores[h], -1, NULL)
                     : NAN;
}

/** Skill on the validation rows of every head; where it is the greatest so far, the test outputs of
 *  these weights are kept. */
static bal_status evaluate(bal_signal_fit *fit, loop *l, looker *look, int64_t epoch,
                           bal_error *err) {
    bool tested = false;
    BAL_TRY(bal_eval_set_run(&l->val, l->network, err));
    for (int32_t h = 0; h < fit->n_heads; h++) {
        bal_signal_kept *kept = &fit->kept[h];
        bal_calibration calibration;
        double skill =
            bal_calibrate(&look->truth[h], l->val.outputs[h], kept->attempt, &calibration);
        if (isnan(skill) || skill <= kept->val_skill) continue;
        if (!tested) BAL_TRY(bal_eval_set_run(&look->test, l->network, err));
        tested = true;
        keep(kept, look, h, epoch, skill, &calibration);
    }
    if (l->schedule->reacts)
        bal_schedule_observe(l->schedule, &l->recipe->schedule.options, &l->schedule_state,
                             bal_eval_set_metric(&l->val, &l->plateau_monitor),
                             l->recipe->optimizer.lr);
    return BAL_OK;
}

/* ---- the run ---- */

static bal_status report(bal_signal_watch *watch, bal_error *err) {
    const bal_signal_options *options = watch->options;
    watch->progress.seconds = bal_clock_seconds() - watch->started;
    if (options->progress) options->progress(options->user, &watch->progress);
    if (options->cancel && options->cancel(options->user))
        return bal_fail(err, BAL_ECANCELED, "cancelled");
    return BAL_OK;
}

/** The epochs of one stage; those before it count in what is told and kept. */
static bal_status train(bal_signal_fit *fit, loop *l, looker *look, bal_signal_watch *watch,
                        bal_error *err) {
    const bal_signal_options *options = watch->options;
    int64_t batches = bal_batcher_batches(l->batches);
    for (int64_t epoch = 1; epoch <= l->epochs && l->finite; epoch++) {
        for (int64_t batch = 0; batch < batches && l->finite; batch++) {
            if (options->cancel && options->cancel(options->user))
                return bal_fail(err, BAL_ECANCELED, "cancelled");
            BAL_TRY(take_step(l, err));
        }
        watch->progress.epoch++;
        if (l->finite) BAL_TRY(evaluate(fit, l, look, watch->progress.epoch, err));
        BAL_TRY(report(watch, err));
    }
    return BAL_OK;
}

/* ---- stages ---- */

int32_t bal_signal_stages(const bal_recipe *recipe) {
    return recipe->n_stages > 0 ? recipe->n_stages : 1;
}

const bal_recipe *bal_signal_stage(const bal_recipe *recipe, int32_t stage) {
    return recipe->n_stages > 0 ? recipe->stages[stage].recipe : recipe;
}

int64_t bal_signal_epochs(const bal_recipe *recipe) {
    int64_t epochs = 0;
    for (int32_t stage = 0; stage < bal_signal_stages(recipe); stage++)
        epochs += bal_signal_stage(recipe, stage)->train.epochs;
    return epochs;
}

/** Of `total` epochs those before a stage, in proportion to the recipe's. */
static int64_t epochs_before(const bal_recipe *recipe, int32_t stage, int64_t total) {
    double before = 0;
    for (int32_t s = 0; s < stage; s++)
        before += (double)bal_signal_stage(recipe, s)->train.epochs;
    return llround((double)total * before / (double)bal_signal_epochs(recipe));
}

/** The model's tensors of one network into another of the same names, where they are of one size.
 */
static bal_status carry_weights(bal_network *from, bal_network *to, bal_error *err) {
    const bal_store *source = bal_network_store(from);
    bal_store *target = bal_network_store(to);
    for (size_t i = 0; i < target->n_entries; i++) {
        const bal_store_entry *entry = &target->entries[i];
        const bal_store_entry *before = bal_store_find(source, entry->name);
        if (entry->role != BAL_ROLE_PARAMETER && entry->role != BAL_ROLE_STATISTIC) continue;
        if (!before || before->bytes != entry->bytes) continue;
        void *bytes = bal_calloc(1, entry->bytes);
        if (!bytes) return bal_fail_memory(err, entry->bytes);
        bal_status status = bal_store_read(source, before, bytes, err);
        if (status == BAL_OK) status = bal_store_write(target, entry, bytes, err);
        bal_free(bytes);
        BAL_TRY(status);
    }
    return BAL_OK;
}

/** What the stages of one run share. */
typedef struct course {
    const bal_recipe *recipe; /* the whole */
    int64_t seed;
    bal_dataset *dataset;
    bal_backend *backend;
    bal_network **done; /* [stages] networks of the stages that are over */
} course;

static bal_status run_stage(bal_signal_fit *fit, course *c, int32_t stage, bal_signal_watch *watch,
                            bal_error *err) {
    bal_recipe recipe = *bal_signal_stage(c->recipe, stage); /* borrows all but the seed */
    int64_t total = watch->progress.epochs;
    int32_t from = c->recipe->n_stages > 0 ? c->recipe->stages[stage].from : -1;
    loop l = {.recipe = &recipe, .dataset = c->dataset, .finite = true};
    looker look = {0};
    bal_status status;
    recipe.seed = c->seed + stage; /* another order of rows, other dropout */
    l.epochs = epochs_before(c->recipe, stage + 1, total) - epochs_before(c->recipe, stage, total);
    BAL_TRY_OUT(bal_dataset_use(c->dataset, bal_signal_stage(c->recipe, stage), err));
    BAL_TRY_OUT(fill_loop(&l, c->backend, &watch->options->log, err));
    if (from >= 0) BAL_TRY_OUT(carry_weights(c->done[from], l.network, err));
    BAL_TRY_OUT(init_looker(&look, &l, c->backend, err));
    BAL_TRY_OUT(train(fit, &l, &look, watch, err));
    c->done[stage] = l.network;
    l.network = NULL;
out:
    release_looker(&look);
    release_loop(&l);
    return status;
}

bal_status bal_signal_fit_run(bal_signal_fit *fit, const bal_recipe *recipe, int64_t seed,
                              bal_dataset *dataset, bal_backend *backend, bal_signal_watch *watch,
                              bal_error *err) {
    int32_t stages = bal_signal_stages(recipe);
    course c = {.recipe = recipe, .seed = seed, .dataset = dataset, .backend = backend};
    bal_status status;
    watch->progress.epoch = 0;
    BAL_TRY_OUT(init_fit(fit, dataset, err));
    c.done = bal_calloc((size_t)stages, sizeof *c.done);
    if (!c.done) {
        status = bal_fail_memory(err, (size_t)stages * sizeof *c.done);
        goto out;
    }
    for (int32_t stage = 0; stage < stages; stage++)
        BAL_TRY_OUT(run_stage(fit, &c, stage, watch, err));
out:
    for (int32_t stage = 0; c.done && stage < stages; stage++)
        bal_network_free(c.done[stage]);
    bal_free(c.done);
    if (status != BAL_OK) bal_signal_fit_release(fit);
    return status;
}

/* ---- cost ---- */

/** Some steps and one evaluation by the clock; the first steps compile. */
static bal_status time_epoch(loop *l, bal_signal_fit *fit, looker *look, double *ret_seconds,
                             bal_error *err) {
    int64_t batches = bal_batcher_batches(l->batches);
    for (int i = 0; i < WARM_STEPS; i++)
        BAL_TRY(take_step(l, err));
    double start = bal_clock_seconds();
    for (int i = 0; i < TIMED_STEPS; i++)
        BAL_TRY(take_step(l, err));
    double step = (bal_clock_seconds() - start) / TIMED_STEPS;
    BAL_TRY(evaluate(fit, l, look, 1, err));
    start = bal_clock_seconds();
    BAL_TRY(evaluate(fit, l, look, 1, err));
    *ret_seconds = step * (double)batches + bal_clock_seconds() - start;
    return BAL_OK;
}

static bal_status measure_stage(const bal_recipe *recipe, bal_dataset *dataset,
                                bal_backend *backend, bal_signal_cost *ret_cost, bal_error *err) {
    loop l = {.recipe = recipe, .dataset = dataset, .epochs = 1, .finite = true};
    const bal_log_sink silent = {0};
    bal_signal_fit fit = {0};
    looker look = {0};
    bal_status status;
    BAL_TRY_OUT(bal_dataset_use(dataset, recipe, err));
    BAL_TRY_OUT(init_fit(&fit, dataset, err));
    BAL_TRY_OUT(fill_loop(&l, backend, &silent, err));
    /* Forward and backward, a multiplication and an addition each: 6 per weight and row. */
    ret_cost->work =
        6 * (double)bal_network_weights(l.network) * (double)dataset->split.count[BAL_SPLIT_TRAIN] +
        step_overhead * (double)bal_batcher_batches(l.batches);
    BAL_TRY_OUT(init_looker(&look, &l, backend, err));
    status = time_epoch(&l, &fit, &look, &ret_cost->seconds, err);
out:
    bal_signal_fit_release(&fit);
    release_looker(&look);
    release_loop(&l);
    return status;
}

bal_status bal_signal_measure(const bal_recipe *recipe, bal_dataset *dataset, bal_backend *backend,
                              bal_signal_cost *ret_cost, bal_error *err) {
    bal_signal_cost cost = {0};
    double all = (double)bal_signal_epochs(recipe);
    for (int32_t stage = 0; stage < bal_signal_stages(recipe); stage++) {
        const bal_recipe *part = bal_signal_stage(recipe, stage);
        double share = (double)part->train.epochs / all;
        bal_signal_cost one;
        BAL_TRY(measure_stage(part, dataset, backend, &one, err));
        cost.work += share * one.work;
        cost.seconds += share * one.seconds;
    }
    *ret_cost = cost;
    return BAL_OK;
}
