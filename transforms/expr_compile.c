/* SPDX-License-Identifier: Apache-2.0 */
/* Tree -> steps, and the door of the compiler.
 *
 * Code for a node either yields an operand (a constant, a slot or a register, so that `amount`
 * costs no step) or goes into a given register. Registers are a stack: what a node needs for itself
 * is free again behind it. && and || hand their register down to the operands; comparisons, the
 * usual operands, then store, combine and jump in their own step.
 *
 * What is the same for every record is evaluated now: `duration('5m')`, a list of countries, a
 * pattern. An error there is no mistake of the user's yet (it may never be reached), so such a part
 * is compiled as it stands. What stands in several expressions is evaluated once (expr_memo.c).
 * Refused: inference of ranges; real conditions are short, and their time goes into memory and
 * calls. */
#include "transforms/expr_build.h"
#include "transforms/expr_check.h"
#include "transforms/expr_function.h"

#define FOLD_COST_MAX 10000 /* of one constant part; what costs more is done per record */

typedef leat_expr_step step;

static leat_expr_operand in_register(uint16_t number)
{
    return (leat_expr_operand){EXPR_REGISTER, number};
}

/* --- what can be evaluated now ----------------------------------------------------------- */

/* Sets `pure` in the whole tree. Returns the least number of a bound name that is used but not
 * bound in it: names are numbered from outer to inner, so those of a loop are not less than its
 * own. */
static uint32_t mark_pure(leat_expr_node *node)
{
    uint32_t least = node->kind == EXPR_NODE_VAR ? node->var : UINT32_MAX;
    node->impure = node->kind == EXPR_NODE_REF || node->kind == EXPR_NODE_FAIL;
    for (uint32_t i = 0; i < node->count; i++) {
        uint32_t inner = mark_pure(node->args[i]);
        if (node->kind == EXPR_NODE_LOOP && i > 0 && inner >= node->var) inner = UINT32_MAX;
        if (inner < least) least = inner;
        node->impure = node->impure || node->args[i]->impure;
    }
    node->pure = !node->impure && least == UINT32_MAX;
    return least;
}

/* Evaluates a pure node; it becomes a CONST unless that fails. */
static leat_code fold(leat_expr_builder *builder, leat_expr_node *node)
{
    LEAT_ASSERT(node->pure && node->kind != EXPR_NODE_CONST);
    node->pure = false; /* tried once */
    leat_expr_builder part = {.scope = builder->scope,
                              .arena = builder->scratch,
                              .scratch = builder->scratch,
                              .values = builder->values,
                              .err = builder->err,
                              .source = LEAT_STR(""),
                              .folding = true,
                              .var_registers = builder->var_registers,
                              .vars_count = builder->vars_count};
    leat_expr *expr = NULL;
    leat_expr_operand operand = {0};
    leat_code code = leat_expr_gen(&part, node, &operand);
    if (code == LEAT_OK) {
        code = leat_expr_emit(
            &part, (step){.op = EXPR_OP_RETURN, .a_kind = operand.kind, .a = operand.index});
    }
    if (code == LEAT_OK) code = leat_expr_finish(&part, &expr);
    if (code != LEAT_OK) {
        leat_expr_abandon(&part);
        return code;
    }
    leat_eval eval = {.arena = builder->values, .cost_max = FOLD_COST_MAX};
    leat_value value = leat_expr_execute(expr, &eval);
    if (value.tag == LEAT_ERROR) return LEAT_OK;
    node->kind = EXPR_NODE_CONST;
    node->constant = value;
    node->count = 0;
    return LEAT_OK;
}

static leat_code try_fold(leat_expr_builder *builder, leat_expr_node *node)
{
    return node->pure && node->kind != EXPR_NODE_CONST ? fold(builder, node) : LEAT_OK;
}

/* --- operators --------------------------------------------------------------------------- */

typedef struct op_line {
    const char *name;
    leat_expr_op op;
    uint32_t count;
    bool member;
} op_line;

