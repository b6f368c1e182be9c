/* SPDX-License-Identifier: Apache-2.0 */
/* A value against a schema: a walk over both at once, which stops at the first thing that is wrong
 * and says where it is. Where an alternative is only tried (anyOf, not, if), what it says is thrown
 * away, but for the first of anyOf.
 *
 * A schema may refer to itself without going down in the value, and alternatives may multiply: the
 * steps of a check are counted, and past a million it is given up as the record's mistake.
 *
 * Numbers are compared as numbers: 1, 1.0 and 1e0 are one value, and 1.0 is an integer. Lengths are
 * in characters. */
#include <math.h>

#include "core/number.h"
#include "schemas/codec_json.h"
#include "schemas/json_schema_inside.h"

#define STEPS_MAX 1000000u
#define DEPTH_MAX 800u /* of ~2 KiB of stack each */

/* The way to a value, innermost first. */
typedef struct place {
    const struct place *outer;
    leat_str name; /* data NULL: an index */
    size_t index;
} place;

typedef struct checking {
    leat_arena *arena;
    leat_err *err;
    uint32_t steps, depth;
    bool given_up;
} checking;

static bool check(checking *c, const leat_json_schema *schema, leat_value value, const place *at);

/* --- saying what is wrong --- */

static void put_place(const place *at, leat_buf *out)
{
    if (at == NULL || at->outer == NULL) return;
    put_place(at->outer, out);
    if (at->name.data == NULL) {
        leat_buf_add_format(out, "[%zu]", at->index);
        return;
    }
    if (out->len > 0) leat_buf_add_char(out, '.');
    leat_buf_add(out, at->name);
}

static bool wrong(checking *c, const place *at, const char *format, ...) LEAT_PRINTF(3, 4);
static bool wrong(checking *c, const place *at, const char *format, ...)
{
    va_list arguments;
    leat_buf path;
    LEAT_ASSERT(at != NULL);
    if (c->given_up) return false;
    va_start(arguments, format);
    (void)leat_err_set_v(c->err, LEAT_ERR_INVALID, format, arguments);
    va_end(arguments);
    leat_buf_init(&path, 256); /* a longer one is cut off */
    put_place(at, &path);
    if (path.len > 0) (void)leat_err_prefix(c->err, "%.*s", LEAT_STR_ARG(leat_buf_str(&path)));
    leat_buf_release(&path);
    return false;
}

static bool step(checking *c)
{
    if (++c->steps <= STEPS_MAX && c->depth <= DEPTH_MAX) return true;
    if (!c->given_up)
        (void)leat_err_set(c->err, LEAT_ERR_COST, "the check against the schema takes too long");
    c->given_up = true;
    return false;
}

/* --- values --- */

static bool is_number(leat_value value)
{
    return value.tag == LEAT_INT || value.tag == LEAT_UINT || value.tag == LEAT_DOUBLE ||
           value.tag == LEAT_NUMBER;
}

static double number_of(leat_value value)
{
    double number = 0;
    switch (value.tag) {
    case LEAT_INT: return (double)value.as.i;
    case LEAT_UINT: return (double)value.as.u;
    case LEAT_DOUBLE: return value.as.d;
    default:
        LEAT_ASSERT(value.tag == LEAT_NUMBER);
        (void)leat_number_double(leat_value_str(value), &number);
        return number; /* infinity, where it is beyond double */
    }
}

static bool is_whole(leat_value value)
{
    if (value.tag == LEAT_INT || value.tag == LEAT_UINT) return true;
    double number = number_of(value);
    return isinf(number) || (trunc(number) >= number && trunc(number) <= number);
}

static bool same_number(leat_value a, leat_value b)
{
    if (a.tag == LEAT_INT && b.tag == LEAT_INT) return a.as.i == b.as.i;
    if (a.tag == LEAT_NUMBER && b.tag == LEAT_NUMBER &&
        leat_str_equal(leat_value_str(a), leat_value_str(b)))
        return true;
    double x = number_of(a), y = number_of(b);
    return !isinf(x) && x >= y && x <= y;
}

static const leat_value *member_of(leat_value map, leat_str name)
{
    for (uint32_t i = 0; i < map.len; i++)
        if (leat_str_equal(leat_value_str(map.as.entries[i].key), name))
            return &map.as.entries[i].value;
    return NULL;
}

static bool same(checking *c, leat_value a, leat_value b)
{
    if (!step(c)) return false;
    if (is_number(a) && is_number(b)) return same_number(a, b);
    if (a.tag != b.tag) return false;
    if (a.tag == LEAT_STRING) return leat_str_equal(leat_value_str(a), leat_value_str(b));
    if (a.tag != LEAT_LIST && a.tag != LEAT_MAP) return leat_value_same(a, b);
    bool equal = a.len == b.len;
    for (uint32_t i = 0; i < a.len && equal; i++) {
        if (a.tag == LEAT_LIST) {
            equal = same(c, a.as.items[i], b.as.items[i]);
            continue;
        }
        const leat_value *other = member_of(b, leat_value_str(a.as.entries[i].key));
        equal = other != NULL && same(c, a.as.entries[i].value, *other);
    }
    return equal;
}

