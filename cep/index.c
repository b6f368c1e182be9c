/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns in, index out.
 *
 *   conditions -> predicates    those of the same evaluation are one
 *   predicates -> accesses      tests of slots by which they are found (index_access.c)
 *   accesses   -> tables        of each slot (index_slot.c)
 *   predicates -> sets          of patterns that have them, and whose first takes ask for them
 *
 * Two conditions are one predicate where they compile to the same steps and both read steps of
 * their pattern or neither does. One that reads steps is judged without them here: the tests in it
 * that read none may already say no, and then it is no for every partial match, of whichever
 * pattern. So sharing is right for these too, although `last(a)` is not the same list in each.
 *
 * Sets of patterns are lists, and words of bits as well where that is shorter: a predicate of a
 * thousand patterns is joined to what has been marked in 16 steps. */
#include "cep/index_inside.h"

#include <stdlib.h>

void *index_alloc(index_builder *b, size_t count, size_t bytes)
{
    size_t total = 0;
    void *made = NULL;
    if (!__builtin_mul_overflow(count > 0 ? count : 1, bytes, &total))
        made = leat_arena_zero(b->arena, total);
    if (made == NULL) (void)leat_arena_full(b->arena, b->err);
    return made;
}

/* --- sets --- */

static int compare_numbers(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* items: sorted here, doubles are dropped; kept by the set. */
leat_code index_set_new(index_builder *b, uint32_t *items, uint32_t count, index_set *set)
{
    uint32_t kept = 0;
    uint32_t words = b->index->patterns_count / 64 + 1;
    if (count > 1) qsort(items, count, sizeof *items, compare_numbers);
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || items[kept - 1] != items[i]) items[kept++] = items[i];
    *set = (index_set){.items = items, .count = kept};
    if (kept == 1) set->one = items[0];
    if (kept == 1) set->items = &set->one;
    if (kept <= words) return LEAT_OK;
    uint64_t *bits = index_alloc(b, words, sizeof *bits);
    if (bits == NULL) return b->err->code;
    for (uint32_t i = 0; i < kept; i++)
        bits[items[i] / 64] |= (uint64_t)1 << items[i] % 64;
    set->bits = bits;
    return LEAT_OK;
}

/* --- predicates --- */

typedef struct conser {
    uint32_t *table; /* predicate + 1; 0: free */
    uint32_t size;
    index_predicate *predicates;
    uint32_t count;
} conser;

static uint32_t predicate_of(conser *c, const leat_expr *expr, bool reads)
{
    uint32_t at = (uint32_t)leat_expr_hash(expr) & (c->size - 1);
    for (; c->table[at] != 0; at = (at + 1) & (c->size - 1)) {
        const index_predicate *p = &c->predicates[c->table[at] - 1];
        if (p->reads == reads && leat_expr_same(p->expr, expr)) return c->table[at] - 1;
    }
    c->predicates[c->count] = (index_predicate){.expr = expr, .reads = reads};
    c->table[at] = ++c->count;
    return c->count - 1;
}

static leat_code make_predicates(index_builder *b, const leat_index_pattern *patterns)
{
    leat_index *index = b->index;
    size_t conditions = 0;
    conser c = {.size = 16};
    for (uint32_t i = 0; i < index->patterns_count; i++)
        if (patterns[i].conditions != NULL) conditions += patterns[i].conditions->count;
    while (c.size < 2 * conditions)
        c.size *= 2;
    c.table = index_alloc(b, c.size, sizeof *c.table);
    c.predicates = index_alloc(b, conditions, sizeof *c.predicates);
    if (c.table == NULL || c.predicates == NULL) return b->err->code;
    for (uint32_t i = 0; i < index->patterns_count; i++) {
        const leat_conditions *of = patterns[i].conditions;
        index->patterns[i].group = patterns[i].group;
        if (of == NULL) continue;
        LEAT_ASSERT(!of->held);
        uint32_t *numbers = index_alloc(b, of->count, sizeof *numbers);
        if (numbers == NULL) return b->err->code;
        for (uint32_t n = 0; n < of->count; n++)
            numbers[n] = predicate_of(&c, of->exprs[n], of->reads[n]);
        index->patterns[i].predicates = numbers;
        index->patterns[i].count = of->count;
    }
    index->predicates = c.predicates;
    index->predicates_count = c.count;
    /* As they are numbered as they come, they are the same where none comes twice. */
    index->direct = index->patterns_count == 1 && c.count == conditions;
    return LEAT_OK;
}

