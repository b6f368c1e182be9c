/* SPDX-License-Identifier: Apache-2.0 */
/* Making an index, keeping it up, and asking it.
 *
 * All that comes to a bundle is told (bundle_index_note), by the two places where that happens. Of
 * what goes only what goes otherwise than by time is told: a root below the bound is dead in here
 * as everywhere. Whoever changes roots in another way makes the index void, and the next who wants
 * it has it made anew from the bundles, at the cost of one event the old way.
 *
 * Values are those of the events' text, as conditions see them. A text is pointed to where it lies
 * in its event, of which the item then holds a reference. What has no order (null, a field that is
 * missing, a step that has taken nothing) is in the list of OTHER and asked each time. */
#include "cep/bundle_index.h"
#include "core/mem.h"

#define INDEXES_MAX  16 /* of one key */
#define SPARE_ITEMS  64
#define SPARE_FACTOR 4 /* items per bundle; with more it is made anew */

/* --- life --- */

static void clear_list(index_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        leat_event_release(&list->items[i].event);
    list->count = 0;
    list->runs_count = 0;
}

static void clear(bundle_index *index)
{
    for (size_t i = 0; i < LINK_KINDS; i++)
        clear_list(&index->lists[i]);
    if (index->groups_size > 0)
        memset(index->groups, 0, index->groups_size * sizeof *index->groups);
    index->groups_count = index->slots_count = 0;
    index->slots_free = 0;
    index->leaky = false;
    index->stale = true;
}

void bundle_index_leak(leat_matcher *matcher, uint32_t config, const bundle_index *but)
{
    for (uint32_t i = 0; i < matcher->indexes_count; i++)
        if (matcher->indexes[i]->by.config == config && matcher->indexes[i] != but)
            matcher->indexes[i]->leaky = true;
}

void bundle_index_passed(leat_matcher *matcher, uint32_t config)
{
    for (uint32_t i = 0; i < matcher->indexes_count; i++)
        if (matcher->indexes[i]->by.config == config && !matcher->indexes[i]->by.timed)
            matcher->indexes[i]->leaky = true;
}

void bundle_index_void(leat_matcher *matcher)
{
    for (uint32_t i = 0; i < matcher->indexes_count; i++)
        if (!matcher->indexes[i]->stale) clear(matcher->indexes[i]);
}

void bundle_index_release(leat_matcher *matcher)
{
    for (uint32_t i = 0; i < matcher->indexes_count; i++) {
        bundle_index *index = matcher->indexes[i];
        clear(index);
        for (size_t j = 0; j < LINK_KINDS; j++) {
            leat_mem_free(index->lists[j].items);
            leat_mem_free(index->lists[j].sums[INDEX_LOW]);
            leat_mem_free(index->lists[j].sums[INDEX_HIGH]);
        }
        leat_mem_free(index->slots);
        leat_mem_free(index->groups);
        leat_mem_free(index);
    }
    leat_mem_free(matcher->indexes);
    matcher->indexes = NULL;
    matcher->indexes_count = 0;
}

/* --- groups --- */

/* The group of that value, or the free place where it would be. */
static index_group *group_of(const bundle_index *index, uint64_t hash, leat_value value)
{
    const index_item *items = index->lists[0].items;
    size_t mask = index->groups_size - 1;
    size_t at = hash & mask;
    for (; index->groups[at].first != 0; at = (at + 1) & mask) {
        leat_value other = items[index->groups[at].first - 1].value;
        if (index->groups[at].hash == hash && other.tag == value.tag &&
            link_order(other, value) == 0)
            break;
    }
    return &index->groups[at];
}

static leat_code widen(bundle_index *index, leat_err *err)
{
    size_t size = index->groups_size == 0 ? 64 : index->groups_size * 2;
    if ((index->groups_count + 1) * 2 <= index->groups_size) return LEAT_OK;
    index_group *old = index->groups;
    size_t old_size = index->groups_size;
    index_group *made = leat_mem_try(size * sizeof *made);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
    memset(made, 0, size * sizeof *made);
    index->groups = made;
    index->groups_size = size;
    for (size_t i = 0; i < old_size; i++) {
        size_t at = old[i].hash & (size - 1);
        if (old[i].first == 0) continue;
        while (made[at].first != 0)
            at = (at + 1) & (size - 1);
        made[at] = old[i];
    }
    leat_mem_free(old);
    return LEAT_OK;
}

