/* SPDX-License-Identifier: Apache-2.0 */
/* The expressions of a pattern: conditions over an event and the steps of a partial match, and what
 * alerts emit. Names of steps come before fields; `event.f` reaches a field that one hides.
 *
 * A condition that reads no step is evaluated at most once per event. One that does is first tried
 * blind, with the steps unknown: what is false then is false for every partial match, which spares
 * most events the look into the state of their key.
 * Owner: conditions: the plan's arena, immutable; a testing: one task. Thread: the shard's. */
#ifndef LEAT_CEP_CONDITIONS_H
#define LEAT_CEP_CONDITIONS_H

#include "cep/matcher.h"
#include "transforms/expr.h"
#include "transforms/expr_form.h"

/* Compiles an expression of the pattern at node; a mistake is a finding and gives NULL. self is the
 * caller's. (The planner's leat_planner_expr, or leat_expr_compile in tests.) */
typedef leat_expr *(*leat_pattern_compile)(void *self, const leat_node *node, leat_scope *scope);

typedef struct leat_emit_field {
    leat_str name;
    const leat_expr *value;
} leat_emit_field;

/* An operand of a condition without which it is false, and that can be compared without evaluating
 * it: `amount > last(a).amount`. */
typedef struct leat_condition_link {
    const leat_link *link; /* NULL: there is none */
    uint32_t step;
    bool lone; /* nothing else of the condition reads a step */
} leat_condition_link;

/* Up to 64 conditions, for a look at the slots (conditions_look.c). A form may be NULL, and is not
 * known then. NULL: the arena is full. */
typedef struct leat_looks leat_looks;
typedef struct leat_seen {
    uint64_t holds, unknown; /* a bit each; unknown: a look does not tell */
} leat_seen;
const leat_looks *leat_looks_new(const leat_form *const *forms, uint32_t count, leat_arena *arena);
leat_seen leat_looks_at(const leat_looks *looks, const leat_value *slots);

typedef struct leat_conditions {
    const leat_pattern *pattern;
    const leat_expr **exprs;    /* by number */
    const leat_looks *looks[2]; /* the same, for a look at the slots: 64 each */
    bool *reads;                /* does it read steps? */
    struct leat_condition_link *links;
    uint32_t count;
    leat_emit_field *emit, *timeout_emit;
    uint32_t emit_count, timeout_emit_count;
    const leat_expr *order_by;
    bool held;             /* fields are those of the held event, not of a record's slots */
    const leat_str *names; /* held: of the fields that expressions read */
    uint32_t names_count;
} leat_conditions;

/* Completes the pattern's conditions by what they read (pattern.h).
 * fields: the scope of the record; NULL: expressions read the event's own JSON text, which works
 * without a record (meta does not). False if there were findings. */
bool leat_conditions_new(const leat_pattern *pattern, leat_scope *fields,
                         leat_pattern_compile compile, void *self, leat_arena *arena,
                         leat_findings *findings, leat_conditions **conditions);

/* --- testing events --- */

/* What a look at the slots tells, without an evaluation (conditions_look.c); true: one holds.
 * all: it has told of all. */
bool leat_conditions_look(const leat_conditions *conditions, const leat_value *slots,
                          leat_answers *answers, bool *all);

typedef struct leat_testing leat_testing;
struct leat_lookup; /* index.h */
leat_testing *leat_testing_new(const leat_conditions *conditions);
void leat_testing_free(leat_testing **testing);
/* From now on of these conditions, those of `pattern` in lookup's index; begin comes next. What the
 * lookup knows of its event in hand, which must be the testing's, is not evaluated again. */
void leat_testing_use(leat_testing *testing, const leat_conditions *conditions,
                      struct leat_lookup *lookup, uint32_t pattern);
/* The event in hand from now on. base: slots, arena and load of the record (copied); event: of
 * `held` conditions, else NULL; keep: gives the event when a step takes it. */
void leat_testing_begin(leat_testing *testing, const leat_eval *base, leat_event *event,
                        leat_code (*keep)(void *self, leat_event **event, leat_err *err),
                        void *self);
/* True: no condition holds for this event, whatever a partial match has taken. */
leat_code leat_testing_idle(leat_testing *testing, bool *idle, leat_err *err) LEAT_CHECKED;
/* The value of order_by for the event in hand. */
leat_code leat_testing_order(leat_testing *testing, leat_value *value, leat_err *err) LEAT_CHECKED;
const leat_matcher_host *leat_testing_host(const leat_testing *testing);
/* The first evaluation of the event in hand that failed, and of which condition; NULL: none did. */
const leat_err *leat_testing_failure(const leat_testing *testing, uint32_t *condition);

/* An emit expression over a match. arena: of the result. */
leat_code leat_testing_emit(leat_testing *testing, const leat_expr *expr, const leat_take *last,
                            leat_arena *arena, leat_value *value, leat_err *err) LEAT_CHECKED;

#endif
