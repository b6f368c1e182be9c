/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to Redis.
 *
 * One connection a shard and server, and one conversation at a time: a batch's commands go out
 * together, and its answers are waited for. So there is no queue that could grow, and no answer
 * that could come to the wrong question: after a time-out the connection is closed.
 *
 *   closed --call--> connecting (address, or Sentinel's) -> TLS -> HELLO, login -> open
 *     ^                 failure: back-off, doubled each time, with chance
 *     +--- failure -- open
 *   failures in a row: the breaker opens, calls fail at once; after a while one call is let through
 *
 * What nobody can mend by waiting (password, certificate, a cluster) is told apart by its code and
 * ends the worker. Refused: Redis Cluster. A script may only touch keys of one slot there, so that
 * an effect and its guard could not be changed together without forcing a hash tag on every key. */
#include "worker/redis.h"
#include "worker/clock.h"

#include <stdio.h>
#include <sys/random.h>

#include "core/mem.h"
#include "worker/logger.h"
#include "worker/redis_stream.h"

#define READ_BYTES      65536
#define HELLO_BYTES_MAX ((size_t)64 << 10)
#define HANDSHAKES_MAX  3

struct leat_redis {
    const leat_redis_settings *settings;
    const char *pipeline;
    leat_redis_counts *counts;
    leat_stream_tls *tls;
    leat_stream *stream; /* NULL: not connected */
    leat_redis_reader *reader;
    leat_buf hello;    /* commands of the handshake */
    leat_arena *arena; /* and its replies */
    uint64_t chance;
    int64_t failures;      /* in a row */
    int64_t open_until_ms; /* of the breaker; 0: closed */
    int64_t attempts;      /* to connect, in a row, in vain */
    int64_t next_ms;       /* not before */
    leat_err last;
    char in[READ_BYTES];
};

/* --- life --- */

leat_code leat_redis_new(const leat_redis_settings *settings, const char *pipeline,
                         leat_redis_counts *counts, leat_redis **redis, leat_err *err)
{
    leat_redis *made = leat_mem_need(sizeof *made);
    made->settings = settings;
    made->pipeline = pipeline;
    made->counts = counts;
    /* Only spreads attempts to connect: zeros of a failed call do too, by the address. */
    if (getrandom(&made->chance, sizeof made->chance, 0) < 0) made->chance = 0;
    made->chance |= 1;
    leat_buf_init(&made->hello, HELLO_BYTES_MAX);
    leat_code code = leat_arena_new(&made->arena, HELLO_BYTES_MAX * 4, err);
    if (code == LEAT_OK) code = leat_stream_tls_new(settings, &made->tls, err);
    if (code == LEAT_OK) {
        *redis = made;
        return LEAT_OK;
    }
    leat_redis_free(&made);
    return leat_err_prefix(err, "%.*s", LEAT_STR_ARG(settings->place));
}

static void disconnect(leat_redis *redis)
{
    leat_stream_close(&redis->stream);
    leat_redis_reader_free(&redis->reader);
}

void leat_redis_free(leat_redis **redis)
{
    if (*redis == NULL) return;
    disconnect(*redis);
    leat_stream_tls_free(&(*redis)->tls);
    leat_buf_release(&(*redis)->hello);
    leat_arena_free(&(*redis)->arena);
    leat_mem_free(*redis);
    *redis = NULL;
}

const leat_redis_settings *leat_redis_settings_of(const leat_redis *redis)
{
    return redis->settings;
}

const char *leat_redis_pipeline(const leat_redis *redis)
{
    return redis->pipeline;
}

leat_redis_counts *leat_redis_counts_of(const leat_redis *redis)
{
    return redis->counts;
}

/* --- what an error means --- */

static bool starts(leat_str text, const char *word)
{
    return leat_str_starts(text, leat_str_of(word));
}

leat_code leat_redis_error(const leat_redis *redis, const leat_redis_reply *reply, leat_err *err)
{
    static const struct {
        const char *word;
        leat_code code;
        const char *remedy;
    } known[] = {
        {"NOAUTH", LEAT_ERR_DENIED, " (set 'password', and 'username' if it is not the default)"},
        {"WRONGPASS", LEAT_ERR_DENIED, " (see 'username' and 'password')"},
        {"NOPERM", LEAT_ERR_DENIED, " (the user's ACL does not allow it)"},
        {"MOVED", LEAT_ERR_CONFIG, " (Redis Cluster is not supported)"},
        {"ASK", LEAT_ERR_CONFIG, " (Redis Cluster is not supported)"},
        {"CROSSSLOT", LEAT_ERR_CONFIG, " (Redis Cluster is not supported)"},
        {"CLUSTERDOWN", LEAT_ERR_CONFIG, " (Redis Cluster is not supported)"},
        {"LOADING", LEAT_ERR_UNAVAILABLE, ""},
        {"BUSY", LEAT_ERR_UNAVAILABLE, ""},
        {"MASTERDOWN", LEAT_ERR_UNAVAILABLE, ""},
        {"READONLY", LEAT_ERR_UNAVAILABLE, ""},
        {"OOM", LEAT_ERR_UNAVAILABLE, " (the server's maxmemory is reached)"},
        {"MISCONF", LEAT_ERR_UNAVAILABLE, ""},
        {"NOREPLICAS", LEAT_ERR_UNAVAILABLE, ""},
        {"TRYAGAIN", LEAT_ERR_UNAVAILABLE, ""},
    };
    LEAT_ASSERT(reply->kind == LEAT_REDIS_ERROR);
    leat_str place = redis->settings->place, text = reply->text;
    if (text.len > 300) text.len = 300;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (starts(text, known[i].word))
            return leat_err_set(err, known[i].code, "%.*s: %.*s%s", LEAT_STR_ARG(place),
                                LEAT_STR_ARG(text), known[i].remedy);
    return leat_err_set(err, LEAT_ERR_INVALID, "%.*s: %.*s", LEAT_STR_ARG(place),
                        LEAT_STR_ARG(text));
}

/* --- failures --- */

static uint64_t next_chance(leat_redis *redis)
{
    redis->chance ^= redis->chance << 13;
    redis->chance ^= redis->chance >> 7;
    redis->chance ^= redis->chance << 17;
    return redis->chance;
}

static void note_failure(leat_redis *redis, const leat_err *why)
{
    const leat_redis_settings *settings = redis->settings;
    redis->last = *why;
    redis->failures++;
    leat_redis_add(&redis->counts->failures, 1);
    leat_log_repeat(LEAT_LEVEL_WARN, "redis", redis->pipeline, "redis failed", "%s", why->text);
    if (redis->failures < settings->breaker_failures) return;
    redis->open_until_ms = leat_clock_ms() + settings->breaker_open_ms;
    leat_redis_add(&redis->counts->breaker_opened, 1);
    leat_log_line(LEAT_LEVEL_WARN, "redis", redis->pipeline,
                  "%.*s: %lld failure(s) in a row: nothing is asked for %lld ms",
                  LEAT_STR_ARG(settings->place), (long long)redis->failures,
                  (long long)settings->breaker_open_ms);
}

static void note_success(leat_redis *redis)
{
    if (redis->open_until_ms != 0)
        leat_log_line(LEAT_LEVEL_INFO, "redis", redis->pipeline, "%.*s: answers again",
                      LEAT_STR_ARG(redis->settings->place));
    redis->failures = 0;
    redis->open_until_ms = 0;
    redis->attempts = 0;
    redis->next_ms = 0;
}

/* After a failed attempt to connect: half of the pause is certain, half is chance. */
static void back_off(leat_redis *redis)
{
    const leat_redis_settings *settings = redis->settings;
    int64_t pause = settings->backoff_ms;
    for (int64_t i = 0; i < redis->attempts && pause < settings->backoff_max_ms; i++)
        pause *= 2;
    if (pause > settings->backoff_max_ms) pause = settings->backoff_max_ms;
    redis->attempts++;
    uint64_t half = (uint64_t)(pause / 2 + 1);
    redis->next_ms = leat_clock_ms() + pause / 2 + (int64_t)(next_chance(redis) % half);
}

/* May it be asked now? */
static leat_code gate(leat_redis *redis, leat_err *err)
{
    int64_t now = leat_clock_ms();
    const char *place = redis->settings->place.data;
    int len = (int)redis->settings->place.len;
    if (now < redis->open_until_ms)
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE,
                            "%.*s: not asked for %lld ms more, after %lld failure(s) in a row; the "
                            "last: %.300s",
                            len, place, (long long)(redis->open_until_ms - now),
                            (long long)redis->failures, redis->last.text);
    if (redis->stream == NULL && now < redis->next_ms)
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE,
                            "%.*s: not connected, next attempt in %lld ms; the last: %.300s", len,
                            place, (long long)(redis->next_ms - now), redis->last.text);
    return LEAT_OK;
}

