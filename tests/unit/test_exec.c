/* SPDX-License-Identifier: Apache-2.0 */
/* What a task does with messages: reading, time, dead letters, outputs, state. */
#include "tests/unit/exec_harness.h"
#include "tests/unit/exec_probe.h"
#include "tests/unit/leak.h"

LEAT_SUITE(exec);

/* SOURCE: further settings of the source; STREAM: of the stream */
#define PIPELINE(SOURCE, STREAM)                                                                   \
    "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"" SOURCE "}},\"streams\":{\"t\":{"        \
    "\"from\":\"s\"" STREAM "}},\"dead_letter\":{\"topic\":\"dead\"}}"

#define TO_OUT ",\"to\":\"out\""

/* --- reading --- */

typedef struct message_case {
    const char *name, *input, *want;
} message_case;

static const message_case messages[] = {
    {"an object", "{\"a\":1}", "out: {\"a\":1}\n"},
    {"no object", "[1]",
     "dead: [1] leat.step=sources.s leat.error=JSON, byte 1: the record is no object\n"},
    {"cut off", "{\"a\":", NULL},
    {"tombstone", NULL, "dead: (null) leat.step=sources.s leat.error=null value\n"},
    {"empty", "", NULL},
    {"blank", "  \n", NULL},
    {"bad UTF-8", "{\"a\":\"\xff\"}", NULL},
};

Test(exec, reads_messages)
{
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        test_bed bed;
        bed_open(&bed, PIPELINE("", TO_OUT));
        bed_send(&bed, messages[i].input);
        leat_buf_add_char(&bed.out, '\0');
        const char *got = bed.out.data;
        if (messages[i].want != NULL)
            cr_expect_str_eq(got, messages[i].want, "%s: got %s", messages[i].name, got);
        else
            cr_expect(strncmp(got, "dead: ", 6) == 0, "%s: got %s", messages[i].name, got);
        leat_exec_counts counts = leat_exec_counts_get(bed.exec);
        cr_expect_eq(counts.records_in, 1);
        cr_expect_eq(counts.records_out + counts.dead_letters, 1);
        bed_close(&bed);
    }
}

Test(exec, a_dead_letter_is_the_message_as_it_came_and_its_story)
{
    test_bed bed;
    bed_open(&bed, PIPELINE("", ",\"steps\":[{\"filter\":\"a\"}]" TO_OUT));
    bed.terse = false;
    const leat_header headers[] = {{LEAT_STR("h"), LEAT_STR("1")},
                                   {LEAT_STR("leat.error"), LEAT_STR("an older story")},
                                   {LEAT_STR("h"), LEAT_STR_NONE}};
    const leat_message message = {.topic = LEAT_STR("in"),
                                  .partition = 3,
                                  .offset = 17,
                                  .timestamp_ms = 1234,
                                  .key = LEAT_STR("key"),
                                  .value = LEAT_STR(" {\"a\":1} "),
                                  .headers = headers,
                                  .headers_count = 3};
    bed_batch(&bed, &message, 1);
    bed_expect(&bed, "dead -1 -9223372036854775808 key:  {\"a\":1}  h=1 h= leat.pipeline=p "
                     "leat.step=streams.t.steps[0].filter leat.error=the condition gives an 'int', "
                     "not true or false leat.code=type leat.attempt=1 "
                     "leat.topic=in leat.partition=3 leat.offset=17 leat.timestamp=1234\n");
    cr_expect(
        leat_str_is(leat_exec_last_error(bed.exec),
                    "streams.t.steps[0].filter: the condition gives an 'int', not true or false"));
    bed_close(&bed);
}

