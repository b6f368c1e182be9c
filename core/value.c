/* SPDX-License-Identifier: Apache-2.0 */
/* Values: names of the tags, deep copies, sameness.
 *
 * A copy takes everything that a value borrows into one arena, so that it lives as long as that
 * arena; OBJECT alone stays a reference, because whoever made the object also knows how to keep it.
 * Recursion is bounded by DEPTH_MAX: input is limited to less, but an expression can nest lists as
 * deep as its cost allows, and the stack is not ours to spend. */
#include "core/value.h"

#define DEPTH_MAX 512u

int64_t leat_value_timestamp_ms(leat_value value)
{
    LEAT_ASSERT(value.tag == LEAT_TIMESTAMP);
    return value.as.i * 1000 + value.len / 1000000; /* the nanoseconds are added, never taken */
}

leat_value leat_value_timestamp_of_ms(int64_t ms)
{
    int64_t seconds = ms / 1000, rest = ms % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    return (leat_value){.tag = LEAT_TIMESTAMP, .len = (uint32_t)(rest * 1000000), .as.i = seconds};
}

static const char *const tag_names[LEAT_TAGS_COUNT] = {
    [LEAT_MISSING] = "missing",
    [LEAT_NULL] = "null_type",
    [LEAT_BOOL] = "bool",
    [LEAT_INT] = "int",
    [LEAT_UINT] = "uint",
    [LEAT_DOUBLE] = "double",
    [LEAT_STRING] = "string",
    [LEAT_BYTES] = "bytes",
    [LEAT_TIMESTAMP] = "google.protobuf.Timestamp",
    [LEAT_DURATION] = "google.protobuf.Duration",
    [LEAT_LIST] = "list",
    [LEAT_MAP] = "map",
    [LEAT_TYPE] = "type",
    [LEAT_OPTIONAL] = "optional_type",
    [LEAT_NUMBER] = "number",
    [LEAT_JSON] = "json",
    [LEAT_OBJECT] = "map", /* that is what it looks like from an expression */
    [LEAT_ERROR] = "error",
};

const char *leat_tag_name(leat_tag tag)
{
    LEAT_ASSERT(tag < LEAT_TAGS_COUNT && tag_names[tag] != NULL);
    return tag_names[tag];
}

static leat_code copy_deep(leat_value value, leat_arena *arena, unsigned depth, leat_value *copy,
                           leat_err *err);

static leat_code copy_items(const leat_value *items, size_t count, leat_arena *arena,
                            unsigned depth, const leat_value **copy, leat_err *err)
{
    leat_value *made = leat_arena_array(arena, count, sizeof *made);
    if (made == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < count; i++)
        LEAT_TRY(copy_deep(items[i], arena, depth, &made[i], err));
    *copy = made;
    return LEAT_OK;
}

static leat_code copy_entries(const leat_entry *entries, size_t count, leat_arena *arena,
                              unsigned depth, const leat_entry **copy, leat_err *err)
{
    leat_entry *made = leat_arena_array(arena, count, sizeof *made);
    if (made == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < count; i++) {
        LEAT_TRY(copy_deep(entries[i].key, arena, depth, &made[i].key, err));
        LEAT_TRY(copy_deep(entries[i].value, arena, depth, &made[i].value, err));
    }
    *copy = made;
    return LEAT_OK;
}

static leat_code copy_deep(leat_value value, leat_arena *arena, unsigned depth, leat_value *copy,
                           leat_err *err)
{
    if (depth == 0) return leat_err_set(err, LEAT_ERR_LIMIT, "a value is nested too deep to keep");
    *copy = value;
    switch ((leat_tag)value.tag) {
    case LEAT_STRING:
    case LEAT_BYTES:
    case LEAT_TYPE:
    case LEAT_NUMBER:
    case LEAT_JSON: {
        leat_str text = leat_arena_copy(arena, leat_value_str(value));
        if (text.data == NULL) return leat_arena_full(arena, err);
        copy->as.text = text.data;
        return LEAT_OK;
    }
    case LEAT_LIST:
        return copy_items(value.as.items, value.len, arena, depth - 1, &copy->as.items, err);
    case LEAT_MAP:
        return copy_entries(value.as.entries, value.len, arena, depth - 1, &copy->as.entries, err);
    case LEAT_OPTIONAL:
        if (value.as.items == NULL) return LEAT_OK;
        return copy_items(value.as.items, 1, arena, depth - 1, &copy->as.items, err);
    case LEAT_MISSING:
    case LEAT_NULL:
    case LEAT_BOOL:
    case LEAT_INT:
    case LEAT_UINT:
    case LEAT_DOUBLE:
    case LEAT_TIMESTAMP:
    case LEAT_DURATION:
    case LEAT_OBJECT:
    case LEAT_ERROR: return LEAT_OK;
    case LEAT_TAGS_COUNT: break;
    }
    LEAT_ASSERT(!"a value with a tag that does not exist");
    return LEAT_ERR_INTERNAL;
}

leat_code leat_value_copy(leat_value value, leat_arena *arena, leat_value *copy, leat_err *err)
{
    return copy_deep(value, arena, DEPTH_MAX, copy, err);
}

/* Keys are unique, so equal counts and each of a's entries in b mean the same set. */
static bool same_entries(leat_value a, leat_value b)
{
    for (uint32_t i = 0; i < a.len; i++) {
        bool found = false;
        for (uint32_t j = 0; j < b.len && !found; j++)
            found = leat_value_same(a.as.entries[i].key, b.as.entries[j].key) &&
                    leat_value_same(a.as.entries[i].value, b.as.entries[j].value);
        if (!found) return false;
    }
    return true;
}

static bool same_items(leat_value a, leat_value b)
{
    for (uint32_t i = 0; i < a.len; i++)
        if (!leat_value_same(a.as.items[i], b.as.items[i])) return false;
    return true;
}

bool leat_value_same(leat_value a, leat_value b)
{
    if (a.tag != b.tag) return false;
    switch ((leat_tag)a.tag) {
    case LEAT_MISSING:
    case LEAT_NULL: return true;
    case LEAT_BOOL: return a.as.b == b.as.b;
    case LEAT_INT:
    case LEAT_UINT:
    case LEAT_DOUBLE: return a.as.u == b.as.u;
    case LEAT_TIMESTAMP:
    case LEAT_DURATION: return a.as.i == b.as.i && a.len == b.len;
    case LEAT_STRING:
    case LEAT_BYTES:
    case LEAT_TYPE:
    case LEAT_NUMBER:
    case LEAT_JSON: return leat_str_equal(leat_value_str(a), leat_value_str(b));
    case LEAT_LIST: return a.len == b.len && same_items(a, b);
    case LEAT_MAP: return a.len == b.len && same_entries(a, b);
    case LEAT_OPTIONAL:
        if (a.as.items == NULL || b.as.items == NULL) return a.as.items == b.as.items;
        return leat_value_same(a.as.items[0], b.as.items[0]);
    case LEAT_OBJECT: return a.as.object == b.as.object;
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: break;
    }
    return false;
}
