/* SPDX-License-Identifier: Apache-2.0 */
/* A shard's connections, one per Redis server of the plan, and the port through which steps read
 * from them. Owner and thread: the shard. */
#ifndef LEAT_WORKER_REDIS_LOOKUP_H
#define LEAT_WORKER_REDIS_LOOKUP_H

#include "transforms/plan.h"
#include "worker/redis.h"

typedef struct leat_redis_set leat_redis_set;

/* Nothing is connected yet. plan, pipeline and counts (one per server of the plan) are borrowed. */
leat_code leat_redis_set_new(const leat_plan *plan, const char *pipeline, leat_redis_counts *counts,
                             leat_redis_set **set, leat_err *err) LEAT_CHECKED;
void leat_redis_set_free(leat_redis_set **set);
const leat_lookup_port *leat_redis_set_port(const leat_redis_set *set);
leat_redis *leat_redis_set_server(leat_redis_set *set, uint32_t index);

#endif
