/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons without an evaluation say what expressions say, or that they do not know. */
#include <criterion/criterion.h>
#include <math.h>

#include "cep/link.h"
#include "tests/unit/leak.h"
#include "transforms/expr_code.h"

LEAT_SUITE(link);

#define TWO_53 9007199254740992

static leat_value text(const char *of)
{
    return leat_value_string(leat_str_of(of));
}

static bool holds(leat_link_op op, int order)
{
    switch (op) {
    case LEAT_LINK_EQ: return order == 0;
    case LEAT_LINK_NE: return order != 0;
    case LEAT_LINK_LT: return order < 0;
    case LEAT_LINK_LE: return order <= 0;
    case LEAT_LINK_GT: return order > 0;
    case LEAT_LINK_GE: return order >= 0;
    }
    return false;
}

static void expect(leat_link_op op, leat_value a, leat_value b)
{
    link_verdict got = link_compare(op, a, b);
    bool other = link_kind_of(a) == LINK_OTHER || link_kind_of(b) == LINK_OTHER;
    bool equality = op == LEAT_LINK_EQ || op == LEAT_LINK_NE;
    int order = other ? 0 : leat_expr_compare(a, b);
    if (other || (order == LEAT_EXPR_INCOMPARABLE && !equality))
        cr_assert_eq(got, LINK_UNKNOWN);
    else
        cr_assert_eq(got, holds(op, order) ? LINK_HOLDS : LINK_FAILS);
    if (got != LINK_HOLDS || op != LEAT_LINK_EQ) return;
    cr_assert_eq(link_hash(a), link_hash(b), "equal values have different hashes");
}

Test(link, says_what_expressions_say)
{
    const leat_value values[] = {
        leat_value_int(0),
        leat_value_int(1),
        leat_value_int(-7),
        leat_value_int(TWO_53),
        leat_value_int(TWO_53 + 1),
        leat_value_int(INT64_MAX),
        leat_value_int(INT64_MIN),
        leat_value_double(0.0),
        leat_value_double(-0.0),
        leat_value_double(0.5),
        leat_value_double(1.0),
        leat_value_double((double)TWO_53),
        leat_value_double(1e300),
        leat_value_double((double)INFINITY),
        leat_value_double(-7.0),
        leat_value_double((double)NAN),
        text(""),
        text("a"),
        text("b"),
        text("ab"),
        LEAT_VALUE_NULL,
        LEAT_VALUE_MISSING,
        leat_value_bool(true),
    };
    size_t count = sizeof values / sizeof *values;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            for (leat_link_op op = LEAT_LINK_EQ; op <= LEAT_LINK_GE; op++)
                expect(op, values[i], values[j]);
}

/* Whole numbers lie close together, and as doubles have no low bits. */
Test(link, whole_numbers_spread)
{
    enum { PLACES = 4096 };
    static uint8_t met[PLACES];
    size_t alone = 0;
    for (int64_t i = 0; i < PLACES / 2; i++) {
        size_t at = link_hash(leat_value_int(i)) % PLACES;
        alone += met[at] == 0;
        met[at] = 1;
    }
    /* By chance it would be 1,612. */
    cr_assert_gt(alone, 1400, "2,048 numbers come to %zu places of 4,096", alone);
}
