/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens as machines without vector units read them: the inline half compiled anew, beside the
 * one that the rest of the program uses. */
#define LEAT_JSON_PORTABLE
#include "schemas/json_scan.h"

#include <criterion/criterion.h>

#include "tests/unit/leak.h"

LEAT_SUITE(json_portable);

Test(json_portable, reads_strings_as_the_others_do)
{
    cr_assert_eq(LEAT_JSON_SSE2, 0);
    static const char *const texts[] = {
        "short\" tail that is long enough for a block of sixteen",
        "\"",
        "",
        "no end",
        "no end, and longer than one block of sixteen bytes",
        "longer than one block of sixteen bytes, then the end\",",
        "escape \\n and the end\"",
        "gr\xc3\xb6\xc3\x9f\x65\"",
        "bad \xff\"",
        "bad \x01\"",
        "bad \\u12\"",
    };
    const leat_json_scanner *portable = &leat_json_scanners[0];
    cr_assert_str_eq(portable->name, "portable");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        leat_err err = {0};
        leat_json_input input = {
            .start = texts[i], .end = texts[i] + strlen(texts[i]), .depth_max = 8, .err = &err};
        cr_assert_eq(leat_json_plain_end(input.start, input.start, input.end),
                     portable->plain_end(input.start, input.start, input.end));
        bool escaped, escaped_rest = false;
        const char *stop = leat_json_string_end(&input, input.start, &escaped);
        cr_assert_eq(stop, leat_json_string_rest(&input, input.start, &escaped_rest));
        cr_assert_eq(escaped, escaped_rest);
    }
}
