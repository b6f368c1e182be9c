/* SPDX-License-Identifier: Apache-2.0 */
/* The encoder: from values to bytes, as a schema asks.
 *
 *   {order: record {id: string, n: union null int}}    values "o-1", 42
 *   06 6f 2d 31 | 02 54
 *   string      | branch 1, int
 *
 * What comes is what expressions make or another format had, so a type takes whatever stands for it
 * without loss: an integer for a double that can hold it, a text for a timestamp, base64 for bytes.
 * What would lose something is refused, with the field's path and what was expected.
 *
 * Of a union the branch is chosen by looking at the value's outside only (`fit`): trying each in
 * turn would take a time exponential in the nesting. A JSON text is parsed when it is met.
 *
 * An error leaves half a record behind; whoever called cuts it off. */
#include <float.h>
#include <math.h>

#include "core/base64.h"
#include "schemas/avro_plan.h"
#include "schemas/codec_json.h"

typedef struct encoding {
    leat_arena *arena;
    leat_buf *out;
    leat_err *err;
    avro_path path;
} encoding;

static const leat_json_limits inner_limits = {LEAT_AVRO_NESTING_MAX, UINT32_MAX};

static leat_code put(encoding *e, const leat_avro_type *type, leat_value value, unsigned depth);

static leat_code wrong(const encoding *e, const leat_avro_type *type, leat_value value)
{
    leat_str wanted = leat_avro_type_text(type, e->arena);
    if (value.tag == LEAT_MISSING)
        return leat_err_set(e->err, LEAT_ERR_NO_FIELD, "there is no value; expected %.*s",
                            LEAT_STR_ARG(wanted));
    return leat_err_set(e->err, LEAT_ERR_TYPE, "expected %.*s, not %s", LEAT_STR_ARG(wanted),
                        leat_tag_name((leat_tag)value.tag));
}

/* --- scalars ---------------------------------------------------------------------------------- */

static void put_span(const encoding *e, leat_str bytes)
{
    leat_buf_add_varint(e->out, (int64_t)bytes.len);
    leat_buf_add(e->out, bytes);
}

static bool whole_of(leat_value value, int64_t *number)
{
    if (value.tag == LEAT_UINT) {
        *number = (int64_t)value.as.u;
        return value.as.u <= INT64_MAX;
    }
    if (value.tag == LEAT_DOUBLE) {
        bool fits = value.as.d >= -0x1p63 && value.as.d < 0x1p63;
        *number = fits ? (int64_t)value.as.d : 0;
        return fits && (double)*number == value.as.d;
    }
    *number = value.as.i;
    return value.tag == LEAT_INT;
}

/* NUMBER as INT or DOUBLE, if it can be one. */
static leat_value computed(leat_value value)
{
    leat_value number;
    leat_err ignored;
    bool text = value.tag == LEAT_NUMBER;
    return text && leat_json_number(leat_value_str(value), &number, &ignored) == LEAT_OK ? number
                                                                                         : value;
}

static leat_code put_whole(const encoding *e, const leat_avro_type *type, leat_value value)
{
    int64_t number;
    value = computed(value);
    if (!whole_of(value, &number)) {
        if (value.tag != LEAT_DOUBLE && value.tag != LEAT_UINT) return wrong(e, type, value);
        return leat_err_set(e->err, LEAT_ERR_RANGE, "expected %s, but the number is no such one",
                            leat_avro_kind_name(type->kind));
    }
    if (type->kind == LEAT_AVRO_INT && (number < INT32_MIN || number > INT32_MAX))
        return leat_err_set(e->err, LEAT_ERR_RANGE, "%lld does not fit into an int",
                            (long long)number);
    leat_buf_add_varint(e->out, number);
    return LEAT_OK;
}

