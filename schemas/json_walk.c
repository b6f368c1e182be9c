/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over text that somebody has validated: where a value ends is a matter of brackets and
 * quotes alone, so that nothing is checked twice and nothing can fail. That the text was right is
 * asserted where it would lead out of the text.
 *
 *   {"a": [1, {"b": 2}], "c": "]"}
 *    ^key ^value......^   ^key ^value
 *
 * Strings are left by memchr for the closing quote; a quote behind an odd number of backslashes is
 * part of the string. Refused: the decoder with requests made at run time, which validates again
 * and learns keys that will not come back. */
#include "schemas/json_walk.h"

#include "schemas/codec_json.h"

/* Texts inside a record have passed the limits of its source. */
static const leat_json_limits inner_limits = {1024, UINT32_MAX};

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* p is at the opening quote; gives the place behind the closing one. */
static const char *skip_string(const char *p, const char *end)
{
    const char *from = p + 1;
    for (;;) {
        const char *close = memchr(from, '"', (size_t)(end - from));
        LEAT_ASSERT(close != NULL);
        const char *back = close;
        while (back > p + 1 && back[-1] == '\\')
            back--;
        if ((close - back) % 2 == 0) return close + 1;
        from = close + 1;
    }
}

static bool ends_scalar(char c)
{
    return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_value(const char *p, const char *end)
{
    size_t depth = 0;
    LEAT_ASSERT(p < end);
    if (*p != '"' && *p != '{' && *p != '[') { /* a number, true, false, null */
        while (p < end && !ends_scalar(*p))
            p++;
        return p;
    }
    do {
        LEAT_ASSERT(p < end);
        if (*p == '"') {
            p = skip_string(p, end);
            continue;
        }
        if (*p == '{' || *p == '[') depth++;
        if (*p == '}' || *p == ']') depth--;
        p++;
    } while (depth > 0);
    return p;
}

bool leat_json_walk_init(leat_json_walk *walk, leat_str text)
{
    const char *end = text.data + text.len, *p = skip_space(text.data, end);
    *walk = (leat_json_walk){.at = end, .end = end};
    if (p == end || (*p != '{' && *p != '[')) return false;
    walk->object = *p == '{';
    walk->at = skip_space(p + 1, end);
    return true;
}

bool leat_json_walk_next(leat_json_walk *walk, leat_json_part *part)
{
    LEAT_ASSERT(walk->at <= walk->end);
    const char *p = walk->at, *end = walk->end;
    if (p == end || *p == '}' || *p == ']') return false;
    part->key = LEAT_STR_NONE;
    if (walk->object) {
        const char *key = p;
        LEAT_ASSERT(*p == '"');
        p = skip_string(p, end);
        part->key = (leat_str){key, (size_t)(p - key)};
        p = skip_space(p, end);
        LEAT_ASSERT(p < end && *p == ':');
        p = skip_space(p + 1, end);
    }
    const char *value = p;
    p = skip_value(p, end);
    part->value = (leat_str){value, (size_t)(p - value)};
    p = skip_space(p, end);
    if (p < end && *p == ',') p = skip_space(p + 1, end);
    walk->at = p;
    return true;
}

leat_code leat_json_walk_name(leat_str quoted, leat_arena *arena, leat_str *name, leat_err *err)
{
    LEAT_ASSERT(quoted.len >= 2 && quoted.data[0] == '"');
    *name = leat_str_slice(quoted, 1, quoted.len - 1);
    if (name->len == 0 || memchr(name->data, '\\', name->len) == NULL) return LEAT_OK;
    leat_value value;
    LEAT_TRY(leat_json_value(quoted, inner_limits, arena, &value, err));
    *name = leat_value_str(value);
    return LEAT_OK;
}

static bool is_plain_integer(leat_value value, leat_str text)
{
    return value.tag == LEAT_INT && !(text.len == 2 && text.data[0] == '-' && text.data[1] == '0');
}

leat_code leat_json_walk_value(leat_str text, bool exact, leat_arena *arena, leat_value *value,
                               leat_err *err)
{
    LEAT_ASSERT(text.len > 0);
    char first = text.data[0];
    if (first == '{' || first == '[') {
        *value = leat_value_text(LEAT_JSON, text);
        return LEAT_OK;
    }
    LEAT_TRY(leat_json_value(text, inner_limits, arena, value, err));
    bool number = first == '-' || (first >= '0' && first <= '9');
    if (exact && number && !is_plain_integer(*value, text))
        *value = leat_value_text(LEAT_NUMBER, text);
    return LEAT_OK;
}
