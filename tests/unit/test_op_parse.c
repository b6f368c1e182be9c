/* SPDX-License-Identifier: Apache-2.0 */
/* parse, and what it is made of: layouts of times, pairs, CSV, URLs, encodings. */
#include "core/encode.h"
#include "core/time.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"
#include "tests/unit/steps_harness.h"
#include "transforms/time_layout.h"

LEAT_SUITE(op_parse);

#define DEAD(record, why) "dead: " record " leat.step=streams.t.steps[0].parse leat.error=" why "\n"

static const step_case json_cases[] = {
    {"object", "[{\"parse\":{\"p\":\"json\"}},{\"set\":{\"x\":\"p.a.b\"}}]",
     "{\"p\":\"{\\\"a\\\":{\\\"b\\\":1.50}}\",\"q\":0}",
     "out: {\"p\":{\"a\":{\"b\":1.50}},\"q\":0,\"x\":1.50}\n"},
    {"scalars keep their spelling", "[{\"parse\":{\"p\":\"json\",\"q\":\"json\"}}]",
     "{\"p\":\" 1.10 \",\"q\":\"\\\"x\\\"\"}", "out: {\"p\":1.10,\"q\":\"x\"}\n"},
    {"duplicates: the last wins", "[{\"parse\":{\"p\":\"json\"}}]",
     "{\"p\":\"{\\\"a\\\":1,\\\"b\\\":{\\\"c\\\":1,\\\"c\\\":2},\\\"a\\\":3}\"}",
     "out: {\"p\":{\"b\":{\"c\":2},\"a\":3}}\n"},
    {"to another field", "[{\"parse\":{\"p\":{\"format\":\"json\",\"to\":\"x.y\"}}}]",
     "{\"p\":\"[1]\",\"x\":{\"z\":0}}", "out: {\"p\":\"[1]\",\"x\":{\"z\":0,\"y\":[1]}}\n"},
    {"to a place that is none", "[{\"parse\":{\"p\":{\"format\":\"json\",\"to\":\"x.y\"}}}]",
     "{\"p\":\"[1]\",\"x\":5}",
     DEAD("{\"p\":\"[1]\",\"x\":5}", "p: a field on the way to `to` is no object")},
    {"missing", "[{\"parse\":{\"p\":{\"format\":\"json\",\"to\":\"x.y\"}}}]", "{\"x\":5}",
     "out: {\"x\":5}\n"},
    {"nested", "[{\"parse\":{\"a.p\":\"json\"}}]", "{\"a\":{\"p\":\"{}\",\"q\":1}}",
     "out: {\"a\":{\"p\":{},\"q\":1}}\n"},
    {"bad", "[{\"parse\":{\"p\":\"json\"}}]", "{\"p\":\"{\\\"a\\\":}\"}",
     DEAD("{\"p\":\"{\\\"a\\\":}\"}", "p: JSON, byte 6: expected a value, found '}'")},
    {"more than one", "[{\"parse\":{\"p\":\"json\"}}]", "{\"p\":\"1 2\"}",
     DEAD("{\"p\":\"1 2\"}", "p: JSON, byte 3: expected the end of the text, found '2'")},
    {"empty", "[{\"parse\":{\"p\":\"json\"}}]", "{\"p\":\"\"}",
     DEAD("{\"p\":\"\"}", "p: JSON, byte 1: expected a value, but the text ends")},
    {"no text", "[{\"parse\":{\"p\":\"json\"}}]", "{\"p\":7}",
     DEAD("{\"p\":7}", "p: is no text, but int")},
    {"null", "[{\"parse\":{\"p\":\"json\"}}]", "{\"p\":null}",
     DEAD("{\"p\":null}", "p: is no text, but null_type")},
};

