/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles: partial matches that behave alike, held as one root of the graph.
 *
 *   [configuration | root | depth | slots]    a few words each, in one array per key, sorted
 *
 * The order is by configuration, then by slots. So those that one look at the event settles lie
 * together, and what an event has made finds its equal, or its place, by halving. Equal
 * configuration and equal slots are one bundle, by one union. What an event makes is collected
 * apart and merged in at its end, as a bundle too that the event has moved to another
 * configuration; many at once are sorted in together. Partial matches of which a later condition
 * may read everything are never equal, as no two have the same takes: each is a bundle of its own,
 * and the machine is the plain list of partial matches that it replaces.
 *
 * Bundles whose runs have all begun before the bound are dead. They go when enough of them may be
 * there; who meets one before has to see that it is dead. */
#include "cep/bundle_index.h"
#include "cep/matcher_inside.h"
#include "core/mem.h"

#include <stdlib.h>

#define INSERT_MAX 16 /* more at once are sorted in together */
#define DEAD_MAX   16 /* of so few bundles none stays that is dead */
#define END_TRIES  3  /* bundles at the end that are looked at before places are halved */

static size_t bundle_words(const machine *m)
{
    return m->slots_count + 3;
}

leat_code bundle_add(const machine *m, bundles *list, bundle **added, leat_err *err)
{
    size_t need = (list->count + 1) * bundle_words(m);
    if (need > list->size && list->words == NULL && need <= BUNDLES_OWN) {
        list->words = list->own;
        list->size = BUNDLES_OWN;
    }
    if (need > list->size) {
        bool own = list->words == list->own;
        size_t size = (size_t)list->size * 2 > need ? (size_t)list->size * 2 : need;
        if (size > UINT32_MAX)
            return leat_err_set(err, LEAT_ERR_LIMIT,
                                "a key's partial matches need too much memory");
        void *grown = leat_mem_try_resize(own ? NULL : list->words, size * sizeof *list->words);
        if (grown == NULL)
            return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
        if (own) memcpy(grown, list->own, sizeof list->own);
        list->words = grown;
        list->size = (uint32_t)size;
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

leat_code bundle_move(const machine *m, leat_matcher_work *work, bundle *c, uint32_t config,
                      leat_err *err)
{
    bundle *moved = NULL;
    LEAT_ASSERT(c->root != 0);
    LEAT_TRY(bundle_add(m, &work->fresh, &moved, err));
    memcpy(moved, c, bundle_words(m) * sizeof(uint32_t));
    moved->config = config;
    bundle_settle(m, moved);
    c->root = 0;
    return LEAT_OK;
}

/* Those that live move in stretches, of which there are few: who began first dies first. */
void bundles_drop_dead(leat_matcher *matcher)
{
    const machine *m = matcher->machine;
    const graph *g = &matcher->graph;
    bundles *list = &matcher->bundles;
    size_t bytes = bundle_words(m) * sizeof(uint32_t);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        size_t from = i;
        while (i < list->count && graph_lives(g, bundle_at(m, list, i)->root))
            i++;
        if (kept != from && i > from)
            memmove(bundle_at(m, list, kept), bundle_at(m, list, from), (i - from) * bytes);
        kept += i - from;
    }
    if (kept != list->count) matcher->shape = NULL;
    list->count = (uint32_t)kept;
    matcher->gone = 0;
    matcher->dropped_at = g->bound;
}

/* --- merging --- */

/* Order of two bundles; slots are compared as long as they are. */
static int compare(const machine *m, const bundle *a, const bundle *b)
{
    if (a->config != b->config) return a->config < b->config ? -1 : 1;
    for (uint32_t i = 0; i < m->slots_count; i++)
        if (a->slots[i] != b->slots[i]) return a->slots[i] < b->slots[i] ? -1 : 1;
    return 0;
}

/* The first of the list that is not before c; *same: it is in the same place as c. Most of what is
 * new goes to the end, or in front of the few bundles that have come further. */
static size_t place_of(const machine *m, const bundles *list, const bundle *c, bool *same)
{
    size_t from = 0;
    size_t to = list->count;
    int order = 1; /* of the one at `to` */
    for (int i = 0; i < END_TRIES && from < to; i++) {
        int other = compare(m, bundle_at(m, list, to - 1), c);
        if (other < 0)
            from = to;
        else
            order = other, to--;
    }
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int other = compare(m, bundle_at(m, list, middle), c);
        if (other < 0)
            from = middle + 1;
        else
            order = other, to = middle;
    }
    *same = order == 0;
    return to;
}

bool bundles_find(const machine *m, const bundles *list, uint32_t config, const uint32_t *slots,
                  size_t *at)
{
    uint32_t words[3 + MACHINE_SLOTS_MAX + 1];
    bundles one = {.words = words, .count = 1};
    bundle *wanted = bundle_at(m, &one, 0);
    wanted->config = config;
    memcpy(wanted->slots, slots, m->slots_count * sizeof *slots);
    bool same = false;
    *at = place_of(m, list, wanted, &same);
    return same;
}

