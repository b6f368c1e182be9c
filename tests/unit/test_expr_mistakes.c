/* SPDX-License-Identifier: Apache-2.0 */
/* What a user reads when an expression is wrong: place, words, remedy. */
#include "tests/unit/expr_harness.h"
#include "transforms/expr_function.h"

LEAT_SUITE(expr_mistakes);

static const struct {
    const char *text;
    leat_code code;
    uint32_t offset;
    const char *says;
} mistakes[] = {
    /* syntax */
    {"", LEAT_ERR_SYNTAX, 0, "expected a value, but the expression ends here"},
    {"(n > 1 && (n < 2)", LEAT_ERR_SYNTAX, 17, "expected ')' to close the '(' opened at column 1"},
    {"[1, 2", LEAT_ERR_SYNTAX, 5, "expected ']' to close the '[' opened at column 1"},
    {"n ? 1", LEAT_ERR_SYNTAX, 5, "expected ':' for the '?' at column 3"},
    {"n = 1", LEAT_ERR_SYNTAX, 2, "unexpected '='; equality is written =="},
    {"n & 1", LEAT_ERR_SYNTAX, 2, "and is written &&"},
    {"n | 1", LEAT_ERR_SYNTAX, 2, "or is written ||"},
    {"'abc", LEAT_ERR_SYNTAX, 0, "has no closing '"},
    {"n == \"\"\"abc\"", LEAT_ERR_SYNTAX, 5, "has no closing three \" in a row"},
    {"'\\q'", LEAT_ERR_SYNTAX, 2, "unknown escape"},
    {"'\\ud800'", LEAT_ERR_SYNTAX, 3, "no code point"},
    {"'\\x4'", LEAT_ERR_SYNTAX, 4, "needs 2 hexadecimal digits"},
    {"b'\\u00ff'", LEAT_ERR_SYNTAX, 4, "cannot stand in bytes"},
    {"1 2", LEAT_ERR_SYNTAX, 2, "expected an operator or the end of the expression, found '2'"},
    {"n > 1 and n < 2", LEAT_ERR_SYNTAX, 6, "found 'and'; and is written &&"},
    {"n > 1 OR n < 2", LEAT_ERR_SYNTAX, 6, "found 'OR'; or is written ||"},
    {"n <> 1", LEAT_ERR_SYNTAX, 3, "found '>'; not equal is written !="},
    {"name like 'a%'", LEAT_ERR_SYNTAX, 5, "see matches, startsWith, contains"},
    {"1abc", LEAT_ERR_SYNTAX, 1, "cannot follow a number"},
    {"9223372036854775808", LEAT_ERR_RANGE, 0, "beyond the range of an int; a uint has"},
    {"-1u", LEAT_ERR_RANGE, 1, "a uint cannot be negative"},
    {"1e999", LEAT_ERR_RANGE, 0, "beyond the range of a double"},
    {"n.", LEAT_ERR_SYNTAX, 2, "expected a field's name after '.'"},
    {"{1}", LEAT_ERR_SYNTAX, 2, "expected ':' after the key of a map, found '}'"},
    {"if", LEAT_ERR_SYNTAX, 0, "'if' is a reserved word; the field of that name"},
    {"Foo{a: 1}", LEAT_ERR_SYNTAX, 3, "messages are not supported"},
    {"n\x01", LEAT_ERR_SYNTAX, 1, "unexpected character outside of quotes"},
    {"'\xff'", LEAT_ERR_SYNTAX, 0, "not valid UTF-8"},
    {"`a", LEAT_ERR_SYNTAX, 0, "backticks"},
    /* names */
    {"amuont > 1", LEAT_ERR_NO_FIELD, 0, "undeclared name 'amuont'; did you mean 'amount'?"},
    {"zzz", LEAT_ERR_NO_FIELD, 0, "undeclared name 'zzz'"},
    {"name.startWith('a')", LEAT_ERR_NO_OVERLOAD, 5, "did you mean 'startsWith'?"},
    {"frobnicate(1)", LEAT_ERR_NO_OVERLOAD, 0, "unknown function 'frobnicate'"},
    {"count(items) > 1", LEAT_ERR_NO_OVERLOAD, 0, "unknown function 'count'; did you mean 'size'?"},
    {"items.length() > 1", LEAT_ERR_NO_OVERLOAD, 6, "did you mean 'size'?"},
    {"maths.abs(1)", LEAT_ERR_NO_OVERLOAD, 6, "unknown function 'abs'"},
    {"[1].map(2, 3)", LEAT_ERR_SYNTAX, 8, "must be a plain name, as in list.map(x, ...)"},
    {"[1].all(x, x, true)", LEAT_ERR_SYNTAX, 11, "the two names must differ"},
    {"has(n)", LEAT_ERR_SYNTAX, 4, "write has(event.b)"},
    /* types */
    {"'a' + 1", LEAT_ERR_NO_OVERLOAD, 4, "for '_+_' applied to '(string, int)'"},
    {"name.startsWith(5)", LEAT_ERR_NO_OVERLOAD, 5, "applied to 'string.(int)'"},
    {"contains('a', 'b')", LEAT_ERR_NO_OVERLOAD, 0, "it is called as x.f()"},
    {"true && 1", LEAT_ERR_TYPE, 8, "an operand of && must be bool, not int"},
    {"[1].all(x, x)", LEAT_ERR_TYPE, 11, "the condition must be bool, not int"},
    {"1.all(x, true)", LEAT_ERR_TYPE, 0, "a macro goes over a list or a map, not over int"},
    {"'a'.b", LEAT_ERR_TYPE, 4, "a value of type string has no field 'b'"},
    {"[?1]", LEAT_ERR_TYPE, 2, "what follows ? must be an optional, not int"},
    {"[[1]].sortBy(x, x)", LEAT_ERR_TYPE, 16, "list(int) have no order to sort by"},
    {"'%d'.format(['a'])", LEAT_ERR_TYPE, 13, "%d cannot write a value of type string"},
    {"'%d'.format([])", LEAT_ERR_INVALID, 12, "fewer values than clauses"},
    {"'%q'.format([1])", LEAT_ERR_INVALID, 0, "after % stands one of"},
    {"name.matches('a(')", LEAT_ERR_INVALID, 13, "missing )"},
};

