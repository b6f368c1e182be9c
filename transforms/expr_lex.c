/* SPDX-License-Identifier: Apache-2.0 */
/* Text -> tokens.
 *
 * One token at a time and no table of them: the parser looks ahead by one. Keywords are plain
 * names here, since `a.package` and `{'if': 1}.if` are fields; the parser refuses them where a
 * variable would stand.
 *
 * A literal's content is undone here (expr_literal.c), so that a bad escape is reported where it
 * stands. Numbers stay text: `-9223372036854775808` is one literal only when the parser sees the
 * sign, and 9223372036854775808 alone is an error.
 *
 * The whole text is checked for UTF-8 before the first token, which lets everything after it step
 * over bytes above 127 without a look. */
#include "transforms/expr_ast.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The character `ahead` of the present one, NUL past the end (a NUL in the text is no token). */
static char peek(const leat_expr_lexer *lexer, uint32_t ahead)
{
    size_t at = (size_t)lexer->at + ahead;
    return at < lexer->text.len ? lexer->text.data[at] : '\0';
}

static bool at_end(const leat_expr_lexer *lexer)
{
    return lexer->at >= lexer->text.len;
}

static void skip_blanks(leat_expr_lexer *lexer)
{
    for (;;) {
        char c = peek(lexer, 0);
        if (at_end(lexer)) return;
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            lexer->at++;
        } else if (c == '/' && peek(lexer, 1) == '/') {
            while (!at_end(lexer) && peek(lexer, 0) != '\n')
                lexer->at++;
        } else {
            return;
        }
    }
}

static void take(leat_expr_lexer *lexer, leat_expr_token *token, leat_expr_token_kind kind)
{
    token->kind = kind;
    token->text = leat_str_slice(lexer->text, token->offset, lexer->at);
}

static void skip_digits(leat_expr_lexer *lexer)
{
    while (is_digit(peek(lexer, 0)))
        lexer->at++;
}

static leat_code lex_number(leat_expr_lexer *lexer, leat_expr_token *token, leat_err *err)
{
    leat_expr_token_kind kind = EXPR_TOKEN_INT;
    if (peek(lexer, 0) == '0' && (peek(lexer, 1) | 0x20) == 'x' && is_hex(peek(lexer, 2))) {
        lexer->at += 2;
        while (is_hex(peek(lexer, 0)))
            lexer->at++;
    } else {
        skip_digits(lexer);
        if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
            kind = EXPR_TOKEN_DOUBLE;
            lexer->at++;
            skip_digits(lexer);
        }
        uint32_t sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-' ? 1 : 0;
        if ((peek(lexer, 0) | 0x20) == 'e' && is_digit(peek(lexer, 1 + sign))) {
            kind = EXPR_TOKEN_DOUBLE;
            lexer->at += 1 + sign;
            skip_digits(lexer);
        }
    }
    if (kind == EXPR_TOKEN_INT && (peek(lexer, 0) | 0x20) == 'u') {
        kind = EXPR_TOKEN_UINT;
        lexer->at++;
    }
    if (is_name_start(peek(lexer, 0))) {
        return leat_expr_mistake(err, LEAT_ERR_SYNTAX, lexer->at,
                                 "'%c' cannot follow a number; a space or an operator is missing",
                                 peek(lexer, 0));
    }
    take(lexer, token, kind);
    return LEAT_OK;
}

/* Moves past the literal whose opening quote is the present character. */
static leat_code skip_string(leat_expr_lexer *lexer, bool raw, uint32_t start, leat_err *err)
{
    char quote = peek(lexer, 0);
    bool triple = peek(lexer, 1) == quote && peek(lexer, 2) == quote;
    lexer->at += triple ? 3 : 1;
    for (;;) {
        char c = peek(lexer, 0);
        if (at_end(lexer) || (!triple && (c == '\n' || c == '\r'))) {
            return leat_expr_mistake(err, LEAT_ERR_SYNTAX, start,
                                     "the text that begins here has no closing %s%c%s",
                                     triple ? "three " : "", quote, triple ? " in a row" : "");
        }
        if (c == '\\' && !raw) {
            lexer->at += 2; /* what may follow is checked when the escape is undone */
            if (lexer->at > lexer->text.len) lexer->at = (uint32_t)lexer->text.len;
        } else if (c == quote && !triple) {
            lexer->at++;
            return LEAT_OK;
        } else if (c == quote && peek(lexer, 1) == quote && peek(lexer, 2) == quote) {
            lexer->at += 3;
            return LEAT_OK;
        } else {
            lexer->at++;
        }
    }
}

