/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern as its author wrote it: a tree of steps, groups and alternatives, checked, with every
 * mistake told at once. What it means is in nfa.h; nothing here knows of events or state.
 *
 *   {"steps": [{"name": "a"}, {"not": true}, {"any_of": [{"name": "b"}, {"steps": [...]}]}]}
 *
 *   root GROUP --- STEP a --- NOT --- ANY_OF --- STEP b
 *                                        `------ GROUP ...
 *
 * Conditions (`where`, `until`) are numbered; equal texts share a number, so that a text is
 * compiled once and, where it reads no step, evaluated once per event.
 * Owner: the arena that it was read into, which the document must outlive. Thread: immutable. */
#ifndef LEAT_CEP_PATTERN_H
#define LEAT_CEP_PATTERN_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "schemas/findings.h"

#define LEAT_PATTERN_PARTS_MAX 64 /* steps, groups and alternatives of one pattern */
#define LEAT_PATTERN_DEPTH_MAX 8  /* of groups in groups; the pattern itself is the first */
#define LEAT_PATTERN_TIMES_MAX 10000
#define LEAT_PATTERN_RUNS_MAX  1000000
#define LEAT_UNBOUNDED         UINT32_MAX /* max of a repetition without upper bound */
#define LEAT_CONDITION_TRUE    UINT32_MAX /* number of a condition that was not written */

typedef enum leat_part_kind {
    LEAT_PART_STEP,   /* takes events */
    LEAT_PART_NOT,    /* takes none */
    LEAT_PART_GROUP,  /* parts in sequence */
    LEAT_PART_ANY_OF, /* one of its parts */
} leat_part_kind;

typedef enum leat_contiguity {
    LEAT_NEXT,
    LEAT_FOLLOWED_BY,
    LEAT_FOLLOWED_BY_ANY,
} leat_contiguity;

typedef enum leat_skip_strategy {
    LEAT_SKIP_NONE,
    LEAT_SKIP_TO_NEXT,
    LEAT_SKIP_PAST_LAST_EVENT,
    LEAT_SKIP_TO_FIRST,
    LEAT_SKIP_TO_LAST,
} leat_skip_strategy;

typedef enum leat_beyond { LEAT_DROP_OLDEST, LEAT_DROP_NEWEST, LEAT_FAIL } leat_beyond;

typedef struct leat_part leat_part;
struct leat_part {
    leat_part_kind kind;
    uint32_t index;    /* in pattern->parts */
    uint32_t position; /* among its parent's parts */
    uint32_t depth;    /* root: 0 */
    uint32_t step;     /* STEP: index in pattern->steps */
    leat_str name;     /* STEP; NOT may have one */
    leat_contiguity contiguity, repeat;
    uint32_t min, max;     /* times, when it is not left out; min at least 1 */
    bool optional;         /* may be left out altogether */
    bool greedy;           /* has an effect: min and max as written differ */
    bool passable;         /* can be gone through without a take */
    bool hollow;           /* GROUP, ANY_OF: even one iteration can be without a take */
    int64_t within_ms;     /* 0: none */
    uint32_t where, until; /* conditions; LEAT_CONDITION_TRUE: not given */
    bool has_until;
    const leat_node *node; /* as written; findings are shown there */
    leat_part *parent, **parts;
    uint32_t parts_count;
};

/* What of earlier takes a condition may read: sets of steps. */
typedef struct leat_reading {
    bool known; /* else it may read anything */
    uint64_t first, last, size;
    uint64_t whole; /* more than that */
} leat_reading;

typedef struct leat_condition {
    const leat_node *node; /* a string; the first of those with this text */
    leat_reading reading;  /* known once it was compiled (conditions.h) */
} leat_condition;

typedef struct leat_pattern {
    leat_str name, description;
    const leat_node *node;
    leat_part *root;
    leat_part **parts, **steps; /* all in the order of the text; those that take events */
    uint32_t parts_count, steps_count;
    leat_condition *conditions;
    uint32_t conditions_count;
    int64_t within_ms; /* 0: none */
    leat_skip_strategy skip;
    uint32_t skip_to; /* a step, of SKIP_TO_FIRST and SKIP_TO_LAST */
    bool skip_must;   /* skip_on_miss: error */
    bool enabled, events;
    uint32_t runs_max, takes_max; /* limits: partial matches of a key, events of a match */
    uint32_t takes_least;         /* of the shortest match; may be more than takes_max */
    uint32_t matches_max;         /* that come out of one event, or of time */
    leat_beyond beyond;
    /* NULL: not given */
    const leat_node *key, *order_by, *emit, *version, *severity, *tags;
    const leat_node *timeout; /* the object; NULL: timeouts are not told */
    const leat_node *timeout_emit, *timeout_to;
} leat_pattern;

/* Reads a pattern from an object. Mistakes become findings; false if there were any: *pattern is
 * then good for finding the mistakes of its expressions (conditions.h), and for nothing else; NULL
 * if node is no object. Expressions are not looked into here. */
bool leat_pattern_read(const leat_node *object, leat_arena *arena, leat_findings *findings,
                       leat_pattern **pattern);
/* The number of a step by its name; false: there is none. */
bool leat_pattern_step(const leat_pattern *pattern, leat_str name, uint32_t *step);
/* The published JSON Schema of pattern files, from the option tables. */
void leat_pattern_schema(leat_buf *out);
/* The tables as Markdown, for the manual. */
void leat_pattern_manual(leat_buf *out);

#endif
