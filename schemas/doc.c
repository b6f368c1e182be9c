/* SPDX-License-Identifier: Apache-2.0 */
/* From a configuration text to nodes with places.
 *
 * Three passes, each for what it does best, as a configuration is read once:
 *   1. the data path's own validator finds a mistake to the byte; a hint says what to do about it
 *   2. jansson builds the tree, and finds keys that come twice and numbers that do not fit
 *   3. a cursor walks over text and tree together and notes where each key and value begins
 *
 *   text   { "name" : "x", "steps": [ {..} ] }
 *            ^ key    ^ value                      one walk, in the order of the text,
 *   tree   object: name -> "x", steps -> [ {..} ]  which jansson's objects keep
 *
 * Columns count characters, not bytes, as editors do. Refused: a parser of our own for this too
 * (one more grammar to keep right), and jansson's own error places (they point behind the mistake).
 * jansson is known to this file alone. */
#include <jansson.h>
#include <stdio.h>

#include "schemas/doc.h"
#include "schemas/json_scan.h"

#define DOC_DEPTH_MAX 128u

/* A place in the text that moves forward. */
typedef struct cursor {
    const char *at, *end;
    uint32_t line, column;
} cursor;

static void cursor_step(cursor *c)
{
    LEAT_ASSERT(c->at < c->end);
    if (*c->at == '\n') {
        c->line++;
        c->column = 1;
    } else if (((unsigned char)*c->at & 0xc0) != 0x80) {
        c->column++;
    }
    c->at++;
}

static void cursor_to(cursor *c, const char *at)
{
    while (c->at < at) {
        cursor_step(c);
    }
}

/* Over white space and the commas and colons between tokens: the text has been checked. */
static void cursor_token(cursor *c)
{
    while (c->at < c->end && (leat_json_is_space(*c->at) || *c->at == ',' || *c->at == ':')) {
        cursor_step(c);
    }
}

static void cursor_string(cursor *c)
{
    LEAT_ASSERT(*c->at == '"');
    cursor_step(c);
    while (*c->at != '"') {
        if (*c->at == '\\') cursor_step(c);
        cursor_step(c);
    }
    cursor_step(c);
}

/* --- mistakes --------------------------------------------------------------------------------- */

/* Where the innermost container that is still open at the end began; NULL: none. */
static const char *innermost_open(leat_str text)
{
    const char *open[DOC_DEPTH_MAX + 1];
    size_t depth = 0;
    bool quoted = false;
    for (const char *p = text.data; p < text.data + text.len; p++) {
        if (quoted && *p == '\\') {
            p++;
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (!quoted && (*p == '{' || *p == '[')) {
            if (depth <= DOC_DEPTH_MAX) open[depth] = p;
            depth++;
        } else if (!quoted && (*p == '}' || *p == ']') && depth > 0) {
            depth--;
        }
    }
    return depth > 0 && depth <= DOC_DEPTH_MAX ? open[depth - 1] : NULL;
}

static cursor cursor_of(leat_str text, const char *at)
{
    cursor c = {text.data, text.data + text.len, 1, 1};
    cursor_to(&c, at);
    return c;
}

static char before(leat_str text, const char *at)
{
    while (at > text.data && leat_json_is_space(at[-1])) {
        at--;
    }
    return at > text.data ? at[-1] : '\0';
}

static bool starts_with_any(leat_str rest, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (leat_str_starts(rest, leat_str_of(words[i]))) return true;
    }
    return false;
}

/* What to do about the mistake at `at`; NULL: the message says it all. */
static const char *hint_at(leat_str text, const char *at)
{
    static const char *const constants[] = {"True", "TRUE", "False", "FALSE", "None", "NULL"};
    if (at == text.data + text.len) return NULL;
    leat_str rest = {at, text.len - (size_t)(at - text.data)};
    char c = *at;
    if (c == '#' || leat_str_starts(rest, LEAT_STR("//")) ||
        leat_str_starts(rest, LEAT_STR("/*"))) {
        return "JSON has no comments; use a \"description\" where there is one";
    }
    if ((c == '}' || c == ']') && before(text, at) == ',') return "remove the comma before it";
    if (c == '\'') return "JSON's quotes are double";
    if (c == '"' || c == '{' || c == '[') return "is a comma missing before it?";
    if (c == '=') return "write a colon between key and value";
    if (starts_with_any(rest, constants, sizeof constants / sizeof constants[0])) {
        return "JSON writes true, false, null";
    }
    if (c == '\n' || c == '\r') return "a text ends on its line; write \\n for a line break";
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_') {
        return "keys and texts stand in double quotes";
    }
    return NULL;
}

