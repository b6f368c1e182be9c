/* SPDX-License-Identifier: Apache-2.0 */
/* Times and durations: RFC 3339, the calendar, and that what is written is read again. */
#include <criterion/criterion.h>

#include "core/time.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(time);

Test(time, parses_rfc_3339)
{
    static const struct {
        const char *text;
        leat_code code;
        int64_t seconds;
        uint32_t nanos;
        const char *again; /* in UTC; NULL: as text */
    } cases[] = {
        {"1970-01-01T00:00:00Z", LEAT_OK, 0, 0, NULL},
        {"0001-01-01T00:00:00Z", LEAT_OK, -62135596800, 0, NULL},
        {"9999-12-31T23:59:59.999999999Z", LEAT_OK, 253402300799, 999999999, NULL},
        {"2024-02-29T12:34:56.789Z", LEAT_OK, 1709210096, 789000000, NULL},
        {"2000-02-29T00:00:00Z", LEAT_OK, 951782400, 0, NULL},
        {"1969-12-31T23:59:59.5Z", LEAT_OK, -1, 500000000, NULL},
        {"2026-01-31T23:59:59+01:00", LEAT_OK, 1769900399, 0, "2026-01-31T22:59:59Z"},
        {"2023-12-31T23:59:59.999-08:00", LEAT_OK, 1704095999, 999000000,
         "2024-01-01T07:59:59.999Z"},
        {"2023-12-31T23:59:59.999+05:30", LEAT_OK, 1704047399, 999000000,
         "2023-12-31T18:29:59.999Z"},
        {"1970-01-01t00:00:00z", LEAT_OK, 0, 0, "1970-01-01T00:00:00Z"},
        {"1970-01-01T00:00:00.000000001Z", LEAT_OK, 0, 1, NULL},
        {"1970-01-01T00:00:00.100000000000Z", LEAT_OK, 0, 100000000, "1970-01-01T00:00:00.1Z"},
        {"1970-01-01T00:00:00-00:00", LEAT_OK, 0, 0, "1970-01-01T00:00:00Z"},
        {"", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"2024-01-01", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"2024-01-01T00:00:00", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"2024-01-01 00:00:00Z", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"2024-1-01T00:00:00Z", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"2024-01-01T00:00Z", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"2024-01-01T00:00:00.Z", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"2024-01-01T00:00:00.0000000001Z", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"2024-01-01T00:00:00+0100", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"2024-01-01T00:00:00+24:00", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"2024-01-01T00:00:00Zx", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"+2024-01-01T00:00:00Z", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"12024-01-01T00:00:00Z", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"2023-02-29T00:00:00Z", LEAT_ERR_RANGE, 0, 0, NULL},
        {"1900-02-29T00:00:00Z", LEAT_ERR_RANGE, 0, 0, NULL},
        {"2024-00-01T00:00:00Z", LEAT_ERR_RANGE, 0, 0, NULL},
        {"2024-13-01T00:00:00Z", LEAT_ERR_RANGE, 0, 0, NULL},
        {"2024-04-31T00:00:00Z", LEAT_ERR_RANGE, 0, 0, NULL},
        {"2024-01-00T00:00:00Z", LEAT_ERR_RANGE, 0, 0, NULL},
        {"2024-01-01T24:00:00Z", LEAT_ERR_RANGE, 0, 0, NULL},
        {"2024-01-01T00:60:00Z", LEAT_ERR_RANGE, 0, 0, NULL},
        {"2016-12-31T23:59:60Z", LEAT_ERR_RANGE, 0, 0, NULL},
        {"0000-01-01T00:00:00Z", LEAT_ERR_RANGE, 0, 0, NULL},
        {"0001-01-01T00:00:00+00:01", LEAT_ERR_RANGE, 0, 0, NULL},
        {"9999-12-31T23:59:59-00:01", LEAT_ERR_RANGE, 0, 0, NULL},
    };
    leat_buf out;
    leat_buf_init(&out, 100);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_err err;
        leat_value value;
        leat_code code = leat_time_parse(leat_str_of(cases[i].text), &value, &err);
        cr_assert_eq(code, cases[i].code, "%s", cases[i].text);
        if (code != LEAT_OK) continue;
        cr_assert_eq(value.as.i, cases[i].seconds, "%s: %lld", cases[i].text,
                     (long long)value.as.i);
        cr_assert_eq(value.len, cases[i].nanos, "%s", cases[i].text);
        leat_buf_reset(&out);
        leat_time_format(value, &out);
        cr_assert(leat_str_is(leat_buf_str(&out), cases[i].again ? cases[i].again : cases[i].text),
                  "%s: %.*s", cases[i].text, LEAT_STR_ARG(leat_buf_str(&out)));
    }
    leat_buf_release(&out);
}

