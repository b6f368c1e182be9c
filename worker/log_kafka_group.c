/* SPDX-License-Identifier: Apache-2.0 */
/* What a session owns, and how it comes to it.
 *
 *   assign:  committed() -> start policy -> (incremental_)assign -> pause -> listener
 *   revoke:  listener -> (incremental_)unassign, in any case, or close never ends
 *
 * Offsets are asked for as read_committed, which waits for those of transactions under way, and the
 * library is told where to begin in numbers: it has no policy of its own (auto.offset.reset=error),
 * so offsets that retention has overtaken are an error and not a silent gap. The callback runs
 * inside poll, on the session's thread, and may take as long as max.poll.interval.ms; heartbeats go
 * on meanwhile. What it cannot say itself, the next poll does.
 * Refused: rebalance events. They would be served by the same call, and close has no use for them.
 */
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/regex.h"
#include "worker/clock.h"
#include "worker/log_kafka_client.h"

#define ASSIGN_MS   60000 /* to learn where to begin */
#define ASK_MS      5000
#define RETRY_MS    100
#define COMPLAIN_MS 10000
#define CLOSING_MS  1000 /* a closing consumer asks nobody any more, and says so for ever */

/* --- owned partitions --- */

kafka_owned *leat_kafka_owned_find(leat_session *session, leat_str topic, int32_t partition)
{
    for (size_t i = 0; i < session->owned_count; i++)
        if (session->owned[i].partition == partition && leat_str_is(topic, session->owned[i].topic))
            return &session->owned[i];
    return NULL;
}

static void owned_add(leat_session *session, const char *topic, int32_t partition, int64_t start)
{
    kafka_owned *owned = leat_mem_need((session->owned_count + 1) * sizeof *owned);
    if (session->owned_count > 0)
        memcpy(owned, session->owned, session->owned_count * sizeof *owned);
    leat_mem_free(session->owned);
    session->owned = owned;
    session->owned_last = NULL;
    owned[session->owned_count++] = (kafka_owned){.topic = leat_mem_need_text(topic),
                                                  .partition = partition,
                                                  .paused = true,
                                                  .fresh = true,
                                                  .start = start,
                                                  .position = start,
                                                  .eof = -1};
}

void leat_kafka_owned_drop(leat_session *session, kafka_owned *owned)
{
    leat_mem_free(owned->topic);
    *owned = session->owned[--session->owned_count];
    session->owned_last = NULL;
}

/* --- where to begin --- */

/* A consumer that has died (fenced while a commit was waited for) may answer no question any more,
 * nor one that lost its coordinator at the wrong moment. In its place asks a handle that joins
 * nothing, made when it is needed. */
typedef struct asker {
    leat_kafka_notice *notice; /* of the handle; it may outlive both */
    rd_kafka_t *handle;        /* NULL: the session's consumer asks */
    int64_t said_ms;           /* what is in the way was said */
} asker;

static void asker_start(asker *asks, leat_session *session)
{
    leat_err err;
    if (asks->handle != NULL) return;
    if (asks->notice == NULL) {
        asks->notice = leat_mem_need(sizeof *asks->notice);
        pthread_mutex_init(&asks->notice->lock, NULL);
    }
    if (leat_kafka_handle_new(session->log, session, LEAT_KAFKA_ASKER, asks->notice, &asks->handle,
                              &err) != LEAT_OK) /* then the consumer asks on */
        leat_kafka_speak(session->log, 1, "offsets", err.text);
}

static void asker_end(asker *asks, leat_session *session)
{
    if (asks->notice == NULL) return;
    if (asks->handle != NULL && !leat_kafka_destroy(session, asks->handle, "asker")) return;
    pthread_mutex_destroy(&asks->notice->lock);
    leat_mem_free(asks->notice);
}

static void asker_complain(asker *asks, const leat_session *session, rd_kafka_resp_err_t code)
{
    char text[LEAT_KAFKA_REASON_MAX];
    int64_t now = leat_clock_ms();
    if (now - asks->said_ms < COMPLAIN_MS) return;
    asks->said_ms = now;
    snprintf(text, sizeof text, "the committed offsets of group %.128s cannot be read yet: %s",
             session->group, rd_kafka_err2str(code));
    leat_kafka_speak(session->log, 1, "offsets", text);
}

