/* SPDX-License-Identifier: Apache-2.0 */
/* Time: every living edge has a moment from which on it is dead, by the window of the pattern
 * (first take + within) or of its step (take before + within), whichever comes first.
 *
 * The window of the pattern is the bound of the graph: the runs that began too early are gone by
 * one comparison, and nobody looks at them. Where their end is told (timeouts, a negation at the
 * end of the pattern) they are walked through once, when it comes: their first events lie between
 * the old bound and the new one. The window of a step is the bundle's own, as the last take is one
 * of its slots then: edges die, and it moves to another configuration.
 *
 * When an edge's time is up: the edge towards acceptance makes a match, as what it waited for did
 * not happen; any other just dies. A partial match whose last edges die of time is a timeout, at
 * the moment of the last of them. An edge towards acceptance that still waits for its very next
 * event (`not next`) has not been answered and dies like the others.
 *
 * The deadline is the moment at which somebody must let time pass. Where nothing comes of it but
 * free memory there is no hurry: it is set for the run that began last, and once it has come, for
 * the one that began last by then. Else it is that of the first event that a run may have begun
 * with, which is never too late. */
#include "cep/bundle_index.h"
#include "cep/matcher_inside.h"
#include "core/mem.h"

static int64_t later(int64_t from_ms, int64_t window_ms)
{
    int64_t at;
    return __builtin_add_overflow(from_ms, window_ms, &at) ? LEAT_TIME_MAX : at;
}

/* --- deadlines --- */

static int64_t window_deadline(const leat_matcher *matcher, bool exact)
{
    const graph *g = &matcher->graph;
    int64_t window_ms = matcher->machine->within_ms;
    uint32_t event = g->bound == 0 ? 1 : g->bound;
    for (size_t i = 0; i < matcher->bundles.count && !exact; i++) {
        uint32_t root = bundle_at(matcher->machine, &matcher->bundles, i)->root;
        uint32_t most = root == 0 ? 0 : graph_node_at(g, root)->most;
        if (most > event) event = most;
    }
    return later(graph_entry_at(g, event)->time_ms, window_ms);
}

/* Whether bundles of the configuration are in the order of their last takes. */
static bool by_time(const machine *m, const machine_config *config)
{
    return config->slots == (uint64_t)1 << (m->slots_count - 1);
}

static int64_t steps_deadline(const leat_matcher *matcher)
{
    const machine *m = matcher->machine;
    int64_t deadline_ms = LEAT_TIME_MAX;
    for (size_t i = 0; i < matcher->bundles.count; i++) {
        const bundle *c = bundle_at(m, &matcher->bundles, i);
        const machine_config *config = machine_config_at(m, c->config);
        if (config->within_ms == 0 || !graph_lives(&matcher->graph, c->root)) continue;
        uint32_t last = c->slots[m->slots_count - 1];
        int64_t at = later(graph_entry_at(&matcher->graph, last)->time_ms, config->within_ms);
        if (at < deadline_ms) deadline_ms = at;
        if (by_time(m, config)) i = bundles_end(m, &matcher->bundles, i) - 1;
    }
    return deadline_ms;
}

void matcher_deadline(leat_matcher *matcher)
{
    if (matcher->bundles.count == 0) {
        matcher->window_ms = LEAT_TIME_MAX;
    } else if (matcher->machine->within_ms > 0) {
        bool exact = matcher->machine->exact || matcher->waiting_count > 0;
        if (exact || matcher->window_ms == LEAT_TIME_MAX)
            matcher->window_ms = window_deadline(matcher, exact);
    }
    matcher->deadline_ms = matcher->window_ms;
    if (matcher->bundles.count > 0 && matcher->machine->steps_timed) {
        int64_t steps_ms = steps_deadline(matcher);
        if (steps_ms < matcher->deadline_ms) matcher->deadline_ms = steps_ms;
    }
    if (matcher->held_count == 0) return;
    int64_t held_ms = matcher->held[0].event->timestamp_ms;
    if (held_ms < matcher->deadline_ms - 1) matcher->deadline_ms = held_ms + 1;
}

