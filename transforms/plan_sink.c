/* SPDX-License-Identifier: Apache-2.0 */
/* Where records go: sinks of streams, late records and dead letters.
 *
 * A sink's topic may be an expression. What tells them apart is the alphabet: a text of letters,
 * digits, dots, dashes and underscores is a topic's name, anything else an expression. So a topic
 * that is the text of a field is written `string(field)`, and no name ever turns into a
 * subtraction.
 *
 * Late records and dead letters go out as they came; their sinks take neither expressions nor a
 * key. */
#include <string.h>

#include "transforms/plan_inside.h"

#define TOPIC_LEN_MAX 249

#define FORMAT_DOC "How records are written: see formats; default: json."

typedef struct sink_options {
    const leat_node *topic, *file, *redis, *out, *drop, *format, *key, *headers, *partition, *kafka;
    const leat_node *payload, *mask, *tombstone;
    bool keep_headers;
} sink_options;

#define AT(field) .offset = offsetof(sink_options, field)
const leat_option plan_sink_options[] = {
    {.name = "topic",
     .type = LEAT_OPTION_NODE,
     AT(topic),
     .shape = "{\"type\": \"string\"}",
     .doc = "A topic's name, or an expression that gives one (anything with characters that no "
            "name has: `'alerts-' + country`, `string(topic)`)."},
    {.name = "file",
     .type = LEAT_OPTION_NODE,
     AT(file),
     .shape =
         "{\"oneOf\": [{\"type\": \"string\"}, {\"type\": \"object\", \"properties\": {\"path\": "
         "{\"type\": \"string\"}}, \"required\": [\"path\"], \"additionalProperties\": false}]}",
     .doc = "A file of lines, relative to the pipeline file; truncated at the start."},
    {.name = "redis",
     .type = LEAT_OPTION_NODE,
     AT(redis),
     .shape = "{\"$ref\": \"#/definitions/redis_sink\"}",
     .doc = "What to do to Redis for each record, once: see Redis sink."},
    {.name = "stdout",
     .type = LEAT_OPTION_NODE,
     AT(out),
     .shape = "{\"type\": \"object\", \"maxProperties\": 0}",
     .doc = "`{}`: one JSON line a record to standard output."},
    {.name = "drop",
     .type = LEAT_OPTION_NODE,
     AT(drop),
     .shape = "{\"type\": \"object\", \"maxProperties\": 0}",
     .doc = "`{}`: nowhere (counted)."},
    {.name = "format",
     .type = LEAT_OPTION_NODE,
     AT(format),
     .shape = PLAN_FORMAT_SHAPE,
     .doc = FORMAT_DOC},
    {.name = "key",
     .type = LEAT_OPTION_EXPR,
     AT(key),
     .doc = "Expression for the key of the written record; default: the record's key."},
    {.name = "headers",
     .type = LEAT_OPTION_NODE,
     AT(headers),
     .shape = "{\"type\": \"object\", \"additionalProperties\": {\"type\": \"string\"}}",
     .doc = "Headers of the written record: name and expression."},
    {.name = "partition",
     .type = LEAT_OPTION_EXPR,
     AT(partition),
     .doc = "Expression for the partition; default: by key, as Java's clients do."},
    {.name = "kafka",
     .type = LEAT_OPTION_NODE,
     AT(kafka),
     .shape = PLAN_KAFKA_SHAPE,
     .doc = "librdkafka properties for this sink."},
    {.name = "tombstone",
     .type = LEAT_OPTION_EXPR,
     AT(tombstone),
     .doc = "Expression: where it is true, the written record has a null value, which a compacted "
            "topic takes for a delete: `has(event.__deleted)`."},
    {.name = "keep_headers",
     .type = LEAT_OPTION_BOOL,
     AT(keep_headers),
     .doc = "The headers of the record that came in go out again, before those of `headers`; of "
            "one name, only the latter."},
    {.name = "payload",
     .type = LEAT_OPTION_NODE,
     AT(payload),
     .shape = "{\"enum\": [\"original\", \"masked\", \"strict\"]}",
     .doc =
         "Of dead letters (default `strict`) and late records (default `original`): as they came; "
         "`masked`: with the fields masked that streams mask, as far as they can be; `strict`: and "
         "what cannot be masked is withheld."},
    {.name = "mask",
     .type = LEAT_OPTION_NODE,
     AT(mask),
     .shape = "{\"type\": \"object\"}",
     .doc =
         "Of dead letters: fields to mask besides those that streams mask, as in the step `mask`."},
};
#undef AT
const size_t plan_sink_options_count = sizeof plan_sink_options / sizeof plan_sink_options[0];