static leat_code ask_committed(leat_session *session, asker *asks,
                               rd_kafka_topic_partition_list_t *list, int timeout_ms, leat_err *err)
{
    int64_t deadline = leat_clock_ms() + timeout_ms;
    if (rd_kafka_fatal_error(session->consumer, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
        asker_start(asks, session);
    for (;;) {
        for (int i = 0; i < list->cnt; i++) {
            list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
            list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
        }
        rd_kafka_resp_err_t code = rd_kafka_committed(
            asks->handle != NULL ? asks->handle : session->consumer, list, ASK_MS);
        for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
            code = list->elems[i].err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return LEAT_OK;
        bool hopeless = code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
                        code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        if (hopeless || leat_clock_ms() >= deadline)
            return leat_kafka_fail_noticed(code, &session->consumer_notice,
                                           "reading the group's committed offsets", err);
        asker_complain(asks, session, code);
        if (code == RD_KAFKA_RESP_ERR__TIMED_OUT) asker_start(asks, session);
        leat_clock_sleep(RETRY_MS);
    }
}

leat_code leat_kafka_ask_committed(leat_session *session, rd_kafka_topic_partition_list_t *list,
                                   int timeout_ms, leat_err *err)
{
    asker asks = {0};
    if (session->closing && timeout_ms > CLOSING_MS) timeout_ms = CLOSING_MS;
    leat_code code = ask_committed(session, &asks, list, timeout_ms, err);
    asker_end(&asks, session);
    return code;
}

static leat_code ask_offsets(leat_session *session, rd_kafka_topic_partition_list_t *list,
                             leat_err *err)
{
    int64_t deadline = leat_clock_ms() + ASSIGN_MS;
    for (;;) {
        rd_kafka_topic_partition_list_t *asked = rd_kafka_topic_partition_list_copy(list);
        rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(session->consumer, asked, ASK_MS);
        for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < asked->cnt; i++)
            code = asked->elems[i].err;
        for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < asked->cnt; i++)
            rd_kafka_topic_partition_list_set_offset(
                list, asked->elems[i].topic, asked->elems[i].partition, asked->elems[i].offset);
        rd_kafka_topic_partition_list_destroy(asked);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return LEAT_OK;
        if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || leat_clock_ms() >= deadline)
            return leat_kafka_fail_noticed(code, &session->consumer_notice,
                                           "asking where the input begins and ends", err);
        leat_clock_sleep(RETRY_MS);
    }
}

/* What the brokers take for a time: -2 is the beginning, -1 the end. */
static int64_t time_asked(const leat_session *session, const char *topic)
{
    for (size_t i = 0; i < session->subscriptions_count; i++) {
        const leat_subscription *wanted = &session->subscriptions[i];
        bool match = leat_str_is(wanted->topic, topic);
        if (!match && wanted->topic.len > 0 && wanted->topic.data[0] == '^') {
            leat_regex *pattern = NULL;
            leat_err ignored;
            if (leat_regex_new(&pattern, wanted->topic, &ignored) == LEAT_OK)
                match = leat_regex_matches(pattern, leat_str_of(topic));
            leat_regex_free(&pattern);
        }
        if (!match) continue;
        if (wanted->start == LEAT_START_LATEST) return RD_KAFKA_OFFSET_END;
        if (wanted->start == LEAT_START_TIME) return wanted->start_ms < 0 ? 0 : wanted->start_ms;
        break;
    }
    return RD_KAFKA_OFFSET_BEGINNING;
}

/* Fills in the offsets of those that have no committed one. */
static leat_code resolve_starts(leat_session *session, rd_kafka_topic_partition_list_t *list,
                                leat_err *err)
{
    for (int round = 0; round < 2; round++) { /* the second for times behind the last record */
        rd_kafka_topic_partition_list_t *open = rd_kafka_topic_partition_list_new(list->cnt);
        for (int i = 0; i < list->cnt; i++)
            if (list->elems[i].offset < 0)
                rd_kafka_topic_partition_list_add(open, list->elems[i].topic,
                                                  list->elems[i].partition)
                    ->offset =
                    round == 0 ? time_asked(session, list->elems[i].topic) : RD_KAFKA_OFFSET_END;
        leat_code code = open->cnt == 0 ? LEAT_OK : ask_offsets(session, open, err);
        for (int i = 0; code == LEAT_OK && i < open->cnt; i++)
            rd_kafka_topic_partition_list_set_offset(
                list, open->elems[i].topic, open->elems[i].partition, open->elems[i].offset);
        rd_kafka_topic_partition_list_destroy(open);
        LEAT_TRY(code);
    }
    return LEAT_OK;
}

/* --- rebalance --- */

static bool is_cooperative(rd_kafka_t *handle)
{
    const char *protocol = rd_kafka_rebalance_protocol(handle);
    return protocol != NULL && strcmp(protocol, "COOPERATIVE") == 0;
}

static void keep_failure(leat_session *session, leat_code code, const leat_err *err)
{
    if (session->failed != LEAT_OK) return;
    session->failed = code;
    session->failure = *err;
    /* Without knowing where to begin this member cannot go on; another process may. */
    if (leat_code_blame(code) == LEAT_BLAME_TASK)
        session->failed = session->failure.code = LEAT_ERR_INTERNAL;
}

