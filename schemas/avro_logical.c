/* SPDX-License-Identifier: Apache-2.0 */
/* Logical types, read: what was an int, a long, bytes or a fixed becomes what it stands for.
 *
 * Times come as TIMESTAMP, whatever their unit; a date is midnight in UTC, and a local time is
 * taken as UTC, as there is no zone that it could be in. What lies outside of the years 1 to 9999
 * could not be written down again and is refused. A decimal becomes the text of a JSON number,
 * digit for digit, so that it can go through a pipeline and come out unchanged:
 *
 *   scale 2, bytes ff 85 (-123)   ->   "-1.23"
 *
 * Digits are made in chunks of 9 from big-endian words; the work is quadratic in the length, which
 * is why that is bounded. */
#include "core/number.h"
#include "core/time.h"
#include "schemas/avro_plan.h"

#define DAY_SECONDS       INT64_C(86400)
#define NANOS             1000000000
#define TIME_SECONDS_MIN  INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define TIME_SECONDS_MAX  INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define DECIMAL_BYTES_MAX 420u                  /* of LEAT_AVRO_DECIMAL_MAX digits, and some */
#define WORDS_MAX         (DECIMAL_BYTES_MAX / 4 + 1)
#define CHUNK             1000000000u
#define CHUNK_DIGITS      9u
#define DIGITS_MAX        (WORDS_MAX * 10u)

/* --- times ------------------------------------------------------------------------------------ */

static leat_code set_time(int64_t number, int64_t per_second, leat_value *value, leat_err *err)
{
    int64_t seconds = number / per_second, rest = number % per_second;
    if (rest < 0) {
        rest += per_second;
        seconds--;
    }
    if (seconds < TIME_SECONDS_MIN || seconds > TIME_SECONDS_MAX)
        return leat_err_set(err, LEAT_ERR_RANGE, "a time outside of the years 1 to 9999");
    *value =
        (leat_value){LEAT_TIMESTAMP, 0, 0, (uint32_t)(rest * (NANOS / per_second)), {.i = seconds}};
    return LEAT_OK;
}

static leat_code set_of_day(int64_t number, int64_t per_second, leat_value *value, leat_err *err)
{
    if (number < 0 || number >= DAY_SECONDS * per_second)
        return leat_err_set(err, LEAT_ERR_RANGE, "a time of day outside of one day");
    int64_t rest = number % per_second;
    *value = (leat_value){
        LEAT_DURATION, 0, 0, (uint32_t)(rest * (NANOS / per_second)), {.i = number / per_second}};
    return LEAT_OK;
}

/* --- decimals --------------------------------------------------------------------------------- */

/* Big-endian two's complement as a magnitude in words, the highest first. Returns how many. */
static size_t magnitude_of(leat_str bytes, bool *negative, uint32_t words[WORDS_MAX])
{
    size_t count = (bytes.len + 3) / 4, at = bytes.len;
    *negative = bytes.len > 0 && (signed char)bytes.data[0] < 0;
    uint32_t fill = *negative ? UINT32_MAX : 0, carry = 1;
    LEAT_ASSERT(count <= WORDS_MAX);
    for (size_t i = count; i > 0; i--) {
        uint32_t word = 0;
        for (unsigned shift = 0; shift < 32; shift += 8)
            word |= (at > 0 ? (uint32_t)(unsigned char)bytes.data[--at] : fill & 0xffu) << shift;
        if (*negative) {
            word = ~word + carry;
            carry = carry != 0 && word == 0;
        }
        words[i - 1] = word;
    }
    return count;
}

/* Writes the digits so that they end before `end`; returns where they start. */
static char *digits_of(uint32_t *words, size_t count, char *end)
{
    size_t first = 0;
    while (first < count && words[first] == 0)
        first++;
    while (first < count) {
        uint64_t rest = 0;
        for (size_t i = first; i < count; i++) {
            uint64_t part = rest << 32 | words[i];
            words[i] = (uint32_t)(part / CHUNK);
            rest = part % CHUNK;
        }
        while (first < count && words[first] == 0)
            first++;
        char *stop = end - CHUNK_DIGITS, *start = leat_number_digits(end, rest);
        while (first < count && start > stop)
            *--start = '0'; /* not the first chunk: with its zeros */
        end = start;
    }
    return end;
}

/* Sign bytes in front that say nothing. */
static leat_str trimmed(leat_str bytes)
{
    while (bytes.len > 1 &&
           ((bytes.data[0] == 0 && (signed char)bytes.data[1] >= 0) ||
            ((unsigned char)bytes.data[0] == 0xff && (signed char)bytes.data[1] < 0)))
        bytes = leat_str_slice(bytes, 1, bytes.len);
    return bytes;
}

