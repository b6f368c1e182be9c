/* SPDX-License-Identifier: Apache-2.0 */
/* detect: patterns over a stream. The matcher's only door to the rest.
 *
 *   record -> timers that are due
 *          -> index: which predicates hold, and which patterns could begin a match
 *          -> for each key expression that is concerned: key -> cell: which patterns that hold
 *             something for the key have a condition that holds
 *          -> for each of those patterns, in their order: matcher fed -> alerts
 *
 * Most records mean nothing to most patterns: they cost the tests of the index, and no look into
 * state. A pattern without state for the key is touched only by what could begin a match of it.
 *
 * Time: a cell has one timer, the next deadline of its matchers. Timers fire in order of (time,
 * key), of one key in the order of patterns, each at its own time, before the first record of that
 * time or a later one, so that what comes out depends on the sequence of records alone: not on
 * batches, nor on when other keys' records or the watermark happen to come.
 *
 * A condition that cannot be evaluated is reported by the first pattern that asks for it, once per
 * record. Patterns that nothing but such a condition concerns are visited only until then.
 *
 * Events that have to wait for their order (order_by) are held by the matcher and fed when time has
 * passed over them; their conditions read the held text, as the record is gone by then. Such
 * patterns are outside the index.
 *
 * Held events are copied once per record, shared by all patterns that take it. */
#include "cep/op_detect.h"

#include "cep/detect_inside.h"
#include "core/mem.h"
#include "transforms/exec.h"

#define FEW_PARTS 16 /* of a cell: as many are asked one by one */

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
    if (state->event_held != NULL) return LEAT_OK;
    LEAT_TRY(leat_run_text(state->run, record, &json, err));
    leat_identity identity = {0, 0};
    if (message != NULL)
        identity = leat_identity_of(topic_hash(state, message->topic), message->partition,
                                    message->offset);
    leat_pool *pool = leat_matcher_work_pool(state->work);
    return leat_event_new(pool, json, record->timestamp_ms, identity, &state->event_held, err);
}

leat_code detect_keep(void *self, leat_event **event, leat_err *err)
{
    detect_state *state = self;
    if (state->record != NULL) LEAT_TRY(make_event(state, err));
    LEAT_ASSERT(state->event_held != NULL);
    *event = leat_event_share(state->event_held);
    return LEAT_OK;
}

leat_testing *detect_testing(const detect_state *state, uint32_t index)
{
    const detect_pattern *planned = &state->config->patterns[index];
    if (planned->conditions->held) return state->held[planned->held];
    leat_testing_use(state->testing, planned->conditions, state->lookup, index);
    return state->testing;
}

/* --- feeding --- */

/* Feeds the event in hand; the testing knows it. */
static leat_code feed(detect_state *state, leat_matcher *matcher, leat_testing *testing,
                      int64_t timestamp_ms, leat_err *err)
{
    state->out.reported = false;
    LEAT_TRY(leat_matcher_feed(matcher, state->work, timestamp_ms, leat_testing_host(testing),
                               &state->matches, err));
    return detect_report(state, err);
}

/* Puts a new matcher into the cell, if it holds anything. */
static leat_code add_part(detect_state *state, detect_key *key, uint32_t index,
                          leat_matcher **matcher, leat_err *err)
{
    if (leat_matcher_empty(*matcher)) return LEAT_OK;
    if (key->cell == NULL) LEAT_TRY(detect_key_put(state, key, err));
    detect_key_touch(state, key);
    return detect_cell_add(state, key->cell, index, matcher, err);
}

static leat_code feed_new(detect_state *state, detect_key *key, uint32_t index,
                          leat_testing *testing, int64_t timestamp_ms, leat_err *err)
{
    const leat_nfa *nfa = state->config->patterns[index].nfa;
    leat_matcher *matcher = NULL;
    bool starts = false;
    LEAT_TRY(leat_matcher_starts(nfa, leat_testing_host(testing), &starts, err));
    state->out.reported = false;
    if (!starts) return detect_report(state, err);
    LEAT_TRY(leat_matcher_make(state->work, nfa, &matcher, err));
    leat_code code = feed(state, matcher, testing, timestamp_ms, err);
    bool rests = code == LEAT_OK && leat_matcher_resting(matcher);
    if (code == LEAT_OK) code = add_part(state, key, index, &matcher, err);
    leat_matcher_drop(state->work, &matcher);
    if (rests && code == LEAT_OK) return detect_pause(state, key, index, false, timestamp_ms, err);
    return code;
}