/* Calls that are a step of their own. */
static const op_line op_lines[] = {
    {"_==_", EXPR_OP_EQ, 2, false},      {"_!=_", EXPR_OP_NE, 2, false},
    {"_<_", EXPR_OP_LT, 2, false},       {"_<=_", EXPR_OP_LE, 2, false},
    {"_>_", EXPR_OP_GT, 2, false},       {"_>=_", EXPR_OP_GE, 2, false},
    {"@in", EXPR_OP_IN, 2, false},       {"startsWith", EXPR_OP_STARTS, 2, true},
    {"endsWith", EXPR_OP_ENDS, 2, true}, {"contains", EXPR_OP_CONTAINS, 2, true},
    {"!_", EXPR_OP_NOT, 1, false},       {"_+_", EXPR_OP_ADD, 2, false},
    {"_-_", EXPR_OP_SUB, 2, false},      {"_*_", EXPR_OP_MUL, 2, false},
    {"_/_", EXPR_OP_DIV, 2, false},      {"_%_", EXPR_OP_MOD, 2, false},
    {"-_", EXPR_OP_NEG, 1, false},       {"_[_]", EXPR_OP_INDEX, 2, false},
    {"_[?_]", EXPR_OP_INDEX, 2, false},
};

static const op_line *find_op(const leat_expr_node *node)
{
    static const op_line size = {"size", EXPR_OP_SIZE, 1, false};
    if (node->kind != EXPR_NODE_CALL) return NULL;
    if (node->count == 1 && leat_str_is(node->name, "size")) return &size; /* either style */
    for (size_t i = 0; i < sizeof op_lines / sizeof *op_lines; i++) {
        const op_line *line = &op_lines[i];
        if (line->count == node->count && line->member == node->member &&
            leat_str_is(node->name, line->name)) {
            return line;
        }
    }
    return NULL;
}

static bool is_pattern_match(const leat_expr_node *node)
{
    return node->kind == EXPR_NODE_CALL && node->count == 2 && leat_str_is(node->name, "matches") &&
           node->args[1]->kind == EXPR_NODE_CONST && node->args[1]->constant.tag == LEAT_STRING;
}

/* Does the node's last step yield a bool or an error, and can it do the work of a JOIN? */
static bool is_joinable(const leat_expr_node *node)
{
    if (node->kind == EXPR_NODE_SELECT) return node->test;
    if (node->kind == EXPR_NODE_REF) return node->test && node->ref.kind == LEAT_REF_SLOT;
    if (is_pattern_match(node)) return true;
    const op_line *line = find_op(node);
    return line != NULL && line->op >= EXPR_OP_EQ && line->op <= EXPR_OP_NOT;
}

static leat_code gen_op(leat_expr_builder *builder, leat_expr_node *node, leat_expr_op op, step to)
{
    leat_expr_operand a = {0};
    leat_expr_operand b = {0};
    LEAT_TRY(leat_expr_gen(builder, node->args[0], &a));
    if (node->count > 1) LEAT_TRY(leat_expr_gen(builder, node->args[1], &b));
    to.op = (uint8_t)op;
    to.a_kind = a.kind;
    to.b_kind = b.kind;
    to.a = a.index;
    to.b = b.index;
    to.c = node->optional ? 1 : 0;
    return leat_expr_emit(builder, to);
}

static leat_code gen_fail(leat_expr_builder *builder, leat_code code, leat_str text, step to)
{
    LEAT_TRY(leat_expr_add_text(builder, code, text, &to.b));
    to.op = EXPR_OP_FAIL;
    return leat_expr_emit(builder, to);
}

/* A constant pattern that is wrong. */
static leat_code bad_pattern(leat_expr_builder *builder, step to)
{
    if (builder->scope->unchecked) /* it may never be reached */
        return gen_fail(builder, LEAT_ERR_INVALID, leat_str_of(builder->err->text), to);
    return builder->err->code = LEAT_ERR_INVALID;
}

static bool has_constant_pattern(const leat_expr_node *node)
{
    return node->count > 1 && node->args[1]->kind == EXPR_NODE_CONST &&
           node->args[1]->constant.tag == LEAT_STRING;
}

