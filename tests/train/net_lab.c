/* See net_lab.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net_lab.h"

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != BAL_OK) fail_msg("%s", err.message);                                         \
    } while (0)

void net_lab_init(net_lab *lab, const char *overrides) {
    bal_error err = {0};
    bal_log_sink silent = {0};
    *lab = (net_lab){0};
    kit_init(&lab->k);
    lab->k.overrides = overrides;
    lab->recipe = kit_recipe(&lab->k);
    MUST(bal_dataset_new(lab->recipe, &silent, &lab->dataset, &err));
    MUST(bal_backend_open(NULL, &(bal_backend_options){.threads = 1}, &lab->backend, &err));
    net_lab_restart(lab);
}

void net_lab_restart(net_lab *lab) {
    bal_error err = {0};
    bal_batch_field fields[BAL_HEADS_MAX + 1];
    bal_batcher_free(lab->batches);
    bal_network_free(lab->network);
    MUST(bal_network_new(lab->recipe, lab->dataset, lab->backend, &lab->network, &err));
    int32_t n = bal_dataset_fields(lab->dataset, fields);
    MUST(bal_batcher_new(lab->backend, fields, n, lab->dataset->split.rows[BAL_SPLIT_TRAIN],
                         lab->dataset->split.count[BAL_SPLIT_TRAIN], lab->recipe->train.batch_size,
                         true, 1, &lab->batches, &err));
    for (int32_t i = 0; i < bal_network_groups(lab->network); i++)
        lab->rate[i] = bal_network_group(lab->network, i)->lr;
    lab->step = 0;
}

void net_lab_release(net_lab *lab) {
    bal_batcher_free(lab->batches);
    bal_network_free(lab->network);
    bal_backend_close(lab->backend);
    bal_dataset_free(lab->dataset);
    bal_recipe_free(lab->recipe);
    kit_release(&lab->k);
}

bal_batch net_lab_batch(net_lab *lab) {
    bal_error err = {0};
    bal_batch batch;
    MUST(bal_batcher_next(lab->batches, &batch, &err));
    return batch;
}

bal_step_result net_lab_step(net_lab *lab, const bal_batch *batch) {
    bal_error err = {0};
    bal_step_result result = {0};
    const bal_step_controls controls = {
        .seed = 1,
        .step = lab->step,
        .updates = lab->step,
        .rate = lab->rate,
        .clip_norm = lab->recipe->optimizer.clip_norm,
    };
    MUST(bal_network_step(lab->network, batch, &controls, &result, &err));
    lab->step++;
    return result;
}

static const bal_store_entry *find(const net_lab *lab, const char *name) {
    const bal_store_entry *entry = bal_store_find(bal_network_store(lab->network), name);
    if (!entry) fail_msg("no tensor is called %s", name);
    return entry;
}

float *net_lab_read(const net_lab *lab, const char *name, int64_t *ret_count) {
    bal_error err = {0};
    const bal_store_entry *entry = find(lab, name);
    float *values = malloc(entry->bytes);
    assert_non_null(values);
    MUST(bal_store_read(bal_network_store(lab->network), entry, values, &err));
    if (ret_count) *ret_count = bal_shape_count(&entry->shape);
    return values;
}

void net_lab_write(net_lab *lab, const char *name, const float *values) {
    bal_error err = {0};
    MUST(bal_store_write(bal_network_store(lab->network), find(lab, name), values, &err));
}

char *net_lab_snapshot(const net_lab *lab, size_t *ret_size) {
    bal_error err = {0};
    bal_store *store = bal_network_store(lab->network);
    char *bytes = calloc(store->bytes, 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < store->n_entries; i++)
        if (store->entries[i].role != BAL_ROLE_SCRATCH)
            MUST(bal_store_read(store, &store->entries[i], bytes + store->entries[i].offset, &err));
    *ret_size = store->bytes;
    return bytes;
}
