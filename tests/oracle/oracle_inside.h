/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the oracle share; nobody else includes it.
 *
 *   oracle.c         life, feeding events, limits
 *   oracle_step.c    one event and one partial match
 *   oracle_time.c    deadlines, windows, timeouts
 *   oracle_order.c   events that wait for their order
 *   oracle_skip.c    which complete matches come out, and what they put an end to */
#ifndef LEAT_TESTS_ORACLE_INSIDE_H
#define LEAT_TESTS_ORACLE_INSIDE_H

#include "tests/oracle/oracle.h"

/* A state of the automaton that a partial match is in, and which of its edges are alive. */
typedef struct place {
    uint32_t state;
    uint64_t alive;
    uint64_t lifted; /* edges that no longer ban others: their stop condition was met */
} place;

typedef struct partial {
    oracle_take *last; /* NULL only of the one that stands for "no match begun" */
    uint64_t first_seq;
    int64_t first_ms;
    int64_t deadline_ms;
    uint32_t places_count;
    place places[];
} partial;

typedef struct partials {
    partial **items;
    size_t count, size;
} partials;

typedef struct takes {
    oracle_take **items;
    size_t count, size;
} takes;

/* An event that has not been fed yet. */
typedef struct held {
    leat_event *event;
    leat_value order; /* NULL, INT, DOUBLE, or STRING of its own memory */
} held;

struct oracle {
    const leat_nfa *nfa;
    uint64_t seq; /* events fed so far */
    int64_t deadline_ms;
    partials partials; /* in the order of their making */
    takes waiting;     /* complete matches that have not come out yet */
    held *held;        /* in the order in which they will be fed */
    size_t held_count, held_size;
};

/* A take that the event in hand allows. */
typedef struct option_take {
    uint32_t step, target;
} option_take;

struct oracle_work {
    partials fresh; /* made by the event in hand */
    option_take *options;
    size_t options_count, options_size;
    leat_event *event; /* the event in hand, once somebody has taken it */
};

static inline const leat_nfa_edge *place_edge(const leat_nfa *nfa, const place *p, uint32_t edge)
{
    LEAT_ASSERT(p->state < nfa->states_count && edge < nfa->states[p->state]->edges_count);
    return &nfa->states[p->state]->edges[edge];
}

/* Room for one item more in an array that grows. */
leat_code oracle_reserve(void **items, size_t *size, size_t count, size_t bytes,
                         leat_err *err) LEAT_CHECKED;
leat_code oracle_partials_add(partials *list, partial *item, leat_err *err) LEAT_CHECKED;
leat_code oracle_takes_add(takes *list, oracle_take *take, leat_err *err) LEAT_CHECKED;
void oracle_partial_free(partial *gone);

/* --- oracle_step.c --- */
/* What the event in hand does to p: edges die, work->options gets the takes that it allows, and
 * *complete tells that p itself is a match now. start: p has no takes, and keeps its edges. */
leat_code oracle_partial_step(const leat_nfa *nfa, oracle_work *work, partial *p, bool fresh,
                              bool start, const oracle_host *host, bool *complete,
                              leat_err *err) LEAT_CHECKED;

/* --- oracle_time.c --- */
void oracle_partial_deadline(const leat_nfa *nfa, partial *p);
void oracle_deadline_set(oracle *matcher);

/* --- oracle_order.c --- */
void oracle_held_clear(oracle *matcher);

/* --- oracle_skip.c --- */
/* The order of matches: earliest takes first, then the longer one, then the earlier step. */
int oracle_compare(const oracle_take *a, const oracle_take *b);
/* Moves what may come out from waiting to matches. */
leat_code oracle_skip_emit(oracle *matcher, oracle_matches *matches, leat_err *err) LEAT_CHECKED;
/* Whether `limits.matches` lets no more out of the call in hand. */
bool oracle_matches_full(const oracle *matcher, const oracle_matches *matches);
/* Takes over the caller's reference of take, also on an error. */
leat_code oracle_matches_add(oracle_matches *matches, oracle_match match,
                             leat_err *err) LEAT_CHECKED;

#endif
