/* SPDX-License-Identifier: Apache-2.0 */
/* A shard: one thread with one session (group member and transactional producer) and the tasks of
 * the partitions that it owns. Nothing of it is shared but counters and the stop flag.
 *
 *   shard.c         the loop: poll -> exec -> produce, and when to commit
 *   shard_commit.c  commit, abort, rewind
 *   shard_redis.c   effects on Redis, and connections for look-ups
 *   shard_assign.c  what comes and goes in a rebalance; restore from the changelog
 *   shard_schemas.c schemas that tasks have to be told
 *
 * Private to these files and pipeline.c. Thread: its own, but where a field says otherwise. */
#ifndef LEAT_WORKER_SHARD_H
#define LEAT_WORKER_SHARD_H

#include <pthread.h>
#include <stdatomic.h>

#include "worker/clock.h"
#include "worker/log.h"
#include "worker/pipeline.h"
#include "worker/redis_lookup.h"
#include "worker/sink_file.h"
#include "worker/sink_redis.h"
#include "worker/task.h"

/* Messages of one poll: as many as are still in a core's cache, from the decoder to the encoder,
 * when the last of them has been read; many, where a step asks Redis once for all. */
#define LEAT_SHARD_POLL_NEAR 500
#define LEAT_SHARD_POLL_MAX  2000

/* What a shard needs to know of one source at run time. */
typedef struct leat_source_place {
    leat_str changelog;         /* topic; data NULL: the source's tasks keep no state */
    int32_t partitions;         /* of its topics */
    struct leat_regex *pattern; /* topic_pattern; else NULL */
} leat_source_place;

typedef struct leat_shard leat_shard;

struct leat_pipeline {
    const leat_plan *plan;
    leat_config config;
    leat_pipeline_options options;
    leat_arena *arena;
    char *name;                       /* terminated, for log lines */
    const leat_log_type *input_type;  /* where sources are */
    const leat_log_type *output_type; /* where topics are; NULL: no topic anywhere */
    leat_log *input_log, *output_log; /* one and the same but for files in, topics out */
    leat_source_place *sources;
    leat_sink_file **files;                /* per sink; NULL but for FILE and STDOUT */
    struct leat_registry_client *registry; /* NULL: none */
    _Atomic uint64_t *sink_counts;
    leat_redis_counts *redis_counts; /* per server of the plan */
    leat_shard *shards;
    size_t shards_count;
    _Atomic bool stopping;
    _Atomic bool complete;    /* the input will not grow any more */
    _Atomic uint32_t waiting; /* shards that have read all of theirs (until_end) */
    _Atomic bool all_read;    /* all of them had, at one moment: the run is over */
    _Atomic uint32_t settled; /* shards that have committed their end */
    pthread_mutex_t dump_lock;
};

struct leat_shard {
    leat_pipeline *pipeline;
    uint32_t ordinal;
    pthread_t thread;
    bool started;
    _Atomic bool done;
    leat_session *input, *output; /* one and the same but for files in, topics out */
    leat_task **tasks;
    size_t tasks_count;
    leat_message *messages;
    int64_t polled_ms; /* when the records at hand came: a look at the clock for each is too much */
    int64_t began_ms;  /* of what is not committed yet; 0: nothing is */
    uint32_t aborts_in_a_row;
    bool joined;    /* the group has said what this shard owns, be it nothing */
    bool waiting;   /* counted in pipeline->waiting */
    bool ended;     /* the bounded input is at its end */
    leat_code code; /* of the first failure that ends the shard */
    leat_err err;
    bool must_rewind;          /* a transaction failed inside a callback */
    leat_buf key;              /* scratch */
    leat_redis_set *redis;     /* NULL: the plan has none */
    leat_sink_redis **effects; /* per server of the plan; NULL where none is written to */
    /* Read by any thread. */
    struct {
        _Atomic uint64_t records_in, records_out, dead_letters, late, late_dropped, filtered,
            unrouted, dropped, commits, aborts, refused;
    } counts;
    leat_exec_counts closed; /* of tasks that have gone */
};

void *leat_shard_main(void *shard);       /* for pthread_create: begin, turns, end */
void leat_shard_begin(leat_shard *shard); /* opens its sessions; a failure is in shard->code */
bool leat_shard_turn(leat_shard *shard);  /* once round the loop; false: the loop is over */
void leat_shard_end(leat_shard *shard);   /* commits, leaves the group, drops its tasks */
/* pipeline.c: without a stable name, what makes this process's producers unique. */
const char *leat_pipeline_stray_id(const leat_pipeline *pipeline, uint32_t shard, char *text,
                                   size_t size);
