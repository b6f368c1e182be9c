/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns: what is complained of, what they unfold into, and the schema made from their tables. */
#include <stdio.h>

#include "tests/unit/cep_harness.h"
#include "tests/unit/leak.h"

LEAT_SUITE(pattern);

#define P(steps)        "{\"name\":\"p\",\"steps\":[" steps "]}"
#define PW(more, steps) "{\"name\":\"p\"," more ",\"steps\":[" steps "]}"
#define A               "{\"name\":\"A\",\"where\":\"a\"}"
#define B(more)         "{\"name\":\"B\",\"where\":\"b\"" more "}"

static const struct {
    const char *text, *want;
} mistakes[] = {
    {P(A), ""},
    {"[]", "must be an object, not a list"},
    {"{}", "'name' is missing"},
    {"{}", "'steps' is missing"},
    {"{\"name\":\"\",\"steps\":[" A "]}", "a pattern needs a name"},
    {"{\"name\":\"p\",\"steps\":{}}", "steps: must be a list of steps, not an object"},
    {P(""), "steps: must be a list of steps, not an empty one"},
    {P("7"), "steps[0]: must be an object, not a whole number"},
    {P("{}"), "steps[0]: a step needs a name"},
    {P("{\"name\":\"A\",\"wher\":\"a\"}"), "unknown key 'wher' (did you mean 'where'?)"},
    {PW("\"wihtin\":\"1s\"", A), "unknown key 'wihtin' (did you mean 'within'?)"},
    {P("{\"name\":\"event\"}"), "'event' stands for something else"},
    {P("{\"name\":\"meta\"}"), "'meta' stands for something else"},
    {P("{\"name\":\"a:b\"}"), "a name may not hold ':'"},
    {P(A "," A), "two steps are called 'A'"},
    {P(A "," B(",\"contiguity\":\"after\"")), "must be one of: next, followed_by, followed_by_any"},
    {P(A "," B(",\"times\":0")), "times: must be between 1 and 10000"},
    {P(A "," B(",\"times\":-1")), "times: must be between 1 and 10000"},
    {P(A "," B(",\"times\":10001")), "times: must be between 1 and 10000"},
    {P(A "," B(",\"times\":{\"min\":3,\"max\":2}")), "`max` not below `min`"},
    {P(A "," B(",\"times\":{\"min\":-1}")), "`max` not below `min`"},
    {P(A "," B(",\"times\":{\"max\":\"x\"}")), "must be a whole number or null, not a string"},
    {P(A "," B(",\"times\":{\"most\":2}")), "unknown key 'most'"},
    {P(A "," B(",\"times\":\"x\"")), "must be a whole number or an object"},
    {P(A "," B(",\"repeat\":\"next\"")), "`repeat` is about a repetition"},
    {P(A "," B(",\"greedy\":true")), "`greedy` is about a repetition"},
    {P(A "," B(",\"greedy\":true,\"times\":{\"min\":1},\"repeat\":\"followed_by_any\"")),
     "choose one"},
    {P(A "," B(",\"until\":\"c\"")), "`until` ends a repetition without upper bound"},
    {P(A "," B(",\"until\":\"c\",\"times\":3")), "`until` ends a repetition without upper bound"},
    {P(A ",{\"not\":true,\"times\":2}," B("")), "a negated step takes no events"},
    {P(A ",{\"not\":true,\"optional\":true}," B("")), "nothing to leave out"},
    {P(A ",{\"not\":true,\"contiguity\":\"followed_by_any\"}," B("")),
     "a negated step is `next` or `followed_by`"},
    {P(A ",{\"not\":true,\"where\":\"x\"}"), "a pattern that ends with `not` needs `within`"},
    {P(A ",{\"not\":true,\"where\":\"x\",\"contiguity\":\"next\"}"), ""},
    {PW("\"within\":\"1s\"", A ",{\"not\":true,\"where\":\"x\"}"), ""},
    {P(A ",{\"not\":true,\"where\":\"x\",\"within\":\"1s\"}"), ""},
    {P(A ",{\"not\":true,\"within\":\"1s\"},{\"not\":true,\"within\":\"2s\"}"),
     "must have the same `within`"},
    {P(A ",{\"not\":true,\"within\":\"1s\"}," B("")), "only at the end of a pattern"},
    {P("{\"not\":true}," A), "a pattern cannot begin with a negated step"},
    {P(A ",{\"steps\":[{\"not\":true}," B("") "]}"), "a group cannot begin with a negated step"},
    {P(A ",{\"any_of\":[{\"not\":true}," B("") "]}"), "an alternative cannot be negated"},
    {P(A ",{\"steps\":[" B("") ",{\"not\":true}]}"), "warning: steps[1].steps[1]: a negated step"},
    {P(A ",{\"steps\":[" B("") "],\"where\":\"x\"}"), "a group has no condition of its own"},
    {P(A ",{\"steps\":[" B("") "],\"name\":\"x\"}"), "a group has no name"},
    {P(A ",{\"any_of\":[" B("") "],\"within\":\"1s\"}"), "`any_of` has no window of its own"},
    {P("{\"steps\":[" A "],\"any_of\":[" B("") "]}"), "exclude each other"},
    {PW("\"within\":\"ten\"", A), "within: "},
    {PW("\"within\":\"1s\"", A "," B(",\"within\":\"2s\"")), "is longer than the pattern's own"},
    {PW("\"skip\":\"skip_to_first\",\"within\":\"1s\"", A), "skip: needs `skip_to`"},
    {PW("\"skip\":\"skip_to_last\",\"skip_to\":\"AB\",\"within\":\"1s\"", A ",{\"name\":\"ABC\"}"),
     "there is no step 'AB' (did you mean 'A'?)"},
    {PW("\"skip_to\":\"A\"", A), "goes with `skip: skip_to_first`"},
    {PW("\"skip\":\"skip_to_next\"", A), ""},
    {PW("\"emit\":{\"end\":\"1\"}", A), "'end' is a field of every alert"},
    {PW("\"emit\":{\"x\":1}", A), "must be a string with an expression"},
    {PW("\"emit\":[]", A), "emit: must be an object"},
    {PW("\"timeout\":{\"emit\":{}}", A), "without `within` no partial match ever times out"},
    {PW("\"timeout\":{\"emti\":{}},\"within\":\"1s\"", A), "did you mean 'emit'?"},
    {PW("\"limits\":{\"events\":0}", A), "limits.events: must be between 1 and 100000"},
    {PW("\"tags\":[1]", A), "must be a list of strings"},
    {PW("\"version\":1.5", A), "must be a string or a whole number"},
    {P("{\"steps\":[{\"steps\":[{\"steps\":[{\"steps\":[{\"steps\":[{\"steps\":[{\"steps\":[{"
       "\"steps\":[" A "]}]}]}]}]}]}]}]}"),
     "groups are nested deeper than 7"},
    {P("{\"name\":\"A\",\"times\":10000},{\"name\":\"B\",\"times\":10000}"),
     "unfolds into more than"},
};

