/* SPDX-License-Identifier: Apache-2.0 */
/* Encodings: base64, hexadecimal, URL, JSON.
 *
 * JSON text becomes the value that the decoder would have made of it; numbers beyond 64 bits are an
 * error, as they are in any expression. What is written is bounded by what is read, but for JSON,
 * which has a limit. Cost: charged by length. */
#include "core/base64.h"
#include "core/encode.h"
#include "schemas/codec_json.h"
#include "transforms/expr_function.h"

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

/* --- base64 ------------------------------------------------------------------------------ */

leat_value leat_expr_base64_encode(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_buf out;
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, args[0].len / 16)) return leat_expr_fail_cost(run);
    leat_buf_init(&out, (size_t)args[0].len * 2 + 8);
    leat_base64_encode(leat_value_str(args[0]), LEAT_BASE64_STANDARD, &out);
    return keep(run, LEAT_STRING, &out);
}

leat_value leat_expr_base64_decode(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    leat_buf out;
    leat_err err;
    LEAT_ASSERT(count == 1);
    if (!leat_expr_charge(run, args[0].len / 16)) return leat_expr_fail_cost(run);
    leat_buf_init(&out, (size_t)args[0].len + 8);
    leat_str text = leat_value_str(args[0]);
    if (leat_base64_decode(text, LEAT_BASE64_STANDARD, &out, &err) == LEAT_OK) {
        return keep(run, LEAT_BYTES, &out);
    }
    leat_buf_release(&out);
    return leat_expr_fail_err(run, &err);
}
