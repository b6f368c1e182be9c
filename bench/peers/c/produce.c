/* SPDX-License-Identifier: Apache-2.0 */
/* produce.c - loads the input topics: produce pay|ads TOPIC COUNT [BROKERS]
 * The message timestamp is the event time, the key card_id or ad_id. */
#include "gen.h"
#include <librdkafka/rdkafka.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    int ads = !strcmp(argv[1], "ads");
    long n = atol(argv[3]);
    char err[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *kv[][2] = {{"bootstrap.servers", argc > 4 ? argv[4] : "127.0.0.1:39092"},
                           {"linger.ms", "20"},
                           {"batch.size", "1000000"},
                           {"queue.buffering.max.messages", "500000"},
                           {"delivery.report.only.error", "true"},
                           {"enable.idempotence", "true"},
                           {"partitioner", "murmur2_random"}};
    for (size_t i = 0; i < sizeof kv / sizeof *kv; i++)
        if (rd_kafka_conf_set(conf, kv[i][0], kv[i][1], err, sizeof err)) {
            fprintf(stderr, "%s\n", err);
            return 1;
        }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof err);
    gen_t *g = malloc(sizeof *g);
    gen_init(g, 42);
    char buf[512], key[32];
    int kl;
    long bytes = 0;
    for (long i = 0; i < n; i++) {
        int64_t ts = GEN_BASE_MS + i;
        int len = ads ? gen_ad(g, i, ts, buf, sizeof buf, key, &kl)
                      : gen_pay(g, i, ts, buf, sizeof buf, key, &kl);
        bytes += len;
        rd_kafka_resp_err_t e;
        while ((e = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(argv[2]), RD_KAFKA_V_KEY(key, kl),
                                      RD_KAFKA_V_VALUE(buf, len), RD_KAFKA_V_TIMESTAMP(ts),
                                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END)) ==
               RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(rk, 50);
        if (e) {
            fprintf(stderr, "%s\n", rd_kafka_err2str(e));
            return 1;
        }
        if (!(i & 1023)) rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 60000);
    printf("%ld events, %.1f bytes each\n", n, (double)bytes / n);
    rd_kafka_destroy(rk);
    return 0;
}
