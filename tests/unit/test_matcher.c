/* SPDX-License-Identifier: Apache-2.0 */
/* The matcher: what comes out, and that writing it to bytes and back changes nothing. Its semantics
 * at large are in the conformance cases; here are the rules one by one, and limits. */
#include "tests/unit/cep_harness.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(matcher);

#define P(more, steps)       "{\"name\":\"p\"" more ",\"steps\":[" steps "]}"
#define S(name, where, more) "{\"name\":\"" name "\",\"where\":\"" where "\"" more "}"
#define NOT(where, more)     "{\"not\":true,\"where\":\"" where "\"" more "}"
#define NEXT                 ",\"contiguity\":\"next\""
#define ANY                  ",\"contiguity\":\"followed_by_any\""
#define PLUS                 ",\"times\":{\"min\":1}"
#define GREEDY               ",\"greedy\":true"
#define WITHIN               ",\"within\":\"10ms\""

static const struct {
    const char *name, *pattern, *events, *want;
} plays[] = {
    {"next", P("", S("A", "a", "") "," S("B", "b", NEXT)), "a1 b2 a3 x4 b5", "2: A1 B2\n"},
    {"followed_by", P("", S("A", "a", "") "," S("B", "b", "")), "a1 x2 b3 b4", "3: A1 B3\n"},
    {"followed_by_any", P("", S("A", "a", "") "," S("B", "b", ANY)), "a1 b2 b3",
     "2: A1 B2\n3: A1 B3\n"},
    {"every event may begin", P("", S("A", "a", "") "," S("B", "b", "")), "a1 a2 b3",
     "3: A1 B3\n3: A2 B3\n"},
    {"loop", P("", S("A", "a", PLUS) "," S("B", "b", "")), "a1 a2 b3",
     "3: A1 A2 B3\n3: A1 B3\n3: A2 B3\n"},
    {"all combinations",
     P("", S("A", "a", PLUS ",\"repeat\":\"followed_by_any\"") "," S("B", "b", "")), "a1 a2 a3 b4",
     "4: A1 A2 A3 B4\n4: A1 A2 B4\n4: A1 A3 B4\n4: A1 B4\n4: A2 A3 B4\n4: A2 B4\n4: A3 B4\n"},
    {"greedy", P("", S("X", "x", "") "," S("A", "ac", PLUS GREEDY) "," S("C", "c", "")),
     "x1 a2 c3 z4 c5", ""},
    {"greedy lets go when it is full",
     P("", S("X", "x", "") "," S("A", "a",
                                 ",\"times\":{\"min\":1,\"max\":2}" GREEDY) "," S("B", "b", "")),
     "x1 a2 a3 a4 b5", "5: X1 A2 A3 B5\n"},
    {"greedy left out", P("", S("A", "a", ",\"times\":{\"min\":0}" GREEDY) "," S("B", "ab", "")),
     "a1 b2", "2: A1 B2\n2: B2\n"},
    {"until", P("", S("X", "x", "") "," S("A", "a", PLUS ",\"until\":\"u\"") "," S("B", "b", "")),
     "x1 a2 u3 a4 b5", "5: X1 A2 B5\n"},
    {"optional tail", P("", S("A", "a", "") "," S("B", "b", ",\"optional\":true")), "a1 x2 b3",
     "1: A1\n3: A1 B3\n"},
    {"group", P("", "{\"steps\":[" S("A", "a", "") "," S("B", "b", NEXT) "],\"times\":2}"),
     "a1 b2 x3 a4 b5", "5: A1 B2 A4 B5\n"},
    {"a match comes out once, however it can be read",
     P("", "{\"steps\":[{\"steps\":[" S("A", "a", PLUS) "]" PLUS "}]" PLUS "}," S("B", "b", "")),
     "a1 a2 b3", "3: A1 A2 B3\n3: A1 B3\n3: A2 B3\n"},
    {"not next", P("", S("A", "a", "") "," NOT("n", NEXT) "," S("B", "b", "")),
     "a1 n2 b3 a4 x5 n6 b7", "7: A4 B7\n"},
    {"not followed_by", P("", S("A", "a", "") "," NOT("n", "") "," S("B", "bn", "")),
     "a1 n2 b3 a4 x5 n6", "2: A1 B2\n6: A4 B6\n"},
    {"not at the end", P(WITHIN, S("A", "a", "") "," NOT("n", "")), "a1 n5 a20 x25 .",
     "end: A20\n"},
    {"not at the end, by the clock", P(WITHIN, S("A", "a", "") "," NOT("n", "")), "a1 x11",
     "11: A1\n"},
    {"not next at the end", P("", S("A", "a", "") "," NOT("n", NEXT)), "a1 n2 a3 x4", "4: A3\n"},
    {"alternatives",
     P("",
       S("X", "x", "") ",{\"any_of\":[" S("A", "a", "") "," S("B", "ab", "") "]}," S("C", "c", "")),
     "x1 a2 a3 c4", "4: X1 A2 C4\n4: X1 B2 C4\n"},
    {"alternatives of groups",
     P("", "{\"any_of\":[{\"steps\":[" S("A", "a", "") "," S("B", "b", NEXT) "]}," S(
               "C", "c", "") "],\"times\":2}"),
     "a1 b2 c3 c4", "3: A1 B2 C3\n4: C3 C4\n"},
    {"earlier events", P("", S("A", "abc", "") "," S("B", "=A", "")), "a1 b2 a3 b4",
     "3: A1 B3\n4: A2 B4\n"},
    {"window", P(WITHIN, S("A", "a", "") "," S("B", "b", ANY)), "a1 b10 b11",
     "10: A1 B10\n11: "
     "timeout 11: A1\n"},
    {"window of a step", P("", S("A", "a", "") "," S("B", "b", WITHIN)), "a1 b11 a20 b29",
     "11: timeout 11: A1\n29: A20 B29\n"},
    {"window of the last of two", P(WITHIN, S("A", "a", "") "," S("B", "b", ",\"within\":\"3ms\"")),
     "a1 .", "end: timeout 4: A1\n"},
    {"equal times", P(WITHIN, S("A", "a", "") "," S("B", "b", "")), "a1 b1", "1: A1 B1\n"},
    {"skip to next", P(WITHIN ",\"skip\":\"skip_to_next\"", S("A", "a", PLUS) "," S("B", "b", "")),
     "a1 a2 b3", "3: A1 A2 B3\n3: A2 B3\n"},
    {"skip past last",
     P(WITHIN ",\"skip\":\"skip_past_last_event\"", S("A", "a", PLUS) "," S("B", "b", "")),
     "a1 a2 b3 a4 b5", "3: A1 A2 B3\n5: A4 B5\n"},
    {"skip to first",
     P(WITHIN ",\"skip\":\"skip_to_first\",\"skip_to\":\"B\"",
       S("A", "a", "") "," S("B", "ab", "") "," S("C", "c", "")),
     "a1 a2 b3 c4", "4: A1 B2 C4\n4: A2 B3 C4\n"},
    {"skip to last",
     P(WITHIN ",\"skip\":\"skip_to_last\",\"skip_to\":\"A\"",
       S("A", "a", ",\"times\":2") "," S("C", "c", "")),
     "a1 a2 a3 c4", "4: A1 A2 C4\n4: A2 A3 C4\n"},
    {"what is skipped to is missing",
     P(WITHIN ",\"skip\":\"skip_to_last\",\"skip_to\":\"B\",\"skip_on_miss\":\"error\"",
       S("A", "a", "") "," S("B", "b", ",\"optional\":true") "," S("C", "c", "")),
     "a1 c2", "2: missed A1 C2\n"},
    {"held back by an earlier start",
     P(WITHIN ",\"skip\":\"skip_past_last_event\"",
       S("A", "a", "") "," S("B", "=A", "") "," S("C", "c", "")),
     "a1 x2 .", "end: timeout 11: A1\n"},
};

