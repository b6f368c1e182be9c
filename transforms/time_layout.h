/* SPDX-License-Identifier: Apache-2.0 */
/* Times in layouts as people write them, both ways: "%d/%b/%Y:%H:%M:%S %z" and the like, RFC 3339,
 * numbers since 1970. Time zones are those compiled in (expr_zone.c); names of months and days are
 * English. Thread: any. Cost: ~100 ns. */
#ifndef LEAT_TRANSFORMS_TIME_LAYOUT_H
#define LEAT_TRANSFORMS_TIME_LAYOUT_H

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "core/value.h"

/* The manual's list of what may stand in a layout. */
#define LEAT_TIME_LAYOUT_DOC                                                                       \
    "`rfc3339`; `s`, `ms`, `us`, `ns` (a number since 1970); or directives: %Y %y %m %b %B %d %e " \
    "%j %H %I %p %M %S %f (digits of the second's fraction) %z (+0100, +01:00, Z) %s (seconds "    \
    "since 1970) %a %A %F %T %D %R, %% for a percent sign"

/* LEAT_ERR_CONFIG: it has a directive that is not known, or (scan) does not give a date. */
leat_code leat_time_layout_check(leat_str layout, bool scan, leat_err *err) LEAT_CHECKED;
/* zone: "Europe/Berlin", "+05:30"; empty: UTC. It is the zone of a text that names none itself.
 * Where the clock is set back the earlier of the two times, where it is set forward the time that
 * would have been. */
leat_code leat_time_scan(leat_str text, leat_str layout, leat_str zone, leat_value *timestamp,
                         leat_err *err) LEAT_CHECKED;
/* The layout must have passed the check. */
leat_code leat_time_print(leat_value timestamp, leat_str layout, leat_str zone, leat_buf *out,
                          leat_err *err) LEAT_CHECKED;
/* Seconds to add to UTC in that zone at that time; false: no such zone. */
bool leat_time_zone(leat_str zone, int64_t utc_seconds, int32_t *offset);

#endif