static leat_code gen_matches(leat_expr_builder *builder, leat_expr_node *node, step to)
{
    leat_expr_operand text = {0};
    leat_str pattern = leat_value_str(node->args[1]->constant);
    LEAT_TRY(leat_expr_gen(builder, node->args[0], &text));
    leat_code code = leat_expr_add_regex(builder, pattern, node->args[1]->offset, &to.b);
    if (code != LEAT_OK) return code == LEAT_ERR_MEMORY ? code : bad_pattern(builder, to);
    to.op = EXPR_OP_MATCHES;
    to.a_kind = text.kind;
    to.a = text.index;
    return leat_expr_emit(builder, to);
}

/* c ? a : b */
static leat_code gen_conditional(leat_expr_builder *builder, leat_expr_node *node, step to)
{
    leat_expr_operand condition = {0};
    LEAT_TRY(leat_expr_gen(builder, node->args[0], &condition));
    uint32_t at = leat_expr_here(builder);
    to.op = EXPR_OP_COND;
    to.a_kind = condition.kind;
    to.a = condition.index;
    LEAT_TRY(leat_expr_emit(builder, to));
    LEAT_TRY(leat_expr_gen_to(builder, node->args[1], to.dst, 0));
    uint32_t skip = leat_expr_here(builder);
    LEAT_TRY(leat_expr_emit(builder, (step){.op = EXPR_OP_JUMP, .offset = node->offset}));
    leat_expr_step_at(builder, at)->jump = leat_expr_here(builder);
    LEAT_TRY(leat_expr_gen_to(builder, node->args[2], to.dst, 0));
    leat_expr_step_at(builder, at)->b = leat_expr_here(builder);
    leat_expr_step_at(builder, skip)->jump = leat_expr_here(builder);
    return LEAT_OK;
}

/* a.or(b), a.orValue(b): b is evaluated only if a has no value. */
static leat_code gen_or(leat_expr_builder *builder, leat_expr_node *node, step to)
{
    leat_expr_operand optional = {0};
    bool unwrap = leat_str_is(node->name, "orValue");
    LEAT_TRY(leat_expr_gen(builder, node->args[0], &optional));
    uint32_t at = leat_expr_here(builder);
    to.op = EXPR_OP_OPT_ELSE;
    to.a_kind = optional.kind;
    to.a = optional.index;
    to.c = unwrap ? 1 : 0;
    LEAT_TRY(leat_expr_emit(builder, to));
    LEAT_TRY(leat_expr_gen_to(builder, node->args[1], to.dst, 0));
    if (!unwrap) {
        to.op = EXPR_OP_OPT_CHECK;
        to.a_kind = EXPR_REGISTER;
        to.a = to.dst;
        LEAT_TRY(leat_expr_emit(builder, to));
    }
    leat_expr_step_at(builder, at)->jump = leat_expr_here(builder);
    return LEAT_OK;
}

static leat_code gen_function(leat_expr_builder *builder, leat_expr_node *node, step to)
{
    if (leat_str_is(node->name, "dyn") && !node->member && node->count == 1) {
        return leat_expr_gen_to(builder, node->args[0], to.dst, 0);
    }
    LEAT_TRY(leat_expr_add_call(builder, node->name, node->member, node->count, &to.b));
    if (leat_str_starts(node->name, LEAT_STR("regex.")) && has_constant_pattern(node)) {
        leat_code code = leat_expr_site_regex(
            builder, to.b, leat_value_str(node->args[1]->constant), node->args[1]->offset);
        if (code != LEAT_OK) return code == LEAT_ERR_MEMORY ? code : bad_pattern(builder, to);
    }
    LEAT_TRY(leat_expr_reserve(builder, node->count, &to.c));
    for (uint32_t i = 0; i < node->count; i++) {
        LEAT_TRY(leat_expr_gen_to(builder, node->args[i], (uint16_t)(to.c + i), 0));
    }
    to.op = EXPR_OP_CALL;
    return leat_expr_emit(builder, to);
}

