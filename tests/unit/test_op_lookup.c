/* SPDX-License-Identifier: Apache-2.0 */
/* lookup, with a table in place of a server: what is asked, what is kept, what becomes of records
 * that have no answer. The way to a real server is tested in tests/e2e/test_redis.py. */
#include "core/str.h"
#include "tests/unit/exec_harness.h"
#include "tests/unit/leak.h"
#include "transforms/redis.h"

LEAT_SUITE(op_lookup);

extern const leat_operator_type leat_operator_lookup;

typedef struct shelf {
    leat_lookup_port port;
    int64_t now_ms;
    leat_code fails;     /* the server does not answer */
    size_t calls, asked; /* so far */
    uint64_t cached, missing, failed;
} shelf;

static leat_code table_ask(void *self, uint32_t redis, leat_lookup_kind kind,
                           leat_lookup_request *requests, size_t count, int64_t timeout_ms,
                           leat_arena *arena, leat_err *err)
{
    static const struct {
        const char *key, *field, *text;
    } known[] = {{"a", NULL, "1.50"},     {"b", NULL, "{\"x\":{\"y\":2}}"},
                 {"bad", NULL, "{\"x\""}, {"two", NULL, "1,\"v\":2"},
                 {"bytes", NULL, "\xff"}, {"h", "f", "one"},
                 {"h", "g", "two"},       {"7", NULL, "seven"}};
    shelf *self_table = self;
    cr_expect_eq(redis, 0);
    cr_expect_eq(timeout_ms, 0);
    self_table->calls++;
    self_table->asked += count;
    if (self_table->fails != LEAT_OK)
        return leat_err_set(err, self_table->fails, "redis.c: it is away");
    for (size_t r = 0; r < count; r++) {
        leat_lookup_request *request = &requests[r];
        leat_lookup_text *texts = leat_arena_array(arena, 2, sizeof *texts);
        cr_assert_not_null(texts);
        request->texts = texts;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            bool hash = known[i].field != NULL;
            if (!leat_str_is(request->key, known[i].key)) continue;
            if (hash != (kind != LEAT_LOOKUP_GET)) {
                request->code = LEAT_ERR_INVALID;
                request->why = LEAT_STR("redis.c: WRONGTYPE");
            } else if (kind != LEAT_LOOKUP_HGET || leat_str_is(request->field, known[i].field)) {
                texts[request->texts_count++] =
                    (leat_lookup_text){leat_str_of(known[i].field), leat_str_of(known[i].text)};
                request->found = true;
            }
        }
    }
    return LEAT_OK;
}

static int64_t table_now(void *self)
{
    return ((shelf *)self)->now_ms;
}

static void table_note(void *self, uint32_t redis, uint64_t cached, uint64_t asked,
                       uint64_t missing, uint64_t failed)
{
    shelf *self_table = self;
    (void)redis;
    (void)asked;
    self_table->cached += cached;
    self_table->missing += missing;
    self_table->failed += failed;
}

static void open_bed(test_bed *bed, shelf *table, const char *lookup)
{
    char text[4096];
    *table = (struct shelf){.port = {table, table_ask, table_now, table_note}, .now_ms = 1000};
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},"
                   "\"redis\":{\"c\":{\"address\":\"c\"}},"
                   "\"streams\":{\"t\":{\"from\":\"s\",\"steps\":[{\"lookup\":%s}],"
                   "\"to\":\"out\"}},\"dead_letter\":{\"topic\":\"dead\"}}",
                   lookup);
    bed_open_with(bed, text, &leat_operator_lookup);
    leat_exec_port(bed->exec, &table->port);
}

typedef struct lookup_case {
    const char *name, *lookup, *input, *want;
} lookup_case;

#define DEAD " leat.step=streams.t.steps[0].lookup leat.error="

