/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a case: the oracle once, the product in several ways, and all must tell the same.
 *
 *   plainly   the same calls
 *   recoded   after each call, the state is encoded, decoded, and goes on from there
 *   cut       time passes in more steps (only with timers: without, steps make a difference)
 *   spared    what cannot matter is not fed, and a matcher without state is thrown away
 *   paused    matches of one call come out in portions; the state may be recoded in between
 *   beside    another key of the same pattern is fed some of the events, with the same scratch
 *   rules     the oracle's matches are those that a search by the rules finds
 * (tests/oracle/rules.h); without a skip strategy, as a set, whenever they came out
 *
 * What comes out is written down as text, with the number of the happening and the time of the
 * call. Matches are compared in order; timeouts of one call as a set, since nothing is said of
 * their order, except that recoding may not change it. */
#include <stdlib.h>

#include "schemas/codec_json.h"
#include "tests/differential/case.h"
#include "tests/oracle/play.h"
#include "tests/oracle/rules.h"

#define END_OF_TIME  (INT64_MAX / 2)
#define PARTIALS_MAX 600   /* of the oracle: more take too long */
#define RESULTS_MAX  4000  /* likewise */
#define RULES_BUDGET 60000 /* small steps of a search by the rules */

typedef struct runner {
    const diff_case *c;
    leat_arena *arena;
    const leat_nfa *nfa;
    leat_event **events; /* by happening */
    diff_verdict way;    /* DIFF_SAME: the oracle */
    size_t count;        /* of happenings to go through; set by the oracle */
    bool ended;          /* ... and on to the end of time */
    play *play, *beside;
    size_t number; /* of the happening */
    size_t results;
    uint64_t withheld, dropped;
    leat_buf exact, sorted; /* timeouts as they came, and in order */
    play_results all;       /* of the oracle: all that are no timeouts */
} runner;

/* --- the pattern --- */

static leat_expr *compile(void *self, const leat_node *node, leat_scope *scope)
{
    leat_err err = {0};
    leat_expr *expr = NULL;
    return leat_expr_compile(node->text, scope, self, &expr, &err) == LEAT_OK ? expr : NULL;
}

/* NULL: it is no valid pattern. An expression that cannot be compiled is one as well. */
static const leat_nfa *load(leat_value pattern, bool timeouts, leat_arena *arena,
                            leat_conditions **conditions)
{
    leat_err err = {0};
    uint32_t line = 0;
    uint32_t column = 0;
    leat_buf text;
    leat_findings findings;
    leat_node *node = NULL;
    leat_pattern *read = NULL;
    leat_nfa *nfa = NULL;
    leat_findings_init(&findings, arena);
    leat_buf_init(&text, (size_t)1 << 20);
    leat_code code = leat_json_write(pattern, arena, &text, &err);
    LEAT_ASSERT(code == LEAT_OK);
    leat_str copy = leat_arena_copy(arena, leat_buf_str(&text));
    leat_buf_release(&text);
    code = leat_doc_parse(copy, LEAT_STR("case"), arena, &node, &err, &line, &column);
    LEAT_ASSERT(code == LEAT_OK);
    if (!leat_pattern_read(node, arena, &findings, &read)) return NULL;
    bool compiled = leat_conditions_new(read, NULL, compile, arena, arena, &findings, conditions);
    for (uint32_t i = 0; i < read->conditions_count; i++)
        compiled = compiled && (*conditions)->exprs[i] != NULL;
    if (!compiled || (read->order_by != NULL && (*conditions)->order_by == NULL)) return NULL;
    code = leat_nfa_new(read, arena, &findings, &nfa, &err);
    LEAT_ASSERT(code == LEAT_OK);
    if (nfa != NULL) nfa->timeouts = timeouts;
    return nfa;
}

/* --- what comes out --- */

static void add_takes(const runner *r, const play_result *result, leat_buf *out)
{
    for (uint32_t i = 0; i < result->count; i++) {
        leat_str name = r->nfa->pattern->steps[result->takes[i].step]->name;
        leat_buf_add_format(out, " %.*s%llu", LEAT_STR_ARG(name),
                            (unsigned long long)result->takes[i].event);
    }
    leat_buf_add_char(out, '\n');
}

