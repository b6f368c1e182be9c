/* SPDX-License-Identifier: Apache-2.0 */
/* Messages become records.
 *
 *   message -> number -> decode -> timestamp -> key -> late? -> watermark -> batch
 *
 * Every message takes the next sequence number, also one that cannot be read, so that numbers do
 * not depend on what a later version can read. Lateness is judged by the watermark as it was before
 * the record; the record then moves it, whatever becomes of it. A record that cannot be read, or
 * whose timestamp or key cannot be told, is a dead letter and moves nothing.
 *
 * A batch's records and slots are two arrays in the batch arena; slots begin as MISSING, so that
 * what no step has assigned yet reads as absent everywhere.
 *
 * Cost: the decoder's, and ~20 ns. A key or timestamp that is a bare field is read from its slot
 * without an evaluation. */
#include "transforms/exec_inside.h"

/* Times that can be written as RFC 3339: years 1 to 9999. */
#define TIME_MIN_MS INT64_C(-62135596800000)
#define TIME_MAX_MS INT64_C(253402300799999)

bool exec_is_blank(leat_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != ' ' && text.data[i] != '\t' && text.data[i] != '\r' &&
            text.data[i] != '\n')
            return false;
    return true;
}

static void source_eval(leat_exec *exec, const leat_record *record, leat_eval *eval)
{
    exec->site = (leat_site){exec->source->views, record};
    *eval = (leat_eval){.slots = record->slots,
                        .memo = record->slots,
                        .arena = exec->arena,
                        .load = leat_site_load,
                        .self = &exec->site};
}

leat_code exec_time_of_value(leat_value value, int64_t *timestamp_ms, leat_err *err)
{
    if (value.tag == LEAT_STRING) LEAT_TRY(leat_time_parse(leat_value_str(value), &value, err));
    if (value.tag == LEAT_INT)
        *timestamp_ms = value.as.i;
    else if (value.tag == LEAT_TIMESTAMP)
        *timestamp_ms = leat_value_timestamp_ms(value);
    else
        return leat_err_set(err, LEAT_ERR_TYPE,
                            "a timestamp is an int (milliseconds), a text (RFC 3339) or a "
                            "timestamp, not a value of type %s",
                            leat_tag_name((leat_tag)value.tag));
    if (*timestamp_ms < TIME_MIN_MS || *timestamp_ms > TIME_MAX_MS)
        return leat_err_set(err, LEAT_ERR_RANGE,
                            "timestamp %lld ms is outside of the years 1 to 9999",
                            (long long)*timestamp_ms);
    return LEAT_OK;
}

static leat_code source_time(leat_exec *exec, leat_record *record, leat_err *err)
{
    const leat_source *source = exec->source;
    if (source->timestamp == NULL) {
        if (record->timestamp_ms != LEAT_TIME_NONE) return LEAT_OK;
        return leat_err_set(err, LEAT_ERR_INVALID, "the message has no timestamp");
    }
    leat_value value = LEAT_VALUE_MISSING;
    if (exec->timestamp_slot != LEAT_SLOT_NONE) value = record->slots[exec->timestamp_slot];
    if (value.tag == LEAT_MISSING) {
        leat_eval eval;
        source_eval(exec, record, &eval);
        LEAT_TRY(leat_expr_eval(source->timestamp, &eval, &value, err));
    }
    return exec_time_of_value(value, &record->timestamp_ms, err);
}

static leat_code source_key(leat_exec *exec, leat_record *record, leat_err *err)
{
    if (exec->source->key == NULL) return LEAT_OK;
    leat_value value = LEAT_VALUE_MISSING;
    if (exec->key_slot != LEAT_SLOT_NONE) value = record->slots[exec->key_slot];
    if (LEAT_LIKELY(value.tag == LEAT_STRING)) {
        record->key = leat_value_str(value);
        return LEAT_OK;
    }
    if (value.tag == LEAT_MISSING) {
        leat_eval eval;
        source_eval(exec, record, &eval);
        LEAT_TRY(leat_expr_eval(exec->source->key, &eval, &value, err));
    }
    return exec_text_of(exec, value, &record->key, err);
}

exec_reader exec_reader_of(leat_exec *exec, leat_str topic)
{
    const exec_joined *joined = exec->joined_count > 0 ? exec_tables_of(exec, topic) : NULL;
    if (joined != NULL) return (exec_reader){joined->table, joined->state};
    return (exec_reader){exec->source, exec->source_state};
}

