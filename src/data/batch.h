/* Batches: shuffled rows gathered ahead of need by a background thread, straight into device-visible
 * input buffers.
 *
 * The order of an epoch is a pure function of (seed, epoch): nothing but the cursor has to be saved. Rows
 * are gathered in slabs of several batches, so that the worker wakes rarely; two slabs alternate. The last
 * batch of an epoch may be smaller. */
#ifndef BAL_DATA_BATCH_H
#define BAL_DATA_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"

/** One field of a batch: rows of `row_bytes` bytes at `rows` (source; [N]), gathered together. */
typedef struct bal_batch_field {
    const void *rows;
    size_t row_bytes;
} bal_batch_field;

typedef struct bal_batcher bal_batcher;

/** Up to 16 fields. rows: indices into the fields' sources. shuffle false: in given order. */
BAL_WARN_UNUSED bal_status bal_batcher_new(bal_backend *backend, const bal_batch_field *fields,
                                           int32_t n_fields, const int64_t *rows, int64_t n_rows,
                                           int64_t batch_size, bool shuffle, uint64_t seed,
                                           bal_batcher **ret_batcher, bal_error *err);
void bal_batcher_free(bal_batcher *batcher);

int64_t bal_batcher_batches(const bal_batcher *batcher); /* per epoch, the partial one included */

/** Position before batch `batch` of `epoch`; discards what was prefetched. */
BAL_WARN_UNUSED bal_status bal_batcher_seek(bal_batcher *batcher, int64_t epoch, int64_t batch,
                                            bal_error *err);

/** One batch: where each field lies. Valid until the next call of next/seek/free. */
typedef struct bal_batch {
    int64_t epoch, index; /* of this batch */
    int64_t size;         /* rows */
    bal_buffer *buffer;
    size_t offset[16];    /* per field, 64-byte aligned */
} bal_batch;

/** The next batch; rolls over to the next epoch by itself (prefetching across the boundary). No
 *  allocation. */
BAL_WARN_UNUSED bal_status bal_batcher_next(bal_batcher *batcher, bal_batch *ret_batch,
                                            bal_error *err);

#endif
