/* SPDX-License-Identifier: Apache-2.0 */
/* Many bundles of one configuration: only those are looked at that the event can concern.
 *
 * The tree of the configuration is gone down as if every comparison with an earlier take failed,
 * which is so for most bundles:
 *
 *        [amount > last(a).amount]       an index knows for which it holds (bundle_index.h)
 *          no /     \ yes
 *         stays      takes b             nothing to be done for the others
 *
 * If that changes nothing, what remains are the bundles for which a comparison holds, and those of
 * which only the expression can tell (a field is missing, a text is compared with a number). They
 * are asked one by one, in the order of the list, by the same functions as without an index, so an
 * index that said too much would cost time and change nothing.
 *
 * Where all for which it holds do the same and what they become is one bundle, not even they are
 * looked at: the first of them tells what that is, and one take goes in front of the root of all.
 * That needs a condition that reads nothing else of a step, and a target that remembers nothing of
 * what tells them apart.
 *
 * Bundles that are told apart by when they took last, for the window of a step, are fed together
 * in the same way where no condition asks them: those of which the window has not passed are the
 * upper end of an index by that time.
 *
 * No condition is evaluated that would not be evaluated without the index: one further down the
 * tree only once a bundle is seen for which the comparisons above it fail. Of several conditions
 * that fail to evaluate, another one may be the first, and that is the one that is reported. */
#include "cep/bundle_index.h"
#include "core/mem.h"

#include <stdlib.h>

#define LINKS_MAX   4
#define WITNESS_MAX 8 /* bundles that are looked at for one that takes the way of most */
#define FEW         3 /* bundles that are rather looked at than summed up */

typedef struct chosen {
    uint32_t branch, condition;
    leat_matcher_link link;
    bundle_index *index;
    machine_known before; /* along the way to the branch */
} chosen;

typedef struct selecting {
    const feeding *f;
    size_t from, end;
    uint32_t config;
    chosen links[LINKS_MAX];
    uint32_t count;
    const machine_leaf *leaf; /* of all of them, where no link is asked */
} selecting;

/* --- the way of most --- */

static leat_code grow_below(const selecting *s, uint32_t above, bool holds,
                            const machine_known *path, uint32_t *at)
{
    machine *m = s->f->machine;
    LEAT_TRY(machine_grow(m, s->config, path, at, s->f->err));
    *(above == 0 ? &m->configs[s->config]->tree : &m->branches[above].next[holds]) = *at;
    return LEAT_OK;
}

/* What comes next in the tree; above 0: its root. */
static inline LEAT_CHECKED leat_code go_down(const selecting *s, uint32_t above, bool holds,
                                             const machine_known *path, uint32_t *at)
{
    const machine *m = s->f->machine;
    *at = above == 0 ? m->configs[s->config]->tree : m->branches[above].next[holds];
    return LEAT_LIKELY(*at != 0) ? LEAT_OK : grow_below(s, above, holds, path, at);
}

static void note(machine_known *path, uint32_t condition, bool holds)
{
    path->known[condition >> 6] |= (uint64_t)1 << (condition & 63);
    path->holds[condition >> 6] |= (uint64_t)holds << (condition & 63);
}

static bool link_fails(const selecting *s, const chosen *l, const bundle *c)
{
    leat_err why;
    leat_value value;
    const graph *g = &s->f->matcher->graph;
    uint32_t number = c->slots[l->index->by.slot];
    if (number == 0) return false;
    return leat_event_field(graph_entry_at(g, number)->event, l->link.link->field,
                            s->f->work->arena, &value, &why) == LEAT_OK &&
           link_compare(l->link.link->op, l->link.value, value) == LINK_FAILS;
}

