/* SPDX-License-Identifier: Apache-2.0 */
/* Documents: places of all nodes, mistakes and what is said about them, assignments, references. */
#include <criterion/criterion.h>

#include "schemas/doc.h"
#include "tests/unit/leak.h"

LEAT_SUITE(doc);

static leat_arena *make_arena(void)
{
    leat_err err;
    leat_arena *arena = NULL;
    cr_assert_eq(leat_arena_new(&arena, (size_t)16 << 20, &err), LEAT_OK);
    return arena;
}

static leat_node *parse(const char *text, leat_arena *arena)
{
    leat_err err;
    leat_node *root;
    uint32_t line, column;
    cr_assert_eq(
        leat_doc_parse(leat_str_of(text), LEAT_STR("p.json"), arena, &root, &err, &line, &column),
        LEAT_OK, "%s: %s", text, err.text);
    return root;
}

static void print_places(const leat_node *node, leat_arena *arena, leat_buf *out)
{
    leat_str path = leat_node_path(node, arena);
    leat_buf_add_format(out, "%.*s %u:%u", LEAT_STR_ARG(path), node->line, node->column);
    if (node->key_line > 0)
        leat_buf_add_format(out, " key %u:%u", node->key_line, node->key_column);
    leat_buf_add_text(out, "\n");
    for (const leat_node *child = node->child; child != NULL; child = child->next) {
        cr_assert_eq(child->parent, node);
        print_places(child, arena, out);
    }
}

Test(doc, knows_places)
{
    static const char text[] = "\xef\xbb\xbf\n"
                               "{\n"
                               "  \"name\" : \"gr\xc3\xb6\xc3\x9f\x65\\\"\", \"b\":[1,-2.5,\n"
                               "\ttrue,null , {\"a-b\":{\"it's\":[]}}],\n"
                               "  \"\\u0061.b\": false\n"
                               "}\n";
    static const char want[] = " 2:1\n"
                               "name 3:12 key 3:3\n"
                               "b 3:27 key 3:23\n"
                               "b[0] 3:28\n"
                               "b[1] 3:30\n"
                               "b[2] 4:2\n"
                               "b[3] 4:7\n"
                               "b[4] 4:14\n"
                               "b[4].'a-b' 4:21 key 4:15\n"
                               "b[4].'a-b'.'it''s' 4:29 key 4:22\n"
                               "'a.b' 5:15 key 5:3\n";
    leat_arena *arena = make_arena();
    leat_buf out;
    leat_buf_init(&out, 65536);
    print_places(parse(text, arena), arena, &out);
    leat_buf_add_char(&out, '\0');
    cr_assert_str_eq(out.data, want, "%s", out.data);
    leat_buf_release(&out);
    leat_arena_free(&arena);
}

Test(doc, explains_mistakes)
{
    static const struct {
        const char *text;
        uint32_t line, column;
        const char *words;
    } cases[] = {
        {"", 1, 1, "expected a value, but the text ends"},
        {"{\n \"a\": 1,\n}", 3, 1, "expected a key in quotes, found '}'; remove the comma"},
        {"[1,]", 1, 4, "remove the comma before it"},
        {"{\"a\": 1\n \"b\": 2}", 2, 2, "is a comma missing before it?"},
        {"{\"a\": 1 // x\n}", 1, 9, "JSON has no comments"},
        {"{\"a\": # x\n1}", 1, 7, "JSON has no comments"},
        {"{'a': 1}", 1, 2, "quotes are double"},
        {"{a: 1}", 1, 2, "stand in double quotes"},
        {"{\"a\": yes}", 1, 7, "stand in double quotes"},
        {"{\"a\": True}", 1, 7, "JSON writes true, false, null"},
        {"{\"a\" = 1}", 1, 6, "a colon"},
        {"{\"\xc3\xb6\": \"x\ny\"}", 1, 9, "ends on its line"},
        {"{\n  \"a\": [1,\n  2", 3, 4, "the '[' of line 2, column 8 is not closed"},
        {"{\"a\": \"x}", 1, 10, "the '{' of line 1, column 1 is not closed"},
        {"{\"a\": 1}}", 1, 9, "the end of the text"},
        {"{\"a\": \"\\q\"}", 1, 9, "after a backslash"},
        {"{\"a\": \"\xff\"}", 1, 8, "no valid UTF-8"},
        {"{\"a\": 1, \n\"b\": 2, \"a\": 3}", 2, 9, "key \"a\" stands twice in one object"},
        {"{\"a\\\"b\": 1, \"a\\\"b\": 3}", 1, 13, "key \"a\\\"b\" stands twice"},
        {"{\"a\": 123456789012345678901234567890}", 1, 7, "too large"},
        {"{\"a\": 1e999}", 1, 7, "too large"},
    };
    leat_arena *arena = make_arena();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leat_err err;
        leat_node *root;
        uint32_t line, column;
        leat_code code = leat_doc_parse(leat_str_of(cases[i].text), LEAT_STR("p.json"), arena,
                                        &root, &err, &line, &column);
        cr_assert_eq(code, LEAT_ERR_CONFIG, "%s", cases[i].text);
        cr_assert_null(root);
        cr_assert(line == cases[i].line && column == cases[i].column, "%s: %u:%u: %s",
                  cases[i].text, line, column, err.text);
        cr_assert_not_null(strstr(err.text, cases[i].words), "%s: %s", cases[i].text, err.text);
    }
    leat_arena_free(&arena);
}

