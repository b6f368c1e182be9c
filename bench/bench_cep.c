/* SPDX-License-Identifier: Apache-2.0 */
/* What the pattern matcher costs per event, on events that are decoded already: a line of JSON for
 * each case.
 *
 *   bench_cep [ROUNDS]
 *
 * An event is three slots (card, amount, kind) and a JSON text that is copied when it is taken. Per
 * event and pattern the work is that of `detect` without its table: the conditions, the state of
 * the key (an array here), the matcher. State goes with its window, so a round can follow the last.
 *
 *   fraud     three or more tiny payments, then a large one at another merchant, 10,000 cards: a
 *             fifth of the events is tiny, one in 200 large
 *   relaxed   the same without the condition between events
 *   strict    three kinds one immediately after the other, one sequence for all
 *   window    one kind, then each of another within 50 events
 *   patterns  the fraud pattern 100 times with other bounds
 *
 * Time is the thread's CPU time, the best of ROUNDS (default 10) over 100,000 events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cep/conditions.h"
#include "core/mem.h"

#define EVENTS   100000u
#define CARDS    10000u
#define TEXT_MAX 256u

enum { AMOUNT, KIND, MERCHANT, SLOTS };
static const char *const slot_names[SLOTS] = {"amount", "kind", "merchant"};

typedef struct bench_event {
    leat_value slots[SLOTS];
    uint32_t card;
    uint32_t len;
    char text[TEXT_MAX];
} bench_event;

typedef struct bench_case {
    const char *name, *pattern;
    uint32_t keys, copies;
} bench_case;

#define PROBE(bound) "{\"name\":\"probe\",\"where\":\"amount < " bound "\",\"times\":{\"min\":3}}"
static const bench_case cases[] = {
    {"fraud",
     "{\"name\":\"p\",\"within\":\"60s\",\"skip\":\"skip_past_last_event\",\"steps\":[" PROBE(
         "2.0") ",{\"name\":\"drain\",\"where\":\"amount > 500.0 && merchant != "
                "last(probe).merchant\"}]}",
     CARDS, 1},
    {"relaxed",
     "{\"name\":\"p\",\"within\":\"60s\",\"skip\":\"skip_past_last_event\",\"steps\":[" PROBE(
         "2.0") ",{\"name\":\"drain\",\"where\":\"amount > 500.0\"}]}",
     CARDS, 1},
    {"strict",
     "{\"name\":\"p\",\"within\":\"50ms\",\"steps\":[{\"name\":\"a\",\"where\":\"kind == 0\"},{"
     "\"name\":\"b\",\"where\":\"kind == 1\",\"contiguity\":\"next\"},{\"name\":\"c\",\"where\":"
     "\"kind == 2\",\"contiguity\":\"next\"}]}",
     1, 1},
    {"window",
     "{\"name\":\"p\",\"within\":\"50ms\",\"steps\":[{\"name\":\"a\",\"where\":\"kind == 0\"},{"
     "\"name\":\"b\",\"where\":\"kind == 1\",\"contiguity\":\"followed_by_any\"}]}",
     1, 1},
    {"patterns",
     "{\"name\":\"p%u\",\"within\":\"60s\",\"skip\":\"skip_past_last_event\",\"steps\":[{\"name\":"
     "\"probe\",\"where\":\"amount < 0.1%02u\",\"times\":{\"min\":3}},{\"name\":\"drain\",\"where\""
     ":\"amount > 500.0\"}]}",
     CARDS, 100},
};

static void must(leat_code code, const leat_err *err)
{
    if (code == LEAT_OK) return;
    (void)fprintf(stderr, "bench_cep: %s\n", err->text);
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

static void generate(bench_event *events)
{
    uint64_t random = 1;
    for (uint32_t i = 0; i < EVENTS; i++) {
        bench_event *e = &events[i];
        uint64_t a = next_random(&random), dice = next_random(&random) % 1000;
        double part = (double)(next_random(&random) % 10000) / 10000;
        double amount = dice < 200 ? 0.1 + part * 1.8 : dice < 995 ? 2 + part * 498 : 501 + part;
        int kind = (int)(a >> 20 & 7);
        e->card = (uint32_t)(a % CARDS);
        e->len = (uint32_t)snprintf(e->text, TEXT_MAX,
                                    "{\"card_id\":\"card-%06u\",\"amount\":%.4f,\"kind\":%d,"
                                    "\"merchant\":\"m-%03u\",\"currency\":\"EUR\",\"country\":"
                                    "\"DE\",\"channel\":\"web\",\"status\":\"approved\"}",
                                    e->card, amount, kind, (unsigned)(a >> 40 & 255));
        const char *merchant = strstr(e->text, "m-");
        e->slots[AMOUNT] = leat_value_double(amount);
        e->slots[KIND] = leat_value_int(kind);
        e->slots[MERCHANT] = leat_value_string((leat_str){merchant, 5});
    }
}

/* --- the pattern --- */

