/* SPDX-License-Identifier: Apache-2.0 */
/* What literals mean: strings, bytes and numbers.
 *
 *   "..." '...' """...""" '''...'''   text with escapes; three quotes may hold line ends
 *   r"..."                            text as it stands
 *   b"..." br"..."                    bytes: the UTF-8 of the text, \xHH and \OOO are single bytes
 *
 * In a string \xHH and \OOO are code points, \uHHHH and \UHHHHHHHH too; none may be a surrogate or
 * beyond U+10FFFF. A line end within three quotes is \n whatever the file uses, an escaped \r
 * stays. The content is never longer than the literal, so one allocation of that size does. */
#include <limits.h>

#include "transforms/expr_ast.h"

typedef struct expr_quoted {
    leat_str text; /* between the quotes */
    size_t at;
    uint32_t offset; /* of text in the expression */
    bool bytes;
    char *out;
    size_t len;
} expr_quoted;

static void put_byte(expr_quoted *unquoter, uint32_t byte)
{
    unquoter->out[unquoter->len++] = (char)(unsigned char)byte;
}

static void put_code_point(expr_quoted *unquoter, uint32_t point)
{
    if (point < 0x80) {
        put_byte(unquoter, point);
        return;
    }
    if (point < 0x800) {
        put_byte(unquoter, 0xc0 | (point >> 6));
    } else {
        if (point < 0x10000) {
            put_byte(unquoter, 0xe0 | (point >> 12));
        } else {
            put_byte(unquoter, 0xf0 | (point >> 18));
            put_byte(unquoter, 0x80 | ((point >> 12) & 0x3f));
        }
        put_byte(unquoter, 0x80 | ((point >> 6) & 0x3f));
    }
    put_byte(unquoter, 0x80 | (point & 0x3f));
}

/* `digits` digits of the base (8 or 16) from the present place. */
static leat_code read_digits(expr_quoted *unquoter, uint32_t digits, uint32_t base,
                             uint32_t *number, leat_err *err)
{
    *number = 0;
    for (uint32_t i = 0; i < digits; i++) {
        size_t at = unquoter->at + i;
        int digit = at < unquoter->text.len ? leat_str_hex_digit(unquoter->text.data[at]) : -1;
        if (digit < 0 || digit >= (int)base) {
            return leat_expr_mistake(err, LEAT_ERR_SYNTAX, unquoter->offset + (uint32_t)at,
                                     "this escape needs %u %s digits", digits,
                                     base == 16 ? "hexadecimal" : "octal");
        }
        *number = *number * base + (uint32_t)digit;
    }
    unquoter->at += digits;
    return LEAT_OK;
}

static leat_code escaped_number(expr_quoted *unquoter, uint32_t digits, uint32_t base, bool point,
                                leat_err *err)
{
    uint32_t start = unquoter->offset + (uint32_t)unquoter->at;
    uint32_t number = 0;
    if (point && unquoter->bytes) {
        return leat_expr_mistake(err, LEAT_ERR_SYNTAX, start,
                                 "\\u and \\U cannot stand in bytes; use \\x");
    }
    LEAT_TRY(read_digits(unquoter, digits, base, &number, err));
    if (number > 0x10ffff || (number >= 0xd800 && number < 0xe000)) {
        return leat_expr_mistake(err, LEAT_ERR_SYNTAX, start, "this escape is no code point");
    }
    if (unquoter->bytes) {
        if (number > 0xff) {
            return leat_expr_mistake(err, LEAT_ERR_SYNTAX, start,
                                     "octal escapes go from \\000 to \\377");
        }
        put_byte(unquoter, number);
    } else {
        put_code_point(unquoter, number);
    }
    return LEAT_OK;
}

static leat_code unescape(expr_quoted *unquoter, leat_err *err)
{
    static const char plain[] = "abfnrtv\\?\"'`";
    static const char meant[] = "\a\b\f\n\r\t\v\\?\"'`";
    LEAT_ASSERT(unquoter->at < unquoter->text.len); /* the lexer took two characters */
    char c = unquoter->text.data[unquoter->at];
    const char *found = c == '\0' ? NULL : strchr(plain, c);
    if (found != NULL) {
        unquoter->at++;
        put_byte(unquoter, (unsigned char)meant[found - plain]);
        return LEAT_OK;
    }
    if (c >= '0' && c <= '3') return escaped_number(unquoter, 3, 8, false, err);
    if (c == 'x' || c == 'X' || c == 'u' || c == 'U') {
        unquoter->at++;
        uint32_t digits = c == 'u' ? 4 : c == 'U' ? 8 : 2;
        return escaped_number(unquoter, digits, 16, c == 'u' || c == 'U', err);
    }
    return leat_expr_mistake(err, LEAT_ERR_SYNTAX, unquoter->offset + (uint32_t)unquoter->at,
                             "unknown escape; a backslash itself is written \\\\, or use r'...'");
}

