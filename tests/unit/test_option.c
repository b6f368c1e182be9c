/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: what is read, what is complained of, what is printed from them. */
#include "core/buf.h"
#include "schemas/codec_json.h"
#include "tests/unit/leak.h"
#include "transforms/option.h"

LEAT_SUITE(option);

typedef struct settings {
    leat_str name;
    bool fast;
    int64_t count, wait_ms, inner_count;
    uint64_t size;
    int color;
    const leat_node *where, *path, *any;
} settings;

#define AT(field) .offset = offsetof(settings, field)
static const leat_option inner[] = {
    {.name = "count", .type = LEAT_OPTION_INT, AT(inner_count), .fallback = "5", .doc = "Inside."},
};
static const leat_option options[] = {
    {.name = "name", .type = LEAT_OPTION_STRING, AT(name), .required = true, .doc = "The name."},
    {.name = "fast", .type = LEAT_OPTION_BOOL, AT(fast), .fallback = "true"},
    {.name = "count", .type = LEAT_OPTION_INT, AT(count), .fallback = "3", .min = 1, .max = 10},
    {.name = "wait",
     .type = LEAT_OPTION_DURATION,
     AT(wait_ms),
     .fallback = "1s",
     .min = 1,
     .max = 60000},
    {.name = "size", .type = LEAT_OPTION_SIZE, AT(size), .fallback = "1KiB"},
    {.name = "color",
     .type = LEAT_OPTION_ENUM,
     AT(color),
     .choices = "red|green|blue",
     .fallback = "green",
     .doc = "A | in it."},
    {.name = "where", .type = LEAT_OPTION_EXPR, AT(where)},
    {.name = "path", .type = LEAT_OPTION_PATH, AT(path)},
    {.name = "any", .type = LEAT_OPTION_NODE, AT(any), .shape = "{\"type\": \"array\"}"},
    {.name = "inner", .type = LEAT_OPTION_OBJECT, .fields = inner, .fields_count = 1},
};
#define COUNT (sizeof options / sizeof options[0])

static const struct {
    const char *text, *want;
} mistakes[] = {
    {"{\"name\":\"a\"}", ""},
    {"{}", "1:1: : 'name' is missing\n"},
    {"[]", "1:1: : must be an object, not a list\n"},
    {"{\"name\":1}", "1:9: name: must be a string, not a whole number\n"},
    {"{\"name\":\"a\",\"fast\":\"yes\"}", "1:20: fast: must be true or false, not a string\n"},
    {"{\"name\":\"a\",\"fast\":\"false\"}", ""},
    {"{\"name\":\"a\",\"count\":11}", "1:21: count: must be between 1 and 10\n"},
    {"{\"name\":\"a\",\"count\":\"0\"}", "1:21: count: must be between 1 and 10\n"},
    {"{\"name\":\"a\",\"count\":\"4\"}", ""},
    {"{\"name\":\"a\",\"count\":\"9223372036854775808\"}",
     "1:21: count: must be a whole number, not a string\n"},
    {"{\"name\":\"a\",\"count\":1.5}", "1:21: count: must be a whole number, not a number\n"},
    {"{\"name\":\"a\",\"wait\":\"2m\"}", "1:20: wait: must be between 1ms and 1m\n"},
    {"{\"name\":\"a\",\"wait\":10}",
     "1:20: wait: must be a duration such as \"10s\", not a whole number\n"},
    {"{\"name\":\"a\",\"wait\":\"${env:X}\"}", ""},
    {"{\"name\":\"a\",\"color\":\"gren\"}",
     "1:21: color: must be one of: red, green, blue (did you mean 'green'?)\n"},
    {"{\"name\":\"a\",\"where\":1}",
     "1:21: where: must be a string with an expression, not a whole number\n"},
    {"{\"name\":\"a\",\"path\":[]}",
     "1:20: path: must be a string with a field path, not a list\n"},
    {"{\"nam\":\"a\"}",
     "1:1: : 'name' is missing\n1:2: nam: unknown key 'nam' (did you mean 'name'?)\n"},
    {"{\"name\":\"a\",\"inner\":{\"cuont\":1}}",
     "1:22: inner.cuont: unknown key 'cuont' (did you mean 'count'?)\n"},
};

static leat_node *parse(const char *text, leat_arena *arena)
{
    leat_node *root = NULL;
    leat_err err;
    uint32_t line, column;
    leat_code code =
        leat_doc_parse(leat_str_of(text), LEAT_STR("f"), arena, &root, &err, &line, &column);
    cr_assert_eq(code, LEAT_OK, "%s: %s", text, err.text);
    return root;
}

