/* SPDX-License-Identifier: Apache-2.0 */
/* The hash index under map, table and timers: slots of (key's allocation, hash, a number).
 * Open addressing, linear probing, no tombstones: a removal moves the followers back, so that churn
 * never degrades it. The hash is kept in the slot: a probe touches a key only if 32 bits agree, and
 * growing touches no key at all.
 * Owner: whoever embeds it, who also owns the items. Thread: one. */
#ifndef LEAT_CORE_SLOTS_H
#define LEAT_CORE_SLOTS_H

#include "core/err.h"
#include "core/str.h"

/* One allocation: a key, a number of the owner's, and whatever follows the key. */
typedef struct leat_item {
    uint32_t key_len;
    uint32_t note;
    char bytes[]; /* the key first */
} leat_item;

typedef struct leat_slot {
    leat_item *item; /* NULL: free */
    uint32_t hash;
    uint32_t extra; /* the owner's; 0 when inserted */
} leat_slot;

typedef struct leat_slots {
    leat_slot *slots;
    size_t size, count; /* size: 0 or a power of two */
} leat_slots;

#define LEAT_SLOTS_NONE SIZE_MAX

static inline leat_str leat_item_key(const leat_item *item)
{
    return (leat_str){item->bytes, item->key_len};
}
/* What differs in 8 bytes of each. */
static inline uint64_t leat_slots_differ(const char *a, const char *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x ^ y;
}
static inline bool leat_item_is(const leat_item *item, leat_str key)
{
    const char *mine = item->bytes, *its = key.data;
    if (item->key_len != key.len) return false;
    if (key.len < 8 || key.len > 32) return key.len == 0 || !memcmp(mine, its, key.len);
    /* Most keys: two or four words that overlap, without a call. */
    size_t last = key.len - 8;
    uint64_t differ = leat_slots_differ(mine, its) | leat_slots_differ(mine + last, its + last);
    if (key.len > 16)
        differ |= leat_slots_differ(mine + 8, its + 8) |
                  leat_slots_differ(mine + last - 8, its + last - 8);
    return differ == 0;
}
static inline uint32_t leat_slots_hash(leat_str key)
{
    return (uint32_t)leat_str_hash(key);
}
/* Index of key's slot, or LEAT_SLOTS_NONE. hash: leat_slots_hash(key). Valid until a change. */
static inline size_t leat_slots_find(const leat_slots *slots, leat_str key, uint32_t hash)
{
    if (LEAT_UNLIKELY(slots->size == 0)) return LEAT_SLOTS_NONE;
    size_t mask = slots->size - 1;
    for (size_t at = hash & mask; slots->slots[at].item != NULL; at = (at + 1) & mask) {
        const leat_slot *slot = &slots->slots[at];
        if (slot->hash == hash && leat_item_is(slot->item, key)) return at;
    }
    return LEAT_SLOTS_NONE;
}
/* Index of the slot that holds this very item; it must be there. */
size_t leat_slots_of(const leat_slots *slots, const leat_item *item, uint32_t hash);
/* Room for one more, so that the next insert cannot fail; false: no memory. */
bool leat_slots_reserve(leat_slots *slots);
/* The key must not be there and room must be reserved. Returns its index. */
size_t leat_slots_insert(leat_slots *slots, leat_item *item, uint32_t hash);
void leat_slots_erase(leat_slots *slots, size_t at); /* the item is not freed */
void leat_slots_shrink(leat_slots *slots);           /* if far too large; harmless else */
void leat_slots_release(leat_slots *slots);          /* the items are not freed */

/* A new item with this key and room for `bytes` behind it; NULL: no memory, or longer than 4 GiB.
 */
leat_item *leat_item_new(leat_str key, size_t bytes);

#endif
