/* SPDX-License-Identifier: Apache-2.0 */
/* The plain matcher: a list of partial matches, each looked at for every event.
 *
 *   feed   for each partial match and for the start: partial_step tells the takes that the event
 *          allows; each becomes a partial match of its own beside the one it comes from
 *          -> limits -> skip_emit -> the deadline of what is left
 *
 * It is written to be evidently right: no sharing between partial matches but their takes, no
 * indexes, no cleverness about which of them an event concerns. Its cost is the product of partial
 * matches and edges, which is small where patterns are selective, and bounded by `limits` where
 * they are not. Whatever replaces it must give the same matches in the same order.
 *
 * The step of a take is part of its identity, the state it leads to is not: targets with the same
 * step become places of one partial match, which is what makes every match come out once. */
#include "cep/matcher.h"

#include "cep/matcher_inside.h"
#include "core/mem.h"

/* --- arrays and references --- */

leat_code matcher_reserve(void **items, size_t *size, size_t count, size_t bytes, leat_err *err)
{
    if (count < *size) return LEAT_OK;
    size_t more = *size == 0 ? 4 : *size * 2;
    void *grown = leat_mem_try_resize(*items, more * bytes);
    if (grown == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
    *items = grown;
    *size = more;
    return LEAT_OK;
}

leat_code partials_add(partials *list, partial *item, leat_err *err)
{
    void *items = list->items;
    LEAT_TRY(matcher_reserve(&items, &list->size, list->count, sizeof *list->items, err));
    list->items = items;
    list->items[list->count++] = item;
    return LEAT_OK;
}

leat_code takes_add(takes *list, leat_take *take, leat_err *err)
{
    void *items = list->items;
    LEAT_TRY(matcher_reserve(&items, &list->size, list->count, sizeof *list->items, err));
    list->items = items;
    list->items[list->count++] = take;
    take->references++;
    return LEAT_OK;
}

void leat_take_release(leat_take **take)
{
    leat_take *gone = *take;
    *take = NULL;
    while (gone != NULL) { /* a loop, as chains can be long */
        LEAT_ASSERT(gone->references > 0);
        if (--gone->references > 0) return;
        leat_take *before = gone->before;
        leat_event_release(&gone->event);
        leat_mem_free(gone);
        gone = before;
    }
}

const leat_take *leat_take_first(const leat_take *last)
{
    while (last->before != NULL)
        last = last->before;
    return last;
}

void partial_free(partial *gone)
{
    leat_take_release(&gone->last);
    leat_mem_free(gone);
}

/* --- life --- */

leat_matcher_work *leat_matcher_work_new(void)
{
    return leat_mem_need(sizeof(leat_matcher_work));
}

static void fresh_clear(leat_matcher_work *work)
{
    for (size_t i = 0; i < work->fresh.count; i++)
        partial_free(work->fresh.items[i]);
    work->fresh.count = 0;
    leat_event_release(&work->event);
}

void leat_matcher_work_free(leat_matcher_work **work)
{
    leat_matcher_work *gone = *work;
    if (gone == NULL) return;
    fresh_clear(gone);
    leat_mem_free(gone->fresh.items);
    leat_mem_free(gone->options);
    leat_mem_free(gone->order.items);
    leat_mem_free(gone->events);
    leat_mem_free(gone);
    *work = NULL;
}

leat_code leat_matcher_new(const leat_nfa *nfa, leat_matcher **matcher, leat_err *err)
{
    LEAT_ASSERT(nfa != NULL && nfa->states_count > 0);
    leat_matcher *made = leat_mem_try(sizeof *made);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a key's matches");
    *made = (leat_matcher){.nfa = nfa, .deadline_ms = LEAT_TIME_MAX};
    *matcher = made;
    return LEAT_OK;
}

void leat_matcher_free(leat_matcher **matcher)
{
    leat_matcher *gone = *matcher;
    if (gone == NULL) return;
    for (size_t i = 0; i < gone->partials.count; i++)
        partial_free(gone->partials.items[i]);
    for (size_t i = 0; i < gone->waiting.count; i++)
        leat_take_release(&gone->waiting.items[i]);
    held_clear(gone);
    leat_mem_free(gone->partials.items);
    leat_mem_free(gone->waiting.items);
    leat_mem_free(gone);
    *matcher = NULL;
}

const leat_nfa *leat_matcher_nfa(const leat_matcher *matcher)
{
    return matcher->nfa;
}

bool leat_matcher_empty(const leat_matcher *matcher)
{
    return matcher->partials.count == 0 && matcher->waiting.count == 0 && matcher->held_count == 0;
}

size_t leat_matcher_partials(const leat_matcher *matcher)
{
    return matcher->partials.count;
}

/* --- taking --- */

static leat_code take_new(leat_matcher_work *work, const leat_matcher *matcher, leat_take *before,
                          uint32_t step, const leat_matcher_host *host, leat_take **take,
                          leat_err *err)
{
    if (work->event == NULL) {
        LEAT_TRY(host->keep(host->self, &work->event, err));
        LEAT_ASSERT(work->event != NULL);
    }
    LEAT_ASSERT(before == NULL || before->seq < matcher->seq);
    leat_take *made = leat_mem_try(sizeof *made);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a take");
    *made = (leat_take){.before = before,
                        .event = leat_event_share(work->event),
                        .seq = matcher->seq,
                        .step = step,
                        .depth = before == NULL ? 1 : before->depth + 1,
                        .references = 1};
    if (before != NULL) before->references++;
    *take = made;
    return LEAT_OK;
}

/* All options of one step, from `from` on: one partial match, or a complete one, or both. */
static leat_code extend(leat_matcher *matcher, leat_matcher_work *work, const partial *parent,
                        size_t from, int64_t timestamp_ms, const leat_matcher_host *host,
                        leat_err *err)
{
    const leat_nfa *nfa = matcher->nfa;
    uint32_t step = work->options[from].step;
    uint32_t places = 0;
    bool complete = false;
    for (size_t i = from; i < work->options_count; i++) {
        if (work->options[i].step != step) continue;
        const leat_nfa_state *state = nfa->states[work->options[i].target];
        complete = complete || state->accepts;
        places += state->edges_count > 0;
    }
    leat_take *take = NULL;
    LEAT_TRY(take_new(work, matcher, parent->last, step, host, &take, err));
    leat_code code = complete ? takes_add(&matcher->waiting, take, err) : LEAT_OK;
    partial *child = NULL;
    if (code == LEAT_OK && places > 0) {
        child = leat_mem_try(sizeof *child + places * sizeof(place));
        if (child == NULL)
            code = leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a partial match");
    }
    if (child == NULL) {
        leat_take_release(&take);
        return code;
    }
    *child = (partial){.last = take,
                       .first_seq = parent->last == NULL ? matcher->seq : parent->first_seq,
                       .first_ms = parent->last == NULL ? timestamp_ms : parent->first_ms};
    for (size_t i = from; i < work->options_count; i++) {
        uint32_t target = work->options[i].target;
        uint32_t edges = nfa->states[target]->edges_count;
        if (work->options[i].step != step || edges == 0) continue;
        uint64_t all = edges == 64 ? UINT64_MAX : ((uint64_t)1 << edges) - 1;
        child->places[child->places_count++] = (place){.state = target, .alive = all};
    }
    LEAT_ASSERT(child->places_count == places);
    partial_deadline(nfa, child);
    code = partials_add(&work->fresh, child, err);
    if (code != LEAT_OK) partial_free(child);
    return code;
}

/* What comes of the options that partial_step has found. *full: the limit of takes was met. */
static leat_code extend_all(leat_matcher *matcher, leat_matcher_work *work, const partial *parent,
                            int64_t timestamp_ms, const leat_matcher_host *host, bool *full,
                            leat_err *err)
{
    *full = parent->last != NULL && parent->last->depth >= matcher->nfa->pattern->takes_max &&
            work->options_count > 0;
    if (*full) return LEAT_OK;
    for (size_t i = 0; i < work->options_count; i++) {
        bool done = false;
        for (size_t j = 0; j < i && !done; j++)
            done = work->options[j].step == work->options[i].step;
        if (!done) LEAT_TRY(extend(matcher, work, parent, i, timestamp_ms, host, err));
    }
    return LEAT_OK;
}

/* --- limits --- */

static leat_code limit_failed(const leat_matcher *matcher, const char *what, uint32_t limit,
                              leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_INTERNAL,
                        "pattern %.*s: a key has more than %u %s (`limits`, with `beyond: fail`)",
                        LEAT_STR_ARG(matcher->nfa->pattern->name), limit, what);
}

