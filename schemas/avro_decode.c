/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder: from bytes to slots, along a plan.
 *
 *   bytes   0e 6f 72 64 65 72 2d 31 | 54 | 00 | ...        a record is its fields, with nothing
 *            string "order-1"         42   null             around or between them
 *            -> slot 3                skip  skip
 *
 * Every read checks against the end first; a varint has at most ten bytes; a block of items may
 * claim no more than the bytes that are left could hold. What takes no bytes at all (null, a fixed
 * of none, records of such) is counted against LEAT_AVRO_EMPTY_MAX, as a claim of a billion nulls
 * would else be five bytes long. Nesting is bounded by LEAT_AVRO_NESTING_MAX. So time and memory
 * are linear in the bytes given.
 *
 * Where an error stands is put together on the way out of it, so that the way in costs nothing:
 * each level that an error passes puts its name in front of the path.
 *
 * Reading functions return the place behind what they read, NULL after an error. */
#include "core/map.h"
#include "schemas/avro_read.h"
#include "schemas/codec_json.h"

#define MAP_SEARCHED 24u /* entries of a map that are compared each with each */

static const char *read_value(avro_reading *d, const avro_node *node, const char *p, unsigned depth,
                              leat_value *value);

/* --- scalars ---------------------------------------------------------------------------------- */

static __attribute__((noinline)) const char *read_logical(avro_reading *d, const avro_node *node,
                                                          const char *from, const char *stop,
                                                          leat_value *value)
{
    if (avro_logical_value(node, d->arena, value, d->err) == LEAT_OK) return stop;
    d->err->offset = (uint32_t)(from - d->start);
    return NULL;
}

static inline const char *read_text(avro_reading *d, const avro_node *node, const char *p,
                                    leat_value *value)
{
    const char *from = p, *stop = avro_read_span(d, &p);
    if (LEAT_UNLIKELY(stop == NULL)) return NULL;
    bool was_text = node->kind == LEAT_AVRO_STRING;
    bool text = was_text ? node->as != AVRO_AS_BYTES : node->as == AVRO_AS_STRING;
    uint32_t len = (uint32_t)(stop - p);
    if (LEAT_UNLIKELY(text && !leat_str_utf8_valid((leat_str){p, len})))
        return avro_fail(d, from, LEAT_ERR_SYNTAX, "the string is no UTF-8");
    *value = (leat_value){text ? LEAT_STRING : LEAT_BYTES, 0, 0, len, {.text = p}};
    return stop;
}

static inline void set_whole(const avro_node *node, int64_t number, leat_value *value)
{
    if (LEAT_LIKELY(node->as == AVRO_AS_IS || node->as == AVRO_AS_LOGICAL))
        *value = (leat_value){LEAT_INT, 0, 0, 0, {.i = number}};
    else if (node->as == AVRO_AS_FLOAT)
        *value = (leat_value){LEAT_DOUBLE, 0, 0, 0, {.d = (double)(float)number}};
    else
        *value = (leat_value){LEAT_DOUBLE, 0, 0, 0, {.d = (double)number}};
}

/* A value that is no composite, as it stands; logical types come after. */
static inline const char *read_plain(avro_reading *d, const avro_node *node, const char *p,
                                     leat_value *value)
{
    int64_t number = 0;
    float single = 0;
    const char *from = p;
    switch (node->kind) {
    case LEAT_AVRO_NULL: *value = LEAT_VALUE_NULL; return p;
    case LEAT_AVRO_BOOLEAN:
        if (p == d->end) return avro_fail_short(d, p);
        if ((unsigned char)*p > 1) return avro_fail(d, p, LEAT_ERR_SYNTAX, "a boolean of %d", *p);
        *value = leat_value_bool(*p != 0);
        return p + 1;
    case LEAT_AVRO_INT:
    case LEAT_AVRO_LONG:
        p = node->kind == LEAT_AVRO_INT ? avro_read_int(d, p, &number)
                                        : avro_read_long(d, p, &number);
        set_whole(node, number, value);
        return p;
    case LEAT_AVRO_FLOAT:
        p = avro_read_raw(d, p, &single, sizeof single);
        *value = leat_value_double((double)single);
        return p;
    case LEAT_AVRO_DOUBLE:
        *value = leat_value_tagged(LEAT_DOUBLE);
        return avro_read_raw(d, p, &value->as.d, sizeof value->as.d);
    case LEAT_AVRO_STRING:
    case LEAT_AVRO_BYTES: return read_text(d, node, p, value);
    case LEAT_AVRO_FIXED:
        *value = leat_value_text(LEAT_BYTES, (leat_str){p, node->size});
        return avro_skip_sized(d, p, node->size);
    case LEAT_AVRO_ENUM:
        p = avro_read_symbol(d, node, p, &number);
        if (p == NULL) return NULL;
        *value = node->values[number];
        if (value->tag != LEAT_MISSING) return p;
        return avro_fail(d, from, LEAT_ERR_RANGE,
                         "symbol %lld is none of the reader's schema, which has no default for it",
                         (long long)number);
    case LEAT_AVRO_RECORD:
    case LEAT_AVRO_ARRAY:
    case LEAT_AVRO_MAP:
    case LEAT_AVRO_UNION: break;
    }
    LEAT_ASSERT(!"a composite is read elsewhere");
    return NULL;
}

