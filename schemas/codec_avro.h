/* SPDX-License-Identifier: Apache-2.0 */
/* Avro's binary encoding on the data path (Avro 1.11).
 *
 * A plan is compiled once per pair of schemas, the writer's and the reader's, and per set of wanted
 * fields; decoding then fills the slots that somebody reads and skips the rest. Resolution is that
 * of the specification: promotion, defaults, aliases, unions, fields in another order.
 *
 *   null, boolean, string      NULL, BOOL, STRING
 *   int, long                  INT
 *   float, double              DOUBLE
 *   bytes, fixed               BYTES
 *   enum                       STRING, its symbol
 *   array, map, record         LIST, MAP, MAP
 *   decimal                    NUMBER where the request is exact, else INT or DOUBLE
 *   date, timestamp-*          TIMESTAMP (of a date: midnight in UTC; local-*: as if it were UTC)
 *   time-*                     DURATION since midnight
 *   uuid                       STRING
 *   duration                   MAP: months, days, milliseconds
 *
 * Bytes from outside are never believed: lengths and counts are checked against what is left, items
 * that take no bytes against a limit, nesting against another. An error names the field and the
 * byte: "Avro, byte 17: 'items[3].price': ...".
 *
 * Thread: a plan is immutable. */
#ifndef LEAT_SCHEMAS_CODEC_AVRO_H
#define LEAT_SCHEMAS_CODEC_AVRO_H

#include "core/buf.h"
#include "schemas/avro_container.h"
#include "schemas/avro_schema.h"
#include "schemas/codec.h"

#define LEAT_AVRO_NESTING_MAX 128u   /* of a value */
#define LEAT_AVRO_EMPTY_MAX   65536u /* items without bytes, of one record */

typedef struct leat_avro_plan leat_avro_plan;

/* reader NULL: as it was written. bytes_max: of one record. Lives in arena, as must both schemas. A
 * pair that cannot be resolved is LEAT_ERR_CONFIG and names the field. */
leat_code leat_avro_plan_new(const leat_avro_schema *writer, const leat_avro_schema *reader,
                             const leat_slot_request *requests, size_t count, size_t bytes_max,
                             leat_arena *arena, leat_avro_plan **plan, leat_err *err) LEAT_CHECKED;
/* Fills the plan's slots (MISSING where there is no such field) from bytes, which must be one
 * record and nothing more. Borrows from bytes; what has to be made is in arena.
 * Cost: ~10 ns a field that is read, ~3 ns one that is not. */
leat_code leat_avro_decode(const leat_avro_plan *plan, leat_str bytes, leat_arena *arena,
                           leat_value *slots, leat_err *err) LEAT_CHECKED;
/* The whole record as a MAP (decimals as NUMBER); *used: bytes that it took, which need not be all
 * of them. */
leat_code leat_avro_value(const leat_avro_plan *plan, leat_str bytes, leat_arena *arena,
                          leat_value *value, size_t *used, leat_err *err) LEAT_CHECKED;
/* Bytes that the next value takes, nothing of it looked at that need not be. arena: scratch. */
leat_code leat_avro_skip(const leat_avro_plan *plan, leat_str bytes, leat_arena *arena,
                         size_t *used, leat_err *err) LEAT_CHECKED;

/* Writing. One value per field of the root record, in the schema's order; MISSING: its default, or
 * null if it may be that, else an error that names the field and what it should be.
 *
 *   int, long      INT, UINT, NUMBER, or a DOUBLE that is whole
 *   float, double  DOUBLE, INT, UINT, NUMBER
 *   bytes, fixed   BYTES, or a STRING in base64
 *   enum           STRING
 *   decimal        NUMBER, INT, UINT, DOUBLE (by its shortest text), STRING; never rounded
 *   date           TIMESTAMP at midnight, STRING ("2026-01-31" or RFC 3339), INT days
 *   timestamp-*    TIMESTAMP, STRING (RFC 3339), INT in its own unit; a finer time is cut
 *   time-*         DURATION, STRING ("1.5s"), INT in its own unit
 *   uuid           STRING
 *   duration       MAP
 *   array          LIST, JSON
 *   map, record    MAP, OBJECT, JSON; members that a record does not have are left out
 *   union          the branch that the value's own type stands for, else the first that takes it */
leat_code leat_avro_encode(const leat_avro_schema *schema, const leat_value *values,
                           leat_arena *arena, leat_buf *out, leat_err *err) LEAT_CHECKED;

/* One value of any type, by the same rules; name: of the field that it is, for the error. */
leat_code leat_avro_encode_value(const leat_avro_type *type, leat_value value, leat_str name,
                                 leat_arena *arena, leat_buf *out, leat_err *err) LEAT_CHECKED;

/* --- the format in sources and sinks (codec_avro.c) --- */

typedef enum leat_avro_framing {
    LEAT_AVRO_BARE,      /* a message is one record, written with `schema` */
    LEAT_AVRO_CONTAINER, /* a message is one record of a container file, which has the schema */
    LEAT_AVRO_WIRE,      /* 0, four bytes of the schema's number, the record */
    LEAT_AVRO_HEADER,    /* the schema's name in the header __value_schema_id; without: WIRE */
} leat_avro_framing;

/* Where a sink finds the value of one of the schema's fields. */
typedef struct leat_avro_pick {
    uint32_t slot;         /* NONE: */
    const leat_field *top; /* an object with it as its only field; NULL: there is no such field */
} leat_avro_pick;

typedef struct leat_avro_codec {
    leat_codec codec; /* first */
    leat_avro_framing framing;
    const leat_avro_schema *schema;    /* a source's: what it reads as; NULL: as it was written */
    leat_avro_compression compression; /* of a sink of files */
    leat_str subject;                  /* of a sink with WIRE or HEADER */
    const leat_avro_pick *picks;       /* of a sink: one a field of the schema */
} leat_avro_codec;
extern const leat_codec_type leat_codec_avro;
/* A message of CONTAINER with this header is no record: the header's text says why. */
#define LEAT_AVRO_DAMAGED LEAT_STR("leat.damaged")

#endif
