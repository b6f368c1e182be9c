/* SPDX-License-Identifier: Apache-2.0 */
/* Is this UTF-8? Strict: no surrogates, nothing longer than needed, nothing above U+10FFFF.
 *
 * On the way of every record, so it is done 16 bytes at a time where the machine can (SSSE3, which
 * the build assumes on x86-64; see LEAT_MARCH). Most text is ASCII and leaves after one test a
 * block. Otherwise every pair of neighbouring bytes is looked up in three tables of 16 classes, by
 * the first byte's high half, its low half, and the second byte's high half; each bit stands for
 * one kind of error, and an error is there if all three tables agree on its bit:
 *
 *       first byte          second byte
 *     high     low             high
 *    [table] & [table]   &   [table]   = kinds of error of this pair
 *
 * That two continuation bytes follow each other is an error of a pair, but right inside a sequence
 * of three or four; where such a one must stand is known from the bytes two and three back, and the
 * two are compared. The text is taken to be followed by zeros, so that a cut sequence is an error
 * of the pair (last byte, zero). ~0.1 ns a byte of ASCII, ~0.4 ns else.
 *
 * The portable form is a plain reading of the definition, eight bytes at a time while ASCII. */
#include "core/err.h"
#include "core/str.h"

#define ASCII_WORD 0x8080808080808080u

static inline uint64_t load64(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Bytes of the well-formed sequence that starts at `at` with `left` bytes to go; 0: none does. */
static size_t sequence(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    if (lead < 0x80) return 1;
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || left < len) return 0;
    /* Only the second byte has a narrower range, and only behind these four. */
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < len; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    return len;
}

bool leat_str_utf8_valid_portable(leat_str str)
{
    size_t i = 0;
    while (i < str.len) {
        if (str.len - i >= 8 && (load64(str.data + i) & ASCII_WORD) == 0) {
            i += 8;
            continue;
        }
        size_t len = sequence((const uint8_t *)str.data + i, str.len - i);
        if (len == 0) return false;
        i += len;
    }
    LEAT_ASSERT(i == str.len);
    return true;
}

#ifdef __SSSE3__
#include <tmmintrin.h>

/* Kinds of error of a pair of bytes. */
enum {
    SHORT = 1 << 0,      /* a lead byte without continuation */
    LONG = 1 << 1,       /* a continuation behind ASCII */
    OVERLONG_3 = 1 << 2, /* e0 80..9f */
    LARGE = 1 << 3,      /* f4 90.. and all above */
    SURROGATE = 1 << 4,  /* ed a0.. */
    OVERLONG_2 = 1 << 5, /* c0, c1 */
    OVERLONG_4 = 1 << 6, /* f0 80..8f, and f5.. 80..8f */
    TWO = 1 << 7,        /* continuation behind continuation: see above */
    ANY = SHORT | LONG | TWO,
};

static __m128i pair_errors(__m128i first, __m128i second)
{
    const __m128i half = _mm_set1_epi8(0x0f);
    const __m128i by_high = _mm_setr_epi8(
        LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG, (char)TWO, (char)TWO, (char)TWO, (char)TWO,
        SHORT | OVERLONG_2, SHORT, SHORT | OVERLONG_3 | SURROGATE, SHORT | LARGE | OVERLONG_4);
    const char beyond = (char)(ANY | LARGE | OVERLONG_4);
    const __m128i by_low = _mm_setr_epi8(
        (char)(ANY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4), (char)(ANY | OVERLONG_2), (char)ANY,
        (char)ANY, (char)(ANY | LARGE), beyond, beyond, beyond, beyond, beyond, beyond, beyond,
        beyond, (char)(ANY | LARGE | OVERLONG_4 | SURROGATE), beyond, beyond);
    const char next_8 = (char)(LONG | TWO | OVERLONG_2 | OVERLONG_3 | OVERLONG_4);
    const char next_9 = (char)(LONG | TWO | OVERLONG_2 | OVERLONG_3 | LARGE);
    const char next_ab = (char)(LONG | TWO | OVERLONG_2 | SURROGATE | LARGE);
    const __m128i by_next =
        _mm_setr_epi8(SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, next_8, next_9,
                      next_ab, next_ab, SHORT, SHORT, SHORT, SHORT);

    __m128i high = _mm_shuffle_epi8(by_high, _mm_and_si128(_mm_srli_epi16(first, 4), half));
    __m128i low = _mm_shuffle_epi8(by_low, _mm_and_si128(first, half));
    __m128i next = _mm_shuffle_epi8(by_next, _mm_and_si128(_mm_srli_epi16(second, 4), half));
    return _mm_and_si128(_mm_and_si128(high, low), next);
}

/* Errors in block, of which the 16 bytes before it are `before`. */
static __m128i block_errors(__m128i before, __m128i block)
{
    __m128i back_1 = _mm_alignr_epi8(block, before, 15);
    __m128i back_2 = _mm_alignr_epi8(block, before, 14);
    __m128i back_3 = _mm_alignr_epi8(block, before, 13);
    __m128i third = _mm_subs_epu8(back_2, _mm_set1_epi8(0xe0 - 0x80));
    __m128i fourth = _mm_subs_epu8(back_3, _mm_set1_epi8(0xf0 - 0x80));
    __m128i inner = _mm_and_si128(_mm_or_si128(third, fourth), _mm_set1_epi8((char)0x80));
    return _mm_xor_si128(inner, pair_errors(back_1, block));
}

static bool valid_wide(const char *at, size_t left)
{
    __m128i before = _mm_setzero_si128(), errors = _mm_setzero_si128();
    for (; left >= 16; left -= 16, at += 16) {
        __m128i block = _mm_loadu_si128((const __m128i_u *)at);
        /* ASCII behind ASCII cannot be wrong; behind anything else the pair must be looked at. */
        if (_mm_movemask_epi8(_mm_or_si128(block, before)) != 0)
            errors = _mm_or_si128(errors, block_errors(before, block));
        before = block;
    }
    char rest[16] = {0};
    if (left != 0) memcpy(rest, at, left);
    __m128i block = _mm_loadu_si128((const __m128i_u *)rest);
    errors = _mm_or_si128(errors, block_errors(before, block));
    return _mm_movemask_epi8(_mm_cmpeq_epi8(errors, _mm_setzero_si128())) == 0xffff;
}

bool leat_str_utf8_valid(leat_str str)
{
    const char *at = str.data;
    size_t left = str.len;
    if (left < 8) return leat_str_utf8_valid_portable(str);
    /* Two overlapping words cover 8..16 bytes: most names and codes end here. */
    if (left <= 16) {
        uint64_t both = load64(at) | load64(at + (left - 8));
        return (both & ASCII_WORD) == 0 || valid_wide(at, left);
    }
    for (; left >= 16; left -= 16, at += 16) {
        __m128i block = _mm_loadu_si128((const __m128i_u *)at);
        if (_mm_movemask_epi8(block) != 0) return valid_wide(at, left);
    }
    if (left == 0) return true;
    at -= 16 - left; /* the last 16 bytes, some of them a second time */
    if (_mm_movemask_epi8(_mm_loadu_si128((const __m128i_u *)at)) == 0) return true;
    return valid_wide(at + (16 - left), left);
}
#else
bool leat_str_utf8_valid(leat_str str)
{
    return leat_str_utf8_valid_portable(str);
}
#endif
