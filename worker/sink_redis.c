/* SPDX-License-Identifier: Apache-2.0 */
/* Effects in chunks, each one call of one script.
 *
 * The script first writes the guards, and so finds out whether the server takes writes at all (out
 * of memory, a replica, too few replicas) before anything is changed: from its first write on,
 * Redis lets a script finish. Then it goes through the effects; those at or before the old guard
 * are replays. An effect that fails (a key of another type) stands in the guard, so that a replay
 * knows of it, until the input behind it has been committed.
 *
 *   KEYS  one guard per partition
 *   ARGV  per guard:   committed place, place after this chunk, effects of it that are done (-1:
 * all) per effect:  guard's number (0: none), place, number within the place, commands, and per
 * command its words' count and words
 *
 * Places are compared as decimal texts, by length first: Lua's numbers end at 2^53. A chunk is
 * bounded, as Redis does nothing else meanwhile; it may end amid the effects of one place.
 * Chunks go out one after the other, never two at once: the second must not be applied when the
 * first was not. */
#include "worker/sink_redis.h"

#include <stdio.h>

#include "core/mem.h"
#include "worker/logger.h"

#define CHUNK_EFFECTS_MAX 1000
#define CHUNK_BYTES_MAX   ((size_t)1 << 20)
#define SEND_BYTES_MAX    ((size_t)1 << 30)
#define REPLY_BYTES_MAX   ((size_t)64 << 20)
#define GUARDS_MAX        256 /* of one chunk */

static const char script[] =
    "local function less(a, b)\n"
    "  if #a ~= #b then return #a < #b end\n"
    "  return a < b\n"
    "end\n"
    "local at, done, told, past = {}, {}, {}, {[0] = true}\n"
    "for g = 1, #KEYS do\n"
    "  local was = redis.call('HMGET', KEYS[g], 'at', 'n')\n"
    "  at[g], done[g] = was[1] or '0', tonumber(was[2] or '-1')\n"
    "end\n"
    "for g = 1, #KEYS do\n"
    "  local place, n = ARGV[3 * g - 1], ARGV[3 * g]\n"
    "  if less(place, at[g]) or\n"
    "     place == at[g] and (done[g] < 0 or tonumber(n) >= 0 and tonumber(n) < done[g]) then\n"
    "    place, n = at[g], done[g]\n"
    "  end\n"
    "  redis.call('HSET', KEYS[g], 'at', place, 'n', n)\n"
    "  if redis.call('HLEN', KEYS[g]) > 2 then\n"
    "    told[g] = true\n"
    "    for _, name in ipairs(redis.call('HKEYS', KEYS[g])) do\n"
    "      local of = string.match(name, '^!(%d+):')\n"
    "      if of and less(of, ARGV[3 * g - 2]) then redis.call('HDEL', KEYS[g], name) end\n"
    "    end\n"
    "  end\n"
    "end\n"
    "local applied, skipped, refused, number = 0, 0, {}, 0\n"
    "local i = 3 * #KEYS + 1\n"
    "while i <= #ARGV do\n"
    "  local g, commands, old, why = ARGV[i] + 0, ARGV[i + 3] + 0, false, nil\n"
    "  if not past[g] then\n"
    "    local place = ARGV[i + 1]\n"
    "    old = less(place, at[g]) or\n"
    "          place == at[g] and (done[g] < 0 or tonumber(ARGV[i + 2]) < done[g])\n"
    "    past[g] = not old\n"
    "  end\n"
    "  local name = i + 1\n"
    "  i, number = i + 4, number + 1\n"
    "  if old and told[g] then\n"
    "    why = redis.call('HGET', KEYS[g], '!' .. ARGV[name] .. ':' .. ARGV[name + 1]) or nil\n"
    "  end\n"
    "  for _ = 1, commands do\n"
    "    local last = i + ARGV[i]\n"
    "    if not old and not why then\n"
    "      local got = redis.pcall(unpack(ARGV, i + 1, last))\n"
    "      if type(got) == 'table' and got.err then\n"
    "        why = got.err\n"
    "        if g > 0 then\n"
    "          redis.call('HSET', KEYS[g], '!' .. ARGV[name] .. ':' .. ARGV[name + 1], why)\n"
    "        end\n"
    "      end\n"
    "    end\n"
    "    i = last + 1\n"
    "  end\n"
    "  if why then\n"
    "    refused[#refused + 1] = number\n"
    "    refused[#refused + 1] = why\n"
    "  end\n"
    "  if old then skipped = skipped + 1 elseif not why then applied = applied + 1 end\n"
    "end\n"
    "return {applied, skipped, refused}\n";

