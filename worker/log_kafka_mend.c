/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a consumer's handle: closed by us, or dead, and then a new one in its place.
 *
 * A consumer's fatal error is nearly always FENCED_INSTANCE_ID: the group knows its instance under
 * another member id. That is what a second process of one name does, but also what a member does to
 * itself: when a broker hangs, its request to join times out here, is answered there all the same,
 * and the next attempt comes with an id that is no longer the right one. The two look alike, so
 * the first guess is the harmless one: everything owned is lost (the listener aborts), the handle
 * is destroyed, and after a pause a new one takes the instance back. Somebody who really runs does
 * the same, and then both are fenced again and again after having joined; whoever has been so for
 * the fourth time within ten session time-outs gives way, with the words that help. Deaths without
 * a join in between only make the pauses longer.
 *
 * No record is at risk meanwhile: what has been written stands and falls with its transactional
 * id, which is never taken back from another, and offsets are only taken from who is in the group.
 *
 * A dead handle refuses to be closed, and waiting for that would last for ever. The library waits
 * for its threads when it destroys a handle; we wait in a thread of our own, and not for ever.
 * Refused: telling a process's own requests from another's. The brokers do not say. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/mem.h"
#include "worker/clock.h"
#include "worker/log_kafka_client.h"

#define RETRY_MS      100
#define FIRST_JOIN_MS 4000
#define DESTROY_MS    5000
#define PAUSE_MS      500 /* before the first new handle; doubled for each in vain */
#define PAUSE_MS_MAX  8000
#define WINDOW        10 /* session time-outs */
/* Before it, the end of a handle between its join and its first assignment is an assertion of the
 * library's, and so the end of the process. */
#define OLD_CLOSE 0x020300ff

/* --- close --- */

static void wait_for_assignment(leat_session *session)
{
    int64_t deadline = leat_clock_ms() + FIRST_JOIN_MS;
    while (!session->assigned && session->failed == LEAT_OK && leat_clock_ms() < deadline) {
        session->held_count = leat_kafka_take(session->queue, RETRY_MS, session->held, 1);
        leat_kafka_release(session);
    }
}

/* Leaves the group, with the revoke callback served; false: it takes too long. */
static bool close_handle(rd_kafka_t *handle, int64_t deadline)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(handle, queue);
    if (error != NULL) { /* it has died: there is nothing to leave */
        rd_kafka_error_destroy(error);
        rd_kafka_queue_destroy(queue);
        return true;
    }
    /* Taken one by one: poll_callback asserts that no message is among the calls. */
    while (!rd_kafka_consumer_closed(handle) && leat_clock_ms() < deadline) {
        rd_kafka_message_t *late = rd_kafka_consume_queue(queue, RETRY_MS);
        if (late != NULL) rd_kafka_message_destroy(late);
    }
    rd_kafka_queue_destroy(queue);
    return rd_kafka_consumer_closed(handle) != 0;
}

static bool leave_group(leat_session *session, int64_t deadline)
{
    rd_kafka_t *handle = session->consumer;
    if (!session->assigned && rd_kafka_version() < OLD_CLOSE) {
        wait_for_assignment(session);
        if (!session->assigned) return false; /* left behind: its place is free after a while */
    }
    session->closing = true; /* and stays so: only a session's end closes a consumer */
    return close_handle(handle, deadline);
}

static void *destroy(void *handle)
{
    rd_kafka_destroy(handle);
    return NULL;
}

bool leat_kafka_join_in_time(pthread_t thread, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    if (pthread_timedjoin_np(thread, NULL, &until) == 0) return true;
    pthread_detach(thread);
    return false;
}

void leat_kafka_leave_behind(leat_session *session, const char *who)
{
    char text[LEAT_KAFKA_REASON_MAX];
    session->log->hangs = true; /* its threads keep what they may call back to */
    session->hangs = true;
    snprintf(text, sizeof text, "the %s did not end in time: it is left behind", who);
    leat_kafka_speak(session->log, 2, "close", text);
}

bool leat_kafka_destroy_in_time(rd_kafka_t *handle)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, destroy, handle) == 0 &&
           leat_kafka_join_in_time(thread, DESTROY_MS);
}

bool leat_kafka_destroy(leat_session *session, rd_kafka_t *handle, const char *who)
{
    if (leat_kafka_destroy_in_time(handle)) return true;
    leat_kafka_leave_behind(session, who);
    return false;
}

