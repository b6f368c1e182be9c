/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, HMAC-SHA-256 and AES-256-GCM through EVP.
 *
 * What is slow about EVP is fetching (SHA256() does it each time: ~550 ns) and EVP_MAC (~300 ns a
 * short text, as it sets parameters anew). So the method is fetched once, and HMAC is done by hand
 * from two contexts that have swallowed the key's inner and outer block already:
 *
 *   inner: key ^ 0x36..  --copy--> + text   --> h
 *   outer: key ^ 0x5c..  --copy--> + h      --> the digest
 *
 * Refused: the SHA256_* functions below EVP, half the price, but deprecated, and deaf to a FIPS
 * provider that an operator may have to use.
 * The key's blocks are wiped after use; no error text ever holds a key. */
#include "transforms/digest.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "core/mem.h"

#define BLOCK_BYTES 64 /* of SHA-256 */

struct leat_digest {
    EVP_MD *method;
    EVP_MD_CTX *work;
    EVP_MD_CTX *inner, *outer; /* NULL: not keyed */
};

static leat_code failed(leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_INTERNAL, "libcrypto refuses SHA-256");
}

/* A context that has swallowed the key's block, each byte changed by `pad`. */
static EVP_MD_CTX *keyed(EVP_MD *method, const unsigned char key[BLOCK_BYTES], unsigned char pad)
{
    unsigned char block[BLOCK_BYTES];
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        block[i] = key[i] ^ pad;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context != NULL && (EVP_DigestInit_ex2(context, method, NULL) != 1 ||
                            EVP_DigestUpdate(context, block, sizeof block) != 1)) {
        EVP_MD_CTX_free(context);
        context = NULL;
    }
    OPENSSL_cleanse(block, sizeof block);
    return context;
}

static bool take_key(leat_digest *digest, leat_str key)
{
    unsigned char block[BLOCK_BYTES] = {0};
    bool good = true;
    if (key.len > sizeof block) /* RFC 2104: a long key is hashed first */
        good = EVP_Digest(key.data, key.len, block, NULL, digest->method, NULL) == 1;
    else if (key.len > 0)
        memcpy(block, key.data, key.len);
    if (good) {
        digest->inner = keyed(digest->method, block, 0x36);
        digest->outer = keyed(digest->method, block, 0x5c);
        good = digest->inner != NULL && digest->outer != NULL;
    }
    OPENSSL_cleanse(block, sizeof block);
    return good;
}

leat_code leat_digest_new(leat_digest **digest, leat_str key, leat_err *err)
{
    leat_digest *made = leat_mem_need(sizeof *made);
    made->method = EVP_MD_fetch(NULL, "SHA256", NULL);
    made->work = EVP_MD_CTX_new();
    bool good = made->method != NULL && made->work != NULL;
    if (good && key.data != NULL) good = take_key(made, key);
    if (!good) {
        leat_digest_free(&made);
        return failed(err);
    }
    *digest = made;
    return LEAT_OK;
}

void leat_digest_free(leat_digest **digest)
{
    leat_digest *gone = *digest;
    if (gone == NULL) return;
    EVP_MD_CTX_free(gone->work);
    EVP_MD_CTX_free(gone->inner);
    EVP_MD_CTX_free(gone->outer);
    EVP_MD_free(gone->method);
    leat_mem_free(gone);
    *digest = NULL;
}

leat_code leat_digest_of(leat_digest *digest, leat_str text, unsigned char bytes[LEAT_DIGEST_BYTES],
                         leat_err *err)
{
    EVP_MD_CTX *work = digest->work;
    if (digest->inner == NULL) {
        if (EVP_DigestInit_ex2(work, digest->method, NULL) != 1 ||
            EVP_DigestUpdate(work, text.data, text.len) != 1 ||
            EVP_DigestFinal_ex(work, bytes, NULL) != 1)
            return failed(err);
        return LEAT_OK;
    }
    if (EVP_MD_CTX_copy_ex(work, digest->inner) != 1 ||
        EVP_DigestUpdate(work, text.data, text.len) != 1 ||
        EVP_DigestFinal_ex(work, bytes, NULL) != 1 ||
        EVP_MD_CTX_copy_ex(work, digest->outer) != 1 ||
        EVP_DigestUpdate(work, bytes, LEAT_DIGEST_BYTES) != 1 ||
        EVP_DigestFinal_ex(work, bytes, NULL) != 1)
        return failed(err);
    return LEAT_OK;
}

static char hex_digit(unsigned int value)
{
    return (char)(value + (value > 9 ? 'a' - 10 : '0'));
}

leat_code leat_digest_hex(leat_digest *digest, leat_str text, char hex[LEAT_DIGEST_HEX],
                          leat_err *err)
{
    unsigned char bytes[LEAT_DIGEST_BYTES];
    LEAT_TRY(leat_digest_of(digest, text, bytes, err));
    for (size_t i = 0; i < LEAT_DIGEST_BYTES;
         i++) { /* no table: the compiler makes vectors of it */
        hex[2 * i] = hex_digit(bytes[i] >> 4);
        hex[2 * i + 1] = hex_digit(bytes[i] & 15);
    }
    return LEAT_OK;
}

