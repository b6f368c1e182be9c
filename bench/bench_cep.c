/* SPDX-License-Identifier: Apache-2.0 */
/* What finding patterns costs, on events that are decoded already and from JSON: a line of JSON for
 * each case.
 *
 *   bench_cep [EVENTS [CASE[:N] [ROUNDS [WAY]]]]
 *
 * N: only the N-th line of that case. WAY: `decoded` or `json` alone. So the instructions of one
 * line can be counted, without those of its preparation:
 *
 *   valgrind --tool=callgrind --toggle-collect=feed_batch bench_cep 200000 symbols:4 1 decoded
 *
 *   next      A, the next B, the next C; A and B are a tenth of the events each, C is rare
 *   strict    the same with nothing between them
 *   any       each A with each B with each C, where C never comes; `matches`: where it does
 *   loop      A B+ C in all combinations; A is a hundredth of the events
 *   step      any, with B within half of the window after A
 *   greater   any, with b.amount > a.amount; `same`: b.card == a.card
 *   fraud     three small payments and a large one per card
 *   differs   the same, and amount != last(a).amount
 *   symbols   N patterns of three steps on symbols of their own, one sequence of all: of 1,000 just
 *             one is touched by each event, and all of them have something under way
 *   cards     the same per card: hardly anything ever follows
 *   prices    N patterns, one narrow band of prices each, per card
 *   kinds     N patterns over an event kind of their own, with a field that others do not have
 *   silent    N patterns that never react
 *   none      the detect step with its only pattern disabled: decoding, time, and nothing else
 *
 * Windows, numbers of keys and of patterns grow from line to line; what is looked for is that the
 * cost does not.
 *
 * events_per_second: decoded events, one thread. Per event the work is that of detect without its
 * table and its alerts: the predicate index, the matchers of the key (an array here), the event's
 * text copied when it is taken, matches walked through. json_events_per_second: the whole task,
 * from the message's bytes to alerts as JSON, with table, timers, and a commit every 20,000 events.
 * Time is CPU time of the thread, the best of ROUNDS (default 2); events are made outside of it,
 * those that are decoded with their slots.
 * bytes_held: of the heap, at the end of the decoded pass, for the takes that are held then (an
 * event that is taken by several partial matches once) and their events. state_bytes: what the
 * table counts; json_bytes_held: of the heap, after the last commit of the whole task.
 *
 * Both ways must find the number of matches that a program without any automaton counts, and at
 * EVENTS = 1,000,000 (the default) the number that other engines find in the same stream; else the
 * benchmark ends with 1. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cep_case.h"
#include "bench/harness.h"
#include "cep/index.h"
#include "core/mem.h"
#include "transforms/exec.h"

#define BATCH     500u
#define COMMIT    20000u
#define AHEAD     4u /* events before its turn a matcher is asked for */
#define BASE_MS   INT64_C(1795200000000)
#define PLAN_MAX  ((size_t)2 << 30)
#define STATE_MAX ((uint64_t)8 << 30)

