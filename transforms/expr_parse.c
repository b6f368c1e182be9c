/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens -> tree, by recursive descent; binary operators by precedence climbing.
 *
 *   expr    = binary ['?' binary ':' expr]
 *   binary  = unary {operator unary}             || < && < relations, in < + - < * / %
 *   unary   = '!' {'!'} member | '-' {'-'} member
 *   member  = primary {'.' name ['(' args ')'] | '.?' name | '[' ['?'] expr ']'}
 *   primary = literal | ['.'] name ['(' args ')'] | '(' expr ')' | '[' list ']' | '{' map '}'
 *
 * && and || become one node of any number of operands, which spares the evaluator a tree of them
 * and the stack a depth that long chains would have. Errors say what was expected and, for a
 * bracket left open, where it was opened. Refused: a generated parser, whose errors speak of its
 * grammar and not of the user's text. */
#include <stdio.h>

#include "transforms/expr_ast.h"

typedef struct expr_parser {
    leat_expr_lexer lexer;
    leat_expr_token token; /* the one not yet taken */
    leat_arena *arena;
    leat_err *err;
    uint32_t depth;
    bool macros;
} expr_parser;

static leat_code parse_expr(expr_parser *parser, leat_expr_node **node);

leat_code leat_expr_mistake(leat_err *err, leat_code code, uint32_t offset, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)leat_err_set_v(err, code, format, arguments);
    va_end(arguments);
    err->offset = offset;
    return code;
}

leat_expr_node *leat_expr_node_new(leat_arena *arena, leat_expr_node_kind kind, uint32_t offset,
                                   uint32_t count)
{
    leat_expr_node *node = leat_arena_zero(arena, sizeof *node);
    if (node == NULL) return NULL;
    node->kind = kind;
    node->offset = offset;
    node->count = count;
    if (count > 0) {
        node->args = leat_arena_zero(arena, count * sizeof *node->args);
        if (node->args == NULL) return NULL;
    }
    return node;
}

static leat_code new_node(expr_parser *parser, leat_expr_node_kind kind, uint32_t offset,
                          uint32_t count, leat_expr_node **node)
{
    *node = leat_expr_node_new(parser->arena, kind, offset, count);
    return *node != NULL ? LEAT_OK : leat_arena_full(parser->arena, parser->err);
}

static leat_code advance(expr_parser *parser)
{
    return leat_expr_next_token(&parser->lexer, &parser->token, parser->err);
}

static bool at_punctuation(const expr_parser *parser, const char *text)
{
    return parser->token.kind == EXPR_TOKEN_PUNCTUATION && leat_str_is(parser->token.text, text);
}

/* Takes the token if it is `text`. */
static leat_code accept(expr_parser *parser, const char *text, bool *taken)
{
    *taken = at_punctuation(parser, text);
    return *taken ? advance(parser) : LEAT_OK;
}

static uint32_t column_of(const expr_parser *parser, uint32_t offset)
{
    uint32_t column = 1;
    for (uint32_t i = 0; i < offset && i < parser->lexer.text.len; i++) {
        if (((unsigned char)parser->lexer.text.data[i] & 0xc0) != 0x80) column++;
    }
    return column;
}

/* What people write who come from SQL or Python. */
static const char *foreign(const expr_parser *parser)
{
    static const struct {
        const char *word, *hint;
    } words[] = {
        {"and", "; and is written &&"},
        {"AND", "; and is written &&"},
        {"or", "; or is written ||"},
        {"OR", "; or is written ||"},
        {"LIKE", "; see matches, startsWith, contains"},
        {"like", "; see matches, startsWith, contains"},
        {"IN", "; it is written in"},
        {"is", "; null is compared with =="},
        {"IS", "; null is compared with =="},
    };
    const leat_expr_token *token = &parser->token;
    uint32_t at = token->offset;
    leat_str text = parser->lexer.text;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (leat_str_is(token->text, words[i].word)) return words[i].hint;
    if (leat_str_is(token->text, ">") && at > 0 && text.data[at - 1] == '<')
        return "; not equal is written !=";
    return "";
}

static leat_code unexpected(expr_parser *parser, const char *wanted)
{
    if (parser->token.kind == EXPR_TOKEN_END) {
        return leat_expr_mistake(parser->err, LEAT_ERR_SYNTAX, parser->token.offset,
                                 "expected %s, but the expression ends here", wanted);
    }
    return leat_expr_mistake(parser->err, LEAT_ERR_SYNTAX, parser->token.offset,
                             "expected %s, found '%.*s'%s", wanted,
                             LEAT_STR_ARG(parser->token.text), foreign(parser));
}

