/* Writing checkpoints: a run's whole state in one safetensors file.
 *
 * Tensors under their own names are the current ones. When the guard may have to roll back to an
 * earlier healthy state (one that is not the current), that state lies in the same file under
 * "healthy/", so that a resumed run recovers exactly as an uninterrupted one would: one file, one
 * rename, no pair of files that could disagree. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/checkpoint.h"

/** A list of tensors to write; names made here are freed with it. */
typedef struct tensor_list {
    bal_safetensor *items;
    size_t count, capacity;
    bal_arena names;
} tensor_list;

static bal_status add_tensor(tensor_list *list, bal_safetensor tensor, bal_error *err) {
    if (!tensor.name || !bal_reserve(list->items, list->capacity, list->count + 1))
        return bal_fail_memory(err, sizeof tensor);
    list->items[list->count++] = tensor;
    return BAL_OK;
}

static bal_status add_store(tensor_list *list, const bal_store *store, const char *bytes,
                            const char *prefix, bool weights_only, bal_error *err) {
    for (size_t i = 0; i < store->n_entries; i++) {
        const bal_store_entry *entry = &store->entries[i];
        if (!bal_checkpoint_keeps(entry, weights_only)) continue;
        BAL_TRY(add_tensor(list,
                           (bal_safetensor){
                               .name = bal_arena_printf(&list->names, "%s%s", prefix, entry->name),
                               .dtype = entry->dtype,
                               .shape = entry->shape,
                               .data = bytes + entry->offset,
                               .bytes = entry->bytes,
                           },
                           err));
    }
    return BAL_OK;
}

static bal_status add_bytes(tensor_list *list, const char *name, const bal_text *text,
                            bal_error *err) {
    if (bal_text_failed(text)) return bal_fail_memory(err, text->length);
    if (text->length == 0) return BAL_OK;
    return add_tensor(list,
                      (bal_safetensor){
                          .name = name,
                          .dtype = BAL_U8,
                          .shape = BAL_SHAPE1((int64_t)text->length),
                          .data = text->data,
                          .bytes = text->length,
                      },
                      err);
}

/** The state to roll back to, beside the current one. */
static bal_status add_healthy(tensor_list *list, const bal_trainer *trainer, bal_error *err) {
    const bal_snapshot *healthy = &trainer->healthy;
    BAL_TRY(add_store(list, bal_network_store(trainer->network), healthy->tensors,
                      BAL_CHECKPOINT_HEALTHY, false, err));
    return add_bytes(list, BAL_CHECKPOINT_HEALTHY BAL_CHECKPOINT_MEMORY, &healthy->guard_memory,
                     err);
}

static void release_list(tensor_list *list) {
    bal_free(list->items);
    bal_arena_release(&list->names);
}

/** The store's bytes on the host: in place where the device shares memory, else a copy to be freed.
 */
static bal_status host_bytes(bal_store *store, const char **ret_bytes, char **ret_copy,
                             bal_error *err) {
    *ret_copy = NULL;
    *ret_bytes = bal_buffer_host(store->buffer);
    if (*ret_bytes) return BAL_OK;
    *ret_copy = bal_calloc(store->bytes, 1);
    if (!*ret_copy) return bal_fail_memory(err, store->bytes);
    *ret_bytes = *ret_copy;
    return bal_buffer_download(store->buffer, 0, *ret_copy, store->bytes, err);
}

/** The stage by name, and what those before it came to. */
static void write_stages(const bal_trainer *trainer, bal_json_out *out) {
    bal_json_out_named_string(out, "stage", bal_trainer_stage_name(trainer));
    bal_json_out_key(out, "ended");
    bal_json_out_array(out);
    for (int64_t i = 0; i < trainer->state.stage; i++) {
        const bal_stage_result *ended = &trainer->ended[i];
        bal_json_out_object(out);
        bal_json_out_named_integer(out, "epochs", ended->epochs);
        bal_json_out_named_integer(out, "step", ended->step);
        bal_json_out_named_integer(out, "best_epoch", ended->best_epoch);
        bal_json_out_named_integer(out, "best_evaluation", ended->best_evaluation);
        bal_json_out_named_number(out, "best_value", ended->best_value);
        bal_json_out_object_end(out);
    }
    bal_json_out_array_end(out);
}

/** What only a run that goes on needs to know. */
static void write_way(const bal_trainer *trainer, bool with_healthy, bal_json_out *out) {
    if (with_healthy) {
        bal_json_out_key(out, "healthy");
        bal_train_state_write(&trainer->healthy.state, out);
    }
    bal_json_out_named_bool(out, "healthy_is_current", trainer->healthy.valid && !with_healthy);
    bal_json_out_named_integer(out, "outcome", trainer->outcome);
    bal_json_out_named_number(out, "seconds", bal_trainer_seconds(trainer));
    bal_json_out_key(out, "logs");
    bal_json_out_row(out);
    for (int log = 0; log < BAL_LOG_COUNT; log++)
        bal_json_out_integer(out, trainer->log_size[log]);
    bal_json_out_array_end(out);
}

/** `weights_only`: a file that is the same whenever and in however many pieces the run is made. */
static void write_meta(const bal_trainer *trainer, bool weights_only, bool with_healthy,
                       bal_text *text) {
    char data[20], recipe[20];
    snprintf(data, sizeof data, "%016" PRIx64, trainer->dataset->digest);
    snprintf(recipe, sizeof recipe, "%016" PRIx64, bal_checkpoint_recipe(trainer->recipe));
    bal_json_out out;
    bal_json_out_init(&out, text, BAL_JSON_LINE);
    bal_json_out_object(&out);
    bal_json_out_named_integer(&out, "version", BAL_CHECKPOINT_VERSION);
    bal_json_out_key(&out, "state");
    bal_train_state_write(&trainer->state, &out);
    if (!weights_only) write_way(trainer, with_healthy, &out);
    bal_json_out_named_string(&out, "data", data);
    bal_json_out_named_string(&out, "recipe", recipe);
    bal_json_out_named_string(&out, "monitor", trainer->recipe->monitor);
    write_stages(trainer, &out);
    bal_json_out_object_end(&out);
}