static leat_code syntax_error(leat_str text, leat_err *err, cursor *place)
{
    const char *at = text.data + err->offset;
    const char *words = strstr(err->text, ": "); /* behind "JSON, byte N" */
    char message[LEAT_ERR_TEXT_MAX];
    (void)snprintf(message, sizeof message, "%s", words != NULL ? words + 2 : err->text);
    *place = cursor_of(text, at);
    uint32_t offset = err->offset;
    const char *hint = hint_at(text, at);
    const char *open = at == text.data + text.len ? innermost_open(text) : NULL;
    if (open != NULL) {
        cursor start = cursor_of(text, open);
        (void)leat_err_set(err, LEAT_ERR_CONFIG, "%s; the '%c' of line %u, column %u is not closed",
                           message, *open, start.line, start.column);
    } else {
        (void)leat_err_set(err, LEAT_ERR_CONFIG, "%s%s%s", message, hint != NULL ? "; " : "",
                           hint != NULL ? hint : "");
    }
    err->offset = offset;
    return err->code;
}

/* What only jansson finds. Its position is behind the token that it could not take. */
static leat_code jansson_error(leat_str text, const json_error_t *error, leat_err *err,
                               cursor *place)
{
    size_t stop = error->position > 0 ? (size_t)error->position : 0;
    if (stop > text.len) stop = text.len;
    const char *at = text.data + stop, *end = at;
    enum json_error_code code = json_error_code(error);
    if (code == json_error_duplicate_key && at > text.data && at[-1] == '"') {
        at--;
        while (at > text.data && (at[-1] != '"' || (at - 1 > text.data && at[-2] == '\\'))) {
            at--;
        }
        if (at > text.data) at--;
        *place = cursor_of(text, at);
        (void)leat_err_set(err, LEAT_ERR_CONFIG, "key %.*s stands twice in one object",
                           (int)(end - at > 100 ? 100 : end - at), at);
    } else {
        while (at > text.data && strchr("0123456789.eE+-", at[-1]) != NULL) {
            at--;
        }
        *place = cursor_of(text, at);
        (void)leat_err_set(err, LEAT_ERR_CONFIG, "%s",
                           code == json_error_numeric_overflow
                               ? "this number is too large; write it in quotes if it is a name"
                               : error->text);
    }
    err->offset = (uint32_t)(at - text.data);
    return err->code;
}

/* --- the walk --------------------------------------------------------------------------------- */

typedef struct reading {
    leat_str file;
    leat_arena *arena;
    leat_err *err;
    cursor cursor;
} reading;

static leat_code read_node(reading *r, json_t *json, leat_node *node);

static leat_node *new_child(reading *r, leat_node *parent, leat_node ***link)
{
    leat_node *child = leat_arena_zero(r->arena, sizeof *child);
    if (child == NULL) return NULL;
    child->parent = parent;
    **link = child;
    *link = &child->next;
    return child;
}

static leat_code read_list(reading *r, const json_t *json, leat_node *list)
{
    leat_node **link = &list->child;
    size_t count = json_array_size(json);
    for (size_t i = 0; i < count; i++) {
        leat_node *child = new_child(r, list, &link);
        if (child == NULL) return leat_arena_full(r->arena, r->err);
        child->index = (uint32_t)i;
        LEAT_TRY(read_node(r, json_array_get(json, i), child));
    }
    return LEAT_OK;
}

