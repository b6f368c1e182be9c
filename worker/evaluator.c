/* SPDX-License-Identifier: Apache-2.0 */
/* Two arenas: one for the expression, emptied when the next is compiled, and one for all values,
 * emptied by forget alone. So a named value may point into a record that is not the present one any
 * more, and nothing is ever copied deeply; who goes through many records forgets between them, and
 * who plays with a few never notices.
 *
 * What a name means is decided when it is used: a named value, a field of the record, the record.
 * Refused: compiling against the record's fields, as then each record would need a compilation. */
#include "worker/evaluator.h"

#include "core/mem.h"
#include "schemas/codec_json.h"

#define NAMES_MAX       256 /* in one expression; also of named values */
#define ARENA_BYTES_MAX ((size_t)256 << 20)

typedef struct named {
    leat_str name;
    leat_value value;
} named;

struct leat_evaluator {
    leat_scope scope;
    leat_arena *compiled; /* the expression and its names */
    leat_arena *values;
    leat_expr *expr;
    leat_str names[NAMES_MAX]; /* that the expression uses */
    uint32_t names_count;
    named named[NAMES_MAX];
    uint32_t named_count;
    leat_value record;
};

/* --- life --- */

leat_code leat_evaluator_new(leat_evaluator **evaluator, leat_err *err)
{
    leat_evaluator *made = leat_mem_need(sizeof *made);
    leat_code code = leat_arena_new(&made->compiled, ARENA_BYTES_MAX, err);
    if (code == LEAT_OK) code = leat_arena_new(&made->values, ARENA_BYTES_MAX, err);
    made->record = (leat_value){.tag = LEAT_MAP};
    if (code != LEAT_OK) leat_evaluator_free(&made);
    *evaluator = made;
    return code;
}

void leat_evaluator_free(leat_evaluator **evaluator)
{
    leat_evaluator *gone = *evaluator;
    if (gone == NULL) return;
    leat_arena_free(&gone->compiled);
    leat_arena_free(&gone->values);
    leat_mem_free(gone);
    *evaluator = NULL;
}

void leat_evaluator_forget(leat_evaluator *evaluator)
{
    leat_arena_reset(evaluator->values);
    evaluator->record = (leat_value){.tag = LEAT_MAP};
    evaluator->named_count = 0;
}

/* --- names --- */

static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    leat_evaluator *self = (leat_evaluator *)scope;
    (void)count;
    (void)absolute;
    (void)nearest;
    uint32_t at = 0;
    while (at < self->names_count && !leat_str_equal(self->names[at], names[0]))
        at++;
    if (at == NAMES_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "more than %d names in one expression", NAMES_MAX);
    if (at == self->names_count) self->names[self->names_count++] = names[0];
    *ref = (leat_ref){.kind = LEAT_REF_EXTERN, .index = at, .used = 1};
    return LEAT_OK;
}

static leat_code load(void *context, uint32_t index, leat_arena *arena, leat_value *value,
                      leat_err *err)
{
    const leat_evaluator *self = context;
    (void)arena;
    (void)err;
    LEAT_ASSERT(index < self->names_count);
    leat_str name = self->names[index];
    *value = LEAT_VALUE_MISSING;
    for (uint32_t i = 0; i < self->named_count; i++)
        if (leat_str_equal(self->named[i].name, name)) *value = self->named[i].value;
    if (value->tag != LEAT_MISSING) return LEAT_OK;
    for (uint32_t i = 0; self->record.tag == LEAT_MAP && i < self->record.len; i++)
        if (leat_str_equal(leat_value_str(self->record.as.entries[i].key), name))
            *value = self->record.as.entries[i].value;
    if (value->tag == LEAT_MISSING && leat_str_is(name, "event")) *value = self->record;
    return LEAT_OK;
}

leat_code leat_evaluator_name(leat_evaluator *evaluator, leat_str name, leat_value value,
                              leat_err *err)
{
    uint32_t at = 0;
    while (at < evaluator->named_count && !leat_str_equal(evaluator->named[at].name, name))
        at++;
    if (at == NAMES_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "more than %d named values", NAMES_MAX);
    if (at == evaluator->named_count) {
        leat_str copy = leat_arena_copy(evaluator->values, name);
        if (copy.data == NULL) return leat_arena_full(evaluator->values, err);
        evaluator->named[at].name = copy;
        evaluator->named_count++;
    }
    evaluator->named[at].value = value;
    return LEAT_OK;
}

bool leat_evaluator_named(const leat_evaluator *evaluator, size_t index, leat_str *name,
                          leat_value *value)
{
    if (index >= evaluator->named_count) return false;
    *name = evaluator->named[index].name;
    *value = evaluator->named[index].value;
    return true;
}

/* --- expressions and records --- */

leat_code leat_evaluator_compile(leat_evaluator *evaluator, leat_str text, leat_err *err)
{
    leat_arena_reset(evaluator->compiled);
    evaluator->expr = NULL;
    evaluator->names_count = 0;
    evaluator->scope = (leat_scope){.resolve = resolve};
    leat_str copy = leat_arena_copy(evaluator->compiled, text);
    if (copy.data == NULL) return leat_arena_full(evaluator->compiled, err);
    return leat_expr_compile(copy, &evaluator->scope, evaluator->compiled, &evaluator->expr, err);
}

const char *leat_evaluator_type(const leat_evaluator *evaluator)
{
    LEAT_ASSERT(evaluator->expr != NULL);
    return leat_expr_type_name(evaluator->expr);
}

leat_code leat_evaluator_record(leat_evaluator *evaluator, leat_str json, leat_err *err)
{
    leat_value record;
    leat_str copy = leat_arena_copy(evaluator->values, json);
    if (copy.data == NULL) return leat_arena_full(evaluator->values, err);
    LEAT_TRY(leat_json_value(copy, LEAT_JSON_LIMITS_DEFAULT, evaluator->values, &record, err));
    evaluator->record = record;
    return LEAT_OK;
}

leat_value leat_evaluator_event(const leat_evaluator *evaluator)
{
    return evaluator->record;
}

leat_code leat_evaluator_eval(leat_evaluator *evaluator, leat_value *value, leat_err *err)
{
    LEAT_ASSERT(evaluator->expr != NULL);
    leat_eval eval = {.arena = evaluator->values, .load = load, .self = evaluator};
    return leat_expr_eval(evaluator->expr, &eval, value, err);
}

leat_code leat_evaluator_print(leat_evaluator *evaluator, leat_value value, leat_buf *out,
                               leat_err *err)
{
    LEAT_TRY(leat_json_write(value, evaluator->values, out, err));
    leat_buf_add_char(out, '\n');
    return leat_buf_check(out, "the result", err);
}
