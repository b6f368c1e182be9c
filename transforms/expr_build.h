/* SPDX-License-Identifier: Apache-2.0 */
/* What is being compiled: growing arrays of steps and all they refer to. Private to
 * transforms/expr_build.c, expr_compile*.c. */
#ifndef LEAT_TRANSFORMS_EXPR_BUILD_H
#define LEAT_TRANSFORMS_EXPR_BUILD_H

#include "transforms/expr_ast.h"
#include "transforms/expr_code.h"

typedef struct leat_expr_operand {
    uint8_t kind; /* leat_expr_kind */
    uint32_t index;
} leat_expr_operand;

/* A growing array; lives in the scratch arena until the end. */
typedef struct leat_expr_array {
    void *items;
    uint32_t count, size;
} leat_expr_array;

typedef struct leat_expr_builder {
    leat_scope *scope;
    leat_arena *arena; /* where the expression will live */
    leat_arena *scratch;
    leat_arena *values; /* of what is evaluated now: as long-lived as the expression itself */
    leat_err *err;
    leat_str source;
    bool folding; /* there is no record, and so no memo */
    leat_expr_array steps, constants, slots, sites, texts, regexes;
    uint32_t top;       /* registers in use */
    uint32_t registers; /* the most there were */
    uint32_t loops;     /* how many loops surround the present step */
    uint16_t *var_registers;
    uint32_t vars_count;
} leat_expr_builder;

/* expr_build.c: all of these fail only for memory or limits. */
leat_code leat_expr_emit(leat_expr_builder *builder, leat_expr_step step) LEAT_CHECKED;
leat_code leat_expr_reserve(leat_expr_builder *builder, uint32_t count,
                            uint16_t *first) LEAT_CHECKED; /* registers */
leat_code leat_expr_add_constant(leat_expr_builder *builder, leat_value value,
                                 leat_expr_operand *operand) LEAT_CHECKED;
leat_code leat_expr_add_slot(leat_expr_builder *builder, const leat_expr_node *ref) LEAT_CHECKED;
leat_code leat_expr_add_text(leat_expr_builder *builder, leat_code code, leat_str text,
                             uint32_t *index) LEAT_CHECKED;
leat_code leat_expr_add_call(leat_expr_builder *builder, leat_str name, bool member, uint32_t count,
                             uint32_t *index) LEAT_CHECKED;
/* A site of one function that has no line in the table. */
leat_code leat_expr_add_site(leat_expr_builder *builder, const char *name,
                             const leat_expr_overload *overload, uint32_t count,
                             uint32_t *index) LEAT_CHECKED;
/* The site's pattern, compiled once: regex.* with a constant one. */
leat_code leat_expr_site_regex(leat_expr_builder *builder, uint32_t site, leat_str pattern,
                               uint32_t offset) LEAT_CHECKED;
leat_code leat_expr_add_regex(leat_expr_builder *builder, leat_str pattern, uint32_t offset,
                              uint32_t *index) LEAT_CHECKED;
leat_code leat_expr_finish(leat_expr_builder *builder, leat_expr **expr) LEAT_CHECKED;
void leat_expr_abandon(leat_expr_builder *builder); /* frees what no arena holds */

static inline uint32_t leat_expr_here(const leat_expr_builder *builder)
{
    return builder->steps.count;
}
static inline leat_expr_step *leat_expr_step_at(leat_expr_builder *builder, uint32_t at)
{
    return (leat_expr_step *)builder->steps.items + at;
}

/* expr_compile.c: code for one node. */
leat_code leat_expr_gen(leat_expr_builder *builder, leat_expr_node *node,
                        leat_expr_operand *operand) LEAT_CHECKED;
/* Into dst; join: 0, or LEAT_EXPR_JOIN... , whose jump of the last step the caller sets. */
leat_code leat_expr_gen_to(leat_expr_builder *builder, leat_expr_node *node, uint16_t dst,
                           uint8_t join) LEAT_CHECKED;
/* expr_compile_loop.c */
leat_code leat_expr_gen_loop(leat_expr_builder *builder, leat_expr_node *loop,
                             uint16_t dst) LEAT_CHECKED;

/* expr_memo.c: marks what is `repeated` in a tree whose names are not resolved yet. */
void leat_expr_mark_repeated(const leat_scope *scope, leat_expr_node *root);
/* The slot that remembers the node's value. */
#define LEAT_EXPR_NO_MEMO UINT32_MAX
leat_code leat_expr_memo_of(const leat_expr_builder *builder, const leat_expr_node *node,
                            uint32_t *slot) LEAT_CHECKED;

/* The node's value from that slot, or into it; join: as of leat_expr_gen_to. */
leat_code leat_expr_gen_memo(leat_expr_builder *builder, leat_expr_node *node, uint32_t slot,
                             uint16_t dst, uint8_t join) LEAT_CHECKED;

/* expr_form.c: of a tree whose steps have been made. */
leat_code leat_expr_form_of(leat_expr_builder *builder, const leat_expr_node *node,
                            const struct leat_form **form) LEAT_CHECKED;
/* expr_never.c: of the same tree; *never: leat_expr_never's. */
leat_code leat_expr_never_of(leat_expr_builder *builder, const leat_expr_node *root,
                             const char **never) LEAT_CHECKED;

/* The tags that a type of a signature allows. */
uint32_t leat_expr_type_mask(leat_str type);

#endif
