/* SPDX-License-Identifier: Apache-2.0 */
/* Conversions between types, and what else the core has for values of any type.
 *
 * A conversion that would change more than the form is an error: a number out of range, a text that
 * spells no number, bytes that are no UTF-8. Doubles lose their fraction on the way to an integer.
 * Texts read only what CEL's literals of the type allow, with a sign. */
#include <math.h>

#include "core/number.h"
#include "core/time.h"
#include "transforms/expr_ast.h"
#include "transforms/expr_function.h"

#define TEXT_MAX 64

static leat_value bad_text(leat_expr_run *run, leat_value text, const char *type)
{
    uint32_t shown = text.len < TEXT_MAX ? text.len : TEXT_MAX;
    while (shown > 0 && shown < text.len && ((unsigned char)text.as.text[shown] & 0xc0) == 0x80) {
        shown--; /* no half characters */
    }
    return leat_expr_fail_format(run, LEAT_ERR_INVALID, "'%.*s' is no %s", (int)shown, text.as.text,
                                 type);
}

static leat_value out_of_range(const leat_expr_run *run, const char *text)
{
    return leat_expr_fail(run, LEAT_ERR_RANGE, text);
}

static leat_value make_text(leat_expr_run *run, leat_tag tag, leat_str text)
{
    leat_str copy = leat_arena_copy(run->arena, text);
    return copy.data != NULL ? leat_value_text(tag, copy) : leat_expr_fail_full(run);
}

static leat_value size_of(leat_expr_run *run, leat_value value)
{
    if (value.tag != LEAT_STRING) return leat_value_int(value.len);
    if (!leat_expr_charge(run, value.len / 16)) return leat_expr_fail_cost(run);
    int64_t points = 0;
    for (uint32_t i = 0; i < value.len; i++) {
        points += ((unsigned char)value.as.text[i] & 0xc0) != 0x80;
    }
    return leat_value_int(points);
}

leat_value leat_expr_size(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    return size_of(run, args[0]);
}

leat_value leat_expr_size_of(leat_expr_run *run, const leat_value *operand)
{
    const uint32_t sized = 1u << LEAT_STRING | 1u << LEAT_BYTES | 1u << LEAT_LIST | 1u << LEAT_MAP;
    leat_value value = leat_expr_load(run, operand);
    if (value.tag == LEAT_OBJECT && (value.flags & LEAT_EXPR_OPAQUE) == 0) {
        value = leat_expr_whole(run, value);
    }
    if (value.tag == LEAT_ERROR) return value;
    if ((1u << value.tag & sized) == 0) return leat_expr_no_overload(run, "size", &value, 1);
    return size_of(run, value);
}

leat_value leat_expr_dyn(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    LEAT_ASSERT(count == 1);
    return args[0];
}

leat_value leat_expr_type_function(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    LEAT_ASSERT(count == 1);
    return leat_value_text(LEAT_TYPE, leat_str_of(leat_expr_type_of(args[0])));
}

leat_value leat_expr_to_bool(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    static const char *const words[2][6] = {{"0", "f", "F", "false", "FALSE", "False"},
                                            {"1", "t", "T", "true", "TRUE", "True"}};
    LEAT_ASSERT(count == 1);
    if (args[0].tag == LEAT_BOOL) return args[0];
    for (int truth = 0; truth < 2; truth++) {
        for (int i = 0; i < 6; i++) {
            if (leat_str_is(leat_value_str(args[0]), words[truth][i])) {
                return leat_value_bool(truth == 1);
            }
        }
    }
    return bad_text(run, args[0], "bool");
}

leat_value leat_expr_to_bytes(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    (void)run;
    LEAT_ASSERT(count == 1);
    return leat_value_text(LEAT_BYTES, leat_value_str(args[0]));
}

/* --- numbers ----------------------------------------------------------------------------- */

static bool skip_sign(leat_str *text)
{
    bool negative = text->len > 0 && text->data[0] == '-';
    if (negative || (text->len > 0 && text->data[0] == '+')) {
        *text = leat_str_slice(*text, 1, text->len);
    }
    return negative;
}

