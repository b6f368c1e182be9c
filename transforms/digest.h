/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, by OpenSSL's libcrypto (known to digest.c alone). The algorithms are fetched once a
 * process, contexts are reused: a digest costs no allocation.
 * Owner: whoever made it. Thread: one. */
#ifndef LEAT_TRANSFORMS_DIGEST_H
#define LEAT_TRANSFORMS_DIGEST_H

#include "core/err.h"
#include "core/str.h"

#define LEAT_DIGEST_BYTES 32 /* of SHA-256 */
#define LEAT_DIGEST_HEX   64 /* characters */

typedef struct leat_digest leat_digest;

/* key data NULL: plain SHA-256; else HMAC-SHA-256 under it (copied only as what HMAC makes of it).
 * Cost: of a text of up to 55 bytes ~130 ns plain, ~270 ns keyed, with SHA instructions. */
leat_code leat_digest_new(leat_digest **digest, leat_str key, leat_err *err) LEAT_CHECKED;
void leat_digest_free(leat_digest **digest);
leat_code leat_digest_of(leat_digest *digest, leat_str text, unsigned char bytes[LEAT_DIGEST_BYTES],
                         leat_err *err) LEAT_CHECKED;
/* Lower-case hexadecimal, not terminated. */
leat_code leat_digest_hex(leat_digest *digest, leat_str text, char hex[LEAT_DIGEST_HEX],
                          leat_err *err) LEAT_CHECKED;

#endif
