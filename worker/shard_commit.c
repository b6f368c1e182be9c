/* SPDX-License-Identifier: Apache-2.0 */
/* Commit, abort, rewind.
 *
 * One transaction holds the outputs, the changed cells (to the changelog, each key once) and the
 * offsets; tables keep their committed bytes until the log has said that it committed. When it says
 * that it did not, *every* task of this shard goes back to its last commit and every owned
 * partition is sought to it: also those that a cooperative rebalance leaves untouched, or their
 * records since then would be lost without a word. Refused: an undo log per table; tables hold both
 * forms anyway. */
#include "worker/shard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "worker/logger.h"

/* Where a cell of a task's tables goes. */
typedef struct changelog_writer {
    leat_shard *shard;
    const leat_task *task;
    leat_str topic;
} changelog_writer;

static leat_code write_cell(void *context, leat_str key, leat_str value, leat_err *err)
{
    const changelog_writer *writer = context;
    if (writer->topic.data == NULL) return LEAT_OK; /* bounded input: state ends with the run */
    leat_produce record = {.topic = writer->topic,
                           .partition = writer->task->partition,
                           .key = key,
                           .value = value,
                           .timestamp_ms = LEAT_TIME_NONE};
    leat_code code =
        writer->shard->pipeline->output_type->produce(writer->shard->output, &record, err);
    if (code != LEAT_OK && leat_code_blame(code) == LEAT_BLAME_RECORD) {
        /* Without this cell the changelog would no longer be the state. */
        leat_err_prefix(err,
                        "changelog '%.*s' refused a cell of %zu bytes (raise the topic's "
                        "max.message.bytes, or lower the pattern's limits)",
                        LEAT_STR_ARG(writer->topic), value.len);
        err->code = LEAT_ERR_DAMAGED;
        return LEAT_ERR_DAMAGED;
    }
    return code;
}

static leat_code flush_tasks(leat_shard *shard, leat_err *err)
{
    for (size_t i = 0; i < shard->tasks_count; i++) {
        leat_task *task = shard->tasks[i];
        if (!task->dirty) continue;
        changelog_writer writer = {shard, task, shard->pipeline->sources[task->source].changelog};
        LEAT_TRY(leat_exec_flush(task->exec, write_cell, &writer, err));
    }
    return LEAT_OK;
}

/* The next offset of every input whose task has something to commit, be it where it was: a group
 * asks a transaction that brings offsets whether its member is still one (KIP-447), and no other.
 * Time and portions have outputs without a record that was read, and a worker that has slept over
 * the loss of its partitions must not commit them. From the heap, *count of them. */
static leat_partition *offsets_of(const leat_shard *shard, size_t *count)
{
    leat_partition *offsets = leat_mem_need((leat_shard_inputs(shard) + 1) * sizeof *offsets);
    *count = 0;
    for (size_t i = 0; i < shard->tasks_count; i++) {
        const leat_task *task = shard->tasks[i];
        for (size_t k = 0; k < task->inputs_count; k++) {
            const leat_input *input = &task->inputs[k];
            if (input->next < 0 || (!task->dirty && input->next == input->committed)) continue;
            offsets[(*count)++] =
                (leat_partition){leat_str_of(input->topic), input->partition, input->next};
        }
    }
    return offsets;
}

static leat_code flush_files(leat_shard *shard, leat_err *err)
{
    leat_pipeline *pipeline = shard->pipeline;
    for (size_t i = 0; i < pipeline->plan->sinks_count; i++)
        if (pipeline->files[i] != NULL) LEAT_TRY(leat_sink_file_flush(pipeline->files[i], err));
    return LEAT_OK;
}

static void settled(leat_shard *shard)
{
    for (size_t i = 0; i < shard->tasks_count; i++) {
        leat_task *task = shard->tasks[i];
        if (task->dirty) leat_exec_commit(task->exec);
        task->dirty = false;
        for (size_t k = 0; k < task->inputs_count; k++)
            task->inputs[k].committed = task->inputs[k].next;
    }
    shard->began_ms = 0;
    shard->aborts_in_a_row = 0;
    atomic_fetch_add_explicit(&shard->counts.commits, 1, memory_order_relaxed);
}

static leat_code commit_sessions(leat_shard *shard, leat_err *err)
{
    leat_pipeline *pipeline = shard->pipeline;
    size_t count;
    leat_partition *offsets = offsets_of(shard, &count);
    bool one = shard->input == shard->output;
    leat_code code = LEAT_OK;
    if (shard->output != NULL)
        code = pipeline->output_type->commit(shard->output, offsets, one ? count : 0, err);
    if (code == LEAT_OK && !one)
        code = pipeline->input_type->commit(shard->input, offsets, count, err);
    leat_mem_free(offsets);
    return code;
}

leat_code leat_shard_commit(leat_shard *shard, leat_err *err)
{
    if (shard->began_ms == 0) return LEAT_OK;
    if (shard->must_rewind) return leat_shard_rewind(shard, err);
    leat_code code = flush_tasks(shard, err);
    if (code == LEAT_OK) code = commit_sessions(shard, err);
    if (code == LEAT_OK) {
        settled(shard);
        return flush_files(shard, err);
    }
    if (leat_code_blame(code) != LEAT_BLAME_TASK || code == LEAT_ERR_MEMORY) return code;
    leat_log_repeat(LEAT_LEVEL_WARN, "commit", shard->pipeline->name, "commit",
                    "a transaction did not commit, going back to the last one: %s", err->text);
    return leat_shard_rewind(shard, err);
}

