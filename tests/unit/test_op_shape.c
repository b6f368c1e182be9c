/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that change the shape of a record, or how many there are: flatten, explode, cast, sample.
 */
#include "tests/unit/exec_probe.h"
#include "tests/unit/leak.h"
#include "tests/unit/steps_harness.h"
#include "tests/unit/wild_harness.h"

LEAT_SUITE(op_shape);

static const step_case flatten_cases[] = {
    {"all", "[{\"flatten\":{}}]", "{\"id\":1.50,\"c\":{\"n\":\"4\",\"b\":{\"x\":[1,{\"y\":2}]}}}",
     "out: {\"id\":1.50,\"c.n\":\"4\",\"c.b.x\":[1,{\"y\":2}]}\n"},
    {"lists and empty objects stay", "[{\"flatten\":{}}]",
     "{\"a\":{\"b\":{},\"c\":[],\"d\":{ }},\"e\":{}}",
     "out: {\"a.b\":{},\"a.c\":[],\"a.d\":{ },\"e\":{}}\n"},
    {"nothing at all", "[{\"flatten\":{}}]", "{}", "out: {}\n"},
    {"separator", "[{\"flatten\":{\"separator\":\"_\"}}]", "{\"a\":{\"b\":1}}",
     "out: {\"a_b\":1}\n"},
    {"fields", "[{\"flatten\":{\"fields\":[\"c\",\"m.a\"],\"separator\":\"_\"}}]",
     "{\"c\":{\"n\":{\"x\":1}},\"m\":{\"a\":{\"z\":2},\"b\":{\"k\":3}},\"o\":{\"p\":4}}",
     "out: {\"c_n_x\":1,\"m\":{\"a_z\":2,\"b\":{\"k\":3}},\"o\":{\"p\":4}}\n"},
    {"fields that are not there, or no objects",
     "[{\"flatten\":{\"fields\":[\"x\",\"y.z\",\"l\"]}}]", "{\"y\":5,\"l\":[{\"a\":1}]}",
     "out: {\"y\":5,\"l\":[{\"a\":1}]}\n"},
    {"two of one name", "[{\"flatten\":{}}]", "{\"a\":{\"b\":1},\"a.b\":2}",
     "dead: {\"a\":{\"b\":1},\"a.b\":2} leat.step=streams.t.steps[0].flatten leat.error=two fields "
     "come out as 'a.b'\n"},
    {"two of one name, spelled apart", "[{\"flatten\":{}}]", "{\"a\":{\"b\":1},\"a.\\u0062\":2}",
     "dead: {\"a\":{\"b\":1},\"a.\\u0062\":2} leat.step=streams.t.steps[0].flatten "
     "leat.error=two fields come out as 'a.b'\n"},
    {"escapes", "[{\"flatten\":{}}]", "{\"a\\n\":{\"\\\"b\\\\\":\"\\\"}{\"}}",
     "out: {\"a\\n.\\\"b\\\\\":\"\\\"}{\"}\n"},
    {"behind other steps",
     "[{\"set\":{\"a.n\":\"a.b + 1\"}},{\"drop\":[\"z\"]},{\"flatten\":{}},"
     "{\"filter\":\"event['a.n'] == 2\"},{\"set\":{\"k\":\"event['a.b']\"}}]",
     "{\"a\":{\"b\":1},\"z\":0}", "out: {\"a.b\":1,\"a.n\":2,\"k\":1}\n"},
};

Test(op_shape, flatten)
{
    RUN(flatten_cases);
}

Test(op_shape, flatten_knows_many_names_apart)
{
    test_bed bed;
    char pipeline[1000], *text = malloc(200000), *want = malloc(200000);
    size_t len = 0, want_len = 0;
    cr_assert(text != NULL && want != NULL);
    len += (size_t)snprintf(text, 200000, "{\"o\":{\"f0\":0");
    want_len += (size_t)snprintf(want, 200000, "out: {\"o.f0\":0");
    for (int i = 1; i < 5000; i++) {
        len += (size_t)snprintf(text + len, 200000 - len, ",\"f%d\":%d", i, i);
        want_len += (size_t)snprintf(want + want_len, 200000 - want_len, ",\"o.f%d\":%d", i, i);
    }
    (void)snprintf(text + len, 200000 - len, "}}");
    (void)snprintf(want + want_len, 200000 - want_len, "}\n");
    (void)snprintf(pipeline, sizeof pipeline, STEPS_PIPELINE, "[{\"flatten\":{}}]");
    bed_open(&bed, pipeline);
    bed_send(&bed, text);
    leat_buf_add_char(&bed.out, '\0');
    cr_expect_str_eq(bed.out.data, want);
    bed_close(&bed);
    free(text);
    free(want);
}

