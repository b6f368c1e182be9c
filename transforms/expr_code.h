/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled expression: a flat array of steps over registers. Private to transforms/expr*.c.
 *
 *   step   op 1 | kind of a 1 | kind of b 1 | join 1 | dst 2 | c 2 | a 4 | b 4 | jump 4 | offset 4
 *
 * An operand is a register, a constant or a slot of the record, all read through one table of
 * bases, so `amount > 500.0` is one step and nothing is loaded first. `join` makes a step that
 * yields a bool also do the && or || around it: store or combine with dst, and jump if that
 * decides. A chain of N conditions is N steps.
 *
 * Errors are values (tag ERROR: code, text, offset in the expression), which is how || and &&
 * absorb them. A register may hold NUMBER, JSON or OBJECT as a slot does; lists and maps hold only
 * plain values and OBJECT. Jumps go forward, but for loops, which are where cost is counted. */
#ifndef LEAT_TRANSFORMS_EXPR_CODE_H
#define LEAT_TRANSFORMS_EXPR_CODE_H

#include "core/arena.h"
#include "core/err.h"
#include "core/regex.h"
#include "core/value.h"
#include "transforms/expr.h"

#define LEAT_EXPR_REGISTERS_MAX 4096
#define LEAT_EXPR_REGISTERS_FEW 48 /* on the stack; more come from the arena */
#define LEAT_EXPR_ARGS_MAX      8  /* of a function in the table */

/* The one list of steps. In `all` the operands are a, b; r: register c and those behind it. */
#define LEAT_EXPR_OPS(OP)                                                                          \
    OP(RETURN)     /* a */                                                                         \
    OP(MOVE)       /* dst = a */                                                                   \
    OP(EXTERN)     /* dst = extern a; b: its text for errors */                                    \
    OP(HAS_SLOT)   /* dst = a is there */                                                          \
    OP(HAS_EXTERN) /* dst = extern a is there */                                                   \
    OP(SELECT)     /* dst = a.b; c: 1 optional */                                                  \
    OP(HAS)        /* dst = has(a.b) */                                                            \
    OP(INDEX)      /* dst = a[b]; c: 1 optional */                                                 \
    OP(EQ)                                                                                         \
    OP(NE)                                                                                         \
    OP(LT)                                                                                         \
    OP(LE)                                                                                         \
    OP(GT)                                                                                         \
    OP(GE)                                                                                         \
    OP(IN)                                                                                         \
    OP(STARTS) /* dst = a.startsWith(b) */                                                         \
    OP(ENDS)                                                                                       \
    OP(CONTAINS)                                                                                   \
    OP(MATCHES) /* dst = a.matches(regex b) */                                                     \
    OP(NOT)                                                                                        \
    OP(ADD)                                                                                        \
    OP(SUB)                                                                                        \
    OP(MUL)                                                                                        \
    OP(DIV)                                                                                        \
    OP(MOD)                                                                                        \
    OP(NEG)                                                                                        \
    OP(CONCAT) /* dst = the sum of b registers from c */                                           \
    OP(SIZE)   /* dst = size(a) */                                                                 \
    OP(CALL)   /* dst = call site b over registers from c */                                       \
    OP(FAIL)   /* dst = the error with text b */                                                   \
    OP(JOIN)   /* dst = a, a bool, as `join` says */                                               \
    OP(COND)   /* a false: to jump; no bool: dst = error, to b */                                  \
    OP(JUMP)                                                                                       \
    OP(LIST_NEW)    /* dst = [], room for b */                                                     \
    OP(LIST_ADD)    /* dst += a; c: 1 if it is there; error: dst = it, to jump */                  \
    OP(MAP_NEW)     /* dst = {}, room for b */                                                     \
    OP(MAP_ADD)     /* dst[a] = b; c as above, 2: keys are known to differ */                      \
    OP(MAP_MERGE)   /* dst += all entries of a */                                                  \
    OP(LOOP_BEGIN)  /* range a into r, b: what dst starts as; error: dst = it, to jump */          \
    OP(LOOP_NEXT)   /* next element into r+2 (r+3); none: to jump; b: names, dst: steps */         \
    OP(LOOP_ALL)    /* dst &&= a; decided: to jump, else to b */                                   \
    OP(LOOP_EXISTS) /* dst ||= a; decided: to jump, else to b */                                   \
    OP(LOOP_ONE)    /* dst += a; error: dst = it, to jump, else to b */                            \
    OP(LOOP_FILTER) /* dst += element, if a; error: dst = it, to jump, else to b */                \
    OP(ONE_END)     /* dst = dst == 1 */                                                           \
    OP(OPT_BEGIN)   /* optional a: its value into r; none, error: dst = it, to jump */             \
    OP(OPT_WRAP)    /* dst = optional.of(a) */                                                     \
    OP(OPT_ELSE)    /* optional a: dst = it (c: its value), to jump; none: go on */                \
    OP(OPT_CHECK)   /* dst = a, which must be an optional */                                       \
    OP(MEMO_GET)    /* dst = slot a, if it is there: to jump */                                    \
    OP(MEMO_PUT)    /* slot a = dst, unless that is an error */

