/* Making a trainer: network, validation rows, guard and controls from a recipe. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "train/trainer.h"

/* ---- the guard ---- */

static void describe_heads(const bal_dataset *dataset, bal_guard_head *ret_heads) {
    for (int32_t h = 0; h < dataset->n_heads; h++) {
        const bal_head_data *head = &dataset->heads[h];
        ret_heads[h] = (bal_guard_head){
            .name = head->recipe->name,
            .kind = head->recipe->kind,
            .classes = head->labels ? head->classes.count : head->outputs,
            .class_names = (const char *const *)head->classes.names,
            .prior = head->prior,
            .class_weights = head->class_weights,
            .untrained = head->recipe->weight == 0,
        };
    }
}

static void describe_detectors(const bal_recipe_guard *wanted, bal_detector_setting *ret_settings) {
    for (int32_t i = 0; i < wanted->n_detectors; i++) {
        const bal_recipe_detector *detector = &wanted->detectors[i];
        ret_settings[i] =
            (bal_detector_setting){detector->name, detector->enabled, detector->option,
                                   detector->value, detector->n_options};
    }
}

/** Whether the class that a metric is of exists: the recipe could not know, where it lists none. A
 *  rule about a class that nobody has would never be met, a monitor never defined. */
static bal_status check_class(const bal_dataset *dataset, const bal_metric_path *path,
                              const char *what, const bal_place *place, bal_error *err) {
    for (int32_t h = 0; path->class_name[0] && h < dataset->n_heads; h++) {
        const bal_head_data *head = &dataset->heads[h];
        if (strcmp(head->recipe->name, path->head) != 0) continue;
        if (bal_class_list_find(&head->classes, path->class_name) >= 0) return BAL_OK;
        return bal_place_fail(
            err, BAL_ERECIPE, place,
            "%s: head '%s' has no class '%s'; its %d classes go from '%s' to '%s'", what,
            path->head, path->class_name, (int)head->classes.count, head->classes.names[0],
            head->classes.names[head->classes.count - 1]);
    }
    return BAL_OK;
}

static bal_status describe_rules(const bal_dataset *dataset, const bal_recipe_guard *wanted,
                                 bal_guard_rule *ret_rules, bal_error *err) {
    for (int32_t i = 0; i < wanted->n_rules; i++) {
        const bal_recipe_rule *rule = &wanted->rules[i];
        ret_rules[i] = (bal_guard_rule){
            .text = rule->text,
            .value = rule->value,
            .after = rule->after,
            .has_action = rule->has_action,
            .action = rule->action,
        };
        memcpy(ret_rules[i].op, rule->op, sizeof ret_rules[i].op);
        BAL_TRY(bal_metric_path_parse(rule->path, &ret_rules[i].path, err));
        BAL_TRY(check_class(dataset, &ret_rules[i].path, "guard.rules", &rule->place, err));
    }
    return BAL_OK;
}

/** Class weights and focal losses are not in every run: a remedy without them changes nothing. */
static bal_remedy_aim aim_of(const bal_dataset *dataset, const bal_recipe_remedy *remedy) {
    bool weights = strcmp(remedy->kind, "class_weight_multiplier") == 0;
    bool gamma = strcmp(remedy->kind, "focal_gamma") == 0;
    if (!weights && !gamma) return BAL_REMEDY_STEPS;
    for (int32_t h = 0; h < dataset->n_heads; h++) {
        const bal_head_data *head = &dataset->heads[h];
        if (weights && head->class_weights) return BAL_REMEDY_WEIGHTS;
        if (gamma && strcmp(head->recipe->loss.kind, "focal") == 0) return BAL_REMEDY_STEPS;
    }
    return BAL_REMEDY_NOTHING;
}

static bal_status make_guard(bal_trainer *trainer, bal_error *err) {
    const bal_recipe_guard *wanted = &trainer->recipe->guard;
    size_t n_settings = (size_t)wanted->n_detectors, n_rules = (size_t)wanted->n_rules;
    bal_guard_head heads[BAL_HEADS_MAX];
    bal_detector_setting *settings = bal_calloc(n_settings, sizeof *settings);
    bal_guard_rule *rules = bal_calloc(n_rules, sizeof *rules);
    bal_remedy_aim *remedies = bal_calloc((size_t)wanted->n_remedies, sizeof *remedies);
    bal_status status = BAL_OK;
    if (!settings || !rules || !remedies) {
        status = bal_fail_memory(err, n_settings * sizeof *settings + n_rules * sizeof *rules);
        goto out;
    }
    for (int32_t i = 0; i < wanted->n_remedies; i++)
        remedies[i] = aim_of(trainer->dataset, &wanted->remedies[i]);
    describe_heads(trainer->dataset, heads);
    describe_detectors(wanted, settings);
    BAL_TRY_OUT(describe_rules(trainer->dataset, wanted, rules, err));
    const bal_guard_options options = {
        .policy = wanted->policy,
        .settings = settings,
        .n_settings = wanted->n_detectors,
        .rules = rules,
        .n_rules = wanted->n_rules,
        .n_remedies = wanted->n_remedies,
        .remedies = remedies,
        .max_rollbacks = wanted->max_rollbacks,
        .heads = heads,
        .n_heads = trainer->dataset->n_heads,
    };
    status = bal_guard_new(&options, &trainer->guard, err);
out:
    bal_free(settings);
    bal_free(rules);
    bal_free(remedies);
    return status;
}

