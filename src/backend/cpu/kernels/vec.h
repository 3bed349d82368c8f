/* One vector of floats, in the widest form the translation unit is compiled for.
 *
 * Kernels are written once on these types and compiled several times (meson.build): for AVX-512,
 * for AVX2 with FMA, and for what every machine of the architecture has. Arithmetic uses the vector
 * extension of GCC and Clang (+ − * / on vf, contracted to FMA); what the extension lacks is here:
 * partial loads and stores, selection, square roots, conversion to double. Partial means the first
 * n elements, 0 ≤ n ≤ VL; the rest of a partial load is zero.
 *
 * Everything is static inline: nothing compiled for a wide instruction set may be shared with a
 * narrow one by the linker. */
#ifndef BAL_BACKEND_CPU_KERNELS_VEC_H
#define BAL_BACKEND_CPU_KERNELS_VEC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
#define VL 16
#elif defined(__AVX2__)
#define VL 8
#else
#define VL 4
#endif

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef uint32_t vu __attribute__((vector_size(4 * VL)));
typedef double vd __attribute__((vector_size(4 * VL))); /* VL/2 of them */

/* The same at any element's address, and allowed to alias what is there. */
typedef float vf_any __attribute__((vector_size(4 * VL), aligned(4), may_alias));
typedef int32_t vi_any __attribute__((vector_size(4 * VL), aligned(4), may_alias));

/* A lane mask. */
#if defined(__AVX512F__)
typedef __mmask16 vm;
#else
typedef vi vm;
#endif

/* ---- constants, loads, stores ---- */

INLINE vf vf_set(float x) {
    return x - (vf){0}; /* minus: keeps −0, and compiles to a broadcast */
}
INLINE vi vi_set(int32_t x) {
    return x - (vi){0};
}
INLINE vf vf_load(const float *p) {
    return *(const vf_any *)p;
}
INLINE void vf_store(float *p, vf x) {
    *(vf_any *)p = x;
}

#if defined(__AVX512F__)
INLINE vm vm_first(int64_t n) {
    return (vm)_bzhi_u32(0xFFFFu, (unsigned)n);
}
INLINE vf vf_load_n(const float *p, int64_t n) {
    return (vf)_mm512_maskz_loadu_ps(vm_first(n), p);
}
INLINE void vf_store_n(float *p, vf x, int64_t n) {
    _mm512_mask_storeu_ps(p, vm_first(n), (__m512)x);
}
#elif defined(__AVX2__)
INLINE vm vm_first(int64_t n) {
    return (vi){0, 1, 2, 3, 4, 5, 6, 7} < vi_set((int32_t)n);
}
INLINE vf vf_load_n(const float *p, int64_t n) {
    return (vf)_mm256_maskload_ps(p, (__m256i)vm_first(n));
}
INLINE void vf_store_n(float *p, vf x, int64_t n) {
    _mm256_maskstore_ps(p, (__m256i)vm_first(n), (__m256)x);
}
#else
INLINE vm vm_first(int64_t n) {
    return (vi){0, 1, 2, 3} < vi_set((int32_t)n);
}
INLINE vf vf_load_n(const float *p, int64_t n) {
    vf x = {0};
    for (int64_t i = 0; i < n; i++)
        x[i] = p[i];
    return x;
}
INLINE void vf_store_n(float *p, vf x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        p[i] = x[i];
}
#endif

/* ---- comparison and selection ---- */