static leat_str result_text(const runner *r, const play_result *result, int64_t at_ms)
{
    leat_buf out;
    leat_buf_init(&out, (size_t)1 << 20);
    leat_buf_add_format(&out, "#%zu at %lld: ", r->number + 1, (long long)at_ms);
    if (result->timed_out)
        leat_buf_add_format(&out, "timeout %lld:", (long long)result->time_ms);
    else
        leat_buf_add_text(&out, result->missed ? "match (missed):" : "match:");
    add_takes(r, result, &out);
    leat_str text = leat_arena_copy(r->arena, leat_buf_str(&out));
    leat_buf_release(&out);
    return text;
}

static int compare_text(const void *a, const void *b)
{
    return leat_str_compare(*(const leat_str *)a, *(const leat_str *)b);
}

static void keep_all(runner *r, const play_results *results)
{
    size_t count = r->all.count + results->count;
    play_result *items = leat_arena_zero(r->arena, (count + 1) * sizeof *items);
    LEAT_ASSERT(items != NULL);
    if (r->all.count > 0) memcpy(items, r->all.items, r->all.count * sizeof *items);
    r->all.items = items;
    for (size_t i = 0; i < results->count; i++)
        if (!results->items[i].timed_out) items[r->all.count++] = results->items[i];
}

static void count_text(runner *r, const char *what, uint64_t count)
{
    if (count == 0) return;
    leat_buf_add_format(&r->exact, "%s %llu\n", what, (unsigned long long)count);
    leat_buf_add_format(&r->sorted, "%s %llu\n", what, (unsigned long long)count);
}

static void note(runner *r, const play_results *results, int64_t at_ms)
{
    if (results->count == 0 && results->dropped == 0 && results->withheld == 0) return;
    leat_str *late = leat_arena_zero(r->arena, (results->count + 1) * sizeof *late);
    size_t late_count = 0;
    LEAT_ASSERT(late != NULL);
    for (size_t i = 0; i < results->count; i++) {
        leat_str text = result_text(r, &results->items[i], at_ms);
        leat_buf_add(&r->exact, text);
        if (results->items[i].timed_out)
            late[late_count++] = text;
        else
            leat_buf_add(&r->sorted, text);
    }
    if (r->way == DIFF_SAME) keep_all(r, results);
    qsort(late, late_count, sizeof *late, compare_text);
    for (size_t i = 0; i < late_count; i++)
        leat_buf_add(&r->sorted, late[i]);
    count_text(r, "dropped", results->dropped);
    count_text(r, "withheld", results->withheld);
    r->withheld += results->withheld;
    r->dropped += results->dropped;
    r->results += results->count;
}

static void failed(runner *r, leat_code code, const leat_err *err)
{
    if (code == LEAT_OK) return;
    leat_buf_add_format(&r->exact, "#%zu: error: %s\n", r->number + 1, err->text);
    leat_buf_add_format(&r->sorted, "#%zu: error: %s\n", r->number + 1, err->text);
    r->count = r->number; /* no further */
}

/* --- calls --- */

/* Two events of three go to the other key as well; what comes of it is nobody's business. */
static void feed_beside(runner *r, leat_event *event)
{
    leat_err err = {0};
    play_results results = {0};
    if (r->beside == NULL || r->number % 3 == 0) return;
    leat_code code = play_advance(r->beside, event->timestamp_ms, r->arena, &results, &err);
    if (code == LEAT_OK) code = play_feed(r->beside, event, r->arena, &results, &err);
    failed(r, code, &err);
}

static void between(runner *r)
{
    leat_err err = {0};
    if (r->way == DIFF_RECODED) failed(r, play_recode(r->play, &err), &err);
    if (r->way == DIFF_SPARED) play_renew(r->play);
}

static void advance(runner *r, int64_t now_ms)
{
    leat_err err = {0};
    play_results results = {0};
    failed(r, play_advance(r->play, now_ms, r->arena, &results, &err), &err);
    note(r, &results, now_ms);
    between(r);
}

static void feed(runner *r, leat_event *event)
{
    leat_err err = {0};
    play_results results = {0};
    bool matters = true;
    feed_beside(r, event);
    if (r->way == DIFF_SPARED)
        failed(r, play_matters(r->play, event, r->arena, &matters, &err), &err);
    if (!matters) return;
    failed(r, play_feed(r->play, event, r->arena, &results, &err), &err);
    note(r, &results, event->timestamp_ms);
    between(r);
}

