/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline's text in, a plan or findings out: for tests of the planner. Files and the environment
 * are given by tables; nothing outside is asked. */
#ifndef LEAT_TESTS_UNIT_PLAN_HARNESS_H
#define LEAT_TESTS_UNIT_PLAN_HARNESS_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "core/buf.h"
#include "transforms/plan.h"

extern const leat_operator_type leat_operator_filter, leat_operator_set, leat_operator_keep,
    leat_operator_drop, leat_operator_rename, leat_operator_mask, leat_operator_split;

typedef struct plan_bed {
    leat_arena *arena;
    leat_plan *plan;
    leat_findings findings;
    leat_buf out; /* findings as text, a line each */
    const leat_str *overrides;
    size_t overrides_count;
    bool check_only;
    const leat_operator_type *more[2]; /* operators besides the stateless ones; NULL: none */
} plan_bed;

static leat_code plan_bed_files(void *self, leat_str glob, bool want_text, leat_arena *arena,
                                leat_planned_file **files, size_t *count, leat_err *err)
{
    static const char *const names[] = {"data/a.jsonl", "data/b.jsonl"};
    (void)self;
    (void)want_text;
    *count = 0;
    *files = leat_arena_zero(arena, 2 * sizeof **files);
    if (*files == NULL) return leat_arena_full(arena, err);
    if (leat_str_is(glob, "data/bad"))
        return leat_err_set(err, LEAT_ERR_CONFIG, "cannot read 'data/bad': Permission denied");
    for (size_t i = 0; i < 2; i++)
        if (leat_str_is(glob, "data/*.jsonl") || leat_str_is(glob, names[i]))
            (*files)[(*count)++].name = leat_str_of(names[i]);
    return LEAT_OK;
}

static leat_code plan_bed_resolve(void *self, leat_str kind, leat_str name, leat_arena *arena,
                                  leat_str *text, leat_err *err)
{
    static const struct {
        const char *name, *text;
    } known[] = {
        {"TOPIC", "payments"},        {"COUNT", "4"},       {"WAIT", "250ms"},
        {"BAD_WAIT", "hunter2"},      {"BAD", "hunter2 +"}, {"PASSWORD", "hunter2"},
        {"/run/secrets/mask", "key"},
    };
    (void)self;
    (void)arena;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!leat_str_is(name, known[i].name)) continue;
        *text = leat_str_of(known[i].text);
        return LEAT_OK;
    }
    return leat_err_set(err, LEAT_ERR_NO_FIELD, "%.*s %.*s is not there", LEAT_STR_ARG(kind),
                        LEAT_STR_ARG(name));
}

/* Sorted findings as text; the plan, if any, is in bed->plan. Close it in any case. */
static inline const char *plan_bed_read(plan_bed *bed, const char *text, size_t bytes_max)
{
    leat_err err;
    const leat_operator_type *operators[] = {
        &leat_operator_filter, &leat_operator_set,    &leat_operator_keep,
        &leat_operator_drop,   &leat_operator_rename, &leat_operator_mask,
        &leat_operator_split,  bed->more[0],          bed->more[1]};
    leat_plan_env env = {.files = plan_bed_files,
                         .operators = operators,
                         .operators_count = 7,
                         .resolve = plan_bed_resolve,
                         .overrides = bed->overrides,
                         .overrides_count = bed->overrides_count,
                         .check_only = bed->check_only};
    for (size_t i = 0; i < 2 && bed->more[i] != NULL; i++)
        env.operators_count++;
    leat_code code = leat_arena_new(&bed->arena, bytes_max, &err);
    cr_assert_eq(code, LEAT_OK, "%s", err.text);
    leat_findings_init(&bed->findings, bed->arena);
    code = leat_plan_new(leat_str_of(text), LEAT_STR("p"), &env, bed->arena, &bed->findings,
                         &bed->plan, &err);
    leat_buf_init(&bed->out, 1 << 20);
    if (code != LEAT_OK) {
        cr_assert_null(bed->plan);
        leat_buf_add_text(&bed->out, err.text);
    } else {
        leat_findings_print(&bed->findings, false, &bed->out);
    }
    leat_buf_add_char(&bed->out, '\0');
    return bed->out.data;
}

static inline void plan_bed_close(plan_bed *bed)
{
    leat_arena_free(&bed->arena);
    leat_buf_release(&bed->out);
    *bed = (plan_bed){0};
}

#endif
