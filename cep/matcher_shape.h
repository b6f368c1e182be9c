/* SPDX-License-Identifier: Apache-2.0 */
/* What an event does to all bundles of a key at once: made by matcher_shape.c, run by
 * matcher_run.c. Nobody else includes it. */
#ifndef LEAT_CEP_MATCHER_SHAPE_H
#define LEAT_CEP_MATCHER_SHAPE_H

#include "cep/matcher_inside.h"

#define BUNDLES_MAX 32 /* of a shape */

typedef enum source_kind { KEPT, TAKEN, STARTED } source_kind;

/* Where runs of a bundle come from: those of a bundle before as they are, or with the event behind;
 * or the event alone. */
typedef struct source {
    uint32_t config; /* of the bundle that they go to */
    source_kind kind;
    uint32_t bundle; /* place of the one before */
} source;

/* What a line does; first what most do. */
typedef enum line_kind {
    LINE_TAKES,       /* one bundle with the event behind */
    LINE_STARTS,      /* the event alone */
    LINE_KEEPS,       /* one bundle as it is */
    LINE_KEEPS_TAKES, /* one as it is, and one with the event behind */
    LINE_KEEPS_STARTS,
    LINE_JOINS, /* anything else */
} line_kind;

/* A bundle after the event: its sources are `count` of the program's, by kind. */
typedef struct line {
    uint32_t config, step; /* step: of its takes */
    uint32_t place;
    uint32_t first, count;
    line_kind kind;
    uint32_t bundle; /* of TAKES, KEEPS_TAKES: what the event is put behind */
    uint32_t kept;   /* of KEEPS... */
} line;

/* Runs that are complete: those of a bundle as they are or with the event behind, or the event. */
typedef struct ending {
    uint32_t bundle; /* place of the one before; MACHINE_NONE: the start */
    uint32_t step;   /* that takes the event; MACHINE_NONE: none does */
} ending;

/* With all that it has in one piece of memory: of thousands of patterns none is in the cache. */
typedef struct program {
    bool slow;           /* left to matcher.c */
    bool same;           /* the shape stays; lines are the bundles that change */
    bool in_place;       /* from the last line to the first none needs what another has replaced */
    struct shape *shape; /* from now on; NULL: none that is known */
    uint32_t places;     /* bundles from now on */
    uint32_t nodes, takes; /* made at most */
    uint32_t lines_count;
    line *lines;
    ending *endings;
    uint32_t endings_count;
    source sources[];
} program;

#define WAYS 4

/* ways: the programs that answers have led to lately, where all were known beforehand. */
typedef struct shape {
    struct {
        uint64_t holds; /* conditions */
        const program *program;
    } ways[WAYS];
    uint32_t ways_next;
    uint32_t tree; /* 0: not grown */
    uint32_t count;
    uint32_t configs[]; /* ascending */
} shape;

/* Makes the shapes of a machine; where a condition reads what was taken there is no start. */
leat_code shapes_new(machine *m, leat_err *err) LEAT_CHECKED;
/* NULL: there are too many. */
leat_code shape_of(machine_shapes *s, const uint32_t *configs, uint32_t count, shape **found,
                   leat_err *err) LEAT_CHECKED;
/* The program for the event in hand, by its conditions; *found NULL: there is none. */
leat_code shape_program(const feeding *f, shape *from, const program **found) LEAT_CHECKED;

#endif
