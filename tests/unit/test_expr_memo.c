/* SPDX-License-Identifier: Apache-2.0 */
/* Common subexpressions: evaluated once per record, when first needed, and never differently. */
#include "tests/unit/exec_harness.h"
#include "tests/unit/leak.h"
#include "transforms/expr.h"

LEAT_SUITE(expr_memo);

/* A scope of fields a, b, c in slots 0, 1, 2; memos from 8 on. */
typedef struct memo_scope {
    leat_scope scope;
    char keys[32][4096];
    size_t lens[32];
    uint32_t count;
} memo_scope;

static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    (void)scope;
    (void)count;
    (void)absolute;
    (void)nearest;
    (void)err;
    if (names[0].len == 1 && names[0].data[0] >= 'a' && names[0].data[0] <= 'f')
        *ref = (leat_ref){
            .kind = LEAT_REF_SLOT, .index = (uint32_t)(names[0].data[0] - 'a'), .used = 1};
    return LEAT_OK;
}

static leat_code memo(leat_scope *scope, leat_str key, uint32_t *slot, leat_err *err)
{
    memo_scope *self = (memo_scope *)scope;
    (void)err;
    uint32_t at = 0;
    while (at < self->count && !leat_str_equal(key, (leat_str){self->keys[at], self->lens[at]}))
        at++;
    if (at == self->count) {
        cr_assert_lt(at, 32);
        memcpy(self->keys[at], key.data, key.len);
        self->lens[at] = key.len;
        self->count++;
    }
    *slot = 8 + at;
    return LEAT_OK;
}

typedef struct memo_bed {
    leat_arena *arena;
    memo_scope *scope;
    leat_expr_repeats *repeats;
    leat_value slots[40];
    leat_eval eval;
} memo_bed;

static void open_bed(memo_bed *bed)
{
    leat_err err;
    *bed = (memo_bed){.repeats = leat_expr_repeats_new()};
    cr_assert_eq(leat_arena_new(&bed->arena, 16 << 20, &err), LEAT_OK);
    bed->scope = leat_arena_zero(bed->arena, sizeof *bed->scope);
    bed->scope->scope = (leat_scope){.resolve = resolve, .repeats = bed->repeats, .memo = memo};
    bed->eval = (leat_eval){.slots = bed->slots, .memo = bed->slots, .arena = bed->arena};
    bed->slots[0] = leat_value_string(LEAT_STR("Abc"));
    bed->slots[1] = leat_value_int(7);
    bed->slots[2] = leat_value_double(1.5);
}

static void close_bed(memo_bed *bed)
{
    leat_expr_repeats_free(&bed->repeats);
    leat_arena_free(&bed->arena);
}

static leat_expr *compiled(memo_bed *bed, const char *text)
{
    leat_err err;
    leat_expr *expr = NULL;
    cr_assert_eq(leat_expr_compile(leat_str_of(text), &bed->scope->scope, bed->arena, &expr, &err),
                 LEAT_OK, "%s: %s", text, err.text);
    return expr;
}

static void expect(memo_bed *bed, const leat_expr *expr, const char *want)
{
    leat_err err;
    leat_value value = LEAT_VALUE_MISSING;
    char got[LEAT_ERR_TEXT_MAX + 10];
    if (leat_expr_eval(expr, &bed->eval, &value, &err) != LEAT_OK)
        (void)snprintf(got, sizeof got, "error: %s", err.text);
    else if (value.tag == LEAT_STRING)
        (void)snprintf(got, sizeof got, "%.*s", LEAT_STR_ARG(leat_value_str(value)));
    else
        (void)snprintf(got, sizeof got, "%lld",
                       (long long)(value.tag == LEAT_BOOL ? value.as.b : value.as.i));
    cr_expect_str_eq(got, want, "%s, not %s", got, want);
}

/* A memo that holds something else shows who has looked there and who has computed. */
Test(expr_memo, is_computed_once)
{
    memo_bed bed;
    open_bed(&bed);
    static const char *const texts[] = {"a.lowerAscii()", "a.lowerAscii() + '!'",
                                        "a == 'x' ? a.lowerAscii() : 'no'", "b.lowerAscii()"};
    leat_expr *made[4];
    for (size_t i = 0; i < 4; i++)
        leat_expr_repeats_note(bed.repeats, leat_str_of(texts[i]));
    for (size_t i = 0; i < 3; i++)
        made[i] = compiled(&bed, texts[i]);
    cr_assert_eq(bed.scope->count, 1);
    leat_value *slot = &bed.slots[8];
    expect(&bed, made[2], "no"); /* not reached: not computed */
    cr_expect_eq(slot->tag, LEAT_MISSING);
    expect(&bed, made[0], "abc");
    cr_expect_eq(slot->tag, LEAT_STRING);
    *slot = leat_value_string(LEAT_STR("seen"));
    expect(&bed, made[0], "seen");
    expect(&bed, made[1], "seen!");
    *slot = LEAT_VALUE_MISSING;
    expect(&bed, made[1], "abc!");
    cr_expect_eq(slot->tag, LEAT_STRING);
    /* Where nothing may be remembered, all is computed. */
    *slot = LEAT_VALUE_MISSING;
    bed.eval.memo = NULL;
    expect(&bed, made[0], "abc");
    cr_expect_eq(slot->tag, LEAT_MISSING);
    close_bed(&bed);
}

