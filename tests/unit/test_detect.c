/* SPDX-License-Identifier: Apache-2.0 */
/* detect in a task: keys, alerts, timers, dead letters, what is stored, and the promise that what
 * comes out depends on the sequence of records alone. */
#include "tests/unit/detect_harness.h"
#include "tests/unit/leak.h"
#include "tests/unit/plan_harness.h"
#include "tests/unit/wild_harness.h"

LEAT_SUITE(detect);

/* The lines since the last look, without what is the same in all of them. */
static const char *brief(test_bed *bed)
{
    static char lines[1 << 16];
    leat_buf_add_char(&bed->out, '\0');
    size_t len = 0;
    for (const char *at = bed->out.data; *at != '\0'; at++) {
        static const char *const cut[] = {"\"version\":null,", "\"severity\":null,",
                                          "\"tags\":[],"};
        for (size_t i = 0; i < 3; i++)
            if (strncmp(at, cut[i], strlen(cut[i])) == 0) at += strlen(cut[i]);
        if (strncmp(at, "\"match_id\":", 11) == 0) {
            at += 11 + 34;
            if (*at == ',') at++;
            if (*at == '}' && len > 0 && lines[len - 1] == ',') len--;
        }
        cr_assert_lt(len + 2, sizeof lines);
        lines[len++] = *at;
    }
    lines[len] = '\0';
    leat_buf_reset(&bed->out);
    return lines;
}
#define expect_brief(bed, want)                                                                    \
    do {                                                                                           \
        const char *got = brief(bed);                                                              \
        cr_expect_str_eq(got, want, "got:\n%swant:\n%s", got, want);                               \
    } while (0)

Test(detect, makes_alerts)
{
    test_bed bed;
    open_detect(&bed, PIPELINE("", DETECT(",\"key\":\"k\"",
                                          "{\"name\":\"p\",\"version\":3,\"severity\":\"high\","
                                          "\"tags\":[\"x\",\"y\"],\"emit\":{\"n\":\"size(a)\","
                                          "\"w\":\"b[0].w\",\"all\":\"a\"},\"steps\":[" AB "]}")));
    bed.terse = false;
    bed_send(&bed, "{\"k\":\"x\",\"t\":10,\"v\":1,\"w\":1.5}");
    bed_send(&bed, "{\"k\":\"x\",\"t\":20,\"v\":2,\"w\":1.0}");
    bed_send(&bed, "{\"k\":\"x\",\"t\":30,\"v\":2,\"w\":2.0,\"u\":\"\\u00e9\\n\"}");
    bed_end(&bed);
    bed_expect(&bed,
               "out -1 30 x: {\"pattern\":\"p\",\"version\":3,\"key\":\"x\",\"severity\":\"high\","
               "\"tags\":[\"x\",\"y\"],\"start\":10,\"end\":30,"
               "\"match_id\":\"43119002a0b318302b0576ec4e30402e\",\"events\":{\"a\":[{\"k\":\"x\","
               "\"t\":10,\"v\":1,\"w\":1.5}],\"b\":[{\"k\":\"x\",\"t\":30,\"v\":2,\"w\":2.0,"
               "\"u\":\"\\u00e9\\n\"}]},\"n\":1,\"w\":2.0,\"all\":[{\"k\":\"x\",\"t\":10,\"v\":1,"
               "\"w\":1.5}]}\n");
    bed_close(&bed);
}