/* The first failure stays. */
void leat_shard_fail(leat_shard *shard, const leat_err *err);
/* Outputs of the task's last batch go where they belong. */
leat_code leat_shard_deliver(leat_shard *shard, leat_task *task, const leat_output *outputs,
                             size_t count, leat_err *err) LEAT_CHECKED;
/* After outputs have been delivered: if there are more, the task's partitions stand still until
 * leat_shard_portions has got them all out. */
leat_code leat_shard_more(leat_shard *shard, leat_task *task, leat_err *err) LEAT_CHECKED;
/* A portion of each task that has more. */
leat_code leat_shard_portions(leat_shard *shard, leat_err *err) LEAT_CHECKED;
/* The task's partitions are paused, and stand at the next record. */
leat_code leat_shard_stand_still(leat_shard *shard, leat_task *task, leat_err *err) LEAT_CHECKED;
/* The same without effects on Redis. */
leat_code leat_shard_produce(leat_shard *shard, const leat_output *outputs, size_t count,
                             leat_err *err) LEAT_CHECKED;
void leat_shard_count(leat_shard *shard);
/* Input partitions of all tasks. */
size_t leat_shard_inputs(const leat_shard *shard);
/* Where each of them ends, as far as is known without asking; from the heap, *count of them. */
leat_lag *leat_shard_lags(const leat_shard *shard, size_t *count);
/* -1: not known. */
int64_t leat_shard_end_of(const leat_input *input, const leat_lag *lags, size_t count);

/* shard_commit.c */
/* Commits what is open. On a failed transaction it rewinds all owned tasks and says LEAT_OK, as the
 * loop can go on; FATAL blame comes back. */
leat_code leat_shard_commit(leat_shard *shard, leat_err *err) LEAT_CHECKED;
/* Drops what is not committed, and goes back to the last commit with every owned task. */
leat_code leat_shard_rewind(leat_shard *shard, leat_err *err) LEAT_CHECKED;
leat_code leat_shard_dump(leat_shard *shard, leat_err *err) LEAT_CHECKED;

/* shard_redis.c */
/* Opens connections' settings; nothing is connected. Close also after a failure. */
leat_code leat_shard_redis_open(leat_shard *shard, leat_err *err) LEAT_CHECKED;
void leat_shard_redis_close(leat_shard *shard);
/* Before the shard's thread starts: connects, and finds what is wrong. */
leat_code leat_shard_redis_check(leat_shard *shard, leat_err *err) LEAT_CHECKED;
/* Applies what is for Redis among the outputs; what it refuses becomes a dead letter. */
leat_code leat_shard_effects(leat_shard *shard, leat_task *task, const leat_output *outputs,
                             size_t count, leat_err *err) LEAT_CHECKED;

/* shard_schemas.c */
/* Before a batch: tells the task what it wants for these messages, which it has taken. Not *ready:
 * it does not know yet, its partitions are paused and stand before these messages. */
leat_code leat_shard_supply(leat_shard *shard, leat_task *task, const leat_message *messages,
                            size_t count, bool *ready, leat_err *err) LEAT_CHECKED;
/* The same without pausing anything; *missing: what is not there yet. */
leat_code leat_shard_tell(leat_shard *shard, leat_task *task, const leat_message *messages,
                          size_t count, leat_want *missing, bool *ready,
                          leat_err *err) LEAT_CHECKED;
/* Lets those go on whose schema has come. */
leat_code leat_shard_look_for_schemas(leat_shard *shard, leat_err *err) LEAT_CHECKED;

/* shard_assign.c */
/* Lets the task's partitions go on, but those that have to wait for its tables; none while it waits
 * for a schema or has outputs left. */
leat_code leat_shard_resume(leat_shard *shard, leat_task *task, leat_err *err) LEAT_CHECKED;
void leat_shard_assigned(void *shard, leat_partition *partitions, size_t count);
void leat_shard_revoked(void *shard, const leat_partition *partitions, size_t count, bool lost);
/* Reads some of the changelogs of restoring tasks; *busy: there are such tasks. */
leat_code leat_shard_restore(leat_shard *shard, bool *busy, leat_err *err) LEAT_CHECKED;
/* The task's streams stand still until its tables have been read, as at its beginning, so after a
 * rewind too, which has taken from the tables what was not committed. */
leat_code leat_shard_tables_first(leat_shard *shard, leat_task *task, leat_err *err) LEAT_CHECKED;
/* Lets the streams of tasks begin whose tables have been read as far as they go. */
leat_code leat_shard_tables(leat_shard *shard, leat_err *err) LEAT_CHECKED;
leat_task *leat_shard_task(const leat_shard *shard, leat_str topic, int32_t partition);
void leat_shard_drop_tasks(leat_shard *shard);

#endif