/* Every day of the years 1 to 9999, counted by hand. */
Test(time, calendar)
{
    static const int32_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t seconds = -62135596800;
    int32_t weekday = 1; /* a Monday */
    for (int32_t year = 1; year <= 9999; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        int32_t yearday = 0;
        for (int32_t month = 1; month <= 12; month++) {
            int32_t days = lengths[month - 1] + (month == 2 && leap);
            for (int32_t day = 1; day <= days; day++) {
                leat_civil c = leat_time_civil(seconds + (int64_t)(yearday % 24) * 3600 + 61);
                bool same = c.year == year && c.month == month && c.day == day &&
                            c.weekday == weekday && c.yearday == yearday &&
                            c.hour == yearday % 24 && c.minute == 1 && c.second == 1;
                if (!same) cr_assert_fail("%d-%d-%d", year, month, day);
                if (leat_time_seconds(year, month, day, 0, 0, 0) != seconds)
                    cr_assert_fail("%d-%d-%d", year, month, day);
                seconds += 86400;
                weekday = (weekday + 1) % 7;
                yearday++;
            }
        }
    }
    cr_assert_eq(seconds, 253402300800);
}

Test(time, what_is_written_is_read)
{
    leat_random random = {1};
    leat_buf out;
    leat_buf_init(&out, 100);
    for (int i = 0; i < 100000; i++) {
        leat_err err;
        leat_value value = {.tag = LEAT_TIMESTAMP}, again;
        value.as.i = (int64_t)leat_random_below(&random, 315537897600) - 62135596800;
        value.len = (uint32_t)leat_random_below(&random, 1000000000);
        leat_buf_reset(&out);
        leat_time_format(value, &out);
        cr_assert_eq(leat_time_parse(leat_buf_str(&out), &again, &err), LEAT_OK);
        cr_assert(leat_value_same(value, again));
        value.tag = LEAT_DURATION;
        leat_buf_reset(&out);
        leat_duration_format(value, &out);
        cr_assert_eq(leat_duration_parse(leat_buf_str(&out), &again, &err), LEAT_OK);
        cr_assert(leat_value_same(value, again), "%.*s", LEAT_STR_ARG(leat_buf_str(&out)));
    }
    leat_buf_release(&out);
}

