/* SPDX-License-Identifier: Apache-2.0 */
/* The type checker. Private to transforms/expr*.c. Types are interned nowhere: they are small trees
 * in the scratch arena, compared by content. */
#ifndef LEAT_TRANSFORMS_EXPR_CHECK_H
#define LEAT_TRANSFORMS_EXPR_CHECK_H

#include "core/buf.h"
#include "transforms/expr_ast.h"

typedef struct leat_expr_checked {
    leat_scope *scope;
    uint32_t vars_count; /* of bound names */
    leat_arena *arena;   /* where the type's name will live */
} leat_expr_checked;

/* Sets the type of every node and names that of the whole, "dyn" where nothing is known. */
leat_code leat_expr_check(const leat_expr_checked *checked, leat_expr_node *node,
                          leat_arena *scratch, const char **type_name, leat_err *err) LEAT_CHECKED;

/* expr_check_format.c: a call of format whose arguments have their types. */
leat_code leat_expr_check_format(const leat_expr_node *call, leat_err *err) LEAT_CHECKED;

#endif
