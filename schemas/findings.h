/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong (or doubtful) in a pipeline or pattern: all of it at once, each with its place, in
 * the order of the text. Owner: an arena. Thread: one. */
#ifndef LEAT_SCHEMAS_FINDINGS_H
#define LEAT_SCHEMAS_FINDINGS_H

#include "core/arena.h"
#include "core/buf.h"
#include "schemas/doc.h"

typedef struct leat_finding {
    leat_str file, path, message;
    leat_str suggestion;   /* a name to write instead, or a few words of advice; may be none */
    uint32_t line, column; /* from 1; 0: unknown */
    bool warning;          /* the plan can run all the same */
} leat_finding;

typedef struct leat_findings {
    leat_arena *arena;
    leat_finding *items;
    size_t count, size;
    size_t errors;      /* those that are no warnings */
    leat_finding spare; /* where the first one goes if the arena is full */
} leat_findings;

void leat_findings_init(leat_findings *findings, leat_arena *arena);
/* At node (its key when on_key). Returns the finding so that a suggestion can be set; never NULL:
 * past 1,000 findings the last one is overwritten. */
leat_finding *leat_findings_add(leat_findings *findings, const leat_node *node, bool warning,
                                const char *format, ...) LEAT_PRINTF(4, 5);
/* Inside the string value of node: offset = byte offset in the text of the expression. Accounts for
 * the opening quote; escapes before the offset make it approximate. */
leat_finding *leat_findings_add_inside(leat_findings *findings, const leat_node *node,
                                       size_t offset, bool warning, const char *format, ...)
    LEAT_PRINTF(5, 6);
/* At node's key (unknown or misplaced keys). */
leat_finding *leat_findings_add_key(leat_findings *findings, const leat_node *node, bool warning,
                                    const char *format, ...) LEAT_PRINTF(4, 5);
/* "unknown key 'filtre' (did you mean 'filter'?)" at node's key, nearest of known. */
void leat_findings_unknown(leat_findings *findings, const leat_node *node, const leat_str *known,
                           size_t known_count);
void leat_findings_sort(leat_findings *findings); /* by file, line, column */
/* file:line:column: [warning: ]path: message (did you mean 'name'?), one a line, advice of several
 * words as it is; or a JSON list of {severity, file, path, line, column, message, suggestion}.
 * Copying a leat_findings is wrong once something was added. */
void leat_findings_print(const leat_findings *findings, bool json, leat_buf *out);

#endif
