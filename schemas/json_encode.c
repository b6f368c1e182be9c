/* SPDX-License-Identifier: Apache-2.0 */
/* From slots and the text that came in to the text that goes out, as a layout tells.
 *
 *   base     {"id":7,"cvv":"123","pan":"4111","note":"x"}      open, cvv: REMOVED, pan: SLOT
 *            '------'           '-----------''----------'
 *              copied             replaced     copied
 *
 * An open object is copied from its base in runs of untouched members; fields keep their place;
 * those that the base does not have follow in the order in which steps made them. A closed object
 * is its fields, in their order. The base has been checked when it was decoded and has each key
 * once; reading it again to find its members costs less than keeping their places for all records,
 * most of which are filtered out before they are written.
 *
 * Whether a nested object is there at all is asked before anything is written, so nothing is ever
 * taken back from `out` but after an error. */
#include "schemas/json_scan.h"
#include "schemas/layout.h"

typedef struct encoding {
    const leat_value *slots;
    leat_arena *arena;
    leat_buf *out;
    leat_err *err;
} encoding;

/* The base of one object. */
typedef struct base {
    leat_str text;    /* of an object; data NULL: there is none */
    leat_value other; /* what is there instead of an object; MISSING: nothing */
} base;

/* The fields of one object while its base is copied. */
typedef struct merging {
    const leat_field *object;
    bool *placed;              /* by index of field */
    uint64_t filter;           /* bits of the names there are: most keys of a base are no field */
    const char *run, *run_end; /* untouched members not yet copied */
    size_t first;              /* out->len behind the brace */
    uint32_t depth;
} merging;

/* --- bases ------------------------------------------------------------------------------------ */

static leat_code text_of(const encoding *e, leat_value value, leat_str *text)
{
    leat_buf scratch;
    leat_buf_init(&scratch, e->out->max);
    leat_code code = leat_json_write(value, e->arena, &scratch, e->err);
    if (code == LEAT_OK) {
        *text = leat_arena_copy(e->arena, leat_buf_str(&scratch));
        if (text->data == NULL) code = leat_arena_full(e->arena, e->err);
    }
    leat_buf_release(&scratch);
    return code;
}

static leat_code find_base(const encoding *e, const leat_field *object, base *found)
{
    *found = (base){LEAT_STR_NONE, LEAT_VALUE_MISSING};
    if (object->slot == LEAT_SLOT_NONE) return LEAT_OK;
    leat_value value = e->slots[object->slot];
    if (value.tag == LEAT_OPTIONAL) {
        value = value.as.items != NULL ? value.as.items[0] : LEAT_VALUE_NULL;
    }
    if (value.tag == LEAT_JSON && value.as.text[0] == '{') {
        found->text = leat_value_str(value);
    } else if (value.tag == LEAT_MAP || value.tag == LEAT_OBJECT) {
        return text_of(e, value, &found->text);
    } else {
        found->other = value;
    }
    return LEAT_OK;
}

static bool field_present(const encoding *e, const leat_field *field);

static bool any_present(const encoding *e, const leat_field *object)
{
    for (const leat_field *it = object->fields; it != NULL; it = it->next) {
        if (field_present(e, it)) return true;
    }
    return false;
}

/* Has a step put something there, even if a later one has removed it? */
static bool field_made(const encoding *e, const leat_field *field)
{
    if (field->slot != LEAT_SLOT_NONE && e->slots[field->slot].tag != LEAT_MISSING) return true;
    for (const leat_field *it = field->fields; it != NULL; it = it->next) {
        if (field_made(e, it)) return true;
    }
    return false;
}

