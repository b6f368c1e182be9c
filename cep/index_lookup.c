/* SPDX-License-Identifier: Apache-2.0 */
/* An event through the index.
 *
 *   few predicates: each is looked at (conditions_look.c), or evaluated
 *   else, each slot that is tested:  value -> lists of predicates whose test holds
 *                              -> exact ones hold, others are evaluated, once
 *                              -> marks on the patterns that could begin a match
 *                              what cannot be tested (missing, of another type) -> buckets
 *   predicates without access: evaluated
 *
 * What is not reached in this way is false, or, where a slot of its access could not be tested,
 * false or broken: that is found out when somebody asks, which is seldom. Whether a pattern that
 * has begun something is concerned is asked for by the holder of its state, pattern by pattern, or
 * for all patterns at once by leat_lookup_live, where a key holds the state of many.
 *
 * A condition that reads steps is evaluated with the steps unknown: loading one fails. In CEL an
 * error is absorbed where the other operand decides, so what is false in spite of it is false for
 * every partial match. Where this has told nothing BLIND_TRIES times in a row it is not tried any
 * more: a guess about cost only, as the outcome is the same. */
#include "cep/index_inside.h"

#include "core/mem.h"
#include "schemas/codec_json.h"
#include "transforms/operator.h"

#include <math.h>

#define BLIND_TRIES 64
#define LIVE_FEW    8 /* predicates that hold: as many are gone through for each pattern */

/* --- life --- */

leat_lookup *leat_lookup_new(const leat_index *index)
{
    leat_lookup *made = leat_mem_need(sizeof *made);
    made->index = index;
    made->known = leat_mem_need((index->predicates_count + 1) * sizeof *made->known);
    for (uint32_t i = 0; i < index->predicates_count; i++) {
        const index_predicate *p = &index->predicates[i];
        made->known[i] = (index_known){.groups = p->groups,
                                       .user = p->users.count == 1 ? p->users.one : INDEX_SEVERAL,
                                       .condition = p->condition,
                                       .exact = p->exact,
                                       .reads = p->reads,
                                       .starts = p->starts.count > 0};
    }
    made->live = leat_mem_need((index->predicates_count + 1) * sizeof *made->live);
    made->broken = leat_mem_need(index->slots_count + 1);
    for (uint32_t s = 0; s < index->slots_count; s++) {
        uint32_t heads = index_slot_heads_max(&index->slots[s]);
        if (heads > made->found.size) made->found.size = heads;
    }
    made->found.heads = leat_mem_need((made->found.size + 1) * sizeof *made->found.heads);
    leat_marks_init(&made->starts, index->patterns_count);
    leat_marks_init(&made->broken_starts, index->patterns_count);
    leat_marks_init(&made->patterns, index->patterns_count);
    made->marked = true;
    made->soon_slots = index->looks != NULL                     ? 0
                       : index->slots_count < INDEX_AHEAD_SLOTS ? index->slots_count
                                                                : INDEX_AHEAD_SLOTS;
    return made;
}

void leat_lookup_free(leat_lookup **lookup)
{
    leat_lookup *gone = *lookup;
    if (gone == NULL) return;
    leat_mem_free(gone->known);
    leat_mem_free(gone->live);
    leat_mem_free(gone->broken);
    leat_mem_free(gone->found.heads);
    leat_marks_release(&gone->starts);
    leat_marks_release(&gone->broken_starts);
    leat_marks_release(&gone->patterns);
    leat_mem_free(gone);
    *lookup = NULL;
}

/* --- evaluating --- */

static leat_code load(void *self, uint32_t index, leat_arena *arena, leat_value *value,
                      leat_err *err)
{
    const leat_lookup *lookup = self;
    if (index < LEAT_EXTERN_OWN) {
        LEAT_ASSERT(lookup->base->load != NULL);
        return lookup->base->load(lookup->base->self, index, arena, value, err);
    }
    err->code = LEAT_ERR_INVALID; /* nobody reads the text */
    err->text[0] = '\0';
    return LEAT_ERR_INVALID;
}

