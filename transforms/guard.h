/* SPDX-License-Identifier: Apache-2.0 */
/* What masks stand for when a record goes out as it came: dead letters, late records, logs.
 *
 * A guard is the masked fields of one source, by their paths in a record as it comes, with a shape
 * of its own that decodes just them. Planned once all streams are; immutable. */
#ifndef LEAT_TRANSFORMS_GUARD_H
#define LEAT_TRANSFORMS_GUARD_H

#include "transforms/masking.h"

/* How records go out that go out as they came. */
typedef enum leat_payload {
    LEAT_PAYLOAD_ORIGINAL, /* byte by byte */
    LEAT_PAYLOAD_MASKED,   /* masked fields masked; what cannot be, as it came */
    LEAT_PAYLOAD_STRICT,   /* likewise, but what cannot be masked is withheld */
} leat_payload;

typedef struct leat_guard {
    leat_shape *shape;
    const leat_field *layout; /* the record with its masks */
    const leat_mask_rule *rules;
    const leat_str *names;     /* paths in a record as it comes */
    const uint32_t *from, *to; /* slots, one per rule */
    const bool *inside;        /* the hidden value is somewhere in the field, or made of it */
    size_t count;
    bool lost; /* some masked value may stand anywhere in the record */
    bool made; /* what steps have made of the records holds masked values, too */
} leat_guard;

#endif
