/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `detect` share; nobody else includes it.
 *
 *   op_detect.c      the operator: records and timers in, alerts out
 *   detect_plan.c    patterns loaded, checked and compiled
 *   detect_ahead.c   what the records to come will need from memory
 *   detect_key.c     keys: evaluated, found in the table, settled
 *   detect_cell.c    the state of one key: that of all patterns which hold something for it
 *   detect_codec.c   that as bytes, and after a restart
 *   detect_out.c     alerts and dead letters
 *   detect_pause.c   where the step stands while what it has made goes out */
#ifndef LEAT_CEP_DETECT_INSIDE_H
#define LEAT_CEP_DETECT_INSIDE_H

#include "cep/conditions.h"
#include "cep/index.h"
#include "cep/matcher.h"
#include "core/timers.h"
#include "transforms/operator.h"

#define DETECT_CELL_BYTES_MAX  ((size_t)256 << 20) /* of one key */
#define DETECT_ALERT_BYTES_MAX ((size_t)64 << 20)
#define DETECT_OUT_BYTES_MAX   ((size_t)128 << 20) /* alerts of one event; then no more */
#define DETECT_NONE            UINT32_MAX          /* no pattern */

typedef enum detect_key_kind {
    DETECT_KEY_RECORD, /* the record's own: what the source's `key` gave, else the message's */
    DETECT_KEY_EXPR,
    DETECT_KEY_GLOBAL, /* one sequence of all */
} detect_key_kind;

/* Patterns with the same key: they share the cells. */
typedef struct detect_group {
    detect_key_kind kind;
    leat_str text;         /* what cells' keys begin with, before a NUL */
    const leat_expr *expr; /* of EXPR; of RECORD: the source's, or NULL */
    bool strict;           /* one of its patterns can be touched by any event */
} detect_group;

typedef struct detect_pattern {
    const leat_pattern *pattern;
    const leat_nfa *nfa;
    const leat_conditions *conditions;
    uint32_t group;
    uint32_t held;         /* number among the held ones */
    uint32_t timeout_port; /* 0: with the alerts */
    bool events;           /* alerts carry the events */
} detect_pattern;

typedef struct detect_mark {
    uint64_t fingerprint;
    uint32_t index;
} detect_mark;

typedef struct detect_config {
    detect_pattern *patterns; /* the enabled ones */
    uint32_t count;
    detect_group *groups;
    uint32_t groups_count;
    uint64_t strict_groups; /* as leat_lookup_groups */
    leat_index *index;
    detect_mark *by_fingerprint; /* ascending */
    const uint32_t *held;        /* patterns with order_by, outside the index */
    uint32_t held_count;
    bool rekeys;
} detect_config;
uint32_t detect_by_fingerprint(const detect_config *config, uint64_t fingerprint);

/* --- detect_cell.c --- */

/* The state of one pattern in a cell: bytes until somebody asks, then a matcher. */
typedef struct detect_part {
    leat_matcher *matcher; /* NULL: not decoded yet */
    uint32_t index;        /* of the pattern */
    uint32_t len;          /* of its bytes, cell->bytes + at; 0: it is no longer what they say */
    size_t at;
    int64_t deadline_ms;
} detect_part;

typedef struct detect_cell {
    union {
        detect_part *parts;        /* in no order */
        struct detect_cell *spare; /* it is none at present: the next such */
    };
    uint32_t count, size;
    detect_part one;          /* what parts points to while there is one */
    char *bytes;              /* of parts as they were read */
    bool own;                 /* this process had written them */
    struct detect_many *many; /* to find parts by, where they are many; NULL: they are few */
    int64_t timer_ms;         /* as set, or later; LEAT_TIME_MAX: none */
} detect_cell;

typedef struct detect_state detect_state;
extern const leat_table_type detect_cell_type;
detect_cell *detect_cell_new(detect_state *state, leat_err *err); /* NULL: no memory */
void detect_cell_free(detect_state *state, detect_cell **cell);
void detect_cells_close(detect_state *state); /* what was kept for others */
/* The pattern's part, or NULL; it moves when another is added or removed. */
detect_part *detect_cell_find(const detect_cell *cell, uint32_t index);
/* Before the part is used: decodes it if need be. It is going to be changed. */
leat_code detect_part_open(const detect_state *state, detect_cell *cell, detect_part *part,
                           leat_err *err) LEAT_CHECKED;
/* Afterwards: notes its deadline, or removes it when it is empty. */
leat_code detect_part_close(const detect_state *state, detect_cell *cell, detect_part *part,
                            leat_err *err) LEAT_CHECKED;
/* Takes *matcher (nulls it), of a pattern that has no part yet. */
leat_code detect_cell_add(const detect_state *state, detect_cell *cell, uint32_t index,
                          leat_matcher **matcher, leat_err *err) LEAT_CHECKED;
