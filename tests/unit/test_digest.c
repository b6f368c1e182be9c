/* SPDX-License-Identifier: Apache-2.0 */
/* Digests against the vectors of FIPS 180-4 and RFC 4231. */
#include <criterion/criterion.h>

#include "tests/unit/leak.h"
#include "transforms/digest.h"

LEAT_SUITE(digest);

static void expect(leat_digest *digest, leat_str text, const char *want)
{
    char hex[LEAT_DIGEST_HEX + 1] = {0};
    leat_err err;
    cr_assert_eq(leat_digest_hex(digest, text, hex, &err), LEAT_OK);
    cr_assert_str_eq(hex, want);
}

Test(digest, plain)
{
    leat_digest *digest = NULL;
    leat_err err;
    cr_assert_eq(leat_digest_new(&digest, LEAT_STR_NONE, &err), LEAT_OK);
    for (int again = 0; again < 2; again++) { /* the context is used anew each time */
        expect(digest, LEAT_STR("abc"),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        expect(digest, LEAT_STR(""),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        expect(digest, LEAT_STR_NONE,
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        expect(digest, LEAT_STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }
    leat_digest_free(&digest);
    cr_assert_null(digest);
    leat_digest_free(&digest);
}

static const struct {
    const char *name;
    unsigned char key_byte; /* the key: so many of it; 0: key_text */
    size_t key_len;
    const char *key_text;
    const char *text;
    const char *want;
} keyed[] = {
    {"case 1", 0x0b, 20, NULL, "Hi There",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"case 2", 0, 4, "Jefe", "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"case 6: a key longer than a block", 0xaa, 131, NULL,
     "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {"case 7: long key, long text", 0xaa, 131, NULL,
     "This is a test using a larger than block-size key and a larger than block-size data. The key "
     "needs to be hashed before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

Test(digest, keyed)
{
    for (size_t i = 0; i < sizeof keyed / sizeof keyed[0]; i++) {
        char key[256];
        memset(key, keyed[i].key_byte, sizeof key);
        if (keyed[i].key_text != NULL) memcpy(key, keyed[i].key_text, keyed[i].key_len);
        leat_digest *digest = NULL;
        leat_err err;
        cr_assert_eq(leat_digest_new(&digest, (leat_str){key, keyed[i].key_len}, &err), LEAT_OK);
        memset(key, 0, sizeof key); /* nothing is borrowed */
        expect(digest, leat_str_of(keyed[i].text), keyed[i].want);
        char other[LEAT_DIGEST_HEX];
        cr_assert_eq(leat_digest_hex(digest, LEAT_STR("another text"), other, &err), LEAT_OK);
        cr_assert_neq(memcmp(other, keyed[i].want, sizeof other), 0);
        expect(digest, leat_str_of(keyed[i].text), keyed[i].want);
        leat_digest_free(&digest);
    }
}
