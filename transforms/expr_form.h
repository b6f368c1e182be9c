/* SPDX-License-Identifier: Apache-2.0 */
/* What a compiled expression looks like, for whoever wants to know without evaluating it: an index
 * over many conditions finds those that an event can fulfil by the tests that they are made of.
 *
 *   status == 'ok' && (amount > 500.0 || abs(x) == 1)
 *
 *   AND --- TEST slot(status) EQ 'ok'
 *     `---- OR --- TEST slot(amount) GT 500.0
 *             `--- OPAQUE
 *
 * The tree is a view of the expression, never another meaning of it: AND and OR are those of CEL
 * (false decides &&, true decides ||, whatever the other operands are), a TEST is an operand of the
 * form `slot op constant`, and everything else is OPAQUE.
 * Owner: the expression. Thread: immutable. */
#ifndef LEAT_TRANSFORMS_EXPR_FORM_H
#define LEAT_TRANSFORMS_EXPR_FORM_H

#include "transforms/expr.h"

typedef enum leat_form_kind {
    LEAT_FORM_OPAQUE,
    LEAT_FORM_AND,
    LEAT_FORM_OR,
    LEAT_FORM_TEST,
} leat_form_kind;

typedef enum leat_form_test {
    LEAT_FORM_EQ,
    LEAT_FORM_LT,
    LEAT_FORM_LE,
    LEAT_FORM_GT,
    LEAT_FORM_GE,
    LEAT_FORM_IN,      /* constant: a LIST */
    LEAT_FORM_STARTS,  /* constant: a STRING */
    LEAT_FORM_MATCHES, /* constant: the pattern, a STRING */
    LEAT_FORM_HAS,     /* no constant */
} leat_form_test;

/* An operand that compares something with a member of the first or last item of a list, which a
 * scope gives as an EXTERN: `amount > last(a).amount`. */
typedef enum leat_link_op {
    LEAT_LINK_EQ,
    LEAT_LINK_NE,
    LEAT_LINK_LT,
    LEAT_LINK_LE,
    LEAT_LINK_GT,
    LEAT_LINK_GE,
} leat_link_op;

typedef struct leat_link {
    leat_link_op op;
    leat_ref_kind kind; /* of the left side: SLOT or EXTERN */
    uint32_t index;     /* of that */
    uint32_t list;      /* EXTERN */
    bool last;          /* its last item; else its first */
    leat_str field;     /* member of the item */
} leat_link;

typedef struct leat_form leat_form;
struct leat_form {
    leat_form_kind kind;
    leat_form_test test;
    uint32_t slot;
    bool fallback; /* the field's name is a type's too: MISSING is that type, no error */
    bool seen;     /* a look answers, where the slots have the types that the tests are for */
    leat_value constant;
    const leat_link *link;         /* of OPAQUE; NULL: it is none */
    const leat_form *const *parts; /* of AND and OR */
    uint32_t parts_count;
};

const leat_form *leat_expr_form(const leat_expr *expr);
/* Why a condition that is no constant is true of no record: its && demands of a field what no value
 * fulfils, "no value fulfils both `v > 10` and `v < 5`". NULL: nothing of that kind is found.
 * Certain where it says something. */
const char *leat_expr_never(const leat_expr *expr);

/* --- a look at the slots instead of an evaluation --- */

typedef enum leat_form_answer {
    LEAT_FORM_UNKNOWN, /* it has to be evaluated */
    LEAT_FORM_FAILS,
    LEAT_FORM_HOLDS,
} leat_form_answer;

static inline leat_form_answer leat_form_answer_of(bool holds)
{
    return holds ? LEAT_FORM_HOLDS : LEAT_FORM_FAILS;
}

/* A test whose slot has the constant's type, as the evaluator's steps do it. Inline, as it is most
 * of what an event costs that concerns no pattern. */
static inline leat_form_answer leat_form_look_test(const leat_form *form, const leat_value *value)
{
    const leat_value *constant = &form->constant;
    if (value->tag == LEAT_INT && constant->tag == LEAT_INT) {
        switch (form->test) {
        case LEAT_FORM_EQ: return leat_form_answer_of(value->as.i == constant->as.i);
        case LEAT_FORM_LT: return leat_form_answer_of(value->as.i < constant->as.i);
        case LEAT_FORM_LE: return leat_form_answer_of(value->as.i <= constant->as.i);
        case LEAT_FORM_GT: return leat_form_answer_of(value->as.i > constant->as.i);
        case LEAT_FORM_GE: return leat_form_answer_of(value->as.i >= constant->as.i);
        case LEAT_FORM_IN:
        case LEAT_FORM_STARTS:
        case LEAT_FORM_MATCHES:
        case LEAT_FORM_HAS: return LEAT_FORM_UNKNOWN;
        }
    }
    if (constant->tag == LEAT_DOUBLE && (value->tag == LEAT_DOUBLE || value->tag == LEAT_INT)) {
        double number = value->tag == LEAT_INT ? (double)value->as.i : value->as.d;
        switch (form->test) {
        case LEAT_FORM_LT: return leat_form_answer_of(number < constant->as.d);
        case LEAT_FORM_LE: return leat_form_answer_of(number <= constant->as.d);
        case LEAT_FORM_GT: return leat_form_answer_of(number > constant->as.d);
        case LEAT_FORM_GE: return leat_form_answer_of(number >= constant->as.d);
        case LEAT_FORM_EQ:
        case LEAT_FORM_IN:
        case LEAT_FORM_STARTS:
        case LEAT_FORM_MATCHES:
        case LEAT_FORM_HAS: return LEAT_FORM_UNKNOWN;
        }
    }
    if (value->tag == LEAT_STRING && constant->tag == LEAT_STRING) {
        leat_str text = leat_value_str(*value);
        if (form->test == LEAT_FORM_EQ)
            return leat_form_answer_of(leat_str_equal(text, leat_value_str(*constant)));
        if (form->test == LEAT_FORM_STARTS)
            return leat_form_answer_of(leat_str_starts(text, leat_value_str(*constant)));
    }
    return LEAT_FORM_UNKNOWN;
}

leat_form_answer leat_form_look_parts(const leat_form *form, const leat_value *slots);
/* What the expression comes to, where the slots tell at once. form must be an expression's. */
static inline leat_form_answer leat_form_look(const leat_form *form, const leat_value *slots)
{
    if (form->kind == LEAT_FORM_TEST) return leat_form_look_test(form, &slots[form->slot]);
    return form->kind == LEAT_FORM_OPAQUE ? LEAT_FORM_UNKNOWN : leat_form_look_parts(form, slots);
}

/* Whether two expressions that were compiled in scopes where slots and externs mean the same are
 * the same evaluation, up to what an error's text says of its place. Never true of two that
 * differ; may be false of two that do not. */
bool leat_expr_same(const leat_expr *a, const leat_expr *b);
uint64_t leat_expr_hash(const leat_expr *expr); /* equal where leat_expr_same is true */

#endif
