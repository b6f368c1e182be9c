/* SPDX-License-Identifier: Apache-2.0 */
/* After-match skip. Without a strategy complete matches come out at once, in order. With one, a
 * match waits until no partial match with an earlier first take lives; when it comes out, partial
 * and waiting matches that began no later than the strategy says are gone, without a timeout.
 *
 * Everything is decided by the number of the first event, so dropping is raising a bound. What
 * waits stays in the graph: one entry per completion, however many matches that is, and only those
 * of the first event whose turn it is are ever spelled out. The order among matches is total and
 * depends on their takes alone. */
#include "cep/matcher_inside.h"

/* --- what is complete --- */

leat_code done_add(leat_matcher_work *work, done item, leat_err *err)
{
    void *items = work->done;
    LEAT_TRY(matcher_reserve(&items, &work->done_size, work->done_count, sizeof *work->done, err));
    work->done = items;
    work->done[work->done_count++] = item;
    return LEAT_OK;
}

static leat_code wait_for(leat_matcher *matcher, waiting item, leat_err *err)
{
    void *items = matcher->waiting;
    LEAT_TRY(matcher_reserve(&items, &matcher->waiting_size, matcher->waiting_count,
                             sizeof *matcher->waiting, err));
    matcher->waiting = items;
    matcher->waiting[matcher->waiting_count++] = item;
    return LEAT_OK;
}

/* The event in hand gets its place in the graph, behind all others. */
static leat_code enter(leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    if (work->number != 0) return LEAT_OK;
    leat_event *shared = leat_event_share(work->event);
    leat_code code = graph_event_add(&matcher->graph, shared, &work->number, err);
    if (code != LEAT_OK) leat_event_release(&shared);
    return code;
}

/* What is done rests: it waits, as roots. The order of runs does not depend on where they lie. */
static leat_code rest_done(leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    graph *g = &matcher->graph;
    LEAT_ASSERT(matcher->waiting_count == 0 && work->done_count < UINT32_MAX);
    LEAT_TRY(graph_reserve(g, (uint32_t)work->done_count, err));
    for (size_t i = 0; i < work->done_count; i++) {
        const done *d = &work->done[i];
        uint32_t root = d->root;
        if (d->step != MACHINE_NONE) {
            LEAT_TRY(enter(matcher, work, err));
            root = graph_take(g, root, work->number, d->step);
        }
        LEAT_TRY(wait_for(matcher, (waiting){root, d->from, d->to}, err));
    }
    return LEAT_OK;
}

/* The paths of what is done. */
static leat_code open_done(const leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    const graph *g = &matcher->graph;
    uint32_t number = work->number != 0 ? work->number : g->events_count + 1;
    graph_paths_begin(&work->paths, g);
    for (size_t i = 0; i < work->done_count; i++) {
        const done *d = &work->done[i];
        uint32_t tail = d->step == MACHINE_NONE ? 0 : d->step << GRAPH_EVENT_BITS | number;
        LEAT_ASSERT(tail == 0 || work->event != NULL);
        LEAT_TRY(graph_paths_add(&work->paths, (graph_source){d->root, tail, d->from, d->to}, err));
    }
    return LEAT_OK;
}

static leat_code emit_many(const leat_matcher *matcher, leat_matcher_work *work,
                           leat_matches *matches, uint64_t *passed, bool *rests, leat_err *err)
{
    bool found = false;
    LEAT_TRY(open_done(matcher, work, err));
    LEAT_TRY(graph_paths_next(&work->paths, &found, err));
    return matches_all(matcher, work, matches, found, passed, rests, err);
}

/* No strategy: all of it comes out. */
static leat_code emit_done(leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                           leat_err *err)
{
    few_matches few;
    if (work->done_count == 0) return LEAT_OK;
    work->ticket++;
    LEAT_TRY(matches_few(matcher, work, matches, &few, err));
    bool rests = few.end == FEW_REST;
    uint64_t ticket = 0; /* the paths stand nowhere */
    if (few.end == FEW_NONE) {
        LEAT_TRY(emit_many(matcher, work, matches, &few.passed, &rests, err));
        ticket = work->ticket;
    } else if (LEAT_UNLIKELY(few.end == FEW_FULL)) {
        LEAT_TRY(open_done(matcher, work, err));
        LEAT_TRY(matches_withhold(matcher, work, matches, 0, UINT32_MAX, few.passed, err));
    }
    if (LEAT_UNLIKELY(rests)) {
        LEAT_TRY(rest_done(matcher, work, err));
        matcher->rest = (rest){REST_LAST, work->out_count, few.passed, ticket};
    }
    work->done_count = 0;
    return LEAT_OK;
}