Test(option, mistakes)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        leat_err err;
        leat_arena *arena = NULL;
        leat_findings findings;
        settings got = {0};
        leat_buf out;
        cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
        leat_findings_init(&findings, arena);
        bool good =
            leat_options_read(options, COUNT, parse(mistakes[i].text, arena), &got, &findings);
        cr_expect_eq(good, findings.errors == 0, "%s", mistakes[i].text);
        leat_findings_sort(&findings);
        leat_buf_init(&out, 1 << 16);
        for (size_t f = 0; f < findings.count; f++) {
            const leat_finding *one = &findings.items[f];
            leat_buf_add_format(&out, "%u:%u: %.*s: %.*s", one->line, one->column,
                                LEAT_STR_ARG(one->path), LEAT_STR_ARG(one->message));
            if (one->suggestion.data != NULL)
                leat_buf_add_format(&out, " (did you mean '%.*s'?)", LEAT_STR_ARG(one->suggestion));
            leat_buf_add_char(&out, '\n');
        }
        leat_buf_add_char(&out, '\0');
        cr_expect_str_eq(out.data, mistakes[i].want, "%s:\ngot\n%swant\n%s", mistakes[i].text,
                         out.data, mistakes[i].want);
        leat_buf_release(&out);
        leat_arena_free(&arena);
    }
}

Test(option, defaults_and_values)
{
    leat_err err;
    leat_arena *arena = NULL;
    leat_findings findings;
    settings got = {0};
    cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
    leat_findings_init(&findings, arena);
    cr_assert(leat_options_read(options, COUNT, NULL, &got, &findings));
    cr_expect(got.fast && got.count == 3 && got.wait_ms == 1000 && got.size == 1024);
    cr_expect(got.color == 1 && got.inner_count == 5 && got.where == NULL && got.any == NULL);
    const char *text =
        "{\"name\":\"n\",\"fast\":false,\"count\":\"7\",\"wait\":\"2s\",\"size\":"
        "\"1MiB\",\"color\":\"blue\",\"where\":\"a > 1\",\"path\":\"a.b\",\"any\":[],"
        "\"inner\":{\"count\":-9}}";
    cr_assert(leat_options_read(options, COUNT, parse(text, arena), &got, &findings));
    cr_expect(leat_str_is(got.name, "n") && !got.fast && got.count == 7 && got.wait_ms == 2000);
    cr_expect(got.size == 1 << 20 && got.color == 2 && got.inner_count == -9);
    cr_expect(leat_str_is(got.where->text, "a > 1") && leat_str_is(got.path->text, "a.b"));
    cr_expect(got.any->kind == LEAT_NODE_LIST);
    leat_arena_free(&arena);
}

/* A secret is not quoted in what is said about it. */
Test(option, secrets_are_not_shown)
{
    leat_err err;
    leat_arena *arena = NULL;
    leat_findings findings;
    settings got = {0};
    leat_buf out;
    cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
    leat_findings_init(&findings, arena);
    leat_node *root = parse("{\"name\":\"n\",\"wait\":\"hunter2\",\"size\":\"hunter2\","
                            "\"color\":\"hunter2\",\"count\":\"hunter2\"}",
                            arena);
    for (leat_node *node = root->child; node != NULL; node = node->next)
        node->secret = true;
    cr_expect_not(leat_options_read(options, COUNT, root, &got, &findings));
    cr_expect_eq(findings.errors, 4);
    leat_buf_init(&out, 1 << 16);
    leat_findings_print(&findings, false, &out);
    cr_expect_lt(leat_str_find(leat_buf_str(&out), LEAT_STR("hunter2")), 0);
    leat_buf_release(&out);
    leat_arena_free(&arena);
}

Test(option, schema_is_json_and_names_everything)
{
    leat_err err;
    leat_arena *arena = NULL;
    leat_buf out;
    leat_value schema;
    cr_assert_eq(leat_arena_new(&arena, 1 << 20, &err), LEAT_OK);
    leat_buf_init(&out, 1 << 16);
    leat_options_schema(options, COUNT, &out);
    leat_code code =
        leat_json_value(leat_buf_str(&out), LEAT_JSON_LIMITS_DEFAULT, arena, &schema, &err);
    cr_assert_eq(code, LEAT_OK, "%s in %.*s", err.text, (int)out.len, out.data);
    for (size_t i = 0; i < COUNT; i++) {
        leat_str quoted = leat_arena_print(arena, "\"%s\": {", options[i].name);
        cr_expect_geq(leat_str_find(leat_buf_str(&out), quoted), 0, "%s", options[i].name);
    }
    static const char *const parts[] = {"\"required\": [\"name\"]",
                                        "\"default\": \"green\"",
                                        "\"default\": 3",
                                        "\"type\": \"array\"",
                                        "\"enum\": [\"red\", \"green\", \"blue\"]",
                                        "\"minimum\": 1, \"maximum\": 10"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        cr_expect_geq(leat_str_find(leat_buf_str(&out), leat_str_of(parts[i])), 0, "%s", parts[i]);
    leat_buf_release(&out);
    leat_arena_free(&arena);
}

Test(option, manual)
{
    leat_buf out;
    leat_buf_init(&out, 1 << 16);
    leat_options_manual(options, COUNT, &out);
    static const char *const rows[] = {
        "| `name` | text | required | The name. |\n",
        "| `color` | `red`, `green`, `blue` | `green` | A \\| in it. |\n",
        "| `inner.count` | whole number | `5` | Inside. |\n",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect_geq(leat_str_find(leat_buf_str(&out), leat_str_of(rows[i])), 0, "%s in\n%.*s",
                      rows[i], (int)out.len, out.data);
    leat_buf_release(&out);
}