static inline const char *read_scalar(avro_reading *d, const avro_node *node, const char *p,
                                      leat_value *value)
{
    const char *stop = read_plain(d, node, p, value);
    if (LEAT_LIKELY(node->as != AVRO_AS_LOGICAL || stop == NULL)) return stop;
    return read_logical(d, node, p, stop, value);
}

/* --- composites ------------------------------------------------------------------------------- */

static const char *read_record(avro_reading *d, const avro_node *node, const char *p,
                               unsigned depth, leat_value *value)
{
    leat_entry *entries = leat_arena_array(d->arena, node->entries + 1u, sizeof *entries);
    if (entries == NULL) return avro_full(d);
    if (node->bytes_min == 0 && !avro_empty_taken(d, p, 1u + node->members_count)) return NULL;
    for (size_t i = 0; i < node->members_count; i++) {
        const avro_member *member = &node->members[i];
        bool taken = member->entry != AVRO_NO_ENTRY;
        if (taken) entries[member->entry].key = leat_value_string(member->name);
        p = taken ? read_value(d, member->node, p, depth, &entries[member->entry].value)
                  : avro_skip(d, member->node, p, depth);
        if (LEAT_UNLIKELY(p == NULL)) return avro_in_field(d, member->name);
    }
    LEAT_ASSERT(node->members_count + node->constants_count >= node->entries);
    for (size_t i = 0; i < node->constants_count; i++) {
        const avro_constant *constant = &node->constants[i];
        entries[constant->entry] = (leat_entry){leat_value_string(constant->name), constant->value};
    }
    *value = leat_value_map(entries, node->entries);
    return p;
}

/* Items or entries, which grow by doubling: blocks do not say how many there are in all. */
typedef struct gathering {
    char *items;
    size_t count, size, item_bytes;
} gathering;

static bool gather_room(avro_reading *d, gathering *g, uint64_t more)
{
    if (g->count + more <= g->size) return true;
    size_t size = g->size * 2 > g->count + more ? g->size * 2 : g->count + more;
    char *items = leat_arena_array(d->arena, size, g->item_bytes);
    if (items == NULL || size > UINT32_MAX) {
        (void)avro_full(d);
        return false;
    }
    if (g->count > 0) memcpy(items, g->items, g->count * g->item_bytes);
    g->items = items;
    g->size = size;
    return true;
}

static const char *read_key(avro_reading *d, const char *p, leat_value *key)
{
    static const avro_node text = {.kind = LEAT_AVRO_STRING, .bytes_min = 1};
    return read_text(d, &text, p, key);
}

static const char *read_item(avro_reading *d, const avro_node *node, const char *p, unsigned depth,
                             gathering *g)
{
    char *to = g->items + g->count * g->item_bytes;
    leat_value *value = (leat_value *)(void *)to;
    if (node->kind == LEAT_AVRO_MAP) {
        leat_entry *entry = (leat_entry *)(void *)to;
        p = read_key(d, p, &entry->key);
        value = &entry->value;
    }
    if (p != NULL) p = read_value(d, node->items, p, depth, value);
    if (LEAT_UNLIKELY(p == NULL)) return avro_in_item(d, g->count);
    g->count++;
    return p;
}

static const char *read_items(avro_reading *d, const avro_node *node, const char *p, unsigned depth,
                              gathering *g)
{
    bool map = node->kind == LEAT_AVRO_MAP;
    uint64_t bytes_min = node->items->bytes_min + (map ? 1u : 0u);
    for (;;) {
        int64_t count = 0, bytes = -1;
        const char *from = p;
        p = avro_read_block(d, p, bytes_min, &count, &bytes);
        if (p == NULL || count == 0) return p;
        const char *stop = bytes < 0 ? NULL : p + bytes;
        if (bytes_min == 0 && !avro_empty_taken(d, from, (uint64_t)count)) return NULL;
        if (!gather_room(d, g, (uint64_t)count)) return NULL;
        for (; count > 0; count--) {
            p = read_item(d, node, p, depth, g);
            if (LEAT_UNLIKELY(p == NULL)) return NULL;
        }
        if (LEAT_UNLIKELY(stop != NULL && stop != p))
            return avro_fail(d, from, LEAT_ERR_SYNTAX,
                             "a block of items is not as long as it says");
    }
}

