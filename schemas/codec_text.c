/* SPDX-License-Identifier: Apache-2.0 */
/* text and raw: payloads of one field.
 *
 *   text   a payload of UTF-8       {"value":"GET / 200"}
 *   raw    any bytes                {"value":"AAEC/w=="}     base64 in JSON, bytes in expressions
 *
 * A raw field's slots hold the bytes themselves, so that `size(value)` counts bytes and the same
 * payload goes out again without a detour. When it is written, a field may be bytes or base64 text:
 * a record that was held, or came from JSON, has the text.
 * A tombstone never comes here; an empty payload is an empty field. */
#include "schemas/codec_text.h"

#include "core/base64.h"
#include "core/mem.h"

#define TEXT_BYTES_MAX  ((size_t)256 << 20)
#define PLAN_BYTES_MAX  ((size_t)1 << 20)
#define WRITE_DEPTH_MAX 1024

typedef struct text_state {
    const leat_slot_request *requests;
    size_t requests_count;
    leat_json_limits limits;
    leat_buf text;
    leat_arena *arena;
    leat_json_decoder *decoder; /* of records that are written */
} text_state;

static leat_code text_open(const leat_codec *codec, const leat_slot_request *requests, size_t count,
                           leat_json_limits limits, void **kept, leat_err *err)
{
    (void)codec;
    (void)err;
    text_state *state = leat_mem_need(sizeof *state);
    state->requests = requests;
    state->requests_count = count;
    state->limits = limits;
    leat_buf_init(&state->text, TEXT_BYTES_MAX);
    *kept = state;
    return LEAT_OK;
}

static void text_close(void *kept)
{
    text_state *state = kept;
    if (state == NULL) return;
    leat_json_decoder_free(&state->decoder);
    leat_arena_free(&state->arena);
    leat_buf_release(&state->text);
    leat_mem_free(state);
}

/* --- reading --- */

static leat_code decode_as(const leat_text_codec *codec, text_state *state, leat_value value,
                           leat_codec_in *in, leat_err *err)
{
    leat_str payload = in->message->value;
    if (payload.len > state->limits.bytes_max)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a payload of %zu bytes; at most %u are allowed",
                            payload.len, (unsigned)state->limits.bytes_max);
    leat_buf *out = &state->text;
    leat_buf_reset(out);
    leat_buf_add_char(out, '{');
    leat_json_write_string(codec->field, out);
    leat_buf_add_char(out, ':');
    LEAT_TRY(leat_json_write(value, in->arena, out, err));
    leat_buf_add_char(out, '}');
    LEAT_TRY(leat_buf_check(out, "a payload", err));
    in->raw = leat_arena_copy(in->arena, leat_buf_str(out));
    if (in->raw.data == NULL) return leat_arena_full(in->arena, err);
    for (size_t i = 0; i < state->requests_count; i++) {
        const leat_slot_request *request = &state->requests[i];
        bool whole =
            request->path.count == 1 && leat_str_equal(request->path.names[0], codec->field);
        in->slots[request->slot] = whole ? value : LEAT_VALUE_MISSING;
    }
    return LEAT_OK;
}

/* How many bytes are UTF-8. */
static size_t good_bytes(leat_str text)
{
    size_t at = 0;
    while (at < text.len) {
        unsigned char lead = (unsigned char)text.data[at];
        size_t len = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if (len > text.len - at || !leat_str_utf8_valid(leat_str_slice(text, at, at + len))) break;
        at += len;
    }
    return at;
}

static leat_code text_decode(const leat_codec *of, void *state, leat_codec_in *in, leat_err *err)
{
    const leat_text_codec *codec = (const leat_text_codec *)of;
    leat_str payload = in->message->value;
    if (!leat_str_utf8_valid(payload))
        return leat_err_set(err, LEAT_ERR_SYNTAX, "not UTF-8 at byte %zu", good_bytes(payload));
    return decode_as(codec, state, leat_value_string(payload), in, err);
}

static leat_code raw_decode(const leat_codec *of, void *state, leat_codec_in *in, leat_err *err)
{
    return decode_as((const leat_text_codec *)of, state,
                     leat_value_text(LEAT_BYTES, in->message->value), in, err);
}

/* --- writing --- */

/* The field's value: from its slot, or out of the record's text. */
static leat_code field_of(const leat_text_codec *codec, text_state *state,
                          const leat_codec_out *out, leat_value *value, leat_err *err)
{
    const leat_field *field = leat_field_find(out->root, codec->field);
    if (field != NULL && field->kind == LEAT_FIELD_SLOT) {
        *value = out->slots[field->slot];
    } else {
        leat_str json, raw;
        if (state->decoder == NULL) {
            leat_json_plan *plan = NULL;
            leat_slot_request request = {.path = {&codec->field, 1}, .slot = 0, .exact = true};
            leat_json_limits wide = {WRITE_DEPTH_MAX, UINT32_MAX};
            LEAT_TRY(leat_arena_new(&state->arena, PLAN_BYTES_MAX, err));
            LEAT_TRY(leat_json_plan_new(&request, 1, wide, state->arena, &plan, err));
            state->decoder = leat_json_decoder_new(plan);
        }
        LEAT_TRY(leat_codec_text(out, &state->text, &json, err));
        LEAT_TRY(leat_json_decode(state->decoder, json, out->arena, value, &raw, err));
    }
    if (value->tag == LEAT_MISSING || value->tag == LEAT_NULL)
        return leat_err_set(err, LEAT_ERR_NO_FIELD, "there is no field '%.*s' to write",
                            LEAT_STR_ARG(codec->field));
    return LEAT_OK;
}

static leat_code text_encode(const leat_codec *of, void *kept, leat_codec_out *out, leat_err *err)
{
    const leat_text_codec *codec = (const leat_text_codec *)of;
    leat_value value;
    LEAT_TRY(field_of(codec, kept, out, &value, err));
    if (value.tag == LEAT_STRING || value.tag == LEAT_NUMBER || value.tag == LEAT_JSON) {
        leat_buf_add(out->to, leat_value_str(value));
        return LEAT_OK;
    }
    return leat_json_write(value, out->arena, out->to, err); /* numbers, bools, times' text */
}

static leat_code raw_encode(const leat_codec *of, void *kept, leat_codec_out *out, leat_err *err)
{
    const leat_text_codec *codec = (const leat_text_codec *)of;
    leat_value value;
    LEAT_TRY(field_of(codec, kept, out, &value, err));
    if (value.tag == LEAT_BYTES) {
        leat_buf_add(out->to, leat_value_str(value));
        return LEAT_OK;
    }
    if (value.tag == LEAT_STRING) {
        leat_err why;
        leat_str text = leat_value_str(value);
        leat_code code = leat_base64_decode(text, LEAT_BASE64_STANDARD, out->to, &why);
        if (code == LEAT_OK) return LEAT_OK;
    }
    return leat_err_set(err, LEAT_ERR_TYPE, "field '%.*s' is neither bytes nor base64 text",
                        LEAT_STR_ARG(codec->field));
}

const leat_codec_type leat_codec_text_type = {
    .name = "text",
    .open = text_open,
    .close = text_close,
    .decode = text_decode,
    .encode = text_encode,
    .blank_lines = true,
};

const leat_codec_type leat_codec_raw_type = {
    .name = "raw",
    .open = text_open,
    .close = text_close,
    .decode = raw_decode,
    .encode = raw_encode,
    .blank_lines = true,
};
