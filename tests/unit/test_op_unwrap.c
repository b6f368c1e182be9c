/* SPDX-License-Identifier: Apache-2.0 */
/* Debezium's change events to rows, and null values in and out. */
#include "tests/unit/exec_harness.h"

extern const leat_operator_type leat_operator_unwrap;

#define PIPE(unwrap, source, to)                                                                   \
    "{\"name\":\"p\",\"dead_letter\":\"dead\",\"sources\":{\"s\":{\"topic\":\"in\"" source         \
    "}},\"streams\":{\"t\":{\"from\":\"s\",\"steps\":[{\"unwrap\":{" unwrap                        \
    "}}],\"to\":{\"topic\":\"out\"" to "}}}}"

typedef struct row_case {
    const char *in, *want;
} row_case;

static void run_cases(const char *pipeline, const row_case *cases, size_t count)
{
    test_bed bed;
    bed_open_with(&bed, pipeline, &leat_operator_unwrap);
    for (size_t i = 0; i < count; i++) {
        bed_send(&bed, cases[i].in);
        bed_expect(&bed, cases[i].want);
    }
    bed_close(&bed);
}

Test(op_unwrap, rows)
{
    static const row_case cases[] = {
        {"{\"op\":\"c\",\"before\":null,\"after\":{\"id\":1,\"x\":1.50}}",
         "out: {\"id\":1,\"x\":1.50}\n"},
        {"{\"op\":\"r\",\"after\":{\"id\":1}}", "out: {\"id\":1}\n"},
        {"{\"op\":\"u\",\"before\":{\"id\":1},\"after\":{\"id\":2}}", "out: {\"id\":2}\n"},
        {"{\"op\":\"u\",\"after\":{}}", "out: {}\n"},
        {"{\"schema\":{\"type\":\"struct\"},\"payload\":{\"op\":\"u\",\"after\":{\"id\":3}}}",
         "out: {\"id\":3}\n"},
        {"{\"op\":\"d\",\"before\":{\"id\":1},\"after\":null}", ""},
        {"{\"op\":\"t\"}", ""},
        {"{\"op\":\"m\"}", ""},
        {"{\"op\":\"c\",\"after\":null}", "dead: {\"op\":\"c\",\"after\":null} leat.step=streams.t."
                                          "steps[0].unwrap leat.error=a change event without "
                                          "'after'\n"},
        {"{\"op\":\"x\",\"after\":{}}",
         "dead: {\"op\":\"x\",\"after\":{}} leat.step=streams.t.steps"
         "[0].unwrap leat.error=a change event of unknown kind\n"},
        {"{\"id\":1}", "dead: {\"id\":1} leat.step=streams.t.steps[0].unwrap leat.error=no change "
                       "event: 'op' is missing, or no single letter\n"},
    };
    run_cases(PIPE("", "", ""), cases, sizeof cases / sizeof cases[0]);
}

Test(op_unwrap, marks_and_additions)
{
    static const row_case cases[] = {
        {"{\"op\":\"u\",\"ts_ms\":5,\"source\":{\"table\":\"t\",\"lsn\":1.50},\"after\":{\"id\":1 "
         "}}",
         "out: {\"id\":1 ,\"__op\":\"u\",\"__source_table\":\"t\"}\n"},
        {"{\"payload\":{\"op\":\"d\",\"source\":{\"table\":\"t\"},\"before\":{ }}}",
         "out: { \"__op\":\"d\",\"__source_table\":\"t\",\"__deleted\":true}\n"},
        {"{\"op\":\"d\",\"before\":null}",
         "dead: {\"op\":\"d\",\"before\":null} leat.step=streams.t.steps[0].unwrap leat.error=a "
         "change event without 'before' (set REPLICA IDENTITY FULL, or the like)\n"},
    };
    run_cases(PIPE("\"deletes\":\"mark\",\"add\":[\"op\",\"source.table\"]", "", ""), cases,
              sizeof cases / sizeof cases[0]);
}

/* A delete leaves as a null value under its key; tombstones that come in are counted. */
Test(op_unwrap, tombstones)
{
    static const row_case cases[] = {
        {"{\"op\":\"c\",\"after\":{\"id\":1}}", "out: {\"id\":1}\n"},
        {"{\"op\":\"d\",\"before\":{\"id\":1}}", "out: (null)\n"},
        {NULL, ""},
    };
    run_cases(PIPE("\"deletes\":\"mark\"", ",\"tombstones\":\"drop\"",
                   ",\"key\":\"string(id)\",\"tombstone\":\"has(event.__deleted)\""),
              cases, sizeof cases / sizeof cases[0]);
    static const row_case by_default[] = {
        {NULL, "dead: (null) leat.step=sources.s leat.error=null value\n"}};
    run_cases(PIPE("", "", ""), by_default, 1);
    test_bed bed;
    bed_open_with(&bed, PIPE("", ",\"tombstones\":\"drop\"", ""), &leat_operator_unwrap);
    bed_send(&bed, NULL);
    cr_expect_eq(leat_exec_counts_get(bed.exec).dropped, 1);
    cr_expect_eq(leat_exec_counts_get(bed.exec).records_in, 1);
    bed_close(&bed);
}

Test(op_unwrap, mistakes)
{
    static const row_case cases[] = {
        {PIPE("\"deletes\":\"keep\"", "", ""), "steps[0].unwrap.deletes"},
        {PIPE("\"add\":\"op\"", "", ""), "must be a list"},
        {PIPE("", "", ",\"tombstone\":\"1\""), "must give a bool"},
        {PIPE("", ",\"tombstones\":\"keep\"", ""), "sources.s.tombstones"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_bed bed;
        const char *text = bed_plan(&bed, cases[i].in, &leat_operator_unwrap);
        cr_expect_null(bed.plan, "%s was planned", cases[i].in);
        cr_expect_not_null(strstr(text, cases[i].want), "%s: said %s", cases[i].in, text);
        bed_close(&bed);
    }
}
