/* SPDX-License-Identifier: Apache-2.0 */
/* Takes that the partial matches of a key hold are limited (`partial_matches`): that is what they
 * need in memory, while their number may be anything. Each is counted once, and only while it is
 * held: what is dead is collected before anything is given up, or not made.
 *
 *   drop_oldest, fail   when the event was fed, there are too many
 *   drop_newest         before it is fed, there may become too many; take_one makes no more then
 *
 * Takes that partial matches share by unions need few nodes mostly. Where they need very many
 * (thousands of partial matches that a condition asks one by one take the same events, again and
 * again) the oldest go, or the worker stops, so that a key's memory is bounded.
 *
 * The graph counts takes that are dead, too, until it is collected, and that may happen at any
 * time: when state is written, when nodes have doubled. What comes out may not depend on it. */
#include "cep/matcher_inside.h"

#define CROWDED_SHARE 16 /* of the events: those that began with so many go at once */

leat_code matcher_limit_failed(const leat_matcher *matcher, const char *what, uint32_t limit,
                               leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_INTERNAL,
                        "pattern %.*s: a key has more than %u %s (`limits`, with `beyond: fail`)",
                        LEAT_STR_ARG(matcher->nfa->pattern->name), limit, what);
}

/* The runs that began first of all go. *some: there were any. */
static leat_code drop_oldest(const feeding *f, bool *some)
{
    leat_matcher *matcher = f->matcher;
    graph *g = &matcher->graph;
    uint32_t oldest = UINT32_MAX;
    for (size_t i = 0; i < matcher->bundles.count; i++) {
        uint32_t root = bundle_at(f->machine, &matcher->bundles, i)->root;
        uint32_t least = UINT32_MAX;
        LEAT_TRY(graph_least(&f->work->walk, g, root, g->bound, oldest, &least, f->err));
        if (least < oldest) oldest = least;
    }
    *some = oldest != UINT32_MAX; /* else all that is held waits to come out */
    if (!*some) return LEAT_OK;
    g->bound = oldest + 1;
    f->matches->dropped++;
    return LEAT_OK;
}

static uint32_t begun_between(const graph *g, uint32_t from, uint32_t to)
{
    uint32_t count = 0;
    LEAT_ASSERT(from < to);
    for (uint32_t i = 1; i <= g->nodes_count; i++) {
        const graph_node *n = graph_node_at(g, i);
        uint32_t event = graph_event_of(n->right);
        count += graph_is_take(n) && graph_before(n) == 0 && event >= from && event < to;
    }
    return count;
}

/* For the sake of unions: a graph that large is not searched and collected for each event. */
static void drop_share(const feeding *f, bool *some)
{
    graph *g = &f->matcher->graph;
    uint32_t from = g->bound == 0 ? 1 : g->bound;
    uint32_t count = 0;
    uint32_t to = from;
    while (count == 0 && to <= g->events_count) {
        to += 1 + (g->events_count - to) / CROWDED_SHARE;
        count = begun_between(g, from, to);
    }
    *some = count > 0;
    if (*some) g->bound = to;
    f->matches->dropped += count;
}

static leat_code keep_limit(const feeding *f)
{
    leat_matcher *matcher = f->matcher;
    const graph *g = &matcher->graph;
    uint32_t runs_max = f->pattern->runs_max;
    bool newest = f->pattern->beyond == LEAT_DROP_NEWEST; /* more takes were not made */
    bool some = true;
    LEAT_ASSERT(runs_max > 0);
    if (newest && !matcher_crowded(matcher)) return LEAT_OK;
    LEAT_TRY(matcher_collect(matcher, f->work, f->err));
    for (;;) {
        bool many = !newest && g->takes > runs_max;
        if (!some || (!many && !matcher_crowded(matcher))) return LEAT_OK;
        if (f->pattern->beyond == LEAT_FAIL)
            return matcher_limit_failed(matcher,
                                        many ? "partial matches"
                                             : "partial matches' worth of takes that they share",
                                        runs_max, f->err);
        if (many)
            LEAT_TRY(drop_oldest(f, &some));
        else
            drop_share(f, &some);
        LEAT_TRY(matcher_collect(matcher, f->work, f->err));
    }
}

leat_code matcher_limit(const feeding *f)
{
    bool many = f->matcher->graph.takes > f->pattern->runs_max;
    if (LEAT_LIKELY(!many && !matcher_crowded(f->matcher))) return LEAT_OK;
    LEAT_TRY(keep_limit(f));
    return skip_emit(f->matcher, f->work, f->matches, f->err);
}

/* Whether a run may have all the takes allowed: of those that are split more takes are made. */
static bool may_split(const feeding *f)
{
    const bundles *list = &f->matcher->bundles;
    bool any = false;
    if (f->matcher->graph.takes < f->pattern->takes_max) return false;
    for (size_t i = 0; i < list->count && !any; i++)
        any = bundle_at(f->machine, list, i)->depth >= f->pattern->takes_max;
    return any;
}

/* Where new takes are not made beyond a limit, what is dead may not count: when it is collected
 * depends on more than what has happened, and what comes out may not. */
leat_code matcher_make_room(const feeding *f)
{
    const leat_matcher *matcher = f->matcher;
    uint64_t most = ((uint64_t)matcher->bundles.count + 1) * f->pattern->steps_count;
    if (f->pattern->beyond != LEAT_DROP_NEWEST) return LEAT_OK;
    if (matcher->graph.takes + most <= f->pattern->runs_max && !may_split(f)) return LEAT_OK;
    return matcher_collect(f->matcher, f->work, f->err);
}
