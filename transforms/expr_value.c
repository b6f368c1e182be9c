/* SPDX-License-Identifier: Apache-2.0 */
/* Values as expressions see them: loading what the input left as text, equality, order, errors.
 *
 * Slots hold NUMBER and JSON until somebody needs the content; here it is needed. What was parsed
 * is kept for the rest of the evaluation, keyed by the address of its text, so that a loop that
 * reads a JSON field again and again parses it once. Only a few are kept: more fields than that are
 * seldom looked into, and a miss costs time, not correctness.
 *
 * Numbers compare across types as on one number line, except that an int or uint is rounded to a
 * double before it meets one, which is what the other implementations of CEL do. */
#include <stdio.h>

#include "schemas/codec_json.h"
#include "transforms/expr_code.h"

leat_value leat_expr_fail_format(leat_expr_run *run, leat_code code, const char *format, ...)
{
    leat_err err;
    va_list arguments;
    va_start(arguments, format);
    (void)leat_err_set_v(&err, code, format, arguments);
    va_end(arguments);
    return leat_expr_fail_err(run, &err);
}

leat_value leat_expr_fail_err(leat_expr_run *run, const leat_err *err)
{
    leat_str copy = leat_arena_copy(run->arena, leat_str_of(err->text));
    if (copy.data == NULL) return leat_expr_fail_full(run);
    return leat_expr_fail(run, err->code, copy.data);
}

leat_value leat_expr_fail_full(const leat_expr_run *run)
{
    return leat_expr_fail(run, LEAT_ERR_LIMIT, "the memory of the evaluation is used up");
}

leat_value leat_expr_fail_cost(const leat_expr_run *run)
{
    return leat_expr_fail(run, LEAT_ERR_COST, "the cost limit of the evaluation was reached");
}

/* --- loading ----------------------------------------------------------------------------- */

/* The slot was read and is not there. */
static leat_value load_missing(leat_expr_run *run, const leat_value *operand)
{
    const leat_expr *expr = run->expr;
    for (uint32_t i = 0; i < expr->slots_count; i++) {
        const leat_expr_slot *slot = &expr->slots[i];
        if (run->eval->slots == NULL || &run->eval->slots[slot->index] != operand) continue;
        if (slot->fallback.tag != LEAT_MISSING) return slot->fallback;
        return leat_expr_fail(run, LEAT_ERR_NO_FIELD, slot->missing);
    }
    return leat_expr_fail(run, LEAT_ERR_NO_FIELD, "no such field");
}

static leat_value load_json(leat_expr_run *run, const leat_value *operand)
{
    for (uint32_t i = 0; i < run->kept_count && i < LEAT_EXPR_KEPT; i++) {
        if (run->kept[i].text == operand->as.text) return run->kept[i].value;
    }
    if (!leat_expr_charge(run, operand->len / 8)) return leat_expr_fail_cost(run);
    leat_err err;
    leat_value value;
    leat_json_limits limits = {LEAT_JSON_LIMITS_DEFAULT.depth_max,
                               UINT32_MAX}; /* it is validated */
    leat_code code = leat_json_value(leat_value_str(*operand), limits, run->arena, &value, &err);
    if (code != LEAT_OK) return leat_expr_fail_err(run, &err);
    run->kept[run->kept_count % LEAT_EXPR_KEPT] = (leat_expr_kept){operand->as.text, value};
    run->kept_count++;
    return value;
}

leat_value leat_expr_load_slow(leat_expr_run *run, const leat_value *operand)
{
    if (operand->tag == LEAT_MISSING) return load_missing(run, operand);
    if (operand->tag == LEAT_JSON) return load_json(run, operand);
    LEAT_ASSERT(operand->tag == LEAT_NUMBER);
    leat_err err;
    leat_value value;
    if (leat_json_number(leat_value_str(*operand), &value, &err) != LEAT_OK) {
        return leat_expr_fail_err(run, &err);
    }
    return value;
}

leat_value leat_expr_whole(leat_expr_run *run, leat_value value)
{
    if (value.tag != LEAT_OBJECT) return value;
    leat_err err;
    leat_value whole = LEAT_VALUE_MISSING;
    const leat_object *object = value.as.object;
    if (object->type->whole(object, run->arena, &whole, &err) != LEAT_OK) {
        return leat_expr_fail_err(run, &err);
    }
    return leat_expr_load(run, &whole);
}

