/* SPDX-License-Identifier: Apache-2.0 */
/* The match graph read forward: from one first take after the other along the edges that
 * graph_turn.c has made. Each way forward ends at a root: there are no dead ends, and the delay
 * between two runs is the takes in which they differ.
 *
 * Where several steps can take one event, several nodes stand at one place of the run. They are
 * walked as one, as events come before steps in the order, and spelled out by step at its end;
 * nodes of one step, too, are one then (a limit of events leaves several of one take,
 * matcher_depth.c).
 *
 * What follows a take most often ends with all that follows a later one: a1 is followed by what was
 * taken until a2, and by what follows a2. So who comes later looks whether the entries are there.
 *
 * Refused: walking back and sorting (nothing comes out before everything has been found). */
#include "cep/graph_paths_inside.h"
#include "core/mem.h"

/* --- marks: sets of what entries lead to, each as good as empty at first --- */

static inline uint32_t *mark_of(graph_paths *p, uint32_t what)
{
    bool source = (what & GRAPH_SOURCE) != 0;
    return &p->marks[source ? what & ~GRAPH_SOURCE : p->sources_count + what];
}

static leat_code marks_reserve(graph_paths *p, leat_err *err)
{
    size_t least = p->sources_count + p->g->nodes_count;
    if (LEAT_LIKELY(least < p->marks_size)) return LEAT_OK;
    ROOM(p->marks, p->marks_size, least, err);
    memset(p->marks, 0, p->marks_size * sizeof *p->marks);
    p->mark = 0;
    return LEAT_OK;
}

static void marks_begin(graph_paths *p)
{
    if (++p->mark != 0) return;
    memset(p->marks, 0, p->marks_size * sizeof *p->marks);
    p->mark = 1;
}

static inline bool marked(graph_paths *p, uint32_t what)
{
    return *mark_of(p, what) == p->mark;
}

/* --- walking --- */

/* From here on all is what follows the node. */
static inline uint32_t enter(graph_paths *p, uint32_t node, size_t count)
{
    p->suffixes[node] = (graph_suffix){p->serial, (uint32_t)count};
    return p->heads[node];
}

/* What can follow a take: to the end of the entries. */
static leat_code follow(graph_paths *p, uint32_t node, leat_err *err)
{
    const graph_edge *edges = p->edges;
    size_t count = p->entries_count;
    size_t waiting = 0;
    uint32_t at = p->heads[node];
    LEAT_ASSERT(at != 0); /* every way leads to the end of a run */
    for (;;) {
        for (; at != 0; at = edges[at].link) {
            if (edges[at].right == 0 && edges[at].link == 0)
                at = waiting == 0 ? enter(p, edges[at].what, count) : p->heads[edges[at].what];
            const graph_edge *e = &edges[at];
            if (LEAT_UNLIKELY(e->right == 0)) {
                ROOM(p->pending, p->pending_size, waiting, err);
                p->pending[waiting++] = e->what;
                continue;
            }
            ROOM(p->entries, p->entries_size, count, err);
            p->entries[count++] = (graph_edge){e->what, e->right, e->tail, node};
        }
        if (waiting == 0) break;
        uint32_t next = p->pending[--waiting];
        at = waiting == 0 ? enter(p, next, count) : p->heads[next];
    }
    p->entries_count = count;
    return LEAT_OK;
}

/* What follows the only take of the group in hand ends the entries that were the next level last:
 * they are so once more. */
static bool descend_again(graph_paths *p)
{
    const graph_level *l = &p->levels[p->depth];
    graph_level *next = &p->levels[p->depth + 1];
    const graph_edge *e = &p->entries[l->group];
    if (next->serial == 0 || l->several || e->tail != 0) return false;
    const graph_edge *up = &p->edges[p->heads[e->what]];
    if (up->right != 0 || up->link != 0) return false;
    const graph_suffix *suffix = &p->suffixes[up->what];
    if (suffix->serial != next->serial || suffix->entry == next->end) return false;
    LEAT_ASSERT(suffix->entry < next->end && suffix->entry >= l->end);
    next->begin = next->at = suffix->entry;
    next->several = false;
    next->shared = true;
    p->entries_count = next->end;
    p->depth++;
    p->levels[p->depth + 1].serial = 0;
    return true;
}