/* What the record is to blame for is BROKEN, anything else comes back. */
static leat_code evaluate(leat_lookup *lookup, const index_predicate *p, leat_verdict *verdict,
                          leat_err *err)
{
    bool holds = false;
    if (lookup->evaluated != lookup->event) {
        lookup->eval = *lookup->base;
        lookup->eval.load = load;
        lookup->eval.self = lookup;
        lookup->evaluated = lookup->event;
    }
    leat_code code = leat_expr_test(p->expr, &lookup->eval, &holds, err);
    *verdict = holds ? LEAT_VERDICT_HOLDS : LEAT_VERDICT_FAILS;
    if (p->reads && (code != LEAT_OK || holds)) *verdict = LEAT_VERDICT_MAYBE;
    if (code == LEAT_OK) return LEAT_OK;
    if (!p->reads) *verdict = LEAT_VERDICT_BROKEN;
    return leat_code_blame(code) == LEAT_BLAME_RECORD ? LEAT_OK : code;
}

/* Finds out about a predicate, blind if it reads steps. */
static __attribute__((noinline)) leat_code judge(leat_lookup *lookup, uint32_t predicate,
                                                 leat_err *err)
{
    const index_predicate *p = &lookup->index->predicates[predicate];
    index_known *k = &lookup->known[predicate];
    leat_verdict verdict = LEAT_VERDICT_FAILS;
    LEAT_TRY(evaluate(lookup, p, &verdict, err));
    k->verdict = (uint8_t)verdict;
    k->event = lookup->event;
    k->untried = false;
    if (verdict == LEAT_VERDICT_FAILS)
        k->useless = 0;
    else if (p->reads && k->useless < BLIND_TRIES)
        k->useless++;
    return LEAT_OK;
}

/* The predicate may hold, or is broken. */
static inline void add_live(leat_lookup *lookup, uint32_t predicate, const index_known *k)
{
    lookup->groups |= k->groups;
    LEAT_ASSERT(lookup->live_count < lookup->index->predicates_count); /* each comes once */
    bool other = lookup->live_count > 0 && lookup->lone != k->user;
    lookup->lone = other ? INDEX_SEVERAL : k->user;
    lookup->live[lookup->live_count++] = predicate;
    lookup->lone_starts |= k->starts;
}

/* The same, where that is to be told at first sight. */
static inline void reached(leat_lookup *lookup, uint32_t predicate, const index_known *k)
{
    leat_verdict verdict = k->verdict;
    if (verdict == LEAT_VERDICT_FAILS) return;
    add_live(lookup, predicate, k);
    if (LEAT_LIKELY(verdict != LEAT_VERDICT_BROKEN)) return;
    lookup->may_break = lookup->marked = true;
    index_mark(&lookup->broken_starts, lookup->index, &lookup->index->predicates[predicate].starts);
}

/* tested: its access holds; else nothing is known of it. */
static inline leat_code reach(leat_lookup *lookup, uint32_t predicate, bool tested, leat_err *err)
{
    LEAT_ASSERT(predicate < lookup->index->predicates_count);
    index_known *k = &lookup->known[predicate];
    if (k->event == lookup->event) return LEAT_OK;
    if (LEAT_LIKELY(tested && k->exact)) {
        k->verdict = LEAT_VERDICT_HOLDS;
        k->event = lookup->event;
    } else if (k->reads && k->useless >= BLIND_TRIES) {
        k->verdict = LEAT_VERDICT_MAYBE;
        k->event = lookup->event;
        k->untried = true;
    } else {
        LEAT_TRY(judge(lookup, predicate, err));
    }
    reached(lookup, predicate, k);
    return LEAT_OK;
}

static __attribute__((noinline)) leat_code reach_list(leat_lookup *lookup, uint32_t head,
                                                      bool tested, leat_err *err)
{
    const index_link *links = lookup->index->links;
    if ((head & INDEX_ONE) != 0) return reach(lookup, head & ~INDEX_ONE, tested, err);
    for (uint32_t at = head; at != 0; at = links[at].next)
        LEAT_TRY(reach(lookup, links[at].predicate, tested, err));
    return LEAT_OK;
}

/* --- slots --- */

