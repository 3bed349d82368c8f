/* XXH64, see train/digest.h. Names and steps are those of the specification. */
#include "train/digest.h"

#include <string.h>

static const uint64_t prime1 = 0x9E3779B185EBCA87u;
static const uint64_t prime2 = 0xC2B2AE3D27D4EB4Fu;
static const uint64_t prime3 = 0x165667B19E3779F9u;
static const uint64_t prime4 = 0x85EBCA77C2B2AE63u;
static const uint64_t prime5 = 0x27D4EB2F165667C5u;

enum { LANES = 4, STRIPE = 32 };

static uint64_t rotate(uint64_t x, int bits) {
    return (x << bits) | (x >> (64 - bits));
}

static uint64_t read64(const unsigned char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static uint64_t read32(const unsigned char *at) {
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static uint64_t mix(uint64_t lane, uint64_t word) {
    return rotate(lane + word * prime2, 31) * prime1;
}

/** The whole stripes of 32 bytes; `*at` ends behind the last. */
static uint64_t digest_stripes(const unsigned char **at, size_t size, uint64_t seed) {
    static const int turn[LANES] = {1, 7, 12, 18};
    uint64_t lane[LANES] = {seed + prime1 + prime2, seed + prime2, seed, seed - prime1};
    for (; size >= STRIPE; size -= STRIPE, *at += STRIPE)
        for (int i = 0; i < LANES; i++)
            lane[i] = mix(lane[i], read64(*at + 8 * i));
    uint64_t sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += rotate(lane[i], turn[i]);
    for (int i = 0; i < LANES; i++)
        sum = (sum ^ mix(0, lane[i])) * prime1 + prime4;
    return sum;
}

static uint64_t digest_rest(uint64_t sum, const unsigned char *at, size_t size) {
    for (; size >= 8; size -= 8, at += 8)
        sum = rotate(sum ^ mix(0, read64(at)), 27) * prime1 + prime4;
    for (; size >= 4; size -= 4, at += 4)
        sum = rotate(sum ^ (read32(at) * prime1), 23) * prime2 + prime3;
    for (; size > 0; size--, at++)
        sum = rotate(sum ^ (*at * prime5), 11) * prime1;
    return sum;
}

uint64_t bal_digest(const void *bytes, size_t size, uint64_t seed) {
    const unsigned char *at = bytes;
    uint64_t sum = size >= STRIPE ? digest_stripes(&at, size, seed) : seed + prime5;
    sum = digest_rest(sum + size, at, size % STRIPE);
    sum = (sum ^ (sum >> 33)) * prime2;
    sum = (sum ^ (sum >> 29)) * prime3;
    return sum ^ (sum >> 32);
}
