/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones by name, for getHours('Europe/Berlin') and its kin.
 *
 * The zones are compiled in (zones.inc, made by script/zones.py, which describes the format): an
 * expression gives the same result on every machine, whatever zone files that has or lacks, and
 * nothing here reads a file. Times behind the last change in the table follow the zone's rule,
 * which is what nearly all events do and costs a fraction of a microsecond; older ones walk the
 * history from its beginning. Refused: the C library's localtime, which knows one zone a process.
 */
#include "core/time.h"
#include "transforms/expr_code.h"

#define HISTORY_START (-5364662400LL) /* 1800-01-01T00:00:00Z */
#define HISTORY_UNIT  1800
#define DAY_SECONDS   INT64_C(86400)

typedef struct zone {
    const char *name, *rule;
    int64_t last;
    const char *offsets, *history;
} zone;

typedef struct zone_link {
    const char *name, *target;
} zone_link;

static const zone zones[] = {
#define ZONE(name, rule, last, offsets, history) {name, rule, last, offsets, history},
#define LINK(name, target)
#include "transforms/zones.inc"
#undef ZONE
#undef LINK
};

static const zone_link links[] = {
#define ZONE(name, rule, last, offsets, history)
#define LINK(name, target) {name, target},
#include "transforms/zones.inc"
#undef ZONE
#undef LINK
};

/* Both tables begin their items with the name and are in its order. */
static const void *find_name(const void *items, size_t count, size_t bytes, leat_str name)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *item = (const char *)items + middle * bytes;
        const char *text = NULL;
        memcpy(&text, item, sizeof text);
        int order = leat_str_compare(name, leat_str_of(text));
        if (order == 0) return item;
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static const zone *find_zone(leat_str name)
{
    const zone *found = find_name(zones, sizeof zones / sizeof *zones, sizeof *zones, name);
    if (found != NULL) return found;
    const zone_link *link = find_name(links, sizeof links / sizeof *links, sizeof *links, name);
    if (link == NULL) return NULL;
    found =
        find_name(zones, sizeof zones / sizeof *zones, sizeof *zones, leat_str_of(link->target));
    LEAT_ASSERT(found != NULL); /* every link leads to a zone */
    return found;
}

/* --- rules: "CET-1CEST,M3.5.0,M10.5.0/3" ------------------------------------------------- */

static int32_t read_digits(const char **at)
{
    int32_t number = 0;
    while (**at >= '0' && **at <= '9')
        number = number * 10 + (*(*at)++ - '0');
    return number;
}

/* [+-]h[h][h][:mm[:ss]] as seconds. */
static int32_t read_clock(const char **at)
{
    bool negative = **at == '-';
    int32_t unit = 3600;
    int32_t seconds = 0;
    if (negative || **at == '+') (*at)++;
    for (;; (*at)++) {
        seconds += read_digits(at) * unit;
        unit /= 60;
        if (**at != ':') return negative ? -seconds : seconds;
    }
}

static void skip_name(const char **at)
{
    if (**at == '<') {
        while (**at != '>')
            (*at)++;
        (*at)++;
        return;
    }
    while ((**at >= 'A' && **at <= 'Z') || (**at >= 'a' && **at <= 'z'))
        (*at)++;
}

/* ",M3.5.0/2", ",J60" or ",59": the second of that year, by the clock before the change. */
static int64_t read_change(const char **at, int32_t year)
{
    LEAT_ASSERT(**at == ',');
    (*at)++;
    int64_t begin = leat_time_seconds(year, 1, 1, 0, 0, 0);
    int64_t day = 0; /* seconds since 1970 */
    if (**at == 'M') {
        (*at)++;
        int32_t month = read_digits(at);
        (*at)++;
        int32_t week = read_digits(at);
        (*at)++;
        int32_t weekday = read_digits(at);
        int64_t first = leat_time_seconds(year, month, 1, 0, 0, 0);
        int64_t after =
            leat_time_seconds(month == 12 ? year + 1 : year, month % 12 + 1, 1, 0, 0, 0);
        int32_t ahead = (weekday - leat_time_civil(first).weekday + 7) % 7;
        day = first + ((int64_t)ahead + (int64_t)(week - 1) * 7) * DAY_SECONDS;
        while (day >= after)
            day -= 7 * DAY_SECONDS; /* week 5 is the last */
    } else if (**at == 'J') {
        (*at)++;
        int32_t number = read_digits(at); /* 29 February is never counted */
        bool leap = leat_time_civil(begin + 59 * DAY_SECONDS).month == 2;
        day = begin + (int64_t)(number - 1 + (leap && number >= 60)) * DAY_SECONDS;
    } else {
        day = begin + (int64_t)read_digits(at) * DAY_SECONDS;
    }
    if (**at != '/') return day + 7200;
    (*at)++;
    return day + read_clock(at);
}

static int32_t rule_offset(const char *rule, int64_t time)
{
    const char *at = rule;
    skip_name(&at);
    int32_t standard = -read_clock(&at);
    if (*at == '\0') return standard;
    skip_name(&at);
    int32_t summer = *at == ',' ? standard + 3600 : -read_clock(&at);
    const char *changes = at;
    int32_t year = leat_time_civil(time + standard).year;
    for (int32_t back = -1; back <= 1; back++) { /* the latest change that is not after `time` */
        at = changes;
        int64_t start = read_change(&at, year - back) - standard;
        int64_t end = read_change(&at, year - back) - summer;
        if (start > time && end > time) continue;
        bool started = start <= time && (end > time || start > end);
        return started ? summer : standard;
    }
    return standard;
}

/* --- history ----------------------------------------------------------------------------- */

static int32_t nth_offset(const zone *found, char letter)
{
    const char *at = found->offsets;
    for (char skip = letter; skip > 'A'; skip--) {
        at = strchr(at, ' ');
        LEAT_ASSERT(at != NULL);
        at++;
    }
    bool negative = *at == '-';
    if (negative) at++;
    int32_t seconds = read_digits(&at);
    return negative ? -seconds : seconds;
}

static int32_t history_offset(const zone *found, int64_t time)
{
    int64_t change = HISTORY_START;
    char letter = 'A';
    for (const char *at = found->history; *at != '\0'; at++) {
        int64_t unit = *at == '.' ? 1 : HISTORY_UNIT;
        int64_t gap = 0;
        if (*at == '.') at++;
        for (; *at < 'A' || *at > 'Z'; at++) {
            gap = gap * 36 + (*at <= '9' ? *at - '0' : *at - 'a' + 10);
        }
        change += gap * unit;
        if (change > time) break;
        letter = *at;
    }
    return nth_offset(found, letter);
}

bool leat_expr_zone_offset(leat_str zone_name, int64_t utc_seconds, int32_t *offset)
{
    const zone *found = find_zone(zone_name);
    if (found == NULL) return false;
    *offset = utc_seconds >= found->last ? rule_offset(found->rule, utc_seconds)
                                         : history_offset(found, utc_seconds);
    LEAT_ASSERT(*offset > -2 * DAY_SECONDS && *offset < 2 * DAY_SECONDS);
    return true;
}
