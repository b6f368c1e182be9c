/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a transaction, and what to do when nobody says how it ended.
 *
 *   flush -> send_offsets (with the group's metadata of this moment) -> commit
 *
 * Each call is repeated with the same arguments while it is retriable. Beyond ten seconds (more
 * while records are still sent) the producer is given up and made anew under the same id: that
 * bumps its epoch, so that a late request of the old one can no longer end a later transaction, and
 * it makes the coordinator finish or abort what was under way. Then the group is asked: offsets
 * carry a mark of their commit as metadata, so the answer is certain even where no offset moved (a
 * timer fired, nothing was read). A transaction that had no offsets leaves no trace to ask for;
 * then the process ends, and its successor reads the truth from the changelog.
 *
 * FENCED ends the process: to take the id back would fence the rightful owner in turn. But for an
 * id that was made up by this process: nobody else has it, so it was only too slow for
 * transaction.timeout.ms, and a new producer goes on.
 * At-least-once has no transactions: flush, then commit the offsets, and on abort forget what was
 * not sent; what was sent comes twice.
 * Refused: abort_transaction without end. With a broker gone it was seen to block for 97 s. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "worker/clock.h"
#include "worker/log_kafka_client.h"

/* A partition whose leader was killed has a new one after some ten seconds (the brokers'
 * broker.session.timeout.ms, 9 s by default). Nothing is in doubt while records are sent, so that
 * is waited for; with an own id only as long as its transaction may last. */
#define FLUSH_MS       20000
#define FLUSH_OWN_MS   13000
#define FLUSH_PLAIN_MS 30000
#define SETTLE_MS      120000 /* to learn how a commit ended, before the process is ended instead */
#define MARK_MAX       64

typedef enum step {
    STEP_DONE,
    STEP_ABORT,   /* it did not happen: abort the transaction */
    STEP_UNKNOWN, /* time has run out */
    STEP_FATAL,   /* the producer is of no use any more */
} step;

bool leat_kafka_gives_way(const leat_session *session, leat_code code)
{
    return code == LEAT_ERR_DENIED || (code == LEAT_ERR_FENCED && !session->own_id);
}

leat_code leat_kafka_begin(leat_session *session, leat_err *err)
{
    LEAT_ASSERT(!session->open);
    rd_kafka_error_t *error = rd_kafka_begin_transaction(session->producer);
    if (error == NULL) {
        session->open = true;
        return LEAT_OK;
    }
    leat_code code =
        leat_kafka_fail_error(session->producer, error, "beginning a transaction", err);
    if (leat_kafka_gives_way(session, code)) return code;
    session->open = true; /* so that abort makes a new producer */
    return err->code = LEAT_ERR_ABORTED;
}

/* --- the steps --- */

/* What an error of a transactional call means; destroys it. STEP_UNKNOWN: call again. */
static step judge(leat_session *session, rd_kafka_error_t *error, const char *doing, leat_err *err)
{
    if (rd_kafka_error_is_fatal(error)) {
        leat_kafka_fail_error(session->producer, error, doing, err);
        return STEP_FATAL;
    }
    bool retriable =
        rd_kafka_error_is_retriable(error) != 0 && !rd_kafka_error_txn_requires_abort(error);
    leat_code code = leat_kafka_fail_error(session->producer, error, doing, err);
    if (retriable) return STEP_UNKNOWN;
    if (session->undelivered != RD_KAFKA_RESP_ERR_NO_ERROR)
        code = leat_kafka_fail_undelivered(session, err);
    /* Abortable is abortable, whatever the code would mean elsewhere. */
    if (leat_code_blame(code) == LEAT_BLAME_TASK || code == LEAT_ERR_FENCED)
        err->code = LEAT_ERR_ABORTED;
    return STEP_ABORT;
}

static step flush(leat_session *session, int64_t deadline, leat_err *err)
{
    for (;;) {
        rd_kafka_resp_err_t code = rd_kafka_flush(session->producer, LEAT_KAFKA_WAIT_MS);
        if (session->undelivered != RD_KAFKA_RESP_ERR_NO_ERROR) {
            leat_kafka_fail_undelivered(session, err);
            return STEP_ABORT;
        }
        if (rd_kafka_fatal_error(session->producer, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            leat_kafka_fail_fatal(session->producer, "sending records", err);
            return STEP_FATAL;
        }
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return STEP_DONE;
        if (leat_clock_ms() < deadline) continue;
        leat_kafka_fail_noticed(code, &session->producer_notice, "sending records", err);
        return STEP_UNKNOWN;
    }
}

static step send_offsets(leat_session *session, const rd_kafka_topic_partition_list_t *offsets,
                         int64_t deadline, leat_err *err)
{
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(session->consumer);
    if (group == NULL) {
        leat_err_set(err, LEAT_ERR_ABORTED, "kafka: the group is not joined");
        return STEP_ABORT;
    }
    step result = STEP_UNKNOWN;
    while (result == STEP_UNKNOWN) {
        rd_kafka_error_t *error = rd_kafka_send_offsets_to_transaction(session->producer, offsets,
                                                                       group, LEAT_KAFKA_WAIT_MS);
        result = error == NULL ? STEP_DONE
                               : judge(session, error, "committing offsets in a transaction", err);
        if (leat_clock_ms() >= deadline) break;
        if (result == STEP_UNKNOWN) leat_clock_sleep(5);
    }
    rd_kafka_consumer_group_metadata_destroy(group);
    return result;
}

static step end(leat_session *session, bool commit, int64_t deadline, leat_err *err)
{
    for (;;) {
        rd_kafka_error_t *error =
            commit ? rd_kafka_commit_transaction(session->producer, LEAT_KAFKA_WAIT_MS)
                   : rd_kafka_abort_transaction(session->producer, LEAT_KAFKA_WAIT_MS);
        if (error == NULL) return STEP_DONE;
        step result = judge(session, error,
                            commit ? "committing a transaction" : "aborting a transaction", err);
        if (result != STEP_UNKNOWN || leat_clock_ms() >= deadline) return result;
        leat_clock_sleep(5);
    }
}

/* --- a new producer in place of one that does not answer --- */

static bool is_final(const leat_session *session, leat_code code)
{
    if (code == LEAT_ERR_FENCED) return !session->own_id;
    return leat_code_blame(code) != LEAT_BLAME_TASK;
}

static leat_code replace(leat_session *session, int timeout_ms, leat_err *err)
{
    leat_kafka_producer_drop(session);
    return leat_kafka_producer_open(session, timeout_ms, err);
}

/* The transaction had not been asked to end: the new producer's first act aborts it. */
static leat_code give_up(leat_session *session, leat_err *err)
{
    leat_err why = *err, other;
    leat_kafka_speak(session->log, 2, "commit", why.text);
    leat_code code = replace(session, LEAT_KAFKA_OUTCOME_MS, &other);
    session->dirty = false;
    if (code != LEAT_OK && is_final(session, code)) {
        *err = other;
        return code;
    }
    *err = why; /* without a producer yet, abort tries again */
    return err->code = LEAT_ERR_ABORTED;
}

static void mark_of(const leat_session *session, char *mark)
{
    snprintf(mark, MARK_MAX, "leat %016" PRIx64 " %" PRIu64, session->nonce, session->commits);
}

/* Nobody said whether the commit happened. */
static leat_code settle(leat_session *session, const rd_kafka_topic_partition_list_t *offsets,
                        leat_err *err)
{
    int64_t deadline = leat_clock_ms() + SETTLE_MS;
    leat_kafka_speak(session->log, 2, "commit", "its outcome is not known: asking the group");
    leat_code code = replace(session, LEAT_KAFKA_START_MS, err);
    while (code != LEAT_OK && !is_final(session, code) && leat_clock_ms() < deadline)
        code = leat_kafka_producer_open(session, LEAT_KAFKA_OUTCOME_MS, err);
    if (code == LEAT_OK && offsets == NULL)
        return leat_err_set(
            err, LEAT_ERR_INTERNAL,
            "kafka: a transaction without offsets ended in an unknown way; a restart "
            "goes on from what was committed");
    rd_kafka_topic_partition_list_t *list = NULL;
    if (code == LEAT_OK) {
        leat_kafka_speak(session->log, 1, "commit", "a new producer has taken over");
        list = rd_kafka_topic_partition_list_copy(offsets);
        code =
            leat_kafka_ask_committed(session, list, (int)(deadline - leat_clock_ms() + 1000), err);
    }
    if (code != LEAT_OK) {
        if (list != NULL) rd_kafka_topic_partition_list_destroy(list);
        if (!is_final(session, code))
            leat_err_prefix(err, "kafka: a commit's outcome cannot be learned");
        return is_final(session, code) ? code : (err->code = LEAT_ERR_INTERNAL);
    }
    char mark[MARK_MAX];
    mark_of(session, mark);
    const rd_kafka_topic_partition_t *first = &list->elems[0];
    bool happened = first->metadata != NULL && first->metadata_size == strlen(mark) &&
                    memcmp(first->metadata, mark, strlen(mark)) == 0;
    LEAT_ASSERT(!happened || first->offset == offsets->elems[0].offset);
    rd_kafka_topic_partition_list_destroy(list);
    leat_kafka_speak(session->log, 1, "commit",
                     happened ? "it had committed" : "it had not committed");
    session->dirty = false;
    if (happened) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_ABORTED, "kafka: the transaction was not committed in time");
}

/* --- commit --- */

static rd_kafka_topic_partition_list_t *list_of(const leat_session *session,
                                                const leat_partition *offsets, size_t count)
{
    char name[256], mark[MARK_MAX];
    mark_of(session, mark);
    size_t len = strlen(mark);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count + 1);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%.*s", LEAT_STR_ARG(offsets[i].topic));
        rd_kafka_topic_partition_t *part =
            rd_kafka_topic_partition_list_add(list, name, offsets[i].partition);
        part->offset = offsets[i].offset;
        part->metadata = rd_kafka_mem_malloc(NULL, len); /* the list frees it */
        memcpy(part->metadata, mark, len);
        part->metadata_size = len;
    }
    return list;
}

