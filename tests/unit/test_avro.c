/* SPDX-License-Identifier: Apache-2.0 */
/* Avro: what is written, byte for byte; what is read of it; what is refused, and in which words. */
#include <criterion/criterion.h>

#include "schemas/codec_avro.h"
#include "schemas/codec_json.h"
#include "tests/unit/leak.h"

LEAT_SUITE(avro);

#define BYTES_MAX (1u << 20)

static leat_arena *make_arena(void)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, (size_t)256 << 20, &err), LEAT_OK);
    return arena;
}

static const leat_avro_schema *parse(const char *text, leat_arena *arena)
{
    leat_err err;
    const leat_avro_schema *schema = NULL;
    cr_assert_eq(leat_avro_schema_parse(leat_str_of(text), arena, &schema, &err), LEAT_OK, "%s: %s",
                 text, err.text);
    return schema;
}

/* A record of one field `v` of this type. */
static const leat_avro_schema *schema_of(const char *type, leat_arena *arena)
{
    leat_str text = leat_arena_print(
        arena, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"v\",\"type\":%s}]}",
        type);
    return parse(text.data, arena);
}

static leat_value json_of(const char *text, leat_arena *arena)
{
    leat_err err;
    leat_value value;
    cr_assert_eq(leat_json_value(leat_str_of(text), LEAT_JSON_LIMITS_DEFAULT, arena, &value, &err),
                 LEAT_OK, "%s: %s", text, err.text);
    return value;
}

static leat_str bytes_of(const char *hex, leat_arena *arena)
{
    size_t len = strlen(hex) / 2;
    char *bytes = leat_arena_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (char)byte;
    }
    return (leat_str){bytes, len};
}