static const step_case explode_cases[] = {
    {"a record each", "[{\"explode\":\"items\"}]",
     "{\"id\":7,\"items\":[{\"s\":\"a\"},1.50,\"x\\n\",null,[2]],\"z\":1.0}",
     "out: {\"id\":7,\"items\":{\"s\":\"a\"},\"z\":1.0}\n"
     "out: {\"id\":7,\"items\":1.50,\"z\":1.0}\n"
     "out: {\"id\":7,\"items\":\"x\\n\",\"z\":1.0}\n"
     "out: {\"id\":7,\"items\":null,\"z\":1.0}\n"
     "out: {\"id\":7,\"items\":[2],\"z\":1.0}\n"},
    {"nested", "[{\"explode\":{\"field\":\"o.l\"}}]", "{\"o\":{\"l\":[1,2],\"n\":0}}",
     "out: {\"o\":{\"l\":1,\"n\":0}}\nout: {\"o\":{\"l\":2,\"n\":0}}\n"},
    {"empty", "[{\"explode\":\"l\"}]", "{\"l\":[]}", ""},
    {"null", "[{\"explode\":\"l\"}]", "{\"l\":null}", ""},
    {"missing", "[{\"explode\":\"l\"}]", "{\"a\":1}", ""},
    {"keep empty", "[{\"explode\":{\"field\":\"l\",\"keep_empty\":true}}]", "{\"l\":[],\"a\":1}",
     "out: {\"l\":null,\"a\":1}\n"},
    {"keep missing", "[{\"explode\":{\"field\":\"l\",\"keep_empty\":true}}]", "{\"a\":1}",
     "out: {\"a\":1,\"l\":null}\n"},
    {"keep missing, without a place for it",
     "[{\"explode\":{\"field\":\"o.l\",\"keep_empty\":true}}]", "{\"o\":5}", "out: {\"o\":5}\n"},
    {"no list", "[{\"explode\":\"l\"}]", "{\"l\":5}",
     "dead: {\"l\":5} leat.step=streams.t.steps[0].explode leat.error='l' is no list: its type is "
     "int\n"},
    {"an object", "[{\"explode\":\"l\"}]", "{\"l\":{}}",
     "dead: {\"l\":{}} leat.step=streams.t.steps[0].explode leat.error='l' is an object, not a "
     "list\n"},
    {"a list that a step has made", "[{\"set\":{\"l\":\"[a, a + 1]\"}},{\"explode\":\"l\"}]",
     "{\"a\":1}", "out: {\"a\":1,\"l\":1}\nout: {\"a\":1,\"l\":2}\n"},
    {"twice, and read behind it",
     "[{\"explode\":\"l\"},{\"explode\":\"l\"},{\"set\":{\"m\":\"l * 10\"}}]",
     "{\"l\":[[1,2],[3]]}",
     "out: {\"l\":1,\"m\":10}\nout: {\"l\":2,\"m\":20}\nout: {\"l\":3,\"m\":30}\n"},
};

Test(op_shape, explode)
{
    RUN(explode_cases);
}

Test(op_shape, explode_is_bounded)
{
    test_bed bed;
    char pipeline[1000], *text = malloc(600000);
    cr_assert_not_null(text);
    size_t len = (size_t)snprintf(text, 600000, "{\"pad\":\"%1000s\",\"l\":[0", "");
    for (int i = 1; i < 100001; i++)
        len += (size_t)snprintf(text + len, 600000 - len, ",1");
    (void)snprintf(text + len, 600000 - len, "]}");
    (void)snprintf(pipeline, sizeof pipeline, STEPS_PIPELINE,
                   "[{\"explode\":\"l\"},{\"filter\":\"false\"}]");
    bed_open(&bed, pipeline);
    bed_send(&bed, text);
    cr_expect_eq(leat_exec_counts_get(bed.exec).dead_letters, 1);
    cr_expect_eq(leat_exec_counts_get(bed.exec).filtered, 0);
    cr_expect_not_null(strstr(leat_exec_last_error(bed.exec).data, "the records of one list"));
    char *cut = text + len - (size_t)2 * 60000; /* 60000 of the items, with their commas */
    memcpy(cut, "]}", sizeof "]}");
    memmove(text + 8, text + 1008, strlen(text + 1008) + 1); /* without the padding */
    bed_send(&bed, text);
    cr_expect_eq(leat_exec_counts_get(bed.exec).dead_letters, 1);
    cr_expect_eq(leat_exec_counts_get(bed.exec).filtered, 40001);
    bed_close(&bed);
    free(text);
}

