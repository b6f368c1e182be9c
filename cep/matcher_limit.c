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
 * again), that is met as the limit is, so that a key's memory is bounded.
 *
 * The graph counts takes that are dead, too, until it is collected, and that may happen at any
 * time: when state is written, when nodes have doubled. What comes out may not depend on it. */
#include "cep/matcher_inside.h"

leat_code matcher_limit_failed(const leat_matcher *matcher, const char *what, uint32_t limit,
                               leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_INTERNAL,
                        "pattern %.*s: a key has more than %u %s (`limits`, with `beyond: fail`)",
                        LEAT_STR_ARG(matcher->nfa->pattern->name), limit, what);
}

static leat_code keep_limit(const feeding *f)
{
    leat_matcher *matcher = f->matcher;
    graph *g = &matcher->graph;
    uint32_t runs_max = f->pattern->runs_max;
    LEAT_ASSERT(runs_max > 0);
    if (f->pattern->beyond == LEAT_DROP_NEWEST) return LEAT_OK; /* more were not made */
    LEAT_TRY(matcher_collect(matcher, f->work, f->err));
    while (g->takes > runs_max || matcher_crowded(matcher)) {
        uint32_t oldest = UINT32_MAX;
        if (f->pattern->beyond == LEAT_FAIL)
            return matcher_limit_failed(matcher, "partial matches", runs_max, f->err);
        for (size_t i = 0; i < matcher->bundles.count; i++) {
            uint32_t root = bundle_at(f->machine, &matcher->bundles, i)->root;
            uint32_t least = UINT32_MAX;
            LEAT_TRY(graph_least(&f->work->walk, g, root, g->bound, oldest, &least, f->err));
            if (least < oldest) oldest = least;
        }
        if (oldest == UINT32_MAX) break; /* all that is held waits to come out */
        g->bound = oldest + 1;
        f->matches->dropped++;
        LEAT_TRY(matcher_collect(matcher, f->work, f->err));
    }
    return LEAT_OK;
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
    bool many = matcher->graph.takes + most > f->pattern->runs_max;
    if (!many && !matcher_crowded(matcher) && !may_split(f)) return LEAT_OK;
    return matcher_collect(f->matcher, f->work, f->err);
}
