/* SPDX-License-Identifier: Apache-2.0 */
/* Avro: records, schemas and container files that nobody vouches for.
 *
 * The first byte says what follows:
 *   n < 64   a record, written with schema n of the list below (modulo their number)
 *   's'      a schema's text; a record of zeros is read under it
 *   'c'      a container file
 *
 * Of a record not only itself is read, but, if it is short, each of its beginnings, and itself with
 * each of its bits flipped. Whatever comes must end in a value or an error that names a byte; slots
 * and the whole record must agree; what was read and is written again must be read as the same. */
#include <stdlib.h>

#include "schemas/avro_container.h"
#include "schemas/codec_avro.h"
#include "schemas/codec_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* There when libFuzzer drives, which damages inputs itself. */
__attribute__((weak)) int LLVMFuzzerRunDriver(int *count, char ***arguments,
                                              int (*run)(const uint8_t *data, size_t size));

#define MUST(what)   LEAT_ASSERT(what)
#define BYTES_MAX    ((size_t)1 << 20)
#define DAMAGED_MAX  400u /* bytes of a record that is damaged in all ways */
#define UNPACKED_MAX ((size_t)4 << 20)
#define ARENA_MAX    ((size_t)256 << 20)
#define SLOTS        4u

#define RECORD(fields)           "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define FIELD(name, type)        "{\"name\":\"" name "\",\"type\":" type "}"
#define GIVEN(name, type, value) "{\"name\":\"" name "\",\"type\":" type ",\"default\":" value "}"
#define LOGICAL(type, name)      "{\"type\":\"" type "\",\"logicalType\":\"" name "\"}"

#define ARRAY(items)  "{\"type\":\"array\",\"items\":" items "}"
#define MAP(values)   "{\"type\":\"map\",\"values\":" values "}"
#define ENUM(symbols) "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[" symbols "]}"
#define DURATION      "{\"type\":\"fixed\",\"name\":\"F\",\"size\":12,\"logicalType\":\"duration\"}"
#define INNER         "{\"type\":\"record\",\"name\":\"S\",\"fields\":["
#define ABC           ENUM("\"A\",\"B\",\"C\"")

#define DECIMAL "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":30,\"scale\":5}"

/* clang-format off */
/* Written with, read as (NULL: the same). */
static const struct {
    const char *writer, *reader;
} schemas[] = {
    {RECORD(FIELD("a", "\"int\"") "," FIELD("b", "\"string\"") ","
            FIELD("c", "\"double\"")), NULL},
    {RECORD(FIELD("a", "[\"null\",\"string\",\"long\"]") ","
            FIELD("b", ARRAY("[\"null\",\"string\"]"))), NULL},
    {RECORD(FIELD("a", MAP(ARRAY("\"int\""))) ","
            FIELD("b", INNER FIELD("c", "\"bytes\"") "," FIELD("d", "\"boolean\"") "]}")), NULL},
    {RECORD(FIELD("a", DECIMAL) "," FIELD("b", LOGICAL("long", "timestamp-millis")) ","
            FIELD("c", LOGICAL("int", "date")) ","
            FIELD("d", LOGICAL("int", "time-millis"))), NULL},
    {RECORD(FIELD("a", ABC) "," FIELD("b", DURATION) ","
            FIELD("c", LOGICAL("string", "uuid"))), NULL},
    {RECORD(FIELD("a", "[\"null\",\"R\"]") "," FIELD("b", ARRAY("\"R\""))), NULL},
    {RECORD(FIELD("a", ARRAY("\"null\"")) "," FIELD("b", "\"float\"")), NULL},
    {RECORD(FIELD("a", "\"int\"") "," FIELD("b", "[\"string\",\"bytes\",\"int\"]") ","
            FIELD("old", "\"long\"")),
     RECORD(GIVEN("d", MAP("\"int\""), "{\"k\":1}") "," FIELD("b", "[\"string\",\"double\"]") ","
            FIELD("a", "\"double\"") "," GIVEN("c", "[\"null\",\"R\"]", "null"))},
    {RECORD(FIELD("a", ABC) "," FIELD("b", ARRAY("\"int\""))),
     RECORD(FIELD("b", ARRAY("\"float\"")) "," FIELD("a", ENUM("\"B\",\"Z\"")))},
    {RECORD(FIELD("a", LOGICAL("long", "timestamp-micros")) ","
            FIELD("b", LOGICAL("long", "timestamp-nanos")) ","
            FIELD("c", LOGICAL("long", "time-micros"))), NULL},
};
/* clang-format on */
#define SCHEMAS (sizeof schemas / sizeof schemas[0])

