/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and sets of values: slice, flatten, distinct, range, reverse; sets.contains and its kin;
 * and the aggregates of patterns: sum, avg, min, max, first, last.
 *
 * Everything that compares each with each is charged by the product, before it begins, so that two
 * long lists cannot hold a worker up. */
#include "transforms/expr_function.h"

#define RANGE_MAX 1000000

leat_value leat_expr_slice(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    int64_t from = args[1].as.i;
    int64_t to = args[2].as.i;
    LEAT_ASSERT(count == 3 && args[0].tag == LEAT_LIST);
    if (from < 0 || to > args[0].len || from > to) {
        return leat_expr_fail(run, LEAT_ERR_RANGE, "slice: the positions are outside of the list");
    }
    return leat_value_list(args[0].as.items + from, (size_t)(to - from));
}

leat_value leat_expr_reverse_list(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    uint32_t len = args[0].len;
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_LIST);
    if (!leat_expr_charge(run, len)) return leat_expr_fail_cost(run);
    leat_value *items = leat_expr_items_new(run, len);
    if (items == NULL) return leat_expr_fail_full(run);
    for (uint32_t i = 0; i < len; i++)
        items[i] = args[0].as.items[len - 1 - i];
    return leat_value_list(items, len);
}

/* How many elements there are when `depth` levels are taken away; copies them where items is not
 * NULL. The recursion is as deep as the value, which is bounded. */
static uint64_t flatten_into(leat_value list, int64_t depth, leat_value *items)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < list.len; i++) {
        leat_value item = list.as.items[i];
        if (depth > 0 && item.tag == LEAT_LIST) {
            count += flatten_into(item, depth - 1, items != NULL ? items + count : NULL);
        } else {
            if (items != NULL) items[count] = item;
            count++;
        }
    }
    return count;
}

leat_value leat_expr_flatten(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    int64_t depth = count == 2 ? args[1].as.i : 1;
    LEAT_ASSERT(args[0].tag == LEAT_LIST);
    if (depth < 0) return leat_expr_fail(run, LEAT_ERR_INVALID, "flatten: the depth is negative");
    uint64_t total = flatten_into(args[0], depth, NULL);
    if (total > UINT32_MAX || !leat_expr_charge(run, total)) return leat_expr_fail_cost(run);
    leat_value *items = leat_expr_items_new(run, total);
    if (items == NULL) return leat_expr_fail_full(run);
    (void)flatten_into(args[0], depth, items);
    return leat_value_list(items, total);
}

static bool holds(leat_expr_run *run, const leat_value *items, uint32_t count, leat_value item)
{
    for (uint32_t i = 0; i < count; i++) {
        if (leat_expr_equal(run, items[i], item)) return true;
    }
    return false;
}

leat_value leat_expr_distinct(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    uint32_t kept = 0;
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_LIST);
    leat_value *items = leat_expr_items_new(run, args[0].len);
    if (items == NULL) return leat_expr_fail_full(run);
    for (uint32_t i = 0; i < args[0].len; i++) {
        if (!leat_expr_charge(run, 1)) return leat_expr_fail_cost(run);
        if (!holds(run, items, kept, args[0].as.items[i])) items[kept++] = args[0].as.items[i];
    }
    if (!leat_expr_charge(run, 0)) return leat_expr_fail_cost(run);
    return leat_value_list(items, kept);
}

leat_value leat_expr_range(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    int64_t len = args[0].as.i;
    LEAT_ASSERT(count == 1);
    if (len > RANGE_MAX) {
        return leat_expr_fail(run, LEAT_ERR_LIMIT, "range: at most 1,000,000 elements");
    }
    if (len < 0) len = 0;
    if (!leat_expr_charge(run, (uint64_t)len)) return leat_expr_fail_cost(run);
    leat_value *items = leat_expr_items_new(run, (size_t)len);
    if (items == NULL) return leat_expr_fail_full(run);
    for (int64_t i = 0; i < len; i++)
        items[i] = leat_value_int(i);
    return leat_value_list(items, (size_t)len);
}

/* --- sets -------------------------------------------------------------------------------- */

/* How many elements of b are in a. */
static uint32_t held(leat_expr_run *run, leat_value a, leat_value b)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < b.len && run->cost <= run->cost_max; i++) {
        found += holds(run, a.as.items, a.len, b.as.items[i]) ? 1 : 0;
    }
    return found;
}

leat_value leat_expr_sets_contains(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 2);
    bool all = held(run, args[0], args[1]) == args[1].len;
    return leat_expr_charge(run, 1) ? leat_value_bool(all) : leat_expr_fail_cost(run);
}

leat_value leat_expr_sets_equivalent(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 2);
    bool all =
        held(run, args[0], args[1]) == args[1].len && held(run, args[1], args[0]) == args[0].len;
    return leat_expr_charge(run, 1) ? leat_value_bool(all) : leat_expr_fail_cost(run);
}

leat_value leat_expr_sets_intersects(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 2);
    bool any = held(run, args[0], args[1]) > 0;
    return leat_expr_charge(run, 1) ? leat_value_bool(any) : leat_expr_fail_cost(run);
}

/* --- aggregates -------------------------------------------------------------------------- */

static leat_value empty_list(const leat_expr_run *run)
{
    return leat_expr_fail(run, LEAT_ERR_INVALID, "the list is empty");
}

/* *error: of an element that is no number. */
static double sum_of(leat_expr_run *run, leat_value list, leat_value *error)
{
    double sum = 0.0;
    *error = LEAT_VALUE_MISSING;
    if (!leat_expr_charge(run, list.len)) *error = leat_expr_fail_cost(run);
    for (uint32_t i = 0; i < list.len; i++) {
        leat_value item = list.as.items[i];
        if (item.tag == LEAT_DOUBLE) {
            sum += item.as.d;
        } else if (item.tag == LEAT_INT) {
            sum += (double)item.as.i;
        } else if (item.tag == LEAT_UINT) {
            sum += (double)item.as.u;
        } else {
            *error = leat_expr_no_overload(run, "sum", &item, 1);
            break;
        }
    }
    return sum;
}

leat_value leat_expr_sum(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_value error;
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_LIST);
    double sum = sum_of(run, args[0], &error);
    return error.tag == LEAT_ERROR ? error : leat_value_double(sum);
}

leat_value leat_expr_avg(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_value error;
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_LIST);
    double sum = sum_of(run, args[0], &error);
    if (error.tag == LEAT_ERROR) return error;
    return args[0].len == 0 ? empty_list(run) : leat_value_double(sum / args[0].len);
}

leat_value leat_expr_min(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_LIST);
    return leat_expr_least(run, args, count);
}

leat_value leat_expr_max(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_LIST);
    return leat_expr_greatest(run, args, count);
}

leat_value leat_expr_first(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_LIST);
    return args[0].len > 0 ? args[0].as.items[0] : empty_list(run);
}

leat_value leat_expr_last(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_LIST);
    return args[0].len > 0 ? args[0].as.items[args[0].len - 1] : empty_list(run);
}