Test(pattern, tells_every_mistake)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        cep_bed bed;
        bool good = cep_read(&bed, mistakes[i].text);
        leat_buf_add_char(&bed.out, '\0');
        const char *want = mistakes[i].want;
        bool warned = strstr(want, "warning") != NULL;
        cr_expect_eq(good, *want == '\0' || warned, "%s: %s", mistakes[i].text, bed.out.data);
        cr_expect(*want == '\0' ? bed.out.len == 1 : strstr(bed.out.data, want) != NULL,
                  "%s\ngot:  %swant: %s\n", mistakes[i].text, bed.out.data, want);
        cep_close(&bed);
    }
}

#define S          "\"within\":\"1s\""
#define ANY        ",\"contiguity\":\"followed_by_any\""
#define NEXT       ",\"contiguity\":\"next\""
#define EACH       ",\"repeat\":\"followed_by_any\""
#define LOOP(more) "{\"name\":\"C\",\"times\":{\"min\":1}" more "}"

/* Conditions are letters: the same letter is the same condition. */
static const struct {
    const char *text, *want;
} doubts[] = {
    /* never let go */
    {P(A "," B("")), "steps[1]: without `within`, a partial match that waits for 'B' is kept"},
    {PW("\"within\":\"1s\"", A "," B("")), ""},
    {P(A "," B(",\"within\":\"1s\"")), ""},
    {P(A "," B(",\"contiguity\":\"next\"")), ""},
    {P(A ",{\"name\":\"B\"}"), ""},
    {P(A "," B(",\"contiguity\":\"next\",\"times\":{\"min\":2}")), "waits for 'B' is kept"},
    {P(A "," B(",\"contiguity\":\"next\",\"times\":{\"min\":2},\"repeat\":\"next\"")), ""},
    {P("{\"name\":\"A\",\"times\":{},\"repeat\":\"next\"}"), "waits for 'A' is kept for ever"},
    {P(A ",{\"not\":true,\"contiguity\":\"next\",\"where\":\"x\"}"), ""},
    {P(A ",{\"not\":true}," B("")), ""},
    /* no effect */
    {PW("\"within\":\"1s\"", A ",{\"not\":true,\"where\":\"x\"}," B(",\"optional\":true")),
     "steps[1]: has no effect on the match without the steps behind it"},
    {PW("\"within\":\"1s\"", A
        ",{\"steps\":[{\"name\":\"C\"},{\"not\":true,\"where\":\"x\"}]}," B(",\"optional\":true")),
     "steps[1].steps[1]: has no effect on the match without the steps behind it"},
    {PW("\"within\":\"1s\"",
        A ",{\"not\":true,\"where\":\"x\"}," B(",\"optional\":true") ",{\"name\":\"C\"}"),
     ""},
    /* held back */
    {PW("\"skip\":\"skip_to_next\"", A "," B("")), "skip: without `within`, a partial match that "
                                                   "waits for 'B' is kept for ever, and can hold"},
    {PW("\"skip\":\"skip_to_next\",\"within\":\"1s\"", A "," B("")), ""},
    {PW("\"skip\":\"skip_to_next\"", A "," B(",\"contiguity\":\"next\"")), ""},
    /* explode */
    {PW("\"within\":\"1s\"", A "," B(",\"times\":{},\"repeat\":\"followed_by_any\"")),
     "steps[1].repeat: each combination is a match of its own"},
    {PW("\"within\":\"1s\"",
        A ",{\"steps\":[" B("") "],\"times\":{},\"repeat\":\"followed_by_any\"}"),
     "steps[1].repeat: each combination is a match of its own"},
    {PW("\"within\":\"1s\"", A "," B(",\"times\":{\"max\":3},\"repeat\":\"followed_by_any\"")), ""},
    /* more choices than are good */
    {PW(S, A "," B(ANY) ",{\"name\":\"C\"" ANY "}"), ""},
    {PW(S, A "," B(ANY) ",{\"name\":\"C\"" ANY "},{\"name\":\"D\"" ANY "}"),
     "steps[3].contiguity: each combination with 'D' is a match of its own: n events that fit the "
     "steps make on the order of n^4 of them (a `skip` strategy"},
    {PW(S, A "," B(ANY) ",{\"name\":\"C\"},{\"name\":\"D\"" ANY "}"), ""},
    {PW(S, A "," B(ANY) ",{\"name\":\"C\"" ANY ",\"optional\":true},{\"name\":\"D\"" ANY "}"),
     "n^4"},
    {PW(S ",\"skip\":\"skip_to_next\"",
        A "," B(ANY) ",{\"name\":\"C\"" ANY "},{\"name\":\"D\"" ANY "}"),
     ""},
    {PW(S ",\"limits\":{\"matches\":100}",
        A "," B(ANY) ",{\"name\":\"C\"" ANY "},{\"name\":\"D\"" ANY "}"),
     ""},
    {PW(S ",\"limits\":{\"events\":100}",
        A "," B(ANY) ",{\"name\":\"C\"" ANY "},{\"name\":\"D\"" ANY "}"),
     "n^4"},
    {PW(S, A "," B(",\"times\":{\"max\":4}" EACH)), "steps[1].times: each combination with 'B'"},
    {PW(S, A "," B(",\"times\":4" EACH)), "n^4"},
    {PW(S, A "," B(",\"times\":3" EACH)), ""},
    {PW(S, A "," B(",\"times\":3" EACH ANY)), "n^4"},
    {PW(S, "{\"name\":\"A\",\"times\":4" EACH "}," B("")), "steps[0].times: each combination"},
    {PW(S, "{\"name\":\"A\",\"times\":100},{\"name\":\"B\",\"times\":{\"max\":100}}"), ""},
    {PW(S, A ",{\"steps\":[" B("") ",{\"name\":\"C\"" ANY "}],\"times\":3}"),
     "steps[1].times: each combination with this group is a match of its own: n events that fit "
     "the steps make on the order of n^4"},
    {PW(S, A ",{\"steps\":[" B("") ",{\"name\":\"C\"" ANY "}],\"times\":2}"), ""},
    {PW(S, A ",{\"steps\":[" B("") ",{\"name\":\"C\"" ANY "}]" ANY "},{\"name\":\"D\"" ANY "}"),
     "n^4"},
    {PW(S, A ",{\"any_of\":[" B("") ",{\"name\":\"C\"}]" ANY "},{\"name\":\"D\"" ANY "}"), ""},
    {PW(S, A ",{\"any_of\":[" B("") ",{\"name\":\"C\",\"times\":3" EACH "}]" ANY "}"), "n^4"},
    {PW(S, "{\"name\":\"A\",\"times\":{\"min\":1}}," B(",\"times\":{\"min\":1}")), ""},
    {PW(S, "{\"name\":\"A\",\"times\":{\"min\":1}}," B(",\"times\":{\"min\":1}") "," LOOP("")),
     "steps[2].times: each combination with 'C' is a match of its own"},
    {PW(S, "{\"name\":\"A\",\"times\":{\"min\":1}}," B(
               ",\"times\":{\"min\":1},\"greedy\":true") "," LOOP("")),
     ""},
    {PW(S, "{\"name\":\"A\",\"times\":{\"min\":1}}," B(",\"times\":{\"min\":1}") "," LOOP(NEXT)),
     ""},
    {PW(S, A ",{\"steps\":[" B("") "," LOOP("") "],\"times\":{\"min\":1}}"),
     "steps[1].times: each round of this group can go several ways, and each combination is a "
     "match of its own: n events make more of them than any power of n (a `skip`"},
    {PW(S ",\"skip\":\"skip_past_last_event\"",
        A ",{\"steps\":[" B("") "," LOOP("") "],\"times\":{\"min\":1}}"),
     ""},
    {PW(S, A ",{\"steps\":[" B("") ",{\"name\":\"C\"}],\"times\":{\"min\":1}}"), ""},
    /* never match */
    {PW("\"within\":\"1s\"",
        A ",{\"not\":true,\"contiguity\":\"next\",\"where\":\"b\"}," B(",\"contiguity\":\"next\"")),
     "steps[2]: 'B' can never take an event, as the `not` before it holds for every event that "
     "fits "
     "it: the pattern never matches"},
    {PW("\"within\":\"1s\"", A ",{\"not\":true,\"contiguity\":\"next\",\"where\":\"b\"}," B("")),
     ""},
    {PW("\"within\":\"1s\"", A ",{\"not\":true,\"contiguity\":\"next\"}," B("")),
     "as the `not` before it holds for every event: the pattern never matches"},
    {PW("\"within\":\"1s\"", A ",{\"not\":true,\"contiguity\":\"next\"}"),
     "warning: the pattern never matches: what its end waits for cannot happen"},
    {PW("\"within\":\"1s\"", A "," B(",\"times\":{\"min\":1},\"until\":\"b\"")),
     "steps[1]: 'B' can never take an event, as `until` holds for every event that fits it: the "
     "pattern never matches"},
    {PW("\"within\":\"1s\"", A "," B(",\"times\":{\"min\":0},\"until\":\"b\"")),
     "as `until` holds for every event that fits it\n"},
    {PW("\"within\":\"1s\"",
        A ",{\"name\":\"B\",\"times\":{},\"greedy\":true},{\"name\":\"C\",\"where\":\"c\"}"),
     "steps[2]: 'C' can never take an event, as a greedy step before it takes every event that "
     "fits "
     "it: the pattern never matches"},
    {PW("\"within\":\"1s\"", A "," B(",\"times\":{},\"greedy\":true") ",{\"name\":\"C\","
                                                                      "\"where\":\"b\"}"),
     "steps[2]: 'C' can never take an event"},
    {PW("\"within\":\"1s\"", A "," B(",\"times\":{\"max\":3},\"greedy\":true") ",{\"name\":\"C\","
                                                                               "\"where\":\"b\"}"),
     ""},
    {PW("\"within\":\"1s\"",
        A "," B(",\"times\":{},\"greedy\":true,\"repeat\":\"next\"") ",{\"name\":\"C\","
                                                                     "\"where\":\"b\"}"),
     ""},
    {PW("\"within\":\"1s\"",
        A "," B(",\"times\":{},\"greedy\":true,\"until\":\"c\"") ",{\"name\":\"C\","
                                                                 "\"where\":\"b\"}"),
     ""},
    {PW("\"within\":\"1s\"", A "," B(",\"times\":2") ",{\"not\":true,\"where\":\"b\"}"),
     "steps[1]: the pattern never matches: 'B' can take no further event, as the `not` behind it"},
    /* beyond limits */
    {PW("\"limits\":{\"events\":4}",
        "{\"name\":\"A\"},{\"any_of\":[{\"name\":\"B\",\"times\":3},{\"steps\":[{\"name\":\"C\"},"
        "{\"name\":\"D\",\"optional\":true},{\"name\":\"E\"}]}],\"times\":2}"),
     "the pattern never matches: a match takes 5 events at least, and `limits.events` is 4"},
    {PW("\"limits\":{\"events\":5}",
        "{\"name\":\"A\"},{\"any_of\":[{\"name\":\"B\",\"times\":3},{\"steps\":[{\"name\":\"C\"},"
        "{\"name\":\"D\",\"optional\":true},{\"name\":\"E\"}]}],\"times\":2}"),
     ""},
    {P("{\"name\":\"A\",\"times\":1001,\"repeat\":\"next\"}"),
     "a match takes 1001 events at least, and `limits.events` is 1000"},
    {PW("\"limits\":{\"partial_matches\":10000}",
        "{\"name\":\"A\",\"times\":142,\"repeat\":\"next\"}"),
     "steps[0].times: of 142 events in a row that fit, the partial matches that begin with each of "
     "them hold more takes than `limits.partial_matches` (10000)"},
    {PW("\"limits\":{\"partial_matches\":10000}",
        "{\"name\":\"A\",\"times\":141,\"repeat\":\"next\"}"),
     ""},
    {PW("\"limits\":{\"partial_matches\":10000}",
        "{\"name\":\"A\"},{\"name\":\"B\",\"times\":142,\"repeat\":\"next\"}"),
     ""},
    {P("{\"name\":\"A\",\"times\":1000,\"repeat\":\"next\"}"), ""},
    {PW("\"limits\":{\"events\":2000}", "{\"name\":\"A\",\"times\":1500,\"repeat\":\"next\"}"),
     "hold more takes than `limits.partial_matches` (1000000)"},
    {PW("\"limits\":{\"partial_matches\":9}",
        "{\"steps\":[{\"name\":\"A\",\"times\":5,\"repeat\":\"next\"}]}"),
     "steps[0].steps[0].times: of 5 events in a row"},
    {PW("\"within\":\"1s\",\"limits\":{\"partial_matches\":9}",
        "{\"name\":\"A\",\"times\":5,\"optional\":true}," B("")),
     ""},
    {PW("\"limits\":{\"partial_matches\":9}",
        "{\"any_of\":[{\"name\":\"A\",\"times\":5,\"repeat\":\"next\"}," B("") "]}"),
     ""},
    /* empty lists */
    {P("{\"name\":\"A\",\"where\":\"=A\"}"), "steps[0].where: 'A' is empty whenever this is asked"},
    {P("{\"name\":\"A\",\"where\":\"=A\",\"times\":2,\"repeat\":\"next\"}"), ""},
    {P("{\"any_of\":[" A ",{\"name\":\"B\",\"where\":\"=A\"}]}"),
     "steps[0].any_of[1].where: 'A' is empty whenever this is asked"},
    {PW("\"within\":\"1s\"",
        "{\"steps\":[{\"name\":\"A\",\"where\":\"=B\"}," B("") "],\"times\":2}"),
     ""},
    {PW("\"within\":\"1s\"", A ",{\"not\":true,\"where\":\"=C\"}," B("") ",{\"name\":\"C\"}"),
     "steps[1].where: 'C' is empty whenever this is asked"},
    {PW("\"within\":\"1s\"", A "," B(",\"times\":{},\"until\":\"=A\"")), ""},
    /* settings without effect */
    {PW("\"skip_on_miss\":\"error\"", A),
     "skip_on_miss: has no effect: it goes with `skip: skip_to_first`"},
    {PW("\"within\":\"1s\"", A ",{\"steps\":[" B(",\"contiguity\":\"next\"") "]}"),
     "steps[1].steps[0].contiguity: has no effect: what stands first in a group follows as the "
     "group does"},
    {PW("\"within\":\"1s\"", A ",{\"any_of\":[" B("") ",{\"steps\":[{\"name\":\"C\",\"contiguity\":"
                                                      "\"next\"}]}]}"),
     "steps[1].any_of[1].steps[0].contiguity: has no effect: all alternatives follow as `any_of`"},
    {PW("\"within\":\"1s\"",
        A ",{\"steps\":[" B(",\"contiguity\":\"next\"") "],\"contiguity\":\"next\"}"),
     ""},
    {PW("\"within\":\"1s\"", "{\"name\":\"A\",\"within\":\"1ms\"}"),
     "steps[0].within: has no effect: no event is taken before that of the first step"},
    {PW("\"within\":\"1s\"", "{\"name\":\"A\",\"within\":\"1ms\",\"times\":2}"), ""},
    {PW(S, "{\"name\":\"A\",\"times\":3,\"greedy\":true}"),
     "steps[0].greedy: has no effect: a fixed number of times leaves nothing to take (`times` with "
     "`min` and `max`)"},
    {PW(S, "{\"name\":\"A\",\"times\":{\"min\":2,\"max\":2},\"greedy\":true}," B("")),
     "steps[0].greedy: has no effect"},
    {PW(S, "{\"name\":\"A\",\"times\":3,\"greedy\":false}"), ""},
    {PW(S, "{\"name\":\"A\",\"times\":{\"max\":1},\"greedy\":true}," B("")), ""},
    {PW(S, "{\"name\":\"A\",\"times\":{\"min\":2,\"max\":3},\"greedy\":true}," B("")), ""},
};

