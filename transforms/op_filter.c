/* SPDX-License-Identifier: Apache-2.0 */
/* filter: records for which an expression is true go on. An error while evaluating it is a dead
 * letter, never a silent false: a misspelt field must not look like "nothing to see".
 * Cost: the expression's, and ~5 ns. */
#include "transforms/operator.h"

typedef struct filter_config {
    leat_expr *condition;
} filter_config;

static bool filter_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    filter_config *config = leat_planner_alloc(planner, sizeof *config);
    config->condition = leat_planner_expr(planner, step, json, NULL);
    step->config = config;
    return config->condition != NULL &&
           leat_planner_expect(planner, json, config->condition, "bool");
}

static leat_code filter_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const filter_config *config = run->step->config;
    uint64_t filtered = 0;
    for (size_t i = 0; i < in->count; i++) {
        leat_eval eval;
        leat_err why;
        bool holds = false;
        leat_run_eval(run, in->records[i], &eval);
        if (LEAT_UNLIKELY(leat_expr_test(config->condition, &eval, &holds, &why) != LEAT_OK))
            LEAT_TRY(leat_run_reject(run, in->records[i], &why, err));
        else if (holds)
            LEAT_TRY(leat_run_emit(run, 0, in->records[i], err));
        else
            filtered++;
    }
    leat_run_count(run, "filtered", filtered);
    return LEAT_OK;
}

const leat_operator_type leat_operator_filter = {
    .name = "filter",
    .doc =
        "Keeps the records for which the expression is true. An error while evaluating it, such "
        "as a missing field, sends the record to the dead letter; `has(a.b)` asks beforehand.\n\n"
        "```json\n{ \"filter\": \"status == 'ok' && amount > 0.0\" }\n```\n",
    .schema = "{\"type\":\"string\",\"description\":\"A CEL expression that gives a bool\"}",
    .plan = filter_plan,
    .process = filter_process,
};
