/* SPDX-License-Identifier: Apache-2.0 */
/* What a comparison of the event in hand with an earlier take comes to, without an evaluation:
 * `amount > last(a).amount`. It says what the expression would (numbers of different types compare
 * as numbers), or that it takes the expression to tell: what is missing, null, or of types that
 * have no order is an error of the expression, and errors are the expression's to report.
 * Thread: any. */
#ifndef LEAT_CEP_LINK_H
#define LEAT_CEP_LINK_H

#include "core/value.h"
#include "transforms/expr_form.h"

typedef enum link_verdict { LINK_UNKNOWN, LINK_HOLDS, LINK_FAILS } link_verdict;

/* Kinds of values that are compared. Within a kind values have an order, and for any value of INT
 * or DOUBLE and any order comparison those of a kind that it holds for are one end of that order;
 * so for TEXT and TEXT. */
typedef enum link_kind { LINK_INT, LINK_DOUBLE, LINK_TEXT, LINK_OTHER, LINK_KINDS } link_kind;

link_kind link_kind_of(leat_value value);
/* Never UNKNOWN of two numbers or two texts; always of OTHER. */
link_verdict link_compare(leat_link_op op, leat_value a, leat_value b);
/* The order of two values of one kind, not OTHER. */
int link_order(leat_value a, leat_value b);
/* Of numbers, as the index of conditions has it too. One to one: numbers of one hash are one. */
static inline uint64_t link_hash_number(double number)
{
    uint64_t bits;
    number += 0.0; /* -0.0 is 0.0 */
    memcpy(&bits, &number, sizeof bits);
    bits ^= bits >> 32; /* whole numbers are 0 below, and a product passes nothing down */
    bits *= 0x9e3779b97f4a7c15u;
    return bits ^ bits >> 32;
}
/* Equal where link_compare says that values are. Not for OTHER. */
uint64_t link_hash(leat_value value);

#endif