static void expect_print(const leat_node *node, bool pretty, const char *want)
{
    leat_buf out;
    leat_buf_init(&out, 65536);
    leat_node_print(node, pretty, &out);
    leat_buf_add_char(&out, '\0');
    cr_assert_str_eq(out.data, want, "%s", out.data);
    leat_buf_release(&out);
}

Test(doc, prints_what_it_read)
{
    leat_arena *arena = make_arena();
    leat_node *root =
        parse("{\"a\":[1,2.0,\"x\\n\",{}, []],\"b\":{\"c\":null}, \"d\":true}", arena);
    expect_print(root, false, "{\"a\":[1,2.0,\"x\\n\",{},[]],\"b\":{\"c\":null},\"d\":true}");
    expect_print(root, true,
                 "{\n  \"a\": [\n    1,\n    2.0,\n    \"x\\n\",\n    {},\n    []\n  ],\n"
                 "  \"b\": {\n    \"c\": null\n  },\n  \"d\": true\n}\n");
    cr_assert_eq(leat_node_member(root, "b")->kind, LEAT_NODE_OBJECT);
    cr_assert_null(leat_node_member(root, "x"));
    cr_assert_null(leat_node_member(leat_node_member(root, "a"), "x"));
    leat_arena_free(&arena);
}

Test(doc, values)
{
    leat_arena *arena = make_arena();
    leat_err err;
    leat_value value, want;
    const char *text = "{\"a\":[1,2.5,\"x\",null,true],\"b\":{}}";
    cr_assert_eq(leat_node_value(parse(text, arena), arena, &value, &err), LEAT_OK);
    leat_value list[] = {leat_value_int(1), leat_value_double(2.5),
                         leat_value_string(LEAT_STR("x")), LEAT_VALUE_NULL, leat_value_bool(true)};
    leat_entry entries[] = {
        {leat_value_string(LEAT_STR("a")), leat_value_list(list, 5)},
        {leat_value_string(LEAT_STR("b")), leat_value_map(NULL, 0)},
    };
    want = leat_value_map(entries, 2);
    cr_assert(leat_value_same(value, want));
    leat_arena_free(&arena);
}

