/* SPDX-License-Identifier: Apache-2.0 */
/* Stateless steps: one record in, what comes out. Each case is a stream with these steps. */
#include "tests/unit/leak.h"
#include "tests/unit/steps_harness.h"

LEAT_SUITE(op_steps);

static const step_case filter_cases[] = {
    {"kept", "[{\"filter\":\"a > 1\"}]", "{\"a\":2}", "out: {\"a\":2}\n"},
    {"not kept", "[{\"filter\":\"a > 1\"}]", "{\"a\":1}", ""},
    {"as it came", "[{\"filter\":\"true\"}]", " { \"a\" : 1.50 } ", "out:  { \"a\" : 1.50 } \n"},
    {"missing field", "[{\"filter\":\"a > 1\"}]", "{\"b\":1}",
     "dead: {\"b\":1} leat.step=streams.t.steps[0].filter leat.error=no such field 'a' (column "
     "3)\n"},
    {"asked for", "[{\"filter\":\"has(a.b)\"}]", "{\"a\":{}}", ""},
    {"nested", "[{\"filter\":\"a.b == 'x'\"}]", "{\"a\":{\"b\":\"x\"}}",
     "out: {\"a\":{\"b\":\"x\"}}\n"},
    {"escapes", "[{\"filter\":\"a == 'x\\\"y'\"}]", "{\"a\":\"x\\\"y\"}",
     "out: {\"a\":\"x\\\"y\"}\n"},
    {"duplicates: the last wins", "[{\"filter\":\"a == 2\"}]", "{\"a\":1,\"b\":0,\"a\":2}",
     "out: {\"b\":0,\"a\":2}\n"},
};

Test(op_steps, filter)
{
    RUN(filter_cases);
}