/* The partial match that began first; of several, the one that was made first. */
static size_t oldest(const partials *list)
{
    size_t best = 0;
    for (size_t i = 1; i < list->count; i++)
        if (list->items[i]->first_seq < list->items[best]->first_seq) best = i;
    return best;
}

static leat_code keep_limit(leat_matcher *matcher, leat_matches *matches, leat_err *err)
{
    const leat_pattern *pattern = matcher->nfa->pattern;
    partials *list = &matcher->partials;
    LEAT_ASSERT(pattern->runs_max > 0);
    while (list->count > pattern->runs_max) {
        if (pattern->beyond == LEAT_FAIL)
            return limit_failed(matcher, "partial matches", pattern->runs_max, err);
        size_t gone = pattern->beyond == LEAT_DROP_OLDEST ? oldest(list) : list->count - 1;
        partial_free(list->items[gone]);
        list->count--;
        memmove(list->items + gone, list->items + gone + 1,
                (list->count - gone) * sizeof *list->items);
        matches->dropped++;
    }
    return LEAT_OK;
}

/* --- feeding --- */

static leat_code feed_start(leat_matcher *matcher, leat_matcher_work *work, int64_t timestamp_ms,
                            const leat_matcher_host *host, leat_err *err)
{
    union {
        partial p;
        char room[sizeof(partial) + sizeof(place)];
    } start = {.p = {.places_count = 1}};
    const leat_nfa *nfa = matcher->nfa;
    uint32_t edges = nfa->states[0]->edges_count;
    uint64_t all = edges == 64 ? UINT64_MAX : ((uint64_t)1 << edges) - 1;
    bool complete = false;
    bool full = false;
    start.p.places[0] = (place){.alive = all};
    LEAT_TRY(partial_step(nfa, work, &start.p, false, true, host, &complete, err));
    LEAT_ASSERT(!complete);
    return extend_all(matcher, work, &start.p, timestamp_ms, host, &full, err);
}

