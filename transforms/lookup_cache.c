/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of a lookup step.
 *
 *   map: key -> entry          entries: oldest <-> ... <-> newest, by last use
 *
 * A value is copied into one block of its own, whatever it is made of, so that an entry is two
 * allocations and letting go of it two frees. Age is not looked at here: an entry that is too old
 * is asked for again by its user and filled anew in its place, and the oldest go first when memory
 * is short. Refused: dropping at insertion, as everybody does; records of the batch under way
 * borrow values, so the bound is enforced between batches. */
#include "transforms/lookup_cache.h"

#include "core/map.h"
#include "core/mem.h"

#define ALIGNMENT 16

struct leat_lookup_cache {
    leat_map *map;
    leat_lookup_entry ends; /* newer: the oldest entry; older: the newest */
    uint64_t bytes, bytes_max;
};

leat_lookup_cache *leat_lookup_cache_new(uint64_t bytes_max)
{
    LEAT_ASSERT(bytes_max > 0);
    leat_lookup_cache *cache = leat_mem_need(sizeof *cache);
    cache->map = leat_map_new();
    cache->ends.newer = cache->ends.older = &cache->ends;
    cache->bytes_max = bytes_max;
    return cache;
}

void leat_lookup_cache_free(leat_lookup_cache **cache)
{
    if (*cache == NULL) return;
    leat_lookup_cache_trim(*cache, true);
    leat_map_free(&(*cache)->map);
    leat_mem_free(*cache);
    *cache = NULL;
}

size_t leat_lookup_cache_count(const leat_lookup_cache *cache)
{
    return leat_map_count(cache->map);
}

/* --- the order of use --- */

static void unlink_entry(leat_lookup_entry *entry)
{
    LEAT_ASSERT(entry->older->newer == entry && entry->newer->older == entry);
    entry->older->newer = entry->newer;
    entry->newer->older = entry->older;
}

static void link_newest(leat_lookup_cache *cache, leat_lookup_entry *entry)
{
    entry->older = cache->ends.older;
    entry->newer = &cache->ends;
    entry->older->newer = entry;
    cache->ends.older = entry;
}

static leat_code entry_new(leat_lookup_cache *cache, leat_str key, leat_lookup_entry **entry,
                           leat_err *err)
{
    leat_lookup_entry *made = leat_mem_try(sizeof *made + key.len + 1);
    if (made == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a looked up value");
    *made = (leat_lookup_entry){.state = LEAT_LOOKUP_PENDING, .bytes = sizeof *made + key.len};
    char *copy = (char *)(made + 1);
    if (key.len > 0) memcpy(copy, key.data, key.len);
    made->key = (leat_str){copy, key.len};
    leat_code code = leat_map_put(cache->map, made->key, (uint64_t)(uintptr_t)made, err);
    if (code != LEAT_OK) {
        leat_mem_free(made);
        return code;
    }
    cache->bytes += made->bytes;
    *entry = made;
    return LEAT_OK;
}

leat_code leat_lookup_cache_get(leat_lookup_cache *cache, leat_str key, leat_lookup_entry **entry,
                                bool *made, leat_err *err)
{
    uint64_t found = 0;
    *made = !leat_map_get(cache->map, key, &found);
    if (*made) {
        LEAT_TRY(entry_new(cache, key, entry, err));
    } else {
        *entry = (leat_lookup_entry *)(uintptr_t)found;
        LEAT_ASSERT(leat_str_equal((*entry)->key, key));
        unlink_entry(*entry);
    }
    link_newest(cache, *entry);
    return LEAT_OK;
}

void leat_lookup_cache_drop(leat_lookup_cache *cache, leat_lookup_entry *entry)
{
    bool there = leat_map_remove(cache->map, entry->key);
    LEAT_ASSERT(there && cache->bytes >= entry->bytes);
    cache->bytes -= entry->bytes;
    unlink_entry(entry);
    leat_mem_free(entry->block);
    leat_mem_free(entry);
}

void leat_lookup_cache_trim(leat_lookup_cache *cache, bool all)
{
    while (cache->ends.newer != &cache->ends && (all || cache->bytes > cache->bytes_max))
        leat_lookup_cache_drop(cache, cache->ends.newer);
    LEAT_ASSERT(!all || cache->bytes == 0);
}

/* --- a value in one block --- */

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static bool is_text(leat_value value)
{
    return value.tag == LEAT_STRING || value.tag == LEAT_BYTES || value.tag == LEAT_NUMBER ||
           value.tag == LEAT_JSON;
}

static size_t size_of(leat_value value)
{
    size_t bytes = 0;
    if (is_text(value)) return rounded(value.len);
    if (value.tag == LEAT_LIST) {
        for (uint32_t i = 0; i < value.len; i++)
            bytes += size_of(value.as.items[i]);
        return bytes + rounded(value.len * sizeof *value.as.items);
    }
    if (value.tag != LEAT_MAP) return 0;
    for (uint32_t i = 0; i < value.len; i++)
        bytes += size_of(value.as.entries[i].key) + size_of(value.as.entries[i].value);
    return bytes + rounded(value.len * sizeof *value.as.entries);
}

static leat_value packed(leat_value value, char **at)
{
    LEAT_ASSERT(value.tag != LEAT_OBJECT && value.tag != LEAT_OPTIONAL && value.tag != LEAT_TYPE);
    char *here = *at;
    if (is_text(value)) {
        if (value.len > 0) memcpy(here, value.as.text, value.len);
        value.as.text = here;
        *at += rounded(value.len);
    } else if (value.tag == LEAT_LIST) {
        leat_value *items = (leat_value *)(void *)here;
        *at += rounded(value.len * sizeof *items);
        for (uint32_t i = 0; i < value.len; i++)
            items[i] = packed(value.as.items[i], at);
        value.as.items = items;
    } else if (value.tag == LEAT_MAP) {
        leat_entry *entries = (leat_entry *)(void *)here;
        *at += rounded(value.len * sizeof *entries);
        for (uint32_t i = 0; i < value.len; i++) {
            entries[i].key = packed(value.as.entries[i].key, at);
            entries[i].value = packed(value.as.entries[i].value, at);
        }
        value.as.entries = entries;
    }
    return value;
}

leat_code leat_lookup_cache_fill(leat_lookup_cache *cache, leat_lookup_entry *entry,
                                 leat_value value, leat_err *err)
{
    size_t bytes = size_of(value);
    char *block = leat_mem_try(bytes + ALIGNMENT);
    if (block == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a looked up value");
    char *at = block;
    LEAT_ASSERT(cache->bytes >= entry->bytes);
    leat_mem_free(entry->block);
    cache->bytes -= entry->bytes;
    entry->bytes = sizeof *entry + entry->key.len + bytes;
    cache->bytes += entry->bytes;
    entry->block = block;
    entry->value = packed(value, &at);
    entry->state = LEAT_LOOKUP_FOUND;
    LEAT_ASSERT(at == block + bytes);
    return LEAT_OK;
}
