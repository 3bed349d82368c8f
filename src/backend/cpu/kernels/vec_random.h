/* Dropout masks by the draw rule of src/ops/draw.h: Philox4x32-10 on VL/2 blocks at a time.
 *
 * Each 64-bit lane is one block of four words; the words stay in four vectors whose high halves are
 * not kept clean, since a multiplication of 32-bit words reads low halves only. The four
 * comparisons of a block become four bytes of one word, which is just the order of the mask in
 * memory. */
#ifndef BAL_BACKEND_CPU_KERNELS_VEC_RANDOM_H
#define BAL_BACKEND_CPU_KERNELS_VEC_RANDOM_H

#include "backend/cpu/kernels/vec.h"
#include "ops/draw.h"

typedef uint64_t vq __attribute__((vector_size(4 * VL)));
typedef int64_t vqi __attribute__((vector_size(4 * VL)));
typedef uint32_t vq_low __attribute__((vector_size(2 * VL)));

enum { MASK_BLOCKS = VL / 2, MASK_ELEMENTS = 4 * MASK_BLOCKS, PHILOX_ROUNDS = 10 };

/* What all draws of one mask share: the key of each round, and the limit. */
typedef struct mask_source {
    uint64_t key0[PHILOX_ROUNDS], key1[PHILOX_ROUNDS];
    uint64_t stream, step_low, threshold;
} mask_source;

INLINE mask_source mask_source_of(const bal_draw *draw, double rate) {
    mask_source ret = {
        .stream = draw->stream, .step_low = draw->step_low, .threshold = bal_draw_threshold(rate)};
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        ret.key0[round] = draw->key[0] + (uint32_t)round * 0x9E3779B9u;
        ret.key1[round] = draw->key[1] + (uint32_t)round * 0xBB67AE85u;
    }
    return ret;
}

INLINE vq vq_set(uint64_t x) {
    return x - (vq){0};
}

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

/* The words of MASK_BLOCKS blocks as 4·MASK_BLOCKS bytes, 1 where the word is not below the limit.
 */
INLINE void mask_store(vq c0, vq c1, vq c2, vq c3, uint64_t threshold, uint8_t *mask) {
#if defined(__AVX512F__)
    if (threshold <= UINT32_MAX) {
        /* odd 32-bit lanes from the second of each pair; the compared bits are then dealt out to
         * the order of the elements */
        __m512i low = _mm512_mask_shuffle_epi32((__m512i)c0, 0xAAAA, (__m512i)c1, 0xA0);
        __m512i high = _mm512_mask_shuffle_epi32((__m512i)c2, 0xAAAA, (__m512i)c3, 0xA0);
        __m512i limit = _mm512_set1_epi32((int)(uint32_t)threshold);
        uint32_t bits = _pdep_u32(_mm512_cmpge_epu32_mask(low, limit), 0x33333333u) |
                        _pdep_u32(_mm512_cmpge_epu32_mask(high, limit), 0xCCCCCCCCu);
        _mm256_storeu_si256((__m256i *)(void *)mask, _mm256_maskz_set1_epi8(bits, 1));
        return;
    }
#endif
    const vq low = vq_set(0xFFFFFFFFu);
    const vqi limit = (vqi)vq_set(threshold); /* at most 2^32 */
    vq bytes = ((vq)((vqi)(c0 & low) >= limit) & 1u) | ((vq)((vqi)(c1 & low) >= limit) & 0x100u) |
               ((vq)((vqi)(c2 & low) >= limit) & 0x10000u) |
               ((vq)((vqi)(c3 & low) >= limit) & 0x1000000u);
    vq_low packed = __builtin_convertvector(bytes, vq_low);
    memcpy(mask, &packed, sizeof packed);
}

/** Mask bytes of the MASK_ELEMENTS elements from block `first` on. */
INLINE void mask_draw(const mask_source *source, uint64_t first, uint8_t *mask) {
    vq block;
    for (int i = 0; i < MASK_BLOCKS; i++)
        block[i] = (uint64_t)i;
    block += first;
    vq c0 = block, c1 = block >> 32, c2 = vq_set(source->stream), c3 = vq_set(source->step_low);
#pragma GCC unroll 10
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        vq p0 = vq_mul_low(c0, vq_set(0xD2511F53u)), p1 = vq_mul_low(c2, vq_set(0xCD9E8D57u));
        c0 = (p1 >> 32) ^ c1 ^ vq_set(source->key0[round]);
        c2 = (p0 >> 32) ^ c3 ^ vq_set(source->key1[round]);
        c1 = p1;
        c3 = p0;
    }
    mask_store(c0, c1, c2, c3, source->threshold, mask);
}

/** Mask bytes of elements begin … end − 1; begin is a multiple of MASK_ELEMENTS. */
static void mask_fill(const bal_draw *draw, double rate, uint8_t *mask, int64_t begin,
                      int64_t end) {
    mask_source source = mask_source_of(draw, rate);
    int64_t i = begin;
    for (; end - i >= MASK_ELEMENTS; i += MASK_ELEMENTS)
        mask_draw(&source, (uint64_t)i / 4, mask + i);
    if (i < end) {
        uint8_t last[MASK_ELEMENTS];
        mask_draw(&source, (uint64_t)i / 4, last);
        memcpy(mask + i, last, (size_t)(end - i));
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
