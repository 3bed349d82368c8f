/* What a finished run leaves behind. The best eligible weights are restored whoever stopped the
 * run; a run that collapsed and never had an eligible evaluation hands over no model at all. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/npz.h"
#include "metric/metric_table.h"
#include "metric/scores.h"
#include "train/model_file.h"
#include "train/run.h"

enum { TRY_ROWS = 100 };

/* ---- metrics as JSON ---- */

typedef struct undefined_list {
    const char *name[64];
    const char *reason[64];
    int n;
} undefined_list;

static void write_metric(const bal_metric *metric, const bal_scores *scores,
                         undefined_list *undefined, bal_json_out *out) {
    const char *reason = "";
    double value = metric->compute(scores, -1, &reason);
    bal_json_out_named_number(out, metric->name, value);
    if (strcmp(reason, bal_metric_no_memory) == 0) out->text->failed = true;
    if (isnan(value) && undefined->n < 64) {
        undefined->name[undefined->n] = metric->name;
        undefined->reason[undefined->n++] = reason;
    }
}

static void write_per_class(const bal_head_data *head, const bal_scores *scores,
                            bal_json_out *out) {
    bal_json_out_key(out, "per_class");
    bal_json_out_object(out);
    for (int32_t c = 0; c < head->classes.count; c++) {
        bal_json_out_key(out, head->classes.names[c]);
        bal_json_out_object(out);
        for (const bal_metric *const *metric = bal_metric_table; *metric; metric++) {
            const char *reason;
            if ((*metric)->per_class && ((*metric)->kinds & BAL_HEAD_BIT(head->recipe->kind)))
                bal_json_out_named_number(out, (*metric)->name,
                                          (*metric)->compute(scores, c, &reason));
        }
        bal_json_out_object_end(out);
    }
    bal_json_out_object_end(out);
}

/** Of a binary head both, since most other metrics hide that one class is lost. */
static void write_recall(const bal_head_data *head, const bal_scores *scores, bal_json_out *out) {
    if (head->recipe->kind != BAL_HEAD_BINARY) return;
    bal_json_out_key(out, "recall");
    bal_json_out_object(out);
    for (int32_t c = 0; c < head->classes.count; c++)
        bal_json_out_named_number(out, head->classes.names[c],
                                  bal_metric_recall.compute(scores, c, NULL));
    bal_json_out_object_end(out);
}

static void write_prior(const bal_head_data *head, const bal_scores *scores, bal_json_out *out) {
    bal_scores *prior = NULL;
    if (bal_scores_prior(scores, &prior, NULL) != BAL_OK) {
        out->text->failed = true; /* out of memory, like any other failure to append */
        return;
    }
    undefined_list ignored = {.n = 0};
    bal_json_out_key(out, "prior");
    bal_json_out_object(out);
    for (const bal_metric *const *metric = bal_metric_table; *metric; metric++)
        if ((*metric)->cheap && bal_head_has_metric(head->recipe, *metric))
            write_metric(*metric, prior, &ignored, out);
    write_recall(head, prior, out);
    bal_json_out_object_end(out);
    bal_scores_free(prior);
}

static void write_head(const bal_eval_set *set, int32_t h, bool per_class, bal_json_out *out) {
    const bal_head_data *head = &set->dataset->heads[h];
    const bal_scores *scores = set->scores[h];
    undefined_list undefined = {.n = 0};
    bal_json_out_key(out, head->recipe->name);
    bal_json_out_object(out);
    bal_json_out_named_integer(out, "rows", bal_scores_rows(scores));
    if (head->labels) bal_json_out_named_integer(out, "classes", head->classes.count);
    /* All that follows is of what the head learns. */
    if (strcmp(head->recipe->transform, "none") != 0)
        bal_json_out_named_string(out, "transform", head->recipe->transform);
    bal_json_out_named_number(out, "loss", set->loss[h]);
    for (const bal_metric *const *metric = bal_metric_table; *metric; metric++)
        if (bal_head_has_metric(head->recipe, *metric))
            write_metric(*metric, scores, &undefined, out);
    write_recall(head, scores, out);
    write_prior(head, scores, out);
    if (undefined.n > 0) {
        bal_json_out_key(out, "undefined");
        bal_json_out_object(out);
        for (int i = 0; i < undefined.n; i++)
            bal_json_out_named_string(out, undefined.name[i], undefined.reason[i]);
        bal_json_out_object_end(out);
    }
    if (per_class && head->labels) write_per_class(head, scores, out);
    bal_json_out_object_end(out);
}

void bal_eval_set_json(const bal_eval_set *set, bool per_class, bal_json_out *out) {
    bal_json_out_object(out);
    for (int32_t h = 0; h < set->dataset->n_heads; h++)
        if (set->scores[h]) write_head(set, h, per_class, out);
    bal_json_out_object_end(out);
}