int64_t leat_matcher_deadline(const leat_matcher *matcher)
{
    return matcher->deadline_ms;
}

bool leat_matcher_quiet(leat_matcher *matcher)
{
    if (matcher->machine == NULL || matcher->rest.then != REST_NONE || !matcher_quiet(matcher))
        return false;
    matcher->window_ms = matcher->deadline_ms = window_deadline(matcher, false);
    return true;
}

/* --- what is due --- */

typedef struct expiry {
    leat_matcher *matcher;
    leat_matcher_work *work;
    leat_matches *matches;
    uint32_t from; /* the bound before */
    int64_t now_ms;
    leat_err *err;
} expiry;

/* Whether time completes the match by this edge. */
static bool answers(const leat_nfa_edge *edge, bool fresh)
{
    bool asked = fresh && (edge->not_next.count > 0 || edge->not_next.always);
    bool watched = edge->not_between.count > 0 || edge->not_between.always;
    return edge->target == LEAT_NFA_ACCEPT && watched && !asked;
}

/* When the last edge of a run dies that time does not complete; all of them do by the window of the
 * pattern, all_ms, at the latest. */
static int64_t end_of(const leat_nfa *nfa, const machine_config *config, int64_t last_ms,
                      int64_t all_ms)
{
    int64_t end_ms = INT64_MIN;
    for (uint32_t i = 0; i < config->places_count; i++) {
        const place *at = &config->places[i];
        for (uint64_t left = at->alive; left != 0; left &= left - 1) {
            const leat_nfa_edge *edge = &nfa->states[at->state]->edges[__builtin_ctzll(left)];
            if (answers(edge, config->fresh)) continue;
            int64_t edge_ms = edge->within_ms > 0 ? later(last_ms, edge->within_ms) : all_ms;
            if (edge_ms > all_ms) edge_ms = all_ms;
            if (edge_ms > end_ms) end_ms = edge_ms;
        }
    }
    return end_ms;
}

/* They are told, where that is wanted. */
static leat_code tell(const expiry *x, late item)
{
    leat_matcher_work *work = x->work;
    void *items = work->late;
    if (!x->matcher->nfa->timeouts) return LEAT_OK;
    LEAT_TRY(
        matcher_reserve(&items, &work->late_size, work->late_count, sizeof *work->late, x->err));
    work->late = items;
    work->late[work->late_count++] = item;
    return LEAT_OK;
}

/* When the run that the paths have found ended. */
static int64_t late_ms(const leat_matcher *matcher, const graph_paths *paths, const late *item)
{
    const leat_nfa *nfa = matcher->nfa;
    if (item->config == NULL) return item->end_ms;
    int64_t first_ms = graph_entry_at(&matcher->graph, graph_event_of(paths->path[0]))->time_ms;
    return end_of(nfa, item->config, item->last_ms, later(first_ms, nfa->pattern->within_ms));
}

static leat_code emit_late(const expiry *x)
{
    leat_matcher_work *work = x->work;
    graph_paths *paths = &work->paths;
    bool found = false;
    bool more = true;
    uint64_t out = 0;
    if (work->late_count == 0) return LEAT_OK;
    work->ticket++;
    graph_paths_begin(paths, &x->matcher->graph);
    for (size_t i = 0; i < work->late_count; i++) {
        const late *l = &work->late[i];
        LEAT_TRY(graph_paths_add(paths, (graph_source){l->root, 0, l->from, l->to}, x->err));
    }
    LEAT_TRY(graph_paths_next(paths, &found, x->err));
    while (found) {
        leat_match match = {.timed_out = true};
        match.time_ms = late_ms(x->matcher, paths, &work->late[paths->source]);
        LEAT_TRY(match_view(x->matcher, work, &match.last, x->err));
        LEAT_TRY(match_out(x->matcher, work, x->matches, &match, &more, x->err));
        if (!more)
            return matches_withhold(x->matcher, work, x->matches, 0, UINT32_MAX, out, x->err);
        out++;
        LEAT_TRY(graph_paths_next(paths, &found, x->err));
    }
    return LEAT_OK;
}

