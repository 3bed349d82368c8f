/* Checkpoints: a run's whole state in one safetensors file.
 *
 * Tensors under their own names are the current ones. When the guard may have to roll back to an
 * earlier healthy state (one that is not the current), that state lies in the same file under
 * "healthy/", so that a resumed run recovers exactly as an uninterrupted one would: one file, one
 * rename, no pair of files that could disagree. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "train/trainer.h"

#define HEALTHY "healthy/"
#define GUARD_MEMORY "guard.memory"
#define GUARD_LEDGER "guard.ledger"

static const int checkpoint_version = 1;

/** Entries that belong in a file: scratch does not. */
static bool is_kept(const bal_store_entry *entry, bool weights_only) {
    if (entry->role == BAL_ROLE_SCRATCH) return false;
    return !weights_only || entry->role != BAL_ROLE_MOMENT;
}

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
        if (!is_kept(entry, weights_only)) continue;
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

static void write_meta(const bal_trainer *trainer, bool with_healthy, bal_text *text) {
    bal_json_out out;
    bal_json_out_init(&out, text, BAL_JSON_LINE);
    bal_json_out_object(&out);
    bal_json_out_named_integer(&out, "version", checkpoint_version);
    bal_json_out_key(&out, "state");
    bal_train_state_write(&trainer->state, &out);
    if (with_healthy) {
        bal_json_out_key(&out, "healthy");
        bal_train_state_write(&trainer->healthy.state, &out);
    }
    bal_json_out_named_bool(&out, "healthy_is_current", trainer->healthy.valid && !with_healthy);
    bal_json_out_named_integer(&out, "outcome", trainer->outcome);
    bal_json_out_key(&out, "logs");
    bal_json_out_object(&out);
    bal_json_out_named_integer(&out, "metrics", trainer->metrics_size);
    bal_json_out_named_integer(&out, "results", trainer->results_size);
    bal_json_out_named_integer(&out, "incidents", trainer->incidents_size);
    bal_json_out_object_end(&out);
    bal_json_out_object_end(&out);
}

static bal_status write_file(bal_trainer *trainer, const char *name, const tensor_list *list,
                             const bal_text *meta, bal_error *err) {
    if (bal_text_failed(meta)) return bal_fail_memory(err, meta->length);
    char *path = bal_run_folder_path(trainer->folder, name);
    if (!path) return bal_fail_memory(err, 0);
    bal_safetensors_pair pair = {"ballast_checkpoint", meta->data};
    bal_status status = bal_safetensors_write(path, list->items, list->count, &pair, 1, err);
    bal_free(path);
    return status;
}

/** Keep the checkpoint about to be replaced as `previous`, by a second name for the same file: at
 * no moment is there less than one whole checkpoint. */
static bal_status keep_previous(const bal_trainer *trainer, bal_error *err) {
    if (trainer->recipe->checkpoint.keep < 2) return BAL_OK;
    char *last = bal_run_folder_path(trainer->folder, BAL_RUN_LAST);
    char *previous = bal_run_folder_path(trainer->folder, BAL_RUN_PREVIOUS);
    bal_status status = BAL_OK;
    if (!last || !previous) {
        status = bal_fail_memory(err, 0);
    } else if (bal_path_exists(last)) {
        unlink(previous);
        /* Best effort: file systems without hard links have the last checkpoint only. */
        if (link(last, previous) != 0) unlink(previous);
    }
    bal_free(last);
    bal_free(previous);
    return status;
}

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
    BAL_TRY_OUT(add_bytes(&list, GUARD_MEMORY, &memory, err));
    BAL_TRY_OUT(add_bytes(&list, GUARD_LEDGER, &ledger, err));
    if (with_healthy) {
        BAL_TRY_OUT(add_store(&list, store, trainer->healthy.tensors, HEALTHY, false, err));
        BAL_TRY_OUT(add_bytes(&list, HEALTHY GUARD_MEMORY, &trainer->healthy.guard_memory, err));
    }
    write_meta(trainer, with_healthy, &meta);
    BAL_TRY_OUT(keep_previous(trainer, err));
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