static bool is_sum(const leat_expr_node *node)
{
    return node->kind == EXPR_NODE_CALL && node->count == 2 && leat_str_is(node->name, "_+_");
}

static bool is_text(const leat_expr_node *node)
{
    return node->kind == EXPR_NODE_CONST && node->constant.tag == LEAT_STRING;
}

/* country + '-' + city: how many operands, if there are three or more and a text among them. */
static leat_code count_texts(leat_expr_builder *builder, leat_expr_node *sum, uint32_t *count)
{
    bool text = false;
    *count = 1;
    for (; is_sum(sum); sum = sum->args[0]) {
        LEAT_TRY(try_fold(builder, sum->args[0]));
        LEAT_TRY(try_fold(builder, sum->args[1]));
        text = text || is_text(sum->args[1]) || is_text(sum->args[0]);
        (*count)++;
    }
    if (!text || *count < 3) *count = 0;
    return LEAT_OK;
}

static leat_code gen_concat(leat_expr_builder *builder, leat_expr_node *sum, uint32_t count,
                            step to)
{
    leat_expr_node **operands = leat_arena_array(builder->scratch, count, sizeof *operands);
    if (operands == NULL) return leat_arena_full(builder->scratch, builder->err);
    for (uint32_t i = count; i > 1; i--) {
        operands[i - 1] = sum->args[1];
        sum = sum->args[0];
    }
    operands[0] = sum;
    LEAT_TRY(leat_expr_reserve(builder, count, &to.c));
    for (uint32_t i = 0; i < count; i++) {
        LEAT_TRY(leat_expr_gen_to(builder, operands[i], (uint16_t)(to.c + i), 0));
    }
    to.op = EXPR_OP_CONCAT;
    to.b = count;
    return leat_expr_emit(builder, to);
}

static leat_code gen_call(leat_expr_builder *builder, leat_expr_node *node, step to)
{
    uint32_t texts = 0;
    if (is_pattern_match(node)) return gen_matches(builder, node, to);
    if (is_sum(node)) LEAT_TRY(count_texts(builder, node, &texts));
    if (texts > 0) return gen_concat(builder, node, texts, to);
    const op_line *line = find_op(node);
    if (line != NULL) return gen_op(builder, node, line->op, to);
    if (leat_str_is(node->name, "_?_:_")) return gen_conditional(builder, node, to);
    if (node->member && node->count == 2 &&
        (leat_str_is(node->name, "or") || leat_str_is(node->name, "orValue"))) {
        return gen_or(builder, node, to);
    }
    return gen_function(builder, node, to);
}

/* a && b && c: each operand joins dst and jumps behind the last if that decides. */
static leat_code gen_logical(leat_expr_builder *builder, leat_expr_node *node, uint16_t dst)
{
    uint8_t join = LEAT_EXPR_JOIN | (node->kind == EXPR_NODE_OR ? LEAT_EXPR_JOIN_OR : 0);
    uint32_t *jumps = leat_arena_array(builder->scratch, node->count, sizeof *jumps);
    if (jumps == NULL) return leat_arena_full(builder->scratch, builder->err);
    LEAT_ASSERT(node->count >= 2);
    for (uint32_t i = 0; i < node->count; i++) {
        LEAT_TRY(leat_expr_gen_to(builder, node->args[i], dst, join));
        jumps[i] = leat_expr_here(builder) - 1;
        join |= LEAT_EXPR_JOIN_AFTER;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        LEAT_ASSERT(leat_expr_step_at(builder, jumps[i])->join != 0);
        leat_expr_step_at(builder, jumps[i])->jump = leat_expr_here(builder);
    }
    return LEAT_OK;
}

/* --- literals ---------------------------------------------------------------------------- */

