/* What the machine can do, measured in the same run as the nets: the two rates the floor is made
 * of. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdint.h>

#include "backend/backend.h"

typedef struct machine_rates {
    double gemm_own;    /* FLOP/s of 2048³ through a program of one matmul */
    double gemm_onednn; /* the same by dnnl_sgemm; 0 when the library is not there */
    double gemm;        /* the better of the two */
    double copy_memory; /* bytes read + written per second, 128 MiB to 128 MiB */
    double copy_cache;  /* the same, 4 MiB to 4 MiB: beyond the second-level caches, in the third */
} machine_rates;

/** C[m,n] = op(A)·op(B), op a transposition or nothing: f32, row after row. */
typedef struct machine_gemm {
    int64_t m, n, k;
    bool transpose_a, transpose_b;
} machine_gemm;

/** FLOP/s of the fastest of a few products, ours and oneDNN's (0: the library is not there). */
BAL_WARN_UNUSED bal_status machine_measure_gemm(bal_backend *backend, const machine_gemm *gemm,
                                                double *ret_own, double *ret_onednn,
                                                bal_error *err);

BAL_WARN_UNUSED bal_status machine_measure(bal_backend *backend, machine_rates *ret_rates,
                                           bal_error *err);

/** Largest resident size of this process so far, in bytes (VmHWM). */
double machine_peak_memory(void);

/** Calls of malloc and its relatives so far, in all threads. */
uint64_t machine_allocations(void);

#endif