static void drop_handle(leat_session *session, bool closed)
{
    leat_kafka_lose_all(session); /* what is still owned; nothing after a clean end */
    rd_kafka_queue_destroy(session->queue);
    session->queue = NULL;
    if (closed)
        leat_kafka_destroy(session, session->consumer, "consumer");
    else
        leat_kafka_leave_behind(session, "consumer");
    session->consumer = NULL;
    leat_mem_free(session->owned);
    session->owned = NULL;
    session->assigned = false;
}

void leat_kafka_consumer_close(leat_session *session, int timeout_ms)
{
    session->reopen_ms = 0;
    if (session->consumer == NULL) return;
    leat_kafka_release(session);
    bool closed = leave_group(session, leat_clock_ms() + timeout_ms);
    drop_handle(session, closed);
}

/* --- death --- */

static int64_t session_timeout_ms(const leat_session *session)
{
    char text[32] = "";
    size_t size = sizeof text;
    int64_t timeout_ms = 0;
    if (rd_kafka_conf_get(rd_kafka_conf(session->consumer), "session.timeout.ms", text, &size) !=
        RD_KAFKA_CONF_OK)
        return 0;
    for (const char *at = text; *at >= '0' && *at <= '9'; at++)
        timeout_ms = timeout_ms * 10 + *at - '0';
    return timeout_ms;
}

/* Notes the death of a joined consumer; true: there were too many lately. */
static bool too_often(leat_session *session)
{
    int64_t now = leat_clock_ms();
    int64_t *oldest = &session->died_ms[session->died % LEAT_KAFKA_DEATHS_MAX];
    bool lately = session->died >= LEAT_KAFKA_DEATHS_MAX &&
                  now - *oldest < WINDOW * session_timeout_ms(session);
    *oldest = now;
    session->died++;
    return lately;
}

static int64_t pause_ms(const leat_session *session)
{
    uint32_t in_vain = session->mended_in_vain;
    int64_t ms = in_vain > 8 ? PAUSE_MS_MAX : (int64_t)PAUSE_MS << in_vain;
    if (ms > PAUSE_MS_MAX) ms = PAUSE_MS_MAX;
    uint16_t dice = 0; /* so that two who fence each other fall out of step */
    if (getrandom(&dice, sizeof dice, 0) != sizeof dice) dice = 0;
    return ms + ms * dice / UINT16_MAX;
}

/* A dead handle that has joined but was never assigned must not be destroyed by older versions. It
 * is left behind, and wants nothing any more. */
static bool can_be_destroyed(rd_kafka_t *handle, bool assigned)
{
    const char *protocol = rd_kafka_rebalance_protocol(handle);
    if (assigned || rd_kafka_version() >= OLD_CLOSE || protocol == NULL ||
        strcmp(protocol, "NONE") == 0)
        return true;
    rd_kafka_unsubscribe(handle);
    return false;
}

bool leat_kafka_handle_leave(rd_kafka_t *handle, bool assigned, int timeout_ms)
{
    return can_be_destroyed(handle, assigned) && close_handle(handle, leat_clock_ms() + timeout_ms);
}

static leat_code bury(leat_session *session, leat_err *err)
{
    leat_code code = leat_kafka_fail_fatal(session->consumer, "reading the input", err);
    if (code != LEAT_ERR_FENCED && code != LEAT_ERR_INTERNAL) return code;
    session->mended_in_vain = session->assigned ? 0 : session->mended_in_vain + 1;
    if (session->assigned && too_often(session)) return code;
    char text[LEAT_ERR_TEXT_MAX + 64];
    int64_t pause = pause_ms(session);
    session->mended++;
    snprintf(text, sizeof text, "the consumer is made anew in %lld ms (number %u): %s",
             (long long)pause, session->mended, err->text);
    leat_kafka_speak(session->log, 2, "consumer", text);
    leat_kafka_release(session);
    drop_handle(session, can_be_destroyed(session->consumer, session->assigned));
    session->reopen_ms = leat_clock_ms() + pause;
    return LEAT_OK;
}

leat_code leat_kafka_consumer_mend(leat_session *session, int timeout_ms, bool *none, leat_err *err)
{
    if (session->consumer != NULL &&
        rd_kafka_fatal_error(session->consumer, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
        LEAT_TRY(bury(session, err));
    if (session->reopen_ms == 0) return LEAT_OK;
    int64_t left = session->reopen_ms - leat_clock_ms();
    *none = left > timeout_ms;
    if (left > 0) leat_clock_sleep((int)(*none ? timeout_ms : left));
    if (*none) return LEAT_OK;
    session->reopen_ms = 0;
    return leat_kafka_consumer_open(session, err);
}
