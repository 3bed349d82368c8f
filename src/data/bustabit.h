/* The published rules of bustabit, version 2: how the hash of a round gives the hash of the round
 * before it, and the multiplier. */
#ifndef BAL_DATA_BUSTABIT_H
#define BAL_DATA_BUSTABIT_H

#include <stdint.h>

#include "format/hash.h"

/** The last round whose hash is known here; rounds count from 1. */
enum { BAL_BUSTABIT_ROUNDS = 2729956 };

void bal_bustabit_last(uint8_t ret_hash[BAL_SHA256_BYTES]);

/** `ret_hash` may be `hash`. */
void bal_bustabit_before(const uint8_t hash[BAL_SHA256_BYTES], uint8_t ret_hash[BAL_SHA256_BYTES]);

double bal_bustabit_multiplier(const uint8_t hash[BAL_SHA256_BYTES]);

#endif
