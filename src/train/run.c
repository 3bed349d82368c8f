/* A run from recipe to folder, and back from a folder. See train/run.h. */
#include "train/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/npy.h"

/** Everything a run holds, in the order it is made; released in the opposite order. */
typedef struct run_parts {
    bal_dataset *dataset;
    bal_backend *backend;
    bal_run_folder folder;
    bal_trainer trainer;
    bool has_trainer;
} run_parts;

static void release_parts(run_parts *parts) {
    if (parts->has_trainer) bal_trainer_release(&parts->trainer);
    bal_backend_close(parts->backend);
    bal_dataset_free(parts->dataset);
    bal_run_folder_release(&parts->folder);
}

static bal_status prepare(run_parts *parts, const bal_recipe *recipe,
                          const bal_run_options *options, bal_error *err) {
    bal_backend_options backend = {.threads = options->threads, .isa = options->isa};
    BAL_TRY(bal_dataset_new(recipe, &options->hooks.log, &parts->dataset, err));
    return bal_backend_open(NULL, &backend, &parts->backend, err);
}

/** Before the trainer takes memory for what may not fit. */
static bal_status inspect(const run_parts *parts, const bal_recipe *recipe,
                          const bal_run_options *options, bal_error *err) {
    bal_device_facts facts;
    if (!options->inspect || strcmp(recipe->check, "off") == 0)
        BAL_TRY(bal_dataset_tell_duplicates(parts->dataset, &options->hooks.log, err));
    if (!options->inspect) return BAL_OK;
    bal_backend_facts(parts->backend, &facts);
    return options->inspect(recipe, parts->dataset, &facts, &options->hooks.log, err);
}

static bal_status start_trainer(run_parts *parts, const bal_recipe *recipe,
                                const bal_run_options *options, bal_error *err) {
    BAL_TRY(bal_trainer_init(&parts->trainer, recipe, parts->dataset, parts->backend,
                             &parts->folder, &options->hooks, err));
    parts->has_trainer = true;
    return BAL_OK;
}

/* ---- what a new run writes before its first step ---- */

static bal_status put_string(const bal_run_folder *folder, const char *name, const char *string,
                             bal_error *err) {
    bal_text text = {0};
    bal_text_puts(&text, string);
    return bal_run_folder_put(folder, name, &text, err);
}

static bal_status write_environment(const run_parts *parts, bal_error *err) {
    bal_device_facts facts;
    bal_text text = {0};
    bal_json_out out;
    char stamp[48];
    bal_backend_facts(parts->backend, &facts);
    bal_clock_stamp(stamp, sizeof stamp);
    bal_json_out_init(&out, &text, 2);
    bal_json_out_object(&out);
    bal_json_out_named_string(&out, "started", stamp);
    bal_json_out_named_string(&out, "ballast", BAL_LIBRARY_VERSION);
    bal_json_out_named_string(&out, "device", facts.name);
    bal_json_out_named_string(&out, "description", facts.description);
    bal_json_out_named_string(&out, "isa", facts.isa);
    bal_json_out_named_integer(&out, "threads", facts.threads);
    bal_json_out_named_integer(&out, "memory_bytes", (int64_t)facts.memory_bytes);
    bal_json_out_object_end(&out);
    bal_text_puts(&text, "\n");
    return bal_run_folder_put(&parts->folder, BAL_RUN_ENV, &text, err);
}

static bal_status write_vector(const bal_run_folder *folder, const char *name, const float *values,
                               int32_t n, bal_error *err) {
    char *path = bal_run_folder_path(folder, name);
    if (!path) return bal_fail_memory(err, 0);
    bal_tensor tensor = {
        .dtype = BAL_F32, .shape = BAL_SHAPE1(n), .data = (void *)(uintptr_t)values};
    bal_status status = bal_npy_write(path, &tensor, err);
    bal_free(path);
    return status;
}

static bal_status write_beginning(const run_parts *parts, const bal_recipe *recipe,
                                  const bal_run_options *options, bal_error *err) {
    const bal_run_folder *folder = &parts->folder;
    const bal_scaler *scaler = &parts->dataset->scaler;
    BAL_TRY(put_string(folder, BAL_RUN_RESOLVED, recipe->resolved, err));
    if (options->command) BAL_TRY(put_string(folder, BAL_RUN_COMMAND, options->command, err));
    BAL_TRY(write_environment(parts, err));
    BAL_TRY(write_vector(folder, BAL_RUN_MEAN, scaler->shift, scaler->features, err));
    BAL_TRY(write_vector(folder, BAL_RUN_STD, scaler->scale, scaler->features, err));
    BAL_TRY(bal_trainer_write_class_weights(&parts->trainer, err));
    BAL_TRY(put_string(folder, BAL_RUN_INCIDENTS, "", err));
    return put_string(folder, BAL_RUN_RECIPE, recipe->source, err);
}

/* ---- running ---- */

static bal_status run_and_finish(run_parts *parts, bal_run_result *ret_result, bal_error *err) {
    bal_trainer *trainer = &parts->trainer;
    bal_run_result result = {0};
    BAL_TRY(bal_trainer_run(trainer, err));
    result.outcome = trainer->outcome;
    result.cancelled = trainer->cancelled;
    bal_status status = BAL_OK;
    if (trainer->outcome == BAL_OUTCOME_INTERRUPTED)
        bal_trainer_interrupted(trainer, &result.summary);
    else
        status = bal_trainer_finish(trainer, &result.summary, err);
    if (status == BAL_OK &&
        (!(result.folder = bal_strdup(parts->folder.path)) || bal_text_failed(&result.summary)))
        status = bal_fail_memory(err, 0);
    if (status != BAL_OK) {
        bal_run_result_release(&result);
        return status;
    }
    *ret_result = result;
    return BAL_OK;
}