/* Whether a bundle is seen for which all comparisons so far fail. */
static bool witnessed(const selecting *s)
{
    uint32_t seen = 0;
    for (size_t i = s->end; i-- > s->from && seen < WITNESS_MAX;) {
        const bundle *c = bundle_at(s->f->machine, &s->f->matcher->bundles, i);
        bool all = true;
        if (!graph_lives(&s->f->matcher->graph, c->root)) continue;
        for (uint32_t j = 0; j < s->count && all; j++)
            all = link_fails(s, &s->links[j], c);
        if (all) return true;
        seen++;
    }
    return s->count == 0;
}

/* The index by which that condition's comparison is found; NULL: there can be none. */
static leat_code index_of(const selecting *s, uint32_t condition, leat_matcher_link *link,
                          bundle_index **index)
{
    const feeding *f = s->f;
    const machine *m = f->machine;
    const leat_reading *reading = &f->pattern->conditions[condition].reading;
    const leat_matcher_host *host = f->work->host;
    *index = NULL;
    if (!reading->known || (reading->size | reading->whole) != 0 || host->link == NULL ||
        !host->link(host->self, condition, link))
        return LEAT_OK;
    slot_kind kind = link->link->last ? SLOT_LAST : SLOT_FIRST;
    uint64_t alive = machine_config_at(m, s->config)->slots;
    index_key wanted = {.config = s->config,
                        .equality = link->link->op == LEAT_LINK_EQ,
                        .field = link->link->field};
    while (wanted.slot < m->slots_count &&
           (m->slots[wanted.slot].kind != kind || m->slots[wanted.slot].step != link->step))
        wanted.slot++;
    if (wanted.slot == m->slots_count || (alive >> wanted.slot & 1) == 0) return LEAT_OK;
    return bundle_index_of(f->matcher, f->work->arena, &wanted, s->from, s->end, index, f->err);
}

/* *good: bundles stay as they are, but for those that an index finds. */
static leat_code plan(selecting *s, bool *good)
{
    const feeding *f = s->f;
    const machine *m = f->machine;
    machine_known path = {{0}, {0}};
    uint32_t above = 0;
    uint32_t at = 0;
    bool holds = false;
    *good = false;
    for (;;) {
        bool known = false;
        LEAT_TRY(go_down(s, above, holds, &path, &at));
        if ((at & MACHINE_LEAF) != 0) break;
        uint32_t condition = m->branches[at].condition;
        bool asked = f->work->known.known[condition >> 6] >> (condition & 63) & 1;
        if (s->count > 0 && !asked && !witnessed(s)) return LEAT_OK;
        LEAT_TRY(matcher_ask_all(f, condition, &known, &holds));
        if (!known) {
            if (s->count == LINKS_MAX) return LEAT_OK;
            chosen *l = &s->links[s->count];
            l->branch = at;
            l->condition = condition;
            l->before = path;
            LEAT_TRY(index_of(s, condition, &l->link, &l->index));
            if (l->index == NULL) return LEAT_OK;
            s->count++;
            holds = false;
        }
        note(&path, condition, holds);
        above = at;
    }
    const machine_leaf *leaf = m->leaves[at & ~MACHINE_LEAF];
    if (s->count == 0) {
        s->leaf = leaf;
        matcher_decided(f->work, s->config, leaf);
    }
    *good = leaf_idle(leaf, s->config);
    return LEAT_OK;
}

/* --- one by one --- */

typedef struct picking {
    const selecting *s;
    bundle_index *index;
    const index_range *range;
} picking;

static leat_code pick_item(void *self, index_item *item)
{
    const picking *p = self;
    const feeding *f = p->s->f;
    leat_matcher_work *work = f->work;
    void *items = work->picks;
    size_t at = 0;
    const uint32_t *slots = bundle_index_slots(f->machine, p->index, item);
    if (!bundles_find(f->machine, &f->matcher->bundles, p->s->config, slots, &at)) return LEAT_OK;
    LEAT_TRY(
        matcher_reserve(&items, &work->picks_size, work->picks_count, sizeof *work->picks, f->err));
    work->picks = items;
    work->picks[work->picks_count++] = (pick){at, p->index, p->range, item};
    return LEAT_OK;
}

