/* SPDX-License-Identifier: Apache-2.0 */
/* What a decoder looks for: the requested paths as a tree. Internal to the JSON codec.
 * Owner: the plan's arena. Thread: immutable. */
#ifndef LEAT_SCHEMAS_JSON_PLAN_H
#define LEAT_SCHEMAS_JSON_PLAN_H

#include "schemas/codec_json.h"

typedef struct leat_json_target leat_json_target;
struct leat_json_target {
    leat_json_target *next;
    uint32_t slot;
    bool exact;
};

typedef struct leat_json_node leat_json_node;
struct leat_json_node {
    leat_str name;
    leat_json_target *targets; /* slots with this very value; NULL: only parts of it are read */
    leat_json_node **children; /* sorted by length, then bytes */
    uint32_t children_count;
    uint32_t shape; /* number of the decoder's shape, if there are children (or root) */
    leat_json_node *next, *first; /* while the tree is being made */
};

struct leat_json_plan {
    leat_json_limits limits;
    leat_json_node root;
    uint32_t shapes_count;
    uint32_t *slots; /* all that are filled */
    size_t slots_count;
};

const leat_json_node *leat_json_node_find(const leat_json_node *node, leat_str name); /* or NULL */

/* text, which is valid, without all but the last of members with the same key in one object. */
leat_code leat_json_dedupe(leat_str text, leat_arena *arena, leat_str *rewritten,
                           leat_err *err) LEAT_CHECKED;

#endif
