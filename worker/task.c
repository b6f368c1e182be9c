/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks: see task.h.
 *
 * The work on records is exec's; here is only what ties it to partitions and offsets. A task has
 * one input per topic of its source (partition p of each), few enough for a linear search. A cell
 * of the changelog finds its table by the name in front of its key; cells of steps that the
 * pipeline no longer has are left out and counted, as they may come back with the step. */
#include "worker/task.h"

#include "core/mem.h"

leat_code leat_task_new(const leat_plan *plan, uint32_t source, int32_t partition,
                        uint64_t state_bytes_max, leat_task **task, leat_err *err)
{
    LEAT_ASSERT(source < plan->sources_count);
    leat_task *made = leat_mem_need(sizeof *made);
    made->source = source;
    made->partition = partition;
    leat_code code = leat_exec_open(plan, source, state_bytes_max, &made->exec, err);
    if (code != LEAT_OK) {
        leat_mem_free(made);
        return code;
    }
    *task = made;
    return LEAT_OK;
}

void leat_task_free(leat_task **task)
{
    if (*task == NULL) return;
    LEAT_ASSERT((*task)->restore == NULL);
    for (size_t i = 0; i < (*task)->inputs_count; i++)
        leat_mem_free((*task)->inputs[i].topic);
    leat_mem_free((*task)->inputs);
    leat_exec_close(&(*task)->exec);
    leat_mem_free(*task);
    *task = NULL;
}

leat_input *leat_task_input(leat_task *task, leat_str topic, int32_t partition)
{
    for (size_t i = 0; i < task->inputs_count; i++)
        if (task->inputs[i].partition == partition && leat_str_is(topic, task->inputs[i].topic))
            return &task->inputs[i];
    return NULL;
}

leat_code leat_task_input_add(leat_task *task, leat_str topic, int32_t partition, int64_t offset,
                              leat_err *err)
{
    LEAT_ASSERT(leat_task_input(task, topic, partition) == NULL);
    leat_input *inputs =
        leat_mem_try_resize(task->inputs, (task->inputs_count + 1) * sizeof *inputs);
    if (inputs == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a task's input");
    task->inputs = inputs;
    char *name = leat_mem_try(topic.len + 1);
    if (name == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a task's input");
    memcpy(name, topic.data, topic.len);
    name[topic.len] = '\0';
    inputs[task->inputs_count++] =
        (leat_input){.topic = name, .partition = partition, .next = offset, .committed = offset};
    return LEAT_OK;
}

bool leat_task_input_remove(leat_task *task, leat_str topic, int32_t partition)
{
    leat_input *input = leat_task_input(task, topic, partition);
    if (input == NULL) return false;
    leat_mem_free(input->topic);
    *input = task->inputs[--task->inputs_count];
    return true;
}

leat_code leat_task_inputs_changed(leat_task *task, leat_err *err)
{
    size_t count = task->inputs_count;
    leat_str *topics = leat_mem_try((count + 1) * sizeof *topics);
    int32_t *partitions = leat_mem_try((count + 1) * sizeof *partitions);
    leat_code code = LEAT_OK;
    if (topics == NULL || partitions == NULL) {
        code = leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a task's inputs");
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        topics[i] = leat_str_of(task->inputs[i].topic);
        partitions[i] = task->inputs[i].partition;
    }
    code = leat_exec_inputs(task->exec, topics, partitions, count, err);
out:
    leat_mem_free(topics);
    leat_mem_free(partitions);
    return code;
}

leat_code leat_task_restore_cell(leat_task *task, const leat_message *message, uint64_t *unknown,
                                 leat_err *err)
{
    const char *end =
        message->key.len == 0 ? NULL : memchr(message->key.data, '\0', message->key.len);
    if (end == NULL)
        return leat_err_set(err, LEAT_ERR_DAMAGED,
                            "changelog '%.*s', partition %d, offset %lld: its key names no table; "
                            "something else has written to this topic",
                            LEAT_STR_ARG(message->topic), (int)message->partition,
                            (long long)message->offset);
    size_t name_len = (size_t)(end - message->key.data);
    leat_table *table = leat_exec_table(task->exec, leat_str_slice(message->key, 0, name_len));
    if (table == NULL) {
        ++*unknown;
        return LEAT_OK;
    }
    leat_str key = leat_str_slice(message->key, name_len + 1, message->key.len);
    return leat_table_restore(table, key, message->value, err);
}