/* What can follow the takes of the group in hand becomes the next level. */
static leat_code descend(graph_paths *p, leat_err *err)
{
    ROOM(p->levels, p->levels_size, (size_t)p->depth + 2, err);
    while (p->path_size < (size_t)p->depth + 3)
        ROOM(p->path, p->path_size, p->path_size, err);
    if (descend_again(p)) return LEAT_OK;
    const graph_level l = p->levels[p->depth];
    size_t begin = p->entries_count;
    bool many = l.at - l.group > 1;
    if (many) LEAT_TRY(marks_reserve(p, err));
    if (many) marks_begin(p);
    p->serial++;
    for (uint32_t i = l.group; i < l.at; i++) {
        graph_edge e = p->entries[i];
        if (many && marked(p, e.what)) continue;
        if (many) *mark_of(p, e.what) = p->mark;
        if (e.tail == 0) {
            LEAT_TRY(follow(p, e.what, err));
            continue;
        }
        ROOM(p->entries, p->entries_size, p->entries_count, err);
        p->entries[p->entries_count++] =
            (graph_edge){.what = e.what, .right = e.tail, .link = e.what};
    }
    size_t count = p->entries_count - begin;
    LEAT_ASSERT(count > 0);
    uint32_t ends = GRAPH_SOURCE;
    bool plain = paths_in_order(p->entries + begin, count, &ends);
    uint64_t serial = plain && l.at - l.group == 1 ? p->serial : 0;
    if (!plain) {
        paths_sort(p->entries + begin, count);
        plain = paths_in_order(p->entries + begin, count, &ends);
    }
    p->depth++;
    p->levels[p->depth] = (graph_level){.begin = (uint32_t)begin,
                                        .end = (uint32_t)p->entries_count,
                                        .at = (uint32_t)begin,
                                        .ends = plain && !l.several && ends != 0,
                                        .serial = serial};
    p->levels[p->depth + 1].serial = 0;
    return LEAT_OK;
}

/* --- runs that differ by their steps only --- */

/* In paths.good, of an entry: it leads to the end of the run; it is part of the run found. */
#define GOOD   1
#define CHOSEN 2

/* Which of the takes lead to the end of the run. */
static leat_code mark_variants(graph_paths *p, leat_err *err)
{
    ROOM(p->good, p->good_size, p->entries_count, err);
    LEAT_TRY(marks_reserve(p, err));
    for (uint32_t depth = p->depth + 1; depth-- > 0;) {
        const graph_level *l = &p->levels[depth];
        bool all = depth == p->depth || l[1].shared;
        for (uint32_t i = l->group; i < l->at; i++)
            p->good[i] = all || marked(p, p->entries[i].what) ? GOOD : 0;
        marks_begin(p);
        for (uint32_t i = l->group; i < l->at && depth > 0 && !l->shared; i++)
            if (p->good[i] != 0) *mark_of(p, p->entries[i].link) = p->mark;
    }
    return LEAT_OK;
}

/* Chooses the next take of the level's group, from entry `at` on, that one which was chosen in the
 * level before leads to. Nodes of one take, which stand together, are chosen together: through
 * which of them a run goes is no matter of its order. */
static bool choose(graph_paths *p, graph_level *l, uint32_t at)
{
    bool all = l == p->levels || l->shared;
    bool any = false;
    marks_begin(p);
    for (uint32_t i = all ? 0 : l[-1].chosen; !all && i < l[-1].chosen_end; i++)
        if (p->good[i] == CHOSEN) *mark_of(p, p->entries[i].what) = p->mark;
    while (at < l->at && !any) {
        uint32_t right = p->entries[at].right;
        for (l->chosen = at; at < l->at && p->entries[at].right == right; at++) {
            bool led = p->good[at] != 0 && (all || marked(p, p->entries[at].link));
            if (p->good[at] != 0) p->good[at] = led ? CHOSEN : GOOD;
            if (led && !any) l->chosen = at;
            any = any || led;
        }
        l->chosen_end = at;
    }
    return any;
}

/* Chooses the next, in order of the steps. */
static bool next_variant(graph_paths *p, bool first)
{
    uint32_t depth = first ? 0 : p->depth;
    uint32_t at = first ? p->levels[0].group : p->levels[depth].chosen_end;
    for (;;) {
        if (choose(p, &p->levels[depth], at)) {
            if (depth == p->depth) break;
            at = p->levels[++depth].group;
        } else {
            if (depth == 0) return false;
            at = p->levels[--depth].chosen_end;
        }
    }
    for (depth = 0; depth < p->depth; depth++)
        p->path[depth] = p->entries[p->levels[depth].chosen].right;
    p->same = 0;
    graph_paths_end(p, &p->entries[p->levels[p->depth].chosen]);
    return true;
}

