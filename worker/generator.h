/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded events of the examples: the same seed gives the same bytes, everywhere. With them comes
 * what was planted, so that whoever reads the alerts can tell whether all of it was found.
 *
 *   payments   card payments, now and then a card-testing burst: three to five tiny ones, then a
 *              large one at another merchant; decoys that look alike but are none; a few lines that
 *              are no JSON; timestamps up to two seconds out of order
 *
 * Owner: the caller. Thread: one. Cost: ~0.5 us an event. */
#ifndef LEAT_WORKER_GENERATOR_H
#define LEAT_WORKER_GENERATOR_H

#include "core/err.h"
#include "core/str.h"

typedef struct leat_generator leat_generator;

typedef struct leat_planted {
    uint64_t events, alerts, bad_records;
} leat_planted;

/* count: events until bursts must have come to their end; 0: without end. base_ms: time of the
 * first event. LEAT_ERR_CONFIG when there is no generator of this name. */
leat_code leat_generator_new(const char *name, uint64_t seed, uint64_t count, int64_t base_ms,
                             leat_generator **generator, leat_err *err) LEAT_CHECKED;
void leat_generator_free(leat_generator **generator);
/* The next event; false after the last. key and value are valid until the next call. */
bool leat_generator_next(leat_generator *generator, leat_str *key, leat_str *value, int64_t *at_ms);
leat_planted leat_generator_planted(const leat_generator *generator);

#define LEAT_GENERATOR_BASE_MS INT64_C(1795200000000) /* 2026-11-20T18:40:00Z */

#endif