Test(exec, dead_letters_in_a_file)
{
    test_bed bed;
    bed_open(&bed, "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{\"t\":{"
                   "\"from\":\"s\",\"to\":\"out\"}},\"dead_letter\":{\"file\":\"dead.jsonl\"}}");
    bed_send(&bed, "\"x");
    bed_send(&bed, NULL);
    bed_send(&bed, "\xff");
    leat_header headers[] = {{LEAT_STR("h"), LEAT_STR("1")}, {LEAT_STR("\xffn"), LEAT_STR_NONE}};
    leat_message message = {.topic = LEAT_STR("in"),
                            .offset = 4,
                            .timestamp_ms = 4,
                            .value = LEAT_STR("{"),
                            .headers = headers,
                            .headers_count = 2};
    bed_batch(&bed, &message, 1);
    leat_buf_add_char(&bed.out, '\0');
    const char *got = bed.out.data;
    cr_expect_not_null(strstr(got, "\"key\":null,\"headers\":[{\"name\":\"h\",\"value\":\"1\"},"
                                   "{\"name_base64\":\"/24=\",\"value\":null}],\"value\":\"{\"}\n"),
                       "%s", got);
    cr_expect_not_null(strstr(got, "{\"pipeline\":\"p\",\"step\":\"sources.s\",\"error\":\""), "%s",
                       got);
    cr_expect_not_null(strstr(got,
                              "\"source\":\"s\",\"line\":1,\"topic\":\"in\",\"partition\":0,"
                              "\"timestamp\":1,\"attempt\":1,\"key\":\"k\",\"value\":\"\\\"x\"}"
                              "\n"),
                       "%s", got);
    cr_expect_not_null(
        strstr(got, "\"error\":\"null value\",\"code\":\"invalid\",\"source\":\"s\",\"line\":2,"
                    "\"topic\":"
                    "\"in\",\"partition\":0,\"timestamp\":2,\"attempt\":1,\"key\":\"k\","
                    "\"value\":null}\n"),
        "%s", got);
    cr_expect_not_null(strstr(got, "\"attempt\":1,\"key\":\"k\",\"value_base64\":\"/w==\"}\n"),
                       "%s", got);
    bed_close(&bed);
}

Test(exec, each_failing_branch_has_its_dead_letter)
{
    test_bed bed;
    bed_open(&bed, "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{"
                   "\"t\":{\"from\":\"s\",\"steps\":[{\"filter\":\"a > 0\"}],\"to\":\"t\"},"
                   "\"u\":{\"from\":\"s\",\"steps\":[{\"set\":{\"b\":\"1 / a\"}}],\"to\":\"u\"},"
                   "\"v\":{\"from\":\"s\",\"to\":[\"v\",\"w\"]}},\"dead_letter\":{\"topic\":"
                   "\"dead\"}}");
    bed_send(&bed, "{\"a\":\"x\"}");
    bed_expect(&bed, "v: {\"a\":\"x\"}\nw: {\"a\":\"x\"}\n"
                     "dead: {\"a\":\"x\"} leat.step=streams.t.steps[0].filter leat.error=no such "
                     "overload: '_>_' applied to (string, int) (column 3)\n"
                     "dead: {\"a\":\"x\"} leat.step=streams.u.steps[0].set leat.error=b: no such "
                     "overload: '_/_' applied to (int, string) (column 3)\n");
    leat_exec_counts counts = leat_exec_counts_get(bed.exec);
    cr_expect_eq(counts.dead_letters, 2);
    cr_expect_eq(counts.records_out, 2);
    bed_close(&bed);
}

Test(exec, without_a_dead_letter_it_is_counted)
{
    test_bed bed;
    bed_open(&bed, "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{\"t\":{"
                   "\"from\":\"s\",\"to\":\"out\"}}}");
    cr_expect_null(leat_exec_last_error(bed.exec).data);
    bed_send(&bed, "[]");
    bed_expect(&bed, "");
    cr_expect_eq(leat_exec_counts_get(bed.exec).dead_letters, 1);
    cr_expect_not_null(leat_exec_last_error(bed.exec).data);
    bed_close(&bed);
}

/* --- keys, timestamps, sinks --- */

