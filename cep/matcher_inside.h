/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the matcher share; nobody else includes it.
 *
 *   machine.c        configurations, and what an event does to them (matcher_step.c: the rules)
 *   graph.c          what partial matches took; graph_paths.c: all of them, in order
 *   matcher.c        life, feeding events, limits
 *   matcher_work.c   the scratch, and the machine of an automaton in it
 *   matcher_shape.c  all bundles of a key at once, where that is possible
 *   matcher_run.c    ... for the event in hand
 *   matcher_bundle.c bundles: adding, merging, collecting what is dead
 *   bundle_index.c   many of them, by what later conditions compare with (bundle_runs.c: in order)
 *   matcher_select.c ... so that only those are asked for which a comparison can hold, and those
 *                    that do the same do it together
 *   matcher_limit.c  the limit of takes that are held
 *   matcher_depth.c  the limit of events in a match
 *   matcher_time.c   deadlines, windows, timeouts
 *   matcher_match.c  matches as the caller sees them
 *   matcher_few.c    ... where an event completes but a few
 *   matcher_rest.c   a pause while they come out
 *   matcher_order.c  events that wait for their order
 *   matcher_codec.c  to bytes; matcher_decode.c: and back
 *   skip.c           which complete matches come out, and what they put an end to */
#ifndef LEAT_CEP_MATCHER_INSIDE_H
#define LEAT_CEP_MATCHER_INSIDE_H

#include "cep/graph_paths.h"
#include "cep/machine.h"
#include "cep/matcher.h"
#include "core/arena.h"
#include "core/mem.h"

/* All partial matches of one configuration whose slots are equal: a register of the machine. */
typedef struct bundle {
    uint32_t config;
    uint32_t root;    /* 0: gone */
    uint32_t depth;   /* no run has more takes */
    uint32_t slots[]; /* machine->slots_count; those that do not matter are 0 */
} bundle;

#define BUNDLE_WORDS ((size_t)3)        /* without slots */
#define BUNDLES_OWN  (3 * BUNDLE_WORDS) /* three bundles without slots */

/* Of one machine: all have as many words. (The scratch's are of one machine after the other.) */
typedef struct bundles {
    uint32_t *words;
    uint32_t count;            /* bundles */
    uint32_t size;             /* words that there is room for */
    uint32_t own[BUNDLES_OWN]; /* where words points first */
} bundles;

/* Complete matches that have not come out yet: the runs of root that began in [from, to). */
typedef struct waiting {
    uint32_t root, from, to;
} waiting;

/* Where matches rest that are coming out. Without a skip strategy they wait as roots meanwhile. */
typedef enum rest_then {
    REST_NONE,
    REST_LAST, /* nothing is left to do behind them ... */
    REST_FED,  /* ... but what a feed does: limits */
} rest_then;
typedef struct rest {
    rest_then then;
    uint32_t out;    /* matches that came out of this feed or advance */
    uint64_t passed; /* so many runs of the paths, under a strategy those of the first event */
    uint64_t ticket; /* work->ticket: the paths still stand in front of the next; no state */
} rest;

/* An event that has not been fed yet. */
typedef struct held {
    leat_event *event;
    leat_value order; /* NULL, INT, DOUBLE, or STRING of its own memory */
} held;

typedef struct bundle_index bundle_index;
struct shape;

/* First what each event needs. */
struct leat_matcher {
    union {
        const leat_nfa *nfa;
        leat_matcher *spare; /* it is none at present: the next such */
    };
    machine *machine;    /* of the scratch that it is used with; NULL: nothing was fed */
    struct shape *shape; /* of the bundles (matcher_shape.c); NULL: not known, or there are none */
    int64_t window_ms;   /* when somebody has to look whether runs are out of the window */
    int64_t deadline_ms;
    uint32_t collect_at; /* nodes */
    uint32_t dropped_at; /* the bound when dead bundles were dropped */
    uint32_t gone;       /* bundles without a root: they stay until then, or get another one */
    uint32_t spent;      /* events before the bound that the graph has given back */
    uint32_t waiting_count, held_count;
    bundles bundles;
    graph graph;
    /* Now and then: */
    uint32_t indexes_count;
    uint32_t skipped; /* matches that began before this event do not come out any more */
    waiting *waiting;
    held *held; /* in the order in which they will be fed */
    size_t waiting_size, held_size;
    rest rest;
    bundle_index **indexes; /* of bundles; no state */
};