Test(matcher, plays)
{
    for (int recode = 0; recode < 2; recode++) {
        for (size_t i = 0; i < sizeof plays / sizeof plays[0]; i++) {
            cep_bed bed;
            cep_open(&bed, plays[i].pattern);
            bed.recode = recode != 0;
            cep_play(&bed, plays[i].events);
            leat_buf_add_char(&bed.out, '\0');
            cr_expect_str_eq(bed.out.data, plays[i].want, "%s (%d):\ngot:\n%swant:\n%s",
                             plays[i].name, recode, bed.out.data, plays[i].want);
            cep_close(&bed);
        }
    }
}

/* With a skip strategy a complete match waits for an earlier start to end, also across a restart.
 */
Test(matcher, holds_back)
{
    cep_bed bed;
    cep_open(&bed, P(WITHIN ",\"skip\":\"skip_to_next\"", S("A", "ab", "") "," S("B", "=A", "")));
    bed.recode = true;
    cep_play(&bed, "a1 b2 b3");
    cep_expect(&bed, "");
    cr_expect_eq(leat_matcher_deadline(bed.matcher), 11);
    cep_advance(&bed, 10);
    cep_expect(&bed, "");
    cep_advance(&bed, 11);
    cep_expect(&bed, "11: A2 B3\n11: timeout 11: A1\n");
    cep_close(&bed);
}