/* Item `number` of the first list, from 1, goes into its group. */
static leat_code group_add(bundle_index *index, uint32_t number, leat_err *err)
{
    LEAT_ASSERT(index->lists[0].items != NULL && number - 1 < index->lists[0].count);
    index_item *item = &index->lists[0].items[number - 1];
    LEAT_TRY(widen(index, err));
    uint64_t hash = link_hash(item->value);
    index_group *group = group_of(index, hash, item->value);
    index->groups_count += group->first == 0;
    group->hash = hash;
    item->next = group->first;
    group->first = number;
    return LEAT_OK;
}

/* --- items --- */

static leat_code slots_block(bundle_index *index, const machine *m, const uint32_t *slots,
                             uint32_t *block, leat_err *err)
{
    size_t words = m->slots_count;
    LEAT_ASSERT(words > 0);
    if (index->slots_free != 0) {
        *block = index->slots_free - 1;
        index->slots_free = index->slots[*block * words];
    } else {
        size_t need = index->slots_count + words;
        if (need > index->slots_size) {
            size_t size = index->slots_size * 2 > need ? index->slots_size * 2 : need;
            void *grown = leat_mem_try_resize(index->slots, size * sizeof *index->slots);
            if (grown == NULL)
                return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
            index->slots = grown;
            index->slots_size = size;
        }
        *block = (uint32_t)(index->slots_count / words);
        index->slots_count = need;
    }
    memcpy(index->slots + *block * words, slots, words * sizeof *slots);
    return LEAT_OK;
}

/* The value by which a bundle is found; *event: of which it needs a reference. */
static leat_value value_of(const bundle_index *index, const graph *g, const bundle *c,
                           leat_arena *arena, leat_event **event)
{
    leat_err why;
    leat_value value = LEAT_VALUE_MISSING;
    uint32_t number = c->slots[index->by.slot];
    *event = NULL;
    if (index->by.timed) return leat_value_int(graph_entry_at(g, number)->time_ms);
    if (number == 0) return value;
    leat_event *of = graph_entry_at(g, number)->event;
    if (leat_event_field(of, index->by.field, arena, &value, &why) != LEAT_OK)
        return LEAT_VALUE_MISSING;
    if (value.tag != LEAT_STRING) return value;
    leat_str json = leat_event_json(of);
    if (value.as.text < json.data || value.as.text > json.data + json.len)
        return LEAT_VALUE_MISSING;
    *event = of;
    return value;
}

static leat_code list_add(index_list *list, index_item item, leat_err *err)
{
    void *items = list->items;
    LEAT_TRY(matcher_reserve(&items, &list->size, list->count, sizeof item, err));
    list->items = items;
    list->items[list->count++] = item;
    return LEAT_OK;
}

static leat_code add_item(bundle_index *index, const leat_matcher *matcher, const bundle *c,
                          leat_arena *arena, leat_err *err)
{
    leat_event *event = NULL;
    const graph *g = &matcher->graph;
    index_item item = {.root = c->root, .depth = c->depth};
    LEAT_ASSERT(c->config == index->by.config && c->root != 0);
    item.value = value_of(index, g, c, arena, &event);
    item.most = graph_node_at(g, c->root)->most;
    link_kind kind = link_kind_of(item.value);
    bool sorted = kind != LINK_OTHER && !index->by.equality;
    index_list *list = &index->lists[index->by.equality && kind != LINK_OTHER ? 0 : kind];
    LEAT_TRY(slots_block(index, matcher->machine, c->slots, &item.slots, err));
    if (event != NULL) item.event = leat_event_share(event);
    leat_code code = sorted ? index_runs_add(list, item, err) : list_add(list, item, err);
    if (code != LEAT_OK) {
        leat_event_release(&event);
        return code;
    }
    return kind != LINK_OTHER && index->by.equality ? group_add(index, (uint32_t)list->count, err)
                                                    : LEAT_OK;
}

