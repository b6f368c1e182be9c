/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded log: compaction, retention, memory. */
#include <criterion/criterion.h>
#include <time.h>

#include "tests/unit/leak.h"
#include "tests/unit/memory_harness.h"

LEAT_SUITE(log_memory_bounds);

/* Two minutes after now. */
static int64_t later_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + 120000;
}
static const leat_clock later = {later_ms, later_ms, NULL};

Test(log_memory_bounds, compaction)
{
    leat_log *log = log_of("k", NULL, NULL);
    make_topic(log, "a", 1, true);
    harness me = {0};
    leat_err err = {0};
    join(&me, log, NULL, NULL, "p", NULL);
    put(&me, "a", 0, "x", "1");
    put(&me, "a", 0, "y", "2");
    commit(&me, "a", 0, -1);
    put(&me, "a", 0, "y", "lost");
    cr_assert_eq(leat_log_memory.abort(me.session, &err), LEAT_OK);
    put(&me, "a", 0, "x", "3");
    put(&me, "a", 0, "y", NULL);
    put(&me, "a", 0, "z", "4");
    commit(&me, "a", 0, -1);
    put(&me, "a", 0, "x", "open");
    leat_memory_compact_now(log);
    restored(&me, "a", 0, "x=3 y= z=4 ", false);
    cr_assert_eq(leat_log_memory.abort(me.session, &err), LEAT_OK);
    leat_memory_compact_now(log);
    leat_memory_compact_now(log);
    restored(&me, "a", 0, "x=3 y= z=4 ", true); /* who has read y before must hear of it */
    leat_clock_replace(&later);
    leat_memory_compact_now(log);
    leat_memory_compact_now(log);
    leat_clock_replace(NULL);
    restored(&me, "a", 0, "x=3 z=4 ", true); /* the tombstone had its time */
    cr_assert_eq(harness_put(&me, "a", 0, NULL, "no key", &err), LEAT_ERR_INVALID);
    leave(&me);
    leat_log_memory.close(&log);
}

/* A compacted partition stays as large as its keys, a plain one as its retention, and both as
 * Kafka would have them; a message in hand stays valid meanwhile. */
Test(log_memory_bounds, memory_is_bounded)
{
    leat_log *log = log_of("b", "memory.retention.bytes", "1000000");
    make_topic(log, "table", 1, true);
    make_topic(log, "stream", 1, false);
    harness me = {0}, reader = {0};
    leat_err err = {0};
    join(&me, log, NULL, NULL, "p", NULL);
    join(&reader, log, "g", NULL, NULL, "stream");
    expect(&reader, "");
    static char bulk[1000];
    memset(bulk, 'v', sizeof bulk);
    uint64_t live = leat_mem_live(), most = 0;
    leat_message held;
    size_t count;
    leat_poll_state state;
    for (int i = 0; i < 50000; i++) {
        char key[8];
        snprintf(key, sizeof key, "%d", i % 10);
        leat_produce record = {
            .key = leat_str_of(key), .timestamp_ms = i, .value = {bulk, sizeof bulk}};
        record.topic = LEAT_STR("table");
        cr_assert_eq(leat_log_memory.produce(me.session, &record, &err), LEAT_OK);
        record.topic = LEAT_STR("stream");
        cr_assert_eq(leat_log_memory.produce(me.session, &record, &err), LEAT_OK);
        if (i % 100 == 99) commit(&me, NULL, 0, -1);
        if (i == 99)
            cr_assert_eq(leat_log_memory.poll(reader.session, 0, &held, 1, &count, &state, &err),
                         LEAT_OK);
        if (leat_mem_live() - live > most) most = leat_mem_live() - live;
    }
    cr_assert_lt(most, 200, "%llu blocks", (unsigned long long)most);
    cr_assert_eq(count, 1);
    cr_assert_eq(memcmp(held.value.data, bulk, sizeof bulk), 0);
    leat_log_memory.release(reader.session);
    cr_assert_eq(leat_log_memory.poll(reader.session, 0, &held, 1, &count, &state, &err), LEAT_OK);
    cr_assert_gt(held.offset, 30000);
    leat_log_memory.release(reader.session);
    leave(&me);
    leave(&reader);
    leat_log_memory.close(&log);
}

/* What a group has not committed is kept beyond the retention. */
Test(log_memory_bounds, retention_waits_for_groups)
{
    leat_log *log = log_of("w", "memory.retention.bytes", "200000");
    make_topic(log, "a", 1, false);
    harness me = {0}, writer = {0};
    leat_err err = {0};
    join(&me, log, "g", NULL, NULL, "a");
    join(&writer, log, NULL, NULL, NULL, NULL);
    expect(&me, "");
    static char bulk[1000];
    for (int i = 0; i < 900; i++) {
        leat_produce record = {.topic = LEAT_STR("a"), .value = {bulk, sizeof bulk}};
        cr_assert_eq(leat_log_memory.produce(writer.session, &record, &err), LEAT_OK);
    }
    int64_t next = 0;
    for (;;) {
        leat_message messages[64];
        size_t count;
        leat_poll_state state;
        cr_assert_eq(leat_log_memory.poll(me.session, 0, messages, 64, &count, &state, &err),
                     LEAT_OK);
        if (count == 0) break;
        for (size_t i = 0; i < count; i++)
            cr_assert_eq(messages[i].offset, next++);
        leat_log_memory.release(me.session);
    }
    cr_assert_eq(next, 900);
    leave(&me);
    leave(&writer);
    leat_log_memory.close(&log);
}

/* Memory that is not there is an error of the call, never of the log. */
Test(log_memory_bounds, without_memory)
{
    leat_log *log = log_of("e", NULL, NULL);
    make_topic(log, "a", 1, false);
    harness me = {0};
    join(&me, log, NULL, NULL, "p", NULL);
    int refused = 0, taken = 0;
    for (uint64_t nth = 1; nth <= 12; nth++) {
        leat_err err = {0};
        for (int i = 0; i < 40; i++) {
            leat_mem_fail_at(nth % 4 + 1, true);
            leat_code code = harness_put(&me, "a", 0, NULL, "value", &err);
            leat_mem_fail_at(0, false);
            cr_assert(code == LEAT_OK || code == LEAT_ERR_MEMORY);
            if (code == LEAT_OK)
                taken++;
            else
                refused++;
        }
        commit(&me, "a", 0, -1);
    }
    cr_assert_gt(refused, 0);
    leat_restore *restore = NULL;
    leat_err err = {0};
    bool done = false;
    int seen = 0;
    cr_assert_eq(leat_log_memory.restore_open(me.session, LEAT_STR("a"), 0, &restore, &err),
                 LEAT_OK);
    while (!done) {
        leat_message messages[50];
        size_t count = 0;
        cr_assert_eq(leat_log_memory.restore_read(restore, 0, messages, 50, &count, &done, &err),
                     LEAT_OK);
        seen += (int)count;
        leat_log_memory.restore_release(restore);
    }
    leat_log_memory.restore_close(&restore);
    cr_assert_eq(seen, taken);
    leave(&me);
    leat_log_memory.close(&log);
}
