/* Copies that bring operands of matrix products into the order the inner kernel reads them.
 *
 * A panel of B holds up to TILE_COLUMNS columns, row after row: panel[k][w], w = VL or 2·VL,
 * columns that do not exist are zero. Where B is stored by columns (a weight used as weightᵀ)
 * packing transposes it in registers, four rows of VL columns at a time. */
#ifndef BAL_BACKEND_CPU_KERNELS_GEMM_PACK_H
#define BAL_BACKEND_CPU_KERNELS_GEMM_PACK_H

#include "backend/cpu/kernels/gemm_micro.h"

/* Where the columns of one vector lie. Those that do not exist are read from the last that does:
 * what comes of them is never stored. */
typedef struct column_offsets {
    int64_t at[VL];
} column_offsets;

static column_offsets offsets_of(int64_t stride, int64_t columns) {
    column_offsets ret;
    for (int64_t j = 0; j < VL; j++)
        ret.at[j] = (j < columns ? j : columns - 1) * stride;
    return ret;
}

/* Four rows of the columns j, j + 4, …: 16-byte pieces side by side in one vector. */
INLINE vf gather_pieces(const float *b, const column_offsets *offsets, int j) {
    const int64_t *at = offsets->at + j;
#if VL == 16
    __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(b + at[0]));
    x = _mm512_insertf32x4(x, _mm_loadu_ps(b + at[4]), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(b + at[8]), 2);
    return (vf)_mm512_insertf32x4(x, _mm_loadu_ps(b + at[12]), 3);
#elif VL == 8
    __m256 x = _mm256_castps128_ps256(_mm_loadu_ps(b + at[0]));
    return (vf)_mm256_insertf128_ps(x, _mm_loadu_ps(b + at[4]), 1);
#else
    return vf_load(b + at[0]);
#endif
}

/* Within each 128-bit part: a0 b0 a1 b1, a2 b2 a3 b3, and the same with pairs. */
#if VL == 16
#define LOW(a, b)                                                                                  \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define HIGH(a, b)                                                                                 \
    __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define LOW_PAIRS(a, b)                                                                            \
    __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define HIGH_PAIRS(a, b)                                                                           \
    __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#elif VL == 8
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define HIGH(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#else
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5)
#define HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7)
#endif

/** Width of the panel that holds `columns` (1 … TILE_COLUMNS) columns. */
INLINE int64_t panel_width(int64_t columns) {
    return columns > VL ? 2 * VL : VL;
}

/* ---- B stored by rows: b[k·stride + j] ---- */

/** `columns` columns into consecutive panels, row by row of B, so that memory is read in order. */
static void pack_rows(const float *b, int64_t stride, int64_t depth, int64_t columns,
                      float *panel) {
    int64_t whole = columns / TILE_COLUMNS * TILE_COLUMNS, rest = columns - whole;
    int64_t width = panel_width(rest);
    for (int64_t k = 0; k < depth; k++, b += stride) {
        float *to = panel + k * TILE_COLUMNS;
        for (int64_t j = 0; j < whole; j += TILE_COLUMNS) {
            vf_store(to, vf_load(b + j));
            vf_store(to + VL, vf_load(b + j + VL));
            to += depth * TILE_COLUMNS;
        }
        if (rest == 0) continue;
        to = panel + whole * depth + k * width;
        int64_t first = rest < VL ? rest : VL;
        vf_store(to, vf_load_n(b + whole, first));
        if (width > VL) vf_store(to + VL, vf_load_n(b + whole + VL, rest - VL));
    }
}

/* ---- B stored by columns: b[j·stride + k] ---- */

/* Four rows of VL columns. */
INLINE void pack_quad(const float *b, const column_offsets *offsets, float *panel, int64_t width) {
    vf r0 = gather_pieces(b, offsets, 0), r1 = gather_pieces(b, offsets, 1);
    vf r2 = gather_pieces(b, offsets, 2), r3 = gather_pieces(b, offsets, 3);
    vf t0 = LOW(r0, r1), t1 = HIGH(r0, r1), t2 = LOW(r2, r3), t3 = HIGH(r2, r3);
    vf_store(panel, LOW_PAIRS(t0, t2));
    vf_store(panel + width, HIGH_PAIRS(t0, t2));
    vf_store(panel + 2 * width, LOW_PAIRS(t1, t3));
    vf_store(panel + 3 * width, HIGH_PAIRS(t1, t3));
}

/** `columns` columns into consecutive panels. */
static void pack_columns(const float *b, int64_t stride, int64_t depth, int64_t columns,
                         float *panel) {
    for (int64_t first = 0; first < columns; first += VL) {
        /* the second vector of a panel lies beside the first */
        int64_t left = columns - first / TILE_COLUMNS * TILE_COLUMNS;
        int64_t width = panel_width(left < TILE_COLUMNS ? left : TILE_COLUMNS);
        float *to = panel + first / TILE_COLUMNS * TILE_COLUMNS * depth + first % TILE_COLUMNS;
        const float *from = b + first * stride;
        column_offsets offsets = offsets_of(stride, columns - first);
        int64_t k = 0;
        for (; k + 4 <= depth; k += 4)
            pack_quad(from + k, &offsets, to + k * width, width);
        for (; k < depth; k++)
            for (int64_t j = 0; j < VL; j++)
                to[k * width + j] = from[k + offsets.at[j]];
    }
}

/* ---- A stored by columns: a[k·stride + i] ---- */

/** `rows` rows into tile[k][rows]. Vectors overlap to the right: the next row puts that right, and
 * the tile has VL elements of room after its end. */
static void pack_tile(const float *a, int64_t stride, int64_t depth, int64_t rows, float *tile) {
    for (int64_t k = 0; k < depth; k++)
        for (int64_t i = 0; i < rows; i += VL)
            vf_store(tile + k * rows + i,
                     vf_load_n(a + k * stride + i, rows - i < VL ? rows - i : VL));
}

#endif
