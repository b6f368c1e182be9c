/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of a pattern, by a look at the event's slots.
 *
 * Most conditions compare a field with a constant, or are && and || of such. Where the field has
 * the constant's type that is a load and a comparison, and what else there is to an evaluation
 * costs many times as much. So all conditions are looked at first, for events that mean nothing
 * to the pattern are the most frequent ones, and what is left over is evaluated when somebody asks:
 * fields of other types or missing, functions, and whatever reads what was taken (unless an operand
 * decides that does not: `kind == 1 && amount > last(a).amount`).
 *
 * Conditions on one slot are looked at together. The constants cut the numbers into stretches, in
 * each of which the same conditions hold:
 *
 *   amount < 10, amount == 10, amount > 500      up to 9 | 10    | up to 500 | above
 *                                                { <10 } | {==10}| { }       | {>500}
 *
 * so a value's stretch (how many cuts lie below it) tells of all of them. Texts are held against
 * each constant once. Of an && one operand is looked at in this way: where that fails it is false,
 * else its form is asked, like those of all conditions that are not of this kind.
 *
 * Numbers are compared by words that are in the same order, so that ints and doubles are one. */
#include "cep/conditions.h"

#include <math.h>
#include <stdlib.h>

enum { LESS = 1, EQUAL = 2, MORE = 4 };
#define BLOCK                                                                                      \
    4 /* cuts are counted in blocks, without a branch; beyond two blocks they are halved */

/* All conditions on one slot by constants of one type. */
typedef struct look_slot {
    uint32_t slot;
    leat_tag tag;
    uint32_t count; /* of cuts or texts */
    uint64_t all;   /* conditions that it tells of */
    uint64_t equal; /* DOUBLE: those that ask for equality, of which an int tells nothing */
    uint64_t *cuts; /* ascending; behind them, up to whole blocks, what no value is above */
    leat_str *texts;
    uint64_t *holds; /* by cuts below the value, of which count + 1 are possible; or by text */
} look_slot;

struct leat_looks {
    const look_slot *slots; /* of ints first */
    uint32_t ints_count, slots_count;
    bool short_one;  /* there is one slot, of ints and one block of cuts */
    bool short_all;  /* ... and an int in it tells of all conditions */
    uint64_t exact;  /* conditions that are what their slot tells */
    uint64_t others; /* that no slot tells of */
    const leat_form **forms;
};

/* --- numbers --- */

#define SIGN ((uint64_t)1 << 63)

static uint64_t order_of_int(int64_t number)
{
    return (uint64_t)number ^ SIGN;
}

/* Not of NaN. */
static uint64_t order_of_double(double number)
{
    uint64_t bits = 0;
    number += 0.0; /* -0.0 is 0.0 */
    memcpy(&bits, &number, sizeof bits);
    return bits ^ ((bits & SIGN) != 0 ? UINT64_MAX : SIGN);
}

static uint64_t order_of(leat_value constant)
{
    return constant.tag == LEAT_INT ? order_of_int(constant.as.i) : order_of_double(constant.as.d);
}

/* --- making --- */

/* Where a test holds of a number; 0: it is another kind of test. */
static unsigned relations(leat_form_test test)
{
    switch (test) {
    case LEAT_FORM_EQ: return EQUAL;
    case LEAT_FORM_LT: return LESS;
    case LEAT_FORM_LE: return LESS | EQUAL;
    case LEAT_FORM_GT: return MORE;
    case LEAT_FORM_GE: return MORE | EQUAL;
    case LEAT_FORM_IN:
    case LEAT_FORM_STARTS:
    case LEAT_FORM_MATCHES:
    case LEAT_FORM_HAS: break;
    }
    return 0;
}

/* Whether a look at the slot tells of the form. */
static bool is_seen(const leat_form *form)
{
    if (form->kind != LEAT_FORM_TEST) return false;
    if (form->constant.tag == LEAT_STRING) return form->test == LEAT_FORM_EQ;
    if (form->constant.tag == LEAT_DOUBLE && isnan(form->constant.as.d)) return false;
    bool number = form->constant.tag == LEAT_INT || form->constant.tag == LEAT_DOUBLE;
    return number && relations(form->test) != 0;
}

