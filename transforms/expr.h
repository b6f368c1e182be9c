/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions: the Common Expression Language (CEL, github.com/google/cel-spec).
 *
 *   text -> expr_parse (positions, macros) -> expr_check (types, names) -> expr_compile (flat step
 *   array over resolved slots) -> expr_eval
 *
 * Names are resolved when the expression is compiled, by a scope; evaluation reads slots by number,
 * has no side effects, allocates only in the batch arena (nothing at all for scalars), and stops at
 * a cost limit. Errors are values inside (|| && ?: absorb them as CEL says).
 * Thread: a compiled expression is immutable; a leat_eval belongs to one task. */
#ifndef LEAT_TRANSFORMS_EXPR_H
#define LEAT_TRANSFORMS_EXPR_H

#include "core/arena.h"
#include "core/err.h"
#include "core/record.h"
#include "core/str.h"
#include "core/value.h"

typedef struct leat_expr leat_expr;
typedef struct leat_expr_type leat_expr_type; /* interned; see expr_check.h */

/* What a name means. */
typedef enum leat_ref_kind {
    LEAT_REF_NONE,   /* unknown name */
    LEAT_REF_SLOT,   /* slots[index]; MISSING there is the error "no such field" */
    LEAT_REF_EXTERN, /* eval->load(eval->self, index): meta fields, a pattern's steps */
    LEAT_REF_CONST,  /* `constant` */
} leat_ref_kind;

typedef struct leat_ref {
    leat_ref_kind kind;
    uint32_t index;
    size_t used; /* how many of the names it stands for (a.b.c: 3 = the whole chain) */
    leat_value constant;
    const char *type; /* CEL type as text ("int", "list(dyn)", ...); NULL: dyn */
} leat_ref;

/* names: a chain of identifiers a.b.c as it stands in the text, never one that a macro has bound.
 * A leading dot (.a.b) sets `absolute`. On LEAT_REF_NONE the compiler reports "undeclared name",
 * with `nearest` if the scope sets it. Called at compile time only. */
typedef struct leat_scope leat_scope;
/* Subexpressions that stand in several expressions of a pipeline (expr_memo.c). Note all texts
 * that may be expressions, then compile. Owner: whoever made it. Cost: of parsing. */
typedef struct leat_expr_repeats leat_expr_repeats;
leat_expr_repeats *leat_expr_repeats_new(void);
void leat_expr_repeats_free(leat_expr_repeats **repeats);
void leat_expr_repeats_note(leat_expr_repeats *repeats, leat_str text);
/* What an expression does with a name: for scopes of lists. */
typedef enum leat_use {
    LEAT_USE_WHOLE, /* anything */
    LEAT_USE_FIRST, /* first(x), x[0] */
    LEAT_USE_LAST,  /* last(x) */
    LEAT_USE_SIZE,  /* size(x) */
} leat_use;
struct leat_scope {
    leat_code (*resolve)(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err);
    bool lenient;    /* unknown names are errors of the evaluation, not of the compilation */
    bool aggregates; /* sum avg min max first last are functions over lists (patterns) */
    bool unchecked;  /* do not run the type checker */
    bool indexes;    /* x['a b'] is handed to resolve as x.y is: names may hold any text */
    bool strict;     /* the checker refuses to compare an int with a double and the like */
    bool no_macros;  /* has, all, map ... are plain calls */
    /* Common subexpressions; NULL: each expression is evaluated for itself. memo gives the slot
     * that remembers, in each record, what the subexpression that is written so in `key` gives;
     * equal keys are one subexpression, over slots of this scope alone. */
    const leat_expr_repeats *repeats;
    leat_code (*memo)(leat_scope *scope, leat_str key, uint32_t *slot, leat_err *err);
    leat_use use; /* set before each call of resolve, for the name as a whole */
};

/* An expression's text, compiled into arena. err->offset is the byte offset of the mistake. */
leat_code leat_expr_compile(leat_str text, leat_scope *scope, leat_arena *arena, leat_expr **expr,
                            leat_err *err) LEAT_CHECKED;
/* A bare path such as `a.b` (so that a number's text can be handed on); index of its slot. */
bool leat_expr_is_slot(const leat_expr *expr, uint32_t *slot);
bool leat_expr_is_constant(const leat_expr *expr, leat_value *value);
const char *
leat_expr_type_name(const leat_expr *expr); /* the checker's result: "bool", "dyn", ... */

/* One overload of a function or operator, or a macro (name NULL, signature: how it is written). */
struct leat_expr_run;
typedef struct leat_expr_function {
    const char *section; /* "operators", "core", "strings" ...; "aggregates": in patterns only */
    const char *name;
    const char *signature; /* "string.(string) -> bool": called as x.f(y) */
    const char *doc;
    leat_value (*call)(struct leat_expr_run *run, const leat_value *args, uint32_t count);
} leat_expr_function;
/* All there are, for manuals and completion; lines of one name stand together. */
const leat_expr_function *leat_expr_functions(size_t *count);

#define LEAT_EXPR_COST_MAX 1000000 /* steps of one evaluation, by default */

/* What an evaluation works with; embed or keep one per task, fill slots per record. */
typedef struct leat_eval {
    const leat_value *slots;
    leat_value *memo;  /* the same slots, to remember common subexpressions in; NULL: none is. What
                          is remembered lives in arena */
    leat_arena *arena; /* results live here */
    uint64_t cost_max; /* 0: LEAT_EXPR_COST_MAX */
    /* For LEAT_REF_EXTERN. */
    leat_code (*load)(void *self, uint32_t index, leat_arena *arena, leat_value *value,
                      leat_err *err);
    void *self;
} leat_eval;

/* On an error *value is untouched and err tells what and where in the expression. */
leat_code leat_expr_eval(const leat_expr *expr, const leat_eval *eval, leat_value *value,
                         leat_err *err) LEAT_CHECKED;
/* The same for a condition: anything but a bool is LEAT_ERR_TYPE. */
leat_code leat_expr_test(const leat_expr *expr, const leat_eval *eval, bool *holds,
                         leat_err *err) LEAT_CHECKED;

#endif
