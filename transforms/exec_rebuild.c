/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline is edited while records wait in a reorder buffer. What they are held as are slots of
 * the old version, whose numbers mean other fields now; what can still be relied on is the message.
 * So such a record is decoded anew, and goes once more the way from where its shape begins (the
 * source, or the step that made it) to the buffer, through the stateless steps of the new version:
 *
 *   source -> filter -> set -> [order]      nobody else on the way is told: no sinks, no counts
 *
 * If the new version filters it out, it is gone, as it would be had it come later. If a step
 * rejects it, the dead letter goes out with the next batch. Refused: stopping with an error until
 * the old version has drained its buffer. Under a steady input it never does. */
#include "transforms/exec_inside.h"

/* The nodes between where the shape begins and the buffer, last first. */
static size_t chain_of(const exec_node *order, exec_node **chain)
{
    leat_exec *exec = order->order->exec;
    exec_node *node = exec_node_at(exec, order->plan->input);
    size_t count = 0;
    while (node->plan->at == LEAT_AT_STEP && node->run.step->shape_in == order->order->shape) {
        LEAT_ASSERT(count < exec->nodes_count && !node->run.step->type->stateful);
        chain[count++] = node;
        node = exec_node_at(exec, node->plan->input);
    }
    return count;
}

/* The record through one node; NULL: it did not come out where the next one reads. */
static leat_code pass(exec_node *node, uint32_t port, leat_record **record, leat_err *err)
{
    const leat_batch in = {record, 1, 1};
    leat_node_counts counts = node->counts;
    leat_exec_counts all = node->run.exec->counts;
    memset(node->out, 0, node->ports * sizeof *node->out);
    LEAT_TRY(exec_step_process(node, &in, err));
    uint64_t dead_letters = node->run.exec->counts.dead_letters;
    node->run.exec->counts = all;
    node->run.exec->counts.dead_letters = dead_letters;
    node->counts = counts;
    *record = node->out[port].count > 0 ? node->out[port].records[0] : NULL;
    memset(node->out, 0, node->ports * sizeof *node->out);
    return LEAT_OK;
}

leat_code exec_rebuild(exec_node *order, const exec_held *held, leat_record **record, leat_err *err)
{
    leat_exec *exec = order->order->exec;
    exec_node **chain = leat_arena_array(exec->arena, exec->nodes_count, sizeof(exec_node *));
    leat_json_decoder *decoder;
    leat_record *made = NULL;
    leat_err why;
    *record = NULL;
    if (chain == NULL) return leat_arena_full(exec->arena, err);
    exec->carries = true; /* the message and dead letters live in the arena */
    LEAT_TRY(exec_decoder(exec, order->order->shape, &decoder, err));
    LEAT_TRY(exec_held_origin(order->order, held, exec->arena, &made, err));
    bool whole = order->order->shape == exec->source->shape && made->message != NULL, is = true;
    const exec_reader by = {exec->source, exec->source_state};
    leat_code code =
        whole ? exec_decode(exec, by, decoder, made, NULL, &is, &why)
              : leat_json_decode(decoder, made->raw, exec->arena, made->slots, &made->raw, &why);
    if (!is) return LEAT_OK;
    if (code != LEAT_OK) return exec_reject(exec, order->order->place, made, &why, err);
    size_t count = chain_of(order, chain);
    for (size_t i = count; i > 0 && made != NULL; i--) {
        const exec_node *reader = i > 1 ? chain[i - 2] : order;
        LEAT_TRY(pass(chain[i - 1], reader->plan->input_port, &made, err));
    }
    *record = made;
    return LEAT_OK;
}