/* The operand by which it is looked at, rather one that asks for equality; NULL: there is none. */
static const leat_form *key_of(const leat_form *form)
{
    const leat_form *key = NULL;
    if (is_seen(form)) return form;
    for (uint32_t i = 0; form->kind == LEAT_FORM_AND && i < form->parts_count; i++) {
        const leat_form *part = form->parts[i];
        if (!is_seen(part)) continue;
        if (key == NULL || (part->test == LEAT_FORM_EQ && key->test != LEAT_FORM_EQ)) key = part;
    }
    return key;
}

static bool is_of(const look_slot *s, const leat_form *key)
{
    return key != NULL && key->slot == s->slot && key->constant.tag == s->tag;
}

static int compare_cuts(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* A cut ends a stretch: below the constant, where less and equal differ, or at it. */
static void add_cuts(look_slot *s, const leat_form *key)
{
    uint64_t at = order_of(key->constant);
    bool below = key->test != LEAT_FORM_LE && key->test != LEAT_FORM_GT;
    bool behind = key->test != LEAT_FORM_LT && key->test != LEAT_FORM_GE;
    if (below && at > 0) s->cuts[s->count++] = at - 1;
    if (behind && at < UINT64_MAX) s->cuts[s->count++] = at;
}

/* Whether it holds in the stretch that the k-th cut ends. */
static bool holds_in(const look_slot *s, const leat_form *key, uint32_t k)
{
    uint64_t a = k < s->count ? s->cuts[k] : UINT64_MAX;
    uint64_t b = order_of(key->constant);
    unsigned is = a < b ? LESS : a > b ? MORE : EQUAL;
    return (relations(key->test) & is) != 0;
}

static bool fill_numbers(look_slot *s, const leat_form *const *keys, uint32_t count,
                         leat_arena *arena)
{
    size_t most = 2 * (size_t)count + BLOCK; /* two of each */
    uint32_t kept = 0;
    s->cuts = leat_arena_zero(arena, most * sizeof *s->cuts);
    s->holds = leat_arena_zero(arena, most * sizeof *s->holds);
    if (s->cuts == NULL || s->holds == NULL) return false;
    for (uint32_t i = 0; i < count; i++)
        if (is_of(s, keys[i])) add_cuts(s, keys[i]);
    qsort(s->cuts, s->count, sizeof *s->cuts, compare_cuts);
    for (uint32_t i = 0; i < s->count; i++)
        if (kept == 0 || s->cuts[kept - 1] != s->cuts[i]) s->cuts[kept++] = s->cuts[i];
    s->count = kept;
    for (; kept == 0 || kept % BLOCK != 0; kept++)
        s->cuts[kept] = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; is_of(s, keys[i]) && k <= s->count; k++)
            if (holds_in(s, keys[i], k)) s->holds[k] |= (uint64_t)1 << i;
    return true;
}

static bool fill_texts(look_slot *s, const leat_form *const *keys, uint32_t count,
                       leat_arena *arena)
{
    s->texts = leat_arena_zero(arena, count * sizeof *s->texts);
    s->holds = leat_arena_zero(arena, count * sizeof *s->holds);
    if (s->texts == NULL || s->holds == NULL) return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = 0;
        if (!is_of(s, keys[i])) continue;
        leat_str text = leat_value_str(keys[i]->constant);
        while (at < s->count && !leat_str_equal(s->texts[at], text))
            at++;
        if (at == s->count) s->texts[s->count++] = text;
        s->holds[at] |= (uint64_t)1 << i;
    }
    return true;
}