/* --- abort --- */

static leat_code rewind_task(leat_shard *shard, leat_task *task, leat_err *err)
{
    const leat_log_type *type = shard->pipeline->input_type;
    if (task->state == LEAT_TASK_RESTORING) return LEAT_OK; /* has done nothing yet */
    if (task->state == LEAT_TASK_ENDED) task->state = LEAT_TASK_RUNNING;
    LEAT_TRY(leat_exec_abort(task->exec, err));
    task->dirty = false;
    for (size_t k = 0; k < task->inputs_count; k++) {
        leat_input *input = &task->inputs[k];
        input->next = input->committed;
        input->idle = false;
        input->heard_ms = leat_clock_ms();
        LEAT_TRY(type->seek(shard->input, leat_str_of(input->topic), input->partition,
                            input->committed, err));
    }
    LEAT_TRY(leat_shard_tables_first(shard, task, err));
    /* Whatever failed may have left its inputs paused, or not, and ought not to have. */
    task->more = leat_exec_more(task->exec);
    if (task->more || task->waits) return leat_shard_stand_still(shard, task, err);
    return leat_shard_resume(shard, task, err);
}

leat_code leat_shard_rewind(leat_shard *shard, leat_err *err)
{
    leat_pipeline *pipeline = shard->pipeline;
    shard->must_rewind = true; /* until all of it is done: what is open must not be committed */
    shard->aborts_in_a_row++;
    atomic_fetch_add_explicit(&shard->counts.aborts, 1, memory_order_relaxed);
    if (shard->output != NULL) LEAT_TRY(pipeline->output_type->abort(shard->output, err));
    for (size_t i = 0; i < pipeline->plan->sinks_count; i++)
        if (pipeline->files[i] != NULL) leat_sink_file_discard(pipeline->files[i]);
    for (size_t i = 0; i < shard->tasks_count; i++)
        LEAT_TRY(rewind_task(shard, shard->tasks[i], err));
    shard->began_ms = 0;
    shard->ended = false;
    shard->must_rewind = false;
    return LEAT_OK;
}

/* --- a picture of the state, for whoever wants to compare it with the changelog --- */

typedef struct dump_context {
    FILE *file;
    const leat_task *task;
    const char *table;
    leat_buf line;
} dump_context;

static void add_hex(leat_buf *line, leat_str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        leat_buf_add_format(line, "%02x", (unsigned)(unsigned char)bytes.data[i]);
}

static leat_code dump_cell(void *context, leat_str key, leat_str committed, leat_err *err)
{
    dump_context *dump = context;
    if (committed.data == NULL) return LEAT_OK;
    leat_buf_reset(&dump->line);
    leat_buf_add_format(&dump->line, "{\"partition\":%d,\"table\":\"%s\",\"key\":\"",
                        (int)dump->task->partition, dump->table);
    add_hex(&dump->line, key);
    leat_buf_add_text(&dump->line, "\",\"value\":\"");
    add_hex(&dump->line, committed);
    leat_buf_add_text(&dump->line, "\"}\n");
    LEAT_TRY(leat_buf_check(&dump->line, "a line of the state dump", err));
    if (fwrite(dump->line.data, 1, dump->line.len, dump->file) != dump->line.len)
        return leat_err_set(err, LEAT_ERR_IO, "cannot write the state dump: %s", strerror(errno));
    return LEAT_OK;
}

leat_code leat_shard_dump(leat_shard *shard, leat_err *err)
{
    leat_pipeline *pipeline = shard->pipeline;
    leat_code code = LEAT_OK;
    pthread_mutex_lock(&pipeline->dump_lock);
    FILE *file = fopen(pipeline->options.state_dump, "ab");
    if (file == NULL) {
        code = leat_err_set(err, LEAT_ERR_IO, "cannot write '%s': %s", pipeline->options.state_dump,
                            strerror(errno));
        pthread_mutex_unlock(&pipeline->dump_lock);
        return code;
    }
    dump_context dump = {.file = file};
    leat_buf_init(&dump.line, (size_t)64 << 20);
    for (size_t i = 0; code == LEAT_OK && i < shard->tasks_count; i++) {
        dump.task = shard->tasks[i];
        leat_table *const *tables;
        size_t count = leat_exec_tables(dump.task->exec, &tables);
        for (size_t k = 0; code == LEAT_OK && k < count; k++) {
            dump.table = leat_table_name(tables[k]);
            code = leat_table_visit(tables[k], dump_cell, &dump, err);
        }
    }
    leat_buf_release(&dump.line);
    if (fclose(file) != 0 && code == LEAT_OK)
        code = leat_err_set(err, LEAT_ERR_IO, "cannot write the state dump: %s", strerror(errno));
    pthread_mutex_unlock(&pipeline->dump_lock);
    return code;
}
