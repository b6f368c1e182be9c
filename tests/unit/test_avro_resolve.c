/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas: what is no schema; and a record of one schema read under another. */
#include <criterion/criterion.h>

#include "schemas/codec_avro.h"
#include "schemas/codec_json.h"
#include "tests/unit/leak.h"

LEAT_SUITE(avro_resolve);

#define BYTES_MAX (1u << 20)

static leat_arena *make_arena(void)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, (size_t)64 << 20, &err), LEAT_OK);
    return arena;
}

static const leat_avro_schema *record_of(const char *fields, leat_arena *arena)
{
    leat_err err;
    const leat_avro_schema *schema = NULL;
    leat_str text =
        leat_arena_print(arena, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[%s]}", fields);
    cr_assert_eq(leat_avro_schema_parse(text, arena, &schema, &err), LEAT_OK, "%s: %s", fields,
                 err.text);
    return schema;
}

/* Written under one, read under the other: JSON, or the error's text. */
static const char *through(const char *writer, const char *json, const char *reader,
                           leat_arena *arena)
{
    leat_err err = {0};
    leat_value map, value, values[8];
    leat_avro_plan *plan;
    leat_buf out;
    size_t used;
    const leat_avro_schema *w = record_of(writer, arena), *r = record_of(reader, arena);
    cr_assert_eq(leat_json_value(leat_str_of(json), LEAT_JSON_LIMITS_DEFAULT, arena, &map, &err),
                 LEAT_OK);
    cr_assert_eq(map.len, w->root->fields_count);
    for (size_t i = 0; i < map.len; i++)
        values[i] = map.as.entries[i].value;
    leat_buf_init(&out, BYTES_MAX);
    cr_assert_eq(leat_avro_encode(w, values, arena, &out, &err), LEAT_OK, "%s", err.text);
    leat_code code = leat_avro_plan_new(w, r, NULL, 0, BYTES_MAX, arena, &plan, &err);
    leat_str bytes = leat_arena_copy(arena, leat_buf_str(&out));
    if (code == LEAT_OK) code = leat_avro_value(plan, bytes, arena, &value, &used, &err);
    if (code == LEAT_OK) {
        leat_buf_reset(&out);
        code = leat_json_write(value, arena, &out, &err);
    }
    leat_str text =
        leat_arena_copy(arena, code == LEAT_OK ? leat_buf_str(&out) : leat_str_of(err.text));
    leat_buf_release(&out);
    return text.data;
}

#define INT                      "{\"name\":\"a\",\"type\":\"int\"}"
#define FIELD(name, type)        "{\"name\":\"" name "\",\"type\":" type "}"
#define GIVEN(name, type, given) "{\"name\":\"" name "\",\"type\":" type ",\"default\":" given "}"
#define ENUM(symbols)            "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[" symbols "]}"
#define ARRAY(items)             "{\"type\":\"array\",\"items\":" items "}"
#define LOGICAL(type, name)      "{\"type\":" type ",\"logicalType\":\"" name "\"}"

