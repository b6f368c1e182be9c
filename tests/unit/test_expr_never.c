/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions that can never hold: what is said of them, and that it is never said of one that holds
 * for some value. */
#include <math.h>

#include "tests/unit/expr_harness.h"
#include "transforms/expr_form.h"

LEAT_SUITE(expr_never);

static void add_fields(expr_harness *h)
{
    harness_init(h);
    harness_add(h, "v", NULL, leat_value_int(1));
    harness_add(h, "w", NULL, leat_value_int(1));
    harness_add(h, "kind", NULL, leat_value_string(LEAT_STR("x")));
    harness_add(h, "flag", NULL, leat_value_bool(true));
    harness_add(h, "m.v", NULL, leat_value_int(1));
    harness_add(h, "string", NULL, LEAT_VALUE_MISSING);
}

#define BOTH(a, b) "no value fulfils both `" a "` and `" b "`"
#define NONE_ELSE  ", and no other alternative can hold"

/* want: NULL: it may hold. */
static const struct {
    const char *text, *want;
} cases[] = {
    /* numbers */
    {"v > 10 && v < 5", BOTH("v > 10", "v < 5")},
    {"v > 5 && v < 10", NULL},
    {"v > 1 && v < 2", NULL}, /* 1.5 */
    {"v >= 5 && v < 5", BOTH("v >= 5", "v < 5")},
    {"v > 5 && v <= 5", BOTH("v > 5", "v <= 5")},
    {"v >= 5 && v <= 5", NULL},
    {"v >= 5 && v <= 5.0", NULL},
    {"v > 5 && v == 5.0", BOTH("v > 5", "v == 5.0")},
    {"v == 5 && v == 5.0", NULL},
    {"v == 5u && v == 6", BOTH("v == 5u", "v == 6")},
    {"10 < v && 5 > v", BOTH("v > 10", "v < 5")},
    {"v > -1 && v < 0u", NULL}, /* -0.5 */
    {"v > 10 && w < 5", NULL},
    {"v > 10 && w == 1 && v < 5", BOTH("v > 10", "v < 5")},
    {"v < 1 && (w == 1 && (v > 2 && kind == 'x'))", BOTH("v < 1", "v > 2")},
    {"m.v > 10 && m.v < 5", BOTH("m.v > 10", "m.v < 5")},
    {"x.y > 10 && x.y < 5", BOTH("x.y > 10", "x.y < 5")},
    {"v > 1.0 && v < 1.0000000000000002", BOTH("v > 1.0", "v < 1.0000000000000002")},
    {"v == double('NaN')", "no value fulfils `v == NaN`"},
    {"v != double('NaN')", NULL},
    {"v < 5 && v >= double('NaN')", "no value fulfils `v >= NaN`"},
    {"v > double('Infinity') && w == 1 && v > 1", BOTH("v > Infinity", "v > 1")},
    {"v >= double('-Infinity') && v <= double('Infinity')", NULL},
    {"v <= -9223372036854775808 && v >= 9223372036854775807",
     BOTH("v <= -9223372036854775808", "v >= 9223372036854775807")},
    {"v > 9223372036854775807 && v < 9223372036854775809u", NULL}, /* ...808u */
    {"v > 18446744073709551615u && v < 1.9e19", NULL},             /* 1.85e19 */
    /* ints beyond 2^53 meet doubles rounded */
    {"v > 9007199254740992 && v < 9007199254740993",
     BOTH("v > 9007199254740992", "v < 9007199254740993")},
    {"v > 9007199254740992 && v < 9007199254740994", NULL},
    {"v >= 9007199254740993 && v <= 9007199254740992.0", NULL},
    {"v > 9007199254740992 && v == 9007199254740992.0", NULL},
    {"v == 9007199254740993 && v == 9007199254740992", NULL}, /* the double is both */
    {"v == 9007199254740993 && v != 9007199254740992.0",
     BOTH("v == 9007199254740993", "v != 9007199254740992.0")},
    {"v == 9007199254740992.0 && v != 9007199254740992", NULL},
    /* texts and what else is equal or not */
    {"kind == 'x' && kind == 'y'", BOTH("kind == 'x'", "kind == 'y'")},
    {"kind == 'x' && kind == 'x'", NULL},
    {"kind == 'x' && kind != 'x'", BOTH("kind == 'x'", "kind != 'x'")},
    {"kind != 'x' && kind != 'y'", NULL},
    {"!(kind == 'x') && kind == 'x'", BOTH("kind != 'x'", "kind == 'x'")},
    {"!(v < 5) && v < 5", NULL}, /* not looked into */
    {"kind > 'b' && kind < 'a'", BOTH("kind > 'b'", "kind < 'a'")},
    {"kind > 'a' && kind < 'b'", NULL},
    {"kind == 'x' && kind == 5", BOTH("kind == 'x'", "kind == 5")},
    {"kind == 'x' && kind > 5", BOTH("kind == 'x'", "kind > 5")},
    {"kind == null && kind > 5", BOTH("kind == null", "kind > 5")},
    {"kind == null && kind != null", BOTH("kind == null", "kind != null")},
    {"kind == null && kind == null", NULL},
    {"kind == [1] && kind == 'x'", NULL}, /* lists are not looked into */
    {"kind == 'it\\'s\\\\' && kind == '\\n'", BOTH("kind == 'it\\'s\\\\'", "kind == '\\x0a'")},
    {"v == b'x' && v == b'y'", BOTH("v == ...", "v == ...")},
    {"v > timestamp('2026-01-02T00:00:00Z') && v < timestamp('2026-01-01T00:00:00Z')",
     BOTH("v > timestamp('2026-01-02T00:00:00Z')", "v < timestamp('2026-01-01T00:00:00Z')")},
    {"v >= duration('5m') && v < duration('300s')",
     BOTH("v >= duration('300s')", "v < duration('300s')")},
    {"v == int && v == string", NULL},
    /* lists */
    {"v in []", "no value fulfils `v in []`"},
    {"!(v in [])", NULL},
    {"kind == 'x' && kind in ['a', 'b']", BOTH("kind == 'x'", "kind in ['a', 'b']")},
    {"kind in ['a', 'b'] && kind == 'b'", NULL},
    {"kind in ['a', 'b'] && kind in ['c', 'd', 'e', 'f']",
     BOTH("kind in ['a', 'b']", "kind in ['c', 'd', 'e', ...]")},
    {"v in [1, 2, 'x'] && v > 2", BOTH("v in [1, 2, 'x']", "v > 2")},
    {"v in [1, 2, 3] && v > 2", NULL},
    {"v in [1, [2]] && v > 2", NULL},
    {"kind == 'a' && !(kind in ['a', 'b'])", BOTH("kind == 'a'", "!(kind in ['a', 'b'])")},
    {"kind in ['a', 'b'] && !(kind in ['b', 'a', 'c'])",
     BOTH("kind in ['a', 'b']", "!(kind in ['b', 'a', 'c'])")},
    {"kind in ['a', 'b'] && !(kind in ['a'])", NULL},
    {"kind in ['a', 'b'] && kind != 'a' && kind != 'b'", NULL}, /* three tests */
    /* parts of texts */
    {"kind.startsWith('a') && kind == 'b'", BOTH("kind.startsWith('a')", "kind == 'b'")},
    {"kind.startsWith('a') && kind == 'ab'", NULL},
    {"kind.startsWith('ab') && kind.startsWith('a')", NULL},
    {"kind.startsWith('ab') && kind.startsWith('b')",
     BOTH("kind.startsWith('ab')", "kind.startsWith('b')")},
    {"kind.endsWith('a') && kind in ['ab', 'b']",
     BOTH("kind.endsWith('a')", "kind in ['ab', 'b']")},
    {"kind.endsWith('a') && kind.startsWith('b')", NULL},
    {"kind.contains('a') && kind == 'bcd'", BOTH("kind.contains('a')", "kind == 'bcd'")},
    {"kind.matches('a') && kind == 'b'", NULL},
    {"kind.matches('a') && kind == 1", BOTH("kind.matches('a')", "kind == 1")},
    {"!kind.startsWith('a') && kind == 'a'", NULL},
    {"kind.startsWith('a') && kind < 'a'", NULL},
    /* truths, and what is there */
    {"flag && !flag", BOTH("flag", "!flag")},
    {"flag && flag == false", BOTH("flag", "flag == false")},
    {"!!flag && flag != true", BOTH("flag", "flag != true")},
    {"flag && flag == 'x'", BOTH("flag", "flag == 'x'")},
    {"flag && v == 1", NULL},
    {"!has(m.v) && m.v > 1", BOTH("!has(m.v)", "m.v > 1")},
    {"!has(m.v) && m.v != 1", BOTH("!has(m.v)", "m.v != 1")},
    {"has(m.v) && m.v > 1", NULL},
    {"!has(m.v) && v > 1", NULL},
    {"!has(x.y) && x.y > 1", NULL},
    {"string == 'x' && string == 'y'", BOTH("string == 'x'", "string == 'y'")},
    /* alternatives */
    {"v > 10 || v < 5", NULL},
    {"v > 10 && (v < 5 || v == 7)", BOTH("v > 10", "v < 5") NONE_ELSE},
    {"v > 10 && (v < 5 || w == 7)", NULL},
    {"(v < 5 || w == 7) && v > 10", NULL},
    {"(v == 1 || v == 2) && v == 3", BOTH("v == 3", "v == 1") NONE_ELSE},
    {"(v == 1 && v == 2) || (w == 1 && w == 2)", BOTH("v == 1", "v == 2") NONE_ELSE},
    {"(v == 1 && v == 2) || w == 1", NULL},
    {"v == 1 && (w == 1 || (v == 2 || w == 2) && v == 3)", NULL},
    {"v == 1 && (v == 2 || (v == 1 || w == 2) && v == 3)", BOTH("v == 1", "v == 2") NONE_ELSE},
    {"(v == 1 || w == 1) && (v == 2 || w == 2)", NULL},
    {"v > 1 ? v < 0 : v > 2", NULL},
    /* constants */
    {"v > 1 && false", "an operand of && is never true"},
    {"v > 1 && true", NULL},
    {"v > 1 || true", NULL},
    {"1 > 2", NULL}, /* it is a constant */
    {"v", NULL},
    {"v + 1", NULL},
};

