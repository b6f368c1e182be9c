/* SPDX-License-Identifier: Apache-2.0 */
/* join with tables in Avro: what a version is (a value, with its types), what waits for a schema,
 * what is a dead letter, and what is left of it in the changelog, also of a damaged one. */
#include "schemas/codec_avro.h"
#include "tests/unit/exec_harness.h"
#include "tests/unit/leak.h"

LEAT_SUITE(join_avro);

#define PIPELINE(source, table, steps)                                                             \
    "{\"name\":\"p\",\"schema_registry\":{\"url\":\"http://registry\"},"                           \
    "\"sources\":{\"s\":{\"topic\":\"in\",\"timestamp\":\"t\"" source "}},"                        \
    "\"tables\":{\"cards\":{\"topic\":\"cards\",\"format\":\"avro\"" table "}},"                   \
    "\"streams\":{\"a\":{\"from\":\"s\",\"steps\":[" steps "],\"to\":\"out\"}},"                   \
    "\"dead_letter\":{\"topic\":\"dead\"}}"
#define BY_KEY ",\"key\":\"k\",\"timestamp\":\"since\""
#define JOIN   "{\"join\":{\"table\":\"cards\",\"on\":\"k\",\"as\":\"c\",\"kind\":\"left\"}}"

static const char card_schema[] =
    "{\"type\":\"record\",\"name\":\"Card\",\"fields\":[{\"name\":\"k\",\"type\":\"string\"},"
    "{\"name\":\"since\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},"
    "{\"name\":\"limit\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,"
    "\"scale\":2}},{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":\"bytes\"}}]}";
static const char event_schema[] =
    "{\"type\":\"record\",\"name\":\"Event\",\"fields\":[{\"name\":\"k\",\"type\":\"string\"},"
    "{\"name\":\"t\",\"type\":\"long\"}]}";

/* --- what stands on the topics --- */

static void put_text(leat_buf *out, const char *text)
{
    leat_buf_add_varint(out, (int64_t)strlen(text));
    leat_buf_add_text(out, text);
}

static void put_frame(leat_buf *out, uint32_t number)
{
    leat_buf_reset(out);
    leat_buf_add_char(out, 0);
    leat_buf_add_u32(out, number);
}

/* cents < 128; one tag of two bytes that are no text */
static leat_str card_of(leat_buf *out, const char *key, int64_t since_ms, int cents)
{
    put_frame(out, 7);
    put_text(out, key);
    leat_buf_add_varint(out, since_ms);
    leat_buf_add_varint(out, 1);
    leat_buf_add_char(out, (char)cents);
    leat_buf_add_varint(out, 1);
    put_text(out, "\xff\xfe");
    leat_buf_add_varint(out, 0);
    return leat_buf_str(out);
}

static leat_str event_of(leat_buf *out, const char *key, int64_t time_ms)
{
    put_frame(out, 8);
    put_text(out, key);
    leat_buf_add_varint(out, time_ms);
    return leat_buf_str(out);
}

/* --- a worker with a registry --- */

/* Answers all that is wanted; how many questions that were. */
static int answer(test_bed *bed, const leat_message *messages, size_t count)
{
    leat_want want;
    leat_err err;
    int asked = 0;
    for (; leat_exec_wants(bed->exec, messages, count, &want); asked++) {
        leat_answer given = {.why = LEAT_STR("it is not there")};
        cr_assert_eq(want.kind, LEAT_WANT_ID);
        if (want.id == 7) given.schema = leat_str_of(card_schema);
        if (want.id == 8) given.schema = leat_str_of(event_schema);
        cr_assert_eq(leat_exec_give(bed->exec, &want, &given, &err), LEAT_OK, "%s", err.text);
        cr_assert_lt(asked, 10);
    }
    return asked;
}

static leat_message message_of(test_bed *bed, const char *topic, leat_str value)
{
    return (leat_message){.topic = leat_str_of(topic),
                          .offset = ++bed->offset,
                          .timestamp_ms = 5,
                          .key = LEAT_STR("K"),
                          .value = value};
}

static int send(test_bed *bed, const char *topic, leat_str value)
{
    leat_message message = message_of(bed, topic, value);
    int asked = answer(bed, &message, 1);
    bed_batch(bed, &message, 1);
    return asked;
}

static void record(test_bed *bed, const char *json)
{
    send(bed, "in", leat_str_of(json));
}

/* --- tests --- */

