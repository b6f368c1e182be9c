/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the objects that are being read, to notice one that comes twice.
 * Owner: a decoder. Thread: the task's. Keys are borrowed until the object is left.
 * Cost: ~1 ns a key in small objects, ~30 ns in large ones, however they were chosen. */
#ifndef LEAT_SCHEMAS_JSON_KEYS_H
#define LEAT_SCHEMAS_JSON_KEYS_H

#include "core/err.h"
#include "core/str.h"
#include "schemas/json_scan.h"

void leat_json_keys_reset(leat_json_keys *keys); /* before each text; forgets what was noticed */
leat_json_keys *leat_json_keys_new(void);
void leat_json_keys_free(leat_json_keys **keys);
void leat_json_keys_enter(leat_json_keys *keys); /* an object begins */
void leat_json_keys_leave(leat_json_keys *keys); /* the innermost ends */
/* A key of the innermost object. *twice: it was there already (and is noticed). */
leat_code leat_json_keys_add(leat_json_keys *keys, leat_str key, bool *twice,
                             leat_err *err) LEAT_CHECKED;
bool leat_json_keys_noticed(const leat_json_keys *keys);

#endif
