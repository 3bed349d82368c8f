/* format/hash.c against published vectors: SHA-256 from NIST (FIPS 180-4's examples and the million
 * letters of CSHA), HMAC from RFC 4231. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/hash.h"

static void assert_digest(const uint8_t digest[BAL_SHA256_BYTES], const char *wanted) {
    char text[2 * BAL_SHA256_BYTES + 1];
    for (int i = 0; i < BAL_SHA256_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, wanted);
}

static void sha256_nist(void **state) {
    static const struct {
        const char *text, *digest;
    } vectors[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrl"
         "mnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    uint8_t digest[BAL_SHA256_BYTES];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bal_sha256(vectors[i].text, strlen(vectors[i].text), digest);
        assert_digest(digest, vectors[i].digest);
    }
    enum { MILLION = 1000000 };
    char *letters = malloc(MILLION);
    assert_non_null(letters);
    memset(letters, 'a', MILLION);
    bal_sha256(letters, MILLION, digest);
    assert_digest(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(letters);
}

/* `times` × byte `fill` where there is no text. */
typedef struct bytes {
    const char *text;
    int fill;
    size_t times;
} bytes;

static size_t spell(const bytes *of, uint8_t *out) {
    if (!of->text) {
        memset(out, of->fill, of->times);
        return of->times;
    }
    memcpy(out, of->text, strlen(of->text));
    return strlen(of->text);
}

static void hmac_rfc4231(void **state) {
    static const struct {
        bytes key, data;
        const char *digest;
    } cases[] = {
        {{NULL, 0x0b, 20},
         {.text = "Hi There"},
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {{.text = "Jefe"},
         {.text = "what do ya want for nothing?"},
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {{NULL, 0xaa, 20},
         {NULL, 0xdd, 50},
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {{NULL, 0xaa, 131},
         {.text = "Test Using Larger Than Block-Size Key - Hash Key First"},
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {{NULL, 0xaa, 131},
         {.text = "This is a test using a larger than block-size key and a larger than block-size "
                  "data. The key needs to be hashed before being used by the HMAC algorithm."},
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t key[200], data[200], digest[BAL_SHA256_BYTES];
        size_t key_length = spell(&cases[i].key, key), length = spell(&cases[i].data, data);
        bal_hmac_sha256(key, key_length, data, length, digest);
        assert_digest(digest, cases[i].digest);
    }
}

static void in_place(void **state) {
    uint8_t block[BAL_SHA256_BYTES] = "abc", keyed[BAL_SHA256_BYTES] = "Hi There", key[20];
    bal_sha256(block, 3, block);
    assert_digest(block, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    memset(key, 0x0b, sizeof key);
    bal_hmac_sha256(key, sizeof key, keyed, 8, keyed);
    assert_digest(keyed, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_nist),
        cmocka_unit_test(hmac_rfc4231),
        cmocka_unit_test(in_place),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
