/* Starting values of a whole net, made by all processors the device uses.
 *
 * A large net has tens of millions of weights, and what it waits for is less the random numbers
 * than the kernel clearing fresh memory, page by page, for the thread that touches it first. So
 * entries are cut into pieces of a huge page, and threads take piece after piece. A value depends
 * on the seed, the entry's name and its place alone (init.c): the bytes are the same with any
 * number of threads, also with fewer than asked for. */
#include <stdatomic.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "nn/net.h"

enum {
    PIECE = 1 << 19,       /* values, 2 MiB */
    PIECES_PER_THREAD = 2, /* with less than that to do, starting a thread does not pay */
    HELPERS_MAX = 31
};
_Static_assert(PIECE % BAL_INIT_BLOCK == 0, "pieces begin at a block of random numbers");

/* Entries first … end − 1 of the store; `values` of entry `first` for a device that the host cannot
 * address, which is given one entry at a time. */
typedef struct filling {
    const bal_net *net;
    size_t first, end;
    float *values;            /* NULL: where they will live */
    atomic_int_fast64_t next; /* piece that nobody has taken yet */
} filling;

static bool starts_with_values(const bal_store_entry *entry) {
    return entry->role == BAL_ROLE_PARAMETER || entry->role == BAL_ROLE_STATISTIC;
}

static int64_t pieces_of(const bal_store_entry *entry) {
    if (!starts_with_values(entry)) return 0;
    return (bal_shape_count(&entry->shape) + PIECE - 1) / PIECE;
}

static void fill_piece(const filling *f, size_t index, int64_t piece) {
    const bal_store *store = f->net->store;
    const bal_store_entry *entry = &store->entries[index];
    int64_t begin = piece * PIECE, left = bal_shape_count(&entry->shape) - begin;
    bal_init_part part = {begin, left < PIECE ? left : PIECE};
    float *values = f->values;
    if (!values) values = (float *)(void *)((char *)bal_buffer_host(store->buffer) + entry->offset);
    bal_init_fill_part(f->net->inits[index], &entry->shape, entry->name, f->net->seed, part,
                       values + begin);
}

/* What each thread does. Pieces are numbered through all entries; a thread's numbers only rise. */
static void fill_pieces(void *job) {
    filling *f = job;
    size_t index = f->first;
    int64_t before = 0; /* pieces of the entries before `index` */
    for (;;) {
        int64_t piece = atomic_fetch_add_explicit(&f->next, 1, memory_order_relaxed);
        while (index < f->end && piece - before >= pieces_of(&f->net->store->entries[index]))
            before += pieces_of(&f->net->store->entries[index++]);
        if (index == f->end) return;
        fill_piece(f, index, piece - before);
    }
}

/* Threads beside the own one that so many pieces are worth. */
static int helpers_for(const bal_net *net, int64_t pieces) {
    int64_t worth = pieces / PIECES_PER_THREAD - 1;
    if (worth < 1) return 0;
    bal_device_facts facts;
    bal_backend_facts(net->store->buffer->backend, &facts);
    int most = facts.threads <= HELPERS_MAX ? facts.threads - 1 : HELPERS_MAX;
    return worth < most ? (int)worth : most;
}

static void fill_entries(const bal_net *net, size_t first, size_t end, float *values) {
    filling f = {.net = net, .first = first, .end = end, .values = values};
    bal_worker *helpers[HELPERS_MAX];
    int64_t pieces = 0;
    for (size_t i = first; i < end; i++)
        pieces += pieces_of(&net->store->entries[i]);
    int wanted = helpers_for(net, pieces), n = 0;
    /* a helper that cannot be started is done without */
    while (n < wanted && bal_worker_new(&helpers[n], NULL) == BAL_OK)
        bal_worker_start(helpers[n++], fill_pieces, &f);
    fill_pieces(&f);
    for (int i = 0; i < n; i++)
        bal_worker_free(helpers[i]); /* waits */
}

/* On a device with memory of its own entries are made one by one on the host and sent. */
static bal_status fill_device(const bal_net *net, bal_error *err) {
    const bal_store *store = net->store;
    size_t largest = 0;
    for (size_t i = 0; i < store->n_entries; i++)
        if (store->entries[i].bytes > largest) largest = store->entries[i].bytes;
    float *bounce = bal_calloc(largest, 1);
    if (!bounce) return bal_fail_memory(err, largest);
    bal_status status = BAL_OK;
    for (size_t i = 0; i < store->n_entries && status == BAL_OK; i++) {
        if (!starts_with_values(&store->entries[i])) continue;
        fill_entries(net, i, i + 1, bounce);
        status = bal_store_write(net->store, &store->entries[i], bounce, err);
    }
    bal_free(bounce);
    return status;
}

bal_status bal_net_initialise(const bal_net *net, bal_error *err) {
    const bal_store *store = net->store;
    for (size_t i = 0; i < store->n_entries; i++) {
        const bal_store_entry *entry = &store->entries[i];
        if (starts_with_values(entry) && entry->dtype != BAL_F32)
            return bal_fail(err, BAL_EUNSUPPORTED, "\"%s\" is %s; weights start as f32",
                            entry->name, bal_dtype_name(entry->dtype));
    }
    if (!bal_buffer_host(store->buffer)) return fill_device(net, err);
    fill_entries(net, 0, store->n_entries, NULL);
    return BAL_OK;
}
