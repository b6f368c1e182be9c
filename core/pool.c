/* SPDX-License-Identifier: Apache-2.0 */
/* Slabs, by the size of their items.
 *
 *   pool ── size 8 ──── slab ─ slab             those that have room stand in front of the others
 *        ├─ size 16
 *        ├─ ...
 *        └─ spare ───── slab ─ slab             empty, for any size
 *
 * The first slab of a size is small and the next ones larger, so that many pools with few items of
 * many sizes need little. A slab goes when its last item does; as what is collected in bulk is soon
 * taken again, a few full-grown ones stay, in proportion to those in use. So after a burst what is
 * held is again in proportion to what lives, as far as what lives does not lie scattered.
 *
 * Places of items are told in units of 8 bytes from the slab's beginning. Those that are free are
 * a list, the one given back last first, as it is in the cache; what was never used joins it a few
 * items at a time.
 *
 * Under ASan a place is used only once: what was given back stays poisoned until its slab goes, and
 * behind each item there is a gap. So use after free, overflows and (by the slab) leaks are found
 * as they are of malloc.
 *
 * Refused: slabs that are aligned to their size, which need no place in the item (glibc's memalign
 * asks for twice the size and leaves holes that no other slab fits into); malloc for each item (two
 * atomic counters, 16 bytes and 200 instructions where thousands are freed in a row). */
#include "core/pool.h"

#include "core/arena.h"
#include "core/mem.h"

#define UNIT        ((size_t)8)
#define SIZES       (LEAT_POOL_ITEM_MAX / UNIT)
#define SLAB_BYTES  (((size_t)UNIT << LEAT_POOL_PLACE_BITS) - 16) /* with malloc's own, 16 KiB */
#define SLAB_GROWS  2u /* times: the first one of a size is a quarter */
#define FRESH_ITEMS 8u
#define SPARE_SHARE 4 /* slabs in use for a spare one */
/* Of a full slab this share of its items has to be free before others are taken from it, or it
 * would come and go with each. */
#define RETURN_SHARE 16

#ifdef LEAT_ARENA_POISON
void __asan_poison_memory_region(const volatile void *address, size_t bytes);
#define OPEN(ptr, bytes)  __asan_unpoison_memory_region((ptr), (bytes))
#define CLOSE(ptr, bytes) __asan_poison_memory_region((ptr), (bytes))
#define GAP               (2 * UNIT)
#define AGAIN             false
#else
#define OPEN(ptr, bytes)  ((void)0)
#define CLOSE(ptr, bytes) ((void)0)
#define GAP               ((size_t)0)
#define AGAIN             true /* places are used again */
#endif

typedef struct slab slab;
struct slab {
    slab *next, *before; /* of its size, or of the spare ones (which need no `before`) */
    leat_pool *pool;     /* NULL: it was freed */
    uint16_t free;       /* the first; 0: none, but for what was never used */
    uint16_t fresh;      /* from here on nothing was ever used */
    uint16_t end;        /* of the slab */
    uint16_t step;       /* units of an item */
    uint16_t used;       /* items */
    uint16_t items;      /* there is room for */
    uint16_t low;        /* used: when it comes down to this, something is to be done */
    bool full;           /* stands behind those that have room */
};
#define HEAD ((sizeof(slab) + UNIT - 1) / UNIT)

/* What is in an item's place while it is free. */
typedef struct vacant {
    uint16_t next;
} vacant;

typedef struct shelf {
    slab *first, *last;
    uint32_t count;
} shelf;

struct leat_pool {
    shelf shelves[SIZES + GAP / UNIT + 1]; /* by units of an item, and a gap */
    slab *spare;
    uint32_t spare_count, count; /* count: on shelves */
    size_t bytes;
};

/* --- slabs --- */

static size_t slab_bytes(const slab *s)
{
    return (size_t)s->end * UNIT;
}

static vacant *place_at(slab *s, uint32_t place)
{
    return (vacant *)(void *)((char *)s + place * UNIT);
}

static slab *slab_of(void *item, uint32_t place)
{
    return (slab *)(void *)((char *)item - place * UNIT);
}

static void shelve(shelf *on, slab *s, bool first)
{
    s->before = first ? NULL : on->last;
    s->next = first ? on->first : NULL;
    *(s->before == NULL ? &on->first : &s->before->next) = s;
    *(s->next == NULL ? &on->last : &s->next->before) = s;
    on->count++;
}

static void unshelve(shelf *on, slab *s)
{
    LEAT_ASSERT(on->count > 0);
    *(s->before == NULL ? &on->first : &s->before->next) = s->next;
    *(s->next == NULL ? &on->last : &s->next->before) = s->before;
    on->count--;
}

static void slab_free(leat_pool *pool, slab *s)
{
    if (pool != NULL) pool->bytes -= slab_bytes(s);
    leat_mem_free(s);
}

/* A spare one, or one from the heap. */
static slab *slab_find(leat_pool *pool, const shelf *on)
{
    slab *s = pool->spare;
    if (s != NULL) {
        pool->spare = s->next;
        pool->spare_count--;
        return s;
    }
    uint32_t smaller = on->count < SLAB_GROWS ? SLAB_GROWS - on->count : 0;
    size_t end = (SLAB_BYTES >> smaller) / UNIT;
    s = leat_mem_try(end * UNIT);
    if (s == NULL) return NULL;
    s->end = (uint16_t)end;
    pool->bytes += end * UNIT;
    return s;
}

