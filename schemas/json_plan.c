/* SPDX-License-Identifier: Apache-2.0 */
/* Requested paths become a tree; equal paths share a node, which then fills several slots.
 *
 *   a.b -> 0, a -> 1, c -> 2        root { a [1] { b [0] }, c [2] }
 *
 * Children are sorted, as the tree may be wide and an unknown key must not cost a walk over it. */
#include "schemas/json_plan.h"

#include <stdlib.h>

static int name_order(leat_str a, leat_str b)
{
    if (a.len != b.len) return a.len < b.len ? -1 : 1;
    return a.len == 0 ? 0 : memcmp(a.data, b.data, a.len);
}

static int child_order(const void *a, const void *b)
{
    const leat_json_node *const *left = a;
    const leat_json_node *const *right = b;
    return name_order((*left)->name, (*right)->name);
}

const leat_json_node *leat_json_node_find(const leat_json_node *node, leat_str name)
{
    uint32_t low = 0, high = node->children_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = name_order(name, node->children[middle]->name);
        if (order == 0) return node->children[middle];
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static leat_json_node *child_of(leat_json_node *node, leat_str name, leat_arena *arena)
{
    leat_json_node **link = &node->first;
    for (; *link != NULL; link = &(*link)->next) {
        if (leat_str_equal((*link)->name, name)) return *link;
    }
    leat_json_node *child = leat_arena_zero(arena, sizeof *child);
    if (child == NULL) return NULL;
    child->name = leat_arena_copy(arena, name);
    if (child->name.data == NULL) return NULL;
    *link = child;
    node->children_count++;
    return child;
}

static leat_code add_request(leat_json_plan *plan, const leat_slot_request *request,
                             leat_arena *arena, leat_err *err)
{
    LEAT_ASSERT(request->path.count > 0 && request->path.count <= LEAT_PATH_DEPTH_MAX);
    LEAT_ASSERT(request->slot != LEAT_SLOT_NONE);
    leat_json_node *node = &plan->root;
    for (size_t i = 0; i < request->path.count; i++) {
        node = child_of(node, request->path.names[i], arena);
        if (node == NULL) return leat_arena_full(arena, err);
    }
    leat_json_target *target = leat_arena_zero(arena, sizeof *target);
    if (target == NULL) return leat_arena_full(arena, err);
    *target = (leat_json_target){node->targets, request->slot, request->exact};
    node->targets = target;
    return LEAT_OK;
}

/* Depth is that of paths: the recursion is bounded by LEAT_PATH_DEPTH_MAX. */
static leat_code settle(leat_json_plan *plan, leat_json_node *node, leat_arena *arena,
                        leat_err *err)
{
    if (node->children_count == 0 && node != &plan->root) return LEAT_OK;
    node->shape = plan->shapes_count++;
    size_t count = node->children_count;
    node->children = leat_arena_zero(arena, (count + 1) * sizeof(leat_json_node *));
    if (node->children == NULL) return leat_arena_full(arena, err);
    size_t at = 0;
    for (leat_json_node *child = node->first; child != NULL; child = child->next) {
        node->children[at++] = child;
        LEAT_TRY(settle(plan, child, arena, err));
    }
    LEAT_ASSERT(at == count);
    qsort(node->children, count, sizeof(leat_json_node *), child_order);
    return LEAT_OK;
}

leat_code leat_json_plan_new(const leat_slot_request *requests, size_t count,
                             leat_json_limits limits, leat_arena *arena, leat_json_plan **plan,
                             leat_err *err)
{
    *plan = NULL;
    leat_json_plan *made = leat_arena_zero(arena, sizeof *made);
    if (made == NULL) return leat_arena_full(arena, err);
    made->limits = limits;
    made->slots = leat_arena_zero(arena, (count + 1) * sizeof made->slots[0]);
    if (made->slots == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < count; i++) {
        made->slots[made->slots_count++] = requests[i].slot;
        LEAT_TRY(add_request(made, &requests[i], arena, err));
    }
    LEAT_TRY(settle(made, &made->root, arena, err));
    *plan = made;
    return LEAT_OK;
}
