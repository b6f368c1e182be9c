/* SPDX-License-Identifier: Apache-2.0 */
/* The writing half of a session: one producer, its topics, what could not be delivered.
 *
 * Records are copied once, into the library's message. A topic's handle is looked up by comparing
 * with the last one used, then in a map. Topics must exist: a record for one that does not would
 * fail long after the call and take its transaction with it, again and again; so an unknown name is
 * asked for once (and again after a while) and the record refused. For the same reason partitions
 * are compared with the topic's count, and times before 1970 are written as its first millisecond.
 * Some brokers refuse times that lie in the future; once one has, such times are written as now.
 *
 * Successful deliveries are not reported: commit waits for all of them anyway.
 * Refused: rd_kafka_produce_batch. It takes no timestamps and no headers, and saves some 30 ns. */
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "worker/clock.h"
#include "worker/log_kafka_client.h"

#define TOPICS_MAX    10000
#define ASK_MS        5000
#define UNKNOWN_MS    10000 /* before an unknown topic is asked for again */
#define KNOWN_MS      5000  /* for all brokers to hear of a new topic */
#define QUEUE_WAIT_MS 50
#define FUTURE_MS     (INT64_C(50) * 60 * 1000)

/* --- delivery --- */

void leat_kafka_on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    leat_session *session = ((leat_kafka_notice *)opaque)->session;
    (void)handle;
    switch ((int)message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE: /* our own abort */
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT: return;
    default: break;
    }
    if (session->undelivered != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    session->undelivered = message->err;
    snprintf(session->undelivered_topic, sizeof session->undelivered_topic, "%s",
             message->rkt == NULL ? "?" : rd_kafka_topic_name(message->rkt));
}

leat_code leat_kafka_fail_undelivered(leat_session *session, leat_err *err)
{
    char doing[320];
    rd_kafka_resp_err_t code = session->undelivered;
    LEAT_ASSERT(code != RD_KAFKA_RESP_ERR_NO_ERROR);
    session->undelivered = RD_KAFKA_RESP_ERR_NO_ERROR;
    snprintf(doing, sizeof doing, "delivering to topic %s", session->undelivered_topic);
    if (code == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP && !session->no_future) {
        session->no_future = true;
        leat_kafka_speak(session->log, 2, "timestamp",
                         "a broker refuses records with times in the future "
                         "(message.timestamp.after.max.ms): such records are written with the "
                         "present time from now on");
        return leat_err_set(err, LEAT_ERR_ABORTED, "kafka: %s: time in the future refused", doing);
    }
    leat_code ours = leat_kafka_fail(code, NULL, doing, err);
    /* Whether it is fenced for good, the abort will tell. */
    if (leat_code_blame(ours) == LEAT_BLAME_TASK || ours == LEAT_ERR_FENCED)
        err->code = ours = LEAT_ERR_ABORTED;
    return ours;
}

/* --- open --- */

static leat_code init_transactions(leat_session *session, int timeout_ms, leat_err *err)
{
    char doing[320];
    snprintf(doing, sizeof doing, "taking over transactional id '%s'", session->transactional_id);
    int64_t deadline = leat_clock_ms() + timeout_ms;
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_init_transactions(session->producer, LEAT_KAFKA_WAIT_MS);
        if (error == NULL) return LEAT_OK;
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        rd_kafka_poll(session->producer, 0);
        bool again = rd_kafka_error_is_retriable(error) != 0 &&
                     !leat_kafka_refused(&session->producer_notice);
        if (!again && !rd_kafka_error_is_retriable(error))
            return leat_kafka_fail_error(session->producer, error, doing, err);
        rd_kafka_error_destroy(error);
        if (!again || leat_clock_ms() >= deadline)
            return leat_kafka_fail_noticed(code, &session->producer_notice, doing, err);
        leat_clock_sleep(10);
    }
}

leat_code leat_kafka_producer_open(leat_session *session, int timeout_ms, leat_err *err)
{
    LEAT_ASSERT(session->producer == NULL);
    LEAT_TRY(leat_kafka_handle_new(session->log, session, LEAT_KAFKA_WRITER,
                                   &session->producer_notice, &session->producer, err));
    session->open = false;
    session->undelivered = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (session->transactional_id == NULL) return LEAT_OK;
    leat_code code = init_transactions(session, timeout_ms, err);
    if (code != LEAT_OK) {
        leat_kafka_producer_drop(session);
        return code;
    }
    leat_kafka_notice_clear(&session->producer_notice);
    return LEAT_OK;
}

static void drop_handles(leat_session *session)
{
    leat_str name;
    uint64_t value;
    for (size_t at = 0;
         session->topics != NULL && leat_map_next(session->topics, &at, &name, &value);) {
        kafka_topic *topic =
            (kafka_topic *)(uintptr_t)value; /* NOLINT(performance-no-int-to-ptr) */
        if (topic->handle != NULL) rd_kafka_topic_destroy(topic->handle);
        leat_mem_free(topic->name);
        leat_mem_free(topic);
    }
    leat_map_free(&session->topics);
    session->topic_last = NULL;
}

