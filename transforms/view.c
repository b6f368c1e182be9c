/* SPDX-License-Identifier: Apache-2.0 */
/* Values that no single slot holds, put together when somebody asks.
 *
 * A field is a tree over a base: the base's members (if it is open) with those that steps have
 * changed laid over them, in the order in which the encoder would write them. A plain view gives a
 * MAP of native values, so that a timestamp that a step has set is still one; an exact view gives
 * JSON text, so that a decimal keeps its spelling on its way to another field.
 *
 * Selecting inside JSON text goes over the text member by member: what is here has been validated
 * by the decoder, so finding the end of a value is a matter of brackets and quotes. Cost: of the
 * text's length. Refused: parsing all of it for one member. */
#include <string.h>

#include "schemas/codec_json.h"
#include "schemas/json_walk.h"
#include "transforms/operator.h"

#define VIEW_BYTES_MAX ((size_t)1 << 30) /* as much as an arena of a batch can ever take */

/* Texts inside a record have passed the limits of its source. */
static const leat_json_limits inner_limits = {1024, UINT32_MAX};

/* The text of object's member; data NULL: it has none of that name, or is no object. */
static leat_code text_member(leat_str object, leat_str name, leat_arena *arena, leat_str *member,
                             leat_err *err)
{
    leat_json_walk walk;
    leat_json_part part;
    *member = LEAT_STR_NONE;
    if (!leat_json_walk_init(&walk, object) || !walk.object) return LEAT_OK;
    while (leat_json_walk_next(&walk, &part)) {
        leat_str key;
        LEAT_TRY(leat_json_walk_name(part.key, arena, &key, err));
        if (leat_str_equal(key, name)) *member = part.value; /* the last of equals */
    }
    return LEAT_OK;
}

/* --- selecting --- */

static leat_code select_member(leat_value object, leat_str name, bool exact, leat_arena *arena,
                               leat_value *value, leat_err *err)
{
    leat_str text = LEAT_STR_NONE;
    *value = LEAT_VALUE_MISSING;
    if (object.tag == LEAT_MAP) {
        for (uint32_t i = 0; i < object.len; i++) {
            const leat_entry *entry = &object.as.entries[i];
            if (entry->key.tag == LEAT_STRING && leat_str_equal(leat_value_str(entry->key), name))
                *value = entry->value;
        }
        return LEAT_OK;
    }
    if (object.tag == LEAT_OBJECT)
        return object.as.object->type->field(object.as.object, name, arena, value, err);
    if (object.tag != LEAT_JSON) return LEAT_OK;
    LEAT_TRY(text_member(leat_value_str(object), name, arena, &text, err));
    return text.data == NULL ? LEAT_OK : leat_json_walk_value(text, exact, arena, value, err);
}

/* --- putting together --- */

static leat_code base_of(const leat_field *object, const leat_record *record, bool root,
                         leat_arena *arena, leat_value *base, leat_err *err)
{
    *base = LEAT_VALUE_MISSING;
    if (object->slot != LEAT_SLOT_NONE) {
        *base = record->slots[object->slot];
    } else if (root && record->raw.data != NULL) {
        *base = leat_value_text(LEAT_JSON, record->raw);
    }
    if (base->tag == LEAT_JSON)
        return leat_json_value(leat_value_str(*base), inner_limits, arena, base, err);
    return LEAT_OK;
}

static leat_code field_value(const leat_field *field, const leat_record *record, bool root,
                             leat_arena *arena, leat_value *value, leat_err *err);

/* A number to compute with; an integer beyond 64 bits stays text. */
static leat_value computable(leat_value value)
{
    leat_value number;
    leat_err ignored;
    bool text = value.tag == LEAT_NUMBER;
    return text && leat_json_number(leat_value_str(value), &number, &ignored) == LEAT_OK ? number
                                                                                         : value;
}

static size_t fields_count(const leat_field *object)
{
    size_t count = 0;
    for (const leat_field *field = object->fields; field != NULL; field = field->next)
        count++;
    return count;
}

static size_t entry_find(const leat_entry *entries, size_t count, leat_str name)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].key.tag == LEAT_STRING &&
            leat_str_equal(leat_value_str(entries[i].key), name))
            return i;
    return count;
}

/* The base's members that stay, then what is laid over them: replaced ones keep their place. */
static leat_code overlay(const leat_field *object, const leat_record *record, leat_value base,
                         leat_arena *arena, leat_value *value, leat_err *err)
{
    size_t room = (base.tag == LEAT_MAP ? base.len : 0) + fields_count(object), count = 0;
    leat_entry *entries = leat_arena_array(arena, room + 1, sizeof *entries);
    if (entries == NULL) return leat_arena_full(arena, err);
    if (base.tag == LEAT_MAP && object->open) {
        count = base.len;
        if (count > 0) memcpy(entries, base.as.entries, count * sizeof *entries);
    }
    for (const leat_field *field = object->fields; field != NULL; field = field->next) {
        leat_value inner = LEAT_VALUE_MISSING;
        LEAT_TRY(field_value(field, record, false, arena, &inner, err));
        size_t at = entry_find(entries, count, field->name);
        if (inner.tag != LEAT_MISSING) {
            entries[at] = (leat_entry){leat_value_string(field->name), inner};
            count += at == count;
        } else if (at < count) {
            count--;
            memmove(entries + at, entries + at + 1, (count - at) * sizeof *entries);
        }
    }
    LEAT_ASSERT(count <= room);
    *value = leat_value_map(entries, count);
    return LEAT_OK;
}

