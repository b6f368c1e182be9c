/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of Redis become values.
 *
 * JSON goes through the decoder of the data path, so that a looked up value is what the same text
 * in a record would be: numbers keep their spelling, of duplicate keys the last wins, objects and
 * lists stay text until somebody looks into them. That decoder knows objects only; so a value is
 * decoded as the one member of an object around it, after it has been found to be a whole value
 * (`1,"v":2` is none). */
#include "transforms/lookup_value.h"

const leat_json_limits leat_lookup_limits = {128, 64u << 20};

leat_json_plan *leat_lookup_value_plan(leat_arena *arena)
{
    leat_json_plan *plan = NULL;
    leat_err err;
    leat_slot_request *request = leat_arena_zero(arena, sizeof *request);
    if (request == NULL) return NULL;
    request->exact = true;
    if (leat_path_parse(LEAT_STR("v"), arena, &request->path, &err) != LEAT_OK) return NULL;
    if (leat_json_plan_new(request, 1, leat_lookup_limits, arena, &plan, &err) != LEAT_OK)
        return NULL;
    return plan;
}

static leat_code of_json(leat_json_decoder *decoder, leat_str text, leat_arena *arena,
                         leat_value *value, leat_err *err)
{
    leat_code code = leat_json_validate(text, leat_lookup_limits, err);
    if (code != LEAT_OK) return leat_err_prefix(err, "the value is no JSON");
    leat_str raw, whole = leat_arena_print(arena, "{\"v\":%.*s}", LEAT_STR_ARG(text));
    if (whole.data == NULL) return leat_arena_full(arena, err);
    *value = LEAT_VALUE_MISSING;
    LEAT_TRY(leat_json_decode(decoder, whole, arena, value, &raw, err));
    LEAT_ASSERT(value->tag != LEAT_MISSING);
    return LEAT_OK;
}

static leat_code of_text(leat_json_decoder *decoder, bool json, leat_str text, leat_arena *arena,
                         leat_value *value, leat_err *err)
{
    if (json) return of_json(decoder, text, arena, value, err);
    if (!leat_str_utf8_valid(text))
        return leat_err_set(err, LEAT_ERR_INVALID, "the value is not UTF-8");
    *value = leat_value_string(text);
    return LEAT_OK;
}

leat_code leat_lookup_value(leat_json_decoder *decoder, bool json, bool hash,
                            const leat_lookup_request *request, leat_arena *arena,
                            leat_value *value, leat_err *err)
{
    LEAT_ASSERT(request->found && request->texts_count > 0);
    if (!hash) return of_text(decoder, json, request->texts[0].text, arena, value, err);
    size_t count = request->texts_count;
    leat_entry *entries = leat_arena_array(arena, count, sizeof *entries);
    if (entries == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < count; i++) {
        leat_str name = request->texts[i].name;
        if (!leat_str_utf8_valid(name))
            return leat_err_set(err, LEAT_ERR_INVALID, "a field's name is not UTF-8");
        entries[i].key = leat_value_string(name);
        leat_code code =
            of_text(decoder, json, request->texts[i].text, arena, &entries[i].value, err);
        if (code != LEAT_OK) return leat_err_prefix(err, "field '%.*s'", LEAT_STR_ARG(name));
    }
    *value = leat_value_map(entries, count);
    return LEAT_OK;
}