static const char *hex_of(leat_str bytes, leat_arena *arena)
{
    char *hex = leat_arena_alloc(arena, 2 * bytes.len + 1);
    for (size_t i = 0; i < bytes.len; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", (unsigned char)bytes.data[i]);
    hex[2 * bytes.len] = '\0';
    return hex;
}

static const char *text_of(leat_value value, leat_arena *arena)
{
    leat_err err;
    leat_buf out;
    leat_buf_init(&out, 16u << 20);
    cr_assert_eq(leat_json_write(value, arena, &out, &err), LEAT_OK, "%s", err.text);
    leat_str copy = leat_arena_copy(arena, leat_buf_str(&out));
    leat_buf_release(&out);
    return copy.data;
}

static leat_code encode(const leat_avro_schema *schema, leat_value value, leat_arena *arena,
                        const char **hex, leat_err *err)
{
    leat_buf out;
    leat_buf_init(&out, BYTES_MAX);
    leat_code code = leat_avro_encode(schema, &value, arena, &out, err);
    if (code == LEAT_OK)
        *hex = hex_of(leat_buf_str(&out), arena);
    else
        cr_assert_eq(out.len, 0);
    leat_buf_release(&out);
    return code;
}

/* The whole record, under reader's schema. */
static leat_code decode(const leat_avro_schema *writer, const leat_avro_schema *reader,
                        leat_str bytes, leat_arena *arena, leat_value *value, leat_err *err)
{
    leat_avro_plan *plan;
    size_t used = 0;
    LEAT_TRY(leat_avro_plan_new(writer, reader, NULL, 0, BYTES_MAX, arena, &plan, err));
    LEAT_TRY(leat_avro_value(plan, bytes, arena, value, &used, err));
    cr_assert_eq(used, bytes.len);
    return LEAT_OK;
}

/* --- there and back --------------------------------------------------------------------------- */

/* type, value as JSON, bytes, what is read of them as JSON (NULL: the same as the value) */
static const struct {
    const char *type, *json, *hex, *want;
} round_trips[] = {
    {"\"null\"", "null", "", NULL},
    {"\"boolean\"", "true", "01", NULL},
    {"\"int\"", "0", "00", NULL},
    {"\"int\"", "-1", "01", NULL},
    {"\"int\"", "-64", "7f", NULL},
    {"\"int\"", "64", "8001", NULL},
    {"\"int\"", "-2147483648", "ffffffff0f", NULL},
    {"\"int\"", "3.0", "06", "3"},
    {"\"long\"", "9223372036854775807", "feffffffffffffffff01", NULL},
    {"\"long\"", "-9223372036854775808", "ffffffffffffffffff01", NULL},
    {"\"float\"", "1.5", "0000c03f", NULL},
    {"\"double\"", "0.1", "9a9999999999b93f", NULL},
    {"\"double\"", "7", "0000000000001c40", "7.0"},
    {"\"string\"", "\"foo\"", "06666f6f", NULL},
    {"\"string\"", "\"\"", "00", NULL},
    {"\"bytes\"", "\"AAH/\"", "060001ff", NULL},
    {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "\"AP8=\"", "00ff", NULL},
    {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", "\"B\"", "02", NULL},
    {"{\"type\":\"array\",\"items\":\"long\"}", "[3,27]", "04063600", NULL},
    {"{\"type\":\"array\",\"items\":\"long\"}", "[]", "00", NULL},
    {"{\"type\":\"map\",\"values\":\"int\"}", "{\"a\":1,\"b\":2}", "0402610202620400", NULL},
    {"[\"null\",\"string\"]", "null", "00", NULL},
    {"[\"null\",\"string\"]", "\"a\"", "020261", NULL},
    {"[\"int\",\"long\",\"double\"]", "5", "000a", NULL},
    {"[\"int\",\"long\",\"double\"]", "5000000000", "0280c8afa025", NULL},
    {"[\"int\",\"long\",\"double\"]", "5.0", "040000000000001440", NULL},
    {"[\"string\",{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}]", "\"A\"", "000241",
     NULL},
    {"{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"x\",\"type\":\"int\"},"
     "{\"name\":\"y\",\"type\":\"string\",\"default\":\"d\"}]}",
     "{\"x\":1}", "020264", "{\"x\":1,\"y\":\"d\"}"},
    {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}", "-1.23",
     "0285", NULL},
    {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}", "12", "0404b0",
     "12.00"},
    {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}", "0", "0200",
     "0.00"},
    {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}", "\"0.01\"",
     "0201", "0.01"},
    {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":40,\"scale\":0}",
     "\"1234567890123456789012345678901234567890\"", "2203a0c92075c0dbf3b8acbc5f96ce3f0ad2",
     "1234567890123456789012345678901234567890"},
    {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":20,\"scale\":0}", "\"-1e18\"",
     "10f21f494c589c0000", "-1000000000000000000"},
    {"{\"type\":\"fixed\",\"name\":\"D\",\"size\":4,\"logicalType\":\"decimal\",\"precision\":6,"
     "\"scale\":1}",
     "-0.1", "ffffffff", NULL},
    {"{\"type\":\"int\",\"logicalType\":\"date\"}", "\"1970-01-02\"", "02",
     "\"1970-01-02T00:00:00Z\""},
    {"{\"type\":\"int\",\"logicalType\":\"date\"}", "-1", "01", "\"1969-12-31T00:00:00Z\""},
    {"{\"type\":\"int\",\"logicalType\":\"time-millis\"}", "\"1.5s\"", "b817", "\"1.5s\""},
    {"{\"type\":\"long\",\"logicalType\":\"time-micros\"}", "\"1h\"", "80909de91a", "\"3600s\""},
    {"{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}", "\"1970-01-01T00:00:01.5Z\"",
     "b817", NULL},
    {"{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}", "\"1969-12-31T23:59:59.999Z\"",
     "01", NULL},
    {"{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}", "\"1970-01-01T00:00:00.000001Z\"",
     "02", NULL},
    {"{\"type\":\"long\",\"logicalType\":\"local-timestamp-micros\"}", "2", "04",
     "\"1970-01-01T00:00:00.000002Z\""},
    {"{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\"}",
     "\"1970-01-01T00:00:00.000000001Z\"", "02", NULL},
    {"{\"type\":\"string\",\"logicalType\":\"uuid\"}", "\"123e4567-e89b-12d3-a456-426614174000\"",
     "4831323365343536372d653839622d313264332d613435362d343236363134313734303030", NULL},
    {"{\"type\":\"fixed\",\"name\":\"U\",\"size\":16,\"logicalType\":\"uuid\"}",
     "\"123e4567-e89b-12d3-a456-426614174000\"", "123e4567e89b12d3a456426614174000", NULL},
    {"{\"type\":\"fixed\",\"name\":\"P\",\"size\":12,\"logicalType\":\"duration\"}",
     "{\"months\":1,\"days\":2,\"milliseconds\":256}", "010000000200000000010000", NULL},
    {"[\"null\",{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}]",
     "\"1970-01-01T00:00:00.001Z\"", "0202", NULL},
};