Test(expr_never, tells_what_excludes_what)
{
    expr_harness h;
    add_fields(&h);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const leat_expr *expr = harness_compile(&h, cases[i].text);
        cr_assert_not_null(expr, "%s: %s", cases[i].text, h.err.text);
        const char *said = leat_expr_never(expr);
        const char *want = cases[i].want;
        cr_expect((said == NULL) == (want == NULL), "%s: %s", cases[i].text,
                  said == NULL ? "may hold" : said);
        if (said != NULL && want != NULL) cr_expect_str_eq(said, want);
    }
    harness_release(&h);
}

/* A long text is cut between its characters, and many tests are a limit, no mistake. */
Test(expr_never, is_bounded)
{
    static char text[60000];
    expr_harness h;
    add_fields(&h);
    size_t len = (size_t)snprintf(text, sizeof text, "kind == '");
    for (int i = 0; i < 30; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "\xc3\xa9\xe2\x82\xac");
    (void)snprintf(text + len, sizeof text - len, "' && kind == 'x'");
    const leat_expr *expr = harness_compile(&h, text);
    cr_assert_not_null(expr);
    cr_expect_not_null(strstr(leat_expr_never(expr), "\xe2\x82\xac...'` and `kind == 'x'`"));
    len = 0;
    for (int i = 0; i < 3000; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "v != %d && ", i);
    (void)snprintf(text + len, sizeof text - len, "v == 3");
    cr_assert_not_null(harness_compile(&h, text));
    len = (size_t)snprintf(text, sizeof text, "v in [0");
    for (int i = 1; i < 3000; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, ",%d", i);
    (void)snprintf(text + len, sizeof text - len, "] && v > 5000");
    expr = harness_compile(&h, text);
    cr_assert_not_null(expr);
    cr_expect_null(leat_expr_never(expr)); /* so many are not looked at */
    harness_release(&h);
}

