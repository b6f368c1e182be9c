/* SPDX-License-Identifier: Apache-2.0 */
/* Where the step stands while what it has made goes out.
 *
 * A record, or a timer, may let more matches go than the outputs of one round should hold. The
 * matcher rests then: what is left of its matches is in the key's cell, with all else that is under
 * way for the key. Here is what the step as a whole has to remember: whose matches rest, and
 * whether a record has let them go or time.
 *
 *   record   it comes again as the first of the next round, is shown to no pattern up to the one
 *            whose matches rest, and to those behind it when they are out. The list may be edited
 *            meanwhile: so the names of those that have seen it are written down, and of whatever
 *            is in the list then, the others are shown it
 *   timer    matches first; then other timers, and the record in front of which they fire
 *
 * It is state, a cell of its own that is there only meanwhile: a restart between two rounds goes on
 * with the very next match. If the pattern is gone by then its matches are, too, as are its partial
 * matches (pattern_gone); the record goes to those that have not seen it.
 *
 *   version 2 | timer | rejected | pattern's fingerprint | number of the record | time |
 *   key of the cell | hashes of the names of those that have seen the record */
#include "cep/detect_inside.h"

#define VERSION 2

static const leat_str paused_key = {"step", 4};

static uint64_t name_hash(const detect_state *state, uint32_t index)
{
    LEAT_ASSERT(index < state->config->count);
    return leat_str_hash_fixed(state->config->patterns[index].pattern->name);
}

/* Has it been shown the record. */
static bool has_seen(const detect_paused *paused, uint32_t index)
{
    LEAT_ASSERT(paused->is && !paused->timer);
    if (paused->moved) return leat_marks_has(&paused->seen, index);
    return index <= paused->index;
}

static leat_code encode(void *self, void *live, leat_buf *out, leat_err *err)
{
    const detect_state *state = self;
    const detect_paused *paused = &state->paused;
    LEAT_ASSERT(live == self && paused->is);
    bool gone = paused->index >= state->config->count;
    leat_buf_add_char(out, VERSION);
    leat_buf_add_char(out, (char)paused->timer);
    leat_buf_add_char(out, (char)paused->rejected);
    leat_buf_add_u64(out, gone ? 0 : state->config->patterns[paused->index].nfa->fingerprint);
    leat_buf_add_varuint(out, paused->seq);
    leat_buf_add_varint(out, paused->at_ms);
    leat_buf_add_bytes(out, leat_buf_str(&paused->key));
    for (uint32_t i = 0; i < state->config->count && !paused->timer; i++)
        if (has_seen(paused, i)) leat_buf_add_u64(out, name_hash(state, i));
    return leat_buf_check(out, "where a step stands", err);
}

static leat_code decode(void *self, leat_str bytes, void **live, leat_err *err)
{
    (void)bytes; /* read by detect_pause_restored */
    (void)err;
    *live = self;
    return LEAT_OK;
}

static void release(void *self, void *live)
{
    LEAT_ASSERT(live == self);
}

static const leat_table_type paused_type = {encode, decode, release, NULL, NULL, NULL};

leat_code detect_pause_open(detect_state *state, leat_err *err)
{
    leat_buf_init(&state->paused.key, DETECT_CELL_BYTES_MAX);
    leat_marks_init(&state->paused.seen, state->config->count);
    return leat_run_table(state->run, "paused", &paused_type, state, &state->paused_table, err);
}

void detect_pause_close(detect_state *state)
{
    leat_buf_release(&state->paused.key);
    leat_marks_release(&state->paused.seen);
}

/* The cell changes, or is there now. */
static leat_code note(detect_state *state, leat_err *err)
{
    void *live = NULL;
    LEAT_TRY(leat_table_find(state->paused_table, paused_key, &live, err));
    if (live != NULL) {
        leat_table_touch(state->paused_table, paused_key);
        return LEAT_OK;
    }
    live = state;
    return leat_table_put(state->paused_table, paused_key, &live, err);
}

leat_code detect_pause(detect_state *state, const detect_key *key, uint32_t index, bool timer,
                       int64_t at_ms, leat_err *err)
{
    detect_paused *paused = &state->paused;
    LEAT_ASSERT(!paused->is && key->cell != NULL && key->touched);
    paused->is = true;
    paused->timer = timer;
    paused->rejected = !timer && state->rejected;
    paused->index = index;
    paused->seq = timer ? 0 : state->record->seq;
    paused->at_ms = at_ms;
    leat_buf_reset(&paused->key);
    leat_buf_add(&paused->key, leat_buf_str(&key->buf));
    LEAT_TRY(leat_buf_check(&paused->key, "a key", err));
    return note(state, err);
}

/* The cell whose matches rest becomes that of the key in hand: the record's own, unless the
 * pipeline was changed and it has another key now. */
static leat_code find_key(detect_state *state, const leat_eval *eval, detect_key **key,
                          leat_err *err)
{
    const detect_paused *paused = &state->paused;
    leat_str whole = leat_buf_str(&paused->key);
    if (eval == NULL) {
        state->event++;
        return detect_key_set(state, whole, leat_slots_hash(whole), key, err);
    }
    LEAT_TRY(detect_key_find(state, state->config->patterns[paused->index].group, eval, key, err));
    if ((*key)->code == LEAT_OK && leat_str_equal(leat_buf_str(&(*key)->buf), whole))
        return LEAT_OK;
    return detect_key_set(state, whole, leat_slots_hash(whole), key, err);
}

