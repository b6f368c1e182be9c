/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of an expression, between its text and its steps. Private to transforms/expr*.c.
 *
 *   expr_lex.c      text -> tokens
 *   expr_parse.c    tokens -> tree; expr_macro.c turns has, all, map ... into nodes of their own
 *   expr_resolve.c  names -> what they stand for: NAME and chains of SELECT become REF or VAR,
 *                   `math.abs(x)` becomes a plain call
 *   expr_check.c    a type for every node
 *   expr_compile.c  tree -> steps
 *
 * Trees live in a scratch arena that goes when the expression is compiled. A tree is never deeper
 * than LEAT_EXPR_DEPTH_MAX, which is what bounds every recursion over it. */
#ifndef LEAT_TRANSFORMS_EXPR_AST_H
#define LEAT_TRANSFORMS_EXPR_AST_H

#include "core/arena.h"
#include "core/err.h"
#include "core/number.h"
#include "core/value.h"
#include "transforms/expr.h"

#define LEAT_EXPR_TEXT_MAX    (64u << 10) /* bytes of an expression */
#define LEAT_EXPR_DEPTH_MAX   250         /* of parentheses, calls, operators in each other */
#define LEAT_EXPR_SCRATCH_MAX (64u << 20) /* bytes of trees and types while one is compiled */

/* --- tokens ------------------------------------------------------------------------------ */

typedef enum leat_expr_token_kind {
    EXPR_TOKEN_END,
    EXPR_TOKEN_NAME,   /* an identifier, keywords among them */
    EXPR_TOKEN_QUOTED, /* `a name in backticks`, without them */
    EXPR_TOKEN_INT,
    EXPR_TOKEN_UINT,
    EXPR_TOKEN_DOUBLE,
    EXPR_TOKEN_STRING, /* value: undone */
    EXPR_TOKEN_BYTES,
    EXPR_TOKEN_PUNCTUATION, /* text: one or two characters */
} leat_expr_token_kind;

typedef struct leat_expr_token {
    leat_expr_token_kind kind;
    leat_str text; /* as written */
    uint32_t offset;
    leat_str content; /* STRING, BYTES: what the literal means */
} leat_expr_token;

typedef struct leat_expr_lexer {
    leat_str text;
    uint32_t at;
    leat_arena *arena;
} leat_expr_lexer;

leat_code leat_expr_next_token(leat_expr_lexer *lexer, leat_expr_token *token,
                               leat_err *err) LEAT_CHECKED;
/* expr_literal.c: what a string or bytes literal means. `literal` is the text with its prefix. */
leat_code leat_expr_unquote(leat_str literal, bool bytes, uint32_t offset, leat_arena *arena,
                            leat_str *content, leat_err *err) LEAT_CHECKED;
/* The number that an INT, UINT or DOUBLE token stands for. */
leat_code leat_expr_number(const leat_expr_token *token, bool negative, leat_value *value,
                           leat_err *err) LEAT_CHECKED;

/* digits and point, without sign, as in "1.5", ".5", "007.5e3". */
leat_number leat_expr_read_double(leat_str text, double *number);

/* --- nodes ------------------------------------------------------------------------------- */

typedef enum leat_expr_node_kind {
    EXPR_NODE_CONST,
    EXPR_NODE_NAME,   /* name; before resolving */
    EXPR_NODE_VAR,    /* var: a name that a macro has bound */
    EXPR_NODE_REF,    /* ref; name: as it stands in the text */
    EXPR_NODE_FAIL,   /* name: the error's text; an unknown name under a lenient scope */
    EXPR_NODE_SELECT, /* args[0].name */
    EXPR_NODE_CALL,   /* name(args); member: the first is the receiver. Operators: "_+_" ... */
    EXPR_NODE_AND,    /* any number of args */
    EXPR_NODE_OR,
    EXPR_NODE_LIST,
    EXPR_NODE_MAP,  /* args: key, value, key, value ... */
    EXPR_NODE_LOOP, /* macro over args[0]; args[1..]: what is done for each element */
} leat_expr_node_kind;

/* What a LOOP makes of its range: accumulated per element. BIND, OPT_MAP and OPT_FLAT_MAP bind a
 * name without looping. */
typedef enum leat_expr_macro {
    EXPR_MACRO_ALL,
    EXPR_MACRO_EXISTS,
    EXPR_MACRO_ONE,
    EXPR_MACRO_FILTER,
    EXPR_MACRO_MAP,       /* args[1]: element, or args[1]: condition, args[2]: element */
    EXPR_MACRO_MAP_VALUE, /* transformMap: the same for the values of a map */
    EXPR_MACRO_MAP_ENTRY, /* transformMapEntry */
    EXPR_MACRO_SORT_BY,
    EXPR_MACRO_BIND,
    EXPR_MACRO_OPT_MAP,
    EXPR_MACRO_OPT_FLAT_MAP,
} leat_expr_macro;

typedef struct leat_expr_node leat_expr_node;
struct leat_expr_node {
    leat_expr_node_kind kind;
    leat_expr_macro macro;
    uint32_t offset; /* where the error of this node is shown */
    uint32_t count;  /* of args */
    uint32_t depth;  /* of the tree below */
    uint32_t var;    /* VAR; LOOP: number of the first bound name, the second has var + 1 */
    uint32_t names;  /* LOOP: how many names it binds, 1 or 2 */
    bool absolute;   /* NAME: with a leading dot */
    bool member;     /* CALL: written x.f(...) */
    bool test;       /* SELECT, REF: asked for by has() */
    bool optional;   /* SELECT, index CALL: written .? or [? */
    bool impure;     /* reads the record somewhere below */
    bool pure;       /* the same for every record: can be evaluated now */
    bool repeated;   /* it stands in several places, and is worth a memo (expr_memo.c) */
    uint32_t cost;   /* of the whole tree, about */
    uint64_t hash;   /* of the whole tree as it was parsed */
    bool maybe;      /* as an element of LIST, a key of MAP: written ?x */
    leat_str name;   /* and LOOP: the first bound name */
    leat_str name2;  /* LOOP: the second bound name */
    leat_value constant;
    leat_ref ref;
    leat_expr_node **args;
    const leat_expr_type *type; /* from the checker; NULL: dyn */
};

leat_code leat_expr_parse(leat_str text, bool macros, leat_arena *arena, leat_expr_node **node,
                          leat_err *err) LEAT_CHECKED;

leat_expr_node *leat_expr_node_new(leat_arena *arena, leat_expr_node_kind kind, uint32_t offset,
                                   uint32_t count); /* NULL: the arena is full */

/* expr_macro.c: if call is a macro, *node is what it stands for, else it stays as it was. */
leat_code leat_expr_macro_expand(leat_expr_node **node, leat_err *err) LEAT_CHECKED;

/* expr_resolve.c */
typedef struct leat_expr_resolution {
    leat_scope *scope;
    leat_arena *arena;   /* scratch */
    uint32_t vars_count; /* numbers given to bound names */
} leat_expr_resolution;
leat_code leat_expr_resolve(leat_expr_resolution *resolution, leat_expr_node *node,
                            leat_err *err) LEAT_CHECKED;
/* The value of a type's name ("int", "google.protobuf.Timestamp"); false: there is none. */
bool leat_expr_type_value(leat_str name, leat_value *value);

/* Sets err->offset and the text; returns code. */
leat_code leat_expr_mistake(leat_err *err, leat_code code, uint32_t offset, const char *format, ...)
    LEAT_PRINTF(4, 5);

#endif
