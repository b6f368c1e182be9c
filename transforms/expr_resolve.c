/* SPDX-License-Identifier: Apache-2.0 */
/* Names -> what they stand for, before anything is checked.
 *
 *   x            bound by a macro: VAR
 *   a.b.c        the scope takes as many of the names as it likes: REF, and SELECTs for the rest
 *   int, type    names of types: CONST, unless the scope knows better
 *   math.abs(x)  a function whose name has dots: a plain call of `math.abs`
 *
 * Functions are looked up before variables and macros' names before the scope, as CEL says. A
 * leading dot skips the macros' names. Where a name means nothing the nearest one is offered; under
 * a lenient scope it becomes an error of the evaluation, which || may absorb. */
#include "transforms/expr_ast.h"
#include "transforms/expr_function.h"

/* The names bound at a place, innermost first. */
typedef struct bound_names {
    leat_str name;
    uint32_t var;
    const struct bound_names *outer;
} bound_names;

static leat_code resolve(leat_expr_resolution *resolution, leat_expr_node *node,
                         const bound_names *bound, leat_err *err);

static const bound_names *find_bound(const bound_names *bound, leat_str name)
{
    while (bound != NULL && !leat_str_equal(bound->name, name))
        bound = bound->outer;
    return bound;
}

bool leat_expr_type_value(leat_str name, leat_value *value)
{
    static const char *const names[] = {
        "bool",
        "bytes",
        "double",
        "int",
        "list",
        "map",
        "null_type",
        "string",
        "type",
        "uint",
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
        "optional_type",
        "net.IP",
        "net.CIDR",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (leat_str_is(name, names[i])) {
            *value = leat_value_text(LEAT_TYPE, leat_str_of(names[i]));
            return true;
        }
    }
    return false;
}

/* x['name'], which reaches a field like x.name does. */
static bool is_named_index(const leat_expr_node *node)
{
    return node->kind == EXPR_NODE_CALL && node->count == 2 && !node->optional && !node->member &&
           node->args[1]->kind == EXPR_NODE_CONST && node->args[1]->constant.tag == LEAT_STRING &&
           leat_str_is(node->name, "_[_]");
}

/* The last name of a chain. */
static leat_str last_name(const leat_expr_node *node)
{
    return node->kind == EXPR_NODE_CALL ? leat_value_str(node->args[1]->constant) : node->name;
}

/* Is this a NAME, or a chain of plain SELECTs on one (of indexes too, if they count as names)?
 * Gives the length and the NAME. */
static leat_expr_node *chain_base(leat_expr_node *node, bool indexes, uint32_t *length)
{
    *length = 1;
    for (bool top = true; node->kind != EXPR_NODE_NAME; top = false) {
        bool select = node->kind == EXPR_NODE_SELECT && !node->optional && (top || !node->test);
        if (!select && !(indexes && is_named_index(node))) return NULL;
        node = node->args[0];
        (*length)++;
    }
    return node;
}

static leat_str join_names(leat_arena *arena, const leat_str *names, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += names[i].len + 1;
    char *text = leat_arena_alloc(arena, bytes);
    if (text == NULL) return LEAT_STR_NONE;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) text[at++] = '.';
        memcpy(text + at, names[i].data, names[i].len);
        at += names[i].len;
    }
    text[at] = '\0';
    return (leat_str){text, at};
}

/* The node becomes an error of the evaluation. */
static leat_code make_fail(leat_expr_resolution *resolution, leat_expr_node *node,
                           const char *format, leat_str name, leat_err *err)
{
    node->kind = EXPR_NODE_FAIL;
    node->count = 0;
    node->name = leat_arena_print(resolution->arena, "%s '%.*s'", format, LEAT_STR_ARG(name));
    return node->name.data != NULL ? LEAT_OK : leat_arena_full(resolution->arena, err);
}

static leat_code undeclared(leat_expr_resolution *resolution, leat_expr_node *base, leat_str name,
                            leat_str nearest, leat_err *err)
{
    if (resolution->scope->lenient) {
        return make_fail(resolution, base, "undeclared name", name, err);
    }
    if (nearest.data != NULL) {
        return leat_expr_mistake(err, LEAT_ERR_NO_FIELD, base->offset,
                                 "undeclared name '%.*s'; did you mean '%.*s'?", LEAT_STR_ARG(name),
                                 LEAT_STR_ARG(nearest));
    }
    return leat_expr_mistake(err, LEAT_ERR_NO_FIELD, base->offset, "undeclared name '%.*s'",
                             LEAT_STR_ARG(name));
}

