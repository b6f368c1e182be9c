/* SPDX-License-Identifier: Apache-2.0 */
/* Records that end otherwise: dead letters and late ones. Both go out as they came: the message's
 * bytes, key and headers, so that they can be put back once the cause is gone.
 *
 * To a topic, headers tell the story:  leat.pipeline  leat.step  leat.error  leat.topic
 *   leat.partition  leat.offset  leat.timestamp. Those of an earlier story are replaced: a record
 *   that was put back and fails again does not carry both.
 * To a file or stdout, a JSON line:  pipeline  step  error  source  line  value (or value_base64).
 *
 * Without a sink for dead letters they are counted only, and the last error is kept for the log. */
#include "transforms/exec_inside.h"

enum { STORY_COUNT = 7 };
static const char *const story_names[STORY_COUNT] = {
    "leat.pipeline",  "leat.step",   "leat.error",    "leat.topic",
    "leat.partition", "leat.offset", "leat.timestamp"};

static bool is_story(leat_str name)
{
    for (size_t i = 0; i < STORY_COUNT; i++)
        if (leat_str_is(name, story_names[i])) return true;
    return false;
}

static leat_code tell_in_headers(leat_exec *exec, leat_str place, const leat_message *message,
                                 const leat_err *why, leat_output *output, leat_err *err)
{
    const leat_header *own = NULL;
    size_t given = 0, count = 0;
    if (message != NULL) LEAT_TRY(leat_message_headers(message, exec->arena, &own, &given, err));
    leat_header *headers = leat_arena_array(exec->arena, given + STORY_COUNT, sizeof *headers);
    if (headers == NULL) return leat_arena_full(exec->arena, err);
    for (size_t i = 0; i < given; i++)
        if (!is_story(own[i].name)) headers[count++] = own[i];
    leat_str story[STORY_COUNT] = {exec->plan->name, place,
                                   leat_arena_copy(exec->arena, leat_str_of(why->text))};
    size_t told = 3;
    if (message != NULL) {
        story[told++] = message->topic;
        story[told++] = leat_arena_print(exec->arena, "%d", (int)message->partition);
        story[told++] = leat_arena_print(exec->arena, "%lld", (long long)message->offset);
        if (message->timestamp_ms != LEAT_TIME_NONE)
            story[told++] = leat_arena_print(exec->arena, "%lld", (long long)message->timestamp_ms);
    }
    for (size_t i = 0; i < told; i++) {
        if (story[i].data == NULL) return leat_arena_full(exec->arena, err);
        headers[count++] = (leat_header){leat_str_of(story_names[i]), story[i]};
    }
    output->headers = headers;
    output->headers_count = count;
    return LEAT_OK;
}

static void member(leat_buf *out, const char *name, leat_str text)
{
    leat_buf_add_text(out, name);
    leat_json_write_string(text, out);
}

/* A JSON line in exec->out. The error's text is ours, so UTF-8 up to where it was cut. */
static leat_code tell_in_line(leat_exec *exec, leat_str place, const leat_message *message,
                              leat_str value, const leat_err *why, leat_err *err)
{
    leat_buf *out = &exec->out;
    leat_str error = leat_str_of(why->text);
    while (!leat_str_utf8_valid(error))
        error.len--;
    member(out, "{\"pipeline\":", exec->plan->name);
    member(out, ",\"step\":", place);
    member(out, ",\"error\":", error);
    member(out, ",\"source\":", exec->source->name);
    leat_buf_add_text(out, ",\"line\":");
    if (message != NULL)
        leat_buf_add_int(out, message->offset);
    else
        leat_buf_add_text(out, "null");
    leat_code code = LEAT_OK;
    if (value.data == NULL) {
        leat_buf_add_text(out, ",\"value\":null");
    } else if (leat_str_utf8_valid(value)) {
        member(out, ",\"value\":", value);
    } else {
        leat_buf_add_text(out, ",\"value_base64\":");
        code = leat_json_write(leat_value_text(LEAT_BYTES, value), exec->arena, out, err);
    }
    leat_buf_add_char(out, '}');
    return code;
}

leat_code exec_reject(leat_exec *exec, leat_str place, const leat_record *record,
                      const leat_err *why, leat_err *err)
{
    if (leat_code_blame(why->code) != LEAT_BLAME_RECORD) {
        *err = *why;
        return leat_err_prefix(err, "%.*s", LEAT_STR_ARG(place));
    }
    exec->counts.dead_letters++;
    exec->last_error = *why;
    (void)leat_err_prefix(&exec->last_error, "%.*s", LEAT_STR_ARG(place));
    const leat_sink *sink = exec->plan->dead_letter;
    if (sink == NULL || sink->kind == LEAT_SINK_DROP) return LEAT_OK;
    const leat_message *message = record->message;
    leat_output output = {.kind = LEAT_OUTPUT_DEAD_LETTER,
                          .sink = sink,
                          .topic = sink->topic,
                          .partition = -1,
                          .key = message != NULL ? message->key : record->key,
                          .value = message != NULL ? message->value : record->raw,
                          .timestamp_ms = record->timestamp_ms};
    if (message != NULL && message->timestamp_ms != LEAT_TIME_NONE)
        output.timestamp_ms = message->timestamp_ms;
    if (sink->kind == LEAT_SINK_TOPIC) {
        LEAT_TRY(tell_in_headers(exec, place, message, why, &output, err));
        return exec_output_add(exec, record->moment, &output, SIZE_MAX, err);
    }
    size_t offset = exec->out.len;
    LEAT_TRY(tell_in_line(exec, place, message, output.value, why, err));
    return exec_output_add(exec, record->moment, &output, offset, err);
}

leat_code exec_late(leat_exec *exec, const leat_record *record, leat_err *err)
{
    const leat_message *message = record->message;
    LEAT_ASSERT(message != NULL && exec->source->late != LEAT_LATE_UNSET);
    const leat_sink *sink = exec->source->late_sink;
    if (exec->source->late == LEAT_LATE_DROP || sink == NULL) {
        exec->counts.late_dropped++;
        return LEAT_OK;
    }
    if (sink->kind == LEAT_SINK_DROP) return LEAT_OK;
    leat_output output = {.kind = LEAT_OUTPUT_LATE,
                          .sink = sink,
                          .topic = sink->topic,
                          .partition = -1,
                          .key = message->key,
                          .value = message->value,
                          .timestamp_ms = message->timestamp_ms != LEAT_TIME_NONE
                                              ? message->timestamp_ms
                                              : record->timestamp_ms};
    LEAT_TRY(
        leat_message_headers(message, exec->arena, &output.headers, &output.headers_count, err));
    return exec_output_add(exec, record->moment, &output, SIZE_MAX, err);
}
