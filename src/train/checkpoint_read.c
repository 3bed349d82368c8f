/* Reading checkpoints back: the last one, or, when that is damaged, the newest before it that is
 * whole. A digest over everything in the file tells: bits that have changed on a disk would
 * otherwise be trained on without a word. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "format/json.h"
#include "train/checkpoint.h"

/* ---- tensors ---- */

static bal_status fetch(const bal_safetensors *file, const char *prefix,
                        const bal_store_entry *entry, char *to, bal_error *err) {
    char name[320];
    snprintf(name, sizeof name, "%s%s", prefix, entry->name);
    const bal_safetensor *tensor = bal_safetensors_find(file, name);
    if (!tensor || tensor->dtype != entry->dtype || tensor->bytes != entry->bytes ||
        !bal_shape_equal(&tensor->shape, &entry->shape))
        return bal_fail(err, BAL_EFORMAT,
                        "%s is missing or has another shape: the file belongs to another recipe",
                        name);
    memcpy(to + entry->offset, tensor->data, entry->bytes);
    return BAL_OK;
}

/** All kept entries of a file into `to`, laid out as the store. */
static bal_status fetch_store(const bal_safetensors *file, const bal_store *store,
                              const char *prefix, bool weights_only, char *to, bal_error *err) {
    for (size_t i = 0; i < store->n_entries; i++)
        if (bal_checkpoint_keeps(&store->entries[i], weights_only))
            BAL_TRY(fetch(file, prefix, &store->entries[i], to, err));
    return BAL_OK;
}

static bal_status load_store(bal_trainer *trainer, const bal_safetensors *file, bool weights_only,
                             bal_error *err) {
    bal_store *store = bal_network_store(trainer->network);
    char *bytes = bal_calloc(store->bytes, 1);
    if (!bytes) return bal_fail_memory(err, store->bytes);
    bal_status status = bal_buffer_download(store->buffer, 0, bytes, store->bytes, err);
    if (status == BAL_OK) status = fetch_store(file, store, "", weights_only, bytes, err);
    if (status == BAL_OK) status = bal_buffer_upload(store->buffer, 0, bytes, store->bytes, err);
    bal_free(bytes);
    return status;
}

/* ---- guard and snapshot ---- */

static bal_status load_guard(bal_trainer *trainer, const bal_safetensors *file, bal_error *err) {
    const bal_safetensor *memory = bal_safetensors_find(file, BAL_CHECKPOINT_MEMORY);
    const bal_safetensor *ledger = bal_safetensors_find(file, BAL_CHECKPOINT_LEDGER);
    if (!memory || !ledger)
        return bal_fail(err, BAL_EFORMAT, "the guard's memory or ledger is missing");
    BAL_TRY(bal_guard_load_memory(trainer->guard, memory->data, memory->bytes, err));
    return bal_guard_load_ledger(trainer->guard, ledger->data, ledger->bytes, err);
}

/** The state that a rollback would restore: of its own, the current one, or none yet. */
static bal_status load_healthy(bal_trainer *trainer, const bal_safetensors *file, json_t *meta,
                               bal_error *err) {
    bal_snapshot *healthy = &trainer->healthy;
    bal_store *store = bal_network_store(trainer->network);
    healthy->valid = false;
    if (json_is_true(json_object_get(meta, "healthy_is_current")))
        return bal_trainer_keep_healthy(trainer, err);
    json_t *state = json_object_get(meta, "healthy");
    if (!state) return BAL_OK;
    const bal_safetensor *memory =
        bal_safetensors_find(file, BAL_CHECKPOINT_HEALTHY BAL_CHECKPOINT_MEMORY);
    if (!memory) return bal_fail(err, BAL_EFORMAT, "the healthy state's guard memory is missing");
    BAL_TRY(bal_trainer_keep_healthy(trainer, err)); /* room, and the scratch entries */
    BAL_TRY(bal_train_state_read(&healthy->state, state, err));
    BAL_TRY(fetch_store(file, store, BAL_CHECKPOINT_HEALTHY, false, healthy->tensors, err));
    bal_text_clear(&healthy->guard_memory);
    bal_text_append(&healthy->guard_memory, memory->data, memory->bytes);
    return bal_text_failed(&healthy->guard_memory) ? bal_fail_memory(err, memory->bytes) : BAL_OK;
}

