/* SPDX-License-Identifier: Apache-2.0 */
/* The reorder buffer: behind it, records come in order of timestamp, those of one time as they
 * came, each when the watermark has passed it.
 *
 *   batch -> late? dropped -> sorted --merge--> timestamp <= watermark -> next node
 *                            waiting ------^      the rest -> held
 *
 * A record that the batch's own end releases never leaves the batch arena; one that stays is
 * written as bytes (exec_held.c) and put to those that wait (exec_waiting.c). The table "held"
 * learns of it at a flush only: records that come and go between two commits cost the changelog
 * nothing.
 *
 * A released record is a copy of the head (the slots are shared): its moment is that of the message
 * that moved the watermark over it, while other branches still see it at its own.
 *
 * A late record, one at or below the watermark that it came in under, could not keep the promise of
 * order; here it ends, counted. */
#include "core/mem.h"
#include "transforms/exec_inside.h"

/* Keys of cells: the record's number in this buffer, big-endian, so that they sort as records came.
 * Its number in the task would not do: a message may become several records. */
typedef struct held_key {
    char bytes[8];
} held_key;

static leat_str key_of(uint64_t number, held_key *key)
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        key->bytes[i] = (char)(number & 0xff);
    return (leat_str){key->bytes, sizeof key->bytes};
}

static uint64_t number_of(leat_str key)
{
    leat_reader reader = leat_reader_of(key);
    uint64_t number = 0;
    return leat_reader_u64(&reader, &number) ? number : 0;
}

leat_code exec_order_store(exec_order *order, exec_held *held, leat_err *err)
{
    held_key key;
    void *live = held;
    if (held->stored) return LEAT_OK;
    LEAT_TRY(leat_table_put(order->table, key_of(held->number, &key), &live, err));
    held->users++;
    held->stored = true;
    return LEAT_OK;
}

void exec_order_leave(exec_order *order, exec_held *held)
{
    held_key key;
    if (held->stored) leat_table_remove(order->table, key_of(held->number, &key));
    exec_held_drop(order->exec, held);
}

leat_code exec_order_restore(exec_order *order, leat_str key, leat_str committed, exec_held **held,
                             leat_err *err)
{
    LEAT_TRY(exec_held_of(order, committed, held, err));
    (*held)->stored = true;
    (*held)->number = number_of(key);
    if ((*held)->number > order->number) order->number = (*held)->number;
    return LEAT_OK;
}

leat_code exec_order_renew(exec_order *order, const exec_held *old, const leat_record *record,
                           exec_held **held, leat_err *err)
{
    leat_code code = LEAT_OK;
    leat_err why;
    held_key key;
    *held = NULL;
    if (record != NULL) code = exec_held_new(order->exec, order, record, held, &why);
    if (code != LEAT_OK) LEAT_TRY(exec_reject(order->exec, order->place, record, &why, err));
    if (*held == NULL) {
        leat_table_remove(order->table, key_of(old->number, &key));
        return LEAT_OK;
    }
    (*held)->stored = true;
    (*held)->number = old->number;
    return LEAT_OK;
}

static leat_code order_encode(void *self, void *live, leat_buf *out, leat_err *err)
{
    (void)self;
    const exec_held *held = live;
    leat_buf_add(out, (leat_str){held->bytes, held->len});
    return leat_buf_check(out, "a record in the reorder buffer", err);
}

static leat_code order_decode(void *self, leat_str bytes, void **live, leat_err *err)
{
    exec_held *held = NULL;
    LEAT_TRY(exec_held_of(self, bytes, &held, err));
    *live = held;
    return LEAT_OK;
}

static void order_release(void *self, void *live)
{
    exec_order *order = self;
    exec_held_drop(order->exec, live);
}

static const leat_table_type order_type = {order_encode, order_decode, order_release,
                                           NULL,         NULL,         NULL};

/* What the slots of these records mean: requests of the codec, and fields that steps have set. And
 * which of them are memos, as a slot that was a field's is not empty. */
static void fingerprint_fields(const leat_field *field, leat_buf *buf)
{
    for (; field != NULL; field = field->next) {
        leat_buf_add_bytes(buf, field->name);
        leat_buf_add_char(buf, (char)field->kind);
        leat_buf_add_u32(buf, field->slot);
        leat_buf_add_char(buf, field->open ? 1 : 0);
        if (field->kind == LEAT_FIELD_OBJECT) fingerprint_fields(field->fields, buf);
        leat_buf_add_char(buf, '.');
    }
}

