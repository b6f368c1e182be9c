/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents 1.0 (github.com/cloudevents/spec: JSON format, Kafka protocol binding).
 *
 *   binary       ce_id: 7  ce_type: paid  ce_source: /shop     content-type: application/json
 *                {"amount":1.50}
 *   structured   content-type: application/cloudevents+json
 *                {"specversion":"1.0","id":"7","type":"paid","source":"/shop","data":{...}}
 *   record       the latter, of both
 *
 * What a binary event's payload is, its content type says: JSON becomes `data` as it is written,
 * other text a string, anything else `data_base64`. JSON is validated first: it is put into the
 * middle of a text, and must not be able to end it.
 * Written, a record is an event with the four attributes that every event needs; or, where the
 * settings have type and source, the record is the data of an event made here. Its id is that of
 * the message it came from and a digest of the data: the same in every run, and of two records out
 * of one message not the same.
 * Batches (application/cloudevents-batch) are refused; the binding does not have them. */
#include "schemas/codec_cloudevents.h"

#include "core/base64.h"
#include "core/mem.h"
#include "core/time.h"

#define TEXT_BYTES_MAX ((size_t)256 << 20)
#define PLAN_BYTES_MAX ((size_t)1 << 20)
#define DEPTH_MAX      1024
#define NAME_LEN_MAX   64
#define ATTRIBUTES_MAX 256

enum { SPECVERSION, ID, SOURCE, TYPE, NEEDED, DATA = NEEDED, DATA_BASE64, CONTENT_TYPE, SLOTS };
static const leat_str slot_names[SLOTS] = {
    [SPECVERSION] = LEAT_STR_INIT("specversion"),
    [ID] = LEAT_STR_INIT("id"),
    [SOURCE] = LEAT_STR_INIT("source"),
    [TYPE] = LEAT_STR_INIT("type"),
    [DATA] = LEAT_STR_INIT("data"),
    [DATA_BASE64] = LEAT_STR_INIT("data_base64"),
    [CONTENT_TYPE] = LEAT_STR_INIT("datacontenttype"),
};

typedef struct events_state {
    leat_json_limits limits;
    leat_buf text;
    leat_arena *arena;
    leat_json_decoder *decoder; /* of the attributes that matter, and data */
    leat_value slots[SLOTS];
} events_state;

static void events_close(void *kept)
{
    events_state *state = kept;
    if (state == NULL) return;
    leat_json_decoder_free(&state->decoder);
    leat_arena_free(&state->arena);
    leat_buf_release(&state->text);
    leat_mem_free(state);
}

static leat_code events_open(const leat_codec *codec, const leat_slot_request *requests,
                             size_t count, leat_json_limits limits, void **kept, leat_err *err)
{
    leat_slot_request own[SLOTS];
    leat_json_plan *plan = NULL;
    (void)codec;
    (void)requests;
    (void)count;
    events_state *state = leat_mem_need(sizeof *state);
    state->limits = limits;
    leat_buf_init(&state->text, TEXT_BYTES_MAX);
    for (uint32_t i = 0; i < SLOTS; i++)
        own[i] = (leat_slot_request){.path = {&slot_names[i], 1}, .slot = i, .exact = true};
    leat_json_limits wide = {DEPTH_MAX, UINT32_MAX};
    leat_code code = leat_arena_new(&state->arena, PLAN_BYTES_MAX, err);
    if (code == LEAT_OK) code = leat_json_plan_new(own, SLOTS, wide, state->arena, &plan, err);
    if (code != LEAT_OK) {
        events_close(state);
        return code;
    }
    state->decoder = leat_json_decoder_new(plan);
    *kept = state;
    return LEAT_OK;
}

/* --- attributes --- */

/* Every event has these four, and they are strings that are not empty. */
static leat_code check_needed(const events_state *state, leat_err *err)
{
    for (size_t i = 0; i < NEEDED; i++) {
        leat_value value = state->slots[i];
        if (value.tag != LEAT_STRING || value.len == 0)
            return leat_err_set(err, LEAT_ERR_SYNTAX, "a CloudEvent needs the attribute '%.*s'",
                                LEAT_STR_ARG(slot_names[i]));
    }
    if (!leat_str_starts(leat_value_str(state->slots[SPECVERSION]), LEAT_STR("1.")))
        return leat_err_set(err, LEAT_ERR_SYNTAX, "a CloudEvent of specversion %.*s, not 1.0",
                            state->slots[SPECVERSION].len > 16 ? 16
                                                               : (int)state->slots[SPECVERSION].len,
                            state->slots[SPECVERSION].as.text);
    return LEAT_OK;
}