Test(time, durations)
{
    static const struct {
        const char *text;
        leat_code code;
        int64_t seconds;
        uint32_t nanos;
        const char *again;
    } cases[] = {
        {"0", LEAT_OK, 0, 0, "0s"},
        {"-0", LEAT_OK, 0, 0, "0s"},
        {"1s", LEAT_OK, 1, 0, "1s"},
        {"1h30m", LEAT_OK, 5400, 0, "5400s"},
        {"1.5s", LEAT_OK, 1, 500000000, "1.5s"},
        {"-1.5s", LEAT_OK, -2, 500000000, "-1.5s"},
        {"-10ms", LEAT_OK, -1, 990000000, "-0.01s"},
        {"+5s", LEAT_OK, 5, 0, "5s"},
        {".5m", LEAT_OK, 30, 0, "30s"},
        {"1.h", LEAT_OK, 3600, 0, "3600s"},
        {"1ns", LEAT_OK, 0, 1, "0.000000001s"},
        {"3us2\xc2\xb5s1\xce\xbcs", LEAT_OK, 0, 6000, "0.000006s"},
        {"1m1m", LEAT_OK, 120, 0, "120s"},
        {"0.3333333333333333333h", LEAT_OK, 1199, 999999999, "1199.999999999s"},
        {"-1ns", LEAT_OK, -1, 999999999, "-0.000000001s"},
        {"315576000000s", LEAT_OK, 315576000000, 0, "315576000000s"},
        {"-315576000000s", LEAT_OK, -315576000000, 0, "-315576000000s"},
        {"315576000000s1ns", LEAT_ERR_RANGE, 0, 0, NULL},
        {"320000000000s", LEAT_ERR_RANGE, 0, 0, NULL},
        {"9999999999999999h", LEAT_ERR_RANGE, 0, 0, NULL},
        {"99999999999999999999999h", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"-", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"1", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"s", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {".s", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"1d", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"1 s", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"1s ", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"1s-1s", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"1S", LEAT_ERR_SYNTAX, 0, 0, NULL},
        {"1.5.5s", LEAT_ERR_SYNTAX, 0, 0, NULL},
    };
    leat_buf out;
    leat_buf_init(&out, 100);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_err err;
        leat_value value;
        leat_code code = leat_duration_parse(leat_str_of(cases[i].text), &value, &err);
        cr_assert_eq(code, cases[i].code, "%s", cases[i].text);
        if (code != LEAT_OK) continue;
        cr_assert_eq(value.as.i, cases[i].seconds, "%s: %lld", cases[i].text,
                     (long long)value.as.i);
        cr_assert_eq(value.len, cases[i].nanos, "%s: %u", cases[i].text, value.len);
        leat_buf_reset(&out);
        leat_duration_format(value, &out);
        cr_assert(leat_str_is(leat_buf_str(&out), cases[i].again), "%s: %.*s", cases[i].text,
                  LEAT_STR_ARG(leat_buf_str(&out)));
    }
    leat_buf_release(&out);
}

Test(time, configuration)
{
    static const struct {
        const char *text;
        int64_t ms, bytes; /* -1: refused */
    } cases[] = {
        {"250ms", 250, -1},
        {"10s", 10000, -1},
        {"5m", 300000, -1},
        {"2h", 7200000, -1},
        {"7d", 604800000, -1},
        {"0s", 0, -1},
        {"64KiB", -1, 65536},
        {"1MiB", -1, 1048576},
        {"2GiB", -1, INT64_C(2) << 30},
        {"1TiB", -1, INT64_C(1) << 40},
        {"10B", -1, 10},
        {"0B", -1, 0},
        {"", -1, -1},
        {"10", -1, -1},
        {"ms", -1, -1},
        {"1.5s", -1, -1},
        {"-1s", -1, -1},
        {"1h30m", -1, -1},
        {"10 s", -1, -1},
        {"1kb", -1, -1},
        {"1KB", -1, -1},
        {"99999999999999999999s", -1, -1},
        {"9223372036854775807d", -1, -1},
        {"9223372036854775808ms", -1, -1},
        {"9223372036854775807ms", INT64_MAX, -1},
        {"99999999TiB", -1, -1},
        {"1w", -1, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_err err;
        int64_t ms = -1;
        uint64_t bytes = 0;
        leat_code code = leat_time_config(leat_str_of(cases[i].text), &ms, &err);
        cr_assert_eq(code, cases[i].ms < 0 ? LEAT_ERR_CONFIG : LEAT_OK, "%s", cases[i].text);
        if (code == LEAT_OK) cr_assert_eq(ms, cases[i].ms, "%s", cases[i].text);
        code = leat_size_config(leat_str_of(cases[i].text), &bytes, &err);
        cr_assert_eq(code, cases[i].bytes < 0 ? LEAT_ERR_CONFIG : LEAT_OK, "%s", cases[i].text);
        if (code == LEAT_OK) cr_assert_eq((int64_t)bytes, cases[i].bytes, "%s", cases[i].text);
    }
}

/* In the largest unit that it is a multiple of. */
Test(time, writes_durations_of_configuration)
{
    static const char *const texts[] = {
        "0ms", "1ms", "250ms", "1s", "90s", "5m", "90m", "2h", "36h", "7d", "9223372036854775807ms",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        leat_err err;
        int64_t ms = -1;
        leat_buf out;
        leat_buf_init(&out, 64);
        cr_assert_eq(leat_time_config(leat_str_of(texts[i]), &ms, &err), LEAT_OK);
        leat_time_config_format(ms, &out);
        cr_expect(leat_str_equal(leat_buf_str(&out), leat_str_of(texts[i])), "%s", texts[i]);
        leat_buf_release(&out);
    }
}
