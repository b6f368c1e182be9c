/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded log: what a reader of Kafka may rely on must hold here too. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "tests/unit/leak.h"
#include "tests/unit/memory_harness.h"
#include "worker/log_partition.h"

LEAT_SUITE(log_memory);

/* Kafka's Utils.murmur2 on its own test keys, and the partition that the Java client takes. */
Test(log_memory, partitions_as_java_does)
{
    static const struct {
        const char *key;
        uint32_t hash;
    } cases[] = {
        {"21", (uint32_t)-973932308},
        {"foobar", (uint32_t)-790332482},
        {"a-little-bit-long-string", (uint32_t)-985981536},
        {"a-little-bit-longer-string", (uint32_t)-1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", (uint32_t)-58897971},
        {"abc", 479470107},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int32_t n = 1; n < 40; n++)
            cr_assert_eq(leat_log_partition(leat_str_of(cases[i].key), n),
                         (int32_t)(cases[i].hash & 0x7fffffff) % n, "%s", cases[i].key);
    cr_assert_eq(leat_log_partition(LEAT_STR(""), 1), 0);
}

Test(log_memory, topics)
{
    leat_log *log = log_of("t", "memory.partitions", "3"), *same = log_of("t", NULL, NULL),
             *other = log_of("u", NULL, NULL);
    leat_err err = {0};
    leat_topic_info info;
    make_topic(log, "a", 2, true);
    make_topic(log, "a", 7, false); /* is there already */
    cr_assert_eq(leat_log_memory.describe(same, LEAT_STR("a"), 0, &info, &err), LEAT_OK);
    cr_assert(info.exists && info.partitions == 2 && info.compacted);
    cr_assert_eq(leat_log_memory.describe(other, LEAT_STR("a"), 0, &info, &err), LEAT_OK);
    cr_assert_not(info.exists);
    leat_topic_spec bad[] = {{LEAT_STR(""), 1, -1, false},
                             {LEAT_STR("a b"), 1, -1, false},
                             {LEAT_STR("x"), 0, -1, false},
                             {LEAT_STR("x"), 100000000, -1, false}};
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(leat_log_memory.create(log, &bad[i], 0, &err), LEAT_ERR_CONFIG);
    harness me = {0};
    join(&me, log, "g", NULL, NULL, "made-by-use");
    cr_assert_eq(leat_log_memory.describe(log, LEAT_STR("made-by-use"), 0, &info, &err), LEAT_OK);
    cr_assert_eq(info.partitions, 3);
    leave(&me);
    leat_log_memory.close(&log);
    leat_log_memory.close(&same);
    leat_log_memory.close(&other);
    leat_property typo = {LEAT_STR("memory.partition"), LEAT_STR("1"), false};
    leat_log_config config = {.properties = &typo, .properties_count = 1};
    cr_assert_eq(leat_log_memory.open(&config, &log, &err), LEAT_ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "did you mean memory.partitions"), "%s", err.text);
    leat_property wrong = {LEAT_STR("memory.partitions"), LEAT_STR("many"), false};
    config.properties = &wrong;
    cr_assert_eq(leat_log_memory.open(&config, &log, &err), LEAT_ERR_CONFIG);
}

