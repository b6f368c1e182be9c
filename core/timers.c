/* SPDX-License-Identifier: Apache-2.0 */
/* A heap of (time, key), with four children a node, and a hash index from key to place in the heap.
 *
 *   slots:  key -> item (item->note: its number)
 *   items:  number -> item
 *   places: number -> index in the heap
 *   heap:   {at, number, the key's hash} ...   heap[i] fires no later than heap[4i+1] .. heap[4i+4]
 *
 * Four children lie in one or two lines of the cache, and there are half as many levels as with
 * two.
 *
 * Every move in the heap is noted in `places`, so that setting a key again or cancelling it finds
 * its place at once. It is no matter of the items, each of which lies somewhere else: one a level
 * would have to be brought from memory. Ties are broken by the key's bytes, never by the heap's
 * history: two workers that set the same timers in another order must fire them in the same order.
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
    uint32_t number, hash;
} timer;

struct leat_timers {
    leat_slots slots;
    timer *heap;
    leat_item **items;
    uint32_t *places;  /* of a number that is free: the next such, + 1 */
    size_t size;       /* of all three; heap[slots.count] and behind it are free */
    uint32_t used;     /* numbers that have been given out */
    uint32_t free;     /* the last that came back, + 1; 0: none is free */
    leat_item *popped; /* holds the key that the last pop handed out */
};

leat_timers *leat_timers_new(void)
{
    return leat_mem_need(sizeof(leat_timers));
}

