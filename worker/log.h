/* SPDX-License-Identifier: Apache-2.0 */
/* The port to the outside: where records come from and go to. Four sides implement it: Kafka
 * (log_kafka, librdkafka), an embedded in-process log (log_memory: topics, partitions, groups,
 * transactions, compaction), and files (log_file: JSON lines in; the files of a source are one
 * partition, read one after the other; bounded).
 *
 *   leat_log        one per pipeline and process: connection settings, topic administration
 *   leat_session    one per shard (thread): a member of the consumer group and one transactional
 *                   producer; opened, used and closed by that thread
 *   leat_restore    reads one partition of a changelog from its start to its end
 *
 * Call order and reasons: docs/ARCHITECTURE.md, "Exactly once". KIP-98, KIP-129, KIP-345, KIP-429,
 * KIP-447. Errors: blame TASK = abort and go on, FATAL = exit; a session never retries for ever
 * without returning to its caller within about a second, but for commit. */
#ifndef LEAT_WORKER_LOG_H
#define LEAT_WORKER_LOG_H

#include "core/err.h"
#include "core/record.h"
#include "core/str.h"
#include "transforms/plan.h"

typedef struct leat_log leat_log;
typedef struct leat_session leat_session;
typedef struct leat_restore leat_restore;

#define LEAT_OFFSET_NONE (-1) /* the group has no committed offset */

typedef enum leat_guarantee {
    LEAT_EXACTLY_ONCE,
    LEAT_AT_LEAST_ONCE,
} leat_guarantee;

/* A property as its user wrote it: "bootstrap.servers" = "...". */
typedef leat_setting leat_property;

/* What a log says to its owner's log file; level 0 debug .. 3 error. May come from any thread. */
typedef void (*leat_log_speak)(void *context, int level, const char *facility, const char *text);

typedef struct leat_log_config {
    const leat_property *properties; /* pipeline-wide `kafka` keys; borrowed for open */
    size_t properties_count;
    const char *client_id;
    leat_log_speak speak;
    void *speak_context;
} leat_log_config;

typedef struct leat_topic_info {
    bool exists;
    int32_t partitions;
    int32_t replication;
    bool compacted; /* cleanup.policy holds compact; only filled by describe_settings */
} leat_topic_info;

typedef struct leat_topic_spec {
    leat_str name;
    int32_t partitions;
    int32_t replication; /* -1: the broker's default */
    bool compacted;
} leat_topic_spec;

/* offset, of assigned(): where reading begins, which is the committed offset or, where there is
 * none, what the start policy gives (a number, also for the log's end); of committed(): likewise,
 * so that it is always a place to seek to; of commit(): the next to read. */
typedef struct leat_partition {
    leat_str topic; /* borrowed for the call */
    int32_t partition;
    int64_t offset;
} leat_partition;

/* Where a group without committed offset begins. */
typedef enum leat_start { LEAT_START_EARLIEST, LEAT_START_LATEST, LEAT_START_TIME } leat_start;

typedef struct leat_subscription {
    leat_str topic; /* a name; a pattern begins with ^; a file: its path */
    leat_start start;
    int64_t start_ms;
    const leat_property *properties; /* of the source; override the pipeline's */
    size_t properties_count;
    bool container;  /* of files: Avro's, not lines */
    char row_quote;  /* of files: line ends between two of these end no row; 0: all do */
    uint32_t source; /* files of one source are read one after the other, sources side by side */
} leat_subscription;

/* Called inside poll and close, on the session's thread. Partitions come paused after assigned();
 * the worker restores their state and calls resume. revoked() must have committed or aborted and
 * dropped the tasks when it returns; with lost set, they belong to another already: abort.
 * assigned() with count 0: a member without partitions, or nothing new. */
typedef struct leat_listener {
    void *self;
    void (*assigned)(void *self, leat_partition *partitions, size_t count);
    void (*revoked)(void *self, const leat_partition *partitions, size_t count, bool lost);
} leat_listener;

typedef struct leat_session_config {
    leat_guarantee guarantee;
    leat_str group;             /* group.id; none: producer only */
    leat_str instance;          /* group.instance.id (static membership); none: dynamic */
    leat_str transactional_id;  /* stable per shard; none with at-least-once */
    bool transactional_id_own;  /* made up by this process: nobody else can ever have it */
    int64_t commit_interval_ms; /* how long a transaction collects: the longer, the later brokers
                                   end one that nobody ends */
    const leat_subscription *subscriptions;
    size_t subscriptions_count;
    leat_listener listener;
} leat_session_config;

typedef struct leat_produce {
    leat_str topic;
    int32_t partition;    /* -1: by key, murmur2 as Java clients do; without key: any */
    leat_str key;         /* data NULL: null */
    leat_str value;       /* data NULL: null */
    int64_t timestamp_ms; /* LEAT_TIME_NONE: now */
    const leat_header *headers;
    size_t headers_count;
} leat_produce;