static const step_case pairs_cases[] = {
    {"blanks", "[{\"parse\":{\"p\":\"kv\"}}]", "{\"p\":\" a=1  b= c=x=y\\td=\\\"\\\" \"}",
     "out: {\"p\":{\"a\":\"1\",\"b\":\"\",\"c\":\"x=y\",\"d\":\"\"}}\n"},
    {"quotes", "[{\"parse\":{\"p\":\"kv\"}}]",
     "{\"p\":\"m=\\\"a b\\\" n=\\\"q\\\\\\\"\\\\\\\\\\\\n\\\" o=z\"}",
     "out: {\"p\":{\"m\":\"a b\",\"n\":\"q\\\"\\\\\\n\",\"o\":\"z\"}}\n"},
    {"twice: the last", "[{\"parse\":{\"p\":\"kv\"}}]", "{\"p\":\"a=1 b=2 a=3\"}",
     "out: {\"p\":{\"a\":\"3\",\"b\":\"2\"}}\n"},
    {"delimiters",
     "[{\"parse\":{\"p\":{\"format\":\"kv\",\"field_delimiter\":\"; \",\"key_value_delimiter\":\": "
     "\"}}}]",
     "{\"p\":\"a: 1; b c: \\\"x; y\\\"; d: e\"}",
     "out: {\"p\":{\"a\":\"1\",\"b c\":\"x; y\",\"d\":\"e\"}}\n"},
    {"none", "[{\"parse\":{\"p\":\"kv\"}}]", "{\"p\":\" \"}", "out: {\"p\":{}}\n"},
    {"no pair", "[{\"parse\":{\"p\":\"kv\"}}]", "{\"p\":\"a=1 b\"}",
     DEAD("{\"p\":\"a=1 b\"}", "p: 'b' is no key=value")},
    {"no key", "[{\"parse\":{\"p\":\"kv\"}}]", "{\"p\":\"=1\"}",
     DEAD("{\"p\":\"=1\"}", "p: '=1' is no key=value")},
    {"open quote", "[{\"parse\":{\"p\":\"kv\"}}]", "{\"p\":\"a=\\\"x\"}",
     DEAD("{\"p\":\"a=\\\"x\"}", "p: a quoted value does not end")},
    {"behind a quote", "[{\"parse\":{\"p\":\"kv\"}}]", "{\"p\":\"a=\\\"x\\\"y\"}",
     DEAD("{\"p\":\"a=\\\"x\\\"y\"}", "p: something follows right behind a quoted value")},
};

static const step_case csv_cases[] = {
    {"list", "[{\"parse\":{\"p\":\"csv\"}}]", "{\"p\":\"a,,\\\"b,\\\"\\\"c\\\"\\\"\\\",d\\r\\n\"}",
     "out: {\"p\":[\"a\",\"\",\"b,\\\"c\\\"\",\"d\"]}\n"},
    {"columns",
     "[{\"parse\":{\"p\":{\"format\":\"csv\",\"columns\":[\"x\",\"y\"],\"delimiter\":\";\"}}}]",
     "{\"p\":\"1;2\"}", "out: {\"p\":{\"x\":\"1\",\"y\":\"2\"}}\n"},
    {"one empty field", "[{\"parse\":{\"p\":\"csv\"}}]", "{\"p\":\"\"}", "out: {\"p\":[\"\"]}\n"},
    {"an empty field at the end", "[{\"parse\":{\"p\":\"csv\"}}]", "{\"p\":\"a,\"}",
     "out: {\"p\":[\"a\",\"\"]}\n"},
    {"too few", "[{\"parse\":{\"p\":{\"format\":\"csv\",\"columns\":[\"x\",\"y\"]}}}]",
     "{\"p\":\"1\"}", DEAD("{\"p\":\"1\"}", "p: the line has 1 field, not 2")},
    {"two lines", "[{\"parse\":{\"p\":\"csv\"}}]", "{\"p\":\"a\\nb\"}",
     DEAD("{\"p\":\"a\\nb\"}", "p: the text has more than one line")},
    {"a line end in quotes", "[{\"parse\":{\"p\":\"csv\"}}]", "{\"p\":\"\\\"a\\nb\\\",c\"}",
     "out: {\"p\":[\"a\\nb\",\"c\"]}\n"},
    {"a quote inside", "[{\"parse\":{\"p\":\"csv\"}}]", "{\"p\":\"a\\\"b\"}",
     DEAD("{\"p\":\"a\\\"b\"}", "p: a quote inside a field that has none around")},
    {"open", "[{\"parse\":{\"p\":\"csv\"}}]", "{\"p\":\"\\\"a\"}",
     DEAD("{\"p\":\"\\\"a\"}", "p: a quoted field does not end")},
};

