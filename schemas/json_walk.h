/* SPDX-License-Identifier: Apache-2.0 */
/* Going over JSON text that is known to be right (a decoder or the validator has passed it), member
 * by member, without building anything: for steps that hand parts of a text on as they are
 * written.
 *
 *   leat_json_walk walk;
 *   leat_json_part part;
 *   if (leat_json_walk_init(&walk, text))
 *       while (leat_json_walk_next(&walk, &part)) ...part.key, part.value
 *
 * Owner: the caller; everything borrows from the text. Thread: any. Cost: of the text's length. */
#ifndef LEAT_SCHEMAS_JSON_WALK_H
#define LEAT_SCHEMAS_JSON_WALK_H

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "core/value.h"

typedef struct leat_json_walk {
    const char *at, *end;
    bool object; /* else a list */
} leat_json_walk;

typedef struct leat_json_part {
    leat_str key;   /* with its quotes; of a list's element: none */
    leat_str value; /* its text, without white space around it */
} leat_json_part;

/* False: the text is neither an object nor a list. */
bool leat_json_walk_init(leat_json_walk *walk, leat_str text);
bool leat_json_walk_next(leat_json_walk *walk, leat_json_part *part);
/* What a key with its quotes says; in the arena if it has escapes. */
leat_code leat_json_walk_name(leat_str quoted, leat_arena *arena, leat_str *name,
                              leat_err *err) LEAT_CHECKED;
/* The text as the decoder would fill a slot with it: JSON for containers; exact: numbers that are
 * no plain int64 as NUMBER. */
leat_code leat_json_walk_value(leat_str text, bool exact, leat_arena *arena, leat_value *value,
                               leat_err *err) LEAT_CHECKED;

#endif
