/* SPDX-License-Identifier: Apache-2.0 */
/* A field's default, which a schema writes as JSON, as the bytes that a writer would have put down.
 *
 *   {"type": "record", ...}  {"a": 1, "b": "x"}   ->   02 02 78   ->   decoded like any other
 *
 * So what a default means, logical types and all, is said in one place only: the decoder. JSON has
 * no bytes; the specification writes them as a text whose characters are the bytes (0 to 255). Of a
 * union the first branch that takes the default counts, as Avro 1.12 has it (before, it had to be
 * the very first, which is found by the same search). */
#include "schemas/avro_plan.h"

#define DEPTH_MAX LEAT_AVRO_DEPTH_MAX
#define STEPS_MAX 100000u /* defaults of defaults can double at every level */

typedef struct putting {
    leat_buf *out;
    leat_err *err;
    uint32_t steps;
} putting;

static leat_code put(putting *p, const leat_avro_type *type, const leat_node *json, unsigned depth);

static leat_code wrong(const leat_avro_type *type, const leat_node *json, leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_CONFIG, "line %u, column %u: %s is no value of type %s",
                        json->line, json->column, leat_node_kind_name(json->kind),
                        leat_avro_kind_name(type->kind));
}

static void put_bytes(leat_str bytes, leat_buf *out)
{
    leat_buf_add_varint(out, (int64_t)bytes.len);
    leat_buf_add(out, bytes);
}

/* Characters up to U+00FF as one byte each. Returns their number; SIZE_MAX: others are there. */
static size_t put_latin(leat_str text, leat_buf *out)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++, count++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x80) {
            if (out != NULL) leat_buf_add_char(out, (char)c);
            continue;
        }
        if ((c & 0xfcu) != 0xc0u || i + 1 == text.len) return SIZE_MAX;
        unsigned low = (unsigned char)text.data[++i] & 0x3fu;
        if (out != NULL) leat_buf_add_char(out, (char)(((c & 3u) << 6) | low));
    }
    return count;
}

static void put_number(const leat_avro_type *type, const leat_node *json, leat_buf *out)
{
    float single = (float)json->d;
    size_t size = type->kind == LEAT_AVRO_FLOAT ? sizeof single : sizeof json->d;
    const void *from = type->kind == LEAT_AVRO_FLOAT ? (const void *)&single : &json->d;
    leat_buf_add(out, (leat_str){from, size}); /* little-endian, as Avro and this machine are */
}

static bool put_scalar(const leat_avro_type *type, const leat_node *json, leat_buf *out)
{
    bool number = json->kind == LEAT_NODE_INT || json->kind == LEAT_NODE_DOUBLE;
    bool text = json->kind == LEAT_NODE_STRING, whole = json->kind == LEAT_NODE_INT;
    size_t count;
    switch (type->kind) {
    case LEAT_AVRO_NULL: return json->kind == LEAT_NODE_NULL;
    case LEAT_AVRO_BOOLEAN:
        leat_buf_add_char(out, json->b ? 1 : 0);
        return json->kind == LEAT_NODE_BOOL;
    case LEAT_AVRO_INT:
        if (!whole || json->i < INT32_MIN || json->i > INT32_MAX) return false;
        leat_buf_add_varint(out, json->i);
        return true;
    case LEAT_AVRO_LONG: leat_buf_add_varint(out, json->i); return whole;
    case LEAT_AVRO_FLOAT:
    case LEAT_AVRO_DOUBLE: put_number(type, json, out); return number;
    case LEAT_AVRO_STRING: put_bytes(json->text, out); return text;
    case LEAT_AVRO_BYTES:
    case LEAT_AVRO_FIXED:
        count = text ? put_latin(json->text, NULL) : SIZE_MAX;
        if (count == SIZE_MAX || (type->kind == LEAT_AVRO_FIXED && count != type->size))
            return false;
        if (type->kind == LEAT_AVRO_BYTES) leat_buf_add_varint(out, (int64_t)count);
        (void)put_latin(json->text, out);
        return true;
    case LEAT_AVRO_ENUM:
        for (size_t i = 0; text && i < type->symbols_count; i++) {
            if (!leat_str_equal(type->symbols[i], json->text)) continue;
            leat_buf_add_varint(out, (int64_t)i);
            return true;
        }
        return false;
    case LEAT_AVRO_RECORD:
    case LEAT_AVRO_ARRAY:
    case LEAT_AVRO_MAP:
    case LEAT_AVRO_UNION: break;
    }
    return false;
}

