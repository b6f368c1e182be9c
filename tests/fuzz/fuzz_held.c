/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of the reorder buffer, as a damaged changelog may hand them over: refused, or read into a
 * record that, written and read again, is the same. */
#include "core/mem.h"
#include "transforms/exec_inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what) LEAT_ASSERT(what)
#define SLOTS      6

static bool same_text(leat_str a, leat_str b)
{
    return (a.data == NULL) == (b.data == NULL) && leat_str_equal(a, b);
}

static void same_message(const leat_message *a, const leat_message *b)
{
    MUST((a == NULL) == (b == NULL));
    if (a == NULL) return;
    MUST(same_text(a->topic, b->topic) && same_text(a->key, b->key));
    MUST(same_text(a->value, b->value) && a->partition == b->partition);
    MUST(a->offset == b->offset && a->timestamp_ms == b->timestamp_ms);
    MUST(a->headers_count == b->headers_count);
    for (size_t i = 0; i < a->headers_count; i++) {
        MUST(same_text(a->headers[i].name, b->headers[i].name));
        MUST(same_text(a->headers[i].value, b->headers[i].value));
    }
}

static void same_record(const leat_record *a, const leat_record *b)
{
    same_message(a->message, b->message);
    MUST(a->seq == b->seq && a->timestamp_ms == b->timestamp_ms);
    MUST(a->watermark_ms == b->watermark_ms);
    MUST(same_text(a->raw, b->raw) && same_text(a->key, b->key));
}

static void read_again(leat_exec *exec, const exec_order *order, const exec_held *held)
{
    leat_err err;
    leat_record *record = NULL, *again = NULL;
    exec_held *copy = NULL;
    if (exec_held_record(order, held, exec->arena, &record, &err) != LEAT_OK) return;
    MUST(record->timestamp_ms == held->timestamp_ms);
    MUST(exec_held_new(exec, order, record, &copy, &err) == LEAT_OK);
    MUST(!copy->foreign && exec_held_record(order, copy, exec->arena, &again, &err) == LEAT_OK);
    same_record(record, again);
    exec_held *third = NULL; /* values: what was read writes the same bytes */
    MUST(exec_held_new(exec, order, again, &third, &err) == LEAT_OK);
    MUST(third->len == copy->len && memcmp(third->bytes, copy->bytes, copy->len) == 0);
    exec_held_drop(exec, copy);
    exec_held_drop(exec, third);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leat_err err;
    leat_exec exec = {0};
    leat_shape shape = {.slots = SLOTS};
    const exec_order order = {.exec = &exec, .shape = &shape};
    exec_held *held = NULL;
    leat_str bytes = {(const char *)data, size};
    MUST(leat_arena_new(&exec.arena, (size_t)64 << 20, &err) == LEAT_OK);
    leat_buf_init(&exec.scratch, (size_t)64 << 20);
    if (exec_held_of(&order, bytes, &held, &err) == LEAT_OK) {
        leat_record *origin = NULL;
        leat_code code = exec_held_origin(&order, held, exec.arena, &origin, &err);
        MUST(code == LEAT_OK || code == LEAT_ERR_DAMAGED);
        if (!held->foreign) read_again(&exec, &order, held);
        exec_held_drop(&exec, held);
    }
    exec_held_free_all(&exec);
    leat_buf_release(&exec.scratch);
    leat_arena_free(&exec.arena);
    return 0;
}
