/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one pattern and one key: a cell of the step's table, whose live form is a matcher.
 * A cell is there only while something is held: an expired key leaves nothing behind.
 *
 * Which pattern a cell belongs to is told by the fingerprint in its bytes, not by the name in its
 * key: when a pattern was edited between two runs of the pipeline, its old partial matches mean
 * nothing any more and are dropped, while a new description or severity changes no fingerprint.
 *
 * After a restart the timers are set from the heads of the cells; nothing is decoded until an event
 * or a timer asks for the key. */
#include "cep/detect_inside.h"

#include "core/mem.h"

/* Of a cell whose pattern is gone. It is removed where it is met, so it is never written. */
#define STALE SIZE_MAX

leat_code detect_cell_new(const detect_state *state, size_t index, detect_cell **cell,
                          leat_err *err)
{
    LEAT_ASSERT(index < state->config->count);
    detect_cell *made = leat_mem_try(sizeof *made);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a key's state");
    *made = (detect_cell){.index = index, .timer_ms = LEAT_TIME_MAX};
    leat_code code = leat_matcher_new(state->config->patterns[index].nfa, &made->matcher, err);
    if (code != LEAT_OK) detect_cell_free(&made);
    *cell = made;
    return code;
}

void detect_cell_free(detect_cell **cell)
{
    if (*cell == NULL) return;
    leat_matcher_free(&(*cell)->matcher);
    leat_mem_free(*cell);
    *cell = NULL;
}

static size_t pattern_of(const detect_config *config, uint64_t fingerprint)
{
    for (size_t i = 0; i < config->count; i++)
        if (config->patterns[i].nfa->fingerprint == fingerprint) return i;
    return STALE;
}

static leat_code encode(void *self, const void *live, leat_buf *out, leat_err *err)
{
    const detect_state *state = self;
    const detect_cell *cell = live;
    LEAT_ASSERT(cell->matcher != NULL && !leat_matcher_empty(cell->matcher));
    return leat_matcher_encode(cell->matcher, state->work, out, err);
}

static leat_code decode(void *self, leat_str bytes, void **live, leat_err *err)
{
    const detect_state *state = self;
    uint64_t fingerprint = 0;
    int64_t deadline_ms = 0;
    LEAT_TRY(leat_matcher_peek(bytes, &fingerprint, &deadline_ms, err));
    detect_cell *cell = leat_mem_try(sizeof *cell);
    if (cell == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a key's state");
    *cell = (detect_cell){.index = pattern_of(state->config, fingerprint), .timer_ms = deadline_ms};
    if (cell->index != STALE) {
        const leat_nfa *nfa = state->config->patterns[cell->index].nfa;
        leat_code code = leat_matcher_decode(nfa, bytes, &cell->matcher, err);
        if (code != LEAT_OK) {
            detect_cell_free(&cell);
            return code;
        }
    }
    *live = cell;
    return LEAT_OK;
}

static void release(void *self, void *live)
{
    detect_cell *cell = live;
    (void)self;
    detect_cell_free(&cell);
}

const leat_table_type detect_cell_type = {encode, decode, release};

/* --- after a restart or an abort --- */

typedef struct restoring {
    detect_state *state;
    leat_buf stale; /* keys of cells to be removed, each with its length */
} restoring;

static leat_code restore_timer(void *context, leat_str key, leat_str committed, leat_err *err)
{
    restoring *r = context;
    uint64_t fingerprint = 0;
    int64_t deadline_ms = 0;
    LEAT_ASSERT(committed.data != NULL); /* nothing is under way now */
    LEAT_TRY(leat_matcher_peek(committed, &fingerprint, &deadline_ms, err));
    if (pattern_of(r->state->config, fingerprint) == STALE) {
        leat_buf_add_bytes(&r->stale, key);
        return leat_buf_check(&r->stale, "the keys of patterns that are gone", err);
    }
    if (deadline_ms == LEAT_TIME_MAX) return LEAT_OK;
    return leat_timers_set(r->state->timers, key, deadline_ms, err);
}

leat_code detect_cells_restored(detect_state *state, leat_err *err)
{
    restoring r = {.state = state};
    leat_buf_init(&r.stale, (size_t)1 << 30);
    leat_timers_clear(state->timers);
    leat_code code = leat_table_visit(state->table, restore_timer, &r, err);
    leat_reader keys = leat_reader_of(leat_buf_str(&r.stale));
    leat_str key;
    while (code == LEAT_OK && keys.at < keys.end && leat_reader_bytes(&keys, &key)) {
        leat_table_remove(state->table, key);
        leat_run_count(state->run, "pattern_gone", 1);
    }
    leat_buf_release(&r.stale);
    return code;
}
