/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of patterns that an event concerns: a bit each, and above them a bit for each word that is
 * not empty, so that one among ten thousand is found, and taken away again, in a few steps.
 *
 * They are made from the sets that predicates have, the smaller form of which was found out when
 * the index was made (index.c): a list, or words that are joined as they are. */
#include "cep/index_inside.h"
#include "core/mem.h"

void leat_marks_init(leat_marks *marks, uint32_t patterns)
{
    uint32_t words = patterns / 64 + 1;
    marks->count = (words + 63) / 64;
    marks->words = leat_mem_need((size_t)marks->count * 64 * sizeof *marks->words);
    marks->summary = leat_mem_need(marks->count * sizeof *marks->summary);
}

void leat_marks_release(leat_marks *marks)
{
    leat_mem_free(marks->words);
    leat_mem_free(marks->summary);
    *marks = (leat_marks){0};
}

bool leat_marks_later(const leat_marks *marks, uint32_t s, uint32_t *pattern)
{
    while (s < marks->count && marks->summary[s] == 0)
        s++;
    if (s >= marks->count) return false;
    uint32_t word = s * 64 + (uint32_t)__builtin_ctzll(marks->summary[s]);
    LEAT_ASSERT(marks->words[word] != 0);
    *pattern = word * 64 + (uint32_t)__builtin_ctzll(marks->words[word]);
    return true;
}

void index_mark_many(leat_marks *marks, const leat_index *index, const index_set *set)
{
    if (set->bits == NULL) {
        for (uint32_t i = 0; i < set->count; i++)
            leat_marks_add(marks, set->items[i]);
        return;
    }
    uint32_t words = index->patterns_count / 64 + 1;
    for (uint32_t w = 0; w < words; w++) {
        marks->words[w] |= set->bits[w];
        if (set->bits[w] != 0) marks->summary[w / 64] |= (uint64_t)1 << w % 64;
    }
}

/* --- of the event in hand --- */

const leat_marks *leat_lookup_starts(leat_lookup *lookup)
{
    const leat_index *index = lookup->index;
    if (lookup->starts_made) return &lookup->starts;
    lookup->starts_made = true;
    leat_marks_clear(&lookup->starts);
    index_mark(&lookup->starts, index, &index->always);
    for (uint32_t i = 0; i < lookup->live_count; i++) {
        const index_known *k = &lookup->known[lookup->live[i]];
        if (k->starts && k->verdict != LEAT_VERDICT_BROKEN)
            index_mark(&lookup->starts, index, &index->predicates[lookup->live[i]].starts);
    }
    return &lookup->starts;
}

const leat_marks *leat_lookup_broken_starts(const leat_lookup *lookup)
{
    return &lookup->broken_starts;
}

const leat_marks *leat_lookup_live(leat_lookup *lookup)
{
    if (lookup->patterns_made) return &lookup->patterns;
    lookup->patterns_made = true;
    leat_marks_clear(&lookup->patterns);
    for (uint32_t i = 0; i < lookup->live_count; i++) {
        uint32_t predicate = lookup->live[i];
        if (lookup->known[predicate].verdict != LEAT_VERDICT_BROKEN)
            index_mark(&lookup->patterns, lookup->index,
                       &lookup->index->predicates[predicate].users);
    }
    return &lookup->patterns;
}
