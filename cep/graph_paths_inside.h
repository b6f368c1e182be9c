/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the paths know of each other:
 *
 *   graph_turn.c   the graph below the roots, turned round; how many runs it holds
 *   graph_paths.c  the runs, one by one */
#ifndef LEAT_CEP_GRAPH_PATHS_INSIDE_H
#define LEAT_CEP_GRAPH_PATHS_INSIDE_H

#include "cep/graph_paths.h"

/* Room for one more than count. */
#define ROOM(items, size, count, err)                                                              \
    do {                                                                                           \
        if (LEAT_UNLIKELY((count) >= (size))) {                                                    \
            void *grown_ = NULL;                                                                   \
            LEAT_TRY(paths_grow((items), &(size), (count), sizeof *(items), &grown_, (err)));      \
            (items) = grown_;                                                                      \
        }                                                                                          \
    } while (0)

leat_code paths_grow(void *items, size_t *size, size_t count, size_t bytes, void **grown,
                     leat_err *err) LEAT_CHECKED;
/* Level 0 gets the first takes of the next range in which a source has a say; *any: there is one.
 */
leat_code paths_open_range(graph_paths *p, bool *any, leat_err *err) LEAT_CHECKED;
/* Whether entries stand by event, no two of one. *ends: without GRAPH_SOURCE if one of them does
 * not have it. */
bool paths_in_order(const graph_edge *entries, size_t count, uint32_t *ends);
/* By event, then by step. */
void paths_sort(graph_edge *entries, size_t count);

#endif
