/* SPDX-License-Identifier: Apache-2.0 */
/* Matches of an event that completes but a few: most often one to three.
 *
 * The paths (graph_paths.c) turn the graph round before the first run comes out, which pays for
 * itself where many do. Few are gathered from their last takes to their first, which is how the
 * graph has them, and put in order by comparing them. Runs share the takes that they end with:
 *
 *   done   root of "waits for c", with c9 behind         a2 <- b5 <- c9
 *                                                        a1 <-'              runs: a2, a1
 *
 * The side of a union that began last lies to the left and is gone down first, so runs are found
 * nearly in order, the last one first: they are kept like that, and to find the place of the next
 * takes one comparison most often.
 *
 * What is beyond RUNS or TAKES is left to the paths: nothing has happened then but for the look at
 * as many. */
#include "cep/matcher_inside.h"

#define RUNS  16  /* matches of an event */
#define TAKES 128 /* in all of them */

typedef struct few_take {
    uint32_t right; /* as node.right */
    uint32_t next;  /* the take behind it; 0: it is the last */
} few_take;

typedef struct gathering {
    uint32_t runs_count, takes_count;
    uint32_t runs[RUNS];       /* first takes; the last run first */
    few_take takes[TAKES + 1]; /* from 1 */
} gathering;

/* By events; the longer one; by steps. */
static bool comes_before(const few_take *takes, uint32_t a, uint32_t b)
{
    uint32_t step_a = 0;
    uint32_t step_b = 0;
    for (; a != b && a != 0 && b != 0; a = takes[a].next, b = takes[b].next) {
        uint32_t x = takes[a].right;
        uint32_t y = takes[b].right;
        if (LEAT_LIKELY(graph_event_of(x) != graph_event_of(y)))
            return graph_event_of(x) < graph_event_of(y);
        if (step_a == step_b) step_a = graph_step_of(x), step_b = graph_step_of(y);
    }
    return a == b ? step_a < step_b : a != 0;
}

static inline void add_run(gathering *all, uint32_t first)
{
    uint32_t *at = &all->runs[all->runs_count++];
    while (at > all->runs && comes_before(all->takes, at[-1], first)) {
        *at = at[-1];
        at--;
    }
    *at = first;
}

/* The runs of d. False: they are too many. As nothing is said of where they have to begin but from
 * where on, each side of a union of which that may be said holds one. */
static inline bool gather(gathering *all, const graph *g, const done *d, uint32_t tail)
{
    few_take open[RUNS]; /* sides of unions that were not gone down yet: node, and take behind */
    uint32_t opened = 0;
    uint32_t last = 0;
    uint32_t at = d->root;
    if (d->to != UINT32_MAX || all->runs_count == RUNS) return false;
    if (at != 0 && graph_node_at(g, at)->most < d->from) return true;
    if (tail != 0) {
        if (all->takes_count == TAKES) return false;
        last = ++all->takes_count;
        all->takes[last] = (few_take){tail, 0};
    }
    for (;;) {
        while (at != 0) {
            const graph_node *n = graph_node_at(g, at);
            at = graph_before(n); /* of a union, what lies to the left */
            if (graph_is_take(n)) {
                if (LEAT_UNLIKELY(all->takes_count == TAKES)) return false;
                all->takes[++all->takes_count] = (few_take){n->right, last};
                last = all->takes_count;
            } else if (graph_node_at(g, n->right)->most >= d->from) {
                if (all->runs_count + opened + 1 >= RUNS) return false;
                open[opened++] = (few_take){n->right, last};
            }
        }
        add_run(all, last);
        if (opened == 0) return true;
        at = open[--opened].right;
        last = open[opened].next;
    }
}

/* Shows the run to whoever is going to look at it: last take. */
static inline LEAT_CHECKED leat_code show(const graph *g, leat_matcher_work *work,
                                          const few_take *takes, uint32_t first,
                                          const leat_take **last, leat_err *err)
{
    uint32_t count = 0;
    for (uint32_t at = first; at != 0; at = takes[at].next, count++) {
        uint32_t right = takes[at].right;
        uint32_t number = graph_event_of(right);
        if (LEAT_UNLIKELY(count == work->takes_size)) LEAT_TRY(takes_reserve(work, count + 1, err));
        leat_take *take = &work->takes[count];
        take->event =
            LEAT_LIKELY(number <= g->events_count) ? g->events[number - 1].event : work->event;
        take->seq = number;
        take->step = graph_step_of(right);
    }
    *last = &work->takes[count - 1];
    LEAT_ASSERT(count > 0 && (*last)->depth == count && (*last)->event != NULL);
    return LEAT_OK;
}

leat_code matches_few(const leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                      few_matches *few, leat_err *err)
{
    const graph *g = &matcher->graph;
    uint32_t number = work->number != 0 ? work->number : g->events_count + 1;
    gathering all; /* of which only what is used is written */
    leat_match match = {0};
    bool more = true;
    all.runs_count = all.takes_count = 0;
    *few = (few_matches){FEW_NONE, 0};
    for (size_t i = 0; i < work->done_count; i++) {
        const done *d = &work->done[i];
        uint32_t tail = d->step == MACHINE_NONE ? 0 : d->step << GRAPH_EVENT_BITS | number;
        LEAT_ASSERT(tail == 0 || work->event != NULL);
        if (!gather(&all, g, d, tail)) return LEAT_OK;
    }
    few->end = FEW_OUT;
    for (uint32_t i = all.runs_count; i-- > 0; few->passed++) {
        if (LEAT_UNLIKELY(matches_rest(work, matches))) {
            few->end = FEW_REST;
            return LEAT_OK;
        }
        LEAT_TRY(show(g, work, all.takes, all.runs[i], &match.last, err));
        LEAT_TRY(match_out(matcher, work, matches, &match, &more, err));
        if (LEAT_UNLIKELY(!more)) {
            few->end = FEW_FULL;
            return LEAT_OK;
        }
    }
    return LEAT_OK;
}