static leat_code set_decimal(const avro_node *node, leat_arena *arena, leat_value *value,
                             leat_err *err)
{
    uint32_t words[WORDS_MAX];
    char digits[DIGITS_MAX + LEAT_AVRO_DECIMAL_MAX];
    char *end = digits + sizeof digits;
    leat_str bytes = trimmed(leat_value_str(*value));
    bool negative;
    if (bytes.len > DECIMAL_BYTES_MAX)
        return leat_err_set(err, LEAT_ERR_LIMIT, "a decimal of %zu bytes; %u are allowed",
                            bytes.len, DECIMAL_BYTES_MAX);
    size_t count = magnitude_of(bytes, &negative, words);
    char *start = digits_of(words, count, end);
    while ((size_t)(end - start) < node->scale + 1u)
        *--start = '0';
    size_t len = (size_t)(end - start), whole = len - node->scale;
    char *text = leat_arena_alloc(arena, len + 3), *to = text;
    if (text == NULL) return leat_arena_full(arena, err);
    if (negative) *to++ = '-';
    memcpy(to, start, whole);
    to += whole;
    if (node->scale > 0) {
        *to++ = '.';
        memcpy(to, start + whole, node->scale);
        to += node->scale;
    }
    *value = leat_value_text(LEAT_NUMBER, (leat_str){text, (size_t)(to - text)});
    /* What a JSON text would give for it: a plain integer is one. */
    int64_t number;
    if (node->scale == 0 && leat_number_int(leat_value_str(*value), &number) == LEAT_NUMBER_OK)
        *value = leat_value_int(number);
    return LEAT_OK;
}

/* --- others ----------------------------------------------------------------------------------- */

static leat_code set_uuid(leat_arena *arena, leat_value *value, leat_err *err)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *bytes = (const unsigned char *)value->as.text;
    char *text = leat_arena_alloc(arena, 36), *to = text;
    if (text == NULL) return leat_arena_full(arena, err);
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
        *to++ = hex[bytes[i] >> 4];
        *to++ = hex[bytes[i] & 15];
    }
    LEAT_ASSERT(to == text + 36);
    *value = leat_value_string((leat_str){text, 36});
    return LEAT_OK;
}

static leat_code set_duration(leat_arena *arena, leat_value *value, leat_err *err)
{
    static const char *const names[] = {"months", "days", "milliseconds"};
    uint32_t parts[3]; /* little-endian, as this machine is */
    leat_entry *entries = leat_arena_array(arena, 3, sizeof *entries);
    if (entries == NULL) return leat_arena_full(arena, err);
    memcpy(parts, value->as.text, sizeof parts);
    for (size_t i = 0; i < 3; i++)
        entries[i] = (leat_entry){leat_value_string(leat_str_of(names[i])),
                                  leat_value_int((int64_t)parts[i])};
    *value = leat_value_map(entries, 3);
    return LEAT_OK;
}

leat_code avro_logical_value(const avro_node *node, leat_arena *arena, leat_value *value,
                             leat_err *err)
{
    bool whole = value->tag == LEAT_INT;
    LEAT_ASSERT(whole == (node->kind == LEAT_AVRO_INT || node->kind == LEAT_AVRO_LONG));
    switch (node->logical) {
    case LEAT_AVRO_DATE: return set_time(value->as.i * DAY_SECONDS, 1, value, err);
    case LEAT_AVRO_TIMESTAMP_MILLIS: return set_time(value->as.i, 1000, value, err);
    case LEAT_AVRO_TIMESTAMP_MICROS: return set_time(value->as.i, 1000000, value, err);
    case LEAT_AVRO_TIMESTAMP_NANOS: return set_time(value->as.i, NANOS, value, err);
    case LEAT_AVRO_TIME_MILLIS: return set_of_day(value->as.i, 1000, value, err);
    case LEAT_AVRO_TIME_MICROS: return set_of_day(value->as.i, 1000000, value, err);
    case LEAT_AVRO_DECIMAL: return set_decimal(node, arena, value, err);
    case LEAT_AVRO_UUID: return set_uuid(arena, value, err);
    case LEAT_AVRO_DURATION: return set_duration(arena, value, err);
    case LEAT_AVRO_PLAIN: break;
    }
    LEAT_ASSERT(!"a plain value has no logical type");
    return LEAT_ERR_INTERNAL;
}
