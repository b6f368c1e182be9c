/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema: keyword by keyword, what holds and what is said of what does not; mistakes in
 * schemas; and validate, the step. */
#include "schemas/codec_json.h"
#include "schemas/json_schema.h"
#include "tests/unit/leak.h"
#include "tests/unit/steps_harness.h"

LEAT_SUITE(json_schema);

static const struct {
    const char *schema, *value, *want; /* want "": it holds */
} checks[] = {
    {"true", "1", ""},
    {"false", "1", "nothing is allowed here"},
    {"{}", "{\"a\":[1,null]}", ""},
    /* type */
    {"{\"type\":\"integer\"}", "1", ""},
    {"{\"type\":\"integer\"}", "1.0", ""},
    {"{\"type\":\"integer\"}", "1.5", "must be integer, not number"},
    {"{\"type\":\"integer\"}", "123456789012345678901", ""},
    {"{\"type\":\"number\"}", "1", ""},
    {"{\"type\":\"number\"}", "\"1\"", "must be number, not string"},
    {"{\"type\":[\"string\",\"null\"]}", "null", ""},
    {"{\"type\":[\"string\",\"null\"]}", "true", "must be null or string, not boolean"},
    {"{\"type\":\"object\"}", "[]", "must be object, not array"},
    {"{\"type\":\"array\"}", "{}", "must be array, not object"},
    {"{\"type\":\"boolean\"}", "false", ""},
    /* enum, const */
    {"{\"enum\":[1,\"a\",[1,{\"x\":2}]]}", "1.0", ""},
    {"{\"enum\":[1,\"a\",[1,{\"x\":2}]]}", "[1.0,{\"x\":2}]", ""},
    {"{\"enum\":[1,\"a\"]}", "\"b\"", "is none of the 2 values that are allowed"},
    {"{\"const\":null}", "null", ""},
    {"{\"const\":{\"a\":1,\"b\":2}}", "{\"b\":2,\"a\":1}", ""},
    {"{\"const\":false}", "0", "is not the one value that is allowed"},
    /* numbers */
    {"{\"minimum\":1.5}", "1.5", ""},
    {"{\"minimum\":1.5}", "1", "must be at least 1.5"},
    {"{\"minimum\":1.5}", "\"x\"", ""},
    {"{\"maximum\":3}", "4", "must be at most 3"},
    {"{\"exclusiveMinimum\":0}", "0.0", "must be greater than 0"},
    {"{\"exclusiveMaximum\":10}", "9.99", ""},
    {"{\"exclusiveMaximum\":10}", "10", "must be less than 10"},
    {"{\"multipleOf\":0.01}", "19.99", ""},
    {"{\"multipleOf\":0.01}", "19.995", "must be a multiple of 0.01"},
    {"{\"multipleOf\":7}", "21", ""},
    {"{\"multipleOf\":7}", "-20", "must be a multiple of 7"},
    {"{\"maximum\":5}", "1e999", "must be at most 5"},
    /* strings */
    {"{\"minLength\":2}", "\"\xc3\xa9\"", "must have at least 2 characters, not 1"},
    {"{\"maxLength\":2}", "\"\xc3\xa9\xe2\x82\xac\"", ""},
    {"{\"maxLength\":2}", "\"abc\"", "must have at most 2 characters, not 3"},
    {"{\"pattern\":\"^a+$\"}", "\"aaa\"", ""},
    {"{\"pattern\":\"a\"}", "\"xax\"", ""},
    {"{\"pattern\":\"^a+$\"}", "\"ab\"", "does not match the pattern ^a+$"},
    {"{\"format\":\"email\"}", "\"no mail\"", ""},
    /* arrays */
    {"{\"items\":{\"type\":\"integer\"}}", "[1,2,3]", ""},
    {"{\"items\":{\"type\":\"integer\"}}", "[1,\"2\"]", "[1]: must be integer, not string"},
    {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":false}", "[\"a\"]", ""},
    {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":false}", "[\"a\",1]",
     "[1]: nothing is allowed here"},
    {"{\"prefixItems\":[{},{\"type\":\"string\"}]}", "[1]", ""},
    {"{\"minItems\":1}", "[]", "must have at least 1 elements, not 0"},
    {"{\"maxItems\":1}", "[1,2]", "must have at most 1 elements, not 2"},
    {"{\"uniqueItems\":true}", "[1,\"1\",true,null,[1],{\"a\":1}]", ""},
    {"{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},3,{\"b\":2.0,\"a\":1e0}]",
     "the elements 0 and 2 are equal"},
    {"{\"uniqueItems\":true}", "[0,-0.0]", "the elements 0 and 1 are equal"},
    {"{\"contains\":{\"const\":5}}", "[1,5]", ""},
    {"{\"contains\":{\"const\":5}}", "[1]", "must contain at least 1 such elements, not 0"},
    {"{\"contains\":{\"const\":5},\"maxContains\":1}", "[5,5]", "must contain at most 1"},
    {"{\"contains\":{\"const\":5},\"minContains\":0}", "[]", ""},
    /* objects */
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"b\":1}", ""},
    {"{\"properties\":{\"a\":{\"items\":{\"properties\":{\"b\":{\"minimum\":0}}}}}}",
     "{\"a\":[{},{},{\"b\":-1}]}", "a[2].b: must be at least 0"},
    {"{\"required\":[\"a\",\"b\"]}", "{\"a\":null}", "b: this field is missing"},
    {"{\"additionalProperties\":false,\"properties\":{\"a\":{}}}", "{\"a\":1}", ""},
    {"{\"additionalProperties\":false,\"properties\":{\"a\":{}}}", "{\"a\":1,\"b\":1}",
     "b: this field is not allowed"},
    {"{\"additionalProperties\":{\"type\":\"integer\"}}", "{\"a\":\"x\"}",
     "a: must be integer, not string"},
    {"{\"patternProperties\":{\"^x-\":{\"type\":\"string\"}},\"additionalProperties\":false}",
     "{\"x-a\":\"1\"}", ""},
    {"{\"patternProperties\":{\"^x-\":{\"type\":\"string\"}}}", "{\"x-a\":1}",
     "x-a: must be string"},
    {"{\"propertyNames\":{\"maxLength\":1}}", "{\"ab\":1}", "ab: must have at most 1 characters"},
    {"{\"minProperties\":1}", "{}", "must have at least 1 fields, not 0"},
    {"{\"maxProperties\":0}", "{\"a\":1}", "must have at most 0 fields, not 1"},
    {"{\"dependentRequired\":{\"card\":[\"cvv\"]}}", "{\"card\":1}",
     "cvv: this field is missing, which 'card' needs"},
    {"{\"dependentRequired\":{\"card\":[\"cvv\"]}}", "{\"cash\":1}", ""},
    /* combinations */
    {"{\"allOf\":[{\"minimum\":1},{\"maximum\":3}]}", "4", "must be at most 3"},
    {"{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":5}]}", "7", ""},
    {"{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":5}]}", "3",
     "none of the 2 schemas of anyOf holds; of the first: must be string, not integer"},
    {"{\"oneOf\":[{\"multipleOf\":3},{\"multipleOf\":5}]}", "9", ""},
    {"{\"oneOf\":[{\"multipleOf\":3},{\"multipleOf\":5}]}", "15",
     "2 schemas of oneOf hold, which must be one"},
    {"{\"oneOf\":[{\"multipleOf\":3},{\"multipleOf\":5}]}", "7", "none of the 2 schemas of oneOf"},
    {"{\"not\":{\"type\":\"string\"}}", "1", ""},
    {"{\"not\":{\"type\":\"string\"}}", "\"\"", "is just what it must not be"},
    {"{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]},\"else\":{\"required\":[\"c\"]"
     "}"
     "}",
     "{\"a\":1}", "b: this field is missing"},
    {"{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]},\"else\":{\"required\":[\"c\"]"
     "}"
     "}",
     "{\"c\":1}", ""},
    {"{\"if\":true}", "1", ""},
    /* references */
    {"{\"$defs\":{\"n\":{\"type\":\"integer\"}},\"properties\":{\"a\":{\"$ref\":\"#/$defs/n\"}}}",
     "{\"a\":\"x\"}", "a: must be integer, not string"},
    {"{\"$defs\":{\"a/b~c\":{\"const\":1}},\"$ref\":\"#/$defs/a~1b~0c\"}", "2", "is not the one"},
    {"{\"allOf\":[{\"type\":\"integer\"},{\"$ref\":\"#/allOf/0\"}]}", "1", ""},
    {"{\"type\":\"object\",\"properties\":{\"child\":{\"$ref\":\"#\"},\"n\":{\"minimum\":0}}}",
     "{\"child\":{\"child\":{\"n\":-1}}}", "child.child.n: must be at least 0"},
    {"{\"$ref\":\"#\"}", "1", "takes too long"},
    {"{\"$defs\":{\"a\":{\"anyOf\":[{\"$ref\":\"#/$defs/a\"},{\"$ref\":\"#/$defs/a\"}]}},\"$ref\":"
     "\"#/$defs/a\"}",
     "1", "takes too long"},
};