/* Feeds what was held from before now_ms. Without timers, time has to be told first. */
static void feed_held(runner *r, int64_t now_ms)
{
    leat_event *event = NULL;
    while (play_unhold(r->play, now_ms, &event)) {
        if (!r->c->timers) advance(r, event->timestamp_ms);
        between(r);
        feed(r, event);
        leat_event_release(&event);
    }
}

/* Time comes to now_ms; with timers as the step `detect` lets it pass. */
static void pass(runner *r, int64_t now_ms)
{
    for (int64_t at_ms = 0; r->c->timers;) {
        at_ms = play_deadline(r->play);
        if (at_ms > now_ms) break;
        feed_held(r, at_ms);
        advance(r, at_ms);
        /* Further calls of times past, which can mean nothing. */
        if (r->way == DIFF_CUT && play_deadline(r->play) > at_ms + 1) advance(r, at_ms + 1);
    }
    if (r->c->timers && r->way != DIFF_CUT) return;
    feed_held(r, now_ms);
    advance(r, now_ms);
}

static void happen(runner *r, const diff_happening *h)
{
    leat_event *event = r->events[r->number];
    leat_err err = {0};
    if (r->way == DIFF_CUT && r->number > 0) {
        int64_t last_ms = r->c->happenings[r->number - 1].at_ms;
        pass(r, last_ms + (h->at_ms - last_ms) / 3);
        pass(r, last_ms + (h->at_ms - last_ms) / 2);
    }
    pass(r, h->at_ms);
    if (h->time_only) return;
    if (r->nfa->pattern->order_by == NULL) {
        feed(r, event);
        return;
    }
    failed(r, play_hold(r->play, event, r->arena, &err), &err);
    between(r);
}

static void run(runner *r, play_kit *kit)
{
    leat_buf_init(&r->exact, (size_t)64 << 20);
    leat_buf_init(&r->sorted, (size_t)64 << 20);
    r->play = play_new(kit);
    if (r->way == DIFF_BESIDE && r->nfa->pattern->order_by == NULL) r->beside = play_new(kit);
    for (r->number = 0; r->number < r->count; r->number++) {
        happen(r, &r->c->happenings[r->number]);
        if (r->way != DIFF_SAME) continue;
        r->ended = play_partials(r->play) <= PARTIALS_MAX && r->results <= RESULTS_MAX;
        if (!r->ended && r->number < r->count) r->count = r->number + 1;
    }
    if (r->ended) pass(r, END_OF_TIME);
    play_free(&r->play);
    play_free(&r->beside);
}

/* --- comparing --- */

static bool differs(const runner *got, const runner *want, bool exact, diff_outcome *outcome)
{
    leat_str g = leat_buf_str(exact ? &got->exact : &got->sorted);
    leat_str w = leat_buf_str(exact ? &want->exact : &want->sorted);
    if (leat_str_equal(g, w)) return false;
    outcome->verdict = got->way;
    outcome->got = leat_arena_copy(got->arena, g);
    outcome->want = leat_arena_copy(got->arena, w);
    return true;
}

static void release(runner *r)
{
    leat_buf_release(&r->exact);
    leat_buf_release(&r->sorted);
}

static void run_product(const runner *first, const leat_conditions *conditions,
                        diff_outcome *outcome)
{
    play_kit *kit = play_kit_new(first->nfa, conditions, false);
    runner plain = *first;
    plain.way = DIFF_PLAINLY;
    /* Indexes of bundles: always, or where there are many. */
    if (first->c->count % 4 != 0) play_kit_index_at(kit, 1 + first->c->count % 3);
    run(&plain, kit);
    bool different = differs(&plain, first, false, outcome);
    for (diff_verdict way = DIFF_RECODED; way <= DIFF_BESIDE && !different; way++) {
        runner again = *first;
        if (way == DIFF_CUT && !first->c->timers) continue;
        again.way = way;
        if (way == DIFF_PAUSED) play_kit_portions(kit, 1 + first->results % 3, first->count % 2);
        run(&again, kit);
        if (way == DIFF_PAUSED) play_kit_portions(kit, 0, false);
        different = differs(&again, &plain, true, outcome);
        release(&again);
    }
    outcome->paused = play_kit_pauses(kit) > 0;
    release(&plain);
    play_kit_free(&kit);
}

