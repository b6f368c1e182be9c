/* SPDX-License-Identifier: Apache-2.0 */
/* A shard and Redis: connections for its steps, effects of its tasks.
 *
 * Effects are applied as soon as a batch has been computed, while its messages are still there, so
 * that what Redis refuses can become a dead letter as it came, in the transaction under way. They
 * are visible before that transaction commits; when it does not, the same effects come again, and
 * the guard passes them over (sink_redis.c). Refused: collecting until the commit. It would hold
 * copies of everything for the sake of a shorter moment between the two. */
#include <stdio.h>

#include "core/mem.h"
#include "worker/logger.h"
#include "worker/shard.h"

leat_code leat_shard_redis_open(leat_shard *shard, leat_err *err)
{
    leat_pipeline *pipeline = shard->pipeline;
    const leat_plan *plan = pipeline->plan;
    char space[64] = "";
    if (plan->redis_count == 0) return LEAT_OK;
    if (pipeline->options.embedded) /* its offsets begin anew with each run */
        leat_pipeline_stray_id(pipeline, 0, space, sizeof space);
    LEAT_TRY(leat_redis_set_new(plan, pipeline->name, pipeline->redis_counts, &shard->redis, err));
    shard->effects = leat_mem_need(plan->redis_count * sizeof(leat_sink_redis *));
    for (uint32_t i = 0; i < plan->redis_count; i++)
        if (plan->redis[i].written)
            LEAT_TRY(leat_sink_redis_new(leat_redis_set_server(shard->redis, i), leat_str_of(space),
                                         &shard->effects[i], err));
    return LEAT_OK;
}

void leat_shard_redis_close(leat_shard *shard)
{
    for (size_t i = 0; shard->effects != NULL && i < shard->pipeline->plan->redis_count; i++)
        leat_sink_redis_free(&shard->effects[i]);
    leat_mem_free(shard->effects);
    shard->effects = NULL;
    leat_redis_set_free(&shard->redis);
}

leat_code leat_shard_redis_check(leat_shard *shard, leat_err *err)
{
    const leat_pipeline *pipeline = shard->pipeline;
    for (uint32_t i = 0; i < pipeline->plan->redis_count; i++) {
        leat_code code = pipeline->plan->redis[i].written
                             ? leat_sink_redis_check(shard->effects[i], err)
                             : leat_redis_check(leat_redis_set_server(shard->redis, i), err);
        if (code == LEAT_OK) continue;
        /* A pipeline that has been told to do without an answer can also start without. */
        if (leat_code_blame(code) != LEAT_BLAME_TASK || pipeline->plan->redis[i].required)
            return code;
        leat_log_line(LEAT_LEVEL_WARN, "start", pipeline->name, "%s; going on without", err->text);
    }
    return LEAT_OK;
}

static int64_t committed_offset(void *context, leat_str topic, int32_t partition)
{
    const leat_shard *shard = context;
    leat_task *task = leat_shard_task(shard, topic, partition);
    const leat_input *input = task == NULL ? NULL : leat_task_input(task, topic, partition);
    return input == NULL ? 0 : input->committed;
}

/* Outputs of dead letters take the place of those that were given before. */
static leat_code bury(leat_shard *shard, leat_task *task, const leat_effects *effects,
                      leat_err *err)
{
    for (size_t i = 0; i < effects->refused_count; i++) {
        const leat_output *outputs;
        size_t count;
        LEAT_TRY(leat_exec_refuse(task->exec, &effects->refused[i].output, &effects->refused[i].why,
                                  &outputs, &count, err));
        LEAT_TRY(leat_shard_produce(shard, outputs, count, err));
    }
    return LEAT_OK;
}

leat_code leat_shard_effects(leat_shard *shard, leat_task *task, const leat_output *outputs,
                             size_t count, leat_err *err)
{
    leat_effects effects = {
        .outputs = outputs, .count = count, .committed = committed_offset, .context = shard};
    leat_code code = LEAT_OK;
    for (size_t i = 0; code == LEAT_OK && i < shard->pipeline->plan->redis_count; i++)
        if (shard->effects[i] != NULL)
            code = leat_sink_redis_apply(shard->effects[i], &effects, err);
    if (code == LEAT_OK) code = bury(shard, task, &effects, err);
    leat_mem_free(effects.refused);
    return code;
}
