/* SPDX-License-Identifier: Apache-2.0 */
/* A record that goes out as it came, but for what its streams mask.
 *
 *   message -> decode just the masked fields -> mask them -> encode over the message's own bytes
 *
 * JSON keeps everything else byte by byte; of other formats the record goes out as JSON. The same
 * values are hidden where they stand elsewhere: a key or header that is one of them becomes its
 * mask, and in the error's text, which may quote a value or the beginning of one, they become
 * stars. So the guard works also where only the log will tell of the record.
 *
 * What cannot be decoded cannot be masked. It goes out as it came, or not at all, as the sink's
 * `payload` says. Refused: searching bytes for patterns of card numbers. It hides what nobody has
 * asked for and lets through what looks different.
 * Cost: of a few microseconds, for records that have failed only. */
#include "transforms/exec_inside.h"

/* So many bytes of a value in a text tell nothing of it. */
#define SHOWN_MAX 3

/* A masked value: in clear as text, and masked. */
typedef struct hidden {
    leat_str clear, masked;
} hidden;

static leat_code guard_slots(leat_exec *exec, const leat_record *record, leat_value **slots,
                             leat_str *raw, leat_err *err)
{
    const leat_guard *guard = exec->source->guard;
    const exec_reader by = exec_reader_of(exec, record->message->topic);
    const leat_source *source = by.of;
    leat_json_decoder *decoder, *outer;
    uint32_t count = guard->shape->slots;
    LEAT_ASSERT(guard->shape->json != NULL && record->message != NULL);
    *slots = leat_arena_array(exec->arena, count + source->shape->slots, sizeof **slots);
    if (*slots == NULL) return leat_arena_full(exec->arena, err);
    memset(*slots, 0, (count + source->shape->slots) * sizeof **slots); /* MISSING */
    LEAT_TRY(exec_decoder(exec, guard->shape, &decoder, err));
    leat_str text = record->message->value;
    if (source->codec != NULL) {
        leat_record whole = {.slots = *slots + count, .message = record->message};
        bool is;
        LEAT_TRY(exec_decoder(exec, source->shape, &outer, err));
        exec->raw_wanted = true;
        leat_code code = exec_decode(exec, by, outer, &whole, NULL, &is, err);
        exec->raw_wanted = false;
        LEAT_TRY(code);
        if (!is) return leat_err_set(err, LEAT_ERR_INVALID, "no record");
        text = whole.raw;
    }
    return leat_json_decode(decoder, text, exec->arena, *slots, raw, err);
}

/* The masked values that are there. */
static leat_code guard_mask(leat_exec *exec, const leat_record *record, leat_value *slots,
                            hidden *list, size_t *count, leat_str *names, leat_err *err)
{
    const leat_guard *guard = exec->source->guard;
    leat_buf *text = &exec->scratch;
    LEAT_ASSERT(exec->masker != NULL);
    *count = 0;
    leat_buf_reset(text);
    for (size_t i = 0; i < guard->count; i++) {
        leat_value from = slots[guard->from[i]];
        if (from.tag == LEAT_MISSING) continue;
        LEAT_TRY(leat_masker_apply(exec->masker, i, from, record, exec->arena, &slots[guard->to[i]],
                                   err));
        if (text->len > 0) leat_buf_add_char(text, ',');
        leat_buf_add(text, guard->names[i]);
    }
    *names = leat_arena_copy(exec->arena, leat_buf_str(text));
    if (names->data == NULL) return leat_arena_full(exec->arena, err);
    for (size_t i = 0; i < guard->count; i++) {
        leat_value from = slots[guard->from[i]];
        if (from.tag == LEAT_MISSING || from.tag == LEAT_NULL) continue;
        LEAT_TRY(exec_text_of(exec, from, &list[*count].clear, err));
        LEAT_TRY(exec_text_of(exec, slots[guard->to[i]], &list[*count].masked, err));
        if (list[*count].clear.len > 0) (*count)++;
    }
    return LEAT_OK;
}

static leat_str unless_hidden(leat_str text, const hidden *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (leat_str_equal(text, list[i].clear)) return list[i].masked;
    return text;
}