/* Of entries with one key the last counts, and stands where the first did. */
static bool unique(avro_reading *d, leat_entry *entries, size_t *count)
{
    size_t kept = 0;
    leat_map *known = *count > MAP_SEARCHED ? leat_map_new() : NULL;
    leat_code code = LEAT_OK;
    for (size_t i = 0; i < *count && code == LEAT_OK; i++) {
        leat_str key = leat_value_str(entries[i].key);
        uint64_t at = kept;
        if (known != NULL) {
            if (!leat_map_get(known, key, &at)) code = leat_map_put(known, key, kept, d->err);
        } else {
            for (at = 0; at < kept; at++)
                if (leat_str_equal(leat_value_str(entries[at].key), key)) break;
        }
        entries[at] = entries[i];
        kept += at == kept;
    }
    if (known != NULL) leat_map_free(&known);
    LEAT_ASSERT(kept <= *count);
    *count = kept;
    return code == LEAT_OK;
}

static const char *read_composite(avro_reading *d, const avro_node *node, const char *p,
                                  unsigned depth, leat_value *value)
{
    const avro_node *branch = NULL;
    size_t index = 0;
    if (avro_too_deep(d, p, depth)) return NULL;
    if (node->kind == LEAT_AVRO_RECORD) return read_record(d, node, p, depth + 1, value);
    if (node->kind == LEAT_AVRO_UNION) {
        p = avro_read_branch(d, node, p, &branch, &index);
        return p == NULL ? NULL : read_value(d, branch, p, depth + 1, value);
    }
    bool map = node->kind == LEAT_AVRO_MAP;
    gathering g = {.item_bytes = map ? sizeof(leat_entry) : sizeof(leat_value)};
    p = read_items(d, node, p, depth + 1, &g);
    if (p == NULL) return NULL;
    if (map && !unique(d, (leat_entry *)(void *)g.items, &g.count)) return NULL;
    *value = map ? leat_value_map((const leat_entry *)(const void *)g.items, g.count)
                 : leat_value_list((const leat_value *)(const void *)g.items, g.count);
    return p;
}

static inline bool is_composite(const avro_node *node)
{
    return ((1u << node->kind) & ((1u << LEAT_AVRO_RECORD) | (1u << LEAT_AVRO_ARRAY) |
                                  (1u << LEAT_AVRO_MAP) | (1u << LEAT_AVRO_UNION))) != 0;
}

static const char *read_value(avro_reading *d, const avro_node *node, const char *p, unsigned depth,
                              leat_value *value)
{
    if (LEAT_UNLIKELY(node->refused != NULL))
        return avro_fail(d, p, LEAT_ERR_TYPE, "%s", node->refused);
    return is_composite(node) ? read_composite(d, node, p, depth, value)
                              : read_scalar(d, node, p, value);
}

/* --- slots ------------------------------------------------------------------------------------ */

/* A number to compute with: of a decimal that is beyond int and double its text stays. */
static leat_value computable(leat_value value)
{
    leat_value number;
    leat_err ignored;
    if (value.tag != LEAT_NUMBER) return value;
    return leat_json_number(leat_value_str(value), &number, &ignored) == LEAT_OK ? number : value;
}

static void give(const avro_reading *d, const avro_want *want, leat_value value)
{
    for (const avro_target *it = want->targets; it != NULL; it = it->next)
        d->slots[it->slot] = it->exact ? value : computable(value);
    if (value.tag != LEAT_MAP) return;
    for (const avro_want *inner = want->first; inner != NULL; inner = inner->next)
        for (uint32_t i = 0; i < value.len; i++)
            if (leat_str_equal(leat_value_str(value.as.entries[i].key), inner->name))
                give(d, inner, value.as.entries[i].value);
}

static const char *fill(avro_reading *d, const avro_fill *f, const char *p, unsigned depth);