Test(log_memory, records_come_as_they_went)
{
    leat_log *log = log_of("r", NULL, NULL);
    make_topic(log, "a", 1, false);
    harness me = {0};
    join(&me, log, "g", NULL, NULL, "a");
    leat_err err = {0};
    leat_header headers[] = {{LEAT_STR("h"), LEAT_STR("v")}, {LEAT_STR("null"), LEAT_STR_NONE}};
    leat_produce record = {.topic = LEAT_STR("a"),
                           .partition = -1,
                           .value = LEAT_STR(""),
                           .timestamp_ms = 42,
                           .headers = headers,
                           .headers_count = 2};
    cr_assert_eq(leat_log_memory.produce(me.session, &record, &err), LEAT_OK);
    record = (leat_produce){.topic = LEAT_STR("a"),
                            .partition = 0,
                            .key = LEAT_STR("k"),
                            .timestamp_ms = LEAT_TIME_NONE};
    cr_assert_eq(leat_log_memory.produce(me.session, &record, &err), LEAT_OK);
    leat_message messages[4];
    size_t count = 0;
    leat_poll_state state;
    while (me.assigned_calls == 0)
        leat_log_memory.poll(me.session, 0, messages, 4, &count, &state, &err);
    cr_assert_eq(leat_log_memory.poll(me.session, 0, messages, 4, &count, &state, &err), LEAT_OK);
    cr_assert_eq(count, 2);
    cr_assert_null(messages[0].key.data);
    cr_assert_not_null(messages[0].value.data);
    cr_assert_eq(messages[0].value.len, 0);
    cr_assert_eq(messages[0].timestamp_ms, 42);
    cr_assert_eq(messages[0].headers_count, 2);
    cr_assert(leat_str_is(messages[0].headers[0].value, "v"));
    cr_assert_null(messages[0].headers[1].value.data);
    cr_assert_null(messages[1].value.data);
    cr_assert(leat_str_is(messages[1].key, "k"));
    cr_assert_gt(messages[1].timestamp_ms, 1600000000000);
    cr_assert_eq(messages[1].offset, 1);
    leat_log_memory.release(me.session);
    record.partition = 1;
    cr_assert_eq(leat_log_memory.produce(me.session, &record, &err), LEAT_ERR_INVALID);
    record.partition = 0;
    record.value = (leat_str){"", LEAT_MEMORY_RECORD_BYTES_MAX + 1};
    cr_assert_eq(leat_log_memory.produce(me.session, &record, &err), LEAT_ERR_LIMIT);
    leave(&me);
    leat_log_memory.close(&log);
}

/* Nothing of a transaction is seen before it ends, nothing of an aborted one ever, and what came
 * behind an open one waits for it. */
Test(log_memory, transactions)
{
    leat_log *log = log_of("x", NULL, NULL);
    make_topic(log, "a", 2, false);
    harness one = {0}, two = {0}, plain = {0}, reader = {0};
    join(&one, log, NULL, NULL, "p1", NULL);
    join(&two, log, NULL, NULL, "p2", NULL);
    join(&plain, log, NULL, NULL, NULL, NULL);
    join(&reader, log, "g", NULL, NULL, "a");
    expect(&reader, "");
    leat_err err = {0};
    put(&one, "a", 0, "k", "1");
    cr_assert(leat_log_memory.in_transaction(one.session));
    put(&two, "a", 0, "k", "2");
    put(&plain, "a", 0, "k", "3");
    put(&one, "a", 1, "k", "4");
    put(&plain, "a", 1, "k", "5");
    expect(&reader, "");
    leat_lag lags[2];
    cr_assert_eq(leat_log_memory.lags(reader.session, lags, 2), 2);
    cr_assert_eq(lags[0].end_offset, 0);
    commit(&one, "a", 0, -1);
    cr_assert_not(leat_log_memory.in_transaction(one.session));
    expect(&reader, "4 5 1 "); /* each poll begins with another partition */
    cr_assert_eq(leat_log_memory.abort(two.session, &err), LEAT_OK);
    expect(&reader, "3 ");
    cr_assert_eq(leat_log_memory.lags(reader.session, lags, 2), 2);
    cr_assert_eq(lags[0].end_offset, 3); /* markers at 3 and 4 are no lag */
    put(&two, "a", 0, "k", "6");
    commit(&two, "a", 0, -1);
    expect(&reader, "6 ");
    restored(&plain, "a", 0, "k=1 k=3 k=6 ", true);
    put(&two, "a", 0, "k", "7");
    restored(&plain, "a", 0, "k=1 k=3 k=6 ", false); /* the end lies behind an open transaction */
    leave(&two);
    restored(&plain, "a", 0, "k=1 k=3 k=6 ", true);
    leave(&one);
    leave(&plain);
    leave(&reader);
    leat_log_memory.close(&log);
}

