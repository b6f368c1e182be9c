/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of our own, non-blocking, with OpenSSL between them and the bytes where TLS is asked for.
 *
 * One call does both directions. A batch's commands may be more than the kernel's buffers hold, and
 * the server stops reading when its answers are not taken: who first writes everything and then
 * reads waits for ever. So each turn writes what can be written and reads what is there; only when
 * neither goes does it wait, for whichever comes first.
 *
 * TLS: 1.2 at least, the server's name and certificate are checked unless the pipeline says not to.
 * What is wrong with a certificate stays wrong, so it is an error of the configuration. */
#include "worker/redis_stream.h"
#include "worker/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"

struct leat_stream_tls {
    SSL_CTX *context;
    char *server_name; /* NULL: the address's host */
    bool verify;
};

struct leat_stream {
    int fd;
    SSL *ssl; /* NULL: plain */
    char place[300];
};

/* --- certificates --- */

/* What OpenSSL complains of, in its words. */
static leat_code tls_wrong(const char *what, leat_str file, leat_err *err)
{
    char reason[160];
    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    ERR_clear_error();
    return leat_err_set(err, LEAT_ERR_CONFIG, "%s '%.*s' cannot be used: %s", what,
                        LEAT_STR_ARG(file), reason);
}

static leat_code load_files(SSL_CTX *context, const leat_redis_settings *settings, leat_err *err)
{
    if (settings->ca.data != NULL) {
        if (SSL_CTX_load_verify_locations(context, settings->ca.data, NULL) != 1)
            return tls_wrong("tls.ca", settings->ca, err);
    } else if (SSL_CTX_set_default_verify_paths(context) != 1) {
        return tls_wrong("tls: the system's authorities", LEAT_STR(""), err);
    }
    if (settings->cert.data == NULL) return LEAT_OK;
    if (SSL_CTX_use_certificate_chain_file(context, settings->cert.data) != 1)
        return tls_wrong("tls.cert", settings->cert, err);
    if (SSL_CTX_use_PrivateKey_file(context, settings->key.data, SSL_FILETYPE_PEM) != 1)
        return tls_wrong("tls.key", settings->key, err);
    return LEAT_OK;
}

leat_code leat_stream_tls_new(const leat_redis_settings *settings, leat_stream_tls **tls,
                              leat_err *err)
{
    *tls = NULL;
    if (!settings->tls) return LEAT_OK;
    leat_stream_tls *made = leat_mem_need(sizeof *made);
    made->verify = settings->verify;
    made->context = SSL_CTX_new(TLS_client_method());
    if (made->context == NULL) {
        leat_mem_free(made);
        return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for TLS");
    }
    SSL_CTX_set_min_proto_version(made->context, TLS1_2_VERSION);
    SSL_CTX_set_mode(made->context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(made->context, made->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (settings->server_name.len > 0)
        made->server_name = leat_mem_need_text(settings->server_name.data);
    leat_code code = load_files(made->context, settings, err);
    if (code == LEAT_OK)
        *tls = made;
    else
        leat_stream_tls_free(&made);
    return code;
}

void leat_stream_tls_free(leat_stream_tls **tls)
{
    if (*tls == NULL) return;
    SSL_CTX_free((*tls)->context);
    leat_mem_free((*tls)->server_name);
    leat_mem_free(*tls);
    *tls = NULL;
}

/* --- waiting --- */

static leat_code wait_for(const leat_stream *stream, short events, int64_t deadline_ms,
                          leat_err *err)
{
    for (;;) {
        int64_t left = deadline_ms - leat_clock_ms();
        if (left <= 0) return leat_err_set(err, LEAT_ERR_TIMEOUT, "%s: timed out", stream->place);
        struct pollfd wait = {.fd = stream->fd, .events = events};
        int ready = poll(&wait, 1, left > 60000 ? 60000 : (int)left);
        if (ready > 0) return LEAT_OK;
        if (ready < 0 && errno != EINTR)
            return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "%s: poll failed", stream->place);
    }
}

static leat_code broken(const leat_stream *stream, int number, leat_err *err)
{
    char reason[128];
    if (number == 0)
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "%s: the server has closed the connection",
                            stream->place);
    return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "%s: %s", stream->place,
                        strerror_r(number, reason, sizeof reason));
}