static leat_code pick_all(const selecting *s, const chosen *l, const index_range *ranges,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        picking p = {s, l->index, &ranges[i]};
        LEAT_TRY(
            bundle_index_each(l->index, &ranges[i], s->f->matcher->graph.bound, pick_item, &p));
    }
    return LEAT_OK;
}

static int compare_picks(const void *a, const void *b)
{
    size_t x = ((const pick *)a)->at;
    size_t y = ((const pick *)b)->at;
    return x < y ? -1 : x > y;
}

static leat_code feed_picks(const selecting *s)
{
    const feeding *f = s->f;
    leat_matcher *matcher = f->matcher;
    const pick *picks = f->work->picks;
    size_t count = f->work->picks_count;
    LEAT_ASSERT(s->count > 0 && s->count <= LINKS_MAX);
    if (count > 1) qsort(f->work->picks, count, sizeof *picks, compare_picks);
    for (size_t i = 0; i < count; i++) {
        bundle *c = bundle_at(f->machine, &matcher->bundles, picks[i].at);
        const machine_leaf *leaf = NULL;
        bool alike = false;
        bool again = i > 0 && picks[i - 1].at == picks[i].at;
        if (!again && graph_lives(&matcher->graph, c->root)) {
            LEAT_TRY(matcher_decide(f, c, &leaf, &alike));
            LEAT_TRY(matcher_apply(f, c, leaf));
            if (c->root == 0) {
                bundle_index_leak(matcher, s->config, s->count == 1 ? picks[i].index : NULL);
                matcher->gone++;
            }
        }
        if (c->root == 0 && !picks[i].index->stale)
            bundle_index_gone(picks[i].index, picks[i].range, picks[i].item);
    }
    return LEAT_OK;
}

/* --- together --- */

/* Whether all bundles of the configuration become one by each of the takes. */
static bool merges(const selecting *s, const machine_leaf *leaf)
{
    const machine *m = s->f->machine;
    uint64_t told = machine_config_at(m, s->config)->slots;
    LEAT_ASSERT(told != 0);
    for (uint32_t i = 0; i < leaf->takes_count; i++) {
        const machine_take *take = &leaf->takes[i];
        if (take->config == MACHINE_NONE) continue;
        uint64_t left = machine_config_at(m, take->config)->slots & told;
        if (machine_config_at(m, take->config)->whole) return false;
        for (; left != 0; left &= left - 1) {
            const machine_slot *slot = &m->slots[__builtin_ctzll(left)];
            bool own = slot->kind == SLOT_LAST && slot->step == take->step;
            if (!own && slot->kind != SLOT_TAKE) return false;
        }
    }
    return leaf->config == s->config;
}

/* Whether no limit is near, as each bundle would come to it by itself. */
static bool free_of_limits(const feeding *f, const machine_leaf *leaf, uint32_t depth)
{
    size_t takes = (size_t)f->matcher->graph.takes + f->work->unsealed + leaf->takes_count + 1;
    if (depth >= f->pattern->takes_max) return false;
    return f->pattern->beyond != LEAT_DROP_NEWEST || takes < f->pattern->runs_max;
}

/* What becomes of the bundles for which the comparison holds; NULL: it depends. c: one of them, or
 * NULL where the comparison alone decides. */
static leat_code decide_all(const selecting *s, const bundle *c, const machine_leaf **leaf,
                            bool *idle)
{
    const chosen *l = &s->links[0];
    const machine *m = s->f->machine;
    machine_known path = l->before;
    uint32_t above = l->branch;
    uint32_t at = 0;
    uint32_t condition = l->condition;
    bool holds = true;
    bool alike = true;
    *leaf = NULL;
    if (c != NULL) LEAT_TRY(matcher_ask(s->f, c, condition, &holds, &alike));
    *idle = !holds; /* as the condition fails for all of them */
    if (*idle) return LEAT_OK;
    for (;;) {
        bool known = false;
        note(&path, condition, holds);
        LEAT_TRY(go_down(s, above, holds, &path, &at));
        if ((at & MACHINE_LEAF) != 0) break;
        condition = m->branches[at].condition;
        LEAT_TRY(matcher_ask_all(s->f, condition, &known, &holds));
        if (!known) return LEAT_OK;
        above = at;
    }
    *leaf = m->leaves[at & ~MACHINE_LEAF];
    *idle = leaf_idle(*leaf, s->config);
    return LEAT_OK;
}

