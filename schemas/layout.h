/* SPDX-License-Identifier: Apache-2.0 */
/* A layout says what a record's value looks like at one place of the plan: a tree of the fields
 * that steps have touched, over the JSON object that came in. It exists at plan time and in the
 * encoder compiled from it; records carry slots only. So keep, drop and rename are edits of this
 * tree and cost nothing per record; untouched fields go out as the bytes they came in.
 *
 *   {"filter"} reads status   -> a slot is requested for "status"
 *   {"set": {"a.b": e}}       -> OBJECT a (base: slot of a's JSON text) { b: SLOT n }
 *   {"drop": ["cvv"]}         -> cvv: REMOVED
 *   {"keep": ["x"]}           -> root closed { x: SLOT m }
 *
 * Owner: the plan's arena. Thread: immutable once planned. */
#ifndef LEAT_SCHEMAS_LAYOUT_H
#define LEAT_SCHEMAS_LAYOUT_H

#include "core/arena.h"
#include "core/err.h"
#include "core/path.h"
#include "core/str.h"

#define LEAT_SLOT_NONE UINT32_MAX

typedef enum leat_field_kind {
    LEAT_FIELD_SLOT,    /* its value is in a slot; MISSING there: no such field */
    LEAT_FIELD_REMOVED, /* it is not there, whatever the base has; but if its slot, or one of its
                           fields, has a value, then the object that it was in is there, as {} */
    LEAT_FIELD_OBJECT,  /* an object, described by `fields` over its base */
} leat_field_kind;

typedef struct leat_field leat_field;
struct leat_field {
    leat_str name; /* of the root: none */
    bool quoted;   /* name stands in its own text between ," and ": and needs no escapes */
    leat_field_kind kind;
    uint32_t slot; /* SLOT: the value. OBJECT: the slot with the base's JSON text, LEAT_SLOT_NONE
                      for the root (base: the record's raw) or when there is no base. The base
                      may also be a MAP, made by a step. If it is there but no object, then of
                      an open one: LEAT_ERR_TYPE when a field below has a value (set a.b), else it
                      passes as it is (drop a.b); of a closed one (keep a.b): it is not there */
    bool open;     /* OBJECT: members of the base that `fields` does not name pass through */
    uint32_t edit; /* the planner's: which of its edits may still change it in place */
    leat_field *fields, *next; /* OBJECT: children, in order of first assignment */
};

/* Slots that the decoder fills: path -> slot. */
typedef struct leat_slot_request {
    leat_path path;
    uint32_t slot;
    bool exact; /* numbers come as NUMBER (their text) unless they are plain int64 */
} leat_slot_request;

#define LEAT_FIELD_NAME_ROOM 4 /* bytes around a name */
/* Names a field. room: of name.len + LEAT_FIELD_NAME_ROOM bytes, which live as long as the field:
 * the name is kept there as it is written, so that writing it is one copy. */
void leat_field_name(leat_field *field, leat_str name, char *room);
leat_field *leat_field_find(const leat_field *object, leat_str name);

#endif
