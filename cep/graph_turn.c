/* SPDX-License-Identifier: Apache-2.0 */
/* The match graph turned round.
 *
 * Its nodes point back, from what was taken last to what was taken first; matches come out in the
 * order of their first takes. So the part of the graph below the roots is turned round first, in
 * one pass from the highest number down (a bit per node says what is below a root; nodes point to
 * smaller numbers only):
 *
 *   graph    R <- c7 <- (b3 u b5),  b3 <- a1,  b5 <- (a1 u a2)
 *   edges    a1: b3, u1     a2: u1 = b5     u1: b5     b3, b5: c7, which is the end
 *
 * An edge says what can follow a take. A union that leads to a single thing is that thing; so what
 * follows costs what is found.
 *
 * Edges are made for one range of first events after the other in which the same sources have a
 * say. A root with a single run below needs none of this.
 *
 * Runs are counted in the same order of nodes, without edges. */
#include <stdlib.h>

#include "cep/graph_paths_inside.h"
#include "core/mem.h"

leat_code paths_grow(void *items, size_t *size, size_t count, size_t bytes, void **grown,
                     leat_err *err)
{
    size_t more = *size < 16 ? 16 : *size * 2;
    while (more <= count)
        more *= 2;
    if (more > UINT32_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a key's matches need too much memory");
    *grown = leat_mem_try_resize(items, more * bytes);
    if (*grown == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for matches");
    *size = more;
    return LEAT_OK;
}

/* --- what is below a root --- */

/* Room for the numbers of g; no bit is set. */
static leat_code reserve_nodes(graph_paths *p, leat_err *err)
{
    size_t count = (size_t)p->g->nodes_count + 1;
    if (LEAT_LIKELY(count <= p->nodes_size)) return LEAT_OK;
    size_t size = (count + count / 2) / 4096 * 4096 + 4096;
    uint32_t *heads = leat_mem_try_resize(p->heads, size * sizeof *heads);
    if (heads != NULL) p->heads = heads;
    graph_suffix *suffixes = leat_mem_try_resize(p->suffixes, size * sizeof *suffixes);
    if (suffixes != NULL) p->suffixes = suffixes;
    uint64_t *bits = leat_mem_try_resize(p->bits, size / 8);
    if (bits != NULL) p->bits = bits;
    uint64_t *sums = leat_mem_try_resize(p->sums, size / 512);
    if (sums != NULL) p->sums = sums;
    if (heads == NULL || suffixes == NULL || bits == NULL || sums == NULL)
        return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for matches");
    memset(p->suffixes, 0, size * sizeof *suffixes);
    memset(p->bits, 0, size / 8);
    memset(p->sums, 0, size / 512);
    p->nodes_size = size;
    return LEAT_OK;
}

static void forget_bits(graph_paths *p)
{
    memset(p->bits, 0, p->nodes_size / 8);
    memset(p->sums, 0, p->nodes_size / 512);
}

/* True: for the first time. */
static bool reach(graph_paths *p, uint32_t node)
{
    uint64_t bit = (uint64_t)1 << (node & 63);
    if ((p->bits[node >> 6] & bit) != 0) return false;
    p->bits[node >> 6] |= bit;
    p->sums[node >> 12] |= (uint64_t)1 << (node >> 6 & 63);
    return true;
}

/* The highest node that was reached, at or below that of *word's 4096; 0: there is none. */
static uint32_t highest(graph_paths *p, uint32_t *word)
{
    while (p->sums[*word] == 0)
        if ((*word)-- == 0) return 0;
    uint32_t at = *word << 6 | (63 - (uint32_t)__builtin_clzll(p->sums[*word]));
    uint32_t node = at << 6 | (63 - (uint32_t)__builtin_clzll(p->bits[at]));
    p->bits[at] &= ~((uint64_t)1 << (node & 63));
    if (p->bits[at] == 0) p->sums[*word] &= ~((uint64_t)1 << (at & 63));
    return node;
}

static bool fits(const graph_paths *p, uint32_t node)
{
    const graph_node *n = graph_node_at(p->g, node);
    return n->most >= p->lo && n->least < p->hi;
}

/* --- edges --- */

/* In front of the list of a node, which is below a root now. */
static leat_code edge_add(graph_paths *p, uint32_t node, graph_edge edge, leat_err *err)
{
    ROOM(p->edges, p->edges_size, p->edges_count, err);
    edge.link = reach(p, node) ? 0 : p->heads[node];
    p->heads[node] = (uint32_t)p->edges_count;
    p->edges[p->edges_count++] = edge;
    return LEAT_OK;
}

/* A take, as what it is followed by. */
static graph_edge edge_of_take(const graph_paths *p, uint32_t node, const graph_node *n)
{
    graph_edge edge = {.what = node, .right = n->right};
    const graph_edge *up = &p->edges[p->heads[node]];
    if (up->link == 0 && (up->what & GRAPH_SOURCE) != 0 && up->tail == 0) {
        edge.what = up->what;
        edge.tail = up->right;
    }
    return edge;
}

static leat_code turn(graph_paths *p, uint32_t node, leat_err *err)
{
    const graph_node *n = graph_node_at(p->g, node);
    LEAT_ASSERT(p->heads[node] != 0);
    if (graph_is_take(n)) {
        graph_edge edge = edge_of_take(p, node, n);
        if (graph_before(n) != 0) return edge_add(p, graph_before(n), edge, err);
        if (n->most < p->lo || n->most >= p->hi) return LEAT_OK;
        ROOM(p->entries, p->entries_size, p->entries_count, err);
        p->entries[p->entries_count++] = edge;
        return LEAT_OK;
    }
    graph_edge edge = p->edges[p->heads[node]];
    if (edge.link != 0) edge = (graph_edge){.what = node};
    if (fits(p, n->left)) LEAT_TRY(edge_add(p, n->left, edge, err));
    if (fits(p, n->right)) LEAT_TRY(edge_add(p, n->right, edge, err));
    return LEAT_OK;
}

/* --- order of entries --- */

static int compare_entries(const void *x, const void *y)
{
    const graph_edge *a = x;
    const graph_edge *b = y;
    uint32_t i = graph_event_of(a->right);
    uint32_t j = graph_event_of(b->right);
    if (i == j) i = a->right, j = b->right;
    if (i == j) i = a->what, j = b->what;
    return i < j ? -1 : i > j;
}

/* Those with small numbers come last. */
static void turn_over(graph_edge *entries, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        graph_edge other = entries[i];
        entries[i] = entries[count - 1 - i];
        entries[count - 1 - i] = other;
    }
}

bool paths_in_order(const graph_edge *entries, size_t count, uint32_t *ends)
{
    uint32_t last = 0; /* no event has this number */
    *ends = GRAPH_SOURCE;
    for (size_t i = 0; i < count; i++) {
        uint32_t event = graph_event_of(entries[i].right);
        if (event <= last) return false;
        last = event;
        *ends &= entries[i].what;
    }
    return true;
}

void paths_sort(graph_edge *entries, size_t count)
{
    qsort(entries, count, sizeof *entries, compare_entries);
}

/* --- ranges --- */

/* Level 0 gets the first takes of the next range in which a source has a say. */
static bool next_range(graph_paths *p)
{
    uint32_t after = p->hi;
    p->lo = p->hi = UINT32_MAX;
    for (size_t i = 0; i < p->sources_count; i++) {
        const graph_source *s = &p->sources[i];
        uint32_t from = s->from > after ? s->from : after;
        if (from < s->to && from < p->lo) p->lo = from;
    }
    for (size_t i = 0; i < p->sources_count; i++) {
        const graph_source *s = &p->sources[i];
        uint32_t end = s->from > p->lo ? s->from : s->to;
        if (end > p->lo && end < p->hi) p->hi = end;
    }
    LEAT_ASSERT(p->lo == UINT32_MAX || p->lo < p->hi);
    return p->lo != UINT32_MAX;
}

/* Whether runs of it can begin in the range in hand. */
static bool has_say(const graph_paths *p, const graph_source *s)
{
    uint32_t tail = graph_event_of(s->tail);
    if (s->from > p->lo || p->lo >= s->to) return false;
    return s->root == 0 ? tail >= p->lo && tail < p->hi : fits(p, s->root);
}

/* Whether a source has one run alone: *line is its takes then, or 0 if there is not even that. */
static leat_code walk_line(graph_paths *p, const graph_source *s, bool *lone, leat_err *err)
{
    uint32_t count = s->tail != 0;
    uint32_t node = s->root;
    *lone = true;
    if (count > 0) p->path[0] = s->tail;
    while (node != 0) {
        const graph_node *n = graph_node_at(p->g, node);
        if (graph_is_take(n)) {
            ROOM(p->path, p->path_size, count, err);
            p->path[count++] = n->right;
            node = graph_before(n);
            continue;
        }
        bool left = fits(p, n->left);
        *lone = !left || !fits(p, n->right);
        if (!*lone) return LEAT_OK;
        node = left ? n->left : n->right;
    }
    for (uint32_t i = 0; i < count / 2; i++) {
        uint32_t other = p->path[i];
        p->path[i] = p->path[count - 1 - i];
        p->path[count - 1 - i] = other;
    }
    uint32_t first = graph_event_of(p->path[0]);
    p->line = first >= p->lo && first < p->hi ? count : 0;
    return LEAT_OK;
}

static leat_code turn_all(graph_paths *p, leat_err *err)
{
    uint32_t top = 0;
    uint32_t node = 0;
    uint32_t ends = 0;
    LEAT_TRY(reserve_nodes(p, err));
    p->edges_count = 1;
    for (size_t i = 0; i < p->sources_count; i++) {
        const graph_source *s = &p->sources[i];
        graph_edge edge = {.what = GRAPH_SOURCE | (uint32_t)i,
                           .right = s->tail == 0 ? GRAPH_END : s->tail};
        if (!has_say(p, s)) continue;
        if (s->root == 0) {
            ROOM(p->entries, p->entries_size, p->entries_count, err);
            p->entries[p->entries_count++] = edge;
            continue;
        }
        LEAT_TRY(edge_add(p, s->root, edge, err));
        if (s->root > top) top = s->root;
    }
    uint32_t word = top >> 12;
    while ((node = highest(p, &word)) != 0)
        LEAT_TRY(turn(p, node, err));
    turn_over(p->entries, p->entries_count);
    if (!paths_in_order(p->entries, p->entries_count, &ends))
        paths_sort(p->entries, p->entries_count);
    return LEAT_OK;
}

leat_code paths_open_range(graph_paths *p, bool *any, leat_err *err)
{
    const graph_source *lone = NULL;
    uint32_t speakers = 0;
    bool line = false;
    *any = next_range(p);
    if (!*any) return LEAT_OK;
    ROOM(p->path, p->path_size, 1, err);
    for (size_t i = 0; i < p->sources_count; i++) {
        if (!has_say(p, &p->sources[i])) continue;
        lone = &p->sources[i];
        speakers++;
    }
    p->line = 0;
    p->depth = p->same = 0;
    p->entries_count = 0;
    if (speakers == 1) LEAT_TRY(walk_line(p, lone, &line, err));
    if (line && p->line > 0) {
        ROOM(p->entries, p->entries_size, 0, err);
        p->source = (uint32_t)(lone - p->sources);
        p->entries[p->entries_count++] = (graph_edge){.right = p->path[0]};
    } else if (!line && speakers > 0) {
        leat_code code = turn_all(p, err);
        if (code != LEAT_OK && p->nodes_size > 0) forget_bits(p);
        LEAT_TRY(code);
    }
    p->levels[0] = (graph_level){.end = (uint32_t)p->entries_count};
    p->levels[1].serial = 0;
    return LEAT_OK;
}

/* --- counting --- */

static uint64_t least(uint64_t count)
{
    return count < GRAPH_COUNT_MAX ? count : GRAPH_COUNT_MAX;
}

/* Runs of root that began in [from, to): reached from the top down, counted from below. */
static leat_code count_below(graph_paths *p, uint32_t root, uint32_t from, uint32_t to,
                             uint64_t *count, leat_err *err)
{
    uint32_t word = root >> 12;
    size_t reached = 0;
    uint32_t node = 0;
    LEAT_ASSERT(root != 0 && root <= p->g->nodes_count);
    (void)reach(p, root);
    while ((node = highest(p, &word)) != 0) {
        const graph_node *n = graph_node_at(p->g, node);
        ROOM(p->pending, p->pending_size, reached, err);
        p->pending[reached++] = node;
        p->counts[node] = 0;
        if (n->most < from || n->least >= to) continue;
        if (!graph_is_take(n)) {
            (void)reach(p, n->left);
            (void)reach(p, n->right);
        } else if (graph_before(n) != 0) {
            (void)reach(p, graph_before(n));
        } else {
            p->counts[node] = 1;
        }
    }
    while (reached-- > 0) {
        node = p->pending[reached];
        const graph_node *n = graph_node_at(p->g, node);
        if (n->most < from || n->least >= to) continue;
        if (!graph_is_take(n))
            p->counts[node] = least(p->counts[n->left] + p->counts[n->right]);
        else if (graph_before(n) != 0)
            p->counts[node] = p->counts[graph_before(n)];
    }
    *count = least(*count + p->counts[root]);
    return LEAT_OK;
}

leat_code graph_paths_count(graph_paths *p, uint32_t from, uint32_t to, uint64_t *count,
                            leat_err *err)
{
    *count = 0;
    LEAT_TRY(reserve_nodes(p, err));
    ROOM(p->counts, p->counts_size, (size_t)p->g->nodes_count, err);
    for (size_t i = 0; i < p->sources_count; i++) {
        const graph_source *s = &p->sources[i];
        uint32_t begin = s->from > from ? s->from : from;
        uint32_t end = s->to < to ? s->to : to;
        uint32_t tail = graph_event_of(s->tail);
        if (s->root == 0) {
            *count = least(*count + (tail >= begin && tail < end));
            continue;
        }
        leat_code code = count_below(p, s->root, begin, end, count, err);
        if (code != LEAT_OK) forget_bits(p);
        LEAT_TRY(code);
    }
    return LEAT_OK;
}
