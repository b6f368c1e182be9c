/* SPDX-License-Identifier: Apache-2.0 */
/* rawlimit.c - the limit below librdkafka: one blocking socket, Fetch v4, records decoded
 * in place, and for "copy" re-encoded one by one into fresh record batches (varints,
 * CRC-32C) and sent with Produce v3, acks=all. No client library, no allocation per record.
 *   rawlimit consume|copy IN OUT COUNT [PORT]   (4 partitions, leader on 127.0.0.1) */
#include <arpa/inet.h>
#include <endian.h>
#include <netinet/tcp.h>
#include <nmmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PARTS 4
#define BATCH (900 * 1024)
typedef unsigned char u8;

static u8 *w; /* request write position */
static u8 req[16 << 20], resp[32 << 20], batch[PARTS][BATCH + 65536];
static void p16(int v)
{
    uint16_t x = htobe16(v);
    memcpy(w, &x, 2);
    w += 2;
}
static void p32(int32_t v)
{
    uint32_t x = htobe32(v);
    memcpy(w, &x, 4);
    w += 4;
}
static void p64(int64_t v)
{
    uint64_t x = htobe64(v);
    memcpy(w, &x, 8);
    w += 8;
}
static void pstr(const char *s)
{
    p16(strlen(s));
    memcpy(w, s, strlen(s));
    w += strlen(s);
}
static int32_t g32(const u8 *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return be32toh(x);
}
static int64_t g64(const u8 *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return be64toh(x);
}
static u8 *pvar(u8 *p, int64_t v)
{
    uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    while (z > 127) {
        *p++ = z | 128;
        z >>= 7;
    }
    *p++ = z;
    return p;
}
static int64_t gvar(const u8 **p)
{
    uint64_t z = 0;
    for (int s = 0;; s += 7) {
        u8 c = *(*p)++;
        z |= (uint64_t)(c & 127) << s;
        if (c < 128) break;
    }
    return (int64_t)(z >> 1) ^ -(int64_t)(z & 1);
}
static uint32_t crc32c(const u8 *p, size_t n)
{
    uint64_t c = 0xffffffff;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        c = _mm_crc32_u64(c, x);
    }
    while (n--)
        c = _mm_crc32_u8(c, *p++);
    return ~(uint32_t)c;
}
static int dial(int port)
{
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1, big = 4 << 20;
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
    if (connect(s, (void *)&a, sizeof a)) {
        perror("connect");
        exit(1);
    }
    return s;
}
static void begin(int key, int version, int corr)
{
    w = req + 4;
    p16(key);
    p16(version);
    p32(corr);
    pstr("raw");
}
static void post(int s)
{
    size_t n = w - req;
    u8 *p = req;
    w = req;
    p32(n - 4);
    while (n) {
        ssize_t k = write(s, p, n);
        if (k <= 0) {
            perror("write");
            exit(1);
        }
        p += k;
        n -= k;
    }
}
static void get(int s, u8 *p, size_t n)
{
    while (n) {
        ssize_t k = recv(s, p, n, MSG_WAITALL);
        if (k <= 0) {
            perror("read");
            exit(1);
        }
        p += k;
        n -= k;
    }
}
static int32_t reply(int s)
{
    get(s, resp, 4);
    int32_t n = g32(resp);
    get(s, resp, n);
    return n;
}

static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int64_t offset[PARTS], sum;
static struct {
    u8 *end;
    int32_t n;
    int64_t base, max;
} b[PARTS];
static const char *out;
static int ps, inflight;

