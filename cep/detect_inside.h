/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `detect` share; nobody else includes it.
 *
 *   op_detect.c      the operator: records and timers in, alerts out
 *   detect_plan.c    patterns loaded, checked and compiled
 *   detect_cell.c    the state of one pattern and key in the table
 *   detect_out.c     alerts and dead letters */
#ifndef LEAT_CEP_DETECT_INSIDE_H
#define LEAT_CEP_DETECT_INSIDE_H

#include "cep/conditions.h"
#include "cep/matcher.h"
#include "core/timers.h"
#include "transforms/operator.h"

#define DETECT_CELL_BYTES_MAX  ((size_t)256 << 20) /* of one pattern and key */
#define DETECT_ALERT_BYTES_MAX ((size_t)64 << 20)

typedef enum detect_key_kind {
    DETECT_KEY_RECORD, /* the record's own */
    DETECT_KEY_EXPR,
    DETECT_KEY_GLOBAL, /* one sequence of all */
} detect_key_kind;

typedef struct detect_pattern {
    const leat_pattern *pattern;
    const leat_nfa *nfa;
    const leat_conditions *conditions;
    detect_key_kind key_kind;
    const leat_expr *key;
    uint32_t timeout_port; /* 0: with the alerts */
    bool events;           /* alerts carry the events */
} detect_pattern;

typedef struct detect_config {
    detect_pattern *patterns; /* the enabled ones */
    size_t count;
    bool rekeys;
} detect_config;

/* The live form of a cell. */
typedef struct detect_cell {
    leat_matcher *matcher; /* NULL: of a pattern that is not there any more */
    size_t index;          /* of its pattern */
    int64_t timer_ms;      /* as set; LEAT_TIME_MAX: none */
} detect_cell;

typedef struct detect_state {
    leat_run *run;
    const detect_config *config;
    leat_table *table; /* pattern's name, NUL, key as JSON -> matcher */
    leat_timers *timers;
    leat_matcher_work *work;
    leat_testing **testings; /* by pattern */
    leat_matches matches;
    leat_buf cell_key, alert;
    /* The record in hand. */
    const leat_record *record; /* NULL: time alone */
    leat_event *event;         /* made when the first pattern takes it; shared by all */
    bool rejected;             /* it went to the dead letter already */
    char *topic; /* of the last event that was held, and its hash: they rarely change */
    size_t topic_len;
    uint64_t topic_hash;
} detect_state;

/* --- detect_plan.c --- */
bool detect_plan(leat_planner *planner, leat_step *step, const leat_node *json);
#define DETECT_OPTIONS_COUNT 3
extern const leat_option detect_options[DETECT_OPTIONS_COUNT];

/* --- detect_cell.c --- */
extern const leat_table_type detect_cell_type;
leat_code detect_cell_new(const detect_state *state, size_t index, detect_cell **cell,
                          leat_err *err) LEAT_CHECKED;
void detect_cell_free(detect_cell **cell);
/* Sets the timers of all cells, and removes those of patterns that are gone. */
leat_code detect_cells_restored(detect_state *state, leat_err *err) LEAT_CHECKED;

/* --- detect_out.c --- */
/* Sends state->matches on, and empties it. key: JSON text; at_ms: when they came out. */
leat_code detect_out(detect_state *state, size_t index, leat_str key, int64_t at_ms,
                     leat_err *err) LEAT_CHECKED;
/* The record in hand goes to the dead letter, once; without one, `otherwise` does (JSON text). */
leat_code detect_reject(detect_state *state, leat_str otherwise, const leat_err *why,
                        leat_err *err) LEAT_CHECKED;

#endif