/* --- a conversation --- */

/* commands out, count replies in. *any: something has come. */
static leat_code converse(leat_redis *redis, leat_str commands, size_t count, int64_t deadline_ms,
                          leat_arena *arena, const leat_redis_reply **replies, bool *any,
                          leat_err *err)
{
    size_t received = 0, sent = 0;
    uint64_t bytes = 0;
    *any = false;
    while (received < count) {
        size_t written, got;
        LEAT_TRY(leat_stream_turn(redis->stream, leat_str_slice(commands, sent, commands.len),
                                  redis->in, sizeof redis->in, deadline_ms, &written, &got, err));
        sent += written;
        if (got == 0) continue;
        *any = true;
        bytes += got;
        if (bytes > redis->settings->reply_bytes_max)
            return leat_err_set(err, LEAT_ERR_UNAVAILABLE,
                                "the answers to one batch are more than %llu bytes ('reply_max')",
                                (unsigned long long)redis->settings->reply_bytes_max);
        LEAT_TRY(leat_redis_reader_feed(redis->reader, (leat_str){redis->in, got}, err));
        while (received < count) {
            LEAT_TRY(leat_redis_reader_next(redis->reader, arena, &replies[received], err));
            if (replies[received] == NULL) break;
            received++;
        }
    }
    return LEAT_OK;
}

