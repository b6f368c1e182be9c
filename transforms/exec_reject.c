/* SPDX-License-Identifier: Apache-2.0 */
/* Records that end otherwise: dead letters and late ones. Both go out as they came: the message's
 * bytes, key and headers, so that they can be put back once the cause is gone; but for what the
 * streams mask (exec_guard.c), where the sink's `payload` does not say otherwise.
 *
 * To a topic, headers tell the story:  leat.pipeline  leat.step  leat.error  leat.code
 *   leat.attempt  leat.topic  leat.partition  leat.offset  leat.timestamp (of a file's record in
 *   place of the topic leat.file, and its line as leat.offset), and, where they apply,
 *   leat.masked (which fields)  leat.withheld (how many bytes). Those of an earlier story are
 *   replaced: a record that was put back and fails again carries only how often it has failed
 *   (leat.attempt, which `leat dlq redrive` leaves on it). The dead letter's own timestamp is the
 *   time of its writing: with that of the record, an old one would be past its retention at once.
 * To a file or stdout, a JSON line:  pipeline  step  error  code  source  line  value (or
 *   value_base64), of a topic's record also  topic  partition  timestamp  attempt  key  headers,
 *   of a file's its path as  file.
 *
 * Without a sink for dead letters they are counted only, and the last error is kept for the log. */
#include "transforms/exec_inside.h"

enum {
    PIPELINE,
    STEP,
    ERROR,
    CODE,
    ATTEMPT,
    TOPIC,
    PARTITION,
    FILE_PATH,
    OFFSET,
    TIMESTAMP,
    MASKED,
    WITHHELD,
    STORY_COUNT,
};
static const char *const story_names[STORY_COUNT] = {
    "leat.pipeline", "leat.step",      "leat.error",     "leat.code",
    "leat.attempt",  "leat.topic",     "leat.partition", "leat.file",
    "leat.offset",   "leat.timestamp", "leat.masked",    "leat.withheld"};
#define ATTEMPT_MAX 1000000

static bool is_story(leat_str name)
{
    for (size_t i = 0; i < STORY_COUNT; i++)
        if (leat_str_is(name, story_names[i])) return true;
    return false;
}

/* How often the record has failed, with this time. */
static int64_t attempt_of(const leat_header *headers, size_t count)
{
    int64_t before = 0;
    for (size_t i = 0; i < count; i++)
        if (leat_str_is(headers[i].name, story_names[ATTEMPT]) &&
            (leat_number_int(headers[i].value, &before) != LEAT_NUMBER_OK || before < 0 ||
             before > ATTEMPT_MAX))
            before = 0;
    return before + 1;
}

