/* SPDX-License-Identifier: Apache-2.0 */
/* A whole text as a value.
 *
 * Values are pushed on one stack as they are read; when a container closes, what it holds is the
 * top of the stack, and is copied into the arena as one array. A map's entry is two values, key and
 * value, so that entries lie on the stack as they lie in the map.
 *
 *   {"a":[1,2],      stack  | a | 1 | 2 |     frames  { at 0, [ at 1
 *   closing ]        stack  | a | [1,2] |
 *
 * The stack starts in the caller's frame and moves to the arena when it grows; so does memory stay
 * within the arena's limit whatever the text says. */
#include "schemas/json_scan.h"

#define STACK_START  64u
#define PAIRS_LINEAR 16u

typedef struct builder {
    leat_json_input input;
    leat_value *stack;
    size_t count, size;
    uint32_t depth;
    uint32_t firsts[LEAT_JSON_DEPTH_CAP + 1]; /* of each open container: its first on the stack */
    bool objects[LEAT_JSON_DEPTH_CAP + 1];
} builder;

static leat_code push(builder *b, leat_value value)
{
    if (b->count == b->size) {
        leat_value *moved = leat_arena_alloc(b->input.arena, b->size * 2 * sizeof moved[0]);
        if (moved == NULL) return leat_arena_full(b->input.arena, b->input.err);
        memcpy(moved, b->stack, b->count * sizeof moved[0]);
        b->stack = moved;
        b->size *= 2;
    }
    b->stack[b->count++] = value;
    return LEAT_OK;
}

/* --- duplicates ------------------------------------------------------------------------------- */

static void kill_entry(leat_value *pairs, size_t index)
{
    pairs[2 * index] = LEAT_VALUE_MISSING;
}

/* Marks all but the last of equal keys; large maps through a hash table of indexes. */
static leat_code mark_duplicates(const builder *b, leat_value *pairs, size_t count)
{
    leat_arena *arena = b->input.arena;
    size_t size = 64;
    while (size < count * 2) {
        size *= 2;
    }
    uint32_t *table = leat_arena_zero(arena, size * sizeof table[0]);
    if (table == NULL) return leat_arena_full(arena, b->input.err);
    for (size_t i = count; i-- > 0;) {
        leat_str key = leat_value_str(pairs[2 * i]);
        size_t at = leat_str_hash(key) & (size - 1);
        while (table[at] != 0 &&
               !leat_str_equal(leat_value_str(pairs[(size_t)2 * (table[at] - 1)]), key)) {
            at = (at + 1) & (size - 1);
        }
        if (table[at] != 0) {
            kill_entry(pairs, i);
        } else {
            table[at] = (uint32_t)i + 1;
        }
    }
    return LEAT_OK;
}

static void mark_duplicates_few(leat_value *pairs, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            if (!leat_str_equal(leat_value_str(pairs[2 * i]), leat_value_str(pairs[2 * j]))) {
                continue;
            }
            kill_entry(pairs, i);
            break;
        }
    }
}

/* Leaves one entry of each key; *count: what is left. */
static leat_code dedupe(const builder *b, leat_value *pairs, size_t *count)
{
    if (*count <= PAIRS_LINEAR) {
        mark_duplicates_few(pairs, *count);
    } else {
        leat_arena_mark mark = leat_arena_save(b->input.arena);
        LEAT_TRY(mark_duplicates(b, pairs, *count));
        leat_arena_restore(b->input.arena, mark);
    }
    size_t left = 0;
    for (size_t i = 0; i < *count; i++) {
        if (pairs[2 * i].tag == LEAT_MISSING) continue;
        if (left != i) memcpy(&pairs[2 * left], &pairs[2 * i], 2 * sizeof pairs[0]);
        left++;
    }
    LEAT_ASSERT(left <= *count && (left > 0) == (*count > 0));
    *count = left;
    return LEAT_OK;
}

/* --- containers ------------------------------------------------------------------------------- */

static leat_code close_container(builder *b)
{
    LEAT_ASSERT(b->depth > 0);
    _Static_assert(sizeof(leat_entry) == 2 * sizeof(leat_value), "an entry is two values");
    bool object = b->objects[b->depth];
    size_t first = b->firsts[b->depth--];
    size_t count = b->count - first;
    if (object) {
        LEAT_ASSERT(count % 2 == 0);
        count /= 2;
        LEAT_TRY(dedupe(b, b->stack + first, &count));
    }
    size_t bytes = count * (object ? 2 : 1) * sizeof(leat_value);
    void *items = leat_arena_alloc(b->input.arena, bytes > 0 ? bytes : 1);
    if (items == NULL) return leat_arena_full(b->input.arena, b->input.err);
    if (bytes > 0) memcpy(items, b->stack + first, bytes);
    b->count = first;
    return push(b, object ? leat_value_map(items, count) : leat_value_list(items, count));
}

