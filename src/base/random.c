/* Sequential draws from a Philox stream, and the distributions built on them; see random.h. */
#include "base/random.h"

#include <math.h>

__extension__ typedef unsigned __int128 uint128;

void bal_random_init(bal_random *random, uint64_t seed, uint64_t stream) {
    *random = (bal_random){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, 0, (uint32_t)stream, (uint32_t)(stream >> 32)},
        .used = 4,
    };
}

uint32_t bal_random_u32(bal_random *random) {
    if (random->used >= 4) {
        bal_philox(random->counter, random->key, random->words);
        if (++random->counter[0] == 0) random->counter[1]++;
        random->used = 0;
    }
    return random->words[random->used++];
}

uint64_t bal_random_u64(bal_random *random) {
    uint64_t low = bal_random_u32(random);
    return low | (uint64_t)bal_random_u32(random) << 32;
}

double bal_random_uniform(bal_random *random) {
    return (double)(bal_random_u64(random) >> 11) * 0x1p-53;
}

/* Lemire, "Fast random integer generation in an interval", ACM TOMACS 29(1), 2019: the high word of
 * a product is uniform once the few low words that would favour some results are rejected. */
uint64_t bal_random_below(bal_random *random, uint64_t bound) {
    if (bound == 0) return 0;
    uint128 product = (uint128)bal_random_u64(random) * bound;
    if ((uint64_t)product < bound) {
        uint64_t unfair = -bound % bound; /* 2^64 mod bound */
        while ((uint64_t)product < unfair)
            product = (uint128)bal_random_u64(random) * bound;
    }
    return (uint64_t)(product >> 64);
}

/* Only the cosine of the pair is used: no state beside the position, so streams stay seekable. */
double bal_random_normal(bal_random *random) {
    double radius = sqrt(-2.0 * log(1.0 - bal_random_uniform(random)));
    return radius * cos(2.0 * M_PI * bal_random_uniform(random));
}

void bal_random_permutation(bal_random *random, int64_t *ret_order, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t j = (size_t)bal_random_below(random, i + 1);
        ret_order[i] = ret_order[j];
        ret_order[j] = (int64_t)i;
    }
}

uint64_t bal_hash_name(const char *name) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
    return hash;
}
