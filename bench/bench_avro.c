/* SPDX-License-Identifier: Apache-2.0 */
/* What the Avro codec costs per record.
 *
 *   bench_avro [ROUNDS [NAME]]      NAME: only what begins so
 *
 * The records are payments of 12 fields, like those of bench_json (which are about 248 bytes of
 * JSON). Each figure is the best of ROUNDS rounds (default 30) over 2,000 different records, as
 * what disturbs a round can only make it slower. The sum of what was read is compared with what was
 * written, so that nothing measured can be left out or wrong; allocations are counted. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/harness.h"
#include "core/mem.h"
#include "schemas/codec_avro.h"
#include "schemas/codec_json.h"

#define RECORDS   2000u
#define ARENA_MAX ((size_t)256 << 20)
#define FIELDS    12u
#define READ      6u

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"Payment\",\"fields\":["
    "{\"name\":\"id\",\"type\":\"string\"},"
    "{\"name\":\"ts\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},"
    "{\"name\":\"card_id\",\"type\":\"string\"},"
    "{\"name\":\"amount\",\"type\":\"double\"},"
    "{\"name\":\"currency\",\"type\":\"string\"},"
    "{\"name\":\"merchant_id\",\"type\":\"string\"},"
    "{\"name\":\"mcc\",\"type\":\"int\"},"
    "{\"name\":\"country\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"channel\",\"type\":{\"type\":\"enum\",\"name\":\"Channel\",\"symbols\":"
    "[\"POS\",\"WEB\",\"ATM\"]}},"
    "{\"name\":\"status\",\"type\":\"string\"},"
    "{\"name\":\"device\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"note\",\"type\":\"string\"}]}";
static const char *const wanted[READ] = {"ts",          "card_id", "amount",
                                         "merchant_id", "country", "status"};

typedef struct bench {
    const leat_avro_schema *schema;
    leat_avro_plan *plan;
    leat_str records[RECORDS];
    leat_value values[RECORDS][FIELDS];
    size_t bytes;
    leat_arena *arena;
    leat_buf out;
    double check;
    const char *only;
} bench;

static leat_value text(leat_arena *arena, const char *format, unsigned number)
{
    return leat_value_string(leat_arena_print(arena, "%s%06u", format, number));
}

static void make_records(bench *b, leat_arena *arena)
{
    static const char *const channels[] = {"POS", "WEB", "ATM"};
    leat_err err;
    for (unsigned i = 0; i < RECORDS; i++) {
        leat_value *v = b->values[i];
        v[0] = text(arena, "pay-2026-11-", i);
        v[1] = leat_value_timestamp_of_ms(INT64_C(1790000000000) + i);
        v[2] = text(arena, "card-", i * 7919 % 100000);
        v[3] = leat_value_double((double)(i % 5000) / 100.0);
        v[4] = leat_value_string(LEAT_STR("EUR"));
        v[5] = text(arena, "merchant-", i % 500);
        v[6] = leat_value_int(5000 + i % 900);
        v[7] = leat_value_string(LEAT_STR("DE"));
        v[8] = leat_value_string(leat_str_of(channels[i % 3]));
        v[9] = leat_value_string(i % 10 == 0 ? LEAT_STR("declined") : LEAT_STR("ok"));
        v[10] = i % 2 == 0 ? LEAT_VALUE_NULL : text(arena, "device-", i);
        v[11] = leat_value_string(LEAT_STR("a text that nobody reads, of some length"));
        leat_buf_reset(&b->out);
        bench_must(leat_avro_encode(b->schema, v, b->arena, &b->out, &err), &err);
        b->records[i] = leat_arena_copy(arena, leat_buf_str(&b->out));
        b->bytes += b->out.len;
        b->check += v[3].as.d + (double)v[2].len + (double)v[1].len;
    }
}

static double run_decode(bench *b)
{
    leat_err err;
    leat_value slots[READ];
    double sum = 0;
    leat_arena_reset(b->arena);
    for (unsigned i = 0; i < RECORDS; i++) {
        bench_must(leat_avro_decode(b->plan, b->records[i], b->arena, slots, &err), &err);
        sum += slots[2].as.d + (double)slots[1].len + (double)slots[0].len;
    }
    if (leat_arena_used(b->arena) != 0) sum = NAN; /* nothing is to be allocated */
    return sum;
}

