/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that functions put together.
 *
 * They grow in the batch arena, where the last allocation can often be made longer in place.
 * Doubling keeps the work linear; every byte is charged for, so that `replace` and `format` cannot
 * fill the memory faster than the cost limit allows. */
#include "transforms/expr_out.h"

#define FIRST_SIZE 64

void leat_expr_out_init(leat_expr_out *out, leat_expr_run *run)
{
    *out = (leat_expr_out){.run = run};
    LEAT_ASSERT(run != NULL);
}

static bool grow(leat_expr_out *out, size_t bytes)
{
    size_t size = out->size > 0 ? out->size * 2 : FIRST_SIZE;
    while (size < out->len + bytes)
        size *= 2;
    if (size > UINT32_MAX) {
        out->full = true;
        return false;
    }
    char *data = leat_arena_extend(out->run->arena, out->data, out->len, size);
    if (data == NULL) {
        out->full = true;
        return false;
    }
    out->data = data;
    out->size = size;
    return true;
}

void leat_expr_out_add(leat_expr_out *out, leat_str text)
{
    if (out->full || out->cost || text.len == 0) return;
    if (!leat_expr_charge(out->run, text.len / 16)) {
        out->cost = true;
        return;
    }
    if (text.len > out->size - out->len && !grow(out, text.len)) return;
    memcpy(out->data + out->len, text.data, text.len);
    out->len += text.len;
    LEAT_ASSERT(out->len <= out->size);
}

void leat_expr_out_add_char(leat_expr_out *out, char c)
{
    leat_expr_out_add(out, (leat_str){&c, 1});
}

void leat_expr_out_add_text(leat_expr_out *out, const char *text)
{
    leat_expr_out_add(out, leat_str_of(text));
}

leat_value leat_expr_out_value(const leat_expr_out *out, leat_tag tag)
{
    if (out->full) return leat_expr_fail_full(out->run);
    if (out->cost) return leat_expr_fail_cost(out->run);
    return leat_value_text(tag, out->len > 0 ? (leat_str){out->data, out->len} : LEAT_STR(""));
}
