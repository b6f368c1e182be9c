/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers: what is added, the state that overflow leaves, and bytes read back. */
#include <criterion/criterion.h>

#include "core/buf.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(buf);

Test(buf, adds)
{
    leat_buf buf;
    leat_buf_init(&buf, 1000);
    cr_assert_eq(leat_buf_str(&buf).len, 0);
    leat_buf_add(&buf, LEAT_STR("ab"));
    leat_buf_add(&buf, LEAT_STR_NONE);
    leat_buf_add_char(&buf, 'c');
    leat_buf_add_text(&buf, "de");
    leat_buf_add_format(&buf, "%d|%s", 7,
                        "a text that is longer than the first sixty-four bytes of it");
    leat_buf_add_format(&buf, "%s", "");
    cr_assert(leat_str_is(leat_buf_str(&buf),
                          "abcde7|a text that is longer than the first sixty-four bytes of it"));
    leat_buf_reset(&buf);
    cr_assert_eq(buf.len, 0);
    leat_buf_release(&buf);
    leat_buf_release(&buf);
}

Test(buf, numbers)
{
    static const struct {
        int64_t number;
        const char *want;
    } cases[] = {
        {0, "0"},
        {7, "7"},
        {10, "10"},
        {99, "99"},
        {100, "100"},
        {-1, "-1"},
        {12345, "12345"},
        {-999999, "-999999"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
        {1000000000000000000, "1000000000000000000"},
    };
    leat_buf buf;
    leat_buf_init(&buf, 100);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_buf_reset(&buf);
        leat_buf_add_int(&buf, cases[i].number);
        cr_assert(leat_str_is(leat_buf_str(&buf), cases[i].want), "%s", cases[i].want);
    }
    leat_buf_reset(&buf);
    leat_buf_add_uint(&buf, UINT64_MAX);
    cr_assert(leat_str_is(leat_buf_str(&buf), "18446744073709551615"));
    leat_buf_release(&buf);
}

Test(buf, overflow_stays)
{
    leat_buf buf;
    leat_err err;
    leat_buf_init(&buf, 10);
    leat_buf_add(&buf, LEAT_STR("0123456789"));
    cr_assert_eq(leat_buf_check(&buf, "it", &err), LEAT_OK);
    leat_buf_add_char(&buf, 'x');
    leat_buf_add(&buf, LEAT_STR(""));
    cr_assert(buf.overflow);
    cr_assert_eq(buf.len, 10);
    cr_assert_eq(leat_buf_check(&buf, "the record", &err), LEAT_ERR_LIMIT);
    cr_assert_not_null(strstr(err.text, "the record"));
    leat_buf_reset(&buf);
    leat_buf_add(&buf, LEAT_STR("01234"));
    leat_buf_add(&buf, LEAT_STR("0123456")); /* too much at once: nothing of it */
    leat_buf_add_char(&buf, 'x');            /* would fit, but comes later */
    cr_assert_eq(buf.len, 5);
    cr_assert(buf.overflow);
    leat_buf_reset(&buf);
    cr_assert_null(leat_buf_reserve(&buf, SIZE_MAX));
    leat_buf_reset(&buf);
    leat_buf_add_format(&buf, "%s", "0123456789a");
    cr_assert(buf.overflow);
    leat_buf_release(&buf);
}

Test(buf, state_numbers_come_back)
{
    leat_random random = {1};
    leat_buf buf;
    leat_buf_init(&buf, 1 << 20);
    uint64_t numbers[1000];
    for (int i = 0; i < 1000; i++) {
        numbers[i] = leat_random_next(&random) >> leat_random_below(&random, 64);
        if (i < 8)
            numbers[i] =
                (uint64_t[]){0, 1, 127, 128, UINT64_MAX, INT64_MAX, UINT64_MAX / 2 + 1, 16383}[i];
        leat_buf_add_varuint(&buf, numbers[i]);
        leat_buf_add_varint(&buf, (int64_t)numbers[i]);
        leat_buf_add_u64(&buf, numbers[i]);
        leat_buf_add_u32(&buf, (uint32_t)numbers[i]);
        leat_buf_add_bytes(&buf, (leat_str){(const char *)&numbers[i], numbers[i] % 9});
        leat_buf_add_char(&buf, (char)numbers[i]);
    }
    leat_reader reader = leat_reader_of(leat_buf_str(&buf));
    for (int i = 0; i < 1000; i++) {
        uint64_t u = 0, v = 0;
        int64_t s = 0;
        uint32_t w = 0;
        uint8_t byte = 0;
        leat_str str;
        cr_assert(leat_reader_varuint(&reader, &u) && u == numbers[i]);
        cr_assert(leat_reader_varint(&reader, &s) && s == (int64_t)numbers[i]);
        cr_assert(leat_reader_u64(&reader, &v) && v == numbers[i]);
        cr_assert(leat_reader_u32(&reader, &w) && w == (uint32_t)numbers[i]);
        cr_assert(leat_reader_bytes(&reader, &str) && str.len == numbers[i] % 9);
        cr_assert_eq(memcmp(str.data, &numbers[i], str.len), 0);
        cr_assert(leat_reader_u8(&reader, &byte) && byte == (uint8_t)numbers[i]);
    }
    cr_assert_eq(reader.at, reader.end);
    cr_assert_not(reader.failed);
    uint8_t byte;
    cr_assert_not(leat_reader_u8(&reader, &byte));
    cr_assert(reader.failed);
    leat_buf_release(&buf);
}

Test(buf, big_endian_sorts)
{
    leat_buf buf;
    leat_buf_init(&buf, 100);
    leat_buf_add_u32(&buf, 0x01020304);
    leat_buf_add_u64(&buf, 0x05060708090a0b0c);
    cr_assert(leat_str_equal(leat_buf_str(&buf), LEAT_STR("\1\2\3\4\5\6\7\10\11\12\13\14")));
    leat_buf_release(&buf);
}

Test(buf, reader_refuses_damage)
{
    static const struct {
        const char *name;
        leat_str bytes;
    } cases[] = {
        {"nothing", LEAT_STR_INIT("")},
        {"cut", LEAT_STR_INIT("\x80")},
        {"eleven bytes", LEAT_STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
        {"65 bits", LEAT_STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_reader reader = leat_reader_of(cases[i].bytes);
        uint64_t number;
        cr_assert_not(leat_reader_varuint(&reader, &number), "%s", cases[i].name);
        cr_assert(reader.failed);
        uint8_t byte;
        cr_assert_not(leat_reader_u8(&reader, &byte)); /* stays so */
    }
    leat_reader reader = leat_reader_of(LEAT_STR("\5abc")); /* longer than there is */
    leat_str str;
    cr_assert_not(leat_reader_bytes(&reader, &str));
    reader = leat_reader_of(LEAT_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    cr_assert_not(leat_reader_bytes(&reader, &str));
    reader = leat_reader_of(LEAT_STR("abc"));
    uint32_t number;
    cr_assert_not(leat_reader_u32(&reader, &number));
}

static bool grow(void)
{
    leat_buf buf;
    leat_err err;
    leat_buf_init(&buf, 100000);
    for (int i = 0; i < 5000; i++)
        leat_buf_add(&buf, LEAT_STR("0123456789"));
    bool failed = leat_buf_check(&buf, "it", &err) != LEAT_OK;
    cr_assert_eq(failed, buf.len != 50000);
    leat_buf_release(&buf);
    return failed;
}

Test(buf, survives_every_failing_allocation)
{
    leat_tests_fail_each(grow);
}
