/* SPDX-License-Identifier: Apache-2.0 */
/* A record outside of its batch: as bytes, which are at once what the changelog holds. So there is
 * one way to keep a record, whether it waits for a millisecond or over a crash.
 *
 *   version | shape's fingerprint | seq, timestamp, watermark
 *   message: topic, partition, offset, timestamp, key, headers, value
 *   raw:     none | the message's value | its own bytes
 *   key:     none | the message's key | its own bytes
 *   slots:   count, then each: tag (+ flags), content; text inside of raw as (offset, length)
 *
 * Slots are kept and not decoded anew, because those that steps have assigned cannot be had from
 * the message. The fingerprint is that of the slots' meaning: a pipeline that was changed in
 * between must not read one field's value as another's; it makes the slots anew (exec_rebuild.c).
 *
 * Bytes come from the changelog, so that reading trusts nothing: each length is checked, nesting is
 * bounded, what does not fit is LEAT_ERR_DAMAGED.
 *
 * Cost: ~200 ns to write, ~100 ns to read a record of 250 bytes and a dozen slots. */
#include "core/mem.h"
#include "transforms/exec_inside.h"

#define HELD_VERSION   1
#define HELD_DEPTH_MAX 256
#define IN_RAW         0x80u /* on the tag: text is (offset, length) in raw */
#define IS_PLAIN       0x40u /* on the tag: LEAT_VALUE_PLAIN */
#define TAG_MASK       0x3fu

enum { TEXT_NONE, TEXT_SAME, TEXT_OWN };

typedef struct held_writer {
    leat_buf *out;
    leat_str raw;
    leat_arena *arena;
} held_writer;

typedef struct held_reader {
    leat_reader in;
    leat_str raw;
    leat_arena *arena;
    bool full; /* it failed for want of room, not for what it read */
} held_reader;

/* NULL: no room. */
static void *room(held_reader *reader, size_t count, size_t bytes)
{
    void *made = leat_arena_array(reader->arena, count, bytes);
    if (made == NULL) reader->full = true;
    return made;
}

/* Small numbers are the rule, and the call would cost more than the byte. */
static inline void put_varuint(leat_buf *out, uint64_t number)
{
    if (LEAT_LIKELY(number < 0x80))
        leat_buf_add_char(out, (char)number);
    else
        leat_buf_add_varuint(out, number);
}

static inline void put_varint(leat_buf *out, int64_t number)
{
    put_varuint(out, ((uint64_t)number << 1) ^ (uint64_t)(number >> 63));
}

static inline bool get_u8(leat_reader *in, uint8_t *number)
{
    if (LEAT_UNLIKELY(in->at == in->end)) return leat_reader_u8(in, number);
    *number = (uint8_t)*in->at++;
    return true;
}

static inline bool get_varuint(leat_reader *in, uint64_t *number)
{
    if (LEAT_UNLIKELY(in->at == in->end || (*in->at & 0x80) != 0))
        return leat_reader_varuint(in, number);
    *number = (uint64_t)*in->at++;
    return true;
}

static inline bool get_varint(leat_reader *in, int64_t *number)
{
    uint64_t folded = 0;
    if (!get_varuint(in, &folded)) return false;
    *number = (int64_t)(folded >> 1) ^ -(int64_t)(folded & 1);
    return true;
}

static void put_text(leat_buf *out, leat_str text, leat_str same)
{
    if (text.data == NULL) {
        leat_buf_add_char(out, TEXT_NONE);
    } else if (text.data == same.data && text.len == same.len) {
        leat_buf_add_char(out, TEXT_SAME);
    } else {
        leat_buf_add_char(out, TEXT_OWN);
        leat_buf_add_bytes(out, text);
    }
}

static bool get_text(leat_reader *in, leat_str same, leat_str *text)
{
    uint8_t kind = 0;
    *text = LEAT_STR_NONE;
    if (!get_u8(in, &kind) || kind > TEXT_OWN) return false;
    if (kind == TEXT_SAME) *text = same;
    return kind != TEXT_OWN || leat_reader_bytes(in, text);
}

/* Times are near the record's own: what is written is how far off. Wraps around for "none". */
static int64_t time_off(int64_t time_ms, int64_t base_ms)
{
    return (int64_t)((uint64_t)time_ms - (uint64_t)base_ms);
}

