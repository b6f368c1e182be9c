/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables at work: one loop over the members finds what is unknown, one over the table reads
 * what is known. A value that is wrong leaves the default in place, so that the owner can go on
 * and find the mistakes behind it; the finding alone says that the plan will not run.
 *
 * Values from ${env:} are texts even where a number or a bool is meant, so INT and BOOL read
 * texts too. A text in which a reference is left (it could not be resolved, which is a finding of
 * its own, or only a warning while checking) says nothing about its type: it is passed over.
 *
 * The schema and the manual are printed from the same lines; refused: a schema file written by
 * hand, which would be wrong after the first forgotten edit. */
#include "transforms/option.h"

#include <stdio.h>
#include <string.h>

#include "core/number.h"
#include "core/time.h"

#define OPTIONS_MAX 64 /* of one table */

static const char *const type_names[] = {
    [LEAT_OPTION_STRING] = "text",      [LEAT_OPTION_BOOL] = "true or false",
    [LEAT_OPTION_INT] = "whole number", [LEAT_OPTION_DURATION] = "duration",
    [LEAT_OPTION_SIZE] = "size",        [LEAT_OPTION_ENUM] = "one of",
    [LEAT_OPTION_EXPR] = "expression",  [LEAT_OPTION_PATH] = "field path",
    [LEAT_OPTION_NODE] = "see text",    [LEAT_OPTION_OBJECT] = "object",
    [LEAT_OPTION_NUMBER] = "number",
};

/* --- reading --- */

static bool parse_int(leat_str text, int64_t *number)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    size_t i = negative ? 1 : 0;
    int64_t value = 0;
    if (i == text.len) return false;
    for (; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_sub_overflow(value, text.data[i] - '0', &value)) return false;
    }
    if (!negative && value == INT64_MIN) return false;
    *number = negative ? value : -value;
    return true;
}

/* choices "a|b|c": the index of text, or -1. */
static int choice_find(const char *choices, leat_str text)
{
    int index = 0;
    for (const char *at = choices;; index++) {
        const char *end = strchrnul(at, '|');
        if (leat_str_equal(text, (leat_str){at, (size_t)(end - at)})) return index;
        if (*end == '\0') return -1;
        at = end + 1;
    }
}

static size_t choices_split(const char *choices, leat_str *names, size_t size)
{
    size_t count = 0;
    for (const char *at = choices; count < size;) {
        const char *end = strchrnul(at, '|');
        names[count++] = (leat_str){at, (size_t)(end - at)};
        if (*end == '\0') break;
        at = end + 1;
    }
    return count;
}

static bool wrong_kind(leat_findings *findings, const leat_node *node, const char *wanted)
{
    LEAT_ASSERT(node != NULL); /* a table's own default is never wrong */
    leat_findings_add(findings, node, false, "must be %s, not %s", wanted,
                      leat_node_kind_name(node->kind));
    return false;
}

/* The parser's text quotes what it has read; a secret is not to be quoted. */
static bool wrong_text(leat_findings *findings, const leat_node *node, const leat_err *err)
{
    LEAT_ASSERT(node != NULL);
    leat_findings_add(findings, node, false, "%s",
                      node->secret ? "the text that comes from ${...} is wrong" : err->text);
    return false;
}

static bool in_range(const leat_option *option, int64_t number)
{
    bool limited = option->min != 0 || option->max != 0;
    return !limited || (number >= option->min && number <= option->max);
}

static bool check_range(const leat_option *option, const leat_node *node, int64_t number,
                        const char *unit, leat_findings *findings)
{
    if (in_range(option, number)) return true;
    leat_findings_add(findings, node, false, "must be between %lld and %lld%s",
                      (long long)option->min, (long long)option->max, unit);
    return false;
}

