/* SPDX-License-Identifier: Apache-2.0 */
/* What comes and goes in a rebalance, and the way of a task from its changelog to its first record.
 *
 *   assigned -> open transaction committed -> task made, inputs paused -> changelog read in slices
 *   between polls (so that the group is never kept waiting) -> exec rebuilt -> inputs resumed
 *
 *   revoked  -> open transaction committed -> tasks dropped
 *   lost     -> aborted (another owns them already), what is kept is rewound -> tasks dropped
 *
 * A task lives as long as one of its inputs is assigned. All inputs of a task move together: the
 * pipeline makes sure of it when a source has several topics. */
#include "worker/shard.h"

#include "core/mem.h"
#include "core/regex.h"
#include "worker/logger.h"

#define RESTORE_SLICES   16 /* batches of one task between two polls */
#define TABLE_SILENCE_MS 5000

static bool reads_topic(const leat_pipeline *pipeline, uint32_t source, leat_str topic)
{
    const leat_source *planned = &pipeline->plan->sources[source];
    if (pipeline->sources[source].pattern != NULL)
        return leat_regex_matches(pipeline->sources[source].pattern, topic);
    for (size_t i = 0; i < planned->topics_count; i++)
        if (leat_str_equal(planned->topics[i], topic)) return true;
    return false;
}

leat_task *leat_shard_task(const leat_shard *shard, leat_str topic, int32_t partition)
{
    for (size_t i = 0; i < shard->tasks_count; i++)
        if (leat_task_input(shard->tasks[i], topic, partition) != NULL) return shard->tasks[i];
    return NULL;
}

static leat_task *task_of(const leat_shard *shard, uint32_t source, int32_t partition)
{
    for (size_t i = 0; i < shard->tasks_count; i++)
        if (shard->tasks[i]->source == source && shard->tasks[i]->partition == partition)
            return shard->tasks[i];
    return NULL;
}