leat_code leat_expr_unquote(leat_str literal, bool bytes, uint32_t offset, leat_arena *arena,
                            leat_str *content, leat_err *err)
{
    size_t prefix = bytes ? 1 : 0;
    bool raw = (literal.data[prefix] | 0x20) == 'r';
    if (raw) prefix++;
    LEAT_ASSERT(literal.len >= prefix + 2);
    char quote = literal.data[prefix];
    bool triple = literal.len >= prefix + 6 && literal.data[prefix + 1] == quote &&
                  literal.data[prefix + 2] == quote;
    size_t quotes = triple ? 3 : 1;
    expr_quoted unquoter = {.text = leat_str_slice(literal, prefix + quotes, literal.len - quotes),
                            .offset = offset + (uint32_t)(prefix + quotes),
                            .bytes = bytes};
    /* \x80 has four characters and two bytes; no escape grows. */
    unquoter.out = leat_arena_alloc(arena, unquoter.text.len + 1);
    if (unquoter.out == NULL) return leat_arena_full(arena, err);
    while (unquoter.at < unquoter.text.len) {
        char c = unquoter.text.data[unquoter.at++];
        if (c == '\\' && !raw) {
            LEAT_TRY(unescape(&unquoter, err));
        } else if (c == '\r') { /* only three quotes can hold one */
            if (unquoter.at < unquoter.text.len && unquoter.text.data[unquoter.at] == '\n') {
                unquoter.at++;
            }
            put_byte(&unquoter, '\n');
        } else {
            unquoter.out[unquoter.len++] = c;
        }
    }
    LEAT_ASSERT(unquoter.len <= unquoter.text.len);
    *content = (leat_str){unquoter.out, unquoter.len};
    return LEAT_OK;
}

/* Decimal or 0x digits as a magnitude; false: beyond 64 bits. */
static bool read_magnitude(leat_str text, uint64_t *magnitude)
{
    uint64_t base = 10;
    size_t at = 0;
    if (text.len > 2 && (text.data[1] | 0x20) == 'x') {
        base = 16;
        at = 2;
    }
    *magnitude = 0;
    for (; at < text.len; at++) {
        uint64_t digit = (uint64_t)leat_str_hex_digit(text.data[at]);
        if (*magnitude > (UINT64_MAX - digit) / base) return false;
        *magnitude = *magnitude * base + digit;
    }
    return true;
}

/* The JSON reader wants exactly one zero where the text may have none or several. */
#define DOUBLE_TEXT_MAX 1100 /* more digits than any double has */
leat_number leat_expr_read_double(leat_str text, double *number)
{
    char digits[DOUBLE_TEXT_MAX + 1];
    while (text.len > 1 && text.data[0] == '0' && text.data[1] >= '0' && text.data[1] <= '9') {
        text = leat_str_slice(text, 1, text.len);
    }
    if (text.len > 0 && text.data[0] == '.') {
        if (text.len > DOUBLE_TEXT_MAX) return LEAT_NUMBER_RANGE;
        digits[0] = '0';
        memcpy(digits + 1, text.data, text.len);
        text = (leat_str){digits, text.len + 1};
    }
    return leat_number_double(text, number);
}

leat_code leat_expr_number(const leat_expr_token *token, bool negative, leat_value *value,
                           leat_err *err)
{
    if (token->kind == EXPR_TOKEN_DOUBLE) {
        double number = 0;
        if (leat_expr_read_double(token->text, &number) != LEAT_NUMBER_OK) {
            return leat_expr_mistake(err, LEAT_ERR_RANGE, token->offset,
                                     "this number is beyond the range of a double");
        }
        *value = leat_value_double(negative ? -number : number);
        return LEAT_OK;
    }
    leat_str digits = token->text;
    if (token->kind == EXPR_TOKEN_UINT) digits.len--;
    uint64_t magnitude = 0;
    bool fits = read_magnitude(digits, &magnitude);
    if (token->kind == EXPR_TOKEN_UINT) {
        if (!fits || (negative && magnitude != 0)) {
            return leat_expr_mistake(err, LEAT_ERR_RANGE, token->offset,
                                     negative ? "a uint cannot be negative"
                                              : "this number is beyond the range of a uint");
        }
        *value = leat_value_uint(magnitude);
        return LEAT_OK;
    }
    if (!fits || magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return leat_expr_mistake(err, LEAT_ERR_RANGE, token->offset,
                                 "this number is beyond the range of an int%s",
                                 fits && !negative ? "; a uint has the suffix u" : "");
    }
    *value = leat_value_int(negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude);
    return LEAT_OK;
}
