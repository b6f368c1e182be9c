/* SPDX-License-Identifier: Apache-2.0 */
/* The predicate index against plain evaluation: random conditions of random patterns, random
 * events with missing fields, wrong types and all kinds of numbers. What the index says of a
 * condition must be what evaluating it says, errors among it. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "cep/index_inside.h"
#include "cep/link.h"
#include "core/mem.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"
#include "transforms/expr_form.h"
#include "transforms/operator.h"

LEAT_SUITE(index);

enum { A, B, C, S, TYPE, SLOTS };
static const char *const slot_names[SLOTS] = {"a", "b", "c", "s", "type"};

#define PATTERNS 80u
#define TEXT_MAX ((size_t)4096)

typedef struct index_bed {
    leat_arena *plan, *batch;
    leat_findings findings;
    leat_index_pattern patterns[PATTERNS];
    leat_index *index;
    leat_lookup *lookup;
    leat_value slots[SLOTS];
    leat_eval eval;
} index_bed;

static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    (void)scope;
    (void)absolute;
    (void)nearest;
    (void)err;
    ref->kind = LEAT_REF_NONE;
    size_t at = leat_str_is(names[0], "event") ? 1 : 0;
    for (uint32_t i = 0; i < SLOTS && at < count; i++)
        if (leat_str_is(names[at], slot_names[i]))
            *ref = (leat_ref){.kind = LEAT_REF_SLOT, .index = i, .used = at + 1};
    if (leat_str_is(names[0], "m"))
        *ref = (leat_ref){.kind = LEAT_REF_EXTERN, .index = 0, .used = 1};
    return LEAT_OK;
}

/* The extern `m` is slot A's value; a step, blind, is an error. */
static leat_code load(void *self, uint32_t index, leat_arena *arena, leat_value *value,
                      leat_err *err)
{
    const index_bed *bed = self;
    (void)arena;
    if (index >= LEAT_EXTERN_OWN) return leat_err_set(err, LEAT_ERR_INVALID, "blind");
    *value = bed->slots[A];
    return LEAT_OK;
}

static leat_expr *compile(void *self, const leat_node *node, leat_scope *scope)
{
    leat_err err;
    leat_expr *expr = NULL;
    cr_assert_eq(leat_expr_compile(node->text, scope, self, &expr, &err), LEAT_OK, "%.*s: %s",
                 LEAT_STR_ARG(node->text), err.text);
    return expr;
}

static void add_pattern(index_bed *bed, uint32_t number, const char *text)
{
    leat_scope fields = {.resolve = resolve, .unchecked = true};
    leat_pattern *pattern = NULL;
    leat_conditions *conditions = NULL;
    leat_nfa *nfa = NULL;
    leat_node *node = NULL;
    leat_err err;
    uint32_t line = 0, column = 0;
    cr_assert_eq(
        leat_doc_parse(leat_str_of(text), LEAT_STR("p"), bed->plan, &node, &err, &line, &column),
        LEAT_OK, "%s: %s", text, err.text);
    cr_assert(leat_pattern_read(node, bed->plan, &bed->findings, &pattern), "%s", text);
    cr_assert(leat_conditions_new(pattern, &fields, compile, bed->plan, bed->plan, &bed->findings,
                                  &conditions),
              "%s: %.*s", text, LEAT_STR_ARG(bed->findings.items[0].message));
    cr_assert_eq(leat_nfa_new(pattern, bed->plan, &bed->findings, &nfa, &err), LEAT_OK);
    cr_assert_not_null(nfa);
    bed->patterns[number] = (leat_index_pattern){conditions, nfa, number % 70};
}

static void bed_init(index_bed *bed)
{
    leat_err err;
    *bed = (index_bed){0};
    cr_assert_eq(leat_arena_new(&bed->plan, (size_t)256 << 20, &err), LEAT_OK);
    cr_assert_eq(leat_arena_new(&bed->batch, (size_t)64 << 20, &err), LEAT_OK);
    leat_findings_init(&bed->findings, bed->plan);
    bed->eval = (leat_eval){.slots = bed->slots, .arena = bed->batch, .load = load, .self = bed};
}

