/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of CSV become slots, and, if somebody reads it, JSON text.
 *
 *   7,"a ""b""",,true      columns id:int name note:int ok:bool
 *   {"id":7,"name":"a \"b\"","note":null,"ok":true}
 *
 * A cell goes into the slots that ask for its column while the row is cut up (csv_row.c); cells of
 * other columns are only checked. No decoder reads again what was just written: the text is made
 * for sinks and steps that take all there is.
 *
 * An unquoted empty cell of a column that is no string is null; of a string it is the empty string,
 * unless the settings say how null is written. What is written follows the same rule, so that a
 * file that was written can be read back: an empty string is "" where null is written as nothing.
 *
 * With a header line, the first row of each file says where the columns are. The state remembers it
 * by file, and by its line: when records are read again after an abort, so is the header.
 *
 * Written are slots where each column is one; else the record is written as JSON and read again.
 *
 * Cost: ~1 ns a byte, and ~2 ns more for the text. */
#include "schemas/csv_row.h"

#include <stdio.h>

#include "core/mem.h"
#include "core/number.h"

#define PLAN_BYTES_MAX  ((size_t)16 << 20)
#define WRITE_DEPTH_MAX 1024

/* A slot that a column's cells go to. */
typedef struct csv_target {
    uint32_t slot;
    bool exact;
} csv_target;

/* Where the columns of one file are. */
typedef struct csv_layout {
    struct csv_layout *next;
    leat_str topic; /* none: of all */
    int64_t offset; /* of the header line */
    leat_csv_column *columns;
    leat_str *prefixes;  /* "name": as JSON has it */
    csv_target *targets; /* column by column ... */
    size_t *targets_end; /* ... of each up to here */
    size_t count;
    bool bad; /* the header line cannot be used, nor what follows it */
    leat_err why;
} csv_layout;

typedef struct csv_state {
    const leat_slot_request *requests;
    size_t requests_count;
    leat_json_limits limits;
    leat_arena *arena;   /* layouts, the plan of what is written */
    csv_layout *layouts; /* latest first */
    leat_buf text, cell;
    bool special[256]; /* ends a run of an unquoted cell */
    /* Of records that are written: where each column is, if all of them are slots of the record;
     * else what reads them from its text. */
    const leat_field *known; /* the layout that this is known of */
    uint32_t *direct;        /* NULL: not all; NONE: there is no such field */
    leat_json_decoder *decoder;
    leat_value *slots;
} csv_state;

static const leat_csv_codec *csv_of(const leat_codec *codec)
{
    LEAT_ASSERT(codec->type == &leat_codec_csv);
    return (const leat_csv_codec *)codec;
}

/* Which slots each column goes to. A cell has nothing inside, so that longer paths find nothing. */
static leat_code layout_targets(const csv_state *state, csv_layout *layout, leat_err *err)
{
    size_t count = 0;
    layout->targets =
        leat_arena_array(state->arena, state->requests_count + 1, sizeof *layout->targets);
    layout->targets_end =
        leat_arena_array(state->arena, layout->count + 1, sizeof *layout->targets_end);
    if (layout->targets == NULL || layout->targets_end == NULL)
        return leat_arena_full(state->arena, err);
    for (size_t i = 0; i < layout->count; i++) {
        for (size_t k = 0; k < state->requests_count; k++) {
            const leat_slot_request *request = &state->requests[k];
            if (request->path.count == 1 &&
                leat_str_equal(request->path.names[0], layout->columns[i].name))
                layout->targets[count++] = (csv_target){request->slot, request->exact};
        }
        layout->targets_end[i] = count;
    }
    LEAT_ASSERT(count <= state->requests_count);
    return LEAT_OK;
}

