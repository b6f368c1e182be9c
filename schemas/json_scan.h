/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of JSON: white space, strings, numbers. Shared by the decoder, the builder of values,
 * the validator and the encoder; nothing outside schemas/ includes it.
 *
 * Every function takes a position and gives the position behind what it has read, NULL after an
 * error (which is then in input->err). The short case of each is inline; what is rare or long is a
 * call. Nothing is read outside [start, end), see leat_json_plain_end.
 * Thread: any. Owner: the caller. */
#ifndef LEAT_SCHEMAS_JSON_SCAN_H
#define LEAT_SCHEMAS_JSON_SCAN_H

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "core/value.h"
#include "schemas/codec_json.h"

/* LEAT_JSON_PORTABLE: leave the vector units alone (tests define it to compare both ways). */
#if defined(__SSE2__) && !defined(LEAT_JSON_PORTABLE)
#define LEAT_JSON_SSE2 1
#include <emmintrin.h>
#else
#define LEAT_JSON_SSE2 0
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LEAT_JSON_LITTLE 1
#else
#define LEAT_JSON_LITTLE 0
#endif

typedef struct leat_json_keys leat_json_keys;

/* One text under way. */
typedef struct leat_json_input {
    const char *start, *end;
    uint32_t depth_max;
    leat_err *err;
    leat_json_keys *keys; /* where keys are compared; NULL: duplicates do not matter */
    leat_arena *arena;    /* for what has to be unescaped; NULL if keys is */
} leat_json_input;

/* Errors: all return NULL. `what` reads after "expected ". */
const char *leat_json_fail(const leat_json_input *input, const char *at, leat_code code,
                           const char *format, ...) LEAT_PRINTF(4, 5);
const char *leat_json_expected(const leat_json_input *input, const char *at, const char *what);
/* LEAT_ERR_LIMIT if text is longer than limits allow; else fills input (keys and arena NULL). */
leat_code leat_json_input_init(leat_json_input *input, leat_str text, leat_json_limits limits,
                               leat_err *err) LEAT_CHECKED;

/* --- plain runs ------------------------------------------------------------------------------- */

/* The ways to find the end of a plain run, for tests: all must agree. */
typedef struct leat_json_scanner {
    const char *name;
    const char *(*plain_end)(const char *start, const char *p, const char *end);
    bool (*supported)(void);
} leat_json_scanner;
extern const leat_json_scanner leat_json_scanners[];
extern const size_t leat_json_scanners_count;

/* As leat_json_plain_end, by the widest unit this machine has. */
const char *leat_json_plain_end_long(const char *start, const char *p, const char *end);

#if LEAT_JSON_SSE2
/* Bit i: byte i is a quote, a backslash, a control character, or not ASCII. Compared as signed
 * bytes, what is not ASCII is negative, so that one comparison finds both it and the controls. */
static inline unsigned leat_json_special_bits(const char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i escape = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, escape)));
}
#endif

/* The first byte from p on that ends a run of plain string bytes: a quote, a backslash, a control
 * character or a byte that is not ASCII; end if there is none. start <= p: the text may be read
 * from there, so that the last bytes are looked at through one load that ends where they do. */
static inline const char *leat_json_plain_end(const char *start, const char *p, const char *end)
{
#if LEAT_JSON_SSE2
    size_t left = (size_t)(end - p);
    if (LEAT_LIKELY(left >= 16)) {
        unsigned bits = leat_json_special_bits(p);
        if (LEAT_LIKELY(bits != 0)) return p + __builtin_ctz(bits);
        if (LEAT_LIKELY(left >= 32)) { /* identifiers of 16 digits are common */
            bits = leat_json_special_bits(p + 16);
            if (LEAT_LIKELY(bits != 0)) return p + 16 + __builtin_ctz(bits);
        }
        return leat_json_plain_end_long(start, p + 16, end);
    }
    if (LEAT_LIKELY(end - start >= 16)) {
        unsigned bits = leat_json_special_bits(end - 16) >> (16 - left);
        return bits != 0 ? p + __builtin_ctz(bits) : end;
    }
#endif
    return leat_json_plain_end_long(start, p, end);
}