typedef enum leat_expr_op {
#define OP(name) EXPR_OP_##name,
    LEAT_EXPR_OPS(OP)
#undef OP
        EXPR_OPS_COUNT,
} leat_expr_op;

typedef enum leat_expr_kind { EXPR_REGISTER, EXPR_CONSTANT, EXPR_SLOT } leat_expr_kind;

/* Bits of `join`. */
#define LEAT_EXPR_JOIN       1u /* this step is an operand of && or || with the result in dst */
#define LEAT_EXPR_JOIN_OR    2u /* of ||; else && */
#define LEAT_EXPR_JOIN_AFTER 4u /* not the first operand: combine with what dst holds */

typedef struct leat_expr_step {
    uint8_t op, a_kind, b_kind, join;
    uint16_t dst, c;
    uint32_t a, b;
    uint32_t jump;
    uint32_t offset; /* in the text, for errors */
} leat_expr_step;
_Static_assert(sizeof(leat_expr_step) == 24, "a step is three words");

typedef struct leat_expr_run leat_expr_run;

/* A function: args are loaded (no MISSING, NUMBER, JSON, ERROR; OBJECT only where the signature
 * allows any type or names it) and of types that the signature allows. Errors are returned. */
typedef leat_value (*leat_expr_callable)(leat_expr_run *run, const leat_value *args,
                                         uint32_t count);

/* One overload, ready to be tried: bit t of masks[i] tells that argument i may have tag t. */
typedef struct leat_expr_overload {
    uint32_t masks[LEAT_EXPR_ARGS_MAX];
    leat_expr_callable call;
} leat_expr_overload;

typedef struct leat_expr_site {
    const leat_expr_overload *overloads;
    uint32_t overloads_count;
    uint32_t count;   /* arguments */
    const char *name; /* for errors */
    uint32_t regex;   /* of regex.*: 1 + number of its pattern, if that is a constant; else 0 */
} leat_expr_site;

/* A slot as it is named in the text. */
typedef struct leat_expr_slot {
    uint32_t index;
    const char *missing; /* "no such field 'a.b'" */
    leat_value fallback; /* the type of that name, or MISSING */
} leat_expr_slot;

typedef struct leat_expr_text {
    const char *text;
    leat_code code;
} leat_expr_text;

struct leat_expr {
    const leat_expr_step *steps;
    const leat_value *constants;
    const leat_expr_slot *slots;
    const leat_expr_site *sites;
    const leat_expr_text *texts;
    leat_regex *const *regexes;
    uint32_t steps_count, slots_count, constants_count, sites_count, regexes_count, registers;
    const struct leat_form *form; /* expr_form.h; NULL: of a part that is evaluated now */
    leat_str source;
    const char *type_name;
    const char *never; /* expr_form.h */
    bool is_slot, is_constant;
    uint32_t slot;
    leat_value constant;
};

/* --- evaluation -------------------------------------------------------------------------- */

/* JSON that has been looked into, so that a loop does not parse it again and again. */
#define LEAT_EXPR_KEPT 8
typedef struct leat_expr_kept {
    const void *text;
    leat_value value;
} leat_expr_kept;

struct leat_expr_run {
    const leat_expr *expr;
    const leat_eval *eval;
    leat_arena *arena;
    uint64_t cost, cost_max;
    uint32_t offset;            /* of the present step */
    const leat_expr_site *site; /* of the present call */
    uint32_t kept_count;
    leat_expr_kept kept[LEAT_EXPR_KEPT];
};

/* Runs all steps; the result may have any tag, ERROR among them. */
leat_value leat_expr_execute(const leat_expr *expr, const leat_eval *eval);

/* The error value of the present step. text lives as long as the evaluation. */
static inline leat_value leat_expr_fail(const leat_expr_run *run, leat_code code, const char *text)
{
    return (leat_value){
        .tag = LEAT_ERROR, .reserved = (uint16_t)code, .len = run->offset, .as.text = text};
}
leat_value leat_expr_fail_format(leat_expr_run *run, leat_code code, const char *format, ...)
    LEAT_PRINTF(3, 4);
leat_value leat_expr_fail_err(leat_expr_run *run, const leat_err *err);
leat_value leat_expr_fail_full(const leat_expr_run *run); /* the arena is full */

/* Adds to the cost what a function is about to do; false: too much, return leat_expr_fail_cost. */
static inline bool leat_expr_charge(leat_expr_run *run, uint64_t cost)
{
    run->cost += cost;
    return LEAT_LIKELY(run->cost <= run->cost_max);
}
leat_value leat_expr_fail_cost(const leat_expr_run *run);

/* expr_value.c ---------------------------------------------------------------------------- */

