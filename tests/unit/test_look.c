/* SPDX-License-Identifier: Apache-2.0 */
/* What a look at the slots tells of a condition is what its evaluation tells: every comparison of
 * every kind of value with every constant, at the ends of their ranges too, alone and in && and ||.
 * And a look tells something, or nothing would be tested. */
#include "cep/conditions.h"
#include "tests/unit/expr_harness.h"
#include "transforms/expr_form.h"

static const char *const operators[] = {"==", "<", "<=", ">", ">=", "!="};
static const char *const constants[] = {
    "1",    "0",    "-9223372036854775808", "9223372036854775807", "1.0", "-0.5", "double('NaN')",
    "'ab'", "null", "double('Infinity')"};

static leat_value value_of(uint32_t i)
{
    leat_value values[] = {leat_value_int(0),
                           leat_value_int(1),
                           leat_value_int(2),
                           leat_value_int(INT64_MIN),
                           leat_value_int(INT64_MAX),
                           leat_value_double(-0.5),
                           leat_value_double(0.0),
                           leat_value_double(1.0),
                           leat_value_double(__builtin_inf()),
                           leat_value_double(__builtin_nan("")),
                           leat_value_string(LEAT_STR("ab")),
                           leat_value_string(LEAT_STR("abc")),
                           leat_value_bool(true),
                           LEAT_VALUE_NULL,
                           LEAT_VALUE_MISSING};
    return i < sizeof values / sizeof *values ? values[i] : leat_value_uint(1);
}
#define VALUES 16u

/* Holds what both kinds of look say against the evaluation; whether they have said anything. */
static bool check(expr_harness *h, const char *text)
{
    const leat_expr *expr = harness_compile(h, text);
    if (expr == NULL) return false; /* types that do not go together */
    leat_value value = LEAT_VALUE_NULL;
    leat_code code = leat_expr_eval(expr, &h->eval, &value, &h->err);
    bool holds = code == LEAT_OK && value.tag == LEAT_BOOL && value.as.b;
    bool fails = code == LEAT_OK && value.tag == LEAT_BOOL && !value.as.b;
    leat_form_answer answer = leat_form_look(leat_expr_form(expr), h->slots);
    cr_expect(answer != LEAT_FORM_HOLDS || holds, "%s of slots %u and %u", text, h->slots[0].tag,
              h->slots[1].tag);
    cr_expect(answer != LEAT_FORM_FAILS || fails, "%s of slots %u and %u", text, h->slots[0].tag,
              h->slots[1].tag);
    const leat_form *forms[64];
    leat_answers answers;
    bool all = false;
    for (uint32_t i = 0; i < 64; i++)
        forms[i] = leat_expr_form(expr);
    leat_conditions conditions = {
        .looks = {leat_looks_new(forms, 64, h->plan), leat_looks_new(forms, 6, h->plan)},
        .count = 70};
    bool any = leat_conditions_look(&conditions, h->slots, &answers, &all);
    cr_expect_eq(all, answer != LEAT_FORM_UNKNOWN || (answers.known[0] & 1) != 0, "%s", text);
    cr_expect_eq(any, (answers.holds[0] & 1) != 0, "%s", text);
    for (uint32_t i = 0; i < 70; i++) {
        bool known = leat_answers_have(&answers, i);
        bool yes = (answers.holds[i / 64] >> i % 64 & 1) != 0;
        cr_expect(known || !yes);
        cr_expect(!known || (yes ? holds : fails), "%s of slots %u and %u", text, h->slots[0].tag,
                  h->slots[1].tag);
    }
    return answer != LEAT_FORM_UNKNOWN;
}

Test(look, tells_what_an_evaluation_tells)
{
    expr_harness h;
    unsigned told = 0;
    harness_init(&h);
    harness_add(&h, "a", NULL, LEAT_VALUE_NULL);
    harness_add(&h, "b", NULL, leat_value_int(1));
    for (uint32_t v = 0; v < VALUES; v++) {
        h.slots[0] = value_of(v);
        for (size_t o = 0; o < sizeof operators / sizeof *operators; o++) {
            for (size_t c = 0; c < sizeof constants / sizeof *constants; c++) {
                char text[128];
                (void)snprintf(text, sizeof text, "a %s %s", operators[o], constants[c]);
                told += check(&h, text);
                (void)snprintf(text, sizeof text, "%s %s a", constants[c], operators[o]);
                told += check(&h, text);
                leat_arena_reset(h.batch);
            }
        }
    }
    cr_expect_gt(told, 300);
    harness_release(&h);
}

