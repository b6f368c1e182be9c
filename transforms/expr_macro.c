/* SPDX-License-Identifier: Apache-2.0 */
/* Macros: calls whose arguments are no values but names and conditions to be evaluated again and
 * again. They are recognised while parsing, by name, style and number of arguments, as CEL
 * prescribes; a call that fits no line of the table stays a call (`x.map(y)` is a function that
 * does not exist, which the resolver says).
 *
 * Each becomes a LOOP node with the names it binds. Refused: CEL's own expansion into a general
 * fold with an accumulator; the steps of each macro are shorter than those of the fold, and the
 * checker's message can name the macro. */
#include "transforms/expr_ast.h"

typedef struct macro_line {
    const char *name;
    uint32_t args; /* without the receiver */
    uint32_t names;
    leat_expr_macro macro;
} macro_line;

/* All are written range.name(bound names..., expressions...). */
static const macro_line macros[] = {
    {"all", 2, 1, EXPR_MACRO_ALL},
    {"all", 3, 2, EXPR_MACRO_ALL},
    {"exists", 2, 1, EXPR_MACRO_EXISTS},
    {"exists", 3, 2, EXPR_MACRO_EXISTS},
    {"exists_one", 2, 1, EXPR_MACRO_ONE},
    {"exists_one", 3, 2, EXPR_MACRO_ONE},
    {"existsOne", 2, 1, EXPR_MACRO_ONE},
    {"existsOne", 3, 2, EXPR_MACRO_ONE},
    {"filter", 2, 1, EXPR_MACRO_FILTER},
    {"map", 2, 1, EXPR_MACRO_MAP},
    {"map", 3, 1, EXPR_MACRO_MAP},
    {"transformList", 3, 2, EXPR_MACRO_MAP},
    {"transformList", 4, 2, EXPR_MACRO_MAP},
    {"transformMap", 3, 2, EXPR_MACRO_MAP_VALUE},
    {"transformMap", 4, 2, EXPR_MACRO_MAP_VALUE},
    {"transformMapEntry", 3, 2, EXPR_MACRO_MAP_ENTRY},
    {"transformMapEntry", 4, 2, EXPR_MACRO_MAP_ENTRY},
    {"sortBy", 2, 1, EXPR_MACRO_SORT_BY},
    {"optMap", 2, 1, EXPR_MACRO_OPT_MAP},
    {"optFlatMap", 2, 1, EXPR_MACRO_OPT_FLAT_MAP},
};

/* The i-th bound name, which must be a plain one. */
static leat_code bound_name(const leat_expr_node *call, uint32_t at, leat_str *name, leat_err *err)
{
    const leat_expr_node *node = call->args[at];
    if (node->kind != EXPR_NODE_NAME || node->absolute) {
        return leat_expr_mistake(err, LEAT_ERR_SYNTAX, node->offset,
                                 "the argument of %.*s() that names the element must be a plain "
                                 "name, as in list.%.*s(x, ...)",
                                 LEAT_STR_ARG(call->name), LEAT_STR_ARG(call->name));
    }
    *name = node->name;
    return LEAT_OK;
}

/* The call becomes a LOOP over `range`; names stand from `first` on, expressions behind them. */
static leat_code make_loop(leat_expr_node *call, leat_expr_macro macro, uint32_t first,
                           uint32_t names, leat_err *err)
{
    LEAT_ASSERT(names == 1 || names == 2);
    LEAT_ASSERT(call->count > first + names);
    LEAT_TRY(bound_name(call, first, &call->name2, err)); /* swapped below */
    leat_str second = LEAT_STR_NONE;
    if (names == 2) {
        LEAT_TRY(bound_name(call, first + 1, &second, err));
        if (leat_str_equal(call->name2, second)) {
            return leat_expr_mistake(err, LEAT_ERR_SYNTAX, call->args[first + 1]->offset,
                                     "the two names must differ");
        }
    }
    call->kind = EXPR_NODE_LOOP;
    call->macro = macro;
    call->names = names;
    call->name = call->name2;
    call->name2 = second;
    /* The range stays in args[0]; for cel.bind(x, value, e) the value takes its place. */
    if (macro == EXPR_MACRO_BIND) {
        call->args[0] = call->args[2];
        call->args[1] = call->args[3];
        call->count = 2;
        return LEAT_OK;
    }
    for (uint32_t i = first + names; i < call->count; i++)
        call->args[i - names] = call->args[i];
    call->count -= names;
    return LEAT_OK;
}

/* has(a.b): the field selection itself, marked. */
static leat_code make_test(leat_expr_node **node, leat_err *err)
{
    leat_expr_node *select = (*node)->args[0];
    if (select->kind != EXPR_NODE_SELECT || select->test || select->optional) {
        return leat_expr_mistake(err, LEAT_ERR_SYNTAX, select->offset,
                                 "has() asks for a field of something: has(a.b); for a field of "
                                 "the record itself write has(event.b)");
    }
    select->test = true;
    *node = select;
    return LEAT_OK;
}

leat_code leat_expr_macro_expand(leat_expr_node **node, leat_err *err)
{
    leat_expr_node *call = *node;
    LEAT_ASSERT(call->kind == EXPR_NODE_CALL);
    if (!call->member) {
        bool has = leat_str_is(call->name, "has") && call->count == 1;
        return has ? make_test(node, err) : LEAT_OK;
    }
    const leat_expr_node *receiver = call->args[0];
    if (leat_str_is(call->name, "bind") && call->count == 4 && receiver->kind == EXPR_NODE_NAME &&
        leat_str_is(receiver->name, "cel")) {
        return make_loop(call, EXPR_MACRO_BIND, 1, 1, err);
    }
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++) {
        if (call->count == macros[i].args + 1 && leat_str_is(call->name, macros[i].name)) {
            return make_loop(call, macros[i].macro, 1, macros[i].names, err);
        }
    }
    return LEAT_OK;
}
