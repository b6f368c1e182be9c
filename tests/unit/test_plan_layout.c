/* SPDX-License-Identifier: Apache-2.0 */
/* What a record looks like behind steps that read, assign, drop, keep and rename, where the planner
 * has to find a value in more than one place: through the whole way, planner to encoder. */
#include "tests/unit/exec_harness.h"
#include "tests/unit/leak.h"

LEAT_SUITE(plan_layout);

#define PIPELINE                                                                                   \
    "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},"                                      \
    "\"streams\":{\"t\":{\"from\":\"s\",\"steps\":[%s],\"to\":\"out\"}},"                          \
    "\"dead_letter\":\"dead\"}"

static const struct {
    const char *name, *steps, *input, *want;
} cases[] = {
    {"an object with a changed member is read with the change",
     "{\"set\":{\"a.b\":\"1\"}},{\"set\":{\"c\":\"a\"}}", "{\"a\":{\"x\":1.50}}",
     "out: {\"a\":{\"x\":1.50,\"b\":1},\"c\":{\"x\":1.50,\"b\":1}}\n"},
    {"in the same step too", "{\"set\":{\"a.b\":\"1\",\"c\":\"a\"}}", "{\"a\":{\"x\":1.50}}",
     "out: {\"a\":{\"x\":1.50,\"b\":1},\"c\":{\"x\":1.50,\"b\":1}}\n"},
    {"a copy of the untouched record", "{\"set\":{\"copy\":\"event\"}}", "{\"a\":1.10}",
     "out: {\"a\":1.10,\"copy\":{\"a\":1.10}}\n"},
    {"a copy of the changed record", "{\"set\":{\"x\":\"a\"}},{\"set\":{\"copy\":\"event\"}}",
     "{\"a\":1.10}", "out: {\"a\":1.10,\"x\":1.10,\"copy\":{\"a\":1.10,\"x\":1.10}}\n"},
    {"a record is what it was when the copy was planned",
     "{\"set\":{\"copy\":\"event\",\"a\":\"2\"}}", "{\"a\":1}",
     "out: {\"a\":2,\"copy\":{\"a\":1}}\n"},
    {"a native value in a view",
     "{\"set\":{\"a.t\":\"timestamp('2026-01-01T00:00:00Z')\"}},"
     "{\"filter\":\"event['a'].t.getFullYear() == 2026 && event['n'] * 2.0 == 3.0\"}",
     "{\"n\":1.5}", "out: {\"n\":1.5,\"a\":{\"t\":\"2026-01-01T00:00:00Z\"}}\n"},
    {"kept from inside a renamed object", "{\"rename\":{\"pay\":\"p\"}},{\"keep\":[\"p.amount\"]}",
     "{\"pay\":{\"amount\":12.50,\"x\":1}}", "out: {\"p\":{\"amount\":12.50}}\n"},
    {"kept deep inside it", "{\"rename\":{\"pay\":\"p\"}},{\"keep\":[\"p.a.b\",\"p.a.c\"]}",
     "{\"pay\":{\"a\":{\"c\":2.0,\"b\":1e2,\"d\":3}}}",
     "out: {\"p\":{\"a\":{\"b\":1e2,\"c\":2.0}}}\n"},
    {"a bare path into it is exact", "{\"rename\":{\"pay\":\"p\"}},{\"set\":{\"c\":\"p.amount\"}}",
     "{\"pay\":{\"amount\":12.50}}", "out: {\"p\":{\"amount\":12.50},\"c\":12.50}\n"},
    {"a computation with it is not",
     "{\"rename\":{\"pay\":\"p\"}},{\"set\":{\"c\":\"p.amount + 0.25\"}}",
     "{\"pay\":{\"amount\":12.50}}", "out: {\"p\":{\"amount\":12.50},\"c\":12.75}\n"},
    {"keys with escapes, escaped keys",
     "{\"rename\":{\"o\":\"p\"}},{\"keep\":[\"p.'a\\\"b'\",\"p.c\"]}",
     "{\"o\":{\"a\\\"b\":1.0,\"\\u0063\":\"\\u0064\",\"]\":\"}\"}}",
     "out: {\"p\":{\"a\\\"b\":1.0,\"c\":\"d\"}}\n"},
    {"inside a made map",
     "{\"set\":{\"m\":\"{'a': {'b': 1}}\"}},{\"set\":{\"m.a.c\":\"m.a.b + 1\"}}", "{}",
     "out: {\"m\":{\"a\":{\"b\":1,\"c\":2}}}\n"},
    {"inside a made map, in one step", "{\"set\":{\"m\":\"{'a': 1}\",\"m.c\":\"m.a + 1\"}}", "{}",
     "out: {\"m\":{\"a\":1,\"c\":2}}\n"},
    {"asked for beside a change",
     "{\"set\":{\"m\":\"{'a': 1}\"}},{\"set\":{\"m.c\":\"2\"}},"
     "{\"set\":{\"x\":\"[has(m.a), has(m.b), has(m.c)]\"}}",
     "{}", "out: {\"m\":{\"a\":1,\"c\":2},\"x\":[true,false,true]}\n"},
    {"asked for below a parent that was made",
     "{\"set\":{\"a.b\":\"1\"}},"
     "{\"set\":{\"x\":\"[has(a.b), has(a.c)]\"}}",
     "{}", "out: {\"a\":{\"b\":1},\"x\":[true,false]}\n"},
    {"dropped from inside a renamed object", "{\"rename\":{\"o\":\"p\"}},{\"drop\":[\"p.a.b\"]}",
     "{\"o\":{\"a\":{\"b\":1,\"c\":2.50}}}", "out: {\"p\":{\"a\":{\"c\":2.50}}}\n"},
    {"dropped below what is no object", "{\"drop\":[\"a.b\"]}", "{\"a\":5}", "out: {\"a\":5}\n"},
    {"kept below what is no object", "{\"keep\":[\"a.b\"]}", "{\"a\":5}", "out: {}\n"},
    {"kept below nothing", "{\"keep\":[\"a.b\"]}", "{\"x\":5}", "out: {}\n"},
    {"the last inner field leaves {}", "{\"drop\":[\"a.b\"]}", "{\"a\":{\"b\":1}}",
     "out: {\"a\":{}}\n"},
    {"a kept parent without the field", "{\"keep\":[\"a.b\"]}", "{\"a\":{\"c\":1}}",
     "out: {\"a\":{}}\n"},
    {"an object that a step made, emptied", "{\"set\":{\"a.b\":\"1\"}},{\"drop\":[\"a.b\"]}",
     "{\"x\":1}", "out: {\"x\":1,\"a\":{}}\n"},
    {"kept of it what is not there", "{\"set\":{\"a.b\":\"1\"}},{\"keep\":[\"a.c\"]}", "{\"x\":1}",
     "out: {\"a\":{}}\n"},
    {"dropped and set again", "{\"drop\":[\"a\"]},{\"set\":{\"a\":\"2\"}}", "{\"a\":1,\"b\":2}",
     "out: {\"a\":2,\"b\":2}\n"},
    {"dropped, and a part set again", "{\"drop\":[\"a\"]},{\"set\":{\"a.b\":\"2\"}}",
     "{\"a\":{\"b\":1,\"c\":3}}", "out: {\"a\":{\"b\":2}}\n"},
    {"kept, then set below", "{\"keep\":[\"a.b\"]},{\"set\":{\"a.c\":\"2\"}}",
     "{\"a\":{\"b\":1,\"c\":3,\"d\":4}}", "out: {\"a\":{\"b\":1,\"c\":2}}\n"},
    {"kept twice", "{\"keep\":[\"a.b\",\"a.c\",\"x\"]},{\"keep\":[\"a.c\"]}",
     "{\"a\":{\"b\":1,\"c\":3.0,\"d\":4},\"x\":1}", "out: {\"a\":{\"c\":3.0}}\n"},
    {"the whole and a part of it", "{\"keep\":[\"a\",\"a.b\"]}", "{\"a\":{\"b\":1,\"c\":3}}",
     "out: {\"a\":{\"b\":1,\"c\":3}}\n"},
    {"a part and the whole of it", "{\"keep\":[\"a.b\",\"a\"]}", "{\"a\":{\"b\":1,\"c\":3}}",
     "out: {\"a\":{\"b\":1,\"c\":3}}\n"},
    {"a kept part, kept and asked for more", "{\"keep\":[\"a.b.c\"]},{\"keep\":[\"a\",\"a.b.d\"]}",
     "{\"a\":{\"b\":{\"c\":1,\"d\":2}}}", "out: {\"a\":{\"b\":{\"c\":1}}}\n"},
    {"gone is gone for has()", "{\"keep\":[\"a\"]},{\"set\":{\"x\":\"has(event.b)\"}}",
     "{\"a\":1,\"b\":2}", "out: {\"a\":1,\"x\":false}\n"},
    {"a renamed field keeps what it was", "{\"rename\":{\"a\":\"b\"}},{\"filter\":\"b.x > 1.0\"}",
     "{\"b\":{\"x\":2.50}}", "out: {\"b\":{\"x\":2.50}}\n"},
    {"a renamed object with a changed member",
     "{\"set\":{\"a.b\":\"1\"}},{\"rename\":{\"a\":\"c\"}}", "{\"a\":{\"x\":2.50}}",
     "out: {\"c\":{\"x\":2.50,\"b\":1}}\n"},
    {"names of types are types, but type is a field",
     "{\"filter\":\"type == 'x' && type(a) == int && event.int == 'y'\"}",
     "{\"type\":\"x\",\"a\":1,\"int\":\"y\"}", "out: {\"type\":\"x\",\"a\":1,\"int\":\"y\"}\n"},
    {"a field named event, one named meta",
     "{\"filter\":\"event.event == 1 && event.meta == 2 && meta.topic == 'in'\"}",
     "{\"event\":1,\"meta\":2}", "out: {\"event\":1,\"meta\":2}\n"},
    {"quoted names", "{\"set\":{\"'a.b'.c\":\"event['x.y'] + 1\"}},{\"drop\":[\"'x.y'\"]}",
     "{\"x.y\":1}", "out: {\"a.b\":{\"c\":2}}\n"},
    {"an integer beyond 64 bits passes",
     "{\"rename\":{\"o\":\"p\"}},{\"keep\":[\"p.n\"]},{\"set\":{\"m\":\"p.n\"}}",
     "{\"o\":{\"n\":123456789012345678901234567890}}",
     "out: {\"p\":{\"n\":123456789012345678901234567890},\"m\":123456789012345678901234567890}\n"},
    {"nothing inside a text", "{\"rename\":{\"o\":\"p\"}},{\"keep\":[\"p.n\"]}", "{\"o\":\"text\"}",
     "out: {}\n"},
    {"a mask of a field inside", "{\"rename\":{\"o\":\"p\"}},{\"mask\":{\"p.n\":\"redact\"}}",
     "{\"o\":{\"n\":1,\"m\":2}}", "out: {\"p\":{\"n\":\"***\",\"m\":2}}\n"},
};