/* --- by name --- */

leat_code leat_digest_named(const char *method, leat_str key, leat_str text,
                            unsigned char bytes[LEAT_HASH_BYTES_MAX], size_t *len, leat_err *err)
{
    size_t size = 0;
    unsigned int made = 0;
    const void *data = text.data != NULL ? text.data : "";
    bool good = false;
    if (key.data == NULL) {
        EVP_MD *found = EVP_MD_fetch(NULL, method, NULL);
        good = found != NULL && EVP_Digest(data, text.len, bytes, &made, found, NULL) == 1;
        EVP_MD_free(found);
        size = made;
    } else {
        good = EVP_Q_mac(NULL, "HMAC", NULL, method, NULL, key.data, key.len, data, text.len, bytes,
                         LEAT_HASH_BYTES_MAX, &size) != NULL;
    }
    if (!good) return leat_err_set(err, LEAT_ERR_INVALID, "libcrypto refuses %s", method);
    LEAT_ASSERT(size > 0 && size <= LEAT_HASH_BYTES_MAX);
    *len = size;
    return LEAT_OK;
}

/* --- AES-256-GCM --- */

/* Two contexts that keep their key: expanding it anew would cost more than a short text. */
struct leat_cipher {
    EVP_CIPHER *method;
    EVP_CIPHER_CTX *sealing, *opening;
};

static leat_code cipher_failed(leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_INTERNAL, "libcrypto refuses AES-256-GCM");
}

leat_code leat_cipher_new(leat_cipher **cipher, const unsigned char key[LEAT_CIPHER_KEY_BYTES],
                          leat_err *err)
{
    leat_cipher *made = leat_mem_need(sizeof *made);
    made->method = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    made->sealing = EVP_CIPHER_CTX_new();
    made->opening = EVP_CIPHER_CTX_new();
    bool good = made->method != NULL && made->sealing != NULL && made->opening != NULL &&
                EVP_EncryptInit_ex2(made->sealing, made->method, key, NULL, NULL) == 1 &&
                EVP_DecryptInit_ex2(made->opening, made->method, key, NULL, NULL) == 1;
    if (!good) {
        leat_cipher_free(&made);
        return cipher_failed(err);
    }
    *cipher = made;
    return LEAT_OK;
}

void leat_cipher_free(leat_cipher **cipher)
{
    leat_cipher *gone = *cipher;
    if (gone == NULL) return;
    EVP_CIPHER_CTX_free(gone->sealing); /* wipes the key */
    EVP_CIPHER_CTX_free(gone->opening);
    EVP_CIPHER_free(gone->method);
    leat_mem_free(gone);
    *cipher = NULL;
}

static const unsigned char *bytes_of(leat_str text)
{
    return (const unsigned char *)(text.data != NULL ? text.data : "");
}

leat_code leat_cipher_seal(leat_cipher *cipher, const unsigned char nonce[LEAT_CIPHER_NONCE_BYTES],
                           leat_str beside, leat_str text, unsigned char *sealed, leat_err *err)
{
    EVP_CIPHER_CTX *context = cipher->sealing;
    int len = 0, last = 0;
    if (text.len > INT_MAX || beside.len > INT_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a text of %zu bytes is too long to encrypt",
                            text.len);
    if (EVP_EncryptInit_ex2(context, NULL, NULL, nonce, NULL) != 1 ||
        EVP_EncryptUpdate(context, NULL, &len, bytes_of(beside), (int)beside.len) != 1 ||
        EVP_EncryptUpdate(context, sealed, &len, bytes_of(text), (int)text.len) != 1 ||
        EVP_EncryptFinal_ex(context, sealed + len, &last) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, LEAT_CIPHER_TAG_BYTES,
                            sealed + text.len) != 1)
        return cipher_failed(err);
    LEAT_ASSERT((size_t)len + (size_t)last == text.len);
    return LEAT_OK;
}

leat_code leat_cipher_open(leat_cipher *cipher, const unsigned char nonce[LEAT_CIPHER_NONCE_BYTES],
                           leat_str beside, leat_str sealed, unsigned char *text, leat_err *err)
{
    EVP_CIPHER_CTX *context = cipher->opening;
    int len = 0, last = 0;
    unsigned char tag[LEAT_CIPHER_TAG_BYTES];
    if (sealed.len < sizeof tag || sealed.len > INT_MAX || beside.len > INT_MAX)
        return leat_err_set(err, LEAT_ERR_INVALID, "no sealed text");
    size_t inside = sealed.len - sizeof tag;
    memcpy(tag, sealed.data + inside, sizeof tag);
    if (EVP_DecryptInit_ex2(context, NULL, NULL, nonce, NULL) != 1 ||
        EVP_DecryptUpdate(context, NULL, &len, bytes_of(beside), (int)beside.len) != 1 ||
        EVP_DecryptUpdate(context, text, &len, bytes_of(sealed), (int)inside) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) != 1)
        return cipher_failed(err);
    if (EVP_DecryptFinal_ex(context, text + len, &last) != 1)
        return leat_err_set(err, LEAT_ERR_INVALID,
                            "not what was encrypted: another key, another field, or changed");
    return LEAT_OK;
}