/* The node that stands for the first `used` of the chain's names takes the reference. */
static leat_code take_reference(leat_expr_resolution *resolution, leat_expr_node *node,
                                const leat_ref *ref, const leat_str *names, uint32_t length,
                                leat_err *err)
{
    LEAT_ASSERT(ref->used >= 1 && ref->used <= length);
    for (uint32_t i = length; i > ref->used; i--)
        node = node->args[0];
    if (ref->kind == LEAT_REF_CONST) {
        node->kind = EXPR_NODE_CONST;
        node->constant = node->test ? leat_value_bool(true) : ref->constant;
        return LEAT_OK;
    }
    node->kind = EXPR_NODE_REF;
    node->ref = *ref;
    node->count = 0;
    node->name = join_names(resolution->arena, names, ref->used);
    return node->name.data != NULL ? LEAT_OK : leat_arena_full(resolution->arena, err);
}

static leat_code resolve_chain(leat_expr_resolution *resolution, leat_expr_node *node,
                               leat_expr_node *base, uint32_t length, leat_err *err)
{
    leat_str *names = leat_arena_array(resolution->arena, length, sizeof *names);
    if (names == NULL) return leat_arena_full(resolution->arena, err);
    leat_expr_node *at = node;
    for (uint32_t i = length; i > 0; i--) {
        names[i - 1] = last_name(at);
        if (i > 1) at = at->args[0];
    }
    LEAT_ASSERT(at == base);
    leat_ref ref = {.kind = LEAT_REF_NONE};
    leat_str nearest = LEAT_STR_NONE;
    leat_scope *scope = resolution->scope;
    leat_code code = scope->resolve(scope, names, length, base->absolute, &ref, &nearest, err);
    if (code != LEAT_OK) {
        err->offset = base->offset;
        return code;
    }
    if (ref.kind != LEAT_REF_NONE) {
        return take_reference(resolution, node, &ref, names, length, err);
    }
    for (uint32_t used = length; used > 0; used--) {
        leat_str joined = join_names(resolution->arena, names, used);
        if (joined.data == NULL) return leat_arena_full(resolution->arena, err);
        if (leat_expr_type_value(joined, &ref.constant)) {
            ref.kind = LEAT_REF_CONST;
            ref.used = used;
            return take_reference(resolution, node, &ref, names, length, err);
        }
    }
    return undeclared(resolution, base, names[0], nearest, err);
}

static leat_code resolve_name(leat_expr_resolution *resolution, leat_expr_node *node,
                              const bound_names *bound, leat_err *err)
{
    uint32_t length = 0;
    leat_expr_node *base = chain_base(node, resolution->scope->indexes, &length);
    if (base == NULL) return resolve(resolution, node->args[0], bound, err);
    const bound_names *found = base->absolute ? NULL : find_bound(bound, base->name);
    if (found == NULL) return resolve_chain(resolution, node, base, length, err);
    base->kind = EXPR_NODE_VAR;
    base->var = found->var;
    return LEAT_OK;
}

/* The arguments become one list: f(a, b, c) is f([a, b, c]). */
static leat_code gather_arguments(leat_expr_resolution *resolution, leat_expr_node *call,
                                  leat_err *err)
{
    leat_expr_node *list =
        leat_expr_node_new(resolution->arena, EXPR_NODE_LIST, call->offset, call->count);
    if (list == NULL) return leat_arena_full(resolution->arena, err);
    memcpy(list->args, call->args, call->count * sizeof *list->args);
    call->args[0] = list;
    call->count = 1;
    return LEAT_OK;
}

/* receiver.f(...) where receiver.f is the name of a function: the receiver is no argument. */
static leat_code try_namespace(leat_expr_resolution *resolution, leat_expr_node *call,
                               const bound_names *bound, leat_err *err)
{
    uint32_t length = 0;
    leat_expr_node *base = chain_base(call->args[0], false, &length);
    if (base == NULL || length > 4 || find_bound(bound, base->name) != NULL) return LEAT_OK;
    leat_str names[5];
    names[length] = call->name;
    leat_expr_node *at = call->args[0];
    for (uint32_t i = length; i > 0; i--) {
        names[i - 1] = at->name;
        if (i > 1) at = at->args[0];
    }
    leat_str joined = join_names(resolution->arena, names, length + 1);
    if (joined.data == NULL) return leat_arena_full(resolution->arena, err);
    size_t count = 0;
    if (leat_expr_function_find(joined, resolution->scope->aggregates, &count) == NULL) {
        return LEAT_OK;
    }
    call->name = joined;
    call->member = false;
    call->args++;
    call->count--;
    bool extreme = leat_str_is(joined, "math.greatest") || leat_str_is(joined, "math.least");
    return extreme && call->count > 2 ? gather_arguments(resolution, call, err) : LEAT_OK;
}

