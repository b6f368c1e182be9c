/* SPDX-License-Identifier: Apache-2.0 */
/* join: what a record finds in a table, as of which time, and what is stored for how long. */
#include "tests/unit/leak.h"
#include "tests/unit/wild_harness.h"

LEAT_SUITE(op_join);

#define PIPELINE(source, table, step)                                                              \
    "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"timestamp\":\"t\"" source "}},"        \
    "\"tables\":{\"cards\":{\"topic\":\"cards\"" table "}},"                                       \
    "\"streams\":{\"a\":{\"from\":\"s\",\"steps\":[" step "],\"to\":\"out\"}},"                    \
    "\"dead_letter\":{\"topic\":\"dead\"}}"
#define BY_KEY     ",\"key\":\"k\",\"timestamp\":\"t\""
#define JOIN(more) "{\"join\":{\"table\":\"cards\",\"on\":\"k\"" more "}}"

static void send(test_bed *bed, const char *topic, const char *value, const char *key, int64_t t)
{
    leat_message message = {.topic = leat_str_of(topic),
                            .offset = ++bed->offset,
                            .timestamp_ms = t,
                            .key = leat_str_of(key),
                            .value = leat_str_of(value)};
    bed_batch(bed, &message, 1);
}
#define card(bed, value)   send(bed, "cards", value, "x", 0)
#define record(bed, value) send(bed, "in", value, "x", 0)

static size_t cells(const test_bed *bed)
{
    size_t count = 0;
    for (size_t i = 0; i < bed->log_count; i++)
        count += bed->log[i].value.data != NULL && strstr(bed->log[i].key.data, "tables.") != NULL;
    return count;
}

Test(op_join, finds_what_held_at_the_time)
{
    test_bed bed;
    bed_open(&bed, PIPELINE(",\"out_of_orderness\":\"20ms\"", BY_KEY, JOIN("")));
    card(&bed, "{\"k\":1,\"t\":10,\"v\":1.50}");
    card(&bed, "{\"k\":1,\"t\":30,\"v\":\"b\"}");
    record(&bed, "{\"k\":1,\"t\":29}");
    record(&bed, "{\"k\":1,\"t\":30}");
    record(&bed, "{\"k\":3,\"t\":15}"); /* no such card: dropped */
    record(&bed, "{\"k\":2,\"t\":40}");
    card(&bed, "{\"k\":1,\"t\":20,\"v\":\"late\"}"); /* comes before the record of 29 is released */
    record(&bed, "{\"k\":\"1\",\"t\":41}");
    bed_end(&bed);
    bed_expect(&bed, "out: {\"k\":1,\"t\":29,\"cards\":{\"k\":1,\"t\":20,\"v\":\"late\"}}\n"
                     "out: {\"k\":1,\"t\":30,\"cards\":{\"k\":1,\"t\":30,\"v\":\"b\"}}\n"
                     "out: {\"k\":\"1\",\"t\":41,\"cards\":{\"k\":1,\"t\":30,\"v\":\"b\"}}\n");
    cr_expect_eq(leat_exec_counts_get(bed.exec).dropped, 2);
    bed_close(&bed);
}

/* What comes after a record was released does not change it, wherever the batch is cut. */
Test(op_join, does_not_look_ahead)
{
    static const char *const values[] = {"{\"k\":1,\"t\":10,\"v\":1}", "{\"k\":1,\"t\":15}",
                                         "{\"k\":9,\"t\":20}",         "{\"k\":1,\"t\":14,\"v\":2}",
                                         "{\"k\":1,\"t\":16,\"v\":3}", "{\"k\":1,\"t\":21}"};
    static const char topics[] = "cicici";
    for (int batched = 0; batched < 2; batched++) {
        test_bed bed;
        leat_message messages[6];
        bed_open(&bed, PIPELINE("", BY_KEY, JOIN(",\"kind\":\"left\"")));
        for (size_t i = 0; i < 6; i++)
            messages[i] =
                (leat_message){.topic = topics[i] == 'c' ? LEAT_STR("cards") : LEAT_STR("in"),
                               .offset = (int64_t)i,
                               .value = leat_str_of(values[i])};
        messages[2].topic = LEAT_STR("in");
        messages[3].topic = messages[4].topic = LEAT_STR("cards");
        messages[5].topic = LEAT_STR("in");
        for (size_t i = 0; i < 6; i += batched ? 6 : 1)
            bed_batch(&bed, &messages[i], batched ? 6 : 1);
        bed_end(&bed);
        bed_expect(&bed, "out: {\"k\":1,\"t\":15,\"cards\":{\"k\":1,\"t\":10,\"v\":1}}\n"
                         "out: {\"k\":9,\"t\":20,\"cards\":null}\n"
                         "out: {\"k\":1,\"t\":21,\"cards\":{\"k\":1,\"t\":16,\"v\":3}}\n");
        bed_close(&bed);
    }
}

