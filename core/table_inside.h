/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the table share; nobody else includes it.
 *
 *   table.c          what operators do with cells, restoring and visiting
 *   table_commit.c   the end of a transaction */
#ifndef LEAT_CORE_TABLE_INSIDE_H
#define LEAT_CORE_TABLE_INSIDE_H

#include "core/slots.h"
#include "core/table.h"
#include "core/table_cell.h"

#define TABLE_OVERHEAD                                                                             \
    (sizeof(leat_item) + sizeof(leat_slot) + 16) /* of a cell; 16: the heap's                      \
                                                  */

#define TABLE_USES_LEAST 4096u /* live objects kept over a commit */

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
    uint32_t uses_kept;     /* over a commit, at most */
    uint32_t decoded_again; /* in this transaction: bytes of our own, as they were not kept, */
    uint32_t used_again;    /* and changed uses that were */
    uint32_t first_changed, last_changed;
    uint32_t last_found; /* whose key was asked for last; 0: none */
    bool flushed;
    leat_buf pending;
};

/* Counts a cell that has come, or that goes. */
void table_count_cell(leat_table *table, const leat_item *cell, bool comes);
/* Takes the cell out of its slot. */
void table_cell_drop(leat_table *table, size_t at);
void table_use_drop(leat_table *table, uint32_t number);
/* must: abort without memory rather than return false. */
bool table_uses_resize(leat_table *table, uint64_t size, bool must);
leat_code table_no_memory(const leat_table *table, leat_err *err);
static inline size_t table_slot_of(const leat_table *table, const use *u)
{
    return leat_slots_of(&table->slots, u->cell, u->hash);
}

#endif
