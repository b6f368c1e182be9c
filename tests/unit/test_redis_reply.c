/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of Redis: whole, in pieces of any size, broken, too large. */
#include <criterion/criterion.h>

#include "core/buf.h"
#include "tests/unit/leak.h"
#include "worker/redis.h"
#include "worker/redis_reply.h"

LEAT_SUITE(redis_reply);

static void print_reply(const leat_redis_reply *reply, leat_buf *out)
{
    switch (reply->kind) {
    case LEAT_REDIS_NIL: leat_buf_add_text(out, "nil"); return;
    case LEAT_REDIS_INTEGER: leat_buf_add_int(out, reply->integer); return;
    case LEAT_REDIS_STATUS:
    case LEAT_REDIS_ERROR:
    case LEAT_REDIS_STRING:
        leat_buf_add_char(out, "+-$"[reply->kind == LEAT_REDIS_STATUS  ? 0
                                     : reply->kind == LEAT_REDIS_ERROR ? 1
                                                                       : 2]);
        leat_buf_add(out, reply->text);
        return;
    case LEAT_REDIS_ARRAY: break;
    }
    leat_buf_add_char(out, '[');
    for (size_t i = 0; i < reply->count; i++) {
        if (i > 0) leat_buf_add_char(out, ' ');
        print_reply(reply->items[i], out);
    }
    leat_buf_add_char(out, ']');
}

/* All replies of bytes, fed `step` at a time, one a line; an error as "!text". */
static void read_all(leat_str bytes, size_t step, size_t arena_max, leat_buf *out)
{
    leat_err err;
    leat_redis_reader *reader = NULL;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_redis_reader_new(&reader, &err), LEAT_OK);
    cr_assert_eq(leat_arena_new(&arena, arena_max, &err), LEAT_OK);
    leat_code code = LEAT_OK;
    for (size_t at = 0; at < bytes.len && code == LEAT_OK; at += step) {
        size_t end = at + step < bytes.len ? at + step : bytes.len;
        code = leat_redis_reader_feed(reader, leat_str_slice(bytes, at, end), &err);
        while (code == LEAT_OK) {
            const leat_redis_reply *reply = NULL;
            code = leat_redis_reader_next(reader, arena, &reply, &err);
            if (code != LEAT_OK || reply == NULL) break;
            print_reply(reply, out);
            leat_buf_add_char(out, '\n');
        }
    }
    if (code != LEAT_OK) {
        cr_expect_eq(leat_code_blame(code), LEAT_BLAME_TASK);
        leat_buf_add_format(out, "!%s\n", err.text);
    }
    leat_buf_add_char(out, '\0');
    leat_redis_reader_free(&reader);
    leat_arena_free(&arena);
}

static const struct {
    const char *name, *bytes, *want;
} cases[] = {
    {"status", "+OK\r\n", "+OK\n"},
    {"error", "-WRONGTYPE no\r\n", "-WRONGTYPE no\n"},
    {"integer", ":-42\r\n", "-42\n"},
    {"string", "$5\r\nab\r\nc\r\n", "$ab\r\nc\n"},
    {"empty string", "$0\r\n\r\n", "$\n"},
    {"nil", "$-1\r\n*-1\r\n", "nil\nnil\n"},
    {"array", "*3\r\n$1\r\na\r\n$-1\r\n:7\r\n", "[$a nil 7]\n"},
    {"empty array", "*0\r\n", "[]\n"},
    {"nested", "*2\r\n*2\r\n:1\r\n:2\r\n*1\r\n*1\r\n+x\r\n", "[[1 2] [[+x]]]\n"},
    {"several", "+A\r\n:1\r\n$1\r\nb\r\n", "+A\n1\n$b\n"},
    {"unfinished", "*2\r\n:1\r\n", ""},
    {"unfinished string", "$10\r\nabc", ""},
};

Test(redis_reply, whole_and_in_pieces)
{
    leat_buf out;
    leat_buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t step = 1; step < 12; step++) {
            leat_buf_reset(&out);
            read_all(leat_str_of(cases[i].bytes), step, 1 << 20, &out);
            cr_expect_str_eq(out.data, cases[i].want, "%s, by %zu: %s", cases[i].name, step,
                             out.data);
        }
    leat_buf_release(&out);
}

Test(redis_reply, no_protocol)
{
    static const char *const wrong[] = {"HTTP/1.1 400 Bad Request\r\n",
                                        "$x\r\n",
                                        "*2147483647\r\n",
                                        "$-7\r\n",
                                        ":12a\r\n",
                                        "\x15\x03\x01"};
    leat_buf out;
    leat_buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        leat_buf_reset(&out);
        read_all(leat_str_of(wrong[i]), 64, 1 << 20, &out);
        cr_expect_eq(out.data[0], '!', "%s: %s", wrong[i], out.data);
    }
    leat_buf_release(&out);
}

/* An answer cannot take more memory than the arena has. */
Test(redis_reply, too_large)
{
    leat_buf in, out;
    leat_buf_init(&in, 1 << 22);
    leat_buf_init(&out, 1 << 20);
    leat_buf_add_text(&in, "*20000\r\n");
    for (int i = 0; i < 20000; i++)
        leat_buf_add_text(&in, "$3\r\nabc\r\n");
    read_all(leat_buf_str(&in), 4096, 65536, &out);
    cr_expect_str_eq(out.data, "!the answer is larger than 'reply_max' of the server allows\n");
    leat_buf_release(&in);
    leat_buf_release(&out);
}

Test(redis_reply, commands)
{
    leat_buf out;
    leat_buf_init(&out, 1 << 20);
    const leat_str words[] = {LEAT_STR("SET"), LEAT_STR("a b"), LEAT_STR("")};
    leat_redis_write(words, 3, &out);
    leat_buf_add_char(&out, '\0');
    cr_expect_str_eq(out.data, "*3\r\n$3\r\nSET\r\n$3\r\na b\r\n$0\r\n\r\n");
    leat_buf_release(&out);
}

Test(redis_reply, info)
{
    leat_str info = LEAT_STR("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\nlast:x");
    cr_expect(leat_str_is(leat_redis_info(info, "maxmemory"), "0"));
    cr_expect(leat_str_is(leat_redis_info(info, "maxmemory_policy"), "allkeys-lru"));
    cr_expect(leat_str_is(leat_redis_info(info, "last"), "x"));
    cr_expect_null(leat_redis_info(info, "max").data);
}
