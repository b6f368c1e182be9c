/* SPDX-License-Identifier: Apache-2.0 */
/* Many patterns over one stream: which of them could react to an event.
 *
 *   conditions of all patterns -> predicates (the same evaluation: one predicate)
 *   predicate -> access: tests of a slot against constants, of which one holds or fails to be
 *                evaluated wherever the predicate is not false
 *   event     -> for each slot that is tested: the tests that hold -> predicates that are worth an
 *                evaluation -> patterns
 *
 * Its answers are those of evaluating every condition, errors among them; what it saves is the
 * evaluations that are known to give false. Cost per event: a look at each slot that is tested
 * (equality: a hash; ranges: log of the constants; prefixes: likewise), the predicates that hold,
 * and those that have no access.
 *
 * Owner: index: the plan's arena, immutable; a lookup: one task. Thread: the shard's. */
#ifndef LEAT_CEP_INDEX_H
#define LEAT_CEP_INDEX_H

#include "cep/conditions.h"

typedef struct leat_index leat_index;
typedef struct leat_lookup leat_lookup;

typedef struct leat_index_pattern {
    const leat_conditions *conditions; /* NULL: the pattern stays outside, and is no bit anywhere */
    const leat_nfa *nfa;
    uint32_t group; /* of its key: patterns of one key expression */
} leat_index_pattern;

/* Patterns are known by their place in the array from then on. */
leat_code leat_index_new(const leat_index_pattern *patterns, uint32_t count, leat_arena *arena,
                         leat_index **index, leat_err *err) LEAT_CHECKED;
/* How many predicates there are, and how many of them have to be evaluated for every event. */
uint32_t leat_index_predicates(const leat_index *index);
uint32_t leat_index_rest(const leat_index *index);
/* How events that fulfil a condition are found. */
typedef enum leat_index_ways {
    LEAT_WAY_FOUND,  /* by its tests alone */
    LEAT_WAY_TESTED, /* by some of them, and an evaluation */
    LEAT_WAY_REST,   /* by evaluating it for every event */
} leat_index_ways;
leat_index_ways leat_index_way(const leat_index *index, uint32_t pattern, uint32_t condition);

/* --- one event after the other --- */

typedef enum leat_verdict {
    LEAT_VERDICT_FAILS,
    LEAT_VERDICT_HOLDS,
    LEAT_VERDICT_BROKEN, /* its evaluation is an error of the record's */
    LEAT_VERDICT_MAYBE,  /* it depends on what a partial match has taken */
} leat_verdict;

leat_lookup *leat_lookup_new(const leat_index *index);
void leat_lookup_free(leat_lookup **lookup);
/* The event in hand; eval (slots, arena, load) must stay until the next. An error is none of the
 * record's. */
leat_code leat_lookup_begin(leat_lookup *lookup, const leat_eval *eval, leat_err *err) LEAT_CHECKED;
/* Of an event that is the LEAT_LOOKUP_AHEAD-th from that in hand, by its slots: asks for what
 * finding its predicates needs from memory; events are shown one after the other. Nothing happens
 * but that. Of use with many predicates. */
#define LEAT_LOOKUP_AHEAD 5
void leat_lookup_ahead(leat_lookup *lookup, const leat_value *slots);
/* The bits of all groups with a pattern of which a condition is not false. Groups from 63 on share
 * a bit. */
uint64_t leat_lookup_groups(const leat_lookup *lookup);
static inline uint64_t leat_index_group(uint32_t group)
{
    return (uint64_t)1 << (group < 63 ? group : 63);
}
leat_code leat_lookup_verdict(leat_lookup *lookup, uint32_t pattern, uint32_t condition,
                              leat_verdict *verdict, leat_err *err) LEAT_CHECKED;
/* What the pattern's conditions come to: HOLDS if any holds or may hold, else BROKEN if any is,
 * else FAILS. exact: find out also about those that are usually not worth it. */
