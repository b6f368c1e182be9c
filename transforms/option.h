/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: each setting of a step, source, sink or pipeline stands in one line of one table,
 * from which it is parsed, checked and defaulted, and from which `leat check`'s messages, the
 * manual and the published JSON Schemas are made.
 * Thread: tables are constant. */
#ifndef LEAT_TRANSFORMS_OPTION_H
#define LEAT_TRANSFORMS_OPTION_H

#include "core/err.h"
#include "schemas/findings.h"

typedef enum leat_option_type {
    LEAT_OPTION_STRING,   /* leat_str */
    LEAT_OPTION_BOOL,     /* bool */
    LEAT_OPTION_INT,      /* int64_t, within min..max */
    LEAT_OPTION_NUMBER,   /* double, within min..max */
    LEAT_OPTION_DURATION, /* int64_t milliseconds, "10s" */
    LEAT_OPTION_SIZE,     /* uint64_t bytes, "1MiB" */
    LEAT_OPTION_ENUM,     /* int: index in `choices` */
    LEAT_OPTION_EXPR,     /* const leat_node *: the text of an expression, compiled by its owner */
    LEAT_OPTION_PATH,     /* const leat_node *: a field path, parsed by its owner */
    LEAT_OPTION_NODE,     /* const leat_node *: any shape (see `shape`), read by its owner */
    LEAT_OPTION_OBJECT,   /* an object with options of its own (`fields`), of the same struct */
} leat_option_type;

typedef struct leat_option leat_option;
struct leat_option {
    const char *name;
    leat_option_type type;
    size_t offset; /* into the struct that is filled */
    bool required;
    const char *fallback;      /* default as its user would write it; NULL: none (zero) */
    const char *choices;       /* ENUM: "a|b|c" */
    int64_t min, max;          /* INT, NUMBER, DURATION (ms), SIZE; both 0: not limited */
    const char *shape;         /* its JSON Schema, as text; NULL: from the type (NODE: anything) */
    const char *doc;           /* one sentence for the manual */
    const leat_option *fields; /* OBJECT */
    size_t fields_count;
};

/* Fills *into from the members of object (NULL: defaults only); every mistake becomes a finding.
 * False if there were errors. What is not there, or wrong, gets its default. A text that still
 * holds a reference (${env:}, ${file:}) has been complained of, and is taken for right. */
bool leat_options_read(const leat_option *options, size_t count, const leat_node *object,
                       void *into, leat_findings *findings);
/* The same of a node that is an object, or a value which then is that of the option called `brief`
 * (of a type other than OBJECT), all others getting their defaults: {"explode": "items"}. */
bool leat_options_read_brief(const leat_option *options, size_t count, const char *brief,
                             const leat_node *node, void *into, leat_findings *findings);
/* A JSON Schema object ("properties", "required", "additionalProperties": false). */
void leat_options_schema(const leat_option *options, size_t count, leat_buf *out);
/* The schema of one option's value. */
void leat_option_schema(const leat_option *option, leat_buf *out);
const leat_option *leat_option_find(const leat_option *options, size_t count, const char *name);
/* A Markdown table for the manual. */
void leat_options_manual(const leat_option *options, size_t count, leat_buf *out);

#endif