static size_t items_count(const bundle_index *index)
{
    size_t count = 0;
    for (size_t i = 0; i < LINK_KINDS; i++)
        count += index->lists[i].count;
    return count;
}

leat_code bundle_index_note(leat_matcher *matcher, leat_arena *arena, const bundle *c,
                            leat_err *err)
{
    for (uint32_t i = 0; i < matcher->indexes_count; i++) {
        bundle_index *index = matcher->indexes[i];
        if (index->by.config != c->config || index->stale || c->root == 0) continue;
        size_t most = matcher->bundles.count * SPARE_FACTOR + SPARE_ITEMS;
        leat_code code = LEAT_OK;
        if (items_count(index) < most) {
            code = add_item(index, matcher, c, arena, err);
            if (code == LEAT_OK) continue;
        }
        clear(index); /* it does not have them all */
        LEAT_TRY(code);
    }
    return LEAT_OK;
}

/* --- making --- */

static leat_code fill(bundle_index *index, const leat_matcher *matcher, leat_arena *arena,
                      size_t from, size_t end, leat_err *err)
{
    leat_code code = LEAT_OK;
    index->stale = false;
    for (size_t i = from; i < end && code == LEAT_OK; i++) {
        const bundle *c = bundle_at(matcher->machine, &matcher->bundles, i);
        LEAT_ASSERT(c->config == index->by.config);
        if (graph_lives(&matcher->graph, c->root)) code = add_item(index, matcher, c, arena, err);
    }
    if (code != LEAT_OK) clear(index);
    return code;
}

static leat_code index_new(leat_matcher *matcher, const index_key *wanted, bundle_index **index,
                           leat_err *err)
{
    size_t size = (matcher->indexes_count + 1) * sizeof *matcher->indexes;
    bundle_index **grown = leat_mem_try_resize(matcher->indexes, size);
    if (grown != NULL) matcher->indexes = grown;
    bundle_index *made = grown == NULL ? NULL : leat_mem_try(sizeof *made);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
    *made = (bundle_index){.by = *wanted, .stale = true};
    matcher->indexes[matcher->indexes_count++] = *index = made;
    return LEAT_OK;
}

leat_code bundle_index_of(leat_matcher *matcher, leat_arena *arena, const index_key *wanted,
                          size_t from, size_t end, bundle_index **found, leat_err *err)
{
    bundle_index *index = NULL;
    *found = NULL;
    for (uint32_t i = 0; i < matcher->indexes_count && index == NULL; i++) {
        bundle_index *other = matcher->indexes[i];
        if (other->by.config == wanted->config && other->by.slot == wanted->slot &&
            other->by.equality == wanted->equality &&
            leat_str_equal(other->by.field, wanted->field))
            index = other;
    }
    if (index == NULL && matcher->indexes_count == INDEXES_MAX) return LEAT_OK;
    if (index == NULL) LEAT_TRY(index_new(matcher, wanted, &index, err));
    LEAT_ASSERT(index != NULL);
    if (index->stale) LEAT_TRY(fill(index, matcher, arena, from, end, err));
    *found = index;
    return LEAT_OK;
}

/* --- asking --- */

static bool range_add(index_range *ranges, uint32_t *count, index_range range)
{
    if (*count == INDEX_FOUND_MAX) return false;
    ranges[(*count)++] = range;
    return true;
}

static bool find_groups(const bundle_index *index, leat_link_op op, leat_value value,
                        index_found *found)
{
    uint64_t hash = link_hash(value);
    size_t mask = index->groups_size - 1;
    for (size_t at = hash & mask; index->groups[at].first != 0; at = (at + 1) & mask) {
        const index_group *group = &index->groups[at];
        if (group->hash != hash) continue;
        leat_value other = index->lists[0].items[group->first - 1].value;
        if (link_compare(op, value, other) != LINK_HOLDS) continue;
        index_range range = {.from = (uint32_t)at};
        if (!range_add(found->sure, &found->sure_count, range)) return false;
    }
    return true;
}