/* ---- model and artefacts ---- */

/** Best weights back into the store. *ret_stage -1: there is no eligible checkpoint. */
static bal_status restore_best(bal_trainer *trainer, int32_t *ret_stage, bal_error *err) {
    BAL_TRY(bal_trainer_restore_best(trainer, ret_stage, err));
    if (*ret_stage >= 0) return BAL_OK;
    bal_log_printf(
        &trainer->hooks->log, BAL_LOG_WARN,
        "no evaluation was eligible (finite, not collapsed, above the prior baseline): %s",
        trainer->outcome == BAL_OUTCOME_COLLAPSED ? "no model is handed over"
                                                  : "the model is the last state");
    return BAL_OK;
}

static bal_status write_model(bal_trainer *trainer, bal_error *err) {
    char *path = bal_run_folder_path(trainer->folder, BAL_RUN_MODEL);
    if (!path) return bal_fail_memory(err, 0);
    bal_predictor *predictor = NULL;
    bal_text text = {0};
    bal_json_out out;
    bal_status status =
        bal_model_write(path, trainer->recipe, trainer->dataset, trainer->network, err);
    /* The file just written is what users get, so that is what is tried. */
    if (status == BAL_OK) status = bal_predictor_open(path, trainer->backend, &predictor, err);
    if (status == BAL_OK) {
        bal_json_out_init(&out, &text, 2);
        status = bal_predictor_try(predictor, TRY_ROWS, (uint64_t)trainer->recipe->seed, &out, err);
    }
    bal_predictor_close(predictor);
    bal_free(path);
    if (status != BAL_OK) {
        bal_text_release(&text);
        return status;
    }
    bal_text_puts(&text, "\n");
    return bal_run_folder_put(trainer->folder, BAL_RUN_RESPONSE, &text, err);
}

static bal_status add_tensor(bal_npz_writer *writer, const char *head, const char *name,
                             bal_dtype dtype, bal_shape shape, void *data, bal_error *err) {
    char key[128];
    snprintf(key, sizeof key, "%s.%s", head, name);
    bal_tensor tensor = {.dtype = dtype, .shape = shape, .data = data};
    return bal_npz_writer_add(writer, key, &tensor, err);
}

/** Values in the units of the data, as `predict` gives them. */
static bal_status add_values(bal_npz_writer *writer, const bal_head_data *head, const char *name,
                             bal_shape shape, const float *values, bal_error *err) {
    bal_model_head about = {.outputs = head->outputs,
                            .is_log = strcmp(head->recipe->transform, "log") == 0};
    size_t n = (size_t)bal_shape_count(&shape);
    float *copy = bal_calloc(n, sizeof *copy);
    if (!copy) return bal_fail_memory(err, n * sizeof *copy);
    if (n > 0) memcpy(copy, values, n * sizeof *copy);
    bal_model_head_undo_transform(&about, copy, shape.dim[0]);
    bal_status status = add_tensor(writer, head->recipe->name, name, BAL_F32, shape, copy, err);
    bal_free(copy);
    return status;
}

static bal_status add_head(bal_npz_writer *writer, const bal_eval_set *set, int32_t h,
                           bal_error *err) {
    const bal_head_data *head = &set->dataset->heads[h];
    const char *name = head->recipe->name;
    int64_t n = set->n_rows;
    bal_shape rows = BAL_SHAPE1(n), matrix = BAL_SHAPE2(n, head->outputs);
    if (!head->labels) {
        BAL_TRY(add_values(writer, head, "predictions", matrix, set->outputs[h], err));
        return add_values(writer, head, "targets", matrix, set->targets[h], err);
    }
    int32_t width = head->classes.count;
    bal_model_head shape = {.kind = head->recipe->kind, .outputs = head->outputs};
    float *probabilities = bal_calloc((size_t)n * (size_t)width, sizeof *probabilities);
    int32_t *predictions = bal_calloc((size_t)n, sizeof *predictions);
    bal_status status = BAL_OK;
    if (!probabilities || !predictions) {
        status = bal_fail_memory(err, (size_t)n * (size_t)width * sizeof *probabilities);
        goto out;
    }
    bal_model_head_probabilities(&shape, set->outputs[h], n, probabilities);
    for (int64_t row = 0; row < n; row++)
        predictions[row] = bal_model_head_class(&shape, set->outputs[h] + row * head->outputs);
    BAL_TRY_OUT(add_tensor(writer, name, "predictions", BAL_I32, rows, predictions, err));
    BAL_TRY_OUT(add_tensor(writer, name, "probabilities", BAL_F32, BAL_SHAPE2(n, width),
                           probabilities, err));
    BAL_TRY_OUT(add_tensor(writer, name, "labels", BAL_I32, rows, set->labels[h], err));
    char key[128];
    bal_shape classes = BAL_SHAPE1(width);
    snprintf(key, sizeof key, "%s.classes", name);
    status = bal_npz_writer_add_text(writer, key, (const char *const *)head->classes.names,
                                     &classes, err);
out:
    bal_free(probabilities);
    bal_free(predictions);
    return status;
}

