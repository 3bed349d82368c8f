/* Batches gathered ahead by a background thread.
 *
 * A slab holds several batches: gathering one batch of a small table takes microseconds, and waking a
 * thread for each would cost more than the gathering. Two slabs alternate: the trainer reads one while the
 * worker fills the other. The row order of an epoch is drawn when its first batch is gathered, by the
 * worker. See data/batch.h. */
#include "data/batch.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"

enum { FIELDS_MAX = 16, ALIGN = 64, SLAB_BATCHES_MAX = 64 };
static const size_t slab_bytes_wanted = (size_t)4 << 20;

/** Random stream of row orders; other users of the run's seed use other streams. */
static const uint64_t order_stream = 0x6f72646572u; /* "order" */

typedef struct slab {
    bal_buffer *buffer;
    char *staging; /* host copy for devices with their own memory, else NULL */
    int64_t epoch, first; /* of its first batch */
    int64_t count;        /* batches in it */
    int64_t next;         /* batches handed out */
} slab;

struct bal_batcher {
    bal_backend *backend;
    bal_batch_field fields[FIELDS_MAX];
    size_t field_offset[FIELDS_MAX]; /* within a batch */
    int32_t n_fields;
    int64_t *rows;
    int64_t n_rows, batch_size, batches;
    bool shuffle;
    uint64_t seed;
    size_t batch_bytes;
    int64_t slab_batches;
    slab slabs[2];
    int current;
    int64_t *order; /* permutation of the epoch being gathered */
    int64_t order_epoch;
    bal_worker *worker;
    int filling;         /* slab being filled, −1: none */
    bal_status filled;   /* result of the last fill */
    bal_error fill_error;
};

int64_t bal_batcher_batches(const bal_batcher *batcher) { return batcher->batches; }

static void draw_order(bal_batcher *batcher, int64_t epoch) {
    if (batcher->order_epoch == epoch) return;
    if (batcher->shuffle) {
        bal_random random;
        bal_random_init(&random, batcher->seed, order_stream + (uint64_t)epoch);
        bal_random_permutation(&random, batcher->order, (size_t)batcher->n_rows);
    } else if (batcher->order_epoch < 0) {
        for (int64_t i = 0; i < batcher->n_rows; i++)
            batcher->order[i] = i;
    }
    batcher->order_epoch = epoch;
}

static int64_t batch_rows(const bal_batcher *batcher, int64_t index) {
    int64_t left = batcher->n_rows - index * batcher->batch_size;
    return left < batcher->batch_size ? left : batcher->batch_size;
}

static void gather(const bal_batcher *batcher, char *to, int64_t index) {
    const int64_t *order = batcher->order + index * batcher->batch_size;
    int64_t n = batch_rows(batcher, index);
    for (int32_t f = 0; f < batcher->n_fields; f++) {
        size_t bytes = batcher->fields[f].row_bytes;
        const char *from = batcher->fields[f].rows;
        char *at = to + batcher->field_offset[f];
        for (int64_t i = 0; i < n; i++)
            memcpy(at + (size_t)i * bytes, from + (size_t)batcher->rows[order[i]] * bytes, bytes);
    }
}

/** Worker: fill the slab from its first batch on, across epochs. */
static void fill_slab(void *argument) {
    bal_batcher *batcher = argument;
    slab *filling = &batcher->slabs[batcher->filling];
    char *host = filling->staging ? filling->staging : bal_buffer_host(filling->buffer);
    int64_t epoch = filling->epoch, index = filling->first;
    for (int64_t i = 0; i < filling->count; i++) {
        draw_order(batcher, epoch);
        gather(batcher, host + (size_t)i * batcher->batch_bytes, index);
        if (++index == batcher->batches) {
            index = 0;
            epoch++;
        }
    }
    if (filling->staging)
        batcher->filled = bal_buffer_upload(filling->buffer, 0, filling->staging,
                                            (size_t)filling->count * batcher->batch_bytes,
                                            &batcher->fill_error);
}

static void start_fill(bal_batcher *batcher, int which, int64_t epoch, int64_t first) {
    slab *filling = &batcher->slabs[which];
    filling->epoch = epoch;
    filling->first = first;
    filling->count = batcher->slab_batches;
    filling->next = 0;
    batcher->filling = which;
    batcher->filled = BAL_OK;
    bal_worker_start(batcher->worker, fill_slab, batcher);
}

static bal_status finish_fill(bal_batcher *batcher, bal_error *err) {
    if (batcher->filling < 0) return BAL_OK;
    bal_worker_wait(batcher->worker);
    batcher->filling = -1;
    if (batcher->filled != BAL_OK)
        return bal_fail(err, batcher->filled, "%s", batcher->fill_error.message);
    return BAL_OK;
}

/** Where the batch after the last of a slab is. */
static void slab_end(const bal_batcher *batcher, const slab *of, int64_t *ret_epoch,
                     int64_t *ret_index) {
    int64_t index = of->first + of->count;
    *ret_epoch = of->epoch + index / batcher->batches;
    *ret_index = index % batcher->batches;
}

bal_status bal_batcher_seek(bal_batcher *batcher, int64_t epoch, int64_t batch, bal_error *err) {
    slab *current = &batcher->slabs[batcher->current];
    if (!batcher->shuffle && current->count == batcher->batches && current->first == batch) {
        current->next = 0; /* a further pass over rows that are all here, in given order */
        return BAL_OK;
    }
    BAL_TRY(finish_fill(batcher, err));
    start_fill(batcher, batcher->current, epoch, batch);
    BAL_TRY(finish_fill(batcher, err));
    slab_end(batcher, current, &epoch, &batch);
    start_fill(batcher, 1 - batcher->current, epoch, batch);
    return BAL_OK;
}

