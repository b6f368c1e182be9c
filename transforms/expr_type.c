/* SPDX-License-Identifier: Apache-2.0 */
/* Types: reading, writing, and unification.
 *
 * The rules are those of CEL's published checker: dyn fits everything, null fits what may be null,
 * a type parameter takes the first type it meets and grows more general if a later one needs it.
 * Assumptions go through a list of guesses, so that an overload that does not fit leaves no trace;
 * copying the whole mapping for each attempt, as others do, is quadratic in nested literals.
 *
 * A solution never holds its own parameter (occurs_in), so following solutions ends. */
#include "transforms/expr_type.h"

#define SIMPLE(text)                                                                               \
    {                                                                                              \
        .kind = EXPR_TYPE_SIMPLE, .name = (text)                                                   \
    }
const leat_expr_type leat_expr_type_dyn = {.kind = EXPR_TYPE_DYN, .name = "dyn"};
const leat_expr_type leat_expr_type_bool = SIMPLE("bool");
const leat_expr_type leat_expr_type_int = SIMPLE("int");
const leat_expr_type leat_expr_type_string = SIMPLE("string");
const leat_expr_type leat_expr_type_null = SIMPLE("null_type");
static const leat_expr_type type_uint = SIMPLE("uint");
static const leat_expr_type type_double = SIMPLE("double");
static const leat_expr_type type_bytes = SIMPLE("bytes");
static const leat_expr_type type_timestamp = SIMPLE("google.protobuf.Timestamp");
static const leat_expr_type type_duration = SIMPLE("google.protobuf.Duration");
static const leat_expr_type type_ip = {.kind = EXPR_TYPE_OPAQUE, .name = "net.IP"};
static const leat_expr_type type_cidr = {.kind = EXPR_TYPE_OPAQUE, .name = "net.CIDR"};

/* Names without parameters. */
static const struct {
    const char *name;
    const leat_expr_type *type;
} plain_types[] = {
    {"dyn", &leat_expr_type_dyn},   {"bool", &leat_expr_type_bool},
    {"int", &leat_expr_type_int},   {"uint", &type_uint},
    {"double", &type_double},       {"string", &leat_expr_type_string},
    {"bytes", &type_bytes},         {"null_type", &leat_expr_type_null},
    {"timestamp", &type_timestamp}, {"google.protobuf.Timestamp", &type_timestamp},
    {"duration", &type_duration},   {"google.protobuf.Duration", &type_duration},
    {"net.IP", &type_ip},           {"net.CIDR", &type_cidr},
};

struct leat_expr_guess {
    struct leat_expr_guess *earlier;
    uint32_t param;
    const leat_expr_type *before;
};

/* --- making ------------------------------------------------------------------------------ */

const leat_expr_type *leat_expr_type_new(leat_expr_solver *solver, leat_expr_type type)
{
    leat_expr_type *made = leat_arena_alloc(solver->arena, sizeof *made);
    if (made == NULL) {
        solver->full = true;
        return &leat_expr_type_dyn;
    }
    *made = type;
    return made;
}

const leat_expr_type *leat_expr_type_list(leat_expr_solver *solver, const leat_expr_type *item)
{
    return leat_expr_type_new(
        solver,
        (leat_expr_type){.kind = EXPR_TYPE_LIST, .name = "list", .count = 1, .args = {item, NULL}});
}

const leat_expr_type *leat_expr_type_map(leat_expr_solver *solver, const leat_expr_type *key,
                                         const leat_expr_type *value)
{
    return leat_expr_type_new(
        solver,
        (leat_expr_type){.kind = EXPR_TYPE_MAP, .name = "map", .count = 2, .args = {key, value}});
}

const leat_expr_type *leat_expr_type_optional(leat_expr_solver *solver, const leat_expr_type *inner)
{
    return leat_expr_type_new(solver, (leat_expr_type){.kind = EXPR_TYPE_OPAQUE,
                                                       .name = "optional_type",
                                                       .count = 1,
                                                       .args = {inner, NULL}});
}

const leat_expr_type *leat_expr_type_param(leat_expr_solver *solver)
{
    if (solver->count == solver->size) {
        uint32_t size = solver->size > 0 ? solver->size * 2 : 32;
        const leat_expr_type **solutions = leat_arena_array(solver->arena, size, sizeof *solutions);
        if (solutions == NULL) {
            solver->full = true;
            return &leat_expr_type_dyn;
        }
        for (uint32_t i = 0; i < size; i++) {
            solutions[i] = i < solver->count ? solver->solutions[i] : NULL;
        }
        solver->solutions = solutions;
        solver->size = size;
    }
    return leat_expr_type_new(
        solver, (leat_expr_type){.kind = EXPR_TYPE_PARAM, .param = solver->count++, .name = "?"});
}