/* ---- what is not tensors ---- */

static bal_status check_data(const bal_trainer *trainer, const json_t *meta, bal_error *err) {
    const char *then = json_string_value(json_object_get(meta, "data"));
    char now[20];
    snprintf(now, sizeof now, "%016" PRIx64, trainer->dataset->digest);
    if (then && strcmp(then, now) == 0) return BAL_OK;
    return bal_fail(err, BAL_EDATA,
                    "%s is not what it was when the checkpoint was written; bring the data back, "
                    "or train a new run on it (model.init_from takes over the weights)",
                    trainer->dataset->table->source);
}

/** A run goes on by what recipe.resolved.yaml says now, which may be more epochs; but it is told
 *  when that is another recipe than before. Values of another metric cannot be compared with the
 *  best so far, so that is refused. */
static bal_status check_recipe(const bal_trainer *trainer, const json_t *meta, bal_error *err) {
    const char *monitor = json_string_value(json_object_get(meta, "monitor"));
    const char *then = json_string_value(json_object_get(meta, "recipe"));
    char now[20];
    if (!monitor || strcmp(monitor, trainer->recipe->monitor) != 0)
        return bal_place_fail(err, BAL_ERECIPE, &trainer->recipe->monitor_place,
                              "monitor is %s, but the run was begun with %s; put it back, or train "
                              "a new run (model.init_from takes over the weights)",
                              trainer->recipe->monitor, monitor ? monitor : "none");
    snprintf(now, sizeof now, "%016" PRIx64, bal_checkpoint_recipe(trainer->recipe));
    if (!then || strcmp(then, now) != 0)
        bal_log_printf(&trainer->hooks->log, BAL_LOG_WARN,
                       BAL_RUN_RESOLVED
                       " has changed since the last checkpoint: the run goes on by "
                       "what it says now, not as the run that was begun");
    return BAL_OK;
}

/** A checkpoint of another stage than the trainer stands in: the run is to go on there. */
static bal_status match_stage(bal_trainer *trainer, const json_t *meta, bal_error *err) {
    const bal_recipe *whole = trainer->whole;
    const char *name = json_string_value(json_object_get(meta, "stage"));
    const json_t *state = json_object_get(meta, "state");
    int64_t stage = json_integer_value(json_object_get(state, "stage"));
    int64_t n = whole->n_stages > 0 ? whole->n_stages : 1;
    bool known = name && stage >= 0 && stage < n &&
                 strcmp(name, whole->n_stages > 0 ? whole->stages[stage].name : "") == 0;
    if (!known)
        return bal_fail(err, BAL_ERECIPE,
                        "the run stands in stage %lld, '%s', which its recipe does not have; put "
                        "the stages back as they were",
                        (long long)stage, name ? name : "");
    if (stage == trainer->state.stage) return BAL_OK;
    return bal_trainer_enter_stage(trainer, (int32_t)stage, err);
}

/** The metadata of a checkpoint that is whole and fits. */
static bal_status read_meta(bal_trainer *trainer, const bal_safetensors *file, json_t **ret_meta,
                            bal_error *err) {
    const char *text = bal_safetensors_metadata(file, BAL_CHECKPOINT_META);
    json_t *meta = NULL;
    if (!text) return bal_fail(err, BAL_EFORMAT, "it is not a checkpoint of ours");
    BAL_TRY(bal_file_check_digest(file, text, true, err));
    BAL_TRY(bal_json_parse(text, strlen(text), "state", &meta, err));
    int64_t version = json_integer_value(json_object_get(meta, "version"));
    bal_status status = BAL_OK;
    if (version != BAL_CHECKPOINT_VERSION)
        status = bal_fail(err, BAL_EFORMAT, "checkpoint version %lld; this program reads %d",
                          (long long)version, BAL_CHECKPOINT_VERSION);
    if (status == BAL_OK) status = match_stage(trainer, meta, err);
    if (status == BAL_OK) status = check_recipe(trainer, meta, err);
    if (status == BAL_OK) status = check_data(trainer, meta, err);
    if (status == BAL_OK)
        *ret_meta = meta;
    else
        json_decref(meta);
    return status;
}

