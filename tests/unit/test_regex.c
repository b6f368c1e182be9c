/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: matches, groups, what is refused, and that time stays linear. */
#include <criterion/criterion.h>

#include "core/regex.h"
#include "tests/unit/leak.h"

LEAT_SUITE(regex);

static leat_regex *regex_of(const char *pattern)
{
    leat_err err;
    leat_regex *regex = NULL;
    cr_assert_eq(leat_regex_new(&regex, leat_str_of(pattern), &err), LEAT_OK, "%s", pattern);
    return regex;
}

Test(regex, matches_anywhere)
{
    static const struct {
        const char *pattern, *text;
        bool want;
    } cases[] = {
        {"b", "abc", true},       {"^b", "abc", false},       {"^abc$", "abc", true},
        {"", "", true},           {"", "abc", true},          {"x", "", false},
        {"a.c", "abc", true},     {"\\d+", "ab12", true},     {"ü", "grün", true},
        {"^.{4}$", "grün", true}, {"(?i)ABC", "xabcx", true}, {"a{3}", "aa", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_regex *regex = regex_of(cases[i].pattern);
        cr_assert_eq(leat_regex_matches(regex, leat_str_of(cases[i].text)), cases[i].want,
                     "%s on %s", cases[i].pattern, cases[i].text);
        leat_regex_free(&regex);
        cr_assert_null(regex);
    }
    leat_regex *none = NULL;
    leat_regex_free(&none);
}

Test(regex, groups)
{
    leat_regex *regex = regex_of("(?P<user>\\w+)@(\\w+)(\\.com)?");
    cr_assert_eq(leat_regex_groups(regex), 3);
    cr_assert(leat_str_is(leat_regex_group_name(regex, 1), "user"));
    cr_assert_null(leat_regex_group_name(regex, 2).data);
    cr_assert_null(leat_regex_group_name(regex, 9).data);
    leat_str text = LEAT_STR("to bob@example now"), groups[6];
    cr_assert(leat_regex_find(regex, text, groups, 6));
    cr_assert(leat_str_is(groups[0], "bob@example"));
    cr_assert(leat_str_is(groups[1], "bob"));
    cr_assert(leat_str_is(groups[2], "example"));
    cr_assert_null(groups[3].data); /* took no part */
    cr_assert_null(groups[4].data); /* does not exist */
    cr_assert_eq(groups[0].data, text.data + 3);
    cr_assert_not(leat_regex_find(regex, LEAT_STR("nobody"), groups, 6));
    leat_regex_free(&regex);
}

Test(regex, finds_on_from_a_place)
{
    leat_regex *word = regex_of("\\b\\w"), *start = regex_of("^a"), *empty = regex_of("x*");
    leat_str text = LEAT_STR("ab cd"), found;
    cr_assert(leat_regex_find_from(word, text, 1, &found, 1));
    cr_assert_eq(found.data - text.data, 3); /* b is no start of a word */
    cr_assert_not(leat_regex_find_from(start, LEAT_STR("aa"), 1, &found, 1));
    cr_assert(leat_regex_find_from(empty, text, 5, &found, 1));
    cr_assert_eq(found.data - text.data, 5);
    cr_assert_eq(found.len, 0);
    cr_assert(leat_regex_find(empty, LEAT_STR_NONE, &found, 1));
    cr_assert_not_null(found.data);
    leat_regex_free(&word);
    leat_regex_free(&start);
    leat_regex_free(&empty);
}

Test(regex, refuses)
{
    static const char *const patterns[] = {
        "(", "a{2000}", "(?=a)", "\\1", "[z-a]", "*", "\xff", "((((a{100}){100}){100}){100})"};
    leat_err err;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        leat_regex *regex = NULL;
        cr_assert_eq(leat_regex_new(&regex, leat_str_of(patterns[i]), &err), LEAT_ERR_CONFIG, "%s",
                     patterns[i]);
        cr_assert_null(regex);
        cr_assert_gt(strlen(err.text), 10);
    }
    char many[1000] = "";
    for (size_t i = 0; i < 100; i++)
        memcpy(many + 3 * i, "(a)", 4);
    leat_regex *regex = NULL;
    cr_assert_eq(leat_regex_new(&regex, leat_str_of(many), &err), LEAT_ERR_CONFIG);
}

Test(regex, is_linear)
{
    leat_regex *regex = regex_of("(a*)*(a*)*(a*)*b");
    static char text[100000];
    memset(text, 'a', sizeof text);
    cr_assert_not(leat_regex_matches(regex, (leat_str){text, sizeof text}));
    leat_regex_free(&regex);
}
