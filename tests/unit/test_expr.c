/* SPDX-License-Identifier: Apache-2.0 */
/* What the conformance cases do not show: slots as a decoder leaves them, externs, what costs. */
#include <math.h>

#include "tests/unit/expr_harness.h"

LEAT_SUITE(expr);

typedef struct expr_case {
    const char *text, *want;
} expr_case;

static void add_record(expr_harness *h)
{
    harness_add(h, "amount", NULL, leat_value_double(512.25));
    harness_add(h, "n", NULL, leat_value_int(42));
    harness_add(h, "name", NULL, leat_value_string(LEAT_STR("xavier")));
    harness_add(h, "price", NULL, leat_value_text(LEAT_NUMBER, LEAT_STR("99.950")));
    harness_add(h, "huge", NULL,
                leat_value_text(LEAT_NUMBER, LEAT_STR("123456789012345678901234567890")));
    harness_add(h, "items", NULL,
                leat_value_text(LEAT_JSON, LEAT_STR("[{\"q\": 2}, {\"q\": 3.5}]")));
    harness_add(h, "card", NULL,
                leat_value_text(LEAT_JSON, LEAT_STR("{\"country\": \"DE\", \"a b\": [1, null]}")));
    harness_add(h, "gone", NULL, LEAT_VALUE_MISSING);
    harness_add(h, "deep.gone", NULL, LEAT_VALUE_MISSING);
    harness_add(h, "deep.there", NULL, leat_value_bool(true));
    harness_add(h, "nothing", NULL, LEAT_VALUE_NULL);
    harness_add(h, "int", NULL, LEAT_VALUE_MISSING);
    harness_add(h, "string", NULL, leat_value_string(LEAT_STR("a field of that name")));
}

static void run_cases(expr_harness *h, const expr_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *got = harness_eval(h, cases[i].text);
        cr_expect_str_eq(got, cases[i].want, "%s\n  got  %s\n  want %s", cases[i].text, got,
                         cases[i].want);
    }
}
#define RUN(h, cases) run_cases(h, cases, sizeof(cases) / sizeof *(cases))

Test(expr, reads_slots_as_the_decoder_left_them)
{
    static const expr_case cases[] = {
        {"amount", "512.25"},
        {"price", "99.950"}, /* handed on as it was written */
        {"price * 2.0", "199.9"},
        {"price == 99.95", "true"},
        {"price > 99 && price < 100.0", "true"},
        {"[price]", "[99.95]"},
        {"true ? price : 0.0", "99.950"},
        {"huge", "123456789012345678901234567890"},
        {"huge > 1", "error: number out of range: 123456789012345678901234567890 (column 6)"},
        {"items[1].q + 0.5", "4.0"},
        {"items.map(i, i.q)", "[2,3.5]"},
        {"size(items) == 2 && items.size() == 2", "true"},
        {"card.country", "\"DE\""},
        {"card['a b'][0]", "1"},
        {"has(card.country) && !has(card.city)", "true"},
        {"'country' in card && !('DE' in card)", "true"},
        {"card == {'country': 'DE', 'a b': [1, null]}", "true"},
        {"[card, items].exists(v, v == items)", "true"},
        {"items.exists(i, items.exists(j, i.q + 1.5 == j.q || j.q - 1.5 == double(i.q)))", "true"},
        {"card.exists(k, k == 'country')", "true"},
        {"nothing == null", "true"},
        {"type(nothing) == null_type", "true"},
        {"{'a': card, 'b': [price]}.a.country", "\"DE\""},
        {"cel.bind(c, card, c.country + c.country)", "\"DEDE\""},
        {"card.?city.orValue('none') + card.?country.orValue('none')", "\"noneDE\""},
    };
    expr_harness h;
    harness_init(&h);
    add_record(&h);
    RUN(&h, cases);
    harness_release(&h);
}