/* --- who has them --- */

/* Visits (predicate, pattern) of all conditions, or of those of first takes. A first take without
 * a condition is visited with LEAT_CONDITION_TRUE. */
typedef struct pairs {
    uint32_t *counts; /* by predicate */
    uint32_t **items; /* NULL: count only */
    uint32_t always_count;
    uint32_t *always;
} pairs;

static void add_pair(pairs *list, uint32_t predicate, uint32_t pattern)
{
    if (predicate == LEAT_CONDITION_TRUE) {
        if (list->always != NULL) list->always[list->always_count] = pattern;
        list->always_count++;
        return;
    }
    if (list->items != NULL) list->items[predicate][list->counts[predicate]] = pattern;
    list->counts[predicate]++;
}

static void visit(const leat_index *index, const leat_index_pattern *patterns, bool starts,
                  pairs *list)
{
    for (uint32_t i = 0; i < index->patterns_count; i++) {
        const index_pattern *p = &index->patterns[i];
        if (p->predicates == NULL) continue;
        const leat_nfa_state *start = patterns[i].nfa->states[0];
        for (uint32_t n = 0; !starts && n < p->count; n++)
            add_pair(list, p->predicates[n], i);
        for (uint32_t e = 0; starts && e < start->edges_count; e++) {
            uint32_t where = start->edges[e].where;
            LEAT_ASSERT(where == LEAT_CONDITION_TRUE || where < p->count);
            bool always = where == LEAT_CONDITION_TRUE;
            add_pair(list, always ? LEAT_CONDITION_TRUE : p->predicates[where], i);
        }
    }
}

static leat_code make_sets(index_builder *b, const leat_index_pattern *patterns, bool starts)
{
    leat_index *index = b->index;
    uint32_t count = index->predicates_count;
    pairs list = {.counts = index_alloc(b, count, sizeof *list.counts)};
    if (list.counts == NULL) return b->err->code;
    visit(index, patterns, starts, &list);
    uint32_t **items = index_alloc(b, count, sizeof(uint32_t *));
    uint32_t *always = index_alloc(b, list.always_count, sizeof *always);
    if (items == NULL || always == NULL) return b->err->code;
    for (uint32_t i = 0; i < count; i++) {
        items[i] = index_alloc(b, list.counts[i], sizeof **items);
        if (items[i] == NULL) return b->err->code;
        list.counts[i] = 0;
    }
    list.items = items;
    list.always = always;
    list.always_count = 0;
    visit(index, patterns, starts, &list);
    for (uint32_t i = 0; i < count; i++) {
        index_predicate *p = &index->predicates[i];
        LEAT_TRY(index_set_new(b, items[i], list.counts[i], starts ? &p->starts : &p->users));
        for (uint32_t n = 0; !starts && n < p->users.count; n++)
            p->groups |= leat_index_group(index->patterns[p->users.items[n]].group);
    }
    if (!starts) return LEAT_OK;
    for (uint32_t i = 0; i < list.always_count; i++)
        index->always_groups |= leat_index_group(index->patterns[always[i]].group);
    return index_set_new(b, always, list.always_count, &index->always);
}

/* Which condition of its only user a predicate is, if it is one of them. */
static void note_conditions(const leat_index *index)
{
    for (uint32_t i = 0; i < index->predicates_count; i++)
        index->predicates[i].condition = INDEX_SEVERAL;
    for (uint32_t i = 0; i < index->patterns_count; i++) {
        const index_pattern *of = &index->patterns[i];
        for (uint32_t n = 0; of->predicates != NULL && n < of->count; n++) {
            index_predicate *p = &index->predicates[of->predicates[n]];
            bool again = false;
            for (uint32_t before = 0; before < n && !again; before++)
                again = of->predicates[before] == of->predicates[n];
            p->condition = p->users.count == 1 && !again ? n : INDEX_SEVERAL;
        }
    }
}

/* --- buckets and the rest --- */

