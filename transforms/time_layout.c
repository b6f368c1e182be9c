/* SPDX-License-Identifier: Apache-2.0 */
/* A layout is read from left to right beside the text: a directive takes what it stands for, a
 * blank takes any white space, anything else must be there as it is.
 *
 * The parts are collected first and made a time at the end, so that their order does not matter. A
 * day that does not exist (31 April, 29 February 2025), an hour of 24, a second of 60 are errors:
 * nothing is carried over silently. Names of months and days are English and of any case; the C
 * library's strptime, which follows the process's locale and knows neither fractions nor zones by
 * name, is refused for that.
 *
 * Local time to UTC: the offset a day before and the one a day behind are the two that can be
 * meant; the first that agrees with itself is. If none does, the clock was set forward over that
 * time, and it is read by the offset before. */
#include "transforms/time_layout.h"

#include <stdio.h>

#include "core/number.h"
#include "core/time.h"
#include "transforms/expr_code.h"

#define DAY_SECONDS 86400
#define SECONDS_MIN INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define SECONDS_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define NANOS       1000000000

__extension__ typedef __int128 int128; /* nanoseconds of 10,000 years want 69 bits */

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
#define ABBREVIATION 3 /* letters */

typedef struct cursor {
    const char *at, *end;
} cursor;

typedef struct parts {
    int32_t year, month, day, yearday; /* month, day from 1; yearday from 1, 0: not given */
    int32_t hour, minute, second, nanos;
    bool has_date, hour12, afternoon, has_zone, has_epoch;
    int32_t offset;
    int64_t epoch;
} parts;

/* --- zones --- */

static bool two_digits(const char *p, int32_t *number)
{
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9') return false;
    *number = (p[0] - '0') * 10 + (p[1] - '0');
    return true;
}

/* "+05:30", "-0800", "+01" at the start of [p, end); gives its length, 0: it is none. */
static size_t fixed_zone(const char *p, const char *end, int32_t *offset)
{
    size_t left = (size_t)(end - p);
    size_t len = 3;
    int32_t hours = 0;
    int32_t minutes = 0;
    if (left < 3 || (*p != '+' && *p != '-') || !two_digits(p + 1, &hours)) return 0;
    if (left >= 6 && p[3] == ':' && two_digits(p + 4, &minutes))
        len = 6;
    else if (left >= 5 && two_digits(p + 3, &minutes))
        len = 5;
    if (hours > 23 || minutes > 59) return 0;
    *offset = (hours * 60 + minutes) * 60;
    if (*p == '-') *offset = -*offset;
    return len;
}

bool leat_time_zone(leat_str zone, int64_t utc_seconds, int32_t *offset)
{
    *offset = 0;
    if (zone.len == 0) return true;
    if (fixed_zone(zone.data, zone.data + zone.len, offset) == zone.len) return true;
    return leat_expr_zone_offset(zone, utc_seconds, offset);
}

static bool local_to_utc(leat_str zone, int64_t local, int64_t *utc)
{
    int32_t before = 0;
    int32_t behind = 0;
    int32_t there = 0;
    if (!leat_time_zone(zone, local - DAY_SECONDS, &before) ||
        !leat_time_zone(zone, local + DAY_SECONDS, &behind))
        return false;
    *utc = local - before;
    if (before == behind) return true;
    if (!leat_time_zone(zone, local - before, &there) || there == before) return true;
    if (leat_time_zone(zone, local - behind, &there) && there == behind) *utc = local - behind;
    return true;
}

/* --- scanning --- */

/* At least one, at most `most` digits. */
static bool take_number(cursor *in, int most, int32_t *number)
{
    int count = 0;
    int32_t sum = 0;
    while (count < most && in->at < in->end && *in->at >= '0' && *in->at <= '9') {
        sum = sum * 10 + (*in->at++ - '0');
        count++;
    }
    *number = sum;
    return count > 0;
}

static bool take_between(cursor *in, int most, int32_t low, int32_t high, int32_t *number)
{
    return take_number(in, most, number) && *number >= low && *number <= high;
}

