/* SPDX-License-Identifier: Apache-2.0 */
/* Avro beside the reference implementation in C (avro-c): random records of a schema with every
 * type are encoded, read by avro-c, written by it again, and must be the same bytes; what is
 * decoded from them must be the value that went in. So neither side can agree with its own mistakes
 * alone.
 *
 * Logical types are left out: avro-c knows none. What is refused is shown in test_avro.c. */
#include <avro.h>
#include <criterion/criterion.h>

#include "schemas/codec_avro.h"
#include "tests/unit/leak.h"

LEAT_SUITE(avro_reference);

#define BYTES_MAX (1u << 20)
#define ROUNDS    2000
#define ITEMS_MAX 4

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"All\",\"namespace\":\"shop\",\"fields\":["
    "{\"name\":\"nothing\",\"type\":\"null\"},"
    "{\"name\":\"flag\",\"type\":\"boolean\"},"
    "{\"name\":\"small\",\"type\":\"int\"},"
    "{\"name\":\"large\",\"type\":\"long\"},"
    "{\"name\":\"coarse\",\"type\":\"float\"},"
    "{\"name\":\"fine\",\"type\":\"double\"},"
    "{\"name\":\"text\",\"type\":\"string\"},"
    "{\"name\":\"raw\",\"type\":\"bytes\"},"
    "{\"name\":\"hash\",\"type\":{\"type\":\"fixed\",\"name\":\"Hash\",\"size\":5}},"
    "{\"name\":\"suit\",\"type\":{\"type\":\"enum\",\"name\":\"Suit\",\"symbols\":[\"HEARTS\","
    "\"SPADES\",\"CLUBS\"]}},"
    "{\"name\":\"numbers\",\"type\":{\"type\":\"array\",\"items\":\"long\"}},"
    "{\"name\":\"lists\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":"
    "\"string\"}}},"
    "{\"name\":\"prices\",\"type\":{\"type\":\"map\",\"values\":\"double\"}},"
    "{\"name\":\"maybe\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"either\",\"type\":[\"boolean\",\"long\",\"double\",\"string\",\"null\"]},"
    "{\"name\":\"tree\",\"type\":{\"type\":\"record\",\"name\":\"Node\",\"fields\":["
    "{\"name\":\"value\",\"type\":\"int\"},"
    "{\"name\":\"suit\",\"type\":\"Suit\"},"
    "{\"name\":\"below\",\"type\":{\"type\":\"array\",\"items\":\"Node\"}}]}},"
    "{\"name\":\"other\",\"type\":[\"null\",\"Node\"]}]}";

/* --- random values of a type ------------------------------------------------------------------ */

typedef struct maker {
    leat_arena *arena;
    uint64_t state;
} maker;

static uint64_t draw(maker *m, uint64_t below)
{
    m->state = m->state * 6364136223846793005u + 1442695040888963407u;
    return (m->state >> 33) % below;
}

static int64_t draw_whole(maker *m, uint32_t bits_max)
{
    uint64_t wide = draw(m, UINT32_MAX) << 32 | draw(m, UINT32_MAX);
    uint32_t bits = 1 + (uint32_t)draw(m, bits_max);
    int64_t number = (int64_t)(wide >> (64 - bits));
    return draw(m, 2) == 0 ? number : -number;
}

