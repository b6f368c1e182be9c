/* SPDX-License-Identifier: Apache-2.0 */
/* All bundles of a key at once, where no condition reads what was taken.
 *
 * Then there is one bundle per configuration at most, and what an event does to all of them is the
 * same for every key that is in the same configurations: its *shape*. So it is worked out once per
 * shape and answers, as the machine does it for one configuration, and kept as a short program:
 *
 *   shape {1, 2}     [amount < 2.0] -- no --> program: nothing
 *                          `-- yes -----> program: 1 = start taken
 *                                                  2 = 2 or 1 taken
 *                                                  3 = 2 taken,        shape {1, 2, 3} from now on
 *
 * An event costs one way down a tree, and a take and a union per line of the program: no look at
 * bundles that it does not change, and none for where new ones belong. The programs are put
 * together from the machine's own leaves, so the rules stay where they are (matcher_step.c), and
 * conditions are asked for in the order in which the bundles would ask for them.
 *
 * Runs that the event completes come out behind the program, which says where they are.
 *
 * Everything that is rare goes the way of matcher.c, which means the same: skip strategies, limits,
 * keys of many bundles, shapes beyond what is kept of them. */
#include "cep/matcher_inside.h"
#include "core/mem.h"

#include <stdlib.h>

#define BUNDLES_MAX  32 /* of a shape */
#define SOURCES_MAX  64 /* of a program */
#define SHAPES_MAX   (1u << 12)
#define PROGRAMS_MAX (1u << 14) /* and as many branches */
#define PROGRAM      0x80000000u

typedef enum source_kind { KEPT, TAKEN, STARTED } source_kind;

/* Where runs of a bundle come from: those of a bundle before as they are, or with the event behind;
 * or the event alone. */
typedef struct source {
    uint32_t config; /* of the bundle that they go to */
    source_kind kind;
    uint32_t bundle; /* place of the one before */
} source;

/* A bundle after the event: its sources are `count` of the program's, by kind. */
typedef struct line {
    uint32_t config, step; /* step: of its takes */
    uint32_t place;
    uint32_t first, count;
} line;

/* Runs that are complete: those of a bundle as they are or with the event behind, or the event. */
typedef struct ending {
    uint32_t bundle; /* place of the one before; MACHINE_NONE: the start */
    uint32_t step;   /* that takes the event; MACHINE_NONE: none does */
} ending;

/* With all that it has in one piece of memory: of thousands of patterns none is in the cache. */
typedef struct program {
    bool slow;           /* left to matcher.c */
    bool same;           /* the shape stays; lines are the bundles that change */
    bool in_place;       /* from the last line to the first none needs what another has replaced */
    struct shape *shape; /* from now on; NULL: none that is known */
    uint32_t places;     /* bundles from now on */
    uint32_t nodes, takes; /* made at most */
    uint32_t lines_count;
    line *lines;
    ending *endings;
    uint32_t endings_count;
    source sources[];
} program;

#define WAYS 4

/* ways: the programs that answers have led to lately, where all were known beforehand. */
typedef struct shape {
    struct {
        uint64_t holds; /* conditions */
        const program *program;
    } ways[WAYS];
    uint32_t ways_next;
    uint32_t tree; /* 0: not grown */
    uint32_t count;
    uint32_t configs[]; /* ascending */
} shape;

struct machine_shapes {
    leat_map *index;
    shape **items; /* the first: nothing is under way */
    program **programs;
    struct shape_branch {
        uint32_t condition;
        uint32_t next[2]; /* 0: not grown; with PROGRAM: a program */
    } * branches;         /* branches[0] is none */
    size_t count, size, programs_count, programs_size, branches_count, branches_size;
};

/* --- life --- */

static leat_code no_memory(leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a pattern's partial matches");
}

void matcher_shapes_free(machine_shapes **shapes)
{
    machine_shapes *gone = *shapes;
    if (gone == NULL) return;
    for (size_t i = 0; i < gone->count; i++)
        leat_mem_free(gone->items[i]);
    for (size_t i = 0; i < gone->programs_count; i++)
        leat_mem_free(gone->programs[i]);
    leat_map_free(&gone->index);
    leat_mem_free(gone->items);
    leat_mem_free(gone->programs);
    leat_mem_free(gone->branches);
    leat_mem_free(gone);
    *shapes = NULL;
}