static leat_code put_record(putting *p, const leat_avro_type *type, const leat_node *json,
                            unsigned depth)
{
    if (json->kind != LEAT_NODE_OBJECT) return wrong(type, json, p->err);
    for (size_t i = 0; i < type->fields_count; i++) {
        const leat_avro_field *field = &type->fields[i];
        const leat_node *member = json->child;
        while (member != NULL && !leat_str_equal(member->key, field->name))
            member = member->next;
        if (member == NULL) member = field->fallback;
        if (member == NULL)
            return leat_err_set(p->err, LEAT_ERR_CONFIG, "line %u, column %u: '%.*s' is missing",
                                json->line, json->column, LEAT_STR_ARG(field->name));
        LEAT_TRY(put(p, field->type, member, depth));
    }
    return LEAT_OK;
}

static leat_code put_items(putting *p, const leat_avro_type *type, const leat_node *json,
                           unsigned depth)
{
    bool map = type->kind == LEAT_AVRO_MAP;
    int64_t count = 0;
    if (json->kind != (map ? LEAT_NODE_OBJECT : LEAT_NODE_LIST)) return wrong(type, json, p->err);
    for (const leat_node *child = json->child; child != NULL; child = child->next)
        count++;
    if (count > 0) leat_buf_add_varint(p->out, count);
    for (const leat_node *child = json->child; child != NULL; child = child->next) {
        if (map) put_bytes(child->key, p->out);
        LEAT_TRY(put(p, type->items, child, depth));
    }
    leat_buf_add_varint(p->out, 0);
    return LEAT_OK;
}

static leat_code put_union(putting *p, const leat_avro_type *type, const leat_node *json,
                           unsigned depth)
{
    size_t before = p->out->len;
    for (size_t i = 0; i < type->branches_count; i++) {
        leat_buf_add_varint(p->out, (int64_t)i);
        if (put(p, type->branches[i], json, depth) == LEAT_OK) return LEAT_OK;
        if (leat_code_blame(p->err->code) != LEAT_BLAME_CONFIG) return p->err->code;
        p->out->len = before;
    }
    return wrong(type, json, p->err);
}

static leat_code put(putting *p, const leat_avro_type *type, const leat_node *json, unsigned depth)
{
    /* A default that asks for itself has no end; nor need one be so large. */
    if (depth >= DEPTH_MAX || p->out->overflow || ++p->steps > STEPS_MAX)
        return leat_err_set(p->err, LEAT_ERR_LIMIT, "line %u, column %u: too deep or too large",
                            json->line, json->column);
    if (type->kind == LEAT_AVRO_RECORD) return put_record(p, type, json, depth + 1);
    if (type->kind == LEAT_AVRO_UNION) return put_union(p, type, json, depth + 1);
    if (type->kind == LEAT_AVRO_ARRAY || type->kind == LEAT_AVRO_MAP)
        return put_items(p, type, json, depth + 1);
    return put_scalar(type, json, p->out) ? LEAT_OK : wrong(type, json, p->err);
}

leat_code avro_default_bytes(const leat_avro_type *type, const leat_node *json, leat_buf *out,
                             leat_err *err)
{
    LEAT_ASSERT(type != NULL && json != NULL);
    putting p = {.out = out, .err = err};
    return put(&p, type, json, 0);
}
