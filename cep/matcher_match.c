/* SPDX-License-Identifier: Apache-2.0 */
/* Matches as the caller sees them: chains of takes, made when a match comes out and not before.
 *
 * Each match has a chain of its own, in the arena of the list that it is in. It holds the events
 * that it shows, so it outlives whatever the matcher forgets. The cost of a match is that of its
 * takes, which is what its reader has to spend on it anyway.
 *
 * Two orders. Matches: the one whose takes are earliest first, then the longer one, then by step
 * (leat_skip_compare). Timeouts: by their last takes, then by the takes before, one that begins
 * with an event after those that it continues: the order in which a list of partial matches would
 * have grown. Neither depends on where in the graph a run happens to lie. */
#include "cep/matcher_inside.h"
#include "cep/skip.h"
#include "core/mem.h"

#include <stdlib.h>

#define MATCHES_BYTES_MAX ((size_t)8 << 30)

const leat_take *leat_take_first(const leat_take *last)
{
    while (last->before != NULL)
        last = last->before;
    return last;
}

static leat_code take_add(leat_arena *arena, leat_event *event, uint64_t seq, uint32_t step,
                          leat_take **last, leat_err *err)
{
    leat_take *before = *last;
    leat_take *made = leat_arena_alloc(arena, sizeof *made);
    if (made == NULL) return leat_arena_full(arena, err);
    LEAT_ASSERT(before == NULL || before->seq < seq);
    *made = (leat_take){.before = before,
                        .event = event,
                        .seq = seq,
                        .step = step,
                        .depth = before == NULL ? 1 : before->depth + 1};
    *last = made;
    return LEAT_OK;
}

leat_code takes_of(leat_arena *arena, const graph_walk *walk, const leat_matcher_work *work,
                   uint32_t step, bool shared, leat_take **last, leat_err *err)
{
    const graph *g = walk->g;
    *last = NULL;
    for (uint32_t i = walk->count; i-- > 0;) {
        uint32_t number = graph_event_of(walk->path[i]);
        leat_event *event = graph_entry_at(g, number)->event;
        LEAT_TRY(take_add(arena, event, number, graph_step_of(walk->path[i]), last, err));
    }
    if (step != MACHINE_NONE) {
        uint64_t seq = work->number != 0 ? work->number : (uint64_t)g->events_count + 1;
        LEAT_ASSERT(work->event != NULL);
        LEAT_TRY(take_add(arena, work->event, seq, step, last, err));
    }
    LEAT_ASSERT(*last != NULL);
    for (leat_take *take = *last; shared && take != NULL; take = take->before)
        (void)leat_event_share(take->event);
    return LEAT_OK;
}

leat_code matches_add(leat_matches *matches, const graph_walk *walk, const leat_matcher_work *work,
                      uint32_t step, leat_match match, leat_err *err)
{
    void *items = matches->items;
    leat_take *last = NULL;
    if (matches->arena == NULL) LEAT_TRY(leat_arena_new(&matches->arena, MATCHES_BYTES_MAX, err));
    LEAT_TRY(matcher_reserve(&items, &matches->size, matches->count, sizeof *matches->items, err));
    matches->items = items;
    LEAT_TRY(takes_of(matches->arena, walk, work, step, true, &last, err));
    match.last = last;
    matches->items[matches->count++] = match;
    return LEAT_OK;
}

/* --- order --- */

static int order_of(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_matches(const void *a, const void *b)
{
    return leat_skip_compare(((const leat_match *)a)->last, ((const leat_match *)b)->last);
}

static int compare_made(const void *x, const void *y)
{
    const leat_take *a = ((const leat_match *)x)->last;
    const leat_take *b = ((const leat_match *)y)->last;
    int steps = 0;
    for (; a != NULL && b != NULL; a = a->before, b = b->before) {
        if (a->seq != b->seq) return order_of(a->seq, b->seq);
        if (a->step != b->step) steps = order_of(a->step, b->step);
    }
    return a == NULL && b == NULL ? steps : a == NULL ? 1 : -1;
}

static void sort(leat_matches *matches, size_t from, int (*compare)(const void *, const void *))
{
    LEAT_ASSERT(from <= matches->count);
    size_t count = matches->count - from;
    size_t sorted = 1;     /* most often they are */
    if (count < 2) return; /* there may be no list */
    leat_match *items = matches->items + from;
    while (sorted < count && compare(&items[sorted - 1], &items[sorted]) < 0)
        sorted++;
    if (sorted < count) qsort(items, count, sizeof *items, compare);
}

void matches_sort(leat_matches *matches, size_t from)
{
    sort(matches, from, compare_matches);
}

void matches_sort_made(leat_matches *matches, size_t from)
{
    sort(matches, from, compare_made);
}

static void reverse(leat_match *items, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        leat_match other = items[i];
        items[i] = items[count - 1 - i];
        items[count - 1 - i] = other;
    }
}

void matches_to_end(leat_matches *matches, size_t from, size_t count)
{
    size_t rest = matches->count - from;
    LEAT_ASSERT(count <= rest);
    if (count == 0 || count == rest) return;
    reverse(matches->items + from, count);
    reverse(matches->items + from + count, rest - count);
    reverse(matches->items + from, rest);
}

/* --- life --- */

void matches_cut(leat_matches *matches, size_t from)
{
    for (size_t i = from; i < matches->count; i++)
        for (leat_take *take = matches->items[i].last; take != NULL; take = take->before)
            leat_event_release(&take->event);
    if (matches->count > from) matches->count = from;
}

void leat_matches_reset(leat_matches *matches)
{
    matches_cut(matches, 0);
    if (matches->arena != NULL) leat_arena_reset(matches->arena);
    matches->dropped = 0;
}

void leat_matches_release(leat_matches *matches)
{
    leat_matches_reset(matches);
    leat_arena_free(&matches->arena);
    leat_mem_free(matches->items);
    *matches = (leat_matches){0};
}