/* NULL: there are too many. */
static leat_code shape_of(machine_shapes *s, const uint32_t *configs, uint32_t count, shape **found,
                          leat_err *err)
{
    uint64_t number = 0;
    leat_str key = {(const char *)configs, count * sizeof *configs};
    *found = NULL;
    if (leat_map_get(s->index, key, &number)) {
        *found = s->items[number];
        return LEAT_OK;
    }
    if (s->count == SHAPES_MAX) return LEAT_OK;
    void *items = s->items;
    LEAT_TRY(matcher_reserve(&items, &s->size, s->count, sizeof *s->items, err));
    s->items = items;
    shape *made = leat_mem_try(sizeof *made + key.len);
    if (made == NULL) return no_memory(err);
    *made = (shape){.count = count};
    if (count > 0) memcpy(made->configs, configs, key.len);
    leat_code code = leat_map_put(s->index, key, s->count, err);
    if (code != LEAT_OK) {
        leat_mem_free(made);
        return code;
    }
    *found = s->items[s->count++] = made;
    return LEAT_OK;
}

/* Where a condition reads what was taken there is no start. */
static leat_code shapes_new(machine *m, leat_err *err)
{
    machine_shapes *made = leat_mem_need(sizeof *made);
    uint32_t none = 0;
    shape *start = NULL;
    bool usable = m->slots_count == 0 && !m->whole;
    made->index = leat_map_new();
    for (uint32_t i = 0; i < m->nfa->pattern->conditions_count; i++)
        usable = usable && (m->once[i >> 6] >> (i & 63) & 1) != 0;
    leat_code code = shape_of(made, &none, 0, &start, err);
    if (code != LEAT_OK) {
        matcher_shapes_free(&made);
        return code;
    }
    m->shapes = made;
    m->start = usable ? start : NULL;
    return LEAT_OK;
}

/* --- programs --- */

typedef struct writing {
    machine_shapes *shapes;
    const machine *machine;
    const shape *from;
    source sources[SOURCES_MAX];
    ending endings[SOURCES_MAX];
    uint32_t count, endings_count;
    bool slow;
} writing;

static void write_source(writing *w, uint32_t config, source_kind kind, uint32_t at)
{
    if (config == MACHINE_NONE) return;
    w->slow = w->slow || w->count == SOURCES_MAX;
    if (!w->slow) w->sources[w->count++] = (source){config, kind, at};
}

static void write_ending(writing *w, uint32_t at, uint32_t step)
{
    bool waits = w->machine->nfa->pattern->skip != LEAT_SKIP_NONE;
    w->slow = w->slow || waits || w->endings_count == SOURCES_MAX;
    if (!w->slow) w->endings[w->endings_count++] = (ending){at, step};
}

/* What becomes of one bundle. */
static void write_leaf(writing *w, const machine_leaf *leaf, uint32_t at, bool start)
{
    if (leaf->completes) write_ending(w, at, MACHINE_NONE);
    for (uint32_t i = 0; i < leaf->takes_count; i++) {
        if (leaf->takes[i].completes)
            write_ending(w, start ? MACHINE_NONE : at, leaf->takes[i].step);
        write_source(w, leaf->takes[i].config, start ? STARTED : TAKEN, at);
    }
    if (!start) write_source(w, leaf->config, KEPT, at);
}

static int source_order(const void *left, const void *right)
{
    const source *a = left;
    const source *b = right;
    if (a->config != b->config) return a->config < b->config ? -1 : 1;
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    return a->bundle < b->bundle ? -1 : a->bundle > b->bundle;
}

/* The lines of the sources, which are in order; nodes: made by them at most. */
static uint32_t make_lines(const writing *w, line *lines, uint32_t *nodes)
{
    uint32_t count = 0;
    for (uint32_t i = 0, end; i < w->count; i = end) {
        uint32_t config = w->sources[i].config;
        bool taken = false;
        uint32_t takes = 0;
        for (end = i; end < w->count && w->sources[end].config == config; end++) {
            /* What is taken by several shares one take. */
            takes += w->sources[end].kind == STARTED || (w->sources[end].kind == TAKEN && !taken);
            taken = taken || w->sources[end].kind == TAKEN;
        }
        *nodes += end - i - 1 + takes;
        uint32_t step = machine_config_at(w->machine, config)->step;
        lines[count] = (line){config, step, count, i, end - i};
        count++;
    }
    return count;
}

