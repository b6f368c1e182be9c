/* SPDX-License-Identifier: Apache-2.0 */
/* Many patterns over one stream: 1, 100, 1,000 and 10,000 patterns in one detect, a line of JSON
 * each. What is looked for is that patterns which do not react cost nothing.
 *
 *   bench_patterns [ROUNDS [CASE]]
 *
 *   none     the detect step with its only pattern disabled: decoding, time, and nothing else
 *   symbols  N patterns of three steps on symbols of their own, one sequence for all, a window of
 *            10 s (10,000 events); an event has one of 3,000 symbols, so of 1,000 patterns just one
 *            is touched by each event, and all of them have something under way
 *   cards    the same per card, 10,000 cards: hardly anything ever follows
 *   ranges   N patterns, one narrow band of amounts each, per card
 *   kinds    N patterns over an event kind of their own, with fields that other kinds do not have
 *   silent   N patterns that never react
 *
 * The events go through the whole task: JSON decoded, detect with its table and timers, a commit
 * every 20,000 events. Time is the thread's CPU time, the best of ROUNDS (default 5). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/mem.h"
#include "transforms/exec.h"
#include "worker/registry.h"

#define EVENTS     20000u
#define BATCH      500u
#define TEXT_BYTES 128u
#define SYMBOLS    3000u
#define CARDS      10000u
#define STATE_MAX  ((uint64_t)4 << 30)

typedef struct bench {
    leat_message messages[EVENTS];
    char texts[EVENTS][TEXT_BYTES];
} bench;

/* What patterns look like: %u stands for a number of their own, another one in each condition. */
typedef struct bench_case {
    const char *name, *key;
    const char *first, *second, *third; /* conditions with %u */
} bench_case;

static const bench_case cases[] = {
    {"symbols", "", "sym == %u", "sym == %u", "sym == %u"},
    {"cards", "card", "sym == %u", "sym == %u", "sym == %u"},
    {"ranges", "card", "amount >= %u.25 && amount < %u.75", "sym == %u", "sym == %u"},
    {"kinds", "card", "kind == 'k%u' && part > %u", "kind == 'k%u' && part < 3", "sym == %u"},
    {"silent", "card", "sym == 1000%u", "sym == 2000%u", "sym == 3000%u"},
};

static void must(leat_code code, const leat_err *err)
{
    if (code == LEAT_OK) return;
    (void)fprintf(stderr, "bench_patterns: %s\n", err->text);
    exit(1);
}

static double now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void generate(bench *b)
{
    uint64_t random = 1;
    for (uint32_t i = 0; i < EVENTS; i++) {
        uint64_t dice = next_random(&random);
        unsigned kind = (unsigned)(dice >> 44) % 20000;
        char part[32] = "";
        if (kind % 2 == 0) (void)snprintf(part, sizeof part, ",\"part\":%u", kind % 7);
        int len = snprintf(b->texts[i], TEXT_BYTES,
                           "{\"sym\":%u,\"card\":%u,\"amount\":%.4f,\"kind\":\"k%u\"%s}",
                           (unsigned)(dice % SYMBOLS), (unsigned)(dice >> 20) % CARDS,
                           (double)(next_random(&random) % 10000000) / 1000, kind, part);
        b->messages[i] = (leat_message){.topic = LEAT_STR("in"),
                                        .offset = i,
                                        .timestamp_ms = 1795200000000 + i,
                                        .value = {b->texts[i], (size_t)len}};
    }
}

/* --- the pipeline --- */

static void add_condition(leat_buf *out, const char *name, const char *form, uint32_t first)
{
    leat_buf_add_format(out, "{\"name\":\"%s\",\"where\":\"", name);
    for (const char *at = form; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 'u') {
            leat_buf_add_uint(out, first);
            at++;
        } else {
            leat_buf_add_char(out, *at);
        }
    }
    leat_buf_add_text(out, "\"}");
}

static void write_pipeline(const bench_case *c, uint32_t count, bool enabled, leat_buf *out)
{
    leat_buf_add_format(out,
                        "{\"name\":\"bench\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{"
                        "\"a\":{\"from\":\"s\",\"steps\":[{\"detect\":{\"key\":\"%s\",\"events\":"
                        "false,\"patterns\":[",
                        c->key);
    for (uint32_t i = 0; i < count; i++) {
        leat_buf_add_format(out,
                            "%s{\"name\":\"p%u\",\"within\":\"10s\",\"enabled\":%s,\"steps\":[",
                            i > 0 ? "," : "", i, enabled ? "true" : "false");
        add_condition(out, "a", c->first, i * 3);
        leat_buf_add_char(out, ',');
        add_condition(out, "b", c->second, i * 3 + 1);
        leat_buf_add_char(out, ',');
        add_condition(out, "c", c->third, i * 3 + 2);
        leat_buf_add_text(out, "]}");
    }
    leat_buf_add_text(out, "]}}],\"to\":\"out\"}}}");
}

