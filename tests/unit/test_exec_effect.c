/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to Redis, as commands with their places: the same wherever batches are cut, and
 * after an abort. That each is applied once is tested in tests/e2e/test_redis_kafka.py. */
#include "tests/unit/exec_harness.h"
#include "tests/unit/leak.h"

LEAT_SUITE(exec_effect);

#define PIPELINE                                                                                   \
    "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},"                                      \
    "\"redis\":{\"c\":{\"address\":\"c\"}},\"streams\":{\"t\":{\"from\":\"s\",\"to\":%s}},"        \
    "\"dead_letter\":{\"topic\":\"dead\"}}"

static void print_effect(leat_buf *out, const leat_output *output)
{
    leat_buf_add_format(out, "%.*s/%d@%llu", LEAT_STR_ARG(output->from_topic),
                        (int)output->from_partition, (unsigned long long)output->from_place);
    for (size_t c = 0; c < output->commands_count; c++) {
        leat_buf_add_text(out, c > 0 ? ";" : "");
        for (size_t w = 0; w < output->commands[c].count; w++)
            leat_buf_add_format(out, " %.*s", LEAT_STR_ARG(output->commands[c].words[w]));
    }
    leat_buf_add_char(out, '\n');
}

static void take(test_bed *bed, const leat_output *outputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (outputs[i].commands != NULL)
            print_effect(&bed->out, &outputs[i]);
        else
            bed_line(bed, &outputs[i]);
    }
}

static void send(test_bed *bed, const leat_message *messages, size_t count)
{
    const leat_output *outputs;
    size_t outputs_count;
    leat_err err;
    cr_assert_eq(leat_exec_batch(bed->exec, messages, count, &outputs, &outputs_count, &err),
                 LEAT_OK);
    take(bed, outputs, outputs_count);
}

static leat_message message(int32_t partition, int64_t offset, const char *value)
{
    return (leat_message){.topic = LEAT_STR("in"),
                          .partition = partition,
                          .offset = offset,
                          .timestamp_ms = offset,
                          .value = leat_str_of(value)};
}

static void open_bed(test_bed *bed, const char *to)
{
    char text[4096];
    (void)snprintf(text, sizeof text, PIPELINE, to);
    bed_open(bed, text);
}

