/* SPDX-License-Identifier: Apache-2.0 */
/* Functions beyond CEL's own: hashes against published values, regular expressions, encodings,
 * times, places. */
#include "tests/unit/expr_harness.h"

LEAT_SUITE(expr_more);

typedef struct expr_case {
    const char *text, *want;
} expr_case;

static const expr_case cases[] = {
    /* hashes: RFC 1321, RFC 6234, RFC 4231, and the algorithms' own test values */
    {"hash.md5('')", "\"d41d8cd98f00b204e9800998ecf8427e\""},
    {"hash.sha1('abc')", "\"a9993e364706816aba3e25717850c26c9cd0d89d\""},
    {"hash.sha256(b'abc')", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""},
    {"hash.sha512('').size()", "128"},
    {"hash.sha512('').startsWith('cf83e1357eefb8bdf1542850d66d8007')", "true"},
    {"hash.hmacSha256('what do ya want for nothing?', 'Jefe')",
     "\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\""},
    {"hash.hmacSha256('', '').startsWith('b613679a0814d9ec772f95d778c35fc5')", "true"},
    {"hash.crc32('123456789')", "3421780262"},
    {"hash.crc32('')", "0"},
    {"hash.xxh64('')", "17241709254077376921"},
    {"hash.xxh64('abc')", "4952883123889572249"},
    {"hash.xxh64('Nobody inspects the spammish repetition')", "18144624926692707313"},
    {"hash.murmur3('')", "0"},
    {"hash.murmur3('hello')", "613153351"},
    {"hash.murmur3('hello, world')", "345750399"},
    {"hash.sha1(5)", "error: no matching overload for 'hash.sha1' applied to '(int)'"},
    {"uuid.v5('dns', 'python.org')", "\"886313e1-3b8a-5372-9b90-0c9aee199e5d\""},
    {"uuid.v5('6BA7B810-9DAD-11D1-80B4-00C04FD430C8', 'python.org')",
     "\"886313e1-3b8a-5372-9b90-0c9aee199e5d\""},
    {"uuid.v5('nowhere', 'x')",
     "error: 'nowhere' is no UUID, nor dns, url, oid or x500 (column 6)"},
    {"uuid.isUUID('886313e1-3b8a-5372-9b90-0c9aee199e5d')", "true"},
    {"uuid.isUUID('886313e1-3b8a-5372-9b90-0c9aee199e5')", "false"},
    {"uuid.isUUID('886313e1x3b8a-5372-9b90-0c9aee199e5d')", "false"},
    {"uuid.isUUID('886313g1-3b8a-5372-9b90-0c9aee199e5d')", "false"},
    /* encodings */
    {"hex.encode(b'\\x00\\xff')", "\"00ff\""},
    {"hex.encode('az')", "\"617a\""},
    {"hex.decode('617A') == b'az'", "true"},
    {"hex.decode('6')", "error: hexadecimal text has an odd number of digits (column 5)"},
    {"url.encode('a b/\u00e9&')", "\"a%20b%2F%C3%A9%26\""},
    {"url.decode('a%20b+%C3%A9')", "\"a b+\xc3\xa9\""},
    {"url.decode('%ff')", "error: what is decoded is not valid UTF-8 (column 5)"},
    {"json.parse('{\"a\": [1, 2.5, null]}').a[1] + 0.5", "3.0"},
    {"json.parse('7') == 7", "true"},
    {"json.parse('{')",
     "error: JSON, byte 2: expected a key in quotes, but the text ends (column 6)"},
    {"json.parse('123456789012345678901')",
     "error: a number in the JSON text is out of range (column 6)"},
    {"json.format({'a': [1, 2.0, null, timestamp(0)]})",
     "\"{\\\"a\\\":[1,2.0,null,\\\"1970-01-01T00:00:00Z\\\"]}\""},
    {"json.format(0.0 / 0.0)", "error: JSON has no form for NaN (column 6)"},
    /* regular expressions, with patterns that are known and that are not */
    {"regex.extract('order 77 of 9', '[0-9]+')", "\"77\""},
    {"regex.extract('k=v', '(?:[a-z])=(.*)').value()", "\"v\""},
    {"regex.extract('x', '[0-9]').hasValue()", "false"},
    {"regex.extract('ab', '(a)(b)')",
     "error: the pattern has more than one group: write (?:...) for the others (column 7)"},
    {"regex.extract(name, name).value()", "\"xavier\""},
    {"regex.extract('a(', 'a' + '(').value()", "error: regular expression `a(`: missing ): a("},
    {"regex.extractAll('a1b22c', '[0-9]+')", "[\"1\",\"22\"]"},
    {"regex.extractAll('abc', 'x*')", "[\"\",\"\",\"\",\"\"]"},
    {"regex.extractAll('\u00e9\u00e9', '')", "[\"\",\"\",\"\"]"},
    {"regex.extractAll('', 'a')", "[]"},
    {"regex.extractAll(name, '[aeiou]').join()", "\"aie\""},
    {"regex.groups('2026-03', '(?P<y>\\\\d+)-(?P<m>\\\\d+)').value().y", "\"2026\""},
    {"regex.groups('x', '(?P<y>\\\\d+)').orValue({'y': '?'})", "{\"y\":\"?\"}"},
    {"regex.replace('a1b22', '[0-9]+', '#')", "\"a#b#\""},
    {"regex.replace('a1b22', '([a-z])([0-9]+)', '\\\\2\\\\1')", "\"1a22b\""},
    {"regex.replace('aaa', 'a', 'b', 2)", "\"bba\""},
    {"regex.replace('aaa', 'a', 'b', 0)", "\"aaa\""},
    {"regex.replace('aaa', 'a', 'b', -1)", "\"bbb\""},
    {"regex.replace('abc', '', '-')", "\"-a-b-c-\""},
    {"regex.replace('a', 'a', '\\\\7')",
     "error: the replacement names a group that the pattern does not have (column 7)"},
    {"regex.replace('a.b', '[.]', r'\\\\')", "\"a\\\\b\""},
    {"regex.replace(name, 'x(.*)', name)", "\"xavier\""},
    /* times */
    {"time.format(timestamp(1772841845), '%d.%m.%Y %H:%M')", "\"07.03.2026 00:04\""},
    {"time.format(timestamp(1772841845), '%F %T %z', 'America/New_York')",
     "\"2026-03-06 19:04:05 -0500\""},
    {"time.format(timestamp(0), '%Q')",
     "error: layout '%Q': unknown directive '%Q' (known: rfc3339, s, ms, us, ns, or %Y %m %d %H "
     "%M %S %f %z and others) (column 6)"},
    {"time.parse('07.03.2026 01:04', '%d.%m.%Y %H:%M', 'Europe/Berlin')",
     "\"2026-03-07T00:04:00Z\""},
    {"time.parse('1772841845678', 'ms')", "\"2026-03-07T00:04:05.678Z\""},
    {"time.parse('x', '%F')", "error: 'x' is no time in the layout '%F' (column 6)"},
    {"time.parse('2026-01-01', '%F', 'Nowhere')", "error: unknown time zone 'Nowhere' (column 6)"},
    {"time.ofMillis(-1)", "\"1969-12-31T23:59:59.999Z\""},
    {"time.millis(time.ofMillis(-1)) == -1", "true"},
    {"time.truncate(timestamp('2026-03-07T12:59:59.9Z'), duration('1h'))",
     "\"2026-03-07T12:00:00Z\""},
    {"time.truncate(timestamp('1969-12-31T23:59:59Z'), duration('24h'))",
     "\"1969-12-31T00:00:00Z\""},
    {"time.truncate(timestamp(0), duration('0s'))",
     "error: the duration must be positive (column 6)"},
    /* places */
    {"int(geo.distance(52.52, 13.405, 48.8566, 2.3522) / 1000.0)", "877"},
    {"geo.distance(0, 0, 0, 0)", "0.0"},
    {"int(geo.distance(0, 0, 0, 180) / 1000.0)", "20015"},
    {"int(geo.distance(90, 0, -90, 77.5) / 1000.0)", "20015"},
    {"geo.distance(91, 0, 0, 0)",
     "error: argument 1 of geo.distance is no latitude in degrees (column 5)"},
    {"geo.distance(0, 'x', 0, 0)",
     "error: argument 2 of geo.distance is no longitude in degrees (column 5)"},
};

