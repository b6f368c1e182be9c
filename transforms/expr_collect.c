/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and maps that an expression makes, and the elements it goes through.
 *
 * Room is made once: a literal knows its length, a macro makes at most one element for each of its
 * range. What goes in is loaded, so that no list holds text of the input that nobody has looked
 * into; an error that goes in becomes the result. */
#include "transforms/expr_code.h"

/* The items of a list under construction: ours until the list is handed on. */
static leat_value *own_items(const leat_value *list)
{
    leat_value *items = NULL;
    memcpy(&items, &list->as.items, sizeof items);
    return items;
}

static leat_entry *own_entries(const leat_value *map)
{
    leat_entry *entries = NULL;
    memcpy(&entries, &map->as.entries, sizeof entries);
    return entries;
}

leat_value leat_expr_collection(leat_expr_run *run, bool map, uint32_t room)
{
    size_t bytes = map ? sizeof(leat_entry) : sizeof(leat_value);
    void *memory = leat_arena_array(run->arena, room > 0 ? room : 1, bytes);
    if (memory == NULL) return leat_expr_fail_full(run);
    return map ? leat_value_map(memory, 0) : leat_value_list(memory, 0);
}

/* Loads; an optional element is its value, or MISSING for none. */
static leat_value element_of(leat_expr_run *run, const leat_value *operand, bool maybe)
{
    leat_value value = leat_expr_load(run, operand);
    if (!maybe || value.tag == LEAT_ERROR) return value;
    if (value.tag != LEAT_OPTIONAL) {
        return leat_expr_no_overload(run, "optional element", &value, 1);
    }
    return value.as.items != NULL ? value.as.items[0] : LEAT_VALUE_MISSING;
}

bool leat_expr_list_add(leat_expr_run *run, leat_value *list, const leat_value *operand, bool maybe)
{
    if (list->tag == LEAT_ERROR) return false; /* the arena was full when it was made */
    leat_value value = element_of(run, operand, maybe);
    LEAT_ASSERT(list->tag == LEAT_LIST);
    if (value.tag == LEAT_ERROR) {
        *list = value;
        return false;
    }
    if (value.tag != LEAT_MISSING) own_items(list)[list->len++] = value;
    return true;
}

static bool key_allowed(leat_value key)
{
    return key.tag == LEAT_STRING || key.tag == LEAT_INT || key.tag == LEAT_UINT ||
           key.tag == LEAT_BOOL;
}

bool leat_expr_map_add(leat_expr_run *run, leat_value *map, const leat_value *key,
                       const leat_value *value, uint32_t how)
{
    if (map->tag == LEAT_ERROR) return false;
    LEAT_ASSERT(map->tag == LEAT_MAP);
    leat_entry entry = {leat_expr_load(run, key), element_of(run, value, how == 1)};
    leat_value error = LEAT_VALUE_MISSING;
    if (!leat_expr_charge(run, how == 2 ? 1 : map->len / 8)) error = leat_expr_fail_cost(run);
    if (entry.value.tag == LEAT_ERROR) error = entry.value;
    if (entry.key.tag == LEAT_ERROR) {
        error = entry.key;
    } else if (how != 2 && !key_allowed(entry.key)) {
        error = leat_expr_no_overload(run, "key of a map", &entry.key, 1);
    } else if (how != 2 && leat_expr_map_find(*map, entry.key) != NULL) {
        error = leat_expr_fail(run, LEAT_ERR_INVALID, "a map cannot have the same key twice");
    }
    if (error.tag == LEAT_ERROR) {
        *map = error;
        return false;
    }
    if (entry.value.tag != LEAT_MISSING) own_entries(map)[map->len++] = entry;
    return true;
}

bool leat_expr_map_merge(leat_expr_run *run, leat_value *map, const leat_value *operand)
{
    leat_value other = leat_expr_whole(run, leat_expr_load(run, operand));
    if (other.tag != LEAT_MAP) {
        *map = other.tag == LEAT_ERROR ? other
                                       : leat_expr_no_overload(run, "transformMapEntry", &other, 1);
        return false;
    }
    if (!leat_expr_charge(run, (uint64_t)map->len + other.len)) {
        *map = leat_expr_fail_cost(run);
        return false;
    }
    leat_value merged = leat_expr_collection(run, true, map->len + other.len);
    if (merged.tag == LEAT_MAP && map->len > 0) {
        memcpy(own_entries(&merged), map->as.entries, map->len * sizeof(leat_entry));
        merged.len = map->len;
    }
    *map = merged;
    for (uint32_t i = 0; i < other.len; i++) {
        const leat_entry *entry = &other.as.entries[i];
        if (!leat_expr_map_add(run, map, &entry->key, &entry->value, 0)) return false;
    }
    return map->tag == LEAT_MAP;
}

/* --- loops ------------------------------------------------------------------------------- */

bool leat_expr_loop_begin(leat_expr_run *run, const leat_value *operand, leat_value start,
                          leat_value *range, leat_value *dst)
{
    leat_value whole = leat_expr_whole(run, leat_expr_load(run, operand));
    if (whole.tag != LEAT_LIST && whole.tag != LEAT_MAP) {
        *dst = whole.tag == LEAT_ERROR ? whole
                                       : leat_expr_no_overload(run, "range of a macro", &whole, 1);
        return false;
    }
    if (start.tag == LEAT_LIST || start.tag == LEAT_MAP) {
        start = leat_expr_collection(run, start.tag == LEAT_MAP, whole.len);
    }
    range[0] = whole;
    range[1] = leat_value_int(0);
    *dst = start;
    return start.tag != LEAT_ERROR;
}

bool leat_expr_loop_take(leat_expr_op op, leat_value *dst, leat_value condition,
                         const leat_value *range)
{
    if (op == EXPR_OP_LOOP_ALL || op == EXPR_OP_LOOP_EXISTS) {
        if (condition.tag == LEAT_ERROR) { /* unless a later element decides */
            if (dst->tag != LEAT_ERROR) *dst = condition;
            return false;
        }
        if (condition.as.b != (op == EXPR_OP_LOOP_EXISTS)) return false;
        *dst = condition;
        return true;
    }
    if (condition.tag == LEAT_ERROR) {
        *dst = condition;
        return true;
    }
    if (!condition.as.b) return false;
    if (op == EXPR_OP_LOOP_ONE) {
        dst->as.i++;
    } else {
        own_items(dst)[dst->len++] = range[2];
    }
    return false;
}

leat_value leat_expr_need_optional(leat_expr_run *run, const leat_value *operand)
{
    leat_value value = leat_expr_load(run, operand);
    if (value.tag == LEAT_OPTIONAL || value.tag == LEAT_ERROR) return value;
    return leat_expr_no_overload(run, "optional", &value, 1);
}