/* The operand is known to be false. */
static bool guard_fails(const leat_lookup *lookup, const leat_form *guard)
{
    if (guard == NULL) return false;
    leat_value value = lookup->base->slots[guard->slot];
    leat_err err;
    if (guard->test == LEAT_FORM_HAS) return value.tag == LEAT_MISSING;
    LEAT_ASSERT(guard->test == LEAT_FORM_EQ);
    if (value.tag == LEAT_NUMBER &&
        leat_json_number(leat_value_str(value), &value, &err) != LEAT_OK)
        return false;
    switch ((leat_tag)value.tag) {
    case LEAT_NULL:
    case LEAT_BOOL:
    case LEAT_INT:
    case LEAT_UINT:
    case LEAT_DOUBLE:
    case LEAT_STRING: return !index_same(value, guard->constant);
    case LEAT_MISSING:
    case LEAT_BYTES:
    case LEAT_TIMESTAMP:
    case LEAT_DURATION:
    case LEAT_LIST:
    case LEAT_MAP:
    case LEAT_TYPE:
    case LEAT_OPTIONAL:
    case LEAT_NUMBER:
    case LEAT_JSON:
    case LEAT_OBJECT:
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: break;
    }
    return false;
}

static void break_slot(leat_lookup *lookup, uint32_t s, unsigned kinds)
{
    const index_slot *slot = &lookup->index->slots[s];
    lookup->broken[s] = (uint8_t)kinds;
    for (unsigned left = kinds & slot->kinds; left != 0; left &= left - 1) {
        unsigned k = (unsigned)__builtin_ctz(left);
        for (uint32_t i = 0; i < slot->buckets_count[k]; i++) {
            const index_bucket *bucket = &slot->buckets[k][i];
            if (bucket->head == 0 || guard_fails(lookup, bucket->guard)) continue;
            lookup->groups |= bucket->groups;
            lookup->may_break = lookup->marked = true;
            index_mark(&lookup->broken_starts, lookup->index, &bucket->starts);
        }
    }
}

static __attribute__((noinline)) leat_code look_at(leat_lookup *lookup, uint32_t s, leat_err *err)
{
    const index_slot *slot = &lookup->index->slots[s];
    leat_value value = lookup->base->slots[slot->slot];
    unsigned broken = 0;
    leat_err why;
    lookup->broken[s] = 0;
    if (value.tag == LEAT_NUMBER &&
        leat_json_number(leat_value_str(value), &value, &why) != LEAT_OK)
        return reach_list(lookup, slot->all, false, err);
    switch ((leat_tag)value.tag) {
    case LEAT_INT:
    case LEAT_UINT:
    case LEAT_DOUBLE: broken = INDEX_TEXT; break;
    case LEAT_STRING: broken = INDEX_NUMBER; break;
    case LEAT_NULL:
    case LEAT_BOOL: broken = INDEX_TEXT | INDEX_NUMBER; break;
    case LEAT_MISSING:
        if (slot->fallback) return reach_list(lookup, slot->all, false, err);
        break_slot(lookup, s, INDEX_VALUE | INDEX_NUMBER | INDEX_TEXT);
        return LEAT_OK;
    case LEAT_BYTES:
    case LEAT_TIMESTAMP:
    case LEAT_DURATION:
    case LEAT_LIST:
    case LEAT_MAP:
    case LEAT_TYPE:
    case LEAT_OPTIONAL:
    case LEAT_NUMBER:
    case LEAT_JSON:
    case LEAT_OBJECT:
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: return reach_list(lookup, slot->all, false, err);
    }
    lookup->found.count = 0;
    index_slot_find(slot, value, &lookup->found);
    for (uint32_t i = 0; i < lookup->found.count; i++)
        LEAT_TRY(reach_list(lookup, lookup->found.heads[i], true, err));
    if (LEAT_UNLIKELY((broken & slot->kinds) != 0))
        break_slot(lookup, s, broken);
    else
        lookup->broken[s] = (uint8_t)broken;
    return LEAT_OK;
}

static __attribute__((noinline)) leat_code reach_unknown(leat_lookup *lookup, uint64_t unknown,
                                                         leat_err *err)
{
    for (; unknown != 0; unknown &= unknown - 1) {
        uint32_t predicate = (uint32_t)__builtin_ctzll(unknown);
        LEAT_TRY(reach(lookup, predicate, false, err));
        leat_verdict verdict = lookup->known[predicate].verdict;
        if (verdict == LEAT_VERDICT_HOLDS) lookup->holds |= unknown & -unknown;
        if (verdict == LEAT_VERDICT_MAYBE) lookup->maybe |= unknown & -unknown;
    }
    return LEAT_OK;
}