Test(log_memory, fencing)
{
    leat_log *log = log_of("f", NULL, NULL);
    make_topic(log, "a", 1, false);
    harness old = {0}, young = {0}, reader = {0};
    leat_err err = {0};
    join(&old, log, NULL, NULL, "p", NULL);
    join(&reader, log, "g", NULL, NULL, "a");
    expect(&reader, "");
    put(&old, "a", 0, NULL, "zombie");
    join(&young, log, NULL, NULL, "p", NULL);
    cr_assert_eq(harness_put(&old, "a", 0, NULL, "x", &err), LEAT_ERR_FENCED);
    cr_assert_eq(leat_log_memory.commit(old.session, NULL, 0, &err), LEAT_ERR_FENCED);
    cr_assert_eq(leat_log_memory.abort(old.session, &err), LEAT_ERR_FENCED);
    cr_assert_eq(leat_code_blame(err.code), LEAT_BLAME_FATAL);
    put(&young, "a", 0, NULL, "alive");
    commit(&young, "a", 0, -1);
    expect(&reader, "alive ");
    leave(&old);
    leave(&young);
    leave(&reader);
    leat_log_memory.close(&log);
}

/* A crashed producer's transaction holds readers up until its time-out, not longer. */
Test(log_memory, transactions_time_out)
{
    leat_log *log = log_of("o", "memory.transaction.timeout.ms", "30");
    make_topic(log, "a", 1, false);
    harness gone = {0}, slow = {0}, plain = {0}, reader = {0};
    leat_err err = {0};
    join(&reader, log, "g", NULL, NULL, "a");
    expect(&reader, "");
    join(&gone, log, NULL, NULL, "p", NULL);
    join(&slow, log, NULL, NULL, "q", NULL);
    join(&plain, log, NULL, NULL, NULL, NULL);
    put(&gone, "a", 0, NULL, "x");
    put(&slow, "a", 0, NULL, "y");
    put(&plain, "a", 0, NULL, "z");
    leat_memory_session_crash(&gone.session);
    expect(&reader, "");
    char text[64];
    for (int i = 0; i < 200 && harness_poll(&reader, 5, text, sizeof text) == LEAT_POLL_EMPTY; i++)
        ;
    cr_assert_str_eq(text, "z ");
    cr_assert_eq(harness_put(&slow, "a", 0, NULL, "y", &err), LEAT_ERR_ABORTED);
    cr_assert_eq(leat_log_memory.commit(slow.session, NULL, 0, &err), LEAT_ERR_ABORTED);
    cr_assert_eq(leat_log_memory.abort(slow.session, &err), LEAT_OK);
    put(&slow, "a", 0, NULL, "again");
    commit(&slow, "a", 0, -1);
    expect(&reader, "again ");
    leave(&slow);
    leave(&plain);
    leave(&reader);
    leat_log_memory.close(&log);
}

static void settle(harness **members, size_t count)
{
    char text[64];
    for (int i = 0; i < 4; i++)
        for (size_t k = 0; k < count; k++)
            harness_poll(members[k], 0, text, sizeof text);
}

Test(log_memory, groups_share_partitions)
{
    leat_log *log = log_of("g", NULL, NULL);
    make_topic(log, "a", 5, false);
    make_topic(log, "b", 5, false);
    harness one = {0}, two = {0}, three = {0};
    harness *all[] = {&one, &two, &three};
    join(&one, log, "g", NULL, NULL, "^[ab]$");
    settle(all, 1);
    cr_assert_eq(one.owned_count, 10);
    join(&two, log, "g", NULL, NULL, "^[ab]$");
    settle(all, 2);
    cr_assert_eq(one.owned_count, 6);
    cr_assert_eq(two.owned_count, 4);
    cr_assert_eq(one.revoked_calls, 1);
    cr_assert_eq(one.lost_calls, 0);
    for (size_t i = 0; i < two.owned_count; i++)
        cr_assert_geq(two.places[i].partition, 3); /* the same ones of both topics */
    join(&three, log, "g", NULL, NULL, "b");
    settle(all, 3);
    cr_assert_eq(one.owned_count + two.owned_count + three.owned_count, 10);
    leave(&one);
    cr_assert_eq(one.revoked_calls, 3);
    settle(all + 1, 2);
    cr_assert_eq(two.owned_count, 8);
    cr_assert_eq(three.owned_count, 2);
    make_topic(log, "other", 3, false);
    settle(all + 1, 2);
    cr_assert_eq(two.assigned_calls, 3); /* of no interest */
    leave(&two);
    leave(&three);
    leat_log_memory.close(&log);
}

