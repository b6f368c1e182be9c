/* SPDX-License-Identifier: Apache-2.0 */
/* What the JSON codec costs per event, beside jansson, one line of JSON each.
 *
 *   bench_json [ROUNDS [NAME]]      NAME: only what begins so
 *
 * The events are those of the peers' workloads (bench/peers/c/gen.h): 12 fields, about 248 bytes.
 * Each figure is the best of ROUNDS rounds (default 30) over 2,000 different events, as what
 * disturbs a round can only make it slower. Each way of reading ends in a sum that is compared
 * with the others', so that nothing measured can be left out or wrong. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/harness.h"
#include "core/path.h"
#include "schemas/codec_json.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#include "bench/peers/c/gen.h"
#pragma GCC diagnostic pop

#define EVENTS    2000u
#define ARENA_MAX ((size_t)256 << 20)
#define FIELDS    6u

static const char *const fields[FIELDS] = {"ts",          "card_id", "amount",
                                           "merchant_id", "country", "status"};

typedef struct bench {
    leat_str events[EVENTS];
    size_t bytes;
    leat_arena *arena;
    leat_json_decoder *decoder;
    leat_field *layout;
    leat_buf out;
    double check;     /* the sum that all readers must find */
    const char *only; /* measure what begins so */
} bench;

static void report(const bench *b, const char *name, double ns, size_t bytes)
{
    printf("{\"bench\":\"json\",\"name\":\"%s\",\"ns_per_event\":%.1f,\"mb_per_s\":%.0f,"
           "\"bytes_per_event\":%.1f}\n",
           name, ns / EVENTS, (double)bytes / ns * 1e3, (double)b->bytes / EVENTS);
}

/* --- what is measured: each gives its check sum ----------------------------------------------- */

static double number_of(leat_value value)
{
    return value.tag == LEAT_INT ? (double)value.as.i : value.as.d;
}

static double sum_slots(const leat_value *slots)
{
    return number_of(slots[0]) + number_of(slots[2]) + slots[1].len + slots[3].len + slots[4].len +
           slots[5].len;
}

static double run_decode(bench *b)
{
    double sum = 0;
    leat_err err;
    for (size_t i = 0; i < EVENTS; i++) {
        leat_value slots[FIELDS];
        leat_str raw;
        bench_must(leat_json_decode(b->decoder, b->events[i], b->arena, slots, &raw, &err), &err);
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
        leat_str raw;
        bench_must(leat_json_decode(b->decoder, b->events[i], b->arena, slots, &raw, &err), &err);
        sum += sum_slots(slots);
        leat_buf_reset(&b->out);
        bench_must(leat_json_encode(b->layout, raw, slots, b->arena, &b->out, &err), &err);
        if (b->out.len < 20) exit(1);
    }
    leat_arena_reset(b->arena);
    return sum;
}

static double run_value(bench *b)
{
    double sum = 0;
    leat_err err;
    for (size_t i = 0; i < EVENTS; i++) {
        leat_value value;
        bench_must(leat_json_value(b->events[i], LEAT_JSON_LIMITS_DEFAULT, b->arena, &value, &err),
                   &err);
        for (uint32_t j = 0; j < value.len; j++) {
            for (size_t k = 0; k < FIELDS; k++) {
                if (!leat_str_is(leat_value_str(value.as.entries[j].key), fields[k])) continue;
                leat_value it = value.as.entries[j].value;
                sum += it.tag == LEAT_STRING ? it.len : number_of(it);
            }
        }
    }
    leat_arena_reset(b->arena);
    return sum;
}

static double run_validate(bench *b)
{
    leat_err err;
    for (size_t i = 0; i < EVENTS; i++) {
        bench_must(leat_json_validate(b->events[i], LEAT_JSON_LIMITS_DEFAULT, &err), &err);
    }
    return b->check;
}

