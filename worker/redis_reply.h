/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of Redis (RESP2), read from bytes as they come.
 *
 *   reader -> feed(bytes) -> next() -> a reply, or none yet -> next() ...
 *
 * Replies live in the arena that next() was given when their first byte was looked at; give the
 * same one until a reply is whole. Owner of a reader: its connection. Thread: one. Errors:
 * LEAT_ERR_UNAVAILABLE (bytes that are no RESP, or more than the arena takes): the reader is of no
 * more use. Cost: ~60 ns a reply. */
#ifndef LEAT_WORKER_REDIS_REPLY_H
#define LEAT_WORKER_REDIS_REPLY_H

#include "core/arena.h"
#include "core/buf.h"

typedef enum leat_redis_kind {
    LEAT_REDIS_NIL,
    LEAT_REDIS_STATUS,
    LEAT_REDIS_ERROR,
    LEAT_REDIS_INTEGER,
    LEAT_REDIS_STRING,
    LEAT_REDIS_ARRAY,
} leat_redis_kind;

typedef struct leat_redis_reply leat_redis_reply;
struct leat_redis_reply {
    leat_redis_kind kind;
    int64_t integer;
    leat_str text; /* STATUS, ERROR, STRING */
    const leat_redis_reply *const *items;
    size_t count; /* of items */
};

typedef struct leat_redis_reader leat_redis_reader;

leat_code leat_redis_reader_new(leat_redis_reader **reader, leat_err *err) LEAT_CHECKED;
void leat_redis_reader_free(leat_redis_reader **reader);
leat_code leat_redis_reader_feed(leat_redis_reader *reader, leat_str bytes,
                                 leat_err *err) LEAT_CHECKED;
/* *reply NULL: not whole yet. */
leat_code leat_redis_reader_next(leat_redis_reader *reader, leat_arena *arena,
                                 const leat_redis_reply **reply, leat_err *err) LEAT_CHECKED;

/* A command as it is sent. */
void leat_redis_write(const leat_str *words, size_t count, leat_buf *out);
void leat_redis_write_head(size_t words, leat_buf *out); /* then so many words */
void leat_redis_write_word(leat_str word, leat_buf *out);

#endif
