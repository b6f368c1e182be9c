/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to one Redis server of the pipeline, made when it is needed and made again when it
 * breaks: login, database, TLS, Sentinel, time-outs, back-off, circuit breaker.
 *
 *   new (nothing is connected yet) -> exchange ... -> free
 *
 * Owner: a shard. Thread: the shard's; counts may be read by any. Secrets are in no text.
 * Errors: UNAVAILABLE or TIMEOUT: not now; DENIED: login or permission; CONFIG: certificates, a
 * cluster, a database that is not there. */
#ifndef LEAT_WORKER_REDIS_H
#define LEAT_WORKER_REDIS_H

#include <stdatomic.h>

#include "transforms/redis.h"
#include "worker/redis_reply.h"

typedef struct leat_redis leat_redis;

/* Of one server, over all shards; monotonic. */
typedef struct leat_redis_counts {
    _Atomic uint64_t connects, failures, breaker_opened;
    _Atomic uint64_t lookups_cached, lookups_asked, lookups_missing, lookups_failed;
    _Atomic uint64_t effects_applied, effects_skipped, effects_refused;
} leat_redis_counts;

/* All borrowed. */
leat_code leat_redis_new(const leat_redis_settings *settings, const char *pipeline,
                         leat_redis_counts *counts, leat_redis **redis, leat_err *err) LEAT_CHECKED;
void leat_redis_free(leat_redis **redis);
/* Connects, if it is not connected. */
leat_code leat_redis_check(leat_redis *redis, leat_err *err) LEAT_CHECKED;
/* Sends commands (written by leat_redis_write) and waits for as many replies, at most timeout_ms
 * (0: the setting's). A connection that the server has closed while it was idle is made anew and
 * asked once more; so commands have to be such that asking twice does no harm. */
leat_code leat_redis_exchange(leat_redis *redis, leat_str commands, size_t count,
                              int64_t timeout_ms, leat_arena *arena,
                              const leat_redis_reply **replies, leat_err *err) LEAT_CHECKED;
/* What an ERROR reply stands for. RECORD blame: only this one command is wrong. */
leat_code leat_redis_error(const leat_redis *redis, const leat_redis_reply *reply,
                           leat_err *err) LEAT_CHECKED;
/* An answer has shown that the server is not what it was (it has become a replica): look for the
 * right one next time. Counts as a failure. */
void leat_redis_drop(leat_redis *redis, const leat_err *why);
const leat_redis_settings *leat_redis_settings_of(const leat_redis *redis);
const char *leat_redis_pipeline(const leat_redis *redis);
leat_redis_counts *leat_redis_counts_of(const leat_redis *redis);
/* A texts's value in a reply of INFO; none: not there. */
leat_str leat_redis_info(leat_str info, const char *name);

static inline void leat_redis_add(_Atomic uint64_t *count, uint64_t more)
{
    atomic_fetch_add_explicit(count, more, memory_order_relaxed);
}

#endif