/* --- certain ----------------------------------------------------------------------------- */

static const char *const tests[] = {
    "v == 5",
    "v != 5",
    "v < 5",
    "v <= 5",
    "v > 5",
    "v >= 5",
    "v == 5u",
    "v != 5.0",
    "v > 4.5",
    "v < 5.5",
    "v > -1",
    "v < 0u",
    "v <= 0.0",
    "v >= -0.0",
    "v == 9007199254740992",
    "v == 9007199254740993",
    "v == 9007199254740992.0",
    "v != 9007199254740992",
    "v != 9007199254740992.0",
    "v > 9007199254740992",
    "v >= 9007199254740993u",
    "v > 9007199254740992.0",
    "v < 9007199254740994",
    "v <= 9007199254740992.0",
    "v < 9007199254740993",
    "v >= 9223372036854775807",
    "v > 9223372036854775807",
    "v < 9223372036854775808u",
    "v == 9223372036854775808.0",
    "v > 1e19",
    "v < -1e19",
    "v > double('Infinity')",
    "v >= double('Infinity')",
    "v <= double('-Infinity')",
    "v == double('NaN')",
    "v != double('NaN')",
    "v == 'a'",
    "v != 'a'",
    "v < 'b'",
    "v >= 'b'",
    "v > 'a'",
    "v.startsWith('a')",
    "v.startsWith('ab')",
    "v.endsWith('b')",
    "v.contains('b')",
    "v.matches('a')",
    "v in ['a', 'b', 5]",
    "v in [1, 'ab', null]",
    "!(v in ['a', 5])",
    "!(v in [9007199254740992.0, 1.0])",
    "v in []",
    "v == null",
    "v != null",
    "v",
    "!v",
    "v == true",
    "v < true",
    "v == [1]",
    "v != [1]",
    "v == b'a'",
    "v > b'a'",
    "v == timestamp(5)",
    "v > duration('5s')",
};
#define TESTS_COUNT (sizeof tests / sizeof tests[0])