#if defined(__AVX512F__)
INLINE vm vf_gt(vf a, vf b) {
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
}
INLINE vm vf_ge(vf a, vf b) {
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GE_OQ);
}
INLINE vm vf_eq(vf a, vf b) {
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ);
}
INLINE vm vi_eq(vi a, vi b) {
    return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
}
INLINE vm vu_ge(vu a, vu b) {
    return _mm512_cmpge_epu32_mask((__m512i)a, (__m512i)b);
}
INLINE vf vf_select(vm m, vf yes, vf no) {
    return (vf)_mm512_mask_blend_ps(m, (__m512)no, (__m512)yes);
}
INLINE vi vi_select(vm m, vi yes, vi no) {
    return (vi)_mm512_mask_blend_epi32(m, (__m512i)no, (__m512i)yes);
}
INLINE vm vm_not(vm m) {
    return (vm)~m;
}
INLINE vm vm_and(vm a, vm b) {
    return a & b;
}
#else
INLINE vm vf_gt(vf a, vf b) {
    return (vi)(a > b);
}
INLINE vm vf_ge(vf a, vf b) {
    return (vi)(a >= b);
}
INLINE vm vf_eq(vf a, vf b) {
    return (vi)(a == b);
}
INLINE vm vi_eq(vi a, vi b) {
    return (vi)(a == b);
}
INLINE vm vu_ge(vu a, vu b) {
    return (vi)(a >= b);
}
INLINE vi vi_select(vm m, vi yes, vi no) {
    return (m & yes) | (~m & no);
}
INLINE vf vf_select(vm m, vf yes, vf no) {
    return (vf)vi_select(m, (vi)yes, (vi)no);
}
INLINE vm vm_not(vm m) {
    return ~m;
}
INLINE vm vm_and(vm a, vm b) {
    return a & b;
}
#endif
INLINE vm vf_lt(vf a, vf b) {
    return vf_gt(b, a);
}
INLINE vm vf_le(vf a, vf b) {
    return vf_ge(b, a);
}
/** The first n lanes of x, zero elsewhere. */
INLINE vf vf_keep_first(vf x, int64_t n) {
    return vf_select(vm_first(n), x, (vf){0});
}

/** b where either is NaN. */
INLINE vf vf_max(vf a, vf b) {
    return vf_select(vf_gt(a, b), a, b);
}
INLINE vf vf_min(vf a, vf b) {
    return vf_select(vf_lt(a, b), a, b);
}
INLINE vf vf_abs(vf x) {
    return (vf)((vi)x & vi_set(0x7FFFFFFF));
}

/* ---- roots ---- */

INLINE vf vf_sqrt(vf x) {
#if defined(__AVX512F__)
    return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
    return (vf)_mm256_sqrt_ps((__m256)x);
#else
    for (int i = 0; i < VL; i++)
        x[i] = sqrtf(x[i]);
    return x;
#endif
}

/* ---- halves as doubles, for sums that must not lose bits ---- */

typedef float vf_half __attribute__((vector_size(2 * VL)));

INLINE vd vf_low(vf x) {
#if defined(__AVX512F__)
    return (vd)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)x));
#elif defined(__AVX2__)
    return (vd)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)x));
#else
    return (vd){x[0], x[1]};
#endif
}
INLINE vd vf_high(vf x) {
#if defined(__AVX512F__)
    return (vd)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)x, 1));
#elif defined(__AVX2__)
    return (vd)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)x, 1));
#else
    return (vd){x[2], x[3]};
#endif
}
/** Both halves rounded to float. */
INLINE vf vf_narrow(vd low, vd high) {
    vf_half halves[2] = {__builtin_convertvector(low, vf_half),
                         __builtin_convertvector(high, vf_half)};
    vf x;
    memcpy(&x, halves, sizeof x);
    return x;
}
/** Sum of all lanes, always in the same order. */
INLINE double vd_sum(vd x) {
    double lanes[VL / 2], sum = 0;
    memcpy(lanes, &x, sizeof lanes);
    for (int i = 0; i < VL / 2; i++)
        sum += lanes[i];
    return sum;
}
/** Σ x, in double. */
INLINE double vf_sum(vf x) {
    return vd_sum(vf_low(x) + vf_high(x));
}
/** Largest lane; NaN lanes are skipped unless all are. */
INLINE float vf_top(vf x) {
    float lanes[VL], top;
    memcpy(lanes, &x, sizeof lanes);
    top = lanes[0];
    for (int i = 1; i < VL; i++)
        if (lanes[i] > top || top != top) top = lanes[i];
    return top;
}

/* ---- names per instruction set ---- */

/* BAL_ISA_SUFFIX comes from the build; every symbol a kernel file exports carries it. */
#define ISA_JOIN_(name, suffix) name##_##suffix
#define ISA_JOIN(name, suffix) ISA_JOIN_(name, suffix)
#define ISA_NAME(name) ISA_JOIN(name, BAL_ISA_SUFFIX)

#endif