static leat_code conclude(leat_session *session, step result, bool ending,
                          const rd_kafka_topic_partition_list_t *list, leat_err *err)
{
    switch (result) {
    case STEP_DONE:
        session->open = session->dirty = false;
        leat_kafka_notice_clear(&session->producer_notice);
        return LEAT_OK;
    case STEP_ABORT: return err->code;
    case STEP_FATAL:
        if (leat_kafka_gives_way(session, err->code)) return err->code;
        break;
    case STEP_UNKNOWN: break;
    }
    return ending ? settle(session, list, err) : give_up(session, err);
}

static leat_code commit_transaction(leat_session *session, const leat_partition *offsets,
                                    size_t count, leat_err *err)
{
    if (session->producer == NULL)
        LEAT_TRY(leat_kafka_producer_open(session, LEAT_KAFKA_OUTCOME_MS, err));
    if (!session->open && count == 0) return LEAT_OK;
    if (!session->open) LEAT_TRY(leat_kafka_begin(session, err));
    session->commits++;
    rd_kafka_topic_partition_list_t *list = count == 0 ? NULL : list_of(session, offsets, count);
    bool ending = false;
    int flush_ms = session->own_id ? FLUSH_OWN_MS : FLUSH_MS;
    step result = flush(session, leat_clock_ms() + flush_ms, err);
    int64_t deadline = leat_clock_ms() + LEAT_KAFKA_OUTCOME_MS;
    if (result == STEP_DONE && list != NULL) result = send_offsets(session, list, deadline, err);
    if (result == STEP_DONE) {
        ending = true;
        result = end(session, true, deadline, err);
    }
    leat_code code = conclude(session, result, ending, list, err);
    if (list != NULL) rd_kafka_topic_partition_list_destroy(list);
    return code;
}

