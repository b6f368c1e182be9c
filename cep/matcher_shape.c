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
 * The programs are put together from the machine's own leaves, so the rules stay where they are
 * (matcher_step.c), and conditions are asked for in the order in which the bundles would ask for
 * them. They are run by matcher_run.c. */
#include "cep/matcher_shape.h"
#include "core/mem.h"

#include <stdlib.h>

#define SOURCES_MAX  64 /* of a program */
#define SHAPES_MAX   (1u << 12)
#define PROGRAMS_MAX (1u << 14) /* and as many branches */
#define PROGRAM      0x80000000u

#define RECENT 16u

struct machine_shapes {
    leat_map *index;
    shape *recent[RECENT]; /* that were looked for, by their number and the last of them */
    shape **items;         /* the first: nothing is under way */
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

leat_code shape_of(machine_shapes *s, const uint32_t *configs, uint32_t count, shape **found,
                   leat_err *err)
{
    uint64_t number = 0;
    leat_str key = {(const char *)configs, count * sizeof *configs};
    shape **recent = &s->recent[(count == 0 ? 0 : configs[count - 1] + count) % RECENT];
    *found = *recent;
    if (*found != NULL && (*found)->count == count &&
        memcmp((*found)->configs, configs, key.len) == 0)
        return LEAT_OK;
    *found = NULL;
    if (leat_map_get(s->index, key, &number)) {
        *found = *recent = s->items[number];
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

leat_code shapes_new(machine *m, leat_err *err)
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

/* What a line does: of one or two sources mostly, the one that is kept in front. */
static line line_of(const source *sources, uint32_t count)
{
    bool keeps = sources->kind == KEPT;
    const source *last = &sources[count - 1];
    line made = {.config = sources->config, .count = count, .kind = LINE_JOINS};
    made.kept = sources->bundle;
    made.bundle = last->bundle;
    if (count == 1)
        made.kind = keeps ? LINE_KEEPS : last->kind == TAKEN ? LINE_TAKES : LINE_STARTS;
    else if (count == 2 && keeps && last->kind != KEPT)
        made.kind = last->kind == TAKEN ? LINE_KEEPS_TAKES : LINE_KEEPS_STARTS;
    return made;
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
        lines[count] = line_of(&w->sources[i], end - i);
        lines[count].step = step;
        lines[count].place = count;
        lines[count++].first = i;
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

/* Down the tree. */
leat_code shape_program(const feeding *f, shape *from, const program **found)
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
