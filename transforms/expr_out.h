/* SPDX-License-Identifier: Apache-2.0 */
/* A text under construction, in the evaluation's arena. Private to transforms/expr_functions_*.c.
 * It grows in place as long as nothing else is allocated meanwhile. A full arena or a spent cost
 * limit makes it stop; leat_expr_out_value tells. */
#ifndef LEAT_TRANSFORMS_EXPR_OUT_H
#define LEAT_TRANSFORMS_EXPR_OUT_H

#include "transforms/expr_code.h"

typedef struct leat_expr_out {
    leat_expr_run *run;
    char *data;
    size_t len, size;
    bool full, cost;
} leat_expr_out;

void leat_expr_out_init(leat_expr_out *out, leat_expr_run *run);
void leat_expr_out_add(leat_expr_out *out, leat_str text);
void leat_expr_out_add_char(leat_expr_out *out, char c);
void leat_expr_out_add_text(leat_expr_out *out, const char *text);
/* The text as a STRING or BYTES, or the error that stopped it. */
leat_value leat_expr_out_value(const leat_expr_out *out, leat_tag tag);

/* Code points. Texts are valid UTF-8. */
static inline size_t leat_expr_point_len(char lead)
{
    unsigned char c = (unsigned char)lead;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

#endif
