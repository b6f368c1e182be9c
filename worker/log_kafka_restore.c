/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a partition of a changelog from its start to its end.
 *
 * The end is asked for as read_uncommitted: a transaction whose offsets were committed may not have
 * its marker in the changelog yet, and the read_committed end lies before it. Reading is
 * read_committed, so it waits there until the marker has come, and is done when its position has
 * passed that end; markers and aborted records move the position without a record, by way of the
 * end-of-partition event.
 *
 * All restores of a session share one consumer without a group, each with a queue of its own; it is
 * made with the first and ended with the last. The legacy start/stop calls suit that: partitions
 * come and go without an assignment of the whole.
 * Refused: reading through the group's consumer, whose positions and pauses belong to the input. */
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "worker/clock.h"
#include "worker/log_kafka_client.h"

#define OPEN_MS     5000 /* to learn the end */
#define ASK_MS      1000
#define STANDING_MS 120000 /* without progress; an open transaction of another is gone before */

struct leat_restore {
    leat_session *session;
    rd_kafka_topic_t *topic; /* NULL: there was nothing to read */
    rd_kafka_queue_t *queue;
    char *name;
    int32_t partition;
    int64_t position, end;
    int64_t moved_ms;
    size_t held_count;
    rd_kafka_message_t *held[LEAT_KAFKA_BATCH_MAX];
};

/* One end of a partition: time is RD_KAFKA_OFFSET_BEGINNING or _END. */
static rd_kafka_resp_err_t ask_end(rd_kafka_t *admin, const char *name, int32_t partition,
                                   int64_t time, int64_t *offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, name, partition)->offset = time;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(admin, list, ASK_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = list->elems[0].err;
    *offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && *offset < 0) return RD_KAFKA_RESP_ERR__FAIL;
    return code;
}

/* Where it begins and ends now. The library keeps a leader that has moved until it is told to look
 * again, so each failure is followed by a look. Refused: rd_kafka_query_watermark_offsets. While
 * the leader that it knows is down it waits for a minute, whatever time-out it is given. */
