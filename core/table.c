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
 * the uses as a cache while they are few (USES_KEPT, BYTES_KEPT), else releases them, so that live
 * objects never add up to a second copy of the state.
 *
 *   state      live   cell's bytes        flush says          commit          abort
 *   CLEAN      yes    committed           -                   kept            kept
 *   CHANGED    yes    committed or none   new bytes if other  become the cell's   live dropped;
 *                                                                             cell too if new
 *   REMOVED    no     committed           tombstone           cell dropped    use dropped
 *
 * A cell that was never committed has the length CELL_NEVER; removing it leaves no trace. Committed
 * bytes are overwritten at commit only. What flush has encoded waits in one buffer; where the
 * allocation of the cell must grow, flush allocates the new one: commit, which may not fail,
 * allocates nothing.
 *
 * Refused: an undo log (the committed bytes are one already), encoding at each change (a hot key
 * has thousands a commit), pointers from cells to live objects (8 bytes that few cells need). */
#include "core/table.h"

#include "core/mem.h"
#include "core/slots.h"
#include "core/table_cell.h"

#define USES_KEPT  ((size_t)4096)      /* live objects kept over a commit, */
#define BYTES_KEPT ((uint64_t)8 << 20) /* unless their encoded forms add up to more */
#define SPARE_KEPT ((size_t)1 << 20)   /* the buffer of pending bytes is kept up to this size; */
#define SPARE_USED 4                   /* above, if a part of it as large as this was used */
#define OVERHEAD   (sizeof(leat_item) + sizeof(leat_slot) + 16) /* of a cell; 16: the heap's */

typedef enum use_state { FREE, CLEAN, CHANGED, REMOVED } use_state;

typedef struct use {
    void *live;
    leat_item *cell;
    leat_item *grown;     /* flushed: the cell that takes cell's place; NULL: it fits */
    size_t pending_at;    /* flushed: where its bytes are in the buffer */
    uint32_t pending_len; /* CELL_NEVER: nothing to be written */
    uint32_t hash;
    uint32_t before, after; /* the chain of changed uses; free ones: after */
    use_state state;
    bool own; /* flushed: its bytes need not be doubted */
} use;

struct leat_table {
    leat_slots slots;
    const leat_table_type *type;
    void *self;
    char *name;
    uint64_t bytes, bytes_max;
    leat_table_sum *sum; /* of all tables that share it; NULL: none */
    uint64_t used_bytes; /* committed bytes of the cells in use */
    uint64_t cells;      /* that are there: without those removed but not yet committed */
    use *uses;           /* uses[0] is no use */
    uint32_t uses_end, uses_size, uses_free, uses_live;
    uint32_t first_changed, last_changed;
    uint32_t last_found; /* whose key was asked for last; 0: none */
    bool flushed;
    leat_buf pending;
};

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
    return OVERHEAD + cell->key_len + cell_len(cell);
}

/* Counts a cell that has come, or that goes. */
static void count_cell(leat_table *table, const leat_item *cell, bool comes)
{
    LEAT_ASSERT(comes || table->bytes >= cell_bytes(cell));
    uint64_t bytes = comes ? cell_bytes(cell) : 0 - cell_bytes(cell);
    table->bytes += bytes;
    if (table->sum != NULL) table->sum->bytes += bytes;
}

static void cell_drop(leat_table *table, size_t at)
{
    leat_item *cell = table->slots.slots[at].item;
    count_cell(table, cell, false);
    leat_slots_erase(&table->slots, at);
    leat_mem_free(cell);
}

/* --- uses --- */

/* must: abort without memory rather than return false. */
static bool uses_resize(leat_table *table, uint64_t size, bool must)
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
        if (table->uses_end == table->uses_size && !uses_resize(table, size, must)) return 0;
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

static void use_drop(leat_table *table, uint32_t number)
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

static size_t slot_of(const leat_table *table, const use *u)
{
    return leat_slots_of(&table->slots, u->cell, u->hash);
}

/* --- what operators do --- */

/* The use that was found last, if key is its key: find, touch and remove come in a row. */
static uint32_t found_again(const leat_table *table, leat_str key)
{
    uint32_t number = table->last_found;
    if (number == 0) return 0;
    return leat_item_is(table->uses[number].cell, key) ? number : 0;
}

static leat_code no_memory(const leat_table *table, leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a cell of table %s", table->name);
}

