/* SPDX-License-Identifier: Apache-2.0 */
/* A window that slides over the records that passed:
 *
 *   N = 3, per = 10 s     pass   pass   pass   no     no     pass
 *                   t:     0      2      5      7      9      10     the one of 0 no longer counts
 *
 * A key's cell is a ring of up to N times. Refused: fixed windows, which need one number a key, but
 * let 2 N pass around the end of a window, which is not what "at most N in 10 s" says.
 *
 * The cell has one timer, set when it is made and moved only when it fires: a key that is busy
 * costs no heap operation per record. It never stands behind the end of the last record's span, so
 * that the cell goes exactly then, whenever the process was restarted in between. */
#include "transforms/limiter.h"

#include "core/mem.h"
#include "core/timers.h"

#define CELL_VERSION 1

typedef struct limiter_cell {
    uint32_t first, count, size; /* a ring in times */
    int64_t times[];             /* ms, of records that passed */
} limiter_cell;

struct leat_limiter {
    leat_table *table;
    leat_timers *timers;
    leat_buf key; /* of the timer that fires */
    uint32_t records_max;
    int64_t per_ms;
};

/* --- the cell --- */

static int64_t time_at(const limiter_cell *cell, uint32_t index)
{
    LEAT_ASSERT(index < cell->count);
    return cell->times[(cell->first + index) % cell->size];
}

static limiter_cell *cell_new(uint32_t size)
{
    LEAT_ASSERT(size > 0);
    limiter_cell *cell = leat_mem_try(sizeof *cell + size * sizeof cell->times[0]);
    if (cell != NULL) *cell = (limiter_cell){.size = size};
    return cell;
}

/* Times are kept as they are added: never decreasing. */
static void cell_add(limiter_cell *cell, int64_t time_ms)
{
    LEAT_ASSERT(cell->count < cell->size);
    cell->times[(cell->first + cell->count++) % cell->size] = time_ms;
}

static void cell_forget(limiter_cell *cell, int64_t until_ms)
{
    while (cell->count > 0 && time_at(cell, 0) <= until_ms) {
        cell->first = (cell->first + 1) % cell->size;
        cell->count--;
    }
}

static leat_code cell_encode(void *self, void *live, leat_buf *out, leat_err *err)
{
    (void)self;
    const limiter_cell *cell = live;
    int64_t before_ms = 0;
    LEAT_ASSERT(cell->count > 0); /* one that holds nothing is removed */
    leat_buf_add_char(out, CELL_VERSION);
    leat_buf_add_varuint(out, cell->count);
    for (uint32_t i = 0; i < cell->count; i++) {
        int64_t time_ms = time_at(cell, i);
        leat_buf_add_varint(out, (int64_t)((uint64_t)time_ms - (uint64_t)before_ms));
        before_ms = time_ms;
    }
    return leat_buf_check(out, "the times of a key", err);
}