static const step_case url_cases[] = {
    {"all parts", "[{\"parse\":{\"p\":\"url\"}}]",
     "{\"p\":\"https://u%40x:p@h.example:8443/a/b%20c?q=1+2&r=%C3%A9&q=3&s#top%21\"}",
     "out: {\"p\":{\"scheme\":\"https\",\"user\":\"u@x\",\"password\":\"p\",\"host\":\"h.example\","
     "\"port\":8443,\"path\":\"/a/b%20c\",\"query\":{\"q\":\"3\",\"r\":\"\xc3\xa9\",\"s\":\"\"},"
     "\"fragment\":\"top!\"}}\n"},
    {"a path", "[{\"parse\":{\"p\":\"url\"}}]", "{\"p\":\"/a?b=c\"}",
     "out: {\"p\":{\"path\":\"/a\",\"query\":{\"b\":\"c\"}}}\n"},
    {"IPv6", "[{\"parse\":{\"p\":\"url\"}}]", "{\"p\":\"http://[::1]:80\"}",
     "out: {\"p\":{\"scheme\":\"http\",\"host\":\"[::1]\",\"port\":80,\"path\":\"\"}}\n"},
    {"mail", "[{\"parse\":{\"p\":\"url\"}}]", "{\"p\":\"mailto:a@b.c\"}",
     "out: {\"p\":{\"scheme\":\"mailto\",\"path\":\"a@b.c\"}}\n"},
    {"a port that is none", "[{\"parse\":{\"p\":\"url\"}}]", "{\"p\":\"http://h:99999/\"}",
     DEAD("{\"p\":\"http://h:99999/\"}", "p: '99999' is no port")},
    {"a blank", "[{\"parse\":{\"p\":\"url\"}}]", "{\"p\":\"http://h/a b\"}",
     DEAD("{\"p\":\"http://h/a b\"}", "p: a URL has no blanks or control characters")},
    {"bad percent", "[{\"parse\":{\"p\":\"url\"}}]", "{\"p\":\"/?a=%4\"}",
     DEAD("{\"p\":\"/?a=%4\"}", "p: a % without two hexadecimal digits behind it, at offset 0")},
    {"not UTF-8", "[{\"parse\":{\"p\":\"url\"}}]", "{\"p\":\"/?a=%ff\"}",
     DEAD("{\"p\":\"/?a=%ff\"}", "p: what is percent-encoded is not valid UTF-8")},
};

static const step_case regex_cases[] = {
    {"captures",
     "[{\"parse\":{\"p\":{\"format\":\"regex\",\"pattern\":\"(?P<m>[A-Z]+) (/\\\\S*)(?: "
     "(?P<v>HTTP))?(?P<e>x*)\"}}}]",
     "{\"p\":\"- GET /a\"}", "out: {\"p\":{\"m\":\"GET\",\"e\":\"\"}}\n"},
    {"no match", "[{\"parse\":{\"p\":{\"format\":\"regex\",\"pattern\":\"^(?P<n>[0-9]+)$\"}}}]",
     "{\"p\":\"12a\"}", DEAD("{\"p\":\"12a\"}", "p: the text does not match the pattern")},
};