Test(matcher, is_empty_when_nothing_is_held)
{
    cep_bed bed;
    cep_open(&bed, P(WITHIN, S("A", "a", "") "," S("B", "b", "")));
    cr_expect(leat_matcher_empty(bed.matcher));
    cr_expect_eq(leat_matcher_deadline(bed.matcher), LEAT_TIME_MAX);
    cep_play(&bed, "a1 a5");
    cr_expect_not(leat_matcher_empty(bed.matcher));
    cr_expect_eq(leat_matcher_takes(bed.matcher), 2);
    cr_expect_eq(leat_matcher_deadline(bed.matcher), 11);
    cep_play(&bed, "b6");
    cr_expect(leat_matcher_empty(bed.matcher));
    cep_close(&bed);
}

Test(matcher, tells_whether_an_event_could_begin)
{
    cep_bed bed;
    leat_err err;
    bool starts;
    cep_open(&bed,
             P("", S("A", "a", ",\"optional\":true") "," S("B", "b", "") "," S("C", "c", "")));
    for (const char *letter = "abc"; *letter != '\0'; letter++) {
        bed.letter = *letter;
        cr_assert_eq(leat_matcher_starts(bed.nfa, cep_host(&bed), &starts, &err), LEAT_OK);
        cr_expect_eq(starts, *letter != 'c');
    }
    cep_close(&bed);
}

#define LIMITS(runs, takes, beyond)                                                                \
    ",\"limits\":{\"partial_matches\":" runs ",\"events\":" takes ",\"beyond\":\"" beyond "\"}"

