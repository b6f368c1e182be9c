/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of Redis, from a server that may be anything: the first byte says in pieces of which size
 * the rest comes. What is read is the same as from one piece, takes no more than its arena, and a
 * text found goes the way of a looked up JSON value. */
#include "core/buf.h"
#include "transforms/lookup_value.h"
#include "worker/redis_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARENA_MAX ((size_t)1 << 20)

static void look_up(leat_str text)
{
    leat_arena *arena = NULL;
    leat_err err;
    leat_value value;
    LEAT_ASSERT(leat_arena_new(&arena, ARENA_MAX * 8, &err) == LEAT_OK);
    leat_json_plan *plan = leat_lookup_value_plan(arena);
    LEAT_ASSERT(plan != NULL);
    leat_json_decoder *decoder = leat_json_decoder_new(plan);
    leat_lookup_text one = {.text = text};
    leat_lookup_request request = {.found = true, .texts = &one, .texts_count = 1};
    bool good = leat_json_validate(text, leat_lookup_limits, &err) == LEAT_OK;
    leat_code code = leat_lookup_value(decoder, true, false, &request, arena, &value, &err);
    LEAT_ASSERT((code == LEAT_OK) == good || code == LEAT_ERR_LIMIT);
    leat_json_decoder_free(&decoder);
    leat_arena_free(&arena);
}

static void print_reply(const leat_redis_reply *reply, int depth, leat_buf *out)
{
    LEAT_ASSERT(depth < 9);
    leat_buf_add_format(out, "%d:%lld:", (int)reply->kind, (long long)reply->integer);
    leat_buf_add(out, reply->text);
    for (size_t i = 0; i < reply->count; i++)
        print_reply(reply->items[i], depth + 1, out);
    leat_buf_add_char(out, '\n');
    if (reply->kind == LEAT_REDIS_STRING && reply->text.len > 0) look_up(reply->text);
}

/* Whether all of it could be read. */
static bool read_all(leat_str bytes, size_t step, leat_buf *out)
{
    leat_err err;
    leat_redis_reader *reader = NULL;
    leat_arena *arena = NULL;
    LEAT_ASSERT(leat_redis_reader_new(&reader, &err) == LEAT_OK);
    LEAT_ASSERT(leat_arena_new(&arena, ARENA_MAX, &err) == LEAT_OK);
    leat_code code = LEAT_OK;
    for (size_t at = 0; at < bytes.len && code == LEAT_OK; at += step) {
        size_t end = bytes.len - at < step ? bytes.len : at + step;
        code = leat_redis_reader_feed(reader, leat_str_slice(bytes, at, end), &err);
        while (code == LEAT_OK) {
            const leat_redis_reply *reply = NULL;
            code = leat_redis_reader_next(reader, arena, &reply, &err);
            if (code != LEAT_OK || reply == NULL) break;
            print_reply(reply, 0, out);
        }
    }
    LEAT_ASSERT(code == LEAT_OK || leat_code_blame(code) == LEAT_BLAME_TASK);
    LEAT_ASSERT(leat_arena_used(arena) <= ARENA_MAX);
    leat_redis_reader_free(&reader);
    leat_arena_free(&arena);
    return code == LEAT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 65536) return 0;
    leat_str bytes = {(const char *)data + 1, size - 1};
    leat_buf whole, pieces;
    leat_buf_init(&whole, (size_t)16 << 20);
    leat_buf_init(&pieces, (size_t)16 << 20);
    bool good = read_all(bytes, bytes.len, &whole);
    bool same = read_all(bytes, (size_t)data[0] + 1, &pieces);
    LEAT_ASSERT(good == same);
    LEAT_ASSERT(leat_str_equal(leat_buf_str(&whole), leat_buf_str(&pieces)));
    leat_buf_release(&whole);
    leat_buf_release(&pieces);
    return 0;
}
