/* A 64-bit digest of bytes, to notice damage and change; no protection against an adversary.
 * XXH64 (Collet, xxHash specification 0.1.1): several bytes per cycle, so that whole checkpoints
 * and tables can be checked each time they are used. */
#ifndef BAL_TRAIN_DIGEST_H
#define BAL_TRAIN_DIGEST_H

#include <stddef.h>
#include <stdint.h>

/** Digest of `size` bytes; the seed makes digests of several pieces depend on each other. */
uint64_t bal_digest(const void *bytes, size_t size, uint64_t seed);

#endif