static leat_code fingerprint(const leat_shape *shape, const leat_field *layout, leat_buf *buf,
                             uint64_t *print, leat_err *err)
{
    leat_buf_reset(buf);
    leat_buf_add_u32(buf, shape->slots);
    for (size_t i = 0; i < shape->requests_count; i++) {
        const leat_slot_request *request = &shape->requests[i];
        leat_buf_add_u32(buf, request->slot);
        leat_buf_add_char(buf, request->exact ? 1 : 0);
        for (size_t n = 0; n < request->path.count; n++)
            leat_buf_add_bytes(buf, request->path.names[n]);
        leat_buf_add_char(buf, '\0');
    }
    for (size_t i = 0; i < shape->memos_count; i++)
        leat_buf_add_u32(buf, shape->memos[i]);
    fingerprint_fields(layout, buf);
    LEAT_TRY(leat_buf_check(buf, "the fields of a pipeline", err));
    *print = leat_str_hash_fixed(leat_buf_str(buf));
    return LEAT_OK;
}

leat_code exec_order_setup(leat_exec *exec, exec_node *node, exec_order *order, const char *table,
                           leat_err *err)
{
    const leat_step *step = node->plan->step;
    order->exec = exec;
    order->shape = step->shape_in;
    order->place = step->place;
    order->bytes_max = exec->bytes_max;
    LEAT_TRY(
        fingerprint(step->shape_in, step->layout_in, &exec->scratch, &order->fingerprint, err));
    /* The limit is kept here, where a record can be refused; a flush must not fail. */
    return exec_run_table(&node->run, table, &order_type, order, UINT64_MAX / 2, &order->table,
                          err);
}

leat_code exec_order_open(leat_exec *exec, exec_node *node, leat_err *err)
{
    node->order = leat_mem_need(sizeof *node->order);
    return exec_order_setup(exec, node, node->order, "held", err);
}

/* Forgets what is held; the table keeps its own. */
static void order_clear(exec_order *order)
{
    while (order->waiting.count > 0)
        exec_held_drop(order->exec, exec_waiting_take(&order->waiting));
}

void exec_order_clear(exec_node *node)
{
    if (node->order != NULL) order_clear(node->order);
}

/* After the tables are gone, which still hold on to cells. */
void exec_order_close(exec_node *node)
{
    if (node->order == NULL) return;
    exec_waiting_release(&node->order->waiting);
    leat_mem_free(node->order);
    node->order = NULL;
}

static leat_code emit(exec_node *node, leat_record *record, uint64_t moment, leat_err *err)
{
    record->moment = moment;
    node->counts.out++;
    return leat_batch_add(&node->out[0], record, node->order->exec->arena, err);
}

static leat_code emit_held(exec_node *node, uint64_t moment, leat_err *err)
{
    exec_order *order = node->order;
    exec_held *held = exec_waiting_take(&order->waiting);
    leat_record *record = NULL;
    LEAT_TRY(exec_held_record(order, held, order->exec->arena, &record, err));
    exec_order_leave(order, held);
    return emit(node, record, moment, err);
}

static leat_code hold(exec_node *node, const leat_record *record, uint64_t number, leat_err *err)
{
    exec_order *order = node->order;
    exec_held *held = NULL;
    leat_err why;
    leat_code code = LEAT_OK;
    if (order->waiting.bytes >= order->bytes_max)
        code = leat_err_set(&why, LEAT_ERR_LIMIT,
                            "the reorder buffer is full: %llu bytes wait for the watermark",
                            (unsigned long long)order->waiting.bytes);
    if (code == LEAT_OK) code = exec_held_new(order->exec, order, record, &held, &why);
    if (code != LEAT_OK) {
        node->counts.rejected++;
        return exec_reject(order->exec, order->place, record, &why, err);
    }
    held->number = number;
    code = exec_waiting_put(&order->waiting, held, err);
    if (code != LEAT_OK) exec_held_drop(order->exec, held);
    return code;
}

/* The batch's records that are in time, in order. */
static leat_code candidates(exec_node *node, const leat_batch *in, exec_sortable **items,
                            size_t *count, leat_err *err)
{
    leat_exec *exec = node->order->exec;
    exec_sortable *all = leat_arena_array(exec->arena, in->count * 2, sizeof *all);
    if (all == NULL) return leat_arena_full(exec->arena, err);
    size_t kept = 0;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        if (record->timestamp_ms <= record->watermark_ms) continue;
        all[kept++] = (exec_sortable){record->timestamp_ms, ++node->order->number, record};
    }
    exec->counts.late_dropped += in->count - kept;
    exec_sort(all, all + in->count, kept);
    *items = all;
    *count = kept;
    return LEAT_OK;
}