static void bed_index(index_bed *bed, uint32_t count)
{
    leat_err err;
    cr_assert_eq(leat_index_new(bed->patterns, count, bed->plan, &bed->index, &err), LEAT_OK);
    bed->lookup = leat_lookup_new(bed->index);
}

static void bed_free(index_bed *bed)
{
    leat_lookup_free(&bed->lookup);
    leat_arena_free(&bed->batch);
    leat_arena_free(&bed->plan);
}

/* --- drawing --- */

static const char *const numbers[] = {"0",     "1",    "2",    "3",        "2.0",
                                      "2.5",   "-1",   "0.0",  "-0.0",     "1u",
                                      "1e300", "-2.5", "100u", "1e400",    "9007199254740993",
                                      "7",     "8",    "9",    "-1.0/0.0", "9007199254740992.0"};
static const char *const texts[] = {"''",  "'a'",  "'ab'",      "'abc'",
                                    "'b'", "'ba'", "'\\u00e9'", "'x'"};
static const char *const constants[] = {"true", "false", "null", "1", "'a'", "2.0", "[1]", "3u"};
#define PICK(list, random) (list)[leat_random_below(random, sizeof(list) / sizeof *(list))]

static void draw_test(leat_random *random, leat_buf *out)
{
    static const char *const orders[] = {"<", "<=", ">", ">="};
    const char *slot = slot_names[leat_random_below(random, SLOTS)];
    const char *number = PICK(numbers, random);
    const char *text = PICK(texts, random);
    if (strcmp(number, "1e400") == 0) number = "1.5";
    switch (leat_random_below(random, 17)) {
    case 0:
    case 1: leat_buf_add_format(out, "%s == %s", slot, number); break;
    case 2:
    case 3:
    case 4: leat_buf_add_format(out, "%s %s %s", slot, PICK(orders, random), number); break;
    case 5: leat_buf_add_format(out, "%s %s %s", number, PICK(orders, random), slot); break;
    case 6: leat_buf_add_format(out, "%s == %s", slot, text); break;
    case 7: leat_buf_add_format(out, "s.startsWith(%s)", text); break;
    case 8:
        leat_buf_add_format(out, "%s in [%s, %s, %s]", slot, number, text, PICK(constants, random));
        break;
    case 9:
        leat_buf_add_format(out, "s.matches('^a.*%c$')",
                            (int)('a' + (int)leat_random_below(random, 3)));
        break;
    case 10: leat_buf_add_format(out, "%s == %s", slot, PICK(constants, random)); break;
    case 11: leat_buf_add_format(out, "%s != %s", slot, number); break;
    case 12: leat_buf_add_format(out, "s %s %s", PICK(orders, random), text); break;
    case 13: leat_buf_add_format(out, "%s + %s > %s", slot, number, slot); break;
    case 14: leat_buf_add_format(out, "m %s %s", PICK(orders, random), number); break;
    case 15: leat_buf_add_format(out, "has(event.%s)", slot); break;
    default: leat_buf_add_format(out, "%s", slot); break;
    }
}

static void draw_condition(leat_random *random, uint32_t depth, bool steps, leat_buf *out)
{
    uint64_t dice = leat_random_below(random, depth == 0 ? 5 : 10);
    if (dice == 0 && steps) {
        leat_buf_add_format(out, "%s > last(one).%s", slot_names[leat_random_below(random, SLOTS)],
                            slot_names[leat_random_below(random, SLOTS)]);
    } else if (dice < 5) {
        draw_test(random, out);
    } else {
        const char *op = dice < 8 ? " && " : " || ";
        uint64_t parts = 2 + leat_random_below(random, 2);
        leat_buf_add_char(out, '(');
        for (uint64_t i = 0; i < parts; i++) {
            if (i > 0) leat_buf_add_text(out, op);
            draw_condition(random, depth - 1, steps, out);
        }
        leat_buf_add_char(out, ')');
    }
}