/* Where the shape stays, lines that keep what they have are left out. */
static void leave_out(program *p)
{
    uint32_t kept = 0;
    uint32_t to = 0;
    for (uint32_t i = 0; i < p->lines_count; i++) {
        line l = p->lines[i];
        const source *first = &p->sources[l.first];
        bool idle = l.count == 1 && first->kind == KEPT && first->bundle == l.place;
        if (!idle) {
            LEAT_ASSERT(to <= l.first && kept <= i);
            memmove(&p->sources[to], first, l.count * sizeof *first);
            l.first = to;
            to += l.count;
            p->lines[kept++] = l;
        }
    }
    p->lines_count = kept;
}

/* Most often bundles move on to places behind theirs. */
static bool is_in_place(const program *p)
{
    bool replaced[SOURCES_MAX + 1] = {false};
    for (uint32_t i = p->lines_count; i-- > 0;) {
        const line *l = &p->lines[i];
        for (uint32_t k = l->first; k < l->first + l->count; k++)
            if (p->sources[k].kind != STARTED && replaced[p->sources[k].bundle]) return false;
        replaced[l->place] = true;
    }
    return true;
}

/* With room for that; NULL: no memory. */
static program *program_alloc(const writing *w, uint32_t lines)
{
    size_t sources_bytes = w->count * sizeof(source);
    size_t lines_bytes = lines * sizeof(line);
    size_t endings_bytes = w->endings_count * sizeof(ending);
    program *made = leat_mem_try(sizeof *made + sources_bytes + lines_bytes + endings_bytes);
    if (made == NULL) return NULL;
    *made = (program){.endings_count = w->endings_count, .lines_count = lines};
    _Static_assert(_Alignof(line) == _Alignof(source) && _Alignof(ending) == _Alignof(source),
                   "they lie one behind the other");
    made->lines = (line *)(void *)(made->sources + w->count);
    made->endings = (ending *)(void *)(made->lines + lines);
    memcpy(made->sources, w->sources, sources_bytes);
    memcpy(made->endings, w->endings, endings_bytes);
    return made;
}

static leat_code program_new(writing *w, uint32_t *next, leat_err *err)
{
    machine_shapes *s = w->shapes;
    line lines[SOURCES_MAX];
    uint32_t configs[SOURCES_MAX];
    uint32_t nodes = 0;
    void *items = s->programs;
    LEAT_TRY(
        matcher_reserve(&items, &s->programs_size, s->programs_count, sizeof *s->programs, err));
    s->programs = items;
    if (w->slow) w->count = w->endings_count = 0;
    qsort(w->sources, w->count, sizeof *w->sources, source_order);
    uint32_t count = make_lines(w, lines, &nodes);
    shape *to = NULL;
    for (uint32_t i = 0; i < count; i++)
        configs[i] = lines[i].config;
    if (count <= BUNDLES_MAX) LEAT_TRY(shape_of(s, configs, count, &to, err));
    program *made = program_alloc(w, count);
    if (made == NULL) return no_memory(err);
    memcpy(made->lines, lines, count * sizeof *lines);
    made->slow = w->slow || count > BUNDLES_MAX;
    made->same = to == w->from;
    made->shape = to;
    made->places = count;
    made->nodes = nodes;
    for (uint32_t i = 0; i < w->count; i++)
        made->takes += w->sources[i].kind != KEPT;
    LEAT_ASSERT(made->takes <= SOURCES_MAX && nodes <= 2 * SOURCES_MAX);
    if (made->same) leave_out(made);
    made->in_place = is_in_place(made);
    *next = PROGRAM | (uint32_t)s->programs_count;
    s->programs[s->programs_count++] = made;
    return LEAT_OK;
}

/* --- trees --- */

static bool knows(const machine_known *known, uint32_t condition, bool *holds)
{
    LEAT_ASSERT(condition < 128);
    *holds = (known->holds[condition >> 6] >> (condition & 63) & 1) != 0;
    return (known->known[condition >> 6] >> (condition & 63) & 1) != 0;
}

