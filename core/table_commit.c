/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a transaction: changed cells are encoded, and then that is so or never was.
 *
 *   flush   encode each changed cell -> compare with what is committed -> changelog
 *   commit  what was encoded becomes the committed bytes; most live objects are released
 *   abort   live objects of what was changed are released
 *
 * Thousands of cells are gone through here, each of which leads to memory that nobody has looked at
 * for a while: use -> live object -> what it points to. So each loop asks for that of the cells to
 * come, a step further for each that is nearer, and finds it there when it gets to them.
 *
 *   in hand   2 ahead                4 ahead           6 ahead   8 ahead
 *   encoded   what it points to      live, its slot    use       number
 *
 * Refused: a list of numbers sorted by address (the order of the changelog is that of the first
 * change). */
#include "core/mem.h"
#include "core/table_inside.h"

#define USES_MOST  (4 * TABLE_USES_LEAST) /* kept where that pays, */
#define BYTES_KEPT ((uint64_t)8 << 20)    /* unless their encoded forms add up to more */
#define SPARE_KEPT ((size_t)1 << 20)      /* the buffer of pending bytes is kept up to this size; */
#define SPARE_USED 4                      /* above, if a part of it as large as this was used */

bool leat_table_changed(const leat_table *table)
{
    return table->first_changed != 0;
}

/* --- what comes next --- */

#define AHEAD 8

/* The changed uses to come, in order; 0: there are no more. */
typedef struct lookahead {
    const leat_table *table;
    uint32_t numbers[AHEAD];
} lookahead;

static void ask_live(const leat_table *table, const use *u, uint32_t depth)
{
    if (u->live != NULL && table->type->ahead != NULL)
        table->type->ahead(table->self, u->live, depth);
}

static void ask_cell(const leat_table *table, const use *u)
{
    __builtin_prefetch(&table->slots.slots[u->hash & (table->slots.size - 1)]);
    __builtin_prefetch(u->cell);
    __builtin_prefetch((const char *)u->cell + 64);
}

/* live: those to come are asked for with what their live objects lead to. */
static void step_on(lookahead *ahead, bool live)
{
    const leat_table *table = ahead->table;
    const use *uses = table->uses;
    uint32_t *numbers = ahead->numbers;
    for (uint32_t i = 0; i + 1 < AHEAD; i++)
        numbers[i] = numbers[i + 1];
    numbers[AHEAD - 1] = uses[numbers[AHEAD - 1]].after; /* there is none behind none */
    __builtin_prefetch(&uses[numbers[AHEAD - 1]]);
    if (numbers[5] != 0) ask_cell(table, &uses[numbers[5]]);
    if (!live) return;
    if (numbers[5] != 0) __builtin_prefetch(uses[numbers[5]].live);
    if (numbers[3] != 0) ask_live(table, &uses[numbers[3]], 1);
    if (numbers[1] != 0) ask_live(table, &uses[numbers[1]], 3);
}

static lookahead look_ahead(const leat_table *table, bool live)
{
    lookahead ahead = {.table = table};
    ahead.numbers[AHEAD - 1] = table->first_changed;
    for (uint32_t i = 0; i + 1 < AHEAD && table->first_changed != 0; i++)
        step_on(&ahead, live);
    return ahead;
}

/* The next changed use; 0: that was the last. */
static uint32_t next_changed(lookahead *ahead, bool live)
{
    uint32_t number = ahead->numbers[0];
    if (number != 0) step_on(ahead, live);
    return number;
}

/* --- flush --- */

/* Encodes one changed cell and keeps the bytes for commit, in the buffer or, if the cell must grow,
 * in the cell that replaces it. bytes->data NULL: they are as before, or there are none. */
static leat_code flush_use(leat_table *table, use *u, leat_str *bytes, leat_err *err)
{
    leat_buf *out = &table->pending;
    size_t from = out->len;
    *bytes = LEAT_STR_NONE;
    if (leat_buf_reserve(out, 1) == NULL)
        return table_no_memory(table, err); /* data is never NULL */
    LEAT_TRY(table->type->encode(table->self, u->live, out, err));
    if (out->len == from && !out->overflow) {
        u->state = REMOVED;
        table->cells--;
        return LEAT_OK;
    }
    if (out->overflow || out->len - from >= CELL_NEVER) return table_no_memory(table, err);
    u->own = table->type->decode_own != NULL && table->type->own(table->self, u->live);
    leat_str made = {out->data + from, out->len - from};
    if (cell_committed(u->cell) && leat_str_equal(cell_value(u->cell), made)) {
        out->len = from;
        return LEAT_OK;
    }
    size_t key_len = u->cell->key_len;
    if (cell_room(key_len, made.len) != cell_room(key_len, cell_len(u->cell))) {
        u->grown = cell_new(leat_item_key(u->cell), made);
        if (u->grown == NULL) return table_no_memory(table, err);
        out->len = from;
        made = cell_value(u->grown);
    }
    u->pending_at = from;
    u->pending_len = (uint32_t)made.len;
    *bytes = made;
    return LEAT_OK;
}

