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
 * What cannot be decoded cannot be masked, nor what a masked value may stand anywhere in (behind a
 * script), nor what steps have made of a record where masks come only behind them. It is held back:
 * only its size, its place and the kind of error are told, unless the sink's `payload` wants it as
 * it came. Refused: searching bytes for patterns of card numbers. It hides what nobody has asked
 * for and lets through what looks different. Refused: encrypting it, for which most pipelines have
 * no key; the record is still in its topic, at the place that the dead letter names.
 * Cost: of a few microseconds, for records that have failed only. */
#include <stdio.h>

#include "transforms/exec_inside.h"

/* So many bytes of a value in a text tell nothing of it. */
#define SHOWN_MAX 3

/* Of a field that has the secret somewhere inside, so much is looked through. */
#define INSIDE_BYTES_MAX ((size_t)64 << 10)

/* A masked value: in clear as text, and masked. */
typedef struct hidden {
    leat_str clear, masked;
    bool inside; /* any part of it may be the secret */
} hidden;

/* The guard of what the record is one of. */
typedef struct guarding {
    const leat_guard *guard;
    const leat_source *table; /* NULL: a record of the source */
    leat_masker *masker;
} guarding;

static leat_code guard_slots(leat_exec *exec, const guarding *by, const leat_record *record,
                             leat_value **slots, leat_str *raw, leat_err *err)
{
    const leat_guard *guard = by->guard;
    const exec_reader reader = exec_reader_of(exec, record->message->topic);
    const leat_source *source = reader.of;
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
        leat_code code = exec_decode(exec, reader, outer, &whole, NULL, &is, err);
        exec->raw_wanted = false;
        LEAT_TRY(code);
        if (!is) return leat_err_set(err, LEAT_ERR_INVALID, "no record");
        text = whole.raw;
    }
    return leat_json_decode(decoder, text, exec->arena, *slots, raw, err);
}