static bool find_runs(const bundle_index *index, leat_link_op op, leat_value value,
                      index_found *found)
{
    bool text = link_kind_of(value) == LINK_TEXT;
    for (uint32_t kind = 0; kind < LINK_OTHER; kind++) {
        const index_list *list = &index->lists[kind];
        for (uint32_t run = 0; run < list->runs_count; run++) {
            index_range range = {kind, run, 0, list->runs[run].count};
            bool sure = (kind == LINK_TEXT) == text;
            if (sure) index_run_find(list, run, op, value, &range);
            if (range.from == range.to) continue;
            bool room = sure ? range_add(found->sure, &found->sure_count, range)
                             : range_add(found->unsure, &found->unsure_count, range);
            if (!room) return false;
        }
    }
    return true;
}

bool bundle_index_find(const bundle_index *index, leat_link_op op, leat_value value,
                       index_found *found)
{
    LEAT_ASSERT(!index->stale && link_kind_of(value) != LINK_OTHER && op != LEAT_LINK_NE);
    LEAT_ASSERT(index->by.equality == (op == LEAT_LINK_EQ));
    found->sure_count = found->unsure_count = 0;
    uint32_t others = (uint32_t)index->lists[LINK_OTHER].count;
    if (others > 0) found->unsure[found->unsure_count++] = (index_range){LINK_OTHER, 0, 0, others};
    if (!index->by.equality) return find_runs(index, op, value, found);
    return index->groups_count == 0 || find_groups(index, op, value, found);
}

static leat_code each_other(index_list *list, uint32_t bound, index_visit visit, void *self)
{
    for (size_t i = 0; i < list->count; i++) {
        index_item *item = &list->items[i];
        if (item->root != 0 && item->most >= bound) LEAT_TRY(visit(self, item));
    }
    return LEAT_OK;
}

/* Leaves out the dead for good. */
static leat_code each_of_group(bundle_index *index, index_group *group, uint32_t bound,
                               index_visit visit, void *self)
{
    index_item *items = index->lists[0].items;
    uint32_t last = 0;
    for (uint32_t number = group->first; number != 0;) {
        index_item *item = &items[number - 1];
        uint32_t next = item->next;
        bool dead = item->root == 0 || item->most < bound;
        if (dead && last != 0) { /* the first stays, as it tells the value */
            items[last - 1].next = next;
            group->root = group->summed = 0;
        } else {
            last = number;
        }
        if (!dead) LEAT_TRY(visit(self, item));
        number = next;
    }
    return LEAT_OK;
}

leat_code bundle_index_each(bundle_index *index, const index_range *range, uint32_t bound,
                            index_visit visit, void *self)
{
    index_list *list = &index->lists[range->list];
    if (range->list == LINK_OTHER) return each_other(list, bound, visit, self);
    if (!index->by.equality) return index_run_each(list, range, bound, visit, self);
    return each_of_group(index, &index->groups[range->from], bound, visit, self);
}

bool bundle_index_many(const bundle_index *index, const index_range *range, uint32_t least)
{
    uint32_t count = 0;
    if (!index->by.equality || range->list == LINK_OTHER) return range->to - range->from > least;
    uint32_t number = index->groups[range->from].first;
    for (; number != 0 && count <= least; count++)
        number = index->lists[0].items[number - 1].next;
    return count > least;
}

static leat_code stop_at(void *self, index_item *item)
{
    const index_item **one = self;
    *one = item;
    return LEAT_ERR_ABORTED;
}

const index_item *bundle_index_one(bundle_index *index, const index_range *range, uint32_t bound)
{
    const index_item *one = NULL;
    leat_code code = bundle_index_each(index, range, bound, stop_at, &one);
    LEAT_ASSERT((one != NULL) == (code != LEAT_OK));
    return one;
}

