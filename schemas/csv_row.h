/* SPDX-License-Identifier: Apache-2.0 */
/* A row of CSV, cell by cell. Internal to the codec. */
#ifndef LEAT_SCHEMAS_CSV_ROW_H
#define LEAT_SCHEMAS_CSV_ROW_H

#include "schemas/codec_csv.h"

#define CSV_ROW_BYTES_MAX ((size_t)64 << 20) /* of JSON text, or of one cell */

/* A row under way. */
typedef struct csv_row {
    const leat_csv_codec *codec;
    const char *start, *at, *end;
    const char *cell_start;
    size_t cells;                   /* begun so far */
    bool more;                      /* another cell follows */
    const leat_csv_column *columns; /* for errors; NULL: not known yet */
    size_t columns_count;
    int64_t line;
    bool valid; /* all of it is UTF-8 */
} csv_row;

csv_row csv_row_begin(const leat_csv_codec *codec, leat_str text, int64_t line);
/* The next cell; valid until the next call, and as long as the row's text unless it is in scratch
 * (where quotes were doubled). Only while row->more. */
leat_code csv_row_cell(csv_row *row, const bool special[256], leat_buf *scratch, leat_str *cell,
                       bool *quoted, leat_err *err) LEAT_CHECKED;
/* An error of the cell that was begun last; its line, number and name in front of `what`. */
leat_code csv_row_fail(const csv_row *row, const char *what, leat_err *err);
/* What ends a run of an unquoted cell. */
void csv_special(const leat_csv_codec *codec, bool special[256]);

#endif