static int64_t time_back(int64_t off_ms, int64_t base_ms)
{
    return (int64_t)((uint64_t)off_ms + (uint64_t)base_ms);
}

static leat_code put_message(leat_buf *out, const leat_message *message, int64_t base_ms,
                             leat_arena *arena, leat_err *err)
{
    const leat_header *headers = NULL;
    size_t count = 0;
    leat_buf_add_char(out, message != NULL ? 1 : 0);
    if (message == NULL) return LEAT_OK;
    LEAT_TRY(leat_message_headers(message, arena, &headers, &count, err));
    leat_buf_add_bytes(out, message->topic);
    put_varint(out, message->partition);
    put_varint(out, message->offset);
    put_varint(out, time_off(message->timestamp_ms, base_ms));
    put_text(out, message->key, LEAT_STR_NONE);
    put_text(out, message->value, LEAT_STR_NONE);
    put_varuint(out, count);
    for (size_t i = 0; i < count; i++) {
        leat_buf_add_bytes(out, headers[i].name);
        put_text(out, headers[i].value, LEAT_STR_NONE);
    }
    return LEAT_OK;
}

static bool get_headers(held_reader *reader, leat_message *message)
{
    uint64_t count = 0;
    leat_reader *in = &reader->in;
    if (!get_varuint(in, &count) || count > (uint64_t)(in->end - in->at)) return false;
    leat_header *headers = room(reader, count, sizeof *headers);
    if (headers == NULL) return false;
    for (size_t i = 0; i < count; i++)
        if (!leat_reader_bytes(in, &headers[i].name) ||
            !get_text(in, LEAT_STR_NONE, &headers[i].value))
            return false;
    message->headers = headers;
    message->headers_count = count;
    return true;
}

static bool get_message(held_reader *reader, int64_t base_ms, const leat_message **message)
{
    leat_reader *in = &reader->in;
    uint8_t there = 0;
    int64_t partition = 0;
    *message = NULL;
    if (!get_u8(in, &there) || there > 1) return false;
    if (!there) return true;
    leat_message *made = room(reader, 1, sizeof *made);
    if (made == NULL) return false;
    *made = (leat_message){0};
    if (!leat_reader_bytes(in, &made->topic) || !get_varint(in, &partition) ||
        !get_varint(in, &made->offset) || !get_varint(in, &made->timestamp_ms) ||
        !get_text(in, LEAT_STR_NONE, &made->key) || !get_text(in, LEAT_STR_NONE, &made->value))
        return false;
    made->partition = (int32_t)partition;
    made->timestamp_ms = time_back(made->timestamp_ms, base_ms);
    *message = made;
    return get_headers(reader, made);
}

static leat_code put_value(held_writer *writer, leat_value value, unsigned depth, leat_err *err);

static leat_code put_members(held_writer *writer, leat_value value, unsigned depth, leat_err *err)
{
    for (uint32_t i = 0; i < value.len; i++) {
        if (value.tag == LEAT_LIST) {
            LEAT_TRY(put_value(writer, value.as.items[i], depth, err));
            continue;
        }
        LEAT_TRY(put_value(writer, value.as.entries[i].key, depth, err));
        LEAT_TRY(put_value(writer, value.as.entries[i].value, depth, err));
    }
    return LEAT_OK;
}

static void put_slot_text(held_writer *writer, leat_value value)
{
    leat_str text = leat_value_str(value);
    unsigned tag = value.tag | (value.flags & LEAT_VALUE_PLAIN ? IS_PLAIN : 0);
    uintptr_t raw = (uintptr_t)writer->raw.data, at = (uintptr_t)text.data;
    if (raw != 0 && at >= raw && at + text.len <= raw + writer->raw.len) {
        leat_buf_add_char(writer->out, (char)(tag | IN_RAW));
        put_varuint(writer->out, at - raw);
        put_varuint(writer->out, text.len);
        return;
    }
    leat_buf_add_char(writer->out, (char)tag);
    leat_buf_add_bytes(writer->out, text);
}