static leat_code wait_done(leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    for (size_t i = 0; i < work->done_count; i++) {
        const done *d = &work->done[i];
        LEAT_ASSERT(d->root != 0 && d->step == MACHINE_NONE);
        LEAT_TRY(wait_for(matcher, (waiting){d->root, d->from, d->to}, err));
    }
    work->done_count = 0;
    return LEAT_OK;
}

/* --- what waits --- */

/* The event up to which first takes are dropped; 0: none. */
static uint64_t skip_limit(const leat_pattern *pattern, const leat_take *last, bool *missed)
{
    uint64_t named = 0;
    *missed = false;
    switch (pattern->skip) {
    case LEAT_SKIP_NONE: return 0;
    case LEAT_SKIP_TO_NEXT: return leat_take_first(last)->seq;
    case LEAT_SKIP_PAST_LAST_EVENT: return last->seq;
    case LEAT_SKIP_TO_FIRST:
    case LEAT_SKIP_TO_LAST: break;
    }
    for (const leat_take *take = last; take != NULL; take = take->before) {
        if (take->step != pattern->skip_to) continue;
        named = take->seq;
        if (pattern->skip == LEAT_SKIP_TO_LAST) break;
    }
    *missed = named == 0 && pattern->skip_must;
    return named == 0 ? 0 : named - 1; /* what begins at that very event lives on */
}

static uint32_t waits_from(const leat_matcher *matcher, const waiting *w)
{
    return w->from > matcher->skipped ? w->from : matcher->skipped;
}

/* The event that the earliest of the waiting matches begins with; UINT32_MAX: there is none. */
static leat_code first_waiting(leat_matcher *matcher, leat_matcher_work *work, uint32_t *first,
                               leat_err *err)
{
    uint32_t kept = 0;
    *first = UINT32_MAX;
    for (size_t i = 0; i < matcher->waiting_count; i++) {
        waiting w = matcher->waiting[i];
        uint32_t least = UINT32_MAX;
        LEAT_TRY(graph_least(&work->walk, &matcher->graph, w.root, waits_from(matcher, &w), w.to,
                             &least, err));
        if (least == UINT32_MAX) continue;
        if (least < *first) *first = least;
        matcher->waiting[kept++] = w;
    }
    matcher->waiting_count = kept;
    return LEAT_OK;
}

/* Whether a partial match lives that began before that event. */
static leat_code earlier_lives(const leat_matcher *matcher, leat_matcher_work *work,
                               uint32_t before, bool *lives, leat_err *err)
{
    const graph *g = &matcher->graph;
    *lives = false;
    for (size_t i = 0; i < matcher->bundles.count && !*lives; i++) {
        uint32_t root = bundle_at(matcher->machine, &matcher->bundles, i)->root;
        uint32_t least = UINT32_MAX;
        if (!graph_lives(g, root) || graph_node_at(g, root)->least >= before) continue;
        LEAT_TRY(graph_least(&work->walk, g, root, g->bound, before, &least, err));
        *lives = least != UINT32_MAX;
    }
    return LEAT_OK;
}

static leat_code open_waiting(const leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    work->ticket++;
    graph_paths_begin(&work->paths, &matcher->graph);
    for (size_t i = 0; i < matcher->waiting_count; i++) {
        const waiting *w = &matcher->waiting[i];
        uint32_t from = waits_from(matcher, w);
        LEAT_TRY(graph_paths_add(&work->paths, (graph_source){w->root, 0, from, w->to}, err));
    }
    return LEAT_OK;
}

/* The paths find a run behind those that have come out. */
static leat_code pass_over(const leat_matcher *matcher, leat_matcher_work *work, uint64_t passed,
                           bool *found, leat_err *err)
{
    const leat_take *last = NULL;
    LEAT_TRY(graph_paths_next(&work->paths, found, err));
    for (; *found && passed > 0; passed--) {
        LEAT_TRY(match_view(matcher, work, &last, err));
        LEAT_TRY(graph_paths_next(&work->paths, found, err));
    }
    return LEAT_OK;
}