/* The longest beginning of value that stands at text, or all of a short one. */
static size_t quoted(leat_str text, leat_str value)
{
    size_t len = 0;
    while (len < text.len && len < value.len && text.data[len] == value.data[len])
        len++;
    if (len == value.len && len > 1) return len;
    return len > SHOWN_MAX ? len : 0;
}

/* Stars in place of hidden values in an error's text. */
static void scrub(leat_err *why, const hidden *list, size_t count)
{
    char made[LEAT_ERR_TEXT_MAX];
    size_t len = 0;
    leat_str text = leat_str_of(why->text);
    for (size_t at = 0; at < text.len && len + 4 < sizeof made;) {
        size_t found = 0;
        for (size_t i = 0; i < count; i++) {
            size_t one = quoted(leat_str_slice(text, at, text.len), list[i].clear);
            if (one > found) found = one;
        }
        if (found == 0) {
            made[len++] = text.data[at++];
            continue;
        }
        memcpy(made + len, "***", 3);
        len += 3;
        at += found;
    }
    LEAT_ASSERT(len < sizeof made);
    made[len] = '\0';
    memcpy(why->text, made, len + 1);
}

static leat_code guard_headers(leat_exec *exec, exec_guarded *out, const hidden *list, size_t count,
                               leat_err *err)
{
    leat_header *headers = leat_arena_array(exec->arena, out->headers_count, sizeof *headers);
    if (headers == NULL) return leat_arena_full(exec->arena, err);
    for (size_t i = 0; i < out->headers_count; i++)
        headers[i] =
            (leat_header){out->headers[i].name, unless_hidden(out->headers[i].value, list, count)};
    out->headers = headers;
    return LEAT_OK;
}

static leat_code guard_encode(leat_exec *exec, const leat_value *slots, leat_str raw,
                              leat_str *value, leat_err *err)
{
    leat_buf_reset(&exec->scratch);
    LEAT_TRY(leat_json_encode(exec->source->guard->layout, raw, slots, exec->arena, &exec->scratch,
                              err));
    LEAT_TRY(leat_buf_check(&exec->scratch, "a dead letter", err));
    *value = leat_arena_copy(exec->arena, leat_buf_str(&exec->scratch));
    return value->data != NULL ? LEAT_OK : leat_arena_full(exec->arena, err);
}

/* A failure that is the record's own means that it cannot be masked. */
static bool cannot(leat_code code)
{
    return code != LEAT_OK && leat_code_blame(code) == LEAT_BLAME_RECORD;
}

leat_code exec_guard(leat_exec *exec, const leat_record *record, leat_payload payload,
                     leat_err *why, exec_guarded *out, leat_err *err)
{
    const leat_guard *guard = exec->source->guard;
    const leat_message *message = record->message;
    if (guard == NULL || message == NULL || message->value.data == NULL) return LEAT_OK;
    if (exec->masker == NULL)
        LEAT_TRY(leat_masker_new(guard->rules, guard->count, &exec->masker, err));
    hidden *list = leat_arena_array(exec->arena, guard->count, sizeof *list);
    if (list == NULL) return leat_arena_full(exec->arena, err);
    leat_value *slots = NULL;
    leat_str raw = LEAT_STR_NONE, names = LEAT_STR_NONE, value = LEAT_STR_NONE;
    size_t count = 0;
    leat_code code = guard_slots(exec, record, &slots, &raw, err);
    if (code == LEAT_OK) code = guard_mask(exec, record, slots, list, &count, &names, err);
    if (code == LEAT_OK && names.len > 0 && payload != LEAT_PAYLOAD_ORIGINAL)
        code = guard_encode(exec, slots, raw, &value, err);
    if (code != LEAT_OK && !cannot(code)) return code;
    scrub(why, list, count);
    if (payload == LEAT_PAYLOAD_ORIGINAL) return LEAT_OK;
    if (cannot(code)) {
        if (payload != LEAT_PAYLOAD_STRICT) return LEAT_OK;
        out->withheld = message->value.len;
        out->held_back = true;
        out->value = out->key = LEAT_STR_NONE;
        out->headers_count = 0;
        return LEAT_OK;
    }
    if (names.len == 0) return LEAT_OK;
    out->masked = names;
    out->value = value;
    out->key = unless_hidden(out->key, list, count);
    return out->headers_count > 0 ? guard_headers(exec, out, list, count, err) : LEAT_OK;
}