Test(expr, reports_missing_fields)
{
    static const expr_case cases[] = {
        {"gone", "error: no such field 'gone' (column 1)"},
        {"n + gone", "error: no such field 'gone' (column 3)"},
        {"deep.gone + 1", "error: no such field 'deep.gone' (column 11)"},
        {"has(deep.gone)", "false"},
        {"has(deep.there)", "true"},
        {"!has(deep.gone) && has(deep.there)", "true"},
        {"gone > 1 || n == 42", "true"},
        {"n == 42 || gone > 1", "true"},
        {"gone > 1 && n == 41", "false"},
        {"gone > 1 && n == 42", "error: no such field 'gone' (column 6)"},
        {"n == 41 || gone > 1 || gone == 2", "error: no such field 'gone' (column 17)"},
        {"gone ? 1 : 2", "error: no such field 'gone' (column 6)"},
        {"[1, gone]", "error: no such field 'gone' (column 1)"},
        {"card.city", "error: no such key 'city' (column 6)"},
        {"items[2]", "error: index out of range of the list (column 6)"},
        {"deep.there && n", "error: no such overload: '_&&_' applied to (int) (column 15)"},
    };
    expr_harness h;
    harness_init(&h);
    add_record(&h);
    RUN(&h, cases);
    harness_release(&h);
}

/* `int` is a type where the record has no such field; `string` is a field here. */
Test(expr, knows_types_from_fields)
{
    static const expr_case cases[] = {
        {"type(n) == int", "true"},
        {"string", "\"a field of that name\""},
        {"type(name) == type('')", "true"},
        {"type(amount) in [double, uint]", "true"},
        {"google.protobuf.Timestamp == type(timestamp(0))", "true"},
    };
    expr_harness h;
    harness_init(&h);
    add_record(&h);
    RUN(&h, cases);
    harness_release(&h);
}

Test(expr, loads_externs_once_in_a_loop)
{
    expr_harness h;
    harness_init(&h);
    cr_expect_str_eq(harness_eval(&h, "[1, 2, 3, 4].filter(i, i in x)"), "[1,2,3]");
    cr_expect_eq(h.loads, 1, "%u loads", h.loads);
    cr_expect_str_eq(harness_eval(&h, "has(x.y)"), "false");
    cr_expect_str_eq(harness_eval(&h, "x.y"), "error: no such field 'x.y' (column 3)");
    cr_expect_str_eq(harness_eval(&h, "x[0] + size(x)"), "4");
    harness_release(&h);
}

/* A thing with fields of its own, as a matcher's event. */
static leat_code object_field(const leat_object *object, leat_str name, leat_arena *arena,
                              leat_value *value, leat_err *err)
{
    (void)object;
    (void)arena;
    if (leat_str_is(name, "bad")) return leat_err_set(err, LEAT_ERR_DAMAGED, "it is damaged");
    *value = leat_str_is(name, "price") ? leat_value_text(LEAT_NUMBER, LEAT_STR("2.5"))
                                        : LEAT_VALUE_MISSING;
    return LEAT_OK;
}

static leat_code object_whole(const leat_object *object, leat_arena *arena, leat_value *value,
                              leat_err *err)
{
    (void)object;
    (void)arena;
    (void)err;
    *value = leat_value_text(LEAT_JSON, LEAT_STR("{\"price\":2.5}"));
    return LEAT_OK;
}

Test(expr, looks_into_objects)
{
    static const leat_object_type type = {"event", object_field, object_whole};
    static const leat_object object = {&type};
    static const expr_case cases[] = {
        {"probe[0].price", "2.5"}, /* as it was written: loaded only to be worked with */
        {"probe[0].price + 1.0", "3.5"},
        {"sum(probe.map(p, p.price))", "5.0"},
        {"probe[0]['price'] == 2.5", "true"},
        {"has(probe[0].price) && !has(probe[0].color)", "true"},
        {"probe[1].color", "error: no such key 'color' (column 10)"},
        {"probe[1].bad", "error: it is damaged (column 10)"},
        {"probe[0] == probe[1] && probe[0] == {'price': 2.5}", "true"},
        {"'price' in probe[0]", "true"},
        {"last(probe)", "{\"price\":2.5}"},
        {"first(probe).price + last(probe).price", "5.0"},
        {"size(probe) + size(probe[0])", "3"},
        {"type(probe[0]) == map", "true"},
        {"probe[0].all(k, k == 'price')", "true"},
    };
    leat_value events[2];
    expr_harness h;
    harness_init(&h);
    h.scope.aggregates = true;
    events[0] = events[1] = (leat_value){.tag = LEAT_OBJECT, .as.object = &object};
    harness_add(&h, "probe", "list(dyn)", leat_value_list(events, 2));
    RUN(&h, cases);
    harness_release(&h);
}

