/* SPDX-License-Identifier: Apache-2.0 */
/* The step interpreter.
 *
 * One switch over a flat array of steps; no recursion, no allocation but for lists, maps and texts
 * that the expression makes. Operands are read through `bases`, so that a register, a constant and
 * a slot cost the same. The fast paths of comparisons and arithmetic stand here: both operands of
 * one type that needs no loading. Everything else (MISSING, NUMBER, JSON, errors, mixed types) goes
 * to expr_arithmetic.c and expr_access.c, which answer with a value or an error value.
 *
 * Cost is counted where work is not bounded by the length of the expression: per element of a loop
 * (as many as the body has steps) and by functions per byte or element. Refused: threaded code by
 * computed goto, which measured no faster here and is no C; compiling to machine code, which is a
 * second compiler to be trusted with input. */
#include <stdio.h>

#include "transforms/expr_code.h"
#include "transforms/expr_form.h"

typedef leat_expr_step step;

/* Puts one operand of && or || into dst; returns the step to go on with. */
__attribute__((always_inline)) static inline const step *join_bool(const step *steps, const step *s,
                                                                   leat_value *dst, bool b)
{
    if (b == ((s->join & LEAT_EXPR_JOIN_OR) != 0)) { /* true decides ||, false decides && */
        *dst = leat_value_bool(b);
        return steps + s->jump;
    }
    if ((s->join & LEAT_EXPR_JOIN_AFTER) == 0) *dst = leat_value_bool(b);
    return s + 1; /* else dst stays what it was: as neutral as b, or an error */
}

static const step *join_value(const step *steps, const step *s, leat_value *dst, leat_value value)
{
    if (value.tag == LEAT_BOOL) return join_bool(steps, s, dst, value.as.b);
    LEAT_ASSERT(value.tag == LEAT_ERROR);
    /* Of two errors the first stays. */
    if ((s->join & LEAT_EXPR_JOIN_AFTER) == 0 || dst->tag != LEAT_ERROR) *dst = value;
    return s + 1;
}

/* The result of a step that may be part of && or ||. */
static const step *put(const step *steps, const step *s, leat_value *dst, leat_value value)
{
    if (s->join != 0) return join_value(steps, s, dst, value);
    *dst = value;
    return s + 1;
}

/* A value where a bool must be: itself, or an error. */
static leat_value need_bool(leat_expr_run *run, const leat_value *operand, const char *what)
{
    leat_value value = leat_expr_load(run, operand);
    if (value.tag == LEAT_BOOL || value.tag == LEAT_ERROR) return value;
    return leat_expr_no_overload(run, what, &value, 1);
}

static leat_value load_extern(leat_expr_run *run, const step *s, bool keep)
{
    const void *key = &run->expr->texts[s->b];
    for (uint32_t i = 0; keep && i < run->kept_count && i < LEAT_EXPR_KEPT; i++) {
        if (run->kept[i].text == key) return run->kept[i].value;
    }
    leat_err err;
    leat_value value = LEAT_VALUE_MISSING;
    LEAT_ASSERT(run->eval->load != NULL);
    leat_code code = run->eval->load(run->eval->self, s->a, run->arena, &value, &err);
    if (code != LEAT_OK) return leat_expr_fail_err(run, &err);
    if (keep && value.tag != LEAT_MISSING) {
        run->kept[run->kept_count % LEAT_EXPR_KEPT] = (leat_expr_kept){key, value};
        run->kept_count++;
    }
    return value;
}

static leat_value get_extern(leat_expr_run *run, const step *s)
{
    leat_value value = load_extern(run, s, s->c != 0);
    if (value.tag != LEAT_MISSING) return value;
    const leat_expr_text *text = &run->expr->texts[s->b];
    return leat_expr_fail(run, text->code, text->text);
}

static leat_value has_extern(leat_expr_run *run, const step *s)
{
    leat_value value = load_extern(run, s, s->c != 0);
    if (value.tag == LEAT_ERROR) return value;
    return leat_value_bool(value.tag != LEAT_MISSING);
}