Test(look, goes_through_and_and_or)
{
    static const char *const texts[] = {
        "a < 1 && b == 1",
        "a < 1 || b == 1",
        "a < 1 && size(b) == 1",
        "a < 1 || size(b) == 1",
        "b == 1 && (a < 1 || a > 1.5)",
        "b == 2 && a",
        "b == 1 || a",
        "a == 'ab' && b >= 1",
        "!(a < 1) && b == 1",
        "a in [1, 2] && b == 2",
        "a.startsWith('a') || b == 1",
        "a.startsWith('ab') && b == 1",
        "b.startsWith('abc')",
    };
    expr_harness h;
    unsigned told = 0;
    harness_init(&h);
    harness_add(&h, "a", NULL, LEAT_VALUE_NULL);
    harness_add(&h, "b", NULL, LEAT_VALUE_NULL);
    for (uint32_t v = 0; v < VALUES * VALUES; v++) {
        h.slots[0] = value_of(v % VALUES);
        h.slots[1] = value_of(v / VALUES);
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
            told += check(&h, texts[t]);
        leat_arena_reset(h.batch);
        leat_arena_reset(h.plan);
    }
    cr_expect_gt(told, 300);
    harness_release(&h);
}

static uint32_t add_expr(expr_harness *h, const char *text, const leat_expr **exprs, uint32_t count)
{
    const leat_expr *expr = count < 64 ? harness_compile(h, text) : NULL;
    if (expr != NULL) exprs[count++] = expr;
    return count;
}

/* Each is held against its own evaluation; how many were told of. */
static unsigned check_together(expr_harness *h, const leat_looks *looks,
                               const leat_expr *const *exprs, uint32_t count)
{
    unsigned told = 0;
    leat_seen seen = leat_looks_at(looks, h->slots);
    cr_expect_eq(seen.holds & seen.unknown, 0);
    for (uint32_t i = 0; i < count; i++) {
        leat_value value = LEAT_VALUE_NULL;
        if ((seen.unknown >> i & 1) != 0) continue;
        told++;
        leat_code code = leat_expr_eval(exprs[i], &h->eval, &value, &h->err);
        cr_expect(code == LEAT_OK && value.tag == LEAT_BOOL && value.as.b == (seen.holds >> i & 1),
                  "condition %u of %u, slots %u and %u", i, count, h->slots[0].tag,
                  h->slots[1].tag);
    }
    return told;
}

/* Few constants of a slot, some, and so many that they are halved. */
Test(look, tells_of_all_at_once)
{
    expr_harness h;
    const leat_expr *exprs[64];
    const leat_form *forms[64];
    unsigned told = 0;
    harness_init(&h);
    harness_add(&h, "a", NULL, LEAT_VALUE_NULL);
    harness_add(&h, "b", NULL, LEAT_VALUE_NULL);
    for (uint32_t numbers = 0; numbers < 12; numbers++) {
        uint32_t count = 0;
        for (uint32_t n = 0; n < 5 * (numbers / 2 + 1); n++) {
            char text[128];
            const char *op = operators[n % 5];
            const char *constant = constants[(n / 5 + n + numbers) % 10];
            (void)snprintf(text, sizeof text, "%s %s %s", n % 3 == 1 ? "b" : "a", op, constant);
            count = add_expr(&h, text, exprs, count);
            (void)snprintf(text, sizeof text, "a %s %d && b %s %s", op, (int)n - 9, op, constant);
            if (n % 4 == 0) count = add_expr(&h, text, exprs, count);
            (void)snprintf(text, sizeof text, "a %s %d%s", op, (int)n - 9, n % 2 != 0 ? ".0" : "");
            if (numbers % 2 == 0) count = add_expr(&h, text, exprs, count);
        }
        for (uint32_t i = 0; i < count; i++)
            forms[i] = leat_expr_form(exprs[i]);
        const leat_looks *looks = leat_looks_new(forms, count, h.plan);
        cr_assert_not_null(looks);
        for (uint32_t v = 0; v < (VALUES + 24) * VALUES; v++) {
            uint32_t first = v % (VALUES + 24);
            h.slots[0] = first < VALUES ? value_of(first) : leat_value_int((int64_t)first - 26);
            if (first % 3 == 2 && h.slots[0].tag == LEAT_INT)
                h.slots[0] = leat_value_double((double)h.slots[0].as.i);
            h.slots[1] = value_of(v / (VALUES + 24));
            told += check_together(&h, looks, exprs, count);
            leat_arena_reset(h.batch);
        }
        leat_arena_reset(h.plan);
    }
    cr_expect_gt(told, 10000);
    harness_release(&h);
}