Test(log_memory, a_new_topic_fits_a_pattern)
{
    leat_log *log = log_of("p", NULL, NULL);
    harness me = {0}, writer = {0}, *all[] = {&me};
    join(&me, log, "g", NULL, NULL, "^a.*");
    join(&writer, log, NULL, NULL, NULL, NULL);
    settle(all, 1);
    cr_assert_eq(me.owned_count, 0);
    put(&writer, "a1", 0, NULL, "x");
    settle(all, 1);
    cr_assert_eq(me.owned_count, 4);
    leave(&me);
    leave(&writer);
    leat_log_memory.close(&log);
}

/* Offsets survive their member; a transaction takes them along or leaves them. */
Test(log_memory, committed_offsets)
{
    leat_log *log = log_of("c", NULL, NULL);
    make_topic(log, "a", 1, false);
    make_topic(log, "out", 1, false);
    harness me = {0}, writer = {0};
    leat_err err = {0};
    join(&writer, log, NULL, NULL, NULL, NULL);
    for (int i = 0; i < 5; i++)
        put(&writer, "a", 0, NULL, (const char[]){(char)('0' + i), 0});
    join(&me, log, "g", NULL, "p", "a");
    expect(&me, "");
    cr_assert_eq(me.places[0].offset, 0);
    expect(&me, "0 1 2 3 4 ");
    put(&me, "out", 0, NULL, "x");
    commit(&me, "a", 0, 2);
    put(&me, "out", 0, NULL, "y");
    cr_assert_eq(leat_log_memory.abort(me.session, &err), LEAT_OK);
    leat_partition place = {LEAT_STR("a"), 0, -7};
    cr_assert_eq(leat_log_memory.committed(me.session, &place, 1, &err), LEAT_OK);
    cr_assert_eq(place.offset, 2);
    cr_assert_eq(leat_log_memory.seek(me.session, place.topic, 0, place.offset, &err), LEAT_OK);
    expect(&me, "2 3 4 ");
    leave(&me);
    me = (harness){0};
    join(&me, log, "g", NULL, "p", "a");
    expect(&me, "");
    cr_assert_eq(me.places[0].offset, 2);
    expect(&me, "2 3 4 ");
    restored(&me, "out", 0, "=x ", true);
    place.partition = 1;
    cr_assert_eq(leat_log_memory.commit(me.session, &place, 1, &err), LEAT_ERR_ABORTED);
    leave(&me);
    leave(&writer);
    leat_log_memory.close(&log);
}