static void learn(machine_known *known, uint32_t condition, bool holds)
{
    known->known[condition >> 6] |= (uint64_t)1 << (condition & 63);
    known->holds[condition >> 6] |= (uint64_t)holds << (condition & 63);
}

/* Down the machine's tree of one configuration, as far as `known` tells; *asks: what would be asked
 * for next, or MACHINE_NONE, and the leaf. The tree grows as if the configuration were alone. */
static leat_code follow(machine *m, uint32_t config, const machine_known *known, uint32_t *asks,
                        const machine_leaf **leaf, leat_err *err)
{
    machine_known path = {{0}, {0}};
    uint32_t at = machine_config_at(m, config)->tree;
    uint32_t above = 0;
    bool holds = false;
    *asks = MACHINE_NONE;
    for (;;) {
        if (at == 0) {
            LEAT_TRY(machine_grow(m, config, &path, &at, err));
            *(above == 0 ? &m->configs[config]->tree : &m->branches[above].next[holds]) = at;
        }
        if ((at & MACHINE_LEAF) != 0) break;
        uint32_t condition = m->branches[at].condition;
        if (!knows(known, condition, &holds)) {
            *asks = condition;
            return LEAT_OK;
        }
        learn(&path, condition, holds);
        above = at;
        at = m->branches[at].next[holds];
    }
    *leaf = m->leaves[at & ~MACHINE_LEAF];
    return LEAT_OK;
}

static leat_code branch_new(machine_shapes *s, uint32_t condition, uint32_t *next, leat_err *err)
{
    void *items = s->branches;
    if (s->branches_count == 0) s->branches_count = 1;
    size_t at = s->branches_count;
    LEAT_TRY(matcher_reserve(&items, &s->branches_size, at, sizeof *s->branches, err));
    s->branches = items;
    s->branches[at] = (struct shape_branch){.condition = condition};
    *next = (uint32_t)s->branches_count++;
    return LEAT_OK;
}

/* The tree's next node, of what was asked for along the way. *next 0: there are too many. */
static leat_code grow(machine *m, const shape *from, const machine_known *path, uint32_t *next,
                      leat_err *err)
{
    machine_shapes *s = m->shapes;
    writing w = {.shapes = s, .machine = m, .from = from};
    const machine_leaf *leaf = NULL;
    uint32_t asks = MACHINE_NONE;
    *next = 0;
    if (s->programs_count >= PROGRAMS_MAX || s->branches_count >= PROGRAMS_MAX) return LEAT_OK;
    for (uint32_t i = 0; i <= from->count; i++) { /* the start comes last */
        bool start = i == from->count;
        LEAT_TRY(follow(m, start ? 0 : from->configs[i], path, &asks, &leaf, err));
        if (asks != MACHINE_NONE) return branch_new(s, asks, next, err);
        LEAT_ASSERT(leaf != NULL);
        write_leaf(&w, leaf, i, start);
    }
    return program_new(&w, next, err);
}

/* A condition of the event in hand, which reads no step. */
static leat_code ask(const feeding *f, uint32_t condition, bool *holds)
{
    machine_known *known = &f->work->known;
    const leat_matcher_host *host = f->work->host;
    if (LEAT_LIKELY(knows(known, condition, holds))) return LEAT_OK;
    LEAT_TRY(host->test(host->self, condition, NULL, holds, f->err));
    learn(known, condition, *holds);
    return LEAT_OK;
}

/* Down the tree; *found NULL: there is no program. */
static leat_code go_down(const feeding *f, shape *from, const program **found)
{
    machine_shapes *s = f->machine->shapes;
    uint32_t at = from->tree;
    uint32_t above = 0;
    bool holds = false;
    machine_known path;
    for (;;) {
        if (LEAT_UNLIKELY(at == 0)) {
            /* The way down again, for what it has asked. */
            path = (machine_known){{0}, {0}};
            for (uint32_t i = above == 0 ? 0 : from->tree; i != 0;) {
                uint32_t condition = s->branches[i].condition;
                bool yes = false;
                LEAT_TRY(ask(f, condition, &yes));
                learn(&path, condition, yes);
                i = i == above ? 0 : s->branches[i].next[yes];
            }
            machine_trim(f->machine);
            LEAT_TRY(grow(f->machine, from, &path, &at, f->err));
            if (at == 0) return LEAT_OK;
            *(above == 0 ? &from->tree : &s->branches[above].next[holds]) = at;
        }
        if ((at & PROGRAM) != 0) break;
        LEAT_TRY(ask(f, s->branches[at].condition, &holds));
        above = at;
        at = s->branches[at].next[holds];
    }
    *found = s->programs[at & ~PROGRAM];
    return LEAT_OK;
}

