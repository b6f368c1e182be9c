/* SPDX-License-Identifier: Apache-2.0 */
/* Items sorted by value, in runs: the logarithmic method. What comes goes into its place in the
 * last run as long as that is short; then the next begins, and runs of like size are merged, so an
 * item moves log(n) times and there are log(n) runs to look into.
 *
 * A comparison holds for the items from one end of a run up to some place. What is there is summed
 * up as far as somebody asks: sum k is the union of sum k - 1 and the root of item k, and stays
 * until an item comes in front of it. So the runs of all that fit are a sum of each run, and a
 * union is made for an item as often as it moves, and not at all where nobody asks.
 *
 * To find them one by one, over a run of n items lies a tree without pointers: node i has the nodes
 * 2i and 2i + 1 below it, node n + i is item i, and a stretch is made of 2 log(n) nodes. Node i's
 * `most`, by which the dead are passed over, is kept in item i, which has nothing to do with it but
 * its place.
 *
 * Refused: a balanced tree of nodes (an allocation and a cache miss per step, and its sums change
 * along the path of every insertion whether anybody asks or not). */
#include "cep/bundle_index.h"
#include "core/mem.h"

#define OPEN_MAX 32 /* items of a run that is added to */
#define BARE_MAX 16 /* of so few no tree is made */

static index_item *items_of(const index_list *list, uint32_t run)
{
    LEAT_ASSERT(run < list->runs_count);
    return list->items + list->runs[run].from;
}

/* --- adding --- */

static void merge_last(index_list *list, index_item *spare)
{
    index_run *a = &list->runs[list->runs_count - 2];
    const index_run *b = &list->runs[list->runs_count - 1];
    index_item *items = list->items + a->from;
    size_t left = a->count;
    size_t right = b->count;
    LEAT_ASSERT(a->from + a->count == b->from);
    memcpy(spare, list->items + b->from, right * sizeof *spare);
    for (size_t at = left + right; right > 0;) {
        bool first = left > 0 && link_order(items[left - 1].value, spare[right - 1].value) > 0;
        items[--at] = first ? items[--left] : spare[--right];
    }
    a->count += b->count;
    a->laid = false;
    a->sums[INDEX_LOW] = a->sums[INDEX_HIGH] = 0;
    list->runs_count--;
}

/* The last run is full: those of like size become one. */
static leat_code close_run(index_list *list, leat_err *err)
{
    index_item *spare = NULL;
    while (list->runs_count > 1) {
        const index_run *last = &list->runs[list->runs_count - 1];
        if (last[-1].count >= 2 * last->count && list->runs_count < INDEX_RUNS_MAX) break;
        void *grown = leat_mem_try_resize(spare, last->count * sizeof *spare);
        if (grown == NULL) {
            leat_mem_free(spare);
            return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
        }
        spare = grown;
        merge_last(list, spare);
    }
    leat_mem_free(spare);
    return LEAT_OK;
}

/* Behind those that are not above it. */
static uint32_t place_in(const index_item *items, uint32_t count, leat_value value)
{
    uint32_t at = count;
    if (value.tag == LEAT_INT) {
        while (at > 0 && items[at - 1].value.as.i > value.as.i)
            at--;
        return at;
    }
    while (at > 0 && link_order(items[at - 1].value, value) > 0)
        at--;
    return at;
}

/* So many items from the low end, and from the high one, are where they were. */
static void keep_sums(index_run *run, uint32_t low, uint32_t high)
{
    if (run->sums[INDEX_LOW] > low) run->sums[INDEX_LOW] = low;
    if (run->sums[INDEX_HIGH] > high) run->sums[INDEX_HIGH] = high;
}

leat_code index_runs_add(index_list *list, index_item item, leat_err *err)
{
    void *grown = list->items;
    LEAT_TRY(matcher_reserve(&grown, &list->size, list->count, sizeof *list->items, err));
    list->items = grown;
    if (list->runs_count > 0 && list->runs[list->runs_count - 1].count >= OPEN_MAX)
        LEAT_TRY(close_run(list, err));
    if (list->runs_count == 0 || list->runs[list->runs_count - 1].count >= OPEN_MAX)
        list->runs[list->runs_count++] = (index_run){.from = (uint32_t)list->count};
    index_run *run = &list->runs[list->runs_count - 1];
    index_item *items = list->items + run->from;
    uint32_t at = place_in(items, run->count, item.value);
    uint32_t behind = run->count - at;
    if (behind > 0) memmove(&items[at + 1], &items[at], behind * sizeof item);
    items[at] = item;
    list->count++;
    run->count++;
    run->laid = false;
    keep_sums(run, at, behind);
    return LEAT_OK;
}

