/* SPDX-License-Identifier: Apache-2.0 */
/* Macros -> loop steps.
 *
 *         LOOP_BEGIN   range into r, dst = what it starts as; an error: dst = it, to end
 *   next: LOOP_NEXT    the next element into r+2 (r+3); none left: to done
 *         ...          the condition or value, from the element
 *         LOOP_ALL     (or another) dst and the result; decided: to end, else to next
 *   done: ...
 *   end:
 *
 * r is the range, r+1 the position in it, r+2 and r+3 the bound names. The steps are those of the
 * macro and not of a general fold: `all` stops at the first false as && would, and carries an error
 * as && would; `map`, `filter` and `exists_one` stop at the first error, which is their result. */
#include "transforms/expr_build.h"
#include "transforms/expr_function.h"

typedef leat_expr_step step;

#define NONE UINT32_MAX

/* A loop under construction. */
typedef struct expr_loop {
    leat_expr_builder *builder;
    leat_expr_node *node;
    uint16_t dst, r;
    uint32_t begin, next;
    uint32_t exits[3]; /* steps whose jump is the end */
    uint32_t exits_count;
} expr_loop;

static leat_code emit(expr_loop *loop, step made)
{
    made.dst = loop->dst;
    made.offset = loop->node->offset;
    return leat_expr_emit(loop->builder, made);
}

/* The step just emitted jumps to the end. */
static void add_exit(expr_loop *loop)
{
    LEAT_ASSERT(loop->exits_count < sizeof loop->exits / sizeof *loop->exits);
    loop->exits[loop->exits_count++] = leat_expr_here(loop->builder) - 1;
}

/* LOOP_BEGIN and LOOP_NEXT over an operand. `start`: what dst starts as. */
static leat_code open_loop(expr_loop *loop, leat_expr_operand range, leat_value start)
{
    leat_expr_builder *builder = loop->builder;
    leat_expr_operand first = {0};
    LEAT_TRY(leat_expr_reserve(builder, 4, &loop->r));
    builder->var_registers[loop->node->var] = (uint16_t)(loop->r + 2);
    builder->var_registers[loop->node->var + 1] = (uint16_t)(loop->r + 3);
    LEAT_TRY(leat_expr_add_constant(builder, start, &first));
    loop->begin = leat_expr_here(builder);
    LEAT_TRY(emit(loop, (step){.op = EXPR_OP_LOOP_BEGIN,
                               .a_kind = range.kind,
                               .a = range.index,
                               .b = first.index,
                               .c = loop->r}));
    add_exit(loop);
    loop->next = leat_expr_here(builder);
    LEAT_TRY(emit(loop, (step){.op = EXPR_OP_LOOP_NEXT, .c = loop->r, .b = loop->node->names}));
    builder->loops++;
    return LEAT_OK;
}

static void set_jump(const expr_loop *loop, uint32_t at, uint32_t target)
{
    leat_expr_step_at(loop->builder, at)->jump = target;
}

/* Everything that leaves the loop goes here. */
static void close_loop(expr_loop *loop)
{
    for (uint32_t i = 0; i < loop->exits_count; i++) {
        set_jump(loop, loop->exits[i], leat_expr_here(loop->builder));
    }
    loop->exits_count = 0;
}

/* No element is left: go on here. Charged is the length of the body, per element. */
static void loop_done(expr_loop *loop)
{
    uint32_t here = leat_expr_here(loop->builder);
    leat_expr_step *next = leat_expr_step_at(loop->builder, loop->next);
    uint32_t steps = here - loop->next;
    next->jump = here;
    next->a = steps;
    loop->builder->loops--;
}

/* A condition, then the step that joins it to dst and goes on or leaves. */
static leat_code gen_condition_loop(expr_loop *loop, leat_expr_operand range, leat_expr_op op,
                                    leat_value start)
{
    leat_expr_operand condition = {0};
    LEAT_TRY(open_loop(loop, range, start));
    LEAT_TRY(leat_expr_gen(loop->builder, loop->node->args[1], &condition));
    LEAT_TRY(emit(loop, (step){.op = (uint8_t)op,
                               .a_kind = condition.kind,
                               .a = condition.index,
                               .b = loop->next,
                               .c = loop->r}));
    add_exit(loop);
    loop_done(loop);
    if (op == EXPR_OP_LOOP_ONE) {
        LEAT_TRY(emit(loop, (step){.op = EXPR_OP_ONE_END}));
    }
    close_loop(loop);
    return LEAT_OK;
}

/* map and transformMap, with an optional condition before the value. */
static leat_code gen_value_loop(expr_loop *loop, leat_expr_operand range)
{
    leat_expr_builder *builder = loop->builder;
    leat_expr_node *node = loop->node;
    bool to_map = node->macro == EXPR_MACRO_MAP_VALUE || node->macro == EXPR_MACRO_MAP_ENTRY;
    uint32_t test = NONE;
    leat_expr_operand operand = {0};
    leat_value start = to_map ? leat_value_map(NULL, 0) : leat_value_list(NULL, 0);
    LEAT_TRY(open_loop(loop, range, start));
    if (node->count == 3) {
        LEAT_TRY(leat_expr_gen(builder, node->args[1], &operand));
        test = leat_expr_here(builder);
        LEAT_TRY(
            emit(loop, (step){.op = EXPR_OP_COND, .a_kind = operand.kind, .a = operand.index}));
        set_jump(loop, test, loop->next); /* false: the next element */
    }
    LEAT_TRY(leat_expr_gen(builder, node->args[node->count - 1], &operand));
    step add = {.op = EXPR_OP_LIST_ADD, .a_kind = operand.kind, .a = operand.index};
    if (node->macro == EXPR_MACRO_MAP_ENTRY) add.op = EXPR_OP_MAP_MERGE;
    if (node->macro == EXPR_MACRO_MAP_VALUE) {
        add = (step){.op = EXPR_OP_MAP_ADD,
                     .a_kind = EXPR_REGISTER,
                     .a = loop->r + 2u,
                     .b_kind = operand.kind,
                     .b = operand.index,
                     .c = 2};
    }
    LEAT_TRY(emit(loop, add));
    add_exit(loop);
    LEAT_TRY(emit(loop, (step){.op = EXPR_OP_JUMP, .jump = loop->next}));
    loop_done(loop);
    if (test != NONE) leat_expr_step_at(builder, test)->b = leat_expr_here(builder);
    close_loop(loop);
    return LEAT_OK;
}