static bool take_fraction(cursor *in, int32_t *nanos)
{
    int32_t unit = NANOS / 10;
    const char *start = in->at;
    for (*nanos = 0; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++, unit /= 10)
        *nanos += (*in->at - '0') * unit; /* digits behind the ninth count nothing */
    return in->at > start;
}

static bool take_epoch(cursor *in, int64_t *seconds)
{
    const char *start = in->at;
    if (in->at < in->end && *in->at == '-') in->at++;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        in->at++;
    return leat_number_int((leat_str){start, (size_t)(in->at - start)}, seconds) == LEAT_NUMBER_OK;
}

static bool same_letters(const char *text, const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((text[i] | 0x20) != (name[i] | 0x20)) return false;
    return true;
}

/* A name of the list, whole or its first three letters; its index. */
static bool take_name(cursor *in, const char *const *names, int32_t count, int32_t *index)
{
    size_t left = (size_t)(in->end - in->at);
    for (*index = 0; *index < count; ++*index) {
        const char *name = names[*index];
        size_t len = strlen(name);
        if (left >= len && same_letters(in->at, name, len)) {
            in->at += len;
            return true;
        }
        if (left >= ABBREVIATION && same_letters(in->at, name, ABBREVIATION)) {
            in->at += ABBREVIATION;
            return true;
        }
    }
    return false;
}

static bool take_zone(cursor *in, parts *found)
{
    found->has_zone = true;
    found->offset = 0;
    if (in->at < in->end && (*in->at == 'Z' || *in->at == 'z')) {
        in->at++;
        return true;
    }
    size_t len = fixed_zone(in->at, in->end, &found->offset);
    in->at += len;
    return len > 0;
}

static bool take_half(cursor *in, parts *found)
{
    if (in->end - in->at < 2 || (in->at[1] | 0x20) != 'm') return false;
    char half = (char)(in->at[0] | 0x20);
    if (half != 'a' && half != 'p') return false;
    found->afternoon = half == 'p';
    in->at += 2;
    return true;
}

static bool take_layout(cursor *in, leat_str layout, parts *found);

/* What the directives that only stand for others stand for. */
static leat_str longhand(char directive)
{
    switch (directive) {
    case 'F': return LEAT_STR("%Y-%m-%d");
    case 'T': return LEAT_STR("%H:%M:%S");
    case 'D': return LEAT_STR("%m/%d/%y");
    case 'R': return LEAT_STR("%H:%M");
    default: return LEAT_STR_NONE;
    }
}

static bool take_date(cursor *in, char directive, parts *found)
{
    int32_t name = 0;
    switch (directive) {
    case 'Y': found->has_date = true; return take_number(in, 4, &found->year);
    case 'y':
        found->has_date = true;
        if (!take_number(in, 2, &found->year)) return false;
        found->year += found->year < 69 ? 2000 : 1900;
        return true;
    case 'm': return take_between(in, 2, 1, 12, &found->month);
    case 'b':
    case 'B':
        if (!take_name(in, months, 12, &found->month)) return false;
        found->month++;
        return true;
    case 'e':
        if (in->at < in->end && *in->at == ' ') in->at++;
        return take_between(in, 2, 1, 31, &found->day);
    case 'd': return take_between(in, 2, 1, 31, &found->day);
    case 'j': return take_between(in, 3, 1, 366, &found->yearday);
    case 'a':
    case 'A': return take_name(in, days, 7, &name); /* says nothing that the date does not */
    default: return false;
    }
}