/* order_by: the event waits until its time has passed. */
static leat_code hold(detect_state *state, uint32_t index, const leat_eval *eval, leat_err *err)
{
    const detect_pattern *planned = &state->config->patterns[index];
    leat_testing *testing = detect_testing(state, index);
    leat_value order = LEAT_VALUE_NULL;
    leat_err why = {0};
    detect_key *key = NULL;
    leat_matcher *matcher = NULL;
    bool idle = false;
    LEAT_TRY(make_event(state, err));
    leat_testing_begin(testing, eval, state->event_held, detect_keep, state);
    if (!planned->nfa->strict) LEAT_TRY(leat_testing_idle(testing, &idle, err));
    if (idle) return LEAT_OK;
    LEAT_TRY(detect_key_find(state, planned->group, eval, &key, err));
    if (key->code != LEAT_OK) return detect_reject(state, LEAT_STR_NONE, &key->why, err);
    leat_code code = leat_testing_order(testing, &order, &why);
    if (code != LEAT_OK) {
        (void)leat_err_prefix(&why, "pattern %.*s, order_by", LEAT_STR_ARG(planned->pattern->name));
        LEAT_TRY(detect_reject(state, LEAT_STR_NONE, &why, err));
    }
    order = leat_matcher_order_value(order);
    detect_part *part = key->cell == NULL ? NULL : detect_cell_find(key->cell, index);
    if (part != NULL) {
        detect_key_touch(state, key);
        LEAT_TRY(detect_part_open(state, key->cell, part, err));
        LEAT_TRY(leat_matcher_hold(part->matcher, state->event_held, order, err));
        return detect_part_close(state, key->cell, part, err);
    }
    LEAT_TRY(leat_matcher_make(state->work, planned->nfa, &matcher, err));
    code = leat_matcher_hold(matcher, state->event_held, order, err);
    if (code == LEAT_OK) code = add_part(state, key, index, &matcher, err);
    leat_matcher_drop(state->work, &matcher);
    return code;
}

/* A pattern that the record could concern. */
static leat_code visit(detect_state *state, uint32_t index, const leat_eval *eval, leat_err *err)
{
    LEAT_ASSERT(index < state->config->count && state->record != NULL);
    const detect_pattern *planned = &state->config->patterns[index];
    int64_t timestamp_ms = state->record->timestamp_ms;
    detect_key *key = NULL;
    if (planned->conditions->held) return hold(state, index, eval, err);
    LEAT_TRY(detect_key_find(state, planned->group, eval, &key, err));
    if (key->code != LEAT_OK) {
        if (key->reporter != index) return LEAT_OK;
        return detect_reject(state, LEAT_STR_NONE, &key->why, err);
    }
    detect_part *part = key->cell == NULL ? NULL : detect_cell_find(key->cell, index);
    if (part != NULL) leat_matcher_ahead(part->matcher);
    leat_testing *testing = detect_testing(state, index);
    leat_testing_begin(testing, eval, NULL, detect_keep, state);
    detect_out_begin(state, index, testing, detect_key_json(key), timestamp_ms);
    if (part == NULL) {
        LEAT_TRY(feed_new(state, key, index, testing, timestamp_ms, err));
    } else {
        detect_key_touch(state, key);
        LEAT_TRY(detect_part_open(state, key->cell, part, err));
        if (LEAT_UNLIKELY(leat_matcher_resting(part->matcher))) /* but the step stands nowhere */
            return leat_err_set(err, LEAT_ERR_DAMAGED,
                                "the state of a key is damaged: matches of it still come out");
        LEAT_TRY(feed(state, part->matcher, testing, timestamp_ms, err));
        if (LEAT_UNLIKELY(leat_matcher_resting(part->matcher)))
            LEAT_TRY(detect_pause(state, key, index, false, timestamp_ms, err));
        LEAT_TRY(detect_part_close(state, key->cell, part, err));
    }
    detect_out_end(state);
    return LEAT_OK;
}

/* --- who is concerned --- */

