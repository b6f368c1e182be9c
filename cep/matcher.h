/* SPDX-License-Identifier: Apache-2.0 */
/* The matcher: all partial matches of one pattern for one key.
 *
 * A partial match is what it has taken so far and the edges of the automaton that are still alive.
 * Those that cannot be told apart by anything that is still to come are held together and move
 * together: see docs/MATCHER.md. Where a pattern allows several readings of one sequence of takes,
 * they are one partial match with the edges of all, so a match comes out once.
 *
 * Semantics: docs/PATTERNS.md. Time is event time; the caller lets it pass (advance) before it
 * feeds an event of a later time.
 * Owner: the caller. Thread: the shard's. Cost: per event, the bundles of partial matches that
 * behave alike; per match that comes out, its takes. */
#ifndef LEAT_CEP_MATCHER_H
#define LEAT_CEP_MATCHER_H

#include "cep/event.h"
#include "cep/nfa.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/record.h"
#include "transforms/expr_form.h"

/* What was taken, last to first. Of a condition's takes: those that it may read (the condition's
 * `reading`). Of a match: all, in one array, first to last. Void after the call. */
typedef struct leat_take leat_take;
struct leat_take {
    leat_take *before; /* NULL: the first */
    leat_event *event; /* borrowed */
    uint64_t seq;      /* later takes have larger ones; good for comparing takes of one call only */
    uint32_t step;
    uint32_t depth; /* takes so far, this one included */
};
const leat_take *leat_take_first(const leat_take *last);

/* A comparison without which a condition is false, whatever else it says: of a value of the event
 * in hand with a field of the first or last take of a step. */
typedef struct leat_matcher_link {
    const leat_link *link; /* not NE */
    uint32_t step;
    leat_value value;
    bool lone;    /* nothing else of the condition reads a step */
    bool decides; /* the condition holds where this does */
} leat_matcher_link;

/* What conditions are for the event in hand, whatever was taken: a bit per condition. */
typedef struct leat_answers {
    uint64_t known[2], holds[2]; /* holds: of those that are known */
} leat_answers;
static inline bool leat_answers_have(const leat_answers *answers, uint32_t condition)
{
    return condition < 128 && (answers->known[condition >> 6] >> (condition & 63) & 1) != 0;
}
static inline void leat_answers_add(leat_answers *answers, uint32_t condition, bool holds)
{
    if (condition >= 128) return;
    answers->known[condition >> 6] |= (uint64_t)1 << (condition & 63);
    answers->holds[condition >> 6] |= (uint64_t)holds << (condition & 63);
}

/* What the matcher asks for while it looks at an event. */
typedef struct leat_matcher_host {
    void *self;
    /* Does the condition hold for the event in hand, `takes` being what the partial match has taken
     * so far (its last take; NULL: nothing)? An evaluation that fails is false, and the host's to
     * report; what comes back as an error stops the matcher. */
    leat_code (*test)(void *self, uint32_t condition, const leat_take *takes, bool *holds,
                      leat_err *err);
    /* The event in hand, to be held: a reference. Asked for at most once per event. */
    leat_code (*keep)(void *self, leat_event **event, leat_err *err);
    /* NULL, or: whether a condition that reads steps fails for the event in hand whatever was
     * taken. Asked for at most once per event and matcher; false is no answer. */
    leat_code (*never)(void *self, uint32_t condition, bool *fails, leat_err *err);
    /* NULL, or: the link of a condition; false: it has none, or none that compares (cep/link.h) for
     * the event in hand. Where it fails `test` says that the condition does. */
    bool (*link)(void *self, uint32_t condition, leat_matcher_link *found);
    /* What is known before anything was asked; the host's, of this event. NULL: nothing. */
    const leat_answers *answers;
} leat_matcher_host;

typedef struct leat_match {
    const leat_take *last;
    bool timed_out;
    bool missed;     /* the step that skip_to names took nothing, and skip_on_miss says error */
    int64_t time_ms; /* timed_out: when the time had run out */
} leat_match;

/* Where matches go, one by one as they are found, and what else is to be said of them. */
typedef struct leat_matches {
    /* May not call the matcher. The match is good for the call; an error stops the matcher. */
    leat_code (*match)(void *self, const leat_match *match, leat_err *err);
    void *self;
    bool full;  /* set by `match`: of this feed or advance, no more */
    bool pause; /* set by `match`: no more for now, the rest when leat_matcher_resume is called */
    /* Since they were set to 0: */
    uint64_t count;    /* matches that came out */
    uint64_t withheld; /* that did not, being too many for one feed or advance */
    uint64_t dropped;  /* times that partial matches were given up because of a limit */
} leat_matches;

typedef struct leat_matcher leat_matcher;
/* Scratch of one thread, for any number of matchers, and what has been found out about their
 * automata, which must outlive it. A matcher is used with one scratch for all its life; it may be
 * freed after it. */
typedef struct leat_matcher_work leat_matcher_work;
leat_matcher_work *leat_matcher_work_new(void);
void leat_matcher_work_free(leat_matcher_work **work);
/* What the events are to be made in that its matchers hold; those that are left when the scratch is
 * freed live on. */
leat_pool *leat_matcher_work_pool(leat_matcher_work *work);
/* How many bundles of a configuration there are before an index of them is made (bundle_index.h);
 * at least 1. For tests; what comes out is the same. */