static leat_code put_value(held_writer *writer, leat_value value, unsigned depth, leat_err *err)
{
    leat_buf *out = writer->out;
    if (depth > HELD_DEPTH_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a value is nested more than %d deep",
                            HELD_DEPTH_MAX);
    if (value.tag == LEAT_OBJECT)
        LEAT_TRY(value.as.object->type->whole(value.as.object, writer->arena, &value, err));
    switch ((leat_tag)value.tag) {
    case LEAT_STRING:
    case LEAT_BYTES:
    case LEAT_TYPE:
    case LEAT_NUMBER:
    case LEAT_JSON: put_slot_text(writer, value); return LEAT_OK;
    case LEAT_MISSING:
    case LEAT_NULL: leat_buf_add_char(out, (char)value.tag); return LEAT_OK;
    case LEAT_BOOL:
        leat_buf_add_char(out, (char)value.tag);
        leat_buf_add_char(out, value.as.b ? 1 : 0);
        return LEAT_OK;
    case LEAT_INT:
        leat_buf_add_char(out, (char)value.tag);
        put_varint(out, value.as.i);
        return LEAT_OK;
    case LEAT_UINT:
    case LEAT_DOUBLE: /* by its bits */
        leat_buf_add_char(out, (char)value.tag);
        leat_buf_add_u64(out, value.as.u);
        return LEAT_OK;
    case LEAT_TIMESTAMP:
    case LEAT_DURATION:
        leat_buf_add_char(out, (char)value.tag);
        put_varint(out, value.as.i);
        leat_buf_add_u32(out, value.len);
        return LEAT_OK;
    case LEAT_LIST:
    case LEAT_MAP:
        leat_buf_add_char(out, (char)value.tag);
        put_varuint(out, value.len);
        return put_members(writer, value, depth + 1, err);
    case LEAT_OPTIONAL:
        leat_buf_add_char(out, (char)value.tag);
        leat_buf_add_char(out, value.as.items != NULL ? 1 : 0);
        return value.as.items == NULL ? LEAT_OK
                                      : put_value(writer, value.as.items[0], depth + 1, err);
    case LEAT_OBJECT:
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: break;
    }
    return leat_err_set(err, LEAT_ERR_INTERNAL, "a slot holds a value of tag %u",
                        (unsigned)value.tag);
}

static bool get_value(held_reader *reader, unsigned depth, leat_value *value);

static bool get_members(held_reader *reader, unsigned depth, leat_value *value)
{
    uint64_t count = 0;
    leat_reader *in = &reader->in;
    /* A member is at least a byte, so that a length cannot ask for more than there is. */
    if (!get_varuint(in, &count) || count > (uint64_t)(in->end - in->at)) return false;
    value->len = (uint32_t)count;
    if (value->tag == LEAT_LIST) {
        leat_value *items = room(reader, count, sizeof *items);
        if (items == NULL) return false;
        value->as.items = items;
        for (size_t i = 0; i < count; i++)
            if (!get_value(reader, depth, &items[i])) return false;
        return true;
    }
    leat_entry *entries = room(reader, count, sizeof *entries);
    if (entries == NULL) return false;
    value->as.entries = entries;
    for (size_t i = 0; i < count; i++)
        if (!get_value(reader, depth, &entries[i].key) ||
            !get_value(reader, depth, &entries[i].value))
            return false;
    return true;
}

static bool get_slot_text(held_reader *reader, bool in_raw, leat_value *value)
{
    leat_str text = LEAT_STR_NONE;
    if (!in_raw) {
        if (!leat_reader_bytes(&reader->in, &text) || text.len > UINT32_MAX) return false;
    } else {
        uint64_t offset = 0, len = 0;
        if (!get_varuint(&reader->in, &offset) || !get_varuint(&reader->in, &len) ||
            reader->raw.data == NULL || offset > reader->raw.len || len > reader->raw.len - offset)
            return false;
        text = leat_str_slice(reader->raw, offset, offset + len);
    }
    value->len = (uint32_t)text.len;
    value->as.text = text.data;
    return true;
}

static bool get_optional(held_reader *reader, unsigned depth, leat_value *value)
{
    uint8_t there = 0;
    if (!get_u8(&reader->in, &there) || there > 1) return false;
    if (!there) return true;
    leat_value *item = room(reader, 1, sizeof *item);
    value->as.items = item;
    return item != NULL && get_value(reader, depth, item);
}

