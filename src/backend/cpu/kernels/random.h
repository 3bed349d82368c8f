/* Dropout masks by the draw rule of src/ops/draw.h: Philox4x32-10 on VL/2 blocks at a time.
 *
 * Each 64-bit lane is one block of four words; the words stay in four vectors whose high halves are
 * not kept clean, since a multiplication of 32-bit words reads low halves only. The four
 * comparisons of a block become four bytes of one word, which is just the order of the mask in
 * memory. */
#ifndef BAL_BACKEND_CPU_KERNELS_RANDOM_H
#define BAL_BACKEND_CPU_KERNELS_RANDOM_H

#include "backend/cpu/kernels/vec.h"
#include "ops/draw.h"

typedef uint64_t vq __attribute__((vector_size(4 * VL)));
typedef int64_t vqi __attribute__((vector_size(4 * VL)));
typedef uint32_t vq_low __attribute__((vector_size(2 * VL)));

enum { MASK_BLOCKS = VL / 2, MASK_ELEMENTS = 4 * MASK_BLOCKS };

/* Product of the low halves of each lane. */
INLINE vq vq_mul_low(vq a, vq b) {
#if defined(__AVX512F__)
    return (vq)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (vq)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#else
    return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

INLINE vq vq_set(uint64_t x) {
    return x - (vq){0};
}

/** Mask bytes of the MASK_ELEMENTS elements from block `first` on. */
INLINE void mask_draw(const bal_draw *draw, uint64_t first, uint64_t threshold, uint8_t *mask) {
    vq block;
    for (int i = 0; i < MASK_BLOCKS; i++)
        block[i] = first + (uint64_t)i;
    vq c0 = block, c1 = block >> 32, c2 = vq_set(draw->stream), c3 = vq_set(draw->step_low);
    uint32_t k0 = draw->key[0], k1 = draw->key[1];
    for (int round = 0; round < 10; round++) {
        vq p0 = vq_mul_low(c0, vq_set(0xD2511F53u)), p1 = vq_mul_low(c2, vq_set(0xCD9E8D57u));
        c0 = (p1 >> 32) ^ c1 ^ vq_set(k0);
        c2 = (p0 >> 32) ^ c3 ^ vq_set(k1);
        c1 = p1;
        c3 = p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    const vq low = vq_set(0xFFFFFFFFu);
    const vqi limit = (vqi)vq_set(threshold); /* at most 2^32 */
    vq bytes = ((vq)((vqi)(c0 & low) >= limit) & 1u) | ((vq)((vqi)(c1 & low) >= limit) & 0x100u) |
               ((vq)((vqi)(c2 & low) >= limit) & 0x10000u) |
               ((vq)((vqi)(c3 & low) >= limit) & 0x1000000u);
    vq_low packed = __builtin_convertvector(bytes, vq_low);
    memcpy(mask, &packed, sizeof packed);
}

/** Mask bytes of elements begin … end − 1; begin is a multiple of MASK_ELEMENTS. */
INLINE void mask_fill(const bal_draw *draw, double rate, uint8_t *mask, int64_t begin,
                      int64_t end) {
    uint64_t threshold = bal_draw_threshold(rate);
    for (int64_t i = begin; i < end; i += MASK_ELEMENTS) {
        if (end - i >= MASK_ELEMENTS) {
            mask_draw(draw, (uint64_t)i / 4, threshold, mask + i);
        } else {
            uint8_t last[MASK_ELEMENTS];
            mask_draw(draw, (uint64_t)i / 4, threshold, last);
            memcpy(mask + i, last, (size_t)(end - i));
        }
    }
}

/** Which of the first n (≤ VL) mask bytes are set. */
INLINE vm mask_load(const uint8_t *mask, int64_t n) {
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
    __m128i bytes = _mm_maskz_loadu_epi8(vm_first(n), mask);
    return _mm_test_epi8_mask(bytes, bytes);
#else
    uint8_t bytes[VL] = {0};
    memcpy(bytes, mask, (size_t)n);
    vi wide;
    for (int i = 0; i < VL; i++)
        wide[i] = -(bytes[i] != 0);
    return wide;
#endif
}

#endif