leat_value *leat_expr_items_new(leat_expr_run *run, size_t count)
{
    return leat_arena_array(run->arena, count > 0 ? count : 1, sizeof(leat_value));
}

leat_value leat_expr_optional_of(leat_expr_run *run, leat_value value)
{
    leat_value *item = leat_expr_items_new(run, 1);
    if (item == NULL) return leat_expr_fail_full(run);
    *item = value;
    return (leat_value){.tag = LEAT_OPTIONAL, .len = 1, .as.items = item};
}

const char *leat_expr_type_of(leat_value value)
{
    if (value.tag == LEAT_OBJECT && (value.flags & LEAT_EXPR_OPAQUE) != 0)
        return value.as.object->type->name;
    return leat_tag_name((leat_tag)value.tag);
}

/* Absorbed errors are never read, so the text is made of name and types only at the end, by
 * leat_expr_describe. */
leat_value leat_expr_no_overload(const leat_expr_run *run, const char *name, const leat_value *args,
                                 uint32_t count)
{
    leat_value error = leat_expr_fail(run, LEAT_ERR_NO_OVERLOAD, name);
    uint32_t first = count > 0 ? args[0].tag : 0u;
    uint32_t second = count > 1 ? args[1].tag : 0u;
    error.flags = (uint8_t)(count < 3 ? 1 + count : 4);
    error.reserved = (uint16_t)(error.reserved | first << 6 | second << 11);
    return error;
}

void leat_expr_describe(leat_value error, char *text, size_t size)
{
    LEAT_ASSERT(error.tag == LEAT_ERROR && error.as.text != NULL);
    if (error.flags == 0) {
        (void)snprintf(text, size, "%s", error.as.text);
        return;
    }
    const char *first = leat_tag_name((leat_tag)(error.reserved >> 6 & 31));
    const char *second = leat_tag_name((leat_tag)(error.reserved >> 11));
    (void)snprintf(text, size, "no such overload: '%s' applied to (%s%s%s%s)", error.as.text,
                   error.flags > 1 ? first : "", error.flags > 2 ? ", " : "",
                   error.flags > 2 ? second : "", error.flags > 3 ? ", ..." : "");
}

/* --- order ------------------------------------------------------------------------------- */

static int order_double(double a, double b)
{
    if (a < b) return -1;
    if (a > b) return 1;
    return a == b ? 0 : LEAT_EXPR_UNORDERED;
}