Test(matcher, keeps_its_limits)
{
    static const struct {
        const char *pattern, *events, *want;
    } cases[] = {
        {P(LIMITS("2", "9", "drop_oldest"), S("A", "a", "") "," S("B", "b", "")), "a1 a2 a3 b4",
         "dropped 1\n4: A2 B4\n4: A3 B4\n"},
        {P(LIMITS("2", "9", "drop_newest"), S("A", "a", "") "," S("B", "b", "")), "a1 a2 a3 b4",
         "dropped 1\n4: A1 B4\n4: A2 B4\n"},
        {P(LIMITS("9", "2", "drop_oldest"), S("A", "a", PLUS) "," S("B", "b", "")), "a1 a2 a3 b4",
         "dropped 1\n4: A1 B4\n4: A2 B4\n4: A3 B4\ndropped 1\n"},
        {P(LIMITS("9", "2", "drop_newest"), S("A", "a", PLUS) "," S("B", "b", "")), "a1 a2 a3 b4",
         "dropped 1\n4: A1 B4\n4: A2 B4\n4: A3 B4\ndropped 2\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cep_bed bed;
        cep_open(&bed, cases[i].pattern);
        cep_play(&bed, cases[i].events);
        cep_expect(&bed, cases[i].want);
        cep_close(&bed);
    }
}

/* Each event is taken by all that have begun before, which are asked one by one: 1,150 x 1,149 / 2
 * unions, for 2,300 takes. */
Test(matcher, keeps_its_limits_of_unions)
{
    static const char *const patterns[] = {
        P(LIMITS("2400", "9", "drop_oldest"),
          S("A", "a", "") "," S("B", "=A", ANY) "," S("C", "c", "")),
        P(LIMITS("2400", "9", "drop_newest"),
          S("A", "a", "") "," S("B", "=A", ANY) "," S("C", "c", "")),
    };
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        cep_bed bed;
        leat_err err;
        cep_open(&bed, patterns[i]);
        for (int64_t at_ms = 1; at_ms <= 1000; at_ms++)
            cr_assert_eq(cep_feed(&bed, 'a', at_ms, &err), LEAT_OK);
        cr_expect_eq(bed.out.len, 0);
        for (int64_t at_ms = 1001; at_ms <= 1150; at_ms++)
            cr_assert_eq(cep_feed(&bed, 'a', at_ms, &err), LEAT_OK);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect_eq(strncmp(bed.out.data, "dropped ", 8), 0);
        cr_expect_lt(leat_matcher_takes(bed.matcher), 2300);
        cep_close(&bed);
    }
    cep_bed bed;
    leat_err err;
    leat_code code = LEAT_OK;
    cep_open(&bed, P(LIMITS("2400", "9", "fail"),
                     S("A", "a", "") "," S("B", "=A", ANY) "," S("C", "c", "")));
    for (int64_t at_ms = 1; code == LEAT_OK && at_ms <= 1150; at_ms++)
        code = cep_feed(&bed, 'a', at_ms, &err);
    cr_expect_eq(leat_code_blame(code), LEAT_BLAME_FATAL);
    cr_expect_str_eq(err.text, "pattern p: a key has more than 2400 partial matches' worth of "
                               "takes that they share (`limits`, with `beyond: fail`)");
    cep_close(&bed);
}

#define FEW(matches, more) ",\"within\":\"1s\",\"limits\":{\"matches\":" matches more "}"
#define COMBINATIONS                                                                               \
    S("A", "a", "") "," S("B", "b", ANY PLUS ",\"repeat\":\"followed_by_any\"") "," S("C", "c", "")

/* So many matches of one event come out, in order; the others are counted. */
Test(matcher, limits_matches)
{
    static const struct {
        const char *pattern, *events, *want;
    } cases[] = {
        {P(FEW("2", ""), COMBINATIONS), "a1 b2 b3 b4 c5 c6",
         "5: A1 B2 B3 B4 C5\n5: A1 B2 B3 C5\nwithheld 5\n"},
        {P(FEW("2", ""), S("A", "a", "") "," S("B", "b", ANY)), "a1 a2 a3 b4 b5",
         "4: A1 B4\n4: A2 B4\nwithheld 1\n5: A1 B5\n5: A2 B5\nwithheld 1\n"},
        {P(FEW("1", ""), S("A", "a", "") "," S("B", "b", "")), "a1 a2 .",
         "end: timeout 1001: A1\nwithheld 1\n"},
        {P(FEW("1", ""), S("A", "a", "") "," NOT("n", "")), "a1 a2 .", "end: A1\nwithheld 1\n"},
        /* Each first event lets one match through; skipping goes on as if all came out. */
        {P(FEW("2", "") ",\"skip\":\"skip_to_next\"", COMBINATIONS), "a1 a2 a3 b4 b5 c6 a7 b8 c9",
         "6: A1 B4 B5 C6\n6: A2 B4 B5 C6\nwithheld 1\n9: A7 B8 C9\n"},
        {P(FEW("2", "") ",\"skip\":\"skip_to_first\",\"skip_to\":\"A\"", COMBINATIONS),
         "a1 b2 b3 c4", "4: A1 B2 B3 C4\n4: A1 B2 C4\nwithheld 1\n"},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        cep_bed bed;
        cep_open(&bed, cases[i / 2].pattern);
        bed.recode = i % 2 == 1;
        cep_play(&bed, cases[i / 2].events);
        cep_expect(&bed, cases[i / 2].want);
        cep_close(&bed);
    }
}