static leat_code put_real(const encoding *e, const leat_avro_type *type, leat_value value)
{
    double number = 0;
    int64_t whole = 0;
    value = computed(value);
    if (value.tag == LEAT_DOUBLE) {
        number = value.as.d;
    } else if (whole_of(value, &whole)) {
        number = (double)whole;
        if (number >= 0x1p63 || (int64_t)number != whole)
            return leat_err_set(e->err, LEAT_ERR_RANGE, "a double cannot hold %lld exactly",
                                (long long)whole);
    } else {
        return wrong(e, type, value);
    }
    float single = (float)number; /* rounded: that is what a float is for */
    if (type->kind == LEAT_AVRO_DOUBLE) {
        leat_buf_add(e->out, (leat_str){(const char *)&number, sizeof number});
        return LEAT_OK;
    }
    if (isfinite(number) && fabs(number) > (double)FLT_MAX)
        return leat_err_set(e->err, LEAT_ERR_RANGE, "%g does not fit into a float", number);
    leat_buf_add(e->out, (leat_str){(const char *)&single, sizeof single});
    return LEAT_OK;
}

/* Bytes, or a text in base64, as JSON has them. */
static leat_code put_bytes(const encoding *e, const leat_avro_type *type, leat_value value)
{
    leat_str bytes = leat_value_str(value);
    leat_buf decoded;
    leat_code code = LEAT_OK;
    if (value.tag != LEAT_BYTES && value.tag != LEAT_STRING) return wrong(e, type, value);
    leat_buf_init(&decoded, e->out->max);
    if (value.tag == LEAT_STRING) {
        code = leat_base64_decode(bytes, LEAT_BASE64_STANDARD, &decoded, e->err);
        bytes = leat_buf_str(&decoded);
        if (code != LEAT_OK) (void)leat_err_prefix(e->err, "expected bytes, or base64 of them");
    }
    if (code == LEAT_OK && type->kind == LEAT_AVRO_FIXED && bytes.len != type->size)
        code = leat_err_set(e->err, LEAT_ERR_RANGE, "expected %u bytes, not %zu", type->size,
                            bytes.len);
    if (code == LEAT_OK && type->kind == LEAT_AVRO_BYTES)
        put_span(e, bytes);
    else if (code == LEAT_OK)
        leat_buf_add(e->out, bytes);
    leat_buf_release(&decoded);
    return code;
}

static bool symbol_of(const leat_avro_type *type, leat_value value, size_t *index)
{
    for (*index = 0; value.tag == LEAT_STRING && *index < type->symbols_count; ++*index)
        if (leat_str_equal(type->symbols[*index], leat_value_str(value))) return true;
    return false;
}

static leat_code put_symbol(const encoding *e, const leat_avro_type *type, leat_value value)
{
    size_t index;
    if (value.tag != LEAT_STRING) return wrong(e, type, value);
    if (symbol_of(type, value, &index)) {
        leat_buf_add_varint(e->out, (int64_t)index);
        return LEAT_OK;
    }
    leat_str text = leat_value_str(value);
    return leat_err_set(e->err, LEAT_ERR_RANGE, "'%.*s' is no symbol of enum %.*s",
                        text.len > 64 ? 64 : (int)text.len, text.data, LEAT_STR_ARG(type->name));
}

/* --- choosing a branch ------------------------------------------------------------------------ */

enum { FIT_NOT, FIT_FAR, FIT_NEAR, FIT_OWN };

static const leat_value *member_of(leat_value map, leat_str name, size_t hint)
{
    for (size_t i = 0; i < map.len; i++) {
        const leat_entry *entry = &map.as.entries[(hint + i) % map.len];
        if (entry->key.tag == LEAT_STRING && leat_str_equal(leat_value_str(entry->key), name))
            return &entry->value;
    }
    return NULL;
}

static int fit_map(const leat_avro_type *type, leat_value map)
{
    if (type->kind == LEAT_AVRO_MAP) return FIT_NEAR;
    if (type->logical == LEAT_AVRO_DURATION) return FIT_FAR;
    if (type->kind != LEAT_AVRO_RECORD) return FIT_NOT;
    size_t found = 0;
    for (size_t i = 0; i < type->fields_count; i++) {
        bool null;
        const leat_avro_field *field = &type->fields[i];
        (void)leat_avro_present(field->type, &null);
        bool there = member_of(map, field->name, i) != NULL;
        if (!there && field->fallback == NULL && !null) return FIT_NOT;
        found += there;
    }
    return found == map.len ? FIT_OWN : FIT_FAR;
}

