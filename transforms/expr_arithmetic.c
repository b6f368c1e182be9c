/* SPDX-License-Identifier: Apache-2.0 */
/* Operators on two values of any type: what a step does when its fast path does not fit.
 *
 * Integers overflow into errors, doubles into infinity. There is no mixing of number types but in
 * comparisons. Timestamps keep to the years 1 to 9999, durations to 10,000 years either way. Lists
 * and texts are joined by copying, which is charged by length. */
#include <math.h>

#include "transforms/expr_code.h"

#define SECONDS_MIN      (-62135596800LL) /* 0001-01-01T00:00:00Z */
#define SECONDS_MAX      253402300799LL   /* 9999-12-31T23:59:59Z */
#define DURATION_SECONDS 315576000000LL
#define BETWEEN_MAX      9223372035LL /* so that the time between has nanoseconds for an int */
#define NANOS            1000000000

static const char *const op_names[EXPR_OPS_COUNT] = {
    [EXPR_OP_EQ] = "_==_", [EXPR_OP_NE] = "_!=_", [EXPR_OP_LT] = "_<_",  [EXPR_OP_LE] = "_<=_",
    [EXPR_OP_GT] = "_>_",  [EXPR_OP_GE] = "_>=_", [EXPR_OP_ADD] = "_+_", [EXPR_OP_SUB] = "_-_",
    [EXPR_OP_MUL] = "_*_", [EXPR_OP_DIV] = "_/_", [EXPR_OP_MOD] = "_%_", [EXPR_OP_NEG] = "-_",
    [EXPR_OP_NOT] = "!_",
};

static leat_value overflow(const leat_expr_run *run, const char *type)
{
    return leat_expr_fail(run, LEAT_ERR_RANGE, type);
}

static leat_value int_binary(const leat_expr_run *run, leat_expr_op op, int64_t a, int64_t b)
{
    int64_t result = 0;
    bool over = false;
    if (op == EXPR_OP_ADD) {
        over = __builtin_add_overflow(a, b, &result);
    } else if (op == EXPR_OP_SUB) {
        over = __builtin_sub_overflow(a, b, &result);
    } else if (op == EXPR_OP_MUL) {
        over = __builtin_mul_overflow(a, b, &result);
    } else if (b == 0) {
        return leat_expr_fail(run, LEAT_ERR_DIVIDE,
                              op == EXPR_OP_DIV ? "division by zero" : "modulus by zero");
    } else if (a == INT64_MIN && b == -1) {
        over = true;
    } else {
        result = op == EXPR_OP_DIV ? a / b : a % b;
    }
    return over ? overflow(run, "integer overflow") : leat_value_int(result);
}

static leat_value uint_binary(const leat_expr_run *run, leat_expr_op op, uint64_t a, uint64_t b)
{
    uint64_t result = 0;
    bool over = false;
    if (op == EXPR_OP_ADD) {
        over = __builtin_add_overflow(a, b, &result);
    } else if (op == EXPR_OP_SUB) {
        over = __builtin_sub_overflow(a, b, &result);
    } else if (op == EXPR_OP_MUL) {
        over = __builtin_mul_overflow(a, b, &result);
    } else if (b == 0) {
        return leat_expr_fail(run, LEAT_ERR_DIVIDE,
                              op == EXPR_OP_DIV ? "division by zero" : "modulus by zero");
    } else {
        result = op == EXPR_OP_DIV ? a / b : a % b;
    }
    return over ? overflow(run, "unsigned integer overflow") : leat_value_uint(result);
}

static leat_value double_binary(leat_expr_op op, double a, double b)
{
    if (op == EXPR_OP_ADD) return leat_value_double(a + b);
    if (op == EXPR_OP_SUB) return leat_value_double(a - b);
    return leat_value_double(op == EXPR_OP_MUL ? a * b : a / b);
}

/* --- time -------------------------------------------------------------------------------- */

static bool in_range(leat_tag tag, int64_t seconds, uint32_t nanos)
{
    if (tag == LEAT_TIMESTAMP) return seconds >= SECONDS_MIN && seconds <= SECONDS_MAX;
    /* rounded down: -315576000000.5 s is -315576000001 and half a second */
    return seconds >= -DURATION_SECONDS &&
           (seconds < DURATION_SECONDS || (seconds == DURATION_SECONDS && nanos == 0));
}

