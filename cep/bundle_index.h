/* SPDX-License-Identifier: Apache-2.0 */
/* The bundles of one configuration by a field of an event that they have taken, so that an event
 * that is compared with it (`card == last(a).card`, `amount > last(a).amount`) finds those for
 * which the comparison holds, and need not look at the others.
 *
 *   equality   a hash table of groups of equal value
 *   order      sorted runs of doubling size, each with the sums of its items:
 *
 *        amounts   3   8   9   20  | 5   7  | 11      8.5 > amount?  left of here ...
 *        roots     r3  r8  r9  r20 | r5  r7 | r11
 *        sums      r3  ∪r8 ∪r9 ∪r20| r5  ∪r7| r11     ... and the sum there: r3 ∪ r8, r5 ∪ r7
 *
 * The root of a whole group, or of a run from one of its ends, is a union that is kept; an event
 * that does the same to all of them takes that one root, at a cost of the logarithm of their
 * number.
 *
 * Where steps have windows of their own, those that one event takes in are found by an index of
 * order, too: by the time of their last take. Whose window has passed is left of the threshold.
 *
 * An item names its bundle by its slots; it holds the runs that came to the bundle when it was
 * made, so a bundle may have several. Items are dropped when the graph is collected; meanwhile the
 * dead are passed over. The index is no state: it is made when a configuration has many bundles,
 * and anything that it is not told of makes it be made anew.
 * Owner: a matcher. Thread: the shard's. */
#ifndef LEAT_CEP_BUNDLE_INDEX_H
#define LEAT_CEP_BUNDLE_INDEX_H

#include "cep/link.h"
#include "cep/matcher_inside.h"

#define INDEX_RUNS_MAX  32
#define INDEX_FOUND_MAX 128

typedef struct index_item {
    leat_value value;
    leat_event *event;    /* a reference, where value is a text that lies in it; else NULL */
    uint32_t root, depth; /* 0: gone */
    uint32_t most;        /* root's */
    uint32_t slots;       /* of the bundle: a block of index->slots */
    uint32_t next;        /* in its group: the one before it, from 1; 0: none */
    uint32_t sum_most;    /* of node i of the run's tree, if this is the run's item i */
} index_item;

/* The union of an item's root and those before it, seen from one end of its run. */
typedef struct index_sum {
    uint32_t root, depth; /* root: 0: none of them lives; INDEX_VOID: to be made */
} index_sum;

#define INDEX_VOID UINT32_MAX

enum { INDEX_LOW, INDEX_HIGH, INDEX_ENDS };

typedef struct index_run {
    uint32_t from, count;
    bool laid;                 /* sum_most is there */
    uint32_t sums[INDEX_ENDS]; /* so many are there, from that end on */
} index_run;

typedef struct index_list {
    index_item *items;
    size_t count, size;
    index_sum *sums[INDEX_ENDS]; /* a run's begin where its items do, from either end */
    size_t sums_size[INDEX_ENDS];
    index_run runs[INDEX_RUNS_MAX]; /* order: of INT, DOUBLE, TEXT; the last may be open */
    uint32_t runs_count;
} index_list;

/* Items of equal value and kind. */
typedef struct index_group {
    uint64_t hash;
    uint32_t first;       /* the last that came, from 1; 0: a free place */
    uint32_t root, depth; /* of the items from `summed` on */
    uint32_t summed;      /* from 1; 0: none */
} index_group;

/* Of which bundles, and by what. */
typedef struct index_key {
    uint32_t config, slot;
    bool equality;
    bool timed; /* by the time of the slot's event; the field is none */
    leat_str field;
} index_key;

struct bundle_index {
    index_key by;
    bool stale; /* it has nothing, and has to be made anew */
    bool leaky; /* it may have runs that are not in their bundle any more: sums are void */
    index_list lists[LINK_KINDS];   /* by kind; equality: OTHER, and all others in the first */
    uint32_t *slots;                /* blocks of the machine's slots */
    size_t slots_count, slots_size; /* words */
    uint32_t slots_free;            /* a block, from 1, that has the next in its first word */
    index_group *groups;
    size_t groups_count, groups_size;
};