/* Behind A and the Bs chosen so far, from B `from` on. */
static void want_combinations(int from, int last, const char *so_far, leat_buf *want)
{
    char more[256];
    for (int b = from; b < last; b++) {
        (void)snprintf(more, sizeof more, "%s B%d", so_far, b);
        want_combinations(b + 1, last, more, want);
    }
    if (strchr(so_far, 'B') != NULL) leat_buf_add_format(want, "%d: %s C%d\n", last, so_far, last);
}

/* Few matches of an event and many are found in two ways, and are in one order. */
Test(matcher, orders_few_and_many)
{
    for (int last = 3; last < 9; last++) { /* 1 to 63 matches */
        cep_bed bed;
        leat_err err;
        leat_buf want;
        leat_buf_init(&want, 1 << 20);
        cep_open(&bed, P("", COMBINATIONS));
        cr_assert_eq(cep_feed(&bed, 'a', 1, &err), LEAT_OK);
        for (int b = 2; b < last; b++)
            cr_assert_eq(cep_feed(&bed, 'b', b, &err), LEAT_OK);
        cr_assert_eq(cep_feed(&bed, 'c', last, &err), LEAT_OK);
        want_combinations(2, last, "A1", &want);
        leat_buf_add_char(&want, '\0');
        cep_expect(&bed, want.data);
        leat_buf_release(&want);
        cep_close(&bed);
    }
}

/* A line of events is longer than what few matches may have. */
Test(matcher, shows_long_matches)
{
    for (int count = 100; count < 160; count += 20) {
        cep_bed bed;
        leat_err err;
        leat_buf want;
        char pattern[160];
        leat_buf_init(&want, 1 << 20);
        (void)snprintf(pattern, sizeof pattern,
                       P("", S("A", "a", ",\"times\":%d") "," S("B", "b", "")), count);
        cep_open(&bed, pattern);
        leat_buf_add_format(&want, "%d:", count + 1);
        for (int a = 1; a <= count; a++) {
            cr_assert_eq(cep_feed(&bed, 'a', a, &err), LEAT_OK);
            leat_buf_add_format(&want, " A%d", a);
        }
        cr_assert_eq(cep_feed(&bed, 'b', count + 1, &err), LEAT_OK);
        leat_buf_add_format(&want, " B%d\n", count + 1);
        leat_buf_add_char(&want, '\0');
        cep_expect(&bed, want.data);
        leat_buf_release(&want);
        cep_close(&bed);
    }
}

