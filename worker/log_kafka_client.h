/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the Kafka log: the only header that knows librdkafka, for these files alone.
 *
 *   log_kafka_property.c  names of properties (does not know the library)
 *   log_kafka_conf.c      handles with their settings; what the library says of itself
 *   log_kafka_error.c     its errors as ours: code, reason, remedy
 *   log_kafka.c           the port; topics: describe, create
 *   log_kafka_group.c     rebalances: what is owned, and where to begin
 *   log_kafka_census.c    whether all partitions have an owner, and what to do about it
 *   log_kafka_consumer.c  poll, pause, seek
 *   log_kafka_mend.c      the consumer's handle: closed in time, or made anew when it has died
 *   log_kafka_producer.c  produce; delivery failures; known topics
 *   log_kafka_commit.c    transactions: commit, abort, and what to do when the outcome is unknown
 *   log_kafka_restore.c   changelogs
 *
 * Thread: leat_log any; sessions their own, but for what is marked. */
#ifndef LEAT_WORKER_LOG_KAFKA_CLIENT_H
#define LEAT_WORKER_LOG_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/arena.h"
#include "core/map.h"
#include "worker/log.h"
#include "worker/log_kafka_property.h"

#define LEAT_KAFKA_WAIT_MS    1000  /* one call that waits, before callbacks are served again */
#define LEAT_KAFKA_OUTCOME_MS 10000 /* a commit or abort beyond this: a new producer settles it */
#define LEAT_KAFKA_START_MS   60000 /* to reach the brokers when a session opens */
#define LEAT_KAFKA_QUEUE_MS   60000 /* a full queue is waited for */
#define LEAT_KAFKA_BATCH_MAX  4096
#define LEAT_KAFKA_REASON_MAX 320
#define LEAT_KAFKA_VISITOR_ID "leat-visitor" /* client.id of every visitor in a group */
#define LEAT_KAFKA_DEATHS_MAX 3              /* of a joined consumer, in ten session time-outs */

/* The last thing that a handle complained about; written by any thread of the library's. */
typedef struct leat_kafka_notice {
    leat_log *log;
    const char *client; /* "consumer", "producer", ...: for log lines */
    leat_session *session;
    pthread_mutex_t lock;
    rd_kafka_resp_err_t code; /* NO_ERROR: none so far */
    char text[LEAT_KAFKA_REASON_MAX];
} leat_kafka_notice;

struct leat_log {
    leat_kafka_settings settings;
    char *client_id;
    leat_log_speak speak;
    void *speak_context;
    pthread_mutex_t lock; /* of making the admin handle */
    rd_kafka_t *admin;    /* a consumer without group, read_uncommitted; NULL: not made yet */
    leat_kafka_notice admin_notice;
    _Atomic bool hangs; /* a handle did not end and may still call back: never freed */
};

/* A partition of this member. */
typedef struct kafka_owned {
    char *topic;
    int32_t partition;
    bool paused;
    bool fresh;       /* came in the callback that is running */
    bool strayed;     /* the library handed out what was dropped: seek before going on */
    int64_t start;    /* where it began */
    int64_t position; /* behind the last record handed out */
    int64_t eof;      /* the end that was reached; -1: not yet */
} kafka_owned;

/* A topic that is produced to. */
typedef struct kafka_topic {
    char *name;
    rd_kafka_topic_t *handle; /* NULL: does not exist, as of checked_ms */
    int32_t partitions;
    int64_t checked_ms;
} kafka_topic;

typedef struct kafka_census kafka_census;

struct leat_session {
    leat_log *log;
    leat_guarantee guarantee;
    leat_listener listener;
    leat_kafka_settings settings;     /* of its sources, over the log's */
    leat_subscription *subscriptions; /* names owned; properties dropped */
    size_t subscriptions_count;
    char *group, *instance, *transactional_id; /* NULL: none */
    bool own_id;                               /* nobody else can have the transactional id */
    int64_t commit_interval_ms;

    rd_kafka_t *consumer; /* NULL: producer only */
    rd_kafka_queue_t *queue;
    int64_t woken_ms;
    int64_t reopen_ms; /* when a dead consumer's successor is made; 0: none is due */
    int64_t died_ms[LEAT_KAFKA_DEATHS_MAX]; /* the last deaths of a joined consumer */
    uint32_t died, mended;                  /* of how many; handles made anew, in all */
    uint32_t mended_in_vain;                /* in a row, without having joined */
    leat_kafka_notice consumer_notice;
    kafka_census *census; /* NULL: producer only, or at its end */
    kafka_owned *owned;
    size_t owned_count;
    kafka_owned *owned_last; /* of the last message */
    const rd_kafka_topic_t *owned_handle;
    _Atomic bool hangs; /* a handle did not end and may still call back: never freed */
    bool called;        /* a listener ran in this poll */
    bool closing;       /* the consumer is on its way out of the group */
    bool calling;       /* it runs: neither poll nor close may be called, the library would hang */
    bool assigned;      /* this handle was, ever: it has joined */
    leat_code failed;   /* what a callback could not say itself; the next poll does */
    leat_err failure;
    rd_kafka_message_t *held[LEAT_KAFKA_BATCH_MAX];
    size_t held_count;

