/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON Schema document becomes a tree (a graph, where it refers to itself).
 *
 * Each place of the document is compiled once, when it is first met: by way of its parent or of a
 * $ref. A place is noted before what lies in it is compiled, so that a schema can refer to what
 * holds it. One function reads each kind of keyword; a table says which is which, so that adding a
 * keyword is a line, and a name that is no keyword is found (drafts allow anything there, as an
 * annotation; it is warned of, as most often it is a slip).
 *
 * No third-party library: those in C are unmaintained, those in C++ bring a JSON library of their
 * own, into whose values every record would have to be copied. */
#include "schemas/json_schema.h"

#include <math.h>

#include "core/map.h"
#include "schemas/json_schema_inside.h"

#define SCHEMAS_MAX 100000
#define DEPTH_MAX   256

typedef struct compiler {
    leat_arena *arena;
    leat_findings *findings;
    const leat_node *root;
    leat_map *known; /* address of a node -> its schema */
    unsigned depth;
    bool full; /* of memory */
} compiler;

static const leat_json_schema *compile(compiler *c, const leat_node *node);

static void *make(compiler *c, size_t bytes)
{
    void *made = leat_arena_zero(c->arena, bytes == 0 ? 1 : bytes);
    if (made == NULL) c->full = true;
    return made;
}

static size_t children(const leat_node *node)
{
    size_t count = 0;
    for (const leat_node *child = node->child; child != NULL; child = child->next)
        count++;
    return count;
}

static bool expect(compiler *c, const leat_node *node, leat_node_kind kind, const char *what)
{
    if (node->kind == kind) return true;
    leat_findings_add(c->findings, node, false, "must be %s, not %s", what,
                      leat_node_kind_name(node->kind));
    return false;
}

/* --- kinds of keywords --- */

static void read_count(compiler *c, const leat_node *node, void *into)
{
    uint64_t *count = into;
    bool whole = node->kind == LEAT_NODE_DOUBLE && trunc(node->d) >= node->d && node->d >= 0 &&
                 node->d < 9e15;
    if (whole)
        *count = (uint64_t)node->d;
    else if (node->kind == LEAT_NODE_INT && node->i >= 0)
        *count = (uint64_t)node->i;
    else
        leat_findings_add(c->findings, node, false, "must be a whole number that is not negative");
}

static void read_number(compiler *c, const leat_node *node, void *into)
{
    double *number = into;
    if (node->kind == LEAT_NODE_INT)
        *number = (double)node->i;
    else if (expect(c, node, LEAT_NODE_DOUBLE, "a number"))
        *number = node->d;
}

static void read_multiple(compiler *c, const leat_node *node, void *into)
{
    double *number = into;
    read_number(c, node, into);
    if (*number > 0 || isnan(*number)) return;
    leat_findings_add(c->findings, node, false, "must be greater than 0");
}

static void read_bool(compiler *c, const leat_node *node, void *into)
{
    if (expect(c, node, LEAT_NODE_BOOL, "true or false")) *(bool *)into = node->b;
}

static void read_schema(compiler *c, const leat_node *node, void *into)
{
    *(const leat_json_schema **)into = compile(c, node);
}

static void read_schemas(compiler *c, const leat_node *node, void *into)
{
    schema_list *list = into;
    if (!expect(c, node, LEAT_NODE_LIST, "a list of schemas")) return;
    if (node->child == NULL) leat_findings_add(c->findings, node, false, "the list is empty");
    list->items = make(c, children(node) * sizeof(const leat_json_schema *));
    for (const leat_node *item = node->child; item != NULL && list->items != NULL;
         item = item->next)
        list->items[list->count++] = compile(c, item);
}

static void free_regex(void *thing)
{
    leat_regex *regex = thing;
    leat_regex_free(&regex);
}

static leat_regex *regex_of(compiler *c, const leat_node *node, leat_str text, bool on_key)
{
    leat_regex *regex = NULL;
    leat_err err = {0};
    LEAT_ASSERT(text.data != NULL);
    if (leat_regex_new(&regex, text, &err) != LEAT_OK) {
        if (on_key)
            leat_findings_add_key(c->findings, node, false, "%s", err.text);
        else
            leat_findings_add(c->findings, node, false, "%s", err.text);
        return NULL;
    }
    if (leat_arena_defer(c->arena, free_regex, regex)) return regex;
    leat_regex_free(&regex);
    c->full = true;
    return NULL;
}

static void read_properties_of(compiler *c, const leat_node *node, schema_properties *properties,
                               bool patterns)
{
    if (!expect(c, node, LEAT_NODE_OBJECT, "an object of schemas")) return;
    properties->items = make(c, children(node) * sizeof *properties->items);
    for (const leat_node *item = node->child; item != NULL && properties->items != NULL;
         item = item->next) {
        schema_property *property = &properties->items[properties->count++];
        property->name = item->key;
        if (patterns) property->regex = regex_of(c, item, item->key, true);
        property->schema = compile(c, item);
    }
}