Test(expr_mistakes, are_shown_where_they_are)
{
    expr_harness h;
    harness_init(&h);
    harness_add(&h, "n", NULL, leat_value_int(1));
    harness_add(&h, "amount", NULL, leat_value_double(1));
    harness_add(&h, "name", "string", leat_value_string(LEAT_STR("x")));
    harness_add(&h, "maths", NULL, LEAT_VALUE_MISSING);
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        leat_expr *expr = harness_compile(&h, mistakes[i].text);
        cr_expect_null(expr, "%s: compiles", mistakes[i].text);
        if (expr != NULL) continue;
        cr_expect_eq(h.err.code, mistakes[i].code, "%s: %s: %s", mistakes[i].text,
                     leat_code_name(h.err.code), h.err.text);
        cr_expect_eq(h.err.offset, mistakes[i].offset, "%s: at %u, want %u: %s", mistakes[i].text,
                     h.err.offset, mistakes[i].offset, h.err.text);
        cr_expect_not_null(strstr(h.err.text, mistakes[i].says), "%s: %s", mistakes[i].text,
                           h.err.text);
    }
    harness_release(&h);
}

/* Under a lenient scope without the checker they are errors of the evaluation. */
Test(expr_mistakes, can_be_left_to_the_evaluation)
{
    expr_harness h;
    harness_init(&h);
    h.scope.lenient = h.scope.unchecked = true;
    cr_expect_str_eq(harness_eval(&h, "zzz || true"), "true");
    cr_expect_str_eq(harness_eval(&h, "zzz"), "error: undeclared name 'zzz' (column 1)");
    cr_expect_str_eq(harness_eval(&h, "f(1) || true"), "true");
    cr_expect_str_eq(harness_eval(&h, "f(1)"), "error: unknown function 'f' (column 1)");
    cr_expect_str_eq(harness_eval(&h, "'a'.matches('(') || true"), "true");
    cr_expect_str_eq(harness_eval(&h, "1 + 'a'"),
                     "error: no such overload: '_+_' applied to (int, string) (column 3)");
    harness_release(&h);
}

