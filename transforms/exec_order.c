/* SPDX-License-Identifier: Apache-2.0 */
/* The reorder buffer: behind it, records come in order of (timestamp, sequence number), each when
 * the watermark has passed it.
 *
 *   batch -> late? dropped -> sorted --merge--> timestamp <= watermark -> next node
 *                            heap of held ---^     the rest -> held
 *
 * A record that the batch's own end releases never leaves the batch arena; one that stays is
 * written as bytes (exec_held.c) and put on a heap. The table "order" learns of it at a flush only:
 * records that come and go between two commits cost the changelog nothing.
 *
 * A released record is a copy of the head (the slots are shared): its moment is that of the message
 * that moved the watermark over it, while other branches still see it at its own.
 *
 * A late record, one at or below the watermark that it came in under, could not keep the promise of
 * order; here it ends, counted. */
#include "core/mem.h"
#include "transforms/exec_inside.h"

/* Keys of cells: the number, big-endian, so that they sort as records came. */
typedef struct order_key {
    char bytes[8];
} order_key;

static leat_str key_of(uint64_t seq, order_key *key)
{
    for (int i = 7; i >= 0; i--, seq >>= 8)
        key->bytes[i] = (char)(seq & 0xff);
    return (leat_str){key->bytes, sizeof key->bytes};
}

static leat_code order_encode(void *self, const void *live, leat_buf *out, leat_err *err)
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

static const leat_table_type order_type = {order_encode, order_decode, order_release};

/* What the slots of these records mean: requests of the codec, and fields that steps have set. */
static void fingerprint_fields(const leat_field *field, leat_buf *buf)
{
    for (; field != NULL; field = field->next) {
        leat_buf_add_bytes(buf, field->name);
        leat_buf_add_char(buf, (char)field->kind);
        leat_buf_add_u32(buf, field->slot);
        leat_buf_add_char(buf, (char)((field->open ? 1 : 0) | (field->make ? 2 : 0)));
        if (field->kind == LEAT_FIELD_OBJECT) fingerprint_fields(field->fields, buf);
        leat_buf_add_char(buf, '.');
    }
}

static uint64_t fingerprint(const leat_shape *shape, const leat_field *layout, leat_buf *buf)
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
    fingerprint_fields(layout, buf);
    LEAT_ASSERT(!buf->overflow);
    return leat_str_hash_fixed(leat_buf_str(buf));
}

leat_code exec_order_open(leat_exec *exec, exec_node *node, leat_err *err)
{
    const leat_step *step = node->plan->step;
    exec_order *order = leat_mem_need(sizeof *order);
    node->order = order;
    order->exec = exec;
    order->shape = step->shape_in;
    order->place = step->place;
    order->bytes_max = exec->bytes_max;
    order->fingerprint = fingerprint(step->shape_in, step->layout_in, &exec->scratch);
    /* The limit is kept here, where a record can be refused; a flush must not fail. */
    return exec_run_table(&node->run, "order", &order_type, order, UINT64_MAX / 2, &order->table,
                          err);
}

/* Forgets what is held; the table keeps its own. */
static void order_clear(exec_order *order)
{
    for (size_t i = 0; i < order->count; i++)
        exec_held_drop(order->exec, order->heap[i]);
    order->count = 0;
    order->bytes = 0;
}

void exec_order_clear(exec_node *node)
{
    if (node->order != NULL) order_clear(node->order);
}

/* After the tables are gone, which still hold on to cells. */
void exec_order_close(exec_node *node)
{
    if (node->order == NULL) return;
    LEAT_ASSERT(node->order->count == 0);
    leat_mem_free(node->order->heap);
    leat_mem_free(node->order);
    node->order = NULL;
}

static bool before(const exec_held *a, const exec_held *b)
{
    return a->timestamp_ms != b->timestamp_ms ? a->timestamp_ms < b->timestamp_ms : a->seq < b->seq;
}

static leat_code heap_push(exec_order *order, exec_held *held, leat_err *err)
{
    if (order->count == order->size) {
        size_t size = order->size == 0 ? 64 : order->size * 2;
        exec_held **heap = leat_mem_try_resize(order->heap, size * sizeof *heap);
        if (heap == NULL)
            return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for the reorder buffer");
        order->heap = heap;
        order->size = size;
    }
    size_t at = order->count++;
    for (size_t parent; at > 0 && before(held, order->heap[parent = (at - 1) / 2]); at = parent)
        order->heap[at] = order->heap[parent];
    order->heap[at] = held;
    order->bytes += sizeof *held + held->len;
    return LEAT_OK;
}

static exec_held *heap_pop(exec_order *order)
{
    LEAT_ASSERT(order->count > 0);
    exec_held *top = order->heap[0], *last = order->heap[--order->count];
    size_t at = 0;
    for (size_t child; (child = at * 2 + 1) < order->count; at = child) {
        if (child + 1 < order->count && before(order->heap[child + 1], order->heap[child])) child++;
        if (!before(order->heap[child], last)) break;
        order->heap[at] = order->heap[child];
    }
    if (order->count > 0) order->heap[at] = last;
    order->bytes -= sizeof *top + top->len;
    return top;
}

static leat_code emit(exec_node *node, leat_record *record, leat_err *err)
{
    record->moment = exec_moment_of(node->order->exec, record->timestamp_ms);
    node->counts.out++;
    return leat_batch_add(&node->out[0], record, node->order->exec->arena, err);
}