/* Some of what was never used, to be taken from the beginning on. */
static void slab_freshen(slab *s)
{
    uint32_t left = (uint32_t)(s->end - s->fresh) / s->step;
    uint32_t count = left < FRESH_ITEMS ? left : FRESH_ITEMS;
    for (uint32_t i = count; i-- > 0;) {
        uint32_t place = s->fresh + i * s->step;
        vacant *made = place_at(s, place);
        OPEN(made, sizeof *made);
        made->next = s->free;
        CLOSE(made, s->step * UNIT);
        s->free = (uint16_t)place;
    }
    s->fresh = (uint16_t)(s->fresh + count * s->step);
}

static slab *slab_new(leat_pool *pool, size_t units)
{
    shelf *on = &pool->shelves[units];
    slab *s = slab_find(pool, on);
    if (s == NULL) return NULL;
    *s = (slab){.pool = pool, .fresh = HEAD, .end = s->end, .step = (uint16_t)units};
    s->items = (uint16_t)((s->end - HEAD) / units);
    CLOSE(place_at(s, HEAD), (s->end - HEAD) * UNIT);
    shelve(on, s, true);
    pool->count++;
    slab_freshen(s);
    LEAT_ASSERT(s->free != 0);
    return s;
}

/* Where an item of that size can be taken from. */
static __attribute__((noinline)) slab *slab_with_room(leat_pool *pool, size_t units)
{
    shelf *on = &pool->shelves[units];
    for (slab *s = on->first; s != NULL && !s->full; s = on->first) {
        if (s->free == 0) slab_freshen(s);
        if (s->free != 0) return s;
        s->full = true;
        s->low = AGAIN ? (uint16_t)(s->items - s->items / RETURN_SHARE - 1) : 0;
        unshelve(on, s);
        shelve(on, s, false);
    }
    return slab_new(pool, units);
}

/* Its last item is gone. */
static void slab_empty(leat_pool *pool, slab *s)
{
    shelf *on = &pool->shelves[s->step];
    bool grown = s->end == SLAB_BYTES / UNIT;
    if (AGAIN && on->count == 1 && !grown) return; /* for whoever takes and gives just one */
    unshelve(on, s);
    pool->count--;
    if (AGAIN && grown) {
        s->next = pool->spare;
        pool->spare = s;
        pool->spare_count++;
    } else {
        slab_free(pool, s);
    }
    while (pool->spare_count > 1 + pool->count / SPARE_SHARE) {
        slab *gone = pool->spare;
        pool->spare = gone->next;
        pool->spare_count--;
        slab_free(pool, gone);
    }
}

/* It has become empty, or there is room again. */
static __attribute__((noinline)) void slab_changed(slab *s)
{
    leat_pool *pool = s->pool;
    if (pool == NULL) {
        if (s->used == 0) slab_free(NULL, s);
        return;
    }
    if (s->full && AGAIN) {
        s->full = false;
        s->low = 0;
        unshelve(&pool->shelves[s->step], s);
        shelve(&pool->shelves[s->step], s, true);
    }
    if (s->used == 0) slab_empty(pool, s);
}

/* --- items --- */

void *leat_pool_take(leat_pool *pool, size_t bytes, uint32_t *place)
{
    LEAT_ASSERT(bytes >= LEAT_POOL_ITEM_MIN && bytes <= LEAT_POOL_ITEM_MAX);
    size_t units = (bytes + GAP + UNIT - 1) / UNIT;
    slab *s = pool->shelves[units].first;
    if (LEAT_UNLIKELY(s == NULL || s->free == 0)) {
        s = slab_with_room(pool, units);
        if (s == NULL) return NULL;
    }
    vacant *item = place_at(s, s->free);
    *place = s->free;
    OPEN(item, bytes);
    s->free = item->next;
    s->used++;
    return item;
}

void leat_pool_give(void *item, uint32_t place)
{
    slab *s = slab_of(item, place);
    vacant *given = item;
    LEAT_ASSERT(place >= HEAD && place < s->fresh && s->used > 0);
    s->used--;
    if (AGAIN) {
        given->next = s->free;
        s->free = (uint16_t)place;
    }
    CLOSE(item, s->step * UNIT);
    if (LEAT_UNLIKELY(s->used == s->low)) slab_changed(s);
}

leat_pool *leat_pool_of(void *item, uint32_t place)
{
    return slab_of(item, place)->pool;
}

/* --- life --- */

leat_pool *leat_pool_new(void)
{
    return leat_mem_need(sizeof(leat_pool));
}

void leat_pool_free(leat_pool **pool)
{
    leat_pool *gone = *pool;
    if (gone == NULL) return;
    for (size_t units = 0; units < sizeof gone->shelves / sizeof gone->shelves[0]; units++) {
        slab *s = gone->shelves[units].first;
        while (s != NULL) {
            slab *next = s->next;
            s->pool = NULL;
            s->low = 0;
            s->next = s->before = NULL;
            if (s->used == 0) slab_free(gone, s);
            s = next;
        }
    }
    while (gone->spare != NULL) {
        slab *s = gone->spare;
        gone->spare = s->next;
        slab_free(gone, s);
    }
    leat_mem_free(gone);
    *pool = NULL;
}

size_t leat_pool_bytes(const leat_pool *pool)
{
    return pool->bytes;
}
