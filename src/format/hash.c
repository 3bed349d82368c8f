/* Digests from nettle: a library of nothing but such functions, without state, configuration or
 * allocation, and with code for processors that hash in hardware. */
#include "format/hash.h"

#include <nettle/hmac.h>
#include <nettle/sha2.h>

void bal_sha256(const void *bytes, size_t length, uint8_t ret_digest[BAL_SHA256_BYTES]) {
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, length, bytes);
    sha256_digest(&context, BAL_SHA256_BYTES, ret_digest);
}

void bal_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                     uint8_t ret_digest[BAL_SHA256_BYTES]) {
    struct hmac_sha256_ctx context;
    hmac_sha256_set_key(&context, key_length, key);
    hmac_sha256_update(&context, length, bytes);
    hmac_sha256_digest(&context, BAL_SHA256_BYTES, ret_digest);
}
