/* Detection of instruction sets.
 *
 * A processor that has AVX still cannot be used with it when the operating system does not save the
 * wide registers over a context switch. So both are asked: CPUID for the instructions, XGETBV for
 * the registers the system has enabled (Intel SDM volume 1, 14.3 and 15.2 to 15.4). */
#include "backend/cpu/isa.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if BAL_CPU_X86
#include <cpuid.h>
#endif

static const char *const isa_names[BAL_ISA_COUNT] = {
    [BAL_ISA_REFERENCE] = "reference",
    [BAL_ISA_GENERIC] = "generic",
    [BAL_ISA_AVX2] = "avx2",
    [BAL_ISA_AVX512] = "avx512",
};

const char *bal_isa_name(bal_isa isa) {
    return isa_names[isa];
}

bal_isa bal_isa_find(const char *name) {
    bal_isa isa = BAL_ISA_REFERENCE;
    while (isa < BAL_ISA_COUNT && strcmp(isa_names[isa], name) != 0)
        isa++;
    return isa;
}

/* ---- what there is ---- */

extern const bal_cpu_kernel_list bal_cpu_kernels_generic[];

#if BAL_CPU_X86
extern const bal_cpu_kernel_list bal_cpu_kernels_avx2[];
extern const bal_cpu_kernel_list bal_cpu_kernels_avx512[];

/* Register state the operating system saves (XCR0): bit 1 SSE, 2 AVX, 5 to 7 AVX-512. */
enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xE6 };

static uint64_t saved_state(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* With what every processor that has it has beside it, but a virtual machine may hide. */
static bool has_avx2(void) {
    const unsigned wanted = bit_AVX2 | bit_BMI2;
    unsigned a, b, c, d;
    if ((saved_state() & XCR0_AVX) != XCR0_AVX) return false;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_AVX) || !(c & bit_FMA)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & wanted) == wanted;
}

static bool has_avx512(void) {
    const unsigned wanted = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    unsigned a, b, c, d;
    if (!has_avx2() || (saved_state() & XCR0_AVX512) != XCR0_AVX512) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & wanted) == wanted;
}

bool bal_isa_usable(bal_isa isa) {
    if (isa == BAL_ISA_AVX512) return has_avx512();
    if (isa == BAL_ISA_AVX2) return has_avx2();
    return isa < BAL_ISA_COUNT;
}
#else
bool bal_isa_usable(bal_isa isa) {
    return isa == BAL_ISA_REFERENCE || isa == BAL_ISA_GENERIC;
}
#endif

bal_isa bal_isa_best(void) {
    bal_isa best = BAL_ISA_AVX512;
    while (!bal_isa_usable(best))
        best--;
    return best;
}

const bal_cpu_kernel_list *bal_isa_kernels(bal_isa isa) {
    static const bal_cpu_kernel_list none[] = {NULL};
    switch (isa) {
#if BAL_CPU_X86
    case BAL_ISA_AVX512:
        return bal_cpu_kernels_avx512;
    case BAL_ISA_AVX2:
        return bal_cpu_kernels_avx2;
#endif
    case BAL_ISA_GENERIC:
        return bal_cpu_kernels_generic;
    default:
        return none;
    }
}

/* ---- names ---- */

#if BAL_CPU_X86
/* The brand string: three CPUID leaves of 16 characters, padded with spaces. */
static bool brand_string(char text[49]) {
    unsigned words[12];
    if ((unsigned)__get_cpuid_max(0x80000000u, NULL) < 0x80000004u) return false;
    for (unsigned i = 0; i < 3; i++) {
        unsigned *w = words + (size_t)4 * i;
        __get_cpuid(0x80000002u + i, &w[0], &w[1], &w[2], &w[3]);
    }
    memcpy(text, words, sizeof words);
    text[48] = '\0';
    size_t start = strspn(text, " "), length = strlen(text);
    memmove(text, text + start, length - start + 1);
    for (length -= start; length > 0 && text[length - 1] == ' '; length--)
        text[length - 1] = '\0';
    return text[0] != '\0';
}
#endif

void bal_isa_processor_name(char *buffer, size_t size) {
#if BAL_CPU_X86
    char brand[49];
    if (brand_string(brand)) {
        snprintf(buffer, size, "%s", brand);
        return;
    }
#endif
#if defined(__x86_64__)
    snprintf(buffer, size, "x86-64 processor");
#elif defined(__aarch64__)
    snprintf(buffer, size, "AArch64 processor");
#else
    snprintf(buffer, size, "processor");
#endif
}