static leat_code tell_in_headers(leat_exec *exec, leat_str place, const leat_message *message,
                                 const leat_err *why, const exec_guarded *as, leat_output *output,
                                 leat_err *err)
{
    leat_header *headers =
        leat_arena_array(exec->arena, as->headers_count + STORY_COUNT, sizeof *headers);
    size_t count = 0;
    if (headers == NULL) return leat_arena_full(exec->arena, err);
    for (size_t i = 0; i < as->headers_count; i++)
        if (!is_story(as->headers[i].name)) headers[count++] = as->headers[i];
    leat_arena *arena = exec->arena;
    leat_str story[STORY_COUNT] = {[PIPELINE] = exec->plan->name,
                                   [STEP] = place,
                                   [ERROR] = leat_str_of(why->text),
                                   [CODE] = leat_str_of(leat_code_name(why->code)),
                                   [MASKED] = as->masked};
    int64_t numbers[STORY_COUNT] = {[ATTEMPT] = as->attempt, [WITHHELD] = (int64_t)as->withheld};
    bool told[STORY_COUNT] = {[PIPELINE] = true,
                              [STEP] = true,
                              [ERROR] = true,
                              [CODE] = true,
                              [ATTEMPT] = true,
                              [MASKED] = as->masked.data != NULL,
                              [WITHHELD] = as->held_back};
    if (message != NULL) {
        bool file = exec->source->files;
        story[file ? FILE_PATH : TOPIC] = message->topic;
        numbers[PARTITION] = message->partition;
        numbers[OFFSET] = message->offset;
        numbers[TIMESTAMP] = message->timestamp_ms;
        told[file ? FILE_PATH : TOPIC] = told[OFFSET] = true;
        told[PARTITION] = !file;
        told[TIMESTAMP] = message->timestamp_ms != LEAT_TIME_NONE;
    }
    for (size_t i = 0; i < STORY_COUNT; i++) {
        if (!told[i]) continue;
        leat_str text = story[i].data != NULL
                            ? leat_arena_copy(arena, story[i])
                            : leat_arena_print(arena, "%lld", (long long)numbers[i]);
        if (text.data == NULL) return leat_arena_full(arena, err);
        headers[count++] = (leat_header){leat_str_of(story_names[i]), text};
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

/* `"name":` behind `before`, and the bytes as text, or `"name_base64":`, or null. */
static leat_code member_bytes(leat_exec *exec, const char *before, const char *name, leat_str bytes,
                              leat_err *err)
{
    leat_buf *out = &exec->out;
    bool text = bytes.data == NULL || leat_str_utf8_valid(bytes);
    leat_buf_add_format(out, "%s\"%s%s\":", before, name, text ? "" : "_base64");
    if (bytes.data == NULL) {
        leat_buf_add_text(out, "null");
    } else if (text) {
        leat_json_write_string(bytes, out);
    } else {
        return leat_json_write(leat_value_text(LEAT_BYTES, bytes), exec->arena, out, err);
    }
    return LEAT_OK;
}

/* What a topic's record has and a file's has not. */
static leat_code tell_of_topic(leat_exec *exec, const leat_message *message, const exec_guarded *as,
                               leat_err *err)
{
    leat_buf *out = &exec->out;
    member(out, ",\"topic\":", message->topic);
    leat_buf_add_format(out, ",\"partition\":%d", (int)message->partition);
    if (message->timestamp_ms != LEAT_TIME_NONE)
        leat_buf_add_format(out, ",\"timestamp\":%lld", (long long)message->timestamp_ms);
    leat_buf_add_format(out, ",\"attempt\":%lld", (long long)as->attempt);
    LEAT_TRY(member_bytes(exec, ",", "key", as->key, err));
    bool first = true;
    for (size_t i = 0; i < as->headers_count; i++) {
        const leat_header *header = &as->headers[i];
        if (is_story(header->name)) continue;
        const char *before = first ? ",\"headers\":[{" : ",{";
        LEAT_TRY(member_bytes(exec, before, "name", header->name, err));
        LEAT_TRY(member_bytes(exec, ",", "value", header->value, err));
        leat_buf_add_char(out, '}');
        first = false;
    }
    if (!first) leat_buf_add_char(out, ']');
    return LEAT_OK;
}

/* A JSON line in exec->out. The error's text is ours, so UTF-8 up to where it was cut. */
static leat_code tell_in_line(leat_exec *exec, leat_str place, const leat_message *message,
                              const leat_err *why, const exec_guarded *as, leat_err *err)
{
    leat_buf *out = &exec->out;
    leat_str error = leat_str_of(why->text);
    while (!leat_str_utf8_valid(error))
        error.len--;
    member(out, "{\"pipeline\":", exec->plan->name);
    member(out, ",\"step\":", place);
    member(out, ",\"error\":", error);
    member(out, ",\"code\":", leat_str_of(leat_code_name(why->code)));
    const leat_source *table =
        message != NULL ? leat_source_table(exec->source, message->topic) : NULL;
    member(out, ",\"source\":", table != NULL ? table->name : exec->source->name);
    if (message != NULL && exec->source->files && leat_str_utf8_valid(message->topic))
        member(out, ",\"file\":", message->topic);
    leat_buf_add_text(out, ",\"line\":");
    if (message != NULL)
        leat_buf_add_int(out, message->offset);
    else
        leat_buf_add_text(out, "null");
    if (message != NULL && !exec->source->files) LEAT_TRY(tell_of_topic(exec, message, as, err));
    if (as->masked.data != NULL) member(out, ",\"masked\":", as->masked);
    if (as->held_back) leat_buf_add_format(out, ",\"withheld\":%zu", as->withheld);
    leat_code code = member_bytes(exec, ",", "value", as->value, err);
    leat_buf_add_char(out, '}');
    return code;
}

leat_code exec_reject(leat_exec *exec, leat_str place, const leat_record *record,
                      const leat_err *what, leat_err *err)
{
    if (leat_code_blame(what->code) != LEAT_BLAME_RECORD) {
        *err = *what;
        return leat_err_prefix(err, "%.*s", LEAT_STR_ARG(place));
    }
    const leat_message *message = record->message;
    const leat_sink *sink = exec->plan->dead_letter;
    LEAT_ASSERT(place.data != NULL && what->code != LEAT_OK);
    leat_err why = *what;
    exec_guarded as = {.key = message != NULL ? message->key : record->key,
                       .value = message != NULL ? message->value : record->raw};
    if (message != NULL)
        LEAT_TRY(leat_message_headers(message, exec->arena, &as.headers, &as.headers_count, err));
    as.attempt = attempt_of(as.headers, as.headers_count);
    LEAT_TRY(exec_guard(exec, record, sink != NULL ? sink->payload : LEAT_PAYLOAD_STRICT, &why, &as,
                        err));
    exec->counts.dead_letters++;
    exec->last_error = why;
    (void)leat_err_prefix(&exec->last_error, "%.*s", LEAT_STR_ARG(place));
    if (sink == NULL || sink->kind == LEAT_SINK_DROP) return LEAT_OK;
    leat_output output = {.kind = LEAT_OUTPUT_DEAD_LETTER,
                          .sink = sink,
                          .topic = sink->topic,
                          .partition = -1,
                          .key = as.key,
                          .value = as.value,
                          .timestamp_ms = LEAT_TIME_NONE};
    if (sink->kind == LEAT_SINK_TOPIC) {
        LEAT_TRY(tell_in_headers(exec, place, message, &why, &as, &output, err));
        return exec_output_add(exec, record->moment, &output, SIZE_MAX, err);
    }
    size_t offset = exec->out.len;
    LEAT_TRY(tell_in_line(exec, place, message, &why, &as, err));
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
    exec_guarded as = {.key = message->key, .value = message->value};
    leat_err ignored = {0};
    LEAT_TRY(leat_message_headers(message, exec->arena, &as.headers, &as.headers_count, err));
    if (sink->payload != LEAT_PAYLOAD_ORIGINAL)
        LEAT_TRY(exec_guard(exec, record, sink->payload, &ignored, &as, err));
    leat_output output = {.kind = LEAT_OUTPUT_LATE,
                          .sink = sink,
                          .topic = sink->topic,
                          .partition = -1,
                          .key = as.key,
                          .value = as.value,
                          .headers = as.headers,
                          .headers_count = as.headers_count,
                          .timestamp_ms = message->timestamp_ms != LEAT_TIME_NONE
                                              ? message->timestamp_ms
                                              : record->timestamp_ms};
    return exec_output_add(exec, record->moment, &output, SIZE_MAX, err);
}
