/* SPDX-License-Identifier: Apache-2.0 */
/* What one event does to a partial match, worked out once and looked up from then on.
 *
 * A configuration is what decides how a partial match goes on, but for what it has taken: the
 * places of the automaton that it is in, which of their edges are alive, and whether its last take
 * was the event before. They are numbered as they are met, and never change. Per configuration a
 * tree of decisions: which condition to ask for next, given what is known of the others,
 *
 *        [amount < 2.0]
 *         no /    \ yes                a leaf: how the match itself goes on, and what
 *      stays as    \                   comes of each step that takes the event
 *       it is     takes `probe`
 *
 * so no condition is evaluated that the rules (matcher_step.c) would not ask for. Trees grow as
 * events take new paths through them.
 *
 * Slots: what of the takes later conditions can still read. Partial matches with equal
 * configuration and equal slots behave alike for ever.
 * Owner: the thread's scratch. Thread: one. */
#ifndef LEAT_CEP_MACHINE_H
#define LEAT_CEP_MACHINE_H

#include "cep/nfa.h"
#include "core/map.h"

#define MACHINE_CONFIGS_MAX (1u << 20)
#define MACHINE_TREES_MAX   (1u << 22) /* nodes of all trees; beyond, they are grown again */
#define MACHINE_SLOTS_MAX   60
#define MACHINE_NONE        UINT32_MAX

/* A state of the automaton that a partial match is in, and which of its edges are alive. */
typedef struct place {
    uint32_t state;
    uint64_t alive;
    uint64_t lifted; /* edges that no longer ban others: their stop condition was met */
} place;

typedef enum slot_kind {
    SLOT_FIRST, /* event that the step took first */
    SLOT_LAST,
    SLOT_SIZE, /* how many it took */
    SLOT_TAKE, /* the last take of all, for the windows of steps */
} slot_kind;

typedef struct machine_slot {
    slot_kind kind;
    uint32_t step;
} machine_slot;

/* What a slot is behind a take: `before` it was that in front of it; 0: none yet. */
static inline uint32_t machine_slot_after(const machine_slot *slot, uint32_t before, uint32_t step,
                                          uint32_t event)
{
    bool own = slot->step == step;
    switch (slot->kind) {
    case SLOT_FIRST: return own && before == 0 ? event : before;
    case SLOT_LAST: return own ? event : before;
    case SLOT_SIZE: return before + own;
    case SLOT_TAKE: break;
    }
    return event;
}

typedef struct machine_config {
    uint32_t tree;     /* 0: not grown */
    uint64_t slots;    /* that matter */
    int64_t within_ms; /* the shortest of the windows of living edges' steps; 0: none */
    bool fresh;        /* the last take was the event before, and that matters */
    bool whole;        /* a condition may read the whole of what was taken */
    bool waits;        /* has an edge that time completes */
    uint32_t step;     /* that took last */
    uint32_t places_count;
    place places[];
} machine_config;

typedef struct machine_take {
    uint32_t config; /* MACHINE_NONE: nothing to wait for */
    uint32_t step;
    bool completes;
} machine_take;

typedef struct machine_leaf {
    uint32_t config; /* of what is left of the partial match itself; MACHINE_NONE: nothing */
    bool completes;  /* it is a match as it is */
    uint32_t takes_count;
    machine_take takes[];
} machine_leaf;

typedef struct machine machine;
typedef struct machine_shapes machine_shapes;
/* First what each event needs: of a thousand patterns no machine is in the cache. */
struct machine {
    const leat_nfa *nfa;
    machine_shapes *shapes; /* of matcher_shape.c, which makes them when they are first needed */
    struct shape *start;    /* the shape of nothing; NULL: shapes are of no use */
    int64_t within_ms;      /* as the pattern says */
    uint32_t runs_max, takes_max;
    uint32_t slots_count;
    bool whole;       /* more slots than there is room for */
    bool steps_timed; /* a step has a window */
    bool exact;       /* something comes out when time passes */
    machine_config **configs;
    size_t configs_count, configs_size; /* the first: nothing was taken yet */
    leat_map *index;                    /* of configs, by their places */
    struct machine_branch {
        uint32_t condition; /* in a tree */
        uint32_t next[2];   /* 0: not grown; with MACHINE_LEAF: a leaf */
    } * branches;
    machine_leaf **leaves;
    size_t branches_count, branches_size, leaves_count, leaves_size;
    machine_slot slots[MACHINE_SLOTS_MAX + 1];
    uint64_t *reads;  /* per state and kind of reading: steps that may still be read */
    uint64_t *taken;  /* per state: steps that may have taken something */
    uint64_t once[2]; /* conditions that read no step */
};
#define MACHINE_LEAF 0x80000000u

/* What a condition is for the event in hand. */
typedef struct machine_known {
    uint64_t known[2], holds[2]; /* bit per condition */
} machine_known;

machine *machine_new(const leat_nfa *nfa, leat_err *err); /* NULL: no memory */
void machine_free(machine **gone);
/* Forgets the trees if there are too many of them. Not while a leaf is in use. */
void machine_trim(machine *m);
/* The number of a configuration; equal ones have one. last: the step that took last. */
leat_code machine_config_of(machine *m, const place *places, uint32_t count, bool fresh,
                            uint32_t *number, leat_err *err) LEAT_CHECKED;
static inline const machine_config *machine_config_at(const machine *m, uint32_t number)
{
    LEAT_ASSERT(number < m->configs_count);
    return m->configs[number];
}
/* Grows the tree by what comes behind `known`, which was asked for along the way: *next as in
 * machine_branch. */
leat_code machine_grow(machine *m, uint32_t config, const machine_known *known, uint32_t *next,
                       leat_err *err) LEAT_CHECKED;

/* --- matcher_step.c --- */

/* A take that the event in hand allows. */
typedef struct option_take {
    uint32_t step, target;
} option_take;

/* What comes of an event. */
typedef struct option_list {
    bool complete; /* the partial match is a match as it is */
    option_take *items;
    size_t count, size;
} option_list;

/* Asks whether a condition holds; an error stops the step. */
typedef struct step_host {
    void *self;
    leat_code (*test)(void *self, uint32_t condition, bool *holds, leat_err *err);
} step_host;

/* What an event does to the places of a partial match: edges die, and with them places; options
 * gets the takes that it allows.
 * fresh: the event comes immediately after the last take. start: nothing was taken yet, and all
 * edges stay. */
leat_code places_step(const leat_nfa *nfa, place *places, uint32_t *count, bool fresh, bool start,
                      const step_host *host, option_list *options, leat_err *err) LEAT_CHECKED;

#endif
