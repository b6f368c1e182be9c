/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of Kafka clients as users write them, in librdkafka's or the Java client's spelling,
 * turned into librdkafka's. Knows names and reasons, not the library: what a name means there, and
 * whether it exists, the library says itself when it is set.
 * Owner: the caller. Thread: one. */
#ifndef LEAT_WORKER_LOG_KAFKA_PROPERTY_H
#define LEAT_WORKER_LOG_KAFKA_PROPERTY_H

#include "worker/log.h"

/* Which client a property is for. */
typedef enum leat_kafka_role {
    LEAT_KAFKA_CONSUMER = 1,
    LEAT_KAFKA_PRODUCER = 2,
    LEAT_KAFKA_BOTH = 3,
} leat_kafka_role;

typedef struct leat_kafka_setting {
    char *name, *value; /* terminated */
    leat_str written;   /* the name as its user wrote it; part of name's memory */
    leat_kafka_role role;
    bool secret;
} leat_kafka_setting;

typedef struct leat_kafka_settings {
    leat_kafka_setting *list;
    size_t count;
} leat_kafka_settings;

/* A property that was left out, and why; text is borrowed. */
typedef void (*leat_kafka_note)(void *context, const char *text);

/* Adds properties; the same name again replaces the value. LEAT_ERR_CONFIG names the property, the
 * reason and the remedy, never a secret value. On an error the settings are as far as they got. */
leat_code leat_kafka_settings_add(leat_kafka_settings *settings, const leat_property *properties,
                                  size_t count, leat_kafka_note note, void *context,
                                  leat_err *err) LEAT_CHECKED;
void leat_kafka_settings_release(leat_kafka_settings *settings);
/* NULL: not set. */
const char *leat_kafka_settings_get(const leat_kafka_settings *settings, const char *name);

#endif