/* A value as it can be worked with: NUMBER and JSON converted, MISSING is an error. */
leat_value leat_expr_load_slow(leat_expr_run *run, const leat_value *operand);
static inline leat_value leat_expr_load(leat_expr_run *run, const leat_value *operand)
{
    const uint32_t lazy = 1u << LEAT_MISSING | 1u << LEAT_NUMBER | 1u << LEAT_JSON;
    if (LEAT_LIKELY((1u << operand->tag & lazy) == 0)) return *operand;
    return leat_expr_load_slow(run, operand);
}
/* OBJECT as a MAP (other values as they are). */
leat_value leat_expr_whole(leat_expr_run *run, leat_value value);
/* CEL's ==: numbers across types, NaN equals nothing, values of different types differ. */
bool leat_expr_equal(leat_expr_run *run, leat_value a, leat_value b);
/* -1, 0, 1; LEAT_EXPR_UNORDERED with a NaN, LEAT_EXPR_INCOMPARABLE if there is no such order. */
#define LEAT_EXPR_UNORDERED    2
#define LEAT_EXPR_INCOMPARABLE 3
int leat_expr_compare(leat_value a, leat_value b);
leat_value leat_expr_no_overload(const leat_expr_run *run, const char *name, const leat_value *args,
                                 uint32_t count); /* name: static or of the expression */
static inline leat_code leat_expr_error_code(leat_value error)
{
    return (leat_code)(error.reserved & 63);
}
void leat_expr_describe(leat_value error, char *text, size_t size);
/* flags of an OBJECT: a type of its own with nothing to look into, such as net.IP. */
#define LEAT_EXPR_OPAQUE 1u
/* What a value's type is called: "int", "net.IP". */
const char *leat_expr_type_of(leat_value value);
leat_value *leat_expr_items_new(leat_expr_run *run, size_t count); /* NULL: the arena is full */
leat_value leat_expr_optional_of(leat_expr_run *run, leat_value value);

leat_value leat_expr_size_of(leat_expr_run *run, const leat_value *operand); /* size() */

/* expr_access.c: parts of values */
leat_value leat_expr_select(leat_expr_run *run, const leat_value *operand, leat_value name,
                            bool optional);
leat_value leat_expr_has(leat_expr_run *run, const leat_value *operand, leat_value name);
leat_value leat_expr_index(leat_expr_run *run, const leat_value *operand, const leat_value *index,
                           bool optional);
leat_value leat_expr_in(leat_expr_run *run, const leat_value *item, const leat_value *range);
/* The value under key in map, or NULL. */
const leat_value *leat_expr_map_find(leat_value map, leat_value key);

/* expr_collect.c: lists and maps being made; false: the error is the result. */
leat_value leat_expr_collection(leat_expr_run *run, bool map, uint32_t room);
bool leat_expr_list_add(leat_expr_run *run, leat_value *list, const leat_value *operand,
                        bool maybe);
/* how: 0, 1 for an optional value, 2 for a key that is known to be new */
bool leat_expr_map_add(leat_expr_run *run, leat_value *map, const leat_value *key,
                       const leat_value *value, uint32_t how);
bool leat_expr_map_merge(leat_expr_run *run, leat_value *map, const leat_value *operand);
/* range[0]: what is gone through, [1]: the position, [2] and [3]: the bound names. */
bool leat_expr_loop_begin(leat_expr_run *run, const leat_value *operand, leat_value start,
                          leat_value *range, leat_value *dst);
/* The next element; false: there are no more. */
static inline bool leat_expr_loop_next(leat_value *range, bool two)
{
    uint64_t at = (uint64_t)range[1].as.i;
    bool map = range[0].tag == LEAT_MAP;
    if (at >= range[0].len) return false;
    range[1].as.i++;
    range[2] = map ? range[0].as.entries[at].key : range[0].as.items[at];
    if (two) {
        range[3] = map ? range[0].as.entries[at].value : range[2];
        if (!map) range[2] = leat_value_int((int64_t)at);
    }
    return true;
}
/* Takes one condition, a bool or an error; true: the loop is decided. */
bool leat_expr_loop_take(leat_expr_op op, leat_value *dst, leat_value condition,
                         const leat_value *range);
leat_value leat_expr_need_optional(leat_expr_run *run, const leat_value *operand);

/* expr_arithmetic.c: op is one of ADD SUB MUL DIV MOD NEG NOT EQ ... GE; operands as in steps */
leat_value leat_expr_binary(leat_expr_run *run, leat_expr_op op, const leat_value *a,
                            const leat_value *b);
/* a + b + c + ...: texts in one go, other values one after the other. */
leat_value leat_expr_concat(leat_expr_run *run, const leat_value *operands, uint32_t count);
leat_value leat_expr_unary(leat_expr_run *run, leat_expr_op op, const leat_value *a);

/* A TIMESTAMP or DURATION, nanos -1e9 .. 2e9 (excl.); an error if it is out of range. */
leat_value leat_expr_time(const leat_expr_run *run, leat_tag tag, int64_t seconds, int64_t nanos);

/* Its shortest spelling as a STRING: "6", "0.1", "1e+21". */
leat_value leat_expr_double_text(leat_expr_run *run, double number);

/* expr_zone.c: seconds to add to UTC at that time; false: no such zone. */
bool leat_expr_zone_offset(leat_str zone_name, int64_t utc_seconds, int32_t *offset);

#endif
