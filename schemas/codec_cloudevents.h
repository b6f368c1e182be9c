/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents 1.0 over Kafka: attributes in headers (binary) or all in one JSON text (structured).
 * Either way a record is the event as its JSON format has it: attributes, and `data`. */
#ifndef LEAT_SCHEMAS_CODEC_CLOUDEVENTS_H
#define LEAT_SCHEMAS_CODEC_CLOUDEVENTS_H

#include "schemas/codec.h"

typedef struct leat_cloudevents_codec {
    leat_codec codec;      /* type: &leat_codec_cloudevents */
    bool structured;       /* how it writes */
    leat_str type, source; /* of a sink: records become `data` of events of this type and source;
                              data NULL: records are events */
} leat_cloudevents_codec;

extern const leat_codec_type leat_codec_cloudevents;

#endif
