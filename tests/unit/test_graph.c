/* SPDX-License-Identifier: Apache-2.0 */
/* The match graph alone: takes, unions, the bound, collecting, and its runs in order. Graphs are
 * made at random beside plain lists of runs, which know nothing of sharing: what the graph gives
 * has to be what a sorted list gives. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "cep/graph_paths.h"
#include "core/buf.h"
#include "core/mem.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(graph);

#define RUN_MAX  16
#define RUNS_MAX 20000

/* A run of the plain list. */
typedef struct run {
    uint32_t count;
    uint32_t rights[RUN_MAX];
} run;

typedef struct runs {
    run *items;
    size_t count;
} runs;

static uint32_t right_of(uint32_t event, uint32_t step)
{
    return step << GRAPH_EVENT_BITS | event;
}

/* They outlive the pool. */
static void add_events(graph *g, uint32_t count)
{
    leat_err err;
    leat_pool *pool = leat_pool_new();
    for (uint32_t i = 1; i <= count; i++) {
        leat_event *event = NULL;
        uint32_t number = 0;
        cr_assert_eq(leat_event_new(pool, LEAT_STR("{}"), i, (leat_identity){1, i}, &event, &err),
                     LEAT_OK);
        cr_assert_eq(graph_event_add(g, event, &number, &err), LEAT_OK);
    }
    leat_pool_free(&pool);
}

static uint32_t take(graph *g, uint32_t before, uint32_t event, uint32_t step)
{
    leat_err err;
    cr_assert_eq(graph_reserve(g, 1, &err), LEAT_OK);
    return graph_take(g, before, event, step);
}

static uint32_t unite(graph *g, uint32_t a, uint32_t b)
{
    leat_err err;
    cr_assert_eq(graph_reserve(g, 1, &err), LEAT_OK);
    return graph_union(g, a, b);
}

/* "1 3|1 3.2": events of a run, and its steps where they are not 0. */
static void print_run(const uint32_t *rights, uint32_t count, leat_buf *out)
{
    for (uint32_t i = 0; i < count; i++) {
        leat_buf_add_format(out, i == 0 ? "%u" : " %u", graph_event_of(rights[i]));
        if (graph_step_of(rights[i]) > 0) leat_buf_add_format(out, ".%u", graph_step_of(rights[i]));
    }
    leat_buf_add_char(out, '|');
}

/* All runs of the paths. What is said to be as before has to be. */
static size_t print_paths(graph_paths *paths, leat_buf *out)
{
    leat_err err;
    bool found = false;
    uint32_t last[RUN_MAX + 1] = {0};
    uint32_t last_count = 0;
    size_t count = 0;
    for (;; count++) {
        cr_assert_eq(graph_paths_next(paths, &found, &err), LEAT_OK);
        if (!found) break;
        cr_assert_leq(paths->same, paths->count);
        cr_assert_leq(paths->until, paths->count);
        for (uint32_t i = 0; i < paths->count; i++)
            if (i < paths->same || i >= paths->until)
                cr_assert(i < last_count && last[i] == paths->path[i]);
        last_count = paths->count;
        memcpy(last, paths->path, last_count * sizeof *last);
        print_run(paths->path, paths->count, out);
    }
    return count;
}

static void expect_runs(const graph *g, const graph_source *sources, size_t count, const char *want)
{
    graph_paths paths = {0};
    leat_err err;
    leat_buf out;
    leat_buf_init(&out, 1 << 20);
    graph_paths_begin(&paths, g);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(graph_paths_add(&paths, sources[i], &err), LEAT_OK);
    (void)print_paths(&paths, &out);
    leat_buf_add_char(&out, '\0');
    cr_expect_str_eq(out.data, want);
    leat_buf_release(&out);
    graph_paths_release(&paths);
}

static void expect_all(const graph *g, uint32_t root, const char *want)
{
    expect_runs(g, &(graph_source){root, 0, g->bound, UINT32_MAX}, 1, want);
}

Test(graph, takes_and_unions)
{
    graph g = {0};
    add_events(&g, 6);
    uint32_t a1 = take(&g, 0, 1, 0);
    uint32_t a2 = take(&g, 0, 2, 0);
    uint32_t both = unite(&g, a1, a2);
    const graph_node *n = graph_node_at(&g, both);
    cr_expect_eq(n->left, a2, "what began last is to the left");
    cr_expect_eq(n->least, 1);
    cr_expect_eq(n->most, 2);
    uint32_t b3 = take(&g, both, 3, 1);
    uint32_t a4 = take(&g, 0, 4, 0);
    uint32_t b5 = take(&g, unite(&g, a4, both), 5, 1);
    uint32_t root = unite(&g, b3, b5);
    cr_expect_eq(graph_node_at(&g, root)->left, b5);
    cr_expect_eq(unite(&g, root, root), root, "with itself it is itself");
    cr_expect_eq(unite(&g, 0, b3), b3);
    cr_expect_eq(unite(&g, b3, 0), b3);
    expect_all(&g, root, "1 3.1|1 5.1|2 3.1|2 5.1|4 5.1|");
    expect_all(&g, a1, "1|");
    expect_all(&g, 0 + b3, "1 3.1|2 3.1|");
    graph_release(&g);
}