static leat_value text_test(leat_expr_run *run, const step *s, const leat_value *a,
                            const leat_value *b)
{
    static const char *const names[] = {"startsWith", "endsWith", "contains"};
    leat_value args[2] = {leat_expr_load(run, a), leat_expr_load(run, b)};
    if (args[0].tag == LEAT_ERROR) return args[0];
    if (args[1].tag == LEAT_ERROR) return args[1];
    if (args[0].tag != LEAT_STRING || args[1].tag != LEAT_STRING) {
        return leat_expr_no_overload(run, names[s->op - EXPR_OP_STARTS], args, 2);
    }
    leat_str text = leat_value_str(args[0]);
    leat_str part = leat_value_str(args[1]);
    if (s->op == EXPR_OP_STARTS) return leat_value_bool(leat_str_starts(text, part));
    if (s->op == EXPR_OP_ENDS) return leat_value_bool(leat_str_ends(text, part));
    if (!leat_expr_charge(run, text.len / 16)) return leat_expr_fail_cost(run);
    return leat_value_bool(leat_str_find(text, part) >= 0);
}

static leat_value pattern_test(leat_expr_run *run, const step *s, const leat_value *a)
{
    leat_value text = leat_expr_load(run, a);
    if (text.tag == LEAT_ERROR) return text;
    if (text.tag != LEAT_STRING) return leat_expr_no_overload(run, "matches", &text, 1);
    if (!leat_expr_charge(run, text.len / 16)) return leat_expr_fail_cost(run);
    return leat_value_bool(leat_regex_matches(run->expr->regexes[s->b], leat_value_str(text)));
}

/* Loads the arguments in place and finds the overload that takes their types. */
static leat_value call(leat_expr_run *run, const leat_expr_site *site, leat_value *args)
{
    for (uint32_t i = 0; i < site->count; i++) {
        args[i] = leat_expr_load(run, &args[i]);
        if (args[i].tag == LEAT_OBJECT && (args[i].flags & LEAT_EXPR_OPAQUE) == 0) {
            args[i] = leat_expr_whole(run, args[i]);
        }
        if (args[i].tag == LEAT_ERROR) return args[i];
    }
    for (uint32_t i = 0; i < site->overloads_count; i++) {
        const leat_expr_overload *overload = &site->overloads[i];
        uint32_t at = 0;
        while (at < site->count && (overload->masks[at] >> args[at].tag & 1) != 0)
            at++;
        if (at < site->count) continue;
        run->site = site;
        return overload->call(run, args, site->count);
    }
    return leat_expr_no_overload(run, site->name, args, site->count);
}

/* Runs to the RETURN. The one long function of the project: a switch to be read from top to
 * bottom, whose cases end in `s` being the next step. */
