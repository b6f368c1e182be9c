/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to a document before it is read: --set assignments and ${references}; and the way back
 * from a node to its path.
 *
 *   streams.clean.steps[0].filter='a > 1'      names and indexes, as leat_node_path writes them
 *   kafka.'bootstrap.servers'=broker:9092      a name with dots stands in quotes
 *
 * An assignment changes nothing unless all of it is right: the whole path is read before the first
 * node is made. What lies beyond the last node there is, is made of objects. */
#include "core/path.h"
#include "schemas/doc.h"

typedef struct element {
    leat_str name; /* data NULL: an index */
    size_t index;
} element;

typedef struct element_list {
    element items[LEAT_PATH_DEPTH_MAX];
    size_t count;
} element_list;

static leat_code bad_path(leat_str path, size_t at, const char *what, leat_err *err)
{
    (void)leat_err_set(err, LEAT_ERR_CONFIG, "path '%.*s', character %zu: %s", LEAT_STR_ARG(path),
                       at + 1, what);
    err->offset = (uint32_t)at;
    return err->code;
}

/* A name in quotes; '' inside is one quote. *at: behind the opening quote, then behind the closing.
 */
static leat_code quoted_name(leat_str path, size_t *at, leat_arena *arena, leat_str *name,
                             leat_err *err)
{
    char *to = leat_arena_alloc(arena, path.len + 1);
    if (to == NULL) return leat_arena_full(arena, err);
    size_t len = 0;
    for (size_t i = *at; i < path.len; i++) {
        if (path.data[i] == '\'') {
            if (i + 1 == path.len || path.data[i + 1] != '\'') {
                *at = i + 1;
                *name = (leat_str){to, len};
                return LEAT_OK;
            }
            i++;
        }
        to[len++] = path.data[i];
    }
    return bad_path(path, *at - 1, "the quote is not closed", err);
}

static leat_code index_of(leat_str path, size_t *at, size_t *index, leat_err *err)
{
    size_t i = *at, sum = 0;
    while (i < path.len && path.data[i] >= '0' && path.data[i] <= '9' && sum < 1000000) {
        sum = sum * 10 + (size_t)(path.data[i++] - '0');
    }
    if (i == *at || i == path.len || path.data[i] != ']') {
        return bad_path(path, i, "expected a number and ']'", err);
    }
    *at = i + 1;
    *index = sum;
    return LEAT_OK;
}

static leat_code read_element(leat_str path, size_t *at, bool first, leat_arena *arena,
                              element *item, leat_err *err)
{
    *item = (element){LEAT_STR_NONE, 0};
    if (*at < path.len && path.data[*at] == '[') {
        (*at)++;
        return index_of(path, at, &item->index, err);
    }
    if (!first) {
        if (path.data[*at] != '.') return bad_path(path, *at, "expected '.' or '['", err);
        (*at)++;
    }
    if (*at < path.len && path.data[*at] == '\'') {
        (*at)++;
        return quoted_name(path, at, arena, &item->name, err);
    }
    size_t from = *at;
    while (*at < path.len && strchr(".[]'", path.data[*at]) == NULL) {
        (*at)++;
    }
    if (*at == from) return bad_path(path, from, "expected a name", err);
    item->name = leat_arena_copy(arena, leat_str_slice(path, from, *at));
    return item->name.data != NULL ? LEAT_OK : leat_arena_full(arena, err);
}

/* Below `kafka` stand client properties, whose names have dots (bootstrap.servers): what follows is
 * one name, quoted or not. */
static bool is_property(leat_str path, size_t at)
{
    return at + 1 < path.len && path.data[at] == '.' && path.data[at + 1] != '\'';
}

static leat_code read_path(leat_str path, leat_arena *arena, element_list *list, leat_err *err)
{
    size_t at = 0;
    list->count = 0;
    do {
        if (list->count + 1 >= LEAT_PATH_DEPTH_MAX)
            return bad_path(path, at, "too many names", err);
        element *item = &list->items[list->count];
        LEAT_TRY(read_element(path, &at, list->count == 0, arena, item, err));
        list->count++;
        if (leat_str_is(item->name, "kafka") && is_property(path, at)) {
            item = &list->items[list->count++];
            *item = (element){leat_arena_copy(arena, leat_str_slice(path, at + 1, path.len)), 0};
            return item->name.data != NULL ? LEAT_OK : leat_arena_full(arena, err);
        }
    } while (at < path.len);
    return LEAT_OK;
}

/* --- --set ------------------------------------------------------------------------------------ */

static leat_node *child_at(const leat_node *list, size_t index)
{
    for (leat_node *child = list->child; child != NULL; child = child->next) {
        if (child->index == index) return child;
    }
    return NULL;
}

static leat_node *child_named(const leat_node *object, leat_str name)
{
    for (leat_node *child = object->child; child != NULL; child = child->next) {
        if (leat_str_equal(child->key, name)) return child;
    }
    return NULL;
}

static void forget_places(leat_node *node)
{
    node->line = node->column = node->key_line = node->key_column = 0;
    for (leat_node *child = node->child; child != NULL; child = child->next) {
        forget_places(child);
    }
}

