/* SPDX-License-Identifier: Apache-2.0 */
/* A session of the embedded log: a group member and a producer, as one thread sees them.
 * Private to log_memory.c and log_memory_session.c. Thread: the session's; functions lock the store
 * themselves, but where a comment says that they need its lock. */
#ifndef LEAT_WORKER_LOG_MEMORY_SESSION_H
#define LEAT_WORKER_LOG_MEMORY_SESSION_H

#include "worker/log_memory.h"

struct leat_log {
    leat_memory_store *store;
    leat_log_speak speak;
    void *speak_context;
};

/* A partition of this member. */
typedef struct memory_owned {
    leat_memory_topic *topic;
    int32_t partition;
    bool paused;
    int64_t start;     /* where it began */
    int64_t position;  /* next to look at */
    int64_t delivered; /* behind the last record that was handed out */
} memory_owned;

struct leat_session {
    leat_log *log;
    leat_guarantee guarantee;
    leat_listener listener;
    leat_memory_group *group;   /* NULL: producer only */
    leat_memory_member *member; /* NULL: producer only */
    memory_owned *owned;
    size_t owned_count, turn;       /* turn: who is read first */
    leat_memory_producer *producer; /* NULL: no transactions */
    uint64_t epoch;
    bool dirty;                    /* produced since the last commit, without transactions */
    leat_memory_topic *topic_last; /* of the last record produced */
    uint32_t spread;               /* partitions of records without key, in turn */
    leat_memory_holds holds;
};

leat_code leat_memory_session_open(leat_log *log, const leat_session_config *config,
                                   const leat_str *topics, size_t topics_count,
                                   leat_session **session, leat_err *err) LEAT_CHECKED;
void leat_memory_session_close(leat_session **session, int timeout_ms);
leat_code leat_memory_session_produce(leat_session *session, const leat_produce *record,
                                      leat_err *err) LEAT_CHECKED;
leat_code leat_memory_session_commit(leat_session *session, const leat_partition *offsets,
                                     size_t count, leat_err *err) LEAT_CHECKED;
leat_code leat_memory_session_abort(leat_session *session, leat_err *err) LEAT_CHECKED;
bool leat_memory_session_in_transaction(const leat_session *session);
leat_code leat_memory_session_committed(leat_session *session, leat_partition *partitions,
                                        size_t count, leat_err *err) LEAT_CHECKED;
memory_owned *leat_memory_session_owned(leat_session *session, leat_str topic, int32_t partition);

/* Takes part in a rebalance; needs the lock and lets go of it around the listener, which sets
 * *called. */
leat_code leat_memory_session_turn(leat_session *session, bool *called, leat_err *err) LEAT_CHECKED;
/* What can be read at once; needs the lock. */
size_t leat_memory_session_read(leat_session *session, leat_message *messages, size_t size);
/* When to look again at the latest; needs the lock. */
int64_t leat_memory_session_due(const leat_session *session, int64_t deadline_ms);

#endif