/* Of few predicates each is looked at, and where that does not tell, evaluated. */
static __attribute__((noinline)) leat_code reach_seen(leat_lookup *lookup, leat_seen seen,
                                                      leat_err *err)
{
    uint32_t count = 0;
    LEAT_ASSERT(lookup->live_count == 0 && lookup->index->predicates_count <= INDEX_LOOKS_MAX);
    lookup->holds = seen.holds;
    for (uint64_t holds = seen.holds; holds != 0; holds &= holds - 1) {
        uint32_t predicate = (uint32_t)__builtin_ctzll(holds);
        index_known *k = &lookup->known[predicate];
        k->verdict = LEAT_VERDICT_HOLDS;
        k->event = lookup->event;
        lookup->groups |= k->groups;
        lookup->lone = count == 0 || lookup->lone == k->user ? k->user : INDEX_SEVERAL;
        lookup->lone_starts |= k->starts;
        lookup->live[count++] = predicate;
    }
    lookup->live_count = count;
    return LEAT_LIKELY(seen.unknown == 0) ? LEAT_OK : reach_unknown(lookup, seen.unknown, err);
}

/* A number in a slot where that is all that is asked for: most often. *head: what is found. */
static inline bool find_plain(const index_slot *slot, leat_value value, uint32_t *head)
{
    double number = 0;
    if (!slot->plain || !index_number(value, &number)) return false;
    *head = isnan(number) ? 0 : index_head(slot, link_hash_number(number), LEAT_DOUBLE);
    return true;
}

/* From slot s on. */
static __attribute__((noinline)) leat_code reach_from(leat_lookup *lookup, uint32_t s,
                                                      leat_err *err)
{
    const leat_index *index = lookup->index;
    for (; s < index->slots_count; s++) {
        const index_slot *slot = &index->slots[s];
        uint32_t head = 0;
        if (slot->all == 0) continue;
        if (!find_plain(slot, lookup->base->slots[slot->slot], &head)) {
            LEAT_TRY(look_at(lookup, s, err));
            continue;
        }
        lookup->broken[s] = 0; /* what number, or text, it is, nobody asks */
        if (head != 0) LEAT_TRY(reach_list(lookup, head, true, err));
    }
    for (uint32_t i = 0; i < index->rest_count; i++)
        LEAT_TRY(reach(lookup, index->rest[i], false, err));
    return LEAT_OK;
}

/* As long as slots have numbers of which there is one predicate at most, which holds then: without
 * a call, as this is what thousands of patterns come to for most events. */
static __attribute__((noinline)) leat_code reach_by_slots(leat_lookup *lookup, leat_err *err)
{
    const leat_index *index = lookup->index;
    const index_slot *slot = index->slots;
    for (uint32_t s = 0; s < index->slots_count; s++, slot++) {
        uint32_t head = 0;
        if (slot->all == 0) continue;
        if (!find_plain(slot, lookup->base->slots[slot->slot], &head))
            return reach_from(lookup, s, err);
        lookup->broken[s] = 0;
        if (head == 0) continue;
        if ((head & INDEX_ONE) == 0) return reach_from(lookup, s, err);
        uint32_t predicate = head & ~INDEX_ONE;
        LEAT_ASSERT(predicate < index->predicates_count);
        index_known *k = &lookup->known[predicate];
        if (!k->exact || k->event == lookup->event) return reach_from(lookup, s, err);
        k->verdict = LEAT_VERDICT_HOLDS;
        k->event = lookup->event;
        add_live(lookup, predicate, k);
    }
    return index->rest_count == 0 ? LEAT_OK : reach_from(lookup, index->slots_count, err);
}

static __attribute__((noinline)) void forget_broken(leat_lookup *lookup)
{
    leat_marks_clear(&lookup->broken_starts);
    lookup->marked = false;
}

