/* SPDX-License-Identifier: Apache-2.0 */
/* A text without its duplicate keys: the last of equal keys stays, where it stands; those before
 * it go, with all that is in them.
 *
 *   {"a":1,"b":{"x":1,"x":2},"a":3}   ->   {"b":{"x":2},"a":3}
 *    ^^^^^^     ^^^^^^                      bytes from a dead member to the next one
 *
 * The text has been checked before. Every member is noted with its place, in the order of the text;
 * a map from (object, key) to the latest note tells which one an equal key kills. A dead member has
 * a next one, as the equal key comes later, so commas take care of themselves.
 * Cost: ~100 ns a key, for texts with duplicates only. */
#include "core/buf.h"
#include "core/map.h"
#include "core/mem.h"
#include "schemas/json_keys.h"
#include "schemas/json_plan.h"
#include "schemas/json_scan.h"
#include "schemas/json_walk.h"

#define NOTE_NONE SIZE_MAX

typedef struct note {
    size_t start, next; /* offsets of this member, and of the one behind it in its object */
    bool dead;
} note;

typedef struct dedupe {
    leat_json_input input;
    note *notes;
    size_t count, size;
    leat_map *latest; /* (object, key) -> note */
    leat_buf name;    /* of the map's key */
    uint64_t objects;
} dedupe;

static leat_code add_note(dedupe *d, uint64_t object, leat_str key, size_t start)
{
    leat_err *err = d->input.err;
    if (d->count == d->size) {
        size_t size = d->size == 0 ? 64 : d->size * 2;
        note *moved = leat_mem_try_resize(d->notes, size * sizeof moved[0]);
        if (moved == NULL) {
            return leat_err_set(err, LEAT_ERR_MEMORY, "no memory to remove duplicate keys");
        }
        d->notes = moved;
        d->size = size;
    }
    leat_buf_reset(&d->name);
    leat_buf_add_varuint(&d->name, object);
    leat_buf_add(&d->name, key);
    LEAT_TRY(leat_buf_check(&d->name, "a key", err));
    uint64_t before;
    if (leat_map_get(d->latest, leat_buf_str(&d->name), &before)) d->notes[before].dead = true;
    LEAT_TRY(leat_map_put(d->latest, leat_buf_str(&d->name), d->count, err));
    d->notes[d->count++] = (note){.start = start};
    return LEAT_OK;
}

/* Recursion is bounded by LEAT_JSON_DEPTH_CAP: the text was read under that limit. */
static const char *walk(dedupe *d, const char *p, uint32_t depth)
{
    const leat_json_input *input = &d->input;
    LEAT_ASSERT(depth <= LEAT_JSON_DEPTH_CAP);
    bool object = *p == '{';
    if (!object && *p != '[') return leat_json_skip(input, p, depth);
    uint64_t number = d->objects++;
    size_t last = NOTE_NONE;
    p = leat_json_space_end(p + 1, input->end);
    while (*p != '}' && *p != ']') {
        if (object) {
            leat_str key;
            size_t start = (size_t)(p - input->start);
            p = leat_json_key(input, p, &key);
            if (p == NULL || add_note(d, number, key, start) != LEAT_OK) return NULL;
            if (last != NOTE_NONE) d->notes[last].next = start;
            last = d->count - 1;
        }
        p = walk(d, p, depth + 1);
        if (p == NULL) return NULL;
        p = leat_json_space_end(p, input->end);
        if (*p == ',') p = leat_json_space_end(p + 1, input->end);
        LEAT_ASSERT(p < input->end);
    }
    return p + 1;
}

static leat_code rewrite(const dedupe *d, leat_str text, leat_arena *arena, leat_str *rewritten)
{
    char *to = leat_arena_alloc(arena, text.len);
    if (to == NULL) return leat_arena_full(arena, d->input.err);
    size_t from = 0, len = 0;
    for (size_t i = 0; i < d->count; i++) {
        const note *it = &d->notes[i];
        if (!it->dead || it->start < from) continue; /* alive, or inside one that is dead */
        LEAT_ASSERT(it->next > it->start);
        memcpy(to + len, text.data + from, it->start - from);
        len += it->start - from;
        from = it->next;
    }
    memcpy(to + len, text.data + from, text.len - from);
    *rewritten = (leat_str){to, len + text.len - from};
    return LEAT_OK;
}

leat_code leat_json_dedupe(leat_str text, leat_arena *arena, leat_str *rewritten, leat_err *err)
{
    dedupe d = {.input = {.start = text.data,
                          .end = text.data + text.len,
                          .depth_max = LEAT_JSON_DEPTH_CAP,
                          .err = err,
                          .arena = arena}};
    d.latest = leat_map_new();
    leat_buf_init(&d.name, text.len + 16);
    leat_code code = LEAT_OK;
    if (walk(&d, leat_json_space_end(d.input.start, d.input.end), 0) == NULL) {
        code = err->code;
    } else {
        code = rewrite(&d, text, arena, rewritten);
    }
    leat_map_free(&d.latest);
    leat_buf_release(&d.name);
    leat_mem_free(d.notes);
    return code;
}

leat_code leat_json_text(leat_str text, leat_json_limits limits, leat_arena *arena,
                         leat_value *value, leat_err *err)
{
    leat_json_input input;
    LEAT_TRY(leat_json_input_init(&input, text, limits, err));
    input.keys = leat_json_keys_new();
    input.arena = arena;
    leat_json_keys_reset(input.keys);
    const char *from = leat_json_space_end(input.start, input.end);
    const char *p = leat_json_skip(&input, from, 0);
    bool twice = leat_json_keys_noticed(input.keys);
    leat_json_keys_free(&input.keys);
    if (p == NULL) return err->code;
    leat_str inside = {from, (size_t)(p - from)};
    p = leat_json_space_end(p, input.end);
    if (p != input.end) {
        (void)leat_json_expected(&input, p, "the end of the text");
        return err->code;
    }
    if (twice) LEAT_TRY(leat_json_dedupe(inside, arena, &inside, err));
    return leat_json_walk_value(inside, true, arena, value, err);
}
