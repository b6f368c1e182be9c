/* SPDX-License-Identifier: Apache-2.0 */
/* What the matcher costs per event where partial matches are many: windows of any length, all
 * combinations, conditions on earlier events, many keys. A line of JSON for each case.
 *
 *   bench_matcher [EVENTS [CASE]]
 *
 * An event is four integers (kind, card, amount, and its time, one a millisecond) and a JSON text
 * that is copied when it is taken. Per event the work is that of the conditions (compiled
 * expressions), the key's matcher (an array here), and of going through the matches that come out.
 *
 *   next, any     A B C, each following the next, or any; C is rare (one event in 50,000), A and B
 *                 are a tenth each; windows of 50 and 10,000 events
 *   loop          A B+ C in all combinations; A is 1 %, B a tenth
 *   greater, same any, with b.amount > a.amount, or b.card == a.card
 *   fraud         three small payments and a large one per card within 60 s
 *   matches       any, where there are so many matches that nothing else counts
 *
 * The number of matches is held against a program that knows nothing of automata: it counts pairs
 * and sets of events. Time is the thread's CPU time of one pass; memory is that of the heap at the
 * end of it, by event that has been taken and is still in the window. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cep/conditions.h"
#include "core/mem.h"

#define TEXT "{\"card\":%u,\"amount\":%d,\"kind\":%d,\"currency\":\"EUR\"}"

enum { KIND, CARD, AMOUNT, SLOTS };
enum { A, B, C, OTHER };
static const char *const slot_names[SLOTS] = {"kind", "card", "amount"};

typedef struct bench_event {
    int kind, amount;
    uint32_t card;
} bench_event;

typedef enum rule { NEXT, ANY, LOOP, GREATER, SAME, FRAUD } rule;

typedef struct bench_case {
    const char *name;
    rule rule;
    int64_t window_ms;
    uint32_t keys, per_mille_a, per_mille_b, every_c;
    const char *b; /* B's condition and its links */
} bench_case;

#define FOLLOWED ",\"contiguity\":\"followed_by_any\""
static const bench_case cases[] = {
    {"next", NEXT, 50, 1, 100, 100, 50000, "kind == 1\""},
    {"next", NEXT, 10000, 1, 100, 100, 50000, "kind == 1\""},
    {"any", ANY, 50, 1, 100, 100, 50000, "kind == 1\"" FOLLOWED},
    {"any", ANY, 10000, 1, 100, 100, 50000, "kind == 1\"" FOLLOWED},
    {"loop", LOOP, 50, 1, 10, 100, 50000,
     "kind == 1\"" FOLLOWED ",\"times\":{\"min\":1},\"repeat\":\"followed_by_any\""},
    {"loop", LOOP, 100, 1, 10, 100, 50000,
     "kind == 1\"" FOLLOWED ",\"times\":{\"min\":1},\"repeat\":\"followed_by_any\""},
    {"greater", GREATER, 1000, 1, 100, 100, 50000,
     "kind == 1 && amount > last(a).amount\"" FOLLOWED},
    {"same", SAME, 1000, 1, 100, 100, 50000, "kind == 1 && card == last(a).card\"" FOLLOWED},
    {"fraud", FRAUD, 60000, 10000, 0, 0, 0, NULL},
    {"fraud", FRAUD, 60000, 1000000, 0, 0, 0, NULL},
    {"matches", ANY, 1000, 1, 100, 100, 100, "kind == 1\"" FOLLOWED},
};

static void must(leat_code code, const leat_err *err)
{
    if (code == LEAT_OK) return;
    (void)fprintf(stderr, "bench_matcher: %s\n", err->text);
    exit(1);
}

static double now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint32_t next_random(uint64_t *state, uint32_t below)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % below);
}

static __attribute__((noinline)) void generate(const bench_case *c, bench_event *events,
                                               uint32_t count)
{
    uint64_t random = 42;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t dice = next_random(&random, 1000);
        bench_event *e = &events[i];
        *e = (bench_event){.kind = dice < c->per_mille_a                    ? A
                                   : dice < c->per_mille_a + c->per_mille_b ? B
                                                                            : OTHER,
                           .card = next_random(&random, c->keys > 1 ? c->keys : 10000),
                           .amount = (int)next_random(&random, 1000)};
        if (c->every_c > 0 && i % c->every_c == c->every_c - 1) e->kind = C;
        if (c->rule != FRAUD) continue;
        e->amount = dice < 300   ? 1 + e->amount % 9
                    : dice < 310 ? 501 + e->amount
                                 : 10 + e->amount % 490;
    }
}

/* --- the right number of matches --- */

