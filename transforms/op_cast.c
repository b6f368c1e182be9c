/* SPDX-License-Identifier: Apache-2.0 */
/* cast: fields become values of another type, by the conversions of the expression language, so
 * that {"cast": {"n": "int"}} and {"set": {"n": "int(n)"}} never differ. What cast adds: a missing
 * field is no error, and a whole number beyond 64 bits becomes text as it is written, for which
 * expressions have no value.
 *
 * Each field is one compiled expression `int(value)` whose only name stands for the field's slot.
 * Refused: conversions of its own, which would be a second set of rules.
 * Cost: ~20 ns a field. */
#include "core/path.h"
#include "transforms/operator.h"

#define FIELDS_MAX 10000

/* In this order: names, and the functions that are called. */
#define TYPES "int|uint|double|string|bool|timestamp|duration"
enum { TO_INT, TO_UINT, TO_DOUBLE, TO_STRING, TO_BOOL, TO_TIMESTAMP, TO_DURATION, TYPES_COUNT };
static const leat_str calls[TYPES_COUNT] = {
    LEAT_STR_INIT("int(value)"),      LEAT_STR_INIT("uint(value)"),
    LEAT_STR_INIT("double(value)"),   LEAT_STR_INIT("string(value)"),
    LEAT_STR_INIT("bool(value)"),     LEAT_STR_INIT("timestamp(value)"),
    LEAT_STR_INIT("duration(value)"),
};

typedef struct cast_options {
    int type;
} cast_options;

static const leat_option options[] = {
    {.name = "type",
     .type = LEAT_OPTION_ENUM,
     .offset = offsetof(cast_options, type),
     .required = true,
     .choices = TYPES,
     .doc = "What the field becomes."},
};
enum { OPTIONS_COUNT = sizeof options / sizeof options[0] };

typedef struct cast_field {
    leat_str name; /* as the file has it */
    int type;
    leat_expr *expr;
    uint32_t from, to; /* slots */
} cast_field;

typedef struct cast_config {
    cast_field *fields;
    size_t count;
} cast_config;

/* --- planning --- */

typedef struct cast_scope {
    leat_scope scope; /* first */
    uint32_t slot;
} cast_scope;

static leat_code resolve(leat_scope *scope, const leat_str *names, size_t count, bool absolute,
                         leat_ref *ref, leat_str *nearest, leat_err *err)
{
    (void)absolute;
    (void)nearest;
    (void)err;
    if (count > 0 && leat_str_is(names[0], "value"))
        *ref = (leat_ref){
            .kind = LEAT_REF_SLOT, .index = ((const cast_scope *)scope)->slot, .used = 1};
    return LEAT_OK;
}

static bool plan_field(leat_planner *planner, leat_step *step, const leat_node *member,
                       cast_field *field)
{
    leat_path path;
    cast_options read = {0};
    leat_err err;
    leat_findings *findings = leat_planner_findings(planner);
    if (!leat_planner_path_key(planner, member, &path) ||
        !leat_options_read_brief(options, OPTIONS_COUNT, "type", member, &read, findings))
        return false;
    LEAT_ASSERT(read.type >= 0 && read.type < TYPES_COUNT);
    field->name = member->key;
    field->type = read.type;
    field->from = leat_planner_read(planner, step, path);
    cast_scope scope = {.scope = {.resolve = resolve}, .slot = field->from};
    if (leat_expr_compile(calls[read.type], &scope.scope, leat_planner_arena(planner), &field->expr,
                          &err) != LEAT_OK) {
        leat_findings_add(findings, member, false, "%s", err.text);
        return false;
    }
    field->to = leat_planner_assign(planner, step, path);
    leat_planner_copies(planner, step, field->to, field->from);
    return true;
}

static bool cast_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    size_t count =
        leat_planner_members(planner, json, FIELDS_MAX,
                             "cast needs an object of fields and types, such as {\"amount\": "
                             "\"double\"}");
    if (count == 0) return false;
    cast_config *config = leat_planner_alloc(planner, sizeof *config);
    config->fields = leat_planner_alloc(planner, count * sizeof *config->fields);
    step->config = config;
    bool good = true;
    for (const leat_node *member = json->child; member != NULL; member = member->next)
        good &= plan_field(planner, step, member, &config->fields[config->count++]);
    return good;
}

/* --- running --- */

/* A number that no expression has a value for, but which is a whole one. */
static bool is_large(leat_value value)
{
    if (value.tag != LEAT_NUMBER) return false;
    for (uint32_t i = value.as.text[0] == '-'; i < value.len; i++)
        if (value.as.text[i] < '0' || value.as.text[i] > '9') return false;
    return value.len > 1;
}

/* "... (column 5)" is about an expression that nobody has written. */
static void cut_column(leat_err *err)
{
    char *column = strstr(err->text, " (column ");
    if (column != NULL) *column = '\0';
}

static leat_code cast_field_of(const cast_field *field, leat_record *record, const leat_eval *eval,
                               leat_err *err)
{
    LEAT_ASSERT(field->from != field->to);
    leat_value from = record->slots[field->from];
    leat_value *to = &record->slots[field->to];
    *to = LEAT_VALUE_MISSING;
    if (from.tag == LEAT_MISSING) return LEAT_OK;
    if (field->type == TO_STRING && is_large(from)) {
        *to = leat_value_string(leat_value_str(from));
        return LEAT_OK;
    }
    leat_value value = LEAT_VALUE_MISSING;
    leat_code code = leat_expr_eval(field->expr, eval, &value, err);
    if (LEAT_LIKELY(code == LEAT_OK)) {
        *to = value;
        return LEAT_OK;
    }
    cut_column(err);
    return leat_err_prefix(err, "%.*s", LEAT_STR_ARG(field->name));
}

static leat_code cast_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const cast_config *config = run->step->config;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        leat_eval eval;
        leat_err why;
        leat_code code = LEAT_OK;
        leat_run_eval(run, record, &eval);
        for (size_t f = 0; f < config->count && code == LEAT_OK; f++)
            code = cast_field_of(&config->fields[f], record, &eval, &why);
        LEAT_TRY(leat_run_settle(run, record, code, &why, err));
    }
    return LEAT_OK;
}

const leat_operator_type leat_operator_cast = {
    .name = "cast",
    .doc = "Changes the types of fields, as the functions of the same names in expressions do: "
           "`int`, `uint`, `double`, `string`, `bool`, `timestamp`, `duration`. A missing field is "
           "ignored; a value that cannot be converted, null among them, is an error.\n\n"
           "```json\n{ \"cast\": { \"amount\": \"double\", \"paid_at\": \"timestamp\" } }\n```\n",
    .options = options,
    .options_count = OPTIONS_COUNT,
    .brief = "type",
    .per_field = true,
    .plan = cast_plan,
    .process = cast_process,
};
