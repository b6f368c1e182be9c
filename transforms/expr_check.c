/* SPDX-License-Identifier: Apache-2.0 */
/* The type checker: what can be known to go wrong before any record is seen.
 *
 * Names have the type that the scope gives them, dyn where there is no schema, and dyn fits
 * everywhere, so an expression over plain JSON is checked as far as its literals and functions go:
 * `name.startsWith(5)` and `1 + 'a'` are refused, `amount > 5` is not. The rules are those of CEL's
 * reference checker: each overload of a function is tried, a result of several different types is
 * dyn, elements of a literal that do not agree make it a list of dyn.
 *
 * The first mistake ends the check; it names the operator, the types and the place. */
#include "transforms/expr_check.h"

#include "transforms/expr_function.h"
#include "transforms/expr_type.h"

typedef const leat_expr_type *type;

typedef struct checker {
    leat_expr_solver solver;
    leat_scope *scope;
    type *vars; /* of bound names, by number */
    leat_arena *scratch;
    leat_err *err;
} checker;

static leat_code check(checker *c, leat_expr_node *node);

static leat_str shown(checker *c, type of)
{
    return leat_expr_type_text(leat_expr_type_known(&c->solver, of, true), c->scratch);
}

static leat_code set_type(checker *c, leat_expr_node *node, type of)
{
    node->type = leat_expr_type_known(&c->solver, of, false);
    return c->solver.full ? leat_arena_full(c->scratch, c->err) : LEAT_OK;
}

/* --- leaves ------------------------------------------------------------------------------ */

static type type_of_text(checker *c, const char *text)
{
    return leat_expr_type_read(&c->solver, &text, NULL);
}

static type type_of_constant(checker *c, leat_value value)
{
    if (value.tag == LEAT_TYPE) { /* `int` has the type type(int), `list` type(list(dyn)) */
        leat_str text =
            leat_arena_print(c->scratch, "type(%.*s)", LEAT_STR_ARG(leat_value_str(value)));
        return text.data != NULL ? type_of_text(c, text.data) : &leat_expr_type_dyn;
    }
    return type_of_text(c, leat_tag_name((leat_tag)value.tag));
}

/* --- calls ------------------------------------------------------------------------------- */

/* Tries one line of the table; *result: its type, if the arguments fit. */
static bool try_overload(checker *c, const leat_expr_function *function, const type *args,
                         uint32_t count, type *result)
{
    const leat_expr_type *letters[26] = {NULL};
    type params[LEAT_EXPR_ARGS_MAX];
    uint32_t read = 0;
    const char *at = function->signature;
    if (*at != '(') {
        params[read++] = leat_expr_type_read(&c->solver, &at, letters);
        LEAT_ASSERT(*at == '.');
        at++;
    }
    LEAT_ASSERT(*at == '(');
    for (at++; *at != ')';) {
        LEAT_ASSERT(read < LEAT_EXPR_ARGS_MAX);
        params[read++] = leat_expr_type_read(&c->solver, &at, letters);
        while (*at == ',' || *at == ' ')
            at++;
    }
    LEAT_ASSERT(read == count);
    at += strlen(") -> ");
    *result = leat_expr_type_read(&c->solver, &at, letters);
    if (!leat_expr_types_fit(&c->solver, args, params, count)) return false;
    *result = leat_expr_type_known(&c->solver, *result, false);
    return true;
}

/* A name that stands for a list, where something else fits: of patterns, a step's. */
static const char *list_hint(checker *c, const leat_expr_node *const *args, uint32_t count)
{
    for (uint32_t i = 0; i < count && c->scope->aggregates; i++) {
        const leat_expr_node *node = args[i];
        if (node->kind == EXPR_NODE_REF && node->type->kind == EXPR_TYPE_LIST)
            return leat_arena_print(
                       c->scratch,
                       "; '%.*s' is a list: last(%.*s).f is a field of its last item, event.%.*s a "
                       "field of that name",
                       LEAT_STR_ARG(node->name), LEAT_STR_ARG(node->name), LEAT_STR_ARG(node->name))
                .data;
    }
    return NULL;
}

static leat_code no_overload(checker *c, const leat_expr_node *call, const type *args,
                             bool other_style)
{
    leat_buf text;
    leat_buf_init(&text, LEAT_ERR_TEXT_MAX);
    uint32_t first = call->member ? 1 : 0;
    for (uint32_t i = first; i < call->count; i++) {
        leat_buf_add_text(&text, i > first ? ", " : "");
        leat_buf_add(&text, shown(c, args[i]));
    }
    const char *list = list_hint(c, (const leat_expr_node *const *)call->args, call->count);
    leat_str receiver = call->member ? shown(c, args[0]) : LEAT_STR("");
    leat_code code = leat_expr_mistake(
        c->err, LEAT_ERR_NO_OVERLOAD, call->offset,
        "no matching overload for '%.*s' applied to '%.*s%s(%.*s)'%s", LEAT_STR_ARG(call->name),
        LEAT_STR_ARG(receiver), call->member ? "." : "", LEAT_STR_ARG(leat_buf_str(&text)),
        list != NULL   ? list
        : !other_style ? ""
        : call->member ? "; it is called as f(x)"
                       : "; it is called as x.f()");
    leat_buf_release(&text);
    return code;
}

