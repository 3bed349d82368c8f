/* Copies that bring operands of matrix products into the order the inner kernel reads them.
 *
 * A panel of B holds up to TILE_COLUMNS columns, row after row: panel[k][w], w = VL or 2·VL,
 * columns that do not exist are zero. Where B is stored by columns (a weight used as weightᵀ)
 * packing transposes it in registers, VL × VL at a time. */
#ifndef BAL_BACKEND_CPU_KERNELS_GEMM_PACK_H
#define BAL_BACKEND_CPU_KERNELS_GEMM_PACK_H

#include "backend/cpu/kernels/gemm_micro.h"

/* Vectors interleaved by Eklundh's method: halves of growing size change places. */
#define SWAP(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

#if VL == 16
INLINE void transpose(vf r[VL]) {
    vf t[VL];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = SWAP(r[i], r[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
        t[i + 1] = SWAP(r[i], r[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        r[i] = SWAP(t[i], t[i + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
        r[i + 1] = SWAP(t[i], t[i + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
        r[i + 2] =
            SWAP(t[i + 1], t[i + 3], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
        r[i + 3] =
            SWAP(t[i + 1], t[i + 3], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i] = SWAP(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        t[i + 4] = SWAP(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        t[i + 8] =
            SWAP(r[i + 8], r[i + 12], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        t[i + 12] =
            SWAP(r[i + 8], r[i + 12], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = SWAP(t[i], t[i + 8], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        r[i + 8] = SWAP(t[i], t[i + 8], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        r[i + 4] =
            SWAP(t[i + 4], t[i + 12], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        r[i + 12] =
            SWAP(t[i + 4], t[i + 12], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    }
}
#elif VL == 8
INLINE void transpose(vf r[VL]) {
    vf t[VL];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        t[i] = SWAP(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] = SWAP(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        r[i] = SWAP(t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        r[i + 1] = SWAP(t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        r[i + 2] = SWAP(t[i + 1], t[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        r[i + 3] = SWAP(t[i + 1], t[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i] = SWAP(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        t[i + 4] = SWAP(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        r[i] = t[i];
}
#else
INLINE void transpose(vf r[VL]) {
    vf a = SWAP(r[0], r[1], 0, 4, 1, 5), b = SWAP(r[0], r[1], 2, 6, 3, 7);
    vf c = SWAP(r[2], r[3], 0, 4, 1, 5), d = SWAP(r[2], r[3], 2, 6, 3, 7);
    r[0] = SWAP(a, c, 0, 1, 4, 5);
    r[1] = SWAP(a, c, 2, 3, 6, 7);
    r[2] = SWAP(b, d, 0, 1, 4, 5);
    r[3] = SWAP(b, d, 2, 3, 6, 7);
}
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

/* VL columns (`columns` of them exist), `depth` ≤ VL rows. */
INLINE void pack_square(const float *b, int64_t stride, int64_t depth, int64_t columns,
                        float *panel, int64_t width) {
    vf r[VL];
    if (depth == VL && columns == VL) {
#pragma GCC unroll 16
        for (int j = 0; j < VL; j++)
            r[j] = vf_load(b + j * stride);
    } else {
#pragma GCC unroll 16
        for (int j = 0; j < VL; j++)
            r[j] = j < columns ? vf_load_n(b + j * stride, depth) : (vf){0};
    }
    transpose(r);
    if (depth == VL) {
#pragma GCC unroll 16
        for (int k = 0; k < VL; k++)
            vf_store(panel + k * width, r[k]);
    } else {
        for (int64_t k = 0; k < depth; k++)
            vf_store(panel + k * width, r[k]);
    }
}

/** `columns` columns into consecutive panels. */
static void pack_columns(const float *b, int64_t stride, int64_t depth, int64_t columns,
                         float *panel) {
    for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
        int64_t here = columns - j < TILE_COLUMNS ? columns - j : TILE_COLUMNS;
        int64_t width = panel_width(here);
        for (int64_t k = 0; k < depth; k += VL) {
            int64_t rows = depth - k < VL ? depth - k : VL;
            for (int64_t h = 0; h < width; h += VL)
                pack_square(b + (j + h) * stride + k, stride, rows, here - h < VL ? here - h : VL,
                            panel + k * width + h, width);
        }
        panel += depth * width;
    }
}

/* ---- A stored by columns: a[k·stride + i] ---- */

/** `rows` rows into tile[k][rows]. Vectors overlap to the right; the next one puts that right, and
 * the tile has VL elements of room after its end. */
static void pack_tile(const float *a, int64_t stride, int64_t depth, int64_t rows, float *tile) {
    for (int64_t k = 0; k < depth; k++)
        for (int64_t i = 0; i < rows; i += VL)
            vf_store(tile + k * rows + i,
                     vf_load_n(a + k * stride + i, rows - i < VL ? rows - i : VL));
}

/* ---- C computed transposed ---- */

/** c[j·stride + i] = scratch[i·width + j] for i < rows, j < columns. */
static void unpack_transposed(const float *scratch, int64_t width, int64_t rows, int64_t columns,
                              float *c, int64_t stride) {
    for (int64_t i = 0; i < rows; i += VL) {
        int64_t here = rows - i < VL ? rows - i : VL;
        for (int64_t j = 0; j < columns; j += VL) {
            int64_t count = columns - j < VL ? columns - j : VL;
            vf r[VL];
#pragma GCC unroll 16
            for (int q = 0; q < VL; q++)
                r[q] = q < here ? vf_load(scratch + (i + q) * width + j) : (vf){0};
            transpose(r);
            float *to = c + j * stride + i;
            if (here == VL && count == VL) {
#pragma GCC unroll 16
                for (int q = 0; q < VL; q++)
                    vf_store(to + q * stride, r[q]);
            } else {
#pragma GCC unroll 16
                for (int q = 0; q < VL; q++)
                    if (q < count) vf_store_n(to + q * stride, r[q], here);
            }
        }
    }
}

#endif
