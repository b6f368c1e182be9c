/* SPDX-License-Identifier: Apache-2.0 */
/* By which tests a predicate is found.
 *
 * The access of a predicate is a set of tests such that, where all of them are false, it is false:
 *
 *   a TEST            itself
 *   AND               the access of any one operand: false decides &&
 *   OR                the accesses of all operands
 *
 * It follows that a predicate can hold only where one of them holds, and can be broken only where
 * one of them is not false. Of the operands of && the most selective is taken, judged by how many
 * constants its slot is held against: `merchant == 'm-17'` beside a thousand other merchants, not
 * `status == 'ok'`. Ranges of one slot in one && are one interval.
 *
 * Where an access cannot be evaluated (the field is missing), the predicate is false or broken,
 * and which of them, another operand may decide. That one is its guard: predicates with the same
 * guard are let off together, so that a stream of many kinds of events, `kind == 'a' && x > 3`,
 * does not pay for those of another kind.
 *
 * The places of a number are those of a double. An int constant of 2^53 or more has none of its
 * own (comparing it with an int is exact, with a double not), so its test is no access. */
#include "cep/index_inside.h"

#include <math.h>

#define EXACT_MAX ((int64_t)1 << 53)

/* --- constants --- */

static bool is_number(leat_value value)
{
    if (value.tag == LEAT_DOUBLE) return !isnan(value.as.d);
    if (value.tag == LEAT_INT) return value.as.i > -EXACT_MAX && value.as.i < EXACT_MAX;
    return value.tag == LEAT_UINT && value.as.u < (uint64_t)EXACT_MAX;
}

static bool is_scalar(leat_value value)
{
    return is_number(value) || value.tag == LEAT_STRING || value.tag == LEAT_BOOL ||
           value.tag == LEAT_NULL;
}

static bool is_range(const leat_form *form)
{
    return form->kind == LEAT_FORM_TEST && form->test >= LEAT_FORM_LT &&
           form->test <= LEAT_FORM_GE && is_number(form->constant);
}

static bool is_lower(const leat_form *form)
{
    return form->test == LEAT_FORM_GT || form->test == LEAT_FORM_GE;
}

static bool is_list_of_scalars(leat_value list)
{
    for (uint32_t i = 0; i < list.len; i++)
        if (!is_scalar(list.as.items[i])) return false;
    return true;
}

/* --- how many constants a slot is held against --- */

typedef struct constants {
    struct seen {
        uint64_t hash; /* of slot and constant; 0: free */
    } * seen;
    uint32_t size;
    uint32_t *distinct; /* by table */
} constants;

static index_slot *find_slot(const leat_index *index, uint32_t slot)
{
    for (uint32_t i = 0; i < index->slots_count; i++)
        if (index->slots[i].slot == slot) return &index->slots[i];
    return NULL;
}

static uint32_t table_of(const leat_index *index, const leat_form *test)
{
    const index_slot *slot = find_slot(index, test->slot);
    LEAT_ASSERT(slot != NULL);
    return (uint32_t)(slot - index->slots);
}

/* Counts by hash alone: it is an estimate. */
static void count_constant(const constants *c, uint32_t table, leat_value value)
{
    uint64_t hash = (index_hash(value) + table * 0x94d049bb133111ebu) | 1;
    uint32_t at = (uint32_t)(hash >> 7) & (c->size - 1);
    while (c->seen[at].hash != 0 && c->seen[at].hash != hash)
        at = (at + 1) & (c->size - 1);
    if (c->seen[at].hash == 0) c->distinct[table]++;
    c->seen[at].hash = hash;
}

static uint32_t tests_in(const leat_form *form)
{
    uint32_t count = form->kind == LEAT_FORM_TEST ? 1 : 0;
    if (count == 1 && form->test == LEAT_FORM_IN) count += form->constant.len;
    for (uint32_t i = 0; i < form->parts_count; i++)
        count += tests_in(form->parts[i]);
    return count;
}

/* Makes the slots that any test reads. */
static void note_slots(leat_index *index, const leat_form *form)
{
    for (uint32_t i = 0; i < form->parts_count; i++)
        note_slots(index, form->parts[i]);
    if (form->kind != LEAT_FORM_TEST) return;
    index_slot *slot = find_slot(index, form->slot);
    if (slot == NULL) slot = &index->slots[index->slots_count++];
    slot->slot = form->slot;
    slot->fallback = slot->fallback || form->fallback;
}

