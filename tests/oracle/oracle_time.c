/* SPDX-License-Identifier: Apache-2.0 */
/* Time: every living edge has a moment from which on it is dead, by the window of the pattern
 * (first take + within) or of its step (take before + within), whichever comes first. A partial
 * match knows the earliest of its edges, a matcher the earliest of its partial matches, so letting
 * time pass costs nothing until something is due.
 *
 * When an edge's time is up: the edge towards acceptance makes a match, as what it waited for did
 * not happen; any other just dies. A partial match whose last edges die of time is a timeout, at
 * the moment of the last of them. An edge towards acceptance that still waits for its very next
 * event (`not next`) has not been answered and dies like the others. */
#include <stdlib.h>

#include "tests/oracle/oracle_inside.h"

/* Looks at the last event only where a step has a window: it is far away in memory. */
static int64_t edge_deadline(const leat_nfa *nfa, const partial *p, const leat_nfa_edge *edge)
{
    int64_t window_ms = nfa->pattern->within_ms;
    LEAT_ASSERT(p->last != NULL);
    int64_t deadline = LEAT_TIME_MAX;
    int64_t at;
    if (window_ms > 0 && !__builtin_add_overflow(p->first_ms, window_ms, &at)) deadline = at;
    if (edge->within_ms <= 0) return deadline;
    int64_t last_ms = p->last->event->timestamp_ms;
    LEAT_ASSERT(p->first_ms <= last_ms);
    if (!__builtin_add_overflow(last_ms, edge->within_ms, &at) && at < deadline) deadline = at;
    return deadline;
}

void oracle_partial_deadline(const leat_nfa *nfa, partial *p)
{
    p->deadline_ms = LEAT_TIME_MAX;
    for (uint32_t i = 0; i < p->places_count; i++) {
        const place *at = &p->places[i];
        for (uint64_t left = at->alive; left != 0; left &= left - 1) {
            uint32_t number = (uint32_t)__builtin_ctzll(left);
            int64_t deadline = edge_deadline(nfa, p, place_edge(nfa, at, number));
            if (deadline < p->deadline_ms) p->deadline_ms = deadline;
        }
    }
}

void oracle_deadline_set(oracle *matcher)
{
    matcher->deadline_ms = LEAT_TIME_MAX;
    for (size_t i = 0; i < matcher->partials.count; i++)
        if (matcher->partials.items[i]->deadline_ms < matcher->deadline_ms)
            matcher->deadline_ms = matcher->partials.items[i]->deadline_ms;
    if (matcher->held_count == 0) return;
    int64_t held_ms = matcher->held[0].event->timestamp_ms;
    if (held_ms < matcher->deadline_ms - 1) matcher->deadline_ms = held_ms + 1;
}

/* What is due of one partial match. */
typedef struct due {
    bool complete;
    bool ended;     /* an edge died without making a match */
    int64_t end_ms; /* the last of these */
} due;

static due partial_expire(const leat_nfa *nfa, partial *p, bool fresh, int64_t now_ms)
{
    due d = {false, false, 0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->places_count; i++) {
        place *at = &p->places[i];
        for (uint64_t left = at->alive; left != 0; left &= left - 1) {
            uint32_t number = (uint32_t)__builtin_ctzll(left);
            const leat_nfa_edge *edge = place_edge(nfa, at, number);
            int64_t deadline = edge_deadline(nfa, p, edge);
            if (deadline > now_ms || deadline == LEAT_TIME_MAX) continue;
            at->alive &= ~((uint64_t)1 << number);
            bool asked = fresh && (edge->not_next.count > 0 || edge->not_next.always);
            bool watched = edge->not_between.count > 0 || edge->not_between.always;
            if (edge->target == LEAT_NFA_ACCEPT && watched && !asked) {
                d.complete = true;
                continue;
            }
            if (!d.ended || deadline > d.end_ms) d.end_ms = deadline;
            d.ended = true;
        }
        if (at->alive != 0) p->places[kept++] = *at;
    }
    p->places_count = kept;
    oracle_partial_deadline(nfa, p);
    return d;
}

/* Timeouts go to the end of `late`, matches to waiting; what has no edges left is freed. */
static leat_code expire(oracle *matcher, int64_t now_ms, oracle_matches *late, leat_err *err)
{
    partials *list = &matcher->partials;
    leat_code code = LEAT_OK;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        partial *p = list->items[i];
        if (p->deadline_ms > now_ms || code != LEAT_OK) {
            list->items[kept++] = p;
            continue;
        }
        bool fresh = p->last->seq == matcher->seq;
        due d = partial_expire(matcher->nfa, p, fresh, now_ms);
        if (d.complete) code = oracle_takes_add(&matcher->waiting, p->last, err);
        if (d.ended && p->places_count == 0 && code == LEAT_OK) {
            p->last->references++;
            code = oracle_matches_add(late, (oracle_match){p->last, true, false, d.end_ms}, err);
        }
        if (p->places_count > 0)
            list->items[kept++] = p;
        else
            oracle_partial_free(p);
    }
    list->count = kept;
    return code;
}

static int compare_late(const void *a, const void *b)
{
    return oracle_compare(((const oracle_match *)a)->last, ((const oracle_match *)b)->last);
}

leat_code oracle_advance(oracle *matcher, oracle_work *work, int64_t now_ms,
                         oracle_matches *matches, leat_err *err)
{
    LEAT_ASSERT(work != NULL && matches != NULL);
    LEAT_ASSERT(matcher->held_count == 0 || matcher->held[0].event->timestamp_ms >= now_ms);
    if (matcher->deadline_ms > now_ms) return LEAT_OK;
    oracle_matches late = {0};
    matches->out = 0;
    leat_code code = expire(matcher, now_ms, &late, err);
    if (code == LEAT_OK) code = oracle_skip_emit(matcher, matches, err);
    if (late.count > 1) qsort(late.items, late.count, sizeof *late.items, compare_late);
    for (size_t i = 0; i < late.count && code == LEAT_OK; i++) {
        if (!matcher->nfa->timeouts) break; /* nobody wants to know */
        if (oracle_matches_full(matcher, matches)) {
            matches->withheld++;
            continue;
        }
        late.items[i].last->references++;
        code = oracle_matches_add(matches, late.items[i], err);
    }
    oracle_matches_release(&late);
    oracle_deadline_set(matcher);
    LEAT_ASSERT(code != LEAT_OK || matcher->deadline_ms > now_ms || now_ms == LEAT_TIME_MAX);
    return code;
}

int64_t oracle_deadline(const oracle *matcher)
{
    return matcher->deadline_ms;
}