/* Whether matches rest in it: something waits then. */
static inline bool matcher_rests(const leat_matcher *matcher)
{
    return LEAT_UNLIKELY(matcher->waiting_count > 0) && matcher->rest.then != REST_NONE;
}

/* Matches that the event in hand, or time, completes: runs of root that began in [from, to). */
typedef struct done {
    uint32_t root; /* 0: the event alone */
    uint32_t step; /* the take of the event in hand behind; MACHINE_NONE: none */
    uint32_t from, to;
} done;

/* Partial matches that have come to their end, and that is told: the runs of root that began in
 * [from, to). */
typedef struct late {
    uint32_t root, from, to;
    const machine_config *config; /* they end by the window of the pattern; NULL: at end_ms */
    int64_t last_ms, end_ms;
} late;

#define DECIDED_SIZE 8 /* a power of 2 */

/* A bundle that is looked at because an item of an index says so. */
typedef struct pick {
    size_t at; /* in the list */
    struct bundle_index *index;
    const struct index_range *range;
    struct index_item *item;
} pick;

/* First what each event needs. */
struct leat_matcher_work {
    /* the event in hand */
    const leat_matcher_host *host;
    leat_event *event; /* once somebody has taken it */
    uint32_t number;   /* in the graph; 0: not there */
    uint32_t unsealed; /* of fresh: see matcher.c */
    size_t done_count;
    uint32_t out_count;  /* matches that came out of this feed or advance */
    bool hurry;          /* they may not rest */
    bool told;           /* known has what the host knew beforehand */
    machine_known known; /* see matcher_know */
    uint64_t tried[2]; /* conditions that read steps: asked whether they fail whatever was taken */
    /* what becomes of all of a configuration; MACHINE_NONE: free */
    uint32_t decided[DECIDED_SIZE];
    const machine_leaf *decided_leaves[DECIDED_SIZE];
    bundles fresh; /* made by it */
    bool moved;    /* a bundle has another configuration now */
    done *done;
    size_t done_size;
    size_t select_least; /* bundles of a configuration: fewer are asked one by one */
    pick *picks;
    size_t picks_count, picks_size;
    struct index_found *found; /* of the links of one configuration */
    late *late;
    size_t late_count, late_size;
    graph_walk walk;
    graph_paths paths;
    leat_take *takes; /* of the match that is coming out */
    size_t takes_size;
    uint64_t ticket; /* changes when paths do */
    graph_moves moves;
    graph_depths depths;
    leat_pool *pool;    /* of events */
    machine **machines; /* a hash table by automaton (matcher_work.c) */
    size_t machines_count, machines_size;
    leat_arena *arena;   /* of takes shown to conditions; for one event */
    leat_matcher *spare; /* memory for matchers to come */
    uint32_t spare_count;
};

/* The event in hand, and what there is to it. */
typedef struct feeding {
    leat_matcher *matcher;
    leat_matcher_work *work;
    machine *machine;
    const leat_pattern *pattern;
    leat_matches *matches;
    leat_err *err;
    int64_t now_ms; /* the event's time */
} feeding;

static inline bundle *bundle_at(const machine *m, const bundles *list, size_t i)
{
    return (bundle *)(void *)(list->words + i * (m->slots_count + BUNDLE_WORDS));
}

static inline void bundles_release(bundles *list)
{
    if (list->words != list->own) leat_mem_free(list->words);
    list->words = NULL;
    list->count = list->size = 0;
}

/* Room for one item more in an array that grows. */
leat_code matcher_reserve(void **items, size_t *size, size_t count, size_t bytes,
                          leat_err *err) LEAT_CHECKED;
/* --- matcher_work.c --- */
/* The machine of the matcher's automaton, in this scratch. */
leat_code matcher_attach_first(leat_matcher *matcher, leat_matcher_work *work,
                               leat_err *err) LEAT_CHECKED;
static inline leat_code matcher_attach(leat_matcher *matcher, leat_matcher_work *work,
                                       leat_err *err)
{
    return LEAT_LIKELY(matcher->machine != NULL) ? LEAT_OK
                                                 : matcher_attach_first(matcher, work, err);
}
/* --- matcher.c --- */
void matcher_init(leat_matcher *matcher, const leat_nfa *nfa);
void matcher_release(leat_matcher *matcher); /* all but its own memory */
/* The event in hand is held from now on. */
leat_code matcher_keep(const feeding *f) LEAT_CHECKED;
/* The event in hand has a number in the graph. */
leat_code matcher_enter(const feeding *f) LEAT_CHECKED;
/* *known: what a condition comes to is so whatever was taken. */
leat_code matcher_ask_all(const feeding *f, uint32_t condition, bool *known,
                          bool *holds) LEAT_CHECKED;
