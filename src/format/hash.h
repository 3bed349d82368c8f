/* SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104): for reading published hash chains, never for
 * secrets. nettle computes them; this is the only header through which they are. */
#ifndef BAL_FORMAT_HASH_H
#define BAL_FORMAT_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { BAL_SHA256_BYTES = 32 };

/** Digest of `length` bytes, which may overlap the digest. */
void bal_sha256(const void *bytes, size_t length, uint8_t ret_digest[BAL_SHA256_BYTES]);

/** Keyed digest; `bytes` may overlap the digest. */
void bal_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                     uint8_t ret_digest[BAL_SHA256_BYTES]);

#endif
