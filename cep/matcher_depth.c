/* SPDX-License-Identifier: Apache-2.0 */
/* The limit of events in a match, where runs of different length share one root.
 *
 * A bundle knows an upper bound of its runs' takes. Only when that comes to the limit is it worked
 * out what is true, for all bundles at once, in one pass over the graph: most often the long runs
 * have died meanwhile. If not, the root is split: along the way down everything is made twice, for
 * the runs that have all the takes allowed and for the others, but only where a node has both.
 *
 *   split(take, n)  = split(before, n - 1), the take put behind each half
 *   split(union, n) = union of the halves of its sides
 *
 * What was found out is kept by (node, n), so the cost is their number at worst, and that of one
 * chain where each event has made all runs longer by one. A stack of its own, as chains are long.
 */
#include "cep/bundle_index.h"
#include "cep/matcher_inside.h"
#include "core/mem.h"

typedef struct halves {
    uint32_t node, takes; /* 0: free */
    uint32_t fewer, enough;
} halves;

typedef struct splitting {
    graph *g;
    const uint32_t *depths;
    halves *known; /* a hash table */
    size_t known_count, known_size;
    graph_branch *stack; /* node, takes */
    size_t stack_count, stack_size;
    leat_err *err;
} splitting;

static halves *find(const splitting *s, uint32_t node, uint32_t takes)
{
    size_t mask = s->known_size - 1;
    size_t at = (node * 0x9e3779b97f4a7c15u ^ takes * 0xff51afd7ed558ccdu) >> 20 & mask;
    while (s->known[at].node != 0 && (s->known[at].node != node || s->known[at].takes != takes))
        at = (at + 1) & mask;
    return &s->known[at];
}

static leat_code widen(splitting *s)
{
    if (s->known_count * 2 < s->known_size) return LEAT_OK;
    splitting old = *s;
    size_t size = old.known_size == 0 ? 256 : old.known_size * 2;
    s->known = leat_mem_try(size * sizeof *s->known);
    if (s->known == NULL) {
        s->known = old.known;
        return leat_err_set(s->err, LEAT_ERR_MEMORY, "no memory to split partial matches");
    }
    memset(s->known, 0, size * sizeof *s->known);
    s->known_size = size;
    for (size_t i = 0; i < old.known_size; i++)
        if (old.known[i].node != 0) *find(s, old.known[i].node, old.known[i].takes) = old.known[i];
    leat_mem_free(old.known);
    return LEAT_OK;
}

static leat_code know(splitting *s, uint32_t node, uint32_t takes, uint32_t fewer, uint32_t enough)
{
    LEAT_TRY(widen(s));
    *find(s, node, takes) = (halves){node, takes, fewer, enough};
    s->known_count++;
    return LEAT_OK;
}

static leat_code push(splitting *s, uint32_t node, uint32_t takes)
{
    void *items = s->stack;
    LEAT_TRY(matcher_reserve(&items, &s->stack_size, s->stack_count, sizeof *s->stack, s->err));
    s->stack = items;
    s->stack[s->stack_count++] = (graph_branch){node, takes};
    return LEAT_OK;
}

/* Whether it is known, or is at once. */
static leat_code settled(splitting *s, uint32_t node, uint32_t takes, bool *yes)
{
    const graph_node *n = graph_node_at(s->g, node);
    *yes = s->known_size > 0 && find(s, node, takes)->node != 0;
    if (*yes) return LEAT_OK;
    *yes = true;
    if (n->most < s->g->bound) return know(s, node, takes, 0, 0);
    if (s->depths[node] < takes) return know(s, node, takes, node, 0);
    if (takes <= 1) return know(s, node, takes, 0, node);
    *yes = false;
    return LEAT_OK;
}

static leat_code split_take(splitting *s, uint32_t node, uint32_t takes, bool *yes)
{
    graph_node n = *graph_node_at(s->g, node);
    uint32_t before = graph_before(&n);
    LEAT_ASSERT(before != 0); /* its depth is takes or more, and takes > 1 */
    LEAT_TRY(settled(s, before, takes - 1, yes));
    if (!*yes) return push(s, before, takes - 1);
    halves half = *find(s, before, takes - 1);
    LEAT_TRY(graph_reserve(s->g, 2, s->err));
    uint32_t event = graph_event_of(n.right);
    uint32_t step = graph_step_of(n.right);
    uint32_t fewer = 0;
    uint32_t enough = 0;
    if (half.fewer != 0)
        fewer = half.fewer == before ? node : graph_take(s->g, half.fewer, event, step);
    if (half.enough != 0)
        enough = half.enough == before ? node : graph_take(s->g, half.enough, event, step);
    return know(s, node, takes, fewer, enough);
}

static leat_code split_union(splitting *s, uint32_t node, uint32_t takes, bool *yes)
{
    graph_node n = *graph_node_at(s->g, node);
    LEAT_TRY(settled(s, n.left, takes, yes));
    if (!*yes) return push(s, n.left, takes);
    LEAT_TRY(settled(s, n.right, takes, yes));
    if (!*yes) return push(s, n.right, takes);
    halves left = *find(s, n.left, takes);
    halves right = *find(s, n.right, takes);
    LEAT_TRY(graph_reserve(s->g, 2, s->err));
    uint32_t fewer = left.fewer == n.left && right.fewer == n.right
                         ? node
                         : graph_union(s->g, left.fewer, right.fewer);
    uint32_t enough = left.enough == n.left && right.enough == n.right
                          ? node
                          : graph_union(s->g, left.enough, right.enough);
    return know(s, node, takes, fewer, enough);
}

static leat_code split(splitting *s, uint32_t root, uint32_t takes, halves *result)
{
    bool yes = false;
    LEAT_TRY(settled(s, root, takes, &yes));
    if (!yes) LEAT_TRY(push(s, root, takes));
    while (s->stack_count > 0) {
        graph_branch at = s->stack[s->stack_count - 1];
        LEAT_TRY(settled(s, at.node, at.depth, &yes));
        if (!yes && graph_is_take(graph_node_at(s->g, at.node)))
            LEAT_TRY(split_take(s, at.node, at.depth, &yes));
        else if (!yes)
            LEAT_TRY(split_union(s, at.node, at.depth, &yes));
        if (yes) s->stack_count--;
    }
    *result = *find(s, root, takes);
    return LEAT_OK;
}

leat_code bundle_split(leat_matcher *matcher, leat_matcher_work *work, bundle *c, uint32_t *full,
                       leat_err *err)
{
    uint32_t takes_max = matcher_pattern(matcher)->takes_max;
    halves result = {0};
    *full = 0;
    LEAT_TRY(graph_depths_of(&matcher->graph, &work->depths, err));
    for (size_t i = 0; i < matcher->bundles.count; i++) {
        bundle *other = bundle_at(matcher->machine, &matcher->bundles, i);
        if (other->root != 0) other->depth = work->depths.most[other->root];
    }
    LEAT_ASSERT(c->root != 0);
    if (c->depth < takes_max) return LEAT_OK;
    splitting s = {.g = &matcher->graph, .depths = work->depths.most, .err = err};
    leat_code code = split(&s, c->root, takes_max, &result);
    leat_mem_free(s.known);
    leat_mem_free(s.stack);
    LEAT_TRY(code);
    bundle_index_void(matcher);
    c->root = result.fewer;
    *full = result.enough;
    return LEAT_OK;
}
