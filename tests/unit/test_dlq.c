/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters read back and sent back, over the embedded log: once each, whatever the filters, and
 * whatever happens in between. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/log_harness.h"
#include "worker/dlq.h"

typedef struct dlq_bed {
    leat_log *log;
    leat_dlq *dlq;
    char seen[4096]; /* "step error|" of each letter visited */
    size_t seen_len;
    size_t stop_after;
    bool send;
    leat_str to;
} dlq_bed;

static void produce(dlq_bed *bed, const char *topic, const char *value, const leat_header *headers,
                    size_t count)
{
    leat_err err;
    leat_session *session = NULL;
    leat_str name = leat_str_of(topic);
    leat_session_config config = {.guarantee = LEAT_AT_LEAST_ONCE};
    cr_assert_eq(leat_log_memory.session_open(bed->log, &config, &name, 1, &session, &err),
                 LEAT_OK);
    leat_produce record = {.topic = name,
                           .partition = -1,
                           .key = LEAT_STR("k"),
                           .value = leat_str_of(value),
                           .timestamp_ms = 5000,
                           .headers = headers,
                           .headers_count = count};
    cr_assert_eq(leat_log_memory.produce(session, &record, &err), LEAT_OK, "%s", err.text);
    cr_assert_eq(leat_log_memory.commit(session, NULL, 0, &err), LEAT_OK);
    leat_log_memory.session_close(&session, 1000);
}

static void letter(dlq_bed *bed, const char *step, const char *error, const char *value,
                   const char *more)
{
    leat_header headers[] = {{LEAT_STR("own"), LEAT_STR("1")},
                             {LEAT_STR("leat.pipeline"), LEAT_STR("p")},
                             {LEAT_STR("leat.step"), leat_str_of(step)},
                             {LEAT_STR("leat.error"), leat_str_of(error)},
                             {LEAT_STR("leat.code"), LEAT_STR("type")},
                             {LEAT_STR("leat.topic"), LEAT_STR("in")},
                             {LEAT_STR("leat.partition"), LEAT_STR("0")},
                             {LEAT_STR("leat.offset"), LEAT_STR("7")},
                             {LEAT_STR("leat.timestamp"), LEAT_STR("1234")},
                             {LEAT_STR("leat.attempt"), LEAT_STR("2")},
                             {leat_str_of(more != NULL ? more : "x"), LEAT_STR("pan")}};
    produce(bed, "dead", value, headers, more != NULL ? 11 : 10);
}

static void open_bed(dlq_bed *bed, const char *name)
{
    leat_property properties[] = {{LEAT_STR("memory.name"), leat_str_of(name), false},
                                  {LEAT_STR("memory.partitions"), LEAT_STR("1"), false}};
    *bed = (dlq_bed){.log = harness_log(&leat_log_memory, properties, 2)};
    letter(bed, "streams.a", "one", "{\"n\":1}", NULL);
    letter(bed, "streams.b", "two", "{\"n\":2}", NULL);
    letter(bed, "streams.a", "three", "{\"n\":3}", NULL);
    produce(bed, "in", "{\"n\":0}", NULL, 0);
}

static void close_bed(dlq_bed *bed)
{
    leat_dlq_close(&bed->dlq);
    leat_log_memory.close(&bed->log);
}

static void open_dlq(dlq_bed *bed, bool transactional)
{
    leat_err err;
    leat_dlq_close(&bed->dlq);
    cr_assert_eq(leat_dlq_open_topic(&leat_log_memory, bed->log, LEAT_STR("dead"), transactional,
                                     &bed->dlq, &err),
                 LEAT_OK, "%s", err.text);
}

static leat_code visit(void *self, const leat_letter *one, bool *more, leat_err *err)
{
    dlq_bed *bed = self;
    bed->seen_len +=
        (size_t)snprintf(bed->seen + bed->seen_len, sizeof bed->seen - bed->seen_len, "%.*s%s%s|",
                         LEAT_STR_ARG(one->error), one->redriven ? " again" : "",
                         leat_dlq_obstacle(one, &(leat_dlq_order){0}) != NULL ? " stays" : "");
    if (bed->stop_after > 0) *more = --bed->stop_after > 0;
    bool twin = false;
    if (!bed->send) return LEAT_OK;
    LEAT_TRY(leat_dlq_is_twin(bed->dlq, one, &twin, err));
    return twin ? leat_dlq_skip(bed->dlq, one, err)
                : leat_dlq_send(bed->dlq, one, &(leat_dlq_order){.to = bed->to}, err);
}