static void count_constants(const leat_index *index, const constants *c, const leat_form *form)
{
    for (uint32_t i = 0; i < form->parts_count; i++)
        count_constants(index, c, form->parts[i]);
    if (form->kind != LEAT_FORM_TEST) return;
    uint32_t table = table_of(index, form);
    if (form->test == LEAT_FORM_EQ || form->test == LEAT_FORM_STARTS)
        count_constant(c, table, form->constant);
    for (uint32_t i = 0; form->test == LEAT_FORM_IN && i < form->constant.len; i++)
        count_constant(c, table, form->constant.as.items[i]);
}

/* --- choosing --- */

typedef struct chooser {
    index_builder *b;
    constants constants;
    index_access *accesses; /* of the predicate in hand */
    uint32_t accesses_count, accesses_max;
    index_place *places;
    uint32_t places_count;
    bool exact;
} chooser;

#define NO_ACCESS 2.0 /* no share of all events is larger than 1 */

static double share_of_test(const chooser *c, const leat_form *test)
{
    double values = 1.0 + c->constants.distinct[table_of(c->b->index, test)];
    switch (test->test) {
    case LEAT_FORM_EQ: return is_scalar(test->constant) ? 1.0 / values : NO_ACCESS;
    case LEAT_FORM_IN:
        if (!is_list_of_scalars(test->constant)) return NO_ACCESS;
        return test->constant.len / (values + test->constant.len);
    case LEAT_FORM_LT:
    case LEAT_FORM_LE:
    case LEAT_FORM_GT:
    case LEAT_FORM_GE: return is_range(test) ? 0.34 : NO_ACCESS;
    case LEAT_FORM_STARTS: return test->constant.len == 0 ? 1.0 : 1.0 / values;
    case LEAT_FORM_MATCHES: return 0.9; /* and it has to be evaluated */
    case LEAT_FORM_HAS: return 0.95;
    }
    return NO_ACCESS;
}

/* An operand of && that bounds the slot of `part` from the other side; NULL: there is none. */
static const leat_form *other_bound(const leat_form *all, const leat_form *part)
{
    for (uint32_t i = 0; i < all->parts_count; i++) {
        const leat_form *other = all->parts[i];
        if (is_range(other) && other->slot == part->slot && is_lower(other) != is_lower(part))
            return other;
    }
    return NULL;
}

static double share_of(const chooser *c, const leat_form *form, const leat_form **best)
{
    double least = NO_ACCESS;
    double sum = 0;
    if (form->kind == LEAT_FORM_TEST) return share_of_test(c, form);
    if (form->kind == LEAT_FORM_OPAQUE) return NO_ACCESS;
    for (uint32_t i = 0; i < form->parts_count; i++) {
        const leat_form *inner = NULL;
        double share = share_of(c, form->parts[i], &inner);
        if (form->kind == LEAT_FORM_AND && is_range(form->parts[i]) &&
            other_bound(form, form->parts[i]) != NULL)
            share = 0.12;
        if (share < least) *best = form->parts[i];
        if (share < least) least = share;
        if (share >= NO_ACCESS) sum = NO_ACCESS;
        sum += share;
    }
    if (form->kind == LEAT_FORM_AND) return least;
    if (sum >= NO_ACCESS) return NO_ACCESS;
    return sum < 1 ? sum : 1;
}

static void add_place(chooser *c, uint32_t table, index_kind kind)
{
    for (uint32_t i = 0; i < c->places_count; i++)
        if (c->places[i].table == table && c->places[i].kind == kind) return;
    c->places[c->places_count++] = (index_place){table, kind};
}

static void add_access(chooser *c, index_access access)
{
    LEAT_ASSERT(c->accesses_count < c->accesses_max);
    c->accesses[c->accesses_count++] = access;
}

static void narrow(index_access *range, const leat_form *test)
{
    double number = 0;
    bool open = test->test == LEAT_FORM_LT || test->test == LEAT_FORM_GT;
    bool numeric = index_number(test->constant, &number);
    LEAT_ASSERT(numeric);
    /* An infinite bound that is closed is no bound; made open, `x > -inf` stays one. */
    if (is_lower(test)) {
        if (number > range->low || (number == range->low && open)) {
            range->low = number;
            range->low_open = open;
        }
    } else if (number < range->high || (number == range->high && open)) {
        range->high = number;
        range->high_open = open;
    }
}

