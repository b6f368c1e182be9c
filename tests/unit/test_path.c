/* SPDX-License-Identifier: Apache-2.0 */
/* Field paths: what parses, to what, and what is refused with which words. */
#include <criterion/criterion.h>

#include "core/buf.h"
#include "core/path.h"
#include "tests/unit/leak.h"

LEAT_SUITE(path);

Test(path, parses)
{
    static const struct {
        const char *text, *want; /* names joined by |; NULL: refused */
        const char *again;       /* as it is written; NULL: as text */
    } cases[] = {
        {"a", "a", NULL},
        {"a.b.c", "a|b|c", NULL},
        {"'a.b'.c", "a.b|c", NULL},
        {"a.'b-c'", "a|b-c", NULL},
        {"'it''s'", "it's", NULL},
        {"'a'.b", "a|b", "a.b"},
        {"''.a", "|a", NULL},
        {"''''", "'", NULL},
        {"$id.@type.a_1.1st", "$id|@type|a_1|1st", NULL},
        {"größe", "größe", NULL},
        {"'a b'.' '", "a b| ", NULL},
        {"", NULL, NULL},
        {".", NULL, NULL},
        {"a.", NULL, NULL},
        {".a", NULL, NULL},
        {"a..b", NULL, NULL},
        {"a-b", NULL, NULL},
        {"a[0]", NULL, NULL},
        {"a b", NULL, NULL},
        {"'a", NULL, NULL},
        {"'a''", NULL, NULL},
        {"'a'b", NULL, NULL},
        {"a'b'", NULL, NULL},
        {"'a'.", NULL, NULL},
        {"-", NULL, NULL},
    };
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_path path;
        leat_code code = leat_path_parse(leat_str_of(cases[i].text), arena, &path, &err);
        if (cases[i].want == NULL) {
            cr_assert_eq(code, LEAT_ERR_CONFIG, "%s", cases[i].text);
            cr_assert_not_null(strstr(err.text, cases[i].text));
            cr_assert_leq(err.offset, strlen(cases[i].text));
            continue;
        }
        cr_assert_eq(code, LEAT_OK, "%s: %s", cases[i].text, err.text);
        leat_buf joined;
        leat_buf_init(&joined, 1000);
        for (size_t n = 0; n < path.count; n++) {
            if (n != 0) leat_buf_add_char(&joined, '|');
            leat_buf_add(&joined, path.names[n]);
        }
        cr_assert(leat_str_is(leat_buf_str(&joined), cases[i].want), "%s", cases[i].text);
        leat_buf_release(&joined);
        leat_str again = leat_path_text(path, arena);
        cr_assert(leat_str_is(again, cases[i].again ? cases[i].again : cases[i].text), "%s: %.*s",
                  cases[i].text, LEAT_STR_ARG(again));
        leat_path second;
        cr_assert_eq(leat_path_parse(again, arena, &second, &err), LEAT_OK);
        cr_assert(leat_path_equal(path, second));
    }
    leat_arena_free(&arena);
}

Test(path, depth_is_bounded)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
    char text[200];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 == 0 ? 'a' : '.';
    leat_path path;
    cr_assert_eq(leat_path_parse((leat_str){text, 63}, arena, &path, &err), LEAT_OK);
    cr_assert_eq(path.count, LEAT_PATH_DEPTH_MAX);
    cr_assert_eq(leat_path_parse((leat_str){text, 65}, arena, &path, &err), LEAT_ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "32"));
    leat_arena_free(&arena);
}

Test(path, equal)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
    leat_path ab, ab_quoted, a;
    cr_assert_eq(leat_path_parse(LEAT_STR("a.b"), arena, &ab, &err), LEAT_OK);
    cr_assert_eq(leat_path_parse(LEAT_STR("'a.b'"), arena, &ab_quoted, &err), LEAT_OK);
    cr_assert_eq(leat_path_parse(LEAT_STR("a"), arena, &a, &err), LEAT_OK);
    cr_assert(leat_path_equal(ab, ab));
    cr_assert_not(leat_path_equal(ab, ab_quoted));
    cr_assert_not(leat_path_equal(ab, a));
    leat_arena_free(&arena);
}

Test(path, a_full_arena_is_an_error)
{
    leat_err err;
    leat_arena *arena = NULL;
    leat_path path;
    cr_assert_eq(leat_arena_new(&arena, 16, &err), LEAT_OK);
    cr_assert_eq(leat_path_parse(LEAT_STR("a.b.c"), arena, &path, &err), LEAT_ERR_LIMIT);
    leat_arena_free(&arena);
}
