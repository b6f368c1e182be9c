/* SPDX-License-Identifier: Apache-2.0 */
/* What `detect` sends on: alerts to the stream, timeouts to the stream or to a sink of their own,
 * and to the dead letter whatever could not be judged.
 *
 * An alert's record has the time at which it came out (that of the event or of the timer), not that
 * of its last event: what a skip strategy held back would otherwise run backwards in time behind
 * this step. Its key is the pattern's, as text.
 *
 * A record goes to the dead letter once per step, however many conditions of however many patterns
 * fail on it. What fails when time alone makes a match has no record: then the alert itself, with
 * null for the field that failed, is what the dead letter gets. */
#include "cep/alert.h"
#include "cep/detect_inside.h"
#include "schemas/codec_json.h"

leat_code detect_reject(detect_state *state, leat_str otherwise, const leat_err *why, leat_err *err)
{
    if (state->record != NULL) {
        if (state->rejected) return LEAT_OK;
        state->rejected = true;
        return leat_run_reject(state->run, state->record, why, err);
    }
    leat_record made = {.raw = otherwise, .timestamp_ms = LEAT_TIME_NONE};
    return leat_run_reject(state->run, &made, why, err);
}

/* The key of the alert's record: text as it is, no key for null, else JSON. */
static leat_code record_key(detect_state *state, leat_str json, leat_str *key, leat_err *err)
{
    leat_value value = LEAT_VALUE_NULL;
    LEAT_TRY(
        leat_json_value(json, LEAT_JSON_LIMITS_DEFAULT, leat_run_arena(state->run), &value, err));
    *key = json;
    if (value.tag == LEAT_STRING) *key = leat_value_str(value);
    if (value.tag == LEAT_NULL) *key = LEAT_STR_NONE;
    return LEAT_OK;
}

static leat_code out_one(detect_state *state, uint32_t index, leat_testing *testing, leat_str key,
                         int64_t at_ms, const leat_match *match, leat_err *err)
{
    const detect_pattern *planned = &state->config->patterns[index];
    const leat_pattern *pattern = planned->pattern;
    leat_alert alert = {planned->conditions, testing, match, key, planned->events};
    leat_err why = {0};
    leat_str name = LEAT_STR_NONE;
    if (match->timed_out && pattern->timeout == NULL) return LEAT_OK;
    leat_buf_reset(&state->alert);
    LEAT_TRY(leat_alert_write(&alert, leat_run_arena(state->run), &state->alert, &why, err));
    leat_str json = leat_buf_str(&state->alert);
    if (why.code != LEAT_OK) return detect_reject(state, json, &why, err);
    LEAT_TRY(record_key(state, key, &name, err));
    LEAT_ASSERT(planned->timeout_port < state->run->step->ports);
    uint32_t port = match->timed_out ? planned->timeout_port : 0;
    LEAT_TRY(leat_run_make(state->run, port, json, name, at_ms, state->record, err));
    if (!match->missed) return LEAT_OK;
    (void)leat_err_set(&why, LEAT_ERR_INVALID,
                       "pattern %.*s: cannot skip to '%.*s', which took no event in this match",
                       LEAT_STR_ARG(pattern->name),
                       LEAT_STR_ARG(pattern->steps[pattern->skip_to]->name));
    return detect_reject(state, json, &why, err);
}

leat_code detect_out(detect_state *state, uint32_t index, leat_testing *testing, leat_str key,
                     int64_t at_ms, leat_err *err)
{
    leat_code code = LEAT_OK;
    if (LEAT_LIKELY(state->matches.count == 0 && state->matches.dropped == 0)) return LEAT_OK;
    LEAT_ASSERT(index < state->config->count && key.len > 0);
    if (state->matches.dropped > 0)
        leat_run_count(state->run, "partial_matches", state->matches.dropped);
    for (size_t i = 0; i < state->matches.count && code == LEAT_OK; i++)
        code = out_one(state, index, testing, key, at_ms, &state->matches.items[i], err);
    leat_matches_reset(&state->matches);
    return code;
}
