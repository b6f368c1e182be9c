/* SPDX-License-Identifier: Apache-2.0 */
/* A stateful step for tests of exec, as small as one can be: it counts records per key, says so for
 * each, and when a key has been silent for PROBE_SILENCE_MS of event time, says that and forgets
 * it. So its output shows order, state and timers. */
#ifndef LEAT_TESTS_UNIT_EXEC_PROBE_H
#define LEAT_TESTS_UNIT_EXEC_PROBE_H

#include "core/mem.h"
#include "core/timers.h"
#include "transforms/operator.h"

#define PROBE_SILENCE_MS 100

typedef struct probe_cell {
    uint64_t count;
    int64_t due_ms;
} probe_cell;

typedef struct probe_state {
    leat_table *table;
    leat_timers *timers;
    leat_buf text;
} probe_state;

static leat_code probe_encode(void *self, void *live, leat_buf *out, leat_err *err)
{
    (void)self;
    const probe_cell *cell = live;
    leat_buf_add_varuint(out, cell->count);
    leat_buf_add_varint(out, cell->due_ms);
    return leat_buf_check(out, "cell", err);
}

static leat_code probe_decode(void *self, leat_str bytes, void **live, leat_err *err)
{
    (void)self;
    leat_reader reader = leat_reader_of(bytes);
    probe_cell *cell = leat_mem_need(sizeof *cell);
    *live = cell;
    if (leat_reader_varuint(&reader, &cell->count) && leat_reader_varint(&reader, &cell->due_ms))
        return LEAT_OK;
    leat_mem_free(cell);
    return leat_err_set(err, LEAT_ERR_DAMAGED, "cell");
}

static void probe_release(void *self, void *live)
{
    (void)self;
    leat_mem_free(live);
}

static const leat_table_type probe_type = {probe_encode, probe_decode, probe_release,
                                           NULL,         NULL,         NULL};

static bool probe_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    (void)json;
    leat_planner_new_shape(planner, step);
    return true;
}

static void probe_close(leat_run *run)
{
    probe_state *state = run->state;
    if (state == NULL) return;
    leat_timers_free(&state->timers);
    leat_buf_release(&state->text);
    leat_mem_free(state);
}

static leat_code probe_open(leat_run *run, leat_err *err)
{
    probe_state *state = leat_mem_need(sizeof *state);
    run->state = state;
    state->timers = leat_timers_new();
    leat_buf_init(&state->text, 1 << 20);
    return leat_run_table(run, "cells", &probe_type, state, &state->table, err);
}

static leat_code probe_fire(leat_run *run, int64_t now_ms, leat_err *err)
{
    probe_state *state = run->state;
    leat_str key;
    int64_t at_ms;
    while (leat_timers_pop(state->timers, now_ms, &key, &at_ms)) {
        void *live = NULL;
        LEAT_TRY(leat_table_find(state->table, key, &live, err));
        LEAT_ASSERT(live != NULL);
        leat_buf_reset(&state->text);
        leat_buf_add_format(
            &state->text, "{\"silent\":\"%.*s\",\"count\":%llu,\"at\":%lld}", LEAT_STR_ARG(key),
            (unsigned long long)((const probe_cell *)live)->count, (long long)at_ms);
        LEAT_TRY(leat_run_make(run, 0, leat_buf_str(&state->text), key, at_ms, NULL, err));
        leat_table_remove(state->table, key);
    }
    return LEAT_OK;
}

static leat_code probe_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    probe_state *state = run->state;
    for (size_t i = 0; i < in->count; i++) {
        const leat_record *record = in->records[i];
        LEAT_TRY(probe_fire(run, record->timestamp_ms, err));
        void *live = NULL;
        LEAT_TRY(leat_table_find(state->table, record->key, &live, err));
        probe_cell *cell = live;
        if (cell == NULL) {
            live = cell = leat_mem_need(sizeof *cell);
            leat_code code = leat_table_put(state->table, record->key, &live, err);
            if (code != LEAT_OK) {
                leat_mem_free(cell);
                return code;
            }
        } else {
            leat_table_touch(state->table, record->key);
        }
        cell->count++;
        cell->due_ms = record->timestamp_ms + PROBE_SILENCE_MS;
        LEAT_TRY(leat_timers_set(state->timers, record->key, cell->due_ms, err));
        leat_str json;
        LEAT_TRY(leat_run_encode(run, record, &json, err));
        leat_buf_reset(&state->text);
        leat_buf_add_format(&state->text, "{\"seen\":\"%.*s\",\"count\":%llu,\"of\":%.*s}",
                            LEAT_STR_ARG(record->key), (unsigned long long)cell->count,
                            LEAT_STR_ARG(json));
        LEAT_TRY(leat_run_make(run, 0, leat_buf_str(&state->text), record->key,
                               record->timestamp_ms, record, err));
    }
    return LEAT_OK;
}

static leat_code probe_restore_cell(void *context, leat_str key, leat_str committed, leat_err *err)
{
    probe_state *state = context;
    void *live = NULL;
    if (committed.data == NULL) return LEAT_OK;
    LEAT_TRY(probe_decode(NULL, committed, &live, err));
    leat_code code = leat_timers_set(state->timers, key, ((probe_cell *)live)->due_ms, err);
    leat_mem_free(live);
    return code;
}

static leat_code probe_restored(leat_run *run, leat_err *err)
{
    probe_state *state = run->state;
    leat_timers_clear(state->timers);
    return leat_table_visit(state->table, probe_restore_cell, state, err);
}

static const leat_operator_type leat_operator_probe = {
    .name = "probe",
    .doc = "For tests.",
    .schema = "{}",
    .stateful = true,
    .plan = probe_plan,
    .open = probe_open,
    .close = probe_close,
    .process = probe_process,
    .advance = probe_fire,
    .restored = probe_restored,
};

#endif
