/* The rounds that the crash game bustabit (version 2) really had, computed from what it published.
 *
 * Before the first round the operator drew a secret, hashed it ten million times, and published the
 * last hash. The rounds use the chain backwards, so that nobody can know the next hash, and
 * everybody can check that the one shown was fixed beforehand:
 *
 *   hash of round n − 1 = SHA-256 of the hash of round n, written as lower-case hexadecimal text
 *   h = HMAC-SHA-256(key: salt, message: the hash, 32 bytes),  r = the first 52 bits of h
 *   multiplier = max(1, floor(99 / (1 − r / 2^52)) / 100)
 *
 * The salt is the hash of a bitcoin block that did not exist when the chain was fixed. Sources: the
 * announcement of the chain (bitcointalk.org, topic 2807542, December 2017) with the hash that
 * precedes round 1, and hashes of later rounds as the game showed them; tests walk from the one
 * below back to the announced one. A hash is as good as a fair coin: the rounds are crash_fair's,
 * and what held for that process held for the real money staked on these. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "data/bustabit.h"
#include "data/series_simulators.h"

static const char name[] = "bustabit";

/* Bitcoin block 505750. */
static const char salt[] = "0000000000000000004d6ec16dafe9d8370958664c1dc422f452892264c59526";

void bal_bustabit_last(uint8_t ret_hash[BAL_SHA256_BYTES]) {
    static const uint8_t hash[BAL_SHA256_BYTES] = {
        0x79, 0xf6, 0xbb, 0xae, 0x75, 0x8b, 0xef, 0xa1, 0xe0, 0x6f, 0x0e,
        0xcb, 0x37, 0x22, 0x45, 0x81, 0x44, 0x61, 0x0d, 0xe4, 0xbb, 0x72,
        0xfd, 0x54, 0x8b, 0x97, 0x09, 0x12, 0x06, 0x18, 0xe5, 0x4f,
    };
    memcpy(ret_hash, hash, sizeof hash);
}

void bal_bustabit_before(const uint8_t hash[BAL_SHA256_BYTES], uint8_t ret_hash[BAL_SHA256_BYTES]) {
    static const char digits[] = "0123456789abcdef";
    char text[2 * BAL_SHA256_BYTES];
    for (int i = 0; i < BAL_SHA256_BYTES; i++) {
        text[2 * i] = digits[hash[i] >> 4];
        text[2 * i + 1] = digits[hash[i] & 15];
    }
    bal_sha256(text, sizeof text, ret_hash);
}

double bal_bustabit_multiplier(const uint8_t hash[BAL_SHA256_BYTES]) {
    uint8_t mixed[BAL_SHA256_BYTES];
    bal_hmac_sha256(salt, sizeof salt - 1, hash, BAL_SHA256_BYTES, mixed);
    uint64_t bits = 0;
    for (int i = 0; i < 7; i++)
        bits = bits << 8 | mixed[i];
    return bal_crash_fair_multiplier(ldexp((double)(bits >> 4), -52));
}

/** The last `samples` rounds known. */
static bal_status make(const bal_series_options *options, double *ret_values, bal_error *err) {
    BAL_TRY(bal_series_check_options(name, options, err));
    if (options->samples > BAL_BUSTABIT_ROUNDS)
        return bal_fail(err, BAL_EDATA,
                        "simulator bustabit: %" PRId64
                        " samples were asked for; there are %d rounds",
                        options->samples, BAL_BUSTABIT_ROUNDS);
    uint8_t hash[BAL_SHA256_BYTES];
    bal_bustabit_last(hash);
    for (int64_t i = options->samples - 1; i >= 0; i--) {
        ret_values[i] = bal_bustabit_multiplier(hash);
        bal_bustabit_before(hash, hash);
    }
    return BAL_OK;
}

static bal_status ceiling(const bal_series_options *options, double threshold, int32_t window,
                          bal_series_ceiling *ret_ceiling, bal_error *err) {
    return bal_crash_fair_ceiling(name, options, threshold, ret_ceiling, err);
}

const bal_series_simulator bal_series_simulator_bustabit = {
    .name = "bustabit",
    .summary =
        "Multipliers that bustabit had, from its published hash chain: as good as crash_fair",
    .defaults = {.samples = 60000, .noise = 1, .seed = 1},
    .make = make,
    .ceiling = ceiling,
};