static leat_code unknown_function(leat_expr_resolution *resolution, leat_expr_node *call,
                                  leat_err *err)
{
    bool aggregates = resolution->scope->aggregates;
    if (resolution->scope->unchecked) {
        return make_fail(resolution, call, "unknown function", call->name, err);
    }
    leat_str nearest = leat_expr_function_nearest(call->name, call->member, aggregates);
    if (nearest.data == NULL) {
        return leat_expr_mistake(err, LEAT_ERR_NO_OVERLOAD, call->offset, "unknown function '%.*s'",
                                 LEAT_STR_ARG(call->name));
    }
    return leat_expr_mistake(err, LEAT_ERR_NO_OVERLOAD, call->offset,
                             "unknown function '%.*s'; did you mean '%.*s'?",
                             LEAT_STR_ARG(call->name), LEAT_STR_ARG(nearest));
}

/* What a call does with its first argument. */
static leat_use use_of(const leat_expr_node *call)
{
    if (call->count == 0 || call->args[0]->kind != EXPR_NODE_NAME) return LEAT_USE_WHOLE;
    if (call->count == 1 && leat_str_is(call->name, "size")) return LEAT_USE_SIZE;
    if (call->count == 1 && leat_str_is(call->name, "first")) return LEAT_USE_FIRST;
    if (call->count == 1 && leat_str_is(call->name, "last")) return LEAT_USE_LAST;
    bool index = call->count == 2 && leat_str_is(call->name, "_[_]") && !call->optional;
    const leat_expr_node *at = index ? call->args[1] : NULL;
    if (at != NULL && at->kind == EXPR_NODE_CONST && at->constant.tag == LEAT_INT &&
        at->constant.as.i == 0)
        return LEAT_USE_FIRST;
    return LEAT_USE_WHOLE;
}

static leat_code resolve_call(leat_expr_resolution *resolution, leat_expr_node *call,
                              const bound_names *bound, leat_err *err)
{
    if (call->member) LEAT_TRY(try_namespace(resolution, call, bound, err));
    size_t count = 0;
    if (leat_expr_function_find(call->name, resolution->scope->aggregates, &count) == NULL) {
        return unknown_function(resolution, call, err);
    }
    for (uint32_t i = 0; i < call->count; i++) {
        resolution->scope->use = i == 0 ? use_of(call) : LEAT_USE_WHOLE;
        LEAT_TRY(resolve(resolution, call->args[i], bound, err));
        resolution->scope->use = LEAT_USE_WHOLE;
    }
    return LEAT_OK;
}

static leat_code resolve_loop(leat_expr_resolution *resolution, leat_expr_node *loop,
                              const bound_names *bound, leat_err *err)
{
    LEAT_TRY(resolve(resolution, loop->args[0], bound, err)); /* not inside its own names */
    loop->var = resolution->vars_count;
    resolution->vars_count += 2;
    bound_names first = {loop->name, loop->var, bound};
    bound_names second = {loop->name2, loop->var + 1, &first};
    for (uint32_t i = 1; i < loop->count; i++) {
        LEAT_TRY(resolve(resolution, loop->args[i], loop->names == 2 ? &second : &first, err));
    }
    return LEAT_OK;
}

static leat_code resolve(leat_expr_resolution *resolution, leat_expr_node *node,
                         const bound_names *bound, leat_err *err)
{
    switch (node->kind) {
    case EXPR_NODE_CONST:
    case EXPR_NODE_FAIL:
    case EXPR_NODE_VAR:
    case EXPR_NODE_REF: return LEAT_OK;
    case EXPR_NODE_NAME:
    case EXPR_NODE_SELECT: return resolve_name(resolution, node, bound, err);
    case EXPR_NODE_CALL:
        if (resolution->scope->indexes && is_named_index(node)) {
            return resolve_name(resolution, node, bound, err);
        }
        return resolve_call(resolution, node, bound, err);
    case EXPR_NODE_LOOP: return resolve_loop(resolution, node, bound, err);
    case EXPR_NODE_AND:
    case EXPR_NODE_OR:
    case EXPR_NODE_LIST:
    case EXPR_NODE_MAP:
        for (uint32_t i = 0; i < node->count; i++) {
            LEAT_TRY(resolve(resolution, node->args[i], bound, err));
        }
        return LEAT_OK;
    }
    LEAT_ASSERT(!"a node of a kind that does not exist");
    return LEAT_ERR_INTERNAL;
}

leat_code leat_expr_resolve(leat_expr_resolution *resolution, leat_expr_node *node, leat_err *err)
{
    LEAT_ASSERT(resolution->scope != NULL && resolution->arena != NULL);
    return resolve(resolution, node, NULL, err);
}