Test(avro, round_trips)
{
    for (size_t i = 0; i < sizeof round_trips / sizeof round_trips[0]; i++) {
        leat_arena *arena = make_arena();
        const char *hex = NULL, *type = round_trips[i].type, *json = round_trips[i].json;
        leat_err err = {0};
        leat_value value;
        const leat_avro_schema *schema = schema_of(type, arena);
        cr_assert_eq(encode(schema, json_of(json, arena), arena, &hex, &err), LEAT_OK, "%s %s: %s",
                     type, json, err.text);
        cr_expect_str_eq(hex, round_trips[i].hex, "%s %s: %s", type, json, hex);
        leat_str bytes = bytes_of(hex, arena);
        cr_assert_eq(decode(schema, NULL, bytes, arena, &value, &err), LEAT_OK, "%s %s: %s", type,
                     json, err.text);
        leat_str want = leat_arena_print(arena, "{\"v\":%s}",
                                         round_trips[i].want != NULL ? round_trips[i].want : json);
        cr_expect_str_eq(text_of(value, arena), want.data, "%s: %s", type, text_of(value, arena));
        leat_arena_free(&arena);
    }
}

/* Decimals of all lengths, both signs, against the text that they came from. */
Test(avro, decimals_keep_every_digit)
{
    leat_arena *arena = make_arena();
    const leat_avro_schema *schema = schema_of(
        "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":120,\"scale\":7}", arena);
    for (int digits = 1; digits <= 113; digits++) {
        for (int negative = 0; negative < 2; negative++) {
            char text[200] = "-";
            size_t len = (size_t)negative;
            leat_err err = {0};
            const char *hex = NULL;
            leat_value value;
            for (int i = 0; i < digits; i++)
                text[len++] = (char)('1' + (i * 7 + digits) % 9);
            memcpy(text + len, ".0000001", 9);
            leat_value number = leat_value_text(LEAT_NUMBER, leat_str_of(text));
            cr_assert_eq(encode(schema, number, arena, &hex, &err), LEAT_OK, "%s", err.text);
            cr_assert_eq(decode(schema, NULL, bytes_of(hex, arena), arena, &value, &err), LEAT_OK);
            leat_str want = leat_arena_print(arena, "{\"v\":%s}", text);
            cr_assert_str_eq(text_of(value, arena), want.data);
        }
    }
    leat_arena_free(&arena);
}

/* --- what cannot be written ------------------------------------------------------------------- */

Test(avro, refuses_to_write)
{
    static const struct {
        const char *type, *json, *want;
    } cases[] = {
        {"\"int\"", "\"x\"", "Avro: 'v': expected int, not string"},
        {"\"int\"", "2147483648", "Avro: 'v': 2147483648 does not fit into an int"},
        {"\"int\"", "1.5", "Avro: 'v': expected int, but the number is no such one"},
        {"\"float\"", "1e39", "Avro: 'v': 1e+39 does not fit into a float"},
        {"\"double\"", "9007199254740993",
         "Avro: 'v': a double cannot hold 9007199254740993 exactly"},
        {"\"string\"", "1", "Avro: 'v': expected string, not int"},
        {"\"string\"", "null", "Avro: 'v': expected string, not null_type"},
        {"[\"null\",\"string\"]", "1", "Avro: 'v': expected string, not int"},
        {"[\"null\",\"string\",\"int\"]", "true",
         "Avro: 'v': the union has no branch for a value of type bool"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"map\",\"values\":\"int\"}}",
         "[{},{\"k\":\"x\"}]", "Avro: 'v[1].k': expected int, not string"},
        {"{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"x\",\"type\":\"int\"}]}",
         "{\"y\":1}", "Avro: 'v.x': there is no value; expected int"},
        {"{\"type\":\"record\",\"name\":\"S\",\"fields\":[]}", "1",
         "Avro: 'v': expected record S, not int"},
        {"{\"type\":\"enum\",\"name\":\"a.E\",\"symbols\":[\"A\"]}", "\"B\"",
         "Avro: 'v': 'B' is no symbol of enum a.E"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "\"AA==\"",
         "Avro: 'v': expected 2 bytes, not 1"},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}", "0.001",
         "Avro: 'v': a decimal of scale 2 cannot hold 0.001"},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}", "100",
         "Avro: 'v': a decimal of precision 4 cannot hold 100"},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}", "true",
         "Avro: 'v': expected decimal, not bool"},
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", "\"2026-01-01T00:00:01Z\"",
         "Avro: 'v': expected a date, but the time is not midnight"},
        {"{\"type\":\"int\",\"logicalType\":\"time-millis\"}", "\"24h\"",
         "Avro: 'v': a time of day is less than a day"},
        {"{\"type\":\"string\",\"logicalType\":\"uuid\"}", "\"x\"",
         "Avro: 'v': expected a uuid, not 'x'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leat_arena *arena = make_arena();
        const char *hex = NULL;
        leat_err err = {0};
        leat_value value = json_of(cases[i].json, arena);
        cr_expect_neq(encode(schema_of(cases[i].type, arena), value, arena, &hex, &err), LEAT_OK,
                      "%s %s", cases[i].type, cases[i].json);
        cr_expect_str_eq(err.text, cases[i].want, "%s", err.text);
        cr_expect_eq(leat_code_blame(err.code), LEAT_BLAME_RECORD);
        leat_arena_free(&arena);
    }
}

