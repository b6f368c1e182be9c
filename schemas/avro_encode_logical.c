/* SPDX-License-Identifier: Apache-2.0 */
/* Logical types, written: a time, decimal or uuid as the int, long, bytes or fixed that it is in
 * the bytes. The way back of avro_logical.c; what does not fit without loss is refused, but for a
 * time finer than its type, which is cut, as clocks do.
 *
 * A decimal is taken by its text ("12.30", "1e3"), never by a double's value, so that 0.1 is 0.1:
 *
 *   "-1.23", scale 2  ->  digits 123  ->  words 0000007b  ->  negated, as few bytes: ff 85 */
#include <ctype.h>

#include "core/number.h"
#include "core/time.h"
#include "schemas/avro_plan.h"

#define DAY_SECONDS  INT64_C(86400)
#define NANOS        1000000000
#define CHUNK        10u
#define EXPONENT_MAX 100000 /* of a decimal with fewer digits: none fits */
#define WORDS_MAX    (LEAT_AVRO_DECIMAL_MAX / 9 + 2)
#define BYTES_MAX    (WORDS_MAX * 4 + 1)

static leat_code wrong(const leat_avro_type *type, leat_arena *arena, leat_value value,
                       leat_err *err)
{
    leat_str wanted = leat_avro_type_text(type, arena);
    return leat_err_set(err, value.tag == LEAT_MISSING ? LEAT_ERR_NO_FIELD : LEAT_ERR_TYPE,
                        "expected %.*s, not %s", LEAT_STR_ARG(wanted),
                        value.tag == LEAT_MISSING ? "nothing" : leat_tag_name((leat_tag)value.tag));
}

/* --- times ------------------------------------------------------------------------------------ */

static leat_code in_units(int64_t seconds, uint32_t nanos, int64_t per_second, leat_value *value,
                          leat_err *err)
{
    int64_t number;
    if (__builtin_mul_overflow(seconds, per_second, &number) ||
        __builtin_add_overflow(number, (int64_t)nanos / (NANOS / per_second), &number))
        return leat_err_set(err, LEAT_ERR_RANGE, "the time does not fit into 64 bits");
    *value = leat_value_int(number);
    return LEAT_OK;
}

static leat_code plain_date(const leat_avro_type *type, leat_arena *arena, leat_value *value,
                            leat_err *err)
{
    if (value->tag == LEAT_INT) return LEAT_OK;
    if (value->tag == LEAT_STRING) {
        leat_str text = leat_value_str(*value);
        if (text.len == 10) text = leat_arena_print(arena, "%.*sT00:00:00Z", LEAT_STR_ARG(text));
        if (text.data == NULL) return leat_arena_full(arena, err);
        LEAT_TRY(leat_time_parse(text, value, err));
    }
    if (value->tag != LEAT_TIMESTAMP) return wrong(type, arena, *value, err);
    if (value->len != 0 || value->as.i % DAY_SECONDS != 0)
        return leat_err_set(err, LEAT_ERR_RANGE, "expected a date, but the time is not midnight");
    *value = leat_value_int(value->as.i / DAY_SECONDS);
    return LEAT_OK;
}

static leat_code plain_timestamp(const leat_avro_type *type, leat_arena *arena, leat_value *value,
                                 leat_err *err)
{
    int64_t per_second = type->logical == LEAT_AVRO_TIMESTAMP_MILLIS   ? 1000
                         : type->logical == LEAT_AVRO_TIMESTAMP_MICROS ? 1000000
                                                                       : NANOS;
    if (value->tag == LEAT_INT) return LEAT_OK;
    if (value->tag == LEAT_STRING) LEAT_TRY(leat_time_parse(leat_value_str(*value), value, err));
    if (value->tag != LEAT_TIMESTAMP) return wrong(type, arena, *value, err);
    return in_units(value->as.i, value->len, per_second, value, err);
}

static leat_code plain_time(const leat_avro_type *type, leat_arena *arena, leat_value *value,
                            leat_err *err)
{
    int64_t per_second = type->logical == LEAT_AVRO_TIME_MILLIS ? 1000 : 1000000;
    if (value->tag == LEAT_STRING)
        LEAT_TRY(leat_duration_parse(leat_value_str(*value), value, err));
    if (value->tag == LEAT_DURATION)
        LEAT_TRY(in_units(value->as.i, value->len, per_second, value, err));
    if (value->tag != LEAT_INT) return wrong(type, arena, *value, err);
    if (value->as.i >= 0 && value->as.i < DAY_SECONDS * per_second) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_RANGE, "a time of day is less than a day");
}

/* --- decimals --------------------------------------------------------------------------------- */

typedef struct decimal {
    bool negative;
    char digits[LEAT_AVRO_DECIMAL_MAX];
    size_t count; /* of digits, without zeros in front */
} decimal;