static leat_node *document(const char *text, leat_arena *arena)
{
    leat_node *root = NULL;
    leat_err err = {0};
    uint32_t line = 0, column = 0;
    cr_assert_eq(leat_doc_parse(leat_str_of(text), LEAT_STR("schema.json"), arena, &root, &err,
                                &line, &column),
                 LEAT_OK, "%s: %s", text, err.text);
    return root;
}

Test(json_schema, checks_values)
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        leat_arena *arena = NULL;
        leat_err err = {0};
        leat_findings findings;
        leat_value value = LEAT_VALUE_NULL;
        cr_assert_eq(leat_arena_new(&arena, 16 << 20, &err), LEAT_OK);
        leat_findings_init(&findings, arena);
        const leat_json_schema *schema =
            leat_json_schema_new(document(checks[i].schema, arena), arena, &findings);
        cr_assert_not_null(schema, "%s", checks[i].schema);
        cr_assert_eq(leat_json_value(leat_str_of(checks[i].value), LEAT_JSON_LIMITS_DEFAULT, arena,
                                     &value, &err),
                     LEAT_OK);
        leat_code code = leat_json_schema_check(schema, value, LEAT_STR_NONE, arena, &err);
        bool holds = *checks[i].want == '\0';
        cr_expect_eq(code == LEAT_OK, holds, "%s of %s: %s", checks[i].schema, checks[i].value,
                     err.text);
        if (!holds)
            cr_expect(strncmp(err.text, checks[i].want, strlen(checks[i].want)) == 0 ||
                          (code == LEAT_ERR_COST && strstr(err.text, checks[i].want) != NULL),
                      "%s of %s: %s", checks[i].schema, checks[i].value, err.text);
        leat_arena_free(&arena);
    }
}

