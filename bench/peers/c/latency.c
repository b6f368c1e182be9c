/* SPDX-License-Identifier: Apache-2.0 */
/* latency.c - common end-to-end latency probe: one thread produces payments at a
 * fixed rate with the send time (us) as event_id, another consumes the engine's
 * output (read_committed) and reads the same id back.
 *   latency [-i IN] [-o OUT] [-r RATE] [-w WARMUP_S] [-d MEASURE_S] [-p ENGINE_PID] [-s BROKERS]
 * With -p the engine's CPU over the measured seconds is reported too. */
#define _GNU_SOURCE
#include "gen.h"
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *in = "lat-in", *out = "lat-out", *brokers = "127.0.0.1:39092";
static long rate = 10000, warm = 25, secs = 30, sent, pid;
static volatile int stop;

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}
static rd_kafka_t *make(rd_kafka_type_t type, const char *kv[][2], int n)
{
    char e[512];
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    rd_kafka_conf_set(c, "bootstrap.servers", brokers, e, sizeof e);
    for (int i = 0; i < n; i++)
        if (rd_kafka_conf_set(c, kv[i][0], kv[i][1], e, sizeof e)) {
            fprintf(stderr, "%s\n", e);
            exit(1);
        }
    rd_kafka_t *rk = rd_kafka_new(type, c, e, sizeof e);
    if (!rk) {
        fprintf(stderr, "%s\n", e);
        exit(1);
    }
    return rk;
}
static double cpu_of(long p)
{
    char path[64], b[1024], *q;
    snprintf(path, sizeof path, "/proc/%ld/stat", p);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    size_t n = fread(b, 1, sizeof b - 1, f);
    fclose(f);
    b[n] = 0;
    unsigned long u = 0, s = 0;
    if ((q = strrchr(b, ')')))
        sscanf(q + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s);
    return (u + s) / (double)sysconf(_SC_CLK_TCK);
}
static void *producer(void *x)
{
    rd_kafka_t *p = x;
    gen_t *g = malloc(sizeof *g);
    gen_init(g, 7);
    char buf[512], key[32];
    int kl;
    int64_t t0 = now_us();
    while (!stop) {
        int64_t due = (now_us() - t0) * rate / 1000000;
        for (; sent < due; sent++) {
            int64_t t = now_us();
            int len = gen_pay(g, t, t / 1000, buf, sizeof buf, key, &kl);
            rd_kafka_producev(p, RD_KAFKA_V_TOPIC(in), RD_KAFKA_V_KEY(key, kl),
                              RD_KAFKA_V_VALUE(buf, len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_END);
        }
        rd_kafka_poll(p, 0);
        usleep(500);
    }
    return NULL;
}
static int cmp(const void *a, const void *b)
{
    int64_t d = *(int64_t *)a - *(int64_t *)b;
    return d < 0 ? -1 : d > 0;
}

int main(int argc, char **argv)
{
    for (int o; (o = getopt(argc, argv, "i:o:r:w:d:p:s:")) != -1;)
        switch (o) {
        case 'i': in = optarg; break;
        case 'o': out = optarg; break;
        case 'r': rate = atol(optarg); break;
        case 'w': warm = atol(optarg); break;
        case 'd': secs = atol(optarg); break;
        case 'p': pid = atol(optarg); break;
        case 's': brokers = optarg; break;
        default: return 2;
        }
    char grp[64];
    snprintf(grp, sizeof grp, "lat-%d-%ld", (int)getpid(), (long)time(NULL));
    const char *pk[][2] = {{"linger.ms", "1"},
                           {"enable.idempotence", "true"},
                           {"delivery.report.only.error", "true"},
                           {"partitioner", "murmur2_random"}};
    const char *ck[][2] = {
        {"group.id", grp}, {"auto.offset.reset", "latest"}, {"enable.auto.commit", "false"}};
    rd_kafka_t *p = make(RD_KAFKA_PRODUCER, pk, 4), *c = make(RD_KAFKA_CONSUMER, ck, 3);
    rd_kafka_poll_set_consumer(c);
    rd_kafka_topic_partition_list_t *sub = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(sub, out, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(c, sub);
    for (int i = 0; i < 40; i++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c, 100);
        if (m) rd_kafka_message_destroy(m);
    }
    pthread_t th;
    pthread_create(&th, NULL, producer, p);
    int64_t start = now_us() + warm * 1000000, end = start + secs * 1000000, now;
    size_t n = 0, cap = rate * (secs + 5);
    int64_t *lat = malloc(cap * sizeof *lat);
    double c0 = 0;
    while ((now = now_us()) < end) {
        if (now >= start && c0 == 0) c0 = pid ? cpu_of(pid) : 1;
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c, 50);
        if (!m) continue;
        now = now_us();
        if (!m->err && now >= start && m->len > 24 && n < cap) {
            const char *s = m->payload, *q = memmem(s, m->len < 64 ? m->len : 64, "id\":\"", 5);
            if (q) lat[n++] = now - (int64_t)strtoull(q + 5, NULL, 16);
        }
        rd_kafka_message_destroy(m);
    }
    double c1 = pid ? cpu_of(pid) : 0;
    stop = 1;
    pthread_join(th, NULL);
    qsort(lat, n, sizeof *lat, cmp);
    if (n)
        printf("{\"latency\":\"%s\",\"rate\":%ld,\"samples\":%zu,\"p50_ms\":%.2f,\"p90_ms\":%.2f,"
               "\"p99_ms\":%.2f,\"p999_ms\":%.2f,\"max_ms\":%.2f,\"engine_cores\":%.3f}\n",
               out, rate, n, lat[n / 2] / 1e3, lat[n * 9 / 10] / 1e3, lat[n * 99 / 100] / 1e3,
               lat[n * 999 / 1000] / 1e3, lat[n - 1] / 1e3, pid ? (c1 - c0) / secs : 0);
    else
        printf("{\"latency\":\"%s\",\"samples\":0}\n", out);
    fflush(stdout);
    _exit(0);
}