static const struct {
    const char *source, *input, *want;
} addresses[] = {
    {"", "{}", "out -1 1 k: {}\n"},
    {",\"key\":\"a\"", "{\"a\":\"x\"}", "out -1 1 x: {\"a\":\"x\"}\n"},
    {",\"key\":\"a\"", "{\"a\":1.50}", "out -1 1 1.50: {\"a\":1.50}\n"},
    {",\"key\":\"a\"", "{\"a\":[1, 2]}", "out -1 1 [1, 2]: {\"a\":[1, 2]}\n"},
    {",\"key\":\"a\"", "{\"a\":null}", "out -1 1 : {\"a\":null}\n"},
    {",\"key\":\"a + '-' + b\"", "{\"a\":\"x\",\"b\":\"y\"}",
     "out -1 1 x-y: {\"a\":\"x\",\"b\":\"y\"}\n"},
    {",\"key\":\"a > 1\"", "{\"a\":2}", "out -1 1 true: {\"a\":2}\n"},
    {",\"timestamp\":\"t\"", "{\"t\":5000}", "out -1 5000 k: {\"t\":5000}\n"},
    {",\"timestamp\":\"t\"", "{\"t\":\"1970-01-01T00:00:07.5+00:00\"}",
     "out -1 7500 k: {\"t\":\"1970-01-01T00:00:07.5+00:00\"}\n"},
    {",\"timestamp\":\"timestamp(t)\"", "{\"t\":\"1970-01-01T01:00:07Z\"}",
     "out -1 3607000 k: {\"t\":\"1970-01-01T01:00:07Z\"}\n"},
};

Test(exec, keys_and_timestamps)
{
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        test_bed bed;
        char text[1024];
        (void)snprintf(text, sizeof text, PIPELINE("%s", TO_OUT), addresses[i].source);
        bed_open(&bed, text);
        bed.terse = false;
        bed_send(&bed, addresses[i].input);
        bed_expect(&bed, addresses[i].want);
        bed_close(&bed);
    }
}

static const struct {
    const char *source, *input, *step, *error;
} bad_addresses[] = {
    {",\"key\":\"a\"", "{}", "sources.s.key", "no such field"},
    {",\"timestamp\":\"t\"", "{}", "sources.s.timestamp", "no such field"},
    {",\"timestamp\":\"t\"", "{\"t\":1.5}", "sources.s.timestamp", "a timestamp is an int"},
    {",\"timestamp\":\"t\"", "{\"t\":null}", "sources.s.timestamp", "a timestamp is an int"},
    {",\"timestamp\":\"t\"", "{\"t\":\"soon\"}", "sources.s.timestamp", ""},
    {",\"timestamp\":\"t\"", "{\"t\":9223372036854775807}", "sources.s.timestamp", "outside"},
    {",\"timestamp\":\"t\"", "{\"t\":-9223372036854775808}", "sources.s.timestamp", "outside"},
};

Test(exec, bad_keys_and_timestamps)
{
    for (size_t i = 0; i < sizeof bad_addresses / sizeof bad_addresses[0]; i++) {
        test_bed bed;
        char text[1024], step[64];
        (void)snprintf(text, sizeof text, PIPELINE("%s", TO_OUT), bad_addresses[i].source);
        (void)snprintf(step, sizeof step, "leat.step=%s ", bad_addresses[i].step);
        bed_open(&bed, text);
        bed_send(&bed, bad_addresses[i].input);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect(strncmp(bed.out.data, "dead: ", 6) == 0, "%s", bed.out.data);
        cr_expect_not_null(strstr(bed.out.data, step), "%s", bed.out.data);
        cr_expect_not_null(strstr(bed.out.data, bad_addresses[i].error), "%s", bed.out.data);
        cr_expect_eq(leat_exec_watermark(bed.exec), LEAT_TIME_NONE);
        bed_close(&bed);
    }
}

Test(exec, a_message_without_timestamp)
{
    test_bed bed;
    bed_open(&bed, PIPELINE("", TO_OUT));
    bed_send_at(&bed, "{}", LEAT_TIME_NONE);
    bed_expect(&bed,
               "dead: {} leat.step=sources.s.timestamp leat.error=the message has no timestamp\n");
    bed_close(&bed);
}