/* Sixty events, and more combinations of them than there is time for. */
Test(matcher, does_not_hang_on_combinations)
{
    static const struct {
        const char *pattern;
        uint64_t out;
    } cases[] = {
        {P(FEW("1000", ""), COMBINATIONS), 1000},
        {P(FEW("1000", "") ",\"skip\":\"skip_past_last_event\"", COMBINATIONS), 1},
        {P(FEW("1000", "") ",\"skip\":\"skip_to_last\",\"skip_to\":\"A\"", COMBINATIONS), 1000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cep_bed bed;
        leat_err err;
        cep_open(&bed, cases[i].pattern);
        cr_assert_eq(cep_feed(&bed, 'a', 1, &err), LEAT_OK);
        for (int64_t at_ms = 2; at_ms < 62; at_ms++)
            cr_assert_eq(cep_feed(&bed, 'b', at_ms, &err), LEAT_OK);
        cr_assert_eq(cep_feed(&bed, 'c', 62, &err), LEAT_OK);
        cr_expect_eq(bed.matches.count, cases[i].out);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect_eq(strstr(bed.out.data, "withheld 112589990684") != NULL, cases[i].out > 1);
        cep_close(&bed);
    }
}

Test(matcher, stops_where_a_limit_says_fail)
{
    leat_err err;
    cep_bed bed;
    cep_open(&bed, P(LIMITS("1", "9", "fail"), S("A", "a", "") "," S("B", "b", "")));
    cr_assert_eq(cep_feed(&bed, 'a', 1, &err), LEAT_OK);
    leat_code code = cep_feed(&bed, 'a', 2, &err);
    cr_expect_eq(leat_code_blame(code), LEAT_BLAME_FATAL);
    cr_expect_str_eq(err.text, "pattern p: a key has more than 1 partial matches (`limits`, with "
                               "`beyond: fail`)");
    cep_close(&bed);
    cep_open(&bed, P(LIMITS("9", "1", "fail"), S("A", "a", "") "," S("B", "b", "")));
    cr_assert_eq(cep_feed(&bed, 'a', 1, &err), LEAT_OK);
    code = cep_feed(&bed, 'b', 2, &err);
    cr_expect_eq(leat_code_blame(code), LEAT_BLAME_FATAL);
    cep_close(&bed);
    cep_open(&bed, P(FEW("2", ",\"beyond\":\"fail\""), COMBINATIONS));
    for (int64_t at_ms = 1; at_ms <= 3; at_ms++)
        cr_assert_eq(cep_feed(&bed, at_ms == 1 ? 'a' : 'b', at_ms, &err), LEAT_OK);
    cr_expect_eq(leat_code_blame(cep_feed(&bed, 'c', 9, &err)), LEAT_BLAME_FATAL);
    cr_expect_str_eq(err.text, "pattern p: one event has completed more than 2 matches (`limits`, "
                               "with `beyond: fail`)");
    cep_close(&bed);
}

Test(matcher, stops_when_its_host_does)
{
    leat_err err;
    cep_bed bed;
    cep_open(&bed, P("", S("A", "a", "") "," S("B", "b", ANY) "," S("C", "!", "")));
    cr_assert_eq(cep_feed(&bed, 'a', 1, &err), LEAT_OK);
    cr_assert_eq(cep_feed(&bed, 'b', 2, &err), LEAT_OK);
    cr_expect_eq(cep_feed(&bed, 'b', 3, &err), LEAT_ERR_ABORTED);
    cep_close(&bed);
}

/* --- order_by --- */

static leat_event *event_of(const cep_bed *bed, char letter, int64_t at_ms)
{
    leat_event *event = NULL;
    leat_err err;
    char json[16];
    (void)snprintf(json, sizeof json, "{\"%c\":0}", letter);
    leat_pool *pool = leat_matcher_work_pool(bed->work);
    cr_assert_eq(
        leat_event_new(pool, leat_str_of(json), at_ms, (leat_identity){1, 2}, &event, &err),
        LEAT_OK);
    return event;
}

Test(matcher, orders_events_of_one_time)
{
    static const struct {
        char letter;
        leat_value order;
    } events[] = {
        {'d', {.tag = LEAT_INT, .as.i = 3}},
        {'b', {.tag = LEAT_DOUBLE, .as.d = 1.5}},
        {'e', {.tag = LEAT_INT, .as.i = 3}},
        {'a', {.tag = LEAT_NULL}},
        {'g', {.tag = LEAT_STRING, .len = 2, .as.text = "zz"}},
        {'f', {.tag = LEAT_STRING, .len = 1, .as.text = "y"}},
        {'c', {.tag = LEAT_INT, .as.i = 2}},
    };
    cep_bed bed;
    leat_err err;
    cep_open(&bed, P(",\"order_by\":\"x\"", S("A", "*", "")));
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        leat_event *event = event_of(&bed, events[i].letter, 5);
        cr_assert_eq(leat_matcher_hold(bed.matcher, event, events[i].order, &err), LEAT_OK);
        leat_event_release(&event);
        cep_recode(&bed);
    }
    cr_expect_eq(leat_matcher_deadline(bed.matcher), 6);
    cr_expect_not(leat_matcher_empty(bed.matcher));
    leat_event *event = NULL;
    cr_expect_not(leat_matcher_unhold(bed.matcher, 5, &event));
    for (const char *want = "abcdefg"; *want != '\0'; want++) {
        cr_assert(leat_matcher_unhold(bed.matcher, 6, &event));
        cr_expect_eq(event->json[2], *want);
        leat_event_release(&event);
    }
    cr_expect(leat_matcher_empty(bed.matcher));
    cep_close(&bed);
}