/* Those that the C at `at` completes. */
static uint64_t count_at(const bench_case *c, const bench_event *events, uint32_t at)
{
    uint64_t count = 0, open = 0, pairs = 0;
    uint32_t from = at >= (uint32_t)c->window_ms ? at - (uint32_t)c->window_ms + 1 : 0;
    for (uint32_t i = from; i < at; i++) {
        const bench_event *e = &events[i];
        switch (c->rule) {
        case NEXT: /* C is the first after the first B after A */
            if (e->kind == A) open++;
            if (e->kind == B) pairs += open;
            if (e->kind == B || e->kind == C) open = 0;
            if (e->kind == C) pairs = 0;
            break;
        case ANY:
            if (e->kind == A) open++;
            if (e->kind == B) pairs += open;
            break;
        case LOOP: /* sets of B behind an A that are not empty */
            if (e->kind == B) pairs = 2 * pairs + open;
            if (e->kind == A) open++;
            break;
        case GREATER:
        case SAME:
            for (uint32_t j = from; j < i && e->kind == B; j++)
                pairs += events[j].kind == A && (c->rule == SAME ? events[j].card == e->card
                                                                 : e->amount > events[j].amount);
            break;
        case FRAUD: break;
        }
    }
    count = pairs;
    return count;
}

/* A match per small payment: with the next two small ones, and the first large one after them. */
static uint64_t count_fraud(const bench_event *events, uint32_t count, uint32_t keys,
                            int64_t window_ms)
{
    uint64_t matches = 0;
    uint32_t *next = leat_mem_need((count + 1) * sizeof *next); /* of the card, behind i */
    uint32_t *head = leat_mem_need(keys * sizeof *head);
    for (uint32_t i = count; i-- > 0;) {
        const bench_event *e = &events[i];
        next[i] = head[e->card];
        if (e->amount < 10 || e->amount > 500) head[e->card] = i + 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i, small = events[i].amount < 10;
        if (small == 0) continue;
        while (next[at] != 0 && small < 3) {
            at = next[at] - 1;
            small += events[at].amount < 10;
        }
        while (small == 3 && next[at] != 0) {
            at = next[at] - 1;
            if (events[at].amount < 10) continue;
            matches += (int64_t)at - i < window_ms;
            break;
        }
    }
    leat_mem_free(next);
    leat_mem_free(head);
    return matches;
}

static __attribute__((noinline)) uint64_t count_matches(const bench_case *c,
                                                        const bench_event *events, uint32_t count)
{
    uint64_t matches = 0;
    if (c->rule == FRAUD) return count_fraud(events, count, c->keys, c->window_ms);
    for (uint32_t i = 0; i < count; i++)
        if (events[i].kind == C) matches += count_at(c, events, i);
    return matches;
}

/* --- the matcher --- */

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
            *ref = (leat_ref){.kind = LEAT_REF_SLOT, .index = i, .used = 1, .type = "int"};
    return LEAT_OK;
}

static leat_expr *compile(void *self, const leat_node *node, leat_scope *scope)
{
    leat_err err;
    leat_expr *expr = NULL;
    must(leat_expr_compile(node->text, scope, self, &expr, &err), &err);
    return expr;
}

static void pattern_text(const bench_case *c, char *text, size_t size)
{
    if (c->rule == FRAUD)
        (void)snprintf(text, size,
                       "{\"name\":\"p\",\"within\":\"%lldms\",\"steps\":[{\"name\":\"a\",\"where\":"
                       "\"amount < 10\",\"times\":3},{\"name\":\"c\",\"where\":\"amount > 500\"}]}",
                       (long long)c->window_ms);
    else
        (void)snprintf(text, size,
                       "{\"name\":\"p\",\"within\":\"%lldms\",\"limits\":{\"partial_matches\":"
                       "1000000},\"steps\":[{\"name\":\"a\",\"where\":\"kind == 0\"},{\"name\":"
                       "\"b\",\"where\":\"%s},{\"name\":\"c\",\"where\":\"kind == 2\"%s}]}",
                       (long long)c->window_ms, c->b, c->rule == NEXT ? "" : FOLLOWED);
}

typedef struct player {
    const leat_nfa *nfa;
    leat_testing *testing;
    leat_matcher **matchers; /* by key */
    leat_matcher_work *work;
    leat_matches matches;
    leat_arena *plan, *arena;
    const bench_event *event;
    int64_t now_ms;
    uint64_t found, taken, sum;
} player;

static leat_code keep(void *self, leat_event **event, leat_err *err)
{
    player *p = self;
    char text[160];
    const bench_event *e = p->event;
    int len = snprintf(text, sizeof text, TEXT, e->card, e->amount, e->kind);
    leat_identity identity = leat_identity_of(7, 0, p->now_ms);
    p->taken++;
    return leat_event_new((leat_str){text, (size_t)len}, p->now_ms, identity, event, err);
}

