/* SPDX-License-Identifier: Apache-2.0 */
/* What others need to know of the Kafka log besides the port (leat_log_kafka in worker/log.h). */
#ifndef LEAT_WORKER_LOG_KAFKA_H
#define LEAT_WORKER_LOG_KAFKA_H

/* Of the librdkafka that is running, "2.0.2"; static. */
const char *leat_log_kafka_version(void);

#endif