static const lookup_case cases[] = {
    {"text", "{\"key\":\"k\",\"as\":\"v\"}", "{\"k\":\"a\"}",
     "out: {\"k\":\"a\",\"v\":\"1.50\"}\n"},
    {"json number keeps its text", "{\"key\":\"k\",\"as\":\"v\",\"format\":\"json\"}",
     "{\"k\":\"a\"}", "out: {\"k\":\"a\",\"v\":1.50}\n"},
    {"json object", "{\"key\":\"k\",\"as\":\"v\",\"format\":\"json\"}", "{\"k\":\"b\"}",
     "out: {\"k\":\"b\",\"v\":{\"x\":{\"y\":2}}}\n"},
    {"a number as key", "{\"key\":\"k\",\"as\":\"v\"}", "{\"k\":7}",
     "out: {\"k\":7,\"v\":\"seven\"}\n"},
    {"nested, in place", "{\"key\":\"k\",\"as\":\"n.v\"}", "{\"n\":{\"v\":1,\"w\":2},\"k\":\"a\"}",
     "out: {\"n\":{\"v\":\"1.50\",\"w\":2},\"k\":\"a\"}\n"},
    {"no object on the way", "{\"key\":\"k\",\"as\":\"n.v\"}", "{\"n\":1,\"k\":\"a\"}",
     "dead: {\"n\":1,\"k\":\"a\"}" DEAD "a field on the way to 'as' is no object\n"},
    {"miss", "{\"key\":\"k\",\"as\":\"v\"}", "{\"k\":\"no\"}", "out: {\"k\":\"no\",\"v\":null}\n"},
    {"null key", "{\"key\":\"k\",\"as\":\"v\"}", "{\"k\":null}", "out: {\"k\":null,\"v\":null}\n"},
    {"miss: keep what was there", "{\"key\":\"k\",\"as\":\"v\",\"on_miss\":\"keep\"}",
     "{\"k\":\"no\",\"v\":1.0}", "out: {\"k\":\"no\",\"v\":1.0}\n"},
    {"miss: keep nothing", "{\"key\":\"k\",\"as\":\"v\",\"on_miss\":\"keep\"}", "{\"k\":\"no\"}",
     "out: {\"k\":\"no\"}\n"},
    {"miss: drop", "{\"key\":\"k\",\"as\":\"v\",\"on_miss\":\"drop\"}", "{\"k\":\"no\"}", ""},
    {"miss: dead letter", "{\"key\":\"k\",\"as\":\"v\",\"on_miss\":\"dead_letter\"}",
     "{\"k\":\"no\"}", "dead: {\"k\":\"no\"}" DEAD "there is no value for this key\n"},
    {"no such field", "{\"key\":\"k\",\"as\":\"v\"}", "{}",
     "dead: {}" DEAD "key: no such field 'k' (column 1)\n"},
    {"a list as key", "{\"key\":\"k\",\"as\":\"v\"}", "{\"k\":[1]}",
     "dead: {\"k\":[1]}" DEAD "a key is a text or a number, not a value of type list\n"},
    {"hget", "{\"key\":\"'h'\",\"command\":\"hget\",\"field\":\"k\",\"as\":\"v\"}", "{\"k\":\"g\"}",
     "out: {\"k\":\"g\",\"v\":\"two\"}\n"},
    {"hget: no such field", "{\"key\":\"'h'\",\"command\":\"hget\",\"field\":\"k\",\"as\":\"v\"}",
     "{\"k\":\"x\"}", "out: {\"k\":\"x\",\"v\":null}\n"},
    {"hgetall", "{\"key\":\"k\",\"command\":\"hgetall\",\"as\":\"v\"}", "{\"k\":\"h\"}",
     "out: {\"k\":\"h\",\"v\":{\"f\":\"one\",\"g\":\"two\"}}\n"},
    {"mget", "{\"key\":\"k\",\"command\":\"mget\",\"as\":\"v\"}", "{\"k\":[\"a\",\"no\",7,\"a\"]}",
     "out: {\"k\":[\"a\",\"no\",7,\"a\"],\"v\":[\"1.50\",null,\"seven\",\"1.50\"]}\n"},
    {"mget: none", "{\"key\":\"k\",\"command\":\"mget\",\"as\":\"v\"}", "{\"k\":[\"x\",\"y\"]}",
     "out: {\"k\":[\"x\",\"y\"],\"v\":null}\n"},
    {"mget: no list", "{\"key\":\"k\",\"command\":\"mget\",\"as\":\"v\"}", "{\"k\":\"a\"}",
     "dead: {\"k\":\"a\"}" DEAD "mget needs a list of keys, not a value of type string\n"},
    {"wrong type", "{\"key\":\"k\",\"as\":\"v\"}", "{\"k\":\"h\"}",
     "dead: {\"k\":\"h\"}" DEAD "redis.c: WRONGTYPE\n"},
    {"wrong type is null", "{\"key\":\"k\",\"as\":\"v\",\"on_error\":\"null\"}", "{\"k\":\"h\"}",
     "out: {\"k\":\"h\",\"v\":null}\n"},
    {"not UTF-8", "{\"key\":\"k\",\"as\":\"v\"}", "{\"k\":\"bytes\"}",
     "dead: {\"k\":\"bytes\"}" DEAD "redis.c: the value is not UTF-8\n"},
    {"more than a value", "{\"key\":\"k\",\"as\":\"v\",\"format\":\"json\",\"on_error\":\"null\"}",
     "{\"k\":\"two\"}", "out: {\"k\":\"two\",\"v\":null}\n"},
};