Test(graph, the_bound_ends_runs)
{
    graph g = {0};
    graph_walk walk = {0};
    leat_err err;
    uint32_t least = 0;
    add_events(&g, 5);
    uint32_t a1 = take(&g, 0, 1, 0);
    uint32_t a3 = take(&g, 0, 3, 0);
    uint32_t root = take(&g, unite(&g, a1, a3), 4, 1);
    cr_assert_eq(graph_least(&walk, &g, root, 0, UINT32_MAX, &least, &err), LEAT_OK);
    cr_expect_eq(least, 1);
    g.bound = 2;
    cr_expect(graph_lives(&g, root));
    cr_expect_not(graph_lives(&g, a1));
    cr_expect_eq(unite(&g, a1, a3), a3, "who is dead is left out");
    expect_all(&g, root, "3 4.1|");
    cr_assert_eq(graph_least(&walk, &g, root, 2, UINT32_MAX, &least, &err), LEAT_OK);
    cr_expect_eq(least, 3);
    cr_assert_eq(graph_least(&walk, &g, root, 2, 3, &least, &err), LEAT_OK);
    cr_expect_eq(least, UINT32_MAX);
    g.bound = 4;
    cr_expect_not(graph_lives(&g, root));
    cr_expect_eq(unite(&g, a1, a3), 0);
    expect_all(&g, root, "");
    graph_walk_release(&walk);
    graph_release(&g);
}

/* Every event could be taken or not: runs are many, nodes few. Those that began with event 1 are
 * looked for in vain. */
Test(graph, looks_at_a_node_once)
{
    enum { EVENTS = 64 };
    graph g = {0};
    graph_walk walk = {0};
    leat_err err;
    uint32_t least = 0;
    add_events(&g, EVENTS);
    uint32_t root = unite(&g, take(&g, 0, 1, 0), take(&g, 0, 3, 0));
    for (uint32_t event = 4; event <= EVENTS; event++)
        root = unite(&g, take(&g, root, event, 1), root);
    cr_assert_eq(graph_least(&walk, &g, root, 2, UINT32_MAX, &least, &err), LEAT_OK);
    cr_expect_eq(least, 3);
    cr_assert_eq(graph_least(&walk, &g, root, 2, 3, &least, &err), LEAT_OK);
    cr_expect_eq(least, UINT32_MAX);
    graph_walk_release(&walk);
    graph_release(&g);
}

Test(graph, collects_what_is_dead)
{
    graph g = {0};
    graph_moves moves = {0};
    leat_err err;
    add_events(&g, 6);
    uint32_t a1 = take(&g, 0, 1, 0);
    uint32_t a2 = take(&g, 0, 2, 0);
    uint32_t both = unite(&g, a1, a2);
    uint32_t b4 = take(&g, both, 4, 1);
    (void)take(&g, a1, 5, 1); /* no root holds it */
    uint32_t b6 = take(&g, a2, 6, 1);
    g.bound = 2;
    cr_assert_eq(graph_moves_begin(&moves, &g, &err), LEAT_OK);
    graph_mark(&moves, b4);
    graph_mark(&moves, b6);
    cr_expect(graph_collect(&g, &moves, 2));
    cr_expect_eq(g.nodes_count, 3, "a2, b4, b6: the union has one side left");
    cr_expect_eq(g.events_count, 3);
    cr_expect_eq(g.takes, 3);
    cr_expect_eq(g.bound, 1);
    b4 = graph_moved_root(&moves, b4);
    b6 = graph_moved_root(&moves, b6);
    cr_expect_eq(graph_node_at(&g, b4)->least, 1);
    expect_all(&g, b4, "1 2.1|");
    expect_all(&g, b6, "1 3.1|");
    cr_expect_eq(graph_entry_at(&g, 3)->time_ms, 6);
    cr_assert_eq(graph_moves_begin(&moves, &g, &err), LEAT_OK);
    graph_mark(&moves, b4);
    graph_mark(&moves, b6);
    cr_expect_not(graph_collect(&g, &moves, 1), "all of it lives");
    expect_all(&g, b6, "1 3.1|");
    graph_moves_release(&moves);
    graph_release(&g);
}

