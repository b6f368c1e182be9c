/* SPDX-License-Identifier: Apache-2.0 */
/* What the pure part of a pipeline costs per event, from the message's bytes to the output's, one
 * line of JSON for each pipeline.
 *
 *   bench_exec [ROUNDS [BATCH [CASE]]]
 *
 * The events are the payments of the peers' workloads (bench/peers/c/gen.h). `etl` is their W1: a
 * filter that keeps half, 5 of 12 fields renamed, a SHA-256 mask, one computed field. The others
 * show what its parts cost, and what event time does: `order` has a reorder buffer that holds a
 * thousand records all the time, `order_none` one that holds none but the last.
 * Time is the thread's CPU time; each figure is the best of ROUNDS (default 20) over 20,000 events
 * in batches of BATCH (default 500). Allocations are those of core/mem.h after the first round:
 * a steady load makes none. A sum over the output is compared with what the generator says. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/harness.h"
#include "core/mem.h"
#include "transforms/exec.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#include "bench/peers/c/gen.h"
#pragma GCC diagnostic pop

#define EVENTS      20000u
#define BATCH_MAX   10000u
#define EVENT_BYTES 512u

typedef struct bench {
    leat_message messages[EVENTS];
    char texts[EVENTS][EVENT_BYTES];
    char keys[EVENTS][32];
    size_t large; /* events that the filter keeps */
} bench;

typedef enum outcome { ALL, LARGE, ALERTS } outcome;

typedef struct bench_case {
    const char *name, *source, *steps;
    outcome want;
} bench_case;

#define FILTER "{\"filter\":\"amount >= 10.0\"}"
#define NAMES                                                                                      \
    "{\"keep\":[\"event_id\",\"ts\",\"amount\",\"merchant_id\",\"country\",\"card_number\"]},"     \
    "{\"rename\":{\"event_id\":\"id\",\"ts\":\"t\",\"amount\":\"amt\",\"merchant_id\":"            \
    "\"merchant\",\"country\":\"cc\",\"card_number\":\"card\"}}"
#define MASK "{\"mask\":{\"card\":\"sha256\"}}"
#define FEE  "{\"set\":{\"fee\":\"double(int(amt * 1.5 + 0.5)) / 100.0\"}}"

/* As bench/pipelines/w3.json: a fifth of the events concerns the pattern, by four fields. */
#define TESTING                                                                                    \
    "{\"filter\":\"amount < 2.0 || amount > 500.0\"},"                                             \
    "{\"keep\":[\"event_id\",\"ts\",\"card_id\",\"amount\"]}"
#define DETECT "{\"detect\":{\"patterns\":[\"pattern.json\"]}}"
static const char pattern[] =
    "{\"name\":\"card-testing\",\"within\":\"60s\",\"skip\":\"skip_past_last_event\",\"steps\":["
    "{\"name\":\"probe\",\"where\":\"amount < 2.0\",\"times\":{\"min\":3}},"
    "{\"name\":\"drain\",\"where\":\"amount > 500.0\"}]}";

/* One subexpression in a filter and two fields: evaluated once. `unshared` has it in three
 * spellings, which are not known to be one. */
#define DIGEST "hash.sha256(event_id + card_id)"
#define SHARED(a, b)                                                                               \
    "{\"filter\":\"" DIGEST " != ''\"},{\"set\":{\"x\":\"" DIGEST a "\",\"y\":\"" DIGEST b "\"}}"

static const bench_case cases[] = {
    {"pass", "", "", ALL},
    {"filter", "", FILTER, LARGE},
    {"rename", "", FILTER "," NAMES, LARGE},
    {"mask", "", FILTER "," NAMES "," MASK, LARGE},
    {"etl", "", FILTER "," NAMES "," MASK "," FEE, LARGE},
    {"etl_all", "", NAMES "," MASK "," FEE, ALL},
    {"shared", "", SHARED(" + 'x'", ".size()"), ALL},
    {"unshared", "",
     "{\"filter\":\"hash.sha256(event_id + card_id) != ''\"},{\"set\":{\"x\":\"hash.sha256('' + "
     "event_id + card_id) + 'x'\",\"y\":\"hash.sha256(event_id + card_id + '').size()\"}}",
     ALL},
    {"etl_keyed", ",\"key\":\"card_id\",\"timestamp\":\"ts\"", FILTER "," NAMES "," MASK "," FEE,
     LARGE},
    {"cep", ",\"key\":\"card_id\"", DETECT, ALERTS},
    {"w3", ",\"key\":\"card_id\"", TESTING "," DETECT, ALERTS},
    {"cep_reorder", ",\"key\":\"card_id\",\"out_of_orderness\":\"1s\"", DETECT, ALERTS},
};

