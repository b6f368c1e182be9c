/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as values.
 *
 * One list (LEAT_CODES) feeds the enum, the names, the blames and the texts, so that a new code is
 * one line. The text lives in the caller's leat_err, of fixed size: reporting an error allocates
 * nothing and so cannot fail itself; what does not fit is cut, never overrun.
 *
 * Refused: longjmp (every frame between would need to know), a thread-local "last error" (who
 * clears it?), and a chain of causes (a prefix says the same in one line).
 *
 * leat_err_set formats into a second buffer first, because its arguments may point into the very
 * text that it overwrites: `leat_err_set(err, code, "while closing: %s", err->text)`. */
#include "core/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef leat_err_set /* what the linter sees of it; the function is defined here */

static const struct {
    const char *label, *text;
    leat_blame blame;
} codes[LEAT_CODES_COUNT] = {
#define CODE(name, label, blame, text) {label, text, LEAT_BLAME_##blame},
    LEAT_CODES(CODE)
#undef CODE
};

leat_code leat_err_set_v(leat_err *err, leat_code code, const char *format, va_list arguments)
{
    LEAT_ASSERT(err != NULL);
    LEAT_ASSERT(code > LEAT_OK && code < LEAT_CODES_COUNT); /* success has no text */
    char text[LEAT_ERR_TEXT_MAX];
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = 0;
    memcpy(err->text, text, strlen(text) + 1);
    err->code = code;
    err->offset = 0;
    return code;
}

leat_code leat_err_set(leat_err *err, leat_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    leat_err_set_v(err, code, format, arguments);
    va_end(arguments);
    return code;
}

leat_code leat_err_prefix(leat_err *err, const char *format, ...)
{
    LEAT_ASSERT(err != NULL && err->code != LEAT_OK);
    char prefix[LEAT_ERR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(prefix, sizeof prefix, format, arguments) < 0) prefix[0] = 0;
    va_end(arguments);

    char text[2 * LEAT_ERR_TEXT_MAX + 2];
    (void)snprintf(text, sizeof text, "%s: %s", prefix, err->text);
    text[LEAT_ERR_TEXT_MAX - 1] = 0;
    memcpy(err->text, text, strlen(text) + 1);
    return err->code;
}

leat_blame leat_code_blame(leat_code code)
{
    LEAT_ASSERT(code < LEAT_CODES_COUNT);
    return codes[code].blame;
}

const char *leat_code_name(leat_code code)
{
    LEAT_ASSERT(code < LEAT_CODES_COUNT);
    return codes[code].label;
}

const char *leat_code_text(leat_code code)
{
    LEAT_ASSERT(code < LEAT_CODES_COUNT);
    return codes[code].text;
}

/* The one place left of the worker that writes anywhere: a process that is about to die in a state
 * that nobody foresaw has no log left to trust. */
void leat_assert_failed(const char *what, const char *file, int line)
{
    (void)fprintf(stderr, "leat: bug: assertion failed: %s (%s:%d)\n", what, file, line);
    abort();
}
