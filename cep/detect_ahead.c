/* SPDX-License-Identifier: Apache-2.0 */
/* What the records to come will need from memory.
 *
 * With many keys nearly every record leads to a cell that nobody has looked at for a while, and
 * there to a chain of things that lie anywhere: slot of the table -> cell -> live object ->
 * matcher. Each link has to be there before the next can be asked for, so that a record waits for
 * memory longer than it takes. So the records behind the one in hand are looked at before their
 * turn:
 *
 *   record   r             r+1             r+2       r+3           r+5    r+7
 *            is processed  what it leads   matcher   live object   cell   lookup begun, key
 *                          to                                             evaluated -> slot
 *
 * The lookup and the key are worked out once, ahead, and used when it is the record's turn. What
 * fails other than by the record's fault is not kept: it fails again, when it may. All else here
 * has no effect but on the cache: whether the cell is there is found out by the record itself, as
 * those before it may make or remove it.
 *
 * The timer that fires next is asked for likewise, a step for each record that comes before it.
 *
 * Each record has a lookup of its own for that. Where all records share one key there is no use.
 * With many patterns that would be much memory to go through for each record: so there is one
 * lookup, and of the records to come only where their constants and predicates are is looked at
 * (leat_lookup_ahead).
 *
 * Refused: to evaluate keys ahead for all records (most of them concern nobody). */
#include "cep/detect_inside.h"

#include "core/mem.h"

#define AHEAD        8  /* a power of two */
#define PATTERNS_FEW 64 /* as many are worth it */
#define DEPTHS       4  /* of leat_table_ahead */

void detect_ahead_open(detect_state *state)
{
    const detect_config *config = state->config;
    bool keyed = false; /* what all records share is near by as it is */
    LEAT_ASSERT(config->count > 0 && state->aheads == NULL);
    for (uint32_t i = 0; i < config->groups_count; i++)
        keyed = keyed || config->groups[i].kind != DETECT_KEY_GLOBAL;
    state->aheads_count = keyed && config->count <= PATTERNS_FEW ? AHEAD : 1;
    state->aheads = leat_mem_need(state->aheads_count * sizeof *state->aheads);
    for (uint32_t i = 0; i < state->aheads_count; i++) {
        state->aheads[i].lookup = leat_lookup_new(config->index);
        leat_buf_init(&state->aheads[i].key, DETECT_CELL_BYTES_MAX);
    }
    state->ahead = state->aheads;
    state->lookup = state->ahead->lookup;
}

void detect_ahead_close(detect_state *state)
{
    for (uint32_t i = 0; i < state->aheads_count; i++) {
        leat_lookup_free(&state->aheads[i].lookup);
        leat_buf_release(&state->aheads[i].key);
    }
    leat_mem_free(state->aheads);
    state->aheads_count = 0;
    state->aheads = state->ahead = NULL;
    state->lookup = NULL;
}

static void look(detect_state *state, detect_ahead *ahead, const leat_record *record)
{
    leat_err why;
    const detect_config *config = state->config;
    ahead->group = DETECT_NONE;
    leat_run_eval(state->run, record, &ahead->eval);
    ahead->begun = leat_lookup_begin(ahead->lookup, &ahead->eval, &why) == LEAT_OK;
    if (!ahead->begun) return;
    uint64_t groups = leat_lookup_groups(ahead->lookup) | config->strict_groups;
    if (groups == 0) return;
    uint32_t group = (uint32_t)__builtin_ctzll(groups);
    ahead->code =
        detect_key_write(&config->groups[group], record, &ahead->eval, &ahead->key, &ahead->why);
    if (ahead->code != LEAT_OK && leat_code_blame(ahead->code) != LEAT_BLAME_RECORD) return;
    ahead->group = group;
    if (ahead->code != LEAT_OK) return;
    LEAT_ASSERT(ahead->key.len > config->groups[group].text.len);
    ahead->hash = leat_slots_hash(leat_buf_str(&ahead->key));
    leat_table_ahead(state->table, ahead->hash, 0);
}

static void ask(const detect_state *state, size_t at, uint32_t depth)
{
    const detect_ahead *ahead = &state->aheads[at & (AHEAD - 1)];
    if (at >= state->aheads_end || ahead->group == DETECT_NONE || ahead->code != LEAT_OK) return;
    leat_table_ahead(state->table, ahead->hash, depth);
}

/* Most often there is nothing to do: the first timer is as it was, and all was asked for. */
static void ask_timers(detect_state *state)
{
    detect_soon *soon = state->soon;
    uint32_t hash = 0;
    if (!leat_timers_soon(state->timers, 0, &hash)) return;
    bool same = soon[0].hash == hash;
    if (same && soon[0].depth > DEPTHS && soon[1].depth > DEPTHS) return;
    if (!same) { /* it has fired: the next moves up */
        soon[0] = soon[1];
        soon[1].depth = 0;
    }
    for (uint32_t i = 0; i < LEAT_TIMERS_SOON && leat_timers_soon(state->timers, i, &hash); i++) {
        if (soon[i].hash != hash) soon[i] = (detect_soon){.hash = hash};
        if (soon[i].depth <= DEPTHS) leat_table_ahead(state->table, hash, soon[i].depth++);
    }
}

void detect_ahead_to(detect_state *state, const leat_batch *in, size_t r)
{
    LEAT_ASSERT(r < in->count);
    if (state->aheads_count == 1) {
        size_t to = r + LEAT_LOOKUP_AHEAD;
        if (to < in->count) leat_lookup_ahead(state->lookup, in->records[to]->slots);
        return;
    }
    state->ahead = &state->aheads[r & (AHEAD - 1)];
    state->lookup = state->ahead->lookup;
    LEAT_ASSERT(state->aheads_count == AHEAD && r <= state->aheads_end);
    for (; state->aheads_end < in->count && state->aheads_end < r + AHEAD; state->aheads_end++)
        look(state, &state->aheads[state->aheads_end & (AHEAD - 1)],
             in->records[state->aheads_end]);
    ask(state, r + 5, 1);
    ask(state, r + 3, 2);
    ask(state, r + 2, 3);
    ask(state, r + 1, 4);
    ask_timers(state);
}

bool detect_ahead_key(detect_state *state, uint32_t group, detect_key *key)
{
    detect_ahead *ahead = state->ahead;
    if (ahead->group != group || !ahead->begun) return false;
    LEAT_ASSERT(ahead->key.len > 0 && state->record != NULL);
    leat_buf mine = key->buf;
    key->buf = ahead->key;
    ahead->key = mine;
    key->hash = ahead->hash;
    key->code = ahead->code;
    if (key->code != LEAT_OK) key->why = ahead->why;
    ahead->group = DETECT_NONE; /* it is the key's now */
    return true;
}