typedef struct sink_guard {
    leat_str topic;
    int32_t partition;
    size_t last; /* effect of the chunk */
} sink_guard;

/* One effect of the batch on this server. */
typedef struct sink_effect {
    const leat_output *output;
    uint32_t index; /* among those of its place */
    uint32_t guard; /* of its chunk, from 1; 0: none */
} sink_effect;

struct leat_sink_redis {
    leat_redis *redis;
    char *prefix; /* of guards */
    char sha[64]; /* empty: not loaded yet */
    sink_effect *effects;
    size_t effects_size;
    sink_guard guards[GUARDS_MAX];
    size_t guards_count;
    leat_buf send, key;
    leat_arena *arena; /* replies */
};

/* --- life --- */

leat_code leat_sink_redis_new(leat_redis *redis, leat_str space, leat_sink_redis **sink,
                              leat_err *err)
{
    leat_sink_redis *made = leat_mem_need(sizeof *made);
    leat_str guard = leat_redis_settings_of(redis)->guard;
    size_t size = guard.len + space.len + 3;
    made->redis = redis;
    made->prefix = leat_mem_need(size);
    (void)snprintf(made->prefix, size, "%.*s:%.*s%s", LEAT_STR_ARG(guard), LEAT_STR_ARG(space),
                   space.len > 0 ? ":" : "");
    leat_buf_init(&made->send, SEND_BYTES_MAX);
    leat_buf_init(&made->key, CHUNK_BYTES_MAX);
    leat_code code = leat_arena_new(&made->arena, REPLY_BYTES_MAX, err);
    if (code == LEAT_OK)
        *sink = made;
    else
        leat_sink_redis_free(&made);
    return code;
}

void leat_sink_redis_free(leat_sink_redis **sink)
{
    if (*sink == NULL) return;
    leat_mem_free((*sink)->prefix);
    leat_mem_free((*sink)->effects);
    leat_buf_release(&(*sink)->send);
    leat_buf_release(&(*sink)->key);
    leat_arena_free(&(*sink)->arena);
    leat_mem_free(*sink);
    *sink = NULL;
}

leat_code leat_sink_redis_check(leat_sink_redis *sink, leat_err *err)
{
    const leat_redis_settings *settings = leat_redis_settings_of(sink->redis);
    const leat_redis_reply *reply;
    const leat_str words[] = {LEAT_STR("INFO"), LEAT_STR("memory")};
    LEAT_TRY(leat_redis_check(sink->redis, err));
    leat_buf_reset(&sink->send);
    leat_arena_reset(sink->arena);
    leat_redis_write(words, 2, &sink->send);
    LEAT_TRY(leat_redis_exchange(sink->redis, leat_buf_str(&sink->send), 1, 0, sink->arena, &reply,
                                 err));
    if (reply->kind != LEAT_REDIS_STRING) return LEAT_OK; /* the user may not ask */
    leat_str policy = leat_redis_info(reply->text, "maxmemory_policy");
    leat_str limit = leat_redis_info(reply->text, "maxmemory");
    if (leat_str_starts(policy, LEAT_STR("allkeys-")) && !leat_str_is(limit, "0"))
        leat_log_line(LEAT_LEVEL_WARN, "redis", leat_redis_pipeline(sink->redis),
                      "%.*s: the server's maxmemory-policy is %.*s: it may throw away the guards "
                      "(%s*), and then a replay is applied twice; use noeviction or volatile-*",
                      LEAT_STR_ARG(settings->place), LEAT_STR_ARG(policy), sink->prefix);
    return LEAT_OK;
}

/* --- which effects --- */

static bool same_partition(const leat_output *a, const leat_output *b)
{
    return a->from_partition == b->from_partition && leat_str_equal(a->from_topic, b->from_topic);
}

