/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of values: a.b, a[b], has(a.b), `b in a`.
 *
 * Lists are indexed by whole numbers of any type, maps by their keys, OBJECT by names through its
 * type. Optionals pass through: a part of one is an optional again, and a part that is not there is
 * none. Maps are searched from front to back: those of events are small, and a search is charged by
 * the length of the map. */
#include <math.h>

#include "transforms/expr_code.h"

#define NONE ((leat_value){.tag = LEAT_OPTIONAL})

/* A whole number as an index; false: it is none. */
static bool as_index(leat_value key, int64_t *index)
{
    if (key.tag == LEAT_INT) {
        *index = key.as.i;
        return true;
    }
    if (key.tag == LEAT_UINT) {
        *index = key.as.u > INT64_MAX ? INT64_MAX : (int64_t)key.as.u;
        return true;
    }
    if (key.tag == LEAT_DOUBLE && key.as.d == floor(key.as.d) && fabs(key.as.d) < 1e15) {
        *index = (int64_t)key.as.d;
        return true;
    }
    return false;
}

static leat_value list_part(leat_expr_run *run, leat_value list, leat_value key)
{
    int64_t index = 0;
    if (!as_index(key, &index)) {
        return leat_expr_no_overload(run, "_[_]", (leat_value[]){list, key}, 2);
    }
    if (index < 0 || index >= list.len) return LEAT_VALUE_MISSING;
    return list.as.items[index];
}

static leat_value object_part(leat_expr_run *run, leat_value object, leat_value key)
{
    leat_err err;
    leat_value value = LEAT_VALUE_MISSING;
    if (key.tag != LEAT_STRING) return LEAT_VALUE_MISSING;
    leat_code code = object.as.object->type->field(object.as.object, leat_value_str(key),
                                                   run->arena, &value, &err);
    if (code != LEAT_OK) return leat_expr_fail_err(run, &err);
    return value.tag == LEAT_MISSING ? value : leat_expr_load(run, &value);
}

/* The part, MISSING if it is not there, or an error. container is no optional. */
static leat_value find_part(leat_expr_run *run, leat_value container, leat_value key, bool field)
{
    if (container.tag == LEAT_LIST && !field) return list_part(run, container, key);
    if (container.tag == LEAT_MAP) {
        if (!leat_expr_charge(run, container.len / 16)) return leat_expr_fail_cost(run);
        bool allowed = key.tag == LEAT_STRING || key.tag == LEAT_INT || key.tag == LEAT_UINT ||
                       key.tag == LEAT_BOOL || key.tag == LEAT_DOUBLE;
        if (!allowed) return leat_expr_no_overload(run, "_[_]", (leat_value[]){container, key}, 2);
        const leat_value *found = leat_expr_map_find(container, key);
        return found != NULL ? *found : LEAT_VALUE_MISSING;
    }
    if (container.tag == LEAT_OBJECT && (container.flags & LEAT_EXPR_OPAQUE) == 0) {
        return object_part(run, container, key);
    }
    return leat_expr_no_overload(run, field ? "field selection" : "_[_]",
                                 (leat_value[]){container, key}, 2);
}

static leat_value absent(leat_expr_run *run, leat_value container, leat_value key)
{
    if (container.tag == LEAT_LIST) {
        return leat_expr_fail(run, LEAT_ERR_RANGE, "index out of range of the list");
    }
    if (key.tag != LEAT_STRING) return leat_expr_fail(run, LEAT_ERR_NO_FIELD, "no such key");
    return leat_expr_fail_format(run, LEAT_ERR_NO_FIELD, "no such key '%.*s'",
                                 key.len > 100 ? 100 : (int)key.len, key.as.text);
}

static leat_value part(leat_expr_run *run, leat_value container, leat_value key, bool optional,
                       bool field)
{
    if (container.tag == LEAT_ERROR) return container;
    if (key.tag == LEAT_ERROR) return key;
    if (container.tag == LEAT_OPTIONAL) {
        if (container.as.items == NULL) return container;
        container = container.as.items[0];
        optional = true;
    }
    leat_value found = find_part(run, container, key, field);
    if (found.tag == LEAT_ERROR) return found;
    if (found.tag == LEAT_MISSING) return optional ? NONE : absent(run, container, key);
    return optional ? leat_expr_optional_of(run, found) : found;
}

leat_value leat_expr_select(leat_expr_run *run, const leat_value *operand, leat_value name,
                            bool optional)
{
    LEAT_ASSERT(name.tag == LEAT_STRING);
    return part(run, leat_expr_load(run, operand), name, optional, true);
}

leat_value leat_expr_index(leat_expr_run *run, const leat_value *operand, const leat_value *index,
                           bool optional)
{
    return part(run, leat_expr_load(run, operand), leat_expr_load(run, index), optional, false);
}

leat_value leat_expr_has(leat_expr_run *run, const leat_value *operand, leat_value name)
{
    leat_value container = leat_expr_load(run, operand);
    if (container.tag == LEAT_ERROR) return container;
    if (container.tag == LEAT_OPTIONAL) {
        if (container.as.items == NULL) return leat_value_bool(false);
        container = container.as.items[0];
    }
    leat_value found = find_part(run, container, name, true);
    return found.tag == LEAT_ERROR ? found : leat_value_bool(found.tag != LEAT_MISSING);
}

static leat_value in_list(leat_expr_run *run, leat_value item, leat_value list)
{
    if (item.tag == LEAT_STRING) { /* mostly a few words written in the expression */
        leat_str text = leat_value_str(item);
        if (!leat_expr_charge(run, list.len / 4)) return leat_expr_fail_cost(run);
        for (uint32_t i = 0; i < list.len; i++) {
            const leat_value *other = &list.as.items[i];
            if (other->tag == LEAT_STRING && other->len == item.len &&
                leat_str_equal(leat_value_str(*other), text)) {
                return leat_value_bool(true);
            }
        }
        return leat_value_bool(false);
    }
    for (uint32_t i = 0; i < list.len; i++) {
        if (leat_expr_equal(run, item, list.as.items[i])) return leat_value_bool(true);
    }
    if (run->cost > run->cost_max) return leat_expr_fail_cost(run);
    return leat_value_bool(false);
}

leat_value leat_expr_in(leat_expr_run *run, const leat_value *item, const leat_value *range)
{
    leat_value needle = leat_expr_load(run, item);
    leat_value container = leat_expr_load(run, range);
    if (needle.tag == LEAT_ERROR) return needle;
    if (container.tag == LEAT_ERROR) return container;
    if (container.tag == LEAT_LIST) return in_list(run, needle, container);
    bool object = container.tag == LEAT_OBJECT && (container.flags & LEAT_EXPR_OPAQUE) == 0;
    if (container.tag == LEAT_MAP || object) {
        leat_value found = find_part(run, container, needle, false);
        return found.tag == LEAT_ERROR ? found : leat_value_bool(found.tag != LEAT_MISSING);
    }
    return leat_expr_no_overload(run, "@in", (leat_value[]){needle, container}, 2);
}
