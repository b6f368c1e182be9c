/* SPDX-License-Identifier: Apache-2.0 */
/* The one file that knows hiredis: its reader, with functions of ours that make replies in an
 * arena, so that a batch of thousands of answers is one reset and no malloc each.
 *
 * Of hiredis only the reader is used. Its sockets are blocking or want an event loop, and the
 * version of Debian 12 (0.14) has no TLS; sockets and TLS are ours (redis_stream.c). The reader
 * knows RESP2 and seven levels of arrays, which is more than any command asked here answers with.
 * Its own buffer grows with the largest reply; the connection bounds what it feeds. */
#include "worker/redis_reply.h"

#include <hiredis/read.h>

#include "core/mem.h"

struct leat_redis_reader {
    redisReader *reader;
    leat_arena *arena; /* for the reply under way */
};

static leat_redis_reply *reply_new(const redisReadTask *task, leat_redis_kind kind)
{
    const leat_redis_reader *self = task->privdata;
    leat_redis_reply *reply = leat_arena_zero(self->arena, sizeof *reply);
    if (reply == NULL) return NULL; /* hiredis makes an error of it */
    reply->kind = kind;
    return reply;
}

/* Puts it where it belongs in the array that is being read. */
static void *reply_place(const redisReadTask *task, leat_redis_reply *reply)
{
    if (task->parent == NULL) return reply;
    const leat_redis_reply *parent = task->parent->obj;
    LEAT_ASSERT(parent->kind == LEAT_REDIS_ARRAY && (size_t)task->idx < parent->count);
    const leat_redis_reply **items = (const leat_redis_reply **)(uintptr_t)parent->items;
    items[task->idx] = reply;
    return reply;
}

/* hiredis' signature is not const. */
static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    const leat_redis_reader *self = task->privdata;
    leat_redis_kind kind = task->type == REDIS_REPLY_STATUS  ? LEAT_REDIS_STATUS
                           : task->type == REDIS_REPLY_ERROR ? LEAT_REDIS_ERROR
                                                             : LEAT_REDIS_STRING;
    leat_redis_reply *reply = reply_new(task, kind);
    if (reply == NULL) return NULL;
    reply->text = leat_arena_copy(self->arena, (leat_str){text, len});
    return reply->text.data == NULL ? NULL : reply_place(task, reply);
}

static void *create_array(const redisReadTask *task, int count)
{
    const leat_redis_reader *self = task->privdata;
    leat_redis_reply *reply = reply_new(task, LEAT_REDIS_ARRAY);
    if (reply == NULL || count < 0) return NULL;
    const leat_redis_reply **items =
        leat_arena_array(self->arena, (size_t)count + 1, sizeof(const leat_redis_reply *));
    if (items == NULL) return NULL;
    reply->items = items;
    reply->count = (size_t)count;
    return reply_place(task, reply);
}

static void *create_integer(const redisReadTask *task, long long number)
{
    leat_redis_reply *reply = reply_new(task, LEAT_REDIS_INTEGER);
    if (reply == NULL) return NULL;
    reply->integer = number;
    return reply_place(task, reply);
}

static void *create_nil(const redisReadTask *task)
{
    leat_redis_reply *reply = reply_new(task, LEAT_REDIS_NIL);
    return reply == NULL ? NULL : reply_place(task, reply);
}

static void free_nothing(void *reply)
{
    (void)reply; /* the arena's */
}

leat_code leat_redis_reader_new(leat_redis_reader **reader, leat_err *err)
{
    static const redisReplyObjectFunctions functions = {.createString = create_string,
                                                        .createArray = create_array,
                                                        .createInteger = create_integer,
                                                        .createNil = create_nil,
                                                        .freeObject = free_nothing};
    leat_redis_reader *made = leat_mem_need(sizeof *made);
    /* Never written to, though it is not said. */
    made->reader =
        redisReaderCreateWithFunctions((redisReplyObjectFunctions *)(uintptr_t)&functions);
    if (made->reader == NULL) {
        leat_mem_free(made);
        return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a reader of replies");
    }
    made->reader->privdata = made; /* the macro for it casts the pointer to int */
    *reader = made;
    return LEAT_OK;
}

void leat_redis_reader_free(leat_redis_reader **reader)
{
    if (*reader == NULL) return;
    redisReaderFree((*reader)->reader);
    leat_mem_free(*reader);
    *reader = NULL;
}

static leat_code reader_failed(const leat_redis_reader *self, leat_err *err)
{
    if (self->reader->err == REDIS_ERR_OOM)
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE,
                            "the answer is larger than 'reply_max' of the server allows");
    return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "the answer is not Redis' protocol: %s",
                        self->reader->errstr);
}

leat_code leat_redis_reader_feed(leat_redis_reader *reader, leat_str bytes, leat_err *err)
{
    if (redisReaderFeed(reader->reader, bytes.data, bytes.len) == 0) return LEAT_OK;
    return reader_failed(reader, err);
}

leat_code leat_redis_reader_next(leat_redis_reader *reader, leat_arena *arena,
                                 const leat_redis_reply **reply, leat_err *err)
{
    void *whole = NULL;
    reader->arena = arena;
    int answer = redisReaderGetReply(reader->reader, &whole);
    reader->arena = NULL;
    if (answer != 0) return reader_failed(reader, err);
    *reply = whole;
    return LEAT_OK;
}

/* --- commands --- */

void leat_redis_write_head(size_t words, leat_buf *out)
{
    leat_buf_add_char(out, '*');
    leat_buf_add_uint(out, words);
    leat_buf_add(out, LEAT_STR("\r\n"));
}

void leat_redis_write_word(leat_str word, leat_buf *out)
{
    leat_buf_add_char(out, '$');
    leat_buf_add_uint(out, word.len);
    leat_buf_add(out, LEAT_STR("\r\n"));
    leat_buf_add(out, word);
    leat_buf_add(out, LEAT_STR("\r\n"));
}

void leat_redis_write(const leat_str *words, size_t count, leat_buf *out)
{
    leat_redis_write_head(count, out);
    for (size_t i = 0; i < count; i++)
        leat_redis_write_word(words[i], out);
}