leat_code bundle_index_sum(bundle_index *index, graph *g, const index_range *range, uint32_t *root,
                           uint32_t *depth, leat_err *err)
{
    LEAT_ASSERT(range->list != LINK_OTHER);
    if (!index->by.equality)
        return index_run_sum(&index->lists[range->list], g, range, root, depth, err);
    index_group *group = &index->groups[range->from];
    if (group->summed == 0) group->root = group->depth = 0;
    /* From the last that came to the last that is in the sum. */
    for (uint32_t number = group->first; number != group->summed;) {
        const index_item *item = &index->lists[0].items[number - 1];
        LEAT_TRY(graph_reserve(g, 1, err));
        group->root = graph_union(g, group->root, item->root);
        if (item->depth > group->depth) group->depth = item->depth;
        number = item->next;
    }
    group->summed = group->first;
    LEAT_TRY(graph_reserve(g, 1, err));
    *root = graph_union(g, *root, group->root);
    if (group->depth > *depth) *depth = group->depth;
    return LEAT_OK;
}

void bundle_index_gone(bundle_index *index, const index_range *range, index_item *item)
{
    item->root = item->most = 0;
    LEAT_ASSERT(!index->stale);
    if (range->list == LINK_OTHER) return;
    if (!index->by.equality) {
        index_run_gone(&index->lists[range->list], range->run, item);
        return;
    }
    index->groups[range->from].root = index->groups[range->from].summed = 0;
}

/* --- after a collection --- */

static void drop_item(bundle_index *index, const machine *m, index_item *item)
{
    leat_event_release(&item->event);
    index->slots[(size_t)item->slots * m->slots_count] = index->slots_free;
    index->slots_free = item->slots + 1;
}

/* Of items [from, to) those that are left go to `kept` and on, in their order. */
static size_t move_items(bundle_index *index, const leat_matcher *matcher, const graph_moves *moves,
                         index_list *list, size_t from, size_t to, size_t kept)
{
    const machine *m = matcher->machine;
    for (size_t i = from; i < to; i++) {
        index_item item = list->items[i];
        item.root = graph_moved_root(moves, item.root);
        if (item.root == 0) {
            drop_item(index, m, &item);
            continue;
        }
        item.most = graph_node_at(&matcher->graph, item.root)->most;
        uint32_t *slots = index->slots + (size_t)item.slots * m->slots_count;
        for (uint32_t j = 0; j < m->slots_count; j++)
            if (m->slots[j].kind != SLOT_SIZE) slots[j] = graph_moved_event(moves, slots[j]);
        list->items[kept++] = item;
    }
    return kept;
}

static void move_list(bundle_index *index, const leat_matcher *matcher, const graph_moves *moves,
                      index_list *list)
{
    size_t kept = 0;
    uint32_t runs = 0;
    if (list->runs_count == 0) kept = move_items(index, matcher, moves, list, 0, list->count, 0);
    for (uint32_t i = 0; i < list->runs_count; i++) {
        const index_run *run = &list->runs[i];
        size_t begin = kept;
        index_run_collected(list, i, moves, (uint32_t)begin);
        kept = move_items(index, matcher, moves, list, run->from, run->from + run->count, kept);
        if (kept > begin)
            list->runs[runs++] = (index_run){.from = (uint32_t)begin,
                                             .count = (uint32_t)(kept - begin),
                                             .sums = {run->sums[INDEX_LOW], run->sums[INDEX_HIGH]}};
    }
    list->runs_count = runs;
    list->count = kept;
}

void bundle_index_collected(leat_matcher *matcher, const graph_moves *moves)
{
    leat_err err;
    for (uint32_t i = 0; i < matcher->indexes_count; i++) {
        bundle_index *index = matcher->indexes[i];
        leat_code code = LEAT_OK;
        if (index->leaky) clear(index);
        if (index->stale) continue;
        for (size_t kind = 0; kind < LINK_KINDS; kind++)
            move_list(index, matcher, moves, &index->lists[kind]);
        if (!index->by.equality) continue;
        if (index->groups_size > 0)
            memset(index->groups, 0, index->groups_size * sizeof *index->groups);
        index->groups_count = 0;
        for (size_t j = 0; j < index->lists[0].count && code == LEAT_OK; j++)
            code = group_add(index, (uint32_t)j + 1, &err);
        if (code != LEAT_OK) clear(index); /* no memory; but there was more before */
    }
}