static void read_properties(compiler *c, const leat_node *node, void *into)
{
    read_properties_of(c, node, into, false);
}

static void read_patterns(compiler *c, const leat_node *node, void *into)
{
    read_properties_of(c, node, into, true);
}

static void read_names(compiler *c, const leat_node *node, void *into)
{
    schema_names *names = into;
    if (!expect(c, node, LEAT_NODE_LIST, "a list of names")) return;
    names->items = make(c, children(node) * sizeof *names->items);
    for (const leat_node *item = node->child; item != NULL && names->items != NULL;
         item = item->next)
        if (expect(c, item, LEAT_NODE_STRING, "a name")) names->items[names->count++] = item->text;
}

static void read_dependencies(compiler *c, const leat_node *node, void *into)
{
    leat_json_schema *schema = into;
    if (!expect(c, node, LEAT_NODE_OBJECT, "an object of lists of names")) return;
    schema->dependencies = make(c, children(node) * sizeof *schema->dependencies);
    for (const leat_node *item = node->child; item != NULL && schema->dependencies != NULL;
         item = item->next) {
        schema_dependency *dependency = &schema->dependencies[schema->dependencies_count++];
        dependency->name = item->key;
        read_names(c, item, &dependency->needs);
    }
}

static void read_value(compiler *c, const leat_node *node, void *into)
{
    leat_err err = {0};
    if (leat_node_value(node, c->arena, into, &err) != LEAT_OK)
        leat_findings_add(c->findings, node, false, "%s", err.text);
}

static void read_choices(compiler *c, const leat_node *node, void *into)
{
    if (expect(c, node, LEAT_NODE_LIST, "a list of values")) read_value(c, node, into);
}

static void read_type(compiler *c, const leat_node *node, unsigned *types)
{
    static const leat_str names[] = {LEAT_STR_INIT("null"),   LEAT_STR_INIT("boolean"),
                                     LEAT_STR_INIT("object"), LEAT_STR_INIT("array"),
                                     LEAT_STR_INIT("number"), LEAT_STR_INIT("string"),
                                     LEAT_STR_INIT("integer")};
    const size_t count = sizeof names / sizeof names[0];
    if (!expect(c, node, LEAT_NODE_STRING, "the name of a type")) return;
    for (size_t i = 0; i < count; i++)
        if (leat_str_equal(node->text, names[i])) {
            *types |= 1u << i;
            return;
        }
    leat_finding *finding =
        leat_findings_add(c->findings, node, false,
                          "unknown type '%.*s' (known: null, boolean, object, array, number, "
                          "string, integer)",
                          LEAT_STR_ARG(node->text));
    finding->suggestion = leat_str_nearest(node->text, names, count);
}

static void read_types(compiler *c, const leat_node *node, void *into)
{
    if (node->kind != LEAT_NODE_LIST) {
        read_type(c, node, into);
        return;
    }
    for (const leat_node *item = node->child; item != NULL; item = item->next)
        read_type(c, item, into);
}

static void read_pattern(compiler *c, const leat_node *node, void *into)
{
    leat_json_schema *schema = into;
    if (!expect(c, node, LEAT_NODE_STRING, "a regular expression")) return;
    schema->pattern = regex_of(c, node, node->text, false);
    schema->pattern_text = node->text;
}

/* --- references --- */

/* "a~1b%20c" -> "a/b c" */
static leat_str unescape(compiler *c, leat_str token)
{
    char *to = make(c, token.len);
    size_t len = 0;
    if (to == NULL) return LEAT_STR_NONE;
    for (size_t i = 0; i < token.len; i++) {
        char next = i + 1 < token.len ? token.data[i + 1] : '\0';
        if (token.data[i] == '~' && (next == '0' || next == '1')) {
            to[len++] = next == '0' ? '~' : '/';
            i++;
        } else {
            to[len++] = token.data[i];
        }
    }
    return (leat_str){to, len};
}

static const leat_node *member_of(const leat_node *node, leat_str name)
{
    uint32_t index = 0;
    for (const leat_node *child = node->child; child != NULL; child = child->next, index++) {
        char digits[16];
        leat_buf number;
        if (node->kind == LEAT_NODE_OBJECT && leat_str_equal(child->key, name)) return child;
        if (node->kind != LEAT_NODE_LIST || name.len >= sizeof digits) continue;
        leat_buf_init(&number, sizeof digits);
        leat_buf_add_uint(&number, index);
        bool same = leat_str_equal(leat_buf_str(&number), name);
        leat_buf_release(&number);
        if (same) return child;
    }
    return NULL;
}

