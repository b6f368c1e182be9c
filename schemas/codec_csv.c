/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of CSV become JSON text, cell by cell, and that goes through the shape's decoder.
 *
 *   7,"a ""b""",,true      columns id:int name note:int ok:bool
 *   {"id":7,"name":"a \"b\"","note":null,"ok":true}
 *
 * What a row must be is RFC 4180 and nothing softer: a quote inside an unquoted cell, text behind a
 * closing quote, a row of another width, are errors of that row, named by line, number and name of
 * the column. Guessing would put one field's text into another. Contents are not part of an error's
 * text: it goes to logs.
 *
 * An unquoted empty cell of a column that is no string is null; of a string it is the empty string,
 * unless the settings say how null is written. What is written follows the same rule, so that a
 * file that was written can be read back: an empty string is "" where null is written as nothing.
 *
 * With a header line, the first row of each file says where the columns are. The state remembers it
 * by file, and by its line: when records are read again after an abort, so is the header.
 *
 * Cost: ~1 ns a byte and the JSON decoder's. Refused: filling slots directly. It saves half of that
 * and needs a second idea of what a record is. */
#include "schemas/codec_csv.h"

#include <stdio.h>

#include "core/mem.h"
#include "core/number.h"

#define ROW_BYTES_MAX   ((size_t)64 << 20) /* of JSON text */
#define PLAN_BYTES_MAX  ((size_t)16 << 20)
#define WRITE_DEPTH_MAX 1024

/* Where the columns of one file are. */
typedef struct csv_layout {
    struct csv_layout *next;
    leat_str topic; /* none: of all */
    int64_t offset; /* of the header line */
    leat_csv_column *columns;
    leat_str *prefixes; /* "name": as JSON has it */
    size_t count;
    bool bad; /* the header line cannot be used, nor what follows it */
    leat_err why;
} csv_layout;

typedef struct csv_state {
    leat_json_limits limits;
    leat_arena *arena;   /* layouts, the plan of what is written */
    csv_layout *layouts; /* latest first */
    leat_buf text, cell;
    bool special[256];          /* ends a run of an unquoted cell */
    leat_json_decoder *decoder; /* of records that are written */
    leat_value *slots;
} csv_state;

static const leat_csv_codec *csv_of(const leat_codec *codec)
{
    LEAT_ASSERT(codec->type == &leat_codec_csv);
    return (const leat_csv_codec *)codec;
}

/* --- rows --- */

/* A row under way. */
typedef struct csv_row {
    const leat_csv_codec *codec;
    const char *start, *at, *end;
    const char *cell_start;
    size_t cells; /* begun so far */
    bool more;    /* another cell follows */
    const csv_layout *layout;
    int64_t line;
    bool valid; /* all of it is UTF-8 */
} csv_row;

static leat_code row_fail(const csv_row *row, const char *what, leat_err *err)
{
    long long line = row->line;
    for (const char *p = row->start; p < row->cell_start; p++)
        line += *p == '\n';
    leat_str name = LEAT_STR_NONE;
    if (row->layout != NULL && row->cells > 0 && row->cells <= row->layout->count)
        name = row->layout->columns[row->cells - 1].name;
    int shown = name.len > 64 ? 64 : (int)name.len;
    (void)leat_err_set(err, LEAT_ERR_SYNTAX, "line %lld, column %zu%s%.*s%s: %s", line, row->cells,
                       name.data != NULL ? " (" : "", shown, name.data != NULL ? name.data : "",
                       name.data != NULL ? ")" : "", what);
    err->offset = (uint32_t)(row->cell_start - row->start);
    return LEAT_ERR_SYNTAX;
}

static csv_row row_begin(const leat_csv_codec *codec, leat_str text, int64_t line)
{
    if (text.len > 0 && text.data[text.len - 1] == '\n') text.len--;
    if (text.len > 0 && text.data[text.len - 1] == '\r') text.len--;
    return (csv_row){.codec = codec,
                     .start = text.data,
                     .at = text.data,
                     .end = text.data + text.len,
                     .cell_start = text.data,
                     .more = true,
                     .line = line};
}

/* Behind a cell: a delimiter, or the end. */
static leat_code cell_ends(csv_row *row, leat_err *err)
{
    if (row->at == row->end) {
        row->more = false;
        return LEAT_OK;
    }
    if (*row->at == row->codec->delimiter) {
        row->at++;
        return LEAT_OK;
    }
    if (*row->at == '\n' || *row->at == '\r')
        return row_fail(row, "a second row begins behind it: one record is one row", err);
    if (*row->at == row->codec->quote)
        return row_fail(row, "a quote inside of an unquoted cell", err);
    return row_fail(row, "text behind the closing quote", err);
}

