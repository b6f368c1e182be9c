/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded log: what a Kafka broker does for us, inside this process, for `leat dev`, bounded
 * runs and tests. Instances opened with the same property `memory.name` share one store.
 *
 *   log_memory_store.c   topics, partitions, records: append, read, retention, compaction
 *   log_memory_txn.c     transactional producers: fencing, markers, the last stable offset
 *   log_memory_group.c   consumer groups: eager rebalance, range assignment, committed offsets
 *   log_memory.c         the port (leat_log_memory)
 *
 * Properties: memory.name, memory.partitions (of topics made by use; 4), memory.retention.bytes
 * (per partition; 64 MiB), memory.rebalance.timeout.ms (10 s), memory.transaction.timeout.ms (60
 * s). Private to these files and their tests. Thread: everything below needs the store's lock, but
 * where a comment says otherwise. */
#ifndef LEAT_WORKER_LOG_MEMORY_H
#define LEAT_WORKER_LOG_MEMORY_H

#include <pthread.h>

#include "core/regex.h"
#include "worker/clock.h"
#include "worker/log.h"

#define LEAT_MEMORY_RECORD_BYTES_MAX ((size_t)16 << 20)
#define LEAT_MEMORY_TOUCHED_MAX      65536 /* partitions of one transaction */

/* A record's fate. Only COMMITTED is ever handed out; a MARKER takes an offset and holds nothing,
 * as on Kafka, so that gaps are normal here too. */
typedef enum leat_memory_state {
    LEAT_MEMORY_OPEN,
    LEAT_MEMORY_COMMITTED,
    LEAT_MEMORY_ABORTED,
    LEAT_MEMORY_MARKER,
} leat_memory_state;

/* Bytes and headers lie in the segment's block and never move. */
typedef struct leat_memory_entry {
    int64_t offset, timestamp_ms;
    const char *key, *value; /* NULL: null */
    const leat_header *headers;
    uint32_t key_len, value_len;
    uint32_t headers_count;
    uint32_t producer; /* number of the transactional producer; 0: none */
    leat_memory_state state;
} leat_memory_entry;

/* Freed when the partition has dropped it and no reader holds it. */
typedef struct leat_memory_segment {
    uint32_t holders;
    size_t used, size; /* of block, bytes */
    leat_memory_entry *entries;
    size_t count, room;
    char block[] __attribute__((aligned(16)));
} leat_memory_segment;

typedef struct leat_memory_open {
    uint32_t producer;
    int64_t first; /* offset of its first record here */
} leat_memory_open;

typedef struct leat_memory_partition {
    leat_memory_segment **segments; /* by offset */
    size_t segments_count, segments_room;
    int64_t start, stable, end; /* first kept; last stable; next to be given */
    leat_memory_open *open;     /* transactions under way */
    size_t open_count;
    uint64_t bytes;           /* of all segments */
    uint64_t bytes_compacted; /* right after the last compaction */
    /* Tombstones below gone_to go with the next compaction: at tombstones_ms, all below
     * tombstones_to had been seen by one. */
    int64_t gone_to, tombstones_to, tombstones_ms;
} leat_memory_partition;

typedef struct leat_memory_topic {
    struct leat_memory_topic *next; /* in order of name */
    char *name;
    bool compacted;
    int32_t partitions_count;
    leat_memory_partition partitions[];
} leat_memory_topic;

typedef struct leat_memory_place {
    leat_memory_topic *topic;
    int32_t partition;
    int64_t offset;
} leat_memory_place;

/* One per transactional id, for ever. */
typedef struct leat_memory_producer {
    struct leat_memory_producer *next;
    char *id;
    uint32_t number; /* from 1 */
    uint64_t epoch;  /* of its present owner */
    bool open, expired;
    int64_t began_ms;
    leat_memory_place *touched; /* offset: of the first record there */
    size_t touched_count;
} leat_memory_producer;

typedef struct leat_memory_subscription {
    char *name;
    leat_regex *pattern; /* NULL: a name */
    leat_start start;
    int64_t start_ms;
} leat_memory_subscription;

/* A member of a group; made and freed by its session, or by the group when that has crashed. */
typedef struct leat_memory_member {
    struct leat_memory_member *next;
    struct leat_memory_group *group; /* NULL: put out of it */
    char *instance;                  /* NULL: dynamic */
    uint64_t number;                 /* in order of joining */
    leat_memory_subscription *subscriptions;
    size_t subscriptions_count;
    uint64_t generation;     /* of what it was given */
    bool joined;             /* has given up its partitions for the rebalance under way */
    bool fresh;              /* was given partitions that it has not taken over yet */
    bool fenced;             /* another member has its instance */
    int64_t orphan_until_ms; /* its session has crashed: when the group notices; 0: has not */
    leat_memory_place *given;
    size_t given_count;
} leat_memory_member;