/* Has a step put something there, even if a later one has removed it? */
static bool field_made(const leat_field *field, const leat_record *record)
{
    if (field->slot != LEAT_SLOT_NONE && record->slots[field->slot].tag != LEAT_MISSING)
        return true;
    for (const leat_field *child = field->fields; child != NULL; child = child->next)
        if (field_made(child, record)) return true;
    return false;
}

static leat_code object_value(const leat_field *object, const leat_record *record, bool root,
                              leat_arena *arena, leat_value *value, leat_err *err)
{
    leat_value base;
    LEAT_TRY(base_of(object, record, root, arena, &base, err));
    if (!object->open && base.tag != LEAT_MAP) base = LEAT_VALUE_MISSING;
    LEAT_TRY(overlay(object, record, base, arena, value, err));
    if (base.tag == LEAT_MAP || root) return LEAT_OK;
    if (value->len > 0 && base.tag == LEAT_MISSING) return LEAT_OK;
    if (value->len > 0)
        return leat_err_set(err, LEAT_ERR_TYPE, "'%.*s' is %s, not an object",
                            LEAT_STR_ARG(object->name), leat_tag_name((leat_tag)base.tag));
    for (const leat_field *field = object->fields; field != NULL; field = field->next)
        if (base.tag == LEAT_MISSING && field_made(field, record)) return LEAT_OK;
    *value = computable(base);
    return LEAT_OK;
}

/* Natively. */
static leat_code field_value(const leat_field *field, const leat_record *record, bool root,
                             leat_arena *arena, leat_value *value, leat_err *err)
{
    *value = LEAT_VALUE_MISSING;
    if (field->kind == LEAT_FIELD_REMOVED) return LEAT_OK;
    if (field->kind == LEAT_FIELD_OBJECT)
        return object_value(field, record, root, arena, value, err);
    *value = record->slots[field->slot];
    if (value->tag == LEAT_JSON)
        return leat_json_value(leat_value_str(*value), inner_limits, arena, value, err);
    *value = computable(*value);
    return LEAT_OK;
}

/* An object as the encoder writes it. */
static leat_code encoded(const leat_field *object, const leat_record *record, bool root,
                         leat_arena *arena, leat_value *value, leat_err *err)
{
    /* As a member of a root of its own, so that what is not there can be told from {}. */
    leat_field member = *object, top = {.kind = LEAT_FIELD_OBJECT, .slot = LEAT_SLOT_NONE};
    member.name = LEAT_STR("v");
    member.quoted = false;
    member.next = NULL;
    top.fields = &member;
    leat_buf out;
    leat_buf_init(&out, VIEW_BYTES_MAX);
    leat_code code = leat_json_encode(root ? object : &top, root ? record->raw : LEAT_STR_NONE,
                                      record->slots, arena, &out, err);
    if (code == LEAT_OK) code = leat_buf_check(&out, "an object", err);
    leat_str text = LEAT_STR_NONE;
    if (code == LEAT_OK) {
        text = leat_arena_copy(arena, leat_buf_str(&out));
        if (text.data == NULL) code = leat_arena_full(arena, err);
    }
    leat_buf_release(&out);
    if (code != LEAT_OK) return code;
    *value = leat_value_text(LEAT_JSON, text);
    return root ? LEAT_OK : select_member(*value, member.name, true, arena, value, err);
}

leat_code leat_view_load(const leat_view *view, const leat_record *record, leat_arena *arena,
                         leat_value *value, leat_err *err)
{
    const leat_field *field = view->field;
    bool root = field->name.data == NULL;
    LEAT_ASSERT(field->kind != LEAT_FIELD_REMOVED);
    if (field->kind == LEAT_FIELD_SLOT) {
        *value = record->slots[field->slot];
    } else if (root && field->open && field->fields == NULL && record->raw.data != NULL) {
        *value = leat_value_text(LEAT_JSON, record->raw);
    } else if (view->exact) {
        LEAT_TRY(encoded(field, record, root, arena, value, err));
    } else {
        LEAT_TRY(field_value(field, record, root, arena, value, err));
    }
    for (size_t i = 0; i < view->path.count && value->tag != LEAT_MISSING; i++)
        LEAT_TRY(select_member(*value, view->path.names[i], view->exact, arena, value, err));
    return LEAT_OK;
}