static void draw_pattern(leat_random *random, uint32_t number, leat_buf *out)
{
    static const char *const names[] = {"one", "two", "three"};
    uint64_t steps = 1 + leat_random_below(random, 3);
    leat_buf_reset(out);
    leat_buf_add_format(out, "{\"name\":\"p%u\",\"steps\":[", number);
    for (uint64_t i = 0; i < steps; i++) {
        leat_buf_add_format(out, "%s{\"name\":\"%s\"", i > 0 ? "," : "", names[i]);
        if (leat_random_below(random, 12) > 0) {
            leat_buf_add_text(out, ",\"where\":\"");
            draw_condition(random, 2, i > 0, out);
            leat_buf_add_char(out, '"');
        }
        if (i == 0 && steps > 1 && leat_random_below(random, 4) == 0)
            leat_buf_add_text(out, ",\"optional\":true");
        leat_buf_add_char(out, '}');
    }
    leat_buf_add_text(out, "]}");
    leat_buf_add_char(out, '\0');
}

static leat_value draw_value(leat_random *random)
{
    static const char *const texts_of[] = {"",   "a", "ab", "abc", "abcd",
                                           "ba", "x", "zz", "b",   "\xc3\xa9"};
    static const char *const spelt[] = {"1",
                                        "2",
                                        "2.5",
                                        "1e1",
                                        "-1",
                                        "9007199254740993",
                                        "0",
                                        "-0",
                                        "100",
                                        "3",
                                        "123456789012345678901234567890",
                                        "7.0"};
    static const double doubles[] = {0, -0.0, 1, 2, 2.5, -1, 1e300, 9007199254740992.0, 0.1, 1e308};
    static const int64_t ints[] = {0,   1, 2, 3, -1, INT64_MAX, INT64_MIN, ((int64_t)1 << 53) + 1,
                                   100, 7};
    switch (leat_random_below(random, 16)) {
    case 0:
    case 1: return LEAT_VALUE_MISSING;
    case 2: return LEAT_VALUE_NULL;
    case 3: return leat_value_bool(leat_random_below(random, 2) == 0);
    case 4:
    case 5:
    case 6: return leat_value_int(PICK(ints, random));
    case 7: return leat_value_uint(leat_random_below(random, 3) == 0 ? UINT64_MAX : 1);
    case 8: return leat_value_double(PICK(doubles, random));
    case 9: return leat_value_double(leat_random_below(random, 2) == 0 ? NAN : INFINITY);
    case 10: return leat_value_text(LEAT_NUMBER, leat_str_of(PICK(spelt, random)));
    case 11:
        return leat_value_text(LEAT_JSON, leat_random_below(random, 2) == 0
                                              ? LEAT_STR("[1,2]")
                                              : LEAT_STR("{\"a\":1}"));
    case 12: return leat_value_timestamp_of_ms(1000);
    default: return leat_value_string(leat_str_of(PICK(texts_of, random)));
    }
}

/* --- comparing --- */

static leat_verdict plainly(const index_bed *bed, const leat_conditions *conditions, uint32_t n)
{
    leat_err err;
    bool holds = false;
    leat_code code = leat_expr_test(conditions->exprs[n], &bed->eval, &holds, &err);
    /* Of steps as well: what is so without them is so with them. */
    if (code == LEAT_OK) return holds ? LEAT_VERDICT_HOLDS : LEAT_VERDICT_FAILS;
    return conditions->reads[n] ? LEAT_VERDICT_MAYBE : LEAT_VERDICT_BROKEN;
}

/* One that is not tried any more may be said to hold. */
static bool agrees(const leat_conditions *conditions, uint32_t n, leat_verdict got,
                   leat_verdict want)
{
    return got == want || (conditions->reads[n] && got == LEAT_VERDICT_MAYBE);
}

static leat_verdict sum(leat_verdict a, leat_verdict b)
{
    if (a == LEAT_VERDICT_HOLDS || b == LEAT_VERDICT_HOLDS || b == LEAT_VERDICT_MAYBE)
        return LEAT_VERDICT_HOLDS;
    return a == LEAT_VERDICT_BROKEN ? a : b;
}