void leat_matcher_work_index_at(leat_matcher_work *work, size_t least);

/* nfa must outlive it. */
leat_code leat_matcher_new(const leat_nfa *nfa, leat_matcher **matcher, leat_err *err) LEAT_CHECKED;
void leat_matcher_free(leat_matcher **matcher);
/* The same, with memory that the scratch keeps for the next one. */
leat_code leat_matcher_make(leat_matcher_work *work, const leat_nfa *nfa, leat_matcher **matcher,
                            leat_err *err) LEAT_CHECKED;
void leat_matcher_drop(leat_matcher_work *work, leat_matcher **matcher);
const leat_nfa *leat_matcher_nfa(const leat_matcher *matcher);

/* Whether the event in hand could begin a match; needs no matcher. */
leat_code leat_matcher_starts(const leat_nfa *nfa, const leat_matcher_host *host, bool *starts,
                              leat_err *err) LEAT_CHECKED;
/* Asks for the matcher's memory ahead of its use; NULL is harmless. */
static inline void leat_matcher_ahead(const leat_matcher *matcher)
{
    const char *at = (const char *)matcher;
    for (size_t line = 0; line < 5; line++)
        __builtin_prefetch(at + line * 64);
}
/* The same of what it points to, as far as feeding an event, or encoding, will need it; the matcher
 * itself must be near by then. */
void leat_matcher_ahead_feed(const leat_matcher *matcher);
void leat_matcher_ahead_encode(const leat_matcher *matcher);
/* The next event of the key; its time is not before that of the last, and time has been advanced
 * to it. Matches go to `matches`, in order. */
leat_code leat_matcher_feed(leat_matcher *matcher, leat_matcher_work *work, int64_t timestamp_ms,
                            const leat_matcher_host *host, leat_matches *matches,
                            leat_err *err) LEAT_CHECKED;
/* Time has come to now_ms: matches that waited for it come out, and then timeouts. */
leat_code leat_matcher_advance(leat_matcher *matcher, leat_matcher_work *work, int64_t now_ms,
                               leat_matches *matches, leat_err *err) LEAT_CHECKED;
/* After feed, advance or resume: matches are left, as `match` has asked for a pause. Nothing but
 * resume, encode and free may be called then. (Where timeouts come out there is no pause.) */
bool leat_matcher_resting(const leat_matcher *matcher);
/* Goes on with the matches, and with what the feed or advance would have done behind them. */
leat_code leat_matcher_resume(leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                              leat_err *err) LEAT_CHECKED;
/* When advance has something to do next; LEAT_TIME_MAX: never. */
int64_t leat_matcher_deadline(const leat_matcher *matcher);
/* True: nothing comes out when time passes, and the deadline is now the end of all that is held. So
 * there is no need to advance: before it there is nothing to do, and from then on the matcher may
 * be dropped. */
bool leat_matcher_quiet(leat_matcher *matcher);
/* --- events that wait for their order among those of one time (matcher_order.c) --- */

/* What events of one time are ordered by: an int, a double or a text; NULL comes first. Others that
 * have an order (uint, bool, timestamp, duration) become one of these; the rest becomes NULL. */
leat_value leat_matcher_order_value(leat_value value);
/* Holds the event, sharing it, until time has passed over it; text in order is copied. Events held
 * at the same time have the same timestamp. */
leat_code leat_matcher_hold(leat_matcher *matcher, leat_event *event, leat_value order,
                            leat_err *err) LEAT_CHECKED;
/* The next event held from before now_ms, to be fed; a reference. False: there is none. */
bool leat_matcher_unhold(leat_matcher *matcher, int64_t now_ms, leat_event **event);

/* Nothing is held: the matcher is as new. */
bool leat_matcher_empty(const leat_matcher *matcher);
/* Takes held, each counted once however many partial matches share it (and some that are dead):
 * what `limits.partial_matches` bounds. */
size_t leat_matcher_takes(const leat_matcher *matcher);

/* --- as bytes (matcher_codec.c) --- */

/* Collects what is dead, by which the deadline may become a later one, and the matcher empty. */
leat_code leat_matcher_tidy(leat_matcher *matcher, leat_matcher_work *work,
                            leat_err *err) LEAT_CHECKED;
/* Of a matcher that nothing was done with since tidy. */
leat_code leat_matcher_encode(const leat_matcher *matcher, leat_buf *out,
                              leat_err *err) LEAT_CHECKED;
/* What the beginning of the bytes tells. */
typedef struct leat_matcher_head {
    uint64_t fingerprint; /* whose state it is */
    int64_t deadline_ms;
    bool quiet; /* at the deadline all is over, and nothing comes out */
    bool apart; /* for the codec */
} leat_matcher_head;
leat_code leat_matcher_peek(leat_str bytes, leat_matcher_head *head, leat_err *err) LEAT_CHECKED;
/* nfa must be the one of the fingerprint. Bytes that cannot be are LEAT_ERR_DAMAGED. own: encode
 * has made them in this very process, and their texts need no look. */
leat_code leat_matcher_decode(const leat_nfa *nfa, leat_matcher_work *work, leat_str bytes,
                              bool own, leat_matcher **matcher, leat_err *err) LEAT_CHECKED;

#endif