/* Every line can be read by the checker and by the dispatcher, and says what it does. */
Test(expr_mistakes, registry_is_well_formed)
{
    size_t count = 0;
    const leat_expr_function *functions = leat_expr_functions(&count);
    cr_assert_gt(count, 200);
    for (size_t i = 0; i < count; i++) {
        const leat_expr_function *line = &functions[i];
        cr_expect(strlen(line->section) > 0 && strlen(line->doc) > 0 &&
                  strlen(line->signature) > 0);
        if (line->name == NULL) continue; /* a macro */
        cr_expect_not_null(strstr(line->signature, ") -> "), "%s %s", line->name, line->signature);
        cr_expect_leq(leat_expr_function_arity(line), LEAT_EXPR_ARGS_MAX);
        size_t lines = 0;
        const leat_expr_function *first =
            leat_expr_function_find(leat_str_of(line->name), true, &lines);
        cr_expect(first <= line && line < first + lines, "lines of %s stand apart", line->name);
    }
}

/* --- time zones -------------------------------------------------------------------------- */

Test(expr_mistakes, zones_have_their_history)
{
    static const struct {
        const char *zone;
        int64_t time;
        int32_t offset;
    } cases[] = {
        {"UTC", 0, 0},
        {"Europe/Berlin", 1767225600, 3600},
        {"Europe/Berlin", 1783123200, 7200},
        {"Europe/Berlin", 1774746000 - 1, 3600}, /* the change of 2026-03-29 */
        {"Europe/Berlin", 1774746000, 7200},
        {"Europe/Berlin", -2500000000, 3208}, /* by the sun */
        {"Europe/Berlin", -2300000000, 3600},
        {"Europe/Berlin", -776563200, 10800}, /* two hours more, in May 1945 */
        {"America/New_York", 1767225600, -18000},
        {"US/Eastern", 1783123200, -14400},
        {"America/St_Johns", 1767225600, -12600},
        {"Asia/Kathmandu", 1767225600, 20700},
        {"Asia/Kathmandu", 0, 19800},
        {"Australia/Sydney", 1767225600, 39600}, /* summer in January */
        {"Australia/Lord_Howe", 1783123200, 37800},
        {"Africa/Casablanca", 3517117929, 0},
        {"Europe/Dublin", 1783123200, 3600},
        {"Antarctica/Troll", 183388716, 0}, /* nobody there yet */
        {"America/Nuuk", 4102444800, -7200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t offset = -1;
        bool known = leat_expr_zone_offset(leat_str_of(cases[i].zone), cases[i].time, &offset);
        cr_expect(known && offset == cases[i].offset, "%s at %lld: %d, want %d", cases[i].zone,
                  (long long)cases[i].time, offset, cases[i].offset);
    }
    int32_t offset = 0;
    cr_expect_not(leat_expr_zone_offset(LEAT_STR("Not/AZone"), 0, &offset));
    cr_expect_not(leat_expr_zone_offset(LEAT_STR(""), 0, &offset));
}

/* --- things that an arena frees ---------------------------------------------------------- */

static char freed[8];

static void note_freed(void *thing)
{
    size_t len = strlen(freed);
    freed[len] = *(const char *)thing;
    freed[len + 1] = '\0';
}

Test(expr_mistakes, arena_frees_what_was_deferred)
{
    static char a[] = "a", b[] = "b", c[] = "c";
    leat_err err;
    leat_arena *arena = NULL;
    freed[0] = '\0';
    cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
    cr_assert(leat_arena_defer(arena, note_freed, a));
    leat_arena_mark mark = leat_arena_save(arena);
    cr_assert(leat_arena_defer(arena, note_freed, b));
    cr_assert(leat_arena_defer(arena, note_freed, c));
    leat_arena_restore(arena, mark);
    cr_expect_str_eq(freed, "cb");
    cr_assert(leat_arena_defer(arena, note_freed, b));
    leat_arena_reset(arena);
    cr_expect_str_eq(freed, "cbba");
    cr_assert(leat_arena_defer(arena, note_freed, c));
    leat_arena_free(&arena);
    cr_expect_str_eq(freed, "cbbac");
    cr_assert_eq(leat_arena_new(&arena, 16, &err), LEAT_OK);
    cr_expect_not(leat_arena_defer(arena, note_freed, a)); /* full, and nothing noted */
    leat_arena_free(&arena);
    cr_expect_str_eq(freed, "cbbac");
}