static const char *type_name(leat_value value)
{
    switch (value.tag) {
    case LEAT_NULL: return "null";
    case LEAT_BOOL: return "boolean";
    case LEAT_MAP: return "object";
    case LEAT_LIST: return "array";
    case LEAT_STRING: return "string";
    default: return is_whole(value) ? "integer" : "number";
    }
}

static unsigned types_of(leat_value value)
{
    switch (value.tag) {
    case LEAT_NULL: return SCHEMA_NULL;
    case LEAT_BOOL: return SCHEMA_BOOLEAN;
    case LEAT_MAP: return SCHEMA_OBJECT;
    case LEAT_LIST: return SCHEMA_ARRAY;
    case LEAT_STRING: return SCHEMA_STRING;
    default:
        LEAT_ASSERT(is_number(value));
        return is_whole(value) ? SCHEMA_NUMBER | SCHEMA_INTEGER : SCHEMA_NUMBER;
    }
}

/* --- keywords --- */

static bool check_type(checking *c, const leat_json_schema *schema, leat_value value,
                       const place *at)
{
    static const char *const names[] = {"null",   "boolean", "object", "array",
                                        "number", "string",  "integer"};
    if (schema->types == 0 || (schema->types & types_of(value)) != 0) return true;
    leat_buf list;
    leat_buf_init(&list, 128);
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (schema->types >> i & 1)
            leat_buf_add_format(&list, "%s%s", list.len > 0 ? " or " : "", names[i]);
    (void)wrong(c, at, "must be %.*s, not %s", LEAT_STR_ARG(leat_buf_str(&list)), type_name(value));
    leat_buf_release(&list);
    return false;
}

static bool check_choices(checking *c, const leat_json_schema *schema, leat_value value,
                          const place *at)
{
    if (schema->constant.tag != LEAT_MISSING && !same(c, schema->constant, value))
        return wrong(c, at, "is not the one value that is allowed");
    if (schema->choices.tag == LEAT_MISSING) return true;
    for (uint32_t i = 0; i < schema->choices.len; i++)
        if (same(c, schema->choices.as.items[i], value)) return true;
    return wrong(c, at, "is none of the %u values that are allowed", schema->choices.len);
}

static bool is_multiple(leat_value value, double of)
{
    if (value.tag == LEAT_INT && of < 9e15 && trunc(of) >= of) return value.as.i % (int64_t)of == 0;
    LEAT_ASSERT(of > 0);
    double quotient = number_of(value) / of;
    double off = fabs(quotient - round(quotient));
    return isfinite(quotient) && off <= 1e-9 * fmax(1.0, fabs(quotient));
}

static bool check_number(checking *c, const leat_json_schema *schema, leat_value value,
                         const place *at)
{
    double number = number_of(value);
    if (number < schema->minimum) return wrong(c, at, "must be at least %g", schema->minimum);
    if (number > schema->maximum) return wrong(c, at, "must be at most %g", schema->maximum);
    if (number <= schema->above) return wrong(c, at, "must be greater than %g", schema->above);
    if (number >= schema->below) return wrong(c, at, "must be less than %g", schema->below);
    if (!isnan(schema->multiple) && !is_multiple(value, schema->multiple))
        return wrong(c, at, "must be a multiple of %g", schema->multiple);
    return true;
}

static bool check_string(checking *c, const leat_json_schema *schema, leat_value value,
                         const place *at)
{
    LEAT_ASSERT(value.tag == LEAT_STRING);
    leat_str text = leat_value_str(value);
    if (schema->length_min > 0 || schema->length_max < UINT64_MAX) {
        uint64_t characters = 0;
        for (size_t i = 0; i < text.len; i++)
            characters += ((unsigned char)text.data[i] & 0xc0) != 0x80;
        if (characters < schema->length_min)
            return wrong(c, at, "must have at least %llu characters, not %llu",
                         (unsigned long long)schema->length_min, (unsigned long long)characters);
        if (characters > schema->length_max)
            return wrong(c, at, "must have at most %llu characters, not %llu",
                         (unsigned long long)schema->length_max, (unsigned long long)characters);
    }
    if (schema->pattern != NULL && !leat_regex_matches(schema->pattern, text))
        return wrong(c, at, "does not match the pattern %.*s", LEAT_STR_ARG(schema->pattern_text));
    return true;
}