static leat_value draw_text(maker *m, leat_tag tag, size_t len)
{
    static const char letters[] = "abc 019_-";
    char *text = leat_arena_alloc(m->arena, len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = tag == LEAT_BYTES ? (char)draw(m, 256) : letters[draw(m, sizeof letters - 1)];
    return leat_value_text(tag, (leat_str){text, len});
}

static leat_value draw_value(maker *m, const leat_avro_type *type, uint32_t depth);

static leat_value draw_list(maker *m, const leat_avro_type *type, uint32_t depth)
{
    size_t count = depth > 4 ? 0 : draw(m, ITEMS_MAX);
    leat_value *items = leat_arena_array(m->arena, count + 1, sizeof *items);
    for (size_t i = 0; i < count; i++)
        items[i] = draw_value(m, type->items, depth + 1);
    return leat_value_list(items, count);
}

static leat_value draw_map(maker *m, const leat_avro_type *type, uint32_t depth)
{
    size_t count = type->kind == LEAT_AVRO_RECORD ? type->fields_count : draw(m, ITEMS_MAX);
    leat_entry *entries = leat_arena_array(m->arena, count + 1, sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        bool record = type->kind == LEAT_AVRO_RECORD;
        leat_str name = record ? type->fields[i].name : leat_arena_print(m->arena, "key%zu", i);
        entries[i].key = leat_value_string(name);
        entries[i].value = draw_value(m, record ? type->fields[i].type : type->items, depth + 1);
    }
    return leat_value_map(entries, count);
}

static leat_value draw_value(maker *m, const leat_avro_type *type, uint32_t depth)
{
    switch (type->kind) {
    case LEAT_AVRO_NULL: return LEAT_VALUE_NULL;
    case LEAT_AVRO_BOOLEAN: return leat_value_bool(draw(m, 2) == 1);
    case LEAT_AVRO_INT: return leat_value_int(draw_whole(m, 31));
    case LEAT_AVRO_LONG: return leat_value_int(draw_whole(m, 63));
    case LEAT_AVRO_FLOAT: return leat_value_double((double)draw_whole(m, 20) / 8 + 0.0625);
    case LEAT_AVRO_DOUBLE: return leat_value_double((double)draw_whole(m, 40) / 1024 + 0.5 / 1024);
    case LEAT_AVRO_BYTES: return draw_text(m, LEAT_BYTES, draw(m, 300));
    case LEAT_AVRO_STRING: return draw_text(m, LEAT_STRING, draw(m, 100));
    case LEAT_AVRO_FIXED: return draw_text(m, LEAT_BYTES, type->size);
    case LEAT_AVRO_ENUM: return leat_value_string(type->symbols[draw(m, type->symbols_count)]);
    case LEAT_AVRO_ARRAY: return draw_list(m, type, depth);
    case LEAT_AVRO_MAP:
    case LEAT_AVRO_RECORD: return draw_map(m, type, depth);
    case LEAT_AVRO_UNION:
        return draw_value(m, type->branches[draw(m, type->branches_count)], depth);
    }
    cr_assert_fail("no such type");
    return LEAT_VALUE_NULL;
}

/* --- the reference ---------------------------------------------------------------------------- */

/* The bytes, read by avro-c and written by it again. */
static leat_str rewritten(avro_schema_t schema, leat_str bytes, leat_arena *arena)
{
    avro_value_iface_t *class = avro_generic_class_from_schema(schema);
    avro_value_t value;
    avro_reader_t reader = avro_reader_memory(bytes.data, (int64_t)bytes.len);
    char *out = leat_arena_alloc(arena, BYTES_MAX);
    avro_writer_t writer = avro_writer_memory(out, BYTES_MAX);
    cr_assert_eq(avro_generic_value_new(class, &value), 0);
    cr_assert_eq(avro_value_read(reader, &value), 0, "avro-c: %s", avro_strerror());
    cr_assert_eq(avro_value_write(writer, &value), 0, "avro-c: %s", avro_strerror());
    leat_str written = {out, (size_t)avro_writer_tell(writer)};
    avro_writer_free(writer);
    avro_reader_free(reader);
    avro_value_decref(&value);
    avro_value_iface_decref(class);
    return written;
}

Test(avro_reference, agrees_on_random_records)
{
    leat_err err;
    leat_arena *arena = NULL, *kept = NULL;
    leat_avro_plan *plan = NULL;
    const leat_avro_schema *schema = NULL;
    avro_schema_t theirs;
    leat_buf out;
    cr_assert_eq(leat_arena_new(&arena, (size_t)64 << 20, &err), LEAT_OK);
    cr_assert_eq(leat_arena_new(&kept, (size_t)64 << 20, &err), LEAT_OK);
    cr_assert_eq(leat_avro_schema_parse(leat_str_of(schema_text), kept, &schema, &err), LEAT_OK,
                 "%s", err.text);
    cr_assert_eq(leat_avro_plan_new(schema, NULL, NULL, 0, BYTES_MAX, kept, &plan, &err), LEAT_OK,
                 "%s", err.text);
    cr_assert_eq(avro_schema_from_json_length(schema_text, sizeof schema_text - 1, &theirs), 0,
                 "avro-c: %s", avro_strerror());
    leat_buf_init(&out, BYTES_MAX);
    maker m = {arena, 1};
    for (size_t round = 0; round < ROUNDS; round++) {
        leat_arena_reset(arena);
        leat_buf_reset(&out);
        leat_value value = draw_value(&m, schema->root, 0), back;
        leat_value values[32];
        cr_assert(value.tag == LEAT_MAP && value.len <= 32);
        for (size_t i = 0; i < value.len; i++)
            values[i] = value.as.entries[i].value;
        cr_assert_eq(leat_avro_encode(schema, values, arena, &out, &err), LEAT_OK, "%s", err.text);
        leat_str bytes = leat_buf_str(&out);
        leat_str again = rewritten(theirs, bytes, arena);
        cr_assert(leat_str_equal(bytes, again), "round %zu: other bytes", round);
        size_t used = 0;
        cr_assert_eq(leat_avro_value(plan, again, arena, &back, &used, &err), LEAT_OK, "%s",
                     err.text);
        cr_assert_eq(used, again.len);
        cr_assert(leat_value_same(value, back), "round %zu: another value", round);
    }
    leat_buf_release(&out);
    avro_schema_decref(theirs);
    leat_arena_free(&arena);
    leat_arena_free(&kept);
}