/* NOLINTNEXTLINE(readability-function-size,readability-function-cognitive-complexity) */
static leat_value expr_run(leat_expr_run *run, leat_value *registers)
{
    const leat_expr *expr = run->expr;
    const leat_value *const bases[3] = {registers, expr->constants, run->eval->slots};
    const step *const steps = expr->steps;
    const step *s = steps;
#define A     (bases[s->a_kind] + s->a)
#define B     (bases[s->b_kind] + s->b)
#define DST   (registers + s->dst)
#define RANGE (registers + s->c)
/* A bool, stored or joined. */
#define GIVE_BOOL(truth)                                                                           \
    {                                                                                              \
        bool give = (truth);                                                                       \
        if (s->join != 0) {                                                                        \
            s = join_bool(steps, s, DST, give);                                                    \
        } else {                                                                                   \
            *DST = leat_value_bool(give);                                                          \
            s++;                                                                                   \
        }                                                                                          \
        continue;                                                                                  \
    }
#define GIVE(value)                                                                                \
    {                                                                                              \
        run->offset = s->offset;                                                                   \
        s = put(steps, s, DST, value);                                                             \
        continue;                                                                                  \
    }
/* For steps that are never joined: no test for it. */
#define SET(value)                                                                                 \
    {                                                                                              \
        *DST = (value);                                                                            \
        s++;                                                                                       \
        continue;                                                                                  \
    }
#define COMPARE(operator)                                                                          \
    {                                                                                              \
        const leat_value *a = A;                                                                   \
        const leat_value *b = B;                                                                   \
        if (a->tag == LEAT_DOUBLE && b->tag == LEAT_DOUBLE) GIVE_BOOL(a->as.d operator b->as.d)    \
        if (a->tag == LEAT_INT && b->tag == LEAT_INT) GIVE_BOOL(a->as.i operator b->as.i)          \
        if (a->tag == LEAT_INT && b->tag == LEAT_DOUBLE)                                           \
            GIVE_BOOL((double)a->as.i operator b->as.d)                                            \
        GIVE(leat_expr_binary(run, (leat_expr_op)s->op, a, b))                                     \
    }
#define EQUAL(expected)                                                                            \
    {                                                                                              \
        const leat_value *a = A;                                                                   \
        const leat_value *b = B;                                                                   \
        if (a->tag == LEAT_STRING && b->tag == LEAT_STRING) {                                      \
            GIVE_BOOL(leat_str_equal(leat_value_str(*a), leat_value_str(*b)) == (expected))        \
        }                                                                                          \
        if (a->tag == LEAT_INT && b->tag == LEAT_INT)                                              \
            GIVE_BOOL((a->as.i == b->as.i) == (expected))                                          \
        GIVE(leat_expr_binary(run, (leat_expr_op)s->op, a, b))                                     \
    }
#define ARITHMETIC(overflows, operator)                                                            \
    {                                                                                              \
        const leat_value *a = A;                                                                   \
        const leat_value *b = B;                                                                   \
        int64_t sum = 0;                                                                           \
        if (a->tag == LEAT_DOUBLE && b->tag == LEAT_DOUBLE) {                                      \
            SET(leat_value_double(a->as.d operator b->as.d))                                       \
        }                                                                                          \
        if (a->tag == LEAT_INT && b->tag == LEAT_INT && !overflows(a->as.i, b->as.i, &sum)) {      \
            SET(leat_value_int(sum))                                                               \
        }                                                                                          \
        run->offset = s->offset;                                                                   \
        SET(leat_expr_binary(run, (leat_expr_op)s->op, a, b))                                      \
    }
    for (;;) {
        switch ((leat_expr_op)s->op) {
        case EXPR_OP_LT: COMPARE(<)
        case EXPR_OP_LE: COMPARE(<=)
        case EXPR_OP_GT: COMPARE(>)
        case EXPR_OP_GE: COMPARE(>=)
        case EXPR_OP_EQ: EQUAL(true)
        case EXPR_OP_NE: EQUAL(false)
        case EXPR_OP_STARTS: {
            const leat_value *a = A;
            const leat_value *b = B;
            if (a->tag == LEAT_STRING && b->tag == LEAT_STRING) {
                GIVE_BOOL(a->len >= b->len &&
                          (b->len == 0 || memcmp(a->as.text, b->as.text, b->len) == 0))
            }
            GIVE(text_test(run, s, a, b))
        }
        case EXPR_OP_ENDS:
        case EXPR_OP_CONTAINS: GIVE(text_test(run, s, A, B))
        case EXPR_OP_MATCHES: GIVE(pattern_test(run, s, A))
        case EXPR_OP_IN: GIVE(leat_expr_in(run, A, B))
        case EXPR_OP_NOT: {
            const leat_value *a = A;
            if (a->tag == LEAT_BOOL) GIVE_BOOL(!a->as.b)
            GIVE(leat_expr_unary(run, EXPR_OP_NOT, a))
        }
        case EXPR_OP_JOIN: {
            const leat_value *a = A;
            if (a->tag == LEAT_BOOL) GIVE_BOOL(a->as.b)
            run->offset = s->offset;
            GIVE(need_bool(run, a, (s->join & LEAT_EXPR_JOIN_OR) != 0 ? "_||_" : "_&&_"))
        }
        case EXPR_OP_HAS_SLOT: GIVE_BOOL(A->tag != LEAT_MISSING)
        case EXPR_OP_HAS: GIVE(leat_expr_has(run, A, *B))
        case EXPR_OP_ADD: ARITHMETIC(__builtin_add_overflow, +)
        case EXPR_OP_SUB: ARITHMETIC(__builtin_sub_overflow, -)
        case EXPR_OP_MUL: ARITHMETIC(__builtin_mul_overflow, *)
        case EXPR_OP_DIV: {
            const leat_value *a = A;
            const leat_value *b = B;
            if (a->tag == LEAT_DOUBLE && b->tag == LEAT_DOUBLE) {
                SET(leat_value_double(a->as.d / b->as.d))
            }
            run->offset = s->offset;
            SET(leat_expr_binary(run, EXPR_OP_DIV, a, b))
        }
        case EXPR_OP_SIZE: {
            const leat_value *a = A;
            if (a->tag == LEAT_LIST || a->tag == LEAT_MAP) SET(leat_value_int(a->len))
            run->offset = s->offset;
            SET(leat_expr_size_of(run, a))
        }
        case EXPR_OP_CONCAT: run->offset = s->offset; SET(leat_expr_concat(run, RANGE, s->b))
        case EXPR_OP_MOD:
            run->offset = s->offset;
            SET(leat_expr_binary(run, (leat_expr_op)s->op, A, B))
        case EXPR_OP_NEG: run->offset = s->offset; SET(leat_expr_unary(run, EXPR_OP_NEG, A))
        case EXPR_OP_MOVE: {
            const leat_value *a = A;
            if (LEAT_LIKELY(a->tag != LEAT_MISSING)) SET(*a)
            run->offset = s->offset;
            SET(leat_expr_load(run, a))
        }
        case EXPR_OP_EXTERN: run->offset = s->offset; SET(get_extern(run, s))
        case EXPR_OP_HAS_EXTERN: run->offset = s->offset; SET(has_extern(run, s))
        case EXPR_OP_SELECT: run->offset = s->offset; SET(leat_expr_select(run, A, *B, s->c != 0))
        case EXPR_OP_INDEX: run->offset = s->offset; SET(leat_expr_index(run, A, B, s->c != 0))
        case EXPR_OP_CALL: run->offset = s->offset; SET(call(run, &expr->sites[s->b], RANGE))
        case EXPR_OP_FAIL: {
            run->offset = s->offset;
            GIVE(leat_expr_fail(run, expr->texts[s->b].code, expr->texts[s->b].text))
        }
        case EXPR_OP_COND: {
            const leat_value *a = A;
            run->offset = s->offset;
            leat_value condition = need_bool(run, a, "_?_:_");
            if (condition.tag == LEAT_BOOL) {
                s = condition.as.b ? s + 1 : steps + s->jump;
            } else {
                *DST = condition;
                s = steps + s->b;
            }
            continue;
        }
        case EXPR_OP_JUMP: s = steps + s->jump; continue;
        case EXPR_OP_LIST_NEW:
        case EXPR_OP_MAP_NEW:
            run->offset = s->offset;
            SET(leat_expr_collection(run, s->op == EXPR_OP_MAP_NEW, s->b))
        case EXPR_OP_LIST_ADD:
            run->offset = s->offset;
            s = leat_expr_list_add(run, DST, A, s->c != 0) ? s + 1 : steps + s->jump;
            continue;
        case EXPR_OP_MAP_ADD:
            run->offset = s->offset;
            s = leat_expr_map_add(run, DST, A, B, s->c) ? s + 1 : steps + s->jump;
            continue;
        case EXPR_OP_MAP_MERGE:
            run->offset = s->offset;
            s = leat_expr_map_merge(run, DST, A) ? s + 1 : steps + s->jump;
            continue;
        case EXPR_OP_LOOP_BEGIN:
            run->offset = s->offset;
            s = leat_expr_loop_begin(run, A, expr->constants[s->b], RANGE, DST) ? s + 1
                                                                                : steps + s->jump;
            continue;
        case EXPR_OP_LOOP_NEXT: {
            if (LEAT_UNLIKELY(!leat_expr_charge(run, s->a))) {
                run->offset = s->offset;
                return leat_expr_fail_cost(run);
            }
            s = leat_expr_loop_next(RANGE, s->b == 2) ? s + 1 : steps + s->jump;
            continue;
        }
        case EXPR_OP_LOOP_ALL:
        case EXPR_OP_LOOP_EXISTS:
        case EXPR_OP_LOOP_ONE:
        case EXPR_OP_LOOP_FILTER: {
            run->offset = s->offset;
            const leat_value *a = A;
            if (a->tag == LEAT_BOOL && !a->as.b && s->op != EXPR_OP_LOOP_ALL) {
                s = steps + s->b; /* not this element */
                continue;
            }
            leat_value condition = need_bool(run, a, "condition of a macro");
            bool done = leat_expr_loop_take((leat_expr_op)s->op, DST, condition, RANGE);
            s = steps + (done ? s->jump : s->b);
            continue;
        }
        case EXPR_OP_ONE_END: SET(leat_value_bool(DST->as.i == 1))
        case EXPR_OP_OPT_BEGIN: {
            run->offset = s->offset;
            leat_value optional = leat_expr_need_optional(run, A);
            if (optional.tag == LEAT_OPTIONAL && optional.as.items != NULL) {
                *RANGE = optional.as.items[0];
                s++;
            } else {
                *DST = optional;
                s = steps + s->jump;
            }
            continue;
        }
        case EXPR_OP_OPT_ELSE: {
            run->offset = s->offset;
            leat_value optional = leat_expr_need_optional(run, A);
            bool there = optional.tag == LEAT_OPTIONAL && optional.as.items != NULL;
            *DST = there && s->c != 0 ? optional.as.items[0] : optional;
            s = there || optional.tag == LEAT_ERROR ? steps + s->jump : s + 1;
            continue;
        }
        case EXPR_OP_OPT_WRAP: {
            run->offset = s->offset;
            leat_value value = leat_expr_load(run, A);
            SET(value.tag == LEAT_ERROR ? value : leat_expr_optional_of(run, value))
        }
        case EXPR_OP_OPT_CHECK: run->offset = s->offset; SET(leat_expr_need_optional(run, A))
        case EXPR_OP_MEMO_GET: {
            const leat_value *memo = run->eval->slots + s->a;
            if (memo->tag == LEAT_MISSING) {
                s++;
                continue;
            }
            *DST = *memo;
            s = steps + s->jump;
            continue;
        }
        case EXPR_OP_MEMO_PUT:
            if (run->eval->memo != NULL && DST->tag != LEAT_ERROR) run->eval->memo[s->a] = *DST;
            s++;
            continue;
        case EXPR_OP_RETURN: {
            const leat_value *a = A;
            if (LEAT_LIKELY(a->tag != LEAT_MISSING)) return *a;
            run->offset = s->offset;
            return leat_expr_load(run, a);
        }
        case EXPR_OPS_COUNT: break;
        }
        LEAT_ASSERT(!"a step that does not exist");
    }
}