static const cep_case cases[] = {
    {"none", CEP_MULTI, CEP_NEXT, CEP_NEVER, 10000, 1, 1, -1},
    {"next", CEP_ABC, CEP_NEXT, CEP_BY_SYM, 50, 1, 1, 89},
    {"next", CEP_ABC, CEP_NEXT, CEP_BY_SYM, 1000, 1, 1, 1977},
    {"next", CEP_ABC, CEP_NEXT, CEP_BY_SYM, 10000, 1, 1, 19905},
    {"strict", CEP_ABC, CEP_STRICT, CEP_BY_SYM, 50, 1, 1, -1},
    {"any", CEP_ABC, CEP_ANY, CEP_OPEN, 50, 1, 1, 0},
    {"any", CEP_ABC, CEP_ANY, CEP_OPEN, 1000, 1, 1, 0},
    {"any", CEP_ABC, CEP_ANY, CEP_OPEN, 10000, 1, 1, 0},
    {"matches", CEP_ABC, CEP_ANY, CEP_BY_SYM, 100, 1, 1, 1100},
    {"matches", CEP_ABC, CEP_ANY, CEP_BY_SYM, 10000, 1, 1, 9937986},
    {"step", CEP_ABC, CEP_STEP, CEP_BY_SYM, 1000, 1, 1, -1},
    {"step", CEP_ABC, CEP_STEP, CEP_OPEN, 10000, 1, 1, 0},
    {"loop", CEP_KLE, CEP_LOOP, CEP_BY_SYM, 50, 1, 1, 217},
    {"loop", CEP_KLE, CEP_LOOP, CEP_BY_SYM, 100, 1, 1, 726},
    {"greater", CEP_ABC, CEP_GREATER, CEP_BY_SYM, 1000, 1, 1, 51046},
    {"same", CEP_ABC, CEP_SAME, CEP_BY_SYM, 1000, 1, 1, 11},
    {"same", CEP_ABC, CEP_SAME, CEP_BY_SYM, 10000, 1, 1, 1012},
    {"fraud", CEP_FRAUD, CEP_FRAUD_3, CEP_BY_SYM, 60000, 10, 1, -1},
    {"fraud", CEP_FRAUD, CEP_FRAUD_3, CEP_BY_SYM, 60000, 1000, 1, -1},
    {"fraud", CEP_FRAUD, CEP_FRAUD_3, CEP_BY_SYM, 60000, 10000, 1, 2666},
    {"fraud", CEP_FRAUD, CEP_FRAUD_3, CEP_BY_SYM, 60000, 100000, 1, -1},
    {"fraud", CEP_FRAUD, CEP_FRAUD_3, CEP_BY_SYM, 60000, 1000000, 1, -1},
    {"differs", CEP_FRAUD, CEP_FRAUD_3, CEP_BY_LAST, 60000, 10000, 1, 2666},
    {"symbols", CEP_MULTI, CEP_NEXT, CEP_BY_SYM, 10000, 1, 1, 300},
    {"symbols", CEP_MULTI, CEP_NEXT, CEP_BY_SYM, 10000, 1, 10, 2852},
    {"symbols", CEP_MULTI, CEP_NEXT, CEP_BY_SYM, 10000, 1, 100, 27864},
    {"symbols", CEP_MULTI, CEP_NEXT, CEP_BY_SYM, 10000, 1, 1000, 279921},
    {"symbols", CEP_MULTI, CEP_NEXT, CEP_BY_SYM, 10000, 1, 10000, 279921},
    {"cards", CEP_MULTI, CEP_NEXT, CEP_BY_SYM, 10000, 10000, 1, -1},
    {"cards", CEP_MULTI, CEP_NEXT, CEP_BY_SYM, 10000, 10000, 1000, -1},
    {"prices", CEP_MULTI, CEP_NEXT, CEP_BY_PRICE, 10000, 10000, 1, -1},
    {"prices", CEP_MULTI, CEP_NEXT, CEP_BY_PRICE, 10000, 10000, 1000, -1},
    {"prices", CEP_MULTI, CEP_NEXT, CEP_BY_PRICE, 10000, 10000, 10000, -1},
    {"kinds", CEP_MULTI, CEP_NEXT, CEP_BY_KIND, 10000, 10000, 1, -1},
    {"kinds", CEP_MULTI, CEP_NEXT, CEP_BY_KIND, 10000, 10000, 1000, -1},
    {"silent", CEP_MULTI, CEP_NEXT, CEP_NEVER, 10000, 10000, 1, 0},
    {"silent", CEP_MULTI, CEP_NEXT, CEP_NEVER, 10000, 10000, 1000, 0},
    {"silent", CEP_MULTI, CEP_NEXT, CEP_NEVER, 10000, 10000, 10000, 0},
};

/* Decoded, the state is an array of keys times patterns; where that is too large, there is only the
 * whole task. None has nothing to do but to decode. */
static bool plays_decoded(const cep_case *c)
{
    return (c->keys == 1 || c->patterns == 1) && strcmp(c->name, "none") != 0;
}