static bool same_place(const leat_output *a, const leat_output *b)
{
    return a->from_place == b->from_place && a->from_place != 0 && same_partition(a, b);
}

static leat_code collect(leat_sink_redis *sink, const leat_effects *effects, size_t *count,
                         leat_err *err)
{
    uint32_t index = leat_redis_settings_of(sink->redis)->index;
    *count = 0;
    for (size_t i = 0; i < effects->count; i++) {
        const leat_output *output = &effects->outputs[i];
        if (output->commands == NULL || output->sink->effect->redis != index) continue;
        if (*count == sink->effects_size) {
            size_t size = sink->effects_size == 0 ? 256 : sink->effects_size * 2;
            sink_effect *more = leat_mem_try_resize(sink->effects, size * sizeof *more);
            if (more == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for effects");
            sink->effects = more;
            sink->effects_size = size;
        }
        const sink_effect *before = *count > 0 ? &sink->effects[*count - 1] : NULL;
        bool again = before != NULL && same_place(before->output, output);
        sink->effects[(*count)++] =
            (sink_effect){.output = output, .index = again ? before->index + 1 : 0};
    }
    return LEAT_OK;
}

static size_t bytes_of(const leat_output *output)
{
    size_t bytes = 64;
    for (size_t i = 0; i < output->commands_count; i++)
        for (size_t w = 0; w < output->commands[i].count; w++)
            bytes += output->commands[i].words[w].len + 16;
    return bytes;
}

/* The guard's number in the chunk, from 1; 0: there is no room for another. */
static uint32_t guard_of(leat_sink_redis *sink, const leat_output *output)
{
    for (size_t i = sink->guards_count; i > 0; i--) {
        const sink_guard *guard = &sink->guards[i - 1];
        if (guard->partition == output->from_partition &&
            leat_str_equal(guard->topic, output->from_topic))
            return (uint32_t)i;
    }
    if (sink->guards_count == GUARDS_MAX) return 0;
    sink->guards[sink->guards_count++] =
        (sink_guard){.topic = output->from_topic, .partition = output->from_partition};
    return (uint32_t)sink->guards_count;
}

/* Where the chunk that begins at `from` ends; its guards are listed. */
static size_t chunk_end(leat_sink_redis *sink, size_t from, size_t count)
{
    size_t at = from, bytes = 0;
    sink->guards_count = 0;
    for (; at < count && at - from < CHUNK_EFFECTS_MAX && bytes < CHUNK_BYTES_MAX; at++) {
        sink_effect *effect = &sink->effects[at];
        effect->guard = 0;
        if (effect->output->from_place != 0) {
            effect->guard = guard_of(sink, effect->output);
            if (effect->guard == 0) break;
            sink->guards[effect->guard - 1].last = at;
        }
        bytes += bytes_of(effect->output);
    }
    LEAT_ASSERT(at > from);
    return at;
}

/* --- the call --- */

static void word_number(leat_sink_redis *sink, int64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)number);
    leat_redis_write_word((leat_str){text, (size_t)len}, &sink->send);
}

static void word_guard_key(leat_sink_redis *sink, const sink_guard *guard)
{
    leat_buf_reset(&sink->key);
    leat_buf_add_text(&sink->key, sink->prefix);
    leat_buf_add(&sink->key, guard->topic);
    leat_buf_add_char(&sink->key, ':');
    leat_buf_add_int(&sink->key, guard->partition);
    leat_redis_write_word(leat_buf_str(&sink->key), &sink->send);
}

static void write_guards(leat_sink_redis *sink, const leat_effects *effects, size_t count)
{
    for (size_t i = 0; i < sink->guards_count; i++) {
        const sink_guard *guard = &sink->guards[i];
        const sink_effect *last = &sink->effects[guard->last];
        bool more = guard->last + 1 < count && same_place(last->output, (last + 1)->output);
        int64_t committed = effects->committed(effects->context, guard->topic, guard->partition);
        word_number(sink, (int64_t)leat_exec_place(committed < 0 ? 0 : committed));
        word_number(sink, (int64_t)last->output->from_place);
        word_number(sink, more ? (int64_t)last->index + 1 : -1);
    }
}

