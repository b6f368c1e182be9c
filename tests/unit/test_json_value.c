/* SPDX-License-Identifier: Apache-2.0 */
/* Whole texts as values, numbers, and values as text. */
#include <criterion/criterion.h>
#include <math.h>

#include "schemas/codec_json.h"
#include "tests/unit/leak.h"

LEAT_SUITE(json_value);

static leat_arena *make_arena(void)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, (size_t)64 << 20, &err), LEAT_OK);
    return arena;
}

static leat_value read_value(const char *text, leat_arena *arena)
{
    leat_err err;
    leat_value value;
    cr_assert_eq(leat_json_value(leat_str_of(text), LEAT_JSON_LIMITS_DEFAULT, arena, &value, &err),
                 LEAT_OK, "%s: %s", text, err.text);
    return value;
}

static void expect_written(leat_value value, leat_arena *arena, const char *want)
{
    leat_err err;
    leat_buf out;
    leat_buf_init(&out, 1u << 20);
    cr_assert_eq(leat_json_write(value, arena, &out, &err), LEAT_OK, "%s", err.text);
    leat_buf_add_char(&out, '\0');
    cr_assert_str_eq(out.data, want, "%s, not %s", out.data, want);
    leat_buf_release(&out);
}

/* Read and written again. */
Test(json_value, reads_and_writes)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"null", "null"},
        {" true ", "true"},
        {"\"x\"", "\"x\""},
        {"0", "0"},
        {"-0", "0"},
        {"-0.0", "-0.0"},
        {"1.50", "1.5"},
        {"1e2", "100.0"},
        {"[]", "[]"},
        {"[ ]", "[]"},
        {"{}", "{}"},
        {"[1,[2,[3]],{\"a\":{}}]", "[1,[2,[3]],{\"a\":{}}]"},
        {"{ \"a\" : [ true , false ] , \"b\" : null }", "{\"a\":[true,false],\"b\":null}"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}"},
        {"{\"a\":1,\"\\u0061\":3}", "{\"a\":3}"},
        {"{\"\":1,\"\":3}", "{\"\":3}"},
        {"{\"a\":{\"x\":1,\"x\":2},\"a\":{\"x\":3,\"y\":4,\"x\":5}}", "{\"a\":{\"y\":4,\"x\":5}}"},
        {"\"\\u001f\\u0000\\\"\\\\\\/\\b\\f\\n\\r\\t\\u000b\"",
         "\"\\u001f\\u0000\\\"\\\\/\\b\\f\\n\\r\\t\\u000b\""},
        {"\"\\uD834\\uDD1E\\u20ac\\u7fff\x7f\"",
         "\"\xf0\x9d\x84\x9e\xe2\x82\xac\xe7\xbf\xbf\x7f\""},
        {"9223372036854775808", "9223372036854775808"},
        {"[18446744073709551616,-1e999]", "[18446744073709551616,-1e999]"},
        {"123456789012345678", "123456789012345678"},
        {"0.1", "0.1"},
        {"5e-324", "5e-324"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
    };
    leat_arena *arena = make_arena();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_written(read_value(cases[i].text, arena), arena, cases[i].want);
    }
    leat_arena_free(&arena);
}

Test(json_value, doubles_are_the_nearest)
{
    static const char *const texts[] = {
        "0.1",
        "1e22",
        "1e23",
        "9007199254740993.0",
        "123456.789e-3",
        "0.000001",
        "4.35",
        "1e-22",
        "1e-23",
        "8.5e21",
        "1.0000000000000002",
        "179769313486231570e291",
        "2.2250738585072011e-308",
        "9007199254740991e22",
        "3.0e0",
        "100e-2",
        "0.00e5",
        "123456789012345678.5",
        "0.30000000000000004",
        "5e-324",
        "2e-324",
        "1e308",
    };
    leat_arena *arena = make_arena();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        leat_value value = read_value(texts[i], arena);
        cr_assert_eq(value.tag, LEAT_DOUBLE);
        cr_assert_eq(value.as.d, strtod(texts[i], NULL), "%s: %.17g", texts[i], value.as.d);
    }
    leat_arena_free(&arena);
}