Test(join_avro, a_version_keeps_its_types)
{
    test_bed bed;
    leat_buf bytes;
    leat_buf_init(&bytes, 1000);
    bed_open(&bed, PIPELINE("", BY_KEY,
                            JOIN ",{\"set\":{\"year\":\"c.since.getFullYear()\","
                                 "\"twice\":\"c.limit * 2.0\",\"exact\":\"c.limit\","
                                 "\"first\":\"c.tags[0] == b'\\\\xff\\\\xfe'\"}},"
                                 "{\"drop\":[\"c.tags\"]}"));
    cr_expect_eq(send(&bed, "cards", card_of(&bytes, "x", 10, 120)), 1);
    cr_expect_eq(send(&bed, "cards", card_of(&bytes, "x", 30, 50)), 0);
    record(&bed, "{\"k\":\"x\",\"t\":29}");
    record(&bed, "{\"k\":\"x\",\"t\":30}");
    record(&bed, "{\"k\":\"y\",\"t\":31}");
    bed_end(&bed);
    bed_expect(&bed,
               "out: {\"k\":\"x\",\"t\":29,\"c\":{\"k\":\"x\",\"since\":\"1970-01-01T00:00:00.01Z\""
               ",\"limit\":1.20},\"year\":1970,\"twice\":2.4,\"exact\":1.20,\"first\":true}\n"
               "out: {\"k\":\"x\",\"t\":30,\"c\":{\"k\":\"x\",\"since\":\"1970-01-01T00:00:00.03Z\""
               ",\"limit\":0.50},\"year\":1970,\"twice\":1.0,\"exact\":0.50,\"first\":true}\n"
               "dead: {\"k\":\"y\",\"t\":31} leat.step=streams.a.steps[1].set leat.error=year: no "
               "such overload: 'field selection' applied to (null_type, string) (column 3)\n");
    leat_buf_release(&bytes);
    bed_close(&bed);
}

/* A batch of both topics waits for what either needs; each is asked for by who reads it. */
Test(join_avro, both_sides_wait_for_their_schemas)
{
    test_bed bed;
    leat_buf card, event;
    leat_want want;
    leat_buf_init(&card, 1000);
    leat_buf_init(&event, 1000);
    bed_open(&bed, PIPELINE(",\"format\":\"avro\"", BY_KEY, JOIN ",{\"keep\":[\"k\",\"c\"]}"));
    leat_message messages[] = {message_of(&bed, "cards", card_of(&card, "x", 10, 1)),
                               message_of(&bed, "in", event_of(&event, "x", 20)),
                               message_of(&bed, "cards", LEAT_STR_NONE)};
    cr_assert(leat_exec_wants(bed.exec, messages, 3, &want) && want.id == 8);
    cr_assert(leat_exec_wants(bed.exec, messages, 1, &want) && want.id == 7);
    cr_assert_not(leat_exec_wants(bed.exec, messages + 2, 1, &want));
    cr_expect_eq(answer(&bed, messages, 3), 2);
    bed_batch(&bed, messages, 3);
    bed_end(&bed);
    bed_expect(&bed, "out: {\"k\":\"x\",\"c\":{\"k\":\"x\",\"since\":\"1970-01-01T00:00:00.01Z\","
                     "\"limit\":0.01,\"tags\":[\"//4=\"]}}\n");
    leat_buf_release(&card);
    leat_buf_release(&event);
    bed_close(&bed);
}

Test(join_avro, tombstones_and_restarts)
{
    test_bed bed;
    leat_buf bytes;
    leat_buf_init(&bytes, 1000);
    bed_open(&bed, PIPELINE("", ",\"timestamp\":\"since\"", JOIN));
    send(&bed, "cards", card_of(&bytes, "x", 3, 1));
    bed_commit(&bed);
    bed_crash(&bed); /* no schema is needed any more */
    record(&bed, "{\"k\":\"K\",\"t\":4}");
    leat_message gone = message_of(&bed, "cards", LEAT_STR_NONE);
    gone.timestamp_ms = 10;
    cr_expect_eq(answer(&bed, &gone, 1), 0);
    bed_batch(&bed, &gone, 1);
    bed_commit(&bed);
    bed_crash(&bed);
    record(&bed, "{\"k\":\"K\",\"t\":9}");
    record(&bed, "{\"k\":\"K\",\"t\":11}");
    bed_end(&bed);
    const char *const card = "{\"k\":\"x\",\"since\":\"1970-01-01T00:00:00.003Z\",\"limit\":0.01,"
                             "\"tags\":[\"//4=\"]}";
    char want[600];
    (void)snprintf(want, sizeof want,
                   "out: {\"k\":\"K\",\"t\":4,\"c\":%s}\nout: {\"k\":\"K\",\"t\":9,\"c\":%s}\n"
                   "out: {\"k\":\"K\",\"t\":11,\"c\":null}\n",
                   card, card);
    bed_expect(&bed, want);
    leat_buf_release(&bytes);
    bed_close(&bed);
}