static leat_code new_node(leat_arena *arena, leat_node **node, leat_err *err)
{
    *node = leat_arena_zero(arena, sizeof **node);
    if (*node == NULL) return leat_arena_full(arena, err);
    (*node)->file = LEAT_STR("--set");
    return LEAT_OK;
}

static leat_code value_node(leat_str text, leat_arena *arena, leat_node **node, leat_err *err)
{
    uint32_t line, column;
    if (leat_doc_parse(text, LEAT_STR("--set"), arena, node, err, &line, &column) == LEAT_OK) {
        forget_places(*node);
        return LEAT_OK;
    }
    if (leat_code_blame(err->code) == LEAT_BLAME_TASK) return err->code;
    LEAT_TRY(new_node(arena, node, err));
    (*node)->kind = LEAT_NODE_STRING;
    (*node)->text = leat_arena_copy(arena, text);
    return (*node)->text.data != NULL ? LEAT_OK : leat_arena_full(arena, err);
}

static void append_child(leat_node *parent, leat_node *child)
{
    LEAT_ASSERT(parent->kind == LEAT_NODE_OBJECT || parent->kind == LEAT_NODE_LIST);
    LEAT_ASSERT((parent->kind == LEAT_NODE_OBJECT) == (child->key.data != NULL));
    leat_node **link = &parent->child;
    uint32_t index = 0;
    while (*link != NULL) {
        link = &(*link)->next;
        index++;
    }
    child->parent = parent;
    child->index = index;
    *link = child;
}

/* Puts a new value where node is, which keeps its place among its siblings, and its key. */
static void replace_node(leat_node *node, const leat_node *value)
{
    LEAT_ASSERT(node != value && value->parent == NULL);
    leat_node old = *node;
    *node = *value;
    node->parent = old.parent;
    node->next = old.next;
    node->index = old.index;
    node->key = old.key;
    for (leat_node *child = node->child; child != NULL; child = child->next) {
        child->parent = node;
    }
}

/* Follows the path as far as there are nodes; *left: elements that are not there yet. */
static leat_code descend(leat_node **node, const element_list *path, size_t *left, leat_str text,
                         leat_err *err)
{
    for (size_t i = 0; i < path->count; i++) {
        const element *item = &path->items[i];
        leat_node_kind want = item->name.data != NULL ? LEAT_NODE_OBJECT : LEAT_NODE_LIST;
        if ((*node)->kind != want) {
            return leat_err_set(err, LEAT_ERR_CONFIG, "path '%.*s': element %zu needs %s, found %s",
                                LEAT_STR_ARG(text), i + 1, leat_node_kind_name(want),
                                leat_node_kind_name((*node)->kind));
        }
        leat_node *child =
            item->name.data != NULL ? child_named(*node, item->name) : child_at(*node, item->index);
        if (child == NULL) {
            *left = path->count - i;
            return LEAT_OK;
        }
        *node = child;
    }
    *left = 0;
    return LEAT_OK;
}

/* The index of an element that is to be made: one behind the last. */
static leat_code check_new(const leat_node *node, const element_list *path, size_t left,
                           leat_str text, leat_err *err)
{
    size_t there = 0;
    for (const leat_node *child = node->child; child != NULL; child = child->next) {
        there++;
    }
    for (size_t i = path->count - left; i < path->count; i++, there = 0) {
        const element *item = &path->items[i];
        if (item->name.data != NULL || item->index == there) continue;
        return leat_err_set(err, LEAT_ERR_CONFIG,
                            "path '%.*s': there are %zu elements, so no [%zu]", LEAT_STR_ARG(text),
                            there, item->index);
    }
    return LEAT_OK;
}

leat_code leat_node_override(leat_node *root, leat_str assignment, leat_arena *arena, leat_err *err)
{
    if (!leat_str_utf8_valid(assignment) || leat_str_find(assignment, LEAT_STR("\0")) >= 0) {
        return leat_err_set(err, LEAT_ERR_CONFIG, "an assignment that is no valid UTF-8 text");
    }
    const char *equals = NULL;
    bool quoted = false;
    for (size_t i = 0; i < assignment.len && equals == NULL; i++) {
        if (assignment.data[i] == '\'') quoted = !quoted;
        if (assignment.data[i] == '=' && !quoted) equals = assignment.data + i;
    }
    if (equals == NULL || equals == assignment.data) {
        return leat_err_set(err, LEAT_ERR_CONFIG, "'%.*s' is no assignment; write path=value",
                            LEAT_STR_ARG(assignment));
    }
    size_t len = (size_t)(equals - assignment.data);
    leat_str text = leat_str_slice(assignment, 0, len);
    element_list path;
    leat_node *node = root, *value;
    size_t left;
    LEAT_TRY(read_path(text, arena, &path, err));
    LEAT_TRY(descend(&node, &path, &left, text, err));
    LEAT_TRY(check_new(node, &path, left, text, err));
    LEAT_TRY(value_node(leat_str_slice(assignment, len + 1, assignment.len), arena, &value, err));
    LEAT_ASSERT(left <= path.count);
    if (left == 0) {
        replace_node(node, value);
        return LEAT_OK;
    }
    /* From the innermost outwards, so that only the last act touches the document. */
    for (size_t i = path.count; i-- > path.count - left;) {
        value->key = path.items[i].name;
        if (i == path.count - left) break;
        leat_node *parent;
        LEAT_TRY(new_node(arena, &parent, err));
        parent->kind = path.items[i].name.data != NULL ? LEAT_NODE_OBJECT : LEAT_NODE_LIST;
        append_child(parent, value);
        value = parent;
    }
    append_child(node, value);
    return LEAT_OK;
}

