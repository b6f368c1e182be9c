/* SPDX-License-Identifier: Apache-2.0 */
/* A map is the hash index over an array of entries in order of insertion.
 *
 *   slots: key -> item (item->note = index of its entry)
 *   entries: {item, value} {item, value} {removed} {item, value} ...
 *
 * Iteration walks the array, so its order is that of insertion and not of hashes, which differ from
 * run to run. A removal leaves a gap; the gaps are closed, in order, when they are half of it. */
#include "core/map.h"

#include "core/mem.h"
#include "core/slots.h"

typedef struct entry {
    leat_item *item; /* NULL: removed */
    uint64_t value;
} entry;

struct leat_map {
    leat_slots slots;
    entry *entries;
    size_t used, size; /* used: with gaps */
};

leat_map *leat_map_new(void)
{
    return leat_mem_need(sizeof(leat_map));
}

void leat_map_free(leat_map **map)
{
    leat_map *gone = *map;
    if (gone == NULL) return;
    for (size_t i = 0; i < gone->used; i++)
        leat_mem_free(gone->entries[i].item);
    leat_mem_free(gone->entries);
    leat_slots_release(&gone->slots);
    leat_mem_free(gone);
    *map = NULL;
}

static void close_gaps(leat_map *map)
{
    size_t to = 0;
    for (size_t from = 0; from < map->used; from++) {
        if (map->entries[from].item == NULL) continue;
        map->entries[to] = map->entries[from];
        map->entries[to].item->note = (uint32_t)to;
        to++;
    }
    map->used = to;
    LEAT_ASSERT(map->used == map->slots.count);
}

static bool reserve_entry(leat_map *map)
{
    if (map->used < map->size) return true;
    if (map->used >= 16 && map->slots.count <= map->used / 2) {
        close_gaps(map);
        return true;
    }
    size_t size = map->size == 0 ? 8 : map->size * 2;
    if (size > UINT32_MAX) return false;
    entry *entries = leat_mem_try_resize(map->entries, size * sizeof *entries);
    if (entries == NULL) return false;
    map->entries = entries;
    map->size = size;
    return true;
}

leat_code leat_map_put(leat_map *map, leat_str key, uint64_t value, leat_err *err)
{
    uint32_t hash = leat_slots_hash(key);
    size_t at = leat_slots_find(&map->slots, key, hash);
    if (at != LEAT_SLOTS_NONE) {
        map->entries[map->slots.slots[at].item->note].value = value;
        return LEAT_OK;
    }
    leat_item *item = NULL;
    if (leat_slots_reserve(&map->slots) && reserve_entry(map)) item = leat_item_new(key, 0);
    if (item == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a map's entry");
    item->note = (uint32_t)map->used;
    map->entries[map->used++] = (entry){item, value};
    leat_slots_insert(&map->slots, item, hash);
    return LEAT_OK;
}

bool leat_map_get(const leat_map *map, leat_str key, uint64_t *value)
{
    size_t at = leat_slots_find(&map->slots, key, leat_slots_hash(key));
    if (at == LEAT_SLOTS_NONE) return false;
    const entry *found = &map->entries[map->slots.slots[at].item->note];
    LEAT_ASSERT(found->item == map->slots.slots[at].item);
    *value = found->value;
    return true;
}

bool leat_map_remove(leat_map *map, leat_str key)
{
    size_t at = leat_slots_find(&map->slots, key, leat_slots_hash(key));
    if (at == LEAT_SLOTS_NONE) return false;
    leat_item *item = map->slots.slots[at].item;
    LEAT_ASSERT(item->note < map->used && map->entries[item->note].item == item);
    map->entries[item->note].item = NULL;
    leat_slots_erase(&map->slots, at);
    leat_mem_free(item);
    return true;
}

size_t leat_map_count(const leat_map *map)
{
    return map->slots.count;
}

bool leat_map_next(const leat_map *map, size_t *at, leat_str *key, uint64_t *value)
{
    while (*at < map->used) {
        const entry *e = &map->entries[(*at)++];
        if (e->item == NULL) continue;
        *key = leat_item_key(e->item);
        *value = e->value;
        return true;
    }
    return false;
}
