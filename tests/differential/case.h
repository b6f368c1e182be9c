/* SPDX-License-Identifier: Apache-2.0 */
/* A case of the differential test: a pattern, what happens in time, and what came of it.
 * Owner: the arena that is handed in. Thread: one. */
#ifndef LEAT_TESTS_DIFFERENTIAL_CASE_H
#define LEAT_TESTS_DIFFERENTIAL_CASE_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/value.h"

/* Something that happens: an event, or time passing without one. */
typedef struct diff_happening {
    int64_t at_ms;
    bool time_only;
    leat_value event; /* a map, `ts` included */
} diff_happening;

typedef struct diff_case {
    leat_value pattern; /* a map, as in a pattern file */
    bool timers;        /* time passes deadline by deadline, as timers fire; else in one go */
    diff_happening *happenings; /* in order of time */
    size_t count;
} diff_case;

/* How the product was run when it differed. */
typedef enum diff_verdict {
    DIFF_SAME,
    DIFF_REFUSED, /* no valid pattern */
    DIFF_PLAINLY, /* just so */
    DIFF_RECODED, /* with its state encoded and decoded between any two calls */
    DIFF_CUT,     /* with more calls for the time in between */
    DIFF_SPARED,  /* without the events that the step `detect` does not feed */
    DIFF_PAUSED,  /* with pauses between matches of one call, and recoded there or not */
    DIFF_BESIDE,  /* beside another key, of the same scratch */
    DIFF_RULES,   /* the oracle itself, from what the rules say */
    DIFF_CRASHED,
} diff_verdict;
extern const char *const diff_verdict_names[];

/* --- case_generate.c --- */
/* The case of a seed. */
diff_case diff_generate(uint64_t seed, leat_arena *arena);

/* --- case_run.c --- */
typedef struct diff_outcome {
    diff_verdict verdict;
    size_t results;     /* that came out */
    bool cut_short;     /* too many partial matches: compared until there */
    bool paused;        /* in the way that is called so, while matches were coming out */
    bool limited;       /* by `limits.matches` */
    bool ruled;         /* held against the rules */
    leat_str got, want; /* of a difference */
} diff_outcome;
diff_outcome diff_run(const diff_case *c, leat_arena *arena);

/* --- case_text.c --- */
/* {"pattern": …, "timers": …}, then a line for each happening: the event, or {"time": ms}. */
void diff_write(const diff_case *c, leat_arena *arena, leat_buf *out);
/* False: no such text. */
bool diff_read(leat_str text, leat_arena *arena, diff_case *c);
leat_value diff_member(leat_value map, const char *name); /* MISSING: not there */

/* --- case_shrink.c --- */
/* A smaller case for which still_fails, after `tries` of them at most. scratch: reset for each. */
diff_case diff_shrink(const diff_case *c, bool (*still_fails)(void *self, const diff_case *c),
                      void *self, unsigned tries, leat_arena *arena);

#endif
