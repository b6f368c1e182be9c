/* SPDX-License-Identifier: Apache-2.0 */
/* An Avro schema (Avro 1.11, with nanosecond timestamps of 1.12) as a tree of types.
 *
 * A type that refers to another by name points to it, so the tree of a recursive schema has
 * circles. Names are full names ("shop.Order"). A logical type that its underlying type cannot have
 * is ignored, as the specification asks.
 * Owner: the arena it was parsed into. Thread: immutable once parsed. */
#ifndef LEAT_SCHEMAS_AVRO_SCHEMA_H
#define LEAT_SCHEMAS_AVRO_SCHEMA_H

#include "schemas/doc.h"

typedef enum leat_avro_kind {
    LEAT_AVRO_NULL,
    LEAT_AVRO_BOOLEAN,
    LEAT_AVRO_INT,
    LEAT_AVRO_LONG,
    LEAT_AVRO_FLOAT,
    LEAT_AVRO_DOUBLE,
    LEAT_AVRO_BYTES,
    LEAT_AVRO_STRING,
    LEAT_AVRO_RECORD,
    LEAT_AVRO_ENUM,
    LEAT_AVRO_ARRAY,
    LEAT_AVRO_MAP,
    LEAT_AVRO_UNION,
    LEAT_AVRO_FIXED,
} leat_avro_kind;

typedef enum leat_avro_logical {
    LEAT_AVRO_PLAIN,
    LEAT_AVRO_DECIMAL,
    LEAT_AVRO_DATE,
    LEAT_AVRO_TIME_MILLIS,
    LEAT_AVRO_TIME_MICROS,
    LEAT_AVRO_TIMESTAMP_MILLIS, /* also local-timestamp-*, read as if it were UTC */
    LEAT_AVRO_TIMESTAMP_MICROS,
    LEAT_AVRO_TIMESTAMP_NANOS,
    LEAT_AVRO_UUID,
    LEAT_AVRO_DURATION,
} leat_avro_logical;

#define LEAT_AVRO_TYPES_MAX   10000u
#define LEAT_AVRO_DEPTH_MAX   64u               /* of the schema's text */
#define LEAT_AVRO_FIXED_MAX   (1u << 20)        /* bytes of a fixed */
#define LEAT_AVRO_SCHEMA_MAX  ((size_t)1 << 20) /* bytes of a schema's text */
#define LEAT_AVRO_DECIMAL_MAX 1000u             /* digits of a decimal */

typedef struct leat_avro_type leat_avro_type;
typedef struct leat_avro_field {
    leat_str name;
    const leat_str *aliases;
    size_t aliases_count;
    const leat_avro_type *type;
    const leat_node *fallback; /* its default; NULL: none */
} leat_avro_field;

struct leat_avro_type {
    leat_avro_kind kind;
    leat_avro_logical logical;
    uint32_t index;     /* among the schema's types */
    uint32_t size;      /* FIXED: bytes */
    uint32_t precision; /* DECIMAL: digits, and how many of them behind the point */
    uint32_t scale;
    uint32_t bytes_min; /* the least that a value takes; 0 for null and what has only such parts */
    leat_str name;      /* RECORD, ENUM, FIXED: full name */
    const leat_str *aliases;
    size_t aliases_count;
    const leat_avro_field *fields; /* RECORD */
    size_t fields_count;
    const leat_str *symbols; /* ENUM */
    size_t symbols_count;
    leat_str symbol_default;               /* ENUM; data NULL: none */
    const leat_avro_type *items;           /* ARRAY, MAP: of its values */
    const leat_avro_type *const *branches; /* UNION */
    size_t branches_count;
};

typedef struct leat_avro_schema {
    const leat_avro_type *root;
    uint32_t types_count;
    leat_str text; /* as it was given */
} leat_avro_schema;

/* text: JSON. A mistake is LEAT_ERR_CONFIG, and names line and column. text is copied.
 * Cost: ~1 us a type. */
leat_code leat_avro_schema_parse(leat_str text, leat_arena *arena, const leat_avro_schema **schema,
                                 leat_err *err) LEAT_CHECKED;
const char *leat_avro_kind_name(leat_avro_kind kind); /* "int", "record" */
/* What a person calls it: "string", "record shop.Order", "timestamp-millis". In arena. */
leat_str leat_avro_type_text(const leat_avro_type *type, leat_arena *arena);
const leat_avro_field *leat_avro_field_find(const leat_avro_type *record, leat_str name);
leat_str leat_avro_unqualified(leat_str full); /* "shop.Order": "Order" */
/* The one branch that is not null of a union of two; any other type itself. *null: it may be. */
const leat_avro_type *leat_avro_present(const leat_avro_type *type, bool *null);

#endif