void leat_kafka_producer_drop(leat_session *session)
{
    drop_handles(session);
    if (session->producer == NULL) return;
    rd_kafka_purge(session->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                          RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_poll(session->producer, 0);
    leat_kafka_destroy(session, session->producer, "producer");
    session->producer = NULL;
    session->open = false;
}

void leat_kafka_producer_close(leat_session *session, int timeout_ms)
{
    leat_err ignored;
    if (session->producer == NULL) {
        drop_handles(session);
        return;
    }
    if (session->open) {
        rd_kafka_error_t *error = rd_kafka_abort_transaction(session->producer, timeout_ms);
        if (error != NULL) rd_kafka_error_destroy(error); /* its time-out or its heir will */
    } else if (session->dirty) {
        rd_kafka_flush(session->producer, timeout_ms);
    }
    if (session->undelivered != RD_KAFKA_RESP_ERR_NO_ERROR) {
        leat_kafka_fail_undelivered(session, &ignored);
        leat_kafka_speak(session->log, 2, "close", ignored.text);
    }
    leat_kafka_producer_drop(session);
}

/* --- topics --- */

static kafka_topic *topic_find(const leat_session *session, leat_str name)
{
    uint64_t value = 0;
    if (session->topics == NULL || !leat_map_get(session->topics, name, &value)) return NULL;
    return (kafka_topic *)(uintptr_t)value; /* NOLINT(performance-no-int-to-ptr) */
}

static leat_code topic_add(leat_session *session, leat_str name, kafka_topic **added, leat_err *err)
{
    if (session->topics == NULL) session->topics = leat_map_new();
    if (leat_map_count(session->topics) >= TOPICS_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT,
                            "topic '%.*s' would be the %dth that is written to; names made from "
                            "records must be few",
                            LEAT_STR_ARG(name), TOPICS_MAX + 1);
    kafka_topic *topic = leat_mem_need(sizeof *topic);
    topic->name = leat_mem_need(name.len + 1);
    if (name.len > 0) memcpy(topic->name, name.data, name.len);
    leat_code code = leat_map_put(session->topics, name, (uint64_t)(uintptr_t)topic, err);
    if (code != LEAT_OK) {
        leat_mem_free(topic->name);
        leat_mem_free(topic);
        return code;
    }
    *added = topic;
    return LEAT_OK;
}

static bool name_is_fine(leat_str name)
{
    if (name.len == 0 || name.len > 249) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

/* What the brokers say of a topic; without an answer it stays as it was. */
static leat_code topic_ask(leat_session *session, kafka_topic *topic, leat_err *err)
{
    char doing[320];
    snprintf(doing, sizeof doing, "looking up topic %s", topic->name);
    rd_kafka_topic_t *handle = topic->handle;
    if (handle == NULL) handle = rd_kafka_topic_new(session->producer, topic->name, NULL);
    if (handle == NULL) return leat_kafka_fail(rd_kafka_last_error(), NULL, doing, err);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(session->producer, 0, handle, &metadata, ASK_MS);
    bool there = code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1 &&
                 metadata->topics[0].partition_cnt > 0;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1 &&
        metadata->topics[0].err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        code = metadata->topics[0].err;
    if (there) topic->partitions = metadata->topics[0].partition_cnt;
    if (metadata != NULL) rd_kafka_metadata_destroy(metadata);
    topic->checked_ms = leat_clock_ms();
    if (there) {
        topic->handle = handle;
    } else if (topic->handle == NULL) {
        rd_kafka_topic_destroy(handle);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return LEAT_OK;
    return leat_kafka_fail_noticed(code, &session->producer_notice, doing, err);
}

leat_code leat_kafka_producer_warm(leat_session *session, const leat_str *topics, size_t count,
                                   leat_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!name_is_fine(topics[i]) || topic_find(session, topics[i]) != NULL) continue;
        kafka_topic *topic = NULL;
        LEAT_TRY(topic_add(session, topics[i], &topic, err));
        /* It exists, but if it is new, the broker that is asked here may not have heard of it, and
         * its first records would be refused. */
        int64_t deadline = leat_clock_ms() + KNOWN_MS;
        for (;;) {
            LEAT_TRY(topic_ask(session, topic, err));
            if (topic->handle != NULL || leat_clock_ms() >= deadline) break;
            leat_clock_sleep(50);
        }
    }
    return LEAT_OK;
}

static leat_code topic_for(leat_session *session, const leat_produce *record, kafka_topic **found,
                           leat_err *err)
{
    kafka_topic *topic = session->topic_last;
    if (topic == NULL || !leat_str_is(record->topic, topic->name)) {
        if (!name_is_fine(record->topic))
            return leat_err_set(err, LEAT_ERR_INVALID,
                                "'%.*s' is no name of a topic: 1 to 249 of a-z A-Z 0-9 . _ -",
                                LEAT_STR_ARG(record->topic));
        topic = topic_find(session, record->topic);
        if (topic == NULL) LEAT_TRY(topic_add(session, record->topic, &topic, err));
    }
    bool wanting = topic->handle == NULL || record->partition >= topic->partitions;
    if (LEAT_UNLIKELY(wanting) &&
        (topic->checked_ms == 0 || leat_clock_ms() - topic->checked_ms >= UNKNOWN_MS))
        LEAT_TRY(topic_ask(session, topic, err));
    if (LEAT_UNLIKELY(topic->handle == NULL))
        return leat_err_set(err, LEAT_ERR_INVALID, "topic '%s' does not exist", topic->name);
    if (LEAT_UNLIKELY(record->partition >= topic->partitions || record->partition < -1))
        return leat_err_set(err, LEAT_ERR_INVALID,
                            "topic '%s' has no partition %d, only %d of them", topic->name,
                            record->partition, topic->partitions);
    session->topic_last = topic;
    *found = topic;
    return LEAT_OK;
}

/* --- produce --- */

static int64_t timestamp_of(const leat_session *session, int64_t timestamp_ms)
{
    if (timestamp_ms == LEAT_TIME_NONE) return 0; /* now */
    if (timestamp_ms < 1) return 1;
    if (!session->no_future) return timestamp_ms;
    return timestamp_ms > leat_clock_wall_ms() + FUTURE_MS ? 0 : timestamp_ms;
}

static rd_kafka_headers_t *headers_of(const leat_produce *record)
{
    if (record->headers_count == 0) return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->headers_count);
    for (size_t i = 0; i < record->headers_count; i++) {
        const leat_header *header = &record->headers[i];
        rd_kafka_header_add(headers, header->name.data, (ssize_t)header->name.len,
                            header->value.data, (ssize_t)header->value.len);
    }
    return headers;
}