/* Would anything be written? Recursion: by the depth of the layout's paths. */
static bool field_present(const encoding *e, const leat_field *field)
{
    if (field->kind == LEAT_FIELD_REMOVED) return false;
    if (field->kind == LEAT_FIELD_SLOT) return e->slots[field->slot].tag != LEAT_MISSING;
    for (const leat_field *it = field->fields; it != NULL; it = it->next) {
        if (field_made(e, it)) return true;
    }
    if (field->slot == LEAT_SLOT_NONE) return false;
    leat_value value = e->slots[field->slot];
    if (field->open || value.tag == LEAT_MAP || value.tag == LEAT_OBJECT) {
        return value.tag != LEAT_MISSING;
    }
    return value.tag == LEAT_JSON && value.as.text[0] == '{';
}

/* --- writing ---------------------------------------------------------------------------------- */

static leat_code put_object(const encoding *e, const leat_field *object, leat_str text,
                            uint32_t depth);

static void put_comma(const encoding *e, size_t first)
{
    if (e->out->len > first) leat_buf_add_char(e->out, ',');
}

static void flush_run(const encoding *e, merging *m)
{
    if (m->run == NULL) return;
    LEAT_ASSERT(m->run_end > m->run);
    put_comma(e, m->first);
    leat_buf_add(e->out, (leat_str){m->run, (size_t)(m->run_end - m->run)});
    m->run = NULL;
}

static leat_code put_nested(const encoding *e, const leat_field *field, uint32_t depth)
{
    LEAT_ASSERT(field->kind == LEAT_FIELD_OBJECT);
    base found;
    LEAT_TRY(find_base(e, field, &found));
    if (field->open && found.text.data == NULL && found.other.tag != LEAT_MISSING) {
        if (any_present(e, field)) {
            return leat_err_set(
                e->err, LEAT_ERR_TYPE, "'%.*s' is no object but %s; a field cannot be set in it",
                LEAT_STR_ARG(field->name), leat_tag_name((leat_tag)found.other.tag));
        }
        return leat_json_put(found.other, e->arena, e->out, e->err);
    }
    return put_object(e, field, found.text, depth + 1);
}

/* The usual name with the usual value is two copies. */
static void put_member(const encoding *e, const leat_field *field, leat_str text, bool comma)
{
    size_t name_len = field->name.len + 3 + comma;
    char *to = leat_buf_reserve(e->out, name_len + text.len + 2);
    if (LEAT_UNLIKELY(to == NULL)) return;
    memcpy(to, field->name.data - 1 - comma, name_len);
    to += name_len;
    *to++ = '"';
    if (text.len > 0) memcpy(to, text.data, text.len);
    to[text.len] = '"';
    e->out->len += name_len + text.len + 2;
}

static void put_name(const encoding *e, const leat_field *field, size_t first)
{
    bool comma = e->out->len > first;
    if (LEAT_LIKELY(field->quoted))
        leat_buf_add(e->out, (leat_str){field->name.data - 1 - comma, field->name.len + 3 + comma});
    else
        leat_json_put_name(field->name, comma, e->out);
}

static leat_code put_field(const encoding *e, const leat_field *field, size_t first, uint32_t depth)
{
    if (LEAT_LIKELY(field->kind == LEAT_FIELD_SLOT)) {
        leat_value value = e->slots[field->slot];
        if (value.tag == LEAT_MISSING) return LEAT_OK;
        if (value.tag == LEAT_STRING && (value.flags & LEAT_VALUE_PLAIN) != 0 && field->quoted) {
            put_member(e, field, leat_value_str(value), e->out->len > first);
            return LEAT_OK;
        }
        put_name(e, field, first);
        return leat_json_put(value, e->arena, e->out, e->err);
    }
    if (!field_present(e, field)) return LEAT_OK;
    put_name(e, field, first);
    return put_nested(e, field, depth);
}

static uint64_t name_bit(leat_str name)
{
    unsigned last = name.len > 0 ? (unsigned char)name.data[name.len - 1] : 0;
    return (uint64_t)1 << ((name.len + (size_t)last * 7) % 64);
}

static const leat_field *find_field(const merging *m, leat_str name, size_t *index)
{
    if ((m->filter & name_bit(name)) == 0) return NULL;
    *index = 0;
    for (const leat_field *it = m->object->fields; it != NULL; it = it->next, (*index)++) {
        if (leat_str_equal(it->name, name)) return it;
    }
    return NULL;
}