/* The closing bracket of the one opened at `opened`. */
static leat_code expect_close(expr_parser *parser, const char *text, uint32_t opened)
{
    if (at_punctuation(parser, text)) return advance(parser);
    char wanted[80];
    (void)snprintf(wanted, sizeof wanted, "'%s' to close the '%c' opened at column %u", text,
                   parser->lexer.text.data[opened], column_of(parser, opened));
    return unexpected(parser, wanted);
}

static leat_code too_deep(expr_parser *parser, uint32_t offset)
{
    return leat_expr_mistake(parser->err, LEAT_ERR_LIMIT, offset,
                             "the expression is nested more than %d levels deep",
                             LEAT_EXPR_DEPTH_MAX);
}

/* The node has all its args: how deep is the tree now? Chains such as a + b + c and a.b.c lean to
 * the left and are deep without any bracket. */
static leat_code seal(expr_parser *parser, leat_expr_node *node)
{
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->args[i]->depth >= node->depth) node->depth = node->args[i]->depth + 1;
    }
    return node->depth <= LEAT_EXPR_DEPTH_MAX ? LEAT_OK : too_deep(parser, node->offset);
}

static bool is_reserved(leat_str name)
{
    static const char *const words[] = {
        "as",  "break", "const",   "continue",  "else",   "for", "function", "if",    "import",
        "let", "loop",  "package", "namespace", "return", "var", "void",     "while",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (leat_str_is(name, words[i])) return true;
    }
    return false;
}

static bool is_keyword(leat_str name)
{
    return leat_str_is(name, "in") || leat_str_is(name, "true") || leat_str_is(name, "false") ||
           leat_str_is(name, "null");
}

/* A list of expressions that grows while it is read. */
typedef struct nodes {
    leat_expr_node **items;
    uint32_t count, size;
} nodes;

static leat_code add_node(expr_parser *parser, nodes *list, leat_expr_node *node)
{
    if (list->count == list->size) {
        uint32_t size = list->size > 0 ? list->size * 2 : 8;
        leat_expr_node **items = leat_arena_alloc(parser->arena, size * sizeof *items);
        if (items == NULL) return leat_arena_full(parser->arena, parser->err);
        if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->size = size;
    }
    list->items[list->count++] = node;
    return LEAT_OK;
}

/* expr {',' expr} up to `close`; `optional` allows ?expr, `trailing` a comma before the close. */
static leat_code parse_items(expr_parser *parser, const char *close, bool literal, uint32_t opened,
                             nodes *list)
{
    while (!at_punctuation(parser, close)) {
        bool optional = false;
        if (literal) LEAT_TRY(accept(parser, "?", &optional));
        leat_expr_node *node = NULL;
        LEAT_TRY(parse_expr(parser, &node));
        LEAT_ASSERT(node != NULL);
        node->maybe = optional;
        LEAT_TRY(add_node(parser, list, node));
        bool comma = false;
        LEAT_TRY(accept(parser, ",", &comma));
        if (!comma || (!literal && at_punctuation(parser, close))) break;
    }
    return expect_close(parser, close, opened);
}

/* {key: value, ...} after the opening brace. */
static leat_code parse_map(expr_parser *parser, uint32_t opened, leat_expr_node **node)
{
    nodes list = {0};
    while (!at_punctuation(parser, "}")) {
        bool maybe = false;
        LEAT_TRY(accept(parser, "?", &maybe));
        leat_expr_node *key = NULL;
        leat_expr_node *value = NULL;
        LEAT_TRY(parse_expr(parser, &key));
        LEAT_ASSERT(key != NULL);
        key->maybe = maybe;
        if (!at_punctuation(parser, ":")) return unexpected(parser, "':' after the key of a map");
        LEAT_TRY(advance(parser));
        LEAT_TRY(parse_expr(parser, &value));
        LEAT_TRY(add_node(parser, &list, key));
        LEAT_TRY(add_node(parser, &list, value));
        bool comma = false;
        LEAT_TRY(accept(parser, ",", &comma));
        if (!comma) break;
    }
    LEAT_TRY(expect_close(parser, "}", opened));
    LEAT_TRY(new_node(parser, EXPR_NODE_MAP, opened, 0, node));
    (*node)->args = list.items;
    (*node)->count = list.count;
    return seal(parser, *node);
}

