/* SPDX-License-Identifier: Apache-2.0 */
/* Times and durations as texts. Pure: no clock, no time zone database, no locale.
 *
 * The calendar is counted in years that begin with March: then the leap day is the last of its
 * year, month lengths follow one linear formula, and a period of 400 years (146,097 days) repeats
 * exactly, so that both directions are a few divisions without a loop or a table of months.
 *
 * A duration is kept as seconds rounded down plus nanoseconds, like a timestamp, so that adding is
 * one addition and one carry; the sign is dealt with only where text is read or written. Its text
 * is always in seconds ("5400s", not "1h30m"): the form that JSON mappings of such values use.
 *
 * Leap seconds (":60") are refused: UTC as a count of seconds has no place for them. */
#include "core/time.h"

#include "core/number.h"

#define DAY_SECONDS          86400
#define DURATION_SECONDS_MAX INT64_C(315576000000) /* 10,000 years, as CEL has it */
#define TIME_SECONDS_MIN     INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define TIME_SECONDS_MAX     INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define NANOS                1000000000u

__extension__ typedef unsigned __int128 uint128; /* nanoseconds of 10,000 years want 69 bits */

/* --- calendar -----------------------------------------------------------------------------------
 */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_of(int32_t year, int32_t month, int32_t day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = floor_div(y, 400), of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_leap(int32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

leat_civil leat_time_civil(int64_t seconds)
{
    int64_t days = floor_div(seconds, DAY_SECONDS);
    int32_t of_day = (int32_t)(seconds - days * DAY_SECONDS);
    int64_t shifted = days + 719468; /* since the first of March of year 0 */
    int64_t era = floor_div(shifted, 146097), day = shifted - era * 146097;
    int64_t y = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t of_year = day - (365 * y + y / 4 - y / 100);
    int64_t march = (5 * of_year + 2) / 153; /* 0 = March */

    leat_civil civil = {
        .month = (int32_t)(march < 10 ? march + 3 : march - 9),
        .day = (int32_t)(of_year - (153 * march + 2) / 5 + 1),
        .hour = of_day / 3600,
        .minute = of_day / 60 % 60,
        .second = of_day % 60,
        .weekday = (int32_t)(days + 4 - floor_div(days + 4, 7) * 7), /* 1970 began on a Thursday */
    };
    civil.year = (int32_t)(y + era * 400 + (civil.month <= 2));
    civil.yearday = (int32_t)(days - days_of(civil.year, 1, 1));
    LEAT_ASSERT(civil.month >= 1 && civil.month <= 12 && civil.day >= 1 && civil.day <= 31);
    return civil;
}

int64_t leat_time_seconds(int32_t year, int32_t month, int32_t day, int32_t hour, int32_t minute,
                          int32_t second)
{
    LEAT_ASSERT(month >= 1 && month <= 12);
    return days_of(year, month, day) * DAY_SECONDS + hour * INT64_C(3600) + minute * INT64_C(60) +
           second;
}

/* --- RFC 3339 -----------------------------------------------------------------------------------
 */

/* A place in a text; each take moves on only if it succeeds. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static bool take_char(cursor *in, char c)
{
    if (in->at == in->end || *in->at != c) return false;
    in->at++;
    return true;
}

static bool take_digit(cursor *in, unsigned *digit)
{
    if (in->at == in->end || *in->at < '0' || *in->at > '9') return false;
    *digit = (unsigned)(*in->at++ - '0');
    return true;
}

static bool take_number(cursor *in, unsigned digits, int32_t *number)
{
    int32_t sum = 0;
    for (unsigned i = 0, digit; i < digits; i++) {
        if (!take_digit(in, &digit)) return false;
        sum = sum * 10 + (int32_t)digit;
    }
    *number = sum;
    return true;
}

/* What follows the point: up to nine digits as nanoseconds; more only if they are zeros. */
static bool take_fraction(cursor *in, uint32_t *nanos)
{
    uint32_t sum = 0, unit = NANOS;
    unsigned digit;
    const char *start = in->at;
    while (take_digit(in, &digit)) {
        unit /= 10;
        if (unit == 0 && digit != 0) return false;
        sum += digit * unit;
    }
    *nanos = sum;
    return in->at != start;
}

static bool take_offset(cursor *in, int32_t *seconds)
{
    if (take_char(in, 'Z') || take_char(in, 'z')) {
        *seconds = 0;
        return true;
    }
    int32_t sign = 1, hours, minutes;
    if (take_char(in, '-'))
        sign = -1;
    else if (!take_char(in, '+'))
        return false;
    if (!take_number(in, 2, &hours) || !take_char(in, ':') || !take_number(in, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59) return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int32_t month_days(int32_t year, int32_t month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Everything of the date and time but the ranges; false: the text has another form. */
static bool take_civil(cursor *in, leat_civil *civil, uint32_t *nanos, int32_t *offset)
{
    bool date = take_number(in, 4, &civil->year) && take_char(in, '-') &&
                take_number(in, 2, &civil->month) && take_char(in, '-') &&
                take_number(in, 2, &civil->day);
    if (!date || (!take_char(in, 'T') && !take_char(in, 't'))) return false;
    bool time = take_number(in, 2, &civil->hour) && take_char(in, ':') &&
                take_number(in, 2, &civil->minute) && take_char(in, ':') &&
                take_number(in, 2, &civil->second);
    if (!time) return false;
    if (take_char(in, '.') && !take_fraction(in, nanos)) return false;
    return take_offset(in, offset) && in->at == in->end;
}

leat_code leat_time_parse(leat_str text, leat_value *timestamp, leat_err *err)
{
    cursor in = {text.data, text.data + text.len};
    leat_civil c = {0};
    uint32_t nanos = 0;
    int32_t offset = 0;
    if (!take_civil(&in, &c, &nanos, &offset))
        return leat_err_set(err, LEAT_ERR_SYNTAX,
                            "`%.*s` is no RFC 3339 time, as 2026-01-31T23:59:59.5Z",
                            (int)(text.len < 64 ? text.len : 64), text.data ? text.data : "");
    bool valid = c.month >= 1 && c.month <= 12 && c.day >= 1 &&
                 c.day <= month_days(c.year, c.month) && c.hour <= 23 && c.minute <= 59 &&
                 c.second <= 59;
    if (!valid)
        return leat_err_set(err, LEAT_ERR_RANGE, "the time `%.*s` does not exist",
                            LEAT_STR_ARG(text));
    int64_t seconds =
        leat_time_seconds(c.year, c.month, c.day, c.hour, c.minute, c.second) - offset;
    if (seconds < TIME_SECONDS_MIN || seconds > TIME_SECONDS_MAX)
        return leat_err_set(err, LEAT_ERR_RANGE, "the time `%.*s` is not in the years 0001 to 9999",
                            LEAT_STR_ARG(text));
    *timestamp = (leat_value){.tag = LEAT_TIMESTAMP, .len = nanos, .as.i = seconds};
    return LEAT_OK;
}

static char *put_two(char *to, int32_t number)
{
    memcpy(to, leat_number_pairs + 2 * (ptrdiff_t)number, 2);
    return to + 2;
}

/* ".5", ".000001": the fraction without trailing zeros, nothing for none. */
static char *put_fraction(char *to, uint32_t nanos)
{
    LEAT_ASSERT(nanos < NANOS);
    if (nanos == 0) return to;
    *to++ = '.';
    memset(to, '0', 9);
    char *end = to + 9;
    (void)leat_number_digits(end, nanos);
    while (end[-1] == '0')
        end--;
    return end;
}

bool leat_time_in_range(leat_value time)
{
    LEAT_ASSERT(time.tag == LEAT_TIMESTAMP || time.tag == LEAT_DURATION);
    if (time.len >= NANOS) return false;
    if (time.tag == LEAT_TIMESTAMP)
        return time.as.i >= TIME_SECONDS_MIN && time.as.i <= TIME_SECONDS_MAX;
    return time.as.i >= -DURATION_SECONDS_MAX && time.as.i <= DURATION_SECONDS_MAX;
}

void leat_time_format(leat_value timestamp, leat_buf *out)
{
    LEAT_ASSERT(timestamp.tag == LEAT_TIMESTAMP);
    LEAT_ASSERT(timestamp.as.i >= TIME_SECONDS_MIN && timestamp.as.i <= TIME_SECONDS_MAX);
    leat_civil c = leat_time_civil(timestamp.as.i);
    char *start = leat_buf_reserve(out, 32);
    if (start == NULL) return;
    char *to = put_two(put_two(start, c.year / 100), c.year % 100);
    *to++ = '-';
    to = put_two(to, c.month);
    *to++ = '-';
    to = put_two(to, c.day);
    *to++ = 'T';
    to = put_two(to, c.hour);
    *to++ = ':';
    to = put_two(to, c.minute);
    *to++ = ':';
    to = put_two(to, c.second);
    to = put_fraction(to, timestamp.len);
    *to++ = 'Z';
    out->len += (size_t)(to - start);
}

/* --- durations ----------------------------------------------------------------------------------
 */

typedef struct unit {
    leat_str name;
    uint64_t nanos;
} unit;

static const unit duration_units[] = {
    {LEAT_STR_INIT("ns"), 1},           {LEAT_STR_INIT("us"), 1000},
    {LEAT_STR_INIT("\xc2\xb5s"), 1000}, /* micro sign */
    {LEAT_STR_INIT("\xce\xbcs"), 1000}, /* Greek mu */
    {LEAT_STR_INIT("ms"), 1000000},     {LEAT_STR_INIT("s"), 1000000000},
    {LEAT_STR_INIT("m"), 60000000000},  {LEAT_STR_INIT("h"), 3600000000000},
};

static bool take_unit(cursor *in, uint64_t *nanos)
{
    const char *end = in->at;
    while (end != in->end && *end != '.' && (*end < '0' || *end > '9'))
        end++;
    leat_str name = {in->at, (size_t)(end - in->at)};
    for (size_t i = 0; i < sizeof duration_units / sizeof *duration_units; i++) {
        if (!leat_str_equal(duration_units[i].name, name)) continue;
        *nanos = duration_units[i].nanos;
        in->at = end;
        return true;
    }
    return false;
}

/* One "1.5h", in nanoseconds. The whole part is exact; of the fraction, what is below a nanosecond
 * is cut. 128 bits hold 19 digits of hours. */
static bool take_term(cursor *in, uint128 *nanos)
{
    uint64_t whole = 0, fraction = 0, scale = 1, one;
    unsigned digit, digits = 0;
    while (take_digit(in, &digit)) {
        if (whole > (UINT64_MAX - 9) / 10) return false;
        whole = whole * 10 + digit;
        digits++;
    }
    if (take_char(in, '.')) {
        while (take_digit(in, &digit)) {
            digits++;
            if (scale >= UINT64_C(100000000000000000)) continue; /* far below a nanosecond */
            fraction = fraction * 10 + digit;
            scale *= 10;
        }
    }
    if (digits == 0 || !take_unit(in, &one)) return false;
    *nanos = (uint128)whole * one + (uint128)fraction * one / scale;
    return true;
}

static leat_code duration_fail(leat_str text, const char *why, leat_code code, leat_err *err)
{
    return leat_err_set(err, code, "`%.*s` %s", (int)(text.len < 64 ? text.len : 64),
                        text.data ? text.data : "", why);
}

leat_code leat_duration_parse(leat_str text, leat_value *duration, leat_err *err)
{
    cursor in = {text.data, text.data + text.len};
    const uint128 most = (uint128)DURATION_SECONDS_MAX * NANOS;
    uint128 sum = 0;
    bool minus = take_char(&in, '-');
    if (!minus) (void)take_char(&in, '+');
    leat_str rest = {in.at, (size_t)(in.end - in.at)};
    bool zero = leat_str_is(rest, "0");
    if (rest.len == 0)
        return duration_fail(text, "is no duration, as 1h30m or 1.5s", LEAT_ERR_SYNTAX, err);
    while (!zero && in.at != in.end) {
        uint128 term = 0;
        if (!take_term(&in, &term))
            return duration_fail(text, "is no duration, as 1h30m or 1.5s", LEAT_ERR_SYNTAX, err);
        if (term > most || sum + term > most)
            return duration_fail(text, "is longer than 10,000 years", LEAT_ERR_RANGE, err);
        sum += term;
    }
    int64_t seconds = (int64_t)(sum / NANOS);
    uint32_t nanos = (uint32_t)(sum % NANOS);
    if (minus) {
        seconds = -seconds - (nanos != 0);
        nanos = nanos != 0 ? NANOS - nanos : 0;
    }
    *duration = (leat_value){.tag = LEAT_DURATION, .len = nanos, .as.i = seconds};
    return LEAT_OK;
}

void leat_duration_format(leat_value duration, leat_buf *out)
{
    LEAT_ASSERT(duration.tag == LEAT_DURATION && duration.len < NANOS);
    uint64_t seconds = (uint64_t)duration.as.i;
    uint32_t nanos = duration.len;
    if (duration.as.i < 0) {
        leat_buf_add_char(out, '-');
        seconds = 0 - seconds - (nanos != 0);
        nanos = nanos != 0 ? NANOS - nanos : 0;
    }
    leat_buf_add_uint(out, seconds);
    char text[10];
    char *end = put_fraction(text, nanos);
    leat_buf_add(out, (leat_str){text, (size_t)(end - text)});
    leat_buf_add_char(out, 's');
}

/* --- what configuration writes ------------------------------------------------------------------
 */

static const unit config_times[] = {
    {LEAT_STR_INIT("ms"), 1},      {LEAT_STR_INIT("s"), 1000},     {LEAT_STR_INIT("m"), 60000},
    {LEAT_STR_INIT("h"), 3600000}, {LEAT_STR_INIT("d"), 86400000},
};
static const unit config_sizes[] = {
    {LEAT_STR_INIT("B"), 1},
    {LEAT_STR_INIT("KiB"), UINT64_C(1) << 10},
    {LEAT_STR_INIT("MiB"), UINT64_C(1) << 20},
    {LEAT_STR_INIT("GiB"), UINT64_C(1) << 30},
    {LEAT_STR_INIT("TiB"), UINT64_C(1) << 40},
};

/* A whole number and one of the units; false: something else, or more than a signed 64-bit. */
static bool read_config(leat_str text, const unit *units, size_t count, uint64_t *sum)
{
    cursor in = {text.data, text.data + text.len};
    uint64_t number = 0;
    unsigned digit, digits = 0;
    for (; take_digit(&in, &digit); digits++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return false;
    leat_str name = {in.at, (size_t)(in.end - in.at)};
    for (size_t i = 0; i < count && digits != 0; i++)
        if (leat_str_equal(units[i].name, name))
            return !__builtin_mul_overflow(number, units[i].nanos, sum) && *sum <= INT64_MAX;
    return false;
}

leat_code leat_time_config(leat_str text, int64_t *ms, leat_err *err)
{
    uint64_t sum = 0;
    if (!read_config(text, config_times, sizeof config_times / sizeof *config_times, &sum))
        return duration_fail(text,
                             "is no duration: write a whole number and ms, s, m, h or d, as "
                             "250ms or 7d",
                             LEAT_ERR_CONFIG, err);
    *ms = (int64_t)sum;
    return LEAT_OK;
}

void leat_time_config_format(int64_t ms, leat_buf *out)
{
    size_t i = ms == 0 ? 1 : sizeof config_times / sizeof *config_times;
    LEAT_ASSERT(ms >= 0);
    while ((uint64_t)ms % config_times[--i].nanos != 0)
        continue;
    leat_buf_add_int(out, ms / (int64_t)config_times[i].nanos);
    leat_buf_add(out, config_times[i].name);
}

leat_code leat_size_config(leat_str text, uint64_t *bytes, leat_err *err)
{
    if (!read_config(text, config_sizes, sizeof config_sizes / sizeof *config_sizes, bytes))
        return duration_fail(text,
                             "is no size: write a whole number and B, KiB, MiB, GiB or TiB, "
                             "as 64KiB",
                             LEAT_ERR_CONFIG, err);
    return LEAT_OK;
}