leat_value leat_expr_time(const leat_expr_run *run, leat_tag tag, int64_t seconds, int64_t nanos)
{
    LEAT_ASSERT(tag == LEAT_TIMESTAMP || tag == LEAT_DURATION);
    LEAT_ASSERT(nanos > -NANOS && nanos < 2LL * NANOS);
    if (nanos < 0) {
        seconds--;
        nanos += NANOS;
    } else if (nanos >= NANOS) {
        seconds++;
        nanos -= NANOS;
    }
    if (!in_range(tag, seconds, (uint32_t)nanos)) {
        return overflow(run, tag == LEAT_TIMESTAMP ? "timestamp out of range (year 1 to 9999)"
                                                   : "duration out of range");
    }
    return (leat_value){.tag = (uint8_t)tag, .len = (uint32_t)nanos, .as.i = seconds};
}

static leat_value time_binary(const leat_expr_run *run, leat_expr_op op, const leat_value args[2])
{
    leat_value a = args[0];
    leat_value b = args[1];
    bool both_times = a.tag == LEAT_TIMESTAMP && b.tag == LEAT_TIMESTAMP;
    leat_tag tag = LEAT_DURATION;
    if (op == EXPR_OP_ADD && both_times) return leat_expr_no_overload(run, op_names[op], args, 2);
    if (op == EXPR_OP_SUB && a.tag == LEAT_DURATION && b.tag == LEAT_TIMESTAMP) {
        return leat_expr_no_overload(run, op_names[op], args, 2);
    }
    if (!both_times && (a.tag == LEAT_TIMESTAMP || b.tag == LEAT_TIMESTAMP)) tag = LEAT_TIMESTAMP;
    if (op == EXPR_OP_ADD) {
        return leat_expr_time(run, tag, a.as.i + b.as.i, (int64_t)a.len + b.len);
    }
    if (both_times && (a.as.i - b.as.i > BETWEEN_MAX || a.as.i - b.as.i < -BETWEEN_MAX)) {
        return overflow(run, "the timestamps are more than 292 years apart");
    }
    return leat_expr_time(run, tag, a.as.i - b.as.i, (int64_t)a.len - b.len);
}

static bool is_time(leat_value value)
{
    return value.tag == LEAT_TIMESTAMP || value.tag == LEAT_DURATION;
}

/* --- joining ----------------------------------------------------------------------------- */

static leat_value join_texts(leat_expr_run *run, leat_value a, leat_value b)
{
    size_t len = (size_t)a.len + b.len;
    if (len > UINT32_MAX) return overflow(run, "a text is limited to 4 GiB");
    if (!leat_expr_charge(run, len / 16)) return leat_expr_fail_cost(run);
    char *text = leat_arena_alloc(run->arena, len > 0 ? len : 1);
    if (text == NULL) return leat_expr_fail_full(run);
    if (a.len > 0) memcpy(text, a.as.text, a.len);
    if (b.len > 0) memcpy(text + a.len, b.as.text, b.len);
    leat_value joined = leat_value_text((leat_tag)a.tag, (leat_str){text, len});
    joined.flags = a.flags & b.flags; /* plain if both are */
    return joined;
}

static leat_value join_lists(leat_expr_run *run, leat_value a, leat_value b)
{
    size_t len = (size_t)a.len + b.len;
    if (len > UINT32_MAX) return overflow(run, "a list is limited to 2^32 elements");
    if (!leat_expr_charge(run, len)) return leat_expr_fail_cost(run);
    leat_value *items = leat_expr_items_new(run, len);
    if (items == NULL) return leat_expr_fail_full(run);
    if (a.len > 0) memcpy(items, a.as.items, a.len * sizeof *items);
    if (b.len > 0) memcpy(items + a.len, b.as.items, b.len * sizeof *items);
    return leat_value_list(items, len);
}

/* --- the doors --------------------------------------------------------------------------- */