/* Those that begin with one event, in order, as long as none of them puts an end to the others. */
static leat_code emit_first(leat_matcher *matcher, leat_matcher_work *work, uint32_t first,
                            uint64_t out, leat_matches *matches, leat_err *err)
{
    const leat_pattern *pattern = matcher_pattern(matcher);
    bool found = false;
    bool more = true;
    work->paths.stop = first + 1;
    LEAT_TRY(pass_over(matcher, work, out, &found, err));
    LEAT_ASSERT(out > 0 || (found && graph_event_of(work->paths.path[0]) == first));
    LEAT_ASSERT(first >= matcher->skipped);
    while (found) {
        leat_match match = {0};
        if (LEAT_UNLIKELY(matches_rest(work, matches))) {
            matcher->rest = (rest){REST_LAST, work->out_count, out, 0};
            return LEAT_OK;
        }
        LEAT_TRY(match_view(matcher, work, &match.last, err));
        uint64_t limit = skip_limit(pattern, match.last, &match.missed);
        LEAT_TRY(match_out(matcher, work, matches, &match, &more, err));
        if (limit >= matcher->skipped) matcher->skipped = (uint32_t)limit + 1;
        bool last = matcher->skipped > first;
        if (!more && last) matches->withheld++;
        if (!more && !last)
            LEAT_TRY(matches_withhold(matcher, work, matches, first, first + 1, out, err));
        if (!more || last) break;
        out++;
        LEAT_TRY(graph_paths_next(&work->paths, &found, err));
    }
    for (size_t i = 0; i < matcher->waiting_count; i++)
        if (matcher->waiting[i].from <= first) matcher->waiting[i].from = first + 1;
    work->paths.stop = UINT32_MAX;
    if (matcher->skipped > matcher->graph.bound) matcher->graph.bound = matcher->skipped;
    return LEAT_OK;
}

leat_code skip_emit(leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                    leat_err *err)
{
    uint32_t first = UINT32_MAX;
    bool open = false;
    if (matcher_pattern(matcher)->skip == LEAT_SKIP_NONE)
        return emit_done(matcher, work, matches, err);
    uint64_t passed = matcher->rest.passed;
    matcher->rest = (rest){0};
    LEAT_TRY(wait_done(matcher, work, err));
    if (matcher->waiting_count == 0) return LEAT_OK;
    LEAT_TRY(first_waiting(matcher, work, &first, err));
    while (first != UINT32_MAX) {
        bool lives = false;
        LEAT_TRY(earlier_lives(matcher, work, first, &lives, err));
        if (lives) break;
        if (!open) LEAT_TRY(open_waiting(matcher, work, err));
        if (!open) LEAT_TRY(graph_paths_skip(&work->paths, first, &first, err));
        open = true;
        LEAT_TRY(emit_first(matcher, work, first, passed, matches, err));
        if (matcher->rest.then != REST_NONE) break;
        passed = 0;
        uint32_t next = matcher->skipped > first ? matcher->skipped : first + 1;
        LEAT_TRY(graph_paths_skip(&work->paths, next, &first, err));
    }
    /* Those of which nothing is left go. */
    return open ? first_waiting(matcher, work, &first, err) : LEAT_OK;
}

/* No strategy: what waits are the matches that rest. */
static leat_code resume_all(leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                            leat_err *err)
{
    uint64_t passed = matcher->rest.passed;
    bool found = true;
    bool rests = false;
    if (matcher->rest.ticket != work->ticket || work->ticket == 0) {
        LEAT_TRY(open_waiting(matcher, work, err));
        LEAT_TRY(pass_over(matcher, work, passed, &found, err));
    }
    LEAT_TRY(matches_all(matcher, work, matches, found, &passed, &rests, err));
    matcher->rest = (rest){REST_NONE, 0, 0, 0};
    if (rests) {
        matcher->rest = (rest){REST_LAST, work->out_count, passed, work->ticket};
        return LEAT_OK;
    }
    matcher->waiting_count = 0;
    return matcher_collect(matcher, work, err);
}

leat_code skip_resume(leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                      leat_err *err)
{
    LEAT_ASSERT(matcher->rest.then != REST_NONE && matcher->waiting_count > 0);
    if (matcher_pattern(matcher)->skip == LEAT_SKIP_NONE)
        return resume_all(matcher, work, matches, err);
    return skip_emit(matcher, work, matches, err);
}