static bal_status write_file(const bal_trainer *trainer, const char *name, const tensor_list *list,
                             const bal_text *meta, bal_error *err) {
    if (bal_text_failed(meta)) return bal_fail_memory(err, meta->length);
    char *path = bal_run_folder_path(trainer->folder, name);
    if (!path) return bal_fail_memory(err, strlen(name));
    char digest[BAL_FILE_DIGEST_TEXT];
    bal_file_digest(list->items, list->count, meta->data, digest);
    const bal_safetensors_pair pairs[] = {{BAL_CHECKPOINT_META, meta->data},
                                          {BAL_FILE_DIGEST, digest}};
    bal_status status = bal_safetensors_write(path, list->items, list->count, pairs, 2, err);
    bal_free(path);
    return status;
}

/* ---- older checkpoints ---- */

char *bal_checkpoint_path(const bal_run_folder *folder, int age) {
    char name[64];
    if (age == 0) return bal_run_folder_path(folder, BAL_RUN_LAST);
    if (age == 1) return bal_run_folder_path(folder, BAL_RUN_PREVIOUS);
    snprintf(name, sizeof name, BAL_RUN_OLDER, age);
    return bal_run_folder_path(folder, name);
}

/** Let the checkpoint of one age become one older. The last one gets a second name and keeps its
 *  own until it is replaced: at no moment is there less than one whole checkpoint. Best effort:
 * file systems without hard links have the last checkpoint only. */
static bal_status make_older(const bal_run_folder *folder, int age, bal_error *err) {
    char *from = bal_checkpoint_path(folder, age), *to = bal_checkpoint_path(folder, age + 1);
    bal_status status = from && to ? BAL_OK : bal_fail_memory(err, 0);
    if (status == BAL_OK && bal_path_exists(from)) {
        if (age > 0) {
            if (rename(from, to) != 0) unlink(from);
        } else {
            unlink(to);
            if (link(from, to) != 0) unlink(to);
        }
    }
    bal_free(from);
    bal_free(to);
    return status;
}

static bal_status keep_older(const bal_trainer *trainer, bal_error *err) {
    for (int age = trainer->recipe->checkpoint.keep - 2; age >= 0; age--)
        BAL_TRY(make_older(trainer->folder, age, err));
    return BAL_OK;
}

/* ---- last and best ---- */

/** Whether the healthy state is this very state: taken at the evaluation just made. */
static bool healthy_is_current(const bal_trainer *trainer) {
    return trainer->healthy.valid &&
           memcmp(&trainer->healthy.state, &trainer->state, sizeof trainer->state) == 0;
}

bal_status bal_trainer_write_last(bal_trainer *trainer, bal_error *err) {
    bal_store *store = bal_network_store(trainer->network);
    bool with_healthy = trainer->healthy.valid && !healthy_is_current(trainer);
    tensor_list list = {0};
    bal_text memory = {0}, ledger = {0}, meta = {0};
    const char *bytes;
    char *copy = NULL;
    bal_status status;
    bal_guard_save_memory(trainer->guard, &memory);
    bal_guard_save_ledger(trainer->guard, &ledger);
    BAL_TRY_OUT(host_bytes(store, &bytes, &copy, err));
    BAL_TRY_OUT(add_store(&list, store, bytes, "", false, err));
    BAL_TRY_OUT(add_bytes(&list, BAL_CHECKPOINT_MEMORY, &memory, err));
    BAL_TRY_OUT(add_bytes(&list, BAL_CHECKPOINT_LEDGER, &ledger, err));
    if (with_healthy) BAL_TRY_OUT(add_healthy(&list, trainer, err));
    write_meta(trainer, false, with_healthy, &meta);
    BAL_TRY_OUT(keep_older(trainer, err));
    BAL_TRY_OUT(write_file(trainer, BAL_RUN_LAST, &list, &meta, err));
    trainer->last_checkpoint = bal_clock_seconds();
out:
    bal_free(copy);
    release_list(&list);
    bal_text_release(&memory);
    bal_text_release(&ledger);
    bal_text_release(&meta);
    return status;
}

/** Weights and statistics as they are. */
static bal_status write_weights(bal_trainer *trainer, const char *name, bal_error *err) {
    bal_store *store = bal_network_store(trainer->network);
    tensor_list list = {0};
    bal_text meta = {0};
    const char *bytes;
    char *copy = NULL;
    bal_status status;
    BAL_TRY_OUT(host_bytes(store, &bytes, &copy, err));
    BAL_TRY_OUT(add_store(&list, store, bytes, "", true, err));
    write_meta(trainer, true, false, &meta);
    status = write_file(trainer, name, &list, &meta, err);
out:
    bal_free(copy);
    release_list(&list);
    bal_text_release(&meta);
    return status;
}

bal_status bal_trainer_write_best(bal_trainer *trainer, bal_error *err) {
    return write_weights(trainer, BAL_RUN_BEST, err);
}

bal_status bal_trainer_write_stage(bal_trainer *trainer, bal_error *err) {
    char name[BAL_CHECKPOINT_NAME];
    snprintf(name, sizeof name, BAL_RUN_STAGE, bal_trainer_stage_name(trainer));
    return write_weights(trainer, name, err);
}
