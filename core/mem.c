/* SPDX-License-Identifier: Apache-2.0 */
/* The heap behind one door.
 *
 * The counters are process-wide and relaxed: they order nothing, they only have to add up. Each
 * allocation that may fail takes the next number of one counter and compares it with the range of
 * numbers that a test wants to see fail; the range is empty in production, so that the hook costs
 * one load and one comparison that is always predicted.
 *
 * Refused: per-thread counters (cheaper, but "how many blocks are live" would need all threads to
 * stand still; the data path allocates from arenas and hardly comes here), and a size header in
 * front of each block (16 bytes a table cell for a figure that the cells' owner knows anyway). */
#include "core/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t counted;                /* leat_mem_try* so far */
static _Atomic uint64_t needed;                 /* leat_mem_need so far */
static _Atomic uint64_t freed;                  /* blocks given back */
static _Atomic uint64_t refused;                /* allocations that failed or made no new block */
static _Atomic uint64_t fail_from = UINT64_MAX; /* the range of numbers that fail: none */
static _Atomic uint64_t fail_until = UINT64_MAX;

static bool must_fail(void)
{
    uint64_t number = atomic_fetch_add_explicit(&counted, 1, memory_order_relaxed) + 1;
    if (LEAT_LIKELY(number < atomic_load_explicit(&fail_from, memory_order_relaxed))) return false;
    return number <= atomic_load_explicit(&fail_until, memory_order_relaxed);
}

static void *no_block(void)
{
    atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    return NULL;
}

void *leat_mem_try(size_t bytes)
{
    if (LEAT_UNLIKELY(must_fail())) return no_block();
    void *ptr = malloc(bytes != 0 ? bytes : 1); /* NULL means only one thing */
    return LEAT_LIKELY(ptr != NULL) ? ptr : no_block();
}

void *leat_mem_try_resize(void *ptr, size_t bytes)
{
    if (ptr == NULL) return leat_mem_try(bytes);
    bool fails = must_fail();
    /* Whether it worked or not, there is no block more than before. */
    atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    return LEAT_UNLIKELY(fails) ? NULL : realloc(ptr, bytes != 0 ? bytes : 1);
}

void *leat_mem_need(size_t bytes)
{
    atomic_fetch_add_explicit(&needed, 1, memory_order_relaxed);
    void *ptr = calloc(1, bytes != 0 ? bytes : 1);
    LEAT_ASSERT(ptr != NULL && "out of memory");
    return ptr;
}

char *leat_mem_need_text(const char *text)
{
    LEAT_ASSERT(text != NULL);
    size_t len = strlen(text);
    char *copy = leat_mem_need(len + 1);
    memcpy(copy, text, len);
    return copy;
}

void leat_mem_free(void *ptr)
{
    if (ptr == NULL) return;
    atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
    free(ptr);
}

void leat_mem_fail_at(uint64_t nth, bool once)
{
    uint64_t number = atomic_load(&counted) + nth;
    atomic_store(&fail_from, nth == 0 ? UINT64_MAX : number);
    atomic_store(&fail_until, once ? number : UINT64_MAX);
}

uint64_t leat_mem_allocations(void)
{
    return atomic_load(&counted) + atomic_load(&needed);
}

uint64_t leat_mem_live(void)
{
    /* Freed first: read the other way round, a free in between would make the difference wrap. */
    uint64_t gone = atomic_load(&freed) + atomic_load(&refused);
    return atomic_load(&counted) + atomic_load(&needed) - gone;
}
