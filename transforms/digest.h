/* SPDX-License-Identifier: Apache-2.0 */
/* Digests and AES-256-GCM, by OpenSSL's libcrypto (known to digest.c alone). The algorithms are
 * fetched once an object, contexts are reused: neither costs an allocation a text.
 * Owner: whoever made it. Thread: one. */
#ifndef LEAT_TRANSFORMS_DIGEST_H
#define LEAT_TRANSFORMS_DIGEST_H

#include "core/err.h"
#include "core/str.h"

#define LEAT_DIGEST_BYTES 32 /* of SHA-256 */
#define LEAT_DIGEST_HEX   64 /* characters */

typedef struct leat_digest leat_digest;

#define LEAT_HASH_BYTES_MAX 64

/* A digest by one call, for methods that come from a text: "MD5", "SHA1", "SHA256", "SHA512"; with
 * a key (data not NULL) HMAC. *len: of bytes. Cost: ~1 us. */
leat_code leat_digest_named(const char *method, leat_str key, leat_str text,
                            unsigned char bytes[LEAT_HASH_BYTES_MAX], size_t *len,
                            leat_err *err) LEAT_CHECKED;

/* key data NULL: plain SHA-256; else HMAC-SHA-256 under it (copied only as what HMAC makes of it).
 * Cost: of a text of up to 55 bytes ~130 ns plain, ~270 ns keyed, with SHA instructions. */
leat_code leat_digest_new(leat_digest **digest, leat_str key, leat_err *err) LEAT_CHECKED;
void leat_digest_free(leat_digest **digest);
leat_code leat_digest_of(leat_digest *digest, leat_str text, unsigned char bytes[LEAT_DIGEST_BYTES],
                         leat_err *err) LEAT_CHECKED;
/* Lower-case hexadecimal, not terminated. */
leat_code leat_digest_hex(leat_digest *digest, leat_str text, char hex[LEAT_DIGEST_HEX],
                          leat_err *err) LEAT_CHECKED;

/* AES-256-GCM (NIST SP 800-38D). */
#define LEAT_CIPHER_KEY_BYTES   32
#define LEAT_CIPHER_NONCE_BYTES 12
#define LEAT_CIPHER_TAG_BYTES   16

typedef struct leat_cipher leat_cipher;

leat_code leat_cipher_new(leat_cipher **cipher, const unsigned char key[LEAT_CIPHER_KEY_BYTES],
                          leat_err *err) LEAT_CHECKED;
void leat_cipher_free(leat_cipher **cipher);
/* sealed: room for text.len + LEAT_CIPHER_TAG_BYTES, the tag last. One nonce, one text: who calls
 * this sees to that. text up to INT_MAX bytes, as is `beside`, which is authenticated only. */
leat_code leat_cipher_seal(leat_cipher *cipher, const unsigned char nonce[LEAT_CIPHER_NONCE_BYTES],
                           leat_str beside, leat_str text, unsigned char *sealed,
                           leat_err *err) LEAT_CHECKED;
/* text: room for sealed.len - LEAT_CIPHER_TAG_BYTES. LEAT_ERR_INVALID: another key, another
 * `beside`, or the bytes were changed; nothing of text may be used then. */
leat_code leat_cipher_open(leat_cipher *cipher, const unsigned char nonce[LEAT_CIPHER_NONCE_BYTES],
                           leat_str beside, leat_str sealed, unsigned char *text,
                           leat_err *err) LEAT_CHECKED;

#endif
