/* SPDX-License-Identifier: Apache-2.0 */
/* All runs below some roots of a match graph, one by one and in order: the one whose takes are
 * earliest first, then the longer one, then by step. The order depends on the runs alone, not on
 * where in the graph they happen to lie.
 *
 * The walk goes forward, from first takes to last, and keeps what consecutive runs have in common.
 * It can be left at any run and gone on with later, as long as the graph gets no shorter: it holds
 * nothing but the way to the present run and, at each take of it, what else could follow.
 * Owner: scratch of one thread; release it once. Cost: the nodes below the roots at first, then of
 * a run the takes in which it differs; of runs of the same events, the nodes at their places. */
#ifndef LEAT_CEP_GRAPH_PATHS_H
#define LEAT_CEP_GRAPH_PATHS_H

#include "cep/graph.h"

#define GRAPH_SOURCE    0x80000000u         /* in edge.what: the rest is the number of a source */
#define GRAPH_END       UINT32_MAX          /* as edge.right and tail: no take, the run ends */
#define GRAPH_COUNT_MAX ((uint64_t)1 << 50) /* more runs than that are said to be as many */

/* Runs of root that began in [from, to), with a take behind. */
typedef struct graph_source {
    uint32_t root; /* 0: the tail alone */
    uint32_t tail; /* as node.right; its event is none of the runs'. 0: none */
    uint32_t from, to;
} graph_source;

/* What can follow a take; of an entry, what does follow those of the level before. */
typedef struct graph_edge {
    uint32_t what;  /* a node; or the number of a source, and GRAPH_SOURCE */
    uint32_t right; /* the take, as node.right; 0: none, it is a union */
    uint32_t tail;  /* 0, or: behind the take the run is complete, with this one as its last */
    uint32_t link;  /* the next edge of the list; of an entry: `what` of the take before */
} graph_edge;

/* The takes that can stand at one place of the run. Those of one event are a group: where there are
 * several in one, the runs in it differ by their steps only. */
typedef struct graph_level {
    uint32_t begin, end; /* entries */
    uint32_t group, at;  /* the group in hand is [group, at) */
    /* several: the nodes of one take in the group, of which the first is in the run found, and
     * those marked as chosen may be */
    uint32_t chosen, chosen_end;
    bool several;    /* in this group or one before it */
    bool ends;       /* never, and each entry ends a run */
    bool shared;     /* its entries were made for another take; all follow the one before */
    uint64_t serial; /* of what the entries were made by; 0: they are not in order, or gone */
} graph_level;

/* From this entry on, those that were made by `serial` are all that follow a node. */
typedef struct graph_suffix {
    uint64_t serial;
    uint32_t entry;
} graph_suffix;

typedef struct graph_paths {
    const graph *g;
    graph_source *sources;
    uint32_t lo, hi;        /* of first events: edges are those of the runs that begin there */
    uint32_t stop;          /* runs that begin with this event or a later one are not looked at */
    uint32_t *heads;        /* by node: the first edge of its list; 0: none */
    graph_suffix *suffixes; /* by node */
    uint64_t serial;        /* the last one */
    uint64_t *bits;         /* by node: it is below a root, and was not looked at yet */
    uint64_t *sums;         /* by word of bits: it is not 0 */
    graph_edge *edges;      /* from 1 on */
    graph_edge *entries;
    uint8_t *good;   /* by entry: it leads to the end of the run; it is chosen */
    uint32_t *marks; /* by source, then by node; `mark`: it is one of the set in hand */
    uint32_t mark;
    graph_level *levels;
    uint32_t *pending;
    uint64_t *counts; /* by node */
    uint32_t depth;   /* the last level */
    size_t sources_count, sources_size, nodes_size, edges_count, edges_size, entries_count,
        entries_size, good_size, marks_size, levels_size, pending_size, counts_size, path_size;
    uint32_t line;   /* there is one run only: its takes; 0: no */
    bool variants;   /* of the run found, there may be others with the same events */
    uint32_t *path;  /* the run found: node.right of its takes, first to last */
    uint32_t count;  /* of path */
    uint32_t same;   /* so many of them are as they were in the run before ... */
    uint32_t until;  /* ... and those from here on, if that was as long */
    uint32_t source; /* that it is of */
} graph_paths;

/* No sources yet. */
void graph_paths_begin(graph_paths *paths, const graph *g);
leat_code graph_paths_add(graph_paths *paths, graph_source source, leat_err *err) LEAT_CHECKED;
/* The run ends with this entry of the last level. */
static inline void graph_paths_end(graph_paths *p, const graph_edge *e)
{
    uint32_t count = p->depth;
    p->path[count++] = e->right;
    count -= e->right == GRAPH_END;
    p->path[count] = e->tail;
    count += e->tail != 0 && e->tail != GRAPH_END;
    p->count = p->until = count;
    p->source = e->what & ~GRAPH_SOURCE;
}
leat_code graph_paths_walk(graph_paths *paths, bool *found, leat_err *err) LEAT_CHECKED;
/* False: there is none left, before `stop`. */
static inline LEAT_CHECKED leat_code graph_paths_next(graph_paths *p, bool *found, leat_err *err)
{
    graph_level *top = &p->levels[p->depth];
    if (p->depth == 0 || !top->ends || top->at == top->end) return graph_paths_walk(p, found, err);
    const graph_edge *e = &p->entries[top->at++];
    uint32_t depth = p->depth;
    bool alike = p->same == depth && p->path[depth + 1] == e->tail;
    p->same = depth;
    graph_paths_end(p, e);
    if (alike) p->until = depth + 1;
    *found = true;
    return LEAT_OK;
}
/* So many runs behind the one found differ from it in one take alone: edges[i].right in the place
 * of path[depth]. */
static inline uint32_t graph_paths_alike(const graph_paths *p, const graph_edge **edges)
{
    const graph_level *top = &p->levels[p->depth];
    if (p->depth == 0 || !top->ends || top->at == top->begin) return 0;
    const graph_edge *e = &p->entries[top->at];
    const graph_edge *end = &p->entries[top->end];
    uint32_t tail = e[-1].tail;
    *edges = e;
    if (e[-1].right == GRAPH_END) return 0;
    while (e < end && e->tail == tail && e->right != GRAPH_END)
        e++;
    return (uint32_t)(e - *edges);
}
/* The last of `count` > 0 of them is the run found now. */
static inline void graph_paths_pass(graph_paths *p, uint32_t count)
{
    graph_level *top = &p->levels[p->depth];
    LEAT_ASSERT(count > 0 && count <= top->end - top->at);
    top->at += count;
    p->same = p->depth;
    graph_paths_end(p, &p->entries[top->at - 1]);
    p->until = p->depth + 1;
}
/* The event that the next run begins with, of those that have another first event than the run
 * found; UINT32_MAX: there is none. Runs that begin before `from`, and what is left of those that
 * begin like the run found, are passed over. */
leat_code graph_paths_skip(graph_paths *paths, uint32_t from, uint32_t *first,
                           leat_err *err) LEAT_CHECKED;
/* How many runs the sources have that began in [from, to): at most GRAPH_COUNT_MAX. Can be asked
 * for in the middle of a walk. Cost: the nodes below them, however many runs these are. */
leat_code graph_paths_count(graph_paths *paths, uint32_t from, uint32_t to, uint64_t *count,
                            leat_err *err) LEAT_CHECKED;
void graph_paths_release(graph_paths *paths);

#endif