/* all: the && that the test is an operand of, or NULL. */
static void emit_test(chooser *c, const leat_form *test, const leat_form *all)
{
    uint32_t table = table_of(c->b->index, test);
    index_access access = {.table = table, .constant = test->constant, .kind = INDEX_VALUE};
    if (test->test == LEAT_FORM_IN) {
        add_place(c, table, INDEX_VALUE);
        for (uint32_t i = 0; i < test->constant.len; i++) {
            access.constant = test->constant.as.items[i];
            add_access(c, access);
        }
        return;
    }
    if (is_range(test)) {
        access.what = INDEX_RANGE;
        access.kind = INDEX_NUMBER;
        access.low = -INFINITY;
        access.high = INFINITY;
        narrow(&access, test);
        for (uint32_t i = 0; all != NULL && i < all->parts_count; i++)
            if (is_range(all->parts[i]) && all->parts[i]->slot == test->slot)
                narrow(&access, all->parts[i]);
    } else if (test->test == LEAT_FORM_STARTS) {
        access.what = INDEX_PREFIX;
        access.kind = INDEX_TEXT;
    } else if (test->test == LEAT_FORM_MATCHES) {
        access.what = INDEX_SOME_TEXT;
        access.kind = INDEX_TEXT;
        c->exact = false;
    } else if (test->test == LEAT_FORM_HAS) {
        access.what = INDEX_IS_THERE;
        access.kind = INDEX_THERE;
    }
    add_place(c, table, access.kind);
    add_access(c, access);
}

static void emit(chooser *c, const leat_form *form, const leat_form *all)
{
    const leat_form *best = NULL;
    if (form->kind == LEAT_FORM_TEST) {
        emit_test(c, form, all);
        return;
    }
    if (form->kind == LEAT_FORM_OR) {
        for (uint32_t i = 0; i < form->parts_count; i++)
            emit(c, form->parts[i], NULL);
        return;
    }
    (void)share_of(c, form, &best);
    LEAT_ASSERT(best != NULL);
    for (uint32_t i = 0; i < form->parts_count; i++) /* ranges of the slot are in the interval */
        if (form->parts[i] != best &&
            !(is_range(best) && is_range(form->parts[i]) && form->parts[i]->slot == best->slot))
            c->exact = false;
    emit(c, best, form);
}

/* An operand beside the access that can tell that the whole is false. */
static const leat_form *guard_of(const leat_form *form, const leat_form *best)
{
    const leat_form *guard = NULL;
    if (form->kind != LEAT_FORM_AND || best->kind != LEAT_FORM_TEST) return NULL;
    for (uint32_t i = 0; i < form->parts_count; i++) {
        const leat_form *part = form->parts[i];
        if (part == best || part->kind != LEAT_FORM_TEST) continue;
        if (part->test == LEAT_FORM_HAS && part->slot == best->slot) return part;
        if (part->test == LEAT_FORM_EQ && is_scalar(part->constant) && guard == NULL) guard = part;
    }
    return guard;
}

static leat_code choose_one(chooser *c, uint32_t predicate)
{
    index_predicate *p = &c->b->index->predicates[predicate];
    const leat_form *form = leat_expr_form(p->expr);
    const leat_form *best = form;
    c->accesses_max = tests_in(form);
    c->accesses_count = c->places_count = 0;
    c->exact = true;
    p->rest = share_of(c, form, &best) >= NO_ACCESS;
    if (p->rest) return LEAT_OK;
    c->accesses = index_alloc(c->b, c->accesses_max, sizeof *c->accesses);
    c->places = index_alloc(c->b, c->accesses_max, sizeof *c->places);
    if (c->accesses == NULL || c->places == NULL) return c->b->err->code;
    emit(c, form, NULL);
    LEAT_ASSERT(c->accesses_count <= c->accesses_max && c->places_count > 0);
    p->exact = c->exact && !p->reads;
    p->places = c->places;
    p->places_count = c->places_count;
    c->b->accesses[predicate] = c->accesses;
    c->b->accesses_count[predicate] = c->accesses_count;
    c->b->guards[predicate] = guard_of(form, best);
    return LEAT_OK;
}

leat_code index_choose(index_builder *b)
{
    leat_index *index = b->index;
    chooser c = {.b = b, .constants = {.size = 64}};
    uint32_t tests = 0;
    for (uint32_t i = 0; i < index->predicates_count; i++)
        tests += tests_in(leat_expr_form(index->predicates[i].expr));
    while (c.constants.size < 2 * tests)
        c.constants.size *= 2;
    index->slots = index_alloc(b, tests, sizeof *index->slots);
    c.constants.seen = index_alloc(b, c.constants.size, sizeof *c.constants.seen);
    c.constants.distinct = index_alloc(b, tests, sizeof *c.constants.distinct);
    if (index->slots == NULL || c.constants.seen == NULL || c.constants.distinct == NULL)
        return b->err->code;
    for (uint32_t i = 0; i < index->predicates_count; i++)
        note_slots(index, leat_expr_form(index->predicates[i].expr));
    for (uint32_t i = 0; i < index->predicates_count; i++)
        count_constants(index, &c.constants, leat_expr_form(index->predicates[i].expr));
    for (uint32_t i = 0; i < index->predicates_count; i++)
        LEAT_TRY(choose_one(&c, i));
    return LEAT_OK;
}
