/* SPDX-License-Identifier: Apache-2.0 */
/* The published JSON Schema of pipeline files (draft 7, which editors know best), and the manual.
 *
 * Both are printed from the tables that planning reads by, so that an editor offers what `check`
 * accepts, and a setting cannot be added without its line in the manual. The schema is a little
 * wider than the truth: a text with a reference (${env:}) may stand for any value, and that one of
 * several keys has to be there is left to `check`, whose words are better than a schema's. Steps
 * are an object with one key of those that exist, which is what completion needs.
 *
 * The text is laid out one member a line, as the file is committed and its changes are read. */
#include <string.h>

#include "transforms/plan_inside.h"

#define PRETTY_BYTES_MAX ((size_t)4 << 20)

#define RAW_MEMBERS                                                                                \
    "\"payload\": {\"enum\": [\"original\", \"masked\", \"strict\"]}, \"mask\": {\"type\": "       \
    "\"object\"}"
/* A sink of records that go out as they came: a topic's name, or where. */
static const char plain_sink[] =
    "{\"oneOf\": [{\"type\": \"string\"}, "
    "{\"type\": \"object\", \"properties\": {\"topic\": {\"type\": \"string\"}, "
    "\"kafka\": {\"$ref\": \"#/definitions/kafka\"}, " RAW_MEMBERS "}, "
    "\"required\": [\"topic\"], \"additionalProperties\": false}, "
    "{\"type\": \"object\", \"properties\": {\"file\": {}, \"stdout\": {}, \"drop\": "
    "{}, " RAW_MEMBERS "}, "
    "\"additionalProperties\": false}]}";
static const char kafka[] =
    "{\"type\": \"object\", \"additionalProperties\": {\"type\": [\"string\", \"number\", "
    "\"boolean\"]}}";
static const char sinks[] =
    "{\"oneOf\": [{\"type\": \"string\"}, {\"$ref\": \"#/definitions/sink\"}, {\"type\": "
    "\"array\", "
    "\"minItems\": 1, \"items\": {\"oneOf\": [{\"type\": \"string\"}, {\"$ref\": "
    "\"#/definitions/sink\"}]}}]}";

static void add_string(leat_buf *out, const char *text)
{
    leat_json_write_string(leat_str_of(text), out);
}

/* One sentence for a tooltip: the manual's paragraph up to its first full stop. */
static void add_first_sentence(leat_buf *out, const char *doc)
{
    const char *end = doc;
    while (*end != '\0' && !(*end == '.' && (end[1] == ' ' || end[1] == '\n' || end[1] == '\0')))
        end++;
    size_t len = (size_t)(end - doc) + (*end == '.');
    leat_json_write_string((leat_str){doc, len}, out);
}

/* What a step's value may be, as its options say. */
static void add_value(const leat_operator_type *type, leat_buf *out)
{
    if (type->per_field)
        leat_buf_add_text(out, "{\"type\": \"object\", \"minProperties\": 1, "
                               "\"additionalProperties\": ");
    if (type->brief != NULL) {
        const leat_option *brief =
            leat_option_find(type->options, type->options_count, type->brief);
        LEAT_ASSERT(brief != NULL);
        leat_buf_add_text(out, "{\"anyOf\": [");
        leat_option_schema(brief, out);
        leat_buf_add_text(out, ", ");
    }
    leat_options_schema(type->options, type->options_count, out);
    if (type->brief != NULL) leat_buf_add_text(out, "]}");
    if (type->per_field) leat_buf_add_char(out, '}');
}

static void add_operator(const leat_operator_type *type, leat_buf *out)
{
    leat_buf_add_char(out, '{');
    if (type->doc != NULL) {
        leat_buf_add_text(out, "\"description\": ");
        add_first_sentence(out, type->doc);
        leat_buf_add_text(out, ", ");
    }
    leat_buf_add_text(out, "\"allOf\": [");
    if (type->schema != NULL)
        leat_buf_add_text(out, type->schema);
    else
        add_value(type, out);
    leat_buf_add_text(out, "]}");
}

/* An object with one key of those that are there. */
static void add_step(const leat_operator_type *const *operators, size_t count, leat_buf *out)
{
    leat_buf_add_text(out, "{\"type\": \"object\", \"minProperties\": 1, \"maxProperties\": 1, "
                           "\"additionalProperties\": false, \"properties\": {");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) leat_buf_add_text(out, ", ");
        add_string(out, operators[i]->name);
        leat_buf_add_text(out, ": ");
        add_operator(operators[i], out);
    }
    leat_buf_add_text(out, "}}");
}

