/* Sums and maxima along a row, in an order that depends on the row's length only. */
#ifndef BAL_BACKEND_CPU_KERNELS_ROWS_H
#define BAL_BACKEND_CPU_KERNELS_ROWS_H

#include "backend/cpu/kernels/simd.h"
#include "backend/cpu/kernels/vmath.h"

/** A running sum in double. Lanes that are not part of the row must be zero. */
typedef struct row_sum {
    vd low, high;
} row_sum;

INLINE void row_sum_add(row_sum *sum, vf x) {
    sum->low += vf_low(x);
    sum->high += vf_high(x);
}
/** Squares in double too: no square overflows. */
INLINE void row_sum_add_square(row_sum *sum, vf x) {
    vd low = vf_low(x), high = vf_high(x);
    sum->low += low * low;
    sum->high += high * high;
}
INLINE double row_sum_total(const row_sum *sum) {
    return vd_sum(sum->low + sum->high);
}

/** Largest of n numbers; NaN is skipped, −Inf when nothing is left. */
INLINE float row_top(const float *x, int64_t n) {
    vf top = vf_set(-INFINITY);
    FOR_VECTORS(i, n) {
        vf here = LOAD(x + i);
        if (left_ < VL) here = vf_select(vm_first(left_), here, vf_set(-INFINITY));
        top = vf_max(here, top);
    }
    return vf_top(top);
}

/** Σ e^(x − top) */
INLINE double row_sum_exp(const float *x, int64_t n, float top) {
    row_sum sum = {0};
    FOR_VECTORS(i, n) {
        vf e = vf_exp(LOAD(x + i) - top);
        row_sum_add(&sum, left_ >= VL ? e : vf_keep_first(e, left_));
    }
    return row_sum_total(&sum);
}

#endif