/* Columns and their names as JSON has them. */
static leat_code layout_columns(csv_state *state, csv_layout *layout, const leat_csv_codec *codec,
                                const leat_str *names, size_t count, leat_err *err)
{
    layout->columns = leat_arena_array(state->arena, count, sizeof *layout->columns);
    layout->prefixes = leat_arena_array(state->arena, count, sizeof *layout->prefixes);
    if (layout->columns == NULL || layout->prefixes == NULL)
        return leat_arena_full(state->arena, err);
    for (size_t i = 0; i < count; i++) {
        layout->columns[i] = (leat_csv_column){names[i], LEAT_CSV_STRING};
        for (size_t k = 0; k < codec->columns_count; k++)
            if (leat_str_equal(codec->columns[k].name, names[i]))
                layout->columns[i].type = codec->columns[k].type;
        leat_buf_reset(&state->text);
        leat_json_write_string(names[i], &state->text);
        leat_buf_add_char(&state->text, ':');
        layout->prefixes[i] = leat_arena_copy(state->arena, leat_buf_str(&state->text));
        if (layout->prefixes[i].data == NULL) return leat_arena_full(state->arena, err);
    }
    layout->count = count;
    return layout_targets(state, layout, err);
}

/* Every column that the settings name must be there. */
static leat_code layout_check(const csv_layout *layout, const leat_csv_codec *codec, leat_err *err)
{
    for (size_t k = 0; k < codec->columns_count; k++) {
        bool there = false;
        for (size_t i = 0; i < layout->count; i++)
            there = there || leat_str_equal(layout->columns[i].name, codec->columns[k].name);
        if (!there)
            return leat_err_set(err, LEAT_ERR_SYNTAX, "the header line has no column '%.*s'",
                                LEAT_STR_ARG(codec->columns[k].name));
    }
    return LEAT_OK;
}

static leat_code layout_from_header(csv_state *state, const leat_csv_codec *codec,
                                    const leat_message *message, leat_err *err)
{
    csv_layout *layout = leat_arena_zero(state->arena, sizeof *layout);
    if (layout == NULL) return leat_arena_full(state->arena, err);
    layout->topic = leat_arena_copy(state->arena, message->topic);
    if (layout->topic.data == NULL) return leat_arena_full(state->arena, err);
    layout->offset = message->offset;
    layout->next = state->layouts;
    state->layouts = layout;
    leat_str *names = NULL;
    size_t count = 0;
    leat_code code = leat_csv_header(codec, message->value, state->arena, &names, &count, err);
    if (code == LEAT_OK) code = layout_columns(state, layout, codec, names, count, err);
    if (code == LEAT_OK) code = layout_check(layout, codec, err);
    if (code == LEAT_OK) return code;
    if (leat_code_blame(code) != LEAT_BLAME_RECORD) { /* not its fault: read again after an abort */
        state->layouts = layout->next;
        return code;
    }
    layout->bad = true;
    layout->why = *err;
    return code;
}

static csv_layout *layout_of(const csv_state *state, const leat_message *message)
{
    for (csv_layout *layout = state->layouts; layout != NULL; layout = layout->next)
        if (layout->topic.data == NULL || leat_str_equal(layout->topic, message->topic))
            return layout;
    return NULL;
}

/* --- reading --- */

static bool is_word(leat_str cell, const char *word)
{
    size_t len = strlen(word);
    if (cell.len != len) return false;
    for (size_t i = 0; i < len; i++)
        if ((cell.data[i] | 0x20) != word[i]) return false;
    return true;
}

/* *value: what the cell stands for; NULL, or what is wrong with it. */
static const char *read_cell(leat_str cell, leat_csv_type type, leat_value *value)
{
    int64_t whole = 0;
    double number = 0;
    switch (type) {
    case LEAT_CSV_STRING: *value = leat_value_string(cell); return NULL;
    case LEAT_CSV_INT:
        if (leat_number_int(cell, &whole) != LEAT_NUMBER_OK) return "is no int of 64 bits";
        *value = leat_value_int(whole);
        return NULL;
    case LEAT_CSV_DOUBLE:
        if (leat_number_double(cell, &number) != LEAT_NUMBER_OK) return "is no number";
        *value = leat_value_double(number);
        return NULL;
    case LEAT_CSV_BOOL:
        *value = leat_value_bool(is_word(cell, "true") || leat_str_is(cell, "1"));
        if (value->as.b || is_word(cell, "false") || leat_str_is(cell, "0")) return NULL;
        return "is no bool: true or false";
    }
    return "has no known type";
}