static leat_code settle_bucket(index_builder *b, index_bucket *bucket)
{
    const leat_index *index = b->index;
    uint32_t count = 0;
    for (uint32_t at = bucket->head; at != 0; at = index->links[at].next)
        count += index->predicates[index->links[at].predicate].starts.count;
    uint32_t *items = index_alloc(b, count, sizeof *items);
    if (items == NULL) return b->err->code;
    count = 0;
    for (uint32_t at = bucket->head; at != 0; at = index->links[at].next) {
        const index_predicate *p = &index->predicates[index->links[at].predicate];
        bucket->groups |= p->groups;
        for (uint32_t i = 0; i < p->starts.count; i++)
            items[count++] = p->starts.items[i];
    }
    return index_set_new(b, items, count, &bucket->starts);
}

static leat_code settle(index_builder *b)
{
    leat_index *index = b->index;
    for (uint32_t s = 0; s < index->slots_count; s++)
        for (uint32_t k = 0; k < INDEX_KINDS; k++)
            for (uint32_t i = 0; i < index->slots[s].buckets_count[k]; i++)
                LEAT_TRY(settle_bucket(b, &index->slots[s].buckets[k][i]));
    uint32_t *rest = index_alloc(b, index->predicates_count, sizeof *rest);
    if (rest == NULL) return b->err->code;
    for (uint32_t i = 0; i < index->predicates_count; i++)
        if (index->predicates[i].rest) rest[index->rest_count++] = i;
    index->rest = rest;
    return LEAT_OK;
}

/* Few predicates are looked at one by one, which costs less than to find them. */
static leat_code make_looks(index_builder *b)
{
    leat_index *index = b->index;
    bool direct = index->direct;
    index->direct = false;
    if (index->predicates_count > INDEX_LOOKS_MAX || index->slots_count == 0) return LEAT_OK;
    const leat_form **forms = index_alloc(b, index->predicates_count, sizeof *forms);
    if (forms == NULL) return b->err->code;
    for (uint32_t i = 0; i < index->predicates_count; i++)
        forms[i] = leat_expr_form(index->predicates[i].expr);
    index->looks = leat_looks_new(forms, index->predicates_count, b->arena);
    index->direct = direct;
    return index->looks == NULL ? leat_arena_full(b->arena, b->err) : LEAT_OK;
}

leat_code leat_index_new(const leat_index_pattern *patterns, uint32_t count, leat_arena *arena,
                         leat_index **index, leat_err *err)
{
    index_builder b = {.arena = arena, .err = err};
    leat_index *made = index_alloc(&b, 1, sizeof *made);
    if (made == NULL) return err->code;
    b.index = made;
    made->patterns_count = count;
    made->patterns = index_alloc(&b, count, sizeof *made->patterns);
    if (made->patterns == NULL) return err->code;
    LEAT_TRY(make_predicates(&b, patterns));
    b.accesses = index_alloc(&b, made->predicates_count, sizeof(index_access *));
    b.accesses_count = index_alloc(&b, made->predicates_count, sizeof *b.accesses_count);
    b.guards = index_alloc(&b, made->predicates_count, sizeof(leat_form *));
    if (b.accesses == NULL || b.accesses_count == NULL || b.guards == NULL) return err->code;
    LEAT_TRY(make_sets(&b, patterns, false));
    LEAT_TRY(make_sets(&b, patterns, true));
    note_conditions(made);
    LEAT_TRY(index_choose(&b));
    LEAT_TRY(index_fill(&b));
    LEAT_TRY(settle(&b));
    LEAT_TRY(make_looks(&b));
    LEAT_ASSERT(made->rest_count <= made->predicates_count);
    *index = made;
    return LEAT_OK;
}

uint32_t leat_index_predicates(const leat_index *index)
{
    return index->predicates_count;
}

uint32_t leat_index_rest(const leat_index *index)
{
    return index->rest_count;
}

leat_index_ways leat_index_way(const leat_index *index, uint32_t pattern, uint32_t condition)
{
    LEAT_ASSERT(pattern < index->patterns_count && condition < index->patterns[pattern].count);
    uint32_t number = index->patterns[pattern].predicates[condition];
    const index_predicate *p = &index->predicates[number];
    if (p->rest) return LEAT_WAY_REST;
    return p->exact ? LEAT_WAY_FOUND : LEAT_WAY_TESTED;
}