Test(avro_resolve, reads_under_another_schema)
{
    static const struct {
        const char *writer, *json, *reader, *want;
    } cases[] = {
        /* promotion */
        {INT, "{\"a\":5}", FIELD("a", "\"long\""), "{\"a\":5}"},
        {INT, "{\"a\":5}", FIELD("a", "\"float\""), "{\"a\":5.0}"},
        {INT, "{\"a\":16777217}", FIELD("a", "\"float\""), "{\"a\":16777216.0}"},
        {INT, "{\"a\":5}", FIELD("a", "\"double\""), "{\"a\":5.0}"},
        {FIELD("a", "\"long\""), "{\"a\":5}", FIELD("a", "\"double\""), "{\"a\":5.0}"},
        {FIELD("a", "\"float\""), "{\"a\":1.5}", FIELD("a", "\"double\""), "{\"a\":1.5}"},
        {FIELD("a", "\"string\""), "{\"a\":\"x\"}", FIELD("a", "\"bytes\""), "{\"a\":\"eA==\"}"},
        {FIELD("a", "\"bytes\""), "{\"a\":\"eA==\"}", FIELD("a", "\"string\""), "{\"a\":\"x\"}"},
        {FIELD("a", ARRAY("\"int\"")), "{\"a\":[1]}", FIELD("a", ARRAY("\"double\"")),
         "{\"a\":[1.0]}"},
        {FIELD("a", "\"long\""), "{\"a\":5}", INT,
         "Avro schemas: 'a': written as long, cannot be read as int"},
        /* fields */
        {INT "," FIELD("b", "\"string\""), "{\"a\":1,\"b\":\"x\"}",
         FIELD("b", "\"string\"") "," INT, "{\"b\":\"x\",\"a\":1}"},
        {INT "," FIELD("b", "\"string\""), "{\"a\":1,\"b\":\"x\"}", INT, "{\"a\":1}"},
        {INT, "{\"a\":1}", INT "," GIVEN("c", "\"string\"", "\"d\""), "{\"a\":1,\"c\":\"d\"}"},
        {INT, "{\"a\":1}", INT "," GIVEN("c", "[\"null\",\"int\"]", "null"),
         "{\"a\":1,\"c\":null}"},
        {INT, "{\"a\":1}", INT "," GIVEN("c", "[\"int\",\"null\"]", "7"), "{\"a\":1,\"c\":7}"},
        {INT, "{\"a\":1}", INT "," GIVEN("c", "\"bytes\"", "\"\\u00ff\\u0001\""),
         "{\"a\":1,\"c\":\"/wE=\"}"},
        {INT, "{\"a\":1}", INT "," GIVEN("c", ARRAY("\"int\""), "[1,2]"), "{\"a\":1,\"c\":[1,2]}"},
        {INT, "{\"a\":1}", INT "," GIVEN("c", LOGICAL("\"int\"", "date"), "1"),
         "{\"a\":1,\"c\":\"1970-01-02T00:00:00Z\"}"},
        {INT, "{\"a\":1}", INT "," FIELD("c", "\"int\""),
         "Avro schemas: 'c' is not in the schema it was written with, and has no default"},
        {INT, "{\"a\":1}", INT "," GIVEN("c", "\"int\"", "\"x\""),
         "Avro schemas: default of 'c': line 1, column 100: a string is no value of type int"},
        /* aliases */
        {INT, "{\"a\":1}", "{\"name\":\"z\",\"type\":\"long\",\"aliases\":[\"y\",\"a\"]}",
         "{\"z\":1}"},
        /* enums */
        {FIELD("a", ENUM("\"A\",\"B\"")), "{\"a\":\"B\"}", FIELD("a", ENUM("\"B\",\"C\"")),
         "{\"a\":\"B\"}"},
        {FIELD("a", ENUM("\"A\",\"B\"")), "{\"a\":\"A\"}", FIELD("a", ENUM("\"B\"")),
         "Avro, byte 0: 'a': symbol 0 is none of the reader's schema, which has no default for "
         "it"},
        {FIELD("a", ENUM("\"A\",\"B\"")), "{\"a\":\"A\"}",
         FIELD("a", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"B\",\"Z\"],\"default\":"
                    "\"Z\"}"),
         "{\"a\":\"Z\"}"},
        /* unions */
        {INT, "{\"a\":1}", FIELD("a", "[\"null\",\"long\"]"), "{\"a\":1}"},
        {INT, "{\"a\":1}", FIELD("a", "[\"double\",\"int\"]"), "{\"a\":1}"},
        {INT, "{\"a\":1}", FIELD("a", "[\"null\",\"string\"]"),
         "Avro schemas: 'a': written as int, cannot be read as union"},
        {FIELD("a", "[\"null\",\"int\"]"), "{\"a\":1}", FIELD("a", "\"long\""), "{\"a\":1}"},
        {FIELD("a", "[\"null\",\"int\"]"), "{\"a\":null}", FIELD("a", "\"long\""),
         "Avro, byte 1: 'a': written as null, cannot be read as long"},
        {FIELD("a", "[\"null\",\"int\"]"), "{\"a\":1}", FIELD("a", "[\"string\",\"long\"]"),
         "{\"a\":1}"},
        {FIELD("a", "[\"null\",\"boolean\"]"), "{\"a\":null}", FIELD("a", "\"string\""),
         "Avro schemas: 'a': written as union, cannot be read as string"},
        /* logical types: the writer's unit counts */
        {FIELD("a", LOGICAL("\"long\"", "timestamp-micros")), "{\"a\":1500000}",
         FIELD("a", LOGICAL("\"long\"", "timestamp-millis")), "{\"a\":\"1970-01-01T00:00:01.5Z\"}"},
        {FIELD("a", "\"long\""), "{\"a\":1500}",
         FIELD("a", LOGICAL("\"long\"", "timestamp-millis")), "{\"a\":\"1970-01-01T00:00:01.5Z\"}"},
        {FIELD("a", LOGICAL("\"long\"", "timestamp-millis")), "{\"a\":1500}",
         FIELD("a", "\"long\""), "{\"a\":1500}"},
        {FIELD("a", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}"), "{\"a\":\"AA==\"}",
         FIELD("a", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}"),
         "Avro schemas: 'a': written as 1 bytes, cannot be read as a fixed of 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leat_arena *arena = make_arena();
        const char *got = through(cases[i].writer, cases[i].json, cases[i].reader, arena);
        cr_expect_str_eq(got, cases[i].want, "%s as %s: %s", cases[i].writer, cases[i].reader, got);
        leat_arena_free(&arena);
    }
}

/* A list written without, read with a default in each of its links. */
Test(avro_resolve, follows_recursion)
{
    leat_arena *arena = make_arena();
    const char *got = through(
        "{\"name\":\"n\",\"type\":{\"type\":\"record\",\"name\":\"N\",\"fields\":["
        "{\"name\":\"v\",\"type\":\"int\"},{\"name\":\"next\",\"type\":[\"null\",\"N\"]}]}}",
        "{\"n\":{\"v\":1,\"next\":{\"v\":2,\"next\":null}}}",
        "{\"name\":\"n\",\"type\":{\"type\":\"record\",\"name\":\"N\",\"fields\":["
        "{\"name\":\"next\",\"type\":[\"null\",\"N\"]},{\"name\":\"v\",\"type\":\"double\"},"
        "{\"name\":\"w\",\"type\":\"int\",\"default\":9}]}}",
        arena);
    cr_expect_str_eq(got, "{\"n\":{\"next\":{\"next\":null,\"v\":2.0,\"w\":9},\"v\":1.0,\"w\":9}}",
                     "%s", got);
    leat_arena_free(&arena);
}

Test(avro_resolve, refuses_what_is_no_schema)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "Avro schema, line 1, column 1: expected a value, but the text ends"},
        {"\"strin\"", "Avro schema, line 1, column 1: unknown type 'strin'"},
        {"{\"name\":\"x\"}", "Avro schema, line 1, column 1: 'type' is missing"},
        {"{\"type\":\"record\",\"fields\":[]}", "Avro schema, line 1, column 1: 'name' is missing"},
        {"{\"type\":\"record\",\"name\":\"a-b\",\"fields\":[]}",
         "Avro schema, line 1, column 25: 'a-b' is no name: letters, digits and _, no digit first"},
        {"{\"type\":\"record\",\"name\":\"R\",\n \"fields\":[{\"name\":\"a\"}]}",
         "Avro schema, line 2, column 12: 'type' is missing"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},"
         "{\"name\":\"a\",\"type\":\"int\"}]}",
         "Avro schema, line 1, column 65: field 'a' is there twice"},
        {"[\"int\",\"int\"]", "Avro schema, line 1, column 1: the union has 'int' twice"},
        {"[\"int\",[\"null\"]]",
         "Avro schema, line 1, column 1: a union cannot stand right in a union"},
        {"[]", "Avro schema, line 1, column 1: the union is empty"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"A\"]}",
         "Avro schema, line 1, column 37: symbol 'A' is there twice"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}",
         "Avro schema, line 1, column 35: 'size' must be 0 to 1048576 bytes"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"r\",\"type\":\"R\"}]}",
         "Avro schema: record 'R' holds itself, so that it has no end; let it hold a union with "
         "null"},
        {"{\"type\":\"array\"}", "Avro schema, line 1, column 1: 'items' is missing"},
        {"7", "Avro schema, line 1, column 1: a type is a name, an object or a list, not a whole "
              "number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leat_arena *arena = make_arena();
        leat_err err = {0};
        const leat_avro_schema *schema;
        leat_code code = leat_avro_schema_parse(leat_str_of(cases[i].text), arena, &schema, &err);
        cr_expect_eq(code, LEAT_ERR_CONFIG, "%s", cases[i].text);
        cr_expect_str_eq(err.text, cases[i].want, "%s", err.text);
        leat_arena_free(&arena);
    }
}