Test(expr, aggregates_lists_of_patterns)
{
    static const expr_case cases[] = {
        {"sum([])", "0.0"},
        {"sum([1, 2.5, 3u])", "6.5"},
        {"avg([1, 2])", "1.5"},
        {"min([3, 1.5, 2u])", "1.5"},
        {"max([3, 1.5, 3.0])", "3"},
        {"first([7, 8]) + last([7, 8])", "15"},
        {"avg([])", "error: the list is empty (column 1)"},
        {"min([])", "error: the list is empty (column 1)"},
        {"first([])", "error: the list is empty (column 1)"},
        {"last([]) == 1 || true", "true"},
        {"sum(['a'])", "error: no such overload: 'sum' applied to (string) (column 1)"},
        {"[5, 6].first().orValue(0) + [5, 6].last().value()", "11"},
    };
    expr_harness h;
    harness_init(&h);
    cr_expect_null(harness_compile(&h, "sum([1])"));
    cr_expect_null(harness_compile(&h, "first([1])"));
    h.scope.aggregates = true;
    RUN(&h, cases);
    harness_release(&h);
}

Test(expr, says_what_it_is)
{
    expr_harness h;
    uint32_t slot = 99;
    leat_value value;
    harness_init(&h);
    add_record(&h);
    cr_expect(leat_expr_is_slot(harness_compile(&h, "deep.there"), &slot));
    cr_expect_eq(slot, 9);
    cr_expect(leat_expr_is_slot(harness_compile(&h, "(price)"), &slot));
    cr_expect_eq(slot, 3);
    cr_expect_not(leat_expr_is_slot(harness_compile(&h, "price + 1.0"), &slot));
    cr_expect_not(leat_expr_is_slot(harness_compile(&h, "has(deep.there)"), &slot));
    cr_expect(
        leat_expr_is_constant(harness_compile(&h, "duration('5m') + duration('1s')"), &value));
    cr_expect(value.tag == LEAT_DURATION && value.as.i == 301);
    cr_expect(leat_expr_is_constant(harness_compile(&h, "[1, 2].map(x, x * 2)[1]"), &value));
    cr_expect(value.tag == LEAT_INT && value.as.i == 4);
    cr_expect_not(leat_expr_is_constant(harness_compile(&h, "1 / 0"), &value)); /* an error */
    cr_expect_not(leat_expr_is_constant(harness_compile(&h, "n"), &value));
    cr_expect_str_eq(leat_expr_type_name(harness_compile(&h, "n > 1")), "bool");
    cr_expect_str_eq(leat_expr_type_name(harness_compile(&h, "n")), "dyn");
    cr_expect_str_eq(leat_expr_type_name(harness_compile(&h, "{'a': [1u]}")),
                     "map(string, list(uint))");
    harness_release(&h);
}

Test(expr, tests_conditions)
{
    expr_harness h;
    bool holds = true;
    harness_init(&h);
    add_record(&h);
    cr_expect_eq(leat_expr_test(harness_compile(&h, "n < 1"), &h.eval, &holds, &h.err), LEAT_OK);
    cr_expect_not(holds);
    const leat_expr *number = harness_compile(&h, "n");
    cr_expect_eq(leat_expr_test(number, &h.eval, &holds, &h.err), LEAT_ERR_TYPE);
    cr_expect_str_eq(h.err.text, "the condition gives an 'int', not true or false");
    const leat_expr *missing = harness_compile(&h, "  gone > 1");
    cr_expect_eq(leat_expr_test(missing, &h.eval, &holds, &h.err), LEAT_ERR_NO_FIELD);
    cr_expect_eq(h.err.offset, 7);
    cr_expect_eq(leat_code_blame(h.err.code), LEAT_BLAME_RECORD);
    harness_release(&h);
}