static const step_case set_cases[] = {
    {"new field", "[{\"set\":{\"c\":\"a + b\"}}]", "{\"a\":1,\"b\":2}",
     "out: {\"a\":1,\"b\":2,\"c\":3}\n"},
    {"in its place", "[{\"set\":{\"a\":\"a + 1\"}}]", "{\"a\":1,\"b\":2}",
     "out: {\"a\":2,\"b\":2}\n"},
    {"in order", "[{\"set\":{\"b\":\"a + 1\",\"c\":\"b + 1\"}}]", "{\"a\":1}",
     "out: {\"a\":1,\"b\":2,\"c\":3}\n"},
    {"a swap in order is none", "[{\"set\":{\"a\":\"b\",\"b\":\"a\"}}]", "{\"a\":1,\"b\":2}",
     "out: {\"a\":2,\"b\":2}\n"},
    {"bare path: the number's text", "[{\"set\":{\"b\":\"a\"}}]", "{\"a\":1.50}",
     "out: {\"a\":1.50,\"b\":1.50}\n"},
    {"bare path: beyond 64 bits", "[{\"set\":{\"b\":\"a\"}}]", "{\"a\":123456789012345678901234}",
     "out: {\"a\":123456789012345678901234,\"b\":123456789012345678901234}\n"},
    {"bare path: an object", "[{\"set\":{\"b\":\"a\"}}]", "{\"a\":{\"x\": [1, 2.0]}}",
     "out: {\"a\":{\"x\": [1, 2.0]},\"b\":{\"x\": [1, 2.0]}}\n"},
    {"whole double", "[{\"set\":{\"b\":\"a * 2.0\"}}]", "{\"a\":5.0}",
     "out: {\"a\":5.0,\"b\":10.0}\n"},
    {"parents are made", "[{\"set\":{\"x.y.z\":\"1\"}}]", "{\"a\":1}",
     "out: {\"a\":1,\"x\":{\"y\":{\"z\":1}}}\n"},
    {"into an object", "[{\"set\":{\"x.y\":\"1\"}}]", "{\"x\":{\"z\":0}}",
     "out: {\"x\":{\"z\":0,\"y\":1}}\n"},
    {"a parent that is no object", "[{\"set\":{\"x.y\":\"1\"}}]", "{\"x\":5}",
     "dead: {\"x\":5} leat.step=streams.t.steps[0].set leat.error=x.y: a field "
     "on the way to it is no object\n"},
    {"quoted names", "[{\"set\":{\"'a.b'.c\":\"event['x-y']\"}}]", "{\"x-y\":1}",
     "out: {\"x-y\":1,\"a.b\":{\"c\":1}}\n"},
    {"an error: the record as it came", "[{\"set\":{\"b\":\"1\",\"c\":\"10 / a\"}}]", "{\"a\":0}",
     "dead: {\"a\":0} leat.step=streams.t.steps[0].set leat.error=c: division by zero (column "
     "4)\n"},
    {"not a number on output", "[{\"set\":{\"b\":\"0.0 / 0.0\"}}]", "{\"a\":0}",
     "dead: {\"a\":0} leat.step=streams.t.to leat.error=JSON has no form for NaN\n"},
    {"a later step sees it", "[{\"set\":{\"b\":\"a + 1\"}},{\"filter\":\"b == 2\"}]", "{\"a\":1}",
     "out: {\"a\":1,\"b\":2}\n"},
    {"null", "[{\"set\":{\"b\":\"null\"}}]", "{}", "out: {\"b\":null}\n"},
    {"meta", "[{\"set\":{\"t\":\"meta.topic\",\"o\":\"meta.offset\",\"p\":\"meta.partition\"}}]",
     "{}", "out: {\"t\":\"in\",\"o\":1,\"p\":0}\n"},
    {"meta.key", "[{\"set\":{\"k\":\"string(meta.key)\",\"t\":\"meta.timestamp\"}}]", "{}",
     "out: {\"k\":\"k\",\"t\":\"1970-01-01T00:00:00.001Z\"}\n"},
    {"meta.headers", "[{\"set\":{\"n\":\"size(meta.headers)\"}}]", "{}", "out: {\"n\":0}\n"},
    {"the whole", "[{\"set\":{\"n\":\"size(event)\"}}]", "{\"a\":1,\"b\":2}",
     "out: {\"a\":1,\"b\":2,\"n\":2}\n"},
    {"the whole as changed", "[{\"drop\":[\"a\"]},{\"set\":{\"n\":\"size(event)\"}}]",
     "{\"a\":1,\"b\":2}", "out: {\"b\":2,\"n\":1}\n"},
    {"inside of what was set", "[{\"set\":{\"o\":\"{'x': a}\"}},{\"set\":{\"y\":\"o.x\"}}]",
     "{\"a\":1}", "out: {\"a\":1,\"o\":{\"x\":1},\"y\":1}\n"},
};

Test(op_steps, set)
{
    RUN(set_cases);
}

