/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration documents: the first line is an assignment (--set), the rest a document.
 * What parses is printed, parsed again and printed alike; each node's path leads back to it; a
 * refused assignment changes nothing; a mistake has a place inside the text. */
#include "schemas/codec_json.h"
#include "schemas/doc.h"
#include "schemas/findings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what) LEAT_ASSERT(what)

static leat_code resolve(void *context, leat_str kind, leat_str name, leat_arena *arena,
                         leat_str *text, leat_err *err)
{
    (void)context;
    MUST(leat_str_is(kind, "env") || leat_str_is(kind, "file"));
    if (name.len % 3 == 0) return LEAT_OK;
    *text = leat_arena_copy(arena, name);
    return text->data != NULL ? LEAT_OK : leat_arena_full(arena, err);
}

static leat_str printed(const leat_node *root, bool pretty, leat_arena *arena)
{
    leat_buf out;
    leat_buf_init(&out, (size_t)64 << 20);
    leat_node_print(root, pretty, &out);
    leat_str text = leat_arena_copy(arena, leat_buf_str(&out));
    leat_buf_release(&out);
    MUST(text.data != NULL);
    return text;
}

static void check_print(const leat_node *root, leat_arena *arena)
{
    leat_err err;
    uint32_t line, column;
    leat_str once = printed(root, false, arena);
    for (int pretty = 0; pretty < 2; pretty++) {
        leat_node *again;
        leat_str text = printed(root, pretty != 0, arena);
        MUST(leat_doc_parse(text, LEAT_STR("again"), arena, &again, &err, &line, &column) ==
             LEAT_OK);
        MUST(leat_str_equal(once, printed(again, false, arena)));
    }
    leat_value value;
    MUST(leat_node_value(root, arena, &value, &err) == LEAT_OK);
}

/* Places inside the text, in order; the path of a node, assigned to, leaves all as it is. */
static void check_nodes(leat_node *root, leat_node *node, leat_arena *arena, int *left)
{
    leat_err err;
    leat_str place = leat_node_path(node, arena);
    /* Below `kafka` the rest of a path is one name, with its dots. */
    bool named = leat_str_find(place, LEAT_STR("kafka")) < 0;
    if (node != root && named && --*left >= 0) {
        leat_str path = place, before = printed(root, false, arena);
        leat_str value = printed(node, false, arena);
        leat_str assignment =
            leat_arena_print(arena, "%.*s=%.*s", LEAT_STR_ARG(path), LEAT_STR_ARG(value));
        MUST(path.data != NULL && assignment.data != NULL);
        bool whole = memchr(path.data, '\0', path.len) == NULL &&
                     memchr(value.data, '\0', value.len) == NULL;
        leat_code code = leat_node_override(root, assignment, arena, &err);
        MUST(code == LEAT_OK || !whole || strstr(err.text, "too many names") != NULL);
        if (whole) MUST(leat_str_equal(before, printed(root, false, arena)));
    }
    uint32_t index = 0;
    for (leat_node *child = node->child; child != NULL; child = child->next) {
        MUST(child->parent == node && child->index == index++);
        MUST((node->kind == LEAT_NODE_OBJECT) == (child->key.data != NULL));
        check_nodes(root, child, arena, left);
    }
}

static void check_document(leat_str assignment, leat_str text, leat_arena *arena)
{
    leat_err err;
    leat_node *root, *where = NULL;
    uint32_t line = 0, column = 0;
    leat_code code = leat_doc_parse(text, LEAT_STR("doc.json"), arena, &root, &err, &line, &column);
    if (code != LEAT_OK) {
        MUST(root == NULL && line >= 1 && column >= 1 && err.offset <= text.len);
        return;
    }
    check_print(root, arena);
    int nodes = 20;
    check_nodes(root, root, arena, &nodes);
    leat_str before = printed(root, false, arena);
    if (leat_node_override(root, assignment, arena, &err) != LEAT_OK) {
        MUST(leat_str_equal(before, printed(root, false, arena)));
    }
    check_print(root, arena);
    leat_findings findings;
    leat_findings_init(&findings, arena);
    if (leat_node_interpolate(root, resolve, NULL, arena, &where, &err) != LEAT_OK) {
        MUST(where != NULL);
        leat_findings_add_inside(&findings, where, 5, false, "%s", err.text);
    }
    leat_findings_add_key(&findings, root->child, true, "first");
    leat_findings_sort(&findings);
    leat_buf out;
    leat_buf_init(&out, (size_t)64 << 20);
    leat_findings_print(&findings, true, &out);
    leat_json_limits any = {128, UINT32_MAX};
    MUST(leat_json_validate(leat_buf_str(&out), any, &err) == LEAT_OK);
    leat_buf_release(&out);
    check_print(root, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leat_err err;
    leat_arena *arena = NULL;
    leat_str text = {(const char *)data, size};
    if (size > 65536) return 0;
    const char *stop = size > 0 ? memchr(text.data, '\n', size) : NULL;
    size_t len = stop != NULL ? (size_t)(stop - text.data) : 0;
    MUST(leat_arena_new(&arena, (size_t)256 << 20, &err) == LEAT_OK);
    check_document(leat_str_slice(text, 0, len),
                   leat_str_slice(text, stop != NULL ? len + 1 : 0, size), arena);
    leat_arena_free(&arena);
    return 0;
}