Test(pattern, tells_every_doubt)
{
    for (size_t i = 0; i < sizeof doubts / sizeof doubts[0]; i++) {
        cep_bed bed;
        const char *want = doubts[i].want;
        cr_expect(cep_read(&bed, doubts[i].text), "%s", doubts[i].text);
        cr_expect_eq(bed.findings.count, *want != '\0', "%s: %.*s", doubts[i].text,
                     LEAT_STR_ARG(leat_buf_str(&bed.out)));
        leat_buf_add_char(&bed.out, '\0');
        cr_expect(strstr(bed.out.data, want) != NULL, "%s\ngot:  %swant: %s\n", doubts[i].text,
                  bed.out.data, want);
        cep_close(&bed);
    }
}

Test(pattern, tells_all_mistakes_at_once)
{
    cep_bed bed;
    cr_expect_not(cep_read(&bed, "{\"nam\":\"p\",\"within\":5,\n"
                                 "\"steps\":[{\"name\":\"A\",\"times\":0},\n"
                                 "{\"name\":\"A\",\"until\":\"x\"}]}"));
    cr_expect_eq(bed.findings.errors, 6);
    cep_close(&bed);
}

Test(pattern, takes_at_most_63_steps)
{
    for (int count = 63; count <= 64; count++) {
        leat_buf text;
        cep_bed bed;
        leat_buf_init(&text, 1 << 20);
        leat_buf_add_text(&text, "{\"name\":\"p\",\"steps\":[");
        for (int i = 0; i < count; i++)
            leat_buf_add_format(&text, "%s{\"name\":\"s%d\"}", i > 0 ? "," : "", i);
        leat_buf_add_text(&text, "]}");
        leat_buf_add_char(&text, '\0');
        cr_expect_eq(cep_read(&bed, text.data), count == 63);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect_eq(strstr(bed.out.data, "has more than 63 steps and groups") != NULL,
                     count == 64);
        cep_close(&bed);
        leat_buf_release(&text);
    }
}