static void check_starts(const index_bed *bed, uint32_t number)
{
    const leat_index_pattern *p = &bed->patterns[number];
    const leat_nfa_state *start = p->nfa->states[0];
    leat_verdict want = LEAT_VERDICT_FAILS;
    bool reads = false;
    for (uint32_t e = 0; e < start->edges_count; e++) {
        uint32_t where = start->edges[e].where;
        if (where == LEAT_CONDITION_TRUE) want = LEAT_VERDICT_HOLDS;
        if (where == LEAT_CONDITION_TRUE) continue;
        want = sum(want, plainly(bed, p->conditions, where));
        reads = reads || p->conditions->reads[where];
    }
    bool starts = leat_marks_has(leat_lookup_starts(bed->lookup), number);
    bool broken = leat_marks_has(leat_lookup_broken_starts(bed->lookup), number);
    if (want == LEAT_VERDICT_HOLDS) cr_assert(starts || (reads && broken), "pattern %u", number);
    if (starts && !reads) cr_assert_eq(want, LEAT_VERDICT_HOLDS, "pattern %u", number);
    if (want == LEAT_VERDICT_BROKEN) cr_assert(broken || starts, "pattern %u", number);
    if (want == LEAT_VERDICT_BROKEN) cr_assert(leat_lookup_broken(bed->lookup));
}

/* What is known at once is what evaluation says, and all of it where nothing is broken. */
static void check_answers(const index_bed *bed, uint32_t number, const char *when)
{
    const leat_conditions *conditions = bed->patterns[number].conditions;
    leat_answers answers;
    leat_lookup_answers(bed->lookup, number, &answers);
    for (uint32_t n = 0; n < conditions->count; n++) {
        leat_verdict want = plainly(bed, conditions, n);
        bool holds = (answers.holds[n / 64] >> n % 64 & 1) != 0;
        if (!leat_answers_have(&answers, n))
            cr_assert(leat_lookup_broken(bed->lookup) || conditions->reads[n], "%s", when);
        else
            cr_assert_eq(want, holds ? LEAT_VERDICT_HOLDS : LEAT_VERDICT_FAILS, "%s: pattern %u",
                         when, number);
    }
}

static void check_pattern(const index_bed *bed, uint32_t number, const char *when)
{
    const leat_conditions *conditions = bed->patterns[number].conditions;
    leat_verdict whole = LEAT_VERDICT_FAILS, got = LEAT_VERDICT_FAILS;
    leat_err err;
    check_starts(bed, number);
    check_answers(bed, number, when);
    for (uint32_t n = 0; n < conditions->count; n++) {
        leat_verdict want = plainly(bed, conditions, n);
        whole = sum(whole, want);
        cr_assert_eq(leat_lookup_verdict(bed->lookup, number, n, &got, &err), LEAT_OK);
        cr_assert(agrees(conditions, n, got, want), "%s: %.*s: got %d, want %d", when,
                  LEAT_STR_ARG(conditions->pattern->conditions[n].node->text), got, want);
        if (want == LEAT_VERDICT_HOLDS)
            cr_assert(leat_marks_has(leat_lookup_live(bed->lookup), number));
    }
    cr_assert_eq(leat_lookup_pattern(bed->lookup, number, true, &got, &err), LEAT_OK);
    cr_assert_eq(got, whole, "%s: pattern %u", when, number);
    uint64_t group = leat_index_group(bed->patterns[number].group);
    if (whole != LEAT_VERDICT_FAILS)
        cr_assert_neq(leat_lookup_groups(bed->lookup) & group, 0, "%s: pattern %u", when, number);
}

