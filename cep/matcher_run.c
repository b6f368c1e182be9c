/* SPDX-License-Identifier: Apache-2.0 */
/* Running what an event does to all bundles of a key at once (matcher_shape.c).
 *
 * An event costs one way down a tree, and a take and a union per line of the program: no look at
 * bundles that it does not change, and none for where new ones belong. Most lines are one take in
 * front of one bundle, and most programs move bundles to places behind theirs: so the last line
 * comes first, and each bundle is written over when nobody needs any more what it was.
 *
 * Runs that the event completes come out behind the program, which says where they are.
 *
 * Everything that is rare goes the way of matcher.c, which means the same: skip strategies, limits,
 * keys of many bundles, shapes beyond what is kept of them. */
#include "cep/matcher_shape.h"

/* What all conditions are decides, if that is known. */
static leat_code decide(const feeding *f, shape *from, const program **found)
{
    const machine_known *told = &f->work->known;
    bool all = (told->known[0] & told->known[1]) == UINT64_MAX && told->holds[1] == 0;
    uint64_t holds = told->holds[0];
    for (uint32_t i = 0; i < WAYS && all; i++) {
        if (from->ways[i].holds != holds || from->ways[i].program == NULL) continue;
        *found = from->ways[i].program;
        return LEAT_OK;
    }
    LEAT_TRY(shape_program(f, from, found));
    if (!all) return LEAT_OK;
    uint32_t way = from->ways_next++ % WAYS;
    from->ways[way].holds = holds;
    from->ways[way].program = *found;
    return LEAT_OK;
}

/* A bundle without slots. */
typedef struct plain {
    uint32_t config, root, depth;
} plain;

static plain *plains_of(const bundles *list)
{
    _Static_assert(sizeof(plain) == BUNDLE_WORDS * sizeof(uint32_t),
                   "as bundles are without slots");
    return (plain *)(void *)list->words;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t join(graph *g, uint32_t a, uint32_t b)
{
    return a == 0 ? b : graph_union(g, a, b);
}

/* What several bundles become together. */
static plain run_sources(graph *g, uint32_t number, const line *l, const source *sources,
                         const plain *before)
{
    plain now = {.config = l->config};
    uint32_t taken = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        const plain *c = &before[sources[i].kind == STARTED ? 0 : sources[i].bundle];
        switch (sources[i].kind) {
        case KEPT:
            now.root = join(g, now.root, c->root);
            now.depth = larger(now.depth, c->depth);
            break;
        case TAKEN:
            taken = join(g, taken, c->root);
            now.depth = larger(now.depth, c->depth + 1);
            if (i + 1 < l->count && sources[i + 1].kind == TAKEN) break;
            now.root = join(g, now.root, graph_take(g, taken, number, l->step));
            break;
        case STARTED:
            now.root = join(g, now.root, graph_take(g, 0, number, l->step));
            now.depth = larger(now.depth, 1);
            break;
        }
    }
    return now;
}

/* Matches that the event completes, before the bundles are what they become. */
static leat_code end_runs(const feeding *f, const program *p)
{
    matches_begin(f->work, f->matches);
    uint32_t from = f->matcher->graph.bound;
    for (uint32_t i = 0; i < p->endings_count; i++) {
        const ending *e = &p->endings[i];
        uint32_t root = 0;
        if (e->bundle != MACHINE_NONE) root = plains_of(&f->matcher->bundles)[e->bundle].root;
        if (e->step != MACHINE_NONE) LEAT_TRY(matcher_keep(f));
        LEAT_TRY(done_add(f->work, (done){root, e->step, from, UINT32_MAX}, f->err));
    }
    return LEAT_OK;
}

#define CROWDED_MAX 64 /* nodes; of more, what is dead is collected when they have doubled */

/* Whether a small graph would have to grow while a good part of it is dead. */
static bool crowded(const graph *g, const program *p)
{
    bool full = g->nodes_size - g->nodes_count < p->nodes || g->events_count == g->events_size;
    return full && g->nodes_count < CROWDED_MAX && g->bound > 1 &&
           4 * (g->bound - 1) >= g->events_count;
}

/* The event goes to the graph: the graph's alone, if nobody else has asked for it. */
static leat_code enter(const feeding *f)
{
    const leat_matcher_host *host = f->work->host;
    leat_event *event = NULL;
    if (f->work->event != NULL) return matcher_enter(f);
    LEAT_TRY(host->keep(host->self, &event, f->err));
    leat_code code = graph_event_add(&f->matcher->graph, event, &f->work->number, f->err);
    if (LEAT_UNLIKELY(code != LEAT_OK)) leat_event_release(&event);
    return code;
}

