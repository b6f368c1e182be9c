/* SPDX-License-Identifier: Apache-2.0 */
/* The rare half of JSON's tokens: strings with escapes or beyond ASCII, numbers with fraction or
 * exponent, literals, keys. The common half is inline in json_scan.h.
 *
 * RFC 8259 leaves open what a parser does with an escape that is half of a surrogate pair. It is
 * refused here: a string is valid UTF-8 everywhere in Leat, and half a pair has no UTF-8. For the
 * same reason overlong forms, encoded surrogates and what lies beyond U+10FFFF are refused.
 *
 * Numbers: digits are collected into 64 bits as they are checked. A mantissa below 2^53 with a
 * power of ten up to 22 gives the exact double by one multiplication or division, as both operands
 * are exact; all others go through core/number. */
#include "core/number.h"
#include "schemas/json_scan.h"

/* --- strings ---------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 sequence at p, 0 if it is none. The second byte's range carries the rules
 * against overlong forms, surrogates and too large numbers. */
static size_t sequence_length(const char *p, const char *end)
{
    unsigned char lead = (unsigned char)*p;
    unsigned char low = 0x80, high = 0xbf;
    size_t length;
    if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        if (lead == 0xe0) low = 0xa0;
        if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        if (lead == 0xf0) low = 0x90;
        if (lead == 0xf4) high = 0x8f;
    } else {
        return 0;
    }
    if ((size_t)(end - p) < length) return 0;
    if ((unsigned char)p[1] < low || (unsigned char)p[1] > high) return 0;
    for (size_t i = 2; i < length; i++) {
        if (((unsigned char)p[i] & 0xc0) != 0x80) return 0;
    }
    return length;
}