Test(log_memory, start_policies)
{
    leat_log *log = log_of("s", NULL, NULL);
    make_topic(log, "a", 1, false);
    harness writer = {0};
    leat_err err = {0};
    join(&writer, log, NULL, NULL, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        leat_produce record = {
            .topic = LEAT_STR("a"), .value = LEAT_STR("v"), .timestamp_ms = 100 + i * 10};
        cr_assert_eq(leat_log_memory.produce(writer.session, &record, &err), LEAT_OK);
    }
    static const struct {
        leat_start start;
        int64_t start_ms, want;
    } cases[] = {{LEAT_START_EARLIEST, 0, 0}, {LEAT_START_LATEST, 0, 5}, {LEAT_START_TIME, 0, 0},
                 {LEAT_START_TIME, 120, 2},   {LEAT_START_TIME, 121, 3}, {LEAT_START_TIME, 999, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        harness me = {0};
        leat_subscription subscription = {
            .topic = LEAT_STR("a"), .start = cases[i].start, .start_ms = cases[i].start_ms};
        leat_session_config config = {
            .group = LEAT_STR("g"), .subscriptions = &subscription, .subscriptions_count = 1};
        cr_assert_eq(harness_open(&me, &leat_log_memory, log, config, &err), LEAT_OK);
        expect(&me, "");
        cr_assert_eq(me.places[0].offset, cases[i].want, "case %zu: %lld", i,
                     (long long)me.places[0].offset);
        leat_partition place = {LEAT_STR("a"), 0, 0};
        cr_assert_eq(leat_log_memory.committed(me.session, &place, 1, &err), LEAT_OK);
        cr_assert_eq(place.offset, cases[i].want); /* a place to seek to even without a commit */
        leave(&me);
    }
    leave(&writer);
    leat_log_memory.close(&log);
}

/* Who does not come to a rebalance in time loses its partitions, cannot commit, and hears of it. */
Test(log_memory, a_zombie_is_put_out)
{
    leat_log *log = log_of("z", "memory.rebalance.timeout.ms", "40");
    make_topic(log, "a", 2, false);
    harness zombie = {0}, heir = {0};
    leat_err err = {0};
    join(&zombie, log, "g", NULL, "p1", "a");
    expect(&zombie, "");
    cr_assert_eq(zombie.owned_count, 2);
    put(&zombie, "out", 0, NULL, "x");
    join(&heir, log, "g", NULL, "p2", "a");
    char text[64];
    for (int i = 0; i < 100 && heir.owned_count == 0; i++)
        harness_poll(&heir, 10, text, sizeof text);
    cr_assert_eq(heir.owned_count, 2);
    leat_partition place = {LEAT_STR("a"), 0, 1};
    cr_assert_eq(leat_log_memory.commit(zombie.session, &place, 1, &err), LEAT_ERR_ABORTED);
    cr_assert_eq(leat_log_memory.abort(zombie.session, &err), LEAT_OK);
    harness *both[] = {&zombie, &heir};
    settle(both, 2);
    cr_assert_eq(zombie.lost_calls, 1);
    cr_assert_eq(zombie.owned_count, 1); /* it has joined again */
    cr_assert_eq(heir.owned_count, 1);
    leave(&zombie);
    leave(&heir);
    leat_log_memory.close(&log);
}

Test(log_memory, static_members)
{
    leat_log *log = log_of("m", "memory.rebalance.timeout.ms", "60000");
    make_topic(log, "a", 4, false);
    harness one = {0}, two = {0}, again = {0}, *both[] = {&one, &two};
    join(&two, log, "g", "w-1", "p1", "a");
    join(&one, log, "g", "w-0", "p0", "a");
    settle(both, 2);
    cr_assert_eq(one.places[0].partition, 0);
    cr_assert_eq(two.places[0].partition, 2);
    leat_memory_session_crash(&one.session);
    join(&again, log, "g", "w-0", "p0", "a"); /* back long before the group noticed */
    harness *now[] = {&again, &two};
    settle(now, 2);
    cr_assert_eq(again.owned_count, 2);
    cr_assert_eq(again.places[0].partition, 0);
    harness thief = {0};
    join(&thief, log, "g", "w-0", "p9", "a");
    leat_message message;
    size_t count;
    leat_poll_state state;
    leat_err err = {0};
    cr_assert_eq(leat_log_memory.poll(again.session, 0, &message, 1, &count, &state, &err),
                 LEAT_ERR_FENCED);
    cr_assert_not_null(strstr(err.text, "w-0"));
    leave(&again);
    leave(&two);
    leave(&thief);
    leat_log_memory.close(&log);
}

/* A dynamic member that crashed is missed after the time-out. */
Test(log_memory, a_crash_is_noticed)
{
    leat_log *log = log_of("n", "memory.rebalance.timeout.ms", "30");
    make_topic(log, "a", 4, false);
    harness gone = {0}, left = {0}, *both[] = {&gone, &left};
    join(&gone, log, "g", NULL, "p1", "a");
    join(&left, log, "g", NULL, "p2", "a");
    settle(both, 2);
    cr_assert_eq(left.owned_count, 2);
    leat_memory_session_crash(&gone.session);
    char text[64];
    for (int i = 0; i < 100 && left.owned_count != 4; i++)
        harness_poll(&left, 10, text, sizeof text);
    cr_assert_eq(left.owned_count, 4);
    leave(&left);
    leat_log_memory.close(&log);
}