static bool check_duration(const leat_option *option, const leat_node *node, int64_t ms,
                           leat_findings *findings)
{
    leat_buf text;
    if (in_range(option, ms)) return true;
    leat_buf_init(&text, 64);
    leat_time_config_format(option->min, &text);
    leat_buf_add_text(&text, " and ");
    leat_time_config_format(option->max, &text);
    leat_findings_add(findings, node, false, "must be between %.*s",
                      LEAT_STR_ARG(leat_buf_str(&text)));
    leat_buf_release(&text);
    return false;
}

static bool read_number(const leat_option *option, double number, double *into,
                        const leat_node *node, leat_findings *findings)
{
    bool limited = option->min != 0 || option->max != 0;
    if (!limited || (number >= (double)option->min && number <= (double)option->max)) {
        *into = number;
        return true;
    }
    return check_range(option, node, number < 0 ? INT64_MIN : INT64_MAX, "", findings);
}

static bool read_enum(const leat_option *option, leat_str text, int *into, const leat_node *node,
                      leat_findings *findings)
{
    int index = choice_find(option->choices, text);
    if (index >= 0) {
        *into = index;
        return true;
    }
    leat_str names[OPTIONS_MAX];
    size_t count = choices_split(option->choices, names, OPTIONS_MAX);
    char list[256];
    size_t used = 0;
    for (size_t i = 0; i < count && used + names[i].len + 4 < sizeof list; i++) {
        if (i > 0) list[used++] = ',', list[used++] = ' ';
        memcpy(list + used, names[i].data, names[i].len);
        used += names[i].len;
    }
    leat_finding *finding =
        leat_findings_add(findings, node, false, "must be one of: %.*s", (int)used, list);
    finding->suggestion = leat_str_nearest(text, names, count);
    return false;
}

/* text: what stands at node, or (node NULL) the table's own default, which cannot be wrong. */
static bool read_text(const leat_option *option, leat_str text, void *at, const leat_node *node,
                      leat_findings *findings)
{
    leat_err err = {0};
    uint64_t bytes = 0;
    int64_t number = 0;
    double real = 0;
    switch (option->type) {
    case LEAT_OPTION_STRING: *(leat_str *)at = text; return true;
    case LEAT_OPTION_ENUM: return read_enum(option, text, at, node, findings);
    case LEAT_OPTION_BOOL:
        if (!leat_str_is(text, "true") && !leat_str_is(text, "false"))
            return wrong_kind(findings, node, "true or false");
        *(bool *)at = leat_str_is(text, "true");
        return true;
    case LEAT_OPTION_INT:
        if (!parse_int(text, &number)) return wrong_kind(findings, node, "a whole number");
        if (!check_range(option, node, number, "", findings)) return false;
        *(int64_t *)at = number;
        return true;
    case LEAT_OPTION_NUMBER:
        if (leat_number_double(text, &real) != LEAT_NUMBER_OK)
            return wrong_kind(findings, node, "a number");
        return read_number(option, real, at, node, findings);
    case LEAT_OPTION_DURATION:
        if (leat_time_config(text, &number, &err) != LEAT_OK)
            return wrong_text(findings, node, &err);
        if (!check_duration(option, node, number, findings)) return false;
        *(int64_t *)at = number;
        return true;
    case LEAT_OPTION_SIZE:
        if (leat_size_config(text, &bytes, &err) != LEAT_OK)
            return wrong_text(findings, node, &err);
        number = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
        if (!check_range(option, node, number, " bytes", findings)) return false;
        *(uint64_t *)at = bytes;
        return true;
    case LEAT_OPTION_EXPR:
    case LEAT_OPTION_PATH:
    case LEAT_OPTION_NODE: *(const leat_node **)at = node; return true;
    case LEAT_OPTION_OBJECT: break;
    }
    return wrong_kind(findings, node, "an object");
}

