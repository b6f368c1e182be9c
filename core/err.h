/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: a code, a text for a person, and a blame that alone decides the reaction.
 *
 *   RECORD   this record is bad: dead letter, the loop goes on
 *   TASK     this transaction cannot end well: abort, restore, go on
 *   FATAL    this process must not go on: exit, another takes over
 *   CONFIG   what the user wrote is wrong: found before anything runs
 *
 * A function that can fail returns leat_code and takes a leat_err of the caller's as its last
 * parameter; the text is written once, where the error is found. Bugs are no errors: LEAT_ASSERT,
 * in release builds too, stops the process rather than go on in a wrong state.
 * Thread: any; a leat_err belongs to one. */
#ifndef LEAT_CORE_ERR_H
#define LEAT_CORE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_CHECKED           __attribute__((warn_unused_result))
#define LEAT_PRINTF(at, first) __attribute__((format(printf, at, first)))
#define LEAT_LIKELY(x)         __builtin_expect(!!(x), 1)
#define LEAT_UNLIKELY(x)       __builtin_expect(!!(x), 0)

typedef enum leat_blame {
    LEAT_BLAME_NONE,
    LEAT_BLAME_RECORD,
    LEAT_BLAME_TASK,
    LEAT_BLAME_FATAL,
    LEAT_BLAME_CONFIG,
} leat_blame;

/* The one list of codes: name, the name as metrics and headers say it, blame, what it means. */
#define LEAT_CODES(CODE)                                                                           \
    CODE(OK, "ok", NONE, "no error")                                                               \
    CODE(SYNTAX, "syntax", RECORD, "text does not follow its format")                              \
    CODE(TYPE, "type", RECORD, "value has the wrong type")                                         \
    CODE(NO_FIELD, "no_field", RECORD, "no such field")                                            \
    CODE(NO_OVERLOAD, "no_overload", RECORD, "no such overload")                                   \
    CODE(RANGE, "range", RECORD, "value out of range")                                             \
    CODE(DIVIDE, "divide", RECORD, "division by zero")                                             \
    CODE(LIMIT, "limit", RECORD, "a limit was reached")                                            \
    CODE(COST, "cost", RECORD, "the expression's cost limit was reached")                          \
    CODE(INVALID, "invalid", RECORD, "invalid argument")                                           \
    CODE(MEMORY, "memory", TASK, "out of memory")                                                  \
    CODE(IO, "io", TASK, "input or output failed")                                                 \
    CODE(ABORTED, "aborted", TASK, "the transaction must be aborted")                              \
    CODE(UNAVAILABLE, "unavailable", TASK, "a service cannot be reached")                          \
    CODE(TIMEOUT, "timeout", TASK, "timed out")                                                    \
    CODE(FENCED, "fenced", FATAL, "another instance has taken over")                               \
    CODE(DENIED, "denied", FATAL, "not authorised")                                                \
    CODE(DAMAGED, "damaged", FATAL, "state is damaged")                                            \
    CODE(INTERNAL, "internal", FATAL, "internal error")                                            \
    CODE(CONFIG, "config", CONFIG, "configuration is wrong")

typedef enum leat_code {
#define CODE(name, label, blame, text) LEAT_ERR_##name,
    LEAT_CODES(CODE)
#undef CODE
        LEAT_CODES_COUNT,
    LEAT_OK = LEAT_ERR_OK,
} leat_code;

#define LEAT_ERR_TEXT_MAX 512

typedef struct leat_err {
    leat_code code;
    uint32_t offset; /* byte offset in the text that was read, where there is one; else 0 */
    char text[LEAT_ERR_TEXT_MAX];
} leat_err;

/* Fills err (never NULL) and returns code, so that `return leat_err_set(...)` reads well. */
leat_code leat_err_set(leat_err *err, leat_code code, const char *format, ...) LEAT_PRINTF(3, 4);
leat_code leat_err_set_v(leat_err *err, leat_code code, const char *format, va_list arguments)
    LEAT_PRINTF(3, 0);
/* Puts "prefix: " before the text; returns err->code. */
leat_code leat_err_prefix(leat_err *err, const char *format, ...) LEAT_PRINTF(2, 3);

#ifdef __clang_analyzer__
/* The linter sees one file at a time: that what leat_err_set returns is its code, it must be told.
 */
static inline leat_code leat_err_is(leat_code code, leat_code set)
{
    (void)set;
    return code;
}
#define leat_err_set(err, code, ...) leat_err_is(code, (leat_err_set)(err, code, __VA_ARGS__))
#endif

leat_blame leat_code_blame(leat_code code);
const char *leat_code_name(leat_code code); /* "no_field": stable, for metrics and headers */
const char *leat_code_text(leat_code code);

/* Passes an error up. */
#define LEAT_TRY(call)                                                                             \
    do {                                                                                           \
        leat_code leat_try_code = (call);                                                          \
        if (LEAT_UNLIKELY(leat_try_code != LEAT_OK)) return leat_try_code;                         \
    } while (0)

void leat_assert_failed(const char *what, const char *file, int line) __attribute__((noreturn));
#define LEAT_ASSERT(condition)                                                                     \
    do {                                                                                           \
        if (LEAT_UNLIKELY(!(condition))) leat_assert_failed(#condition, __FILE__, __LINE__);       \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