/* --- connecting --- */

static leat_code open_stream(leat_redis *redis, const leat_redis_address *address,
                             int64_t deadline_ms, leat_err *err)
{
    disconnect(redis);
    leat_redis_add(&redis->counts->connects, 1);
    LEAT_TRY(leat_redis_reader_new(&redis->reader, err));
    return leat_stream_open(address, redis->tls, deadline_ms, &redis->stream, err);
}

/* A few commands of the handshake, in redis->hello; the first error is the answer. */
static leat_code greet(leat_redis *redis, size_t count, int64_t deadline_ms,
                       const leat_redis_reply **replies, leat_err *err)
{
    bool any;
    LEAT_ASSERT(count <= HANDSHAKES_MAX);
    leat_arena_reset(redis->arena);
    LEAT_TRY(leat_buf_check(&redis->hello, "user and password", err));
    LEAT_TRY(converse(redis, leat_buf_str(&redis->hello), count, deadline_ms, redis->arena, replies,
                      &any, err));
    for (size_t i = 0; i < count; i++) {
        if (replies[i]->kind != LEAT_REDIS_ERROR) continue;
        if (starts(replies[i]->text, "ERR unknown command"))
            return leat_err_set(err, LEAT_ERR_CONFIG, "%.*s: Redis 6 or later is needed (%.*s)",
                                LEAT_STR_ARG(redis->settings->place),
                                LEAT_STR_ARG(replies[i]->text));
        leat_code code = leat_redis_error(redis, replies[i], err);
        if (leat_code_blame(code) != LEAT_BLAME_RECORD) return code;
        err->code = LEAT_ERR_CONFIG; /* such as a database that is not there */
        return err->code;
    }
    return LEAT_OK;
}

static void add_login(leat_redis *redis, leat_str username, leat_str password)
{
    leat_redis_write_word(LEAT_STR("AUTH"), &redis->hello);
    leat_redis_write_word(username.len > 0 ? username : LEAT_STR("default"), &redis->hello);
    leat_redis_write_word(password, &redis->hello);
}

/* A member of HELLO's answer: name, value, name, value ... */
static leat_str hello_says(const leat_redis_reply *reply, const char *name)
{
    for (size_t i = 0; i + 1 < reply->count; i += 2)
        if (leat_str_is(reply->items[i]->text, name)) return reply->items[i + 1]->text;
    return LEAT_STR_NONE;
}

