/* SPDX-License-Identifier: Apache-2.0 */
/* What the CSV codec costs per row, beside the JSON codec on the same events: one line of JSON
 * each.
 *
 *   bench_csv [ROUNDS [NAME]]      NAME: only what begins so
 *
 * The events are those of bench_json, as rows: 12 columns, numbers typed. Each figure is the best
 * of ROUNDS rounds (default 30) over 2,000 rows; instructions are counted by
 * `valgrind --tool=callgrind`. What is read ends in a sum that has to be that of JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/harness.h"
#include "core/path.h"
#include "schemas/codec_csv.h"
#include "schemas/codec_json.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#include "bench/peers/c/gen.h"
#pragma GCC diagnostic pop

#define EVENTS      2000u
#define ARENA_MAX   ((size_t)256 << 20)
#define FIELDS      6u
#define COLUMNS_MAX 32u

static const char *const fields[FIELDS] = {"ts",          "card_id", "amount",
                                           "merchant_id", "country", "status"};

typedef struct bench {
    leat_message rows[EVENTS];
    leat_str events[EVENTS]; /* the same as JSON */
    size_t bytes;
    leat_csv_column columns[COLUMNS_MAX];
    leat_csv_codec codec, writer;
    void *state, *writing;
    leat_arena *arena, *kept;
    leat_json_decoder *json;
    leat_field *layout;
    leat_buf out;
    bool raw_unread;
    double check; /* the sum that all must find */
    const char *only;
} bench;

static double sum_slots(const leat_value *slots)
{
    double sum = 0;
    for (size_t i = 0; i < FIELDS; i++)
        sum += slots[i].tag == LEAT_INT      ? (double)slots[i].as.i
               : slots[i].tag == LEAT_DOUBLE ? slots[i].as.d
                                             : slots[i].len;
    return sum;
}

/* --- what is measured --- */

static leat_str decode(bench *b, size_t i, leat_value *slots)
{
    leat_err err;
    leat_codec_in in = {.message = &b->rows[i],
                        .json = b->json,
                        .arena = b->arena,
                        .slots = slots,
                        .raw_unread = b->raw_unread};
    memset(slots, 0, FIELDS * sizeof *slots);
    bench_must(leat_codec_csv.decode(&b->codec.codec, b->state, &in, &err), &err);
    return in.raw;
}

static double run_json(bench *b)
{
    double sum = 0;
    leat_err err;
    for (size_t i = 0; i < EVENTS; i++) {
        leat_value slots[FIELDS];
        leat_str raw;
        bench_must(leat_json_decode(b->json, b->events[i], b->arena, slots, &raw, &err), &err);
        sum += sum_slots(slots);
    }
    leat_arena_reset(b->arena);
    return sum;
}

static double run_decode(bench *b)
{
    double sum = 0;
    for (size_t i = 0; i < EVENTS; i++) {
        leat_value slots[FIELDS];
        (void)decode(b, i, slots);
        sum += sum_slots(slots);
    }
    leat_arena_reset(b->arena);
    return sum;
}

static double run_encode(bench *b)
{
    double sum = 0;
    leat_err err;
    for (size_t i = 0; i < EVENTS; i++) {
        leat_value slots[FIELDS];
        leat_str raw = decode(b, i, slots);
        sum += sum_slots(slots);
        leat_buf_reset(&b->out);
        leat_codec_out out = {
            .root = b->layout, .raw = raw, .slots = slots, .arena = b->arena, .to = &b->out};
        bench_must(leat_codec_csv.encode(&b->writer.codec, b->writing, &out, &err), &err);
        if (b->out.len < 20) exit(1);
    }
    leat_arena_reset(b->arena);
    return sum;
}

static void measure(bench *b, const char *name, double (*run)(bench *), int rounds)
{
    double best = INFINITY;
    if (!leat_str_starts(leat_str_of(name), leat_str_of(b->only))) return;
    for (int i = 0; i < rounds; i++) {
        double start = bench_now_ns();
        double sum = run(b);
        double ns = bench_now_ns() - start;
        if (ns < best) best = ns;
        if (fabs(sum - b->check) < 1e-9 * b->check) continue;
        bench_fail("%s read %.6f, expected %.6f", name, sum, b->check);
    }
    printf("{\"bench\":\"csv\",\"name\":\"%s\",\"ns_per_event\":%.1f,\"bytes_per_event\":%.1f}\n",
           name, best / EVENTS, (double)b->bytes / EVENTS);
}

/* --- preparation --- */