/* Nonzero: one of eight bytes is special. (Which one, it cannot tell.) */
static inline uint64_t leat_json_special_word(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t quote = word ^ (ones * '"'), escape = word ^ (ones * '\\');
    return (((quote - ones) & ~quote) | ((escape - ones) & ~escape) | (word - ones * 0x20) | word) &
           highs;
}
/* Nothing special in text? Short texts by words that overlap: most names and values are short. */
static inline bool leat_json_is_plain(leat_str text)
{
    if (text.len == 0) return true;
    const char *end = text.data + text.len;
    if (text.len >= 16) return leat_json_plain_end(text.data, text.data, end) == end;
    if (text.len >= 8) {
        uint64_t words[2];
        memcpy(&words[0], text.data, 8);
        memcpy(&words[1], end - 8, 8);
        return (leat_json_special_word(words[0]) | leat_json_special_word(words[1])) == 0;
    }
    uint64_t word = 0x6161616161616161u; /* plain bytes */
    if (text.len >= 4) {
        memcpy(&word, text.data, 4);
        memcpy((char *)&word + 4, end - 4, 4);
    } else {
        for (size_t i = 0; i < text.len; i++) {
            ((char *)&word)[i] = text.data[i];
        }
    }
    return leat_json_special_word(word) == 0;
}

/* --- white space ------------------------------------------------------------------------------ */

const char *leat_json_space_end_long(const char *p, const char *end);

static inline bool leat_json_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
/* Behind any white space; end if there is nothing else. */
static inline const char *leat_json_space_end(const char *p, const char *end)
{
    if (LEAT_LIKELY(p < end && (unsigned char)*p > ' ')) return p;
    if (p == end || !leat_json_is_space(*p)) return p;
    p++; /* one blank behind a colon or comma is the common case */
    if (LEAT_LIKELY(p < end && (unsigned char)*p > ' ')) return p;
    return leat_json_space_end_long(p, end);
}

/* --- strings ---------------------------------------------------------------------------------- */

/* The rest of a string in which something is not plain, from there on; the place of its closing
 * quote. Checks escapes and UTF-8. */
const char *leat_json_string_rest(const leat_json_input *input, const char *p, bool *escaped);

/* p is behind the opening quote; gives the place of the closing one. */
static inline const char *leat_json_string_end(const leat_json_input *input, const char *p,
                                               bool *escaped)
{
    const char *stop = leat_json_plain_end(input->start, p, input->end);
    *escaped = false;
    if (LEAT_LIKELY(stop < input->end && *stop == '"')) return stop;
    return leat_json_string_rest(input, stop, escaped);
}
/* Undoes the escapes of a checked string. data NULL: the arena is full. */
leat_str leat_json_unescape(leat_str text, leat_arena *arena);
/* The content of a string whose quotes stand before `from` and at `to`, as a value. */
leat_code leat_json_string_value(leat_str text, bool escaped, leat_arena *arena, leat_value *value,
                                 leat_err *err) LEAT_CHECKED;

/* --- numbers ---------------------------------------------------------------------------------- */

typedef struct leat_json_digits {
    uint64_t mantissa; /* all digits as one number, if `count` <= 19 */
    int32_t exponent;  /* times ten to the power of it */
    uint32_t count;    /* digits before the exponent */
    bool negative;
    bool integer; /* neither point nor exponent */
} leat_json_digits;

#define LEAT_JSON_MANTISSA_DIGITS 19 /* so many always fit into 64 bits */

const char *leat_json_number_rest(const leat_json_input *input, const char *p,
                                  leat_json_digits *digits);

#if LEAT_JSON_LITTLE
/* How many of eight bytes are digits, before the first that is none. A byte that is no digit may
 * carry into those behind it, never into those before. */
static inline uint32_t leat_json_count_digits(uint64_t word)
{
    uint64_t digits = word ^ 0x3030303030303030u;
    uint64_t others = (digits | (digits + 0x7676767676767676u)) & 0x8080808080808080u;
    return others != 0 ? (uint32_t)__builtin_ctzll(others) / 8 : 8;
}
/* Neighbours are joined three times: 8 digits, 4 pairs, 2 fours, 1 eight. */
static inline uint64_t leat_json_eight_value(uint64_t word)
{
    word = (word & 0x0f0f0f0f0f0f0f0fu) * 2561 >> 8;
    word = (word & 0x00ff00ff00ff00ffu) * 6553601 >> 16;
    return (word & 0x0000ffff0000ffffu) * 42949672960001u >> 32;
}
#endif
/* Takes digits as long as there are some. By words, as the length of a number is what a processor
 * predicts worst. */