size_t bundles_end(const machine *m, const bundles *list, size_t at)
{
    uint32_t config = bundle_at(m, list, at)->config;
    size_t from = at + 1;
    size_t to = list->count;
    if (from == to || bundle_at(m, list, from)->config != config) return from;
    for (int i = 0; i < END_TRIES; i++, to--)
        if (bundle_at(m, list, to - 1)->config == config) return to;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (bundle_at(m, list, middle)->config <= config)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

bool bundles_equal(const machine *m, const bundle *a, const bundle *b)
{
    return !machine_config_at(m, a->config)->whole && compare(m, a, b) == 0;
}

/* What has moved on has often been followed by another one that is the same. */
static void unite(leat_matcher *matcher, bundle *into, const bundle *c)
{
    if (into->root == 0 && c->root != 0 && matcher->gone > 0) {
        into->root = c->root;
        into->depth = c->depth;
        matcher->gone--;
        return;
    }
    into->root = graph_union(&matcher->graph, into->root, c->root);
    if (c->depth > into->depth) into->depth = c->depth;
}

/* Puts c, which lies elsewhere, into its place or together with its equal. */
static leat_code insert(leat_matcher *matcher, const bundle *c, leat_err *err)
{
    const machine *m = matcher->machine;
    bundles *list = &matcher->bundles;
    size_t bytes = bundle_words(m) * sizeof(uint32_t);
    bundle *added = NULL;
    bool same = false;
    size_t at = place_of(m, list, c, &same);
    if (same && !machine_config_at(m, c->config)->whole) {
        unite(matcher, bundle_at(m, list, at), c);
        return LEAT_OK;
    }
    if (LEAT_LIKELY(bundles_room(m, list)))
        list->count++;
    else
        LEAT_TRY(bundle_add(m, list, &added, err));
    size_t behind = list->count - 1 - at;
    if (behind > 0) memmove(bundle_at(m, list, at + 1), bundle_at(m, list, at), behind * bytes);
    memcpy(bundle_at(m, list, at), c, bytes);
    return LEAT_OK;
}

static int compare_bytes(const void *a, const void *b, void *machine_of)
{
    return compare(machine_of, a, b);
}

/* Sorts the list anew, and makes one of those that are equal. */
void bundles_sort(leat_matcher *matcher)
{
    machine *m = matcher->machine;
    bundles *list = &matcher->bundles;
    size_t bytes = bundle_words(m) * sizeof(uint32_t);
    size_t kept = 0;
    matcher->shape = NULL;
    if (list->count > 1) qsort_r(list->words, list->count, bytes, compare_bytes, m);
    for (size_t i = 0; i < list->count; i++) {
        const bundle *c = bundle_at(m, list, i);
        if (kept > 0 && bundles_equal(m, bundle_at(m, list, kept - 1), c)) {
            unite(matcher, bundle_at(m, list, kept - 1), c);
            continue;
        }
        if (kept != i) memcpy(bundle_at(m, list, kept), c, bytes);
        kept++;
    }
    list->count = (uint32_t)kept;
}

leat_code bundles_merge(leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    const machine *m = matcher->machine;
    bundles *list = &matcher->bundles;
    bundles *fresh = &work->fresh;
    LEAT_ASSERT(list->count + fresh->count < UINT32_MAX);
    if (fresh->count == 0) return LEAT_OK;
    matcher->shape = NULL;
    LEAT_TRY(graph_reserve(&matcher->graph, (uint32_t)fresh->count, err));
    for (size_t i = 0; i < fresh->count && matcher->indexes_count > 0; i++)
        LEAT_TRY(bundle_index_note(matcher, work->arena, bundle_at(m, fresh, i), err));
    for (size_t i = 0; i < fresh->count; i++) {
        bundle *added = NULL;
        if (fresh->count <= INSERT_MAX) {
            LEAT_TRY(insert(matcher, bundle_at(m, fresh, i), err));
            continue;
        }
        LEAT_TRY(bundle_add(m, list, &added, err));
        memcpy(added, bundle_at(m, fresh, i), bundle_words(m) * sizeof(uint32_t));
    }
    if (fresh->count > INSERT_MAX) bundles_sort(matcher);
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
    work->ticket++;
    if (g->bound != matcher->dropped_at || matcher->gone > 0) bundles_drop_dead(matcher);
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
    matcher->collect_at = g->nodes_count < 8 ? 16 : g->nodes_count * 2;
    if (!graph_collect(g, moves, bound)) return LEAT_OK;
    matcher->collect_at = g->nodes_count < 8 ? 16 : g->nodes_count * 2;
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
    matcher->dropped_at = g->bound;
    matcher->spent = 0;
    bundle_index_collected(matcher, moves);
    return LEAT_OK;
}

void matcher_void(leat_matcher *matcher)
{
    LEAT_ASSERT(matcher->waiting_count == 0);
    bundle_index_void(matcher);
    graph_clear(&matcher->graph);
    matcher->bundles.count = 0;
    matcher->shape = NULL;
    matcher->skipped = matcher->dropped_at = matcher->gone = matcher->spent = 0;
}

leat_code matcher_settle(leat_matcher *matcher, leat_matcher_work *work, leat_err *err)
{
    graph *g = &matcher->graph;
    size_t count = matcher->bundles.count;
    /* As many as began since the last time may have died: they pay for the look at all. */
    bool due = count <= DEAD_MAX || g->bound - matcher->dropped_at > count / 4 ||
               matcher->gone > count / 4 || g->bound > g->events_count;
    bool any = g->bound != matcher->dropped_at || matcher->gone > 0;
    if (count > 0 && due && any) bundles_drop_dead(matcher);
    if (matcher->bundles.count == 0 && matcher->waiting_count == 0) {
        matcher_void(matcher);
        return LEAT_OK;
    }
    if (matcher->waiting_count == 0) graph_give_back(g, &matcher->spent);
    return matcher_stale(matcher) ? matcher_collect(matcher, work, err) : LEAT_OK;
}