/* Digits as a magnitude. */
static leat_number read_digits(leat_str text, uint64_t *magnitude)
{
    *magnitude = 0;
    if (text.len == 0) return LEAT_NUMBER_SYNTAX;
    bool over = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return LEAT_NUMBER_SYNTAX;
        over |= __builtin_mul_overflow(*magnitude, 10u, magnitude);
        over |= __builtin_add_overflow(*magnitude, (uint64_t)(text.data[i] - '0'), magnitude);
    }
    return over ? LEAT_NUMBER_RANGE : LEAT_NUMBER_OK;
}

static leat_value text_to_int(leat_expr_run *run, leat_value value)
{
    uint64_t magnitude = 0;
    leat_str text = leat_value_str(value);
    bool negative = skip_sign(&text);
    leat_number read = read_digits(text, &magnitude);
    if (read == LEAT_NUMBER_SYNTAX) return bad_text(run, value, "int");
    if (read == LEAT_NUMBER_RANGE || magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return bad_text(run, value, "int of 64 bits");
    }
    return leat_value_int(negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude);
}

leat_value leat_expr_to_int(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_value value = args[0];
    int64_t nanos = 0;
    LEAT_ASSERT(count == 1);
    switch ((int)value.tag) {
    case LEAT_INT: return value;
    case LEAT_UINT:
        if (value.as.u > INT64_MAX) return out_of_range(run, "the uint is beyond the range of int");
        return leat_value_int((int64_t)value.as.u);
    case LEAT_DOUBLE: /* both ends excluded: their neighbours are not doubles */
        if (!(value.as.d > -0x1p63 && value.as.d < 0x1p63)) {
            return out_of_range(run, "the double is beyond the range of int");
        }
        return leat_value_int((int64_t)value.as.d);
    case LEAT_TIMESTAMP: return leat_value_int(value.as.i);
    case LEAT_DURATION:
        if (__builtin_mul_overflow(value.as.i, 1000000000, &nanos) ||
            __builtin_add_overflow(nanos, (int64_t)value.len, &nanos)) {
            return out_of_range(run, "the duration has too many nanoseconds for an int");
        }
        return leat_value_int(nanos);
    default: LEAT_ASSERT(value.tag == LEAT_STRING); return text_to_int(run, value);
    }
}

leat_value leat_expr_to_uint(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_value value = args[0];
    uint64_t magnitude = 0;
    LEAT_ASSERT(count == 1);
    if (value.tag == LEAT_UINT) return value;
    if (value.tag == LEAT_INT) {
        if (value.as.i < 0) return out_of_range(run, "a negative int is no uint");
        return leat_value_uint((uint64_t)value.as.i);
    }
    if (value.tag == LEAT_DOUBLE) {
        if (!(value.as.d > -1.0 && value.as.d < 0x1p64) || value.as.d < 0.0) {
            return out_of_range(run, "the double is beyond the range of uint");
        }
        return leat_value_uint((uint64_t)value.as.d);
    }
    LEAT_ASSERT(value.tag == LEAT_STRING);
    leat_number read = read_digits(leat_value_str(value), &magnitude);
    if (read == LEAT_NUMBER_OK) return leat_value_uint(magnitude);
    return bad_text(run, value, read == LEAT_NUMBER_RANGE ? "uint of 64 bits" : "uint");
}

static bool is_word(leat_str text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}

static leat_value text_to_double(leat_expr_run *run, leat_value value)
{
    double number = 0;
    leat_str text = leat_value_str(value);
    bool negative = skip_sign(&text);
    if (is_word(text, "inf") || is_word(text, "infinity")) {
        number = INFINITY;
    } else if (is_word(text, "nan")) {
        number = NAN;
    } else if (text.len == 0 || text.data[0] == '-' ||
               leat_expr_read_double(text, &number) != LEAT_NUMBER_OK) {
        return bad_text(run, value, "double");
    }
    return leat_value_double(negative ? -number : number);
}

