/* SPDX-License-Identifier: Apache-2.0 */
/* dump.c - prints the committed values of a topic, one per line, up to its end: dump TOPIC
 * [BROKERS] */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char e[512], grp[64];
    snprintf(grp, sizeof grp, "dump-%d-%ld", (int)getpid(), (long)time(NULL));
    const char *kv[][2] = {{"bootstrap.servers", argc > 2 ? argv[2] : "127.0.0.1:39092"},
                           {"group.id", grp},
                           {"enable.partition.eof", "true"},
                           {"auto.offset.reset", "earliest"},
                           {"enable.auto.commit", "false"}};
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof kv / sizeof *kv; i++)
        if (rd_kafka_conf_set(c, kv[i][0], kv[i][1], e, sizeof e)) {
            fprintf(stderr, "%s\n", e);
            return 1;
        }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, c, e, sizeof e);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *sub = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(sub, argv[1], RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(rk, sub);
    for (int eof = 0; eof < 4;) { /* the topics here have 4 partitions */
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 10000);
        if (!m) {
            fprintf(stderr, "stuck\n");
            return 1;
        }
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            eof++;
        else if (m->err)
            fprintf(stderr, "%s\n", rd_kafka_message_errstr(m));
        else {
            fwrite(m->payload, 1, m->len, stdout);
            putchar('\n');
        }
        rd_kafka_message_destroy(m);
    }
    return 0;
}