/* --- limits ------------------------------------------------------------------------------ */

Test(expr, stops_at_the_cost_limit)
{
    static const char *const dear[] = {
        "lists.range(1000).all(a, lists.range(1000).all(b, lists.range(1000).all(c, n > 0)))",
        "lists.range(1000).map(a, lists.range(1000).map(b, n + a * b))",
        "lists.range(20000).map(a, string(a + n)).distinct().size() > 0",
        "[100000, 900000].all(i, lists.range(i).map(a, a + n).sort().size() > 0)",
        "lists.range(900000).map(i, name).join(name.replace('', name)).matches('(x+x+)+y')",
        "lists.range(2000).exists(i, name.matches(string(i) + '(a|b)*' + name))",
        "sets.equivalent(lists.range(5000 + n), lists.range(5000 + n).reverse())",
        "lists.range(3000 + n).transformMapEntry(i, v, {string(v): v}).size() == 1",
    };
    expr_harness h;
    harness_init(&h);
    add_record(&h);
    for (size_t i = 0; i < sizeof dear / sizeof *dear; i++) {
        leat_value value;
        const leat_expr *expr = harness_compile(&h, dear[i]);
        cr_assert_not_null(expr, "%s: %s", dear[i], h.err.text);
        leat_code code = leat_expr_eval(expr, &h.eval, &value, &h.err);
        cr_expect(code == LEAT_ERR_COST || code == LEAT_ERR_LIMIT, "%s: %s", dear[i],
                  code == LEAT_OK ? "passed" : h.err.text);
        leat_arena_reset(h.batch);
    }
    h.eval.cost_max = 100;
    cr_expect_str_eq(harness_eval(&h, "[1, 2, 3].all(x, x < n)"), "true");
    cr_expect_str_eq(harness_eval(&h, "lists.range(101).all(x, x < n)"),
                     "error: the cost limit of the evaluation was reached (column 18)");
    harness_release(&h);
}

Test(expr, stops_when_the_arena_is_full)
{
    expr_harness h;
    harness_init(&h);
    add_record(&h);
    leat_arena *small = NULL;
    cr_assert_eq(leat_arena_new(&small, 4096, &h.err), LEAT_OK);
    h.eval.arena = small;
    leat_value value;
    const leat_expr *list = harness_compile(&h, "lists.range(1000 + n).map(x, x)");
    cr_expect_eq(leat_expr_eval(list, &h.eval, &value, &h.err), LEAT_ERR_LIMIT);
    const leat_expr *text = harness_compile(&h, "[1, 2, 3, 4].map(x, name.replace('', name + "
                                                "'0123456789012345678901234567890123456789012')."
                                                "replace('', name)).join()");
    cr_expect_eq(leat_expr_eval(text, &h.eval, &value, &h.err), LEAT_ERR_LIMIT);
    leat_arena_free(&small);
    harness_release(&h);
}

/* As a whole and nested: as deep as allowed, and one deeper. */
static leat_code compile_nested(expr_harness *h, const char *open, const char *middle,
                                const char *close, int times)
{
    leat_buf text;
    leat_expr *expr = NULL;
    leat_buf_init(&text, 1 << 20);
    for (int i = 0; i < times; i++)
        leat_buf_add_text(&text, open);
    leat_buf_add_text(&text, middle);
    for (int i = 0; i < times; i++)
        leat_buf_add_text(&text, close);
    leat_code code = leat_expr_compile(leat_buf_str(&text), &h->scope, h->plan, &expr, &h->err);
    leat_buf_release(&text);
    return code;
}

