/* SPDX-License-Identifier: Apache-2.0 */
/* The match graph of one key: all its partial matches, in the space of what they took.
 *
 *   take   before <- [event, step]     the runs of `before`, each with this event behind
 *   union  left | right                the runs of both; left holds the one that began last
 *
 *      a1 <--- b3 <-.
 *                    union <--- c7     two runs, a1 b3 c7 and a1 b5 c7, in five nodes
 *      a1 <--- b5 <-'
 *
 * A node never changes; it points to nodes with smaller numbers and knows the first events
 * (`least`, `most`) of the runs below it. So the end of all runs that began before some event is
 * one number, `bound`: a node whose `most` is smaller is dead, whoever points at it, and a union is
 * entered only where something lives. There are no reference counts; now and then what lives is
 * moved together (graph_collect), at a cost that the nodes made since have paid for.
 * Numbers of nodes and events count from 1; 0 is none. Events are numbered as they were taken.
 * Owner: a matcher. Thread: the shard's. */
#ifndef LEAT_CEP_GRAPH_H
#define LEAT_CEP_GRAPH_H

#include "cep/event.h"

#define GRAPH_TAKE       0x80000000u /* in node.left: a take; the rest is the node before */
#define GRAPH_EVENT_BITS 26          /* of node.right of a take; the step is above them */
#define GRAPH_EVENT_MASK ((1u << GRAPH_EVENT_BITS) - 1)
#define GRAPH_EVENTS_MAX (GRAPH_EVENT_MASK - 2) /* one may come behind them, and an end */
#define GRAPH_NODES_MAX  (GRAPH_TAKE - 1)

typedef struct graph_node {
    uint32_t left, right;
    uint32_t least, most; /* events that runs below began with; `least` may be dead */
} graph_node;

typedef struct graph_entry {
    leat_event *event; /* a reference; NULL: given back already (graph_give_back) */
    int64_t time_ms;
} graph_entry;

/* Most keys hold a few takes: these need no memory of their own. */
#define GRAPH_OWN_NODES  6
#define GRAPH_OWN_EVENTS 3
#define GRAPH_LARGE      2048u /* from here on arrays grow by little, and become smaller again */
_Static_assert(GRAPH_LARGE > 2 * GRAPH_OWN_NODES, "own arrays are never made smaller");

typedef struct graph {
    graph_node *nodes; /* own_nodes at first */
    graph_entry *events;
    uint32_t nodes_count, nodes_size;
    uint32_t events_count, events_size;
    uint32_t takes; /* among the nodes, dead ones too until they are collected */
    uint32_t bound; /* runs that began before this event are gone */
    graph_entry own_events[GRAPH_OWN_EVENTS];
    graph_node own_nodes[GRAPH_OWN_NODES];
} graph;

static inline const graph_node *graph_node_at(const graph *g, uint32_t number)
{
    LEAT_ASSERT(number - 1 < g->nodes_count);
    return &g->nodes[number - 1];
}
static inline bool graph_is_take(const graph_node *n)
{
    return (n->left & GRAPH_TAKE) != 0;
}
static inline uint32_t graph_before(const graph_node *n)
{
    return n->left & ~GRAPH_TAKE;
}
static inline uint32_t graph_event_of(uint32_t right)
{
    return right & GRAPH_EVENT_MASK;
}
static inline uint32_t graph_step_of(uint32_t right)
{
    return right >> GRAPH_EVENT_BITS;
}
static inline const graph_entry *graph_entry_at(const graph *g, uint32_t event)
{
    LEAT_ASSERT(event - 1 < g->events_count);
    return &g->events[event - 1];
}
static inline bool graph_lives(const graph *g, uint32_t root)
{
    return root != 0 && graph_node_at(g, root)->most >= g->bound;
}

/* Of zeroed memory, which may not be moved from then on. */
static inline void graph_init(graph *g)
{
    g->nodes = g->own_nodes;
    g->nodes_size = GRAPH_OWN_NODES;
    g->events = g->own_events;
    g->events_size = GRAPH_OWN_EVENTS;
}
void graph_release(graph *g);
void graph_clear(graph *g); /* nothing lives any more; keeps the memory */
/* Room for so many nodes, so that making them cannot fail. */
leat_code graph_grow(graph *g, uint32_t nodes, leat_err *err) LEAT_CHECKED;
static inline leat_code graph_reserve(graph *g, uint32_t nodes, leat_err *err)
{
    return LEAT_LIKELY(g->nodes_size - g->nodes_count >= nodes) ? LEAT_OK
                                                                : graph_grow(g, nodes, err);
}
leat_code graph_events_grow(graph *g, leat_err *err) LEAT_CHECKED; /* room for one more */
leat_code graph_event_early(leat_err *err) LEAT_CHECKED;           /* the error */
/* Takes over the caller's reference if it succeeds. DAMAGED: it is earlier than the one before. */
static inline LEAT_CHECKED leat_code graph_event_add(graph *g, leat_event *event, uint32_t *number,
                                                     leat_err *err)
{
    uint32_t count = g->events_count;
    if (LEAT_UNLIKELY(count == g->events_size)) LEAT_TRY(graph_events_grow(g, err));
    if (LEAT_UNLIKELY(count > 0 && g->events[count - 1].time_ms > event->timestamp_ms))
        return graph_event_early(err);
    g->events[count] = (graph_entry){event, event->timestamp_ms};
    *number = g->events_count = count + 1;
    return LEAT_OK;
}
/* Nobody is going to ask for runs that began before the bound: events before it, which only those
 * can have taken, are given back now, their entries when the graph is collected. *spent: so many of
 * the first were before; 0 in the beginning, and after graph_clear and graph_collect. */
