/* SPDX-License-Identifier: Apache-2.0 */
/* What pattern.c and pattern_check.c share; nobody else includes it. */
#ifndef LEAT_CEP_PATTERN_INSIDE_H
#define LEAT_CEP_PATTERN_INSIDE_H

#include "cep/pattern.h"

/* Ten thousand years: sums of timestamps and windows stay far from overflow. */
#define PATTERN_WITHIN_MAX ((int64_t)10000 * 366 * 86400000)

/* As read from the tables. */
typedef struct pattern_part_options {
    leat_str name;
    const leat_node *where, *until, *steps, *any_of, *times;
    int contiguity, repeat;
    bool negated, optional, greedy;
    int64_t within_ms;
} pattern_part_options;

typedef struct pattern_options {
    leat_str schema, name, description, skip_to;
    const leat_node *version, *severity, *tags, *key, *order_by, *steps, *emit;
    const leat_node *timeout_emit, *timeout_to;
    bool enabled, events;
    int skip, skip_on_miss, beyond;
    int64_t within_ms, runs_max, takes_max, matches_max;
} pattern_options;

typedef struct pattern_reader {
    leat_pattern *pattern;
    leat_arena *arena;
    leat_findings *findings;
} pattern_reader;

/* What can be said of a part by itself, before its own parts are read. */
void pattern_check_part(pattern_reader *reader, const leat_part *part,
                        const pattern_part_options *read);
/* What can be said once all parts are there; also fills passable, hollow and skip_to. */
void pattern_check(pattern_reader *reader, const pattern_options *read);

#endif