Test(op_lookup, answers)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_bed bed;
        shelf table;
        open_bed(&bed, &table, cases[i].lookup);
        bed_send(&bed, cases[i].input);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect_str_eq(bed.out.data, cases[i].want, "%s:\ngot  %swant %s", cases[i].name,
                         bed.out.data, cases[i].want);
        bed_close(&bed);
    }
}

Test(op_lookup, bad_json)
{
    test_bed bed;
    shelf table;
    open_bed(&bed, &table, "{\"key\":\"k\",\"as\":\"v\",\"format\":\"json\"}");
    bed_send(&bed, "{\"k\":\"bad\"}");
    leat_buf_add_char(&bed.out, '\0');
    cr_expect_not_null(strstr(bed.out.data, "redis.c: the value is no JSON"), "%s", bed.out.data);
    bed_close(&bed);
}

static void send_many(test_bed *bed, const char *const *values, size_t count)
{
    leat_message messages[8];
    cr_assert_leq(count, 8);
    for (size_t i = 0; i < count; i++)
        messages[i] = (leat_message){.topic = LEAT_STR("in"),
                                     .offset = ++bed->offset,
                                     .timestamp_ms = bed->offset,
                                     .value = leat_str_of(values[i])};
    bed_batch(bed, messages, count);
}

Test(op_lookup, one_question_for_a_batch)
{
    static const char *const values[] = {"{\"k\":\"a\"}", "{\"k\":\"no\"}", "{\"k\":\"a\"}",
                                         "{\"k\":null}", "{\"k\":\"7\"}"};
    test_bed bed;
    shelf table;
    open_bed(&bed, &table, "{\"key\":\"k\",\"as\":\"v\"}");
    send_many(&bed, values, 5);
    cr_expect_eq(table.calls, 1);
    cr_expect_eq(table.asked, 3);
    bed_expect(&bed, "out: {\"k\":\"a\",\"v\":\"1.50\"}\nout: {\"k\":\"no\",\"v\":null}\n"
                     "out: {\"k\":\"a\",\"v\":\"1.50\"}\nout: {\"k\":null,\"v\":null}\n"
                     "out: {\"k\":\"7\",\"v\":\"seven\"}\n");
    send_many(&bed, values, 1); /* without a cache, each batch asks */
    cr_expect_eq(table.calls, 2);
    send_many(&bed, values + 3, 1);
    cr_expect_eq(table.calls, 2, "nobody to ask for");
    bed_close(&bed);
}

Test(op_lookup, answers_are_kept_for_a_while)
{
    test_bed bed;
    shelf table;
    open_bed(&bed, &table,
             "{\"key\":\"k\",\"as\":\"v\",\"cache\":{\"ttl\":\"10s\",\"negative_ttl\":\"1s\"}}");
    bed_send(&bed, "{\"k\":\"a\"}");
    bed_send(&bed, "{\"k\":\"no\"}");
    cr_expect_eq(table.calls, 2);
    table.now_ms += 999;
    bed_send(&bed, "{\"k\":\"a\"}");
    bed_send(&bed, "{\"k\":\"no\"}");
    cr_expect_eq(table.calls, 2);
    cr_expect_eq(table.cached, 2);
    table.now_ms += 1;
    bed_send(&bed, "{\"k\":\"a\"}");
    bed_send(&bed, "{\"k\":\"no\"}");
    cr_expect_eq(table.calls, 3, "that there is none is known for a second");
    table.now_ms += 9000;
    bed_send(&bed, "{\"k\":\"a\"}");
    cr_expect_eq(table.calls, 4);
    cr_expect_eq(table.missing, 2);
    bed_close(&bed);
}

