/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern as an automaton: what may be taken after what, and what may not happen in between.
 *
 * A state is the place of a partial match: which step took last, and how often each repetition
 * around it has been gone through (counts beyond which nothing changes are not told apart, so an
 * unbounded repetition is a few states). Its edges are all the takes that can come next; steps left
 * out, ends of groups and further iterations are folded into them, so there are no silent moves.
 * State 0 is the start; any event may be tried on its edges.
 *
 * An edge is alive from the take that led to its state until something kills it:
 *
 *   take       `where` holds, none of `untils` does, no NOT forbids it, no greedy edge takes it
 *   survives   NEXT: never.  FOLLOWED_BY: if none of `blocks` holds.  ANY: always;
 *              and none of `ends` and `not_between` holds
 *
 * Owner: the arena it was made in. Thread: immutable. */
#ifndef LEAT_CEP_NFA_H
#define LEAT_CEP_NFA_H

#include "cep/pattern.h"
#include "core/map.h"

#define LEAT_NFA_STATES_MAX 16384
#define LEAT_NFA_EDGES_MAX  64    /* of one state: sets of them are bits of a word */
#define LEAT_NFA_EDGES_ALL  65536 /* of all states together */
#define LEAT_NFA_ACCEPT     UINT32_MAX

/* Conditions of which any may hold. */
typedef struct leat_any {
    const uint32_t *conditions;
    uint32_t count;
    bool always; /* one of them was not written, so it holds for every event */
} leat_any;

typedef struct leat_nfa_edge {
    uint32_t target; /* state; LEAT_NFA_ACCEPT: no take, the match waits to become final */
    uint32_t step;   /* that takes */
    leat_contiguity link;
    uint32_t where;       /* condition of the step */
    leat_any untils;      /* keep the event from being taken, and lift bans */
    leat_any blocks;      /* FOLLOWED_BY: what fits first is taken, so later ones may not be */
    leat_any ends;        /* stop conditions of loops that the edge stays inside of */
    leat_any not_next;    /* may not hold for the very next event, taken or not */
    leat_any not_between; /* may not hold for an event passed over */
    leat_any not_in_loop; /* may not hold for any event, the taken one included */
    uint64_t bans;        /* edges of this state: if one takes the event, this one may not */
    bool lifts;           /* it is in the bans of another, and has untils */
    int64_t within_ms;    /* since the take before; 0: no such window */
} leat_nfa_edge;

typedef struct leat_nfa_state {
    const leat_part *part;                       /* the step that took last; NULL: the start */
    uint32_t counts[LEAT_PATTERN_DEPTH_MAX + 1]; /* by depth: of the step and the groups around */
    const leat_nfa_edge *edges;
    uint32_t edges_count;
    bool accepts; /* whoever gets here is a match, at once */
} leat_nfa_state;

typedef struct leat_nfa {
    const leat_pattern *pattern;
    leat_nfa_state **states;
    uint32_t states_count;
    bool timeouts; /* what time puts an end to is told; as the pattern says */
    bool strict;   /* an event can matter although no condition holds for it (next, not next) */
    uint64_t fingerprint; /* of all that decides what a stored partial match means */
    /* One that differs in nothing but what its conditions say, or itself: what is worked out about
     * its states, with conditions known by number, is so for both (leat_nfa_kin). */
    const struct leat_nfa *kin;
} leat_nfa;

/* A pattern that unfolds into too many states or edges is a finding at the pattern, and *nfa is
 * NULL; LEAT_OK also then. An error is one of memory. Cost: states times steps. */
leat_code leat_nfa_new(const leat_pattern *pattern, leat_arena *arena, leat_findings *findings,
                       leat_nfa **nfa, leat_err *err) LEAT_CHECKED;
/* Sets the automaton's kin: the first of those given with the same forms (an empty map at first, of
 * no other use) that is alike, which must live as long. To be called before anybody matches with
 * it, when its conditions are compiled: what they read of earlier takes counts. Cost: a pass. */
leat_code leat_nfa_kin(leat_map *forms, leat_nfa *nfa, leat_err *err) LEAT_CHECKED;
/* One line per state and edge, for people and tests. */
void leat_nfa_print(const leat_nfa *nfa, leat_buf *out);

#endif
