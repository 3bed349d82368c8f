/* The draw rule of the random ops, shared by the reference kernels and the vectorised ones.
 *
 * Element e of a random tensor gets 32 random bits that are a pure function of (seed, step, stream,
 * e):
 *
 *     key     = {low(seed), high(seed) ^ high(step)}
 *     counter = {low(e / 4), high(e / 4), stream, low(step)}
 *     bits    = word e % 4 of Philox4x32-10(counter, key)
 *
 * where low and high are the 32-bit halves. seed and step come from the op's rng input, i64 [2]
 * {seed, step}; stream is the number of the call site (bal_graph_next_stream). Nothing is kept
 * between steps, so a resumed run draws exactly what the uninterrupted one drew, and any thread can
 * produce any part of a tensor.
 *
 * Dropout keeps an element when bits >= bal_draw_threshold(rate): with probability 1 − rate, exact
 * to 2⁻³². */
#ifndef BAL_OPS_DRAW_H
#define BAL_OPS_DRAW_H

#include <math.h>
#include <stdint.h>

#include "base/random.h"

/** What all elements of one random tensor share. */
typedef struct bal_draw {
    uint32_t key[2];
    uint32_t stream;
    uint32_t step_low;
} bal_draw;

/** From an rng input {seed, step} and a stream number. */
static inline bal_draw bal_draw_of(const int64_t rng[2], int64_t stream) {
    uint64_t seed = (uint64_t)rng[0], step = (uint64_t)rng[1];
    return (bal_draw){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32) ^ (uint32_t)(step >> 32)},
        .stream = (uint32_t)stream,
        .step_low = (uint32_t)step,
    };
}

/** The words of elements 4·block … 4·block + 3. */
static inline void bal_draw_block(const bal_draw *draw, uint64_t block, uint32_t ret_words[4]) {
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), draw->stream, draw->step_low};
    bal_philox(counter, draw->key, ret_words);
}

/** The bits of one element; whole tensors are cheaper by blocks. */
static inline uint32_t bal_draw_bits(const bal_draw *draw, uint64_t element) {
    uint32_t words[4];
    bal_draw_block(draw, element / 4, words);
    return words[element % 4];
}

/** Elements whose bits are below this are dropped: round(rate · 2³²), as 64 bits because rates next
 * to 1 round to 2³² itself. */
static inline uint64_t bal_draw_threshold(double rate) {
    return (uint64_t)llround(rate * 4294967296.0);
}

#endif
