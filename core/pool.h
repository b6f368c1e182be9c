/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for small things of one thread that come and go in great numbers, as the events do that
 * matchers hold. They lie in slabs, each of items of one size:
 *
 *   [head | item | free | item | item | free | not used yet]      up to 16 KiB
 *
 * An item has nothing in front of it; whoever has it keeps its place in the slab, 11 bits, by which
 * the slab is found when it is given back.
 * Owner: whoever made the pool; of a slab its items: those that are left when the pool is freed
 * live on, and the last one takes the slab with it. Thread: one, also for those that are left.
 * Cost: ~15 instructions to take or give back, and no atomic ones; up to 7 bytes an item, a slab
 * for each size that is in use, and beyond those one in five that is empty. */
#ifndef LEAT_CORE_POOL_H
#define LEAT_CORE_POOL_H

#include <stddef.h>
#include <stdint.h>

#define LEAT_POOL_ITEM_MIN   2u /* bytes */
#define LEAT_POOL_ITEM_MAX   1024u
#define LEAT_POOL_PLACE_BITS 11

typedef struct leat_pool leat_pool;
leat_pool *leat_pool_new(void);
void leat_pool_free(leat_pool **pool); /* NULL inside is harmless; nulls */

/* 8-aligned, not zeroed; NULL: there is no memory. *place: what give and of ask for; never 0. */
void *leat_pool_take(leat_pool *pool, size_t bytes, uint32_t *place);
void leat_pool_give(void *item, uint32_t place);
/* Whose the item is; NULL: the pool was freed. */
leat_pool *leat_pool_of(void *item, uint32_t place);
/* Held of the heap, for whatever is in it. */
size_t leat_pool_bytes(const leat_pool *pool);

#endif