/* The result of all lines whose arguments fit: one type, or dyn. */
static leat_code resolve_overloads(checker *c, leat_expr_node *call, const type *args)
{
    size_t lines = 0;
    const leat_expr_function *functions =
        leat_expr_function_find(call->name, c->scope->aggregates, &lines);
    LEAT_ASSERT(functions != NULL);
    type result = NULL;
    bool other_style = true;
    for (size_t i = 0; i < lines; i++) {
        type found = NULL;
        bool member = leat_expr_function_member(&functions[i]);
        other_style = other_style && member != call->member;
        if (member != call->member || leat_expr_function_arity(&functions[i]) != call->count) {
            continue;
        }
        if (!leat_expr_function_visible(&functions[i], c->scope->aggregates)) continue;
        if (c->scope->strict && strcmp(functions[i].section, LEAT_EXPR_MIXED) == 0) continue;
        if (!try_overload(c, &functions[i], args, call->count, &found)) continue;
        if (result == NULL) {
            result = found;
        } else if (result->kind != EXPR_TYPE_DYN && !leat_expr_type_same(result, found)) {
            result = &leat_expr_type_dyn;
        }
    }
    return result != NULL ? set_type(c, call, result) : no_overload(c, call, args, other_style);
}

static leat_code check_call(checker *c, leat_expr_node *call)
{
    type *args = leat_arena_array(c->scratch, call->count + 1, sizeof *args);
    if (args == NULL) return leat_arena_full(c->scratch, c->err);
    for (uint32_t i = 0; i < call->count; i++) {
        LEAT_TRY(check(c, call->args[i]));
        args[i] = call->args[i]->type;
    }
    LEAT_TRY(resolve_overloads(c, call, args));
    bool format = call->member && leat_str_is(call->name, "format");
    return format ? leat_expr_check_format(call, c->err) : LEAT_OK;
}

static leat_code need(checker *c, const leat_expr_node *node, type wanted, const char *what)
{
    if (leat_expr_type_fits(&c->solver, node->type, wanted)) return LEAT_OK;
    return leat_expr_mistake(c->err, LEAT_ERR_TYPE, node->offset, "%s must be %.*s, not %.*s", what,
                             LEAT_STR_ARG(shown(c, wanted)), LEAT_STR_ARG(shown(c, node->type)));
}

static leat_code check_logical(checker *c, leat_expr_node *node)
{
    const char *what = node->kind == EXPR_NODE_AND ? "an operand of &&" : "an operand of ||";
    for (uint32_t i = 0; i < node->count; i++)
        LEAT_TRY(check(c, node->args[i]));
    for (uint32_t i = 0; i < node->count; i++) {
        LEAT_TRY(need(c, node->args[i], &leat_expr_type_bool, what));
    }
    return set_type(c, node, &leat_expr_type_bool);
}

/* --- fields and literals ----------------------------------------------------------------- */

static leat_code check_select(checker *c, leat_expr_node *node)
{
    LEAT_TRY(check(c, node->args[0]));
    bool optional = false;
    type operand = leat_expr_type_known(&c->solver, node->args[0]->type, false);
    type target = leat_expr_type_inner(operand, &optional);
    type result = &leat_expr_type_dyn;
    if (target->kind == EXPR_TYPE_MAP) {
        result = target->args[1];
    } else if (target->kind == EXPR_TYPE_PARAM) {
        (void)leat_expr_type_fits(&c->solver, &leat_expr_type_dyn, target);
    } else if (target->kind != EXPR_TYPE_DYN) {
        const char *list = list_hint(c, (const leat_expr_node *const *)node->args, 1);
        return leat_expr_mistake(
            c->err, LEAT_ERR_TYPE, node->offset, "a value of type %.*s has no field '%.*s'%s",
            LEAT_STR_ARG(shown(c, target)), LEAT_STR_ARG(node->name), list != NULL ? list : "");
    }
    if (optional || node->optional) result = leat_expr_type_optional(&c->solver, result);
    return set_type(c, node, node->test ? &leat_expr_type_bool : result);
}

/* The type of one more element: joined, or dyn if they do not agree. */
static type join(checker *c, type before, type more)
{
    if (before == NULL) return more;
    if (leat_expr_type_fits(&c->solver, before, more)) return leat_expr_type_general(before, more);
    return &leat_expr_type_dyn;
}