/* A double's spelling survives; that of a whole one shows that it is none. */
static bool is_spelt_whole(leat_str cell)
{
    for (size_t i = 0; i < cell.len; i++)
        if (cell.data[i] == '.' || (cell.data[i] | 0x20) == 'e') return false;
    return true;
}

static void put_raw(leat_buf *out, leat_str cell, leat_value value)
{
    if (value.tag == LEAT_STRING) {
        leat_json_write_string(cell, out);
    } else if (value.tag == LEAT_INT) {
        leat_buf_add_int(out, value.as.i);
    } else if (value.tag == LEAT_DOUBLE) {
        leat_buf_add(out, cell);
        if (is_spelt_whole(cell)) leat_buf_add_text(out, ".0");
    } else {
        leat_buf_add_text(out, value.tag == LEAT_NULL ? "null" : value.as.b ? "true" : "false");
    }
}

/* The cell into the slots of its column. */
static leat_code put_slots(const csv_state *state, const csv_row *row, leat_str cell,
                           leat_value value, const csv_layout *layout, leat_codec_in *in,
                           leat_err *err)
{
    size_t column = row->cells - 1;
    size_t at = column > 0 ? layout->targets_end[column - 1] : 0, end = layout->targets_end[column];
    if (at == end) return LEAT_OK;
    if (value.tag == LEAT_STRING && cell.data == state->cell.data && cell.len > 0) {
        leat_str copy = leat_arena_copy(in->arena, cell);
        if (copy.data == NULL) return leat_arena_full(in->arena, err);
        value = leat_value_string(copy);
    }
    for (; at < end; at++) {
        leat_value *slot = &in->slots[layout->targets[at].slot];
        *slot = value;
        if (!layout->targets[at].exact || value.tag != LEAT_DOUBLE) continue;
        leat_str text = cell;
        if (is_spelt_whole(cell)) text = leat_arena_print(in->arena, "%.*s.0", LEAT_STR_ARG(cell));
        if (text.data == NULL) return leat_arena_full(in->arena, err);
        *slot = leat_value_text(LEAT_NUMBER, text);
    }
    return LEAT_OK;
}

static bool is_null(const leat_csv_codec *codec, leat_str cell, leat_csv_type type, bool quoted)
{
    if (quoted) return false;
    if (cell.len == 0 && type != LEAT_CSV_STRING) return true;
    return codec->null.data != NULL && leat_str_equal(cell, codec->null);
}

static leat_code row_width(csv_row *row, size_t want, leat_err *err)
{
    char what[128];
    (void)snprintf(what, sizeof what, "the row %s here, but there are %zu columns",
                   row->cells < want ? "ends" : "goes on", want);
    return csv_row_fail(row, what, err);
}

/* One cell: its value, checked. */
static leat_code next_cell(csv_state *state, csv_row *row, leat_str *cell, leat_value *value,
                           leat_err *err)
{
    bool quoted;
    LEAT_TRY(csv_row_cell(row, state->special, &state->cell, cell, &quoted, err));
    leat_csv_type type = row->columns[row->cells - 1].type;
    if (LEAT_UNLIKELY(!row->valid) && !leat_str_utf8_valid(*cell))
        return csv_row_fail(row, "is not UTF-8", err);
    *value = LEAT_VALUE_NULL;
    if (is_null(row->codec, *cell, type, quoted)) return LEAT_OK;
    const char *wrong = read_cell(*cell, type, value);
    return wrong == NULL ? LEAT_OK : csv_row_fail(row, wrong, err);
}

