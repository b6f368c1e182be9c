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
    const leat_source *reads; /* NULL: it writes */
    const leat_codec *codec;
    void *state;
} wanting;

/* Are these the messages that it reads? */
static bool is_for(const leat_exec *exec, wanting of, const leat_message *message)
{
    if (exec->joined_count == 0) return true;
    const leat_source *table = leat_source_table(exec->source, message->topic);
    return (table != NULL ? table : exec->source) == of.reads;
}

static bool codec_wants(const leat_exec *exec, wanting of, const leat_message *messages,
                        size_t count, leat_want *want)
{
    if (of.codec == NULL || of.codec->type->wants == NULL) return false;
    if (messages == NULL || of.reads == NULL)
        return of.codec->type->wants(of.codec, of.state, NULL, want);
    for (size_t i = 0; i < count; i++)
        if (is_for(exec, of, &messages[i]) &&
            of.codec->type->wants(of.codec, of.state, &messages[i], want))
            return true;
    return false;
}

static size_t codecs_count(const leat_exec *exec)
{
    return 1 + exec->joined_count + exec->plan->sinks_count;
}

/* The i-th codec of the task: its source's, those of its tables, those of its sinks. */
static wanting codec_at(const leat_exec *exec, size_t i)
{
    LEAT_ASSERT(i < codecs_count(exec));
    if (i == 0) return (wanting){exec->source, exec->source->codec, exec->source_state};
    if (--i < exec->joined_count) {
        const exec_joined *joined = &exec->joined[i];
        return (wanting){joined->table, joined->table->codec, joined->state};
    }
    i -= exec->joined_count;
    const leat_sink *sink = exec->plan->sinks[i];
    LEAT_ASSERT(sink->index == i);
    bool ours = exec->sink_states[i] != NULL;
    return (wanting){NULL, ours ? sink->codec : NULL, exec->sink_states[i]};
}

bool leat_exec_wants(leat_exec *exec, const leat_message *messages, size_t count, leat_want *want)
{
    LEAT_ASSERT(exec != NULL && want != NULL);
    for (size_t i = 0; i < codecs_count(exec); i++) {
        if (!codec_wants(exec, codec_at(exec, i), messages, count, want)) continue;
        exec->wanted_by = i;
        return true;
    }
    return false;
}

leat_code leat_exec_give(leat_exec *exec, const leat_want *want, const leat_answer *answer,
                         leat_err *err)
{
    wanting of = codec_at(exec, exec->wanted_by);
    LEAT_ASSERT(of.codec != NULL && of.codec->type->give != NULL);
    return of.codec->type->give(of.codec, of.state, want, answer, err);
}