typedef struct pair {
    const leat_avro_schema *writer, *reader;
    leat_avro_plan *slots, *whole;
} pair;

static leat_arena *kept; /* schemas and plans, for all inputs */
static pair pairs[SCHEMAS];
static const char *const names[SLOTS] = {"a", "b", "c", "d"};

static const leat_avro_schema *parse(const char *text)
{
    leat_err err;
    const leat_avro_schema *schema = NULL;
    MUST(leat_avro_schema_parse(leat_str_of(text), kept, &schema, &err) == LEAT_OK);
    return schema;
}

static void make_pairs(void)
{
    leat_err err;
    static leat_str paths[SLOTS];
    leat_slot_request requests[SLOTS];
    MUST(leat_arena_new(&kept, ARENA_MAX, &err) == LEAT_OK);
    for (uint32_t i = 0; i < SLOTS; i++) {
        paths[i] = leat_str_of(names[i]);
        requests[i] = (leat_slot_request){{&paths[i], 1}, i, true};
    }
    for (size_t i = 0; i < SCHEMAS; i++) {
        pair *p = &pairs[i];
        p->writer = parse(schemas[i].writer);
        p->reader = schemas[i].reader != NULL ? parse(schemas[i].reader) : p->writer;
        MUST(leat_avro_plan_new(p->writer, p->reader, requests, SLOTS, BYTES_MAX, kept, &p->slots,
                                &err) == LEAT_OK);
        MUST(leat_avro_plan_new(p->writer, p->reader, NULL, 0, BYTES_MAX, kept, &p->whole, &err) ==
             LEAT_OK);
    }
}

/* Both are missing, or both are the same. */
static void check_slots(leat_value map, const leat_value *slots)
{
    for (size_t i = 0; i < SLOTS; i++) {
        leat_value found = LEAT_VALUE_MISSING;
        for (uint32_t k = 0; k < map.len; k++)
            if (leat_str_is(leat_value_str(map.as.entries[k].key), names[i]))
                found = map.as.entries[k].value;
        MUST(leat_value_same(found, slots[i]));
    }
}

/* Written under the reader's schema, and read again. */
static void check_written(const pair *p, leat_value map, leat_arena *arena)
{
    leat_err err;
    leat_buf out;
    leat_value again, *values = leat_arena_array(arena, map.len + 1, sizeof *values);
    leat_avro_plan *plan = NULL;
    size_t used = 0;
    MUST(map.tag == LEAT_MAP && map.len == p->reader->root->fields_count && values != NULL);
    for (uint32_t i = 0; i < map.len; i++)
        values[i] = map.as.entries[i].value;
    leat_buf_init(&out, UNPACKED_MAX);
    if (leat_avro_encode(p->reader, values, arena, &out, &err) == LEAT_OK) {
        MUST(leat_avro_plan_new(p->reader, NULL, NULL, 0, BYTES_MAX, arena, &plan, &err) ==
             LEAT_OK);
        MUST(leat_avro_value(plan, leat_buf_str(&out), arena, &again, &used, &err) == LEAT_OK);
        MUST(used == out.len && leat_value_same(map, again));
    } else {
        MUST(err.text[0] != '\0' && out.len == 0);
    }
    leat_buf_release(&out);
}

