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
    LEAT_PAYLOAD_MASKED,   /* masked fields masked; what cannot be read, as it came */
    LEAT_PAYLOAD_STRICT,   /* likewise, but what cannot be read is withheld */
} leat_payload;

typedef struct leat_guard {
    leat_shape *shape;
    const leat_field *layout; /* the record with its masks */
    const leat_mask_rule *rules;
    const leat_str *names;     /* paths in a record as it comes */
    const uint32_t *from, *to; /* slots, one per rule */
    size_t count;
} leat_guard;

#endif
