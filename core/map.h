/* SPDX-License-Identifier: Apache-2.0 */
/* Hash map: bytes -> 64-bit number (an index or a pointer's bits). Open addressing, keyed hash,
 * keys are copied into the map's own memory. Iteration is in order of insertion as long as nothing
 * was removed. Owner: whoever made it. Thread: one. */
#ifndef LEAT_CORE_MAP_H
#define LEAT_CORE_MAP_H

#include "core/err.h"
#include "core/str.h"

typedef struct leat_map leat_map;

leat_map *leat_map_new(void);
void leat_map_free(leat_map **map);
leat_code leat_map_put(leat_map *map, leat_str key, uint64_t value, leat_err *err) LEAT_CHECKED;
bool leat_map_get(const leat_map *map, leat_str key, uint64_t *value);
bool leat_map_remove(leat_map *map, leat_str key);
size_t leat_map_count(const leat_map *map);
/* Start with *at = 0; false: the end. Do not change the map meanwhile. */
bool leat_map_next(const leat_map *map, size_t *at, leat_str *key, uint64_t *value);

#endif
