/* SPDX-License-Identifier: Apache-2.0 */
/* JSON three ways over one text: they must agree.
 *
 * The input is taken as a whole, and as lines that one decoder reads one after the other, so that
 * what it learned from a line meets another one:
 *   - validator and builder of values accept the same texts; the decoder those that are objects
 *   - each slot is what the value has at that path
 *   - a value written and read again is the same value
 *   - a record encoded by an untouched layout, and by one with a field replaced, is the value that
 *     came in, and has no key twice */
#include <stdio.h>
#include <stdlib.h>

#include "core/path.h"
#include "schemas/codec_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATHS      6u
#define BYTES_MAX  (1u << 20)
#define DEPTH_MAX  40u
#define MUST(what) LEAT_ASSERT(what)

static const leat_json_limits limits = {DEPTH_MAX, BYTES_MAX};
static const char *const paths[PATHS] = {"a", "a.b", "b", "a.b.c", "''", "id"};
static const bool exact[PATHS] = {false, false, true, true, false, false};

typedef struct readers {
    leat_json_decoder *decoder;
    leat_path paths[PATHS];
    leat_arena *arena;
    leat_buf out;
} readers;

static leat_value member(leat_value map, leat_str name)
{
    if (map.tag != LEAT_MAP) return LEAT_VALUE_MISSING;
    for (uint32_t i = 0; i < map.len; i++) {
        if (leat_str_equal(leat_value_str(map.as.entries[i].key), name)) {
            return map.as.entries[i].value;
        }
    }
    return LEAT_VALUE_MISSING;
}

/* A slot's text, read: as the builder of values has it. */
static leat_value opened(readers *r, leat_value slot)
{
    leat_err err;
    leat_value value;
    if (slot.tag != LEAT_JSON && slot.tag != LEAT_NUMBER) return slot;
    leat_json_limits any = {LEAT_PATH_DEPTH_MAX + DEPTH_MAX, BYTES_MAX};
    MUST(leat_json_value(leat_value_str(slot), any, r->arena, &value, &err) == LEAT_OK);
    return value;
}

static void check_unique(leat_value value)
{
    if (value.tag == LEAT_LIST) {
        for (uint32_t i = 0; i < value.len; i++) {
            check_unique(value.as.items[i]);
        }
    }
    if (value.tag != LEAT_MAP) return;
    for (uint32_t i = 0; i < value.len; i++) {
        leat_value found = member(value, leat_value_str(value.as.entries[i].key));
        MUST(leat_value_same(found, value.as.entries[i].value)); /* the first is the only one */
        check_unique(value.as.entries[i].value);
    }
}

static void check_written(readers *r, leat_value value)
{
    leat_err err;
    leat_value again;
    leat_buf_reset(&r->out);
    MUST(leat_json_write(value, r->arena, &r->out, &err) == LEAT_OK);
    leat_json_limits any = {DEPTH_MAX, UINT32_MAX};
    MUST(leat_json_value(leat_buf_str(&r->out), any, r->arena, &again, &err) == LEAT_OK);
    MUST(leat_value_same(value, again));
}

static void check_encoded(readers *r, leat_str raw, const leat_value *slots, leat_value value)
{
    leat_err err;
    leat_value again;
    leat_field a = {.name = LEAT_STR("a"), .kind = LEAT_FIELD_SLOT, .slot = 0};
    leat_field id = {.name = LEAT_STR("id"), .kind = LEAT_FIELD_SLOT, .slot = 5, .next = &a};
    leat_field root = {.kind = LEAT_FIELD_OBJECT, .slot = LEAT_SLOT_NONE, .open = true};
    for (int i = 0; i < 2; i++) {
        root.fields = i == 0 ? NULL : &id;
        leat_buf_reset(&r->out);
        MUST(leat_json_encode(&root, raw, slots, r->arena, &r->out, &err) == LEAT_OK);
        leat_json_limits any = {DEPTH_MAX, UINT32_MAX};
        MUST(leat_json_value(leat_buf_str(&r->out), any, r->arena, &again, &err) == LEAT_OK);
        MUST(leat_value_same(value, again));
    }
}

static void check_decoded(readers *r, leat_str text, leat_value value)
{
    leat_err err;
    leat_str raw;
    leat_value slots[PATHS], again;
    leat_code code = leat_json_decode(r->decoder, text, r->arena, slots, &raw, &err);
    MUST((code == LEAT_OK) == (value.tag == LEAT_MAP));
    if (code != LEAT_OK) return;
    for (uint32_t i = 0; i < PATHS; i++) {
        leat_value want = value;
        for (size_t j = 0; j < r->paths[i].count; j++) {
            want = member(want, r->paths[i].names[j]);
        }
        MUST(leat_value_same(opened(r, slots[i]), want));
    }
    MUST(raw.len <= text.len);
    MUST(leat_json_value(raw, limits, r->arena, &again, &err) == LEAT_OK);
    MUST(leat_value_same(value, again));
    check_encoded(r, raw, slots, value);
}

static void check_text(readers *r, leat_str text)
{
    leat_err err;
    leat_str raw;
    leat_value value, slots[PATHS];
    leat_code code = leat_json_value(text, limits, r->arena, &value, &err);
    MUST(leat_json_validate(text, limits, &err) == code);
    if (code == LEAT_OK) {
        check_unique(value);
        check_written(r, value);
        check_decoded(r, text, value);
    } else {
        MUST(err.offset <= text.len && err.text[0] != '\0');
        MUST(leat_json_decode(r->decoder, text, r->arena, slots, &raw, &err) == code);
    }
    leat_arena_reset(r->arena);
}

static void make_readers(readers *r, leat_arena *plan_arena)
{
    leat_err err;
    leat_json_plan *plan;
    leat_slot_request requests[PATHS];
    for (uint32_t i = 0; i < PATHS; i++) {
        MUST(leat_path_parse(leat_str_of(paths[i]), plan_arena, &r->paths[i], &err) == LEAT_OK);
        requests[i] = (leat_slot_request){r->paths[i], i, exact[i]};
    }
    MUST(leat_json_plan_new(requests, PATHS, limits, plan_arena, &plan, &err) == LEAT_OK);
    MUST(leat_arena_new(&r->arena, (size_t)1 << 30, &err) == LEAT_OK);
    r->decoder = leat_json_decoder_new(plan);
    leat_buf_init(&r->out, (size_t)64 << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leat_err err;
    readers r;
    leat_arena *plan_arena = NULL;
    MUST(leat_arena_new(&plan_arena, (size_t)1 << 20, &err) == LEAT_OK);
    make_readers(&r, plan_arena);
    leat_str text = {(const char *)data, size};
    check_text(&r, text);
    check_text(&r, text);
    for (size_t from = 0; from < size;) {
        const char *line = text.data + from;
        const char *stop = memchr(line, '\n', size - from);
        size_t len = stop != NULL ? (size_t)(stop - line) : size - from;
        check_text(&r, (leat_str){line, len});
        from += len + 1;
    }
    leat_json_decoder_free(&r.decoder);
    leat_buf_release(&r.out);
    leat_arena_free(&r.arena);
    leat_arena_free(&plan_arena);
    return 0;
}
