/* SPDX-License-Identifier: Apache-2.0 */
/* Short words for tests of the embedded log; each asserts that what it does works. */
#ifndef LEAT_TESTS_UNIT_MEMORY_HARNESS_H
#define LEAT_TESTS_UNIT_MEMORY_HARNESS_H

#include "tests/unit/log_harness.h"
#include "worker/log_memory.h"

static inline leat_log *log_of(const char *name, const char *more, const char *value)
{
    leat_property properties[] = {{LEAT_STR("memory.name"), leat_str_of(name), false},
                                  {leat_str_of(more), leat_str_of(value), false}};
    return harness_log(&leat_log_memory, properties, more == NULL ? 1 : 2);
}

static inline void make_topic(leat_log *log, const char *name, int32_t partitions, bool compacted)
{
    leat_err err = {0};
    leat_topic_spec spec = {leat_str_of(name), partitions, -1, compacted};
    cr_assert_eq(leat_log_memory.create(log, &spec, 1000, &err), LEAT_OK, "%s", err.text);
}

/* A member of group g on topics a[, b], and a producer with transactional id `id` (NULL: none). */
static inline void join(harness *me, leat_log *log, const char *group, const char *instance,
                        const char *id, const char *topic)
{
    leat_err err = {0};
    leat_subscription subscription = {.topic = leat_str_of(topic)};
    leat_session_config config = {.guarantee = id == NULL ? LEAT_AT_LEAST_ONCE : LEAT_EXACTLY_ONCE,
                                  .group = leat_str_of(group),
                                  .instance = leat_str_of(instance),
                                  .transactional_id = leat_str_of(id),
                                  .subscriptions = &subscription,
                                  .subscriptions_count = topic == NULL ? 0 : 1};
    cr_assert_eq(harness_open(me, &leat_log_memory, log, config, &err), LEAT_OK, "%s", err.text);
}

static inline void leave(harness *me)
{
    leat_log_memory.session_close(&me->session, 1000);
    cr_assert_null(me->session);
}

static inline void put(harness *me, const char *topic, int32_t partition, const char *key,
                       const char *value)
{
    leat_err err = {0};
    cr_assert_eq(harness_put(me, topic, partition, key, value, &err), LEAT_OK, "%s", err.text);
}

static inline void commit(harness *me, const char *topic, int32_t partition, int64_t offset)
{
    leat_err err = {0};
    leat_partition place = {leat_str_of(topic), partition, offset};
    cr_assert_eq(leat_log_memory.commit(me->session, &place, offset < 0 ? 0 : 1, &err), LEAT_OK,
                 "%s", err.text);
}

static inline void expect(harness *me, const char *want)
{
    char text[512];
    harness_poll(me, 0, text, sizeof text);
    cr_assert_str_eq(text, want, "'%s', not '%s'", text, want);
}

/* Values of a compacted or plain partition as restore sees them. */
static inline void restored(harness *me, const char *topic, int32_t partition, const char *want,
                            bool want_done)
{
    leat_err err = {0};
    leat_restore *restore = NULL;
    cr_assert_eq(
        leat_log_memory.restore_open(me->session, leat_str_of(topic), partition, &restore, &err),
        LEAT_OK, "%s", err.text);
    char text[512] = "";
    size_t at = 0;
    bool done = false;
    for (int i = 0; i < 200 && !done; i++) {
        leat_message messages[2];
        size_t count = 0;
        cr_assert_eq(leat_log_memory.restore_read(restore, 0, messages, 2, &count, &done, &err),
                     LEAT_OK);
        for (size_t k = 0; k < count; k++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%.*s=%.*s ",
                                   LEAT_STR_ARG(messages[k].key), LEAT_STR_ARG(messages[k].value));
        leat_log_memory.restore_release(restore);
    }
    leat_log_memory.restore_close(&restore);
    cr_assert_eq(done, want_done);
    cr_assert_str_eq(text, want);
}

#endif