static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    (void)scope;
    (void)count;
    (void)absolute;
    (void)nearest;
    (void)err;
    ref->kind = LEAT_REF_NONE;
    for (uint32_t i = 0; i < SLOTS; i++)
        if (leat_str_is(names[0], slot_names[i]))
            *ref = (leat_ref){.kind = LEAT_REF_SLOT, .index = i, .used = 1};
    return LEAT_OK;
}

static leat_expr *compile(void *self, const leat_node *node, leat_scope *scope)
{
    leat_err err;
    leat_expr *expr = NULL;
    must(leat_expr_compile(node->text, scope, self, &expr, &err), &err);
    return expr;
}

typedef struct machine {
    const leat_nfa *nfa;
    leat_testing *testing;
    leat_matcher **matchers; /* by key */
} machine;

static machine machine_new(const bench_case *c, uint32_t copy, leat_arena *arena)
{
    leat_scope fields = {.resolve = resolve};
    leat_findings findings;
    leat_pattern *pattern = NULL;
    leat_conditions *conditions = NULL;
    leat_nfa *nfa = NULL;
    leat_node *node = NULL;
    leat_err err;
    uint32_t line = 0, column = 0;
    char name[32], bound[32], text[1024];
    (void)snprintf(text, sizeof text, "%s", c->pattern);
    (void)snprintf(name, sizeof name, "p%u", copy);
    (void)snprintf(bound, sizeof bound, "0.1%02u", copy);
    for (char *at; (at = strstr(text, "p%u")) != NULL || (at = strstr(text, "0.1%02u")) != NULL;) {
        const char *with = *at == 'p' ? name : bound;
        char rest[1024];
        (void)snprintf(rest, sizeof rest, "%s", at + (*at == 'p' ? 3 : 7));
        (void)snprintf(at, sizeof text - (size_t)(at - text), "%s%s", with, rest);
    }
    leat_findings_init(&findings, arena);
    must(leat_doc_parse(leat_str_of(text), LEAT_STR("p"), arena, &node, &err, &line, &column),
         &err);
    bool good =
        leat_pattern_read(node, arena, &findings, &pattern) &&
        leat_conditions_new(pattern, &fields, compile, arena, arena, &findings, &conditions);
    if (good) must(leat_nfa_new(pattern, arena, &findings, &nfa, &err), &err);
    if (!good || nfa == NULL) {
        (void)fprintf(stderr, "bench_cep: %.*s\n", LEAT_STR_ARG(findings.items[0].message));
        exit(1);
    }
    return (machine){nfa, leat_testing_new(conditions),
                     leat_mem_need(c->keys * sizeof(leat_matcher *))};
}

/* --- playing --- */

typedef struct player {
    leat_matcher_work *work;
    leat_matches matches;
    leat_arena *arena;
    const bench_event *event;
    leat_event *held;
    int64_t now_ms;
    uint64_t alerts, taken;
} player;

static leat_code keep(void *self, leat_event **event, leat_err *err)
{
    player *p = self;
    if (p->held == NULL) {
        leat_str json = {p->event->text, p->event->len};
        leat_identity identity = leat_identity_of(7, 0, p->now_ms);
        LEAT_TRY(leat_event_new(json, p->now_ms, identity, &p->held, err));
        p->taken++;
    }
    *event = leat_event_share(p->held);
    return LEAT_OK;
}

