/* SPDX-License-Identifier: Apache-2.0 */
/* The task: one loop over the nodes of one source (see exec.h).
 *
 *   batch -> [source] -> [step] -> [order] -> [step] -> ...       each node reads another's batch,
 *               |           |                    |                inputs first, and leaves its own
 *               v           v                    v
 *             sinks       sinks                sinks              outputs, in order of moment
 *
 * Nodes are an array in topological order, so that "running the plan" is one pass over it: no node
 * calls another, counting and limits stand in one place, and a step sees a whole batch, with its
 * code and its tables warm. A step without `process` (keep, drop, rename) hands on its input's
 * batch itself.
 *
 * Time: the source moves the watermark; order nodes let out what it has passed; then every stateful
 * step is told (advance), in the order of the nodes, so that what fires in one is seen by those
 * behind it before they fire themselves.
 *
 * Everything of a batch lives in one arena, which the next batch resets; outputs borrow from it and
 * from the messages. An error of TASK or FATAL blame leaves the task half-way: only abort and close
 * are allowed then.
 *
 * Cost beside the codecs and steps: ~10 ns a record and node. */
#include "core/mem.h"
#include "transforms/exec_inside.h"

/* Names of tables and places. */
#define OWN_BYTES_MAX ((size_t)16 << 20)

/* --- open and close --- */

