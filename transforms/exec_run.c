/* SPDX-License-Identifier: Apache-2.0 */
/* What operators may ask for while they run (operator.h), and what expressions ask for besides
 * slots: `meta.*`, and the views that the planner has made for values that no slot holds.
 *
 * A record that time made (leat_run_make without a cause) belongs to the moment in which the
 * watermark reached its time: that is when a batch of one record each would have fired the timer,
 * wherever in the batch it really did. */
#include "transforms/exec_inside.h"

static leat_value text_or_null(leat_tag tag, leat_str text)
{
    return text.data != NULL ? leat_value_text(tag, text) : LEAT_VALUE_NULL;
}

/* Of two headers of one name the last counts. */
static leat_code meta_headers(const leat_message *message, leat_arena *arena, leat_value *value,
                              leat_err *err)
{
    const leat_header *headers = NULL;
    size_t given = 0, count = 0;
    if (message != NULL) LEAT_TRY(leat_message_headers(message, arena, &headers, &given, err));
    leat_entry *entries = leat_arena_array(arena, given, sizeof *entries);
    if (entries == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < given; i++) {
        const leat_header *header = &headers[i];
        size_t at = 0;
        while (at < count && !leat_str_equal(leat_value_str(entries[at].key), header->name))
            at++;
        if (at == count) count++;
        entries[at] =
            (leat_entry){leat_value_string(header->name), text_or_null(LEAT_BYTES, header->value)};
    }
    *value = leat_value_map(entries, count);
    return LEAT_OK;
}

static leat_code meta_load(const leat_record *record, uint32_t index, leat_arena *arena,
                           leat_value *value, leat_err *err);

static leat_code meta_whole(const leat_record *record, leat_arena *arena, leat_value *value,
                            leat_err *err)
{
    static const char *const names[LEAT_EXTERN_META] = {
        [LEAT_EXTERN_META_KEY] = "key",
        [LEAT_EXTERN_META_TOPIC] = "topic",
        [LEAT_EXTERN_META_PARTITION] = "partition",
        [LEAT_EXTERN_META_OFFSET] = "offset",
        [LEAT_EXTERN_META_TIMESTAMP] = "timestamp",
        [LEAT_EXTERN_META_HEADERS] = "headers",
        [LEAT_EXTERN_META_WATERMARK] = "watermark",
    };
    leat_entry *entries = leat_arena_array(arena, LEAT_EXTERN_META, sizeof *entries);
    if (entries == NULL) return leat_arena_full(arena, err);
    for (uint32_t i = 0; i < LEAT_EXTERN_META; i++) {
        entries[i].key = leat_value_string(leat_str_of(names[i]));
        LEAT_TRY(meta_load(record, i, arena, &entries[i].value, err));
    }
    *value = leat_value_map(entries, LEAT_EXTERN_META);
    return LEAT_OK;
}

static leat_value time_or_null(int64_t ms)
{
    if (ms == LEAT_TIME_NONE) return LEAT_VALUE_NULL;
    /* After the end of a bounded input the watermark is past every time there is. */
    const int64_t last_ms = INT64_C(253402300799999);
    return leat_value_timestamp_of_ms(ms < last_ms ? ms : last_ms);
}

static leat_code meta_load(const leat_record *record, uint32_t index, leat_arena *arena,
                           leat_value *value, leat_err *err)
{
    const leat_message *message = record->message;
    switch (index) {
    case LEAT_EXTERN_META_KEY: *value = text_or_null(LEAT_BYTES, record->key); return LEAT_OK;
    case LEAT_EXTERN_META_TOPIC:
        *value = text_or_null(LEAT_STRING, message != NULL ? message->topic : LEAT_STR_NONE);
        return LEAT_OK;
    case LEAT_EXTERN_META_PARTITION:
        *value = message != NULL ? leat_value_int(message->partition) : LEAT_VALUE_NULL;
        return LEAT_OK;
    case LEAT_EXTERN_META_OFFSET:
        *value = message != NULL ? leat_value_int(message->offset) : LEAT_VALUE_NULL;
        return LEAT_OK;
    case LEAT_EXTERN_META_TIMESTAMP: *value = time_or_null(record->timestamp_ms); return LEAT_OK;
    case LEAT_EXTERN_META_HEADERS: return meta_headers(message, arena, value, err);
    case LEAT_EXTERN_META_WATERMARK: *value = time_or_null(record->watermark_ms); return LEAT_OK;
    default: LEAT_ASSERT(index == LEAT_EXTERN_META); return meta_whole(record, arena, value, err);
    }
}

