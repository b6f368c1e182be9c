/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing with backward shift.
 *
 *   hash & mask = 2:    .  .  A2 B2 C3 D5 .      erase A2
 *                       .  .  B2 C3 .  D5 .      B and C move up, D is at home and stays
 *
 * Invariant: between an item's home slot and the slot it is in, no slot is free. So a search ends
 * at the first free one, and there are no tombstones to collect. At most three quarters are in use.
 *
 * Refused: robin hood (shorter worst probe, but an insert moves other items and misses end no
 * earlier while the hash is at hand), chained buckets (one more cache miss a look-up). */
#include "core/slots.h"

#include "core/mem.h"

#define SLOTS_FIRST 16u

size_t leat_slots_of(const leat_slots *slots, const leat_item *item, uint32_t hash)
{
    LEAT_ASSERT(item != NULL && slots->size != 0);
    size_t mask = slots->size - 1;
    size_t at = hash & mask;
    while (slots->slots[at].item != item) {
        LEAT_ASSERT(slots->slots[at].item != NULL);
        at = (at + 1) & mask;
    }
    return at;
}

static size_t place(leat_slots *slots, leat_slot slot)
{
    size_t mask = slots->size - 1;
    size_t at = slot.hash & mask;
    while (slots->slots[at].item != NULL)
        at = (at + 1) & mask;
    slots->slots[at] = slot;
    return at;
}

static bool resize(leat_slots *slots, size_t size)
{
    LEAT_ASSERT((size & (size - 1)) == 0 && slots->count < size);
    if (size > SIZE_MAX / sizeof(leat_slot)) return false;
    leat_slots made = {leat_mem_try(size * sizeof(leat_slot)), size, slots->count};
    if (made.slots == NULL) return false;
    memset(made.slots, 0, size * sizeof(leat_slot));
    for (size_t at = 0; at < slots->size; at++)
        if (slots->slots[at].item != NULL) place(&made, slots->slots[at]);
    leat_mem_free(slots->slots);
    *slots = made;
    return true;
}

bool leat_slots_reserve(leat_slots *slots)
{
    if (LEAT_LIKELY(slots->count + 1 <= slots->size / 4 * 3)) return true;
    return resize(slots, slots->size == 0 ? SLOTS_FIRST : slots->size * 2);
}

size_t leat_slots_insert(leat_slots *slots, leat_item *item, uint32_t hash)
{
    LEAT_ASSERT(item != NULL && slots->count < slots->size);
    slots->count++;
    return place(slots, (leat_slot){item, hash, 0});
}

void leat_slots_erase(leat_slots *slots, size_t at)
{
    LEAT_ASSERT(at < slots->size && slots->slots[at].item != NULL && slots->count > 0);
    size_t mask = slots->size - 1;
    size_t hole = at;
    for (size_t next = (at + 1) & mask; slots->slots[next].item != NULL; next = (next + 1) & mask) {
        size_t home = slots->slots[next].hash & mask;
        /* It may move into the hole if its home is not behind the hole on the way to it. */
        if (((next - home) & mask) < ((next - hole) & mask)) continue;
        slots->slots[hole] = slots->slots[next];
        hole = next;
    }
    slots->slots[hole] = (leat_slot){NULL, 0, 0};
    slots->count--;
}

void leat_slots_shrink(leat_slots *slots)
{
    if (slots->size <= 1024 || slots->count > slots->size / 16) return;
    size_t size = slots->size;
    while (size > SLOTS_FIRST && slots->count < size / 4)
        size /= 2;
    (void)resize(slots, size); /* no memory: it stays as large as it is */
}

void leat_slots_release(leat_slots *slots)
{
    leat_mem_free(slots->slots);
    *slots = (leat_slots){NULL, 0, 0};
}

leat_item *leat_item_new(leat_str key, size_t bytes)
{
    if (key.len > UINT32_MAX || bytes > UINT32_MAX) return NULL;
    leat_item *item = leat_mem_try(sizeof *item + key.len + bytes);
    if (item == NULL) return NULL;
    item->key_len = (uint32_t)key.len;
    item->note = 0;
    if (key.len != 0) memcpy(item->bytes, key.data, key.len);
    return item;
}