static const struct {
    const char *schema, *want;
} mistakes[] = {
    {"7", "must be a schema: an object, true or false, not a whole number"},
    {"{\"type\":\"int\"}", "unknown type 'int'"},
    {"{\"type\":\"sting\"}", "(did you mean 'string'?)"},
    {"{\"properties\":{\"a\":5}}", "properties.a: must be a schema"},
    {"{\"required\":\"a\"}", "required: must be a list of names, not a string"},
    {"{\"minLength\":-1}", "minLength: must be a whole number that is not negative"},
    {"{\"multipleOf\":0}", "multipleOf: must be greater than 0"},
    {"{\"pattern\":\"a(\"}", "pattern: regular expression `a(`"},
    {"{\"patternProperties\":{\"(\":{}}}", "patternProperties"},
    {"{\"$ref\":\"#/$defs/a\"}", "$ref: nothing is at '#/$defs/a'"},
    {"{\"$ref\":\"other.json\"}", "only references into this document are known"},
    {"{\"unevaluatedProperties\":false}", "the keyword 'unevaluatedProperties' is not supported"},
    {"{\"anyOf\":[]}", "anyOf: the list is empty"},
    {"{\"$defs\":{\"unused\":{\"type\":\"x\"}}}", "$defs.unused.type: unknown type 'x'"},
    {"{\"propertes\":{}}", "warning: propertes: 'propertes' is no keyword of JSON Schema (did you "
                           "mean 'properties'?)"},
};