leat_value leat_expr_execute(const leat_expr *expr, const leat_eval *eval)
{
    leat_value few[LEAT_EXPR_REGISTERS_FEW];
    leat_value *registers = few;
    leat_expr_run run;
    run.expr = expr;
    run.eval = eval;
    run.arena = eval->arena;
    run.cost = 0;
    run.cost_max = eval->cost_max != 0 ? eval->cost_max : LEAT_EXPR_COST_MAX;
    run.offset = 0;
    run.kept_count = 0;
    LEAT_ASSERT(eval->arena != NULL);
    if (LEAT_UNLIKELY(expr->registers > LEAT_EXPR_REGISTERS_FEW)) {
        registers = leat_expr_items_new(&run, expr->registers);
        if (registers == NULL) return leat_expr_fail_full(&run);
    }
    return expr_run(&run, registers);
}

/* --- the doors --------------------------------------------------------------------------- */

static leat_code report(const leat_expr *expr, leat_value error, leat_err *err)
{
    char text[LEAT_ERR_TEXT_MAX];
    uint32_t column = 1;
    leat_expr_describe(error, text, sizeof text);
    for (uint32_t i = 0; i < error.len && i < expr->source.len; i++) {
        if (((unsigned char)expr->source.data[i] & 0xc0) != 0x80) column++;
    }
    (void)leat_err_set(err, leat_expr_error_code(error), "%s (column %u)", text, column);
    err->offset = error.len;
    return err->code;
}

