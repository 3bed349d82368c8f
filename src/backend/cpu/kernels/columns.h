/* Walking the columns of a row-major [B,D] matrix: sums down a column, for batch norms and
 * reductions.
 *
 * Columns are taken four vectors at a time (a row of such a block is 256 bytes, so memory is read
 * in whole pairs of lines), what is left one vector at a time. A column belongs to one lane, rows
 * are added in order: the result does not depend on the number of lanes. Sums run in f32 over
 * ROW_CHUNK rows and in double over chunks, which bounds the rounding error for any number of rows
 * at the cost of one conversion per chunk. */
#ifndef BAL_BACKEND_CPU_KERNELS_COLUMNS_H
#define BAL_BACKEND_CPU_KERNELS_COLUMNS_H

#include "backend/cpu/kernels/simd.h"

enum { BLOCK_VECTORS = 4, BLOCK_COLUMNS = BLOCK_VECTORS * VL, ROW_CHUNK = 32 };

/* V vectors of columns from `first` on; the last has n columns (V > 1: VL). */
typedef struct column_block {
    int64_t first, n;
} column_block;

INLINE vf column_load(const float *p, const int V, int v, int64_t n) {
    return V > 1 || n == VL ? vf_load(p + v * VL) : vf_load_n(p, n);
}
INLINE void column_store(float *p, vf x, const int V, int v, int64_t n) {
    if (V > 1 || n == VL)
        vf_store(p + v * VL, x);
    else
        vf_store_n(p, x, n);
}

/* Double sums of V vectors of columns. */
typedef struct column_sums {
    vd low[BLOCK_VECTORS], high[BLOCK_VECTORS];
} column_sums;

INLINE void column_sums_add(column_sums *sums, const int V, const vf *x) {
    for (int v = 0; v < V; v++) {
        sums->low[v] += vf_low(x[v]);
        sums->high[v] += vf_high(x[v]);
    }
}

/** Call `f4` for every whole block of the range and `f1` for every vector of the rest. */
#define FOR_COLUMN_BLOCKS(range, f4, f1, ...)                                                      \
    do {                                                                                           \
        bal_range range_ = (range);                                                                \
        int64_t at_ = range_.begin;                                                                \
        for (; range_.end - at_ >= BLOCK_COLUMNS; at_ += BLOCK_COLUMNS) {                          \
            column_block block_ = {at_, VL};                                                       \
            f4(__VA_ARGS__, block_);                                                               \
        }                                                                                          \
        for (; at_ < range_.end; at_ += VL) {                                                      \
            column_block block_ = {at_, min64(range_.end - at_, VL)};                              \
            f1(__VA_ARGS__, block_);                                                               \
        }                                                                                          \
    } while (0)

#endif