static void add_definition(leat_buf *out, const char *name, const leat_option *options,
                           size_t count)
{
    leat_buf_add_text(out, ", ");
    add_string(out, name);
    leat_buf_add_text(out, ": ");
    leat_options_schema(options, count, out);
}

/* Lays the text out over lines; that it is JSON is a matter of our own tables. */
static void add_pretty(leat_str text, leat_buf *out)
{
    leat_arena *arena = NULL;
    leat_node *root = NULL;
    leat_err err;
    uint32_t line, column;
    leat_code code = leat_arena_new(&arena, PRETTY_BYTES_MAX * 16, &err);
    if (code == LEAT_OK)
        code = leat_doc_parse(text, LEAT_STR("schema"), arena, &root, &err, &line, &column);
    LEAT_ASSERT(code == LEAT_OK);
    leat_node_print(root, true, out);
    if (out->len > 0 && out->data[out->len - 1] != '\n') leat_buf_add_char(out, '\n');
    leat_arena_free(&arena);
}

void leat_plan_schema(const leat_operator_type *const *operators, size_t count, leat_buf *out)
{
    leat_buf raw;
    leat_buf_init(&raw, PRETTY_BYTES_MAX);
    leat_buf_add_text(&raw, "{\"$schema\": \"http://json-schema.org/draft-07/schema#\", "
                            "\"title\": \"A Leat pipeline\", \"allOf\": [");
    leat_options_schema(plan_top_options, plan_top_options_count, &raw);
    leat_buf_add_text(&raw, "], \"definitions\": {\"step\": ");
    add_step(operators, count, &raw);
    leat_buf_add_text(&raw, ", \"plain_sink\": ");
    leat_buf_add_text(&raw, plain_sink);
    leat_buf_add_text(&raw, ", \"format\": ");
    plan_format_schema(&raw);
    leat_buf_add_text(&raw, ", \"kafka\": ");
    leat_buf_add_text(&raw, kafka);
    leat_buf_add_text(&raw, ", \"sinks\": ");
    leat_buf_add_text(&raw, sinks);
    add_definition(&raw, "source", plan_source_options, plan_source_options_count);
    add_definition(&raw, "table", plan_table_options, plan_table_options_count);
    add_definition(&raw, "stream", plan_stream_options, plan_stream_options_count);
    add_definition(&raw, "sink", plan_sink_options, plan_sink_options_count);
    add_definition(&raw, "redis", plan_redis_options, plan_redis_options_count);
    add_definition(&raw, "redis_sink", plan_effect_options, plan_effect_options_count);
    add_definition(&raw, "worker", plan_worker_options, plan_worker_options_count);
    add_definition(&raw, "schema_registry", plan_registry_options, plan_registry_options_count);
    leat_buf_add_text(&raw, "}}");
    LEAT_ASSERT(!raw.overflow);
    add_pretty(leat_buf_str(&raw), out);
    leat_buf_release(&raw);
}

static void manual_part(leat_buf *out, const char *title, const leat_option *options, size_t count)
{
    leat_buf_add_format(out, "## %s\n\n", title);
    leat_options_manual(options, count, out);
    leat_buf_add_char(out, '\n');
}

void leat_plan_manual(const leat_operator_type *const *operators, size_t count, leat_buf *out)
{
    leat_buf_add_text(out, "# Pipeline files\n\n");
    manual_part(out, "Pipeline", plan_top_options, plan_top_options_count);
    manual_part(out, "Source", plan_source_options, plan_source_options_count);
    manual_part(out, "Table", plan_table_options, plan_table_options_count);
    manual_part(out, "Stream", plan_stream_options, plan_stream_options_count);
    manual_part(out, "Sink", plan_sink_options, plan_sink_options_count);
    manual_part(out, "Redis server", plan_redis_options, plan_redis_options_count);
    manual_part(out, "Redis sink", plan_effect_options, plan_effect_options_count);
    manual_part(out, "Worker", plan_worker_options, plan_worker_options_count);
    plan_format_manual(out);
    leat_buf_add_text(out, "# Steps\n\n");
    for (size_t i = 0; i < count; i++) {
        leat_buf_add_format(out, "## %s\n\n", operators[i]->name);
        if (operators[i]->doc != NULL) {
            leat_buf_add_text(out, operators[i]->doc);
            leat_buf_add_text(out, "\n\n");
        }
        leat_options_manual(operators[i]->options, operators[i]->options_count, out);
        if (operators[i]->options_count > 0) leat_buf_add_char(out, '\n');
    }
}