static bool get_value(held_reader *reader, unsigned depth, leat_value *value)
{
    uint8_t head = 0, byte = 0;
    leat_reader *in = &reader->in;
    if (depth > HELD_DEPTH_MAX || !get_u8(in, &head)) return false;
    *value = leat_value_tagged((leat_tag)(head & TAG_MASK));
    if (head & IS_PLAIN) value->flags = LEAT_VALUE_PLAIN;
    switch ((leat_tag)value->tag) {
    case LEAT_STRING:
    case LEAT_BYTES:
    case LEAT_TYPE:
    case LEAT_NUMBER:
    case LEAT_JSON: return get_slot_text(reader, (head & IN_RAW) != 0, value);
    case LEAT_MISSING:
    case LEAT_NULL: return true;
    case LEAT_BOOL:
        if (!get_u8(in, &byte) || byte > 1) return false;
        value->as.b = byte == 1;
        return true;
    case LEAT_INT: return get_varint(in, &value->as.i);
    case LEAT_UINT:
    case LEAT_DOUBLE: return leat_reader_u64(in, &value->as.u);
    case LEAT_TIMESTAMP:
    case LEAT_DURATION:
        return get_varint(in, &value->as.i) && leat_reader_u32(in, &value->len) &&
               leat_time_in_range(*value);
    case LEAT_LIST:
    case LEAT_MAP: return get_members(reader, depth + 1, value);
    case LEAT_OPTIONAL: return get_optional(reader, depth + 1, value);
    case LEAT_OBJECT:
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT:
    default: return false;
    }
}

leat_code exec_held_put(leat_value value, leat_arena *arena, leat_buf *out, leat_err *err)
{
    held_writer writer = {out, LEAT_STR_NONE, arena};
    LEAT_TRY(put_value(&writer, value, 0, err));
    return leat_buf_check(out, "a value", err);
}

leat_code exec_held_get(leat_str bytes, leat_arena *arena, leat_value *value, leat_err *err)
{
    held_reader reader = {leat_reader_of(bytes), LEAT_STR_NONE, arena, false};
    bool good = get_value(&reader, 0, value);
    if (reader.full) return leat_arena_full(arena, err);
    if (good && reader.in.at == reader.in.end) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_DAMAGED, "a value in the state cannot be read");
}

static leat_code damaged(leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_DAMAGED, "a record in the reorder buffer cannot be read");
}

static leat_code failed(const held_reader *reader, leat_err *err)
{
    return reader->full ? leat_arena_full(reader->arena, err) : damaged(err);
}

static leat_code held_make(leat_str bytes, exec_held **held, leat_err *err)
{
    exec_held *made = leat_mem_try(sizeof *made + bytes.len);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory to hold a record");
    *made = (exec_held){.users = 1, .len = bytes.len};
    memcpy(made->bytes, bytes.data, bytes.len);
    *held = made;
    return LEAT_OK;
}

/* What a memo remembers can be computed again, and need not be of a type that can be written. */
static leat_value held_slot(const leat_shape *shape, const leat_record *record, uint32_t slot)
{
    for (size_t i = 0; i < shape->memos_count; i++)
        if (shape->memos[i] == slot) return LEAT_VALUE_MISSING;
    return record->slots[slot];
}

leat_code exec_held_new(leat_exec *exec, const exec_order *order, const leat_record *record,
                        exec_held **held, leat_err *err)
{
    leat_buf *out = &exec->scratch;
    leat_buf_reset(out);
    leat_buf_add_char(out, HELD_VERSION);
    leat_buf_add_u64(out, order->fingerprint);
    put_varuint(out, record->seq);
    put_varint(out, record->timestamp_ms);
    put_varint(out, time_off(record->watermark_ms, record->timestamp_ms));
    LEAT_TRY(put_message(out, record->message, record->timestamp_ms, exec->arena, err));
    leat_str value = LEAT_STR_NONE, key = LEAT_STR_NONE;
    if (record->message != NULL) {
        value = record->message->value;
        key = record->message->key;
    }
    put_text(out, record->raw, value);
    put_text(out, record->key, key);
    held_writer writer = {out, record->raw, exec->arena};
    put_varuint(out, order->shape->slots);
    for (uint32_t i = 0; i < order->shape->slots; i++)
        LEAT_TRY(put_value(&writer, held_slot(order->shape, record, i), 0, err));
    LEAT_TRY(leat_buf_check(out, "a record in the reorder buffer", err));
    LEAT_TRY(held_make(leat_buf_str(out), held, err));
    (*held)->timestamp_ms = record->timestamp_ms;
    return LEAT_OK;
}

