/* Instruction sets: what this machine has, and which kernels go with it. */
#ifndef BAL_BACKEND_CPU_ISA_H
#define BAL_BACKEND_CPU_ISA_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/cpu/kernel.h"

/** From plain to wide. REFERENCE runs the ops' own kernels only; GENERIC is the vector code in the
 *  instruction set every machine of this architecture has (SSE2, NEON). */
typedef enum bal_isa {
    BAL_ISA_REFERENCE,
    BAL_ISA_GENERIC,
    BAL_ISA_AVX2,
    BAL_ISA_AVX512,
    BAL_ISA_COUNT
} bal_isa;

/** "reference", "generic", "avx2", "avx512" */
const char *bal_isa_name(bal_isa isa);
/** BAL_ISA_COUNT for an unknown name. */
bal_isa bal_isa_find(const char *name);

/** Whether this build has kernels for it and this processor and operating system can run them. */
bool bal_isa_usable(bal_isa isa);
bal_isa bal_isa_best(void);

/** Lists of kernels for an instruction set, NULL-terminated; empty for REFERENCE. */
const bal_cpu_kernel_list *bal_isa_kernels(bal_isa isa);

/** "Intel(R) Xeon(R) Processor", or the architecture's name where the processor has none. */
void bal_isa_processor_name(char *buffer, size_t size);

#endif