static leat_code go_on(detect_state *state, const leat_eval *eval, detect_key *key,
                       detect_part *part, leat_err *err)
{
    const detect_paused *paused = &state->paused;
    uint32_t index = paused->index;
    detect_key_touch(state, key);
    LEAT_TRY(detect_part_open(state, key->cell, part, err));
    leat_testing *testing = detect_testing(state, index);
    if (eval != NULL) leat_testing_begin(testing, eval, NULL, detect_keep, state);
    detect_out_begin(state, index, testing, detect_key_json(key), paused->at_ms);
    if (leat_matcher_resting(part->matcher))
        LEAT_TRY(leat_matcher_resume(part->matcher, state->work, &state->matches, err));
    state->paused.is = leat_matcher_resting(part->matcher);
    if (paused->is) state->paused.rejected = !paused->timer && state->rejected;
    detect_out_end(state);
    return detect_part_close(state, key->cell, part, err);
}

leat_code detect_go_on(detect_state *state, const leat_eval *eval, leat_err *err)
{
    detect_paused *paused = &state->paused;
    detect_key *key = NULL;
    detect_part *part = NULL;
    LEAT_ASSERT(paused->is && paused->timer == (eval == NULL));
    if (paused->index < state->config->count) LEAT_TRY(find_key(state, eval, &key, err));
    if (key != NULL && key->code == LEAT_OK && key->cell != NULL)
        part = detect_cell_find(key->cell, paused->index);
    if (part != NULL)
        LEAT_TRY(go_on(state, eval, key, part, err));
    else
        paused->is = false; /* the pipeline was changed */
    if (paused->is)
        LEAT_TRY(note(state, err));
    else
        leat_table_remove(state->paused_table, paused_key);
    return eval == NULL ? detect_keys_settle(state, err) : LEAT_OK;
}

void detect_pause_meet(detect_state *state, const leat_record *record)
{
    detect_paused *paused = &state->paused;
    if (!paused->is || paused->timer) return;
    paused->timer = record == NULL || record->seq != paused->seq;
}

/* --- after a restart or an abort --- */

/* Those that have seen the record, as far as they are still in the list. */
static leat_code restore_seen(detect_state *state, leat_reader names, leat_err *err)
{
    detect_paused *paused = &state->paused;
    uint32_t count = state->config->count;
    uint64_t hash = 0;
    uint64_t known = 0;
    uint32_t i = 0;
    leat_str key = {(const char *)&hash, sizeof hash};
    leat_map *hashes = leat_map_new();
    leat_code code = LEAT_OK;
    LEAT_ASSERT(paused->is && paused->index <= count);
    leat_marks_clear(&paused->seen);
    for (leat_reader in = names; code == LEAT_OK && leat_reader_u64(&in, &hash);)
        code = leat_map_put(hashes, key, 0, err);
    for (i = 0; i < count && code == LEAT_OK; i++) {
        hash = name_hash(state, i);
        if (leat_map_get(hashes, key, &known)) leat_marks_add(&paused->seen, i);
    }
    leat_map_free(&hashes);
    LEAT_TRY(code);
    if ((names.end - names.at) % 8 != 0)
        return leat_err_set(err, LEAT_ERR_DAMAGED, "where a step stood cannot be read");
    for (i = 0; i < count && leat_marks_has(&paused->seen, i) == (i <= paused->index);)
        i++;
    paused->moved = !paused->timer && i < count;
    return LEAT_OK;
}

static leat_code restore_cell(void *context, leat_str key, leat_str committed, leat_err *err)
{
    detect_state *state = context;
    detect_paused *paused = &state->paused;
    leat_reader in = leat_reader_of(committed);
    uint8_t version = 0;
    uint8_t timer = 0;
    uint8_t rejected = 0;
    uint64_t fingerprint = 0;
    leat_str cell = LEAT_STR_NONE;
    if (committed.data == NULL) return LEAT_OK;
    if (!leat_str_equal(key, paused_key) || !leat_reader_u8(&in, &version) || version != VERSION ||
        !leat_reader_u8(&in, &timer) || !leat_reader_u8(&in, &rejected) ||
        !leat_reader_u64(&in, &fingerprint) || !leat_reader_varuint(&in, &paused->seq) ||
        !leat_reader_varint(&in, &paused->at_ms) || !leat_reader_bytes(&in, &cell))
        return leat_err_set(err, LEAT_ERR_DAMAGED, "where a step stood cannot be read");
    uint32_t index = detect_by_fingerprint(state->config, fingerprint);
    paused->is = true;
    paused->timer = timer != 0;
    paused->rejected = rejected != 0;
    paused->index = index != DETECT_NONE ? index : state->config->count;
    LEAT_TRY(restore_seen(state, in, err));
    leat_buf_reset(&paused->key);
    leat_buf_add(&paused->key, cell);
    return leat_buf_check(&paused->key, "a key", err);
}

leat_code detect_pause_restored(detect_state *state, leat_err *err)
{
    state->paused.is = state->paused.moved = false;
    return leat_table_visit(state->paused_table, restore_cell, state, err);
}
