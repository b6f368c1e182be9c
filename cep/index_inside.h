/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the predicate index share; nobody else includes it.
 *
 *   index.c         predicates and patterns -> index
 *   index_access.c  by which tests a predicate is found
 *   index_slot.c    the tables of one slot: made, and asked
 *   index_lookup.c  an event through the index
 *   index_ahead.c   what those to come will need
 *   index_marks.c   sets of patterns
 *
 * Lists of predicates are chains through one array of links; 0 ends a chain. */
#ifndef LEAT_CEP_INDEX_INSIDE_H
#define LEAT_CEP_INDEX_INSIDE_H

#include "cep/index.h"
#include "cep/link.h"
#include "transforms/expr_form.h"

/* Patterns in ascending order; bits: the same as words, where that is the smaller form. A single
 * one stands in the set itself, which therefore stays where it is: most conditions are of one
 * pattern, and what has to be fetched for one of thousands decides what an event costs. */
typedef struct index_set {
    const uint32_t *items;
    uint32_t count, one;
    const uint64_t *bits;
} index_set;

/* What an access needs of the slot's value, which is an error where it is not met. */
typedef enum index_kind {
    INDEX_VALUE = 1,  /* any value: ==, in */
    INDEX_NUMBER = 2, /* <, >= ... */
    INDEX_TEXT = 4,   /* startsWith, matches */
    INDEX_THERE = 8,  /* nothing: has() */
} index_kind;
#define INDEX_KINDS 4

typedef struct index_link {
    uint32_t predicate, next;
} index_link;
#define INDEX_ONE 0x80000000u /* in a head that is found: no list, the rest is the predicate */

/* One test by which a predicate is found. */
typedef enum index_what {
    INDEX_EQUAL,
    INDEX_RANGE,
    INDEX_PREFIX,
    INDEX_SOME_TEXT,
    INDEX_IS_THERE
} index_what;
typedef struct index_access {
    index_what what;
    index_kind kind;
    uint32_t table;           /* of the slot */
    leat_value constant;      /* EQUAL, PREFIX */
    double low, high;         /* RANGE */
    bool low_open, high_open; /* the bound itself is not in it */
} index_access;

/* Where an access can fail. */
typedef struct index_place {
    uint32_t table;
    index_kind kind;
} index_place;

#define INDEX_SEVERAL UINT32_MAX

/* First what each event needs that it holds for. */
typedef struct index_predicate {
    bool reads;         /* steps */
    bool exact;         /* it holds where its access does */
    bool rest;          /* no access: evaluated for every event */
    uint32_t condition; /* that it is, of its only user; INDEX_SEVERAL */
    uint64_t groups;
    index_set starts; /* patterns whose first takes ask for it */
    index_set users;  /* patterns that have it */
    const leat_expr *expr;
    const index_place *places;
    uint32_t places_count;
} index_predicate;

/* Predicates whose access fails together, unless guard is false, which makes them all false. */
typedef struct index_bucket {
    const leat_form *guard; /* NULL: none */
    uint32_t head;          /* links */
    uint64_t groups;
    index_set starts;
} index_bucket;
#define INDEX_BUCKETS_MAX 64 /* of one slot and kind; those beyond go without guard */

/* A quarter of a line of the cache; the constants lie elsewhere, as of a number the hash tells all.
 */
typedef struct index_equal {
    uint64_t hash;
    uint32_t head;
    leat_tag tag; /* of its constant, DOUBLE of any number; MISSING: a free place */
} index_equal;

typedef struct index_slot {
    uint32_t slot;
    bool fallback;
    uint32_t all, there, texts; /* links: every predicate; of has(); of any text */
    /* == */
    bool plain; /* == is all that it is tested by */
    index_equal *equals;
    leat_value *constants; /* by place in equals */
    uint32_t equals_size;  /* a power of two, or 0 */
    /* ranges: bounds ascending; position 2k + 1 is bounds[k] itself, 2k what is below it */
    double *bounds;
    uint32_t bounds_count;
    uint32_t *nodes; /* of a segment tree over positions: links */
    uint32_t leaves; /* a power of two, or 0 */
    /* startsWith: ascending; parents[i]: the longest other that prefixes[i] begins with, or i */
    leat_str *prefixes;
    uint32_t *parents, *prefix_heads;
    uint32_t prefixes_count;
    index_bucket *buckets[INDEX_KINDS];
    uint32_t buckets_count[INDEX_KINDS];
    unsigned kinds; /* that have buckets */
} index_slot;

typedef struct index_pattern {
    const uint32_t *predicates; /* by condition; NULL: outside */
    uint32_t count;
    uint32_t group;
} index_pattern;

#define INDEX_LOOKS_MAX 16