static bal_status write_predictions(const bal_trainer *trainer, const bal_eval_set *test,
                                    bal_error *err) {
    if (test->n_rows == 0) return BAL_OK;
    char *path = bal_run_folder_path(trainer->folder, BAL_RUN_PREDICTIONS);
    if (!path) return bal_fail_memory(err, 0);
    bal_npz_writer *writer = NULL;
    bal_status status = bal_npz_writer_open(path, true, &writer, err);
    bal_free(path);
    if (status != BAL_OK) return status;
    bal_tensor rows = {
        .dtype = BAL_I64, .shape = BAL_SHAPE1(test->n_rows), .data = (void *)(uintptr_t)test->rows};
    status = bal_npz_writer_add(writer, "rows", &rows, err);
    for (int32_t h = 0; h < trainer->dataset->n_heads && status == BAL_OK; h++)
        status = add_head(writer, test, h, err);
    if (status == BAL_OK) return bal_npz_writer_commit(writer, err);
    bal_npz_writer_abort(writer);
    return status;
}

/** health.json names the remedies that were tried, by their numbers in the recipe. */
static bal_status write_health(bal_trainer *trainer, bal_error *err) {
    enum { TEXT = 96 };
    const bal_recipe_guard *guard = &trainer->recipe->guard;
    int32_t n = guard->n_remedies;
    bal_arena arena = {0};
    bal_text text = {0};
    const char **tried = bal_arena_alloc(&arena, (size_t)n, sizeof *tried);
    char *texts = bal_arena_alloc(&arena, (size_t)n, TEXT);
    bal_status status;
    if (tried && texts) {
        for (int32_t i = 0; i < n; i++) {
            tried[i] = texts + (size_t)i * TEXT;
            bal_remedy_text(&guard->remedies[i], texts + (size_t)i * TEXT, TEXT);
        }
        bal_guard_health_json(trainer->guard, tried, n, bal_outcome_name(trainer->outcome), &text);
        status = bal_run_folder_put(trainer->folder, BAL_RUN_HEALTH, &text, err);
    } else {
        status = bal_fail_memory(err, (size_t)n * TEXT);
    }
    bal_arena_release(&arena);
    return status;
}

static void write_set(bal_json_out *out, const char *split, const bal_eval_set *set) {
    bal_json_out_key(out, split);
    if (set) {
        bal_eval_set_json(set, false, out);
        return;
    }
    bal_json_out_object(out);
    bal_json_out_object_end(out);
}

static const bal_recipe *recipe_of(const bal_trainer *trainer, int32_t stage) {
    return trainer->whole->n_stages > 0 ? trainer->whole->stages[stage].recipe : trainer->whole;
}

static void write_monitor(const bal_trainer *trainer, int32_t stage, bal_json_out *out) {
    bal_json_out_key(out, "monitor");
    bal_json_out_object(out);
    bal_json_out_named_string(out, "name", recipe_of(trainer, stage)->monitor);
    bal_json_out_named_number(out, "value", bal_trainer_stage_result(trainer, stage).best_value);
    bal_json_out_object_end(out);
}

/** {"stage": NAME}, {"file": PATH}, or null for new weights. */
static void write_start(const bal_trainer *trainer, int32_t stage, bal_json_out *out) {
    const bal_recipe_stage *about = &trainer->whole->stages[stage];
    const char *file = about->recipe->model.init_from;
    bal_json_out_key(out, "from");
    if (about->from < 0 && !file[0]) {
        bal_json_out_string(out, NULL);
        return;
    }
    bal_json_out_object(out);
    if (about->from >= 0)
        bal_json_out_named_string(out, "stage", trainer->whole->stages[about->from].name);
    else
        bal_json_out_named_string(out, "file", file);
    bal_json_out_object_end(out);
}

/** Why a stage ended: "epochs" (all done), "patience", or what became of the run in it. */
static const char *end_of(const bal_trainer *trainer, int32_t stage) {
    if (stage == trainer->state.stage && trainer->outcome != BAL_OUTCOME_DONE)
        return bal_outcome_name(trainer->outcome);
    bool all = bal_trainer_stage_result(trainer, stage).epochs >=
               trainer->whole->stages[stage].recipe->train.epochs;
    return all ? "epochs" : "patience";
}