static const struct {
    const char *name, *to, *input, *want;
} cases[] = {
    {"set", "{\"redis\":{\"set\":{\"key\":\"a\"}}}", "{\"a\":\"k\",\"b\":1.50}",
     "in/0@12 SET k {\"a\":\"k\",\"b\":1.50}\n"},
    {"set a value", "{\"redis\":{\"set\":{\"key\":\"a\",\"value\":\"b\",\"ttl\":\"5s\"}}}",
     "{\"a\":7,\"b\":1.50}", "in/0@12 SET 7 1.50 PX 5000\n"},
    {"set null", "{\"redis\":{\"set\":{\"key\":\"a\",\"value\":\"b\",\"ttl\":\"5s\"}}}",
     "{\"a\":\"k\",\"b\":null}", "in/0@12 DEL k\n"},
    {"hset",
     "{\"redis\":{\"hset\":{\"key\":\"a\",\"fields\":{\"f\":\"b\",\"g\":\"c\"},\"ttl\":\"1s\"}}}",
     "{\"a\":\"k\",\"b\":true,\"c\":\"x\"}", "in/0@12 HSET k f true g x; PEXPIRE k 1000\n"},
    {"hset and nulls",
     "{\"redis\":{\"hset\":{\"key\":\"a\",\"fields\":{\"f\":\"b\",\"g\":\"c\"}}}}",
     "{\"a\":\"k\",\"b\":null,\"c\":\"x\"}", "in/0@12 HSET k g x; HDEL k f\n"},
    {"hset only nulls",
     "{\"redis\":{\"hset\":{\"key\":\"a\",\"fields\":{\"f\":\"b\",\"g\":\"b\"}}}}",
     "{\"a\":\"k\",\"b\":null}", "in/0@12 HDEL k f g\n"},
    {"incrby", "{\"redis\":{\"incrby\":{\"key\":\"a\"}}}", "{\"a\":\"k\"}", "in/0@12 INCRBY k 1\n"},
    {"hincrby", "{\"redis\":{\"incrby\":{\"key\":\"a\",\"field\":\"b\",\"by\":\"-c\"}}}",
     "{\"a\":\"k\",\"b\":\"f\",\"c\":5}", "in/0@12 HINCRBY k f -5\n"},
    {"incrby what is no int", "{\"redis\":{\"incrby\":{\"key\":\"a\",\"by\":\"b\"}}}",
     "{\"a\":\"k\",\"b\":1.5}",
     "dead: {\"a\":\"k\",\"b\":1.5} leat.step=streams.t.to leat.error=by: the expression gives "
     "double, not an int\n"},
    {"xadd",
     "{\"redis\":{\"xadd\":{\"key\":\"a\",\"maxlen\":9,\"fields\":{\"f\":\"b\",\"g\":\"c\"}}}}",
     "{\"a\":\"k\",\"b\":1,\"c\":null}", "in/0@12 XADD k MAXLEN ~ 9 * f 1\n"},
    {"xadd the record", "{\"redis\":{\"xadd\":{\"key\":\"a\"}}}", "{\"a\":\"k\"}",
     "in/0@12 XADD k * value {\"a\":\"k\"}\n"},
    {"xadd nothing", "{\"redis\":{\"xadd\":{\"key\":\"a\",\"fields\":{\"f\":\"b\"}}}}",
     "{\"a\":\"k\",\"b\":null}",
     "dead: {\"a\":\"k\",\"b\":null} leat.step=streams.t.to leat.error=no field of the entry has a "
     "value\n"},
    {"publish", "{\"redis\":{\"publish\":{\"channel\":\"a\",\"message\":\"b\"}}}",
     "{\"a\":\"k\",\"b\":\"m\"}", "in/0@12 PUBLISH k m\n"},
    {"null key", "{\"redis\":{\"set\":{\"key\":\"a\"}}}", "{\"a\":null}",
     "dead: {\"a\":null} leat.step=streams.t.to leat.error=key: the expression gives null\n"},
    {"empty channel", "{\"redis\":{\"publish\":{\"channel\":\"a\"}}}", "{\"a\":\"\"}",
     "dead: {\"a\":\"\"} leat.step=streams.t.to leat.error=channel: the expression gives an empty "
     "text\n"},
    {"missing field", "{\"redis\":{\"hset\":{\"key\":\"a\",\"fields\":{\"f\":\"b\"}}}}",
     "{\"a\":\"k\"}",
     "dead: {\"a\":\"k\"} leat.step=streams.t.to leat.error=f: fields: no such field 'b' (column "
     "1)\n"},
};

Test(exec_effect, commands)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_bed bed;
        leat_message one = message(0, 5, cases[i].input);
        open_bed(&bed, cases[i].to);
        send(&bed, &one, 1);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect_str_eq(bed.out.data, cases[i].want, "%s:\ngot  %swant %s", cases[i].name,
                         bed.out.data, cases[i].want);
        bed_close(&bed);
    }
}

#define TWO                                                                                        \
    "[{\"redis\":{\"incrby\":{\"key\":\"a\"}}},{\"redis\":{\"set\":{\"key\":\"a\"}}},\"out\"]"

/* Places come from the message, in whatever batch it came; bad records between do not shift them.
 */