/* --- ${references} ---------------------------------------------------------------------------- */

typedef struct resolving {
    leat_resolver resolve;
    void *context;
    leat_arena *arena;
    leat_err *err;
} resolving;

/* kind and name[:default] of what stands between the braces. */
static leat_code resolve_one(const resolving *r, leat_str inside, leat_str *text)
{
    ptrdiff_t colon = leat_str_find(inside, LEAT_STR(":"));
    leat_str kind = colon < 0 ? inside : leat_str_slice(inside, 0, (size_t)colon);
    leat_str name =
        colon < 0 ? LEAT_STR_NONE : leat_str_slice(inside, (size_t)colon + 1, inside.len);
    bool env = leat_str_is(kind, "env");
    if ((!env && !leat_str_is(kind, "file")) || name.len == 0) {
        return leat_err_set(
            r->err, LEAT_ERR_CONFIG,
            "unknown reference '${%.*s}'; write ${env:NAME}, ${env:NAME:default} or "
            "${file:path}, and $${ for a plain ${",
            LEAT_STR_ARG(inside));
    }
    leat_str fallback = LEAT_STR_NONE;
    ptrdiff_t second = env ? leat_str_find(name, LEAT_STR(":")) : -1;
    if (second >= 0) {
        fallback = leat_str_slice(name, (size_t)second + 1, name.len);
        name = leat_str_slice(name, 0, (size_t)second);
    }
    *text = LEAT_STR_NONE;
    LEAT_TRY(r->resolve(r->context, kind, name, r->arena, text, r->err));
    if (text->data == NULL) *text = fallback;
    if (text->data != NULL) return LEAT_OK;
    return leat_err_set(r->err, LEAT_ERR_CONFIG,
                        env ? "environment variable '%.*s' is not set, and there is no default "
                              "(${env:%.*s:default})"
                            : "file '%.*s' cannot be read (${file:%.*s})",
                        LEAT_STR_ARG(name), LEAT_STR_ARG(name));
}

/* *secret: something was put in. */
static leat_code interpolate_text(const resolving *r, leat_str in, leat_buf *out, bool *secret)
{
    for (size_t i = 0; i < in.len;) {
        leat_str rest = leat_str_slice(in, i, in.len);
        if (leat_str_starts(rest, LEAT_STR("$${"))) {
            leat_buf_add(out, LEAT_STR("${"));
            i += 3;
            continue;
        }
        if (!leat_str_starts(rest, LEAT_STR("${"))) {
            leat_buf_add_char(out, in.data[i++]);
            continue;
        }
        ptrdiff_t close = leat_str_find(rest, LEAT_STR("}"));
        if (close < 0) {
            return leat_err_set(r->err, LEAT_ERR_CONFIG,
                                "'${' without '}'; write $${ for a plain ${");
        }
        leat_str text;
        LEAT_TRY(resolve_one(r, leat_str_slice(rest, 2, (size_t)close), &text));
        leat_buf_add(out, text);
        i += (size_t)close + 1;
        *secret = true;
    }
    return leat_buf_check(out, "a text with references", r->err);
}

static leat_code interpolate_node(const resolving *r, leat_node *node)
{
    LEAT_ASSERT(node->kind == LEAT_NODE_STRING);
    leat_buf out;
    leat_buf_init(&out, 16u << 20);
    bool secret = false;
    leat_code code = interpolate_text(r, node->text, &out, &secret);
    if (code == LEAT_OK) {
        leat_str text = leat_arena_copy(r->arena, leat_buf_str(&out));
        if (text.data == NULL) {
            code = leat_arena_full(r->arena, r->err);
        } else if (!leat_str_utf8_valid(text)) {
            code = leat_err_set(r->err, LEAT_ERR_CONFIG, "what was put in is no valid UTF-8");
        } else {
            node->secret |= secret;
            node->text = text;
        }
    }
    leat_buf_release(&out);
    return code;
}

leat_code leat_node_interpolate(leat_node *node, leat_resolver resolve, void *context,
                                leat_arena *arena, leat_node **where, leat_err *err)
{
    LEAT_ASSERT(resolve != NULL);
    resolving r = {resolve, context, arena, err};
    if (node->kind == LEAT_NODE_STRING && leat_str_find(node->text, LEAT_STR("${")) >= 0) {
        leat_code code = interpolate_node(&r, node);
        if (code != LEAT_OK) *where = node;
        return code;
    }
    for (leat_node *child = node->child; child != NULL; child = child->next) {
        LEAT_TRY(leat_node_interpolate(child, resolve, context, arena, where, err));
    }
    return LEAT_OK;
}
