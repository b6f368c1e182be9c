/* SPDX-License-Identifier: Apache-2.0 */
/* One payload through one codec: whatever it is, nothing is read outside of it, what comes out is a
 * JSON object, and what is written reads back as the same record. For the fuzz harness and for the
 * unit test that damages good records byte by byte. */
#ifndef LEAT_TESTS_FUZZ_CODEC_CHECK_H
#define LEAT_TESTS_FUZZ_CODEC_CHECK_H

#include <stdlib.h>
#include <string.h>

#include "schemas/codec_cloudevents.h"
#include "schemas/codec_csv.h"
#include "schemas/codec_text.h"

typedef enum codec_kind {
    CODEC_CSV,        /* columns of all types */
    CODEC_CSV_HEADER, /* the first row names them */
    CODEC_CSV_PLAIN,  /* semicolons, no quotes */
    CODEC_TEXT,
    CODEC_RAW,
    CODEC_EVENT,        /* structured */
    CODEC_EVENT_BINARY, /* attributes of its own; the text before a first newline is the content
                           type */
    CODEC_KINDS,
} codec_kind;

#define CODEC_MUST(what) LEAT_ASSERT(what)

static const leat_csv_column codec_columns[] = {
    {LEAT_STR_INIT("id"), LEAT_CSV_INT},
    {LEAT_STR_INIT("na\"me"), LEAT_CSV_STRING},
    {LEAT_STR_INIT("x"), LEAT_CSV_DOUBLE},
    {LEAT_STR_INIT("ok"), LEAT_CSV_BOOL},
};
static const leat_csv_codec codec_csv = {{&leat_codec_csv}, codec_columns, 4, false, ',', '"',
                                         {NULL, 0}};
static const leat_csv_codec codec_csv_header = {{&leat_codec_csv}, NULL, 0, true, ',', '"',
                                                {NULL, 0}};
static const leat_csv_codec codec_csv_plain = {
    {&leat_codec_csv}, codec_columns, 4, false, ';', '\0', {"", 0}};
static const leat_text_codec codec_text = {{&leat_codec_text_type}, LEAT_STR_INIT("value")};
static const leat_text_codec codec_raw = {{&leat_codec_raw_type}, LEAT_STR_INIT("value")};
static const leat_cloudevents_codec codec_event = {.codec = {&leat_codec_cloudevents},
                                                   .structured = true};
static const leat_cloudevents_codec codec_event_binary = {.codec = {&leat_codec_cloudevents}};

static inline const leat_codec *codec_of_kind(codec_kind kind)
{
    static const leat_codec *const codecs[CODEC_KINDS] = {
        &codec_csv.codec, &codec_csv_header.codec, &codec_csv_plain.codec,   &codec_text.codec,
        &codec_raw.codec, &codec_event.codec,      &codec_event_binary.codec};
    return codecs[kind];
}

/* What reads: a decoder of a few slots, over one arena. */
#define CODEC_SLOTS 8u
typedef struct codec_bench {
    leat_arena *plan_arena, *arena;
    leat_json_decoder *json;
    leat_slot_request requests[CODEC_SLOTS];
    leat_buf out;
} codec_bench;

static const leat_json_limits codec_limits = {64, 1u << 20};
static const struct {
    leat_str names[2];
    size_t count;
    bool exact;
} codec_paths[CODEC_SLOTS] = {
    {{LEAT_STR_INIT("value")}, 1, true}, {{LEAT_STR_INIT("data")}, 1, true},
    {{LEAT_STR_INIT("id")}, 1, false},   {{LEAT_STR_INIT("x")}, 1, true},
    {{LEAT_STR_INIT("x")}, 1, false},    {{LEAT_STR_INIT("na\"me")}, 1, false},
    {{LEAT_STR_INIT("ok")}, 1, false},   {{LEAT_STR_INIT("id"), LEAT_STR_INIT("a")}, 2, false},
};

static inline void codec_bench_open(codec_bench *bench)
{
    leat_err err;
    leat_json_plan *plan;
    CODEC_MUST(leat_arena_new(&bench->plan_arena, (size_t)1 << 20, &err) == LEAT_OK);
    CODEC_MUST(leat_arena_new(&bench->arena, (size_t)1 << 30, &err) == LEAT_OK);
    for (uint32_t i = 0; i < CODEC_SLOTS; i++)
        bench->requests[i] = (leat_slot_request){
            {codec_paths[i].names, codec_paths[i].count}, i, codec_paths[i].exact};
    CODEC_MUST(leat_json_plan_new(bench->requests, CODEC_SLOTS, codec_limits, bench->plan_arena,
                                  &plan, &err) == LEAT_OK);
    bench->json = leat_json_decoder_new(plan);
    leat_buf_init(&bench->out, (size_t)256 << 20);
}

static inline void codec_bench_close(codec_bench *bench)
{
    leat_json_decoder_free(&bench->json);
    leat_buf_release(&bench->out);
    leat_arena_free(&bench->arena);
    leat_arena_free(&bench->plan_arena);
}

static inline leat_code codec_read(codec_bench *bench, const leat_codec *codec, void *state,
                                   const leat_message *message, leat_value slots[CODEC_SLOTS],
                                   leat_str *raw, bool *none)
{
    leat_err err = {0};
    leat_codec_in in = {
        .message = message, .json = bench->json, .arena = bench->arena, .slots = slots};
    memset(slots, 0, CODEC_SLOTS * sizeof *slots);
    leat_code code = codec->type->decode(codec, state, &in, &err);
    *raw = in.raw;
    *none = in.none;
    if (code == LEAT_OK) return code;
    CODEC_MUST(leat_code_blame(code) == LEAT_BLAME_RECORD && err.code == code);
    CODEC_MUST(err.text[0] != '\0' && err.offset <= message->value.len);
    return code;
}