Test(op_join, goes_by_the_messages_own_key_and_time)
{
    test_bed bed;
    bed_open(&bed, PIPELINE("", "",
                            "{\"join\":{\"table\":\"cards\",\"as\":\"c.d\"}},"
                            "{\"set\":{\"w\":\"c.d.v + 1\"}}"));
    send(&bed, "cards", "{\"v\":1}", "x", 10);
    send(&bed, "in", "{\"t\":9}", "x", 0);
    send(&bed, "in", "{\"t\":11,\"c\":{\"b\":0}}", "x", 0);
    send(&bed, "in", "{\"t\":12,\"c\":5}", "x", 0);
    bed_end(&bed);
    bed_expect(&bed,
               "out: {\"t\":11,\"c\":{\"b\":0,\"d\":{\"v\":1}},\"w\":2}\n"
               "dead: {\"t\":12,\"c\":5} leat.step=streams.a.steps[0].join leat.error=a field "
               "on the way to 'as' is no object\n");
    bed_close(&bed);
}

Test(op_join, nothing_is_left_of_what_was_removed)
{
    test_bed bed;
    bed_open(&bed, PIPELINE("", ",\"timestamp\":\"t\"", JOIN(",\"kind\":\"left\"")));
    for (int i = 0; i < 5; i++) {
        char text[60];
        (void)snprintf(text, sizeof text, "{\"t\":%d}", 10 + i);
        send(&bed, "cards", text, "1", 0);
    }
    send(&bed, "cards", NULL, "2", 30);
    send(&bed, "cards", "{\"t\":5}", "2", 0);
    bed_commit(&bed);
    cr_expect_eq(cells(&bed), 2);
    send(&bed, "in", "{\"k\":\"2\",\"t\":29}", "x", 0);
    send(&bed, "in", "{\"k\":\"2\",\"t\":31}", "x", 0);
    send(&bed, "in", "{\"k\":\"1\",\"t\":50}", "x", 0);
    send(&bed, "in", "{\"k\":\"3\",\"t\":60}", "x", 0);
    send(&bed, "in", "{\"k\":\"3\",\"t\":61}", "x", 0);
    bed_expect(&bed, "out: {\"k\":\"2\",\"t\":29,\"cards\":{\"t\":5}}\n"
                     "out: {\"k\":\"2\",\"t\":31,\"cards\":null}\n"
                     "out: {\"k\":\"1\",\"t\":50,\"cards\":{\"t\":14}}\n"
                     "out: {\"k\":\"3\",\"t\":60,\"cards\":null}\n");
    bed_commit(&bed);
    cr_expect_eq(cells(&bed), 1); /* one version of 1 */
    for (size_t i = 0; i < bed.log_count; i++)
        if (bed.log[i].value.data != NULL && strstr(bed.log[i].key.data, "tables.") != NULL)
            cr_expect_lt(bed.log[i].value.len, 16);
    bed_crash(&bed);
    send(&bed, "in", "{\"k\":\"1\",\"t\":70}", "x", 0);
    bed_end(&bed);
    bed_expect(&bed, "out: {\"k\":\"3\",\"t\":61,\"cards\":null}\n"
                     "out: {\"k\":\"1\",\"t\":70,\"cards\":{\"t\":14}}\n");
    bed_close(&bed);
}

Test(op_join, bad_records_of_a_table_are_dead_letters)
{
    test_bed bed;
    bed_open(&bed, PIPELINE("", BY_KEY, JOIN("")));
    card(&bed, "{\"k\":1}");
    card(&bed, "nothing");
    card(&bed, "{\"t\":5}");
    card(&bed, "{\"k\":null,\"t\":5}");
    bed_expect(&bed,
               "dead: {\"k\":1} leat.step=tables.cards leat.error=no such field 't' (column 1)\n"
               "dead: nothing leat.step=tables.cards leat.error=JSON, byte 1: expected a value, "
               "found 'n'\n"
               "dead: {\"t\":5} leat.step=tables.cards leat.error=no such field 'k' (column 1)\n"
               "dead: {\"k\":null,\"t\":5} leat.step=tables.cards leat.error=a record of a table "
               "has no key\n");
    bed_close(&bed);
}