static const char *kind_wanted(leat_option_type type)
{
    switch (type) {
    case LEAT_OPTION_BOOL: return "true or false";
    case LEAT_OPTION_INT: return "a whole number";
    case LEAT_OPTION_NUMBER: return "a number";
    case LEAT_OPTION_DURATION: return "a duration such as \"10s\"";
    case LEAT_OPTION_SIZE: return "a size such as \"64KiB\"";
    case LEAT_OPTION_EXPR: return "a string with an expression";
    case LEAT_OPTION_PATH: return "a string with a field path";
    case LEAT_OPTION_STRING:
    case LEAT_OPTION_ENUM:
    case LEAT_OPTION_NODE:
    case LEAT_OPTION_OBJECT: break;
    }
    return "a string";
}

static bool holds_reference(leat_str text)
{
    return leat_str_find(text, LEAT_STR("${env:")) >= 0 ||
           leat_str_find(text, LEAT_STR("${file:")) >= 0;
}

static bool read_member(const leat_option *option, const leat_node *node, void *into,
                        leat_findings *findings)
{
    void *at = (char *)into + option->offset;
    if (option->type == LEAT_OPTION_OBJECT)
        return leat_options_read(option->fields, option->fields_count, node, into, findings);
    if (option->type == LEAT_OPTION_NODE) {
        *(const leat_node **)at = node;
        return true;
    }
    if (node->kind == LEAT_NODE_STRING) {
        if (option->type != LEAT_OPTION_STRING && holds_reference(node->text)) return true;
        return read_text(option, node->text, at, node, findings);
    }
    if (node->kind == LEAT_NODE_BOOL && option->type == LEAT_OPTION_BOOL) {
        *(bool *)at = node->b;
        return true;
    }
    if (node->kind == LEAT_NODE_INT && option->type == LEAT_OPTION_INT) {
        if (!check_range(option, node, node->i, "", findings)) return false;
        *(int64_t *)at = node->i;
        return true;
    }
    if (option->type == LEAT_OPTION_NUMBER &&
        (node->kind == LEAT_NODE_INT || node->kind == LEAT_NODE_DOUBLE)) {
        double number = node->kind == LEAT_NODE_INT ? (double)node->i : node->d;
        return read_number(option, number, at, node, findings);
    }
    return wrong_kind(findings, node, kind_wanted(option->type));
}

static bool read_unknown(const leat_option *options, size_t count, const leat_node *object,
                         leat_findings *findings)
{
    leat_str names[OPTIONS_MAX];
    bool good = true;
    for (size_t i = 0; i < count; i++)
        names[i] = leat_str_of(options[i].name);
    for (const leat_node *member = object->child; member != NULL; member = member->next) {
        bool known = false;
        for (size_t i = 0; i < count && !known; i++)
            known = leat_str_equal(names[i], member->key);
        if (known) continue;
        leat_findings_unknown(findings, member, names, count);
        good = false;
    }
    return good;
}

static void set_default(const leat_option *option, void *into, leat_findings *findings)
{
    if (option->type == LEAT_OPTION_OBJECT) {
        bool good = leat_options_read(option->fields, option->fields_count, NULL, into, findings);
        LEAT_ASSERT(good);
    } else if (option->fallback != NULL) {
        bool good = read_text(option, leat_str_of(option->fallback), (char *)into + option->offset,
                              NULL, findings);
        LEAT_ASSERT(good);
    }
}

const leat_option *leat_option_find(const leat_option *options, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].name, name) == 0) return &options[i];
    return NULL;
}

static void set_defaults(const leat_option *options, size_t count, void *into,
                         leat_findings *findings)
{
    LEAT_ASSERT(count <= OPTIONS_MAX && into != NULL && findings != NULL);
    for (size_t i = 0; i < count; i++)
        set_default(&options[i], into, findings);
}

bool leat_options_read_brief(const leat_option *options, size_t count, const char *brief,
                             const leat_node *node, void *into, leat_findings *findings)
{
    const leat_option *alone = leat_option_find(options, count, brief);
    LEAT_ASSERT(alone != NULL && alone->type != LEAT_OPTION_OBJECT);
    if (node->kind == LEAT_NODE_OBJECT)
        return leat_options_read(options, count, node, into, findings);
    set_defaults(options, count, into, findings);
    return read_member(alone, node, into, findings);
}