Test(expr_memo, errors_are_told_where_they_stand)
{
    memo_bed bed;
    open_bed(&bed);
    static const char *const texts[] = {"hash.sha256(d)", "b == 0 ||   hash.sha256( d ) == ''",
                                        "b == 7 || hash.sha256(d) != ''"};
    leat_expr *made[3];
    for (size_t i = 0; i < 3; i++)
        leat_expr_repeats_note(bed.repeats, leat_str_of(texts[i]));
    for (size_t i = 0; i < 3; i++)
        made[i] = compiled(&bed, texts[i]);
    cr_assert_eq(bed.scope->count, 1);
    expect(&bed, made[0], "error: no such field 'd' (column 13)");
    expect(&bed, made[1], "error: no such field 'd' (column 26)");
    expect(&bed, made[2], "1"); /* absorbed */
    cr_expect_eq(bed.slots[8].tag, LEAT_MISSING);
    close_bed(&bed);
}

static const struct {
    const char *one, *two;
    uint32_t memos;
} shared[] = {
    {"a.matches('^A')", "!a.matches('^A') || b > 1", 1},
    {"a.matches('^A')", "a.matches('^B')", 0},
    {"a.lowerAscii()", "d.lowerAscii()", 0},
    {"b + 1", "b + 1", 0}, /* cheaper than a memo */
    {"b > 1 && b < 9", "b > 1 && b < 9", 0},
    {"'x'.lowerAscii()", "'x'.lowerAscii()", 0}, /* a constant */
    {"[1, 2].exists(x, x == b)", "[1, 2].exists(x, x == b)", 1},
    {"[1, 2].exists(x, x == b)", "[[3].map(y, y), [1]].size() == 2 && [1, 2].exists(x, x == b)", 1},
    {"['p'].map(x, x + a.upperAscii())", "['q'].map(y, a.upperAscii() + y)", 1},
    {"['p'].map(x, x.upperAscii())", "['q'].map(x, x.upperAscii())", 0}, /* of a bound name */
    {"hash.sha256(a) + hash.sha256(a)", "b", 1},
    {"hash.sha256(a.trim()) == ''", "hash.sha256(a.trim()) != ''", 1}, /* not trim(), too */
    {"hash.sha256(a.trim()) == ''", "a.trim()", 1},
    {"json.format({'k': b})", "json.format({'k': b})", 1},
    {"json.format({'k': b})", "json.format({'k': b, 'l': b})", 0},
};

Test(expr_memo, what_is_shared)
{
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
        memo_bed bed, plain;
        open_bed(&bed);
        open_bed(&plain);
        plain.scope->scope.memo = NULL;
        const char *const texts[] = {shared[i].one, shared[i].two};
        for (size_t k = 0; k < 2; k++)
            leat_expr_repeats_note(bed.repeats, leat_str_of(texts[k]));
        for (size_t k = 0; k < 4; k++) { /* first computed, then remembered */
            leat_err err;
            leat_value got = LEAT_VALUE_MISSING, want = LEAT_VALUE_MISSING;
            leat_code code = leat_expr_eval(compiled(&bed, texts[k % 2]), &bed.eval, &got, &err);
            cr_expect_eq(leat_expr_eval(compiled(&plain, texts[k % 2]), &plain.eval, &want, &err),
                         code);
            cr_expect_eq(got.tag, want.tag, "%s", texts[k % 2]);
            cr_expect_eq(got.len, want.len, "%s", texts[k % 2]);
        }
        cr_expect_eq(bed.scope->count, shared[i].memos, "%s; %s: %u memos", shared[i].one,
                     shared[i].two, bed.scope->count);
        cr_expect_eq(plain.scope->count, 0);
        close_bed(&bed);
        close_bed(&plain);
    }
}

/* Across steps, streams and sinks; a field that is assigned anew is another. */
Test(expr_memo, in_a_pipeline)
{
    test_bed bed;
    bed_open(&bed,
             "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"out_of_orderness\":\"5ms\"}},"
             "\"streams\":{\"t\":{\"from\":\"s\",\"steps\":["
             "{\"filter\":\"a.lowerAscii() != 'no'\"},"
             "{\"set\":{\"b\":\"a.lowerAscii()\",\"a\":\"a + a\",\"c\":\"a.lowerAscii()\"}},"
             "{\"dedupe\":{\"key\":\"a.lowerAscii()\",\"within\":\"10ms\"}},"
             "{\"set\":{\"d\":\"a.lowerAscii()\"}}],\"to\":{\"topic\":\"out\",\"key\":"
             "\"a.lowerAscii()\"}},\"u\":{\"from\":\"s\",\"steps\":[{\"set\":{\"e\":"
             "\"a.lowerAscii()\"}}],\"to\":\"other\"}}}");
    cr_expect_eq(bed.plan->sources[0].shape->memos_count, 2); /* of the old a, and of the new */
    bed_send_at(&bed, "{\"a\":\"NO\"}", 1);
    bed_send_at(&bed, "{\"a\":\"Xy\"}", 2);
    bed_commit(&bed);
    bed_crash(&bed);
    bed_send_at(&bed, "{\"a\":\"Zz\"}", 30);
    bed_end(&bed);
    bed_expect(&bed, "other: {\"a\":\"NO\",\"e\":\"no\"}\n"
                     "other: {\"a\":\"Xy\",\"e\":\"xy\"}\n"
                     "out: {\"a\":\"XyXy\",\"b\":\"xy\",\"c\":\"xyxy\",\"d\":\"xyxy\"}\n"
                     "other: {\"a\":\"Zz\",\"e\":\"zz\"}\n"
                     "out: {\"a\":\"ZzZz\",\"b\":\"zz\",\"c\":\"zzzz\",\"d\":\"zzzz\"}\n");
    bed_close(&bed);
}
