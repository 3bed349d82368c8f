/* Writing model.safetensors. Reading it is predictor.c's. See train/model_file.h. */
#include "train/model_file.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "format/json_out.h"
#include "format/safetensors.h"
#include "train/file_digest.h"
#include "train/model_graph.h"
#include "train/raw_loss.h"

static void write_names(bal_json_out *out, const char *key, const char *const *names, int32_t n) {
    bal_json_out_key(out, key);
    bal_json_out_array(out);
    for (int32_t i = 0; i < n; i++)
        bal_json_out_string(out, names[i]);
    bal_json_out_array_end(out);
}

static void write_head(const bal_recipe *recipe, const bal_head_data *head, bal_json_out *out) {
    int32_t width = head->labels ? head->classes.count : head->outputs;
    bal_json_out_object(out);
    bal_json_out_named_string(out, "name", head->recipe->name);
    bal_json_out_named_string(out, "kind", bal_head_kind_name(head->recipe->kind));
    bal_json_out_named_string(out, "target", bal_head_target(recipe, head->recipe));
    bal_json_out_named_integer(out, "outputs", head->outputs);
    if (strcmp(head->recipe->transform, "none") != 0)
        bal_json_out_named_string(out, "transform", head->recipe->transform);
    if (head->labels)
        write_names(out, "classes", (const char *const *)head->classes.names, head->classes.count);
    bal_loss_options loss = bal_recipe_head_loss(head->recipe);
    bal_raw_loss_write(&loss, out);
    bal_json_out_named_numbers(out, "prior", head->prior, (size_t)width);
    bal_json_out_object_end(out);
}

/* All that it takes to make rows of a series again; features say the rest by their names. */
static void write_series(const bal_recipe_data *data, bal_json_out *out) {
    if (strcmp(data->kind, "sequence") != 0) return;
    bal_json_out_key(out, "series");
    bal_json_out_object(out);
    bal_json_out_named_string(out, "table", data->table);
    bal_json_out_named_string(out, "column", data->column);
    bal_json_out_named_string(out, "order", data->order);
    bal_json_out_named_string(out, "missing", data->missing);
    bal_json_out_named_integer(out, "window", data->window);
    bal_json_out_named_bool(out, "log", data->series_log);
    bal_json_out_object_end(out);
}

static bal_status describe(const bal_recipe *recipe, const bal_dataset *dataset,
                           const bal_graph *graph, const bal_value *outputs, bal_text *text,
                           bal_error *err) {
    const char *heads[BAL_HEADS_MAX];
    for (int32_t h = 0; h < dataset->n_heads; h++)
        heads[h] = dataset->heads[h].recipe->name;
    bal_json_out out;
    bal_json_out_init(&out, text, BAL_JSON_TIGHT);
    bal_json_out_object(&out);
    bal_json_out_named_string(&out, "format", "ballast-model");
    bal_json_out_named_integer(&out, "version", BAL_MODEL_VERSION);
    bal_json_out_named_string(&out, "name", recipe->name);
    bal_json_out_key(&out, "data");
    bal_json_out_object(&out);
    bal_json_out_named_string(&out, "kind", recipe->data.kind);
    bool arrays = strcmp(recipe->data.kind, "npz") == 0;
    static const char *const default_array[] = {"X"};
    if (arrays && recipe->data.n_features > 0)
        write_names(&out, "arrays", recipe->data.features, recipe->data.n_features);
    else
        write_names(&out, "arrays", default_array, arrays ? 1 : 0);
    bal_json_out_named_string(&out, "scale", dataset->scaler.kind);
    write_series(&recipe->data, &out);
    bal_json_out_object_end(&out);
    write_names(&out, "features", (const char *const *)dataset->table->feature_names,
                dataset->table->features);
    bal_json_out_key(&out, "heads");
    bal_json_out_array(&out);
    for (int32_t h = 0; h < dataset->n_heads; h++)
        write_head(recipe, &dataset->heads[h], &out);
    bal_json_out_array_end(&out);
    bal_json_out_key(&out, "graph");
    BAL_TRY(bal_model_graph_write(graph, heads, outputs, dataset->n_heads, &out, err));
    bal_json_out_object_end(&out);
    return bal_text_failed(text) ? bal_fail_memory(err, text->length) : BAL_OK;
}

static bal_safetensor preprocessing(const char *name, const float *values, int32_t features) {
    return (bal_safetensor){
        .name = name,
        .dtype = BAL_F32,
        .shape = BAL_SHAPE1(features),
        .data = values,
        .bytes = (size_t)features * sizeof *values,
    };
}

/** Weights and statistics, from `bytes` laid out as the store, and the scaler. */
static size_t list_tensors(const bal_store *store, const char *bytes, const bal_scaler *scaler,
                           bal_safetensor *ret_tensors) {
    size_t n = 0;
    for (size_t i = 0; i < store->n_entries; i++) {
        const bal_store_entry *entry = &store->entries[i];
        if (entry->role != BAL_ROLE_PARAMETER && entry->role != BAL_ROLE_STATISTIC) continue;
        ret_tensors[n++] = (bal_safetensor){
            .name = entry->name,
            .dtype = entry->dtype,
            .shape = entry->shape,
            .data = bytes + entry->offset,
            .bytes = entry->bytes,
        };
    }
    ret_tensors[n++] = preprocessing("preprocess.shift", scaler->shift, scaler->features);
    ret_tensors[n++] = preprocessing("preprocess.scale", scaler->scale, scaler->features);
    ret_tensors[n++] = preprocessing("preprocess.fill", scaler->fill, scaler->features);
    return n;
}

bal_status bal_model_write(const char *path, const bal_recipe *recipe, const bal_dataset *dataset,
                           bal_network *network, bal_error *err) {
    bal_store *store = bal_network_store(network);
    bal_graph *graph = NULL;
    bal_value outputs[BAL_HEADS_MAX];
    bal_text text = {0};
    bal_safetensor *tensors = NULL;
    char *bytes = NULL;
    bal_status status;
    BAL_TRY_OUT(bal_network_inference_graph(network, 1, &graph, outputs, err));
    BAL_TRY_OUT(describe(recipe, dataset, graph, outputs, &text, err));
    tensors = bal_calloc(store->n_entries + 3, sizeof *tensors);
    bytes = bal_calloc(store->bytes, 1);
    if (!tensors || !bytes) {
        status = bal_fail_memory(err, store->bytes);
        goto out;
    }
    BAL_TRY_OUT(bal_buffer_download(store->buffer, 0, bytes, store->bytes, err));
    size_t n = list_tensors(store, bytes, &dataset->scaler, tensors);
    char digest[BAL_FILE_DIGEST_TEXT];
    bal_file_digest(tensors, n, text.data, digest);
    const bal_safetensors_pair pairs[] = {{"ballast", text.data}, {BAL_FILE_DIGEST, digest}};
    status = bal_safetensors_write(path, tensors, n, pairs, 2, err);
out:
    bal_free(bytes);
    bal_free(tensors);
    bal_text_release(&text);
    bal_graph_free(graph);
    return status;
}