static const char *key(builder *b, const char *p)
{
    leat_str text;
    const char *open = leat_json_space_end(p, b->input.end);
    p = leat_json_key(&b->input, p, &text);
    if (p == NULL) return NULL;
    leat_value value = leat_value_string(text);
    if (text.data == open + 1)
        value.flags = LEAT_VALUE_PLAIN; /* not unescaped: nothing to escape */
    return push(b, value) == LEAT_OK ? p : NULL;
}

/* p is at a bracket or brace; *empty: it closed at once. */
static const char *open_container(builder *b, const char *p, bool *empty)
{
    const leat_json_input *input = &b->input;
    bool object = *p == '{';
    if (b->depth >= input->depth_max) {
        return leat_json_fail(input, p, LEAT_ERR_LIMIT, "nested deeper than %u levels",
                              (unsigned)input->depth_max);
    }
    b->depth++;
    b->objects[b->depth] = object;
    b->firsts[b->depth] = (uint32_t)b->count;
    p = leat_json_space_end(p + 1, input->end);
    *empty = p < input->end && *p == (object ? '}' : ']');
    if (*empty) return close_container(b) == LEAT_OK ? p + 1 : NULL;
    if (object) return key(b, p);
    return p < input->end ? p : leat_json_expected(input, p, "a value or ']'");
}

static const char *next_value(builder *b, const char *p)
{
    const leat_json_input *input = &b->input;
    while (b->depth > 0) {
        bool object = b->objects[b->depth];
        p = leat_json_space_end(p, input->end);
        if (p < input->end && *p == ',') {
            if (object) return key(b, p + 1);
            p = leat_json_space_end(p + 1, input->end);
            return p < input->end ? p : leat_json_expected(input, p, "a value");
        }
        if (p == input->end || *p != (object ? '}' : ']')) {
            return leat_json_expected(input, p, object ? "',' or '}'" : "',' or ']'");
        }
        if (close_container(b) != LEAT_OK) return NULL;
        p++;
    }
    return p;
}

static const char *scalar(builder *b, const char *p)
{
    const leat_json_input *input = &b->input;
    leat_value value;
    if (*p == '"') {
        bool escaped;
        const char *close = leat_json_string_end(input, p + 1, &escaped);
        if (close == NULL) return NULL;
        leat_str text = {p + 1, (size_t)(close - p - 1)};
        if (leat_json_string_value(text, escaped, input->arena, &value, input->err) != LEAT_OK) {
            return NULL;
        }
        p = close + 1;
    } else if (*p == '-' || (unsigned)(*p - '0') <= 9) {
        leat_json_digits digits;
        const char *stop = leat_json_number_end(input, p, &digits);
        if (stop == NULL) return NULL;
        value = leat_json_number_value(&digits, (leat_str){p, (size_t)(stop - p)}, false);
        p = stop;
    } else {
        p = leat_json_literal_end(input, p, &value);
        if (p == NULL) return NULL;
    }
    return push(b, value) == LEAT_OK ? p : NULL;
}

static const char *build(builder *b, const char *p)
{
    if (p == b->input.end) return leat_json_expected(&b->input, p, "a value");
    do {
        bool empty = false;
        if (*p == '{' || *p == '[') {
            p = open_container(b, p, &empty);
            if (p == NULL) return NULL;
            if (!empty) continue;
        } else {
            p = scalar(b, p);
            if (p == NULL) return NULL;
        }
        p = next_value(b, p);
        if (p == NULL) return NULL;
    } while (b->depth > 0);
    return p;
}

leat_code leat_json_value(leat_str text, leat_json_limits limits, leat_arena *arena,
                          leat_value *value, leat_err *err)
{
    LEAT_ASSERT(arena != NULL);
    leat_value start[STACK_START];
    builder b;
    LEAT_TRY(leat_json_input_init(&b.input, text, limits, err));
    b.input.arena = arena;
    b.stack = start;
    b.count = 0;
    b.size = STACK_START;
    b.depth = 0;
    const char *p = build(&b, leat_json_space_end(b.input.start, b.input.end));
    if (p == NULL) return err->code;
    p = leat_json_space_end(p, b.input.end);
    if (p != b.input.end) {
        (void)leat_json_expected(&b.input, p, "the end of the text");
        return err->code;
    }
    LEAT_ASSERT(b.count == 1 && b.depth == 0);
    *value = b.stack[0];
    return LEAT_OK;
}

leat_value leat_json_member(leat_value map, const char *name)
{
    for (uint32_t i = 0; map.tag == LEAT_MAP && i < map.len; i++)
        if (leat_str_is(leat_value_str(map.as.entries[i].key), name))
            return map.as.entries[i].value;
    return LEAT_VALUE_MISSING;
}

leat_str leat_json_member_text(leat_value map, const char *name)
{
    leat_value value = leat_json_member(map, name);
    if (value.tag != LEAT_STRING) return LEAT_STR_NONE;
    return value.len > 0 ? leat_value_str(value) : LEAT_STR("");
}
