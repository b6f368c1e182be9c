/* SPDX-License-Identifier: Apache-2.0 */
/* The math extension: greatest, least, rounding, signs, bits; and the distance of two places.
 *
 * greatest and least take numbers of any types, or one list of them; more than two arguments become
 * a list before the call (expr_resolve.c). Of equal numbers the first wins. Shifts fill with zeros,
 * on an int too, and a shift by 64 or more gives 0. The distance is that on a sphere of the earth's
 * mean radius: within half a percent of an ellipsoid's, and without its failures at opposite
 * points. */
#include <math.h>

#include "transforms/expr_function.h"

#define EARTH_METRES 6371008.8

static leat_value extreme(leat_expr_run *run, const leat_value *items, uint32_t count, int wanted)
{
    if (count == 0) return leat_expr_fail(run, LEAT_ERR_INVALID, "the list is empty");
    const leat_value *best = &items[0];
    if (!leat_expr_charge(run, count)) return leat_expr_fail_cost(run);
    for (uint32_t i = 0; i < count; i++) {
        bool number =
            items[i].tag == LEAT_INT || items[i].tag == LEAT_UINT || items[i].tag == LEAT_DOUBLE;
        int order = number ? leat_expr_compare(items[i], *best) : LEAT_EXPR_INCOMPARABLE;
        if (order == LEAT_EXPR_INCOMPARABLE) {
            return leat_expr_no_overload(run, wanted > 0 ? "greatest" : "least", &items[i], 1);
        }
        if (order == LEAT_EXPR_UNORDERED) {
            return leat_expr_fail(run, LEAT_ERR_INVALID, "NaN has no place in an order");
        }
        if (order == wanted) best = &items[i];
    }
    return *best;
}

static leat_value extreme_of(leat_expr_run *run, const leat_value *args, uint32_t count, int wanted)
{
    if (count == 1 && args[0].tag == LEAT_LIST) {
        return extreme(run, args[0].as.items, args[0].len, wanted);
    }
    return extreme(run, args, count, wanted);
}

leat_value leat_expr_greatest(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    return extreme_of(run, args, count, 1);
}

leat_value leat_expr_least(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    return extreme_of(run, args, count, -1);
}

/* Functions of one double. */
#define OF_DOUBLE(function, make, expression)                                                      \
    leat_value function(leat_expr_run *run, const leat_value *args, uint32_t count)                \
    {                                                                                              \
        double number = args[0].as.d;                                                              \
        (void)run;                                                                                 \
        LEAT_ASSERT(count == 1 && args[0].tag == LEAT_DOUBLE);                                     \
        return make(expression);                                                                   \
    }
OF_DOUBLE(leat_expr_ceil, leat_value_double, ceil(number))
OF_DOUBLE(leat_expr_floor, leat_value_double, floor(number))
OF_DOUBLE(leat_expr_round, leat_value_double, round(number))
OF_DOUBLE(leat_expr_trunc, leat_value_double, trunc(number))
OF_DOUBLE(leat_expr_is_nan, leat_value_bool, isnan(number))
OF_DOUBLE(leat_expr_is_inf, leat_value_bool, isinf(number))
OF_DOUBLE(leat_expr_is_finite, leat_value_bool, isfinite(number))
#undef OF_DOUBLE

leat_value leat_expr_sqrt(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    LEAT_ASSERT(count == 1);
    if (args[0].tag == LEAT_INT) return leat_value_double(sqrt((double)args[0].as.i));
    if (args[0].tag == LEAT_UINT) return leat_value_double(sqrt((double)args[0].as.u));
    return leat_value_double(sqrt(args[0].as.d));
}

leat_value leat_expr_abs(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    if (args[0].tag == LEAT_UINT) return args[0];
    if (args[0].tag == LEAT_DOUBLE) return leat_value_double(fabs(args[0].as.d));
    if (args[0].as.i == INT64_MIN) return leat_expr_fail(run, LEAT_ERR_RANGE, "integer overflow");
    return leat_value_int(args[0].as.i < 0 ? -args[0].as.i : args[0].as.i);
}

leat_value leat_expr_sign(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    LEAT_ASSERT(count == 1);
    if (args[0].tag == LEAT_UINT) return leat_value_uint(args[0].as.u > 0 ? 1 : 0);
    if (args[0].tag == LEAT_INT) {
        return leat_value_int((args[0].as.i > 0 ? 1 : 0) - (args[0].as.i < 0 ? 1 : 0));
    }
    double number = args[0].as.d;
    if (isnan(number) || number == 0.0) return args[0];
    return leat_value_double(number > 0 ? 1.0 : -1.0);
}

/* --- bits -------------------------------------------------------------------------------- */

/* The bits of an int or uint, as the type of the first argument. */
static leat_value bits_like(leat_value like, uint64_t bits)
{
    LEAT_ASSERT(like.tag == LEAT_INT || like.tag == LEAT_UINT);
    return (leat_value){.tag = like.tag, .as.u = bits};
}

#define OF_BITS(function, expression)                                                              \
    leat_value function(leat_expr_run *run, const leat_value *args, uint32_t count)                \
    {                                                                                              \
        (void)run;                                                                                 \
        LEAT_ASSERT(count >= 1);                                                                   \
        return bits_like(args[0], expression);                                                     \
    }
OF_BITS(leat_expr_bit_and, args[0].as.u &args[1].as.u)
OF_BITS(leat_expr_bit_or, args[0].as.u | args[1].as.u)
OF_BITS(leat_expr_bit_xor, args[0].as.u ^ args[1].as.u)
OF_BITS(leat_expr_bit_not, ~args[0].as.u)
#undef OF_BITS

static leat_value shift(const leat_expr_run *run, const leat_value *args, bool left)
{
    int64_t by = args[1].as.i;
    LEAT_ASSERT(args[1].tag == LEAT_INT);
    if (by < 0) return leat_expr_fail(run, LEAT_ERR_INVALID, "a shift cannot be negative");
    if (by > 63) return bits_like(args[0], 0);
    return bits_like(args[0], left ? args[0].as.u << by : args[0].as.u >> by);
}

leat_value leat_expr_shift_left(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 2);
    return shift(run, args, true);
}

leat_value leat_expr_shift_right(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 2);
    return shift(run, args, false);
}

/* --- places --- */

static bool number_of(leat_value value, double limit, double *number)
{
    if (value.tag == LEAT_INT)
        *number = (double)value.as.i;
    else if (value.tag == LEAT_UINT)
        *number = (double)value.as.u;
    else if (value.tag == LEAT_DOUBLE)
        *number = value.as.d;
    else
        return false;
    return *number >= -limit && *number <= limit;
}

/* The haversine formula, which keeps its digits for places that are near to each other. */
leat_value leat_expr_geo_distance(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    const double radian = 0.017453292519943295;
    double at[4] = {0};
    LEAT_ASSERT(count == 4);
    for (uint32_t i = 0; i < 4; i++)
        if (!number_of(args[i], i % 2 == 0 ? 90.0 : 360.0, &at[i]))
            return leat_expr_fail_format(run, LEAT_ERR_INVALID,
                                         "argument %u of geo.distance is no %s in degrees", i + 1,
                                         i % 2 == 0 ? "latitude" : "longitude");
    double up = sin((at[2] - at[0]) * radian / 2), along = sin((at[3] - at[1]) * radian / 2);
    double part = up * up + cos(at[0] * radian) * cos(at[2] * radian) * along * along;
    return leat_value_double(2 * EARTH_METRES * asin(sqrt(part < 1 ? part : 1)));
}
