/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of one pipeline, each an edit of the one before, and what must come out of a fleet that
 * goes through them. Thread: one. */
#ifndef LEAT_TESTS_SIM_EDITS_H
#define LEAT_TESTS_SIM_EDITS_H

#include "core/buf.h"
#include "tests/sim/faulty_log.h"
#include "tests/sim/lines.h"

#define SIM_VERSIONS_MAX 5
#define SIM_PATTERNS     8

/* One pattern of `found`; numbers choose among texts. */
typedef struct sim_pattern {
    bool there, enabled, renamed, timeout;
    uint8_t condition, within, skip, key, order, limit;
    uint8_t number, words; /* `version`; what else a reader sees */
} sim_pattern;

typedef struct sim_version {
    sim_pattern patterns[SIM_PATTERNS];
    uint8_t order[SIM_PATTERNS];
    bool record_key;                  /* detect has no key of its own */
    bool set, filter, dedupe, behind; /* steps in front of detect, and behind it */
    bool loose, calm;                 /* streams with a detect, a throttle */
    uint8_t loose_condition, calm_limit;
    uint32_t from_event; /* so many have been written when the edit comes */
    bool rolls;          /* worker by worker; else all are stopped before any begins */
} sim_version;

typedef struct sim_edits {
    sim_version versions[SIM_VERSIONS_MAX];
    uint32_t count;
} sim_edits;

/* portions: outputs go out in portions. A key other than the source's needs one partition. */
void sim_edits_draw(sim_edits *edits, sim_random *random, uint32_t events, int32_t partitions,
                    bool portions);
void sim_edits_write(const sim_edits *edits, uint32_t version, leat_buf *out);
/* The one whose matches all versions' are among: every pattern of any version, those that were
 * edited without what takes matches away. */
void sim_edits_write_all(const sim_edits *edits, leat_buf *out);

/* want: what one undisturbed worker writes with sim_edits_write_all. last: the version at the end.
 * settled_ms: later events were seen by that version alone. False: wrong says what is. */
bool sim_edits_check(const sim_edits *edits, uint32_t last, int64_t settled_ms,
                     const sim_lines *want, const sim_lines *have, char *wrong, size_t wrong_size);
/* A line of a changelog whose table a worker of this version does not have. */
bool sim_edits_gone(const sim_version *version, const char *line);

/* For edits.c and edits_check.c. */
bool sim_edits_kept(const sim_edits *edits, uint32_t pattern); /* no edit touches its state */
/* The first version whose pattern means the same. */
uint32_t sim_edits_variant(const sim_edits *edits, uint32_t pattern, uint32_t version);
bool sim_edits_loose_kept(const sim_edits *edits);
bool sim_edits_calm_kept(const sim_edits *edits);
bool sim_edits_limited(const sim_pattern *pattern);

#define SIM_CALM_MS 1000 /* `per` of the throttle */
uint32_t sim_edits_calm_limit(const sim_version *version);
/* How many matches an event may complete of pattern SIM_LIMITED; 0: no bound to speak of. */
#define SIM_LIMITED 6
uint32_t sim_edits_matches_max(const sim_pattern *pattern);

#endif
