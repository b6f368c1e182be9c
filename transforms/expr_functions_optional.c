/* SPDX-License-Identifier: Apache-2.0 */
/* Optionals: a value that may be there or not, so that `a.?b.orValue(0)` needs no has().
 *
 * An optional is one item or none; selecting from one is in expr_access.c, optMap in the loop
 * steps. What becomes of one that is written out, its value or null, is expr_out.c's to say; here
 * it is a value like any other, which lists may hold. */
#include "transforms/expr_function.h"

#define NONE ((leat_value){.tag = LEAT_OPTIONAL})

leat_value leat_expr_optional_make(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    return leat_expr_optional_of(run, args[0]);
}

leat_value leat_expr_optional_none(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    (void)args;
    LEAT_ASSERT(count == 0);
    return NONE;
}

/* false, 0, "", [], {}, null, an empty optional, the beginning of 1970, no time at all */
static bool is_zero(leat_value value)
{
    switch ((leat_tag)value.tag) {
    case LEAT_NULL: return true;
    case LEAT_BOOL: return !value.as.b;
    case LEAT_INT:
    case LEAT_UINT: return value.as.u == 0;
    case LEAT_DOUBLE: return value.as.d == 0.0;
    case LEAT_TIMESTAMP:
    case LEAT_DURATION: return value.as.i == 0 && value.len == 0;
    case LEAT_STRING:
    case LEAT_BYTES:
    case LEAT_LIST:
    case LEAT_MAP: return value.len == 0;
    case LEAT_OPTIONAL: return value.as.items == NULL;
    case LEAT_TYPE:
    case LEAT_OBJECT:
    case LEAT_MISSING:
    case LEAT_NUMBER:
    case LEAT_JSON:
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: break;
    }
    return false;
}

leat_value leat_expr_optional_non_zero(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    return is_zero(args[0]) ? NONE : leat_expr_optional_of(run, args[0]);
}

leat_value leat_expr_has_value(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    LEAT_ASSERT(count == 1);
    return leat_value_bool(args[0].as.items != NULL);
}

leat_value leat_expr_optional_value(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    if (args[0].as.items != NULL) return args[0].as.items[0];
    return leat_expr_fail(run, LEAT_ERR_INVALID, "value() of an optional that has none");
}

leat_value leat_expr_optional_or(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    LEAT_ASSERT(count == 2);
    return args[0].as.items != NULL ? args[0] : args[1];
}

leat_value leat_expr_or_value(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    LEAT_ASSERT(count == 2);
    return args[0].as.items != NULL ? args[0].as.items[0] : args[1];
}

leat_value leat_expr_unwrap(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    uint32_t kept = 0;
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_LIST);
    if (!leat_expr_charge(run, args[0].len)) return leat_expr_fail_cost(run);
    leat_value *items = leat_expr_items_new(run, args[0].len);
    if (items == NULL) return leat_expr_fail_full(run);
    for (uint32_t i = 0; i < args[0].len; i++) {
        leat_value item = args[0].as.items[i];
        if (item.tag != LEAT_OPTIONAL) return leat_expr_no_overload(run, "unwrap", &item, 1);
        if (item.as.items != NULL) items[kept++] = item.as.items[0];
    }
    return leat_value_list(items, kept);
}

leat_value leat_expr_first_optional(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_LIST);
    return args[0].len > 0 ? leat_expr_optional_of(run, args[0].as.items[0]) : NONE;
}

leat_value leat_expr_last_optional(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_LIST);
    uint32_t len = args[0].len;
    return len > 0 ? leat_expr_optional_of(run, args[0].as.items[len - 1]) : NONE;
}