static const char *fill_record(avro_reading *d, const avro_fill *f, const char *p, unsigned depth)
{
    const avro_member *member = f->node->members;
    for (size_t i = 0; i < f->node->members_count; i++, member++) {
        const avro_fill *inner = f->inner[i];
        p = inner == NULL ? avro_skip(d, member->node, p, depth) : fill(d, inner, p, depth);
        if (LEAT_UNLIKELY(p == NULL)) return avro_in_field(d, member->name);
    }
    for (size_t i = 0; i < f->given_count; i++)
        give(d, f->given[i].want, *f->given[i].value);
    return p;
}

static const char *fill_inside(avro_reading *d, const avro_fill *f, const char *p, unsigned depth)
{
    const avro_node *branch = NULL;
    size_t index = 0;
    if (avro_too_deep(d, p, depth)) return NULL;
    if (f->node->kind == LEAT_AVRO_RECORD) return fill_record(d, f, p, depth + 1);
    LEAT_ASSERT(f->node->kind == LEAT_AVRO_UNION);
    p = avro_read_branch(d, f->node, p, &branch, &index);
    return p == NULL ? NULL : fill(d, f->inner[index], p, depth + 1);
}

static const char *fill(avro_reading *d, const avro_fill *f, const char *p, unsigned depth)
{
    if (LEAT_LIKELY(f->slot != LEAT_SLOT_NONE)) {
        leat_value *slot = &d->slots[f->slot];
        p = read_value(d, f->node, p, depth, slot);
        if (LEAT_UNLIKELY(!f->exact && slot->tag == LEAT_NUMBER)) *slot = computable(*slot);
        return p;
    }
    if (f->want == NULL) return fill_inside(d, f, p, depth);
    leat_value value = LEAT_VALUE_MISSING;
    p = read_value(d, f->node, p, depth, &value);
    if (p != NULL) give(d, f->want, value);
    return p;
}

/* --- a record --------------------------------------------------------------------------------- */

static leat_code check_size(const leat_avro_plan *plan, leat_str bytes, leat_err *err)
{
    if (LEAT_LIKELY(bytes.len <= plan->bytes_max)) return LEAT_OK;
    err->offset = 0;
    return leat_err_set(err, LEAT_ERR_LIMIT, "Avro: a record of %zu bytes; %zu are allowed",
                        bytes.len, plan->bytes_max);
}

leat_code leat_avro_decode(const leat_avro_plan *plan, leat_str bytes, leat_arena *arena,
                           leat_value *slots, leat_err *err)
{
    LEAT_ASSERT(plan != NULL && arena != NULL && slots != NULL && bytes.data != NULL);
    avro_reading d;
    LEAT_TRY(check_size(plan, bytes, err));
    avro_reading_init(&d, bytes, arena, slots, err);
    for (size_t i = 0; i < plan->slots_count; i++)
        slots[plan->slots[i]] = LEAT_VALUE_MISSING;
    const char *p = plan->fill != NULL ? fill(&d, plan->fill, bytes.data, 0)
                                       : avro_skip(&d, plan->root, bytes.data, 0);
    if (LEAT_LIKELY(p == d.end)) return LEAT_OK;
    if (p != NULL)
        (void)avro_fail(&d, p, LEAT_ERR_SYNTAX, "the record ends here, but %td bytes follow",
                        d.end - p);
    return avro_tell(&d);
}

leat_code avro_node_value(const avro_node *node, leat_str bytes, leat_arena *arena,
                          leat_value *value, leat_err *err)
{
    avro_reading d;
    avro_reading_init(&d, bytes, arena, NULL, err);
    const char *p = read_value(&d, node, bytes.data, 0, value);
    LEAT_ASSERT(p == NULL || p == d.end);
    return p != NULL ? LEAT_OK : avro_tell(&d);
}

leat_code leat_avro_value(const leat_avro_plan *plan, leat_str bytes, leat_arena *arena,
                          leat_value *value, size_t *used, leat_err *err)
{
    avro_reading d;
    avro_reading_init(&d, bytes, arena, NULL, err);
    const char *p = read_value(&d, plan->root, bytes.data, 0, value);
    if (p == NULL) return avro_tell(&d);
    *used = (size_t)(p - bytes.data);
    return LEAT_OK;
}

leat_code leat_avro_skip(const leat_avro_plan *plan, leat_str bytes, leat_arena *arena,
                         size_t *used, leat_err *err)
{
    avro_reading d;
    avro_reading_init(&d, bytes, arena, NULL, err);
    const char *p = avro_skip(&d, plan->root, bytes.data, 0);
    if (p == NULL) return avro_tell(&d);
    *used = (size_t)(p - bytes.data);
    return LEAT_OK;
}
