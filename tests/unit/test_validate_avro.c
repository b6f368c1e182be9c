/* SPDX-License-Identifier: Apache-2.0 */
/* validate against Avro schemas: values as they are, not as JSON shows them; mistakes. What records
 * are refused with which words stands in the golden case validate-avro. */
#include <math.h>

#include "tests/unit/exec_harness.h"
#include "tests/unit/leak.h"

LEAT_SUITE(validate_avro);

#define PIPELINE(step)                                                                             \
    "{\"name\":\"p\",\"schema_registry\":{\"url\":\"http://registry\"},"                           \
    "\"sources\":{\"s\":{\"topic\":\"in\",\"format\":\"avro\"}},"                                  \
    "\"streams\":{\"a\":{\"from\":\"s\",\"steps\":[{\"validate\":" step "},"                       \
    "{\"set\":{\"ok\":\"double(n) != 0.0\"}},{\"keep\":[\"ok\"]}],\"to\":\"out\"}},"               \
    "\"dead_letter\":{\"topic\":\"dead\"}}"
#define SCHEMA(n)                                                                                  \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"n\",\"type\":" n "},"             \
    "{\"name\":\"b\",\"type\":\"bytes\"}]}"

static void send(test_bed *bed, double number)
{
    leat_want want;
    leat_err err;
    leat_buf out;
    const leat_answer answer = {.schema = leat_str_of(SCHEMA("\"double\""))};
    leat_buf_init(&out, 100);
    leat_buf_add_char(&out, 0);
    leat_buf_add_u32(&out, 1);
    leat_buf_add(&out, (leat_str){(const char *)&number, sizeof number});
    leat_buf_add_varint(&out, 1);
    leat_buf_add_char(&out, '\xff');
    leat_message message = {.topic = LEAT_STR("in"),
                            .offset = ++bed->offset,
                            .timestamp_ms = 1,
                            .value = leat_buf_str(&out)};
    if (leat_exec_wants(bed->exec, &message, 1, &want))
        cr_assert_eq(leat_exec_give(bed->exec, &want, &answer, &err), LEAT_OK, "%s", err.text);
    bed_batch(bed, &message, 1);
    leat_buf_release(&out);
}

/* What JSON cannot say is valid all the same; nobody makes text of the record. */
Test(validate_avro, values_of_an_avro_source)
{
    test_bed bed;
    bed_open(&bed, PIPELINE("{\"avro_schema\":" SCHEMA("\"double\"") "}"));
    cr_expect(bed.plan->sources[0].shape->raw_unread);
    send(&bed, NAN);
    send(&bed, 2.5);
    bed_expect(&bed, "out: {\"ok\":true}\nout: {\"ok\":true}\n");
    bed_close(&bed);
    bed_open(&bed, PIPELINE("{\"avro_schema\":" SCHEMA("\"int\"") "}"));
    send(&bed, 2.0);
    send(&bed, 2.5);
    for (size_t i = 0; i < bed.out.len; i++)
        if (bed.out.data[i] == '\0') bed.out.data[i] = '0';
    leat_buf_add_char(&bed.out, '\0');
    cr_expect_not_null(strstr(bed.out.data, "out: {\"ok\":true}\ndead: "), "%s", bed.out.data);
    cr_expect_not_null(strstr(bed.out.data, "leat.error=Avro: 'n': expected int, but the number"));
    bed_close(&bed);
}

Test(validate_avro, a_field_alone)
{
    test_bed bed;
    bed_open(&bed, PIPELINE("{\"field\":\"n\",\"avro_schema\":{\"type\":\"float\"}}"));
    send(&bed, 2.5);
    bed_expect(&bed, "out: {\"ok\":true}\n");
    bed_close(&bed);
    bed_open(&bed, PIPELINE("{\"field\":\"x.y\",\"avro_schema\":{\"type\":\"float\"}}"));
    send(&bed, 2.5);
    cr_expect_eq(leat_exec_counts_get(bed.exec).dead_letters, 1);
    bed_close(&bed);
}

static const struct {
    const char *step, *want;
} mistakes[] = {
    {"{}", "one of 'json_schema', 'avro_schema', 'subject' is missing"},
    {"{\"json_schema\":{},\"avro_schema\":{\"type\":\"int\"}}",
     "only one of 'json_schema', 'avro_schema', 'subject' can be given"},
    {"{\"subject\":\"s-value\"}", "needs the pipeline's 'schema_registry'"},
    {"{\"avro_schema\":{\"type\":\"int\"}}",
     "must be the schema of a record, not of type int; for one field, name it by 'field'"},
    {"{\"avro_schema\":{\"type\":\"enum\",\"name\":\"E\"}}", "avro_schema: "},
    {"{\"avro_schema\":{\"type\":\"integer\"},\"field\":\"n\"}", "'integer'"},
    {"{\"avro_schema\":\"nowhere.avsc\"}", "nowhere.avsc"},
    {"{\"avro_schema\":7}", "must be"},
};

Test(validate_avro, tells_mistakes)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char text[1000];
        test_bed bed;
        (void)snprintf(text, sizeof text,
                       "{\"name\":\"p\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{\"a\":{"
                       "\"from\":\"s\",\"steps\":[{\"validate\":%s}],\"to\":\"out\"}}}",
                       mistakes[i].step);
        const char *said = bed_plan(&bed, text, NULL);
        cr_expect_not_null(strstr(said, mistakes[i].want), "%s\ngot: %swant: %s", mistakes[i].step,
                           said, mistakes[i].want);
        cr_expect_null(bed.plan, "%s", mistakes[i].step);
        bed_close(&bed);
    }
}