static leat_code no_files(void *self, leat_str glob, bool want_text, leat_arena *arena,
                          leat_planned_file **files, size_t *count, leat_err *err)
{
    (void)self;
    (void)want_text;
    (void)arena;
    (void)files;
    (void)count;
    return leat_err_set(err, LEAT_ERR_CONFIG, "no file '%.*s'", LEAT_STR_ARG(glob));
}

static leat_code no_references(void *self, leat_str kind, leat_str name, leat_arena *arena,
                               leat_str *text, leat_err *err)
{
    (void)self;
    (void)kind;
    (void)arena;
    (void)text;
    return leat_err_set(err, LEAT_ERR_CONFIG, "nothing named '%.*s'", LEAT_STR_ARG(name));
}

static leat_plan *plan_of(leat_str text, leat_arena *arena)
{
    leat_err err;
    leat_plan *plan = NULL;
    leat_findings findings;
    leat_plan_env env = {.files = no_files, .resolve = no_references};
    env.operators = leat_registry(&env.operators_count);
    leat_findings_init(&findings, arena);
    must(leat_plan_new(text, LEAT_STR("bench"), &env, arena, &findings, &plan, &err), &err);
    if (plan != NULL) return plan;
    (void)fprintf(stderr, "bench_patterns: %.*s\n", LEAT_STR_ARG(findings.items[0].message));
    exit(1);
}

/* --- running --- */

static leat_code ignore(void *context, leat_str key, leat_str value, leat_err *err)
{
    (void)key;
    (void)err;
    *(size_t *)context += value.len;
    return LEAT_OK;
}

typedef struct outcome {
    double run_ns, commit_ns;
    size_t alerts, written;
} outcome;

/* All events once, and a commit. */
static outcome run(leat_exec *exec, bench *b)
{
    outcome o = {0};
    leat_err err;
    double began = now_ns();
    for (size_t at = 0; at < EVENTS; at += BATCH) {
        const leat_output *outputs;
        size_t count;
        must(leat_exec_batch(exec, &b->messages[at], BATCH, &outputs, &count, &err), &err);
        o.alerts += count;
    }
    double ended = now_ns();
    must(leat_exec_flush(exec, ignore, &o.written, &err), &err);
    leat_exec_commit(exec);
    o.run_ns = (ended - began) / EVENTS;
    o.commit_ns = (now_ns() - ended) / EVENTS;
    for (size_t e = 0; e < EVENTS; e++)
        b->messages[e].timestamp_ms += EVENTS;
    return o;
}

static void measure(bench *b, const bench_case *c, uint32_t count, bool enabled, int rounds)
{
    leat_arena *arena = NULL;
    leat_exec *exec = NULL;
    leat_err err;
    leat_buf text;
    outcome best = {.run_ns = 1e18, .commit_ns = 1e18};
    leat_buf_init(&text, (size_t)256 << 20);
    must(leat_arena_new(&arena, (size_t)2 << 30, &err), &err);
    write_pipeline(c, count, enabled, &text);
    double began = now_ns();
    const leat_plan *plan = plan_of(leat_buf_str(&text), arena);
    double planned = (now_ns() - began) / 1e6;
    must(leat_exec_open(plan, 0, STATE_MAX, &exec, &err), &err);
    for (int i = 0; i < rounds; i++) {
        outcome o = run(exec, b);
        if (o.run_ns < best.run_ns) best.run_ns = o.run_ns;
        if (o.commit_ns < best.commit_ns) best.commit_ns = o.commit_ns;
        best.alerts += o.alerts;
        best.written = o.written;
    }
    printf("{\"bench\":\"patterns\",\"name\":\"%s\",\"patterns\":%u,\"ns_per_event\":%.1f,"
           "\"commit_ns_per_event\":%.1f,\"alerts_per_event\":%.4f,\"state_bytes\":%llu,"
           "\"plan_ms\":%.1f,\"plan_bytes_per_pattern\":%zu,\"rounds\":%d}\n",
           enabled ? c->name : "none", count, best.run_ns, best.commit_ns,
           (double)best.alerts / EVENTS / rounds, (unsigned long long)leat_exec_state_bytes(exec),
           planned, leat_arena_used(arena) / count, rounds);
    (void)fflush(stdout);
    leat_exec_close(&exec);
    leat_arena_free(&arena);
    leat_buf_release(&text);
}

int main(int argc, char **argv)
{
    static const uint32_t counts[] = {1, 100, 1000, 10000};
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 5;
    if (rounds < 1) {
        (void)fprintf(stderr, "usage: bench_patterns [ROUNDS [CASE]]\n");
        return 2;
    }
    bench *b = leat_mem_need(sizeof *b);
    generate(b);
    measure(b, &cases[0], 1, false, rounds);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++)
            if (argc < 3 || strcmp(argv[2], cases[i].name) == 0)
                measure(b, &cases[i], counts[n], true, rounds);
    leat_mem_free(b);
    return 0;
}