static double run_jansson(bench *b)
{
    double sum = 0;
    for (size_t i = 0; i < EVENTS; i++) {
        json_error_t error;
        json_t *json = json_loadb(b->events[i].data, b->events[i].len, 0, &error);
        for (size_t k = 0; k < FIELDS; k++) {
            const json_t *it = json_object_get(json, fields[k]);
            sum += json_is_string(it) ? (double)json_string_length(it) : json_number_value(it);
        }
        json_decref(json);
    }
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
        if (fabs(sum - b->check) > 1e-9 * b->check) {
            bench_fail("%s read %.6f, expected %.6f", name, sum, b->check);
        }
    }
    report(b, name, best, b->bytes);
}

/* --- preparation ------------------------------------------------------------------------------ */

static void make_events(bench *b, leat_arena *arena)
{
    gen_t *generator = leat_arena_alloc(arena, sizeof *generator);
    if (generator == NULL) exit(1);
    gen_init(generator, 42);
    for (size_t i = 0; i < EVENTS; i++) {
        char text[512], key[64];
        int key_len,
            len = gen_pay(generator, i, GEN_BASE_MS + (int64_t)i, text, sizeof text, key, &key_len);
        b->events[i] = leat_arena_copy(arena, (leat_str){text, (size_t)len});
        b->bytes += (size_t)len;
    }
}

static void make_decoder(bench *b, leat_arena *arena)
{
    leat_slot_request requests[FIELDS];
    leat_json_plan *plan;
    leat_err err;
    for (uint32_t i = 0; i < FIELDS; i++) {
        requests[i] = (leat_slot_request){.slot = i};
        bench_must(leat_path_parse(leat_str_of(fields[i]), arena, &requests[i].path, &err), &err);
    }
    bench_must(leat_json_plan_new(requests, FIELDS, LEAT_JSON_LIMITS_DEFAULT, arena, &plan, &err),
               &err);
    b->decoder = leat_json_decoder_new(plan);
}

/* slots[i] -> field names[i]; open: over the record as it came. */
static leat_field *make_layout(const char *const *names, const uint32_t *slots, size_t count,
                               bool open, leat_arena *arena)
{
    leat_field *root = leat_arena_zero(arena, sizeof *root);
    if (root == NULL) exit(1);
    *root = (leat_field){.kind = LEAT_FIELD_OBJECT, .slot = LEAT_SLOT_NONE, .open = open};
    leat_field **link = &root->fields;
    for (size_t i = 0; i < count; i++) {
        *link = leat_arena_zero(arena, sizeof **link);
        if (*link == NULL) exit(1);
        **link =
            (leat_field){.name = leat_str_of(names[i]), .kind = LEAT_FIELD_SLOT, .slot = slots[i]};
        link = &(*link)->next;
    }
    return root;
}

int main(int argc, char **argv)
{
    static bench b;
    static const uint32_t keep[] = {0, 1, 2, 3, 4}, replace[] = {1, 3};
    static const char *const replaced[] = {"merchant_id", "card_id"};
    leat_err err;
    leat_arena *plan_arena = NULL;
    long rounds = bench_number(argc, argv, 1, 30, 1);
    b.only = argc > 2 ? argv[2] : "";
    bench_must(leat_arena_new(&plan_arena, ARENA_MAX, &err), &err);
    bench_must(leat_arena_new(&b.arena, ARENA_MAX, &err), &err);
    leat_buf_init(&b.out, 1u << 20);
    make_events(&b, plan_arena);
    make_decoder(&b, plan_arena);
    b.check = run_jansson(&b);
    measure(&b, "decode_6_of_12", run_decode, (int)rounds);
    measure(&b, "validate", run_validate, (int)rounds);
    measure(&b, "value_whole", run_value, (int)rounds);
    b.layout = make_layout(fields, keep, 5, false, plan_arena);
    measure(&b, "decode_6_encode_keep_5", run_encode, (int)rounds);
    b.layout = make_layout(replaced, replace, 2, true, plan_arena);
    measure(&b, "decode_6_encode_replace_2_open", run_encode, (int)rounds);
    measure(&b, "jansson_whole", run_jansson, (int)rounds);
    leat_json_decoder_free(&b.decoder);
    leat_buf_release(&b.out);
    leat_arena_free(&b.arena);
    leat_arena_free(&plan_arena);
    return 0;
}