Test(detect, matches_per_key)
{
    static const struct {
        const char *source, *detect, *pattern, *want;
    } cases[] = {
        {"", ",\"key\":\"k\"", "", "out: {\"pattern\":\"p\",\"key\":1,\"start\":3,\"end\":5}\n"},
        {"", ",\"key\":\"k\"", ",\"key\":\"string(k) + '!'\"",
         "out: {\"pattern\":\"p\",\"key\":\"1!\",\"start\":3,\"end\":5}\n"},
        {"", ",\"key\":\"\"", "",
         "out: {\"pattern\":\"p\",\"key\":null,\"start\":1,\"end\":4}\n"
         "out: {\"pattern\":\"p\",\"key\":null,\"start\":3,\"end\":4}\n"},
        {",\"key\":\"string(k)\"", "", "",
         "out: {\"pattern\":\"p\",\"key\":\"1\",\"start\":3,\"end\":5}\n"},
        {",\"key\":\"k\"", "", "", "out: {\"pattern\":\"p\",\"key\":1,\"start\":3,\"end\":5}\n"},
        {"", "", "",
         "out: {\"pattern\":\"p\",\"key\":\"k\",\"start\":1,\"end\":4}\n"
         "out: {\"pattern\":\"p\",\"key\":\"k\",\"start\":3,\"end\":4}\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[2000];
        test_bed bed;
        (void)snprintf(text, sizeof text,
                       "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"timestamp\":\"t\"%s}"
                       "},\"streams\":{\"a\":{\"from\":\"s\",\"steps\":[{\"detect\":{\"patterns\":["
                       "{\"name\":\"p\",\"events\":false%s,\"steps\":[" AB "]}]%s}}],\"to\":"
                       "\"out\"}},\"dead_letter\":{\"topic\":\"dead\"}}",
                       cases[i].source, cases[i].pattern, cases[i].detect);
        open_detect(&bed, text);
        bed_send(&bed, "{\"k\":2,\"t\":1,\"v\":1,\"w\":5}");
        bed_send(&bed, "{\"k\":2,\"t\":2,\"v\":7,\"w\":9}");
        bed_send(&bed, "{\"k\":1,\"t\":3,\"v\":1,\"w\":1}");
        bed_send(&bed, "{\"k\":3,\"t\":4,\"v\":2,\"w\":9}");
        bed_send(&bed, "{\"k\":1,\"t\":5,\"v\":2,\"w\":2}");
        bed_end(&bed);
        expect_brief(&bed, cases[i].want);
        bed_close(&bed);
    }
}

Test(detect, knows_when_it_rekeys)
{
    static const struct {
        const char *source, *key;
        bool rekeys;
    } cases[] = {
        {"", "", false},
        {"", ",\"key\":\"k\"", true}, /* not known to be the topic's */
        {",\"key\":\"k\"", ",\"key\":\"k\"", false},
        {",\"key\":\"k\"", ",\"key\":\" k \"", false},
        {",\"key\":\"k\"", ",\"key\":\"w\"", true},
        {",\"key\":\"k\"", ",\"key\":\"\"", true},
        {",\"key\":\"k\"", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1000];
        test_bed bed;
        (void)snprintf(text, sizeof text,
                       "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"%s}},\"streams\":{"
                       "\"a\":{\"from\":\"s\",\"steps\":[{\"detect\":{\"patterns\":[{\"name\":"
                       "\"p\",\"steps\":[{\"name\":\"a\"}]}]%s}}],\"to\":\"out\"}}}",
                       cases[i].source, cases[i].key);
        open_detect(&bed, text);
        const leat_step *step = bed.plan->nodes[bed.plan->nodes_count - 1].step;
        cr_expect_eq(leat_detect_rekeys(step), cases[i].rekeys, "%zu", i);
        bed_close(&bed);
    }
}

/* What a pattern that nothing concerns holds is written back as it came. It is doubted as before
 * then, although this process has written it. */
Test(detect, doubts_what_it_has_only_copied)
{
    test_bed bed;
    leat_err err;
    const leat_output *outputs;
    size_t count;
    size_t spoiled = 0;
    static char late[] =
        "{\"k\":1,\"t\":17,\"v\":4}"; /* an event is worked on when a later one comes */
    static char later[] = "{\"t\":18}";
    open_detect(
        &bed, PIPELINE("", DETECT(",\"key\":\"k\"", PATTERN("p", "", AB) "," PATTERN(
                                                        "q", "",
                                                        "{\"name\":\"c\",\"where\":\"v == 3\"},"
                                                        "{\"name\":\"d\",\"where\":\"v == 4\"}"))));
    bed_send(&bed, "{\"k\":1,\"t\":10,\"v\":1,\"w\":1}");
    bed_send(&bed, "{\"k\":1,\"t\":11,\"v\":3}");
    bed_send(&bed, "{\"t\":12}");
    bed_commit(&bed);
    for (size_t i = 0; i < bed.log_count; i++) {
        char *value = (char *)(uintptr_t)bed.log[i].value.data;
        for (size_t at = 0; at + 5 <= bed.log[i].value.len; at++) {
            if (memcmp(value + at, "\"v\":3", 5) != 0) continue;
            value[at + 4] = ',';
            spoiled++;
        }
    }
    cr_assert_eq(spoiled, 1);
    bed_crash(&bed);
    bed_send(&bed, "{\"k\":1,\"t\":13,\"v\":1,\"w\":2}");
    bed_send(&bed, "{\"t\":14}");
    bed_commit(&bed);
    bed_send(&bed, "{\"k\":1,\"t\":15,\"v\":1,\"w\":3}");
    bed_send(&bed, "{\"t\":16}");
    bed_abort(&bed); /* so that the cell is read again */
    const leat_message messages[] = {
        {.topic = LEAT_STR("in"), .offset = 91, .value = {late, sizeof late - 1}},
        {.topic = LEAT_STR("in"), .offset = 92, .value = {later, sizeof later - 1}},
    };
    cr_expect_eq(leat_exec_batch(bed.exec, messages, 2, &outputs, &count, &err), LEAT_ERR_DAMAGED);
    bed_close(&bed);
}