static leat_code gen_list(leat_expr_builder *builder, leat_expr_node *node, step to)
{
    uint32_t *jumps = leat_arena_array(builder->scratch, node->count, sizeof *jumps);
    if (jumps == NULL) return leat_arena_full(builder->scratch, builder->err);
    to.op = EXPR_OP_LIST_NEW;
    to.b = node->count;
    LEAT_TRY(leat_expr_emit(builder, to));
    to.op = EXPR_OP_LIST_ADD;
    for (uint32_t i = 0; i < node->count; i++) {
        leat_expr_operand item = {0};
        uint32_t top = builder->top;
        LEAT_TRY(leat_expr_gen(builder, node->args[i], &item));
        builder->top = top;
        to.a_kind = item.kind;
        to.a = item.index;
        to.c = node->args[i]->maybe ? 1 : 0;
        jumps[i] = leat_expr_here(builder);
        LEAT_TRY(leat_expr_emit(builder, to));
    }
    for (uint32_t i = 0; i < node->count; i++) {
        leat_expr_step_at(builder, jumps[i])->jump = leat_expr_here(builder);
    }
    return LEAT_OK;
}

static leat_code gen_map(leat_expr_builder *builder, leat_expr_node *node, step to)
{
    uint32_t count = node->count / 2;
    uint32_t *jumps = leat_arena_array(builder->scratch, count, sizeof *jumps);
    if (jumps == NULL) return leat_arena_full(builder->scratch, builder->err);
    to.op = EXPR_OP_MAP_NEW;
    to.b = count;
    LEAT_TRY(leat_expr_emit(builder, to));
    to.op = EXPR_OP_MAP_ADD;
    for (uint32_t i = 0; i < count; i++) {
        leat_expr_operand key = {0};
        leat_expr_operand value = {0};
        uint32_t top = builder->top;
        LEAT_TRY(leat_expr_gen(builder, node->args[(size_t)i * 2], &key));
        LEAT_TRY(leat_expr_gen(builder, node->args[(size_t)i * 2 + 1], &value));
        builder->top = top;
        to.a_kind = key.kind;
        to.a = key.index;
        to.b_kind = value.kind;
        to.b = value.index;
        to.c = node->args[(size_t)i * 2]->maybe ? 1 : 0;
        to.offset = node->args[(size_t)i * 2]->offset;
        jumps[i] = leat_expr_here(builder);
        LEAT_TRY(leat_expr_emit(builder, to));
    }
    for (uint32_t i = 0; i < count; i++) {
        leat_expr_step_at(builder, jumps[i])->jump = leat_expr_here(builder);
    }
    return LEAT_OK;
}

/* --- nodes ------------------------------------------------------------------------------- */

/* Nodes that are read where they are. */
static bool is_operand(const leat_expr_node *node)
{
    return node->kind == EXPR_NODE_CONST || node->kind == EXPR_NODE_VAR ||
           (node->kind == EXPR_NODE_REF && node->ref.kind == LEAT_REF_SLOT && !node->test);
}

static leat_code gen_operand(leat_expr_builder *builder, leat_expr_node *node,
                             leat_expr_operand *operand)
{
    if (node->kind == EXPR_NODE_CONST) {
        return leat_expr_add_constant(builder, node->constant, operand);
    }
    if (node->kind == EXPR_NODE_VAR) {
        LEAT_ASSERT(node->var < builder->vars_count);
        *operand = in_register(builder->var_registers[node->var]);
        return LEAT_OK;
    }
    *operand = (leat_expr_operand){EXPR_SLOT, node->ref.index};
    return leat_expr_add_slot(builder, node);
}

leat_code leat_expr_gen(leat_expr_builder *builder, leat_expr_node *node,
                        leat_expr_operand *operand)
{
    LEAT_TRY(try_fold(builder, node));
    if (is_operand(node)) return gen_operand(builder, node, operand);
    uint16_t number = 0;
    LEAT_TRY(leat_expr_reserve(builder, 1, &number));
    *operand = in_register(number);
    return leat_expr_gen_to(builder, node, number, 0);
}