/* --- what cannot be read ---------------------------------------------------------------------- */

Test(avro, refuses_to_read)
{
    static const struct {
        const char *type, *hex, *want;
    } cases[] = {
        {"\"int\"", "", "Avro, byte 0: 'v': the record ends inside of this value"},
        {"\"int\"", "80", "Avro, byte 0: 'v': the record ends inside of this value"},
        {"\"int\"", "8080808010", "Avro, byte 0: 'v': 2147483648 does not fit into an int"},
        {"\"long\"", "ffffffffffffffffff02", "Avro, byte 0: 'v': a number of more than 64 bits"},
        {"\"long\"", "ffffffffffffffffffff01", "Avro, byte 0: 'v': a number of more than 64 bits"},
        {"\"boolean\"", "02", "Avro, byte 0: 'v': a boolean of 2"},
        {"\"double\"", "00000000000000", "Avro, byte 0: 'v': the record ends inside of this value"},
        {"\"string\"", "04c3", "Avro, byte 0: 'v': a length of 2 bytes where 1 are left"},
        {"\"string\"", "01", "Avro, byte 0: 'v': a length of -1"},
        {"\"string\"", "02ff", "Avro, byte 0: 'v': the string is no UTF-8"},
        {"\"string\"", "feffffffffffffffff01",
         "Avro, byte 0: 'v': a length of 9223372036854775807 bytes where 0 are left"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "02",
         "Avro, byte 0: 'v': symbol 1 of an enum of 1"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "01",
         "Avro, byte 0: 'v': symbol -1 of an enum of 1"},
        {"[\"null\",\"int\"]", "04", "Avro, byte 0: 'v': branch 2 of a union of 2"},
        {"[\"null\",\"int\"]", "01", "Avro, byte 0: 'v': branch -1 of a union of 2"},
        {"{\"type\":\"array\",\"items\":\"int\"}", "08020202",
         "Avro, byte 0: 'v': a block of 4 items where 3 bytes are left"},
        {"{\"type\":\"array\",\"items\":\"int\"}", "feffffffffffffffff0100",
         "Avro, byte 0: 'v': a block of 9223372036854775807 items where 1 bytes are left"},
        {"{\"type\":\"array\",\"items\":\"int\"}", "ffffffffffffffffff010200",
         "Avro, byte 0: 'v': a block of -9223372036854775808 items"},
        {"{\"type\":\"array\",\"items\":\"int\"}", "0101",
         "Avro, byte 0: 'v': a block of -1 bytes where 0 are left"},
        {"{\"type\":\"array\",\"items\":\"int\"}", "010402020000",
         "Avro, byte 0: 'v': a block of items is not as long as it says"},
        {"{\"type\":\"array\",\"items\":\"null\"}", "8080808010",
         "Avro, byte 0: 'v': more than 65536 items that take no bytes"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"map\",\"values\":\"string\"}}",
         "02040261020262ff00", "Avro, byte 6: 'v[0][1]': a length of 49 bytes where 2 are left"},
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", "feffffff0f",
         "Avro, byte 0: 'v': a time outside of the years 1 to 9999"},
        {"{\"type\":\"int\",\"logicalType\":\"time-millis\"}", "01",
         "Avro, byte 0: 'v': a time of day outside of one day"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leat_arena *arena = make_arena();
        leat_err err = {0};
        leat_value value;
        const leat_avro_schema *schema = schema_of(cases[i].type, arena);
        leat_code code = decode(schema, NULL, bytes_of(cases[i].hex, arena), arena, &value, &err);
        cr_expect_neq(code, LEAT_OK, "%s %s", cases[i].type, cases[i].hex);
        cr_expect_str_eq(err.text, cases[i].want, "%s %s: %s", cases[i].type, cases[i].hex,
                         err.text);
        cr_expect_eq(leat_code_blame(err.code), LEAT_BLAME_RECORD);
        leat_arena_free(&arena);
    }
}