static void tell(leat_session *session, const rd_kafka_topic_partition_list_t *list, bool assigned,
                 bool lost)
{
    leat_partition *partitions = leat_mem_need(((size_t)list->cnt + 1) * sizeof *partitions);
    size_t count = 0;
    for (int i = 0; i < list->cnt; i++) {
        const kafka_owned *owned = leat_kafka_owned_find(session, leat_str_of(list->elems[i].topic),
                                                         list->elems[i].partition);
        if (owned == NULL) continue;
        partitions[count++] = (leat_partition){leat_str_of(list->elems[i].topic),
                                               list->elems[i].partition, owned->start};
    }
    const leat_listener *listener = &session->listener;
    LEAT_ASSERT(!session->calling);
    session->calling = true;
    if (assigned && listener->assigned != NULL)
        listener->assigned(listener->self, partitions, count);
    if (count > 0 && !assigned && listener->revoked != NULL)
        listener->revoked(listener->self, partitions, count, lost);
    session->calling = false;
    leat_mem_free(partitions);
}

static leat_code assign_library(rd_kafka_t *handle, rd_kafka_topic_partition_list_t *list,
                                leat_err *err)
{
    if (is_cooperative(handle)) {
        rd_kafka_error_t *error = rd_kafka_incremental_assign(handle, list);
        if (error != NULL) return leat_kafka_fail_error(handle, error, "taking partitions", err);
    } else {
        rd_kafka_resp_err_t code = rd_kafka_assign(handle, list);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            return leat_kafka_fail(code, NULL, "taking partitions", err);
    }
    if (list->cnt > 0) rd_kafka_pause_partitions(handle, list);
    return LEAT_OK;
}

void leat_kafka_assign_idle(rd_kafka_t *handle, rd_kafka_topic_partition_list_t *list)
{
    leat_err ignored;
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = 0; /* a number, so that it is not asked for; it is paused anyway */
    if (assign_library(handle, list, &ignored) != LEAT_OK) rd_kafka_assign(handle, NULL);
}

void leat_kafka_unassign(rd_kafka_t *handle, const rd_kafka_topic_partition_list_t *list)
{
    if (is_cooperative(handle)) {
        rd_kafka_error_t *error = rd_kafka_incremental_unassign(handle, list);
        if (error != NULL) rd_kafka_error_destroy(error); /* of a group that it has left: done */
    } else {
        rd_kafka_assign(handle, NULL);
    }
}

static void on_assign(leat_session *session, rd_kafka_topic_partition_list_t *list)
{
    leat_err err;
    if (session->closing) { /* it was under way; what it brings goes in the revoke that follows */
        leat_kafka_assign_idle(session->consumer, list);
        return;
    }
    leat_code code = LEAT_OK;
    if (list->cnt > 0) code = leat_kafka_ask_committed(session, list, ASSIGN_MS, &err);
    if (code == LEAT_OK) code = resolve_starts(session, list, &err);
    if (code == LEAT_OK) code = assign_library(session->consumer, list, &err);
    if (code != LEAT_OK) {
        keep_failure(session, code, &err);
        rd_kafka_assign(session->consumer, NULL);
        return;
    }
    session->assigned = true;
    for (int i = 0; i < list->cnt; i++)
        owned_add(session, list->elems[i].topic, list->elems[i].partition, list->elems[i].offset);
    leat_kafka_census_change(session);
    tell(session, list, true, false);
}

static void on_revoke(leat_session *session, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_t *handle = session->consumer;
    bool lost = rd_kafka_assignment_lost(handle) != 0 ||
                rd_kafka_fatal_error(handle, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
    tell(session, list, false, lost);
    for (int i = 0; i < list->cnt; i++) {
        kafka_owned *owned = leat_kafka_owned_find(session, leat_str_of(list->elems[i].topic),
                                                   list->elems[i].partition);
        if (owned != NULL) leat_kafka_owned_drop(session, owned);
    }
    leat_kafka_unassign(handle, list);
    leat_kafka_census_change(session);
}

void leat_kafka_lose_all(leat_session *session)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)session->owned_count + 1);
    for (size_t i = 0; i < session->owned_count; i++)
        rd_kafka_topic_partition_list_add(list, session->owned[i].topic,
                                          session->owned[i].partition);
    tell(session, list, false, true);
    while (session->owned_count > 0)
        leat_kafka_owned_drop(session, &session->owned[0]);
    rd_kafka_topic_partition_list_destroy(list);
}

void leat_kafka_on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                             rd_kafka_topic_partition_list_t *list, void *opaque)
{
    leat_session *session = ((leat_kafka_notice *)opaque)->session;
    session->called = true;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        on_assign(session, list);
    } else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        on_revoke(session, list);
    } else {
        leat_kafka_speak(session->log, 2, "rebalance", rd_kafka_err2str(code));
        rd_kafka_assign(handle, NULL);
    }
    rd_kafka_yield(handle); /* poll returns, so that the worker can begin to restore */
}