/* A key that cannot be evaluated is the fault of the first pattern that needs it. */
static leat_code find_reporter(detect_state *state, uint32_t group, detect_key *key, leat_err *err)
{
    const detect_config *config = state->config;
    key->reporter = DETECT_NONE;
    for (uint32_t i = 0; i < config->count && key->reporter == DETECT_NONE; i++) {
        const detect_pattern *planned = &config->patterns[i];
        leat_verdict verdict = LEAT_VERDICT_HOLDS;
        if (planned->group != group || planned->conditions->held) continue;
        if (!planned->nfa->strict)
            LEAT_TRY(leat_lookup_pattern(state->lookup, i, true, &verdict, err));
        if (verdict != LEAT_VERDICT_FAILS) key->reporter = i;
    }
    if (key->reporter != DETECT_NONE) leat_marks_add(&state->visits, key->reporter);
    return LEAT_OK;
}

/* Of a cell with many parts: those of the patterns with a condition that holds, not the other way
 * round. */
static void mark_many(detect_state *state, const detect_cell *cell, bool strict)
{
    const leat_marks *live = leat_lookup_live(state->lookup);
    uint32_t index = 0;
    for (uint32_t from = 0; leat_marks_next(live, from, &index); from = index + 1)
        if (detect_cell_find(cell, index) != NULL) leat_marks_add(&state->visits, index);
    for (uint32_t i = 0; strict && i < cell->count; i++)
        if (state->config->patterns[cell->parts[i].index].nfa->strict)
            leat_marks_add(&state->visits, cell->parts[i].index);
}

/* Marks the patterns that hold something for the key and are concerned by the record. */
static leat_code mark_cell(detect_state *state, const detect_cell *cell, bool strict, leat_err *err)
{
    if (cell->count > FEW_PARTS && !leat_lookup_broken(state->lookup)) {
        mark_many(state, cell, strict);
        return LEAT_OK;
    }
    for (uint32_t i = 0; i < cell->count; i++) {
        uint32_t index = cell->parts[i].index;
        const detect_pattern *planned = &state->config->patterns[index];
        leat_verdict verdict = LEAT_VERDICT_HOLDS;
        if (planned->conditions->held) continue;
        if (!planned->nfa->strict)
            LEAT_TRY(leat_lookup_pattern(state->lookup, index, false, &verdict, err));
        if (verdict == LEAT_VERDICT_HOLDS) leat_marks_add(&state->visits, index);
        if (verdict == LEAT_VERDICT_BROKEN) leat_marks_add(&state->broken, index);
    }
    return LEAT_OK;
}

static leat_code mark_group(detect_state *state, uint32_t group, const leat_eval *eval,
                            leat_err *err)
{
    detect_key *key = NULL;
    LEAT_TRY(detect_key_find(state, group, eval, &key, err));
    if (key->code != LEAT_OK) return find_reporter(state, group, key, err);
    if (key->cell == NULL) return LEAT_OK;
    return mark_cell(state, key->cell, state->config->groups[group].strict, err);
}

/* *any: somebody may be concerned. */
static leat_code mark_all(detect_state *state, const leat_eval *eval, bool *any, leat_err *err)
{
    const detect_config *config = state->config;
    uint64_t groups = leat_lookup_groups(state->lookup) | config->strict_groups;
    *any = groups != 0 || config->held_count > 0;
    if (!*any) return LEAT_OK; /* most events mean nothing to anybody */
    leat_marks_clear(&state->visits);
    leat_marks_clear(&state->broken);
    for (; groups != 0; groups &= groups - 1) {
        uint32_t group = (uint32_t)__builtin_ctzll(groups);
        uint32_t end = group < 63 ? group + 1 : config->groups_count;
        for (; group < end; group++)
            LEAT_TRY(mark_group(state, group, eval, err));
    }
    leat_marks_join(&state->visits, leat_lookup_starts(state->lookup));
    leat_marks_join(&state->broken, leat_lookup_broken_starts(state->lookup));
    for (uint32_t i = 0; i < config->held_count; i++)
        leat_marks_add(&state->visits, config->held[i]);
    return LEAT_OK;
}

/* Of most records one pattern at most is concerned, and no set of patterns has to be made. *done:
 * that was so. */