/* The slot of a key, with all others that are of it. False: the arena is full. */
static bool fill_slot(look_slot *s, const leat_form *key, const leat_form *const *keys,
                      uint32_t count, leat_arena *arena)
{
    *s = (look_slot){.slot = key->slot, .tag = (leat_tag)key->constant.tag};
    for (uint32_t i = 0; i < count; i++) {
        if (!is_of(s, keys[i])) continue;
        s->all |= (uint64_t)1 << i;
        if (s->tag == LEAT_DOUBLE && keys[i]->test == LEAT_FORM_EQ) s->equal |= (uint64_t)1 << i;
    }
    LEAT_ASSERT(s->all != 0);
    return s->tag == LEAT_STRING ? fill_texts(s, keys, count, arena)
                                 : fill_numbers(s, keys, count, arena);
}

/* The slots of keys of ints, or of all others; *told: conditions that a slot tells of. */
static bool add_slots(look_slot *slots, uint32_t *slots_count, const leat_form *const *keys,
                      uint32_t count, bool ints, uint64_t *told, leat_arena *arena)
{
    for (uint32_t i = 0; i < count; i++) {
        look_slot *s = &slots[*slots_count];
        if (keys[i] == NULL || (*told >> i & 1) != 0) continue;
        if ((keys[i]->constant.tag == LEAT_INT) != ints) continue;
        if (!fill_slot(s, keys[i], keys, count, arena)) return false;
        *told |= s->all;
        ++*slots_count;
    }
    return true;
}

const leat_looks *leat_looks_new(const leat_form *const *forms, uint32_t count, leat_arena *arena)
{
    const leat_form *keys[64];
    uint64_t told = 0;
    LEAT_ASSERT(count <= 64);
    leat_looks *made = leat_arena_zero(arena, sizeof *made);
    look_slot *slots = leat_arena_zero(arena, (count + 1) * sizeof *slots);
    const leat_form **kept = leat_arena_zero(arena, (count + 1) * sizeof *kept);
    if (made == NULL || slots == NULL || kept == NULL) return NULL;
    for (uint32_t i = 0; i < count; i++) {
        kept[i] = forms[i];
        keys[i] = forms[i] == NULL ? NULL : key_of(forms[i]);
        if (keys[i] == NULL) made->others |= (uint64_t)1 << i;
        if (keys[i] != NULL && keys[i] == forms[i]) made->exact |= (uint64_t)1 << i;
    }
    made->slots = slots;
    made->forms = kept;
    if (!add_slots(slots, &made->slots_count, keys, count, true, &told, arena)) return NULL;
    made->ints_count = made->slots_count;
    if (!add_slots(slots, &made->slots_count, keys, count, false, &told, arena)) return NULL;
    LEAT_ASSERT((told & made->others) == 0);
    made->short_one = made->slots_count == 1 && made->ints_count == 1 && slots[0].count <= BLOCK;
    made->short_all = made->short_one && made->others == 0 && (slots[0].all & ~made->exact) == 0;
    return made;
}

/* --- looking --- */

/* How many cuts of a block are below. */
static inline uint64_t below(const uint64_t *cuts, uint64_t order)
{
    uint64_t count = cuts[0] < order;
    count += cuts[1] < order;
    count += cuts[2] < order;
    count += cuts[3] < order;
    return count;
}

/* Without a branch on how numbers compare, which nobody can foretell. */
static inline uint64_t look_number(const look_slot *s, uint64_t order)
{
    const uint64_t *cuts = s->cuts;
    uint32_t count = s->count;
    if (LEAT_LIKELY(count <= BLOCK)) return s->holds[below(cuts, order)];
    if (count <= 2 * BLOCK) return s->holds[below(cuts, order) + below(cuts + BLOCK, order)];
    while (count > 1) {
        uint32_t half = count / 2;
        cuts += cuts[half - 1] < order ? half : 0;
        count -= half;
    }
    return s->holds[(size_t)(cuts - s->cuts) + (*cuts < order)];
}

static uint64_t look_text(const look_slot *s, leat_str text)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (leat_str_equal(s->texts[i], text)) return s->holds[i];
    return 0;
}