Test(matcher, knows_what_can_be_ordered)
{
    leat_value stamp = leat_value_timestamp_of_ms(1500);
    cr_expect_eq(leat_matcher_order_value(stamp).as.i, 1500000);
    cr_expect_eq(leat_matcher_order_value(leat_value_bool(true)).as.i, 1);
    cr_expect_eq(leat_matcher_order_value(leat_value_uint(UINT64_MAX)).tag, LEAT_DOUBLE);
    cr_expect_eq(leat_matcher_order_value(leat_value_list(NULL, 0)).tag, LEAT_NULL);
    cr_expect_eq(leat_matcher_order_value(leat_value_double(0.0 / 0.0)).tag, LEAT_NULL);
}

/* Random patterns and events: state that goes through bytes after every event gives the same. */
static void random_part(leat_buf *out, leat_random *random, int depth, int *names, bool head)
{
    static const char *const links[] = {"next", "followed_by", "followed_by_any"};
    uint64_t kind = leat_random_below(random, 10);
    if (kind == 2 && !head) {
        leat_buf_add_format(out, "{\"not\":true,\"where\":\"%c\",\"contiguity\":\"%s\"}",
                            (char)('a' + leat_random_below(random, 4)),
                            links[leat_random_below(random, 2)]);
        return;
    }
    leat_buf_add_format(out, "{\"contiguity\":\"%s\"", links[leat_random_below(random, 3)]);
    if (kind < 2 && depth < 3) {
        bool any = kind == 1;
        leat_buf_add_format(out, ",\"%s\":[", any ? "any_of" : "steps");
        uint64_t count = 1 + leat_random_below(random, 2);
        for (uint64_t i = 0; i < count; i++) {
            if (i > 0) leat_buf_add_char(out, ',');
            random_part(out, random, depth + 1, names, any || i == 0);
        }
        leat_buf_add_char(out, ']');
    } else {
        leat_buf_add_format(out, ",\"name\":\"S%d\",\"where\":\"%c%c\"", (*names)++,
                            (char)('a' + leat_random_below(random, 4)),
                            (char)('a' + leat_random_below(random, 4)));
    }
    if (leat_random_below(random, 3) == 0) {
        leat_buf_add_format(out, ",\"times\":{\"min\":%d", (int)leat_random_below(random, 3));
        if (leat_random_below(random, 2) == 0)
            leat_buf_add_format(out, ",\"max\":%d", 2 + (int)leat_random_below(random, 2));
        leat_buf_add_char(out, '}');
        if (leat_random_below(random, 3) == 0) leat_buf_add_text(out, ",\"repeat\":\"next\"");
        if (kind > 2 && leat_random_below(random, 3) == 0)
            leat_buf_add_text(out, ",\"greedy\":true");
    }
    if (leat_random_below(random, 5) == 0) leat_buf_add_text(out, ",\"optional\":true");
    leat_buf_add_char(out, '}');
}

static void random_pattern(leat_buf *out, leat_random *random)
{
    static const char *const skips[] = {"no_skip", "skip_to_next", "skip_past_last_event"};
    int names = 0;
    leat_buf_add_format(out,
                        "{\"name\":\"p\",\"within\":\"20ms\",\"skip\":\"%s\",\"limits\":{"
                        "\"partial_matches\":50},\"steps\":[",
                        skips[leat_random_below(random, 3)]);
    uint64_t count = 1 + leat_random_below(random, 4);
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0) leat_buf_add_char(out, ',');
        random_part(out, random, 0, &names, i == 0);
    }
    leat_buf_add_text(out, "]}");
    leat_buf_add_char(out, '\0');
}