/* Whether a condition holds for a bundle. *alike becomes false where it depends on that. */
leat_code matcher_ask(const feeding *f, const bundle *c, uint32_t condition, bool *holds,
                      bool *alike) LEAT_CHECKED;
/* Down the tree of the bundle's configuration. *alike: so it is for all of that configuration. */
leat_code matcher_decide(const feeding *f, const bundle *c, const machine_leaf **leaf,
                         bool *alike) LEAT_CHECKED;
/* c: of the matcher's list, or the start. */
leat_code matcher_apply(const feeding *f, bundle *c, const machine_leaf *leaf) LEAT_CHECKED;
/* What the pattern says, of a matcher that has a machine: that of the first of its kin, which is in
 * the cache. The name is another. */
static inline const leat_pattern *matcher_pattern(const leat_matcher *matcher)
{
    return matcher->machine->nfa->pattern;
}
/* A limit that was met is told with the pattern's name: machines do not know whose they are. */
static inline leat_code matcher_named(const leat_matcher *matcher, leat_code code, leat_err *err)
{
    if (LEAT_LIKELY(code != LEAT_ERR_LIMIT)) return code;
    return leat_err_prefix(err, "pattern %.*s", LEAT_STR_ARG(matcher->nfa->pattern->name));
}
/* work->known is what the host knew beforehand, and what was found out since. Where it knew all,
 * and a program is at hand for that, nobody needs it. */
static inline void matcher_know(leat_matcher_work *work)
{
    const leat_answers *told = work->host->answers;
    if (work->told) return;
    work->told = true;
    work->known = (machine_known){{0}, {0}};
    if (told == NULL) return;
    memcpy(work->known.known, told->known, sizeof told->known);
    memcpy(work->known.holds, told->holds, sizeof told->holds);
}
/* For all of a configuration. */
static inline void matcher_decided(leat_matcher_work *work, uint32_t config,
                                   const machine_leaf *leaf)
{
    work->decided[config & (DECIDED_SIZE - 1)] = config;
    work->decided_leaves[config & (DECIDED_SIZE - 1)] = leaf;
}
/* Whether a leaf changes nothing. */
static inline bool leaf_idle(const machine_leaf *leaf, uint32_t config)
{
    return leaf->config == config && leaf->takes_count == 0 && !leaf->completes;
}

/* What becomes of all bundles of a configuration, as far as that is known without asking; NULL: it
 * is not. */
static inline const machine_leaf *settled_leaf(const feeding *f, uint32_t config)
{
    const machine *m = f->machine;
    const machine_known *told = &f->work->known;
    uint32_t at = machine_config_at(m, config)->tree;
    while ((at & MACHINE_LEAF) == 0) {
        if (at == 0) return NULL;
        const struct machine_branch *branch = &m->branches[at];
        uint32_t word = branch->condition >> 6;
        uint32_t bit = branch->condition & 63;
        if ((told->known[word] >> bit & 1) == 0) return NULL;
        at = branch->next[told->holds[word] >> bit & 1];
    }
    return m->leaves[at & ~MACHINE_LEAF];
}

/* --- matcher_limit.c --- */
#define LIMIT_NODES_SHIFT 8 /* nodes of the graph for each take allowed, 16 bytes each */
/* Whether the graph has so many nodes that what is held takes more memory than the limit stands
 * for. Dead ones count: then it has to be collected. */
static inline bool matcher_crowded(const leat_matcher *matcher)
{
    return matcher->graph.nodes_count >> LIMIT_NODES_SHIFT > matcher->machine->runs_max;
}
leat_code matcher_limit_failed(const leat_matcher *matcher, const char *what, uint32_t limit,
                               leat_err *err) LEAT_CHECKED;
/* Before an event is fed: where new takes are not made beyond the limit, none that are dead count.
 */
leat_code matcher_make_room(const feeding *f) LEAT_CHECKED;
/* What a feed does when its matches are out: partial matches beyond the limit go. */
leat_code matcher_limit(const feeding *f) LEAT_CHECKED;

