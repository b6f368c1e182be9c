/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of patterns (tests/conformance/cep/SEMANTICS.md) read as they are written: a search for
 * all ways to take events, without an automaton, over a stream that is known to its end. What it
 * finds is what the automaton must find, whoever runs it.
 * Owner: the arena. Thread: one. Cost: exponential; a budget bounds it. */
#ifndef LEAT_TESTS_ORACLE_RULES_H
#define LEAT_TESTS_ORACLE_RULES_H

#include "tests/oracle/oracle_testing.h"
#include "tests/oracle/play.h"

typedef struct rules_found {
    play_result *items; /* matches, in no order, some of them more than once */
    size_t count, size;
    bool given_up; /* the budget was used up */
} rules_found;

/* All matches of the pattern without a skip strategy; the events are those of one key, in order. */
rules_found rules_search(const leat_pattern *pattern, leat_event **events, size_t count,
                         uint64_t budget, leat_arena *arena);

#endif