/* A lone pattern is the only one that is concerned. */
static void check_lone(const index_bed *bed, uint32_t count, const char *when)
{
    uint32_t lone = 0;
    bool starts = false;
    if (!leat_lookup_lone(bed->lookup, &lone, &starts)) return;
    cr_assert(lone < count && !leat_lookup_broken(bed->lookup), "%s", when);
    const leat_marks *live = leat_lookup_live(bed->lookup);
    const leat_marks *begun = leat_lookup_starts(bed->lookup);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(leat_marks_has(live, i), i == lone, "%s: pattern %u", when, i);
        cr_assert_eq(leat_marks_has(begun, i), i == lone && starts, "%s: pattern %u", when, i);
        cr_assert(!leat_marks_has(leat_lookup_broken_starts(bed->lookup), i), "%s", when);
    }
}

Test(index, says_what_evaluation_says)
{
    leat_buf text;
    leat_buf_init(&text, TEXT_MAX * 16);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        static index_bed bed;
        leat_random random = {seed};
        leat_err err;
        char when[64];
        bed_init(&bed);
        /* Few are looked at one by one. */
        uint64_t most = seed % 2 == 0 ? 5 : PATTERNS;
        uint32_t count = 1 + (uint32_t)leat_random_below(&random, most);
        for (uint32_t i = 0; i < count; i++) {
            draw_pattern(&random, i, &text);
            add_pattern(&bed, i, text.data);
        }
        bed_index(&bed, count);
        for (uint32_t event = 0; event < 100; event++) {
            (void)snprintf(when, sizeof when, "seed %llu, event %u", (unsigned long long)seed,
                           event);
            leat_arena_reset(bed.batch);
            for (uint32_t s = 0; s < SLOTS; s++)
                bed.slots[s] = draw_value(&random);
            cr_assert_eq(leat_lookup_begin(bed.lookup, &bed.eval, &err), LEAT_OK);
            check_lone(&bed, count, when);
            for (uint32_t i = 0; i < count; i++)
                check_pattern(&bed, i, when);
        }
        bed_free(&bed);
    }
    leat_buf_release(&text);
}

/* --- what it is for --- */

static uint32_t marked(const leat_marks *marks)
{
    uint32_t count = 0, at = 0;
    for (uint32_t from = 0; leat_marks_next(marks, from, &at); from = at + 1)
        count++;
    return count;
}

Test(index, shares_what_is_the_same)
{
    static index_bed bed;
    bed_init(&bed);
    add_pattern(&bed, 0,
                "{\"name\":\"p\",\"steps\":[{\"name\":\"x\",\"where\":\"a==1\"},{\"name\":"
                "\"y\",\"where\":\"b > last(x).b && c == 2\"}]}");
    add_pattern(&bed, 1,
                "{\"name\":\"q\",\"steps\":[{\"name\":\"x\",\"where\":\"a == 1\"},{"
                "\"name\":\"y\",\"where\":\"b>last(x).b && c==2\"}]}");
    add_pattern(&bed, 2,
                "{\"name\":\"r\",\"steps\":[{\"name\":\"b\",\"where\":\"a == 2\"},{"
                "\"name\":\"z\",\"where\":\"has(event.a) && s.matches('x') || m == 3\"}]}");
    bed_index(&bed, 3);
    cr_expect_eq(leat_index_predicates(bed.index), 4);
    cr_expect_eq(leat_index_rest(bed.index), 1); /* m is no slot, and no part of || can be left */
    bed_free(&bed);
}