static void write_effect(leat_sink_redis *sink, const sink_effect *effect)
{
    const leat_output *output = effect->output;
    word_number(sink, effect->guard);
    word_number(sink, (int64_t)output->from_place);
    word_number(sink, effect->index);
    word_number(sink, (int64_t)output->commands_count);
    for (size_t i = 0; i < output->commands_count; i++) {
        word_number(sink, (int64_t)output->commands[i].count);
        for (size_t w = 0; w < output->commands[i].count; w++)
            leat_redis_write_word(output->commands[i].words[w], &sink->send);
    }
}

static void write_chunk(leat_sink_redis *sink, const leat_effects *effects, size_t from, size_t to,
                        size_t count)
{
    size_t words = 3 + 4 * sink->guards_count;
    for (size_t i = from; i < to; i++) {
        const leat_output *output = sink->effects[i].output;
        words += 4;
        for (size_t c = 0; c < output->commands_count; c++)
            words += 1 + output->commands[c].count;
    }
    bool known = sink->sha[0] != '\0';
    leat_buf_reset(&sink->send);
    leat_redis_write_head(words, &sink->send);
    leat_redis_write_word(known ? LEAT_STR("EVALSHA") : LEAT_STR("EVAL"), &sink->send);
    leat_redis_write_word(leat_str_of(known ? sink->sha : script), &sink->send);
    word_number(sink, (int64_t)sink->guards_count);
    for (size_t i = 0; i < sink->guards_count; i++)
        word_guard_key(sink, &sink->guards[i]);
    write_guards(sink, effects, count);
    for (size_t i = from; i < to; i++)
        write_effect(sink, &sink->effects[i]);
}

static leat_code load_script(leat_sink_redis *sink, leat_err *err)
{
    const leat_redis_reply *reply;
    const leat_str words[] = {LEAT_STR("SCRIPT"), LEAT_STR("LOAD"), leat_str_of(script)};
    leat_buf_reset(&sink->send);
    leat_redis_write(words, 3, &sink->send);
    LEAT_TRY(leat_redis_exchange(sink->redis, leat_buf_str(&sink->send), 1, 0, sink->arena, &reply,
                                 err));
    if (reply->kind == LEAT_REDIS_STRING && reply->text.len < sizeof sink->sha) {
        (void)snprintf(sink->sha, sizeof sink->sha, "%.*s", LEAT_STR_ARG(reply->text));
        return LEAT_OK;
    }
    sink->sha[0] = '\0'; /* the user may not load, but perhaps evaluate */
    return LEAT_OK;
}

/* The script's answer, and how many replicas have it where that is asked. */
static leat_code call(leat_sink_redis *sink, const leat_redis_reply **reply, leat_err *err)
{
    const leat_redis_settings *settings = leat_redis_settings_of(sink->redis);
    const leat_redis_reply *replies[2];
    size_t count = 1;
    if (settings->replicas > 0) {
        leat_redis_write_head(3, &sink->send);
        leat_redis_write_word(LEAT_STR("WAIT"), &sink->send);
        word_number(sink, settings->replicas);
        word_number(sink, settings->timeout_ms * 3 / 4 + 1);
        count++;
    }
    LEAT_TRY(leat_buf_check(&sink->send, "the effects of a batch", err));
    LEAT_TRY(leat_redis_exchange(sink->redis, leat_buf_str(&sink->send), count, 0, sink->arena,
                                 replies, err));
    *reply = replies[0];
    if (count == 1 || replies[0]->kind == LEAT_REDIS_ERROR) return LEAT_OK;
    if (replies[1]->kind == LEAT_REDIS_INTEGER && replies[1]->integer >= settings->replicas)
        return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_UNAVAILABLE,
                        "%.*s: only %lld of %lld replicas have the effects ('replicas')",
                        LEAT_STR_ARG(settings->place), (long long)replies[1]->integer,
                        (long long)settings->replicas);
}

