/* SPDX-License-Identifier: Apache-2.0 */
/* What lives of a graph, moved together.
 *
 *   mark    from the highest number down: nodes point to smaller ones only, so one pass reaches
 *           everything below the roots that were marked
 *   move    from the lowest number up, in place: what a node points to has its new place by then
 *
 * A union of which one side is dead becomes the other side. `least` and `most` are worked out again
 * from what is left, and events that no take refers to are given back. Both passes go straight
 * through memory, and no recursion is needed. */
#include "cep/graph.h"

#include "core/mem.h"

static leat_code room(uint32_t **items, size_t *size, size_t count, leat_err *err)
{
    if (count > *size) {
        size_t more = *size * 2 > count ? *size * 2 : count;
        void *grown = leat_mem_try_resize(*items, more * sizeof **items);
        if (grown == NULL)
            return leat_err_set(err, LEAT_ERR_MEMORY, "no memory to collect partial matches");
        *items = grown;
        *size = more;
    }
    return LEAT_OK;
}

leat_code graph_moves_begin(graph_moves *moves, const graph *g, leat_err *err)
{
    LEAT_TRY(room(&moves->nodes, &moves->nodes_size, (size_t)g->nodes_count + 1, err));
    LEAT_TRY(room(&moves->events, &moves->events_size, (size_t)g->events_count + 2, err));
    memset(moves->nodes, 0, ((size_t)g->nodes_count + 1) * sizeof *moves->nodes);
    memset(moves->events, 0, ((size_t)g->events_count + 2) * sizeof *moves->events);
    return LEAT_OK;
}

void graph_moves_release(graph_moves *moves)
{
    leat_mem_free(moves->nodes);
    leat_mem_free(moves->events);
    *moves = (graph_moves){0};
}

/* Whether anything is not marked then. (A side of a union that is dead is not.) */
static bool mark_below(const graph *g, graph_moves *moves, uint32_t bound)
{
    bool any = false;
    const graph_node *nodes = g->nodes - 1; /* from 1 */
    uint32_t *marks = moves->nodes;
    uint32_t *events = moves->events;
    uint32_t events_count = g->events_count;
    for (uint32_t i = g->nodes_count; i > 0; i--) {
        const graph_node *n = &nodes[i];
        if (marks[i] == 0) {
            any = true;
        } else if (n->most < bound) { /* a root that died */
            marks[i] = 0;
            any = true;
        } else if (graph_is_take(n)) {
            marks[graph_before(n)] = 1;
            events[graph_event_of(n->right)] = 1;
        } else {
            if (nodes[n->left].most >= bound) marks[n->left] = 1;
            if (nodes[n->right].most >= bound) marks[n->right] = 1;
        }
    }
    marks[0] = 0;
    for (uint32_t i = 1; i <= events_count && !any; i++)
        any = events[i] == 0;
    return any;
}

/* Numbers events; one that goes has the number of the next that stays. */
static void move_events(graph *g, graph_moves *moves)
{
    uint32_t *numbers = moves->events;
    graph_entry *entries = g->events - 1; /* from 1 */
    uint32_t count = g->events_count;
    uint32_t kept = 0;
    for (uint32_t i = 1; i <= count; i++) {
        bool keep = numbers[i] != 0;
        LEAT_ASSERT(!keep || entries[i].event != NULL);
        numbers[i] = kept + 1;
        if (!keep)
            leat_event_release(&entries[i].event);
        else if (++kept != i)
            entries[kept] = entries[i];
    }
    numbers[count + 1] = kept + 1;
    g->events_count = kept;
}

/* A take to its new place. */
static graph_node moved_take(const graph_node *nodes, const graph_moves *moves, const graph_node *n)
{
    uint32_t event = moves->events[graph_event_of(n->right)];
    uint32_t right = (n->right & ~GRAPH_EVENT_MASK) | event;
    if (graph_before(n) == 0) return (graph_node){GRAPH_TAKE, right, event, event};
    uint32_t before = moves->nodes[graph_before(n)];
    LEAT_ASSERT(before != 0);
    return (graph_node){GRAPH_TAKE | before, right, nodes[before].least, nodes[before].most};
}

/* What is below a number has its new one by now. */
static void move_nodes(graph *g, const graph_moves *moves)
{
    graph_node *nodes = g->nodes - 1; /* from 1 */
    uint32_t *places = moves->nodes;
    uint32_t count = g->nodes_count;
    uint32_t kept = 0;
    uint32_t takes = 0;
    for (uint32_t i = 1; i <= count; i++) {
        if (places[i] == 0) continue;
        const graph_node n = nodes[i];
        if (graph_is_take(&n)) {
            takes++;
            nodes[++kept] = moved_take(nodes, moves, &n);
            places[i] = kept;
            continue;
        }
        uint32_t left = places[n.left];
        uint32_t right = places[n.right];
        LEAT_ASSERT(left != 0); /* as most is its most */
        places[i] = left;
        if (right == 0) continue; /* that side was dead, and not marked */
        const graph_node *a = &nodes[left];
        const graph_node *b = &nodes[right];
        LEAT_ASSERT(a->most >= b->most);
        uint32_t least = a->least < b->least ? a->least : b->least;
        nodes[++kept] = (graph_node){left, right, least, a->most};
        places[i] = kept;
    }
    g->nodes_count = kept;
    g->takes = takes;
}

/* After a burst the memory is for much more than what lives. Without success it stays so. */
static void *shrunk(void *items, uint32_t *size, uint32_t count, size_t bytes)
{
    uint32_t half = *size / 2;
    if (*size < 2 * GRAPH_LARGE || count > *size / 8) return items;
    void *smaller = leat_mem_try_resize(items, half * bytes);
    if (smaller == NULL) return items;
    *size = half;
    return smaller;
}

bool graph_collect(graph *g, graph_moves *moves, uint32_t bound)
{
    LEAT_ASSERT(moves->nodes_size > g->nodes_count && bound <= g->bound);
    if (!mark_below(g, moves, bound)) return false;
    move_events(g, moves);
    move_nodes(g, moves);
    g->bound = moves->events[g->bound];
    g->nodes = shrunk(g->nodes, &g->nodes_size, g->nodes_count, sizeof *g->nodes);
    g->events = shrunk(g->events, &g->events_size, g->events_count, sizeof *g->events);
    return true;
}

leat_code graph_depths_of(const graph *g, graph_depths *depths, leat_err *err)
{
    LEAT_TRY(room(&depths->most, &depths->size, (size_t)g->nodes_count + 1, err));
    depths->most[0] = 0;
    for (uint32_t i = 1; i <= g->nodes_count; i++) {
        const graph_node *n = &g->nodes[i - 1];
        uint32_t most = 0;
        if (graph_is_take(n)) {
            most = depths->most[graph_before(n)] + 1;
        } else {
            bool right = g->nodes[n->right - 1].most >= g->bound;
            most = depths->most[n->left];
            if (right && depths->most[n->right] > most) most = depths->most[n->right];
        }
        depths->most[i] = most;
    }
    return LEAT_OK;
}
