/* SPDX-License-Identifier: Apache-2.0 */
/* What a task cannot know by itself: schemas that lie in a registry or a file.
 *
 *   shard   leat_exec_wants(messages) -> a want -> registry ... -> leat_exec_give(answer)
 *           until nothing is wanted, then leat_exec_batch(messages)
 *
 * So the task itself stays pure: the same messages and answers give the same output, and a batch is
 * never begun that could not be decoded to its end. Cost: a comparison of five bytes a message
 * where the codec may want something; nothing for others. */
#include "transforms/exec_inside.h"

typedef struct wanting {
    const leat_codec *codec;
    void *state;
} wanting;

static bool codec_wants(wanting of, const leat_message *messages, size_t count, leat_want *want)
{
    if (of.codec == NULL || of.codec->type->wants == NULL) return false;
    if (messages == NULL) return of.codec->type->wants(of.codec, of.state, NULL, want);
    for (size_t i = 0; i < count; i++)
        if (of.codec->type->wants(of.codec, of.state, &messages[i], want)) return true;
    return false;
}

/* The i-th codec of the task: its source's, then those of its sinks. */
static wanting codec_at(const leat_exec *exec, size_t i)
{
    if (i == 0) return (wanting){exec->source->codec, exec->source_state};
    const leat_sink *sink = exec->plan->sinks[i - 1];
    LEAT_ASSERT(sink->index == i - 1);
    bool ours = exec->sink_states[i - 1] != NULL;
    return (wanting){ours ? sink->codec : NULL, exec->sink_states[i - 1]};
}

bool leat_exec_wants(leat_exec *exec, const leat_message *messages, size_t count, leat_want *want)
{
    LEAT_ASSERT(exec != NULL && want != NULL);
    exec->wanted_by = 0;
    if (codec_wants(codec_at(exec, 0), messages, count, want)) return true;
    for (size_t i = 1; i <= exec->plan->sinks_count; i++) {
        if (!codec_wants(codec_at(exec, i), NULL, 0, want)) continue;
        exec->wanted_by = i;
        return true;
    }
    return false;
}

leat_code leat_exec_give(leat_exec *exec, const leat_want *want, const leat_answer *answer,
                         leat_err *err)
{
    LEAT_ASSERT(exec->wanted_by <= exec->plan->sinks_count);
    wanting of = codec_at(exec, exec->wanted_by);
    LEAT_ASSERT(of.codec != NULL && of.codec->type->give != NULL);
    return of.codec->type->give(of.codec, of.state, want, answer, err);
}