static double run_skip(bench *b)
{
    leat_err err;
    for (unsigned i = 0; i < RECORDS; i++) {
        size_t used = 0;
        bench_must(leat_avro_skip(b->plan, b->records[i], b->arena, &used, &err), &err);
        if (used != b->records[i].len) return NAN;
    }
    return b->check;
}

static double run_value(bench *b)
{
    leat_err err;
    double sum = 0;
    for (unsigned i = 0; i < RECORDS; i++) {
        leat_value map;
        size_t used;
        leat_arena_reset(b->arena);
        bench_must(leat_avro_value(b->plan, b->records[i], b->arena, &map, &used, &err), &err);
        const leat_entry *e = map.as.entries;
        sum += e[3].value.as.d + (double)e[2].value.len + (double)e[1].value.len;
    }
    return sum;
}

static double run_json(bench *b)
{
    leat_err err;
    for (unsigned i = 0; i < RECORDS; i++) {
        leat_value map;
        size_t used;
        leat_arena_reset(b->arena);
        leat_buf_reset(&b->out);
        bench_must(leat_avro_value(b->plan, b->records[i], b->arena, &map, &used, &err), &err);
        bench_must(leat_json_write(map, b->arena, &b->out, &err), &err);
    }
    return b->check;
}

static double run_encode(bench *b)
{
    leat_err err;
    size_t bytes = 0;
    leat_arena_reset(b->arena);
    for (unsigned i = 0; i < RECORDS; i++) {
        leat_buf_reset(&b->out);
        bench_must(leat_avro_encode(b->schema, b->values[i], b->arena, &b->out, &err), &err);
        bytes += b->out.len;
    }
    return bytes == b->bytes ? b->check : NAN;
}

static void measure(bench *b, const char *name, double (*run)(bench *), long rounds)
{
    double best = INFINITY;
    if (strncmp(name, b->only, strlen(b->only)) != 0) return;
    uint64_t allocations = 0;
    for (long i = 0; i < rounds; i++) {
        uint64_t before = leat_mem_allocations();
        double from = bench_now_ns(), sum = run(b), took = bench_now_ns() - from;
        if (!(fabs(sum - b->check) < 1e-6)) {
            bench_fail("%s read something else", name);
        }
        if (took < best) best = took;
        allocations = leat_mem_allocations() - before;
    }
    (void)printf("{\"bench\":\"avro\",\"name\":\"%s\",\"ns_per_record\":%.1f,"
                 "\"bytes_per_record\":%.1f,\"allocations\":%" PRIu64 "}\n",
                 name, best / RECORDS, (double)b->bytes / RECORDS, allocations);
}

int main(int argc, char **argv)
{
    static bench b;
    leat_err err;
    leat_arena *arena = NULL;
    leat_slot_request requests[READ];
    leat_str names[READ];
    long rounds = bench_number(argc, argv, 1, 30, 1);
    b.only = argc > 2 ? argv[2] : "";
    bench_must(leat_arena_new(&arena, ARENA_MAX, &err), &err);
    bench_must(leat_arena_new(&b.arena, ARENA_MAX, &err), &err);
    leat_buf_init(&b.out, 1u << 20);
    bench_must(leat_avro_schema_parse(leat_str_of(schema_text), arena, &b.schema, &err), &err);
    for (uint32_t i = 0; i < READ; i++) {
        names[i] = leat_str_of(wanted[i]);
        requests[i] = (leat_slot_request){{&names[i], 1}, i, false};
    }
    bench_must(leat_avro_plan_new(b.schema, NULL, requests, READ, 1u << 20, arena, &b.plan, &err),
               &err);
    make_records(&b, arena);
    measure(&b, "decode_6_of_12", run_decode, rounds);
    measure(&b, "skip_whole", run_skip, rounds);
    measure(&b, "value_whole", run_value, rounds);
    measure(&b, "value_whole_as_json", run_json, rounds);
    measure(&b, "encode_12", run_encode, rounds);
    leat_buf_release(&b.out);
    leat_arena_free(&b.arena);
    leat_arena_free(&arena);
    return 0;
}