static leat_code handshake(leat_redis *redis, int64_t deadline_ms, leat_err *err)
{
    const leat_redis_settings *settings = redis->settings;
    const leat_redis_reply *replies[HANDSHAKES_MAX];
    bool login = settings->password.len > 0;
    size_t count = 1;
    leat_buf_reset(&redis->hello);
    leat_redis_write_head(login ? 7 : 4, &redis->hello);
    leat_redis_write_word(LEAT_STR("HELLO"), &redis->hello);
    leat_redis_write_word(LEAT_STR("2"), &redis->hello);
    if (login) add_login(redis, settings->username, settings->password);
    leat_redis_write_word(LEAT_STR("SETNAME"), &redis->hello);
    leat_redis_write_word(leat_str_of(redis->pipeline), &redis->hello);
    if (settings->database > 0) {
        char number[24];
        (void)snprintf(number, sizeof number, "%lld", (long long)settings->database);
        const leat_str words[] = {LEAT_STR("SELECT"), leat_str_of(number)};
        leat_redis_write(words, 2, &redis->hello);
        count++;
    }
    LEAT_TRY(greet(redis, count, deadline_ms, replies, err));
    leat_str mode = hello_says(replies[0], "mode"), role = hello_says(replies[0], "role");
    if (leat_str_is(mode, "cluster"))
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "%.*s: the server is part of a Redis Cluster, which is not supported; "
                            "use a single server, or one behind Sentinels",
                            LEAT_STR_ARG(settings->place));
    if (leat_str_is(mode, "sentinel"))
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "%.*s: this is a Sentinel: give it as 'sentinel', with 'master'",
                            LEAT_STR_ARG(settings->place));
    if ((settings->written || settings->master.len > 0) && !leat_str_is(role, "master"))
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "the server is a %.*s, not a primary",
                            LEAT_STR_ARG(role));
    return LEAT_OK;
}

/* 0: it is none. */
static int port_of(leat_str text)
{
    int port = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return 0;
        port = port * 10 + (text.data[i] - '0');
        if (port > 65535) return 0;
    }
    return port;
}

/* What a Sentinel calls the server's address. */
static leat_code ask_sentinel(leat_redis *redis, const leat_redis_address *sentinel,
                              int64_t deadline_ms, leat_redis_address *address, char *host,
                              size_t host_size, leat_err *err)
{
    const leat_redis_settings *settings = redis->settings;
    const leat_redis_reply *replies[HANDSHAKES_MAX];
    size_t count = 0;
    LEAT_TRY(open_stream(redis, sentinel, deadline_ms, err));
    leat_buf_reset(&redis->hello);
    if (settings->sentinel_password.len > 0) {
        leat_redis_write_head(3, &redis->hello);
        add_login(redis, settings->sentinel_username, settings->sentinel_password);
        count++;
    }
    const leat_str words[] = {LEAT_STR("SENTINEL"), LEAT_STR("get-master-addr-by-name"),
                              settings->master};
    leat_redis_write(words, 3, &redis->hello);
    count++;
    LEAT_TRY(greet(redis, count, deadline_ms, replies, err));
    const leat_redis_reply *answer = replies[count - 1];
    if (answer->kind == LEAT_REDIS_NIL)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "%.*s.sentinel.master: the Sentinel at %.*s:%d knows no '%.*s'",
                            LEAT_STR_ARG(settings->place), LEAT_STR_ARG(sentinel->host),
                            (int)sentinel->port, LEAT_STR_ARG(settings->master));
    bool good = answer->kind == LEAT_REDIS_ARRAY && answer->count == 2 &&
                answer->items[0]->text.len > 0 && answer->items[0]->text.len < host_size;
    int port = good ? port_of(answer->items[1]->text) : 0;
    if (port == 0)
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "the Sentinel's answer makes no sense");
    (void)snprintf(host, host_size, "%.*s", LEAT_STR_ARG(answer->items[0]->text));
    *address = (leat_redis_address){leat_str_of(host), port};
    return LEAT_OK;
}

/* The settings' addresses one after the other; one that does not answer takes its share of the time
 * that is left, and no more. */