void graph_give_back(graph *g, uint32_t *spent);
/* A run that begins with an event. */
static inline uint32_t graph_take_first(graph *g, uint32_t event, uint32_t step)
{
    uint32_t count = g->nodes_count;
    LEAT_ASSERT(count < g->nodes_size && event - 1 < g->events_count);
    g->nodes[count] = (graph_node){GRAPH_TAKE, step << GRAPH_EVENT_BITS | event, event, event};
    g->takes++;
    return g->nodes_count = count + 1;
}
/* The runs of `before` with an event behind. */
static inline uint32_t graph_take_behind(graph *g, uint32_t before, uint32_t event, uint32_t step)
{
    uint32_t count = g->nodes_count;
    graph_node *nodes = g->nodes;
    LEAT_ASSERT(count < g->nodes_size && event - 1 < g->events_count && before - 1 < count);
    uint32_t least = nodes[before - 1].least;
    uint32_t most = nodes[before - 1].most;
    nodes[count] = (graph_node){GRAPH_TAKE | before, step << GRAPH_EVENT_BITS | event, least, most};
    g->takes++;
    return g->nodes_count = count + 1;
}
/* The same; before 0: none. */
static inline uint32_t graph_take(graph *g, uint32_t before, uint32_t event, uint32_t step)
{
    LEAT_ASSERT(step < 1u << (32 - GRAPH_EVENT_BITS));
    return before == 0 ? graph_take_first(g, event, step)
                       : graph_take_behind(g, before, event, step);
}
/* The runs of both, which are alive. */
static inline uint32_t graph_join(graph *g, uint32_t a, uint32_t b)
{
    uint32_t count = g->nodes_count;
    graph_node *nodes = g->nodes;
    LEAT_ASSERT(count < g->nodes_size && a - 1 < count && b - 1 < count && a != b);
    const graph_node *x = &nodes[a - 1];
    const graph_node *y = &nodes[b - 1];
    bool swap = x->most < y->most;
    nodes[count] = (graph_node){.left = swap ? b : a,
                                .right = swap ? a : b,
                                .least = x->least < y->least ? x->least : y->least,
                                .most = swap ? y->most : x->most};
    return g->nodes_count = count + 1;
}
/* The runs of both; 0 if there is none alive. */
uint32_t graph_union(graph *g, uint32_t a, uint32_t b);
/* --- all runs, one by one --- */

typedef struct graph_branch {
    uint32_t node, depth;
} graph_branch;

/* Owner: scratch of one thread; release it once. */
typedef struct graph_walk {
    const graph *g;
    uint32_t from, to; /* runs that began in [from, to) */
    graph_branch *branches;
    uint32_t *path; /* node.right of the takes of the run found, last to first */
    uint32_t count; /* of path */
    uint32_t *met;  /* by node: the turn of graph_least that has looked below it last */
    uint32_t turn;
    size_t branches_count, branches_size, path_size, met_size;
} graph_walk;
leat_code graph_walk_begin(graph_walk *walk, const graph *g, uint32_t root, uint32_t from,
                           uint32_t to, leat_err *err) LEAT_CHECKED;
/* False: there is none left. Cost: the takes of the run that are not the last one's. */
leat_code graph_walk_next(graph_walk *walk, bool *found, leat_err *err) LEAT_CHECKED;
/* The first event, from `from` on and before `to`, that a run below root begins with; UINT32_MAX:
 * none. Cost: the nodes below that may hold one, each once however many runs share it. */
leat_code graph_least(graph_walk *walk, const graph *g, uint32_t root, uint32_t from, uint32_t to,
                      uint32_t *least, leat_err *err) LEAT_CHECKED;
void graph_walk_release(graph_walk *walk);

/* --- collecting (graph_collect.c) --- */

/* Scratch of one thread. */
typedef struct graph_moves {
    uint32_t *nodes;  /* by old number: the new one; 0: gone */
    uint32_t *events; /* the same; of one that is gone: the next that is not, minus one half */
    size_t nodes_size, events_size;
} graph_moves;
/* Room for the numbers of g, none marked. */
leat_code graph_moves_begin(graph_moves *moves, const graph *g, leat_err *err) LEAT_CHECKED;
void graph_moves_release(graph_moves *moves);
/* To be called for every root that must live on. */
static inline void graph_mark(graph_moves *moves, uint32_t root)
{
    if (root != 0) moves->nodes[root] = 1;
}
/* Moves what is marked together; runs that began before `bound` go. False: all of it lives and is
 * where it was, and `moves` tells nothing. */
bool graph_collect(graph *g, graph_moves *moves, uint32_t bound);
static inline uint32_t graph_moved_root(const graph_moves *moves, uint32_t root)
{
    return root == 0 ? 0 : moves->nodes[root];
}
static inline uint32_t graph_moved_event(const graph_moves *moves, uint32_t event)
{
    return event == 0 ? 0 : moves->events[event];
}

/* --- depth: takes of the longest living run, by node --- */

typedef struct graph_depths {
    uint32_t *most;
    size_t size;
} graph_depths;
leat_code graph_depths_of(const graph *g, graph_depths *depths, leat_err *err) LEAT_CHECKED;

#endif