/* raw: the text is made, too. */
static leat_code row_read(csv_state *state, csv_row *row, const csv_layout *layout, bool raw,
                          leat_codec_in *in, leat_err *err)
{
    leat_buf *out = &state->text;
    leat_buf_reset(out);
    while (row->more) {
        leat_str cell;
        leat_value value;
        if (row->cells == layout->count) return row_width(row, layout->count, err);
        LEAT_TRY(next_cell(state, row, &cell, &value, err));
        LEAT_TRY(put_slots(state, row, cell, value, layout, in, err));
        if (!raw) continue;
        leat_buf_add_char(out, row->cells > 1 ? ',' : '{');
        leat_buf_add(out, layout->prefixes[row->cells - 1]);
        put_raw(out, cell, value);
    }
    if (row->cells < layout->count) return row_width(row, layout->count, err);
    if (!raw) return LEAT_OK;
    leat_buf_add_char(out, '}');
    LEAT_TRY(leat_buf_check(out, "a row", err));
    in->raw = leat_arena_copy(in->arena, leat_buf_str(out));
    return in->raw.data != NULL ? LEAT_OK : leat_arena_full(in->arena, err);
}

static leat_code csv_decode(const leat_codec *of, void *kept, leat_codec_in *in, leat_err *err)
{
    const leat_csv_codec *codec = csv_of(of);
    csv_state *state = kept;
    const leat_message *message = in->message;
    csv_layout *layout = layout_of(state, message);
    in->none = true;
    if (codec->header) {
        if (layout == NULL) return layout_from_header(state, codec, message, err);
        if (layout->offset == message->offset && !layout->bad) return LEAT_OK;
        if (layout->bad) {
            *err = layout->why;
            if (layout->offset == message->offset) return err->code;
            err->offset = 0; /* it was of another line */
            return leat_err_prefix(err, "line %lld cannot be read, as of the header",
                                   (long long)message->offset);
        }
    }
    LEAT_ASSERT(layout != NULL);
    if (message->value.len > state->limits.bytes_max)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a row of %zu bytes; at most %u are allowed",
                            message->value.len, (unsigned)state->limits.bytes_max);
    csv_row row = csv_row_begin(codec, message->value, codec->header ? message->offset : 1);
    row.columns = layout->columns;
    row.columns_count = layout->count;
    row.valid = leat_str_utf8_valid(message->value);
    LEAT_TRY(row_read(state, &row, layout, !in->raw_unread, in, err));
    in->none = false;
    return LEAT_OK;
}

/* --- writing --- */

void leat_csv_write_header(const leat_csv_codec *codec, leat_buf *out)
{
    for (size_t i = 0; i < codec->columns_count; i++) {
        leat_str name = codec->columns[i].name;
        if (i > 0) leat_buf_add_char(out, codec->delimiter);
        bool plain = codec->quote == '\0';
        if (!plain) {
            plain = name.len > 0;
            for (size_t k = 0; plain && k < name.len; k++)
                plain = name.data[k] != codec->delimiter && name.data[k] != codec->quote &&
                        name.data[k] != '\n' && name.data[k] != '\r';
        }
        if (!plain) leat_buf_add_char(out, codec->quote);
        for (size_t k = 0; k < name.len; k++) {
            if (!plain && name.data[k] == codec->quote) leat_buf_add_char(out, codec->quote);
            leat_buf_add_char(out, name.data[k]);
        }
        if (!plain) leat_buf_add_char(out, codec->quote);
    }
}