leat_value leat_expr_to_double(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    if (args[0].tag == LEAT_DOUBLE) return args[0];
    if (args[0].tag == LEAT_INT) return leat_value_double((double)args[0].as.i);
    if (args[0].tag == LEAT_UINT) return leat_value_double((double)args[0].as.u);
    return text_to_double(run, args[0]);
}

/* --- texts ------------------------------------------------------------------------------- */

leat_value leat_expr_double_text(leat_expr_run *run, double number)
{
    char text[LEAT_NUMBER_TEXT_MAX];
    size_t len = leat_number_write(number, text);
    if (len > 2 && text[len - 1] == '0' && text[len - 2] == '.') len -= 2; /* 6.0 is "6" */
    return make_text(run, LEAT_STRING, (leat_str){text, len});
}

static leat_value int_text(leat_expr_run *run, uint64_t magnitude, bool negative)
{
    char text[24];
    char *end = text + sizeof text;
    char *start = leat_number_digits(end, magnitude);
    if (negative) *--start = '-';
    return make_text(run, LEAT_STRING, (leat_str){start, (size_t)(end - start)});
}

static leat_value time_text(leat_expr_run *run, leat_value value)
{
    leat_buf out;
    leat_buf_init(&out, 128);
    if (value.tag == LEAT_TIMESTAMP) {
        leat_time_format(value, &out);
    } else {
        leat_duration_format(value, &out);
    }
    leat_value text = make_text(run, LEAT_STRING, leat_buf_str(&out));
    leat_buf_release(&out);
    return text;
}

leat_value leat_expr_to_string(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_value value = args[0];
    LEAT_ASSERT(count == 1);
    switch ((int)value.tag) {
    case LEAT_STRING: return value;
    case LEAT_BOOL: return leat_value_string(value.as.b ? LEAT_STR("true") : LEAT_STR("false"));
    case LEAT_INT:
        return int_text(run, value.as.i < 0 ? 0 - (uint64_t)value.as.i : (uint64_t)value.as.i,
                        value.as.i < 0);
    case LEAT_UINT: return int_text(run, value.as.u, false);
    case LEAT_DOUBLE: return leat_expr_double_text(run, value.as.d);
    case LEAT_BYTES:
        if (!leat_expr_charge(run, value.len / 16)) return leat_expr_fail_cost(run);
        if (!leat_str_utf8_valid(leat_value_str(value))) {
            return leat_expr_fail(run, LEAT_ERR_INVALID, "the bytes are not valid UTF-8");
        }
        return leat_value_text(LEAT_STRING, leat_value_str(value));
    default: return time_text(run, value);
    }
}

/* --- time -------------------------------------------------------------------------------- */

leat_value leat_expr_to_timestamp(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_value timestamp;
    leat_err err;
    LEAT_ASSERT(count == 1);
    if (args[0].tag == LEAT_TIMESTAMP) return args[0];
    if (args[0].tag == LEAT_INT) return leat_expr_time(run, LEAT_TIMESTAMP, args[0].as.i, 0);
    if (leat_time_parse(leat_value_str(args[0]), &timestamp, &err) != LEAT_OK) {
        return leat_expr_fail_err(run, &err);
    }
    return leat_expr_time(run, LEAT_TIMESTAMP, timestamp.as.i, timestamp.len);
}

leat_value leat_expr_to_duration(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_value duration;
    leat_err err;
    LEAT_ASSERT(count == 1);
    if (args[0].tag == LEAT_DURATION) return args[0];
    if (args[0].tag == LEAT_INT) {
        return leat_expr_time(run, LEAT_DURATION, args[0].as.i / 1000000000,
                              args[0].as.i % 1000000000);
    }
    if (leat_duration_parse(leat_value_str(args[0]), &duration, &err) != LEAT_OK) {
        return leat_expr_fail_err(run, &err);
    }
    return leat_expr_time(run, LEAT_DURATION, duration.as.i, duration.len);
}
