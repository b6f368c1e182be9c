/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed slice of bytes; not terminated by NUL, never freed through it. */
#ifndef LEAT_CORE_STR_H
#define LEAT_CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_str {
    const char *data; /* NULL with len 0: no text at all (see leat_str_none) */
    size_t len;       /* bytes */
} leat_str;

#define LEAT_STR(literal) ((leat_str){"" literal, sizeof(literal) - 1})
#define LEAT_STR_NONE     ((leat_str){NULL, 0})
/* A literal as an initializer of constant tables. */
#define LEAT_STR_INIT(literal)                                                                     \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
/* For printf: "%.*s", LEAT_STR_ARG(str) */
#define LEAT_STR_ARG(str) ((int)(str).len), ((str).data ? (str).data : "")

static inline leat_str leat_str_of(const char *text)
{
    return text ? (leat_str){text, strlen(text)} : LEAT_STR_NONE;
}
static inline bool leat_str_equal(leat_str a, leat_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
static inline bool leat_str_is(leat_str a, const char *text)
{
    return leat_str_equal(a, leat_str_of(text));
}
static inline leat_str leat_str_slice(leat_str str, size_t from, size_t to)
{
    return (leat_str){str.data + from, to - from};
}
int leat_str_compare(leat_str a, leat_str b); /* by bytes: <0, 0, >0 */
bool leat_str_starts(leat_str str, leat_str prefix);
bool leat_str_ends(leat_str str, leat_str suffix);
ptrdiff_t leat_str_find(leat_str str, leat_str needle); /* byte offset, -1: not there */
static inline char leat_str_lower(char c)               /* of ASCII; others stay */
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}
/* The value of a hexadecimal digit of either case; -1: none. */
static inline int leat_str_hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}
bool leat_str_utf8_valid(leat_str str); /* strict: no surrogates, no overlong */
/* The same without wide units: what runs where there are none, and what tests compare with. */
bool leat_str_utf8_valid_portable(leat_str str);
/* The candidate nearest to name (Damerau-Levenshtein, about a third of its length off at most; the
 * first of equals), or LEAT_STR_NONE. For "did you mean". */
leat_str leat_str_nearest(leat_str name, const leat_str *candidates, size_t count);
uint64_t leat_str_hash(leat_str str); /* SipHash-1-3 under a key drawn at start (hash floods) */
uint64_t leat_str_hash_fixed(leat_str str); /* the same in every process and version (stable ids) */

#ifdef __cplusplus
}
#endif
#endif