/* Content types do not mind case. */
static bool begins(leat_str text, const char *with)
{
    size_t len = strlen(with);
    if (text.len < len) return false;
    for (size_t i = 0; i < len; i++)
        if (leat_str_lower(text.data[i]) != with[i]) return false;
    return true;
}

static leat_str without_parameters(leat_str type)
{
    const char *end = type.len == 0 ? NULL : memchr(type.data, ';', type.len);
    if (end != NULL) type.len = (size_t)(end - type.data);
    while (type.len > 0 && type.data[type.len - 1] == ' ')
        type.len--;
    return type;
}

static bool is_json(leat_str content_type)
{
    leat_str type = without_parameters(content_type);
    if (type.len == 0) return true; /* as the specification has it */
    return (type.len == 16 && begins(type, "application/json")) ||
           (type.len >= 5 && begins(leat_str_slice(type, type.len - 5, type.len), "+json"));
}

static bool name_good(leat_str name)
{
    if (name.len == 0 || name.len > NAME_LEN_MAX) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
    }
    return !leat_str_is(name, "data") && !leat_str_is(name, "datacontenttype");
}

/* --- reading --- */

static leat_code put_data(leat_buf *out, leat_str payload, leat_str content_type,
                          leat_json_limits limits, leat_arena *arena, leat_err *err)
{
    if (payload.len == 0) return LEAT_OK;
    if (is_json(content_type)) {
        if (leat_json_validate(payload, limits, err) != LEAT_OK)
            return leat_err_prefix(err, "the event's data");
        leat_buf_add_text(out, ",\"data\":");
        leat_buf_add(out, payload);
        return LEAT_OK;
    }
    if (begins(content_type, "text/") && leat_str_utf8_valid(payload)) {
        leat_buf_add_text(out, ",\"data\":");
        leat_json_write_string(payload, out);
        return LEAT_OK;
    }
    leat_buf_add_text(out, ",\"data_base64\":");
    return leat_json_write(leat_value_text(LEAT_BYTES, payload), arena, out, err);
}

static leat_code binary_text(events_state *state, const leat_codec_in *in,
                             const leat_header *headers, size_t count, leat_str content_type,
                             leat_err *err)
{
    leat_buf *out = &state->text;
    leat_buf_reset(out);
    leat_buf_add_char(out, '{');
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (!leat_str_starts(headers[i].name, LEAT_STR("ce_"))) continue;
        leat_str name = leat_str_slice(headers[i].name, 3, headers[i].name.len);
        leat_str value = headers[i].value;
        if (!name_good(name)) continue;
        if (!leat_str_utf8_valid(value))
            return leat_err_set(err, LEAT_ERR_SYNTAX, "header ce_%.*s is not UTF-8",
                                LEAT_STR_ARG(name));
        if (!first) leat_buf_add_char(out, ',');
        first = false;
        leat_json_write_string(name, out);
        leat_buf_add_char(out, ':');
        leat_json_write_string(value, out);
    }
    if (content_type.len > 0 && leat_str_utf8_valid(content_type)) {
        leat_buf_add_text(out, ",\"datacontenttype\":"); /* ce_specversion stands before it */
        leat_json_write_string(content_type, out);
    }
    LEAT_TRY(put_data(out, in->message->value, content_type, state->limits, in->arena, err));
    leat_buf_add_char(out, '}');
    return leat_buf_check(out, "an event", err);
}