Test(expr_more, functions)
{
    expr_harness h;
    harness_init(&h);
    harness_add(&h, "name", NULL, leat_value_string(LEAT_STR("xavier")));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = harness_eval(&h, cases[i].text);
        cr_expect_str_eq(got, cases[i].want, "%s\n  got  %s\n  want %s", cases[i].text, got,
                         cases[i].want);
    }
    harness_release(&h);
}

/* A constant pattern that is wrong is a mistake of the expression. */
Test(expr_more, patterns_are_checked_when_they_are_compiled)
{
    leat_arena *arena = NULL;
    leat_err err = {0};
    leat_expr *expr = NULL;
    leat_scope scope = {.resolve = harness_resolve};
    expr_harness h = {.scope = scope};
    cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
    cr_expect_eq(
        leat_expr_compile(LEAT_STR("regex.replace('a', 'a(', 'b')"), &h.scope, arena, &expr, &err),
        LEAT_ERR_INVALID);
    cr_expect_not_null(strstr(err.text, "regular expression `a(`"), "%s", err.text);
    cr_expect_eq(err.offset, 19);
    leat_arena_free(&arena);
}

/* However often it matches, the cost limit holds. */
Test(expr_more, costs_are_charged)
{
    expr_harness h;
    static char text[40000];
    memset(text, 'a', sizeof text);
    harness_init(&h);
    harness_add(&h, "name", NULL, leat_value_string((leat_str){text, sizeof text}));
    h.eval.cost_max = 20000;
    const char *got = harness_eval(&h, "regex.extractAll(name, 'a')");
    cr_expect_not_null(strstr(got, "cost"), "%s", got);
    got = harness_eval(&h, "hash.sha256(name + name + name + name + name + name + name + name + "
                           "name + name)");
    cr_expect_not_null(strstr(got, "cost"), "%s", got);
    harness_release(&h);
}