/* What the table's topic holds is masked as the stream's records are. */
Test(join_avro, bad_records_are_dead_letters)
{
    test_bed bed;
    leat_buf bytes;
    leat_buf_init(&bytes, 1000);
    bed_open(&bed, PIPELINE("", ",\"key\":\"k + string([1][int(limit)])\"",
                            JOIN ",{\"mask\":{\"k\":\"redact\"}}"));
    send(&bed, "cards", card_of(&bytes, "secret", 3, 120));
    leat_str cut = card_of(&bytes, "x", 3, 1);
    send(&bed, "cards", leat_str_slice(cut, 0, 8));
    put_frame(&bytes, 9);
    send(&bed, "cards", leat_buf_str(&bytes));
    send(&bed, "cards", LEAT_STR("plain"));
    for (size_t i = 0; i < bed.out.len; i++)
        if (bed.out.data[i] == '\0') bed.out.data[i] = '0';
    leat_buf_add_char(&bed.out, '\0');
    const char *const wants[] = {
        "dead: {\"k\":\"***\",\"since\"", "\"limit\":1.20",
        "leat.step=tables.cards",         "'limit': the record ends inside of this value",
        "leat.error=it is not there",     "does not begin with 0 and the number"};
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++)
        cr_expect_not_null(strstr(bed.out.data, wants[i]), "%s: %s", wants[i], bed.out.data);
    cr_expect_null(strstr(bed.out.data, "secret"), "%s", bed.out.data);
    cr_expect_eq(leat_exec_counts_get(bed.exec).dead_letters, 4);
    leat_buf_release(&bytes);
    bed_close(&bed);
}

/* A cell as a damaged changelog may hand it over: refused as damaged, or read as something. */
static void restore_damaged(test_bed *bed, const bed_cell *cell, leat_str bytes)
{
    leat_err err;
    const leat_output *outputs;
    size_t count, name_len = strlen(cell->key.data);
    leat_exec_close(&bed->exec);
    cr_assert_eq(leat_exec_open(bed->plan, 0, BED_STATE_MAX, &bed->exec, &err), LEAT_OK);
    leat_table *table = leat_exec_table(bed->exec, leat_str_slice(cell->key, 0, name_len));
    leat_str key = leat_str_slice(cell->key, name_len + 1, cell->key.len);
    char *copy = malloc(bytes.len + 1); /* its own block, so that a read past its end is seen */
    cr_assert_not_null(copy);
    memcpy(copy, bytes.data, bytes.len);
    leat_code code = leat_table_restore(table, key, (leat_str){copy, bytes.len}, &err);
    free(copy);
    if (code == LEAT_OK) code = leat_exec_restored(bed->exec, &err);
    leat_message in = message_of(bed, "in", LEAT_STR("{\"k\":\"x\",\"t\":90}"));
    if (code == LEAT_OK) code = leat_exec_batch(bed->exec, &in, 1, &outputs, &count, &err);
    if (code == LEAT_OK) code = leat_exec_end(bed->exec, &outputs, &count, &err);
    cr_assert(code == LEAT_OK || code == LEAT_ERR_DAMAGED, "%s", err.text);
}

Test(join_avro, damaged_cells)
{
    test_bed bed;
    leat_buf bytes;
    size_t cells = 0;
    leat_buf_init(&bytes, 1000);
    bed_open(&bed, PIPELINE("", BY_KEY, JOIN));
    send(&bed, "cards", card_of(&bytes, "x", 10, 120));
    send(&bed, "cards", card_of(&bytes, "x", 80, 5));
    bed_commit(&bed);
    for (size_t i = 0; i < bed.log_count; i++) {
        const bed_cell cell = bed.log[i];
        if (strcmp(cell.key.data, "tables.cards") != 0) continue;
        cells++;
        restore_damaged(&bed, &cell, cell.value);
        for (size_t len = 0; len < cell.value.len; len++)
            restore_damaged(&bed, &cell, leat_str_slice(cell.value, 0, len));
        char *copy = malloc(cell.value.len);
        cr_assert_not_null(copy);
        memcpy(copy, cell.value.data, cell.value.len);
        for (size_t bit = 0; bit < 8 * cell.value.len; bit++) {
            copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
            restore_damaged(&bed, &cell, (leat_str){copy, cell.value.len});
            copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
        }
        free(copy);
    }
    cr_expect_eq(cells, 1);
    leat_buf_release(&bytes);
    bed_close(&bed);
}
