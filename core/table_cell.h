/* SPDX-License-Identifier: Apache-2.0 */
/* A cell of a table: [key_len | note | key | committed bytes] in one allocation (leat_item). The
 * note is the length of the bytes and where they come from. For table.c alone. Owner: the table's
 * slots. Thread: the table's. */
#ifndef LEAT_CORE_TABLE_CELL_H
#define LEAT_CORE_TABLE_CELL_H

#include "core/slots.h"

#define CELL_NEVER 0x7fffffffu /* the length of what was never committed */
#define CELL_OWN   0x80000000u /* with the length: this process has made the bytes, all of them */

static inline bool cell_committed(const leat_item *cell)
{
    return cell->note != CELL_NEVER;
}

static inline uint32_t cell_len(const leat_item *cell)
{
    return cell_committed(cell) ? cell->note & ~CELL_OWN : 0;
}

/* The committed bytes; data NULL: there are none. */
static inline leat_str cell_value(const leat_item *cell)
{
    if (!cell_committed(cell)) return LEAT_STR_NONE;
    return (leat_str){cell->bytes + cell->key_len, cell_len(cell)};
}

/* Cells are allocated in steps of 16 bytes, as the heap does anyway, so that a value that grows by
 * a digit stays where it is. */
static inline size_t cell_room(size_t key_len, size_t len)
{
    return ((sizeof(leat_item) + key_len + len + 15) & ~(size_t)15) - sizeof(leat_item) - key_len;
}

/* A cell with this value (data NULL: never committed), in no slot yet; NULL: no memory. */
static inline leat_item *cell_new(leat_str key, leat_str value)
{
    if (value.len >= CELL_NEVER) return NULL;
    leat_item *cell = leat_item_new(key, cell_room(key.len, value.len));
    if (cell == NULL) return NULL;
    cell->note = value.data == NULL ? CELL_NEVER : (uint32_t)value.len;
    if (value.len != 0) memcpy(cell->bytes + key.len, value.data, value.len);
    return cell;
}

#endif