/* An error of the whole script: nothing has been applied. */
static leat_code script_failed(leat_sink_redis *sink, const leat_redis_reply *reply, leat_err *err)
{
    leat_code code = leat_redis_error(sink->redis, reply, err);
    if (leat_code_blame(code) == LEAT_BLAME_TASK) leat_redis_drop(sink->redis, err);
    if (leat_code_blame(code) != LEAT_BLAME_RECORD) return code;
    err->code = LEAT_ERR_CONFIG; /* a guard's key that holds something else, say */
    return leat_err_prefix(err, "effects cannot be applied (guards: %s*)", sink->prefix);
}

/* --- the answer --- */

static leat_code add_refused(leat_effects *effects, const leat_output *output, leat_str why,
                             leat_err *err)
{
    size_t count = effects->refused_count;
    if ((count & (count - 1)) == 0) {
        size_t size = count == 0 ? 1 : count * 2;
        leat_refused_effect *more =
            leat_mem_try_resize(effects->refused, size * sizeof *effects->refused);
        if (more == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for effects");
        effects->refused = more;
    }
    leat_refused_effect *refused = &effects->refused[effects->refused_count++];
    refused->output = *output;
    if (why.len > 300) why.len = 300;
    leat_err_set(&refused->why, LEAT_ERR_INVALID, "redis has refused it: %.*s", LEAT_STR_ARG(why));
    return LEAT_OK;
}

static leat_code read_answer(leat_sink_redis *sink, const leat_redis_reply *reply, size_t from,
                             size_t to, leat_effects *effects, leat_err *err)
{
    leat_redis_counts *counts = leat_redis_counts_of(sink->redis);
    if (reply->kind != LEAT_REDIS_ARRAY || reply->count != 3 ||
        reply->items[2]->kind != LEAT_REDIS_ARRAY)
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "the script's answer makes no sense");
    const leat_redis_reply *refused = reply->items[2];
    leat_redis_add(&counts->effects_applied, (uint64_t)reply->items[0]->integer);
    leat_redis_add(&counts->effects_skipped, (uint64_t)reply->items[1]->integer);
    for (size_t i = 0; i + 1 < refused->count; i += 2) {
        int64_t number = refused->items[i]->integer;
        if (number < 1 || (uint64_t)number > to - from)
            return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "the script's answer makes no sense");
        leat_redis_add(&counts->effects_refused, 1);
        LEAT_TRY(add_refused(effects, sink->effects[from + (size_t)number - 1].output,
                             refused->items[i + 1]->text, err));
    }
    if (reply->items[1]->integer > 0)
        leat_log_repeat(LEAT_LEVEL_INFO, "redis", leat_redis_pipeline(sink->redis), "skipped",
                        "%.*s: %lld effect(s) had been applied before, and were passed over "
                        "(guards: %s*)",
                        LEAT_STR_ARG(leat_redis_settings_of(sink->redis)->place),
                        (long long)reply->items[1]->integer, sink->prefix);
    return LEAT_OK;
}

static leat_code apply_chunk(leat_sink_redis *sink, leat_effects *effects, size_t from, size_t to,
                             size_t count, leat_err *err)
{
    const leat_redis_reply *reply;
    leat_arena_reset(sink->arena);
    if (sink->sha[0] == '\0') LEAT_TRY(load_script(sink, err));
    write_chunk(sink, effects, from, to, count);
    LEAT_TRY(call(sink, &reply, err));
    if (reply->kind == LEAT_REDIS_ERROR &&
        leat_str_starts(reply->text, LEAT_STR("NOSCRIPT"))) { /* restarted, or flushed */
        sink->sha[0] = '\0';
        LEAT_TRY(load_script(sink, err));
        write_chunk(sink, effects, from, to, count);
        LEAT_TRY(call(sink, &reply, err));
    }
    if (reply->kind == LEAT_REDIS_ERROR) return script_failed(sink, reply, err);
    return read_answer(sink, reply, from, to, effects, err);
}

leat_code leat_sink_redis_apply(leat_sink_redis *sink, leat_effects *effects, leat_err *err)
{
    size_t count = 0;
    LEAT_TRY(collect(sink, effects, &count, err));
    for (size_t from = 0; from < count;) {
        size_t to = chunk_end(sink, from, count);
        LEAT_TRY(apply_chunk(sink, effects, from, to, count, err));
        from = to;
    }
    return LEAT_OK;
}