static leat_code cell_quoted(csv_row *row, leat_buf *scratch, leat_str *cell, leat_err *err)
{
    const char quote = row->codec->quote;
    const char *from = ++row->at;
    leat_buf_reset(scratch);
    for (;;) {
        const char *close = memchr(row->at, quote, (size_t)(row->end - row->at));
        if (close == NULL) return row_fail(row, "the closing quote is missing", err);
        row->at = close + 1;
        if (row->at < row->end && *row->at == quote) { /* doubled: one of them stays */
            leat_buf_add(scratch, (leat_str){from, (size_t)(row->at - from)});
            from = ++row->at;
            continue;
        }
        leat_str rest = {from, (size_t)(close - from)};
        if (scratch->len == 0) {
            *cell = rest;
        } else {
            leat_buf_add(scratch, rest);
            LEAT_TRY(leat_buf_check(scratch, "a cell", err));
            *cell = leat_buf_str(scratch);
        }
        return cell_ends(row, err);
    }
}

/* The next cell; valid until the next call. Only while row->more. */
static leat_code row_cell(csv_row *row, const bool special[256], leat_buf *scratch, leat_str *cell,
                          bool *quoted, leat_err *err)
{
    LEAT_ASSERT(row->more);
    row->cells++;
    row->cell_start = row->at;
    *quoted = row->codec->quote != '\0' && row->at < row->end && *row->at == row->codec->quote;
    if (*quoted) return cell_quoted(row, scratch, cell, err);
    while (row->at < row->end && !special[(unsigned char)*row->at])
        row->at++;
    *cell = (leat_str){row->cell_start, (size_t)(row->at - row->cell_start)};
    return cell_ends(row, err);
}

static void fill_special(const leat_csv_codec *codec, bool special[256])
{
    memset(special, 0, 256 * sizeof *special);
    special[(unsigned char)codec->delimiter] = true;
    special['\n'] = special['\r'] = true;
    if (codec->quote != '\0') special[(unsigned char)codec->quote] = true;
}

size_t leat_csv_row_end(leat_str text, char quote)
{
    bool inside = false;
    for (size_t i = 0; i < text.len; i++) {
        if (quote != '\0' && text.data[i] == quote) inside = !inside;
        if (text.data[i] == '\n' && !inside) return i + 1;
    }
    return 0;
}

/* --- header lines --- */

