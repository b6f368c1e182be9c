/* SPDX-License-Identifier: Apache-2.0 */
/* A connection as bytes: TCP, with TLS where asked for, never blocking past a deadline.
 *
 * Deadlines are milliseconds of leat_clock_ms. Names are resolved by the system's resolver,
 * which has time-outs of its own. Owner: whoever opened it. Thread: one.
 * Errors: UNAVAILABLE and TIMEOUT name host and port; CONFIG where a certificate, key or authority
 * is wrong, so that trying again is no use. */
#ifndef LEAT_WORKER_REDIS_STREAM_H
#define LEAT_WORKER_REDIS_STREAM_H

#include "transforms/redis.h"

typedef struct leat_stream leat_stream;
typedef struct leat_stream_tls leat_stream_tls; /* certificates and keys, for many streams */

/* NULL in *tls where the settings ask for none. */
leat_code leat_stream_tls_new(const leat_redis_settings *settings, leat_stream_tls **tls,
                              leat_err *err) LEAT_CHECKED;
void leat_stream_tls_free(leat_stream_tls **tls);

leat_code leat_stream_open(const leat_redis_address *address, leat_stream_tls *tls,
                           int64_t deadline_ms, leat_stream **stream, leat_err *err) LEAT_CHECKED;
void leat_stream_close(leat_stream **stream);
/* Writes some of out, or reads some into in, whichever can be done first; waits for it. *read 0 and
 * *written 0 never come together with LEAT_OK. */
leat_code leat_stream_turn(leat_stream *stream, leat_str out, char *in, size_t in_size,
                           int64_t deadline_ms, size_t *written, size_t *read,
                           leat_err *err) LEAT_CHECKED;

#endif
