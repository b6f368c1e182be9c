/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents in both modes, and headers that go through; over exec. */
#include "tests/unit/exec_harness.h"

#define PIPE(format, steps, to)                                                                    \
    "{\"name\":\"p\",\"dead_letter\":\"dead\",\"sources\":{\"s\":{\"topic\":\"in\"" format         \
    "}},\"streams\":{\"t\":{\"from\":\"s\",\"steps\":[" steps "],\"to\":{\"topic\":\"out\"" to     \
    "}}}}"
#define EVENTS      ",\"format\":\"cloudevents\""
#define HEADERS_MAX 8

typedef struct event_case {
    const char *name;
    const char *headers[2 * HEADERS_MAX]; /* name, value ... NULL */
    const char *value, *want;
} event_case;

static void send_one(test_bed *bed, const event_case *one)
{
    leat_header headers[HEADERS_MAX];
    size_t count = 0;
    while (count < HEADERS_MAX && one->headers[2 * count] != NULL) {
        headers[count].name = leat_str_of(one->headers[2 * count]);
        headers[count].value = leat_str_of(one->headers[2 * count + 1]);
        count++;
    }
    const leat_message message = {.topic = LEAT_STR("in"),
                                  .partition = 2,
                                  .offset = ++bed->offset,
                                  .timestamp_ms = 1000,
                                  .value = leat_str_of(one->value),
                                  .headers = headers,
                                  .headers_count = count};
    bed_batch(bed, &message, 1);
}

static void run_cases(const char *pipeline, const event_case *cases, size_t count)
{
    test_bed bed;
    bed_open(&bed, pipeline);
    for (size_t i = 0; i < count; i++) {
        send_one(&bed, &cases[i]);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect_str_eq(bed.out.data, cases[i].want, "%s\ngot:  %swant: %s", cases[i].name,
                         bed.out.data, cases[i].want);
        leat_buf_reset(&bed.out);
    }
    bed_close(&bed);
}

#define CE         "ce_specversion", "1.0", "ce_id", "7", "ce_source", "/shop", "ce_type", "paid"
#define ATTRIBUTES "\"specversion\":\"1.0\",\"id\":\"7\",\"source\":\"/shop\",\"type\":\"paid\""

static const event_case reading[] = {
    {"binary, json",
     {CE, "content-type", "application/json"},
     "{\"a\":1.50}",
     "out: {" ATTRIBUTES ",\"datacontenttype\":\"application/json\",\"data\":{\"a\":1.50}}\n"},
    {"binary, no content type", {CE}, " [1, 2]", "out: {" ATTRIBUTES ",\"data\": [1, 2]}\n"},
    {"binary, text",
     {CE, "content-type", "text/plain; charset=utf-8"},
     "a \"b\"",
     "out: {" ATTRIBUTES ",\"datacontenttype\":\"text/plain; charset=utf-8\",\"data\":\"a "
     "\\\"b\\\"\"}\n"},
    {"binary, bytes",
     {CE, "Content-Type", "image/png"},
     "\x01\xff",
     "out: {" ATTRIBUTES ",\"datacontenttype\":\"image/png\",\"data_base64\":\"Af8=\"}\n"},
    {"binary, an extension and a strange one",
     {CE, "ce_region", "eu", "ce_Bad-Name", "x"},
     "1",
     "out: {" ATTRIBUTES ",\"region\":\"eu\",\"data\":1}\n"},
    {"binary, json of a vendor",
     {CE, "content-type", "application/vnd.shop+json"},
     "{}",
     "out: {" ATTRIBUTES ",\"datacontenttype\":\"application/vnd.shop+json\",\"data\":{}}\n"},
    {"data that tries to end the event",
     {CE},
     "1,\"id\":\"x\"",
     "dead: 1,\"id\":\"x\" leat.step=sources.s leat.error=the event's data: JSON, byte 2: expected "
     "the end of the text, found ','\n"},
    {"structured",
     {"content-type", "application/cloudevents+json; charset=UTF-8"},
     "{" ATTRIBUTES ",\"data\":{\"a\":1.50}}",
     "out: {" ATTRIBUTES ",\"data\":{\"a\":1.50}}\n"},
    {"structured, told by itself", {"app", "1"}, "{" ATTRIBUTES "}", "out: {" ATTRIBUTES "}\n"},
    {"a batch",
     {"content-type", "application/cloudevents-batch+json"},
     "[]",
     "dead: [] leat.step=sources.s leat.error=a batch of CloudEvents cannot be read\n"},
    {"no event",
     {"app", "1"},
     "{\"id\":\"7\"}",
     "dead: {\"id\":\"7\"} leat.step=sources.s leat.error=a CloudEvent needs the attribute "
     "'specversion'\n"},
    {"an empty attribute",
     {"ce_specversion", "1.0", "ce_id", "", "ce_source", "s", "ce_type", "t"},
     "1",
     "dead: 1 leat.step=sources.s leat.error=a CloudEvent needs the attribute 'id'\n"},
    {"another version",
     {"ce_specversion", "0.3", "ce_id", "1", "ce_source", "s", "ce_type", "t"},
     "1",
     "dead: 1 leat.step=sources.s leat.error=a CloudEvent of specversion 0.3, not 1.0\n"},
    {"a header that is not UTF-8",
     {CE, "ce_x", "\xff"},
     "1",
     "dead: 1 leat.step=sources.s leat.error=header ce_x is not UTF-8\n"},
};

Test(codec_cloudevents, reading)
{
    run_cases(PIPE(EVENTS, "", ""), reading, sizeof reading / sizeof reading[0]);
}

