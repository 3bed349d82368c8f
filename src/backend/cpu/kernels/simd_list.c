/* All kernels of one instruction set; see simd.h. */
#include "backend/cpu/kernels/simd.h"

extern const bal_cpu_kernel_list ISA_NAME(bal_cpu_kernels)[];

const bal_cpu_kernel_list ISA_NAME(bal_cpu_kernels)[] = {
    ISA_NAME(bal_cpu_gemm),    ISA_NAME(bal_cpu_map),
    ISA_NAME(bal_cpu_norm),    ISA_NAME(bal_cpu_rows),
    ISA_NAME(bal_cpu_reduce),  ISA_NAME(bal_cpu_loss),
    ISA_NAME(bal_cpu_update),  ISA_NAME(bal_cpu_move),
    ISA_NAME(bal_cpu_dropout), NULL,
};
