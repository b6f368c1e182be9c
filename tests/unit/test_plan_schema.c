/* SPDX-License-Identifier: Apache-2.0 */
/* The published schema is the one that the tables print, and it is JSON; the manual names every
 * step and setting. LEAT_BLESS=1 rewrites schemas/pipeline.schema.json. */
#include <stdio.h>
#include <stdlib.h>

#include "schemas/codec_json.h"
#include "tests/unit/leak.h"
#include "transforms/plan.h"
#include "worker/registry.h"

LEAT_SUITE(plan_schema);

Test(plan_schema, published_is_up_to_date)
{
    static const char path[] = "schemas/pipeline.schema.json";
    static char there[1 << 20];
    size_t count;
    const leat_operator_type *const *operators = leat_registry(&count);
    leat_buf out;
    leat_buf_init(&out, sizeof there);
    leat_plan_schema(operators, count, &out);
    cr_assert_not(out.overflow);
    FILE *file = NULL;
    if (getenv("LEAT_BLESS") != NULL) {
        file = fopen(path, "wb");
        cr_assert_not_null(file);
        cr_assert_eq(fwrite(out.data, 1, out.len, file), out.len);
        (void)fclose(file);
    }
    file = fopen(path, "rb");
    cr_assert_not_null(file, "%s cannot be read: tests run in the root of the tree", path);
    size_t len = fread(there, 1, sizeof there, file);
    (void)fclose(file);
    cr_expect(leat_str_equal((leat_str){there, len}, leat_buf_str(&out)),
              "%s is out of date: LEAT_BLESS=1 with this test rewrites it", path);
    leat_buf_release(&out);
}

Test(plan_schema, is_json)
{
    size_t count;
    const leat_operator_type *const *operators = leat_registry(&count);
    leat_buf out;
    leat_arena *arena = NULL;
    leat_value value;
    leat_err err;
    cr_assert_eq(leat_arena_new(&arena, 16 << 20, &err), LEAT_OK);
    leat_buf_init(&out, 1 << 20);
    leat_plan_schema(operators, count, &out);
    leat_code code =
        leat_json_value(leat_buf_str(&out), LEAT_JSON_LIMITS_DEFAULT, arena, &value, &err);
    cr_expect_eq(code, LEAT_OK, "%s", err.text);
    for (size_t i = 0; i < count; i++) {
        leat_str quoted = leat_arena_print(arena, "\"%s\": {", operators[i]->name);
        cr_expect_geq(leat_str_find(leat_buf_str(&out), quoted), 0, "%s", operators[i]->name);
    }
    leat_buf_release(&out);
    leat_arena_free(&arena);
}

Test(plan_schema, manual_names_every_step)
{
    size_t count;
    const leat_operator_type *const *operators = leat_registry(&count);
    leat_buf out;
    leat_buf_init(&out, 1 << 20);
    leat_plan_manual(operators, count, &out);
    for (size_t i = 0; i < count; i++) {
        char title[64];
        (void)snprintf(title, sizeof title, "## %s\n\n", operators[i]->name);
        cr_expect_geq(leat_str_find(leat_buf_str(&out), leat_str_of(title)), 0, "%s", title);
        cr_expect_not_null(operators[i]->doc, "%s has no manual", operators[i]->name);
    }
    static const char *const settings[] = {"| `commit_interval` |",  "| `worker` |",
                                           "| `out_of_orderness` |", "| `state.memory` |",
                                           "| `mask.key_id` |",      "| `limits.depth` |"};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        cr_expect_geq(leat_str_find(leat_buf_str(&out), leat_str_of(settings[i])), 0, "%s",
                      settings[i]);
    leat_buf_release(&out);
}