static const struct {
    const char *text, *want;
} automata[] = {
    {P(A "," B("")), "3 states, no_skip\n"
                     "0 start\n  followed_by A -> 1, where 0\n"
                     "1 A(1)\n  followed_by B -> 2, where 1\n"
                     "2 B(1) accepts\n"},
    {PW("\"within\":\"10ms\",\"skip\":\"skip_to_last\",\"skip_to\":\"A\"",
        "{\"name\":\"A\",\"where\":\"a\",\"times\":{\"min\":2},\"greedy\":true,\"until\":\"u\"},"
        "{\"not\":true,\"contiguity\":\"next\",\"where\":\"n\"}," B(",\"contiguity\":\"next\"")),
     "4 states, skip_to_last A, within 10 ms\n"
     "0 start\n  followed_by A -> 1, where 0, until {1}\n"
     "1 A(1)\n  followed_by A -> 2, where 0, until {1}, ends {1}\n"
     "2 A(2)\n  followed_by A -> 2, where 0, until {1}, ends {1}, not next {2}\n"
     "  next B -> 3, where 3, not next {2}, after #0\n"
     "3 B(1) accepts\n"},
    {P(A
       ",{\"steps\":[" B(",\"contiguity\":\"next\"") "],\"optional\":true,"
                                                     "\"contiguity\":\"followed_by_any\"},{\"not\":"
                                                     "true,\"where\":\"x\"},{\"name\":\"C\"}"),
     "4 states, no_skip\n"
     "0 start\n  followed_by A -> 1, where 0\n"
     "1 A(1)\n  followed_by_any B -> 2, where 1\n"
     "  followed_by C -> 3, not between {2}\n"
     "2 B(1.1)\n  followed_by C -> 3, not between {2}\n"
     "3 C(1) accepts\n"},
    {PW("\"within\":\"9ms\"",
        A ",{\"any_of\":[" B("") ",{\"name\":\"C\",\"where\":\"c\"}],\"times\":2},"
                                 "{\"not\":true,\"where\":\"x\"}"),
     "6 states, no_skip, within 9 ms\n"
     "0 start\n  followed_by A -> 1, where 0\n"
     "1 A(1)\n  followed_by B -> 2, where 1, first of {1 2}\n"
     "  followed_by C -> 3, where 2, first of {1 2}\n"
     "2 B(1.1)\n  followed_by B -> 4, where 1, first of {1 2}\n"
     "  followed_by C -> 5, where 2, first of {1 2}\n"
     "3 C(1.1)\n  followed_by B -> 4, where 1, first of {1 2}\n"
     "  followed_by C -> 5, where 2, first of {1 2}\n"
     "4 B(2.1)\n  wait -> accept, not between {3}\n"
     "5 C(2.1)\n  wait -> accept, not between {3}\n"},
};

