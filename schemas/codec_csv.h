/* SPDX-License-Identifier: Apache-2.0 */
/* CSV as RFC 4180 has it: cells between delimiters, cells with delimiters, quotes or line ends in
 * quotes, a quote inside quotes doubled. One message is one row.
 *
 * Columns come from the settings, or from a header line: then the first row of each topic or file
 * names them, and is no record. The settings are the plan's and immutable; the state is a task's.
 */
#ifndef LEAT_SCHEMAS_CODEC_CSV_H
#define LEAT_SCHEMAS_CODEC_CSV_H

#include "schemas/codec.h"

typedef enum leat_csv_type {
    LEAT_CSV_STRING,
    LEAT_CSV_INT,    /* -?digits, 64 bits */
    LEAT_CSV_DOUBLE, /* a number; its spelling survives, but a whole one gets its .0 */
    LEAT_CSV_BOOL,   /* true, false in any case, 1, 0 */
} leat_csv_type;

typedef struct leat_csv_column {
    leat_str name;
    leat_csv_type type;
} leat_csv_column;

#define LEAT_CSV_COLUMNS_MAX 4096

typedef struct leat_csv_codec {
    leat_codec codec;               /* type: &leat_codec_csv */
    const leat_csv_column *columns; /* in order; with a header, those whose types are given */
    size_t columns_count;
    bool header;    /* the first row names the columns */
    char delimiter; /* one ASCII character */
    char quote;     /* 0: none */
    leat_str null;  /* an unquoted cell of this text is null; data NULL: none is, but for empty ones
                       of columns that are no strings */
} leat_csv_codec;

extern const leat_codec_type leat_codec_csv;

/* Names of a header line: cells as strings in arena. For planning, too. */
leat_code leat_csv_header(const leat_csv_codec *codec, leat_str line, leat_arena *arena,
                          leat_str **names, size_t *count, leat_err *err) LEAT_CHECKED;
/* The header line that a sink begins with, without its end. */
void leat_csv_write_header(const leat_csv_codec *codec, leat_buf *out);

/* Where a row ends in text that begins with one: the length with its line end, or 0 if text holds
 * no whole row. */
size_t leat_csv_row_end(leat_str text, char quote);

#endif
