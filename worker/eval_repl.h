/* SPDX-License-Identifier: Apache-2.0 */
/* `leat eval` without an expression: expressions and commands, a line each, from a person or a
 * program. Thread: the main one. */
#ifndef LEAT_WORKER_EVAL_REPL_H
#define LEAT_WORKER_EVAL_REPL_H

#include "core/err.h"
#include "core/str.h"

/* Until the end of stdin or `:quit`. The exit code: without a person at the terminal, 1 if anything
 * was wrong. */
int leat_eval_repl(void);
/* A mistake in an expression: its text on stderr, and a caret under the place. */
void leat_eval_show_mistake(leat_str text, const leat_err *err);

#endif