static const step_case time_cases[] = {
    {"RFC 3339", "[{\"parse\":{\"p\":\"time\"}}]", "{\"p\":\"2026-01-02T03:04:05.25+02:00\"}",
     "out: {\"p\":\"2026-01-02T01:04:05.25Z\"}\n"},
    {"a layout",
     "[{\"parse\":{\"p\":{\"format\":\"time\",\"layout\":\"%d/%b/%Y:%H:%M:%S %z\",\"to\":\"at\"}}},"
     "{\"set\":{\"y\":\"at.getFullYear()\"}}]",
     "{\"p\":\"07/Mar/2026:16:05:49 -0800\"}",
     "out: {\"p\":\"07/Mar/2026:16:05:49 -0800\",\"at\":\"2026-03-08T00:05:49Z\",\"y\":2026}\n"},
    {"a zone",
     "[{\"parse\":{\"p\":{\"format\":\"time\",\"layout\":\"%F %T\",\"zone\":\"Europe/Berlin\"}}}]",
     "{\"p\":\"2026-07-01 12:00:00\"}", "out: {\"p\":\"2026-07-01T10:00:00Z\"}\n"},
    {"milliseconds as a number", "[{\"parse\":{\"p\":{\"format\":\"time\",\"layout\":\"ms\"}}}]",
     "{\"p\":1767323045678}", "out: {\"p\":\"2026-01-02T03:04:05.678Z\"}\n"},
    {"seconds with a fraction", "[{\"parse\":{\"p\":{\"format\":\"time\",\"layout\":\"s\"}}}]",
     "{\"p\":1767323045.678}", "out: {\"p\":\"2026-01-02T03:04:05.678Z\"}\n"},
    {"a timestamp stays one", "[{\"cast\":{\"p\":\"timestamp\"}},{\"parse\":{\"p\":\"time\"}}]",
     "{\"p\":5}", "out: {\"p\":\"1970-01-01T00:00:05Z\"}\n"},
    {"bad", "[{\"parse\":{\"p\":{\"format\":\"time\",\"layout\":\"%F\"}}}]", "{\"p\":\"x\"}",
     DEAD("{\"p\":\"x\"}", "p: 'x' is no time in the layout '%F'")},
};

Test(op_parse, formats)
{
    RUN(json_cases);
    RUN(pairs_cases);
    RUN(csv_cases);
    RUN(url_cases);
    RUN(regex_cases);
    RUN(time_cases);
}

static const struct {
    const char *steps, *want;
} mistakes[] = {
    {"[{\"parse\":{}}]", "parse needs an object of fields and formats"},
    {"[{\"parse\":{\"p\":\"jsn\"}}]",
     "must be one of: json, kv, csv, url, time, regex (did you mean 'json'"},
    {"[{\"parse\":{\"p\":{\"to\":\"x\"}}}]", "'format' is missing"},
    {"[{\"parse\":{\"p\":\"regex\"}}]", "regex needs a 'pattern'"},
    {"[{\"parse\":{\"p\":{\"format\":\"regex\",\"pattern\":\"a(\"}}}]", "regular expression `a(`"},
    {"[{\"parse\":{\"p\":{\"format\":\"regex\",\"pattern\":\"(a)\"}}}]", "has no named captures"},
    {"[{\"parse\":{\"p\":{\"format\":\"json\",\"layout\":\"ms\"}}}]",
     "'layout' is a setting of the format time, and this is json"},
    {"[{\"parse\":{\"p\":{\"format\":\"time\",\"layout\":\"%Q\"}}}]", "unknown directive '%Q'"},
    {"[{\"parse\":{\"p\":{\"format\":\"time\",\"layout\":\"%H:%M\"}}}]",
     "does not say the whole date"},
    {"[{\"parse\":{\"p\":{\"format\":\"time\",\"layout\":\"iso\"}}}]", "has no directive"},
    {"[{\"parse\":{\"p\":{\"format\":\"time\",\"zone\":\"Europe/Berln\"}}}]",
     "unknown time zone 'Europe/Berln'"},
    {"[{\"parse\":{\"p\":{\"format\":\"csv\",\"columns\":[]}}}]", "needs a list of names"},
    {"[{\"parse\":{\"p\":{\"format\":\"csv\",\"columns\":[\"a\",\"a\"]}}}]",
     "two columns are called 'a'"},
    {"[{\"parse\":{\"p\":{\"format\":\"csv\",\"delimiter\":\"::\"}}}]",
     "must be one ASCII character"},
    {"[{\"parse\":{\"p\":{\"format\":\"kv\",\"field_delimiter\":\"\"}}}]",
     "a delimiter must not be empty"},
};

