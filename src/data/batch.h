/* Batches: shuffled rows gathered ahead of need by a background thread, straight into input buffers
 * of the device.
 *
 * The order of an epoch is a pure function of (seed, epoch): nothing but the position has to be
 * saved to go on exactly. Rows are gathered in slabs of several batches, so that the worker wakes
 * rarely; two slabs alternate. The last batch of an epoch may be smaller.
 *
 * A batcher owns its buffers and lists; the fields' rows are the caller's and must stay. */
#ifndef BAL_DATA_BATCH_H
#define BAL_DATA_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"

#define BAL_BATCH_FIELDS_MAX 16

/** One field of a batch: rows of `row_bytes` bytes at `rows`, gathered together. */
typedef struct bal_batch_field {
    const void *rows;
    size_t row_bytes;
} bal_batch_field;

typedef struct bal_batcher bal_batcher;

/** Positioned before the first batch of epoch 0. rows: indices into the fields' sources, copied.
 *  shuffle false: in the order given, every epoch. */
BAL_WARN_UNUSED bal_status bal_batcher_new(bal_backend *backend, const bal_batch_field *fields,
                                           int32_t n_fields, const int64_t *rows, int64_t n_rows,
                                           int64_t batch_size, bool shuffle, uint64_t seed,
                                           bal_batcher **ret_batcher, bal_error *err);
void bal_batcher_free(bal_batcher *batcher);

/** Batches of an epoch, the partial one included. */
int64_t bal_batcher_batches(const bal_batcher *batcher);

/** Position before batch `batch` (below bal_batcher_batches) of `epoch`. What was prefetched is
 *  used where it still fits. */
BAL_WARN_UNUSED bal_status bal_batcher_seek(bal_batcher *batcher, int64_t epoch, int64_t batch,
                                            bal_error *err);

/** One batch: where each field lies. Valid until the next call of next, seek or free. */
typedef struct bal_batch {
    int64_t epoch, index; /* of this batch */
    int64_t size;         /* rows */
    bal_buffer *buffer;
    size_t offset[BAL_BATCH_FIELDS_MAX]; /* per field, 64-byte aligned */
} bal_batch;

/** The next batch; goes on into the next epoch by itself, prefetching across the boundary. Does not
 *  allocate. After a failure (of a device) only seek helps. */
BAL_WARN_UNUSED bal_status bal_batcher_next(bal_batcher *batcher, bal_batch *ret_batch,
                                            bal_error *err);

#endif
