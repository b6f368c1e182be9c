/* SPDX-License-Identifier: Apache-2.0 */
/* Matches as the caller sees them: the takes of one run at a time, in an array of the scratch.
 *
 * Nothing is made for a match. The paths say how many takes it shares with the match before, the
 * others are written over, and whoever wants to keep one copies it. So a match costs the takes in
 * which it differs, and any number of them as much memory as one.
 *
 * How many come out of one event, or of one look at the clock, is limited: the combinations of a
 * loop over fifty events are more than anybody can read. What does not come out is counted without
 * being walked over. */
#include "cep/matcher_inside.h"
#include "core/mem.h"

const leat_take *leat_take_first(const leat_take *last)
{
    while (last->before != NULL)
        last = last->before;
    return last;
}

leat_code takes_of(leat_arena *arena, const graph_walk *walk, leat_take **last, leat_err *err)
{
    *last = NULL;
    for (uint32_t i = walk->count; i-- > 0;) {
        uint32_t number = graph_event_of(walk->path[i]);
        leat_take *made = leat_arena_alloc(arena, sizeof *made);
        if (made == NULL) return leat_arena_full(arena, err);
        *made = (leat_take){.before = *last,
                            .event = graph_entry_at(walk->g, number)->event,
                            .seq = number,
                            .step = graph_step_of(walk->path[i]),
                            .depth = walk->count - i};
        *last = made;
    }
    LEAT_ASSERT(*last != NULL);
    return LEAT_OK;
}

/* --- the match in hand --- */

/* Takes of a match lie one behind the other: what does not change is written here. */
leat_code takes_reserve(leat_matcher_work *work, size_t count, leat_err *err)
{
    size_t size = work->takes_size == 0 ? 16 : work->takes_size;
    while (size < count)
        size *= 2;
    leat_take *takes = leat_mem_try_resize(work->takes, size * sizeof *takes);
    if (takes == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a match");
    for (size_t i = 0; i < size; i++) {
        takes[i].before = i == 0 ? NULL : &takes[i - 1];
        takes[i].depth = (uint32_t)i + 1;
    }
    work->takes = takes;
    work->takes_size = size;
    return LEAT_OK;
}

static inline LEAT_CHECKED leat_code view(const graph *g, leat_matcher_work *work,
                                          const leat_take **last, leat_err *err)
{
    const graph_paths *p = &work->paths;
    if (LEAT_UNLIKELY(p->count > work->takes_size)) LEAT_TRY(takes_reserve(work, p->count, err));
    for (uint32_t i = p->same; i < p->until; i++) {
        uint32_t right = p->path[i];
        uint32_t number = graph_event_of(right);
        leat_take *take = &work->takes[i];
        take->event =
            LEAT_LIKELY(number <= g->events_count) ? g->events[number - 1].event : work->event;
        take->seq = number;
        take->step = graph_step_of(right);
    }
    *last = &work->takes[p->count - 1];
    return LEAT_OK;
}

leat_code match_view(const leat_matcher *matcher, leat_matcher_work *work, const leat_take **last,
                     leat_err *err)
{
    LEAT_ASSERT(work->paths.count > 0 && work->paths.same <= work->paths.count);
    LEAT_TRY(view(&matcher->graph, work, last, err));
    LEAT_ASSERT((*last)->depth == work->paths.count && (*last)->event != NULL);
    return LEAT_OK;
}

/* --- coming out --- */

void matches_begin(leat_matcher_work *work, leat_matches *matches)
{
    LEAT_ASSERT(matches->match != NULL);
    work->out_count = 0;
    work->hurry = false;
    matches->full = matches->pause = false;
}

leat_code match_out(const leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                    const leat_match *match, bool *more, leat_err *err)
{
    *more = work->out_count < matcher_pattern(matcher)->matches_max && !matches->full;
    if (LEAT_UNLIKELY(!*more)) return LEAT_OK;
    work->out_count++;
    matches->count++;
    return matches->match(matches->self, match, err);
}

/* The runs behind the match that differ from it in one take alone, as far as they are to come out.
 */
static LEAT_CHECKED leat_code matches_alike(const leat_matcher *matcher, leat_matcher_work *work,
                                            leat_matches *matches, const leat_match *match,
                                            uint64_t *passed, leat_err *err)
{
    const graph_entry *entries = matcher->graph.events;
    uint32_t entries_count = matcher->graph.events_count;
    const graph_edge *edges = NULL;
    uint32_t count = graph_paths_alike(&work->paths, &edges);
    uint32_t room = matcher->nfa->pattern->matches_max - work->out_count;
    uint32_t i = 0;
    leat_take *take = &work->takes[work->paths.depth];
    if (count > room) count = room;
    for (; i < count && !matches->full && !matches_rest(work, matches); i++) {
        uint32_t number = graph_event_of(edges[i].right);
        LEAT_ASSERT(number - 1 < entries_count);
        take->seq = number;
        take->step = graph_step_of(edges[i].right);
        take->event = entries[number - 1].event;
        matches->count++;
        LEAT_TRY(matches->match(matches->self, match, err));
    }
    work->out_count += i;
    *passed += i;
    if (i > 0) graph_paths_pass(&work->paths, i);
    return LEAT_OK;
}

leat_code matches_all(const leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                      bool found, uint64_t *passed, bool *rests, leat_err *err)
{
    graph_paths *paths = &work->paths;
    bool more = true;
    *rests = false;
    for (; found; ++*passed) {
        leat_match match = {0};
        if (LEAT_UNLIKELY(matches_rest(work, matches))) {
            *rests = true;
            return LEAT_OK;
        }
        LEAT_TRY(view(&matcher->graph, work, &match.last, err));
        LEAT_TRY(match_out(matcher, work, matches, &match, &more, err));
        if (!more) return matches_withhold(matcher, work, matches, 0, UINT32_MAX, *passed, err);
        LEAT_TRY(matches_alike(matcher, work, matches, &match, passed, err));
        LEAT_TRY(graph_paths_next(paths, &found, err));
    }
    return LEAT_OK;
}

leat_code matches_withhold(const leat_matcher *matcher, leat_matcher_work *work,
                           leat_matches *matches, uint32_t from, uint32_t to, uint64_t but,
                           leat_err *err)
{
    const leat_pattern *pattern = matcher_pattern(matcher);
    uint64_t count = 0;
    LEAT_ASSERT(from < to && (matches->full || work->out_count >= pattern->matches_max));
    if (pattern->beyond == LEAT_FAIL)
        return leat_err_set(err, LEAT_ERR_INTERNAL,
                            "pattern %.*s: one event has completed more than %u matches "
                            "(`limits`, with `beyond: fail`)",
                            LEAT_STR_ARG(matcher->nfa->pattern->name), work->out_count);
    LEAT_TRY(graph_paths_count(&work->paths, from, to, &count, err));
    matches->withheld += count > but ? count - but : 1;
    return LEAT_OK;
}