static leat_code events_decode(const leat_codec *codec, void *kept, leat_codec_in *in,
                               leat_err *err)
{
    events_state *state = kept;
    const leat_header *headers = NULL;
    size_t count = 0;
    leat_str content_type = LEAT_STR_NONE, version = LEAT_STR_NONE, raw;
    (void)codec;
    LEAT_TRY(leat_message_headers(in->message, in->arena, &headers, &count, err));
    for (size_t i = 0; i < count; i++) {
        if (headers[i].name.len == 12 && begins(headers[i].name, "content-type"))
            content_type = headers[i].value;
        if (leat_str_is(headers[i].name, "ce_specversion")) version = headers[i].value;
    }
    leat_str text = in->message->value;
    bool made = false; /* the text is not the payload: an offset in it tells nobody anything */
    if (begins(content_type, "application/cloudevents-batch"))
        return leat_err_set(err, LEAT_ERR_SYNTAX, "a batch of CloudEvents cannot be read");
    if (version.data != NULL && !begins(content_type, "application/cloudevents")) {
        LEAT_TRY(binary_text(state, in, headers, count, content_type, err));
        text = leat_arena_copy(in->arena, leat_buf_str(&state->text));
        if (text.data == NULL) return leat_arena_full(in->arena, err);
        made = true;
    }
    leat_code code = leat_json_decode(in->json, text, in->arena, in->slots, &in->raw, err);
    if (code == LEAT_OK)
        code = leat_json_decode(state->decoder, in->raw, in->arena, state->slots, &raw, err);
    if (code != LEAT_OK && made) err->offset = 0;
    return code == LEAT_OK ? check_needed(state, err) : code;
}

/* --- writing --- */

/* An event around the record's text. */
static leat_code wrap(const leat_cloudevents_codec *codec, const leat_codec_out *out, leat_str data,
                      leat_str *event, leat_err *err)
{
    const leat_record *record = out->record;
    const leat_message *message = record->message;
    leat_buf made;
    leat_buf_init(&made, TEXT_BYTES_MAX);
    leat_buf_add_text(&made, "{\"specversion\":\"1.0\",\"id\":");
    leat_str id =
        leat_arena_print(out->arena, "%.*s:%d:%lld:%016llx",
                         LEAT_STR_ARG(message != NULL ? message->topic : LEAT_STR("time")),
                         message != NULL ? (int)message->partition : 0,
                         (long long)(message != NULL ? message->offset : record->timestamp_ms),
                         (unsigned long long)leat_str_hash_fixed(data));
    leat_json_write_string(id, &made);
    leat_buf_add_text(&made, ",\"source\":");
    leat_json_write_string(codec->source, &made);
    leat_buf_add_text(&made, ",\"type\":");
    leat_json_write_string(codec->type, &made);
    if (record->timestamp_ms != LEAT_TIME_NONE) {
        leat_buf_add_text(&made, ",\"time\":\"");
        leat_time_format(leat_value_timestamp_of_ms(record->timestamp_ms), &made);
        leat_buf_add_char(&made, '"');
    }
    leat_buf_add_text(&made, ",\"datacontenttype\":\"application/json\",\"data\":");
    leat_buf_add(&made, data);
    leat_buf_add_char(&made, '}');
    leat_code code = leat_buf_check(&made, "an event", err);
    if (code == LEAT_OK) {
        *event = leat_arena_copy(out->arena, leat_buf_str(&made));
        if (event->data == NULL || id.data == NULL) code = leat_arena_full(out->arena, err);
    }
    leat_buf_release(&made);
    return code;
}

static leat_code put_payload(const events_state *state, const leat_codec_out *out, leat_err *err)
{
    leat_value data = state->slots[DATA], coded = state->slots[DATA_BASE64];
    leat_value type = state->slots[CONTENT_TYPE];
    leat_str content_type = type.tag == LEAT_STRING ? leat_value_str(type) : LEAT_STR_NONE;
    if (coded.tag == LEAT_STRING) {
        if (leat_base64_decode(leat_value_str(coded), LEAT_BASE64_STANDARD, out->to, err) ==
            LEAT_OK)
            return LEAT_OK;
        return leat_err_prefix(err, "data_base64");
    }
    if (data.tag == LEAT_MISSING) return LEAT_OK;
    if (data.tag == LEAT_STRING && !is_json(content_type)) {
        leat_buf_add(out->to, leat_value_str(data));
        return LEAT_OK;
    }
    return leat_json_write(data, out->arena, out->to, err);
}

