/* SPDX-License-Identifier: Apache-2.0 */
/* text and raw: the payload is one field, a string or bytes. */
#ifndef LEAT_SCHEMAS_CODEC_TEXT_H
#define LEAT_SCHEMAS_CODEC_TEXT_H

#include "schemas/codec.h"

typedef struct leat_text_codec {
    leat_codec codec; /* type: &leat_codec_text_type or &leat_codec_raw_type */
    leat_str field;
} leat_text_codec;

extern const leat_codec_type leat_codec_text_type, leat_codec_raw_type;

#endif