bool leat_options_read(const leat_option *options, size_t count, const leat_node *object,
                       void *into, leat_findings *findings)
{
    set_defaults(options, count, into, findings);
    if (object == NULL) return true;
    if (object->kind != LEAT_NODE_OBJECT) return wrong_kind(findings, object, "an object");
    bool good = read_unknown(options, count, object, findings);
    for (size_t i = 0; i < count; i++) {
        const leat_node *member = leat_node_member(object, options[i].name);
        if (member != NULL) {
            good = read_member(&options[i], member, into, findings) && good;
        } else if (options[i].required) {
            leat_findings_add(findings, object, false, "'%s' is missing", options[i].name);
            good = false;
        }
    }
    return good;
}

/* --- JSON Schema --- */

/* Texts of option tables are ours, but may hold quotes and backslashes. */
static void add_quoted(leat_buf *out, const char *text)
{
    leat_buf_add_char(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') leat_buf_add_char(out, '\\');
        leat_buf_add_char(out, *text == '\n' ? ' ' : *text);
    }
    leat_buf_add_char(out, '"');
}

static void schema_enum(const leat_option *option, leat_buf *out)
{
    leat_str names[OPTIONS_MAX];
    size_t count = choices_split(option->choices, names, OPTIONS_MAX);
    leat_buf_add_text(out, "\"enum\": [");
    for (size_t i = 0; i < count; i++)
        leat_buf_add_format(out, "%s\"%.*s\"", i > 0 ? ", " : "", LEAT_STR_ARG(names[i]));
    leat_buf_add_char(out, ']');
}

/* A reference may stand for any value, so every type also takes a text that holds one. */
static void schema_int(const leat_option *option, leat_buf *out)
{
    leat_buf_add_text(out, "\"type\": [\"integer\", \"string\"]");
    if (option->min != 0 || option->max != 0)
        leat_buf_add_format(out, ", \"minimum\": %lld, \"maximum\": %lld", (long long)option->min,
                            (long long)option->max);
    leat_buf_add_text(out, ", \"pattern\": \"^-?[0-9]+$|[$][{]\"");
}

static void schema_type(const leat_option *option, leat_buf *out)
{
    switch (option->type) {
    case LEAT_OPTION_BOOL:
        leat_buf_add_text(out, "\"type\": [\"boolean\", \"string\"], "
                               "\"pattern\": \"^(true|false)$|[$][{]\"");
        break;
    case LEAT_OPTION_INT: schema_int(option, out); break;
    case LEAT_OPTION_NUMBER:
        leat_buf_add_text(out, "\"type\": [\"number\", \"string\"]");
        if (option->min != 0 || option->max != 0)
            leat_buf_add_format(out, ", \"minimum\": %lld, \"maximum\": %lld",
                                (long long)option->min, (long long)option->max);
        break;
    case LEAT_OPTION_DURATION:
        leat_buf_add_text(out, "\"type\": \"string\", "
                               "\"pattern\": \"^[0-9]+(ms|s|m|h|d)$|[$][{]\"");
        break;
    case LEAT_OPTION_SIZE:
        leat_buf_add_text(out, "\"type\": \"string\", "
                               "\"pattern\": \"^[0-9]+(B|KiB|MiB|GiB|TiB)?$|[$][{]\"");
        break;
    case LEAT_OPTION_ENUM: schema_enum(option, out); break;
    case LEAT_OPTION_STRING:
    case LEAT_OPTION_EXPR:
    case LEAT_OPTION_PATH: leat_buf_add_text(out, "\"type\": \"string\""); break;
    case LEAT_OPTION_NODE:
    case LEAT_OPTION_OBJECT: break;
    }
}

static void schema_default(const leat_option *option, leat_buf *out)
{
    bool bare = option->type == LEAT_OPTION_INT || option->type == LEAT_OPTION_BOOL ||
                option->type == LEAT_OPTION_NUMBER;
    leat_buf_add_text(out, ", \"default\": ");
    if (bare)
        leat_buf_add_text(out, option->fallback);
    else
        add_quoted(out, option->fallback);
}

