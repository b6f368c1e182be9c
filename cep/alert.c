/* SPDX-License-Identifier: Apache-2.0 */
/* A match as JSON, written straight into the buffer: the events are copied as the text they are
 * held as.
 *
 *   {"pattern", "version", "key", "severity", "tags", "start", "end", "timed_out"?, "match_id",
 *    "events": {step: [event, ...]}, fields of emit ...}
 *
 * The id is a hash, not a counter: a worker that takes over, or that replays after a crash, must
 * give a match the id that it had. An event is known by topic, partition, offset and content; the
 * content is part of it because a step may make several events of one record. 128 bits, as ids are
 * what consumers drop duplicates by. */
#include "cep/alert.h"

#include "schemas/codec_json.h"

static void print_or(const leat_node *node, const char *otherwise, leat_buf *out)
{
    if (node != NULL)
        leat_node_print(node, false, out);
    else
        leat_buf_add_text(out, otherwise);
}

/* An event's content is in it as a hash, which the event keeps: most are in many matches. */
static void add_take(const leat_pattern *pattern, const leat_take *take, leat_buf *text)
{
    leat_buf_add_bytes(text, pattern->steps[take->step]->name);
    leat_identity identity = leat_event_identity(take->event);
    leat_buf_add_u64(text, identity.place);
    leat_buf_add_u64(text, identity.offset);
    leat_buf_add_u64(text, leat_event_content(take->event));
}

static void add_hex(uint64_t number, leat_buf *out)
{
    char *to = leat_buf_reserve(out, 16);
    if (to == NULL) return;
    for (int i = 0; i < 16; i++)
        to[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    out->len += 16;
}

/* What is hashed is written where the id will be, and goes then. */
void leat_alert_id(const leat_pattern *pattern, leat_str key, const leat_take *last, leat_buf *out)
{
    size_t begin = out->len;
    leat_buf_add_bytes(out, pattern->name);
    print_or(pattern->version, "", out);
    leat_buf_add_bytes(out, key);
    for (const leat_take *take = last; take != NULL; take = take->before)
        add_take(pattern, take, out);
    uint64_t high = leat_str_hash_fixed(leat_str_slice(leat_buf_str(out), begin, out->len));
    leat_buf_add_char(out, '2');
    uint64_t low = leat_str_hash_fixed(leat_str_slice(leat_buf_str(out), begin, out->len));
    out->len = begin;
    add_hex(high, out);
    add_hex(low, out);
}

static void write_events(const leat_pattern *pattern, const leat_take *takes, uint32_t count,
                         leat_buf *out)
{
    bool first_step = true;
    leat_buf_add_text(out, ",\"events\":{");
    for (uint32_t step = 0; step < pattern->steps_count; step++) {
        bool first = true;
        for (uint32_t i = 0; i < count; i++) {
            if (takes[i].step != step) continue;
            if (first && !first_step) leat_buf_add_char(out, ',');
            if (first) {
                leat_json_write_string(pattern->steps[step]->name, out);
                leat_buf_add_char(out, ':');
            }
            leat_buf_add_char(out, first ? '[' : ',');
            leat_buf_add(out, leat_event_json(takes[i].event));
            first = first_step = false;
        }
        if (!first) leat_buf_add_char(out, ']');
    }
    leat_buf_add_char(out, '}');
}

static leat_code write_emit(const leat_alert *alert, leat_arena *arena, leat_buf *out,
                            leat_err *why, leat_err *err)
{
    const leat_conditions *conditions = alert->conditions;
    bool late = alert->match->timed_out;
    const leat_emit_field *fields = late ? conditions->timeout_emit : conditions->emit;
    uint32_t count = late ? conditions->timeout_emit_count : conditions->emit_count;
    for (uint32_t i = 0; i < count; i++) {
        leat_value value = LEAT_VALUE_NULL;
        size_t before;
        leat_buf_add_char(out, ',');
        leat_json_write_string(fields[i].name, out);
        leat_buf_add_char(out, ':');
        before = out->len;
        leat_code code = leat_testing_emit(alert->testing, fields[i].value, alert->match->last,
                                           arena, &value, err);
        if (code == LEAT_OK) code = leat_json_write(value, arena, out, err);
        if (code == LEAT_OK) continue;
        if (leat_code_blame(code) != LEAT_BLAME_RECORD || out->overflow) return code;
        out->len = before;
        leat_buf_add_text(out, "null");
        if (why->code != LEAT_OK) continue;
        *why = *err;
        (void)leat_err_prefix(why, "pattern %.*s, %s.%.*s", LEAT_STR_ARG(conditions->pattern->name),
                              late ? "timeout.emit" : "emit", LEAT_STR_ARG(fields[i].name));
    }
    return LEAT_OK;
}

leat_code leat_alert_write(const leat_alert *alert, leat_arena *arena, leat_buf *out, leat_err *why,
                           leat_err *err)
{
    const leat_pattern *pattern = alert->conditions->pattern;
    const leat_take *last = alert->match->last;
    LEAT_ASSERT(last->depth > 0);
    const leat_take *first = last - (last->depth - 1); /* they lie in one array */
    LEAT_ASSERT(first->depth == 1 && first->before == NULL);
    why->code = LEAT_OK;
    leat_buf_add_text(out, "{\"pattern\":");
    leat_json_write_string(pattern->name, out);
    leat_buf_add_text(out, ",\"version\":");
    print_or(pattern->version, "null", out);
    leat_buf_add_text(out, ",\"key\":");
    leat_buf_add(out, alert->key);
    leat_buf_add_text(out, ",\"severity\":");
    print_or(pattern->severity, "null", out);
    leat_buf_add_text(out, ",\"tags\":");
    print_or(pattern->tags, "[]", out);
    leat_buf_add_text(out, ",\"start\":");
    leat_buf_add_int(out, first->event->timestamp_ms);
    leat_buf_add_text(out, ",\"end\":");
    leat_buf_add_int(out, last->event->timestamp_ms);
    if (alert->match->timed_out) {
        leat_buf_add_text(out, ",\"timed_out\":");
        leat_buf_add_int(out, alert->match->time_ms);
    }
    leat_buf_add_text(out, ",\"match_id\":\"");
    leat_alert_id(pattern, alert->key, last, out);
    leat_buf_add_char(out, '"');
    if (alert->events) write_events(pattern, first, last->depth, out);
    LEAT_TRY(write_emit(alert, arena, out, why, err));
    leat_buf_add_char(out, '}');
    return leat_buf_check(out, "an alert", err);
}
