/* SPDX-License-Identifier: Apache-2.0 */
/* A task: one source of the plan on one partition number, with its state and its place in the
 * input. Owner: the shard. Thread: the shard's.
 *
 *   RESTORING --changelog read to its end--> RUNNING --bounded input at its end--> ENDED
 *
 * Offsets: `next` is the one to read next, `committed` what the log knows; they are equal right
 * after a commit. */
#ifndef LEAT_WORKER_TASK_H
#define LEAT_WORKER_TASK_H

#include "transforms/exec.h"
#include "worker/log.h"

typedef enum leat_task_state {
    LEAT_TASK_RESTORING,
    LEAT_TASK_RUNNING,
    LEAT_TASK_ENDED
} leat_task_state;

typedef struct leat_input {
    char *topic;
    int32_t partition;
    int64_t next;      /* LEAT_OFFSET_NONE: nothing was read yet */
    int64_t committed; /* where a rewind goes to */
    int64_t heard_ms;  /* when the last record came (monotonic clock) */
    bool idle;
    uint64_t gaps; /* offsets passed over: markers, compaction */
} leat_input;

typedef struct leat_task {
    leat_task_state state;
    uint32_t source;
    int32_t partition;
    leat_exec *exec;
    leat_input *inputs;
    size_t inputs_count;
    leat_restore *restore; /* while RESTORING */
    uint64_t restored;     /* records */
    int64_t restore_began_ms;
    bool ready;        /* its state is restored */
    bool grew;         /* inputs that came while it was at work: exec is to be told */
    bool dirty;        /* something to commit */
    bool more;         /* has outputs left; its partitions are paused until they are out */
    bool waits;        /* for this schema; its partitions are paused meanwhile */
    bool tables_first; /* its streams are paused until its tables have been read */
    leat_want missing;
} leat_task;

leat_code leat_task_new(const leat_plan *plan, uint32_t source, int32_t partition,
                        uint64_t state_bytes_max, leat_task **task, leat_err *err) LEAT_CHECKED;
/* restore must be closed by the shard before. */
void leat_task_free(leat_task **task);
leat_code leat_task_input_add(leat_task *task, leat_str topic, int32_t partition, int64_t offset,
                              leat_err *err) LEAT_CHECKED;
bool leat_task_input_remove(leat_task *task, leat_str topic, int32_t partition);
leat_input *leat_task_input(leat_task *task, leat_str topic, int32_t partition);
/* One record of the changelog. Unknown tables (of an older pipeline) are counted in *unknown. */
leat_code leat_task_restore_cell(leat_task *task, const leat_message *message, uint64_t *unknown,
                                 leat_err *err) LEAT_CHECKED;
/* Tells exec which inputs it has. */
leat_code leat_task_inputs_changed(leat_task *task, leat_err *err) LEAT_CHECKED;

#endif
