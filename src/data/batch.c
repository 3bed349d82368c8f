/* Batches gathered ahead by a background thread.
 *
 * A slab holds several batches: gathering one batch of a small table takes microseconds, and waking
 * a thread for each would cost more than the gathering. Two slabs alternate: the trainer reads one
 * while the worker fills the other. The row order of an epoch is drawn by the worker, when it
 * gathers the first batch of it.
 *
 * Who touches what: a slab and the order belong to the worker from start_fill to finish_fill, to
 * the caller otherwise; the position of the caller is the caller's alone. See data/batch.h. */
#include "data/batch.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"

enum { ALIGN = 64, SLAB_BATCHES_MAX = 64 };
static const size_t slab_bytes_wanted = (size_t)4 << 20;

/** Random stream of row orders; other users of the run's seed use other streams. */
static const uint64_t order_stream = 0x6f72646572u; /* "order" */

/** Where a batch stands in the endless row of epochs. */
typedef struct position {
    int64_t epoch, index;
} position;

typedef struct slab {
    bal_buffer *buffer;
    char *staging;  /* host copy for devices with their own memory, else NULL */
    position first; /* of its batches */
} slab;

struct bal_batcher {
    bal_backend *backend;
    bal_batch_field fields[BAL_BATCH_FIELDS_MAX];
    size_t field_offset[BAL_BATCH_FIELDS_MAX]; /* within a batch */
    int32_t n_fields;
    int64_t *rows;
    int64_t n_rows, batch_size, batches;
    bool shuffle;
    uint64_t seed;
    size_t batch_bytes;

    int64_t *order; /* rows in the order of `order_epoch` */
    int64_t order_epoch;

    slab slabs[2];
    int64_t slab_batches;
    int current;   /* the slab being read */
    int64_t used;  /* of its batches */
    position next; /* what bal_batcher_next hands out */

    bal_worker *worker;
    int filling; /* the slab the worker has, −1: none */
    bal_status filled;
    bal_error fill_error;
};

int64_t bal_batcher_batches(const bal_batcher *batcher) {
    return batcher->batches;
}

static position advance(const bal_batcher *batcher, position from, int64_t count) {
    int64_t index = from.index + count;
    return (position){from.epoch + index / batcher->batches, index % batcher->batches};
}

static int64_t batch_rows(const bal_batcher *batcher, int64_t index) {
    int64_t left = batcher->n_rows - index * batcher->batch_size;
    return left < batcher->batch_size ? left : batcher->batch_size;
}

/* ---- the worker's side ---- */

static void draw_order(bal_batcher *batcher, int64_t epoch) {
    if (!batcher->shuffle || batcher->order_epoch == epoch) return;
    bal_random random;
    bal_random_init(&random, batcher->seed, order_stream + (uint64_t)epoch);
    bal_random_permutation(&random, batcher->order, (size_t)batcher->n_rows);
    for (int64_t i = 0; i < batcher->n_rows; i++)
        batcher->order[i] = batcher->rows[batcher->order[i]];
    batcher->order_epoch = epoch;
}

static void gather(const bal_batcher *batcher, char *to, int64_t index) {
    const int64_t *order = batcher->order + index * batcher->batch_size;
    int64_t n = batch_rows(batcher, index);
    for (int32_t f = 0; f < batcher->n_fields; f++) {
        size_t bytes = batcher->fields[f].row_bytes;
        const char *from = batcher->fields[f].rows;
        char *at = to + batcher->field_offset[f];
        for (int64_t i = 0; i < n; i++, at += bytes)
            memcpy(at, from + (size_t)order[i] * bytes, bytes);
    }
}

/** Fill the slab from its first batch on, across epochs. */
static void fill_slab(void *argument) {
    bal_batcher *batcher = argument;
    slab *filling = &batcher->slabs[batcher->filling];
    char *host = filling->staging ? filling->staging : bal_buffer_host(filling->buffer);
    position at = filling->first;
    for (int64_t i = 0; i < batcher->slab_batches; i++, at = advance(batcher, at, 1)) {
        draw_order(batcher, at.epoch);
        gather(batcher, host + (size_t)i * batcher->batch_bytes, at.index);
    }
    if (filling->staging)
        batcher->filled = bal_buffer_upload(filling->buffer, 0, filling->staging,
                                            (size_t)batcher->slab_batches * batcher->batch_bytes,
                                            &batcher->fill_error);
}

/* ---- the caller's side ---- */

static void start_fill(bal_batcher *batcher, int which, position first) {
    batcher->slabs[which].first = first;
    batcher->filling = which;
    batcher->filled = BAL_OK;
    bal_error_clear(&batcher->fill_error);
    bal_worker_start(batcher->worker, fill_slab, batcher);
}

/** Take back what the worker has. A failure stays until something else is filled. */
static bal_status finish_fill(bal_batcher *batcher, bal_error *err) {
    if (batcher->filling >= 0) bal_worker_wait(batcher->worker);
    batcher->filling = -1;
    if (batcher->filled == BAL_OK) return BAL_OK;
    return bal_fail(err, batcher->filled, "%s", batcher->fill_error.message);
}