Test(json_schema, tells_mistakes)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        leat_arena *arena = NULL;
        leat_err err = {0};
        leat_findings findings;
        leat_buf out;
        cr_assert_eq(leat_arena_new(&arena, 16 << 20, &err), LEAT_OK);
        leat_findings_init(&findings, arena);
        leat_buf_init(&out, 1 << 20);
        const leat_json_schema *schema =
            leat_json_schema_new(document(mistakes[i].schema, arena), arena, &findings);
        cr_expect_eq(schema == NULL, findings.errors > 0);
        leat_findings_print(&findings, false, &out);
        leat_buf_add_char(&out, '\0');
        cr_expect_not_null(strstr(out.data, mistakes[i].want), "%s: %s", mistakes[i].schema,
                           out.data);
        leat_buf_release(&out);
        leat_arena_free(&arena);
    }
}

Test(json_schema, looks_at_large_lists_once)
{
    leat_arena *arena = NULL;
    leat_err err = {0};
    leat_findings findings;
    const size_t count = 100000;
    cr_assert_eq(leat_arena_new(&arena, 64 << 20, &err), LEAT_OK);
    leat_findings_init(&findings, arena);
    const leat_json_schema *schema =
        leat_json_schema_new(document("{\"uniqueItems\":true}", arena), arena, &findings);
    leat_value *items = leat_arena_array(arena, count, sizeof *items);
    cr_assert(schema != NULL && items != NULL);
    for (size_t i = 0; i < count; i++)
        items[i] = leat_value_int((int64_t)i);
    leat_value list = leat_value_list(items, count);
    cr_expect_eq(leat_json_schema_check(schema, list, LEAT_STR_NONE, arena, &err), LEAT_OK, "%s",
                 err.text);
    items[count - 1] = leat_value_double(17.0);
    cr_expect_eq(leat_json_schema_check(schema, list, LEAT_STR_NONE, arena, &err),
                 LEAT_ERR_INVALID);
    cr_expect_str_eq(err.text, "the elements 17 and 99999 are equal");
    leat_arena_free(&arena);
}

#define DEAD(record, why)                                                                          \
    "dead: " record " leat.step=streams.t.steps[0].validate leat.error=" why "\n"
static const step_case validate_cases[] = {
    {"as it came",
     "[{\"validate\":{\"json_schema\":{\"required\":[\"a\"],\"properties\":{\"a\":{\"minimum\":0}}}"
     "}}]",
     " {\"a\" : 1.50}", "out:  {\"a\" : 1.50}\n"},
    {"a failure", "[{\"validate\":{\"json_schema\":{\"properties\":{\"a\":{\"minimum\":0}}}}}]",
     "{\"a\":-1}", DEAD("{\"a\":-1}", "a: must be at least 0")},
    {"a field",
     "[{\"validate\":{\"field\":\"o.l\",\"json_schema\":{\"items\":{\"type\":\"integer\"}}}}]",
     "{\"o\":{\"l\":[1,\"x\"]}}",
     DEAD("{\"o\":{\"l\":[1,\"x\"]}}", "o.l[1]: must be integer, not string")},
    {"a field that is not there", "[{\"validate\":{\"field\":\"o.l\",\"json_schema\":true}}]",
     "{\"o\":1}", DEAD("{\"o\":1}", "no such field 'o.l'")},
    {"as steps have changed it",
     "[{\"set\":{\"at\":\"timestamp(t)\"}},{\"drop\":[\"t\"]},{\"validate\":{\"json_schema\":{"
     "\"required\":[\"at\"],\"additionalProperties\":false,\"properties\":{\"at\":{\"type\":"
     "\"string\"}}}}}]",
     "{\"t\":5}", "out: {\"at\":\"1970-01-01T00:00:05Z\"}\n"},
};

Test(json_schema, validate)
{
    RUN(validate_cases);
}