Test(detect, tells_timeouts)
{
    test_bed bed;
    open_detect(
        &bed,
        PIPELINE("",
                 DETECT(",\"key\":\"k\"",
                        PATTERN("p",
                                ",\"within\":\"10ms\",\"timeout\":{\"emit\":{\"n\":"
                                "\"size(a)\"},\"to\":\"late\"}",
                                AB) "," PATTERN("q", ",\"within\":\"5ms\",\"timeout\":{}",
                                                AB) "," PATTERN("r", ",\"within\":\"5ms\"", AB))));
    bed_send(&bed, "{\"k\":1,\"t\":10,\"v\":1,\"w\":1}");
    bed_send(&bed, "{\"k\":2,\"t\":14,\"v\":7,\"w\":1}");
    expect_brief(&bed, "");
    bed_send(&bed, "{\"k\":2,\"t\":16,\"v\":7,\"w\":1}"); /* the watermark comes to 15 */
    expect_brief(&bed, "out: {\"pattern\":\"q\",\"key\":1,\"start\":10,\"end\":10,\"timed_out\":15}"
                       "\n");
    bed_end(&bed);
    expect_brief(&bed, "late: {\"pattern\":\"p\",\"key\":1,\"start\":10,\"end\":10,\"timed_out\":20"
                       ",\"n\":1}\n");
    bed_close(&bed);
}

Test(detect, waits_for_what_does_not_happen)
{
    test_bed bed;
    open_detect(&bed, PIPELINE("", DETECT(",\"key\":\"k\"",
                                          PATTERN("p", ",\"within\":\"10ms\"",
                                                  "{\"name\":\"a\",\"where\":\"v == 1\"},"
                                                  "{\"not\":true,\"where\":\"v == 2\"}"))));
    bed_send(&bed, "{\"k\":1,\"t\":10,\"v\":1}");
    bed_send(&bed, "{\"k\":2,\"t\":11,\"v\":1}");
    bed_send(&bed, "{\"k\":1,\"t\":12,\"v\":2}");
    expect_brief(&bed, "");
    bed_commit(&bed);
    bed_crash(&bed);
    bed_end(&bed);
    expect_brief(&bed, "out: {\"pattern\":\"p\",\"key\":2,\"start\":11,\"end\":11}\n");
    bed_commit(&bed);
    size_t cells = 0;
    for (size_t i = 0; i < bed.log_count; i++)
        cells += bed.log[i].value.data != NULL && strstr(bed.log[i].key.data, "matches") != NULL;
    cr_expect_eq(cells, 0); /* expired keys leave nothing behind */
    bed_close(&bed);
}

Test(detect, sends_failures_to_the_dead_letter_once)
{
    test_bed bed;
    open_detect(&bed, PIPELINE("", DETECT(",\"key\":\"k\"",
                                          PATTERN("p", "", AB) "," PATTERN("q", "", AB))));
    bed_send(&bed, "{\"k\":1,\"t\":1,\"v\":1,\"w\":1}");
    bed_send(&bed, "{\"k\":1,\"t\":2,\"w\":1}");             /* v is missing: for both patterns */
    bed_send(&bed, "{\"k\":1,\"t\":3,\"v\":2,\"w\":\"x\"}"); /* text > int */
    bed_send(&bed, "{\"t\":4,\"v\":2,\"w\":5}");             /* no key */
    bed_send(&bed, "{\"k\":1,\"t\":5,\"v\":2,\"w\":5}");     /* the partial match has lived on */
    bed_end(&bed);
    expect_brief(
        &bed,
        "dead: {\"k\":1,\"t\":2,\"w\":1} leat.step=streams.a.steps[0].detect leat.error=pattern p, "
        "steps[0].where: no such field 'v' (column 3)\n"
        "dead: {\"k\":1,\"t\":3,\"v\":2,\"w\":\"x\"} leat.step=streams.a.steps[0].detect "
        "leat.error=pattern p, steps[1].where: no such overload: '_>_' applied to (string, int) "
        "(column 13)\n"
        "dead: {\"t\":4,\"v\":2,\"w\":5} leat.step=streams.a.steps[0].detect leat.error=key: no "
        "such field 'k' (column 1)\n"
        "out: {\"pattern\":\"p\",\"key\":1,\"start\":1,\"end\":5}\n"
        "out: {\"pattern\":\"q\",\"key\":1,\"start\":1,\"end\":5}\n");
    bed_close(&bed);
}