void leat_timers_clear(leat_timers *timers)
{
    for (size_t i = 0; i < timers->slots.count; i++)
        leat_mem_free(timers->items[timers->heap[i].number]);
    leat_slots_release(&timers->slots);
    leat_mem_free(timers->heap);
    leat_mem_free(timers->items);
    leat_mem_free(timers->places);
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

/* --- the heap --- */

static bool earlier(const leat_timers *timers, timer a, timer b)
{
    if (a.at_ms != b.at_ms) return a.at_ms < b.at_ms;
    return leat_str_compare(leat_item_key(timers->items[a.number]),
                            leat_item_key(timers->items[b.number])) < 0;
}

static void put_at(leat_timers *timers, size_t i, timer t)
{
    timers->heap[i] = t;
    timers->places[t.number] = (uint32_t)i;
}

static void sift_up(leat_timers *timers, size_t i)
{
    timer moved = timers->heap[i];
    while (i > 0) {
        size_t parent = (i - 1) / CHILDREN;
        if (!earlier(timers, moved, timers->heap[parent])) break;
        put_at(timers, i, timers->heap[parent]);
        i = parent;
    }
    put_at(timers, i, moved);
}

/* Where some may fire at the same time, or there are fewer. */
static __attribute__((noinline)) size_t first_sibling(const leat_timers *timers, size_t first,
                                                      size_t count)
{
    size_t end = count - first < CHILDREN ? count : first + CHILDREN;
    size_t least = first;
    for (size_t child = first + 1; child < end; child++)
        if (earlier(timers, timers->heap[child], timers->heap[least])) least = child;
    return least;
}

/* The one of heap[first] and its siblings that fires first; count: of the heap. Which it is nobody
 * can foretell, so nothing branches on it. */
static inline size_t first_child(const leat_timers *timers, size_t first, size_t count)
{
    const timer *t = timers->heap + first;
    if (LEAT_UNLIKELY(count - first < CHILDREN)) return first_sibling(timers, first, count);
    _Static_assert(CHILDREN == 4, "two pairs");
    size_t a = t[1].at_ms < t[0].at_ms;
    size_t b = 2 + (size_t)(t[3].at_ms < t[2].at_ms);
    bool same = t[0].at_ms == t[1].at_ms || t[2].at_ms == t[3].at_ms || t[a].at_ms == t[b].at_ms;
    if (LEAT_UNLIKELY(same)) return first_sibling(timers, first, count);
    return first + (t[b].at_ms < t[a].at_ms ? b : a);
}

static void sift_down(leat_timers *timers, size_t i, size_t count)
{
    timer moved = timers->heap[i];
    for (size_t first; (first = CHILDREN * i + 1) < count;) {
        size_t child = first_child(timers, first, count);
        if (!earlier(timers, timers->heap[child], moved)) break;
        put_at(timers, i, timers->heap[child]);
        i = child;
    }
    put_at(timers, i, moved);
}

/* --- what operators do --- */

/* Each array may be larger than the others after a failure. */
static bool grow(leat_timers *timers)
{
    size_t size = timers->size == 0 ? 8 : timers->size * 2;
    if (size > UINT32_MAX) return false;
    timer *heap = leat_mem_try_resize(timers->heap, size * sizeof *heap);
    if (heap == NULL) return false;
    timers->heap = heap;
    leat_item **items = leat_mem_try_resize(timers->items, size * sizeof(leat_item *));
    if (items == NULL) return false;
    timers->items = items;
    uint32_t *places = leat_mem_try_resize(timers->places, size * sizeof *places);
    if (places == NULL) return false;
    timers->places = places;
    timers->size = size;
    return true;
}

/* A number for the item; there is room. */
static void number_item(leat_timers *timers, leat_item *item)
{
    uint32_t number = timers->free;
    if (number != 0)
        timers->free = timers->places[--number];
    else
        number = timers->used++;
    LEAT_ASSERT(number < timers->size);
    timers->items[number] = item;
    item->note = number;
}

leat_code leat_timers_set_hashed(leat_timers *timers, leat_str key, uint32_t hash, int64_t at_ms,
                                 leat_err *err)
{
    size_t at = leat_slots_find(&timers->slots, key, hash);
    size_t count = timers->slots.count;
    if (at != LEAT_SLOTS_NONE) {
        size_t i = timers->places[timers->slots.slots[at].item->note];
        int64_t was_ms = timers->heap[i].at_ms;
        timers->heap[i].at_ms = at_ms;
        if (at_ms < was_ms) sift_up(timers, i);
        if (at_ms > was_ms) sift_down(timers, i, count);
        return LEAT_OK;
    }
    leat_item *item = NULL;
    if (leat_slots_reserve(&timers->slots) && (count < timers->size || grow(timers)))
        item = leat_item_new(key, 0);
    if (item == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a timer");
    number_item(timers, item);
    leat_slots_insert(&timers->slots, item, hash);
    timers->heap[count] = (timer){at_ms, item->note, hash};
    sift_up(timers, count);
    return LEAT_OK;
}

/* Takes heap[i] out of heap and index; the item is the caller's now. */
static leat_item *take_out(leat_timers *timers, size_t i, size_t slot)
{
    timer gone = timers->heap[i];
    leat_item *item = timers->items[gone.number];
    LEAT_ASSERT(timers->places[gone.number] == i && timers->slots.slots[slot].item == item);
    leat_slots_erase(&timers->slots, slot);
    timers->places[gone.number] = timers->free;
    timers->free = gone.number + 1;
    size_t last = timers->slots.count;
    if (i != last) {
        uint32_t moved = timers->heap[last].number;
        put_at(timers, i, timers->heap[last]);
        sift_up(timers, i);
        sift_down(timers, timers->places[moved], last);
    }
    return item;
}

void leat_timers_cancel_hashed(leat_timers *timers, leat_str key, uint32_t hash)
{
    size_t at = leat_slots_find(&timers->slots, key, hash);
    if (at == LEAT_SLOTS_NONE) return;
    leat_mem_free(take_out(timers, timers->places[timers->slots.slots[at].item->note], at));
}

int64_t leat_timers_next(const leat_timers *timers)
{
    return timers->slots.count != 0 ? timers->heap[0].at_ms : LEAT_TIME_MAX;
}

bool leat_timers_peek(const leat_timers *timers, int64_t now_ms, leat_timer *next)
{
    if (timers->slots.count == 0 || timers->heap[0].at_ms > now_ms) return false;
    timer first = timers->heap[0];
    *next = (leat_timer){leat_item_key(timers->items[first.number]), first.at_ms, first.hash};
    return true;
}

void leat_timers_postpone(leat_timers *timers, int64_t at_ms)
{
    LEAT_ASSERT(timers->slots.count > 0 && timers->heap[0].at_ms <= at_ms);
    timers->heap[0].at_ms = at_ms;
    sift_down(timers, 0, timers->slots.count);
}

bool leat_timers_soon(const leat_timers *timers, uint32_t nth, uint32_t *hash)
{
    size_t count = timers->slots.count;
    LEAT_ASSERT(nth < LEAT_TIMERS_SOON);
    if (count <= nth) return false;
    *hash = timers->heap[nth == 0 ? 0 : first_child(timers, 1, count)].hash;
    return true;
}

bool leat_timers_pop(leat_timers *timers, int64_t now_ms, leat_str *key, int64_t *at_ms)
{
    leat_mem_free(timers->popped);
    timers->popped = NULL;
    if (timers->slots.count == 0 || timers->heap[0].at_ms > now_ms) return false;
    timer first = timers->heap[0];
    leat_item *item = timers->items[first.number];
    *at_ms = first.at_ms;
    timers->popped = take_out(timers, 0, leat_slots_of(&timers->slots, item, first.hash));
    *key = leat_item_key(item);
    return true;
}

size_t leat_timers_count(const leat_timers *timers)
{
    return timers->slots.count;
}