leat_code exec_table_add(leat_exec *exec, const char *name, const leat_table_type *type, void *self,
                         uint64_t bytes_max, leat_table **table, leat_err *err)
{
    if (exec->tables_count == exec->tables_size) {
        size_t size = exec->tables_size == 0 ? 8 : exec->tables_size * 2;
        leat_table **tables = leat_mem_try_resize(exec->tables, size * sizeof(leat_table *));
        if (tables == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for tables");
        exec->tables = tables;
        exec->tables_size = size;
    }
    LEAT_ASSERT(leat_exec_table(exec, leat_str_of(name)) == NULL);
    LEAT_TRY(leat_table_new(table, name, type, self, bytes_max, &exec->tables_sum, err));
    exec->tables[exec->tables_count++] = *table;
    return LEAT_OK;
}

leat_code exec_decoder(leat_exec *exec, const leat_shape *shape, leat_json_decoder **decoder,
                       leat_err *err)
{
    LEAT_ASSERT(shape->index < exec->plan->shapes_count && shape->json != NULL);
    leat_json_decoder **at = &exec->decoders[shape->index];
    if (*at == NULL) *at = leat_json_decoder_new(shape->json);
    *decoder = *at;
    return *at != NULL ? LEAT_OK : leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a decoder");
}

static leat_code place_of(leat_exec *exec, const char *setting, leat_str *place, leat_err *err)
{
    *place =
        leat_arena_print(exec->own, "sources.%.*s%s", LEAT_STR_ARG(exec->source->name), setting);
    return place->data != NULL ? LEAT_OK : leat_arena_full(exec->own, err);
}

static leat_code open_places(leat_exec *exec, leat_err *err)
{
    const leat_source *source = exec->source;
    LEAT_TRY(leat_arena_new(&exec->own, OWN_BYTES_MAX, err));
    LEAT_TRY(place_of(exec, "", &exec->source_place, err));
    LEAT_TRY(place_of(exec, ".timestamp", &exec->timestamp_place, err));
    LEAT_TRY(place_of(exec, ".key", &exec->key_place, err));
    exec->timestamp_slot = exec->key_slot = LEAT_SLOT_NONE;
    uint32_t slot = LEAT_SLOT_NONE;
    if (source->timestamp != NULL && leat_expr_is_slot(source->timestamp, &slot))
        exec->timestamp_slot = slot;
    if (source->key != NULL && leat_expr_is_slot(source->key, &slot)) exec->key_slot = slot;
    return LEAT_OK;
}

leat_code exec_codec_open(leat_exec *exec, const leat_codec *codec, const leat_shape *shape,
                          void **state, leat_err *err)
{
    if (codec == NULL || codec->type->open == NULL) return LEAT_OK;
    return codec->type->open(codec, shape != NULL ? shape->requests : NULL,
                             shape != NULL ? shape->requests_count : 0, exec->plan->limits, state,
                             err);
}

static leat_code open_codecs(leat_exec *exec, leat_err *err)
{
    const leat_plan *plan = exec->plan;
    const leat_source *source = exec->source;
    leat_code code = exec_codec_open(exec, source->codec, source->shape, &exec->source_state, err);
    if (code != LEAT_OK)
        return leat_err_prefix(err, "sources.%.*s.format", LEAT_STR_ARG(source->name));
    for (size_t i = 0; i < plan->sinks_count; i++) {
        const leat_sink *sink = plan->sinks[i];
        if (sink->from_node == UINT32_MAX || plan->nodes[sink->from_node].source != source->index)
            continue;
        code = exec_codec_open(exec, sink->codec, NULL, &exec->sink_states[i], err);
        if (code != LEAT_OK) return leat_err_prefix(err, "%.*s", LEAT_STR_ARG(sink->place));
    }
    return LEAT_OK;
}

static void close_codecs(leat_exec *exec)
{
    const leat_plan *plan = exec->plan;
    const leat_codec *codec = exec->source->codec;
    LEAT_ASSERT(exec->source_state == NULL || codec != NULL);
    if (exec->source_state != NULL) codec->type->close(exec->source_state);
    for (size_t i = 0; i < plan->sinks_count; i++)
        if (exec->sink_states[i] != NULL) plan->sinks[i]->codec->type->close(exec->sink_states[i]);
    leat_mem_free(exec->sink_states);
}

static leat_code open_node(leat_exec *exec, exec_node *node, leat_err *err)
{
    const leat_step *step = node->plan->step;
    node->ports = node->plan->at == LEAT_AT_STEP ? step->ports : 1;
    LEAT_ASSERT(node->ports >= 1);
    node->out = leat_mem_need(node->ports * sizeof *node->out);
    node->advanced_ms = LEAT_TIME_NONE;
    node->run = (leat_run){.step = step, .exec = exec};
    if (node->plan->at == LEAT_AT_SOURCE) return LEAT_OK;
    LEAT_ASSERT(step != NULL && node->plan->input < node->plan->index);
    if (node->plan->at == LEAT_AT_ORDER) return exec_order_open(exec, node, err);
    node->run.site.views = step->views;
    if (step->type->parks) LEAT_TRY(exec_backlog_open(exec, node, err));
    node->opened = true; /* close is called also when open has failed */
    if (step->type->open == NULL) return LEAT_OK;
    leat_code code = step->type->open(&node->run, err);
    return code == LEAT_OK ? code : leat_err_prefix(err, "%.*s", LEAT_STR_ARG(step->place));
}

static leat_code open_nodes(leat_exec *exec, leat_err *err)
{
    const leat_plan *plan = exec->plan;
    uint32_t source = exec->source->index, first = 0;
    while (first < plan->nodes_count && plan->nodes[first].source != source)
        first++;
    size_t count = 0;
    while (first + count < plan->nodes_count && plan->nodes[first + count].source == source)
        count++;
    LEAT_ASSERT(count > 0 && plan->nodes[first].at == LEAT_AT_SOURCE);
    exec->first = first;
    exec->nodes = leat_mem_need(count * sizeof *exec->nodes);
    exec->nodes_count = count;
    for (size_t i = 0; i < count; i++)
        exec->nodes[i].plan = &plan->nodes[first + i];
    for (size_t i = 0; i < count; i++)
        LEAT_TRY(open_node(exec, &exec->nodes[i], err));
    return LEAT_OK;
}

leat_code leat_exec_open(const leat_plan *plan, uint32_t source, uint64_t bytes_max,
                         leat_exec **exec, leat_err *err)
{
    LEAT_ASSERT(source < plan->sources_count && plan->sources[source].index == source);
    leat_exec *made = leat_mem_need(sizeof *made);
    made->plan = plan;
    made->source = &plan->sources[source];
    made->bytes_max = bytes_max;
    made->tables_sum.bytes_max = bytes_max;
    made->portion = LEAT_EXEC_PORTION;
    made->decoders = leat_mem_need((plan->shapes_count + 1) * sizeof(leat_json_decoder *));
    made->sink_states = leat_mem_need((plan->sinks_count + 1) * sizeof(void *));
    leat_buf_init(&made->out, EXEC_OUTPUT_BYTES_MAX);
    leat_buf_init(&made->scratch, EXEC_OUTPUT_BYTES_MAX);
    leat_code code = leat_arena_new(&made->arena, EXEC_ARENA_BYTES_MAX, err);
    if (code == LEAT_OK) code = open_places(made, err);
    if (code == LEAT_OK) code = exec_progress_open(made, err);
    if (code == LEAT_OK) code = exec_tables_open(made, err);
    if (code == LEAT_OK) code = open_codecs(made, err);
    if (code == LEAT_OK) code = open_nodes(made, err);
    exec_effects_open(made);
    if (code != LEAT_OK) {
        leat_exec_close(&made);
        return code;
    }
    *exec = made;
    return LEAT_OK;
}

void leat_exec_close(leat_exec **exec)
{
    leat_exec *gone = *exec;
    if (gone == NULL) return;
    for (size_t i = gone->nodes_count; i > 0; i--) {
        exec_order_clear(&gone->nodes[i - 1]);
        exec_backlog_clear(&gone->nodes[i - 1]);
    }
    for (size_t i = 0; i < gone->tables_count; i++)
        leat_table_free(&gone->tables[i]);
    for (size_t i = gone->nodes_count; i > 0; i--) {
        exec_node *node = &gone->nodes[i - 1];
        if (node->opened && node->run.step->type->close != NULL)
            node->run.step->type->close(&node->run);
    }
    leat_mem_free(gone->tables);
    exec_held_free_all(gone);
    for (size_t i = 0; i < gone->nodes_count; i++) {
        exec_order_close(&gone->nodes[i]);
        exec_backlog_close(&gone->nodes[i]);
        leat_mem_free(gone->nodes[i].out);
    }
    leat_mem_free(gone->nodes);
    for (size_t i = 0; i < gone->plan->shapes_count; i++)
        if (gone->decoders[i] != NULL) leat_json_decoder_free(&gone->decoders[i]);
    leat_mem_free(gone->decoders);
    close_codecs(gone);
    leat_masker_free(&gone->masker);
    exec_progress_close(gone);
    exec_tables_close(gone);
    exec_effects_close(gone);
    leat_mem_free(gone->outputs);
    leat_mem_free(gone->notes);
    leat_mem_free(gone->marks);
    leat_buf_release(&gone->out);
    leat_buf_release(&gone->scratch);
    leat_arena_free(&gone->arena);
    leat_arena_free(&gone->own);
    leat_mem_free(gone);
    *exec = NULL;
}

/* --- a batch --- */

/* A caller knows TASK and FATAL only: a batch has no single record to blame. */
static leat_code fail(leat_exec *exec, leat_err *err)
{
    exec->failed = true;
    if (leat_code_blame(err->code) == LEAT_BLAME_RECORD)
        err->code = err->code == LEAT_ERR_LIMIT ? LEAT_ERR_MEMORY : LEAT_ERR_INTERNAL;
    return err->code;
}

/* What the batch before has left is void. */
static void clear(leat_exec *exec)
{
    leat_arena_reset(exec->arena);
    exec_held_free_all(exec);
    if (exec->out.size > EXEC_OUTPUT_BYTES_KEEP) leat_buf_release(&exec->out);
    leat_buf_reset(&exec->out);
    exec->outputs_count = 0;
    exec->outputs_mixed = false;
}

static leat_code begin_round(leat_exec *exec, leat_err *err)
{
    if (exec->failed)
        return leat_err_set(err, LEAT_ERR_ABORTED, "the task has failed and was not aborted");
    if (!exec->carries) clear(exec);
    exec->carries = false;
    exec->numbered_count = 0;
    for (size_t i = 0; i < exec->nodes_count; i++) {
        exec_node *node = &exec->nodes[i];
        memset(node->out, 0, node->ports * sizeof *node->out);
        node->last_moment = 0;
        node->made_bytes = 0;
    }
    return LEAT_OK;
}

static leat_code begin(leat_exec *exec, size_t messages, leat_err *err)
{
    LEAT_TRY(begin_round(exec, err));
    LEAT_ASSERT(!leat_exec_more(exec)); /* its marks and what tables held then are still needed */
    exec->before_ms = exec->progress.watermark_ms;
    exec->before_seq = exec->progress.seq;
    exec->marks_count = 0;
    if (!exec->source->stateful) return LEAT_OK;
    if (exec->joined_count > 0) LEAT_TRY(exec_tables_sweep(exec, err));
    return exec_progress_reserve(exec, messages + 1, err);
}

/* What the planner wants looked up before the step sees a record. A record for which that fails
 * ends here. */
static leat_code fill(exec_node *node, const leat_batch *in, leat_batch *filled, leat_err *err)
{
    leat_exec *exec = node->run.exec;
    const leat_step *step = node->run.step;
    LEAT_TRY(leat_batch_reserve(filled, in->count, exec->arena, err));
    for (size_t r = 0; r < in->count; r++) {
        leat_record *record = in->records[r];
        leat_code code = LEAT_OK;
        leat_err why;
        for (size_t i = 0; i < step->fills_count && code == LEAT_OK; i++)
            code = leat_view_load(&step->fills[i].view, record, exec->arena,
                                  &record->slots[step->fills[i].slot], &why);
        if (code == LEAT_OK)
            LEAT_TRY(leat_batch_add(filled, record, exec->arena, err));
        else
            LEAT_TRY(leat_run_reject(&node->run, record, &why, err));
    }
    return LEAT_OK;
}

leat_code exec_step_process(exec_node *node, const leat_batch *in, leat_err *err)
{
    const leat_step *step = node->run.step;
    leat_batch filled = {0};
    node->counts.in += in->count;
    if (step->fills_count > 0 && in->count > 0) {
        LEAT_TRY(fill(node, in, &filled, err));
        in = &filled;
    }
    if (step->type->process != NULL)
        return in->count > 0 ? step->type->process(&node->run, in, err) : LEAT_OK;
    node->out[0] = *in;
    node->counts.out += in->count;
    return LEAT_OK;
}

static leat_code run_step(exec_node *node, const leat_batch *in, leat_err *err)
{
    const leat_step *step = node->run.step;
    int64_t watermark_ms =
        node->held_up ? node->advanced_ms : node->run.exec->progress.watermark_ms;
    leat_batch all = *in;
    bool again = node->parked;
    node->parked = false;
    if (node->backlog != NULL) LEAT_TRY(exec_backlog_join(node, in, &all, err));
    LEAT_TRY(exec_step_process(node, &all, err));
    if (node->parked) return LEAT_OK;
    if (node->backlog != NULL) LEAT_TRY(exec_backlog_keep(node, NULL, 0, err));
    if (step->type->advance == NULL || (watermark_ms <= node->advanced_ms && !again))
        return LEAT_OK;
    node->advanced_ms = watermark_ms;
    return step->type->advance(&node->run, watermark_ms, err);
}

static leat_code run_node(leat_exec *exec, exec_node *node, leat_err *err)
{
    const exec_node *input = exec_node_at(exec, node->plan->input);
    LEAT_ASSERT(input < node && node->plan->input_port < input->ports);
    const leat_batch *in = &input->out[node->plan->input_port];
    node->held_up = input->parked || input->held_up;
    if (node->plan->at == LEAT_AT_ORDER) return exec_order_process(node, in, err);
    leat_code code = run_step(node, in, err);
    return code == LEAT_OK ? code
                           : leat_err_prefix(err, "%.*s", LEAT_STR_ARG(node->run.step->place));
}

/* Everything behind the source, whose batch is there. */
static leat_code run_nodes(leat_exec *exec, leat_err *err)
{
    for (size_t i = 0; i < exec->nodes_count; i++) {
        exec_node *node = &exec->nodes[i];
        if (i > 0) LEAT_TRY(run_node(exec, node, err));
        LEAT_TRY(exec_output_sinks(exec, node, err));
    }
    LEAT_TRY(exec_output_finish(exec, err));
    return exec->effects ? exec_effects_done(exec, err) : LEAT_OK;
}

static leat_code give(leat_exec *exec, leat_code code, const leat_output **outputs, size_t *count,
                      leat_err *err)
{
    *outputs = NULL;
    *count = 0;
    if (code != LEAT_OK) return fail(exec, err);
    *outputs = exec->outputs;
    *count = exec->outputs_count;
    return LEAT_OK;
}

leat_code leat_exec_batch(leat_exec *exec, const leat_message *messages, size_t count,
                          const leat_output **outputs, size_t *outputs_count, leat_err *err)
{
    leat_code code = begin(exec, count, err);
    if (code == LEAT_OK && count > 0)
        code = exec_source_process(exec, &exec->nodes[0], messages, count, err);
    if (code == LEAT_OK) code = run_nodes(exec, err);
    return give(exec, code, outputs, outputs_count, err);
}

leat_code leat_exec_idle(leat_exec *exec, leat_str topic, int32_t partition,
                         const leat_output **outputs, size_t *outputs_count, leat_err *err)
{
    exec_input *input = NULL;
    leat_code code = begin(exec, 1, err);
    bool counts = leat_source_table(exec->source, topic) == NULL; /* tables hold nothing back */
    if (code == LEAT_OK && counts) code = exec_progress_input(exec, topic, partition, &input, err);
    if (code == LEAT_OK && counts) {
        exec->progress.seq++;
        exec_progress_idle(exec, input);
        code = run_nodes(exec, err);
    }
    return give(exec, code, outputs, outputs_count, err);
}

leat_code leat_exec_end(leat_exec *exec, const leat_output **outputs, size_t *outputs_count,
                        leat_err *err)
{
    leat_code code = begin(exec, 1, err);
    if (code == LEAT_OK) {
        exec->progress.seq++;
        exec_progress_end(exec);
        code = run_nodes(exec, err);
    }
    return give(exec, code, outputs, outputs_count, err);
}

bool leat_exec_more(const leat_exec *exec)
{
    for (size_t i = 0; i < exec->nodes_count; i++)
        if (exec->nodes[i].parked) return true;
    return false;
}

leat_code leat_exec_continue(leat_exec *exec, const leat_output **outputs, size_t *outputs_count,
                             leat_err *err)
{
    leat_code code = begin_round(exec, err);
    exec->progress.changed = true; /* with the last portion the marks in its cell are over */
    if (code == LEAT_OK) code = run_nodes(exec, err);
    return give(exec, code, outputs, outputs_count, err);
}

void leat_exec_portion(leat_exec *exec, size_t bytes)
{
    exec->portion = bytes;
}

/* --- state --- */

size_t leat_exec_tables(const leat_exec *exec, leat_table *const **tables)
{
    *tables = exec->tables;
    return exec->tables_count;
}

leat_table *leat_exec_table(const leat_exec *exec, leat_str name)
{
    for (size_t i = 0; i < exec->tables_count; i++)
        if (leat_str_is(name, leat_table_name(exec->tables[i]))) return exec->tables[i];
    return NULL;
}

leat_code leat_exec_restored(leat_exec *exec, leat_err *err)
{
    clear(exec);
    exec->carries = false;
    LEAT_TRY(exec_progress_restored(exec, err));
    LEAT_TRY(exec_tables_restored(exec, err));
    for (size_t i = 0; i < exec->nodes_count; i++) {
        exec_node *node = &exec->nodes[i];
        node->advanced_ms = LEAT_TIME_NONE;
        node->parked = node->held_up = false;
        if (node->order != NULL) LEAT_TRY(exec_order_restored(node, err));
        if (node->backlog != NULL) LEAT_TRY(exec_backlog_restored(node, err));
        if (!node->opened || node->run.step->type->restored == NULL) continue;
        leat_code code = node->run.step->type->restored(&node->run, err);
        if (code != LEAT_OK)
            return leat_err_prefix(err, "%.*s", LEAT_STR_ARG(node->run.step->place));
    }
    return LEAT_OK;
}

/* Puts the table's name before the key, as the changelog has it. */
typedef struct flush_context {
    leat_exec *exec;
    const char *name;
    leat_table_sink sink;
    void *context;
} flush_context;

static leat_code flush_cell(void *context, leat_str key, leat_str value, leat_err *err)
{
    flush_context *flush = context;
    leat_buf *buf = &flush->exec->scratch;
    leat_buf_reset(buf);
    leat_buf_add_text(buf, flush->name);
    leat_buf_add_char(buf, '\0');
    leat_buf_add(buf, key);
    LEAT_TRY(leat_buf_check(buf, "a key of the changelog", err));
    return flush->sink(flush->context, leat_buf_str(buf), value, err);
}

leat_code leat_exec_flush(leat_exec *exec, leat_table_sink sink, void *context, leat_err *err)
{
    leat_code code = LEAT_OK;
    if (exec->failed)
        return leat_err_set(err, LEAT_ERR_ABORTED, "the task has failed and was not aborted");
    for (size_t i = 0; i < exec->nodes_count && code == LEAT_OK; i++) {
        exec_node *node = &exec->nodes[i];
        if (node->order != NULL) code = exec_order_flush(node, err);
        if (code == LEAT_OK && node->backlog != NULL) code = exec_backlog_flush(node, err);
    }
    if (code == LEAT_OK) code = exec_progress_flush(exec, err);
    for (size_t i = 0; i < exec->tables_count && code == LEAT_OK; i++) {
        flush_context flush = {exec, leat_table_name(exec->tables[i]), sink, context};
        code = leat_table_flush(exec->tables[i], flush_cell, &flush, err);
    }
    return code == LEAT_OK ? code : fail(exec, err);
}

void leat_exec_commit(leat_exec *exec)
{
    LEAT_ASSERT(!exec->failed);
    for (size_t i = 0; i < exec->tables_count; i++)
        leat_table_commit(exec->tables[i]);
    exec_progress_commit(exec);
    if (exec->effects) exec_effects_commit(exec);
}

leat_code leat_exec_abort(leat_exec *exec, leat_err *err)
{
    for (size_t i = 0; i < exec->tables_count; i++)
        leat_table_abort(exec->tables[i]);
    exec->failed = false;
    if (exec->effects) exec_effects_abort(exec);
    return leat_exec_restored(exec, err);
}

/* --- what happened --- */

int64_t leat_exec_watermark(const leat_exec *exec)
{
    return exec->progress.watermark_ms;
}

leat_exec_counts leat_exec_counts_get(const leat_exec *exec)
{
    return exec->counts;
}

leat_node_counts leat_exec_node_counts(const leat_exec *exec, uint32_t node)
{
    LEAT_ASSERT(node >= exec->first && node - exec->first < exec->nodes_count);
    return exec->nodes[node - exec->first].counts;
}

leat_str leat_exec_last_error(const leat_exec *exec)
{
    return exec->last_error.code != LEAT_OK ? leat_str_of(exec->last_error.text) : LEAT_STR_NONE;
}

uint64_t leat_exec_state_bytes(const leat_exec *exec)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < exec->tables_count; i++)
        bytes += leat_table_bytes(exec->tables[i]);
    for (size_t i = 0; i < exec->nodes_count; i++)
        if (exec->nodes[i].order != NULL) bytes += exec->nodes[i].order->waiting.bytes;
    return bytes;
}
