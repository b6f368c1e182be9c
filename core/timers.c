/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap of (time, key) and a hash index from key to place in the heap.
 *
 *   slots: key -> item (item->note = index in the heap)
 *   heap:  {at, item} ...   heap[i] fires no later than heap[2i+1] and heap[2i+2]
 *
 * Every move in the heap is written back to the item, so that setting a key again or cancelling it
 * finds its place at once. Ties are broken by the key's bytes, never by the heap's history: two
 * workers that set the same timers in another order must fire them in the same order.
 *
 * Refused: a timer wheel (event time jumps by hours, and order inside a tick matters), and leaving
 * cancelled timers in the heap until they come up (sessions move their timer with every event). */
#include "core/timers.h"

#include "core/mem.h"
#include "core/record.h"
#include "core/slots.h"

typedef struct timer {
    int64_t at_ms;
    leat_item *item;
} timer;

struct leat_timers {
    leat_slots slots;
    timer *heap;
    size_t size;       /* of heap; in use: slots.count */
    leat_item *popped; /* holds the key that the last pop handed out */
};

leat_timers *leat_timers_new(void)
{
    return leat_mem_need(sizeof(leat_timers));
}

void leat_timers_clear(leat_timers *timers)
{
    for (size_t i = 0; i < timers->slots.count; i++)
        leat_mem_free(timers->heap[i].item);
    leat_slots_release(&timers->slots);
    leat_mem_free(timers->heap);
    leat_mem_free(timers->popped);
    *timers = (leat_timers){0};
}

void leat_timers_free(leat_timers **timers)
{
    if (*timers == NULL) return;
    leat_timers_clear(*timers);
    leat_mem_free(*timers);
    *timers = NULL;
}

static bool earlier(timer a, timer b)
{
    if (a.at_ms != b.at_ms) return a.at_ms < b.at_ms;
    return leat_str_compare(leat_item_key(a.item), leat_item_key(b.item)) < 0;
}

static void put_at(leat_timers *timers, size_t i, timer t)
{
    timers->heap[i] = t;
    t.item->note = (uint32_t)i;
}

static void sift_up(leat_timers *timers, size_t i)
{
    timer moved = timers->heap[i];
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (!earlier(moved, timers->heap[parent])) break;
        put_at(timers, i, timers->heap[parent]);
        i = parent;
    }
    put_at(timers, i, moved);
}

static void sift_down(leat_timers *timers, size_t i, size_t count)
{
    timer moved = timers->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count) break;
        if (child + 1 < count && earlier(timers->heap[child + 1], timers->heap[child])) child++;
        if (!earlier(timers->heap[child], moved)) break;
        put_at(timers, i, timers->heap[child]);
        i = child;
    }
    put_at(timers, i, moved);
}

static bool reserve(leat_timers *timers)
{
    if (!leat_slots_reserve(&timers->slots)) return false;
    if (timers->slots.count < timers->size) return true;
    size_t size = timers->size == 0 ? 8 : timers->size * 2;
    if (size > UINT32_MAX) return false;
    timer *heap = leat_mem_try_resize(timers->heap, size * sizeof *heap);
    if (heap == NULL) return false;
    timers->heap = heap;
    timers->size = size;
    return true;
}

leat_code leat_timers_set(leat_timers *timers, leat_str key, int64_t at_ms, leat_err *err)
{
    uint32_t hash = leat_slots_hash(key);
    size_t at = leat_slots_find(&timers->slots, key, hash);
    if (at != LEAT_SLOTS_NONE) {
        size_t i = timers->slots.slots[at].item->note;
        int64_t was_ms = timers->heap[i].at_ms;
        timers->heap[i].at_ms = at_ms;
        if (at_ms < was_ms) sift_up(timers, i);
        if (at_ms > was_ms) sift_down(timers, i, timers->slots.count);
        return LEAT_OK;
    }
    leat_item *item = reserve(timers) ? leat_item_new(key, 0) : NULL;
    if (item == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a timer");
    size_t last = timers->slots.count;
    leat_slots_insert(&timers->slots, item, hash);
    put_at(timers, last, (timer){at_ms, item});
    sift_up(timers, last);
    return LEAT_OK;
}

/* Takes heap[i] out of heap and index; the item is the caller's now. */
static leat_item *take_out(leat_timers *timers, size_t i, size_t slot)
{
    leat_item *item = timers->heap[i].item;
    LEAT_ASSERT(item->note == i && timers->slots.slots[slot].item == item);
    leat_slots_erase(&timers->slots, slot);
    size_t last = timers->slots.count;
    if (i != last) {
        put_at(timers, i, timers->heap[last]);
        sift_up(timers, i);
        sift_down(timers, timers->heap[i].item->note, last);
    }
    return item;
}

void leat_timers_cancel(leat_timers *timers, leat_str key)
{
    size_t at = leat_slots_find(&timers->slots, key, leat_slots_hash(key));
    if (at == LEAT_SLOTS_NONE) return;
    leat_mem_free(take_out(timers, timers->slots.slots[at].item->note, at));
}

int64_t leat_timers_next(const leat_timers *timers)
{
    return timers->slots.count != 0 ? timers->heap[0].at_ms : LEAT_TIME_MAX;
}

bool leat_timers_peek(const leat_timers *timers, int64_t now_ms, leat_str *key, int64_t *at_ms)
{
    if (timers->slots.count == 0 || timers->heap[0].at_ms > now_ms) return false;
    *at_ms = timers->heap[0].at_ms;
    *key = leat_item_key(timers->heap[0].item);
    return true;
}

bool leat_timers_pop(leat_timers *timers, int64_t now_ms, leat_str *key, int64_t *at_ms)
{
    leat_mem_free(timers->popped);
    timers->popped = NULL;
    if (timers->slots.count == 0 || timers->heap[0].at_ms > now_ms) return false;
    leat_item *item = timers->heap[0].item;
    *at_ms = timers->heap[0].at_ms;
    size_t slot = leat_slots_of(&timers->slots, item, leat_slots_hash(leat_item_key(item)));
    timers->popped = take_out(timers, 0, slot);
    *key = leat_item_key(item);
    return true;
}

size_t leat_timers_count(const leat_timers *timers)
{
    return timers->slots.count;
}
