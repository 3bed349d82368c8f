/* The store: entries in the order of declaration, one device buffer behind them; see store.h.
 *
 * Entries are found by a linear search: a model has tens to a few hundred, and they are looked up
 * when a program is built, never in a step. */
#include "backend/store.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"

enum { ENTRY_ALIGN = 64 };

const bal_store_entry *bal_store_find(const bal_store *store, const char *name) {
    for (size_t i = 0; i < store->n_entries; i++)
        if (strcmp(store->entries[i].name, name) == 0) return &store->entries[i];
    return NULL;
}

bal_status bal_store_declare(bal_store *store, const char *name, bal_role role, bal_dtype dtype,
                             bal_shape shape, bal_error *err) {
    char text[128];
    size_t bytes, padded, total;
    if (store->buffer)
        return bal_fail(err, BAL_EINVAL, "\"%s\" cannot be declared after the store was allocated",
                        name);
    if (bal_store_find(store, name))
        return bal_fail(err, BAL_EINVAL, "the store already holds \"%s\"; names are unique", name);
    if (!bal_shape_bytes(&shape, dtype, &bytes) || !bal_size_align(bytes, ENTRY_ALIGN, &padded) ||
        !bal_size_add(store->bytes, padded, &total))
        return bal_fail(err, BAL_EOVERFLOW,
                        "\"%s\" of shape %s does not fit into the address space; use a smaller "
                        "model",
                        name, bal_shape_text(&shape, text, sizeof text));
    if (!bal_reserve(store->entries, store->capacity, store->n_entries + 1))
        return bal_fail_memory(err, (store->n_entries + 1) * sizeof *store->entries);
    char *copy = bal_strdup(name);
    if (!copy) return bal_fail_memory(err, strlen(name) + 1);
    store->entries[store->n_entries++] = (bal_store_entry){
        .name = copy,
        .role = role,
        .dtype = dtype,
        .shape = shape,
        .offset = store->bytes,
        .bytes = bytes,
    };
    store->bytes = total;
    return BAL_OK;
}

bal_status bal_store_allocate(bal_store *store, bal_backend *backend, bal_error *err) {
    if (store->buffer) return bal_fail(err, BAL_EINVAL, "the store is already allocated");
    return bal_buffer_new(backend, store->bytes, &store->buffer, err);
}

void bal_store_release(bal_store *store) {
    for (size_t i = 0; i < store->n_entries; i++)
        bal_free(store->entries[i].name);
    bal_free(store->entries);
    bal_buffer_free(store->buffer);
    *store = (bal_store){0};
}

bal_status bal_store_write(bal_store *store, const bal_store_entry *entry, const void *bytes,
                           bal_error *err) {
    return bal_buffer_upload(store->buffer, entry->offset, bytes, entry->bytes, err);
}

bal_status bal_store_read(const bal_store *store, const bal_store_entry *entry, void *bytes,
                          bal_error *err) {
    return bal_buffer_download(store->buffer, entry->offset, bytes, entry->bytes, err);
}

/* The entry a graph's parameter or state means, checked. */
static bal_status find_for(const bal_store *store, const bal_value_info *info,
                           const bal_store_entry **ret_entry, bal_error *err) {
    char wanted[128], held[128];
    const bal_store_entry *entry = bal_store_find(store, info->name);
    if (!entry)
        return bal_fail(err, BAL_ENOTFOUND, "the store does not hold \"%s\" %s %s", info->name,
                        bal_dtype_name(info->dtype),
                        bal_shape_text(&info->shape, wanted, sizeof wanted));
    if (entry->dtype != info->dtype || !bal_shape_equal(&entry->shape, &info->shape))
        return bal_fail(
            err, BAL_ENOTFOUND, "the store holds \"%s\" as %s %s; wanted is %s %s", info->name,
            bal_dtype_name(entry->dtype), bal_shape_text(&entry->shape, held, sizeof held),
            bal_dtype_name(info->dtype), bal_shape_text(&info->shape, wanted, sizeof wanted));
    *ret_entry = entry;
    return BAL_OK;
}

bal_status bal_store_bind(const bal_store *store, const bal_graph *graph, bal_binding **bindings,
                          size_t *n_bindings, size_t *capacity, bal_error *err) {
    size_t n = *n_bindings;
    for (int32_t id = 0; id < bal_graph_value_count(graph); id++) {
        bal_value value = {id};
        const bal_value_info *info = bal_graph_info(graph, value);
        if (info->kind != BAL_VALUE_PARAMETER && info->kind != BAL_VALUE_STATE) continue;
        const bal_store_entry *entry;
        BAL_TRY(find_for(store, info, &entry, err));
        if (!bal_reserve(*bindings, *capacity, n + 1))
            return bal_fail_memory(err, (n + 1) * sizeof **bindings);
        (*bindings)[n++] = (bal_binding){value, store->buffer, entry->offset};
    }
    *n_bindings = n;
    return BAL_OK;
}