/* Reads what comes before the message. */
static bool get_head(leat_reader *in, uint64_t *fingerprint, leat_record *record)
{
    uint8_t version = 0;
    if (!get_u8(in, &version) || version != HELD_VERSION || !leat_reader_u64(in, fingerprint) ||
        !get_varuint(in, &record->seq) || !get_varint(in, &record->timestamp_ms) ||
        !get_varint(in, &record->watermark_ms))
        return false;
    record->watermark_ms = time_back(record->watermark_ms, record->timestamp_ms);
    return true;
}

leat_code exec_held_of(const exec_order *order, leat_str bytes, exec_held **held, leat_err *err)
{
    leat_reader in = leat_reader_of(bytes);
    leat_record head = {0};
    uint64_t fingerprint = 0;
    if (!get_head(&in, &fingerprint, &head)) return damaged(err);
    LEAT_TRY(held_make(bytes, held, err));
    (*held)->timestamp_ms = head.timestamp_ms;
    (*held)->foreign = fingerprint != order->fingerprint;
    return LEAT_OK;
}

/* All but the slots, which are MISSING. */
static leat_code get_origin(held_reader *reader, const exec_order *order, leat_record **record,
                            leat_err *err)
{
    uint64_t fingerprint = 0;
    leat_str value = LEAT_STR_NONE, key = LEAT_STR_NONE;
    leat_record *made = leat_arena_zero(reader->arena, sizeof *made);
    if (made == NULL) return leat_arena_full(reader->arena, err);
    made->slots = leat_arena_zero(reader->arena, order->shape->slots * sizeof *made->slots);
    if (made->slots == NULL) return leat_arena_full(reader->arena, err);
    if (!get_head(&reader->in, &fingerprint, made) ||
        !get_message(reader, made->timestamp_ms, &made->message))
        return failed(reader, err);
    if (made->message != NULL) {
        value = made->message->value;
        key = made->message->key;
    }
    if (!get_text(&reader->in, value, &made->raw) || !get_text(&reader->in, key, &made->key))
        return failed(reader, err);
    reader->raw = made->raw;
    *record = made;
    return LEAT_OK;
}

leat_code exec_held_origin(const exec_order *order, const exec_held *held, leat_arena *arena,
                           leat_record **record, leat_err *err)
{
    held_reader reader = {leat_reader_of((leat_str){held->bytes, held->len}), LEAT_STR_NONE, arena,
                          false};
    return get_origin(&reader, order, record, err);
}

leat_code exec_held_record(const exec_order *order, const exec_held *held, leat_arena *arena,
                           leat_record **record, leat_err *err)
{
    held_reader reader = {leat_reader_of((leat_str){held->bytes, held->len}), LEAT_STR_NONE, arena,
                          false};
    uint64_t slots = 0;
    LEAT_ASSERT(!held->foreign);
    LEAT_TRY(get_origin(&reader, order, record, err));
    if (!get_varuint(&reader.in, &slots) || slots != order->shape->slots)
        return failed(&reader, err);
    for (size_t i = 0; i < slots; i++)
        if (!get_value(&reader, 0, &(*record)->slots[i])) return failed(&reader, err);
    return LEAT_OK;
}

void exec_held_drop(leat_exec *exec, exec_held *held)
{
    LEAT_ASSERT(held->users > 0);
    if (--held->users > 0) return;
    held->next = exec->freed;
    exec->freed = held;
}

void exec_held_free_all(leat_exec *exec)
{
    while (exec->freed != NULL) {
        exec_held *held = exec->freed;
        exec->freed = held->next;
        leat_mem_free(held);
    }
}