/* When the watermark came to be at or above time_ms; what is asked for grows along a batch. */
static uint64_t moment_of(const leat_exec *exec, int64_t time_ms, size_t *mark)
{
    while (*mark < exec->marks_count && exec->marks[*mark].watermark_ms < time_ms)
        ++*mark;
    return *mark < exec->marks_count ? exec->marks[*mark].moment : exec->progress.seq;
}

leat_code exec_order_process(exec_node *node, const leat_batch *in, leat_err *err)
{
    exec_order *order = node->order;
    leat_exec *exec = order->exec;
    int64_t watermark_ms = exec->progress.watermark_ms;
    exec_sortable *items = NULL;
    size_t count = 0, at = 0, mark = 0;
    node->counts.in += in->count;
    if (in->count > 0) LEAT_TRY(candidates(node, in, &items, &count, err));
    leat_record *copies = leat_arena_array(exec->arena, count + 1, sizeof *copies);
    if (copies == NULL) return leat_arena_full(exec->arena, err);
    for (;;) {
        const exec_item *first = exec_waiting_first(&order->waiting);
        bool fresh = at < count && items[at].time_ms <= watermark_ms;
        bool held = first != NULL && first->timestamp_ms <= watermark_ms;
        /* Of equal times the held one is older: it has the smaller number. */
        if (held && (!fresh || first->timestamp_ms <= items[at].time_ms)) {
            LEAT_TRY(emit_held(node, moment_of(exec, first->timestamp_ms, &mark), err));
        } else if (fresh) {
            copies[at] = *(const leat_record *)items[at].what;
            LEAT_TRY(emit(node, &copies[at], moment_of(exec, items[at].time_ms, &mark), err));
            at++;
        } else {
            break;
        }
    }
    for (; at < count; at++)
        LEAT_TRY(hold(node, items[at].what, items[at].number, err));
    return LEAT_OK;
}

leat_code exec_order_flush(exec_node *node, leat_err *err)
{
    exec_order *order = node->order;
    for (size_t i = 0; i < order->waiting.count; i++)
        LEAT_TRY(exec_order_store(order, exec_waiting_at(&order->waiting, i), err));
    return LEAT_OK;
}

static leat_code restore_cell(void *context, leat_str key, leat_str committed, leat_err *err)
{
    exec_order *order = context;
    exec_held *held = NULL;
    if (committed.data == NULL) return LEAT_OK;
    LEAT_TRY(exec_order_restore(order, key, committed, &held, err));
    leat_code code = exec_waiting_put(&order->waiting, held, err);
    if (code != LEAT_OK) leat_mem_free(held);
    return code;
}

/* A record of an older version of the pipeline is made anew, or ends here if this version does not
 * let it come so far. */
static leat_code restore_foreign(exec_node *node, const exec_held *old, leat_err *err)
{
    exec_order *order = node->order;
    exec_held *held = NULL;
    leat_record *record = NULL;
    LEAT_TRY(exec_rebuild(node, old, &record, err));
    LEAT_TRY(exec_order_renew(order, old, record, &held, err));
    if (held == NULL) return LEAT_OK;
    leat_code code = exec_waiting_put(&order->waiting, held, err);
    if (code != LEAT_OK) exec_held_drop(order->exec, held);
    return code;
}

static bool any_foreign(const exec_waiting *waiting)
{
    for (size_t i = 0; i < waiting->count; i++)
        if (exec_waiting_at(waiting, i)->foreign) return true;
    return false;
}

leat_code exec_order_restored(exec_node *node, leat_err *err)
{
    exec_order *order = node->order;
    order_clear(order);
    order->number = 0;
    LEAT_TRY(leat_table_visit(order->table, restore_cell, order, err));
    if (!any_foreign(&order->waiting)) return LEAT_OK;
    exec_waiting all = order->waiting;
    order->waiting = (exec_waiting){0};
    leat_code code = LEAT_OK;
    while (all.count > 0) {
        exec_held *held = exec_waiting_take(&all);
        if (code == LEAT_OK && !held->foreign) {
            code = exec_waiting_put(&order->waiting, held, err);
            if (code == LEAT_OK) continue;
        } else if (code == LEAT_OK) {
            code = restore_foreign(node, held, err);
        }
        exec_held_drop(order->exec, held);
    }
    exec_waiting_release(&all);
    return code;
}