/* What a slot of doubles or texts tells; what it does not tell comes to *ask. */
static uint64_t look_other(const look_slot *s, const leat_value *value, uint64_t *ask)
{
    if (s->tag == LEAT_STRING && value->tag == LEAT_STRING)
        return look_text(s, leat_value_str(*value));
    if (s->tag == LEAT_DOUBLE && value->tag == LEAT_DOUBLE)
        return isnan(value->as.d) ? 0 : look_number(s, order_of_double(value->as.d));
    if (s->tag == LEAT_DOUBLE && value->tag == LEAT_INT) {
        *ask |= s->equal;
        return look_number(s, order_of_double((double)value->as.i)) & ~s->equal;
    }
    *ask |= s->all;
    return 0;
}

/* holds: what slots have told so far; those of `ask` are what their forms say. */
static __attribute__((noinline)) leat_seen look_on(const leat_looks *looks, const leat_value *slots,
                                                   uint64_t holds, uint64_t ask)
{
    for (uint32_t i = looks->ints_count; i < looks->slots_count; i++) {
        const look_slot *s = &looks->slots[i];
        holds |= look_other(s, &slots[s->slot], &ask);
    }
    ask |= holds & ~looks->exact;
    leat_seen seen = {holds & looks->exact, 0};
    LEAT_ASSERT((seen.holds & ask) == 0);
    for (; ask != 0; ask &= ask - 1) {
        uint64_t bit = ask & -ask;
        const leat_form *form = looks->forms[__builtin_ctzll(ask)];
        leat_form_answer answer = form == NULL ? LEAT_FORM_UNKNOWN : leat_form_look(form, slots);
        if (answer == LEAT_FORM_HOLDS) seen.holds |= bit;
        if (answer == LEAT_FORM_UNKNOWN) seen.unknown |= bit;
    }
    return seen;
}

static __attribute__((noinline)) leat_seen look_at_all(const leat_looks *looks,
                                                       const leat_value *slots)
{
    uint64_t holds = 0;
    uint64_t ask = looks->others;
    const look_slot *end = looks->slots + looks->ints_count;
    for (const look_slot *s = looks->slots; s < end; s++) {
        const leat_value *value = &slots[s->slot];
        if (LEAT_LIKELY(value->tag == LEAT_INT))
            holds |= look_number(s, order_of_int(value->as.i));
        else
            ask |= s->all;
    }
    bool all = looks->ints_count == looks->slots_count && (ask | (holds & ~looks->exact)) == 0;
    return LEAT_LIKELY(all) ? (leat_seen){holds, 0} : look_on(looks, slots, holds, ask);
}

/* Most patterns ask for one field of their own kind of events. */
leat_seen leat_looks_at(const leat_looks *looks, const leat_value *slots)
{
    const look_slot *s = looks->slots;
    if (LEAT_UNLIKELY(!looks->short_one)) return look_at_all(looks, slots);
    const leat_value *value = &slots[s->slot];
    if (LEAT_UNLIKELY(value->tag != LEAT_INT)) return look_at_all(looks, slots);
    uint64_t holds = s->holds[below(s->cuts, order_of_int(value->as.i))];
    if (LEAT_LIKELY(looks->short_all)) return (leat_seen){holds, 0};
    uint64_t ask = looks->others | (holds & ~looks->exact);
    return ask == 0 ? (leat_seen){holds, 0} : look_on(looks, slots, holds, ask);
}

bool leat_conditions_look(const leat_conditions *conditions, const leat_value *slots,
                          leat_answers *answers, bool *all)
{
    *answers = (leat_answers){{0}, {0}};
    *all = conditions->count <= 128;
    for (uint32_t word = 0; word < 2 && 64 * word < conditions->count; word++) {
        uint32_t count = conditions->count - 64 * word;
        if (count > 64) count = 64;
        leat_seen seen = leat_looks_at(conditions->looks[word], slots);
        answers->holds[word] = seen.holds;
        answers->known[word] = UINT64_MAX >> (64 - count) & ~seen.unknown;
        *all = *all && seen.unknown == 0;
    }
    return (answers->holds[0] | answers->holds[1]) != 0;
}
