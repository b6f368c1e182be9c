/* SPDX-License-Identifier: Apache-2.0 */
/* Findings: their places, their order, and that too many or a full arena lose none silently. */
#include <criterion/criterion.h>

#include "schemas/findings.h"
#include "tests/unit/leak.h"

LEAT_SUITE(findings);

static leat_arena *make_arena(size_t bytes)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, bytes, &err), LEAT_OK);
    return arena;
}

static leat_node *parse(const char *text, leat_arena *arena)
{
    leat_err err;
    leat_node *root;
    uint32_t line, column;
    cr_assert_eq(
        leat_doc_parse(leat_str_of(text), LEAT_STR("p.json"), arena, &root, &err, &line, &column),
        LEAT_OK, "%s", err.text);
    return root;
}

static void expect_print(const leat_findings *findings, bool json, const char *want)
{
    leat_buf out;
    leat_buf_init(&out, 1u << 20);
    leat_findings_print(findings, json, &out);
    leat_buf_add_char(&out, '\0');
    cr_assert_str_eq(out.data, want, "%s", out.data);
    leat_buf_release(&out);
}

Test(findings, names_places)
{
    leat_arena *arena = make_arena(1u << 20);
    leat_findings findings;
    leat_findings_init(&findings, arena);
    expect_print(&findings, false, "");
    expect_print(&findings, true, "[]\n");
    leat_node *root =
        parse("{\n \"steps\": [\n  {\"filtre\": \"\xc3\xb6 \\\"x\\\" > 1\"}]}", arena);
    leat_node *step = leat_node_member(root, "steps")->child;
    static const leat_str known[] = {{"filter", 6}, {"set", 3}};
    leat_findings_add_inside(&findings, step->child, 6, true, "odd %d", 7);
    leat_findings_unknown(&findings, step->child, known, 2);
    leat_findings_add(&findings, root, false, "no 'name'")->suggestion = LEAT_STR("give it a name");
    leat_findings_add(&findings, NULL, false, "nowhere");
    cr_assert_eq(findings.count, 4);
    cr_assert_eq(findings.errors, 3);
    leat_findings_sort(&findings);
    expect_print(&findings, false,
                 "nowhere\n"
                 "p.json:1:1: no 'name' (give it a name)\n"
                 "p.json:3:4: steps[0].filtre: unknown key 'filtre' (did you mean 'filter'?)\n"
                 "p.json:3:22: warning: steps[0].filtre: odd 7\n");
    expect_print(
        &findings, true,
        "[{\"severity\":\"error\",\"file\":null,\"path\":null,\"line\":0,\"column\":0,"
        "\"message\":\"nowhere\",\"suggestion\":null},\n"
        " {\"severity\":\"error\",\"file\":\"p.json\",\"path\":\"\",\"line\":1,\"column\":1,"
        "\"message\":\"no 'name'\",\"suggestion\":\"give it a name\"},\n"
        " {\"severity\":\"error\",\"file\":\"p.json\",\"path\":\"steps[0].filtre\",\"line\":3,"
        "\"column\":4,\"message\":\"unknown key 'filtre'\",\"suggestion\":\"filter\"},\n"
        " {\"severity\":\"warning\",\"file\":\"p.json\",\"path\":\"steps[0].filtre\","
        "\"line\":3,\"column\":22,\"message\":\"odd 7\",\"suggestion\":null}]\n");
    leat_arena_free(&arena);
}

Test(findings, keeps_the_last_when_there_are_too_many)
{
    leat_arena *arena = make_arena(4u << 20);
    leat_findings findings;
    leat_findings_init(&findings, arena);
    for (int i = 0; i < 3000; i++) {
        leat_finding *finding = leat_findings_add(&findings, NULL, i % 2 == 0, "number %d", i);
        cr_assert_not_null(finding);
        cr_assert_leq(findings.errors, findings.count);
    }
    cr_assert_eq(findings.count, 1000);
    cr_assert_eq(findings.errors, 500);
    cr_assert(leat_str_is(findings.items[999].message, "number 2999"));
    cr_assert(leat_str_is(findings.items[998].message, "number 998"));
    leat_arena_free(&arena);
}

/* A mistake is not lost because there is no memory to describe it. */
Test(findings, survive_a_full_arena)
{
    for (size_t bytes = 0; bytes < 4096; bytes += 256) {
        leat_arena *arena = make_arena(bytes);
        leat_findings findings;
        leat_findings_init(&findings, arena);
        for (int i = 0; i < 100; i++) {
            cr_assert_not_null(leat_findings_add(&findings, NULL, false, "number %d", i));
        }
        cr_assert_geq(findings.errors, 1);
        cr_assert_eq(findings.errors, findings.count);
        leat_arena_free(&arena);
    }
}

Test(findings, sort_is_stable)
{
    leat_arena *arena = make_arena(1u << 20);
    leat_findings findings;
    leat_findings_init(&findings, arena);
    static const uint32_t lines[] = {3, 1, 3, 2, 1, 3};
    for (size_t i = 0; i < 6; i++) {
        leat_findings_add(&findings, NULL, false, "%zu", i)->line = lines[i];
    }
    leat_findings_sort(&findings);
    static const char *const want[] = {"1", "4", "3", "0", "2", "5"};
    for (size_t i = 0; i < 6; i++) {
        cr_assert(leat_str_is(findings.items[i].message, want[i]));
    }
    leat_arena_free(&arena);
}