/** The stages begun so far; nothing for a recipe without. Their epochs count from 1 each. */
static void write_stages(const bal_trainer *trainer, bal_json_out *out) {
    int64_t step = 0;
    if (trainer->whole->n_stages == 0) return;
    bal_json_out_key(out, "stages");
    bal_json_out_array(out);
    for (int32_t i = 0; i <= trainer->state.stage; i++) {
        bal_stage_result result = bal_trainer_stage_result(trainer, i);
        bal_json_out_object(out);
        bal_json_out_named_string(out, "name", trainer->whole->stages[i].name);
        write_start(trainer, i, out);
        bal_json_out_named_integer(out, "epochs", result.epochs);
        bal_json_out_named_integer(out, "steps", result.step - step);
        bal_json_out_named_integer(out, "best_epoch", result.best_epoch);
        write_monitor(trainer, i, out);
        bal_json_out_named_string(out, "end", end_of(trainer, i));
        bal_json_out_object_end(out);
        step = result.step;
    }
    bal_json_out_array_end(out);
}

/** Epoch of the run that a stage had its best in; 0 when it had none. */
static int64_t best_epoch_of(const bal_trainer *trainer, int32_t stage) {
    int64_t epoch = bal_trainer_stage_result(trainer, stage).best_epoch;
    for (int32_t i = 0; epoch > 0 && i < stage; i++)
        epoch += trainer->ended[i].epochs;
    return epoch;
}

/** NULL sets have not been evaluated. `best`: the stage whose best is the model. */
static void write_summary(const bal_trainer *trainer, int32_t best, const bal_eval_set *val,
                          const bal_eval_set *test, bool has_model, bal_text *text) {
    const bal_train_state *state = &trainer->state;
    bal_json_out out;
    bal_json_out_init(&out, text, BAL_JSON_LINE);
    bal_json_out_object(&out);
    bal_json_out_named_string(&out, "run", trainer->folder->path);
    bal_json_out_named_string(&out, "name", trainer->recipe->name);
    bal_json_out_named_string(&out, "status", bal_outcome_name(trainer->outcome));
    bal_json_out_named_integer(&out, "epochs", bal_trainer_epoch(trainer));
    bal_json_out_named_integer(&out, "steps", state->step);
    bal_json_out_named_integer(&out, "best_epoch", best_epoch_of(trainer, best));
    if (trainer->whole->n_stages > 0)
        bal_json_out_named_string(&out, "best_stage", trainer->whole->stages[best].name);
    write_monitor(trainer, best, &out);
    write_stages(trainer, &out);
    write_set(&out, "val", val);
    write_set(&out, "test", test);
    bal_json_out_named_integer(&out, "parameters", bal_network_weights(trainer->network));
    bal_json_out_named_integer(&out, "incidents", bal_guard_incidents(trainer->guard));
    bal_json_out_named_integer(&out, "rollbacks", bal_guard_rollbacks(trainer->guard));
    bal_json_out_key(&out, "model");
    bal_json_out_string(&out, has_model ? BAL_RUN_MODEL : NULL);
    bal_json_out_named_number(&out, "seconds", bal_trainer_seconds(trainer));
    bal_json_out_object_end(&out);
    bal_text_puts(text, "\n");
}

void bal_trainer_interrupted(const bal_trainer *trainer, bal_text *summary) {
    write_summary(trainer, (int32_t)trainer->state.stage, NULL, NULL, false, summary);
}

bal_status bal_trainer_finish(bal_trainer *trainer, bal_text *summary, bal_error *err) {
    const bal_dataset *dataset = trainer->dataset;
    bal_eval_set test = {0};
    int32_t best;
    BAL_TRY(restore_best(trainer, &best, err));
    bool has_model = best >= 0 || trainer->outcome != BAL_OUTCOME_COLLAPSED;
    if (has_model) BAL_TRY(write_model(trainer, err));
    BAL_TRY(bal_eval_set_run(&trainer->val, trainer->network, err));
    bal_status status = bal_eval_set_init(
        &test, dataset, trainer->backend, dataset->split.rows[BAL_SPLIT_TEST],
        dataset->split.count[BAL_SPLIT_TEST], trainer->recipe->train.eval_batch, err);
    if (status != BAL_OK) return status;
    BAL_TRY_OUT(bal_eval_set_run(&test, trainer->network, err));
    BAL_TRY_OUT(write_predictions(trainer, &test, err));
    BAL_TRY_OUT(bal_trainer_write_logs(trainer, err));
    BAL_TRY_OUT(write_health(trainer, err));
    write_summary(trainer, best < 0 ? (int32_t)trainer->state.stage : best, &trainer->val, &test,
                  has_model, summary);
    bal_text copy = {0};
    if (!bal_text_failed(summary)) bal_text_append(&copy, summary->data, summary->length);
    /* Last: its presence says that the run is complete. */
    status = bal_text_failed(summary)
                 ? bal_fail_memory(err, 0)
                 : bal_run_folder_put(trainer->folder, BAL_RUN_SUMMARY, &copy, err);
out:
    bal_eval_set_release(&test);
    return status;
}
