/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of functions and operators.
 *
 * The table is the list in expr_functions.def; nothing else knows which functions there are. It is
 * searched from front to back, by a compiler and never by an evaluation. A new function is a line
 * there and a function in one of the expr_functions_*.c.
 *
 * Signatures are text, read when they are needed: the same text is printed in the manual, and
 * parsing one takes less than a microsecond. */
#include "transforms/expr_function.h"

static const leat_expr_function functions[] = {
#define OPERATOR(name, signature, doc)                    {"operators", name, signature, doc, NULL},
#define MACRO(section, written, doc)                      {section, NULL, written, doc, NULL},
#define FUNCTION(section, name, signature, function, doc) {section, name, signature, doc, function},

#define MIXED(name, signature, doc) {LEAT_EXPR_MIXED, name, signature, doc, NULL},

#include "transforms/expr_functions.def"
#undef OPERATOR
#undef MIXED
#undef MACRO
#undef FUNCTION
};
#define FUNCTIONS_COUNT (sizeof functions / sizeof *functions)

const leat_expr_function *leat_expr_functions(size_t *count)
{
    LEAT_ASSERT(count != NULL);
    *count = FUNCTIONS_COUNT;
    return functions;
}

bool leat_expr_function_visible(const leat_expr_function *function, bool aggregates)
{
    return function->name != NULL && (aggregates || strcmp(function->section, "aggregates") != 0);
}

const leat_expr_function *leat_expr_function_find(leat_str name, bool aggregates, size_t *count)
{
    LEAT_ASSERT(count != NULL);
    *count = 0;
    for (size_t i = 0; i < FUNCTIONS_COUNT; i++) {
        if (!leat_expr_function_visible(&functions[i], aggregates) ||
            !leat_str_is(name, functions[i].name)) {
            continue;
        }
        size_t end = i;
        while (end < FUNCTIONS_COUNT && functions[end].name != NULL &&
               strcmp(functions[end].name, functions[i].name) == 0) {
            end++;
        }
        *count = end - i;
        return &functions[i];
    }
    return NULL;
}

bool leat_expr_function_member(const leat_expr_function *function)
{
    LEAT_ASSERT(function->name != NULL);
    return function->signature[0] != '(';
}

/* Commas outside of inner parentheses, plus one if there is anything; plus the receiver. */
uint32_t leat_expr_function_arity(const leat_expr_function *function)
{
    const char *at = function->signature;
    bool member = leat_expr_function_member(function);
    if (member) at = strstr(at, ".(") + 1;
    LEAT_ASSERT(*at == '(');
    uint32_t arity = at[1] == ')' ? 0 : 1;
    uint32_t depth = 0;
    for (; *at != '\0'; at++) {
        if (*at == '(') depth++;
        if (*at == ')' && --depth == 0) break;
        if (*at == ',' && depth == 1) arity++;
    }
    return arity + (member ? 1 : 0);
}

/* What functions are called elsewhere, and here; in patterns only: those that are aggregates. */
static const struct {
    const char *name, *here;
} known_as[] = {
    {"count", "size"}, {"len", "size"},  {"length", "size"},
    {"mean", "avg"},   {"prev", "last"}, {"previous", "last"},
};

static leat_str known_otherwise(leat_str name, bool member, bool aggregates)
{
    for (size_t i = 0; i < sizeof known_as / sizeof known_as[0]; i++) {
        size_t count = 0;
        if (!leat_str_is(name, known_as[i].name)) continue;
        const leat_expr_function *found =
            leat_expr_function_find(leat_str_of(known_as[i].here), aggregates, &count);
        for (size_t n = 0; n < count; n++)
            if (leat_expr_function_visible(&found[n], aggregates) &&
                leat_expr_function_member(&found[n]) == member)
                return leat_str_of(known_as[i].here);
    }
    return LEAT_STR_NONE;
}

leat_str leat_expr_function_nearest(leat_str name, bool member, bool aggregates)
{
    leat_str otherwise = known_otherwise(name, member, aggregates);
    if (otherwise.len > 0) return otherwise;
    leat_str candidates[FUNCTIONS_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < FUNCTIONS_COUNT; i++) {
        const leat_expr_function *function = &functions[i];
        if (!leat_expr_function_visible(function, aggregates) ||
            strpbrk(function->name, "_@[]!") != NULL)
            continue;
        if (leat_expr_function_member(function) != member) continue;
        candidates[count++] = leat_str_of(function->name);
    }
    return leat_str_nearest(name, candidates, count);
}