/* What an element adds: for ?x what is in the optional. */
static leat_code element_type(checker *c, const leat_expr_node *element, bool maybe, type *of)
{
    bool optional = false;
    *of = element->type;
    if (!maybe) return LEAT_OK;
    *of = leat_expr_type_inner(leat_expr_type_known(&c->solver, element->type, false), &optional);
    if (optional || (*of)->kind == EXPR_TYPE_DYN) return LEAT_OK;
    return leat_expr_mistake(c->err, LEAT_ERR_TYPE, element->offset,
                             "what follows ? must be an optional, not %.*s",
                             LEAT_STR_ARG(shown(c, *of)));
}

static leat_code check_list(checker *c, leat_expr_node *node)
{
    type item = NULL;
    for (uint32_t i = 0; i < node->count; i++) {
        type of = NULL;
        LEAT_TRY(check(c, node->args[i]));
        LEAT_TRY(element_type(c, node->args[i], node->args[i]->maybe, &of));
        item = join(c, item, of);
    }
    if (item == NULL) item = leat_expr_type_param(&c->solver);
    return set_type(c, node, leat_expr_type_list(&c->solver, item));
}

static leat_code check_map(checker *c, leat_expr_node *node)
{
    type key = NULL;
    type value = NULL;
    for (uint32_t i = 0; i + 1 < node->count; i += 2) {
        type of = NULL;
        LEAT_TRY(check(c, node->args[i]));
        key = join(c, key, node->args[i]->type);
        LEAT_TRY(check(c, node->args[i + 1]));
        LEAT_TRY(element_type(c, node->args[i + 1], node->args[i]->maybe, &of));
        value = join(c, value, of);
    }
    if (key == NULL) key = leat_expr_type_param(&c->solver);
    if (value == NULL) value = leat_expr_type_param(&c->solver);
    return set_type(c, node, leat_expr_type_map(&c->solver, key, value));
}

/* --- macros ------------------------------------------------------------------------------ */

/* The bound names take the types of the range's elements. */
static leat_code bind_range(checker *c, const leat_expr_node *loop)
{
    type range = leat_expr_type_known(&c->solver, loop->args[0]->type, false);
    type first = &leat_expr_type_dyn;
    type second = &leat_expr_type_dyn;
    if (range->kind == EXPR_TYPE_LIST) {
        first = loop->names == 2 ? &leat_expr_type_int : range->args[0];
        second = range->args[0];
    } else if (range->kind == EXPR_TYPE_MAP) {
        first = range->args[0];
        second = range->args[1];
    } else if (range->kind == EXPR_TYPE_DYN || range->kind == EXPR_TYPE_PARAM) {
        (void)leat_expr_type_fits(&c->solver, &leat_expr_type_dyn, range);
    } else {
        return leat_expr_mistake(c->err, LEAT_ERR_TYPE, loop->args[0]->offset,
                                 "a macro goes over a list or a map, not over %.*s",
                                 LEAT_STR_ARG(shown(c, range)));
    }
    c->vars[loop->var] = first;
    c->vars[loop->var + 1] = second;
    return LEAT_OK;
}

/* Can values of that type be sorted, as far as is known? */
static bool has_order(type of)
{
    if (of->kind == EXPR_TYPE_DYN || of->kind == EXPR_TYPE_PARAM) return true;
    return of->kind == EXPR_TYPE_SIMPLE && of != &leat_expr_type_null;
}

/* The result of a macro over a range whose expressions have their types. */
static leat_code loop_type(checker *c, leat_expr_node *loop)
{
    type last = loop->args[loop->count - 1]->type;
    type key = c->vars[loop->var];
    switch (loop->macro) {
    case EXPR_MACRO_ALL:
    case EXPR_MACRO_EXISTS:
    case EXPR_MACRO_ONE:
        LEAT_TRY(need(c, loop->args[1], &leat_expr_type_bool, "the condition"));
        return set_type(c, loop, &leat_expr_type_bool);
    case EXPR_MACRO_FILTER:
        LEAT_TRY(need(c, loop->args[1], &leat_expr_type_bool, "the condition"));
        return set_type(c, loop, leat_expr_type_list(&c->solver, key));
    case EXPR_MACRO_SORT_BY: /* its range is a list */
        if (!has_order(leat_expr_type_known(&c->solver, last, false))) {
            return leat_expr_mistake(c->err, LEAT_ERR_TYPE, loop->args[1]->offset,
                                     "values of type %.*s have no order to sort by",
                                     LEAT_STR_ARG(shown(c, last)));
        }
        LEAT_TRY(need(c, loop->args[0], leat_expr_type_list(&c->solver, key), "what is sorted"));
        return set_type(c, loop, leat_expr_type_list(&c->solver, key));
    case EXPR_MACRO_MAP:
    case EXPR_MACRO_MAP_VALUE:
    case EXPR_MACRO_MAP_ENTRY:
        if (loop->count == 3) {
            LEAT_TRY(need(c, loop->args[1], &leat_expr_type_bool, "the condition"));
        }
        if (loop->macro == EXPR_MACRO_MAP) {
            return set_type(c, loop, leat_expr_type_list(&c->solver, last));
        }
        if (loop->macro == EXPR_MACRO_MAP_VALUE) {
            return set_type(c, loop, leat_expr_type_map(&c->solver, key, last));
        }
        key = leat_expr_type_map(&c->solver, leat_expr_type_param(&c->solver),
                                 leat_expr_type_param(&c->solver));
        LEAT_TRY(need(c, loop->args[loop->count - 1], key, "the new entries"));
        return set_type(c, loop, key);
    case EXPR_MACRO_BIND:
    case EXPR_MACRO_OPT_MAP:
    case EXPR_MACRO_OPT_FLAT_MAP: break;
    }
    LEAT_ASSERT(!"a macro that does not loop");
    return LEAT_ERR_INTERNAL;
}