typedef struct leat_memory_group {
    struct leat_memory_group *next;
    char *name;
    uint64_t generation, joins;
    bool preparing;
    int64_t deadline_ms;     /* of the rebalance: who has not joined by then is put out */
    uint64_t topics_version; /* of the store, at the last assignment */
    leat_memory_member *members;
    leat_memory_place *commits;
    size_t commits_count;
} leat_memory_group;

typedef struct leat_memory_store {
    struct leat_memory_store *next;
    char *name;
    uint32_t users;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t waiting; /* threads in leat_memory_wait */
    leat_memory_topic *topics;
    uint64_t topics_version;
    leat_memory_group *groups;
    leat_memory_producer *producers;
    uint32_t producers_count;
    int32_t partitions_default;
    uint64_t retention_bytes; /* 0: keep all */
    int64_t rebalance_timeout_ms, transaction_timeout_ms;
} leat_memory_store;

/* --- log_memory_store.c --- */

void leat_memory_signal(leat_memory_store *store); /* wakes those who wait */
/* False: nothing happened until deadline_ms. */
bool leat_memory_wait(leat_memory_store *store, int64_t deadline_ms);

leat_memory_topic *leat_memory_topic_find(const leat_memory_store *store, leat_str name);
/* The one that is there, or a new one. */
leat_code leat_memory_topic_make(leat_memory_store *store, leat_str name, int32_t partitions,
                                 bool compacted, leat_memory_topic **topic,
                                 leat_err *err) LEAT_CHECKED;
void leat_memory_topics_free(leat_memory_store *store);
void leat_memory_topics_compact(leat_memory_store *store); /* for tests: all that are compacted */

typedef struct leat_memory_append {
    const leat_produce *record; /* NULL: a marker */
    uint32_t producer;
    leat_memory_state state;
} leat_memory_append;
leat_code leat_memory_append_to(leat_memory_store *store, leat_memory_topic *topic,
                                int32_t partition, const leat_memory_append *what,
                                leat_err *err) LEAT_CHECKED;
/* Deletes or compacts what may go, if there is much. */
void leat_memory_clean(leat_memory_store *store, leat_memory_topic *topic, int32_t partition);

/* Segments that a reader's messages lie in. */
typedef struct leat_memory_holds {
    leat_memory_segment **segments;
    size_t count, room;
} leat_memory_holds;
/* Committed records below the last stable offset, from *offset on, which moves past them and past
 * what is not to be seen. */
size_t leat_memory_read(leat_memory_topic *topic, int32_t partition, int64_t *offset,
                        leat_memory_holds *holds, leat_message *messages, size_t size);
void leat_memory_holds_drop(leat_memory_holds *holds);
/* First offset whose record is of start_ms or later; the stable end if there is none. */
int64_t leat_memory_offset_of_time(const leat_memory_partition *partition, int64_t start_ms);

/* --- log_memory_txn.c --- */

/* Takes the id over: its open transaction is aborted, whoever held it is fenced. */
leat_memory_producer *leat_memory_producer_take(leat_memory_store *store, leat_str id);
/* The partition's first record of this transaction is about to be appended. */
leat_code leat_memory_txn_touch(leat_memory_producer *producer, leat_memory_topic *topic,
                                int32_t partition, leat_err *err) LEAT_CHECKED;
/* Markers everywhere it wrote; its records are visible, or never will be. */
void leat_memory_txn_end(leat_memory_store *store, leat_memory_producer *producer, bool commit);
void leat_memory_txn_expire(leat_memory_store *store); /* those open for too long */
void leat_memory_producers_free(leat_memory_store *store);

/* --- log_memory_group.c --- */

leat_memory_group *leat_memory_group_get(leat_memory_store *store, leat_str name);
void leat_memory_group_join(leat_memory_store *store, leat_memory_group *group,
                            leat_memory_member *member);
void leat_memory_member_free(leat_memory_member *member); /* which is in no group */
void leat_memory_group_leave(leat_memory_store *store, leat_memory_member *member);
/* Starts a rebalance if topics came that members want, ends one that is complete or overdue. */
void leat_memory_group_turn(leat_memory_store *store, leat_memory_group *group);
/* When a turn is due at the latest, if nothing else happens; INT64_MAX: never. */
int64_t leat_memory_group_due(const leat_memory_group *group);
/* Wants this subscription the topic? */
bool leat_memory_subscribes(const leat_memory_subscription *subscription, const char *topic);
/* LEAT_OFFSET_NONE: none. */
int64_t leat_memory_committed(const leat_memory_group *group, const leat_memory_topic *topic,
                              int32_t partition);
void leat_memory_commit(leat_memory_group *group, const leat_memory_place *place);
/* The smallest offset that a group with members still needs. */
int64_t leat_memory_floor(const leat_memory_store *store, const leat_memory_topic *topic,
                          int32_t partition);
void leat_memory_groups_free(leat_memory_store *store);

/* --- for tests --- */

/* Ends a session as kill -9 would: no callback, nothing left, its transaction stays open. */
void leat_memory_session_crash(leat_session **session);
/* Compacts every compacted topic of a log's store now. */
void leat_memory_compact_now(leat_log *log);

#endif
