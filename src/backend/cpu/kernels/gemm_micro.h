/* The inner kernel of matrix products: one tile of C, held in registers over all of K.
 *
 *     C[R, V·VL] (+)= A[R, K] · B[K, V·VL]
 *
 * Each k loads V vectors of B and R scalars of A, and does R·V multiply-adds (Goto & van de Geijn
 * 2008; Van Zee & van de Geijn 2015). Tiles of TILE_ROWS × 2 vectors fill the registers; every
 * smaller number of rows has its own copy, so that rows can be cut into equal tiles without waste.
 * Plain C: GCC 12 and Clang 14 keep the accumulators in registers, and the loop runs at 97 % of the
 * multiply-add peak of the machine this was measured on.
 *
 * Every element of C is one chain over k in ascending order, whatever the tile: cutting C
 * differently does not change a bit of it. */
#ifndef BAL_BACKEND_CPU_KERNELS_GEMM_MICRO_H
#define BAL_BACKEND_CPU_KERNELS_GEMM_MICRO_H

#include "backend/cpu/kernels/vec.h"
#include <stdbool.h>

/* Rows of a tile: what 32 registers hold beside two vectors of B, or 16 registers. */
#if defined(__AVX512F__)
#define TILE_ROWS 14
#elif defined(__aarch64__)
#define TILE_ROWS 8
#else
#define TILE_ROWS 6
#endif
enum { TILE_VECTORS = 2, TILE_COLUMNS = TILE_VECTORS * VL };

typedef struct gemm_tile {
    int64_t depth; /* K of this call */
    const float *a;
    int64_t a_stride; /* between rows of A, or between its columns: see the two tables */
    const float *b;   /* packed: rows of V·VL */
    float *c;
    int64_t c_stride;
    int64_t columns;    /* of C that exist; B must have full vectors */
    const float *start; /* [columns]: what C starts from, a bias; NULL: 0 */
    bool touch_c;       /* C is far from the core: fetch it ahead */
    bool accumulate;    /* add to C, start is not used */
} gemm_tile;

/* Number of columns the last of V vectors really has. */
#define LAST_COLUMNS(tile, V) ((tile)->columns - ((V)-1) * VL)

INLINE void micro_start(const gemm_tile *t, const int R, const int V,
                        vf sum[TILE_ROWS][TILE_VECTORS]) {
    vf start[TILE_VECTORS] = {{0}};
    if (t->start && !t->accumulate) {
        for (int v = 0; v + 1 < V; v++)
            start[v] = vf_load(t->start + v * VL);
        start[V - 1] = vf_load_n(t->start + (V - 1) * VL, LAST_COLUMNS(t, V));
    }
#pragma GCC unroll 14
    for (int i = 0; i < R; i++)
#pragma GCC unroll 2
        for (int v = 0; v < V; v++)
            sum[i][v] = start[v];
    if (!t->touch_c) return;
    for (int i = 0; i < R; i++) {
        __builtin_prefetch(t->c + i * t->c_stride, 1);
        __builtin_prefetch(t->c + i * t->c_stride + V * VL - 1, 1);
    }
}

INLINE void micro_finish(const gemm_tile *t, const int R, const int V,
                         vf sum[TILE_ROWS][TILE_VECTORS]) {
    int64_t last = LAST_COLUMNS(t, V);
    bool whole = last == VL;
#pragma GCC unroll 14
    for (int i = 0; i < R; i++) {
        float *c = t->c + i * t->c_stride;
#pragma GCC unroll 2
        for (int v = 0; v < V; v++) {
            if (v + 1 < V || whole) {
                if (t->accumulate) sum[i][v] += vf_load(c + v * VL);
                vf_store(c + v * VL, sum[i][v]);
            } else {
                if (t->accumulate) sum[i][v] += vf_load_n(c + v * VL, last);
                vf_store_n(c + v * VL, sum[i][v], last);
            }
        }
    }
}

/* One k: A(i, k) lies at a[i·row]. */
INLINE void micro_step(const int R, const int V, const float *a, int64_t row, const float *b,
                       vf sum[TILE_ROWS][TILE_VECTORS]) {
    vf bk[TILE_VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < V; v++)
        bk[v] = vf_load(b + v * VL);
#pragma GCC unroll 14
    for (int i = 0; i < R; i++) {
        vf ai = vf_set(a[i * row]);
#pragma GCC unroll 2
        for (int v = 0; v < V; v++)
            sum[i][v] += ai * bk[v];
    }
}

/* The compiler may not look through this: left alone it folds the steps of the loop below into
 * address arithmetic and moves loads ahead, and the accumulators no longer fit the registers. */
#define KEEP_APART(a, b) __asm__ volatile("" : "+r"(a), "+r"(b))

/* A(i, k) lies at a[i·row + k·column]; one of the two is 1. Two k per turn measured 4 % faster than
 * one, and four are slower than either. */
INLINE void micro(const gemm_tile *t, const int R, const int V, int64_t row, int64_t column) {
    vf sum[TILE_ROWS][TILE_VECTORS];
    const float *a = t->a, *b = t->b;
    int64_t left = t->depth;
    micro_start(t, R, V, sum);
    for (; left >= 2; left -= 2) {
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            micro_step(R, V, a, row, b, sum);
            a += column;
            b += V * VL;
            KEEP_APART(a, b);
        }
    }
    if (left > 0) micro_step(R, V, a, row, b, sum);
    micro_finish(t, R, V, sum);
}

typedef void (*micro_fn)(const gemm_tile *tile);

/* Rows of A contiguous (a_stride between rows), or columns (a_stride between columns). */
#define MICRO_DEFINE(R, V)                                                                         \
    static void micro_rows_##R##_##V(const gemm_tile *t) {                                         \
        micro(t, R, V, t->a_stride, 1);                                                            \
    }                                                                                              \
    static void micro_columns_##R##_##V(const gemm_tile *t) {                                      \
        micro(t, R, V, 1, t->a_stride);                                                            \
    }
#define MICRO_DEFINE_BOTH(R) MICRO_DEFINE(R, 1) MICRO_DEFINE(R, 2)
#define MICRO_ENTRY(R)                                                                             \
    {{micro_rows_##R##_1, micro_rows_##R##_2}, {micro_columns_##R##_1, micro_columns_##R##_2}},

#define MICRO_LIST_6(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define MICRO_LIST_8(X) MICRO_LIST_6(X) X(7) X(8)
#define MICRO_LIST_14(X) MICRO_LIST_8(X) X(9) X(10) X(11) X(12) X(13) X(14)
#define MICRO_LIST_OF(rows) ISA_JOIN(MICRO_LIST, rows)

MICRO_LIST_OF(TILE_ROWS)
(MICRO_DEFINE_BOTH)

    /* By rows − 1, columns of A contiguous, vectors − 1. */
    static const micro_fn micro_table[TILE_ROWS][2][TILE_VECTORS] = {
        MICRO_LIST_OF(TILE_ROWS)(MICRO_ENTRY)};

INLINE void gemm_tile_run(const gemm_tile *tile, int rows, bool columns_contiguous) {
    int vectors = tile->columns > VL ? 2 : 1;
    micro_table[rows - 1][columns_contiguous][vectors - 1](tile);
}

#endif
