/* The kernel groups of one instruction set, and what they share.
 *
 * Each simd_*.c file is compiled once per instruction set and exports one list, named with the
 * set's suffix. simd_list.c gathers them. To add a kernel: write it into the file of its kind, add
 * its line to that file's list; the comparison with the reference at awkward sizes follows from the
 * op's cases. */
#ifndef BAL_BACKEND_CPU_KERNELS_SIMD_H
#define BAL_BACKEND_CPU_KERNELS_SIMD_H

#include "backend/cpu/kernel.h"
#include "backend/cpu/kernels/vec.h"

extern const bal_cpu_kernel ISA_NAME(bal_cpu_gemm)[];
extern const bal_cpu_kernel ISA_NAME(bal_cpu_map)[];
extern const bal_cpu_kernel ISA_NAME(bal_cpu_norm)[];
extern const bal_cpu_kernel ISA_NAME(bal_cpu_rows)[];
extern const bal_cpu_kernel ISA_NAME(bal_cpu_reduce)[];
extern const bal_cpu_kernel ISA_NAME(bal_cpu_loss)[];
extern const bal_cpu_kernel ISA_NAME(bal_cpu_update)[];
extern const bal_cpu_kernel ISA_NAME(bal_cpu_move)[];
extern const bal_cpu_kernel ISA_NAME(bal_cpu_dropout)[];

INLINE int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}
INLINE int64_t ceil_div(int64_t n, int64_t by) {
    return (n + by - 1) / by;
}
/** Up to a multiple. */
INLINE int64_t round_up(int64_t n, int64_t multiple) {
    return ceil_div(n, multiple) * multiple;
}

/** Elements of an operand, and its rows and their length when seen as rows of the last axis. */
INLINE int64_t operand_count(const bal_operand *operand) {
    return bal_shape_count(&operand->shape);
}
INLINE int64_t row_length(const bal_operand *operand) {
    return operand->shape.rank > 0 ? operand->shape.dim[operand->shape.rank - 1] : 1;
}
INLINE int64_t row_count(const bal_operand *operand) {
    int64_t rows = 1;
    for (int32_t i = 0; i + 1 < operand->shape.rank; i++)
        rows *= operand->shape.dim[i];
    return rows;
}

/** Whole vectors of a run of n elements and a partial one at the end:
 *  FOR_VECTORS(i, n) { ... LOAD(p + i) ... STORE(p + i, x) ... } with `vf_take` and `vf_put` below.
 */
#define FOR_VECTORS(i, n) for (int64_t i = 0, left_ = (n); left_ > 0; i += VL, left_ -= VL)
#define LOAD(p) (left_ >= VL ? vf_load(p) : vf_load_n(p, left_))
#define STORE(p, x) (left_ >= VL ? vf_store(p, x) : vf_store_n(p, x, left_))

#endif
