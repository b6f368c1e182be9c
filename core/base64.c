/* SPDX-License-Identifier: Apache-2.0 */
/* Base64: three bytes are four characters of six bits.
 *
 *   bytes       aaaaaaaa bbbbbbbb cccccccc
 *   characters  aaaaaa aabbbb bbbbcc cccccc
 *
 * Room is reserved for the whole result first, so the loops write without a check. Decoding is
 * strict where two texts would otherwise mean the same bytes (left-over bits set, padding in the
 * middle), because keys and ids are compared as text; it is lenient about missing padding, which
 * carries nothing and which half of all producers leave away. */
#include "core/base64.h"

static const char letters_standard[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char letters_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void leat_base64_encode(leat_str bytes, leat_base64 alphabet, leat_buf *out)
{
    const char *letters = alphabet == LEAT_BASE64_STANDARD ? letters_standard : letters_url;
    bool padded = alphabet != LEAT_BASE64_URL_BARE;
    size_t rest = bytes.len % 3;
    size_t room = bytes.len > SIZE_MAX / 2 ? SIZE_MAX : bytes.len / 3 * 4;
    if (rest != 0 && room != SIZE_MAX) room += padded ? 4 : rest + 1;
    char *start = leat_buf_reserve(out, room);
    if (start == NULL) return;
    char *to = start;
    const uint8_t *at = (const uint8_t *)bytes.data;
    size_t left = bytes.len;
    for (; left >= 3; left -= 3, at += 3) {
        uint32_t group = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        *to++ = letters[group >> 18];
        *to++ = letters[group >> 12 & 63];
        *to++ = letters[group >> 6 & 63];
        *to++ = letters[group & 63];
    }
    if (left != 0) {
        uint32_t group = (uint32_t)at[0] << 16 | (left == 2 ? (uint32_t)at[1] << 8 : 0);
        *to++ = letters[group >> 18];
        *to++ = letters[group >> 12 & 63];
        if (left == 2) *to++ = letters[group >> 6 & 63];
        if (left == 1 && padded) *to++ = '=';
        if (padded) *to++ = '=';
    }
    LEAT_ASSERT((size_t)(to - start) == room);
    out->len += room;
}

/* 0..63, or -1. */
static int value_of(char c, bool url)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == (url ? '-' : '+')) return 62;
    if (c == (url ? '_' : '/')) return 63;
    return -1;
}

static leat_code fail(size_t at, const char *why, leat_err *err)
{
    leat_err_set(err, LEAT_ERR_SYNTAX, "base64: %s at character %zu", why, at + 1);
    err->offset = (uint32_t)at;
    return LEAT_ERR_SYNTAX;
}

leat_code leat_base64_decode(leat_str text, leat_base64 alphabet, leat_buf *out, leat_err *err)
{
    size_t len = text.len, pads = 0;
    while (pads < 2 && len > 0 && text.data[len - 1] == '=') {
        len--;
        pads++;
    }
    if (pads != 0 && text.len % 4 != 0) return fail(len, "wrong padding", err);
    if (len % 4 == 1) return fail(len - 1, "a single character is left over", err);
    size_t room = len / 4 * 3 + (len % 4 == 0 ? 0 : len % 4 - 1);
    bool overflow = out->overflow;
    char *to = leat_buf_reserve(out, room);
    if (to == NULL) {
        out->overflow = overflow; /* as it was: nothing has been written */
        return leat_err_set(err, LEAT_ERR_LIMIT, "base64: the bytes do not fit into %zu", out->max);
    }
    bool url = alphabet != LEAT_BASE64_STANDARD;
    uint32_t bits = 0; /* not yet written, right-aligned */
    unsigned count = 0;
    size_t written = 0;
    for (size_t i = 0; i < len; i++) {
        int value = value_of(text.data[i], url);
        if (value < 0) return fail(i, "a character outside the alphabet", err);
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        to[written++] = (char)(bits >> count);
        bits &= (1u << count) - 1;
    }
    if (bits != 0) return fail(len - 1, "bits are left over", err);
    LEAT_ASSERT(written == room);
    out->len += written;
    return LEAT_OK;
}