Test(op_parse, tells_mistakes)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char text[2000];
        test_bed bed;
        (void)snprintf(text, sizeof text, STEPS_PIPELINE, mistakes[i].steps);
        const char *said = bed_plan(&bed, text, NULL);
        cr_expect_not_null(strstr(said, mistakes[i].want), "%s\ngot: %swant: %s", mistakes[i].steps,
                           said, mistakes[i].want);
        bed_close(&bed);
    }
}

Test(op_parse, many_keys_and_fields)
{
    test_bed bed;
    char pipeline[1000], *text = malloc(300000);
    cr_assert_not_null(text);
    for (int count = 20; count <= 10001; count = count == 20 ? 10000 : count + 1) {
        size_t len = (size_t)snprintf(text, 300000, "{\"p\":\"k0=0");
        for (int i = 1; i < count; i++)
            len += (size_t)snprintf(text + len, 300000 - len, " k%d=%d", i, i);
        (void)snprintf(text + len, 300000 - len, " k5=x\"}");
        (void)snprintf(pipeline, sizeof pipeline, STEPS_PIPELINE,
                       "[{\"parse\":{\"p\":\"kv\"}},{\"set\":{\"n\":\"size(p)\",\"f\":\"p.k5\"}},"
                       "{\"keep\":[\"n\",\"f\"]}]");
        bed_open(&bed, pipeline);
        bed_send(&bed, text);
        if (count == 20) bed_expect(&bed, "out: {\"n\":20,\"f\":\"x\"}\n");
        if (count == 10000) bed_expect(&bed, "out: {\"n\":10000,\"f\":\"x\"}\n");
        if (count == 10001) cr_expect_eq(leat_exec_counts_get(bed.exec).dead_letters, 1);
        bed_close(&bed);
    }
    free(text);
}

/* --- layouts --- */

static const struct {
    const char *layout, *zone, *text, *want; /* want: RFC 3339, or what the error says */
} scans[] = {
    {"%Y-%m-%d %H:%M:%S", "", "2026-02-28 23:59:59", "2026-02-28T23:59:59Z"},
    {"%Y-%m-%dT%H:%M:%S.%f%z", "", "2026-02-28T01:02:03.1234567+0130",
     "2026-02-27T23:32:03.1234567Z"},
    {"%e %B %Y", "", " 5 may 1999", "1999-05-05T00:00:00Z"},
    {"%a, %d %b %Y %T %z", "", "Sun, 06 Nov 1994 08:49:37 Z", "1994-11-06T08:49:37Z"},
    {"%A %D", "", "Wednesday 07/04/68", "2068-07-04T00:00:00Z"},
    {"%y%j", "", "24366", "2024-12-31T00:00:00Z"},
    {"%y%j", "", "23366", "there is no such day"},
    {"%F %I:%M %p", "", "2026-01-01 12:05 AM", "2026-01-01T00:05:00Z"},
    {"%F %I:%M %p", "", "2026-01-01 12:05 pm", "2026-01-01T12:05:00Z"},
    {"%F %I:%M%p", "", "2026-01-01 1:05PM", "2026-01-01T13:05:00Z"},
    {"%s", "", "-1", "1969-12-31T23:59:59Z"},
    {"%s.%f", "", "5.25", "1970-01-01T00:00:05.25Z"},
    {"100%% %F", "", "100% 2026-01-01", "2026-01-01T00:00:00Z"},
    {"%F", "", "2025-02-29", "there is no such day"},
    {"%F", "", "2024-02-29", "2024-02-29T00:00:00Z"},
    {"%F %T", "", "2026-01-01 24:00:00", "is no time"},
    {"%F %T", "", "2026-01-01 23:59:60", "is no time"},
    {"%F", "", "2026-01-01 ", "is no time"},
    {"%F", "", "", "is no time"},
    {"%F", "", "0000-01-01", "not in the years 1 to 9999"},
    {"%F %R", "Europe/Berlin", "2026-03-29 02:30", "2026-03-29T01:30:00Z"}, /* not on the clock */
    {"%F %R", "Europe/Berlin", "2026-03-29 03:30", "2026-03-29T01:30:00Z"},
    {"%F %R", "Europe/Berlin", "2026-10-25 02:30", "2026-10-25T00:30:00Z"}, /* twice */
    {"%F %R", "Europe/Berlin", "2026-10-25 03:00", "2026-10-25T02:00:00Z"},
    {"%F %R", "America/New_York", "2026-12-01 12:00", "2026-12-01T17:00:00Z"},
    {"%F %R", "+05:30", "2026-12-01 12:00", "2026-12-01T06:30:00Z"},
    {"%F %R%z", "Asia/Tokyo", "2026-12-01 12:00Z", "2026-12-01T12:00:00Z"},
    {"s", "", "1.5", "1970-01-01T00:00:01.5Z"},
    {"s", "", "-1.5", "1969-12-31T23:59:58.5Z"},
    {"ms", "", "-1", "1969-12-31T23:59:59.999Z"},
    {"us", "", "1000001", "1970-01-01T00:00:01.000001Z"},
    {"ns", "", "1767323045678901234", "2026-01-02T03:04:05.678901234Z"},
    {"ms", "", "1.5", "is no whole number"},
    {"ms", "", "99999999999999999", "not in the years"},
    {"s", "", "x", "is no whole number"},
};