/* The window of the pattern has passed for the runs that began before the bound. */
static leat_code expire_starts(const expiry *x, const bundle *c)
{
    const machine *m = x->matcher->machine;
    const machine_config *config = machine_config_at(m, c->config);
    uint32_t to = x->matcher->graph.bound;
    const graph_node *root = graph_node_at(&x->matcher->graph, c->root);
    bool complete = false;
    bool ended = false;
    if (root->most < x->from || root->least >= to) return LEAT_OK;
    for (uint32_t i = 0; i < config->places_count; i++) {
        const place *at = &config->places[i];
        for (uint64_t left = at->alive; left != 0; left &= left - 1) {
            bool yes =
                answers(&m->nfa->states[at->state]->edges[__builtin_ctzll(left)], config->fresh);
            complete = complete || yes;
            ended = ended || !yes;
        }
    }
    if (complete) LEAT_TRY(done_add(x->work, (done){c->root, MACHINE_NONE, x->from, to}, x->err));
    int64_t last_ms = 0;
    if (config->within_ms > 0)
        last_ms = graph_entry_at(&x->matcher->graph, c->slots[m->slots_count - 1])->time_ms;
    return ended ? tell(x, (late){c->root, x->from, to, config, last_ms, 0}) : LEAT_OK;
}

typedef struct verdict {
    uint32_t count; /* places left */
    bool complete, ended;
    int64_t end_ms;
} verdict;

static verdict expire_places(const machine *m, const machine_config *config, place *places,
                             int64_t last_ms, int64_t now_ms)
{
    verdict v = {0};
    for (uint32_t i = 0; i < config->places_count; i++) {
        place at = config->places[i];
        for (uint64_t left = at.alive; left != 0; left &= left - 1) {
            uint32_t number = (uint32_t)__builtin_ctzll(left);
            const leat_nfa_edge *edge = &m->nfa->states[at.state]->edges[number];
            if (edge->within_ms == 0 || !matcher_passed(last_ms, edge->within_ms, now_ms)) continue;
            at.alive &= ~((uint64_t)1 << number);
            if (answers(edge, config->fresh)) {
                v.complete = true;
                continue;
            }
            int64_t end_ms = later(last_ms, edge->within_ms);
            if (!v.ended || end_ms > v.end_ms) v.end_ms = end_ms;
            v.ended = true;
        }
        if (at.alive != 0) places[v.count++] = at;
    }
    return v;
}

/* Windows of steps: edges of the bundle die. */
static leat_code expire_steps(const expiry *x, bundle *c)
{
    machine *m = x->matcher->machine;
    const graph *g = &x->matcher->graph;
    const machine_config *config = machine_config_at(m, c->config);
    if (!graph_lives(g, c->root) || config->within_ms == 0) return LEAT_OK;
    int64_t last_ms = graph_entry_at(g, c->slots[m->slots_count - 1])->time_ms;
    if (!matcher_passed(last_ms, config->within_ms, x->now_ms)) return LEAT_OK;
    place *places = leat_mem_try(config->places_count * sizeof *places);
    if (places == NULL) return leat_err_set(x->err, LEAT_ERR_MEMORY, "no memory for places");
    verdict v = expire_places(m, config, places, last_ms, x->now_ms);
    leat_code code = LEAT_OK;
    if (v.complete)
        code = done_add(x->work, (done){c->root, MACHINE_NONE, g->bound, UINT32_MAX}, x->err);
    if (code == LEAT_OK && v.count == 0 && v.ended)
        code = tell(x, (late){c->root, g->bound, UINT32_MAX, NULL, 0, v.end_ms});
    if (v.count == 0) c->root = 0;
    if (code == LEAT_OK && v.count > 0) {
        uint32_t number = 0;
        code = machine_config_of(m, places, v.count, config->fresh, &number, x->err);
        if (code == LEAT_OK) code = bundle_move(m, x->work, c, number, x->err);
    }
    leat_mem_free(places);
    return code;
}