static leat_code check_optional(checker *c, leat_expr_node *loop)
{
    type inner = leat_expr_type_param(&c->solver);
    LEAT_TRY(need(c, loop->args[0], leat_expr_type_optional(&c->solver, inner),
                  "what the macro is called on"));
    c->vars[loop->var] = inner;
    LEAT_TRY(check(c, loop->args[1]));
    if (loop->macro == EXPR_MACRO_OPT_MAP) {
        return set_type(c, loop, leat_expr_type_optional(&c->solver, loop->args[1]->type));
    }
    inner = leat_expr_type_optional(&c->solver, leat_expr_type_param(&c->solver));
    LEAT_TRY(need(c, loop->args[1], inner, "the result"));
    return set_type(c, loop, inner);
}

static leat_code check_loop(checker *c, leat_expr_node *loop)
{
    LEAT_TRY(check(c, loop->args[0]));
    if (loop->macro == EXPR_MACRO_BIND) {
        c->vars[loop->var] = loop->args[0]->type;
        LEAT_TRY(check(c, loop->args[1]));
        return set_type(c, loop, loop->args[1]->type);
    }
    if (loop->macro == EXPR_MACRO_OPT_MAP || loop->macro == EXPR_MACRO_OPT_FLAT_MAP) {
        return check_optional(c, loop);
    }
    LEAT_TRY(bind_range(c, loop));
    for (uint32_t i = 1; i < loop->count; i++)
        LEAT_TRY(check(c, loop->args[i]));
    return loop_type(c, loop);
}

/* --- the whole --------------------------------------------------------------------------- */

static leat_code check(checker *c, leat_expr_node *node)
{
    switch (node->kind) {
    case EXPR_NODE_CONST: return set_type(c, node, type_of_constant(c, node->constant));
    case EXPR_NODE_VAR: return set_type(c, node, c->vars[node->var]);
    case EXPR_NODE_REF:
        if (node->test) return set_type(c, node, &leat_expr_type_bool);
        return set_type(c, node,
                        node->ref.type != NULL ? type_of_text(c, node->ref.type)
                                               : &leat_expr_type_dyn);
    case EXPR_NODE_FAIL: return set_type(c, node, &leat_expr_type_dyn);
    case EXPR_NODE_SELECT: return check_select(c, node);
    case EXPR_NODE_CALL: return check_call(c, node);
    case EXPR_NODE_AND:
    case EXPR_NODE_OR: return check_logical(c, node);
    case EXPR_NODE_LIST: return check_list(c, node);
    case EXPR_NODE_MAP: return check_map(c, node);
    case EXPR_NODE_LOOP: return check_loop(c, node);
    case EXPR_NODE_NAME: break;
    }
    LEAT_ASSERT(!"a name that was not resolved");
    return LEAT_ERR_INTERNAL;
}

leat_code leat_expr_check(const leat_expr_checked *checked, leat_expr_node *node,
                          leat_arena *scratch, const char **type_name, leat_err *err)
{
    LEAT_ASSERT(checked->scope != NULL && type_name != NULL);
    checker c = {.solver = {.arena = scratch},
                 .scope = checked->scope,
                 .vars = leat_arena_array(scratch, (size_t)checked->vars_count + 1, sizeof(type)),
                 .scratch = scratch,
                 .err = err};
    if (c.vars == NULL) return leat_arena_full(scratch, err);
    LEAT_TRY(check(&c, node));
    type of = leat_expr_type_known(&c.solver, node->type, true);
    leat_str text = leat_expr_type_text(of, checked->arena);
    if (c.solver.full) return leat_arena_full(scratch, err);
    if (text.data == NULL) return leat_arena_full(checked->arena, err);
    *type_name = text.data;
    return LEAT_OK;
}
