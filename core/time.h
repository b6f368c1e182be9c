/* SPDX-License-Identifier: Apache-2.0 */
/* Times and durations as texts; the proleptic Gregorian calendar, UTC. No clock is read here. */
#ifndef LEAT_CORE_TIME_H
#define LEAT_CORE_TIME_H

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "core/value.h"

/* RFC 3339, years 0001..9999, any offset, up to nine digits of fraction. */
leat_code leat_time_parse(leat_str text, leat_value *timestamp, leat_err *err) LEAT_CHECKED;
/* Whether what came as a TIMESTAMP or DURATION is in its range, so that it may be formatted. */
bool leat_time_in_range(leat_value time);
void leat_time_format(leat_value timestamp, leat_buf *out); /* UTC, Z, shortest fraction */

typedef struct leat_civil {
    int32_t year;
    int32_t month, day; /* from 1 */
    int32_t hour, minute, second;
    int32_t weekday; /* 0 = Sunday */
    int32_t yearday; /* 0 = first of January */
} leat_civil;
leat_civil leat_time_civil(int64_t seconds);
int64_t leat_time_seconds(int32_t year, int32_t month, int32_t day, int32_t hour, int32_t minute,
                          int32_t second);

/* Go's and CEL's durations: "1h30m", "1.5s", "-10ms", units h m s ms us ns. */
leat_code leat_duration_parse(leat_str text, leat_value *duration, leat_err *err) LEAT_CHECKED;
void leat_duration_format(leat_value duration, leat_buf *out); /* "1.5s" */

/* What configuration writes: "250ms", "10s", "5m", "2h", "7d" (one unit), "64KiB", "1MiB". */
leat_code leat_time_config(leat_str text, int64_t *ms, leat_err *err) LEAT_CHECKED;
void leat_time_config_format(int64_t ms, leat_buf *out); /* ms >= 0; in the largest unit */
leat_code leat_size_config(leat_str text, uint64_t *bytes, leat_err *err) LEAT_CHECKED;

#endif
