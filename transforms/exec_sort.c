/* SPDX-License-Identifier: Apache-2.0 */
/* A natural merge sort: what comes is a few runs that are in order already (records of a partition
 * in order of time; outputs of one node in order of moment), so that merging runs costs
 * n * log2(runs), and one run a single pass. Stable. qsort is neither stable nor free of malloc.
 *
 *   pass 1:  [1 4 9][2 3][5 7] -> [1 2 3 4 9][5 7]
 *   pass 2:  [1 2 3 4 9][5 7]  -> [1 2 3 4 5 7 9] */
#include "transforms/exec_inside.h"

static bool before(const exec_sortable *a, const exec_sortable *b)
{
    return a->time_ms != b->time_ms ? a->time_ms < b->time_ms : a->number < b->number;
}

/* The end of the run that begins at `from`. */
static size_t run_end(const exec_sortable *items, size_t from, size_t count)
{
    size_t end = from + 1;
    while (end < count && !before(&items[end], &items[end - 1]))
        end++;
    return end;
}

static void merge(const exec_sortable *from, size_t left, size_t middle, size_t right,
                  exec_sortable *to)
{
    size_t a = left, b = middle;
    for (size_t i = left; i < right; i++)
        to[i] = b >= right || (a < middle && !before(&from[b], &from[a])) ? from[a++] : from[b++];
}

/* Merges neighbouring runs in pairs; returns how many runs are left. */
static size_t merge_pairs(const exec_sortable *from, size_t count, exec_sortable *to)
{
    size_t left = 0, runs = 0;
    while (left < count) {
        size_t middle = run_end(from, left, count);
        size_t right = middle < count ? run_end(from, middle, count) : count;
        merge(from, left, middle, right, to);
        left = right;
        runs++;
    }
    return runs;
}

void exec_sort(exec_sortable *items, exec_sortable *scratch, size_t count)
{
    if (count < 2 || run_end(items, 0, count) == count) return;
    exec_sortable *from = items, *to = scratch;
    size_t runs;
    do {
        runs = merge_pairs(from, count, to);
        exec_sortable *swap = from;
        from = to;
        to = swap;
    } while (runs > 1);
    if (from != items) memcpy(items, from, count * sizeof *items);
}