leat_code leat_site_load(void *self, uint32_t index, leat_arena *arena, leat_value *value,
                         leat_err *err)
{
    const leat_site *site = self;
    LEAT_ASSERT(index < LEAT_EXTERN_OWN && site->record != NULL);
    if (index < LEAT_EXTERN_VIEWS) return meta_load(site->record, index, arena, value, err);
    return leat_view_load(&site->views[index - LEAT_EXTERN_VIEWS], site->record, arena, value, err);
}

static exec_node *node_of(leat_run *run)
{
    return (exec_node *)run;
}

/* How many steps of its kind stand before it in its stream. A table is known by that, and not by
 * the place of its step: one that is put in front, or taken out, leaves the state of others alone.
 * There is one reorder buffer a stream, whichever step is behind it. */
static uint32_t table_number(const leat_plan *plan, const leat_plan_node *node)
{
    uint32_t number = 0;
    for (uint32_t i = 0; i < node->index; i++) {
        const leat_plan_node *other = &plan->nodes[i];
        number += other->at == LEAT_AT_STEP && other->step->type == node->step->type &&
                  leat_str_equal(other->step->stream, node->step->stream);
    }
    return number;
}

leat_code exec_run_table(leat_run *run, const char *name, const leat_table_type *type, void *self,
                         uint64_t bytes_max, leat_table **table, leat_err *err)
{
    const leat_plan_node *node = node_of(run)->plan;
    leat_arena *own = run->exec->own;
    bool order = node->at == LEAT_AT_ORDER;
    leat_str full = leat_arena_print(own, "%.*s.%s.%u.%s", LEAT_STR_ARG(node->step->stream),
                                     order ? "order" : node->step->type->name,
                                     order ? 0 : table_number(run->exec->plan, node), name);
    if (full.data == NULL) return leat_arena_full(own, err);
    return exec_table_add(run->exec, full.data, type, self, bytes_max, table, err);
}

leat_code leat_run_table(leat_run *run, const char *name, const leat_table_type *type, void *self,
                         leat_table **table, leat_err *err)
{
    return exec_run_table(run, name, type, self, run->exec->bytes_max, table, err);
}

leat_arena *leat_run_arena(leat_run *run)
{
    return run->exec->arena;
}

void leat_run_eval(leat_run *run, const leat_record *record, leat_eval *eval)
{
    run->site.record = record;
    *eval = (leat_eval){.slots = record->slots,
                        .memo = record->slots,
                        .arena = run->exec->arena,
                        .load = leat_site_load,
                        .self = &run->site};
}

leat_code leat_run_emit(leat_run *run, uint32_t port, leat_record *record, leat_err *err)
{
    exec_node *node = node_of(run);
    LEAT_ASSERT(port < node->ports);
    node->counts.out++;
    node->last_moment = record->moment;
    return leat_batch_add(&node->out[port], record, run->exec->arena, err);
}

/* Gives the record its slots; what it says is JSON that a step of ours has written. */
static leat_code make_decode(leat_run *run, leat_record *record, leat_err *err)
{
    leat_exec *exec = run->exec;
    const leat_shape *shape = run->step->shape_out;
    leat_json_decoder *decoder;
    LEAT_TRY(exec_decoder(exec, shape, &decoder, err));
    size_t bytes = shape->slots * sizeof *record->slots;
    record->slots = leat_arena_zero(exec->arena, bytes); /* MISSING */
    if (record->slots == NULL) return leat_arena_full(exec->arena, err);
    record->raw = leat_arena_copy(exec->arena, record->raw);
    if (record->raw.data == NULL) return leat_arena_full(exec->arena, err);
    return leat_json_decode(decoder, record->raw, exec->arena, record->slots, &record->raw, err);
}