Test(codec_cloudevents, writing)
{
    test_bed bed;
    bed_open(&bed, PIPE("", "", EVENTS));
    bed.terse = false;
    bed_send(&bed, "{" ATTRIBUTES ",\"n\":5,\"datacontenttype\":\"text/plain\",\"data\":\"hi\"}");
    bed_send(&bed, "{" ATTRIBUTES ",\"data\":{\"a\":1.50}}");
    bed_send(&bed, "{" ATTRIBUTES ",\"data_base64\":\"Af8=\"}");
    bed_expect(&bed,
               "out -1 1 k: hi ce_specversion=1.0 ce_id=7 ce_source=/shop ce_type=paid ce_n=5 "
               "content-type=text/plain\n"
               "out -1 2 k: {\"a\":1.50} ce_specversion=1.0 ce_id=7 ce_source=/shop ce_type=paid "
               "content-type=application/json\n"
               "out -1 3 k: \x01\xff ce_specversion=1.0 ce_id=7 ce_source=/shop ce_type=paid "
               "content-type=application/octet-stream\n");
    bed.terse = true;
    bed_send(&bed, "{" ATTRIBUTES ",\"o\":{}}");
    bed_send(&bed, "{\"id\":\"7\"}");
    bed_expect(&bed,
               "dead: {" ATTRIBUTES ",\"o\":{}} leat.step=streams.t.to leat.error='o' is no "
               "attribute of a CloudEvent: lower-case letters and digits, and a text, number "
               "or bool; put it into 'data'\n"
               "dead: {\"id\":\"7\"} leat.step=streams.t.to leat.error=a CloudEvent needs the "
               "attribute 'specversion'\n");
    bed_close(&bed);
    bed_open(&bed, PIPE("", "",
                        ",\"format\":{\"cloudevents\":{\"mode\":\"structured\",\"type\":\"t\","
                        "\"source\":\"/s\"}},\"headers\":{\"x\":\"'1'\"}"));
    bed.terse = false;
    bed_send(&bed, "{\"a\":1.50}");
    bed_expect(&bed,
               "out -1 1 k: {\"specversion\":\"1.0\",\"id\":\"in:0:1:a6a619acf0a0ad9a\",\"source\":"
               "\"/s\",\"type\":\"t\",\"time\":\"1970-01-01T00:00:00.001Z\",\"datacontenttype\":"
               "\"application/json\",\"data\":{\"a\":1.50}} content-type=application/"
               "cloudevents+json; charset=UTF-8 x=1\n");
    bed_close(&bed);
}

Test(codec_cloudevents, too_many_attributes_are_no_event)
{
    test_bed bed;
    leat_buf text;
    bed_open(&bed, PIPE("", "", EVENTS));
    for (unsigned count = 256; count <= 257; count++) { /* with the four that are needed */
        leat_buf_init(&text, 1 << 16);
        leat_buf_add_text(&text, "{" ATTRIBUTES);
        for (unsigned i = 4; i < count; i++)
            leat_buf_add_format(&text, ",\"x%u\":1", i);
        leat_buf_add_text(&text, "}");
        leat_buf_add_char(&text, '\0');
        leat_buf_reset(&bed.out);
        bed_send(&bed, text.data);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect_eq(strstr(bed.out.data, "a CloudEvent of more than 256 attributes") != NULL,
                     count > 256, "%u: %s", count, bed.out.data);
        leat_buf_release(&text);
    }
    leat_buf_reset(&bed.out);
    bed_close(&bed);
}

Test(codec_cloudevents, binary_goes_through_unchanged)
{
    test_bed bed;
    const event_case one = {"", {CE, "content-type", "application/json"}, "{\"a\":1.50}", ""};
    bed_open(&bed, PIPE(EVENTS, "", EVENTS));
    bed.terse = false;
    send_one(&bed, &one);
    bed_expect(&bed, "out -1 1000 : {\"a\":1.50} ce_specversion=1.0 ce_id=7 ce_source=/shop "
                     "ce_type=paid content-type=application/json\n");
    bed_close(&bed);
}

Test(codec_cloudevents, headers_are_kept)
{
    test_bed bed;
    const event_case one = {"", {"a", "1", "b", "2", "leat.attempt", "3"}, "{}", ""};
    bed_open(&bed,
             PIPE("", "", ",\"keep_headers\":true,\"headers\":{\"b\":\"'x'\",\"c\":\"'y'\"}"));
    bed.terse = false;
    send_one(&bed, &one);
    bed_expect(&bed, "out -1 1000 : {} a=1 b=x c=y\n");
    bed_close(&bed);
    bed_open(&bed, PIPE("", "", ""));
    bed.terse = false;
    send_one(&bed, &one);
    bed_expect(&bed, "out -1 1000 : {}\n");
    bed_close(&bed);
}

static const struct {
    const char *pipeline, *want;
} said[] = {
    {PIPE(",\"format\":{\"cloudevents\":{\"mode\":\"binary\"}}", "", ""), "has no settings here"},
    {PIPE("", "", ",\"format\":{\"cloudevents\":{\"type\":\"t\"}}"), "go together"},
    {PIPE("", "", ",\"format\":{\"cloudevents\":{\"mode\":\"both\"}}"), "structured"},
};

Test(codec_cloudevents, check)
{
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        test_bed bed;
        const char *text = bed_plan(&bed, said[i].pipeline, NULL);
        cr_expect_not_null(strstr(text, said[i].want), "%s: said %s", said[i].pipeline, text);
        bed_close(&bed);
    }
}