/* What all conditions are decides, if that is known. */
static leat_code decide(const feeding *f, shape *from, const program **found)
{
    const machine_known *told = &f->work->known;
    bool all = (told->known[0] & told->known[1]) == UINT64_MAX && told->holds[1] == 0;
    uint64_t holds = told->holds[0];
    for (uint32_t i = 0; i < WAYS && all; i++) {
        if (from->ways[i].holds != holds || from->ways[i].program == NULL) continue;
        *found = from->ways[i].program;
        return LEAT_OK;
    }
    LEAT_TRY(go_down(f, from, found));
    if (!all) return LEAT_OK;
    uint32_t way = from->ways_next++ % WAYS;
    from->ways[way].holds = holds;
    from->ways[way].program = *found;
    return LEAT_OK;
}

/* --- running --- */

/* A bundle without slots. */
typedef struct plain {
    uint32_t config, root, depth;
} plain;

static plain *plains_of(const bundles *list)
{
    _Static_assert(sizeof(plain) == BUNDLE_WORDS * sizeof(uint32_t),
                   "as bundles are without slots");
    return (plain *)(void *)list->words;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t join(graph *g, uint32_t a, uint32_t b)
{
    return a == 0 ? b : graph_union(g, a, b);
}

/* What several bundles become together. */
static plain run_sources(graph *g, uint32_t number, const line *l, const source *sources,
                         const plain *before)
{
    plain now = {.config = l->config};
    uint32_t taken = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        const plain *c = &before[sources[i].kind == STARTED ? 0 : sources[i].bundle];
        switch (sources[i].kind) {
        case KEPT:
            now.root = join(g, now.root, c->root);
            now.depth = larger(now.depth, c->depth);
            break;
        case TAKEN:
            taken = join(g, taken, c->root);
            now.depth = larger(now.depth, c->depth + 1);
            if (i + 1 < l->count && sources[i + 1].kind == TAKEN) break;
            now.root = join(g, now.root, graph_take(g, taken, number, l->step));
            break;
        case STARTED:
            now.root = join(g, now.root, graph_take(g, 0, number, l->step));
            now.depth = larger(now.depth, 1);
            break;
        }
    }
    return now;
}

/* Matches that the event completes, before the bundles are what they become. */
static leat_code end_runs(const feeding *f, const program *p)
{
    uint32_t from = f->matcher->graph.bound;
    for (uint32_t i = 0; i < p->endings_count; i++) {
        const ending *e = &p->endings[i];
        uint32_t root = 0;
        if (e->bundle != MACHINE_NONE) root = plains_of(&f->matcher->bundles)[e->bundle].root;
        if (e->step != MACHINE_NONE) LEAT_TRY(matcher_keep(f));
        LEAT_TRY(done_add(f->work, (done){root, e->step, from, UINT32_MAX}, f->err));
    }
    return LEAT_OK;
}

#define CROWDED_MAX 64 /* nodes; of more, what is dead is collected when they have doubled */

/* Whether a small graph would have to grow while a good part of it is dead. */
static bool crowded(const graph *g, const program *p)
{
    bool full = g->nodes_size - g->nodes_count < p->nodes || g->events_count == g->events_size;
    return full && g->nodes_count < CROWDED_MAX && g->bound > 1 &&
           4 * (g->bound - 1) >= g->events_count;
}

