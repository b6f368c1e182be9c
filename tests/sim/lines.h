/* SPDX-License-Identifier: Apache-2.0 */
/* What a log or a worker holds at the end, as sorted lines. Thread: one. */
#ifndef LEAT_TESTS_SIM_LINES_H
#define LEAT_TESTS_SIM_LINES_H

#include "worker/log_memory.h"

typedef struct sim_lines {
    char **items; /* sorted; freed with sim_lines_free */
    size_t count;
} sim_lines;

/* Committed records of these topics: "TOPIC KEY #PLACE VALUE". doubles: what may come twice, which
 * takes the order too, is there once, without its place. */
sim_lines sim_outputs(leat_memory_store *store, const char *const *topics, size_t count,
                      bool doubles);
/* The cells that a restore from this changelog comes to; none, if there is no such topic. */
sim_lines sim_changelog(leat_memory_store *store, const char *name);
/* The cells in a file that a worker has written (leat_pipeline_options.state_dump). */
sim_lines sim_dump(const char *path);
void sim_lines_free(sim_lines *gone);

void sim_lines_add(sim_lines *to, const char *text, size_t len); /* at the end */
void sim_lines_sort(sim_lines *all);
bool sim_lines_has(const sim_lines *all, const char *line);
/* False: wrong says where they differ. */
bool sim_lines_same(const char *what, const sim_lines *want, const sim_lines *have, char *wrong,
                    size_t wrong_size);

#endif
