/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of one slot: constants in, and for a value the tests that hold.
 *
 *   ==, in       a hash table of constants, numbers by their place on the double line: 1, 1u, 1.0
 *   < <= > >=    all bounds in ascending order cut the line into positions, the bounds themselves
 *                and what lies between them; a segment tree over the positions holds every
 *                interval in at most 2 log n nodes, and the way from a leaf to the root meets
 *                just those that contain it. One-sided, two-sided and single points alike.
 *   startsWith   the prefixes in ascending order, each with its parent, the longest other prefix
 *                that it begins with: all that a text begins with are on the way up from the last
 *                that is not behind it
 *   matches      a list: to be evaluated for any text
 *
 * Constants are the configuration's, values the world's. What a value can cost is bounded by the
 * constants that share its hash, and nobody outside can make those more.
 *
 * Refused: one regular automaton over all patterns of `matches` (it would be memory without bound,
 * and conditions with a regular expression nearly always have a cheaper test beside it). */
#include "cep/index_inside.h"
#include "cep/link.h"

#include <math.h>
#include <stdlib.h>

static leat_code add_link(index_builder *b, uint32_t *head, uint32_t predicate)
{
    leat_index *index = b->index;
    LEAT_ASSERT(predicate < index->predicates_count && *head < index->links_size + 1);
    if (index->links_count == index->links_size) {
        uint32_t size = index->links_size == 0 ? 64 : index->links_size * 2;
        index_link *links = index_alloc(b, size, sizeof *links);
        if (links == NULL) return b->err->code;
        if (index->links_count > 0) memcpy(links, index->links, index->links_count * sizeof *links);
        index->links = links;
        index->links_size = size;
        if (index->links_count == 0) index->links_count = 1; /* 0 is the end of a chain */
    }
    index->links[index->links_count] = (index_link){predicate, *head};
    *head = index->links_count++;
    return LEAT_OK;
}

/* --- equality --- */

uint64_t index_hash(leat_value value)
{
    uint64_t hash = 0x9e3779b97f4a7c15u * (value.tag + 1u);
    double number = 0;
    if (index_number(value, &number)) return link_hash_number(number);
    if (value.tag == LEAT_STRING) {
        const char *at = value.as.text;
        uint32_t left = value.len;
        hash ^= left;
        for (; left >= 8; left -= 8, at += 8) {
            uint64_t word;
            memcpy(&word, at, sizeof word);
            hash = (hash ^ word) * 0xbf58476d1ce4e5b9u;
            hash ^= hash >> 31;
        }
        uint64_t word = 0;
        memcpy(&word, at, left);
        hash = (hash ^ word) * 0xbf58476d1ce4e5b9u;
    } else if (value.tag == LEAT_BOOL) {
        hash += value.as.b ? 0x94d049bb133111ebu : 0;
    }
    return hash ^ hash >> 32;
}

bool index_same(leat_value a, leat_value b)
{
    double left = 0;
    double right = 0;
    if (index_number(a, &left)) return index_number(b, &right) && left == right;
    if (a.tag != b.tag) return false;
    if (a.tag == LEAT_STRING) return leat_str_equal(leat_value_str(a), leat_value_str(b));
    return a.tag == LEAT_NULL || (a.tag == LEAT_BOOL && a.as.b == b.as.b);
}

/* The tag that a value has in the table. */
static inline leat_tag equal_tag(leat_value value)
{
    double number = 0;
    return index_number(value, &number) ? LEAT_DOUBLE : (leat_tag)value.tag;
}

/* The place of value in the table: its own, or a free one. */
static uint32_t equal_at(const index_slot *slot, leat_value value)
{
    uint64_t hash = index_hash(value);
    uint32_t mask = slot->equals_size - 1;
    LEAT_ASSERT(slot->equals_size > 0);
    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
        const index_equal *e = &slot->equals[at];
        if (e->tag == LEAT_MISSING) return at;
        if (e->hash == hash && index_same(slot->constants[at], value)) return at;
    }
}

static leat_code fill_equal(index_builder *b, index_slot *slot, leat_value constant,
                            uint32_t predicate)
{
    uint32_t at = equal_at(slot, constant);
    index_equal *e = &slot->equals[at];
    if (e->tag == LEAT_MISSING) {
        e->hash = index_hash(constant);
        e->tag = equal_tag(constant);
        slot->constants[at] = constant;
    }
    return add_link(b, &e->head, predicate);
}

