/* SPDX-License-Identifier: Apache-2.0 */
/* throttle and dedupe: what passes, against a list of everything that has; what is stored, and for
 * how long; restarts. */
#include "tests/unit/leak.h"
#include "tests/unit/wild_harness.h"

LEAT_SUITE(op_throttle);

#define PIPELINE(source, step)                                                                     \
    "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"timestamp\":\"t\"" source "}},"        \
    "\"streams\":{\"a\":{\"from\":\"s\",\"steps\":[" step "],\"to\":\"out\"}},"                    \
    "\"dead_letter\":{\"topic\":\"dead\"}}"
#define THROTTLE "{\"throttle\":{\"limit\":3,\"per\":\"10ms\",\"key\":\"k\"}}"
#define DEDUPE   "{\"dedupe\":{\"key\":\"k\",\"within\":\"10ms\"}}"

static void send(test_bed *bed, const char *k, int64_t t)
{
    char text[100];
    (void)snprintf(text, sizeof text, "{\"k\":%s,\"t\":%lld}", k, (long long)t);
    bed_send(bed, text);
}

static size_t cells(const test_bed *bed)
{
    size_t count = 0;
    for (size_t i = 0; i < bed->log_count; i++)
        count += bed->log[i].value.data != NULL && strstr(bed->log[i].key.data, "passed") != NULL;
    return count;
}

Test(op_throttle, lets_so_many_pass_in_any_span)
{
    test_bed bed;
    bed_open(&bed, PIPELINE("", THROTTLE));
    static const int64_t times[] = {0, 2, 5, 7, 9, 10, 11, 12, 14, 15};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        send(&bed, "1", times[i]);
    send(&bed, "2", 15); /* another key */
    bed_end(&bed);
    bed_expect(&bed, "out: {\"k\":1,\"t\":0}\nout: {\"k\":1,\"t\":2}\nout: {\"k\":1,\"t\":5}\n"
                     "out: {\"k\":1,\"t\":10}\nout: {\"k\":1,\"t\":12}\nout: {\"k\":1,\"t\":15}\n"
                     "out: {\"k\":2,\"t\":15}\n");
    cr_expect_eq(leat_exec_counts_get(bed.exec).dropped, 4);
    bed_close(&bed);
}

Test(op_throttle, knows_keys_apart)
{
    static const char *const keys[] = {"1",
                                       "1.0",
                                       "1.00",
                                       "\"1\"",
                                       "true",
                                       "1e0",
                                       "\"\\u0031\"",
                                       "1.5",
                                       "[1]",
                                       "null",
                                       "12345678901234567890123"};
    test_bed bed;
    bed_open(&bed, PIPELINE("", DEDUPE));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        send(&bed, keys[i], 5);
    bed_end(&bed);
    bed_expect(&bed,
               "out: {\"k\":1,\"t\":5}\nout: {\"k\":\"1\",\"t\":5}\n"
               "out: {\"k\":true,\"t\":5}\nout: {\"k\":1.5,\"t\":5}\nout: {\"k\":[1],\"t\":5}\n"
               "out: {\"k\":null,\"t\":5}\n"
               "out: {\"k\":12345678901234567890123,\"t\":5}\n");
    cr_expect_eq(leat_exec_counts_get(bed.exec).dropped, 4);
    bed_close(&bed);
}

Test(op_throttle, dedupe_forgets_what_is_old)
{
    test_bed bed;
    bed_open(&bed, PIPELINE("", DEDUPE));
    static const int64_t times[] = {0, 3, 9, 10, 12, 19, 20};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        send(&bed, "1", times[i]);
    bed_commit(&bed);
    cr_expect_eq(cells(&bed), 1);
    send(&bed, "2", 100);
    send(&bed, "3", 101);
    bed_expect(&bed, "out: {\"k\":1,\"t\":0}\nout: {\"k\":1,\"t\":10}\nout: {\"k\":1,\"t\":20}\n"
                     "out: {\"k\":2,\"t\":100}\n");
    bed_commit(&bed);
    cr_expect_eq(cells(&bed), 1, "%zu", cells(&bed)); /* of 1 nothing is left */
    bed_end(&bed);
    bed_commit(&bed);
    cr_expect_eq(cells(&bed), 0);
    bed_close(&bed);
}

Test(op_throttle, takes_the_earliest_wherever_it_came)
{
    test_bed bed;
    bed_open(&bed, PIPELINE(",\"out_of_orderness\":\"10ms\"", DEDUPE));
    send(&bed, "1", 8);
    send(&bed, "1", 5);
    send(&bed, "1", 16);
    bed_end(&bed);
    bed_expect(&bed, "out: {\"k\":1,\"t\":5}\nout: {\"k\":1,\"t\":16}\n");
    bed_close(&bed);
}

Test(op_throttle, sends_keys_that_fail_to_the_dead_letter)
{
    test_bed bed;
    bed_open(&bed, PIPELINE("", DEDUPE));
    bed_send(&bed, "{\"t\":1}");
    bed_end(&bed);
    bed_expect(&bed, "dead: {\"t\":1} leat.step=streams.a.steps[0].dedupe leat.error=no such field "
                     "'k' (column 1)\n");
    bed_close(&bed);
}

Test(op_throttle, goes_by_the_records_key)
{
    test_bed bed;
    bed_open(&bed, PIPELINE(",\"key\":\"string(k)\"", "{\"throttle\":{\"per\":\"1s\"}}"));
    send(&bed, "1", 1);
    send(&bed, "2", 2);
    send(&bed, "1", 3);
    bed_end(&bed);
    bed_expect(&bed, "out: {\"k\":1,\"t\":1}\nout: {\"k\":2,\"t\":2}\n");
    bed_close(&bed);
}