/* name(args...) or receiver.name(args...), at the opening parenthesis. */
static leat_code parse_call(expr_parser *parser, leat_str name, uint32_t offset,
                            leat_expr_node *receiver, leat_expr_node **node)
{
    nodes list = {0};
    uint32_t opened = parser->token.offset;
    if (receiver != NULL) LEAT_TRY(add_node(parser, &list, receiver));
    LEAT_TRY(advance(parser));
    LEAT_TRY(parse_items(parser, ")", false, opened, &list));
    LEAT_TRY(new_node(parser, EXPR_NODE_CALL, offset, 0, node));
    (*node)->name = name;
    (*node)->member = receiver != NULL;
    (*node)->args = list.items;
    (*node)->count = list.count;
    LEAT_TRY(seal(parser, *node));
    return parser->macros ? leat_expr_macro_expand(node, parser->err) : LEAT_OK;
}

static leat_code parse_name(expr_parser *parser, leat_expr_node **node)
{
    uint32_t offset = parser->token.offset;
    bool absolute = false;
    LEAT_TRY(accept(parser, ".", &absolute));
    leat_str name = parser->token.text;
    if (parser->token.kind != EXPR_TOKEN_NAME || is_keyword(name)) {
        return unexpected(parser, "a name");
    }
    if (is_reserved(name)) {
        return leat_expr_mistake(parser->err, LEAT_ERR_SYNTAX, parser->token.offset,
                                 "'%.*s' is a reserved word; the field of that name is reached as "
                                 "a field of its record: event.%.*s",
                                 LEAT_STR_ARG(name), LEAT_STR_ARG(name));
    }
    LEAT_TRY(advance(parser));
    if (at_punctuation(parser, "(")) return parse_call(parser, name, offset, NULL, node);
    LEAT_TRY(new_node(parser, EXPR_NODE_NAME, offset, 0, node));
    (*node)->name = name;
    (*node)->absolute = absolute;
    return LEAT_OK;
}

static leat_code parse_literal(expr_parser *parser, bool negative, leat_expr_node **node)
{
    leat_expr_token token = parser->token;
    LEAT_TRY(new_node(parser, EXPR_NODE_CONST, token.offset, 0, node));
    if (token.kind == EXPR_TOKEN_STRING || token.kind == EXPR_TOKEN_BYTES) {
        leat_tag tag = token.kind == EXPR_TOKEN_STRING ? LEAT_STRING : LEAT_BYTES;
        (*node)->constant = leat_value_text(tag, token.content);
    } else {
        LEAT_TRY(leat_expr_number(&token, negative, &(*node)->constant, parser->err));
    }
    return advance(parser);
}

static leat_code parse_primary(expr_parser *parser, leat_expr_node **node)
{
    const leat_expr_token *token = &parser->token;
    uint32_t offset = token->offset;
    bool taken = false;
    if (token->kind == EXPR_TOKEN_NAME) {
        bool truth = leat_str_is(token->text, "true");
        if (truth || leat_str_is(token->text, "false") || leat_str_is(token->text, "null")) {
            bool null = token->text.data[0] == 'n';
            LEAT_TRY(new_node(parser, EXPR_NODE_CONST, offset, 0, node));
            (*node)->constant = null ? LEAT_VALUE_NULL : leat_value_bool(truth);
            return advance(parser);
        }
        return parse_name(parser, node);
    }
    if (token->kind != EXPR_TOKEN_PUNCTUATION && token->kind != EXPR_TOKEN_END &&
        token->kind != EXPR_TOKEN_QUOTED) {
        return parse_literal(parser, false, node);
    }
    if (at_punctuation(parser, ".")) return parse_name(parser, node);
    LEAT_TRY(accept(parser, "(", &taken));
    if (taken) {
        LEAT_TRY(parse_expr(parser, node));
        return expect_close(parser, ")", offset);
    }
    LEAT_TRY(accept(parser, "[", &taken));
    if (taken) {
        nodes list = {0};
        LEAT_TRY(parse_items(parser, "]", true, offset, &list));
        LEAT_TRY(new_node(parser, EXPR_NODE_LIST, offset, 0, node));
        (*node)->args = list.items;
        (*node)->count = list.count;
        return seal(parser, *node);
    }
    LEAT_TRY(accept(parser, "{", &taken));
    if (taken) return parse_map(parser, offset, node);
    return unexpected(parser, "a value");
}