static leat_code add_task(leat_shard *shard, uint32_t source, int32_t partition, leat_task **task,
                          leat_err *err)
{
    const leat_pipeline *pipeline = shard->pipeline;
    leat_task **tasks = leat_mem_try_resize(shard->tasks, (shard->tasks_count + 1) * sizeof *tasks);
    if (tasks == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a task");
    shard->tasks = tasks;
    LEAT_TRY(leat_task_new(pipeline->plan, source, partition, pipeline->config.state_bytes_max,
                           task, err));
    shard->tasks[shard->tasks_count++] = *task;
    if (shard->redis != NULL) leat_exec_port((*task)->exec, leat_redis_set_port(shard->redis));
    (*task)->restore_began_ms = leat_clock_ms();
    return LEAT_OK;
}

static leat_code assign_one(leat_shard *shard, const leat_partition *place, leat_err *err)
{
    const leat_pipeline *pipeline = shard->pipeline;
    for (uint32_t source = 0; source < pipeline->plan->sources_count; source++) {
        if (!reads_topic(pipeline, source, place->topic)) continue;
        leat_task *task = task_of(shard, source, place->partition);
        if (task == NULL) LEAT_TRY(add_task(shard, source, place->partition, &task, err));
        if (leat_task_input(task, place->topic, place->partition) == NULL)
            LEAT_TRY(leat_task_input_add(task, place->topic, place->partition, place->offset, err));
        task->grew = task->ready;
        return LEAT_OK;
    }
    return leat_err_set(err, LEAT_ERR_INTERNAL, "topic '%.*s' was assigned, but no source reads it",
                        LEAT_STR_ARG(place->topic));
}

void leat_shard_assigned(void *context, leat_partition *partitions, size_t count)
{
    leat_shard *shard = context;
    leat_err err;
    shard->joined = true;
    if (shard->code != LEAT_OK) return; /* it ends: what is open must not be committed */
    leat_code code = leat_shard_commit(shard, &err);
    for (size_t i = 0; code == LEAT_OK && i < count; i++)
        code = assign_one(shard, &partitions[i], &err);
    if (code != LEAT_OK) leat_shard_fail(shard, &err);
    if (count > 0)
        leat_log_line(LEAT_LEVEL_INFO, "assign", shard->pipeline->name,
                      "shard %u: %zu partition(s) assigned, %zu task(s) owned", shard->ordinal,
                      count, shard->tasks_count);
}

static void close_task(leat_shard *shard, size_t index)
{
    leat_task *task = shard->tasks[index];
    if (task->restore != NULL) shard->pipeline->output_type->restore_close(&task->restore);
    leat_exec_counts counts = leat_exec_counts_get(task->exec);
    shard->closed.records_in += counts.records_in;
    shard->closed.records_out += counts.records_out;
    shard->closed.dead_letters += counts.dead_letters;
    shard->closed.late += counts.late;
    shard->closed.late_dropped += counts.late_dropped;
    shard->closed.filtered += counts.filtered;
    shard->closed.unrouted += counts.unrouted;
    shard->closed.dropped += counts.dropped;
    shard->tasks[index] = shard->tasks[--shard->tasks_count];
    leat_task_free(&task);
}

void leat_shard_drop_tasks(leat_shard *shard)
{
    while (shard->tasks_count > 0)
        close_task(shard, shard->tasks_count - 1);
    leat_mem_free(shard->tasks);
    shard->tasks = NULL;
}

static void drop_partition(leat_shard *shard, const leat_partition *place)
{
    for (size_t i = 0; i < shard->tasks_count; i++) {
        leat_task *task = shard->tasks[i];
        if (!leat_task_input_remove(task, place->topic, place->partition)) continue;
        if (task->inputs_count == 0) close_task(shard, i);
        return;
    }
}

void leat_shard_revoked(void *context, const leat_partition *partitions, size_t count, bool lost)
{
    leat_shard *shard = context;
    leat_err err;
    /* After a failure nothing may be committed: the next owner starts at the last commit. */
    bool commit = !lost && shard->code == LEAT_OK && !shard->must_rewind;
    if (commit) {
        uint64_t aborts = shard->counts.aborts;
        leat_code code = leat_shard_commit(shard, &err);
        if (code != LEAT_OK) leat_shard_fail(shard, &err);
        if (shard->counts.aborts != aborts) shard->must_rewind = true;
    } else if (shard->began_ms != 0) {
        shard->must_rewind = true;
    }
    for (size_t i = 0; i < count; i++)
        drop_partition(shard, &partitions[i]);
    if (shard->tasks_count == 0) shard->joined = false; /* until it is told what it owns now */
    if (shard->waiting) { /* look again: there may be other partitions now */
        shard->waiting = false;
        atomic_fetch_sub(&shard->pipeline->waiting, 1);
    }
    if (shard->must_rewind && shard->code == LEAT_OK && shard->output != NULL) {
        leat_code code = leat_shard_rewind(shard, &err);
        if (code != LEAT_OK && leat_code_blame(code) != LEAT_BLAME_TASK)
            leat_shard_fail(shard, &err);
        else if (code != LEAT_OK)
            shard->must_rewind = true;
    }
    if (count > 0)
        leat_log_line(lost ? LEAT_LEVEL_WARN : LEAT_LEVEL_INFO, "assign", shard->pipeline->name,
                      "shard %u: %zu partition(s) %s, %zu task(s) kept", shard->ordinal, count,
                      lost ? "lost" : "revoked", shard->tasks_count);
}

/* --- restore --- */

static const leat_source *source_of(const leat_shard *shard, const leat_task *task)
{
    return &shard->pipeline->plan->sources[task->source];
}

static bool feeds_table(const leat_shard *shard, const leat_task *task, const leat_input *input)
{
    return leat_source_table(source_of(shard, task), leat_str_of(input->topic)) != NULL;
}

leat_code leat_shard_resume(leat_shard *shard, leat_task *task, leat_err *err)
{
    const leat_log_type *type = shard->pipeline->input_type;
    for (size_t k = 0; k < task->inputs_count && !task->waits && !task->more; k++) {
        leat_input *input = &task->inputs[k];
        input->heard_ms = leat_clock_ms();
        if (task->tables_first && !feeds_table(shard, task, input)) continue;
        LEAT_TRY(type->resume(shard->input, leat_str_of(input->topic), input->partition, err));
    }
    return LEAT_OK;
}

leat_code leat_shard_tables_first(leat_shard *shard, leat_task *task, leat_err *err)
{
    const leat_source *source = source_of(shard, task);
    /* Files are read one after the other, those of tables first. */
    task->tables_first = !source->files && source->tables_count > 0;
    for (size_t k = 0; task->tables_first && k < task->inputs_count; k++) {
        const leat_input *input = &task->inputs[k];
        if (feeds_table(shard, task, input)) continue;
        LEAT_TRY(shard->pipeline->input_type->pause(shard->input, leat_str_of(input->topic),
                                                    input->partition, err));
    }
    return LEAT_OK;
}

/* Its state is there. Records that an older version of the pipeline held may need schemas first:
 * then not *ready, and it is tried again. */
static leat_code rebuild(leat_shard *shard, leat_task *task, bool *ready, leat_err *err)
{
    *ready = true;
    for (;;) {
        leat_code code = leat_exec_restored(task->exec, err);
        leat_want want;
        if (code != LEAT_ERR_UNAVAILABLE || !leat_exec_wants(task->exec, NULL, 0, &want))
            return code;
        LEAT_TRY(leat_shard_tell(shard, task, NULL, 0, &want, ready, err));
        if (!*ready) return LEAT_OK;
    }
}

static leat_code begin_work(leat_shard *shard, leat_task *task, leat_err *err)
{
    bool ready = true;
    bool grown = task->ready;
    LEAT_TRY(leat_task_inputs_changed(task, err));
    if (!task->ready) LEAT_TRY(rebuild(shard, task, &ready, err));
    if (!ready) return LEAT_OK;
    task->ready = true;
    task->grew = false;
    task->more = leat_exec_more(task->exec);
    task->state = LEAT_TASK_RUNNING;
    LEAT_TRY(leat_shard_tables_first(shard, task, err));
    LEAT_TRY(leat_shard_resume(shard, task, err));
    if (task->restored > 0 && !grown)
        leat_log_line(LEAT_LEVEL_INFO, "restore", shard->pipeline->name,
                      "partition %d: %llu changelog record(s) in %lld ms", (int)task->partition,
                      (unsigned long long)task->restored,
                      (long long)(leat_clock_ms() - task->restore_began_ms));
    return LEAT_OK;
}

/* Some of the changelog; *done at its end. */
static leat_code read_slice(leat_shard *shard, leat_task *task, bool *done, leat_err *err)
{
    const leat_log_type *type = shard->pipeline->output_type;
    uint64_t unknown = 0;
    for (int i = 0; i < RESTORE_SLICES && !*done; i++) {
        size_t count = 0;
        LEAT_TRY(type->restore_read(task->restore, 10, shard->messages, LEAT_SHARD_POLL_MAX, &count,
                                    done, err));
        leat_code code = LEAT_OK;
        for (size_t k = 0; code == LEAT_OK && k < count; k++)
            code = leat_task_restore_cell(task, &shard->messages[k], &unknown, err);
        type->restore_release(task->restore);
        LEAT_TRY(code);
        task->restored += count;
        if (count == 0) break;
    }
    if (unknown > 0)
        leat_log_repeat(LEAT_LEVEL_WARN, "restore", shard->pipeline->name, "unknown table",
                        "%llu cell(s) of steps that this pipeline no longer has were left out",
                        (unsigned long long)unknown);
    return LEAT_OK;
}

static leat_code restore_task(leat_shard *shard, leat_task *task, leat_err *err)
{
    const leat_log_type *type = shard->pipeline->output_type;
    leat_str changelog = shard->pipeline->sources[task->source].changelog;
    if (changelog.data == NULL || task->ready) return begin_work(shard, task, err);
    if (task->restore == NULL)
        LEAT_TRY(
            type->restore_open(shard->output, changelog, task->partition, &task->restore, err));
    bool done = false;
    leat_code code = read_slice(shard, task, &done, err);
    if (code == LEAT_OK && !done) return LEAT_OK;
    type->restore_close(&task->restore); /* after a failure: again, from the start */
    return code == LEAT_OK ? begin_work(shard, task, err) : code;
}

leat_code leat_shard_restore(leat_shard *shard, bool *busy, leat_err *err)
{
    *busy = false;
    for (size_t i = 0; i < shard->tasks_count; i++) {
        leat_task *task = shard->tasks[i];
        if (task->state != LEAT_TASK_RESTORING && !task->grew) continue;
        LEAT_TRY(restore_task(shard, task, err));
        *busy |= task->state == LEAT_TASK_RESTORING;
    }
    return LEAT_OK;
}

/* --- tables --- */

/* Has all been read that the topics of the task's tables hold? Where the end is not known, silence
 * will have to do. */
static bool tables_read(leat_shard *shard, const leat_task *task, const leat_lag *lags,
                        size_t count)
{
    int64_t now = leat_clock_ms();
    for (size_t k = 0; k < task->inputs_count; k++) {
        const leat_input *input = &task->inputs[k];
        if (!feeds_table(shard, task, input)) continue;
        int64_t end = leat_shard_end_of(input, lags, count);
        bool read = end == 0 || (end > 0 && input->next >= end);
        if (!read && now - input->heard_ms < TABLE_SILENCE_MS) return false;
    }
    return true;
}

static leat_code begin_stream(leat_shard *shard, leat_task *task, leat_err *err)
{
    const leat_log_type *type = shard->pipeline->input_type;
    task->tables_first = false;
    for (size_t k = 0; k < task->inputs_count; k++) {
        leat_input *input = &task->inputs[k];
        if (feeds_table(shard, task, input)) continue;
        input->heard_ms = leat_clock_ms();
        LEAT_TRY(type->resume(shard->input, leat_str_of(input->topic), input->partition, err));
    }
    leat_log_line(LEAT_LEVEL_INFO, "assign", shard->pipeline->name,
                  "partition %d: its tables have been read, the stream begins",
                  (int)task->partition);
    return LEAT_OK;
}

leat_code leat_shard_tables(leat_shard *shard, leat_err *err)
{
    leat_lag *lags = NULL;
    leat_code code = LEAT_OK;
    size_t count = 0;
    for (size_t i = 0; i < shard->tasks_count && code == LEAT_OK; i++) {
        leat_task *task = shard->tasks[i];
        if (!task->tables_first || task->waits || task->more || task->state != LEAT_TASK_RUNNING)
            continue;
        if (lags == NULL) lags = leat_shard_lags(shard, &count);
        if (tables_read(shard, task, lags, count)) code = begin_stream(shard, task, err);
    }
    leat_mem_free(lags);
    return code;
}