/* --- at least once --- */

static leat_code commit_offsets(leat_session *session, const rd_kafka_topic_partition_list_t *list,
                                leat_err *err)
{
    int64_t deadline = leat_clock_ms() + LEAT_KAFKA_OUTCOME_MS;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    while (leat_clock_ms() < deadline) {
        /* The synchronous call has no time-out of its own. */
        rd_kafka_queue_t *answers = rd_kafka_queue_new(session->consumer);
        code = rd_kafka_commit_queue(session->consumer, list, answers, NULL, NULL);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_event_t *event = rd_kafka_queue_poll(answers, LEAT_KAFKA_OUTCOME_MS);
            code = event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
            if (event != NULL) rd_kafka_event_destroy(event);
        }
        rd_kafka_queue_destroy(answers);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return LEAT_OK;
        leat_code ours =
            leat_kafka_fail_noticed(code, &session->consumer_notice, "committing offsets", err);
        if (ours == LEAT_ERR_FENCED) return err->code = LEAT_ERR_ABORTED; /* poll mends it */
        if (ours != LEAT_ERR_UNAVAILABLE) return ours;
        leat_clock_sleep(100);
    }
    return err->code;
}

static leat_code commit_plain(leat_session *session, const leat_partition *offsets, size_t count,
                              leat_err *err)
{
    if (session->producer != NULL && session->dirty) {
        step result = flush(session, leat_clock_ms() + FLUSH_PLAIN_MS, err);
        if (result == STEP_FATAL && !leat_kafka_gives_way(session, err->code))
            return give_up(session, err);
        if (result != STEP_DONE) return err->code;
        leat_kafka_notice_clear(&session->producer_notice);
    }
    session->dirty = false;
    if (count == 0) return LEAT_OK;
    session->commits++;
    rd_kafka_topic_partition_list_t *list = list_of(session, offsets, count);
    leat_code code = commit_offsets(session, list, err);
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

leat_code leat_kafka_commit(leat_session *session, const leat_partition *offsets, size_t count,
                            leat_err *err)
{
    if (count > 0 && session->group == NULL)
        return leat_err_set(err, LEAT_ERR_INTERNAL, "offsets of a session without group");
    if (count > 0 && session->consumer == NULL)
        return leat_err_set(err, LEAT_ERR_ABORTED, "kafka: the group is not joined");
    return session->transactional_id != NULL ? commit_transaction(session, offsets, count, err)
                                             : commit_plain(session, offsets, count, err);
}

/* --- abort --- */

leat_code leat_kafka_abort(leat_session *session, leat_err *err)
{
    session->dirty = false;
    session->undelivered = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (session->transactional_id == NULL) {
        if (session->producer == NULL) return LEAT_OK;
        if (rd_kafka_fatal_error(session->producer, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
            return replace(session, LEAT_KAFKA_OUTCOME_MS, err);
        rd_kafka_purge(session->producer, RD_KAFKA_PURGE_F_QUEUE);
        rd_kafka_poll(session->producer, 0);
        return LEAT_OK;
    }
    if (session->producer == NULL)
        return leat_kafka_producer_open(session, LEAT_KAFKA_OUTCOME_MS, err);
    if (!session->open) return LEAT_OK;
    step result = end(session, false, leat_clock_ms() + LEAT_KAFKA_OUTCOME_MS, err);
    session->undelivered = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (result == STEP_DONE) {
        session->open = false;
        return LEAT_OK;
    }
    if (result == STEP_FATAL && leat_kafka_gives_way(session, err->code)) return err->code;
    return replace(session, LEAT_KAFKA_OUTCOME_MS, err);
}