static const char *read_all(dlq_bed *bed, const leat_dlq_filter *filter)
{
    leat_err err;
    bed->seen_len = 0;
    bed->seen[0] = '\0';
    cr_assert_eq(leat_dlq_read(bed->dlq, filter, visit, bed, &err), LEAT_OK, "%s", err.text);
    return bed->seen;
}

Test(dlq, filters)
{
    static const struct {
        leat_dlq_filter filter;
        const char *want;
    } cases[] = {
        {{.code = {NULL, 0}}, "one|two|three|"},
        {{.step = LEAT_STR_INIT("streams.a")}, "one|three|"},
        {{.error = LEAT_STR_INIT("t")}, "two|three|"},
        {{.code = LEAT_STR_INIT("syntax")}, ""},
        {{.since_ms = 5001}, ""},
        {{.since_ms = 5000, .until_ms = 5001}, "one|two|three|"},
        {{.until_ms = 5000}, ""},
        {{.ranges = {{0, 1, 1}}, .ranges_count = 1}, "two|"},
        {{.ranges = {{0, 0, 0}, {0, 2, 9}}, .ranges_count = 2}, "one|three|"},
        {{.ranges = {{1, 0, 9}}, .ranges_count = 1}, ""},
    };
    dlq_bed bed;
    open_bed(&bed, "dlq-filters");
    open_dlq(&bed, false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_str_eq(read_all(&bed, &cases[i].filter), cases[i].want, "case %zu", i);
    bed.stop_after = 2;
    cr_expect_str_eq(read_all(&bed, &cases[0].filter), "one|two|");
    close_bed(&bed);
}

static void expect_topic(dlq_bed *bed, const char *want)
{
    char text[1024];
    cr_expect_str_eq(harness_topic(&leat_log_memory, bed->log, LEAT_STR("in"), text, sizeof text),
                     want);
}

static void finish(dlq_bed *bed)
{
    leat_err err;
    cr_assert_eq(leat_dlq_finish(bed->dlq, &err), LEAT_OK, "%s", err.text);
}

Test(dlq, sent_back_once)
{
    dlq_bed bed;
    const leat_dlq_filter all = {.code = {NULL, 0}}, only_b = {.step = LEAT_STR_INIT("streams.b")},
                          also = {.redriven = true};
    open_bed(&bed, "dlq-once");
    bed.send = true;
    /* Cut off before it settles: nothing has happened. */
    open_dlq(&bed, true);
    cr_expect_str_eq(read_all(&bed, &all), "one|two|three|");
    open_dlq(&bed, true);
    cr_expect_str_eq(read_all(&bed, &only_b), "two|");
    finish(&bed);
    expect_topic(&bed, "{\"n\":0}@5000;{\"n\":2}@1234 own=1 leat.attempt=2;");
    /* The others, later; then there are none. */
    open_dlq(&bed, true);
    cr_expect_str_eq(read_all(&bed, &all), "one|three|");
    finish(&bed);
    open_dlq(&bed, true);
    cr_expect_str_eq(read_all(&bed, &all), "");
    finish(&bed);
    bed.send = false;
    cr_expect_str_eq(read_all(&bed, &also), "one again|two again|three again|");
    expect_topic(&bed, "{\"n\":0}@5000;{\"n\":2}@1234 own=1 leat.attempt=2;"
                       "{\"n\":1}@1234 own=1 leat.attempt=2;{\"n\":3}@1234 own=1 leat.attempt=2;");
    close_bed(&bed);
}

/* The older of two is fenced: it ends with an error, and no letter goes twice. */
Test(dlq, two_at_once)
{
    dlq_bed bed, other;
    leat_err err;
    const leat_dlq_filter all = {.code = {NULL, 0}};
    open_bed(&bed, "dlq-two");
    other = (dlq_bed){.log = bed.log, .send = true, .to = LEAT_STR("else")};
    produce(&bed, "else", "-", NULL, 0);
    bed.send = true;
    open_dlq(&bed, true);
    cr_expect_str_eq(read_all(&bed, &all), "one|two|three|");
    open_dlq(&other, true);
    cr_expect_str_eq(read_all(&other, &all), "one|two|three|");
    finish(&other);
    cr_expect_neq(leat_dlq_finish(bed.dlq, &err), LEAT_OK);
    expect_topic(&bed, "{\"n\":0}@5000;");
    leat_dlq_close(&other.dlq);
    close_bed(&bed);
}

Test(dlq, obstacles)
{
    dlq_bed bed;
    leat_letter whole = {.topic = LEAT_STR("in")}, nowhere = {.attempt = 1},
                masked = {.topic = LEAT_STR("in"), .masked = LEAT_STR("pan")},
                held = {.topic = LEAT_STR("in"), .withheld = true},
                cut = {.topic = LEAT_STR("in"), .cut = true};
    const leat_dlq_order back = {.masked = false}, masked_too = {.masked = true},
                         elsewhere = {.to = LEAT_STR("x")};
    cr_expect_null(leat_dlq_obstacle(&whole, &back));
    cr_expect_not_null(leat_dlq_obstacle(&nowhere, &back));
    cr_expect_null(leat_dlq_obstacle(&nowhere, &elsewhere));
    cr_expect_not_null(leat_dlq_obstacle(&masked, &back));
    cr_expect_null(leat_dlq_obstacle(&masked, &masked_too));
    cr_expect_not_null(leat_dlq_obstacle(&held, &masked_too));
    cr_expect_not_null(leat_dlq_obstacle(&cut, &masked_too));
    /* What the writer says is what the reader understands. */
    open_bed(&bed, "dlq-obstacles");
    letter(&bed, "streams.c", "four", "{}", "leat.masked");
    letter(&bed, "streams.c", "five", "{}", "leat.withheld");
    letter(&bed, "streams.c", "six", "{}", "leat.cut_from_bytes");
    open_dlq(&bed, false);
    const leat_dlq_filter all = {.code = {NULL, 0}};
    cr_expect_str_eq(read_all(&bed, &all), "one|two|three|four stays|five stays|six stays|");
    close_bed(&bed);
}

/* Two branches fail on one record: it goes back once, also when its letters are asked for one after
 * the other. One at the same place of a topic that was made anew is another. */
Test(dlq, a_record_with_two_letters_goes_once)
{
    dlq_bed bed;
    const leat_dlq_filter a = {.step = LEAT_STR_INIT("streams.a"), .error = LEAT_STR_INIT("four")},
                          all = {.code = {NULL, 0}}, also = {.redriven = true};
    open_bed(&bed, "dlq-twins");
    letter(&bed, "streams.a", "four", "{\"n\":9}", NULL);
    letter(&bed, "streams.b", "five", "{\"n\":9}", NULL);
    letter(&bed, "streams.c", "six", "{\"n\":9}", NULL);
    bed.send = true;
    open_dlq(&bed, true);
    cr_expect_str_eq(read_all(&bed, &a), "four|");
    finish(&bed);
    open_dlq(&bed, true);
    cr_expect_str_eq(read_all(&bed, &all), "one|two|three|five|six|");
    finish(&bed);
    leat_dlq_count settled = leat_dlq_settled(bed.dlq);
    cr_expect_eq(settled.sent, 3);
    cr_expect_eq(settled.twins, 2);
    expect_topic(&bed, "{\"n\":0}@5000;{\"n\":9}@1234 own=1 leat.attempt=2;"
                       "{\"n\":1}@1234 own=1 leat.attempt=2;{\"n\":2}@1234 own=1 leat.attempt=2;"
                       "{\"n\":3}@1234 own=1 leat.attempt=2;");
    bed.send = false;
    cr_expect_str_eq(read_all(&bed, &also),
                     "one again|two again|three again|four again|five again|six again|");
    close_bed(&bed);
}
