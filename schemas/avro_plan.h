/* SPDX-License-Identifier: Apache-2.0 */
/* What a decoder goes by. Internal to the Avro codec.
 *
 *   schemas --avro_resolve--> nodes: what stands in the bytes, and what becomes of it
 *   nodes + requests --avro_plan--> fills: which parts go to which slots, which are skipped
 *
 * Owner: the plan's arena. Thread: immutable. */
#ifndef LEAT_SCHEMAS_AVRO_PLAN_H
#define LEAT_SCHEMAS_AVRO_PLAN_H

#include "schemas/codec_avro.h"

/* What becomes of what was read. */
typedef enum avro_as {
    AVRO_AS_IS,
    AVRO_AS_FLOAT,  /* an int or long, rounded to single precision */
    AVRO_AS_DOUBLE, /* an int or long */
    AVRO_AS_STRING, /* bytes */
    AVRO_AS_BYTES,  /* string */
    AVRO_AS_LOGICAL,
} avro_as;

#define AVRO_NO_ENTRY UINT32_MAX

typedef struct avro_node avro_node;

/* A field in the order in which it was written. */
typedef struct avro_member {
    const avro_node *node;
    leat_str name;  /* the reader's; of a field that it does not have, the writer's */
    uint32_t entry; /* number of the reader's field; AVRO_NO_ENTRY: it has none */
} avro_member;

/* A field that only the reader has. */
typedef struct avro_constant {
    leat_str name;
    leat_value value;
    uint32_t entry;
} avro_constant;

struct avro_node {
    leat_avro_kind kind;       /* as it was written */
    avro_as as;                /* of a value that is no composite */
    leat_avro_logical logical; /* AVRO_AS_LOGICAL */
    uint32_t size;             /* FIXED */
    uint32_t scale;            /* of decimals */
    uint32_t bytes_min;        /* see leat_avro_type */
    const char *refused;       /* this cannot be read: why; else NULL */
    const avro_member *members;
    size_t members_count;
    const avro_constant *constants;
    size_t constants_count;
    uint32_t entries;         /* fields of the reader's record */
    const leat_value *values; /* ENUM: of each symbol; MISSING: the reader has none like it */
    size_t values_count;
    const avro_node *items;           /* ARRAY, MAP */
    const avro_node *const *branches; /* UNION */
    size_t branches_count;
};

typedef struct avro_target {
    struct avro_target *next;
    uint32_t slot;
    bool exact;
} avro_target;

/* What is asked for, as a tree of names. */
typedef struct avro_want avro_want;
struct avro_want {
    leat_str name;
    avro_target *targets;
    avro_want *first, *next;
};

typedef struct avro_fill avro_fill;
/* The place in the plan of a field that only the reader has. */
typedef struct avro_given {
    const avro_want *want;
    const leat_value *value;
} avro_given;

/* want: of its value; NULL: go inside. members, branches: NULL among them are skipped. */
struct avro_fill {
    const avro_node *node;
    const avro_want *want;
    const avro_fill **inner; /* by member or branch */
    const avro_given *given;
    size_t given_count;
    uint32_t slot; /* the only one, of a want without inner names: the usual case; else NONE */
    bool exact;
};

struct leat_avro_plan {
    const avro_node *root;
    const avro_fill *fill; /* NULL: nothing is wanted */
    size_t bytes_max;
    uint32_t *slots;
    size_t slots_count;
};

/* Where in a value an error is, put together from its end on the way out: avro_path.c. */
typedef struct avro_path {
    size_t at; /* where it begins in text */
    char text[200];
} avro_path;
static inline void avro_path_init(avro_path *path)
{
    path->at = sizeof path->text;
}
void avro_path_field(avro_path *path, leat_str name);
void avro_path_item(avro_path *path, size_t index);
/* Puts it in front of err's text, if there is any of it. */
void avro_path_tell(const avro_path *path, leat_err *err);

/* avro_resolve.c: reader may be the writer's own. */
leat_code avro_resolve(const leat_avro_schema *writer, const leat_avro_schema *reader,
                       leat_arena *arena, const avro_node **node, leat_err *err) LEAT_CHECKED;
/* avro_default.c: a default's JSON as the bytes that its type would be written as. */
leat_code avro_default_bytes(const leat_avro_type *type, const leat_node *json, leat_buf *out,
                             leat_err *err) LEAT_CHECKED;
/* avro_decode.c: one value of node, all of bytes. */
leat_code avro_node_value(const avro_node *node, leat_str bytes, leat_arena *arena,
                          leat_value *value, leat_err *err) LEAT_CHECKED;
/* avro_logical.c: what was read, as its logical type. */
leat_code avro_logical_value(const avro_node *node, leat_arena *arena, leat_value *value,
                             leat_err *err) LEAT_CHECKED;
/* avro_encode_logical.c: value, which is of another tag than type's own, as what type is written
 * as: *value is INT or BYTES then. */
leat_code avro_logical_plain(const leat_avro_type *type, leat_arena *arena, leat_value *value,
                             leat_err *err) LEAT_CHECKED;

#endif
