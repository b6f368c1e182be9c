/* SPDX-License-Identifier: Apache-2.0 */
/* An event that a matcher holds: its JSON text, its time, and where it came from. Counted: every
 * take of it, in whatever partial match of whatever pattern, shares the one copy.
 *
 * In expressions it is an OBJECT: a field is found in the text when somebody asks, and scalars that
 * were found are remembered. Cost: ~1 ns a byte for the first look at a field; 32 bytes and the
 * text, in a pool, and 64 more once a field was looked up or an alert has named the event.
 * Owner: its references; it may outlive its pool. Thread: the pool's, the shard's. */
#ifndef LEAT_CEP_EVENT_H
#define LEAT_CEP_EVENT_H

#include "core/arena.h"
#include "core/err.h"
#include "core/pool.h"
#include "core/str.h"
#include "core/value.h"

#define LEAT_EVENT_DEPTH_MAX 1000 /* of objects and lists in an event */
#define LEAT_EVENT_BYTES_MAX ((1u << 30) - 1)

/* Where an event came from: the same in a replay and in another process. */
typedef struct leat_identity {
    uint64_t place, offset;
} leat_identity;

typedef struct leat_event {
    int64_t timestamp_ms;
    uint64_t offset; /* of its identity */
    union {
        uint64_t place;           /* of its identity */
        struct leat_known *known; /* KNOWN: what was found out about it, and the place */
    };
    uint32_t references;
    uint32_t size; /* LARGE, KNOWN, where it lies in the pool unless it is LARGE, and the length */
    char json[];   /* one JSON object */
} leat_event;
#define LEAT_EVENT_LARGE    0x80000000u /* of the heap */
#define LEAT_EVENT_KNOWN    0x40000000u
#define LEAT_EVENT_LEN_BITS 10 /* of one in a pool */

/* json: validated, one object; copied. One reference, the caller's. LIMIT: it is larger than
 * LEAT_EVENT_BYTES_MAX. */
leat_code leat_event_new(leat_pool *pool, leat_str json, int64_t timestamp_ms,
                         leat_identity identity, leat_event **event, leat_err *err) LEAT_CHECKED;
/* Gives a reference back and nulls it; the last one frees. NULL inside is harmless. */
void leat_event_release(leat_event **event);
static inline leat_event *leat_event_share(leat_event *event)
{
    event->references++;
    return event;
}
static inline leat_str leat_event_json(const leat_event *event)
{
    bool large = (event->size & LEAT_EVENT_LARGE) != 0;
    uint32_t mask = large ? LEAT_EVENT_BYTES_MAX : (1u << LEAT_EVENT_LEN_BITS) - 1;
    return (leat_str){event->json, event->size & mask};
}
leat_identity leat_event_identity(const leat_event *event);
/* A hash of the text, the same in every process and version. Cost: the text, once. */
uint64_t leat_event_content(leat_event *event);
/* What an OBJECT value of an event points to; the caller's, who keeps the event too. */
typedef struct leat_event_object {
    leat_object object;
    leat_event *event;
} leat_event_object;
leat_value leat_event_value(leat_event *event, leat_event_object *object); /* OBJECT */
/* A member of the event; MISSING if there is none. May allocate from arena. */
leat_code leat_event_field(leat_event *event, leat_str name, leat_arena *arena, leat_value *value,
                           leat_err *err) LEAT_CHECKED;
/* topic_hash: leat_str_hash_fixed of the topic's name. An event that was made on the way has none
 * of this, {0, 0}: it is known by its content alone. */
static inline leat_identity leat_identity_of(uint64_t topic_hash, int32_t partition, int64_t offset)
{
    uint64_t source = topic_hash + ((uint64_t)(uint32_t)partition + 1) * 0x9e3779b97f4a7c15u;
    return (leat_identity){source, (uint64_t)offset};
}

#endif