static inline const char *leat_json_digits_end(const char *p, const char *end, uint64_t *mantissa)
{
    uint64_t sum = *mantissa;
#if LEAT_JSON_LITTLE
    static const uint32_t powers[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};
    while (LEAT_LIKELY(end - p >= 8)) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        uint32_t count = leat_json_count_digits(word);
        if (LEAT_UNLIKELY(count == 0)) break;
        sum = sum * powers[count] + leat_json_eight_value(word << (8 - count) * 8);
        p += count;
        if (count < 8) {
            *mantissa = sum;
            return p;
        }
    }
#endif
    while (p < end && (unsigned)(*p - '0') <= 9) {
        sum = sum * 10 + (uint64_t)(*p++ - '0');
    }
    *mantissa = sum;
    return p;
}
/* p is at a digit or a minus. */
static inline const char *leat_json_number_end(const leat_json_input *input, const char *p,
                                               leat_json_digits *digits)
{
    bool negative = *p == '-';
    uint64_t mantissa = 0;
    *digits = (leat_json_digits){0};
    p += negative;
    const char *stop = leat_json_digits_end(p, input->end, &mantissa);
    if (LEAT_UNLIKELY(stop == p)) return leat_json_expected(input, p, "a digit");
    if (LEAT_UNLIKELY(*p == '0' && stop - p > 1)) {
        return leat_json_fail(input, p, LEAT_ERR_SYNTAX, "a number must not begin with 0");
    }
    *digits = (leat_json_digits){mantissa, 0, (uint32_t)(stop - p), negative, true};
    if (stop == input->end || (*stop != '.' && (*stop | 0x20) != 'e')) return stop;
    leat_json_digits rest = *digits; /* so that only this case needs an address */
    stop = leat_json_number_rest(input, stop, &rest);
    *digits = rest;
    return stop;
}
leat_value leat_json_number_value_any(const leat_json_digits *digits, leat_str text, bool exact);

/* What a number with these digits and this text is. exact: as leat_slot_request says. */
static inline leat_value leat_json_number_value(const leat_json_digits *digits, leat_str text,
                                                bool exact)
{
    if (LEAT_LIKELY(digits->integer && digits->count < LEAT_JSON_MANTISSA_DIGITS &&
                    digits->mantissa != 0)) {
        int64_t number = (int64_t)digits->mantissa;
        return leat_value_int(digits->negative ? -number : number);
    }
    leat_json_digits rest = *digits;
    return leat_json_number_value_any(&rest, text, exact);
}

/* --- values ----------------------------------------------------------------------------------- */

/* true, false, null. */
const char *leat_json_literal_end(const leat_json_input *input, const char *p, leat_value *value);
/* Checks and passes over one value of any kind, at p, which `depth` containers hold. */
const char *leat_json_skip(const leat_json_input *input, const char *p, uint32_t depth);
/* From an object's brace (or the comma) to its next member: behind the key's quotes, the colon and
 * white space. The key is unescaped if it must be. */
const char *leat_json_key_any(const leat_json_input *input, const char *p, leat_str *key);
static inline const char *leat_json_key(const leat_json_input *input, const char *p, leat_str *key)
{
    if (LEAT_LIKELY(p < input->end && *p == '"')) {
        bool escaped;
        const char *close = leat_json_string_end(input, p + 1, &escaped);
        if (close == NULL) return NULL;
        if (LEAT_LIKELY(!escaped && input->end - close > 2 && close[1] == ':')) {
            *key = (leat_str){p + 1, (size_t)(close - p - 1)};
            const char *value = leat_json_space_end(close + 2, input->end);
            if (LEAT_LIKELY(value < input->end)) return value;
        }
    }
    return leat_json_key_any(input, p, key);
}

/* A value as JSON, as leat_json_write; what was written stays after an error, and that out is full
 * is for the caller to see. */
leat_code leat_json_put(leat_value value, leat_arena *arena, leat_buf *out,
                        leat_err *err) LEAT_CHECKED;
/* ,"name": */
void leat_json_put_name(leat_str name, bool comma, leat_buf *out);

#define LEAT_JSON_DEPTH_CAP 1024u /* depth_max is never taken as more than this */

#endif