static void feed(player *p, machine *m, uint32_t key)
{
    leat_err err;
    bool idle = false, starts = true;
    leat_eval eval = {.slots = p->event->slots, .arena = p->arena};
    leat_testing_begin(m->testing, &eval, NULL, keep, p);
    if (!m->nfa->strict) must(leat_testing_idle(m->testing, &idle, &err), &err);
    if (idle) return;
    leat_matcher **at = &m->matchers[key];
    if (*at == NULL) {
        must(leat_matcher_starts(m->nfa, leat_testing_host(m->testing), &starts, &err), &err);
        if (!starts) return;
        must(leat_matcher_new(m->nfa, at, &err), &err);
    }
    must(leat_matcher_advance(*at, p->work, p->now_ms, &p->matches, &err), &err);
    must(leat_matcher_feed(*at, p->work, p->now_ms, leat_testing_host(m->testing), &p->matches,
                           &err),
         &err);
    for (size_t i = 0; i < p->matches.count; i++)
        p->alerts += !p->matches.items[i].timed_out;
    leat_matches_reset(&p->matches);
    if (leat_matcher_empty(*at)) leat_matcher_free(at);
}

static void play(player *p, const bench_case *c, machine *machines, const bench_event *events)
{
    for (uint32_t i = 0; i < EVENTS; i++) {
        p->event = &events[i];
        p->now_ms++;
        if (i % 1000 == 0) leat_arena_reset(p->arena);
        for (uint32_t copy = 0; copy < c->copies; copy++)
            feed(p, &machines[copy], c->keys == 1 ? 0 : events[i].card);
        leat_event_release(&p->held);
    }
}

static void measure(const bench_case *c, const bench_event *events, int rounds)
{
    leat_arena *plan = NULL;
    leat_err err;
    player p = {.work = leat_matcher_work_new()};
    must(leat_arena_new(&plan, (size_t)1 << 30, &err), &err);
    must(leat_arena_new(&p.arena, (size_t)1 << 30, &err), &err);
    machine *machines = leat_mem_need(c->copies * sizeof *machines);
    for (uint32_t i = 0; i < c->copies; i++)
        machines[i] = machine_new(c, i, plan);
    double best = 0;
    uint64_t alerts = 0, taken = 0;
    for (int round = 0; round < rounds; round++) {
        p.alerts = p.taken = 0;
        double start = now_ns();
        play(&p, c, machines, events);
        double ns = (now_ns() - start) / EVENTS;
        if (round == 0 || ns < best) best = ns;
        alerts = p.alerts;
        taken = p.taken;
    }
    (void)printf("{\"bench\":\"cep\",\"name\":\"%s\",\"ns_per_event\":%.1f,\"events_per_second\":"
                 "%.0f,\"taken_per_event\":%.4f,\"alerts_per_event\":%.4f,\"keys\":%u,"
                 "\"patterns\":%u,\"rounds\":%d}\n",
                 c->name, best, 1e9 / best, (double)taken / EVENTS, (double)alerts / EVENTS,
                 c->keys, c->copies, rounds);
    for (uint32_t i = 0; i < c->copies; i++) {
        for (uint32_t key = 0; key < c->keys; key++)
            leat_matcher_free(&machines[i].matchers[key]);
        leat_mem_free(machines[i].matchers);
        leat_testing_free(&machines[i].testing);
    }
    leat_mem_free(machines);
    leat_matches_release(&p.matches);
    leat_matcher_work_free(&p.work);
    leat_arena_free(&p.arena);
    leat_arena_free(&plan);
}

int main(int count, char **arguments)
{
    int rounds = count > 1 ? (int)strtol(arguments[1], NULL, 10) : 10;
    bench_event *events = leat_mem_need(EVENTS * sizeof *events);
    if (rounds < 1) rounds = 1;
    generate(events);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        measure(&cases[i], events, rounds);
    leat_mem_free(events);
    return 0;
}