/* Whether something comes out, or is told, of runs of that configuration that began too early. */
static bool starts_tell(const expiry *x, const machine_config *config)
{
    if (x->matcher->graph.bound <= x->from)
        return false; /* the pattern's window has passed for none */
    return config->waits || x->matcher->nfa->timeouts;
}

/* Whether the steps' windows of c, which lives, and of those behind it stay open. */
static bool steps_stay(const expiry *x, const bundle *c, const machine_config *config)
{
    const machine *m = x->matcher->machine;
    LEAT_ASSERT(graph_lives(&x->matcher->graph, c->root));
    if (config->within_ms == 0) return true;
    LEAT_ASSERT(m->steps_timed);
    int64_t last_ms = graph_entry_at(&x->matcher->graph, c->slots[m->slots_count - 1])->time_ms;
    return by_time(m, config) && !matcher_passed(last_ms, config->within_ms, x->now_ms);
}

/* What has died stays in the list until matcher_settle drops it. */
static leat_code expire(const expiry *x)
{
    leat_matcher *matcher = x->matcher;
    const machine *m = matcher->machine;
    bundles *list = &matcher->bundles;
    x->work->fresh.count = 0;
    for (size_t i = 0; i < list->count && m->exact; i++) {
        bundle *c = bundle_at(m, list, i);
        const machine_config *config = machine_config_at(m, c->config);
        bool tells = starts_tell(x, config);
        if (c->root == 0 || (!tells && !graph_lives(&matcher->graph, c->root))) continue;
        if (!tells && steps_stay(x, c, config)) {
            i = bundles_end(m, list, i) - 1;
            continue;
        }
        if (tells) LEAT_TRY(expire_starts(x, c));
        LEAT_TRY(expire_steps(x, c));
        if (c->root != 0) continue;
        bundle_index_passed(matcher, c->config);
        matcher->gone++;
    }
    return bundles_merge(matcher, x->work, x->err);
}

leat_code leat_matcher_advance(leat_matcher *matcher, leat_matcher_work *work, int64_t now_ms,
                               leat_matches *matches, leat_err *err)
{
    LEAT_ASSERT(work != NULL && matches != NULL && !matcher_rests(matcher));
    LEAT_ASSERT(matcher->held_count == 0 || matcher->held[0].event->timestamp_ms >= now_ms);
    if (matcher->deadline_ms > now_ms || matcher->bundles.count == 0) return LEAT_OK;
    LEAT_TRY(matcher_attach(matcher, work, err));
    uint32_t bound = matcher->graph.bound;
    expiry x = {matcher, work, matches, bound == 0 ? 1 : bound, now_ms, err};
    work->done_count = work->late_count = 0;
    matches_begin(work, matches);
    matcher_pass(matcher, now_ms);
    if (matcher->machine->exact || matcher->waiting_count > 0) {
        LEAT_TRY(matcher_named(matcher, expire(&x), err));
        work->hurry = work->late_count > 0; /* these are known now, and nowhere else */
        LEAT_TRY(skip_emit(matcher, work, matches, err));
        LEAT_TRY(emit_late(&x));
    } else if (matcher->graph.bound != matcher->dropped_at || matcher->gone > 0) {
        bundles_drop_dead(matcher); /* nothing comes of it but free memory */
    }
    LEAT_TRY(matcher_settle(matcher, work, err));
    if (matcher->window_ms <= now_ms) matcher->window_ms = LEAT_TIME_MAX;
    matcher_deadline(matcher);
    LEAT_ASSERT(matcher->deadline_ms > now_ms || now_ms == LEAT_TIME_MAX);
    return LEAT_OK;
}
