/* Weights from another run or model file, by name and shape. See train/transfer.h.
 *
 * Names say where a tensor stands in a network, so equal names with equal shapes are the same
 * layer; what differs (an output layer of other classes, a wider layer) is left to its start. A
 * head whose classes have other names keeps its weights but is warned of: its outputs mean
 * something else. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "train/file_digest.h"
#include "train/network_private.h"
#include "train/run_folder.h"
#include "train/transfer.h"

enum { NAMED_MAX = 20 }; /* tensors left out that the log names */

/* ---- finding the file ---- */

/** The file to read: `from` itself, or in a run's folder the best that it has. */
static bal_status find_file(const bal_network *network, const char *from, char **ret_path,
                            bal_error *err) {
    static const char *const names[] = {BAL_RUN_MODEL, BAL_RUN_BEST, BAL_RUN_LAST};
    size_t n = bal_path_is_folder(from) ? sizeof names / sizeof *names : 0;
    if (n == 0 && bal_path_exists(from)) {
        *ret_path = bal_strdup(from);
        return *ret_path ? BAL_OK : bal_fail_memory(err, strlen(from) + 1);
    }
    for (size_t i = 0; i < n; i++) {
        char *path = bal_path_join(from, names[i]);
        if (!path) return bal_fail_memory(err, strlen(from) + 32);
        if (bal_path_exists(path)) {
            *ret_path = path;
            return BAL_OK;
        }
        bal_free(path);
    }
    return bal_place_fail(err, BAL_ERECIPE, &network->recipe->model.init_from_place,
                          "model.init_from: %s %s; wanted a run or a model file", from,
                          n ? "is a folder without a model or checkpoint" : "does not exist");
}

/* ---- tensors ---- */

static bool is_wanted(const bal_store_entry *entry) {
    return entry->role == BAL_ROLE_PARAMETER || entry->role == BAL_ROLE_STATISTIC;
}

static bool fits(const bal_safetensor *tensor, const bal_store_entry *entry) {
    return tensor && tensor->dtype == entry->dtype &&
           bal_shape_equal(&tensor->shape, &entry->shape);
}

static void log_left_out(const bal_store_entry *entry, const bal_safetensor *tensor,
                         const bal_log_sink *log) {
    char wanted[128], found[128];
    bal_shape_text(&entry->shape, wanted, sizeof wanted);
    if (tensor)
        bal_log_printf(log, BAL_LOG_INFO, "  %s %s starts afresh: there it is %s %s", entry->name,
                       wanted, tensor->type_name,
                       bal_shape_text(&tensor->shape, found, sizeof found));
    else
        bal_log_printf(log, BAL_LOG_INFO, "  %s %s starts afresh: it is not there", entry->name,
                       wanted);
}

static bal_status take_tensors(bal_network *network, const bal_safetensors *file,
                               bal_transfer *transfer, bal_error *err) {
    for (size_t i = 0; i < network->store.n_entries; i++) {
        const bal_store_entry *entry = &network->store.entries[i];
        if (!is_wanted(entry)) continue;
        const bal_safetensor *tensor = bal_safetensors_find(file, entry->name);
        int64_t count = bal_shape_count(&entry->shape);
        transfer->tensors++;
        transfer->weights += count;
        if (!fits(tensor, entry)) continue;
        BAL_TRY(bal_store_write(&network->store, entry, tensor->data, err));
        transfer->tensors_taken++;
        transfer->weights_taken += count;
    }
    return BAL_OK;
}

static void report(const bal_network *network, const bal_safetensors *file, const char *path,
                   const bal_transfer *transfer, const bal_log_sink *log) {
    bal_log_printf(log, BAL_LOG_INFO,
                   "init_from %s: %lld of %lld tensors taken over, %.1f %% of the weights", path,
                   (long long)transfer->tensors_taken, (long long)transfer->tensors,
                   100.0 * (double)transfer->weights_taken / (double)transfer->weights);
    int64_t left = transfer->tensors - transfer->tensors_taken, named = 0;
    for (size_t i = 0; i < network->store.n_entries && named < NAMED_MAX; i++) {
        const bal_store_entry *entry = &network->store.entries[i];
        const bal_safetensor *tensor = bal_safetensors_find(file, entry->name);
        if (!is_wanted(entry) || fits(tensor, entry)) continue;
        log_left_out(entry, tensor, log);
        named++;
    }
    if (named < left)
        bal_log_printf(log, BAL_LOG_INFO, "  and %lld more", (long long)(left - named));
}

/* ---- classes ---- */

static bool same_classes(const bal_class_list *classes, const json_t *names) {
    if (json_array_size(names) != (size_t)classes->count) return false;
    for (int32_t c = 0; c < classes->count; c++) {
        const char *name = json_string_value(json_array_get(names, (size_t)c));
        if (!name || strcmp(name, classes->names[c]) != 0) return false;
    }
    return true;
}

/** Model files know their classes; checkpoints and other files do not. */
static void warn_of_classes(const bal_network *network, const bal_safetensors *file,
                            const bal_log_sink *log) {
    const char *text = bal_safetensors_metadata(file, "ballast");
    json_t *root = NULL;
    if (!text || bal_json_parse(text, strlen(text), "description", &root, NULL) != BAL_OK) return;
    const json_t *heads = json_object_get(root, "heads");
    for (size_t i = 0; i < json_array_size(heads); i++) {
        const json_t *theirs = json_array_get(heads, i);
        const char *name = json_string_value(json_object_get(theirs, "name"));
        for (int32_t h = 0; name && h < network->dataset->n_heads; h++) {
            const bal_head_data *ours = &network->dataset->heads[h];
            if (!ours->labels || strcmp(ours->recipe->name, name) != 0 ||
                same_classes(&ours->classes, json_object_get(theirs, "classes")))
                continue;
            bal_log_printf(log, BAL_LOG_WARN,
                           "init_from: the classes of head '%s' are not those of the model it "
                           "starts from",
                           name);
        }
    }
    json_decref(root);
}

/* ---- all of it ---- */

static bal_status take_file(bal_network *network, const char *path, const bal_log_sink *log,
                            bal_transfer *ret_transfer, bal_error *err) {
    bal_safetensors *file;
    bal_transfer transfer = {0};
    BAL_TRY(bal_safetensors_open(path, &file, err));
    const char *model = bal_safetensors_metadata(file, "ballast");
    bal_status status = model ? bal_file_check_digest(file, model, false, err) : BAL_OK;
    if (status != BAL_OK) bal_error_prefix(err, "%s", path);
    if (status == BAL_OK) status = take_tensors(network, file, &transfer, err);
    if (status == BAL_OK && transfer.tensors_taken == 0)
        status = bal_place_fail(err, BAL_ERECIPE, &network->recipe->model.init_from_place,
                                "model.init_from: nothing in %s has the name and shape of a weight "
                                "of this model (such as %s)",
                                path, network->store.entries[0].name);
    if (status == BAL_OK) {
        report(network, file, path, &transfer, log);
        warn_of_classes(network, file, log);
        *ret_transfer = transfer;
    }
    bal_safetensors_close(file);
    return status;
}

bal_status bal_network_transfer(bal_network *network, const char *from, const bal_log_sink *log,
                                bal_transfer *ret_transfer, bal_error *err) {
    char *path;
    BAL_TRY(find_file(network, from, &path, err));
    bal_status status = take_file(network, path, log, ret_transfer, err);
    bal_free(path);
    return status;
}