bal_status bal_run_train(const bal_recipe *recipe, const bal_run_options *options,
                         bal_run_result *ret_result, bal_error *err) {
    run_parts parts = {0};
    bal_status status;
    BAL_TRY_OUT(prepare(&parts, recipe, options, err));
    BAL_TRY_OUT(inspect(&parts, recipe, options, err));
    /* What the recipe or the data have wrong shows before a folder is claimed. */
    BAL_TRY_OUT(start_trainer(&parts, recipe, options, err));
    BAL_TRY_OUT(bal_trainer_check_stages(&parts.trainer, err));
    BAL_TRY_OUT(bal_trainer_start_weights(&parts.trainer, err));
    BAL_TRY_OUT(bal_run_folder_claim(&parts.folder, options->folder, recipe->name, err));
    BAL_TRY_OUT(bal_run_folder_lock(&parts.folder, err));
    BAL_TRY_OUT(write_beginning(&parts, recipe, options, err));
    /* A run killed before its first epoch ends can be resumed too. */
    BAL_TRY_OUT(bal_trainer_write_last(&parts.trainer, err));
    status = run_and_finish(&parts, ret_result, err);
out:
    if (status != BAL_OK && parts.folder.path) bal_error_prefix(err, "%s", parts.folder.path);
    release_parts(&parts);
    return status;
}

/* ---- resuming ---- */

static bal_outcome outcome_of(const char *name) {
    for (int outcome = BAL_OUTCOME_DONE; outcome <= BAL_OUTCOME_INTERRUPTED; outcome++)
        if (name && strcmp(name, bal_outcome_name((bal_outcome)outcome)) == 0)
            return (bal_outcome)outcome;
    return BAL_OUTCOME_RUNNING;
}

/** The result of a run that is already complete. False in *ret_complete when it is not. */
static bal_status read_complete(const bal_run_folder *folder, bool *ret_complete,
                                bal_run_result *ret_result, bal_error *err) {
    char *path = bal_run_folder_path(folder, BAL_RUN_SUMMARY), *data = NULL;
    size_t size = 0;
    json_t *summary = NULL;
    *ret_complete = false;
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = BAL_OK;
    if (!bal_path_exists(path)) goto out;
    BAL_TRY_OUT(bal_file_read(path, BAL_JSON_BYTES_MAX, &data, &size, err));
    BAL_TRY_OUT(bal_json_parse(data, size, path, &summary, err));
    bal_run_result result = {
        .outcome = outcome_of(json_string_value(json_object_get(summary, "status"))),
        .folder = bal_strdup(folder->path),
    };
    bal_text_append(&result.summary, data, size);
    if (!result.folder || bal_text_failed(&result.summary)) {
        bal_run_result_release(&result);
        status = bal_fail_memory(err, size);
        goto out;
    }
    *ret_complete = true;
    *ret_result = result;
out:
    json_decref(summary);
    bal_free(data);
    bal_free(path);
    return status;
}

/** A checkpoint, or, when the run died before its first one was whole, the start. */
static bal_status load_checkpoint(bal_trainer *trainer, bal_error *err) {
    bal_error why = {0};
    bal_status status = bal_trainer_read_last(trainer, &why);
    if (status != BAL_ENOTFOUND)
        return status == BAL_OK ? BAL_OK : bal_fail(err, status, "%s", why.message);
    bal_log_printf(&trainer->hooks->log, BAL_LOG_WARN, "no checkpoint yet: starting over");
    BAL_TRY(bal_trainer_start_weights(trainer, err));
    return bal_trainer_cut_logs(trainer, err);
}

bal_status bal_run_resume(const char *folder, const bal_run_options *options,
                          bal_run_result *ret_result, bal_error *err) {
    run_parts parts = {0};
    bal_recipe *recipe = NULL;
    char *path = NULL;
    bool complete = false;
    bal_status status;
    BAL_TRY_OUT(bal_run_folder_open(&parts.folder, folder, err));
    BAL_TRY_OUT(read_complete(&parts.folder, &complete, ret_result, err));
    if (complete) {
        bal_log_printf(&options->hooks.log, BAL_LOG_INFO, "%s is already complete", folder);
        goto out;
    }
    BAL_TRY_OUT(bal_run_folder_lock(&parts.folder, err));
    path = bal_run_folder_path(&parts.folder, BAL_RUN_RESOLVED);
    if (!path) {
        status = bal_fail_memory(err, 0);
        goto out;
    }
    BAL_TRY_OUT(bal_recipe_load(path, NULL, 0, &recipe, err));
    BAL_TRY_OUT(prepare(&parts, recipe, options, err));
    BAL_TRY_OUT(start_trainer(&parts, recipe, options, err));
    BAL_TRY_OUT(load_checkpoint(&parts.trainer, err));
    status = run_and_finish(&parts, ret_result, err);
out:
    bal_free(path);
    release_parts(&parts);
    bal_recipe_free(recipe);
    return status;
}

void bal_run_result_release(bal_run_result *result) {
    bal_free(result->folder);
    bal_text_release(&result->summary);
    result->folder = NULL;
}