/* --- texts --- */

static bool topic_legal(leat_str name)
{
    if (name.len == 0 || name.len > TOPIC_LEN_MAX) return false;
    if (leat_str_is(name, ".") || leat_str_is(name, "..")) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        if (!good) return false;
    }
    return true;
}

bool plan_is_text(leat_planner *planner, const leat_node *node, const char *what)
{
    if (node->kind == LEAT_NODE_STRING) return true;
    leat_findings_add(planner->findings, node, false, "must be %s, not %s", what,
                      leat_node_kind_name(node->kind));
    return false;
}

bool plan_topic_name(leat_planner *planner, const leat_node *node)
{
    if (!plan_is_text(planner, node, "a topic's name")) return false;
    if (plan_unresolved(planner, node) || topic_legal(node->text)) return true;
    leat_findings_add(
        planner->findings, node, false,
        "'%.*s' is no legal topic name: letters, digits, '.', '_' and '-', at most %d",
        LEAT_STR_ARG(plan_shown(node)), TOPIC_LEN_MAX);
    return false;
}

/* --- reading --- */

static leat_sink *sink_add(leat_planner *planner, const leat_node *node)
{
    leat_plan *plan = planner->plan;
    leat_sink *sink = leat_planner_alloc(planner, sizeof *sink);
    plan->sinks = plan_room(planner, plan->sinks, plan->sinks_count, &planner->sinks_size,
                            sizeof(leat_sink *));
    sink->index = (uint32_t)plan->sinks_count;
    sink->place = leat_node_path(node, planner->arena);
    sink->from_node = UINT32_MAX;
    plan->sinks[plan->sinks_count++] = sink;
    return sink;
}

leat_str plan_located(leat_planner *planner, leat_str path)
{
    const char *slash =
        planner->file.len == 0 ? NULL : memrchr(planner->file.data, '/', planner->file.len);
    if (slash == NULL || (path.len > 0 && path.data[0] == '/')) return path;
    leat_str folder = {planner->file.data, (size_t)(slash + 1 - planner->file.data)};
    return leat_arena_print(planner->arena, "%.*s%.*s", LEAT_STR_ARG(folder), LEAT_STR_ARG(path));
}

static void sink_file(leat_planner *planner, leat_sink *sink, const leat_node *node)
{
    sink->kind = LEAT_SINK_FILE;
    const leat_node *path = node;
    if (node->kind == LEAT_NODE_OBJECT) {
        path = leat_node_member(node, "path");
        leat_str known = LEAT_STR("path");
        for (const leat_node *member = node->child; member != NULL; member = member->next)
            if (member != path) leat_findings_unknown(planner->findings, member, &known, 1);
    }
    if (path == NULL) {
        leat_findings_add(planner->findings, node, false, "'path' is missing");
        return;
    }
    if (!plan_is_text(planner, path, "a path")) return;
    if (path->text.len == 0) leat_findings_add(planner->findings, path, false, "the path is empty");
    sink->topic = plan_located(planner, path->text);
}

static void sink_empty(leat_planner *planner, leat_sink *sink, leat_sink_kind kind,
                       const leat_node *node)
{
    sink->kind = kind;
    if (node->kind != LEAT_NODE_OBJECT || node->child != NULL)
        leat_findings_add(planner->findings, node, false, "must be {}: it has no settings");
}

