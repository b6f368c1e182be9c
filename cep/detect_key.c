/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the record in hand. Patterns with the same key expression are a group and share their
 * cells, so that an event costs one evaluation and one look into the table per group that it
 * concerns, however many patterns there are.
 *
 *   a cell's key:  text of the key expression | NUL | the key as JSON
 *
 * The text is empty for the record's own key, and `*` for one sequence of all. It is part of the
 * key because two expressions may have the same values and mean different things by them; a
 * pattern's own name is not, which is what lets patterns share a cell.
 *
 * What is found for a record is kept until the next: patterns ask one after the other, and a cell
 * is settled (its timer set, or the cell removed) once, when all have been fed. */
#include "cep/detect_inside.h"

#include "schemas/codec_json.h"

leat_code detect_key_write(const detect_group *group, const leat_record *record,
                           const leat_eval *eval, leat_buf *buf, leat_err *err)
{
    leat_value value = LEAT_VALUE_NULL;
    LEAT_ASSERT(record != NULL);
    leat_buf_reset(buf);
    leat_buf_add(buf, group->text);
    leat_buf_add_char(buf, '\0');
    leat_code code = LEAT_OK;
    if (group->expr != NULL)
        code = leat_expr_eval(group->expr, eval, &value, err);
    else if (group->kind == DETECT_KEY_RECORD && record->key.data != NULL)
        value = leat_value_text(leat_str_utf8_valid(record->key) ? LEAT_STRING : LEAT_BYTES,
                                record->key);
    if (code == LEAT_OK) code = leat_json_write(value, eval->arena, buf, err);
    if (code != LEAT_OK) return leat_err_prefix(err, "key");
    return leat_buf_check(buf, "a key", err);
}

/* The live cell of the key. One whose patterns are all gone is removed. */
static leat_code find_cell(detect_state *state, detect_key *key, leat_err *err)
{
    void *live = NULL;
    leat_str whole = leat_buf_str(&key->buf);
    LEAT_TRY(leat_table_find_hashed(state->table, whole, key->hash, &live, err));
    key->cell = live;
    if (live == NULL || key->cell->count > 0) return LEAT_OK;
    leat_table_remove(state->table, whole);
    key->cell = NULL;
    return LEAT_OK;
}

static void use(detect_state *state, detect_key *key)
{
    LEAT_ASSERT(state->used_count <= state->config->groups_count);
    key->event = state->event;
    key->code = LEAT_OK;
    key->cell = NULL;
    key->touched = false;
    state->used[state->used_count++] = (uint32_t)(key - state->keys);
}

leat_code detect_key_find(detect_state *state, uint32_t group, const leat_eval *eval,
                          detect_key **key, leat_err *err)
{
    LEAT_ASSERT(group < state->config->groups_count);
    const detect_group *of = &state->config->groups[group];
    detect_key *k = &state->keys[group];
    *key = k;
    if (k->event == state->event) return LEAT_OK;
    use(state, k);
    if (!detect_ahead_key(state, group, k)) {
        k->code = detect_key_write(of, state->record, eval, &k->buf, &k->why);
        k->hash = leat_slots_hash(leat_buf_str(&k->buf));
    }
    if (k->code != LEAT_OK)
        return leat_code_blame(k->code) == LEAT_BLAME_RECORD ? LEAT_OK : (*err = k->why, k->code);
    return find_cell(state, k, err);
}

leat_code detect_key_set(detect_state *state, leat_str whole, uint32_t hash, detect_key **key,
                         leat_err *err)
{
    detect_key *k = &state->keys[state->config->groups_count]; /* behind those of the groups */
    *key = k;
    use(state, k);
    leat_buf_reset(&k->buf);
    leat_buf_add(&k->buf, whole);
    LEAT_TRY(leat_buf_check(&k->buf, "a key", err));
    k->hash = hash;
    return find_cell(state, k, err);
}

leat_str detect_key_json(const detect_key *key)
{
    leat_str whole = leat_buf_str(&key->buf);
    const char *end = memchr(whole.data, '\0', whole.len);
    LEAT_ASSERT(end != NULL); /* neither an expression nor JSON has one */
    return leat_str_slice(whole, (size_t)(end - whole.data) + 1, whole.len);
}

void detect_key_touch(detect_state *state, detect_key *key)
{
    LEAT_ASSERT(key->cell != NULL && key->event == state->event);
    if (key->touched) return;
    leat_table_touch(state->table, leat_buf_str(&key->buf));
    key->touched = true;
}

leat_code detect_key_put(detect_state *state, detect_key *key, leat_err *err)
{
    LEAT_ASSERT(key->cell == NULL && key->event == state->event);
    detect_cell *cell = detect_cell_new(state, err);
    if (cell == NULL) return LEAT_ERR_MEMORY;
    void *live = cell;
    leat_code code =
        leat_table_put_hashed(state->table, leat_buf_str(&key->buf), key->hash, &live, err);
    if (code != LEAT_OK) {
        detect_cell_free(state, &cell);
        return code;
    }
    key->cell = cell;
    key->touched = true;
    return LEAT_OK;
}

leat_code detect_timer_set(detect_state *state, leat_str whole, uint32_t hash, int64_t at_ms,
                           leat_err *err)
{
    if (at_ms != LEAT_TIME_MAX)
        return leat_timers_set_hashed(state->timers, whole, hash, at_ms, err);
    leat_timers_cancel_hashed(state->timers, whole, hash);
    return LEAT_OK;
}

static leat_code settle(detect_state *state, const detect_key *key, leat_err *err)
{
    detect_cell *cell = key->cell;
    leat_str whole = leat_buf_str(&key->buf);
    if (cell->count == 0) {
        leat_timers_cancel_hashed(state->timers, whole, key->hash);
        leat_table_remove_hashed(state->table, whole, key->hash);
        return LEAT_OK;
    }
    int64_t deadline_ms = detect_cell_deadline(cell);
    if (deadline_ms == cell->timer_ms) return LEAT_OK;
    cell->timer_ms = deadline_ms;
    return detect_timer_set(state, whole, key->hash, deadline_ms, err);
}

leat_code detect_keys_settle(detect_state *state, leat_err *err)
{
    for (uint32_t i = 0; i < state->used_count; i++) {
        const detect_key *key = &state->keys[state->used[i]];
        if (key->touched) LEAT_TRY(settle(state, key, err));
    }
    state->used_count = 0;
    return LEAT_OK;
}