/* Ten million alerts say nothing about patterns. */
static bool plays_json(const cep_case *c)
{
    return strcmp(c->name, "matches") != 0 || c->window_ms < 1000;
}

typedef struct outcome {
    double ns;        /* of an event */
    double commit_ns; /* included in ns */
    uint64_t matches, takes;
    size_t bytes, held;
    double plan_ms;
    size_t plan_bytes;
} outcome;

/* The batch in hand. */
typedef struct batch {
    uint32_t count;
    const cep_event *events;
    leat_str texts[BATCH];
    leat_value slots[BATCH][CEP_SLOTS];
    char bytes[BATCH][CEP_TEXT_MAX];
} batch;

static void batch_make(batch *b, const cep_event *events, uint32_t left)
{
    b->events = events;
    b->count = left < BATCH ? left : BATCH;
    for (uint32_t i = 0; i < b->count; i++) {
        b->texts[i] = cep_text(&events[i], b->bytes[i]);
        cep_slots(&events[i], b->texts[i], b->slots[i]);
    }
}

/* --- decoded events --- */

typedef struct player {
    const cep_case *c;
    leat_arena *plan, *arena;
    leat_index_pattern *patterns;
    bool strict;     /* a pattern is */
    leat_map *forms; /* as op_detect's plan has them */
    leat_lookup *lookup;
    leat_testing *testing;
    leat_matcher **matchers; /* by key and pattern */
    leat_matcher_work *work;
    leat_matches matches;
    leat_marks visits;
    leat_eval eval;   /* of the event in hand */
    leat_event *held; /* the event in hand, when it has been taken */
    leat_str text;
    int64_t now_ms;
    uint64_t sum;
    leat_err err;
} player;

static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    (void)scope;
    (void)count;
    (void)absolute;
    (void)nearest;
    (void)err;
    ref->kind = LEAT_REF_NONE;
    for (uint32_t i = 0; i < CEP_SLOTS; i++)
        if (leat_str_is(names[0], cep_slot_names[i]))
            *ref = (leat_ref){.kind = LEAT_REF_SLOT, .index = i, .used = 1};
    return LEAT_OK;
}

static leat_expr *compile(void *self, const leat_node *node, leat_scope *scope)
{
    leat_err err;
    leat_expr *expr = NULL;
    bench_must(leat_expr_compile(node->text, scope, self, &expr, &err), &err);
    return expr;
}

static leat_index_pattern pattern_new(player *p, uint32_t n, leat_buf *text)
{
    leat_scope fields = {.resolve = resolve};
    leat_findings findings;
    leat_pattern *pattern = NULL;
    leat_conditions *conditions = NULL;
    leat_nfa *nfa = NULL;
    leat_node *node = NULL;
    leat_err err;
    uint32_t line = 0, column = 0;
    leat_findings_init(&findings, p->plan);
    leat_buf_reset(text);
    cep_pattern(p->c, n, true, text);
    leat_str kept = leat_arena_copy(p->plan, leat_buf_str(text));
    bench_must(leat_doc_parse(kept, LEAT_STR("p"), p->plan, &node, &err, &line, &column), &err);
    bool good =
        leat_pattern_read(node, p->plan, &findings, &pattern) &&
        leat_conditions_new(pattern, &fields, compile, p->plan, p->plan, &findings, &conditions);
    if (good) bench_must(leat_nfa_new(pattern, p->plan, &findings, &nfa, &err), &err);
    if (nfa == NULL) bench_fail("%.*s", LEAT_STR_ARG(findings.items[0].message));
    bench_must(leat_nfa_kin(p->forms, nfa, &err), &err);
    return (leat_index_pattern){conditions, nfa, 0};
}

static leat_code look(void *self, const leat_match *match, leat_err *err)
{
    player *p = self;
    (void)err;
    for (const leat_take *take = match->last; take != NULL; take = take->before)
        p->sum += (uint64_t)take->event->timestamp_ms;
    return LEAT_OK;
}