static int write_list(char *text, size_t size, leat_random *random, int64_t t)
{
    static const char *const lists[] = {"[]", "[1]", "[1,2]", "[3,3,3]", "[[1],[2]]"};
    return snprintf(text, size, "{\"t\":%lld,\"k\":\"k%d\",\"l\":%s}", (long long)t,
                    (int)leat_random_below(random, 3), lists[leat_random_below(random, 5)]);
}

/* Records of one message wait in a reorder buffer and live through crashes, each of them. */
Test(op_shape, exploded_records_are_told_apart_when_they_wait)
{
    static wild_script s;
    static const char pipeline[] =
        "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\",\"timestamp\":\"t\",\"key\":\"k\","
        "\"out_of_orderness\":\"9ms\"}},\"streams\":{\"a\":{\"from\":\"s\",\"steps\":[{\"explode\":"
        "\"l\"},{\"probe\":{}}],\"to\":\"out\"}},\"dead_letter\":{\"topic\":\"dead\"}}";
    size_t lines = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        leat_random random = {seed};
        wild_draw(&s, &random, write_list);
        lines += wild_check(pipeline, &leat_operator_probe, &s, seed, "a.probe.0.cells");
    }
    cr_expect_gt(lines, 5000);
}

static const step_case cast_cases[] = {
    {"all types",
     "[{\"cast\":{\"i\":\"int\",\"u\":\"uint\",\"d\":\"double\",\"s\":\"string\",\"b\":\"bool\","
     "\"t\":\"timestamp\",\"r\":\"duration\"}}]",
     "{\"i\":\"12\",\"u\":3.9,\"d\":\"1.50\",\"s\":2,\"b\":\"true\",\"t\":"
     "\"2026-01-02T03:04:05+01:00\",\"r\":\"90s\"}",
     "out: {\"i\":12,\"u\":3,\"d\":1.5,\"s\":\"2\",\"b\":true,\"t\":\"2026-01-02T02:04:05Z\","
     "\"r\":\"90s\"}\n"},
    {"long form", "[{\"cast\":{\"i\":{\"type\":\"int\"}}}]", "{\"i\":\"12\"}", "out: {\"i\":12}\n"},
    {"missing", "[{\"cast\":{\"i\":\"int\",\"a.b\":\"int\"}}]", "{\"x\":1}", "out: {\"x\":1}\n"},
    {"nested", "[{\"cast\":{\"a.b\":\"string\"}}]", "{\"a\":{\"b\":1,\"c\":2}}",
     "out: {\"a\":{\"b\":\"1\",\"c\":2}}\n"},
    {"whole double", "[{\"cast\":{\"d\":\"double\"}}]", "{\"d\":5}", "out: {\"d\":5.0}\n"},
    {"beyond 64 bits", "[{\"cast\":{\"s\":\"string\"}}]", "{\"s\":123456789012345678901}",
     "out: {\"s\":\"123456789012345678901\"}\n"},
    {"cannot be", "[{\"cast\":{\"i\":\"int\"}}]", "{\"i\":\"x\"}",
     "dead: {\"i\":\"x\"} leat.step=streams.t.steps[0].cast leat.error=i: 'x' is no int\n"},
    {"null", "[{\"cast\":{\"i\":\"int\"}}]", "{\"i\":null}",
     "dead: {\"i\":null} leat.step=streams.t.steps[0].cast leat.error=i: no such overload: "
     "'int' applied to (null_type)\n"},
    {"a later step sees it", "[{\"cast\":{\"i\":\"int\"}},{\"set\":{\"j\":\"i + 1\"}}]",
     "{\"i\":\"1\"}", "out: {\"i\":1,\"j\":2}\n"},
};

