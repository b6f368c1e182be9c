/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions over a record whose fields are given as a table of names and values. */
#ifndef LEAT_TESTS_UNIT_EXPR_HARNESS_H
#define LEAT_TESTS_UNIT_EXPR_HARNESS_H

#include <criterion/criterion.h>

#include "schemas/codec_json.h"
#include "tests/unit/leak.h"
#include "transforms/expr.h"

#define HARNESS_SLOTS 24u

typedef struct expr_harness {
    leat_scope scope; /* first */
    leat_arena *plan, *batch;
    const char *names[HARNESS_SLOTS]; /* "a.b": the path of that slot */
    const char *types[HARNESS_SLOTS];
    leat_value slots[HARNESS_SLOTS];
    uint32_t count;
    uint32_t loads; /* of externs */
    leat_eval eval;
    leat_err err;
} expr_harness;

/* The longest declared name that the chain begins with; `x` and `x.y` are externs 0 and 1. */
static leat_code harness_resolve(leat_scope *scope, const leat_str *names, size_t count,
                                 bool absolute, leat_ref *ref, leat_str *nearest, leat_err *err)
{
    const expr_harness *h = (const expr_harness *)scope;
    leat_str known[HARNESS_SLOTS];
    (void)absolute;
    (void)err;
    if (leat_str_is(names[0], "x")) {
        *ref = (leat_ref){
            .kind = LEAT_REF_EXTERN, .index = count > 1 ? 1 : 0, .used = count > 1 ? 2 : 1};
        return LEAT_OK;
    }
    for (size_t used = count; used > 0; used--) {
        char path[256];
        int len = 0;
        for (size_t i = 0; i < used && (size_t)len < sizeof path; i++) {
            len += snprintf(path + len, sizeof path - (size_t)len, "%s%.*s", i > 0 ? "." : "",
                            LEAT_STR_ARG(names[i]));
        }
        for (uint32_t i = 0; i < h->count; i++) {
            known[i] = leat_str_of(h->names[i]);
            if (strcmp(h->names[i], path) != 0) continue;
            *ref = (leat_ref){.kind = LEAT_REF_SLOT, .index = i, .used = used, .type = h->types[i]};
            return LEAT_OK;
        }
    }
    *nearest = leat_str_nearest(names[0], known, h->count);
    return LEAT_OK;
}

static leat_code harness_load(void *self, uint32_t index, leat_arena *arena, leat_value *value,
                              leat_err *err)
{
    expr_harness *h = self;
    (void)arena;
    (void)err;
    h->loads++;
    *value = index == 0 ? leat_value_text(LEAT_JSON, LEAT_STR("[1,2,3]")) : LEAT_VALUE_MISSING;
    return LEAT_OK;
}

static inline void harness_init(expr_harness *h)
{
    *h = (expr_harness){.scope = {.resolve = harness_resolve}};
    cr_assert_eq(leat_arena_new(&h->plan, 64 << 20, &h->err), LEAT_OK);
    cr_assert_eq(leat_arena_new(&h->batch, 16 << 20, &h->err), LEAT_OK);
    h->eval = (leat_eval){.slots = h->slots, .arena = h->batch, .load = harness_load, .self = h};
}

static inline void harness_release(expr_harness *h)
{
    leat_arena_free(&h->plan);
    leat_arena_free(&h->batch);
}

static inline void harness_add(expr_harness *h, const char *name, const char *type,
                               leat_value value)
{
    cr_assert_lt(h->count, HARNESS_SLOTS);
    h->names[h->count] = name;
    h->types[h->count] = type;
    h->slots[h->count++] = value;
}

static inline leat_expr *harness_compile(expr_harness *h, const char *text)
{
    leat_expr *expr = NULL;
    leat_code code = leat_expr_compile(leat_str_of(text), &h->scope, h->plan, &expr, &h->err);
    return code == LEAT_OK ? expr : NULL;
}

/* The value as JSON, or "error: ..." of the compiler or the evaluation. Static memory. */
static inline const char *harness_eval(expr_harness *h, const char *text)
{
    static char answer[1024];
    leat_buf out;
    leat_value value;
    const leat_expr *expr = harness_compile(h, text);
    leat_buf_init(&out, sizeof answer - 1);
    leat_code code = expr == NULL ? h->err.code : leat_expr_eval(expr, &h->eval, &value, &h->err);
    if (code == LEAT_OK) code = leat_json_write(value, h->batch, &out, &h->err);
    if (code == LEAT_OK) {
        (void)snprintf(answer, sizeof answer, "%.*s", LEAT_STR_ARG(leat_buf_str(&out)));
    } else {
        (void)snprintf(answer, sizeof answer, "error: %s", h->err.text);
    }
    leat_buf_release(&out);
    return answer;
}

#endif