leat_code exec_decode(leat_exec *exec, exec_reader by, leat_json_decoder *decoder,
                      leat_record *record, leat_value *whole, bool *is, leat_err *err)
{
    const leat_message *message = record->message;
    const leat_codec *codec = by.of->codec;
    LEAT_ASSERT(message != NULL && decoder != NULL);
    *is = true;
    if (whole != NULL) *whole = LEAT_VALUE_MISSING;
    if (message->value.data == NULL) return leat_err_set(err, LEAT_ERR_INVALID, "null value");
    if (LEAT_LIKELY(codec == NULL))
        return leat_json_decode(decoder, message->value, exec->arena, record->slots, &record->raw,
                                err);
    leat_codec_in in = {.message = message,
                        .json = decoder,
                        .arena = exec->arena,
                        .slots = record->slots,
                        .raw_unread = by.of->shape->raw_unread && !exec->raw_wanted,
                        .value_wanted = whole != NULL && codec->type->whole_values};
    LEAT_TRY(codec->type->decode(codec, by.state, &in, err));
    record->raw = in.raw;
    if (whole != NULL) *whole = in.value;
    *is = !in.none;
    return LEAT_OK;
}

/* The record is to go on if *goes; else it has found its end here. */
static leat_code source_record(leat_exec *exec, leat_json_decoder *decoder, exec_input *input,
                               leat_record *record, bool *goes, leat_err *err)
{
    leat_err why;
    leat_str place = exec->source_place;
    bool is = true;
    *goes = false;
    if (LEAT_UNLIKELY(record->message->value.data == NULL && exec->source->tombstones_dropped)) {
        exec->counts.dropped++;
        return LEAT_OK;
    }
    const exec_reader by = {exec->source, exec->source_state};
    leat_code code = exec_decode(exec, by, decoder, record, NULL, &is, &why);
    if (LEAT_UNLIKELY(!is && code == LEAT_OK)) {
        exec->counts.records_in--;
        exec_node_at(exec, exec->first)->counts.in--;
        return LEAT_OK;
    }
    if (code == LEAT_OK) {
        place = exec->timestamp_place;
        code = source_time(exec, record, &why);
    }
    if (code == LEAT_OK) {
        place = exec->key_place;
        code = source_key(exec, record, &why);
    }
    if (LEAT_UNLIKELY(code != LEAT_OK)) {
        exec_node_at(exec, exec->first)->counts.rejected++;
        return exec_reject(exec, place, record, &why, err);
    }
    bool late = record->timestamp_ms <= record->watermark_ms;
    exec_progress_see(exec, input, record->timestamp_ms);
    if (LEAT_UNLIKELY(late)) {
        exec->counts.late++;
        if (exec->source->late != LEAT_LATE_UNSET) {
            exec_node_at(exec, exec->first)->counts.rejected++;
            return exec_late(exec, record, err);
        }
    }
    *goes = true;
    return LEAT_OK;
}

leat_code exec_source_process(leat_exec *exec, exec_node *node, const leat_message *messages,
                              size_t count, leat_err *err)
{
    uint32_t slots = exec->source->shape->slots;
    leat_record *records = leat_arena_array(exec->arena, count, sizeof *records);
    leat_value *values = leat_arena_array(exec->arena, count * slots, sizeof *values);
    if (records == NULL || values == NULL) return leat_arena_full(exec->arena, err);
    memset(values, 0, count * slots * sizeof *values); /* MISSING */
    leat_json_decoder *decoder;
    LEAT_TRY(exec_decoder(exec, exec->source->shape, &decoder, err));
    LEAT_TRY(leat_batch_reserve(&node->out[0], count, exec->arena, err));
    bool skips_blank = exec_skips_blank(exec->source);
    const leat_message *before = NULL;
    exec_input *input = NULL; /* of that */
    for (size_t i = 0; i < count; i++) {
        const leat_message *message = &messages[i];
        exec_joined *joined = exec->joined_count > 0 ? exec_tables_of(exec, message->topic) : NULL;
        if ((joined != NULL ? exec_skips_blank(joined->table) : skips_blank) &&
            message->value.data != NULL && exec_is_blank(message->value))
            continue;
        exec->progress.changed = true;
        uint64_t seq = ++exec->progress.seq;
        records[i] = (leat_record){.slots = values + i * slots,
                                   .key = message->key,
                                   .timestamp_ms = message->timestamp_ms,
                                   .watermark_ms = exec->progress.watermark_ms,
                                   .seq = seq,
                                   .moment = seq,
                                   .message = message};
        if (joined != NULL) {
            bool is;
            LEAT_TRY(exec_tables_take(exec, joined, &records[i], &is, err));
            exec->counts.records_in += is;
            continue;
        }
        if (before == NULL || !leat_message_beside(message, before))
            LEAT_TRY(exec_progress_input(exec, message->topic, message->partition, &input, err));
        before = message;
        if (exec->effects) LEAT_TRY(exec_effect_note(exec, message, seq, count, err));
        exec->counts.records_in++;
        node->counts.in++;
        bool goes;
        LEAT_TRY(source_record(exec, decoder, input, &records[i], &goes, err));
        if (goes) LEAT_TRY(leat_batch_add(&node->out[0], &records[i], exec->arena, err));
    }
    node->counts.out += node->out[0].count;
    return LEAT_OK;
}