    rd_kafka_t *producer; /* NULL: not made yet */
    leat_kafka_notice producer_notice;
    leat_map *topics; /* name -> kafka_topic */
    kafka_topic *topic_last;
    bool open;                       /* a transaction has begun */
    bool dirty;                      /* something was produced since the last commit */
    rd_kafka_resp_err_t undelivered; /* of the first record that could not be delivered */
    char undelivered_topic[256];
    uint64_t nonce, commits; /* the mark of a commit */
    bool no_future;          /* a broker has refused a time in the future */

    rd_kafka_t *restorer; /* while something is restored */
    leat_kafka_notice restorer_notice;
    size_t restores;
};

/* --- log_kafka_conf.c --- */

typedef enum leat_kafka_kind {
    LEAT_KAFKA_ADMIN,
    LEAT_KAFKA_GROUP_MEMBER,
    LEAT_KAFKA_VISITOR,
    LEAT_KAFKA_ASKER,
    LEAT_KAFKA_WRITER,
    LEAT_KAFKA_RESTORER,
} leat_kafka_kind;

void leat_kafka_tune_heap(void); /* once for the process */
void leat_kafka_speak(const leat_log *log, int level, const char *facility, const char *text);
/* Are all names and values fine for the library? settings may override the log's; NULL: none. */
leat_code leat_kafka_check(leat_log *log, const leat_kafka_settings *more,
                           leat_err *err) LEAT_CHECKED;
/* A new handle; notice is what its callbacks write to and must live as long. */
leat_code leat_kafka_handle_new(leat_log *log, leat_session *session, leat_kafka_kind kind,
                                leat_kafka_notice *notice, rd_kafka_t **handle,
                                leat_err *err) LEAT_CHECKED;
leat_code leat_kafka_admin_get(leat_log *log, rd_kafka_t **admin, leat_err *err) LEAT_CHECKED;
void leat_kafka_notice_clear(leat_kafka_notice *notice);

/* --- log_kafka_error.c --- */

/* doing: "reading the committed offsets of group 'g'"; detail: the library's words, or NULL. */
leat_code leat_kafka_fail(rd_kafka_resp_err_t code, const char *detail, const char *doing,
                          leat_err *err);
/* The same, with what the handle complained about last, if the call itself only timed out. */
leat_code leat_kafka_fail_noticed(rd_kafka_resp_err_t code, leat_kafka_notice *notice,
                                  const char *doing, leat_err *err);
/* A handle whose state is fatal: why. */
leat_code leat_kafka_fail_fatal(rd_kafka_t *handle, const char *doing, leat_err *err);
/* Destroys the error. */
leat_code leat_kafka_fail_error(rd_kafka_t *handle, rd_kafka_error_t *error, const char *doing,
                                leat_err *err);
/* Has the handle been refused for good (log-in, TLS)? Then waiting is no use. */
bool leat_kafka_refused(leat_kafka_notice *notice);

/* --- log_kafka_group.c --- */

kafka_owned *leat_kafka_owned_find(leat_session *session, leat_str topic, int32_t partition);
void leat_kafka_owned_drop(leat_session *session, kafka_owned *owned);
/* For those who will not read: the library wants its answer, to both. */
void leat_kafka_assign_idle(rd_kafka_t *handle, rd_kafka_topic_partition_list_t *list);
void leat_kafka_unassign(rd_kafka_t *handle, const rd_kafka_topic_partition_list_t *list);
/* Tells the listener that all it owned is lost, where the library can no longer. */
void leat_kafka_lose_all(leat_session *session);
void leat_kafka_on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                             rd_kafka_topic_partition_list_t *list, void *opaque);
/* Asks the group's coordinator until it answers, at most timeout_ms; fills offset, err and metadata
 * of each. Also when the consumer has died. */
leat_code leat_kafka_ask_committed(leat_session *session, rd_kafka_topic_partition_list_t *list,
                                   int timeout_ms, leat_err *err) LEAT_CHECKED;

/* --- log_kafka_census.c --- */

