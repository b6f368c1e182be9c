/* SPDX-License-Identifier: Apache-2.0 */
/* Values: timestamps, tags, sameness, and copies that borrow nothing. */
#include <criterion/criterion.h>

#include "core/value.h"
#include "tests/unit/leak.h"

LEAT_SUITE(value);

Test(value, timestamps_round_down)
{
    static const struct {
        int64_t ms, seconds;
        uint32_t nanos;
    } cases[] = {
        {0, 0, 0},
        {1, 0, 1000000},
        {999, 0, 999000000},
        {1000, 1, 0},
        {-1, -1, 999000000},
        {-1000, -1, 0},
        {-1001, -2, 999000000},
        {1700000000123, 1700000000, 123000000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_value value = leat_value_timestamp_of_ms(cases[i].ms);
        cr_assert_eq(value.tag, LEAT_TIMESTAMP);
        cr_assert_eq(value.as.i, cases[i].seconds, "%lld", (long long)cases[i].ms);
        cr_assert_eq(value.len, cases[i].nanos);
        cr_assert_eq(leat_value_timestamp_ms(value), cases[i].ms);
        value.len += 999999; /* less than a millisecond more */
        cr_assert_eq(leat_value_timestamp_ms(value), cases[i].ms);
    }
}

Test(value, tags_have_the_names_of_the_expression_language)
{
    cr_assert_str_eq(leat_tag_name(LEAT_INT), "int");
    cr_assert_str_eq(leat_tag_name(LEAT_NULL), "null_type");
    cr_assert_str_eq(leat_tag_name(LEAT_TIMESTAMP), "google.protobuf.Timestamp");
    for (int tag = 0; tag < LEAT_TAGS_COUNT; tag++)
        cr_assert_gt(strlen(leat_tag_name((leat_tag)tag)), 0);
}

/* One of everything, nested. items and entries must outlive it. */
typedef struct sample {
    char text[8];
    leat_value inner[3], items[12];
    leat_entry entries[3];
    leat_object object;
} sample;

static leat_value sample_value(sample *s)
{
    memcpy(s->text, "abcdefg", 8);
    leat_str text = {s->text, 7};
    s->inner[0] = leat_value_string(text);
    s->inner[1] = LEAT_VALUE_NULL;
    s->inner[2] = leat_value_text(LEAT_JSON, text);
    s->items[0] = leat_value_bool(true);
    s->items[1] = leat_value_int(-7);
    s->items[2] = leat_value_uint(7);
    s->items[3] = leat_value_double(0.5);
    s->items[4] = leat_value_text(LEAT_BYTES, text);
    s->items[5] = leat_value_text(LEAT_NUMBER, text);
    s->items[6] = leat_value_timestamp_of_ms(5);
    s->items[7] = (leat_value){.tag = LEAT_DURATION, .len = 5, .as.i = 1};
    s->items[8] = leat_value_list(s->inner, 3);
    s->items[9] = (leat_value){.tag = LEAT_OPTIONAL, .as.items = &s->inner[0]};
    s->items[10] = (leat_value){.tag = LEAT_OPTIONAL};
    s->items[11] = (leat_value){.tag = LEAT_OBJECT, .as.object = &s->object};
    s->entries[0] = (leat_entry){leat_value_string(text), leat_value_list(s->items, 12)};
    s->entries[1] = (leat_entry){leat_value_int(1), LEAT_VALUE_MISSING};
    s->entries[2] = (leat_entry){leat_value_text(LEAT_TYPE, text), leat_value_list(NULL, 0)};
    return leat_value_map(s->entries, 3);
}

Test(value, a_copy_borrows_nothing)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
    sample s = {0}, again = {0};
    leat_value copy;
    cr_assert_eq(leat_value_copy(sample_value(&s), arena, &copy, &err), LEAT_OK);
    cr_assert(leat_value_same(copy, sample_value(&s)));
    memset(s.text, 'x', sizeof s.text);
    memset(s.inner, 0, sizeof s.inner);
    memset(s.items, 0, sizeof s.items);
    memset(s.entries, 0, sizeof s.entries);
    leat_value want = sample_value(&again);
    again.items[11].as.object = &s.object; /* the one reference */
    cr_assert(leat_value_same(copy, want));
    leat_arena_free(&arena);
}

Test(value, same)
{
    leat_str a = LEAT_STR("a"), b = LEAT_STR("b");
    leat_entry ab[] = {{leat_value_string(a), leat_value_int(1)},
                       {leat_value_string(b), leat_value_int(2)}};
    leat_entry ba[] = {ab[1], ab[0]};
    leat_entry ac[] = {ab[0], {leat_value_string(b), leat_value_int(3)}};
    leat_value one = leat_value_int(1), two = leat_value_int(2);
    const struct {
        const char *name;
        leat_value a, b;
        bool want;
    } cases[] = {
        {"ints", one, leat_value_int(1), true},
        {"other int", one, two, false},
        {"int and uint", one, leat_value_uint(1), false},
        {"zeros", leat_value_double(0.0), leat_value_double(-0.0), false},
        {"not a number", leat_value_double(__builtin_nan("")), leat_value_double(__builtin_nan("")),
         true},
        {"texts", leat_value_string(a), leat_value_string(b), false},
        {"text and bytes", leat_value_string(a), leat_value_text(LEAT_BYTES, a), false},
        {"maps in another order", leat_value_map(ab, 2), leat_value_map(ba, 2), true},
        {"maps with another value", leat_value_map(ab, 2), leat_value_map(ac, 2), false},
        {"a shorter map", leat_value_map(ab, 1), leat_value_map(ab, 2), false},
        {"lists", leat_value_list(&one, 1), leat_value_list(&one, 1), true},
        {"other lists", leat_value_list(&one, 1), leat_value_list(&two, 1), false},
        {"a shorter list", leat_value_list(&one, 0), leat_value_list(&one, 1), false},
        {"nulls", LEAT_VALUE_NULL, LEAT_VALUE_NULL, true},
        {"null and missing", LEAT_VALUE_NULL, LEAT_VALUE_MISSING, false},
        {"nanoseconds", leat_value_timestamp_of_ms(1), leat_value_timestamp_of_ms(2), false},
        {"optionals", {.tag = LEAT_OPTIONAL}, {.tag = LEAT_OPTIONAL, .as.items = &one}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(leat_value_same(cases[i].a, cases[i].b), cases[i].want, "%s", cases[i].name);
        cr_assert_eq(leat_value_same(cases[i].b, cases[i].a), cases[i].want, "%s", cases[i].name);
    }
}

Test(value, copies_are_bounded)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
    static leat_value nested[100000];
    nested[0] = leat_value_int(1);
    for (size_t i = 1; i < 100000; i++)
        nested[i] = leat_value_list(&nested[i - 1], 1);
    leat_value copy;
    cr_assert_eq(leat_value_copy(nested[300], arena, &copy, &err), LEAT_OK);
    cr_assert_eq(leat_value_copy(nested[99999], arena, &copy, &err), LEAT_ERR_LIMIT);
    leat_arena_free(&arena);
    cr_assert_eq(leat_arena_new(&arena, 64, &err), LEAT_OK);
    sample s = {0};
    cr_assert_eq(leat_value_copy(sample_value(&s), arena, &copy, &err), LEAT_ERR_LIMIT);
    leat_arena_free(&arena);
}