/* --- opening --- */

static leat_code connect_one(leat_stream *stream, const struct addrinfo *to, int64_t deadline_ms,
                             leat_err *err)
{
    int number = 0, on = 1;
    socklen_t size = sizeof number;
    stream->fd = socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream->fd < 0) return broken(stream, errno, err);
    (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(stream->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (connect(stream->fd, to->ai_addr, to->ai_addrlen) == 0) return LEAT_OK;
    if (errno != EINPROGRESS) return broken(stream, errno, err);
    LEAT_TRY(wait_for(stream, POLLOUT, deadline_ms, err));
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
    return number == 0 ? LEAT_OK : broken(stream, number, err);
}

static leat_code connect_any(leat_stream *stream, const leat_redis_address *address,
                             int64_t deadline_ms, leat_err *err)
{
    struct addrinfo *found = NULL, hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[16];
    (void)snprintf(port, sizeof port, "%d", (int)address->port);
    int answer = getaddrinfo(address->host.data, port, &hints, &found);
    if (answer != 0)
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "%s: the name is not known: %s",
                            stream->place, gai_strerror(answer));
    leat_code code = LEAT_OK;
    int64_t left = 0;
    for (const struct addrinfo *to = found; to != NULL; to = to->ai_next)
        left++;
    for (const struct addrinfo *to = found; to != NULL; to = to->ai_next, left--) {
        int64_t now = leat_clock_ms(); /* each has its share of the time */
        code = connect_one(stream, to, now + (deadline_ms - now) / left, err);
        if (code == LEAT_OK) break;
        if (stream->fd >= 0) close(stream->fd);
        stream->fd = -1;
    }
    freeaddrinfo(found);
    return code;
}

static leat_code tls_refused(const leat_stream *stream, leat_err *err)
{
    long verdict = SSL_get_verify_result(stream->ssl);
    char reason[160];
    if (verdict != X509_V_OK) {
        ERR_clear_error();
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "%s: the server's certificate is not trusted: %s (see tls.ca and "
                            "tls.server_name)",
                            stream->place, X509_verify_cert_error_string(verdict));
    }
    unsigned long number = ERR_peek_last_error();
    if (number == 0) return broken(stream, errno, err);
    ERR_error_string_n(number, reason, sizeof reason);
    ERR_clear_error();
    return leat_err_set(err, LEAT_ERR_UNAVAILABLE,
                        "%s: TLS failed: %s (does the server speak TLS on this port?)",
                        stream->place, reason);
}

/* What the last call of OpenSSL waits for; 0: it has failed. */
static short tls_wants(const SSL *ssl, int answer)
{
    int why = SSL_get_error(ssl, answer);
    return why == SSL_ERROR_WANT_READ ? POLLIN : why == SSL_ERROR_WANT_WRITE ? POLLOUT : 0;
}

static bool is_number(const char *host)
{
    unsigned char any[16];
    return inet_pton(AF_INET, host, any) == 1 || inet_pton(AF_INET6, host, any) == 1;
}