static const struct {
    const char *input, *want;
} sinks[] = {
    {"{\"a\":1}", "out-2 1 1 1: {\"a\":1,\"b\":2} n=1 x={\"a\":1,\"b\":2}\n"},
    {"{\"a\":1.50}", "leat.error=partition: the expression gives double, not an int "},
    {"{\"a\":-3}", "leat.error=partition: -3 is out of range "},
    {"{\"a\":\"x y\"}", "leat.error=topic: 'out-x y' is no name of a topic (1 to 249 of "},
    {"{\"a\":null}", "leat.error=topic: no such overload: 'string' applied to (null_type)"},
};

Test(exec, sinks_with_expressions)
{
    for (size_t i = 0; i < sizeof sinks / sizeof sinks[0]; i++) {
        test_bed bed;
        bed_open(&bed,
                 PIPELINE("", ",\"steps\":[{\"set\":{\"b\":\"a == 1 ? 2 : a\"}}],\"to\":{"
                              "\"topic\":\"'out-' + string(b)\",\"key\":\"string(a)\","
                              "\"partition\":\"a\",\"headers\":{\"n\":\"a\",\"x\":\"event\"}}"));
        bed.terse = false;
        bed_send(&bed, sinks[i].input);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect_not_null(strstr(bed.out.data, sinks[i].want), "%s", bed.out.data);
        cr_expect(i == 0 || strstr(bed.out.data, " k: {\"a\":") != NULL);
        bed_close(&bed);
    }
}

/* --- time --- */

#define PROBED ",\"steps\":[{\"drop\":[\"x\"]},{\"probe\":{}}]" TO_OUT

Test(exec, a_stateful_step_sees_records_in_order_of_time)
{
    test_bed bed;
    bed_open_with(&bed, PIPELINE(",\"timestamp\":\"t\",\"out_of_orderness\":\"10ms\"", PROBED),
                  &leat_operator_probe);
    bed_send(&bed, "{\"t\":1000}");
    bed_send(&bed, "{\"t\":1005}");
    bed_send(&bed, "{\"t\":1003}");
    bed_expect(&bed, "");
    cr_expect_eq(leat_exec_watermark(bed.exec), 994);
    bed_send(&bed, "{\"t\":1015}"); /* watermark 1004 */
    bed_expect(&bed, "out: {\"seen\":\"k\",\"count\":1,\"of\":{\"t\":1000}}\n"
                     "out: {\"seen\":\"k\",\"count\":2,\"of\":{\"t\":1003}}\n");
    bed_send(&bed, "{\"t\":1004}"); /* at the watermark: late */
    cr_expect_eq(leat_exec_counts_get(bed.exec).late, 1);
    cr_expect_eq(leat_exec_counts_get(bed.exec).late_dropped, 1);
    bed_send(&bed, "{\"t\":1200}"); /* watermark 1189: silent since 1015 */
    bed_expect(&bed, "out: {\"seen\":\"k\",\"count\":3,\"of\":{\"t\":1005}}\n"
                     "out: {\"seen\":\"k\",\"count\":4,\"of\":{\"t\":1015}}\n"
                     "out: {\"silent\":\"k\",\"count\":4,\"at\":1115}\n");
    bed_end(&bed);
    bed_expect(&bed, "out: {\"seen\":\"k\",\"count\":1,\"of\":{\"t\":1200}}\n"
                     "out: {\"silent\":\"k\",\"count\":1,\"at\":1300}\n");
    cr_expect_eq(leat_exec_watermark(bed.exec), LEAT_TIME_MAX);
    bed_close(&bed);
}