static inline const char *skip_value(const leat_json_input *input, const char *p)
{
    if (*p != '"') return leat_json_skip(input, p, 1);
    bool escaped;
    p = leat_json_string_end(input, p + 1, &escaped);
    return p != NULL ? p + 1 : NULL;
}

/* Copies or replaces one member after the other of the base. */
static leat_code merge(const encoding *e, merging *m, const leat_json_input *input)
{
    const char *p = leat_json_space_end(input->start, input->end);
    LEAT_ASSERT(p < input->end && *p == '{');
    p = leat_json_space_end(p + 1, input->end);
    while (p < input->end && *p != '}') {
        leat_str key;
        const char *start = p;
        p = leat_json_key(input, p, &key);
        if (p == NULL) return e->err->code;
        p = skip_value(input, p);
        if (p == NULL) return e->err->code;
        size_t index;
        const leat_field *field = find_field(m, key, &index);
        if (field == NULL) {
            if (m->run == NULL) m->run = start;
            m->run_end = p;
        } else {
            flush_run(e, m);
            m->placed[index] = true;
            LEAT_TRY(put_field(e, field, m->first, m->depth));
        }
        p = leat_json_space_end(p, input->end);
        if (p < input->end && *p == ',') p = leat_json_space_end(p + 1, input->end);
    }
    flush_run(e, m);
    return LEAT_OK;
}

static leat_code put_object(const encoding *e, const leat_field *object, leat_str text,
                            uint32_t depth)
{
    LEAT_ASSERT(object->kind == LEAT_FIELD_OBJECT && depth <= LEAT_JSON_DEPTH_CAP);
    bool copies = object->open && text.data != NULL;
    if (copies && object->fields == NULL) {
        leat_buf_add(e->out, text);
        return LEAT_OK;
    }
    leat_buf_add_char(e->out, '{');
    merging m = {.object = object, .first = e->out->len, .depth = depth};
    if (copies) {
        size_t count = 0;
        for (const leat_field *it = object->fields; it != NULL; it = it->next, count++) {
            m.filter |= name_bit(it->name);
        }
        m.placed = leat_arena_zero(e->arena, count);
        if (m.placed == NULL) return leat_arena_full(e->arena, e->err);
        leat_json_input input = {.start = text.data,
                                 .end = text.data + text.len,
                                 .depth_max = LEAT_JSON_DEPTH_CAP,
                                 .err = e->err,
                                 .arena = e->arena};
        LEAT_TRY(merge(e, &m, &input));
    }
    size_t index = 0;
    for (const leat_field *it = object->fields; it != NULL; it = it->next, index++) {
        if (m.placed == NULL || !m.placed[index]) LEAT_TRY(put_field(e, it, m.first, depth));
    }
    leat_buf_add_char(e->out, '}');
    return LEAT_OK;
}

leat_code leat_json_encode(const leat_field *root, leat_str raw, const leat_value *slots,
                           leat_arena *arena, leat_buf *out, leat_err *err)
{
    LEAT_ASSERT(root != NULL && root->kind == LEAT_FIELD_OBJECT);
    encoding e = {slots, arena, out, err};
    base found = {raw, LEAT_VALUE_MISSING};
    size_t before = out->len;
    leat_code code = LEAT_OK;
    err->offset = 0;
    if (root->slot != LEAT_SLOT_NONE) {
        code = find_base(&e, root, &found);
        if (code == LEAT_OK && found.other.tag != LEAT_MISSING) {
            code = leat_err_set(err, LEAT_ERR_TYPE, "the record's value is no object but %s",
                                leat_tag_name((leat_tag)found.other.tag));
        }
    }
    if (code == LEAT_OK) code = put_object(&e, root, found.text, 0);
    if (code == LEAT_OK) code = leat_buf_check(out, "the record's JSON text", err);
    if (code != LEAT_OK) out->len = before;
    return code;
}