static int order_int(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int order_uint(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static bool is_number(leat_value value)
{
    return value.tag == LEAT_INT || value.tag == LEAT_UINT || value.tag == LEAT_DOUBLE;
}

static double as_double(leat_value value)
{
    if (value.tag == LEAT_INT) return (double)value.as.i;
    return value.tag == LEAT_UINT ? (double)value.as.u : value.as.d;
}

static int order_numbers(leat_value a, leat_value b)
{
    if (a.tag == LEAT_DOUBLE || b.tag == LEAT_DOUBLE)
        return order_double(as_double(a), as_double(b));
    if (a.tag == b.tag) {
        return a.tag == LEAT_INT ? order_int(a.as.i, b.as.i) : order_uint(a.as.u, b.as.u);
    }
    if (a.tag == LEAT_INT) return a.as.i < 0 ? -1 : order_uint((uint64_t)a.as.i, b.as.u);
    return b.as.i < 0 ? 1 : order_uint(a.as.u, (uint64_t)b.as.i);
}

static int order_time(leat_value a, leat_value b)
{
    int seconds = order_int(a.as.i, b.as.i);
    return seconds != 0 ? seconds : order_uint(a.len, b.len);
}

int leat_expr_compare(leat_value a, leat_value b)
{
    if (is_number(a) && is_number(b)) return order_numbers(a, b);
    if (a.tag != b.tag) return LEAT_EXPR_INCOMPARABLE;
    if (a.tag == LEAT_STRING || a.tag == LEAT_BYTES) {
        int order = leat_str_compare(leat_value_str(a), leat_value_str(b));
        return order < 0 ? -1 : order > 0;
    }
    if (a.tag == LEAT_TIMESTAMP || a.tag == LEAT_DURATION) return order_time(a, b);
    if (a.tag == LEAT_BOOL) return (int)a.as.b - (int)b.as.b;
    return LEAT_EXPR_INCOMPARABLE;
}

/* --- equality ---------------------------------------------------------------------------- */

const leat_value *leat_expr_map_find(leat_value map, leat_value key)
{
    LEAT_ASSERT(map.tag == LEAT_MAP);
    if (key.tag == LEAT_STRING) { /* by far the most */
        for (uint32_t i = 0; i < map.len; i++) {
            const leat_entry *entry = &map.as.entries[i];
            if (entry->key.tag == LEAT_STRING && entry->key.len == key.len &&
                leat_str_equal(leat_value_str(entry->key), leat_value_str(key))) {
                return &entry->value;
            }
        }
        return NULL;
    }
    for (uint32_t i = 0; i < map.len; i++) {
        if (leat_expr_compare(map.as.entries[i].key, key) == 0) return &map.as.entries[i].value;
    }
    return NULL;
}

static bool equal_lists(leat_expr_run *run, leat_value a, leat_value b)
{
    if (a.len != b.len) return false;
    for (uint32_t i = 0; i < a.len; i++) {
        if (!leat_expr_equal(run, a.as.items[i], b.as.items[i])) return false;
    }
    return true;
}

static bool equal_maps(leat_expr_run *run, leat_value a, leat_value b)
{
    if (a.len != b.len) return false;
    for (uint32_t i = 0; i < a.len; i++) {
        const leat_value *other = leat_expr_map_find(b, a.as.entries[i].key);
        run->cost += b.len / 8;
        if (other == NULL || !leat_expr_equal(run, a.as.entries[i].value, *other)) return false;
    }
    return true;
}

static bool equal_objects(leat_expr_run *run, leat_value a, leat_value b)
{
    if (a.tag == b.tag && a.as.object == b.as.object) return true;
    if (a.tag == b.tag && a.flags != 0 && a.as.object->type != b.as.object->type) return false;
    if ((a.tag != b.tag) && (a.flags | b.flags) != 0) return false;
    leat_value left = leat_expr_whole(run, a);
    leat_value right = leat_expr_whole(run, b);
    if (left.tag == LEAT_ERROR || right.tag == LEAT_ERROR) return false;
    LEAT_ASSERT(left.tag != LEAT_OBJECT && right.tag != LEAT_OBJECT);
    return leat_expr_equal(run, left, right);
}

bool leat_expr_equal(leat_expr_run *run, leat_value a, leat_value b)
{
    run->cost++;
    if (run->cost > run->cost_max) return false; /* the next step or element notices */
    if (is_number(a) && is_number(b)) return order_numbers(a, b) == 0;
    if (a.tag == LEAT_OBJECT || b.tag == LEAT_OBJECT) return equal_objects(run, a, b);
    if (a.tag != b.tag) return false;
    switch ((leat_tag)a.tag) {
    case LEAT_NULL: return true;
    case LEAT_BOOL: return a.as.b == b.as.b;
    case LEAT_STRING:
    case LEAT_BYTES:
    case LEAT_TYPE: return leat_str_equal(leat_value_str(a), leat_value_str(b));
    case LEAT_TIMESTAMP:
    case LEAT_DURATION: return a.as.i == b.as.i && a.len == b.len;
    case LEAT_LIST: return equal_lists(run, a, b);
    case LEAT_MAP: return equal_maps(run, a, b);
    case LEAT_OPTIONAL:
        if (a.as.items == NULL || b.as.items == NULL) return a.as.items == b.as.items;
        return leat_expr_equal(run, a.as.items[0], b.as.items[0]);
    case LEAT_INT:
    case LEAT_UINT:
    case LEAT_DOUBLE:
    case LEAT_OBJECT:
    case LEAT_MISSING:
    case LEAT_NUMBER:
    case LEAT_JSON:
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: break;
    }
    LEAT_ASSERT(!"a value that is not loaded");
    return false;
}