static const leat_node *pointed_at(compiler *c, leat_str pointer)
{
    const leat_node *node = c->root;
    while (node != NULL && pointer.len > 0) {
        if (pointer.data[0] != '/') return NULL;
        pointer = leat_str_slice(pointer, 1, pointer.len);
        const char *slash = pointer.len == 0 ? NULL : memchr(pointer.data, '/', pointer.len);
        size_t end = slash == NULL ? pointer.len : (size_t)(slash - pointer.data);
        node = member_of(node, unescape(c, leat_str_slice(pointer, 0, end)));
        pointer = leat_str_slice(pointer, end, pointer.len);
    }
    return node;
}

static void read_ref(compiler *c, const leat_node *node, void *into)
{
    if (!expect(c, node, LEAT_NODE_STRING, "a reference")) return;
    leat_str text = node->text;
    if (text.len == 0 || text.data[0] != '#' || (text.len > 1 && text.data[1] != '/')) {
        leat_findings_add(c->findings, node, false,
                          "only references into this document are known, such as "
                          "\"#/$defs/address\"");
        return;
    }
    const leat_node *target = pointed_at(c, leat_str_slice(text, 1, text.len));
    if (target == NULL) {
        leat_findings_add(c->findings, node, false, "nothing is at '%.*s'", LEAT_STR_ARG(text));
        return;
    }
    *(const leat_json_schema **)into = compile(c, target);
}

static void refuse(compiler *c, const leat_node *node, void *into)
{
    (void)into;
    leat_findings_add_key(c->findings, node, false, "the keyword '%.*s' is not supported",
                          LEAT_STR_ARG(node->key));
}

/* Definitions are compiled also where nobody refers to them: their mistakes are to be found. */
static void read_definitions(compiler *c, const leat_node *node, void *into)
{
    (void)into;
    if (!expect(c, node, LEAT_NODE_OBJECT, "an object of schemas")) return;
    for (const leat_node *item = node->child; item != NULL; item = item->next)
        (void)compile(c, item);
}

static void annotate(compiler *c, const leat_node *node, void *into)
{
    (void)c;
    (void)node;
    (void)into;
}

/* --- keywords --- */

#define AT(member) offsetof(leat_json_schema, member)
static const struct {
    leat_str name;
    void (*read)(compiler *c, const leat_node *node, void *into);
    size_t offset;
} keywords[] = {
#define KEYWORD(name, read, offset)                                                                \
    {                                                                                              \
        LEAT_STR_INIT(name), read, offset                                                          \
    }
    KEYWORD("$ref", read_ref, AT(ref)),
    KEYWORD("$defs", read_definitions, 0),
    KEYWORD("definitions", read_definitions, 0),
    KEYWORD("type", read_types, AT(types)),
    KEYWORD("enum", read_choices, AT(choices)),
    KEYWORD("const", read_value, AT(constant)),
    KEYWORD("minimum", read_number, AT(minimum)),
    KEYWORD("maximum", read_number, AT(maximum)),
    KEYWORD("exclusiveMinimum", read_number, AT(above)),
    KEYWORD("exclusiveMaximum", read_number, AT(below)),
    KEYWORD("multipleOf", read_multiple, AT(multiple)),
    KEYWORD("minLength", read_count, AT(length_min)),
    KEYWORD("maxLength", read_count, AT(length_max)),
    KEYWORD("pattern", read_pattern, 0),
    KEYWORD("items", read_schema, AT(items)),
    KEYWORD("prefixItems", read_schemas, AT(prefix)),
    KEYWORD("contains", read_schema, AT(contains)),
    KEYWORD("minContains", read_count, AT(contains_min)),
    KEYWORD("maxContains", read_count, AT(contains_max)),
    KEYWORD("minItems", read_count, AT(items_min)),
    KEYWORD("maxItems", read_count, AT(items_max)),
    KEYWORD("uniqueItems", read_bool, AT(unique)),
    KEYWORD("properties", read_properties, AT(properties)),
    KEYWORD("patternProperties", read_patterns, AT(patterns)),
    KEYWORD("additionalProperties", read_schema, AT(additional)),
    KEYWORD("propertyNames", read_schema, AT(names)),
    KEYWORD("required", read_names, AT(required)),
    KEYWORD("dependentRequired", read_dependencies, 0),
    KEYWORD("minProperties", read_count, AT(properties_min)),
    KEYWORD("maxProperties", read_count, AT(properties_max)),
    KEYWORD("allOf", read_schemas, AT(all_of)),
    KEYWORD("anyOf", read_schemas, AT(any_of)),
    KEYWORD("oneOf", read_schemas, AT(one_of)),
    KEYWORD("not", read_schema, AT(negated)),
    KEYWORD("if", read_schema, AT(condition)),
    KEYWORD("then", read_schema, AT(consequence)),
    KEYWORD("else", read_schema, AT(alternative)),
    KEYWORD("unevaluatedProperties", refuse, 0),
    KEYWORD("unevaluatedItems", refuse, 0),
    KEYWORD("dependentSchemas", refuse, 0),
    KEYWORD("additionalItems", refuse, 0),
    KEYWORD("$dynamicRef", refuse, 0),
    KEYWORD("$dynamicAnchor", refuse, 0),
    KEYWORD("$anchor", refuse, 0),
    KEYWORD("$schema", annotate, 0),
    KEYWORD("$id", annotate, 0),
    KEYWORD("$comment", annotate, 0),
    KEYWORD("$vocabulary", annotate, 0),
    KEYWORD("title", annotate, 0),
    KEYWORD("description", annotate, 0),
    KEYWORD("default", annotate, 0),
    KEYWORD("examples", annotate, 0),
    KEYWORD("deprecated", annotate, 0),
    KEYWORD("readOnly", annotate, 0),
    KEYWORD("writeOnly", annotate, 0),
    KEYWORD("format", annotate, 0),
    KEYWORD("contentEncoding", annotate, 0),
    KEYWORD("contentMediaType", annotate, 0),
    KEYWORD("contentSchema", annotate, 0),
#undef KEYWORD
};
#undef AT
enum { KEYWORDS_COUNT = sizeof keywords / sizeof keywords[0] };