static int fit_whole(const leat_avro_type *type, leat_value value)
{
    int64_t number;
    if (!whole_of(value, &number)) number = INT64_MAX; /* a uint beyond */
    bool in_int = number >= INT32_MIN && number <= INT32_MAX;
    if (type->kind == LEAT_AVRO_DOUBLE || type->kind == LEAT_AVRO_FLOAT)
        return type->kind == LEAT_AVRO_DOUBLE ? FIT_NEAR : FIT_FAR;
    if (type->logical == LEAT_AVRO_DECIMAL) return FIT_NEAR;
    if (type->kind == LEAT_AVRO_LONG || (type->kind == LEAT_AVRO_INT && in_int))
        return type->logical == LEAT_AVRO_PLAIN ? FIT_OWN : FIT_FAR;
    return FIT_NOT;
}

static int fit_double(const leat_avro_type *type, leat_value value)
{
    int64_t number;
    if (type->kind == LEAT_AVRO_DOUBLE) return FIT_OWN;
    if (type->kind == LEAT_AVRO_FLOAT) return FIT_NEAR;
    if (type->logical == LEAT_AVRO_DECIMAL) return value.tag == LEAT_NUMBER ? FIT_OWN : FIT_FAR;
    value = computed(value);
    bool whole = value.tag == LEAT_INT || whole_of(value, &number);
    return whole && fit_whole(type, value) == FIT_OWN ? FIT_FAR : FIT_NOT;
}

static int fit_text(const leat_avro_type *type, leat_value value)
{
    size_t index;
    if (type->kind == LEAT_AVRO_STRING)
        return type->logical == LEAT_AVRO_PLAIN ? FIT_OWN : FIT_NEAR;
    if (type->kind == LEAT_AVRO_ENUM) return symbol_of(type, value, &index) ? FIT_OWN : FIT_NOT;
    bool bytes = type->kind == LEAT_AVRO_BYTES || type->kind == LEAT_AVRO_FIXED;
    return bytes || type->logical != LEAT_AVRO_PLAIN ? FIT_FAR : FIT_NOT;
}

static int fit_time(const leat_avro_type *type, bool of_day)
{
    bool time = type->logical == LEAT_AVRO_TIME_MILLIS || type->logical == LEAT_AVRO_TIME_MICROS;
    bool point = type->logical == LEAT_AVRO_TIMESTAMP_MILLIS ||
                 type->logical == LEAT_AVRO_TIMESTAMP_MICROS ||
                 type->logical == LEAT_AVRO_TIMESTAMP_NANOS;
    if (of_day) return time ? FIT_OWN : FIT_NOT;
    return point ? FIT_OWN : type->logical == LEAT_AVRO_DATE ? FIT_FAR : FIT_NOT;
}

/* How well a value stands for a type, as far as can be seen from outside. */
static int fit(const leat_avro_type *type, leat_value value)
{
    bool bytes =
        type->kind == LEAT_AVRO_BYTES || (type->kind == LEAT_AVRO_FIXED && type->size == value.len);
    switch ((leat_tag)value.tag) {
    case LEAT_MISSING:
    case LEAT_NULL: return type->kind == LEAT_AVRO_NULL ? FIT_OWN : FIT_NOT;
    case LEAT_BOOL: return type->kind == LEAT_AVRO_BOOLEAN ? FIT_OWN : FIT_NOT;
    case LEAT_INT:
    case LEAT_UINT: return fit_whole(type, value);
    case LEAT_DOUBLE:
    case LEAT_NUMBER: return fit_double(type, value);
    case LEAT_STRING: return fit_text(type, value);
    case LEAT_BYTES: return bytes && type->logical == LEAT_AVRO_PLAIN ? FIT_OWN : FIT_NOT;
    case LEAT_TIMESTAMP: return fit_time(type, false);
    case LEAT_DURATION: return fit_time(type, true);
    case LEAT_LIST: return type->kind == LEAT_AVRO_ARRAY ? FIT_OWN : FIT_NOT;
    case LEAT_MAP: return fit_map(type, value);
    case LEAT_TYPE:
    case LEAT_OPTIONAL:
    case LEAT_JSON:
    case LEAT_OBJECT:
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: break;
    }
    return FIT_NOT;
}