static void check_record(const pair *p, leat_str bytes, leat_arena *arena, bool deep)
{
    leat_err err;
    leat_value slots[SLOTS], map;
    size_t used = 0, skipped = 0;
    leat_arena_reset(arena);
    leat_code code = leat_avro_decode(p->slots, bytes, arena, slots, &err);
    if (code != LEAT_OK)
        MUST(leat_code_blame(code) == LEAT_BLAME_RECORD && err.offset <= bytes.len);
    leat_code whole = leat_avro_value(p->whole, bytes, arena, &map, &used, &err);
    if (code == LEAT_OK && whole == LEAT_OK) {
        MUST(used == bytes.len);
        check_slots(map, slots);
        if (deep) check_written(p, map, arena);
    }
    /* What can be read can be skipped, and is as long. */
    if (whole != LEAT_OK) return;
    MUST(leat_avro_skip(p->whole, bytes, arena, &skipped, &err) == LEAT_OK && skipped == used);
}

/* The bytes, at the end of a block of their own, so that ASan sees what is read behind them. */
static void check_copy(const pair *p, const uint8_t *data, size_t size, size_t flip,
                       leat_arena *arena, bool deep)
{
    char *copy = malloc(size + 1);
    MUST(copy != NULL);
    char *bytes = copy + 1;
    if (size > 0) memcpy(bytes, data, size);
    if (flip < size * 8) bytes[flip / 8] = (char)(bytes[flip / 8] ^ (1 << flip % 8));
    check_record(p, (leat_str){bytes, size}, arena, deep);
    free(copy);
}

static void check_damaged(const pair *p, const uint8_t *data, size_t size, leat_arena *arena)
{
    check_copy(p, data, size, SIZE_MAX, arena, true);
    if (size > DAMAGED_MAX || LLVMFuzzerRunDriver != NULL) return;
    for (size_t len = 0; len < size; len++)
        check_copy(p, data, len, SIZE_MAX, arena, false);
    for (size_t flip = 0; flip < size * 8; flip++)
        check_copy(p, data, size, flip, arena, false);
}

static void check_schema(leat_str text, leat_arena *arena)
{
    leat_err err;
    const leat_avro_schema *schema = NULL;
    leat_avro_plan *plan = NULL;
    leat_value value;
    size_t used = 0;
    static const char zeros[64];
    leat_code code = leat_avro_schema_parse(text, arena, &schema, &err);
    if (code == LEAT_OK)
        code = leat_avro_plan_new(schema, schema, NULL, 0, BYTES_MAX, arena, &plan, &err);
    if (code == LEAT_OK)
        code = leat_avro_value(plan, (leat_str){zeros, sizeof zeros}, arena, &value, &used, &err);
    MUST(code == LEAT_OK || err.text[0] != '\0');
}

static void check_container(leat_str file)
{
    leat_err err;
    leat_avro_header header;
    leat_buf unpacked;
    leat_buf_init(&unpacked, UNPACKED_MAX);
    if (leat_avro_header_read(file, &header, &err) == LEAT_OK) {
        leat_str rest = leat_str_slice(file, header.bytes, file.len);
        leat_avro_block block;
        leat_str records;
        bool whole = true;
        while (rest.len > 0 && whole &&
               leat_avro_block_read(rest, &block, &whole, &err) == LEAT_OK && whole) {
            MUST(block.head <= rest.len);
            if (block.data > rest.len - block.head) break;
            leat_str data = leat_str_slice(rest, block.head, block.head + block.data);
            leat_code code =
                leat_avro_block_open(header.compression, data, &unpacked, &records, &err);
            MUST(code == LEAT_OK || err.text[0] != '\0');
            rest = leat_str_slice(rest, block.head + block.data, rest.len);
            if (rest.len < LEAT_AVRO_SYNC_BYTES) break;
            rest = leat_str_slice(rest, LEAT_AVRO_SYNC_BYTES, rest.len);
        }
    }
    leat_buf_release(&unpacked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leat_err err;
    leat_arena *arena = NULL;
    if (size == 0) return 0;
    if (kept == NULL) make_pairs();
    MUST(leat_arena_new(&arena, ARENA_MAX, &err) == LEAT_OK);
    leat_str rest = {(const char *)data + 1, size - 1};
    if (data[0] == 's')
        check_schema(rest, arena);
    else if (data[0] == 'c')
        check_container(rest);
    else
        check_damaged(&pairs[data[0] % SCHEMAS], data + 1, size - 1, arena);
    leat_arena_free(&arena);
    return 0;
}