static int write_either(char *text, size_t size, leat_random *random, int64_t t)
{
    int key = (int)leat_random_below(random, 4);
    if (leat_random_below(random, 3) == 0)
        return snprintf(text, size, "{\"k\":%d,\"t\":%lld,\"c\":%d}", key,
                        (long long)(t - (int64_t)leat_random_below(random, 12)),
                        (int)leat_random_below(random, 1000));
    return snprintf(text, size, "{\"k\":%d,\"t\":%lld}", key, (long long)t);
}

Test(op_join, depends_on_the_sequence_of_records_alone)
{
    static wild_script s;
    static const char *const digits[] = {"0", "1", "2", "3"};
    size_t lines = 0;
    for (uint64_t seed = 1; seed <= 80; seed++) {
        leat_random random = {seed};
        wild_draw(&s, &random, write_either);
        for (size_t i = 0; i < WILD_MESSAGES; i++) {
            if (strstr(s.texts[i], "\"c\":") == NULL) continue;
            s.messages[i].topic = LEAT_STR("cards");
            s.messages[i].key = leat_str_of(digits[s.texts[i][5] - '0']);
            if (leat_random_below(&random, 4) == 0) s.messages[i].value = LEAT_STR_NONE;
        }
        lines += wild_check(
            PIPELINE(",\"out_of_orderness\":\"6ms\"", BY_KEY, JOIN(",\"kind\":\"left\"")), NULL, &s,
            seed, NULL);
        lines += wild_check(PIPELINE("", BY_KEY, JOIN("")), NULL, &s, seed, NULL);
    }
    cr_expect_gt(lines, 8000);
}

static const struct {
    const char *tables, *step, *want;
} mistakes[] = {
    {"{}", "{\"join\":{\"table\":\"cards\"}}", "there is no table 'cards' in 'tables'"},
    {"{\"card\":{\"topic\":\"c\"}}", "{\"join\":{\"table\":\"cards\"}}", "(did you mean 'card'?)"},
    {"{\"cards\":{\"topic\":\"c\"}}", "{\"join\":{\"on\":\"k\"}}", "'table' is missing"},
    {"{\"cards\":{\"topic\":\"c\"}}", "{\"join\":{\"table\":7}}", "must be the name of a table"},
    {"{\"cards\":{\"topic\":\"c\"}}", "{\"join\":{\"table\":\"cards\",\"kind\":\"outer\"}}",
     "must be one of: inner, left"},
    {"{\"cards\":{\"topic\":\"c\"}}", "{\"filter\":\"true\"}",
     "warning: tables.cards: nobody joins"},
    {"{\"cards\":{}}", "{\"join\":{\"table\":\"cards\"}}",
     "one of 'topic', 'topic_pattern', 'file'"},
    {"{\"cards\":{\"topic\":\"c\",\"format\":\"avro\"}}", "{\"join\":{\"table\":\"cards\"}}",
     "avro needs to know the schema"},
    {"{\"cards\":{\"topic\":\"c\",\"late\":\"drop\"}}", "{\"join\":{\"table\":\"cards\"}}",
     "unknown key 'late'"},
    {"{\"cards\":{\"topic\":\"in\"}}", "{\"join\":{\"table\":\"cards\"}}",
     "topic 'in' is read by source 's' already"},
    {"[]", "{\"join\":{\"table\":\"cards\"}}", "must be an object with at most"},
};

Test(op_join, tells_mistakes)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char text[1000];
        test_bed bed;
        (void)snprintf(text, sizeof text,
                       "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"tables\":%s,"
                       "\"streams\":{\"a\":{\"from\":\"s\",\"steps\":[%s],\"to\":\"out\"}}}",
                       mistakes[i].tables, mistakes[i].step);
        const char *said = bed_plan(&bed, text, NULL);
        cr_expect_not_null(strstr(said, mistakes[i].want), "%s %s\ngot: %swant: %s",
                           mistakes[i].tables, mistakes[i].step, said, mistakes[i].want);
        bed_close(&bed);
    }
}

Test(op_join, one_source_reads_a_table)
{
    test_bed bed;
    const char *said = bed_plan(
        &bed,
        "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"},\"q\":{\"topic\":\"on\"}},"
        "\"tables\":"
        "{\"cards\":{\"topic\":\"c\"}},\"streams\":{\"a\":{\"from\":\"s\",\"steps\":[{\"join\":{"
        "\"table\":\"cards\"}}],\"to\":\"x\"},\"b\":{\"from\":\"q\",\"steps\":[{\"join\":{"
        "\"table\":"
        "\"cards\"}}],\"to\":\"y\"}},\"dead_letter\":{\"topic\":\"dead\"}}",
        NULL);
    cr_expect_not_null(strstr(said, "is joined by streams of two sources"), "%s", said);
    bed_close(&bed);
}
