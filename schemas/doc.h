/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration document: a parsed JSON text whose every node knows where it stands, so that a
 * mistake can be named with file, path, line and column. Pipelines and patterns are read through
 * this; jansson (known to doc.c alone) parses, a second pass finds the positions.
 * Owner: the arena it was parsed into. Thread: immutable once parsed. */
#ifndef LEAT_SCHEMAS_DOC_H
#define LEAT_SCHEMAS_DOC_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "core/value.h"

typedef enum leat_node_kind {
    LEAT_NODE_NULL,
    LEAT_NODE_BOOL,
    LEAT_NODE_INT,
    LEAT_NODE_DOUBLE,
    LEAT_NODE_STRING,
    LEAT_NODE_LIST,
    LEAT_NODE_OBJECT,
} leat_node_kind;

typedef struct leat_node leat_node;
struct leat_node {
    leat_node_kind kind;
    bool b;
    bool secret; /* came from ${env:} or ${file:}: never print it */
    int64_t i;
    double d;
    leat_str text;                               /* STRING: content */
    leat_str key;                                /* of a member of an object; else none */
    leat_str file;                               /* as the user wrote its name */
    uint32_t line, column, key_line, key_column; /* from 1; 0: not from a text (--set) */
    leat_node *parent, *child, *next;            /* children in order of the text */
    uint32_t index;                              /* among its parent's children */
};

/* Duplicate keys are an error here (a person wrote this), a byte order mark is passed over.
 * Mistakes are LEAT_ERR_CONFIG with line and column (in characters), err->offset in bytes. text is
 * copied. */
leat_code leat_doc_parse(leat_str text, leat_str file, leat_arena *arena, leat_node **root,
                         leat_err *err, uint32_t *line, uint32_t *column) LEAT_CHECKED;
leat_node *leat_node_member(const leat_node *object, const char *key); /* NULL: not there */
/* "streams.clean.steps[0].filter"; keys that need it are quoted. Of the root: "". */
leat_str leat_node_path(const leat_node *node, leat_arena *arena);
/* The same from a node above it on: "steps[0].filter". */
leat_str leat_node_path_below(const leat_node *node, const leat_node *above, leat_arena *arena);
const char *leat_node_kind_name(leat_node_kind kind); /* "a string", "an object" */
/* `--set path=value`: makes or replaces the node at path; value is JSON if it parses, else text. An
 * index may be one behind the last. After an error the document is as it was. */
leat_code leat_node_override(leat_node *root, leat_str assignment, leat_arena *arena,
                             leat_err *err) LEAT_CHECKED;
/* Replaces ${env:NAME}, ${env:NAME:default}, ${file:path} in every string value under node.
 * resolve gives the text of one reference (kind "env" or "file"); LEAT_OK with text data NULL: not
 * there, which is an error if there is no default. What had references is secret. Stops at the
 * first error; *where is the node with it. Keys are never touched. "$${" stands for "${". */
typedef leat_code (*leat_resolver)(void *context, leat_str kind, leat_str name, leat_arena *arena,
                                   leat_str *text, leat_err *err);
leat_code leat_node_interpolate(leat_node *node, leat_resolver resolve, void *context,
                                leat_arena *arena, leat_node **where, leat_err *err) LEAT_CHECKED;
/* As JSON text, secrets as "***". */
void leat_node_print(const leat_node *node, bool pretty, leat_buf *out);
/* As a value of the data path (secrets included). */
leat_code leat_node_value(const leat_node *node, leat_arena *arena, leat_value *value,
                          leat_err *err) LEAT_CHECKED;

#endif
