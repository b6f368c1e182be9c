/* SPDX-License-Identifier: Apache-2.0 */
/* Records become outputs.
 *
 * Values are written one behind the other into one buffer, which grows and so moves; an output
 * keeps the offset of its value until the batch is done. A value that no step has touched is not
 * written at all: the output borrows the message's bytes.
 *
 * Nodes work through a batch one after the other, so outputs come node by node. They leave in order
 * of moment (the message that let them come), then of node: the order in which a batch of one
 * record each would have written them, whatever the batches were.
 *
 *   as made    sink A: 1 2 3     sink B: 1 3     dead letters: 2
 *   as given   A1 B1 A2 dead2 A3 B3
 *
 * What cannot be encoded, or has no topic, key or partition, is a dead letter of the sink's place.
 */
#include "core/mem.h"
#include "transforms/exec_inside.h"

#define TOPIC_LEN_MAX 249 /* Kafka's */

static leat_code outputs_grow(leat_exec *exec, leat_err *err)
{
    size_t size = exec->outputs_size == 0 ? 256 : exec->outputs_size * 2;
    leat_output *outputs = leat_mem_try_resize(exec->outputs, size * sizeof *outputs);
    if (outputs == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for outputs");
    exec->outputs = outputs;
    exec_output_note *notes = leat_mem_try_resize(exec->notes, size * sizeof *notes);
    if (notes == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for outputs");
    exec->notes = notes;
    exec->outputs_size = size;
    return LEAT_OK;
}

leat_code exec_output_add(leat_exec *exec, uint64_t moment, const leat_output *output,
                          size_t offset, leat_err *err)
{
    size_t at = exec->outputs_count;
    if (at == exec->outputs_size) LEAT_TRY(outputs_grow(exec, err));
    if (at > 0 && exec->notes[at - 1].moment > moment) exec->outputs_mixed = true;
    exec->outputs[at] = *output;
    exec->notes[at] = (exec_output_note){moment, offset};
    if (offset != SIZE_MAX) {
        LEAT_ASSERT(offset <= exec->out.len);
        exec->outputs[at].value.len = exec->out.len - offset;
    }
    exec->outputs_count++;
    return LEAT_OK;
}

static leat_code outputs_sort(leat_exec *exec, leat_err *err)
{
    size_t count = exec->outputs_count;
    exec_sortable *items = leat_arena_array(exec->arena, count * 2, sizeof *items);
    leat_output *sorted = leat_arena_array(exec->arena, count, sizeof *sorted);
    if (items == NULL || sorted == NULL) return leat_arena_full(exec->arena, err);
    for (size_t i = 0; i < count; i++)
        items[i] = (exec_sortable){0, exec->notes[i].moment, &exec->outputs[i]};
    exec_sort(items, items + count, count);
    for (size_t i = 0; i < count; i++)
        sorted[i] = *(const leat_output *)items[i].what;
    memcpy(exec->outputs, sorted, count * sizeof *sorted);
    return LEAT_OK;
}

leat_code exec_output_finish(leat_exec *exec, leat_err *err)
{
    LEAT_TRY(leat_buf_check(&exec->out, "the output of a batch", err));
    for (size_t i = 0; i < exec->outputs_count; i++) {
        if (exec->notes[i].offset != SIZE_MAX)
            exec->outputs[i].value.data = exec->out.data + exec->notes[i].offset;
        if (exec->outputs[i].commands != NULL)
            exec_effect_place(exec, exec->notes[i].moment, &exec->outputs[i]);
    }
    return exec->outputs_mixed ? outputs_sort(exec, err) : LEAT_OK;
}

leat_code exec_text_of(leat_exec *exec, leat_value value, leat_str *text, leat_err *err)
{
    if (value.tag == LEAT_NULL) {
        *text = LEAT_STR_NONE;
        return LEAT_OK;
    }
    if (value.tag == LEAT_STRING || value.tag == LEAT_BYTES || value.tag == LEAT_NUMBER ||
        value.tag == LEAT_JSON) {
        *text = leat_value_str(value);
        if (text->data == NULL) *text = LEAT_STR("");
        return LEAT_OK;
    }
    leat_buf_reset(&exec->scratch);
    LEAT_TRY(leat_json_write(value, exec->arena, &exec->scratch, err));
    LEAT_TRY(leat_buf_check(&exec->scratch, "a key or header", err));
    *text = leat_arena_copy(exec->arena, leat_buf_str(&exec->scratch));
    return text->data != NULL ? LEAT_OK : leat_arena_full(exec->arena, err);
}

static bool topic_is_valid(leat_str topic)
{
    if (topic.len == 0 || topic.len > TOPIC_LEN_MAX) return false;
    for (size_t i = 0; i < topic.len; i++) {
        char c = topic.data[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        if (!fits) return false;
    }
    return !leat_str_is(topic, ".") && !leat_str_is(topic, "..");
}

static leat_code topic_of(const leat_sink *sink, const leat_eval *eval, leat_str *topic,
                          leat_err *err)
{
    leat_value value;
    if (leat_expr_eval(sink->topic_expr, eval, &value, err) != LEAT_OK)
        return leat_err_prefix(err, "topic");
    if (value.tag != LEAT_STRING)
        return leat_err_set(err, LEAT_ERR_TYPE, "topic: the expression gives %s, not a string",
                            leat_tag_name((leat_tag)value.tag));
    *topic = leat_value_str(value);
    if (topic_is_valid(*topic)) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_INVALID,
                        "topic: '%.*s' is no name of a topic (1 to %d of A-Z a-z 0-9 . _ -)",
                        topic->len > 64 ? 64 : (int)topic->len, topic->data, TOPIC_LEN_MAX);
}

static leat_code partition_of(const leat_sink *sink, const leat_eval *eval, int32_t *partition,
                              leat_err *err)
{
    leat_value value;
    if (leat_expr_eval(sink->partition_expr, eval, &value, err) != LEAT_OK)
        return leat_err_prefix(err, "partition");
    if (value.tag == LEAT_NUMBER) LEAT_TRY(leat_json_number(leat_value_str(value), &value, err));
    if (value.tag != LEAT_INT)
        return leat_err_set(err, LEAT_ERR_TYPE, "partition: the expression gives %s, not an int",
                            leat_tag_name((leat_tag)value.tag));
    if (value.as.i < 0 || value.as.i > INT32_MAX)
        return leat_err_set(err, LEAT_ERR_RANGE, "partition: %lld is out of range",
                            (long long)value.as.i);
    *partition = (int32_t)value.as.i;
    return LEAT_OK;
}

static leat_code headers_of(leat_exec *exec, const leat_sink *sink, const leat_eval *eval,
                            leat_output *output, leat_err *err)
{
    leat_header *headers = leat_arena_array(exec->arena, sink->headers_count, sizeof *headers);
    if (headers == NULL) return leat_arena_full(exec->arena, err);
    for (size_t i = 0; i < sink->headers_count; i++) {
        leat_value value;
        headers[i].name = sink->headers[i].name;
        leat_code code = leat_expr_eval(sink->headers[i].value, eval, &value, err);
        if (code == LEAT_OK) code = exec_text_of(exec, value, &headers[i].value, err);
        if (code != LEAT_OK)
            return leat_err_prefix(err, "header %.*s", LEAT_STR_ARG(headers[i].name));
    }
    output->headers = headers;
    output->headers_count = sink->headers_count;
    return LEAT_OK;
}

/* What the sink's expressions say. */
static leat_code sink_address(leat_exec *exec, const leat_sink *sink, const leat_record *record,
                              leat_output *output, leat_err *err)
{
    exec->site = (leat_site){sink->views, record};
    const leat_eval eval = {.slots = record->slots,
                            .memo = record->slots,
                            .arena = exec->arena,
                            .load = leat_site_load,
                            .self = &exec->site};
    if (sink->topic_expr != NULL) LEAT_TRY(topic_of(sink, &eval, &output->topic, err));
    if (sink->key_expr != NULL) {
        leat_value value;
        leat_code code = leat_expr_eval(sink->key_expr, &eval, &value, err);
        if (code == LEAT_OK) code = exec_text_of(exec, value, &output->key, err);
        if (code != LEAT_OK) return leat_err_prefix(err, "key");
    }
    if (sink->partition_expr != NULL) LEAT_TRY(partition_of(sink, &eval, &output->partition, err));
    return sink->headers_count > 0 ? headers_of(exec, sink, &eval, output, err) : LEAT_OK;
}

/* The format's headers come first: those that the sink sets itself have the last word. */
static leat_code join_headers(leat_exec *exec, const leat_codec_out *out, leat_output *output,
                              leat_err *err)
{
    LEAT_ASSERT(out->headers != NULL);
    size_t count = out->headers_count + output->headers_count;
    leat_header *headers = leat_arena_array(exec->arena, count, sizeof *headers);
    if (headers == NULL) return leat_arena_full(exec->arena, err);
    memcpy(headers, out->headers, out->headers_count * sizeof *headers);
    if (output->headers_count > 0)
        memcpy(headers + out->headers_count, output->headers,
               output->headers_count * sizeof *headers);
    output->headers = headers;
    output->headers_count = count;
    return LEAT_OK;
}

static leat_code sink_codec(leat_exec *exec, const leat_sink *sink, const leat_record *record,
                            leat_output *output, size_t *offset, leat_err *err)
{
    LEAT_ASSERT(sink->codec->type->encode != NULL && sink->layout != NULL);
    *offset = exec->out.len;
    leat_codec_out out = {.root = sink->layout,
                          .raw = record->raw,
                          .slots = record->slots,
                          .record = record,
                          .arena = exec->arena,
                          .to = &exec->out};
    leat_code code =
        sink->codec->type->encode(sink->codec, exec->sink_states[sink->index], &out, err);
    if (code == LEAT_OK && out.headers_count > 0) code = join_headers(exec, &out, output, err);
    if (LEAT_UNLIKELY(code != LEAT_OK)) exec->out.len = *offset;
    return code;
}

static leat_code sink_encode(leat_exec *exec, const leat_sink *sink, const leat_record *record,
                             leat_output *output, size_t *offset, leat_err *err)
{
    const leat_field *root = sink->layout;
    *offset = SIZE_MAX;
    if (sink->codec != NULL) return sink_codec(exec, sink, record, output, offset, err);
    if (root->open && root->fields == NULL && record->raw.data != NULL) {
        output->value = record->raw; /* nobody has changed it */
        return LEAT_OK;
    }
    *offset = exec->out.len;
    leat_code code =
        leat_json_encode(root, record->raw, record->slots, exec->arena, &exec->out, err);
    if (LEAT_UNLIKELY(code != LEAT_OK)) exec->out.len = *offset;
    return code;
}

static bool sink_sets(const leat_output *output, leat_str name)
{
    for (size_t i = 0; i < output->headers_count; i++)
        if (leat_str_equal(output->headers[i].name, name)) return true;
    return false;
}

/* The message's headers in front of the sink's own; what tells of an earlier failure stays here. */
static leat_code keep_headers(leat_exec *exec, const leat_record *record, leat_output *output,
                              leat_err *err)
{
    const leat_header *given = NULL;
    size_t given_count = 0, count = 0;
    if (record->message == NULL) return LEAT_OK;
    LEAT_TRY(leat_message_headers(record->message, exec->arena, &given, &given_count, err));
    if (given_count == 0) return LEAT_OK;
    leat_header *headers =
        leat_arena_array(exec->arena, given_count + output->headers_count, sizeof *headers);
    if (headers == NULL) return leat_arena_full(exec->arena, err);
    for (size_t i = 0; i < given_count; i++)
        if (!sink_sets(output, given[i].name) && !leat_str_starts(given[i].name, LEAT_STR("leat.")))
            headers[count++] = given[i];
    if (output->headers_count > 0)
        memcpy(headers + count, output->headers, output->headers_count * sizeof *headers);
    output->headers = headers;
    output->headers_count += count;
    return LEAT_OK;
}

static leat_code sink_is_tombstone(leat_exec *exec, const leat_sink *sink,
                                   const leat_record *record, bool *is, leat_err *err)
{
    exec->site = (leat_site){sink->views, record};
    const leat_eval eval = {.slots = record->slots,
                            .memo = record->slots,
                            .arena = exec->arena,
                            .load = leat_site_load,
                            .self = &exec->site};
    leat_code code = leat_expr_test(sink->tombstone_expr, &eval, is, err);
    return code == LEAT_OK ? code : leat_err_prefix(err, "tombstone");
}

/* The value, and the headers that go with it. */
static leat_code sink_value(leat_exec *exec, const leat_sink *sink, const leat_record *record,
                            leat_output *output, size_t *offset, leat_err *err)
{
    bool tombstone = false;
    if (sink->kind == LEAT_SINK_REDIS) return exec_effect(exec, sink, record, output, err);
    if (sink->tombstone_expr != NULL)
        LEAT_TRY(sink_is_tombstone(exec, sink, record, &tombstone, err));
    if (!tombstone) LEAT_TRY(sink_encode(exec, sink, record, output, offset, err));
    return sink->keep_headers ? keep_headers(exec, record, output, err) : LEAT_OK;
}

static leat_code sink_record(leat_exec *exec, const leat_sink *sink, const leat_record *record,
                             leat_err *err)
{
    leat_output output = {.kind = LEAT_OUTPUT_RECORD,
                          .sink = sink,
                          .topic = sink->topic,
                          .partition = -1,
                          .key = record->key,
                          .timestamp_ms = record->timestamp_ms};
    leat_err why;
    size_t offset = SIZE_MAX;
    leat_code code = LEAT_OK;
    if (sink->topic_expr != NULL || sink->key_expr != NULL || sink->partition_expr != NULL ||
        sink->headers_count > 0)
        code = sink_address(exec, sink, record, &output, &why);
    if (code == LEAT_OK) code = sink_value(exec, sink, record, &output, &offset, &why);
    if (LEAT_UNLIKELY(code != LEAT_OK)) return exec_reject(exec, sink->place, record, &why, err);
    return exec_output_add(exec, record->moment, &output, offset, err);
}

leat_code exec_output_sinks(leat_exec *exec, const exec_node *node, leat_err *err)
{
    for (size_t s = 0; s < node->plan->sinks_count; s++) {
        const leat_sink *sink = node->plan->sinks[s];
        LEAT_ASSERT(sink->from_port < node->ports);
        const leat_batch *batch = &node->out[sink->from_port];
        if (sink->kind == LEAT_SINK_DROP) {
            exec->counts.records_out += batch->count;
            continue;
        }
        size_t before = exec->counts.dead_letters;
        for (size_t i = 0; i < batch->count; i++)
            LEAT_TRY(sink_record(exec, sink, batch->records[i], err));
        exec->counts.records_out += batch->count - (exec->counts.dead_letters - before);
    }
    return LEAT_OK;
}
