/* SPDX-License-Identifier: Apache-2.0 */
/* At most N records per key in any span of event time: what `throttle` is, and with N = 1 what
 * `dedupe` is. The times of the records that passed are kept per key, in a table of the step, until
 * they are too old to matter; then nothing is left of the key.
 *
 *   open    -> leat_limiter_open       (in the operator's open)
 *   process -> for each record, in order of time: leat_limiter_advance to its time, then ..._take
 *   advance -> leat_limiter_advance;   restored -> leat_limiter_restored;   close -> ..._close
 *
 * Owner: the operator's state. Thread: the shard's. */
#ifndef LEAT_TRANSFORMS_LIMITER_H
#define LEAT_TRANSFORMS_LIMITER_H

#include "transforms/operator.h"

#define LEAT_LIMITER_RECORDS_MAX 10000

typedef struct leat_limiter leat_limiter;

/* per_ms > 0; 1 <= records_max <= LEAT_LIMITER_RECORDS_MAX. On an error *limiter may be there all
 * the same, to be closed. */
leat_code leat_limiter_open(leat_run *run, uint32_t records_max, int64_t per_ms,
                            leat_limiter **limiter, leat_err *err) LEAT_CHECKED;
void leat_limiter_close(leat_limiter **limiter); /* NULL inside is harmless; nulls */
/* Forgets keys whose time has passed. Never backwards. */
leat_code leat_limiter_advance(leat_limiter *limiter, int64_t now_ms, leat_err *err) LEAT_CHECKED;
/* *passes: fewer than records_max have passed in (now_ms - per_ms, now_ms]; this one counts then.
 * An error of RECORD blame: there is no room for its state. Cost: ~60 ns. */
leat_code leat_limiter_take(leat_limiter *limiter, leat_str key, int64_t now_ms, bool *passes,
                            leat_err *err) LEAT_CHECKED;
/* Sets the timers of what the table holds. */
leat_code leat_limiter_restored(leat_limiter *limiter, leat_err *err) LEAT_CHECKED;

#endif
