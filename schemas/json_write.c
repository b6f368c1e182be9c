/* SPDX-License-Identifier: Apache-2.0 */
/* Values as JSON text.
 *
 * What came in as text and was not touched (NUMBER, JSON, strings that need no escaping) goes out
 * as it came. Doubles get the shortest text that reads back as the same double, with a point or an
 * exponent, so that they stay doubles. What JSON has no form for is written as the text that the
 * language's own functions accept: RFC 3339, "1.5s", base64. */
#include "core/base64.h"
#include "core/number.h"
#include "core/time.h"
#include "schemas/json_scan.h"

#include <math.h>

static void put_escape(unsigned char c, leat_buf *out)
{
    LEAT_ASSERT(c < 0x20 || c == '"' || c == '\\');
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* of 8 to 13; 11 has none */
    char text[6] = {'\\', (char)c, '0', '0', '0', '0'};
    size_t len = 2;
    if (c >= 8 && c <= 13 && letters[c - 8] != '\0') {
        text[1] = letters[c - 8];
    } else if (c < 0x20) {
        text[1] = 'u';
        text[4] = hex[c >> 4];
        text[5] = hex[c & 15];
        len = 6;
    }
    leat_buf_add(out, (leat_str){text, len});
}

static void write_escaped(leat_str text, leat_buf *out)
{
    leat_buf_add_char(out, '"');
    const char *p = text.data, *end = text.data + text.len, *from = p;
    while (p < end) {
        p = leat_json_plain_end(text.data, p, end);
        while (p < end && (signed char)*p < 0) {
            p++;
        }
        if (p == end) break;
        unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        leat_buf_add(out, (leat_str){from, (size_t)(p - from)});
        put_escape(c, out);
        from = ++p;
    }
    if (from < end) leat_buf_add(out, (leat_str){from, (size_t)(end - from)});
    leat_buf_add_char(out, '"');
}

static void write_plain(leat_str text, leat_buf *out)
{
    char *to = leat_buf_reserve(out, text.len + 2);
    if (to == NULL) return;
    to[0] = '"';
    if (text.len > 0) memcpy(to + 1, text.data, text.len);
    to[text.len + 1] = '"';
    out->len += text.len + 2;
}

void leat_json_write_string(leat_str text, leat_buf *out)
{
    if (LEAT_LIKELY(leat_json_is_plain(text))) {
        write_plain(text, out);
    } else {
        write_escaped(text, out);
    }
}

static void put_string(leat_value value, leat_buf *out)
{
    if ((value.flags & LEAT_VALUE_PLAIN) != 0) {
        write_plain(leat_value_str(value), out);
    } else {
        leat_json_write_string(leat_value_str(value), out);
    }
}

void leat_json_put_name(leat_str name, bool comma, leat_buf *out)
{
    if (LEAT_UNLIKELY(!leat_json_is_plain(name))) {
        if (comma) leat_buf_add_char(out, ',');
        write_escaped(name, out);
        leat_buf_add_char(out, ':');
        return;
    }
    char *to = leat_buf_reserve(out, name.len + 4);
    if (to == NULL) return;
    char *start = to;
    *to = ',';
    to += comma;
    *to++ = '"';
    memcpy(to, name.data, name.len);
    to += name.len;
    *to++ = '"';
    *to++ = ':';
    out->len += (size_t)(to - start);
}

static leat_code put_double(double number, leat_buf *out, leat_err *err)
{
    if (!isfinite(number)) {
        return leat_err_set(err, LEAT_ERR_INVALID, "JSON has no form for %s",
                            isnan(number) ? "NaN" : "infinity");
    }
    leat_number_add(out, number);
    return LEAT_OK;
}

static leat_code put_key(leat_value key, leat_buf *out, leat_err *err)
{
    switch ((leat_tag)key.tag) {
    case LEAT_STRING: put_string(key, out); return LEAT_OK;
    case LEAT_BOOL: leat_buf_add_text(out, key.as.b ? "\"true\"" : "\"false\""); return LEAT_OK;
    case LEAT_INT:
        leat_buf_add_char(out, '"');
        leat_buf_add_int(out, key.as.i);
        leat_buf_add_char(out, '"');
        return LEAT_OK;
    case LEAT_UINT:
        leat_buf_add_char(out, '"');
        leat_buf_add_uint(out, key.as.u);
        leat_buf_add_char(out, '"');
        return LEAT_OK;
    case LEAT_MISSING:
    case LEAT_NULL:
    case LEAT_DOUBLE:
    case LEAT_BYTES:
    case LEAT_TIMESTAMP:
    case LEAT_DURATION:
    case LEAT_LIST:
    case LEAT_MAP:
    case LEAT_TYPE:
    case LEAT_OPTIONAL:
    case LEAT_NUMBER:
    case LEAT_JSON:
    case LEAT_OBJECT:
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: break;
    }
    return leat_err_set(err, LEAT_ERR_INVALID, "a %s cannot be a key in JSON",
                        leat_tag_name((leat_tag)key.tag));
}