Test(detect, sends_alerts_that_cannot_be_made_to_the_dead_letter)
{
    test_bed bed;
    open_detect(
        &bed,
        PIPELINE("", DETECT("", PATTERN("p", ",\"within\":\"5ms\",\"emit\":{\"x\":\"b[0].w\"}",
                                        "{\"name\":\"a\",\"where\":\"v == 1\"},{\"name\":"
                                        "\"b\",\"where\":\"v == 2\",\"optional\":true},"
                                        "{\"not\":true,\"where\":\"v == 3\"}"))));
    bed_send(&bed, "{\"t\":1,\"v\":1,\"w\":1}");
    bed_end(&bed);
    expect_brief(&bed, "dead: {\"pattern\":\"p\",\"key\":\"k\",\"start\":1,\"end\":1,\"x\":null} "
                       "leat.step=streams.a.steps[0].detect leat.error=pattern p, emit.x: index "
                       "out of range of the list (column 2)\n");
    bed_close(&bed);
}

Test(detect, leaves_disabled_patterns_alone)
{
    test_bed bed;
    open_detect(&bed, PIPELINE("", DETECT("", PATTERN("p", ",\"enabled\":false", AB))));
    bed_send(&bed, "{\"t\":1,\"v\":1,\"w\":1}");
    bed_send(&bed, "{\"t\":2,\"v\":2,\"w\":2}");
    bed_send(&bed, "{\"t\":3}");
    bed_end(&bed);
    expect_brief(&bed, "");
    bed_close(&bed);
}

/* Each event begins a partial match, and the limit that is not given lets all of them go on. */
Test(detect, a_long_repetition_comes_to_its_end)
{
    test_bed bed;
    open_detect(&bed, PIPELINE("", DETECT("", PATTERN("p",
                                                      ",\"skip\":\"skip_past_last_event\","
                                                      "\"emit\":{\"n\":\"size(a)\"}",
                                                      "{\"name\":\"a\",\"times\":150}"))));
    for (int t = 1; t <= 449; t++) {
        char text[32];
        snprintf(text, sizeof text, "{\"t\":%d}", t);
        bed_send(&bed, text);
    }
    bed_end(&bed);
    expect_brief(&bed,
                 "out: {\"pattern\":\"p\",\"key\":\"k\",\"start\":1,\"end\":150,\"n\":150}\n"
                 "out: {\"pattern\":\"p\",\"key\":\"k\",\"start\":151,\"end\":300,\"n\":150}\n");
    bed_close(&bed);
}

Test(detect, orders_events_of_one_time)
{
    test_bed bed;
    open_detect(&bed, PIPELINE("", DETECT(",\"key\":\"k\"",
                                          PATTERN("p", ",\"order_by\":\"-w\"" EMIT,
                                                  "{\"name\":\"a\",\"where\":\"v == 1\"},{\"name\":"
                                                  "\"b\",\"contiguity\":\"next\",\"where\":\"v == 2"
                                                  " && w == last(a).w - 1\"}"))));
    bed_send(&bed, "{\"k\":1,\"t\":5,\"v\":2,\"w\":3}");
    bed_send(&bed, "{\"k\":1,\"t\":5,\"v\":7,\"w\":9}");
    bed_send(&bed, "{\"k\":1,\"t\":5,\"v\":1,\"w\":4}");
    bed_commit(&bed);
    bed_crash(&bed);
    bed_send(&bed, "{\"k\":2,\"t\":7,\"v\":7,\"w\":0}");
    bed_send(&bed, "{\"k\":1,\"t\":8,\"v\":1}"); /* cannot be ordered, fits all the same */
    bed_end(&bed);
    expect_brief(&bed, "out: {\"pattern\":\"p\",\"key\":1,\"start\":5,\"end\":5,\"n\":2}\n"
                       "dead: {\"k\":1,\"t\":8,\"v\":1} leat.step=streams.a.steps[0].detect "
                       "leat.error=pattern p, order_by: no such field 'w' (column 2)\n");
    bed_close(&bed);
}

