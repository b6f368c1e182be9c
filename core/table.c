/* SPDX-License-Identifier: Apache-2.0 */
/* Keyed state: committed bytes for every cell, a live object for the few in use.
 *
 *   slots: key -> cell = [key_len | value_len | key | committed bytes], one allocation, compact
 *                 |extra = number of its use, 0 = none
 *                 v
 *   uses:  {live object, cell, pending bytes, state} in an array; those changed are chained in
 *          order of first change:  first_changed -> ... -> last_changed
 *
 * A cell that nobody has looked at since it was committed is its bytes and one slot of 16 bytes: a
 * restore of a million cells decodes nothing. The first find decodes and adds a use. A commit keeps
 * uses as a cache, as many as it pays to keep (table_commit.c), so that live objects never add up
 * to a second copy of a large state.
 *
 *   state      live   cell's bytes        flush says          commit          abort
 *   CLEAN      yes    committed           -                   kept            kept
 *   CHANGED    yes    committed or none   new bytes if other  become the cell's   live dropped;
 *                                                                             cell too if new
 *   REMOVED    no     committed           tombstone           cell dropped    use dropped
 *
 * A cell that was never committed has the length CELL_NEVER; removing it leaves no trace. A changed
 * cell of which nothing is left to encode is as if removed from then on. Committed bytes are
 * overwritten at commit only. What flush has encoded waits in one buffer; where the allocation of
 * the cell must grow, flush allocates the new one: commit, which may not fail, allocates nothing.
 *
 * Refused: an undo log (the committed bytes are one already), encoding at each change (a hot key
 * has thousands a commit), pointers from cells to live objects (8 bytes that few cells need). */
#include "core/table.h"

#include "core/mem.h"
#include "core/table_inside.h"

leat_code leat_table_new(leat_table **table, const char *name, const leat_table_type *type,
                         void *self, uint64_t bytes_max, leat_table_sum *sum, leat_err *err)
{
    LEAT_ASSERT(name != NULL && type->encode != NULL && type->decode != NULL && type->release);
    LEAT_ASSERT((type->decode_own == NULL) == (type->own == NULL));
    (void)err; /* small and fixed: aborts without memory */
    leat_table *made = leat_mem_need(sizeof *made);
    made->type = type;
    made->self = self;
    made->name = leat_mem_need_text(name);
    made->bytes_max = bytes_max;
    made->uses_kept = TABLE_USES_LEAST;
    made->sum = sum;
    leat_buf_init(&made->pending, SIZE_MAX / 2);
    *table = made;
    return LEAT_OK;
}

void leat_table_free(leat_table **table)
{
    leat_table *gone = *table;
    if (gone == NULL) return;
    for (uint32_t i = 1; i < gone->uses_end; i++) {
        if (gone->uses[i].live != NULL) gone->type->release(gone->self, gone->uses[i].live);
        if (gone->uses[i].state != FREE) leat_mem_free(gone->uses[i].grown);
    }
    for (size_t at = 0; at < gone->slots.size; at++)
        leat_mem_free(gone->slots.slots[at].item);
    if (gone->sum != NULL) gone->sum->bytes -= gone->bytes;
    leat_slots_release(&gone->slots);
    leat_buf_release(&gone->pending);
    leat_mem_free(gone->uses);
    leat_mem_free(gone->name);
    leat_mem_free(gone);
    *table = NULL;
}

const char *leat_table_name(const leat_table *table)
{
    return table->name;
}

/* --- cells --- */

static uint64_t cell_bytes(const leat_item *cell)
{
    return TABLE_OVERHEAD + cell->key_len + cell_len(cell);
}

/* Counts a cell that has come, or that goes. */
void table_count_cell(leat_table *table, const leat_item *cell, bool comes)
{
    LEAT_ASSERT(comes || table->bytes >= cell_bytes(cell));
    uint64_t bytes = comes ? cell_bytes(cell) : 0 - cell_bytes(cell);
    table->bytes += bytes;
    if (table->sum != NULL) table->sum->bytes += bytes;
}

void table_cell_drop(leat_table *table, size_t at)
{
    leat_item *cell = table->slots.slots[at].item;
    table_count_cell(table, cell, false);
    leat_slots_erase(&table->slots, at);
    leat_mem_free(cell);
}