static void make_row(bench *b, size_t at, leat_str event)
{
    leat_err err;
    leat_value map;
    event = leat_arena_copy(b->kept, event);
    bench_must(leat_json_value(event, LEAT_JSON_LIMITS_DEFAULT, b->kept, &map, &err), &err);
    leat_buf_reset(&b->out);
    for (uint32_t i = 0; i < map.len; i++) {
        leat_value value = map.as.entries[i].value;
        leat_csv_type type = value.tag == LEAT_INT      ? LEAT_CSV_INT
                             : value.tag == LEAT_DOUBLE ? LEAT_CSV_DOUBLE
                             : value.tag == LEAT_BOOL   ? LEAT_CSV_BOOL
                                                        : LEAT_CSV_STRING;
        if (at == 0) b->columns[i] = (leat_csv_column){leat_value_str(map.as.entries[i].key), type};
        if (i > 0) leat_buf_add_char(&b->out, ',');
        if (type == LEAT_CSV_STRING)
            leat_buf_add(&b->out, leat_value_str(value));
        else
            bench_must(leat_json_write(value, b->kept, &b->out, &err), &err);
    }
    b->codec.columns_count = map.len;
    b->events[at] = event;
    b->rows[at].value = leat_arena_copy(b->kept, leat_buf_str(&b->out));
    b->bytes += b->rows[at].value.len;
}

static void make_rows(bench *b)
{
    gen_t *generator = leat_arena_alloc(b->kept, sizeof *generator);
    if (generator == NULL) exit(1);
    gen_init(generator, 42);
    for (size_t i = 0; i < EVENTS; i++) {
        char text[512], key[64];
        int key_len,
            len = gen_pay(generator, i, GEN_BASE_MS + (int64_t)i, text, sizeof text, key, &key_len);
        make_row(b, i, (leat_str){text, (size_t)len});
    }
}

static void open_codecs(bench *b)
{
    static leat_csv_column written[5];
    static leat_slot_request requests[FIELDS];
    leat_json_plan *plan;
    leat_err err;
    for (uint32_t i = 0; i < FIELDS; i++) {
        requests[i] = (leat_slot_request){.slot = i};
        bench_must(leat_path_parse(leat_str_of(fields[i]), b->kept, &requests[i].path, &err), &err);
    }
    bench_must(leat_json_plan_new(requests, FIELDS, LEAT_JSON_LIMITS_DEFAULT, b->kept, &plan, &err),
               &err);
    b->json = leat_json_decoder_new(plan);
    b->codec.codec.type = b->writer.codec.type = &leat_codec_csv;
    b->codec.delimiter = b->writer.delimiter = ',';
    b->codec.quote = b->writer.quote = '"';
    b->codec.columns = b->columns;
    b->layout = leat_arena_zero(b->kept, sizeof *b->layout);
    leat_field *inner = leat_arena_zero(b->kept, 5 * sizeof *inner);
    if (b->layout == NULL || inner == NULL) exit(1);
    *b->layout = (leat_field){.kind = LEAT_FIELD_OBJECT, .slot = LEAT_SLOT_NONE, .fields = inner};
    for (uint32_t i = 0; i < 5; i++) {
        written[i].name = leat_str_of(fields[i]);
        inner[i] = (leat_field){.name = written[i].name, .kind = LEAT_FIELD_SLOT, .slot = i};
        inner[i].next = i < 4 ? &inner[i + 1] : NULL;
    }
    b->writer.columns = written;
    b->writer.columns_count = 5;
    bench_must(leat_codec_csv.open(&b->codec.codec, requests, FIELDS, LEAT_JSON_LIMITS_DEFAULT,
                                   &b->state, &err),
               &err);
    bench_must(
        leat_codec_csv.open(&b->writer.codec, NULL, 0, LEAT_JSON_LIMITS_DEFAULT, &b->writing, &err),
        &err);
}

int main(int argc, char **argv)
{
    static bench b;
    leat_err err;
    int rounds = (int)bench_number(argc, argv, 1, 30, 1);
    b.only = argc > 2 ? argv[2] : "";
    bench_must(leat_arena_new(&b.kept, ARENA_MAX, &err), &err);
    bench_must(leat_arena_new(&b.arena, ARENA_MAX, &err), &err);
    leat_buf_init(&b.out, 1u << 20);
    make_rows(&b);
    open_codecs(&b);
    b.check = run_json(&b);
    measure(&b, "json_decode_6_of_12", run_json, rounds);
    measure(&b, "decode_6_of_12_and_json", run_decode, rounds);
    b.raw_unread = true;
    measure(&b, "decode_6_of_12", run_decode, rounds);
    measure(&b, "keep_5_encode", run_encode, rounds);
    leat_codec_csv.close(b.state);
    leat_codec_csv.close(b.writing);
    leat_json_decoder_free(&b.json);
    leat_buf_release(&b.out);
    leat_arena_free(&b.arena);
    leat_arena_free(&b.kept);
    return 0;
}
