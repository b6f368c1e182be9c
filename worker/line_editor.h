/* SPDX-License-Identifier: Apache-2.0 */
/* Lines from stdin: with editing, a history and completion where a person sits at a terminal, plain
 * ones where a program writes. The history ends with the process: lines may hold private data.
 * Thread: the main one, as the terminal is the process's own. */
#ifndef LEAT_WORKER_LINE_EDITOR_H
#define LEAT_WORKER_LINE_EDITOR_H

#include "core/str.h"

/* The index-th word that the beginning of a word can be completed to; NONE: there are no more. */
typedef leat_str (*leat_completer)(void *self, size_t index);

typedef struct leat_line_editor {
    leat_completer completer; /* NULL: no completion */
    void *self;
    char *line;
    size_t size;
} leat_line_editor;

/* Whether stdin and stdout are a terminal. */
bool leat_line_editor_asks(void);
/* The next line, without its end; valid until the next call. False: there are no more. */
bool leat_line_editor_next(leat_line_editor *editor, const char *prompt, leat_str *line);
void leat_line_editor_release(leat_line_editor *editor);

#endif
