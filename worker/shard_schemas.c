/* SPDX-License-Identifier: Apache-2.0 */
/* What a task has to be told before it can work: schemas of a registry or a file.
 *
 *   batch -> task wants schema 7 -> known: given, the batch begins
 *                                -> not yet: the task's partitions go back to where they were, and
 *                                   stand still until the registry's answer is there
 *
 * Meanwhile the shard goes on: it polls, so that the group does not miss it, works for its other
 * tasks, and commits. A task that waits is not idle: its watermark stands with it. A registry that
 * is down so delays records, and loses none; what it says does not exist makes dead letters. */
#include "core/mem.h"
#include "worker/log_file.h"
#include "worker/logger.h"
#include "worker/registry_client.h"
#include "worker/shard.h"

#define ANSWER_BYTES_MAX ((size_t)32 << 20)
#define WANTS_MAX        100000 /* of one batch */

/* The answer, if there is one already. */
static leat_code answer_to(leat_shard *shard, const leat_want *want, leat_arena *arena,
                           leat_answer *answer, bool *ready, leat_err *err)
{
    *answer = (leat_answer){0};
    *ready = true;
    if (want->kind != LEAT_WANT_FILE) {
        LEAT_ASSERT(shard->pipeline->registry != NULL);
        return leat_registry_client_ask(shard->pipeline->registry, want, arena, answer, ready, err);
    }
    leat_str path = leat_arena_copy(arena, want->text);
    if (path.data == NULL) return leat_arena_full(arena, err);
    leat_err why;
    if (leat_file_avro_schema(path.data, arena, &answer->schema, &why) == LEAT_OK) return LEAT_OK;
    answer->why = leat_arena_copy(arena, leat_str_of(why.text));
    return LEAT_OK;
}

leat_code leat_shard_tell(leat_shard *shard, leat_task *task, const leat_message *messages,
                          size_t count, leat_want *missing, bool *ready, leat_err *err)
{
    leat_arena *arena = NULL;
    leat_code code = LEAT_OK;
    *ready = true;
    for (int i = 0; code == LEAT_OK && *ready && i < WANTS_MAX; i++) {
        leat_answer answer;
        if (!leat_exec_wants(task->exec, messages, count, missing)) break;
        if (arena == NULL) code = leat_arena_new(&arena, ANSWER_BYTES_MAX, err);
        if (code == LEAT_OK) code = answer_to(shard, missing, arena, &answer, ready, err);
        if (code == LEAT_OK && *ready) code = leat_exec_give(task->exec, missing, &answer, err);
        if (arena != NULL) leat_arena_reset(arena);
    }
    leat_arena_free(&arena);
    if (code != LEAT_OK && leat_code_blame(code) == LEAT_BLAME_RECORD) {
        err->code = LEAT_ERR_INTERNAL; /* no record can be to blame here */
        code = err->code;
    }
    return code;
}

leat_code leat_shard_stand_still(leat_shard *shard, leat_task *task, leat_err *err)
{
    const leat_log_type *type = shard->pipeline->input_type;
    for (size_t k = 0; k < task->inputs_count; k++) {
        const leat_input *input = &task->inputs[k];
        leat_str topic = leat_str_of(input->topic);
        LEAT_TRY(type->pause(shard->input, topic, input->partition, err));
        if (input->next >= 0)
            LEAT_TRY(type->seek(shard->input, topic, input->partition, input->next, err));
    }
    return LEAT_OK;
}

leat_code leat_shard_supply(leat_shard *shard, leat_task *task, const leat_message *messages,
                            size_t count, bool *ready, leat_err *err)
{
    leat_want missing;
    LEAT_TRY(leat_shard_tell(shard, task, messages, count, &missing, ready, err));
    if (*ready) return LEAT_OK;
    LEAT_ASSERT(missing.kind != LEAT_WANT_FILE);
    for (size_t i = count; i > 0; i--) {
        leat_input *input = leat_task_input(task, messages[i - 1].topic, messages[i - 1].partition);
        LEAT_ASSERT(input != NULL);
        input->next = messages[i - 1].offset;
    }
    task->waits = true;
    task->missing = missing; /* of a number or name nothing is borrowed, of a codec its plan's */
    leat_log_repeat(LEAT_LEVEL_INFO, "schemas", shard->pipeline->name, "wait",
                    "partition %d waits for a schema", (int)task->partition);
    return leat_shard_stand_still(shard, task, err);
}

leat_code leat_shard_look_for_schemas(leat_shard *shard, leat_err *err)
{
    for (size_t i = 0; i < shard->tasks_count; i++) {
        leat_task *task = shard->tasks[i];
        leat_arena *arena = NULL;
        leat_answer answer;
        bool ready = false;
        if (!task->waits) continue;
        LEAT_TRY(leat_arena_new(&arena, ANSWER_BYTES_MAX, err));
        leat_code code = answer_to(shard, &task->missing, arena, &answer, &ready, err);
        leat_arena_free(&arena);
        LEAT_TRY(code);
        if (!ready) continue;
        task->waits = false; /* it is given when the batch asks again */
        LEAT_TRY(leat_shard_resume(shard, task, err));
    }
    return LEAT_OK;
}
