/* SPDX-License-Identifier: Apache-2.0 */
/* A heap of (time, key), with four children a node, and a hash index from key to place in the heap.
 *
 *   slots: key -> item (item->note = index in the heap; behind its key: the key's hash)
 *   heap:  {at, item} ...   heap[i] fires no later than heap[4i+1] .. heap[4i+4]
 *
 * Four children lie in one or two lines of the cache, and there are half as many levels as with
 * two: what a move costs is the items that it passes, one a level, each of them somewhere else.
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

#define CHILDREN 4 /* of a node */

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
        size_t parent = (i - 1) / CHILDREN;
        if (!earlier(moved, timers->heap[parent])) break;
        put_at(timers, i, timers->heap[parent]);
        i = parent;
    }
    put_at(timers, i, moved);
}

/* The child of i that fires first; first: the first of them, which there is. */
static size_t first_child(const timer *heap, size_t first, size_t count)
{
    size_t end = count - first < CHILDREN ? count : first + CHILDREN;
    size_t least = first;
    for (size_t child = first + 1; child < end; child++)
        if (earlier(heap[child], heap[least])) least = child;
    return least;
}

static void sift_down(leat_timers *timers, size_t i, size_t count)
{
    timer moved = timers->heap[i];
    for (size_t first; (first = CHILDREN * i + 1) < count;) {
        size_t child = first_child(timers->heap, first, count);
        __builtin_prefetch(timers->heap[child].item, 1);
        __builtin_prefetch(&timers->heap[CHILDREN * child + 1]);
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

static uint32_t item_hash(const leat_item *item)
{
    uint32_t hash = 0;
    memcpy(&hash, item->bytes + item->key_len, sizeof hash);
    return hash;
}

leat_code leat_timers_set_hashed(leat_timers *timers, leat_str key, uint32_t hash, int64_t at_ms,
                                 leat_err *err)
{
    size_t at = leat_slots_find(&timers->slots, key, hash);
    if (at != LEAT_SLOTS_NONE) {
        size_t i = timers->slots.slots[at].item->note;
        int64_t was_ms = timers->heap[i].at_ms;
        timers->heap[i].at_ms = at_ms;
        if (at_ms < was_ms) sift_up(timers, i);
        if (at_ms > was_ms) sift_down(timers, i, timers->slots.count);
        return LEAT_OK;
    }
    leat_item *item = reserve(timers) ? leat_item_new(key, sizeof hash) : NULL;
    if (item == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a timer");
    memcpy(item->bytes + key.len, &hash, sizeof hash);
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

void leat_timers_cancel_hashed(leat_timers *timers, leat_str key, uint32_t hash)
{
    size_t at = leat_slots_find(&timers->slots, key, hash);
    if (at == LEAT_SLOTS_NONE) return;
    leat_mem_free(take_out(timers, timers->slots.slots[at].item->note, at));
}

int64_t leat_timers_next(const leat_timers *timers)
{
    return timers->slots.count != 0 ? timers->heap[0].at_ms : LEAT_TIME_MAX;
}

bool leat_timers_peek(const leat_timers *timers, int64_t now_ms, leat_timer *next)
{
    if (timers->slots.count == 0 || timers->heap[0].at_ms > now_ms) return false;
    const leat_item *item = timers->heap[0].item;
    *next = (leat_timer){leat_item_key(item), timers->heap[0].at_ms, item_hash(item)};
    return true;
}

bool leat_timers_soon(const leat_timers *timers, uint32_t nth, uint32_t *hash)
{
    size_t count = timers->slots.count;
    LEAT_ASSERT(nth < LEAT_TIMERS_SOON);
    if (count <= nth) return false;
    *hash = item_hash(timers->heap[nth == 0 ? 0 : first_child(timers->heap, 1, count)].item);
    return true;
}

bool leat_timers_pop(leat_timers *timers, int64_t now_ms, leat_str *key, int64_t *at_ms)
{
    leat_mem_free(timers->popped);
    timers->popped = NULL;
    if (timers->slots.count == 0 || timers->heap[0].at_ms > now_ms) return false;
    leat_item *item = timers->heap[0].item;
    *at_ms = timers->heap[0].at_ms;
    size_t slot = leat_slots_of(&timers->slots, item, item_hash(item));
    timers->popped = take_out(timers, 0, slot);
    *key = leat_item_key(item);
    return true;
}

size_t leat_timers_count(const leat_timers *timers)
{
    return timers->slots.count;
}