/* Are the columns slots of the record as they are? */
static leat_code writer_look(csv_state *state, const leat_csv_codec *codec, const leat_field *root,
                             leat_err *err)
{
    size_t count = codec->columns_count;
    uint32_t *direct = leat_arena_array(state->arena, count, sizeof *direct);
    if (direct == NULL) return leat_arena_full(state->arena, err);
    state->known = root;
    state->direct = root->slot == LEAT_SLOT_NONE ? direct : NULL;
    for (size_t i = 0; i < count; i++) {
        const leat_field *field = leat_field_find(root, codec->columns[i].name);
        direct[i] = LEAT_SLOT_NONE;
        if (field != NULL && field->kind == LEAT_FIELD_SLOT) direct[i] = field->slot;
        if (field == NULL ? root->open : field->kind == LEAT_FIELD_OBJECT) state->direct = NULL;
    }
    return LEAT_OK;
}

/* What reads the record that is to be written: one slot per column. */
static leat_code writer_make(csv_state *state, const leat_csv_codec *codec, leat_err *err)
{
    size_t count = codec->columns_count;
    leat_json_plan *plan = NULL;
    leat_slot_request *requests = leat_arena_zero(state->arena, count * sizeof *requests);
    state->slots = leat_arena_zero(state->arena, count * sizeof *state->slots);
    if (requests == NULL || state->slots == NULL) return leat_arena_full(state->arena, err);
    for (size_t i = 0; i < count; i++)
        requests[i] = (leat_slot_request){
            .path = {&codec->columns[i].name, 1}, .slot = (uint32_t)i, .exact = true};
    leat_json_limits wide = {WRITE_DEPTH_MAX, UINT32_MAX};
    LEAT_TRY(leat_json_plan_new(requests, count, wide, state->arena, &plan, err));
    state->decoder = leat_json_decoder_new(plan);
    return LEAT_OK;
}

static leat_code put_text(const csv_state *state, const leat_csv_codec *codec, leat_str name,
                          leat_str text, leat_buf *out, leat_err *err)
{
    /* An empty string, or one that reads like null, would come back as null. */
    bool plain = !leat_str_equal(text, codec->null.data != NULL ? codec->null : LEAT_STR(""));
    for (size_t i = 0; plain && i < text.len; i++)
        plain = !state->special[(unsigned char)text.data[i]];
    if (plain) {
        leat_buf_add(out, text);
        return LEAT_OK;
    }
    if (codec->quote == '\0') {
        if (text.len == 0) return LEAT_OK;
        return leat_err_set(err, LEAT_ERR_INVALID,
                            "column '%.*s' holds a delimiter or a line end, and there is no quote "
                            "to put it in",
                            LEAT_STR_ARG(name));
    }
    leat_buf_add_char(out, codec->quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == codec->quote) leat_buf_add_char(out, codec->quote);
        leat_buf_add_char(out, text.data[i]);
    }
    leat_buf_add_char(out, codec->quote);
    return LEAT_OK;
}

static leat_code put_value(csv_state *state, const leat_csv_codec *codec, leat_str name,
                           leat_value value, const leat_codec_out *out, leat_err *err)
{
    if (value.tag == LEAT_MISSING || value.tag == LEAT_NULL) {
        leat_buf_add(out->to, codec->null);
        return LEAT_OK;
    }
    const leat_json_limits wide = {WRITE_DEPTH_MAX, UINT32_MAX};
    bool composite = value.tag == LEAT_JSON && value.len > 0 &&
                     (value.as.text[0] == '{' || value.as.text[0] == '[');
    if (value.tag == LEAT_JSON && !composite)
        LEAT_TRY(leat_json_value(leat_value_str(value), wide, out->arena, &value, err));
    if (value.tag == LEAT_STRING || value.tag == LEAT_JSON)
        return put_text(state, codec, name, leat_value_str(value), out->to, err);
    leat_buf_reset(&state->text);
    LEAT_TRY(leat_json_write(value, out->arena, &state->text, err));
    LEAT_TRY(leat_buf_check(&state->text, "a cell", err));
    leat_str text = leat_buf_str(&state->text);
    LEAT_ASSERT(text.len > 0);
    if (leat_str_is(text, "null")) text = LEAT_STR_NONE; /* an optional of none */
    if (text.data == NULL) {
        leat_buf_add(out->to, codec->null);
        return LEAT_OK;
    }
    /* A time or bytes, in quotes, of which JSON escapes nothing; a list or map is its JSON. */
    if (text.data[0] == '"') text = leat_str_slice(text, 1, text.len - 1);
    return put_text(state, codec, name, text, out->to, err);
}