/* --- matcher_select.c --- */
/* The bundles [from, end), all of one configuration, by an index of them. *settled: so it
 * was; else nothing has happened. */
leat_code matcher_select(const feeding *f, size_t from, size_t end, bool *settled) LEAT_CHECKED;
/* The same where the leaf is that of all of them: whether one take goes in front of all. */
leat_code matcher_feed_alike(const feeding *f, size_t from, size_t end, const machine_leaf *leaf,
                             bool *settled) LEAT_CHECKED;

/* --- matcher_shape.c --- */
void matcher_shapes_free(machine_shapes **shapes);
/* --- matcher_run.c --- */
/* Feeds the event, if that is all of its effect; else *fed is false and nothing has changed. */
leat_code matcher_feed_shape(const feeding *f, bool *fed) LEAT_CHECKED;

/* --- matcher_bundle.c --- */
leat_code bundle_add(const machine *m, bundles *list, bundle **added, leat_err *err) LEAT_CHECKED;
/* Whether there is memory for one more. */
static inline bool bundles_room(const machine *m, const bundles *list)
{
    return (list->count + 1) * (m->slots_count + BUNDLE_WORDS) <= list->size;
}
/* Slots that do not matter in the bundle's configuration become 0. */
void bundle_settle(const machine *m, bundle *c);
/* Whether they are one bundle. */
bool bundles_equal(const machine *m, const bundle *a, const bundle *b);
/* The end of those that have the configuration of bundle `at`. */
size_t bundles_end(const machine *m, const bundles *list, size_t at);
/* c goes to another configuration: a fresh bundle is it from now on. */
leat_code bundle_move(const machine *m, leat_matcher_work *work, bundle *c, uint32_t config,
                      leat_err *err) LEAT_CHECKED;
/* Where the bundle is that has this configuration and these slots; false: there is none. */
bool bundles_find(const machine *m, const bundles *list, uint32_t config, const uint32_t *slots,
                  size_t *at);
/* The bundles of work->fresh join those of the matcher; equal ones become one. */
leat_code bundles_merge(leat_matcher *matcher, leat_matcher_work *work, leat_err *err) LEAT_CHECKED;
/* Brings those that were read into order. */
void bundles_sort(leat_matcher *matcher);
void bundles_drop_dead(leat_matcher *matcher);
/* Collects what is dead of the graph. */
leat_code matcher_collect(leat_matcher *matcher, leat_matcher_work *work,
                          leat_err *err) LEAT_CHECKED;
/* All that it holds is dead, and nothing waits. */
void matcher_void(leat_matcher *matcher);
/* Drops bundles that have died, and with the last of them the graph. */
leat_code matcher_settle(leat_matcher *matcher, leat_matcher_work *work,
                         leat_err *err) LEAT_CHECKED;
/* So many events are dead that they are collected. */
static inline bool matcher_stale(const leat_matcher *matcher)
{
    return matcher->graph.bound > matcher->graph.events_count / 2 + 8;
}
#define SPENT_MIN 4
/* There are events to be given back: some at a time, in proportion to what is held. */
static inline bool matcher_spent(const leat_matcher *matcher)
{
    return matcher->graph.bound > matcher->spent + SPENT_MIN + matcher->graph.events_count / 32;
}
/* matcher_settle would find nothing to do: most often. */
static inline bool matcher_settled(const leat_matcher *matcher)
{
    return matcher->bundles.count > 0 && matcher->gone == 0 &&
           matcher->graph.bound == matcher->dropped_at && !matcher_spent(matcher) &&
           !matcher_stale(matcher);
}

/* --- matcher_depth.c --- */
/* Full gets the runs of c that have takes_max takes (or more, if the limit was lowered since), and
 * c keeps the others. */
leat_code bundle_split(leat_matcher *matcher, leat_matcher_work *work, bundle *c, uint32_t *full,
                       leat_err *err) LEAT_CHECKED;