/* --- uses --- */

/* must: abort without memory rather than return false. */
bool table_uses_resize(leat_table *table, uint64_t size, bool must)
{
    LEAT_ASSERT(size >= table->uses_end);
    LEAT_ASSERT(size <= UINT32_MAX);
    use *uses = leat_mem_try_resize(table->uses, (size_t)size * sizeof *uses);
    if (uses == NULL) {
        if (!must) return false;
        uses = leat_mem_need((size_t)size * sizeof *uses);
        if (table->uses_end != 0) memcpy(uses, table->uses, table->uses_end * sizeof *uses);
        leat_mem_free(table->uses);
    }
    table->uses = uses;
    table->uses_size = (uint32_t)size;
    if (table->uses_end == 0) uses[table->uses_end++] = (use){.state = FREE};
    return true;
}

static uint32_t use_new(leat_table *table, leat_item *cell, uint32_t hash, bool must)
{
    uint32_t number = table->uses_free;
    if (number != 0) {
        table->uses_free = table->uses[number].after;
    } else {
        uint64_t size = table->uses_size == 0 ? 16 : (uint64_t)table->uses_size * 2;
        if (table->uses_end == table->uses_size && !table_uses_resize(table, size, must)) return 0;
        number = table->uses_end++;
    }
    table->uses[number] =
        (use){.cell = cell, .hash = hash, .pending_len = CELL_NEVER, .state = CLEAN};
    table->uses_live++;
    table->used_bytes += cell_len(cell);
    return number;
}

static void live_drop(leat_table *table, use *u)
{
    if (u->live != NULL) table->type->release(table->self, u->live);
    u->live = NULL;
}

void table_use_drop(leat_table *table, uint32_t number)
{
    use *u = &table->uses[number];
    LEAT_ASSERT(u->state != FREE && table->uses_live > 0);
    live_drop(table, u);
    leat_mem_free(u->grown);
    table->uses_live--;
    table->used_bytes -= cell_len(u->cell);
    *u = (use){.state = FREE, .after = table->uses_free};
    table->uses_free = number;
    if (table->last_found == number) table->last_found = 0;
}

static void chain_add(leat_table *table, uint32_t number)
{
    use *u = &table->uses[number];
    u->before = table->last_changed;
    u->after = 0;
    if (table->last_changed != 0)
        table->uses[table->last_changed].after = number;
    else
        table->first_changed = number;
    table->last_changed = number;
}

static void chain_cut(leat_table *table, uint32_t number)
{
    const use *u = &table->uses[number];
    if (u->before != 0)
        table->uses[u->before].after = u->after;
    else
        table->first_changed = u->after;
    if (u->after != 0)
        table->uses[u->after].before = u->before;
    else
        table->last_changed = u->before;
}

/* --- what operators do --- */

/* The use that was found last, if key is its key: find, touch and remove come in a row. */
static uint32_t found_again(const leat_table *table, leat_str key)
{
    uint32_t number = table->last_found;
    if (number == 0) return 0;
    return leat_item_is(table->uses[number].cell, key) ? number : 0;
}

leat_code table_no_memory(const leat_table *table, leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a cell of table %s", table->name);
}

leat_code leat_table_find_hashed(leat_table *table, leat_str key, uint32_t hash, void **live,
                                 leat_err *err)
{
    *live = NULL;
    uint32_t number = found_again(table, key);
    if (number == 0) {
        size_t at = leat_slots_find(&table->slots, key, hash);
        if (at == LEAT_SLOTS_NONE) return LEAT_OK;
        leat_slot *slot = &table->slots.slots[at];
        if (slot->extra == 0) {
            LEAT_ASSERT(cell_committed(slot->item)); /* else it is in use */
            void *made = NULL;
            bool own = (slot->item->note & CELL_OWN) != 0;
            LEAT_TRY((own ? table->type->decode_own
                          : table->type->decode)(table->self, cell_value(slot->item), &made, err));
            LEAT_ASSERT(made != NULL);
            table->decoded_again += own;
            uint32_t fresh = use_new(table, slot->item, hash, false);
            if (fresh == 0) {
                table->type->release(table->self, made);
                return table_no_memory(table, err);
            }
            table->uses[fresh].live = made;
            slot->extra = fresh;
        }
        number = slot->extra;
        table->last_found = number;
    }
    *live = table->uses[number].live; /* NULL when removed */
    return LEAT_OK;
}

