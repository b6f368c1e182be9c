/* SPDX-License-Identifier: Apache-2.0 */
/* The reading half of a session: polling, positions.
 *
 * The session's own position per partition decides what a worker sees, never the library's: a
 * record below it is dropped (delivered twice after a resume or a rebalance), and where the two may
 * differ (a seek, a rebalance in the middle of a batch, records of a paused partition) the
 * partition counts as strayed: nothing of it is handed out until the library has been sought to the
 * position, or offers the very record that is next. So a seek always succeeds here, and is told to
 * the library from the next poll on, for all partitions in one call, as often as it takes. A gap is
 * not an error: markers of transactions and compaction leave them.
 * Refused: rd_kafka_consumer_poll, one record a call; the queue's batch call costs half. */
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "worker/clock.h"
#include "worker/log_kafka_client.h"

#define SEEK_MS           5000
#define OLD_SEEK          0x020100ff /* before: the time-out of a seek is taken for microseconds */
#define HEADERS_BYTES_MAX ((size_t)64 << 20) /* of one poll */
#define WAKE_BELOW        4000               /* records in the queue */
#define WAKE_MS           20
#define OLD_FETCH         0x020200ff

/* --- positions --- */

static leat_code not_owned(leat_str topic, int32_t partition, leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_ABORTED, "partition %d of topic '%.*s' is not assigned",
                        partition, LEAT_STR_ARG(topic));
}

static rd_kafka_topic_partition_list_t *list_of(const kafka_owned *owned)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, owned->topic, owned->partition);
    return list;
}

/* Seeks all that have strayed; what fails is tried again at the next poll. */
static void call_back_strays(leat_session *session)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    for (size_t i = 0; i < session->owned_count; i++) {
        const kafka_owned *owned = &session->owned[i];
        if (!owned->strayed || owned->paused) continue;
        if (list == NULL) list = rd_kafka_topic_partition_list_new((int)session->owned_count);
        rd_kafka_topic_partition_list_add(list, owned->topic, owned->partition)->offset =
            owned->position;
    }
    if (list == NULL) return;
    int timeout_ms = rd_kafka_version() < OLD_SEEK ? SEEK_MS * 1000 : SEEK_MS;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(session->consumer, list, timeout_ms);
    for (int i = 0; error == NULL && i < list->cnt; i++) {
        kafka_owned *owned = leat_kafka_owned_find(session, leat_str_of(list->elems[i].topic),
                                                   list->elems[i].partition);
        if (owned != NULL && list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR)
            owned->strayed = false;
    }
    if (error != NULL) rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(list);
}