/* --- matcher_time.c --- */
void matcher_deadline(leat_matcher *matcher);
/* The deadline is the window's, as it was: most often. */
static inline bool matcher_deadline_stays(const leat_matcher *matcher)
{
    return matcher->machine->within_ms > 0 && !matcher->machine->exact &&
           matcher->bundles.count > 0 && matcher->waiting_count + matcher->held_count == 0 &&
           matcher->window_ms != LEAT_TIME_MAX && matcher->deadline_ms == matcher->window_ms;
}
/* Whether what began at from_ms is over. */
static inline bool matcher_passed(int64_t from_ms, int64_t window_ms, int64_t now_ms)
{
    int64_t at;
    return !__builtin_add_overflow(from_ms, window_ms, &at) && at <= now_ms;
}
/* Runs whose window has passed at now_ms are below the bound then. */
static inline void matcher_pass(leat_matcher *matcher, int64_t now_ms)
{
    graph *g = &matcher->graph;
    int64_t window_ms = matcher->machine->within_ms;
    uint32_t bound = g->bound;
    if (window_ms <= 0) return;
    if (bound == 0) { /* nothing is below the first */
        if (matcher->dropped_at == 0) matcher->dropped_at = 1;
        g->bound = bound = 1;
    }
    while (bound <= g->events_count &&
           matcher_passed(g->events[bound - 1].time_ms, window_ms, now_ms))
        g->bound = ++bound;
}

/* --- matcher_codec.c --- */
#define MATCHER_VERSION        3
#define MATCHER_VERSION_BEFORE 2
/* Whether the deadline is the end of all that is held, and nothing comes out then: nobody needs to
 * know the runs to let them go. */
bool matcher_quiet(const leat_matcher *matcher);
static inline leat_code matcher_damaged(leat_err *err, const char *what)
{
    return leat_err_set(err, LEAT_ERR_DAMAGED, "the state of a pattern is damaged: %s", what);
}
leat_code matcher_head_read(leat_reader *in, leat_matcher_head *head, uint8_t *version,
                            leat_err *err) LEAT_CHECKED;

/* --- matcher_order.c --- */
void held_clear(leat_matcher *matcher);

/* --- matcher_match.c --- */
/* The takes of the run that the walk has found. */
leat_code takes_of(leat_arena *arena, const graph_walk *walk, leat_take **last,
                   leat_err *err) LEAT_CHECKED;
/* Room for the takes of a match, in work->takes. */
leat_code takes_reserve(leat_matcher_work *work, size_t count, leat_err *err) LEAT_CHECKED;
/* A feed or advance begins. */
void matches_begin(leat_matcher_work *work, leat_matches *matches);
/* The run that the paths have found, for whoever is going to look at it: last take. To be called
 * for each. */
leat_code match_view(const leat_matcher *matcher, leat_matcher_work *work, const leat_take **last,
                     leat_err *err) LEAT_CHECKED;
/* Hands a match on; *more: false: it may not come out, as there were too many. */
leat_code match_out(const leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                    const leat_match *match, bool *more, leat_err *err) LEAT_CHECKED;
/* Whether they are to rest here. */
static inline bool matches_rest(const leat_matcher_work *work, const leat_matches *matches)
{
    return matches->pause && !work->hurry;
}
/* The run that the paths have found and all behind it come out, `passed` having done so. *rests:
 * until here, after *passed. */
leat_code matches_all(const leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                      bool found, uint64_t *passed, bool *rests, leat_err *err) LEAT_CHECKED;
/* The paths' runs that began in [from, to) do not come out, but for as many as have. */
leat_code matches_withhold(const leat_matcher *matcher, leat_matcher_work *work,
                           leat_matches *matches, uint32_t from, uint32_t to, uint64_t but,
                           leat_err *err) LEAT_CHECKED;
/* --- matcher_few.c --- */
typedef enum few_end {
    FEW_NONE, /* they are too many for it, and nothing has happened */
    FEW_OUT,
    FEW_REST, /* until here */
    FEW_FULL, /* no more of them may come out */
} few_end;
typedef struct few_matches {
    few_end end;
    uint64_t passed; /* so many have come out */
} few_matches;
/* What is done comes out without the paths, if these are few matches. */
leat_code matches_few(const leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                      few_matches *few, leat_err *err) LEAT_CHECKED;

/* --- skip.c --- */
/* Runs of root that began in [from, to) are complete; step: as in `done`. */
leat_code done_add(leat_matcher_work *work, done item, leat_err *err) LEAT_CHECKED;
/* What was done comes out, or waits; and what may come out of those that wait. */
leat_code skip_emit(leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                    leat_err *err) LEAT_CHECKED;
/* Goes on where they rest. */
leat_code skip_resume(leat_matcher *matcher, leat_matcher_work *work, leat_matches *matches,
                      leat_err *err) LEAT_CHECKED;

#endif