/** Let the worker fill the slab that is not read with what comes after the one that is. */
static void prefetch(bal_batcher *batcher) {
    position first = batcher->slabs[batcher->current].first;
    start_fill(batcher, 1 - batcher->current, advance(batcher, first, batcher->slab_batches));
}

/** Whether the slab being read begins with the rows of this position: validating again and again on
 *  rows that fit into one slab gathers them once. */
static bool begins_with(const bal_batcher *batcher, position at) {
    const slab *current = &batcher->slabs[batcher->current];
    bool worker_idle = batcher->filling < 0;
    if (worker_idle && batcher->filled != BAL_OK) return false;
    bool same_epoch = !batcher->shuffle || current->first.epoch == at.epoch;
    return same_epoch && current->first.index == at.index;
}

static bal_status refill(bal_batcher *batcher, position from, bal_error *err) {
    bal_status discarded = finish_fill(batcher, NULL);
    (void)discarded;                       /* of rows that nobody wants any more */
    batcher->used = batcher->slab_batches; /* should this fail, there is nothing to hand out */
    start_fill(batcher, batcher->current, from);
    BAL_TRY(finish_fill(batcher, err));
    prefetch(batcher);
    return BAL_OK;
}

bal_status bal_batcher_seek(bal_batcher *batcher, int64_t epoch, int64_t batch, bal_error *err) {
    if (epoch < 0 || batch < 0 || batch >= batcher->batches)
        return bal_fail(err, BAL_EINVAL,
                        "there is no batch %" PRId64 " in epoch %" PRId64 " of %" PRId64 " batches",
                        batch, epoch, batcher->batches);
    position to = {epoch, batch};
    if (!begins_with(batcher, to)) BAL_TRY(refill(batcher, to, err));
    batcher->next = to;
    batcher->used = 0;
    return BAL_OK;
}

bal_status bal_batcher_next(bal_batcher *batcher, bal_batch *ret_batch, bal_error *err) {
    if (batcher->used == batcher->slab_batches) {
        BAL_TRY(finish_fill(batcher, err));
        batcher->current = 1 - batcher->current;
        batcher->used = 0;
        prefetch(batcher);
    }
    size_t start = (size_t)batcher->used * batcher->batch_bytes;
    ret_batch->epoch = batcher->next.epoch;
    ret_batch->index = batcher->next.index;
    ret_batch->size = batch_rows(batcher, batcher->next.index);
    ret_batch->buffer = batcher->slabs[batcher->current].buffer;
    for (int32_t f = 0; f < batcher->n_fields; f++)
        ret_batch->offset[f] = start + batcher->field_offset[f];
    batcher->next = advance(batcher, batcher->next, 1);
    batcher->used++;
    return BAL_OK;
}

/* ---- making one ---- */

static bal_status lay_out(bal_batcher *batcher, bal_error *err) {
    size_t offset = 0;
    for (int32_t f = 0; f < batcher->n_fields; f++) {
        size_t bytes;
        batcher->field_offset[f] = offset;
        if (!bal_size_mul((size_t)batcher->batch_size, batcher->fields[f].row_bytes, &bytes) ||
            !bal_size_add(offset, bytes, &offset) || !bal_size_align(offset, ALIGN, &offset))
            return bal_fail(err, BAL_EOVERFLOW, "a batch of %" PRId64 " rows is too large",
                            batcher->batch_size);
    }
    batcher->batch_bytes = offset ? offset : ALIGN;
    int64_t fit = (int64_t)(slab_bytes_wanted / batcher->batch_bytes);
    batcher->slab_batches = fit < 1 ? 1 : fit > SLAB_BATCHES_MAX ? SLAB_BATCHES_MAX : fit;
    if (!batcher->shuffle && batcher->slab_batches > batcher->batches)
        batcher->slab_batches = batcher->batches; /* more would only repeat them */
    return BAL_OK;
}

static bal_status make_slabs(bal_batcher *batcher, bal_error *err) {
    size_t bytes;
    if (!bal_size_mul(batcher->batch_bytes, (size_t)batcher->slab_batches, &bytes))
        return bal_fail(err, BAL_EOVERFLOW, "a batch of %" PRId64 " rows is too large",
                        batcher->batch_size);
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
    memcpy(batcher->order, rows, n * sizeof *rows);
    BAL_TRY(lay_out(batcher, err));
    BAL_TRY(make_slabs(batcher, err));
    BAL_TRY(bal_worker_new(&batcher->worker, err));
    return bal_batcher_seek(batcher, 0, 0, err);
}

bal_status bal_batcher_new(bal_backend *backend, const bal_batch_field *fields, int32_t n_fields,
                           const int64_t *rows, int64_t n_rows, int64_t batch_size, bool shuffle,
                           uint64_t seed, bal_batcher **ret_batcher, bal_error *err) {
    if (n_fields < 1 || n_fields > BAL_BATCH_FIELDS_MAX || n_rows < 1 || batch_size < 1)
        return bal_fail(err, BAL_EINVAL,
                        "batches of %" PRId64 " from %" PRId64 " rows of %d fields (at most %d)",
                        batch_size, n_rows, (int)n_fields, BAL_BATCH_FIELDS_MAX);
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
    batcher->slabs[0].first.index = -1; /* nothing in it */
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
