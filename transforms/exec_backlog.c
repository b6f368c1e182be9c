/* SPDX-License-Identifier: Apache-2.0 */
/* Records that a step has parked: it has made so much of those before them that what it made has to
 * go out first (leat_run_park).
 *
 *   round 1   in: 1 2 3 4 5 6        the step: 1 2 3|        backlog: 3 4 5 6   (3 half done)
 *   round 2   in: backlog            the step: 3 4|          backlog: 4 5 6
 *   round 3   in: backlog, 7         the step: 4 5 6 7       backlog: none
 *
 * The 7 is what a step in front, which has parked too, has made meanwhile. Records are held as
 * bytes, as in a reorder buffer, and go to the table "backlog" only if a commit comes between two
 * rounds: then a restart finds them in front of the step, whose own state says how far it was with
 * the first of them. Time stands still for the step and all behind it until it is through; so the
 * rounds make no difference to what comes out, only to when.
 *
 * Held by an older version of the pipeline, with slots that mean something else now, they are made
 * anew where they come straight from a reorder buffer. Else other steps that keep state have seen
 * them already: then they go to the dead letter, as nothing may be lost without a word.
 * Cost: of each round, a copy of what is left. */
#include <stdlib.h>

#include "core/mem.h"
#include "transforms/exec_inside.h"

leat_code exec_backlog_open(leat_exec *exec, exec_node *node, leat_err *err)
{
    node->backlog = leat_mem_need(sizeof *node->backlog);
    return exec_order_setup(exec, node, &node->backlog->held, "backlog", err);
}

void exec_backlog_clear(exec_node *node)
{
    exec_backlog *backlog = node->backlog;
    if (backlog == NULL) return;
    while (backlog->count > 0)
        exec_held_drop(backlog->held.exec, backlog->items[--backlog->count]);
}

void exec_backlog_close(exec_node *node)
{
    if (node->backlog == NULL) return;
    leat_mem_free(node->backlog->items);
    leat_mem_free(node->backlog);
    node->backlog = NULL;
}

