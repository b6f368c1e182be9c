/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles: partial matches that behave alike, held as one root of the graph.
 *
 *   [configuration | root | depth | slots]    a few words each, in one array per key
 *
 * What an event has made, and what it has moved to another configuration, is merged at the end of
 * the event: equal configuration and equal slots are one bundle, by one union. Up to a handful they
 * are compared one by one; beyond, a table finds the equal one. Partial matches of which a later
 * condition may read everything are never equal, as no two have the same takes: each is a bundle of
 * its own, and the machine is the plain list of partial matches that it replaces.
 *
 * Bundles whose runs have all begun before the bound are dead. They are dropped when they are met.
 */
#include "cep/matcher_inside.h"
#include "core/mem.h"

#define SCAN_MAX 12 /* bundles that are compared one by one */

static size_t bundle_words(const machine *m)
{
    return m->slots_count + 3;
}

leat_code bundle_add(const machine *m, bundles *list, bundle **added, leat_err *err)
{
    size_t need = (list->count + 1) * bundle_words(m);
    if (need > list->size) {
        size_t size = list->size * 2 > need ? list->size * 2 : need;
        void *grown = leat_mem_try_resize(list->words, size * sizeof *list->words);
        if (grown == NULL)
            return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
        list->words = grown;
        list->size = size;
    }
    *added = bundle_at(m, list, list->count++);
    memset(*added, 0, bundle_words(m) * sizeof(uint32_t));
    return LEAT_OK;
}

void bundle_settle(const machine *m, bundle *c)
{
    const machine_config *config = machine_config_at(m, c->config);
    for (uint32_t i = 0; i < m->slots_count; i++)
        if ((config->slots >> i & 1) == 0) c->slots[i] = 0;
}

void bundles_drop_dead(leat_matcher *matcher)
{
    const machine *m = matcher->machine;
    bundles *list = &matcher->bundles;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        bundle *c = bundle_at(m, list, i);
        if (!graph_lives(&matcher->graph, c->root)) continue;
        if (kept != i) memcpy(bundle_at(m, list, kept), c, bundle_words(m) * sizeof(uint32_t));
        kept++;
    }
    list->count = kept;
}

/* --- merging --- */

static bool same(const machine *m, const bundle *a, const bundle *b)
{
    return a->config == b->config &&
           (m->slots_count == 0 ||
            memcmp(a->slots, b->slots, m->slots_count * sizeof *a->slots) == 0);
}

static size_t hash_of(const machine *m, const bundle *c)
{
    uint64_t hash = (c->config + 1) * 0x9e3779b97f4a7c15u;
    for (uint32_t i = 0; i < m->slots_count; i++)
        hash = (hash ^ c->slots[i]) * 0xff51afd7ed558ccdu;
    return (size_t)(hash ^ hash >> 32);
}

static leat_code table_clear(leat_matcher_work *work, size_t count, leat_err *err)
{
    size_t size = 64;
    while (size < count * 2)
        size *= 2;
    if (size > work->table_size) {
        void *grown = leat_mem_try_resize(work->table, size * sizeof *work->table);
        if (grown == NULL)
            return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
        work->table = grown;
        work->table_size = size;
    }
    memset(work->table, 0, work->table_size * sizeof *work->table);
    return LEAT_OK;
}

/* The place of the bundle that is equal to c, or where it would be entered. */
static uint32_t *table_find(const leat_matcher *matcher, leat_matcher_work *work, const bundle *c)
{
    const machine *m = matcher->machine;
    size_t mask = work->table_size - 1;
    size_t at = hash_of(m, c) & mask;
    while (work->table[at] != 0 &&
           !same(m, bundle_at(m, &matcher->bundles, work->table[at] - 1), c))
        at = (at + 1) & mask;
    return &work->table[at];
}

static void unite(leat_matcher *matcher, bundle *into, const bundle *c)
{
    into->root = graph_union(&matcher->graph, into->root, c->root);
    if (c->depth > into->depth) into->depth = c->depth;
}