static leat_code emit_held(exec_node *node, leat_err *err)
{
    exec_order *order = node->order;
    exec_held *held = heap_pop(order);
    leat_record *record = NULL;
    LEAT_TRY(exec_held_record(order, held, order->exec->arena, &record, err));
    if (held->stored) {
        order_key key;
        leat_table_remove(order->table, key_of(held->seq, &key));
    }
    exec_held_drop(order->exec, held); /* freed when the outputs are void */
    return emit(node, record, err);
}

static leat_code hold(exec_node *node, const leat_record *record, leat_err *err)
{
    exec_order *order = node->order;
    exec_held *held = NULL;
    leat_err why;
    leat_code code = LEAT_OK;
    if (order->bytes >= order->bytes_max)
        code = leat_err_set(&why, LEAT_ERR_LIMIT,
                            "the reorder buffer is full: %llu bytes wait for the watermark",
                            (unsigned long long)order->bytes);
    if (code == LEAT_OK) code = exec_held_new(order->exec, order, record, &held, &why);
    if (code != LEAT_OK) {
        node->counts.rejected++;
        return exec_reject(order->exec, order->place, record, &why, err);
    }
    return heap_push(order, held, err);
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
        all[kept++] = (exec_sortable){record->timestamp_ms, record->seq, record};
    }
    exec->counts.late_dropped += in->count - kept;
    exec_sort(all, all + in->count, kept);
    *items = all;
    *count = kept;
    return LEAT_OK;
}

leat_code exec_order_process(exec_node *node, const leat_batch *in, leat_err *err)
{
    exec_order *order = node->order;
    leat_exec *exec = order->exec;
    int64_t watermark_ms = exec->progress.watermark_ms;
    exec_sortable *items = NULL;
    size_t count = 0, at = 0;
    node->counts.in += in->count;
    if (in->count > 0) LEAT_TRY(candidates(node, in, &items, &count, err));
    leat_record *copies = leat_arena_array(exec->arena, count + 1, sizeof *copies);
    if (copies == NULL) return leat_arena_full(exec->arena, err);
    for (;;) {
        bool fresh = at < count && items[at].time_ms <= watermark_ms;
        bool held = order->count > 0 && order->heap[0]->timestamp_ms <= watermark_ms;
        /* Of equal times the held one is older: it has the smaller number. */
        if (held && (!fresh || order->heap[0]->timestamp_ms <= items[at].time_ms)) {
            LEAT_TRY(emit_held(node, err));
        } else if (fresh) {
            copies[at] = *(const leat_record *)items[at].what;
            LEAT_TRY(emit(node, &copies[at], err));
            at++;
        } else {
            break;
        }
    }
    for (; at < count; at++)
        LEAT_TRY(hold(node, items[at].what, err));
    return LEAT_OK;
}

leat_code exec_order_flush(exec_node *node, leat_err *err)
{
    exec_order *order = node->order;
    for (size_t i = 0; i < order->count; i++) {
        exec_held *held = order->heap[i];
        if (held->stored) continue;
        order_key key;
        void *live = held;
        LEAT_TRY(leat_table_put(order->table, key_of(held->seq, &key), &live, err));
        held->users++;
        held->stored = true;
    }
    return LEAT_OK;
}

static leat_code restore_cell(void *context, leat_str key, leat_str committed, leat_err *err)
{
    (void)key;
    exec_order *order = context;
    exec_held *held = NULL;
    if (committed.data == NULL) return LEAT_OK;
    LEAT_TRY(exec_held_of(order, committed, &held, err));
    held->stored = true;
    leat_code code = heap_push(order, held, err);
    if (code != LEAT_OK) leat_mem_free(held);
    return code;
}

/* Records of an older version of the pipeline are made anew, or end here if this version does not
 * let them come so far. Their cells stay as they are until then: each restart does it again. */
static leat_code restore_foreign(exec_node *node, leat_err *err)
{
    exec_order *order = node->order;
    leat_exec *exec = order->exec;
    size_t count = order->count;
    order->count = 0;
    order->bytes = 0;
    leat_code code = LEAT_OK;
    for (size_t i = 0; i < count; i++) {
        exec_held *old = order->heap[i], *held = old;
        if (old->foreign && code == LEAT_OK) {
            leat_record *record = NULL;
            held = NULL;
            code = exec_rebuild(node, old, &record, err);
            if (code == LEAT_OK && record != NULL)
                code = exec_held_new(exec, order, record, &held, err);
            order_key key;
            if (held != NULL)
                held->stored = true;
            else if (code == LEAT_OK)
                leat_table_remove(order->table, key_of(old->seq, &key));
            exec_held_drop(exec, old);
        }
        /* What is pushed takes a place that has been read already. */
        if (held != NULL && code == LEAT_OK)
            code = heap_push(order, held, err);
        else if (held != NULL)
            exec_held_drop(exec, held);
    }
    return code;
}

leat_code exec_order_restored(exec_node *node, leat_err *err)
{
    exec_order *order = node->order;
    order_clear(order);
    LEAT_TRY(leat_table_visit(order->table, restore_cell, order, err));
    for (size_t i = 0; i < order->count; i++)
        if (order->heap[i]->foreign) return restore_foreign(node, err);
    return LEAT_OK;
}