/* Items of a run, or a group. */
typedef struct index_range {
    uint32_t list, run;
    uint32_t from, to; /* group: its place */
} index_range;

/* What is found for a value. */
typedef struct index_found {
    index_range sure[INDEX_FOUND_MAX], unsure[INDEX_FOUND_MAX]; /* holds; has to be asked */
    uint32_t sure_count, unsure_count;
} index_found;

/* The index of the configuration of bundle `from` by that field, up to date; the bundles up to
 * `end` are of that configuration. arena: for a moment. NULL: there are too many already. */
leat_code bundle_index_of(leat_matcher *matcher, leat_arena *arena, const index_key *wanted,
                          size_t from, size_t end, bundle_index **index,
                          leat_err *err) LEAT_CHECKED;
/* Those for which `value op field` holds, and those of which nobody knows. False: too many
 * different ones. value is not OTHER, op not NE; == of an index of equality, others of order. */
bool bundle_index_find(const bundle_index *index, leat_link_op op, leat_value value,
                       index_found *found);
/* Each item of a range of which runs live at that bound; what the visit returns ends it. */
typedef leat_code (*index_visit)(void *self, index_item *item);
leat_code bundle_index_each(bundle_index *index, const index_range *range, uint32_t bound,
                            index_visit visit, void *self) LEAT_CHECKED;
/* Whether the range has more items than `least`, dead ones too. */
bool bundle_index_many(const bundle_index *index, const index_range *range, uint32_t least);
/* One of them that lives; NULL: none does. */
const index_item *bundle_index_one(bundle_index *index, const index_range *range, uint32_t bound);
/* The runs of all, added to *root and *depth. */
leat_code bundle_index_sum(bundle_index *index, graph *g, const index_range *range, uint32_t *root,
                           uint32_t *depth, leat_err *err) LEAT_CHECKED;
/* The bundle of an item has no runs any more. */
void bundle_index_gone(bundle_index *index, const index_range *range, index_item *item);
static inline const uint32_t *bundle_index_slots(const machine *m, const bundle_index *index,
                                                 const index_item *item)
{
    return index->slots + (size_t)item->slots * m->slots_count;
}

/* --- what happens to bundles --- */

/* Runs, those of c->root, came to the bundle that has c's configuration and slots. */
leat_code bundle_index_note(leat_matcher *matcher, leat_arena *arena, const bundle *c,
                            leat_err *err) LEAT_CHECKED;
/* A bundle of that configuration has no root any more; but: an index that knows. */
void bundle_index_leak(leat_matcher *matcher, uint32_t config, const bundle_index *but);
/* The same, as the shortest window of its steps has passed. */
void bundle_index_passed(leat_matcher *matcher, uint32_t config);
/* Roots have changed in another way. */
void bundle_index_void(leat_matcher *matcher);
/* The graph was collected. */
void bundle_index_collected(leat_matcher *matcher, const graph_moves *moves);
void bundle_index_release(leat_matcher *matcher);

/* --- bundle_runs.c: lists of sorted runs --- */
leat_code index_runs_add(index_list *list, index_item item, leat_err *err) LEAT_CHECKED;
/* The part of a run for which `value op item` holds. */
void index_run_find(const index_list *list, uint32_t run, leat_link_op op, leat_value value,
                    index_range *range);
leat_code index_run_each(index_list *list, const index_range *range, uint32_t bound,
                         index_visit visit, void *self) LEAT_CHECKED;
leat_code index_run_sum(index_list *list, graph *g, const index_range *range, uint32_t *root,
                        uint32_t *depth, leat_err *err) LEAT_CHECKED;
void index_run_gone(index_list *list, uint32_t run, index_item *item);
/* The graph was collected: what there is of a run's sums goes to `to`, where those of its items
 * that live will begin. */
void index_run_collected(index_list *list, uint32_t run, const graph_moves *moves, uint32_t to);

#endif
