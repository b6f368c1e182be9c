/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle: the plain matcher, kept as the reference for whatever the product matches with.
 *
 * It runs over the same automaton (cep/nfa.h) and holds the same events (cep/event.h), and shares
 * nothing else with the product: its takes, matches and conditions are its own. It is written to
 * be evidently right, a list of partial matches each looked at for every event, and stays so: no
 * sharing but of takes, no indexes, no state as bytes. What the product's matcher does (matcher.h)
 * it must do in the same order, call by call; tests/differential compares the two.
 * Owner: the caller. Thread: one. Cost: per event, partial matches times their edges. */
#ifndef LEAT_TESTS_ORACLE_H
#define LEAT_TESTS_ORACLE_H

#include "cep/event.h"
#include "cep/nfa.h"
#include "core/record.h"

typedef struct oracle_take oracle_take;
struct oracle_take {
    oracle_take *before; /* NULL: the first */
    leat_event *event;
    uint64_t seq; /* of the event, among those that were fed, from 1 */
    uint32_t step;
    uint32_t depth;      /* takes so far, this one included */
    uint32_t references; /* partial matches, matches and later takes */
};
void oracle_take_release(oracle_take **take);
const oracle_take *oracle_take_first(const oracle_take *last);

/* What the oracle asks for while it looks at an event. */
typedef struct oracle_host {
    void *self;
    /* Does the condition hold for the event in hand, `takes` being what the partial match has taken
     * so far (its last take; NULL: nothing)? */
    leat_code (*test)(void *self, uint32_t condition, const oracle_take *takes, bool *holds,
                      leat_err *err);
    /* The event in hand, to be held: a reference. Asked for at most once per event. */
    leat_code (*keep)(void *self, leat_event **event, leat_err *err);
} oracle_host;

typedef struct oracle_match {
    oracle_take *last;
    bool timed_out;
    bool missed;     /* the step that skip_to names took nothing, and skip_on_miss says error */
    int64_t time_ms; /* timed_out: when the time had run out */
} oracle_match;

/* What came out of a call, in order. */
typedef struct oracle_matches {
    oracle_match *items;
    size_t count, size;
    uint64_t dropped;  /* partial matches given up because of a limit */
    uint64_t withheld; /* matches and timeouts that did not come out: too many for one call */
    uint64_t out;      /* of the call in hand, that did */
} oracle_matches;
void oracle_matches_reset(oracle_matches *matches); /* gives the takes back; keeps the memory */
void oracle_matches_release(oracle_matches *matches);

typedef struct oracle oracle;
typedef struct oracle_work oracle_work; /* scratch */
oracle_work *oracle_work_new(void);
void oracle_work_free(oracle_work **work);

/* nfa must outlive it. */
leat_code oracle_new(const leat_nfa *nfa, oracle **matcher, leat_err *err) LEAT_CHECKED;
void oracle_free(oracle **matcher);

/* The next event of the key; its time is not before that of the last, and time has been advanced
 * to it. Matches are added to `matches`. */
leat_code oracle_feed(oracle *matcher, oracle_work *work, int64_t timestamp_ms,
                      const oracle_host *host, oracle_matches *matches, leat_err *err) LEAT_CHECKED;
/* Time has come to now_ms: adds matches that waited for it, and timeouts. */
leat_code oracle_advance(oracle *matcher, oracle_work *work, int64_t now_ms,
                         oracle_matches *matches, leat_err *err) LEAT_CHECKED;
/* When advance has something to do next; LEAT_TIME_MAX: never. */
int64_t oracle_deadline(const oracle *matcher);

/* order_by, as leat_matcher_order_value, _hold and _unhold. */
leat_value oracle_order_value(leat_value value);
leat_code oracle_hold(oracle *matcher, leat_event *event, leat_value order,
                      leat_err *err) LEAT_CHECKED;
bool oracle_unhold(oracle *matcher, int64_t now_ms, leat_event **event);

bool oracle_empty(const oracle *matcher);
size_t oracle_partials(const oracle *matcher);

#endif
