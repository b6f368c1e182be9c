/* SPDX-License-Identifier: Apache-2.0 */
/* What Redis has answered, as a value of a record: a text, JSON, or an object of either.
 * Thread: a plan is immutable; a decoder belongs to one task. */
#ifndef LEAT_TRANSFORMS_LOOKUP_VALUE_H
#define LEAT_TRANSFORMS_LOOKUP_VALUE_H

#include "schemas/codec_json.h"
#include "transforms/redis.h"

extern const leat_json_limits leat_lookup_limits;

/* For leat_json_decoder_new; NULL: the arena is full. */
leat_json_plan *leat_lookup_value_plan(leat_arena *arena);
/* The request was found. hash: an object of its texts, else the one text. The value borrows from
 * request and arena. Numbers keep their text. RECORD blame: the value is wrong in itself. */
leat_code leat_lookup_value(leat_json_decoder *decoder, bool json, bool hash,
                            const leat_lookup_request *request, leat_arena *arena,
                            leat_value *value, leat_err *err) LEAT_CHECKED;

#endif