/* The least of the parts' deadlines. */
int64_t detect_cell_deadline(detect_cell *cell);
/* The part that is due first, by deadline and pattern; NULL: none is due until now_ms. */
detect_part *detect_cell_due(detect_cell *cell, int64_t now_ms);
leat_code detect_cell_append(const detect_state *state, detect_cell *cell, detect_part part,
                             leat_err *err) LEAT_CHECKED;
void detect_cell_remove(const detect_state *state, detect_cell *cell, detect_part *part);

/* --- detect_codec.c --- */
/* What the timer of a cell does. */
typedef enum detect_due {
    DETECT_DUE_OPEN,  /* something may come out: time has to pass for its patterns */
    DETECT_DUE_LATER, /* nothing before *deadline_ms */
    DETECT_DUE_OVER,  /* all that it holds is over, and nothing comes out */
} detect_due;
/* Of a cell that is in use. Deadlines of its parts may become later ones. */
detect_due detect_cell_quiet(const detect_cell *cell, int64_t now_ms, int64_t *deadline_ms);
/* Of one without a live object, from its bytes alone. */
leat_code detect_cell_look(leat_str bytes, int64_t now_ms, detect_due *due, int64_t *deadline_ms,
                           leat_err *err) LEAT_CHECKED;
/* Sets the timers of all cells, and drops the state of patterns that are gone. */
leat_code detect_cells_restored(detect_state *state, leat_err *err) LEAT_CHECKED;

/* --- detect_key.c --- */

/* A group's key for the record or timer in hand. */
typedef struct detect_key {
    leat_buf buf;      /* the cell's key: text, NUL, and the key as JSON */
    uint32_t hash;     /* of it */
    uint64_t event;    /* of which event the rest is */
    leat_code code;    /* the key's evaluation */
    leat_err why;      /* its error */
    detect_cell *cell; /* NULL: nothing is held */
    bool touched;      /* the table knows that it changes */
    uint32_t reporter; /* code is an error: the pattern that reports it */
} detect_key;

/* A record that is looked at before its turn. */
typedef struct detect_ahead {
    leat_lookup *lookup;
    leat_eval eval;
    bool begun;     /* lookup is of the record, by eval */
    uint32_t group; /* whose key is evaluated too; DETECT_NONE: no group's */
    leat_code code; /* of that */
    leat_err why;
    leat_buf key;
    uint32_t hash; /* of the key */
} detect_ahead;

/* A timer that fires soon, and how far what it needs has been asked for. */
typedef struct detect_soon {
    uint32_t hash, depth;
} detect_soon;

/* Whose matches are coming out. */
typedef struct detect_sending {
    uint32_t index; /* of the pattern */
    leat_testing *testing;
    leat_str json; /* the key */
    leat_str name; /* the same as the alerts' records have it */
    bool named;    /* it is known */
    bool reported; /* what its conditions could not judge of the event in hand */
    size_t bytes;  /* of alerts so far */
    int64_t at_ms; /* when they come out */
} detect_sending;

/* Matches of one pattern and key are coming out, and rest (matcher.h). Nothing else goes on before
 * they are out. */
typedef struct detect_paused {
    bool is;
    bool timer;    /* time has let them go; else the record that is the first to come again */
    bool rejected; /* that went to the dead letter already */
    uint32_t index;
    uint64_t seq;  /* the record's */
    int64_t at_ms; /* the timer's, or the record's */
    leat_buf key;  /* of the cell */
    /* The list of patterns was edited: who has seen the record is in `seen`, not all that stand in
     * front of index. */
    bool moved;
    leat_marks seen;
} detect_paused;

struct detect_state {
    leat_run *run;
    const detect_config *config;
    leat_table *table; /* group's text, NUL, key as JSON -> cell */
    leat_timers *timers;
    detect_cell *spare; /* memory for cells to come */
    uint32_t spare_count;
    leat_matcher_work *work;
    detect_ahead *aheads;  /* the record in hand and those to come, by their place in the batch */
    uint32_t aheads_count; /* a power of two */
    size_t aheads_end;     /* of the batch: so many have been looked at */
    detect_ahead *ahead;   /* the record in hand, or the last that was */
    detect_soon soon[LEAT_TIMERS_SOON];
    leat_lookup *lookup;   /* its */
    leat_testing *testing; /* of whichever pattern is in hand */
    leat_testing **held;   /* of those with order_by */
    leat_matches matches;  /* to detect_out */
    detect_sending out;
    detect_paused paused;
    leat_table *paused_table; /* one cell: that; none: nothing rests */
    bool parks;               /* time has been let pass only in part */
    leat_buf alert, part;     /* part: of a cell that is being encoded */
    detect_key *keys;         /* by group */
    uint64_t event;           /* number of the record or timer in hand */
    uint32_t *used;           /* groups whose key has been asked for */
    uint32_t used_count;
    leat_marks visits, broken; /* patterns to be visited; those only for a failure's sake */
    /* The record in hand. */
    const leat_record *record; /* NULL: time alone */
    leat_event *event_held;    /* made when the first pattern takes it; shared by all */
    bool rejected;             /* it went to the dead letter already */
    char *topic; /* of the last event that was held, and its hash: they rarely change */
    size_t topic_len;
    uint64_t topic_hash;
};