static size_t fill_values(leat_value *values)
{
    static const leat_value one[] = {{.tag = LEAT_INT, .as.i = 1}};
    static const int64_t ints[] = {INT64_MIN, -1, 0, 1, 4, 5, 6, INT64_MAX - 1, INT64_MAX};
    static const double doubles[] = {-1e20, -0.5, -0.0, 0.0,  0.5,  4.75,
                                     5.0,   5.25, 1e18, 2e19, 1e300};
    static const char *const texts[] = {"", "a", "ab", "abb", "b", "c", "bab"};
    size_t n = 0;
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++)
        values[n++] = leat_value_int(ints[i]);
    for (int64_t i = -3; i <= 3; i++) {
        values[n++] = leat_value_int(((int64_t)1 << 53) + i);
        values[n++] = leat_value_double(0x1p53 + (double)(2 * i));
        values[n++] = (leat_value){.tag = LEAT_UINT, .as.u = ((uint64_t)1 << 53) + 3 + (uint64_t)i};
        values[n++] = (leat_value){.tag = LEAT_UINT, .as.u = ((uint64_t)1 << 63) + 3 + (uint64_t)i};
    }
    for (uint64_t i = 0; i < 7; i++)
        values[n++] = (leat_value){.tag = LEAT_UINT, .as.u = i};
    values[n++] = (leat_value){.tag = LEAT_UINT, .as.u = UINT64_MAX};
    for (size_t i = 0; i < sizeof doubles / sizeof doubles[0]; i++)
        values[n++] = leat_value_double(doubles[i]);
    values[n++] = leat_value_double(0x1p63);
    values[n++] = leat_value_double((double)INFINITY);
    values[n++] = leat_value_double(-(double)INFINITY);
    values[n++] = leat_value_double((double)NAN);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        values[n++] = leat_value_string(leat_str_of(texts[i]));
    for (size_t i = 0; i < 3; i++)
        values[n++] = leat_value_text(LEAT_BYTES, leat_str_of(texts[i]));
    for (int64_t i = 4; i < 7; i++) {
        values[n++] = (leat_value){.tag = LEAT_TIMESTAMP, .as.i = i};
        values[n++] = (leat_value){.tag = LEAT_DURATION, .as.i = i};
    }
    values[n++] = leat_value_bool(true);
    values[n++] = leat_value_bool(false);
    values[n++] = LEAT_VALUE_NULL;
    values[n++] = LEAT_VALUE_MISSING;
    values[n++] = (leat_value){.tag = LEAT_LIST, .len = 1, .as.items = one};
    values[n++] = leat_value_text(LEAT_JSON, LEAT_STR("[1]"));
    values[n++] = leat_value_text(LEAT_NUMBER, LEAT_STR("9007199254740993"));
    values[n++] = leat_value_text(LEAT_NUMBER, LEAT_STR("5.000"));
    values[n++] = leat_value_text(LEAT_NUMBER, LEAT_STR("92233720368547758070"));
    return n;
}

static bool holds_for_some(expr_harness *h, const leat_expr *expr, const leat_value *values,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool holds = false;
        h->slots[0] = values[i];
        leat_arena_reset(h->batch);
        if (leat_expr_test(expr, &h->eval, &holds, &h->err) == LEAT_OK && holds) return true;
    }
    return false;
}

/* Of all pairs of tests: what is said never to hold holds for no value; and where none of so many
 * values does, that is found for most. */
Test(expr_never, is_certain)
{
    leat_value values[128];
    size_t count = fill_values(values);
    size_t idle = 0;
    size_t found = 0;
    cr_assert_leq(count, sizeof values / sizeof values[0]);
    for (size_t i = 0; i < TESTS_COUNT; i++) {
        expr_harness h;
        harness_init(&h);
        harness_add(&h, "v", NULL, LEAT_VALUE_NULL);
        for (size_t j = 0; j < TESTS_COUNT; j++) {
            char text[256];
            (void)snprintf(text, sizeof text, "%s && %s", tests[i], tests[j]);
            const leat_expr *expr = harness_compile(&h, text);
            cr_assert_not_null(expr, "%s: %s", text, h.err.text);
            const char *never = leat_expr_never(expr);
            bool some = holds_for_some(&h, expr, values, count);
            cr_expect(never == NULL || !some, "%s: %s", text, never);
            idle += !some;
            found += never != NULL;
        }
        harness_release(&h);
    }
    cr_expect_gt(found, idle * 9 / 10, "%zu of %zu", found, idle);
}
