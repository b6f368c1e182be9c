/* SPDX-License-Identifier: Apache-2.0 */
/* detect: patterns over a stream. The matcher's only door to the rest.
 *
 *   record -> timers that are due -> for each pattern:
 *       does any condition hold, whatever was taken so far?   no: next pattern
 *       key -> cell -> matcher fed -> alerts
 *
 * Most records mean nothing to most patterns: they cost their conditions, and no look into state.
 *
 * Time: a cell has one timer, its matcher's next deadline. Timers fire in order of (time, key),
 * each at its own time, before the first record of that time or a later one, so that what comes out
 * depends on the sequence of records alone: not on batches, nor on when other keys' records or the
 * watermark happen to come.
 *
 * Events that have to wait for their order (order_by) are held by the matcher and fed when time has
 * passed over them; their conditions read the held text, as the record is gone by then.
 *
 * Held events are copied once per record, shared by all patterns that take it. */
#include "cep/op_detect.h"

#include "cep/detect_inside.h"
#include "core/mem.h"
#include "schemas/codec_json.h"

/* --- the record in hand --- */

static uint64_t topic_hash(detect_state *state, leat_str topic)
{
    leat_str last = {state->topic, state->topic_len};
    if (state->topic != NULL && leat_str_equal(last, topic)) return state->topic_hash;
    leat_mem_free(state->topic);
    state->topic = leat_mem_need(topic.len + 1);
    if (topic.len > 0) memcpy(state->topic, topic.data, topic.len);
    state->topic_len = topic.len;
    state->topic_hash = leat_str_hash_fixed(topic);
    return state->topic_hash;
}

static leat_code make_event(detect_state *state, leat_err *err)
{
    const leat_record *record = state->record;
    const leat_message *message = record->message;
    leat_str json;
    if (state->event != NULL) return LEAT_OK;
    LEAT_TRY(leat_run_encode(state->run, record, &json, err));
    leat_identity identity = {0, 0};
    if (message != NULL)
        identity = leat_identity_of(topic_hash(state, message->topic), message->partition,
                                    message->offset);
    return leat_event_new(json, record->timestamp_ms, identity, &state->event, err);
}

static leat_code keep(void *self, leat_event **event, leat_err *err)
{
    detect_state *state = self;
    if (state->record != NULL) LEAT_TRY(make_event(state, err));
    LEAT_ASSERT(state->event != NULL);
    *event = leat_event_share(state->event);
    return LEAT_OK;
}

/* The cell's key: the pattern's name, NUL, and the key as JSON, which is *key. */
static leat_code cell_key(detect_state *state, const detect_pattern *planned, const leat_eval *eval,
                          leat_str *key, leat_err *err)
{
    leat_buf *buf = &state->cell_key;
    leat_value value = LEAT_VALUE_NULL;
    const leat_record *record = state->record;
    leat_buf_reset(buf);
    leat_buf_add(buf, planned->pattern->name);
    leat_buf_add_char(buf, '\0');
    size_t from = buf->len;
    if (planned->key_kind == DETECT_KEY_EXPR)
        LEAT_TRY(leat_expr_eval(planned->key, eval, &value, err));
    if (planned->key_kind == DETECT_KEY_RECORD && record->key.data != NULL)
        value = leat_value_text(leat_str_utf8_valid(record->key) ? LEAT_STRING : LEAT_BYTES,
                                record->key);
    LEAT_TRY(leat_json_write(value, eval->arena, buf, err));
    LEAT_TRY(leat_buf_check(buf, "a key", err));
    *key = leat_str_slice(leat_buf_str(buf), from, buf->len);
    return LEAT_OK;
}

/* --- cells --- */

/* The live cell of cell_key; NULL: there is none. A cell of a pattern that is gone is removed. */
static leat_code find_cell(detect_state *state, leat_str key, detect_cell **cell, leat_err *err)
{
    void *live = NULL;
    LEAT_TRY(leat_table_find(state->table, key, &live, err));
    *cell = live;
    if (live == NULL || (*cell)->matcher != NULL) return LEAT_OK;
    leat_table_remove(state->table, key);
    *cell = NULL;
    return LEAT_OK;
}