static leat_code process_lone(detect_state *state, const leat_eval *eval, bool *done, leat_err *err)
{
    const detect_config *config = state->config;
    detect_key *key = NULL;
    uint32_t pattern = 0;
    bool starts = false;
    *done = false;
    if (config->strict_groups != 0 || config->held_count > 0) return LEAT_OK;
    if (!leat_lookup_lone(state->lookup, &pattern, &starts)) return LEAT_OK;
    LEAT_TRY(detect_key_find(state, config->patterns[pattern].group, eval, &key, err));
    if (key->code != LEAT_OK) return LEAT_OK; /* somebody has to report it */
    *done = true;
    if (!starts && (key->cell == NULL || detect_cell_find(key->cell, pattern) == NULL))
        return LEAT_OK;
    return visit(state, pattern, eval, err);
}

/* again: matches of it rest, and patterns behind theirs have not seen it; or, if the list was
 * edited meanwhile, those that are not in paused.seen. */
static leat_code process_record(detect_state *state, const leat_eval *eval, bool again,
                                leat_err *err)
{
    detect_paused *paused = &state->paused;
    bool moved = again && paused->moved;
    uint32_t from = again && !moved ? paused->index + 1 : 0;
    bool any = false;
    bool done = false;
    LEAT_ASSERT(state->used_count == 0);
    if (!state->ahead->begun) LEAT_TRY(leat_lookup_begin(state->lookup, eval, err));
    if (LEAT_LIKELY(!again)) LEAT_TRY(process_lone(state, eval, &done, err));
    if (done) return detect_keys_settle(state, err);
    LEAT_TRY(mark_all(state, eval, &any, err));
    if (LEAT_UNLIKELY(again)) LEAT_TRY(detect_go_on(state, eval, err));
    while (any && !paused->is) {
        uint32_t next = DETECT_NONE;
        uint32_t broken = DETECT_NONE;
        (void)leat_marks_next(&state->visits, from, &next);
        if (!state->rejected) (void)leat_marks_next(&state->broken, from, &broken);
        if (broken < next) next = broken;
        if (next == DETECT_NONE) break;
        from = next + 1;
        if (LEAT_UNLIKELY(moved) && leat_marks_has(&paused->seen, next)) continue;
        if (LEAT_UNLIKELY(moved)) leat_marks_add(&paused->seen, next);
        LEAT_TRY(visit(state, next, eval, err));
    }
    if (LEAT_UNLIKELY(moved)) paused->moved = paused->is;
    return detect_keys_settle(state, err);
}

/* Whether the record could mean anything to anybody, as far as a look ahead has told: most do not.
 */
static inline bool is_of_use(const detect_state *state)
{
    const detect_config *config = state->config;
    if (!state->ahead->begun || config->held_count > 0) return true;
    return (leat_lookup_groups(state->lookup) | config->strict_groups) != 0;
}

/* --- time --- */

/* Events that have waited for their order, now that time has passed over them. */
static leat_code feed_held(detect_state *state, leat_matcher *matcher, leat_testing *testing,
                           int64_t now_ms, leat_err *err)
{
    leat_code code = LEAT_OK;
    while (code == LEAT_OK && !leat_matcher_resting(matcher) &&
           leat_matcher_unhold(matcher, now_ms, &state->event_held)) {
        leat_eval base = {.arena = leat_run_arena(state->run)};
        leat_testing_begin(testing, &base, state->event_held, detect_keep, state);
        code = feed(state, matcher, testing, state->event_held->timestamp_ms, err);
        leat_event_release(&state->event_held);
    }
    return code;
}

static leat_code fire_part(detect_state *state, const detect_key *key, detect_part *part,
                           int64_t at_ms, leat_err *err)
{
    uint32_t index = part->index;
    LEAT_TRY(detect_part_open(state, key->cell, part, err));
    leat_testing *testing = detect_testing(state, index);
    detect_out_begin(state, index, testing, detect_key_json(key), at_ms);
    LEAT_TRY(feed_held(state, part->matcher, testing, at_ms, err));
    if (!leat_matcher_resting(part->matcher))
        LEAT_TRY(leat_matcher_advance(part->matcher, state->work, at_ms, &state->matches, err));
    bool rests = leat_matcher_resting(part->matcher);
    LEAT_ASSERT(rests || leat_matcher_empty(part->matcher) ||
                leat_matcher_deadline(part->matcher) > at_ms);
    if (rests) LEAT_TRY(detect_pause(state, key, index, true, at_ms, err));
    detect_out_end(state);
    return detect_part_close(state, key->cell, part, err);
}