/* The root of what `found` is sure of; 0: nothing of it lives. */
static leat_code sum_up(const selecting *s, bundle_index *index, const index_found *found,
                        bundle *all)
{
    leat_matcher *matcher = s->f->matcher;
    all->root = all->depth = 0;
    for (uint32_t i = 0; i < found->sure_count; i++)
        LEAT_TRY(bundle_index_sum(index, &matcher->graph, &found->sure[i], &all->root, &all->depth,
                                  s->f->err));
    return LEAT_OK;
}

/* What the index is sure of is fed as one, if no limit is near. What tells them apart is forgotten
 * or written over, and other slots do not matter. */
static leat_code feed_sum(const selecting *s, bundle_index *index, const index_found *found,
                          const machine_leaf *leaf, bool *settled)
{
    const machine *m = s->f->machine;
    uint32_t words[3 + MACHINE_SLOTS_MAX + 1];
    bundles one = {.words = words, .count = 1};
    bundle *all = bundle_at(m, &one, 0);
    memset(words, 0, (3 + m->slots_count) * sizeof *words);
    all->config = s->config;
    LEAT_TRY(sum_up(s, index, found, all));
    *settled = free_of_limits(s->f, leaf, all->depth);
    return !*settled || all->root == 0 ? LEAT_OK : matcher_apply(s->f, all, leaf);
}

/* Whether those of which the index is sure can be fed as one. */
static bool summable(const selecting *s, const index_found *found)
{
    const chosen *l = &s->links[0];
    bool many = found->sure_count > FEW;
    if (s->count > 1 || !l->link.lone || l->index->leaky) return false;
    for (uint32_t i = 0; i < found->sure_count && !many; i++)
        many = bundle_index_many(l->index, &found->sure[i], FEW);
    return many;
}

/* One of those of which the index is sure; NULL: none of them lives. *lost: it is not in the list.
 */
static const bundle *one_of(const selecting *s, const index_found *found, bool *lost)
{
    const feeding *f = s->f;
    bundle_index *index = s->links[0].index;
    const index_item *item = NULL;
    size_t at = 0;
    *lost = false;
    for (uint32_t i = 0; i < found->sure_count && item == NULL; i++)
        item = bundle_index_one(index, &found->sure[i], f->matcher->graph.bound);
    if (item == NULL) return NULL;
    const uint32_t *slots = bundle_index_slots(f->machine, index, item);
    *lost = !bundles_find(f->machine, &f->matcher->bundles, s->config, slots, &at);
    return *lost ? NULL : bundle_at(f->machine, &f->matcher->bundles, at);
}

/* *settled: what the index is sure of was fed as one; else nothing has happened. */
static leat_code feed_together(const selecting *s, const index_found *found, bool *settled)
{
    const bundle *c = NULL;
    const machine_leaf *leaf = NULL;
    bool idle = false;
    bool lost = false;
    *settled = false;
    if (!summable(s, found)) return LEAT_OK;
    if (!s->links[0].link.decides) {
        c = one_of(s, found, &lost);
        *settled = c == NULL && !lost;
        if (c == NULL) return LEAT_OK;
    }
    LEAT_TRY(decide_all(s, c, &leaf, &idle));
    *settled = idle;
    if (leaf == NULL || idle || !merges(s, leaf)) return LEAT_OK;
    return feed_sum(s, s->links[0].index, found, leaf, settled);
}

/* The earliest last take of which the window has not passed. */
static leat_value threshold(const feeding *f, int64_t within_ms)
{
    int64_t from_ms;
    if (__builtin_sub_overflow(f->now_ms, within_ms - 1, &from_ms)) from_ms = INT64_MIN;
    return leat_value_int(from_ms);
}