static const step_case project_cases[] = {
    {"keep", "[{\"keep\":[\"b\",\"x\"]}]", "{\"a\":1,\"b\":2.50}", "out: {\"b\":2.50}\n"},
    {"keep nested", "[{\"keep\":[\"a.b\"]}]", "{\"a\":{\"b\":1,\"c\":2},\"d\":3}",
     "out: {\"a\":{\"b\":1}}\n"},
    {"drop", "[{\"drop\":[\"a\",\"x\"]}]", "{\"a\":1,\"b\":2}", "out: {\"b\":2}\n"},
    {"drop nested", "[{\"drop\":[\"a.b\"]}]", "{\"a\":{\"b\":1,\"c\":2}}",
     "out: {\"a\":{\"c\":2}}\n"},
    {"drop the last inner field", "[{\"drop\":[\"a.b\"]}]", "{\"a\":{\"b\":1}}",
     "out: {\"a\":{}}\n"},
    {"drop inside of no object", "[{\"drop\":[\"a.b\"]}]", "{\"a\":5}", "out: {\"a\":5}\n"},
    {"rename", "[{\"rename\":{\"a\":\"b\"}}]", "{\"a\":1.0,\"c\":2}", "out: {\"c\":2,\"b\":1.0}\n"},
    {"rename swaps", "[{\"rename\":{\"a\":\"b\",\"b\":\"a\"}}]", "{\"a\":1,\"b\":2}",
     "out: {\"a\":2,\"b\":1}\n"},
    {"rename half a swap", "[{\"rename\":{\"a\":\"b\",\"b\":\"a\"}}]", "{\"b\":2}",
     "out: {\"a\":2}\n"},
    {"rename replaces", "[{\"rename\":{\"a\":\"b\"}}]", "{\"a\":1,\"b\":2}", "out: {\"b\":1}\n"},
    {"rename of what is missing", "[{\"rename\":{\"a\":\"b\"}}]", "{\"b\":2}", "out: {\"b\":2}\n"},
    {"rename of nothing at all", "[{\"rename\":{\"a\":\"b\"}}]", "{\"c\":2}", "out: {\"c\":2}\n"},
    {"rename of null", "[{\"rename\":{\"a\":\"b\"}}]", "{\"a\":null}", "out: {\"b\":null}\n"},
    {"rename into an object", "[{\"rename\":{\"a\":\"o.b\"}}]", "{\"a\":1,\"o\":{\"c\":2}}",
     "out: {\"o\":{\"c\":2,\"b\":1}}\n"},
    {"rename out of an object", "[{\"rename\":{\"o.c\":\"a\"}}]", "{\"o\":{\"c\":2,\"d\":3}}",
     "out: {\"o\":{\"d\":3},\"a\":2}\n"},
    {"rename into no object", "[{\"rename\":{\"a\":\"o.b\"}}]", "{\"a\":1,\"o\":2}",
     "dead: {\"a\":1,\"o\":2} leat.step=streams.t.steps[0].rename leat.error=cannot rename 'a': a "
     "field on the way to its new name is no object\n"},
    {"rename of a number beyond 64 bits", "[{\"rename\":{\"a\":\"b\"}}]",
     "{\"a\":1234567890123456789012}", "out: {\"b\":1234567890123456789012}\n"},
    {"rename twice", "[{\"rename\":{\"a\":\"b\"}},{\"rename\":{\"b\":\"c\"}}]", "{\"a\":1}",
     "out: {\"c\":1}\n"},
    {"rename twice, half of it", "[{\"rename\":{\"a\":\"b\"}},{\"rename\":{\"b\":\"c\"}}]",
     "{\"b\":1}", "out: {\"c\":1}\n"},
    {"rename after keep",
     "[{\"keep\":[\"a\"]},{\"rename\":{\"a\":\"b\"}},{\"filter\":\"b > 1.0\"}]",
     "{\"a\":1.50,\"b\":2}", "out: {\"b\":1.50}\n"},
    {"renamed number, computed with", "[{\"rename\":{\"a\":\"b\"}},{\"set\":{\"c\":\"b * 2.0\"}}]",
     "{\"a\":1.50}", "out: {\"b\":1.50,\"c\":3.0}\n"},
    {"inside of a renamed object", "[{\"rename\":{\"a\":\"b\"}},{\"set\":{\"c\":\"b.x\"}}]",
     "{\"a\":{\"x\":1.50}}", "out: {\"b\":{\"x\":1.50},\"c\":1.50}\n"},
    {"read by its new name", "[{\"rename\":{\"a\":\"b\"}},{\"filter\":\"b == 1\"}]", "{\"b\":1}",
     "out: {\"b\":1}\n"},
};

Test(op_steps, keep_drop_rename)
{
    RUN(project_cases);
}