/* Scalars; false: value is a container. */
static bool put_scalar(leat_value value, leat_buf *out, leat_code *code, leat_err *err)
{
    *code = LEAT_OK;
    switch ((leat_tag)value.tag) {
    case LEAT_MISSING:
    case LEAT_NULL: leat_buf_add_text(out, "null"); return true;
    case LEAT_BOOL: leat_buf_add_text(out, value.as.b ? "true" : "false"); return true;
    case LEAT_INT: leat_buf_add_int(out, value.as.i); return true;
    case LEAT_UINT: leat_buf_add_uint(out, value.as.u); return true;
    case LEAT_DOUBLE: *code = put_double(value.as.d, out, err); return true;
    case LEAT_STRING: put_string(value, out); return true;
    case LEAT_TYPE: leat_json_write_string(leat_value_str(value), out); return true;
    case LEAT_NUMBER:
    case LEAT_JSON: leat_buf_add(out, leat_value_str(value)); return true;
    case LEAT_BYTES:
        leat_buf_add_char(out, '"');
        leat_base64_encode(leat_value_str(value), LEAT_BASE64_STANDARD, out);
        leat_buf_add_char(out, '"');
        return true;
    case LEAT_TIMESTAMP:
        leat_buf_add_char(out, '"');
        leat_time_format(value, out);
        leat_buf_add_char(out, '"');
        return true;
    case LEAT_DURATION:
        leat_buf_add_char(out, '"');
        leat_duration_format(value, out);
        leat_buf_add_char(out, '"');
        return true;
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: LEAT_ASSERT(!"a value that left the evaluator"); break;
    case LEAT_LIST:
    case LEAT_MAP:
    case LEAT_OPTIONAL:
    case LEAT_OBJECT: break;
    }
    return false;
}

typedef struct writing {
    leat_arena *arena;
    leat_buf *out;
    leat_err *err;
} writing;

/* Recursion is bounded by LEAT_JSON_DEPTH_CAP. */
static leat_code put_value(const writing *w, leat_value value, uint32_t depth);

static leat_code put_list(const writing *w, leat_value list, uint32_t depth)
{
    leat_buf_add_char(w->out, '[');
    for (uint32_t i = 0; i < list.len; i++) {
        if (i > 0) leat_buf_add_char(w->out, ',');
        LEAT_TRY(put_value(w, list.as.items[i], depth));
    }
    leat_buf_add_char(w->out, ']');
    return LEAT_OK;
}

static leat_code put_map(const writing *w, leat_value map, uint32_t depth)
{
    leat_buf_add_char(w->out, '{');
    for (uint32_t i = 0; i < map.len; i++) {
        if (i > 0) leat_buf_add_char(w->out, ',');
        LEAT_TRY(put_key(map.as.entries[i].key, w->out, w->err));
        leat_buf_add_char(w->out, ':');
        LEAT_TRY(put_value(w, map.as.entries[i].value, depth));
    }
    leat_buf_add_char(w->out, '}');
    return LEAT_OK;
}

static leat_code put_object(const writing *w, const leat_object *object, uint32_t depth)
{
    LEAT_ASSERT(object != NULL && object->type->whole != NULL);
    leat_value whole;
    LEAT_TRY(object->type->whole(object, w->arena, &whole, w->err));
    return put_value(w, whole, depth);
}

static leat_code put_value(const writing *w, leat_value value, uint32_t depth)
{
    leat_code code;
    if (put_scalar(value, w->out, &code, w->err)) return code;
    if (depth >= LEAT_JSON_DEPTH_CAP) {
        return leat_err_set(w->err, LEAT_ERR_LIMIT, "a value nested deeper than %u levels",
                            LEAT_JSON_DEPTH_CAP);
    }
    if (w->out->overflow) return LEAT_OK; /* the end tells */
    if (value.tag == LEAT_LIST) return put_list(w, value, depth + 1);
    if (value.tag == LEAT_MAP) return put_map(w, value, depth + 1);
    if (value.tag == LEAT_OBJECT) return put_object(w, value.as.object, depth + 1);
    LEAT_ASSERT(value.tag == LEAT_OPTIONAL);
    return put_value(w, value.as.items != NULL ? value.as.items[0] : LEAT_VALUE_NULL, depth + 1);
}

leat_code leat_json_put(leat_value value, leat_arena *arena, leat_buf *out, leat_err *err)
{
    if (LEAT_LIKELY(value.tag == LEAT_STRING)) {
        put_string(value, out);
        return LEAT_OK;
    }
    writing w = {arena, out, err};
    return put_value(&w, value, 0);
}

leat_code leat_json_write(leat_value value, leat_arena *arena, leat_buf *out, leat_err *err)
{
    LEAT_ASSERT(arena != NULL && out != NULL && err != NULL);
    writing w = {arena, out, err};
    size_t before = out->len;
    leat_code code = LEAT_OK;
    err->offset = 0;
    if (LEAT_LIKELY(value.tag == LEAT_STRING))
        put_string(value, out);
    else
        code = put_value(&w, value, 0);
    if (code == LEAT_OK) code = leat_buf_check(out, "the JSON text", err);
    if (code != LEAT_OK) out->len = before;
    return code;
}
