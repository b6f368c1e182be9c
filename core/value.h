/* SPDX-License-Identifier: Apache-2.0 */
/* A value: 16 bytes, tagged. Text and composites are borrowed from an arena or from the record's
 * bytes, never owned, so a value is copied by assignment.
 *
 *   tag 1 | flags 1 | - 2 | len 4 | payload 8
 *
 * NUMBER and JSON are text of the input that nobody has needed yet: a JSON number whose spelling
 * must survive (decimals, integers beyond 64 bits), a JSON array or object not looked into.
 * Whoever needs the content converts (schemas/codec_json.h: leat_json_number, leat_json_value). */
#ifndef LEAT_CORE_VALUE_H
#define LEAT_CORE_VALUE_H

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"

typedef enum leat_tag {
    LEAT_MISSING, /* no such field */
    LEAT_NULL,
    LEAT_BOOL,
    LEAT_INT,
    LEAT_UINT,
    LEAT_DOUBLE,
    LEAT_STRING,    /* as.text, len bytes of valid UTF-8 */
    LEAT_BYTES,     /* as.text, len bytes */
    LEAT_TIMESTAMP, /* as.i: seconds since 1970, len: nanoseconds 0..999,999,999 added */
    LEAT_DURATION,  /* as.i: whole seconds rounded down, len: nanoseconds 0..999,999,999 added */
    LEAT_LIST,      /* as.items, len of them */
    LEAT_MAP,       /* as.entries, len of them, in order, keys unique */
    LEAT_TYPE,      /* as.text, len: the type's name */
    LEAT_OPTIONAL,  /* as.items: one value, or NULL for none */
    LEAT_NUMBER,    /* as.text, len: a JSON number as it was written */
    LEAT_JSON,      /* as.text, len: a validated JSON array or object as it was written */
    LEAT_OBJECT,    /* as.object: fields looked up through its type (an event held by a matcher) */
    LEAT_ERROR,     /* inside the evaluator only */
    LEAT_TAGS_COUNT,
} leat_tag;

/* STRING: its bytes may stand in JSON output as they are (nothing to escape). */
#define LEAT_VALUE_PLAIN 1u

typedef struct leat_value leat_value;
typedef struct leat_entry leat_entry;
typedef struct leat_object leat_object;

struct leat_value {
    uint8_t tag; /* leat_tag */
    uint8_t flags;
    uint16_t reserved;
    uint32_t len;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double d;
        const char *text;
        const leat_value *items;
        const leat_entry *entries;
        const leat_object *object;
    } as;
};
_Static_assert(sizeof(leat_value) == 16, "a value is two words");

struct leat_entry {
    leat_value key, value;
};

/* Something with named fields that is not a map: embed leat_object first. */
typedef struct leat_object_type {
    const char *name;
    /* MISSING when there is no such field; may allocate from arena. */
    leat_code (*field)(const leat_object *object, leat_str name, leat_arena *arena,
                       leat_value *value, leat_err *err);
    /* The whole as a MAP value (or JSON). */
    leat_code (*whole)(const leat_object *object, leat_arena *arena, leat_value *value,
                       leat_err *err);
} leat_object_type;
struct leat_object {
    const leat_object_type *type;
};

static inline leat_value leat_value_tagged(leat_tag tag)
{
    return (leat_value){.tag = (uint8_t)tag};
}
#define LEAT_VALUE_MISSING leat_value_tagged(LEAT_MISSING)
#define LEAT_VALUE_NULL    leat_value_tagged(LEAT_NULL)
static inline leat_value leat_value_bool(bool b)
{
    return (leat_value){.tag = LEAT_BOOL, .as.b = b};
}
static inline leat_value leat_value_int(int64_t i)
{
    return (leat_value){.tag = LEAT_INT, .as.i = i};
}
static inline leat_value leat_value_uint(uint64_t u)
{
    return (leat_value){.tag = LEAT_UINT, .as.u = u};
}
static inline leat_value leat_value_double(double d)
{
    return (leat_value){.tag = LEAT_DOUBLE, .as.d = d};
}
/* tag STRING, BYTES, TYPE, NUMBER or JSON; str.len < 4 GiB */
static inline leat_value leat_value_text(leat_tag tag, leat_str str)
{
    return (leat_value){.tag = (uint8_t)tag, .len = (uint32_t)str.len, .as.text = str.data};
}
static inline leat_value leat_value_string(leat_str str)
{
    return leat_value_text(LEAT_STRING, str);
}
static inline leat_value leat_value_list(const leat_value *items, size_t count)
{
    return (leat_value){.tag = LEAT_LIST, .len = (uint32_t)count, .as.items = items};
}
static inline leat_value leat_value_map(const leat_entry *entries, size_t count)
{
    return (leat_value){.tag = LEAT_MAP, .len = (uint32_t)count, .as.entries = entries};
}
static inline leat_str leat_value_str(leat_value value)
{
    return (leat_str){value.as.text, value.len};
}
/* Milliseconds since 1970, rounded down; the value must be a TIMESTAMP. */
int64_t leat_value_timestamp_ms(leat_value value);
leat_value leat_value_timestamp_of_ms(int64_t ms);

const char *leat_tag_name(leat_tag tag); /* "int", "string", ... as CEL names types */
/* Deep copy into arena (OBJECT is copied as a reference). */
leat_code leat_value_copy(leat_value value, leat_arena *arena, leat_value *copy,
                          leat_err *err) LEAT_CHECKED;
/* Same tag and content (doubles by bits, maps in any order): for tests and tables, not CEL's ==. */
bool leat_value_same(leat_value a, leat_value b);

#endif