/* What time lets out is not late for what keeps state in the streams behind. */
Test(detect, what_time_lets_out_goes_on)
{
    static const char text[] =
        "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"timestamp\":\"t\"}},\"streams\":{"
        "\"a\":{\"from\":\"s\",\"steps\":[{\"detect\":{\"events\":false,\"patterns\":[{\"name\":"
        "\"p\",\"within\":\"100ms\",\"timeout\":{},\"steps\":[{\"name\":\"a\",\"where\":\"v == "
        "1\"},"
        "{\"name\":\"b\",\"where\":\"v == 2\"},{\"not\":true,\"where\":\"v == 3\"}]}]}}]},\"b\":{"
        "\"from\":\"a\",\"steps\":[{\"dedupe\":{\"key\":\"start\",\"within\":\"1h\"}},{\"keep\":["
        "\"start\"]}],\"to\":\"out\"}},\"dead_letter\":{\"topic\":\"dead\"}}";
    test_bed bed;
    open_detect(&bed, text);
    bed_send(&bed, "{\"t\":10,\"v\":1}");
    bed_send(&bed, "{\"t\":20,\"v\":2}");
    bed_send(&bed, "{\"t\":50,\"v\":1}");
    bed_send(&bed, "{\"t\":1000,\"v\":1}"); /* both are over before it */
    bed_expect(&bed, "out: {\"start\":10}\nout: {\"start\":50}\n");
    bed_commit(&bed);
    bed_crash(&bed);
    bed_end(&bed);
    bed_expect(&bed, "out: {\"start\":1000}\n");
    cr_expect_eq(leat_exec_counts_get(bed.exec).late_dropped, 0);
    bed_close(&bed);
}

/* An edited pattern does not read the partial matches of the old one. */
Test(detect, forgets_partial_matches_of_an_edited_pattern)
{
    test_bed bed, old;
    open_detect(&old, PIPELINE("", DETECT("", PATTERN("p", "", AB) "," PATTERN("q", "", AB))));
    bed_send(&old, "{\"t\":1,\"v\":1,\"w\":1}");
    bed_send(&old, "{\"t\":3,\"v\":7,\"w\":1}"); /* lets time come to 2 */
    bed_commit(&old);
    open_detect(&bed, PIPELINE("", DETECT("", PATTERN("p", ",\"within\":\"1h\"", AB) "," PATTERN(
                                                  "q", ",\"severity\":\"low\"", AB))));
    bed.log = old.log;
    bed.log_count = old.log_count;
    old.log = NULL;
    old.log_count = 0;
    bed_crash(&bed);
    bed.offset = 2;
    bed_send(&bed, "{\"t\":3,\"v\":2,\"w\":3}");
    bed_end(&bed);
    expect_brief(&bed, "out: {\"pattern\":\"q\",\"key\":\"k\",\"severity\":\"low\",\"start\":1,"
                       "\"end\":3}\n");
    bed_close(&old);
    bed_close(&bed);
}

/* --- the sequence of records alone --- */

#define STEP(name, where, more) "{\"name\":\"" name "\",\"where\":\"" where "\"" more "}"
#define STRICT                                                                                     \
    PATTERN("strict", ",\"within\":\"20ms\",\"timeout\":{}",                                       \
            STEP("a", "v == 1", "") "," STEP("b", "v < 3", ",\"contiguity\":\"next\""))
#define LOOP                                                                                       \
    PATTERN("loop", ",\"within\":\"15ms\",\"skip\":\"skip_past_last_event\"" EMIT,                 \
            STEP("a", "v == 1",                                                                    \
                 ",\"times\":{\"min\":1}") "," STEP("b", "v == 2 && w >= last(a).w", ""))
#define NONE                                                                                       \
    PATTERN("none", ",\"within\":\"10ms\",\"timeout\":{\"to\":\"late\"}",                          \
            STEP("a", "v == 1", "") "," STEP(                                                      \
                "b", "v == 2", ",\"optional\":true") ","                                           \
                                                     "{\"not\":true,\"where\":\"v == 3\"}")
