/* SPDX-License-Identifier: Apache-2.0 */
/* '...'.format([...]) with both written out.
 *
 * Clauses and values are compared before anything runs, as far as the values' types are known: a
 * clause too many or a text where a number is asked for is a mistake of whoever wrote it, not of a
 * record. The clauses are those of expr_functions_format.c. */
#include "transforms/expr_check.h"
#include "transforms/expr_type.h"

static bool is_one_of(const leat_expr_type *type, const char *const *names)
{
    if (type->kind == EXPR_TYPE_DYN || type->kind == EXPR_TYPE_PARAM) return true;
    for (; *names != NULL; names++) {
        if (strcmp(type->name, *names) == 0) return true;
    }
    return false;
}

/* Can the clause write a value of the type? */
static bool can_write(char verb, const leat_expr_type *type)
{
    static const char *const numbers[] = {"int", "uint", "double", NULL};
    static const char *const binary[] = {"int", "uint", "bool", NULL};
    static const char *const octal[] = {"int", "uint", NULL};
    static const char *const hexadecimal[] = {"int", "uint", "string", "bytes", NULL};
    switch (verb) {
    case 's': return true;
    case 'd':
    case 'f':
    case 'e': return is_one_of(type, numbers);
    case 'b': return is_one_of(type, binary);
    case 'o': return is_one_of(type, octal);
    case 'x':
    case 'X': return is_one_of(type, hexadecimal);
    default: return false;
    }
}

/* Moves behind the next clause that takes a value; NUL: there is none, '?': it is none. */
static char next_verb(leat_str format, size_t *at)
{
    while (*at < format.len) {
        if (format.data[(*at)++] != '%') continue;
        if (*at < format.len && format.data[*at] == '%') {
            (*at)++;
            continue;
        }
        if (*at < format.len && format.data[*at] == '.') (*at)++;
        while (*at < format.len && format.data[*at] >= '0' && format.data[*at] <= '9')
            (*at)++;
        return *at < format.len ? format.data[(*at)++] : '?';
    }
    return '\0';
}

leat_code leat_expr_check_format(const leat_expr_node *call, leat_err *err)
{
    LEAT_ASSERT(call->kind == EXPR_NODE_CALL && call->count == 2);
    const leat_expr_node *text = call->args[0];
    const leat_expr_node *list = call->args[1];
    if (text->kind != EXPR_NODE_CONST || text->constant.tag != LEAT_STRING ||
        list->kind != EXPR_NODE_LIST) {
        return LEAT_OK;
    }
    leat_str format = leat_value_str(text->constant);
    size_t at = 0;
    uint32_t used = 0;
    for (char verb = next_verb(format, &at); verb != '\0'; verb = next_verb(format, &at)) {
        if (strchr("sdfeboxX", verb) == NULL) {
            return leat_expr_mistake(
                err, LEAT_ERR_INVALID, text->offset,
                "format: after %% stands one of s d f e b o x X, or another %%");
        }
        if (used == list->count) {
            return leat_expr_mistake(err, LEAT_ERR_INVALID, list->offset,
                                     "format: there are fewer values than clauses");
        }
        const leat_expr_node *value = list->args[used++];
        if (value->maybe) return LEAT_OK; /* how many there are is not known */
        if (!can_write(verb, value->type)) {
            return leat_expr_mistake(err, LEAT_ERR_TYPE, value->offset,
                                     "format: %%%c cannot write a value of type %s", verb,
                                     value->type->name);
        }
    }
    return LEAT_OK;
}