leat_code leat_table_find(leat_table *table, leat_str key, void **live, leat_err *err)
{
    *live = NULL;
    uint32_t number = found_again(table, key);
    if (number == 0) {
        uint32_t hash = leat_slots_hash(key);
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
            uint32_t fresh = use_new(table, slot->item, hash, false);
            if (fresh == 0) {
                table->type->release(table->self, made);
                return no_memory(table, err);
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

leat_str leat_table_peek(const leat_table *table, leat_str key)
{
    size_t at = leat_slots_find(&table->slots, key, leat_slots_hash(key));
    if (at == LEAT_SLOTS_NONE || table->slots.slots[at].extra != 0) return LEAT_STR_NONE;
    return cell_value(table->slots.slots[at].item);
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
    uint64_t more = OVERHEAD + key.len;
    bool common = table->sum != NULL && table->sum->bytes + more > table->sum->bytes_max;
    uint64_t most = common ? table->sum->bytes_max : table->bytes_max;
    if (common || table->bytes + more > most)
        return leat_err_set(err, LEAT_ERR_LIMIT, "table %s has reached its%s limit of %llu bytes",
                            table->name, common ? " task's" : "", (unsigned long long)most);
    if (!leat_slots_reserve(&table->slots)) return no_memory(table, err);
    leat_item *cell = cell_new(key, LEAT_STR_NONE);
    if (cell == NULL) return no_memory(table, err);
    *number = use_new(table, cell, hash, false);
    if (*number == 0) {
        leat_mem_free(cell);
        return no_memory(table, err);
    }
    size_t at = leat_slots_insert(&table->slots, cell, hash);
    table->slots.slots[at].extra = *number;
    count_cell(table, cell, true);
    table->cells++;
    return LEAT_OK;
}

leat_code leat_table_put(leat_table *table, leat_str key, void **live, leat_err *err)
{
    LEAT_ASSERT(live != NULL && *live != NULL);
    LEAT_ASSERT(!table->flushed);
    uint32_t hash = leat_slots_hash(key);
    size_t at = leat_slots_find(&table->slots, key, hash);
    uint32_t number = 0;
    if (at == LEAT_SLOTS_NONE) {
        LEAT_TRY(cell_add(table, key, hash, &number, err));
    } else {
        leat_slot *slot = &table->slots.slots[at];
        if (slot->extra == 0) {
            slot->extra = use_new(table, slot->item, hash, false);
            if (slot->extra == 0) return no_memory(table, err);
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
    chain_add(table, number);
}

void leat_table_remove(leat_table *table, leat_str key)
{
    LEAT_ASSERT(!table->flushed);
    uint32_t number = found_again(table, key);
    if (number == 0) {
        uint32_t hash = leat_slots_hash(key);
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
        size_t at = slot_of(table, u);
        chain_cut(table, number);
        use_drop(table, number);
        cell_drop(table, at);
        return;
    }
    live_drop(table, u);
    if (u->state == CLEAN) chain_add(table, number);
    u->state = REMOVED;
}

/* --- the transaction --- */

bool leat_table_changed(const leat_table *table)
{
    return table->first_changed != 0;
}

/* Encodes one changed cell and keeps the bytes for commit, in the buffer or, if the cell must grow,
 * in the cell that replaces it. bytes->data NULL: they are as before. */
static leat_code flush_use(leat_table *table, use *u, leat_str *bytes, leat_err *err)
{
    leat_buf *out = &table->pending;
    size_t from = out->len;
    *bytes = LEAT_STR_NONE;
    if (leat_buf_reserve(out, 1) == NULL) return no_memory(table, err); /* data is never NULL */
    LEAT_TRY(table->type->encode(table->self, u->live, out, err));
    if (out->overflow || out->len - from >= CELL_NEVER) return no_memory(table, err);
    u->own = table->type->decode_own != NULL && table->type->own(table->self, u->live);
    leat_str made = {out->data + from, out->len - from};
    if (cell_committed(u->cell) && leat_str_equal(cell_value(u->cell), made)) {
        out->len = from;
        return LEAT_OK;
    }
    size_t key_len = u->cell->key_len;
    if (cell_room(key_len, made.len) != cell_room(key_len, cell_len(u->cell))) {
        u->grown = cell_new(leat_item_key(u->cell), made);
        if (u->grown == NULL) return no_memory(table, err);
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
    for (uint32_t number = table->first_changed; number != 0; number = table->uses[number].after) {
        use *u = &table->uses[number];
        leat_str key = leat_item_key(u->cell);
        if (u->state == REMOVED) {
            LEAT_TRY(sink(context, key, LEAT_STR_NONE, err));
            continue;
        }
        leat_str bytes;
        LEAT_TRY(flush_use(table, u, &bytes, err));
        if (bytes.data != NULL) LEAT_TRY(sink(context, key, bytes, err));
    }
    return LEAT_OK;
}

/* The pending bytes of a changed cell become its committed ones. */
static void commit_use(leat_table *table, use *u)
{
    if (u->pending_len == CELL_NEVER) return;
    count_cell(table, u->cell, false);
    table->used_bytes -= cell_len(u->cell);
    if (u->grown != NULL) {
        table->slots.slots[slot_of(table, u)].item = u->grown;
        leat_mem_free(u->cell);
        u->cell = u->grown;
        u->grown = NULL;
    } else {
        memcpy(u->cell->bytes + u->cell->key_len, table->pending.data + u->pending_at,
               u->pending_len);
    }
    u->cell->note = u->pending_len | (u->own ? CELL_OWN : 0);
    count_cell(table, u->cell, true);
    table->used_bytes += cell_len(u->cell);
    u->pending_len = CELL_NEVER;
}

/* Releases live objects until what is left is within the bounds, and the array's end with them:
 * a giant transaction must not be paid for ever after. */
static void shrink_uses(leat_table *table)
{
    if (table->uses_live <= USES_KEPT && table->used_bytes <= BYTES_KEPT) return;
    uint64_t bytes = 0;
    uint32_t kept = 0, end = 1;
    for (uint32_t number = 1; number < table->uses_end; number++) {
        const use *u = &table->uses[number];
        if (u->state == FREE) continue;
        LEAT_ASSERT(u->state == CLEAN);
        bytes += cell_len(u->cell);
        if (kept < USES_KEPT && bytes <= BYTES_KEPT) {
            kept++;
            end = number + 1;
            continue;
        }
        table->slots.slots[slot_of(table, u)].extra = 0;
        use_drop(table, number);
    }
    table->uses_end = end;
    table->uses_free = 0;
    if (table->uses_size > 8 * USES_KEPT && end <= 2 * USES_KEPT)
        (void)uses_resize(table, 2 * USES_KEPT, false);
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
    for (uint32_t number = table->first_changed, after; number != 0; number = after) {
        use *u = &table->uses[number];
        after = u->after;
        if (u->state == REMOVED) {
            size_t at = slot_of(table, u);
            use_drop(table, number);
            cell_drop(table, at);
            continue;
        }
        LEAT_ASSERT(u->state == CHANGED);
        commit_use(table, u);
        u->state = CLEAN;
    }
    end_transaction(table);
    shrink_uses(table);
    leat_slots_shrink(&table->slots);
}

void leat_table_abort(leat_table *table)
{
    for (uint32_t number = table->first_changed, after; number != 0; number = after) {
        const use *u = &table->uses[number];
        after = u->after;
        size_t at = slot_of(table, u);
        bool is_new = !cell_committed(u->cell);
        if (u->state == REMOVED) table->cells++;
        table->slots.slots[at].extra = 0;
        use_drop(table, number);
        if (is_new) {
            table->cells--;
            cell_drop(table, at);
        }
    }
    end_transaction(table);
}

/* --- restore, visit --- */

leat_code leat_table_restore(leat_table *table, leat_str key, leat_str value, leat_err *err)
{
    uint32_t hash = leat_slots_hash(key);
    size_t at = leat_slots_find(&table->slots, key, hash);
    if (at != LEAT_SLOTS_NONE && table->slots.slots[at].extra != 0) {
        uint32_t number = table->slots.slots[at].extra;
        LEAT_ASSERT(table->uses[number].state == CLEAN); /* not in the middle of a transaction */
        use_drop(table, number);
        table->slots.slots[at].extra = 0;
    }
    if (value.data == NULL) {
        if (at == LEAT_SLOTS_NONE) return LEAT_OK;
        cell_drop(table, at);
        table->cells--;
        return LEAT_OK;
    }
    if (at == LEAT_SLOTS_NONE && !leat_slots_reserve(&table->slots)) return no_memory(table, err);
    leat_item *cell = cell_new(key, value);
    if (cell == NULL) return no_memory(table, err);
    if (at != LEAT_SLOTS_NONE) {
        leat_item *old = table->slots.slots[at].item;
        count_cell(table, old, false);
        leat_mem_free(old);
        table->slots.slots[at].item = cell;
    } else {
        leat_slots_insert(&table->slots, cell, hash);
        table->cells++;
    }
    count_cell(table, cell, true);
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
