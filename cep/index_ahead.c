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

/* Asks for the place of a constant. */
static inline void look_ahead(const index_slot *slot, leat_value value, index_soon *as)
{
    double number = 0;
    as->tag = LEAT_MISSING;
    if (slot->equals_size == 0) return;
    if (LEAT_LIKELY(index_number(value, &number))) {
        as->tag = LEAT_DOUBLE;
        as->hash = link_hash_number(number);
    } else if (value.tag == LEAT_STRING && value.len <= AHEAD_TEXT_MAX) {
        as->tag = LEAT_STRING;
        as->hash = index_hash(value);
    } else {
        return;
    }
    __builtin_prefetch(&slot->equals[(uint32_t)as->hash & (slot->equals_size - 1)]);
}

/* Equal hashes are taken for equal values here: nothing depends on it. */
void leat_lookup_ahead(leat_lookup *lookup, const leat_value *slots)
{
    const leat_index *index = lookup->index;
    if (index->looks != NULL) return; /* all that there is lies together */
    uint32_t count =
        index->slots_count < INDEX_AHEAD_SLOTS ? index->slots_count : INDEX_AHEAD_SLOTS;
    index_soon *last = lookup->soon[lookup->soon_count++ & (INDEX_AHEAD - 1)];
    const index_soon *first = lookup->soon[lookup->soon_count & (INDEX_AHEAD - 1)];
    const index_slot *slot = index->slots;
    for (uint32_t s = 0; s < count; s++, slot++) {
        uint32_t head = 0;
        look_ahead(slot, slots[slot->slot], &last[s]);
        if (first[s].tag != LEAT_MISSING) head = index_head(slot, first[s].hash, first[s].tag);
        if ((head & INDEX_ONE) != 0) __builtin_prefetch(&lookup->known[head & ~INDEX_ONE]);
    }
}