/* `shape` is an object's text: its members are taken over behind the description. */
static void schema_shape(const leat_option *option, leat_buf *out)
{
    leat_str shape = leat_str_of(option->shape);
    LEAT_ASSERT(shape.len >= 2 && shape.data[0] == '{' && shape.data[shape.len - 1] == '}');
    leat_buf_add(out, leat_str_slice(shape, 1, shape.len - 1));
}

static void schema_members(const leat_option *options, size_t count, leat_buf *out);

void leat_option_schema(const leat_option *option, leat_buf *out)
{
    leat_buf_add_char(out, '{');
    if (option->doc != NULL) {
        leat_buf_add_text(out, "\"description\": ");
        add_quoted(out, option->doc);
    }
    bool more = option->shape != NULL || option->type != LEAT_OPTION_NODE;
    if (option->doc != NULL && more) leat_buf_add_text(out, ", ");
    if (option->shape != NULL)
        schema_shape(option, out);
    else if (option->type == LEAT_OPTION_OBJECT)
        schema_members(option->fields, option->fields_count, out);
    else
        schema_type(option, out);
    if (option->fallback != NULL) schema_default(option, out);
    leat_buf_add_char(out, '}');
}

static void schema_members(const leat_option *options, size_t count, leat_buf *out)
{
    leat_buf_add_text(out, "\"type\": \"object\", \"properties\": {");
    for (size_t i = 0; i < count; i++) {
        leat_buf_add_format(out, "%s\"%s\": ", i > 0 ? ", " : "", options[i].name);
        leat_option_schema(&options[i], out);
    }
    leat_buf_add_char(out, '}');
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (!options[i].required) continue;
        leat_buf_add_text(out, first ? ", \"required\": [" : ", ");
        add_quoted(out, options[i].name);
        first = false;
    }
    if (!first) leat_buf_add_char(out, ']');
    leat_buf_add_text(out, ", \"additionalProperties\": false");
}

void leat_options_schema(const leat_option *options, size_t count, leat_buf *out)
{
    leat_buf_add_char(out, '{');
    schema_members(options, count, out);
    leat_buf_add_char(out, '}');
}

/* --- the manual --- */

static void manual_cell(leat_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') leat_buf_add_char(out, '\\');
        leat_buf_add_char(out, *text == '\n' ? ' ' : *text);
    }
}

static void manual_rows(const leat_option *options, size_t count, const char *prefix, leat_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const leat_option *option = &options[i];
        if (option->type == LEAT_OPTION_OBJECT) {
            char inner[128];
            (void)snprintf(inner, sizeof inner, "%s%s.", prefix, option->name);
            manual_rows(option->fields, option->fields_count, inner, out);
            continue;
        }
        leat_buf_add_format(out, "| `%s%s` | ", prefix, option->name);
        if (option->type == LEAT_OPTION_ENUM) {
            leat_str names[OPTIONS_MAX];
            size_t names_count = choices_split(option->choices, names, OPTIONS_MAX);
            for (size_t j = 0; j < names_count; j++)
                leat_buf_add_format(out, "%s`%.*s`", j > 0 ? ", " : "", LEAT_STR_ARG(names[j]));
        } else {
            leat_buf_add_text(out, type_names[option->type]);
        }
        if (option->fallback != NULL)
            leat_buf_add_format(out, " | `%s` | ", option->fallback);
        else
            leat_buf_add_text(out, option->required ? " | required | " : " | | ");
        if (option->doc != NULL) manual_cell(out, option->doc);
        leat_buf_add_text(out, " |\n");
    }
}

void leat_options_manual(const leat_option *options, size_t count, leat_buf *out)
{
    if (count == 0) return;
    leat_buf_add_text(out, "| setting | value | default | |\n|---|---|---|---|\n");
    manual_rows(options, count, "", out);
}
