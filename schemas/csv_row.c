/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of CSV as RFC 4180 has them, and nothing softer: a quote inside an unquoted cell, text
 * behind a closing quote, a second row, are errors of that row, named by line, number and name of
 * the column. Guessing would put one field's text into another. Contents are not part of an error's
 * text: it goes to logs.
 *
 * A cell is a slice of the row; only one with doubled quotes has to be put together. */
#include "schemas/csv_row.h"

#include <stdio.h>

leat_code csv_row_fail(const csv_row *row, const char *what, leat_err *err)
{
    long long line = row->line;
    for (const char *p = row->start; p < row->cell_start; p++)
        line += *p == '\n';
    leat_str name = LEAT_STR_NONE;
    if (row->columns != NULL && row->cells > 0 && row->cells <= row->columns_count)
        name = row->columns[row->cells - 1].name;
    int shown = name.len > 64 ? 64 : (int)name.len;
    (void)leat_err_set(err, LEAT_ERR_SYNTAX, "line %lld, column %zu%s%.*s%s: %s", line, row->cells,
                       name.data != NULL ? " (" : "", shown, name.data != NULL ? name.data : "",
                       name.data != NULL ? ")" : "", what);
    err->offset = (uint32_t)(row->cell_start - row->start);
    return LEAT_ERR_SYNTAX;
}

csv_row csv_row_begin(const leat_csv_codec *codec, leat_str text, int64_t line)
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
        return csv_row_fail(row, "a second row begins behind it: one record is one row", err);
    if (*row->at == row->codec->quote)
        return csv_row_fail(row, "a quote inside of an unquoted cell", err);
    return csv_row_fail(row, "text behind the closing quote", err);
}

static leat_code cell_quoted(csv_row *row, leat_buf *scratch, leat_str *cell, leat_err *err)
{
    const char quote = row->codec->quote;
    const char *from = ++row->at;
    leat_buf_reset(scratch);
    for (;;) {
        const char *close = memchr(row->at, quote, (size_t)(row->end - row->at));
        if (close == NULL) return csv_row_fail(row, "the closing quote is missing", err);
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

leat_code csv_row_cell(csv_row *row, const bool special[256], leat_buf *scratch, leat_str *cell,
                       bool *quoted, leat_err *err)
{
    LEAT_ASSERT(row->more);
    row->cells++;
    row->cell_start = row->at;
    *quoted = row->codec->quote != '\0' && row->at < row->end && *row->at == row->codec->quote;
    if (*quoted) return cell_quoted(row, scratch, cell, err);
    const char *at = row->at, *end = row->end; /* in registers */
    while (at < end && !special[(unsigned char)*at])
        at++;
    *cell = (leat_str){row->cell_start, (size_t)(at - row->cell_start)};
    row->at = at;
    row->more = at < end;
    if (LEAT_UNLIKELY(at < end && *at != row->codec->delimiter)) return cell_ends(row, err);
    row->at += row->more;
    return LEAT_OK;
}

void csv_special(const leat_csv_codec *codec, bool special[256])
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

leat_code leat_csv_header(const leat_csv_codec *codec, leat_str line, leat_arena *arena,
                          leat_str **names, size_t *count, leat_err *err)
{
    bool special[256], quoted;
    leat_buf scratch;
    leat_buf_init(&scratch, CSV_ROW_BYTES_MAX);
    csv_special(codec, special);
    csv_row row = csv_row_begin(codec, line, 1);
    leat_code code = LEAT_OK;
    size_t size = 0;
    *names = NULL;
    *count = 0;
    if (!leat_str_utf8_valid(line))
        code = leat_err_set(err, LEAT_ERR_SYNTAX, "the header line is not UTF-8");
    while (code == LEAT_OK && row.more) {
        leat_str cell;
        code = csv_row_cell(&row, special, &scratch, &cell, &quoted, err);
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
                code = csv_row_fail(&row, "the header line names a column twice", err);
        if (cell.len == 0)
            code = csv_row_fail(&row, "the header line has a column without name", err);
        (*count)++;
    }
    leat_buf_release(&scratch);
    return code;
}