#define ALL                                                                                        \
    PATTERN(                                                                                       \
        "all", ",\"key\":\"\",\"within\":\"8ms\",\"order_by\":\"w\"",                              \
        STEP("a", "v == 4", "") "," STEP("b", "v == 4", ",\"contiguity\":\"followed_by_any\""))

static const char random_pipeline[] =
    PIPELINE(",\"out_of_orderness\":\"4ms\",\"key\":\"k\"",
             DETECT(",\"key\":\"k\"", STRICT "," LOOP "," NONE "," ALL));

static int write_event(char *text, size_t size, leat_random *random, int64_t t)
{
    return snprintf(text, size, "{\"k\":\"k%d\",\"t\":%lld,\"v\":%d,\"w\":%d}",
                    (int)leat_random_below(random, 3), (long long)t,
                    (int)leat_random_below(random, 6), (int)leat_random_below(random, 4));
}

Test(detect, depends_on_the_sequence_of_records_alone)
{
    static wild_script s;
    size_t alerts = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        leat_random random = {seed};
        wild_draw(&s, &random, write_event);
        alerts +=
            wild_check(random_pipeline, &leat_operator_detect, &s, seed, "a.detect.0.matches");
    }
    cr_expect_gt(alerts, 1000);
}

/* --- planning --- */