/* A cell from which nothing comes out: *done, and no matcher has seen time pass. */
static leat_code fire_quiet(detect_state *state, const leat_timer *timer, bool *done, leat_err *err)
{
    void *live = NULL;
    detect_due due = DETECT_DUE_OPEN;
    int64_t at_ms = timer->at_ms;
    int64_t deadline_ms = at_ms;
    leat_str key = timer->key;
    leat_str bytes = leat_table_peek(state->table, key, timer->hash, &live);
    detect_cell *cell = live;
    if (cell != NULL) due = detect_cell_quiet(cell, at_ms, &deadline_ms);
    if (bytes.data != NULL) LEAT_TRY(detect_cell_look(bytes, at_ms, &due, &deadline_ms, err));
    if (cell == NULL && bytes.data == NULL) due = DETECT_DUE_OVER; /* nothing was left to encode */
    *done = due != DETECT_DUE_OPEN;
    if (due == DETECT_DUE_OPEN) return LEAT_OK;
    if (due == DETECT_DUE_LATER) {
        if (cell != NULL && cell->timer_ms != deadline_ms) {
            leat_table_touch(state->table, key);
            cell->timer_ms = deadline_ms;
        }
        if (deadline_ms == LEAT_TIME_MAX)
            leat_timers_cancel_hashed(state->timers, key, timer->hash);
        else
            leat_timers_postpone(state->timers, deadline_ms);
        return LEAT_OK;
    }
    if (!leat_timers_pop(state->timers, at_ms, &key, &at_ms)) LEAT_ASSERT(false);
    leat_table_remove_hashed(state->table, key, timer->hash);
    return LEAT_OK;
}

static leat_code fire(detect_state *state, const leat_timer *timer, leat_err *err)
{
    detect_key *key = NULL;
    detect_part *part = NULL;
    int64_t at_ms = timer->at_ms;
    bool done = false;
    state->event++;
    LEAT_TRY(fire_quiet(state, timer, &done, err));
    if (done) return LEAT_OK;
    LEAT_TRY(detect_key_set(state, timer->key, timer->hash, &key, err));
    LEAT_ASSERT(key->cell != NULL && key->cell->timer_ms >= at_ms);
    if (key->cell->timer_ms > at_ms) { /* that was found out when it was encoded */
        LEAT_TRY(detect_timer_set(state, timer->key, timer->hash, key->cell->timer_ms, err));
        return detect_keys_settle(state, err);
    }
    detect_key_touch(state, key);
    while (!state->paused.is && (part = detect_cell_due(key->cell, at_ms)) != NULL)
        LEAT_TRY(fire_part(state, key, part, at_ms, err));
    return detect_keys_settle(state, err);
}

static __attribute__((noinline)) leat_code fire_all(detect_state *state, int64_t now_ms,
                                                    leat_err *err)
{
    leat_timer next;
    const leat_record *record = state->record;
    state->record = NULL;
    if (state->paused.is) LEAT_TRY(detect_go_on(state, NULL, err));
    bool full = state->paused.is;
    while (!full && leat_timers_peek(state->timers, now_ms, &next)) {
        LEAT_TRY(fire(state, &next, err));
        full = state->paused.is || leat_run_full(state->run);
    }
    state->parks = full && (state->paused.is || leat_timers_peek(state->timers, now_ms, &next));
    state->record = record;
    return LEAT_OK;
}

/* state->parks: time did not come so far, as there is enough to send. */
static inline leat_code fire_until(detect_state *state, int64_t now_ms, leat_err *err)
{
    state->parks = false;
    if (LEAT_LIKELY(leat_timers_next(state->timers) > now_ms && !state->paused.is)) return LEAT_OK;
    return fire_all(state, now_ms, err);
}

/* --- the operator --- */