leat_code leat_csv_header(const leat_csv_codec *codec, leat_str line, leat_arena *arena,
                          leat_str **names, size_t *count, leat_err *err)
{
    bool special[256], quoted;
    leat_buf scratch;
    leat_buf_init(&scratch, ROW_BYTES_MAX);
    fill_special(codec, special);
    csv_row row = row_begin(codec, line, 1);
    leat_code code = LEAT_OK;
    size_t size = 0;
    *names = NULL;
    *count = 0;
    if (!leat_str_utf8_valid(line))
        code = leat_err_set(err, LEAT_ERR_SYNTAX, "the header line is not UTF-8");
    while (code == LEAT_OK && row.more) {
        leat_str cell;
        code = row_cell(&row, special, &scratch, &cell, &quoted, err);
        if (code != LEAT_OK) break;
        if (*count == LEAT_CSV_COLUMNS_MAX) {
            code = leat_err_set(err, LEAT_ERR_LIMIT, "the header line names more than %d columns",
                                LEAT_CSV_COLUMNS_MAX);
            break;
        }
        if (*count == size) {
            size_t more = size == 0 ? 16 : size * 2;
            *names = leat_arena_extend(arena, *names, size * sizeof **names, more * sizeof **names);
            size = more;
        }
        if (*names == NULL || ((*names)[*count] = leat_arena_copy(arena, cell)).data == NULL) {
            code = leat_arena_full(arena, err);
            break;
        }
        for (size_t i = 0; code == LEAT_OK && i < *count; i++)
            if (leat_str_equal((*names)[i], cell))
                code = row_fail(&row, "the header line names a column twice", err);
        if (cell.len == 0) code = row_fail(&row, "the header line has a column without name", err);
        (*count)++;
    }
    leat_buf_release(&scratch);
    return code;
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
    return LEAT_OK;
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

/* Appends the cell's value; NULL, or what is wrong with it. */
static const char *put_cell(leat_buf *out, leat_str cell, leat_csv_type type)
{
    int64_t number;
    double ignored;
    switch (type) {
    case LEAT_CSV_STRING: leat_json_write_string(cell, out); return NULL;
    case LEAT_CSV_INT:
        if (leat_number_int(cell, &number) != LEAT_NUMBER_OK) return "is no int of 64 bits";
        leat_buf_add_int(out, number);
        return NULL;
    case LEAT_CSV_DOUBLE:
        if (leat_number_double(cell, &ignored) != LEAT_NUMBER_OK) return "is no number";
        leat_buf_add(out, cell);
        for (size_t i = 0; i < cell.len; i++)
            if (cell.data[i] == '.' || (cell.data[i] | 0x20) == 'e') return NULL;
        leat_buf_add_text(out, ".0");
        return NULL;
    case LEAT_CSV_BOOL:
        if (is_word(cell, "true") || leat_str_is(cell, "1"))
            leat_buf_add_text(out, "true");
        else if (is_word(cell, "false") || leat_str_is(cell, "0"))
            leat_buf_add_text(out, "false");
        else
            return "is no bool: true or false";
        return NULL;
    }
    return "has no known type";
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
    return row_fail(row, what, err);
}

static leat_code row_text(csv_state *state, csv_row *row, leat_err *err)
{
    const csv_layout *layout = row->layout;
    leat_buf *out = &state->text;
    leat_buf_reset(out);
    leat_buf_add_char(out, '{');
    while (row->more) {
        leat_str cell;
        bool quoted;
        if (row->cells == layout->count) return row_width(row, layout->count, err);
        LEAT_TRY(row_cell(row, state->special, &state->cell, &cell, &quoted, err));
        size_t at = row->cells - 1;
        if (LEAT_UNLIKELY(!row->valid) && !leat_str_utf8_valid(cell))
            return row_fail(row, "is not UTF-8", err);
        if (at > 0) leat_buf_add_char(out, ',');
        leat_buf_add(out, layout->prefixes[at]);
        if (is_null(row->codec, cell, layout->columns[at].type, quoted)) {
            leat_buf_add_text(out, "null");
            continue;
        }
        const char *wrong = put_cell(out, cell, layout->columns[at].type);
        if (wrong != NULL) return row_fail(row, wrong, err);
    }
    if (row->cells < layout->count) return row_width(row, layout->count, err);
    leat_buf_add_char(out, '}');
    return leat_buf_check(out, "a row", err);
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
    csv_row row = row_begin(codec, message->value, codec->header ? message->offset : 1);
    row.layout = layout;
    row.valid = leat_str_utf8_valid(message->value);
    LEAT_TRY(row_text(state, &row, err));
    leat_str text = leat_arena_copy(in->arena, leat_buf_str(&state->text));
    if (text.data == NULL) return leat_arena_full(in->arena, err);
    in->none = false;
    return leat_json_decode(in->json, text, in->arena, in->slots, &in->raw, err);
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
    if (value.tag == LEAT_STRING || value.tag == LEAT_JSON)
        return put_text(state, codec, name, leat_value_str(value), out->to, err);
    return leat_json_write(value, out->arena, out->to, err); /* a number or a bool */
}

static leat_code csv_encode(const leat_codec *of, void *kept, leat_codec_out *out, leat_err *err)
{
    const leat_csv_codec *codec = csv_of(of);
    csv_state *state = kept;
    leat_str json, raw;
    LEAT_ASSERT(codec->columns_count > 0);
    if (state->decoder == NULL) LEAT_TRY(writer_make(state, codec, err));
    LEAT_TRY(leat_codec_text(out, &state->text, &json, err));
    LEAT_TRY(leat_json_decode(state->decoder, json, out->arena, state->slots, &raw, err));
    for (size_t i = 0; i < codec->columns_count; i++) {
        if (i > 0) leat_buf_add_char(out->to, codec->delimiter);
        LEAT_TRY(put_value(state, codec, codec->columns[i].name, state->slots[i], out, err));
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
    (void)requests;
    (void)count;
    csv_state *state = leat_mem_need(sizeof *state);
    state->limits = limits;
    leat_buf_init(&state->text, ROW_BYTES_MAX);
    leat_buf_init(&state->cell, ROW_BYTES_MAX);
    fill_special(codec, state->special);
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
};