static leat_code read_text(csv_state *state, const leat_csv_codec *codec, const leat_codec_out *out,
                           leat_err *err)
{
    leat_str json, raw;
    if (state->decoder == NULL) LEAT_TRY(writer_make(state, codec, err));
    LEAT_TRY(leat_codec_text(out, &state->text, &json, err));
    json = leat_arena_copy(out->arena, json); /* put_value needs the buffer */
    if (json.data == NULL) return leat_arena_full(out->arena, err);
    return leat_json_decode(state->decoder, json, out->arena, state->slots, &raw, err);
}

static leat_code csv_encode(const leat_codec *of, void *kept, leat_codec_out *out, leat_err *err)
{
    const leat_csv_codec *codec = csv_of(of);
    csv_state *state = kept;
    LEAT_ASSERT(codec->columns_count > 0);
    if (state->known != out->root) LEAT_TRY(writer_look(state, codec, out->root, err));
    if (state->direct == NULL) LEAT_TRY(read_text(state, codec, out, err));
    for (size_t i = 0; i < codec->columns_count; i++) {
        leat_value value = LEAT_VALUE_MISSING;
        if (state->direct == NULL)
            value = state->slots[i];
        else if (state->direct[i] != LEAT_SLOT_NONE)
            value = out->slots[state->direct[i]];
        if (i > 0) leat_buf_add_char(out->to, codec->delimiter);
        LEAT_TRY(put_value(state, codec, codec->columns[i].name, value, out, err));
    }
    return LEAT_OK;
}

/* --- state --- */

static void csv_close(void *kept)
{
    csv_state *state = kept;
    if (state == NULL) return;
    leat_json_decoder_free(&state->decoder);
    leat_buf_release(&state->text);
    leat_buf_release(&state->cell);
    leat_arena_free(&state->arena);
    leat_mem_free(state);
}

static leat_code csv_open(const leat_codec *of, const leat_slot_request *requests, size_t count,
                          leat_json_limits limits, void **kept, leat_err *err)
{
    const leat_csv_codec *codec = csv_of(of);
    csv_state *state = leat_mem_need(sizeof *state);
    state->requests = requests;
    state->requests_count = count;
    state->limits = limits;
    leat_buf_init(&state->text, CSV_ROW_BYTES_MAX);
    leat_buf_init(&state->cell, CSV_ROW_BYTES_MAX);
    csv_special(codec, state->special);
    leat_code code = leat_arena_new(&state->arena, PLAN_BYTES_MAX, err);
    if (code == LEAT_OK && !codec->header && codec->columns_count > 0) {
        csv_layout *layout = leat_arena_zero(state->arena, sizeof *layout);
        leat_str *names = leat_arena_array(state->arena, codec->columns_count, sizeof *names);
        if (layout == NULL || names == NULL) {
            code = leat_arena_full(state->arena, err);
        } else {
            for (size_t i = 0; i < codec->columns_count; i++)
                names[i] = codec->columns[i].name;
            code = layout_columns(state, layout, codec, names, codec->columns_count, err);
            state->layouts = layout;
        }
    }
    if (code != LEAT_OK) {
        csv_close(state);
        return code;
    }
    *kept = state;
    return LEAT_OK;
}

const leat_codec_type leat_codec_csv = {
    .name = "csv",
    .open = csv_open,
    .close = csv_close,
    .decode = csv_decode,
    .encode = csv_encode,
    .own_slots = true,
};
