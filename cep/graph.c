/* SPDX-License-Identifier: Apache-2.0 */
/* Making the match graph, and walking over it.
 *
 * A register's root is a list of takes held together by unions, the run that began last to the
 * left. What is new goes in front of what is old by one union, so that a change costs one take and
 * one union however many runs it concerns. Runs that began earliest end first, and lie to the
 * right: they die without being touched, as a union is not entered where `most` is below the bound.
 *
 * A walk goes down from the last take to the first and keeps the branches that it has not taken on
 * a stack: the next run costs no more than the takes in which it differs.
 *
 * Refused: a list of runs (cost times their number), versioned edges as in SASE and Flink (every
 * step back compares version numbers of any length). */
#include "cep/graph.h"

#include "core/mem.h"

/* Of memory of their own: what outgrows the graph's is soon more than one more. */
#define NODES_LEAST  ((size_t)2 * GRAPH_OWN_NODES)
#define EVENTS_LEAST ((size_t)2 * GRAPH_OWN_EVENTS)

static leat_code grow(void **items, size_t *size, size_t count, size_t bytes, leat_err *err)
{
    if (count < *size) return LEAT_OK;
    size_t more = *size < 4 ? 4 : *size * 2;
    while (more <= count)
        more *= 2;
    void *grown = leat_mem_try_resize(*items, more * bytes);
    if (grown == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
    *items = grown;
    *size = more;
    return LEAT_OK;
}

/* --- life --- */

void graph_clear(graph *g)
{
    for (uint32_t i = 0; i < g->events_count; i++)
        leat_event_release(&g->events[i].event);
    g->events_count = g->nodes_count = g->takes = g->bound = 0;
}

void graph_give_back(graph *g, uint32_t *spent)
{
    LEAT_ASSERT(g->bound <= g->events_count + 1);
    for (; *spent + 1 < g->bound; (*spent)++)
        leat_event_release(&g->events[*spent].event);
}

void graph_release(graph *g)
{
    graph_clear(g);
    if (g->nodes != g->own_nodes) leat_mem_free(g->nodes);
    if (g->events != g->own_events) leat_mem_free(g->events);
    g->nodes = NULL;
    g->events = NULL;
    g->nodes_size = g->events_size = 0;
}

/* Items that lie in the graph itself, or nowhere yet, or in memory of their own, in memory of their
 * own. NULL: there is none. */
static void *outgrow(void *items, const void *own, size_t own_bytes, size_t bytes)
{
    if (items != own) return leat_mem_try_resize(items, bytes);
    void *made = leat_mem_try(bytes);
    if (made != NULL) memcpy(made, own, own_bytes);
    return made;
}

/* What is large is collected when it has doubled, so that it stays as it is for long: what it grows
 * beyond its need is not worth the moves it saves. */
static size_t larger(uint32_t size)
{
    return (size_t)size + (size < GRAPH_LARGE ? size + 1 : size / 4) / 2;
}

leat_code graph_grow(graph *g, uint32_t nodes, leat_err *err)
{
    size_t need = (size_t)g->nodes_count + nodes;
    size_t size = larger(g->nodes_size);
    if (size < NODES_LEAST) size = NODES_LEAST;
    if (size < need) size = need;
    if (size > GRAPH_NODES_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a key's partial matches need too much memory");
    void *grown = outgrow(g->nodes, g->own_nodes, sizeof g->own_nodes, size * sizeof *g->nodes);
    if (grown == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for partial matches");
    g->nodes = grown;
    g->nodes_size = (uint32_t)size;
    return LEAT_OK;
}

leat_code graph_events_grow(graph *g, leat_err *err)
{
    LEAT_ASSERT(g->events_count == g->events_size);
    size_t size = larger(g->events_size);
    if (size < EVENTS_LEAST) size = EVENTS_LEAST;
    if (size > GRAPH_EVENTS_MAX) size = GRAPH_EVENTS_MAX;
    if (size == g->events_count)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a key holds more than %u events",
                            GRAPH_EVENTS_MAX);
    void *grown = outgrow(g->events, g->own_events, sizeof g->own_events, size * sizeof *g->events);
    if (grown == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for events");
    g->events = grown;
    g->events_size = (uint32_t)size;
    return LEAT_OK;
}

leat_code graph_event_early(leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_DAMAGED,
                        "a key's state holds an event that is later than the one at hand");
}

/* --- nodes --- */

uint32_t graph_union(graph *g, uint32_t a, uint32_t b)
{
    if (!graph_lives(g, a)) return graph_lives(g, b) ? b : 0;
    if (!graph_lives(g, b)) return a;
    if (LEAT_UNLIKELY(a == b)) return a; /* of bytes that somebody has made up */
    LEAT_ASSERT(g->nodes_count < g->nodes_size);
    const graph_node *x = &g->nodes[a - 1];
    const graph_node *y = &g->nodes[b - 1];
    graph_node *made = &g->nodes[g->nodes_count++];
    bool swap = x->most < y->most;
    made->left = swap ? b : a;
    made->right = swap ? a : b;
    made->least = x->least < y->least ? x->least : y->least;
    made->most = swap ? y->most : x->most;
    return g->nodes_count;
}

/* --- walking --- */

static bool fits(const graph_walk *walk, const graph_node *n)
{
    return n->most >= walk->from && n->least < walk->to;
}

static leat_code branch_add(graph_walk *walk, uint32_t node, uint32_t depth, leat_err *err)
{
    void *items = walk->branches;
    LEAT_TRY(grow(&items, &walk->branches_size, walk->branches_count, sizeof *walk->branches, err));
    walk->branches = items;
    walk->branches[walk->branches_count++] = (graph_branch){node, depth};
    return LEAT_OK;
}

leat_code graph_walk_begin(graph_walk *walk, const graph *g, uint32_t root, uint32_t from,
                           uint32_t to, leat_err *err)
{
    walk->g = g;
    walk->from = from;
    walk->to = to;
    walk->count = 0;
    walk->branches_count = 0;
    if (root == 0 || !fits(walk, graph_node_at(g, root))) return LEAT_OK;
    return branch_add(walk, root, 0, err);
}

leat_code graph_walk_next(graph_walk *walk, bool *found, leat_err *err)
{
    const graph *g = walk->g;
    *found = false;
    while (walk->branches_count > 0) {
        graph_branch at = walk->branches[--walk->branches_count];
        const graph_node *n = graph_node_at(g, at.node);
        for (;;) {
            if (graph_is_take(n)) {
                void *path = walk->path;
                LEAT_TRY(grow(&path, &walk->path_size, at.depth, sizeof *walk->path, err));
                walk->path = path;
                walk->path[at.depth++] = n->right;
                if (graph_before(n) != 0) {
                    n = graph_node_at(g, graph_before(n));
                    continue;
                }
                walk->count = at.depth;
                *found = n->most >= walk->from && n->most < walk->to;
                break;
            }
            const graph_node *left = graph_node_at(g, n->left);
            const graph_node *right = graph_node_at(g, n->right);
            if (!fits(walk, left)) {
                if (!fits(walk, right)) break;
                n = right;
                continue;
            }
            if (fits(walk, right)) LEAT_TRY(branch_add(walk, n->right, at.depth, err));
            n = left;
        }
        if (*found) return LEAT_OK;
    }
    return LEAT_OK;
}

/* A new turn: no node was met. */
static leat_code meet_none(graph_walk *walk, leat_err *err)
{
    size_t count = (size_t)walk->g->nodes_count + 1;
    if (count > walk->met_size || walk->turn == UINT32_MAX) {
        size_t size = walk->met_size;
        void *items = walk->met;
        LEAT_TRY(grow(&items, &size, count, sizeof *walk->met, err));
        walk->met = items;
        walk->met_size = size;
        walk->turn = 0;
        memset(walk->met, 0, size * sizeof *walk->met);
    }
    walk->turn++;
    return LEAT_OK;
}

/* Older runs lie to the right, so that side is looked at first: it rules the others out. What was
 * met is not looked at again: since then it is only less that is looked for. */
leat_code graph_least(graph_walk *walk, const graph *g, uint32_t root, uint32_t from, uint32_t to,
                      uint32_t *least, leat_err *err)
{
    LEAT_TRY(graph_walk_begin(walk, g, root, from, to, err));
    if (walk->branches_count > 0) LEAT_TRY(meet_none(walk, err));
    while (walk->branches_count > 0) {
        uint32_t at = walk->branches[--walk->branches_count].node;
        for (;;) {
            const graph_node *n = graph_node_at(g, at);
            if (!fits(walk, n) || walk->met[at] == walk->turn) break;
            if (n->least >= from) {
                walk->to = n->least; /* only what is earlier fits from now on */
                break;
            }
            walk->met[at] = walk->turn;
            at = graph_before(n); /* of a take there is one, as least < from <= most */
            if (graph_is_take(n)) continue;
            LEAT_TRY(branch_add(walk, n->left, 0, err));
            at = n->right;
        }
    }
    *least = walk->to == to ? UINT32_MAX : walk->to;
    return LEAT_OK;
}

void graph_walk_release(graph_walk *walk)
{
    leat_mem_free(walk->branches);
    leat_mem_free(walk->path);
    leat_mem_free(walk->met);
    *walk = (graph_walk){0};
}