static leat_value compare(leat_expr_run *run, leat_expr_op op, const leat_value args[2])
{
    if (op == EXPR_OP_EQ) return leat_value_bool(leat_expr_equal(run, args[0], args[1]));
    if (op == EXPR_OP_NE) return leat_value_bool(!leat_expr_equal(run, args[0], args[1]));
    int order = leat_expr_compare(args[0], args[1]);
    if (order == LEAT_EXPR_INCOMPARABLE) return leat_expr_no_overload(run, op_names[op], args, 2);
    if (order == LEAT_EXPR_UNORDERED) return leat_value_bool(false);
    if (op == EXPR_OP_LT) return leat_value_bool(order < 0);
    if (op == EXPR_OP_LE) return leat_value_bool(order <= 0);
    return leat_value_bool(op == EXPR_OP_GT ? order > 0 : order >= 0);
}

static leat_value arithmetic(leat_expr_run *run, leat_expr_op op, const leat_value args[2])
{
    leat_value a = args[0];
    leat_value b = args[1];
    bool additive = op == EXPR_OP_ADD || op == EXPR_OP_SUB;
    if (a.tag == b.tag) {
        if (a.tag == LEAT_INT) return int_binary(run, op, a.as.i, b.as.i);
        if (a.tag == LEAT_UINT) return uint_binary(run, op, a.as.u, b.as.u);
        if (a.tag == LEAT_DOUBLE && op != EXPR_OP_MOD) return double_binary(op, a.as.d, b.as.d);
        if (op == EXPR_OP_ADD && (a.tag == LEAT_STRING || a.tag == LEAT_BYTES)) {
            return join_texts(run, a, b);
        }
        if (op == EXPR_OP_ADD && a.tag == LEAT_LIST) return join_lists(run, a, b);
    }
    if (additive && is_time(a) && is_time(b)) return time_binary(run, op, args);
    return leat_expr_no_overload(run, op_names[op], args, 2);
}

leat_value leat_expr_binary(leat_expr_run *run, leat_expr_op op, const leat_value *a,
                            const leat_value *b)
{
    leat_value args[2] = {leat_expr_load(run, a), leat_expr_load(run, b)};
    LEAT_ASSERT(op_names[op] != NULL);
    if (args[0].tag == LEAT_ERROR) return args[0];
    if (args[1].tag == LEAT_ERROR) return args[1];
    if (op <= EXPR_OP_GE) return compare(run, op, args);
    return arithmetic(run, op, args);
}

leat_value leat_expr_concat(leat_expr_run *run, const leat_value *operands, uint32_t count)
{
    size_t len = 0;
    uint8_t flags = LEAT_VALUE_PLAIN;
    uint32_t texts = 0;
    LEAT_ASSERT(count >= 2);
    while (texts < count && operands[texts].tag == LEAT_STRING) {
        len += operands[texts].len;
        flags &= operands[texts++].flags;
    }
    if (texts < count) {
        leat_value sum = operands[0];
        for (uint32_t i = 1; i < count; i++) {
            sum = leat_expr_binary(run, EXPR_OP_ADD, &sum, &operands[i]);
        }
        return sum;
    }
    if (len > UINT32_MAX) return overflow(run, "a text is limited to 4 GiB");
    if (!leat_expr_charge(run, len / 16)) return leat_expr_fail_cost(run);
    char *text = leat_arena_alloc(run->arena, len > 0 ? len : 1);
    if (text == NULL) return leat_expr_fail_full(run);
    char *at = text;
    for (uint32_t i = 0; i < count; i++) {
        if (operands[i].len > 0) memcpy(at, operands[i].as.text, operands[i].len);
        at += operands[i].len;
    }
    leat_value joined = leat_value_string((leat_str){text, len});
    joined.flags = flags;
    return joined;
}

leat_value leat_expr_unary(leat_expr_run *run, leat_expr_op op, const leat_value *a)
{
    leat_value value = leat_expr_load(run, a);
    if (value.tag == LEAT_ERROR) return value;
    if (op == EXPR_OP_NOT && value.tag == LEAT_BOOL) return leat_value_bool(!value.as.b);
    if (op == EXPR_OP_NEG && value.tag == LEAT_DOUBLE) return leat_value_double(-value.as.d);
    if (op == EXPR_OP_NEG && value.tag == LEAT_INT) {
        if (value.as.i == INT64_MIN) return overflow(run, "integer overflow");
        return leat_value_int(-value.as.i);
    }
    return leat_expr_no_overload(run, op_names[op], &value, 1);
}