static void open_player(player *p, const cep_case *c)
{
    leat_err err;
    leat_buf text;
    leat_index *index = NULL;
    *p = (player){.c = c, .work = leat_matcher_work_new(), .matches = {.match = look, .self = p}};
    leat_buf_init(&text, 4096);
    bench_must(leat_arena_new(&p->plan, PLAN_MAX, &err), &err);
    bench_must(leat_arena_new(&p->arena, PLAN_MAX, &err), &err);
    p->eval.arena = p->arena;
    p->matchers = leat_mem_need((size_t)c->keys * c->patterns * sizeof(leat_matcher *));
    p->patterns = leat_mem_need(c->patterns * sizeof *p->patterns);
    p->forms = leat_map_new();
    for (uint32_t n = 0; n < c->patterns; n++)
        p->patterns[n] = pattern_new(p, n, &text);
    for (uint32_t n = 0; n < c->patterns; n++)
        p->strict = p->strict || p->patterns[n].nfa->strict;
    bench_must(leat_index_new(p->patterns, c->patterns, p->plan, &index, &err), &err);
    leat_map_free(&p->forms);
    p->lookup = leat_lookup_new(index);
    p->testing = leat_testing_new(p->patterns[0].conditions);
    leat_marks_init(&p->visits, c->patterns);
    leat_buf_release(&text);
}

static void close_player(player *p)
{
    for (size_t i = 0; i < (size_t)p->c->keys * p->c->patterns; i++)
        leat_matcher_free(&p->matchers[i]);
    leat_testing_free(&p->testing);
    leat_lookup_free(&p->lookup);
    leat_marks_release(&p->visits);
    leat_matcher_work_free(&p->work);
    leat_mem_free(p->matchers);
    leat_mem_free(p->patterns);
    leat_arena_free(&p->arena);
    leat_arena_free(&p->plan);
}

static leat_code keep(void *self, leat_event **event, leat_err *err)
{
    player *p = self;
    if (p->held == NULL) {
        leat_identity identity = leat_identity_of(7, 0, p->now_ms);
        leat_pool *pool = leat_matcher_work_pool(p->work);
        LEAT_TRY(leat_event_new(pool, p->text, p->now_ms, identity, &p->held, err));
    }
    *event = leat_event_share(p->held);
    return LEAT_OK;
}

/* Time comes to the matcher, if it is due, as timers have it in op_detect.c. */
static void pass_time(player *p, leat_matcher **at)
{
    leat_err err;
    if (leat_matcher_deadline(*at) > p->now_ms) return;
    if (!leat_matcher_quiet(*at))
        bench_must(leat_matcher_advance(*at, p->work, p->now_ms, &p->matches, &err), &err);
    else if (leat_matcher_deadline(*at) <= p->now_ms)
        leat_matcher_drop(p->work, at);
}

static void visit(player *p, uint32_t pattern, leat_matcher **at)
{
    leat_err err;
    const leat_nfa *nfa = p->patterns[pattern].nfa;
    bool starts = true;
    if (*at != NULL) pass_time(p, at);
    leat_testing_use(p->testing, p->patterns[pattern].conditions, p->lookup, pattern);
    leat_testing_begin(p->testing, &p->eval, NULL, keep, p);
    const leat_matcher_host *host = leat_testing_host(p->testing);
    if (*at == NULL) {
        bench_must(leat_matcher_starts(nfa, host, &starts, &err), &err);
        if (!starts) return;
        bench_must(leat_matcher_make(p->work, nfa, at, &err), &err);
    }
    bench_must(leat_matcher_feed(*at, p->work, p->now_ms, host, &p->matches, &err), &err);
    if (leat_matcher_empty(*at)) leat_matcher_drop(p->work, at);
}