static const step_case mask_cases[] = {
    {"sha256", "[{\"mask\":{\"a\":\"sha256\"}}]", "{\"a\":\"abc\",\"b\":1}",
     "out: {\"a\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\"b\":1}\n"},
    {"sha256 of a text with escapes", "[{\"mask\":{\"a\":\"sha256\"}}]",
     "{\"a\":\"\\u0061b\\u0063\"}",
     "out: {\"a\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}\n"},
    {"sha256 of a number's text", "[{\"mask\":{\"a\":\"sha256\"}}]", "{\"a\":1.50}",
     "out: {\"a\":\"1a60b208ff491c3e2d21cdd5abb003e51e97b072efec59098863da45021de6a9\"}\n"},
    {"hmac-sha256, key of the pipeline", "[{\"mask\":{\"a\":\"hmac-sha256\"}}]",
     "{\"a\":\"what do ya want for nothing?\"}",
     "out: {\"a\":\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\"}\n"},
    {"hmac-sha256, key of its own",
     "[{\"mask\":{\"a\":{\"method\":\"hmac-sha256\",\"key\":\"key\"}}}]",
     "{\"a\":\"The quick brown fox jumps over the lazy dog\"}",
     "out: {\"a\":\"f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8\"}\n"},
    {"redact", "[{\"mask\":{\"a\":\"redact\",\"b\":\"redact\"}}]", "{\"a\":\"x\",\"b\":[1]}",
     "out: {\"a\":\"***\",\"b\":\"***\"}\n"},
    {"partial", "[{\"mask\":{\"a\":\"partial\"}}]", "{\"a\":\"4000123412341234\"}",
     "out: {\"a\":\"************1234\"}\n"},
    {"partial of eight", "[{\"mask\":{\"a\":\"partial\"}}]", "{\"a\":\"12345678\"}",
     "out: {\"a\":\"********\"}\n"},
    {"partial of nine", "[{\"mask\":{\"a\":\"partial\"}}]", "{\"a\":\"123456789\"}",
     "out: {\"a\":\"*****6789\"}\n"},
    {"partial counts characters", "[{\"mask\":{\"a\":\"partial\"}}]",
     "{\"a\":\"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80xyz\xc3\xa9\"}",
     "out: {\"a\":\"******xyz\xc3\xa9\"}\n"},
    {"partial of nothing", "[{\"mask\":{\"a\":\"partial\"}}]", "{\"a\":\"\"}",
     "out: {\"a\":\"\"}\n"},
    {"null", "[{\"mask\":{\"a\":\"null\"}}]", "{\"a\":\"x\"}", "out: {\"a\":null}\n"},
    {"missing", "[{\"mask\":{\"a\":\"sha256\",\"b\":\"null\"}}]", "{\"c\":1}", "out: {\"c\":1}\n"},
    {"nested", "[{\"mask\":{\"o.a\":\"redact\"}}]", "{\"o\":{\"a\":1,\"b\":2}}",
     "out: {\"o\":{\"a\":\"***\",\"b\":2}}\n"},
    {"nested in no object", "[{\"mask\":{\"o.a\":\"redact\"}}]", "{\"o\":1}", "out: {\"o\":1}\n"},
    {"nested, missing", "[{\"mask\":{\"o.a\":\"redact\"}}]", "{\"b\":1}", "out: {\"b\":1}\n"},
    {"of what was set", "[{\"set\":{\"a\":\"'abc'\"}},{\"mask\":{\"a\":\"redact\"}}]", "{}",
     "out: {\"a\":\"***\"}\n"},
};

Test(op_steps, mask)
{
    RUN(mask_cases);
}

/* --- planning --- */

static const struct {
    const char *steps, *want; /* part of what is said */
} mistakes[] = {
    {"[{\"filter\":\"a >\"}]", "streams.t.steps[0].filter"},
    {"[{\"filter\":\"'x'\"}]", "bool"},
    {"[{\"set\":{}}]", "set needs an object"},
    {"[{\"set\":{\"a.\":\"1\"}}]", "steps[0].set"},
    {"[{\"keep\":[]}]", "keep needs a list"},
    {"[{\"drop\":\"a\"}]", "drop needs a list"},
    {"[{\"rename\":{\"a\":\"c\",\"b\":\"c\"}}]", "two fields cannot both be renamed to 'c'"},
    {"[{\"mask\":{\"a\":\"sha255\"}}]", "sha256"},
    {"[{\"mask\":{\"a\":{\"methd\":\"sha256\"}}}]", "method"},
    {"[{\"split\":{\"a b\":\"true\"}}]", "cannot be the name of a route"},
    {"[{\"split\":{\"default\":1}}]", "default needs the name of a route"},
};