Test(avro, bytes_left_over_and_too_many_are_refused)
{
    leat_arena *arena = make_arena();
    leat_avro_plan *plan;
    leat_err err = {0};
    leat_value slots[1];
    const leat_avro_schema *schema = schema_of("\"int\"", arena);
    cr_assert_eq(leat_avro_plan_new(schema, NULL, NULL, 0, 3, arena, &plan, &err), LEAT_OK);
    cr_expect_eq(leat_avro_decode(plan, LEAT_STR("\2"), arena, slots, &err), LEAT_OK);
    cr_expect_eq(leat_avro_decode(plan, LEAT_STR("\2\0\0"), arena, slots, &err), LEAT_ERR_SYNTAX);
    cr_expect_str_eq(err.text, "Avro, byte 1: the record ends here, but 2 bytes follow");
    cr_expect_eq(leat_avro_decode(plan, LEAT_STR("\2\0\0\0"), arena, slots, &err), LEAT_ERR_LIMIT);
    cr_expect_str_eq(err.text, "Avro: a record of 4 bytes; 3 are allowed");
    leat_arena_free(&arena);
}

/* A list in a list in a list, by a schema that names itself. */
Test(avro, nesting_is_bounded)
{
    leat_arena *arena = make_arena();
    const leat_avro_schema *schema =
        parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"r\",\"type\":[\"null\","
              "\"R\"]}]}",
              arena);
    leat_err err = {0};
    leat_value value;
    char bytes[100001];
    memset(bytes, 2, sizeof bytes);
    bytes[50] = 0;
    cr_expect_eq(decode(schema, NULL, (leat_str){bytes, 51}, arena, &value, &err), LEAT_OK);
    bytes[50] = 2;
    bytes[100000] = 0;
    leat_code code = decode(schema, NULL, (leat_str){bytes, sizeof bytes}, arena, &value, &err);
    cr_expect_eq(code, LEAT_ERR_LIMIT);
    cr_expect(strstr(err.text, "nested deeper than 128 levels") != NULL, "%s", err.text);
    leat_avro_plan *plan;
    cr_assert_eq(leat_avro_plan_new(schema, NULL, NULL, 0, BYTES_MAX, arena, &plan, &err), LEAT_OK);
    cr_expect_eq(leat_avro_decode(plan, (leat_str){bytes, sizeof bytes}, arena, &value, &err),
                 LEAT_ERR_LIMIT);
    leat_arena_free(&arena);
}

/* Records of records of nothing: two to the power of 20 of them in no byte at all. */
Test(avro, what_takes_no_bytes_takes_no_time)
{
    leat_arena *arena = make_arena();
    /* Rn has two fields of type Rn+1, the first of which defines it. */
    leat_buf text;
    leat_buf_init(&text, 1u << 20);
    for (int i = 0; i < 20; i++)
        leat_buf_add_format(&text,
                            "{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"a\","
                            "\"type\":",
                            i);
    leat_buf_add_text(&text, "\"null\"");
    for (int i = 19; i >= 0; i--) {
        leat_str inner = i == 19 ? LEAT_STR("null") : leat_arena_print(arena, "R%d", i + 1);
        leat_buf_add_format(&text, "},{\"name\":\"b\",\"type\":\"%.*s\"}]}", LEAT_STR_ARG(inner));
    }
    leat_buf_add_char(&text, '\0');
    const leat_avro_schema *schema = parse(text.data, arena);
    cr_assert_eq(schema->root->bytes_min, 0);
    leat_err err = {0};
    leat_value value, slots[1];
    leat_avro_plan *plan;
    cr_assert_eq(leat_avro_plan_new(schema, NULL, NULL, 0, BYTES_MAX, arena, &plan, &err), LEAT_OK);
    cr_expect_eq(leat_avro_decode(plan, LEAT_STR(""), arena, slots, &err), LEAT_OK);
    cr_expect_eq(decode(schema, NULL, LEAT_STR(""), arena, &value, &err), LEAT_ERR_LIMIT);
    leat_buf_release(&text);
    leat_arena_free(&arena);
}

/* --- slots ------------------------------------------------------------------------------------ */