leat_code leat_run_make(leat_run *run, uint32_t port, leat_str json, leat_str key,
                        int64_t timestamp_ms, const leat_record *cause, leat_err *err)
{
    leat_exec *exec = run->exec;
    leat_record *record = leat_arena_zero(exec->arena, sizeof *record);
    if (record == NULL) return leat_arena_full(exec->arena, err);
    record->raw = json;
    record->timestamp_ms = timestamp_ms;
    if (key.data != NULL) {
        record->key = leat_arena_copy(exec->arena, key);
        if (record->key.data == NULL) return leat_arena_full(exec->arena, err);
    }
    if (cause != NULL) {
        record->watermark_ms = cause->watermark_ms;
        record->seq = cause->seq;
        record->moment = cause->moment;
        record->message = cause->message;
    } else {
        /* Time has made it: before it came so far, or it would be late for a step behind. */
        record->moment = exec_moment_of(exec, timestamp_ms);
        record->seq = record->moment;
        record->watermark_ms = exec_watermark_at(exec, record->moment > 0 ? record->moment - 1 : 0);
    }
    node_of(run)->made_bytes += json.len;
    uint64_t last = node_of(run)->last_moment;
    if (record->moment < last) record->moment = last;
    leat_err why;
    leat_code code = make_decode(run, record, &why);
    if (code != LEAT_OK) return leat_run_reject(run, record, &why, err);
    return leat_run_emit(run, port, record, err);
}

bool leat_run_full(const leat_run *run)
{
    /* The place of an effect tells only of how many others of one batch it comes behind. */
    const leat_exec *exec = run->exec;
    return ((const exec_node *)run)->made_bytes >= exec->portion && !exec->effects;
}

leat_code leat_run_park(leat_run *run, const leat_batch *in, size_t from, leat_err *err)
{
    exec_node *node = node_of(run);
    LEAT_ASSERT(run->step->type->parks && node->backlog != NULL);
    node->parked = true;
    return in == NULL ? LEAT_OK : exec_backlog_keep(node, in, from, err);
}

leat_code leat_run_reject(leat_run *run, const leat_record *record, const leat_err *why,
                          leat_err *err)
{
    exec_node *node = node_of(run);
    leat_record placed = *record;
    node->counts.rejected++;
    if (placed.moment == 0) /* made by the step itself when time came for it */
        placed.moment = exec_moment_of(run->exec, placed.timestamp_ms);
    if (placed.moment < node->last_moment) placed.moment = node->last_moment;
    return exec_reject(run->exec, run->step->place, &placed, why, err);
}

void leat_run_count(leat_run *run, const char *reason, uint64_t count)
{
    leat_exec_counts *counts = &run->exec->counts;
    if (strcmp(reason, "filtered") == 0)
        counts->filtered += count;
    else if (strcmp(reason, "no_route") == 0)
        counts->unrouted += count;
    else if (strcmp(reason, "late") == 0)
        counts->late_dropped += count;
    else
        counts->dropped += count;
}

leat_code leat_run_text(leat_run *run, const leat_record *record, leat_str *json, leat_err *err)
{
    const leat_field *root = run->step->layout_in;
    LEAT_ASSERT(!(root->open && run->step->shape_in->raw_unread)); /* plan_raw.c: slots_only */
    if (root->open && root->fields == NULL && record->raw.data != NULL) {
        *json = record->raw;
        return LEAT_OK;
    }
    leat_exec *exec = run->exec;
    leat_buf_reset(&exec->scratch);
    LEAT_TRY(leat_json_encode(root, record->raw, record->slots, exec->arena, &exec->scratch, err));
    *json = leat_buf_str(&exec->scratch);
    return leat_buf_check(&exec->scratch, "a record", err);
}

leat_code leat_run_encode(leat_run *run, const leat_record *record, leat_str *json, leat_err *err)
{
    leat_exec *exec = run->exec;
    LEAT_TRY(leat_run_text(run, record, json, err));
    if (json->data != exec->scratch.data) return LEAT_OK;
    *json = leat_arena_copy(exec->arena, *json);
    return json->data != NULL ? LEAT_OK : leat_arena_full(exec->arena, err);
}
