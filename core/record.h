/* SPDX-License-Identifier: Apache-2.0 */
/* A message is what a log hands over; a record is a message under way through the plan.
 *
 * All streams of one source share one array of slots per record (the source's shape); a step that
 * assigns writes to a slot of its own and never to another's, so that a record can be read by
 * several branches without being copied. Which slot a field has at a place of the plan is known
 * when the plan is made (schemas/layout.h): keep, drop and rename cost nothing per record.
 * Owner: the batch arena. Thread: the shard's. */
#ifndef LEAT_CORE_RECORD_H
#define LEAT_CORE_RECORD_H

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "core/value.h"

#define LEAT_TIME_NONE INT64_MIN /* no timestamp; the watermark before the first record */
#define LEAT_TIME_MAX  INT64_MAX /* the watermark after the end of a bounded input */

typedef struct leat_header {
    leat_str name, value;
} leat_header;

/* What finds the headers of a message where the log has not: they go into arena. */
typedef leat_code (*leat_headers_reader)(const void *from, leat_arena *arena,
                                         const leat_header **headers, size_t *count, leat_err *err);

/* Borrowed from the log until the batch ends. */
typedef struct leat_message {
    leat_str topic; /* of a file: its path */
    int32_t partition;
    int64_t offset;             /* of a file: the line, from 1 */
    int64_t timestamp_ms;       /* LEAT_TIME_NONE: none */
    leat_str key;               /* data NULL: null key */
    leat_str value;             /* data NULL: null value (a tombstone) */
    const leat_header *headers; /* see leat_message_headers */
    size_t headers_count;
    leat_headers_reader read_headers; /* NULL: they are here already */
    const void *read_from;
} leat_message;

/* Of the same topic and partition? Topics mostly are the very same text. */
static inline bool leat_message_beside(const leat_message *a, const leat_message *b)
{
    if (a->partition != b->partition || a->topic.len != b->topic.len) return false;
    return a->topic.data == b->topic.data || leat_str_equal(a->topic, b->topic);
}

/* The headers; hardly anybody asks, and Kafka's client takes longer to find out that there are none
 * than the codec needs for a whole field. They live as long as arena and message. */
LEAT_CHECKED static inline leat_code leat_message_headers(const leat_message *message,
                                                          leat_arena *arena,
                                                          const leat_header **headers,
                                                          size_t *count, leat_err *err)
{
    *headers = message->headers;
    *count = message->headers_count;
    if (message->read_headers == NULL) return LEAT_OK;
    return message->read_headers(message->read_from, arena, headers, count, err);
}

typedef struct leat_record {
    leat_value *slots;    /* as many as the shape has */
    leat_str raw;         /* the value's JSON text as it came; data NULL: made by a step */
    leat_str key;         /* bytes of the record's key; data NULL: none */
    int64_t timestamp_ms; /* event time */
    int64_t watermark_ms; /* the task's watermark before this record moved it */
    uint64_t seq;         /* number in the task's sequence, from 1 */
    /* Number of the message or tick that let the record come this far: its own seq, or of one that
     * waited for time to pass, the one that moved the watermark over it. Outputs are written in
     * this order, so that it does not depend on where batches were cut. */
    uint64_t moment;
    /* Where it came from, for dead letters; of a restored record too. NULL: time made it. */
    const leat_message *message;
} leat_record;

/* The records that a node hands to the next. Grows in its arena. */
typedef struct leat_batch {
    leat_record **records;
    size_t count, size;
} leat_batch;

/* Room for `room` records more. */
leat_code leat_batch_reserve(leat_batch *batch, size_t room, leat_arena *arena,
                             leat_err *err) LEAT_CHECKED;
LEAT_CHECKED static inline leat_code leat_batch_add(leat_batch *batch, leat_record *record,
                                                    leat_arena *arena, leat_err *err)
{
    if (LEAT_UNLIKELY(batch->count == batch->size))
        LEAT_TRY(leat_batch_reserve(batch, 1, arena, err));
    batch->records[batch->count++] = record;
    return LEAT_OK;
}

#endif