Test(index, leaves_patterns_alone_that_cannot_react)
{
    static index_bed bed;
    leat_err err;
    char text[300];
    bed_init(&bed);
    for (uint32_t i = 0; i < PATTERNS; i++) {
        (void)snprintf(text, sizeof text,
                       "{\"name\":\"p%u\",\"steps\":[{\"name\":\"x\",\"where\":\"type == 'k' && "
                       "a >= %u && a < %u\"},{\"name\":\"y\",\"where\":\"s == 'n%u'\"}]}",
                       i, i, i + 2, i);
        add_pattern(&bed, i, text);
    }
    bed_index(&bed, PATTERNS);
    cr_expect_eq(leat_index_rest(bed.index), 0);
    bed.slots[TYPE] = leat_value_string(LEAT_STR("k"));
    bed.slots[A] = leat_value_int(7);
    bed.slots[S] = leat_value_string(LEAT_STR("n12"));
    cr_assert_eq(leat_lookup_begin(bed.lookup, &bed.eval, &err), LEAT_OK);
    cr_expect_eq(marked(leat_lookup_starts(bed.lookup)), 2);
    cr_expect_eq(marked(leat_lookup_live(bed.lookup)), 3);
    /* Events of another kind do without the field: their patterns are let off at once. */
    bed.slots[TYPE] = leat_value_string(LEAT_STR("other"));
    bed.slots[A] = LEAT_VALUE_MISSING;
    cr_assert_eq(leat_lookup_begin(bed.lookup, &bed.eval, &err), LEAT_OK);
    cr_expect_eq(marked(leat_lookup_starts(bed.lookup)), 0);
    cr_expect_eq(marked(leat_lookup_broken_starts(bed.lookup)), 0);
    bed.slots[TYPE] = leat_value_string(LEAT_STR("k"));
    cr_assert_eq(leat_lookup_begin(bed.lookup, &bed.eval, &err), LEAT_OK);
    cr_expect_eq(marked(leat_lookup_broken_starts(bed.lookup)), PATTERNS);
    bed_free(&bed);
}

/* Closed at an infinity: no bound of it cuts the line of numbers. */
Test(index, ranges_without_a_bound)
{
    static index_bed bed;
    leat_err err;
    char text[160];
    const leat_value values[] = {
        leat_value_int(7),      leat_value_double(INFINITY),      leat_value_double(-INFINITY),
        leat_value_double(NAN), leat_value_string(LEAT_STR("x")), LEAT_VALUE_MISSING};
    bed_init(&bed);
    for (uint32_t i = 0; i < PATTERNS; i++) { /* so many that they are not looked at one by one */
        (void)snprintf(text, sizeof text,
                       "{\"name\":\"p%u\",\"steps\":[{\"name\":\"x\",\"where\":\"%s\"},"
                       "{\"name\":\"y\",\"where\":\"b == %u\"}]}",
                       i, i % 2 == 0 ? "a >= -1.0 / 0.0" : "a <= 1.0 / 0.0", i);
        add_pattern(&bed, i, text);
    }
    bed_index(&bed, PATTERNS);
    cr_expect_eq(leat_index_rest(bed.index), 0);
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
        bed.slots[A] = values[v];
        bed.slots[B] = leat_value_int(3);
        cr_assert_eq(leat_lookup_begin(bed.lookup, &bed.eval, &err), LEAT_OK);
        for (uint32_t i = 0; i < PATTERNS; i++)
            check_pattern(&bed, i, "without a bound");
    }
    bed_free(&bed);
}

/* --- marks --- */

Test(index, marks_are_a_set)
{
    static const uint32_t sizes[] = {1, 64, 65, 4096, 10000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        leat_random random = {i + 1};
        leat_marks marks;
        leat_marks_init(&marks, sizes[i]);
        bool *in = leat_mem_need(sizes[i]);
        for (uint32_t n = 0; n < 50; n++) {
            uint32_t at = (uint32_t)leat_random_below(&random, sizes[i]);
            leat_marks_add(&marks, at);
            in[at] = true;
        }
        uint32_t from = 0, at = 0;
        for (; leat_marks_next(&marks, from, &at); from = at + 1) {
            while (from < at)
                cr_assert(!in[from++]);
            cr_assert(in[at]);
        }
        while (from < sizes[i])
            cr_assert(!in[from++]);
        leat_marks_clear(&marks);
        cr_assert(!leat_marks_next(&marks, 0, &at));
        leat_marks_release(&marks);
        leat_mem_free(in);
    }
}

/* Which spreads whole numbers (test_link.c). */
Test(index, numbers_have_the_hash_of_links)
{
    for (int64_t i = -2048; i < 2048; i++) {
        cr_assert_eq(index_hash(leat_value_int(i)), link_hash(leat_value_int(i)));
        cr_assert_eq(index_hash(leat_value_int(i)), index_hash(leat_value_double((double)i)));
    }
}