Test(avro_resolve, names_live_in_namespaces)
{
    leat_arena *arena = make_arena();
    leat_err err = {0};
    const leat_avro_schema *schema;
    leat_str text =
        LEAT_STR("{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a.b\",\"fields\":["
                 "{\"name\":\"x\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}},"
                 "{\"name\":\"y\",\"type\":\"E\"},{\"name\":\"z\",\"type\":\"a.b.E\"},"
                 "{\"name\":\"w\",\"type\":{\"type\":\"fixed\",\"name\":\"c.F\",\"size\":1}}]}");
    cr_assert_eq(leat_avro_schema_parse(text, arena, &schema, &err), LEAT_OK, "%s", err.text);
    const leat_avro_field *fields = schema->root->fields;
    cr_expect_eq(fields[0].type, fields[1].type);
    cr_expect_eq(fields[0].type, fields[2].type);
    cr_expect(leat_str_is(fields[0].type->name, "a.b.E"));
    cr_expect(leat_str_is(fields[3].type->name, "c.F"));
    leat_arena_free(&arena);
}

/* Each allocation failing in turn gives an error, and nothing is lost. */
static bool resolve_once(void)
{
    leat_err err = {0};
    leat_arena *arena = NULL;
    leat_avro_plan *plan = NULL;
    const leat_avro_schema *schema = NULL;
    leat_str name = LEAT_STR("a");
    leat_slot_request request = {{&name, 1}, 0, false};
    leat_code code = leat_arena_new(&arena, (size_t)1 << 20, &err);
    leat_str text = LEAT_STR("{\"type\":\"record\",\"name\":\"R\",\"fields\":["
                             "{\"name\":\"a\",\"type\":[\"null\",\"R\"],\"default\":null}]}");
    if (code == LEAT_OK) code = leat_avro_schema_parse(text, arena, &schema, &err);
    if (code == LEAT_OK)
        code = leat_avro_plan_new(schema, schema, &request, 1, BYTES_MAX, arena, &plan, &err);
    leat_arena_free(&arena);
    return code != LEAT_OK;
}

Test(avro_resolve, survives_lack_of_memory)
{
    leat_tests_fail_each(resolve_once);
}
