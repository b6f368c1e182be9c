/* SPDX-License-Identifier: Apache-2.0 */
/* Reading for steps: all requests of a batch in one pipeline, one round trip.
 *
 * What the server says to one request (a key of the wrong type) is that request's own; what is
 * wrong with the server is everybody's. Requests are plain GET, HGET and HGETALL, each with an
 * answer of its own, and not MGET: it costs the server the same, and one key of a wrong type would
 * hide behind a null. Cost: ~1 us a key on the server, some 0.3 us here. */
#include "worker/redis_lookup.h"
#include "worker/clock.h"

#include "core/mem.h"
#include "worker/redis_stream.h"

#define COMMANDS_BYTES_MAX ((size_t)256 << 20)

struct leat_redis_set {
    leat_lookup_port port;
    leat_redis **servers;
    size_t count;
    leat_buf commands;
};

static void write_request(leat_lookup_kind kind, const leat_lookup_request *request, leat_buf *out)
{
    static const leat_str names[] = {[LEAT_LOOKUP_GET] = LEAT_STR_INIT("GET"),
                                     [LEAT_LOOKUP_HGET] = LEAT_STR_INIT("HGET"),
                                     [LEAT_LOOKUP_HGETALL] = LEAT_STR_INIT("HGETALL")};
    const leat_str words[] = {names[kind], request->key, request->field};
    leat_redis_write(words, kind == LEAT_LOOKUP_HGET ? 3 : 2, out);
}

static leat_code read_pairs(const leat_redis_reply *reply, leat_lookup_request *request,
                            leat_arena *arena, leat_err *err)
{
    size_t count = reply->count / 2;
    leat_lookup_text *texts = leat_arena_array(arena, count + 1, sizeof *texts);
    if (texts == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < count; i++)
        texts[i] = (leat_lookup_text){reply->items[2 * i]->text, reply->items[2 * i + 1]->text};
    request->found = count > 0;
    request->texts = texts;
    request->texts_count = count;
    return LEAT_OK;
}

static leat_code read_text(leat_str text, leat_lookup_request *request, leat_arena *arena,
                           leat_err *err)
{
    leat_lookup_text *one = leat_arena_zero(arena, sizeof *one);
    if (one == NULL) return leat_arena_full(arena, err);
    one->text = text;
    request->found = true;
    request->texts = one;
    request->texts_count = 1;
    return LEAT_OK;
}

static leat_code read_reply(const leat_redis *redis, const leat_redis_reply *reply,
                            leat_lookup_request *request, leat_arena *arena, leat_err *err)
{
    leat_err why;
    leat_code code;
    request->code = LEAT_OK;
    request->found = false;
    switch (reply->kind) {
    case LEAT_REDIS_NIL: return LEAT_OK;
    case LEAT_REDIS_STATUS:
    case LEAT_REDIS_STRING: return read_text(reply->text, request, arena, err);
    case LEAT_REDIS_ARRAY: return read_pairs(reply, request, arena, err);
    case LEAT_REDIS_ERROR:
        code = leat_redis_error(redis, reply, &why);
        if (leat_code_blame(code) != LEAT_BLAME_RECORD) {
            *err = why;
            return code;
        }
        request->code = code;
        request->why = leat_arena_copy(arena, leat_str_of(why.text));
        return request->why.data != NULL ? LEAT_OK : leat_arena_full(arena, err);
    case LEAT_REDIS_INTEGER: break;
    }
    return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "%.*s: an answer that was not asked for",
                        LEAT_STR_ARG(leat_redis_settings_of(redis)->place));
}

static leat_code ask(void *self, uint32_t index, leat_lookup_kind kind,
                     leat_lookup_request *requests, size_t count, int64_t timeout_ms,
                     leat_arena *arena, leat_err *err)
{
    leat_redis_set *set = self;
    LEAT_ASSERT(index < set->count && count > 0);
    leat_redis *redis = set->servers[index];
    const leat_redis_reply **replies =
        leat_arena_array(arena, count, sizeof(const leat_redis_reply *));
    if (replies == NULL) return leat_arena_full(arena, err);
    leat_buf_reset(&set->commands);
    for (size_t i = 0; i < count; i++)
        write_request(kind, &requests[i], &set->commands);
    LEAT_TRY(leat_buf_check(&set->commands, "the keys of a batch", err));
    LEAT_TRY(leat_redis_exchange(redis, leat_buf_str(&set->commands), count, timeout_ms, arena,
                                 replies, err));
    for (size_t i = 0; i < count; i++) {
        leat_code code = read_reply(redis, replies[i], &requests[i], arena, err);
        if (code == LEAT_OK) continue;
        if (code == LEAT_ERR_UNAVAILABLE) leat_redis_drop(redis, err);
        return code;
    }
    return LEAT_OK;
}

static int64_t now_ms(void *self)
{
    (void)self;
    return leat_clock_ms();
}

static void note(void *self, uint32_t index, uint64_t cached, uint64_t asked, uint64_t missing,
                 uint64_t failed)
{
    const leat_redis_set *set = self;
    LEAT_ASSERT(index < set->count);
    leat_redis_counts *counts = leat_redis_counts_of(set->servers[index]);
    leat_redis_add(&counts->lookups_cached, cached);
    leat_redis_add(&counts->lookups_asked, asked);
    leat_redis_add(&counts->lookups_missing, missing);
    leat_redis_add(&counts->lookups_failed, failed);
}

leat_code leat_redis_set_new(const leat_plan *plan, const char *pipeline, leat_redis_counts *counts,
                             leat_redis_set **set, leat_err *err)
{
    leat_redis_set *made = leat_mem_need(sizeof *made);
    made->port = (leat_lookup_port){.self = made, .ask = ask, .now_ms = now_ms, .note = note};
    made->servers = leat_mem_need((plan->redis_count + 1) * sizeof(leat_redis *));
    leat_buf_init(&made->commands, COMMANDS_BYTES_MAX);
    for (size_t i = 0; i < plan->redis_count; i++) {
        leat_code code =
            leat_redis_new(&plan->redis[i], pipeline, &counts[i], &made->servers[i], err);
        if (code != LEAT_OK) {
            leat_redis_set_free(&made);
            return code;
        }
        made->count++;
    }
    *set = made;
    return LEAT_OK;
}

void leat_redis_set_free(leat_redis_set **set)
{
    if (*set == NULL) return;
    for (size_t i = 0; i < (*set)->count; i++)
        leat_redis_free(&(*set)->servers[i]);
    leat_mem_free((*set)->servers);
    leat_buf_release(&(*set)->commands);
    leat_mem_free(*set);
    *set = NULL;
}

const leat_lookup_port *leat_redis_set_port(const leat_redis_set *set)
{
    return &set->port;
}

leat_redis *leat_redis_set_server(leat_redis_set *set, uint32_t index)
{
    LEAT_ASSERT(index < set->count);
    return set->servers[index];
}