/* After a matcher was fed or time has passed: its timer, or the end of its cell. */
static leat_code settle_cell(detect_state *state, leat_str key, detect_cell *cell, leat_err *err)
{
    if (leat_matcher_empty(cell->matcher)) {
        if (cell->timer_ms != LEAT_TIME_MAX) leat_timers_cancel(state->timers, key);
        leat_table_remove(state->table, key);
        return LEAT_OK;
    }
    int64_t deadline_ms = leat_matcher_deadline(cell->matcher);
    if (deadline_ms == cell->timer_ms) return LEAT_OK;
    cell->timer_ms = deadline_ms;
    if (deadline_ms != LEAT_TIME_MAX) return leat_timers_set(state->timers, key, deadline_ms, err);
    leat_timers_cancel(state->timers, key);
    return LEAT_OK;
}

/* Puts a new cell into the table, which owns it then. */
static leat_code put_cell(detect_state *state, leat_str key, detect_cell *cell, leat_err *err)
{
    void *live = cell;
    leat_code code = leat_table_put(state->table, key, &live, err);
    if (code == LEAT_OK) return settle_cell(state, key, cell, err);
    detect_cell_free(&cell);
    return code;
}

/* --- feeding --- */

static leat_code report_failure(detect_state *state, size_t index, leat_err *err)
{
    const leat_err *failure = leat_testing_failure(state->testings[index]);
    if (failure == NULL) return LEAT_OK;
    leat_err why = *failure;
    (void)leat_err_prefix(&why, "pattern %.*s",
                          LEAT_STR_ARG(state->config->patterns[index].pattern->name));
    leat_str json = state->event != NULL ? leat_event_json(state->event) : LEAT_STR("null");
    return detect_reject(state, json, &why, err);
}

/* Feeds the event in hand to a cell, which is new where it is not in the table yet. */
static leat_code feed_cell(detect_state *state, size_t index, detect_cell *cell,
                           int64_t timestamp_ms, leat_err *err)
{
    leat_testing *testing = state->testings[index];
    LEAT_TRY(leat_matcher_feed(cell->matcher, state->work, timestamp_ms, leat_testing_host(testing),
                               &state->matches, err));
    return report_failure(state, index, err);
}

/* A new cell with the event in hand; it goes into the table if it holds anything. */
static leat_code feed_new(detect_state *state, size_t index, leat_str key, int64_t timestamp_ms,
                          leat_err *err)
{
    detect_cell *cell = NULL;
    LEAT_TRY(detect_cell_new(state, index, &cell, err));
    leat_code code = feed_cell(state, index, cell, timestamp_ms, err);
    if (code == LEAT_OK && !leat_matcher_empty(cell->matcher))
        return put_cell(state, key, cell, err);
    detect_cell_free(&cell);
    return code;
}

/* order_by: the event waits until its time has passed. */
static leat_code hold(detect_state *state, size_t index, const leat_eval *eval, leat_err *err)
{
    leat_testing *testing = state->testings[index];
    leat_value order = LEAT_VALUE_NULL;
    leat_err why = {0};
    leat_str key;
    bool idle = false;
    LEAT_TRY(make_event(state, err));
    leat_testing_begin(testing, eval, state->event, keep, state);
    const detect_pattern *planned = &state->config->patterns[index];
    if (!planned->nfa->strict) LEAT_TRY(leat_testing_idle(testing, &idle, err));
    if (idle) return LEAT_OK;
    leat_code code = cell_key(state, planned, eval, &key, &why);
    if (code != LEAT_OK) return detect_reject(state, LEAT_STR_NONE, &why, err);
    code = leat_testing_order(testing, &order, &why);
    if (code != LEAT_OK) LEAT_TRY(detect_reject(state, LEAT_STR_NONE, &why, err));
    order = leat_matcher_order_value(order);
    leat_str whole = leat_buf_str(&state->cell_key);
    detect_cell *cell = NULL;
    LEAT_TRY(find_cell(state, whole, &cell, err));
    if (cell != NULL) {
        leat_table_touch(state->table, whole);
        LEAT_TRY(leat_matcher_hold(cell->matcher, state->event, order, err));
        return settle_cell(state, whole, cell, err);
    }
    LEAT_TRY(detect_cell_new(state, index, &cell, err));
    code = leat_matcher_hold(cell->matcher, state->event, order, err);
    if (code == LEAT_OK) return put_cell(state, whole, cell, err);
    detect_cell_free(&cell);
    return code;
}