static leat_code attribute_text(leat_value value, leat_arena *arena, leat_str *text, leat_err *err)
{
    leat_buf made;
    if (value.tag == LEAT_STRING) {
        *text = value.len > 0 ? leat_value_str(value) : LEAT_STR("");
        return LEAT_OK;
    }
    leat_buf_init(&made, 4096);
    leat_code code = leat_json_write(value, arena, &made, err);
    if (code == LEAT_OK) code = leat_buf_check(&made, "an attribute", err);
    if (code == LEAT_OK) {
        *text = leat_arena_copy(arena, leat_buf_str(&made));
        if (text->data == NULL) code = leat_arena_full(arena, err);
    }
    leat_buf_release(&made);
    return code;
}

/* Attributes as headers: all members but the data. */
static leat_code put_headers(leat_codec_out *out, leat_str event, leat_err *err)
{
    leat_json_limits wide = {DEPTH_MAX, UINT32_MAX};
    leat_value map;
    LEAT_TRY(leat_json_value(event, wide, out->arena, &map, err));
    LEAT_ASSERT(map.tag == LEAT_MAP);
    leat_header *headers = leat_arena_array(out->arena, map.len + 1, sizeof *headers);
    size_t count = 0;
    bool typed = false, coded = false;
    if (headers == NULL) return leat_arena_full(out->arena, err);
    for (uint32_t i = 0; i < map.len; i++) {
        leat_str name = leat_value_str(map.as.entries[i].key);
        leat_value value = map.as.entries[i].value;
        coded |= leat_str_is(name, "data_base64");
        if (leat_str_is(name, "data") || leat_str_is(name, "data_base64") || value.tag == LEAT_NULL)
            continue;
        bool type = leat_str_is(name, "datacontenttype");
        if ((!type && !name_good(name)) || value.tag == LEAT_MAP || value.tag == LEAT_LIST)
            return leat_err_set(err, LEAT_ERR_INVALID,
                                "'%.*s' is no attribute of a CloudEvent: lower-case letters and "
                                "digits, and a text, number or bool; put it into 'data'",
                                name.len > 64 ? 64 : (int)name.len, name.data);
        if (count == ATTRIBUTES_MAX)
            return leat_err_set(err, LEAT_ERR_LIMIT, "a CloudEvent of more than %d attributes",
                                ATTRIBUTES_MAX);
        typed |= type;
        headers[count].name = type ? LEAT_STR("content-type")
                                   : leat_arena_print(out->arena, "ce_%.*s", LEAT_STR_ARG(name));
        if (headers[count].name.data == NULL) return leat_arena_full(out->arena, err);
        LEAT_TRY(attribute_text(value, out->arena, &headers[count++].value, err));
    }
    if (!typed)
        headers[count++] =
            (leat_header){LEAT_STR("content-type"), coded ? LEAT_STR("application/octet-stream")
                                                          : LEAT_STR("application/json")};
    out->headers = headers;
    out->headers_count = count;
    return LEAT_OK;
}

static leat_code events_encode(const leat_codec *of, void *kept, leat_codec_out *out, leat_err *err)
{
    static const leat_header structured = {
        LEAT_STR_INIT("content-type"),
        LEAT_STR_INIT("application/cloudevents+json; charset=UTF-8")};
    const leat_cloudevents_codec *codec = (const leat_cloudevents_codec *)of;
    events_state *state = kept;
    leat_str event, raw;
    LEAT_TRY(leat_codec_text(out, &state->text, &event, err));
    if (codec->type.data != NULL) LEAT_TRY(wrap(codec, out, event, &event, err));
    LEAT_TRY(leat_json_decode(state->decoder, event, out->arena, state->slots, &raw, err));
    LEAT_TRY(check_needed(state, err));
    if (codec->structured) {
        leat_buf_add(out->to, raw);
        out->headers = &structured;
        out->headers_count = 1;
        return LEAT_OK;
    }
    LEAT_TRY(put_headers(out, raw, err));
    return put_payload(state, out, err);
}

const leat_codec_type leat_codec_cloudevents = {
    .name = "cloudevents",
    .open = events_open,
    .close = events_close,
    .decode = events_decode,
    .encode = events_encode,
};
