/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline at work in this process: its plan, its log, its shards.
 *
 *   open    topics checked, changelogs made; nothing runs yet
 *   start   one thread per shard
 *   stop    asks the shards to finish their batch, commit and leave
 *   join    waits for them; the exit code of the process
 *
 * Thread: the main one; stop may be called from any. */
#ifndef LEAT_WORKER_PIPELINE_H
#define LEAT_WORKER_PIPELINE_H

#include "transforms/plan.h"
#include "worker/config.h"
#include "worker/log.h"

typedef struct leat_pipeline leat_pipeline;

typedef struct leat_pipeline_options {
    bool embedded;          /* topics live in this process (leat dev), not on Kafka */
    bool until_end;         /* stop when the input's present end is reached */
    bool finish;            /* with until_end: treat that end as the end of time (timers fire) */
    const char *state_dump; /* at a clean stop, write every table's cells to this file; NULL: no */
} leat_pipeline_options;

/* What went through, summed over shards. */
typedef struct leat_pipeline_counts {
    uint64_t records_in, records_out, dead_letters, late, late_dropped, filtered, unrouted;
    uint64_t dropped;                  /* by steps: duplicates, throttled, not in the sample */
    uint64_t commits, aborts, refused; /* refused: outputs that the log did not take */
} leat_pipeline_counts;

/* The same of one Redis server of the plan. */
typedef struct leat_pipeline_redis {
    uint64_t connects, failures, breaker_opened;
    uint64_t lookups_cached, lookups_asked, lookups_missing, lookups_failed; /* keys */
    uint64_t effects_applied, effects_skipped, effects_refused; /* skipped: by a replay */
} leat_pipeline_redis;

/* EXIT codes of the command line. */
enum {
    LEAT_EXIT_OK = 0,
    LEAT_EXIT_FINDINGS = 1,
    LEAT_EXIT_USAGE = 2,
    LEAT_EXIT_UNAVAILABLE = 69,
    LEAT_EXIT_INTERNAL = 70,
    LEAT_EXIT_STATE = 74,
    LEAT_EXIT_DENIED = 77,
    LEAT_EXIT_CONFIG = 78,
};
int leat_exit_code(leat_code code);

/* The plan is borrowed. */
leat_code leat_pipeline_open(const leat_plan *plan, const leat_config *config,
                             const leat_pipeline_options *options, leat_pipeline **pipeline,
                             leat_err *err) LEAT_CHECKED;
leat_code leat_pipeline_start(leat_pipeline *pipeline, leat_err *err) LEAT_CHECKED;
/* With finish of the options: the input is complete now, end when it has been read. */
void leat_pipeline_input_complete(leat_pipeline *pipeline);
void leat_pipeline_stop(leat_pipeline *pipeline);
bool leat_pipeline_running(const leat_pipeline *pipeline); /* is any shard still at work? */
bool leat_pipeline_failed(const leat_pipeline *pipeline);  /* has any shard ended by an error? */
/* Waits for all shards; LEAT_OK or the first failure. */
leat_code leat_pipeline_join(leat_pipeline *pipeline, leat_err *err);
leat_pipeline_counts leat_pipeline_counts_get(const leat_pipeline *pipeline);
leat_pipeline_redis leat_pipeline_redis_get(const leat_pipeline *pipeline, uint32_t server);
uint64_t leat_pipeline_sink_count(const leat_pipeline *pipeline, uint32_t sink); /* records */
void leat_pipeline_close(leat_pipeline **pipeline);                              /* after join */

#endif
