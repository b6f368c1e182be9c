/* SPDX-License-Identifier: Apache-2.0 */
/* Avro as the format of a source or sink.
 *
 *   message  00 00 00 00 07 | record     number 7  -> plan (writer's schema 7 -> reader's -> slots)
 *            header __value_schema_id    a name of 16 bytes, likewise
 *            of a container file         the file's path, likewise
 *
 * A plan per schema that records were written with is made when its text is given, and kept by the
 * task, which never fetches anything: what it lacks it says (wants), and whoever runs it brings
 * that before the batch is decoded (docs/FORMATS.md). A schema that does not exist is remembered
 * just so, with the reason: its records are dead letters.
 *
 * Topics are written with few schemas, so the last one is looked at first. A hostile topic could
 * name millions: beyond PLANS_MAX, or the arena's limit, all plans are dropped and asked for anew.
 *
 * `raw`, the JSON text that the rest of the engine falls back on, costs more than all the slots
 * together, and is made only if some step or sink of the plan reads it. */
#include "schemas/codec_avro.h"

#include "core/map.h"
#include "core/mem.h"

#define PLANS_MAX         4096u
#define PLANS_BYTES_MAX   ((size_t)256 << 20)
#define RAW_BYTES_MAX     ((size_t)256 << 20)
#define SCRATCH_BYTES_MAX ((size_t)16 << 20)
#define WIRE_BYTES        5u
#define KEY_BYTES_MAX     4097u
#define HEADER_NAME       LEAT_STR("__value_schema_id")

/* What is known of one writer's schema. */
typedef struct known {
    leat_avro_plan *plan; /* NULL: it cannot be read, for the reason in why */
    leat_str why;
} known;

typedef struct avro_state {
    const leat_slot_request *requests;
    size_t requests_count;
    leat_json_limits limits;
    leat_arena *arena;   /* of plans */
    leat_map *plans;     /* key of a want -> known * */
    leat_arena *scratch; /* headers that have to be looked at */
    char last_key[WIRE_BYTES];
    const known *last; /* of WIRE's last_key, or BARE's only one; NULL: none yet */
    leat_buf raw;
    bool lacks; /* a decode has missed: */
    leat_want lacked;
    leat_value *values; /* of a sink: one a field */
    bool registered;
    leat_answer number; /* then */
} avro_state;

static const leat_avro_codec *avro_of(const leat_codec *codec)
{
    LEAT_ASSERT(codec->type == &leat_codec_avro);
    return (const leat_avro_codec *)codec;
}

/* --- life ------------------------------------------------------------------------------------- */

static leat_code plan_bare(const leat_avro_codec *codec, avro_state *state, leat_err *err)
{
    known *made = leat_arena_zero(state->arena, sizeof *made);
    if (made == NULL) return leat_arena_full(state->arena, err);
    state->last = made;
    return leat_avro_plan_new(codec->schema, NULL, state->requests, state->requests_count,
                              state->limits.bytes_max, state->arena, &made->plan, err);
}

static void avro_close(void *kept)
{
    avro_state *state = kept;
    if (state == NULL) return;
    leat_map_free(&state->plans);
    leat_arena_free(&state->arena);
    leat_arena_free(&state->scratch);
    leat_buf_release(&state->raw);
    leat_mem_free(state->values);
    leat_mem_free(state);
}

static leat_code avro_open(const leat_codec *of, const leat_slot_request *requests, size_t count,
                           leat_json_limits limits, void **kept, leat_err *err)
{
    const leat_avro_codec *codec = avro_of(of);
    avro_state *state = leat_mem_need(sizeof *state);
    state->requests = requests;
    state->requests_count = count;
    state->limits = limits;
    state->plans = leat_map_new();
    leat_buf_init(&state->raw, RAW_BYTES_MAX);
    leat_code code = leat_arena_new(&state->arena, PLANS_BYTES_MAX, err);
    if (code == LEAT_OK) code = leat_arena_new(&state->scratch, SCRATCH_BYTES_MAX, err);
    if (code == LEAT_OK && codec->picks != NULL)
        state->values = leat_mem_need((codec->schema->root->fields_count + 1) * sizeof(leat_value));
    else if (code == LEAT_OK && codec->framing == LEAT_AVRO_BARE)
        code = plan_bare(codec, state, err);
    if (code != LEAT_OK) {
        avro_close(state);
        return code;
    }
    *kept = state;
    return LEAT_OK;
}

/* --- which schema ----------------------------------------------------------------------------- */