/* Which patterns the event concerns: as op_detect.c finds it out. */
static void mark(player *p, leat_matcher **matchers)
{
    leat_err err;
    uint32_t index = 0;
    leat_verdict verdict = LEAT_VERDICT_HOLDS;
    leat_marks_clear(&p->visits);
    leat_marks_join(&p->visits, leat_lookup_starts(p->lookup));
    if (p->c->patterns == 1) {
        if (matchers[0] == NULL) return;
        if (!p->strict) bench_must(leat_lookup_pattern(p->lookup, 0, false, &verdict, &err), &err);
        if (verdict == LEAT_VERDICT_HOLDS) leat_marks_add(&p->visits, 0);
        return;
    }
    const leat_marks *live = leat_lookup_live(p->lookup);
    for (uint32_t from = 0; leat_marks_next(live, from, &index); from = index + 1)
        if (matchers[index] != NULL) leat_marks_add(&p->visits, index);
}

static __attribute__((noinline)) void feed_marked(player *p, leat_matcher **matchers)
{
    uint32_t index = 0;
    bool starts = false;
    if (leat_lookup_lone(p->lookup, &index, &starts) && !p->strict) {
        if (starts || matchers[index] != NULL) visit(p, index, &matchers[index]);
        leat_event_release(&p->held);
        return;
    }
    mark(p, matchers);
    index = 0;
    for (uint32_t from = 0; leat_marks_next(&p->visits, from, &index); from = index + 1)
        visit(p, index, &matchers[index]);
    leat_event_release(&p->held);
}

static void feed(player *p, const cep_event *event, const leat_value *slots)
{
    p->now_ms = event->at_ms;
    p->eval.slots = slots;
    bench_must(leat_lookup_begin(p->lookup, &p->eval, &p->err), &p->err);
    if (leat_lookup_groups(p->lookup) == 0 && !p->strict) return;
    size_t key = p->c->keys == 1 ? 0 : (size_t)event->card;
    feed_marked(p, p->matchers + key * p->c->patterns);
}

/* The matchers of keys to come, as detect_ahead.c does. */
static void look_ahead(const player *p, const batch *b, uint32_t i)
{
    uint32_t far = i + 2 * AHEAD < b->count ? i + 2 * AHEAD : b->count - 1;
    uint32_t near = i + AHEAD < b->count ? i + AHEAD : b->count - 1;
    uint32_t next = i + 1 < b->count ? i + 1 : b->count - 1;
    __builtin_prefetch(&p->matchers[b->events[far].card]);
    leat_matcher_ahead(p->matchers[b->events[near].card]);
    leat_matcher_ahead_feed(p->matchers[b->events[next].card]);
}