struct leat_index {
    const leat_looks *looks; /* by predicate; NULL: there are more than INDEX_LOOKS_MAX */
    index_predicate *predicates;
    uint32_t predicates_count;
    index_pattern *patterns;
    uint32_t patterns_count;
    bool direct; /* there is one pattern, its conditions are the predicates, in order; and looks */
    index_slot *slots;
    uint32_t slots_count;
    index_link *links;
    uint32_t links_count, links_size;
    const uint32_t *rest; /* predicates */
    uint32_t rest_count;
    index_set always; /* patterns that any event could begin */
    uint64_t always_groups;
};

#define INDEX_AHEAD       4 /* events to come that are looked at; a power of two */
#define INDEX_AHEAD_SLOTS 4 /* of each */

/* What an event needs of a predicate, in half a line of the cache: what is known of it, and from
 * the index what most often is all that has to be known. */
typedef struct index_known {
    uint64_t event; /* of which this is known: */
    uint64_t groups;
    uint32_t user;      /* the only pattern that has it; INDEX_SEVERAL */
    uint32_t condition; /* that it is of that; INDEX_SEVERAL */
    uint8_t verdict;
    uint8_t useless; /* blind tries in a row that told nothing */
    bool untried;    /* MAYBE without having been tried */
    bool exact, reads;
    bool starts; /* a pattern can begin by it; of several, some can */
} index_known;
_Static_assert(sizeof(index_known) == 32, "half a line");

/* The head of each list of predicates whose test of the slot holds. */
typedef struct index_found {
    uint32_t *heads;
    uint32_t count, size;
} index_found;

/* What a value to come is looked for by. */
typedef struct index_soon {
    uint64_t hash;
    leat_tag tag; /* MISSING: it is not */
} index_soon;

struct leat_lookup {
    const leat_index *index;
    const leat_eval *base;
    leat_eval eval; /* base's, with what the steps are; of event number `evaluated` */
    uint64_t event; /* number of the one in hand */
    uint64_t evaluated;
    index_known *known; /* by predicate */
    uint32_t *live;     /* predicates that are not known to be false */
    uint32_t live_count;
    uint8_t *broken; /* by slot: kinds of access that fail */
    uint64_t groups;
    uint64_t holds, maybe; /* predicates, where each is looked at */
    uint32_t lone;         /* the only pattern that has any of live; INDEX_SEVERAL */
    bool lone_starts;      /* it can begin by it */
    bool starts_made, patterns_made, may_break;
    leat_marks starts, broken_starts, patterns;
    bool marked; /* broken_starts has any */
    index_found found;
    index_soon soon[INDEX_AHEAD][INDEX_AHEAD_SLOTS];
    uint32_t soon_count; /* events that were looked at */
    uint32_t soon_slots; /* of each; 0: all that there is lies together */
};

/* While an index is made. */
typedef struct index_builder {
    leat_arena *arena;
    leat_index *index;
    leat_err *err;
    index_access **accesses; /* by predicate */
    uint32_t *accesses_count;
    const leat_form **guards;
} index_builder;

void *index_alloc(index_builder *b, size_t count, size_t bytes); /* zeroed; NULL: b->err is set */
leat_code index_set_new(index_builder *b, uint32_t *items, uint32_t count,
                        index_set *set) LEAT_CHECKED;

/* --- index_access.c --- */
/* Sets accesses, guards, and of the predicates exact, rest and places; makes the slots. */
leat_code index_choose(index_builder *b) LEAT_CHECKED;
/* Its place on the double line, where numbers of different types are compared; false: it is none.
 */
static inline bool index_number(leat_value value, double *number)
{
    if (value.tag == LEAT_INT) {
        *number = (double)value.as.i;
        return true;
    }
    if (value.tag == LEAT_DOUBLE) {
        *number = value.as.d;
        return true;
    }
    if (value.tag == LEAT_UINT) {
        *number = (double)value.as.u;
        return true;
    }
    return false;
}

/* --- index_marks.c --- */
void index_mark_many(leat_marks *marks, const leat_index *index, const index_set *set);
static inline void index_mark(leat_marks *marks, const leat_index *index, const index_set *set)
{
    if (LEAT_LIKELY(set->count == 1))
        leat_marks_add(marks, set->one);
    else if (set->count > 0)
        index_mark_many(marks, index, set);
}

/* --- index_slot.c --- */
/* Tables of all slots from the accesses; the buckets are still without sets. */
leat_code index_fill(index_builder *b) LEAT_CHECKED;
uint64_t index_hash(leat_value value);       /* of what index_same compares */
bool index_same(leat_value a, leat_value b); /* as CEL's ==, of scalars that are no NaN */
uint32_t index_slot_heads_max(const index_slot *slot);
void index_slot_find(const index_slot *slot, leat_value value, index_found *found);
/* The head of what has this hash, most likely: of a number for certain. 0: there is none. */
static inline uint32_t index_head(const index_slot *slot, uint64_t hash, leat_tag tag)
{
    uint32_t mask = slot->equals_size - 1;
    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
        const index_equal *e = &slot->equals[at];
        if (e->hash == hash && e->tag == tag) return e->head;
        if (e->tag == LEAT_MISSING) return 0;
    }
}

#endif