leat_str leat_table_peek(leat_table *table, leat_str key, uint32_t hash, void **live)
{
    *live = NULL;
    size_t at = leat_slots_find(&table->slots, key, hash);
    if (at == LEAT_SLOTS_NONE) return LEAT_STR_NONE;
    uint32_t number = table->slots.slots[at].extra;
    if (number == 0) return cell_value(table->slots.slots[at].item);
    table->last_found = number;
    *live = table->uses[number].live;
    return LEAT_STR_NONE;
}

/* The use of key, or 0. */
static uint32_t use_of(leat_table *table, leat_str key)
{
    uint32_t number = found_again(table, key);
    if (number != 0) return number;
    size_t at = leat_slots_find(&table->slots, key, leat_slots_hash(key));
    return at == LEAT_SLOTS_NONE ? 0 : table->slots.slots[at].extra;
}

/* A cell of a new key with a use, CLEAN and without a live object yet. */
static leat_code cell_add(leat_table *table, leat_str key, uint32_t hash, uint32_t *number,
                          leat_err *err)
{
    uint64_t more = TABLE_OVERHEAD + key.len;
    bool common = table->sum != NULL && table->sum->bytes + more > table->sum->bytes_max;
    uint64_t most = common ? table->sum->bytes_max : table->bytes_max;
    if (common || table->bytes + more > most)
        return leat_err_set(err, LEAT_ERR_LIMIT, "table %s has reached its%s limit of %llu bytes",
                            table->name, common ? " task's" : "", (unsigned long long)most);
    if (!leat_slots_reserve(&table->slots)) return table_no_memory(table, err);
    leat_item *cell = cell_new(key, LEAT_STR_NONE);
    if (cell == NULL) return table_no_memory(table, err);
    *number = use_new(table, cell, hash, false);
    if (*number == 0) {
        leat_mem_free(cell);
        return table_no_memory(table, err);
    }
    size_t at = leat_slots_insert(&table->slots, cell, hash);
    table->slots.slots[at].extra = *number;
    table_count_cell(table, cell, true);
    table->cells++;
    return LEAT_OK;
}

leat_code leat_table_put_hashed(leat_table *table, leat_str key, uint32_t hash, void **live,
                                leat_err *err)
{
    LEAT_ASSERT(live != NULL && *live != NULL);
    LEAT_ASSERT(!table->flushed);
    size_t at = leat_slots_find(&table->slots, key, hash);
    uint32_t number = 0;
    if (at == LEAT_SLOTS_NONE) {
        LEAT_TRY(cell_add(table, key, hash, &number, err));
    } else {
        leat_slot *slot = &table->slots.slots[at];
        if (slot->extra == 0) {
            slot->extra = use_new(table, slot->item, hash, false);
            if (slot->extra == 0) return table_no_memory(table, err);
        }
        number = slot->extra;
    }
    use *u = &table->uses[number];
    live_drop(table, u); /* whoever puts a key twice replaces it */
    if (u->state == REMOVED) table->cells++;
    if (u->state == CLEAN) chain_add(table, number);
    u->state = CHANGED;
    u->live = *live;
    *live = NULL;
    table->last_found = number;
    return LEAT_OK;
}

void leat_table_touch(leat_table *table, leat_str key)
{
    LEAT_ASSERT(!table->flushed);
    uint32_t number = use_of(table, key);
    LEAT_ASSERT(number != 0); /* only what was found can be touched */
    use *u = &table->uses[number];
    LEAT_ASSERT(u->live != NULL);
    if (u->state == CHANGED) return;
    LEAT_ASSERT(u->state == CLEAN);
    u->state = CHANGED;
    table->used_again++;
    chain_add(table, number);
}