Test(json_value, numbers)
{
    static const struct {
        const char *text;
        leat_code code;
        leat_tag tag;
    } cases[] = {
        {"7", LEAT_OK, LEAT_INT},
        {"-9223372036854775808", LEAT_OK, LEAT_INT},
        {"1.0", LEAT_OK, LEAT_DOUBLE},
        {"1E2", LEAT_OK, LEAT_DOUBLE},
        {"9223372036854775808", LEAT_ERR_RANGE, 0},
        {"-9223372036854775809", LEAT_ERR_RANGE, 0},
        {"99999999999999999999999999", LEAT_ERR_RANGE, 0},
        {"1e400", LEAT_ERR_RANGE, 0},
        {"", LEAT_ERR_SYNTAX, 0},
        {"-", LEAT_ERR_SYNTAX, 0},
        {"01", LEAT_ERR_SYNTAX, 0},
        {"1 ", LEAT_ERR_SYNTAX, 0},
        {" 1", LEAT_ERR_SYNTAX, 0},
        {"+1", LEAT_ERR_SYNTAX, 0},
        {"1.", LEAT_ERR_SYNTAX, 0},
        {".5", LEAT_ERR_SYNTAX, 0},
        {"0x1", LEAT_ERR_SYNTAX, 0},
        {"NaN", LEAT_ERR_SYNTAX, 0},
        {"true", LEAT_ERR_SYNTAX, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leat_err err;
        leat_value value = LEAT_VALUE_MISSING;
        cr_assert_eq(leat_json_number(leat_str_of(cases[i].text), &value, &err), cases[i].code,
                     "%s", cases[i].text);
        if (cases[i].code == LEAT_OK) cr_assert_eq(value.tag, cases[i].tag, "%s", cases[i].text);
    }
}

typedef struct point {
    leat_object object;
    int64_t x;
} point;

static leat_code point_whole(const leat_object *object, leat_arena *arena, leat_value *value,
                             leat_err *err)
{
    leat_entry *entry = leat_arena_alloc(arena, sizeof *entry);
    if (entry == NULL) return leat_arena_full(arena, err);
    int64_t x = ((const point *)(const void *)object)->x;
    *entry = (leat_entry){leat_value_string(LEAT_STR("x")), leat_value_int(x)};
    *value = leat_value_map(entry, 1);
    return LEAT_OK;
}

Test(json_value, writes_what_json_has_no_form_for)
{
    static const leat_object_type type = {.name = "point", .whole = point_whole};
    static const point object = {{&type}, 7};
    leat_value inner = leat_value_string(LEAT_STR("in\n"));
    leat_entry keys[] = {
        {leat_value_bool(true), leat_value_int(1)},
        {leat_value_int(-5), leat_value_int(2)},
        {leat_value_uint(UINT64_MAX), leat_value_int(3)},
        {leat_value_string(LEAT_STR("\"")), leat_value_int(4)},
    };
    const struct {
        leat_value value;
        const char *want;
    } cases[] = {
        {LEAT_VALUE_MISSING, "null"},
        {leat_value_uint(UINT64_MAX), "18446744073709551615"},
        {leat_value_double(10), "10.0"},
        {leat_value_text(LEAT_BYTES, (leat_str){"\xff\x00\x01", 3}), "\"/wAB\""},
        {leat_value_text(LEAT_TYPE, LEAT_STR("int")), "\"int\""},
        {leat_value_text(LEAT_NUMBER, LEAT_STR("1.500")), "1.500"},
        {leat_value_text(LEAT_JSON, LEAT_STR("[ 1 ]")), "[ 1 ]"},
        {(leat_value){.tag = LEAT_TIMESTAMP, .as.i = 1}, "\"1970-01-01T00:00:01Z\""},
        {(leat_value){.tag = LEAT_DURATION, .len = 500000000, .as.i = 1}, "\"1.5s\""},
        {(leat_value){.tag = LEAT_OPTIONAL}, "null"},
        {(leat_value){.tag = LEAT_OPTIONAL, .as.items = &inner}, "\"in\\n\""},
        {(leat_value){.tag = LEAT_OBJECT, .as.object = &object.object}, "{\"x\":7}"},
        {leat_value_map(keys, 4), "{\"true\":1,\"-5\":2,\"18446744073709551615\":3,\"\\\"\":4}"},
    };
    leat_arena *arena = make_arena();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_written(cases[i].value, arena, cases[i].want);
    }
    leat_arena_free(&arena);
}

