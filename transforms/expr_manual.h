/* SPDX-License-Identifier: Apache-2.0 */
/* The reference of the expression language, as Markdown: docs/EXPRESSIONS.md, printed from the
 * table of functions, so that it cannot go stale. */
#ifndef LEAT_TRANSFORMS_EXPR_MANUAL_H
#define LEAT_TRANSFORMS_EXPR_MANUAL_H

#include "core/buf.h"

void leat_expr_manual(leat_buf *out);

#endif