static leat_code tls_begin(leat_stream *stream, const leat_stream_tls *tls, const char *host,
                           int64_t deadline_ms, leat_err *err)
{
    const char *name = tls->server_name != NULL ? tls->server_name : host;
    stream->ssl = SSL_new(tls->context);
    if (stream->ssl == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for TLS");
    X509_VERIFY_PARAM *verify = SSL_get0_param(stream->ssl);
    bool named = is_number(name) ? X509_VERIFY_PARAM_set1_ip_asc(verify, name) == 1
                                 : SSL_set1_host(stream->ssl, name) == 1;
    if (!is_number(name)) /* only read, though it is not said */
        (void)SSL_ctrl(stream->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                       (void *)(uintptr_t)name);
    if (!named || SSL_set_fd(stream->ssl, stream->fd) != 1)
        return leat_err_set(err, LEAT_ERR_CONFIG, "%s: '%s' is no name for a TLS server",
                            stream->place, name);
    for (;;) {
        ERR_clear_error();
        int answer = SSL_connect(stream->ssl);
        if (answer == 1) return LEAT_OK;
        short wanted = tls_wants(stream->ssl, answer);
        if (wanted == 0) return tls_refused(stream, err);
        LEAT_TRY(wait_for(stream, wanted, deadline_ms, err));
    }
}

leat_code leat_stream_open(const leat_redis_address *address, leat_stream_tls *tls,
                           int64_t deadline_ms, leat_stream **stream, leat_err *err)
{
    leat_stream *made = leat_mem_need(sizeof *made);
    made->fd = -1;
    (void)snprintf(made->place, sizeof made->place, "%.*s:%d", LEAT_STR_ARG(address->host),
                   (int)address->port);
    leat_code code = connect_any(made, address, deadline_ms, err);
    if (code == LEAT_OK && tls != NULL)
        code = tls_begin(made, tls, address->host.data, deadline_ms, err);
    if (code == LEAT_OK)
        *stream = made;
    else
        leat_stream_close(&made);
    return code;
}

void leat_stream_close(leat_stream **stream)
{
    if (*stream == NULL) return;
    SSL_free((*stream)->ssl);
    if ((*stream)->fd >= 0) close((*stream)->fd);
    leat_mem_free(*stream);
    *stream = NULL;
}

/* --- bytes --- */

/* Each gives how many; 0: has to wait for *wanted. */
static leat_code write_some(leat_stream *stream, leat_str out, size_t *written, short *wanted,
                            leat_err *err)
{
    if (stream->ssl != NULL) {
        ERR_clear_error();
        int answer = SSL_write_ex(stream->ssl, out.data, out.len, written);
        if (answer == 1) return LEAT_OK;
        *written = 0;
        *wanted |= tls_wants(stream->ssl, answer);
        return *wanted != 0 ? LEAT_OK : tls_refused(stream, err);
    }
    ssize_t some = send(stream->fd, out.data, out.len, MSG_NOSIGNAL);
    if (some > 0) {
        *written = (size_t)some;
        return LEAT_OK;
    }
    if (errno != EAGAIN && errno != EINTR) return broken(stream, errno, err);
    *wanted |= POLLOUT;
    return LEAT_OK;
}

static leat_code read_some(leat_stream *stream, char *in, size_t size, size_t *got, short *wanted,
                           leat_err *err)
{
    if (stream->ssl != NULL) {
        ERR_clear_error();
        int answer = SSL_read_ex(stream->ssl, in, size, got);
        if (answer == 1) return LEAT_OK;
        *got = 0;
        int why = SSL_get_error(stream->ssl, answer);
        if (why == SSL_ERROR_ZERO_RETURN) return broken(stream, 0, err);
        short wants = tls_wants(stream->ssl, answer);
        *wanted |= wants;
        return wants != 0 ? LEAT_OK : tls_refused(stream, err);
    }
    ssize_t some = recv(stream->fd, in, size, 0);
    if (some > 0) {
        *got = (size_t)some;
        return LEAT_OK;
    }
    if (some == 0) return broken(stream, 0, err);
    if (errno != EAGAIN && errno != EINTR) return broken(stream, errno, err);
    *wanted |= POLLIN;
    return LEAT_OK;
}

leat_code leat_stream_turn(leat_stream *stream, leat_str out, char *in, size_t in_size,
                           int64_t deadline_ms, size_t *written, size_t *read, leat_err *err)
{
    LEAT_ASSERT(in_size > 0);
    for (;;) {
        short wanted = 0;
        *written = *read = 0;
        if (out.len > 0) LEAT_TRY(write_some(stream, out, written, &wanted, err));
        LEAT_TRY(read_some(stream, in, in_size, read, &wanted, err));
        if (*written > 0 || *read > 0) return LEAT_OK;
        LEAT_TRY(wait_for(stream, wanted, deadline_ms, err));
    }
}