Test(json_value, refuses_to_write)
{
    static const leat_value one = {.tag = LEAT_INT, .as.i = 1};
    static const leat_entry by_double = {{.tag = LEAT_DOUBLE}, {.tag = LEAT_INT}};
    const leat_value cases[] = {
        leat_value_double(INFINITY),
        leat_value_double(-INFINITY),
        leat_value_double(NAN),
        leat_value_map(&by_double, 1),
    };
    leat_arena *arena = make_arena();
    leat_err err;
    leat_buf out;
    leat_buf_init(&out, 8);
    leat_buf_add_text(&out, "kept");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leat_value list[] = {one, cases[i]};
        cr_assert_eq(leat_json_write(leat_value_list(list, 2), arena, &out, &err),
                     LEAT_ERR_INVALID);
        cr_assert(leat_str_is(leat_buf_str(&out), "kept"));
    }
    leat_value text = leat_value_string(LEAT_STR("does not fit"));
    cr_assert_eq(leat_json_write(text, arena, &out, &err), LEAT_ERR_LIMIT);
    cr_assert(leat_str_is(leat_buf_str(&out), "kept"));
    leat_value deep[2000];
    deep[0] = one;
    for (size_t i = 1; i < 2000; i++) {
        deep[i] = leat_value_list(&deep[i - 1], 1);
    }
    leat_buf_release(&out);
    leat_buf_init(&out, 1u << 20);
    cr_assert_eq(leat_json_write(deep[1999], arena, &out, &err), LEAT_ERR_LIMIT);
    cr_assert_eq(leat_json_write(deep[1000], arena, &out, &err), LEAT_OK);
    leat_buf_release(&out);
    leat_arena_free(&arena);
}

Test(json_value, plain_strings_are_marked)
{
    leat_arena *arena = make_arena();
    leat_value list =
        read_value("[\"plain\",\"esc\\\"aped\",\"gr\xc3\xb6\xc3\x9f\x65\",{\"k\":1}]", arena);
    cr_assert(list.as.items[0].flags & LEAT_VALUE_PLAIN);
    cr_assert_not(list.as.items[1].flags & LEAT_VALUE_PLAIN);
    cr_assert(list.as.items[2].flags & LEAT_VALUE_PLAIN);
    cr_assert(list.as.items[3].as.entries[0].key.flags & LEAT_VALUE_PLAIN);
    leat_arena_free(&arena);
}

Test(json_value, members)
{
    leat_arena *arena = make_arena();
    leat_value map = read_value("{\"a\":1,\"text\":\"x\",\"empty\":\"\",\"none\":null}", arena);
    cr_expect_eq(leat_json_member(map, "a").as.i, 1);
    cr_expect_eq(leat_json_member(map, "none").tag, LEAT_NULL);
    cr_expect_eq(leat_json_member(map, "te").tag, LEAT_MISSING);
    cr_expect_eq(leat_json_member(read_value("[\"a\"]", arena), "a").tag, LEAT_MISSING);
    cr_expect(leat_str_is(leat_json_member_text(map, "text"), "x"));
    cr_expect(leat_str_is(leat_json_member_text(map, "empty"), ""));
    cr_expect_not_null(leat_json_member_text(map, "empty").data);
    cr_expect_null(leat_json_member_text(map, "a").data);
    cr_expect_null(leat_json_member_text(map, "none").data);
    cr_expect_null(leat_json_member_text(LEAT_VALUE_MISSING, "a").data);
    leat_arena_free(&arena);
}
