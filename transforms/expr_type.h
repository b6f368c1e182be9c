/* SPDX-License-Identifier: Apache-2.0 */
/* Types of the checker, and what may stand where. Private to transforms/expr_type.c, expr_check*.c.
 *
 * A type is a small tree in the scratch arena. PARAM is a type not yet known; a solver remembers
 * what each turned out to be, and takes back what a failed attempt has assumed. */
#ifndef LEAT_TRANSFORMS_EXPR_TYPE_H
#define LEAT_TRANSFORMS_EXPR_TYPE_H

#include "core/arena.h"
#include "core/err.h"
#include "transforms/expr.h"

typedef enum leat_expr_type_kind {
    EXPR_TYPE_DYN,
    EXPR_TYPE_SIMPLE, /* told apart by name */
    EXPR_TYPE_LIST,
    EXPR_TYPE_MAP,
    EXPR_TYPE_TYPE,
    EXPR_TYPE_OPAQUE, /* optional_type(A), net.IP: null may stand for them */
    EXPR_TYPE_PARAM,
} leat_expr_type_kind;

struct leat_expr_type {
    leat_expr_type_kind kind;
    uint32_t param; /* PARAM: its number */
    uint32_t count; /* of args */
    const char *name;
    const leat_expr_type *args[2];
};

/* What PARAMs stand for. */
typedef struct leat_expr_solver {
    leat_arena *arena;
    const leat_expr_type **solutions; /* NULL: not known */
    uint32_t count, size;
    struct leat_expr_guess *guesses; /* latest first: to take them back */
    bool full;                       /* the arena is full: every answer is void */
} leat_expr_solver;

extern const leat_expr_type leat_expr_type_dyn, leat_expr_type_bool, leat_expr_type_int,
    leat_expr_type_string, leat_expr_type_null;

const leat_expr_type *leat_expr_type_new(leat_expr_solver *solver, leat_expr_type type);
const leat_expr_type *leat_expr_type_list(leat_expr_solver *solver, const leat_expr_type *item);
const leat_expr_type *leat_expr_type_map(leat_expr_solver *solver, const leat_expr_type *key,
                                         const leat_expr_type *value);
const leat_expr_type *leat_expr_type_optional(leat_expr_solver *solver,
                                              const leat_expr_type *inner);
const leat_expr_type *leat_expr_type_param(leat_expr_solver *solver); /* a new one */
/* "list(map(string, A))"; letters: what capital letters stand for, filled with new PARAMs; NULL:
 * they are dyn, as is every unknown name. *at moves behind the type. */
const leat_expr_type *leat_expr_type_read(leat_expr_solver *solver, const char **at,
                                          const leat_expr_type *letters[26]);
/* As text in arena. PARAMs must be gone (finish). data NULL: full. */
leat_str leat_expr_type_text(const leat_expr_type *type, leat_arena *arena);

bool leat_expr_type_same(const leat_expr_type *a, const leat_expr_type *b);
/* What is known of it by now; finish: what is not is dyn. */
const leat_expr_type *leat_expr_type_known(leat_expr_solver *solver, const leat_expr_type *type,
                                           bool finish);
/* May a value of type a stand where b is wanted? Remembers what that says of PARAMs, if it may. */
bool leat_expr_type_fits(leat_expr_solver *solver, const leat_expr_type *a,
                         const leat_expr_type *b);
bool leat_expr_types_fit(leat_expr_solver *solver, const leat_expr_type *const *a,
                         const leat_expr_type *const *b, uint32_t count);
/* The less specific of two that fit. */
const leat_expr_type *leat_expr_type_general(const leat_expr_type *a, const leat_expr_type *b);
/* optional_type(A): A and true; else the type itself. */
const leat_expr_type *leat_expr_type_inner(const leat_expr_type *type, bool *optional);

#endif