static leat_code put_union(encoding *e, const leat_avro_type *type, leat_value value,
                           unsigned depth)
{
    int best = FIT_NOT;
    size_t chosen = 0;
    for (size_t i = 0; i < type->branches_count; i++) {
        int now = fit(type->branches[i], value);
        if (now > best) chosen = i;
        if (now > best) best = now;
    }
    if (best == FIT_NOT) {
        bool null;
        const leat_avro_type *only = leat_avro_present(type, &null);
        if (only->kind != LEAT_AVRO_UNION || value.tag == LEAT_MISSING)
            return wrong(e, only, value);
        return leat_err_set(e->err, LEAT_ERR_TYPE, "the union has no branch for a value of type %s",
                            leat_tag_name((leat_tag)value.tag));
    }
    LEAT_ASSERT(chosen < type->branches_count);
    leat_buf_add_varint(e->out, (int64_t)chosen);
    return put(e, type->branches[chosen], value, depth + 1);
}

/* --- composites ------------------------------------------------------------------------------- */

/* A field that has no value. */
static leat_code put_absent(encoding *e, const leat_avro_field *field)
{
    if (field->fallback != NULL)
        return avro_default_bytes(field->type, field->fallback, e->out, e->err);
    return put(e, field->type, LEAT_VALUE_MISSING, 0);
}

static leat_code put_field(encoding *e, const leat_avro_field *field, const leat_value *value,
                           unsigned depth)
{
    leat_code code = value == NULL || value->tag == LEAT_MISSING
                         ? put_absent(e, field)
                         : put(e, field->type, *value, depth);
    if (LEAT_UNLIKELY(code != LEAT_OK)) avro_path_field(&e->path, field->name);
    return code;
}

static leat_code put_items(encoding *e, const leat_avro_type *type, leat_value list, unsigned depth)
{
    if (list.tag != LEAT_LIST) return wrong(e, type, list);
    if (list.len > 0) leat_buf_add_varint(e->out, (int64_t)list.len);
    for (uint32_t i = 0; i < list.len; i++) {
        leat_code code = put(e, type->items, list.as.items[i], depth + 1);
        if (code != LEAT_OK) avro_path_item(&e->path, i);
        LEAT_TRY(code);
    }
    leat_buf_add_varint(e->out, 0);
    return LEAT_OK;
}

static leat_code put_map(encoding *e, const leat_avro_type *type, leat_value map, unsigned depth)
{
    if (map.tag != LEAT_MAP) return wrong(e, type, map);
    if (map.len > 0) leat_buf_add_varint(e->out, (int64_t)map.len);
    for (uint32_t i = 0; i < map.len; i++) {
        const leat_entry *entry = &map.as.entries[i];
        if (entry->key.tag != LEAT_STRING)
            return leat_err_set(e->err, LEAT_ERR_TYPE, "a map's keys are strings, not %s",
                                leat_tag_name((leat_tag)entry->key.tag));
        put_span(e, leat_value_str(entry->key));
        leat_code code = put(e, type->items, entry->value, depth + 1);
        if (code != LEAT_OK) avro_path_field(&e->path, leat_value_str(entry->key));
        LEAT_TRY(code);
    }
    leat_buf_add_varint(e->out, 0);
    return LEAT_OK;
}

static leat_code put_record(encoding *e, const leat_avro_type *type, leat_value map, unsigned depth)
{
    if (map.tag != LEAT_MAP) return wrong(e, type, map);
    for (size_t i = 0; i < type->fields_count; i++)
        LEAT_TRY(
            put_field(e, &type->fields[i], member_of(map, type->fields[i].name, i), depth + 1));
    return LEAT_OK;
}

/* What stands for another value, as that value. */
static leat_code open_value(const encoding *e, leat_value *value)
{
    if (value->tag == LEAT_OPTIONAL)
        *value = value->as.items != NULL ? value->as.items[0] : LEAT_VALUE_NULL;
    if (value->tag == LEAT_OBJECT)
        LEAT_TRY(value->as.object->type->whole(value->as.object, e->arena, value, e->err));
    if (value->tag == LEAT_JSON)
        return leat_json_value(leat_value_str(*value), inner_limits, e->arena, value, e->err);
    return LEAT_OK;
}