/* The key of a group for the record in hand, and its cell; a key that cannot be evaluated is in
 * code and why. */
leat_code detect_key_find(detect_state *state, uint32_t group, const leat_eval *eval,
                          detect_key **key, leat_err *err) LEAT_CHECKED;
/* The same of a timer's cell. hash: leat_slots_hash(whole). */
leat_code detect_key_set(detect_state *state, leat_str whole, uint32_t hash, detect_key **key,
                         leat_err *err) LEAT_CHECKED;
/* A group's key for a record, as it is in cells' keys. */
leat_code detect_key_write(const detect_group *group, const leat_record *record,
                           const leat_eval *eval, leat_buf *buf, leat_err *err) LEAT_CHECKED;
/* The key as JSON. */
leat_str detect_key_json(const detect_key *key);
/* Before the cell is changed. */
void detect_key_touch(detect_state *state, detect_key *key);
/* A cell where there was none yet. */
leat_code detect_key_put(detect_state *state, detect_key *key, leat_err *err) LEAT_CHECKED;
/* The cell's timer; LEAT_TIME_MAX: it has none. */
leat_code detect_timer_set(detect_state *state, leat_str whole, uint32_t hash, int64_t at_ms,
                           leat_err *err) LEAT_CHECKED;
/* After the record or timer: timers of the cells that were changed, or the end of those cells. */
leat_code detect_keys_settle(detect_state *state, leat_err *err) LEAT_CHECKED;

/* --- detect_ahead.c --- */
void detect_ahead_open(detect_state *state);
void detect_ahead_close(detect_state *state);
/* Another batch. */
static inline void detect_ahead_batch(detect_state *state)
{
    state->aheads_end = 0;
}
/* Record r comes next: looks at it and those behind it. */
void detect_ahead_to(detect_state *state, const leat_batch *in, size_t r);
/* The group's key for the record in hand, if it is known; else false. */
bool detect_ahead_key(detect_state *state, uint32_t group, detect_key *key);

/* --- detect_pause.c --- */
leat_code detect_pause_open(detect_state *state, leat_err *err) LEAT_CHECKED;
void detect_pause_close(detect_state *state);
/* The pattern's matches rest; the part is touched and of the key in hand. */
leat_code detect_pause(detect_state *state, const detect_key *key, uint32_t index, bool timer,
                       int64_t at_ms, leat_err *err) LEAT_CHECKED;
/* Goes on with them: they are out, unless state->paused.is. eval NULL: the timer's; else of the
 * record in hand. */
leat_code detect_go_on(detect_state *state, const leat_eval *eval, leat_err *err) LEAT_CHECKED;
/* The record (NULL: none) is the first to come. One that is not expected: the record that let the
 * matches go is no more, as the pipeline was changed; they come out as if time had done it. */
void detect_pause_meet(detect_state *state, const leat_record *record);
/* After a restart or an abort. */
leat_code detect_pause_restored(detect_state *state, leat_err *err) LEAT_CHECKED;

/* --- op_detect.c --- */
/* leat_testing_begin's: the event in hand, shared. */
leat_code detect_keep(void *self, leat_event **event, leat_err *err) LEAT_CHECKED;
/* Held patterns have a testing of their own, all others share one. */
leat_testing *detect_testing(const detect_state *state, uint32_t index);

/* --- detect_plan.c --- */
bool detect_plan(leat_planner *planner, leat_step *step, const leat_node *json);
#define DETECT_OPTIONS_COUNT 3
extern const leat_option detect_options[DETECT_OPTIONS_COUNT];

/* --- detect_out.c --- */
/* A pattern is fed, or time passes for it: what comes out is its matches. testing: in use for the
 * pattern; key: JSON text; at_ms: when they come out. */
void detect_out_begin(detect_state *state, uint32_t index, leat_testing *testing, leat_str key,
                      int64_t at_ms);
/* leat_matches.match: sends a match on. */
leat_code detect_out(void *self, const leat_match *match, leat_err *err) LEAT_CHECKED;
/* Counts what did not come out. */
void detect_out_end(detect_state *state);
/* The event in hand could not be judged by a condition of the pattern: to the dead letter, unless
 * it was reported. */
leat_code detect_report(detect_state *state, leat_err *err) LEAT_CHECKED;
/* The record in hand goes to the dead letter, once; without one, `otherwise` does (JSON text). */
leat_code detect_reject(detect_state *state, leat_str otherwise, const leat_err *why,
                        leat_err *err) LEAT_CHECKED;

#endif