Test(pattern, unfolds)
{
    for (size_t i = 0; i < sizeof automata / sizeof automata[0]; i++) {
        cep_bed bed;
        cr_assert(cep_read(&bed, automata[i].text), "%.*s", LEAT_STR_ARG(leat_buf_str(&bed.out)));
        leat_buf_reset(&bed.out);
        leat_nfa_print(bed.nfa, &bed.out);
        cep_expect(&bed, automata[i].want);
        cep_close(&bed);
    }
}

Test(pattern, empty_rounds_come_to_an_end)
{
    cep_bed bed;
    cr_assert(cep_read(
        &bed,
        P(A ",{\"steps\":[" B(
            ",\"optional\":true") "],\"times\":{\"min\":2}},{\"name\":\"C\",\"where\":\"c\"}")));
    cep_close(&bed);
}

/* Only what decides about stored state may change the fingerprint. */
Test(pattern, fingerprints)
{
    static const char *const texts[] = {
        P(A "," B("")),
        P(A ",{\"name\":\"B\",\"where\":\"bc\"}"),
        PW("\"within\":\"1s\"", A "," B("")),
        PW("\"within\":\"1s\",\"timeout\":{}", A "," B("")),
        PW("\"key\":\"k\"", A "," B("")),
        "{\"name\":\"q\",\"steps\":[" A "," B("") "]}",
        PW("\"severity\":\"high\",\"limits\":{\"events\":7}", A "," B("")), /* as the first */
    };
    uint64_t prints[sizeof texts / sizeof texts[0]];
    size_t last = sizeof texts / sizeof texts[0] - 1;
    for (size_t i = 0; i <= last; i++) {
        cep_bed bed;
        cr_assert(cep_read(&bed, texts[i]));
        prints[i] = bed.nfa->fingerprint;
        cep_close(&bed);
        for (size_t j = 0; j < i; j++)
            cr_expect_eq(prints[i] == prints[j], i == last && j == 0, "%zu and %zu", i, j);
    }
}

