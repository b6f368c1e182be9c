/* SPDX-License-Identifier: Apache-2.0 */
/* Formats of sources and sinks, as the pipeline file names them:
 *
 *   "format": "csv"          or          "format": { "csv": { "delimiter": ";" } }
 *
 * A format is one file format_NAME.c that reads its settings from an option table and makes a codec
 * (schemas/codec.h), and one line in transforms/formats.def. JSON needs neither.
 * Thread: tables are constant; planning is one thread's. */
#ifndef LEAT_TRANSFORMS_FORMAT_H
#define LEAT_TRANSFORMS_FORMAT_H

#include "schemas/avro_schema.h"
#include "schemas/codec.h"
#include "transforms/operator.h"
#include "transforms/option.h"

/* Where a format stands, and what it makes of it. */
typedef struct leat_format_site {
    bool sink;             /* else a source */
    bool files;            /* lines of files or of stdout; else messages of a topic */
    bool out;              /* stdout */
    const leat_str *paths; /* of a source of files, in order */
    size_t paths_count;
    leat_shape *shape;
    const leat_field *layout; /* of the records that a sink gets */
    leat_str topic; /* of a sink whose topic is known; data NULL: none, or an expression */

    /* Results. */
    const leat_codec *codec;
    bool container; /* of files: they are Avro's container files, not lines */
    leat_str head;  /* of a sink of files: the line it begins with; data NULL: none */
    char row_quote; /* of a source of files: line ends between two of these end no row; 0: all do */
    const leat_known_field
        *known; /* of a source: its fields, if they are known; NULL: they are not */
    size_t known_count;
} leat_format_site;

typedef struct leat_format_type {
    const char *name;
    const char *doc; /* a paragraph for the manual, Markdown */
    const leat_option *options;
    size_t options_count;
    /* options: the object with its settings, or NULL. Mistakes become findings at it, or at `node`
     * (the value of `format`); false if there were any. */
    bool (*plan)(leat_planner *planner, const leat_node *node, const leat_node *options,
                 leat_format_site *site);
} leat_format_type;

extern const leat_format_type *const leat_formats[];
extern const size_t leat_formats_count;

/* The Avro schema that a text names as a file, or that an object is. A mistake becomes a finding at
 * node; false then. NULL: the file's name cannot be known here, which was told. */
bool leat_planner_avro_schema(leat_planner *planner, const leat_node *node,
                              const leat_avro_schema **schema);

/* The first bytes of a file, for what it says of its own columns; none if it cannot be read, or if
 * nobody can look. */
leat_str leat_planner_file_head(leat_planner *planner, leat_str path, size_t bytes_max);

#endif