static leat_code run(const feeding *f, const program *p)
{
    bundles *list = &f->matcher->bundles;
    graph *g = &f->matcher->graph;
    plain copies[BUNDLES_MAX];
    bundle *added = NULL;
    if (p->endings_count == 0 && crowded(g, p))
        LEAT_TRY(matcher_collect(f->matcher, f->work, f->err));
    if (p->takes > 0) LEAT_TRY(enter(f));
    LEAT_TRY(graph_reserve(g, p->nodes, f->err));
    LEAT_ASSERT(list->count <= BUNDLES_MAX && p->places <= BUNDLES_MAX);
    if (LEAT_UNLIKELY(p->places * BUNDLE_WORDS > list->size)) {
        while (list->count < p->places)
            LEAT_TRY(bundle_add(f->machine, list, &added, f->err));
    } /* the memory is there: nothing fails from here on */
    plain *now = plains_of(list);
    const plain *before = now;
    if (!p->in_place) before = memcpy(copies, now, f->matcher->bundles.count * sizeof *now);
    uint32_t number = f->work->number;
    for (const line *l = p->lines + p->lines_count; l-- > p->lines;) {
        plain *to = &now[l->place];
        if (LEAT_LIKELY(l->kind == LINE_TAKES)) {
            plain c = before[l->bundle];
            LEAT_ASSERT(c.root != 0);
            *to = (plain){l->config, graph_take_behind(g, c.root, number, l->step), c.depth + 1};
        } else if (l->kind == LINE_STARTS) {
            *to = (plain){l->config, graph_take_first(g, number, l->step), 1};
        } else {
            *to = run_sources(g, number, l, &p->sources[l->first], before);
            LEAT_ASSERT(to->root != 0 && to->depth > 0);
        }
    }
    list->count = p->places;
    f->matcher->shape = p->shape;
    return LEAT_OK;
}

/* Whether a limit may be met: then each bundle is looked at. */
static bool limited(const feeding *f, const program *p)
{
    const bundles *list = &f->matcher->bundles;
    if (p->takes == 0 && p->endings_count == 0) return false;
    uint32_t takes = f->matcher->graph.takes;
    if ((uint64_t)takes + p->takes > f->machine->runs_max) return true;
    if (LEAT_LIKELY(takes < f->machine->takes_max)) return false; /* no run has more */
    const plain *all = plains_of(list);                           /* NULL: none yet */
    for (uint32_t i = 0; i < list->count; i++)
        if (all[i].depth >= f->machine->takes_max) return true;
    return false;
}

/* The shape of the matcher; NULL: none that is known. */
static leat_code find_shape(const feeding *f, shape **found)
{
    leat_matcher *matcher = f->matcher;
    uint32_t configs[BUNDLES_MAX];
    uint32_t count = matcher->bundles.count;
    *found = count == 0 ? f->machine->start : matcher->shape;
    if (*found != NULL || count > BUNDLES_MAX) return LEAT_OK;
    for (uint32_t i = 0; i < count; i++)
        configs[i] = plains_of(&matcher->bundles)[i].config;
    LEAT_TRY(shape_of(f->machine->shapes, configs, count, found, f->err));
    matcher->shape = *found;
    return LEAT_OK;
}

static void drop_dead(leat_matcher *matcher)
{
    const graph *g = &matcher->graph;
    bool all = g->bound > g->events_count && matcher->waiting_count == 0;
    if (!all) {
        bundles_drop_dead(matcher);
        return;
    }
    matcher_void(matcher);
    matcher->graph.bound = matcher->dropped_at = 1;
}

leat_code matcher_feed_shape(const feeding *f, bool *fed)
{
    leat_matcher *matcher = f->matcher;
    const program *p = NULL;
    shape *from = NULL;
    LEAT_ASSERT(f->work->fresh.count == 0 && f->work->done_count == 0);
    *fed = false;
    if (LEAT_UNLIKELY(f->machine->shapes == NULL)) LEAT_TRY(shapes_new(f->machine, f->err));
    if (f->machine->start == NULL || matcher->waiting_count > 0) return LEAT_OK;
    if (matcher->bundles.count > BUNDLES_MAX) return LEAT_OK;
    if (matcher->graph.bound != matcher->dropped_at || matcher->gone > 0) drop_dead(matcher);
    LEAT_TRY(find_shape(f, &from));
    if (from == NULL) return LEAT_OK;
    LEAT_ASSERT(from->count == matcher->bundles.count);
    LEAT_ASSERT(matcher->bundles.count == 0 || matcher->graph.nodes_count > 0);
    LEAT_TRY(decide(f, from, &p));
    if (p == NULL || p->slow || limited(f, p)) return LEAT_OK;
    *fed = true;
    if (LEAT_UNLIKELY(p->endings_count > 0)) LEAT_TRY(end_runs(f, p));
    if (!p->same || p->lines_count > 0) LEAT_TRY(run(f, p));
    return p->endings_count == 0 ? LEAT_OK : skip_emit(matcher, f->work, f->matches, f->err);
}