static const char *const order_schema =
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":["
    "{\"name\":\"id\",\"type\":\"string\"},"
    "{\"name\":\"customer\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"Customer\","
    "\"fields\":[{\"name\":\"name\",\"type\":\"string\"},{\"name\":\"age\",\"type\":\"int\"}]}]},"
    "{\"name\":\"price\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\","
    "\"precision\":9,\"scale\":2}},"
    "{\"name\":\"tags\",\"type\":{\"type\":\"map\",\"values\":\"string\"}},"
    "{\"name\":\"items\",\"type\":{\"type\":\"array\",\"items\":\"long\"}}]}";

static void expect_slots(const char *json, const char *const want[8])
{
    static const struct {
        const char *names[2];
        size_t count;
        bool exact;
    } asked[8] = {
        {{"id"}, 1, false},    {{"customer", "age"}, 2, false}, {{"customer", "name"}, 2, true},
        {{"price"}, 1, true},  {{"price"}, 1, false},           {{"tags", "a"}, 2, false},
        {{"items"}, 1, false}, {{"nothing"}, 1, false}};
    leat_arena *arena = make_arena();
    leat_slot_request requests[8];
    leat_str names[8][2];
    leat_value slots[8], values[5];
    leat_err err = {0};
    leat_avro_plan *plan;
    leat_buf out;
    const leat_avro_schema *schema = parse(order_schema, arena);
    for (size_t i = 0; i < 8; i++) {
        for (size_t k = 0; k < asked[i].count; k++)
            names[i][k] = leat_str_of(asked[i].names[k]);
        requests[i] = (leat_slot_request){{names[i], asked[i].count}, (uint32_t)i, asked[i].exact};
    }
    leat_value map = json_of(json, arena);
    for (size_t i = 0; i < 5; i++)
        values[i] = map.as.entries[i].value;
    leat_buf_init(&out, BYTES_MAX);
    cr_assert_eq(leat_avro_encode(schema, values, arena, &out, &err), LEAT_OK, "%s", err.text);
    cr_assert_eq(leat_avro_plan_new(schema, NULL, requests, 8, BYTES_MAX, arena, &plan, &err),
                 LEAT_OK);
    cr_assert_eq(leat_avro_decode(plan, leat_buf_str(&out), arena, slots, &err), LEAT_OK, "%s",
                 err.text);
    for (size_t i = 0; i < 8; i++) {
        if (want[i] == NULL)
            cr_expect_eq(slots[i].tag, LEAT_MISSING, "slot %zu", i);
        else
            cr_expect_str_eq(text_of(slots[i], arena), want[i], "slot %zu: %s", i,
                             text_of(slots[i], arena));
    }
    leat_buf_release(&out);
    leat_arena_free(&arena);
}

Test(avro, fills_the_slots_asked_for)
{
    const char *const first[8] = {"\"o-1\"", "42",    "\"Ann\"", "12.50",
                                  "12.5",    "\"x\"", "[1,2]",   NULL};
    expect_slots("{\"id\":\"o-1\",\"customer\":{\"name\":\"Ann\",\"age\":42},\"price\":12.50,"
                 "\"tags\":{\"b\":\"y\",\"a\":\"x\"},\"items\":[1,2]}",
                 first);
    const char *const second[8] = {"\"o-2\"", NULL, NULL, "3.00", "3.0", NULL, "[]", NULL};
    expect_slots("{\"id\":\"o-2\",\"customer\":null,\"price\":3,\"tags\":{},\"items\":[]}", second);
}

Test(avro, blocks_with_sizes_are_read_and_skipped)
{
    leat_arena *arena = make_arena();
    leat_err err = {0};
    leat_value value, slots[1];
    leat_avro_plan *plan;
    const leat_avro_schema *schema = schema_of("{\"type\":\"array\",\"items\":\"string\"}", arena);
    /* -1 items in 2 bytes, then 2 items, then the end */
    leat_str bytes = bytes_of("01040261"
                              "0402620263"
                              "00",
                              arena);
    cr_assert_eq(decode(schema, NULL, bytes, arena, &value, &err), LEAT_OK, "%s", err.text);
    cr_expect_str_eq(text_of(value, arena), "{\"v\":[\"a\",\"b\",\"c\"]}");
    cr_assert_eq(leat_avro_plan_new(schema, NULL, NULL, 0, BYTES_MAX, arena, &plan, &err), LEAT_OK);
    cr_expect_eq(leat_avro_decode(plan, bytes, arena, slots, &err), LEAT_OK, "%s", err.text);
    leat_arena_free(&arena);
}
