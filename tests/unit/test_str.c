/* SPDX-License-Identifier: Apache-2.0 */
/* Slices: comparison, search, UTF-8, distance, hash. */
#include <criterion/criterion.h>

#include "core/str.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(str);

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

Test(str, compares_by_bytes)
{
    static const struct {
        const char *a, *b;
        int want;
    } cases[] = {{"", "", 0},   {"a", "a", 0},    {"a", "b", -1},     {"ab", "a", 1},
                 {"", "a", -1}, {"\xff", "a", 1}, {"abc", "abd", -1}, {"b", "abc", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_str a = leat_str_of(cases[i].a), b = leat_str_of(cases[i].b);
        cr_assert_eq(sign(leat_str_compare(a, b)), cases[i].want, "%s %s", a.data, b.data);
        cr_assert_eq(sign(leat_str_compare(b, a)), -cases[i].want);
        cr_assert_eq(leat_str_equal(a, b), cases[i].want == 0);
    }
    cr_assert_eq(leat_str_compare(LEAT_STR_NONE, LEAT_STR("")), 0);
}

Test(str, starts_ends_find)
{
    static const struct {
        const char *str, *part;
        bool starts, ends;
        ptrdiff_t at;
    } cases[] = {
        {"hello", "he", true, false, 0},   {"hello", "lo", false, true, 3},
        {"hello", "l", false, false, 2},   {"hello", "", true, true, 0},
        {"", "", true, true, 0},           {"", "a", false, false, -1},
        {"a", "ab", false, false, -1},     {"abab", "ab", true, true, 0},
        {"hello", "hello", true, true, 0}, {"aab", "ab", false, true, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_str str = leat_str_of(cases[i].str), part = leat_str_of(cases[i].part);
        cr_assert_eq(leat_str_starts(str, part), cases[i].starts, "case %zu", i);
        cr_assert_eq(leat_str_ends(str, part), cases[i].ends, "case %zu", i);
        cr_assert_eq(leat_str_find(str, part), cases[i].at, "case %zu", i);
    }
    cr_assert_eq(leat_str_find(LEAT_STR_NONE, LEAT_STR("a")), -1);
    cr_assert(leat_str_starts(LEAT_STR_NONE, LEAT_STR_NONE));
}

Test(str, utf8)
{
    static const struct {
        const char *name;
        leat_str text;
        bool want;
    } cases[] = {
        {"none", LEAT_STR_INIT(""), true},
        {"ASCII", LEAT_STR_INIT("plain"), true},
        {"NUL", LEAT_STR_INIT("a\0b"), true},
        {"two bytes", LEAT_STR_INIT("\xc3\xbc"), true},
        {"least of two", LEAT_STR_INIT("\xc2\x80"), true},
        {"most of two", LEAT_STR_INIT("\xdf\xbf"), true},
        {"least of three", LEAT_STR_INIT("\xe0\xa0\x80"), true},
        {"most of three", LEAT_STR_INIT("\xef\xbf\xbf"), true},
        {"before surrogates", LEAT_STR_INIT("\xed\x9f\xbf"), true},
        {"behind surrogates", LEAT_STR_INIT("\xee\x80\x80"), true},
        {"least of four", LEAT_STR_INIT("\xf0\x90\x80\x80"), true},
        {"most of all", LEAT_STR_INIT("\xf4\x8f\xbf\xbf"), true},
        {"a continuation alone", LEAT_STR_INIT("\x80"), false},
        {"overlong two", LEAT_STR_INIT("\xc0\xaf"), false},
        {"overlong two, c1", LEAT_STR_INIT("\xc1\xbf"), false},
        {"overlong three", LEAT_STR_INIT("\xe0\x9f\xbf"), false},
        {"overlong four", LEAT_STR_INIT("\xf0\x8f\xbf\xbf"), false},
        {"surrogate, first", LEAT_STR_INIT("\xed\xa0\x80"), false},
        {"surrogate, last", LEAT_STR_INIT("\xed\xbf\xbf"), false},
        {"beyond the last", LEAT_STR_INIT("\xf4\x90\x80\x80"), false},
        {"f5", LEAT_STR_INIT("\xf5\x80\x80\x80"), false},
        {"ff", LEAT_STR_INIT("\xff"), false},
        {"cut after one of two", LEAT_STR_INIT("\xc3"), false},
        {"cut after one of three", LEAT_STR_INIT("\xe2"), false},
        {"cut after two of three", LEAT_STR_INIT("\xe2\x82"), false},
        {"cut after three of four", LEAT_STR_INIT("\xf0\x9f\x98"), false},
        {"lead behind lead", LEAT_STR_INIT("\xc3\xc3\xbc"), false},
        {"ASCII inside", LEAT_STR_INIT("\xe2\x82q"), false},
        {"one too many", LEAT_STR_INIT("\xc3\xbc\xbc"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_str text = cases[i].text;
        cr_assert_eq(leat_str_utf8_valid(text), cases[i].want, "%s", cases[i].name);
        cr_assert_eq(leat_str_utf8_valid_portable(text), cases[i].want, "%s", cases[i].name);
        /* At every place of a longer text, of every length. */
        for (size_t before = 0; before < 40; before++) {
            for (size_t behind = 0; behind < 20; behind++) {
                char *long_text = malloc(before + text.len + behind + 1); /* ASan sees its end */
                memset(long_text, 'x', before + text.len + behind);
                memcpy(long_text + before, text.data, text.len);
                leat_str whole = {long_text, before + text.len + behind};
                cr_assert_eq(leat_str_utf8_valid(whole), cases[i].want, "%s behind %zu before %zu",
                             cases[i].name, before, behind);
                cr_assert_eq(leat_str_utf8_valid_portable(whole), cases[i].want);
                free(long_text);
            }
        }
    }
}

/* Straight from the definition: decode, then look whether encoding would give the same. */
static bool utf8_naive(const unsigned char *at, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t more = at[i] < 0x80       ? 0
                      : at[i] >> 5 == 6  ? 1
                      : at[i] >> 4 == 14 ? 2
                      : at[i] >> 3 == 30 ? 3
                                         : 9;
        if (more == 9 || i + more >= len) return false;
        uint32_t c = more == 0 ? at[i] : at[i] & (0x3fu >> more);
        for (size_t j = 1; j <= more; j++) {
            if (at[i + j] >> 6 != 2) return false;
            c = c << 6 | (at[i + j] & 0x3f);
        }
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return false;
        i += more + 1;
    }
    return true;
}

Test(str, utf8_random)
{
    static const unsigned char bytes[] = {'a',  0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
                                          0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
                                          0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff, 0x00};
    leat_random random = {1};
    size_t valid = 0;
    for (int i = 0; i < 300000; i++) {
        unsigned char text[64];
        size_t len = leat_random_below(&random, 20) + leat_random_below(&random, 2) * 44, at = 0;
        while (at < len) {
            if (leat_random_below(&random, 64) == 0) {
                text[at++] = bytes[leat_random_below(&random, sizeof bytes)];
                continue;
            }
            uint32_t c =
                (uint32_t)leat_random_below(&random, 0x800u << leat_random_below(&random, 10));
            unsigned char one[4];
            size_t n = 1;
            one[0] = (unsigned char)(c & 0x7f);
            if (c >= 0x10000) {
                one[0] = (unsigned char)(0xf0 | (c >> 18 & 7));
                one[1] = (unsigned char)(0x80 | (c >> 12 & 63));
                one[2] = (unsigned char)(0x80 | (c >> 6 & 63));
                one[3] = (unsigned char)(0x80 | (c & 63));
                n = 4;
            } else if (c >= 0x800) {
                one[0] = (unsigned char)(0xe0 | c >> 12);
                one[1] = (unsigned char)(0x80 | (c >> 6 & 63));
                one[2] = (unsigned char)(0x80 | (c & 63));
                n = 3;
            } else if (c >= 0x80) {
                one[0] = (unsigned char)(0xc0 | c >> 6);
                one[1] = (unsigned char)(0x80 | (c & 63));
                n = 2;
            }
            for (size_t j = 0; j < n && at < len; j++)
                text[at++] = one[j];
        }
        bool want = utf8_naive(text, len);
        valid += want;
        leat_str str = {(const char *)text, len};
        cr_assert_eq(leat_str_utf8_valid(str), want, "text %d", i);
        cr_assert_eq(leat_str_utf8_valid_portable(str), want, "text %d", i);
    }
    cr_assert_gt(valid, 50000); /* both kinds came up often */
    cr_assert_lt(valid, 250000);
}

Test(str, nearest)
{
    static const leat_str names[] = {LEAT_STR_INIT("filter"), LEAT_STR_INIT("flatten"),
                                     LEAT_STR_INIT("keep"),   LEAT_STR_INIT("dedupe"),
                                     LEAT_STR_INIT("to"),     LEAT_STR_INIT("topic")};
    static const struct {
        const char *name, *want;
    } cases[] = {
        {"filter", "filter"},  {"fliter", "filter"}, {"filte", "filter"},  {"filterr", "filter"},
        {"kep", "keep"},       {"kepe", "keep"},     {"dedup", "dedupe"},  {"topik", "topic"},
        {"ot", "to"},          {"x", NULL},          {"completely", NULL}, {"", NULL},
        {"flaten", "flatten"}, {"Filter", "filter"}, {"aggregate", NULL},  {"FLATTEN", "flatten"},
        {"flat", "flatten"},   {"fla", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_str got = leat_str_nearest(leat_str_of(cases[i].name), names, 6);
        cr_assert(leat_str_equal(got, leat_str_of(cases[i].want)), "%s: %.*s", cases[i].name,
                  LEAT_STR_ARG(got));
    }
    char giant[1000];
    memset(giant, 'a', sizeof giant);
    leat_str candidate = {giant, sizeof giant};
    cr_assert_null(leat_str_nearest(candidate, &candidate, 1).data); /* bounded work */
    cr_assert_null(leat_str_nearest(LEAT_STR("a"), &candidate, 1).data);
}

Test(str, hash)
{
    /* SipHash-1-3 under the key 00..0f: values of the reference implementation. */
    char bytes[64];
    for (int i = 0; i < 64; i++)
        bytes[i] = (char)i;
    static const struct {
        size_t len;
        uint64_t want;
    } cases[] = {
        {0, 0xabac0158050fc4dcu}, {1, 0xc9f49bf37d57ca93u}, {2, 0x82cb9b024dc7d44du},
        {3, 0x8bf80ab8e7ddf7fbu}, {8, 0x369095118d299a8eu},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(leat_str_hash_fixed((leat_str){bytes, cases[i].len}), cases[i].want,
                     "%zu: %llx", cases[i].len,
                     (unsigned long long)leat_str_hash_fixed((leat_str){bytes, cases[i].len}));
    for (size_t len = 0; len < 64; len++) {
        leat_str str = {bytes, len};
        cr_assert_eq(leat_str_hash(str), leat_str_hash(str));
        cr_assert_neq(leat_str_hash(str), leat_str_hash_fixed(str)); /* keyed */
        for (size_t other = 0; other < len; other++)
            cr_assert_neq(leat_str_hash(str), leat_str_hash((leat_str){bytes, other}));
    }
}

Test(str, hash_depends_on_every_byte)
{
    char bytes[40] = {0};
    for (size_t len = 1; len <= sizeof bytes; len++) {
        uint64_t before = leat_str_hash_fixed((leat_str){bytes, len});
        for (size_t i = 0; i < len; i++) {
            bytes[i] = 1;
            cr_assert_neq(leat_str_hash_fixed((leat_str){bytes, len}), before, "%zu of %zu", i,
                          len);
            bytes[i] = 0;
        }
    }
}