bal_status bal_batcher_next(bal_batcher *batcher, bal_batch *ret_batch, bal_error *err) {
    slab *current = &batcher->slabs[batcher->current];
    if (current->next == current->count) {
        int64_t epoch, batch;
        BAL_TRY(finish_fill(batcher, err));
        int emptied = batcher->current;
        batcher->current = 1 - batcher->current;
        current = &batcher->slabs[batcher->current];
        slab_end(batcher, current, &epoch, &batch);
        start_fill(batcher, emptied, epoch, batch);
    }
    int64_t position = current->first + current->next;
    ret_batch->epoch = current->epoch + position / batcher->batches;
    ret_batch->index = position % batcher->batches;
    ret_batch->size = batch_rows(batcher, ret_batch->index);
    ret_batch->buffer = current->buffer;
    for (int32_t f = 0; f < batcher->n_fields; f++)
        ret_batch->offset[f] =
            (size_t)current->next * batcher->batch_bytes + batcher->field_offset[f];
    current->next++;
    return BAL_OK;
}

static bal_status lay_out(bal_batcher *batcher, bal_error *err) {
    size_t offset = 0;
    for (int32_t f = 0; f < batcher->n_fields; f++) {
        size_t bytes;
        batcher->field_offset[f] = offset;
        if (!bal_size_mul((size_t)batcher->batch_size, batcher->fields[f].row_bytes, &bytes) ||
            !bal_size_add(offset, bytes, &offset) || !bal_size_align(offset, ALIGN, &offset))
            return bal_fail(err, BAL_EOVERFLOW, "a batch of %lld rows is too large",
                            (long long)batcher->batch_size);
    }
    batcher->batch_bytes = offset ? offset : ALIGN;
    int64_t fit = (int64_t)(slab_bytes_wanted / batcher->batch_bytes);
    batcher->slab_batches = fit < 1 ? 1 : fit > SLAB_BATCHES_MAX ? SLAB_BATCHES_MAX : fit;
    if (!batcher->shuffle && batcher->slab_batches > batcher->batches)
        batcher->slab_batches = batcher->batches;
    return BAL_OK;
}

static bal_status make_slabs(bal_batcher *batcher, bal_error *err) {
    size_t bytes;
    if (!bal_size_mul(batcher->batch_bytes, (size_t)batcher->slab_batches, &bytes))
        return bal_fail(err, BAL_EOVERFLOW, "batches too large");
    for (int i = 0; i < 2; i++) {
        BAL_TRY(bal_buffer_new(batcher->backend, bytes, &batcher->slabs[i].buffer, err));
        if (bal_buffer_host(batcher->slabs[i].buffer)) continue;
        if (!(batcher->slabs[i].staging = bal_calloc(bytes, 1))) return bal_fail_memory(err, bytes);
    }
    return BAL_OK;
}

static bal_status fill_batcher(bal_batcher *batcher, const int64_t *rows, bal_error *err) {
    size_t n = (size_t)batcher->n_rows;
    batcher->rows = bal_calloc(n, sizeof *batcher->rows);
    batcher->order = bal_calloc(n, sizeof *batcher->order);
    if (!batcher->rows || !batcher->order) return bal_fail_memory(err, n * sizeof *rows);
    memcpy(batcher->rows, rows, n * sizeof *rows);
    BAL_TRY(lay_out(batcher, err));
    BAL_TRY(make_slabs(batcher, err));
    BAL_TRY(bal_worker_new(&batcher->worker, err));
    return bal_batcher_seek(batcher, 0, 0, err);
}

bal_status bal_batcher_new(bal_backend *backend, const bal_batch_field *fields, int32_t n_fields,
                           const int64_t *rows, int64_t n_rows, int64_t batch_size, bool shuffle,
                           uint64_t seed, bal_batcher **ret_batcher, bal_error *err) {
    if (n_fields < 1 || n_fields > FIELDS_MAX || n_rows < 1 || batch_size < 1)
        return bal_fail(err, BAL_EINVAL, "batches of %lld from %lld rows in %d fields",
                        (long long)batch_size, (long long)n_rows, (int)n_fields);
    bal_batcher *batcher = bal_calloc(1, sizeof *batcher);
    if (!batcher) return bal_fail_memory(err, sizeof *batcher);
    batcher->backend = backend;
    memcpy(batcher->fields, fields, (size_t)n_fields * sizeof *fields);
    batcher->n_fields = n_fields;
    batcher->n_rows = n_rows;
    batcher->batch_size = batch_size < n_rows ? batch_size : n_rows;
    batcher->batches = (n_rows + batcher->batch_size - 1) / batcher->batch_size;
    batcher->shuffle = shuffle;
    batcher->seed = seed;
    batcher->order_epoch = -1;
    batcher->filling = -1;
    bal_status status = fill_batcher(batcher, rows, err);
    if (status != BAL_OK) {
        bal_batcher_free(batcher);
        return status;
    }
    *ret_batcher = batcher;
    return BAL_OK;
}

void bal_batcher_free(bal_batcher *batcher) {
    if (!batcher) return;
    bal_worker_free(batcher->worker);
    for (int i = 0; i < 2; i++) {
        bal_buffer_free(batcher->slabs[i].buffer);
        bal_free(batcher->slabs[i].staging);
    }
    bal_free(batcher->rows);
    bal_free(batcher->order);
    bal_free(batcher);
}
