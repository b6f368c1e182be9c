/* SPDX-License-Identifier: Apache-2.0 */
/* Held records by (timestamp, number), least first.
 *
 *   run    [ . . . 17 18 18 20 23 ]    what came in order already: put at its end, taken in front
 *               ^from          ^to
 *   heap   [ 16 19 22 ]                what did not: a binary heap
 *
 * Records of one partition mostly come in order, so that most puts and takes cost a comparison or
 * two; the price of disorder, O(log n), is paid by the records that are out of order, among
 * themselves. Time and number lie in the arrays, so that finding the least touches no record. */
#include "core/mem.h"
#include "transforms/exec_inside.h"

#define SIZE_FIRST 64

static bool before(const exec_item *a, const exec_item *b)
{
    return a->timestamp_ms != b->timestamp_ms ? a->timestamp_ms < b->timestamp_ms
                                              : a->number < b->number;
}

static leat_code grow(exec_item **items, size_t *size, leat_err *err)
{
    size_t larger = *size == 0 ? SIZE_FIRST : *size * 2;
    exec_item *grown = leat_mem_try_resize(*items, larger * sizeof *grown);
    if (grown == NULL)
        return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for the reorder buffer");
    *items = grown;
    *size = larger;
    return LEAT_OK;
}

/* Room for one more at the run's end; what was taken in front is used again. */
static leat_code run_reserve(exec_waiting *waiting, leat_err *err)
{
    if (waiting->to < waiting->run_size) return LEAT_OK;
    size_t count = waiting->to - waiting->from;
    if (count > waiting->run_size / 2 || waiting->run_size == 0)
        return grow(&waiting->run, &waiting->run_size, err);
    if (count > 0) memmove(waiting->run, waiting->run + waiting->from, count * sizeof(exec_item));
    waiting->from = 0;
    waiting->to = count;
    return LEAT_OK;
}

static leat_code heap_put(exec_waiting *waiting, exec_item item, leat_err *err)
{
    if (waiting->heap_count == waiting->heap_size)
        LEAT_TRY(grow(&waiting->heap, &waiting->heap_size, err));
    exec_item *heap = waiting->heap;
    size_t at = waiting->heap_count++;
    for (size_t parent; at > 0 && before(&item, &heap[parent = (at - 1) / 2]); at = parent)
        heap[at] = heap[parent];
    heap[at] = item;
    return LEAT_OK;
}

static void heap_drop_first(exec_waiting *waiting)
{
    exec_item *heap = waiting->heap, last = heap[--waiting->heap_count];
    size_t at = 0;
    for (size_t child; (child = at * 2 + 1) < waiting->heap_count; at = child) {
        if (child + 1 < waiting->heap_count && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &last)) break;
        heap[at] = heap[child];
    }
    heap[at] = last;
}

leat_code exec_waiting_put(exec_waiting *waiting, exec_held *held, leat_err *err)
{
    const exec_item item = {held->timestamp_ms, held->number, held};
    bool in_order = waiting->from == waiting->to || before(&waiting->run[waiting->to - 1], &item);
    if (!in_order) {
        LEAT_TRY(heap_put(waiting, item, err));
    } else {
        LEAT_TRY(run_reserve(waiting, err));
        waiting->run[waiting->to++] = item;
    }
    waiting->count++;
    waiting->bytes += sizeof *held + held->len;
    return LEAT_OK;
}

const exec_item *exec_waiting_first(const exec_waiting *waiting)
{
    bool run = waiting->from<waiting->to, heap = waiting->heap_count> 0;
    if (run && (!heap || before(&waiting->run[waiting->from], &waiting->heap[0])))
        return &waiting->run[waiting->from];
    return heap ? &waiting->heap[0] : NULL;
}

exec_held *exec_waiting_take(exec_waiting *waiting)
{
    const exec_item *first = exec_waiting_first(waiting);
    LEAT_ASSERT(first != NULL && waiting->count > 0);
    exec_held *held = first->held;
    if (waiting->heap_count > 0 && first == &waiting->heap[0])
        heap_drop_first(waiting);
    else if (++waiting->from == waiting->to)
        waiting->from = waiting->to = 0;
    waiting->count--;
    waiting->bytes -= sizeof *held + held->len;
    return held;
}

exec_held *exec_waiting_at(const exec_waiting *waiting, size_t number)
{
    size_t run = waiting->to - waiting->from;
    LEAT_ASSERT(number < waiting->count && waiting->count == run + waiting->heap_count);
    return number < run ? waiting->run[waiting->from + number].held
                        : waiting->heap[number - run].held;
}

void exec_waiting_release(exec_waiting *waiting)
{
    LEAT_ASSERT(waiting->count == 0);
    leat_mem_free(waiting->run);
    leat_mem_free(waiting->heap);
    *waiting = (exec_waiting){0};
}
