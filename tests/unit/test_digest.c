/* SPDX-License-Identifier: Apache-2.0 */
/* Digests against the vectors of FIPS 180-4 and RFC 4231, AES-256-GCM against those of the
 * submission to NIST (test cases 13 to 16). */
#include <criterion/criterion.h>
#include <stdlib.h>

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

/* --- AES-256-GCM --- */

static leat_str unhex(const char *hex, unsigned char *bytes)
{
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        const char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return (leat_str){(const char *)bytes, len};
}

#define ZERO_KEY "0000000000000000000000000000000000000000000000000000000000000000"
#define KEY      "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define TEXT                                                                                       \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"                             \
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define SEALED                                                                                     \
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"                             \
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"

static const struct {
    const char *key, *nonce, *beside, *text, *sealed;
} ciphers[] = {
    {ZERO_KEY, "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {ZERO_KEY, "000000000000000000000000", "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {KEY, "cafebabefacedbaddecaf888", "", TEXT "1aafd255",
     SEALED "898015ad"
            "b094dac5d93471bdec1a502270e3cc6c"},
    {KEY, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", TEXT,
     SEALED "76fc6ece0f4e1768cddf8853bb2d551b"},
};

Test(digest, aes_256_gcm)
{
    for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++) {
        unsigned char key[64], nonce[64], beside[64], text[128], sealed[128], made[128];
        leat_err err;
        leat_cipher *cipher = NULL;
        unhex(ciphers[i].key, key);
        unhex(ciphers[i].nonce, nonce);
        leat_str more = unhex(ciphers[i].beside, beside);
        leat_str plain = unhex(ciphers[i].text, text);
        leat_str want = unhex(ciphers[i].sealed, sealed);
        cr_assert_eq(leat_cipher_new(&cipher, key, &err), LEAT_OK);
        for (int again = 0; again < 2; again++) {
            cr_assert_eq(leat_cipher_seal(cipher, nonce, more, plain, made, &err), LEAT_OK);
            cr_expect(leat_str_equal((leat_str){(const char *)made, want.len}, want), "case %zu",
                      i);
            cr_assert_eq(leat_cipher_open(cipher, nonce, more, want, made, &err), LEAT_OK);
            cr_expect(leat_str_equal((leat_str){(const char *)made, plain.len}, plain));
        }
        for (size_t at = 0; at < want.len; at++) { /* any byte changed is noticed */
            sealed[at] ^= 1;
            cr_expect_eq(leat_cipher_open(cipher, nonce, more, want, made, &err), LEAT_ERR_INVALID);
            sealed[at] ^= 1;
        }
        cr_expect_eq(leat_cipher_open(cipher, nonce, LEAT_STR("x"), want, made, &err),
                     LEAT_ERR_INVALID);
        leat_cipher_free(&cipher);
    }
}