Test(op_parse, layouts_are_read)
{
    for (size_t i = 0; i < sizeof scans / sizeof scans[0]; i++) {
        leat_value value = LEAT_VALUE_NULL;
        leat_err err = {0};
        leat_buf buf;
        leat_buf_init(&buf, 1000);
        leat_code code = leat_time_scan(leat_str_of(scans[i].text), leat_str_of(scans[i].layout),
                                        leat_str_of(scans[i].zone), &value, &err);
        if (code == LEAT_OK)
            leat_time_format(value, &buf);
        else
            leat_buf_add_text(&buf, err.text);
        leat_buf_add_char(&buf, '\0');
        cr_expect(strstr(buf.data, scans[i].want) != NULL, "%s '%s': got %s, want %s",
                  scans[i].layout, scans[i].text, buf.data, scans[i].want);
        leat_buf_release(&buf);
    }
}

static const struct {
    const char *layout, *zone, *want;
} prints[] = {
    {"%Y-%m-%dT%H:%M:%S.%f%z", "", "2026-03-07T00:04:05.678+0000"},
    {"%a %e %b %y, %I:%M %p", "", "Sat  7 Mar 26, 12:04 AM"},
    {"%A %d %B %j", "Asia/Tokyo", "Saturday 07 March 066"},
    {"%F %R %z", "America/New_York", "2026-03-06 19:04 -0500"},
    {"%D 100%%", "", "03/07/26 100%"},
    {"%s", "", "1772841845"},
    {"s", "", "1772841845"},
    {"ms", "", "1772841845678"},
    {"ns", "", "1772841845678000000"},
    {"rfc3339", "", "2026-03-07T00:04:05.678Z"},
    {"%F", "Nowhere/At_all", "unknown time zone 'Nowhere/At_all'"},
};

Test(op_parse, layouts_are_written)
{
    leat_value time = {.tag = LEAT_TIMESTAMP, .len = 678000000, .as.i = 1772841845};
    for (size_t i = 0; i < sizeof prints / sizeof prints[0]; i++) {
        leat_err err = {0};
        leat_buf buf;
        leat_buf_init(&buf, 1000);
        if (leat_time_print(time, leat_str_of(prints[i].layout), leat_str_of(prints[i].zone), &buf,
                            &err) != LEAT_OK)
            leat_buf_add_text(&buf, err.text);
        leat_buf_add_char(&buf, '\0');
        cr_expect_str_eq(buf.data, prints[i].want, "%s: %s", prints[i].layout, buf.data);
        leat_buf_release(&buf);
    }
}