static leat_code ask_ends(leat_session *session, const char *name, int32_t partition,
                          int64_t *begin, int64_t *end, leat_err *err)
{
    rd_kafka_t *admin = NULL;
    LEAT_TRY(leat_kafka_admin_get(session->log, &admin, err));
    int64_t deadline = leat_clock_ms() + OPEN_MS;
    char doing[320];
    snprintf(doing, sizeof doing, "asking for the end of topic %s partition %d", name, partition);
    for (;;) {
        rd_kafka_resp_err_t code =
            ask_end(admin, name, partition, RD_KAFKA_OFFSET_BEGINNING, begin);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            code = ask_end(admin, name, partition, RD_KAFKA_OFFSET_END, end);
        rd_kafka_poll(admin, 0);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return LEAT_OK;
        if (leat_clock_ms() >= deadline || code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
            return leat_kafka_fail_noticed(code, &session->log->admin_notice, doing, err);
        rd_kafka_topic_t *topic = rd_kafka_topic_new(admin, name, NULL);
        const struct rd_kafka_metadata *metadata = NULL;
        if (topic != NULL &&
            rd_kafka_metadata(admin, 0, topic, &metadata, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
            rd_kafka_metadata_destroy(metadata);
        if (topic != NULL) rd_kafka_topic_destroy(topic);
        leat_clock_sleep(100);
    }
}

static leat_code start(leat_session *session, leat_restore *restore, leat_err *err)
{
    if (session->restorer == NULL)
        LEAT_TRY(leat_kafka_handle_new(session->log, session, LEAT_KAFKA_RESTORER,
                                       &session->restorer_notice, &session->restorer, err));
    char doing[320];
    snprintf(doing, sizeof doing, "reading topic %s partition %d", restore->name,
             restore->partition);
    session->restores++; /* close counts down again */
    restore->topic = rd_kafka_topic_new(session->restorer, restore->name, NULL);
    if (restore->topic == NULL) return leat_kafka_fail(rd_kafka_last_error(), NULL, doing, err);
    restore->queue = rd_kafka_queue_new(session->restorer);
    if (rd_kafka_consume_start_queue(restore->topic, restore->partition, restore->position,
                                     restore->queue) == 0)
        return LEAT_OK;
    rd_kafka_resp_err_t code = rd_kafka_last_error();
    rd_kafka_queue_destroy(restore->queue);
    restore->queue = NULL;
    return leat_kafka_fail(code, NULL, doing, err);
}

leat_code leat_kafka_restore_open(leat_session *session, leat_str topic, int32_t partition,
                                  leat_restore **restore, leat_err *err)
{
    *restore = NULL;
    leat_restore *made = leat_mem_need(sizeof *made);
    made->session = session;
    made->name = leat_mem_need(topic.len + 1);
    memcpy(made->name, topic.data, topic.len);
    made->partition = partition;
    made->moved_ms = leat_clock_ms();
    leat_code code = ask_ends(session, made->name, partition, &made->position, &made->end, err);
    if (code == LEAT_OK && made->position < made->end) code = start(session, made, err);
    if (code != LEAT_OK) {
        leat_kafka_restore_close(&made);
        return code;
    }
    *restore = made;
    return LEAT_OK;
}

static leat_code take_error(leat_restore *restore, const rd_kafka_message_t *message, leat_err *err)
{
    char doing[320];
    snprintf(doing, sizeof doing, "reading topic %s partition %d", restore->name,
             restore->partition);
    switch ((int)message->err) {
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        return leat_kafka_fail(message->err, rd_kafka_message_errstr(message), doing, err);
    default: return LEAT_OK; /* it goes on trying, and no progress is noticed */
    }
}

static leat_code hand_out(leat_restore *restore, leat_message *messages, size_t *count,
                          leat_err *err)
{
    for (size_t i = 0; i < restore->held_count; i++) {
        const rd_kafka_message_t *message = restore->held[i];
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            if (message->offset > restore->position) restore->position = message->offset;
            continue;
        }
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            LEAT_TRY(take_error(restore, message, err));
            continue;
        }
        if (message->offset < restore->position) continue;
        messages[(*count)++] = leat_kafka_message(message, leat_str_of(restore->name));
        restore->position = message->offset + 1;
    }
    return LEAT_OK;
}

leat_code leat_kafka_restore_read(leat_restore *restore, int timeout_ms, leat_message *messages,
                                  size_t size, size_t *count, bool *done, leat_err *err)
{
    LEAT_ASSERT(restore->held_count == 0);
    *count = 0;
    *done = restore->position >= restore->end;
    if (*done) return LEAT_OK;
    rd_kafka_poll(restore->session->restorer, 0);
    int64_t before = restore->position;
    restore->held_count =
        leat_kafka_take(restore->queue, timeout_ms, restore->held,
                        size < LEAT_KAFKA_BATCH_MAX ? size : LEAT_KAFKA_BATCH_MAX);
    LEAT_TRY(hand_out(restore, messages, count, err));
    *done = restore->position >= restore->end;
    int64_t now = leat_clock_ms();
    if (restore->position != before) restore->moved_ms = now;
    if (*done || now - restore->moved_ms < STANDING_MS) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_UNAVAILABLE,
                        "kafka: topic %s partition %d stands at offset %lld of %lld: its leader "
                        "cannot be reached, or a transaction of another producer is open",
                        restore->name, restore->partition, (long long)restore->position,
                        (long long)restore->end);
}

void leat_kafka_restore_release(leat_restore *restore)
{
    for (size_t i = 0; i < restore->held_count; i++)
        rd_kafka_message_destroy(restore->held[i]);
    restore->held_count = 0;
}

void leat_kafka_restore_close(leat_restore **restore)
{
    leat_restore *closing = *restore;
    if (closing == NULL) return;
    leat_session *session = closing->session;
    leat_kafka_restore_release(closing);
    if (closing->queue != NULL) {
        rd_kafka_consume_stop(closing->topic, closing->partition);
        rd_kafka_queue_destroy(closing->queue);
    }
    if (closing->topic != NULL) rd_kafka_topic_destroy(closing->topic);
    bool started = closing->topic != NULL;
    leat_mem_free(closing->name);
    leat_mem_free(closing);
    *restore = NULL;
    if (!started || --session->restores > 0) return;
    leat_kafka_destroy(session, session->restorer, "restorer");
    session->restorer = NULL;
}