leat_code leat_expr_eval(const leat_expr *expr, const leat_eval *eval, leat_value *value,
                         leat_err *err)
{
    leat_value result = leat_expr_execute(expr, eval);
    if (LEAT_UNLIKELY(result.tag == LEAT_ERROR)) return report(expr, result, err);
    LEAT_ASSERT(result.tag != LEAT_MISSING);
    *value = result;
    return LEAT_OK;
}

leat_code leat_expr_test(const leat_expr *expr, const leat_eval *eval, bool *holds, leat_err *err)
{
    /* Most conditions compare fields with constants. */
    if (expr->form != NULL && expr->form->seen) {
        leat_form_answer answer = leat_form_look(expr->form, eval->slots);
        *holds = answer == LEAT_FORM_HOLDS;
        if (answer != LEAT_FORM_UNKNOWN) return LEAT_OK;
    }
    leat_value result = leat_expr_execute(expr, eval);
    if (LEAT_LIKELY(result.tag == LEAT_BOOL)) {
        *holds = result.as.b;
        return LEAT_OK;
    }
    if (result.tag == LEAT_ERROR) return report(expr, result, err);
    return leat_err_set(err, LEAT_ERR_TYPE, "the condition gives %s '%s', not true or false",
                        strchr("aeiou", leat_expr_type_of(result)[0]) != NULL ? "an" : "a",
                        leat_expr_type_of(result));
}
