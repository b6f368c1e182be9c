/* SPDX-License-Identifier: Apache-2.0 */
/* set: fields get the values of expressions, in the order of the file, each seeing those before it.
 *
 * An assignment is planned as one of three:
 *
 *   "net": "amount - fee"   EVALUATE  a fresh slot is written per record
 *   "kind": "'card'"        CONSTANT  the same, the value is known
 *   "id": "card.id"         ALIAS     the field stands for the slot that has the value already, so
 *                                     that a number's text goes on unchanged; only its presence is
 *                                     looked at
 *
 * A parent of the field that is there and no object is an error of the record, found before the
 * expression is evaluated. A record that fails goes to the dead letter as it came: the slots
 * written so far are the step's own and nobody reads them.
 * Cost: the expressions', and ~5 ns each. */
#include "core/path.h"
#include "transforms/operator.h"

typedef enum set_kind { EVALUATE, CONSTANT, ALIAS } set_kind;

typedef struct set_field {
    set_kind kind;
    uint32_t slot;
    leat_expr *expr;
    leat_value constant;
    leat_parents parents;
    leat_str name; /* as the file has it */
} set_field;

typedef struct set_config {
    set_field *fields;
    size_t count;
} set_config;

static bool plan_field(leat_planner *planner, leat_step *step, const leat_node *member,
                       set_field *field)
{
    leat_path path;
    if (!leat_planner_path_key(planner, member, &path)) return false;
    field->name = member->key;
    field->expr = leat_planner_expr(planner, step, member, NULL);
    if (field->expr == NULL) return false;
    field->parents = leat_planner_parents(planner, step, path);
    if (leat_expr_is_slot(field->expr, &field->slot)) {
        field->kind = ALIAS;
        leat_planner_alias(planner, step, path, field->slot);
        return true;
    }
    field->kind = leat_expr_is_constant(field->expr, &field->constant) ? CONSTANT : EVALUATE;
    field->slot = leat_planner_assign(planner, step, path);
    leat_planner_computes(planner, step, field->slot);
    return true;
}

static bool set_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    if (json->kind != LEAT_NODE_OBJECT || json->child == NULL) {
        leat_findings_add(leat_planner_findings(planner), json, false,
                          "set needs an object of fields and expressions, "
                          "such as {\"net\": \"amount - fee\"}");
        return false;
    }
    size_t count = 0;
    for (const leat_node *member = json->child; member != NULL; member = member->next)
        count++;
    set_config *config = leat_planner_alloc(planner, sizeof *config);
    config->fields = leat_planner_alloc(planner, count * sizeof *config->fields);
    step->config = config;
    bool good = true;
    for (const leat_node *member = json->child; member != NULL; member = member->next)
        good &= plan_field(planner, step, member, &config->fields[config->count++]);
    return good;
}

static leat_code set_field_of(const set_field *field, leat_record *record, const leat_eval *eval,
                              leat_err *err)
{
    if (LEAT_UNLIKELY(!leat_parents_good(field->parents, record)))
        return leat_err_set(err, LEAT_ERR_TYPE, "a field on the way to it is no object");
    if (field->kind == CONSTANT) {
        record->slots[field->slot] = field->constant;
        return LEAT_OK;
    }
    if (field->kind == ALIAS && record->slots[field->slot].tag != LEAT_MISSING) return LEAT_OK;
    leat_value value = LEAT_VALUE_MISSING;
    LEAT_TRY(leat_expr_eval(field->expr, eval, &value, err));
    if (field->kind == ALIAS) /* evaluated only for the words of its error */
        return leat_err_set(err, LEAT_ERR_NO_FIELD, "no such field");
    record->slots[field->slot] = value;
    return LEAT_OK;
}

static leat_code set_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const set_config *config = run->step->config;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        leat_eval eval;
        leat_err why;
        leat_run_eval(run, record, &eval);
        leat_code code = LEAT_OK;
        for (size_t f = 0; f < config->count && code == LEAT_OK; f++) {
            code = set_field_of(&config->fields[f], record, &eval, &why);
            if (LEAT_UNLIKELY(code != LEAT_OK))
                (void)leat_err_prefix(&why, "%.*s", LEAT_STR_ARG(config->fields[f].name));
        }
        LEAT_TRY(leat_run_settle(run, record, code, &why, err));
    }
    return LEAT_OK;
}

const leat_operator_type leat_operator_set = {
    .name = "set",
    .doc = "Assigns fields, in the order of the file; an expression sees the fields assigned "
           "before it. Missing parents of a nested path are made; a parent that is no object is an "
           "error. An expression that is a bare path hands on a number's text unchanged.\n\n"
           "```json\n{ \"set\": { \"net\": \"amount - fee\", \"card.kind\": \"'debit'\" } }\n```\n",
    .schema = "{\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":{\"type\":"
              "\"string\",\"description\":\"A CEL expression\"}}",
    .plan = set_plan,
    .process = set_process,
};