typedef enum leat_poll_state {
    LEAT_POLL_SOME,  /* messages */
    LEAT_POLL_EMPTY, /* nothing within the time-out */
    LEAT_POLL_ENDED, /* a bounded input is at its end and stays there */
} leat_poll_state;

/* Lag of one partition, for metrics. */
typedef struct leat_lag {
    leat_str topic;
    int32_t partition;
    int64_t end_offset; /* -1: unknown */
} leat_lag;

typedef struct leat_log_type {
    const char *name; /* "kafka", "memory", "file" */

    leat_code (*open)(const leat_log_config *config, leat_log **log, leat_err *err);
    void (*close)(leat_log **log);
    /* Existence and partition count; within timeout_ms, else LEAT_ERR_UNAVAILABLE (or DENIED). */
    leat_code (*describe)(leat_log *log, leat_str topic, int timeout_ms, leat_topic_info *info,
                          leat_err *err);
    leat_code (*describe_settings)(leat_log *log, leat_str topic, int timeout_ms,
                                   leat_topic_info *info, leat_err *err);
    /* Fine if it exists meanwhile. */
    leat_code (*create)(leat_log *log, const leat_topic_spec *spec, int timeout_ms, leat_err *err);

    /* Fences the former owner of transactional_id, warms metadata of `topics` (outputs), then
     * subscribes. Strings are copied. */
    leat_code (*session_open)(leat_log *log, const leat_session_config *config,
                              const leat_str *topics, size_t topics_count, leat_session **session,
                              leat_err *err);
    /* Revokes (listener is called), leaves the group unless static, ends. Bounded by timeout_ms. */
    void (*session_close)(leat_session **session, int timeout_ms);

    /* Up to count messages of assigned, resumed partitions, per partition in order of offset; they
     * are valid until release. Returns as soon as there is one. Serves rebalances and client
     * callbacks. err: FATAL blame (fenced, denied) or UNAVAILABLE. */
    leat_code (*poll)(leat_session *session, int timeout_ms, leat_message *messages, size_t size,
                      size_t *count, leat_poll_state *state, leat_err *err);
    void (*release)(leat_session *session);
    leat_code (*pause)(leat_session *session, leat_str topic, int32_t partition, leat_err *err);
    leat_code (*resume)(leat_session *session, leat_str topic, int32_t partition, leat_err *err);
    leat_code (*seek)(leat_session *session, leat_str topic, int32_t partition, int64_t offset,
                      leat_err *err);

    /* Begins a transaction if none is open. Copies. When the client's queue is full it waits,
     * serving callbacks, at most timeout of the transaction. */
    leat_code (*produce)(leat_session *session, const leat_produce *record, leat_err *err);
    /* Makes all that was produced visible together with `offsets` (next to read per partition).
     * OK: it has committed. Blame TASK: it has not and will not; call abort, then rewind the
     * tasks. FATAL: exit. An unknown outcome is settled inside (new producer of the same id, then
     * the committed offsets are asked). */
    leat_code (*commit)(leat_session *session, const leat_partition *offsets, size_t count,
                        leat_err *err);
    /* Drops what was produced since the last commit; afterwards a new transaction can begin. */
    leat_code (*abort)(leat_session *session, leat_err *err);
    bool (*in_transaction)(const leat_session *session);

    /* The group's committed offsets of owned partitions (for rewinding). */
    leat_code (*committed)(leat_session *session, leat_partition *partitions, size_t count,
                           leat_err *err);
    leat_code (*restore_open)(leat_session *session, leat_str topic, int32_t partition,
                              leat_restore **restore, leat_err *err);
    /* Like poll; *done when the end (as of open, of read-uncommitted) was reached. */
    leat_code (*restore_read)(leat_restore *restore, int timeout_ms, leat_message *messages,
                              size_t size, size_t *count, bool *done, leat_err *err);
    void (*restore_release)(leat_restore *restore);
    void (*restore_close)(leat_restore **restore);

    /* Known end offsets of assigned partitions, cheap, no network. */
    size_t (*lags)(leat_session *session, leat_lag *lags, size_t size);
    /* Has every partition of the input an owner in the group, as far as can be known, and has that
     * been looked at since what is assigned here last changed? What is on its way to another has
     * not been read by anyone. NULL: always. */
    bool (*whole)(leat_session *session);
    /* A bounded input has delivered all of this partition (and of those before it in its source);
     * always false for topics. */
    bool (*ended)(const leat_session *session, leat_str topic, int32_t partition);
} leat_log_type;

extern const leat_log_type leat_log_kafka;
extern const leat_log_type leat_log_memory;
extern const leat_log_type leat_log_file;

#endif