/* The header of a message that names its schema; data NULL: none. */
static leat_code named_by_header(const leat_message *message, leat_arena *arena, leat_str *name,
                                 leat_err *err)
{
    const leat_header *headers = NULL;
    size_t count = 0;
    *name = LEAT_STR_NONE;
    LEAT_TRY(leat_message_headers(message, arena, &headers, &count, err));
    for (size_t i = 0; i < count; i++)
        if (leat_str_equal(headers[i].name, HEADER_NAME)) *name = headers[i].value;
    return LEAT_OK;
}

static uint32_t number_of(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* What the message was written with, and where its record begins. */
static leat_code reference_of(const leat_avro_codec *codec, const leat_message *message,
                              leat_arena *arena, leat_want *want, leat_str *record, leat_err *err)
{
    leat_str value = message->value, name = LEAT_STR_NONE;
    *want = (leat_want){.kind = LEAT_WANT_FILE, .text = message->topic};
    *record = value;
    if (codec->framing == LEAT_AVRO_CONTAINER && message->headers_count == 0) return LEAT_OK;
    if (codec->framing == LEAT_AVRO_CONTAINER)
        return leat_err_set(err, LEAT_ERR_SYNTAX, "%.*s", LEAT_STR_ARG(message->headers[0].value));
    if (codec->framing == LEAT_AVRO_HEADER) LEAT_TRY(named_by_header(message, arena, &name, err));
    if (name.data != NULL) {
        bool number = name.len == WIRE_BYTES && name.data[0] == 0;
        bool guid = name.len == LEAT_GUID_BYTES + 1 && name.data[0] == 1;
        if (!number && !guid && name.len != LEAT_GUID_BYTES)
            return leat_err_set(err, LEAT_ERR_SYNTAX,
                                "Avro: header __value_schema_id has %zu bytes, not the 17 of a "
                                "schema's name",
                                name.len);
        want->kind = number ? LEAT_WANT_ID : LEAT_WANT_GUID;
        if (number)
            want->id = number_of(name.data + 1);
        else
            memcpy(want->guid, name.data + name.len - LEAT_GUID_BYTES, LEAT_GUID_BYTES);
        return LEAT_OK;
    }
    if (value.len < WIRE_BYTES || value.data[0] != 0)
        return leat_err_set(err, LEAT_ERR_SYNTAX,
                            "Avro: the message does not begin with 0 and the number of a schema; "
                            "was it written without a schema registry?");
    want->kind = LEAT_WANT_ID;
    want->id = number_of(value.data + 1);
    *record = leat_str_slice(value, WIRE_BYTES, value.len);
    return LEAT_OK;
}

/* room: KEY_BYTES_MAX */
static leat_str key_of(const leat_want *want, char *room)
{
    size_t len = 0;
    room[len++] = (char)want->kind;
    if (want->kind == LEAT_WANT_ID) {
        memcpy(room + len, &want->id, sizeof want->id);
        len += sizeof want->id;
    } else if (want->kind == LEAT_WANT_GUID) {
        memcpy(room + len, want->guid, sizeof want->guid);
        len += sizeof want->guid;
    } else {
        size_t most = want->text.len < KEY_BYTES_MAX - 1 ? want->text.len : KEY_BYTES_MAX - 1;
        memcpy(room + len, want->text.data, most);
        len += most;
    }
    return (leat_str){room, len};
}

static const known *find(const avro_state *state, const leat_want *want)
{
    char room[KEY_BYTES_MAX];
    uint64_t found = 0;
    if (!leat_map_get(state->plans, key_of(want, room), &found)) return NULL;
    return (const known *)(uintptr_t)found;
}

/* The usual case: the same number as the message before. */
static bool same_as_last(const leat_avro_codec *codec, const avro_state *state,
                         const leat_message *message)
{
    return codec->framing == LEAT_AVRO_WIRE && state->last != NULL &&
           message->value.len >= WIRE_BYTES &&
           memcmp(message->value.data, state->last_key, WIRE_BYTES) == 0;
}

static bool avro_wants(const leat_codec *of, void *kept, const leat_message *message,
                       leat_want *want)
{
    const leat_avro_codec *codec = avro_of(of);
    avro_state *state = kept;
    leat_str record;
    leat_err ignored;
    if (codec->picks != NULL) {
        *want = (leat_want){
            .kind = LEAT_WANT_REGISTER, .text = codec->subject, .schema = codec->schema->text};
        return codec->subject.data != NULL && !state->registered;
    }
    if (message == NULL && state->lacks) {
        *want = state->lacked;
        return find(state, want) == NULL;
    }
    if (message == NULL || message->value.data == NULL || codec->framing == LEAT_AVRO_BARE)
        return false;
    if (same_as_last(codec, state, message)) return false;
    leat_arena_reset(state->scratch);
    /* What is wrong here is wrong when it is decoded, too, and is told then. */
    return reference_of(codec, message, state->scratch, want, &record, &ignored) == LEAT_OK &&
           find(state, want) == NULL;
}

/* --- answers ---------------------------------------------------------------------------------- */

static leat_code note(avro_state *state, const leat_want *want, leat_avro_plan *plan, leat_str why,
                      leat_err *err)
{
    char room[KEY_BYTES_MAX];
    known *made = leat_arena_zero(state->arena, sizeof *made);
    if (made == NULL) return leat_arena_full(state->arena, err);
    made->plan = plan;
    if (plan == NULL) {
        made->why = leat_arena_copy(state->arena, why);
        if (made->why.data == NULL) return leat_arena_full(state->arena, err);
    }
    return leat_map_put(state->plans, key_of(want, room), (uint64_t)(uintptr_t)made, err);
}

static leat_code make_plan(const leat_avro_codec *codec, avro_state *state, const leat_want *want,
                           leat_str schema, leat_err *err)
{
    const leat_avro_schema *writer = NULL;
    leat_avro_plan *plan = NULL;
    leat_code code = leat_avro_schema_parse(schema, state->arena, &writer, err);
    if (code == LEAT_OK)
        code = leat_avro_plan_new(writer, codec->schema, state->requests, state->requests_count,
                                  state->limits.bytes_max, state->arena, &plan, err);
    if (code != LEAT_OK && leat_code_blame(code) != LEAT_BLAME_CONFIG) return code;
    leat_err why = *err;
    return note(state, want, code == LEAT_OK ? plan : NULL,
                code == LEAT_OK ? LEAT_STR_NONE : leat_str_of(why.text), err);
}

static void forget(avro_state *state)
{
    leat_map_free(&state->plans);
    state->plans = leat_map_new();
    leat_arena_reset(state->arena);
    state->last = NULL;
}

static leat_code avro_give(const leat_codec *of, void *kept, const leat_want *want,
                           const leat_answer *answer, leat_err *err)
{
    const leat_avro_codec *codec = avro_of(of);
    avro_state *state = kept;
    if (want->kind == LEAT_WANT_REGISTER) {
        LEAT_ASSERT(codec->picks != NULL);
        state->number = *answer;
        state->registered = true;
        if (codec->framing != LEAT_AVRO_HEADER || answer->has_guid) return LEAT_OK;
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "subject '%.*s': this schema registry gives schemas no names (GUIDs), "
                            "which framing \"header\" needs; use \"wire\"",
                            LEAT_STR_ARG(codec->subject));
    }
    if (leat_map_count(state->plans) >= PLANS_MAX) forget(state);
    if (answer->schema.data == NULL) return note(state, want, NULL, answer->why, err);
    leat_code code = make_plan(codec, state, want, answer->schema, err);
    if (code != LEAT_ERR_LIMIT) return code;
    forget(state);
    return make_plan(codec, state, want, answer->schema, err);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What is made of the record as a whole. */
static leat_code read_whole(avro_state *state, const known *by, leat_str record, leat_codec_in *in,
                            leat_err *err)
{
    leat_value value;
    size_t used = 0;
    LEAT_TRY(leat_avro_value(by->plan, record, in->arena, &value, &used, err));
    if (in->value_wanted) in->value = value;
    if (in->raw_unread) return LEAT_OK;
    leat_buf_reset(&state->raw);
    LEAT_TRY(leat_json_write(value, in->arena, &state->raw, err));
    LEAT_TRY(leat_buf_check(&state->raw, "the record as JSON", err));
    in->raw = leat_arena_copy(in->arena, leat_buf_str(&state->raw));
    return in->raw.data != NULL ? LEAT_OK : leat_arena_full(in->arena, err);
}

static leat_code known_by(const leat_avro_codec *codec, avro_state *state, leat_codec_in *in,
                          leat_str *record, const known **by, leat_err *err)
{
    const leat_message *message = in->message;
    *record = message->value;
    *by = state->last;
    if (codec->framing == LEAT_AVRO_BARE) return LEAT_OK;
    if (same_as_last(codec, state, message)) {
        *record = leat_str_slice(message->value, WIRE_BYTES, message->value.len);
        return LEAT_OK;
    }
    leat_want want;
    LEAT_TRY(reference_of(codec, message, in->arena, &want, record, err));
    *by = find(state, &want);
    if (*by == NULL) {
        state->lacks = want.kind != LEAT_WANT_FILE; /* of which the text is borrowed */
        state->lacked = want;
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "Avro: the record's schema is not here yet");
    }
    if (codec->framing != LEAT_AVRO_WIRE) return LEAT_OK;
    memcpy(state->last_key, message->value.data, WIRE_BYTES);
    state->last = *by;
    return LEAT_OK;
}