/* ---- the trainer ---- */

static bal_status parse_monitors(bal_trainer *trainer, bal_error *err) {
    const bal_recipe *recipe = trainer->recipe;
    BAL_TRY(bal_metric_path_parse(recipe->monitor, &trainer->monitor, err));
    BAL_TRY(
        check_class(trainer->dataset, &trainer->monitor, "monitor", &recipe->monitor_place, err));
    trainer->plateau_monitor = trainer->monitor;
    if (!recipe->schedule.monitor[0]) return BAL_OK;
    BAL_TRY(bal_metric_path_parse(recipe->schedule.monitor, &trainer->plateau_monitor, err));
    return check_class(trainer->dataset, &trainer->plateau_monitor, "schedule.monitor",
                       &recipe->schedule.place, err);
}

/** Compile the training program now: what is wrong with a model shows before anything is written.
 */
static bal_status prepare_program(bal_trainer *trainer, bal_error *err) {
    bal_batch first;
    BAL_TRY(bal_batcher_next(trainer->batches, &first, err));
    BAL_TRY(bal_network_prepare(trainer->network, &first, err));
    return bal_batcher_seek(trainer->batches, bal_trainer_epoch(trainer), trainer->state.batch,
                            err);
}

static bal_status fill_trainer(bal_trainer *trainer, bal_error *err) {
    const bal_recipe *recipe = trainer->recipe;
    const bal_dataset *dataset = trainer->dataset;
    /* Recipes of evaluations have none by intent, so that reading them cannot refuse this. */
    if (recipe->data.split.val == 0)
        return bal_place_fail(
            err, BAL_ERECIPE, &recipe->data.split.place,
            "data.split.val is 0; wanted a share of the rows to watch training by");
    if (dataset->split.count[BAL_SPLIT_VAL] == 0)
        return bal_place_fail(err, BAL_EDATA, &recipe->data.split.place,
                              "no validation rows: raise data.split.val; without them nothing can "
                              "be watched");
    BAL_TRY(parse_monitors(trainer, err));
    trainer->schedule = bal_schedule_find(recipe->schedule.options.kind);
    BAL_TRY(bal_network_new(recipe, dataset, trainer->backend, &trainer->network, err));
    trainer->rates = bal_calloc((size_t)bal_network_groups(trainer->network), sizeof(double));
    if (!trainer->rates) return bal_fail_memory(err, sizeof(double));
    BAL_TRY(bal_eval_set_init(&trainer->val, dataset, trainer->backend,
                              dataset->split.rows[BAL_SPLIT_VAL],
                              dataset->split.count[BAL_SPLIT_VAL], recipe->train.eval_batch, err));
    BAL_TRY(make_guard(trainer, err));
    bal_train_state_init(&trainer->state, recipe);
    BAL_TRY(bal_trainer_apply_controls(trainer, err));
    return prepare_program(trainer, err);
}

/** All that belongs to one stage. */
static void release_stage(bal_trainer *trainer) {
    bal_batcher_free(trainer->batches);
    bal_eval_set_release(&trainer->val);
    bal_guard_free(trainer->guard);
    bal_network_free(trainer->network);
    bal_free(trainer->healthy.tensors);
    bal_text_release(&trainer->healthy.guard_memory);
    bal_free(trainer->rates);
    trainer->batches = NULL;
    trainer->val = (bal_eval_set){0};
    trainer->guard = NULL;
    trainer->network = NULL;
    trainer->healthy = (bal_snapshot){0};
    trainer->rates = NULL;
    trainer->has_prior = false;
}

bal_status bal_trainer_enter_stage(bal_trainer *trainer, int32_t stage, bal_error *err) {
    const bal_recipe *whole = trainer->whole;
    release_stage(trainer);
    trainer->recipe = whole->n_stages > 0 ? whole->stages[stage].recipe : whole;
    if (whole->n_stages > 0) BAL_TRY(bal_dataset_use(trainer->dataset, trainer->recipe, err));
    BAL_TRY(fill_trainer(trainer, err));
    trainer->state.stage = stage;
    return BAL_OK;
}

bal_status bal_trainer_init(bal_trainer *trainer, const bal_recipe *recipe, bal_dataset *dataset,
                            bal_backend *backend, bal_run_folder *folder,
                            const bal_train_hooks *hooks, bal_error *err) {
    *trainer = (bal_trainer){
        .whole = recipe,
        .recipe = recipe,
        .dataset = dataset,
        .backend = backend,
        .folder = folder,
        .hooks = hooks,
        .started = bal_clock_seconds(),
    };
    trainer->ended = bal_calloc((size_t)recipe->n_stages, sizeof *trainer->ended);
    bal_status status = trainer->ended ? bal_trainer_enter_stage(trainer, 0, err)
                                       : bal_fail_memory(err, sizeof *trainer->ended);
    if (status != BAL_OK) bal_trainer_release(trainer);
    return status;
}

void bal_trainer_release(bal_trainer *trainer) {
    release_stage(trainer);
    bal_free(trainer->ended);
    *trainer = (bal_trainer){0};
}