static leat_code try_addresses(leat_redis *redis, int64_t deadline_ms, leat_err *err)
{
    const leat_redis_settings *settings = redis->settings;
    leat_code code = LEAT_ERR_UNAVAILABLE;
    for (size_t i = 0; i < settings->addresses_count; i++) {
        char host[256];
        leat_redis_address address = settings->addresses[i];
        int64_t now = leat_clock_ms();
        int64_t until = now + (deadline_ms - now) / (int64_t)(settings->addresses_count - i);
        code = LEAT_OK;
        if (settings->master.len > 0)
            code = ask_sentinel(redis, &settings->addresses[i], until, &address, host, sizeof host,
                                err);
        if (code == LEAT_OK) code = open_stream(redis, &address, until, err);
        if (code == LEAT_OK) code = handshake(redis, until, err);
        if (code == LEAT_OK) return LEAT_OK;
        disconnect(redis);
        if (leat_code_blame(code) != LEAT_BLAME_TASK) break;
        if (leat_clock_ms() >= deadline_ms) break;
    }
    if (code == LEAT_ERR_UNAVAILABLE && settings->tls && settings->cert.data == NULL) {
        leat_err was = *err; /* a server that misses a certificate may just hang up */
        leat_err_set(err, code, "%.400s (if it asks for a certificate: tls.cert, tls.key)",
                     was.text);
    }
    if (!leat_str_starts(leat_str_of(err->text), settings->place))
        (void)leat_err_prefix(err, "%.*s", LEAT_STR_ARG(settings->place));
    return code;
}

static leat_code connect_now(leat_redis *redis, leat_err *err)
{
    int64_t deadline_ms = leat_clock_ms() + redis->settings->connect_timeout_ms;
    leat_code code = try_addresses(redis, deadline_ms, err);
    if (code == LEAT_OK) return LEAT_OK;
    if (leat_code_blame(code) == LEAT_BLAME_TASK) back_off(redis);
    return code;
}

leat_code leat_redis_check(leat_redis *redis, leat_err *err)
{
    if (redis->stream != NULL) return LEAT_OK;
    leat_code code = connect_now(redis, err);
    if (code == LEAT_OK)
        note_success(redis);
    else if (leat_code_blame(code) == LEAT_BLAME_TASK)
        note_failure(redis, err);
    return code;
}

/* --- asking --- */

static leat_code ask(leat_redis *redis, leat_str commands, size_t count, int64_t timeout_ms,
                     leat_arena *arena, const leat_redis_reply **replies, leat_err *err)
{
    bool any = false, reused = redis->stream != NULL;
    if (!reused) LEAT_TRY(connect_now(redis, err));
    int64_t deadline_ms = leat_clock_ms() + timeout_ms;
    leat_code code = converse(redis, commands, count, deadline_ms, arena, replies, &any, err);
    if (code == LEAT_ERR_UNAVAILABLE && reused && !any) { /* closed while it was idle */
        disconnect(redis);
        LEAT_TRY(connect_now(redis, err));
        deadline_ms = leat_clock_ms() + timeout_ms;
        code = converse(redis, commands, count, deadline_ms, arena, replies, &any, err);
    }
    if (code == LEAT_OK) return LEAT_OK;
    if (code == LEAT_ERR_TIMEOUT)
        return leat_err_set(err, code, "%.*s: no answer within %lld ms ('timeout')",
                            LEAT_STR_ARG(redis->settings->place), (long long)timeout_ms);
    return leat_err_prefix(err, "%.*s", LEAT_STR_ARG(redis->settings->place));
}

leat_code leat_redis_exchange(leat_redis *redis, leat_str commands, size_t count,
                              int64_t timeout_ms, leat_arena *arena,
                              const leat_redis_reply **replies, leat_err *err)
{
    LEAT_TRY(gate(redis, err));
    if (timeout_ms == 0) timeout_ms = redis->settings->timeout_ms;
    leat_code code = ask(redis, commands, count, timeout_ms, arena, replies, err);
    if (code == LEAT_OK) {
        note_success(redis);
        return LEAT_OK;
    }
    disconnect(redis);
    if (leat_code_blame(code) == LEAT_BLAME_TASK) note_failure(redis, err);
    return code;
}

void leat_redis_drop(leat_redis *redis, const leat_err *why)
{
    disconnect(redis);
    note_failure(redis, why);
}

leat_str leat_redis_info(leat_str info, const char *name)
{
    size_t len = strlen(name);
    for (size_t at = 0; at < info.len;) {
        const char *end = memchr(info.data + at, '\n', info.len - at);
        size_t stop = end == NULL ? info.len : (size_t)(end - info.data);
        leat_str line = leat_str_slice(info, at, stop);
        if (line.len > 0 && line.data[line.len - 1] == '\r') line.len--;
        if (line.len > len && line.data[len] == ':' && memcmp(line.data, name, len) == 0)
            return leat_str_slice(line, len + 1, line.len);
        at = stop + 1;
    }
    return LEAT_STR_NONE;
}