/* The part after a dot: .name, .?name, .name(args). */
static leat_code parse_dot(expr_parser *parser, leat_expr_node **node)
{
    bool optional = false;
    LEAT_TRY(accept(parser, "?", &optional));
    leat_expr_token name = parser->token;
    bool quoted = name.kind == EXPR_TOKEN_QUOTED;
    if (!quoted && (name.kind != EXPR_TOKEN_NAME || is_keyword(name.text))) {
        return unexpected(parser, "a field's name after '.'");
    }
    LEAT_TRY(advance(parser));
    if (!quoted && !optional && at_punctuation(parser, "(")) {
        return parse_call(parser, name.text, name.offset, *node, node);
    }
    leat_expr_node *select = NULL;
    LEAT_TRY(new_node(parser, EXPR_NODE_SELECT, name.offset, 1, &select));
    select->args[0] = *node;
    select->name = name.text;
    select->optional = optional;
    *node = select;
    return seal(parser, select);
}

static leat_code parse_index(expr_parser *parser, uint32_t opened, leat_expr_node **node)
{
    bool optional = false;
    LEAT_TRY(accept(parser, "?", &optional));
    leat_expr_node *index = NULL;
    LEAT_TRY(new_node(parser, EXPR_NODE_CALL, opened, 2, &index));
    index->name = optional ? LEAT_STR("_[?_]") : LEAT_STR("_[_]");
    index->optional = optional;
    index->args[0] = *node;
    LEAT_TRY(parse_expr(parser, &index->args[1]));
    LEAT_TRY(expect_close(parser, "]", opened));
    *node = index;
    return seal(parser, index);
}

static leat_code parse_postfix(expr_parser *parser, leat_expr_node **node)
{
    for (;;) {
        bool taken = false;
        uint32_t offset = parser->token.offset;
        LEAT_TRY(accept(parser, ".", &taken));
        if (taken) {
            LEAT_TRY(parse_dot(parser, node));
            continue;
        }
        LEAT_TRY(accept(parser, "[", &taken));
        if (taken) {
            LEAT_TRY(parse_index(parser, offset, node));
            continue;
        }
        if (at_punctuation(parser, "{") &&
            ((*node)->kind == EXPR_NODE_NAME || (*node)->kind == EXPR_NODE_SELECT)) {
            return leat_expr_mistake(parser->err, LEAT_ERR_SYNTAX, offset,
                                     "messages are not supported; a map is written {'field': 1}");
        }
        return LEAT_OK;
    }
}

static bool at_number(const expr_parser *parser)
{
    return parser->token.kind == EXPR_TOKEN_INT || parser->token.kind == EXPR_TOKEN_UINT ||
           parser->token.kind == EXPR_TOKEN_DOUBLE;
}

static leat_code unary_node(expr_parser *parser, const char *name, uint32_t offset,
                            leat_expr_node **node)
{
    leat_expr_node *call = NULL;
    LEAT_TRY(new_node(parser, EXPR_NODE_CALL, offset, 1, &call));
    call->name = leat_str_of(name);
    call->args[0] = *node;
    *node = call;
    return seal(parser, call);
}

static leat_code parse_unary(expr_parser *parser, leat_expr_node **node)
{
    uint32_t offset = parser->token.offset;
    uint32_t last = offset;
    uint32_t signs = 0;
    const char *sign = at_punctuation(parser, "!") ? "!" : "-";
    while (at_punctuation(parser, sign)) { /* an even number of them cancels */
        signs++;
        last = parser->token.offset;
        LEAT_TRY(advance(parser));
    }
    if (signs > 0 && sign[0] == '-' && at_number(parser)) { /* the sign is the literal's */
        LEAT_TRY(parse_literal(parser, true, node));
        (*node)->offset = last;
        signs--;
    } else {
        LEAT_TRY(parse_primary(parser, node));
    }
    LEAT_TRY(parse_postfix(parser, node));
    if (signs % 2 == 0) return LEAT_OK;
    return unary_node(parser, sign[0] == '!' ? "!_" : "-_", offset, node);
}

typedef struct binary_operator {
    const char *text, *name;
    uint32_t level; /* higher binds tighter */
} binary_operator;

static const binary_operator operators[] = {
    {"||", "_||_", 1}, {"&&", "_&&_", 2}, {"==", "_==_", 3}, {"!=", "_!=_", 3}, {"<", "_<_", 3},
    {"<=", "_<=_", 3}, {">", "_>_", 3},   {">=", "_>=_", 3}, {"in", "@in", 3},  {"+", "_+_", 4},
    {"-", "_-_", 4},   {"*", "_*_", 5},   {"/", "_/_", 5},   {"%", "_%_", 5},
};

