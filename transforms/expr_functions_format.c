/* SPDX-License-Identifier: Apache-2.0 */
/* text.format(list): %s %d %f %e %b %o %x %X, %% and precisions (%.3f).
 *
 * Each clause takes the next element of the list; too few elements, or a type that the clause does
 * not take, are errors. %s writes any value, composites as they would be written in an expression
 * but without quotes, maps in the order of their keys' texts, so that the result never depends on
 * the order of insertion. Numbers are never written with an exponent but by %e. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/number.h"
#include "core/time.h"
#include "transforms/expr_function.h"
#include "transforms/expr_out.h"

#define PRECISION_DEFAULT 6
#define PRECISION_MAX     1000
#define DOUBLE_TEXT_MAX   (PRECISION_MAX + 400) /* 309 digits, a point, the fraction */

/* An error is MISSING for none; the value goes to out. */
static leat_value write_value(leat_expr_out *out, leat_value value);

static leat_value wrong_type(leat_expr_run *run, char verb, leat_value value)
{
    return leat_expr_fail_format(run, LEAT_ERR_INVALID,
                                 "format: %%%c cannot write a value of type %s", verb,
                                 leat_expr_type_of(value));
}

/* NaN and infinities are words in every clause. */
static bool write_word(leat_expr_out *out, double number)
{
    if (isfinite(number)) return false;
    leat_expr_out_add_text(out, isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
    return true;
}

/* The shortest digits that read back, without exponent: 1e+21 is 1 and 21 zeros. */
static void write_double(leat_expr_out *out, double number)
{
    char text[LEAT_NUMBER_TEXT_MAX + 1];
    if (write_word(out, number)) return;
    size_t len = leat_number_write(number, text);
    text[len] = '\0';
    const char *e = strchr(text, 'e');
    if (e == NULL) {
        if (len > 2 && strcmp(text + len - 2, ".0") == 0) len -= 2;
        leat_expr_out_add(out, (leat_str){text, len});
        return;
    }
    int exponent = (int)strtol(e + 1, NULL, 10);
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (text[0] == '-') leat_expr_out_add_char(out, '-');
    if (exponent < 0) {
        leat_expr_out_add_text(out, "0.");
        for (int i = -1; i > exponent; i--)
            leat_expr_out_add_char(out, '0');
    }
    int written = 0;
    for (const char *at = digits; at < e; at++) {
        if (*at == '.') continue;
        leat_expr_out_add_char(out, *at);
        written++;
    }
    for (; written <= exponent; written++)
        leat_expr_out_add_char(out, '0');
}

static void write_int(leat_expr_out *out, leat_value value)
{
    char text[24];
    bool negative = value.tag == LEAT_INT && value.as.i < 0;
    char *end = text + sizeof text;
    char *start = leat_number_digits(end, negative ? 0 - value.as.u : value.as.u);
    if (negative) *--start = '-';
    leat_expr_out_add(out, (leat_str){start, (size_t)(end - start)});
}

static void write_time(leat_expr_out *out, leat_value value)
{
    leat_buf text;
    leat_buf_init(&text, 128);
    if (value.tag == LEAT_TIMESTAMP) {
        leat_time_format(value, &text);
    } else {
        leat_duration_format(value, &text);
    }
    leat_expr_out_add(out, leat_buf_str(&text));
    leat_buf_release(&text);
}

/* --- composites -------------------------------------------------------------------------- */

static leat_value write_list(leat_expr_out *out, leat_value list)
{
    leat_expr_out_add_char(out, '[');
    for (uint32_t i = 0; i < list.len; i++) {
        if (i > 0) leat_expr_out_add_text(out, ", ");
        leat_value error = write_value(out, list.as.items[i]);
        if (error.tag == LEAT_ERROR) return error;
    }
    leat_expr_out_add_char(out, ']');
    return LEAT_VALUE_MISSING;
}

/* Both texts of an entry. */
static leat_value entry_texts(leat_expr_run *run, leat_entry entry, leat_value texts[2])
{
    leat_value parts[2] = {entry.key, entry.value};
    for (int i = 0; i < 2; i++) {
        leat_expr_out out;
        leat_expr_out_init(&out, run);
        leat_value error = write_value(&out, parts[i]);
        if (error.tag == LEAT_ERROR) return error;
        texts[i] = leat_expr_out_value(&out, LEAT_STRING);
        if (texts[i].tag == LEAT_ERROR) return texts[i];
    }
    return LEAT_VALUE_MISSING;
}

static leat_value write_map(leat_expr_out *out, leat_value map)
{
    leat_expr_run *run = out->run;
    leat_value *keys = leat_expr_items_new(run, map.len);
    leat_value *entries = leat_expr_items_new(run, map.len);
    if (keys == NULL || entries == NULL) return leat_expr_fail_full(run);
    for (uint32_t i = 0; i < map.len; i++) {
        leat_value *texts = leat_expr_items_new(run, 2);
        if (texts == NULL) return leat_expr_fail_full(run);
        leat_value error = entry_texts(run, map.as.entries[i], texts);
        if (error.tag == LEAT_ERROR) return error;
        keys[i] = texts[0];
        entries[i] = leat_value_list(texts, 2);
    }
    leat_value lists[2] = {leat_value_list(entries, map.len), leat_value_list(keys, map.len)};
    leat_value sorted = leat_expr_sort_by(run, lists, 2);
    if (sorted.tag == LEAT_ERROR) return sorted;
    leat_expr_out_add_char(out, '{');
    for (uint32_t i = 0; i < sorted.len; i++) {
        const leat_value *texts = sorted.as.items[i].as.items;
        if (i > 0) leat_expr_out_add_text(out, ", ");
        leat_expr_out_add(out, leat_value_str(texts[0]));
        leat_expr_out_add_text(out, ": ");
        leat_expr_out_add(out, leat_value_str(texts[1]));
    }
    leat_expr_out_add_char(out, '}');
    return LEAT_VALUE_MISSING;
}

static leat_value write_value(leat_expr_out *out, leat_value value)
{
    if (!leat_expr_charge(out->run, 1)) return leat_expr_fail_cost(out->run);
    value = leat_expr_whole(out->run, value);
    switch ((leat_tag)value.tag) {
    case LEAT_NULL: leat_expr_out_add_text(out, "null"); return LEAT_VALUE_MISSING;
    case LEAT_BOOL:
        leat_expr_out_add_text(out, value.as.b ? "true" : "false");
        return LEAT_VALUE_MISSING;
    case LEAT_INT:
    case LEAT_UINT: write_int(out, value); return LEAT_VALUE_MISSING;
    case LEAT_DOUBLE: write_double(out, value.as.d); return LEAT_VALUE_MISSING;
    case LEAT_BYTES:
        if (!leat_str_utf8_valid(leat_value_str(value))) return wrong_type(out->run, 's', value);
        leat_expr_out_add(out, leat_value_str(value));
        return LEAT_VALUE_MISSING;
    case LEAT_STRING:
    case LEAT_TYPE: leat_expr_out_add(out, leat_value_str(value)); return LEAT_VALUE_MISSING;
    case LEAT_TIMESTAMP:
    case LEAT_DURATION: write_time(out, value); return LEAT_VALUE_MISSING;
    case LEAT_LIST: return write_list(out, value);
    case LEAT_MAP: return write_map(out, value);
    case LEAT_ERROR: return value;
    case LEAT_OPTIONAL:
    case LEAT_OBJECT:
    case LEAT_MISSING:
    case LEAT_NUMBER:
    case LEAT_JSON:
    case LEAT_TAGS_COUNT: break;
    }
    return wrong_type(out->run, 's', value);
}

/* --- clauses ----------------------------------------------------------------------------- */

static leat_value write_decimal(leat_expr_out *out, leat_value value)
{
    if (value.tag == LEAT_DOUBLE) {
        write_double(out, value.as.d);
    } else if (value.tag == LEAT_INT || value.tag == LEAT_UINT) {
        write_int(out, value);
    } else {
        return wrong_type(out->run, 'd', value);
    }
    return LEAT_VALUE_MISSING;
}

/* %f and %e */
static leat_value write_fixed(leat_expr_out *out, char verb, int precision, leat_value value)
{
    char text[DOUBLE_TEXT_MAX];
    double number = value.as.d;
    if (value.tag == LEAT_INT) {
        number = (double)value.as.i;
    } else if (value.tag == LEAT_UINT) {
        number = (double)value.as.u;
    } else if (value.tag != LEAT_DOUBLE) {
        return wrong_type(out->run, verb, value);
    }
    if (write_word(out, number)) return LEAT_VALUE_MISSING;
    int len = snprintf(text, sizeof text, verb == 'f' ? "%.*f" : "%.*e", precision, number);
    LEAT_ASSERT(len > 0 && (size_t)len < sizeof text);
    leat_expr_out_add(out, (leat_str){text, (size_t)len});
    return LEAT_VALUE_MISSING;
}

/* %b, %o, %x, %X of an integer. */
static void write_base(leat_expr_out *out, leat_value value, unsigned bits, const char *digits)
{
    char text[72];
    size_t at = sizeof text;
    bool negative = value.tag == LEAT_INT && value.as.i < 0;
    uint64_t magnitude = negative ? 0 - value.as.u : value.as.u;
    do {
        text[--at] = digits[magnitude & ((1u << bits) - 1)];
        magnitude >>= bits;
    } while (magnitude != 0);
    if (negative) text[--at] = '-';
    leat_expr_out_add(out, (leat_str){text + at, sizeof text - at});
}

static leat_value write_radix(leat_expr_out *out, char verb, leat_value value)
{
    const char *digits = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned bits = verb == 'b' ? 1 : verb == 'o' ? 3 : 4;
    bool text = value.tag == LEAT_STRING || value.tag == LEAT_BYTES;
    if (value.tag == LEAT_INT || value.tag == LEAT_UINT) {
        write_base(out, value, bits, digits);
    } else if (verb == 'b' && value.tag == LEAT_BOOL) {
        leat_expr_out_add_char(out, value.as.b ? '1' : '0');
    } else if (bits == 4 && text) {
        for (uint32_t i = 0; i < value.len; i++) {
            unsigned char byte = (unsigned char)value.as.text[i];
            char pair[2] = {digits[byte >> 4], digits[byte & 15]};
            leat_expr_out_add(out, (leat_str){pair, 2});
            if ((i & 15) == 15 && !leat_expr_charge(out->run, 1)) {
                return leat_expr_fail_cost(out->run);
            }
        }
    } else {
        return wrong_type(out->run, verb, value);
    }
    return LEAT_VALUE_MISSING;
}

static leat_value write_clause(leat_expr_out *out, char verb, int precision, leat_value value)
{
    bool fixed = verb == 'f' || verb == 'e';
    if (precision >= 0 && !fixed) {
        return leat_expr_fail(out->run, LEAT_ERR_INVALID,
                              "format: only %f and %e have a precision");
    }
    if (fixed) return write_fixed(out, verb, precision < 0 ? PRECISION_DEFAULT : precision, value);
    if (verb == 's') return write_value(out, value);
    if (verb == 'd') return write_decimal(out, value);
    if (verb != '\0' && strchr("boxX", verb) != NULL) return write_radix(out, verb, value);
    return leat_expr_fail_format(out->run, LEAT_ERR_INVALID, "format: unknown clause %%%c",
                                 verb >= ' ' && verb < 0x7f ? verb : '?');
}

/* ".3": moves *at behind it; -1 if there is none, -2 if it is no precision. */
static int read_precision(leat_str format, size_t *at)
{
    int precision = 0;
    if (*at >= format.len || format.data[*at] != '.') return -1;
    size_t start = ++*at;
    for (; *at < format.len && format.data[*at] >= '0' && format.data[*at] <= '9'; (*at)++) {
        precision = precision * 10 + (format.data[*at] - '0');
        if (precision > PRECISION_MAX) return -2;
    }
    return *at > start ? precision : -2;
}

leat_value leat_expr_format(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_str format = leat_value_str(args[0]);
    leat_value list = args[1];
    leat_expr_out out;
    uint32_t used = 0;
    LEAT_ASSERT(count == 2 && list.tag == LEAT_LIST);
    leat_expr_out_init(&out, run);
    for (size_t at = 0; at < format.len;) {
        const char *percent = memchr(format.data + at, '%', format.len - at);
        size_t end = percent != NULL ? (size_t)(percent - format.data) : format.len;
        leat_expr_out_add(&out, leat_str_slice(format, at, end));
        if (percent == NULL) break;
        at = end + 1;
        if (at < format.len && format.data[at] == '%') {
            leat_expr_out_add_char(&out, '%');
            at++;
            continue;
        }
        int precision = read_precision(format, &at);
        if (precision == -2 || at >= format.len) {
            return leat_expr_fail(run, LEAT_ERR_INVALID, "format: a clause is not complete");
        }
        if (used >= list.len) {
            return leat_expr_fail(run, LEAT_ERR_INVALID, "format: fewer values than clauses");
        }
        leat_value error = write_clause(&out, format.data[at++], precision, list.as.items[used++]);
        if (error.tag == LEAT_ERROR) return error;
    }
    return leat_expr_out_value(&out, LEAT_STRING);
}