/* --- text -------------------------------------------------------------------------------- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

static const leat_expr_type *plain_type(leat_expr_solver *solver, leat_str name,
                                        const leat_expr_type *letters[26])
{
    if (name.len == 1 && name.data[0] >= 'A' && name.data[0] <= 'Z' && letters != NULL) {
        const leat_expr_type **letter = &letters[name.data[0] - 'A'];
        if (*letter == NULL) *letter = leat_expr_type_param(solver);
        return *letter;
    }
    for (size_t i = 0; i < sizeof plain_types / sizeof *plain_types; i++) {
        if (leat_str_is(name, plain_types[i].name)) return plain_types[i].type;
    }
    return &leat_expr_type_dyn;
}

static const leat_expr_type *composite_type(leat_expr_solver *solver, leat_str name,
                                            const leat_expr_type *const args[2])
{
    if (leat_str_is(name, "list")) return leat_expr_type_list(solver, args[0]);
    if (leat_str_is(name, "map")) return leat_expr_type_map(solver, args[0], args[1]);
    if (leat_str_is(name, "optional_type")) return leat_expr_type_optional(solver, args[0]);
    if (leat_str_is(name, "type")) {
        return leat_expr_type_new(solver, (leat_expr_type){.kind = EXPR_TYPE_TYPE,
                                                           .name = "type",
                                                           .count = 1,
                                                           .args = {args[0], NULL}});
    }
    return plain_type(solver, name, NULL);
}

const leat_expr_type *leat_expr_type_read(leat_expr_solver *solver, const char **at,
                                          const leat_expr_type *letters[26])
{
    const char *start = *at;
    /* "string.(" ends the name at the dot */
    while (is_name_char(**at) && !((*at)[0] == '.' && (*at)[1] == '('))
        (*at)++;
    leat_str name = {start, (size_t)(*at - start)};
    bool composite = leat_str_is(name, "list") || leat_str_is(name, "map") ||
                     leat_str_is(name, "type") || leat_str_is(name, "optional_type");
    if (!composite) return plain_type(solver, name, letters);
    const leat_expr_type *args[2] = {&leat_expr_type_dyn, &leat_expr_type_dyn};
    if (**at == '(') {
        uint32_t count = 0;
        do {
            (*at)++;
            while (**at == ' ')
                (*at)++;
            const leat_expr_type *arg = leat_expr_type_read(solver, at, letters);
            if (count < 2) args[count++] = arg;
        } while (**at == ',');
        LEAT_ASSERT(**at == ')');
        (*at)++;
    }
    return composite_type(solver, name, args);
}

leat_str leat_expr_type_text(const leat_expr_type *type, leat_arena *arena)
{
    if (type->count == 0) return leat_arena_copy(arena, leat_str_of(type->name));
    leat_str first = leat_expr_type_text(type->args[0], arena);
    if (type->count == 1) {
        return leat_arena_print(arena, "%s(%.*s)", type->name, LEAT_STR_ARG(first));
    }
    leat_str second = leat_expr_type_text(type->args[1], arena);
    return leat_arena_print(arena, "%s(%.*s, %.*s)", type->name, LEAT_STR_ARG(first),
                            LEAT_STR_ARG(second));
}

/* --- comparing --------------------------------------------------------------------------- */

bool leat_expr_type_same(const leat_expr_type *a, const leat_expr_type *b)
{
    if (a == b) return true;
    if (a->kind != b->kind || a->count != b->count) return false;
    if (a->kind == EXPR_TYPE_PARAM) return a->param == b->param;
    if (strcmp(a->name, b->name) != 0) return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!leat_expr_type_same(a->args[i], b->args[i])) return false;
    }
    return true;
}

/* Does a say no more than b? */
static bool is_general(const leat_expr_type *a, const leat_expr_type *b)
{
    if (a->kind == EXPR_TYPE_DYN || a->kind == EXPR_TYPE_PARAM) return true;
    if (b->kind == EXPR_TYPE_DYN || b->kind == EXPR_TYPE_PARAM) return false;
    if (a->kind != b->kind || strcmp(a->name, b->name) != 0 || a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!is_general(a->args[i], b->args[i])) return false;
    }
    return true;
}

static bool may_be_null(const leat_expr_type *type)
{
    return type->kind == EXPR_TYPE_OPAQUE || type == &type_timestamp || type == &type_duration ||
           type == &leat_expr_type_null;
}

const leat_expr_type *leat_expr_type_general(const leat_expr_type *a, const leat_expr_type *b)
{
    if (a == &leat_expr_type_null && may_be_null(b)) return b; /* null is one of its values */
    if (b == &leat_expr_type_null && may_be_null(a)) return a;
    return is_general(a, b) ? a : b;
}

const leat_expr_type *leat_expr_type_inner(const leat_expr_type *type, bool *optional)
{
    *optional = type->kind == EXPR_TYPE_OPAQUE && type->count == 1;
    return *optional ? type->args[0] : type;
}

