/* SPDX-License-Identifier: Apache-2.0 */
/* Field paths: `a.b`, `'a.b'.c`. Elements are names; a quoted element may hold dots and dashes
 * ('' inside quotes is one quote). List indexes are no part of a path (expressions have them).
 * Owner: the plan's arena. */
#ifndef LEAT_CORE_PATH_H
#define LEAT_CORE_PATH_H

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"

#define LEAT_PATH_DEPTH_MAX 32

typedef struct leat_path {
    const leat_str *names;
    size_t count; /* at least 1 */
} leat_path;

leat_code leat_path_parse(leat_str text, leat_arena *arena, leat_path *path,
                          leat_err *err) LEAT_CHECKED;
leat_str leat_path_text(leat_path path, leat_arena *arena); /* as it would be written */
bool leat_path_equal(leat_path a, leat_path b);
bool leat_path_covers(leat_path outer, leat_path inner); /* is inner outer, or in it? */

#endif
