/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal and percent-encoding. Both write into buffers that bound them, and leave a buffer as
 * it was after an error, so that half a text is never taken for a whole one.
 *
 * Percent-encoding keeps the unreserved characters of RFC 3986 and nothing else: what comes out may
 * stand anywhere in a URL, in a path as in a query. */
#include "core/encode.h"

static const char digits_lower[] = "0123456789abcdef";
static const char digits_upper[] = "0123456789ABCDEF";

/* -1: no digit. */
static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* -1: no two digits. */
static int byte_of(const char *digits)
{
    int high = digit_of(digits[0]);
    int low = digit_of(digits[1]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void leat_hex_encode(leat_str bytes, leat_buf *out)
{
    if (bytes.len == 0) return;
    char *to = leat_buf_reserve(out, bytes.len * 2);
    if (to == NULL) return;
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned byte = (unsigned char)bytes.data[i];
        to[2 * i] = digits_lower[byte >> 4];
        to[2 * i + 1] = digits_lower[byte & 15];
    }
    out->len += bytes.len * 2;
}

leat_code leat_hex_decode(leat_str text, leat_buf *out, leat_err *err)
{
    if (text.len == 0) return LEAT_OK;
    if (text.len % 2 != 0)
        return leat_err_set(err, LEAT_ERR_SYNTAX, "hexadecimal text has an odd number of digits");
    char *to = leat_buf_reserve(out, text.len / 2);
    if (to == NULL) return leat_buf_check(out, "decoded bytes", err);
    for (size_t i = 0; i < text.len; i += 2) {
        int byte = byte_of(text.data + i);
        if (byte < 0)
            return leat_err_set(err, LEAT_ERR_SYNTAX, "no hexadecimal digits at offset %zu", i);
        to[i / 2] = (char)byte;
    }
    out->len += text.len / 2;
    return LEAT_OK;
}

static bool unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void leat_percent_encode(leat_str bytes, leat_buf *out)
{
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.data[i];
        if (unreserved(c)) {
            leat_buf_add_char(out, c);
            continue;
        }
        leat_buf_add_char(out, '%');
        leat_buf_add_char(out, digits_upper[(unsigned char)c >> 4]);
        leat_buf_add_char(out, digits_upper[(unsigned char)c & 15]);
    }
}

leat_code leat_percent_decode(leat_str text, bool plus, leat_buf *out, leat_err *err)
{
    size_t start = out->len;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '%') {
            int byte = text.len - i > 2 ? byte_of(text.data + i + 1) : -1;
            if (byte < 0) {
                out->len = start;
                return leat_err_set(err, LEAT_ERR_SYNTAX,
                                    "a %% without two hexadecimal digits behind it, at offset %zu",
                                    i);
            }
            c = (char)byte;
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        leat_buf_add_char(out, c);
    }
    if (out->overflow) out->len = start;
    return leat_buf_check(out, "decoded text", err);
}