static leat_code gen_moved(leat_expr_builder *builder, leat_expr_node *node, step to)
{
    leat_expr_operand operand = {0};
    LEAT_TRY(gen_operand(builder, node, &operand));
    to.op = to.join != 0 ? EXPR_OP_JOIN : EXPR_OP_MOVE;
    to.a_kind = operand.kind;
    to.a = operand.index;
    return leat_expr_emit(builder, to);
}

static leat_code gen_reference(leat_expr_builder *builder, leat_expr_node *node, step to)
{
    if (node->ref.kind == LEAT_REF_SLOT) { /* has(); else it is an operand */
        to.op = EXPR_OP_HAS_SLOT;
        to.a_kind = EXPR_SLOT;
    } else {
        to.op = node->test ? EXPR_OP_HAS_EXTERN : EXPR_OP_EXTERN;
        to.c = builder->loops > 0 ? 1 : 0;
        leat_str missing =
            leat_arena_print(builder->scratch, "no such field '%.*s'", LEAT_STR_ARG(node->name));
        if (missing.data == NULL) return leat_arena_full(builder->scratch, builder->err);
        LEAT_TRY(leat_expr_add_text(builder, LEAT_ERR_NO_FIELD, missing, &to.b));
    }
    to.a = node->ref.index;
    return leat_expr_emit(builder, to);
}

static leat_code gen_select(leat_expr_builder *builder, leat_expr_node *node, step to)
{
    leat_expr_operand a = {0};
    leat_expr_operand name = {0};
    LEAT_TRY(leat_expr_gen(builder, node->args[0], &a));
    LEAT_TRY(leat_expr_add_constant(builder, leat_value_string(node->name), &name));
    to.op = node->test ? EXPR_OP_HAS : EXPR_OP_SELECT;
    to.a_kind = a.kind;
    to.a = a.index;
    to.b_kind = name.kind;
    to.b = name.index;
    to.c = node->optional ? 1 : 0;
    return leat_expr_emit(builder, to);
}

static leat_code gen_node(leat_expr_builder *builder, leat_expr_node *node, step to)
{
    switch (node->kind) {
    case EXPR_NODE_CONST:
    case EXPR_NODE_VAR: return gen_moved(builder, node, to);
    case EXPR_NODE_REF:
        return is_operand(node) ? gen_moved(builder, node, to) : gen_reference(builder, node, to);
    case EXPR_NODE_FAIL: return gen_fail(builder, LEAT_ERR_NO_FIELD, node->name, to);
    case EXPR_NODE_SELECT: return gen_select(builder, node, to);
    case EXPR_NODE_CALL: return gen_call(builder, node, to);
    case EXPR_NODE_AND:
    case EXPR_NODE_OR: return gen_logical(builder, node, to.dst);
    case EXPR_NODE_LIST: return gen_list(builder, node, to);
    case EXPR_NODE_MAP: return gen_map(builder, node, to);
    case EXPR_NODE_LOOP: return leat_expr_gen_loop(builder, node, to.dst);
    case EXPR_NODE_NAME: break;
    }
    LEAT_ASSERT(!"a name that was not resolved");
    return LEAT_ERR_INTERNAL;
}

leat_code leat_expr_gen_to(leat_expr_builder *builder, leat_expr_node *node, uint16_t dst,
                           uint8_t join)
{
    uint32_t top = builder->top, memo = LEAT_EXPR_NO_MEMO;
    LEAT_TRY(try_fold(builder, node));
    LEAT_TRY(leat_expr_memo_of(builder, node, &memo));
    if (memo != LEAT_EXPR_NO_MEMO) {
        LEAT_TRY(leat_expr_gen_memo(builder, node, memo, dst, join));
        builder->top = top;
        return LEAT_OK;
    }
    if (node->kind == EXPR_NODE_CALL && node->count == 2) { /* a pattern made of parts */
        LEAT_TRY(try_fold(builder, node->args[1]));
    }
    step to = {.dst = dst, .join = join, .offset = node->offset};
    if (join == 0 || is_operand(node) || is_joinable(node)) {
        LEAT_TRY(gen_node(builder, node, to));
    } else {
        uint16_t number = 0;
        LEAT_TRY(leat_expr_reserve(builder, 1, &number));
        LEAT_TRY(leat_expr_gen_to(builder, node, number, 0));
        to.op = EXPR_OP_JOIN;
        to.a_kind = EXPR_REGISTER;
        to.a = number;
        LEAT_TRY(leat_expr_emit(builder, to));
    }
    builder->top = top;
    return LEAT_OK;
}