static leat_code feed_pattern(detect_state *state, size_t index, const leat_eval *eval,
                              leat_err *err)
{
    LEAT_ASSERT(index < state->config->count && state->record != NULL);
    const detect_pattern *planned = &state->config->patterns[index];
    leat_testing *testing = state->testings[index];
    int64_t timestamp_ms = state->record->timestamp_ms;
    bool matters = true;
    leat_err why = {0};
    leat_str key;
    if (planned->conditions->held) return hold(state, index, eval, err);
    leat_testing_begin(testing, eval, NULL, keep, state);
    if (!planned->nfa->strict) {
        bool idle = false;
        LEAT_TRY(leat_testing_idle(testing, &idle, err));
        if (idle) return LEAT_OK;
    }
    leat_code code = cell_key(state, planned, eval, &key, &why);
    if (code != LEAT_OK) return detect_reject(state, LEAT_STR_NONE, &why, err);
    leat_str whole = leat_buf_str(&state->cell_key);
    detect_cell *cell = NULL;
    LEAT_TRY(find_cell(state, whole, &cell, err));
    if (cell != NULL) {
        leat_table_touch(state->table, whole);
        LEAT_TRY(feed_cell(state, index, cell, timestamp_ms, err));
        LEAT_TRY(settle_cell(state, whole, cell, err));
    } else {
        LEAT_TRY(leat_matcher_starts(planned->nfa, leat_testing_host(testing), &matters, err));
        if (matters) LEAT_TRY(feed_new(state, index, whole, timestamp_ms, err));
        if (!matters) LEAT_TRY(report_failure(state, index, err));
    }
    return detect_out(state, index, key, timestamp_ms, err);
}

/* --- time --- */

/* Events that have waited for their order, now that time has passed over them. */
static leat_code feed_held(detect_state *state, detect_cell *cell, int64_t now_ms, leat_err *err)
{
    leat_code code = LEAT_OK;
    while (code == LEAT_OK && leat_matcher_unhold(cell->matcher, now_ms, &state->event)) {
        leat_eval base = {.arena = leat_run_arena(state->run)};
        leat_testing_begin(state->testings[cell->index], &base, state->event, keep, state);
        code = feed_cell(state, cell->index, cell, state->event->timestamp_ms, err);
        leat_event_release(&state->event);
    }
    return code;
}

static leat_code fire(detect_state *state, leat_str timer_key, int64_t at_ms, leat_err *err)
{
    leat_buf *buf = &state->cell_key;
    detect_cell *cell = NULL;
    leat_buf_reset(buf);
    leat_buf_add(buf, timer_key); /* it is void when the next timer is set */
    LEAT_TRY(leat_buf_check(buf, "a key", err));
    leat_str whole = leat_buf_str(buf);
    LEAT_TRY(find_cell(state, whole, &cell, err));
    LEAT_ASSERT(cell != NULL && cell->timer_ms == at_ms);
    leat_table_touch(state->table, whole);
    cell->timer_ms = LEAT_TIME_MAX;
    size_t index = cell->index;
    leat_str name = state->config->patterns[index].pattern->name;
    leat_str key = leat_str_slice(whole, name.len + 1, whole.len);
    LEAT_TRY(feed_held(state, cell, at_ms, err));
    LEAT_TRY(leat_matcher_advance(cell->matcher, state->work, at_ms, &state->matches, err));
    LEAT_TRY(settle_cell(state, whole, cell, err));
    return detect_out(state, index, key, at_ms, err);
}

