/* SPDX-License-Identifier: Apache-2.0 */
/* The matcher: a register machine over a shared match graph.
 *
 *   feed   all bundles at once, where matcher_shape.c can; else
 *          for each bundle, and for the start: the machine's tree tells, condition by condition,
 *          what the event does to its configuration
 *            stays as it is       nothing is touched
 *            ends                 the root is dropped
 *            takes the event      one take in front of the whole root: a new bundle
 *            is complete          its runs come out, or wait
 *          -> merge -> limits -> skip -> what is dead -> deadline
 *
 * So an event costs the bundles that there are, not the partial matches in them. How many there are
 * is up to the conditions on earlier events: none, one per configuration; some, one per value that
 * can still be read; the whole of what was taken, one per partial match.
 *
 * A condition that reads no step is evaluated once per event. One that reads first(s) or last(s)
 * is shown just these takes, from the slots: nobody walks along a long match for them. Others are
 * shown any run of the bundle, as all of them would answer alike. */
#include "cep/matcher.h"

#include "cep/bundle_index.h"
#include "cep/matcher_inside.h"
#include "core/mem.h"

#define SHOWN_BYTES_MAX ((size_t)1 << 30)
#define UNSEALED        0x80000000u /* in bundle.depth: the take in front of the root is missing */
/* Bundles of the event that are looked at for an equal one; without slots as many as a program of
 * matcher_shape.c has, which shares takes among all: a limit must not depend on the way. */
#define SHARE_MAX       4
#define SHARE_ALIKE_MAX 64
#define AHEAD_EVENTS    2       /* that are asked for ahead: what the graph itself has room for */
#define DROPS_COUNTED   100000u /* matches that are counted one by one when a limit ends them */

/* --- life --- */