Test(op_steps, mistakes)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        test_bed bed;
        char text[8192];
        (void)snprintf(text, sizeof text, STEPS_PIPELINE, mistakes[i].steps);
        const char *said = bed_plan(&bed, text, NULL);
        cr_expect_null(bed.plan, "%s was planned", mistakes[i].steps);
        cr_expect_not_null(strstr(said, mistakes[i].want), "%s: said %s, not %s", mistakes[i].steps,
                           said, mistakes[i].want);
        bed_close(&bed);
    }
}

Test(op_steps, a_keyed_mask_needs_a_key_and_never_shows_it)
{
    test_bed bed;
    const char *text = "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{\"t\":"
                       "{\"from\":\"s\",\"steps\":[{\"mask\":{\"a\":\"hmac-sha256\"}}],"
                       "\"to\":\"out\"}},\"dead_letter\":{\"topic\":\"dead\"}}";
    const char *said = bed_plan(&bed, text, NULL);
    cr_expect_null(bed.plan);
    cr_expect_not_null(strstr(said, "hmac-sha256 needs a key"), "%s", said);
    bed_close(&bed);
}

Test(op_steps, split)
{
    test_bed bed;
    bed_open(
        &bed,
        "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{"
        "\"t\":{\"from\":\"s\",\"steps\":[{\"split\":{\"big\":\"a > 10\",\"mid\":\"a > 5\"}}]},"
        "\"b\":{\"from\":\"t.big\",\"steps\":[{\"set\":{\"r\":\"'big'\"}}],\"to\":\"out\"},"
        "\"m\":{\"from\":\"t.mid\",\"steps\":[{\"set\":{\"r\":\"'mid'\"}}],\"to\":\"out\"}},"
        "\"dead_letter\":{\"topic\":\"dead\"}}");
    bed_send(&bed, "{\"a\":20}");
    bed_send(&bed, "{\"a\":7}");
    bed_send(&bed, "{\"a\":1}");
    bed_send(&bed, "{\"a\":\"x\"}");
    bed_expect(&bed, "out: {\"a\":20,\"r\":\"big\"}\n"
                     "out: {\"a\":7,\"r\":\"mid\"}\n"
                     "dead: {\"a\":\"x\"} leat.step=streams.t.steps[0].split leat.error=no such "
                     "overload: '_>_' applied to (string, int) (column 3)\n");
    cr_expect_eq(leat_exec_counts_get(bed.exec).unrouted, 1);
    bed_close(&bed);

    bed_open(
        &bed,
        "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{"
        "\"t\":{\"from\":\"s\",\"steps\":[{\"split\":{\"default\":\"rest\",\"big\":\"a > 10\"}}]},"
        "\"b\":{\"from\":\"t.big\",\"steps\":[{\"set\":{\"r\":\"'big'\"}}],\"to\":\"out\"},"
        "\"m\":{\"from\":\"t.rest\",\"steps\":[{\"set\":{\"r\":\"'rest'\"}}],\"to\":\"out\"}},"
        "\"dead_letter\":{\"topic\":\"dead\"}}");
    bed_send(&bed, "{\"a\":20}");
    bed_send(&bed, "{\"a\":7}");
    bed_expect(&bed, "out: {\"a\":20,\"r\":\"big\"}\nout: {\"a\":7,\"r\":\"rest\"}\n");
    cr_expect_eq(leat_exec_counts_get(bed.exec).unrouted, 0);
    bed_close(&bed);
}