/* Events come before length, and length before steps. */
Test(graph, order_of_runs)
{
    graph g = {0};
    add_events(&g, 6);
    uint32_t a1 = take(&g, 0, 1, 0);
    uint32_t x1 = take(&g, 0, 1, 1);
    uint32_t a3 = take(&g, a1, 3, 0);
    uint32_t x2 = take(&g, x1, 2, 0);
    uint32_t root = unite(&g, unite(&g, a3, x2), unite(&g, a1, x1));
    expect_all(&g, root, "1.1 2|1 3|1|1.1|");
    /* Several sources, with a take behind, and ranges of their own. */
    const graph_source sources[] = {
        {a3, right_of(6, 2), 1, 9}, {x2, right_of(6, 1), 1, 9}, {a1, 0, 1, 9}, {x1, 0, 2, 9},
        {0, right_of(6, 3), 1, 9},  {a1, right_of(6, 4), 1, 1}};
    expect_runs(&g, sources, 6, "1.1 2 6.1|1 3 6.2|1|6.3|");
    graph_release(&g);
}

/* Two to the power of 60 runs: counted at once, walked as far as somebody wants. */
Test(graph, more_runs_than_anybody_can_walk)
{
    graph g = {0};
    graph_paths paths = {0};
    leat_err err;
    leat_buf out;
    uint64_t count = 0;
    uint32_t first = 0;
    bool found = false;
    add_events(&g, 62);
    uint32_t root = take(&g, 0, 1, 0);
    uint32_t loop = 0;
    for (uint32_t event = 2; event <= 61; event++)
        loop = unite(&g, take(&g, unite(&g, loop, root), event, 1), loop);
    graph_paths_begin(&paths, &g);
    cr_assert_eq(
        graph_paths_add(&paths, (graph_source){loop, right_of(62, 2), 1, UINT32_MAX}, &err),
        LEAT_OK);
    cr_assert_eq(graph_paths_count(&paths, 0, UINT32_MAX, &count, &err), LEAT_OK);
    cr_expect_eq(count, GRAPH_COUNT_MAX);
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(graph_paths_next(&paths, &found, &err), LEAT_OK);
        cr_assert(found);
        if (i == 0) cr_expect_eq(paths.count, 62, "the earliest takes are all of them");
    }
    cr_assert_eq(graph_paths_count(&paths, 2, UINT32_MAX, &count, &err), LEAT_OK);
    cr_expect_eq(count, 0);
    cr_assert_eq(graph_paths_skip(&paths, 2, &first, &err), LEAT_OK);
    cr_expect_eq(first, UINT32_MAX);
    cr_assert_eq(graph_paths_next(&paths, &found, &err), LEAT_OK);
    cr_expect_not(found);
    leat_buf_init(&out, 100);
    leat_buf_release(&out);
    graph_paths_release(&paths);
    graph_release(&g);
}

/* --- at random, beside plain lists --- */

static int compare_runs(const void *x, const void *y)
{
    const run *a = x;
    const run *b = y;
    for (uint32_t i = 0; i < a->count && i < b->count; i++) {
        uint32_t m = graph_event_of(a->rights[i]);
        uint32_t n = graph_event_of(b->rights[i]);
        if (m != n) return m < n ? -1 : 1;
    }
    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->rights[i] != b->rights[i]) return a->rights[i] < b->rights[i] ? -1 : 1;
    return 0;
}

static void runs_add(runs *list, const run *r)
{
    cr_assert_lt(list->count, RUNS_MAX);
    list->items[list->count++] = *r;
}

#define BUNDLES 5

/* Registers with disjoint runs: what an event does to them is drawn. A run is in one of them. */
typedef struct model {
    graph g;
    uint32_t roots[BUNDLES];
    runs lists[BUNDLES];
    graph_paths paths;
    graph_moves moves;
    leat_buf got, want;
} model;

static void model_take(model *m, uint32_t from, uint32_t into, uint32_t event, uint32_t step)
{
    run begin = {1, {right_of(event, step)}};
    uint32_t before = from == BUNDLES ? 0 : m->roots[from];
    if (from < BUNDLES && (!graph_lives(&m->g, before) || m->lists[from].count > 300)) return;
    m->roots[into] = unite(&m->g, take(&m->g, before, event, step), m->roots[into]);
    if (from == BUNDLES) {
        runs_add(&m->lists[into], &begin);
        return;
    }
    size_t count = m->lists[from].count;
    for (size_t i = 0; i < count; i++) {
        run r = m->lists[from].items[i];
        if (r.count == RUN_MAX || graph_event_of(r.rights[0]) < m->g.bound) continue;
        cr_assert_lt(graph_event_of(r.rights[r.count - 1]), event);
        r.rights[r.count++] = right_of(event, step);
        runs_add(&m->lists[into], &r);
    }
}

