/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of a pattern, by a look at the event's slots.
 *
 * Most conditions compare a field with a constant, or are && and || of such. Where the field has
 * the constant's type that is a load and a comparison, and what else there is to an evaluation
 * costs many times as much. So all conditions are looked at first, for events that mean nothing
 * to the pattern are the most frequent ones, and what is left over is evaluated when somebody asks:
 * fields of other types or missing, functions, and whatever reads what was taken (unless an operand
 * decides that does not: `kind == 1 && amount > last(a).amount`). */
#include "cep/conditions.h"

#define NO_TAG UINT16_MAX
enum { LESS = 1, EQUAL = 2, MORE = 4 };

/* Where a test holds of a number; 0: it is another kind of test. */
static uint16_t relations(leat_form_test test)
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

leat_look leat_look_of(const leat_form *form)
{
    leat_look look = {.tag = NO_TAG, .form = form};
    if (form->kind != LEAT_FORM_TEST) return look;
    int64_t at = form->constant.as.i;
    look.slot = form->slot;
    look.holds = relations(form->test);
    if (look.holds == 0) return look;
    if (form->constant.tag == LEAT_DOUBLE) {
        look.tag = LEAT_DOUBLE;
        look.as.than = form->constant.as.d;
    } else if (form->constant.tag == LEAT_INT) {
        bool less = (look.holds & LESS) != 0;
        bool more = (look.holds & MORE) != 0;
        bool equal = (look.holds & EQUAL) != 0;
        if ((less && !equal && at == INT64_MIN) || (more && !equal && at == INT64_MAX)) return look;
        int64_t from = less ? INT64_MIN : at + !equal;
        int64_t to = more ? INT64_MAX : at - !equal;
        look.tag = LEAT_INT;
        look.as.range.from = (uint64_t)from;
        look.as.range.span = (uint64_t)to - (uint64_t)from;
    }
    return look;
}

/* Without a branch on how numbers compare, which nobody can foretell. */
uint64_t leat_looks(const leat_look *looks, uint32_t count, const leat_value *slots,
                    uint64_t *unknown)
{
    uint64_t holds = 0;
    uint64_t bit = 1;
    *unknown = 0;
    for (const leat_look *look = looks; look < looks + count; look++, bit <<= 1) {
        const leat_value *value = &slots[look->slot];
        uint64_t yes = 0;
        if (look->tag == LEAT_INT && value->tag == LEAT_INT) {
            yes = value->as.u - look->as.range.from <= look->as.range.span;
        } else if (look->tag == LEAT_DOUBLE && value->tag == LEAT_DOUBLE) {
            double a = value->as.d;
            double b = look->as.than; /* of what is no number nothing holds */
            yes = ((a < b ? LESS : 0) | (a == b ? EQUAL : 0) | (a > b ? MORE : 0)) & look->holds;
        } else {
            leat_form_answer answer = leat_form_look(look->form, slots);
            yes = answer == LEAT_FORM_HOLDS;
            *unknown |= answer == LEAT_FORM_UNKNOWN ? bit : 0;
        }
        holds |= yes != 0 ? bit : 0;
    }
    LEAT_ASSERT(count <= 64 && (holds & *unknown) == 0);
    return holds;
}

bool leat_conditions_look(const leat_conditions *conditions, const leat_value *slots,
                          leat_answers *answers, bool *all)
{
    uint64_t unknown = 0;
    uint32_t first = conditions->count < 64 ? conditions->count : 64;
    *answers = (leat_answers){{0}, {0}};
    answers->holds[0] = leat_looks(conditions->looks, first, slots, &unknown);
    answers->known[0] = first == 0 ? 0 : UINT64_MAX >> (64 - first) & ~unknown;
    *all = unknown == 0;
    if (LEAT_LIKELY(conditions->count <= 64)) return answers->holds[0] != 0;
    uint32_t rest = conditions->count < 128 ? conditions->count - 64 : 64;
    answers->holds[1] = leat_looks(conditions->looks + 64, rest, slots, &unknown);
    answers->known[1] = UINT64_MAX >> (64 - rest) & ~unknown;
    *all = *all && unknown == 0 && conditions->count <= 128;
    return (answers->holds[0] | answers->holds[1]) != 0;
}