static leat_code run(const feeding *f, const program *p)
{
    bundles *list = &f->matcher->bundles;
    graph *g = &f->matcher->graph;
    plain copies[BUNDLES_MAX];
    bundle *added = NULL;
    if (p->endings_count == 0 && crowded(g, p))
        LEAT_TRY(matcher_collect(f->matcher, f->work, f->err));
    if (p->takes > 0) LEAT_TRY(matcher_enter(f));
    LEAT_TRY(graph_reserve(g, p->nodes, f->err));
    LEAT_ASSERT(list->count <= BUNDLES_MAX && p->places <= BUNDLES_MAX);
    if (LEAT_UNLIKELY(p->places * BUNDLE_WORDS > list->size)) {
        while (list->count < p->places)
            LEAT_TRY(bundle_add(f->machine, list, &added, f->err));
    } /* the memory is there: nothing fails from here on */
    plain *now = plains_of(list);
    const plain *before = now;
    if (!p->in_place) before = memcpy(copies, now, f->matcher->bundles.count * sizeof *now);
    for (const line *l = p->lines + p->lines_count; l-- > p->lines;) {
        const source *sources = &p->sources[l->first];
        plain *to = &now[l->place];
        if (LEAT_LIKELY(l->count == 1 && sources->kind != KEPT)) {
            bool starts = sources->kind == STARTED;
            const plain *c = &before[sources->bundle];
            uint32_t depth = starts ? 1 : c->depth + 1;
            uint32_t root = graph_take(g, starts ? 0 : c->root, f->work->number, l->step);
            *to = (plain){l->config, root, depth};
        } else {
            *to = run_sources(g, f->work->number, l, sources, before);
        }
        LEAT_ASSERT(to->root != 0 && to->depth > 0);
    }
    list->count = p->places;
    f->matcher->shape = p->shape;
    return LEAT_OK;
}

/* Whether a limit may be met: then each bundle is looked at. */
static bool limited(const feeding *f, const program *p)
{
    const bundles *list = &f->matcher->bundles;
    if (p->takes == 0 && p->endings_count == 0) return false;
    if ((uint64_t)f->matcher->graph.takes + p->takes > f->machine->runs_max) return true;
    for (const plain *c = plains_of(list), *end = c + list->count; c < end; c++)
        if (c->depth >= f->machine->takes_max) return true;
    return false;
}

/* The shape of the matcher; NULL: none that is known. */
static leat_code find_shape(const feeding *f, shape **found)
{
    leat_matcher *matcher = f->matcher;
    uint32_t configs[BUNDLES_MAX];
    uint32_t count = matcher->bundles.count;
    *found = count == 0 ? f->machine->start : matcher->shape;
    if (*found != NULL || count > BUNDLES_MAX) return LEAT_OK;
    for (uint32_t i = 0; i < count; i++)
        configs[i] = plains_of(&matcher->bundles)[i].config;
    LEAT_TRY(shape_of(f->machine->shapes, configs, count, found, f->err));
    matcher->shape = *found;
    return LEAT_OK;
}

leat_code matcher_feed_shape(const feeding *f, bool *fed)
{
    leat_matcher *matcher = f->matcher;
    const program *p = NULL;
    shape *from = NULL;
    LEAT_ASSERT(f->work->fresh.count == 0 && f->work->done_count == 0);
    *fed = false;
    if (LEAT_UNLIKELY(f->machine->shapes == NULL)) LEAT_TRY(shapes_new(f->machine, f->err));
    if (f->machine->start == NULL || matcher->waiting_count > 0) return LEAT_OK;
    if (matcher->bundles.count > BUNDLES_MAX) return LEAT_OK;
    if (matcher->graph.bound != matcher->dropped_at || matcher->gone > 0)
        bundles_drop_dead(matcher);
    LEAT_TRY(find_shape(f, &from));
    if (from == NULL) return LEAT_OK;
    LEAT_ASSERT(from->count == matcher->bundles.count);
    LEAT_ASSERT(matcher->bundles.count == 0 || matcher->graph.nodes_count > 0);
    LEAT_TRY(decide(f, from, &p));
    if (p == NULL || p->slow || limited(f, p)) return LEAT_OK;
    *fed = true;
    if (LEAT_UNLIKELY(p->endings_count > 0)) LEAT_TRY(end_runs(f, p));
    if (!p->same || p->lines_count > 0) LEAT_TRY(run(f, p));
    return p->endings_count == 0 ? LEAT_OK : skip_emit(matcher, f->work, f->matches, f->err);
}
