/* SPDX-License-Identifier: Apache-2.0 */
/* Effects on one Redis server, each once.
 *
 *   apply(the outputs of a batch) -> all of them are in Redis, or were there already
 *
 * Beside the data, in the same Redis and changed by the same script, stands how far each partition
 * of the input has been applied:
 *
 *   <guard>:<topic>:<partition>   hash:  at = place   n = effects of that place (-1: all)
 *                                        !place:number = why that effect was refused
 *
 * Applied before the transaction commits. If it aborts, or the worker dies, the next owner of the
 * partition computes the same effects again, and those at or before the guard are passed over. What
 * was refused is told again then, so that its dead letter is written in a transaction that commits.
 * Owner and thread: the shard. */
#ifndef LEAT_WORKER_SINK_REDIS_H
#define LEAT_WORKER_SINK_REDIS_H

#include "transforms/exec.h"
#include "worker/redis.h"

typedef struct leat_sink_redis leat_sink_redis;

/* An effect that Redis did not take (a key of another type, ...). */
typedef struct leat_refused_effect {
    leat_output output;
    leat_err why;
} leat_refused_effect;

/* Where the committed input of a partition ends: the next offset. */
typedef int64_t (*leat_committed_offset)(void *context, leat_str topic, int32_t partition);

typedef struct leat_effects {
    const leat_output *outputs; /* of any kind; those of this server are taken */
    size_t count;
    leat_committed_offset committed;
    void *context;
    /* Out: from the heap, freed by the caller. */
    leat_refused_effect *refused;
    size_t refused_count;
} leat_effects;

/* namespace: in the guard's key, for runs whose offsets mean nothing to another; none: none. */
leat_code leat_sink_redis_new(leat_redis *redis, leat_str space, leat_sink_redis **sink,
                              leat_err *err) LEAT_CHECKED;
void leat_sink_redis_free(leat_sink_redis **sink);
/* Connects and looks at what would make effects unsafe; only warns. */
leat_code leat_sink_redis_check(leat_sink_redis *sink, leat_err *err) LEAT_CHECKED;
/* Not LEAT_OK: some may have been applied; the batch is to be computed again. */
leat_code leat_sink_redis_apply(leat_sink_redis *sink, leat_effects *effects,
                                leat_err *err) LEAT_CHECKED;

#endif
