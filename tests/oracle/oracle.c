/* SPDX-License-Identifier: Apache-2.0 */
/* The plain matcher: a list of partial matches, each looked at for every event.
 *
 *   feed   for each partial match and for the start: oracle_partial_step tells the takes that the
 * event allows; each becomes a partial match of its own beside the one it comes from
 *          -> limits -> oracle_skip_emit -> the deadline of what is left
 *
 * It is written to be evidently right: no sharing between partial matches but their takes, no
 * indexes, no cleverness about which of them an event concerns. Its cost is the product of partial
 * matches and edges, which is small where patterns are selective, and bounded by `limits` where
 * they are not. The product's matcher must give the same matches in the same order.
 *
 * The step of a take is part of its identity, the state it leads to is not: targets with the same
 * step become places of one partial match, which is what makes every match come out once. */
#include "tests/oracle/oracle.h"

#include "core/mem.h"
#include "tests/oracle/oracle_inside.h"

/* --- arrays and references --- */

leat_code oracle_reserve(void **items, size_t *size, size_t count, size_t bytes, leat_err *err)
{
    if (count < *size) return LEAT_OK;
    size_t more = *size == 0 ? 4 : *size * 2;
    void *grown = leat_mem_try_resize(*items, more * bytes);
    if (grown == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
    *items = grown;
    *size = more;
    return LEAT_OK;
}

leat_code oracle_partials_add(partials *list, partial *item, leat_err *err)
{
    void *items = list->items;
    LEAT_TRY(oracle_reserve(&items, &list->size, list->count, sizeof *list->items, err));
    list->items = items;
    list->items[list->count++] = item;
    return LEAT_OK;
}

leat_code oracle_takes_add(takes *list, oracle_take *take, leat_err *err)
{
    void *items = list->items;
    LEAT_TRY(oracle_reserve(&items, &list->size, list->count, sizeof *list->items, err));
    list->items = items;
    list->items[list->count++] = take;
    take->references++;
    return LEAT_OK;
}

void oracle_take_release(oracle_take **take)
{
    oracle_take *gone = *take;
    *take = NULL;
    while (gone != NULL) { /* a loop, as chains can be long */
        LEAT_ASSERT(gone->references > 0);
        if (--gone->references > 0) return;
        oracle_take *before = gone->before;
        leat_event_release(&gone->event);
        leat_mem_free(gone);
        gone = before;
    }
}

const oracle_take *oracle_take_first(const oracle_take *last)
{
    while (last->before != NULL)
        last = last->before;
    return last;
}

void oracle_partial_free(partial *gone)
{
    oracle_take_release(&gone->last);
    leat_mem_free(gone);
}

/* --- life --- */

oracle_work *oracle_work_new(void)
{
    return leat_mem_need(sizeof(oracle_work));
}

static void fresh_clear(oracle_work *work)
{
    for (size_t i = 0; i < work->fresh.count; i++)
        oracle_partial_free(work->fresh.items[i]);
    work->fresh.count = 0;
    leat_event_release(&work->event);
}

void oracle_work_free(oracle_work **work)
{
    oracle_work *gone = *work;
    if (gone == NULL) return;
    fresh_clear(gone);
    leat_mem_free(gone->fresh.items);
    leat_mem_free(gone->options);
    leat_mem_free(gone);
    *work = NULL;
}

leat_code oracle_new(const leat_nfa *nfa, oracle **matcher, leat_err *err)
{
    LEAT_ASSERT(nfa != NULL && nfa->states_count > 0);
    oracle *made = leat_mem_try(sizeof *made);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a key's matches");
    *made = (oracle){.nfa = nfa, .deadline_ms = LEAT_TIME_MAX};
    *matcher = made;
    return LEAT_OK;
}

void oracle_free(oracle **matcher)
{
    oracle *gone = *matcher;
    if (gone == NULL) return;
    for (size_t i = 0; i < gone->partials.count; i++)
        oracle_partial_free(gone->partials.items[i]);
    for (size_t i = 0; i < gone->waiting.count; i++)
        oracle_take_release(&gone->waiting.items[i]);
    oracle_held_clear(gone);
    leat_mem_free(gone->partials.items);
    leat_mem_free(gone->waiting.items);
    leat_mem_free(gone);
    *matcher = NULL;
}

bool oracle_empty(const oracle *matcher)
{
    return matcher->partials.count == 0 && matcher->waiting.count == 0 && matcher->held_count == 0;
}

size_t oracle_partials(const oracle *matcher)
{
    return matcher->partials.count;
}

/* --- taking --- */

static leat_code take_new(oracle_work *work, const oracle *matcher, oracle_take *before,
                          uint32_t step, const oracle_host *host, oracle_take **take, leat_err *err)
{
    if (work->event == NULL) {
        LEAT_TRY(host->keep(host->self, &work->event, err));
        LEAT_ASSERT(work->event != NULL);
    }
    LEAT_ASSERT(before == NULL || before->seq < matcher->seq);
    oracle_take *made = leat_mem_try(sizeof *made);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a take");
    *made = (oracle_take){.before = before,
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
static leat_code extend(oracle *matcher, oracle_work *work, const partial *parent, size_t from,
                        int64_t timestamp_ms, const oracle_host *host, leat_err *err)
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
    oracle_take *take = NULL;
    LEAT_TRY(take_new(work, matcher, parent->last, step, host, &take, err));
    leat_code code = complete ? oracle_takes_add(&matcher->waiting, take, err) : LEAT_OK;
    partial *child = NULL;
    if (code == LEAT_OK && places > 0) {
        child = leat_mem_try(sizeof *child + places * sizeof(place));
        if (child == NULL)
            code = leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a partial match");
    }
    if (child == NULL) {
        oracle_take_release(&take);
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
    oracle_partial_deadline(nfa, child);
    code = oracle_partials_add(&work->fresh, child, err);
    if (code != LEAT_OK) oracle_partial_free(child);
    return code;
}

/* What comes of the options that oracle_partial_step has found. *full: the limit of takes was met.
 */
static leat_code extend_all(oracle *matcher, oracle_work *work, const partial *parent,
                            int64_t timestamp_ms, const oracle_host *host, bool *full,
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

static leat_code limit_failed(const oracle *matcher, const char *what, uint32_t limit,
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

static leat_code keep_limit(oracle *matcher, oracle_matches *matches, leat_err *err)
{
    const leat_pattern *pattern = matcher->nfa->pattern;
    partials *list = &matcher->partials;
    LEAT_ASSERT(pattern->runs_max > 0);
    while (list->count > pattern->runs_max) {
        if (pattern->beyond == LEAT_FAIL)
            return limit_failed(matcher, "partial matches", pattern->runs_max, err);
        size_t gone = pattern->beyond == LEAT_DROP_OLDEST ? oldest(list) : list->count - 1;
        oracle_partial_free(list->items[gone]);
        list->count--;
        memmove(list->items + gone, list->items + gone + 1,
                (list->count - gone) * sizeof *list->items);
        matches->dropped++;
    }
    return LEAT_OK;
}

/* --- feeding --- */

static leat_code feed_start(oracle *matcher, oracle_work *work, int64_t timestamp_ms,
                            const oracle_host *host, leat_err *err)
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
    LEAT_TRY(oracle_partial_step(nfa, work, &start.p, false, true, host, &complete, err));
    LEAT_ASSERT(!complete);
    return extend_all(matcher, work, &start.p, timestamp_ms, host, &full, err);
}

/* One partial match and the event in hand; *dead: it has nothing left to wait for. */
static leat_code feed_partial(oracle *matcher, oracle_work *work, partial *p, int64_t timestamp_ms,
                              const oracle_host *host, oracle_matches *matches, bool *dead,
                              leat_err *err)
{
    const leat_pattern *pattern = matcher->nfa->pattern;
    bool fresh = p->last->seq + 1 == matcher->seq;
    bool complete = false;
    bool full = false;
    LEAT_ASSERT(p->last->seq < matcher->seq && p->first_seq <= p->last->seq);
    LEAT_TRY(oracle_partial_step(matcher->nfa, work, p, fresh, false, host, &complete, err));
    if (complete) LEAT_TRY(oracle_takes_add(&matcher->waiting, p->last, err));
    LEAT_TRY(extend_all(matcher, work, p, timestamp_ms, host, &full, err));
    oracle_partial_deadline(matcher->nfa, p);
    *dead = p->places_count == 0;
    if (!full) return LEAT_OK;
    if (pattern->beyond == LEAT_FAIL)
        return limit_failed(matcher, "events in a match", pattern->takes_max, err);
    if (pattern->beyond == LEAT_DROP_OLDEST) *dead = true;
    matches->dropped++;
    return LEAT_OK;
}

static leat_code feed_all(oracle *matcher, oracle_work *work, int64_t timestamp_ms,
                          const oracle_host *host, oracle_matches *matches, leat_err *err)
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
            oracle_partial_free(p);
        else
            list->items[kept++] = p;
    }
    list->count = kept;
    LEAT_TRY(code);
    LEAT_TRY(feed_start(matcher, work, timestamp_ms, host, err));
    for (size_t i = 0; i < work->fresh.count; i++) {
        code = oracle_partials_add(list, work->fresh.items[i], err);
        if (code == LEAT_OK) continue;
        memmove(work->fresh.items, work->fresh.items + i,
                (work->fresh.count - i) * sizeof *work->fresh.items);
        work->fresh.count -= i;
        return code;
    }
    work->fresh.count = 0;
    return keep_limit(matcher, matches, err);
}

leat_code oracle_feed(oracle *matcher, oracle_work *work, int64_t timestamp_ms,
                      const oracle_host *host, oracle_matches *matches, leat_err *err)
{
    LEAT_ASSERT(work->event == NULL && work->fresh.count == 0);
    /* Time was advanced before; but for what is held, which is fed when its time is past. */
    LEAT_ASSERT(matcher->deadline_ms > timestamp_ms);
    matcher->seq++;
    matches->out = 0;
    leat_code code = feed_all(matcher, work, timestamp_ms, host, matches, err);
    if (code == LEAT_OK) code = oracle_skip_emit(matcher, matches, err);
    fresh_clear(work);
    oracle_deadline_set(matcher);
    return code;
}
