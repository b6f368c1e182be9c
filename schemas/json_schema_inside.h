/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of JSON Schema share; nobody else includes it.
 *
 *   json_schema.c        a document becomes a tree of schemas, references resolved
 *   json_schema_check.c  a value against the tree */
#ifndef LEAT_SCHEMAS_JSON_SCHEMA_INSIDE_H
#define LEAT_SCHEMAS_JSON_SCHEMA_INSIDE_H

#include "core/regex.h"
#include "schemas/json_schema.h"

/* Bits of `types`. */
enum {
    SCHEMA_NULL = 1,
    SCHEMA_BOOLEAN = 2,
    SCHEMA_OBJECT = 4,
    SCHEMA_ARRAY = 8,
    SCHEMA_NUMBER = 16,
    SCHEMA_STRING = 32,
    SCHEMA_INTEGER = 64,
};

typedef struct schema_list {
    const leat_json_schema **items;
    size_t count;
} schema_list;

typedef struct schema_property {
    leat_str name;     /* of patternProperties: the pattern */
    leat_regex *regex; /* patternProperties */
    const leat_json_schema *schema;
} schema_property;

typedef struct schema_properties {
    schema_property *items;
    size_t count;
} schema_properties;

typedef struct schema_names {
    leat_str *items;
    size_t count;
} schema_names;

typedef struct schema_dependency {
    leat_str name;
    schema_names needs;
} schema_dependency;

/* NULL, NAN, UINT64_MAX or 0 things are not asked for. */
struct leat_json_schema {
    bool never; /* the schema `false` */
    const leat_json_schema *ref;
    unsigned types;                                  /* 0: any */
    leat_value constant, choices;                    /* MISSING: none; choices: a LIST */
    double minimum, maximum, above, below, multiple; /* NAN: none */
    uint64_t length_min, length_max, items_min, items_max, properties_min, properties_max;
    uint64_t contains_min, contains_max;
    leat_regex *pattern;
    leat_str pattern_text;
    bool unique;
    schema_list prefix, all_of, any_of, one_of;
    const leat_json_schema *items, *contains, *additional, *names, *negated;
    const leat_json_schema *condition, *consequence, *alternative;
    schema_properties properties, patterns;
    schema_names required;
    schema_dependency *dependencies;
    size_t dependencies_count;
};

#endif
