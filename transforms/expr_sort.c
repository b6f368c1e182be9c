/* SPDX-License-Identifier: Apache-2.0 */
/* list.sort() and list.sortBy(x, key).
 *
 * A stable merge sort of (key, element) pairs from the bottom up: no recursion, and no order of the
 * input that makes it slow. All keys must be of one type that has an order; NaN has none and is
 * refused. Charged is n for each of the log n passes. */
#include "transforms/expr_function.h"

typedef struct pair {
    leat_value key, item;
} pair;

/* Are all keys of one type with an order? */
static bool can_sort(const leat_value *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int order = keys[i].tag == keys[0].tag ? leat_expr_compare(keys[i], keys[i])
                                               : LEAT_EXPR_INCOMPARABLE;
        if (order != 0) return false;
    }
    return true;
}

/* Merges from[left, middle) and from[middle, right) into `to`. */
static void merge(const pair *from, pair *to, size_t left, size_t middle, size_t right)
{
    size_t a = left;
    size_t b = middle;
    LEAT_ASSERT(left <= middle && middle <= right);
    for (size_t at = left; at < right; at++) {
        bool take_a =
            b == right || (a < middle && leat_expr_compare(from[a].key, from[b].key) <= 0);
        to[at] = take_a ? from[a++] : from[b++];
    }
}

/* Sorts in one of the two halves of `pairs` (2 * count) and returns it. */
static pair *sort(pair *pairs, size_t count)
{
    pair *from = pairs;
    pair *to = pairs + count;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t left = 0; left < count; left += 2 * width) {
            size_t middle = left + width < count ? left + width : count;
            size_t right = left + 2 * width < count ? left + 2 * width : count;
            merge(from, to, left, middle, right);
        }
        pair *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

leat_value leat_expr_sort_by(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 2 && args[0].tag == LEAT_LIST && args[1].tag == LEAT_LIST);
    uint32_t len = args[0].len;
    LEAT_ASSERT(args[1].len == len);
    uint64_t passes = 1;
    while (passes < 32 && (1ull << passes) < len)
        passes++;
    if (!leat_expr_charge(run, passes * len)) return leat_expr_fail_cost(run);
    if (!can_sort(args[1].as.items, len)) {
        return leat_expr_fail(run, LEAT_ERR_INVALID,
                              "only values of one type that has an order can be sorted");
    }
    pair *pairs = leat_arena_array(run->arena, (size_t)len * 2 + 1, sizeof *pairs);
    leat_value *items = leat_expr_items_new(run, len);
    if (pairs == NULL || items == NULL) return leat_expr_fail_full(run);
    for (uint32_t i = 0; i < len; i++) {
        pairs[i] = (pair){args[1].as.items[i], args[0].as.items[i]};
    }
    const pair *sorted = sort(pairs, len);
    for (uint32_t i = 0; i < len; i++)
        items[i] = sorted[i].item;
    return leat_value_list(items, len);
}

leat_value leat_expr_sort(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    return leat_expr_sort_by(run, (leat_value[]){args[0], args[0]}, 2);
}
