/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as hexadecimal digits, and texts as parts of URLs (percent-encoding, RFC 3986), both ways.
 * Thread: any. Cost: ~1 ns a byte. */
#ifndef LEAT_CORE_ENCODE_H
#define LEAT_CORE_ENCODE_H

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

/* Lower-case digits of bytes, appended to out (which may overflow: leat_buf_check). */
void leat_hex_encode(leat_str bytes, leat_buf *out);
/* Digits of either case, an even number of them; anything else is LEAT_ERR_SYNTAX. */
leat_code leat_hex_decode(leat_str text, leat_buf *out, leat_err *err) LEAT_CHECKED;

/* All but letters, digits, - . _ ~ becomes %XX. */
void leat_percent_encode(leat_str bytes, leat_buf *out);
/* plus: '+' stands for a blank, as in queries. A % without two digits behind it is
 * LEAT_ERR_SYNTAX; what comes out may be any bytes. */
leat_code leat_percent_decode(leat_str text, bool plus, leat_buf *out, leat_err *err) LEAT_CHECKED;

#endif