leat_code leat_matcher_starts(const leat_nfa *nfa, const leat_matcher_host *host, bool *starts,
                              leat_err *err)
{
    const leat_nfa_state *state = nfa->states[0];
    *starts = false;
    for (uint32_t i = 0; i < state->edges_count && !*starts; i++) {
        *starts = state->edges[i].where == LEAT_CONDITION_TRUE;
        if (!*starts) LEAT_TRY(host->test(host->self, state->edges[i].where, NULL, starts, err));
    }
    return LEAT_OK;
}

/* One partial match and the event in hand; *dead: it has nothing left to wait for. */
static leat_code feed_partial(leat_matcher *matcher, leat_matcher_work *work, partial *p,
                              int64_t timestamp_ms, const leat_matcher_host *host,
                              leat_matches *matches, bool *dead, leat_err *err)
{
    const leat_pattern *pattern = matcher->nfa->pattern;
    bool fresh = p->last->seq + 1 == matcher->seq;
    bool complete = false;
    bool full = false;
    LEAT_ASSERT(p->last->seq < matcher->seq && p->first_seq <= p->last->seq);
    LEAT_TRY(partial_step(matcher->nfa, work, p, fresh, false, host, &complete, err));
    if (complete) LEAT_TRY(takes_add(&matcher->waiting, p->last, err));
    LEAT_TRY(extend_all(matcher, work, p, timestamp_ms, host, &full, err));
    partial_deadline(matcher->nfa, p);
    *dead = p->places_count == 0;
    if (!full) return LEAT_OK;
    if (pattern->beyond == LEAT_FAIL)
        return limit_failed(matcher, "events in a match", pattern->takes_max, err);
    if (pattern->beyond == LEAT_DROP_OLDEST) *dead = true;
    matches->dropped++;
    return LEAT_OK;
}

static leat_code feed_all(leat_matcher *matcher, leat_matcher_work *work, int64_t timestamp_ms,
                          const leat_matcher_host *host, leat_matches *matches, leat_err *err)
{
    partials *list = &matcher->partials;
    leat_code code = LEAT_OK;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        partial *p = list->items[i];
        bool dead = false;
        if (code == LEAT_OK)
            code = feed_partial(matcher, work, p, timestamp_ms, host, matches, &dead, err);
        if (dead)
            partial_free(p);
        else
            list->items[kept++] = p;
    }
    list->count = kept;
    LEAT_TRY(code);
    LEAT_TRY(feed_start(matcher, work, timestamp_ms, host, err));
    for (size_t i = 0; i < work->fresh.count; i++) {
        code = partials_add(list, work->fresh.items[i], err);
        if (code == LEAT_OK) continue;
        memmove(work->fresh.items, work->fresh.items + i,
                (work->fresh.count - i) * sizeof *work->fresh.items);
        work->fresh.count -= i;
        return code;
    }
    work->fresh.count = 0;
    return keep_limit(matcher, matches, err);
}

leat_code leat_matcher_feed(leat_matcher *matcher, leat_matcher_work *work, int64_t timestamp_ms,
                            const leat_matcher_host *host, leat_matches *matches, leat_err *err)
{
    LEAT_ASSERT(work->event == NULL && work->fresh.count == 0);
    /* Time was advanced before; but for what is held, which is fed when its time is past. */
    LEAT_ASSERT(matcher->deadline_ms > timestamp_ms);
    matcher->seq++;
    leat_code code = feed_all(matcher, work, timestamp_ms, host, matches, err);
    if (code == LEAT_OK) code = skip_emit(matcher, matches, err);
    fresh_clear(work);
    matcher_deadline(matcher);
    return code;
}