leat_code leat_lookup_pattern(leat_lookup *lookup, uint32_t pattern, bool exact,
                              leat_verdict *verdict, leat_err *err) LEAT_CHECKED;
/* What the pattern's conditions are, whatever was taken, as far as that is known without an
 * evaluation: nothing, if some condition may be broken. Bits beyond its conditions mean nothing. */
void leat_lookup_answers(const leat_lookup *lookup, uint32_t pattern, leat_answers *answers);

/* --- sets of patterns --- */

/* The patterns that the event could begin a match of (some condition of their first takes holds),
 * and those of which such a condition may be broken. */
typedef struct leat_marks {
    uint64_t *words;
    uint64_t *summary; /* bit w % 64 of summary[w / 64]: words[w] is not 0 */
    uint32_t count;    /* of summary */
} leat_marks;
const leat_marks *leat_lookup_starts(leat_lookup *lookup); /* made when first asked for */
const leat_marks *leat_lookup_broken_starts(const leat_lookup *lookup);
/* All patterns with any condition that holds or may hold; made when first asked for. */
const leat_marks *leat_lookup_live(leat_lookup *lookup);
/* Most often an event concerns just one pattern: then it is told without any marks, and whether it
 * could begin a match of it. False: it is more than one, or none, or not known so simply. */
bool leat_lookup_lone(const leat_lookup *lookup, uint32_t *pattern, bool *starts);
/* Some condition may be broken: what leat_lookup_live tells is not all that can be of interest. */
bool leat_lookup_broken(const leat_lookup *lookup);

void leat_marks_init(leat_marks *marks, uint32_t patterns);
void leat_marks_release(leat_marks *marks);
static inline void leat_marks_add(leat_marks *marks, uint32_t pattern)
{
    uint32_t word = pattern / 64;
    marks->words[word] |= (uint64_t)1 << pattern % 64;
    marks->summary[word / 64] |= (uint64_t)1 << word % 64;
}
static inline bool leat_marks_has(const leat_marks *marks, uint32_t pattern)
{
    return (marks->words[pattern / 64] >> pattern % 64 & 1) != 0;
}
static inline void leat_marks_clear(leat_marks *marks)
{
    for (uint32_t s = 0; s < marks->count; s++) {
        for (uint64_t left = marks->summary[s]; left != 0; left &= left - 1)
            marks->words[s * 64 + (uint32_t)__builtin_ctzll(left)] = 0;
        marks->summary[s] = 0;
    }
}
/* The first pattern in marks of summary s or one behind it; false: there is none. */
bool leat_marks_later(const leat_marks *marks, uint32_t s, uint32_t *pattern);
/* The first pattern in marks that is not before `from`; false: there is none. */
static inline bool leat_marks_next(const leat_marks *marks, uint32_t from, uint32_t *pattern)
{
    uint32_t word = from / 64;
    uint32_t s = word / 64;
    if (s >= marks->count) return false;
    uint64_t words = marks->summary[s] >> word % 64; /* the first of them is `word` */
    uint64_t bits = marks->words[word] >> from % 64;
    if (bits != 0) {
        *pattern = from + (uint32_t)__builtin_ctzll(bits);
        return true;
    }
    words &= ~(uint64_t)1;
    if (words == 0) return s + 1 < marks->count && leat_marks_later(marks, s + 1, pattern);
    word += (uint32_t)__builtin_ctzll(words);
    *pattern = word * 64 + (uint32_t)__builtin_ctzll(marks->words[word]);
    return true;
}
/* marks |= other */
static inline void leat_marks_join(leat_marks *marks, const leat_marks *other)
{
    LEAT_ASSERT(marks->count == other->count);
    for (uint32_t s = 0; s < other->count; s++) {
        for (uint64_t left = other->summary[s]; left != 0; left &= left - 1) {
            uint32_t word = s * 64 + (uint32_t)__builtin_ctzll(left);
            marks->words[word] |= other->words[word];
        }
        marks->summary[s] |= other->summary[s];
    }
}

#endif