bal_status bal_trainer_write_best(bal_trainer *trainer, bal_error *err) {
    bal_store *store = bal_network_store(trainer->network);
    tensor_list list = {0};
    bal_text meta = {0};
    const char *bytes;
    char *copy = NULL;
    bal_status status;
    BAL_TRY_OUT(host_bytes(store, &bytes, &copy, err));
    BAL_TRY_OUT(add_store(&list, store, bytes, "", true, err));
    write_meta(trainer, false, &meta);
    BAL_TRY_OUT(write_file(trainer, BAL_RUN_BEST, &list, &meta, err));
out:
    bal_free(copy);
    release_list(&list);
    bal_text_release(&meta);
    return status;
}

/* ---- reading ---- */

static bal_status fetch(const bal_safetensors *file, const char *prefix,
                        const bal_store_entry *entry, char *to, bal_error *err) {
    char name[320];
    snprintf(name, sizeof name, "%s%s", prefix, entry->name);
    const bal_safetensor *tensor = bal_safetensors_find(file, name);
    if (!tensor || tensor->dtype != entry->dtype || tensor->bytes != entry->bytes ||
        !bal_shape_equal(&tensor->shape, &entry->shape))
        return bal_fail(err, BAL_EFORMAT,
                        "checkpoint does not fit this recipe: %s is missing or has "
                        "another shape",
                        name);
    memcpy(to + entry->offset, tensor->data, entry->bytes);
    return BAL_OK;
}

