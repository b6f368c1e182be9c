/* SPDX-License-Identifier: Apache-2.0 */
/* What a step tells records apart by: the value of an expression, or the record's key; as bytes
 * that are the same for equal values. Planned once; owner: the plan. Thread: the shard's. */
#ifndef LEAT_TRANSFORMS_STEP_KEY_H
#define LEAT_TRANSFORMS_STEP_KEY_H

#include "transforms/operator.h"

/* The option by which a user vouches for what cannot be known. */
#define LEAT_SAME_PARTITION(struct_type)                                                           \
    {                                                                                              \
        .name = "same_partition", .type = LEAT_OPTION_BOOL,                                        \
        .offset = offsetof(struct_type, same_partition), .fallback = "false",                      \
        .doc = "Says that equal keys are always in one partition, where the key is not the "       \
               "source's `key`: a payment's id in a topic keyed by card, say. Without it such a "  \
               "key is refused on a topic of several partitions."                                  \
    }

typedef struct leat_step_key {
    const leat_expr *expr; /* NULL: the record's key */
} leat_step_key;

/* node: an expression's text; NULL: the record's key. stateful: the step keeps state by it, and
 * nobody has vouched for it, so that step->rekeys is set unless it is known to be the source's key.
 * False: a finding. */
bool leat_step_key_plan(leat_planner *planner, leat_step *step, const leat_node *node,
                        bool stateful, leat_step_key *key);
/* Appended to out as JSON. Numbers that CEL holds for equal (1 and 1.0) are written alike, as far
 * as a double can tell whole numbers apart. A record without key: null. */
leat_code leat_step_key_write(const leat_step_key *key, leat_run *run, const leat_record *record,
                              leat_buf *out, leat_err *err) LEAT_CHECKED;

#endif