static leat_code reserve_found(const feeding *f)
{
    leat_matcher_work *work = f->work;
    if (work->found == NULL) work->found = leat_mem_try(LINKS_MAX * sizeof *work->found);
    return work->found != NULL
               ? LEAT_OK
               : leat_err_set(f->err, LEAT_ERR_MEMORY, "no memory for partial matches");
}

leat_code matcher_feed_alike(const feeding *f, size_t from, size_t end, const machine_leaf *leaf,
                             bool *settled)
{
    const machine *m = f->machine;
    bundle_index *index = NULL;
    selecting s; /* there are no links */
    s.f = f;
    s.from = from;
    s.end = end;
    s.config = bundle_at(m, &f->matcher->bundles, from)->config;
    s.count = 0;
    s.leaf = NULL;
    const machine_config *config = machine_config_at(m, s.config);
    *settled = false;
    if (config->within_ms == 0 || config->whole || !merges(&s, leaf)) return LEAT_OK;
    const index_key wanted = {.config = s.config, .slot = m->slots_count - 1, .timed = true};
    LEAT_ASSERT(m->slots[wanted.slot].kind == SLOT_TAKE);
    LEAT_TRY(bundle_index_of(f->matcher, f->work->arena, &wanted, from, end, &index, f->err));
    if (index == NULL || index->leaky) return LEAT_OK;
    LEAT_TRY(reserve_found(f));
    index_found *found = &f->work->found[0];
    if (!bundle_index_find(index, LEAT_LINK_LE, threshold(f, config->within_ms), found))
        return LEAT_OK;
    LEAT_ASSERT(found->unsure_count == 0);
    return feed_sum(&s, index, found, leaf, settled);
}

/* --- the whole --- */

static bool any_lives(const selecting *s)
{
    const graph *g = &s->f->matcher->graph;
    for (size_t i = s->end; i-- > s->from;) /* the last came last, most often */
        if (graph_lives(g, bundle_at(s->f->machine, &s->f->matcher->bundles, i)->root)) return true;
    return false;
}

leat_code matcher_select(const feeding *f, size_t from, size_t end, bool *settled)
{
    leat_matcher_work *work = f->work;
    const bundle *first = bundle_at(f->machine, &f->matcher->bundles, from);
    const machine_config *config = machine_config_at(f->machine, first->config);
    selecting s; /* links are filled as they are chosen */
    s.f = f;
    s.from = from;
    s.end = end;
    s.config = first->config;
    s.count = 0;
    s.leaf = NULL;
    bool together = false;
    *settled = false;
    if (config->whole || config->slots == 0 || !any_lives(&s)) return LEAT_OK;
    LEAT_TRY(plan(&s, settled));
    if (!*settled && s.leaf != NULL && config->within_ms > 0)
        return matcher_feed_alike(f, from, end, s.leaf, settled);
    if (!*settled || s.count == 0) return LEAT_OK;
    LEAT_TRY(reserve_found(f));
    for (uint32_t i = 0; i < s.count && *settled; i++)
        *settled = bundle_index_find(s.links[i].index, s.links[i].link.link->op,
                                     s.links[i].link.value, &work->found[i]);
    if (!*settled) return LEAT_OK;
    work->picks_count = 0;
    for (uint32_t i = 0; i < s.count; i++) {
        const index_found *found = &work->found[i];
        if (found->sure_count > 0 && s.count == 1) LEAT_TRY(feed_together(&s, found, &together));
        if (!together && found->sure_count > 0)
            LEAT_TRY(pick_all(&s, &s.links[i], found->sure, found->sure_count));
        if (found->unsure_count > 0)
            LEAT_TRY(pick_all(&s, &s.links[i], found->unsure, found->unsure_count));
    }
    return work->picks_count == 0 ? LEAT_OK : feed_picks(&s);
}