static void refuse(leat_planner *planner, const leat_node *node, const char *why)
{
    if (node == NULL) return;
    leat_findings_add_key(planner->findings, node, false, "'%.*s' %s", LEAT_STR_ARG(node->key),
                          why);
}

/* The kind of sink, from an object's members; false: a mistake. */
static bool sink_kind(leat_planner *planner, const leat_node *node, const sink_options *options,
                      leat_sink *sink)
{
    int given = (options->topic != NULL) + (options->file != NULL) + (options->out != NULL) +
                (options->drop != NULL) + (options->redis != NULL);
    if (given != 1) {
        leat_findings_add(planner->findings, node, false,
                          given == 0
                              ? "one of 'topic', 'file', 'redis', 'stdout', 'drop' is missing"
                              : "a sink is one of 'topic', 'file', 'redis', 'stdout', 'drop'; "
                                "write a list of sinks for several");
        return false;
    }
    if (options->file != NULL) sink_file(planner, sink, options->file);
    if (options->out != NULL) sink_empty(planner, sink, LEAT_SINK_STDOUT, options->out);
    if (options->drop != NULL) sink_empty(planner, sink, LEAT_SINK_DROP, options->drop);
    if (options->topic != NULL) return true;
    const char *why = "goes with a topic only";
    refuse(planner, options->key, why);
    refuse(planner, options->headers, why);
    refuse(planner, options->tombstone, why);
    refuse(planner, options->partition, why);
    refuse(planner, options->kafka, why);
    return true;
}

static void sink_topic(leat_planner *planner, leat_sink *sink, const leat_node *node,
                       const plan_site *site)
{
    sink->kind = LEAT_SINK_TOPIC;
    bool plain = site == NULL || node->kind != LEAT_NODE_STRING || node->text.len == 0 ||
                 plan_unresolved(planner, node) || topic_legal(node->text);
    if (plain) {
        if (plan_topic_name(planner, node)) sink->topic = node->text;
        return;
    }
    sink->topic_expr = plan_expr(planner, node, *site, NULL);
    if (sink->topic_expr != NULL)
        (void)leat_planner_expect(planner, node, sink->topic_expr, "string");
}

static void sink_headers(leat_planner *planner, leat_sink *sink, const leat_node *node,
                         plan_site site)
{
    if (node->kind != LEAT_NODE_OBJECT) {
        leat_findings_add(planner->findings, node, false,
                          "must be an object of names and expressions, not %s",
                          leat_node_kind_name(node->kind));
        return;
    }
    size_t size = 0;
    for (const leat_node *header = node->child; header != NULL; header = header->next) {
        leat_expr *value = plan_expr(planner, header, site, NULL);
        if (value == NULL) continue;
        sink->headers =
            plan_room(planner, sink->headers, sink->headers_count, &size, sizeof *sink->headers);
        sink->headers[sink->headers_count].name = header->key;
        sink->headers[sink->headers_count++].value = value;
    }
}

static void sink_format(leat_planner *planner, leat_sink *sink, const leat_node *node)
{
    if (sink->layout == NULL) {
        refuse(planner, node, "is not for records that go out as they came");
        return;
    }
    leat_format_site site = {.sink = true,
                             .files =
                                 sink->kind == LEAT_SINK_FILE || sink->kind == LEAT_SINK_STDOUT,
                             .out = sink->kind == LEAT_SINK_STDOUT,
                             .shape = sink->shape,
                             .layout = sink->layout,
                             .topic = sink->kind == LEAT_SINK_TOPIC ? sink->topic : LEAT_STR_NONE};
    if (!plan_format(planner, node, &site)) return;
    sink->codec = site.codec;
    sink->head = site.head;
    sink->container = site.container;
}

