/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers read and written exactly, beside the C library, whatever the locale. */
#include <criterion/criterion.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/number.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(number);

Test(number, ints)
{
    static const struct {
        const char *text;
        leat_number as_int, as_uint;
        int64_t want;
    } cases[] = {
        {"0", LEAT_NUMBER_OK, LEAT_NUMBER_OK, 0},
        {"-0", LEAT_NUMBER_OK, LEAT_NUMBER_SYNTAX, 0},
        {"42", LEAT_NUMBER_OK, LEAT_NUMBER_OK, 42},
        {"-42", LEAT_NUMBER_OK, LEAT_NUMBER_SYNTAX, -42},
        {"9223372036854775807", LEAT_NUMBER_OK, LEAT_NUMBER_OK, INT64_MAX},
        {"9223372036854775808", LEAT_NUMBER_RANGE, LEAT_NUMBER_OK, INT64_MIN},
        {"-9223372036854775808", LEAT_NUMBER_OK, LEAT_NUMBER_SYNTAX, INT64_MIN},
        {"-9223372036854775809", LEAT_NUMBER_RANGE, LEAT_NUMBER_SYNTAX, 0},
        {"18446744073709551615", LEAT_NUMBER_RANGE, LEAT_NUMBER_OK, -1},
        {"18446744073709551616", LEAT_NUMBER_RANGE, LEAT_NUMBER_RANGE, 0},
        {"99999999999999999999999999", LEAT_NUMBER_RANGE, LEAT_NUMBER_RANGE, 0},
        {"99999999999999999999999999x", LEAT_NUMBER_SYNTAX, LEAT_NUMBER_SYNTAX, 0},
        {"", LEAT_NUMBER_SYNTAX, LEAT_NUMBER_SYNTAX, 0},
        {"-", LEAT_NUMBER_SYNTAX, LEAT_NUMBER_SYNTAX, 0},
        {"+1", LEAT_NUMBER_SYNTAX, LEAT_NUMBER_SYNTAX, 0},
        {"01", LEAT_NUMBER_SYNTAX, LEAT_NUMBER_SYNTAX, 0},
        {"-01", LEAT_NUMBER_SYNTAX, LEAT_NUMBER_SYNTAX, 0},
        {"1.0", LEAT_NUMBER_SYNTAX, LEAT_NUMBER_SYNTAX, 0},
        {"1e3", LEAT_NUMBER_SYNTAX, LEAT_NUMBER_SYNTAX, 0},
        {" 1", LEAT_NUMBER_SYNTAX, LEAT_NUMBER_SYNTAX, 0},
        {"0x1", LEAT_NUMBER_SYNTAX, LEAT_NUMBER_SYNTAX, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t number = 77;
        uint64_t size = 77;
        cr_assert_eq(leat_number_int(leat_str_of(cases[i].text), &number), cases[i].as_int, "%s",
                     cases[i].text);
        cr_assert_eq(number, cases[i].as_int == LEAT_NUMBER_OK ? cases[i].want : 77);
        cr_assert_eq(leat_number_uint(leat_str_of(cases[i].text), &size), cases[i].as_uint, "%s",
                     cases[i].text);
        cr_assert_eq(size, cases[i].as_uint == LEAT_NUMBER_OK ? (uint64_t)cases[i].want : 77);
    }
}

static uint64_t bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static double of_bits(uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

Test(number, doubles)
{
    static const struct {
        const char *text;
        leat_number code;
        double want;
    } cases[] = {
        {"0", LEAT_NUMBER_OK, 0},
        {"-0", LEAT_NUMBER_OK, -0.0},
        {"0.0e9", LEAT_NUMBER_OK, 0},
        {"0e999999999999", LEAT_NUMBER_OK, 0},
        {"1", LEAT_NUMBER_OK, 1},
        {"-1.5", LEAT_NUMBER_OK, -1.5},
        {"1E3", LEAT_NUMBER_OK, 1000},
        {"1e+3", LEAT_NUMBER_OK, 1000},
        {"1.25e-2", LEAT_NUMBER_OK, 0.0125},
        {"0.1", LEAT_NUMBER_OK, 0.1},
        {"9007199254740993", LEAT_NUMBER_OK, 9007199254740992.0}, /* half, to even */
        {"9007199254740993.0000000000000000000000000000000000001", LEAT_NUMBER_OK,
         9007199254740994.0},
        {"9007199254740995", LEAT_NUMBER_OK, 9007199254740996.0},
        {"1.7976931348623157e308", LEAT_NUMBER_OK, DBL_MAX},
        {"1.7976931348623158e308", LEAT_NUMBER_OK, DBL_MAX},
        {"1.7976931348623159e308", LEAT_NUMBER_RANGE, INFINITY},
        {"-1e309", LEAT_NUMBER_RANGE, -INFINITY},
        {"1e99999999999999999999", LEAT_NUMBER_RANGE, INFINITY},
        {"4.9406564584124654e-324", LEAT_NUMBER_OK, 4.9406564584124654e-324},
        {"2.4703282292062327e-324", LEAT_NUMBER_OK, 0},                       /* below the half */
        {"2.4703282292062328e-324", LEAT_NUMBER_OK, 4.9406564584124654e-324}, /* above */
        {"1e-99999999999999999999", LEAT_NUMBER_OK, 0},
        {"2.2250738585072011e-308", LEAT_NUMBER_OK, 2.2250738585072011e-308},
        {"2.2250738585072014e-308", LEAT_NUMBER_OK, DBL_MIN},
        {"7.2057594037927933e16", LEAT_NUMBER_OK, 72057594037927936.0},
        {"", LEAT_NUMBER_SYNTAX, 0},
        {"-", LEAT_NUMBER_SYNTAX, 0},
        {".5", LEAT_NUMBER_SYNTAX, 0},
        {"5.", LEAT_NUMBER_SYNTAX, 0},
        {"5.e1", LEAT_NUMBER_SYNTAX, 0},
        {"05", LEAT_NUMBER_SYNTAX, 0},
        {"1e", LEAT_NUMBER_SYNTAX, 0},
        {"1e+", LEAT_NUMBER_SYNTAX, 0},
        {"1e5.5", LEAT_NUMBER_SYNTAX, 0},
        {"1.2.3", LEAT_NUMBER_SYNTAX, 0},
        {"+1", LEAT_NUMBER_SYNTAX, 0},
        {"1 ", LEAT_NUMBER_SYNTAX, 0},
        {"0x1p3", LEAT_NUMBER_SYNTAX, 0},
        {"NaN", LEAT_NUMBER_SYNTAX, 0},
        {"Infinity", LEAT_NUMBER_SYNTAX, 0},
        {"1,5", LEAT_NUMBER_SYNTAX, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double number = 77;
        cr_assert_eq(leat_number_double(leat_str_of(cases[i].text), &number), cases[i].code, "%s",
                     cases[i].text);
        double want = cases[i].code == LEAT_NUMBER_SYNTAX ? 77 : cases[i].want;
        cr_assert_eq(bits_of(number), bits_of(want), "%s: %a", cases[i].text, number);
    }
}

Test(number, texts)
{
    static const struct {
        double number;
        const char *want;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {10, "10.0"},
        {-1, "-1.0"},
        {0.1, "0.1"},
        {0.5, "0.5"},
        {1.5, "1.5"},
        {123.456, "123.456"},
        {0.001, "0.001"},
        {0.000001, "0.000001"},
        {0.0000001, "1e-7"},
        {1.5e-7, "1.5e-7"},
        {1e20, "100000000000000000000.0"},
        {1e21, "1e+21"},
        {1.25e22, "1.25e+22"},
        {9007199254740992, "9007199254740992.0"},
        {1e23, "1e+23"},
        {1e22, "1e+22"},
        {123456789012345680, "123456789012345680.0"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {4.9406564584124654e-324, "5e-324"},
        {1.0 / 3, "0.3333333333333333"},
        {2.0 / 3, "0.6666666666666666"},
        {100.0 / 3, "33.333333333333336"},
        {0.1 + 0.2, "0.30000000000000004"},
        {5e-324 * 3, "1.5e-323"},
        {2.5e-5, "0.000025"},
        {9.5, "9.5"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
        {NAN, "NaN"},
        {99.99, "99.99"},
        {1234567.89, "1234567.89"},
        {2251799813685248.5, "2251799813685248.5"},
        {-1e-300, "-1e-300"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[LEAT_NUMBER_TEXT_MAX];
        leat_str got = {text, leat_number_write(cases[i].number, text)};
        cr_assert(leat_str_is(got, cases[i].want), "%s: %.*s", cases[i].want, LEAT_STR_ARG(got));
    }
    leat_buf buf;
    leat_buf_init(&buf, 8);
    leat_number_add(&buf, 1.5);
    leat_number_add(&buf, -2.25);
    cr_assert(leat_str_is(leat_buf_str(&buf), "1.5-2.25")); /* to the last byte */
    leat_number_add(&buf, 1);
    cr_assert(buf.overflow);
    leat_buf_release(&buf);
}

/* Against the C library, which is slow and right: what is written reads back to the same bits, no
 * shorter text does, and of the shortest it is the nearest. */
static void check_text(double number)
{
    if (isnan(number) || isinf(number)) return;
    char text[LEAT_NUMBER_TEXT_MAX + 1], want[64];
    size_t len = leat_number_write(number, text);
    text[len] = 0;
    cr_assert_eq(bits_of(strtod(text, NULL)), bits_of(number), "%a: %s", number, text);
    double again = 0;
    cr_assert_eq(leat_number_double((leat_str){text, len}, &again), LEAT_NUMBER_OK);
    cr_assert_eq(bits_of(again), bits_of(number), "%a: %s", number, text);
    int digits = 1;
    do
        snprintf(want, sizeof want, "%.*e", digits - 1, number);
    while (strtod(want, NULL) != number && ++digits < 18);
    /* The same digits, whatever the form. */
    char a[32] = "", b[32] = "";
    size_t n = 0, m = 0;
    for (const char *c = text; *c != 0 && *c != 'e'; c++)
        if (*c >= '0' && *c <= '9' && (n != 0 || *c != '0')) a[n++] = *c;
    for (const char *c = want; *c != 0 && *c != 'e'; c++)
        if (*c >= '0' && *c <= '9' && (m != 0 || *c != '0')) b[m++] = *c;
    while (n != 0 && a[n - 1] == '0')
        a[--n] = 0;
    while (m != 0 && b[m - 1] == '0')
        b[--m] = 0;
    /* Beside a power of two the nearest of so few digits may miss and its neighbour not. */
    if (n == m) cr_assert_str_eq(a, b, "%a: %s, not %s", number, text, want);
    cr_assert_leq(n, m, "%a: %s, not %s", number, text, want);
}

Test(number, agrees_with_the_library)
{
    leat_random random = {1};
    for (int i = 0; i < 40000; i++) {
        check_text(of_bits(leat_random_next(&random)));
        check_text(of_bits(leat_random_next(&random) & 0xfffffffffffff)); /* subnormal */
        check_text(of_bits(leat_random_below(&random, 2047) << 52));      /* powers of two */
        check_text((double)leat_random_below(&random, 1000000000) / 100);
        check_text((double)(leat_random_next(&random) >> leat_random_below(&random, 64)));
    }
}

static size_t random_digits(leat_random *random, char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        text[i] = (char)('0' + leat_random_below(random, 10));
    if (count > 1 && text[0] == '0') text[0] = '7';
    return count;
}

Test(number, reads_what_the_library_reads)
{
    leat_random random = {2};
    for (int i = 0; i < 100000; i++) {
        static char text[4000];
        size_t len = 0;
        if (leat_random_below(&random, 2) != 0) text[len++] = '-';
        size_t most = leat_random_below(&random, 100) == 0 ? 1500 : 22;
        size_t whole = 1 + leat_random_below(&random, most);
        len += random_digits(&random, text + len, whole);
        if (leat_random_below(&random, 2) != 0) {
            text[len++] = '.';
            size_t zeros =
                leat_random_below(&random, 10) == 0 ? leat_random_below(&random, 400) : 0;
            memset(text + len, '0', zeros);
            len += zeros;
            len += random_digits(&random, text + len, 1 + leat_random_below(&random, most));
        }
        if (leat_random_below(&random, 2) != 0)
            len += (size_t)snprintf(text + len, 20, "e%d",
                                    (int)leat_random_below(&random, 700) - 350 - (int)whole);
        text[len] = 0;
        double want = strtod(text, NULL), got = 0;
        leat_number code = leat_number_double((leat_str){text, len}, &got);
        cr_assert_eq(code, isinf(want) ? LEAT_NUMBER_RANGE : LEAT_NUMBER_OK, "%s", text);
        cr_assert_eq(bits_of(got), bits_of(want), "%s: %a, not %a", text, got, want);
    }
}

/* The decimals exactly between two doubles, and a little beside them. */
Test(number, halves)
{
    leat_random random = {3};
    for (int i = 0; i < 20000; i++) {
        uint64_t significand = UINT64_C(1) << 53 | leat_random_next(&random) >> 11 | 1;
        int power = (int)leat_random_below(&random, 200) - 100;
        char text[400];
        long double half = ldexpl((long double)significand, power); /* 54 bits: exact */
        size_t len = (size_t)snprintf(text, sizeof text, "%.110Lf", half);
        while (text[len - 1] == '0' && text[len - 2] != '.')
            len--;
        switch (leat_random_below(&random, 3)) {
        case 0: text[len++] = '1'; break;
        case 1:
            if (text[len - 1] != '0') text[len - 1]--;
            break;
        default: break;
        }
        text[len] = 0;
        double want = strtod(text, NULL), got = 0;
        cr_assert_eq(leat_number_double((leat_str){text, len}, &got), LEAT_NUMBER_OK);
        cr_assert_eq(bits_of(got), bits_of(want), "%s: %a, not %a", text, got, want);
    }
}

Test(number, giant_texts)
{
    size_t zeros = 1000000;
    char *text = malloc(zeros + 100);
    memcpy(text, "0.", 2);
    memset(text + 2, '0', zeros);
    int tail = snprintf(text + 2 + zeros, 90, "15e%zu", zeros + 1);
    double number = 0;
    cr_assert_eq(leat_number_double((leat_str){text, 2 + zeros + (size_t)tail}, &number),
                 LEAT_NUMBER_OK);
    cr_assert_eq(number, 1.5);
    text[0] = '1';
    tail = snprintf(text + 2 + zeros, 90, "1");
    cr_assert_eq(leat_number_double((leat_str){text, 2 + zeros + (size_t)tail}, &number),
                 LEAT_NUMBER_OK);
    cr_assert_eq(number, 1);
    memset(text, '9', zeros);
    cr_assert_eq(leat_number_double((leat_str){text, zeros}, &number), LEAT_NUMBER_RANGE);
    free(text);
}

Test(number, the_locale_does_not_matter)
{
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) (void)setlocale(LC_ALL, "C.UTF-8");
    double number = 0;
    const char *text = "1.00000000000000011102230246251565404236316680908203125"; /* the slow way */
    cr_assert_eq(leat_number_double(leat_str_of(text), &number), LEAT_NUMBER_OK);
    cr_assert_eq(number, 1.0);
    char out[LEAT_NUMBER_TEXT_MAX];
    cr_assert_eq(leat_number_write(1.5, out), 3);
    cr_assert_eq(memcmp(out, "1.5", 3), 0);
}