leat_code leat_kafka_pause(leat_session *session, leat_str topic, int32_t partition, leat_err *err)
{
    kafka_owned *owned = leat_kafka_owned_find(session, topic, partition);
    if (owned == NULL) return not_owned(topic, partition, err);
    rd_kafka_topic_partition_list_t *list = list_of(owned);
    rd_kafka_pause_partitions(session->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    owned->paused = true;
    return LEAT_OK;
}

leat_code leat_kafka_resume(leat_session *session, leat_str topic, int32_t partition, leat_err *err)
{
    kafka_owned *owned = leat_kafka_owned_find(session, topic, partition);
    if (owned == NULL) return not_owned(topic, partition, err);
    rd_kafka_topic_partition_list_t *list = list_of(owned);
    rd_kafka_resume_partitions(session->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    owned->paused = false;
    return LEAT_OK;
}

leat_code leat_kafka_seek(leat_session *session, leat_str topic, int32_t partition, int64_t offset,
                          leat_err *err)
{
    LEAT_ASSERT(offset >= 0);
    kafka_owned *owned = leat_kafka_owned_find(session, topic, partition);
    if (owned == NULL) return not_owned(topic, partition, err);
    if (owned->position == offset && !owned->strayed) return LEAT_OK;
    owned->position = offset;
    owned->eof = -1;
    owned->strayed = true;
    return LEAT_OK;
}

leat_code leat_kafka_committed(leat_session *session, leat_partition *partitions, size_t count,
                               leat_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count + 1);
    leat_code code = LEAT_OK;
    for (size_t i = 0; code == LEAT_OK && i < count; i++) {
        const kafka_owned *owned =
            leat_kafka_owned_find(session, partitions[i].topic, partitions[i].partition);
        if (owned == NULL)
            code = not_owned(partitions[i].topic, partitions[i].partition, err);
        else
            rd_kafka_topic_partition_list_add(list, owned->topic, owned->partition);
    }
    if (code == LEAT_OK && count > 0)
        code = leat_kafka_ask_committed(session, list, LEAT_KAFKA_OUTCOME_MS, err);
    for (size_t i = 0; code == LEAT_OK && i < count; i++) {
        const kafka_owned *owned =
            leat_kafka_owned_find(session, partitions[i].topic, partitions[i].partition);
        int64_t offset = list->elems[i].offset;
        partitions[i].offset = offset >= 0 ? offset : owned->start;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

size_t leat_kafka_lags(leat_session *session, leat_lag *lags, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; session->consumer != NULL && i < session->owned_count && count < size; i++) {
        const kafka_owned *owned = &session->owned[i];
        int64_t low = -1, high = -1;
        rd_kafka_resp_err_t code = rd_kafka_get_watermark_offsets(session->consumer, owned->topic,
                                                                  owned->partition, &low, &high);
        int64_t end = code != RD_KAFKA_RESP_ERR_NO_ERROR || high < 0 ? -1 : high;
        /* Behind the last record there may be markers, which are nothing to come. */
        if (end >= 0 && owned->eof >= end) end = owned->position;
        lags[count++] = (leat_lag){leat_str_of(owned->topic), owned->partition, end};
    }
    return count;
}

/* --- the fetcher's nap --- */

/* Before 2.2 a consumer whose queue was full looks at it again only after a second, unless its
 * threads have something else to do; a small queue, as ours, would stand empty most of the time. So
 * when it has run low while the input has not, the leaders are asked something trivial: sending the
 * question is what wakes the threads, the answer is not waited for. Later versions have
 * fetch.queue.backoff.ms. */
static void wake_fetchers(leat_session *session)
{
    if (rd_kafka_version() >= OLD_FETCH || session->owned_count == 0 ||
        rd_kafka_queue_length(session->queue) > WAKE_BELOW)
        return;
    int64_t now = leat_clock_ms();
    if (now - session->woken_ms < WAKE_MS) return;
    session->woken_ms = now;
    rd_kafka_topic_partition_list_t *list = NULL;
    for (size_t i = 0; i < session->owned_count; i++) {
        const kafka_owned *owned = &session->owned[i];
        int64_t low, high;
        if (owned->paused ||
            rd_kafka_get_watermark_offsets(session->consumer, owned->topic, owned->partition, &low,
                                           &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        if (high < 0 || owned->eof >= high || high - owned->position < WAKE_BELOW) continue;
        if (list == NULL) list = rd_kafka_topic_partition_list_new((int)session->owned_count);
        rd_kafka_topic_partition_list_add(list, owned->topic, owned->partition)->offset =
            RD_KAFKA_OFFSET_END;
    }
    if (list == NULL) return;
    rd_kafka_offsets_for_times(session->consumer, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

/* --- poll --- */

size_t leat_kafka_take(rd_kafka_queue_t *queue, int timeout_ms, rd_kafka_message_t **messages,
                       size_t size)
{
    LEAT_ASSERT(size > 0);
    messages[0] = rd_kafka_consume_queue(queue, timeout_ms);
    if (messages[0] == NULL) return 0;
    ssize_t more = size == 1 ? 0 : rd_kafka_consume_batch_queue(queue, 0, messages + 1, size - 1);
    return 1 + (more > 0 ? (size_t)more : 0);
}

static leat_code read_headers(const void *from, leat_arena *arena, const leat_header **headers,
                              size_t *count, leat_err *err)
{
    rd_kafka_headers_t *list = NULL;
    *headers = NULL;
    *count = 0;
    if (rd_kafka_message_headers(from, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return LEAT_OK;
    size_t given = rd_kafka_header_cnt(list);
    leat_header *copy = leat_arena_array(arena, given, sizeof *copy);
    if (copy == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < given; i++) {
        const char *name = NULL;
        const void *value = NULL;
        size_t len = 0;
        rd_kafka_header_get_all(list, i, &name, &value, &len);
        copy[i] = (leat_header){leat_str_of(name), {value, len}};
    }
    *headers = copy;
    *count = given;
    return LEAT_OK;
}

leat_message leat_kafka_message(const rd_kafka_message_t *from, leat_str topic)
{
    rd_kafka_timestamp_type_t kind;
    int64_t timestamp_ms = rd_kafka_message_timestamp(from, &kind);
    return (leat_message){.topic = topic,
                          .partition = from->partition,
                          .offset = from->offset,
                          .timestamp_ms = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? LEAT_TIME_NONE
                                                                                   : timestamp_ms,
                          .key = {from->key, from->key_len},
                          .value = {from->payload, from->len},
                          .read_headers = read_headers,
                          .read_from = from};
}

/* Errors come as messages. Passing ones are said by the library's callbacks. */
static leat_code take_error(leat_session *session, const rd_kafka_message_t *message, leat_err *err)
{
    const char *topic = message->rkt == NULL ? "" : rd_kafka_topic_name(message->rkt);
    const char *text = rd_kafka_message_errstr(message);
    char doing[320];
    snprintf(doing, sizeof doing, "reading %s%s", topic[0] == 0 ? "the input" : "topic ", topic);
    switch ((int)message->err) {
    case RD_KAFKA_RESP_ERR__FATAL: return LEAT_OK; /* the next poll looks at the handle itself */
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
        return leat_kafka_fail(message->err, text, doing, err);
    default:
        leat_kafka_speak(session->log, 2, rd_kafka_err2name(message->err), text);
        return LEAT_OK;
    }
}

static kafka_owned *owned_of(leat_session *session, const rd_kafka_message_t *message)
{
    if (session->owned_last != NULL && session->owned_handle == message->rkt &&
        session->owned_last->partition == message->partition)
        return session->owned_last;
    session->owned_handle = message->rkt;
    session->owned_last = leat_kafka_owned_find(
        session, leat_str_of(rd_kafka_topic_name(message->rkt)), message->partition);
    return session->owned_last;
}

/* Is it the worker's to see? */
static bool admit(kafka_owned *owned, int64_t offset)
{
    if (owned->paused) {
        owned->strayed = true;
        return false;
    }
    if (offset < owned->position) return false;
    if (owned->strayed && offset != owned->position) return false;
    owned->strayed = false;
    return true;
}

/* Messages were made by a thread of the library: of this many ahead, the lines are asked for, so
 * that another core's cache is not waited for one message after the other. */
#define AHEAD 8

static leat_code hand_out(leat_session *session, leat_message *messages, size_t *count,
                          leat_err *err)
{
    for (size_t i = 0; i < session->held_count; i++) {
        const rd_kafka_message_t *message = session->held[i];
        if (i + AHEAD < session->held_count) __builtin_prefetch(session->held[i + AHEAD]);
        if (LEAT_UNLIKELY(message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)) {
            kafka_owned *owned = owned_of(session, message);
            if (owned != NULL && !owned->strayed) owned->eof = message->offset;
            continue;
        }
        if (LEAT_UNLIKELY(message->err != RD_KAFKA_RESP_ERR_NO_ERROR)) {
            LEAT_TRY(take_error(session, message, err));
            continue;
        }
        kafka_owned *owned = owned_of(session, message);
        if (LEAT_UNLIKELY(owned == NULL || !admit(owned, message->offset))) continue;
        messages[(*count)++] = leat_kafka_message(message, leat_str_of(owned->topic));
        owned->position = message->offset + 1;
    }
    return LEAT_OK;
}

void leat_kafka_release(leat_session *session)
{
    for (size_t i = 0; i < session->held_count; i++)
        rd_kafka_message_destroy(session->held[i]);
    session->held_count = 0;
}

/* A rebalance in the middle of a batch: what was taken before it may be of partitions that were
 * sought in it. All of it is dropped, and read again from the positions. */
static void start_over(leat_session *session)
{
    leat_kafka_release(session);
    for (size_t i = 0; i < session->owned_count; i++) {
        if (!session->owned[i].fresh) session->owned[i].strayed = true;
        session->owned[i].fresh = false;
    }
}

static leat_code check_producer(leat_session *session, leat_err *err)
{
    if (session->producer == NULL) return LEAT_OK;
    rd_kafka_poll(session->producer, 0);
    if (rd_kafka_fatal_error(session->producer, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return LEAT_OK;
    leat_code code = leat_kafka_fail_fatal(session->producer, "writing", err);
    /* Only those of a stolen identity end the worker here; commit can cure the others. */
    return leat_kafka_gives_way(session, code) ? code : LEAT_OK;
}

/* --- open --- */

rd_kafka_resp_err_t leat_kafka_subscribe(const leat_session *session, rd_kafka_t *handle)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)session->subscriptions_count);
    for (size_t i = 0; i < session->subscriptions_count; i++)
        rd_kafka_topic_partition_list_add(list, session->subscriptions[i].topic.data,
                                          RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

leat_code leat_kafka_consumer_open(leat_session *session, leat_err *err)
{
    LEAT_TRY(leat_kafka_handle_new(session->log, session, LEAT_KAFKA_GROUP_MEMBER,
                                   &session->consumer_notice, &session->consumer, err));
    rd_kafka_poll_set_consumer(session->consumer);
    session->queue = rd_kafka_queue_get_consumer(session->consumer);
    rd_kafka_resp_err_t code = leat_kafka_subscribe(session, session->consumer);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return LEAT_OK;
    return leat_kafka_fail(code, NULL, "subscribing to the input", err);
}

/* --- poll, put together --- */

leat_code leat_kafka_poll(leat_session *session, int timeout_ms, leat_message *messages,
                          size_t size, size_t *count, leat_poll_state *state, leat_err *err)
{
    LEAT_ASSERT(session->held_count == 0); /* release came between two polls */
    LEAT_ASSERT(!session->calling);        /* not from inside a listener */
    *count = 0;
    *state = LEAT_POLL_EMPTY;
    if (session->failed != LEAT_OK) {
        *err = session->failure;
        return session->failed;
    }
    LEAT_TRY(check_producer(session, err));
    bool none = false;
    LEAT_TRY(leat_kafka_consumer_mend(session, timeout_ms, &none, err));
    if (none) return LEAT_OK;
    if (session->consumer == NULL) {
        if (session->producer != NULL)
            rd_kafka_poll(session->producer, timeout_ms);
        else
            leat_clock_sleep(timeout_ms);
        return LEAT_OK;
    }
    call_back_strays(session);
    wake_fetchers(session);
    session->called = false;
    session->held_count =
        leat_kafka_take(session->queue, timeout_ms, session->held,
                        size < LEAT_KAFKA_BATCH_MAX ? size : LEAT_KAFKA_BATCH_MAX);
    if (session->called) {
        start_over(session);
        return LEAT_OK;
    }
    leat_code code = hand_out(session, messages, count, err);
    if (code != LEAT_OK) {
        *count = 0;
        leat_kafka_release(session);
    }
    if (*count > 0) *state = LEAT_POLL_SOME;
    return code;
}