static void model_check(model *m, uint32_t mask, uint32_t from, uint32_t to)
{
    runs all = {leat_mem_need((size_t)RUNS_MAX * BUNDLES * sizeof(run)), 0};
    leat_err err;
    uint64_t count = 0;
    graph_paths_begin(&m->paths, &m->g);
    for (uint32_t i = 0; i < BUNDLES; i++) {
        if ((mask >> i & 1) == 0 || m->roots[i] == 0) continue;
        graph_source source = {m->roots[i], 0, from > m->g.bound ? from : m->g.bound, to};
        if (i % 2 == 1) source.from += 2; /* ranges of their own */
        if (source.from >= to) continue;
        cr_assert_eq(graph_paths_add(&m->paths, source, &err), LEAT_OK);
        for (size_t r = 0; r < m->lists[i].count; r++) {
            uint32_t first = graph_event_of(m->lists[i].items[r].rights[0]);
            if (first < source.from || first >= to) continue;
            all.items[all.count++] = m->lists[i].items[r];
        }
    }
    qsort(all.items, all.count, sizeof *all.items, compare_runs);
    leat_buf_reset(&m->got);
    leat_buf_reset(&m->want);
    for (size_t i = 0; i < all.count; i++)
        print_run(all.items[i].rights, all.items[i].count, &m->want);
    cr_assert_eq(graph_paths_count(&m->paths, 0, UINT32_MAX, &count, &err), LEAT_OK);
    cr_assert_eq(count, all.count);
    cr_assert_eq(print_paths(&m->paths, &m->got), all.count);
    cr_assert(leat_str_equal(leat_buf_str(&m->got), leat_buf_str(&m->want)), "%.*s\n%.*s",
              LEAT_STR_ARG(leat_buf_str(&m->got)), LEAT_STR_ARG(leat_buf_str(&m->want)));
    leat_mem_free(all.items);
}

/* Numbers stay what they were for those who compare: events are not given back here. */
static void model_collect(model *m)
{
    leat_err err;
    uint32_t keep = take(&m->g, 0, m->g.events_count, 0);
    for (uint32_t event = m->g.events_count; event-- > 1;)
        keep = unite(&m->g, keep, take(&m->g, 0, event, 0));
    cr_assert_eq(graph_moves_begin(&m->moves, &m->g, &err), LEAT_OK);
    graph_mark(&m->moves, keep);
    for (uint32_t i = 0; i < BUNDLES; i++)
        graph_mark(&m->moves, m->roots[i]);
    if (!graph_collect(&m->g, &m->moves, 0)) return;
    for (uint32_t i = 0; i < BUNDLES; i++)
        m->roots[i] = graph_moved_root(&m->moves, m->roots[i]);
}

Test(graph, runs_at_random)
{
    size_t long_ones = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        leat_random random = {seed};
        model m = {0};
        leat_buf_init(&m.got, 1 << 24);
        leat_buf_init(&m.want, 1 << 24);
        for (uint32_t i = 0; i < BUNDLES; i++)
            m.lists[i].items = leat_mem_need(RUNS_MAX * sizeof(run));
        uint32_t events = 4 + (uint32_t)leat_random_below(&random, 9);
        add_events(&m.g, events);
        for (uint32_t event = 1; event <= events; event++) {
            /* From higher registers first, so that nothing is taken twice by one event; of one
             * register into one other, by a step of its own: runs stay disjoint. */
            uint32_t used = 0;
            for (uint32_t from = BUNDLES; from-- > 1;) {
                uint32_t step = (uint32_t)leat_random_below(&random, 2);
                if (leat_random_below(&random, 3) == 0 || (used >> from & 1)) continue;
                if (from + 1 >= BUNDLES) continue;
                model_take(&m, from, from + 1, event, step);
                used |= 1u << from;
            }
            model_take(&m, BUNDLES, 1, event, 0);
            if (leat_random_below(&random, 3) == 0) model_take(&m, BUNDLES, 0, event, 1);
            if (leat_random_below(&random, 6) == 0 && m.g.bound < event / 2) m.g.bound = event / 2;
            if (leat_random_below(&random, 4) == 0 && m.g.bound == 0) model_collect(&m);
        }
        for (uint32_t i = 0; i < BUNDLES; i++)
            long_ones += m.lists[i].count > 20;
        for (int i = 0; i < 6; i++) {
            uint32_t from = (uint32_t)leat_random_below(&random, events);
            uint32_t to =
                i % 2 == 0 ? UINT32_MAX : from + (uint32_t)leat_random_below(&random, events);
            model_check(&m, i == 0 ? 31 : (uint32_t)leat_random_below(&random, 32), from, to);
        }
        for (uint32_t i = 0; i < BUNDLES; i++)
            leat_mem_free(m.lists[i].items);
        graph_paths_release(&m.paths);
        graph_moves_release(&m.moves);
        leat_buf_release(&m.got);
        leat_buf_release(&m.want);
        graph_release(&m.g);
    }
    cr_expect_gt(long_ones, 100);
}