/* What callgrind counts, so it has to be a function. */
static __attribute__((noinline)) void feed_batch(player *p, const batch *b)
{
    bool many = p->c->patterns > 64; /* as op_detect.c does */
    bool keyed = p->c->keys > 1 && p->c->patterns == 1;
    for (uint32_t i = 0; i < b->count; i++) {
        p->text = b->texts[i];
        uint32_t to = i + LEAT_LOOKUP_AHEAD;
        if (many && to < b->count) leat_lookup_ahead(p->lookup, b->slots[to]);
        if (keyed) look_ahead(p, b, i);
        feed(p, &b->events[i], b->slots[i]);
    }
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static outcome play_decoded(const cep_case *c, const cep_event *events, uint32_t count, batch *b)
{
    player p;
    outcome o = {0};
    open_player(&p, c);
    size_t before = heap_bytes();
    for (uint32_t at = 0; at < count; at += b->count) {
        batch_make(b, &events[at], count - at);
        leat_arena_reset(p.arena);
        double began = bench_now_ns();
        feed_batch(&p, b);
        o.ns += bench_now_ns() - began;
    }
    o.ns /= count;
    o.bytes = heap_bytes() - before;
    o.matches = p.matches.count;
    for (size_t i = 0; i < (size_t)c->keys * c->patterns; i++)
        o.takes += p.matchers[i] == NULL ? 0 : leat_matcher_takes(p.matchers[i]);
    close_player(&p);
    return o;
}

/* --- from JSON: the whole task --- */

static void write_pipeline(const cep_case *c, leat_buf *out)
{
    leat_buf_add_format(out,
                        "{\"name\":\"bench\",\"sources\":{\"s\":{\"topic\":\"in\"}},\"streams\":{"
                        "\"a\":{\"from\":\"s\",\"steps\":[{\"detect\":{\"key\":\"%s\",\"events\":"
                        "false,\"patterns\":[",
                        c->keys == 1 ? "" : "card");
    for (uint32_t n = 0; n < c->patterns; n++) {
        if (n > 0) leat_buf_add_char(out, ',');
        cep_pattern(c, n, strcmp(c->name, "none") != 0, out);
    }
    leat_buf_add_text(out, "]}}],\"to\":\"out\"}}}");
}

static void run_batch(leat_exec *exec, const batch *b, int64_t offset, outcome *o)
{
    static leat_message messages[BATCH];
    const leat_output *outputs = NULL;
    size_t outputs_count = 0;
    leat_err err;
    for (uint32_t i = 0; i < b->count; i++)
        messages[i] = (leat_message){.topic = LEAT_STR("in"),
                                     .offset = offset + i,
                                     .timestamp_ms = BASE_MS + b->events[i].at_ms,
                                     .value = b->texts[i]};
    double began = bench_now_ns();
    bench_must(leat_exec_batch(exec, messages, b->count, &outputs, &outputs_count, &err), &err);
    o->ns += bench_now_ns() - began;
    o->matches += outputs_count;
}

static outcome play_json(const cep_case *c, const cep_event *events, uint32_t count, batch *b)
{
    leat_arena *arena = NULL;
    leat_exec *exec = NULL;
    const leat_output *outputs = NULL;
    size_t outputs_count = 0;
    leat_err err;
    leat_buf text;
    outcome o = {0};
    leat_buf_init(&text, (size_t)256 << 20);
    bench_must(leat_arena_new(&arena, PLAN_MAX, &err), &err);
    write_pipeline(c, &text);
    double began = bench_now_ns();
    const leat_plan *plan = bench_plan(leat_buf_str(&text), NULL, arena);
    o.plan_ms = (bench_now_ns() - began) / 1e6;
    o.plan_bytes = leat_arena_used(arena);
    size_t before = heap_bytes();
    bench_must(leat_exec_open(plan, 0, STATE_MAX, &exec, &err), &err);
    leat_exec_portion(exec, SIZE_MAX);
    for (uint32_t at = 0; at < count; at += b->count) {
        batch_make(b, &events[at], count - at);
        run_batch(exec, b, at, &o);
        if ((at + b->count) % COMMIT != 0 && at + b->count < count) continue;
        began = bench_now_ns();
        bench_must(leat_exec_flush(exec, bench_discard, NULL, &err), &err);
        leat_exec_commit(exec);
        o.commit_ns += bench_now_ns() - began;
    }
    o.ns = (o.ns + o.commit_ns) / count;
    o.commit_ns /= count;
    o.bytes = leat_exec_state_bytes(exec);
    o.held = heap_bytes() - before;
    /* The last events wait for others of their time. */
    bench_must(leat_exec_end(exec, &outputs, &outputs_count, &err), &err);
    o.matches += outputs_count;
    leat_exec_counts counts = leat_exec_counts_get(exec);
    if (counts.dead_letters + counts.late != 0)
        bench_fail("%s: %.*s", c->name, LEAT_STR_ARG(leat_exec_last_error(exec)));
    if (strcmp(c->name, "none") == 0) o.matches = 0; /* without patterns, records pass */
    leat_exec_close(&exec);
    leat_arena_free(&arena);
    leat_buf_release(&text);
    return o;
}

/* --- cases --- */

static outcome
best_of(outcome (*play)(const cep_case *c, const cep_event *events, uint32_t count, batch *b),
        const cep_case *c, const cep_event *events, uint32_t count, uint32_t rounds, uint64_t right)
{
    static batch b;
    outcome best = {0};
    for (uint32_t i = 0; i < rounds; i++) {
        outcome o = play(c, events, count, &b);
        if (o.matches != right)
            bench_fail("%s, window of %lld ms, %u patterns: %llu matches; there are %llu", c->name,
                       (long long)c->window_ms, c->patterns, (unsigned long long)o.matches,
                       (unsigned long long)right);
        if (i == 0 || o.ns < best.ns) best = o;
    }
    return best;
}

static void measure(const cep_case *c, const cep_event *events, uint32_t count, uint32_t rounds,
                    const char *way)
{
    uint64_t right = cep_count(c, events, count);
    bool known = c->peers >= 0 && count == CEP_EVENTS_MAX;
    if (known && right != (uint64_t)c->peers)
        bench_fail("%s, window of %lld ms, %u patterns: %llu matches are counted; others find %lld",
                   c->name, (long long)c->window_ms, c->patterns, (unsigned long long)right,
                   (long long)c->peers);
    (void)printf(
        "{\"bench\":\"cep\",\"name\":\"%s\",\"window_ms\":%lld,\"keys\":%u,\"patterns\":%u,"
        "\"events\":%u,\"matches\":%llu,\"as_peers\":%s",
        c->name, (long long)c->window_ms, c->keys, c->patterns, count, (unsigned long long)right,
        known ? "true" : "null");
    if (plays_decoded(c) && strcmp(way, "json") != 0) {
        outcome o = best_of(play_decoded, c, events, count, rounds, right);
        (void)printf(
            ",\"events_per_second\":%.0f,\"ns_per_event\":%.1f,\"matches_per_second\":%.0f,"
            "\"takes_held\":%llu,\"bytes_held\":%zu",
            1e9 / o.ns, o.ns, (double)o.matches / (o.ns * count) * 1e9, (unsigned long long)o.takes,
            o.bytes);
    }
    if (plays_json(c) && strcmp(way, "decoded") != 0) {
        outcome o = best_of(play_json, c, events, count, rounds, right);
        (void)printf(
            ",\"json_events_per_second\":%.0f,\"json_ns_per_event\":%.1f,\"commit_ns\":%.1f,"
            "\"state_bytes\":%zu,\"json_bytes_held\":%zu,\"plan_ms\":%.1f,"
            "\"plan_bytes_per_pattern\":%zu",
            1e9 / o.ns, o.ns, o.commit_ns, o.bytes, o.held, o.plan_ms, o.plan_bytes / c->patterns);
    }
    (void)printf(",\"rounds\":%u}\n", rounds);
    (void)fflush(stdout);
}

/* NAME, or NAME:N; *line: how many of that name have been met, this one included. */
static bool wanted(const char *which, const cep_case *c, uint32_t *line)
{
    size_t length = strcspn(which, ":");
    if (strlen(c->name) != length || memcmp(which, c->name, length) != 0) return *which == '\0';
    ++*line;
    return which[length] == '\0' || strtoul(which + length + 1, NULL, 10) == *line;
}

int main(int argc, char **argv)
{
    uint32_t count = bench_number(argc, argv, 1, CEP_EVENTS_MAX, 1);
    uint32_t rounds = bench_number(argc, argv, 3, 2, 1);
    const char *way = argc > 4 ? argv[4] : "";
    uint32_t line = 0;
    bool found = false;
    if (strcmp(way, "") != 0 && strcmp(way, "decoded") != 0 && strcmp(way, "json") != 0)
        bench_fail("'%s' is no way: decoded, json", way);
    if (count > CEP_EVENTS_MAX) bench_fail("there are only %u events", CEP_EVENTS_MAX);
    cep_streams *streams = cep_streams_new();
    cep_event *events = leat_mem_need(CEP_EVENTS_MAX * sizeof *events);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!wanted(argc > 2 ? argv[2] : "", &cases[i], &line)) continue;
        found = true;
        cep_streams_get(streams, &cases[i], events, count);
        measure(&cases[i], events, count, rounds, way);
    }
    if (!found) bench_fail("no case is named '%s'", argv[2]);
    leat_mem_free(events);
    cep_streams_free(&streams);
    return 0;
}
