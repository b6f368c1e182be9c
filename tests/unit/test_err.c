/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: the list is complete, texts are cut and prefixed, LEAT_TRY passes them up. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <signal.h>

#include "core/err.h"
#include "tests/unit/leak.h"

LEAT_SUITE(err);

Test(err, every_code_has_name_text_and_blame)
{
    static const char *const names[] = {
#define CODE(name, label, blame, text) #name,
        LEAT_CODES(CODE)
#undef CODE
    };
    for (int code = 0; code < LEAT_CODES_COUNT; code++) {
        const char *label = leat_code_name((leat_code)code);
        cr_assert_eq(strlen(label), strlen(names[code]));
        for (size_t i = 0; names[code][i] != 0; i++)
            cr_assert_eq(label[i], tolower((unsigned char)names[code][i]), "%s", names[code]);
        cr_assert_gt(strlen(leat_code_text((leat_code)code)), 0);
        cr_assert_eq(leat_code_blame((leat_code)code) == LEAT_BLAME_NONE, code == LEAT_OK);
    }
    cr_assert_eq(leat_code_blame(LEAT_ERR_SYNTAX), LEAT_BLAME_RECORD);
    cr_assert_eq(leat_code_blame(LEAT_ERR_MEMORY), LEAT_BLAME_TASK);
    cr_assert_eq(leat_code_blame(LEAT_ERR_FENCED), LEAT_BLAME_FATAL);
    cr_assert_eq(leat_code_blame(LEAT_ERR_CONFIG), LEAT_BLAME_CONFIG);
}

Test(err, set_and_prefix)
{
    leat_err err = {.offset = 7};
    cr_assert_eq(leat_err_set(&err, LEAT_ERR_TYPE, "%s is %d", "x", 3), LEAT_ERR_TYPE);
    cr_assert_str_eq(err.text, "x is 3");
    cr_assert_eq(err.offset, 0);
    cr_assert_eq(leat_err_prefix(&err, "step %d", 2), LEAT_ERR_TYPE);
    cr_assert_str_eq(err.text, "step 2: x is 3");
    leat_err_set(&err, LEAT_ERR_RANGE, "again: %s", err.text); /* its own text as an argument */
    cr_assert_str_eq(err.text, "again: step 2: x is 3");
    cr_assert_eq(err.code, LEAT_ERR_RANGE);
}

Test(err, long_texts_are_cut)
{
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    leat_err err;
    leat_err_set(&err, LEAT_ERR_LIMIT, "%s", text);
    cr_assert_eq(strlen(err.text), LEAT_ERR_TEXT_MAX - 1);
    leat_err_prefix(&err, "%s", text);
    cr_assert_eq(strlen(err.text), LEAT_ERR_TEXT_MAX - 1);
}

static leat_code two_steps(leat_code first, leat_code second)
{
    LEAT_TRY(first);
    return second;
}

Test(err, try_passes_up)
{
    cr_assert_eq(two_steps(LEAT_ERR_IO, LEAT_OK), LEAT_ERR_IO);
    cr_assert_eq(two_steps(LEAT_OK, LEAT_ERR_TYPE), LEAT_ERR_TYPE);
    cr_assert_eq(two_steps(LEAT_OK, LEAT_OK), LEAT_OK);
}

Test(err, assert_stops_the_process, .signal = SIGABRT)
{
    LEAT_ASSERT(1 + 1 == 2);
    LEAT_ASSERT(1 + 1 == 3);
}
