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

/* The key of the alerts' records: text as it is, no key for null, else JSON. */
static leat_code find_name(detect_state *state, leat_err *err)
{
    detect_sending *out = &state->out;
    leat_value value = LEAT_VALUE_NULL;
    if (out->named) return LEAT_OK;
    LEAT_TRY(leat_json_value(out->json, LEAT_JSON_LIMITS_DEFAULT, leat_run_arena(state->run),
                             &value, err));
    out->name = out->json;
    if (value.tag == LEAT_STRING) out->name = leat_value_str(value);
    if (value.tag == LEAT_NULL) out->name = LEAT_STR_NONE;
    out->named = true;
    return LEAT_OK;
}

leat_code detect_report(detect_state *state, leat_err *err)
{
    const detect_sending *out = &state->out;
    const leat_pattern *pattern = state->config->patterns[out->index].pattern;
    uint32_t condition = 0;
    if (out->reported) return LEAT_OK;
    state->out.reported = true;
    const leat_err *failure = leat_testing_failure(out->testing, &condition);
    if (failure == NULL) return LEAT_OK;
    leat_err why = *failure;
    leat_str place = leat_node_path_below(pattern->conditions[condition].node, pattern->node,
                                          leat_run_arena(state->run));
    (void)leat_err_prefix(&why, "pattern %.*s, %.*s", LEAT_STR_ARG(pattern->name),
                          LEAT_STR_ARG(place));
    leat_str json =
        state->event_held != NULL ? leat_event_json(state->event_held) : LEAT_STR("null");
    return detect_reject(state, json, &why, err);
}

void detect_out_begin(detect_state *state, uint32_t index, leat_testing *testing, leat_str key,
                      int64_t at_ms)
{
    LEAT_ASSERT(index < state->config->count && key.len > 0);
    state->out = (detect_sending){
        .index = index, .testing = testing, .json = key, .reported = true, .at_ms = at_ms};
}

leat_code detect_out(void *self, const leat_match *match, leat_err *err)
{
    detect_state *state = self;
    detect_sending *out = &state->out;
    const detect_pattern *planned = &state->config->patterns[out->index];
    const leat_pattern *pattern = planned->pattern;
    leat_alert alert = {planned->conditions, out->testing, match, out->json, planned->events};
    leat_err why = {0};
    LEAT_TRY(detect_report(state, err));
    if (match->timed_out && pattern->timeout == NULL) return LEAT_OK;
    leat_buf_reset(&state->alert);
    LEAT_TRY(leat_alert_write(&alert, leat_run_arena(state->run), &state->alert, &why, err));
    leat_str json = leat_buf_str(&state->alert);
    if (why.code != LEAT_OK) return detect_reject(state, json, &why, err);
    LEAT_TRY(find_name(state, err));
    LEAT_ASSERT(planned->timeout_port < state->run->step->ports);
    uint32_t port = match->timed_out ? planned->timeout_port : 0;
    LEAT_TRY(leat_run_make(state->run, port, json, out->name, out->at_ms, state->record, err));
    out->bytes += json.len;
    state->matches.full = out->bytes > DETECT_OUT_BYTES_MAX;
    state->matches.pause = leat_run_full(state->run);
    if (!match->missed) return LEAT_OK;
    (void)leat_err_set(&why, LEAT_ERR_INVALID,
                       "pattern %.*s: cannot skip to '%.*s', which took no event in this match",
                       LEAT_STR_ARG(pattern->name),
                       LEAT_STR_ARG(pattern->steps[pattern->skip_to]->name));
    return detect_reject(state, json, &why, err);
}

void detect_out_end(detect_state *state)
{
    leat_matches *matches = &state->matches;
    if (LEAT_UNLIKELY(matches->dropped > 0))
        leat_run_count(state->run, "partial_matches", matches->dropped);
    if (LEAT_UNLIKELY(matches->withheld > 0))
        leat_run_count(state->run, "matches", matches->withheld);
    matches->dropped = matches->withheld = 0;
}