Test(doc, overrides)
{
    static const struct {
        const char *assignment, *want; /* want NULL: refused */
        const char *words;
    } cases[] = {
        {"name=x", "{\"name\":\"x\",\"s\":[{\"f\":1},2]}", ""},
        {"name=7", "{\"name\":7,\"s\":[{\"f\":1},2]}", ""},
        {"name=\"7\"", "{\"name\":\"7\",\"s\":[{\"f\":1},2]}", ""},
        {"name=", "{\"name\":\"\",\"s\":[{\"f\":1},2]}", ""},
        {"name={\"a\":[1]}", "{\"name\":{\"a\":[1]},\"s\":[{\"f\":1},2]}", ""},
        {"name={bad", "{\"name\":\"{bad\",\"s\":[{\"f\":1},2]}", ""},
        {"name=a=b", "{\"name\":\"a=b\",\"s\":[{\"f\":1},2]}", ""},
        {"s[0].f=a > 1", "{\"name\":\"n\",\"s\":[{\"f\":\"a > 1\"},2]}", ""},
        {"s[1]=null", "{\"name\":\"n\",\"s\":[{\"f\":1},null]}", ""},
        {"s[2]=3", "{\"name\":\"n\",\"s\":[{\"f\":1},2,3]}", ""},
        {"s[2].a[0]=3", "{\"name\":\"n\",\"s\":[{\"f\":1},2,{\"a\":[3]}]}", ""},
        {"a.b.c=1", "{\"name\":\"n\",\"s\":[{\"f\":1},2],\"a\":{\"b\":{\"c\":1}}}", ""},
        {"k.'a.b=c'=1", "{\"name\":\"n\",\"s\":[{\"f\":1},2],\"k\":{\"a.b=c\":1}}", ""},
        {"kafka.a.b=1", "{\"name\":\"n\",\"s\":[{\"f\":1},2],\"kafka\":{\"a.b\":1}}", ""},
        {"kafka.'a.b'=1", "{\"name\":\"n\",\"s\":[{\"f\":1},2],\"kafka\":{\"a.b\":1}}", ""},
        {"my-key=1", "{\"name\":\"n\",\"s\":[{\"f\":1},2],\"my-key\":1}", ""},
        {"'it''s'=1", "{\"name\":\"n\",\"s\":[{\"f\":1},2],\"it's\":1}", ""},
        {"s[3]=1", NULL, "there are 2 elements, so no [3]"},
        {"x[1]=1", NULL, "so no [1]"},
        {"name.x=1", NULL, "element 2 needs an object, found a string"},
        {"s.x=1", NULL, "needs an object, found a list"},
        {"x.y[1]=1", NULL, "so no [1]"},
        {"name", NULL, "write path=value"},
        {"name=\xff", NULL, "no valid UTF-8"},
        {"=1", NULL, "write path=value"},
        {"s[x]=1", NULL, "a number and ']'"},
        {"s[1=1", NULL, "a number and ']'"},
        {"a..b=1", NULL, "expected a name"},
        {"a.=1", NULL, "expected a name"},
        {"'a=1", NULL, "write path=value"},
        {"[0]=1", NULL, "element 1 needs a list, found an object"},
        {"s[0]x=1", NULL, "expected '.' or '['"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leat_arena *arena = make_arena();
        leat_err err;
        static const char text[] = "{\"name\":\"n\",\"s\":[{\"f\":1},2]}";
        leat_node *root = parse(text, arena);
        leat_code code = leat_node_override(root, leat_str_of(cases[i].assignment), arena, &err);
        cr_assert_eq(code, cases[i].want != NULL ? LEAT_OK : LEAT_ERR_CONFIG, "%s: %s",
                     cases[i].assignment, err.text);
        if (code != LEAT_OK) {
            cr_assert_not_null(strstr(err.text, cases[i].words), "%s: %s", cases[i].assignment,
                               err.text);
        }
        expect_print(root, false, cases[i].want != NULL ? cases[i].want : text);
        leat_buf out; /* parents and indexes are right everywhere */
        leat_buf_init(&out, 65536);
        print_places(root, arena, &out);
        leat_buf_release(&out);
        leat_arena_free(&arena);
    }
}

static leat_code resolve(void *context, leat_str kind, leat_str name, leat_arena *arena,
                         leat_str *text, leat_err *err)
{
    cr_assert_str_eq(context, "context");
    if (leat_str_is(name, "broken")) return leat_err_set(err, LEAT_ERR_IO, "cannot be read");
    if (leat_str_is(name, "missing")) return LEAT_OK;
    *text = leat_arena_print(arena, "<%.*s %.*s>", LEAT_STR_ARG(kind), LEAT_STR_ARG(name));
    return LEAT_OK;
}

Test(doc, interpolates)
{
    static const struct {
        const char *text, *want; /* want NULL: refused */
        bool secret;
        const char *words;
    } cases[] = {
        {"plain", "plain", false, ""},
        {"a $ { $x } b", "a $ { $x } b", false, ""},
        {"${env:HOME}", "<env HOME>", true, ""},
        {"x ${env:A}${file:/b:c} y", "x <env A><file /b:c> y", true, ""},
        {"${env:missing:or this:that}", "or this:that", true, ""},
        {"${env:missing:}", "", true, ""},
        {"${env:A:or}", "<env A>", true, ""},
        {"$${env:A}", "${env:A}", false, ""},
        {"$${a}${env:A}", "${a}<env A>", true, ""},
        {"${env:missing}", NULL, false, "'missing' is not set, and there is no default"},
        {"${file:missing}", NULL, false, "'missing' cannot be read"},
        {"${file:broken}", NULL, false, "cannot be read"},
        {"${env:A", NULL, false, "without '}'"},
        {"${x:A}", NULL, false, "unknown reference '${x:A}'"},
        {"${env}", NULL, false, "unknown reference"},
        {"${env:}", NULL, false, "unknown reference"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leat_arena *arena = make_arena();
        leat_err err;
        leat_node *root = parse("{\"a\":[1,{\"${env:KEY}\":\"?\"}]}", arena);
        leat_node *node = root->child->child->next->child, *where = NULL;
        node->text = leat_str_of(cases[i].text);
        static char context[] = "context";
        leat_code code = leat_node_interpolate(root, resolve, context, arena, &where, &err);
        cr_assert_eq(code == LEAT_OK, cases[i].want != NULL, "%s: %s", cases[i].text, err.text);
        cr_assert(leat_str_is(node->key, "${env:KEY}"));
        if (code == LEAT_OK) {
            cr_assert(leat_str_is(node->text, cases[i].want), "%s: %.*s", cases[i].text,
                      LEAT_STR_ARG(node->text));
            cr_assert_eq(node->secret, cases[i].secret, "%s", cases[i].text);
            if (node->secret) expect_print(root, false, "{\"a\":[1,{\"${env:KEY}\":\"***\"}]}");
        } else {
            cr_assert_eq(where, node);
            cr_assert_not_null(strstr(err.text, cases[i].words), "%s: %s", cases[i].text, err.text);
        }
        leat_arena_free(&arena);
    }
}