/* schemas/pattern.schema.json is what the tables say. LEAT_BLESS=1 rewrites it. */
Test(pattern, published_schema_is_up_to_date)
{
    static const char path[] = "schemas/pattern.schema.json";
    leat_buf compact, pretty, there;
    leat_arena *arena = NULL;
    leat_node *root = NULL;
    leat_err err;
    uint32_t line, column;
    leat_buf_init(&compact, 1 << 20);
    leat_buf_init(&pretty, 1 << 20);
    leat_buf_init(&there, 1 << 20);
    cr_assert_eq(leat_arena_new(&arena, 1 << 24, &err), LEAT_OK);
    leat_pattern_schema(&compact);
    cr_assert_eq(leat_doc_parse(leat_buf_str(&compact), LEAT_STR("schema"), arena, &root, &err,
                                &line, &column),
                 LEAT_OK, "%s", err.text);
    leat_node_print(root, true, &pretty);
    if (pretty.len > 0 && pretty.data[pretty.len - 1] != '\n') leat_buf_add_char(&pretty, '\n');
    FILE *file = NULL;
    if (getenv("LEAT_BLESS") != NULL) {
        file = fopen(path, "wb");
        cr_assert_not_null(file);
        cr_assert_eq(fwrite(pretty.data, 1, pretty.len, file), pretty.len);
        (void)fclose(file);
    }
    file = fopen(path, "rb");
    cr_assert_not_null(file, "%s cannot be read: tests run in the root of the tree", path);
    char *to = leat_buf_reserve(&there, 1 << 19);
    there.len = fread(to, 1, 1 << 19, file);
    (void)fclose(file);
    cr_expect(leat_str_equal(leat_buf_str(&there), leat_buf_str(&pretty)),
              "%s is out of date: LEAT_BLESS=1 with this test rewrites it", path);
    leat_buf_release(&compact);
    leat_buf_release(&pretty);
    leat_buf_release(&there);
    leat_arena_free(&arena);
}

Test(pattern, has_a_manual)
{
    leat_buf out;
    leat_buf_init(&out, 1 << 20);
    leat_pattern_manual(&out);
    leat_buf_add_char(&out, '\0');
    cr_expect_not_null(strstr(out.data, "`skip_on_miss`"));
    cr_expect_not_null(strstr(out.data, "`contiguity`"));
    leat_buf_release(&out);
}