/* Adds c, which lies elsewhere, to the list or to the bundle that it is equal to. */
static leat_code join(leat_matcher *matcher, leat_matcher_work *work, const bundle *c, bool table,
                      leat_err *err)
{
    const machine *m = matcher->machine;
    bundles *list = &matcher->bundles;
    uint32_t *entry = NULL;
    bundle *into = NULL;
    if (!machine_config_at(m, c->config)->whole) {
        if (table) {
            entry = table_find(matcher, work, c);
            if (*entry != 0) into = bundle_at(m, list, *entry - 1);
        }
        for (size_t i = 0; i < list->count && !table && into == NULL; i++)
            if (same(m, bundle_at(m, list, i), c)) into = bundle_at(m, list, i);
    }
    if (into != NULL) {
        unite(matcher, into, c);
        return LEAT_OK;
    }
    if (list->words != NULL && bundle_at(m, list, list->count) == c) {
        list->count++; /* it stays where it is */
    } else {
        LEAT_TRY(bundle_add(m, list, &into, err));
        memcpy(into, c, bundle_words(m) * sizeof(uint32_t));
    }
    if (entry != NULL) *entry = (uint32_t)list->count;
    return LEAT_OK;
}

leat_code bundles_merge(leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    const machine *m = matcher->machine;
    bundles *list = &matcher->bundles;
    bundles *fresh = &work->fresh;
    size_t all = list->count + fresh->count;
    LEAT_ASSERT(all < UINT32_MAX);
    if (fresh->count == 0 && !work->moved) return LEAT_OK;
    LEAT_TRY(graph_reserve(&matcher->graph, (uint32_t)all, err));
    bool table = all > SCAN_MAX;
    if (table) LEAT_TRY(table_clear(work, all, err));
    size_t count = list->count;
    if (work->moved || table) { /* those that are there are entered one by one, in place */
        list->count = 0;
        for (size_t i = 0; i < count; i++) {
            const bundle *c = bundle_at(m, list, i);
            LEAT_ASSERT(list->count <= i); /* to its own place, or to one before */
            LEAT_TRY(join(matcher, work, c, table, err));
        }
    }
    for (size_t i = 0; i < fresh->count; i++)
        LEAT_TRY(join(matcher, work, bundle_at(m, fresh, i), table, err));
    fresh->count = 0;
    return LEAT_OK;
}

/* --- what is dead --- */

static void move_slots(const machine *m, const graph_moves *moves, bundle *c)
{
    for (uint32_t i = 0; i < m->slots_count; i++)
        if (m->slots[i].kind != SLOT_SIZE) c->slots[i] = graph_moved_event(moves, c->slots[i]);
}

static void move_range(const graph_moves *moves, uint32_t *root, uint32_t *from, uint32_t *to)
{
    *root = graph_moved_root(moves, *root);
    *from = graph_moved_event(moves, *from);
    if (*to != UINT32_MAX) *to = graph_moved_event(moves, *to);
}

leat_code matcher_collect(leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    const machine *m = matcher->machine;
    graph *g = &matcher->graph;
    graph_moves *moves = &work->moves;
    LEAT_ASSERT(work->fresh.count == 0 && work->done_count == 0);
    bundles_drop_dead(matcher);
    LEAT_TRY(graph_moves_begin(moves, g, err));
    for (size_t i = 0; i < matcher->bundles.count; i++)
        graph_mark(moves, bundle_at(m, &matcher->bundles, i)->root);
    /* Time does not end what is complete: for its sake some is kept that is out of time. */
    uint32_t bound = g->bound;
    for (size_t i = 0; i < matcher->waiting_count; i++) {
        const waiting *w = &matcher->waiting[i];
        uint32_t from = w->from > matcher->skipped ? w->from : matcher->skipped;
        if (from < bound) bound = from;
        graph_mark(moves, w->root);
    }
    graph_collect(g, moves, bound);
    for (size_t i = 0; i < matcher->bundles.count; i++) {
        bundle *c = bundle_at(m, &matcher->bundles, i);
        c->root = graph_moved_root(moves, c->root);
        LEAT_ASSERT(c->root != 0);
        move_slots(m, moves, c);
    }
    for (size_t i = 0; i < matcher->waiting_count; i++) {
        waiting *w = &matcher->waiting[i];
        move_range(moves, &w->root, &w->from, &w->to);
    }
    work->number = graph_moved_event(moves, work->number);
    if (work->number > g->events_count) work->number = 0; /* nothing has kept it */
    matcher->skipped = graph_moved_event(moves, matcher->skipped);
    matcher->collect_at = g->nodes_count < 8 ? 16 : g->nodes_count * 2;
    return LEAT_OK;
}

leat_code matcher_settle(leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    graph *g = &matcher->graph;
    if (matcher->bundles.count > 0) bundles_drop_dead(matcher);
    if (matcher->bundles.count == 0 && matcher->waiting_count == 0) {
        graph_clear(g);
        matcher->skipped = 0;
        return LEAT_OK;
    }
    return g->bound > g->events_count / 2 + 8 ? matcher_collect(matcher, work, err) : LEAT_OK;
}