static leat_code put(exec_backlog *backlog, exec_held *held, leat_err *err)
{
    if (backlog->count == backlog->size) {
        size_t size = backlog->size == 0 ? 64 : backlog->size * 2;
        exec_held **items = leat_mem_try_resize(backlog->items, size * sizeof(exec_held *));
        if (items == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for records");
        backlog->items = items;
        backlog->size = size;
    }
    backlog->items[backlog->count++] = held;
    return LEAT_OK;
}

/* One that cannot be held ends here, as in a reorder buffer. */
static leat_code hold(exec_node *node, const leat_record *record, leat_err *err)
{
    exec_backlog *backlog = node->backlog;
    leat_exec *exec = backlog->held.exec;
    exec_held *held = NULL;
    leat_err why;
    leat_code code = exec_held_new(exec, &backlog->held, record, &held, &why);
    if (code != LEAT_OK) {
        node->counts.rejected++;
        return exec_reject(exec, backlog->held.place, record, &why, err);
    }
    held->number = ++backlog->held.number;
    code = put(backlog, held, err);
    if (code != LEAT_OK) exec_held_drop(exec, held);
    return code;
}

leat_code exec_backlog_join(exec_node *node, const leat_batch *in, leat_batch *all, leat_err *err)
{
    exec_backlog *backlog = node->backlog;
    leat_exec *exec = backlog->held.exec;
    *all = *in;
    if (LEAT_LIKELY(backlog->count == 0)) return LEAT_OK;
    *all = (leat_batch){0};
    LEAT_TRY(leat_batch_reserve(all, backlog->count + in->count, exec->arena, err));
    for (size_t i = 0; i < backlog->count; i++) {
        leat_record *record = NULL;
        LEAT_TRY(exec_held_record(&backlog->held, backlog->items[i], exec->arena, &record, err));
        record->moment = exec_moment_of(exec, record->timestamp_ms);
        LEAT_TRY(leat_batch_add(all, record, exec->arena, err));
    }
    for (size_t i = 0; i < in->count; i++)
        LEAT_TRY(leat_batch_add(all, in->records[i], exec->arena, err));
    backlog->given = all->records;
    node->counts.in -= backlog->count; /* they were counted when they came */
    return LEAT_OK;
}

leat_code exec_backlog_keep(exec_node *node, const leat_batch *in, size_t from, leat_err *err)
{
    exec_backlog *backlog = node->backlog;
    size_t count = in == NULL ? 0 : in->count;
    size_t kept = 0;
    for (size_t i = 0; i < backlog->count; i++) {
        exec_held *held = backlog->items[i];
        if (from < count && in->records[from] == backlog->given[i]) {
            backlog->items[kept++] = held;
            from++;
        } else {
            exec_order_leave(&backlog->held, held);
        }
    }
    backlog->count = kept;
    for (; from < count; from++)
        LEAT_TRY(hold(node, in->records[from], err));
    return LEAT_OK;
}

leat_code exec_backlog_flush(exec_node *node, leat_err *err)
{
    exec_backlog *backlog = node->backlog;
    for (size_t i = 0; i < backlog->count; i++)
        LEAT_TRY(exec_order_store(&backlog->held, backlog->items[i], err));
    return LEAT_OK;
}

/* --- after a restart or an abort --- */

static leat_code restore_cell(void *context, leat_str key, leat_str committed, leat_err *err)
{
    exec_backlog *backlog = context;
    exec_held *held = NULL;
    if (committed.data == NULL) return LEAT_OK;
    LEAT_TRY(exec_order_restore(&backlog->held, key, committed, &held, err));
    leat_code code = put(backlog, held, err);
    if (code != LEAT_OK) leat_mem_free(held);
    return code;
}

static int compare_held(const void *a, const void *b)
{
    uint64_t i = (*(exec_held *const *)a)->number;
    uint64_t j = (*(exec_held *const *)b)->number;
    return i < j ? -1 : i > j;
}

/* What this version of the pipeline makes of it; NULL: nothing. */
static leat_code make_anew(exec_node *node, const exec_held *held, leat_record **record,
                           leat_err *err)
{
    leat_exec *exec = node->backlog->held.exec;
    exec_node *input = exec_node_at(exec, node->plan->input);
    leat_record *origin = NULL;
    leat_err why;
    if (input->plan->at == LEAT_AT_ORDER) return exec_rebuild(input, held, record, err);
    *record = NULL;
    exec->carries = true; /* the message and the dead letter live in the arena */
    LEAT_TRY(exec_held_origin(&node->backlog->held, held, exec->arena, &origin, err));
    (void)leat_err_set(&why, LEAT_ERR_INVALID,
                       "the pipeline was changed while the record was at this step");
    return exec_reject(exec, node->run.step->place, origin, &why, err);
}

static leat_code restore_foreign(exec_node *node, size_t at, leat_err *err)
{
    exec_backlog *backlog = node->backlog;
    exec_held *old = backlog->items[at];
    exec_held *held = NULL;
    leat_record *record = NULL;
    LEAT_TRY(make_anew(node, old, &record, err));
    LEAT_TRY(exec_order_renew(&backlog->held, old, record, &held, err));
    backlog->items[at] = held;
    exec_held_drop(backlog->held.exec, old);
    return LEAT_OK;
}

leat_code exec_backlog_restored(exec_node *node, leat_err *err)
{
    exec_backlog *backlog = node->backlog;
    exec_backlog_clear(node);
    backlog->held.number = 0;
    LEAT_TRY(leat_table_visit(backlog->held.table, restore_cell, backlog, err));
    if (backlog->count > 1)
        qsort(backlog->items, backlog->count, sizeof(exec_held *), compare_held);
    leat_code code = LEAT_OK;
    size_t kept = 0;
    for (size_t i = 0; i < backlog->count; i++) {
        if (code == LEAT_OK && backlog->items[i]->foreign) code = restore_foreign(node, i, err);
        if (backlog->items[i] != NULL) backlog->items[kept++] = backlog->items[i];
    }
    backlog->count = kept;
    node->parked = kept > 0;
    return code;
}