/* What only records take that go out as they came. */
static void sink_payload(leat_planner *planner, leat_sink *sink, const sink_options *options,
                         bool plain)
{
    static const leat_str known[] = {LEAT_STR_INIT("original"), LEAT_STR_INIT("masked"),
                                     LEAT_STR_INIT("strict")};
    if (!plain) {
        const char *why = "is for dead letters and late records, which go out as they came";
        refuse(planner, options->payload, why);
        refuse(planner, options->mask, why);
        return;
    }
    planner->dead_letter_mask = options->mask;
    const leat_node *node = options->payload;
    if (node == NULL || plan_unresolved(planner, node)) return;
    sink->payload_given = true;
    for (int i = 0; node->kind == LEAT_NODE_STRING && i < 3; i++) {
        if (!leat_str_equal(node->text, known[i])) continue;
        sink->payload = (leat_payload)i;
        return;
    }
    leat_finding *finding = leat_findings_add(planner->findings, node, false,
                                              "must be 'original', 'masked' or 'strict'");
    if (node->kind == LEAT_NODE_STRING && !node->secret)
        finding->suggestion = leat_str_nearest(node->text, known, 3);
}

static void sink_read(leat_planner *planner, leat_sink *sink, const leat_node *node,
                      const plan_site *site, uint32_t source)
{
    sink_options options = {0};
    if (node->kind == LEAT_NODE_STRING) {
        if (plan_topic_name(planner, node)) sink->topic = node->text;
        return;
    }
    if (node->kind != LEAT_NODE_OBJECT) {
        leat_findings_add(planner->findings, node, false,
                          "must be a topic's name or a sink, not %s",
                          leat_node_kind_name(node->kind));
        return;
    }
    (void)leat_options_read(plan_sink_options, plan_sink_options_count, node, &options,
                            planner->findings);
    if (!sink_kind(planner, node, &options, sink)) return;
    if (options.redis != NULL) {
        if (site == NULL)
            refuse(planner, options.redis, "is not for records that go out as they came");
        else
            plan_effect(planner, sink, options.redis, *site, source);
        refuse(planner, options.format, "does not go with redis: its expressions say what goes in");
        return;
    }
    sink_payload(planner, sink, &options, site == NULL);
    if (options.topic != NULL) sink_topic(planner, sink, options.topic, site);
    sink_format(planner, sink, options.format);
    if (options.topic == NULL) return;
    plan_settings(planner, options.kafka, &sink->settings, &sink->settings_count);
    if (site == NULL) {
        const char *why = "is not for records that go out as they came";
        refuse(planner, options.key, why);
        refuse(planner, options.headers, why);
        refuse(planner, options.partition, why);
        refuse(planner, options.tombstone, why);
        return;
    }
    if (options.key != NULL) sink->key_expr = plan_expr(planner, options.key, *site, NULL);
    if (options.headers != NULL) sink_headers(planner, sink, options.headers, *site);
    sink->keep_headers = options.keep_headers;
    if (options.tombstone != NULL)
        sink->tombstone_expr = plan_expr(planner, options.tombstone, *site, NULL);
    if (sink->tombstone_expr != NULL)
        (void)leat_planner_expect(planner, options.tombstone, sink->tombstone_expr, "bool");
    if (options.partition == NULL) return;
    sink->partition_expr = plan_expr(planner, options.partition, *site, NULL);
    if (sink->partition_expr != NULL)
        (void)leat_planner_expect(planner, options.partition, sink->partition_expr, "int");
}

leat_sink *plan_plain_sink(leat_planner *planner, const leat_node *node, leat_payload payload)
{
    leat_sink *sink = sink_add(planner, node);
    sink->payload = payload;
    sink_read(planner, sink, node, NULL, UINT32_MAX);
    return sink;
}