static void generate(bench *b)
{
    gen_t gen;
    gen_init(&gen, 1);
    for (size_t i = 0; i < EVENTS; i++) {
        int key_len = 0;
        int64_t at = GEN_BASE_MS + (int64_t)i;
        int len = gen_pay(&gen, i, at, b->texts[i], EVENT_BYTES, b->keys[i], &key_len);
        b->messages[i] = (leat_message){.topic = LEAT_STR("pay"),
                                        .offset = (int64_t)i,
                                        .timestamp_ms = at,
                                        .key = {b->keys[i], (size_t)key_len},
                                        .value = {b->texts[i], (size_t)len}};
        const char *amount = strstr(b->texts[i], "\"amount\":");
        b->large += strtod(amount + 9, NULL) >= 10.0;
    }
}

static const leat_plan *plan_of(const bench_case *c, leat_arena *arena)
{
    char text[4096];
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"bench\",\"sources\":{\"pay\":{\"topic\":\"pay\"%s}},\"streams\":{"
                   "\"out\":{\"from\":\"pay\",\"steps\":[%s],\"to\":\"out\"}}}",
                   c->source, c->steps);
    return bench_plan(leat_str_of(text), pattern, arena);
}

/* All events once, and a commit; returns how many came out. */
static size_t run(leat_exec *exec, const bench *b, size_t batch, size_t *bytes)
{
    size_t count = 0;
    leat_err err;
    *bytes = 0;
    for (size_t at = 0; at < EVENTS; at += batch) {
        const leat_output *outputs;
        size_t outputs_count, size = EVENTS - at < batch ? EVENTS - at : batch;
        bench_must(leat_exec_batch(exec, &b->messages[at], size, &outputs, &outputs_count, &err),
                   &err);
        count += outputs_count;
        for (size_t o = 0; o < outputs_count; o++)
            *bytes += outputs[o].value.len;
    }
    bench_must(leat_exec_flush(exec, bench_discard, NULL, &err), &err);
    leat_exec_commit(exec);
    return count;
}

static void measure(bench *b, const bench_case *c, int rounds, size_t batch)
{
    leat_arena *arena = NULL;
    leat_exec *exec = NULL;
    leat_err err;
    bench_must(leat_arena_new(&arena, 64 << 20, &err), &err);
    const leat_plan *plan = plan_of(c, arena);
    bench_must(leat_exec_open(plan, 0, 64 << 20, &exec, &err), &err);
    size_t want = c->want == LARGE ? b->large : EVENTS, bytes = 0, total = 0;
    uint64_t allocations = 0;
    double best = 1e18;
    for (int i = 0; i < rounds; i++) {
        if (i == 1) allocations = leat_mem_allocations();
        double began = bench_now_ns();
        size_t count = run(exec, b, batch, &bytes);
        double took = bench_now_ns() - began;
        if (took < best) best = took;
        for (size_t e = 0; e < EVENTS; e++)
            b->messages[e].timestamp_ms += EVENTS;
        total += count;
        if (c->want == ALERTS ? i + 1 < rounds || total > 0 : count == want) continue;
        bench_fail("%s: %zu records came out, expected %zu", c->name, count, want);
    }
    allocations = leat_mem_allocations() - allocations;
    printf("{\"bench\":\"exec\",\"name\":\"%s\",\"ns_per_event\":%.1f,\"allocations_per_event\":"
           "%.4f,\"bytes_out_per_event\":%.1f,\"batch\":%zu,\"rounds\":%d}\n",
           c->name, best / EVENTS, (double)allocations / EVENTS / (rounds > 1 ? rounds - 1 : 1),
           (double)bytes / EVENTS, batch, rounds);
    (void)fflush(stdout);
    leat_exec_close(&exec);
    leat_arena_free(&arena);
}

int main(int argc, char **argv)
{
    int rounds = (int)bench_number(argc, argv, 1, 20, 2);
    size_t batch = bench_number(argc, argv, 2, 500, 1);
    if (batch > BATCH_MAX) bench_fail("a batch has %u messages at most", BATCH_MAX);
    bench *b = leat_mem_need(sizeof *b);
    generate(b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (argc < 4 || strcmp(argv[3], cases[i].name) == 0) measure(b, &cases[i], rounds, batch);
    leat_mem_free(b);
    return 0;
}