static leat_code put_scalar(const encoding *e, const leat_avro_type *type, leat_value value)
{
    if (type->logical != LEAT_AVRO_PLAIN)
        LEAT_TRY(avro_logical_plain(type, e->arena, &value, e->err));
    switch (type->kind) {
    case LEAT_AVRO_NULL:
        return value.tag == LEAT_NULL || value.tag == LEAT_MISSING ? LEAT_OK
                                                                   : wrong(e, type, value);
    case LEAT_AVRO_BOOLEAN:
        if (value.tag != LEAT_BOOL) return wrong(e, type, value);
        leat_buf_add_char(e->out, value.as.b ? 1 : 0);
        return LEAT_OK;
    case LEAT_AVRO_INT:
    case LEAT_AVRO_LONG: return put_whole(e, type, value);
    case LEAT_AVRO_FLOAT:
    case LEAT_AVRO_DOUBLE: return put_real(e, type, value);
    case LEAT_AVRO_STRING:
        if (value.tag != LEAT_STRING) return wrong(e, type, value);
        put_span(e, leat_value_str(value));
        return LEAT_OK;
    case LEAT_AVRO_BYTES:
    case LEAT_AVRO_FIXED: return put_bytes(e, type, value);
    case LEAT_AVRO_ENUM: return put_symbol(e, type, value);
    case LEAT_AVRO_RECORD:
    case LEAT_AVRO_ARRAY:
    case LEAT_AVRO_MAP:
    case LEAT_AVRO_UNION: break;
    }
    LEAT_ASSERT(!"a composite is written elsewhere");
    return LEAT_ERR_INTERNAL;
}

/* Recursion: bounded by LEAT_AVRO_NESTING_MAX. */
static leat_code put(encoding *e, const leat_avro_type *type, leat_value value, unsigned depth)
{
    if (LEAT_UNLIKELY(depth > LEAT_AVRO_NESTING_MAX))
        return leat_err_set(e->err, LEAT_ERR_LIMIT, "nested deeper than %u levels",
                            LEAT_AVRO_NESTING_MAX);
    if (value.tag == LEAT_JSON || value.tag == LEAT_OPTIONAL || value.tag == LEAT_OBJECT)
        LEAT_TRY(open_value(e, &value));
    if (type->kind == LEAT_AVRO_UNION) return put_union(e, type, value, depth);
    if (type->kind == LEAT_AVRO_RECORD) return put_record(e, type, value, depth);
    if (type->kind == LEAT_AVRO_ARRAY) return put_items(e, type, value, depth);
    if (type->kind == LEAT_AVRO_MAP) return put_map(e, type, value, depth);
    return put_scalar(e, type, value);
}

/* The end of it: nothing is left of a failure but its words. */
static leat_code finish(const encoding *e, size_t before, leat_code code)
{
    if (code == LEAT_OK) code = leat_buf_check(e->out, "the record in Avro", e->err);
    if (LEAT_LIKELY(code == LEAT_OK)) return LEAT_OK;
    e->out->len = before;
    avro_path_tell(&e->path, e->err);
    (void)leat_err_prefix(e->err, "Avro");
    return code;
}

leat_code leat_avro_encode_value(const leat_avro_type *type, leat_value value, leat_str name,
                                 leat_arena *arena, leat_buf *out, leat_err *err)
{
    LEAT_ASSERT(type != NULL && arena != NULL);
    encoding e = {.arena = arena, .out = out, .err = err};
    size_t before = out->len;
    avro_path_init(&e.path);
    leat_code code = put(&e, type, value, 0);
    if (code != LEAT_OK) avro_path_field(&e.path, name);
    return finish(&e, before, code);
}

leat_code leat_avro_encode(const leat_avro_schema *schema, const leat_value *values,
                           leat_arena *arena, leat_buf *out, leat_err *err)
{
    const leat_avro_type *root = schema->root;
    LEAT_ASSERT(root->kind == LEAT_AVRO_RECORD && arena != NULL);
    encoding e = {.arena = arena, .out = out, .err = err};
    size_t before = out->len;
    leat_code code = LEAT_OK;
    avro_path_init(&e.path);
    for (size_t i = 0; i < root->fields_count && code == LEAT_OK; i++)
        code = put_field(&e, &root->fields[i], &values[i], 0);
    return finish(&e, before, code);
}
