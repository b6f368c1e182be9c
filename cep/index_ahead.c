/* SPDX-License-Identifier: Apache-2.0 */
/* What finding the predicates of events to come needs from memory.
 *
 *   event in hand ... + 2                    ... + LEAT_LOOKUP_AHEAD
 *                     place read:                its slots hashed:
 *                     predicate asked for        place of the constant asked for
 *
 * Of thousands of constants neither the place in the hash table nor the predicate behind it is in
 * the cache, and the one has to be there before the other can be asked for. */
#include "cep/index_inside.h"

#define AHEAD_TEXT_MAX 64 /* bytes of a text that is hashed for that */

/* Asks for the place of a constant, and for the predicate of the one that was asked for before.
 * Equal hashes are taken for equal values here: nothing depends on it. */
static inline void ask(const leat_lookup *lookup, const index_slot *slot, const index_soon *last,
                       const index_soon *first)
{
    uint32_t head = 0;
    LEAT_ASSERT(slot->equals_size > 0);
    if (last->tag != LEAT_MISSING)
        __builtin_prefetch(&slot->equals[(uint32_t)last->hash & (slot->equals_size - 1)]);
    if (first->tag != LEAT_MISSING) head = index_head(slot, first->hash, first->tag);
    if ((head & INDEX_ONE) != 0) __builtin_prefetch(&lookup->known[head & ~INDEX_ONE]);
}

/* From slot s on. */
static __attribute__((noinline)) void ahead_from(const leat_lookup *lookup, const leat_value *slots,
                                                 uint32_t s, index_soon *last,
                                                 const index_soon *first)
{
    for (; s < lookup->soon_slots; s++) {
        const index_slot *slot = &lookup->index->slots[s];
        leat_value value = slots[slot->slot];
        double number = 0;
        if (slot->equals_size == 0) continue; /* nobody looks at what is in last and first */
        last[s].tag = LEAT_MISSING;
        if (index_number(value, &number))
            last[s] = (index_soon){link_hash_number(number), LEAT_DOUBLE};
        else if (value.tag == LEAT_STRING && value.len <= AHEAD_TEXT_MAX)
            last[s] = (index_soon){index_hash(value), LEAT_STRING};
        ask(lookup, slot, &last[s], &first[s]);
    }
}

/* As long as slots have numbers, without a call. */
void leat_lookup_ahead(leat_lookup *lookup, const leat_value *slots)
{
    index_soon *last = lookup->soon[lookup->soon_count++ & (INDEX_AHEAD - 1)];
    const index_soon *first = lookup->soon[lookup->soon_count & (INDEX_AHEAD - 1)];
    for (uint32_t s = 0; s < lookup->soon_slots; s++) {
        const index_slot *slot = &lookup->index->slots[s];
        double number = 0;
        if (slot->equals_size == 0 || !index_number(slots[slot->slot], &number)) {
            ahead_from(lookup, slots, s, last, first);
            return;
        }
        last[s] = (index_soon){link_hash_number(number), LEAT_DOUBLE};
        ask(lookup, slot, &last[s], &first[s]);
    }
}