Test(plan_layout, cases)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_bed bed;
        char text[4096];
        (void)snprintf(text, sizeof text, PIPELINE, cases[i].steps);
        bed_open(&bed, text);
        bed_send(&bed, cases[i].input);
        leat_buf_add_char(&bed.out, '\0');
        cr_expect_str_eq(bed.out.data, cases[i].want, "%s: %s\ngot  %swant %s", cases[i].name,
                         cases[i].steps, bed.out.data, cases[i].want);
        bed_close(&bed);
    }
}

/* What a fill would need is made by the step that it stands in front of. */
Test(plan_layout, inside_of_what_the_step_makes)
{
    test_bed bed;
    char text[4096];
    (void)snprintf(text, sizeof text, PIPELINE,
                   "{\"set\":{\"m\":\"{'a': {'b': 1}}\",\"m.a.c\":\"2\"}}");
    const char *said = bed_plan(&bed, text, NULL);
    cr_expect_null(bed.plan);
    cr_expect(strstr(said, "'m.a' needs something that this same step assigns") != NULL, "%s",
              said);
    bed_close(&bed);
}

/* Two streams that read one source do not see each other's changes. */
Test(plan_layout, branches)
{
    test_bed bed;
    bed_open(
        &bed,
        "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{"
        "\"t\":{\"from\":\"s\",\"steps\":[{\"set\":{\"a.b\":\"1\"}}],\"to\":\"t\"},"
        "\"u\":{\"from\":\"s\",\"steps\":[{\"set\":{\"a.b\":\"2\",\"c\":\"a\"}}],\"to\":\"u\"},"
        "\"v\":{\"from\":\"t\",\"steps\":[{\"drop\":[\"a\"]}],\"to\":[\"v\",\"w\"]}},"
        "\"dead_letter\":\"dead\"}");
    bed_send(&bed, "{\"a\":{\"x\":0}}");
    bed_expect(&bed, "t: {\"a\":{\"x\":0,\"b\":1}}\n"
                     "v: {}\nw: {}\n"
                     "u: {\"a\":{\"x\":0,\"b\":2},\"c\":{\"x\":0,\"b\":2}}\n");
    bed_close(&bed);
}