/* What is written is read as the same time, in every layout that says enough. */
Test(op_parse, layouts_go_both_ways)
{
    static const char *const layouts[] = {"%Y-%m-%d %H:%M:%S.%f %z",
                                          "%j %Y %I:%M:%S.%f %p %z",
                                          "%a %e %B %Y %T.%f%z",
                                          "%s.%f",
                                          "rfc3339",
                                          "ns"};
    static const char *const zones[] = {"", "Asia/Kolkata", "America/St_Johns", "-11:00"};
    leat_random random = {7};
    for (int i = 0; i < 4000; i++) {
        leat_err err = {0};
        leat_buf buf;
        leat_value back = LEAT_VALUE_NULL;
        leat_value time = {.tag = LEAT_TIMESTAMP,
                           .len = (uint32_t)leat_random_below(&random, 1000000000),
                           .as.i = (int64_t)leat_random_below(&random, 8000000000)};
        leat_str layout = leat_str_of(layouts[leat_random_below(&random, 6)]);
        leat_str zone = leat_str_of(zones[leat_random_below(&random, 4)]);
        leat_buf_init(&buf, 1000);
        cr_assert_eq(leat_time_print(time, layout, zone, &buf, &err), LEAT_OK, "%s", err.text);
        cr_assert_eq(leat_time_scan(leat_buf_str(&buf), layout, zone, &back, &err), LEAT_OK, "%s",
                     err.text);
        cr_expect(leat_value_same(time, back), "%.*s %.*s", LEAT_STR_ARG(layout),
                  LEAT_STR_ARG(leat_buf_str(&buf)));
        leat_buf_release(&buf);
    }
}

/* --- encodings --- */

Test(op_parse, encodings)
{
    leat_buf buf;
    leat_err err;
    leat_buf_init(&buf, 100);
    leat_hex_encode((leat_str){"\x00\xff\x1a", 3}, &buf);
    leat_buf_add_char(&buf, ' ');
    leat_percent_encode(LEAT_STR("a b/\xc3\xa9~"), &buf);
    leat_buf_add_char(&buf, '\0');
    cr_expect_str_eq(buf.data, "00ff1a a%20b%2F%C3%A9~");
    leat_buf_reset(&buf);
    cr_expect_eq(leat_hex_decode(LEAT_STR("00fF1A"), &buf, &err), LEAT_OK);
    cr_expect(leat_str_equal(leat_buf_str(&buf), (leat_str){"\x00\xff\x1a", 3}));
    cr_expect_eq(leat_hex_decode(LEAT_STR("0"), &buf, &err), LEAT_ERR_SYNTAX);
    cr_expect_eq(leat_hex_decode(LEAT_STR("0g"), &buf, &err), LEAT_ERR_SYNTAX);
    cr_expect_eq(buf.len, 3);
    leat_buf_reset(&buf);
    cr_expect_eq(leat_percent_decode(LEAT_STR("a+b%2fc"), true, &buf, &err), LEAT_OK);
    cr_expect_eq(leat_percent_decode(LEAT_STR("+"), false, &buf, &err), LEAT_OK);
    cr_expect(leat_str_is(leat_buf_str(&buf), "a b/c+"));
    cr_expect_eq(leat_percent_decode(LEAT_STR("x%2"), false, &buf, &err), LEAT_ERR_SYNTAX);
    cr_expect_eq(leat_percent_decode(LEAT_STR("x%zz"), false, &buf, &err), LEAT_ERR_SYNTAX);
    cr_expect_eq(buf.len, 6);
    leat_buf_release(&buf);
    leat_buf_init(&buf, 2);
    cr_expect_eq(leat_percent_decode(LEAT_STR("abc"), false, &buf, &err), LEAT_ERR_LIMIT);
    cr_expect_eq(leat_hex_decode(LEAT_STR("616263"), &buf, &err), LEAT_ERR_LIMIT);
    leat_buf_release(&buf);
}