/* Most events mean nothing to anybody: until that is known, as little as possible is done. */
leat_code leat_lookup_begin(leat_lookup *lookup, const leat_eval *eval, leat_err *err)
{
    const leat_index *index = lookup->index;
    LEAT_ASSERT(eval->arena != NULL && (eval->slots != NULL || index->slots_count == 0));
    lookup->base = eval;
    lookup->event++;
    lookup->live_count = 0;
    lookup->starts_made = lookup->patterns_made = lookup->may_break = lookup->lone_starts = false;
    lookup->groups = index->always_groups;
    lookup->holds = lookup->maybe = 0;
    if (LEAT_UNLIKELY(lookup->marked)) forget_broken(lookup);
    if (index->looks == NULL) return reach_by_slots(lookup, err);
    leat_seen seen = leat_looks_at(index->looks, eval->slots);
    if ((seen.holds | seen.unknown) == 0) return LEAT_OK;
    return reach_seen(lookup, seen, err);
}

/* --- asking --- */

uint64_t leat_lookup_groups(const leat_lookup *lookup)
{
    return lookup->groups;
}

bool leat_lookup_lone(const leat_lookup *lookup, uint32_t *pattern, bool *starts)
{
    if (lookup->live_count == 0 || lookup->lone == INDEX_SEVERAL) return false;
    *pattern = lookup->lone;
    *starts = lookup->lone_starts;
    return !lookup->may_break && lookup->index->always.count == 0;
}

bool leat_lookup_broken(const leat_lookup *lookup)
{
    return lookup->may_break;
}

static bool can_be_broken(const leat_lookup *lookup, const index_predicate *p)
{
    for (uint32_t i = 0; i < p->places_count; i++)
        if ((lookup->broken[p->places[i].table] & p->places[i].kind) != 0) return true;
    return false;
}

static leat_code verdict_of(leat_lookup *lookup, uint32_t predicate, leat_verdict *verdict,
                            leat_err *err)
{
    const index_known *k = &lookup->known[predicate];
    *verdict = LEAT_VERDICT_FAILS;
    if (k->event != lookup->event) {
        if (!can_be_broken(lookup, &lookup->index->predicates[predicate])) return LEAT_OK;
        LEAT_TRY(judge(lookup, predicate, err));
    }
    *verdict = k->verdict;
    return LEAT_OK;
}

leat_code leat_lookup_verdict(leat_lookup *lookup, uint32_t pattern, uint32_t condition,
                              leat_verdict *verdict, leat_err *err)
{
    LEAT_ASSERT(pattern < lookup->index->patterns_count);
    const index_pattern *p = &lookup->index->patterns[pattern];
    LEAT_ASSERT(p->predicates != NULL && condition < p->count);
    return verdict_of(lookup, p->predicates[condition], verdict, err);
}

/* Which of the pattern's conditions a predicate is. */
static void conditions_of(const index_pattern *p, uint32_t predicate, uint64_t bits[2])
{
    for (uint32_t i = 0; i < p->count && i < 128; i++)
        if (p->predicates[i] == predicate) bits[i >> 6] |= (uint64_t)1 << (i & 63);
}

static bool set_has(const index_set *set, uint32_t pattern)
{
    uint32_t from = 0;
    uint32_t to = set->count;
    if (to == 1) return set->one == pattern;
    if (set->bits != NULL) return (set->bits[pattern / 64] >> pattern % 64 & 1) != 0;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (set->items[middle] < pattern)
            from = middle + 1;
        else
            to = middle;
    }
    return from < set->count && set->items[from] == pattern;
}

static inline bool has_user(const leat_lookup *lookup, uint32_t predicate, uint32_t pattern)
{
    uint32_t user = lookup->known[predicate].user;
    if (LEAT_LIKELY(user != INDEX_SEVERAL)) return user == pattern;
    return set_has(&lookup->index->predicates[predicate].users, pattern);
}

/* A single condition holds of all patterns' conditions, and it is the pattern's: most often, where
 * they are many. */
static inline bool answer_by_one(const leat_lookup *lookup, uint32_t pattern, leat_answers *answers)
{
    if (lookup->live_count != 1) return false;
    const index_known *k = &lookup->known[lookup->live[0]];
    if (k->verdict != LEAT_VERDICT_HOLDS || k->user != pattern || k->condition >= 64) return false;
    answers->holds[0] = (uint64_t)1 << k->condition;
    return true;
}