static bool check_contains(checking *c, const leat_json_schema *schema, leat_value value,
                           const place *at)
{
    uint64_t found = 0;
    if (schema->contains == NULL) return true;
    for (uint32_t i = 0; i < value.len && !c->given_up; i++) {
        place here = {at, LEAT_STR_NONE, i};
        found += check(c, schema->contains, value.as.items[i], &here);
    }
    if (found < schema->contains_min)
        return wrong(c, at, "must contain at least %llu such elements, not %llu",
                     (unsigned long long)schema->contains_min, (unsigned long long)found);
    if (found > schema->contains_max)
        return wrong(c, at, "must contain at most %llu such elements, not %llu",
                     (unsigned long long)schema->contains_max, (unsigned long long)found);
    return true;
}

/* Equal values have equal hashes, however they are spelled. */
static uint64_t hash_of(checking *c, leat_value value)
{
    uint64_t hash = value.tag;
    if (!step(c)) return 0;
    if (is_number(value)) {
        double number = number_of(value) + 0.0; /* -0.0 is 0.0 */
        return leat_str_hash((leat_str){(const char *)&number, sizeof number});
    }
    if (value.tag == LEAT_STRING) return leat_str_hash(leat_value_str(value));
    if (value.tag == LEAT_BOOL) return hash * 2 + value.as.b;
    for (uint32_t i = 0; i < value.len && value.tag == LEAT_LIST; i++)
        hash = hash * 0x9e3779b97f4a7c15u + hash_of(c, value.as.items[i]);
    for (uint32_t i = 0; i < value.len && value.tag == LEAT_MAP; i++) /* in any order */
        hash += (leat_str_hash(leat_value_str(value.as.entries[i].key)) | 1) *
                hash_of(c, value.as.entries[i].value);
    return hash;
}

typedef struct seen {
    uint64_t hash;
    uint32_t number; /* of the element, from 1; 0: free */
} seen;

static bool check_unique(checking *c, leat_value value, const place *at)
{
    size_t size = 16;
    while (size < (size_t)value.len * 2)
        size *= 2;
    seen *table = leat_arena_zero(c->arena, size * sizeof *table);
    if (table == NULL) {
        (void)leat_arena_full(c->arena, c->err);
        c->given_up = true;
        return false;
    }
    for (uint32_t i = 0; i < value.len && !c->given_up; i++) {
        uint64_t hash = hash_of(c, value.as.items[i]);
        LEAT_ASSERT(i < size);
        size_t slot = hash & (size - 1);
        for (; table[slot].number != 0; slot = (slot + 1) & (size - 1)) {
            uint32_t other = table[slot].number - 1;
            if (table[slot].hash == hash && same(c, value.as.items[i], value.as.items[other]))
                return wrong(c, at, "the elements %u and %u are equal", other, i);
        }
        table[slot] = (seen){hash, i + 1};
    }
    return !c->given_up;
}

static bool check_list(checking *c, const leat_json_schema *schema, leat_value value,
                       const place *at)
{
    LEAT_ASSERT(value.tag == LEAT_LIST);
    if (value.len < schema->items_min)
        return wrong(c, at, "must have at least %llu elements, not %u",
                     (unsigned long long)schema->items_min, value.len);
    if (value.len > schema->items_max)
        return wrong(c, at, "must have at most %llu elements, not %u",
                     (unsigned long long)schema->items_max, value.len);
    for (uint32_t i = 0; i < value.len; i++) {
        place here = {at, LEAT_STR_NONE, i};
        const leat_json_schema *item =
            i < schema->prefix.count ? schema->prefix.items[i] : schema->items;
        if (item == NULL) break;
        if (!check(c, item, value.as.items[i], &here)) return false;
    }
    return check_contains(c, schema, value, at) && (!schema->unique || check_unique(c, value, at));
}

static bool check_member(checking *c, const leat_json_schema *schema, const leat_entry *entry,
                         const place *at)
{
    leat_str name = leat_value_str(entry->key);
    place here = {at, name.data != NULL ? name : LEAT_STR(""), 0};
    bool known = false;
    if (schema->names != NULL && !check(c, schema->names, entry->key, &here)) return false;
    for (size_t i = 0; i < schema->properties.count; i++) {
        if (!leat_str_equal(schema->properties.items[i].name, name)) continue;
        known = true;
        if (!check(c, schema->properties.items[i].schema, entry->value, &here)) return false;
    }
    for (size_t i = 0; i < schema->patterns.count; i++) {
        if (!leat_regex_matches(schema->patterns.items[i].regex, name)) continue;
        known = true;
        if (!check(c, schema->patterns.items[i].schema, entry->value, &here)) return false;
    }
    if (known || schema->additional == NULL) return true;
    if (schema->additional->never) return wrong(c, &here, "this field is not allowed");
    return check(c, schema->additional, entry->value, &here);
}

