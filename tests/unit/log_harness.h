/* SPDX-License-Identifier: Apache-2.0 */
/* A worker in miniature, for tests of the log port: takes what it is assigned at once, and notes
 * what its callbacks were told. */
#ifndef LEAT_TESTS_UNIT_LOG_HARNESS_H
#define LEAT_TESTS_UNIT_LOG_HARNESS_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "worker/log.h"

#define HARNESS_OWNED_MAX 64
#define HARNESS_POLL_MAX  64

typedef struct harness {
    const leat_log_type *type;
    leat_session *session;
    char owned[HARNESS_OWNED_MAX][64]; /* "topic/partition" */
    leat_partition places[HARNESS_OWNED_MAX];
    char topics[HARNESS_OWNED_MAX][64];
    size_t owned_count;
    int assigned_calls, revoked_calls, lost_calls;
    bool keep_paused;
    bool commit_on_revoke; /* with no offsets: only what was produced */
    leat_code revoke_code;
} harness;

static inline void harness_assigned(void *self, leat_partition *partitions, size_t count)
{
    harness *me = self;
    leat_err err;
    me->assigned_calls++;
    me->owned_count = 0;
    for (size_t i = 0; i < count && i < HARNESS_OWNED_MAX; i++) {
        snprintf(me->topics[i], sizeof me->topics[i], "%.*s", LEAT_STR_ARG(partitions[i].topic));
        me->places[i] = partitions[i];
        me->places[i].topic = leat_str_of(me->topics[i]);
        me->owned_count++;
        if (!me->keep_paused)
            cr_assert_eq(
                me->type->resume(me->session, partitions[i].topic, partitions[i].partition, &err),
                LEAT_OK);
    }
}

static inline void harness_revoked(void *self, const leat_partition *partitions, size_t count,
                                   bool lost)
{
    harness *me = self;
    leat_err err;
    cr_assert_eq(count, me->owned_count);
    (void)partitions;
    me->revoked_calls++;
    me->lost_calls += lost;
    if (me->commit_on_revoke && !lost)
        me->revoke_code = me->type->commit(me->session, NULL, 0, &err);
    me->owned_count = 0;
}

static inline leat_log *harness_log(const leat_log_type *type, const leat_property *properties,
                                    size_t count)
{
    leat_err err = {0};
    leat_log *log = NULL;
    leat_log_config config = {
        .properties = properties, .properties_count = count, .client_id = "test"};
    cr_assert_eq(type->open(&config, &log, &err), LEAT_OK, "%s", err.text);
    return log;
}

static inline leat_code harness_open(harness *me, const leat_log_type *type, leat_log *log,
                                     leat_session_config config, leat_err *err)
{
    me->type = type;
    config.listener = (leat_listener){me, harness_assigned, harness_revoked};
    return type->session_open(log, &config, NULL, 0, &me->session, err);
}

/* What the topic's partition 0 holds: "value@timestamp name=header ...;" of each record. */
static inline const char *harness_topic(const leat_log_type *type, leat_log *log, leat_str topic,
                                        char *text, size_t size)
{
    leat_err err;
    leat_session *session = NULL;
    leat_restore *restore = NULL;
    leat_session_config config = {.guarantee = LEAT_AT_LEAST_ONCE};
    leat_message messages[16];
    size_t len = 0, count;
    bool done = false;
    text[0] = '\0';
    cr_assert_eq(type->session_open(log, &config, &topic, 1, &session, &err), LEAT_OK);
    cr_assert_eq(type->restore_open(session, topic, 0, &restore, &err), LEAT_OK);
    while (!done) {
        cr_assert_eq(type->restore_read(restore, 10, messages, 16, &count, &done, &err), LEAT_OK);
        for (size_t i = 0; i < count; i++) {
            len += (size_t)snprintf(text + len, size - len, "%.*s@%lld",
                                    LEAT_STR_ARG(messages[i].value),
                                    (long long)messages[i].timestamp_ms);
            for (size_t k = 0; k < messages[i].headers_count; k++)
                len += (size_t)snprintf(text + len, size - len, " %.*s=%.*s",
                                        LEAT_STR_ARG(messages[i].headers[k].name),
                                        LEAT_STR_ARG(messages[i].headers[k].value));
            len += (size_t)snprintf(text + len, size - len, ";");
            cr_assert_lt(len, size);
        }
        type->restore_release(restore);
    }
    type->restore_close(&restore);
    type->session_close(&session, 1000);
    return text;
}

/* Polls once; the values, each followed by a space, in text. */
static inline leat_poll_state harness_poll(harness *me, int timeout_ms, char *text, size_t size)
{
    leat_message messages[HARNESS_POLL_MAX];
    leat_poll_state state = LEAT_POLL_EMPTY;
    leat_err err = {0};
    size_t count = 0, at = 0;
    cr_assert_eq(
        me->type->poll(me->session, timeout_ms, messages, HARNESS_POLL_MAX, &count, &state, &err),
        LEAT_OK, "%s", err.text);
    text[0] = 0;
    for (size_t i = 0; i < count && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%.*s ", LEAT_STR_ARG(messages[i].value));
    me->type->release(me->session);
    return state;
}

static inline leat_code harness_put(harness *me, const char *topic, int32_t partition,
                                    const char *key, const char *value, leat_err *err)
{
    leat_produce record = {.topic = leat_str_of(topic),
                           .partition = partition,
                           .key = leat_str_of(key),
                           .value = leat_str_of(value),
                           .timestamp_ms = LEAT_TIME_NONE};
    return me->type->produce(me->session, &record, err);
}

#endif