leat_code leat_table_flush(leat_table *table, leat_table_sink sink, void *context, leat_err *err)
{
    LEAT_ASSERT(!table->flushed);
    table->flushed = true; /* also if it fails: then only abort is left */
    leat_buf_reset(&table->pending);
    lookahead ahead = look_ahead(table, true);
    for (uint32_t number; (number = next_changed(&ahead, true)) != 0;) {
        use *u = &table->uses[number];
        leat_str bytes = LEAT_STR_NONE;
        if (u->state == CHANGED) LEAT_TRY(flush_use(table, u, &bytes, err));
        bool gone = u->state == REMOVED && cell_committed(u->cell);
        if (bytes.data == NULL && !gone) continue;
        LEAT_TRY(sink(context, leat_item_key(u->cell), bytes, err));
    }
    return LEAT_OK;
}

/* The pending bytes of a changed cell become its committed ones. */
static void commit_use(leat_table *table, use *u)
{
    if (u->pending_len == CELL_NEVER) return;
    table_count_cell(table, u->cell, false);
    table->used_bytes -= cell_len(u->cell);
    if (u->grown != NULL) {
        table->slots.slots[table_slot_of(table, u)].item = u->grown;
        leat_mem_free(u->cell);
        u->cell = u->grown;
        u->grown = NULL;
    } else {
        memcpy(u->cell->bytes + u->cell->key_len, table->pending.data + u->pending_at,
               u->pending_len);
    }
    u->cell->note = u->pending_len | (u->own ? CELL_OWN : 0);
    table_count_cell(table, u->cell, true);
    table->used_bytes += cell_len(u->cell);
    u->pending_len = CELL_NEVER;
}

/* The same for uses that are gone through by number. */
static void ask_range(const leat_table *table, uint32_t number)
{
    uint32_t left = table->uses_end - number;
    const use *u = &table->uses[number];
    if (left > 6 && u[6].state != FREE) {
        __builtin_prefetch(&table->slots.slots[u[6].hash & (table->slots.size - 1)]);
        __builtin_prefetch(u[6].live);
    }
    if (left > 4 && u[4].state != FREE) ask_live(table, &u[4], 1);
    if (left > 2 && u[2].state != FREE) ask_live(table, &u[2], 2);
}

/* How many uses are kept: more, if many cells had to be decoded that had been released before;
 * fewer, if few of those kept were used. */
static void adapt_uses(leat_table *table)
{
    uint32_t used = table->used_again - table->decoded_again;
    if (table->used_again < table->decoded_again) used = 0; /* not all that is found is changed */
    if (table->decoded_again > table->uses_live / 8) {
        if (table->uses_kept < USES_MOST) table->uses_kept *= 2;
    } else if (used < table->uses_kept / 16 && table->uses_kept > TABLE_USES_LEAST) {
        table->uses_kept /= 2;
    }
    table->decoded_again = table->used_again = 0;
}

/* Releases live objects until what is left is within the bounds, and the array's end with them:
 * a giant transaction must not be paid for ever after. */
static void shrink_uses(leat_table *table)
{
    if (table->uses_live <= table->uses_kept && table->used_bytes <= BYTES_KEPT) return;
    uint64_t bytes = 0;
    uint32_t kept = 0, end = 1;
    for (uint32_t number = 1; number < table->uses_end; number++) {
        const use *u = &table->uses[number];
        ask_range(table, number);
        if (u->state == FREE) continue;
        LEAT_ASSERT(u->state == CLEAN);
        bytes += cell_len(u->cell);
        if (kept < table->uses_kept && bytes <= BYTES_KEPT) {
            kept++;
            end = number + 1;
            continue;
        }
        table->slots.slots[table_slot_of(table, u)].extra = 0;
        table_use_drop(table, number);
    }
    table->uses_end = end;
    table->uses_free = 0;
    uint32_t size = 2 * table->uses_kept;
    if (table->uses_size > 4 * size && end <= size) (void)table_uses_resize(table, size, false);
    for (uint32_t number = end - 1; number != 0; number--) {
        if (table->uses[number].state != FREE) continue;
        table->uses[number].after = table->uses_free;
        table->uses_free = number;
    }
}

static void end_transaction(leat_table *table)
{
    table->first_changed = table->last_changed = 0;
    table->flushed = false;
    const leat_buf *spare = &table->pending;
    bool keep = spare->size <= SPARE_KEPT || spare->len > spare->size / SPARE_USED;
    leat_buf_reset(&table->pending);
    if (!keep) leat_buf_release(&table->pending);
}

void leat_table_commit(leat_table *table)
{
    LEAT_ASSERT(table->flushed || table->first_changed == 0);
    lookahead ahead = look_ahead(table, false);
    for (uint32_t number; (number = next_changed(&ahead, false)) != 0;) {
        use *u = &table->uses[number];
        if (u->state == REMOVED) {
            size_t at = table_slot_of(table, u);
            table_use_drop(table, number);
            table_cell_drop(table, at);
            continue;
        }
        LEAT_ASSERT(u->state == CHANGED);
        commit_use(table, u);
        u->state = CLEAN;
    }
    end_transaction(table);
    adapt_uses(table);
    shrink_uses(table);
    leat_slots_shrink(&table->slots);
}

void leat_table_abort(leat_table *table)
{
    table->decoded_again = table->used_again = 0;
    for (uint32_t number = table->first_changed, after; number != 0; number = after) {
        const use *u = &table->uses[number];
        after = u->after;
        size_t at = table_slot_of(table, u);
        bool is_new = !cell_committed(u->cell);
        if (u->state == REMOVED) table->cells++;
        table->slots.slots[at].extra = 0;
        table_use_drop(table, number);
        if (is_new) {
            table->cells--;
            table_cell_drop(table, at);
        }
    }
    end_transaction(table);
}