static bool check_required(checking *c, const schema_names *names, leat_value value,
                           const place *at, const leat_str *because)
{
    for (size_t i = 0; i < names->count; i++) {
        if (member_of(value, names->items[i]) != NULL) continue;
        place here = {at, names->items[i], 0};
        if (because == NULL) return wrong(c, &here, "this field is missing");
        return wrong(c, &here, "this field is missing, which '%.*s' needs", LEAT_STR_ARG(*because));
    }
    return true;
}

static bool check_object(checking *c, const leat_json_schema *schema, leat_value value,
                         const place *at)
{
    LEAT_ASSERT(value.tag == LEAT_MAP);
    if (value.len < schema->properties_min)
        return wrong(c, at, "must have at least %llu fields, not %u",
                     (unsigned long long)schema->properties_min, value.len);
    if (value.len > schema->properties_max)
        return wrong(c, at, "must have at most %llu fields, not %u",
                     (unsigned long long)schema->properties_max, value.len);
    if (!check_required(c, &schema->required, value, at, NULL)) return false;
    for (size_t i = 0; i < schema->dependencies_count; i++) {
        const schema_dependency *dependency = &schema->dependencies[i];
        if (member_of(value, dependency->name) != NULL &&
            !check_required(c, &dependency->needs, value, at, &dependency->name))
            return false;
    }
    for (uint32_t i = 0; i < value.len; i++)
        if (!check_member(c, schema, &value.as.entries[i], at)) return false;
    return true;
}

/* How many of the list hold; the first error is left in c->err. */
static size_t count_holding(checking *c, const schema_list *list, leat_value value, const place *at)
{
    size_t holding = 0;
    leat_err first = {0};
    for (size_t i = 0; i < list->count && !c->given_up; i++) {
        holding += check(c, list->items[i], value, at);
        if (i == 0) first = *c->err;
    }
    if (!c->given_up) *c->err = first;
    return holding;
}

static bool check_alternatives(checking *c, const leat_json_schema *schema, leat_value value,
                               const place *at)
{
    for (size_t i = 0; i < schema->all_of.count; i++)
        if (!check(c, schema->all_of.items[i], value, at)) return false;
    if (schema->any_of.count > 0 && count_holding(c, &schema->any_of, value, at) == 0) {
        leat_err first = *c->err;
        return wrong(c, at, "none of the %zu schemas of anyOf holds; of the first: %s",
                     schema->any_of.count, first.text);
    }
    if (schema->one_of.count > 0) {
        size_t holding = count_holding(c, &schema->one_of, value, at);
        leat_err first = *c->err;
        if (holding == 0)
            return wrong(c, at, "none of the %zu schemas of oneOf holds; of the first: %s",
                         schema->one_of.count, first.text);
        if (holding > 1)
            return wrong(c, at, "%zu schemas of oneOf hold, which must be one", holding);
    }
    if (schema->negated != NULL && check(c, schema->negated, value, at))
        return wrong(c, at, "is just what it must not be");
    if (schema->condition == NULL) return !c->given_up;
    bool holds = check(c, schema->condition, value, at);
    const leat_json_schema *then = holds ? schema->consequence : schema->alternative;
    return !c->given_up && (then == NULL || check(c, then, value, at));
}

static bool check_keywords(checking *c, const leat_json_schema *schema, leat_value value,
                           const place *at)
{
    if (schema->never) return wrong(c, at, "nothing is allowed here");
    if (schema->ref != NULL && !check(c, schema->ref, value, at)) return false;
    if (!check_type(c, schema, value, at) || !check_choices(c, schema, value, at)) return false;
    if (is_number(value) && !check_number(c, schema, value, at)) return false;
    if (value.tag == LEAT_STRING && !check_string(c, schema, value, at)) return false;
    if (value.tag == LEAT_LIST && !check_list(c, schema, value, at)) return false;
    if (value.tag == LEAT_MAP && !check_object(c, schema, value, at)) return false;
    return check_alternatives(c, schema, value, at);
}

static bool check(checking *c, const leat_json_schema *schema, leat_value value, const place *at)
{
    LEAT_ASSERT(schema != NULL);
    c->depth++;
    bool holds = step(c) && check_keywords(c, schema, value, at) && !c->given_up;
    c->depth--;
    return holds;
}

leat_code leat_json_schema_check(const leat_json_schema *schema, leat_value value, leat_str name,
                                 leat_arena *arena, leat_err *err)
{
    checking c = {.arena = arena, .err = err};
    const place top = {0};
    const place named = {&top, name, 0};
    LEAT_ASSERT(schema != NULL && value.tag != LEAT_MISSING);
    *err = (leat_err){0};
    if (check(&c, schema, value, name.data != NULL ? &named : &top)) return LEAT_OK;
    LEAT_ASSERT(err->code != LEAT_OK);
    return err->code;
}
