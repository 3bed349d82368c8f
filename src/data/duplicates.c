/* A hash table of rows, or of windows, open addressing, and a look-up of all others.
 * See data/duplicates.h. */
#include "data/duplicates.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* Rows are spans of bytes at equal distances; those of windows overlap. */
typedef struct row_set {
    const unsigned char *base;
    size_t stride, size; /* size: a multiple of 4 */
    int64_t *slot;       /* row, −1 free */
    uint64_t mask;
} row_set;

static const unsigned char *row_at(const row_set *set, int64_t row) {
    return set->base + (size_t)row * set->stride;
}

/* FNV-1a over 32-bit words, with its bits mixed once more (MurmurHash3's finaliser), since rows of
 * few distinct values differ in few bits. */
static uint64_t hash_row(const unsigned char *row, size_t size) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i += sizeof(uint32_t)) {
        uint32_t bits;
        memcpy(&bits, row + i, sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3u;
    }
    hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
    return hash ^ (hash >> 33);
}

/* The slot of a row equal to this one, or the free slot where it would be. */
static uint64_t find_slot(const row_set *set, int64_t row) {
    const unsigned char *wanted = row_at(set, row);
    uint64_t at = hash_row(wanted, set->size) & set->mask;
    while (set->slot[at] >= 0 && memcmp(row_at(set, set->slot[at]), wanted, set->size) != 0)
        at = (at + 1) & set->mask;
    return at;
}

/* `set` says where rows are; room for that many. */
static bool set_init(row_set *set, int64_t rows) {
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)rows)
        slots *= 2;
    set->slot = bal_calloc(slots, sizeof *set->slot);
    set->mask = slots - 1;
    for (uint64_t i = 0; set->slot && i < slots; i++)
        set->slot[i] = -1;
    return set->slot;
}

bal_status bal_duplicates_find(const float *x, int32_t features, const bal_split *split,
                               bal_duplicates *ret_duplicates, bal_error *err) {
    bal_duplicates found = {.row = -1, .twin = -1};
    size_t size = (size_t)features * sizeof *x;
    row_set set = {.base = (const unsigned char *)x, .stride = size, .size = size};
    int64_t n_train = split->count[BAL_SPLIT_TRAIN];
    if (!set_init(&set, n_train))
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

/* ---- stretches of a series ---- */

static int compare_values(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* That two values drawn independently are equal: Σp² over the values that there are. */
static bool chance_of_equal(const double *value, int64_t count, double *ret_chance) {
    double sum = 0;
    double *sorted = bal_calloc((size_t)count, sizeof *sorted);
    if (!sorted) return false;
    memcpy(sorted, value, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, compare_values);
    for (int64_t i = 0, from = 0; i < count; i++) {
        if (i + 1 < count && sorted[i + 1] == sorted[from]) continue;
        double share = (double)(i + 1 - from) / (double)count;
        sum += share * share;
        from = i + 1;
    }
    bal_free(sorted);
    *ret_chance = sum;
    return true;
}

bal_status bal_repeats_width(const double *value, int64_t count, int32_t least, double chance,
                             int32_t *ret_width, bal_error *err) {
    double equal = 1, pairs = 0.5 * (double)count * (double)count;
    int32_t found = 0;
    if (count > 0 && !chance_of_equal(value, count, &equal))
        return bal_fail_memory(err, (unsigned long long)count * sizeof *value);
    if (count > 0 && equal < 1) {
        double width = fmax(least, ceil(log(pairs / chance) / -log(equal)));
        if (width < (double)count && width < INT32_MAX) found = (int32_t)width;
    }
    *ret_width = found;
    return BAL_OK;
}

/* Counts one window; `again` tells the windows that have been counted as coming more than once. */
static void count_window(row_set *set, bool *again, int64_t at, int64_t *run, bal_repeats *found) {
    int64_t *slot = &set->slot[find_slot(set, at)];
    if (*slot < 0) {
        *slot = at;
        *run = 0;
        return;
    }
    found->windows += !again[*slot];
    again[*slot] = true;
    found->copies++;
    found->last = at;
    ++*run;
    if (*run > found->run) found->run = *run;
    if (found->at >= 0) return;
    found->at = at;
    found->twin = *slot;
}

bal_status bal_repeats_find(const double *value, int64_t count, int32_t width,
                            bal_repeats *ret_repeats, bal_error *err) {
    bal_repeats found = {.at = -1, .twin = -1, .last = -1};
    int64_t windows = count - width + 1, same = 1, run = 0;
    row_set set = {.base = (const unsigned char *)value,
                   .stride = sizeof *value,
                   .size = (size_t)width * sizeof *value};
    if (windows < 1) {
        *ret_repeats = found;
        return BAL_OK;
    }
    bool *again = bal_calloc((size_t)windows, sizeof *again);
    if (!again || !set_init(&set, windows)) {
        bal_free(again);
        return bal_fail_memory(err, 2 * (unsigned long long)windows * sizeof *set.slot);
    }
    for (int64_t end = 0; end < count; end++) {
        same = end > 0 && value[end] == value[end - 1] ? same + 1 : 1;
        if (end + 1 < width) continue;
        if (same < width)
            count_window(&set, again, end + 1 - width, &run, &found);
        else
            run = 0;
    }
    if (found.run > 0) found.run += width - 1;
    bal_free(set.slot);
    bal_free(again);
    *ret_repeats = found;
    return BAL_OK;
}