/* Where a number's digits end, and where its point stands among them, exponent applied. */
static int64_t point_of(leat_str text, size_t *digits_end)
{
    size_t e = 0, point = SIZE_MAX, digits = 0;
    for (; e < text.len && (text.data[e] | 0x20) != 'e'; e++) {
        if (text.data[e] == '.') point = digits;
        digits += isdigit((unsigned char)text.data[e]) != 0;
    }
    *digits_end = e;
    int64_t exponent = 0;
    bool negative = e + 1 < text.len && text.data[e + 1] == '-';
    for (size_t i = e + 1; i < text.len && exponent < EXPONENT_MAX; i++)
        if (isdigit((unsigned char)text.data[i])) exponent = exponent * 10 + (text.data[i] - '0');
    return (int64_t)(point == SIZE_MAX ? digits : point) + (negative ? -exponent : exponent);
}

static bool digit_add(decimal *made, const leat_avro_type *type, char digit)
{
    if (made->count == 0 && digit == '0') return true;
    if (made->count == type->precision) return false;
    made->digits[made->count++] = digit;
    return true;
}

/* A JSON number's text as digits, with the type's scale places behind the point. */
static leat_code digits_of(leat_str text, const leat_avro_type *type, decimal *made, leat_err *err)
{
    double ignored;
    size_t stop = 0;
    int shown = text.len > 40 ? 40 : (int)text.len;
    if (leat_number_double(text, &ignored) == LEAT_NUMBER_SYNTAX)
        return leat_err_set(err, LEAT_ERR_TYPE, "expected a decimal, not '%.*s'", shown, text.data);
    int64_t end = point_of(text, &stop) + (int64_t)type->scale, at = 0; /* digits that count */
    bool fits = true;
    made->negative = text.data[0] == '-';
    for (size_t i = 0; i < stop && fits; i++) {
        if (!isdigit((unsigned char)text.data[i])) continue;
        if (at++ < end)
            fits = digit_add(made, type, text.data[i]);
        else if (text.data[i] != '0')
            return leat_err_set(err, LEAT_ERR_RANGE, "a decimal of scale %u cannot hold %.*s",
                                type->scale, shown, text.data);
    }
    for (; at < end && made->count > 0 && fits; at++)
        fits = digit_add(made, type, '0');
    if (fits) return LEAT_OK;
    return leat_err_set(err, LEAT_ERR_RANGE, "a decimal of precision %u cannot hold %.*s",
                        type->precision, shown, text.data);
}

/* Two's complement, big-endian, as few bytes as hold it. Returns them in room. */
static leat_str bytes_of(const decimal *number, unsigned char room[BYTES_MAX])
{
    uint32_t words[WORDS_MAX] = {0}; /* the lowest first */
    size_t used = number->count / 9 + 1, bytes = used * 4 + 1;
    LEAT_ASSERT(used <= WORDS_MAX);
    for (size_t i = 0; i < number->count; i++) {
        uint64_t carry = (uint64_t)(number->digits[i] - '0');
        for (size_t w = 0; w < used; w++) {
            carry += (uint64_t)words[w] * CHUNK;
            words[w] = (uint32_t)carry;
            carry >>= 32;
        }
        LEAT_ASSERT(carry == 0);
    }
    uint32_t carry = 1;
    for (size_t w = 0; number->negative && w < used; w++) {
        words[w] = ~words[w] + carry;
        carry = carry != 0 && words[w] == 0;
    }
    for (size_t i = 0; i < bytes - 1; i++)
        room[bytes - 1 - i] = (unsigned char)(words[i / 4] >> (i % 4 * 8));
    room[0] = number->negative && number->count > 0 ? 0xff : 0;
    size_t at = 0;
    while (at + 1 < bytes && (room[at] == 0 || room[at] == 0xff) &&
           ((room[at] ^ room[at + 1]) & 0x80u) == 0)
        at++;
    return (leat_str){(const char *)room + at, bytes - at};
}

static leat_code text_of(leat_value value, char text[LEAT_NUMBER_TEXT_MAX], leat_str *number)
{
    char *end = text + LEAT_NUMBER_TEXT_MAX;
    if (value.tag == LEAT_NUMBER || value.tag == LEAT_STRING) {
        *number = leat_value_str(value);
        return LEAT_OK;
    }
    if (value.tag == LEAT_DOUBLE) {
        *number = (leat_str){text, leat_number_write(value.as.d, text)};
        return LEAT_OK;
    }
    if (value.tag != LEAT_INT && value.tag != LEAT_UINT) return LEAT_ERR_TYPE;
    bool negative = value.tag == LEAT_INT && value.as.i < 0;
    char *start = leat_number_digits(end, negative ? 0 - (uint64_t)value.as.i : value.as.u);
    LEAT_ASSERT(start > text);
    if (negative) *--start = '-';
    *number = (leat_str){start, (size_t)(end - start)};
    return LEAT_OK;
}