/* What a step has borrowed from the cache stays until it is written. */
Test(op_lookup, a_small_cache)
{
    static const char *const values[] = {"{\"k\":\"a\"}", "{\"k\":\"7\"}", "{\"k\":\"b\"}",
                                         "{\"k\":\"a\"}"};
    test_bed bed;
    shelf table;
    open_bed(&bed, &table,
             "{\"key\":\"k\",\"as\":\"v\","
             "\"cache\":{\"ttl\":\"10s\",\"size\":\"1KiB\"}}");
    for (int i = 0; i < 50; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "{\"k\":\"none%d\"}", i);
        bed_send(&bed, text);
    }
    leat_buf_reset(&bed.out);
    size_t before = table.calls;
    send_many(&bed, values, 4);
    bed_expect(&bed, "out: {\"k\":\"a\",\"v\":\"1.50\"}\nout: {\"k\":\"7\",\"v\":\"seven\"}\n"
                     "out: {\"k\":\"b\",\"v\":\"{\\\"x\\\":{\\\"y\\\":2}}\"}\n"
                     "out: {\"k\":\"a\",\"v\":\"1.50\"}\n");
    cr_expect_eq(table.calls, before + 1);
    bed_send(&bed, "{\"k\":\"none49\"}");
    cr_expect_eq(table.calls, before + 1, "the newest are still there");
    bed_send(&bed, "{\"k\":\"none0\"}");
    cr_expect_eq(table.calls, before + 2, "the oldest are not");
    bed_close(&bed);
}

Test(op_lookup, a_server_that_is_away)
{
    static const leat_code codes[] = {LEAT_ERR_UNAVAILABLE, LEAT_ERR_TIMEOUT};
    for (size_t i = 0; i < 2; i++) {
        test_bed bed;
        shelf table;
        open_bed(&bed, &table, "{\"key\":\"k\",\"as\":\"v\",\"on_error\":\"dead_letter\"}");
        table.fails = codes[i];
        bed_send(&bed, "{\"k\":\"a\"}");
        bed_expect(&bed, "dead: {\"k\":\"a\"}" DEAD "redis.c: it is away\n");
        table.fails = LEAT_OK; /* a failure is not kept */
        bed_send(&bed, "{\"k\":\"a\"}");
        bed_expect(&bed, "out: {\"k\":\"a\",\"v\":\"1.50\"}\n");
        cr_expect_eq(table.failed, 1);
        bed_close(&bed);
        open_bed(&bed, &table,
                 "{\"key\":\"k\",\"as\":\"v\",\"on_error\":\"null\",\"cache\":{\"ttl\":\"1h\"}}");
        table.fails = codes[i];
        bed_send(&bed, "{\"k\":\"a\"}");
        table.fails = LEAT_OK;
        bed_send(&bed, "{\"k\":\"a\"}");
        bed_expect(&bed, "out: {\"k\":\"a\",\"v\":null}\nout: {\"k\":\"a\",\"v\":\"1.50\"}\n");
        bed_close(&bed);
    }
}

/* By default the batch fails, and comes again. */
Test(op_lookup, retry)
{
    test_bed bed;
    shelf table;
    const leat_output *outputs;
    size_t count;
    leat_err err;
    leat_message message = {.topic = LEAT_STR("in"),
                            .offset = 1,
                            .timestamp_ms = 1,
                            .value = LEAT_STR("{\"k\":\"a\"}")};
    open_bed(&bed, &table, "{\"key\":\"k\",\"as\":\"v\",\"cache\":{\"ttl\":\"1h\"}}");
    table.fails = LEAT_ERR_UNAVAILABLE;
    leat_code code = leat_exec_batch(bed.exec, &message, 1, &outputs, &count, &err);
    cr_expect_eq(code, LEAT_ERR_UNAVAILABLE);
    cr_expect_str_eq(err.text, "streams.t.steps[0].lookup: redis.c: it is away");
    bed_abort(&bed);
    table.fails = LEAT_OK;
    bed_batch(&bed, &message, 1);
    bed_expect(&bed, "out: {\"k\":\"a\",\"v\":\"1.50\"}\n");
    /* What nobody can mend by waiting is not retried, whatever the policy. */
    table.fails = LEAT_ERR_DENIED;
    message.value = LEAT_STR("{\"k\":\"b\"}");
    code = leat_exec_batch(bed.exec, &message, 1, &outputs, &count, &err);
    cr_expect_eq(code, LEAT_ERR_DENIED);
    bed_abort(&bed);
    bed_close(&bed);
}

Test(op_lookup, nobody_to_ask)
{
    test_bed bed;
    shelf table;
    const leat_output *outputs;
    size_t count;
    leat_err err;
    leat_message message = {.topic = LEAT_STR("in"), .value = LEAT_STR("{\"k\":\"a\"}")};
    open_bed(&bed, &table, "{\"key\":\"k\",\"as\":\"v\"}");
    leat_exec_close(&bed.exec);
    cr_assert_eq(leat_exec_open(bed.plan, 0, BED_STATE_MAX, &bed.exec, &err), LEAT_OK);
    cr_expect_eq(leat_exec_batch(bed.exec, &message, 1, &outputs, &count, &err), LEAT_ERR_CONFIG);
    bed_close(&bed);
}