/* The 16 bits of four hex digits; -1 if there are not four. */
static int32_t hex_unit(const char *p, const char *end)
{
    if (end - p < 4) return -1;
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = leat_str_hex_digit(p[i]);
        if (digit < 0) return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool is_high(int32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}
static bool is_low(int32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* p is at the backslash; gives the place behind the escape. */
static const char *escape_end(const leat_json_input *input, const char *p)
{
    const char *end = input->end;
    if (end - p < 2) return leat_json_expected(input, end, "the rest of an escape");
    if (p[1] != 'u') {
        if (p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL) return p + 2;
        return leat_json_expected(input, p + 1, "one of \" \\ / b f n r t u after a backslash");
    }
    int32_t unit = hex_unit(p + 2, end);
    if (unit < 0) {
        return leat_json_fail(input, p, LEAT_ERR_SYNTAX, "\\u must have four hex digits");
    }
    if (!is_high(unit) && !is_low(unit)) return p + 6;
    if (is_high(unit) && end - p >= 12 && p[6] == '\\' && p[7] == 'u' &&
        is_low(hex_unit(p + 8, end))) {
        return p + 12;
    }
    return leat_json_fail(input, p, LEAT_ERR_SYNTAX,
                          "\\u%04x is half of a surrogate pair and stands for no character",
                          (unsigned)unit);
}

const char *leat_json_string_rest(const leat_json_input *input, const char *p, bool *escaped)
{
    for (;;) {
        p = leat_json_plain_end(input->start, p, input->end);
        if (p == input->end) return leat_json_expected(input, p, "'\"'");
        if (*p == '"') return p;
        if (*p == '\\') {
            *escaped = true;
            p = escape_end(input, p);
            if (p == NULL) return NULL;
            continue;
        }
        if ((unsigned char)*p < 0x20) {
            return leat_json_fail(input, p, LEAT_ERR_SYNTAX,
                                  "control character 0x%02x in a string; write \\u%04x",
                                  (unsigned)*p, (unsigned)*p);
        }
        while (p < input->end && (signed char)*p < 0) { /* text that is not ASCII comes in runs */
            size_t length = sequence_length(p, input->end);
            if (length == 0) {
                return leat_json_fail(input, p, LEAT_ERR_SYNTAX, "byte 0x%02x is no valid UTF-8",
                                      (unsigned)(unsigned char)*p);
            }
            p += length;
        }
    }
}

static size_t put_utf8(char *to, uint32_t point)
{
    LEAT_ASSERT(point <= 0x10ffff && (point < 0xd800 || point > 0xdfff));
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        to[0] = (char)(0xc0 | (point >> 6));
        to[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        to[0] = (char)(0xe0 | (point >> 12));
        to[1] = (char)(0x80 | ((point >> 6) & 0x3f));
        to[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | (point >> 18));
    to[1] = (char)(0x80 | ((point >> 12) & 0x3f));
    to[2] = (char)(0x80 | ((point >> 6) & 0x3f));
    to[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

/* One checked escape at *p; moves *p behind it. */
static uint32_t escape_point(const char **p, const char *end)
{
    char c = (*p)[1];
    if (c != 'u') {
        *p += 2;
        switch (c) {
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        default: return (unsigned char)c;
        }
    }
    int32_t unit = hex_unit(*p + 2, end);
    LEAT_ASSERT(unit >= 0);
    if (!is_high(unit)) {
        *p += 6;
        return (uint32_t)unit;
    }
    int32_t low = hex_unit(*p + 8, end);
    LEAT_ASSERT(is_low(low));
    *p += 12;
    return 0x10000u + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

leat_str leat_json_unescape(leat_str text, leat_arena *arena)
{
    LEAT_ASSERT(arena != NULL);
    char *to = leat_arena_alloc(arena, text.len + 1); /* escapes only shrink */
    if (to == NULL) return LEAT_STR_NONE;
    size_t len = 0;
    const char *p = text.data, *end = text.data + text.len;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((escape != NULL ? escape : end) - p);
        memcpy(to + len, p, run);
        len += run;
        p += run;
        if (p < end) len += put_utf8(to + len, escape_point(&p, end));
    }
    LEAT_ASSERT(p == end && len <= text.len);
    to[len] = '\0';
    return (leat_str){to, len};
}

leat_code leat_json_string_value(leat_str text, bool escaped, leat_arena *arena, leat_value *value,
                                 leat_err *err)
{
    if (LEAT_LIKELY(!escaped)) {
        *value = leat_value_string(text);
        value->flags = LEAT_VALUE_PLAIN;
        return LEAT_OK;
    }
    leat_str content = leat_json_unescape(text, arena);
    if (content.data == NULL) return leat_arena_full(arena, err);
    *value = leat_value_string(content);
    return LEAT_OK;
}

/* --- numbers ---------------------------------------------------------------------------------- */

#define EXPONENT_MAX 100000 /* beyond that all is zero or infinite; keeps the sum in 32 bits */

static const char *exponent_end(const leat_json_input *input, const char *p,
                                leat_json_digits *digits)
{
    const char *end = input->end;
    p++;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    int32_t exponent = 0;
    const char *first = p;
    for (; p < end && (unsigned)(*p - '0') <= 9; p++) {
        if (exponent < EXPONENT_MAX) exponent = exponent * 10 + (*p - '0');
    }
    if (p == first) return leat_json_expected(input, p, "a digit of the exponent");
    digits->exponent += negative ? -exponent : exponent;
    return p;
}

const char *leat_json_number_rest(const leat_json_input *input, const char *p,
                                  leat_json_digits *digits)
{
    LEAT_ASSERT(digits->count > 0 && p < input->end);
    digits->integer = false;
    if (*p == '.') {
        const char *first = p + 1;
        p = leat_json_digits_end(first, input->end, &digits->mantissa);
        if (p == first) return leat_json_expected(input, p, "a digit after the point");
        digits->count += (uint32_t)(p - first);
        digits->exponent = -(int32_t)(p - first);
        if (p == input->end || (*p | 0x20) != 'e') return p;
    }
    return exponent_end(input, p, digits);
}

static leat_value integer_value(const leat_json_digits *digits, leat_str text, bool exact)
{
    LEAT_ASSERT(digits->exponent == 0 && text.len > 0);
    uint64_t limit = (uint64_t)INT64_MAX + digits->negative;
    bool zero = digits->negative && digits->mantissa == 0 && digits->count == 1;
    if (digits->count > LEAT_JSON_MANTISSA_DIGITS || digits->mantissa > limit || (zero && exact)) {
        return leat_value_text(LEAT_NUMBER, text);
    }
    uint64_t number = digits->negative ? 0 - digits->mantissa : digits->mantissa;
    return leat_value_int((int64_t)number);
}

leat_value leat_json_number_value_any(const leat_json_digits *digits, leat_str text, bool exact)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (digits->integer) return integer_value(digits, text, exact);
    if (exact) return leat_value_text(LEAT_NUMBER, text);
    int32_t exponent = digits->exponent;
    if (LEAT_LIKELY(digits->count <= LEAT_JSON_MANTISSA_DIGITS &&
                    digits->mantissa <= (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22)) {
        double number = (double)digits->mantissa;
        number = exponent < 0 ? number / powers[-exponent] : number * powers[exponent];
        return leat_value_double(digits->negative ? -number : number);
    }
    double number;
    if (leat_number_double(text, &number) != LEAT_NUMBER_OK)
        return leat_value_text(LEAT_NUMBER, text);
    return leat_value_double(number);
}

leat_code leat_json_number(leat_str text, leat_value *value, leat_err *err)
{
    leat_json_input input;
    LEAT_TRY(leat_json_input_init(&input, text, LEAT_JSON_LIMITS_DEFAULT, err));
    const char *p = input.start;
    leat_json_digits digits;
    if (p == input.end || (*p != '-' && (unsigned)(*p - '0') > 9)) {
        (void)leat_json_expected(&input, p, "a number");
        return err->code;
    }
    p = leat_json_number_end(&input, p, &digits);
    if (p == NULL) return err->code;
    if (p != input.end) {
        (void)leat_json_expected(&input, p, "the end of the number");
        return err->code;
    }
    *value = leat_json_number_value(&digits, text, false);
    if (value->tag != LEAT_NUMBER) return LEAT_OK;
    err->offset = 0;
    return leat_err_set(err, LEAT_ERR_RANGE, "number out of range: %.*s%s",
                        text.len > 64 ? 64 : (int)text.len, text.data, text.len > 64 ? "..." : "");
}

/* --- literals and keys ------------------------------------------------------------------------ */

const char *leat_json_literal_end(const leat_json_input *input, const char *p, leat_value *value)
{
    size_t left = (size_t)(input->end - p);
    if (left >= 4 && memcmp(p, "true", 4) == 0) {
        *value = leat_value_bool(true);
        return p + 4;
    }
    if (left >= 5 && memcmp(p, "false", 5) == 0) {
        *value = leat_value_bool(false);
        return p + 5;
    }
    if (left >= 4 && memcmp(p, "null", 4) == 0) {
        *value = LEAT_VALUE_NULL;
        return p + 4;
    }
    return leat_json_expected(input, p, "a value");
}

const char *leat_json_key_any(const leat_json_input *input, const char *p, leat_str *key)
{
    p = leat_json_space_end(p, input->end);
    if (p == input->end || *p != '"') return leat_json_expected(input, p, "a key in quotes");
    bool escaped;
    const char *close = leat_json_string_end(input, p + 1, &escaped);
    if (close == NULL) return NULL;
    *key = (leat_str){p + 1, (size_t)(close - p - 1)};
    if (escaped && input->arena != NULL) {
        *key = leat_json_unescape(*key, input->arena);
        if (key->data == NULL) {
            (void)leat_arena_full(input->arena, input->err);
            return NULL;
        }
    }
    p = leat_json_space_end(close + 1, input->end);
    if (p == input->end || *p != ':') return leat_json_expected(input, p, "':'");
    p = leat_json_space_end(p + 1, input->end);
    if (p == input->end) return leat_json_expected(input, p, "a value");
    return p;
}
