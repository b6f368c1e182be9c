/* SPDX-License-Identifier: Apache-2.0 */
/* What comes out of a match: one JSON object, and an id that is the same whenever and wherever the
 * same events make the same match. */
#ifndef LEAT_CEP_ALERT_H
#define LEAT_CEP_ALERT_H

#include "cep/conditions.h"
#include "cep/matcher.h"

typedef struct leat_alert {
    const leat_conditions *conditions;
    leat_testing *testing;
    const leat_match *match;
    leat_str key; /* JSON text; "null": there is none */
    bool events;  /* carry the events */
} leat_alert;

/* Appends the alert. An expression of `emit` that fails leaves null for its field, and the error of
 * the first such in *why (code LEAT_OK: none). arena: scratch. */
leat_code leat_alert_write(const leat_alert *alert, leat_arena *arena, leat_buf *out, leat_err *why,
                           leat_err *err) LEAT_CHECKED;
/* 32 hexadecimal digits of a hash over pattern, version, key, and step and identity of each take.
 */
void leat_alert_id(const leat_pattern *pattern, leat_str key, const leat_take *last, leat_buf *out);

#endif