static leat_code plain_decimal(const leat_avro_type *type, leat_arena *arena, leat_value *value,
                               leat_err *err)
{
    char text[LEAT_NUMBER_TEXT_MAX];
    unsigned char room[BYTES_MAX];
    decimal number = {.count = 0};
    leat_str digits;
    if (text_of(*value, text, &digits) != LEAT_OK) return wrong(type, arena, *value, err);
    LEAT_TRY(digits_of(digits, type, &number, err));
    leat_str bytes = bytes_of(&number, room);
    size_t len = type->kind == LEAT_AVRO_FIXED ? type->size : bytes.len;
    LEAT_ASSERT(bytes.len <= len || type->kind == LEAT_AVRO_FIXED);
    if (bytes.len > len)
        return leat_err_set(err, LEAT_ERR_RANGE, "%.*s does not fit into %zu bytes",
                            digits.len > 40 ? 40 : (int)digits.len, digits.data, len);
    char *made = leat_arena_alloc(arena, len + 1);
    if (made == NULL) return leat_arena_full(arena, err);
    memset(made, number.negative && number.count > 0 ? 0xff : 0, len - bytes.len);
    memcpy(made + len - bytes.len, bytes.data, bytes.len);
    *value = leat_value_text(LEAT_BYTES, (leat_str){made, len});
    return LEAT_OK;
}

/* --- others ----------------------------------------------------------------------------------- */

static leat_code plain_uuid(const leat_avro_type *type, leat_arena *arena, leat_value *value,
                            leat_err *err)
{
    leat_str text = leat_value_str(*value);
    char *bytes = leat_arena_alloc(arena, 16);
    size_t count = 0;
    if (bytes == NULL) return leat_arena_full(arena, err);
    if (value->tag == LEAT_BYTES && type->kind == LEAT_AVRO_FIXED) return LEAT_OK;
    if (value->tag != LEAT_STRING) return wrong(type, arena, *value, err);
    bool good = text.len == 36;
    for (size_t i = 0; good && i < 36;) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            good = text.data[i++] == '-';
            continue;
        }
        int high = leat_str_hex_digit(text.data[i]), low = leat_str_hex_digit(text.data[i + 1]);
        good = high >= 0 && low >= 0;
        if (good) bytes[count++] = (char)(high << 4 | low);
        i += 2;
    }
    if (!good)
        return leat_err_set(err, LEAT_ERR_RANGE, "expected a uuid, not '%.*s'",
                            text.len > 40 ? 40 : (int)text.len, text.data);
    if (type->kind == LEAT_AVRO_FIXED) *value = leat_value_text(LEAT_BYTES, (leat_str){bytes, 16});
    return LEAT_OK;
}

static leat_code plain_duration(const leat_avro_type *type, leat_arena *arena, leat_value *value,
                                leat_err *err)
{
    static const char *const names[] = {"months", "days", "milliseconds"};
    uint32_t parts[3];
    if (value->tag == LEAT_BYTES) return LEAT_OK;
    if (value->tag != LEAT_MAP) return wrong(type, arena, *value, err);
    for (size_t i = 0; i < 3; i++) {
        leat_value part = LEAT_VALUE_MISSING;
        for (uint32_t k = 0; k < value->len; k++) {
            const leat_entry *entry = &value->as.entries[k];
            if (entry->key.tag == LEAT_STRING && leat_str_is(leat_value_str(entry->key), names[i]))
                part = entry->value;
        }
        if (part.tag != LEAT_INT || part.as.i < 0 || part.as.i > UINT32_MAX)
            return leat_err_set(err, LEAT_ERR_TYPE,
                                "expected a duration: months, days and milliseconds, each 0 to %u",
                                UINT32_MAX);
        parts[i] = (uint32_t)part.as.i;
    }
    leat_str copy = leat_arena_copy(arena, (leat_str){(const char *)parts, sizeof parts});
    if (copy.data == NULL) return leat_arena_full(arena, err);
    *value = leat_value_text(LEAT_BYTES, copy);
    return LEAT_OK;
}

leat_code avro_logical_plain(const leat_avro_type *type, leat_arena *arena, leat_value *value,
                             leat_err *err)
{
    switch (type->logical) {
    case LEAT_AVRO_DATE: return plain_date(type, arena, value, err);
    case LEAT_AVRO_TIMESTAMP_MILLIS:
    case LEAT_AVRO_TIMESTAMP_MICROS:
    case LEAT_AVRO_TIMESTAMP_NANOS: return plain_timestamp(type, arena, value, err);
    case LEAT_AVRO_TIME_MILLIS:
    case LEAT_AVRO_TIME_MICROS: return plain_time(type, arena, value, err);
    case LEAT_AVRO_DECIMAL: return plain_decimal(type, arena, value, err);
    case LEAT_AVRO_UUID: return plain_uuid(type, arena, value, err);
    case LEAT_AVRO_DURATION: return plain_duration(type, arena, value, err);
    case LEAT_AVRO_PLAIN: break;
    }
    LEAT_ASSERT(!"a plain value has no logical type");
    return LEAT_ERR_INTERNAL;
}