Test(exec, late_records_pass_stateless_steps)
{
    test_bed bed;
    bed_open(&bed, PIPELINE(",\"timestamp\":\"t\"", ",\"steps\":[{\"filter\":\"true\"}]" TO_OUT));
    bed_send(&bed, "{\"t\":1000}");
    bed_send(&bed, "{\"t\":500}");
    bed_expect(&bed, "out: {\"t\":1000}\nout: {\"t\":500}\n");
    cr_expect_eq(leat_exec_counts_get(bed.exec).late, 1);
    cr_expect_eq(leat_exec_counts_get(bed.exec).late_dropped, 0);
    bed_close(&bed);
}

Test(exec, late_records_of_a_source_with_a_rule)
{
    test_bed bed;
    bed_open(&bed, PIPELINE(",\"timestamp\":\"t\",\"late\":{\"to\":\"late\"}",
                            ",\"steps\":[{\"set\":{\"w\":\"meta.watermark\"}}]" TO_OUT));
    bed_send(&bed, "{\"t\":1000}");
    bed_send(&bed, " {\"t\":999} ");
    bed_send(&bed, "{\"t\":1000}"); /* the watermark is 999: in time */
    bed_expect(&bed, "out: {\"t\":1000,\"w\":null}\n"
                     "late:  {\"t\":999} \n"
                     "out: {\"t\":1000,\"w\":\"1970-01-01T00:00:00.999Z\"}\n");
    bed_close(&bed);
    bed_open(&bed, PIPELINE(",\"timestamp\":\"t\",\"late\":\"drop\"", TO_OUT));
    bed_send(&bed, "{\"t\":1000}");
    bed_send(&bed, "{\"t\":999}");
    bed_expect(&bed, "out: {\"t\":1000}\n");
    cr_expect_eq(leat_exec_counts_get(bed.exec).late_dropped, 1);
    bed_close(&bed);
}

static void send_from(test_bed *bed, int32_t partition, int64_t timestamp_ms)
{
    const leat_message message = {.topic = LEAT_STR("in"),
                                  .partition = partition,
                                  .timestamp_ms = timestamp_ms,
                                  .value = LEAT_STR("{}")};
    bed_batch(bed, &message, 1);
}

Test(exec, watermarks_are_the_least_over_inputs_that_are_not_idle)
{
    test_bed bed;
    leat_err err;
    const leat_str topics[] = {LEAT_STR("in"), LEAT_STR("in"), LEAT_STR("in")};
    const int32_t partitions[] = {0, 1, 2};
    bed_open(&bed, PIPELINE(",\"idle_after\":\"1s\"", TO_OUT));
    cr_assert_eq(leat_exec_inputs(bed.exec, topics, partitions, 3, &err), LEAT_OK);
    send_from(&bed, 0, 1001);
    cr_expect_eq(leat_exec_watermark(bed.exec), LEAT_TIME_NONE);
    send_from(&bed, 1, 501);
    cr_expect_eq(leat_exec_watermark(bed.exec), LEAT_TIME_NONE, "partition 2 has said nothing");
    bed_idle(&bed, "in", 2);
    cr_expect_eq(leat_exec_watermark(bed.exec), 500);
    bed_idle(&bed, "in", 1);
    cr_expect_eq(leat_exec_watermark(bed.exec), 1000);
    send_from(&bed, 1, 601); /* no longer idle, and behind: the watermark stays */
    cr_expect_eq(leat_exec_watermark(bed.exec), 1000);
    send_from(&bed, 0, 2001);
    cr_expect_eq(leat_exec_watermark(bed.exec), 1000, "partition 1 holds it");
    send_from(&bed, 1, 1501);
    cr_expect_eq(leat_exec_watermark(bed.exec), 1500);
    bed_idle(&bed, "in", 0);
    bed_idle(&bed, "in", 1);
    cr_expect_eq(leat_exec_watermark(bed.exec), 2000, "all idle: the furthest counts");
    cr_assert_eq(leat_exec_inputs(bed.exec, topics, partitions, 1, &err), LEAT_OK);
    send_from(&bed, 0, 3001);
    cr_expect_eq(leat_exec_watermark(bed.exec), 3000, "the others are gone");
    bed_close(&bed);
}

/* --- state --- */