/* By what the event has reached: no look at a pattern that nobody has looked at. */
static __attribute__((noinline)) void answer_by_live(const leat_lookup *lookup, uint32_t pattern,
                                                     leat_answers *answers)
{
    for (uint32_t i = 0; i < lookup->live_count; i++) {
        uint32_t predicate = lookup->live[i];
        const index_known *k = &lookup->known[predicate];
        leat_verdict verdict = k->verdict;
        uint64_t bits[2] = {0, 0};
        if (verdict == LEAT_VERDICT_FAILS || !has_user(lookup, predicate, pattern)) continue;
        if (k->condition == INDEX_SEVERAL)
            conditions_of(&lookup->index->patterns[pattern], predicate, bits);
        else
            bits[k->condition >> 6] = (uint64_t)1 << (k->condition & 63);
        LEAT_ASSERT(verdict != LEAT_VERDICT_BROKEN);
        for (uint32_t word = 0; word < 2; word++) {
            if (verdict == LEAT_VERDICT_HOLDS) answers->holds[word] |= bits[word];
            if (verdict == LEAT_VERDICT_MAYBE) answers->known[word] &= ~bits[word];
        }
    }
}

void leat_lookup_answers(const leat_lookup *lookup, uint32_t pattern, leat_answers *answers)
{
    LEAT_ASSERT(pattern < lookup->index->patterns_count);
    answers->holds[0] = answers->holds[1] = 0;
    answers->known[0] = answers->known[1] = 0;
    if (lookup->may_break) return; /* what was not reached may be broken, else it fails */
    answers->known[0] = answers->known[1] = UINT64_MAX;
    if (lookup->index->direct) {
        answers->holds[0] = lookup->holds;
        answers->known[0] = ~lookup->maybe;
        return;
    }
    if (LEAT_LIKELY(answer_by_one(lookup, pattern, answers))) return;
    if (LEAT_LIKELY(lookup->live_count <= LIVE_FEW)) {
        answer_by_live(lookup, pattern, answers);
        return;
    }
    const index_pattern *p = &lookup->index->patterns[pattern];
    for (uint32_t i = 0; i < p->count && i < 128; i++) {
        const index_known *k = &lookup->known[p->predicates[i]];
        uint64_t bit = (uint64_t)1 << (i & 63);
        if (k->event != lookup->event) continue;
        if (k->verdict == LEAT_VERDICT_HOLDS) answers->holds[i >> 6] |= bit;
        if (k->verdict == LEAT_VERDICT_MAYBE) answers->known[i >> 6] &= ~bit;
    }
}

leat_code leat_lookup_pattern(leat_lookup *lookup, uint32_t pattern, bool exact,
                              leat_verdict *verdict, leat_err *err)
{
    LEAT_ASSERT(pattern < lookup->index->patterns_count);
    const index_pattern *p = &lookup->index->patterns[pattern];
    LEAT_ASSERT(p->predicates != NULL);
    *verdict = LEAT_VERDICT_FAILS;
    if (!exact && !lookup->may_break && lookup->index->patterns_count == 1) {
        if (lookup->live_count > 0) *verdict = LEAT_VERDICT_HOLDS;
        return LEAT_OK;
    }
    if (!exact && !lookup->may_break && lookup->live_count <= LIVE_FEW) {
        for (uint32_t i = 0; i < lookup->live_count && *verdict == LEAT_VERDICT_FAILS; i++) {
            uint32_t live = lookup->live[i];
            if (lookup->known[live].verdict != LEAT_VERDICT_FAILS &&
                has_user(lookup, live, pattern))
                *verdict = LEAT_VERDICT_HOLDS;
        }
        return LEAT_OK;
    }
    for (uint32_t i = 0; i < p->count; i++) {
        leat_verdict one = LEAT_VERDICT_FAILS;
        LEAT_TRY(verdict_of(lookup, p->predicates[i], &one, err));
        if (exact && one == LEAT_VERDICT_MAYBE && lookup->known[p->predicates[i]].untried) {
            LEAT_TRY(judge(lookup, p->predicates[i], err));
            one = lookup->known[p->predicates[i]].verdict;
        }
        if (one == LEAT_VERDICT_HOLDS || one == LEAT_VERDICT_MAYBE) {
            *verdict = LEAT_VERDICT_HOLDS;
            return LEAT_OK;
        }
        if (one == LEAT_VERDICT_BROKEN) *verdict = one;
    }
    return LEAT_OK;
}