static const binary_operator *binary_at(const expr_parser *parser)
{
    if (parser->token.kind != EXPR_TOKEN_PUNCTUATION && parser->token.kind != EXPR_TOKEN_NAME) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (leat_str_is(parser->token.text, operators[i].text)) return &operators[i];
    }
    return NULL;
}

/* a && b && c as one node; a parenthesised (a && b) joins too, which changes nothing. */
static leat_code logical_node(expr_parser *parser, const binary_operator *found, uint32_t offset,
                              leat_expr_node *right, leat_expr_node **left)
{
    leat_expr_node_kind kind = found->level == 1 ? EXPR_NODE_OR : EXPR_NODE_AND;
    nodes list = {0};
    if ((*left)->kind == kind) {
        list = (nodes){(*left)->args, (*left)->count, (*left)->var};
    } else {
        leat_expr_node *node = NULL;
        LEAT_TRY(new_node(parser, kind, offset, 0, &node));
        LEAT_TRY(add_node(parser, &list, *left));
        *left = node;
    }
    LEAT_TRY(add_node(parser, &list, right));
    (*left)->args = list.items;
    (*left)->count = list.count;
    (*left)->var = list.size; /* room of args, until names are resolved */
    return seal(parser, *left);
}

static leat_code parse_binary(expr_parser *parser, uint32_t level, leat_expr_node **node)
{
    LEAT_TRY(parse_unary(parser, node));
    const binary_operator *found = NULL;
    while ((found = binary_at(parser)) != NULL && found->level >= level) {
        uint32_t offset = parser->token.offset;
        leat_expr_node *right = NULL;
        leat_expr_node *left = *node;
        LEAT_TRY(advance(parser));
        LEAT_TRY(parse_binary(parser, found->level + 1, &right));
        if (found->level <= 2) {
            LEAT_TRY(logical_node(parser, found, offset, right, node));
            continue;
        }
        LEAT_TRY(new_node(parser, EXPR_NODE_CALL, offset, 2, node));
        (*node)->name = leat_str_of(found->name);
        (*node)->args[0] = left;
        (*node)->args[1] = right;
        LEAT_TRY(seal(parser, *node));
    }
    return LEAT_OK;
}

static leat_code parse_expr(expr_parser *parser, leat_expr_node **node)
{
    if (++parser->depth > LEAT_EXPR_DEPTH_MAX) return too_deep(parser, parser->token.offset);
    LEAT_TRY(parse_binary(parser, 1, node));
    uint32_t offset = parser->token.offset;
    bool taken = false;
    LEAT_TRY(accept(parser, "?", &taken));
    if (taken) {
        leat_expr_node *call = NULL;
        LEAT_TRY(new_node(parser, EXPR_NODE_CALL, offset, 3, &call));
        call->name = LEAT_STR("_?_:_");
        call->args[0] = *node;
        LEAT_TRY(parse_binary(parser, 1, &call->args[1]));
        if (!at_punctuation(parser, ":")) {
            char wanted[64];
            (void)snprintf(wanted, sizeof wanted, "':' for the '?' at column %u",
                           column_of(parser, offset));
            return unexpected(parser, wanted);
        }
        LEAT_TRY(advance(parser));
        LEAT_TRY(parse_expr(parser, &call->args[2]));
        *node = call;
        LEAT_TRY(seal(parser, call));
    }
    parser->depth--;
    return LEAT_OK;
}

leat_code leat_expr_parse(leat_str text, bool macros, leat_arena *arena, leat_expr_node **node,
                          leat_err *err)
{
    LEAT_ASSERT(arena != NULL && node != NULL);
    if (text.len > LEAT_EXPR_TEXT_MAX) {
        return leat_expr_mistake(err, LEAT_ERR_LIMIT, 0, "an expression has at most %u bytes",
                                 LEAT_EXPR_TEXT_MAX);
    }
    if (!leat_str_utf8_valid(text)) {
        return leat_expr_mistake(err, LEAT_ERR_SYNTAX, 0, "the expression is not valid UTF-8");
    }
    expr_parser parser = {
        .lexer = {.text = text, .arena = arena}, .arena = arena, .err = err, .macros = macros};
    LEAT_TRY(advance(&parser));
    LEAT_TRY(parse_expr(&parser, node));
    if (parser.token.kind != EXPR_TOKEN_END) {
        return unexpected(&parser, "an operator or the end of the expression");
    }
    return LEAT_OK;
}