Test(exec, what_comes_and_goes_between_commits_costs_the_changelog_nothing)
{
    test_bed bed;
    bed_open_with(&bed, PIPELINE(",\"timestamp\":\"t\",\"out_of_orderness\":\"10ms\"", PROBED),
                  &leat_operator_probe);
    for (int i = 0; i < 1000; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "{\"t\":%d}", 1000 + i);
        bed_send(&bed, text);
    }
    bed_commit(&bed);
    /* Records 989..999 wait (11); one key's cell; one progress. */
    cr_expect_eq(bed.log_written, 13, "%zu", bed.log_written);
    bed_commit(&bed);
    cr_expect_eq(bed.log_written, 13, "nothing has changed");
    bed_close(&bed);
}

Test(exec, a_stateless_pipeline_has_no_tables)
{
    test_bed bed;
    leat_table *const *tables;
    bed_open(&bed, PIPELINE(",\"timestamp\":\"t\"", TO_OUT));
    cr_expect_eq(leat_exec_tables(bed.exec, &tables), 0);
    bed_send(&bed, "{\"t\":1000}");
    bed_commit(&bed);
    bed_send(&bed, "{\"t\":2000}");
    bed_abort(&bed);
    cr_expect_eq(leat_exec_watermark(bed.exec), 999);
    bed_close(&bed);
}

Test(exec, a_watermark_survives_a_crash)
{
    test_bed bed;
    bed_open_with(&bed, PIPELINE(",\"timestamp\":\"t\"", PROBED), &leat_operator_probe);
    bed_send(&bed, "{\"t\":1000}");
    bed_commit(&bed);
    bed_send(&bed, "{\"t\":5000}");
    bed_crash(&bed);
    cr_expect_eq(leat_exec_watermark(bed.exec), 999);
    bed.out.len = 0;
    bed_send(&bed, "{\"t\":999}");
    cr_expect_eq(leat_exec_counts_get(bed.exec).late, 1);
    bed_send(&bed, "{\"t\":1001}");
    bed_expect(&bed, "out: {\"seen\":\"k\",\"count\":1,\"of\":{\"t\":1000}}\n");
    bed_close(&bed);
}