/* range.sortBy(x, key): the keys by a map loop, then one function over both lists. */
static leat_code gen_sort(expr_loop *loop)
{
    leat_expr_builder *builder = loop->builder;
    uint16_t base = 0;
    uint16_t dst = loop->dst;
    leat_expr_overload overload = {{1u << LEAT_LIST, 1u << LEAT_LIST}, leat_expr_sort_by};
    step call = {.op = EXPR_OP_CALL, .dst = dst, .offset = loop->node->offset};
    LEAT_TRY(leat_expr_add_site(builder, "sortBy", &overload, 2, &call.b));
    LEAT_TRY(leat_expr_reserve(builder, 2, &base));
    LEAT_TRY(leat_expr_gen_to(builder, loop->node->args[0], base, 0));
    loop->dst = (uint16_t)(base + 1);
    loop->node->macro = EXPR_MACRO_MAP;
    LEAT_TRY(gen_value_loop(loop, (leat_expr_operand){EXPR_REGISTER, base}));
    call.c = base;
    return leat_expr_emit(builder, call);
}

/* cel.bind: the value may be an error, which counts only where the name is used. */
static leat_code gen_bind(expr_loop *loop)
{
    leat_expr_builder *builder = loop->builder;
    uint16_t number = 0;
    LEAT_TRY(leat_expr_reserve(builder, 1, &number));
    LEAT_TRY(leat_expr_gen_to(builder, loop->node->args[0], number, 0));
    builder->var_registers[loop->node->var] = number;
    return leat_expr_gen_to(builder, loop->node->args[1], loop->dst, 0);
}

static leat_code gen_optional(expr_loop *loop)
{
    leat_expr_builder *builder = loop->builder;
    leat_expr_operand optional = {0};
    leat_expr_operand result = {0};
    bool flat = loop->node->macro == EXPR_MACRO_OPT_FLAT_MAP;
    LEAT_TRY(leat_expr_gen(builder, loop->node->args[0], &optional));
    LEAT_TRY(leat_expr_reserve(builder, 1, &loop->r));
    builder->var_registers[loop->node->var] = loop->r;
    LEAT_TRY(emit(loop, (step){.op = EXPR_OP_OPT_BEGIN,
                               .a_kind = optional.kind,
                               .a = optional.index,
                               .c = loop->r}));
    add_exit(loop);
    LEAT_TRY(leat_expr_gen(builder, loop->node->args[1], &result));
    LEAT_TRY(emit(loop, (step){.op = flat ? EXPR_OP_OPT_CHECK : EXPR_OP_OPT_WRAP,
                               .a_kind = result.kind,
                               .a = result.index}));
    close_loop(loop);
    return LEAT_OK;
}

static leat_code gen_range(expr_loop *loop)
{
    leat_expr_operand range = {0};
    LEAT_TRY(leat_expr_gen(loop->builder, loop->node->args[0], &range));
    switch (loop->node->macro) {
    case EXPR_MACRO_ALL:
        return gen_condition_loop(loop, range, EXPR_OP_LOOP_ALL, leat_value_bool(true));
    case EXPR_MACRO_EXISTS:
        return gen_condition_loop(loop, range, EXPR_OP_LOOP_EXISTS, leat_value_bool(false));
    case EXPR_MACRO_ONE:
        return gen_condition_loop(loop, range, EXPR_OP_LOOP_ONE, leat_value_int(0));
    case EXPR_MACRO_FILTER:
        return gen_condition_loop(loop, range, EXPR_OP_LOOP_FILTER, leat_value_list(NULL, 0));
    case EXPR_MACRO_MAP:
    case EXPR_MACRO_MAP_VALUE:
    case EXPR_MACRO_MAP_ENTRY: return gen_value_loop(loop, range);
    case EXPR_MACRO_SORT_BY:
    case EXPR_MACRO_BIND:
    case EXPR_MACRO_OPT_MAP:
    case EXPR_MACRO_OPT_FLAT_MAP: break;
    }
    LEAT_ASSERT(!"a macro that does not loop");
    return LEAT_ERR_INTERNAL;
}

leat_code leat_expr_gen_loop(leat_expr_builder *builder, leat_expr_node *node, uint16_t dst)
{
    LEAT_ASSERT(node->kind == EXPR_NODE_LOOP && node->count >= 2);
    expr_loop loop = {.builder = builder, .node = node, .dst = dst};
    if (node->macro == EXPR_MACRO_SORT_BY) return gen_sort(&loop);
    if (node->macro == EXPR_MACRO_BIND) return gen_bind(&loop);
    if (node->macro == EXPR_MACRO_OPT_MAP || node->macro == EXPR_MACRO_OPT_FLAT_MAP) {
        return gen_optional(&loop);
    }
    return gen_range(&loop);
}