static void produced(void)
{ /* one Produce v3 response: correlation, topics[name, partitions[index, error, ...]] */
    u8 h[4], r[256];
    get(ps, h, 4);
    int32_t n = g32(h);
    get(ps, r, n);
    const u8 *p = r + 4 + 4;
    p += 2 + (p[0] << 8 | p[1]) + 4 + 4;
    if (p[0] | p[1]) {
        fprintf(stderr, "produce error %d\n", p[0] << 8 | p[1]);
        exit(1);
    }
    inflight--;
}
static void flush(int part)
{
    if (!b[part].n) return;
    u8 *d = batch[part];
    size_t n = b[part].end - d;
    w = d;
    p64(0);
    p32(n - 12);
    p32(-1);
    *w++ = 2;
    w += 4;
    p16(0);
    p32(b[part].n - 1);
    p64(b[part].base);
    p64(b[part].max);
    p64(-1);
    p16(-1);
    p32(-1);
    p32(b[part].n);
    uint32_t c = htobe32(crc32c(d + 21, n - 21));
    memcpy(d + 17, &c, 4);
    begin(0, 3, 0);
    p16(-1);
    p16(-1);
    p32(30000);
    p32(1);
    pstr(out);
    p32(1);
    p32(part);
    p32(n);
    memcpy(w, d, n);
    w += n;
    while (inflight >= 4)
        produced();
    post(ps);
    inflight++;
    b[part].n = 0;
}
static void emit(int part, int64_t ts, const u8 *k, int64_t kl, const u8 *v, int64_t vl)
{
    if (!b[part].n) {
        b[part].end = batch[part] + 61;
        b[part].base = b[part].max = ts;
    }
    u8 h[64], *q = h;
    *q++ = 0;
    q = pvar(q, ts - b[part].base);
    q = pvar(q, b[part].n++);
    q = pvar(q, kl);
    u8 hv[16], *qv = pvar(hv, vl);
    u8 *e = pvar(b[part].end, (q - h) + kl + (qv - hv) + vl + 1);
    memcpy(e, h, q - h);
    e += q - h;
    memcpy(e, k, kl);
    e += kl;
    memcpy(e, hv, qv - hv);
    e += qv - hv;
    memcpy(e, v, vl);
    e += vl;
    *e++ = 0;
    b[part].end = e;
    if (ts > b[part].max) b[part].max = ts;
    if (e - batch[part] > BATCH) flush(part);
}
static void fetch(int s, const char *in)
{
    begin(1, 4, 0);
    p32(-1);
    p32(100);
    p32(1);
    p32(8 << 20);
    *w++ = 1;
    p32(1);
    pstr(in);
    p32(PARTS);
    for (int i = 0; i < PARTS; i++) {
        p32(i);
        p64(offset[i]);
        p32(1 << 20);
    }
    post(s);
}
int main(int argc, char **argv)
{
    if (argc < 5) return 2;
    int copy = !strcmp(argv[1], "copy"), port = argc > 5 ? atoi(argv[5]) : 39092;
    const char *in = argv[2];
    out = argv[3];
    long n = atol(argv[4]), got = 0;
    int s = dial(port);
    ps = dial(port);
    double w0 = wall(), c0 = cpu();
    while (got < n) {
        fetch(s, in);
        reply(s);
        const u8 *p = resp + 8 + 4;
        p += 2 + (p[0] << 8 | p[1]);
        int32_t parts = g32(p);
        p += 4;
        while (parts--) {
            int part = g32(p);
            int32_t aborted = g32(p + 22);
            p += 26 + (aborted > 0 ? 16 * aborted : 0);
            const u8 *e = p + 4 + g32(p);
            for (p += 4; e - p >= 61 && e - p >= 12 + g32(p + 8); p += 12 + g32(p + 8)) {
                int64_t bo = g64(p), ts = g64(p + 27);
                int32_t cnt = g32(p + 57);
                const u8 *r = p + 61;
                if (!(p[22] & 32)) /* not a control batch */
                    for (int32_t i = 0; i < cnt; i++) {
                        int64_t l = gvar(&r);
                        const u8 *q = r + 1, *end = r + l;
                        int64_t t = ts + gvar(&q), o = bo + gvar(&q), kl = gvar(&q);
                        const u8 *k = q;
                        q += kl;
                        int64_t vl = gvar(&q);
                        if (o >= offset[part]) {
                            got++;
                            sum += vl;
                            if (copy) emit(part, t, k, kl, q, vl);
                        }
                        r = end;
                    }
                offset[part] = bo + g32(p + 23) + 1;
            }
            p = e;
        }
    }
    if (copy) {
        for (int i = 0; i < PARTS; i++)
            flush(i);
        while (inflight)
            produced();
    }
    double w1 = wall(), c1 = cpu();
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("{\"engine\":\"E0 raw "
           "%s\",\"in\":%ld,\"bytes\":%lld,\"wall_s\":%.3f,\"cpu_s\":%.3f,\"cpu_s_per_M\":%.4f,"
           "\"kev_per_s\":%.0f,\"rss_MiB\":%ld}\n",
           argv[1], got, (long long)sum, w1 - w0, c1 - c0, (c1 - c0) * 1e6 / got,
           got / (w1 - w0) / 1e3, u.ru_maxrss / 1024);
    return 0;
}