Test(expr, limits_depth_and_length)
{
    static const struct {
        const char *open, *middle, *close;
    } cases[] = {
        {"(", "n", ")"},          {"[", "n", "]"},           {"size([", "n", "])"},
        {"", "n", " + n"},        {"", "card", ".country"},  {"", "x", "[0]"},
        {"true ? 1 : ", "2", ""}, {"!(", "true", ")"},       {"-(", "n", ")"},
        {"{1: ", "n", "}"},       {"[1].map(e, ", "e", ")"},
    };
    expr_harness h;
    harness_init(&h);
    add_record(&h);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_code code = compile_nested(&h, cases[i].open, cases[i].middle, cases[i].close, 100);
        cr_expect_eq(code, LEAT_OK, "%s%s: %s", cases[i].open, cases[i].close, h.err.text);
        code = compile_nested(&h, cases[i].open, cases[i].middle, cases[i].close, 2000);
        cr_expect_eq(code, LEAT_ERR_LIMIT, "%s%s: %s", cases[i].open, cases[i].close, h.err.text);
    }
    cr_expect_eq(compile_nested(&h, "n == 1 || ", "true", "", 3000), LEAT_OK); /* flat */
    cr_expect_eq(compile_nested(&h, "!", "true", "", 3000), LEAT_OK);          /* cancels out */
    cr_expect_eq(compile_nested(&h, " ", "n", "", 70000), LEAT_ERR_LIMIT);
    harness_release(&h);
}

/* Many elements need no more registers than few. */
Test(expr, has_room_for_long_literals)
{
    expr_harness h;
    harness_init(&h);
    add_record(&h);
    leat_buf text;
    leat_buf_init(&text, 1 << 20);
    leat_buf_add_text(&text, "size([");
    for (int i = 0; i < 5000; i++)
        leat_buf_add_text(&text, "n+1, ");
    leat_buf_add_text(&text, "]) == 5000 && [n, n].all(a, a == 42)");
    leat_buf_add_char(&text, '\0');
    cr_expect_str_eq(harness_eval(&h, text.data), "true");
    leat_buf_release(&text);
    harness_release(&h);
}

/* --- cost -------------------------------------------------------------------------------- */

Test(expr, allocates_nothing_for_scalars)
{
    static const char *const scalars[] = {
        "amount > 500.0 && n != 41 && name.startsWith('x')",
        "amount * 2.0 + 1.5",
        "n in [1, 42] ? size(name) : 0",
        "gone > 1 || name.matches('^x.*r$')",
        "[1, 2, 3].exists(e, e == n - 40)",
    };
    expr_harness h;
    harness_init(&h);
    add_record(&h);
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        leat_value value;
        const leat_expr *expr = harness_compile(&h, scalars[i]);
        cr_assert_not_null(expr, "%s: %s", scalars[i], h.err.text);
        uint64_t heap = leat_mem_allocations();
        size_t arena = leat_arena_used(h.batch);
        cr_expect_eq(leat_expr_eval(expr, &h.eval, &value, &h.err), LEAT_OK, "%s", h.err.text);
        cr_expect_eq(leat_mem_allocations(), heap, "%s: heap", scalars[i]);
        cr_expect_eq(leat_arena_used(h.batch), arena, "%s: arena", scalars[i]);
    }
    harness_release(&h);
}

static bool compile_and_evaluate(void)
{
    static const char text[] = "name.matches('^x') && [1, 2].map(i, card.country + string(i))"
                               ".join(',').size() > 2";
    leat_err err;
    leat_arena *plan = NULL;
    leat_arena *batch = NULL;
    leat_expr *expr = NULL;
    expr_harness h = {.scope = {.resolve = harness_resolve}};
    bool holds = false;
    add_record(&h);
    leat_code code = leat_arena_new(&plan, 1 << 20, &err);
    if (code == LEAT_OK) code = leat_arena_new(&batch, 1 << 20, &err);
    if (code == LEAT_OK) {
        code = leat_expr_compile(leat_str_of(text), &h.scope, plan, &expr, &err);
    }
    if (code == LEAT_OK) {
        leat_eval eval = {.slots = h.slots, .arena = batch};
        code = leat_expr_test(expr, &eval, &holds, &err);
        cr_expect(code != LEAT_OK || holds);
    }
    leat_arena_free(&plan);
    leat_arena_free(&batch);
    return code != LEAT_OK;
}

Test(expr, gives_all_back_when_memory_fails)
{
    leat_tests_fail_each(compile_and_evaluate);
}
