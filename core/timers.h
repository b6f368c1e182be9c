/* SPDX-License-Identifier: Apache-2.0 */
/* Event-time timers: a heap of (time, key). At most one timer a key: setting it again moves it.
 * Order of firing: by time, then by key bytes, so that it never depends on insertion order.
 * Owner: an operator's state in a task. Thread: its shard. Cost: O(log n). */
#ifndef LEAT_CORE_TIMERS_H
#define LEAT_CORE_TIMERS_H

#include "core/err.h"
#include "core/slots.h"
#include "core/str.h"

typedef struct leat_timers leat_timers;

leat_timers *leat_timers_new(void);
void leat_timers_free(leat_timers **timers);
/* hash: leat_slots_hash(key), which whoever keeps a table by the same keys knows already. */
leat_code leat_timers_set_hashed(leat_timers *timers, leat_str key, uint32_t hash, int64_t at_ms,
                                 leat_err *err) LEAT_CHECKED;
void leat_timers_cancel_hashed(leat_timers *timers, leat_str key, uint32_t hash);
LEAT_CHECKED static inline leat_code leat_timers_set(leat_timers *timers, leat_str key,
                                                     int64_t at_ms, leat_err *err)
{
    return leat_timers_set_hashed(timers, key, leat_slots_hash(key), at_ms, err);
}
static inline void leat_timers_cancel(leat_timers *timers, leat_str key)
{
    leat_timers_cancel_hashed(timers, key, leat_slots_hash(key));
}
/* The next to fire; LEAT_TIME_MAX when there is none. */
int64_t leat_timers_next(const leat_timers *timers);
typedef struct leat_timer {
    leat_str key;
    int64_t at_ms;
    uint32_t hash; /* leat_slots_hash(key) */
} leat_timer;
/* The earliest timer with at_ms <= now_ms, left where it is: set or cancel it, or it comes again.
 * key is valid until then. */
bool leat_timers_peek(const leat_timers *timers, int64_t now_ms, leat_timer *next);
/* What fires next does so at at_ms instead, which is no earlier. There is one. */
void leat_timers_postpone(leat_timers *timers, int64_t at_ms);
/* The hash of the key whose timer fires next (nth: 0), or behind that (1); false: there is none. */
#define LEAT_TIMERS_SOON 2u
bool leat_timers_soon(const leat_timers *timers, uint32_t nth, uint32_t *hash);
/* Takes the earliest timer with at_ms <= now_ms; key is valid until the next call. */
bool leat_timers_pop(leat_timers *timers, int64_t now_ms, leat_str *key, int64_t *at_ms);
void leat_timers_clear(leat_timers *timers);
size_t leat_timers_count(const leat_timers *timers);

#endif
