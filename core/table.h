/* SPDX-License-Identifier: Apache-2.0 */
/* Keyed state of one operator in one task.
 *
 * A cell is key -> bytes (what the changelog holds) and, while it is in use, a live object that the
 * operator works on. Nothing is encoded before the commit: many updates of a key cost one
 * changelog record, and a cell that was made and removed between two commits costs none.
 *
 *   committed bytes  <--decode on first use--  live object  --encode at commit-->  new bytes
 *
 * The committed bytes stay untouched until the transaction has committed; an abort throws the live
 * objects of touched cells away and nothing else. So: state = changelog, at every commit.
 *
 *   begin .. find/put/touch/remove ..            the operator, in a batch
 *   leat_table_flush  -> callback per changed key (bytes, or none = tombstone)
 *   leat_table_commit | leat_table_abort         when the outcome is known
 *
 * Owner: the task. Thread: its shard. A live object keeps its address until commit or abort. */
#ifndef LEAT_CORE_TABLE_H
#define LEAT_CORE_TABLE_H

#include "core/buf.h"
#include "core/err.h"
#include "core/slots.h"
#include "core/str.h"

typedef struct leat_table leat_table;

/* How the live form of a table's cells is written and read. */
typedef struct leat_table_type {
    /* What it changes of the live object is what decode would make of the bytes. No bytes: nothing
     * is left of it, and the cell is removed. */
    leat_code (*encode)(void *self, void *live, leat_buf *out, leat_err *err);
    leat_code (*decode)(void *self, leat_str bytes, void **live, leat_err *err);
    void (*release)(void *self, void *live);
    /* NULL, or: decode, of bytes that encode has made in this very process. They need not be
     * doubted as those of the changelog, which somebody else may have written. */
    leat_code (*decode_own)(void *self, leat_str bytes, void **live, leat_err *err);
    /* With decode_own; asked after encode. False: some of these bytes are as decode was given them,
     * and nobody has looked into them since. */
    bool (*own)(void *self, const void *live);
    /* NULL, or: the live object is going to be used soon, and what it leads to is asked for from
     * memory; it changes nothing. depth 1: what the object itself tells (it was asked for before);
     * of what that leads to in turn, 2: what a change of it will need, 3: what encode will. */
    void (*ahead)(void *self, const void *live, uint32_t depth);
} leat_table_type;

/* What several tables hold together; the caller's, outlives them, starts with bytes 0. */
typedef struct leat_table_sum {
    uint64_t bytes, bytes_max;
} leat_table_sum;

/* name: stable, part of the changelog's keys; self is handed to the type's functions.
 * bytes_max bounds keys + cells, sum (may be NULL) those of all tables that share it; past either
 * put fails with LEAT_ERR_LIMIT. */
leat_code leat_table_new(leat_table **table, const char *name, const leat_table_type *type,
                         void *self, uint64_t bytes_max, leat_table_sum *sum,
                         leat_err *err) LEAT_CHECKED;
void leat_table_free(leat_table **table);
const char *leat_table_name(const leat_table *table);

/* hash, here and below: leat_slots_hash(key), for those who use it more than once. */

/* The live object of key, decoded on first use; *live NULL: no such key. */
leat_code leat_table_find_hashed(leat_table *table, leat_str key, uint32_t hash, void **live,
                                 leat_err *err) LEAT_CHECKED;
LEAT_CHECKED static inline leat_code leat_table_find(leat_table *table, leat_str key, void **live,
                                                     leat_err *err)
{
    return leat_table_find_hashed(table, key, leat_slots_hash(key), live, err);
}
/* The live object of a key, or, where it has none (*live NULL), its committed bytes: what can be
 * told from them costs no decoding. data NULL: it has one, or there is no such key. Valid until the
 * next change. */
leat_str leat_table_peek(leat_table *table, leat_str key, uint32_t hash, void **live);
/* Takes *live (nulls it) as the cell of a new key; marks it changed. A live object that the key
 * already has is released. On an error *live stays the caller's. */
leat_code leat_table_put_hashed(leat_table *table, leat_str key, uint32_t hash, void **live,
                                leat_err *err) LEAT_CHECKED;
LEAT_CHECKED static inline leat_code leat_table_put(leat_table *table, leat_str key, void **live,
                                                    leat_err *err)
{
    return leat_table_put_hashed(table, key, leat_slots_hash(key), live, err);
}
/* What was found is going to be changed: call it before changing the live object. */
void leat_table_touch(leat_table *table, leat_str key);
/* Releases the live object at once. A key that is not there is harmless. */
void leat_table_remove_hashed(leat_table *table, leat_str key, uint32_t hash);
void leat_table_remove(leat_table *table, leat_str key);
/* Asks for what a look-up of this hash will need from memory, and for nothing else: depth 0, its
 * slot; 1, its cell; 2, its live object; from 3 on what leat_table_type.ahead asks for. Each step
 * reads what those before it have asked for; to call them apart is to find it there. */
void leat_table_ahead(const leat_table *table, uint32_t hash, uint32_t depth);

/* Every changed cell, encoded; value data NULL: removed. The bytes are the callback's until it
 * returns. Order: by first change; cells whose bytes are as committed are skipped. Once per
 * transaction; nothing may be changed between flush and commit or abort; after an error, abort. */
typedef leat_code (*leat_table_sink)(void *context, leat_str key, leat_str value, leat_err *err);
leat_code leat_table_flush(leat_table *table, leat_table_sink sink, void *context,
                           leat_err *err) LEAT_CHECKED;
void leat_table_commit(leat_table *table);
void leat_table_abort(leat_table *table);
bool leat_table_changed(const leat_table *table); /* anything to flush? */

/* Puts a committed cell while restoring (value data NULL: removes it); bytes_max does not apply:
 * what was committed must be restorable. Not between a change and its commit or abort. */
leat_code leat_table_restore(leat_table *table, leat_str key, leat_str value,
                             leat_err *err) LEAT_CHECKED;
/* Visits every cell that is there (committed or not), in no particular order; bytes as of the last
 * commit, data NULL if never committed. Do not change the table meanwhile. */
typedef leat_code (*leat_table_visitor)(void *context, leat_str key, leat_str committed,
                                        leat_err *err);
leat_code leat_table_visit(const leat_table *table, leat_table_visitor visit, void *context,
                           leat_err *err) LEAT_CHECKED;
uint64_t leat_table_count(const leat_table *table); /* cells */
uint64_t leat_table_bytes(const leat_table *table); /* keys + committed bytes + overhead */

#endif