static bool take_directive(cursor *in, char directive, parts *found)
{
    leat_str others = longhand(directive);
    if (others.data != NULL) return take_layout(in, others, found);
    switch (directive) {
    case 'H': return take_between(in, 2, 0, 23, &found->hour);
    case 'I': found->hour12 = true; return take_between(in, 2, 1, 12, &found->hour);
    case 'p': return take_half(in, found);
    case 'M': return take_between(in, 2, 0, 59, &found->minute);
    case 'S': return take_between(in, 2, 0, 59, &found->second);
    case 'f': return take_fraction(in, &found->nanos);
    case 'z': return take_zone(in, found);
    case 's': found->has_epoch = true; return take_epoch(in, &found->epoch);
    case '%': return in->at < in->end && *in->at++ == '%';
    default: return take_date(in, directive, found);
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool take_layout(cursor *in, leat_str layout, parts *found)
{
    for (size_t i = 0; i < layout.len; i++) {
        char c = layout.data[i];
        if (c == '%' && i + 1 < layout.len) {
            if (!take_directive(in, layout.data[++i], found)) return false;
        } else if (is_blank(c)) {
            while (in->at < in->end && is_blank(*in->at))
                in->at++;
        } else if (in->at == in->end || *in->at++ != c) {
            return false;
        }
    }
    return true;
}

/* The day of the year, for layouts with %j. */
static void apply_yearday(parts *found)
{
    if (found->yearday == 0) return;
    int64_t start = leat_time_seconds(found->year, 1, 1, 0, 0, 0);
    leat_civil civil = leat_time_civil(start + (int64_t)(found->yearday - 1) * DAY_SECONDS);
    found->month = civil.month;
    found->day = civil.day;
    if (civil.year != found->year) found->day = 0; /* day 366 of a year of 365 */
}

/* False: there is no such day. */
static bool seconds_of(parts *found, int64_t *local)
{
    if (found->hour12) found->hour = found->hour % 12 + (found->afternoon ? 12 : 0);
    apply_yearday(found);
    if (found->day == 0) return false;
    *local = leat_time_seconds(found->year, found->month, found->day, found->hour, found->minute,
                               found->second);
    return leat_time_civil(*local).day == found->day;
}

static leat_code unknown_zone(leat_str zone, leat_err *err)
{
    return leat_err_set(err, LEAT_ERR_INVALID, "unknown time zone '%.*s'",
                        zone.len > 64 ? 64 : (int)zone.len, zone.data);
}

static leat_code scan_number(leat_str text, int64_t units, leat_value *timestamp, leat_err *err)
{
    int64_t number = 0;
    int64_t fraction = 0;
    ptrdiff_t dot = leat_str_find(text, LEAT_STR("."));
    leat_str whole = dot >= 0 ? leat_str_slice(text, 0, (size_t)dot) : text;
    bool good = leat_number_int(whole, &number) == LEAT_NUMBER_OK;
    if (dot >= 0 && good) { /* only seconds have a fraction */
        cursor in = {text.data + dot + 1, text.data + text.len};
        int32_t nanos = 0;
        good = units == 1 && take_fraction(&in, &nanos) && in.at == in.end;
        fraction = text.data[0] == '-' ? -(int64_t)nanos : nanos;
    }
    if (!good)
        return leat_err_set(err, LEAT_ERR_SYNTAX, "'%.*s' is no whole number of units since 1970",
                            text.len > 64 ? 64 : (int)text.len, text.data);
    LEAT_ASSERT(units > 0 && fraction > -NANOS && fraction < NANOS);
    int64_t seconds = number / units;
    int64_t nanos = number % units * (NANOS / units) + fraction;
    if (nanos < 0) {
        nanos += NANOS;
        seconds--;
    }
    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX)
        return leat_err_set(err, LEAT_ERR_RANGE, "the time is not in the years 1 to 9999");
    *timestamp = (leat_value){.tag = LEAT_TIMESTAMP, .len = (uint32_t)nanos, .as.i = seconds};
    return LEAT_OK;
}

/* Units of a second; 0: the layout is none of the numbers. */
static int64_t units_of(leat_str layout)
{
    if (leat_str_is(layout, "s")) return 1;
    if (leat_str_is(layout, "ms")) return 1000;
    if (leat_str_is(layout, "us")) return 1000000;
    return leat_str_is(layout, "ns") ? NANOS : 0;
}

leat_code leat_time_scan(leat_str text, leat_str layout, leat_str zone, leat_value *timestamp,
                         leat_err *err)
{
    int64_t units = units_of(layout);
    int64_t local = 0;
    int64_t utc = 0;
    parts found = {.month = 1, .day = 1, .year = 1970};
    cursor in = {text.data, text.data + text.len};
    if (units > 0) return scan_number(text, units, timestamp, err);
    if (leat_str_is(layout, "rfc3339")) return leat_time_parse(text, timestamp, err);
    if (!take_layout(&in, layout, &found) || in.at != in.end)
        return leat_err_set(err, LEAT_ERR_SYNTAX, "'%.*s' is no time in the layout '%.*s'",
                            text.len > 64 ? 64 : (int)text.len, text.data, LEAT_STR_ARG(layout));
    if (found.has_epoch) {
        utc = found.epoch;
    } else {
        if (!seconds_of(&found, &local))
            return leat_err_set(err, LEAT_ERR_RANGE, "'%.*s': there is no such day",
                                text.len > 64 ? 64 : (int)text.len, text.data);
        utc = local - found.offset;
        if (!found.has_zone && !local_to_utc(zone, local, &utc)) return unknown_zone(zone, err);
    }
    if (utc < SECONDS_MIN || utc > SECONDS_MAX)
        return leat_err_set(err, LEAT_ERR_RANGE, "the time is not in the years 1 to 9999");
    *timestamp = (leat_value){.tag = LEAT_TIMESTAMP, .len = (uint32_t)found.nanos, .as.i = utc};
    return LEAT_OK;
}

/* --- printing --- */

typedef struct printing {
    leat_civil civil;
    int32_t offset;
    leat_value timestamp;
    leat_buf *out;
} printing;

static void put_layout(const printing *p, leat_str layout);

static void put_fraction(const printing *p)
{
    char digits[16];
    int len = snprintf(digits, sizeof digits, "%09u", (unsigned)p->timestamp.len);
    while (len > 3 && digits[len - 1] == '0' && digits[len - 2] == '0' && digits[len - 3] == '0')
        len -= 3; /* milliseconds, microseconds or nanoseconds */
    leat_buf_add(p->out, (leat_str){digits, (size_t)len});
}

static void put_date(const printing *p, char directive)
{
    const leat_civil *civil = &p->civil;
    leat_buf *out = p->out;
    switch (directive) {
    case 'Y': leat_buf_add_format(out, "%04d", civil->year); break;
    case 'y': leat_buf_add_format(out, "%02d", civil->year % 100); break;
    case 'm': leat_buf_add_format(out, "%02d", civil->month); break;
    case 'b': leat_buf_add(out, (leat_str){months[civil->month - 1], ABBREVIATION}); break;
    case 'B': leat_buf_add_text(out, months[civil->month - 1]); break;
    case 'd': leat_buf_add_format(out, "%02d", civil->day); break;
    case 'e': leat_buf_add_format(out, "%2d", civil->day); break;
    case 'j': leat_buf_add_format(out, "%03d", civil->yearday + 1); break;
    case 'a': leat_buf_add(out, (leat_str){days[civil->weekday], ABBREVIATION}); break;
    case 'A': leat_buf_add_text(out, days[civil->weekday]); break;
    default: LEAT_ASSERT(directive == '%'); leat_buf_add_char(out, '%');
    }
}

static void put_directive(const printing *p, char directive)
{
    const leat_civil *civil = &p->civil;
    leat_buf *out = p->out;
    leat_str others = longhand(directive);
    int32_t minutes = p->offset / 60;
    if (others.data != NULL) {
        put_layout(p, others);
        return;
    }
    switch (directive) {
    case 'H': leat_buf_add_format(out, "%02d", civil->hour); break;
    case 'I': leat_buf_add_format(out, "%02d", (civil->hour + 11) % 12 + 1); break;
    case 'p': leat_buf_add_text(out, civil->hour < 12 ? "AM" : "PM"); break;
    case 'M': leat_buf_add_format(out, "%02d", civil->minute); break;
    case 'S': leat_buf_add_format(out, "%02d", civil->second); break;
    case 'f': put_fraction(p); break;
    case 's': leat_buf_add_int(out, p->timestamp.as.i); break;
    case 'z':
        leat_buf_add_format(out, "%c%02d%02d", minutes < 0 ? '-' : '+',
                            (minutes < 0 ? -minutes : minutes) / 60,
                            (minutes < 0 ? -minutes : minutes) % 60);
        break;
    default: put_date(p, directive);
    }
}

static void put_layout(const printing *p, leat_str layout)
{
    for (size_t i = 0; i < layout.len; i++) {
        if (layout.data[i] == '%' && i + 1 < layout.len)
            put_directive(p, layout.data[++i]);
        else
            leat_buf_add_char(p->out, layout.data[i]);
    }
}

static void print_number(leat_value timestamp, int64_t units, leat_buf *out)
{
    int128 number = (int128)timestamp.as.i * units + (int64_t)timestamp.len / (NANOS / units);
    if (number >= INT64_MIN && number <= INT64_MAX) {
        leat_buf_add_int(out, (int64_t)number);
        return;
    }
    LEAT_ASSERT(units == NANOS);
    int64_t high = (int64_t)(number / NANOS), low = (int64_t)(number % NANOS);
    leat_buf_add_format(out, "%lld%09lld", (long long)high, (long long)(low < 0 ? -low : low));
}

leat_code leat_time_print(leat_value timestamp, leat_str layout, leat_str zone, leat_buf *out,
                          leat_err *err)
{
    int64_t units = units_of(layout);
    printing p = {.timestamp = timestamp, .out = out};
    LEAT_ASSERT(timestamp.tag == LEAT_TIMESTAMP);
    if (!leat_time_zone(zone, timestamp.as.i, &p.offset)) return unknown_zone(zone, err);
    if (units > 0) {
        print_number(timestamp, units, out);
    } else if (leat_str_is(layout, "rfc3339")) {
        leat_time_format(timestamp, out);
    } else {
        p.civil = leat_time_civil(timestamp.as.i + p.offset);
        LEAT_ASSERT(p.civil.weekday >= 0 && p.civil.weekday < 7);
        put_layout(&p, layout);
    }
    return leat_buf_check(out, "a time", err);
}

/* --- checking --- */

leat_code leat_time_layout_check(leat_str layout, bool scan, leat_err *err)
{
    static const char known[] = "YymbBdejHIpMSfzsaAFTDR%";
    bool year = false, month = false, day = false;
    if (units_of(layout) > 0 || leat_str_is(layout, "rfc3339")) return LEAT_OK;
    bool any = false;
    for (size_t i = 0; i < layout.len; i++) {
        if (layout.data[i] != '%') continue;
        char c = i + 1 < layout.len ? layout.data[i + 1] : '\0';
        if (c == '\0' || strchr(known, c) == NULL)
            return leat_err_set(err, LEAT_ERR_CONFIG,
                                "layout '%.*s': unknown directive '%.*s' (known: rfc3339, s, ms, "
                                "us, ns, or %%Y %%m %%d %%H %%M %%S %%f %%z and others)",
                                LEAT_STR_ARG(layout), c == '\0' ? 1 : 2, layout.data + i);
        any = true;
        i++;
        bool whole = c == 'F' || c == 'D' || c == 's';
        year |= whole || c == 'Y' || c == 'y';
        month |= whole || c == 'm' || c == 'b' || c == 'B' || c == 'j';
        day |= whole || c == 'd' || c == 'e' || c == 'j';
    }
    if (!any)
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "layout '%.*s' has no directive: write rfc3339, s, ms, us, ns, or such "
                            "as '%%Y-%%m-%%d %%H:%%M:%%S'",
                            LEAT_STR_ARG(layout));
    if (scan && !(year && month && day))
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "layout '%.*s' does not say the whole date: it needs year, month and "
                            "day",
                            LEAT_STR_ARG(layout));
    return LEAT_OK;
}