/* The library takes void * where it only reads. */
static void *readable(leat_str str)
{
    return (void *)(uintptr_t)str.data; /* NOLINT(performance-no-int-to-ptr) */
}

static rd_kafka_resp_err_t hand_over(leat_session *session, const kafka_topic *topic,
                                     const leat_produce *record, rd_kafka_headers_t *headers)
{
    rd_kafka_vu_t parts[7] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic->handle},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = record->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = timestamp_of(session, record->timestamp_ms)},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {readable(record->key), record->key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {readable(record->value), record->value.len}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(session->producer, parts, headers == NULL ? 6 : 7);
    if (LEAT_LIKELY(error == NULL)) return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
}

static leat_code refuse(leat_session *session, const kafka_topic *topic, rd_kafka_resp_err_t code,
                        const leat_produce *record, leat_err *err)
{
    char doing[320];
    snprintf(doing, sizeof doing, "writing to topic %s", topic->name);
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return leat_err_set(err, LEAT_ERR_LIMIT,
                            "a record of %zu bytes for topic '%s' is above message.max.bytes",
                            record->key.len + record->value.len, topic->name);
    if (rd_kafka_fatal_error(session->producer, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        leat_code ours = leat_kafka_fail_fatal(session->producer, doing, err);
        if (leat_kafka_gives_way(session, ours)) return ours;
        return err->code = LEAT_ERR_ABORTED; /* abort makes a new one */
    }
    leat_code ours = leat_kafka_fail(code, NULL, doing, err);
    if (leat_code_blame(ours) == LEAT_BLAME_TASK) err->code = ours = LEAT_ERR_ABORTED;
    return ours;
}

leat_code leat_kafka_produce(leat_session *session, const leat_produce *record, leat_err *err)
{
    kafka_topic *topic = NULL;
    if (LEAT_UNLIKELY(session->producer == NULL))
        LEAT_TRY(leat_kafka_producer_open(session, LEAT_KAFKA_OUTCOME_MS, err));
    LEAT_TRY(topic_for(session, record, &topic, err));
    if (!session->open && session->transactional_id != NULL)
        LEAT_TRY(leat_kafka_begin(session, err));
    rd_kafka_headers_t *headers = headers_of(record);
    rd_kafka_resp_err_t code = hand_over(session, topic, record, headers);
    int64_t deadline = 0;
    while (LEAT_UNLIKELY(code == RD_KAFKA_RESP_ERR__QUEUE_FULL)) {
        int64_t now = leat_clock_ms();
        if (deadline == 0) deadline = now + LEAT_KAFKA_QUEUE_MS;
        if (now >= deadline || session->undelivered != RD_KAFKA_RESP_ERR_NO_ERROR) break;
        rd_kafka_poll(session->producer, QUEUE_WAIT_MS);
        code = hand_over(session, topic, record, headers);
    }
    if (LEAT_LIKELY(code == RD_KAFKA_RESP_ERR_NO_ERROR)) {
        session->dirty = true;
        return LEAT_OK;
    }
    if (headers != NULL) rd_kafka_headers_destroy(headers);
    if (session->undelivered != RD_KAFKA_RESP_ERR_NO_ERROR)
        return leat_kafka_fail_undelivered(session, err);
    return refuse(session, topic, code, record, err);
}