/* jansson hands out an object's members in the order in which they came. */
static leat_code read_object(reading *r, json_t *json, leat_node *object)
{
    leat_node **link = &object->child;
    uint32_t index = 0;
    for (void *it = json_object_iter(json); it != NULL; it = json_object_iter_next(json, it)) {
        leat_node *child = new_child(r, object, &link);
        if (child == NULL) return leat_arena_full(r->arena, r->err);
        leat_str key = {json_object_iter_key(it), json_object_iter_key_len(it)};
        child->index = index++;
        child->key = leat_arena_copy(r->arena, key);
        if (child->key.data == NULL) return leat_arena_full(r->arena, r->err);
        cursor_token(&r->cursor);
        child->key_line = r->cursor.line;
        child->key_column = r->cursor.column;
        cursor_string(&r->cursor);
        LEAT_TRY(read_node(r, json_object_iter_value(it), child));
    }
    return LEAT_OK;
}

static leat_code read_scalar(reading *r, const json_t *json, leat_node *node)
{
    if (json_is_string(json)) {
        node->kind = LEAT_NODE_STRING;
        node->text = leat_arena_copy(r->arena,
                                     (leat_str){json_string_value(json), json_string_length(json)});
        if (node->text.data == NULL) return leat_arena_full(r->arena, r->err);
        cursor_string(&r->cursor);
        return LEAT_OK;
    }
    if (json_is_integer(json)) {
        node->kind = LEAT_NODE_INT;
        node->i = json_integer_value(json);
        node->d = (double)node->i;
    } else if (json_is_real(json)) {
        node->kind = LEAT_NODE_DOUBLE;
        node->d = json_real_value(json);
    } else if (json_is_boolean(json)) {
        node->kind = LEAT_NODE_BOOL;
        node->b = json_is_true(json);
    }
    cursor *c = &r->cursor;
    while (c->at < c->end && !leat_json_is_space(*c->at) && strchr(",]}", *c->at) == NULL) {
        cursor_step(c);
    }
    return LEAT_OK;
}

/* Recursion is bounded by DOC_DEPTH_MAX: the text was validated under it. */
static leat_code read_node(reading *r, json_t *json, leat_node *node)
{
    LEAT_ASSERT(json != NULL);
    cursor_token(&r->cursor);
    node->file = r->file;
    node->line = r->cursor.line;
    node->column = r->cursor.column;
    bool object = json_is_object(json);
    if (!object && !json_is_array(json)) return read_scalar(r, json, node);
    cursor_step(&r->cursor);
    node->kind = object ? LEAT_NODE_OBJECT : LEAT_NODE_LIST;
    if (object) {
        LEAT_TRY(read_object(r, json, node));
    } else {
        LEAT_TRY(read_list(r, json, node));
    }
    cursor_token(&r->cursor);
    LEAT_ASSERT(*r->cursor.at == (object ? '}' : ']'));
    cursor_step(&r->cursor);
    return LEAT_OK;
}

leat_code leat_doc_parse(leat_str text, leat_str file, leat_arena *arena, leat_node **root,
                         leat_err *err, uint32_t *line, uint32_t *column)
{
    leat_json_limits limits = {DOC_DEPTH_MAX, UINT32_MAX};
    reading r = {.arena = arena, .err = err};
    *root = NULL;
    *line = *column = 1;
    if (leat_str_starts(text, LEAT_STR("\xef\xbb\xbf"))) text = leat_str_slice(text, 3, text.len);
    if (leat_json_validate(text, limits, err) != LEAT_OK) {
        cursor place;
        (void)syntax_error(text, err, &place);
        *line = place.line;
        *column = place.column;
        return err->code;
    }
    json_error_t error;
    json_t *json = json_loadb(text.data, text.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (json == NULL) {
        cursor place;
        (void)jansson_error(text, &error, err, &place);
        *line = place.line;
        *column = place.column;
        return err->code;
    }
    r.cursor = cursor_of(text, text.data);
    r.file = leat_arena_copy(arena, file);
    leat_node *node = leat_arena_zero(arena, sizeof *node);
    leat_code code = r.file.data == NULL || node == NULL ? leat_arena_full(arena, err)
                                                         : read_node(&r, json, node);
    json_decref(json);
    if (code == LEAT_OK) *root = node;
    return code;
}