static const struct {
    const char *steps, *want;
} mistakes[] = {
    {DETECT("", PATTERN("p", ",\"within\":\"1s\"", AB)), ""},
    {"{\"detect\":{}}", "'patterns' is missing"},
    {"{\"detect\":{\"patterns\":[]}}", "the list is empty"},
    {"{\"detect\":{\"patterns\":[7]}}",
     "must be a glob of pattern files or a pattern, not a whole"},
    {DETECT("", PATTERN("p", "", AB) "," PATTERN("p", "", AB)), "two patterns are called 'p'"},
    {DETECT("", PATTERN("p", "", "{\"name\":\"a\",\"where\":\"v ==\"}")), "where: "},
    {DETECT("", PATTERN("p", "", "{\"name\":\"a\",\"where\":\"1 + 1\"}")),
     "a condition must give true or false, not a int"},
    {DETECT("", PATTERN("p", ",\"emit\":{\"x\":\"first(aa).v\"}", AB)), "emit.x: undeclared"},
    {DETECT("", PATTERN("p", ",\"key\":\"k k\"", AB)), "key: "},
    /* Mistakes of expressions are told beside those of the pattern. */
    {DETECT("", PATTERN("p", ",\"sikp\":1", "{\"name\":\"a\",\"where\":\"v ==\"}")), "where: "},
    {DETECT(",\"keys\":\"k\"", PATTERN("p", "", AB)), "unknown key 'keys' (did you mean 'key'?)"},
    {"{\"set\":{\"a\":\"1\"}}," DETECT("", PATTERN("p", "", AB)),
     "warning: streams.a.steps[1].detect.patterns[0].steps[0].name: the step 'a' hides a field of "
     "that name in conditions (did you mean 'event.a'?)"},
    {DETECT("", PATTERN("p", "", "{\"name\":\"a\",\"where\":\"1 > 2\"}")),
     "'a' can never take an event, as its `where` is never true: the pattern never matches"},
    {DETECT("", PATTERN("p", "", "{\"name\":\"a\",\"where\":\"1 < 2\"}")), ""},
    /* What excludes itself is known like what is constantly false. */
    {DETECT("", PATTERN("p", "", "{\"name\":\"a\",\"where\":\"v > 10 && v < 5\"}")),
     "steps[0].where: can never hold: no value fulfils both `v > 10` and `v < 5`\n"},
    {DETECT("", PATTERN("p", "", "{\"name\":\"a\",\"where\":\"v > 10 && v < 5\"}")),
     "'a' can never take an event, as its `where` is never true: the pattern never matches"},
    {DETECT("",
            PATTERN("p", ",\"order_by\":\"w\"", "{\"name\":\"a\",\"where\":\"v > 10 && v < 5\"}")),
     "steps[0].where: can never hold: no value fulfils both `v > 10` and `v < 5`\n"},
    {DETECT("", PATTERN("p", ",\"within\":\"1s\"",
                        "{\"name\":\"a\"},{\"name\":\"b\",\"optional\":true,\"where\":\"v == 1 "
                        "&& v == last(a).v && v in [2, 3]\"}")),
     "'b' can never take an event, as its `where` is never true\n"},
    {DETECT("", PATTERN("p", ",\"within\":\"1s\"",
                        "{\"name\":\"a\"},{\"not\":true,\"where\":\"v == 1 && v != 1\"},"
                        "{\"name\":\"b\"}")),
     "steps[1].where: can never hold"},
    {DETECT("", PATTERN("p", "", "{\"name\":\"a\",\"where\":\"v > 5 && v < 10\"}")), ""},
    {DETECT("", PATTERN("p", ",\"within\":\"0s\"", "{\"name\":\"a\"}")),
     "within: must be between 1ms and 3660000d\n"},
    {DETECT("", PATTERN("p", ",\"within\":\"1s\"",
                        "{\"name\":\"a\",\"times\":{},\"where\":\"v == 1\",\"until\":\"v==1\"},"
                        "{\"name\":\"b\"}")),
     "'a' can never take an event, as `until` holds for every event that fits it"},
    /* A name in first() or last() that may be a slip of the pen. */
    {DETECT("", PATTERN("p", "", "{\"name\":\"probe\",\"where\":\"v > last(prob).v\"}")),
     "patterns[0].steps[0].where: 'prob' is no step that takes events, so a field is read (did you "
     "mean 'probe'?)"},
    {DETECT("", PATTERN("p", ",\"within\":\"1s\"",
                        "{\"name\":\"a\"},{\"name\":\"no\",\"not\":true,\"where\":\"v == 1\"},"
                        "{\"name\":\"b\",\"where\":\"v > last(no).v\"}")),
     "steps[2].where: 'no' is no step that takes events"},
    {DETECT("", PATTERN("p", "", "{\"name\":\"a\",\"where\":\"first(items).v > 1\"}")), ""},
    {DETECT("", PATTERN("p", ",\"within\":\"1s\"",
                        "{\"name\":\"a\"},{\"name\":\"b\",\"where\":\"a.v > v\"}")),
     "has no field 'v'; 'a' is a list: last(a).f is a field of its last item, event.a a field"},
    {DETECT("", PATTERN("p", "", "{\"name\":\"v\",\"where\":\"v > 2\"}")),
     "(list(dyn), int)'; 'v' is a list: last(v).f"},
    {DETECT("", PATTERN("p", ",\"emit\":{\"x\":\"w\"}", AB)),
     "emit.x: undeclared name 'w'; did you mean 'last(b).w'?"},
    /* What it is called elsewhere. */
    {DETECT("", PATTERN("p", ",\"within\":\"1s\"",
                        "{\"name\":\"a\"},{\"name\":\"b\",\"where\":\"count(a) > 1\"}")),
     "steps[1].where: unknown function 'count'; did you mean 'size'?"},
    {DETECT("", PATTERN("p", ",\"within\":\"1s\"",
                        "{\"name\":\"a\"},{\"name\":\"b\",\"where\":\"v > prev(a).v\"}")),
     "steps[1].where: unknown function 'prev'; did you mean 'last'?"},
    {DETECT("", PATTERN("p", ",\"within\":\"1s\"",
                        "{\"name\":\"a\"},{\"name\":\"b\",\"where\":\"v > "
                        "mean(a.map(x, x.v))\"}")),
     "did you mean 'avg'?"},
    /* A list in which nothing can be. */
    {DETECT("", PATTERN("p", ",\"within\":\"1s\"",
                        "{\"name\":\"a\",\"where\":\"v > last(b).v\"},{\"name\":\"b\"}")),
     "steps[0].where: 'b' is empty whenever this is asked"},
};

Test(detect, tells_mistakes)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char text[2000];
        plan_bed bed = {.more = {&leat_operator_detect}};
        (void)snprintf(text, sizeof text,
                       "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{\"a\":{"
                       "\"from\":\"s\",\"steps\":[%s],\"to\":\"out\"}},\"dead_letter\":{\"topic\":"
                       "\"dead\"}}",
                       mistakes[i].steps);
        const char *said = plan_bed_read(&bed, text, 64 << 20);
        const char *want = mistakes[i].want;
        cr_expect(*want == '\0' ? *said == '\0' : strstr(said, want) != NULL, "%s\ngot: %swant: %s",
                  mistakes[i].steps, said, want);
        plan_bed_close(&bed);
    }
}
