/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that a lookup step has had, by key: found values, and that there is none.
 *
 * Entries stay where they are until they are dropped; a value is borrowed until then. So nothing is
 * dropped but between two batches (trim) or by who holds no value of it.
 * Owner: the step's state in a task. Thread: the shard's. Bound: bytes_max, and what one batch
 * brings beyond it. Cost: ~40 ns a find. */
#ifndef LEAT_TRANSFORMS_LOOKUP_CACHE_H
#define LEAT_TRANSFORMS_LOOKUP_CACHE_H

#include "core/err.h"
#include "core/str.h"
#include "core/value.h"

typedef enum leat_lookup_state {
    LEAT_LOOKUP_PENDING, /* being asked for */
    LEAT_LOOKUP_FOUND,
    LEAT_LOOKUP_MISSING,
    LEAT_LOOKUP_FAILED,
} leat_lookup_state;

typedef struct leat_lookup_entry leat_lookup_entry;
struct leat_lookup_entry {
    leat_lookup_state state;
    int64_t until_ms; /* what is known holds so long */
    leat_value value; /* FOUND */
    leat_str why;     /* FAILED; the asker's memory */
    leat_str key;
    /* The cache's own. */
    leat_lookup_entry *newer, *older;
    void *block;
    size_t bytes;
};

typedef struct leat_lookup_cache leat_lookup_cache;

leat_lookup_cache *leat_lookup_cache_new(uint64_t bytes_max);
void leat_lookup_cache_free(leat_lookup_cache **cache);
/* The entry of key, made (PENDING, *made set) if there is none. It becomes the newest. */
leat_code leat_lookup_cache_get(leat_lookup_cache *cache, leat_str key, leat_lookup_entry **entry,
                                bool *made, leat_err *err) LEAT_CHECKED;
/* The entry is FOUND with a deep copy of the value (no OBJECT, TYPE or OPTIONAL in it). */
leat_code leat_lookup_cache_fill(leat_lookup_cache *cache, leat_lookup_entry *entry,
                                 leat_value value, leat_err *err) LEAT_CHECKED;
void leat_lookup_cache_drop(leat_lookup_cache *cache, leat_lookup_entry *entry);
/* Drops the oldest until the bound holds; all: everything. */
void leat_lookup_cache_trim(leat_lookup_cache *cache, bool all);
size_t leat_lookup_cache_count(const leat_lookup_cache *cache);

#endif