/* The masked values that are there. */
static leat_code guard_mask(leat_exec *exec, const guarding *by, const leat_record *record,
                            leat_value *slots, hidden *list, size_t *count, leat_str *names,
                            leat_err *err)
{
    const leat_guard *guard = by->guard;
    leat_buf *text = &exec->scratch;
    LEAT_ASSERT(by->masker != NULL);
    *count = 0;
    leat_buf_reset(text);
    for (size_t i = 0; i < guard->count; i++) {
        leat_value from = slots[guard->from[i]];
        if (from.tag == LEAT_MISSING) continue;
        LEAT_TRY(
            leat_masker_apply(by->masker, i, from, record, exec->arena, &slots[guard->to[i]], err));
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
        list[*count].inside = guard->inside[i];
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

/* Only the kind of error: its text may quote what nobody can find in it. */
static void say_kind(leat_err *why)
{
    (void)snprintf(why->text, sizeof why->text,
                   "%s (the record could not be masked, so that no more is told)",
                   leat_code_text(why->code));
}

static void put_stars(leat_buf *text)
{
    leat_buf_add_text(text, "***");
}

static bool in_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           strchr(".,:@+-_/", c) != NULL || (unsigned char)c >= 0x80;
}

/* May this piece of an error's text be a piece of the value? Words are not, or every other one
 * would be. */
static bool is_piece(leat_str token, leat_str value)
{
    bool digit = false;
    for (size_t i = 0; i < token.len; i++)
        digit |= token.data[i] >= '0' && token.data[i] <= '9';
    return digit && token.len > SHOWN_MAX && leat_str_find(value, token) >= 0;
}

/* The secret is a part of these values: messages quote what they are about, so what is in quotes
 * goes, and what looks like a number or an address if it stands in one of them. */
static void scrub_parts(leat_str text, const hidden *list, size_t count, leat_buf *made)
{
    size_t first = 0, last = text.len;
    while (first < text.len && text.data[first] != '\'' && text.data[first] != '"')
        first++;
    while (last > first + 1 && text.data[last - 1] != '\'' && text.data[last - 1] != '"')
        last--;
    if (last == first + 1) last = text.len; /* the text was cut: it has no second one */
    for (size_t at = 0; at < text.len;) {
        if (at == first) {
            leat_buf_add_char(made, text.data[first]);
            put_stars(made);
            if (last < text.len || text.data[last - 1] == text.data[first])
                leat_buf_add_char(made, text.data[last - 1]);
            at = last;
            continue;
        }
        size_t end = at;
        while (end < text.len && end != first && in_token(text.data[end]))
            end++;
        if (end == at) end++;
        leat_str token = leat_str_slice(text, at, end);
        bool piece = false;
        for (size_t i = 0; i < count && !piece; i++)
            piece = list[i].inside && is_piece(token, list[i].clear);
        if (piece)
            put_stars(made);
        else
            leat_buf_add(made, token);
        at = end;
    }
}

/* Stars in place of hidden values. */
static void scrub_whole(leat_str text, const hidden *list, size_t count, leat_buf *made)
{
    for (size_t at = 0; at < text.len;) {
        size_t found = 0;
        for (size_t i = 0; i < count; i++) {
            size_t one = quoted(leat_str_slice(text, at, text.len), list[i].clear);
            if (!list[i].inside && one > found) found = one;
        }
        if (found == 0)
            leat_buf_add_char(made, text.data[at++]);
        else
            put_stars(made);
        at += found;
    }
}

/* In an error's text. */
static void scrub(leat_err *why, const hidden *list, size_t count)
{
    bool inside = false;
    for (size_t i = 0; i < count; i++) {
        inside |= list[i].inside;
        if (!list[i].inside || list[i].clear.len <= INSIDE_BYTES_MAX) continue;
        say_kind(why);
        return;
    }
    leat_buf made, parts;
    leat_buf_init(&made, (size_t)4 * LEAT_ERR_TEXT_MAX); /* a star is longer than a letter */
    leat_buf_init(&parts, (size_t)4 * LEAT_ERR_TEXT_MAX);
    scrub_whole(leat_str_of(why->text), list, count, &made);
    if (inside) scrub_parts(leat_buf_str(&made), list, count, &parts);
    leat_str text = leat_buf_str(inside ? &parts : &made);
    size_t len = text.len < sizeof why->text ? text.len : sizeof why->text - 1;
    if (len > 0) memcpy(why->text, text.data, len);
    why->text[len] = '\0';
    leat_buf_release(&made);
    leat_buf_release(&parts);
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

static leat_code guard_encode(leat_exec *exec, const leat_guard *guard, const leat_value *slots,
                              leat_str raw, leat_str *value, leat_err *err)
{
    leat_buf_reset(&exec->scratch);
    LEAT_TRY(leat_json_encode(guard->layout, raw, slots, exec->arena, &exec->scratch, err));
    LEAT_TRY(leat_buf_check(&exec->scratch, "a dead letter", err));
    *value = leat_arena_copy(exec->arena, leat_buf_str(&exec->scratch));
    return value->data != NULL ? LEAT_OK : leat_arena_full(exec->arena, err);
}

/* A failure that is the record's own means that it cannot be masked. */
static bool cannot(leat_code code)
{
    return code != LEAT_OK && leat_code_blame(code) == LEAT_BLAME_RECORD;
}

static void hold_back(exec_guarded *out, leat_str value)
{
    out->withheld = value.len;
    out->held_back = true;
    out->value = out->key = LEAT_STR_NONE;
    out->headers_count = 0;
}

/* With the masker; for a table's, which is rarely wanted, one of its own. */
static leat_code guard_run(leat_exec *exec, guarding *by, const leat_record *record,
                           leat_payload payload, leat_err *why, exec_guarded *out, leat_err *err)
{
    const leat_guard *guard = by->guard;
    hidden *list = leat_arena_array(exec->arena, guard->count + 1, sizeof *list);
    if (list == NULL) return leat_arena_full(exec->arena, err);
    leat_value *slots = NULL;
    leat_str raw = LEAT_STR_NONE, names = LEAT_STR_NONE, value = LEAT_STR_NONE;
    size_t count = 0;
    leat_code code = guard_slots(exec, by, record, &slots, &raw, err);
    if (code == LEAT_OK) code = guard_mask(exec, by, record, slots, list, &count, &names, err);
    if (code == LEAT_OK && names.len > 0 && payload != LEAT_PAYLOAD_ORIGINAL)
        code = guard_encode(exec, guard, slots, raw, &value, err);
    if (code != LEAT_OK && !cannot(code)) return code;
    scrub(why, list, count);
    if (payload == LEAT_PAYLOAD_ORIGINAL) return LEAT_OK;
    if (payload == LEAT_PAYLOAD_STRICT && (cannot(code) || guard->lost)) {
        if (guard->lost) say_kind(why);
        hold_back(out, record->message->value);
        return LEAT_OK;
    }
    if (cannot(code) || names.len == 0) return LEAT_OK;
    out->masked = names;
    out->value = value;
    out->key = unless_hidden(out->key, list, count);
    return out->headers_count > 0 ? guard_headers(exec, out, list, count, err) : LEAT_OK;
}

leat_code exec_guard(leat_exec *exec, const leat_record *record, leat_payload payload,
                     leat_err *why, exec_guarded *out, leat_err *err)
{
    const leat_message *message = record->message;
    guarding by = {.guard = exec->source->guard};
    if (message != NULL) by.table = leat_source_table(exec->source, message->topic);
    if (by.table != NULL) by.guard = by.table->guard;
    if (by.guard == NULL) return LEAT_OK;
    if (message == NULL) { /* a step has made it */
        if (!by.guard->made || payload != LEAT_PAYLOAD_STRICT) return LEAT_OK;
        say_kind(why);
        hold_back(out, record->raw);
        return LEAT_OK;
    }
    if (message->value.data == NULL) return LEAT_OK;
    leat_masker **kept = by.table == NULL ? &exec->masker : &by.masker;
    if (*kept == NULL) LEAT_TRY(leat_masker_new(by.guard->rules, by.guard->count, kept, err));
    by.masker = *kept;
    leat_code code = guard_run(exec, &by, record, payload, why, out, err);
    if (by.table != NULL) leat_masker_free(&by.masker);
    return code;
}