/* The pipeline is edited while records wait: another set of slots, a filter, a step that fails. */
Test(exec, records_wait_for_a_new_version_of_the_pipeline)
{
    test_bed bed, next;
    leat_err err;
    const char *source = ",\"timestamp\":\"t\",\"out_of_orderness\":\"100ms\"";
    char text[1024];
    (void)snprintf(text, sizeof text,
                   PIPELINE("%s", ",\"steps\":[{\"set\":{\"b\":\"a * 2\"}},{\"probe\":{}}]" TO_OUT),
                   source);
    bed_open_with(&bed, text, &leat_operator_probe);
    bed_send(&bed, "{\"t\":1000,\"a\":1}");
    bed_send(&bed, "{\"t\":1001,\"a\":2}");
    bed_send(&bed, "{\"t\":1002,\"a\":3}");
    bed_send(&bed, "{\"t\":1003,\"a\":4}");
    bed_commit(&bed);

    (void)snprintf(text, sizeof text,
                   PIPELINE("%s", ",\"steps\":[{\"set\":{\"c\":\"12 / (a - 2)\",\"d\":\"t\"}},"
                                  "{\"probe\":{}},{\"filter\":\"true\"}]" TO_OUT),
                   source);
    bed_plan(&next, text, &leat_operator_probe);
    cr_assert_not_null(next.plan);
    leat_exec_close(&bed.exec);
    leat_arena *old = bed.arena;
    bed.arena = next.arena;
    bed.plan = next.plan;
    leat_buf_release(&next.out);
    cr_assert_eq(leat_exec_open(bed.plan, 0, BED_STATE_MAX, &bed.exec, &err), LEAT_OK);
    for (size_t i = 0; i < bed.log_count; i++) { /* the step has moved from place 1 to place 1 */
        leat_str key = bed.log[i].key;
        size_t name_len = strlen(key.data);
        leat_table *table = leat_exec_table(bed.exec, leat_str_slice(key, 0, name_len));
        cr_assert_not_null(table);
        cr_assert_eq(leat_table_restore(table, leat_str_slice(key, name_len + 1, key.len),
                                        bed.log[i].value, &err),
                     LEAT_OK);
    }
    for (int again = 0; again < 2; again++) { /* an abort does it once more */
        if (again == 0) {
            cr_assert_eq(leat_exec_restored(bed.exec, &err), LEAT_OK, "%s", err.text);
        } else {
            bed_abort(&bed);
        }
        bed_send(&bed, "{\"t\":2000,\"a\":3}");
        bed_expect(&bed,
                   "dead: {\"t\":1001,\"a\":2} leat.step=streams.t.steps[0].set leat.error=c: "
                   "division by zero (column 4)\n"
                   "out: {\"seen\":\"k\",\"count\":1,\"of\":{\"t\":1000,\"a\":1,\"c\":-12,\"d\":"
                   "1000}}\n"
                   "out: {\"seen\":\"k\",\"count\":2,\"of\":{\"t\":1002,\"a\":3,\"c\":12,\"d\":"
                   "1002}}\n"
                   "out: {\"seen\":\"k\",\"count\":3,\"of\":{\"t\":1003,\"a\":4,\"c\":6,\"d\":"
                   "1003}}\n"
                   "out: {\"silent\":\"k\",\"count\":3,\"at\":1103}\n");
    }
    bed_commit(&bed);
    bed_crash(&bed); /* nothing of the old version is left */
    bed_send(&bed, "{\"t\":3000,\"a\":3}");
    bed_expect(&bed, "out: {\"seen\":\"k\",\"count\":1,\"of\":{\"t\":2000,\"a\":3,\"c\":12,\"d\":"
                     "2000}}\n"
                     "out: {\"silent\":\"k\",\"count\":1,\"at\":2100}\n");
    bed_close(&bed);
    leat_arena_free(&old);
}

/* --- without memory --- */

static const leat_plan *oom_plan;

/* A life of a task; true: some allocation failed, and it said so. */
static bool live_once(void)
{
    static const char *const texts[] = {"{\"t\":1000,\"a\":\"x\"}", "{\"t\":1005,\"a\":[1]}",
                                        "nothing", "{\"t\":1200,\"a\":1.50}"};
    leat_exec *exec = NULL;
    leat_err err;
    const leat_output *outputs;
    size_t count;
    leat_code code = leat_exec_open(oom_plan, 0, BED_STATE_MAX, &exec, &err);
    for (int64_t i = 0; i < 4 && code == LEAT_OK; i++) {
        const leat_message message = {.topic = LEAT_STR("in"),
                                      .offset = i,
                                      .timestamp_ms = i,
                                      .key = LEAT_STR("k"),
                                      .value = leat_str_of(texts[i])};
        code = leat_exec_batch(exec, &message, 1, &outputs, &count, &err);
        if (code == LEAT_OK && i == 1) {
            code = leat_exec_flush(exec, bed_ignore, NULL, &err);
            if (code == LEAT_OK) leat_exec_commit(exec);
        }
    }
    if (code == LEAT_OK) code = leat_exec_abort(exec, &err);
    if (code == LEAT_OK) code = leat_exec_end(exec, &outputs, &count, &err);
    leat_exec_close(&exec);
    cr_assert(code == LEAT_OK || code == LEAT_ERR_MEMORY, "%d: %s", (int)code, err.text);
    return code != LEAT_OK;
}

Test(exec, any_allocation_may_fail)
{
    test_bed bed;
    const char *said =
        bed_plan(&bed,
                 PIPELINE(",\"timestamp\":\"t\",\"out_of_orderness\":\"10ms\"",
                          ",\"steps\":[{\"set\":{\"b\":\"[a, "
                          "a]\"}},{\"mask\":{\"a\":\"sha256\"}},{\"probe\":{}}]" TO_OUT),
                 &leat_operator_probe);
    cr_assert_not_null(bed.plan, "%s", said);
    oom_plan = bed.plan;
    leat_tests_fail_each(live_once);
    bed_close(&bed);
}