leat_code matcher_reserve(void **items, size_t *size, size_t count, size_t bytes, leat_err *err)
{
    if (count < *size) return LEAT_OK;
    size_t more = *size == 0 ? 4 : *size * 2;
    void *grown = leat_mem_try_resize(*items, more * bytes);
    if (grown == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
    *items = grown;
    *size = more;
    return LEAT_OK;
}

void matcher_init(leat_matcher *matcher, const leat_nfa *nfa)
{
    LEAT_ASSERT(nfa != NULL && nfa->states_count > 0);
    /* But for what bundles and the graph have room for, which is half of it. */
    memset(matcher, 0, offsetof(leat_matcher, bundles.own));
    memset(&matcher->graph, 0, offsetof(graph, own_events));
    memset(&matcher->indexes_count, 0, sizeof *matcher - offsetof(leat_matcher, indexes_count));
    matcher->nfa = nfa;
    matcher->deadline_ms = matcher->window_ms = LEAT_TIME_MAX;
    graph_init(&matcher->graph);
    matcher->bundles.words = matcher->bundles.own;
    matcher->bundles.size = BUNDLES_OWN;
}

leat_code leat_matcher_new(const leat_nfa *nfa, leat_matcher **matcher, leat_err *err)
{
    leat_matcher *made = leat_mem_try(sizeof *made);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a key's matches");
    matcher_init(made, nfa);
    *matcher = made;
    return LEAT_OK;
}

void matcher_release(leat_matcher *matcher)
{
    graph_release(&matcher->graph);
    held_clear(matcher);
    bundles_release(&matcher->bundles);
    bundle_index_release(matcher);
    leat_mem_free(matcher->waiting);
}

void leat_matcher_free(leat_matcher **matcher)
{
    leat_matcher *gone = *matcher;
    if (gone == NULL) return;
    matcher_release(gone);
    leat_mem_free(gone);
    *matcher = NULL;
}

const leat_nfa *leat_matcher_nfa(const leat_matcher *matcher)
{
    return matcher->nfa;
}

/* Where the event goes, and those that go for it. */
void leat_matcher_ahead_feed(const leat_matcher *matcher)
{
    if (matcher == NULL) return;
    const graph *g = &matcher->graph;
    uint32_t end = g->events_count;
    __builtin_prefetch(g->nodes + g->nodes_count, 1);
    __builtin_prefetch(g->events + end, 1);
    __builtin_prefetch(matcher->bundles.words);
    for (uint32_t i = matcher->spent; i < end && i < matcher->spent + AHEAD_EVENTS; i++)
        __builtin_prefetch(g->events[i].event, 1);
}

void leat_matcher_ahead_encode(const leat_matcher *matcher)
{
    if (matcher == NULL) return;
    const graph *g = &matcher->graph;
    __builtin_prefetch(g->nodes);
    __builtin_prefetch(matcher->bundles.words);
    if (g->events_count > AHEAD_EVENTS) __builtin_prefetch(g->events);
    for (uint32_t i = 0; i < g->events_count && i < AHEAD_EVENTS; i++) {
        __builtin_prefetch(g->events[i].event);
        __builtin_prefetch((const char *)g->events[i].event + 64);
        __builtin_prefetch((const char *)g->events[i].event + 128);
    }
}

bool leat_matcher_empty(const leat_matcher *matcher)
{
    return matcher->bundles.count == 0 && matcher->waiting_count == 0 && matcher->held_count == 0;
}

size_t leat_matcher_takes(const leat_matcher *matcher)
{
    return matcher->graph.takes;
}

/* --- the event in hand --- */

leat_code matcher_keep(const feeding *f)
{
    const leat_matcher_host *host = f->work->host;
    if (f->work->event != NULL) return LEAT_OK;
    LEAT_TRY(host->keep(host->self, &f->work->event, f->err));
    LEAT_ASSERT(f->work->event != NULL);
    return LEAT_OK;
}

leat_code matcher_enter(const feeding *f)
{
    if (f->work->number != 0) return LEAT_OK;
    LEAT_TRY(matcher_keep(f));
    leat_event *shared = leat_event_share(f->work->event);
    leat_code code = graph_event_add(&f->matcher->graph, shared, &f->work->number, f->err);
    if (code != LEAT_OK) leat_event_release(&shared);
    return code;
}

/* --- asking --- */

static leat_code show(const feeding *f, uint32_t event, uint32_t step, leat_take **last)
{
    leat_take *made = leat_arena_alloc(f->work->arena, sizeof *made);
    if (made == NULL) return leat_arena_full(f->work->arena, f->err);
    *made = (leat_take){.before = *last,
                        .event = graph_entry_at(&f->matcher->graph, event)->event,
                        .seq = event,
                        .step = step,
                        .depth = *last == NULL ? 1 : (*last)->depth + 1};
    *last = made;
    return LEAT_OK;
}

/* The takes that a condition may read, as far as they can be told from the slots. */
static leat_code show_slots(const feeding *f, const bundle *c, const leat_reading *reading,
                            leat_take **last)
{
    const machine *m = f->machine;
    for (int round = 0; round < 2; round++) { /* the first takes of all steps, then the last */
        for (uint32_t i = 0; i < m->slots_count; i++) {
            const machine_slot *slot = &m->slots[i];
            uint64_t steps = round == 0 ? reading->first : reading->last;
            if (c->slots[i] == 0 || slot->kind != (round == 0 ? SLOT_FIRST : SLOT_LAST)) continue;
            if (steps >> slot->step & 1) LEAT_TRY(show(f, c->slots[i], slot->step, last));
        }
    }
    return LEAT_OK;
}

static leat_code show_run(const feeding *f, const bundle *c, leat_take **last)
{
    graph_walk *walk = &f->work->walk;
    bool found = false;
    const graph *g = &f->matcher->graph;
    LEAT_TRY(graph_walk_begin(walk, g, c->root, g->bound, UINT32_MAX, f->err));
    LEAT_TRY(graph_walk_next(walk, &found, f->err));
    LEAT_ASSERT(found);
    return takes_of(f->work->arena, walk, last, f->err);
}

static leat_code ask_run(const feeding *f, const bundle *c, uint32_t condition, bool *holds)
{
    const leat_reading *reading = &f->pattern->conditions[condition].reading;
    const leat_matcher_host *host = f->work->host;
    leat_take *takes = NULL;
    bool slots = reading->known && !f->machine->whole && (reading->size | reading->whole) == 0;
    if (slots)
        LEAT_TRY(show_slots(f, c, reading, &takes));
    else if (c->root != 0)
        LEAT_TRY(show_run(f, c, &takes));
    return host->test(host->self, condition, takes, holds, f->err);
}

leat_code matcher_ask_all(const feeding *f, uint32_t condition, bool *known, bool *holds)
{
    machine_known *told = &f->work->known;
    const leat_matcher_host *host = f->work->host;
    uint64_t bit = (uint64_t)1 << (condition & 63);
    uint32_t word = condition >> 6;
    bool once = (f->machine->once[word] & bit) != 0;
    if (LEAT_LIKELY((told->known[word] & bit) != 0)) { /* the host may have known it all along */
        *known = true;
        *holds = (told->holds[word] & bit) != 0;
        return LEAT_OK;
    }
    if (!once && (f->work->tried[word] & bit) == 0) {
        bool fails = false;
        f->work->tried[word] |= bit;
        if (host->never != NULL) LEAT_TRY(host->never(host->self, condition, &fails, f->err));
        if (fails) told->known[word] |= bit;
    }
    if (once && (told->known[word] & bit) == 0) {
        LEAT_TRY(host->test(host->self, condition, NULL, holds, f->err));
        told->known[word] |= bit;
        if (*holds) told->holds[word] |= bit;
    }
    *known = (told->known[word] & bit) != 0;
    *holds = (told->holds[word] & bit) != 0;
    return LEAT_OK;
}

leat_code matcher_ask(const feeding *f, const bundle *c, uint32_t condition, bool *holds,
                      bool *alike)
{
    bool known = false;
    LEAT_TRY(matcher_ask_all(f, condition, &known, holds));
    if (known) return LEAT_OK;
    *alike = false;
    return ask_run(f, c, condition, holds);
}

leat_code matcher_decide(const feeding *f, const bundle *c, const machine_leaf **leaf, bool *alike)
{
    machine *m = f->machine;
    uint32_t slot = c->config & (DECIDED_SIZE - 1);
    machine_known path = {{0}, {0}};
    uint32_t at = machine_config_at(m, c->config)->tree;
    uint32_t above = 0;
    bool holds = false;
    *alike = true;
    *leaf = f->work->decided_leaves[slot];
    if (f->work->decided[slot] == c->config) return LEAT_OK;
    for (;;) {
        if (LEAT_UNLIKELY(at == 0)) {
            LEAT_TRY(machine_grow(m, c->config, &path, &at, f->err));
            *(above == 0 ? &m->configs[c->config]->tree : &m->branches[above].next[holds]) = at;
        }
        if ((at & MACHINE_LEAF) != 0) break;
        uint32_t condition = m->branches[at].condition;
        LEAT_TRY(matcher_ask(f, c, condition, &holds, alike));
        path.known[condition >> 6] |= (uint64_t)1 << (condition & 63);
        path.holds[condition >> 6] |= (uint64_t)holds << (condition & 63);
        above = at;
        at = m->branches[at].next[holds];
    }
    *leaf = m->leaves[at & ~MACHINE_LEAF];
    if (*alike) matcher_decided(f->work, c->config, *leaf);
    return LEAT_OK;
}

/* --- taking --- */

/* The slots of what c becomes by a take of the event in hand. */
static inline void take_slots(const feeding *f, const bundle *c, uint32_t step, bundle *made)
{
    const machine *m = f->machine;
    uint64_t matter = machine_config_at(m, made->config)->slots;
    uint32_t number = f->work->number;
    for (uint32_t i = 0; i < m->slots_count; i++)
        made->slots[i] = (matter >> i & 1) == 0
                             ? 0
                             : machine_slot_after(&m->slots[i], c->slots[i], step, number);
}

/* What c becomes by a take. root: with the take in front; 0: it is put there by and by, so that
 * bundles that become the same share one take (seal). */
static leat_code add_fresh(const feeding *f, const bundle *c, const machine_take *take,
                           uint32_t root)
{
    const machine *m = f->machine;
    bundles *fresh = &f->work->fresh;
    graph *g = &f->matcher->graph;
    bundle *made = NULL;
    if (LEAT_LIKELY(bundles_room(m, fresh)))
        made = bundle_at(m, fresh, fresh->count++);
    else
        LEAT_TRY(bundle_add(m, fresh, &made, f->err));
    made->config = take->config;
    made->root = root != 0 ? root : c->root;
    made->depth = (c->depth + 1) | (root != 0 ? 0 : UNSEALED);
    take_slots(f, c, take->step, made);
    if (root != 0) return LEAT_OK;
    if (fresh->count == 1) {
        f->work->unsealed++;
        return LEAT_OK;
    }
    size_t share_max = m->slots_count == 0 ? SHARE_ALIKE_MAX : SHARE_MAX;
    for (size_t i = fresh->count - 1; i-- > 0 && i + 1 + share_max >= fresh->count;) {
        bundle *other = bundle_at(m, fresh, i);
        if (c->root == 0 || other->root == 0 || (other->depth & UNSEALED) == 0) continue;
        if (!bundles_equal(m, other, made)) continue;
        LEAT_TRY(graph_reserve(g, 1, f->err));
        other->root = graph_union(g, other->root, c->root);
        if (made->depth > other->depth) other->depth = made->depth;
        fresh->count--;
        return LEAT_OK;
    }
    f->work->unsealed++;
    return LEAT_OK;
}

/* Puts the takes in front of those that wait for it. */
static leat_code seal(const feeding *f)
{
    bundles *fresh = &f->work->fresh;
    if (f->work->unsealed == 0) return LEAT_OK;
    LEAT_TRY(graph_reserve(&f->matcher->graph, f->work->unsealed, f->err));
    for (size_t i = 0; i < fresh->count; i++) {
        bundle *c = bundle_at(f->machine, fresh, i);
        if ((c->depth & UNSEALED) == 0) continue;
        c->depth &= ~UNSEALED;
        uint32_t step = machine_config_at(f->machine, c->config)->step;
        c->root = graph_take(&f->matcher->graph, c->root, f->work->number, step);
    }
    f->work->unsealed = 0;
    return LEAT_OK;
}

static leat_code take_one(const feeding *f, const bundle *c, const machine_take *take)
{
    graph *g = &f->matcher->graph;
    bool goes_on = take->config != MACHINE_NONE;
    bool waits = f->pattern->skip != LEAT_SKIP_NONE && take->completes;
    uint32_t root = 0;
    if (goes_on && f->pattern->beyond == LEAT_DROP_NEWEST &&
        g->takes + f->work->unsealed >= f->pattern->runs_max) {
        f->matches->dropped++;
        goes_on = false;
    }
    if (goes_on || waits) LEAT_TRY(matcher_enter(f));
    if (waits) {
        LEAT_TRY(graph_reserve(g, 1, f->err));
        root = graph_take(g, c->root, f->work->number, take->step);
        LEAT_TRY(done_add(f->work, (done){root, MACHINE_NONE, g->bound, UINT32_MAX}, f->err));
    } else if (take->completes) {
        LEAT_TRY(matcher_keep(f));
        LEAT_TRY(done_add(f->work, (done){c->root, take->step, g->bound, UINT32_MAX}, f->err));
    }
    return goes_on ? add_fresh(f, c, take, root) : LEAT_OK;
}

/* Runs that have all the takes allowed do not go on: `full` of them were found in the bundle. */
static leat_code drop_full(const feeding *f, uint32_t full)
{
    graph_walk *walk = &f->work->walk;
    bool found = true;
    if (f->pattern->beyond == LEAT_FAIL)
        return matcher_limit_failed(f->matcher, "events in a match", f->pattern->takes_max, f->err);
    const graph *g = &f->matcher->graph;
    LEAT_TRY(graph_walk_begin(walk, g, full, g->bound, UINT32_MAX, f->err));
    for (uint32_t i = 0; i <= DROPS_COUNTED && found; i++) {
        LEAT_TRY(graph_walk_next(walk, &found, f->err));
        f->matches->dropped += found;
    }
    return LEAT_OK;
}

leat_code matcher_apply(const feeding *f, bundle *c, const machine_leaf *leaf)
{
    uint32_t root = c->root;
    uint32_t full = 0;
    if (leaf->completes)
        LEAT_TRY(done_add(f->work, (done){root, MACHINE_NONE, f->matcher->graph.bound, UINT32_MAX},
                          f->err));
    if (leaf->takes_count > 0 && c->depth >= f->pattern->takes_max) {
        LEAT_TRY(bundle_split(f->matcher, f->work, c, &full, f->err));
        if (full != 0) LEAT_TRY(drop_full(f, full));
    }
    for (uint32_t i = 0; i < leaf->takes_count && (c->root != 0 || c->config == 0); i++)
        LEAT_TRY(take_one(f, c, &leaf->takes[i]));
    if (c->config == 0) return LEAT_OK; /* the start stays */
    if (f->pattern->beyond == LEAT_DROP_NEWEST) c->root = root;
    if (leaf->config == MACHINE_NONE) {
        c->root = 0;
    } else if (leaf->config != c->config && c->root != 0) { /* 0: all of it was at the limit */
        return bundle_move(f->machine, f->work, c, leaf->config, f->err);
    }
    return LEAT_OK;
}

/* --- feeding --- */

leat_code leat_matcher_starts(const leat_nfa *nfa, const leat_matcher_host *host, bool *starts,
                              leat_err *err)
{
    const leat_nfa_state *state = nfa->kin->states[0]; /* which is in the cache */
    const leat_answers *told = host->answers;
    *starts = false;
    for (uint32_t i = 0; i < state->edges_count && !*starts; i++) {
        uint32_t where = state->edges[i].where;
        *starts = where == LEAT_CONDITION_TRUE;
        if (*starts) break;
        if (told != NULL && leat_answers_have(told, where))
            *starts = (told->holds[where >> 6] >> (where & 63) & 1) != 0;
        else
            LEAT_TRY(host->test(host->self, where, NULL, starts, err));
    }
    return LEAT_OK;
}

static leat_code feed_start(const feeding *f)
{
    uint32_t words[3 + MACHINE_SLOTS_MAX + 1];
    bundles one = {.words = words, .count = 1};
    const machine_leaf *leaf = settled_leaf(f, 0);
    bundle *start = bundle_at(f->machine, &one, 0);
    bool alike = false;
    if (leaf != NULL && leaf->takes_count == 0) return LEAT_OK;
    memset(words, 0, (3 + f->machine->slots_count) * sizeof *words);
    if (leaf == NULL) LEAT_TRY(matcher_decide(f, start, &leaf, &alike));
    LEAT_ASSERT(!leaf->completes);
    return matcher_apply(f, start, leaf);
}

/* Bundle *at, and all others that are settled with it: *at is the last of them then. leaf: what
 * becomes of it, if that is known. */
static leat_code feed_bundle(const feeding *f, const machine_leaf *leaf, size_t *at)
{
    leat_matcher *matcher = f->matcher;
    bundle *c = bundle_at(f->machine, &matcher->bundles, *at);
    bool alike = leaf != NULL;
    if (!graph_lives(&matcher->graph, c->root)) return LEAT_OK;
    if (leaf == NULL) LEAT_TRY(matcher_decide(f, c, &leaf, &alike));
    if (alike && leaf_idle(leaf, c->config)) {
        *at = bundles_end(f->machine, &matcher->bundles, *at) - 1;
        return LEAT_OK;
    }
    LEAT_TRY(matcher_apply(f, c, leaf));
    if (c->root != 0) return LEAT_OK;
    if (matcher->indexes_count > 0) bundle_index_leak(matcher, c->config, NULL);
    matcher->gone++;
    return LEAT_OK;
}

/* Whether bundle `at` and those behind it are many of one configuration. */
static bool many_alike(const feeding *f, size_t at)
{
    const bundles *list = &f->matcher->bundles;
    size_t least = f->work->select_least;
    return list->count - at >= least && bundle_at(f->machine, list, at)->config ==
                                            bundle_at(f->machine, list, at + least - 1)->config;
}

static __attribute__((noinline)) leat_code feed_all(feeding *f)
{
    const bundles *list = &f->matcher->bundles;
    size_t tried = 0; /* up to there */
    leat_matcher_work *work = f->work;
    f->pattern = matcher_pattern(f->matcher);
    if (work->arena == NULL) LEAT_TRY(leat_arena_new(&work->arena, SHOWN_BYTES_MAX, f->err));
    matcher_know(work);
    matches_begin(work, f->matches);
    LEAT_TRY(matcher_make_room(f));
    machine_trim(f->machine);
    memset(work->tried, 0, sizeof work->tried);
    for (size_t i = 0; i < DECIDED_SIZE; i++)
        work->decided[i] = MACHINE_NONE;
    for (size_t i = 0; i < list->count; i++) {
        bool settled = false;
        uint32_t config = bundle_at(f->machine, list, i)->config;
        const machine_leaf *leaf = settled_leaf(f, config);
        if (leaf != NULL && leaf_idle(leaf, config)) {
            i = bundles_end(f->machine, list, i) - 1;
            continue;
        }
        if ((leaf == NULL || f->machine->steps_timed) && i >= tried && many_alike(f, i)) {
            tried = bundles_end(f->machine, list, i);
            LEAT_TRY(leaf == NULL ? matcher_select(f, i, tried, &settled)
                                  : matcher_feed_alike(f, i, tried, leaf, &settled));
        }
        if (settled)
            i = tried - 1;
        else
            LEAT_TRY(feed_bundle(f, leaf, &i));
    }
    LEAT_TRY(feed_start(f));
    LEAT_TRY(seal(f));
    if (work->fresh.count > 0) LEAT_TRY(bundles_merge(f->matcher, work, f->err));
    if (work->done_count > 0 || f->pattern->skip != LEAT_SKIP_NONE)
        LEAT_TRY(skip_emit(f->matcher, work, f->matches, f->err));
    if (!matcher_rests(f->matcher)) return matcher_limit(f);
    f->matcher->rest.then = REST_FED;
    return LEAT_OK;
}

static inline LEAT_CHECKED leat_code begin(feeding *f, int64_t timestamp_ms)
{
    leat_matcher *matcher = f->matcher;
    leat_matcher_work *work = f->work;
    LEAT_TRY(matcher_attach(matcher, work, f->err));
    f->machine = matcher->machine;
    work->told = false;
    work->number = work->unsealed = 0;
    work->fresh.count = 0;
    work->done_count = 0;
    matcher_pass(matcher, timestamp_ms);
    const graph *g = &matcher->graph;
    if (g->nodes_count < matcher->collect_at || g->nodes_count < 16) return LEAT_OK;
    return matcher_collect(matcher, work, f->err);
}

leat_code leat_matcher_feed(leat_matcher *matcher, leat_matcher_work *work, int64_t timestamp_ms,
                            const leat_matcher_host *host, leat_matches *matches, leat_err *err)
{
    feeding f = {.matcher = matcher, .work = work, .matches = matches, .err = err};
    f.now_ms = timestamp_ms;
    /* They come from far, and rather all at once than one by one. */
    __builtin_prefetch(matcher->machine);
    __builtin_prefetch(matcher->shape);
    __builtin_prefetch(matcher->bundles.words);
    __builtin_prefetch(matcher->graph.events + matcher->graph.bound);
    __builtin_prefetch(matcher->graph.nodes + matcher->graph.nodes_count);
    LEAT_ASSERT(work->event == NULL && !matcher_rests(matcher));
    /* Time was advanced before; but for what is held, which is fed when its time is past. */
    LEAT_ASSERT(matcher->deadline_ms > timestamp_ms);
    work->host = host;
    LEAT_TRY(begin(&f, timestamp_ms));
    bool fed = false;
    leat_code code = matcher_feed_shape(&f, &fed);
    if (code == LEAT_OK && !fed) {
        code = feed_all(&f);
        if (work->arena != NULL && leat_arena_used(work->arena) > 0) leat_arena_reset(work->arena);
    }
    if (work->event != NULL) leat_event_release(&work->event);
    work->number = 0;
    LEAT_TRY(matcher_named(matcher, code, err));
    if (!matcher_settled(matcher)) LEAT_TRY(matcher_settle(matcher, work, err));
    if (!matcher_deadline_stays(matcher)) matcher_deadline(matcher);
    return LEAT_OK;
}