static void open_player(player *p, const bench_case *c)
{
    char text[1024];
    leat_scope fields = {.resolve = resolve};
    leat_findings findings;
    leat_pattern *pattern = NULL;
    leat_conditions *conditions = NULL;
    leat_nfa *nfa = NULL;
    leat_node *node = NULL;
    leat_err err;
    uint32_t line = 0, column = 0;
    *p = (player){.work = leat_matcher_work_new(),
                  .matchers = leat_mem_need(c->keys * sizeof(leat_matcher *))};
    must(leat_arena_new(&p->plan, (size_t)1 << 30, &err), &err);
    must(leat_arena_new(&p->arena, (size_t)1 << 30, &err), &err);
    leat_findings_init(&findings, p->plan);
    pattern_text(c, text, sizeof text);
    must(leat_doc_parse(leat_str_of(text), LEAT_STR("p"), p->plan, &node, &err, &line, &column),
         &err);
    bool good =
        leat_pattern_read(node, p->plan, &findings, &pattern) &&
        leat_conditions_new(pattern, &fields, compile, p->plan, p->plan, &findings, &conditions);
    if (good) must(leat_nfa_new(pattern, p->plan, &findings, &nfa, &err), &err);
    if (nfa == NULL) {
        (void)fprintf(stderr, "bench_matcher: %.*s\n", LEAT_STR_ARG(findings.items[0].message));
        exit(1);
    }
    p->nfa = nfa;
    p->testing = leat_testing_new(conditions);
}

static void close_player(player *p, const bench_case *c)
{
    for (uint32_t i = 0; i < c->keys; i++)
        leat_matcher_free(&p->matchers[i]);
    leat_mem_free(p->matchers);
    leat_testing_free(&p->testing);
    leat_matches_release(&p->matches);
    leat_matcher_work_free(&p->work);
    leat_arena_free(&p->arena);
    leat_arena_free(&p->plan);
}

static void feed(player *p, uint32_t key)
{
    leat_err err;
    bool idle = false;
    leat_value slots[SLOTS] = {leat_value_int(p->event->kind), leat_value_int(p->event->card),
                               leat_value_int(p->event->amount)};
    leat_eval eval = {.slots = slots, .arena = p->arena};
    leat_testing_begin(p->testing, &eval, NULL, keep, p);
    must(leat_testing_idle(p->testing, &idle, &err), &err);
    if (idle) return;
    leat_matcher **at = &p->matchers[key];
    if (*at == NULL) must(leat_matcher_new(p->nfa, at, &err), &err);
    if (leat_matcher_deadline(*at) <= p->now_ms)
        must(leat_matcher_advance(*at, p->work, p->now_ms, &p->matches, &err), &err);
    must(leat_matcher_feed(*at, p->work, p->now_ms, leat_testing_host(p->testing), &p->matches,
                           &err),
         &err);
    if (p->matches.count == 0) return;
    p->found += p->matches.count;
    for (size_t i = 0; i < p->matches.count; i++)
        for (const leat_take *take = p->matches.items[i].last; take != NULL; take = take->before)
            p->sum += (uint64_t)take->event->timestamp_ms;
    leat_matches_reset(&p->matches);
}

static void measure(const bench_case *c, bench_event *events, uint32_t count)
{
    player p;
    generate(c, events, count);
    open_player(&p, c);
    size_t before = mallinfo2().uordblks;
    double start = now_ns();
    for (uint32_t i = 0; i < count; i++) {
        p.event = &events[i];
        p.now_ms = i;
        if (i % 1000 == 0) leat_arena_reset(p.arena);
        feed(&p, c->keys == 1 ? 0 : events[i].card);
    }
    double ns = now_ns() - start;
    size_t bytes = mallinfo2().uordblks - before;
    uint64_t right = count_matches(c, events, count);
    uint64_t held = 0;
    for (uint32_t key = 0; key < c->keys; key++)
        held += p.matchers[key] == NULL ? 0 : leat_matcher_takes(p.matchers[key]);
    (void)printf("{\"bench\":\"matcher\",\"name\":\"%s\",\"window\":%lld,\"keys\":%u,\"events\":%u,"
                 "\"events_per_second\":%.0f,\"ns_per_event\":%.1f,\"matches\":%llu,"
                 "\"matches_per_second\":%.0f,\"takes_held\":%llu,\"bytes_held\":%zu}\n",
                 c->name, (long long)c->window_ms, c->keys, count, count / ns * 1e9, ns / count,
                 (unsigned long long)p.found, (double)p.found / ns * 1e9, (unsigned long long)held,
                 bytes);
    (void)fflush(stdout);
    if (p.found != right) {
        (void)fprintf(stderr, "bench_matcher: %s: %llu matches, there are %llu\n", c->name,
                      (unsigned long long)p.found, (unsigned long long)right);
        exit(1);
    }
    close_player(&p, c);
}

int main(int argc, char **arguments)
{
    uint32_t count = argc > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 1000000;
    bench_event *events = leat_mem_need((count + 1) * sizeof *events);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (argc < 3 || strcmp(arguments[2], cases[i].name) == 0) measure(&cases[i], events, count);
    leat_mem_free(events);
    return 0;
}
