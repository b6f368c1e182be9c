/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing as expressions do.
 *
 * An int and a double compare as doubles, so 2^53 + 1 equals 2.0^53 although the int 2^53 does not:
 * equality over both kinds is no equivalence. Therefore kinds are kept apart where values are
 * sorted or grouped (bundle_index.c), and numbers have the hash of their double: whatever is equal
 * to a value has the same hash, and is looked at by comparing. */
#include "cep/link.h"

#include "core/str.h"

link_kind link_kind_of(leat_value value)
{
    if (value.tag == LEAT_INT) return LINK_INT;
    if (value.tag == LEAT_DOUBLE) return value.as.d == value.as.d ? LINK_DOUBLE : LINK_OTHER;
    return value.tag == LEAT_STRING ? LINK_TEXT : LINK_OTHER;
}

static int order_doubles(double a, double b)
{
    return a < b ? -1 : a > b;
}

static double as_double(leat_value value)
{
    return value.tag == LEAT_INT ? (double)value.as.i : value.as.d;
}

int link_order(leat_value a, leat_value b)
{
    LEAT_ASSERT(a.tag == b.tag);
    if (a.tag == LEAT_INT) return a.as.i < b.as.i ? -1 : a.as.i > b.as.i;
    if (a.tag == LEAT_DOUBLE) return order_doubles(a.as.d, b.as.d);
    return leat_str_compare(leat_value_str(a), leat_value_str(b));
}

uint64_t link_hash(leat_value value)
{
    if (value.tag == LEAT_STRING) return leat_str_hash(leat_value_str(value));
    return link_hash_number(as_double(value));
}

static link_verdict verdict_of(bool holds)
{
    return holds ? LINK_HOLDS : LINK_FAILS;
}

link_verdict link_compare(leat_link_op op, leat_value a, leat_value b)
{
    link_kind kinds[2] = {link_kind_of(a), link_kind_of(b)};
    bool equality = op == LEAT_LINK_EQ || op == LEAT_LINK_NE;
    int order = 1;
    if (kinds[0] == LINK_OTHER || kinds[1] == LINK_OTHER) return LINK_UNKNOWN;
    if (kinds[0] == kinds[1] && kinds[0] == LINK_TEXT && equality)
        order = !leat_str_equal(leat_value_str(a), leat_value_str(b));
    else if (kinds[0] == kinds[1])
        order = link_order(a, b);
    else if (kinds[0] != LINK_TEXT && kinds[1] != LINK_TEXT)
        order = order_doubles(as_double(a), as_double(b));
    else if (!equality)
        return LINK_UNKNOWN;
    switch (op) {
    case LEAT_LINK_EQ: return verdict_of(order == 0);
    case LEAT_LINK_NE: return verdict_of(order != 0);
    case LEAT_LINK_LT: return verdict_of(order < 0);
    case LEAT_LINK_LE: return verdict_of(order <= 0);
    case LEAT_LINK_GT: return verdict_of(order > 0);
    case LEAT_LINK_GE: return verdict_of(order >= 0);
    }
    return LINK_UNKNOWN;
}
