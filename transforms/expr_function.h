/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of functions: expr_functions.def, looked up by name. Private to transforms/expr*.c.
 * Thread: any; all of it is constant. */
#ifndef LEAT_TRANSFORMS_EXPR_FUNCTION_H
#define LEAT_TRANSFORMS_EXPR_FUNCTION_H

#include "transforms/expr_code.h"

#define OPERATOR(name, signature, doc)
#define MIXED(name, signature, doc)
#define MACRO(section, written, doc)
#define FUNCTION(section, name, signature, function, doc)                                          \
    leat_value function(leat_expr_run *run, const leat_value *args, uint32_t count);
#include "transforms/expr_functions.def"
#undef OPERATOR
#undef MIXED
#undef MACRO
#undef FUNCTION

/* The list and its keys, one for each element: the list sorted by them (list.sortBy). */
leat_value leat_expr_sort_by(leat_expr_run *run, const leat_value *args, uint32_t count);

/* The section of comparisons of an int with a double and the like. */
#define LEAT_EXPR_MIXED "mixed numbers"

/* The lines named `name`, one after the other; NULL: there are none. Aggregates are of patterns
 * only. */
const leat_expr_function *leat_expr_function_find(leat_str name, bool aggregates, size_t *count);
/* May an expression use the line? Some of those found may be for patterns alone. */
bool leat_expr_function_visible(const leat_expr_function *function, bool aggregates);
/* Is it written x.f(...)? */
bool leat_expr_function_member(const leat_expr_function *function);
/* How many arguments, with the receiver. */
uint32_t leat_expr_function_arity(const leat_expr_function *function);
/* The name nearest to one that does not exist, for "did you mean". */
leat_str leat_expr_function_nearest(leat_str name, bool member, bool aggregates);

#endif
