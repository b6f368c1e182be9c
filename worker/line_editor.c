/* SPDX-License-Identifier: Apache-2.0 */
/* libedit, behind its readline face. The library keeps one terminal per process in globals, so the
 * editor that completes is a global here too; only the main thread may ask for lines.
 *
 * Completion is of single words, anywhere in a line: the library asks for one candidate after the
 * other until there is none. What libedit hands out comes from malloc and goes back to free.
 * Refused: GNU readline (its licence is not ours), and an editor of our own. */
#include "worker/line_editor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <editline/readline.h>

static leat_line_editor *asking; /* for the library's callbacks, while it edits a line */

bool leat_line_editor_asks(void)
{
    return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
}

/* One candidate a call; state 0 begins anew. */
static char *complete_word(const char *text, int state)
{
    static size_t next;
    if (state == 0) next = 0;
    leat_str word = leat_str_of(text);
    for (;;) {
        leat_str candidate = asking->completer(asking->self, next++);
        if (candidate.data == NULL) return NULL;
        if (leat_str_starts(candidate, word)) return strndup(candidate.data, candidate.len);
    }
}

static char **complete(const char *text, int start, int end)
{
    (void)start;
    (void)end;
    if (asking == NULL || asking->completer == NULL) return NULL;
    return rl_completion_matches(text, complete_word);
}

static bool ask(leat_line_editor *editor, const char *prompt)
{
    static char breaks[] = " \t\n\"'()[]{},.+-*/%<>=!&|?:"; /* between words */
    rl_readline_name = "leat";
    rl_attempted_completion_function = complete;
    rl_basic_word_break_characters = breaks;
    asking = editor;
    free(editor->line);
    editor->line = readline(prompt);
    asking = NULL;
    if (editor->line != NULL && editor->line[0] != 0) add_history(editor->line);
    return editor->line != NULL;
}

bool leat_line_editor_next(leat_line_editor *editor, const char *prompt, leat_str *line)
{
    if (leat_line_editor_asks()) {
        if (!ask(editor, prompt)) return false;
        *line = leat_str_of(editor->line);
        return true;
    }
    ssize_t len = getline(&editor->line, &editor->size, stdin);
    if (len < 0) return false;
    if (len > 0 && editor->line[len - 1] == '\n') len--;
    *line = (leat_str){editor->line, (size_t)len};
    return true;
}

void leat_line_editor_release(leat_line_editor *editor)
{
    free(editor->line);
    editor->line = NULL;
    editor->size = 0;
}
