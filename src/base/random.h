/* Counter-based random numbers: Philox4x32-10 (Salmon et al., SC'11, "Parallel random numbers: as
 * easy as 1, 2, 3"). A number is a pure function of (key, counter), so nothing has to be saved to
 * resume, any thread may produce any part of a stream, and a stream never depends on how many were
 * drawn before it. */
#ifndef BAL_BASE_RANDOM_H
#define BAL_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/** The raw block function: 4 words from a 4-word counter and a 2-word key. Matches the Random123
 *  known-answer vectors. */
static inline void bal_philox(const uint32_t counter[4], const uint32_t key[2],
                              uint32_t ret_words[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    ret_words[0] = c0;
    ret_words[1] = c1;
    ret_words[2] = c2;
    ret_words[3] = c3;
}

/** A sequential view of one stream. Streams with different (seed, stream) are independent. */
typedef struct bal_random {
    uint32_t key[2];
    uint32_t counter[4]; /* [0,1] position, [2,3] stream */
    uint32_t words[4];
    unsigned used; /* words of the block already handed out; 4 = none left */
} bal_random;

void bal_random_init(bal_random *random, uint64_t seed, uint64_t stream);
uint32_t bal_random_u32(bal_random *random);
uint64_t bal_random_u64(bal_random *random);

/** Uniform in [0, 1) with 53 random bits. */
double bal_random_uniform(bal_random *random);

/** Uniform integer in [0, bound), unbiased (Lemire 2019); 0 when bound is 0. */
uint64_t bal_random_below(bal_random *random, uint64_t bound);

/** Standard normal (Box-Muller). */
double bal_random_normal(bal_random *random);

/** Fisher-Yates: a uniform permutation of 0..count-1. */
void bal_random_permutation(bal_random *random, int64_t *ret_order, size_t count);

/** Stable 64-bit hash of a name (FNV-1a), to derive stream numbers from names. */
uint64_t bal_hash_name(const char *name);

#endif
