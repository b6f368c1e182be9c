/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of steps as bytes. They are JSON, so that a text and a number of the same digits differ, and
 * a dump of the state can be read by a person.
 *
 * Whether a key is the one that the source's topic is partitioned by is judged by text, as for
 * patterns: that errs to the safe side, and a step said to re-key is refused by the worker where
 * the topic has several partitions. */
#include "transforms/step_key.h"

#include <math.h>

#include "schemas/codec_json.h"

#define WHOLE_MAX 9007199254740992.0 /* 2^53: up to here doubles tell whole numbers apart */

static leat_str trimmed(leat_str text)
{
    while (text.len > 0 && text.data[0] == ' ')
        text = leat_str_slice(text, 1, text.len);
    while (text.len > 0 && text.data[text.len - 1] == ' ')
        text.len--;
    return text;
}

static bool is_source_key(leat_planner *planner, const leat_step *step, const leat_node *node)
{
    const leat_node *source = leat_planner_source_key(planner, step);
    return source != NULL && source->kind == LEAT_NODE_STRING && node->kind == LEAT_NODE_STRING &&
           leat_str_equal(trimmed(source->text), trimmed(node->text));
}

bool leat_step_key_plan(leat_planner *planner, leat_step *step, const leat_node *node,
                        bool stateful, leat_step_key *key)
{
    key->expr = NULL;
    if (node == NULL) return true;
    if (stateful && !is_source_key(planner, step, node)) step->rekeys = true;
    key->expr = leat_planner_expr(planner, step, node, NULL);
    return key->expr != NULL;
}

/* A number in the one spelling of all that are equal to it. */
static leat_code normal(leat_value *value, leat_err *err)
{
    if (value->tag == LEAT_NUMBER) {
        leat_err beyond;
        leat_value number;
        /* Beyond 64 bits: its digits, which are unique for whole numbers. */
        if (leat_json_number(leat_value_str(*value), &number, &beyond) != LEAT_OK) {
            LEAT_ASSERT(beyond.code != LEAT_OK);
            return beyond.code == LEAT_ERR_RANGE
                       ? LEAT_OK
                       : leat_err_set(err, beyond.code, "%s", beyond.text);
        }
        *value = number;
    }
    if (value->tag == LEAT_UINT && value->as.u <= INT64_MAX)
        *value = leat_value_int((int64_t)value->as.u);
    if (value->tag != LEAT_DOUBLE || !(fabs(value->as.d) <= WHOLE_MAX)) return LEAT_OK;
    double number = value->as.d;
    if (trunc(number) >= number && trunc(number) <= number)
        *value = leat_value_int((int64_t)number);
    return LEAT_OK;
}

leat_code leat_step_key_write(const leat_step_key *key, leat_run *run, const leat_record *record,
                              leat_buf *out, leat_err *err)
{
    leat_value value = LEAT_VALUE_NULL;
    leat_arena *arena = leat_run_arena(run);
    LEAT_ASSERT(record->slots != NULL);
    if (key->expr != NULL) {
        leat_eval eval;
        leat_run_eval(run, record, &eval);
        LEAT_TRY(leat_expr_eval(key->expr, &eval, &value, err));
        LEAT_TRY(normal(&value, err));
    } else if (record->key.data != NULL) {
        value = leat_value_text(leat_str_utf8_valid(record->key) ? LEAT_STRING : LEAT_BYTES,
                                record->key);
    }
    LEAT_TRY(leat_json_write(value, arena, out, err));
    return leat_buf_check(out, "a key", err);
}