/* Slots that a codec has filled itself are those that the record's text has, text or no text. */
static inline void codec_slots_agree(codec_bench *bench, const leat_codec *codec, void *state,
                                     const leat_message *message, const leat_value *slots,
                                     leat_str raw)
{
    leat_err err;
    leat_str again;
    leat_value read[CODEC_SLOTS], alone[CODEC_SLOTS];
    leat_codec_in in = {.message = message,
                        .json = bench->json,
                        .arena = bench->arena,
                        .slots = alone,
                        .raw_unread = true};
    if (!codec->type->own_slots) return;
    memset(alone, 0, sizeof alone);
    CODEC_MUST(leat_json_decode(bench->json, raw, bench->arena, read, &again, &err) == LEAT_OK);
    CODEC_MUST(codec->type->decode(codec, state, &in, &err) == LEAT_OK && in.raw.data == NULL);
    for (size_t i = 0; i < CODEC_SLOTS; i++)
        CODEC_MUST(leat_value_same(read[i], slots[i]) && leat_value_same(alone[i], slots[i]));
}

static inline void codec_same(codec_bench *bench, leat_str a, leat_str b)
{
    leat_err err;
    leat_value left, right;
    CODEC_MUST(leat_json_value(a, codec_limits, bench->arena, &left, &err) == LEAT_OK);
    CODEC_MUST(leat_json_value(b, codec_limits, bench->arena, &right, &err) == LEAT_OK);
    CODEC_MUST(left.tag == LEAT_MAP && leat_value_same(left, right));
}

/* What was read, written and read again. A header's columns are not known to who writes. */
static inline void codec_round(codec_bench *bench, codec_kind kind, void *state,
                               const leat_message *message, const leat_value slots[CODEC_SLOTS],
                               leat_str raw)
{
    const leat_codec *codec = codec_of_kind(kind);
    const leat_field root = {.kind = LEAT_FIELD_OBJECT, .slot = LEAT_SLOT_NONE, .open = true};
    leat_record record = {.timestamp_ms = 1000, .message = message};
    leat_value again[CODEC_SLOTS];
    leat_str reread;
    bool none;
    leat_err err;
    leat_buf_reset(&bench->out);
    leat_codec_out out = {.root = &root,
                          .raw = raw,
                          .slots = slots,
                          .record = &record,
                          .arena = bench->arena,
                          .to = &bench->out};
    leat_code code = codec->type->encode(codec, state, &out, &err);
    if (code != LEAT_OK) { /* a name that no attribute can have; a delimiter without quotes */
        CODEC_MUST(leat_code_blame(code) == LEAT_BLAME_RECORD);
        return;
    }
    leat_message written = *message;
    written.value = leat_buf_str(&bench->out);
    if (written.value.data == NULL) written.value = LEAT_STR("");
    written.headers = out.headers;
    written.headers_count = out.headers_count;
    if (kind == CODEC_RAW) CODEC_MUST(leat_str_equal(written.value, message->value));
    CODEC_MUST(codec_read(bench, codec, state, &written, again, &reread, &none) == LEAT_OK);
    if (kind != CODEC_EVENT_BINARY) codec_same(bench, raw, reread);
}

static inline void codec_check(codec_bench *bench, codec_kind kind, leat_str payload)
{
    const leat_codec *codec = codec_of_kind(kind);
    void *state = NULL;
    leat_err err;
    leat_header headers[] = {{LEAT_STR("ce_specversion"), LEAT_STR("1.0")},
                             {LEAT_STR("ce_id"), LEAT_STR("1")},
                             {LEAT_STR("ce_source"), LEAT_STR("/s")},
                             {LEAT_STR("ce_type"), LEAT_STR("t")},
                             {LEAT_STR("content-type"), LEAT_STR("application/json")}};
    CODEC_MUST(codec->type->open(codec, bench->requests, CODEC_SLOTS, codec_limits, &state, &err) ==
               LEAT_OK);
    leat_message message = {.topic = LEAT_STR("t"), .offset = 1, .value = payload};
    const char *line = payload.len == 0 ? NULL : memchr(payload.data, '\n', payload.len);
    if (kind == CODEC_EVENT_BINARY) {
        message.headers = headers;
        message.headers_count = 5;
        if (line != NULL) {
            headers[4].value = leat_str_slice(payload, 0, (size_t)(line - payload.data));
            message.value = leat_str_slice(payload, (size_t)(line - payload.data) + 1, payload.len);
        }
    }
    if (message.value.data == NULL) message.value = LEAT_STR("");
    for (int rows = 0; rows < 3; rows++) { /* of a header: the line, a row, the line again */
        leat_value slots[CODEC_SLOTS];
        leat_str raw;
        bool none = false;
        message.offset = rows == 1 ? 2 : 1;
        if (kind == CODEC_CSV_HEADER && line != NULL) {
            size_t end = leat_csv_row_end(payload, '"');
            if (end == 0) end = payload.len;
            message.value = rows == 1 ? leat_str_slice(payload, end, payload.len)
                                      : leat_str_slice(payload, 0, end);
        }
        leat_code code = codec_read(bench, codec, state, &message, slots, &raw, &none);
        if (code != LEAT_OK || none) continue;
        CODEC_MUST(raw.data != NULL && leat_json_validate(raw, codec_limits, &err) == LEAT_OK);
        codec_slots_agree(bench, codec, state, &message, slots, raw);
        if (kind != CODEC_CSV_HEADER) codec_round(bench, kind, state, &message, slots, raw);
    }
    codec->type->close(state);
    leat_arena_reset(bench->arena);
}

#endif
