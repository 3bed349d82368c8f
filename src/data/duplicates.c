/* A hash table of the training rows, open addressing, and a look-up of all others.
 * See data/duplicates.h. */
#include "data/duplicates.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

typedef struct row_set {
    const float *x;
    size_t features;
    int64_t *slot; /* row, −1 free */
    uint64_t mask;
} row_set;

/* FNV-1a over 32-bit words, with its bits mixed once more (MurmurHash3's finaliser), since rows of
 * few distinct values differ in few bits. */
static uint64_t hash_row(const float *row, size_t features) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < features; i++) {
        uint32_t bits;
        memcpy(&bits, &row[i], sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3u;
    }
    hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
    return hash ^ (hash >> 33);
}

/* The slot of a row equal to this one, or the free slot where it would be. */
static uint64_t find_slot(const row_set *set, int64_t row) {
    const float *wanted = set->x + (size_t)row * set->features;
    uint64_t at = hash_row(wanted, set->features) & set->mask;
    while (set->slot[at] >= 0 && memcmp(set->x + (size_t)set->slot[at] * set->features, wanted,
                                        set->features * sizeof *wanted) != 0)
        at = (at + 1) & set->mask;
    return at;
}

static bool set_init(row_set *set, const float *x, int32_t features, int64_t rows) {
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)rows)
        slots *= 2;
    *set = (row_set){x, (size_t)features, bal_calloc(slots, sizeof *set->slot), slots - 1};
    for (uint64_t i = 0; set->slot && i < slots; i++)
        set->slot[i] = -1;
    return set->slot;
}

bal_status bal_duplicates_find(const float *x, int32_t features, const bal_split *split,
                               bal_duplicates *ret_duplicates, bal_error *err) {
    bal_duplicates found = {.row = -1, .twin = -1};
    row_set set;
    int64_t n_train = split->count[BAL_SPLIT_TRAIN];
    if (!set_init(&set, x, features, n_train))
        return bal_fail_memory(err, 2 * (unsigned long long)n_train * sizeof *set.slot);
    for (int64_t i = 0; i < n_train; i++) {
        uint64_t at = find_slot(&set, split->rows[BAL_SPLIT_TRAIN][i]);
        found.inside += set.slot[at] >= 0;
        if (set.slot[at] < 0) set.slot[at] = split->rows[BAL_SPLIT_TRAIN][i];
    }
    for (int part = BAL_SPLIT_VAL; part < BAL_SPLIT_COUNT; part++)
        for (int64_t i = 0; i < split->count[part]; i++) {
            int64_t row = split->rows[part][i], twin = set.slot[find_slot(&set, row)];
            if (twin < 0) continue;
            found.rows[part]++;
            if (found.row >= 0) continue;
            found.row = row;
            found.twin = twin;
        }
    bal_free(set.slot);
    *ret_duplicates = found;
    return BAL_OK;
}
