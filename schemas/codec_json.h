/* SPDX-License-Identifier: Apache-2.0 */
/* JSON on the data path (RFC 8259).
 *
 * Decoding is one forward pass that fills the slots somebody reads, validates everything else
 * (syntax, UTF-8, escapes with their surrogates, number syntax, depth) and builds nothing. A
 * decoder learns the order in which keys come and predicts the next key by one comparison.
 * Duplicate keys, however they are escaped and however deep: the last wins and stays where it
 * stands, those before it go; a text with duplicates is rewritten so (a second pass), so that what
 * passes through has one of each. A \u escape that is half of a surrogate pair is refused: strings
 * are valid UTF-8.
 *
 *   integer in int64 range          INT     (-0: NUMBER if exact, else INT 0)
 *   other number                    DOUBLE, or NUMBER where the request is `exact`
 *   integer beyond int64, 1e999     NUMBER  (an error only where an expression reads it)
 *   string                          STRING, borrowed from the text when it has no escapes
 *   array, object                   JSON    (text, validated)
 *
 * Thread: a plan is immutable; a decoder belongs to one task. */
#ifndef LEAT_SCHEMAS_CODEC_JSON_H
#define LEAT_SCHEMAS_CODEC_JSON_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/value.h"
#include "schemas/layout.h"

typedef struct leat_json_limits {
    uint32_t depth_max; /* default 128; more than 1,024 is taken as 1,024 */
    uint32_t bytes_max; /* default 1 MiB */
} leat_json_limits;
#define LEAT_JSON_LIMITS_DEFAULT ((leat_json_limits){128, 1u << 20})

typedef struct leat_json_plan leat_json_plan;
typedef struct leat_json_decoder leat_json_decoder;

/* Lives in arena (the plan's). Several requests may name one path, or a path and its parent. */
leat_code leat_json_plan_new(const leat_slot_request *requests, size_t count,
                             leat_json_limits limits, leat_arena *arena, leat_json_plan **plan,
                             leat_err *err) LEAT_CHECKED;
leat_json_decoder *leat_json_decoder_new(const leat_json_plan *plan);
void leat_json_decoder_free(leat_json_decoder **decoder);
/* Fills the plan's slots (MISSING where the path does not exist) from text, which must be one JSON
 * object. *raw is text, or its rewriting without duplicate keys, to be used for encoding.
 * Borrows from text; escapes are undone in arena. err->offset: byte offset in text. Well-formed
 * JSON that is no object is LEAT_ERR_TYPE. A decoder keeps up to 16 MiB of scratch after a text of
 * 1 MiB that is nothing but keys.
 * Cost: ~0.5 ns a byte of records that look alike; never more than linear in the text. */
leat_code leat_json_decode(leat_json_decoder *decoder, leat_str text, leat_arena *arena,
                           leat_value *slots, leat_str *raw, leat_err *err) LEAT_CHECKED;

/* A whole text of any JSON type as a value (LIST, MAP with STRING keys, no JSON or NUMBER tags but
 * for integers beyond int64 and numbers beyond double, which stay NUMBER). Duplicate keys: as
 * above. Cost: ~1.1 ns a byte. */
leat_code leat_json_value(leat_str text, leat_json_limits limits, leat_arena *arena,
                          leat_value *value, leat_err *err) LEAT_CHECKED;
/* A member of such a value; MISSING: there is none, or it is no MAP. Cost: all members before it.
 */
leat_value leat_json_member(leat_value map, const char *name);
/* Its text; data NULL: it is none. */
leat_str leat_json_member_text(leat_value map, const char *name);
/* Like leat_json_value, but what was written stays as it was: LIST and MAP come as JSON (without
 * duplicate keys), numbers that are no plain int64 as NUMBER. */
leat_code leat_json_text(leat_str text, leat_json_limits limits, leat_arena *arena,
                         leat_value *value, leat_err *err) LEAT_CHECKED;
/* A NUMBER as INT or DOUBLE; LEAT_ERR_RANGE for integers beyond 64 bits and for infinity. */
leat_code leat_json_number(leat_str text, leat_value *value, leat_err *err) LEAT_CHECKED;
/* Syntax, UTF-8, limits; no value is built. (JSON text of any type.) */
leat_code leat_json_validate(leat_str text, leat_json_limits limits, leat_err *err) LEAT_CHECKED;

/* One value as JSON: whole doubles `10.0`, timestamps RFC 3339, durations "1.5s", bytes base64,
 * uint as a number, types as their names; optional none, MISSING and NULL as null. Infinity, NaN
 * and map keys that are no string, bool, int or uint are LEAT_ERR_INVALID. Members keep their
 * order. OBJECT is written through its type's whole(). arena: scratch. */
leat_code leat_json_write(leat_value value, leat_arena *arena, leat_buf *out,
                          leat_err *err) LEAT_CHECKED;
void leat_json_write_string(leat_str text, leat_buf *out); /* quoted and escaped; valid UTF-8 in */

/* The record's value as its layout describes it. raw: the text whose decoding succeeded (data NULL
 * if there is none). Replaced fields keep their place, new ones follow in order of assignment.
 * A base that is no object (set of `a.b` where a is a number) is LEAT_ERR_TYPE. */
leat_code leat_json_encode(const leat_field *root, leat_str raw, const leat_value *slots,
                           leat_arena *arena, leat_buf *out, leat_err *err) LEAT_CHECKED;

#endif