bal_status bal_trainer_cut_logs(bal_trainer *trainer, bal_error *err) {
    static const char *const names[BAL_LOG_COUNT] = {BAL_RUN_METRICS, BAL_RUN_RESULTS,
                                                     BAL_RUN_INCIDENTS};
    for (int log = 0; log < BAL_LOG_COUNT; log++) {
        int64_t wanted = trainer->log_size[log];
        BAL_TRY(bal_run_folder_cut(trainer->folder, names[log], &trainer->log_size[log], err));
        if (trainer->log_size[log] < wanted)
            bal_log_printf(&trainer->hooks->log, BAL_LOG_WARN,
                           "%s has lost its last %lld bytes; the run itself is whole", names[log],
                           (long long)(wanted - trainer->log_size[log]));
    }
    return BAL_OK;
}

static bal_status load_ended(bal_trainer *trainer, const json_t *meta, bal_error *err) {
    const json_t *all = json_object_get(meta, "ended");
    if ((int64_t)json_array_size(all) != trainer->state.stage)
        return bal_fail(err, BAL_EFORMAT, "it does not know what the stages before came to");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *ended = json_array_get(all, i);
        bal_stage_result *result = &trainer->ended[i];
        result->epochs = json_integer_value(json_object_get(ended, "epochs"));
        result->step = json_integer_value(json_object_get(ended, "step"));
        result->best_epoch = json_integer_value(json_object_get(ended, "best_epoch"));
        result->best_evaluation = json_integer_value(json_object_get(ended, "best_evaluation"));
        if (!bal_json_number(json_object_get(ended, "best_value"), &result->best_value))
            return bal_fail(err, BAL_EFORMAT, "a stage before has no best value");
    }
    return BAL_OK;
}

static bal_status load_rest(bal_trainer *trainer, const json_t *meta, bal_error *err) {
    const json_t *logs = json_object_get(meta, "logs");
    int64_t outcome = json_integer_value(json_object_get(meta, "outcome"));
    double seconds = 0;
    if (json_array_size(logs) != BAL_LOG_COUNT || outcome < BAL_OUTCOME_RUNNING ||
        outcome > BAL_OUTCOME_INTERRUPTED ||
        !bal_json_number(json_object_get(meta, "seconds"), &seconds))
        return bal_fail(err, BAL_EFORMAT, "its state lacks the logs, the outcome or the time");
    trainer->outcome = (bal_outcome)outcome;
    trainer->seconds_before = seconds;
    for (int log = 0; log < BAL_LOG_COUNT; log++)
        trainer->log_size[log] = json_integer_value(json_array_get(logs, (size_t)log));
    return BAL_OK;
}

/* ---- files ---- */

static bal_status load_file(bal_trainer *trainer, const bal_safetensors *file, bal_error *err) {
    json_t *meta = NULL;
    bal_status status;
    BAL_TRY_OUT(read_meta(trainer, file, &meta, err));
    BAL_TRY_OUT(load_store(trainer, file, false, err));
    BAL_TRY_OUT(bal_train_state_read(&trainer->state, json_object_get(meta, "state"), err));
    BAL_TRY_OUT(load_guard(trainer, file, err));
    BAL_TRY_OUT(load_healthy(trainer, file, meta, err));
    BAL_TRY_OUT(load_ended(trainer, meta, err));
    BAL_TRY_OUT(load_rest(trainer, meta, err));
    status = bal_trainer_apply_controls(trainer, err);
out:
    json_decref(meta);
    return status;
}

