/* SPDX-License-Identifier: Apache-2.0 */
/* What the worker says of itself: one line an event on stderr, JSON or text, with fields that name
 * the place. Repeats of one message are held back and counted (at most one in ten seconds), so that
 * a million bad records are a few lines.
 * Thread: any. Never give it a secret or a record's content. */
#ifndef LEAT_WORKER_LOGGER_H
#define LEAT_WORKER_LOGGER_H

#include "core/err.h"
#include "core/str.h"

typedef enum leat_level {
    LEAT_LEVEL_DEBUG,
    LEAT_LEVEL_INFO,
    LEAT_LEVEL_WARN,
    LEAT_LEVEL_ERROR,
    LEAT_LEVEL_SILENT,
} leat_level;

/* A field of a log line: name and text, in pairs, ended by NULL. */
void leat_logger_set(leat_level least, bool json);
bool leat_logger_on(leat_level level);
void leat_log_line(leat_level level, const char *component, const char *pipeline,
                   const char *format, ...) LEAT_PRINTF(4, 5);
/* The same, but lines with the same `kind` (a literal) come once in ten seconds, with the number of
 * those held back. */
void leat_log_repeat(leat_level level, const char *component, const char *pipeline,
                     const char *kind, const char *format, ...) LEAT_PRINTF(5, 6);

#endif
