/* SPDX-License-Identifier: Apache-2.0 */
/* limit.c - the physical limit on plain librdkafka: consume and copy the bytes
 * unchanged, no parsing.
 *   limit -m consume|alo|txn [-i IN] [-o OUT] [-n COUNT] [-c COMMIT_MS] [-k KEEP]
 *         [-b BYTES] [-l LINGER_MS] [-z CODEC] [-s BROKERS]
 * COUNT 0 runs until SIGTERM. KEEP copies every KEEP-th message only, BYTES
 * truncates the copied value (the output volume of a filtering projection).
 * Prints one JSON line: wall and CPU seconds from the first message to the last
 * commit, CPU before it, peak RSS. */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BATCH 10000
static volatile sig_atomic_t stop;
static void on_term(int s)
{
    (void)s;
    stop = 1;
}

static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}
static void check(const char *what, rd_kafka_error_t *e)
{
    if (e) die(what, rd_kafka_error_string(e));
}
static void set(rd_kafka_conf_t *c, const char *k, const char *v)
{
    char e[512];
    if (rd_kafka_conf_set(c, k, v, e, sizeof e)) die(k, e);
}

int main(int argc, char **argv)
{
    const char *mode = "alo", *in = "pay", *out = "out-limit", *linger = "5", *codec = "none",
               *brokers = "127.0.0.1:39092";
    long n = 0, keep = 1, cut = 0;
    double every = 1.0;
    char err[512], id[64];
    for (int o; (o = getopt(argc, argv, "m:i:o:n:c:k:b:l:z:s:")) != -1;)
        switch (o) {
        case 'm': mode = optarg; break;
        case 'i': in = optarg; break;
        case 'o': out = optarg; break;
        case 'n': n = atol(optarg); break;
        case 'c': every = atof(optarg) / 1000; break;
        case 'k': keep = atol(optarg); break;
        case 'b': cut = atol(optarg); break;
        case 'l': linger = optarg; break;
        case 'z': codec = optarg; break;
        case 's': brokers = optarg; break;
        default: return 2;
        }
    int txn = !strcmp(mode, "txn"), produce = strcmp(mode, "consume") != 0;
    signal(SIGTERM, on_term);
    snprintf(id, sizeof id, "limit-%d-%ld", (int)getpid(), (long)time(NULL));

    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", id);
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.auto.offset.store", "false");
    set(conf, "auto.offset.reset", n ? "earliest" : "latest");
    rd_kafka_t *c = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof err);
    if (!c) die("consumer", err);
    rd_kafka_poll_set_consumer(c);
    rd_kafka_topic_partition_list_t *sub = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(sub, in, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(c, sub);
    rd_kafka_queue_t *q = rd_kafka_queue_get_consumer(c);

    rd_kafka_t *p = NULL;
    rd_kafka_topic_t *ot = NULL;
    if (produce) {
        conf = rd_kafka_conf_new();
        set(conf, "bootstrap.servers", brokers);
        set(conf, "linger.ms", linger);
        set(conf, "compression.type", codec);
        set(conf, "batch.size", "1000000");
        set(conf, "queue.buffering.max.messages", "1000000");
        set(conf, "queue.buffering.max.kbytes", "262144");
        set(conf, "delivery.report.only.error", "true");
        set(conf, txn ? "transactional.id" : "enable.idempotence", txn ? id : "true");
        p = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof err);
        if (!p) die("producer", err);
        ot = rd_kafka_topic_new(p, out, NULL);
        if (txn) {
            check("init_transactions", rd_kafka_init_transactions(p, 30000));
            check("begin", rd_kafka_begin_transaction(p));
        }
    }

    static rd_kafka_message_t *m[BATCH], b[BATCH];
    long next[64], got = 0, sent = 0, commits = 0;
    for (int i = 0; i < 64; i++)
        next[i] = -1;
    double w0 = 0, c0 = 0, last = 0;
    int dirty = 0;
    while (!stop) {
        /* wait for one message, then take what is there: a batch call with a timeout
         * would wait that long to fill the batch and so add to the latency */
        double due = dirty ? (last + every - wall()) * 1e3 : 100;
        ssize_t r = 0;
        if ((m[0] = rd_kafka_consume_queue(q, due < 1 ? 1 : due > 100 ? 100 : (int)due))) {
            r = rd_kafka_consume_batch_queue(q, 0, m + 1, BATCH - 1);
            r = r > 0 ? r + 1 : 1;
        }
        double now = wall();
        if (r > 0) {
            size_t k = 0;
            for (ssize_t i = 0; i < r; i++) {
                if (m[i]->err) {
                    fprintf(stderr, "%s\n", rd_kafka_message_errstr(m[i]));
                    continue;
                }
                if (!got++) {
                    w0 = last = now;
                    c0 = cpu();
                }
                next[m[i]->partition] = m[i]->offset + 1;
                if (produce && got % keep == 0) {
                    b[k] = (rd_kafka_message_t){.payload = m[i]->payload,
                                                .len = cut && (size_t)cut < m[i]->len ? (size_t)cut
                                                                                      : m[i]->len,
                                                .key = m[i]->key,
                                                .key_len = m[i]->key_len,
                                                .partition = m[i]->partition};
                    k++;
                }
            }
            sent += k;
            for (rd_kafka_message_t *s = b; k;) {
                size_t ok =
                    rd_kafka_produce_batch(ot, RD_KAFKA_PARTITION_UA,
                                           RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION, s, k);
                if (ok < k) { /* queue full: keep the refused ones, wait, retry */
                    size_t j = 0;
                    for (size_t i = 0; i < k; i++)
                        if (s[i].err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
                            s[j++] = s[i];
                        else if (s[i].err)
                            die("produce", rd_kafka_err2str(s[i].err));
                    rd_kafka_poll(p, 5);
                }
                k -= ok;
            }
            for (ssize_t i = 0; i < r; i++)
                rd_kafka_message_destroy(m[i]);
            dirty = 1;
            if (p) rd_kafka_poll(p, 0);
        }
        int done = n && got >= n;
        if (dirty && (done || now - last >= every)) {
            rd_kafka_topic_partition_list_t *offs = rd_kafka_topic_partition_list_new(4);
            for (int i = 0; i < 64; i++)
                if (next[i] >= 0) rd_kafka_topic_partition_list_add(offs, in, i)->offset = next[i];
            if (txn) {
                rd_kafka_consumer_group_metadata_t *g = rd_kafka_consumer_group_metadata(c);
                check("send_offsets", rd_kafka_send_offsets_to_transaction(p, offs, g, -1));
                check("commit", rd_kafka_commit_transaction(p, -1));
                check("begin", rd_kafka_begin_transaction(p));
                rd_kafka_consumer_group_metadata_destroy(g);
            } else {
                if (p) rd_kafka_flush(p, 60000);
                rd_kafka_commit(c, offs, !done);
            }
            rd_kafka_topic_partition_list_destroy(offs);
            dirty = 0;
            commits++;
            last = wall();
        }
        if (done) break;
    }
    double w1 = wall(), c1 = cpu();
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("{\"engine\":\"E0 "
           "%s\",\"in\":%ld,\"out\":%ld,\"commits\":%ld,\"wall_s\":%.3f,\"startup_cpu_s\":%.3f,"
           "\"cpu_s\":%.3f,\"cpu_s_per_M\":%.4f,\"kev_per_s\":%.0f,\"rss_MiB\":%ld}\n",
           mode, got, sent, commits, w1 - w0, c0, c1 - c0, (c1 - c0) * 1e6 / (got ? got : 1),
           got / (w1 - w0) / 1e3, u.ru_maxrss / 1024);
    fflush(stdout);
    _exit(0); /* process teardown is not part of the measurement */
}
