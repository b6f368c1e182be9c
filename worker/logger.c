/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's log lines.
 *
 * A line is put together in a local buffer and written by one write(2), so that lines of several
 * threads never mix and nothing is left in a buffer when the process is killed. Repeats are told by
 * their kind, a literal of the code: a small fixed table remembers when each was last said. A table
 * that is full says everything, which is the safe side.
 * Refused: a logging library; what is needed is one function. */
#include "worker/logger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/time.h"
#include "core/value.h"
#include "schemas/codec_json.h"

#define LINE_BYTES_MAX 8192
#define KINDS_MAX      64
#define REPEAT_SECONDS 10

static _Atomic int level_least = LEAT_LEVEL_INFO;
static _Atomic bool lines_json = true;

static struct {
    pthread_mutex_t lock;
    struct {
        const char *kind;
        time_t said;
        uint64_t held;
    } kinds[KINDS_MAX];
} repeats = {.lock = PTHREAD_MUTEX_INITIALIZER};

void leat_logger_set(leat_level least, bool json)
{
    level_least = (int)least;
    lines_json = json;
}

bool leat_logger_on(leat_level level)
{
    return (int)level >= level_least;
}

static void add_field(leat_buf *line, const char *name, const char *text)
{
    if (text == NULL) return;
    leat_buf_add_format(line, ",\"%s\":", name);
    leat_str str = leat_str_of(text);
    if (leat_str_utf8_valid(str)) {
        leat_json_write_string(str, line);
    } else {
        leat_buf_add_text(line, "\"(not UTF-8)\"");
    }
}

static void write_line(leat_level level, const char *component, const char *pipeline, uint64_t held,
                       const char *text)
{
    static const char *const names[] = {"debug", "info", "warn", "error", "silent"};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    leat_value when = {.tag = LEAT_TIMESTAMP,
                       .len = (uint32_t)(now.tv_nsec / 1000000 * 1000000),
                       .as.i = now.tv_sec};
    leat_buf line;
    leat_buf_init(&line, LINE_BYTES_MAX);
    if (lines_json) {
        leat_buf_add_text(&line, "{\"time\":\"");
        leat_time_format(when, &line);
        leat_buf_add_text(&line, "\"");
        add_field(&line, "level", names[level]);
        add_field(&line, "component", component);
        add_field(&line, "pipeline", pipeline);
        add_field(&line, "msg", text);
        if (held > 0) {
            leat_buf_add_text(&line, ",\"repeats\":");
            leat_buf_add_uint(&line, held);
        }
        leat_buf_add_text(&line, "}\n");
    } else {
        leat_time_format(when, &line);
        leat_buf_add_format(&line, " %-5s %s", names[level], component);
        if (pipeline != NULL) leat_buf_add_format(&line, " %s", pipeline);
        leat_buf_add_format(&line, ": %s", text);
        if (held > 0) leat_buf_add_format(&line, " (and %llu more)", (unsigned long long)held);
        leat_buf_add_char(&line, '\n');
    }
    /* Nobody is left to tell when stderr itself fails. */
    if (!line.overflow && write(STDERR_FILENO, line.data, line.len) < 0) line.len = 0;
    leat_buf_release(&line);
}

/* Whether a line of this kind may be said now; *held: how many were not since the last. */
static bool may_repeat(const char *kind, uint64_t *held)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    bool may = true;
    *held = 0;
    pthread_mutex_lock(&repeats.lock);
    for (size_t i = 0; i < KINDS_MAX; i++) {
        if (repeats.kinds[i].kind == NULL) {
            repeats.kinds[i].kind = kind;
            repeats.kinds[i].said = now.tv_sec;
            break;
        }
        if (strcmp(repeats.kinds[i].kind, kind) != 0) continue;
        may = now.tv_sec - repeats.kinds[i].said >= REPEAT_SECONDS;
        if (may) {
            *held = repeats.kinds[i].held;
            repeats.kinds[i].held = 0;
            repeats.kinds[i].said = now.tv_sec;
        } else {
            repeats.kinds[i].held++;
        }
        break;
    }
    pthread_mutex_unlock(&repeats.lock);
    return may;
}

void leat_log_line(leat_level level, const char *component, const char *pipeline,
                   const char *format, ...)
{
    if (!leat_logger_on(level)) return;
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_line(level, component, pipeline, 0, text);
}

void leat_log_repeat(leat_level level, const char *component, const char *pipeline,
                     const char *kind, const char *format, ...)
{
    uint64_t held;
    if (!leat_logger_on(level) || !may_repeat(kind, &held)) return;
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_line(level, component, pipeline, held, text);
}