static void read_keyword(compiler *c, const leat_node *member, leat_json_schema *schema)
{
    leat_str names[KEYWORDS_COUNT];
    for (size_t i = 0; i < KEYWORDS_COUNT; i++) {
        names[i] = keywords[i].name;
        if (!leat_str_equal(member->key, keywords[i].name)) continue;
        keywords[i].read(c, member, (char *)schema + keywords[i].offset);
        return;
    }
    leat_finding *finding =
        leat_findings_add_key(c->findings, member, true, "'%.*s' is no keyword of JSON Schema",
                              LEAT_STR_ARG(member->key));
    finding->suggestion = leat_str_nearest(member->key, names, KEYWORDS_COUNT);
}

static leat_json_schema *schema_new(compiler *c, const leat_node *node)
{
    leat_err err = {0};
    leat_json_schema *schema = make(c, sizeof *schema);
    if (schema == NULL) return NULL;
    *schema = (leat_json_schema){.minimum = NAN,
                                 .maximum = NAN,
                                 .above = NAN,
                                 .below = NAN,
                                 .multiple = NAN,
                                 .length_max = UINT64_MAX,
                                 .items_max = UINT64_MAX,
                                 .properties_max = UINT64_MAX,
                                 .contains_min = 1,
                                 .contains_max = UINT64_MAX};
    leat_str address = {(const char *)&node, sizeof(const leat_node *)};
    uintptr_t at = (uintptr_t)schema;
    if (leat_map_put(c->known, address, at, &err) != LEAT_OK) c->full = true;
    return schema;
}

static const leat_json_schema *compile(compiler *c, const leat_node *node)
{
    uint64_t known = 0;
    LEAT_ASSERT(node != NULL && c->depth <= DEPTH_MAX);
    leat_str address = {(const char *)&node, sizeof(const leat_node *)};
    if (leat_map_get(c->known, address, &known)) return (const leat_json_schema *)(uintptr_t)known;
    if (c->depth == DEPTH_MAX || leat_map_count(c->known) >= SCHEMAS_MAX) {
        leat_findings_add(c->findings, node, false, "the schema is too large or too deep");
        return NULL;
    }
    leat_json_schema *schema = schema_new(c, node);
    if (schema == NULL) return NULL;
    if (node->kind == LEAT_NODE_BOOL) {
        schema->never = !node->b;
        return schema;
    }
    if (!expect(c, node, LEAT_NODE_OBJECT, "a schema: an object, true or false")) return schema;
    c->depth++;
    for (const leat_node *member = node->child; member != NULL; member = member->next)
        read_keyword(c, member, schema);
    c->depth--;
    return schema;
}

const leat_json_schema *leat_json_schema_new(const leat_node *root, leat_arena *arena,
                                             leat_findings *findings)
{
    LEAT_ASSERT(root != NULL && findings != NULL);
    compiler c = {.arena = arena, .findings = findings, .root = root, .known = leat_map_new()};
    size_t errors = findings->errors;
    const leat_json_schema *schema = compile(&c, root);
    leat_map_free(&c.known);
    if (c.full) leat_findings_add(findings, root, false, "no memory for the schema");
    return findings->errors == errors ? schema : NULL;
}