static leat_code avro_decode(const leat_codec *of, void *kept, leat_codec_in *in, leat_err *err)
{
    avro_state *state = kept;
    const known *by = NULL;
    leat_str record;
    LEAT_TRY(known_by(avro_of(of), state, in, &record, &by, err));
    LEAT_ASSERT(by != NULL);
    if (LEAT_UNLIKELY(by->plan == NULL))
        return leat_err_set(err, LEAT_ERR_INVALID, "%.*s", LEAT_STR_ARG(by->why));
    LEAT_TRY(leat_avro_decode(by->plan, record, in->arena, in->slots, err));
    bool slots_say_all = in->raw_unread && !in->value_wanted;
    return slots_say_all ? LEAT_OK : read_whole(state, by, record, in, err);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* An object of which steps have changed members: by way of its text. */
static leat_code pick_object(const leat_avro_pick *pick, const leat_codec_out *out, leat_buf *text,
                             leat_value *value, leat_err *err)
{
    leat_json_limits wide = {1024, UINT32_MAX};
    leat_buf_reset(text);
    LEAT_TRY(leat_json_encode(pick->top, LEAT_STR_NONE, out->slots, out->arena, text, err));
    LEAT_TRY(leat_buf_check(text, "an object", err));
    leat_str copy = leat_arena_copy(out->arena, leat_buf_str(text));
    if (copy.data == NULL) return leat_arena_full(out->arena, err);
    LEAT_TRY(leat_json_value(copy, wide, out->arena, value, err));
    LEAT_ASSERT(value->tag == LEAT_MAP && value->len <= 1);
    *value = value->len > 0 ? value->as.entries[0].value : LEAT_VALUE_MISSING;
    return LEAT_OK;
}

static leat_code put_number(const leat_avro_codec *codec, const avro_state *state,
                            leat_codec_out *out, leat_err *err)
{
    if (!state->registered)
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE,
                            "Avro: the schema has no number of the registry yet");
    if (codec->framing == LEAT_AVRO_WIRE) {
        leat_buf_add_char(out->to, 0);
        leat_buf_add_u32(out->to, state->number.id);
        return LEAT_OK;
    }
    leat_header *header = leat_arena_alloc(out->arena, sizeof *header + LEAT_GUID_BYTES + 1);
    if (header == NULL) return leat_arena_full(out->arena, err);
    char *name = (char *)(header + 1);
    name[0] = 1;
    memcpy(name + 1, state->number.guid, LEAT_GUID_BYTES);
    *header = (leat_header){HEADER_NAME, {name, LEAT_GUID_BYTES + 1}};
    out->headers = header;
    out->headers_count = 1;
    return LEAT_OK;
}

static leat_code avro_encode(const leat_codec *of, void *kept, leat_codec_out *out, leat_err *err)
{
    const leat_avro_codec *codec = avro_of(of);
    avro_state *state = kept;
    LEAT_ASSERT(codec->picks != NULL && codec->schema != NULL);
    for (size_t i = 0; i < codec->schema->root->fields_count; i++) {
        const leat_avro_pick *pick = &codec->picks[i];
        state->values[i] = LEAT_VALUE_MISSING;
        if (pick->slot != LEAT_SLOT_NONE)
            state->values[i] = out->slots[pick->slot];
        else if (pick->top != NULL)
            LEAT_TRY(pick_object(pick, out, &state->raw, &state->values[i], err));
    }
    if (codec->subject.data != NULL) LEAT_TRY(put_number(codec, state, out, err));
    return leat_avro_encode(codec->schema, state->values, out->arena, out->to, err);
}

const leat_codec_type leat_codec_avro = {
    .name = "avro",
    .open = avro_open,
    .close = avro_close,
    .decode = avro_decode,
    .encode = avro_encode,
    .wants = avro_wants,
    .give = avro_give,
    .blank_lines = true,
    .own_slots = true,
    .whole_values = true,
    .encodes_slots = true,
};