/* True if a literal begins here: quotes, after r, b or br in either case. */
static bool string_starts(const leat_expr_lexer *lexer, bool *raw, bool *bytes, uint32_t *prefix)
{
    uint32_t at = 0;
    *bytes = (peek(lexer, at) | 0x20) == 'b';
    if (*bytes) at++;
    *raw = (peek(lexer, at) | 0x20) == 'r';
    if (*raw) at++;
    *prefix = at;
    return peek(lexer, at) == '"' || peek(lexer, at) == '\'';
}

static leat_code lex_quoted_name(leat_expr_lexer *lexer, leat_expr_token *token, leat_err *err)
{
    lexer->at++;
    while (!at_end(lexer) && peek(lexer, 0) != '`' && peek(lexer, 0) != '\n')
        lexer->at++;
    if (peek(lexer, 0) != '`' || lexer->at == token->offset + 1) {
        return leat_expr_mistake(err, LEAT_ERR_SYNTAX, token->offset,
                                 "a name in backticks must not be empty and ends with a backtick");
    }
    token->kind = EXPR_TOKEN_QUOTED;
    token->text = leat_str_slice(lexer->text, (size_t)token->offset + 1, lexer->at);
    lexer->at++;
    return LEAT_OK;
}

static leat_code lex_punctuation(leat_expr_lexer *lexer, leat_expr_token *token, leat_err *err)
{
    static const char pairs[][3] = {"==", "!=", "<=", ">=", "&&", "||"};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (peek(lexer, 0) == pairs[i][0] && peek(lexer, 1) == pairs[i][1]) {
            lexer->at += 2;
            take(lexer, token, EXPR_TOKEN_PUNCTUATION);
            return LEAT_OK;
        }
    }
    char c = peek(lexer, 0);
    const char *hint = c == '='   ? "; equality is written =="
                       : c == '&' ? "; and is written &&"
                       : c == '|' ? "; or is written ||"
                                  : "";
    if (c == '\0' || strchr("()[]{}.,:?<>+-*/%!", c) == NULL) {
        if (c >= 0x20 && c < 0x7f) {
            return leat_expr_mistake(err, LEAT_ERR_SYNTAX, lexer->at, "unexpected '%c'%s", c, hint);
        }
        return leat_expr_mistake(err, LEAT_ERR_SYNTAX, lexer->at,
                                 "unexpected character outside of quotes (byte 0x%02x)",
                                 (unsigned)(unsigned char)c);
    }
    lexer->at++;
    take(lexer, token, EXPR_TOKEN_PUNCTUATION);
    return LEAT_OK;
}

leat_code leat_expr_next_token(leat_expr_lexer *lexer, leat_expr_token *token, leat_err *err)
{
    skip_blanks(lexer);
    *token = (leat_expr_token){.kind = EXPR_TOKEN_END, .offset = lexer->at};
    if (at_end(lexer)) return LEAT_OK;
    char c = peek(lexer, 0);
    bool raw = false;
    bool bytes = false;
    uint32_t prefix = 0;
    if (string_starts(lexer, &raw, &bytes, &prefix)) {
        lexer->at += prefix;
        LEAT_TRY(skip_string(lexer, raw, token->offset, err));
        take(lexer, token, bytes ? EXPR_TOKEN_BYTES : EXPR_TOKEN_STRING);
        return leat_expr_unquote(token->text, bytes, token->offset, lexer->arena, &token->content,
                                 err);
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(lexer, 1)))) return lex_number(lexer, token, err);
    if (is_name_start(c)) {
        while (is_name_start(peek(lexer, 0)) || is_digit(peek(lexer, 0)))
            lexer->at++;
        take(lexer, token, EXPR_TOKEN_NAME);
        return LEAT_OK;
    }
    if (c == '`') return lex_quoted_name(lexer, token, err);
    return lex_punctuation(lexer, token, err);
}