/* --- the next run --- */

static leat_code step(graph_paths *p, bool *found, leat_err *err)
{
    graph_level *l = &p->levels[p->depth];
    const graph_edge *e = &p->entries[l->at];
    uint32_t event = graph_event_of(e->right);
    l->group = l->at++;
    while (LEAT_UNLIKELY(l->at < l->end && graph_event_of(p->entries[l->at].right) == event))
        l->at++;
    l->several = l->at - l->group > 1 || (p->depth > 0 && l[-1].several);
    LEAT_ASSERT(p->path_size >= (size_t)p->depth + 2);
    if (p->depth == 0 && p->line > 0) {
        p->count = p->until = p->line;
        *found = true;
    } else if (LEAT_UNLIKELY(l->several)) {
        if ((e->what & GRAPH_SOURCE) == 0 || e->tail != 0) return descend(p, err);
        LEAT_TRY(mark_variants(p, err));
        *found = p->variants = next_variant(p, true);
        LEAT_ASSERT(*found);
    } else if ((e->what & GRAPH_SOURCE) != 0) {
        graph_paths_end(p, e);
        *found = true;
    } else {
        p->path[p->depth] = e->right;
        return descend(p, err);
    }
    return LEAT_OK;
}

leat_code graph_paths_walk(graph_paths *p, bool *found, leat_err *err)
{
    *found = false;
    if (p->sources_count == 0) return LEAT_OK;
    if (LEAT_UNLIKELY(p->variants)) {
        *found = p->variants = next_variant(p, false);
        if (*found) return LEAT_OK;
    } else {
        p->same = p->depth;
    }
    while (!*found) {
        const graph_level *l = &p->levels[p->depth];
        if (p->depth > 0 && l->at == l->end) {
            p->entries_count = l->begin;
            p->depth--;
            if (p->depth < p->same) p->same = p->depth;
        } else if (l->at == l->end) {
            bool any = false;
            LEAT_TRY(paths_open_range(p, &any, err));
            if (!any) return LEAT_OK;
        } else {
            if (p->depth == 0 && graph_event_of(p->entries[l->at].right) >= p->stop) return LEAT_OK;
            LEAT_TRY(step(p, found, err));
        }
    }
    return LEAT_OK;
}

leat_code graph_paths_skip(graph_paths *p, uint32_t from, uint32_t *first, leat_err *err)
{
    bool any = p->sources_count > 0;
    *first = UINT32_MAX;
    p->variants = false;
    while (any) {
        graph_level *l = &p->levels[0];
        if (p->depth > 0) p->entries_count = l->end;
        p->depth = 0;
        while (l->at < l->end && graph_event_of(p->entries[l->at].right) < from)
            l->at++;
        if (l->at < l->end) {
            *first = graph_event_of(p->entries[l->at].right);
            return LEAT_OK;
        }
        LEAT_TRY(paths_open_range(p, &any, err));
    }
    return LEAT_OK;
}

/* --- life --- */

void graph_paths_begin(graph_paths *p, const graph *g)
{
    p->g = g;
    p->sources_count = p->entries_count = 0;
    p->lo = p->hi = p->depth = p->same = p->count = 0;
    p->stop = UINT32_MAX;
    p->variants = false;
}

leat_code graph_paths_add(graph_paths *p, graph_source source, leat_err *err)
{
    LEAT_ASSERT(source.root != 0 || source.tail != 0);
    LEAT_ASSERT(source.root <= p->g->nodes_count && p->hi == 0);
    ROOM(p->levels, p->levels_size, 0, err);
    p->levels[0] = (graph_level){0};
    ROOM(p->sources, p->sources_size, p->sources_count, err);
    p->sources[p->sources_count++] = source;
    return LEAT_OK;
}

void graph_paths_release(graph_paths *p)
{
    leat_mem_free(p->sources);
    leat_mem_free(p->heads);
    leat_mem_free(p->suffixes);
    leat_mem_free(p->bits);
    leat_mem_free(p->sums);
    leat_mem_free(p->edges);
    leat_mem_free(p->entries);
    leat_mem_free(p->good);
    leat_mem_free(p->marks);
    leat_mem_free(p->levels);
    leat_mem_free(p->pending);
    leat_mem_free(p->counts);
    leat_mem_free(p->path);
    *p = (graph_paths){0};
}