Test(exec, a_failed_task_wants_an_abort_first)
{
    test_bed bed;
    leat_err err;
    const leat_output *outputs;
    size_t count;
    const leat_str topic = LEAT_STR("in");
    const int32_t partition = 0;
    bed_open(&bed, PIPELINE("", TO_OUT));
    cr_assert_eq(leat_exec_inputs(bed.exec, &topic, &partition, 1, &err), LEAT_OK);
    const leat_message message = {.topic = LEAT_STR("in"), .partition = 7, .value = LEAT_STR("{}")};
    cr_expect_eq(leat_exec_batch(bed.exec, &message, 1, &outputs, &count, &err), LEAT_ERR_INTERNAL);
    cr_expect(outputs == NULL && count == 0);
    cr_expect_eq(leat_exec_batch(bed.exec, NULL, 0, &outputs, &count, &err), LEAT_ERR_ABORTED);
    cr_expect_eq(leat_exec_flush(bed.exec, bed_ignore, NULL, &err), LEAT_ERR_ABORTED);
    bed_abort(&bed);
    bed_send(&bed, "{}");
    bed_expect(&bed, "out: {}\n");
    bed_close(&bed);
}

Test(exec, damaged_state_is_refused)
{
    static const struct {
        const char *table;
        leat_str key, value;
    } cells[] = {{"progress", {"task", 4}, {"\1\200", 2}},
                 {"progress", {"task", 4}, {"\2\1\1\0", 4}},
                 {"progress", {"task", 4}, {"\1\1\1\5", 4}},
                 {"progress", {"task", 4}, {"\1\5\12\0\4\10", 6}},
                 {"progress", {"task", 4}, {"\1\5\12\0\4\10\2\1\1", 9}},
                 {"progress", {"task", 4}, {"\1\5\12\0\4\10\1\1\1\1", 10}},
                 {"t.order.0.held", {"\0\0\0\0\0\0\0\1", 8}, {"\1", 1}},
                 {"t.order.0.held", {"\0\0\0\0\0\0\0\1", 8}, {"\2abcdefghijkl", 13}}};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        test_bed bed;
        leat_err err;
        bed_open_with(&bed, PIPELINE("", PROBED), &leat_operator_probe);
        leat_table *table = leat_exec_table(bed.exec, leat_str_of(cells[i].table));
        cr_assert_not_null(table, "%s", cells[i].table);
        cr_assert_eq(leat_table_restore(table, cells[i].key, cells[i].value, &err), LEAT_OK);
        cr_expect_eq(leat_exec_restored(bed.exec, &err), LEAT_ERR_DAMAGED, "cell %zu", i);
        bed_close(&bed);
    }
}

Test(exec, counts_per_node)
{
    test_bed bed;
    bed_open(&bed, PIPELINE("", ",\"steps\":[{\"filter\":\"a > 1\"},{\"drop\":[\"a\"]}]" TO_OUT));
    bed_send(&bed, "{\"a\":1}");
    bed_send(&bed, "{\"a\":2}");
    bed_send(&bed, "{}");
    bed_send(&bed, "x");
    leat_node_counts source = leat_exec_node_counts(bed.exec, 0);
    leat_node_counts filter = leat_exec_node_counts(bed.exec, 1);
    leat_node_counts drop = leat_exec_node_counts(bed.exec, 2);
    cr_expect(source.in == 4 && source.out == 3 && source.rejected == 1);
    cr_expect(filter.in == 3 && filter.out == 1 && filter.rejected == 1);
    cr_expect(drop.in == 1 && drop.out == 1 && drop.rejected == 0);
    cr_expect_eq(leat_exec_counts_get(bed.exec).filtered, 1);
    bed_close(&bed);
}
