/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes looked at: members, paths, text, values.
 *
 * What came from the environment or a file is never printed: it is where passwords come from, and
 * nobody can tell which of them is one. A path is written so that --set and the expressions of the
 * language take it: names with dots or dashes in quotes. Members are searched one by one, as a
 * person's objects are small. */
#include "core/number.h"
#include "schemas/codec_json.h"
#include "schemas/doc.h"

#define SECRET "***"

const char *leat_node_kind_name(leat_node_kind kind)
{
    switch (kind) {
    case LEAT_NODE_NULL: return "null";
    case LEAT_NODE_BOOL: return "true or false";
    case LEAT_NODE_INT: return "a whole number";
    case LEAT_NODE_DOUBLE: return "a number";
    case LEAT_NODE_STRING: return "a string";
    case LEAT_NODE_LIST: return "a list";
    case LEAT_NODE_OBJECT: return "an object";
    }
    LEAT_ASSERT(!"a kind of node");
    return "";
}

leat_node *leat_node_member(const leat_node *object, const char *key)
{
    if (object == NULL || object->kind != LEAT_NODE_OBJECT) return NULL;
    for (leat_node *child = object->child; child != NULL; child = child->next) {
        if (leat_str_is(child->key, key)) return child;
    }
    return NULL;
}

/* --- paths ------------------------------------------------------------------------------------ */

static bool is_bare(leat_str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '_' && c != '$' && c != '@' && (signed char)c >= 0) return false;
    }
    return key.len > 0;
}

static void put_element(const leat_node *node, leat_buf *out)
{
    LEAT_ASSERT(node->parent != NULL);
    if (node->parent->kind == LEAT_NODE_LIST) {
        leat_buf_add_format(out, "[%u]", node->index);
        return;
    }
    if (out->len > 0) leat_buf_add_char(out, '.');
    if (is_bare(node->key)) {
        leat_buf_add(out, node->key);
        return;
    }
    leat_buf_add_char(out, '\'');
    for (size_t i = 0; i < node->key.len; i++) {
        if (node->key.data[i] == '\'') leat_buf_add_char(out, '\'');
        leat_buf_add_char(out, node->key.data[i]);
    }
    leat_buf_add_char(out, '\'');
}

static void put_path(const leat_node *node, const leat_node *above, leat_buf *out)
{
    if (node == above || node->parent == NULL) return;
    put_path(node->parent, above, out);
    put_element(node, out);
}

leat_str leat_node_path(const leat_node *node, leat_arena *arena)
{
    return leat_node_path_below(node, NULL, arena);
}

leat_str leat_node_path_below(const leat_node *node, const leat_node *above, leat_arena *arena)
{
    leat_buf out;
    leat_buf_init(&out, 1u << 20);
    put_path(node, above, &out);
    leat_str path = leat_arena_copy(arena, out.len > 0 ? leat_buf_str(&out) : LEAT_STR(""));
    leat_buf_release(&out);
    return path;
}

/* --- text ------------------------------------------------------------------------------------- */

static void put_line(bool pretty, uint32_t depth, leat_buf *out)
{
    if (!pretty) return;
    leat_buf_add_char(out, '\n');
    for (uint32_t i = 0; i < depth; i++) {
        leat_buf_add(out, LEAT_STR("  "));
    }
}

static void put_node(const leat_node *node, bool pretty, uint32_t depth, leat_buf *out);

static void put_children(const leat_node *node, bool pretty, uint32_t depth, leat_buf *out)
{
    bool object = node->kind == LEAT_NODE_OBJECT;
    leat_buf_add_char(out, object ? '{' : '[');
    for (const leat_node *child = node->child; child != NULL; child = child->next) {
        if (child != node->child) leat_buf_add_char(out, ',');
        put_line(pretty, depth + 1, out);
        if (object) {
            leat_json_write_string(child->key, out);
            leat_buf_add_text(out, pretty ? ": " : ":");
        }
        put_node(child, pretty, depth + 1, out);
    }
    if (node->child != NULL) put_line(pretty, depth, out);
    leat_buf_add_char(out, object ? '}' : ']');
}

static void put_node(const leat_node *node, bool pretty, uint32_t depth, leat_buf *out)
{
    switch (node->kind) {
    case LEAT_NODE_NULL: leat_buf_add_text(out, "null"); break;
    case LEAT_NODE_BOOL: leat_buf_add_text(out, node->b ? "true" : "false"); break;
    case LEAT_NODE_INT: leat_buf_add_int(out, node->i); break;
    case LEAT_NODE_DOUBLE: leat_number_add(out, node->d); break;
    case LEAT_NODE_STRING:
        leat_json_write_string(node->secret ? LEAT_STR(SECRET) : node->text, out);
        break;
    case LEAT_NODE_LIST:
    case LEAT_NODE_OBJECT: put_children(node, pretty, depth, out); break;
    }
}

void leat_node_print(const leat_node *node, bool pretty, leat_buf *out)
{
    put_node(node, pretty, 0, out);
    if (pretty) leat_buf_add_char(out, '\n');
}

/* --- values ----------------------------------------------------------------------------------- */

static leat_code container_value(const leat_node *node, leat_arena *arena, leat_value *value,
                                 leat_err *err)
{
    size_t count = 0;
    for (const leat_node *child = node->child; child != NULL; child = child->next) {
        count++;
    }
    bool object = node->kind == LEAT_NODE_OBJECT;
    leat_value *items =
        leat_arena_zero(arena, (count + 1) * (object ? sizeof(leat_entry) : sizeof(leat_value)));
    if (items == NULL) return leat_arena_full(arena, err);
    leat_entry *entries = (leat_entry *)(void *)items;
    size_t at = 0;
    for (const leat_node *child = node->child; child != NULL; child = child->next, at++) {
        if (object) entries[at].key = leat_value_string(child->key);
        LEAT_TRY(leat_node_value(child, arena, object ? &entries[at].value : &items[at], err));
    }
    LEAT_ASSERT(at == count);
    *value = object ? leat_value_map(entries, count) : leat_value_list(items, count);
    return LEAT_OK;
}

leat_code leat_node_value(const leat_node *node, leat_arena *arena, leat_value *value,
                          leat_err *err)
{
    switch (node->kind) {
    case LEAT_NODE_NULL: *value = LEAT_VALUE_NULL; break;
    case LEAT_NODE_BOOL: *value = leat_value_bool(node->b); break;
    case LEAT_NODE_INT: *value = leat_value_int(node->i); break;
    case LEAT_NODE_DOUBLE: *value = leat_value_double(node->d); break;
    case LEAT_NODE_STRING: *value = leat_value_string(node->text); break;
    case LEAT_NODE_LIST:
    case LEAT_NODE_OBJECT: return container_value(node, arena, value, err);
    }
    return LEAT_OK;
}