void plan_sinks(leat_planner *planner, const leat_node *node, const plan_point *point,
                const leat_step *from)
{
    bool list = node->kind == LEAT_NODE_LIST;
    if (list && node->child == NULL)
        leat_findings_add(planner->findings, node, false, "the list is empty");
    for (const leat_node *one = list ? node->child : node; one != NULL && !plan_failed(planner);
         one = list ? one->next : NULL) {
        leat_sink *sink = sink_add(planner, one);
        sink->from = from;
        sink->from_node = point->node;
        sink->from_port = point->port;
        sink->shape = point->shape;
        sink->layout = point->layout;
        plan_site site = {point->shape, point->layout, &sink->views, &sink->views_count};
        sink_read(planner, sink, one, &site, point->source);
    }
}

void leat_planner_sink(leat_planner *planner, const leat_step *step, uint32_t port,
                       const leat_node *node)
{
    LEAT_ASSERT(port > 0 && port < step->ports);
    plan_point point = {.node = step->index,
                        .port = port,
                        .source = planner->step_source,
                        .shape = step->shape_out,
                        .layout = step->layout_out};
    plan_sinks(planner, node, &point, step);
}

/* --- all of them together --- */

static bool source_reads(const leat_source *source, leat_str topic)
{
    for (size_t i = 0; !source->files && i < source->topics_count; i++)
        if (leat_str_equal(source->topics[i], topic)) return true;
    return false;
}

/* A topic belongs to one source: a group's member gets each record once. */
static void check_source(leat_planner *planner, const leat_source *source, const leat_node *node)
{
    const leat_plan *plan = planner->plan;
    for (size_t i = 0; i < source->index; i++) {
        const leat_source *other = &plan->sources[i];
        if (other->files != source->files) {
            leat_findings_add_key(planner->findings, node, false,
                                  "files and topics cannot be read by one pipeline: write two, the "
                                  "first from the files to a topic");
            return;
        }
        for (size_t t = 0; t < source->topics_count; t++) {
            if (!source_reads(other, source->topics[t])) continue;
            leat_findings_add_key(planner->findings, node, false,
                                  "source '%.*s' reads topic '%.*s' already; let the streams read "
                                  "that source",
                                  LEAT_STR_ARG(other->name), LEAT_STR_ARG(source->topics[t]));
            return;
        }
    }
}

void plan_check_topics(leat_planner *planner, const leat_node *sources)
{
    const leat_plan *plan = planner->plan;
    if (sources == NULL || plan->sources_count == 0) return;
    for (const leat_node *node = sources->child; node != NULL; node = node->next) {
        const leat_source *source = &plan->sources[node->index];
        LEAT_ASSERT(leat_str_equal(source->name, node->key));
        check_source(planner, source, node);
        for (size_t i = 0; i < plan->sinks_count; i++) {
            const leat_sink *sink = plan->sinks[i];
            if (sink->kind != LEAT_SINK_TOPIC || sink->topic.data == NULL) continue;
            if (source_reads(source, sink->topic))
                leat_findings_add_key(planner->findings, node, true,
                                      "'%.*s' writes to topic '%.*s', which this source reads: the "
                                      "records would go round in a circle",
                                      LEAT_STR_ARG(sink->place), LEAT_STR_ARG(sink->topic));
        }
    }
}

void plan_check_files(leat_planner *planner, const leat_node *streams)
{
    const leat_plan *plan = planner->plan;
    for (size_t i = 0; i < plan->sinks_count; i++) {
        const leat_sink *sink = plan->sinks[i], *other = NULL;
        if (sink->kind != LEAT_SINK_FILE || leat_str_starts(sink->topic, LEAT_STR("/dev/")))
            continue;
        for (size_t k = 0; k < i && other == NULL; k++)
            if (plan->sinks[k]->kind == LEAT_SINK_FILE &&
                leat_str_equal(plan->sinks[k]->topic, sink->topic))
                other = plan->sinks[k];
        if (other != NULL)
            leat_findings_add_key(planner->findings, streams, true,
                                  "'%.*s' and '%.*s' write to one file, '%.*s': it holds the lines "
                                  "of both, and on a full disk one cuts the other's off",
                                  LEAT_STR_ARG(other->place), LEAT_STR_ARG(sink->place),
                                  LEAT_STR_ARG(sink->topic));
    }
}