/* The pipeline was changed to let fewer pass: what is remembered of more still counts. */
Test(op_throttle, reads_the_state_of_another_limit)
{
    test_bed bed, old;
    bed_open(&old, PIPELINE("", THROTTLE));
    send(&old, "1", 1);
    send(&old, "1", 2);
    send(&old, "1", 3);
    send(&old, "2", 4);
    bed_commit(&old);
    bed_open(&bed, PIPELINE("", "{\"throttle\":{\"limit\":2,\"per\":\"10ms\",\"key\":\"k\"}}"));
    bed.log = old.log;
    bed.log_count = old.log_count;
    old.log = NULL;
    old.log_count = 0;
    bed_crash(&bed);
    bed.offset = 4;
    send(&bed, "1", 11);
    send(&bed, "1", 12);
    bed_end(&bed);
    bed_expect(&bed, "out: {\"k\":2,\"t\":4}\nout: {\"k\":1,\"t\":12}\n");
    bed_close(&old);
    bed_close(&bed);
}

Test(op_throttle, refuses_damaged_state)
{
    static const char *const bad[] = {"",         "\x02\x01\x02", "\x01",
                                      "\x01\x00", "\x01\x02\x02", "\x01\xff\xff\xff\xff\x0f"};
    static const size_t lens[] = {0, 3, 1, 2, 3, 6};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        test_bed bed;
        leat_err err;
        bed_open(&bed, PIPELINE("", DEDUPE));
        leat_table *table = leat_exec_table(bed.exec, LEAT_STR("a.dedupe.0.passed"));
        cr_assert_not_null(table);
        cr_assert_eq(leat_table_restore(table, LEAT_STR("1"), (leat_str){bad[i], lens[i]}, &err),
                     LEAT_OK);
        cr_expect_eq(leat_exec_restored(bed.exec, &err), LEAT_ERR_DAMAGED, "%zu", i);
        bed_close(&bed);
    }
}

/* --- against a plain list of what has passed --- */

static int write_key(char *text, size_t size, leat_random *random, int64_t t)
{
    return snprintf(text, size, "{\"k\":%d,\"t\":%lld}", (int)leat_random_below(random, 3),
                    (long long)t);
}

/* How many pass, found out by looking at all that did. */
static size_t naive(const wild_script *s, size_t limit, int64_t per_ms)
{
    long long times[WILD_MESSAGES];
    int keys[WILD_MESSAGES], order[WILD_MESSAGES];
    size_t passed[WILD_MESSAGES], count = 0;
    for (int i = 0; i < WILD_MESSAGES; i++) {
        cr_assert_eq(sscanf(s->texts[i], "{\"k\":%d,\"t\":%lld}", &keys[i], &times[i]), 2);
        int at = i;
        for (; at > 0 && times[order[at - 1]] > times[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (size_t i = 0; i < WILD_MESSAGES; i++) {
        size_t now = (size_t)order[i], before = 0;
        for (size_t p = 0; p < count; p++)
            before += keys[passed[p]] == keys[now] && times[passed[p]] > times[now] - per_ms;
        if (before < limit) passed[count++] = now;
    }
    return count;
}

Test(op_throttle, agrees_with_a_plain_list_through_crashes)
{
    static wild_script s;
    size_t lines = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        leat_random random = {seed};
        wild_draw(&s, &random, write_key);
        /* Nothing is late: timestamps are at most 3 ms behind. */
        size_t throttled = wild_check(PIPELINE(",\"out_of_orderness\":\"4ms\"", THROTTLE), NULL, &s,
                                      seed, "a.throttle.0.passed");
        cr_expect_eq(throttled, naive(&s, 3, 10), "seed %llu", (unsigned long long)seed);
        size_t deduped = wild_check(PIPELINE(",\"out_of_orderness\":\"4ms\"", DEDUPE), NULL, &s,
                                    seed, "a.dedupe.0.passed");
        cr_expect_eq(deduped, naive(&s, 1, 10), "seed %llu", (unsigned long long)seed);
        lines += throttled + deduped;
    }
    cr_expect_gt(lines, 3000);
}

static const struct {
    const char *step, *want;
} mistakes[] = {
    {"{\"throttle\":{}}", "'per' is missing"},
    {"{\"throttle\":{\"per\":\"0s\"}}", "must be between 1ms and"},
    {"{\"throttle\":{\"per\":\"1s\",\"limit\":0}}", "must be between 1 and 10000"},
    {"{\"throttle\":{\"per\":\"1s\",\"key\":\"a +\"}}", "throttle.key: "},
    {"{\"dedupe\":{\"within\":\"1s\"}}", "'key' is missing"},
    {"{\"dedupe\":{\"key\":\"a\",\"withn\":\"1s\"}}", "unknown key 'withn' (did you mean 'within'"},
};

Test(op_throttle, tells_mistakes)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char text[1000];
        test_bed bed;
        (void)snprintf(text, sizeof text,
                       "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{\"a\":"
                       "{\"from\":\"s\",\"steps\":[%s],\"to\":\"out\"}}}",
                       mistakes[i].step);
        const char *said = bed_plan(&bed, text, NULL);
        cr_expect_not_null(strstr(said, mistakes[i].want), "%s\ngot: %swant: %s", mistakes[i].step,
                           said, mistakes[i].want);
        bed_close(&bed);
    }
}