/* --- the door ---------------------------------------------------------------------------- */

static leat_code build(leat_expr_builder *builder, leat_expr_node *root, leat_expr **expr)
{
    leat_expr_operand result = {0};
    (void)mark_pure(root);
    LEAT_TRY(leat_expr_gen(builder, root, &result));
    LEAT_TRY(leat_expr_emit(builder, (step){.op = EXPR_OP_RETURN,
                                            .a_kind = result.kind,
                                            .a = result.index,
                                            .offset = root->offset}));
    LEAT_TRY(leat_expr_finish(builder, expr));
    LEAT_TRY(leat_expr_form_of(builder, root, &(*expr)->form));
    LEAT_TRY(leat_expr_never_of(builder, root, &(*expr)->never));
    (*expr)->is_slot = is_operand(root) && root->kind == EXPR_NODE_REF;
    (*expr)->slot = (*expr)->is_slot ? root->ref.index : 0;
    (*expr)->is_constant = root->kind == EXPR_NODE_CONST;
    if ((*expr)->is_constant) (*expr)->constant = (*expr)->constants[result.index];
    return LEAT_OK;
}

static leat_code compile(leat_expr_builder *builder, leat_expr **expr)
{
    leat_expr_node *root = NULL;
    leat_scope *scope = builder->scope;
    leat_expr_resolution resolution = {.scope = scope, .arena = builder->scratch};
    const char *type_name = "dyn";
    LEAT_TRY(
        leat_expr_parse(builder->source, !scope->no_macros, builder->scratch, &root, builder->err));
    leat_expr_mark_repeated(scope, root);
    LEAT_TRY(leat_expr_resolve(&resolution, root, builder->err));
    if (!scope->unchecked) {
        leat_expr_checked checked = {scope, resolution.vars_count, builder->arena};
        LEAT_TRY(leat_expr_check(&checked, root, builder->scratch, &type_name, builder->err));
    }
    builder->vars_count = resolution.vars_count;
    builder->var_registers =
        leat_arena_array(builder->scratch, resolution.vars_count + 1, sizeof(uint16_t));
    if (builder->var_registers == NULL) return leat_arena_full(builder->scratch, builder->err);
    LEAT_TRY(build(builder, root, expr));
    (*expr)->type_name = type_name;
    return LEAT_OK;
}

leat_code leat_expr_compile(leat_str text, leat_scope *scope, leat_arena *arena, leat_expr **expr,
                            leat_err *err)
{
    LEAT_ASSERT(scope != NULL && scope->resolve != NULL && arena != NULL && expr != NULL);
    leat_arena *scratch = NULL;
    LEAT_TRY(leat_arena_new(&scratch, LEAT_EXPR_SCRATCH_MAX, err));
    leat_expr_builder builder = {.scope = scope,
                                 .arena = arena,
                                 .scratch = scratch,
                                 .values = arena,
                                 .err = err,
                                 .source = text};
    err->offset = 0;
    leat_code code = compile(&builder, expr);
    leat_expr_abandon(&builder);
    leat_arena_free(&scratch);
    return code;
}

bool leat_expr_is_slot(const leat_expr *expr, uint32_t *slot)
{
    LEAT_ASSERT(expr != NULL && slot != NULL);
    *slot = expr->slot;
    return expr->is_slot;
}

bool leat_expr_is_constant(const leat_expr *expr, leat_value *value)
{
    LEAT_ASSERT(expr != NULL && value != NULL);
    if (expr->is_constant) *value = expr->constant;
    return expr->is_constant;
}

const char *leat_expr_type_name(const leat_expr *expr)
{
    LEAT_ASSERT(expr != NULL);
    return expr->type_name;
}