/* --- the rules --- */

/* Takes of matches, each once, in order. */
static leat_str as_set(const runner *r, const play_result *items, size_t count)
{
    leat_str *texts = leat_arena_zero(r->arena, (count + 1) * sizeof *texts);
    leat_buf out;
    LEAT_ASSERT(texts != NULL);
    leat_buf_init(&out, (size_t)64 << 20);
    for (size_t i = 0; i < count; i++) {
        leat_buf_reset(&out);
        add_takes(r, &items[i], &out);
        texts[i] = leat_arena_copy(r->arena, leat_buf_str(&out));
    }
    qsort(texts, count, sizeof *texts, compare_text);
    leat_buf_reset(&out);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !leat_str_equal(texts[i], texts[i - 1])) leat_buf_add(&out, texts[i]);
    leat_str all = leat_arena_copy(r->arena, leat_buf_str(&out));
    leat_buf_release(&out);
    return all;
}

static void run_rules(const runner *first, diff_outcome *outcome)
{
    const leat_pattern *pattern = first->nfa->pattern;
    if (pattern->skip != LEAT_SKIP_NONE || pattern->order_by != NULL || !first->ended) return;
    if (first->withheld + first->dropped > 0) return; /* the rules know no limits */
    leat_event **events = leat_arena_zero(first->arena, (first->count + 1) * sizeof *events);
    size_t count = 0;
    LEAT_ASSERT(events != NULL);
    for (size_t i = 0; i < first->count; i++)
        if (first->events[i] != NULL) events[count++] = first->events[i];
    rules_found found = rules_search(pattern, events, count, RULES_BUDGET, first->arena);
    if (found.given_up) return;
    leat_str got = as_set(first, first->all.items, first->all.count);
    leat_str want = as_set(first, found.items, found.count);
    outcome->ruled = true;
    if (leat_str_equal(got, want)) return;
    *outcome = (diff_outcome){.verdict = DIFF_RULES, .got = got, .want = want, .ruled = true};
}

static leat_event **make_events(const diff_case *c, leat_pool *pool, leat_arena *arena)
{
    leat_event **events = leat_arena_zero(arena, (c->count + 1) * sizeof *events);
    leat_err err = {0};
    leat_buf text;
    LEAT_ASSERT(events != NULL);
    leat_buf_init(&text, (size_t)1 << 20);
    for (size_t i = 0; i < c->count; i++) {
        if (c->happenings[i].time_only) continue;
        leat_buf_reset(&text);
        leat_code code = leat_json_write(c->happenings[i].event, arena, &text, &err);
        LEAT_ASSERT(code == LEAT_OK);
        leat_identity identity = {1, i + 1};
        code = leat_event_new(pool, leat_buf_str(&text), c->happenings[i].at_ms, identity,
                              &events[i], &err);
        LEAT_ASSERT(code == LEAT_OK);
    }
    leat_buf_release(&text);
    return events;
}

diff_outcome diff_run(const diff_case *c, leat_arena *arena)
{
    diff_outcome outcome = {.verdict = DIFF_REFUSED};
    leat_conditions *conditions = NULL;
    runner r = {.c = c, .arena = arena, .way = DIFF_SAME, .count = c->count, .ended = true};
    /* Where timeouts are not told the product lets windows pass unseen. */
    r.nfa = load(c->pattern, c->count % 3 != 0, arena, &conditions);
    if (r.nfa == NULL) return outcome;
    outcome.verdict = DIFF_SAME;
    leat_pool *pool = leat_pool_new();
    r.events = make_events(c, pool, arena);
    play_kit *kit = play_kit_new(r.nfa, conditions, true);
    run(&r, kit);
    play_kit_free(&kit);
    outcome.cut_short = !r.ended;
    outcome.results = r.results;
    outcome.limited = r.withheld > 0;
    run_product(&r, conditions, &outcome);
    if (outcome.verdict == DIFF_SAME) run_rules(&r, &outcome);
    release(&r);
    for (size_t i = 0; i < c->count; i++)
        leat_event_release(&r.events[i]);
    leat_pool_free(&pool);
    return outcome;
}