/* --- ranges --- */

/* How many bounds are below number: its position is 2k, or 2k + 1 where bounds[k] is it. */
static uint32_t bounds_below(const index_slot *slot, double number)
{
    const double *from = slot->bounds;
    uint32_t count = slot->bounds_count;
    while (count > 0) {
        uint32_t half = count / 2;
        bool below = from[half] < number;
        from = below ? from + half + 1 : from;
        count = below ? count - half - 1 : half;
    }
    return (uint32_t)(from - slot->bounds);
}

static uint32_t position(const index_slot *slot, double number)
{
    uint32_t below = bounds_below(slot, number);
    bool itself = below < slot->bounds_count && slot->bounds[below] == number;
    return 2 * below + (itself ? 1 : 0);
}

static bool unbounded_low(const index_access *access)
{
    return access->low == -INFINITY && !access->low_open;
}

static bool unbounded_high(const index_access *access)
{
    return access->high == INFINITY && !access->high_open;
}

static leat_code fill_range(index_builder *b, index_slot *slot, const index_access *access,
                            uint32_t predicate)
{
    uint32_t end = 2 * slot->bounds_count + 1;
    uint32_t from = unbounded_low(access) ? 0 : position(slot, access->low);
    uint32_t to = unbounded_high(access) ? end : position(slot, access->high) + 1;
    if (access->low_open) from++;
    if (access->high_open) to--;
    LEAT_ASSERT(to <= end && slot->leaves >= end);
    if (from >= to) return LEAT_OK; /* x > 2 && x < 1: no value is in it */
    uint32_t left = from + slot->leaves;
    uint32_t right = to + slot->leaves;
    for (; left < right; left /= 2, right /= 2) {
        if (left % 2 == 1) LEAT_TRY(add_link(b, &slot->nodes[left++], predicate));
        if (right % 2 == 1) LEAT_TRY(add_link(b, &slot->nodes[--right], predicate));
    }
    return LEAT_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* Ranges may be without a bound (x >= -infinity): then any number is in them. */
static leat_code make_bounds(index_builder *b, index_slot *slot, uint32_t ranges)
{
    uint32_t kept = 0;
    if (ranges == 0) return LEAT_OK;
    qsort(slot->bounds, slot->bounds_count, sizeof *slot->bounds, compare_doubles);
    for (uint32_t i = 0; i < slot->bounds_count; i++)
        if (kept == 0 || slot->bounds[kept - 1] != slot->bounds[i])
            slot->bounds[kept++] = slot->bounds[i];
    slot->bounds_count = kept;
    slot->leaves = 1;
    while (slot->leaves < 2 * kept + 1)
        slot->leaves *= 2;
    slot->nodes = index_alloc(b, 2 * (size_t)slot->leaves, sizeof *slot->nodes);
    return slot->nodes == NULL ? b->err->code : LEAT_OK;
}

/* --- prefixes --- */

static int compare_texts(const void *a, const void *b)
{
    return leat_str_compare(*(const leat_str *)a, *(const leat_str *)b);
}

/* The last prefix that is not behind text; prefixes_count: all are. */
static uint32_t prefix_before(const index_slot *slot, leat_str text)
{
    uint32_t from = 0;
    uint32_t to = slot->prefixes_count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (leat_str_compare(slot->prefixes[middle], text) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from == 0 ? slot->prefixes_count : from - 1;
}

/* The first, from `at` upwards, that text begins with; prefixes_count: there is none. */
static uint32_t prefix_of(const index_slot *slot, uint32_t at, leat_str text)
{
    while (at < slot->prefixes_count && !leat_str_starts(text, slot->prefixes[at]))
        at = slot->parents[at] == at ? slot->prefixes_count : slot->parents[at];
    return at;
}

static leat_code make_prefixes(index_builder *b, index_slot *slot)
{
    uint32_t kept = 0;
    uint32_t count = slot->prefixes_count;
    if (count == 0) return LEAT_OK;
    qsort(slot->prefixes, count, sizeof *slot->prefixes, compare_texts);
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || !leat_str_equal(slot->prefixes[kept - 1], slot->prefixes[i]))
            slot->prefixes[kept++] = slot->prefixes[i];
    slot->parents = index_alloc(b, kept, sizeof *slot->parents);
    slot->prefix_heads = index_alloc(b, kept, sizeof *slot->prefix_heads);
    if (slot->parents == NULL || slot->prefix_heads == NULL) return b->err->code;
    slot->prefixes_count = kept;
    for (uint32_t i = 0; i < kept; i++) {
        uint32_t parent = i == 0 ? kept : prefix_of(slot, i - 1, slot->prefixes[i]);
        slot->parents[i] = parent == kept ? i : parent;
    }
    return LEAT_OK;
}

static leat_code fill_prefix(index_builder *b, index_slot *slot, leat_str prefix,
                             uint32_t predicate)
{
    uint32_t at = prefix_before(slot, prefix);
    LEAT_ASSERT(at < slot->prefixes_count && leat_str_equal(slot->prefixes[at], prefix));
    return add_link(b, &slot->prefix_heads[at], predicate);
}

/* --- what fails together --- */

static bool same_guard(const leat_form *a, const leat_form *b)
{
    if (a == NULL || b == NULL) return a == b;
    if (a->slot != b->slot || a->test != b->test) return false;
    return a->test == LEAT_FORM_HAS || index_same(a->constant, b->constant);
}

static leat_code fill_bucket(index_builder *b, index_slot *slot, index_kind kind,
                             uint32_t predicate)
{
    uint32_t k = (uint32_t)__builtin_ctz(kind);
    const leat_form *guard = b->guards[predicate];
    uint32_t at = 0;
    if (slot->buckets[k] == NULL) {
        slot->buckets[k] = index_alloc(b, INDEX_BUCKETS_MAX, sizeof(index_bucket));
        if (slot->buckets[k] == NULL) return b->err->code;
        slot->buckets_count[k] = 1; /* the first: without guard */
        slot->kinds |= kind;
    }
    while (at < slot->buckets_count[k] && !same_guard(slot->buckets[k][at].guard, guard))
        at++;
    if (at == INDEX_BUCKETS_MAX) at = 0;
    if (at == slot->buckets_count[k]) slot->buckets_count[k]++;
    if (at > 0) slot->buckets[k][at].guard = guard;
    return add_link(b, &slot->buckets[k][at].head, predicate);
}

/* --- all of it --- */

/* Room for as many constants as there are accesses. */
static leat_code make_slot(index_builder *b, index_slot *slot, const uint32_t counts[3])
{
    while (slot->equals_size < 2 * counts[0])
        slot->equals_size = slot->equals_size == 0 ? 4 : slot->equals_size * 2;
    slot->equals = index_alloc(b, slot->equals_size, sizeof *slot->equals);
    slot->constants = index_alloc(b, slot->equals_size, sizeof *slot->constants);
    slot->bounds = index_alloc(b, 2 * (size_t)counts[1], sizeof *slot->bounds);
    slot->prefixes = index_alloc(b, counts[2], sizeof *slot->prefixes);
    bool good = slot->equals != NULL && slot->constants != NULL && slot->bounds != NULL &&
                slot->prefixes != NULL;
    return good ? LEAT_OK : b->err->code;
}

static void note_constants(index_slot *slot, const index_access *access)
{
    if (access->what == INDEX_PREFIX)
        slot->prefixes[slot->prefixes_count++] = leat_value_str(access->constant);
    if (access->what != INDEX_RANGE) return;
    if (!unbounded_low(access)) slot->bounds[slot->bounds_count++] = access->low;
    if (!unbounded_high(access)) slot->bounds[slot->bounds_count++] = access->high;
}

static leat_code fill_access(index_builder *b, const index_access *access, uint32_t predicate)
{
    index_slot *slot = &b->index->slots[access->table];
    switch (access->what) {
    case INDEX_EQUAL: return fill_equal(b, slot, access->constant, predicate);
    case INDEX_RANGE: return fill_range(b, slot, access, predicate);
    case INDEX_PREFIX: return fill_prefix(b, slot, leat_value_str(access->constant), predicate);
    case INDEX_SOME_TEXT: return add_link(b, &slot->texts, predicate);
    case INDEX_IS_THERE: return add_link(b, &slot->there, predicate);
    }
    return LEAT_OK;
}

static leat_code fill_predicate(index_builder *b, uint32_t predicate)
{
    const index_predicate *p = &b->index->predicates[predicate];
    for (uint32_t i = 0; i < b->accesses_count[predicate]; i++)
        LEAT_TRY(fill_access(b, &b->accesses[predicate][i], predicate));
    for (uint32_t i = 0; i < p->places_count; i++) {
        index_slot *slot = &b->index->slots[p->places[i].table];
        LEAT_TRY(add_link(b, &slot->all, predicate));
        LEAT_TRY(fill_bucket(b, slot, p->places[i].kind, predicate));
    }
    return LEAT_OK;
}

/* Constants that one predicate is found by have it in place of a list. */
static void name_lone(const leat_index *index, const index_slot *slot)
{
    for (uint32_t i = 0; i < slot->equals_size; i++) {
        index_equal *e = &slot->equals[i];
        if (e->head != 0 && index->links[e->head].next == 0)
            e->head = INDEX_ONE | index->links[e->head].predicate;
    }
}

leat_code index_fill(index_builder *b)
{
    leat_index *index = b->index;
    uint32_t(*counts)[3] = index_alloc(b, index->slots_count, sizeof *counts);
    if (counts == NULL) return b->err->code;
    for (uint32_t p = 0; p < index->predicates_count; p++)
        for (uint32_t i = 0; i < b->accesses_count[p]; i++)
            if (b->accesses[p][i].what <= INDEX_PREFIX)
                counts[b->accesses[p][i].table][b->accesses[p][i].what]++;
    for (uint32_t s = 0; s < index->slots_count; s++)
        LEAT_TRY(make_slot(b, &index->slots[s], counts[s]));
    for (uint32_t p = 0; p < index->predicates_count; p++)
        for (uint32_t i = 0; i < b->accesses_count[p]; i++)
            note_constants(&index->slots[b->accesses[p][i].table], &b->accesses[p][i]);
    for (uint32_t s = 0; s < index->slots_count; s++) {
        LEAT_TRY(make_bounds(b, &index->slots[s], counts[s][INDEX_RANGE]));
        LEAT_TRY(make_prefixes(b, &index->slots[s]));
    }
    for (uint32_t p = 0; p < index->predicates_count; p++)
        LEAT_TRY(fill_predicate(b, p));
    LEAT_ASSERT(index->predicates_count < INDEX_ONE && index->links_count < INDEX_ONE);
    for (uint32_t s = 0; s < index->slots_count; s++) {
        index_slot *slot = &index->slots[s];
        name_lone(index, slot);
        slot->plain = slot->equals_size > 0 && slot->there == 0 &&
                      (slot->kinds & (INDEX_NUMBER | INDEX_TEXT)) == 0;
    }
    return LEAT_OK;
}

/* --- asking --- */

static inline void found_add(index_found *found, uint32_t head)
{
    if (head == 0) return;
    LEAT_ASSERT(found->count < found->size);
    found->heads[found->count++] = head;
}

uint32_t index_slot_heads_max(const index_slot *slot)
{
    return 40 + slot->prefixes_count; /* one of each, a way up the tree, and all prefixes */
}

void index_slot_find(const index_slot *slot, leat_value value, index_found *found)
{
    double number = 0;
    found_add(found, slot->there);
    if (index_number(value, &number)) {
        if (isnan(number)) return;
        if (slot->equals_size > 0)
            found_add(found, index_head(slot, link_hash_number(number), LEAT_DOUBLE));
        uint32_t node = slot->leaves == 0 ? 0 : position(slot, number) + slot->leaves;
        for (; node > 0; node /= 2)
            found_add(found, slot->nodes[node]);
        return;
    }
    if (slot->equals_size > 0) found_add(found, slot->equals[equal_at(slot, value)].head);
    if (value.tag != LEAT_STRING) return;
    found_add(found, slot->texts);
    if (slot->prefixes_count == 0) return;
    leat_str text = leat_value_str(value);
    uint32_t at = prefix_of(slot, prefix_before(slot, text), text);
    while (at < slot->prefixes_count) {
        found_add(found, slot->prefix_heads[at]);
        at = slot->parents[at] == at ? slot->prefixes_count : slot->parents[at];
    }
}
