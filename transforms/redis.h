/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan says of Redis, and the port through which a step asks it.
 *
 *   leat_redis_settings   a server, by its name in the pipeline's `redis`
 *   leat_effect           what a sink does to Redis for one record (planned)
 *   leat_redis_command          the same for one record at hand: commands, word by word
 *   leat_lookup_port      how steps read, given to a task by whoever runs it
 *
 * Left of the worker there are no sockets: a step collects the keys of its batch, asks the port
 * once, and goes on with the answers. Owner: the plan's arena, but where a field says otherwise.
 * Thread: settings and effects are immutable; a port belongs to one thread. */
#ifndef LEAT_TRANSFORMS_REDIS_H
#define LEAT_TRANSFORMS_REDIS_H

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "transforms/expr.h"

typedef struct leat_redis_address {
    leat_str host; /* terminated; of IPv6 without brackets */
    int32_t port;
} leat_redis_address;

typedef struct leat_redis_settings leat_redis_settings;
struct leat_redis_settings {
    uint32_t index; /* in the plan */
    leat_str name, place;
    const leat_redis_address *addresses; /* servers; with `master` set, Sentinels */
    size_t addresses_count;
    leat_str master; /* what the Sentinels call it; none: no Sentinel */
    leat_str sentinel_username, sentinel_password;
    leat_str username, password;
    int64_t database;
    bool tls, verify;
    leat_str ca, cert, key, server_name; /* files, as they are opened; none: not given */
    int64_t connect_timeout_ms, timeout_ms;
    int64_t backoff_ms, backoff_max_ms; /* between attempts to connect */
    int64_t breaker_failures, breaker_open_ms;
    uint64_t reply_bytes_max; /* of the answers to one batch */
    int64_t replicas;         /* that have to have an effect before it counts as applied */
    leat_str guard;           /* prefix of the guards' keys */
    bool written;             /* some sink writes to it */
    bool required;            /* the pipeline cannot do without it for a while */
};

typedef enum leat_effect_kind {
    LEAT_EFFECT_SET,
    LEAT_EFFECT_HSET,
    LEAT_EFFECT_INCRBY,
    LEAT_EFFECT_XADD,
    LEAT_EFFECT_PUBLISH,
} leat_effect_kind;

typedef struct leat_effect_field {
    leat_str name;
    leat_expr *value;
} leat_effect_field;

typedef struct leat_effect {
    leat_effect_kind kind;
    uint32_t redis;    /* index of its settings */
    leat_expr *key;    /* PUBLISH: the channel */
    leat_expr *value;  /* NULL: the whole record as JSON; INCRBY: 1 */
    leat_expr *member; /* INCRBY: the hash's field; NULL: the key itself */
    const leat_effect_field *fields;
    size_t fields_count; /* 0: XADD's is the field `value` with the whole record */
    int64_t ttl_ms;      /* 0: none */
    int64_t length_max;  /* XADD; 0: not limited */
} leat_effect;

typedef struct leat_redis_command {
    const leat_str *words;
    size_t count;
} leat_redis_command;

/* --- reading --- */

typedef enum leat_lookup_kind {
    LEAT_LOOKUP_GET,
    LEAT_LOOKUP_HGET,
    LEAT_LOOKUP_HGETALL,
} leat_lookup_kind;

typedef struct leat_lookup_text {
    leat_str name, text; /* name: of HGETALL only */
} leat_lookup_text;

typedef struct leat_lookup_request {
    leat_str key, field; /* field: of HGET */
    /* The answer; in the arena of the call. */
    leat_code code; /* LEAT_OK, or why the server has refused this one (RECORD blame) */
    leat_str why;
    bool found;
    const leat_lookup_text *texts; /* one; of HGETALL as many as there are */
    size_t texts_count;
} leat_lookup_request;

typedef struct leat_lookup_port leat_lookup_port;
struct leat_lookup_port {
    void *self;
    /* All of them in one go, within timeout_ms (0: the setting's). An error is one of all:
     * UNAVAILABLE or TIMEOUT (nothing is known of any), else not to be gone on from. */
    leat_code (*ask)(void *self, uint32_t redis, leat_lookup_kind kind,
                     leat_lookup_request *requests, size_t count, int64_t timeout_ms,
                     leat_arena *arena, leat_err *err);
    /* For the age of cached answers: milliseconds of a clock that never goes back. */
    int64_t (*now_ms)(void *self);
    /* What happened, for metrics: keys found in the cache, asked for, missing, failed. */
    void (*note)(void *self, uint32_t redis, uint64_t cached, uint64_t asked, uint64_t missing,
                 uint64_t failed);
};

#endif