static leat_code detect_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    detect_state *state = run->state;
    if (state->config->count == 0) return LEAT_OK;
    detect_ahead_batch(state);
    for (size_t r = 0; r < in->count; r++) {
        const leat_record *record = in->records[r];
        detect_pause_meet(state, record);
        bool again = state->paused.is && !state->paused.timer;
        LEAT_ASSERT(state->event_held == NULL);
        if (LEAT_UNLIKELY(r > 0 && leat_run_full(run))) return leat_run_park(run, in, r, err);
        detect_ahead_to(state, in, r);
        if (!again) LEAT_TRY(fire_until(state, record->timestamp_ms, err));
        if (!again && state->parks) return leat_run_park(run, in, r, err);
        state->record = record;
        state->rejected = again && state->paused.rejected;
        state->event++;
        leat_code code = LEAT_OK;
        if (again || is_of_use(state)) {
            leat_eval *eval = &state->ahead->eval;
            leat_run_eval(run, record, eval);
            code = process_record(state, eval, again, err);
            leat_event_release(&state->event_held);
        }
        state->record = NULL;
        LEAT_TRY(code);
        if (LEAT_UNLIKELY(state->paused.is)) return leat_run_park(run, in, r, err);
    }
    return LEAT_OK;
}

static leat_code detect_advance(leat_run *run, int64_t watermark_ms, leat_err *err)
{
    detect_state *state = run->state;
    LEAT_ASSERT(state->record == NULL);
    detect_pause_meet(state, NULL);
    LEAT_TRY(fire_until(state, watermark_ms, err));
    return state->parks ? leat_run_park(run, NULL, 0, err) : LEAT_OK;
}

static leat_code detect_restored(leat_run *run, leat_err *err)
{
    detect_state *state = run->state;
    state->matches.withheld = state->matches.dropped = 0; /* of what was aborted */
    leat_event_release(&state->event_held);
    state->record = NULL;
    state->used_count = 0;
    state->event++;
    LEAT_TRY(detect_cells_restored(state, err));
    LEAT_TRY(detect_pause_restored(state, err));
    /* Or time was let pass only in part. */
    bool due = leat_timers_next(state->timers) <= leat_exec_watermark(run->exec);
    return state->paused.is || due ? leat_run_park(run, NULL, 0, err) : LEAT_OK;
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
    state->matches = (leat_matches){.match = detect_out, .self = state};
    leat_buf_init(&state->alert, DETECT_ALERT_BYTES_MAX);
    leat_buf_init(&state->part, DETECT_CELL_BYTES_MAX);
    state->keys = leat_mem_need((config->groups_count + 1) * sizeof *state->keys);
    state->used = leat_mem_need((config->groups_count + 1) * sizeof *state->used);
    for (uint32_t i = 0; i <= config->groups_count; i++)
        leat_buf_init(&state->keys[i].buf, DETECT_CELL_BYTES_MAX);
    leat_marks_init(&state->visits, config->count);
    leat_marks_init(&state->broken, config->count);
    if (config->count > 0) {
        detect_ahead_open(state);
        state->testing = leat_testing_new(config->patterns[0].conditions);
    }
    state->held = leat_mem_need((config->held_count + 1) * sizeof(leat_testing *));
    for (uint32_t i = 0; i < config->held_count; i++)
        state->held[i] = leat_testing_new(config->patterns[config->held[i]].conditions);
    LEAT_TRY(detect_pause_open(state, err));
    return leat_run_table(run, "matches", &detect_cell_type, state, &state->table, err);
}

static void detect_close(leat_run *run)
{
    detect_state *state = run->state;
    if (state == NULL) return;
    for (uint32_t i = 0; i < state->config->held_count; i++)
        leat_testing_free(&state->held[i]);
    for (uint32_t i = 0; i <= state->config->groups_count; i++)
        leat_buf_release(&state->keys[i].buf);
    detect_pause_close(state);
    leat_testing_free(&state->testing);
    detect_ahead_close(state);
    leat_marks_release(&state->visits);
    leat_marks_release(&state->broken);
    leat_event_release(&state->event_held);
    detect_cells_close(state);
    leat_matcher_work_free(&state->work);
    leat_timers_free(&state->timers);
    leat_buf_release(&state->alert);
    leat_buf_release(&state->part);
    leat_mem_free(state->topic);
    leat_mem_free(state->held);
    leat_mem_free(state->keys);
    leat_mem_free(state->used);
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
    .parks = true,
    .plan = detect_plan,
    .open = detect_open,
    .close = detect_close,
    .process = detect_process,
    .advance = detect_advance,
    .restored = detect_restored,
};
