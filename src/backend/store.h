/* A store: the named tensors a model keeps between steps, in one device buffer.
 *
 * Parameters, running statistics and optimiser moments are entries, laid out one after the other
 * (each 64-byte aligned) in the order they were declared. A snapshot of a run is one download of
 * the buffer; a rollback is one upload. */
#ifndef BAL_BACKEND_STORE_H
#define BAL_BACKEND_STORE_H

#include "backend/backend.h"

typedef enum bal_role {
    BAL_ROLE_PARAMETER, /* trained weight */
    BAL_ROLE_STATISTIC, /* running statistics: part of the model, not trained */
    BAL_ROLE_MOMENT,    /* optimiser state: part of a checkpoint, not of the model */
    BAL_ROLE_SCRATCH    /* kept between runs but in no file (activity peaks) */
} bal_role;

typedef struct bal_store_entry {
    char *name;
    bal_role role;
    bal_dtype dtype;
    bal_shape shape;
    size_t offset; /* in the buffer */
    size_t bytes;
} bal_store_entry;

typedef struct bal_store {
    bal_store_entry *entries;
    size_t n_entries;
    size_t capacity;
    size_t bytes;       /* of the buffer: all entries with padding */
    bal_buffer *buffer; /* NULL until bal_store_allocate */
} bal_store;

/** A zeroed store is empty. Declare entries, then allocate once. */
BAL_WARN_UNUSED bal_status bal_store_declare(bal_store *store, const char *name, bal_role role,
                                             bal_dtype dtype, bal_shape shape, bal_error *err);
BAL_WARN_UNUSED bal_status bal_store_allocate(bal_store *store, bal_backend *backend,
                                              bal_error *err);
void bal_store_release(bal_store *store);

/** Entry by name, or NULL. */
const bal_store_entry *bal_store_find(const bal_store *store, const char *name);

BAL_WARN_UNUSED bal_status bal_store_write(bal_store *store, const bal_store_entry *entry,
                                           const void *bytes, bal_error *err);
BAL_WARN_UNUSED bal_status bal_store_read(const bal_store *store, const bal_store_entry *entry,
                                          void *bytes, bal_error *err);

/** Bindings for every parameter and state of `graph` found in the store, appended to `bindings`
 *  (dynamic array; bal_free). BAL_ENOTFOUND names a value that the store lacks or holds in another
 *  shape. */
BAL_WARN_UNUSED bal_status bal_store_bind(const bal_store *store, const bal_graph *graph,
                                          bal_binding **bindings, size_t *n_bindings,
                                          size_t *capacity, bal_error *err);

#endif