static const leat_expr_type *solution_of(const leat_expr_solver *solver, const leat_expr_type *type)
{
    LEAT_ASSERT(type->kind == EXPR_TYPE_PARAM && type->param < solver->count);
    return solver->solutions[type->param];
}

const leat_expr_type *leat_expr_type_known(leat_expr_solver *solver, const leat_expr_type *type,
                                           bool finish)
{
    if (type->kind == EXPR_TYPE_PARAM) {
        const leat_expr_type *solution = solution_of(solver, type);
        if (solution != NULL) return leat_expr_type_known(solver, solution, finish);
        return finish ? &leat_expr_type_dyn : type;
    }
    leat_expr_type copy = *type;
    bool changed = false;
    for (uint32_t i = 0; i < type->count; i++) {
        copy.args[i] = leat_expr_type_known(solver, type->args[i], finish);
        changed = changed || copy.args[i] != type->args[i];
    }
    return changed ? leat_expr_type_new(solver, copy) : type;
}

/* --- fitting ----------------------------------------------------------------------------- */

static bool fits(leat_expr_solver *solver, const leat_expr_type *a, const leat_expr_type *b);

static bool occurs_in(const leat_expr_solver *solver, const leat_expr_type *param,
                      const leat_expr_type *type)
{
    if (leat_expr_type_same(param, type)) return true;
    if (type->kind == EXPR_TYPE_PARAM) {
        const leat_expr_type *solution = solution_of(solver, type);
        return solution != NULL && occurs_in(solver, param, solution);
    }
    for (uint32_t i = 0; i < type->count; i++) {
        if (occurs_in(solver, param, type->args[i])) return true;
    }
    return false;
}

static void assume(leat_expr_solver *solver, const leat_expr_type *param,
                   const leat_expr_type *solution)
{
    struct leat_expr_guess *guess = leat_arena_alloc(solver->arena, sizeof *guess);
    if (guess == NULL) {
        solver->full = true;
        return;
    }
    *guess =
        (struct leat_expr_guess){solver->guesses, param->param, solver->solutions[param->param]};
    solver->guesses = guess;
    solver->solutions[param->param] = solution;
}

/* Can `param` stand for type? *had: it already has a solution. */
static bool solves(leat_expr_solver *solver, const leat_expr_type *type,
                   const leat_expr_type *param, bool *had)
{
    *had = true;
    if (leat_expr_type_same(type, param)) return true;
    const leat_expr_type *solution = solution_of(solver, param);
    if (solution != NULL) {
        if (leat_expr_type_same(type, solution)) return true;
        if (!fits(solver, type, solution)) return false;
        const leat_expr_type *general = leat_expr_type_general(type, solution);
        if (!occurs_in(solver, param, general)) assume(solver, param, general);
        return true;
    }
    *had = false;
    if (occurs_in(solver, param, type)) return false;
    assume(solver, param, type);
    return true;
}

static bool has_param(const leat_expr_type *type)
{
    if (type->kind == EXPR_TYPE_PARAM) return true;
    for (uint32_t i = 0; i < type->count; i++) {
        if (has_param(type->args[i])) return true;
    }
    return false;
}

static bool fits(leat_expr_solver *solver, const leat_expr_type *a, const leat_expr_type *b)
{
    bool had = false;
    if (b->kind == EXPR_TYPE_PARAM) {
        if (solves(solver, a, b, &had)) return true;
        if (had) return false;
    }
    if (a->kind == EXPR_TYPE_PARAM) return solves(solver, b, a, &had);
    if (a->kind == EXPR_TYPE_DYN || b->kind == EXPR_TYPE_DYN) return true;
    if (a == &leat_expr_type_null) return may_be_null(b);
    if (b == &leat_expr_type_null) return may_be_null(a);
    if (a->kind != b->kind || strcmp(a->name, b->name) != 0 || a->count != b->count) return false;
    if (a->kind == EXPR_TYPE_TYPE && !has_param(a) && !has_param(b)) return true;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!fits(solver, a->args[i], b->args[i])) return false;
    }
    return true;
}

bool leat_expr_types_fit(leat_expr_solver *solver, const leat_expr_type *const *a,
                         const leat_expr_type *const *b, uint32_t count)
{
    struct leat_expr_guess *before = solver->guesses;
    for (uint32_t i = 0; i < count; i++) {
        if (fits(solver, a[i], b[i])) continue;
        while (solver->guesses != before) {
            solver->solutions[solver->guesses->param] = solver->guesses->before;
            solver->guesses = solver->guesses->earlier;
        }
        return false;
    }
    return true;
}

bool leat_expr_type_fits(leat_expr_solver *solver, const leat_expr_type *a, const leat_expr_type *b)
{
    return leat_expr_types_fit(solver, &a, &b, 1);
}