void leat_table_remove_hashed(leat_table *table, leat_str key, uint32_t hash)
{
    LEAT_ASSERT(!table->flushed);
    uint32_t number = found_again(table, key);
    if (number == 0) {
        size_t at = leat_slots_find(&table->slots, key, hash);
        if (at == LEAT_SLOTS_NONE) return;
        leat_slot *slot = &table->slots.slots[at];
        if (slot->extra == 0) slot->extra = use_new(table, slot->item, hash, true);
        number = slot->extra;
    }
    use *u = &table->uses[number];
    if (u->state == REMOVED) return;
    table->cells--;
    if (!cell_committed(u->cell)) {
        size_t at = table_slot_of(table, u);
        chain_cut(table, number);
        table_use_drop(table, number);
        table_cell_drop(table, at);
        return;
    }
    live_drop(table, u);
    if (u->state == CLEAN) chain_add(table, number);
    u->state = REMOVED;
}

void leat_table_remove(leat_table *table, leat_str key)
{
    uint32_t hash = found_again(table, key) != 0 ? 0 : leat_slots_hash(key);
    leat_table_remove_hashed(table, key, hash);
}

/* --- what is needed next --- */

/* The home of what has this hash is a guess at its slot, and a good one. */
static const leat_slot *likely_slot(const leat_table *table, uint32_t hash)
{
    size_t mask = table->slots.size - 1;
    if (table->slots.size == 0) return NULL;
    for (size_t at = hash & mask; table->slots.slots[at].item != NULL; at = (at + 1) & mask)
        if (table->slots.slots[at].hash == hash) return &table->slots.slots[at];
    return NULL;
}

void leat_table_ahead(const leat_table *table, uint32_t hash, uint32_t depth)
{
    if (depth == 0) {
        if (table->slots.size != 0)
            __builtin_prefetch(&table->slots.slots[hash & (table->slots.size - 1)]);
        return;
    }
    const leat_slot *slot = likely_slot(table, hash);
    if (slot == NULL) return;
    const use *u = &table->uses[slot->extra];
    if (depth == 1) {
        __builtin_prefetch(slot->item);
        __builtin_prefetch(u);
        return;
    }
    const void *live = slot->extra == 0 ? NULL : u->live;
    if (depth == 2) __builtin_prefetch(live);
    if (depth > 2 && live != NULL && table->type->ahead != NULL)
        table->type->ahead(table->self, live, depth - 2);
}

/* --- restore, visit --- */

leat_code leat_table_restore(leat_table *table, leat_str key, leat_str value, leat_err *err)
{
    uint32_t hash = leat_slots_hash(key);
    size_t at = leat_slots_find(&table->slots, key, hash);
    if (at != LEAT_SLOTS_NONE && table->slots.slots[at].extra != 0) {
        uint32_t number = table->slots.slots[at].extra;
        LEAT_ASSERT(table->uses[number].state == CLEAN); /* not in the middle of a transaction */
        table_use_drop(table, number);
        table->slots.slots[at].extra = 0;
    }
    if (value.data == NULL) {
        if (at == LEAT_SLOTS_NONE) return LEAT_OK;
        table_cell_drop(table, at);
        table->cells--;
        return LEAT_OK;
    }
    if (at == LEAT_SLOTS_NONE && !leat_slots_reserve(&table->slots))
        return table_no_memory(table, err);
    leat_item *cell = cell_new(key, value);
    if (cell == NULL) return table_no_memory(table, err);
    if (at != LEAT_SLOTS_NONE) {
        leat_item *old = table->slots.slots[at].item;
        table_count_cell(table, old, false);
        leat_mem_free(old);
        table->slots.slots[at].item = cell;
    } else {
        leat_slots_insert(&table->slots, cell, hash);
        table->cells++;
    }
    table_count_cell(table, cell, true);
    return LEAT_OK;
}

leat_code leat_table_visit(const leat_table *table, leat_table_visitor visit, void *context,
                           leat_err *err)
{
    for (size_t at = 0; at < table->slots.size; at++) {
        const leat_slot *slot = &table->slots.slots[at];
        if (slot->item == NULL) continue;
        if (slot->extra != 0 && table->uses[slot->extra].state == REMOVED) continue;
        LEAT_TRY(visit(context, leat_item_key(slot->item), cell_value(slot->item), err));
    }
    return LEAT_OK;
}

uint64_t leat_table_count(const leat_table *table)
{
    return table->cells;
}

uint64_t leat_table_bytes(const leat_table *table)
{
    return table->bytes;
}
