/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of timestamps and durations, getFullYear() ... getMilliseconds(); times in layouts.
 *
 * Of a timestamp they are what a calendar and a clock on the wall show, in UTC or in a time zone,
 * given by name or as an offset such as +05:30. Of a duration they are the whole of it in that
 * unit, but for the milliseconds, which are those of the last second, as CEL has it. */
#include "core/time.h"
#include "transforms/expr_function.h"
#include "transforms/time_layout.h"

#define LAYOUT_COST 10 /* of a time, in steps */

/* "+05:30", "-08:00", "09:00", "UTC" */
static bool fixed_offset(leat_str zone, int32_t *offset)
{
    if (leat_str_is(zone, "UTC") || zone.len == 0) {
        *offset = 0;
        return true;
    }
    bool negative = zone.data[0] == '-';
    if (negative || zone.data[0] == '+') zone = leat_str_slice(zone, 1, zone.len);
    if (zone.len != 5 || zone.data[2] != ':') return false;
    for (size_t i = 0; i < 5; i++) {
        if (i != 2 && (zone.data[i] < '0' || zone.data[i] > '9')) return false;
    }
    int32_t hours = (zone.data[0] - '0') * 10 + zone.data[1] - '0';
    int32_t minutes = (zone.data[3] - '0') * 10 + zone.data[4] - '0';
    if (hours > 23 || minutes > 59) return false;
    *offset = (hours * 60 + minutes) * 60;
    if (negative) *offset = -*offset;
    return true;
}

/* What the clock shows; false: *error tells why not. */
static bool local_time(leat_expr_run *run, const leat_value *args, uint32_t count,
                       leat_civil *civil, leat_value *error)
{
    int32_t offset = 0;
    LEAT_ASSERT(args[0].tag == LEAT_TIMESTAMP);
    if (count == 2) {
        leat_str zone = leat_value_str(args[1]);
        if (!fixed_offset(zone, &offset) && !leat_expr_zone_offset(zone, args[0].as.i, &offset)) {
            *error = leat_expr_fail_format(run, LEAT_ERR_INVALID, "unknown time zone '%.*s'",
                                           zone.len > 64 ? 64 : (int)zone.len, zone.data);
            return false;
        }
    }
    *civil = leat_time_civil(args[0].as.i + offset);
    return true;
}

#define CIVIL(function, part)                                                                      \
    leat_value function(leat_expr_run *run, const leat_value *args, uint32_t count)                \
    {                                                                                              \
        leat_civil civil;                                                                          \
        leat_value error;                                                                          \
        if (!local_time(run, args, count, &civil, &error)) return error;                           \
        return leat_value_int(part);                                                               \
    }
CIVIL(leat_expr_year, civil.year)
CIVIL(leat_expr_month, civil.month - 1)
CIVIL(leat_expr_year_day, civil.yearday)
CIVIL(leat_expr_month_day, civil.day - 1)
CIVIL(leat_expr_date, civil.day)
CIVIL(leat_expr_week_day, civil.weekday)
#undef CIVIL

/* Whole seconds, towards zero. */
static int64_t whole_seconds(leat_value duration)
{
    return duration.as.i < 0 && duration.len > 0 ? duration.as.i + 1 : duration.as.i;
}

#define CLOCK(function, part, seconds)                                                             \
    leat_value function(leat_expr_run *run, const leat_value *args, uint32_t count)                \
    {                                                                                              \
        leat_civil civil;                                                                          \
        leat_value error;                                                                          \
        if (args[0].tag == LEAT_DURATION)                                                          \
            return leat_value_int(whole_seconds(args[0]) / (seconds));                             \
        if (!local_time(run, args, count, &civil, &error)) return error;                           \
        return leat_value_int(part);                                                               \
    }
CLOCK(leat_expr_hours, civil.hour, 3600)
CLOCK(leat_expr_minutes, civil.minute, 60)
CLOCK(leat_expr_seconds, civil.second, 1)
#undef CLOCK

leat_value leat_expr_milliseconds(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_civil civil;
    leat_value error;
    int64_t ms = args[0].len / 1000000;
    if (args[0].tag == LEAT_DURATION) {
        bool negative = args[0].as.i < 0 && args[0].len > 0;
        return leat_value_int(negative ? -(int64_t)((1000000000 - args[0].len) / 1000000) : ms);
    }
    if (!local_time(run, args, count, &civil, &error)) return error; /* the zone must exist */
    return leat_value_int(ms);
}

/* --- layouts --- */

static leat_str zone_of(const leat_value *args, uint32_t count)
{
    return count > 2 ? leat_value_str(args[2]) : LEAT_STR("");
}

static leat_code check_layout(leat_value layout, bool scan, leat_err *err)
{
    leat_code code = leat_time_layout_check(leat_value_str(layout), scan, err);
    if (code != LEAT_OK) err->code = code = LEAT_ERR_INVALID; /* the record's mistake */
    return code;
}

leat_value leat_expr_time_format(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_buf out;
    leat_err err;
    LEAT_ASSERT(args[0].tag == LEAT_TIMESTAMP);
    if (!leat_expr_charge(run, LAYOUT_COST + args[1].len)) return leat_expr_fail_cost(run);
    leat_buf_init(&out, 64 + (size_t)args[1].len * 32);
    leat_code code = check_layout(args[1], false, &err);
    if (code == LEAT_OK)
        code = leat_time_print(args[0], leat_value_str(args[1]), zone_of(args, count), &out, &err);
    leat_str text = LEAT_STR_NONE;
    if (code == LEAT_OK) text = leat_arena_copy(run->arena, leat_buf_str(&out));
    leat_buf_release(&out);
    if (code != LEAT_OK) return leat_expr_fail_err(run, &err);
    return text.data != NULL ? leat_value_string(text) : leat_expr_fail_full(run);
}

leat_value leat_expr_time_parse(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_err err;
    leat_value time = LEAT_VALUE_NULL;
    if (!leat_expr_charge(run, LAYOUT_COST + args[1].len)) return leat_expr_fail_cost(run);
    leat_code code = check_layout(args[1], true, &err);
    if (code == LEAT_OK)
        code = leat_time_scan(leat_value_str(args[0]), leat_value_str(args[1]),
                              zone_of(args, count), &time, &err);
    return code == LEAT_OK ? time : leat_expr_fail_err(run, &err);
}

leat_value leat_expr_time_of_millis(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_INT);
    int64_t seconds = args[0].as.i / 1000;
    int64_t rest = args[0].as.i % 1000;
    return leat_expr_time(run, LEAT_TIMESTAMP, seconds, rest * 1000000);
}

leat_value leat_expr_time_millis(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_TIMESTAMP);
    return leat_value_int(leat_value_timestamp_ms(args[0]));
}

__extension__ typedef __int128 int128; /* nanoseconds of 10,000 years want 69 bits */

static int128 nanos_of(leat_value value)
{
    return (int128)value.as.i * 1000000000 + value.len;
}

leat_value leat_expr_time_truncate(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 2 && args[0].tag == LEAT_TIMESTAMP && args[1].tag == LEAT_DURATION);
    int128 time = nanos_of(args[0]), unit = nanos_of(args[1]);
    if (unit <= 0) return leat_expr_fail(run, LEAT_ERR_INVALID, "the duration must be positive");
    int128 off = time % unit;
    time -= off < 0 ? off + unit : off;
    return leat_expr_time(run, LEAT_TIMESTAMP, (int64_t)(time / 1000000000),
                          (int64_t)(time % 1000000000));
}