Test(matcher, survives_its_bytes)
{
    unsigned played = 0;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        leat_random random = {seed};
        leat_buf text, first;
        leat_buf_init(&text, 1 << 16);
        leat_buf_init(&first, 1 << 24);
        random_pattern(&text, &random);
        for (int recode = 0; recode < 2; recode++) {
            cep_bed bed;
            leat_random events = {seed * 31};
            if (!cep_read(&bed, text.data)) {
                cep_close(&bed);
                break;
            }
            cep_close(&bed);
            cep_open(&bed, text.data);
            bed.recode = recode != 0;
            int64_t at_ms = 0;
            leat_err err;
            for (int i = 0; i < 40; i++) {
                at_ms += (int64_t)leat_random_below(&events, 4);
                char letter = (char)('a' + leat_random_below(&events, 5));
                cr_assert_eq(cep_feed(&bed, letter, at_ms, &err), LEAT_OK, "%s", err.text);
            }
            cep_advance(&bed, INT64_MAX);
            cr_expect(leat_matcher_empty(bed.matcher), "seed %llu", (unsigned long long)seed);
            if (recode == 0) leat_buf_add(&first, leat_buf_str(&bed.out));
            if (recode == 1)
                cr_expect(leat_str_equal(leat_buf_str(&first), leat_buf_str(&bed.out)),
                          "seed %llu: %s", (unsigned long long)seed, text.data);
            played += recode == 1;
            cep_close(&bed);
        }
        leat_buf_release(&text);
        leat_buf_release(&first);
    }
    cr_expect_gt(played, 500);
}

/* Events go with their windows, and their memory too, however many there were at once. */
Test(matcher, gives_events_back)
{
    cep_bed bed;
    leat_err err;
    int64_t at_ms = 0;
    cep_open(&bed, P(WITHIN, S("A", "a", "") "," S("B", "b", ANY) "," S("D", "d", "")));
    const leat_pool *pool = leat_matcher_work_pool(bed.work);
    for (int i = 0; i < 20000; i++) { /* 200 at a time */
        at_ms = i / 20;
        cr_assert_eq(cep_feed(&bed, 'a', at_ms, &err), LEAT_OK);
        cr_assert_leq(leat_pool_bytes(pool), 65536, "%d", i);
    }
    at_ms += 100;
    for (int i = 0; i < 8000; i++)
        cr_assert_eq(cep_feed(&bed, i % 2 == 0 ? 'a' : 'b', at_ms, &err), LEAT_OK);
    cr_expect_gt(leat_pool_bytes(pool), 8000 * sizeof(leat_event));
    cr_assert_eq(cep_feed(&bed, 'a', at_ms + 100, &err), LEAT_OK);
    cr_expect_leq(leat_pool_bytes(pool), 65536);
    cr_assert_eq(cep_feed(&bed, 'b', at_ms + 101, &err), LEAT_OK);
    cr_expect_eq(leat_matcher_takes(bed.matcher), 2);
    cep_close(&bed);
}

/* Whichever allocation fails: an error, and nothing is lost. */
Test(matcher, survives_without_memory)
{
    for (uint64_t nth = 1;; nth++) {
        static const char letters[] = "abcabd";
        cep_bed bed;
        leat_err err;
        leat_code code = LEAT_OK;
        cep_open(&bed, P(WITHIN, S("A", "ab", PLUS) "," S("B", "bc", ANY) "," S("D", "d", "")));
        leat_mem_fail_at(nth, false);
        for (size_t i = 0; i + 1 < sizeof letters && code == LEAT_OK; i++) {
            bed.letter = letters[i];
            bed.now_ms = (int64_t)i;
            code = leat_matcher_feed(bed.matcher, bed.work, (int64_t)i, cep_host(&bed),
                                     &bed.matches, &err);
        }
        if (code == LEAT_OK)
            code = leat_matcher_advance(bed.matcher, bed.work, 100, &bed.matches, &err);
        leat_mem_fail_at(0, false);
        cep_close(&bed);
        if (code == LEAT_OK) break;
        cr_assert_eq(code, LEAT_ERR_MEMORY);
        cr_assert_lt(nth, 1000);
    }
}