static leat_code cell_decode(void *self, leat_str bytes, void **live, leat_err *err)
{
    const leat_limiter *limiter = self;
    leat_reader reader = leat_reader_of(bytes);
    uint8_t version = 0;
    uint64_t count = 0;
    int64_t time_ms = 0;
    int64_t off_ms = 0;
    if (!leat_reader_u8(&reader, &version) || version != CELL_VERSION ||
        !leat_reader_varuint(&reader, &count) || count == 0 || count > LEAT_LIMITER_RECORDS_MAX)
        return leat_err_set(err, LEAT_ERR_DAMAGED, "the times of a key cannot be read");
    uint32_t size = limiter->records_max < count ? limiter->records_max : (uint32_t)count;
    limiter_cell *cell = cell_new(size);
    if (cell == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a key's state");
    for (uint64_t i = 0; i < count; i++) {
        if (!leat_reader_varint(&reader, &off_ms)) {
            leat_mem_free(cell);
            return leat_err_set(err, LEAT_ERR_DAMAGED, "the times of a key cannot be read");
        }
        time_ms = (int64_t)((uint64_t)time_ms + (uint64_t)off_ms);
        if (count - i <= size) cell_add(cell, time_ms); /* the latest, where N was larger */
    }
    *live = cell;
    return LEAT_OK;
}

static void cell_release(void *self, void *live)
{
    (void)self;
    leat_mem_free(live);
}

static const leat_table_type cell_type = {cell_encode, cell_decode, cell_release, NULL, NULL, NULL};

/* --- time --- */

/* From when on the cell does not matter any more. */
static int64_t due_of(const leat_limiter *limiter, const limiter_cell *cell)
{
    int64_t due_ms = 0;
    int64_t last_ms = time_at(cell, cell->count - 1);
    return __builtin_add_overflow(last_ms, limiter->per_ms, &due_ms) ? INT64_MAX - 1 : due_ms;
}

static leat_code fire(leat_limiter *limiter, leat_str timer_key, int64_t at_ms, leat_err *err)
{
    void *live = NULL;
    leat_buf_reset(&limiter->key);
    leat_buf_add(&limiter->key, timer_key); /* it is void when the next timer is set */
    LEAT_TRY(leat_buf_check(&limiter->key, "a key", err));
    leat_str key = leat_buf_str(&limiter->key);
    LEAT_TRY(leat_table_find(limiter->table, key, &live, err));
    LEAT_ASSERT(live != NULL);
    int64_t due_ms = due_of(limiter, live);
    if (due_ms > at_ms) return leat_timers_set(limiter->timers, key, due_ms, err);
    leat_table_remove(limiter->table, key);
    return LEAT_OK;
}

leat_code leat_limiter_advance(leat_limiter *limiter, int64_t now_ms, leat_err *err)
{
    leat_str key;
    int64_t at_ms = 0;
    while (leat_timers_pop(limiter->timers, now_ms, &key, &at_ms))
        LEAT_TRY(fire(limiter, key, at_ms, err));
    return LEAT_OK;
}

/* --- taking --- */

static leat_code put_new(leat_limiter *limiter, leat_str key, limiter_cell *cell, leat_err *err)
{
    void *live = cell;
    int64_t due_ms = due_of(limiter, cell);
    leat_code code = leat_table_put(limiter->table, key, &live, err);
    if (code != LEAT_OK) {
        leat_mem_free(cell);
        return code;
    }
    code = leat_timers_set(limiter->timers, key, due_ms, err);
    if (code != LEAT_OK) leat_table_remove(limiter->table, key);
    return code;
}

/* The same cell with room for more; it takes the old one's place in the table. */
static leat_code grow(leat_limiter *limiter, leat_str key, limiter_cell **cell, leat_err *err)
{
    const limiter_cell *old = *cell;
    uint32_t size = old->size * 2 < limiter->records_max ? old->size * 2 : limiter->records_max;
    LEAT_ASSERT(size > old->size);
    limiter_cell *made = cell_new(size);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a key's state");
    for (uint32_t i = 0; i < old->count; i++)
        cell_add(made, time_at(old, i));
    void *live = made;
    leat_code code = leat_table_put(limiter->table, key, &live, err); /* releases the old one */
    if (code != LEAT_OK) {
        leat_mem_free(made);
        return code;
    }
    *cell = made;
    return LEAT_OK;
}

leat_code leat_limiter_take(leat_limiter *limiter, leat_str key, int64_t now_ms, bool *passes,
                            leat_err *err)
{
    void *live = NULL;
    int64_t until_ms = 0;
    LEAT_ASSERT(leat_timers_next(limiter->timers) > now_ms); /* time has passed first */
    LEAT_TRY(leat_table_find(limiter->table, key, &live, err));
    limiter_cell *cell = live;
    *passes = true;
    if (cell == NULL) {
        cell = cell_new(1);
        if (cell == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a key's state");
        cell_add(cell, now_ms);
        return put_new(limiter, key, cell, err);
    }
    if (__builtin_sub_overflow(now_ms, limiter->per_ms, &until_ms)) until_ms = INT64_MIN;
    uint32_t old = 0;
    while (old < cell->count && time_at(cell, old) <= until_ms)
        old++;
    LEAT_ASSERT(old < cell->count); /* else its timer would have fired */
    *passes = cell->count - old < limiter->records_max;
    if (!*passes) return LEAT_OK; /* nothing changes, nothing is written */
    leat_table_touch(limiter->table, key);
    cell_forget(cell, until_ms);
    if (cell->count == cell->size) LEAT_TRY(grow(limiter, key, &cell, err));
    cell_add(cell, now_ms);
    return LEAT_OK;
}

/* --- life --- */

leat_code leat_limiter_open(leat_run *run, uint32_t records_max, int64_t per_ms,
                            leat_limiter **limiter, leat_err *err)
{
    LEAT_ASSERT(records_max > 0 && records_max <= LEAT_LIMITER_RECORDS_MAX && per_ms > 0);
    leat_limiter *made = leat_mem_need(sizeof *made);
    *limiter = made;
    made->records_max = records_max;
    made->per_ms = per_ms;
    made->timers = leat_timers_new();
    leat_buf_init(&made->key, (size_t)1 << 30);
    return leat_run_table(run, "passed", &cell_type, made, &made->table, err);
}

void leat_limiter_close(leat_limiter **limiter)
{
    if (*limiter == NULL) return;
    leat_timers_free(&(*limiter)->timers);
    leat_buf_release(&(*limiter)->key);
    leat_mem_free(*limiter);
    *limiter = NULL;
}

static leat_code restore_timer(void *context, leat_str key, leat_str committed, leat_err *err)
{
    leat_limiter *limiter = context;
    void *live = NULL;
    LEAT_ASSERT(committed.data != NULL); /* nothing is under way now */
    LEAT_TRY(cell_decode(limiter, committed, &live, err));
    leat_code code = leat_timers_set(limiter->timers, key, due_of(limiter, live), err);
    leat_mem_free(live);
    return code;
}

leat_code leat_limiter_restored(leat_limiter *limiter, leat_err *err)
{
    leat_timers_clear(limiter->timers);
    return leat_table_visit(limiter->table, restore_timer, limiter, err);
}