Test(exec_effect, places)
{
    const leat_message all[] = {message(0, 7, "{\"a\":\"x\"}"), message(0, 8, "!"),
                                message(1, 3, "{\"a\":\"y\"}"), message(0, 9, "{\"a\":\"z\"}")};
    test_bed bed;
    open_bed(&bed, TWO);
    send(&bed, all, 4);
    leat_buf_add_char(&bed.out, '\0');
    char *whole = strdup(bed.out.data);
    leat_buf_reset(&bed.out);
    for (size_t i = 0; i < 4; i++)
        send(&bed, &all[i], 1);
    bed_expect(&bed, whole);
    bed_abort(&bed); /* as if it came again */
    send(&bed, all, 2);
    send(&bed, all + 2, 2);
    bed_expect(&bed, whole);
    cr_expect_str_eq(
        whole, "in/0@16 INCRBY x 1\n"
               "in/0@16 SET x {\"a\":\"x\"}\n"
               "out: {\"a\":\"x\"}\n"
               "dead: ! leat.step=sources.s leat.error=JSON, byte 1: expected a value, found '!'\n"
               "in/1@8 INCRBY y 1\n"
               "in/1@8 SET y {\"a\":\"y\"}\n"
               "out: {\"a\":\"y\"}\n"
               "in/0@20 INCRBY z 1\n"
               "in/0@20 SET z {\"a\":\"z\"}\n"
               "out: {\"a\":\"z\"}\n");
    free(whole);
    bed_close(&bed);
}

/* A refused effect becomes a dead letter of its sink, as the record came. */
Test(exec_effect, refused)
{
    const leat_message all[] = {message(0, 7, "{\"a\":\"x\"}"), message(0, 8, "{\"a\":\"y\"}")};
    const leat_output *outputs;
    size_t count;
    leat_err err, why;
    test_bed bed;
    open_bed(&bed, TWO);
    cr_assert_eq(leat_exec_batch(bed.exec, all, 2, &outputs, &count, &err), LEAT_OK);
    cr_assert_eq(count, 6);
    const leat_output kept[] = {outputs[1], outputs[3]};
    leat_err_set(&why, LEAT_ERR_INVALID, "redis has refused it: WRONGTYPE");
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(leat_exec_refuse(bed.exec, &kept[i], &why, &outputs, &count, &err), LEAT_OK);
        take(&bed, outputs, count);
    }
    bed_expect(&bed, "dead: {\"a\":\"x\"} leat.step=streams.t.to[1] leat.error=redis has refused "
                     "it: WRONGTYPE\n"
                     "dead: {\"a\":\"y\"} leat.step=streams.t.to[0] leat.error=redis has refused "
                     "it: WRONGTYPE\n");
    cr_expect_eq(leat_exec_counts_get(bed.exec).dead_letters, 2);
    cr_expect_eq(leat_exec_counts_get(bed.exec).records_out, 4);
    bed_close(&bed);
}

/* Messages of a table let nothing come out, and have no places of their own. */
Test(exec_effect, beside_a_table)
{
    leat_message all[] = {message(0, 7, "{\"a\":1}"), message(0, 3, "{\"a\":1,\"b\":2}"),
                          message(0, 8, "{\"a\":1}"), message(0, 4, "{\"a\":1,\"b\":3}"),
                          message(0, 9, "{\"a\":1}")};
    all[1].topic = all[3].topic = LEAT_STR("cards");
    for (size_t size = 1; size <= 5; size += 4) {
        test_bed bed;
        bed_open(&bed,
                 "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"tables\":{\"t\":{"
                 "\"topic\":\"cards\",\"key\":\"a\"}},\"redis\":{\"c\":{\"address\":\"c\"}},"
                 "\"streams\":{\"t\":{\"from\":\"s\",\"steps\":[{\"join\":{\"table\":\"t\","
                 "\"on\":\"a\",\"kind\":\"left\"}}],\"to\":{\"redis\":{\"set\":{\"key\":\"a\","
                 "\"value\":\"t.?b.orValue(0)\"}}}}},\"dead_letter\":{\"topic\":\"dead\"}}");
        for (size_t i = 0; i < 5; i += size)
            send(&bed, all + i, size);
        bed_expect(&bed, "in/0@18 SET 1 2\nin/0@20 SET 1 3\n");
        bed_close(&bed);
    }
}