static bal_status read_checkpoint(bal_trainer *trainer, int age, bal_error *err) {
    bal_safetensors *file = NULL;
    char *path = bal_checkpoint_path(trainer->folder, age);
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = bal_safetensors_open(path, &file, err);
    if (status == BAL_OK) {
        status = load_file(trainer, file, err);
        bal_error_prefix(err, "%s", path);
    }
    bal_safetensors_close(file);
    bal_free(path);
    return status;
}

/** Failures that an older checkpoint may not have. */
static bool is_of_the_file(bal_status status) {
    return status == BAL_EFORMAT || status == BAL_ENOTFOUND || status == BAL_EIO;
}

bal_status bal_trainer_read_last(bal_trainer *trainer, bal_error *err) {
    bal_error first = {0};
    bal_status status = read_checkpoint(trainer, 0, &first);
    for (int age = 1; is_of_the_file(status) && age < trainer->recipe->checkpoint.keep; age++) {
        bal_error why = {0};
        status = read_checkpoint(trainer, age, &why);
        if (status == BAL_OK)
            bal_log_printf(&trainer->hooks->log, BAL_LOG_WARN,
                           "%s; going on from an older checkpoint, at step %lld", first.message,
                           (long long)trainer->state.step);
        else if (first.status == BAL_ENOTFOUND || !is_of_the_file(status))
            first = why;
    }
    if (status != BAL_OK) return bal_fail(err, first.status, "%s", first.message);
    return bal_trainer_cut_logs(trainer, err);
}

/** Whether weights on disk come from a stage; BAL_ENOTFOUND when from another. */
static bal_status check_stage(const char *meta, int64_t stage, bal_error *err) {
    json_t *root;
    BAL_TRY(bal_json_parse(meta, strlen(meta), "state", &root, err));
    const json_t *found = json_object_get(json_object_get(root, "state"), "stage");
    bool same = json_is_integer(found) && json_integer_value(found) == stage;
    json_decref(root);
    return same ? BAL_OK : bal_fail(err, BAL_ENOTFOUND, "it is of another stage");
}

/** Weights of a stage. BAL_ENOTFOUND when the file is not there or is of another stage. */
static bal_status read_weights(bal_trainer *trainer, const char *name, int64_t stage,
                               bal_error *err) {
    bal_safetensors *file = NULL;
    char *path = bal_run_folder_path(trainer->folder, name);
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = bal_safetensors_open(path, &file, err);
    if (status == BAL_OK) {
        const char *meta = bal_safetensors_metadata(file, BAL_CHECKPOINT_META);
        status = bal_file_check_digest(file, meta ? meta : "", true, err);
        if (status == BAL_OK) status = check_stage(meta, stage, err);
        if (status == BAL_OK) status = load_store(trainer, file, true, err);
        bal_error_prefix(err, "%s", path);
    }
    bal_safetensors_close(file);
    bal_free(path);
    return status;
}

bal_status bal_trainer_read_stage(bal_trainer *trainer, int32_t stage, bal_error *err) {
    char name[BAL_CHECKPOINT_NAME];
    snprintf(name, sizeof name, BAL_RUN_STAGE, trainer->whole->stages[stage].name);
    return read_weights(trainer, name, stage, err);
}

/* Gone on from an older checkpoint, of a stage that had ended, the best may be of the one after it;
 * then its own lies in its file. */
bal_status bal_trainer_read_best(bal_trainer *trainer, bal_error *err) {
    bal_error why = {0};
    bal_status status = read_weights(trainer, BAL_RUN_BEST, trainer->state.stage, &why);
    if (status == BAL_ENOTFOUND && trainer->whole->n_stages > 0)
        return bal_trainer_read_stage(trainer, (int32_t)trainer->state.stage, err);
    return status == BAL_OK ? BAL_OK : bal_fail(err, status, "%s", why.message);
}