Test(op_shape, cast)
{
    RUN(cast_cases);
}

static size_t sampled(const char *steps, size_t records, bool keys)
{
    test_bed bed;
    char pipeline[1000];
    (void)snprintf(pipeline, sizeof pipeline, STEPS_PIPELINE, steps);
    bed_open(&bed, pipeline);
    for (size_t i = 0; i < records; i++) {
        char text[100], key[40];
        (void)snprintf(text, sizeof text, "{\"id\":%zu,\"g\":%zu}", i, i % 10);
        (void)snprintf(key, sizeof key, "k%zu", i);
        leat_message message = {.topic = LEAT_STR("in"),
                                .offset = (int64_t)i,
                                .timestamp_ms = 5,
                                .key = keys ? leat_str_of(key) : LEAT_STR_NONE,
                                .value = leat_str_of(text)};
        bed_batch(&bed, &message, 1);
    }
    leat_exec_counts counts = leat_exec_counts_get(bed.exec);
    cr_expect_eq(counts.records_out + counts.dropped + counts.dead_letters, records);
    bed_close(&bed);
    return (size_t)counts.records_out;
}

Test(op_shape, sample)
{
    cr_expect_eq(sampled("[{\"sample\":1}]", 500, true), 500);
    cr_expect_eq(sampled("[{\"sample\":0.0}]", 500, true), 0);
    size_t by_key = sampled("[{\"sample\":0.25}]", 4000, true);
    cr_expect(by_key > 900 && by_key < 1100, "%zu", by_key);
    cr_expect_eq(by_key, sampled("[{\"sample\":{\"fraction\":0.25}}]", 4000, true));
    size_t by_place = sampled("[{\"sample\":0.25}]", 4000, false);
    cr_expect(by_place > 900 && by_place < 1100, "%zu", by_place);
    size_t by_id = sampled("[{\"sample\":{\"fraction\":0.25,\"by\":\"id\"}}]", 4000, true);
    cr_expect(by_id > 900 && by_id < 1100, "%zu", by_id);
    /* Ten groups, all or nothing of each. */
    size_t by_group = sampled("[{\"sample\":{\"fraction\":0.5,\"by\":\"g\"}}]", 4000, true);
    cr_expect_eq(by_group % 400, 0, "%zu", by_group);
    /* What a small sample takes, a larger one takes too. */
    cr_expect_eq(sampled("[{\"sample\":0.5},{\"sample\":0.25}]", 4000, true), by_key);
    cr_expect_eq(sampled("[{\"sample\":{\"fraction\":1,\"by\":\"nix\"}}]", 10, true), 0);
}

static const struct {
    const char *steps, *want;
} mistakes[] = {
    {"[{\"flatten\":{\"fields\":[]}}]", "needs a list of fields"},
    {"[{\"flatten\":{\"seperator\":\"_\"}}]", "unknown key 'seperator' (did you mean 'separator'"},
    {"[{\"flatten\":{\"fields\":[\"a..b\"]}}]", "fields[0]"},
    {"[{\"explode\":{\"keep_empty\":true}}]", "'field' is missing"},
    {"[{\"explode\":7}]", "must be a string with a field path, not a whole number"},
    {"[{\"explode\":\"a..b\"}]", "explode: "},
    {"[{\"cast\":{}}]", "cast needs an object of fields and types"},
    {"[{\"cast\":{\"a\":\"integer\"}}]", "must be one of: int, uint, double, string, bool"},
    {"[{\"cast\":{\"a\":\"strin\"}}]", "(did you mean 'string'?)"},
    {"[{\"sample\":1.5}]", "must be between 0 and 1"},
    {"[{\"sample\":\"x\"}]", "must be a number"},
    {"[{\"sample\":{\"by\":\"id\"}}]", "'fraction' is missing"},
    {"[{\"sample\":{\"fraction\":0.5,\"by\":\"id +\"}}]", "sample.by: "},
};

Test(op_shape, tells_mistakes)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char text[2000];
        test_bed bed;
        (void)snprintf(text, sizeof text, STEPS_PIPELINE, mistakes[i].steps);
        const char *said = bed_plan(&bed, text, NULL);
        cr_expect_not_null(strstr(said, mistakes[i].want), "%s\ngot: %swant: %s", mistakes[i].steps,
                           said, mistakes[i].want);
        bed_close(&bed);
    }
}
