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

/* Down the tree. all: beforehand all conditions were known. */
static __attribute__((noinline)) leat_code decide_by_tree(const feeding *f, shape *from, bool all,
                                                          const program **found)
{
    matcher_know(f->work);
    LEAT_TRY(shape_program(f, from, found));
    if (!all) return LEAT_OK;
    uint32_t way = from->ways_next++ % WAYS;
    from->ways[way].holds = f->work->known.holds[0];
    from->ways[way].program = *found;
    return LEAT_OK;
}

/* What all conditions are decides, if that is known. */
static inline LEAT_CHECKED leat_code decide(const feeding *f, shape *from, const program **found)
{
    const leat_answers *told = f->work->host->answers;
    bool all = told != NULL && (told->known[0] & told->known[1]) == UINT64_MAX;
    all = all && told->holds[1] == 0;
    for (uint32_t i = 0; i < WAYS && all; i++) {
        if (from->ways[i].holds != told->holds[0] || from->ways[i].program == NULL) continue;
        *found = from->ways[i].program;
        return LEAT_OK;
    }
    return decide_by_tree(f, from, all, found);
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
static __attribute__((noinline)) plain run_sources(graph *g, uint32_t number, const line *l,
                                                   const source *sources, const plain *before)
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

/* What a bundle becomes that is kept, and joined by the event behind another or alone. */
static inline plain run_two(graph *g, uint32_t number, const line *l, const plain *before)
{
    const plain kept = before[l->kept];
    const plain *other = &before[l->bundle];
    if (l->kind == LINE_KEEPS_STARTS)
        return (plain){l->config, graph_join(g, graph_take_first(g, number, l->step), kept.root),
                       kept.depth};
    LEAT_ASSERT(l->kind == LINE_KEEPS_TAKES && other->root != 0);
    uint32_t depth = larger(kept.depth, other->depth + 1);
    uint32_t taken = graph_take_behind(g, other->root, number, l->step);
    return (plain){l->config, graph_join(g, kept.root, taken), depth};
}

/* The bundles `before`, which are alive, become those of the program. */
static inline void run_lines(graph *g, uint32_t number, const program *p, const plain *before,
                             plain *now)
{
    for (const line *l = p->lines + p->lines_count; l-- > p->lines;) {
        plain *to = &now[l->place];
        if (LEAT_LIKELY(l->kind == LINE_TAKES)) {
            plain c = before[l->bundle];
            *to = (plain){l->config, graph_take_behind(g, c.root, number, l->step), c.depth + 1};
        } else if (l->kind == LINE_STARTS) {
            *to = (plain){l->config, graph_take_first(g, number, l->step), 1};
        } else if (l->kind == LINE_KEEPS) {
            *to = (plain){l->config, before[l->kept].root, before[l->kept].depth};
        } else if (LEAT_LIKELY(l->kind != LINE_JOINS)) {
            *to = run_two(g, number, l, before);
        } else {
            *to = run_sources(g, number, l, &p->sources[l->first], before);
        }
        LEAT_ASSERT(to->root != 0 && to->depth > 0);
    }
}

static __attribute__((noinline)) void run_copied(graph *g, uint32_t number, const program *p,
                                                 uint32_t count, plain *now)
{
    plain copies[BUNDLES_MAX];
    LEAT_ASSERT(count <= BUNDLES_MAX);
    run_lines(g, number, p, memcpy(copies, now, count * sizeof *now), now);
}

static __attribute__((noinline)) leat_code more_bundles(const feeding *f, uint32_t places)
{
    bundles *list = &f->matcher->bundles;
    bundle *added = NULL;
    LEAT_ASSERT(places <= BUNDLES_MAX);
    while (list->count < places)
        LEAT_TRY(bundle_add(f->machine, list, &added, f->err));
    return LEAT_OK;
}

static inline LEAT_CHECKED leat_code run(const feeding *f, const program *p)
{
    leat_matcher *matcher = f->matcher;
    bundles *list = &matcher->bundles;
    graph *g = &matcher->graph;
    if (p->endings_count == 0 && crowded(g, p)) LEAT_TRY(matcher_collect(matcher, f->work, f->err));
    if (p->takes > 0) LEAT_TRY(enter(f));
    LEAT_TRY(graph_reserve(g, p->nodes, f->err));
    if (LEAT_UNLIKELY(p->places * BUNDLE_WORDS > list->size)) LEAT_TRY(more_bundles(f, p->places));
    /* The memory is there: nothing fails from here on. */
    uint32_t number = f->work->number;
    if (LEAT_LIKELY(p->in_place))
        run_lines(g, number, p, plains_of(list), plains_of(list));
    else
        run_copied(g, number, p, list->count, plains_of(list));
    list->count = p->places;
    matcher->shape = p->shape;
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

/* The shape of the bundles; NULL: none that is known. */
static __attribute__((noinline)) leat_code look_for_shape(const feeding *f, shape **found)
{
    leat_matcher *matcher = f->matcher;
    uint32_t configs[BUNDLES_MAX];
    uint32_t count = matcher->bundles.count;
    LEAT_ASSERT(count <= BUNDLES_MAX);
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
    *fed = false;
    if (LEAT_UNLIKELY(f->machine->shapes == NULL)) LEAT_TRY(shapes_new(f->machine, f->err));
    if (f->machine->start == NULL || matcher->waiting_count > 0) return LEAT_OK;
    if (matcher->bundles.count > BUNDLES_MAX) return LEAT_OK;
    if (matcher->graph.bound != matcher->dropped_at || matcher->gone > 0) drop_dead(matcher);
    uint32_t count = matcher->bundles.count;
    shape *from = count == 0 ? f->machine->start : matcher->shape;
    if (LEAT_UNLIKELY(from == NULL)) LEAT_TRY(look_for_shape(f, &from));
    if (from == NULL) return LEAT_OK;
    LEAT_ASSERT(from->count == count && (count == 0 || matcher->graph.nodes_count > 0));
    LEAT_TRY(decide(f, from, &p));
    if (p == NULL || p->slow || limited(f, p)) return LEAT_OK;
    *fed = true;
    if (LEAT_UNLIKELY(p->endings_count > 0)) LEAT_TRY(end_runs(f, p));
    if (!p->same || p->lines_count > 0) LEAT_TRY(run(f, p));
    return p->endings_count == 0 ? LEAT_OK : skip_emit(matcher, f->work, f->matches, f->err);
}