/* --- finding --- */

/* How many of the ints are below; equal: or as large. */
static uint32_t turn_of_int(const index_item *items, uint32_t count, int64_t value, bool equal)
{
    uint32_t from = 0;
    while (count > 0) {
        uint32_t half = count / 2;
        int64_t at = items[from + half].value.as.i;
        bool before = at < value || (equal && at == value);
        from += before ? half + 1 : 0;
        count = before ? count - half - 1 : half;
    }
    return from;
}

/* The first item for which the comparison does not come out as `while_is`. */
static uint32_t turn_of(const index_item *items, uint32_t count, leat_link_op op, leat_value value,
                        link_verdict while_is)
{
    uint32_t from = 0;
    uint32_t to = count;
    if (value.tag == LEAT_INT && count > 0 && items[0].value.tag == LEAT_INT) {
        bool equal = op == LEAT_LINK_GE || op == LEAT_LINK_LT; /* go before the turn */
        return turn_of_int(items, count, value.as.i, equal);
    }
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (link_compare(op, value, items[middle].value) == while_is)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

void index_run_find(const index_list *list, uint32_t run, leat_link_op op, leat_value value,
                    index_range *range)
{
    bool low = op == LEAT_LINK_GT || op == LEAT_LINK_GE; /* it holds for the low ones */
    uint32_t count = list->runs[run].count;
    LEAT_ASSERT(low || op == LEAT_LINK_LT || op == LEAT_LINK_LE);
    uint32_t turn = turn_of(items_of(list, run), count, op, value, low ? LINK_HOLDS : LINK_FAILS);
    range->run = run;
    range->from = low ? 0 : turn;
    range->to = low ? turn : count;
}

/* --- passing over the dead --- */

static uint32_t most_at(const index_item *items, uint32_t count, uint32_t node)
{
    return node >= count ? items[node - count].most : items[node].sum_most;
}

static void lay_node(index_item *items, uint32_t count, uint32_t node)
{
    uint32_t most[2] = {most_at(items, count, 2 * node), most_at(items, count, 2 * node + 1)};
    items[node].sum_most = most[0] > most[1] ? most[0] : most[1];
}

static leat_code each_below(index_item *items, uint32_t count, uint32_t node, uint32_t bound,
                            index_visit visit, void *self)
{
    uint32_t stack[64]; /* two for each level */
    size_t left = 0;
    stack[left++] = node;
    while (left > 0) {
        node = stack[--left];
        if (most_at(items, count, node) < bound) continue;
        if (node >= count) {
            if (items[node - count].root != 0) LEAT_TRY(visit(self, &items[node - count]));
            continue;
        }
        LEAT_ASSERT(left + 2 <= 64);
        stack[left++] = 2 * node + 1;
        stack[left++] = 2 * node;
    }
    return LEAT_OK;
}

leat_code index_run_each(index_list *list, const index_range *range, uint32_t bound,
                         index_visit visit, void *self)
{
    index_run *run = &list->runs[range->run];
    index_item *items = items_of(list, range->run);
    uint32_t count = run->count;
    if (bound == 0) bound = 1; /* what is gone has 0 */
    LEAT_ASSERT(range->from <= range->to && range->to <= count);
    if (count <= BARE_MAX) {
        for (uint32_t i = range->from; i < range->to; i++)
            if (items[i].most >= bound) LEAT_TRY(visit(self, &items[i]));
        return LEAT_OK;
    }
    for (uint32_t node = count; !run->laid && node-- > 1;)
        lay_node(items, count, node);
    run->laid = true;
    uint32_t from = range->from + count;
    uint32_t to = range->to + count;
    for (; from < to; from /= 2, to /= 2) {
        if ((from & 1) != 0) LEAT_TRY(each_below(items, count, from++, bound, visit, self));
        if ((to & 1) != 0) LEAT_TRY(each_below(items, count, --to, bound, visit, self));
    }
    return LEAT_OK;
}

void index_run_gone(index_list *list, uint32_t run, index_item *item)
{
    index_item *items = items_of(list, run);
    uint32_t count = list->runs[run].count;
    LEAT_ASSERT(item >= items && item < items + count);
    uint32_t at = (uint32_t)(item - items);
    keep_sums(&list->runs[run], at, count - 1 - at);
    if (!list->runs[run].laid) return;
    for (uint32_t node = (at + count) / 2; node > 0; node /= 2)
        lay_node(items, count, node);
}

/* --- roots --- */

static leat_code reserve_sums(index_list *list, uint32_t end, leat_err *err)
{
    if (LEAT_LIKELY(list->sums_size[end] >= list->count)) return LEAT_OK;
    void *grown = leat_mem_try_resize(list->sums[end], list->size * sizeof(index_sum));
    if (grown == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
    list->sums[end] = grown;
    list->sums_size[end] = list->size;
    return LEAT_OK;
}

/* The sum of so many items from one end. */
static leat_code sum_from(index_list *list, graph *g, uint32_t number, uint32_t end, uint32_t want,
                          index_sum *sum, leat_err *err)
{
    index_run *run = &list->runs[number];
    const index_item *items = items_of(list, number);
    LEAT_ASSERT(want > 0 && want <= run->count);
    LEAT_TRY(reserve_sums(list, end, err));
    index_sum *sums = list->sums[end] + run->from;
    uint32_t at = want < run->sums[end] ? want : run->sums[end];
    while (at > 0 && sums[at - 1].root == INDEX_VOID)
        at--;
    *sum = at == 0 ? (index_sum){0, 0} : sums[at - 1];
    if (at == want) return LEAT_OK;
    LEAT_TRY(graph_reserve(g, want - at, err));
    for (; at < want; at++) {
        const index_item *item = &items[end == INDEX_LOW ? at : run->count - 1 - at];
        sum->root = graph_union(g, sum->root, item->root);
        if (item->depth > sum->depth) sum->depth = item->depth;
        sums[at] = *sum;
    }
    if (want > run->sums[end]) run->sums[end] = want;
    return LEAT_OK;
}

leat_code index_run_sum(index_list *list, graph *g, const index_range *range, uint32_t *root,
                        uint32_t *depth, leat_err *err)
{
    const index_run *run = &list->runs[range->run];
    index_sum sum = {0, 0};
    uint32_t end = range->from > 0 ? INDEX_HIGH : INDEX_LOW;
    LEAT_ASSERT(range->from < range->to && range->to <= run->count);
    LEAT_ASSERT(range->from == 0 || range->to == run->count);
    if (range->to - range->from == run->count && run->sums[INDEX_HIGH] > run->sums[INDEX_LOW])
        end = INDEX_HIGH;
    LEAT_TRY(sum_from(list, g, range->run, end, range->to - range->from, &sum, err));
    LEAT_TRY(graph_reserve(g, 1, err));
    *root = graph_union(g, *root, sum.root);
    if (sum.depth > *depth) *depth = sum.depth;
    return LEAT_OK;
}

void index_run_collected(index_list *list, uint32_t number, const graph_moves *moves, uint32_t to)
{
    index_run *run = &list->runs[number];
    const index_item *items = items_of(list, number);
    LEAT_ASSERT(to <= run->from);
    for (uint32_t end = 0; end < INDEX_ENDS; end++) {
        uint32_t kept = 0;
        for (uint32_t at = 0; at < run->sums[end]; at++) {
            const index_item *item = &items[end == INDEX_LOW ? at : run->count - 1 - at];
            if (graph_moved_root(moves, item->root) == 0) continue;
            index_sum sum = list->sums[end][run->from + at];
            if (sum.root != 0 && sum.root != INDEX_VOID) {
                sum.root = graph_moved_root(moves, sum.root);
                if (sum.root == 0) sum.root = INDEX_VOID; /* nobody else has it */
            }
            list->sums[end][to + kept++] = sum;
        }
        run->sums[end] = kept;
    }
}