/** All kept entries of a file into `to`, laid out as the store. */
static bal_status fetch_store(const bal_safetensors *file, const bal_store *store,
                              const char *prefix, bool weights_only, char *to, bal_error *err) {
    for (size_t i = 0; i < store->n_entries; i++)
        if (is_kept(&store->entries[i], weights_only))
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

static bal_status load_guard(bal_trainer *trainer, const bal_safetensors *file, bal_error *err) {
    const bal_safetensor *memory = bal_safetensors_find(file, GUARD_MEMORY);
    const bal_safetensor *ledger = bal_safetensors_find(file, GUARD_LEDGER);
    if (memory) BAL_TRY(bal_guard_load_memory(trainer->guard, memory->data, memory->bytes, err));
    if (ledger) BAL_TRY(bal_guard_load_ledger(trainer->guard, ledger->data, ledger->bytes, err));
    return BAL_OK;
}

static bal_status load_healthy(bal_trainer *trainer, const bal_safetensors *file, json_t *meta,
                               bal_error *err) {
    bal_snapshot *healthy = &trainer->healthy;
    bal_store *store = bal_network_store(trainer->network);
    if (json_is_true(json_object_get(meta, "healthy_is_current")))
        return bal_trainer_keep_healthy(trainer, err);
    json_t *state = json_object_get(meta, "healthy");
    if (!state) return BAL_OK;
    BAL_TRY(bal_trainer_keep_healthy(trainer, err)); /* room, and the scratch entries */
    BAL_TRY(bal_train_state_read(&healthy->state, state, err));
    BAL_TRY(fetch_store(file, store, HEALTHY, false, healthy->tensors, err));
    const bal_safetensor *memory = bal_safetensors_find(file, HEALTHY GUARD_MEMORY);
    bal_text_clear(&healthy->guard_memory);
    if (memory) bal_text_append(&healthy->guard_memory, memory->data, memory->bytes);
    return bal_text_failed(&healthy->guard_memory) ? bal_fail_memory(err, 0) : BAL_OK;
}

static bal_status cut_logs(bal_trainer *trainer, const json_t *meta, bal_error *err) {
    const json_t *logs = json_object_get(meta, "logs");
    trainer->metrics_size = json_integer_value(json_object_get(logs, "metrics"));
    trainer->results_size = json_integer_value(json_object_get(logs, "results"));
    trainer->incidents_size = json_integer_value(json_object_get(logs, "incidents"));
    const struct {
        const char *name;
        int64_t size;
    } files[] = {{BAL_RUN_METRICS, trainer->metrics_size},
                 {BAL_RUN_RESULTS, trainer->results_size},
                 {BAL_RUN_INCIDENTS, trainer->incidents_size}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bal_error shorter = {0};
        bal_status status =
            bal_run_folder_cut(trainer->folder, files[i].name, files[i].size, &shorter);
        /* After a power cut a log may lack its last lines; the run itself is whole. */
        if (status == BAL_EDATA || status == BAL_ENOTFOUND)
            bal_log_printf(&trainer->hooks->log, BAL_LOG_WARN, "%s", shorter.message);
        else if (status != BAL_OK)
            return bal_fail(err, status, "%s", shorter.message);
    }
    return BAL_OK;
}

static bal_status read_meta(const bal_safetensors *file, const char *path, json_t **ret_meta,
                            bal_error *err) {
    const char *text = bal_safetensors_metadata(file, "ballast_checkpoint");
    if (!text) return bal_fail(err, BAL_EFORMAT, "%s is not a checkpoint of ours", path);
    BAL_TRY(bal_json_parse(text, strlen(text), path, ret_meta, err));
    int64_t version = json_integer_value(json_object_get(*ret_meta, "version"));
    if (version == checkpoint_version) return BAL_OK;
    json_decref(*ret_meta);
    return bal_fail(err, BAL_EFORMAT, "%s: checkpoint version %lld; this program reads %d", path,
                    (long long)version, checkpoint_version);
}

static bal_status read_checkpoint(bal_trainer *trainer, const char *name, bal_error *err) {
    bal_safetensors *file = NULL;
    json_t *meta = NULL;
    bal_status status;
    char *path = bal_run_folder_path(trainer->folder, name);
    if (!path) return bal_fail_memory(err, 0);
    BAL_TRY_OUT(bal_safetensors_open(path, &file, err));
    BAL_TRY_OUT(read_meta(file, path, &meta, err));
    BAL_TRY_OUT(load_store(trainer, file, false, err));
    BAL_TRY_OUT(bal_train_state_read(&trainer->state, json_object_get(meta, "state"), err));
    BAL_TRY_OUT(load_guard(trainer, file, err));
    BAL_TRY_OUT(load_healthy(trainer, file, meta, err));
    trainer->outcome = (bal_outcome)json_integer_value(json_object_get(meta, "outcome"));
    BAL_TRY_OUT(cut_logs(trainer, meta, err));
    status = bal_trainer_apply_controls(trainer, err);
out:
    json_decref(meta);
    bal_safetensors_close(file);
    bal_free(path);
    return status;
}

bal_status bal_trainer_read_last(bal_trainer *trainer, bal_error *err) {
    bal_error first = {0};
    bal_status status = read_checkpoint(trainer, BAL_RUN_LAST, &first);
    if (status == BAL_OK) return BAL_OK;
    if (status != BAL_EFORMAT && status != BAL_ENOTFOUND)
        return bal_fail(err, status, "%s", first.message);
    bal_status second = read_checkpoint(trainer, BAL_RUN_PREVIOUS, NULL);
    if (second == BAL_OK) {
        bal_log_printf(&trainer->hooks->log, BAL_LOG_WARN,
                       "%s; going on from the checkpoint before it", first.message);
        return BAL_OK;
    }
    return bal_fail(err, status, "%s", first.message);
}

bal_status bal_trainer_read_best(bal_trainer *trainer, bal_error *err) {
    bal_safetensors *file = NULL;
    char *path = bal_run_folder_path(trainer->folder, BAL_RUN_BEST);
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = bal_safetensors_open(path, &file, err);
    if (status == BAL_OK) status = load_store(trainer, file, true, err);
    bal_safetensors_close(file);
    bal_free(path);
    return status;
}