leat_code leat_kafka_census_start(leat_session *session, leat_err *err) LEAT_CHECKED;
void leat_kafka_census_stop(leat_session *session, int timeout_ms);
/* What the session owns has changed. */
void leat_kafka_census_change(leat_session *session);
bool leat_kafka_whole(leat_session *session);
void leat_kafka_on_visit(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque);

/* --- log_kafka_consumer.c --- */

rd_kafka_resp_err_t leat_kafka_subscribe(const leat_session *session, rd_kafka_t *handle);
leat_code leat_kafka_consumer_open(leat_session *session, leat_err *err) LEAT_CHECKED;
leat_code leat_kafka_poll(leat_session *session, int timeout_ms, leat_message *messages,
                          size_t size, size_t *count, leat_poll_state *state, leat_err *err);
void leat_kafka_release(leat_session *session);
leat_code leat_kafka_pause(leat_session *session, leat_str topic, int32_t partition, leat_err *err);
leat_code leat_kafka_resume(leat_session *session, leat_str topic, int32_t partition,
                            leat_err *err);
leat_code leat_kafka_seek(leat_session *session, leat_str topic, int32_t partition, int64_t offset,
                          leat_err *err);
leat_code leat_kafka_committed(leat_session *session, leat_partition *partitions, size_t count,
                               leat_err *err);
size_t leat_kafka_lags(leat_session *session, leat_lag *lags, size_t size);
/* Waits for one message, then takes what is there: never waits to fill. */
size_t leat_kafka_take(rd_kafka_queue_t *queue, int timeout_ms, rd_kafka_message_t **messages,
                       size_t size);
/* A record as the port has it; its headers are read when somebody asks. */
leat_message leat_kafka_message(const rd_kafka_message_t *from, leat_str topic);

/* --- log_kafka_mend.c --- */

void leat_kafka_consumer_close(leat_session *session, int timeout_ms);
/* Leaves the group; false: not in time, or it must not be destroyed. */
bool leat_kafka_handle_leave(rd_kafka_t *handle, bool assigned, int timeout_ms);
/* Some thread of the library's or ours does not end: what it may call back to is never freed. */
void leat_kafka_leave_behind(leat_session *session, const char *who);
/* Waits a bounded time for the library's threads to end; false: they go on. */
bool leat_kafka_destroy_in_time(rd_kafka_t *handle);
/* The same; false: it has been left behind. */
bool leat_kafka_destroy(leat_session *session, rd_kafka_t *handle, const char *who);
/* False: it goes on, detached. */
bool leat_kafka_join_in_time(pthread_t thread, int timeout_ms);
/* What a poll does about a consumer that has died or is to be made anew; *none: there is none at
 * the moment. An error: it must not be made anew. */
leat_code leat_kafka_consumer_mend(leat_session *session, int timeout_ms, bool *none,
                                   leat_err *err) LEAT_CHECKED;

/* --- log_kafka_producer.c --- */

/* Makes the producer; a transactional one fences its former self. */
leat_code leat_kafka_producer_open(leat_session *session, int timeout_ms,
                                   leat_err *err) LEAT_CHECKED;
leat_code leat_kafka_producer_warm(leat_session *session, const leat_str *topics, size_t count,
                                   leat_err *err) LEAT_CHECKED;
void leat_kafka_producer_close(leat_session *session, int timeout_ms);
/* Without a word to the broker: what it holds is lost, its open transaction is left to the next of
 * the same id. */
void leat_kafka_producer_drop(leat_session *session);
leat_code leat_kafka_produce(leat_session *session, const leat_produce *record, leat_err *err);
void leat_kafka_on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque);
/* Why a record was not delivered. */
leat_code leat_kafka_fail_undelivered(leat_session *session, leat_err *err);

/* --- log_kafka_commit.c --- */

/* Must the worker end, instead of going on with a new producer? */
bool leat_kafka_gives_way(const leat_session *session, leat_code code);

leat_code leat_kafka_begin(leat_session *session, leat_err *err) LEAT_CHECKED;
leat_code leat_kafka_commit(leat_session *session, const leat_partition *offsets, size_t count,
                            leat_err *err);
leat_code leat_kafka_abort(leat_session *session, leat_err *err);

/* --- log_kafka_restore.c --- */

leat_code leat_kafka_restore_open(leat_session *session, leat_str topic, int32_t partition,
                                  leat_restore **restore, leat_err *err);
leat_code leat_kafka_restore_read(leat_restore *restore, int timeout_ms, leat_message *messages,
                                  size_t size, size_t *count, bool *done, leat_err *err);
void leat_kafka_restore_release(leat_restore *restore);
void leat_kafka_restore_close(leat_restore **restore);

#endif