static leat_code fire_until(detect_state *state, int64_t now_ms, leat_err *err)
{
    leat_str key;
    int64_t at_ms = 0;
    if (LEAT_LIKELY(leat_timers_next(state->timers) > now_ms)) return LEAT_OK;
    const leat_record *record = state->record;
    state->record = NULL;
    while (leat_timers_pop(state->timers, now_ms, &key, &at_ms))
        LEAT_TRY(fire(state, key, at_ms, err));
    state->record = record;
    return LEAT_OK;
}

/* --- the operator --- */

static leat_code detect_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    detect_state *state = run->state;
    const detect_config *config = state->config;
    for (size_t r = 0; r < in->count; r++) {
        const leat_record *record = in->records[r];
        leat_eval eval;
        LEAT_ASSERT(state->event == NULL);
        leat_code code = fire_until(state, record->timestamp_ms, err);
        state->record = record;
        state->rejected = false;
        leat_run_eval(run, record, &eval);
        for (size_t i = 0; i < config->count && code == LEAT_OK; i++)
            code = feed_pattern(state, i, &eval, err);
        leat_event_release(&state->event);
        state->record = NULL;
        LEAT_TRY(code);
    }
    return LEAT_OK;
}

static leat_code detect_advance(leat_run *run, int64_t watermark_ms, leat_err *err)
{
    detect_state *state = run->state;
    LEAT_ASSERT(state->record == NULL);
    return fire_until(state, watermark_ms, err);
}

static leat_code detect_restored(leat_run *run, leat_err *err)
{
    detect_state *state = run->state;
    leat_matches_reset(&state->matches); /* of what was aborted */
    state->record = NULL;
    return detect_cells_restored(state, err);
}

static leat_code detect_open(leat_run *run, leat_err *err)
{
    detect_state *state = leat_mem_need(sizeof *state);
    const detect_config *config = run->step->config;
    run->state = state;
    state->run = run;
    state->config = config;
    state->timers = leat_timers_new();
    state->work = leat_matcher_work_new();
    leat_buf_init(&state->cell_key, DETECT_CELL_BYTES_MAX);
    leat_buf_init(&state->alert, DETECT_ALERT_BYTES_MAX);
    state->testings = leat_mem_need((config->count + 1) * sizeof(leat_testing *));
    for (size_t i = 0; i < config->count; i++)
        state->testings[i] = leat_testing_new(config->patterns[i].conditions);
    return leat_run_table(run, "matches", &detect_cell_type, state, &state->table, err);
}

static void detect_close(leat_run *run)
{
    detect_state *state = run->state;
    if (state == NULL) return;
    for (size_t i = 0; i < state->config->count; i++)
        leat_testing_free(&state->testings[i]);
    leat_matches_release(&state->matches);
    leat_event_release(&state->event);
    leat_matcher_work_free(&state->work);
    leat_timers_free(&state->timers);
    leat_buf_release(&state->cell_key);
    leat_buf_release(&state->alert);
    leat_mem_free(state->topic);
    leat_mem_free(state->testings);
    leat_mem_free(state);
    run->state = NULL;
}

bool leat_detect_rekeys(const leat_step *step)
{
    LEAT_ASSERT(step->type == &leat_operator_detect && step->config != NULL);
    return ((const detect_config *)step->config)->rekeys;
}

const leat_operator_type leat_operator_detect = {
    .name = "detect",
    .doc = "Finds patterns in the stream and passes on an alert for each match; the records "
           "themselves end here. Patterns are files, or objects in place. An alert is a JSON "
           "object: `pattern`, `version`, `key`, `severity`, `tags`, `start` and `end` "
           "(milliseconds), `match_id`, `events` by step, and the fields of `emit`.\n\n"
           "```json\n{ \"detect\": { \"patterns\": [\"patterns/*.json\"], \"key\": \"card_id\" } "
           "}\n```\n",
    .options = detect_options,
    .options_count = DETECT_OPTIONS_COUNT,
    .stateful = true,
    .plan = detect_plan,
    .open = detect_open,
    .close = detect_close,
    .process = detect_process,
    .advance = detect_advance,
    .restored = detect_restored,
};
