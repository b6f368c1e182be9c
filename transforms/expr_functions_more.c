/* SPDX-License-Identifier: Apache-2.0 */
/* Encodings, times in layouts, and places: what records need and CEL's own extensions lack.
 *
 * JSON text becomes the value that the decoder would have made of it; numbers beyond 64 bits are an
 * error, as they are in any expression. The distance of two places is that on a sphere of the
 * earth's mean radius: within half a percent of an ellipsoid's, and without its failures at
 * opposite points. */
#include <math.h>

#include "core/encode.h"
#include "schemas/codec_json.h"
#include "transforms/expr_function.h"
#include "transforms/time_layout.h"

#define EARTH_METRES 6371008.8
#define LAYOUT_COST  10 /* of a time, in steps */

static leat_value keep(const leat_expr_run *run, leat_tag tag, leat_buf *out)
{
    leat_str copy = leat_arena_copy(run->arena, leat_buf_str(out));
    leat_buf_release(out);
    return copy.data != NULL ? leat_value_text(tag, copy) : leat_expr_fail_full(run);
}

/* The error, if there is one, else what was written. */
static leat_value outcome(leat_expr_run *run, leat_code code, leat_tag tag, leat_buf *out,
                          const leat_err *err)
{
    if (code == LEAT_OK) return keep(run, tag, out);
    leat_buf_release(out);
    return leat_expr_fail_err(run, err);
}

/* --- encodings --- */

leat_value leat_expr_hex_encode(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_buf out;
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, args[0].len / 8)) return leat_expr_fail_cost(run);
    leat_buf_init(&out, (size_t)args[0].len * 2 + 1);
    leat_hex_encode(leat_value_str(args[0]), &out);
    return keep(run, LEAT_STRING, &out);
}

leat_value leat_expr_hex_decode(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_buf out;
    leat_err err;
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, args[0].len / 8)) return leat_expr_fail_cost(run);
    leat_buf_init(&out, (size_t)args[0].len + 1);
    leat_code code = leat_hex_decode(leat_value_str(args[0]), &out, &err);
    return outcome(run, code, LEAT_BYTES, &out, &err);
}

leat_value leat_expr_url_encode(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_buf out;
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, args[0].len / 4)) return leat_expr_fail_cost(run);
    leat_buf_init(&out, (size_t)args[0].len * 3 + 1);
    leat_percent_encode(leat_value_str(args[0]), &out);
    return keep(run, LEAT_STRING, &out);
}

leat_value leat_expr_url_decode(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_buf out;
    leat_err err;
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, args[0].len / 4)) return leat_expr_fail_cost(run);
    leat_buf_init(&out, (size_t)args[0].len + 1);
    leat_code code = leat_percent_decode(leat_value_str(args[0]), false, &out, &err);
    if (code == LEAT_OK && !leat_str_utf8_valid(leat_buf_str(&out)))
        code = leat_err_set(&err, LEAT_ERR_SYNTAX, "what is decoded is not valid UTF-8");
    return outcome(run, code, LEAT_STRING, &out, &err);
}

/* Numbers that no expression has a value for. */
static bool all_numbers(leat_value value)
{
    bool good = value.tag != LEAT_NUMBER;
    for (uint32_t i = 0; i < value.len && good && value.tag == LEAT_LIST; i++)
        good = all_numbers(value.as.items[i]);
    for (uint32_t i = 0; i < value.len && good && value.tag == LEAT_MAP; i++)
        good = all_numbers(value.as.entries[i].value);
    return good;
}

leat_value leat_expr_json_parse(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    static const leat_json_limits limits = {128, UINT32_MAX};
    leat_err err;
    leat_value value = LEAT_VALUE_NULL;
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, args[0].len / 8)) return leat_expr_fail_cost(run);
    if (leat_json_value(leat_value_str(args[0]), limits, run->arena, &value, &err) != LEAT_OK)
        return leat_expr_fail_err(run, &err);
    if (!all_numbers(value))
        return leat_expr_fail(run, LEAT_ERR_RANGE, "a number in the JSON text is out of range");
    return value;
}

leat_value leat_expr_json_format(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_buf out;
    leat_err err = {0};
    LEAT_ASSERT(count == 1);
    leat_buf_init(&out, (size_t)16 << 20);
    leat_code code = leat_json_write(args[0], run->arena, &out, &err);
    if (code == LEAT_OK) code = leat_buf_check(&out, "the JSON text", &err);
    if (!leat_expr_charge(run, out.len / 8)) {
        leat_buf_release(&out);
        return leat_expr_fail_cost(run);
    }
    return outcome(run, code, LEAT_STRING, &out, &err);
}

/* --- times --- */

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
    return outcome(run, code, LEAT_STRING, &out, &err);
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

/* --- places --- */

static bool number_of(leat_value value, double limit, double *number)
{
    if (value.tag == LEAT_INT)
        *number = (double)value.as.i;
    else if (value.tag == LEAT_UINT)
        *number = (double)value.as.u;
    else if (value.tag == LEAT_DOUBLE)
        *number = value.as.d;
    else
        return false;
    return *number >= -limit && *number <= limit;
}

/* The haversine formula, which keeps its digits for places that are near to each other. */
leat_value leat_expr_geo_distance(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    const double radian = 0.017453292519943295;
    double at[4] = {0};
    LEAT_ASSERT(count == 4);
    for (uint32_t i = 0; i < 4; i++)
        if (!number_of(args[i], i % 2 == 0 ? 90.0 : 360.0, &at[i]))
            return leat_expr_fail_format(run, LEAT_ERR_INVALID,
                                         "argument %u of geo.distance is no %s in degrees", i + 1,
                                         i % 2 == 0 ? "latitude" : "longitude");
    double up = sin((at[2] - at[0]) * radian / 2), along = sin((at[3] - at[1]) * radian / 2);
    double part = up * up + cos(at[0] * radian) * cos(at[2] * radian) * along * along;
    return leat_value_double(2 * EARTH_METRES * asin(sqrt(part < 1 ? part : 1)));
}
